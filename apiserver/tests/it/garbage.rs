//! Namespaces and dependents end as they should.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy};
use kube::{Api, ResourceExt};
use kubewright_apiserver::DevServer;
use serde_json::json;

const DEADLINE: Duration = Duration::from_secs(10);

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !done().await {
        assert!(begin.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

struct Setting {
    _server: DevServer,
    owners: Api<ConfigMap>,
    dependents: Api<Secret>,
}

/// One owner and `count` dependents that block its deletion.
async fn setting(count: usize) -> Setting {
    let server = DevServer::start().await.expect("the server starts");
    let owners: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let dependents: Api<Secret> = Api::namespaced(server.client(), "default");
    let owner = serde_json::from_value(json!({"metadata": {"name": "owner"}})).expect("a ConfigMap");
    let owner = owners
        .create(&PostParams::default(), &owner)
        .await
        .expect("created");
    for index in 0..count {
        let dependent = json!({"metadata": {"name": format!("d{index}"), "ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid(), "blockOwnerDeletion": true,
        }]}});
        let dependent = serde_json::from_value(dependent).expect("a Secret");
        dependents
            .create(&PostParams::default(), &dependent)
            .await
            .expect("created");
    }
    Setting {
        _server: server,
        owners,
        dependents,
    }
}

async fn delete(setting: &Setting, policy: PropagationPolicy) {
    let params = DeleteParams {
        propagation_policy: Some(policy),
        ..DeleteParams::default()
    };
    setting.owners.delete("owner", &params).await.expect("deleted");
}

#[tokio::test]
async fn api_68_dependents_go_in_the_background() {
    let setting = setting(100).await;
    let begin = Instant::now();
    delete(&setting, PropagationPolicy::Background).await;
    assert!(setting.owners.get_opt("owner").await.expect("read").is_none());
    until("all dependents are gone", async || {
        setting
            .dependents
            .list(&ListParams::default())
            .await
            .expect("listed")
            .items
            .is_empty()
    })
    .await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn api_68_the_owner_goes_last_in_the_foreground() {
    let setting = setting(2).await;
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    setting
        .dependents
        .patch("d0", &PatchParams::default(), &Patch::Merge(hold))
        .await
        .expect("patched");
    delete(&setting, PropagationPolicy::Foreground).await;
    until("the free dependent is gone", async || {
        setting.dependents.get_opt("d1").await.expect("read").is_none()
    })
    .await;
    let owner = setting
        .owners
        .get("owner")
        .await
        .expect("it waits for the held one");
    assert_eq!(owner.finalizers(), ["foregroundDeletion"]);
    let release = json!({"metadata": {"finalizers": null}});
    setting
        .dependents
        .patch("d0", &PatchParams::default(), &Patch::Merge(release))
        .await
        .expect("patched");
    until("the owner is gone", async || {
        setting.owners.get_opt("owner").await.expect("read").is_none()
    })
    .await;
}

#[tokio::test]
async fn api_68_orphans_lose_their_reference() {
    let setting = setting(2).await;
    delete(&setting, PropagationPolicy::Orphan).await;
    until("the owner is gone", async || {
        setting.owners.get_opt("owner").await.expect("read").is_none()
    })
    .await;
    let left = setting
        .dependents
        .list(&ListParams::default())
        .await
        .expect("listed")
        .items;
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|secret| secret.owner_references().is_empty()));
}

#[tokio::test]
async fn api_68_an_owner_with_another_uid_counts_as_absent() {
    let setting = setting(0).await;
    let dependent = json!({"metadata": {"name": "d", "ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "another"},
    ]}});
    let dependent = serde_json::from_value(dependent).expect("a Secret");
    setting
        .dependents
        .create(&PostParams::default(), &dependent)
        .await
        .expect("created");
    until("the dependent is gone", async || {
        setting.dependents.get_opt("d").await.expect("read").is_none()
    })
    .await;
}

#[tokio::test]
async fn api_67_a_namespace_takes_its_content_along_and_tells_what_holds_it() {
    let server = DevServer::start().await.expect("the server starts");
    let namespaces: Api<Namespace> = Api::all(server.client());
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "n1");
    let make = async || {
        let namespace = serde_json::from_value(json!({"metadata": {"name": "n1"}})).expect("a Namespace");
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .expect("created");
    };
    let map = |finalizers: serde_json::Value| -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"name": "a", "finalizers": finalizers}}))
            .expect("a ConfigMap")
    };
    make().await;
    maps.create(&PostParams::default(), &map(json!(["example.com/hold"])))
        .await
        .expect("created");
    namespaces
        .delete("n1", &DeleteParams::default())
        .await
        .expect("deleted");
    until("its condition names the finalizer", async || {
        let status = namespaces.get("n1").await.expect("it is held").status.unwrap_or_default();
        status.conditions.unwrap_or_default().iter().any(|condition| {
            condition.type_ == "NamespaceFinalizersRemaining"
                && condition.message.as_deref()
                    == Some("Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances")
        })
    })
    .await;
    let refused = maps.create(&PostParams::default(), &map(json!(null))).await;
    let Err(kube::Error::Api(status)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(status.code, 403);
    assert_eq!(
        status.message,
        "configmaps \"a\" is forbidden: unable to create new content in namespace n1 because it is being terminated"
    );
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("a", &PatchParams::default(), &release)
        .await
        .expect("patched");
    until("it is gone", async || {
        namespaces.get_opt("n1").await.expect("read").is_none()
    })
    .await;
    make().await;
    assert!(
        maps.list(&ListParams::default())
            .await
            .expect("listed")
            .items
            .is_empty()
    );
}

/// Objects of which each blocks the deletion of the one before, and the first that of the last.
async fn cycle(maps: &Api<ConfigMap>, names: &[&str]) {
    let mut uids = Vec::new();
    for name in names {
        let map = serde_json::from_value(json!({"metadata": {"name": name}})).expect("a ConfigMap");
        let made = maps.create(&PostParams::default(), &map).await.expect("created");
        uids.push(made.uid().expect("a uid"));
    }
    for (index, name) in names.iter().enumerate() {
        let owner = (index + names.len() - 1) % names.len();
        let owned = json!({"metadata": {"ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": names[owner], "uid": uids[owner], "blockOwnerDeletion": true,
        }]}});
        maps.patch(name, &PatchParams::default(), &Patch::Merge(owned))
            .await
            .expect("patched");
    }
}

#[tokio::test]
async fn api_68_cycles_end_in_the_foreground() {
    let server = DevServer::start().await.expect("the server starts");
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let foreground = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..DeleteParams::default()
    };
    for names in [&["a"][..], &["a", "b"], &["a", "b", "c"]] {
        cycle(&maps, names).await;
        maps.delete("a", &foreground).await.expect("deleted");
        until("the cycle is gone", async || {
            maps.list(&ListParams::default())
                .await
                .expect("listed")
                .items
                .is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn api_68_a_cycle_that_waits_as_a_whole_ends() {
    let server = DevServer::start().await.expect("the server starts");
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    cycle(&maps, &["a", "b"]).await;
    let foreground = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..DeleteParams::default()
    };
    let (a, b) = futures::join!(maps.delete("a", &foreground), maps.delete("b", &foreground));
    a.expect("deleted");
    // The collector may have been faster.
    assert!(b.is_ok() || matches!(b, Err(kube::Error::Api(status)) if status.code == 404));
    until("both are gone", async || {
        maps.list(&ListParams::default())
            .await
            .expect("listed")
            .items
            .is_empty()
    })
    .await;
}

#[tokio::test]
async fn api_67_an_odd_status_keeps_no_namespace() {
    let server = DevServer::start().await.expect("the server starts");
    let namespaces: Api<Namespace> = Api::all(server.client());
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "odd");
    for name in ["odd", "other"] {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).expect("a Namespace");
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .expect("created");
    }
    let held = json!({"metadata": {"name": "a", "finalizers": ["example.com/hold"]}});
    maps.create(
        &PostParams::default(),
        &serde_json::from_value(held).expect("a ConfigMap"),
    )
    .await
    .expect("created");
    namespaces
        .delete("odd", &DeleteParams::default())
        .await
        .expect("deleted");
    // Refused or not: what matters is what comes after it.
    let odd = http::Request::patch("/api/v1/namespaces/odd/status")
        .header("content-type", "application/merge-patch+json")
        .body(br#"{"status": "x"}"#.to_vec())
        .expect("a request");
    let _ = server.client().request_text(odd).await;
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("a", &PatchParams::default(), &release)
        .await
        .expect("patched");
    namespaces
        .delete("other", &DeleteParams::default())
        .await
        .expect("deleted");
    for name in ["odd", "other"] {
        until("it is gone", async || {
            let get = http::Request::get(format!("/api/v1/namespaces/{name}")).body(Vec::new());
            let gone = server.client().request_text(get.expect("a request")).await;
            matches!(gone, Err(kube::Error::Api(status)) if status.code == 404)
        })
        .await;
    }
}
