//! Validation of objects against a structural schema: values, embedded resources, lists, then the rules in CEL.
//!
//! **Invariant:** rules are evaluated only on objects whose values have the declared types.

mod lists;
mod number;
mod ratchet;
mod walk;

use serde_json::Value;

use crate::cel::run::{self, Ratcheting};
use crate::depth;
use crate::error::{ErrorKind, FieldError, NO_FIELD};
use crate::meta;
use crate::path::Path;
use crate::structural::{Node, Structural};

use self::lists::validate_lists;
pub(crate) use self::ratchet::{OldItems, unchanged};
use self::walk::{Quick, collect};

/// Everything that is wrong with an object, in the server's words and order: value validation, then embedded
/// resources, then duplicates in sets and maps in list form, then the rules in CEL (`x-kubernetes-validations`). Rules are
/// compiled when the first object of a schema comes, and evaluated unless values of wrong types, or too many of them,
/// were found before (SCH-58).
///
/// With `old` this is [`validate_update`] without the warnings.
///
/// ```
/// use kubewright_schema::{Structural, message_of, validate};
/// use serde_json::json;
/// let schema = Structural::from_json(&json!({
///     "type": "object",
///     "properties": {"spec": {
///         "type": "object",
///         "properties": {"replicas": {"type": "integer", "maximum": 10}, "minimum": {"type": "integer"}},
///         "x-kubernetes-validations": [{
///             "rule": "self.minimum <= self.replicas",
///             "messageExpression": "'at least %d replicas'.format([self.minimum])",
///             "fieldPath": ".replicas",
///         }],
///     }},
/// }))
/// .unwrap();
/// let told = |spec| message_of(&validate(&json!({ "spec": spec }), None, &schema));
/// assert_eq!(
///     told(json!({"replicas": 11, "minimum": 1})),
///     "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10"
/// );
/// assert_eq!(told(json!({"replicas": 1, "minimum": 2})), "spec.replicas: Invalid value: at least 2 replicas");
/// ```
pub fn validate(object: &Value, old: Option<&Value>, schema: &Structural) -> Vec<FieldError> {
    judge(object, old, schema).errors
}

/// What came of a validation.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// Why the object is refused; empty if it is not.
    pub errors: Vec<FieldError>,
    /// Rules that do not hold and need not, since they do not hold for the old object either. A server sends them as
    /// warnings.
    pub warnings: Vec<String>,
}

impl From<Vec<FieldError>> for Verdict {
    fn from(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            warnings: Vec::new(),
        }
    }
}

/// Like [`validate`], for a change of an object.
///
/// Errors in values that are as they were are left out (ratcheting, SCH-58): an object that a later CRD forbids can still
/// be changed elsewhere. Rules with `oldSelf` see the old object, and are never left out.
///
/// ```
/// use kubewright_schema::{Structural, message_of, validate_update};
/// use serde_json::json;
/// let schema = Structural::from_json(&json!({
///     "type": "object",
///     "properties": {"spec": {"type": "object", "properties": {
///         "name": {"type": "string", "maxLength": 3},
///         "size": {"type": "integer", "x-kubernetes-validations": [
///             {"rule": "self >= oldSelf", "message": "must not shrink"},
///         ]},
///     }}},
/// }))
/// .unwrap();
/// let old = json!({"spec": {"name": "too long", "size": 2}});
/// let grown = json!({"spec": {"name": "too long", "size": 3}});
/// assert!(validate_update(&grown, &old, &schema).errors.is_empty());
/// let shrunk = json!({"spec": {"name": "too long", "size": 1}});
/// assert_eq!(
///     message_of(&validate_update(&shrunk, &old, &schema).errors),
///     "spec.size: Invalid value: 1: must not shrink"
/// );
/// ```
pub fn validate_update(new: &Value, old: &Value, schema: &Structural) -> Verdict {
    judge(new, Some(old), schema)
}

fn judge(object: &Value, old: Option<&Value>, schema: &Structural) -> Verdict {
    let node = &schema.root;
    judge_by(object, old, schema, |failed, errors| {
        if failed {
            collect(object, old, node, "", errors);
        }
        validate_children_as_resources(object, node, errors);
    })
}

/// What every door looks at; `values` finds what is wrong with values, told whether anything is.
fn judge_by(
    object: &Value,
    old: Option<&Value>,
    schema: &Structural,
    values: impl FnOnce(bool, &mut Vec<FieldError>),
) -> Verdict {
    let quick = Quick::judge(object, &schema.root);
    // A walk that came to its end has seen how deep all of it is.
    if (quick.failed || quick.too_deep)
        && let Some(error) = depth::error(object, NO_FIELD)
    {
        return vec![error].into();
    }
    let mut errors = Vec::new();
    values(quick.failed, &mut errors);
    if quick.may_repeat() {
        check_lists(object, old, &schema.root, &mut errors);
    }
    check_rules(object, old, schema, errors)
}

/// Like [`validate`], for a write to the status subresource: of values it looks at `status` alone, while lists and rules
/// are those of the whole object.
pub fn validate_status(object: &Value, old: Option<&Value>, schema: &Structural) -> Vec<FieldError> {
    judge_status(object, old, schema).errors
}

/// Like [`validate_update`], for a write to the status subresource.
pub fn validate_status_update(new: &Value, old: &Value, schema: &Structural) -> Verdict {
    judge_status(new, Some(old), schema)
}

fn judge_status(object: &Value, old: Option<&Value>, schema: &Structural) -> Verdict {
    judge_by(object, old, schema, |failed, errors| {
        // A mistake elsewhere is none of this write's.
        if failed
            && let (Some(status), Some(node)) = (object.get("status"), schema.root.property("status"))
            && Quick::judge(status, node).failed
        {
            let old = old.and_then(|old| old.get("status"));
            collect(status, old, node, "status", errors);
        }
    })
}

/// Adds what the rules say to what was found without them.
fn check_rules(
    object: &Value,
    old: Option<&Value>,
    schema: &Structural,
    mut errors: Vec<FieldError>,
) -> Verdict {
    let Some(rules) = schema.programs() else {
        return errors.into();
    };
    if blocks_rules(&errors) {
        errors.push(FieldError::new(
            ErrorKind::Invalid,
            NO_FIELD,
            Value::Null,
            "some validation rules were not checked because the object was invalid; correct the existing errors to \
             complete validation",
        ));
        return errors.into();
    }
    let budget = run::OBJECT_BUDGET;
    let found = run::judge(rules, &schema.root, object, old, Ratcheting::On, "", budget);
    if found.errors.is_empty() && found.forgiven.is_empty() {
        return errors.into();
    }
    errors.extend(found.errors);
    Verdict {
        errors,
        warnings: found.forgiven.iter().map(ToString::to_string).collect(),
    }
}

/// What in an embedded resource a server cannot even decode: it answers 400 with this error's text, while
/// [`validate`] reports the same as one of its errors. `None` if all is well.
pub fn undecodable(object: &Value, schema: &Structural) -> Option<FieldError> {
    if let Some(error) = depth::error(object, NO_FIELD) {
        return Some(error);
    }
    let node = &schema.root;
    let Value::Object(map) = object else { return None };
    map.iter()
        .filter(|_| node.embedded_below)
        .filter_map(|(key, value)| Some((key, value, node.field(key)?)))
        .find_map(|(key, value, node)| meta::undecodable(value, node, &Path::Key(&Path::Root, key)))
}

/// Whether rules in CEL are skipped for these errors: they need values of the declared types.
fn blocks_rules(errors: &[FieldError]) -> bool {
    errors.iter().any(|error| {
        matches!(
            error.kind,
            ErrorKind::NotSupported
                | ErrorKind::Required
                | ErrorKind::TooLong
                | ErrorKind::TooMany
                | ErrorKind::TypeInvalid
        )
    })
}

/// The object itself counts as no embedded resource: its metadata is checked by the server for every kind.
fn validate_children_as_resources(object: &Value, node: &Node, errors: &mut Vec<FieldError>) {
    if let (Value::Object(map), true) = (object, node.embedded_below) {
        for (key, value) in map {
            if let Some(property) = node.field(key) {
                meta::validate_embedded(value, property, &Path::Key(&Path::Root, key), errors);
            }
        }
    }
}

/// Value validation of any value. `prefix` goes before the fields, not into the messages.
pub(crate) fn validate_value(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    prefix: &str,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if Quick::judge(value, node).failed {
        collect(value, old, node, prefix, &mut errors);
    }
    errors
}

/// Duplicates in sets and maps in list form. Those that were there before are not held against the update.
fn check_lists(object: &Value, old: Option<&Value>, node: &Node, errors: &mut Vec<FieldError>) {
    let mut before = Vec::new();
    if let Some(old) = old {
        validate_lists(old, node, &Path::Root, &mut before);
    }
    if before.is_empty() {
        validate_lists(object, node, &Path::Root, errors);
    }
}

#[cfg(test)]
mod tests;
