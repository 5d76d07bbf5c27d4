//! Conversion by itself, without a server.

use kubewright::convert::Converter;
use serde_json::{Value, json};
use site::api::v1;

use crate::PRESERVED;

fn convert(object: &Value, to: &str) -> Value {
    Converter::of::<v1::Site>().convert_value(object, to).unwrap()
}

/// What a server makes of an object that it is sent, as far as it concerns these: no null survives.
fn stored(mut object: Value) -> Value {
    fn drop_nulls(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|_, value| !value.is_null());
                members.values_mut().for_each(drop_nulls);
            }
            Value::Array(items) => items.iter_mut().for_each(drop_nulls),
            _ => {}
        }
    }
    drop_nulls(&mut object);
    object
}

fn site(version: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("web.example.com/{version}"), "kind": "Site", "metadata": {"name": "blog"}, "spec": spec,
    })
}

#[test]
fn ver_18_a_function_s_none_is_not_taken_for_an_edit() {
    let new = site(
        "v1",
        &json!({
            "host": "blog", "port": 80, "image": "blog:1", "timeoutMillis": 3000, "retries": 3, "tier": "Gold",
            "strategy": "Rolling", "memoryMib": 64,
            "content": {"type": "Artifact", "reference": "r", "source": "https://git"},
        }),
    );
    for version in ["v1beta1", "v1alpha1"] {
        let old = stored(convert(&new, version));
        assert_eq!(
            old["spec"]["content"],
            json!({"type": "Git", "url": "https://git"})
        );
        assert_eq!(convert(&old, "v1")["spec"], new["spec"], "{version}");
    }
}

#[test]
fn ver_12_what_moved_moves_back_and_leaves_no_container() {
    let old = site(
        "v1alpha1",
        &json!({
            "address": "blog:80", "imageName": "blog:1", "timeoutSeconds": 3, "legacyMode": false, "strategy": "Rolling",
            "tls": {"secretName": "blog-tls"},
        }),
    );
    for version in ["v1beta1", "v1"] {
        let mut new = stored(convert(&old, version));
        assert_eq!(new["spec"]["ingress"], json!({"certSecret": "blog-tls"}));
        assert_eq!(new["spec"]["tls"], json!({}));
        assert_eq!(convert(&new, "v1alpha1"), old, "{version}");
        // Beside an edit too.
        new["spec"]["image"] = "blog:2".into();
        let mut edited = old.clone();
        edited["spec"]["imageName"] = "blog:2".into();
        assert_eq!(convert(&new, "v1alpha1"), edited, "{version}");
    }
    assert!(convert(&old, "v1")["metadata"]["annotations"][PRESERVED].is_string());
}
#[test]
fn ver_19_what_changed_at_one_step_and_is_gone_at_the_next_comes_back() {
    let new = site("v1", &crate::harness::full("v1"));
    let mut old = stored(convert(&new, "v1alpha1"));
    assert_eq!(convert(&old, "v1")["spec"], new["spec"]);
    // Of another type than v1 has there; what is v1beta1's is none.
    let text = old["metadata"]["annotations"][PRESERVED].as_str().unwrap();
    let forged = text.replace("\"requestsPerMinute\":60", "\"rate\":60");
    assert_ne!(text, forged);
    old["metadata"]["annotations"][PRESERVED] = forged.into();
    let mut without = new["spec"].clone();
    without.as_object_mut().unwrap().remove("limits");
    assert_eq!(convert(&old, "v1")["spec"], without);
}
