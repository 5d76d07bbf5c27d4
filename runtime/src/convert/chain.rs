//! A kind's versions, and the ways between them.
//!
//! An object goes from its version to the storage version, or from there to another; between two others it goes
//! through the storage version, in two legs. A leg may have several edges, of which nothing is seen outside. The
//! storage version is that of the definition, which need not be the one that the types are marked with; who sees the
//! definition [says](Converter::set_stored) which it is.
//!
//! **Invariant:** of metadata nothing but the one annotation changes (VER-26).

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::cell::Cell;
use super::diff::{Unit, lost, open};
use super::error::ConvertError;
use super::guard::{Home, restore};
use super::link::{Overflow, VersionLink, Versioned};
use super::node::{Member, Members, Node, get, valid};
use super::observe::{Dropped, Observer, Tally};
use super::ops::Op;
use super::path::display;
use super::plan::{Plan, Way};
use super::preserve::{ANNOTATIONS_LIMIT, OVERFLOW, Preserved, overflowed, read_units, write_units};
use super::recall::Recall;
use super::schemas::Schemas;
use super::stream::{Metadata, Passed, pass};
use super::walk::{Failed, along};

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

/// The way from one version to another.
#[derive(Debug)]
struct Leg {
    from: usize,
    to: usize,
    there: Vec<Plan>,
    back: Vec<Plan>,
    from_cell: Cell,
    to_cell: Cell,
    loss: bool,
    /// Its edges, where they can be gone from text to text.
    ops: Option<Vec<Op>>,
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

/// The leg between two versions; `links` newest first.
fn leg(links: &[&'static VersionLink], from: usize, to: usize) -> Leg {
    let plan = |newer: usize, way| {
        let link = links[newer];
        Plan::Struct(Plan::root(&link.spec, &link.status, link.info.flat, way))
    };
    let newer = from.min(to)..from.max(to);
    let (edges, way): (Vec<_>, _) = if from < to {
        (newer.collect(), Way::Down)
    } else {
        (newer.rev().collect(), Way::Up)
    };
    let loses = |way: Way| {
        edges.iter().any(|at| match way {
            Way::Up => links[*at].loss.up,
            Way::Down => links[*at].loss.down,
        })
    };
    let loss = loses(way);
    let there: Vec<_> = edges.iter().map(|at| plan(*at, way)).collect();
    let back: Vec<_> = edges.iter().rev().map(|at| plan(*at, way.back())).collect();
    // The way back tells what is lost, and what may be restored.
    let both = match (&*there, &*back) {
        ([there], [back]) if loss || loses(way.back()) => Op::of(there, Some(back)).map(|op| vec![op]),
        _ => None,
    };
    let ops = if both.is_some() || loss {
        both
    } else {
        there.iter().map(|there| Op::of(there, None)).collect()
    };
    Leg {
        from,
        to,
        from_cell: Cell::root(&there),
        to_cell: Cell::root(&back),
        there,
        back,
        loss,
        ops,
    }
}

/// Why an object does not convert.
struct Unconvertible {
    reason: String,
    panicked: bool,
}

impl From<String> for Unconvertible {
    fn from(reason: String) -> Self {
        Self {
            reason,
            panicked: false,
        }
    }
}

impl From<Failed> for Unconvertible {
    fn from(failed: Failed) -> Self {
        Self {
            reason: format!("{}: {}", display(&failed.path), failed.message),
            panicked: failed.panicked,
        }
    }
}

impl Inner {
    fn version(&self, at: usize) -> &'static str {
        self.versions[at].link.info.version
    }

    /// By version: the legs to the stored one and back.
    fn meeting(&self, stored: usize) -> &[Option<(Leg, Leg)>] {
        self.versions[stored].legs.get_or_init(|| {
            let links: Vec<_> = self.versions.iter().map(|version| version.link).collect();
            let two = |at: usize| (at != stored).then(|| (leg(&links, at, stored), leg(&links, stored, at)));
            (0..links.len()).map(two).collect()
        })
    }

    /// The legs between two versions by way of the stored one.
    fn legs(&self, (from, stored, to): (usize, usize, usize)) -> impl Iterator<Item = &Leg> {
        let legs = self.meeting(stored);
        let first = legs[from].as_ref().map(|(there, _)| there);
        let second = legs[to].as_ref().map(|(_, back)| back);
        first.into_iter().chain(second)
    }

    /// Converts from text to text; `None` where that takes a tree.
    fn pass(&self, object: &str, way: (usize, usize, usize), out: &mut String) -> Option<()> {
        let legs: Vec<&Leg> = self.legs(way).collect();
        let to = way.2;
        let edges = legs
            .iter()
            .map(|leg| leg.ops.as_ref().map(Vec::len))
            .sum::<Option<usize>>()?;
        let api_version = self.versions[to].link.info.api_version;
        let begin = out.len();
        out.reserve(object.len() + object.len() / 4);
        // What the legs lose, by their versions.
        let mut parts: Vec<(&str, String)> = Vec::new();
        let mut metadata = None;
        // What the last edge made, where another follows.
        let mut made: Option<String> = None;
        let mut edge = 0;
        for leg in legs {
            for op in leg.ops.iter().flatten() {
                edge += 1;
                let source = made.take();
                let source = source.as_deref().unwrap_or(object);
                let mut next = String::new();
                let target = if edge == edges { &mut *out } else { &mut next };
                let names = (api_version, self.key.as_str());
                let (part, place) = match pass(op, source, names, None, target) {
                    Ok(passed) => self.part(leg, passed),
                    Err(Some(saved)) if edges == 1 => {
                        target.truncate(begin);
                        let text = super::node::unquote(saved)?;
                        let recall = Recall::read(&text, saved, self.version(to), self.home(leg))?;
                        self.part(leg, pass(op, source, names, Some(&recall), target).ok()?)
                    }
                    Err(_) => return None,
                };
                parts.extend(part.map(|part| (self.version(leg.from), part)));
                metadata = Some(place);
                if edge < edges {
                    made = Some(next);
                }
            }
        }
        if parts.is_empty() {
            return metadata?.annotate(out, &self.key, None);
        }
        let value = super::preserve::write_parts(&mut parts);
        if out.len() - begin + self.key.len() + value.len() > ANNOTATIONS_LIMIT {
            return None;
        }
        metadata?.annotate(out, &self.key, Some(&value))
    }

    /// What a leg loses, as its part of the annotation.
    fn part(&self, leg: &Leg, mut passed: Passed<'_>) -> (Option<String>, Metadata) {
        // Typed values write null for what is absent.
        let home = &self.versions[leg.from];
        passed
            .units
            .retain_nulls(|path| home.schemas.admits(home.link, path, "null"));
        let part = (leg.loss && !passed.units.is_empty()).then(|| {
            let mut part = String::with_capacity(64 * passed.units.len() + 64);
            passed.units.write(&mut part);
            part
        });
        (part, passed.metadata)
    }

    /// What is known of a leg's target, for what is restored there.
    fn home<'l>(&'l self, leg: &'l Leg) -> Home<'l> {
        let home = &self.versions[leg.to];
        Home {
            cell: &leg.to_cell,
            link: home.link,
            schemas: &home.schemas,
        }
    }

    /// Keeps what of a leg's source the way back does not bring.
    fn preserve(&self, leg: &Leg, mut units: Vec<Unit<'_>>, preserved: &mut Preserved) {
        // Typed values write null for what is absent; the server takes it away where a schema does not want it.
        let home = &self.versions[leg.from];
        units.retain(|unit| match &unit.set {
            Some(value) if value.is_null() => home.schemas.admits(home.link, &unit.path, "null"),
            _ => true,
        });
        if !units.is_empty() {
            preserved.put(self.version(leg.from), &write_units(&units));
        }
    }

    fn run(
        &self,
        object: &str,
        (from, storage, to): (usize, Storage, usize),
        out: &mut String,
        tally: &mut Tally,
    ) -> Result<(), Unconvertible> {
        let legs: Vec<&Leg> = self.legs((from, storage.version, to)).collect();
        let Some(first) = legs.first() else {
            out.push_str(object);
            return Ok(());
        };
        let mut node = open(object, &first.from_cell);
        let metadata = node.member("metadata");
        let saved = metadata.and_then(|metadata| self.saved(&metadata));
        let had = saved.is_some();
        let mut preserved = match saved.map(|text| Preserved::read(text.as_deref().unwrap_or_default())) {
            Some(Ok(preserved)) => preserved,
            Some(Err(reason)) => {
                tally.add(reason, 1);
                Preserved::default()
            }
            None => Preserved::default(),
        };
        for leg in &legs {
            node = self.go(leg, storage.version, &node, &mut preserved, tally)?;
        }
        let Some(members) = node.members_mut() else {
            return Ok(());
        };
        if had || !preserved.is_empty() {
            self.keep(members, preserved, storage, to)?;
        }
        self.write(members, to, out);
        Ok(())
    }

    /// One leg: there, what was saved, and what is to be saved.
    fn go<'a>(
        &'a self,
        leg: &'a Leg,
        stored: usize,
        object: &Node<'a>,
        preserved: &mut Preserved,
        tally: &mut Tally,
    ) -> Result<Node<'a>, Unconvertible> {
        let (from, to) = (self.version(leg.from), self.version(leg.to));
        let part = preserved.take(to);
        if leg.to == stored && part.as_ref().is_some_and(|part| overflowed(part)) {
            return Err(format!(
                "spec holds data that {from} cannot represent and that is too large to preserve; edit it as {to}"
            )
            .into());
        }
        let (mut result, failed) = along(&leg.there, object);
        if let Some(failed) = failed.into_iter().next() {
            return Err(failed.into());
        }
        let mut shown = None;
        if let Some(part) = part {
            let (units, malformed) = read_units(&part);
            tally.add(Dropped::Malformed, malformed);
            let home = self.home(leg);
            let restored = restore(result, object, units, &home, &leg.from_cell, &leg.back, tally);
            (result, shown) = (restored.object, restored.shown);
        }
        preserved.take(from);
        if leg.loss {
            let shown = shown.unwrap_or_else(|| along(&leg.back, &result).0);
            self.preserve(leg, lost(object, &shown, &leg.from_cell), preserved);
        }
        Ok(result)
    }

    /// The annotation, where the object has it; without text where it is no string.
    fn saved(&self, metadata: &Node<'_>) -> Option<Option<String>> {
        let text = metadata.text();
        // Names are written without escapes by everyone who does not hide something.
        if !text.contains(&self.key) && !text.contains('\\') {
            return None;
        }
        let annotations = Members::of(&text)
            .filter(|(name, _)| name == "annotations")
            .last()?
            .1;
        let saved = Members::of(annotations)
            .filter(|(name, _)| *name == self.key)
            .last()?
            .1;
        Some(super::node::unquote(saved).map(Cow::into_owned))
    }

    /// Writes the annotation, as far as it fits.
    fn keep(
        &self,
        members: &mut Vec<Member<'_>>,
        mut preserved: Preserved,
        stored: Storage,
        to: usize,
    ) -> Result<(), Unconvertible> {
        let others = get(members, "metadata").map_or(0, |metadata| self.other_bytes(metadata));
        let mut value = preserved.write();
        let fits = |value: &str| others + self.key.len() + value.len() <= ANNOTATIONS_LIMIT;
        if !preserved.is_empty() && !fits(&value) {
            let reads = to != stored.version && self.overflow == Overflow::RefuseWrite;
            let storage = self.version(stored.version);
            if reads && stored.certain {
                preserved.put(storage, OVERFLOW);
                value = preserved.write();
                if !fits(&value) {
                    preserved.keep_only(storage);
                    value = preserved.write();
                }
            }
            if !fits(&value) {
                let unable = self.version(to);
                let mut why = format!(
                    "spec holds data that {unable} cannot represent and that is too large to preserve"
                );
                if reads && !stored.certain {
                    why += &format!("; whether objects are stored as {storage} is not known for certain");
                }
                return Err(why.into());
            }
        }
        self.annotate(members, (!preserved.is_empty()).then_some(value));
        Ok(())
    }

    /// Bytes of the other annotations' names and values.
    fn other_bytes(&self, metadata: &Node<'_>) -> usize {
        let text = metadata.text();
        let Some((_, annotations)) = Members::of(&text)
            .filter(|(name, _)| name == "annotations")
            .last()
        else {
            return 0;
        };
        Members::of(annotations)
            .filter(|(name, _)| *name != self.key)
            .map(|(name, value)| name.len() + super::node::unquote(value).map_or(0, |value| value.len()))
            .sum()
    }

    fn annotate(&self, members: &mut Vec<Member<'_>>, value: Option<String>) {
        let Some(metadata) = object_at(members, "metadata", value.is_some()) else {
            return;
        };
        let Some(annotations) = object_at(metadata, "annotations", value.is_some()) else {
            return;
        };
        match value {
            Some(value) => {
                let value = Node::string(&value);
                match annotations.iter_mut().rfind(|member| member.name == self.key) {
                    Some(member) => member.node = value,
                    None => annotations.push(Member::new(self.key.clone(), value)),
                }
            }
            None => {
                annotations.retain(|member| member.name != self.key);
                if annotations.is_empty() {
                    metadata.retain(|member| member.name != "annotations");
                }
            }
        }
    }

    fn write(&self, members: &mut Vec<Member<'_>>, to: usize, out: &mut String) {
        for member in members.iter_mut().filter(|member| member.name == "apiVersion") {
            member.node = Node::string(self.versions[to].link.info.api_version);
        }
        // The server refuses an object without metadata (VER-26).
        if !get(members, "metadata").is_some_and(Node::is_object) {
            object_at(members, "metadata", true);
        }
        super::node::write_members(members, out);
    }
}

/// The members of an object below a name, to change; made where they are missing and `make` says so.
fn object_at<'m, 'a>(
    members: &'m mut Vec<Member<'a>>,
    name: &'static str,
    make: bool,
) -> Option<&'m mut Vec<Member<'a>>> {
    let at = match members.iter().rposition(|member| member.name == name) {
        Some(at) => at,
        None if make => {
            members.push(Member::new(name, Node::NULL));
            members.len() - 1
        }
        None => return None,
    };
    let node = &mut members[at].node;
    if !node.is_object() {
        if !make {
            return None;
        }
        *node = Node::object(Vec::new());
    }
    node.members_mut()
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
