//! Whether what passes one schema passes another, by value validation alone: what members of conditions need.
//!
//! **Invariant:** `Safe` is a proof; everything else only says that none was found.

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

/// Whether values that pass `a`, or any values if there is none, pass `b`.
fn implies(a: Option<&Node>, b: &Node) -> bool {
    if accepts_all(b) {
        return true;
    }
    let Some(a) = a else { return false };
    let (from, to) = (checks(a), checks(b));
    Kinds::of(a).is_within(Kinds::of(b))
        && keywords_imply(a, b)
        && to.required.iter().all(|name| from.required.contains(name))
        && conditions_imply(from, to) == Safe
        && fields_imply(a, b)
        && b.items
            .as_deref()
            .is_none_or(|items| implies(a.items.as_deref(), items))
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

fn fields_imply(a: &Node, b: &Node) -> bool {
    let declared = b
        .properties
        .iter()
        .all(|(name, property)| implies(a.field(name), property));
    let others = match &b.additional {
        Additional::Any | Additional::Undeclared => true,
        Additional::Forbidden => {
            matches!(a.additional, Additional::Forbidden)
                && a.properties.iter().all(|(name, _)| b.property(name).is_some())
        }
        Additional::Schema(values) => {
            matches!(&a.additional, Additional::Schema(from) if implies(Some(from), values))
                && a.properties
                    .iter()
                    .filter(|(name, _)| b.property(name).is_none())
                    .all(|(_, property)| implies(Some(property), values))
        }
    };
    declared && others
}

/// Whether values that pass the conditions of `from` pass those of `to`.
pub(super) fn conditions_imply(from: &Checks, to: &Checks) -> Verdict {
    let unproven = |had: bool| if had { Undecided } else { Breaking };
    let mut verdict = Safe;
    if !to
        .all_of
        .iter()
        .all(|b| from.all_of.iter().any(|a| implies(Some(a), b)))
    {
        verdict = verdict.max(unproven(!from.all_of.is_empty()));
    }
    // Some member of the old ones holds, and with it one of the new ones.
    if !to.any_of.is_empty()
        && (from.any_of.is_empty()
            || !from
                .any_of
                .iter()
                .all(|a| to.any_of.iter().any(|b| implies(Some(a), b))))
    {
        verdict = verdict.max(unproven(!from.any_of.is_empty()));
    }
    // Exactly one must hold, so that looser members are no better than tighter ones.
    if !to.one_of.is_empty() {
        let same = from.one_of.len() == to.one_of.len()
            && from
                .one_of
                .iter()
                .zip(&to.one_of)
                .all(|(a, b)| implies(Some(a), b) && implies(Some(b), a));
        if !same {
            verdict = verdict.max(unproven(!from.one_of.is_empty()));
        }
    }
    if let Some(b) = &to.not
        && !from.not.as_ref().is_some_and(|a| implies(Some(b), a))
    {
        verdict = verdict.max(unproven(from.not.is_some()));
    }
    verdict
}
