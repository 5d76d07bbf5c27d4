//! What `#[serde(...)]` and `#[schemars(...)]` say of a type's form in JSON, as written.
//!
//! schemars' own word stands before serde's, as in its derive.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Lit, LitStr, Meta, Path, Type};

use super::serde::metas_of;

/// Attributes of a type.
#[derive(Default)]
pub(crate) struct Container {
    pub(crate) rename: Option<Name>,
    pub(crate) rename_all: Option<Name>,
    pub(crate) rename_all_fields: Option<Name>,
    pub(crate) tag: Option<LitStr>,
    pub(crate) content: Option<LitStr>,
    pub(crate) untagged: Option<Span>,
    pub(crate) transparent: bool,
    pub(crate) default: Option<Default>,
    pub(crate) deny_unknown_fields: Option<Span>,
    /// `from`, `try_from`, `into`, and where.
    pub(crate) converted: Option<(String, Span)>,
    /// `remote`: the type that is described.
    pub(crate) remote: Option<LitStr>,
    pub(crate) extras: Extras,
}

/// Attributes of a field or a variant.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) rename: Option<Name>,
    pub(crate) rename_all: Option<Name>,
    pub(crate) default: Option<Default>,
    pub(crate) skip: bool,
    pub(crate) skip_serializing: Option<Span>,
    pub(crate) skip_deserializing: Option<Span>,
    pub(crate) skip_serializing_if: Option<Span>,
    pub(crate) flatten: Option<Span>,
    pub(crate) alias: Option<Span>,
    pub(crate) other: Option<Span>,
    pub(crate) untagged: Option<Span>,
    /// `with` and its like, and where.
    pub(crate) converted: Option<(String, Span)>,
    /// The text of that function's path.
    pub(crate) converter: Option<LitStr>,
    pub(crate) extras: Extras,
}

/// What only schemars knows.
#[derive(Default)]
pub(crate) struct Extras {
    /// `with = "Type"`.
    pub(crate) with: Option<Type>,
    /// `schema_with = "function"`.
    pub(crate) schema_with: Option<Path>,
    /// `range(min = 1)`: our key, and the value.
    pub(crate) limits: Vec<(&'static str, Expr)>,
    /// The same for items, from `inner(...)`.
    pub(crate) inner: Vec<(&'static str, Expr)>,
    pub(crate) required: bool,
    /// `extend("key" = value)`.
    pub(crate) extend: Vec<(LitStr, TokenStream)>,
    /// `transform = function`.
    pub(crate) transform: Option<Expr>,
    pub(crate) unreadable: Vec<(String, Span)>,
}

/// A name for both ways, or one for each.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) read: Option<String>,
    pub(crate) written: Option<String>,
    pub(crate) span: Span,
}

/// `default` or `default = "function"`.
#[derive(Clone)]
pub(crate) enum Default {
    Trait,
    Function(Path),
}

/// Reads the attributes of a type.
pub(crate) fn container(attrs: &[Attribute]) -> Container {
    container_of(attrs, &BOTH)
}

/// The same by serde's word alone: what is written, whatever the schema says.
pub(crate) fn written_container(attrs: &[Attribute]) -> Container {
    container_of(attrs, &BOTH[1..])
}

fn container_of(attrs: &[Attribute], tools: &[&'static str]) -> Container {
    let mut found = Container::default();
    for (tool, meta) in metas(attrs, tools) {
        let Some(key) = meta.path().get_ident().map(ToString::to_string) else {
            continue;
        };
        match key.as_str() {
            "rename" => set(&mut found.rename, name(&meta)),
            "rename_all" => set(&mut found.rename_all, name(&meta)),
            "rename_all_fields" => set(&mut found.rename_all_fields, name(&meta)),
            "tag" => set(&mut found.tag, text(&meta)),
            "content" => set(&mut found.content, text(&meta)),
            "untagged" => set(&mut found.untagged, Some(meta.span())),
            "transparent" => found.transparent = true,
            "default" => set(&mut found.default, default(&meta)),
            "deny_unknown_fields" => set(&mut found.deny_unknown_fields, Some(meta.span())),
            "from" | "try_from" | "into" => set(&mut found.converted, Some((key, meta.span()))),
            "remote" => set(&mut found.remote, text(&meta)),
            _ if tool == "schemars" => found.extras.take(&key, &meta),
            _ => {}
        }
    }
    found
}

/// Reads the attributes of a field or a variant.
pub(crate) fn part(attrs: &[Attribute]) -> Part {
    part_of(attrs, &BOTH)
}

/// The same by serde's word alone.
pub(crate) fn written_part(attrs: &[Attribute]) -> Part {
    part_of(attrs, &BOTH[1..])
}

fn part_of(attrs: &[Attribute], tools: &[&'static str]) -> Part {
    let mut found = Part::default();
    for (tool, meta) in metas(attrs, tools) {
        let Some(key) = meta.path().get_ident().map(ToString::to_string) else {
            continue;
        };
        match key.as_str() {
            "rename" => set(&mut found.rename, name(&meta)),
            "rename_all" => set(&mut found.rename_all, name(&meta)),
            "default" => set(&mut found.default, default(&meta)),
            "skip" => found.skip = true,
            "skip_serializing" => set(&mut found.skip_serializing, Some(meta.span())),
            "skip_deserializing" => set(&mut found.skip_deserializing, Some(meta.span())),
            "skip_serializing_if" => set(&mut found.skip_serializing_if, Some(meta.span())),
            "flatten" => set(&mut found.flatten, Some(meta.span())),
            "alias" => set(&mut found.alias, Some(meta.span())),
            "other" => set(&mut found.other, Some(meta.span())),
            "untagged" => set(&mut found.untagged, Some(meta.span())),
            "with" | "serialize_with" | "deserialize_with" if tool == "serde" => {
                set(&mut found.converter, text(&meta));
                set(&mut found.converted, Some((key, meta.span())));
            }
            _ if tool == "schemars" => found.extras.take(&key, &meta),
            _ => {}
        }
    }
    found
}

/// The order in which they are asked.
const BOTH: [&str; 2] = ["schemars", "serde"];

fn metas(attrs: &[Attribute], tools: &[&'static str]) -> Vec<(&'static str, Meta)> {
    tools
        .iter()
        .flat_map(|tool| metas_of(attrs, tool).into_iter().map(move |meta| (*tool, meta)))
        .collect()
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

impl Extras {
    fn take(&mut self, key: &str, meta: &Meta) {
        match key {
            "with" => set(&mut self.with, text(meta).and_then(|text| text.parse().ok())),
            "schema_with" => set(&mut self.schema_with, path(meta)),
            "range" => limits(meta, &RANGE, &mut self.limits),
            "length" => limits(meta, &LENGTH, &mut self.limits),
            "regex" | "pattern" => limits(meta, &REGEX, &mut self.limits),
            "email" | "url" | "ip" | "ipv4" | "ipv6" => {
                let format = if key == "url" { "uri" } else { key };
                let format = LitStr::new(format, meta.span());
                self.limits.push(("format", syn::parse_quote!(#format)));
            }
            "inner" => {
                for meta in nested(meta) {
                    let Some(key) = meta.path().get_ident().map(ToString::to_string) else {
                        continue;
                    };
                    match key.as_str() {
                        "range" => limits(&meta, &RANGE, &mut self.inner),
                        "length" => limits(&meta, &LENGTH, &mut self.inner),
                        "regex" | "pattern" => limits(&meta, &REGEX, &mut self.inner),
                        _ => self.unreadable.push((format!("inner({key})"), meta.span())),
                    }
                }
            }
            "required" => self.required = true,
            "title" | "description" | "example" => {
                if let Meta::NameValue(pair) = meta {
                    let key = match key {
                        "title" => "title",
                        "description" => "description",
                        _ => "example",
                    };
                    self.limits.push((key, pair.value.clone()));
                }
            }
            "extend" => self.extend.extend(extend(meta)),
            "transform" => {
                if let Meta::NameValue(pair) = meta {
                    set(&mut self.transform, Some(pair.value.clone()));
                }
            }
            // These say where things are, or how the schema is referred to.
            "crate" | "bound" | "inline" | "deprecated" | "rename_all_fields" => {}
            _ => self.unreadable.push((key.to_owned(), meta.span())),
        }
    }
}

type Keys = [(&'static str, &'static [&'static str])];
const RANGE: [(&str, &[&str]); 3] = [
    ("min", &["minimum"]),
    ("max", &["maximum"]),
    ("equal", &["minimum", "maximum"]),
];
const LENGTH: [(&str, &[&str]); 3] = [
    ("min", &["min_length"]),
    ("max", &["max_length"]),
    ("equal", &["min_length", "max_length"]),
];
const REGEX: [(&str, &[&str]); 2] = [("pattern", &["pattern"]), ("path", &["pattern"])];

/// `range(min = 1, max = 2)`, `regex(pattern = "...")`, `pattern("...")`.
fn limits(meta: &Meta, keys: &Keys, found: &mut Vec<(&'static str, Expr)>) {
    if let Meta::List(list) = meta
        && let Ok(alone) = list.parse_args::<LitStr>()
    {
        found.push(("pattern", syn::parse_quote!(#alone)));
        return;
    }
    for meta in nested(meta) {
        if let Meta::NameValue(pair) = &meta
            && let Some((_, ours)) = keys.iter().find(|(key, _)| meta.path().is_ident(key))
        {
            // Paths in quotes are the older form.
            let value = match text(&meta).filter(|_| meta.path().is_ident("path")) {
                Some(text) => match text.parse() {
                    Ok(path) => path,
                    Err(_) => pair.value.clone(),
                },
                None => pair.value.clone(),
            };
            found.extend(ours.iter().map(|key| (*key, value.clone())));
        }
    }
}

fn nested(meta: &Meta) -> Vec<Meta> {
    use syn::punctuated::Punctuated;
    let Meta::List(list) = meta else { return Vec::new() };
    let metas = list.parse_args_with(Punctuated::<Meta, syn::Token![,]>::parse_terminated);
    metas.map(|metas| metas.into_iter().collect()).unwrap_or_default()
}

/// `extend("x-a" = 1, "x-b" = {"c": 2})`.
fn extend(meta: &Meta) -> Vec<(LitStr, TokenStream)> {
    use proc_macro2::TokenTree;
    let Meta::List(list) = meta else { return Vec::new() };
    let mut found = Vec::new();
    let mut tokens = list.tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        let TokenTree::Literal(key) = token else { continue };
        let Lit::Str(key) = Lit::new(key) else { continue };
        tokens.next();
        let mut value = TokenStream::new();
        for token in tokens.by_ref() {
            if matches!(&token, TokenTree::Punct(comma) if comma.as_char() == ',') {
                break;
            }
            value.extend([token]);
        }
        found.push((key, value));
    }
    found
}

fn text(meta: &Meta) -> Option<LitStr> {
    let Meta::NameValue(pair) = meta else { return None };
    let Expr::Lit(lit) = &pair.value else { return None };
    match &lit.lit {
        Lit::Str(text) => Some(text.clone()),
        _ => None,
    }
}

fn path(meta: &Meta) -> Option<Path> {
    match meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Path(path) => Some(path.path.clone()),
            _ => text(meta)?.parse().ok(),
        },
        _ => None,
    }
}

fn default(meta: &Meta) -> Option<Default> {
    match meta {
        Meta::Path(_) => Some(Default::Trait),
        _ => path(meta).map(Default::Function),
    }
}

fn name(meta: &Meta) -> Option<Name> {
    if let Some(text) = text(meta) {
        return Some(Name {
            read: Some(text.value()),
            written: Some(text.value()),
            span: text.span(),
        });
    }
    let mut found = Name {
        read: None,
        written: None,
        span: meta.span(),
    };
    for part in nested(meta) {
        let value = text(&part).map(|text| text.value());
        if part.path().is_ident("serialize") {
            found.written = value;
        } else if part.path().is_ident("deserialize") {
            found.read = value;
        }
    }
    Some(found)
}
