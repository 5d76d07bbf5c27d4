//! What a test sees of requests, answers in the server's place, and what goes wrong at random.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use kube::core::Status;
use kubewright::cache::{InformerFactory, ReflectorConfig};
use kubewright_apiserver::dev::Reaction;
use kubewright_apiserver::{Chaos, DevServer, Matcher};
use serde_json::json;

fn map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"value": value}}))
        .expect("a ConfigMap")
}

fn maps(client: kube::Client) -> Api<ConfigMap> {
    Api::namespaced(client, "default")
}

fn configmaps() -> Matcher {
    Matcher::any().resource("configmaps")
}

#[tokio::test]
async fn the_log_has_what_was_sent() {
    let server = DevServer::start().await.expect("started");
    let maps = maps(server.client_as("operator", ["system:masters"]));
    maps.create(&PostParams::default(), &map("a", "1"))
        .await
        .expect("created");
    maps.get("a").await.expect("read");
    let patch = json!({"data": {"value": "2"}});
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"b": "3"}});
    maps.patch("a", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("patched");
    maps.patch("a", &PatchParams::apply("test").force(), &Patch::Apply(&applied))
        .await
        .expect("applied");
    assert!(
        maps.patch("b", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .is_err()
    );
    maps.delete("a", &DeleteParams::default()).await.expect("deleted");
    let writes = server.writes();
    let found: Vec<_> = writes
        .iter()
        .map(|write| {
            (
                write.verb.unwrap_or_default(),
                write.code,
                write.sent().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(found[0].2["data"], json!({"value": "1"}));
    assert_eq!(
        found
            .iter()
            .map(|(verb, code, _)| (*verb, *code))
            .collect::<Vec<_>>(),
        [
            ("create", 201),
            ("patch", 200),
            ("patch", 200),
            ("patch", 404),
            ("delete", 200)
        ]
    );
    assert_eq!((&found[1].2, &found[2].2), (&patch, &applied));
    let user = Matcher::any().user("operator");
    assert!(writes.iter().all(|write| write.is(&user)));
    assert!(!writes[0].is(&Matcher::any().user("somebody")));
    server.clear_request_log();
    assert!(server.request_log().is_empty());
}

#[tokio::test]
async fn a_test_waits_for_requests() {
    let server = DevServer::start().await.expect("started");
    let maps = maps(server.client());
    let writer = tokio::spawn(async move {
        for n in 0..3 {
            tokio::task::yield_now().await;
            maps.create(&PostParams::default(), &map(&format!("m-{n}"), ""))
                .await
                .expect("created");
        }
    });
    let creates = configmaps().verb("create");
    let found = tokio::time::timeout(Duration::from_secs(10), server.wait_for_requests(&creates, 3)).await;
    assert_eq!(found.expect("they come").len(), 3);
    writer.await.expect("it ended");
    // What is there already is not waited for.
    assert_eq!(server.wait_for_requests(&creates, 1).await.len(), 3);
}

#[tokio::test]
async fn reactors_answer_in_the_servers_place() {
    let server = DevServer::start().await.expect("started");
    let maps = maps(server.client());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let first = server.react(configmaps(), move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Reaction::Pass
    });
    let mut left = 2;
    let second = server.react(configmaps().verb("create"), move |request| {
        let sent = request.sent().expect("an object");
        assert_eq!(request.user, Some("system:admin"));
        match sent["data"]["value"].as_str() {
            Some("made up") => Reaction::Answer(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "from-nowhere"},
            })),
            _ if left > 0 => {
                left -= 1;
                Reaction::Fail(Status::failure("the quota is used up", "Forbidden").with_code(403))
            }
            _ => Reaction::Pass,
        }
    });
    let create = async |value: &str| maps.create(&PostParams::default(), &map("a", value)).await;
    let made_up = create("made up").await.expect("answered");
    assert_eq!(made_up.metadata.name.as_deref(), Some("from-nowhere"));
    for _ in 0..2 {
        let error = create("x").await.expect_err("refused");
        assert!(error.to_string().contains("the quota is used up"), "{error}");
    }
    assert_eq!((second.answered(), asked.load(Ordering::Relaxed)), (3, 0));
    create("x").await.expect("created");
    assert_eq!((second.answered(), asked.load(Ordering::Relaxed)), (3, 1));
    assert_eq!(
        maps.list(&ListParams::default())
            .await
            .expect("listed")
            .items
            .len(),
        1
    );
    // A failure that was ordered comes first.
    server.fail_next(
        configmaps(),
        Status::failure("ordered", "InternalError").with_code(500),
    );
    assert!(
        create("made up")
            .await
            .expect_err("failed")
            .to_string()
            .contains("ordered")
    );
    first.remove();
    second.remove();
    assert!(
        create("made up")
            .await
            .expect_err("it exists")
            .to_string()
            .contains("exists")
    );
    assert_eq!((first.answered(), second.answered()), (0, 3));
    let codes: Vec<_> = server.writes().iter().map(|write| write.code).collect();
    assert_eq!(codes, [200, 403, 403, 201, 500, 409]);
}

/// Each way in which a request can end, alone.
#[tokio::test(start_paused = true)]
async fn chaos_ends_requests() {
    let server = DevServer::start().await.expect("started");
    let maps = maps(server.client());
    let create = async |name: &str| {
        maps.create(&PostParams::default(), &map(name, ""))
            .await
            .map(drop)
    };
    let exists = async |name: &str| {
        server.calm();
        maps.get_opt(name).await.expect("read").is_some()
    };

    server.chaos(Chaos::seeded(1).refuse(1.0));
    create("refused").await.expect_err("cut");
    assert!(!exists("refused").await);

    server.chaos(Chaos::seeded(1).lose(1.0));
    create("lost").await.expect_err("cut");
    assert!(exists("lost").await);

    server.chaos(Chaos::seeded(1).fail(1.0));
    let mut codes = Vec::new();
    for n in 0..50 {
        match create(&format!("failed-{n}")).await {
            Err(kube::Error::Api(status)) => codes.push(status.code),
            other => panic!("{other:?}"),
        }
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes, [429, 500, 503]);
    assert!(!exists("failed-1").await);

    server.chaos(Chaos::seeded(1).cut(1.0, 10));
    maps.list(&ListParams::default()).await.expect_err("cut");

    server.chaos(Chaos::seeded(1).silence(1.0, 10));
    let silent = tokio::time::timeout(Duration::from_secs(3600), maps.get("lost")).await;
    silent.expect_err("nothing more comes");

    // Who waits still does so no longer than the chaos lasts, or the one that takes its place.
    for after in [None, Some(Chaos::seeded(2))] {
        server.chaos(Chaos::seeded(1).silence(1.0, 10));
        let mut silent = std::pin::pin!(maps.get("lost"));
        let waiting = tokio::time::timeout(Duration::from_secs(3600), &mut silent).await;
        waiting.expect_err("nothing more comes");
        match after {
            None => server.calm(),
            Some(after) => server.chaos(after),
        }
        let cut = tokio::time::timeout(Duration::from_secs(1), silent).await;
        cut.expect("it ends").expect_err("in the middle of the answer");
    }

    let before = tokio::time::Instant::now();
    server.chaos(Chaos::seeded(1).delay(1.0, Duration::from_secs(60)));
    maps.get("lost").await.expect("late");
    let late = before.elapsed();
    assert!(
        late > Duration::ZERO && late <= Duration::from_secs(60),
        "{late:?}"
    );

    // Nobody else is concerned.
    server.chaos(Chaos::seeded(1).refuse(1.0).only(Matcher::any().user("other")));
    create("spared").await.expect("created");
    Api::<ConfigMap>::default_namespaced(server.client_as("other", [""]))
        .get("spared")
        .await
        .expect_err("cut");
}

/// Many requests at once overtake each other where some are held back.
#[tokio::test(start_paused = true)]
async fn chaos_reorders_requests() {
    let server = DevServer::start().await.expect("started");
    let maps = maps(server.client());
    server.chaos(Chaos::seeded(3).delay(0.5, Duration::from_millis(100)));
    let creates = (0..20).map(|n| {
        let maps = maps.clone();
        async move {
            maps.create(&PostParams::default(), &map(&format!("m-{n:02}"), ""))
                .await
        }
    });
    futures::future::try_join_all(creates).await.expect("all created");
    let mut sent: Vec<_> = server
        .writes()
        .iter()
        .map(|write| write.sent().unwrap_or_default()["metadata"]["name"].to_string())
        .collect();
    assert!(!sent.is_sorted());
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 20);
}

/// A watch ends in the middle of a line, and the cache ends equal to the server all the same.
#[tokio::test(start_paused = true)]
async fn a_cache_survives_chaos() {
    for seed in 0..12 {
        let server = DevServer::start().await.expect("started");
        let writer = maps(server.client());
        let factory = InformerFactory::builder(&server.client_as("operator", ["system:masters"]))
            .config(ReflectorConfig {
                page_size: Some(3),
                ..ReflectorConfig::default()
            })
            .build();
        let lister = factory.lister::<ConfigMap>();
        server.chaos(
            Chaos::seeded(seed)
                .only(Matcher::any().user("operator"))
                .delay(0.3, Duration::from_secs(5))
                .refuse(0.1)
                .fail(0.2)
                .lose(0.1)
                .cut(0.4, 3000)
                .silence(0.1, 2000),
        );
        factory.start();
        for n in 0..60 {
            let name = format!("m-{}", n % 7);
            if n % 5 == 4 {
                writer.delete(&name, &DeleteParams::default()).await.ok();
            } else {
                writer
                    .patch(
                        &name,
                        &PatchParams::apply("test").force(),
                        &Patch::Apply(json!({
                            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                            "data": {"value": n.to_string()},
                        })),
                    )
                    .await
                    .expect("applied");
            }
            if n % 20 == 19 {
                server.compact();
            }
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        server.calm();
        // The clock runs only where nothing else can, so that an hour is enough for all that waits, or nothing is.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let version = |map: &ConfigMap| (map.metadata.name.clone(), map.metadata.resource_version.clone());
        let mut cached: Vec<_> = lister.list().iter().map(|map| version(map)).collect();
        let stored = writer.list(&ListParams::default()).await.expect("listed").items;
        let mut stored: Vec<_> = stored.iter().map(version).collect();
        cached.sort();
        stored.sort();
        assert_eq!(cached, stored, "seed {seed}");
        assert!(!stored.is_empty());
        factory.shutdown();
    }
}

#[tokio::test]
async fn a_cut_watch_gives_what_came_before() {
    let server = DevServer::start().await.expect("started");
    let maps = maps(server.client());
    for n in 0..30 {
        maps.create(&PostParams::default(), &map(&format!("m-{n}"), ""))
            .await
            .expect("created");
    }
    server.chaos(Chaos::seeded(5).only(Matcher::any().verb("watch")).cut(1.0, 4000));
    let watch = maps.watch(&WatchParams::default(), "0").await.expect("it opens");
    let mut watch = watch.boxed();
    let mut came = 0;
    // A line that is cut in its middle is no event.
    let ended = loop {
        match watch.next().await {
            Some(Ok(_)) => came += 1,
            ended => break ended,
        }
    };
    assert!((1..30).contains(&came), "{came}");
    assert!(matches!(ended, Some(Err(_))), "{ended:?}");
}
