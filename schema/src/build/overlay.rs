//! A type's schema and what the field that has the type says besides: one schema that accepts what both accept.

use serde_json::{Map, Value, json};

use super::wishes::MARK;

/// Puts `own`, the keywords of a field, over `base`, the schema of the field's type; what cannot be is told to `problem`.
///
/// Of two limits the narrower holds. What documents, and what can be said once alone, is the field's word.
pub(crate) fn overlay(
    base: &mut Map<String, Value>,
    own: Map<String, Value>,
    problem: &mut dyn FnMut(String),
) {
    let mut own = own;
    bound(base, &mut own, "minimum", "exclusiveMinimum", |own, base| {
        own > base
    });
    bound(base, &mut own, "maximum", "exclusiveMaximum", |own, base| {
        own < base
    });
    for (key, value) in own {
        let Some(present) = base.get_mut(&key) else {
            base.insert(key, value);
            continue;
        };
        match key.as_str() {
            "maxLength" | "maxItems" | "maxProperties" => narrower(present, value, |own, base| own < base),
            "minLength" | "minItems" | "minProperties" => narrower(present, value, |own, base| own > base),
            "multipleOf" if is_multiple(present, &value) => {}
            "multipleOf" if is_multiple(&value, present) => *present = value,
            "multipleOf" | "pattern" | "oneOf" | "anyOf" | "not" => {
                if *present != value {
                    both(base, json!({ key: value }));
                }
            }
            "enum" => intersect(present, &value, problem),
            "required" => union(present, value),
            "allOf" | "x-kubernetes-validations" => append(present, value),
            // The linter's rules that a mark passes over.
            "allow" => append(present, value),
            "properties" => {
                if let (Value::Object(present), Value::Object(value)) = (present, value) {
                    for (name, value) in value {
                        match present.get_mut(&name) {
                            Some(present) => lay(present, value, problem),
                            None => {
                                present.insert(name, value);
                            }
                        }
                    }
                }
            }
            "items" | "additionalProperties" | MARK => lay(present, value, problem),
            _ => *present = value,
        }
    }
}

/// The same for what may be no schema, as `true` is.
fn lay(present: &mut Value, value: Value, problem: &mut dyn FnMut(String)) {
    match (present, value) {
        (Value::Object(present), Value::Object(value)) => overlay(present, value, problem),
        (present, value) => *present = value,
    }
}

/// A numeric bound and the flag beside it stand and fall together.
fn bound(
    base: &mut Map<String, Value>,
    own: &mut Map<String, Value>,
    limit: &str,
    exclusive: &str,
    narrower: fn(f64, f64) -> bool,
) {
    let number = |map: &Map<String, Value>| map.get(limit).and_then(Value::as_f64);
    let (Some(of_field), Some(of_type)) = (number(own), number(base)) else {
        return;
    };
    let own_flag = own.remove(exclusive);
    let own_limit = own.remove(limit);
    if of_field == of_type {
        if own_flag == Some(Value::Bool(true)) {
            base.insert(exclusive.to_owned(), Value::Bool(true));
        }
    } else if narrower(of_field, of_type) {
        base.remove(exclusive);
        base.extend(own_flag.map(|flag| (exclusive.to_owned(), flag)));
        base.extend(own_limit.map(|value| (limit.to_owned(), value)));
    }
}

fn narrower(present: &mut Value, own: Value, is_narrower: fn(f64, f64) -> bool) {
    if let (Some(of_field), Some(of_type)) = (own.as_f64(), present.as_f64())
        && !is_narrower(of_field, of_type)
    {
        return;
    }
    *present = own;
}

fn is_multiple(of: &Value, by: &Value) -> bool {
    match (of.as_f64(), by.as_f64()) {
        (Some(of), Some(by)) => by != 0.0 && of % by == 0.0,
        _ => false,
    }
}

/// One more condition, where the keyword itself is taken.
fn both(base: &mut Map<String, Value>, more: Value) {
    if let Value::Array(all) = base.entry("allOf").or_insert_with(|| json!([])) {
        all.push(more);
    }
}

/// The type's values that the field admits too, in the type's order.
fn intersect(present: &mut Value, own: &Value, problem: &mut dyn FnMut(String)) {
    let (Value::Array(values), Value::Array(own)) = (present, own) else {
        return;
    };
    if let Some(strange) = own
        .iter()
        .find(|value| !value.is_null() && !values.contains(value))
    {
        problem(format!(
            "`enum_values` admits {strange}, which the type does not have; remove it, or add it to the type"
        ));
        return;
    }
    values.retain(|value| own.contains(value));
}

fn union(present: &mut Value, own: Value) {
    append(present, own);
    if let Value::Array(names) = present {
        names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        names.dedup();
    }
}

fn append(present: &mut Value, own: Value) {
    if let (Value::Array(present), Value::Array(own)) = (present, own) {
        present.extend(own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn laid_over(base: Value, own: Value) -> Value {
        let (Value::Object(mut base), Value::Object(own)) = (base, own) else {
            panic!("schemas are objects");
        };
        overlay(&mut base, own, &mut |message| panic!("{message}"));
        Value::Object(base)
    }

    /// markers.md, section 3: of limits on the type and on the field the narrower is equivalent to both.
    #[test]
    fn the_narrower_limit_holds() {
        for (base, own, both) in [
            (
                json!({"maxLength": 8}),
                json!({"maxLength": 4}),
                json!({"maxLength": 4}),
            ),
            (
                json!({"maxLength": 4}),
                json!({"maxLength": 8}),
                json!({"maxLength": 4}),
            ),
            (
                json!({"minItems": 1}),
                json!({"minItems": 2}),
                json!({"minItems": 2}),
            ),
            (
                json!({"minimum": 1}),
                json!({"minimum": 0, "maximum": 5}),
                json!({"minimum": 1, "maximum": 5}),
            ),
            (
                json!({"minimum": 1, "exclusiveMinimum": true}),
                json!({"minimum": 2}),
                json!({"minimum": 2}),
            ),
            (
                json!({"maximum": 2}),
                json!({"maximum": 2, "exclusiveMaximum": true}),
                json!({"maximum": 2, "exclusiveMaximum": true}),
            ),
            (
                json!({"minimum": 3}),
                json!({"minimum": 2, "exclusiveMinimum": true}),
                json!({"minimum": 3}),
            ),
            (
                json!({"minimum": 1}),
                json!({"minimum": 0, "exclusiveMinimum": true}),
                json!({"minimum": 1}),
            ),
            (
                json!({"multipleOf": 2}),
                json!({"multipleOf": 6}),
                json!({"multipleOf": 6}),
            ),
            (
                json!({"multipleOf": 6}),
                json!({"multipleOf": 2}),
                json!({"multipleOf": 6}),
            ),
            (
                json!({"multipleOf": 4}),
                json!({"multipleOf": 6}),
                json!({"multipleOf": 4, "allOf": [{"multipleOf": 6}]}),
            ),
            (
                json!({"pattern": "^a"}),
                json!({"pattern": "b$"}),
                json!({"pattern": "^a", "allOf": [{"pattern": "b$"}]}),
            ),
            (
                json!({"enum": ["a", "b", "c"]}),
                json!({"enum": ["c", "b"]}),
                json!({"enum": ["b", "c"]}),
            ),
            (
                json!({"description": "of the type", "items": {"maxLength": 3}}),
                json!({"description": "of the field", "items": {"maxLength": 2}}),
                json!({"description": "of the field", "items": {"maxLength": 2}}),
            ),
        ] {
            assert_eq!(laid_over(base.clone(), own.clone()), both, "{own} over {base}");
        }
    }

    /// markers.md, section 3.
    #[test]
    fn a_wider_enum_is_a_problem() {
        let mut problems = Vec::new();
        let mut base = json!({"enum": ["a", "b"]})
            .as_object()
            .cloned()
            .unwrap_or_default();
        let own = json!({"enum": ["b", "c"]})
            .as_object()
            .cloned()
            .unwrap_or_default();
        overlay(&mut base, own, &mut |message| problems.push(message));
        assert_eq!(
            problems,
            ["`enum_values` admits \"c\", which the type does not have; remove it, or add it to the type"]
        );
    }
}
