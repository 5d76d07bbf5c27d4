//! The legs of a kind's ways, and how an object goes them: from text to text where that can be, else as a tree.

use std::borrow::Cow;

use super::super::cell::Cell;
use super::super::diff::{Unit, lost, open};
use super::super::guard::{Home, restore};
use super::super::link::{Overflow, VersionLink};
use super::super::node::{Member, Members, Node, get, unquote, write_members};
use super::super::observe::{Dropped, Tally};
use super::super::ops::Op;
use super::super::path::display;
use super::super::plan::{Plan, Way};
use super::super::preserve::{
    ANNOTATIONS_LIMIT, OVERFLOW, Preserved, overflowed, read_units, write_parts, write_units,
};
use super::super::recall::Recall;
use super::super::stream::{Metadata, Passed, pass};
use super::super::walk::{Failed, along};
use super::{Inner, Storage};

/// The way from one version to another.
#[derive(Debug)]
pub(super) struct Leg {
    from: usize,
    to: usize,
    there: Vec<Plan>,
    back: Vec<Plan>,
    pub(super) from_cell: Cell,
    pub(super) to_cell: Cell,
    loss: bool,
    /// Its edges, where they can be gone from text to text.
    ops: Option<Vec<Op>>,
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
pub(super) struct Unconvertible {
    pub(super) reason: String,
    pub(super) panicked: bool,
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
    pub(super) fn version(&self, at: usize) -> &'static str {
        self.versions[at].link.info.version
    }

    /// By version: the legs to the stored one and back.
    pub(super) fn meeting(&self, stored: usize) -> &[Option<(Leg, Leg)>] {
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
    pub(super) fn pass(&self, object: &str, way: (usize, usize, usize), out: &mut String) -> Option<()> {
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
                        let text = unquote(saved)?;
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
        let value = write_parts(&mut parts);
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

    pub(super) fn run(
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
        Some(unquote(saved).map(Cow::into_owned))
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
            .map(|(name, value)| name.len() + unquote(value).map_or(0, |value| value.len()))
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
        write_members(members, out);
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
