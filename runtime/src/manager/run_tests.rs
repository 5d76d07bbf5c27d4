//! Processes from their beginning to their end, in virtual time.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kubewright_apiserver::{DevServer, Matcher};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{LeaderElection, Manager, ManagerError, OnLost};
use crate::InformerFactory;
use crate::client::Client;
use crate::controller::{Action, Context, Controller, Reconciler};
use crate::kind::ObjectKey;

const SECOND: Duration = Duration::from_secs(1);

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// A task that says when it begins and ends, which takes it a while.
    fn task(
        &self,
        name: &'static str,
        takes: Duration,
    ) -> impl FnMut(CancellationToken) -> Noted + Send + 'static {
        let log = self.clone();
        move |stop| {
            let log = log.clone();
            Box::pin(async move {
                log.note(format!("{name} begins"));
                stop.cancelled().await;
                sleep(takes).await;
                log.note(format!("{name} ends"));
                Ok(())
            })
        }
    }
}

type Noted = std::pin::Pin<Box<dyn Future<Output = Result<(), std::io::Error>> + Send>>;

fn manager(server: &DevServer) -> Manager {
    Manager::new(&InformerFactory::new(&server.client()))
}

fn election(server: &DevServer, identity: &str) -> LeaderElection {
    LeaderElection::new(&server.client(), "default", "operator").identity(identity)
}

/// A manager that runs; sending ends it.
fn started(manager: Manager) -> (oneshot::Sender<()>, JoinHandle<Result<(), ManagerError>>) {
    let (stop, stopped) = oneshot::channel();
    let run = async move {
        manager
            .run_until(async {
                drop(stopped.await);
            })
            .await
    };
    (stop, tokio::spawn(run))
}

async fn holder(server: &DevServer) -> String {
    let leases = Client::<Lease>::new(server.client()).default_namespace();
    leases
        .get("operator")
        .await
        .unwrap()
        .spec
        .unwrap()
        .holder_identity
        .unwrap()
}

struct Notes(Log);

impl Reconciler for Notes {
    type Object = ConfigMap;
    type Error = std::convert::Infallible;

    async fn reconcile(&self, key: &ObjectKey, _: &Context<ConfigMap>) -> Result<Action, Self::Error> {
        self.0.note(format!("reconciles {}", key.name));
        Ok(Action::done())
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_works_and_the_other_begins_once_it_has_ended() {
    let server = DevServer::start().await.unwrap();
    let log = Log::default();
    let replica = |identity, leads, serves| {
        manager(&server)
            .leader_election(election(&server, identity))
            .leader_task("work", log.task(leads, SECOND * 3))
            .task("serve", log.task(serves, SECOND * 2))
    };
    let (stop_a, a) = started(replica("a", "a", "task of a"));
    sleep(SECOND).await;
    let (stop_b, b) = started(replica("b", "b", "task of b"));
    sleep(SECOND * 60).await;
    // A task begins at once, whoever leads.
    let begun = log.all();
    assert_eq!(begun.len(), 3, "{begun:?}");
    assert_eq!(begun[2], "task of b begins");

    drop(stop_a);
    a.await.unwrap().unwrap();
    sleep(SECOND * 10).await;
    assert_eq!(holder(&server).await, "b");
    let ended = &log.all()[3..];
    // What does not need the leadership ends while the next one begins already.
    assert_eq!(ended[0], "a ends");
    assert!(
        ended.contains(&"b begins".to_owned()) && ended.contains(&"task of a ends".to_owned()),
        "{ended:?}"
    );

    stop_b.send(()).unwrap();
    b.await.unwrap().unwrap();
    assert_eq!(holder(&server).await, "");
}

#[tokio::test(start_paused = true)]
async fn controllers_share_the_caches_and_run_without_an_election_too() {
    let server = DevServer::start().await.unwrap();
    let log = Log::default();
    let client = server.client();
    let factory = InformerFactory::new(&client);
    let controller = |name: &str| Controller::new(&factory, Notes(log.clone())).name(name);
    let (stop, run) = started(
        Manager::new(&factory)
            .controller(controller("x"))
            .controller(controller("y")),
    );
    let map: ConfigMap = serde_json::from_value(serde_json::json!({"metadata": {"name": "m"}})).unwrap();
    Client::<ConfigMap>::new(client)
        .default_namespace()
        .create(&map)
        .await
        .unwrap();
    sleep(SECOND * 5).await;
    let seen = log.all().iter().filter(|line| *line == "reconciles m").count();
    assert_eq!(seen, 2);
    drop(stop);
    run.await.unwrap().unwrap();
    assert!(factory.stopped().is_cancelled());
    let lists = Matcher::any().verb("list").resource("configmaps");
    let watches = Matcher::any().verb("watch").resource("configmaps");
    let asked = |matcher| {
        server
            .request_log()
            .iter()
            .filter(|request| request.is(matcher))
            .count()
    };
    assert!(asked(&lists) + asked(&watches) <= 2, "one cache for both");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_or_panics_stops_the_others_and_is_the_error() {
    let server = DevServer::start().await.unwrap();
    let log = Log::default();
    let failing = manager(&server)
        .leader_election(election(&server, "a"))
        .leader_task("work", log.task("work", SECOND))
        .task("done", |_| async { Ok::<_, std::io::Error>(()) })
        .task("broken", |_| async {
            sleep(SECOND * 5).await;
            Err(std::io::Error::other("no more"))
        });
    match failing.run_until(pending()).await {
        Err(ManagerError::Task { name, source }) => {
            assert_eq!((&*name, &*source.to_string()), ("broken", "no more"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(log.all(), ["work begins", "work ends"]);
    assert_eq!(holder(&server).await, "");

    let panicking = manager(&server).task("broken", |_| async {
        assert!(std::hint::black_box(false), "a bug");
        Ok::<_, std::io::Error>(())
    });
    let ended = panicking.run_until(pending()).await;
    assert!(
        matches!(&ended, Err(ManagerError::Panicked { name, .. }) if name == "broken"),
        "{ended:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_its_work_before_another_may_begin_and_then_the_process() {
    let server = DevServer::start().await.unwrap();
    let log = Log::default();
    let ignoring = log.clone();
    let run = manager(&server)
        .leader_election(election(&server, "a"))
        .leader_task("polite", log.task("polite", SECOND))
        .leader_task("deaf", move |_| {
            let log = ignoring.clone();
            async move {
                let _ends = Dropped(log, "deaf is dropped");
                pending::<Result<(), std::io::Error>>().await
            }
        });
    let (_stop, run) = started(run);
    sleep(SECOND).await;
    assert_eq!(holder(&server).await, "a");
    let cut = Instant::now();
    server.delay(Matcher::any().resource("leases"), SECOND * 60);
    let ended = run.await.unwrap();
    assert!(
        matches!(&ended, Err(ManagerError::LeadershipLost { lease }) if lease == "default/operator"),
        "{ended:?}"
    );
    assert_eq!(log.all(), ["polite begins", "polite ends", "deaf is dropped"]);
    // Ten seconds after the last renewal, five for work to end, and five in which it could not be released.
    assert!(cut.elapsed() <= SECOND * 20, "{:?}", cut.elapsed());
}

struct Dropped(Log, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

#[tokio::test(start_paused = true)]
async fn told_to_it_campaigns_again() {
    let server = DevServer::start().await.unwrap();
    let log = Log::default();
    let factory = InformerFactory::new(&server.client());
    let make = {
        let (factory, log) = (factory.clone(), log.clone());
        move || Controller::new(&factory, Notes(log.clone()))
    };
    let once = Manager::new(&factory)
        .leader_election(election(&server, "a"))
        .on_lost(OnLost::Campaign)
        .controller(make());
    let refused = once.run_until(pending()).await;
    assert!(
        matches!(&refused, Err(ManagerError::OneTerm { name }) if name == "controller configmap"),
        "{refused:?}"
    );

    let again = Manager::new(&factory)
        .leader_election(election(&server, "a"))
        .on_lost(OnLost::Campaign)
        .controller_with(make)
        .leader_task("work", log.task("work", SECOND));
    let (stop, run) = started(again);
    sleep(SECOND).await;
    server.delay(Matcher::any().resource("leases"), SECOND * 60);
    sleep(SECOND * 20).await;
    server.delay(Matcher::any().resource("leases"), Duration::ZERO);
    sleep(SECOND * 30).await;
    let work: Vec<_> = log
        .all()
        .into_iter()
        .filter(|line| line.starts_with("work"))
        .collect();
    assert_eq!(work, ["work begins", "work ends", "work begins"]);
    drop(stop);
    run.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_dropped_and_named() {
    let server = DevServer::start().await.unwrap();
    let deaf = |_| pending::<Result<(), std::io::Error>>();
    let run = manager(&server)
        .leader_election(election(&server, "a"))
        .leader_task("work", deaf)
        .task("serve", deaf)
        .grace(SECOND * 7);
    let (stop, run) = started(run);
    sleep(SECOND).await;
    let began = Instant::now();
    drop(stop);
    match run.await.unwrap() {
        Err(ManagerError::GraceExceeded { tasks, grace }) => {
            assert_eq!(
                (tasks, grace),
                (vec!["work".to_owned(), "serve".to_owned()], SECOND * 7)
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(began.elapsed(), SECOND * 7);
    assert_eq!(
        holder(&server).await,
        "",
        "the work was dropped, so the lease could be given up"
    );
}

#[cfg(feature = "serve")]
mod served {
    use std::net::{SocketAddr, TcpListener};

    use prometheus_client::registry::Registry;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::Notify;

    use super::*;
    use crate::metrics::Metrics;

    /// Status and body.
    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    #[tokio::test]
    async fn health_and_metrics_are_served_to_the_last() {
        let server = DevServer::start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (stopping, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, until) = (Arc::clone(&stopping), Arc::clone(&end));
        let warm = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_warm = Arc::clone(&warm);
        let factory = InformerFactory::new(&server.client());
        let begun = Arc::new(Notify::new());
        let leading = Arc::clone(&begun);
        let manager = Manager::new(&factory)
            .leader_election(election(&server, "a").metrics(&metrics))
            .controller(Controller::new(&factory, Notes(Log::default())).metrics(&metrics))
            .leader_task("work", move |stop| {
                let (told, until, leading) = (Arc::clone(&told), Arc::clone(&until), Arc::clone(&leading));
                async move {
                    leading.notify_one();
                    stop.cancelled().await;
                    told.notify_one();
                    until.notified().await;
                    Ok::<_, std::io::Error>(())
                }
            })
            .ready_check("warm", move || {
                let warm = is_warm.load(std::sync::atomic::Ordering::Relaxed);
                if warm { Ok(()) } else { Err("cold".into()) }
            })
            .health_check("alive", || Ok(()))
            .listen(listener)
            .expose(Arc::new(registry));
        let (stop, run) = started(manager);
        begun.notified().await;
        factory.wait_for_sync(SECOND * 30).await.unwrap();

        let (status, body) = get(address, "/readyz").await;
        assert_eq!(status, 503);
        assert_eq!(
            body,
            "[+]shutdown ok\n[+]caches ok\n[-]warm failed: cold\nreadyz check failed\n"
        );
        warm.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(get(address, "/readyz").await, (200, "ok".into()));
        let verbose = "[+]ping ok\n[+]alive ok\n[+]leaderElection ok\nhealthz check passed\n";
        assert_eq!(get(address, "/healthz?verbose").await, (200, verbose.into()));
        let (status, figures) = get(address, "/metrics").await;
        assert_eq!(status, 200);
        for line in [
            "leader_election_master_status{name=\"operator\"} 1",
            "controller_runtime_max_concurrent_reconciles{controller=\"configmap\"} 1",
        ] {
            assert!(figures.contains(line), "{line} is missing in {figures}");
        }
        assert_eq!(get(address, "/else").await.0, 404);

        drop(stop);
        stopping.notified().await;
        let (status, body) = get(address, "/readyz").await;
        assert!(
            status == 503 && body.starts_with("[-]shutdown failed: shutting down\n"),
            "{body}"
        );
        assert_eq!(get(address, "/livez").await.0, 200);
        assert_eq!(holder(&server).await, "a");
        end.notify_one();
        run.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    /// Asks until all checks pass; what they said.
    #[cfg(feature = "webhook")]
    async fn ready(address: SocketAddr) -> String {
        let asking = async {
            loop {
                let (status, body) = get(address, "/readyz?verbose").await;
                if status == 200 {
                    return body;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SECOND * 30, asking).await.unwrap()
    }

    #[cfg(feature = "webhook")]
    #[tokio::test]
    async fn webhooks_serve_whoever_leads_and_count_for_readiness() {
        use crate::webhook::{Admission, Allowed, Hook, Tls, WebhookServer, validate_with};

        let server = DevServer::start().await.unwrap();
        let _leader = election(&server, "another")
            .acquire(&CancellationToken::new())
            .await
            .unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let hook = Hook::validator(validate_with(|_: &Admission<ConfigMap>| Ok(Allowed::new())));
        let webhook = WebhookServer::new(Tls::pem(made.cert.pem(), made.signing_key.serialize_pem()))
            .listen(([127, 0, 0, 1], 0))
            .linger(Duration::ZERO)
            .hook(hook);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Log::default();
        let manager = manager(&server)
            .leader_election(election(&server, "this one"))
            .leader_task("work", log.task("work", SECOND))
            .webhook(webhook)
            .listen(listener);
        let (stop, run) = started(manager);
        let all = "[+]shutdown ok\n[+]caches ok\n[+]webhook ok\nreadyz check passed\n";
        assert_eq!(ready(address).await, all);
        drop(stop);
        run.await.unwrap().unwrap();
        assert!(log.all().is_empty(), "another leads");
    }
}
