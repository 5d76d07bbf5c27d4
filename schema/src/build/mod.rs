//! Structural schemas from Rust types, through [schemars](https://docs.rs/schemars).
//!
//! The shape is kube-derive's (through kube-core's `StructuralSchemaRewriter`, `OptionalEnum` and
//! `OptionalIntOrString`) wherever that is structural, so that a project which changes its derive keeps its CRDs. Where
//! kube-derive panics, or writes what an API server rejects or empties, the schema is rewritten into the structural
//! form with the same meaning; where there is none, [`BuildError`] says what to write instead.
//!
//! Two things that kube-derive writes are left out although a server stores them. Formats that it does not know, such as
//! `uint32`, make it warn and mean nothing. And an optional enum is not `nullable`: listing null among the values is
//! the usual advice, yet a server refuses null even then (measured on kube-apiserver 1.36.3), while without `nullable` it
//! drops the null that `None` is written as.
//!
//! **Invariant:** equal types give equal bytes: keys are sorted, `required` is sorted and without repetitions, enums
//! keep the order of declaration.

mod kube;
mod merge;
mod tidy;

use std::fmt;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// One thing in a type that a structural schema cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where: field names joined by dots, `[]` for list items, `[*]` for map values; empty for the type itself.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// A type has no structural schema; holds every reason found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no structural schema for `{type_name}`: {}", list(.problems))]
#[non_exhaustive]
pub struct BuildError {
    /// Name of the type, as schemars gives it.
    pub type_name: String,
    /// What is wrong; never empty.
    pub problems: Vec<Problem>,
}

fn list(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// The `openAPIV3Schema` of a type.
///
/// References are inlined, `Option` becomes `nullable`, enums become one object or one string, `serde_json::Value`
/// keeps unknown fields. Annotations that a CRD has no place for (`deprecated`, `readOnly`, `examples`, …) are left out.
///
/// # Errors
/// The type contains itself, has fields of contradicting types in two enum variants, tuples, integer map keys, or
/// anything else that cannot be told in a structural schema. All of these are listed. A type that can be told has its
/// schema judged as a server judges it, and all that is refused is listed then.
///
/// ```
/// # use kubewright_schema::build;
/// #[derive(schemars::JsonSchema)]
/// struct Spec {
///     replicas: Option<i32>,
/// }
/// let schema = build::structural_schema::<Spec>()?;
/// assert_eq!(
///     schema["properties"]["replicas"],
///     serde_json::json!({"type": "integer", "format": "int32", "nullable": true})
/// );
/// # Ok::<(), build::BuildError>(())
/// ```
pub fn structural_schema<T: JsonSchema>() -> Result<Value, BuildError> {
    let generator = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator();
    let schema = generator.into_root_schema_for::<T>().to_value();
    restructure(schema).map_err(|problems| BuildError {
        type_name: T::schema_name().into_owned(),
        problems,
    })
}

/// Everything after schemars; not generic, so that it is compiled once.
fn restructure(mut schema: Value) -> Result<Value, Vec<Problem>> {
    let mut problems = Problems::default();
    if let Value::Object(root) = &mut schema {
        root.remove("components");
    }
    kube::rewrite(&mut schema, &mut problems);
    kube::join_optional(&mut schema);
    kube::nullable_int_or_string(&mut schema);
    tidy::tidy(&mut schema, &mut problems);
    schema.sort_all_objects();
    if problems.found.is_empty() {
        problems.found = refusals(&schema);
    }
    if problems.found.is_empty() {
        Ok(schema)
    } else {
        Err(problems.found)
    }
}

/// What a server would say to the schema in a CRD: bad patterns and defaults, list types without keys, and whatever
/// else attributes can bring in. The type may be one field of many, so it is looked at as such.
fn refusals(schema: &Value) -> Vec<Problem> {
    const FIELD: &str = "kubewright-type";
    let around = serde_json::json!({"type": "object", "properties": {FIELD: schema}});
    let prefix = format!(".properties[{FIELD}]");
    let mut errors = crate::crd::check_schema(&around, "");
    // A server looks at defaults only once the form is right; whoever builds wants to hear of both.
    for error in crate::crd::check_defaults(&around, "") {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    errors
        .into_iter()
        .map(|error| {
            let (path, keyword) = place(schema, error.field.strip_prefix(&prefix).unwrap_or(&error.field));
            let message = error.message().replace(&format!("{prefix}."), "");
            let separator = if keyword.is_empty() { "" } else { ": " };
            Problem {
                path,
                message: format!("the API server refuses this schema: {keyword}{separator}{message}"),
            }
        })
        .collect()
}

/// Splits a server's path in a schema into that of the field, and what of the field's schema it points to.
fn place<'a>(mut schema: &Value, mut rest: &'a str) -> (String, &'a str) {
    let mut at = Problems::default();
    loop {
        // Names may hold any character, so that only the schema can tell where one ends.
        let property = rest.strip_prefix(".properties[").and_then(|tail| {
            let properties = schema.get("properties")?.as_object()?;
            properties.iter().find_map(|(name, schema)| {
                let tail = tail.strip_prefix(name.as_str())?.strip_prefix(']')?;
                Some((Segment::Property(name.clone()), schema, tail))
            })
        });
        let below = |key: &str, segment: Segment| {
            let tail = rest.strip_prefix('.')?.strip_prefix(key)?;
            let schema = schema.get(key).filter(|schema| schema.is_object())?;
            (tail.is_empty() || tail.starts_with('.')).then_some((segment, schema, tail))
        };
        let step = property
            .or_else(|| below("items", Segment::Items))
            .or_else(|| below("additionalProperties", Segment::Values));
        let Some((segment, inner, tail)) = step else {
            return (at.path(), rest.trim_start_matches('.'));
        };
        at.path.push(segment);
        (schema, rest) = (inner, tail);
    }
}

/// Collects problems and knows the path of the present schema.
#[derive(Default)]
struct Problems {
    found: Vec<Problem>,
    path: Vec<Segment>,
}

#[derive(Clone, PartialEq)]
enum Segment {
    Property(String),
    Items,
    Values,
}

impl Problems {
    fn path(&self) -> String {
        let mut path = String::new();
        for segment in &self.path {
            match segment {
                Segment::Property(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                }
                Segment::Items => path.push_str("[]"),
                Segment::Values => path.push_str("[*]"),
            }
        }
        path
    }

    fn push(&mut self, message: impl Into<String>) {
        let problem = Problem {
            path: self.path(),
            message: message.into(),
        };
        // Variants share their fields, so the same mistake may be met once for each.
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    fn within(&mut self, segment: Option<Segment>, visit: impl FnOnce(&mut Self)) {
        let pushed = segment.is_some();
        self.path.extend(segment);
        visit(self);
        if pushed {
            self.path.pop();
        }
    }
}

/// Calls `visit` for each direct subschema. Variants of junctors stand at their parent's path.
fn each_subschema(
    map: &mut Map<String, Value>,
    problems: &mut Problems,
    mut visit: impl FnMut(&mut Value, &mut Problems),
) {
    for (key, value) in map.iter_mut() {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    problems.within(Some(Segment::Property(name.clone())), |p| visit(property, p));
                }
            }
            ("patternProperties", Value::Object(properties)) => {
                for property in properties.values_mut() {
                    problems.within(Some(Segment::Values), |p| visit(property, p));
                }
            }
            ("additionalProperties", value @ Value::Object(_)) => {
                problems.within(Some(Segment::Values), |p| visit(value, p));
            }
            ("items", value @ Value::Object(_)) => {
                problems.within(Some(Segment::Items), |p| visit(value, p));
            }
            ("items", Value::Array(items)) => {
                for item in items {
                    problems.within(Some(Segment::Items), |p| visit(item, p));
                }
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(variants)) => {
                for variant in variants {
                    visit(variant, problems);
                }
            }
            ("not", value @ Value::Object(_)) => visit(value, problems),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
