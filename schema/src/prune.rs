//! Pruning and defaulting: what a server does to an object before it looks whether the object is valid.
//!
//! **Invariant:** both are idempotent, nulls in defaults apart, and defaulting a pruned object adds nothing that pruning would remove (the
//! CRD check makes sure that defaults are pruned).

use serde_json::{Map, Value};

use crate::depth;
use crate::meta;
use crate::path::Path;
use crate::structural::{Additional, Node, Structural};

/// Fields of every resource that pruning leaves to the metadata rules.
const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// All that happens to a custom resource between the wire and validation, in the server's order: numbers are
/// normalised ([`normalize_numbers`]), nulls dropped ([`drop_nulls`]), defaults filled in ([`default`]), unknown fields
/// pruned ([`prune`]).
///
/// Upstream normalises numbers last, on the way to storage. Here a whole float is an integer for validation too, so
/// that a message may say `"integer"` where upstream says `"number"`.
///
/// Returns the paths of unknown fields, sorted, for the warnings `unknown field "spec.zz"` and for strict decoding.
///
/// As upstream, this is not idempotent where a default holds a null for a field that may not be null: the null is told
/// when the default comes in, and dropped when the object is read again.
///
/// An object that nests deeper than [`DEPTH_LIMIT`](crate::DEPTH_LIMIT) is left as it is; [`validate`](crate::validate)
/// refuses it.
///
/// ```
/// use kubewright_schema::{Structural, prepare};
/// use serde_json::json;
/// let schema = Structural::from_json(&json!({
///     "type": "object",
///     "properties": {"spec": {"type": "object", "properties": {
///         "a": {"type": "string", "default": "x"},
///         "b": {"type": "string"},
///     }}},
/// }))
/// .unwrap();
/// let mut object = json!({"spec": {"a": null, "b": null, "zz": 1}});
/// assert_eq!(prepare(&mut object, &schema), ["spec.zz"]);
/// assert_eq!(object, json!({"spec": {"a": "x"}}));
/// ```
pub fn prepare(object: &mut Value, schema: &Structural) -> Vec<String> {
    if depth::exceeds(object) {
        return Vec::new();
    }
    let Value::Object(map) = object else {
        normalize_below(object);
        drop_nulls(object, schema);
        default(object, schema);
        return Vec::new();
    };
    let mut pruner = Pruner {
        unknown: Vec::new(),
        metadata: Metadata::Prune,
    };
    let root = &schema.root;
    prepare_object(map, root, Resource::Yes, root.preserve, &Path::Root, &mut pruner);
    pruner.unknown.sort();
    pruner.unknown
}

/// All steps of [`prepare`] in one walk: each value is judged once, and an object is only built anew where something
/// goes.
fn prepare_object(
    map: &mut Map<String, Value>,
    node: &Node,
    resource: Resource,
    preserve: bool,
    path: &Path<'_>,
    pruner: &mut Pruner,
) {
    let (mut gone, mut defaulted) = (false, 0);
    let mut properties = node.properties.in_order();
    for (key, value) in map.iter_mut() {
        let here = Path::Key(path, key);
        let property = properties.get(key);
        defaulted += usize::from(property.is_some_and(|property| property.default.is_some()));
        let known = property.or(node.additional.schema());
        if let Some(known) = known
            && value.is_null()
            && !known.nullable
        {
            match &known.default {
                Some(default) => fill_in(value, default, key, known, resource, &here, pruner),
                None => gone = true,
            }
            continue;
        }
        if resource == Resource::Yes && META_FIELDS.contains(&key.as_str()) {
            normalize_below(value);
            if let Some(known) = known {
                drop_nulls_below(value, known);
                default_below(value, known);
            }
            pruner.meta_field(key, value, &here);
            continue;
        }
        match (known, &node.additional) {
            (Some(known), _) => prepare_value(value, Some(known), &here, pruner),
            (None, Additional::Undeclared) if preserve => normalize_below(value),
            (None, Additional::Undeclared) => {
                pruner.unknown.push(here.render());
                gone = true;
            }
            (None, _) => prepare_value(value, None, &here, pruner),
        }
    }
    if gone {
        map.retain(|key, value| match node.field(key) {
            Some(known) => !value.is_null() || known.nullable,
            None => {
                preserve
                    || !matches!(node.additional, Additional::Undeclared)
                    || resource == Resource::Yes && META_FIELDS.contains(&key.as_str())
            }
        });
    }
    let defaults = node.properties.defaulted();
    if defaulted == defaults.len() {
        return;
    }
    for (name, property) in defaults {
        if let Some(default) = &property.default
            && !map.contains_key(&**name)
        {
            let mut value = Value::Null;
            let here = Path::Key(path, name);
            fill_in(&mut value, default, name, property, resource, &here, pruner);
            map.insert(name.to_string(), value);
        }
    }
}

/// Puts a default in a value's place. Defaults may hold what has defaults in turn, and below additional properties
/// nobody has looked whether they hold unknown fields.
fn fill_in(
    value: &mut Value,
    default: &Value,
    key: &str,
    node: &Node,
    resource: Resource,
    path: &Path<'_>,
    pruner: &mut Pruner,
) {
    *value = default.clone();
    default_below(value, node);
    if resource == Resource::Yes && META_FIELDS.contains(&key) {
        pruner.meta_field(key, value, path);
    } else {
        prune_below(value, Some(node), path, pruner);
    }
}

fn prepare_value(value: &mut Value, node: Option<&Node>, path: &Path<'_>, pruner: &mut Pruner) {
    match value {
        Value::Object(map) => match node {
            Some(node) => prepare_object(map, node, Resource::of(node), node.preserve, path, pruner),
            None => prune_below(value, None, path, pruner),
        },
        Value::Array(items) => {
            let preserve = node.is_some_and(|node| node.preserve);
            let inner = node.and_then(|node| node.items.as_deref());
            for (index, item) in items.iter_mut().enumerate() {
                let path = Path::Index(path, index);
                if let Some(inner) = inner {
                    replace_null(item, inner);
                }
                if preserve {
                    prepare_kept(item, inner, &path, pruner);
                } else {
                    prepare_value(item, inner, &path, pruner);
                }
            }
        }
        Value::Number(_) => normalize_below(value),
        _ => {}
    }
}

/// Like [`keep_below`], with all other steps.
fn prepare_kept(value: &mut Value, node: Option<&Node>, path: &Path<'_>, pruner: &mut Pruner) {
    let Some(node) = node else {
        normalize_below(value);
        return;
    };
    match value {
        Value::Object(map) => prepare_object(map, node, Resource::of(node), true, path, pruner),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                if let Some(inner) = &node.items {
                    replace_null(item, inner);
                }
                prepare_kept(item, node.items.as_deref(), &Path::Index(path, index), pruner);
            }
        }
        _ => normalize_below(value),
    }
}

/// Writes numbers as a server stores them: `1.0` and `1e3` become 1 and 1000 (SCH-26).
pub fn normalize_numbers(value: &mut Value) {
    if !depth::exceeds(value) {
        normalize_below(value);
    }
}

fn normalize_below(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if number.as_i64().is_none()
                && let Some(float) = number.as_f64()
                && float.fract() == 0.0
                && float.abs() < 9_007_199_254_740_992.0
            {
                #[allow(clippy::cast_possible_truncation)]
                let whole = float as i64;
                *value = Value::from(whole);
            } else if number.as_i64().is_none() && number.is_u64() {
                // Beyond 64 bits with sign there are no integers in the server's JSON.
                *value = number.as_f64().map_or(Value::Null, Value::from);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalize_below),
        Value::Object(map) => map.values_mut().for_each(normalize_below),
        _ => {}
    }
}

/// Removes nulls from fields that are neither nullable nor defaulted (SCH-30). Nulls in lists stay, and are errors.
pub fn drop_nulls(object: &mut Value, schema: &Structural) {
    drop_nulls_below(object, &schema.root);
}

fn drop_nulls_below(value: &mut Value, node: &Node) {
    match value {
        Value::Object(map) => map.retain(|key, value| match node.field(key) {
            Some(field) if value.is_null() => field.nullable || field.default.is_some(),
            Some(field) => {
                drop_nulls_below(value, field);
                true
            }
            None => true,
        }),
        Value::Array(items) => {
            if let Some(node) = &node.items {
                items.iter_mut().for_each(|item| drop_nulls_below(item, node));
            }
        }
        _ => {}
    }
}

/// Fills in defaults, top-down and only inside objects that are there (SCH-36). A null counts as absent where the
/// field is not nullable.
pub fn default(object: &mut Value, schema: &Structural) {
    default_below(object, &schema.root);
}

fn default_below(value: &mut Value, node: &Node) {
    if !node.defaults_below {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, property) in &node.properties {
                if let Some(default) = &property.default {
                    fill(map, name, property, default);
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(property) = node.property(key) {
                    default_below(value, property);
                } else if let Additional::Schema(values) = &node.additional {
                    replace_null(value, values);
                    default_below(value, values);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = &node.items {
                for item in items {
                    replace_null(item, node);
                    default_below(item, node);
                }
            }
        }
        _ => {}
    }
}

fn fill(map: &mut Map<String, Value>, name: &str, property: &Node, default: &Value) {
    match map.get_mut(name) {
        None => {
            map.insert(name.to_owned(), default.clone());
        }
        Some(value) if value.is_null() && !property.nullable => *value = default.clone(),
        Some(_) => {}
    }
}

fn replace_null(value: &mut Value, node: &Node) {
    if value.is_null()
        && !node.nullable
        && let Some(default) = &node.default
    {
        *value = Value::clone(default);
    }
}

/// Removes the fields that the schema does not know, and from metadata (the object's and that of embedded
/// resources) those that no metadata has. Returns their paths, sorted.
///
/// `apiVersion`, `kind` and `metadata` of the object itself need no declaration.
pub fn prune(object: &mut Value, schema: &Structural) -> Vec<String> {
    if depth::exceeds(object) {
        return Vec::new();
    }
    prune_known_depth(object, schema)
}

fn prune_known_depth(object: &mut Value, schema: &Structural) -> Vec<String> {
    let mut pruner = Pruner {
        unknown: Vec::new(),
        metadata: Metadata::Prune,
    };
    if let Value::Object(map) = object {
        prune_object(
            map,
            &schema.root,
            Resource::Yes,
            schema.root.preserve,
            &Path::Root,
            &mut pruner,
        );
    }
    pruner.unknown.sort();
    pruner.unknown
}

struct Pruner {
    unknown: Vec<String>,
    metadata: Metadata,
}

impl Pruner {
    /// One of the fields of every resource: only metadata holds more than a text.
    fn meta_field(&mut self, key: &str, value: &mut Value, path: &Path<'_>) {
        if key == "metadata" && self.metadata == Metadata::Prune {
            meta::prune(value, path, &mut self.unknown);
        }
    }
}

/// What becomes of the metadata of resources.
#[derive(Clone, Copy, PartialEq)]
enum Metadata {
    Prune,
    Leave,
}

/// Prunes a default as the check of a CRD does: metadata in it is left alone, since it is decoded there.
pub(crate) fn prune_default(value: &mut Value, node: &Node) {
    let mut pruner = Pruner {
        unknown: Vec::new(),
        metadata: Metadata::Leave,
    };
    prune_below(value, Some(node), &Path::Root, &mut pruner);
}

fn prune_below(value: &mut Value, node: Option<&Node>, path: &Path<'_>, pruner: &mut Pruner) {
    match (value, node) {
        (Value::Object(map), Some(node)) => {
            prune_object(map, node, Resource::of(node), node.preserve, path, pruner);
        }
        (Value::Object(map), None) => {
            pruner
                .unknown
                .extend(map.keys().map(|key| Path::Key(path, key).render()));
            map.clear();
        }
        (Value::Array(items), node) => {
            let preserve = node.is_some_and(|node| node.preserve);
            let inner = node.and_then(|node| node.items.as_deref());
            for (index, item) in items.iter_mut().enumerate() {
                let path = Path::Index(path, index);
                if preserve {
                    keep_below(item, inner, &path, pruner);
                } else {
                    prune_below(item, inner, &path, pruner);
                }
            }
        }
        _ => {}
    }
}

/// Below a preserving list everything is kept, except what declared properties describe.
fn keep_below(value: &mut Value, node: Option<&Node>, path: &Path<'_>, pruner: &mut Pruner) {
    let Some(node) = node else { return };
    match value {
        Value::Object(map) => prune_object(map, node, Resource::of(node), true, path, pruner),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                keep_below(item, node.items.as_deref(), &Path::Index(path, index), pruner);
            }
        }
        _ => {}
    }
}

/// Whether an object is a resource, with metadata of its own.
#[derive(Clone, Copy, PartialEq)]
enum Resource {
    Yes,
    No,
}

impl Resource {
    fn of(node: &Node) -> Self {
        if node.embedded { Self::Yes } else { Self::No }
    }
}

fn prune_object(
    map: &mut Map<String, Value>,
    node: &Node,
    resource: Resource,
    preserve: bool,
    path: &Path<'_>,
    pruner: &mut Pruner,
) {
    map.retain(|key, value| {
        let here = Path::Key(path, key);
        if resource == Resource::Yes && META_FIELDS.contains(&key.as_str()) {
            pruner.meta_field(key, value, &here);
            return true;
        }
        if let Some(property) = node.property(key) {
            prune_below(value, Some(property), &here, pruner);
            return true;
        }
        match &node.additional {
            Additional::Schema(values) => prune_below(value, Some(values), &here, pruner),
            Additional::Any | Additional::Forbidden => prune_below(value, None, &here, pruner),
            Additional::Undeclared if preserve => {}
            Additional::Undeclared => {
                pruner.unknown.push(here.render());
                return false;
            }
        }
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema(spec: &Value) -> Structural {
        Structural::from_json(&json!({"type": "object", "properties": {"spec": spec}})).unwrap()
    }

    fn pruned(spec: &Value, object: &Value) -> (Value, Vec<String>) {
        let mut object = json!({ "spec": object });
        let unknown = prune(&mut object, &schema(spec));
        (object["spec"].take(), unknown)
    }

    /// SCH-32.
    #[test]
    fn unknown_fields_go_and_are_named_in_order() {
        let spec = json!({"type": "object", "properties": {
            "o": {"type": "object", "properties": {"k": {"type": "string"}}},
            "l": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
        }});
        let (object, unknown) = pruned(
            &spec,
            &json!({"zz": 1, "o": {"k": "v", "zz": 1}, "l": [{"zz": 1}, {"k": "v"}]}),
        );
        assert_eq!(object, json!({"o": {"k": "v"}, "l": [{}, {"k": "v"}]}));
        assert_eq!(unknown, ["spec.l[0].zz", "spec.o.zz", "spec.zz"]);
    }

    /// SCH-33.
    #[test]
    fn maps_and_preserved_objects() {
        let (object, _) = pruned(&json!({"type": "object"}), &json!({"a": 1}));
        assert_eq!(object, json!({}));
        let spec = json!({"type": "object", "additionalProperties": true});
        let (object, unknown) = pruned(&spec, &json!({"zz": {"deep": 1}, "s": "x"}));
        assert_eq!(object, json!({"zz": {}, "s": "x"}));
        assert_eq!(unknown, ["spec.zz.deep"]);
        let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "in": {"type": "object", "properties": {"k": {"type": "string"}}}}});
        let (object, unknown) = pruned(
            &spec,
            &json!({"any": {"deep": [null]}, "in": {"k": "v", "zz": 1}}),
        );
        assert_eq!(object, json!({"any": {"deep": [null]}, "in": {"k": "v"}}));
        assert_eq!(unknown, ["spec.in.zz"]);
    }

    /// SCH-33: metadata knows its own fields, embedded or not.
    #[test]
    fn metadata_is_pruned_to_known_fields() {
        let schema = schema(&json!({"type": "object", "x-kubernetes-embedded-resource": true,
            "x-kubernetes-preserve-unknown-fields": true}));
        let mut object = json!({
            "metadata": {"name": "t", "zz": 1, "ownerReferences": [{"name": "o", "zz": 1}]},
            "spec": {"kind": "Pod", "metadata": {"name": "x", "zz": 1}, "any": 1},
        });
        let unknown = prune(&mut object, &schema);
        assert_eq!(
            unknown,
            [
                "metadata.ownerReferences[0].zz",
                "metadata.zz",
                "spec.metadata.zz"
            ]
        );
        assert_eq!(
            object,
            json!({
                "metadata": {"name": "t", "ownerReferences": [{"name": "o"}]},
                "spec": {"kind": "Pod", "metadata": {"name": "x"}, "any": 1},
            })
        );
    }

    /// SCH-30, SCH-36.
    #[test]
    fn nulls_and_defaults() {
        let schema = schema(&json!({"type": "object", "properties": {
            "n": {"type": "string", "nullable": true},
            "nd": {"type": "string", "nullable": true, "default": "d"},
            "d": {"type": "string", "default": "d"},
            "p": {"type": "string"},
            "o": {"type": "object", "properties": {"x": {"type": "integer", "default": 1}}},
            "od": {"type": "object", "default": {}, "properties": {"x": {"type": "integer", "default": 1}}},
            "m": {"type": "object", "additionalProperties": {"type": "string"}},
            "l": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "integer", "default": 1}}}},
        }}));
        let mut object = json!({"spec": {"n": null, "nd": null, "d": null, "p": null, "m": {"k": null, "j": "v"}, "l": [{}, null]}});
        prepare(&mut object, &schema);
        assert_eq!(
            object["spec"],
            json!({"n": null, "nd": null, "d": "d", "m": {"j": "v"}, "l": [{"x": 1}, null], "od": {"x": 1}})
        );
        let mut object = json!({});
        prepare(&mut object, &schema);
        assert_eq!(object, json!({}));
    }

    /// SCH-26.
    #[test]
    fn whole_floats_are_stored_as_integers() {
        let mut value: Value = serde_json::from_str("{\"a\": 1.0, \"b\": 1e3, \"c\": [1.5]}").unwrap();
        normalize_numbers(&mut value);
        assert_eq!(value.to_string(), "{\"a\":1,\"b\":1000,\"c\":[1.5]}");
    }
}
