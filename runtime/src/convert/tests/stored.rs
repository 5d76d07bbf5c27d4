//! Definitions that store another version than the one that the types are marked with.

use serde_json::{Value, json};

use super::kinds::V1;
use crate::convert::Converter;

const KEY: &str = "conversion.web.example.com/preserved";

fn object(version: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("web.example.com/{version}"), "kind": "Site",
        "metadata": { "name": "blog", "namespace": "default" }, "spec": spec,
    })
}

/// With more than v1alpha1 can show, and than an annotation holds.
fn new() -> Value {
    object("v1", json!({ "class": "x".repeat(300_000) }))
}

/// The same the other way round.
fn old() -> Value {
    object("v1alpha1", json!({ "note": "x".repeat(300_000) }))
}

fn fails(converter: &Converter, object: &Value, to: &str) -> String {
    converter
        .convert_value(object, to)
        .expect_err("it cannot be kept")
        .to_string()
}

fn mark(converter: &Converter, object: &Value, to: &str) -> Value {
    let shown = converter
        .convert_value(object, to)
        .unwrap_or_else(|error| panic!("{error}"));
    shown["metadata"]["annotations"][KEY].clone()
}

const UP: &str =
    "converting Site default/blog from web.example.com/v1alpha1 to web.example.com/v1: spec holds data that";
const DOWN: &str =
    "converting Site default/blog from web.example.com/v1 to web.example.com/v1alpha1: spec holds data that";

#[test]
fn ver_20_a_write_at_the_marked_version_is_one_where_another_is_stored() {
    let converter = Converter::of_link(&V1);
    assert_eq!(converter.storage(), "v1");
    assert_eq!(
        mark(&converter, &new(), "v1alpha1"),
        r#"{"v1":{"overflow":true}}"#
    );
    // Before the storage version moves, and after it moved back.
    converter.set_stored("v1alpha1").expect("a version");
    assert_eq!(converter.storage(), "v1alpha1");
    assert_eq!(
        fails(&converter, &new(), "v1alpha1"),
        format!("{DOWN} v1alpha1 cannot represent and that is too large to preserve")
    );
    assert_eq!(
        mark(&converter, &old(), "v1"),
        r#"{"v1alpha1":{"overflow":true}}"#,
        "this is the read"
    );
    let shown = converter.convert_value(&old(), "v1").expect("it is shown");
    assert_eq!(
        fails(&converter, &shown, "v1alpha1"),
        format!("{DOWN} v1 cannot represent and that is too large to preserve; edit it as v1alpha1")
    );
    converter.set_stored("v1").expect("a version");
    assert_eq!(
        fails(&converter, &old(), "v1"),
        format!("{UP} v1 cannot represent and that is too large to preserve")
    );
}

#[test]
fn ver_20_in_doubt_nothing_is_taken_for_a_read() {
    let converter = Converter::of_link(&V1);
    converter.doubt_stored();
    assert_eq!(converter.storage(), "v1", "what was known still counts");
    assert_eq!(
        fails(&converter, &new(), "v1alpha1"),
        format!(
            "{DOWN} v1alpha1 cannot represent and that is too large to preserve; whether objects are stored as v1 is not \
             known for certain"
        )
    );
    assert_eq!(
        fails(&converter, &old(), "v1"),
        format!("{UP} v1 cannot represent and that is too large to preserve")
    );
    // What fits is kept as ever.
    let fits = object("v1", json!({ "class": "c" }));
    let there = converter.convert_value(&fits, "v1alpha1").expect("it fits");
    assert_eq!(converter.convert_value(&there, "v1").expect("it fits"), fits);
    converter.set_stored("v1").expect("a version");
    assert_eq!(
        mark(&converter, &new(), "v1alpha1"),
        r#"{"v1":{"overflow":true}}"#
    );
}

#[test]
fn ver_05_clones_are_told_together() {
    let converter = Converter::of_link(&V1);
    let clone = converter.clone();
    let own = converter.clone().stored_at("v1").expect("a version");
    converter.set_stored("v1alpha1").expect("a version");
    assert_eq!((clone.storage(), own.storage()), ("v1alpha1", "v1"));
    own.set_stored("v1alpha1").expect("a version");
    own.set_stored("v1").expect("a version");
    assert_eq!(
        clone.storage(),
        "v1alpha1",
        "one that was told by itself stays by itself"
    );
    let error = converter
        .set_stored("v9")
        .expect_err("no such version")
        .to_string();
    assert_eq!(error, "v9 is not a version of Site (known: v1, v1alpha1)");
    assert_eq!(converter.storage(), "v1alpha1");
    converter.stored_at("v9").expect_err("no such version");
}
