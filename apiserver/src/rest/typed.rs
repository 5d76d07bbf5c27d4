//! The types of the built-in kinds, and what Go's decoder makes of an object of them (API-54, API-100).
//!
//! Compiled from the published OpenAPI, once for each group version and on first use.
//!
//! **Invariant:** what has been read has its type at every place: a wrong one is refused, a null is what Go makes of
//! it, an unknown field is gone and named.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::engine::decode::FieldPath;
use crate::openapi::data::PerDocument;
use crate::registry::{GroupVersionResource, ResourceInfo};

mod quantity;
mod time;
mod zero;

pub(super) use zero::{trimmed, written};

/// A schema as far as it decides a type.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Schema {
    #[serde(rename = "type")]
    type_: String,
    format: String,
    #[serde(rename = "$ref")]
    reference: String,
    all_of: Vec<Schema>,
    items: Option<Box<Schema>>,
    properties: BTreeMap<String, Schema>,
    additional_properties: Option<Box<Schema>>,
    required: Vec<String>,
    default: Option<Value>,
    #[serde(rename = "x-kubernetes-group-version-kind")]
    kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    group: String,
    version: String,
    kind: String,
}

#[derive(Deserialize)]
struct Document {
    components: Components,
}

#[derive(Deserialize)]
struct Components {
    schemas: BTreeMap<String, Schema>,
}

#[derive(Clone, Debug, PartialEq)]
enum Type {
    /// Whatever JSON there is: `RawExtension`, `FieldsV1`, `JSON`.
    Any,
    Text,
    /// Base64.
    Bytes,
    Bool,
    Int32,
    Int64,
    Float,
    IntOrString,
    Quantity,
    Time(time::Precision),
    List(Box<Type>),
    Map(Box<Type>),
    /// Index into [`Types::structs`]; types refer to each other in circles.
    Struct(usize),
}

struct Struct {
    /// `Container`.
    name: String,
    /// `v1`.
    package: String,
    fields: HashMap<String, Type>,
    /// Fields that Go writes even where they were never set, with what it writes; `None` for a struct of its own.
    zeros: Vec<(String, Option<Value>)>,
}

/// The types of one group version.
struct Types {
    structs: Vec<Struct>,
    /// Types of kinds, by the kind's name.
    kinds: HashMap<String, Type>,
    /// `ObjectMeta`.
    metadata: Type,
    /// `Scale`, where the group version has a kind with that subresource.
    scale: Type,
}

/// Reads an object of a built-in kind, in place. Returns complaints about fields that its type does not have; they
/// are dropped.
///
/// # Errors
/// Go's text for the first value of a wrong type.
pub(crate) fn read(object: &mut Value, info: &ResourceInfo) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    if let Some(types) = Types::of(&info.gvr)
        && let Some(kind) = types.kinds.get(&info.kind)
    {
        let at = Place {
            path: &FieldPath::Root,
            owner: None,
        };
        types.read(kind, object, &at, &mut unknown)?;
    }
    Ok(unknown)
}

/// Reads the metadata of an object whose type is not published, as [`read`] does.
///
/// # Errors
/// As of [`read`].
pub(crate) fn read_metadata(object: &mut Value) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    // Every group version publishes the type; this one is small.
    let leases = GroupVersionResource::new("coordination.k8s.io", "v1", "leases");
    if let Some(types) = Types::of(&leases)
        && let Some(metadata) = object.get_mut("metadata").filter(|metadata| !metadata.is_null())
    {
        // A key: Go decodes metadata by itself here, and its texts begin below it.
        let path = FieldPath::Key(&FieldPath::Root, "metadata");
        let at = Place {
            path: &path,
            owner: None,
        };
        types.read(&types.metadata, metadata, &at, &mut unknown)?;
    }
    Ok(unknown)
}

/// Reads a Scale, as [`read`] does.
///
/// # Errors
/// As of [`read`].
pub(super) fn read_scale(object: &mut Value) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    let deployments = GroupVersionResource::new("apps", "v1", "deployments");
    if let Some(types) = Types::of(&deployments) {
        let at = Place {
            path: &FieldPath::Root,
            owner: None,
        };
        types.read(&types.scale, object, &at, &mut unknown)?;
    }
    Ok(unknown)
}

/// Where a value stands: for complaints, and for Go's text of a wrong type.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a FieldPath<'a>,
    /// The type whose field this is.
    owner: Option<&'a Struct>,
}

impl Types {
    fn of(gvr: &GroupVersionResource) -> Option<&'static Self> {
        static ALL: PerDocument<Types> = PerDocument::new();
        ALL.of_text(&gvr.group, &gvr.version, |text| {
            let document: Document = serde_json::from_slice(text)?;
            let schemas = &document.components.schemas;
            Ok(Self::compile(schemas, &gvr.group, &gvr.version))
        })
    }

    fn compile(schemas: &BTreeMap<String, Schema>, group: &str, version: &str) -> Self {
        let mut bodies = Vec::new();
        let mut named = HashMap::new();
        for (name, schema) in schemas {
            let type_ = match name.rsplit('.').next().unwrap_or_default() {
                "Quantity" => Type::Quantity,
                "IntOrString" => Type::IntOrString,
                "Time" => Type::Time(time::Precision::Second),
                "MicroTime" => Type::Time(time::Precision::Micro),
                // A type without published fields reads itself.
                _ if schema.properties.is_empty() => Type::Any,
                _ => {
                    bodies.push((name, schema));
                    Type::Struct(bodies.len() - 1)
                }
            };
            named.insert(name.as_str(), type_);
        }
        let structs = bodies
            .iter()
            .map(|(name, schema)| {
                let mut parts = name.rsplit('.');
                let mut part = || parts.next().unwrap_or_default().to_owned();
                let fields = schema.properties.iter();
                Struct {
                    name: part(),
                    package: part(),
                    zeros: zero::zeros(schema, &named),
                    fields: fields
                        .map(|(field, schema)| (field.clone(), type_of(schema, &named)))
                        .collect(),
                }
            })
            .collect();
        let kinds = schemas
            .iter()
            .filter_map(|(name, schema)| match schema.kinds.as_slice() {
                [kind] if kind.group == group && kind.version == version => {
                    Some((kind.kind.clone(), named.get(name.as_str())?.clone()))
                }
                // Options that every group version knows.
                _ => None,
            })
            .collect();
        let known = |name: &str| named.get(name).cloned().unwrap_or(Type::Any);
        Self {
            structs,
            kinds,
            metadata: known("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
            scale: known("io.k8s.api.autoscaling.v1.Scale"),
        }
    }

    fn read(
        &self,
        type_: &Type,
        value: &mut Value,
        at: &Place<'_>,
        unknown: &mut Vec<String>,
    ) -> Result<(), String> {
        match (type_, &mut *value) {
            (Type::Any, _)
            | (Type::Text | Type::IntOrString, Value::String(_))
            | (Type::Bool, Value::Bool(_))
            | (Type::Float, Value::Number(_)) => Ok(()),
            (Type::Int32 | Type::IntOrString, Value::Number(number))
                if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) =>
            {
                Ok(())
            }
            (Type::Int64, Value::Number(number)) if number.is_i64() => Ok(()),
            (Type::Bytes, Value::String(text)) => check_base64(text),
            (Type::Time(precision), Value::String(text)) => {
                *text = precision.normal(text)?;
                Ok(())
            }
            (Type::Quantity, _) => {
                *value = Value::String(quantity::normal(value)?);
                Ok(())
            }
            (Type::List(type_), Value::Array(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let path = FieldPath::Index(at.path, index);
                    self.read_element(type_, item, &Place { path: &path, ..*at }, unknown)?;
                }
                Ok(())
            }
            (Type::Map(type_), Value::Object(map)) => {
                for (key, value) in map {
                    let path = FieldPath::Key(at.path, key);
                    self.read_element(type_, value, &Place { path: &path, ..*at }, unknown)?;
                }
                Ok(())
            }
            (Type::Struct(index), Value::Object(map)) => {
                let owner = self.structs.get(*index);
                owner.map_or(Ok(()), |owner| self.read_fields(owner, map, at, unknown))
            }
            (_, value) => Err(self.mismatch(type_, value, at)),
        }
    }

    fn read_fields(
        &self,
        owner: &Struct,
        map: &mut Map<String, Value>,
        at: &Place<'_>,
        unknown: &mut Vec<String>,
    ) -> Result<(), String> {
        let mut outcome = Ok(());
        map.retain(|name, value| {
            if outcome.is_err() {
                return true;
            }
            let path = FieldPath::Field(at.path, name);
            let Some(type_) = owner.fields.get(name) else {
                unknown.push(format!("unknown field {:?}", path.to_string()));
                return false;
            };
            // Go takes a null as an absent field.
            if value.is_null() {
                return false;
            }
            let at = Place {
                path: &path,
                owner: Some(owner),
            };
            outcome = self.read(type_, value, &at, unknown);
            true
        });
        outcome
    }

    /// An element of a list or map; a null is the type's zero value.
    fn read_element(
        &self,
        type_: &Type,
        value: &mut Value,
        at: &Place<'_>,
        unknown: &mut Vec<String>,
    ) -> Result<(), String> {
        if !value.is_null() {
            return self.read(type_, value, at, unknown);
        }
        *value = match type_ {
            Type::Text => "".into(),
            Type::Bool => false.into(),
            Type::Int32 | Type::Int64 | Type::Float | Type::IntOrString => 0.into(),
            Type::Quantity => "0".into(),
            Type::Struct(_) => Value::Object(Map::new()),
            Type::Any | Type::Bytes | Type::Time(_) | Type::List(_) | Type::Map(_) => Value::Null,
        };
        Ok(())
    }

    /// encoding/json's text for a value that does not fit.
    fn mismatch(&self, type_: &Type, value: &Value, at: &Place<'_>) -> String {
        let wants_integer = matches!(type_, Type::Int32 | Type::Int64 | Type::IntOrString);
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if wants_integer => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        let fields = at.path.fields().join(".");
        let place = match at.owner {
            Some(owner) => format!("Go struct field {}.{fields}", owner.name),
            None => "Go value".to_owned(),
        };
        format!(
            "json: cannot unmarshal {found} into {place} of type {}",
            self.go_name(type_)
        )
    }

    fn go_name(&self, type_: &Type) -> String {
        match type_ {
            Type::Any => "interface {}".to_owned(),
            Type::Text | Type::Time(_) => "string".to_owned(),
            Type::Bytes => "[]uint8".to_owned(),
            Type::Bool => "bool".to_owned(),
            Type::Int32 | Type::IntOrString => "int32".to_owned(),
            Type::Int64 => "int64".to_owned(),
            Type::Float => "float64".to_owned(),
            Type::Quantity => "resource.Quantity".to_owned(),
            Type::List(type_) => format!("[]{}", self.go_name(type_)),
            Type::Map(type_) => format!("map[string]{}", self.go_name(type_)),
            Type::Struct(index) => self
                .structs
                .get(*index)
                .map(|owner| format!("{}.{}", owner.package, owner.name))
                .unwrap_or_default(),
        }
    }
}

fn type_of(schema: &Schema, named: &HashMap<&str, Type>) -> Type {
    let reference = match schema.all_of.as_slice() {
        [only] => &only.reference,
        _ => &schema.reference,
    };
    if let Some(name) = reference.strip_prefix("#/components/schemas/") {
        return named.get(name).cloned().unwrap_or(Type::Any);
    }
    let below = |schema: &Option<Box<Schema>>| {
        let type_ = schema.as_deref().map(|schema| type_of(schema, named));
        Box::new(type_.unwrap_or(Type::Any))
    };
    match (schema.type_.as_str(), schema.format.as_str()) {
        ("string", "byte") => Type::Bytes,
        ("string", "date-time") => Type::Time(time::Precision::Second),
        ("string", _) => Type::Text,
        ("boolean", _) => Type::Bool,
        ("integer", "int32") => Type::Int32,
        ("integer", _) => Type::Int64,
        ("number", _) => Type::Float,
        ("array", _) => Type::List(below(&schema.items)),
        ("object", _) if schema.additional_properties.is_some() => {
            Type::Map(below(&schema.additional_properties))
        }
        _ => Type::Any,
    }
}

/// Go's decoder skips line ends.
fn check_base64(text: &str) -> Result<(), String> {
    let text: Vec<u8> = text.bytes().filter(|c| !matches!(c, b'\r' | b'\n')).collect();
    STANDARD.decode(&text).map(drop).map_err(|why| {
        let at = match why {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            _ => text.len(),
        };
        format!("illegal base64 data at input byte {at}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn info(resource: &str) -> &'static ResourceInfo {
        crate::registry::builtin::resources()
            .iter()
            .find(|info| info.gvr.resource == resource)
            .expect("a built-in kind")
    }

    fn pod(container: &Value) -> Value {
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {"containers": [container]}})
    }

    #[test]
    fn api_97_every_built_in_kind_has_a_type() {
        for info in crate::registry::builtin::resources() {
            let types = Types::of(&info.gvr).expect("types of the group version");
            let kind = types.kinds.get(&info.kind).expect("a type of the kind");
            assert!(matches!(kind, Type::Struct(_)), "{:?}", info.gvr);
            for owner in &types.structs {
                assert!(
                    owner
                        .fields
                        .values()
                        .all(|type_| !types.go_name(type_).is_empty())
                );
            }
        }
    }

    /// The texts are kube-apiserver 1.36.3's.
    #[test]
    fn api_100_a_wrong_type_in_a_built_in_is_gos_text() {
        let of = "into Go struct field";
        for (container, expected) in [
            (
                json!({"image": 3}),
                format!("json: cannot unmarshal number {of} Container.spec.containers.image of type string"),
            ),
            (
                json!({"command": "x"}),
                format!(
                    "json: cannot unmarshal string {of} Container.spec.containers.command of type []string"
                ),
            ),
            (
                json!({"command": [3]}),
                format!(
                    "json: cannot unmarshal number {of} Container.spec.containers.command of type string"
                ),
            ),
            (
                json!({"resources": 3}),
                format!(
                    "json: cannot unmarshal number {of} Container.spec.containers.resources of type v1.ResourceRequirements"
                ),
            ),
            (
                json!({"stdin": "true"}),
                format!("json: cannot unmarshal string {of} Container.spec.containers.stdin of type bool"),
            ),
            (
                json!({"env": {}}),
                format!(
                    "json: cannot unmarshal object {of} Container.spec.containers.env of type []v1.EnvVar"
                ),
            ),
            (
                json!({"ports": [{"containerPort": 3.5}]}),
                format!(
                    "json: cannot unmarshal number 3.5 {of} ContainerPort.spec.containers.ports.containerPort of type int32"
                ),
            ),
            (
                json!({"ports": [{"containerPort": 3_000_000_000_u32}]}),
                format!(
                    "json: cannot unmarshal number 3000000000 {of} ContainerPort.spec.containers.ports.containerPort of type int32"
                ),
            ),
            (
                json!({"resources": {"limits": {"cpu": true}}}),
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                    .to_owned(),
            ),
        ] {
            assert_eq!(
                read(&mut pod(&container), info("pods")),
                Err(expected),
                "{container}"
            );
        }
        let map = |map: Value| read(&mut map.clone(), info("configmaps"));
        assert_eq!(
            map(json!({"data": {"a": 1}})),
            Err(format!(
                "json: cannot unmarshal number {of} ConfigMap.data of type string"
            ))
        );
        assert_eq!(
            map(json!({"data": "x"})),
            Err(format!(
                "json: cannot unmarshal string {of} ConfigMap.data of type map[string]string"
            ))
        );
        assert_eq!(
            map(json!({"binaryData": {"a": "!!"}})),
            Err("illegal base64 data at input byte 0".to_owned())
        );
        assert_eq!(
            map(json!({"metadata": {"creationTimestamp": 3}})),
            Err(format!(
                "json: cannot unmarshal number {of} ObjectMeta.metadata.creationTimestamp of type string"
            ))
        );
        assert_eq!(
            map(json!({"metadata": "a"})),
            Err(format!(
                "json: cannot unmarshal string {of} ConfigMap.metadata of type v1.ObjectMeta"
            ))
        );
    }

    #[test]
    fn api_54_unknown_fields_are_named_and_dropped() {
        let mut object = pod(&json!({"name": "c", "foo": 1, "resources": {"bar": 2}}));
        object["metadata"]["zz"] = json!({});
        assert_eq!(
            read(&mut object, info("pods")).expect("the types fit"),
            [
                r#"unknown field "metadata.zz""#,
                r#"unknown field "spec.containers[0].foo""#,
                r#"unknown field "spec.containers[0].resources.bar""#,
            ]
        );
        assert_eq!(
            object["spec"]["containers"],
            json!([{"name": "c", "resources": {}}])
        );
        assert!(object["metadata"].get("zz").is_none());
    }

    #[test]
    fn api_100_metadata_alone_is_told_from_its_own_place() {
        let mut object = json!({"metadata": {"labels": {"a": 1}}});
        assert_eq!(
            read_metadata(&mut object),
            Err(
                "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"
                    .to_owned()
            )
        );
        let mut object = json!({"metadata": {"name": "a", "zz": 1}});
        assert_eq!(
            read_metadata(&mut object),
            Ok(vec![r#"unknown field "metadata.zz""#.to_owned()])
        );
    }

    #[test]
    fn api_62_scales_have_a_type() {
        let scale = |value: Value| read_scale(&mut value.clone());
        assert_eq!(scale(json!({"spec": {"replicas": 3}})), Ok(Vec::new()));
        assert_eq!(
            scale(json!({"spec": {"replicas": "3"}})),
            Err(
                "json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32"
                    .to_owned()
            )
        );
        for wrong in [
            json!([]),
            json!("x"),
            json!({"spec": "x"}),
            json!({"metadata": []}),
        ] {
            assert!(scale(wrong).is_err());
        }
    }

    #[test]
    fn nulls_are_what_go_makes_of_them() {
        let mut object = pod(&json!({"name": "c", "command": [null], "env": [null], "image": null}));
        object["metadata"]["labels"] = json!({"a": null});
        read(&mut object, info("pods")).expect("the types fit");
        assert_eq!(
            object["spec"]["containers"],
            json!([{"name": "c", "command": [""], "env": [{}]}])
        );
        assert_eq!(object["metadata"]["labels"], json!({"a": ""}));
        // What a kind does not look into stays as it is.
        let mut revision = json!({"revision": 1, "data": {"q": null, "deep": [null]}});
        read(&mut revision, info("controllerrevisions")).expect("the types fit");
        assert_eq!(revision["data"], json!({"q": null, "deep": [null]}));
    }

    #[test]
    fn types_that_read_themselves_are_written_as_go_writes_them() {
        let mut object = pod(&json!({
            "resources": {"limits": {"cpu": 1.5, "memory": "1024Mi"}},
            "livenessProbe": {"httpGet": {"port": "http"}}, "readinessProbe": {"httpGet": {"port": 80}},
        }));
        object["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00.5+02:00");
        assert_eq!(read(&mut object, info("pods")), Ok(Vec::new()));
        assert_eq!(
            object["spec"]["containers"][0]["resources"]["limits"],
            json!({"cpu": "1500m", "memory": "1Gi"})
        );
        assert_eq!(object["metadata"]["creationTimestamp"], "2019-12-31T22:00:00Z");
    }
}
