//! Defaults in a CRD are judged like real values (SCH-34, SCH-35).

use serde_json::{Map, Value, json};

use crate::error::{FieldError, message_of};
use crate::meta;
use crate::path::Path;
use crate::prune;
use crate::structural::Node;
use crate::validate::validate_value;

/// Checks every default of a schema but those in additional properties, which the server does not look at.
pub(super) fn check(root: &Node, path: &str, require_pruned: bool) -> Vec<FieldError> {
    // The object itself is a resource, whether it says so or not.
    let resource = Node {
        embedded: true,
        embedded_below: true,
        ..root.clone()
    };
    let mut checker = Checker {
        require_pruned,
        errors: Vec::new(),
    };
    checker.node(&resource, path, &[], false);
    checker.errors
}

/// A step from the enclosing resource to a value.
#[derive(Clone)]
enum Step<'a> {
    Key(&'a str),
    Index,
}

struct Checker {
    require_pruned: bool,
    errors: Vec<FieldError>,
}

impl Checker {
    fn node(&mut self, node: &Node, path: &str, steps: &[Step<'_>], inside_meta: bool) {
        if !node.defaults_below {
            return;
        }
        let (steps, inside_meta) = if node.embedded {
            (&[][..], false)
        } else {
            (steps, inside_meta)
        };
        if let Some(default) = &node.default {
            self.default(default, node, path, steps, inside_meta);
        }
        if let Some(items) = &node.items {
            let steps = [steps, &[Step::Index]].concat();
            self.node(items, &format!("{path}.items"), &steps, inside_meta);
        }
        for (name, property) in &node.properties {
            let meta =
                inside_meta || (node.embedded && matches!(&**name, "metadata" | "apiVersion" | "kind"));
            let steps = [steps, &[Step::Key(name)]].concat();
            self.node(property, &format!("{path}.properties[{name}]"), &steps, meta);
        }
    }

    fn default(&mut self, default: &Value, node: &Node, path: &str, steps: &[Step<'_>], inside_meta: bool) {
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
        self.errors.extend(validate_value(default, None, node, &field));
    }
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
