//! Structural schemas from Rust types, through [schemars](https://docs.rs/schemars).
//!
//! There are two shapes. A type that derives `KubeSchema` has controller-gen's, and gives it to all that it holds: no
//! titles, no formats that a server does not know, `nullable` on demand alone, Kubernetes' own types with the list types
//! and defaults of their Go twins. Its marks say what else is wanted (`x-kubewright`); none is left in the end.
//!
//! All other types have kube-derive's shape (through kube-core's `StructuralSchemaRewriter`, `OptionalEnum` and
//! `OptionalIntOrString`) wherever that is structural, so that a project which changes its derive keeps its CRDs. Where
//! kube-derive panics, or writes what an API server rejects or empties, the schema is rewritten into the structural
//! form with the same meaning; where there is none, [`BuildError`] says what to write instead. What derives `KubeSchema`
//! within such a type keeps its own shape.
//!
//! Two things that kube-derive writes are left out although a server stores them. Formats that it does not know, such as
//! `uint32`, make it warn and mean nothing. And an optional enum is not `nullable`: listing null among the values is
//! the usual advice, yet a server refuses null even then (measured on kube-apiserver 1.36.3), while without `nullable` it
//! drops the null that `None` is written as.
//!
//! **Invariant:** equal types give equal bytes: keys are sorted, `required` is sorted and without repetitions, enums
//! keep the order of declaration.

mod columns;
mod describe;
mod foreign;
mod graft;
mod inline;
mod kube;
mod kubernetes;
mod limits;
mod merge;
mod notes;
pub(crate) mod overlay;
mod refusals;
mod tidy;
mod wishes;

use std::fmt;

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::{AddNullable, RemoveRefSiblings};
use serde_json::{Map, Value};

use crate::lint::Lint;

pub use columns::Column;
pub use describe::Descriptions;
pub use wishes::Allowed;

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
/// References are inlined, enums become one object or one string, `serde_json::Value` keeps unknown fields. `Option`
/// becomes `nullable` where the type does not derive `KubeSchema`. Annotations that a CRD has no place for (`deprecated`, `readOnly`, `examples`, …) are left out.
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
    build::<T>().map(|built| built.schema)
}

/// A type's schema, and what was seen on the way.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Built {
    /// The `openAPIV3Schema`.
    pub schema: Value,
    /// What is doubtful in the Rust types and cannot be seen in the schema any more. Paths begin at the schema.
    pub notes: Vec<Lint>,
    /// Where which rules are passed over, as the types' attributes say.
    pub allowed: Vec<Allowed>,
    /// Printer columns that fields declare, sorted by path.
    pub columns: Vec<Column>,
    /// Paths of fields that say that they can be selected by, sorted.
    pub selectable: Vec<String>,
}

/// As [`structural_schema`], with what was noticed besides.
///
/// # Errors
/// Those of [`structural_schema`].
pub fn build<T: JsonSchema>() -> Result<Built, BuildError> {
    built::<T>(Role::Part)
}

/// As [`build`], of a type that is the whole object of a kind: rules at its root see the object's name.
///
/// # Errors
/// Those of [`structural_schema`].
pub fn build_root<T: JsonSchema>() -> Result<Built, BuildError> {
    built::<T>(Role::Root)
}

/// What a type is in its objects.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// One field of many.
    Part,
    /// All of it.
    Root,
}

fn built<T: JsonSchema>(role: Role) -> Result<Built, BuildError> {
    let name = T::schema_name();
    // Each named type once; kube-derive's own settings write it wherever it is used, and lose its name.
    let referring = raw_settings()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    let built = if inline::is_exact(&referring) {
        exact(referring, &name, role, &|| {
            raw_settings()
                .with(|settings| settings.inline_subschemas = true)
                .into_generator()
                .into_root_schema_for::<T>()
                .to_value()
        })
    } else {
        let inlined = inlining().into_root_schema_for::<T>().to_value();
        restructure(inlined, referring, &name, role)
    };
    built.map_err(|problems| BuildError {
        type_name: name.into_owned(),
        problems,
    })
}

/// As schemars writes it, in the words of OpenAPI but for null, which stays what the type made it.
fn raw_settings() -> SchemaSettings {
    SchemaSettings::openapi3().with(|settings| {
        settings.meta_schema = None;
        // Where schemars' transforms look for definitions.
        settings.definitions_path = "/$defs".into();
        settings
            .transforms
            .retain(|transform| !transform.is::<AddNullable>() && !transform.is::<RemoveRefSiblings>());
    })
}

fn inlining() -> SchemaGenerator {
    SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator()
}

/// Everything after schemars for a type that derives `KubeSchema`; not generic, so that it is compiled once. `inlined` is the
/// form without references, which is seldom needed.
fn exact(
    mut root: Value,
    name: &str,
    role: Role,
    inlined: &dyn Fn() -> Value,
) -> Result<Built, Vec<Problem>> {
    // schemars gives every root its name.
    if let Value::Object(map) = &mut root
        && map.get("title").is_some_and(|title| title == name)
    {
        map.remove("title");
    }
    let definitions = take_definitions(&mut root);
    let mut inliner = inline::Inliner::new(&root, name, &definitions);
    let mut schema = inliner.root();
    if limits::may_be_dropped(&definitions) {
        limits::restore(&mut schema, &inlined());
    }
    judged(schema, role, inliner)
}

/// The same for all other types, of which `inlined` and `referring` are the two forms.
fn restructure(
    mut inlined: Value,
    mut referring: Value,
    name: &str,
    role: Role,
) -> Result<Built, Vec<Problem>> {
    if let Value::Object(root) = &mut inlined {
        root.remove("components");
    }
    let definitions = take_definitions(&mut referring);
    let mut inliner = inline::Inliner::new(&referring, name, &definitions);
    let mut grafts = graft::Grafts::default();
    if definitions.values().any(inline::is_exact) {
        grafts.cut(&mut inlined, &referring, &definitions, &mut inliner);
    }
    kube::rewrite(&mut inlined, &mut inliner.problems);
    kube::join_optional(&mut inlined);
    kube::nullable_int_or_string(&mut inlined);
    tidy::tidy(&mut inlined, &mut inliner.problems);
    grafts.put_back(&mut inlined);
    judged(inlined, role, inliner)
}

fn take_definitions(root: &mut Value) -> Map<String, Value> {
    match root.as_object_mut().and_then(|root| root.remove("$defs")) {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    }
}

/// The end of both ways.
fn judged(mut schema: Value, role: Role, inliner: inline::Inliner<'_>) -> Result<Built, Vec<Problem>> {
    schema.sort_all_objects();
    let mut found = inliner.problems.found;
    if found.is_empty() {
        found = refusals::refusals(&schema, role);
    }
    if !found.is_empty() {
        return Err(found);
    }
    Ok(Built {
        schema,
        notes: inliner.notes,
        allowed: inliner.allowed,
        columns: inliner.columns,
        selectable: inliner.selectable,
    })
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

    /// As [`path`](Self::path), in the server's way.
    fn server_path(&self) -> String {
        let mut path = String::new();
        for segment in &self.path {
            match segment {
                Segment::Property(name) => path += &format!(".properties[{name}]"),
                Segment::Items => path.push_str(".items"),
                Segment::Values => path.push_str(".additionalProperties"),
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

/// Calls `visit` for each direct subschema, wherever it stands.
fn each_subschema_plain(map: &mut Map<String, Value>, visit: &mut dyn FnMut(&mut Value)) {
    each_subschema(map, &mut Problems::default(), |schema, _| visit(schema));
}

#[cfg(test)]
mod exact_tests;
#[cfg(test)]
mod kubernetes_tests;
#[cfg(test)]
mod refused_tests;
#[cfg(test)]
mod tests;
