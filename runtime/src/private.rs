//! What derived code names. No stability promise: the macros and this module are released together, and the
//! module's name carries the patch version so that a mismatched pair fails at once.
//!
//! **Invariant:** an object's JSON is the same whether this crate's derive or kube-derive 5 made its type.

use kubewright_schema::build::{BuildError, Built};
use schemars::generate::SchemaGenerator;
use serde::ser::SerializeStruct;

pub use crate::apply::{Apply, ObjectApply};
#[cfg(feature = "client")]
pub use crate::client::{AsClient, ClientError, FromClient, connect};
pub use crate::convert::emitted as convert;
pub use crate::crd::{Column, KindInfo};
pub use crate::defaults;
pub use crate::kind::{Cluster, CustomKind, Namespaced, ScaleSubresource, StatusSubresource};
pub use crate::rbac;
pub use crate::versions::emitted as versions;
#[cfg(feature = "webhook")]
pub use crate::webhook;
pub use core::clone::Clone;
pub use core::concat;
pub use core::convert::{Into, TryFrom};
pub use core::default::Default;
pub use core::fmt::Debug;
pub use core::module_path;
pub use core::option::Option;
pub use core::result::Result;
pub use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
pub use k8s_openapi::{Metadata, Resource};
pub use kube;
pub use kube::core as kube_core;
pub use kube::core::ApiResource;
pub use kubewright_schema::shape;
pub use schemars::{JsonSchema, Schema, generate::SchemaGenerator as Generator};
pub use serde;
pub use serde::{Deserialize, Deserializer, Serialize, Serializer};
pub use std::borrow::Cow;
pub use std::string::{String, ToString};

/// Stands for the status of a kind that has none; no value of it is ever read or written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct NoStatus;

/// A new object named `name`.
pub fn new<K: CustomKind>(name: &str, spec: K::Spec) -> K {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        ..crate::crd::object_meta(K::INFO)
    };
    K::from_parts((metadata, spec, None))
}

/// An object without a name, whose spec is the default.
pub fn default<K: CustomKind<Spec: Default>>() -> K {
    K::from_parts((ObjectMeta::default(), K::Spec::default(), None))
}

/// The definition of `K`.
///
/// # Panics
/// Where the schema cannot stand in a definition: `CustomResourceExt::crd` has no error to return.
/// `kubewright::crd::of` has.
pub fn crd<K: CustomKind>() -> CustomResourceDefinition {
    match crate::crd::of::<K>() {
        Ok(definition) => definition,
        Err(error) => {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            panic!("{error}: {}", reason.unwrap_or_default())
        }
    }
}

/// `kube::core::cel` with the feature `cel`. Without it, what says that it is missing.
#[cfg(feature = "cel")]
pub use kube::core::cel;
#[cfg(not(feature = "cel"))]
pub mod cel {
    /// Never made.
    #[derive(Debug)]
    pub struct ValidationErrors;

    /// Implemented for nothing.
    #[diagnostic::on_unimplemented(
        message = "#[kube(cel)] needs kubewright's feature `cel`",
        label = "`{Self}` cannot be validated without the feature",
        note = "write `kubewright = {{ version = \"...\", features = [\"cel\"] }}` in Cargo.toml, or remove `cel`"
    )]
    pub trait Validated {}

    pub fn validate_cel<T: Validated>(_: &T) -> Result<(), ValidationErrors> {
        Ok(())
    }

    // Without the bound: one mistake, told once.
    pub fn validate_cel_update<T>(_: &T, _: &T) -> Result<(), ValidationErrors> {
        Ok(())
    }
}

/// A rule of kube's as JSON.
pub fn rule(rule: impl Into<kube::core::Rule>) -> serde_json::Value {
    serde_json::to_value(rule.into()).expect("a rule is strings and a flag")
}

/// kube's merge strategy as keywords. The server knows one keyword for maps and structs.
pub fn merge_strategy(node: &mut shape::Node, strategy: impl Into<kube::core::cel::MergeStrategy>) {
    use kube::core::cel::MergeStrategy;
    use kube::core::{ListMerge, MapMerge, StructMerge};

    const LIST: &str = "x-kubernetes-list-type";
    const MAP: &str = "x-kubernetes-map-type";
    match strategy.into() {
        MergeStrategy::ListType(ListMerge::Atomic) => node.set(&[LIST], "atomic"),
        MergeStrategy::ListType(ListMerge::Set) => node.set(&[LIST], "set"),
        MergeStrategy::ListType(ListMerge::Map(keys)) => {
            node.set(&[LIST], "map");
            node.set(&["x-kubernetes-list-map-keys"], keys);
        }
        MergeStrategy::MapType(MapMerge::Atomic) | MergeStrategy::StructType(StructMerge::Atomic) => {
            node.set(&[MAP], "atomic");
        }
        MergeStrategy::MapType(MapMerge::Granular) | MergeStrategy::StructType(StructMerge::Granular) => {
            node.set(&[MAP], "granular");
        }
    }
}

/// Compiles where `T` derives `KubeSchema`, which reads attributes of fields.
pub const fn has_shape<T: shape::Shaped>() {}

/// How a kind's schema is made.
pub type SchemaFn = fn() -> Result<Built, BuildError>;

/// That `T`'s own schema, as a definition takes it, is its kind's.
pub const fn schema_of<T: JsonSchema>() -> Option<SchemaFn> {
    Some(kubewright_schema::build::build_root::<T>)
}

/// An object taken apart: metadata, spec, status.
pub type Parts<K> = (
    ObjectMeta,
    <K as CustomKind>::Spec,
    Option<<K as CustomKind>::Status>,
);

/// Compiles where `T` has an apply configuration.
pub const fn has_configuration<T: Apply>() {}

/// `kube::core::ApiResource` of `K`.
pub fn api_resource<K: CustomKind>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

/// Writes an object: `apiVersion`, `kind`, `metadata`, `spec`, and `status` where it is set.
pub fn serialize<K: CustomKind, S: Serializer>(
    object: &K,
    name: &'static str,
    serializer: S,
) -> Result<S::Ok, S::Error>
where
    K::Spec: Serialize,
    K::Status: Serialize,
{
    let (metadata, spec, status) = object.parts();
    if K::INFO.flat {
        let flat = FlatOut {
            api_version: K::INFO.api_version,
            kind: K::INFO.kind,
            metadata,
            spec,
            status,
        };
        return flat.serialize(serializer);
    }
    let mut out = serializer.serialize_struct(name, 4 + usize::from(status.is_some()))?;
    out.serialize_field("apiVersion", K::INFO.api_version)?;
    out.serialize_field("kind", K::INFO.kind)?;
    out.serialize_field("metadata", metadata)?;
    out.serialize_field("spec", spec)?;
    if let Some(status) = status {
        out.serialize_field("status", status)?;
    }
    out.end()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FlatOut<'a, Spec, Status> {
    api_version: &'a str,
    kind: &'a str,
    metadata: &'a ObjectMeta,
    #[serde(flatten)]
    spec: &'a Spec,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Status>,
}

/// Reads an object. `apiVersion` and `kind` are not looked at, and unknown fields are ignored, as kube-derive
/// has it.
pub fn deserialize<'de, K, D>(deserializer: D) -> Result<K, D::Error>
where
    K: CustomKind,
    K::Spec: Deserialize<'de>,
    K::Status: Deserialize<'de>,
    D: Deserializer<'de>,
{
    // Without a status in the kind, `status` is an unknown field like any other, which a flattened spec may
    // gather.
    Ok(match (K::INFO.flat, K::INFO.status) {
        (false, true) => {
            let object = NestedWithStatusIn::deserialize(deserializer)?;
            K::from_parts((object.metadata, object.spec, object.status))
        }
        (false, false) => {
            let object = NestedIn::deserialize(deserializer)?;
            K::from_parts((object.metadata, object.spec, None))
        }
        (true, true) => {
            let object = FlatWithStatusIn::deserialize(deserializer)?;
            K::from_parts((object.metadata, object.spec, object.status))
        }
        (true, false) => {
            let object = FlatIn::deserialize(deserializer)?;
            K::from_parts((object.metadata, object.spec, None))
        }
    })
}

// One text for all kinds: serde takes a literal alone.
#[derive(Deserialize)]
#[serde(expecting = "a custom resource")]
struct NestedWithStatusIn<Spec, Status> {
    metadata: ObjectMeta,
    spec: Spec,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(expecting = "a custom resource")]
struct NestedIn<Spec> {
    metadata: ObjectMeta,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(expecting = "a custom resource")]
struct FlatWithStatusIn<Spec, Status> {
    metadata: ObjectMeta,
    #[serde(flatten)]
    spec: Spec,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(expecting = "a custom resource")]
struct FlatIn<Spec> {
    metadata: ObjectMeta,
    #[serde(flatten)]
    spec: Spec,
}

/// Schema of the whole object without `apiVersion`, `kind` and `metadata`, which the server checks itself.
pub fn root_schema<K: CustomKind>(generator: &mut SchemaGenerator) -> Schema
where
    K::Spec: JsonSchema,
    K::Status: JsonSchema,
{
    let mut schema = match (K::INFO.flat, K::INFO.status) {
        (false, true) => NestedWithStatus::<K::Spec, K::Status>::json_schema(generator),
        (false, false) => Nested::<K::Spec>::json_schema(generator),
        (true, true) => FlatWithStatus::<K::Spec, K::Status>::json_schema(generator),
        (true, false) => Flat::<K::Spec>::json_schema(generator),
    };
    if !K::INFO.flat && has_exact_spec(&schema, generator) {
        schema.insert(shape::MARK.to_owned(), serde_json::json!({"exact": true}));
    }
    let (title, description) = title_and_description(K::INFO.description);
    for (keyword, text) in [("title", title), ("description", description)] {
        if !text.is_empty() {
            schema.insert(keyword.to_owned(), text.into());
        }
    }
    schema
}

/// Whether the spec derives `KubeSchema`; the root then has its shape too. A flattened spec brings its mark along.
fn has_exact_spec(root: &Schema, generator: &SchemaGenerator) -> bool {
    let Some(mut spec) = root
        .get("properties")
        .and_then(|properties| properties.get("spec"))
    else {
        return false;
    };
    let reference = spec.get("$ref").and_then(serde_json::Value::as_str);
    if let Some(name) = reference.and_then(|reference| reference.rsplit('/').next())
        && let Some(definition) = generator.definitions().get(name)
    {
        spec = definition;
    }
    spec.get(shape::MARK).and_then(|mark| mark.get("exact")) == Some(&serde_json::Value::Bool(true))
}

/// A doc comment as schemars' derive reads it: a heading in the first line is the title.
fn title_and_description(doc: &str) -> (&str, &str) {
    let doc = doc.trim_ascii();
    if !doc.starts_with('#') {
        return ("", doc);
    }
    let (title, description) = doc.split_once('\n').unwrap_or((doc, ""));
    (
        title.trim_start_matches('#').trim_ascii(),
        description.trim_ascii(),
    )
}

/// Adds a CEL rule to the root of a schema.
pub fn add_rule(schema: &mut Schema, rule: impl Into<kube::core::Rule>) {
    let rule = self::rule(rule);
    let rules = schema
        .ensure_object()
        .entry("x-kubernetes-validations")
        .or_insert_with(|| serde_json::Value::Array(Vec::new()));
    if let serde_json::Value::Array(rules) = rules {
        rules.push(rule);
    }
}

// The shapes that kube-derive would hand to schemars' derive, once here instead of once per kind. They are
// never made; only their schema is asked for.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct NestedWithStatus<Spec, Status> {
    spec: Spec,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Nested<Spec> {
    spec: Spec,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct FlatWithStatus<Spec, Status> {
    #[serde(flatten)]
    spec: Spec,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Flat<Spec> {
    #[serde(flatten)]
    spec: Spec,
}
