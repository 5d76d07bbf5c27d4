//! A kind's versions, and the ways between them.
//!
//! An object goes from its version to the storage version, or from there to another; between two others it goes
//! through the storage version, in two legs. A leg may have several edges, of which nothing is seen outside. The
//! storage version is that of the definition, which need not be the one that the types are marked with; who sees the
//! definition [says](Converter::set_stored) which it is.
//!
//! **Invariant:** of metadata nothing but the one annotation changes (VER-26).

mod legs;

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

#[cfg(feature = "testing")]
use super::cell::Cell;
use super::error::ConvertError;
use super::link::{Overflow, VersionLink, Versioned};
use super::node::{Members, valid};
use super::observe::{Observer, Tally};
use super::schemas::Schemas;
use legs::Leg;

/// Converts objects of one kind between its versions. Cloning shares it, and what it is told of the storage version.
#[derive(Clone, Debug)]
pub struct Converter {
    inner: Arc<Inner>,
    stored: Arc<Stored>,
    observer: Option<Arc<dyn Observer>>,
}

#[derive(Debug)]
struct Inner {
    group: &'static str,
    kind: &'static str,
    /// The annotation's name.
    key: String,
    /// Newest first.
    versions: Vec<Version>,
    overflow: Overflow,
}

#[derive(Debug)]
struct Version {
    link: &'static VersionLink,
    schemas: Schemas,
    /// From each version to this one and back, where they are two; made when this one is stored first.
    legs: OnceLock<Vec<Option<(Leg, Leg)>>>,
}

/// Which version is stored, and whether that is certain, in one number that conversions read once.
#[derive(Debug)]
struct Stored(AtomicUsize);

/// What is known of the storage version during one conversion.
#[derive(Clone, Copy, Debug)]
struct Storage {
    version: usize,
    certain: bool,
}

impl Stored {
    fn new(storage: Storage) -> Self {
        let stored = Self(AtomicUsize::new(0));
        stored.set(storage);
        stored
    }

    fn get(&self) -> Storage {
        let packed = self.0.load(Ordering::Acquire);
        Storage {
            version: packed >> 1,
            certain: packed & 1 == 1,
        }
    }

    fn set(&self, Storage { version, certain }: Storage) {
        self.0
            .store(version << 1 | usize::from(certain), Ordering::Release);
    }
}

impl Converter {
    /// The versions of a kind, by its newest one. Does not compile where not exactly one of them is stored.
    pub fn of<K: Versioned>() -> Self {
        const { crate::versions::stored(K::LINK) };
        Self::of_link(K::LINK)
    }

    pub(crate) fn of_link(newest: &'static VersionLink) -> Self {
        let links: Vec<_> = std::iter::successors(Some(newest), |link| link.previous).collect();
        let storage = crate::versions::stored_among(&links);
        Self::stored(&links, storage)
    }

    /// Of versions, newest first, and which of them is stored.
    pub(crate) fn stored(links: &[&'static VersionLink], storage: usize) -> Self {
        let newest = links[0];
        let versions = links.iter().map(|link| Version {
            link,
            schemas: Schemas::default(),
            legs: OnceLock::new(),
        });
        let info = newest.info;
        let inner = Inner {
            group: info.group,
            kind: info.kind,
            key: format!("conversion.{}/preserved", info.group),
            versions: versions.collect(),
            overflow: newest.overflow,
        };
        // A table that cannot be resolved is told of here, not at the first object.
        inner.meeting(storage);
        let stored = Stored::new(Storage {
            version: storage,
            certain: true,
        });
        Self {
            inner: Arc::new(inner),
            stored: Arc::new(stored),
            observer: None,
        }
    }

    /// Counts what happens beside the results.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    pub(crate) fn observe(&mut self, observer: &Arc<dyn Observer>) {
        self.observer.get_or_insert_with(|| Arc::clone(observer));
    }

    /// API group.
    pub fn group(&self) -> &'static str {
        self.inner.group
    }

    /// Kind.
    pub fn kind(&self) -> &'static str {
        self.inner.kind
    }

    /// Whether the storage version is certain.
    #[cfg(all(test, feature = "webhook"))]
    pub(crate) fn is_certain(&self) -> bool {
        self.stored.get().certain
    }

    /// The name of the definition.
    #[cfg(feature = "webhook")]
    pub(crate) fn definition(&self) -> &'static str {
        self.inner.versions[0].link.info.crd_name
    }

    /// Versions, newest first.
    pub fn versions(&self) -> impl Iterator<Item = &'static str> {
        self.inner
            .versions
            .iter()
            .map(|version| version.link.info.version)
    }

    /// The version in which objects are stored: the one that the types are marked with, until
    /// [another](Self::set_stored) is told of.
    pub fn storage(&self) -> &'static str {
        self.inner.version(self.stored.get().version)
    }

    /// Says which version the definition stores, to this converter and all its clones.
    ///
    /// It matters while a definition lags behind the types, as in a release that only brings the new version, or after
    /// a rollback: conversions between two other versions go through the stored one, and what is too large for the
    /// annotation must not be taken for a read where it is a write, which would store an object without it. A
    /// `WebhookServer` that watches its definitions says it, as `DevServer` does; elsewhere the version that the types
    /// are marked with counts.
    ///
    /// # Errors
    /// [`ConvertError::UnknownVersion`]; what was known before then still counts.
    pub fn set_stored(&self, version: &str) -> Result<(), ConvertError> {
        let version = self.known(version)?;
        self.inner.meeting(version);
        self.stored.set(Storage {
            version,
            certain: true,
        });
        Ok(())
    }

    /// As [`set_stored`](Self::set_stored), for this converter alone and what is cloned of it from now on.
    ///
    /// # Errors
    /// [`ConvertError::UnknownVersion`].
    pub fn stored_at(mut self, version: &str) -> Result<Self, ConvertError> {
        self.stored = Arc::new(Stored::new(self.stored.get()));
        self.set_stored(version)?;
        Ok(self)
    }

    /// Says that it is not certain which version the definition stores, until [`set_stored`](Self::set_stored) says
    /// it: what was known still counts, but an object with more than its annotation can keep fails both ways, since its
    /// read cannot be told from a write.
    pub fn doubt_stored(&self) {
        let storage = self.stored.get();
        self.stored.set(Storage {
            certain: false,
            ..storage
        });
    }

    /// Appends `object` at `to_version`, as `v1` or `example.com/v1`, to `out`. An object of that version is appended as
    /// it stands.
    ///
    /// # Errors
    /// [`ConvertError`]; `out` is then as it was.
    pub fn convert(&self, object: &str, to_version: &str, out: &mut String) -> Result<(), ConvertError> {
        let text = object.trim_matches([' ', '\n', '\r', '\t']);
        if self.by_pass(text, to_version, out) {
            return Ok(());
        }
        self.by_tree(valid(object).ok_or(ConvertError::NotJson)?, to_version, out)
    }

    /// As [`convert`](Self::convert), between values.
    ///
    /// # Errors
    /// [`ConvertError`].
    pub fn convert_value(&self, object: &Value, to_version: &str) -> Result<Value, ConvertError> {
        let mut out = String::new();
        self.convert_valid(&object.to_string(), to_version, &mut out)?;
        serde_json::from_str(&out).map_err(|_| ConvertError::NotJson)
    }

    /// As [`convert`](Self::convert), of a text that is known to be one JSON value without space around it.
    pub(crate) fn convert_valid(&self, object: &str, to: &str, out: &mut String) -> Result<(), ConvertError> {
        if self.by_pass(object, to, out) {
            return Ok(());
        }
        self.by_tree(object, to, out)
    }

    /// Whether the object is one that converts from text to text; if not, nothing is said of why.
    pub(crate) fn by_pass(&self, object: &str, to: &str, out: &mut String) -> bool {
        let Ok(head) = Head::of(object) else { return false };
        let Ok((from, to)) = self.direction(&head, to) else {
            return false;
        };
        let before = out.len();
        let storage = self.stored.get().version;
        let passed = from != to && self.inner.pass(object, (from, storage, to), out).is_some();
        if !passed {
            out.truncate(before);
        }
        passed
    }

    /// As [`convert_valid`](Self::convert_valid), for any object.
    pub(crate) fn by_tree(&self, object: &str, to: &str, out: &mut String) -> Result<(), ConvertError> {
        let head = Head::of(object)?;
        let (from, to) = self.direction(&head, to)?;
        if from == to {
            out.push_str(object);
            return Ok(());
        }
        let mut tally = Tally::default();
        let before = out.len();
        let storage = self.stored.get();
        let result = self.inner.run(object, (from, storage, to), out, &mut tally);
        result.map_err(|failed| {
            out.truncate(before);
            if failed.panicked
                && let Some(observer) = &self.observer
            {
                observer.panicked();
            }
            let api_version = |at: usize| self.inner.versions[at].link.info.api_version.to_owned();
            ConvertError::Object {
                kind: self.inner.kind.to_owned(),
                object: object_name(object),
                from: api_version(from),
                to: api_version(to),
                reason: failed.reason,
                panicked: failed.panicked,
            }
        })?;
        if !tally.is_empty() {
            tally.tell(self.observer.as_ref(), self.inner.kind, &object_name(object));
        }
        Ok(())
    }

    /// From which version to which.
    pub(crate) fn direction(&self, head: &Head<'_>, to: &str) -> Result<(usize, usize), ConvertError> {
        let (group, from) = head
            .api_version
            .rsplit_once('/')
            .unwrap_or(("", &head.api_version));
        if group != self.inner.group || head.kind != self.inner.kind {
            return Err(ConvertError::UnknownKind {
                api_version: head.api_version.to_string(),
                kind: head.kind.to_string(),
                known: self.inner.kind.to_owned(),
            });
        }
        let wanted = match to.rsplit_once('/') {
            Some((group, version)) if group == self.inner.group => Some(version),
            Some(_) => None,
            None => Some(to),
        };
        let to = wanted
            .and_then(|version| self.index(version))
            .ok_or_else(|| self.unknown(to))?;
        let from = self.index(from).ok_or_else(|| self.unknown(&head.api_version))?;
        Ok((from, to))
    }

    fn known(&self, version: &str) -> Result<usize, ConvertError> {
        self.index(version).ok_or_else(|| self.unknown(version))
    }

    fn index(&self, version: &str) -> Option<usize> {
        self.versions().position(|known| known == version)
    }

    fn unknown(&self, version: &str) -> ConvertError {
        ConvertError::UnknownVersion {
            version: version.to_owned(),
            kind: self.inner.kind.to_owned(),
            known: self.versions().collect::<Vec<_>>().join(", "),
        }
    }
}

/// What says which kind and version an object is of.
pub(crate) struct Head<'a> {
    pub(crate) api_version: Cow<'a, str>,
    pub(crate) kind: Cow<'a, str>,
}

impl<'a> Head<'a> {
    pub(crate) fn of(object: &'a str) -> Result<Self, ConvertError> {
        if !object.starts_with('{') {
            return Err(ConvertError::NotAnObject);
        }
        let (mut api_version, mut kind) = (None, None);
        for (name, value) in Members::of(object) {
            match &*name {
                "apiVersion" => api_version = super::node::unquote(value),
                "kind" => kind = super::node::unquote(value),
                _ => {}
            }
            // They mostly come first.
            if api_version.is_some() && kind.is_some() {
                break;
            }
        }
        Ok(Self {
            api_version: api_version.ok_or(ConvertError::Missing("apiVersion"))?,
            kind: kind.ok_or(ConvertError::Missing("kind"))?,
        })
    }
}

/// Namespace and name, for messages.
fn object_name(object: &str) -> String {
    let metadata = Members::of(object)
        .find(|(name, _)| name == "metadata")
        .map(|(_, value)| value);
    let (mut namespace, mut name, mut generated) = (None, None, None);
    for (key, value) in Members::of(metadata.unwrap_or_default()) {
        let value = super::node::unquote(value).filter(|value| !value.is_empty());
        match &*key {
            "namespace" => namespace = value,
            "name" => name = value,
            "generateName" => generated = value,
            _ => {}
        }
    }
    let name = name.or(generated).unwrap_or(Cow::Borrowed("without a name"));
    namespace.map_or_else(|| name.to_string(), |namespace| format!("{namespace}/{name}"))
}

/// What tests of the laws ask.
#[cfg(feature = "testing")]
impl Converter {
    /// Versions, newest first.
    pub(crate) fn links(&self) -> impl Iterator<Item = &'static VersionLink> {
        self.inner.versions.iter().map(|version| version.link)
    }

    /// The places of a version on its way to another, of which one is the storage version.
    pub(crate) fn cell(&self, from: &str, to: &str) -> Option<&Cell> {
        let meeting = self.inner.meeting(self.stored.get().version);
        let legs = |version: &str| meeting[self.index(version)?].as_ref();
        if to == self.storage() {
            legs(from).map(|(there, _)| &there.from_cell)
        } else {
            legs(to).map(|(_, back)| &back.from_cell)
        }
    }

    /// The versions from one to a newer one, as if there were no others and the newer one were stored.
    #[cfg(feature = "lock")]
    pub(crate) fn between(&self, older: &str, newer: &str) -> Option<Self> {
        let links: Vec<_> = self.links().collect();
        let (newer, older) = (self.index(newer)?, self.index(older)?);
        links.get(newer..=older).map(|links| Self::stored(links, 0))
    }

    /// The name of the annotation that keeps what a version cannot show.
    pub(crate) fn key(&self) -> &str {
        &self.inner.key
    }
}
