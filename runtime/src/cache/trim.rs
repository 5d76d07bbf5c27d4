//! Leaves fields out of objects while they are decoded.
//!
//! `metadata.managedFields` takes more memory, once decoded, than most objects themselves, and the annotation of
//! `kubectl apply` holds each object once more; no controller reads either. Leaving them out afterwards would still
//! allocate them for each event.
//!
//! **Invariant:** nothing but the fields that [`Trim`] names differs from a plain decode, and an object that lacks its
//! annotation carries a mark by which [`Client`](crate::client::Client) gives it back in a write.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use kube::Resource;
use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::target::Cached;

/// What a cache leaves out of the objects that it keeps.
///
/// An object from a trimmed cache can be changed and written back:
///
/// - An update that lacks `managedFields` leaves them as they are on the server.
/// - An update that lacks the annotation `last-applied-configuration` would remove it, and `kubectl apply` then no longer
///   knew what it had applied. The cache therefore marks an object whose annotation it left out, by an empty
///   `metadata.selfLink`, which servers take as absent, and which clones keep.
///   [`Client::update`](crate::client::Client::update), of the status too, reads the present annotation of a marked
///   object first and sends it along: one small request more. Nothing is read for other objects, nor where the object
///   has that annotation again. Patches and server-side apply name what they change and need none of this; to remove
///   the annotation, use a patch.
///
/// Whoever replaces cached objects by other means, such as `kube::Api::replace`, keeps the annotation in the cache:
///
/// ```
/// # use kubewright::cache::{ReflectorConfig, Trim};
/// let config = ReflectorConfig {
///     trim: Trim { last_applied: false, ..Trim::default() },
///     ..ReflectorConfig::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// Leave out `metadata.managedFields`. Default true.
    pub managed_fields: bool,
    /// Leave out the annotation `kubectl.kubernetes.io/last-applied-configuration`. Default true.
    pub last_applied: bool,
}

impl Default for Trim {
    fn default() -> Self {
        Self {
            managed_fields: true,
            last_applied: true,
        }
    }
}

impl Trim {
    /// Keeps all fields.
    pub const NOTHING: Self = Self {
        managed_fields: false,
        last_applied: false,
    };

    /// Decodes one object for a cache.
    pub(crate) fn decode<K: Cached>(self, json: &str) -> Result<K, serde_json::Error> {
        let (mut object, unapplied) = self.decode_any::<K>(json)?;
        if unapplied {
            let meta = object.meta_mut();
            meta.self_link = Some(String::new());
            if meta
                .annotations
                .as_ref()
                .is_some_and(std::collections::BTreeMap::is_empty)
            {
                meta.annotations = None;
            }
        }
        // JSON does not say beforehand how long a list is, so that lists have room to grow in, for four elements at
        // least. A clone has none: it costs less than a tenth of the decoding, and objects stay for long.
        Ok(object.clone())
    }

    /// The object, and whether it lacks its annotation.
    fn decode_any<'de, T: Deserialize<'de>>(self, json: &'de str) -> Result<(T, bool), serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let unapplied = Cell::new(false);
        let object = if self == Self::NOTHING {
            T::deserialize(&mut deserializer)?
        } else {
            T::deserialize(Trimmed {
                inner: &mut deserializer,
                level: Level::Object,
                trim: Cut {
                    trim: self,
                    unapplied: &unapplied,
                },
            })?
        };
        deserializer.end()?;
        Ok((object, unapplied.get()))
    }
}

/// Whether a cache left the annotation out of `object`, and nobody has set it since.
pub(crate) fn is_unapplied<K: Resource>(object: &K) -> bool {
    let meta = object.meta();
    let annotations = meta.annotations.as_ref();
    meta.self_link.as_deref() == Some("")
        && !annotations.is_some_and(|annotations| annotations.contains_key(LAST_APPLIED))
}

pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How deep the decoder stands; below these levels it does not look.
#[derive(Clone, Copy)]
enum Level {
    Object,
    Metadata,
    Annotations,
}

/// What is left out, and whether it was there.
#[derive(Clone, Copy)]
struct Cut<'c> {
    trim: Trim,
    unapplied: &'c Cell<bool>,
}

impl Level {
    fn leaves_out(self, cut: Cut<'_>, key: &str) -> bool {
        match self {
            Self::Object => false,
            Self::Metadata => cut.trim.managed_fields && key == "managedFields",
            Self::Annotations => {
                let out = cut.trim.last_applied && key == LAST_APPLIED;
                cut.unapplied.set(cut.unapplied.get() || out);
                out
            }
        }
    }

    fn below(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::Object, "metadata") => Some(Self::Metadata),
            (Self::Metadata, "annotations") => Some(Self::Annotations),
            _ => None,
        }
    }
}

/// A deserializer, visitor or seed that watches for keys on its way down.
struct Trimmed<'c, T> {
    inner: T,
    level: Level,
    trim: Cut<'c>,
}

macro_rules! forward_deserializer {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = Trimmed { inner: visitor, level: self.level, trim: self.trim };
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Trimmed<'_, D> {
    type Error = D::Error;

    forward_deserializer! {
        deserialize_any(); deserialize_bool(); deserialize_i8(); deserialize_i16(); deserialize_i32();
        deserialize_i64(); deserialize_i128(); deserialize_u8(); deserialize_u16(); deserialize_u32();
        deserialize_u64(); deserialize_u128(); deserialize_f32(); deserialize_f64(); deserialize_char();
        deserialize_str(); deserialize_string(); deserialize_bytes(); deserialize_byte_buf();
        deserialize_option(); deserialize_unit(); deserialize_seq(); deserialize_map();
        deserialize_identifier(); deserialize_ignored_any();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_visitor {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        fn $method<E: serde::de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Trimmed<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    forward_visitor! {
        visit_bool: bool, visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128, visit_f32: f32,
        visit_f64: f64, visit_char: char, visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Self {
            inner: visitor,
            level,
            trim,
        } = self;
        visitor.visit_some(Trimmed { inner, level, trim })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Self {
            inner: visitor,
            level,
            trim,
        } = self;
        visitor.visit_newtype_struct(Trimmed { inner, level, trim })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(seq)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(data)
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self {
            inner: visitor,
            level,
            trim,
        } = self;
        visitor.visit_map(TrimmedMap {
            inner,
            level,
            trim,
            below: None,
        })
    }
}

struct TrimmedMap<'c, A> {
    inner: A,
    level: Level,
    trim: Cut<'c>,
    /// Level of the value that comes next, where it is one of interest.
    below: Option<Level>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for TrimmedMap<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        while let Some(key) = self.inner.next_key_seed(Key(PhantomData))? {
            let text = match &key {
                Text::Borrowed(text) => text,
                Text::Owned(text) => text.as_str(),
            };
            if self.level.leaves_out(self.trim, text) {
                self.inner.next_value::<IgnoredAny>()?;
                continue;
            }
            self.below = self.level.below(text);
            return match key {
                Text::Borrowed(text) => seed.deserialize(BorrowedStrDeserializer::new(text)),
                Text::Owned(text) => seed.deserialize(text.into_deserializer()),
            }
            .map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        match self.below.take() {
            Some(level) => self.inner.next_value_seed(Trimmed {
                inner: seed,
                level,
                trim: self.trim,
            }),
            None => self.inner.next_value_seed(seed),
        }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Trimmed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let Self {
            inner: seed,
            level,
            trim,
        } = self;
        seed.deserialize(Trimmed { inner, level, trim })
    }
}

/// A key, copied only where it holds an escape.
enum Text<'de> {
    Borrowed(&'de str),
    Owned(String),
}

struct Key<'de>(PhantomData<&'de str>);

impl<'de> DeserializeSeed<'de> for Key<'de> {
    type Value = Text<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'de> {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text::Owned(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
        Ok(Text::Owned(text))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::{Value, json};

    use super::*;

    fn sample() -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "a",
                "namespace": "b",
                "managedFields": [{"manager": "m", "fieldsV1": {"f:data": {".": {}}}}],
                "annotations": {LAST_APPLIED: "{\"x\": 1}", "kept": "yes"},
            },
            "data": {"managedFields": "data is not metadata", "metadata": "nor is this", "esc\"aped": "\u{e9}"},
        })
    }

    #[test]
    fn leaves_out_what_it_names_and_nothing_else() {
        let text = sample().to_string();
        let plain: ConfigMap = serde_json::from_str(&text).unwrap();
        assert_eq!(Trim::NOTHING.decode::<ConfigMap>(&text).unwrap(), plain);

        for (managed_fields, last_applied) in [(true, false), (false, true), (true, true)] {
            let mut expected = plain.clone();
            if managed_fields {
                expected.metadata.managed_fields = None;
            }
            if last_applied {
                let annotations = expected.metadata.annotations.as_mut().unwrap();
                annotations.remove(LAST_APPLIED);
                expected.metadata.self_link = Some(String::new());
            }
            let trim = Trim {
                managed_fields,
                last_applied,
            };
            assert_eq!(trim.decode::<ConfigMap>(&text).unwrap(), expected, "{trim:?}");
        }
    }

    #[test]
    fn marks_what_lacks_its_annotation() {
        let decode = |annotations: Value| -> ConfigMap {
            let object = json!({"metadata": {"name": "a", "annotations": annotations}});
            Trim::default().decode(&object.to_string()).unwrap()
        };
        let mut alone = decode(json!({LAST_APPLIED: "{}"}));
        assert_eq!(alone.metadata.annotations, None);
        assert!(is_unapplied(&alone) && is_unapplied(&alone.clone()));
        let set = std::collections::BTreeMap::from([(LAST_APPLIED.to_owned(), "mine".to_owned())]);
        alone.metadata.annotations = Some(set);
        assert!(!is_unapplied(&alone), "it was set since");
        for other in [json!({"kept": "yes"}), json!({}), Value::Null] {
            let other = decode(other);
            assert!(!is_unapplied(&other), "{other:?}");
            assert_eq!(other.metadata.self_link, None);
        }
    }

    #[test]
    fn lists_have_no_room_to_grow() {
        let pod = json!({"spec": {"containers": [{"name": "a", "args": ["b", "c", "d", "e", "f"]}]}});
        let pod: k8s_openapi::api::core::v1::Pod = Trim::default().decode(&pod.to_string()).unwrap();
        let containers = pod.spec.unwrap().containers;
        assert_eq!(containers.capacity(), 1);
        assert_eq!(containers[0].args.as_ref().unwrap().capacity(), 5);
    }

    #[test]
    fn works_through_flattened_types() {
        #[derive(serde::Deserialize)]
        struct Flat {
            #[serde(flatten)]
            rest: std::collections::BTreeMap<String, Value>,
        }
        let text = sample().to_string();
        let (flat, unapplied) = Trim::default().decode_any::<Flat>(&text).unwrap();
        assert!(unapplied);
        assert!(flat.rest["metadata"].get("managedFields").is_none());
        assert_eq!(flat.rest["data"], sample()["data"]);
    }

    #[test]
    fn rejects_what_a_plain_decode_rejects() {
        for text in [
            "",
            "{",
            "[]",
            "{\"metadata\": 1}",
            "{\"metadata\": {\"name\": 2}}",
            "{} x",
        ] {
            assert!(Trim::NOTHING.decode::<ConfigMap>(text).is_err(), "{text}");
            assert!(Trim::default().decode::<ConfigMap>(text).is_err(), "{text}");
        }
        assert!(
            Trim::default()
                .decode::<ConfigMap>("{\"metadata\": null}")
                .is_ok()
        );
    }
}
