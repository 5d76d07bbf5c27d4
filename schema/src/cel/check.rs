//! From the text of a rule to a checked tree and its cost, as the CEL compiler of kube-apiserver 1.36 does it.
//!
//! [`compile`] is the way in: declarations ([`RootDecl`]) once per schema node, then one call per expression.
//!
//! **Invariant:** an expression that compiles here compiles there, with the same type and estimated cost, and one that
//! does not fails with the same text.

mod format;
mod infer;
mod literals;
pub(super) mod program;
mod unify;

use std::sync::Arc;

use kubewright_cel::{Parsed, Report, Source, parse, render_all};

use super::cost;
use super::decl::RootDecl;
use super::plan::Program;
use super::types::{Checked, Reference, Type};

/// What `oldSelf` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OldSelf {
    /// Of `self`'s type; rules with it run on updates only.
    Plain,
    /// An optional (`optionalOldSelf: true`).
    Optional,
}

/// What an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `rule`: gives a bool.
    Rule,
    /// `messageExpression`: gives a string.
    Message,
}

/// An expression that can run.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) program: Program,
    #[allow(dead_code)] // tests look at the tree
    pub(crate) checked: Checked,
    #[allow(dead_code)] // and at its type
    pub(crate) output: Type,
    /// Whether it speaks of `oldSelf`.
    pub(crate) uses_old_self: bool,
    /// The most it can cost, in CEL's units.
    pub(crate) max_cost: u64,
}

/// Compiles an expression, and estimates its cost.
///
/// # Errors
/// A server's text, complete: `compilation failed: ERROR: <input>:1:6: …`, `cel expression must evaluate to a bool`,
/// `messageExpression must evaluate to a string`, …
pub(crate) fn compile(
    text: &str,
    decl: &RootDecl,
    old_self: OldSelf,
    purpose: Purpose,
) -> Result<Compiled, String> {
    let (compilation, instantiation, wanted, wrong) = match purpose {
        Purpose::Rule => (
            "compilation",
            "program instantiation",
            Type::Bool,
            "cel expression must evaluate to a bool",
        ),
        Purpose::Message => (
            "messageExpression compilation",
            "messageExpression instantiation",
            Type::String,
            "messageExpression must evaluate to a string",
        ),
    };
    let checked = check(text, decl, old_self).map_err(|why| format!("{compilation} failed: {why}"))?;
    let output = checked.type_of(&checked.expr).clone();
    if output != wanted {
        return Err(wrong.to_owned());
    }
    let program = program::instantiate(&checked).map_err(|why| format!("{instantiation} failed: {why}"))?;
    Ok(Compiled {
        program,
        max_cost: cost::estimate(&checked, decl).max,
        uses_old_self: uses_old_self(&checked),
        output,
        checked,
    })
}

/// What is wrong at a node.
#[derive(Debug)]
struct Mistake {
    id: u32,
    message: String,
}

/// Finds the types; the error is the text of all mistakes with their places.
pub(super) fn check(text: &str, decl: &RootDecl, old_self: OldSelf) -> Result<Checked, String> {
    let this = decl.root.ty.clone();
    let old = match old_self {
        OldSelf::Plain => this.clone(),
        OldSelf::Optional => Type::Optional(Arc::new(this.clone())),
    };
    check_with(text, decl, &[("self", this), ("oldSelf", old)])
}

/// The same with other variables.
pub(super) fn check_with(text: &str, decl: &RootDecl, variables: &[(&str, Type)]) -> Result<Checked, String> {
    let Parsed { expr, source } = parse(text).map_err(|errors| errors.to_string())?;
    let checked = infer::infer(expr, decl, variables).map_err(|found| print(&found, &source))?;
    let found = literals::validate(&checked);
    if found.is_empty() {
        Ok(checked)
    } else {
        Err(print(&found, &source))
    }
}

fn print(mistakes: &[Mistake], source: &Source) -> String {
    let reports: Vec<Report> = mistakes
        .iter()
        .map(|mistake| Report {
            position: source.position(mistake.id),
            message: mistake.message.clone(),
        })
        .collect();
    render_all(&reports, source)
}

fn uses_old_self(checked: &Checked) -> bool {
    checked
        .references
        .values()
        .any(|reference| matches!(reference, Reference::Variable(name) if &**name == "oldSelf"))
}

#[cfg(test)]
mod tests;
