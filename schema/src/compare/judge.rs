//! The keywords of one place, before and now.

use std::collections::HashSet;

use serde_json::Value;

use super::Verdict::{self, Breaking, Safe, Undecided};
use super::imply::{checks, conditions_imply};
use super::keywords::{
    Kinds, Numeric, SIZES, bound_implies, enum_implies, format_implies, missing_values, multiple_implies,
    negated, pattern_implies,
};
use super::print;
use super::walk::{Place, Walk, required_names};
use super::{Change, ChangeKind};
use crate::error::join;
use crate::regexp::Pattern;
use crate::structural::{Additional, ListType, Node, Rule, Type};

impl Walk {
    pub(super) fn push(
        &mut self,
        kind: ChangeKind,
        path: &str,
        [stored, readers]: [Verdict; 2],
        reason: impl Into<String>,
        [old, new]: [Option<Value>; 2],
    ) {
        self.changes.push(Change {
            kind,
            version: None,
            stability: None,
            deprecated: false,
            path: path.to_owned(),
            stored,
            readers,
            reason: reason.into(),
            old,
            new,
        });
    }

    /// A keyword whose value is another now; `what` begins the reason.
    fn keyword(
        &mut self,
        kind: ChangeKind,
        path: &str,
        what: &str,
        verdicts: [Verdict; 2],
        values: [Option<Value>; 2],
    ) {
        let [old, new] = &values;
        let show = |value: &Option<Value>| match value {
            None => "nothing".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let reason = format!(
            "{what} was {} and is {}{}",
            show(old),
            show(new),
            consequence(verdicts)
        );
        self.push(kind, path, verdicts, reason, values);
    }

    pub(super) fn types(&mut self, old: &Node, new: &Node, path: &str) {
        let (before, now) = (Kinds::of(old), Kinds::of(new));
        let name = |node: &Node| match node.kind {
            Type::Any => None,
            kind => Some(Value::from(kind.name())),
        };
        if old.kind != new.kind {
            let verdicts = [
                Verdict::breaking_if(!without_null(before).is_within(without_null(now))),
                Verdict::breaking_if(!without_null(now).is_within(without_null(before))),
            ];
            self.keyword(
                ChangeKind::Type,
                path,
                "the type",
                verdicts,
                [name(old), name(new)],
            );
        }
        if old.nullable != new.nullable {
            let verdicts = [
                Verdict::breaking_if(old.nullable),
                Verdict::breaking_if(new.nullable),
            ];
            let reason = if new.nullable {
                "null is allowed now: readers may meet it"
            } else {
                "null is not allowed any more: it is dropped or refused"
            };
            let values = [old.nullable, new.nullable].map(flag);
            self.push(ChangeKind::Nullable, path, verdicts, reason, values);
        } else if before.meets(Kinds::NULL) != now.meets(Kinds::NULL) {
            // Without a type, null passes in lists.
            let gone = before.meets(Kinds::NULL);
            let verdicts = [Verdict::breaking_if(gone), Verdict::breaking_if(!gone)];
            let reason = if gone {
                "null in lists is refused now"
            } else {
                "null passes in lists now"
            };
            let values = [flag(gone), flag(!gone)];
            self.push(ChangeKind::Nullable, path, verdicts, reason, values);
        }
    }

    pub(super) fn server_keywords(&mut self, old: &Node, new: &Node, place: &Place<'_>) {
        let path = place.path;
        let [before, now] = [old.preserve, new.preserve];
        if before != now && !place.unpruned {
            let reason = if now {
                "unknown fields are kept now; readers of declared fields do not see them"
            } else {
                "unknown fields are pruned now"
            };
            let verdicts = [Verdict::breaking_if(before), Safe];
            self.push(
                ChangeKind::PreserveUnknownFields,
                path,
                verdicts,
                reason,
                [before, now].map(flag),
            );
        }
        if old.embedded != new.embedded {
            let reason = if new.embedded {
                "it must be a resource now, with apiVersion, kind and valid metadata"
            } else {
                "apiVersion, kind and metadata are not implied any more: they are pruned unless declared"
            };
            self.push(
                ChangeKind::EmbeddedResource,
                path,
                [
                    Breaking,
                    Verdict::breaking_if(old.embedded || !matches!(old.additional, Additional::Undeclared)),
                ],
                reason,
                [old.embedded, new.embedded].map(flag),
            );
        }
        if old.list_type != new.list_type {
            let readers = Verdict::breaking_if(!uniqueness_implies(&new.list_type, &old.list_type));
            let reason = format!(
                "the list was {} and is {}: server-side apply merges and owns its items otherwise{}",
                list_name(&old.list_type),
                list_name(&new.list_type),
                if readers == Breaking {
                    ", and duplicates become possible"
                } else {
                    ""
                },
            );
            let values = [old, new].map(|node| Some(print::list_type(&node.list_type)));
            self.push(ChangeKind::ListType, path, [Breaking, readers], reason, values);
        }
        if old.atomic_map != new.atomic_map {
            let name = |atomic: bool| if atomic { "atomic" } else { "granular" };
            let reason = format!(
                "the map was {} and is {}: server-side apply merges and owns its fields otherwise",
                name(old.atomic_map),
                name(new.atomic_map),
            );
            let values = [old, new].map(|node| Some(name(node.atomic_map).into()));
            self.push(ChangeKind::MapType, path, [Breaking, Safe], reason, values);
        }
    }

    pub(super) fn values(&mut self, old: &Node, new: &Node, path: &str) {
        let (a, b) = (checks(old), checks(new));
        let relevant = |about: Kinds| Kinds::of(old).meets(about) && Kinds::of(new).meets(about);
        let both = |about: Kinds, verdicts: [Verdict; 2]| if relevant(about) { verdicts } else { [Safe; 2] };

        let name = |format: &Option<(_, Box<str>)>| format.as_ref().map(|(_, name)| Value::from(&**name));
        let kind_of =
            |format: &Option<(crate::format::Format, Box<str>)>| format.as_ref().map(|(format, _)| *format);
        let (from, to) = (kind_of(&a.format), kind_of(&b.format));
        if from != to {
            let verdicts = both(
                Kinds::STRING.or(Kinds::NUMBER),
                [format_implies(from, to), format_implies(to, from)],
            );
            self.keyword(
                ChangeKind::Format,
                path,
                "the format",
                verdicts,
                [name(&a.format), name(&b.format)],
            );
        }

        let (from, to) = (Numeric::of(old), Numeric::of(new));
        for (keyword, before, now, sign) in [
            ("minimum", a.minimum, b.minimum, false),
            ("maximum", a.maximum, b.maximum, true),
        ] {
            let same = match (before, now) {
                (None, None) => true,
                (Some(before), Some(now)) => before.limit == now.limit && before.exclusive == now.exclusive,
                _ => false,
            };
            let [low, high] = if sign {
                [negated(before), negated(now)]
            } else {
                [before, now]
            };
            let verdicts = both(
                Kinds::NUMBER,
                [bound_implies(low, high, to), bound_implies(high, low, from)],
            );
            // The same limit may become one that the type cannot have.
            if !same || (verdicts != [Safe; 2] && old.kind != new.kind) {
                self.keyword(
                    ChangeKind::Bounds,
                    path,
                    keyword,
                    verdicts,
                    [print::bound(keyword, before), print::bound(keyword, now)],
                );
            }
        }
        for size in &SIZES {
            let (before, now) = ((size.get)(a), (size.get)(b));
            if before != now {
                let verdicts = both(size.about, [size.implies(before, now), size.implies(now, before)]);
                let values = [before.map(Value::from), now.map(Value::from)];
                self.keyword(ChangeKind::Bounds, path, size.keyword, verdicts, values);
            }
        }
        if a.multiple_of != b.multiple_of {
            let verdicts = both(
                Kinds::NUMBER,
                [
                    multiple_implies(a.multiple_of, b.multiple_of, from, to),
                    multiple_implies(b.multiple_of, a.multiple_of, to, from),
                ],
            );
            let values = [a.multiple_of.map(Value::from), b.multiple_of.map(Value::from)];
            self.keyword(ChangeKind::MultipleOf, path, "multipleOf", verdicts, values);
        }
        let before = a.pattern.as_ref().map(Pattern::source);
        let now = b.pattern.as_ref().map(Pattern::source);
        if before != now {
            let verdicts = both(
                Kinds::STRING,
                [pattern_implies(before, now), pattern_implies(now, before)],
            );
            let values = [before.map(Value::from), now.map(Value::from)];
            self.keyword(ChangeKind::Pattern, path, "the pattern", verdicts, values);
        }
        self.enums(&a.values, &b.values, path);
        let verdicts = [conditions_imply(a, b), conditions_imply(b, a)];
        if verdicts != [Safe; 2] {
            let reason = format!("allOf, anyOf, oneOf or not differ{}", consequence(verdicts));
            let values = [old, new].map(print::conditions);
            self.push(ChangeKind::Conditions, path, verdicts, reason, values);
        }
    }

    fn enums(&mut self, before: &[Value], now: &[Value], path: &str) {
        let verdicts = [enum_implies(before, now), enum_implies(now, before)];
        if verdicts == [Safe; 2] {
            return;
        }
        let list = |values: Vec<&Value>| {
            values
                .into_iter()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let reason = match (before.is_empty(), now.is_empty()) {
            (true, _) => "an enum stands where every value was allowed".to_owned(),
            (_, true) => "the enum is gone: readers may meet any value".to_owned(),
            _ => {
                let (gone, added) = (missing_values(before, now), missing_values(now, before));
                let mut parts = Vec::new();
                if !gone.is_empty() {
                    parts.push(format!("values are gone: {}", list(gone)));
                }
                if !added.is_empty() {
                    parts.push(format!(
                        "values are new, which old readers do not know: {}",
                        list(added)
                    ));
                }
                parts.join("; ")
            }
        };
        let values = |values: &[Value]| (!values.is_empty()).then(|| Value::from(values.to_vec()));
        self.push(
            ChangeKind::Enum,
            path,
            verdicts,
            reason,
            [values(before), values(now)],
        );
    }

    /// Rules are told apart by their text.
    pub(super) fn rules(&mut self, old: &Node, new: &Node, path: &str) {
        let find = |rules: &[Rule], text: &str| rules.iter().find(|rule| rule.rule == text).cloned();
        for rule in &new.rules {
            let text = Value::from(rule.rule.as_str());
            match find(&old.rules, &rule.rule) {
                None => {
                    let reason = format!("the rule `{}` is new: it may refuse what was valid", rule.rule);
                    self.push(
                        ChangeKind::RuleAdded,
                        path,
                        [Breaking, Safe],
                        reason,
                        [None, Some(text)],
                    );
                }
                Some(before) if before.optional_old_self != rule.optional_old_self => {
                    if rule.optional_old_self {
                        let reason = format!("the rule `{}` also runs without an old value now", rule.rule);
                        self.push(
                            ChangeKind::RuleAdded,
                            path,
                            [Breaking, Safe],
                            reason,
                            [None, Some(text)],
                        );
                    } else {
                        let reason = format!(
                            "the rule `{}` does not run without an old value any more",
                            rule.rule
                        );
                        self.push(
                            ChangeKind::RuleRemoved,
                            path,
                            [Safe, Breaking],
                            reason,
                            [Some(text), None],
                        );
                    }
                }
                Some(before) if before != *rule => {
                    let reason = format!("the rule `{}` reports its violation otherwise", rule.rule);
                    let values = [&before, rule].map(|rule| Some(print::message(rule)));
                    self.push(ChangeKind::RuleMessage, path, [Safe; 2], reason, values);
                }
                Some(_) => {}
            }
        }
        for rule in &old.rules {
            if find(&new.rules, &rule.rule).is_none() {
                let reason = format!(
                    "the rule `{}` is gone: readers may meet what it refused",
                    rule.rule
                );
                let text = Value::from(rule.rule.as_str());
                self.push(
                    ChangeKind::RuleRemoved,
                    path,
                    [Safe, Breaking],
                    reason,
                    [Some(text), None],
                );
            }
        }
    }

    pub(super) fn required(&mut self, old: &Node, new: &Node, path: &str) {
        let [before, now] = [old, new].map(required_names);
        let only = |node: &'_ Node, other: &HashSet<&str>| -> Vec<Box<str>> {
            let mut seen = HashSet::new();
            let names = checks(node).required.iter();
            names
                .filter(|name| !other.contains(&***name) && seen.insert(&***name))
                .cloned()
                .collect()
        };
        let has_default =
            |node: &Node, name: &str| node.property(name).is_some_and(|field| field.default.is_some());
        for name in only(new, &before) {
            // An old default filled it in, and a new one does.
            let there = has_default(old, &name) || has_default(new, &name);
            let reason = if there {
                "it is required now, and its default fills it in"
            } else {
                "it is required now: objects and writers without it are refused"
            };
            self.requirement(
                &join(path, &name),
                [Verdict::breaking_if(!there), Safe],
                reason,
                true,
            );
        }
        for name in only(old, &now) {
            let there = has_default(new, &name);
            let reason = if there {
                "it is required no more, and its default fills it in"
            } else {
                "it is required no more: readers may miss it"
            };
            self.requirement(
                &join(path, &name),
                [Safe, Verdict::breaking_if(!there)],
                reason,
                false,
            );
        }
    }

    fn requirement(&mut self, path: &str, verdicts: [Verdict; 2], reason: &str, now: bool) {
        self.push(
            ChangeKind::Required,
            path,
            verdicts,
            reason,
            [!now, now].map(flag),
        );
    }

    /// Defaults of a declared field; `required` says whether it is, before and now.
    pub(super) fn default(&mut self, old: &Node, new: &Node, path: &str, [before, now]: [bool; 2]) {
        if old.default == new.default {
            return;
        }
        let (verdicts, why) = match (&old.default, &new.default) {
            (None, _) if before => ([Safe; 2], "a default is new, of a field that was always there"),
            (None, _) => (
                [Breaking, Safe],
                "a default is new: what writers leave out is filled in now",
            ),
            (_, None) => (
                [Breaking, Verdict::breaking_if(!now)],
                "the default is gone: what writers leave out is missing now",
            ),
            _ => (
                [Breaking, Safe],
                "the default is another: what writers leave out is filled in otherwise",
            ),
        };
        let values = [old, new].map(|node| node.default.as_deref().cloned());
        self.push(ChangeKind::Default, path, verdicts, why, values);
    }
}

/// A keyword that is set or not.
#[allow(clippy::unnecessary_wraps)]
fn flag(set: bool) -> Option<Value> {
    Some(set.into())
}

fn without_null(kinds: Kinds) -> Kinds {
    kinds.without(Kinds::NULL)
}

/// Whether a list without duplicates by `a` has none by `b`.
fn uniqueness_implies(a: &ListType, b: &ListType) -> bool {
    match (a, b) {
        (_, ListType::Atomic) => true,
        (ListType::Map(a), ListType::Map(b)) => a.iter().all(|key| b.contains(key)),
        (a, b) => a == b,
    }
}

fn list_name(list: &ListType) -> String {
    match list {
        ListType::Atomic => "atomic".to_owned(),
        ListType::Set => "a set".to_owned(),
        ListType::Map(keys) => format!("a map by {}", keys.join(", ")),
    }
}

/// The end of a reason.
fn consequence([stored, readers]: [Verdict; 2]) -> &'static str {
    match (stored, readers) {
        (Safe, Safe) => "",
        (Undecided, _) | (_, Undecided) => {
            ": whether all old values still pass, or new ones did, is not decidable here"
        }
        (Breaking, Safe) => ": values that were valid are refused",
        (Safe, Breaking) => ": readers may meet values that could not be there",
        (Breaking, Breaking) => ": old values are refused, and readers may meet new ones",
    }
}
