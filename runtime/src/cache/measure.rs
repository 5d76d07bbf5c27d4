//! How much memory a cache takes.
//!
//! What an object holds is counted by serializing it into nothing: texts, lists and maps say their lengths, and their
//! elements what they are, from which follows what was asked of the allocator. Some objects of each cache are
//! counted, spread over all of it, so that a scrape costs about a millisecond.
//!
//! **Invariant:** an estimate changes nothing and holds no lock while it counts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde::ser::{self, Serialize, Serializer};

use super::informer::Core;
use super::lister::Lister;
use super::store::Store;
use super::target::{Cached, kind_name};

/// How many objects of a cache are counted.
const SAMPLE: usize = 256;

/// What a cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheSize {
    /// Objects.
    pub objects: usize,
    /// Those of them that are ready to be read; the others are [packed](super::KeepDecoded).
    pub decoded: usize,
    /// How often a packed object was decoded to be read, since the cache is there.
    pub decodes: u64,
    /// Bytes of memory for the objects, tables and indexes.
    ///
    /// What is packed is known; what is decoded is an estimate from up to 256 objects, for an allocator like glibc's. Not seen are the gaps that an allocator
    /// leaves, what a type boxes, and optional fields that all elements of a list lack; something that is no text in
    /// memory but serializes one of its own is taken for a text. Expect it to be right within a fifth for flat objects, and
    /// a third too small where lists of large structs are most of an object, as in pods.
    pub bytes: usize,
}

impl<K: Cached> Lister<K> {
    /// How many objects the cache holds, and an estimate of its memory. Takes about a millisecond.
    pub fn size(&self) -> CacheSize {
        size(self.store())
    }
}

fn size<K: Cached>(store: &Store<K>) -> CacheSize {
    let (sample, tally, tables) = store.sample(SAMPLE);
    let counted: usize = sample.iter().map(|object| of_object(&**object)).sum();
    let decoded = match sample.len() {
        0 => 0,
        // In 128 bits, since neither a cache's bytes nor a sum's times its objects need fit otherwise.
        count => (counted as u128 * tally.decoded as u128 / count as u128) as usize,
    };
    CacheSize {
        objects: tally.decoded + tally.packed,
        decoded: tally.decoded,
        decodes: store.decodes(),
        // Each packed object is a request of its own to the allocator.
        bytes: decoded + tally.packed_bytes + tally.packed * 16 + tables,
    }
}

pub(super) fn of_object<K: Serialize>(object: &K) -> usize {
    let mut heap = Heap { bytes: 0, depth: 0 };
    // A serializer of a user's may fail or stop early; what was counted by then is the best that is known.
    let _ = object.serialize(&mut heap);
    // Beside the object an `Arc` has two counts.
    heap.bytes + chunk(size_of::<K>() + 16)
}

/// What glibc takes for a request: a word more, in steps of two.
fn chunk(request: usize) -> usize {
    match request {
        0 => 0,
        _ => (request + 8).next_multiple_of(16).max(32),
    }
}

/// Entries of a node of a `BTreeMap`, all of which are there from the first on.
const NODE: usize = 11;

/// A serializer that counts.
struct Heap {
    bytes: usize,
    /// 0 for the object itself.
    depth: usize,
}

/// A list, map or struct on its way.
struct Items<'h> {
    heap: &'h mut Heap,
    form: Form,
    count: usize,
    /// Of the largest element or entry; of all fields.
    bytes: usize,
    key: usize,
}

/// Where the elements are.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Inline,
    List,
    Map,
}

/// A text, list or map without what it points to.
const POINTER: usize = 24;

impl Heap {
    fn items(&mut self, form: Form) -> Items<'_> {
        self.depth += 1;
        Items {
            heap: self,
            form,
            count: 0,
            bytes: 0,
            key: 0,
        }
    }

    fn text(&mut self, length: usize) -> usize {
        self.bytes += chunk(length);
        POINTER
    }
}

impl Items<'_> {
    fn item<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), fmt::Error> {
        let size = value.serialize(&mut *self.heap)?;
        self.count += 1;
        match self.form {
            Form::Inline => self.bytes += size,
            // What is absent from one may be there in another; each has room for it.
            Form::List => self.bytes = self.bytes.max(size),
            Form::Map => self.bytes = self.bytes.max(self.key + size),
        }
        Ok(())
    }

    fn field<T: ?Sized + Serialize>(&mut self, name: &str, value: &T) -> Result<(), fmt::Error> {
        // Most types have these in the program, not in the object.
        if self.heap.depth == 1 && matches!(name, "apiVersion" | "kind") {
            return Ok(());
        }
        self.item(value)
    }

    fn done(self) -> usize {
        self.heap.depth -= 1;
        self.heap.bytes += match self.form {
            Form::Inline => return self.bytes.next_multiple_of(8),
            Form::List => chunk(self.count * self.bytes),
            Form::Map => {
                // Nodes are half full once they were split, as they are where keys come in their order.
                let nodes = match self.count {
                    0 => 0,
                    1..=NODE => 1,
                    more => more.div_ceil(NODE / 2 + 1),
                };
                nodes * chunk(NODE * self.bytes + 16)
            }
        };
        POINTER
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, _: $type) -> Result<usize, fmt::Error> {
            Ok(size_of::<$type>())
        }
    )*};
}

/// Gives the size of each value without what it points to, as far as it can be seen.
impl<'h> Serializer for &'h mut Heap {
    type Ok = usize;
    type Error = fmt::Error;
    type SerializeSeq = Items<'h>;
    type SerializeTuple = Items<'h>;
    type SerializeTupleStruct = Items<'h>;
    type SerializeTupleVariant = Items<'h>;
    type SerializeMap = Items<'h>;
    type SerializeStruct = Items<'h>;
    type SerializeStructVariant = Items<'h>;

    scalars! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32,
        serialize_f64: f64, serialize_char: char
    }

    fn serialize_str(self, text: &str) -> Result<usize, fmt::Error> {
        Ok(self.text(text.len()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<usize, fmt::Error> {
        Ok(self.text(bytes.len()))
    }

    /// Only what is no text in memory is written in this way: times, addresses.
    fn collect_str<T: ?Sized + fmt::Display>(self, value: &T) -> Result<usize, fmt::Error> {
        Ok(size_of_val(value))
    }

    fn serialize_none(self) -> Result<usize, fmt::Error> {
        Ok(POINTER)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<usize, fmt::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<usize, fmt::Error> {
        Ok(0)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<usize, fmt::Error> {
        Ok(0)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<usize, fmt::Error> {
        Ok(1)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<usize, fmt::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<usize, fmt::Error> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'h>, fmt::Error> {
        Ok(self.items(Form::List))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'h>, fmt::Error> {
        Ok(self.items(Form::Inline))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'h>, fmt::Error> {
        Ok(self.items(Form::Inline))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Items<'h>, fmt::Error> {
        Ok(self.items(Form::Inline))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'h>, fmt::Error> {
        // An object that says that it is a map has flattened fields.
        let form = if self.depth == 0 { Form::Inline } else { Form::Map };
        Ok(self.items(form))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Items<'h>, fmt::Error> {
        Ok(self.items(Form::Inline))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Items<'h>, fmt::Error> {
        Ok(self.items(Form::Inline))
    }
}

impl ser::SerializeMap for Items<'_> {
    type Ok = usize;
    type Error = fmt::Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), fmt::Error> {
        if self.form == Form::Map {
            self.key = key.serialize(&mut *self.heap)?;
        }
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), fmt::Error> {
        self.item(value)
    }

    fn end(self) -> Result<usize, fmt::Error> {
        Ok(self.done())
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident),*) => {$(
        impl ser::$trait for Items<'_> {
            type Ok = usize;
            type Error = fmt::Error;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), fmt::Error> {
                self.item(value)
            }

            fn end(self) -> Result<usize, fmt::Error> {
                Ok(self.done())
            }
        }
    )*};
}

elements! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Items<'_> {
            type Ok = usize;
            type Error = fmt::Error;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), fmt::Error> {
                self.field(name, value)
            }

            fn end(self) -> Result<usize, fmt::Error> {
                Ok(self.done())
            }
        }
    )*};
}

fields! { SerializeStruct, SerializeStructVariant }

/// Sizes of caches for dashboards: `kubewright_cache_objects{kind}`, `kubewright_cache_decoded_objects{kind}` and
/// `kubewright_cache_bytes{kind}`, estimated when they are asked for, and `kubewright_cache_decodes_total{kind}`, of caches
/// that are still read. `kubewright_cache_merged_changes_total{kind}` counts the changes that were merged into another one
/// since a [subscriber](super::Subscription) was too slow to be told of each. Neither client-go nor controller-runtime has
/// metrics for these. A kind that is known at run time alone is named by group, version and kind.
///
/// ```no_run
/// # use k8s_openapi::api::core::v1::Pod;
/// # fn f(factory: &kubewright::cache::InformerFactory) {
/// let mut registry = kubewright::metrics::prometheus_client::registry::Registry::default();
/// let caches = kubewright::cache::CacheMetrics::register(&mut registry);
/// caches.add(&factory.lister::<Pod>());
/// # }
/// ```
#[derive(Clone, Default)]
pub struct CacheMetrics {
    caches: Arc<Mutex<Vec<Measure>>>,
}

/// Name of a metric, what it is, and where it is found.
type Family<T> = (&'static str, &'static str, fn(&Figures) -> T);

/// The figures of a cache, as long as somebody reads it.
type Measure = Box<dyn Fn() -> Option<(String, Figures)> + Send + Sync>;

/// What is told of the caches of a kind.
#[derive(Default)]
struct Figures {
    size: CacheSize,
    merged: u64,
}

impl fmt::Debug for CacheMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheMetrics").finish_non_exhaustive()
    }
}

impl CacheMetrics {
    /// Metrics that `registry` encodes.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register_collector(Box::new(metrics.clone()));
        metrics
    }

    /// Measures the cache from now on, until nobody reads it any more; several caches of a kind are added up.
    pub fn add<K: Cached>(&self, lister: &Lister<K>) {
        let store = lister.store().downgrade();
        let informer = lister.source().cloned().map(Arc::downcast::<Core<K>>);
        let (kind, merged) = match informer {
            Some(Ok(core)) => (core.shared.kind.clone(), Arc::clone(&core.shared.merged)),
            _ => (kind_name::<K>(), Arc::default()),
        };
        let measure = move || {
            let size = size(&store.upgrade()?);
            let merged = merged.load(Ordering::Relaxed);
            Some((kind.clone(), Figures { size, merged }))
        };
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.push(Box::new(measure));
    }

    const GAUGES: [Family<usize>; 3] = [
        ("kubewright_cache_objects", "Objects in caches", |all| {
            all.size.objects
        }),
        (
            "kubewright_cache_decoded_objects",
            "Objects in caches that are ready to be read",
            |all| all.size.decoded,
        ),
        (
            "kubewright_cache_bytes",
            "Estimate of the memory of caches",
            |all| all.size.bytes,
        ),
    ];

    // The encoder adds `_total`.
    const COUNTERS: [Family<u64>; 2] = [
        (
            "kubewright_cache_decodes",
            "How often a packed object was decoded to be read",
            |all| all.size.decodes,
        ),
        (
            "kubewright_cache_merged_changes",
            "Changes that were merged into another one for a slow subscriber",
            |all| all.merged,
        ),
    ];

    fn figures(&self) -> BTreeMap<String, Figures> {
        let mut figures = BTreeMap::<_, Figures>::new();
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|measure| {
            let Some((kind, of)) = measure() else {
                return false;
            };
            let sum = figures.entry(kind).or_default();
            sum.size.objects += of.size.objects;
            sum.size.decoded += of.size.decoded;
            sum.size.decodes += of.size.decodes;
            sum.size.bytes += of.size.bytes;
            sum.merged += of.merged;
            true
        });
        figures
    }
}

impl Collector for CacheMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let figures = self.figures();
        for (name, help, of) in Self::GAUGES {
            let gauge = |figures| ConstGauge::new(i64::try_from(of(figures)).unwrap_or(i64::MAX));
            let kind = ConstGauge::new(0_i64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (kind, figures) in &figures {
                gauge(figures).encode(family.encode_family(&[("kind", kind.as_str())])?)?;
            }
        }
        for (name, help, of) in Self::COUNTERS {
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (kind, figures) in &figures {
                let counter = ConstCounter::new(of(figures));
                counter.encode(family.encode_family(&[("kind", kind.as_str())])?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn map(value: serde_json::Value) -> ConfigMap {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn counts_what_was_asked_of_the_allocator() {
        let own = chunk(size_of::<ConfigMap>() + 16);
        assert_eq!(of_object(&map(json!({"metadata": {}}))), own);
        assert_eq!(of_object(&map(json!({"metadata": {"name": "a"}}))), own + 32);
        let uid = "3f0b1c52-7a64-4e0d-9c11-000000000001";
        assert_eq!(of_object(&map(json!({"metadata": {"uid": uid}}))), own + 48);
        // A leaf has room for eleven pairs of texts, whose lengths and links are 16 bytes.
        let leaf = chunk(11 * 48 + 16);
        let labels = json!({"metadata": {"labels": {"a": "x", "b": "y"}}});
        assert_eq!(of_object(&map(labels)), own + leaf + 4 * 32);
        let finalizers = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
        assert_eq!(of_object(&map(finalizers)), own + chunk(3 * 24) + 3 * 32);
        let many: serde_json::Map<_, _> = (0..60).map(|n| (n.to_string(), json!("x"))).collect();
        assert_eq!(
            of_object(&map(json!({"metadata": {}, "data": many}))),
            own + 10 * leaf + 120 * 32
        );
    }

    #[test]
    fn metrics_add_up_the_caches_of_a_kind_while_they_are_read() {
        let store_of = |count: usize| {
            let store = Store::new();
            for nth in 0..count {
                let meta = json!({"metadata": {"name": format!("a{nth}"), "namespace": "n"}});
                store.insert(Arc::new(map(meta)));
            }
            store
        };
        let (small, large) = (Lister::new(store_of(3)), Lister::new(store_of(1_000)));
        let each = of_object(&**small.list().first().unwrap());
        let size = large.size();
        assert_eq!(size.objects, 1_000);
        assert_eq!((size.decoded, size.decodes), (1_000, 0));
        // With the tables, of 57 bytes for each object and up to twice that.
        assert!(
            (1_000 * (each + 57)..1_000 * (each + 120)).contains(&size.bytes),
            "{size:?}"
        );
        let mut registry = Registry::default();
        let metrics = CacheMetrics::register(&mut registry);
        metrics.add(&small);
        metrics.add(&large);
        let text = |registry: &Registry| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
            text
        };
        let both = text(&registry);
        assert!(
            both.contains("kubewright_cache_objects{kind=\"ConfigMap\"} 1003\n"),
            "{both}"
        );
        let bytes = small.size().bytes + large.size().bytes;
        assert!(
            both.contains(&format!("kubewright_cache_bytes{{kind=\"ConfigMap\"}} {bytes}\n")),
            "{both}"
        );
        drop(large);
        let one = text(&registry);
        assert!(
            one.contains("kubewright_cache_objects{kind=\"ConfigMap\"} 3\n"),
            "{one}"
        );
    }
}
