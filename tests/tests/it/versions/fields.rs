//! Server-side apply at several versions (VER-23, VER-30): configurations are sparse, and none of them is all of an object.

use kubewright::migrate::StorageMigration;
use serde_json::{Value, json};
use site::api::v1;

use super::{KEPT, Sites, VERSIONS, plain, uri};
use crate::ask::{Answer, apply, delete};

async fn by(sites: &Sites, manager: &str, version: &str, spec: Value, force: bool) -> Answer {
    let object = json!({
        "apiVersion": format!("web.example.com/{version}"), "kind": "Site", "metadata": {"name": "owned"}, "spec": spec,
    });
    let path = uri(
        version,
        &format!("sites/owned?fieldManager={manager}&force={force}"),
    );
    apply(&sites.client, &path, &object).await
}

/// The fields of each manager, with the version that they are named in.
fn owners(object: &Value) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = object["metadata"]["managedFields"].as_array().unwrap().iter();
    let mut owners: Vec<_> = entries
        .map(|entry| {
            let version = text(&entry["apiVersion"]).rsplit('/').next().unwrap().to_owned();
            (text(&entry["manager"]), version, entry["fieldsV1"].clone())
        })
        .collect();
    owners.sort_by(|a, b| a.0.cmp(&b.0));
    owners
}

pub(super) async fn suite(sites: &Sites) {
    ver_30_sparse_configurations_of_several_versions(sites).await;
    ver_23_what_is_left_out_goes_once_old_owners_are_released(sites).await;
}

fn of(owned: &[(String, String, Value)], manager: &str) -> (String, String, Value) {
    owned.iter().find(|(name, ..)| name == manager).cloned().unwrap()
}

async fn ver_30_sparse_configurations_of_several_versions(sites: &Sites) {
    let mut full = plain("owned")["spec"].take();
    full["class"] = "metal".into();
    full["ports"] = json!([{"name": "admin", "number": 9091, "appProtocol": "https"}]);
    by(sites, "web", "v1", full.clone(), false).await.ok();

    // VER-30: one field, at a version that is neither the owner's nor the stored one.
    let applied = by(sites, "note", "v1alpha1", json!({"note": "hello"}), false)
        .await
        .ok();
    assert_eq!(applied["spec"]["note"], "hello");
    let owned = owners(&applied);
    assert_eq!(
        of(&owned, "note"),
        (
            "note".to_owned(),
            "v1alpha1".to_owned(),
            json!({"f:spec": {"f:note": {}}})
        )
    );
    let (_, version, fields) = of(&owned, "web");
    assert_eq!((&*version, &fields["f:spec"]["f:class"]), ("v1", &json!({})));
    assert_eq!(sites.spec("v1", "owned").await["class"], "metal");
    assert_eq!(
        sites.spec("v1", "owned").await["ports"][0]["appProtocol"],
        "https"
    );

    // A second manager at the third version, of an item of a list by key.
    let mount = json!({"ports": [{"name": "metrics", "port": 9090}], "cache": "auto"});
    by(sites, "ports", "v1beta1", mount, false).await.ok();
    let new = sites.spec("v1", "owned").await;
    assert_eq!(new["ports"][0], full["ports"][0]);
    assert_eq!(
        (&new["ports"][1]["name"], &new["cacheMib"]),
        (&json!("metrics"), &json!(256))
    );
    assert_eq!(sites.spec("v1beta1", "owned").await["cache"], "auto");
    assert_eq!(sites.spec("v1alpha1", "owned").await["note"], "hello");

    // The same again is nothing.
    let before = sites.at("v1", "owned").await;
    let again = by(sites, "web", "v1", full.clone(), false).await.ok();
    by(sites, "note", "v1alpha1", json!({"note": "hello"}), false)
        .await
        .ok();
    for version in VERSIONS {
        assert_eq!(
            sites.at(version, "owned").await["metadata"]["resourceVersion"],
            again["metadata"]["resourceVersion"]
        );
    }
    assert_eq!(
        before["metadata"]["resourceVersion"],
        again["metadata"]["resourceVersion"]
    );

    // Somebody else's field, said in the words of the version that owns it.
    let conflict = by(
        sites,
        "note",
        "v1alpha1",
        json!({"note": "hello", "imageName": "note:1"}),
        false,
    )
    .await;
    assert_eq!(
        conflict.failure(),
        (
            409,
            "Apply failed with 1 conflict: conflict with \"web\": .spec.image"
        )
    );
    let forced = by(
        sites,
        "note",
        "v1alpha1",
        json!({"note": "hello", "imageName": "note:1"}),
        true,
    )
    .await
    .ok();
    assert_eq!(forced["spec"]["imageName"], "note:1");
    let (.., fields) = of(&owners(&forced), "web");
    assert_eq!(fields["f:spec"].get("f:image"), None);
    assert_eq!(fields["f:spec"]["f:class"], json!({}));

    // VER-23: a field that the stored version lacks comes back when its owner leaves it out, as long as there are owners
    // at other versions and something else keeps the annotation alive, which to them is one value. Nobody owns it then.
    let note = by(sites, "note", "v1alpha1", json!({"imageName": "note:1"}), false)
        .await
        .ok();
    assert_eq!(note["spec"]["note"], "hello");
    assert_eq!(
        of(&owners(&note), "note").2,
        json!({"f:spec": {"f:imageName": {}}})
    );
    let mut less = full.clone();
    less["image"] = "note:1".into();
    less.as_object_mut().unwrap().remove("class");
    let left = by(sites, "web", "v1", less.clone(), true).await.ok();
    assert_eq!(left["spec"]["class"], "metal");
    assert_eq!(of(&owners(&left), "web").2["f:spec"].get("f:class"), None);
    // What the stored version has goes as it should.
    less.as_object_mut().unwrap().remove("replicas");
    let left = by(sites, "web", "v1", less.clone(), true).await.ok();
    assert_eq!(left["spec"]["replicas"], 1, "the default of v1");
    // An update takes a field away for good.
    sites.merge("v1alpha1", "owned", json!({"note": null})).await;
    assert_eq!(sites.spec("v1alpha1", "owned").await.get("note"), None);
    sites.merge("v1", "owned", json!({"class": null})).await;
    assert_eq!(sites.spec("v1", "owned").await.get("class"), None);
    by(sites, "ports", "v1beta1", json!({"cache": "auto"}), false)
        .await
        .ok();
    assert_eq!(sites.spec("v1", "owned").await["ports"], full["ports"]);
    delete(&sites.client, &uri("v1", "sites/owned")).await.ok();
}

/// An apply that leaves out a field which the stored version lacks, while an owner at another version is there and something
/// else keeps the annotation alive, finds the field restored. Without that owner it goes (VER-46).
async fn ver_23_what_is_left_out_goes_once_old_owners_are_released(sites: &Sites) {
    let mut full = plain("owned")["spec"].take();
    full["class"] = "metal".into();
    full["ports"] = json!([{"name": "admin", "number": 9091, "appProtocol": "https"}]);
    let mut less = full.clone();
    less.as_object_mut().unwrap().remove("class");
    by(sites, "web", "v1", full.clone(), false).await.ok();
    by(sites, "note", "v1alpha1", json!({"note": "hello"}), false)
        .await
        .ok();

    let left = by(sites, "web", "v1", less.clone(), false).await.ok();
    assert_eq!(
        left["spec"]["class"], "metal",
        "restored, though its owner left it out"
    );
    assert_eq!(of(&owners(&left), "web").2["f:spec"].get("f:class"), None);
    let kept = left["metadata"]["annotations"][KEPT].as_str();
    assert_eq!(kept, Some(r#"{"v1alpha1":{"set":[[["spec","note"],"hello"]]}}"#));

    // It is owned anew, the owner at the old version is released, and now it goes.
    by(sites, "web", "v1", full, true).await.ok();
    let migration = StorageMigration::of::<v1::Site>(&sites.client);
    let released = migration.release_owners(&["v1alpha1"]).await.unwrap();
    assert!(released.changed >= 1, "{released:?}");
    let left = by(sites, "web", "v1", less, false).await.ok();
    assert_eq!(left["spec"].get("class"), None);
    let read = sites.spec("v1", "owned").await;
    assert_eq!(read.get("class"), None);
    assert_eq!(
        read["ports"][0]["appProtocol"], "https",
        "what is still said stays"
    );
    assert_eq!(sites.spec("v1alpha1", "owned").await["note"], "hello");
    delete(&sites.client, &uri("v1", "sites/owned")).await.ok();
}
