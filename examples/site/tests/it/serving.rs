//! Objects of three versions on a server that converts them.

use kubewright::Client;
use kubewright::cache::{Delta, InformerFactory};
use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube::Api;
use kubewright::kube::api::{ApiResource, DynamicObject};
use kubewright::migrate::StorageMigration;
use kubewright_apiserver::{CrdSource, DevServer};
use serde_json::json;
use site::api::{v1, v1alpha1};

use crate::PRESERVED;
use crate::harness::{CRD, DEADLINE, apply, full, get, merge, post, put, server};

const VERSIONS: [&str; 3] = ["v1alpha1", "v1beta1", "v1"];

#[test]
fn ver_36_the_definition_is_that_of_the_types() {
    let definition = site::install::definition().unwrap();
    let versions: Vec<_> = definition
        .spec
        .versions
        .iter()
        .map(|version| {
            (
                &*version.name,
                version.served,
                version.storage,
                version.deprecated,
            )
        })
        .collect();
    assert_eq!(
        versions,
        [
            ("v1", true, true, None),
            ("v1beta1", true, false, None),
            ("v1alpha1", true, false, Some(true))
        ]
    );
    kubewright::build::crds()
        .add_definition(definition)
        .check(concat!(env!("CARGO_MANIFEST_DIR"), "/crds"))
        .unwrap();
}

#[tokio::test]
async fn ver_22_what_is_written_at_a_version_is_read_at_it() {
    let server = server().await;
    let client = server.client();
    for written in VERSIONS {
        let made = post(&client, written, written, &full(written)).await;
        let deprecated = made
            .warnings
            .iter()
            .any(|warning| warning.contains("is deprecated"));
        assert_eq!(deprecated, written == "v1alpha1", "{:?}", made.warnings);
        assert_eq!(made.ok()["spec"], full(written), "{written}");
        let mut kept = Vec::new();
        for _ in 0..2 {
            for read in VERSIONS {
                // A client of each version reads it, and writes it back as it found it.
                let seen = get(&client, read, written).await;
                assert_eq!(seen["apiVersion"], format!("web.example.com/{read}"));
                let put = put(&client, read, &seen).await.ok();
                assert_eq!(put["spec"], seen["spec"], "{written} at {read}");
            }
            let left = get(&client, written, written).await;
            assert_eq!(left["spec"], full(written), "{written}");
            kept.push(left["metadata"]["annotations"].clone());
        }
        assert_eq!(kept[0], kept[1], "what is kept does not grow");
    }
}

#[tokio::test]
async fn ver_16_an_edit_at_an_old_version_leaves_the_rest() {
    let server = server().await;
    let client = server.client();
    post(&client, "v1", "blog", &full("v1")).await.ok();
    for (version, patch) in [
        ("v1alpha1", json!({"spec": {"imageName": "blog:2"}})),
        ("v1beta1", json!({"spec": {"image": "blog:3"}})),
    ] {
        merge(&client, version, "/blog", &patch).await.ok();
        let mut expected = full("v1");
        expected["image"] = get(&client, "v1", "blog").await["spec"]["image"].clone();
        assert_eq!(get(&client, "v1", "blog").await["spec"], expected, "{version}");
    }
    assert_eq!(get(&client, "v1", "blog").await["spec"]["image"], "blog:3");
}

#[tokio::test]
async fn ver_18_an_edit_of_what_was_kept_beside_it_counts() {
    let server = server().await;
    let client = server.client();
    post(&client, "v1", "blog", &full("v1")).await.ok();
    // The strategy that an old client chooses is what it chose; one port goes, the other keeps its protocol.
    let patch = json!({"spec": {
        "strategy": "Recreate", "ports": [{"name": "admin", "port": 9191}], "timeoutSeconds": 7,
    }});
    merge(&client, "v1alpha1", "/blog", &patch).await.ok();
    let mut expected = full("v1");
    expected["strategy"] = "Recreate".into();
    expected["ports"] = json!([{"name": "admin", "number": 9191, "appProtocol": "https"}]);
    expected["timeoutMillis"] = 7000.into();
    assert_eq!(get(&client, "v1", "blog").await["spec"], expected);
}

#[tokio::test]
async fn ver_21_without_the_annotation_the_kept_part_is_gone() {
    let server = server().await;
    let client = server.client();
    post(&client, "v1", "blog", &full("v1")).await.ok();
    let mut seen = get(&client, "v1beta1", "blog").await;
    assert!(seen["metadata"]["annotations"][PRESERVED].is_string());
    seen["metadata"]["annotations"] = json!({"mine": "alone"});
    put(&client, "v1beta1", &seen).await.ok();
    let left = get(&client, "v1", "blog").await;
    assert_eq!(left["spec"]["strategy"], "Rolling");
    assert_eq!(left["spec"]["retries"], 1, "what older objects get");
    assert_eq!(left["metadata"]["annotations"], json!({"mine": "alone"}));
}

#[tokio::test]
async fn ver_27_what_cannot_be_converted_is_told_by_its_name() {
    let server = server().await;
    let client = server.client();
    let mut spec = full("v1alpha1");
    spec["address"] = "blog.example.com:99999".into();
    let refused = post(&client, "v1alpha1", "blog", &spec).await;
    assert_eq!(
        refused.refused(),
        (
            500,
            "conversion webhook for web.example.com/v1alpha1, Kind=Site failed: converting Site default/blog from \
             web.example.com/v1alpha1 to web.example.com/v1: spec.address: 99999 is no port"
        )
    );
    // A variant that old clients must not see.
    let mut spec = full("v1");
    spec["content"] = json!({"type": "Proxy", "upstream": "https://example.com"});
    post(&client, "v1", "proxy", &spec).await.ok();
    let old: Api<DynamicObject> = Api::namespaced_with(
        client.clone(),
        "default",
        &ApiResource::erase::<v1alpha1::Site>(&()),
    );
    let error = old.get("proxy").await.unwrap_err().to_string();
    assert!(error.contains("converting Site default/proxy"), "{error}");
    assert!(error.contains("spec.content"), "{error}");
}

#[tokio::test]
async fn ver_13_the_status_has_versions_too() {
    let server = server().await;
    let client = server.client();
    post(&client, "v1", "blog", &full("v1")).await.ok();
    let condition = json!({"type": "Ready", "status": "False", "message": "one is down"});
    let status = json!({"readyReplicas": 1, "observedGeneration": 1, "conditions": [condition]});
    merge(&client, "v1", "/blog/status", &json!({"status": status}))
        .await
        .ok();
    assert_eq!(
        get(&client, "v1alpha1", "blog").await["status"],
        json!({"ready": 1})
    );
    // The old controller knows a message, and nothing of conditions.
    let patch = json!({"status": {"message": "all is well", "ready": 2}});
    merge(&client, "v1alpha1", "/blog/status", &patch).await.ok();
    let seen = get(&client, "v1", "blog").await["status"].clone();
    assert_eq!(
        seen,
        json!({"readyReplicas": 2, "observedGeneration": 1, "conditions": [condition]})
    );
    assert_eq!(
        get(&client, "v1alpha1", "blog").await["status"],
        json!({"ready": 2, "message": "all is well"})
    );
}

#[tokio::test]
async fn api_80_a_watch_at_an_old_version_shows_it() {
    let server = server().await;
    let client = server.client();
    post(&client, "v1", "first", &full("v1")).await.ok();
    let sites: Client<v1alpha1::Site> = Client::new(client.clone());
    let factory = InformerFactory::new(&sites);
    let mut changes = factory.informer::<v1alpha1::Site>().subscribe();
    factory.start();
    let mut next = async || {
        let delta = tokio::time::timeout(DEADLINE, changes.recv())
            .await
            .unwrap()
            .unwrap();
        let kind = match &delta {
            Delta::Added(_) => "added",
            Delta::Updated { .. } => "updated",
            Delta::Deleted { .. } => "deleted",
        };
        let site = delta.object();
        (
            kind,
            site.metadata.name.clone().unwrap(),
            site.spec.image_name.clone(),
            site.spec.strategy,
        )
    };
    let (rolling, manual) = (v1alpha1::Strategy::Rolling, v1alpha1::Strategy::Manual);
    let line = |kind, name: &str, image: &str, strategy| (kind, name.to_owned(), image.to_owned(), strategy);
    assert_eq!(
        next().await,
        line("added", "first", "blog:1", rolling),
        "a canary is rolling to it"
    );
    post(&client, "v1alpha1", "second", &full("v1alpha1")).await.ok();
    assert_eq!(next().await, line("added", "second", "blog:1", manual));
    merge(&client, "v1", "/first", &json!({"spec": {"image": "blog:2"}}))
        .await
        .ok();
    assert_eq!(next().await, line("updated", "first", "blog:2", rolling));
    // The newest client deletes what the oldest wrote.
    let newest: Api<v1::Site> = Api::namespaced(client.clone(), "default");
    newest.delete("second", &Default::default()).await.unwrap();
    assert_eq!(next().await, line("deleted", "second", "blog:1", manual));
    factory.shutdown();
}

#[tokio::test]
async fn ver_30_sparse_applies_at_several_versions() {
    let server = server().await;
    let client = server.client();
    let mut spec = full("v1");
    spec.as_object_mut().unwrap().remove("replicas");
    apply(&client, "v1", "owner", "blog", &spec).await.ok();
    let given = get(&client, "v1", "blog").await["spec"]["replicas"].clone();
    assert_eq!(given, 1, "the default");
    // Replicas alone, at the oldest version: without a host, to which a port belongs, without all that a site needs.
    let applied = apply(&client, "v1alpha1", "scaler", "blog", &json!({"replicas": 9}))
        .await
        .ok();
    assert_eq!(applied["spec"]["replicas"], 9);
    let mut expected = full("v1");
    expected["replicas"] = 9.into();
    assert_eq!(get(&client, "v1", "blog").await["spec"], expected);
    // Half of a group: the port alone, which v1alpha1 has no field for.
    apply(&client, "v1beta1", "porter", "blog", &json!({"port": 8080}))
        .await
        .ok();
    assert_eq!(get(&client, "v1", "blog").await["spec"], expected);
    let entries = get(&client, "v1", "blog").await["metadata"]["managedFields"].clone();
    let owned = |manager: &str| {
        let mut entries = entries.as_array().unwrap().iter();
        entries.find(|entry| entry["manager"] == manager).unwrap().clone()
    };
    assert_eq!(owned("scaler")["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(owned("porter")["fieldsV1"], json!({"f:spec": {"f:port": {}}}));
    // Somebody else's field is a conflict, told at the version of its owner.
    let refused = apply(
        &client,
        "v1alpha1",
        "scaler",
        "blog",
        &json!({"imageName": "blog:2"}),
    )
    .await;
    assert_eq!(
        refused.refused(),
        (
            409,
            "Apply failed with 1 conflict: conflict with \"owner\": .spec.image"
        )
    );
    // Left out by the only one who owned it, and filled in by the server again.
    apply(&client, "v1alpha1", "scaler", "blog", &json!({}))
        .await
        .ok();
    expected["replicas"] = 1.into();
    assert_eq!(get(&client, "v1", "blog").await["spec"], expected);
}

#[tokio::test]
async fn ver_44_to_46_objects_move_to_the_storage_version_and_owners_are_released() {
    let server = server().await;
    let client = server.client();
    let mut definition = site::install::definition().unwrap();
    for version in &mut definition.spec.versions {
        version.storage = version.name == "v1beta1";
    }
    server.install_crds([CrdSource::from(definition)]).await.unwrap();
    for version in VERSIONS {
        post(&client, version, version, &full(version)).await.ok();
    }
    apply(
        &client,
        "v1alpha1",
        "scaler",
        "v1",
        &json!({"imageName": "blog:1"}),
    )
    .await
    .ok();
    server.install_crds([CRD]).await.unwrap();
    // The version that was stored at the beginning is among them, since the first definition said so.
    assert_eq!(stored_versions(&server).await, ["v1", "v1beta1"]);
    let migration = StorageMigration::of::<v1::Site>(&client);
    let report = migration.run().await.unwrap();
    assert_eq!((report.seen, &*report.storage), (3, "v1"));
    assert_eq!(stored_versions(&server).await, ["v1"]);
    for version in VERSIONS {
        let left = get(&client, version, version).await;
        assert_eq!(left["spec"], full(version), "{version}");
    }
    let owners = migration.release_owners(&["v1alpha1"]).await.unwrap();
    assert_eq!((owners.seen, owners.changed, owners.entries), (3, 2, 2));
    for version in VERSIONS {
        let entries = get(&client, "v1", version).await["metadata"]["managedFields"].clone();
        let mut entries = entries.as_array().unwrap().iter();
        assert!(entries.all(|entry| entry["apiVersion"] != "web.example.com/v1alpha1"));
    }
}

async fn stored_versions(server: &DevServer) -> Vec<String> {
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client());
    let definition = definitions.get("sites.web.example.com").await.unwrap();
    let mut stored = definition.status.unwrap().stored_versions.unwrap();
    stored.sort();
    stored
}
