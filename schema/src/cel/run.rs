//! Rules on objects: what is evaluated, beside which old value, within which budget, and what is told (SCH-51 to
//! SCH-54, SCH-58).
//!
//! **Invariant:** an object has one budget, whatever its rules are; what exhausts it, or what one call may cost, ends the
//! evaluation with an error.

use serde_json::Value;

use super::decl::Place;
use super::eval::{EvalError, Output};
use super::plan::{OldSelf, Program, Subject};
use super::rules::{Prepared, RuleNode};
use super::run_cost::LIMIT_PER_CALL;
use crate::error::{ErrorKind, FieldError, NO_FIELD};
use crate::gotext;
use crate::path::Path;
use crate::structural::{Node, Rule};
use crate::validate::{OldItems, unchanged};

/// What all rules of one object may cost.
pub(crate) const OBJECT_BUDGET: u64 = 10_000_000;
/// Longest message that an expression may make, in bytes.
const MAX_MESSAGE: usize = 5 * 1024;

/// Whether errors of unchanged values are forgiven.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ratcheting {
    On,
    Off,
}

/// What came of the rules.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) errors: Vec<FieldError>,
    /// Errors that were forgiven, as a server warns of them.
    pub(crate) forgiven: Vec<FieldError>,
    /// None if the evaluation ended before its time.
    pub(crate) remaining: Option<u64>,
}

/// Evaluates all rules on a value. `field` is where the value stands.
pub(crate) fn judge(
    rules: &RuleNode,
    node: &Node,
    value: &Value,
    old: Option<&Value>,
    ratcheting: Ratcheting,
    field: &str,
    budget: u64,
) -> Judgement {
    let mut judge = Judge {
        errors: Vec::new(),
        forgiven: Vec::new(),
        budget,
        field,
    };
    let old = old.filter(|old| !old.is_null());
    let correlation = match (old, ratcheting) {
        (Some(old), Ratcheting::On) => Correlation {
            nearest: Some(Pair { value, old, node }),
            here: true,
            root: true,
        },
        _ => Correlation::NONE,
    };
    let ended = judge
        .value(rules, node, value, old, correlation, &Path::Root)
        .is_err();
    Judgement {
        errors: judge.errors,
        forgiven: judge.forgiven,
        remaining: (!ended).then_some(judge.budget),
    }
}

/// The evaluation is over.
struct Ended;

/// A value beside the one that it was.
#[derive(Clone, Copy)]
struct Pair<'a> {
    value: &'a Value,
    old: &'a Value,
    node: &'a Node,
}

/// Which old value decides whether an error is forgiven: the value's own, or that of the nearest part around it that has
/// one.
#[derive(Clone, Copy)]
struct Correlation<'a> {
    nearest: Option<Pair<'a>>,
    /// Whether `nearest` is the value's own.
    here: bool,
    root: bool,
}

impl<'a> Correlation<'a> {
    const NONE: Self = Self {
        nearest: None,
        here: false,
        root: false,
    };

    fn below(self, value: &'a Value, old: Option<&'a Value>, node: &'a Node) -> Self {
        if !self.here {
            return self;
        }
        Self {
            nearest: old.map(|old| Pair { value, old, node }).or(self.nearest),
            here: old.is_some(),
            root: false,
        }
    }

    /// Type and version are set by the server in both objects, so that a change of them cannot be seen.
    fn key(self, key: &str, value: &'a Value, old: Option<&'a Value>, node: &'a Node) -> Self {
        if self.root && matches!(key, "apiVersion" | "kind") {
            return Self::NONE;
        }
        self.below(value, old, node)
    }

    fn forgives(self) -> bool {
        self.nearest
            .is_some_and(|pair| unchanged(pair.value, pair.old, pair.node))
    }
}

struct Judge<'f> {
    errors: Vec<FieldError>,
    forgiven: Vec<FieldError>,
    budget: u64,
    field: &'f str,
}

impl Judge<'_> {
    fn value<'a>(
        &mut self,
        rules: &'a RuleNode,
        node: &'a Node,
        value: &'a Value,
        old: Option<&'a Value>,
        correlation: Correlation<'a>,
        path: &Path<'_>,
    ) -> Result<(), Ended> {
        // The rules of a nullable value say nothing about null.
        if value.is_null() {
            return Ok(());
        }
        let old = old.filter(|old| !old.is_null());
        if !rules.programs.is_empty() {
            self.rules(rules, node, value, old, correlation, path)?;
        }
        match value {
            Value::Array(items) => {
                let (Some(rules), Some(node_of_items)) = (&rules.items, &node.items) else {
                    return Ok(());
                };
                let old = old.and_then(Value::as_array);
                let old = old.and_then(|old| OldItems::new(old, node));
                for (index, item) in items.iter().enumerate() {
                    let old = old.as_ref().and_then(|old| old.find(item));
                    let correlation = correlation.below(item, old, node_of_items);
                    let path = Path::Index(path, index);
                    self.value(rules, node_of_items, item, old, correlation, &path)?;
                }
            }
            Value::Object(map) => {
                let old_value = |key: &str| old?.get(key);
                if let (Some(rules), Some(values)) = (&rules.additional, node.additional.schema()) {
                    for (key, value) in map {
                        let old = old_value(key);
                        let correlation = correlation.key(key, value, old, values);
                        let path = Path::Bracket(path, key);
                        self.value(rules, values, value, old, correlation, &path)?;
                    }
                }
                if rules.has_properties() {
                    for (key, value) in map {
                        let (Some(rules), Some(property)) = (rules.property(key), node.property(key)) else {
                            continue;
                        };
                        let old = old_value(key);
                        let correlation = correlation.key(key, value, old, property);
                        let path = match &**key {
                            "" => Path::Bracket(path, key),
                            _ => Path::Key(path, key),
                        };
                        self.value(rules, property, value, old, correlation, &path)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn rules(
        &mut self,
        rules: &RuleNode,
        node: &Node,
        value: &Value,
        old: Option<&Value>,
        correlation: Correlation<'_>,
        path: &Path<'_>,
    ) -> Result<(), Ended> {
        let at = At {
            field: self.render(path),
            // Errors that are not about the value show its type.
            kind: match node.kind {
                crate::structural::Type::IntOrString => "",
                kind => kind.name(),
            },
        };
        if self.budget == 0 {
            self.errors.push(at.error(OUT_OF_BUDGET));
            return Err(Ended);
        }
        let subject = |value| match rules.place {
            Place::ResourceRoot => Subject::resource(value, node),
            Place::Below => Subject::new(value, node),
        };
        for (rule, program) in node.rules.iter().zip(&rules.programs) {
            let Some(program) = program else { continue };
            let prepared = match program {
                Ok(prepared) => prepared,
                Err(why) => {
                    self.errors.push(at.error(&format!("rule compile error: {why}")));
                    continue;
                }
            };
            // A rule of transition needs something to compare with, unless it says that it does not.
            if prepared.uses_old_self && old.is_none() && !rule.optional_old_self {
                continue;
            }
            let old_self = match old {
                _ if !prepared.uses_old_self => OldSelf::Absent,
                old if rule.optional_old_self => OldSelf::Optional(old.map(subject)),
                Some(old) => OldSelf::Value(subject(old)),
                None => OldSelf::Absent,
            };
            if self.holds(prepared, rule, subject(value), old_self, &at)? {
                continue;
            }
            let forgiven = !prepared.uses_old_self && correlation.forgives();
            let (error, end) = self.violation(prepared, rule, value, subject(value), old_self, &at);
            if forgiven {
                self.forgiven.push(error);
            } else {
                self.errors.push(error);
            }
            end?;
        }
        Ok(())
    }

    /// Whether a rule holds; one that cannot be evaluated is told, and counts as held.
    fn holds(
        &mut self,
        prepared: &Prepared,
        rule: &Rule,
        subject: Subject<'_>,
        old: OldSelf<'_>,
        at: &At<'_>,
    ) -> Result<bool, Ended> {
        let evaluation = prepared.rule.evaluate(subject, old, LIMIT_PER_CALL);
        let Some(budget) = self.budget.checked_sub(evaluation.cost) else {
            self.errors.push(at.error(OUT_OF_BUDGET));
            return Err(Ended);
        };
        self.budget = budget;
        let name = name_of(rule);
        match evaluation.result {
            Ok(output) => return Ok(output == Output::Bool(true)),
            Err(error @ EvalError::CostExceeded) => {
                self.errors.push(at.error(&format!(
                    "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {name}"
                )));
                return Err(Ended);
            }
            Err(EvalError::Failed(text)) if text.starts_with("no such overload") => {
                self.errors.push(at.error(&format!(
                    "'{text}': call arguments did not match a supported operator, function or macro signature for \
                     rule: {name}"
                )));
            }
            Err(EvalError::Failed(text)) => {
                self.errors
                    .push(at.error(&format!("{text} evaluating rule: {name}")));
            }
        }
        Ok(true)
    }

    /// The error for a rule that does not hold, and whether the evaluation goes on.
    fn violation(
        &mut self,
        prepared: &Prepared,
        rule: &Rule,
        value: &Value,
        subject: Subject<'_>,
        old: OldSelf<'_>,
        at: &At<'_>,
    ) -> (FieldError, Result<(), Ended>) {
        let blamed = At {
            field: match (&*at.field, &*prepared.field_path) {
                (field, "") => field.to_owned(),
                (NO_FIELD, below) => below.to_owned(),
                (field, below) => format!("{field}.{below}"),
            },
            kind: at.kind,
        };
        let made = prepared
            .message
            .as_ref()
            .map(|message| self.message(message, rule, subject, old));
        let detail = match made {
            Some(Ok(text)) => text,
            Some(Err(NoMessage::Ended(why))) => return (blamed.error(&why), Err(Ended)),
            Some(Err(NoMessage::Unusable)) | None if rule.message.is_empty() => {
                format!("failed rule: {}", name_of(rule))
            }
            Some(Err(NoMessage::Unusable)) | None => rule.message.trim().to_owned(),
        };
        let shown = (!matches!(at.kind, "object" | "array")).then(|| value.clone());
        (blamed.violation(rule.reason.as_deref(), shown, detail), Ok(()))
    }

    /// Evaluates a message expression.
    fn message(
        &mut self,
        program: &Program,
        rule: &Rule,
        subject: Subject<'_>,
        old: OldSelf<'_>,
    ) -> Result<String, NoMessage> {
        let evaluation = program.evaluate(subject, old, LIMIT_PER_CALL);
        let Some(budget) = self.budget.checked_sub(evaluation.cost) else {
            return Err(NoMessage::Ended(
                "messageExpression evaluation failed due to running out of cost budget, no further validation rules \
                 will be run"
                    .to_owned(),
            ));
        };
        if evaluation.result == Err(EvalError::CostExceeded) {
            return Err(NoMessage::Ended(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {}",
                gotext::quote(&rule.message_expression)
            )));
        }
        self.budget = budget;
        let Ok(Output::Text(text)) = evaluation.result else {
            return Err(NoMessage::Unusable);
        };
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_MESSAGE || text.contains('\n') {
            return Err(NoMessage::Unusable);
        }
        Ok(text.to_owned())
    }

    fn render(&self, path: &Path<'_>) -> String {
        let below = path.render();
        match (self.field, &*below) {
            ("", "") => NO_FIELD.to_owned(),
            (field, below) => crate::error::join(field, below),
        }
    }
}

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// Why a message expression gives no message.
enum NoMessage {
    /// The rule's own is told instead.
    Unusable,
    /// It cost too much.
    Ended(String),
}

/// What messages call a rule.
fn name_of(rule: &Rule) -> &str {
    if rule.message.is_empty() {
        rule.rule.trim()
    } else {
        rule.message.trim()
    }
}

/// Where an error is.
struct At<'a> {
    field: String,
    kind: &'a str,
}

impl At<'_> {
    fn error(&self, detail: &str) -> FieldError {
        FieldError::invalid(&*self.field, self.kind, detail)
    }

    fn violation(&self, reason: Option<&str>, value: Option<Value>, detail: String) -> FieldError {
        let field = &*self.field;
        match reason {
            Some("FieldValueForbidden") => FieldError::new(ErrorKind::Forbidden, field, None, detail),
            Some("FieldValueRequired") => FieldError::new(ErrorKind::Required, field, None, detail),
            // Upstream has no place for words in these.
            Some("FieldValueDuplicate") => FieldError::new(ErrorKind::Duplicate, field, value, ""),
            _ => FieldError::new(ErrorKind::Invalid, field, value, detail),
        }
    }
}
