//! Hours of a whole controller in moments: with tokio's clock paused and the server in the process, time runs only while
//! nothing else can, for both of them.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kubewright::controller::{Action, Context, Controller, Reconciler};
use kubewright::kind::ObjectKey;
use kubewright::manager::{LeaderElection, Manager};
use kubewright::{Client, InformerFactory};
use kubewright_apiserver::{DevServer, Matcher};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Comes back after ten minutes.
struct Periodic {
    began: Instant,
    seen: Arc<Mutex<Vec<Duration>>>,
}

impl Reconciler for Periodic {
    type Object = ConfigMap;
    type Error = Infallible;

    async fn reconcile(&self, _: &ObjectKey, _: &Context<ConfigMap>) -> Result<Action, Infallible> {
        self.seen.lock().unwrap().push(self.began.elapsed());
        Ok(Action::requeue_after(Duration::from_secs(600)))
    }
}

fn map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

#[tokio::test(start_paused = true)]
async fn a_day_of_delays_and_watches() {
    let server = DevServer::start().await.unwrap();
    let maps = Client::<ConfigMap>::new(server.client()).namespace("default");
    maps.create(&map("a")).await.unwrap();
    let factory = InformerFactory::new(&server.client());
    let seen = Arc::<Mutex<Vec<Duration>>>::default();
    let began = Instant::now();
    let controller = Controller::new(
        &factory,
        Periodic {
            began,
            seen: Arc::clone(&seen),
        },
    );
    let stop = CancellationToken::new();
    let running = tokio::spawn(controller.run_until(stop.clone().cancelled_owned()));

    let day = Duration::from_secs(24 * 3600);
    tokio::time::sleep(day + Duration::from_secs(1)).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    let seen = seen.lock().unwrap().clone();
    // At the start, and after each ten minutes.
    assert_eq!(seen.len(), 1 + 6 * 24, "{seen:?}");
    for (n, at) in seen.iter().enumerate() {
        let due = Duration::from_secs(600) * u32::try_from(n).unwrap();
        assert!(*at >= due && *at < due + Duration::from_secs(5), "{n}: {at:?}");
    }
    // Watches ended by themselves some 200 times, after five to ten minutes each, and were taken up without a list.
    let watches = Matcher::any().verb("watch").resource("configmaps");
    let log = server.request_log();
    let opened = log.iter().filter(|request| request.is(&watches)).count();
    assert!((140..300).contains(&opened), "{opened}");
    // The server lives in the same time.
    let made = maps
        .create(&map("b"))
        .await
        .unwrap()
        .metadata
        .creation_timestamp
        .unwrap();
    let first = maps.get("a").await.unwrap().metadata.creation_timestamp.unwrap();
    let between = made.0.duration_since(first.0).as_secs();
    assert!((24 * 3600..24 * 3600 + 60).contains(&between), "{between}");
}

#[tokio::test(start_paused = true)]
async fn resyncs_and_leases() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let maps = Client::<ConfigMap>::new(client.clone()).namespace("default");
    maps.create(&map("a")).await.unwrap();
    let resynced = Arc::new(AtomicUsize::new(0));
    let member = |name: &str| {
        let factory = InformerFactory::builder(&client)
            .resync(Duration::from_secs(1200))
            .build();
        let (count, source) = (Arc::clone(&resynced), factory.clone());
        Manager::new(&factory)
            .leader_election(LeaderElection::new(&client, "default", "operator").identity(name))
            .leader_task("count", move |stop| {
                let (count, factory) = (Arc::clone(&count), source.clone());
                async move {
                    let mut changes = factory.informer::<ConfigMap>().subscribe();
                    while let Some(Some(delta)) = stop.run_until_cancelled(changes.recv()).await {
                        count.fetch_add(usize::from(delta.is_resync()), Ordering::Relaxed);
                    }
                    Ok::<_, Infallible>(())
                }
            })
    };
    let stops = [CancellationToken::new(), CancellationToken::new()];
    let mut running = Vec::new();
    for (n, stop) in stops.iter().enumerate() {
        let manager = member(&format!("member-{n}"));
        running.push(tokio::spawn(manager.run_until(stop.clone().cancelled_owned())));
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let leases = Client::<Lease>::new(client.clone()).namespace("default");
    let holder = async || {
        let spec = leases.get("operator").await.unwrap().spec.unwrap();
        (
            spec.holder_identity.unwrap_or_default(),
            spec.lease_transitions.unwrap_or_default(),
        )
    };
    assert_eq!(holder().await.0, "member-0");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let (leader, transitions) = holder().await;
    assert_eq!(leader, "member-0", "renewed for an hour");
    assert_eq!(resynced.load(Ordering::Relaxed), 3);

    // It dies without a word: the other one has to wait for the lease to run out.
    running.remove(0).abort();
    let died = Instant::now();
    while holder().await.0 == "member-0" {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let waited = died.elapsed();
    assert!(
        // 15 s from when it was last seen to be renewed, and a look at most each 4.4 s (2 s and their jitter) before and after.
        (Duration::from_secs(10)..Duration::from_secs(25)).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(holder().await, ("member-1".to_owned(), transitions + 1));
    stops[1].cancel();
    running.remove(0).await.unwrap().unwrap();
    assert_eq!(holder().await.0, "", "given up at the end");
}
