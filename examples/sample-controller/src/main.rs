//! Runs the controller: against a server in this process, or against a real cluster.

#![allow(
    clippy::print_stdout,
    reason = "telling what happens is what this program does"
)]

mod demo;

use std::fmt;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kubewright::cache::{Delta, InformerFactory};
use kubewright::controller::shutdown_signal;
use kubewright::events::EventRecorder;
use kubewright::k8s_openapi::api::apps::v1::Deployment;
use kubewright::k8s_openapi::api::events::v1::Event;
use kubewright::kind::ObjectKey;
use kubewright::kube::{self, Config};
use sample_controller::api::Foo;
use sample_controller::controller::{AGENT, Clients, controller};
use tokio_util::sync::CancellationToken;

use demo::Demo;

/// How long `--once` waits for the first convergence.
const ONCE_DEADLINE: Duration = Duration::from_secs(60);
/// Each object is handed to the controller again this often, changed or not.
const RESYNC: Duration = Duration::from_secs(30);
/// How long the last events may take.
const FLUSH_DEADLINE: Duration = Duration::from_secs(5);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A Foo drives a Deployment.
#[derive(Parser)]
struct Args {
    /// End after the first convergence: every Foo has its Deployment, and its availability in the status.
    #[arg(long)]
    once: bool,
    /// Use the cluster that this file names, instead of a server in this process.
    #[arg(long, value_name = "FILE", conflicts_with = "in_cluster")]
    kubeconfig: Option<PathBuf>,
    /// Use the cluster that this pod runs in.
    #[arg(long)]
    in_cluster: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,sample_controller=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&*error), "stopped");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Failure> {
    let demo = if args.kubeconfig.is_none() && !args.in_cluster {
        Some(Demo::start().await?)
    } else {
        None
    };
    let connection = match (&demo, &args.kubeconfig) {
        (Some(demo), _) => demo.server.client(),
        (None, Some(path)) => {
            let kubeconfig = kube::config::Kubeconfig::read_from(path)?;
            kube::Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?)?
        }
        (None, None) => kube::Client::try_from(Config::incluster()?)?,
    };

    let clients = Clients::new(connection);
    let factory = InformerFactory::builder(&clients).resync(RESYNC).build();
    let recorder = EventRecorder::new(&clients, AGENT);
    let stop = CancellationToken::new();

    let narrator = tokio::spawn(narrate(factory.clone()));
    let cluster = demo.is_some().then(|| {
        let factory = factory.clone();
        tokio::spawn(async move { demo::make_deployments_available(&factory).await })
    });
    let watcher = tokio::spawn(end(args.once, demo.is_some(), factory.clone(), stop.clone()));
    if let (Some(demo), false) = (&demo, args.once) {
        demo.invite();
    }

    controller(&factory, &clients, &recorder)
        .run_until(stop.cancelled_owned())
        .await?;
    let outcome = watcher.await?;
    if !recorder.flush(FLUSH_DEADLINE).await {
        tracing::warn!("some events were not written");
    }
    factory.shutdown();
    narrator.await?;
    if let Some(cluster) = cluster {
        cluster.await?;
    }
    if let Some(demo) = demo {
        demo.stop().await;
    }
    say(format_args!("stopped"));
    outcome
}

/// Ends the run: at a signal, or with `once` at the first convergence.
async fn end(
    once: bool,
    embedded: bool,
    factory: InformerFactory,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let outcome = if once {
        tokio::select! {
            () = shutdown_signal() => Ok(()),
            outcome = tokio::time::timeout(ONCE_DEADLINE, converged(embedded, &factory)) => match outcome {
                Ok(()) => {
                    say(format_args!("converged"));
                    Ok(())
                }
                Err(_) => Err(format!("no convergence within {} s", ONCE_DEADLINE.as_secs()).into()),
            },
        }
    } else {
        shutdown_signal().await;
        Ok(())
    };
    stop.cancel();
    outcome
}

/// Waits until there is a Foo, and each has its Deployment and its availability. With `all`, until the wanted
/// replicas are available too.
async fn converged(all: bool, factory: &InformerFactory) {
    let mut changes = factory.informer::<Foo>().subscribe();
    let (foos, deployments) = (factory.lister::<Foo>(), factory.lister::<Deployment>());
    while changes.recv().await.is_some() {
        let done = foos.list().iter().all(|foo| {
            let (Some(namespace), Some(name)) = (&foo.metadata.namespace, &foo.spec.deployment_name) else {
                return true;
            };
            let reported = foo.status.as_ref().and_then(|status| status.available_replicas);
            let key = ObjectKey::namespaced(namespace, name);
            deployments.get(&key).is_some()
                && if all {
                    reported == foo.spec.replicas
                } else {
                    reported.is_some()
                }
        });
        if done && !foos.is_empty() {
            return;
        }
    }
}

/// Prints what happens, as it happens.
async fn narrate(factory: InformerFactory) {
    let mut foos = factory.informer::<Foo>().subscribe();
    let mut deployments = factory.informer::<Deployment>().subscribe();
    let mut events = factory.informer::<Event>().subscribe();
    loop {
        tokio::select! {
            Some(delta) = foos.recv() => tell("Foo", &delta, |foo: &Foo| {
                let status = foo.status.as_ref().and_then(|status| status.available_replicas);
                format!("replicas {}, available {}", shown(foo.spec.replicas), shown(status))
            }),
            Some(delta) = deployments.recv() => tell("Deployment", &delta, |deployment: &Deployment| {
                let wanted = deployment.spec.replicas;
                let available = deployment.status.as_ref().and_then(|status| status.available_replicas);
                format!("replicas {}, available {}", shown(wanted), shown(available))
            }),
            Some(delta) = events.recv() => tell("Event", &delta, |event: &Event| {
                let count = event.series.as_ref().map_or(1, |series| series.count);
                format!(
                    "{} {}: {} (seen {count} times)",
                    event.type_.as_deref().unwrap_or_default(),
                    event.reason.as_deref().unwrap_or_default(),
                    event.note.as_deref().unwrap_or_default(),
                )
            }),
            else => return,
        }
    }
}

fn tell<K: kubewright::kind::Kind>(kind: &str, delta: &Delta<K>, describe: impl Fn(&K) -> String) {
    let key = delta.key();
    match delta {
        Delta::Added(object) => say(format_args!("{kind} {key} added: {}", describe(object))),
        Delta::Updated { .. } if delta.is_resync() => {}
        Delta::Updated { new, .. } => say(format_args!("{kind} {key} changed: {}", describe(new))),
        Delta::Deleted { .. } => say(format_args!("{kind} {key} deleted")),
    }
}

fn shown(count: Option<i32>) -> String {
    count.map_or_else(|| "unset".to_owned(), |count| count.to_string())
}

fn say(line: fmt::Arguments<'_>) {
    println!("{line}");
}

/// An error and its sources in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
