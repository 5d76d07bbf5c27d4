//! JSON as tokens: `{"a": [1, true, null]}`.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use serde_json::{Map, Number, Value as Json};
use syn::{Expr, Lit, UnOp};

use super::item::{Item, Value, ungroup};

/// What cannot be read.
pub(crate) struct NoJson {
    pub(crate) span: Span,
    pub(crate) message: &'static str,
}

/// The value of `key = ...`, where it is JSON. `None` is an expression that has to be computed.
pub(crate) fn of_item(item: &Item) -> Result<Option<Json>, NoJson> {
    match &item.value {
        Value::Json(group) => of_group(group).map(Some),
        Value::Expr(expr) => Ok(of_expr(expr)),
        Value::Flag | Value::List(..) => Err(NoJson {
            span: item.span(),
            message: "a value is missing; write a literal or JSON after `=`",
        }),
    }
}

/// A literal.
pub(crate) fn of_expr(expr: &Expr) -> Option<Json> {
    match ungroup(expr) {
        Expr::Lit(lit) => of_lit(&lit.lit, false),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => match ungroup(&unary.expr) {
            Expr::Lit(lit) => of_lit(&lit.lit, true),
            _ => None,
        },
        Expr::Path(path) if path.path.is_ident("null") => Some(Json::Null),
        _ => None,
    }
}

fn of_lit(lit: &Lit, negative: bool) -> Option<Json> {
    let sign = if negative { "-" } else { "" };
    match lit {
        Lit::Str(text) if !negative => Some(Json::String(text.value())),
        Lit::Char(text) if !negative => Some(Json::String(text.value().to_string())),
        Lit::Bool(value) if !negative => Some(Json::Bool(value.value)),
        Lit::Int(number) => number_of(&format!("{sign}{}", number.base10_digits())),
        Lit::Float(number) => number_of(&format!("{sign}{}", number.base10_digits())),
        _ => None,
    }
}

fn number_of(digits: &str) -> Option<Json> {
    digits.parse::<Number>().ok().map(Json::Number)
}

/// A group in braces or brackets.
pub(crate) fn of_group(group: &Group) -> Result<Json, NoJson> {
    match group.delimiter() {
        Delimiter::Brace => {
            let mut map = Map::new();
            for entry in parts(group.stream()) {
                let at = entry.first().map_or_else(|| group.span(), TokenTree::span);
                let [TokenTree::Literal(key), TokenTree::Punct(colon), value @ ..] = entry.as_slice() else {
                    return Err(wrong(at, "write `\"key\": value`"));
                };
                match Lit::new(key.clone()) {
                    Lit::Str(key) if colon.as_char() == ':' => {
                        map.insert(key.value(), of_tokens(value, at)?);
                    }
                    _ => return Err(wrong(at, "write `\"key\": value`")),
                }
            }
            Ok(Json::Object(map))
        }
        Delimiter::Bracket => {
            let items = parts(group.stream());
            let items = items.iter().map(|item| of_tokens(item, group.span()));
            items.collect::<Result<_, _>>().map(Json::Array)
        }
        _ => {
            let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
            of_tokens(&tokens, group.span())
        }
    }
}

/// The values of a list in parentheses, each with its place.
pub(crate) fn list(tokens: TokenStream) -> Vec<(Span, Result<Json, NoJson>)> {
    parts(tokens)
        .iter()
        .map(|part| {
            let span = part.first().map_or_else(Span::call_site, TokenTree::span);
            (span, of_tokens(part, span))
        })
        .collect()
}

fn of_tokens(tokens: &[TokenTree], span: Span) -> Result<Json, NoJson> {
    match tokens {
        [TokenTree::Group(group)] => of_group(group),
        [TokenTree::Literal(literal)] => {
            of_lit(&Lit::new(literal.clone()), false).ok_or_else(|| wrong(literal.span(), NO_VALUE))
        }
        [TokenTree::Punct(minus), TokenTree::Literal(literal)] if minus.as_char() == '-' => {
            of_lit(&Lit::new(literal.clone()), true).ok_or_else(|| wrong(literal.span(), NO_VALUE))
        }
        [TokenTree::Ident(word)] if word == "true" => Ok(Json::Bool(true)),
        [TokenTree::Ident(word)] if word == "false" => Ok(Json::Bool(false)),
        [TokenTree::Ident(word)] if word == "null" => Ok(Json::Null),
        _ => Err(wrong(span, NO_VALUE)),
    }
}

const NO_VALUE: &str =
    "this is no JSON: write strings, numbers, `true`, `false`, `null`, `[...]` and `{\"key\": ...}`";

fn wrong(span: Span, message: &'static str) -> NoJson {
    NoJson { span, message }
}

/// Splits at commas.
fn parts(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    for token in tokens {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => parts.push(Vec::new()),
            token => parts.last_mut().expect("never empty").push(token),
        }
    }
    if parts.last().is_some_and(Vec::is_empty) {
        parts.pop();
    }
    parts
}
