use super::*;
use serde_json::json;

fn crd(spec: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": spec}}}}],
        },
    })
}

fn ids(spec: &Value) -> Vec<&'static str> {
    lint(&crd(&json!({"type": "object", "properties": {"f": spec}})))
        .iter()
        .map(|lint| lint.id)
        .collect()
}

#[test]
fn each_rule_on_a_field() {
    let cases = [
        (json!({"type": "string", "pattern": "^("}), "refused"),
        (json!({"type": ["string"]}), "undecodable"),
        (json!({"type": "string", "const": "a"}), "dropped"),
        (json!({"type": "string", "default": null}), "dropped"),
        // SCH-4: nobody warns of these, since types with a decoder of their own tell nothing.
        (
            json!({"type": "array", "items": {"type": "string", "const": "a"}}),
            "dropped",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string", "readOnly": true}}),
            "dropped",
        ),
        (
            json!({"type": "array", "items": {"type": "string", "default": null}}),
            "dropped",
        ),
        (json!({"type": "string", "const": null}), "dropped"),
        // SCH-27.
        (json!({"type": "integer", "maximum": u64::MAX}), "dropped"),
        (
            json!({"type": "integer", "minimum": -9_007_199_254_740_993_i64}),
            "dropped",
        ),
        (json!({"type": "integer", "format": "uint32"}), "unknown-format"),
        (
            json!({"type": "integer", "minimum": 2, "maximum": 1}),
            "contradicting-limits",
        ),
        (json!({"type": "string", "minLength": -1}), "contradicting-limits"),
        (json!({"type": "integer", "pattern": "^a$"}), "misplaced-limit"),
        (json!({"type": "string", "enum": [1]}), "enum-type"),
        (json!({"type": "string", "enum": ["a", "a"]}), "repeated-value"),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]}),
            "undeclared-required",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}},
                "anyOf": [{"required": ["a"], "additionalProperties": false}]}),
            "closed-variant",
        ),
        (
            json!({"type": "string", "nullable": true, "enum": ["a", null]}),
            "nullable-enum",
        ),
        (
            json!({"type": "string", "x-kubernetes-int-or-string": true}),
            "typed-int-or-string",
        ),
        (json!({"type": "string", "pattern": "b+"}), "unanchored-pattern"),
        (json!({"type": "object"}), "empty-object"),
        (
            json!({"type": "object", "additionalProperties": true}),
            "emptied-map",
        ),
    ];
    for (field, id) in cases {
        assert_eq!(ids(&field), [id], "{field}");
    }
    for clean in [
        json!({"type": "string", "enum": ["a"], "default": "a", "pattern": "^a$"}),
        json!({"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_992_i64, "default": 1.0}),
        json!({"type": "string", "enum": [], "nullable": false, "description": "", "title": null}),
        json!({"type": "number", "multipleOf": 0.5, "maximum": 1e300}),
    ] {
        assert_eq!(ids(&clean), [""; 0], "{clean}");
    }
}

#[test]
fn each_rule_around_the_schema() {
    let spec = json!({"type": "object", "properties": {"replicas": {"type": "integer"}}});
    let linted = |pointer: &str, value: Value| -> Vec<&'static str> {
        let mut crd = crd(&spec);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        crd.pointer_mut(parent).unwrap()[key] = value;
        lint(&crd).iter().map(|lint| lint.id).collect()
    };
    assert!(linted("/spec/scope", "Cluster".into()).is_empty());
    assert_eq!(linted("/spec/names/kind", "foo-bar".into()), ["kind-name"]);
    let scale = json!({"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.r"}});
    assert_eq!(linted("/spec/versions/0/subresources", scale), ["scale-path"]);
    assert_eq!(
        linted("/spec/versions/0/subresources", json!({"status": {}})),
        ["status-without-schema"]
    );
    let columns = json!([
        {"name": "a", "type": "string", "jsonPath": ".spec.zz"},
        {"name": "b", "type": "integer", "jsonPath": ".spec.replicas"},
        {"name": "k", "type": "string", "jsonPath": ".kind"},
        {"name": "c", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "d", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
    ]);
    assert_eq!(
        linted("/spec/versions/0/additionalPrinterColumns", columns),
        ["column-path"]
    );
    assert_eq!(linted("/metadata/labls", json!({"a": "b"})), ["dropped"]);
    assert_eq!(
        linted("/spec/description", "x".repeat(200_000).into()),
        ["dropped"]
    );
    let long = json!({"type": "object", "description": "x".repeat(200_000), "properties": {"spec": spec}});
    assert_eq!(
        linted("/spec/versions/0/schema", json!({"openAPIV3Schema": long})),
        ["size"]
    );
    let mut two = crd(&spec);
    let mut second = two["spec"]["versions"][0].clone();
    second["name"] = "v2".into();
    second["storage"] = false.into();
    second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["more"] =
        json!({"type": "string"});
    two["spec"]["versions"].as_array_mut().unwrap().push(second);
    assert_eq!(
        lint(&two).iter().map(|lint| lint.id).collect::<Vec<_>>(),
        ["lossy-conversion"]
    );
    assert!(lint(&two)[0].message.contains("`.spec.more`"), "{:?}", lint(&two));
    // The same data, said in other words and within other bounds, is not lost.
    let schema = two["spec"]["versions"][0]["schema"].clone();
    two["spec"]["versions"][1]["schema"] = schema;
    two["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["description"] = "Newer.".into();
    assert!(lint(&two).is_empty());
}
