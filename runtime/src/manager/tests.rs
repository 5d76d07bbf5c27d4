//! Elections against a server in the process, in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use kubewright_apiserver::{DevServer, Matcher};
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt as _, service_fn};

use super::clock::Clock;
use super::{ElectionError, LeaderElection, LeaderGuard, NotLeader, Timing};
use crate::client::{Client, InNamespace};
use crate::metrics::Metrics;

fn candidate(client: &kube::Client, identity: &str) -> LeaderElection {
    LeaderElection::new(client, "default", "operator").identity(identity)
}

fn leases(client: &kube::Client) -> Client<Lease, InNamespace> {
    Client::new(client.clone()).namespace("default")
}

async fn spec(client: &kube::Client) -> LeaseSpec {
    leases(client).get("operator").await.unwrap().spec.unwrap()
}

async fn leader(election: &LeaderElection) -> LeaderGuard {
    let stop = CancellationToken::new();
    election.acquire(&stop).await.unwrap().expect("nobody stopped it")
}

/// Waits to lead in a task.
fn waiting(election: LeaderElection) -> JoinHandle<(LeaderGuard, Instant)> {
    tokio::spawn(async move { (leader(&election).await, Instant::now()) })
}

fn seconds(from: u64, to: u64) -> std::ops::RangeInclusive<Duration> {
    Duration::from_secs(from)..=Duration::from_secs(to)
}

#[tokio::test(start_paused = true)]
async fn writes_the_record_as_client_go_does() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let mut registry = Registry::default();
    let election = candidate(&client, "one").metrics(&Metrics::register(&mut registry));
    let status = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("leader_election_master_status{"));
        line.map(str::to_owned)
    };
    let [following, leading] = [0, 1].map(|value| {
        Some(format!(
            "leader_election_master_status{{name=\"operator\"}} {value}"
        ))
    });
    assert_eq!(status(), following);

    let guard = leader(&election).await;
    assert_eq!(status(), leading);
    let first = spec(&client).await;
    assert_eq!(first.holder_identity.as_deref(), Some("one"));
    assert_eq!(
        (first.lease_duration_seconds, first.lease_transitions),
        (Some(15), Some(0))
    );
    assert_eq!(first.acquire_time, first.renew_time);
    assert_eq!(election.leadership().holder().as_deref(), Some("one"));

    // A minute and no more: a leader renews every two seconds and stays.
    tokio::time::sleep(Duration::from_secs(61)).await;
    guard.check().unwrap();
    let renewals = server.request_log();
    let updates = Matcher::any().verb("update").resource("leases");
    assert_eq!(renewals.iter().filter(|request| request.is(&updates)).count(), 30);
    let later = spec(&client).await;
    assert_eq!(
        (&later.acquire_time, later.lease_transitions),
        (&first.acquire_time, Some(0))
    );

    guard.release().await;
    assert_eq!(status(), following);
    let released = spec(&client).await;
    assert_eq!(released.holder_identity.as_deref(), Some(""));
    assert_eq!(
        (released.lease_duration_seconds, released.lease_transitions),
        (Some(1), Some(0))
    );
    let _next = leader(&candidate(&client, "two")).await;
    assert_eq!(spec(&client).await.lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_at_the_next_attempt_an_abandoned_one_after_its_duration() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let first = leader(&candidate(&client, "one")).await;
    let second = waiting(candidate(&client, "two"));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!second.is_finished());

    let released = Instant::now();
    first.release().await;
    let (second, taken) = second.await.unwrap();
    assert!(
        seconds(0, 5).contains(&(taken - released)),
        "{:?}",
        taken - released
    );

    let third = waiting(candidate(&client, "three"));
    tokio::time::sleep(Duration::from_secs(30)).await;
    let abandoned = Instant::now();
    drop(second);
    let (_third, taken) = third.await.unwrap();
    // Unchanged for 15 s as the third one saw it, which it did up to 4.4 s after the last renewal.
    assert!(
        seconds(13, 24).contains(&(taken - abandoned)),
        "{:?}",
        taken - abandoned
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_at_the_deadline_before_another_may_begin() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let election = candidate(&client, "one");
    let guard = leader(&election).await;
    let began = Instant::now();
    // Longer than any request may take: the server does what it is asked, and nobody hears of it.
    server.delay(Matcher::any().resource("leases"), Duration::from_secs(60));
    guard.lost().cancelled().await;
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert_eq!(
        guard.check(),
        Err(NotLeader {
            lease: "default/operator".into()
        })
    );
    assert!(!election.leadership().is_leader());

    // The server answers again, and the old leader still ends its work.
    server.delay(Matcher::any().resource("leases"), Duration::ZERO);
    let (_second, taken) = waiting(candidate(&client, "two")).await.unwrap();
    assert!(taken - began >= Duration::from_secs(15), "{:?}", taken - began);
    // Too late to give up what is another's now.
    guard.release().await;
    assert_eq!(spec(&client).await.holder_identity.as_deref(), Some("two"));
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_refusals_do_not_end_a_term_that_is_renewed_in_time() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let guard = leader(&candidate(&client, "one")).await;
    // Two attempts of a write and a read each.
    for _ in 0..4 {
        let refusal = kube::core::Status::failure("etcd is slow", "InternalError").with_code(500);
        server.fail_next(Matcher::any().resource("leases"), refusal);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    // The next write conflicts, as one does after an answer that was lost, and the lease is read.
    let mut lease = leases(&client).get("operator").await.unwrap();
    lease.metadata.labels = Some([("touched".into(), "yes".into())].into());
    leases(&client).update(&lease).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    guard.check().unwrap();
    let lease = leases(&client).get("operator").await.unwrap();
    assert!(lease.metadata.labels.is_some(), "what others put there stays");
    assert_eq!(lease.spec.unwrap().lease_transitions, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_sees_another_holder_stops_at_once() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let guard = leader(&candidate(&client, "one")).await;
    let began = Instant::now();
    let mut lease = leases(&client).get("operator").await.unwrap();
    lease.spec.as_mut().unwrap().holder_identity = Some("by hand".into());
    leases(&client).update(&lease).await.unwrap();
    guard.lost().cancelled().await;
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    guard.release().await;
    assert_eq!(spec(&client).await.holder_identity.as_deref(), Some("by hand"));
}

/// A machine that was suspended wakes up with timers that have not moved; its wall clock has.
#[tokio::test(start_paused = true)]
async fn no_check_passes_after_a_suspension_and_the_term_does_not_come_back() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let asleep = Arc::new(AtomicU64::new(0));
    let wall = {
        let (asleep, began) = (asleep.clone(), SystemTime::now());
        move || began + Duration::from_secs(asleep.load(Ordering::Relaxed))
    };
    let election = candidate(&client, "one").clock(Clock::with(wall));
    let guard = leader(&election).await;
    asleep.store(9, Ordering::Relaxed);
    guard.check().unwrap();
    asleep.store(10, Ordering::Relaxed);
    assert!(election.leadership().check().is_err());
    assert!(guard.lost().is_cancelled(), "who asks tells the others");
    // The lease was not taken, but the term is over.
    assert!(guard.check().is_err());
    guard.release().await;
    let again = leader(&election).await;
    again.check().unwrap();
}

/// client-go: `TestLeaderElectionHealthChecker`.
#[tokio::test(start_paused = true)]
async fn a_process_is_ill_while_work_goes_on_long_after_its_lease() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let election = candidate(&client, "one");
    let (leadership, tolerance) = (election.leadership(), Duration::from_secs(20));
    leadership.check_overdue(tolerance).unwrap();
    let guard = leader(&election).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    leadership.check_overdue(tolerance).unwrap();

    server.delay(Matcher::any().resource("leases"), Duration::from_secs(3600));
    guard.lost().cancelled().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    leadership.check_overdue(tolerance).unwrap();
    // 15 s and 20 s after the last renewal, which was 10 s before.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let ill = leadership.check_overdue(tolerance).unwrap_err();
    assert_eq!(ill.lease, "default/operator");
    guard.release().await;
    leadership.check_overdue(tolerance).unwrap();

    server.delay(Matcher::any().resource("leases"), Duration::ZERO);
    let guard = leader(&election).await;
    drop(guard);
    tokio::time::sleep(Duration::from_secs(60)).await;
    leadership.check_overdue(tolerance).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fenced_client_writes_only_while_leading() {
    let server = DevServer::start().await.unwrap();
    let election = candidate(&server.client(), "one");
    let inner = server.client();
    let service = service_fn(move |request: http::Request<kube::client::Body>| {
        let inner = inner.clone();
        async move { inner.send(request).await.map_err(tower::BoxError::from) }
    });
    let service = tower::Layer::layer(&election.leadership().layer(), service.boxed_clone());
    let maps = Client::<ConfigMap>::new(kube::Client::new(service, "default")).default_namespace();
    let map = |name: &str| ConfigMap {
        metadata: kube::core::ObjectMeta {
            name: Some(name.into()),
            ..Default::default()
        },
        ..Default::default()
    };
    let refused = maps.create(&map("a")).await.unwrap_err();
    let chain = crate::cache::chain(&refused);
    assert!(
        chain.contains("does not hold the lease default/operator"),
        "{chain}"
    );
    assert!(maps.get_opt("a").await.unwrap().is_none());

    let guard = leader(&election).await;
    maps.create(&map("a")).await.unwrap();
    guard.release().await;
    assert!(maps.delete("a").await.is_err());
    assert!(maps.get_opt("a").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_stopped_leaves_nothing_behind() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let stop = CancellationToken::new();
    // Stopped while its first request is on its way, which takes the lease.
    server.delay(
        Matcher::any().verb("create").resource("leases"),
        Duration::from_secs(1),
    );
    let acquiring = tokio::spawn({
        let (election, stop) = (candidate(&client, "one"), stop.clone());
        async move { election.acquire(&stop).await.unwrap().is_some() }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.cancel();
    assert!(!acquiring.await.unwrap());
    assert_eq!(spec(&client).await.holder_identity.as_deref(), Some(""));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let server = DevServer::start().await.unwrap();
    let election = LeaderElection::new(&server.client(), "system", "operator");
    let stop = CancellationToken::new();
    let fault = async |timing| match election.clone().timing(timing).acquire(&stop).await {
        Err(ElectionError::Timing { lease, fault }) => {
            assert_eq!(lease, "system/operator");
            fault
        }
        other => panic!("{other:?}"),
    };
    let timing = Timing::default();
    let second = Duration::from_secs(1);
    let renew_deadline = timing.lease_duration;
    assert!(
        fault(Timing {
            renew_deadline,
            ..timing
        })
        .await
        .contains("two could lead")
    );
    let retry_period = second * 9;
    assert!(
        fault(Timing {
            retry_period,
            ..timing
        })
        .await
        .contains("1.2 times")
    );
    let retry_period = Duration::ZERO;
    assert!(
        fault(Timing {
            retry_period,
            ..timing
        })
        .await
        .contains("zero")
    );
    let unnamed = election.clone().identity("").acquire(&stop).await;
    assert!(
        matches!(unnamed, Err(ElectionError::Identity { .. })),
        "{unnamed:?}"
    );
}
