//! Metadata, which stays as it is but for the annotation that keeps what is lost.

use std::ops::Range;

use super::super::node::quote;
use super::{Pass, with_comma};

/// Where in the target the annotation stands, or can stand.
#[derive(Clone)]
pub(crate) enum Metadata {
    /// It is not there, and the object is written in an unusual way.
    Unusual,
    /// It can stand here, between these two.
    New {
        at: usize,
        before: &'static str,
        after: &'static str,
    },
    /// Its value stands here; and so much goes with it.
    Old { value: Range<usize>, gone: Range<usize> },
}

impl Metadata {
    /// Writes the annotation, its value with quotes, or takes it away; nothing where there is no place for it.
    pub(crate) fn annotate(self, out: &mut String, name: &str, value: Option<&str>) -> Option<()> {
        match (self, value) {
            (Metadata::New { at, before, after }, Some(value)) => {
                let mut text = String::with_capacity(name.len() + value.len() + 32);
                text.push_str(before);
                quote(name, &mut text);
                text.push(':');
                text.push_str(value);
                text.push_str(after);
                out.insert_str(at, &text);
            }
            (Metadata::Old { value: place, .. }, Some(value)) => out.replace_range(place, value),
            (Metadata::Old { gone, .. }, None) => out.replace_range(gone, ""),
            (Metadata::New { .. } | Metadata::Unusual, None) => {}
            (Metadata::Unusual, Some(_)) => return None,
        }
        Some(())
    }
}

/// The annotations that were gone through.
struct Annotations {
    /// Where they end.
    end: usize,
    count: usize,
    /// Whether there is no space in between.
    tight: bool,
    /// Where ours stands, which of them it is, and its value.
    ours: Option<(Range<usize>, usize, Range<usize>)>,
}

impl Pass<'_, '_> {
    /// Looks through metadata, which stays as it is.
    pub(super) fn metadata(&mut self) -> Option<Metadata> {
        let from = self.scan.at();
        self.scan.open(b'{')?;
        // Bytes of what is no space.
        let (mut length, mut count) = (2, 0);
        let mut annotations = None;
        while self.scan.more(b'}', count == 0)? {
            let (name, member) = self.name()?;
            if name == "annotations" {
                // Null in their place, and a second one, are for the tree.
                annotations.is_none().then_some(())?;
                annotations = Some((self.annotations()?, member.at, count));
            } else {
                self.scan.value()?;
            }
            length += name.len() + 3 + (self.scan.at() - member.value) + usize::from(count > 0);
            count += 1;
        }
        let end = self.scan.at();
        let tight = length == end - from;
        let target = |place: Range<usize>| self.target(place.start)..self.target(place.end);
        Some(match annotations {
            None if tight => Metadata::New {
                at: self.target(end - 1),
                before: if count > 0 {
                    ",\"annotations\":{"
                } else {
                    "\"annotations\":{"
                },
                after: "}",
            },
            Some((known, at, index)) if tight && known.tight => match known.ours {
                None => Metadata::New {
                    at: self.target(known.end - 1),
                    before: if known.count > 0 { "," } else { "" },
                    after: "",
                },
                Some((_, _, value)) if known.count == 1 => Metadata::Old {
                    value: target(value),
                    gone: target(with_comma(at..known.end, index, count)),
                },
                Some((ours, index, value)) => Metadata::Old {
                    value: target(value),
                    gone: target(with_comma(ours, index, known.count)),
                },
            },
            // It would be written anew.
            Some((known, ..)) if known.ours.is_some() => return None,
            _ => Metadata::Unusual,
        })
    }

    fn annotations(&mut self) -> Option<Annotations> {
        let from = self.scan.at();
        self.scan.open(b'{')?;
        let (mut length, mut count) = (2, 0);
        let mut ours = None;
        while self.scan.more(b'}', count == 0)? {
            let (name, member) = self.name()?;
            let value = match self.recall {
                // It was gone over before.
                Some(recall) if name == self.annotation && ours.is_none() => {
                    self.scan.skip_text(recall.source)?;
                    recall.source
                }
                _ => self.scan.value()?,
            };
            length += name.len() + 3 + value.len() + usize::from(count > 0);
            if name == self.annotation {
                self.saved = Some(value);
                // A second one is for the tree.
                (self.recall.is_some() && ours.is_none()).then_some(())?;
                let end = self.scan.at();
                ours = Some((member.at..end, count, member.value..end));
            }
            count += 1;
        }
        let end = self.scan.at();
        Some(Annotations {
            end,
            count,
            tight: length == end - from,
            ours,
        })
    }
}
