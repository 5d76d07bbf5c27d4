//! Defaults in a CRD are judged like real values (SCH-34, SCH-35).

use serde_json::{Map, Value, json};

use crate::cel::RuleNode;
use crate::cel::decl::{Place, RootDecl};
use crate::cel::rules::place_of;
use crate::cel::run::{self, Ratcheting};
use crate::error::{FieldError, message_of};
use crate::meta;
use crate::path::Path;
use crate::prune;
use crate::structural::Node;
use crate::validate::validate_value;

/// Checks every default of a schema but those in additional properties, which the server does not look at.
///
/// `root` is the schema as it is read for defaults, `served` the same as it is read for objects; without that, rules in CEL
/// are not evaluated.
pub(super) fn check(
    mut root: Node,
    served: Option<&Node>,
    path: &str,
    require_pruned: bool,
) -> Vec<FieldError> {
    // The object itself is a resource, whether it says so or not.
    root.embedded = true;
    root.embedded_below = true;
    let mut checker = Checker {
        require_pruned,
        budget: Some(run::OBJECT_BUDGET),
        errors: Vec::new(),
    };
    let served = served.map(|node| (node, Place::ResourceRoot));
    checker.node(&root, served, path, &[], false);
    checker.errors
}

/// A schema as rules see it.
type Served<'a> = Option<(&'a Node, Place)>;

/// A step from the enclosing resource to a value.
#[derive(Clone)]
enum Step<'a> {
    Key(&'a str),
    Index,
}

struct Checker {
    require_pruned: bool,
    /// What rules may still cost; none once they have cost too much, which ends the check.
    budget: Option<u64>,
    errors: Vec<FieldError>,
}

impl Checker {
    fn node(&mut self, node: &Node, served: Served<'_>, path: &str, steps: &[Step<'_>], inside_meta: bool) {
        if !node.defaults_below || self.budget.is_none() {
            return;
        }
        let (steps, inside_meta) = if node.embedded {
            (&[][..], false)
        } else {
            (steps, inside_meta)
        };
        if let Some(default) = &node.default {
            self.default(default, node, served, path, steps, inside_meta);
        }
        if let Some(items) = &node.items {
            let served = served.and_then(|(node, _)| below(node.items.as_deref()));
            let steps = [steps, &[Step::Index]].concat();
            self.node(items, served, &format!("{path}.items"), &steps, inside_meta);
        }
        for (name, property) in &node.properties {
            let meta =
                inside_meta || (node.embedded && matches!(&**name, "metadata" | "apiVersion" | "kind"));
            let served = served.and_then(|(node, _)| below(node.property(name)));
            let steps = [steps, &[Step::Key(name)]].concat();
            self.node(
                property,
                served,
                &format!("{path}.properties[{name}]"),
                &steps,
                meta,
            );
        }
    }

    fn default(
        &mut self,
        default: &Value,
        node: &Node,
        served: Served<'_>,
        path: &str,
        steps: &[Step<'_>],
        inside_meta: bool,
    ) {
        let field = format!("{path}.default");
        let mut wrong = Vec::new();
        if inside_meta {
            let around = surround(default.clone(), steps);
            meta::validate_resource(&around, &Path::Root, &mut wrong);
            if !wrong.is_empty() {
                let detail = format!("must result in valid metadata: {}", message_of(&wrong));
                self.errors
                    .push(FieldError::invalid(field, default.clone(), detail));
                return;
            }
        } else {
            if self.require_pruned {
                let mut pruned = default.clone();
                prune::prune_default(&mut pruned, node);
                if pruned != *default {
                    self.errors.push(FieldError::invalid(
                        &*field,
                        default.clone(),
                        "must not have unknown fields",
                    ));
                }
            }
            // What cannot even be decoded ends the check.
            match meta::undecodable(default, node, &Path::Root) {
                Some(error) => wrong.push(error),
                None => meta::validate_embedded(default, node, &Path::Root, &mut wrong),
            }
            if !wrong.is_empty() {
                self.errors
                    .extend(wrong.into_iter().map(|error| error.under(&field)));
                return;
            }
        }
        let wrong = validate_value(default, None, node, &field);
        if wrong.is_empty() {
            self.rules(default, served, &field);
        }
        self.errors.extend(wrong);
    }

    /// A default must satisfy its rules when it comes newly into an object, and when it was there before.
    fn rules(&mut self, default: &Value, served: Served<'_>, field: &str) {
        let Some((node, place)) = served else { return };
        if !node.rules.is_empty() && RootDecl::new(node, place).is_none() {
            self.errors.push(FieldError::invalid(
                field,
                node.kind.name(),
                "rule compiler initialization error: failed to convert to declType for CEL validation rules",
            ));
            return;
        }
        let Some(rules) = RuleNode::new(node, place) else {
            return;
        };
        let Some(budget) = self.budget else { return };
        let mut run = |old| {
            let found = run::judge(&rules, node, default, old, Ratcheting::Off, field, budget);
            self.errors.extend(found.errors.iter().cloned());
            found
        };
        let unchanged = run(Some(default));
        let remaining = if unchanged.errors.is_empty() {
            unchanged.remaining.min(run(None).remaining)
        } else {
            unchanged.remaining
        };
        self.budget = remaining;
    }
}

fn below(node: Option<&Node>) -> Served<'_> {
    node.map(|node| (node, place_of(node)))
}

/// The smallest resource that holds a value at this place.
fn surround(value: Value, steps: &[Step<'_>]) -> Map<String, Value> {
    let whole = steps.iter().rev().fold(value, |value, step| match step {
        Step::Key(key) => json!({ (*key): value }),
        Step::Index => json!([value]),
    });
    let mut map = match whole {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    map.entry("kind").or_insert_with(|| "Validation".into());
    map.entry("apiVersion").or_insert_with(|| "validation/v1".into());
    map
}
