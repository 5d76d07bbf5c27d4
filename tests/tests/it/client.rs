//! Typed clients against a server: the one in the process here, a real one in `real.rs`.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::client::{
    ClientError, DeleteParams, FieldManager, FieldValidation, ListParams, Preconditions, WatchEvent,
    WatchParams,
};
use kubewright::{Client, Clientset, CustomResourceExt};
use serde_json::json;

use super::gadget::{Gadget, GadgetApply, GadgetSpec, GadgetSpecApply, GadgetStatusApply};

#[derive(Clientset)]
struct Clients {
    gadgets: Client<Gadget>,
    maps: Client<ConfigMap>,
    namespaces: Client<Namespace>,
    definitions: Client<CustomResourceDefinition>,
}

const DEADLINE: Duration = Duration::from_secs(20);

/// Retries until the server knows the kind: a definition is served a moment after it was made.
async fn until<T, F>(what: &str, mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, ClientError>>,
{
    let start = std::time::Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) if start.elapsed() > DEADLINE => panic!("{what}: {error:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// What a server knows.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Server {
    /// All but strategic merge patches.
    Dev,
    /// Everything.
    Real,
}

/// The same steps on every server.
pub(crate) async fn suite(connection: kube::Client, server: Server) {
    let clients = Clients::new(connection);
    let definitions = clients
        .definitions()
        .clone()
        .field_validation(FieldValidation::Strict);
    definitions.create(&Gadget::crd()).await.unwrap();
    let twice = definitions.create(&Gadget::crd()).await.unwrap_err();
    assert!(twice.is_already_exists() && !twice.is_conflict(), "{twice:?}");

    let namespace = serde_json::from_value(json!({"metadata": {"name": "gadgets"}})).unwrap();
    clients.namespaces().create(&namespace).await.unwrap();
    let gadgets = clients.gadgets().namespace("gadgets");
    let list = ListParams::default();
    let before = until("gadgets are served", || gadgets.list(&list)).await;
    assert!(before.items.is_empty());

    // Create, read, and the ways in which a name can be wrong.
    let spec = GadgetSpec {
        replicas: 2,
        colour: Some("red".into()),
    };
    let made = until("gadgets are created", || async {
        gadgets.create(&Gadget::new("a", spec.clone())).await
    })
    .await;
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(gadgets.get("a").await.unwrap().metadata.uid, made.metadata.uid);
    assert!(gadgets.get_opt("b").await.unwrap().is_none());
    assert!(gadgets.get("b").await.unwrap_err().is_not_found());
    let taken = gadgets.create(&Gadget::new("a", spec.clone())).await.unwrap_err();
    assert!(taken.is_already_exists());

    // The schema holds.
    let mut wrong = Gadget::new("w", spec.clone());
    wrong.spec.replicas = 11;
    assert!(gadgets.create(&wrong).await.unwrap_err().is_invalid());

    // A dry run leaves nothing.
    gadgets
        .clone()
        .dry_run()
        .create(&Gadget::new("dry", spec.clone()))
        .await
        .unwrap();
    assert!(gadgets.get_opt("dry").await.unwrap().is_none());

    // Updates: the status is apart from the rest, and a stale object conflicts.
    let mut newer = made.clone();
    newer.spec.replicas = 3;
    newer.status = Some(super::gadget::GadgetStatus { ready: 9 });
    let newer = gadgets.update(&newer).await.unwrap();
    assert_eq!((newer.spec.replicas, newer.status.is_none()), (3, true));
    assert_eq!(newer.metadata.generation, Some(2));
    let stale = gadgets.update(&made).await.unwrap_err();
    assert!(stale.is_conflict() && !stale.is_retryable(), "{stale:?}");
    let mut ready = newer.clone();
    ready.spec.replicas = 7;
    ready.status = Some(super::gadget::GadgetStatus { ready: 1 });
    let ready = gadgets.status().update(&ready).await.unwrap();
    assert_eq!(
        (
            ready.spec.replicas,
            ready.status.as_ref().map(|status| status.ready)
        ),
        (3, Some(1))
    );
    assert_eq!(ready.metadata.generation, Some(2));

    // Patches.
    let patch =
        serde_json::from_value(json!([{"op": "replace", "path": "/spec/replicas", "value": 4}])).unwrap();
    assert_eq!(gadgets.json_patch("a", patch).await.unwrap().spec.replicas, 4);
    let patched = gadgets
        .merge_patch("a", &json!({"spec": {"colour": null}}))
        .await
        .unwrap();
    assert_eq!(patched.spec.colour, None);
    let patched = gadgets
        .status()
        .merge_patch("a", &json!({"status": {"ready": 2}}))
        .await
        .unwrap();
    assert_eq!(patched.status.unwrap().ready, 2);

    // Scale.
    let scale = gadgets.scale().get("a").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(4));
    gadgets.scale().set_replicas("a", 5).await.unwrap();
    assert_eq!(gadgets.get("a").await.unwrap().spec.replicas, 5);
    let wanted = json!({"spec": {"replicas": 6}});
    let scale = gadgets.scale().merge_patch("a", &wanted).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(6));
    let patch = serde_json::from_value(json!([
        {"op": "test", "path": "/spec/replicas", "value": 6},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
    ]));
    let scale = gadgets.scale().json_patch("a", patch.unwrap()).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(5));
    assert_eq!(gadgets.get("a").await.unwrap().spec.replicas, 5);

    let wanted = GadgetApply::new("s").spec(GadgetSpecApply::default().replicas(1).colour("blue"));
    let applied = gadgets.apply(&wanted, "one").await.unwrap();
    assert_eq!(applied.spec.colour.as_deref(), Some("blue"));
    let other = GadgetApply::new("s").spec(GadgetSpecApply::default().replicas(2));
    let conflict = gadgets.apply(&other, "two").await.unwrap_err();
    assert!(conflict.is_conflict(), "{conflict:?}");
    let forced = gadgets
        .apply(&other, FieldManager::new("two").force())
        .await
        .unwrap();
    assert_eq!(
        (forced.spec.replicas, forced.spec.colour.as_deref()),
        (2, Some("blue"))
    );
    let status = GadgetApply::new("s").status(GadgetStatusApply::default().ready(3));
    let applied = gadgets.status().apply(&status, "one").await.unwrap();
    assert_eq!(applied.status.unwrap().ready, 3);
    gadgets.delete("s").await.unwrap();

    // Lists, selectors and watches, here and everywhere.
    let labels = json!({"metadata": {"labels": {"app": "x"}}});
    gadgets.merge_patch("a", &labels).await.unwrap();
    let selected = gadgets
        .list(&ListParams::default().labels("app=x"))
        .await
        .unwrap();
    assert_eq!(selected.items.len(), 1);
    let everywhere = clients.gadgets().all_namespaces().list(&list).await.unwrap();
    assert_eq!(everywhere.items.len(), 1);
    let from = everywhere.metadata.resource_version.unwrap();
    let params = WatchParams::default().timeout(10);
    let mut events = clients
        .gadgets()
        .all_namespaces()
        .watch(&params, &from)
        .await
        .unwrap();
    gadgets
        .merge_patch("a", &json!({"spec": {"replicas": 6}}))
        .await
        .unwrap();
    let event = tokio::time::timeout(DEADLINE, events.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(matches!(event, WatchEvent::Modified(gadget) if gadget.spec.replicas == 6));

    // Deletion.
    let precondition = Preconditions {
        uid: Some("other".into()),
        ..Preconditions::default()
    };
    let refused = gadgets
        .delete_with("a", &DeleteParams::default().preconditions(precondition))
        .await;
    assert!(refused.unwrap_err().is_conflict());
    gadgets
        .merge_patch("a", &json!({"metadata": {"finalizers": ["example.com/f"]}}))
        .await
        .unwrap();
    assert!(!gadgets.delete("a").await.unwrap().is_done());
    gadgets
        .merge_patch("a", &json!({"metadata": {"finalizers": null}}))
        .await
        .unwrap();
    assert!(gadgets.get_opt("a").await.unwrap().is_none());
    for name in ["c", "d"] {
        gadgets.create(&Gadget::new(name, spec.clone())).await.unwrap();
    }
    gadgets
        .delete_collection(&DeleteParams::default(), &list)
        .await
        .unwrap();
    assert!(gadgets.list(&list).await.unwrap().items.is_empty());

    // Built-in kinds.
    if server == Server::Real {
        let phase = json!({"status": {"conditions": [
            {"type": "Seen", "status": "True", "reason": "Test", "message": "seen"},
        ]}});
        let namespace = clients
            .namespaces()
            .status()
            .strategic_patch("gadgets", &phase)
            .await
            .unwrap();
        let seen = namespace.status.unwrap().conditions.unwrap_or_default();
        assert!(seen.iter().any(|condition| condition.type_ == "Seen"), "{seen:?}");
    }
    let maps = clients.maps().namespace("gadgets");
    let map = serde_json::from_value(json!({"metadata": {"name": "m"}, "data": {"a": "b"}})).unwrap();
    maps.create(&map).await.unwrap();
    let map = maps.merge_patch("m", &json!({"data": {"c": "d"}})).await.unwrap();
    assert_eq!(map.data.unwrap().len(), 2);
    assert!(maps.delete("m").await.unwrap().is_done());

    clients.definitions().delete(Gadget::crd_name()).await.unwrap();
    clients.namespaces().delete("gadgets").await.unwrap();
}

#[tokio::test]
async fn the_client_suite_passes_in_process() {
    let server = kubewright_apiserver::DevServer::start().await.unwrap();
    suite(server.client(), Server::Dev).await;
    server.stop().await;
}
