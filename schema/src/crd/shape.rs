//! The Go types of a CustomResourceDefinition: what decodes, what is unknown, what is left out when empty.

use serde_json::{Map, Value};

use self::Keep::{Always, NonZero, Set};
use crate::gotext;
use crate::meta::json_kind;

/// A Go type, as far as decoding goes.
enum Go {
    /// Text; the name is that of the Go type.
    Text(&'static str),
    Bool,
    Int32,
    Int64,
    Float64,
    /// Any JSON.
    Json,
    /// Text that holds Base64.
    Bytes,
    Slice(&'static Go, &'static str),
    Map(&'static Go, &'static str),
    Struct(&'static Struct),
    /// A schema or a bool.
    SchemaOrBool,
    /// A schema or several.
    SchemaOrSlice,
    /// A schema or names.
    SchemaOrNames,
    /// A moment, as RFC 3339 writes it.
    Time,
    /// Metadata, which has rules of its own.
    Metadata,
}

/// When a decoded value is written back.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Always,
    /// Pointers: anything but null.
    Set,
    /// Values with `omitempty`: nothing that is false, empty or zero.
    NonZero,
}

struct Field {
    name: &'static str,
    go: Go,
    keep: Keep,
}

struct Struct {
    name: &'static str,
    fields: &'static [Field],
}

const fn field(name: &'static str, go: Go, keep: Keep) -> Field {
    Field { name, go, keep }
}

const STRING: Go = Go::Text("string");
static STRING_TYPE: Go = STRING;
static STRINGS: Go = Go::Slice(&STRING_TYPE, "[]string");
static JSON_TYPE: Go = Go::Json;
static SCHEMA_TYPE: Go = Go::Struct(&SCHEMA);
static DEPENDENCY: Go = Go::SchemaOrNames;
static RULE_TYPE: Go = Go::Struct(&RULE);
static VERSION_TYPE: Go = Go::Struct(&VERSION);
static COLUMN_TYPE: Go = Go::Struct(&COLUMN);
static SELECTABLE_TYPE: Go = Go::Struct(&SELECTABLE);
static CONDITION_TYPE: Go = Go::Struct(&CONDITION);

const fn strings() -> Go {
    Go::Slice(&STRING_TYPE, "[]string")
}

const fn schemas() -> Go {
    Go::Slice(&SCHEMA_TYPE, "[]v1.JSONSchemaProps")
}

const fn schema_map(name: &'static str) -> Go {
    Go::Map(&SCHEMA_TYPE, name)
}

static CRD: Struct = Struct {
    name: "CustomResourceDefinition",
    fields: &[
        field("apiVersion", STRING, NonZero),
        field("kind", STRING, NonZero),
        field("metadata", Go::Metadata, Always),
        field("spec", Go::Struct(&SPEC), Always),
        field("status", Go::Struct(&STATUS), Always),
    ],
};

static SPEC: Struct = Struct {
    name: "CustomResourceDefinitionSpec",
    fields: &[
        field("group", STRING, Always),
        field("names", Go::Struct(&NAMES), Always),
        field("scope", Go::Text("v1.ResourceScope"), Always),
        field(
            "versions",
            Go::Slice(&VERSION_TYPE, "[]v1.CustomResourceDefinitionVersion"),
            Always,
        ),
        field("conversion", Go::Struct(&CONVERSION), Set),
        field("preserveUnknownFields", Go::Bool, NonZero),
    ],
};

static NAMES: Struct = Struct {
    name: "CustomResourceDefinitionNames",
    fields: &[
        field("plural", STRING, Always),
        field("singular", STRING, NonZero),
        field("shortNames", strings(), NonZero),
        field("kind", STRING, Always),
        field("listKind", STRING, NonZero),
        field("categories", strings(), NonZero),
    ],
};

static VERSION: Struct = Struct {
    name: "CustomResourceDefinitionVersion",
    fields: &[
        field("name", STRING, Always),
        field("served", Go::Bool, Always),
        field("storage", Go::Bool, Always),
        field("deprecated", Go::Bool, NonZero),
        field("deprecationWarning", STRING, Set),
        field("schema", Go::Struct(&VALIDATION), Set),
        field("subresources", Go::Struct(&SUBRESOURCES), Set),
        field(
            "additionalPrinterColumns",
            Go::Slice(&COLUMN_TYPE, "[]v1.CustomResourceColumnDefinition"),
            NonZero,
        ),
        field(
            "selectableFields",
            Go::Slice(&SELECTABLE_TYPE, "[]v1.SelectableField"),
            NonZero,
        ),
    ],
};

static VALIDATION: Struct = Struct {
    name: "CustomResourceValidation",
    fields: &[field("openAPIV3Schema", Go::Struct(&SCHEMA), Set)],
};

static SUBRESOURCES: Struct = Struct {
    name: "CustomResourceSubresources",
    fields: &[
        field("status", Go::Struct(&STATUS_SUBRESOURCE), Set),
        field("scale", Go::Struct(&SCALE), Set),
    ],
};

static STATUS_SUBRESOURCE: Struct = Struct {
    name: "CustomResourceSubresourceStatus",
    fields: &[],
};

static SCALE: Struct = Struct {
    name: "CustomResourceSubresourceScale",
    fields: &[
        field("specReplicasPath", STRING, Always),
        field("statusReplicasPath", STRING, Always),
        field("labelSelectorPath", STRING, Set),
    ],
};

static COLUMN: Struct = Struct {
    name: "CustomResourceColumnDefinition",
    fields: &[
        field("name", STRING, Always),
        field("type", STRING, Always),
        field("format", STRING, NonZero),
        field("description", STRING, NonZero),
        field("priority", Go::Int32, NonZero),
        field("jsonPath", STRING, Always),
    ],
};

static SELECTABLE: Struct = Struct {
    name: "SelectableField",
    fields: &[field("jsonPath", STRING, Always)],
};

static CONVERSION: Struct = Struct {
    name: "CustomResourceConversion",
    fields: &[
        field("strategy", Go::Text("v1.ConversionStrategyType"), Always),
        field("webhook", Go::Struct(&WEBHOOK), Set),
    ],
};

static WEBHOOK: Struct = Struct {
    name: "WebhookConversion",
    fields: &[
        field("clientConfig", Go::Struct(&CLIENT_CONFIG), Set),
        field("conversionReviewVersions", strings(), Always),
    ],
};

static CLIENT_CONFIG: Struct = Struct {
    name: "WebhookClientConfig",
    fields: &[
        field("url", STRING, Set),
        field("service", Go::Struct(&SERVICE), Set),
        field("caBundle", Go::Bytes, NonZero),
    ],
};

static SERVICE: Struct = Struct {
    name: "ServiceReference",
    fields: &[
        field("namespace", STRING, Always),
        field("name", STRING, Always),
        field("path", STRING, Set),
        field("port", Go::Int32, Set),
    ],
};

static STATUS: Struct = Struct {
    name: "CustomResourceDefinitionStatus",
    fields: &[
        field(
            "conditions",
            Go::Slice(&CONDITION_TYPE, "[]v1.CustomResourceDefinitionCondition"),
            Always,
        ),
        field("acceptedNames", Go::Struct(&NAMES), Always),
        field("storedVersions", strings(), Always),
        field("observedGeneration", Go::Int64, NonZero),
    ],
};

static CONDITION: Struct = Struct {
    name: "CustomResourceDefinitionCondition",
    fields: &[
        field(
            "type",
            Go::Text("v1.CustomResourceDefinitionConditionType"),
            Always,
        ),
        field("status", Go::Text("v1.ConditionStatus"), Always),
        field("lastTransitionTime", Go::Time, NonZero),
        field("reason", STRING, NonZero),
        field("message", STRING, NonZero),
        field("observedGeneration", Go::Int64, NonZero),
    ],
};

static OWNER_TYPE: Go = Go::Struct(&OWNER);
static MANAGED_TYPE: Go = Go::Struct(&MANAGED);

static OBJECT_META: Struct = Struct {
    name: "ObjectMeta",
    fields: &[
        field("name", STRING, NonZero),
        field("generateName", STRING, NonZero),
        field("namespace", STRING, NonZero),
        field("selfLink", STRING, NonZero),
        field("uid", Go::Text("types.UID"), NonZero),
        field("resourceVersion", STRING, NonZero),
        field("generation", Go::Int64, NonZero),
        field("creationTimestamp", Go::Time, NonZero),
        field("deletionTimestamp", Go::Time, Set),
        field("deletionGracePeriodSeconds", Go::Int64, Set),
        field("labels", Go::Map(&STRING_TYPE, "map[string]string"), NonZero),
        field("annotations", Go::Map(&STRING_TYPE, "map[string]string"), NonZero),
        field(
            "ownerReferences",
            Go::Slice(&OWNER_TYPE, "[]v1.OwnerReference"),
            NonZero,
        ),
        field("finalizers", strings(), NonZero),
        field(
            "managedFields",
            Go::Slice(&MANAGED_TYPE, "[]v1.ManagedFieldsEntry"),
            NonZero,
        ),
    ],
};

static OWNER: Struct = Struct {
    name: "OwnerReference",
    fields: &[
        field("apiVersion", STRING, Always),
        field("kind", STRING, Always),
        field("name", STRING, Always),
        field("uid", Go::Text("types.UID"), Always),
        field("controller", Go::Bool, Set),
        field("blockOwnerDeletion", Go::Bool, Set),
    ],
};

static MANAGED: Struct = Struct {
    name: "ManagedFieldsEntry",
    fields: &[
        field("manager", STRING, NonZero),
        field("operation", Go::Text("v1.ManagedFieldsOperationType"), NonZero),
        field("apiVersion", STRING, NonZero),
        field("time", Go::Time, Set),
        field("fieldsType", STRING, NonZero),
        field("fieldsV1", Go::Json, Set),
        field("subresource", STRING, NonZero),
    ],
};

static RULE: Struct = Struct {
    name: "ValidationRule",
    fields: &[
        field("rule", STRING, Always),
        field("message", STRING, NonZero),
        field("messageExpression", STRING, NonZero),
        field("reason", Go::Text("v1.FieldValueErrorReason"), Set),
        field("fieldPath", STRING, NonZero),
        field("optionalOldSelf", Go::Bool, Set),
    ],
};

static EXTERNAL_DOCS: Struct = Struct {
    name: "ExternalDocumentation",
    fields: &[
        field("description", STRING, NonZero),
        field("url", STRING, NonZero),
    ],
};

static SCHEMA: Struct = Struct {
    name: "JSONSchemaProps",
    fields: &[
        field("id", STRING, NonZero),
        field("$schema", Go::Text("v1.JSONSchemaURL"), NonZero),
        field("$ref", STRING, Set),
        field("description", STRING, NonZero),
        field("type", STRING, NonZero),
        field("format", STRING, NonZero),
        field("title", STRING, NonZero),
        field("default", Go::Json, Set),
        field("maximum", Go::Float64, Set),
        field("exclusiveMaximum", Go::Bool, NonZero),
        field("minimum", Go::Float64, Set),
        field("exclusiveMinimum", Go::Bool, NonZero),
        field("maxLength", Go::Int64, Set),
        field("minLength", Go::Int64, Set),
        field("pattern", STRING, NonZero),
        field("maxItems", Go::Int64, Set),
        field("minItems", Go::Int64, Set),
        field("uniqueItems", Go::Bool, NonZero),
        field("multipleOf", Go::Float64, Set),
        field("enum", Go::Slice(&JSON_TYPE, "[]v1.JSON"), NonZero),
        field("maxProperties", Go::Int64, Set),
        field("minProperties", Go::Int64, Set),
        field("required", strings(), NonZero),
        field("items", Go::SchemaOrSlice, Set),
        field("allOf", schemas(), NonZero),
        field("oneOf", schemas(), NonZero),
        field("anyOf", schemas(), NonZero),
        field("not", Go::Struct(&SCHEMA), Set),
        field("properties", schema_map("map[string]v1.JSONSchemaProps"), NonZero),
        field("additionalProperties", Go::SchemaOrBool, Set),
        field(
            "patternProperties",
            schema_map("map[string]v1.JSONSchemaProps"),
            NonZero,
        ),
        field(
            "dependencies",
            Go::Map(&DEPENDENCY, "v1.JSONSchemaDependencies"),
            NonZero,
        ),
        field("additionalItems", Go::SchemaOrBool, Set),
        field("definitions", schema_map("v1.JSONSchemaDefinitions"), NonZero),
        field("externalDocs", Go::Struct(&EXTERNAL_DOCS), Set),
        field("example", Go::Json, Set),
        field("nullable", Go::Bool, NonZero),
        field("x-kubernetes-preserve-unknown-fields", Go::Bool, Set),
        field("x-kubernetes-embedded-resource", Go::Bool, NonZero),
        field("x-kubernetes-int-or-string", Go::Bool, NonZero),
        field("x-kubernetes-list-map-keys", strings(), NonZero),
        field("x-kubernetes-list-type", STRING, Set),
        field("x-kubernetes-map-type", STRING, Set),
        field(
            "x-kubernetes-validations",
            Go::Slice(&RULE_TYPE, "v1.ValidationRules"),
            NonZero,
        ),
    ],
};

/// Decodes a CRD in place; see [`super::decode`].
pub(super) fn decode_crd(crd: &mut Value) -> Result<Vec<String>, String> {
    decode_root(crd, &CRD)
}

/// Decodes a schema in place.
pub(super) fn decode_schema(schema: &mut Value) -> Result<Vec<String>, String> {
    decode_root(schema, &SCHEMA)
}

/// Decodes object metadata in place.
pub(super) fn decode_metadata(metadata: &mut Value) -> Result<Vec<String>, String> {
    decode_root(metadata, &OBJECT_META)
}

fn decode_root(value: &mut Value, root: &'static Struct) -> Result<Vec<String>, String> {
    let mut decoder = Decoder::new();
    let Value::Object(map) = value else {
        return Err(format!(
            "json: cannot unmarshal {} into Go value of type v1.{}",
            json_kind(value),
            root.name
        ));
    };
    decoder.fields(map, root);
    match decoder.error {
        Some(error) => Err(error),
        None => {
            decoder.unknown.sort();
            Ok(decoder.unknown)
        }
    }
}

/// Unknown fields below types with their own decoder vanish without a word.
#[derive(Clone, Copy, PartialEq)]
enum Unknown {
    Note,
    Forget,
}

struct Decoder {
    policy: Unknown,
    /// Innermost struct, and the fields on the way, as Go's error names them.
    structs: Vec<&'static str>,
    names: Vec<&'static str>,
    /// The struct that holds the outermost value with a decoder of its own.
    blamed: Option<&'static str>,
    /// Path as warnings name it.
    path: Vec<String>,
    unknown: Vec<String>,
    error: Option<String>,
}

impl Decoder {
    fn new() -> Self {
        Self {
            policy: Unknown::Note,
            structs: Vec::new(),
            names: Vec::new(),
            blamed: None,
            path: Vec::new(),
            unknown: Vec::new(),
            error: None,
        }
    }

    fn fields(&mut self, map: &mut Map<String, Value>, shape: &'static Struct) {
        self.structs.push(shape.name);
        map.retain(|key, value| {
            let Some(field) = shape.fields.iter().find(|field| field.name == key) else {
                if self.policy == Unknown::Note {
                    let mut path = self.path.concat();
                    if !path.is_empty() {
                        path.push('.');
                    }
                    self.unknown.push(path + key);
                }
                return false;
            };
            if value.is_null() {
                // Go leaves the field as it is; a list without omitempty is written as null.
                return field.keep == Keep::Always && matches!(field.go, Go::Slice(..));
            }
            self.names.push(field.name);
            let dot = if self.path.is_empty() { "" } else { "." };
            self.path.push(format!("{dot}{key}"));
            self.value(value, &field.go);
            self.path.pop();
            self.names.pop();
            field.keep != Keep::NonZero || !is_zero(value)
        });
        self.structs.pop();
    }

    fn value(&mut self, value: &mut Value, go: &'static Go) {
        match (go, &mut *value) {
            (Go::Float64, Value::Number(number)) => {
                // Bounds are floats in Go, and lose what a float cannot hold (SCH-27).
                if let Some(float) = number.as_f64()
                    && (number.as_i64().is_none() || float.abs() >= 9_007_199_254_740_992.0)
                {
                    // Written with the fewest digits that tell it from its neighbours, as Go does.
                    *value = format!("{float}")
                        .parse::<i64>()
                        .map_or_else(|_| Value::from(float), Value::from);
                }
            }
            (_, Value::Null)
            | (Go::Text(_), Value::String(_))
            | (Go::Bool, Value::Bool(_))
            | (Go::Json | Go::Metadata, _)
            | (Go::Bytes, Value::String(_))
            | (Go::SchemaOrBool, Value::Bool(_)) => {}
            (Go::Time, Value::String(text)) => {
                if let Err(error) = gotext::parse_time(text) {
                    self.fail(error);
                }
            }
            (Go::Int32 | Go::Int64, Value::Number(number)) => {
                let fits = match go {
                    Go::Int32 => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
                    _ => number.as_i64().is_some(),
                };
                if !fits {
                    let found = format!("number {number}");
                    self.mismatch(&found, &type_name(go));
                }
            }
            (Go::Slice(item, _), Value::Array(items)) => {
                for (index, value) in items.iter_mut().enumerate() {
                    self.path.push(format!("[{index}]"));
                    self.value(value, item);
                    self.path.pop();
                }
            }
            (Go::Map(item, _), Value::Object(entries)) => {
                for (key, value) in entries.iter_mut() {
                    self.path.push(format!(".{key}"));
                    self.value(value, item);
                    self.path.pop();
                }
            }
            (Go::Struct(shape), Value::Object(map)) => self.fields(map, shape),
            (Go::SchemaOrBool | Go::SchemaOrSlice | Go::SchemaOrNames, Value::Object(map)) => {
                self.nested(|inner| inner.fields(map, &SCHEMA));
            }
            (Go::SchemaOrSlice, Value::Array(items)) => self.nested(|inner| {
                for item in items {
                    inner.value(item, &SCHEMA_TYPE);
                }
            }),
            (Go::SchemaOrNames, array @ Value::Array(_)) => self.nested(|inner| inner.value(array, &STRINGS)),
            (Go::SchemaOrBool, _) => self.fail("boolean or JSON schema expected".to_owned()),
            // These decoders take what they do not know for nothing.
            (Go::SchemaOrSlice | Go::SchemaOrNames, other) => *other = Value::Null,
            (_, other) => {
                let found = json_kind(other).to_owned();
                self.mismatch(&found, &type_name(go));
            }
        }
    }

    /// A type with a decoder of its own does not tell unknown fields, and its mistakes are put on the struct around.
    fn nested(&mut self, decode: impl FnOnce(&mut Decoder)) {
        let (policy, blamed) = (self.policy, self.blamed);
        self.policy = Unknown::Forget;
        self.blamed = blamed.or_else(|| self.structs.last().copied());
        decode(self);
        (self.policy, self.blamed) = (policy, blamed);
    }

    fn mismatch(&mut self, found: &str, wanted: &str) {
        let place = match self.blamed.or_else(|| self.structs.last().copied()) {
            Some(name) => format!("Go struct field {name}.{}", self.names.join(".")),
            None => "Go value".to_owned(),
        };
        self.fail(format!(
            "json: cannot unmarshal {found} into {place} of type {wanted}"
        ));
    }

    /// Go tells the first mistake only.
    fn fail(&mut self, error: String) {
        self.error.get_or_insert(error);
    }
}

fn type_name(go: &Go) -> String {
    match go {
        Go::Text(name) | Go::Slice(_, name) | Go::Map(_, name) => (*name).to_owned(),
        Go::Bool => "bool".to_owned(),
        Go::Int32 => "int32".to_owned(),
        Go::Int64 => "int64".to_owned(),
        Go::Float64 => "float64".to_owned(),
        Go::Bytes => "[]uint8".to_owned(),
        // It decodes a string, and the mistake is that string's.
        Go::Time => "string".to_owned(),
        Go::Struct(shape) => format!("v1.{}", shape.name),
        Go::Json => "v1.JSON".to_owned(),
        Go::SchemaOrBool => "v1.JSONSchemaPropsOrBool".to_owned(),
        Go::SchemaOrSlice => "v1.JSONSchemaPropsOrArray".to_owned(),
        Go::SchemaOrNames => "v1.JSONSchemaPropsOrStringArray".to_owned(),
        Go::Metadata => "v1.ObjectMeta".to_owned(),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn crd(schema: &Value) -> Value {
        json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}})
    }

    /// SCH-1, SCH-2, SCH-3.
    #[test]
    fn wrong_types_are_told_as_go_tells_them() {
        let text = |schema: &Value| decode_crd(&mut crd(schema)).unwrap_err();
        assert_eq!(
            text(&json!({"properties": {"spec": {"properties": {"f": {"type": ["string", "null"]}}}}})),
            "json: cannot unmarshal array into Go struct field \
             JSONSchemaProps.spec.versions.schema.openAPIV3Schema.properties.properties.type of type string"
        );
        assert_eq!(
            text(&json!({"properties": {"spec": {"exclusiveMinimum": 1}}})),
            "json: cannot unmarshal number into Go struct field \
             JSONSchemaProps.spec.versions.schema.openAPIV3Schema.properties.exclusiveMinimum of type bool"
        );
        assert_eq!(
            text(&json!({"properties": {"spec": true}})),
            "json: cannot unmarshal bool into Go struct field \
             JSONSchemaProps.spec.versions.schema.openAPIV3Schema.properties of type v1.JSONSchemaProps"
        );
        assert_eq!(
            text(&json!({"items": {"type": 1}})),
            "json: cannot unmarshal number into Go struct field \
             JSONSchemaProps.spec.versions.schema.openAPIV3Schema.items.type of type string"
        );
    }

    /// SCH-4, SCH-6.
    #[test]
    fn unknown_keywords_and_empty_values_go() {
        let mut value = crd(&json!({
            "required": [], "default": null, "uniqueItems": false, "nullable": false, "const": 1,
            "items": {"const": 1, "type": "string"},
        }));
        let unknown = decode_crd(&mut value).unwrap();
        assert_eq!(unknown, ["spec.versions[0].schema.openAPIV3Schema.const"]);
        assert_eq!(value, crd(&json!({"items": {"type": "string"}})));
    }
}
