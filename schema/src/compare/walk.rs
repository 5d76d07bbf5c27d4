//! Two schemas side by side, place by place.

use std::collections::HashSet;

use super::Verdict::{self, Breaking, Safe, Undecided};
use super::imply::{accepts_all, checks};
use super::keywords::Kinds;
use super::print;
use super::{Change, ChangeKind};
use crate::error::join;
use crate::structural::{Additional, Node, Structural, Type};

/// Changes between the schemas of whole objects.
pub(super) fn roots(old: &Node, new: &Node) -> Vec<Change> {
    let mut walk = Walk { changes: Vec::new() };
    let place = Place {
        path: "",
        resource: true,
        unpruned: false,
        watched: false,
        kept: [false; 2],
    };
    walk.node(old, new, &place);
    walk.changes
}

pub(super) struct Walk {
    pub(super) changes: Vec<Change>,
}

/// What stands around a node.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a str,
    /// Whether it is the object itself, which has metadata without saying so.
    resource: bool,
    /// Whether pruning passes it by: metadata of resources.
    pub(super) unpruned: bool,
    /// Whether conditions, rules or enums further out look at it.
    watched: bool,
    /// Whether a list around it keeps unknown fields, before and now.
    kept: [bool; 2],
}

impl<'a> Place<'a> {
    fn below<'b>(&self, path: &'b str, old: &Node, new: &Node) -> Place<'b> {
        Place {
            path,
            resource: false,
            unpruned: self.unpruned,
            watched: self.watched || [old, new].into_iter().any(is_watching),
            kept: [false; 2],
        }
    }

    /// Whether unknown fields of these nodes are kept, before and now.
    fn keeps(&self, old: &Node, new: &Node) -> [bool; 2] {
        [
            old.preserve || self.kept[0] || self.unpruned,
            new.preserve || self.kept[1] || self.unpruned,
        ]
    }
}

/// Whether a node judges what stands below it by more than types.
fn is_watching(node: &Node) -> bool {
    let checks = checks(node);
    !node.rules.is_empty()
        || !checks.values.is_empty()
        || !checks.all_of.is_empty()
        || !checks.any_of.is_empty()
        || !checks.one_of.is_empty()
        || checks.not.is_some()
}

/// What stood at a place that one schema alone declares.
#[derive(Clone, Copy)]
enum Elsewhere<'a> {
    /// Nothing: it was pruned.
    Nothing,
    /// Anything at all.
    Anything,
    /// Anything without fields, since objects are emptied.
    Emptied,
    Node(&'a Node),
}

fn elsewhere(node: &Node, kept: bool) -> Elsewhere<'_> {
    match &node.additional {
        Additional::Schema(values) => Elsewhere::Node(values),
        Additional::Any | Additional::Forbidden => Elsewhere::Emptied,
        Additional::Undeclared if kept => Elsewhere::Anything,
        Additional::Undeclared => Elsewhere::Nothing,
    }
}

impl Walk {
    fn node(&mut self, old: &Node, new: &Node, place: &Place<'_>) {
        self.types(old, new, place.path);
        self.server_keywords(old, new, place);
        self.values(old, new, place.path);
        self.rules(old, new, place.path);
        self.required(old, new, place.path);
        self.fields(old, new, place);
        self.additional(old, new, place);
        match (&old.items, &new.items) {
            (Some(a), Some(b)) => {
                let path = format!("{}[]", place.path);
                let [before, now] = place.keeps(old, new);
                let below = Place {
                    kept: [before, now],
                    ..place.below(&path, old, new)
                };
                self.default(a, b, &path, [false; 2]);
                self.node(a, b, &below);
            }
            (None, None) => {}
            (_, now) => {
                let reason = if now.is_some() {
                    "items are declared now: they are pruned and checked"
                } else {
                    "items are declared no more: objects in them are emptied"
                };
                let values = [old, new].map(|node| node.items.as_deref().map(print::kind));
                self.push(ChangeKind::Items, place.path, [Breaking; 2], reason, values);
            }
        }
    }

    fn fields(&mut self, old: &Node, new: &Node, place: &Place<'_>) {
        let [kept_before, kept_now] = place.keeps(old, new);
        let resources = [place.resource || old.embedded, place.resource || new.embedded];
        let required = [old, new].map(required_names);
        for (name, a) in &old.properties {
            let path = join(place.path, name);
            if let Some(b) = new.property(name) {
                let required = [0, 1].map(|side| required[side].contains(&**name));
                self.default(a, b, &path, required);
                self.node(a, b, &self.place_of(name, &path, old, new, place));
            } else if resources[1] && is_implied(name) {
                let readers = Verdict::breaking_if(!is_plain(a));
                let reason = "what was declared of it holds no more; servers know it without a declaration";
                let stored = Verdict::breaking_if(a.defaults_below);
                let values = [Some(print::kind(a)), None];
                self.push(ChangeKind::FieldRemoved, &path, [stored, readers], reason, values);
            } else {
                let always = required[0].contains(&**name) || a.default.is_some();
                self.field_removed(old, (a, always), &path, elsewhere(new, kept_now), place);
            }
        }
        for (name, b) in &new.properties {
            if old.property(name).is_some() {
                continue;
            }
            let path = join(place.path, name);
            if resources[0] && is_implied(name) {
                let stored = Verdict::breaking_if(!is_plain(b));
                let reason = "it was known without a declaration, and what is declared of it holds now";
                let values = [None, Some(print::kind(b))];
                self.push(ChangeKind::FieldAdded, &path, [stored, Safe], reason, values);
            } else {
                self.field_added(new, b, &path, elsewhere(old, kept_before), place);
            }
        }
    }

    fn place_of<'p>(
        &self,
        name: &str,
        path: &'p str,
        old: &Node,
        new: &Node,
        place: &Place<'_>,
    ) -> Place<'p> {
        let mut below = place.below(path, old, new);
        below.unpruned |= name == "metadata" && (place.resource || (old.embedded && new.embedded));
        below
    }

    /// A field is declared no more; `always` says whether objects could not be without it.
    fn field_removed(
        &mut self,
        old: &Node,
        (a, always): (&Node, bool),
        path: &str,
        now: Elsewhere<'_>,
        place: &Place<'_>,
    ) {
        let declared = [Some(print::kind(a)), None];
        let always = Verdict::breaking_if(always);
        let defaults = Verdict::breaking_if(a.defaults_below);
        let composite = Kinds::of(a).meets(Kinds::OBJECT.or(Kinds::ARRAY));
        let (verdicts, why) = match now {
            Elsewhere::Nothing => (
                [Breaking, always],
                "it is declared no more: stored values are pruned, and writers lose theirs",
            ),
            Elsewhere::Anything => (
                [defaults, Breaking],
                "it is declared no more, and kept as it is: readers may meet anything",
            ),
            Elsewhere::Emptied => (
                [defaults.max(Verdict::breaking_if(composite)), Breaking],
                "it is declared no more, and its place holds values of any form: objects are emptied",
            ),
            Elsewhere::Node(values) => {
                self.push(
                    ChangeKind::FieldRemoved,
                    path,
                    [defaults, always],
                    "it is declared no more: what is declared of additional properties holds for it",
                    declared,
                );
                let mut below = place.below(path, old, old);
                below.watched = true;
                self.node(a, values, &below);
                return;
            }
        };
        self.push(ChangeKind::FieldRemoved, path, verdicts, why, declared);
    }

    fn field_added(&mut self, new: &Node, b: &Node, path: &str, before: Elsewhere<'_>, place: &Place<'_>) {
        let declared = [None, Some(print::kind(b))];
        let counted = checks(new).max_properties.is_some();
        let watched = place.watched || is_watching(new) || counted;
        let (verdicts, why) = match before {
            Elsewhere::Nothing if !is_default_valid(b) => (
                [Breaking, Safe],
                "it is new, and filled in by a default that is refused in objects",
            ),
            Elsewhere::Nothing if b.default.is_some() && watched => (
                [Undecided, Safe],
                "it is new and filled in by its default, which rules, conditions, enums or limits around it may refuse",
            ),
            Elsewhere::Nothing => ([Safe; 2], "it is new; readers that do not know it are not harmed"),
            Elsewhere::Anything if b.default.is_some() => (
                [Breaking, Safe],
                "it is declared now, with a default, where any value was kept",
            ),
            Elsewhere::Anything if accepts_all(b) && b.preserve && !b.nullable => {
                // Its place still keeps everything, but null.
                (
                    [Undecided, Safe],
                    "it is declared now, and keeps what it kept but for null",
                )
            }
            Elsewhere::Anything | Elsewhere::Emptied => (
                [Breaking, Safe],
                "it is declared now, where any value was allowed",
            ),
            Elsewhere::Node(values) => {
                self.push(
                    ChangeKind::FieldAdded,
                    path,
                    [Verdict::breaking_if(b.default.is_some()), Safe],
                    "it is declared now, where additional properties held values of one form",
                    declared,
                );
                let mut below = place.below(path, new, new);
                below.watched = true;
                self.node(values, b, &below);
                return;
            }
        };
        self.push(ChangeKind::FieldAdded, path, verdicts, why, declared);
    }

    fn additional(&mut self, old: &Node, new: &Node, place: &Place<'_>) {
        let [kept_before, kept_now] = place.keeps(old, new);
        let path = format!("{}[*]", place.path);
        let (verdicts, why) = match (&old.additional, &new.additional) {
            (Additional::Schema(a), Additional::Schema(b)) => {
                self.default(a, b, &path, [false; 2]);
                self.node(a, b, &place.below(&path, old, new));
                return;
            }
            // Told as a change of preserving; what is kept is not looked at.
            (Additional::Undeclared, Additional::Undeclared)
            | (Additional::Any, Additional::Any)
            | (Additional::Forbidden, Additional::Forbidden) => return,
            (_, Additional::Forbidden) => ([Breaking, Safe], "further keys are refused now"),
            (Additional::Forbidden, _) => ([Safe, Breaking], "further keys are not refused any more"),
            (Additional::Undeclared, _) if kept_before => (
                [Breaking, Safe],
                "further keys were kept as they are, and their values are pruned or checked now",
            ),
            (Additional::Undeclared, _) => ([Safe; 2], "further keys are allowed now, which were pruned"),
            (Additional::Schema(a), Additional::Undeclared) if kept_now => (
                [Verdict::breaking_if(a.defaults_below), Breaking],
                "further keys are kept as they are now: readers may meet anything",
            ),
            (Additional::Any, Additional::Undeclared) if kept_now => (
                [Safe; 2],
                "further keys are kept as they are now; before, objects were emptied",
            ),
            (_, Additional::Undeclared) => ([Breaking, Safe], "further keys are pruned now"),
            (Additional::Schema(a), Additional::Any) => {
                let composite = Kinds::of(a).meets(Kinds::OBJECT.or(Kinds::ARRAY));
                (
                    [Verdict::breaking_if(composite || a.defaults_below), Breaking],
                    "values of further keys may be anything now, and objects in them are emptied",
                )
            }
            (Additional::Any, Additional::Schema(_)) => (
                [Breaking, Safe],
                "values of further keys could be anything, and have a form now",
            ),
        };
        let values = [old, new].map(|node| print::additional(&node.additional));
        self.push(ChangeKind::AdditionalProperties, &path, verdicts, why, values);
    }
}

/// Names that a node requires, declared or not.
pub(super) fn required_names(node: &Node) -> HashSet<&str> {
    checks(node).required.iter().map(|name| &**name).collect()
}

/// Whether a field may be filled in. Servers look at a default in a CRD before defaults inside of it are filled in, and
/// not for duplicates.
fn is_default_valid(node: &Node) -> bool {
    let Some(mut value) = node.default.clone() else {
        return true;
    };
    let schema = Structural::of_node(node.clone());
    crate::prune::default(&mut value, &schema);
    crate::validate::validate(&value, None, &schema).is_empty()
}

/// Whether servers know a field of a resource without a declaration.
fn is_implied(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

/// A declaration that says no more than what servers see to anyhow.
fn is_plain(node: &Node) -> bool {
    matches!(node.kind, Type::String | Type::Object)
        && node.checks.is_none()
        && node.rules.is_empty()
        && node.default.is_none()
        && node.properties.is_empty()
        && matches!(node.additional, Additional::Undeclared)
}
