//! Finalizers against the in-process server.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::ConfigMap;
use kubewright::Client;
use kubewright::client::{DeleteParams, InNamespace};
use kubewright::finalizer::{self, Error, FinalizerError, Outcome};
use kubewright_apiserver::DevServer;
use serde_json::json;

const OURS: &str = "example.com/ours";
const THEIRS: &str = "example.com/theirs";

async fn serve() -> (DevServer, Client<ConfigMap, InNamespace>) {
    let server = DevServer::start().await.unwrap();
    let maps = Client::new(server.client()).namespace("default");
    (server, maps)
}

async fn make(maps: &Client<ConfigMap, InNamespace>, finalizers: &[&str]) -> Arc<ConfigMap> {
    let mut map = ConfigMap::default();
    map.metadata.name = Some("a".into());
    if !finalizers.is_empty() {
        map.metadata.finalizers = Some(finalizers.iter().map(ToString::to_string).collect());
    }
    Arc::new(maps.create(&map).await.unwrap())
}

async fn delete(maps: &Client<ConfigMap, InNamespace>) -> Arc<ConfigMap> {
    maps.delete_with("a", &DeleteParams::default()).await.unwrap();
    Arc::new(maps.get("a").await.unwrap())
}

fn finalizers(map: &ConfigMap) -> &[String] {
    map.metadata.finalizers.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn the_finalizer_is_stored_before_the_first_apply() {
    let (server, maps) = serve().await;
    let map = make(&maps, &[THEIRS]).await;
    let reader = maps.clone();
    let outcome = finalizer::finalizer(
        &maps,
        &map,
        OURS,
        |given| async move {
            assert_eq!(finalizers(&given), [THEIRS, OURS]);
            let stored = reader.get("a").await.unwrap();
            Ok::<_, Infallible>(finalizers(&stored).to_vec())
        },
        |_| async { panic!("nothing was deleted") },
    )
    .await
    .unwrap();
    assert_eq!(
        outcome,
        Outcome::Applied(vec![THEIRS.to_owned(), OURS.to_owned()])
    );
    server.stop().await;
}

#[tokio::test]
async fn where_the_finalizer_cannot_be_added_nothing_is_applied() {
    let (server, maps) = serve().await;
    let map = make(&maps, &[]).await;
    maps.merge_patch("a", &json!({"data": {"k": "v"}})).await.unwrap();
    let error = finalizer::finalizer(
        &maps,
        &map,
        OURS,
        |_| async { panic!("applied without the finalizer") },
        |_| async { Ok::<_, Infallible>(()) },
    )
    .await
    .map(|outcome: Outcome<()>| outcome)
    .unwrap_err();
    assert!(
        matches!(&error, Error::Finalizer(error) if error.is_conflict()),
        "{error:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn the_finalizer_goes_only_after_cleanup_succeeded() {
    let (server, maps) = serve().await;
    make(&maps, &[OURS]).await;
    let map = delete(&maps).await;
    let runs = Arc::new(AtomicU32::new(0));
    let run = |fails: bool| {
        let (maps, map, runs) = (maps.clone(), Arc::clone(&map), Arc::clone(&runs));
        async move {
            let cleanup = |_| async move {
                runs.fetch_add(1, Ordering::SeqCst);
                if fails {
                    Err(std::io::Error::other("the bucket is in use"))
                } else {
                    Ok(())
                }
            };
            let apply = |_| async { panic!("the object is being deleted") };
            finalizer::finalizer::<_, _, (), _, _, _>(&maps, &map, OURS, apply, cleanup).await
        }
    };
    let error = run(true).await.unwrap_err();
    assert_eq!(error.to_string(), "clean up after ConfigMap default/a");
    assert_eq!(finalizers(&maps.get("a").await.unwrap()), [OURS]);

    assert_eq!(run(false).await.unwrap(), Outcome::CleanedUp);
    assert!(
        maps.get_opt("a").await.unwrap().is_none(),
        "nothing holds the object any more"
    );

    assert_eq!(
        run(false).await.unwrap(),
        Outcome::CleanedUp,
        "an outdated cache: the object is gone"
    );
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    server.stop().await;
}

#[tokio::test]
async fn an_object_held_by_others_is_left_alone() {
    let (server, maps) = serve().await;
    make(&maps, &[THEIRS]).await;
    let map = delete(&maps).await;
    let outcome = finalizer::finalizer::<_, _, (), Infallible, _, _>(
        &maps,
        &map,
        OURS,
        |_| async { panic!("the object is being deleted") },
        |_| async { panic!("the finalizer is not ours") },
    )
    .await
    .unwrap();
    assert_eq!(outcome, Outcome::Leaving);
    assert_eq!(finalizers(&maps.get("a").await.unwrap()), [THEIRS]);
    server.stop().await;
}

#[tokio::test]
async fn a_finalizer_that_another_writer_added_meanwhile_is_not_lost() {
    let (server, maps) = serve().await;
    let map = make(&maps, &[OURS]).await;
    maps.merge_patch("a", &json!({"metadata": {"finalizers": [OURS, THEIRS]}}))
        .await
        .unwrap();
    assert!(
        finalizer::remove(&maps, &*map, OURS)
            .await
            .unwrap_err()
            .is_conflict()
    );
    assert_eq!(finalizers(&maps.get("a").await.unwrap()), [OURS, THEIRS]);
    server.stop().await;
}

#[tokio::test]
async fn another_object_of_the_same_name_is_not_touched() {
    let (server, maps) = serve().await;
    let old = make(&maps, &[]).await;
    maps.delete("a").await.unwrap();
    let new = make(&maps, &[]).await;
    let mut mixed = (*old).clone();
    mixed.metadata.resource_version = new.metadata.resource_version.clone();
    // A patch that names another uid wants to change it, to a server.
    let refused = finalizer::add(&maps, &mixed, OURS).await.unwrap_err();
    assert!(
        matches!(&refused, FinalizerError::Write { source, .. } if source.is_invalid()),
        "{refused:?}"
    );
    assert!(finalizers(&maps.get("a").await.unwrap()).is_empty());
    server.stop().await;
}

#[tokio::test]
async fn an_object_that_was_not_read_is_refused_and_what_is_so_already_sends_nothing() {
    let (server, maps) = serve().await;
    let map = make(&maps, &[OURS]).await;
    let before = server.request_log().len();
    let unread = ConfigMap::default();
    assert!(matches!(
        finalizer::add(&maps, &unread, OURS).await,
        Err(FinalizerError::Unread { .. })
    ));
    assert_eq!(finalizer::add(&maps, &*map, OURS).await.unwrap(), *map);
    finalizer::remove(&maps, &*map, THEIRS).await.unwrap();
    assert_eq!(server.request_log().len(), before);
    server.stop().await;
}
