//! kube-runtime's caches and controller, as a child of the bench.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use kube_runtime::Controller;
use kube_runtime::controller::{Action, Config as ControllerConfig};
use kube_runtime::reflector::{ObjectRef, store as make_store};
use kube_runtime::scheduler::{ScheduleRequest, scheduler};
use kube_runtime::watcher::{self, Event, watcher};
use kubewright::cache::Trim;
use kubewright::kind::Kind;
use kubewright::kube::{Api, ResourceExt};

use super::calls::Calls;
use super::client;
use super::objects::{Foo, LABEL, PER_SHARD, name, namespace, shard};
use super::probe::{Figures, contended, cpu, peak, rate, rss, scattered};
use crate::Result;

/// Leaves out what kubewright's cache leaves out, in the way that kube documents.
fn trimmed<K: Kind>(mut object: K, trim: Trim) -> K {
    if trim.managed_fields {
        object.managed_fields_mut().clear();
        object.meta_mut().managed_fields = None;
    }
    if trim.last_applied {
        object
            .annotations_mut()
            .remove("kubectl.kubernetes.io/last-applied-configuration");
        if object.annotations().is_empty() {
            object.meta_mut().annotations = None;
        }
    }
    object
}

/// Fills a cache, and reads it.
pub(crate) async fn store<K: Kind>(url: &str, objects: usize, trim: Trim) -> Result<Figures> {
    let mut figures = Figures::new();
    let api = Api::<K>::all(client(url)?);
    let (reader, mut writer) = make_store::<K>();
    let (memory, used, begun) = (rss()?, cpu()?, Instant::now());
    // What `reflector` does with each event; the writer is kept for later.
    let mut events = watcher(api, watcher::Config::default())
        .map_ok(|event| {
            if trim == Trim::NOTHING {
                event
            } else {
                event.modify(|object| *object = trimmed(object.clone(), trim))
            }
        })
        .boxed();
    while let Some(event) = events.next().await {
        let event = event?;
        writer.apply_watcher_event(&event);
        if matches!(event, Event::InitDone) {
            break;
        }
    }
    figures.insert("sync_s".into(), begun.elapsed().as_secs_f64());
    figures.insert("sync_cpu_s".into(), cpu()? - used);
    tokio::time::sleep(Duration::from_secs(2)).await;
    figures.insert("bytes".into(), (rss()? - memory) / objects as f64);
    figures.insert("peak_mib".into(), peak()? / 1_048_576.0);
    if reader.len() != objects {
        return Err(format!("the cache holds {} of {objects}", reader.len()).into());
    }
    // In the order of the reads, as keys from a queue are at hand, so that finding the object is what is measured.
    let keys: Vec<_> = (0..objects)
        .map(|at| scattered(at, objects))
        .map(|n| ObjectRef::<K>::new(&name(n)).within(&namespace(n)))
        .collect();
    let get = |at: usize| reader.get(&keys[at % objects]).expect("a key of the cache");
    figures.insert("get".into(), rate(get));
    figures.insert("get_read".into(), rate(|at| get(at).meta().generation));
    figures.insert(
        "get_built".into(),
        rate(|at| {
            let n = scattered(at, objects);
            reader
                .get(&ObjectRef::new(&name(n)).within(&namespace(n)))
                .expect("a key of the cache")
        }),
    );
    let (reads, writes) = contended(
        |at| get(at).meta().generation,
        |at| {
            let object = reader.get(&keys[at % objects]).expect("a key of the cache");
            let mut object = K::clone(&object);
            object.meta_mut().resource_version = Some(at.to_string());
            writer.apply_watcher_event(&Event::Apply(object));
        },
    );
    figures.insert("get_contended".into(), reads);
    figures.insert("writes_contended".into(), writes);
    let shards: Vec<_> = (0..objects.div_ceil(PER_SHARD))
        .map(|at| shard(at * PER_SHARD))
        .collect();
    let by_label = rate(|at| {
        let wanted = &shards[scattered(at, shards.len())];
        reader
            .state_filter(|object| object.labels().get(LABEL) == Some(wanted))
            .len()
    });
    figures.insert("index_us".into(), 1e6 / by_label);
    let namespaces: Vec<_> = (0..objects)
        .step_by(super::objects::PER_NAMESPACE)
        .map(namespace)
        .collect();
    let of_namespace = rate(|at| {
        let wanted = &namespaces[scattered(at, namespaces.len())];
        reader
            .state_filter(|object| object.meta().namespace.as_ref() == Some(wanted))
            .len()
    });
    figures.insert("namespace_us".into(), 1e6 / of_namespace);
    figures.insert("list_ms".into(), 1e3 / rate(|_| reader.state().len()));
    Ok(figures)
}

/// Keys through kube-runtime's scheduler, which has no `done`.
pub(crate) async fn queue(objects: usize) -> Result<Figures> {
    // In the order of the reads, as keys from a queue are at hand, so that finding the object is what is measured.
    let keys: Vec<_> = (0..objects)
        .map(|at| scattered(at, objects))
        .map(|n| ObjectRef::<Foo>::new(&name(n)).within(&namespace(n)))
        .collect();
    let mut figures = Figures::new();
    let begun = Instant::now();
    // A scheduler ends with its requests, whatever waits.
    let requests = stream::iter(keys)
        .map(|message| ScheduleRequest {
            message,
            run_at: tokio::time::Instant::now(),
        })
        .chain(stream::pending());
    let taken = scheduler(requests).take(objects).count().await;
    if taken != objects {
        return Err(format!("the scheduler gave {taken} of {objects}").into());
    }
    figures.insert("all".into(), objects as f64 / begun.elapsed().as_secs_f64());
    Ok(figures)
}

/// A controller from its start over the first state to events.
pub(crate) async fn controller(url: &str, objects: usize) -> Result<Figures> {
    let api = Api::<Foo>::all(client(url)?);
    let calls = Arc::new(Calls::new(objects));
    let (used, begun) = (cpu()?, Instant::now());
    let controller =
        Controller::new(api, watcher::Config::default()).with_config(ControllerConfig::default());
    let reconcile = |object: Arc<Foo>, calls: Arc<Calls>| async move {
        calls.note(Some(&object));
        Ok::<_, Infallible>(Action::await_change())
    };
    let running = controller.run(reconcile, |_, _, _| Action::await_change(), Arc::clone(&calls));
    let running = tokio::spawn(running.for_each(async |_| ()));
    let figures = calls.measure(url, begun, used).await?;
    running.abort();
    Ok(figures)
}
