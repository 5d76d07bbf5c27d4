//! Five thousand objects, written at the stored version and listed at an old one.

use std::time::Instant;

use futures::{StreamExt as _, stream};
use serde_json::json;

use super::{GROUP, Sites, plain};
use crate::ask::{events, get, merge, post, send};

const MANY: usize = 5000;

pub(super) async fn suite(sites: &Sites) {
    let client = &sites.client;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "many"}});
    post(client, "/api/v1/namespaces", &namespace).await.ok();
    let uri = |version: &str, rest: &str| format!("/apis/{GROUP}/{version}/namespaces/many/{rest}");
    let (begun, reviews) = (Instant::now(), sites.reviews());
    stream::iter(0..MANY)
        .for_each_concurrent(32, |index| async move {
            let mut site = plain(&format!("many-{index:04}"));
            site["metadata"]["namespace"] = "many".into();
            site["spec"]["port"] = (index + 1).into();
            site["spec"]["class"] = "metal".into();
            let made = post(client, &format!("/apis/{GROUP}/v1/namespaces/many/sites"), &site).await;
            made.ok();
        })
        .await;
    println!(
        "versions: {MANY} created in {:?}, {} reviews",
        begun.elapsed(),
        sites.reviews() - reviews
    );

    for (version, query) in [
        ("v1beta1", ""),
        ("v1beta1", ""),
        ("v1alpha1", ""),
        ("v1alpha1", "?resourceVersion=0"),
    ] {
        let (begun, reviews) = (Instant::now(), sites.reviews());
        let list = get(client, &uri(version, &format!("sites{query}"))).await.ok();
        println!(
            "versions: {MANY} listed at {version}{query} in {:?}, {} reviews",
            begun.elapsed(),
            sites.reviews() - reviews
        );
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), MANY);
        for (index, item) in items.iter().enumerate() {
            let name = format!("many-{index:04}");
            let (place, port) = (format!("{name}.example.com:{}", index + 1), index + 1);
            assert_eq!(item["metadata"]["name"], name);
            match version {
                "v1alpha1" => assert_eq!(item["spec"]["address"], place),
                _ => assert_eq!(
                    (&item["spec"]["port"], &item["spec"]["memory"]),
                    (&json!(port), &json!("128Mi"))
                ),
            }
        }
    }
    // In pages they are read from the store, not from what the server keeps of them.
    let (begun, reviews) = (Instant::now(), sites.reviews());
    let (mut seen, mut next) = (0, String::new());
    loop {
        let page = uri("v1alpha1", &format!("sites?limit=500&continue={next}"));
        let list = get(client, &page).await.ok();
        seen += list["items"].as_array().unwrap().len();
        match list["metadata"]["continue"].as_str() {
            Some(token) if !token.is_empty() => next = token.to_owned(),
            _ => break,
        }
    }
    assert_eq!(seen, MANY);
    println!(
        "versions: {MANY} listed in pages in {:?}, {} reviews",
        begun.elapsed(),
        sites.reviews() - reviews
    );

    let list = get(client, &uri("v1alpha1", "sites?limit=1")).await.ok();
    let since = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    for index in 0..20 {
        let patch = json!({"spec": {"image": format!("many:{index}"), "class": "glass"}});
        merge(client, &uri("v1", &format!("sites/many-{index:04}")), &patch)
            .await
            .ok();
    }
    let watched = events(
        client,
        &uri("v1alpha1", &format!("sites?watch=true&resourceVersion={since}")),
        20,
    )
    .await;
    for (index, event) in watched.iter().enumerate() {
        assert_eq!(event["type"], "MODIFIED");
        assert_eq!(event["object"]["spec"]["imageName"], format!("many:{index}"));
    }
    send(
        client,
        "DELETE",
        &uri("v1", "sites"),
        "application/json",
        &serde_json::Value::Null,
    )
    .await
    .ok();
}
