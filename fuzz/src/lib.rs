//! What is fuzzed, and what must hold for all bytes.
//!
//! Each function takes bytes and panics where a promise is broken; a panic, a stack overflow, too much
//! memory or time is a finding by itself. `run` in this folder builds and runs them.

mod apply;
mod convert;
#[path = "../../schema/tests/common/generate.rs"]
mod generate;
mod rules;

pub use apply::fields;
pub use convert::{convert_annotation, convert_review};
pub use rules::cel;

use generate::{Draw, Options};
use kubewright_schema::compare::{Verdict, compare, compare_crds};
use kubewright_schema::{
    Severity, Structural, crd, lint, prepare, prune, undecodable, validate, validate_status,
};
use serde_json::{Value, json};

/// Bytes as a document, JSON or YAML.
fn document(data: &[u8]) -> Option<Value> {
    serde_json::from_slice(data)
        .ok()
        .or_else(|| kubewright_schema::yaml::from_slice(data).ok())
}

/// Bytes as a CRD: decoding, defaults, checks, lint. One without findings stays as it is.
pub fn decode(data: &[u8]) {
    let Some(document) = document(data) else { return };
    let lints = lint(&document);
    let mut decoded = document.clone();
    let Ok(unknown) = crd::decode(&mut decoded) else {
        assert!(
            lints.iter().any(|lint| lint.severity == Severity::Error),
            "undecodable, and not linted"
        );
        return;
    };
    crd::default(&mut decoded);
    let errors = crd::validate(&decoded);
    let clean = lints.iter().all(|lint| lint.severity != Severity::Error);
    assert!(
        !clean || (errors.is_empty() && unknown.is_empty()),
        "linted as good: {errors:?} {unknown:?}"
    );
    let mut again = decoded.clone();
    assert_eq!(
        crd::decode(&mut again).ok().as_deref(),
        Some(&[][..]),
        "what is decoded decodes"
    );
    crd::default(&mut again);
    // As in Go, `items: "a"` is read as an empty list of schemas, written as null, and then gone; it is refused.
    assert!(
        again == decoded || !errors.is_empty(),
        "decoding and defaulting are idempotent"
    );
    assert!(
        crd::validate_update(&decoded, &decoded).is_empty() || !errors.is_empty(),
        "an unchanged CRD is accepted"
    );
    crd::unrecognized_formats(&decoded, None);
    let changes = compare_crds(&decoded, &decoded).expect("it is decoded");
    // Of versions with one name, which are refused, the first is compared.
    assert!(
        changes.is_empty() || !errors.is_empty(),
        "it equals itself: {changes:?}"
    );
    let schema = &decoded["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    if errors.is_empty() && schema.is_object() {
        let structural = Structural::from_json(schema).expect("an accepted CRD has structural schemas");
        exercise(&structural, &mut json!({"spec": {}, "status": {}}));
    }
}

/// All that happens to an object; what is prepared stays prepared.
fn exercise(schema: &Structural, object: &mut Value) {
    if undecodable(object, schema).is_some() {
        return;
    }
    prepare(object, schema);
    let old = object.clone();
    let created = validate(object, None, schema);
    validate_status(object, None, schema);
    assert!(prune(object, schema).is_empty(), "pruned twice");
    let updated = validate(object, Some(&old), schema);
    // Embedded resources are looked at whether they changed or not. Rules may run on what a create finds bad beforehand,
    // or ask about the old object.
    assert!(
        !schema.rules().is_empty() || updated.iter().all(|error| created.contains(error)),
        "an update finds more: {updated:?}"
    );
}

/// A schema and an object: from a JSON document with both, or drawn from the bytes.
pub fn object(data: &[u8]) {
    if let Ok(Value::Object(mut case)) = serde_json::from_slice(data) {
        let (schema, mut object) = (case.remove("schema"), case.remove("object").unwrap_or_default());
        if let Some(Ok(schema)) = schema.map(|schema| Structural::from_json(&schema)) {
            exercise(&schema, &mut object);
        }
        return;
    }
    let mut draw = Draw::new(data);
    let mut json = generate::schema(&mut draw, Options::WITH_RULES);
    if draw.one_in(3) {
        generate::spoil(&mut draw, &mut json);
    }
    let Ok(schema) = Structural::from_json(&json) else {
        return;
    };
    while !draw.rest().is_empty() {
        let mutations = draw.below(4);
        let mut object = generate::instance(&mut draw, &json, mutations);
        exercise(&schema, &mut object);
    }
}

/// Bytes as a pattern, and texts around it. What is accepted compiles.
pub fn pattern(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (pattern, subject) = text.split_once('\n').unwrap_or((text, text));
    let schema = |pattern: &str| {
        let property = json!({"type": "string", "pattern": pattern});
        Structural::from_json(&json!({"type": "object", "properties": {"p": property}}))
    };
    let Ok(plain) = schema(pattern) else { return };
    validate(&json!({"p": subject}), None, &plain);
    validate(&json!({"p": ""}), None, &plain);
    // Only a pattern that compiled is found at all, and this one is found everywhere.
    if let Ok(optional) = schema(&format!("(?:{pattern})?")) {
        assert!(
            validate(&json!({"p": subject}), None, &optional).is_empty(),
            "accepted and not compiled"
        );
    }
}

/// Two schemas, one an edit of the other, and values: the laws of the comparison.
pub fn compare_schemas(data: &[u8]) {
    let mut draw = Draw::new(data);
    let before = generate::schema(&mut draw, Options::ALL);
    let mut after = before.clone();
    for _ in 0..=draw.below(3) {
        generate::edit(&mut draw, &mut after, Options::ALL);
    }
    let (Ok(old), Ok(new)) = (Structural::from_json(&before), Structural::from_json(&after)) else {
        return;
    };
    let changes = compare(&old, &new);
    let back = compare(&new, &old);
    assert_eq!(changes.is_empty(), back.is_empty(), "a change has a way back");
    if changes.iter().any(|change| change.stored != Verdict::Safe) {
        return;
    }
    while !draw.rest().is_empty() {
        let mutations = draw.below(3);
        let mut value = generate::instance(&mut draw, &before, mutations);
        prepare(&mut value, &old);
        prepare(&mut value, &old);
        if !validate(&value, None, &old).is_empty() || generate::is_quirk(&before, &value) {
            continue;
        }
        let mut prepared = value.clone();
        prepare(&mut prepared, &new);
        let errors = validate(&prepared, None, &new);
        assert!(errors.is_empty(), "{before} {after} {value} {errors:?}");
        prune(&mut prepared, &old);
        assert_eq!(prepared, value, "{before} {after}");
    }
}
