//! Where a value stands: on the stack while a walk goes down, owned in units and errors.

use std::fmt::Write as _;

use super::node::{Member, Node, get, unquote, write_members};

/// A place during a walk; text is made of it in an error alone.
#[derive(Clone, Copy)]
pub(crate) struct At<'p> {
    pub(crate) parent: Option<&'p At<'p>>,
    pub(crate) step: Step<'p>,
}

#[derive(Clone, Copy)]
pub(crate) enum Step<'p> {
    Name(&'p str),
    /// An item, by its keys where it has them.
    Item {
        node: &'p Node<'p>,
        keys: &'p [&'static str],
        index: usize,
    },
}

/// A part of a path that outlives the walk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Segment {
    Name(String),
    /// An item of a list by its key members, each name with its value as JSON.
    Item(Vec<(String, String)>),
    /// An item that has no key.
    Index(usize),
}

impl At<'_> {
    /// From the root down.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let mut out = Vec::new();
        let mut at = Some(self);
        while let Some(here) = at {
            out.push(match here.step {
                Step::Name(name) => Segment::Name(name.to_owned()),
                Step::Item { node, keys, index } => {
                    keys_of(node, keys).map_or(Segment::Index(index), Segment::Item)
                }
            });
            at = here.parent;
        }
        out.reverse();
        out
    }
}

/// The key members of an item, where it has them all.
pub(crate) fn keys_of(item: &Node<'_>, keys: &[&'static str]) -> Option<Vec<(String, String)>> {
    super::observe::step();
    if keys.is_empty() {
        return None;
    }
    let members = item.members()?;
    keys.iter()
        .map(|key| {
            let value = get(&members, key).filter(|value| !value.is_null())?;
            Some(((*key).to_owned(), value.text().into_owned()))
        })
        .collect()
}

/// `spec.ports[name=http].port`
pub(crate) fn display(path: &[Segment]) -> String {
    let mut out = String::new();
    for segment in path {
        match segment {
            Segment::Name(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Segment::Item(keys) => {
                out.push('[');
                for (i, (name, value)) in keys.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    let value = unquote(value).unwrap_or(value.as_str().into());
                    let _ = write!(out, "{name}={value}");
                }
                out.push(']');
            }
            Segment::Index(index) => {
                let _ = write!(out, "[{index}]");
            }
        }
    }
    out
}

impl Segment {
    /// As it stands in the annotation.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Segment::Name(name) => super::node::quote(name, out),
            Segment::Item(keys) => {
                let members: Vec<_> = keys
                    .iter()
                    .map(|(name, value)| Member::new(name.as_str(), Node::Text(value)))
                    .collect();
                write_members(&members, out);
            }
            // No unit has one: a list without keys is a unit itself.
            Segment::Index(index) => {
                let _ = write!(out, "{index}");
            }
        }
    }
}
