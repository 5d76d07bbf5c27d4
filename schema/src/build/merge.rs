//! One property declared by several variants: what they agree on, and what is left to each.

use serde_json::{Map, Value};

/// A variant's declaration of a property.
pub(super) struct Contribution {
    pub(super) variant: usize,
    pub(super) schema: Value,
}

/// The common declaration, and the value validation that remains in single variants.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) core: Value,
    pub(super) residuals: Vec<(usize, Value)>,
}

/// Two variants contradict each other: variant and description of the type, for both.
#[derive(Debug)]
pub(super) struct Conflict {
    path: Vec<String>,
    pub(super) first: (usize, String),
    pub(super) second: (usize, String),
}

impl Conflict {
    /// Path of the contradicting field, below a property of this name.
    pub(super) fn field(&self, name: &str) -> String {
        let mut field = name.to_owned();
        for segment in self.path.iter().rev() {
            field.push('.');
            field.push_str(segment);
        }
        field
    }
}

/// Merges all declarations of one property.
pub(super) fn merge(mut contributions: Vec<Contribution>) -> Result<Merged, Conflict> {
    let agree = contributions
        .iter()
        .all(|c| same_but_annotations(&c.schema, &contributions[0].schema));
    if agree {
        return Ok(Merged {
            core: contributions.swap_remove(0).schema,
            residuals: Vec::new(),
        });
    }
    if contributions.iter().all(|c| is_scalar_enum(&c.schema)) {
        return merge_enums(contributions);
    }
    if contributions.iter().all(|c| is_plain_object(&c.schema)) {
        return merge_objects(contributions);
    }
    Err(conflict(&contributions))
}

fn conflict(contributions: &[Contribution]) -> Conflict {
    let first = &contributions[0];
    let second = contributions
        .iter()
        .find(|c| !same_but_annotations(&c.schema, &first.schema))
        .unwrap_or(first);
    let (a, b) = (type_of(&first.schema), type_of(&second.schema));
    let (a, b) = if a == b {
        (
            format!("{a} ({})", first.schema),
            format!("{b} ({})", second.schema),
        )
    } else {
        (a, b)
    };
    Conflict {
        path: Vec::new(),
        first: (first.variant, format!("type {a}")),
        second: (second.variant, format!("type {b}")),
    }
}

fn type_of(schema: &Value) -> String {
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        _ if schema.get("x-kubernetes-int-or-string").is_some() => "integer or string".to_owned(),
        _ => "any".to_owned(),
    }
}

/// Equal, apart from what only documents.
pub(super) fn same_but_annotations(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let bare = |map: &Map<String, Value>| {
                let mut map = map.clone();
                map.remove("description");
                map.remove("title");
                map
            };
            a == b || bare(a) == bare(b)
        }
        _ => a == b,
    }
}

fn is_scalar_enum(schema: &Value) -> bool {
    schema.get("enum").is_some_and(Value::is_array)
        && matches!(
            schema.get("type").and_then(Value::as_str),
            Some("string" | "integer" | "boolean" | "number")
        )
}

fn merge_enums(contributions: Vec<Contribution>) -> Result<Merged, Conflict> {
    let bare = |schema: &Value| {
        let mut schema = schema.clone();
        if let Value::Object(map) = &mut schema {
            map.remove("enum");
        }
        schema
    };
    let core = bare(&contributions[0].schema);
    if contributions
        .iter()
        .any(|c| !same_but_annotations(&bare(&c.schema), &core))
    {
        return Err(conflict(&contributions));
    }
    let mut values: Vec<Value> = Vec::new();
    let mut residuals = Vec::new();
    for contribution in contributions {
        let own = contribution.schema.get("enum").cloned().unwrap_or_default();
        for value in own.as_array().into_iter().flatten() {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        residuals.push((contribution.variant, serde_json::json!({ "enum": own })));
    }
    let mut core = core;
    core["enum"] = Value::Array(values);
    Ok(Merged { core, residuals })
}

/// An object with declared properties, or none, whose other keywords may stand in a variant.
fn is_plain_object(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
        && schema.as_object().is_some_and(|map| {
            map.keys().all(|key| {
                matches!(
                    key.as_str(),
                    "type" | "properties" | "description" | "title" | "nullable"
                ) || is_value_validation(key)
            })
        })
}

fn is_value_validation(key: &str) -> bool {
    matches!(
        key,
        "required" | "minProperties" | "maxProperties" | "oneOf" | "anyOf" | "allOf" | "not"
    )
}

fn merge_objects(contributions: Vec<Contribution>) -> Result<Merged, Conflict> {
    let nullable = contributions[0].schema.get("nullable").cloned();
    if contributions
        .iter()
        .any(|c| c.schema.get("nullable") != nullable.as_ref())
    {
        return Err(conflict(&contributions));
    }
    let mut core = Map::new();
    core.insert("type".to_owned(), "object".into());
    core.extend(nullable.map(|value| ("nullable".to_owned(), value)));
    let mut residuals: Vec<(usize, Map<String, Value>)> = Vec::new();
    let mut declared: Vec<(String, Vec<Contribution>)> = Vec::new();
    for contribution in contributions {
        let Value::Object(schema) = contribution.schema else {
            continue;
        };
        let mut residual = Map::new();
        for (key, value) in schema {
            match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, schema) in properties {
                        let one = Contribution {
                            variant: contribution.variant,
                            schema,
                        };
                        match declared.iter_mut().find(|(n, _)| *n == name) {
                            Some((_, list)) => list.push(one),
                            None => declared.push((name, vec![one])),
                        }
                    }
                }
                (k, value) if is_value_validation(k) => {
                    residual.insert(key, value);
                }
                _ => {}
            }
        }
        residuals.push((contribution.variant, residual));
    }
    let mut properties = Map::new();
    for (name, list) in declared {
        let merged = merge(list).map_err(|mut conflict| {
            conflict.path.push(name.clone());
            conflict
        })?;
        for (variant, residual) in merged.residuals {
            if let Some((_, own)) = residuals.iter_mut().find(|(v, _)| *v == variant) {
                let nested = own
                    .entry("properties")
                    .or_insert_with(|| Value::Object(Map::new()));
                nested[&name] = residual;
            }
        }
        properties.insert(name, merged.core);
    }
    if !properties.is_empty() {
        core.insert("properties".to_owned(), Value::Object(properties));
    }
    let residuals = residuals
        .into_iter()
        .filter(|(_, residual)| !residual.is_empty())
        .map(|(variant, residual)| (variant, Value::Object(residual)))
        .collect();
    Ok(Merged {
        core: Value::Object(core),
        residuals,
    })
}
