//! One entry of an attribute's list: `key`, `key = value` or `key(...)`.
//!
//! **Invariant:** a malformed entry is one error; the entries around it are still read.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, Lit, LitStr, Meta, Path, Token};

use crate::errors::Errors;

/// An entry as written.
pub(crate) struct Item {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

/// What follows the key.
pub(crate) enum Value {
    Flag,
    Expr(Expr),
    List(TokenStream, Span),
    /// Braces or brackets: JSON, as in `default = {"a": 1}`.
    Json(Group),
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        use syn::ext::IdentExt;
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected a key, as `namespaced` or `plural = \"...\"`"));
        }
        let key = Ident::parse_any(input)?;
        let value = if ended(input) {
            Value::Flag
        } else if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            if ended(input) {
                return Err(syn::Error::new(
                    key.span(),
                    format!("`{key}` has no value; write `{key} = ...`"),
                ));
            }
            if let Some(json) = json(input) {
                return Ok(Self {
                    key,
                    value: Value::Json(json),
                });
            }
            Value::Expr(input.parse().map_err(|error| {
                if ended(input) {
                    // syn's own error stands where the attribute was called for, not where the value ends.
                    syn::Error::new(key.span(), format!("the value of `{key}` ends too early"))
                } else {
                    error
                }
            })?)
        } else if input.peek(syn::token::Paren) {
            let content;
            let paren = syn::parenthesized!(content in input);
            Value::List(content.parse()?, paren.span.join())
        } else {
            return Err(input.error(format!("expected `{key}`, `{key} = ...` or `{key}(...)`")));
        };
        Ok(Self { key, value })
    }
}

/// Braces or brackets that are a whole value.
fn json(input: ParseStream<'_>) -> Option<Group> {
    if !input.peek(syn::token::Brace) && !input.peek(syn::token::Bracket) {
        return None;
    }
    let ahead = input.fork();
    let group = ahead.parse::<Group>().ok().filter(|_| ended(&ahead))?;
    input.advance_to(&ahead);
    Some(group)
}

/// Whether the entry is over.
fn ended(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// The entries of all `#[name(...)]` among `attrs`.
pub(crate) fn items_of(attrs: &[Attribute], name: &str, errors: &mut Errors) -> Vec<Item> {
    let mut items = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        match &attr.meta {
            Meta::List(list) => items.extend(split(list.tokens.clone(), errors)),
            other => errors.at(
                other.span(),
                format!("write #[{name}(...)] with keys in the parentheses"),
            ),
        }
    }
    items
}

/// The entries of a list, separated by commas.
pub(crate) fn split(tokens: TokenStream, errors: &mut Errors) -> Vec<Item> {
    list(tokens, errors)
}

/// A list of strings, as in `shortnames("a", "b")`.
pub(crate) fn strings(tokens: TokenStream, errors: &mut Errors) -> Vec<LitStr> {
    list(tokens, errors)
}

/// What can be read of a list. A mistake reaches to the next comma.
pub(crate) fn list<T: Parse>(tokens: TokenStream, errors: &mut Errors) -> Vec<T> {
    let read = |input: ParseStream<'_>| {
        let mut entries = Vec::new();
        while !input.is_empty() {
            let ahead = input.fork();
            let entry = ahead.parse::<T>().and_then(|entry| {
                if ended(&ahead) {
                    Ok(entry)
                } else {
                    Err(ahead.error("expected `,`"))
                }
            });
            match entry {
                Ok(entry) => {
                    input.advance_to(&ahead);
                    entries.push(entry);
                }
                Err(error) => {
                    errors.push(error);
                    while !ended(input) {
                        input.parse::<TokenTree>()?;
                    }
                }
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(entries)
    };
    // Nothing but a token tree is read without looking first, so there is always an answer.
    read.parse2(tokens).unwrap_or_default()
}

/// Readers of single values. Each reports what it cannot read, with what to write instead.
impl Item {
    /// The span of the key, where there is no narrower one.
    pub(crate) fn span(&self) -> Span {
        match &self.value {
            Value::Flag => self.key.span(),
            Value::Expr(expr) => expr.span(),
            Value::List(_, span) => *span,
            Value::Json(group) => group.span(),
        }
    }

    /// `key = "text"`.
    pub(crate) fn string(&self, errors: &mut Errors) -> Option<LitStr> {
        if let Value::Expr(expr) = &self.value
            && let Expr::Lit(lit) = ungroup(expr)
            && let Lit::Str(text) = &lit.lit
        {
            return Some(text.clone());
        }
        let key = &self.key;
        errors.at(
            self.span(),
            format!("`{key}` takes a string: write `{key} = \"...\"`"),
        );
        None
    }

    /// `key`, `key = true` or `key = "true"`.
    pub(crate) fn bool(&self, errors: &mut Errors) -> Option<bool> {
        if let Value::Flag = self.value {
            return Some(true);
        }
        if let Value::Expr(expr) = &self.value
            && let Expr::Lit(lit) = ungroup(expr)
        {
            match &lit.lit {
                Lit::Bool(value) => return Some(value.value),
                Lit::Str(text) if text.value() == "true" => return Some(true),
                Lit::Str(text) if text.value() == "false" => return Some(false),
                _ => {}
            }
        }
        let key = &self.key;
        errors.at(
            self.span(),
            format!("`{key}` is a flag: write `{key}` or `{key} = false`"),
        );
        None
    }

    /// `key = 1` or `key = "1"`.
    pub(crate) fn i32(&self, errors: &mut Errors) -> Option<i32> {
        if let Value::Expr(expr) = &self.value {
            let digits = match ungroup(expr) {
                Expr::Lit(lit) => match &lit.lit {
                    Lit::Int(int) => Some(int.base10_digits().to_owned()),
                    Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                // A negative number is an operator and a literal.
                Expr::Unary(unary) => Some(unary.to_token_stream().to_string().replace(' ', "")),
                _ => None,
            };
            if let Some(value) = digits.and_then(|digits| digits.parse().ok()) {
                return Some(value);
            }
        }
        let key = &self.key;
        errors.at(
            self.span(),
            format!("`{key}` takes a 32-bit integer: write `{key} = 1`"),
        );
        None
    }

    /// `key = "some::Path"` or `key = some::Path`.
    pub(crate) fn path(&self, errors: &mut Errors) -> Option<Path> {
        if let Value::Expr(expr) = &self.value {
            match ungroup(expr) {
                Expr::Path(path) if path.attrs.is_empty() && path.qself.is_none() => {
                    return Some(path.path.clone());
                }
                Expr::Lit(lit) => {
                    if let Lit::Str(text) = &lit.lit {
                        return text.parse().map_err(|_| self.not_a_path(errors)).ok();
                    }
                }
                _ => {}
            }
        }
        self.not_a_path(errors);
        None
    }

    fn not_a_path(&self, errors: &mut Errors) {
        let key = &self.key;
        errors.at(
            self.span(),
            format!("`{key}` takes a path: write `{key} = \"module::Type\"`"),
        );
    }
}

/// The expression inside the invisible group that a `macro_rules!` variable leaves, or inside parentheses.
pub(crate) fn ungroup(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => ungroup(&group.expr),
        Expr::Paren(paren) => ungroup(&paren.expr),
        other => other,
    }
}

/// Stores `value` unless the key was given before.
pub(crate) fn once<T>(slot: &mut Option<T>, key: &Ident, value: Option<T>, errors: &mut Errors) {
    if slot.is_some() {
        errors.at(key.span(), format!("`{key}` is given twice; keep one"));
    } else {
        *slot = value;
    }
}
