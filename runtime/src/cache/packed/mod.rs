//! Objects as few bytes, for those that nobody reads just now.
//!
//! k8s-openapi's types hold every optional struct in place and each map as nodes with room for eleven, so that a Pod of
//! 3 kB on the wire takes 16 kB. Packed, it takes a fifth of the wire. The bytes describe themselves, as JSON does, for
//! types that do not say beforehand what comes (`flatten`, untagged enums, `Value`); formats of libraries that do so (CBOR,
//! MessagePack) write the name of each field in full, which is most of a small object, and none shares names and
//! values between documents. So these are bytes of our own: a tag, then what it needs. Names of fields, and texts that
//! many objects have, are numbers in the cache's [`Dictionary`]. What tells which state of which object something is stands
//! in front, and is referred to further in.
//!
//! An object is packed by its type's `Serialize` and read by its `Deserialize`, as in a write to the server and the answer.
//! A type may not read what it writes; then its objects are not packed. That is found by reading one of each shape, by
//! which fields and variants it has.
//!
//! **Invariant:** what was packed reads as its JSON does. What is not certain to be read again is not packed.

mod de;
mod dictionary;
mod ser;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashSet;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Serialize, de as serde_de, ser as serde_ser};

use self::de::Reader;
use self::dictionary::Dictionary;
use self::ser::{Packer, put_number};
use super::table::place;
use crate::guard::guarded;

/// What begins each value.
mod tag {
    pub(super) const NULL: u8 = 0x00;
    pub(super) const FALSE: u8 = 0x01;
    pub(super) const TRUE: u8 = 0x02;
    pub(super) const UNSIGNED: u8 = 0x03;
    /// The number's complement follows.
    pub(super) const NEGATIVE: u8 = 0x04;
    pub(super) const LONG_UNSIGNED: u8 = 0x05;
    pub(super) const LONG_SIGNED: u8 = 0x06;
    pub(super) const DOUBLE: u8 = 0x07;
    pub(super) const FLOAT: u8 = 0x08;
    pub(super) const BYTES: u8 = 0x09;
    pub(super) const TEXT: u8 = 0x0a;
    pub(super) const LIST: u8 = 0x0b;
    pub(super) const OPEN_LIST: u8 = 0x0c;
    pub(super) const MAP: u8 = 0x0d;
    pub(super) const OPEN_MAP: u8 = 0x0e;
    pub(super) const END: u8 = 0x0f;
    pub(super) const LATER_WORD: u8 = 0x10;
    pub(super) const LAST_LATER_WORD: u8 = 0x1f;
    pub(super) const PRESET: u8 = 0x20;
    pub(super) const LAST_PRESET: u8 = 0x23;
    /// A name and what it holds.
    pub(super) const VARIANT: u8 = 0x24;
    pub(super) const SMALL: u8 = 0x25;
    pub(super) const MOST_SMALL: u64 = (SHORT_TEXT - SMALL - 1) as u64;
    pub(super) const SHORT_TEXT: u8 = 0x40;
    pub(super) const MOST_SHORT: usize = (WORD - SHORT_TEXT - 1) as usize;
    pub(super) const WORD: u8 = 0x80;
}

/// Namespace, name, uid and version stand in front.
const PRESETS: usize = 4;
/// JSON is read to half that depth.
const DEEPEST: usize = 256;

/// Why an object cannot be packed or read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failure(String);

impl serde_ser::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl serde_de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// An object as bytes, by the dictionary of its cache.
pub(crate) struct Packed(Arc<[u8]>);

impl Clone for Packed {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What says which state of which object something is; empty where absent, but for the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: Option<&'a str>,
    pub(super) version: Option<&'a str>,
}

impl<'a> Identity<'a> {
    pub(super) fn of<K: Resource>(object: &'a K) -> Self {
        let (namespace, name) = place(object);
        let meta = object.meta();
        Self {
            namespace,
            name,
            uid: meta.uid.as_deref(),
            version: meta.resource_version.as_deref(),
        }
    }

    /// Whether two objects of one name are the same version of the same object.
    pub(super) fn is_same_version(&self, other: &Identity<'_>) -> bool {
        self.version.is_some() && self.version == other.version && self.uid == other.uid
    }

    fn presets(&self) -> [Option<&'a str>; PRESETS] {
        [Some(self.namespace), Some(self.name), self.uid, self.version]
    }
}

impl Packed {
    /// An absent text is 0, others are their length and one more, then the text.
    fn front<'a>(reader: &mut Reader<'a>) -> Result<[Option<&'a str>; PRESETS], Failure> {
        let mut presets = [None; PRESETS];
        for preset in &mut presets {
            let length = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
            if let Some(length) = length.checked_sub(1) {
                *preset = Some(reader.raw_text(length)?);
            }
        }
        Ok(presets)
    }

    fn text_at(&self, at: usize) -> Option<&str> {
        let mut bytes = &*self.0;
        for nth in 0..=at {
            let (mut length, mut shift) = (0_usize, 0);
            loop {
                let (first, rest) = bytes.split_first()?;
                bytes = rest;
                length |= usize::from(first & 0x7f) << shift;
                shift += 7;
                if *first < 0x80 {
                    break;
                }
            }
            let Some(length) = length.checked_sub(1) else {
                if nth == at {
                    return None;
                }
                continue;
            };
            let (text, rest) = bytes.split_at_checked(length)?;
            bytes = rest;
            if nth == at {
                return std::str::from_utf8(text).ok();
            }
        }
        None
    }

    /// Namespace, absent where there is none, and name.
    pub(super) fn place(&self) -> (Option<&str>, &str) {
        let namespace = self.text_at(0).filter(|namespace| !namespace.is_empty());
        (namespace, self.name())
    }

    pub(super) fn name(&self) -> &str {
        self.text_at(1).unwrap_or_default()
    }

    pub(super) fn identity(&self) -> Identity<'_> {
        Identity {
            namespace: self.text_at(0).unwrap_or_default(),
            name: self.name(),
            uid: self.text_at(2),
            version: self.text_at(3),
        }
    }

    /// Bytes of memory.
    pub(super) fn len(&self) -> usize {
        // The counts of an `Arc`.
        self.0.len() + 16
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// How many shapes are remembered; objects of further ones are read back each time.
const SHAPES: usize = 4096;

/// Packs the objects of one cache.
pub(super) struct Packing {
    words: Dictionary,
    objects: AtomicU32,
    /// Shapes that were read back.
    shapes: Mutex<HashSet<u64>>,
    told: AtomicBool,
}

impl Packing {
    pub(super) fn new() -> Self {
        Self {
            words: Dictionary::new(),
            objects: AtomicU32::new(0),
            shapes: Mutex::default(),
            told: AtomicBool::new(false),
        }
    }

    /// The object as bytes; `None` where its type may not read them again, which is logged once.
    pub(super) fn pack<K: Resource + Serialize + DeserializeOwned>(&self, object: &K) -> Option<Packed> {
        let error = match guarded(|| self.try_pack(object)) {
            Ok(Ok(packed)) => return Some(packed),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("it panicked: {panic}"),
        };
        if !self.told.swap(true, Ordering::Relaxed) {
            let (namespace, name) = place(object);
            tracing::warn!(
                object.r#type = std::any::type_name::<K>(),
                object.namespace = namespace,
                object.name = name,
                error,
                "the type does not read what it writes; objects like this one are kept as they are, which takes more memory"
            );
        }
        None
    }

    fn try_pack<K: Resource + Serialize + DeserializeOwned>(&self, object: &K) -> Result<Packed, Failure> {
        let identity = Identity::of(object);
        let presets = identity.presets();
        let number = self.objects.fetch_add(1, Ordering::Relaxed);
        // What is empty is written in one byte anyway.
        let used = presets.map(|preset| preset.filter(|text| !text.is_empty()));
        let mut packer = Packer::new(self.words.words(number), used);
        for preset in presets {
            put_number(&mut packer.out, preset.map_or(0, |text| text.len() as u64 + 1));
            packer
                .out
                .extend_from_slice(preset.unwrap_or_default().as_bytes());
        }
        let shape = object.serialize(&mut packer)?;
        let packed = Packed(packer.out.into());
        if !self.shapes().contains(&shape) {
            let again: K = self.unpack(&packed)?;
            if Identity::of(&again) != identity {
                return Err(serde_ser::Error::custom("what was read is another object"));
            }
            let mut shapes = self.shapes();
            if shapes.len() < SHAPES {
                shapes.insert(shape);
            }
        }
        Ok(packed)
    }

    fn shapes(&self) -> std::sync::MutexGuard<'_, HashSet<u64>> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unpack<K: DeserializeOwned>(&self, packed: &Packed) -> Result<K, Failure> {
        let mut reader = Reader {
            bytes: &packed.0,
            words: &self.words,
            presets: [None; PRESETS],
            depth: 0,
        };
        reader.presets = Packed::front(&mut reader)?;
        let object = K::deserialize(&mut reader)?;
        match reader.bytes {
            [] => Ok(object),
            _ => Err(serde_de::Error::custom("its packed form is longer than it")),
        }
    }

    /// The object again; `None` where its type reads some of what it writes, but not this, which is logged.
    pub(super) fn read<K: DeserializeOwned>(&self, packed: &Packed) -> Option<K> {
        let error = match guarded(|| self.unpack(packed)) {
            Ok(Ok(object)) => return Some(object),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("it panicked: {panic}"),
        };
        let identity = packed.identity();
        tracing::error!(
            object.r#type = std::any::type_name::<K>(),
            object.namespace = identity.namespace,
            object.name = identity.name,
            error,
            "a cached object cannot be read: its type does not read what it wrote"
        );
        None
    }

    /// Memory of what packed objects share.
    pub(super) fn bytes(&self) -> usize {
        self.words.bytes() + self.shapes().allocation_size()
    }
}

#[cfg(test)]
mod tests;
