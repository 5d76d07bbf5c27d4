//! `#[convert(...)]` on types, fields and variants, as written.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, DeriveInput, Expr, Ident, LitStr, Path, Token};

use super::crates::Crates;
use super::item::{Item, Value, items_of, list, once, split, strings};
use super::{form, suggest};
use crate::errors::Errors;

/// Attributes of a type.
#[derive(Default)]
pub(crate) struct ConvertAttrs {
    /// The older type.
    pub(crate) from: Option<Path>,
    /// Where `from` stands, whether or not its value could be read.
    pub(crate) from_at: Option<Span>,
    pub(crate) manual: Option<Span>,
    pub(crate) old_only: Vec<OldOnly>,
    pub(crate) groups: Vec<Group>,
    pub(crate) moves: Vec<Move>,
    pub(crate) crates: Option<Crates>,
    /// There is no `#[convert(...)]` on the type.
    pub(crate) bare: bool,
}

/// A field or variant that the older type alone has.
pub(crate) struct OldOnly {
    pub(crate) name: Ident,
    pub(crate) instead: Instead,
}

/// What stands for it.
pub(crate) enum Instead {
    /// `name`.
    Nothing,
    /// `name = expr`: what old clients see when nothing was saved.
    Value(Expr),
    /// `name(moved)`.
    Moved,
    /// `Name(up = New)`: the variant that it becomes.
    Up(Ident),
}

/// `group(old(...), new(...), ...)`.
pub(crate) struct Group {
    pub(crate) span: Span,
    pub(crate) old: Vec<Ident>,
    pub(crate) new: Vec<Ident>,
    pub(crate) functions: Functions,
}

/// `up`, `try_up`, `down`, `try_down`, `exact`, `or`.
pub(crate) struct Functions {
    pub(crate) span: Span,
    pub(crate) up: Option<Way>,
    pub(crate) down: Option<Way>,
    pub(crate) exact: bool,
    pub(crate) or: Option<Expr>,
}

/// A function of the user's.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) path: Path,
    /// It returns a `Result`.
    pub(crate) tries: bool,
}

/// `"a.b" => "c.d"`.
pub(crate) struct Move {
    pub(crate) from: LitStr,
    pub(crate) to: LitStr,
}

impl Parse for Move {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let from = input.parse()?;
        input.parse::<Token![=>]>()?;
        Ok(Self {
            from,
            to: input.parse()?,
        })
    }
}

/// What a field or variant says of itself, in the order in which it does.
pub(crate) struct Action {
    /// The key.
    pub(crate) key: Ident,
    pub(crate) what: What,
}

/// One action.
pub(crate) enum What {
    Rename(LitStr),
    /// `added`.
    Added,
    /// `added(value = expr)`.
    AddedValue(Expr),
    /// `added(with = path)`.
    AddedWith(Path),
    /// `added(down = Variant)`.
    AddedDown(Ident),
    /// `added(down_with = path)`.
    AddedDownWith(Path),
    /// `added(refuse)`.
    AddedRefuse,
    /// `nested`, and the keys of a list.
    Nested(Vec<LitStr>),
    With(Box<Functions>),
    Moved,
}

/// Where an attribute stands.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    Field,
    Variant,
}

const TYPE_KEYS: &[&str] = &["from", "manual", "old_only", "group", "moved", "crates"];
const FIELD_KEYS: &[&str] = &["rename", "added", "nested", "with", "moved"];
const VARIANT_KEYS: &[&str] = &["rename", "added"];

/// Reads the attributes of a type.
pub(crate) fn read(input: &DeriveInput, errors: &mut Errors) -> ConvertAttrs {
    let mut attrs = ConvertAttrs {
        bare: is_bare(&input.attrs),
        ..ConvertAttrs::default()
    };
    for item in items_of(&input.attrs, "convert", errors) {
        attrs.take(&item, errors);
    }
    attrs
}

impl ConvertAttrs {
    fn take(&mut self, item: &Item, errors: &mut Errors) {
        let key = &item.key;
        match key.to_string().as_str() {
            "from" => {
                self.from_at = self.from_at.or(Some(key.span()));
                let path = item.path(errors);
                once(&mut self.from, key, path, errors);
            }
            "manual" => {
                let manual = item.bool(errors).filter(|on| *on).map(|_| key.span());
                once(&mut self.manual, key, manual, errors);
            }
            "old_only" => {
                if let Some(entries) = entries(item, "old_only(field)", errors) {
                    self.old_only
                        .extend(entries.iter().filter_map(|entry| old_only(entry, errors)));
                }
            }
            "group" => {
                const HOW: &str = "group(old(a), new(b, c), up = f, down = g)";
                if let Some(entries) = entries(item, HOW, errors) {
                    self.groups.extend(group(item, entries, errors));
                }
            }
            "moved" => match &item.value {
                Value::List(tokens, _) => self.moves.extend(list::<Move>(tokens.clone(), errors)),
                _ => errors.at(item.span(), "write `moved(\"a.b\" => \"c.d\")`, with Rust fields"),
            },
            "crates" => {
                let crates = Crates::read(item, errors);
                once(&mut self.crates, key, Some(crates), errors);
            }
            other => errors.at(key.span(), unknown(other, TYPE_KEYS, "a type")),
        }
    }
}

/// An unknown key, and where a known one belongs.
fn unknown(key: &str, known: &[&str], place: &str) -> String {
    if key == "arbitrary" {
        return "where values come from is said in the test: `conversion_tests!(v1::Foo; samples = \
                Samples::new().at(\"v1\", \"spec.field\", [\"a\", \"b\"]))`"
            .to_owned();
    }
    let elsewhere = [(TYPE_KEYS, "a type"), (FIELD_KEYS, "a field")];
    match elsewhere.iter().find(|(keys, _)| keys.contains(&key)) {
        Some((_, wanted)) => format!("`{key}` stands on {wanted}, not on {place}"),
        None => suggest::unknown("convert", key, known),
    }
}

/// The entries of `key(...)`.
fn entries(item: &Item, how: &str, errors: &mut Errors) -> Option<Vec<Item>> {
    match &item.value {
        Value::List(tokens, span) => {
            let entries = split(tokens.clone(), errors);
            if tokens.is_empty() {
                errors.at(*span, format!("`{}` is empty; write `{how}`", item.key));
            }
            Some(entries)
        }
        _ => {
            errors.at(item.span(), format!("write `{how}`"));
            None
        }
    }
}

fn old_only(entry: &Item, errors: &mut Errors) -> Option<OldOnly> {
    let name = entry.key.clone();
    let instead = match &entry.value {
        Value::Flag => Instead::Nothing,
        Value::Expr(_) | Value::Json(_) => Instead::Value(expr(entry, errors)?),
        Value::List(tokens, span) => match split(tokens.clone(), errors).as_slice() {
            [only] if only.key == "moved" && matches!(only.value, Value::Flag) => Instead::Moved,
            [only] if only.key == "up" => Instead::Up(ident(only, errors)?),
            _ => {
                errors.at(
                    *span,
                    format!("write `{name}`, `{name} = value`, `{name}(moved)` or, for a variant, `{name}(up = New)`"),
                );
                return None;
            }
        },
    };
    Some(OldOnly { name, instead })
}

fn group(item: &Item, entries: Vec<Item>, errors: &mut Errors) -> Option<Group> {
    let (mut old, mut new) = (None, None);
    let mut rest = Vec::new();
    for entry in entries {
        let slot = match entry.key.to_string().as_str() {
            "old" => &mut old,
            "new" => &mut new,
            _ => {
                rest.push(entry);
                continue;
            }
        };
        let names = idents(&entry, errors);
        once(slot, &entry.key, Some(names), errors);
    }
    let functions = functions(item, rest, &["old", "new"], errors);
    let (Some(old), Some(new)) = (old, new) else {
        errors.at(
            item.key.span(),
            "a group has members on both sides: write `group(old(a), new(b, c), up = f, down = g)`",
        );
        return None;
    };
    Some(Group {
        span: item.key.span(),
        old,
        new,
        functions,
    })
}

/// `old(a, b)`.
fn idents(item: &Item, errors: &mut Errors) -> Vec<Ident> {
    let key = &item.key;
    match &item.value {
        Value::List(tokens, span) => {
            let names = list::<Ident>(tokens.clone(), errors);
            if tokens.is_empty() {
                errors.at(*span, format!("`{key}` is empty; name its fields"));
            }
            names
        }
        _ => {
            errors.at(item.span(), format!("write `{key}(a, b)`, with Rust fields"));
            Vec::new()
        }
    }
}

const FUNCTION_KEYS: &[&str] = &["up", "try_up", "down", "try_down", "exact", "or"];

fn functions(of: &Item, entries: Vec<Item>, more: &[&str], errors: &mut Errors) -> Functions {
    let mut functions = Functions {
        span: of.key.span(),
        up: None,
        down: None,
        exact: false,
        or: None,
    };
    let mut exact = None;
    for entry in entries {
        let key = entry.key.to_string();
        match key.as_str() {
            "up" | "try_up" | "down" | "try_down" => {
                let tries = key.starts_with("try_");
                let way = entry.path(errors).map(|path| Way { path, tries });
                let slot = if key.ends_with("up") {
                    &mut functions.up
                } else {
                    &mut functions.down
                };
                once(slot, &entry.key, way, errors);
            }
            "exact" => {
                let value = entry.bool(errors);
                once(&mut exact, &entry.key, value, errors);
            }
            "or" => {
                let value = expr(&entry, errors);
                once(&mut functions.or, &entry.key, value, errors);
            }
            _ => {
                let known: Vec<&str> = more.iter().chain(FUNCTION_KEYS).copied().collect();
                errors.at(
                    entry.key.span(),
                    suggest::unknown(&of.key.to_string(), &key, &known),
                );
            }
        }
    }
    functions.exact = exact == Some(true);
    functions
}

/// Reads the attributes of a field or a variant.
pub(crate) fn of_part(attrs: &[Attribute], place: Place, errors: &mut Errors) -> Vec<Action> {
    let mut actions: Vec<Action> = Vec::new();
    for item in items_of(attrs, "convert", errors) {
        let key = item.key.clone();
        if actions.iter().any(|action| action.key == key) {
            errors.at(key.span(), format!("`{key}` is given twice; keep one"));
        } else if let Some(what) = action(&item, place, errors) {
            actions.push(Action { key, what });
        }
    }
    actions
}

fn action(item: &Item, place: Place, errors: &mut Errors) -> Option<What> {
    let key = item.key.to_string();
    let (keys, name) = match place {
        Place::Field => (FIELD_KEYS, "a field"),
        Place::Variant => (VARIANT_KEYS, "a variant"),
    };
    if !keys.contains(&key.as_str()) {
        errors.at(item.key.span(), unknown(&key, keys, name));
        return None;
    }
    match key.as_str() {
        "rename" => item.string(errors).map(What::Rename),
        "added" => added(item, place, errors),
        "nested" => nested(item, errors),
        "moved" => item.bool(errors).filter(|on| *on).map(|_| What::Moved),
        _ => {
            let entries = entries(item, "with(up = f, down = g)", errors)?;
            Some(What::With(Box::new(functions(item, entries, &[], errors))))
        }
    }
}

fn added(item: &Item, place: Place, errors: &mut Errors) -> Option<What> {
    let (how, known): (_, &[&str]) = match place {
        Place::Field => ("added(value = ...)", &["value", "with"]),
        Place::Variant => ("added(down = Old)", &["down", "down_with", "refuse"]),
    };
    if let Value::Flag = item.value {
        return Some(What::Added);
    }
    let entries = entries(item, how, errors)?;
    let [entry] = entries.as_slice() else {
        if entries.len() > 1 {
            errors.at(
                entries[1].key.span(),
                format!("one of {} is enough", suggest::list(known)),
            );
        }
        return None;
    };
    let key = entry.key.to_string();
    if !known.contains(&key.as_str()) {
        errors.at(entry.key.span(), suggest::unknown("added", &key, known));
        return None;
    }
    match key.as_str() {
        "value" => expr(entry, errors).map(What::AddedValue),
        "with" => entry.path(errors).map(What::AddedWith),
        "down" => ident(entry, errors).map(What::AddedDown),
        "down_with" => entry.path(errors).map(What::AddedDownWith),
        _ => entry.bool(errors).filter(|on| *on).map(|_| What::AddedRefuse),
    }
}

/// `nested`, `nested(key = "a")` or `nested(key = "a", "b")`.
fn nested(item: &Item, errors: &mut Errors) -> Option<What> {
    let tokens = match &item.value {
        Value::Flag => return Some(What::Nested(Vec::new())),
        Value::List(tokens, _) => tokens.clone(),
        _ => {
            errors.at(item.span(), "write `nested` or `nested(key = \"name\")`");
            return None;
        }
    };
    let empty = tokens.is_empty();
    let keys: Vec<LitStr> = list::<KeyField>(tokens, errors)
        .into_iter()
        .map(|key| key.0)
        .collect();
    if empty {
        errors.at(
            item.span(),
            "write `nested(key = \"name\")`: the fields that tell items apart",
        );
    }
    Some(What::Nested(keys))
}

/// One key: with `key =` in front, as the first must have it, or without, as further ones.
struct KeyField(LitStr);

impl Parse for KeyField {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(LitStr) {
            let key: Ident = input.parse()?;
            if key != "key" {
                return Err(syn::Error::new(
                    key.span(),
                    format!("unknown key `{key}` in `nested(...)`; write `nested(key = \"name\")`"),
                ));
            }
            input.parse::<Token![=]>()?;
        }
        input.parse().map(Self)
    }
}

/// Any expression, also one that begins with a brace or bracket.
fn expr(item: &Item, errors: &mut Errors) -> Option<Expr> {
    match &item.value {
        Value::Expr(expr) => Some(expr.clone()),
        Value::Json(group) => match syn::parse2(group.to_token_stream()) {
            Ok(expr) => Some(expr),
            Err(error) => {
                errors.push(error);
                None
            }
        },
        Value::Flag | Value::List(..) => {
            let key = &item.key;
            errors.at(
                item.span(),
                format!("`{key}` takes an expression: write `{key} = ...`"),
            );
            None
        }
    }
}

/// `key = Name`.
fn ident(item: &Item, errors: &mut Errors) -> Option<Ident> {
    let path = item.path(errors)?;
    match path.get_ident() {
        Some(name) => Some(name.clone()),
        None => {
            let key = &item.key;
            errors.at(
                item.span(),
                format!("`{key}` takes a name alone: write `{key} = Name`"),
            );
            None
        }
    }
}

/// What `#[kube(...)]` and `#[schemars(...)]` say of a list's keys, which tell its items apart here too. Others judge them.
pub(crate) fn list_map_keys(attrs: &[Attribute]) -> Vec<LitStr> {
    let mut unjudged = Errors::default();
    let mut keys = Vec::new();
    for name in ["kube", "x_kube"] {
        for item in items_of(attrs, name, &mut unjudged) {
            if item.key == "list_map_keys" {
                match &item.value {
                    Value::List(tokens, _) => keys.extend(strings(tokens.clone(), &mut unjudged)),
                    _ => keys.extend(item.string(&mut unjudged)),
                }
            }
        }
    }
    unjudged.finish();
    let extended = form::part(attrs).extras.extend.into_iter();
    let extended = extended.filter(|(key, _)| key.value() == "x-kubernetes-list-map-keys");
    keys.extend(extended.flat_map(|(_, value)| bracketed(value)));
    keys
}

/// The strings of `["a", "b"]`.
fn bracketed(tokens: TokenStream) -> Vec<LitStr> {
    let mut unjudged = Errors::default();
    let found = match syn::parse2::<proc_macro2::Group>(tokens) {
        Ok(group) => strings(group.stream(), &mut unjudged),
        Err(_) => Vec::new(),
    };
    unjudged.finish();
    found
}

/// Whether a type has no `#[convert(...)]`. Two derives have to know which of them describes a spec's written form, and
/// neither sees the other: on a bare spec `CustomResource` does, on any other this one.
pub(crate) fn is_bare(attrs: &[Attribute]) -> bool {
    !attrs.iter().any(|attr| attr.path().is_ident("convert"))
}

/// Whether the type is the spec of a kind.
pub(crate) fn is_kind(attrs: &[Attribute]) -> bool {
    let mut unjudged = Errors::default();
    let items = items_of(attrs, "kube", &mut unjudged);
    unjudged.finish();
    let keys = ["group", "version", "kind"];
    items.iter().any(|item| keys.iter().any(|key| item.key == key))
}

/// The paths that `#[kube(crates(...))]` gives; `CustomResource` or `KubeSchema` judge them.
pub(crate) fn kube_crates(attrs: &[Attribute]) -> Option<Crates> {
    let mut unjudged = Errors::default();
    let items = ["kube", "x_kube"].map(|name| items_of(attrs, name, &mut unjudged));
    let mut items = items.into_iter().flatten();
    let crates = items
        .find(|item| item.key == "crates")
        .map(|item| Crates::read(&item, &mut unjudged));
    unjudged.finish();
    crates
}
