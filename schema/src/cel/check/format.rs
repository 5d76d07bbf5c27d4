//! Format strings: `'%d of %s'.format([1, 'x'])` with constants on both sides is checked before it runs.
//!
//! **Invariant:** texts are those of cel-go's strings library, version 2.

use kubewright_cel::{Expr, ExprKind, Literal};

use super::super::types::{Checked, Reference, Type};
use super::Mistake;

/// Checks a node, if it is a call of `format` on a constant with a list literal.
pub(super) fn validate(expr: &Expr, checked: &Checked, mistakes: &mut Vec<Mistake>) {
    let ExprKind::Call {
        function,
        target: Some(target),
        args,
    } = &expr.kind
    else {
        return;
    };
    let (ExprKind::Literal(Literal::String(text)), [list]) = (&target.kind, args.as_slice()) else {
        return;
    };
    let ExprKind::List { elements, .. } = &list.kind else {
        return;
    };
    let is_format = match checked.references.get(&expr.id) {
        Some(Reference::Overloads(ids)) => ids.contains(&"string_format"),
        _ => true,
    };
    if &**function != "format" || !is_format {
        return;
    }
    match clauses(text.as_bytes(), elements, checked) {
        Ok(used) if elements.len() > used => mistakes.push(Mistake {
            id: expr.id,
            message: format!(
                "too many arguments supplied to string.format (expected {used}, got {})",
                elements.len()
            ),
        }),
        Ok(_) => {}
        Err((id, message)) => mistakes.push(Mistake {
            id: id.unwrap_or(expr.id),
            message,
        }),
    }
}

/// Whom to blame, the call itself if nobody, and why.
type Blame = (Option<u32>, String);

/// How many arguments a format string uses.
fn clauses(text: &[u8], args: &[Expr], checked: &Checked) -> Result<usize, Blame> {
    let mut used = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'%' {
            at += 1;
            continue;
        }
        match text.get(at + 1) {
            Some(b'%') => {
                at += 2;
                continue;
            }
            None => return Err((None, "unexpected end of string".to_owned())),
            Some(_) => {}
        }
        let Some(arg) = args.get(used) else {
            return Err((None, format!("index {used} out of range")));
        };
        let (verb, length) = verb(&text[at + 1..])
            .map_err(|message| (None, format!("could not parse formatting clause: {message}")))?;
        if let Err((id, message)) = fits(verb, arg, checked) {
            return Err((id, format!("error during formatting: {message}")));
        }
        at += 1 + length;
        used += 1;
    }
    Ok(used)
}

/// The letter of a clause, and the length with the precision before it.
fn verb(clause: &[u8]) -> Result<(u8, usize), String> {
    let mut at = 0;
    if clause.first() == Some(&b'.') {
        let digits = clause[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        at = 1 + digits;
        if at >= clause.len() {
            return Err(
                "error while parsing precision: could not find end of precision specifier".to_owned(),
            );
        }
        let number = String::from_utf8_lossy(&clause[1..at]);
        if let Err(why) = number.parse::<i64>() {
            let why = match why.kind() {
                std::num::IntErrorKind::Empty => "invalid syntax",
                _ => "value out of range",
            };
            return Err(format!(
                "error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing \
                 {}: {why}",
                crate::gotext::quote(&number)
            ));
        }
    }
    match clause[at] {
        verb @ (b's' | b'd' | b'f' | b'e' | b'b' | b'x' | b'X' | b'o') => Ok((verb, at + 1)),
        // One byte is taken for a character here, as in cel-go.
        other => Err(format!(
            "unrecognized formatting clause \"{}\"",
            char::from(other)
        )),
    }
}

fn fits(verb: u8, arg: &Expr, checked: &Checked) -> Result<(), Blame> {
    let ty = checked.type_of(arg);
    let (fits, what) = match verb {
        b's' => {
            return printable(arg, checked).map_err(|(id, name)| {
                let what = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, \
                            types, durations, and timestamps";
                (Some(id), format!("{what}, was given {name}"))
            });
        }
        b'd' => (
            matches!(ty, Type::Int | Type::Uint),
            "decimal clause can only be used on integers",
        ),
        // Strings, for "NaN" and "Infinity".
        b'f' => (
            matches!(ty, Type::Double | Type::String),
            "fixed-point clause can only be used on doubles",
        ),
        b'e' => (
            matches!(ty, Type::Double | Type::String),
            "scientific clause can only be used on doubles",
        ),
        b'b' => (
            matches!(ty, Type::Int | Type::Uint | Type::Bool),
            "only integers and bools can be formatted as binary",
        ),
        b'o' => (
            matches!(ty, Type::Int | Type::Uint),
            "octal clause can only be used on integers",
        ),
        _ => (
            matches!(ty, Type::Int | Type::Uint | Type::String | Type::Bytes),
            "only integers, byte buffers, and strings can be formatted as hex",
        ),
    };
    if fits || *ty == Type::Dyn {
        return Ok(());
    }
    Err((Some(arg.id), format!("{what}, was given {}", ty.name())))
}

/// Whether `%s` can print a value; if not, the node with what cannot be printed, and its type.
fn printable(arg: &Expr, checked: &Checked) -> Result<(), (u32, String)> {
    let ty = checked.type_of(arg);
    if matches!(
        ty,
        Type::Opaque(_) | Type::Object(_) | Type::Optional(_) | Type::Error
    ) {
        return Err((arg.id, ty.name().to_owned()));
    }
    match &arg.kind {
        ExprKind::List { elements, .. } => elements
            .iter()
            .try_for_each(|element| printable(element, checked)),
        ExprKind::Map(entries) => entries.iter().try_for_each(|entry| {
            printable(&entry.key, checked)?;
            printable(&entry.value, checked)
        }),
        _ => Ok(()),
    }
}
