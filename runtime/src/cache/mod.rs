//! Local caches of what the server has.
//!
//! ```no_run
//! # use k8s_openapi::api::core::v1::{Node, Pod};
//! # use kubewright::cache::InformerFactory;
//! # async fn f(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let factory = InformerFactory::new(&client);
//! let pods = factory.informer::<Pod>();
//! pods.add_index("by-node", |pod: &Pod| pod.spec.iter().filter_map(|spec| spec.node_name.clone()).collect())?;
//! let lister = pods.lister();
//! let mut changes = pods.subscribe();
//! factory.start();
//! factory.wait_for_sync(std::time::Duration::from_secs(30)).await?;
//! let here = lister.namespace("default").list();
//! let there = lister.by_index("by-node", "worker-1")?;
//! while let Some(delta) = changes.recv().await {
//!     println!("{:?}", delta.key());
//! }
//! # Ok(()) }
//! ```
//!
//! A [`Reflector`] fills a [`Store`] by list and watch; a [`Lister`] reads it; an [`Informer`] adds those who
//! listen; an [`InformerFactory`] shares informers. client-go's words, with their meaning there.
//!
//! A cache need not keep whole objects:
//!
//! - [`Trim`] leaves fields out while objects are decoded, `managedFields` and the annotation of `kubectl apply` by default.
//! - The kind `kube::core::PartialObjectMeta<Pod>` is the metadata of pods; for it the server sends no more than that.
//! - What a type does not name is not decoded: a [kind](crate::kind::Kind) of yours with `metadata` and
//!   `spec.nodeName` alone is a cache of these fields. It is another one than that of the whole kind.
//! - [`Informer::set_transform`] changes objects before they are kept.
//!
//! Only the first of these objects may be written back as a whole; the others lack what the server has, and are
//! changed by patches.
//!
//! Objects that nobody reads are packed where a cache is large: [`KeepDecoded`].
//!
//! **Invariant:** what a cache hands out is shared and never changes; a newer state is a new object.

mod backlog;
mod config;
mod delta;
mod factory;
mod gathered;
mod informer;
mod keeping;
mod lister;
mod measure;
mod namespaces;
mod packed;
mod reflector;
mod replacement;
mod shared;
mod store;
mod subscription;
mod table;
mod target;
mod transform;
mod trim;
mod version;
mod wire;

pub use config::{InitialState, ReflectorConfig, WatchScope};
pub use delta::{Delta, Earlier, LastState};
pub(crate) use delta::{Glance, Heard, News};
pub use factory::{
    InformerFactory, InformerFactoryBuilder, KindStatus, NotDiscovered, NotSynced, UnsyncedKind,
};
pub use informer::{AlreadyStarted, Informer, Stopped};
pub use keeping::KeepDecoded;
pub use lister::{Lister, NamespaceLister, UnknownIndex};
pub use measure::{CacheMetrics, CacheSize};
pub use namespaces::{NamespaceSet, NamespaceStatus};
pub use reflector::{Reflector, ReflectorHandle, ReflectorStatus};
pub use store::{IndexExists, Store};
pub use subscription::{EventHandler, Registration, Subscribe, Subscription, on_change};
pub(crate) use table::Entry;
pub use target::{Cached, Dynamic};
pub use trim::Trim;
pub use version::ResourceVersion;

pub(crate) use reflector::chain;
pub(crate) use target::{Target, kind_name, kind_of};
pub(crate) use trim::{LAST_APPLIED, is_unapplied};
