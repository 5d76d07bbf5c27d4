//! What a pass finds lost: slices of its source, whose paths stand in one list.
//!
//! **Invariant:** names of a path need no escapes in JSON.

use std::cmp::Ordering;
use std::ops::Range;

use super::node::{compact, escape};
use super::path::Segment;

/// A key of a list's items: the number of the field, and its name in the source.
pub(crate) type Key = (usize, &'static str);

/// A step on the way to a value.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Name(&'a str),
    Index(usize),
    /// An item by its keys, and where in the units' list their values begin.
    Item(&'a [Key], usize),
}

/// A value that is to be set, or a place that is to be removed.
struct Unit<'a> {
    path: Range<usize>,
    set: Option<&'a str>,
}

#[derive(Default)]
pub(crate) struct Units<'a> {
    units: Vec<Unit<'a>>,
    places: Vec<Place<'a>>,
    /// Of items' keys, as JSON.
    values: Vec<&'a str>,
}

impl<'a> Units<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.units.len()
    }

    /// One more value, or its absence.
    pub(crate) fn push(&mut self, path: &[Place<'a>], set: Option<&'a str>) {
        if self.units.is_empty() {
            self.units.reserve(16);
            self.places.reserve(40);
        }
        let from = self.places.len();
        self.places.extend_from_slice(path);
        self.units.push(Unit {
            path: from..self.places.len(),
            set,
        });
    }

    /// Forgets all but so many.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.units.truncate(length);
        self.places
            .truncate(self.units.last().map_or(0, |unit| unit.path.end));
    }

    /// Names the items of a list, in the units from one on, by the values of their keys.
    pub(crate) fn name_items(
        &mut self,
        from: usize,
        depth: usize,
        keys: &'a [Key],
        values: &[Option<&'a str>],
    ) {
        // Units of one item follow one another.
        let mut last = None;
        for unit in &self.units[from..] {
            let Some(place) = self.places[unit.path.clone()].get_mut(depth) else {
                continue;
            };
            let Place::Index(index) = *place else { continue };
            let at = match last {
                Some((known, at)) if known == index => at,
                _ => {
                    let at = self.values.len();
                    let item = &values[index * keys.len()..][..keys.len()];
                    self.values
                        .extend(item.iter().map(|value| value.unwrap_or_default()));
                    last = Some((index, at));
                    at
                }
            };
            *place = Place::Item(keys, at);
        }
    }

    /// Keeps of the values that are null those that may stand at their places.
    pub(crate) fn retain_nulls(&mut self, admits: impl Fn(&[Segment]) -> bool) {
        if self.units.iter().any(|unit| unit.set == Some("null")) {
            let mut units = std::mem::take(&mut self.units);
            units.retain(|unit| unit.set != Some("null") || admits(&self.segments(unit)));
            self.units = units;
        }
    }

    fn segments(&self, unit: &Unit<'a>) -> Vec<Segment> {
        let places = self.places[unit.path.clone()].iter();
        places
            .map(|place| match place {
                Place::Name(name) => Segment::Name((*name).to_owned()),
                Place::Index(index) => Segment::Index(*index),
                Place::Item(keys, at) => Segment::Item(
                    keys.iter()
                        .zip(&self.values[*at..])
                        .map(|((_, name), value)| ((*name).to_owned(), (*value).to_owned()))
                        .collect(),
                ),
            })
            .collect()
    }

    fn compare(&self, a: &Unit<'a>, b: &Unit<'a>) -> Ordering {
        let (a, b) = (&self.places[a.path.clone()], &self.places[b.path.clone()]);
        let differ = a.iter().zip(b).map(|(a, b)| self.compare_places(a, b));
        let first = differ.into_iter().find(|order| order.is_ne());
        first.unwrap_or_else(|| a.len().cmp(&b.len()))
    }

    /// As [`Segment`]s are compared.
    fn compare_places(&self, a: &Place<'a>, b: &Place<'a>) -> Ordering {
        match (a, b) {
            (Place::Name(a), Place::Name(b)) => a.cmp(b),
            (Place::Item(a, a_at), Place::Item(b, b_at)) => {
                let named = |keys: &'a [Key], at: usize| {
                    let values = self.values[at..].iter();
                    keys.iter().map(|(_, name)| *name).zip(values)
                };
                named(a, *a_at).cmp(named(b, *b_at))
            }
            (Place::Index(a), Place::Index(b)) => a.cmp(b),
            (Place::Name(_), _) | (Place::Item(..), Place::Index(_)) => Ordering::Less,
            _ => Ordering::Greater,
        }
    }

    /// Brings the units into the order of the annotation.
    pub(crate) fn sort(&mut self) {
        let mut units = std::mem::take(&mut self.units);
        units.sort_by(|a, b| self.compare(a, b));
        self.units = units;
    }

    /// A version's part of the annotation, as it stands within a string.
    pub(crate) fn write(&self, out: &mut String) {
        out.push('{');
        let mut behind = "";
        for (name, removed) in [(r#"\"set\":["#, false), (r#"\"del\":["#, true)] {
            let mut some = false;
            for unit in self.units.iter().filter(|unit| unit.set.is_none() == removed) {
                out.push_str(if some { "," } else { behind });
                if !some {
                    out.push_str(name);
                }
                some = true;
                match unit.set {
                    Some(value) => {
                        out.push('[');
                        self.write_path(unit, out);
                        out.push(',');
                        compact_within(value, out);
                        out.push(']');
                    }
                    None => self.write_path(unit, out),
                }
            }
            if some {
                out.push(']');
                behind = ",";
            }
        }
        out.push('}');
    }

    fn write_path(&self, unit: &Unit<'a>, out: &mut String) {
        let quoted = |name: &str, out: &mut String| {
            out.push_str("\\\"");
            out.push_str(name);
            out.push_str("\\\"");
        };
        out.push('[');
        for (at, place) in self.places[unit.path.clone()].iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            match place {
                Place::Name(name) => quoted(name, out),
                // No unit has one: a list without keys is a unit itself.
                Place::Index(index) => out.push_str(&index.to_string()),
                Place::Item(keys, from) => {
                    let values = self.values[*from..].iter();
                    for (at, ((_, name), value)) in keys.iter().zip(values).enumerate() {
                        out.push(if at > 0 { ',' } else { '{' });
                        quoted(name, out);
                        out.push(':');
                        compact_within(value, out);
                    }
                    out.push('}');
                }
            }
        }
        out.push(']');
    }
}

/// A value without space between its tokens, as it stands within a string.
fn compact_within(text: &str, out: &mut String) {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        // Escapes within it are escaped once more.
        Some(plain) if !plain.contains('\\') => {
            out.push_str("\\\"");
            out.push_str(plain);
            out.push_str("\\\"");
        }
        _ => {
            let mut value = String::with_capacity(text.len());
            compact(text, &mut value);
            escape(&value, out);
        }
    }
}
