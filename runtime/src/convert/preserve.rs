//! The annotation that keeps what a version cannot show: `{"v1":{"set":[[PATH,VALUE]...],"del":[PATH...]}}`.
//!
//! **Invariant:** any text is read without an error: what is not understood counts as absent, what is out of bounds
//! makes the whole count so.

use std::rc::Rc;

use super::diff::Unit;
use super::node::{Items, Members, Node, compact, depth, quote, unquote, valid};
use super::observe::Dropped;
use super::path::Segment;

/// Bytes that an object's annotations may hold, keys and values together: the server refuses more.
pub(crate) const ANNOTATIONS_LIMIT: usize = 262_144;
/// Units of one annotation.
const UNITS: usize = 10_000;
/// Depth of one annotation's value.
const DEPTH: usize = 64;

/// An annotation, by the versions that lost something; each with its part as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preserved {
    parts: Vec<(String, Rc<str>)>,
}

impl Preserved {
    pub(crate) fn read(text: &str) -> Result<Self, Dropped> {
        // A server keeps no more than this of all annotations.
        if text.len() > 4 * ANNOTATIONS_LIMIT {
            return Err(Dropped::Unparsable);
        }
        let text = valid(text)
            .filter(|text| text.starts_with('{'))
            .ok_or(Dropped::Unparsable)?;
        if depth(text) > DEPTH {
            return Err(Dropped::TooDeep);
        }
        let mut parts: Vec<(String, Rc<str>)> = Vec::new();
        let mut units = 0_usize;
        for (origin, part) in Members::of(text) {
            for (name, list) in Members::of(part) {
                if name == "set" || name == "del" {
                    units += Items::of(list).count();
                }
            }
            parts.retain(|(known, _)| *known != *origin);
            parts.push((origin.into_owned(), part.into()));
        }
        if units > UNITS {
            return Err(Dropped::TooMany);
        }
        Ok(Self { parts })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Takes a version's part out.
    pub(crate) fn take(&mut self, origin: &str) -> Option<Rc<str>> {
        let at = self.parts.iter().position(|(known, _)| known == origin)?;
        Some(self.parts.remove(at).1)
    }

    pub(crate) fn put(&mut self, origin: &str, part: &str) {
        self.take(origin);
        self.parts.push((origin.to_owned(), part.into()));
    }

    /// Leaves a version's part alone.
    pub(crate) fn keep_only(&mut self, origin: &str) {
        self.parts.retain(|(known, _)| known == origin);
    }

    /// The annotation's value.
    pub(crate) fn write(&self) -> String {
        let mut parts: Vec<_> = self.parts.iter().collect();
        parts.sort();
        let mut out = String::from("{");
        for (i, (origin, part)) in parts.into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            quote(origin, &mut out);
            out.push(':');
            compact(part, &mut out);
        }
        out.push('}');
        out
    }
}

/// An annotation's value of parts that are written as they stand within a string; with its quotes.
pub(crate) fn write_parts(parts: &mut [(&str, String)]) -> String {
    parts.sort_unstable();
    let length = parts
        .iter()
        .map(|(origin, part)| origin.len() + part.len() + 6)
        .sum::<usize>();
    let mut out = String::with_capacity(length + 3);
    for (origin, part) in parts {
        out.push_str(if out.is_empty() { "\"{" } else { "," });
        // A version's name needs no escapes.
        out.push_str("\\\"");
        out.push_str(origin);
        out.push_str("\\\":");
        out.push_str(part);
    }
    out.push_str("}\"");
    out
}

/// A part that says no more than that there was too much.
pub(crate) const OVERFLOW: &str = r#"{"overflow":true}"#;

/// Whether a part says that there was too much.
pub(crate) fn overflowed(part: &str) -> bool {
    Members::of(part).any(|(name, value)| name == "overflow" && value == "true")
}

/// A version's part as JSON.
pub(crate) fn write_units(units: &[Unit<'_>]) -> String {
    let mut out = String::from("{");
    let mut some = false;
    for unit in units {
        if let Some(value) = &unit.set {
            out.push_str(if some { "," } else { r#""set":["# });
            some = true;
            out.push('[');
            write_path(&unit.path, &mut out);
            out.push(',');
            compact(&value.text(), &mut out);
            out.push(']');
        }
    }
    if some {
        out.push(']');
    }
    let mut removed = false;
    for unit in units.iter().filter(|unit| unit.set.is_none()) {
        out.push_str(match (removed, some) {
            (true, _) => ",",
            (false, true) => r#","del":["#,
            (false, false) => r#""del":["#,
        });
        removed = true;
        write_path(&unit.path, &mut out);
    }
    if removed {
        out.push(']');
    }
    out.push('}');
    out
}

fn write_path(path: &[Segment], out: &mut String) {
    out.push('[');
    for (i, segment) in path.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        segment.write(out);
    }
    out.push(']');
}

/// The units of a version's part, and how many others there are that cannot be read.
pub(crate) fn read_units(part: &str) -> (Vec<Unit<'static>>, usize) {
    let (mut units, mut malformed) = (Vec::new(), 0);
    for (name, list) in Members::of(part) {
        for item in Items::of(list) {
            let unit = match &*name {
                "set" => {
                    let mut pair = Items::of(item);
                    match (pair.next().and_then(read_path), pair.next(), pair.next()) {
                        (Some(path), Some(value), None) => Some((path, Some(Node::Made(value.into())))),
                        _ => None,
                    }
                }
                "del" => read_path(item).map(|path| (path, None)),
                _ => continue,
            };
            match unit {
                Some((path, set)) => units.push(Unit { path, set }),
                None => malformed += 1,
            }
        }
    }
    // Of two of one place, and of one below the other, the first counts.
    units.sort_by(|a, b| a.path.cmp(&b.path));
    let before = units.len();
    let mut kept: Vec<Unit<'static>> = Vec::with_capacity(before);
    for unit in units {
        if kept.last().is_none_or(|last| !unit.path.starts_with(&last.path)) {
            kept.push(unit);
        }
    }
    malformed += before - kept.len();
    (kept, malformed)
}

fn read_path(text: &str) -> Option<Vec<Segment>> {
    if !text.starts_with('[') {
        return None;
    }
    let path: Vec<_> = Items::of(text)
        .map(|item| match item.as_bytes().first()? {
            b'"' => Some(Segment::Name(unquote(item)?.into_owned())),
            b'{' => {
                let keys: Vec<_> = Members::of(item)
                    .map(|(name, value)| (name.into_owned(), value.to_owned()))
                    .collect();
                (!keys.is_empty()).then_some(Segment::Item(keys))
            }
            _ => None,
        })
        .collect::<Option<_>>()?;
    (!path.is_empty()).then_some(path)
}
