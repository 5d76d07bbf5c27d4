//! What `#[serde(...)]` and `#[schemars(...)]` say of a type's form in JSON, as written.
//!
//! **Invariant:** the form is serde's, which writes it. schemars' derive takes serde's keys in its own attribute too, and
//! goes by them; here such a key has to be serde's as well.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Lit, LitStr, Meta, Path, Type};

use super::serde::metas;

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
    /// `rename = "Name"` on a type: what its schema is called.
    pub(crate) rename: Option<LitStr>,
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
    /// What is not followed: why, and where.
    pub(crate) refused: Vec<(String, Span)>,
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
    let mut found = Container {
        extras: Extras::read(attrs, Owner::Type),
        ..Container::default()
    };
    for meta in metas(attrs) {
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
            _ => {}
        }
    }
    found
}

/// Reads the attributes of a field or a variant.
pub(crate) fn part(attrs: &[Attribute]) -> Part {
    let mut found = Part {
        extras: Extras::read(attrs, Owner::Part),
        ..Part::default()
    };
    for meta in metas(attrs) {
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
            "with" | "serialize_with" | "deserialize_with" => {
                set(&mut found.converter, text(&meta));
                set(&mut found.converted, Some((key, meta.span())));
            }
            _ => {}
        }
    }
    found
}

/// serde's keys that schemars reads too, and what serde does where they stand in schemars' attribute alone.
const SHARED: [(&str, &str); 19] = [
    ("rename", "keeps the name"),
    ("rename_all", "keeps the names"),
    ("rename_all_fields", "keeps the names"),
    ("tag", "tells the variants apart in another way"),
    ("content", "tells the variants apart in another way"),
    ("untagged", "tells the variants apart by their names"),
    ("transparent", "writes the type as it is"),
    ("default", "does not read an object without the field"),
    ("deny_unknown_fields", "reads over unknown fields"),
    ("from", "reads the type itself"),
    ("try_from", "reads the type itself"),
    ("into", "writes the type itself"),
    ("remote", "goes by the type itself"),
    ("skip", "reads and writes it all the same"),
    ("skip_serializing", "writes it all the same"),
    ("skip_deserializing", "reads it all the same"),
    ("skip_serializing_if", "writes it always"),
    ("flatten", "writes it as a value of its own"),
    ("alias", "reads it by its name alone"),
];

/// What attributes stand on.
#[derive(Clone, Copy, PartialEq)]
enum Owner {
    Type,
    /// A field or a variant.
    Part,
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

impl Extras {
    /// Reads schemars' attribute, beside which serde's stands.
    fn read(attrs: &[Attribute], owner: Owner) -> Self {
        let mut found = Self::default();
        let serde = metas(attrs);
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("schemars")) {
            let list = attr.meta.require_list().and_then(|list| {
                let parser = Punctuated::<Meta, syn::Token![,]>::parse_terminated;
                parser.parse2(list.tokens.clone())
            });
            match list {
                Ok(list) => {
                    for meta in list {
                        found.take_one(&meta, &serde, owner);
                    }
                }
                Err(error) => found.refused.push((error.to_string(), error.span())),
            }
        }
        found
    }

    fn take_one(&mut self, meta: &Meta, serde: &[Meta], owner: Owner) {
        let key = meta.path().to_token_stream().to_string();
        let Some((_, without)) = SHARED.iter().find(|(shared, _)| *shared == key) else {
            self.take(&key, meta);
            return;
        };
        // The name of the schema is schemars' own matter.
        if owner == Owner::Type && key == "rename" {
            set(&mut self.rename, text(meta));
            return;
        }
        let text = |meta: &Meta| meta.to_token_stream().to_string();
        let has = |key: &str| serde.iter().find(|meta| meta.path().is_ident(key));
        let halves = ["skip_serializing", "skip_deserializing"];
        let message = match has(&key) {
            Some(other) if text(other) == text(meta) => return,
            None if key == "skip" && halves.iter().all(|key| has(key).is_some()) => return,
            None if halves.contains(&key.as_str()) && has("skip").is_some() => return,
            Some(other) => format!(
                "the schema says what serde writes, and serde goes by `{}`; remove this",
                text(other)
            ),
            None => format!(
                "serde does not read this, and {without}; write `#[serde({})]`",
                text(meta)
            ),
        };
        self.refused.push((message, meta.span()));
    }

    /// Whether nothing is said at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.with.is_none()
            && self.schema_with.is_none()
            && self.limits.is_empty()
            && self.inner.is_empty()
            && !self.required
            && self.extend.is_empty()
            && self.transform.is_none()
    }

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
                        _ => self.refuse(&format!("inner({key})"), meta.span()),
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
            "crate" | "bound" | "inline" | "deprecated" => {}
            _ => self.refuse(key, meta.span()),
        }
    }

    fn refuse(&mut self, key: &str, span: Span) {
        self.refused.push((
            format!("`schemars({key})` is not known here; write it in #[kube(...)]"),
            span,
        ));
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
