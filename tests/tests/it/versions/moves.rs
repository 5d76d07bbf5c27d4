//! The storage version moves on, and the oldest version leaves (VER-44 to VER-47).

use kubewright::migrate::StorageMigration;
use serde_json::{Value, json};
use site::api::v1;

use super::{DEFINITION, Sites, plain, site, uri};
use crate::ask::{Answer, apply, delete, get, post, put, until};

fn sites_of(version: &str) -> Value {
    let old = json!({
        "address": "a.example.com:80", "imageName": "a:1", "timeoutSeconds": 1, "strategy": "Manual", "note": "old",
    });
    match version {
        "v1alpha1" => site(version, "moved-v1alpha1", old),
        _ => {
            let mut site = plain("moved-v1");
            site["spec"]["class"] = "metal".into();
            site
        }
    }
}

async fn without(sites: &Sites, version: &str) -> Answer {
    let mut definition = get(&sites.client, DEFINITION).await.ok();
    let versions = definition["spec"]["versions"].as_array_mut().unwrap();
    versions.retain(|one| one["name"] != version);
    put(&sites.client, DEFINITION, &definition).await
}

pub(super) async fn suite(sites: &Sites) {
    let client = &sites.client;
    for version in ["v1alpha1", "v1"] {
        post(client, &uri(version, "sites"), &sites_of(version))
            .await
            .ok();
    }
    let path = uri("v1alpha1", "sites/moved-v1?fieldManager=old");
    let note = json!({
        "apiVersion": "web.example.com/v1alpha1", "kind": "Site", "metadata": {"name": "moved-v1"}, "spec": {"note": "n"},
    });
    apply(client, &path, &note).await.ok();
    assert_eq!(sites.stored().await, json!(["v1beta1"]));
    let mut before = Vec::new();
    for name in ["moved-v1alpha1", "moved-v1"] {
        for version in super::VERSIONS {
            before.push(sites.spec(version, name).await);
        }
    }

    sites.install("v1").await;
    assert_eq!(sites.stored().await, json!(["v1beta1", "v1"]));
    // VER-45: as long as objects may be stored in a version, it stays.
    let refused = without(sites, "v1beta1").await;
    let (code, message) = refused.failure();
    assert_eq!(code, 422);
    let said = "status.storedVersions[0]: Invalid value: \"v1beta1\": missing from spec.versions; v1beta1 was previously \
                a storage version, and must remain in spec.versions until a storage migration ensures no data remains \
                persisted in v1beta1 and removes v1beta1 from status.storedVersions";
    assert!(message.contains(said), "{message}");

    let migration = StorageMigration::of::<v1::Site>(client);
    let report = migration.run().await.unwrap();
    assert_eq!((report.seen, report.written, report.passed), (2, 2, 0));
    assert_eq!(sites.stored().await, json!(["v1"]));
    let mut after = Vec::new();
    for name in ["moved-v1alpha1", "moved-v1"] {
        for version in super::VERSIONS {
            after.push(sites.spec(version, name).await);
        }
    }
    // VER-9: the defaults of v1 are now those of every reader that knows the fields.
    before[1]["replicas"] = after[1]["replicas"].clone();
    for (before, replicas) in before.iter_mut().zip([1, 1, 1, 2, 2, 2]) {
        before["replicas"] = replicas.into();
    }
    assert_eq!(after, before);
}

pub(super) async fn the_oldest_leaves(sites: &Sites) {
    let client = &sites.client;
    let migration = StorageMigration::of::<v1::Site>(client);
    let report = migration.release_owners(&["v1alpha1"]).await.unwrap();
    assert!(report.changed >= 2, "{report:?}");
    without(sites, "v1alpha1").await.ok();
    until("the version to leave", async || {
        get(client, &uri("v1alpha1", "sites?limit=1")).await.code == 404
    })
    .await;
    // What only the oldest version showed is kept even now, and whoever applies is served.
    for (name, manager) in [("moved-v1alpha1", "next"), ("moved-v1", "next")] {
        let wanted = json!({
            "apiVersion": "web.example.com/v1beta1", "kind": "Site", "metadata": {"name": name}, "spec": {"cache": "1Gi"},
        });
        let path = uri("v1beta1", &format!("sites/{name}?fieldManager={manager}"));
        let applied = apply(client, &path, &wanted).await.ok();
        assert_eq!(applied["spec"]["cache"], "1Gi");
        let read = sites.at("v1", name).await;
        assert_eq!(read["spec"]["cacheMib"], 1024);
        let kept = read["metadata"]["annotations"][super::KEPT].as_str().unwrap();
        assert!(kept.contains("\"v1alpha1\""), "{kept}");
        delete(client, &uri("v1", &format!("sites/{name}"))).await.ok();
    }
}
