//! What fails when a checked expression is made a program, before it runs.
//!
//! **Invariant:** the first mistake in cel-go's order of planning is the one that is told.

use kubewright_cel::{Expr, ExprKind, Literal};

use super::super::types::{Checked, Type};
use super::literals::children;
use crate::regexp;

/// Looks for constants that no program can be made of.
///
/// # Errors
/// cel-go's text.
pub(super) fn instantiate(checked: &Checked) -> Result<(), String> {
    plan(&checked.expr, checked)
}

fn plan(expr: &Expr, checked: &Checked) -> Result<(), String> {
    if let ExprKind::Comprehension(loop_) = &expr.kind {
        return [
            &loop_.init,
            &loop_.range,
            &loop_.condition,
            &loop_.step,
            &loop_.result,
        ]
        .into_iter()
        .try_for_each(|part| plan(part, checked));
    }
    let mut below = Ok(());
    children(expr, &mut |child| {
        if below.is_ok() {
            below = plan(child, checked);
        }
    });
    below?;
    match &expr.kind {
        ExprKind::Ident(name) => is_value(name, checked.type_of(expr)),
        ExprKind::Call {
            function,
            target,
            args,
        } => {
            if !matches!(&**function, "matches" | "find" | "findAll") {
                return Ok(());
            }
            // The pattern comes second, the target counted.
            match target
                .as_deref()
                .into_iter()
                .chain(args)
                .nth(1)
                .map(|arg| &arg.kind)
            {
                Some(ExprKind::Literal(Literal::String(pattern))) => regexp::check(pattern),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// A name whose type is a type's has to be that type's, which variables of loops are not.
fn is_value(name: &str, ty: &Type) -> Result<(), String> {
    let is_known = matches!(
        name,
        "bool"
            | "bytes"
            | "double"
            | "google.protobuf.Duration"
            | "google.protobuf.Timestamp"
            | "int"
            | "list"
            | "map"
            | "net.CIDR"
            | "net.IP"
            | "null_type"
            | "optional_type"
            | "string"
            | "type"
            | "uint"
    );
    if matches!(ty, Type::Type(_)) && !is_known {
        return Err(format!("reference to undefined type: {name}"));
    }
    Ok(())
}
