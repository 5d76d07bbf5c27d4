//! The rules of conversion, by their numbers.

use serde_json::{Value, json};

use super::kinds::V1;
use crate::convert::{ConvertError, Converter};

const KEY: &str = "conversion.web.example.com/preserved";

fn site() -> Converter {
    Converter::of_link(&V1)
}

fn convert(object: &Value, to: &str) -> Value {
    site()
        .convert_value(object, to)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn fails(object: &Value, to: &str) -> String {
    site()
        .convert_value(object, to)
        .expect_err("it cannot be shown")
        .to_string()
}

/// An object of the old version with every field that it must have.
fn old() -> Value {
    json!({
        "apiVersion": "web.example.com/v1alpha1",
        "kind": "Site",
        "metadata": { "name": "blog", "namespace": "default" },
        "spec": {
            "replicas": 5,
            "imageName": "nginx",
            "legacyMode": false,
            "address": "a.example.com:80",
            "timeoutSeconds": 2,
            "memory": "64Mi",
            "strategy": "Rolling",
            "source": { "type": "Git", "url": "https://example.com" },
            "ingress": { "host": "h" },
        },
    })
}

/// An object of the new version with every field that it must have.
fn new() -> Value {
    json!({
        "apiVersion": "web.example.com/v1",
        "kind": "Site",
        "metadata": { "name": "blog", "namespace": "default" },
        "spec": {
            "replicas": 5,
            "image": "nginx",
            "retries": 1,
            "tier": "gold",
            "host": "a.example.com",
            "port": 80,
            "timeoutMillis": 2000,
            "memory": 64,
            "strategy": "Rolling",
            "source": { "type": "Git", "address": "https://example.com" },
            "ingress": { "host": "h" },
        },
    })
}

fn with(mut object: Value, path: &str, value: Value) -> Value {
    let (parent, name) = path.rsplit_once('/').expect("a pointer");
    let parent = object
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("no {parent}"));
    parent
        .as_object_mut()
        .expect("an object")
        .insert(name.to_owned(), value);
    object
}

fn saved(object: &Value) -> Option<Value> {
    let text = object["metadata"]["annotations"].get(KEY)?;
    Some(serde_json::from_str(text.as_str().expect("a string")).expect("JSON"))
}

/// What the object holds at a pointer.
fn at<'v>(object: &'v Value, pointer: &str) -> Option<&'v Value> {
    object.pointer(pointer)
}

fn annotated(object: Value, saved: &Value) -> Value {
    with(object, "/metadata/annotations", json!({ KEY: saved.to_string() }))
}

/// As `object`, read at the old version.
fn read(object: &Value) -> Value {
    convert(object, "v1alpha1")
}

/// As `object`, written from the old version.
fn written(object: &Value) -> Value {
    convert(object, "v1")
}

#[test]
fn each_action_goes_both_ways() {
    assert_eq!(written(&old()), new());
    assert_eq!(read(&new()), old(), "what is made anew is not saved");
}

#[test]
fn ver_02_what_moves_is_not_read() {
    let text = r#"{"kind":"Site","spec":{"zz":[1.0,{"b":1,"a":1e2}],"imageName":"\u0041","replicas":9223372036854775807,"x":null},"apiVersion":"web.example.com/v1alpha1","metadata":{"name":"n","weird":{"z":1,"a":2.50}}}"#;
    let mut out = String::from("before ");
    site().convert(text, "v1", &mut out).expect("it converts");
    assert_eq!(
        out,
        r#"before {"kind":"Site","spec":{"zz":[1.0,{"b":1,"a":1e2}],"image":"\u0041","replicas":9223372036854775807,"x":null},"apiVersion":"web.example.com/v1","metadata":{"name":"n","weird":{"z":1,"a":2.50}}}"#
    );
}

#[test]
fn ver_07_unknown_fields_are_copied_unless_the_target_has_the_name() {
    let object = with(
        with(old(), "/spec/extra", json!({ "a": [1] })),
        "/spec/class",
        json!("forged"),
    );
    let result = written(&object);
    assert_eq!(at(&result, "/spec/extra"), Some(&json!({ "a": [1] })));
    assert_eq!(at(&result, "/spec/class"), None);
    let object = with(with(old(), "/spec/strategy", json!("Green")), "/extra", json!(1));
    let result = written(&object);
    assert_eq!(
        at(&result, "/spec/strategy"),
        Some(&json!("Green")),
        "no variant of the source"
    );
    assert_eq!(at(&result, "/extra"), Some(&json!(1)));
}

#[test]
fn ver_08_absent_null_and_empty_stay() {
    let mut object = with(old(), "/spec/imageName", json!(null));
    object = with(object, "/spec/tls", json!(null));
    object = with(object, "/spec/memory", json!(null));
    object = with(object, "/spec/ports", json!([]));
    object = with(object, "/spec/limits", json!({}));
    let result = written(&object);
    for (pointer, value) in [
        ("/spec/image", json!(null)),
        ("/spec/tls", json!(null)),
        ("/spec/memory", json!(null)),
        ("/spec/ports", json!([])),
        ("/spec/limits", json!({})),
    ] {
        assert_eq!(at(&result, pointer), Some(&value), "{pointer}");
    }
    assert_eq!(at(&result, "/spec/mirrors"), None);
    assert_eq!(read(&result), object);
}

#[test]
fn ver_10_values_are_added_to_complete_structs_alone() {
    assert_eq!(at(&written(&old()), "/spec/retries"), Some(&json!(1)));
    let mut sparse = old();
    sparse["spec"]
        .as_object_mut()
        .expect("an object")
        .remove("replicas");
    let result = written(&sparse);
    assert_eq!(at(&result, "/spec/retries"), None);
    assert_eq!(at(&result, "/spec/tier"), None);
    assert_eq!(at(&result, "/spec/image"), Some(&json!("nginx")));
}

#[test]
fn ver_11_removed_fields_come_back_or_get_their_value() {
    assert_eq!(at(&read(&new()), "/spec/legacyMode"), Some(&json!(false)));
    assert_eq!(at(&read(&new()), "/spec/note"), None);
    let object = with(
        with(old(), "/spec/legacyMode", json!(true)),
        "/spec/note",
        json!("n"),
    );
    let stored = written(&object);
    assert_eq!(
        saved(&stored),
        Some(json!({ "v1alpha1": { "set": [[["spec", "legacyMode"], true], [["spec", "note"], "n"]] } }))
    );
    assert_eq!(read(&stored), object);
}

#[test]
fn ver_12_moved_values_go_to_their_place_and_back() {
    let object = with(
        old(),
        "/spec/tls",
        json!({ "minVersion": "1.3", "secretName": "s" }),
    );
    let stored = written(&object);
    assert_eq!(
        at(&stored, "/spec/ingress"),
        Some(&json!({ "host": "h", "certSecret": "s" }))
    );
    assert_eq!(at(&stored, "/spec/tls"), Some(&json!({ "minVersion": "1.3" })));
    assert_eq!(read(&stored), object);

    // Without a container the default is made, and its absence is not forgotten.
    let object = with(new(), "/spec/ingress", json!({ "host": "h", "certSecret": "s" }));
    let shown = read(&object);
    assert_eq!(
        at(&shown, "/spec/tls"),
        Some(&json!({ "minVersion": "", "secretName": "s" }))
    );
    assert_eq!(saved(&shown), Some(json!({ "v1": { "del": [["spec", "tls"]] } })));
    assert_eq!(written(&shown), object);

    let mut sparse = with(old(), "/spec/tls", json!({ "secretName": "s" }));
    sparse["spec"]
        .as_object_mut()
        .expect("an object")
        .remove("ingress");
    let stored = written(&sparse);
    assert_eq!(
        at(&stored, "/spec/ingress"),
        Some(&json!({ "host": "", "certSecret": "s" }))
    );
}

#[test]
fn ver_13_status_converts_and_fails_like_spec() {
    let object = with(old(), "/status", json!({ "ready": 1, "more": [] }));
    let stored = written(&object);
    assert_eq!(at(&stored, "/status"), Some(&json!({ "ready": 1, "more": [] })));
    assert_eq!(at(&written(&old()), "/status"), None);
}

#[test]
fn ver_06_enums_of_all_forms() {
    for (pointer, older, newer) in [
        ("/spec/strategy", json!("Recreate"), json!("Recreate")),
        (
            "/spec/source",
            json!({ "type": "Git", "url": "u", "x": 1 }),
            json!({ "type": "Git", "address": "u", "x": 1 }),
        ),
        (
            "/spec/source",
            json!({ "type": "Image", "tag": "t" }),
            json!({ "type": "Image", "version": "t" }),
        ),
        (
            "/spec/probe",
            json!({ "kind": "http", "with": "/z" }),
            json!({ "kind": "web", "with": "/z" }),
        ),
        ("/spec/probe", json!({ "kind": "off" }), json!({ "kind": "off" })),
    ] {
        let object = with(old(), pointer, older.clone());
        let stored = written(&object);
        assert_eq!(at(&stored, pointer), Some(&newer));
        assert_eq!(read(&stored), object, "{older}");
    }
}

#[test]
fn variants_of_one_side_show_as_their_table_says() {
    let object = with(new(), "/spec/strategy", json!("Canary"));
    let shown = read(&object);
    assert_eq!(at(&shown, "/spec/strategy"), Some(&json!("Rolling")));
    assert_eq!(written(&shown), object);
    let edited = with(shown, "/spec/strategy", json!("Recreate"));
    assert_eq!(at(&written(&edited), "/spec/strategy"), Some(&json!("Recreate")));

    let object = with(old(), "/spec/strategy", json!("Blue"));
    assert_eq!(at(&written(&object), "/spec/strategy"), Some(&json!("Rolling")));
    assert_eq!(read(&written(&object)), object);

    let object = with(new(), "/spec/source", json!({ "type": "Mirror", "of": "m" }));
    assert_eq!(
        at(&read(&object), "/spec/source"),
        Some(&json!({ "type": "Git", "url": "m" }))
    );
    assert_eq!(written(&read(&object)), object);

    let object = with(new(), "/spec/source", json!({ "type": "Bucket", "name": "b" }));
    assert_eq!(
        fails(&object, "v1alpha1"),
        "converting Site default/blog from web.example.com/v1 to web.example.com/v1alpha1: spec.source: variant `Bucket` \
         does not exist in that version"
    );
}

#[test]
fn groups_convert_together() {
    let sparse = |names: &[&str]| {
        let mut object = new();
        let spec = object["spec"].as_object_mut().expect("an object");
        spec.retain(|name, _| !names.contains(&name.as_str()));
        object
    };
    // VER-30: a member alone says nothing of the whole.
    let object = sparse(&["host"]);
    let shown = read(&object);
    assert_eq!(at(&shown, "/spec/address"), None);
    let set = json!([
        [["spec", "port"], 80],
        [["spec", "retries"], 1],
        [["spec", "tier"], "gold"]
    ]);
    assert_eq!(
        saved(&shown),
        Some(json!({ "v1": { "set": set } })),
        "a sparse object gets no values"
    );
    assert_eq!(written(&shown), object);
    assert_eq!(at(&read(&sparse(&["host", "port"])), "/spec/address"), None);
    assert_eq!(
        fails(&with(old(), "/spec/address", json!("a:b")), "v1"),
        "converting Site default/blog from web.example.com/v1alpha1 to web.example.com/v1: spec.address: b is no port"
    );
}

#[test]
fn fallbacks_stand_in_for_errors() {
    let object = with(old(), "/spec/memory", json!("a lot"));
    let stored = written(&object);
    assert_eq!(at(&stored, "/spec/memory"), Some(&json!(256)));
    assert_eq!(
        saved(&stored),
        Some(json!({ "v1alpha1": { "set": [[["spec", "memory"], "a lot"]] } }))
    );
    assert_eq!(read(&stored), object);
}

#[test]
fn ver_15_the_annotation_is_compact_and_sorted() {
    let mut object = with(
        new(),
        "/spec/ports",
        json!([
            { "name": "b", "number": 2, "appProtocol": "h2c" },
            { "name": "a\"", "number": 1, "appProtocol": "http" },
        ]),
    );
    object = with(object, "/spec/class", json!("c"));
    object = with(object, "/spec/timeoutMillis", json!(1500));
    let shown = read(&object);
    assert_eq!(at(&shown, "/spec/timeoutSeconds"), Some(&json!(1)));
    assert_eq!(
        shown["metadata"]["annotations"][KEY],
        concat!(
            r#"{"v1":{"set":[[["spec","class"],"c"],"#,
            r#"[["spec","ports",{"name":"a\""},"appProtocol"],"http"],"#,
            r#"[["spec","ports",{"name":"b"},"appProtocol"],"h2c"],"#,
            r#"[["spec","timeoutMillis"],1500]]}}"#,
        )
    );
    assert_eq!(written(&shown), object);
    assert_eq!(saved(&read(&new())), None, "no annotation when nothing is lost");
}

#[test]
fn ver_16_parts_of_other_versions_stay() {
    let other = json!({ "set": [[["spec", "x"], 1]], "unknown": { "b": 1, "a": 2 } });
    let object = annotated(
        with(new(), "/spec/class", json!("c")),
        &json!({ "v9": other, "v1alpha1": { "set": [] } }),
    );
    let shown = read(&object);
    assert_eq!(
        saved(&shown),
        Some(json!({ "v1": { "set": [[["spec", "class"], "c"]] }, "v9": other })),
        "that of the target is used up"
    );
    let stored = written(&shown);
    assert_eq!(saved(&stored), Some(json!({ "v9": other })));

    let mut kept = annotated(with(new(), "/spec/class", json!("c")), &json!({}));
    kept["metadata"]["annotations"]["own"] = json!("1");
    let back = written(&read(&kept));
    assert_eq!(
        back["metadata"]["annotations"],
        json!({ "own": "1" }),
        "an empty annotation is removed"
    );
    assert_eq!(
        written(&read(&with(new(), "/spec/class", json!("c"))))["metadata"].get("annotations"),
        None
    );
}

#[test]
fn ver_17_lists_without_usable_keys_are_one_value() {
    let ports = json!([{ "name": "a", "number": 1, "appProtocol": "x" }, { "name": "a", "number": 2 }]);
    let object = with(
        with(new(), "/spec/ports", ports.clone()),
        "/spec/mirrors",
        ports.clone(),
    );
    let shown = read(&object);
    assert_eq!(
        saved(&shown),
        Some(json!({ "v1": { "set": [[["spec", "mirrors"], ports], [["spec", "ports"], ports]] } }))
    );
    // The schema wants other keys of `ports`.
    assert_eq!(written(&shown)["spec"]["mirrors"], ports);
    assert_eq!(
        written(&shown)["spec"]["ports"][0],
        json!({ "name": "a", "number": 1 })
    );
    let mut edited = shown.clone();
    edited["spec"]["mirrors"][1]["port"] = json!(3);
    edited["spec"]["timeoutSeconds"] = json!(2);
    let back = written(&edited);
    assert_eq!(
        back["spec"]["mirrors"],
        json!([{ "name": "a", "number": 1 }, { "name": "a", "number": 3 }]),
        "restored whole or not at all"
    );
}

#[test]
fn ver_18_restored_where_the_client_left_it_alone() {
    let ports = json!([
        { "name": "a", "number": 1, "appProtocol": "x" },
        { "name": "b", "number": 2, "appProtocol": "y" },
        { "name": "c", "number": 3, "appProtocol": "z" },
    ]);
    let object = with(
        with(new(), "/spec/ports", ports),
        "/spec/timeoutMillis",
        json!(1500),
    );
    let mut shown = read(&object);
    // b deleted, c and a swapped, a renamed, d inserted
    shown["spec"]["ports"] = json!([
        { "name": "c", "port": 30 },
        { "name": "d", "port": 4 },
        { "name": "a2", "port": 1 },
    ]);
    let back = written(&shown);
    assert_eq!(
        back["spec"]["ports"],
        json!([
            { "name": "c", "number": 30, "appProtocol": "z" },
            { "name": "d", "number": 4 },
            { "name": "a2", "number": 1 },
        ])
    );
    assert_eq!(back["spec"]["timeoutMillis"], 1500);
    shown["spec"]["timeoutSeconds"] = json!(2);
    assert_eq!(
        written(&shown)["spec"]["timeoutMillis"],
        2000,
        "changed: what was saved is old"
    );
}

#[test]
fn ver_19_the_annotation_is_not_trusted() {
    let shown = old();
    for text in [
        "",
        "{",
        "null",
        "[]",
        "1",
        r#"{"v1":1}"#,
        r#"{"v1":[]}"#,
        r#"{"v1":{"set":1,"del":{}}}"#,
        r#"{"v1":{"set":[1,[],[[]],[[],1],[["spec"]],[["spec","class"]],[["spec","class"],"c",1],{"a":1}]}}"#,
        r#"{"v1":{"del":[1,[],[1],{}]}}"#,
        r#"{"v1":{"set":[[["metadata","name"],"x"],[["apiVersion"],"v9"],[["kind"],"Pod"],[["metadata"],{}]]}}"#,
        r#"{"v1":{"del":[["metadata","name"],["metadata"],["apiVersion"],["spec"],["spec","replicas"],["spec","retries"]]}}"#,
        r#"{"v1":{"set":[[["spec","class"],1],[["spec","retries"],"x"],[["spec","retries"],99999999999]]}}"#,
        r#"{"v1":{"set":[[["spec","replicas"],9],[["spec","image"],"evil"],[["spec","host"],"evil"],[["spec"],{}]]}}"#,
        r#"{"v1":{"set":[[["spec","unknown"],9],[["spec","class","deeper"],9],[["status","x"],9],[["other"],1]]}}"#,
        r#"{"v1":{"set":[[["spec","ports",{"name":"a"},"appProtocol"],"x"],[["spec","ports",{"name":"a"}],{}]]}}"#,
        r#"{"v1":{"set":[[["spec","ports",{"port":1},"appProtocol"],"x"],[["spec","ports",0],{}]]}}"#,
        r#"{"v1":{"set":[[["spec","strategy"],"Purple"],[["spec","source"],{"type":"Bucket","name":"b"}]]}}"#,
        r#"{"v1":{"set":[[["spec","rules"],{"lines":["panic"]}]]}}"#,
    ] {
        let forged = with(shown.clone(), "/metadata/annotations", json!({ KEY: text }));
        assert_eq!(written(&forged), new(), "{text}");
    }
    let deep = format!(
        r#"{{"v1":{{"set":[[["spec","class"],{}1{}]]}}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    let units = vec![json!([["spec", "class"], "c"]); 10_001];
    for text in [
        deep,
        json!({ "v1": { "set": units } }).to_string(),
        "[".repeat(200_000),
        "x".repeat(2_000_000),
    ] {
        let forged = with(shown.clone(), "/metadata/annotations", json!({ KEY: text }));
        assert_eq!(written(&forged), new());
    }
    for value in [json!(1), json!(null), json!({ "v1": {} })] {
        let forged = with(shown.clone(), "/metadata/annotations", json!({ KEY: value }));
        assert_eq!(written(&forged), new());
    }
    let mixed = r#"{"v1":{"set":[[["spec","class"],"c"],[["spec","retries"],"x"],[["spec","replicas"],1]]}}"#;
    let forged = with(shown, "/metadata/annotations", json!({ KEY: mixed }));
    assert_eq!(
        written(&forged),
        with(new(), "/spec/class", json!("c")),
        "what is right is restored"
    );
}

#[test]
fn ver_20_what_is_too_large_refuses_the_write() {
    let object = with(new(), "/spec/class", json!("x".repeat(300_000)));
    let shown = read(&object);
    assert_eq!(saved(&shown), Some(json!({ "v1": { "overflow": true } })));
    assert_eq!(
        fails(&shown, "v1"),
        "converting Site default/blog from web.example.com/v1alpha1 to web.example.com/v1: spec holds data that v1alpha1 \
         cannot represent and that is too large to preserve; edit it as v1"
    );
    let object = with(old(), "/spec/note", json!("x".repeat(300_000)));
    assert_eq!(
        fails(&object, "v1"),
        "converting Site default/blog from web.example.com/v1alpha1 to web.example.com/v1: spec holds data that v1 cannot \
         represent and that is too large to preserve"
    );
    // The other annotations count, and others' parts give way.
    let class = with(new(), "/spec/class", json!("x".repeat(1000)));
    let full = with(
        class.clone(),
        "/metadata/annotations",
        json!({ "a": "y".repeat(262_000) }),
    );
    assert_eq!(saved(&read(&full)), Some(json!({ "v1": { "overflow": true } })));
    let other = json!({ "v9": { "set": [[["spec"], "z".repeat(500)]] } });
    let mut both = full.clone();
    both["metadata"]["annotations"][KEY] = json!(other.to_string());
    assert_eq!(saved(&read(&both)), Some(json!({ "v1": { "overflow": true } })));
    let none = with(
        class,
        "/metadata/annotations",
        json!({ "a": "y".repeat(262_130) }),
    );
    assert!(fails(&none, "v1alpha1").ends_with("too large to preserve"));
    // An X->S leg whose client removed the annotation converts as if nothing had been saved.
    let mut removed = shown;
    removed["metadata"]
        .as_object_mut()
        .expect("an object")
        .remove("annotations");
    assert_eq!(written(&removed), new());
}

#[test]
fn ver_26_metadata_is_as_it_was() {
    let metadata = json!({
        "name": "blog", "generateName": "b-", "creationTimestamp": null, "unknown": { "x": [1.5] },
        "managedFields": [{ "fieldsV1": { "f:spec": {} } }], "ownerReferences": [{ "uid": "1" }],
        "annotations": { "b": "2", "a": "1" }, "labels": {},
    });
    let object = with(
        with(old(), "/metadata", metadata.clone()),
        "/spec/note",
        json!("n"),
    );
    let stored = written(&object);
    let mut expected = metadata;
    expected["annotations"][KEY] = stored["metadata"]["annotations"][KEY].clone();
    assert_eq!(stored["metadata"], expected);
    let mut without = old();
    without.as_object_mut().expect("an object").remove("metadata");
    assert_eq!(written(&without)["metadata"], json!({}));
    assert_eq!(
        written(&with(old(), "/metadata/annotations", json!({})))["metadata"]["annotations"],
        json!({})
    );
}

#[test]
fn ver_27_errors_show_keys_and_no_values() {
    let ports = json!([{ "name": "http", "port": 1 }]);
    let object = with(
        with(old(), "/spec/ports", ports),
        "/spec/timeoutSeconds",
        json!("secret"),
    );
    let error = fails(&object, "v1");
    assert_eq!(
        error,
        "converting Site default/blog from web.example.com/v1alpha1 to web.example.com/v1: spec.timeoutSeconds: is not a \
         value of type i64"
    );
    let object = with(
        with(old(), "/spec/limits", json!({ "cpu": { "percent": "x" } })),
        "/metadata/namespace",
        json!(null),
    );
    assert_eq!(
        fails(&object, "v1"),
        "converting Site blog from web.example.com/v1alpha1 to web.example.com/v1: spec.limits.cpu.percent: is not a value \
         of type i64"
    );
    let object = with(new(), "/spec/limits", json!({ "cpu": { "permille": 5 } }));
    assert!(fails(&object, "v1alpha1").ends_with("spec.limits.cpu.permille: not a whole percent"));
}

#[test]
fn ver_28_versions_and_kinds_that_are_not_known() {
    assert_eq!(
        fails(&old(), "v9"),
        "v9 is not a version of Site (known: v1, v1alpha1)"
    );
    assert_eq!(
        fails(&old(), "web.example.com/v9"),
        "web.example.com/v9 is not a version of Site (known: v1, v1alpha1)"
    );
    assert_eq!(
        fails(&old(), "example.com/v1"),
        "example.com/v1 is not a version of Site (known: v1, v1alpha1)"
    );
    let object = with(old(), "/apiVersion", json!("web.example.com/v7"));
    assert_eq!(
        fails(&object, "v1"),
        "web.example.com/v7 is not a version of Site (known: v1, v1alpha1)"
    );
    let object = with(old(), "/kind", json!("Page"));
    assert_eq!(
        fails(&object, "v9"),
        "no conversion is registered for web.example.com/v1alpha1 Page (known: Site)"
    );
    assert_eq!(fails(&json!([]), "v1"), "object is not an object");
    assert_eq!(
        fails(&json!({ "kind": "Site" }), "v1"),
        "object has no apiVersion"
    );
    assert_eq!(
        fails(&json!({ "apiVersion": "web.example.com/v1", "kind": 1 }), "v1"),
        "object has no kind"
    );
}

#[test]
fn ver_30_sparse_objects_stay_sparse() {
    for spec in [
        json!(null),
        json!({}),
        json!({ "imageName": "n" }),
        json!({ "tls": {}, "ports": [{}], "source": {} }),
    ] {
        let object = with(old(), "/spec", spec.clone());
        let stored = written(&object);
        assert_eq!(read(&stored), object, "{spec}");
        assert_eq!(saved(&stored), None, "{spec}");
    }
    let object =
        json!({ "apiVersion": "web.example.com/v1alpha1", "kind": "Site", "metadata": { "name": "n" } });
    let stored = written(&object);
    assert_eq!(stored, with(object, "/apiVersion", json!("web.example.com/v1")));
}

#[test]
fn ver_31_a_panic_fails_its_object() {
    let object = with(new(), "/spec/rules", json!({ "lines": ["panic"] }));
    let error = site().convert_value(&object, "v1alpha1").expect_err("it panics");
    assert_eq!(error.code(), 500);
    assert!(matches!(error, ConvertError::Object { panicked: true, .. }));
    assert_eq!(
        error.to_string(),
        "converting Site default/blog from web.example.com/v1 to web.example.com/v1alpha1: spec.rules: panicked: a line \
         that panics"
    );
}

#[test]
fn ver_25_an_object_of_the_version_is_returned_unchanged() {
    let text = r#" {"apiVersion":"web.example.com/v1", "kind":"Site","spec":{"a":1 }} "#;
    let mut out = String::new();
    site().convert(text, "v1", &mut out).expect("nothing to do");
    assert_eq!(out, text.trim());
}

#[test]
fn types_by_hand_are_restored_as_a_whole() {
    let object = with(old(), "/spec/rules", json!({ "text": "a\nb\n" }));
    let stored = written(&object);
    assert_eq!(at(&stored, "/spec/rules"), Some(&json!({ "lines": ["a", "b"] })));
    assert_eq!(read(&stored), object, "the last line's end is kept");
}

#[test]
fn flattened_structs_convert_in_place() {
    let object = with(old(), "/spec/team", json!("t"));
    let stored = written(&object);
    assert_eq!(at(&stored, "/spec/squad"), Some(&json!("t")));
    let stored = with(stored, "/spec/pager", json!("p"));
    let shown = read(&stored);
    assert_eq!(
        saved(&shown),
        Some(json!({ "v1": { "set": [[["spec", "pager"], "p"]] } }))
    );
    assert_eq!(written(&shown), stored);
}

#[test]
fn ver_08_functions_of_options_see_absent_and_null() {
    // Nothing in this kind takes an Option: the shim says so.
    use crate::convert::shim::{Ask, Said, map};
    let some = |ask| map(|value: Option<i64>| value.map(|value| value + 1), ask);
    assert!(matches!(some(Ask::TakesNull), Ok(Said::TakesNull(true))));
    let plain = |ask| map(|value: i64| value + 1, ask);
    assert!(matches!(plain(Ask::TakesNull), Ok(Said::TakesNull(false))));
    let Ok(Said::Json(text)) = some(Ask::Value("1")) else {
        panic!("a value")
    };
    assert_eq!(text, "2");
}
