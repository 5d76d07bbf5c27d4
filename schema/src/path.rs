//! The path to a value, kept on the stack while walking and written out only for an error.

use std::fmt::Write as _;

/// One step of a path, linked to the steps before it.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
    /// A key after a dot, though nothing may stand before it, as upstream writes keys of maps in messages.
    Dotted(&'a Path<'a>, &'a str),
    /// A key in brackets, as upstream's `field.Path` writes map keys in some places.
    Bracket(&'a Path<'a>, &'a str),
}

impl Path<'_> {
    /// `spec.ports[0].name`.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    pub(crate) fn is_root(&self) -> bool {
        matches!(self, Self::Root)
    }

    /// How many steps it has.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Root => 0,
            Self::Key(parent, _)
            | Self::Index(parent, _)
            | Self::Dotted(parent, _)
            | Self::Bracket(parent, _) => 1 + parent.depth(),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Root => {}
            Self::Key(parent, key) => {
                parent.write(out);
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Self::Dotted(parent, key) => {
                parent.write(out);
                out.push('.');
                out.push_str(key);
            }
            Self::Index(parent, index) => {
                parent.write(out);
                let _ = write!(out, "[{index}]");
            }
            Self::Bracket(parent, key) => {
                parent.write(out);
                let _ = write!(out, "[{key}]");
            }
        }
    }
}
