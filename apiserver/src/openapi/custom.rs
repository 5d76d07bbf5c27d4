//! OpenAPI of custom resources.
//!
//! Paths and operations are those of the recorded template under the resource's names; schemas are the CRD's own
//! with what the server adds.

use serde_json::{Map, Value, json};

use super::data;
use crate::registry::{CustomVersion, ResourceInfo, Scope};

/// The two forms differ in where schemas are and in what they can say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `definitions`; no nullable, no alternatives, no defaults.
    V2,
    /// `components.schemas`.
    V3,
}

impl Form {
    fn template(self) -> &'static Value {
        match self {
            Self::V2 => &data::template()["v2"],
            Self::V3 => &data::template()["v3"],
        }
    }
}

/// What one resource adds to a document.
pub(super) struct Parts {
    pub(super) paths: Map<String, Value>,
    pub(super) schemas: Map<String, Value>,
}

/// Paths and schemas of a custom resource.
pub(super) fn parts(info: &ResourceInfo, version: &CustomVersion, form: Form) -> Parts {
    let template = form.template();
    let mut paths = renamed(&template["paths"], info);
    paths.retain(|path, _| match path.rsplit('/').next() {
        Some("status") if path.contains("{name}/") => info.status,
        Some("scale") if path.contains("{name}/") => info.scale.is_some(),
        _ => true,
    });
    if info.scope == Scope::Cluster {
        paths = cluster_scoped(paths);
    }
    let mut schemas = renamed(&template["schemas"], info);
    let name = definition_name(info, &info.kind);
    let list = definition_name(info, &info.list_kind);
    if let Some(item) = schemas.remove(&name) {
        schemas.insert(name.clone(), published(item, &version.openapi, form));
    }
    if !info.selectable_fields.is_empty() {
        let fields: Vec<Value> = info
            .selectable_fields
            .iter()
            .map(|field| json!({"fieldPath": field.label}))
            .collect();
        for name in [&name, &list] {
            if let Some(Value::Object(schema)) = schemas.get_mut(name) {
                schema.insert(
                    "x-kubernetes-selectable-fields".into(),
                    Value::Array(fields.clone()),
                );
            }
        }
    }
    Parts { paths, schemas }
}

/// Full name of a kind: the group's labels in reverse, version, kind.
fn definition_name(info: &ResourceInfo, kind: &str) -> String {
    format!("{}.{}.{kind}", reversed(&info.gvr.group), info.gvr.version)
}

fn reversed(group: &str) -> String {
    group.rsplit('.').collect::<Vec<_>>().join(".")
}

/// The template with the resource's names in place of the placeholders, of which no name contains another.
fn renamed(template: &Value, info: &ResourceInfo) -> Map<String, Value> {
    let group = &info.gvr.group;
    // Upstream shortens its own domain in operation ids and tags.
    let short = group.strip_suffix(".k8s.io").unwrap_or(group);
    let text = template
        .to_string()
        .replace("zzgroup.example", group)
        .replace("example.zzgroup", &reversed(group))
        .replace("ZzgroupExample", &camel(short, Case::Upper))
        .replace("zzgroupExample", &camel(short, Case::Lower))
        .replace("V0zz", &camel(&info.gvr.version, Case::Upper))
        .replace("v0zz", &info.gvr.version)
        .replace("zzplurals", &info.gvr.resource)
        .replace("Zzlist", &info.list_kind)
        .replace("Zzkind", &info.kind);
    // Names are DNS labels (kinds: letters and digits), so the text is JSON still.
    serde_json::from_str(&text).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq)]
enum Case {
    Upper,
    Lower,
}

fn camel(text: &str, first: Case) -> String {
    let mut upper = first == Case::Upper;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            upper = true;
        } else if std::mem::take(&mut upper) {
            out.push(c.to_ascii_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

/// A cluster-scoped resource has no namespace in paths, parameters and operation ids, and no second list.
fn cluster_scoped(paths: Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (path, mut item) in paths {
        let short = path.replace("/namespaces/{namespace}", "");
        if short == path {
            continue;
        }
        if let Some(operations) = item.as_object_mut() {
            for (verb, operation) in operations.iter_mut() {
                if verb == "parameters" {
                    if let Some(parameters) = operation.as_array_mut() {
                        parameters.retain(|parameter| {
                            parameter["name"] != "namespace"
                                && !parameter["$ref"]
                                    .as_str()
                                    .is_some_and(|to| to.contains("/namespace-"))
                        });
                    }
                } else if let Some(id) = operation["operationId"].as_str() {
                    operation["operationId"] = id.replacen("Namespaced", "", 1).into();
                }
            }
        }
        out.insert(short, item);
    }
    out
}

/// The CRD's schema as the server publishes it; `item` is the template's schema under the right names.
fn published(mut item: Value, schema: &Value, form: Form) -> Value {
    let embedded = item["properties"]["zzembedded"].take();
    let gvk = item["x-kubernetes-group-version-kind"].take();
    let mut added = item["properties"].take();
    if let Some(added) = added.as_object_mut() {
        added.remove("zzembedded");
    }
    let mut out = match schema {
        // v2 cannot say "anything" of an object with properties, so the server says nothing of it.
        Value::Object(root) if form == Form::V2 && preserves(root) => return bare(&gvk),
        Value::Object(root) => convert(root, form, &embedded),
        _ => return bare(&gvk),
    };
    match out.entry("properties").or_insert_with(|| json!({})) {
        Value::Object(properties) => {
            if let Value::Object(added) = added {
                properties.extend(added);
            }
        }
        other => *other = added,
    }
    out.insert("x-kubernetes-group-version-kind".into(), gvk);
    Value::Object(out)
}

fn bare(gvk: &Value) -> Value {
    json!({"type": "object", "x-kubernetes-group-version-kind": gvk})
}

fn is_true(schema: &Map<String, Value>, key: &str) -> bool {
    schema.get(key) == Some(&Value::Bool(true))
}

fn preserves(schema: &Map<String, Value>) -> bool {
    is_true(schema, "x-kubernetes-preserve-unknown-fields")
}

fn convert(schema: &Map<String, Value>, form: Form, embedded: &Value) -> Map<String, Value> {
    let mut out = schema.clone();
    if form == Form::V2 {
        for key in ["oneOf", "anyOf", "allOf", "not", "default"] {
            out.remove(key);
        }
        let nullable = out.remove("nullable") == Some(Value::Bool(true));
        if nullable || preserves(schema) {
            for key in ["type", "items", "properties", "additionalProperties", "required"] {
                out.remove(key);
            }
        }
    }
    if is_true(schema, "x-kubernetes-int-or-string") {
        out.remove("type");
        if form == Form::V3 && !out.contains_key("anyOf") && !out.contains_key("allOf") {
            out.insert("anyOf".into(), json!([{"type": "integer"}, {"type": "string"}]));
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(Value::Object(inner)) = out.get(key) {
            let inner = convert(inner, form, embedded);
            out.insert(key.into(), Value::Object(inner));
        }
    }
    if let Some(Value::Object(properties)) = out.get_mut("properties") {
        for property in properties.values_mut() {
            if let Value::Object(inner) = property {
                *property = Value::Object(convert(inner, form, embedded));
            }
        }
    }
    if is_true(schema, "x-kubernetes-embedded-resource") && !(form == Form::V2 && preserves(schema)) {
        embed(&mut out, embedded);
    }
    out
}

/// An embedded object has `apiVersion`, `kind` and `metadata`, the first two required.
fn embed(out: &mut Map<String, Value>, template: &Value) {
    let properties = out.entry("properties").or_insert_with(|| json!({}));
    if let (Some(properties), Some(added)) = (properties.as_object_mut(), template["properties"].as_object())
    {
        for (name, schema) in added {
            if name != "zz" {
                properties.insert(name.clone(), schema.clone());
            }
        }
    }
    let required = out.entry("required").or_insert_with(|| json!([]));
    if let (Some(required), Some(added)) = (required.as_array_mut(), template["required"].as_array()) {
        for name in added {
            if !required.contains(name) {
                required.push(name.clone());
            }
        }
    }
}
