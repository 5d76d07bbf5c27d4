//! Leader election against a server: the one in the process here, a real one in `real.rs`.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kubewright::Client;
use kubewright::manager::{LeaderElection, Timing};
use kubewright_apiserver::DevServer;
use tokio_util::sync::CancellationToken;

/// Short times, which a real server keeps.
const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(3),
    renew_deadline: Duration::from_secs(2),
    retry_period: Duration::from_millis(200),
};
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn leaders_follow_each_other_on_the_server_in_the_process() {
    let server = DevServer::start().await.unwrap();
    suite(&server.client()).await;
}

/// Created, renewed, released, taken at once, left to expire and taken then.
pub(crate) async fn suite(client: &kube::Client) {
    let leases = Client::<Lease>::new(client.clone()).namespace("default");
    let spec = async || -> LeaseSpec { leases.get("elected").await.unwrap().spec.unwrap() };
    let lead = async |identity: &str| {
        let election = LeaderElection::new(client, "default", "elected")
            .identity(identity)
            .timing(TIMING);
        let stop = CancellationToken::new();
        let led = tokio::time::timeout(DEADLINE, election.acquire(&stop)).await;
        led.expect("in time").unwrap().expect("nobody stopped it")
    };

    let first = lead("first").await;
    let created = spec().await;
    assert_eq!(created.holder_identity.as_deref(), Some("first"));
    assert_eq!(
        (created.lease_duration_seconds, created.lease_transitions),
        (Some(3), Some(0))
    );
    crate::ask::until("the lease to be renewed", async || {
        spec().await.renew_time != created.renew_time
    })
    .await;
    assert_eq!(spec().await.acquire_time, created.acquire_time);
    first.release().await;
    let released = spec().await;
    assert_eq!(
        (
            released.holder_identity.as_deref(),
            released.lease_duration_seconds
        ),
        (Some(""), Some(1))
    );

    let second = lead("second").await;
    assert_eq!(spec().await.lease_transitions, Some(1));
    drop(second);
    let third = lead("third").await;
    third.check().unwrap();
    let taken = spec().await;
    assert_eq!(
        (taken.holder_identity.as_deref(), taken.lease_transitions),
        (Some("third"), Some(2))
    );
    third.release().await;
    leases.delete("elected").await.unwrap();
}
