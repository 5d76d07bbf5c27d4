//! What a server would refuse, and what would be lost on the way, in types that derive `KubeSchema`.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::exact_tests::{notes, problems, property};

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Embedding {
    #[schemars(extend("x-kubernetes-embedded-resource" = true))]
    any: Value,
    #[schemars(extend("x-kubernetes-embedded-resource" = true))]
    own: Embedded,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code, non_snake_case)]
struct Embedded {
    apiVersion: String,
    kind: String,
    replicas: i32,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct NoObject {
    #[schemars(extend("x-kubernetes-embedded-resource" = true))]
    own: Ruled,
}

/// SCH-42.
#[test]
fn what_is_embedded_is_an_object_of_some_kind() {
    assert_eq!(
        property::<Embedding>("any"),
        json!({
            "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true,
        })
    );
    assert_eq!(
        property::<Embedding>("own")["x-kubernetes-embedded-resource"],
        true
    );
    assert_eq!(
        problems::<NoObject>(),
        [
            "own: an embedded object has `apiVersion`, `kind` and `metadata`; add those fields, or keep any object with \
             `RawExtension`"
        ]
    );
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Half {
    spec: Halves,
    status: Halves,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Halves {
    #[schemars(extend("x-kubewright" = {"skipDeserializing": true}))]
    unread: i32,
    #[schemars(extend("x-kubewright" = {"skipSerializing": true}))]
    unwritten: i32,
}

/// SCH-102.
#[test]
fn what_is_read_or_written_alone_is_told() {
    let place = |path: &str| ("lost-on-write", path.to_owned());
    assert_eq!(
        notes::<Half>(),
        [
            place(".properties[spec].properties[unread]"),
            place(".properties[spec].properties[unwritten]"),
            place(".properties[status].properties[unwritten]"),
        ]
    );
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Ruled {
    #[schemars(extend("x-kubernetes-validations" = [{"rule": "self + 1 // \"}: "}]))]
    a: i32,
}

/// SCH-50.
#[test]
fn a_rule_is_not_repeated() {
    assert_eq!(
        problems::<Ruled>(),
        [
            "a: the API server refuses this schema: x-kubernetes-validations[0].rule: cel expression must evaluate to a \
             bool"
        ]
    );
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code, non_snake_case)]
struct Spelled {
    inner: Vec<Names>,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "self.max_size > 0"}, {"rule": "self.other > 0"}]))]
#[allow(dead_code, non_snake_case)]
struct Names {
    maxSize: i32,
}

/// SCH-53: a rule that names a field as Rust does.
#[test]
fn a_rule_is_told_the_names_in_json() {
    let problems = problems::<Spelled>();
    let hints: Vec<bool> = problems
        .iter()
        .map(|problem| problem.ends_with("; a rule goes by the names in JSON, as `maxSize`"))
        .collect();
    assert_eq!(hints, [true, false], "{problems:?}");
    assert!(problems[1].contains("undefined field 'other'"), "{problems:?}");
}
