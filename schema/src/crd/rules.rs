//! The rules in CEL of a CRD's schemas (SCH-50 to SCH-57): their texts, what they compile to, and what they may cost.
//!
//! **Invariant:** a rule that is accepted here compiles for each object, and costs at most what a server lets it cost.

use std::cell::OnceCell;

use serde_json::{Map, Value};

use super::fieldpath::{self, Brackets};
use super::internal;
use super::schema::{find_unsupported, flag, objects, text};
use crate::cel::decl::{Place, RootDecl};
use crate::cel::rules::{compile_rule, place_of};
use crate::error::{ErrorKind, FieldError};
use crate::structural::{Node, Reading};

/// What one expression may cost by its estimate, and what all of a schema may.
const EXPRESSION_LIMIT: u64 = 10_000_000;
const SCHEMA_LIMIT: u64 = 100_000_000;
/// How many expressions are blamed for a total that is too high.
const BLAMED: usize = 4;

/// Whether the limit for a single expression holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CostLimit {
    Holds,
    /// The schema is stored already, as it is.
    Waived,
}

/// SCH-50 to SCH-52, as far as they are about text.
pub(super) fn check_texts(map: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    const REASONS: [&str; 4] = [
        "FieldValueDuplicate",
        "FieldValueForbidden",
        "FieldValueInvalid",
        "FieldValueRequired",
    ];
    let breaks = |text: &str| text.contains(['\n', '\r']);
    let node = OnceCell::new();
    for (index, rule) in objects(map, KEYWORD).enumerate() {
        let field = |name: &str| field(path, index, name);
        let message = text(rule, "message");
        let expression = text(rule, "rule").trim();
        if expression.is_empty() {
            errors.push(FieldError::required(field("rule"), "rule is not specified"));
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.push(FieldError::invalid(
                field("message"),
                message,
                "must be non-empty if specified",
            ));
        } else if breaks(message.trim()) {
            errors.push(FieldError::invalid(
                field("message"),
                message,
                "must not contain line breaks",
            ));
        } else if breaks(expression) && message.trim().is_empty() {
            errors.push(FieldError::required(
                field("message"),
                "message must be specified if rule contains line breaks",
            ));
        }
        let message_expression = text(rule, "messageExpression");
        if !message_expression.is_empty() && message_expression.trim().is_empty() {
            errors.push(FieldError::required(
                field("messageExpression"),
                "messageExpression must be non-empty if specified",
            ));
        }
        if let Some(reason) = rule.get("reason").and_then(Value::as_str)
            && !REASONS.contains(&reason)
        {
            errors.push(FieldError::not_supported(field("reason"), reason, &REASONS));
        }
        let field_path = text(rule, "fieldPath");
        if !field_path.is_empty() {
            let mut wrong =
                |detail: &str| errors.push(FieldError::invalid(field("fieldPath"), field_path, detail));
            if field_path.trim().is_empty() {
                wrong("must be non-empty if specified");
            }
            if breaks(field_path) {
                wrong("must not contain line breaks");
            }
            // What has no structural schema is not followed; it is refused for that.
            let node = node.get_or_init(|| {
                find_unsupported(map)
                    .is_none()
                    .then(|| Node::of(map, Reading::Served))
            });
            if node
                .as_ref()
                .is_some_and(|node| fieldpath::resolve(field_path, node, Brackets::Allowed).is_err())
            {
                wrong("must be a valid path");
            }
        }
    }
}

const KEYWORD: &str = "x-kubernetes-validations";

fn field(path: &str, index: usize, name: &str) -> String {
    format!("{path}.{KEYWORD}[{index}].{name}")
}

/// A schema node as expressions see it; there is none in junctors, where rules are forbidden.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    node: &'a Node,
    place: Place,
    /// How many values of this schema an object can have; none if that is unbounded.
    cardinality: Option<u64>,
    /// Whether this node or one around it has rules.
    entered: bool,
    /// Whether a node from the outermost with rules to this one has no type that expressions can see. A server gives up
    /// on all that is below such a node, and takes rules there for its own mistake.
    lost: bool,
}

impl<'a> Scope<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self::new(node, Place::ResourceRoot, Some(1), None)
    }

    fn new(node: &'a Node, place: Place, cardinality: Option<u64>, around: Option<&Self>) -> Self {
        let entered = !node.rules.is_empty() || around.is_some_and(|around| around.entered);
        let lost = entered
            && node.rules_below
            && (around.is_some_and(|around| around.lost) || RootDecl::new(node, place).is_none());
        Self {
            node,
            place,
            cardinality,
            entered,
            lost,
        }
    }

    fn below(&self, map: &Map<String, Value>, child: Option<&'a Node>) -> Option<Self> {
        let child = child?;
        let entries = max_entries(map);
        let cardinality = self
            .cardinality
            .and_then(|around| Some(around.saturating_mul(entries?)));
        Some(Self::new(child, place_of(child), cardinality, Some(self)))
    }

    pub(super) fn property(&self, map: &Map<String, Value>, name: &str) -> Option<Self> {
        self.below(map, self.node.property(name))
    }

    pub(super) fn additional(&self, map: &Map<String, Value>) -> Option<Self> {
        self.below(map, self.node.additional.schema())
    }

    pub(super) fn items(&self, map: &Map<String, Value>) -> Option<Self> {
        self.below(map, self.node.items.as_deref())
    }
}

/// By how much a schema multiplies the values below it; none if without bound.
fn max_entries(map: &Map<String, Value>) -> Option<u64> {
    let limit = |key: &str| {
        let limit = map.get(key)?;
        let limit = limit.as_i64().or_else(|| {
            #[allow(clippy::cast_possible_truncation)]
            limit.as_f64().map(|float| float as i64)
        })?;
        Some(u64::try_from(limit).unwrap_or(0))
    };
    match text(map, "type") {
        "object"
            if map
                .get("additionalProperties")
                .is_some_and(|value| !value.is_null()) =>
        {
            limit("maxProperties")
        }
        "array" => limit("maxItems"),
        _ => Some(1),
    }
}

/// What all expressions of a schema cost.
pub(super) struct Total {
    limit: CostLimit,
    sum: u64,
    /// The most expensive first.
    expensive: Vec<(u64, String)>,
}

impl Total {
    pub(super) fn new(limit: CostLimit) -> Self {
        Self {
            limit,
            sum: 0,
            expensive: Vec::new(),
        }
    }

    fn add(&mut self, field: &str, cost: u64) {
        self.sum = self.sum.saturating_add(cost);
        if cost < SCHEMA_LIMIT / 100 {
            return;
        }
        self.expensive.push((cost, field.to_owned()));
        self.expensive.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        self.expensive.truncate(BLAMED);
    }

    /// SCH-54: the limit for the whole schema.
    pub(super) fn check(self, path: &str, errors: &mut Vec<FieldError>) {
        if self.sum <= SCHEMA_LIMIT {
            return;
        }
        let blamed = self.expensive.into_iter().map(|(_, field)| {
            FieldError::forbidden(
                field,
                "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema",
            )
        });
        errors.extend(blamed);
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.push(FieldError::forbidden(
            path,
            exceeded(what, self.sum, SCHEMA_LIMIT),
        ));
    }

    fn check_one(&self, field: &str, what: &str, cost: u64, errors: &mut Vec<FieldError>) {
        if self.limit == CostLimit::Holds && cost > EXPRESSION_LIMIT {
            errors.push(FieldError::forbidden(
                field,
                exceeded(what, cost, EXPRESSION_LIMIT),
            ));
        }
    }
}

fn exceeded(what: &str, cost: u64, limit: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let times = cost as f64 / limit as f64;
    let factor = if times > 100.0 {
        "more than 100x".to_owned()
    } else if times < 1.5 {
        // One digit would say 1.0.
        format!("{times:.6}x")
    } else {
        format!("{times:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    )
}

/// SCH-50, SCH-51, SCH-53, SCH-54: compiles the rules of a node. `uncorrelated` is the outermost schema around it whose
/// values have no counterpart in an old object.
pub(super) fn check_expressions(
    map: &Map<String, Value>,
    path: &str,
    scope: &Scope<'_>,
    uncorrelated: Option<&str>,
    total: &mut Total,
    errors: &mut Vec<FieldError>,
) {
    if scope.node.rules.is_empty() {
        return;
    }
    let decl = RootDecl::new(scope.node, scope.place).filter(|_| !scope.lost);
    let Some(decl) = decl else {
        errors.push(FieldError::new(
            ErrorKind::Internal,
            format!("{path}.{KEYWORD}"),
            None,
            "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert \
             structural schema to CEL declarations",
        ));
        return;
    };
    let cardinality = scope.cardinality.unwrap_or_else(|| decl.max_cardinality());
    let rules = scope.node.rules.iter().zip(objects(map, KEYWORD));
    for (index, (rule, raw)) in rules.enumerate() {
        let Some(compiled) = compile_rule(rule, &decl) else {
            continue;
        };
        let of_rule = field(path, index, "rule");
        let whole = |field: String, detail: String| {
            FieldError::invalid(field, Value::Object(raw.clone()), detail).showing(internal::rule(raw))
        };
        let uses_old_self = match compiled {
            Err(why) => {
                errors.push(whole(of_rule.clone(), why));
                false
            }
            Ok(compiled) => {
                let cost = compiled.rule.max_cost.saturating_mul(cardinality);
                total.check_one(&of_rule, "estimated rule cost", cost, errors);
                total.add(&of_rule, cost);
                let of_message = field(path, index, "messageExpression");
                match compiled.message {
                    None => {}
                    Some(Err(why)) => errors.push(whole(of_message, why)),
                    Some(Ok(message)) => {
                        total.check_one(
                            &of_message,
                            "estimated messageExpression cost",
                            message.max_cost,
                            errors,
                        );
                        total.add(&of_message, message.max_cost);
                    }
                }
                compiled.rule.uses_old_self
            }
        };
        if uses_old_self {
            if let Some(within) = uncorrelated {
                let detail = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {within}"
                );
                errors.push(FieldError::invalid(of_rule, rule.rule.as_str(), detail));
            }
        } else if raw.get("optionalOldSelf").is_some_and(|value| !value.is_null()) {
            errors.push(FieldError::invalid(
                field(path, index, "optionalOldSelf"),
                flag(raw, "optionalOldSelf"),
                "may not be set if oldSelf is not used in rule",
            ));
        }
    }
}
