//! Whether what passes one schema passes another, by value validation alone: what members of conditions need.
//!
//! **Invariant:** `Safe` is a proof; everything else only says that none was found. The search is bounded: conditions
//! inside conditions could be paired in more ways than anyone can try.

use std::cell::Cell;
use std::sync::LazyLock;

use super::Verdict::{self, Breaking, Safe, Undecided};
use super::keywords::{
    Kinds, Numeric, SIZES, bound_implies, enum_implies, format_implies, multiple_implies, negated,
    pattern_implies,
};
use crate::structural::{Additional, Checks, Node};

/// Checks of a node that has none.
static NONE: LazyLock<Checks> = LazyLock::new(Checks::default);

pub(super) fn checks(node: &Node) -> &Checks {
    node.checks.as_deref().unwrap_or_else(|| &NONE)
}

/// Whether nothing is refused.
pub(super) fn accepts_all(node: &Node) -> bool {
    node.checks.is_none()
        && Kinds::of(node) == Kinds::ALL
        && match &node.additional {
            Additional::Forbidden => false,
            Additional::Schema(values) => accepts_all(values),
            Additional::Any | Additional::Undeclared => true,
        }
        && node.items.as_deref().is_none_or(accepts_all)
        && node.properties.iter().all(|(_, property)| accepts_all(property))
}

/// Schemas that are looked at in one proof.
const FUEL: u32 = 20_000;

/// Whether values that pass `a`, or any values if there is none, pass `b`.
fn implies(a: Option<&Node>, b: &Node, fuel: &Cell<u32>) -> bool {
    let Some(left) = fuel.get().checked_sub(1) else {
        return false;
    };
    fuel.set(left);
    if accepts_all(b) {
        return true;
    }
    let Some(a) = a else { return false };
    let (from, to) = (checks(a), checks(b));
    Kinds::of(a).is_within(Kinds::of(b))
        && keywords_imply(a, b)
        && to.required.iter().all(|name| from.required.contains(name))
        && conditions(from, to, fuel) == Safe
        && fields_imply(a, b, fuel)
        && b.items
            .as_deref()
            .is_none_or(|items| implies(a.items.as_deref(), items, fuel))
}

fn keywords_imply(a: &Node, b: &Node) -> bool {
    let (from, to) = (checks(a), checks(b));
    let (from_number, to_number) = (Numeric::of(a), Numeric::of(b));
    let format = |checks: &Checks| checks.format.as_ref().map(|(format, _)| *format);
    let pattern = |checks: &'_ Checks| checks.pattern.as_ref().map(|pattern| pattern.source().to_owned());
    SIZES
        .iter()
        .all(|size| size.implies((size.get)(from), (size.get)(to)) == Safe)
        && bound_implies(from.minimum, to.minimum, to_number) == Safe
        && bound_implies(negated(from.maximum), negated(to.maximum), to_number) == Safe
        && multiple_implies(from.multiple_of, to.multiple_of, from_number, to_number) == Safe
        && format_implies(format(from), format(to)) == Safe
        && pattern_implies(pattern(from).as_deref(), pattern(to).as_deref()) == Safe
        && enum_implies(&from.values, &to.values) == Safe
}

fn fields_imply(a: &Node, b: &Node, fuel: &Cell<u32>) -> bool {
    let declared = b
        .properties
        .iter()
        .all(|(name, property)| implies(a.field(name), property, fuel));
    let others = match &b.additional {
        Additional::Any | Additional::Undeclared => true,
        Additional::Forbidden => {
            matches!(a.additional, Additional::Forbidden)
                && a.properties.iter().all(|(name, _)| b.property(name).is_some())
        }
        Additional::Schema(values) => {
            matches!(&a.additional, Additional::Schema(from) if implies(Some(from), values, fuel))
                && a.properties
                    .iter()
                    .filter(|(name, _)| b.property(name).is_none())
                    .all(|(_, property)| implies(Some(property), values, fuel))
        }
    };
    declared && others
}

/// Whether values that pass the conditions of `from` pass those of `to`.
pub(super) fn conditions_imply(from: &Checks, to: &Checks) -> Verdict {
    conditions(from, to, &Cell::new(FUEL))
}

/// Whether one of the members is enough for what `fits`; that at the same place is tried first.
fn any(members: &[Node], place: usize, fits: impl Fn(&Node) -> bool) -> bool {
    members.get(place).is_some_and(&fits) || members.iter().any(fits)
}

fn conditions(from: &Checks, to: &Checks, fuel: &Cell<u32>) -> Verdict {
    let unproven = |had: bool| if had { Undecided } else { Breaking };
    let mut verdict = Safe;
    let all_of = to
        .all_of
        .iter()
        .enumerate()
        .all(|(place, b)| any(&from.all_of, place, |a| implies(Some(a), b, fuel)));
    if !all_of {
        verdict = verdict.max(unproven(!from.all_of.is_empty()));
    }
    // Some member of the old ones holds, and with it one of the new ones.
    let any_of = to.any_of.is_empty()
        || (!from.any_of.is_empty()
            && from
                .any_of
                .iter()
                .enumerate()
                .all(|(place, a)| any(&to.any_of, place, |b| implies(Some(a), b, fuel))));
    if !any_of {
        verdict = verdict.max(unproven(!from.any_of.is_empty()));
    }
    // Exactly one must hold, so that looser members are no better than tighter ones.
    let one_of = to.one_of.is_empty()
        || (from.one_of.len() == to.one_of.len()
            && from
                .one_of
                .iter()
                .zip(&to.one_of)
                .all(|(a, b)| implies(Some(a), b, fuel) && implies(Some(b), a, fuel)));
    if !one_of {
        verdict = verdict.max(unproven(!from.one_of.is_empty()));
    }
    if let Some(b) = &to.not
        && !from.not.as_ref().is_some_and(|a| implies(Some(b), a, fuel))
    {
        verdict = verdict.max(unproven(from.not.is_some()));
    }
    verdict
}
