//! Types from OpenAPI: of custom resources from their schema, of built-in kinds from the published documents.
//!
//! **Invariant:** what a schema does not declare is of the type that upstream gives it: preserved fields are deduced,
//! untyped lists are one piece, and lists are one piece unless they say otherwise.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map as Json, Value, json};

use super::types::{Atom, DEDUCED, Field, List, ListKind, Map, ObjectType, Scalar, TypeId, Types, UNTYPED};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";

/// The types of all schemas of an OpenAPI v3 document.
#[derive(Debug)]
pub struct Models {
    types: Arc<Types>,
    named: HashMap<String, TypeId>,
    kinds: HashMap<[String; 3], TypeId>,
}

impl Models {
    /// Compiles the `components.schemas` of a document.
    pub fn compile(schemas: &Json<String, Value>) -> Self {
        let mut compiler = Compiler::new(schemas.keys(), Origin::Published);
        compiler.compile_named(schemas);
        let mut kinds = HashMap::new();
        for (name, schema) in schemas {
            let listed = schema["x-kubernetes-group-version-kind"].as_array();
            for kind in listed.into_iter().flatten() {
                let part = |field: &str| kind[field].as_str().map(str::to_owned);
                if let (Some(group), Some(version), Some(kind)) =
                    (part("group"), part("version"), part("kind"))
                {
                    kinds.insert([group, version, kind], compiler.named[name]);
                }
            }
        }
        let (types, named) = compiler.finish();
        Self {
            types: Arc::new(types),
            named,
            kinds,
        }
    }

    /// The type of a kind.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<ObjectType> {
        let key = [group.to_owned(), version.to_owned(), kind.to_owned()];
        self.kinds.get(&key).map(|root| self.at(*root))
    }

    /// The type of a schema by its name.
    pub fn named(&self, name: &str) -> Option<ObjectType> {
        self.named.get(name).map(|root| self.at(*root))
    }

    fn at(&self, root: TypeId) -> ObjectType {
        ObjectType {
            types: self.types.clone(),
            root,
        }
    }
}

impl ObjectType {
    /// The type of a custom resource, from the `openAPIV3Schema` of its version.
    ///
    /// Metadata is that of every object, of the resource itself and of resources embedded in it.
    pub fn custom(schema: &Value) -> Self {
        let models = metadata_models();
        let mut compiler = Compiler::new(models.keys(), Origin::Custom);
        compiler.compile_named(&models);
        let mut root = compiler.atom(schema, false);
        if let Some(map) = &mut root.map {
            compiler.add_metadata(map);
        }
        let root = compiler.push(root);
        let (types, _) = compiler.finish();
        Self {
            types: Arc::new(types),
            root,
        }
    }

    /// The type of `Scale` in autoscaling/v1.
    pub fn scale() -> Self {
        Models::compile(&metadata_models())
            .named(SCALE)
            .unwrap_or_else(Self::deduced)
    }
}

/// The schemas that custom resources refer to, as kube-apiserver publishes them; descriptions apart.
fn metadata_models() -> Json<String, Value> {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let time = reference("io.k8s.apimachinery.pkg.apis.meta.v1.Time");
    let text = json!({"type": "string"});
    let required = json!({"type": "string", "default": ""});
    let texts = json!({"type": "object", "additionalProperties": required});
    let whole = json!({"type": "integer", "format": "int64"});
    let models = json!({
        OBJECT_META: {"type": "object", "properties": {
            "annotations": texts,
            "creationTimestamp": time,
            "deletionGracePeriodSeconds": whole,
            "deletionTimestamp": time,
            "finalizers": {"type": "array", "items": required, "x-kubernetes-list-type": "set"},
            "generateName": text,
            "generation": whole,
            "labels": texts,
            "managedFields": {
                "type": "array", "x-kubernetes-list-type": "atomic",
                "items": reference("io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry"),
            },
            "name": text,
            "namespace": text,
            "ownerReferences": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
                "items": reference("io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference"),
            },
            "resourceVersion": text,
            "selfLink": text,
            "uid": text,
        }},
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time": {"type": "string", "format": "date-time"},
        "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": {"type": "object"},
        "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry": {"type": "object", "properties": {
            "apiVersion": text, "fieldsType": text, "manager": text, "operation": text, "subresource": text,
            "fieldsV1": reference("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"), "time": time,
        }},
        "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference": {
            "type": "object", "x-kubernetes-map-type": "atomic", "properties": {
                "apiVersion": required, "kind": required, "name": required, "uid": required,
                "blockOwnerDeletion": {"type": "boolean"}, "controller": {"type": "boolean"},
            },
        },
        SCALE: {"type": "object", "properties": {
            "apiVersion": text, "kind": text, "metadata": reference(OBJECT_META),
            "spec": {"type": "object", "properties": {"replicas": {"type": "integer", "format": "int32"}}},
            "status": {"type": "object", "properties": {
                "replicas": {"type": "integer", "format": "int32"}, "selector": text,
            }},
        }},
    });
    match models {
        Value::Object(models) => models,
        _ => Json::new(),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Origin {
    /// A schema of a CRD, which may embed resources.
    Custom,
    Published,
}

struct Compiler {
    types: Types,
    named: HashMap<String, TypeId>,
    /// References that say otherwise than their target whether a map is one piece; resolved at the end.
    overrides: Vec<(TypeId, TypeId, bool)>,
    origin: Origin,
}

impl Compiler {
    fn new<'n>(names: impl Iterator<Item = &'n String>, origin: Origin) -> Self {
        let mut types = Types::new();
        let mut named = HashMap::new();
        for name in names {
            named.insert(name.clone(), TypeId(types.atoms.len()));
            types.atoms.push(Atom::default());
        }
        types.inline_from = types.atoms.len();
        Self {
            types,
            named,
            overrides: Vec::new(),
            origin,
        }
    }

    fn compile_named(&mut self, schemas: &Json<String, Value>) {
        for (name, schema) in schemas {
            let atom = match name.as_str() {
                QUANTITY => Atom {
                    scalar: Some(Scalar::Untyped),
                    ..Atom::default()
                },
                RAW_EXTENSION => self.types.atom(UNTYPED).clone(),
                _ => self.atom(schema, false),
            };
            let id = self.named[name];
            self.types.atoms[id.0] = atom;
        }
    }

    fn finish(mut self) -> (Types, HashMap<String, TypeId>) {
        for (id, target, atomic) in std::mem::take(&mut self.overrides) {
            let mut atom = self.types.atom(target).clone();
            if let Some(map) = &mut atom.map {
                map.atomic = atomic;
            }
            self.types.atoms[id.0] = atom;
        }
        (self.types, self.named)
    }

    fn push(&mut self, atom: Atom) -> TypeId {
        self.types.atoms.push(atom);
        TypeId(self.types.atoms.len() - 1)
    }

    /// The atom of a schema; `preserve` where one around it keeps unknown fields, which goes for all below.
    fn atom(&mut self, schema: &Value, preserve: bool) -> Atom {
        let preserve = preserve || schema["x-kubernetes-preserve-unknown-fields"] == true;
        let scalar = |scalar| Atom {
            scalar: Some(scalar),
            ..Atom::default()
        };
        match schema["type"].as_str().unwrap_or_default() {
            "" => Atom {
                scalar: Some(Scalar::Untyped),
                list: Some(self.list(schema, preserve)),
                map: Some(self.map(schema, preserve)),
            },
            "object" => Atom {
                map: Some(self.map(schema, preserve)),
                ..Atom::default()
            },
            "array" => Atom {
                list: Some(self.list(schema, preserve)),
                ..Atom::default()
            },
            "integer" | "number" => scalar(Scalar::Numeric),
            "boolean" => scalar(Scalar::Boolean),
            "string" => match schema["format"].as_str().unwrap_or_default() {
                "" | "byte" => scalar(Scalar::Text),
                _ => scalar(Scalar::Untyped),
            },
            _ => scalar(Scalar::Untyped),
        }
    }

    /// What a place in a schema refers to, or the schema that stands there.
    fn reference(&mut self, schema: &Value, preserve: bool) -> TypeId {
        let direct = schema["$ref"].as_str();
        let reference = match schema["allOf"].as_array().map(Vec::as_slice) {
            Some([only]) if direct.is_none() => only["$ref"].as_str(),
            _ => direct,
        };
        let Some(name) = reference.and_then(|reference| reference.rsplit('/').next()) else {
            let atom = self.atom(schema, preserve);
            return self.push(atom);
        };
        let Some(&target) = self.named.get(name) else {
            return UNTYPED;
        };
        match is_atomic(schema) {
            None => target,
            Some(atomic) => {
                let id = self.push(Atom::default());
                self.overrides.push((id, target, atomic));
                id
            }
        }
    }

    fn map(&mut self, schema: &Value, preserve: bool) -> Map {
        let mut fields = BTreeMap::new();
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let field = Field {
                id: self.reference(member, preserve),
                default: member.get("default").filter(|value| !value.is_null()).cloned(),
            };
            fields.insert(name.as_str().into(), field);
        }
        let element = match &schema["additionalProperties"] {
            // A form without properties is free; one with properties is closed.
            Value::Null if preserve || fields.is_empty() => Some(DEDUCED),
            Value::Bool(true) => Some(DEDUCED),
            values @ Value::Object(_) => Some(self.reference(values, preserve)),
            _ => None,
        };
        let mut map = Map {
            fields,
            element,
            atomic: is_atomic(schema).unwrap_or(false),
        };
        if self.origin == Origin::Custom && schema["x-kubernetes-embedded-resource"] == true {
            self.add_metadata(&mut map);
        }
        map
    }

    fn add_metadata(&mut self, map: &mut Map) {
        let metadata = self.named.get(OBJECT_META).copied().unwrap_or(UNTYPED);
        for (name, id) in [("apiVersion", None), ("kind", None), ("metadata", Some(metadata))] {
            let id = id.unwrap_or_else(|| {
                self.push(Atom {
                    scalar: Some(Scalar::Text),
                    ..Atom::default()
                })
            });
            map.fields.insert(name.into(), Field { id, default: None });
        }
    }

    fn list(&mut self, schema: &Value, preserve: bool) -> List {
        let element = match schema.get("items") {
            Some(items @ Value::Object(_)) => self.reference(items, preserve),
            _ => UNTYPED,
        };
        List {
            element,
            kind: list_kind(schema),
        }
    }
}

fn list_kind(schema: &Value) -> ListKind {
    let keyed = |keys: Vec<Box<str>>| ListKind::Associative { keys: keys.into() };
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => keyed(Vec::new()),
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            keyed(
                keys.into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(Into::into)
                    .collect(),
            )
        }
        Some(_) => ListKind::Atomic,
        // Older kinds say it for strategic merge alone.
        None => match schema["x-kubernetes-patch-strategy"].as_str() {
            Some("merge" | "merge,retainKeys") => {
                let key = schema["x-kubernetes-patch-merge-key"].as_str();
                keyed(key.into_iter().map(Into::into).collect())
            }
            _ => ListKind::Atomic,
        },
    }
}

/// Whether a map is said to be one piece or not.
fn is_atomic(schema: &Value) -> Option<bool> {
    match schema["x-kubernetes-map-type"].as_str()? {
        "atomic" => Some(true),
        "granular" => Some(false),
        _ => None,
    }
}
