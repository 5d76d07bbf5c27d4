//! What is checked of constants once the types are right: durations, times, regular expressions, lists and maps of
//! one kind of value, format strings.
//!
//! **Invariant:** nothing here changes a tree or a type; it only finds mistakes.

use kubewright_cel::{Entry, Expr, ExprKind, Literal};

use super::super::library::time;
use super::super::types::{Checked, Type};
use super::Mistake;
use super::format;
use crate::duration;
use crate::regexp;

/// The mistakes, in cel-go's order of validators.
pub(super) fn validate(checked: &Checked) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    walk(&checked.expr, &mut |expr| {
        argument(expr, "duration", is_duration, &mut mistakes);
    });
    walk(&checked.expr, &mut |expr| {
        argument(expr, "timestamp", is_timestamp, &mut mistakes);
    });
    walk(&checked.expr, &mut |expr| {
        argument(expr, "matches", is_pattern, &mut mistakes);
    });
    uniform(&checked.expr, checked, &mut mistakes);
    walk(&checked.expr, &mut |expr| {
        format::validate(expr, checked, &mut mistakes);
    });
    mistakes
}

/// Visits every node, parents first.
fn walk(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expr);
    children(expr, &mut |child| walk(child, visit));
}

/// Visits what is directly below a node.
pub(super) fn children<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Ident(_) => {}
        ExprKind::Select { operand, .. } => visit(operand),
        ExprKind::Call { target, args, .. } => target.as_deref().into_iter().chain(args).for_each(visit),
        ExprKind::List { elements, .. } => elements.iter().for_each(visit),
        ExprKind::Map(entries) => {
            for entry in entries {
                visit(&entry.key);
                visit(&entry.value);
            }
        }
        ExprKind::Struct { fields, .. } => fields.iter().for_each(|field| visit(&field.value)),
        ExprKind::Comprehension(loop_) => {
            visit(&loop_.range);
            visit(&loop_.init);
            visit(&loop_.condition);
            visit(&loop_.step);
            visit(&loop_.result);
        }
    }
}

fn argument(expr: &Expr, name: &str, is_valid: fn(&Literal) -> bool, mistakes: &mut Vec<Mistake>) {
    let ExprKind::Call { function, args, .. } = &expr.kind else {
        return;
    };
    if **function != *name {
        return;
    }
    if let Some(Expr {
        id,
        kind: ExprKind::Literal(literal),
    }) = args.first()
        && !is_valid(literal)
    {
        let message = format!("invalid {name} argument");
        mistakes.push(Mistake { id: *id, message });
    }
}

fn is_pattern(literal: &Literal) -> bool {
    match literal {
        Literal::String(pattern) => regexp::check(pattern).is_ok(),
        _ => true,
    }
}

/// Whether all elements of each list, all keys and all values of each map are of one type, except in the arguments of
/// `format()`.
fn uniform(expr: &Expr, checked: &Checked, mistakes: &mut Vec<Mistake>) {
    // Lists come before maps, which shows where two mistakes are at one place.
    uniform_in(expr, checked, mistakes, Aggregate::Lists);
    uniform_in(expr, checked, mistakes, Aggregate::Maps);
}

#[derive(Clone, Copy, PartialEq)]
enum Aggregate {
    Lists,
    Maps,
}

fn uniform_in(expr: &Expr, checked: &Checked, mistakes: &mut Vec<Mistake>, which: Aggregate) {
    match &expr.kind {
        ExprKind::Call { function, .. } if &**function == "format" => return,
        ExprKind::List { elements, optional } if which == Aggregate::Lists => {
            uniform_list(elements, optional, checked, mistakes);
        }
        ExprKind::Map(entries) if which == Aggregate::Maps => uniform_map(entries, checked, mistakes),
        _ => {}
    }
    children(expr, &mut |child| uniform_in(child, checked, mistakes, which));
}

fn uniform_list(elements: &[Expr], optional: &[u32], checked: &Checked, mistakes: &mut Vec<Mistake>) {
    let mut first: Option<&Type> = None;
    for (index, element) in elements.iter().enumerate() {
        let mut ty = checked.type_of(element);
        if optional.iter().any(|optional| *optional as usize == index) {
            ty = unwrapped(ty);
        }
        match first {
            None => first = Some(ty),
            Some(first) if first != ty => {
                mistakes.push(mismatch(element.id, first, ty));
                return;
            }
            Some(_) => {}
        }
    }
}

fn uniform_map(entries: &[Entry], checked: &Checked, mistakes: &mut Vec<Mistake>) {
    let mut first: Option<(&Type, &Type)> = None;
    for entry in entries {
        let key = checked.type_of(&entry.key);
        let mut value = checked.type_of(&entry.value);
        if entry.optional {
            value = unwrapped(value);
        }
        let Some((first_key, first_value)) = first else {
            first = Some((key, value));
            continue;
        };
        if first_key != key {
            mistakes.push(mismatch(entry.key.id, first_key, key));
        }
        if first_value != value {
            mistakes.push(mismatch(entry.value.id, first_value, value));
        }
    }
}

fn unwrapped(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) => inner,
        // cel-go panics here if it is `dyn`.
        ty => ty,
    }
}

fn mismatch(id: u32, expected: &Type, found: &Type) -> Mistake {
    Mistake {
        id,
        message: format!("expected type '{expected}' but found '{found}'"),
    }
}

fn is_duration(literal: &Literal) -> bool {
    match literal {
        Literal::String(text) => duration::parse_duration(text).is_some(),
        // Numbers and null have the right type, yet cannot be converted.
        _ => false,
    }
}

fn is_timestamp(literal: &Literal) -> bool {
    match literal {
        Literal::String(text) => time::parse_timestamp(text).is_some_and(|time| time.is_ok()),
        Literal::Int(seconds) => time::from_seconds(*seconds).is_ok(),
        _ => false,
    }
}
