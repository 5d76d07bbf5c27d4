//! CRDs in the server's internal form, as some messages print rejected values: Go's field names, and every field.

use serde_json::{Map, Value};

use super::schema::{flag, text};
use crate::gotext;

/// One JSON object, written field by field in the order of the Go type.
struct Object {
    out: String,
}

impl Object {
    fn new() -> Self {
        Self { out: "{".to_owned() }
    }

    fn field(mut self, name: &str, value: &str) -> Self {
        if self.out.len() > 1 {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out.push_str(value);
        self
    }

    fn end(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// A pointer: null if there is nothing.
fn pointer(map: &Map<String, Value>, key: &str) -> String {
    map.get(key).map_or_else(|| "null".to_owned(), gotext::json)
}

fn string(map: &Map<String, Value>, key: &str) -> String {
    gotext::json(&text(map, key).into())
}

fn boolean(map: &Map<String, Value>, key: &str) -> String {
    flag(map, key).to_string()
}

fn list(items: Option<&Vec<Value>>, show: impl Fn(&Map<String, Value>) -> String) -> String {
    match items {
        Some(items) => {
            let items: Vec<String> = items.iter().filter_map(Value::as_object).map(show).collect();
            format!("[{}]", items.join(","))
        }
        None => "null".to_owned(),
    }
}

fn schemas(map: &Map<String, Value>, key: &str) -> String {
    list(map.get(key).and_then(Value::as_array), schema)
}

fn schema_map(map: &Map<String, Value>, key: &str, show: impl Fn(&Value) -> String) -> String {
    let Some(Value::Object(entries)) = map.get(key) else {
        return "null".to_owned();
    };
    let mut entries: Vec<(&String, &Value)> = entries.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    let entries: Vec<String> = entries
        .into_iter()
        .map(|(name, value)| format!("{}:{}", gotext::json(&name.as_str().into()), show(value)))
        .collect();
    format!("{{{}}}", entries.join(","))
}

fn schema_or_null(value: &Value) -> String {
    value.as_object().map_or_else(|| "null".to_owned(), schema)
}

fn schema_or_bool(map: &Map<String, Value>, key: &str) -> String {
    match map.get(key) {
        None | Some(Value::Null) => "null".to_owned(),
        Some(value) => Object::new()
            .field(
                "Allows",
                if *value == Value::Bool(false) {
                    "false"
                } else {
                    "true"
                },
            )
            .field("Schema", &schema_or_null(value))
            .end(),
    }
}

/// The value of `items`.
pub(super) fn items(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "null".to_owned(),
        Some(value) => Object::new()
            .field("Schema", &schema_or_null(value))
            .field("JSONSchemas", &list(value.as_array(), schema))
            .end(),
    }
}

fn dependency(value: &Value) -> String {
    let names = if value.is_array() {
        gotext::json(value)
    } else {
        "null".to_owned()
    };
    Object::new()
        .field("Schema", &schema_or_null(value))
        .field("Property", &names)
        .end()
}

/// A rule in CEL.
pub(super) fn rule(rule: &Map<String, Value>) -> String {
    Object::new()
        .field("Rule", &string(rule, "rule"))
        .field("Message", &string(rule, "message"))
        .field("MessageExpression", &string(rule, "messageExpression"))
        .field("Reason", &pointer(rule, "reason"))
        .field("FieldPath", &string(rule, "fieldPath"))
        .field("OptionalOldSelf", &pointer(rule, "optionalOldSelf"))
        .end()
}

fn external_docs(map: &Map<String, Value>) -> String {
    match map.get("externalDocs").and_then(Value::as_object) {
        Some(docs) => Object::new()
            .field("Description", &string(docs, "description"))
            .field("URL", &string(docs, "url"))
            .end(),
        None => "null".to_owned(),
    }
}

/// One schema.
pub(super) fn schema(map: &Map<String, Value>) -> String {
    Object::new()
        .field("ID", &string(map, "id"))
        .field("Schema", &string(map, "$schema"))
        .field("Ref", &pointer(map, "$ref"))
        .field("Description", &string(map, "description"))
        .field("Type", &string(map, "type"))
        .field("Nullable", &boolean(map, "nullable"))
        .field("Format", &string(map, "format"))
        .field("Title", &string(map, "title"))
        .field("Default", &pointer(map, "default"))
        .field("Maximum", &pointer(map, "maximum"))
        .field("ExclusiveMaximum", &boolean(map, "exclusiveMaximum"))
        .field("Minimum", &pointer(map, "minimum"))
        .field("ExclusiveMinimum", &boolean(map, "exclusiveMinimum"))
        .field("MaxLength", &pointer(map, "maxLength"))
        .field("MinLength", &pointer(map, "minLength"))
        .field("Pattern", &string(map, "pattern"))
        .field("MaxItems", &pointer(map, "maxItems"))
        .field("MinItems", &pointer(map, "minItems"))
        .field("UniqueItems", &boolean(map, "uniqueItems"))
        .field("MultipleOf", &pointer(map, "multipleOf"))
        .field("Enum", &pointer(map, "enum"))
        .field("MaxProperties", &pointer(map, "maxProperties"))
        .field("MinProperties", &pointer(map, "minProperties"))
        .field("Required", &pointer(map, "required"))
        .field("Items", &items(map.get("items")))
        .field("AllOf", &schemas(map, "allOf"))
        .field("OneOf", &schemas(map, "oneOf"))
        .field("AnyOf", &schemas(map, "anyOf"))
        .field(
            "Not",
            &map.get("not").map_or_else(|| "null".to_owned(), schema_or_null),
        )
        .field("Properties", &schema_map(map, "properties", schema_or_null))
        .field(
            "AdditionalProperties",
            &schema_or_bool(map, "additionalProperties"),
        )
        .field(
            "PatternProperties",
            &schema_map(map, "patternProperties", schema_or_null),
        )
        .field("Dependencies", &schema_map(map, "dependencies", dependency))
        .field("AdditionalItems", &schema_or_bool(map, "additionalItems"))
        .field("Definitions", &schema_map(map, "definitions", schema_or_null))
        .field("ExternalDocs", &external_docs(map))
        .field("Example", &pointer(map, "example"))
        .field(
            "XPreserveUnknownFields",
            &pointer(map, "x-kubernetes-preserve-unknown-fields"),
        )
        .field(
            "XEmbeddedResource",
            &boolean(map, "x-kubernetes-embedded-resource"),
        )
        .field("XIntOrString", &boolean(map, "x-kubernetes-int-or-string"))
        .field("XListMapKeys", &pointer(map, "x-kubernetes-list-map-keys"))
        .field("XListType", &pointer(map, "x-kubernetes-list-type"))
        .field("XMapType", &pointer(map, "x-kubernetes-map-type"))
        .field(
            "XValidations",
            &list(
                map.get("x-kubernetes-validations").and_then(Value::as_array),
                rule,
            ),
        )
        .end()
}

/// What the versions share, and therefore does not stand in each of them.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    pub(super) schema: bool,
    pub(super) subresources: bool,
    pub(super) columns: bool,
    pub(super) selectable: bool,
}

/// One version.
pub(super) fn version(map: &Map<String, Value>, shared: Shared) -> String {
    let unless = |shared: bool, show: &dyn Fn() -> String| if shared { "null".to_owned() } else { show() };
    let validation = || match map.get("schema").and_then(Value::as_object) {
        Some(validation) => {
            let inner = validation
                .get("openAPIV3Schema")
                .map_or_else(|| "null".to_owned(), schema_or_null);
            Object::new().field("OpenAPIV3Schema", &inner).end()
        }
        None => "null".to_owned(),
    };
    let columns = |column: &Map<String, Value>| {
        Object::new()
            .field("Name", &string(column, "name"))
            .field("Type", &string(column, "type"))
            .field("Format", &string(column, "format"))
            .field("Description", &string(column, "description"))
            .field(
                "Priority",
                &column
                    .get("priority")
                    .map_or_else(|| "0".to_owned(), gotext::json),
            )
            .field("JSONPath", &string(column, "jsonPath"))
            .end()
    };
    let selectable =
        |field: &Map<String, Value>| Object::new().field("JSONPath", &string(field, "jsonPath")).end();
    let array = |key: &str| map.get(key).and_then(Value::as_array);
    Object::new()
        .field("Name", &string(map, "name"))
        .field("Served", &boolean(map, "served"))
        .field("Storage", &boolean(map, "storage"))
        .field("Deprecated", &boolean(map, "deprecated"))
        .field("DeprecationWarning", &pointer(map, "deprecationWarning"))
        .field("Schema", &unless(shared.schema, &validation))
        .field(
            "Subresources",
            &unless(shared.subresources, &|| subresources(map)),
        )
        .field(
            "AdditionalPrinterColumns",
            &unless(shared.columns, &|| {
                list(array("additionalPrinterColumns"), columns)
            }),
        )
        .field(
            "SelectableFields",
            &unless(shared.selectable, &|| list(array("selectableFields"), selectable)),
        )
        .end()
}

fn subresources(map: &Map<String, Value>) -> String {
    let Some(subresources) = map.get("subresources").and_then(Value::as_object) else {
        return "null".to_owned();
    };
    let status = if subresources.get("status").is_some_and(Value::is_object) {
        "{}"
    } else {
        "null"
    };
    let scale = match subresources.get("scale").and_then(Value::as_object) {
        Some(scale) => Object::new()
            .field("SpecReplicasPath", &string(scale, "specReplicasPath"))
            .field("StatusReplicasPath", &string(scale, "statusReplicasPath"))
            .field("LabelSelectorPath", &pointer(scale, "labelSelectorPath"))
            .end(),
        None => "null".to_owned(),
    };
    Object::new().field("Status", status).field("Scale", &scale).end()
}
