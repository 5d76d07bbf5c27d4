//! Two processes that fight for a lease, each of which is cut off from it again and again, and writes all the time.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kubewright_apiserver::{DevServer, Matcher};
use serde_json::json;
use tokio::time::sleep;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{LeaderElection, Manager, OnLost};
use crate::InformerFactory;
use crate::client::Client;

const ROUNDS: usize = 6;

/// A process whose writes do not ask whether it leads: the fence of its client does.
fn process(server: &DevServer, who: &'static str) -> Arc<AtomicU64> {
    let client = server.client_as(who, ["system:masters"]);
    let election = LeaderElection::new(&client, "default", "operator").identity(who);
    let inner = client.clone();
    let service = service_fn(move |request: http::Request<kube::client::Body>| {
        let inner = inner.clone();
        async move { inner.send(request).await.map_err(tower::BoxError::from) }
    });
    let fenced = election.leadership().layer().layer(service.boxed_clone());
    let maps = Client::<ConfigMap>::new(kube::Client::new(fenced, "default")).default_namespace();
    let manager = Manager::new(&InformerFactory::new(&client))
        .leader_election(election)
        .on_lost(OnLost::Campaign);
    tokio::spawn(manager.run_until(pending()));
    let refused = Arc::<AtomicU64>::default();
    let count = Arc::clone(&refused);
    tokio::spawn(async move {
        loop {
            let written = maps.merge_patch("target", &json!({"data": {"by": who}})).await;
            count.fetch_add(u64::from(written.is_err()), Ordering::Relaxed);
            sleep(Duration::from_millis(100)).await;
        }
    });
    refused
}

#[tokio::test(start_paused = true)]
async fn no_stalled_leader_writes_beside_the_next_one() {
    let server = DevServer::start().await.unwrap();
    let maps = Client::<ConfigMap>::new(server.client()).default_namespace();
    let target = json!({"metadata": {"name": "target"}});
    maps.create(&serde_json::from_value(target).unwrap())
        .await
        .unwrap();
    let refused = [process(&server, "a"), process(&server, "b")];
    let leases = Client::<Lease>::new(server.client()).default_namespace();
    let holder = async || {
        let lease = leases.get_opt("operator").await.unwrap();
        lease
            .and_then(|lease| lease.spec?.holder_identity)
            .unwrap_or_default()
    };

    sleep(Duration::from_secs(10)).await;
    for round in 0..ROUNDS {
        let stalled = holder().await;
        let other = if stalled == "a" { "b" } else { "a" };
        assert!(["a", "b"].contains(&&*stalled), "{stalled:?}");
        let of = Matcher::any().resource("leases").user(&*stalled);
        server.delay(of.clone(), Duration::from_secs(600));
        let mut waited = 0;
        while holder().await != other {
            waited += 1;
            assert!(waited < 60, "round {round}: {other} does not come to lead");
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_secs(5)).await;
        // Back again, with all that it knows of its term.
        server.delay(of, Duration::ZERO);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(holder().await, other, "round {round}");
    }

    // What the server let in, in its order: each write by whom the Lease named then.
    let (mut holder, mut terms, mut writes) = (String::new(), 0, [0; 2]);
    for write in server.writes().iter().filter(|write| write.code < 300) {
        let (path, who) = (write.resource.as_ref().unwrap(), write.user.clone().unwrap());
        match path.resource.as_str() {
            "leases" => {
                let sent = write.sent().unwrap();
                let next = sent["spec"]["holderIdentity"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                terms += usize::from(next != holder && !next.is_empty());
                holder = next;
            }
            "configmaps" if ["a", "b"].contains(&&*who) => {
                assert_eq!(who, holder, "it wrote while {holder:?} held the lease");
                writes[usize::from(who == "b")] += 1;
            }
            _ => {}
        }
    }
    assert_eq!(terms, ROUNDS + 1);
    assert!(writes.iter().all(|count| *count > 300), "{writes:?}");
    let refused = refused.map(|count| count.load(Ordering::Relaxed));
    assert!(refused.iter().all(|count| *count > 300), "{refused:?}");
}
