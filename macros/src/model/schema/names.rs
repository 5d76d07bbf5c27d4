//! Fields that rules of a struct name: a rule goes by the names in JSON.
//!
//! **Invariant:** only `self.field` is judged, where all fields are known; the rest is the builder's, which knows types.

use kubewright_cel::{Expr, ExprKind};
use syn::LitStr;

use super::relations::advice;
use crate::attrs::rule;
use crate::attrs::schema::{Given, Mark};
use crate::errors::Errors;

/// Reports fields that the struct has not got; `names` are its fields' in JSON and in Rust.
pub(super) fn check(marks: &[Mark], names: &[(String, String)], errors: &mut Errors) {
    for mark in marks.iter().filter(|mark| mark.key == "validation") {
        let Given::Expr(expr) = &mark.value else { continue };
        for text in rule::literals(expr) {
            // What cannot be read was told of.
            if let Ok(parsed) = kubewright_cel::parse(&text.value()) {
                walk(&parsed.expr, &mut |field| name(text, field, names, errors));
            }
        }
    }
}

fn name(text: &LitStr, field: &str, names: &[(String, String)], errors: &mut Errors) {
    let Some(field) = kubewright_cel::names::unescape(field) else {
        return;
    };
    if names.iter().any(|(json, _)| *json == field) {
        return;
    }
    errors.at(
        text.span(),
        match names.iter().find(|(_, rust)| *rust == field) {
            Some((json, _)) => format!(
                "a rule goes by the names in JSON, where `{field}` is `{json}`: write `self.{}`",
                super::rules::escaped(json)
            ),
            None => format!("there is no field `{field}`; {}", advice(&field, names)),
        },
    );
}

/// Calls `found` with each field of `self` and `oldSelf`.
fn walk(expr: &Expr, found: &mut impl FnMut(&str)) {
    let mut inner: Vec<&Expr> = Vec::new();
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Ident(_) => {}
        ExprKind::Select { operand, field, .. } => {
            if matches!(&operand.kind, ExprKind::Ident(name) if matches!(&**name, "self" | "oldSelf")) {
                found(field);
            }
            inner.push(operand);
        }
        ExprKind::Call { target, args, .. } => {
            inner.extend(target.as_deref());
            inner.extend(args);
        }
        ExprKind::List { elements, .. } => inner.extend(elements),
        ExprKind::Map(entries) => inner.extend(entries.iter().flat_map(|entry| [&entry.key, &entry.value])),
        ExprKind::Struct { fields, .. } => inner.extend(fields.iter().map(|field| &field.value)),
        ExprKind::Comprehension(comprehension) => {
            inner.extend([&comprehension.range, &comprehension.init]);
            // An item may be called so too.
            let is_item = |name: &str| {
                &*comprehension.var == name || comprehension.var2.as_deref().is_some_and(|var| var == name)
            };
            if !is_item("self") && !is_item("oldSelf") {
                inner.extend([
                    &comprehension.condition,
                    &comprehension.step,
                    &comprehension.result,
                ]);
            }
        }
    }
    for expr in inner {
        walk(expr, found);
    }
}
