//! Whether a checked expression can be made a program.
//!
//! **Invariant:** what fails here fails upstream, with the same text.

use kubewright_cel::{Expr, ExprKind};

use super::super::plan::Program;
use super::super::types::{Checked, Type};
use super::literals::children;

/// Makes the program.
///
/// # Errors
/// cel-go's text.
pub(in super::super) fn instantiate(checked: &Checked) -> Result<Program, String> {
    types_are_known(&checked.expr, checked)?;
    Program::new(checked)
}

/// A name whose type is a type's has to be that type's. Variables of loops are not, nor are the short names of durations
/// and times, which upstream's checker knows and its planner does not.
fn types_are_known(expr: &Expr, checked: &Checked) -> Result<(), String> {
    if let ExprKind::Ident(name) = &expr.kind
        && matches!(checked.type_of(expr), Type::Type(_))
        && !is_known(name)
    {
        return Err(format!("reference to undefined type: {name}"));
    }
    let mut below = Ok(());
    children(expr, &mut |child| {
        if below.is_ok() {
            below = types_are_known(child, checked);
        }
    });
    below
}

fn is_known(name: &str) -> bool {
    matches!(
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
    )
}
