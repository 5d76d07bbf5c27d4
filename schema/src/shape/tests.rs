use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::*;

const FIELDS: &[Field] = &[
    Field::new("a", child::<Option<i32>>, Of::<Option<i32>>::KIND).keywords(r#"{"minimum":1}"#),
    Field::new("b", child::<std::collections::HashSet<u8>>, Kind::Set),
];
const OBJECT: Shape = Shape::object("Object", FIELDS).doc("An object.");

fn of(shape: &'static Shape) -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    shape.schema(&mut settings.into_generator()).to_value()
}

#[test]
fn an_object_is_marked_and_has_no_nulls() {
    static SHAPE: Shape = OBJECT;
    assert_eq!(
        of(&SHAPE),
        json!({
            "type": "object",
            "description": "An object.",
            "properties": {
                "a": {"type": "integer", "format": "int32", "minimum": 1},
                "b": {
                    "type": "array",
                    "uniqueItems": true,
                    "items": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255},
                },
            },
            "required": ["b"],
            "x-kubewright": {"exact": true},
        })
    );
}

/// `compat = "kube-derive"`.
#[test]
fn kube_derives_shape_keeps_nulls_and_formats() {
    static SHAPE: Shape = OBJECT.like_kube_derive();
    assert_eq!(
        of(&SHAPE)["properties"]["a"],
        json!({"type": ["integer", "null"], "format": "int32", "minimum": 1})
    );
}

#[test]
fn what_is_computed_is_laid_over_the_type() {
    let mut node = Node::wrap(json!({"minimum": 0, "enum": ["a"], "x-kubewright": {"allow": ["float"]}}));
    node.exclude(&[], "minimum", "exclusiveMinimum", -1);
    node.exclude(&["items"], "maximum", "exclusiveMaximum", 5);
    node.set(&["enum"], ["b"]);
    node.set(&["default"], None::<i32>);
    let problem =
        "`enum_values` admits \"b\", which the type does not have; remove it, or add it to the type";
    assert_eq!(
        Value::Object(node.map),
        json!({
            "minimum": 0, "enum": ["a"], "items": {"maximum": 5, "exclusiveMaximum": true},
            "x-kubewright": {"allow": ["float"], "problems": [problem]},
        })
    );
}

/// `preserve_unknown_fields` on a list is meant for its items.
#[test]
fn lists_have_no_unknown_fields() {
    static FIELD: Field = Field::new("a", child::<Vec<Value>>, Kind::List)
        .keywords(r#"{"x-kubernetes-preserve-unknown-fields":true,"x-kubewright":{"preserve":true}}"#);
    static SHAPE: Shape = Shape::same("List", &FIELD);
    let schema = of(&SHAPE);
    assert_eq!(schema["items"]["x-kubernetes-preserve-unknown-fields"], true);
    assert_eq!(schema["items"][MARK]["preserve"], true);
    assert!(schema.get("x-kubernetes-preserve-unknown-fields").is_none());
}

#[test]
fn a_rule_of_one_variant_holds_for_it_alone() {
    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Inner {
        a: i32,
    }
    static FIELD: Field = Field::new("0", child::<Inner>, Kind::Unknown);
    static VARIANTS: [Variant; 2] = [
        Variant::new("A", &FIELD).keywords(r#"{"x-kubernetes-validations":[{"rule":"self.a > 0"}]}"#),
        Variant::unit("B"),
    ];
    static SHAPE: Shape = Shape::variants("E", Tagging::Internal("type"), &VARIANTS);
    let schema = of(&SHAPE);
    assert_eq!(
        schema["x-kubernetes-validations"],
        json!([{"rule": "self.type != 'A' || (self.a > 0)"}])
    );
    static BESIDE: Shape = Shape::variants("E", Tagging::Adjacent("t", "c"), &ADJACENT);
    static OTHER: [Field; 1] = [Field::new("b", child::<String>, Kind::String)];
    static ADJACENT: [Variant; 2] = [
        Variant::new("A", &FIELD)
            .keywords(r#"{"x-kubernetes-validations":[{"rule":"self.a > 0 && oldSelf.a > 0"}]}"#),
        Variant::object("B", &OTHER),
    ];
    assert_eq!(
        of(&BESIDE)["x-kubernetes-validations"],
        json!([{"rule": "self.t != 'A' || (self.c.a > 0 && oldSelf.c.a > 0)"}])
    );
}

/// SCH-94: serde writes both.
#[test]
fn a_field_that_is_written_like_the_tag_is_told() {
    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Inner {
        r#type: i32,
    }
    static FIELD: Field = Field::new("0", child::<Inner>, Kind::Unknown);
    static VARIANTS: [Variant; 1] = [Variant::new("A", &FIELD)];
    static SHAPE: Shape = Shape::variants("E", Tagging::Internal("type"), &VARIANTS);
    assert_eq!(
        of(&SHAPE)[MARK]["problems"],
        json!(["a field of variant `A` is written `type`, which is the tag; rename one"])
    );
}

#[test]
fn keys_of_the_items_type_are_those_of_its_lists() {
    static FIELDS: [Field; 1] =
        [Field::new("name", child::<String>, Kind::String).keywords(r#"{"x-kubewright":{"mapKey":true}}"#)];
    static ITEM: Shape = Shape::object("Item", &FIELDS);
    static LIST: Field = Field::new(
        "items",
        |generator, _| schemars::json_schema!({"type": "array", "items": ITEM.schema(generator)}),
        Kind::List,
    );
    static HOLDER: Shape = Shape::same("Holder", &LIST);
    let schema = of(&HOLDER);
    assert_eq!(schema["x-kubernetes-list-type"], "map");
    assert_eq!(schema["x-kubernetes-list-map-keys"], json!(["name"]));
}

/// `compat = "controller-gen"`.
#[test]
fn controller_gens_integers_are_gos() {
    static FIELDS: [Field; 2] = [
        Field::new("a", child::<u32>, Kind::Integer),
        Field::new("b", child::<Vec<u16>>, Kind::List),
    ];
    static SHAPE: Shape = Shape::object("Object", &FIELDS).like_controller_gen();
    let schema = of(&SHAPE);
    assert_eq!(
        schema["properties"]["a"],
        json!({"type": "integer", "format": "int32"})
    );
    assert_eq!(schema["properties"]["b"]["items"].get("minimum"), None);
}
