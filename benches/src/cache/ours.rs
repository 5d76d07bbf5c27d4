//! kubewright's caches, queue and controller, as a child of the bench.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubewright::cache::{
    InformerFactory, KeepDecoded, Lister, Reflector, ReflectorConfig, Store, Trim, WatchScope,
};
use kubewright::controller::{Action, Context, Controller, Reconciler};
use kubewright::kind::{Kind, Namespaced, ObjectKey};
use kubewright::kube::ResourceExt;
use kubewright::queue::WorkQueue;
use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use super::client;
use super::objects::{Foo, LABEL, PER_SHARD, name, namespace, shard};
use super::probe::{Figures, contended, cpu, peak, rate, rss, scattered};
use crate::Result;

/// Fills a cache, and reads it.
pub(crate) async fn store<K: Kind<Scope = Namespaced>>(
    url: &str,
    objects: usize,
    trim: Trim,
    keep_decoded: KeepDecoded,
) -> Result<Figures> {
    let mut figures = Figures::new();
    let client = client(url)?;
    let store = Store::<K>::new();
    store.add_index("shard", |object: &K| {
        object.labels().get(LABEL).cloned().into_iter().collect()
    })?;
    let (memory, used, begun) = (rss()?, cpu()?, Instant::now());
    let config = ReflectorConfig {
        trim,
        keep_decoded,
        ..ReflectorConfig::default()
    };
    let reflector = Reflector::new(&client, &WatchScope::all(), config, store.clone());
    let mut handle = reflector.handle();
    let stop = CancellationToken::new();
    tokio::spawn(reflector.run(stop.clone()));
    handle.wait_for_sync().await;
    figures.insert("sync_s".into(), begun.elapsed().as_secs_f64());
    figures.insert("sync_cpu_s".into(), cpu()? - used);
    tokio::time::sleep(Duration::from_secs(2)).await;
    figures.insert("bytes".into(), (rss()? - memory) / objects as f64);
    figures.insert("peak_mib".into(), peak()? / 1_048_576.0);

    let lister = Lister::new(store.clone());
    if lister.len() != objects {
        return Err(format!("the cache holds {} of {objects}", lister.len()).into());
    }
    figures.insert("estimate".into(), lister.size().bytes as f64 / objects as f64);
    // In the order of the reads, as keys from a queue are at hand, so that finding the object is what is measured.
    let keys: Vec<_> = (0..objects)
        .map(|at| scattered(at, objects))
        .map(|n| ObjectKey::namespaced(namespace(n), name(n)))
        .collect();
    let get = |at: usize| lister.get(&keys[at % objects]).expect("a key of the cache");
    figures.insert("get".into(), rate(get));
    figures.insert("get_read".into(), rate(|at| get(at).meta().generation));
    figures.insert(
        "get_built".into(),
        rate(|at| {
            let n = scattered(at, objects);
            lister
                .get(&ObjectKey::namespaced(namespace(n), name(n)))
                .expect("a key of the cache")
        }),
    );
    let (reads, writes) = contended(
        |at| get(at).meta().generation,
        |at| {
            let object = lister.get(&keys[at % objects]).expect("a key of the cache");
            let mut object = K::clone(&object);
            object.meta_mut().resource_version = Some(at.to_string());
            store.insert(Arc::new(object));
        },
    );
    figures.insert("get_contended".into(), reads);
    figures.insert("writes_contended".into(), writes);
    let shards: Vec<_> = (0..objects.div_ceil(PER_SHARD))
        .map(|at| shard(at * PER_SHARD))
        .collect();
    let by_index = rate(|at| {
        lister
            .by_index("shard", &shards[scattered(at, shards.len())])
            .expect("an index")
            .len()
    });
    figures.insert("index_us".into(), 1e6 / by_index);
    let namespaces: Vec<_> = (0..objects)
        .step_by(super::objects::PER_NAMESPACE)
        .map(namespace)
        .collect();
    let of_namespace = rate(|at| {
        lister
            .namespace(&namespaces[scattered(at, namespaces.len())])
            .list()
            .len()
    });
    figures.insert("namespace_us".into(), 1e6 / of_namespace);
    figures.insert("list_ms".into(), 1e3 / rate(|_| lister.list().len()));
    stop.cancel();
    Ok(figures)
}

/// Keys through the queue.
pub(crate) async fn queue(objects: usize) -> Result<Figures> {
    let keys: Vec<_> = (0..objects)
        .map(|n| ObjectKey::namespaced(namespace(n), name(n)))
        .collect();
    let mut figures = Figures::new();
    let queue = WorkQueue::new();
    let (copy, begun) = (keys.clone(), Instant::now());
    for key in copy {
        queue.add(key);
    }
    let added = begun.elapsed();
    for _ in 0..objects {
        drop(queue.get().await.ok_or("a queue with keys")?);
    }
    let all = begun.elapsed();
    figures.insert("add".into(), objects as f64 / added.as_secs_f64());
    figures.insert("get_done".into(), objects as f64 / (all - added).as_secs_f64());
    figures.insert("all".into(), objects as f64 / all.as_secs_f64());
    for key in keys {
        queue.add(key);
    }
    let begun = Instant::now();
    for _ in 0..objects {
        let item = queue.get().await.ok_or("a queue with keys")?;
        let key = item.key().clone();
        drop(item);
        queue.add(key);
    }
    figures.insert("steady".into(), objects as f64 / begun.elapsed().as_secs_f64());
    Ok(figures)
}

/// A reconciler that does nothing but say when it was called.
struct Nothing(Arc<Calls>);

impl Reconciler for Nothing {
    type Object = Foo;
    type Error = Infallible;

    async fn reconcile(&self, key: &ObjectKey, context: &Context<Foo>) -> Result<Action, Infallible> {
        self.0.note(context.lister().get(key).as_deref());
        Ok(Action::done())
    }
}

/// A controller from its start over the first state to events.
pub(crate) async fn controller(url: &str, objects: usize) -> Result<Figures> {
    let factory = InformerFactory::new(&client(url)?);
    let calls = Arc::new(Calls::new(objects));
    let (used, begun) = (cpu()?, Instant::now());
    let running = tokio::spawn(Controller::new(&factory, Nothing(Arc::clone(&calls))).run());
    let figures = calls.measure(url, begun, used).await?;
    factory.shutdown();
    running.await??;
    Ok(figures)
}
