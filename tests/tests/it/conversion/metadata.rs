//! What a server takes of the metadata that a converter answers with (VER-26), and how it asks (VER-29).

use kubewright::kube;
use kubewright_tests::Webhook;
use serde_json::{Value, json};

use super::{GROUP, Server, review, uri};
use crate::ask::{delete, get, post, put};

const WHO: &str = "conversion webhook for convert.example/v1, Kind=Site";

fn site(name: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "Site",
        "metadata": {
            "name": name, "labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["convert.example/kept"],
        },
        "spec": {"host": "meta", "port": 84},
    })
}

/// Lets the converter change what it says of each object's metadata.
fn answers(hook: &Webhook, change: impl Fn(&mut Value) + Send + Sync + 'static) {
    hook.set(move |_, body| {
        let (code, text) = review(body);
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        for object in answer["response"]["convertedObjects"].as_array_mut().unwrap() {
            change(object);
        }
        (code, answer.to_string())
    });
}

pub(super) async fn suite(client: &kube::Client, hook: &Webhook, server: Server) {
    ver_26_labels_and_annotations_are_the_converters_all_else_is_restored(client, hook).await;
    ver_26_who_an_object_is_is_checked(client, hook).await;
    ver_29_objects_are_asked_for_in_plain_json(client, hook, server).await;
    hook.set(|_, body| review(body));
}

async fn remove(client: &kube::Client, hook: &Webhook, name: &str) {
    hook.set(|_, body| review(body));
    let path = uri("v1", &format!("sites/{name}"));
    let mut site = get(client, &path).await.ok();
    site["metadata"]["finalizers"] = json!([]);
    put(client, &path, &site).await.ok();
    delete(client, &path).await.ok();
}

async fn ver_26_labels_and_annotations_are_the_converters_all_else_is_restored(
    client: &kube::Client,
    hook: &Webhook,
) {
    answers(hook, |object| {
        let metadata = &mut object["metadata"];
        let changed = json!({
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "labels": {"new": "label"}, "annotations": {"new": "annotation"}, "creationTimestamp": null,
            "generation": 99, "resourceVersion": "1", "generateName": "g-", "finalizers": ["other.example/f"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}], "managedFields": [], "selfLink": "/x", "unknown": 1,
            "deletionTimestamp": "2020-01-01T00:00:00Z",
        });
        *metadata = changed;
    });
    let made = post(client, &uri("v1", "sites"), &site("restored")).await.ok();
    let read = get(client, &uri("v1beta1", "sites/restored")).await.ok();
    let mut expected = made["metadata"].clone();
    expected["labels"] = json!({"new": "label"});
    expected["annotations"] = json!({"new": "annotation"});
    assert_eq!(read["metadata"], expected);
    assert_eq!(read["spec"]["address"], "meta:84");
    // On the way to the stored version just so: what is stored is what the converter said of these two.
    let written = put(client, &uri("v1beta1", "sites/restored"), &{
        let mut read = read.clone();
        read["spec"]["address"] = "meta:85".into();
        read["metadata"]["labels"]["mine"] = "x".into();
        read
    })
    .await
    .ok();
    assert_eq!(written["metadata"]["labels"], json!({"new": "label"}));
    let stored = get(client, &uri("v1", "sites/restored")).await.ok();
    assert_eq!(stored["metadata"]["labels"], json!({"new": "label"}));
    assert_eq!(stored["metadata"]["annotations"], json!({"new": "annotation"}));
    for field in [
        "uid",
        "creationTimestamp",
        "finalizers",
        "ownerReferences",
        "generateName",
    ] {
        assert_eq!(stored["metadata"][field], made["metadata"][field], "{field}");
    }
    assert_eq!(stored["metadata"]["generation"], 2);
    assert_eq!(stored["metadata"].get("deletionTimestamp"), None);
    remove(client, hook, "restored").await;
    // What it leaves out is gone.
    answers(hook, |object| {
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.retain(|field, _| matches!(field.as_str(), "name" | "namespace" | "uid"));
    });
    let made = post(client, &uri("v1", "sites"), &site("bare")).await.ok();
    let read = get(client, &uri("v1beta1", "sites/bare")).await.ok();
    let mut expected = made["metadata"].clone();
    for field in ["labels", "annotations"] {
        expected.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(read["metadata"], expected);
    remove(client, hook, "bare").await;
}

async fn ver_26_who_an_object_is_is_checked(client: &kube::Client, hook: &Webhook) {
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 6] = [
        (
            "named",
            |object| object["metadata"]["name"] = "other".into(),
            " returned invalid object: must have the same name: named != other",
        ),
        (
            "placed",
            |object| object["metadata"]["namespace"] = "other".into(),
            " returned invalid object: must have the same namespace: default != other",
        ),
        (
            "numbered",
            |object| object["metadata"]["uid"] = "other".into(),
            " returned invalid object: must have the same UID: {uid} != other",
        ),
        (
            "without",
            |object| {
                object.as_object_mut().unwrap().remove("metadata");
            },
            " returned invalid object: must have the same name: without != ",
        ),
        (
            "typed",
            |object| object["metadata"]["labels"] = json!({"a": 1}),
            " returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object",
        ),
        (
            "listed",
            |object| object["metadata"]["annotations"] = json!([]),
            " returned invalid metadata: invalid metadata.annotations of type []interface {} in converted object",
        ),
    ];
    for (name, change, text) in cases {
        answers(hook, change);
        let made = post(client, &uri("v1", "sites"), &site(name)).await.ok();
        let uid = made["metadata"]["uid"].as_str().unwrap();
        let refused = get(client, &uri("v1beta1", &format!("sites/{name}"))).await;
        let expected = format!("{WHO}{}", text.replace("{uid}", uid));
        assert_eq!(refused.failure(), (500, &*expected), "{name}");
        remove(client, hook, name).await;
    }
}

/// A list is a review for each of its objects on a real server, whose cache asks as objects come by; the one in the process
/// asks for all at once. Neither compresses, since what was seen is read as JSON here.
async fn ver_29_objects_are_asked_for_in_plain_json(client: &kube::Client, hook: &Webhook, server: Server) {
    hook.set(|_, body| review(body));
    hook.seen();
    let names: Vec<String> = (0..5).map(|index| format!("listed-{index}")).collect();
    for name in &names {
        post(client, &uri("v1", "sites"), &site(name)).await.ok();
    }
    let list = get(client, &uri("v1beta1", "sites?labelSelector=served-as%3Dv1beta1"))
        .await
        .ok();
    let items = list["items"].as_array().unwrap().iter();
    let listed: Vec<&str> = items
        .filter_map(|item| item["metadata"]["name"].as_str())
        .filter(|name| name.starts_with("listed-"))
        .collect();
    assert_eq!(listed, names);
    let mut asked = Vec::new();
    let mut sizes = Vec::new();
    for (_, body) in hook.seen() {
        let review: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(review["kind"], "ConversionReview");
        assert_eq!(review["request"]["desiredAPIVersion"], format!("{GROUP}/v1beta1"));
        let objects = review["request"]["objects"].as_array().unwrap();
        sizes.push(objects.len());
        asked.extend(objects.iter().map(|object| object["metadata"]["name"].clone()));
    }
    for name in &names {
        assert!(asked.contains(&json!(name)), "{name} is not in {asked:?}");
    }
    match server {
        Server::Real => assert!(sizes.iter().all(|size| *size == 1), "{sizes:?}"),
        Server::Dev => assert_eq!(sizes.len(), 1, "{sizes:?}"),
    }
    for name in &names {
        remove(client, hook, name).await;
    }
}
