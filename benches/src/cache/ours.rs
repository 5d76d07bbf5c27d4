//! kubewright's caches, queue and controller, as a child of the bench.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kubewright::cache::{InformerFactory, Lister, Reflector, ReflectorConfig, Store, Trim, WatchScope};
use kubewright::controller::{Action, Context, Controller, Reconciler};
use kubewright::kind::{Kind, Namespaced, ObjectKey};
use kubewright::kube::ResourceExt;
use kubewright::queue::WorkQueue;
use tokio_util::sync::CancellationToken;

use super::client;
use super::objects::{Foo, LABEL, PER_SHARD, name, namespace, shard};
use super::probe::{Figures, contended, cpu, peak, percentiles, rate, rss, scattered};
use super::standin::made;
use crate::Result;

/// Fills a cache, and reads it.
pub(crate) async fn store<K: Kind<Scope = Namespaced>>(
    url: &str,
    objects: usize,
    trim: Trim,
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
    let keys: Vec<_> = (0..objects)
        .map(|n| ObjectKey::namespaced(namespace(n), name(n)))
        .collect();
    let get = |at: usize| {
        lister
            .get(&keys[scattered(at, objects)])
            .expect("a key of the cache")
    };
    figures.insert("get".into(), rate(get));
    figures.insert(
        "get_built".into(),
        rate(|at| {
            let n = scattered(at, objects);
            lister
                .get(&ObjectKey::namespaced(namespace(n), name(n)))
                .expect("a key of the cache")
        }),
    );
    let (reads, writes) = contended(get, |at| {
        let object = lister
            .get(&keys[scattered(at, objects)])
            .expect("a key of the cache");
        let mut object = K::clone(&object);
        object.meta_mut().resource_version = Some(at.to_string());
        store.insert(Arc::new(object));
    });
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
    let queue = WorkQueue::new("bench");
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

struct Calls {
    done: AtomicUsize,
    /// Ages in milliseconds, once the first state is done.
    ages: Mutex<Vec<f64>>,
    first: Mutex<Option<Instant>>,
    objects: usize,
}

impl Reconciler for Nothing {
    type Object = Foo;
    type Error = Infallible;

    async fn reconcile(&self, key: &ObjectKey, context: &Context<Foo>) -> Result<Action, Infallible> {
        let calls = &*self.0;
        let done = calls.done.fetch_add(1, Ordering::Relaxed);
        if done == 0 {
            *calls.first.lock().expect("nobody panics with it") = Some(Instant::now());
        }
        let object = context.lister().get(key);
        if done >= calls.objects
            && let Some(version) = object.and_then(|object| object.resource_version()?.parse::<u64>().ok())
        {
            let age = made().saturating_sub(version) as f64 / 1e6;
            calls.ages.lock().expect("nobody panics with it").push(age);
        }
        Ok(Action::done())
    }
}

/// A controller from its start over the first state to events.
pub(crate) async fn controller(url: &str, objects: usize) -> Result<Figures> {
    let mut figures = Figures::new();
    let client = client(url)?;
    let nothing = Arc::new(Calls {
        done: AtomicUsize::new(0),
        ages: Mutex::default(),
        first: Mutex::default(),
        objects,
    });
    let factory = InformerFactory::new(&client);
    let (used, begun) = (cpu()?, Instant::now());
    let running = tokio::spawn(Controller::new(&factory, Nothing(Arc::clone(&nothing))).run());
    let done = || nothing.done.load(Ordering::Relaxed);
    super::until(|| done() >= objects).await?;
    let all = begun.elapsed().as_secs_f64();
    let first = nothing
        .first
        .lock()
        .expect("nobody panics with it")
        .map_or(all, |first| (first - begun).as_secs_f64());
    figures.insert("first_s".into(), first);
    figures.insert("all_s".into(), all);
    figures.insert("cpu_s".into(), cpu()? - used);
    figures.insert("per_s".into(), objects as f64 / (all - first));
    super::burst(url, objects, &mut figures, done).await?;
    nothing.ages.lock().expect("nobody panics with it").clear();
    let used = cpu()?;
    super::paced(url, done).await?;
    figures.insert(
        "event_cpu_ms".into(),
        (cpu()? - used) * 1e3 / super::EVENTS as f64,
    );
    percentiles(
        std::mem::take(&mut *nothing.ages.lock().expect("nobody panics with it")),
        &mut figures,
    );
    figures.insert("peak_mib".into(), peak()? / 1_048_576.0);
    factory.shutdown();
    running.await??;
    Ok(figures)
}
