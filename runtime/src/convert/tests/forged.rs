//! Annotations that no conversion wrote, and clients that write null for what they were not shown.

use serde_json::{Value, json};

use super::{kinds, small};
use crate::convert::{Converter, VersionLink};

fn convert(newest: &'static VersionLink, object: &Value, to: &str) -> Value {
    Converter::of_link(newest)
        .convert_value(object, to)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The spec of `object` with a forged annotation, after the way to `to`, and what its writer sees then.
fn forged(object: &Value, saved: &Value, to: &str) -> (Value, Value) {
    let mut forged = object.clone();
    let key = "conversion.web.example.com/preserved";
    forged["metadata"]["annotations"] = json!({ key: saved.to_string() });
    let written = convert(&kinds::V1, &forged, to);
    let from = object["apiVersion"].as_str().expect("a version");
    let seen = convert(&kinds::V1, &written, from);
    (written["spec"].clone(), seen["spec"].clone())
}

fn old(more: Value) -> Value {
    let mut spec = json!({ "replicas": 1, "ingress": { "host": "h" } });
    spec.as_object_mut()
        .expect("an object")
        .append(&mut more.as_object().expect("an object").clone());
    json!({
        "apiVersion": "web.example.com/v1alpha1", "kind": "Site", "metadata": { "name": "a" }, "spec": spec,
    })
}

#[test]
fn ver_19_no_null_comes_where_the_client_has_nothing() {
    let without = old(json!({}));
    let saved = json!({ "v1": { "set": [[["spec", "tls"], null]] } });
    let (written, seen) = forged(&without, &saved, "v1");
    assert_eq!(seen, without["spec"]);
    assert_eq!(written.get("tls"), None);
    // Through `moved`.
    let tls = old(json!({ "tls": { "minVersion": "1" } }));
    let saved = json!({ "v1": { "set": [[["spec", "ingress", "certSecret"], null]] } });
    let (written, seen) = forged(&tls, &saved, "v1");
    assert_eq!(seen, tls["spec"]);
    assert_eq!(written["ingress"], json!({ "host": "h" }));
    // Inside of a value that is kept as a whole.
    let source = old(json!({ "source": { "type": "Git", "url": "u" } }));
    let value = json!({ "type": "Git", "address": "u", "other": null });
    let saved = json!({ "v1": { "set": [[["spec", "source"], value]] } });
    let (_, seen) = forged(&source, &saved, "v1");
    assert_eq!(seen, source["spec"]);
}

#[test]
fn ver_19_no_null_of_the_client_goes_where_no_function_reads_it() {
    let null = old(json!({ "tls": null, "owner": null }));
    let saved = json!({ "v1": { "del": [["spec", "tls"]] } });
    let (written, seen) = forged(&null, &saved, "v1");
    assert_eq!(seen, null["spec"]);
    assert_eq!(written["tls"], Value::Null);
    assert!(written.as_object().expect("an object").contains_key("tls"));
}

#[test]
fn ver_19_no_member_comes_that_the_version_does_not_declare() {
    let object = json!({
        "apiVersion": "web.example.com/v1", "kind": "Site", "metadata": { "name": "a" },
        "spec": { "ingress": { "host": "h", "certSecret": "c" } },
    });
    let saved = json!({
        "v1alpha1": { "set": [[["spec", "ingress"], { "host": "h", "secretName": "s" }]] },
    });
    let (written, seen) = forged(&object, &saved, "v1alpha1");
    assert_eq!(seen, object["spec"]);
    assert_eq!(written["ingress"], json!({ "host": "h" }));
    assert_eq!(written["tls"]["secretName"], "c");
    // Nor is one changed, or taken away.
    let unknown = old(json!({ "ingress": { "host": "h", "extra": 1 } }));
    for ingress in [json!({ "host": "h", "extra": 2 }), json!({ "host": "h" })] {
        let saved = json!({ "v1": { "set": [[["spec", "ingress"], ingress]] } });
        let (written, seen) = forged(&unknown, &saved, "v1");
        assert_eq!(seen, unknown["spec"]);
        assert_eq!(written["ingress"], json!({ "host": "h", "extra": 1 }));
    }
}

#[test]
fn ver_18_a_typed_client_that_writes_null_for_what_it_was_not_shown_loses_nothing() {
    let stored = json!({
        "apiVersion": "s.example.com/v2", "kind": "Small", "metadata": { "name": "a" }, "count": -5,
    });
    let mut shown = convert(&small::V2, &stored, "v1");
    assert_eq!(shown.get("count"), None, "the function gives None");
    shown["count"] = Value::Null;
    let written = convert(&small::V2, &shown, "v2");
    assert_eq!(written["count"], -5);
    let again = convert(&small::V2, &written, "v1");
    assert_eq!(again["count"], Value::Null);
    assert!(
        again.as_object().expect("an object").contains_key("count"),
        "its null is kept"
    );
    // A value is an edit.
    shown["count"] = json!(1);
    assert_eq!(convert(&small::V2, &shown, "v2")["count"], 2);
}
