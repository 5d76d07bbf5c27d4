//! `#[rbac(...)]`, as written: entries separated by semicolons.
//!
//! An entry is about types, `Foo, status(Bar): get, patch, names("a")`, or about names,
//! `groups("apps"), resources("things"), verbs("get")`.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Meta, Token, Type};

use super::crates::Crates;
use super::item::{Item, Value, list, once, strings};
use super::suggest;
use crate::errors::Errors;

/// All that an item says of its rights.
#[derive(Default)]
pub(crate) struct RbacAttrs {
    pub(crate) entries: Vec<Entry>,
    pub(crate) crates: Option<Crates>,
}

/// One entry.
pub(crate) struct Entry {
    /// Where it begins.
    pub(crate) span: Span,
    /// Before the colon; absent in an entry about names.
    pub(crate) targets: Option<Vec<Target>>,
    pub(crate) groups: Option<Vec<LitStr>>,
    pub(crate) resources: Option<Vec<LitStr>>,
    pub(crate) urls: Option<Vec<LitStr>>,
    pub(crate) verbs: Vec<(String, Span)>,
    /// Not looked up among those that servers know.
    pub(crate) custom_verbs: Vec<LitStr>,
    pub(crate) names: Option<Vec<LitStr>>,
    pub(crate) namespace: Option<LitStr>,
    pub(crate) cluster: Option<Span>,
    pub(crate) role: Option<LitStr>,
    /// Said aloud that `*` is meant.
    pub(crate) wildcard: Option<Span>,
}

/// A kind, or a part of its objects.
pub(crate) struct Target {
    pub(crate) kind: Type,
    pub(crate) part: Part,
    pub(crate) span: Span,
}

/// Which part.
pub(crate) enum Part {
    Object,
    Status,
    Scale,
    Finalizers,
    Other(LitStr),
}

const PARTS: &[&str] = &["status", "scale", "finalizers", "subresource"];
const KEYS: &[&str] = &[
    "groups",
    "resources",
    "urls",
    "verbs",
    "custom_verbs",
    "names",
    "namespace",
    "cluster",
    "role",
    "wildcard",
    "crates",
];

/// Reads what stands in the parentheses of all attributes of an item.
pub(crate) fn read(lists: Vec<TokenStream>, errors: &mut Errors) -> RbacAttrs {
    let mut attrs = RbacAttrs::default();
    for tokens in lists {
        let whole = tokens.span();
        let parts = split(tokens, ';');
        if parts.is_empty() {
            errors.at(
                whole,
                "nothing is asked for; write what the code does, as `#[rbac(Foo: get, patch)]`, or remove the attribute",
            );
        }
        for part in parts {
            entry(part, &mut attrs, errors);
        }
    }
    attrs
}

/// Takes all further `#[rbac(...)]` off an item.
pub(crate) fn take(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Vec<TokenStream> {
    let mut lists = Vec::new();
    attrs.retain(|attr| {
        let ours = attr
            .path()
            .segments
            .last()
            .is_some_and(|last| last.ident == "rbac");
        if ours {
            match &attr.meta {
                Meta::List(list) => lists.push(list.tokens.clone()),
                other => errors.at(
                    other.span(),
                    "write what the code does in the parentheses, as `#[rbac(Foo: get, patch)]`",
                ),
            }
        }
        !ours
    });
    lists
}

/// Splits at a separator; a last one may end the list.
fn split(tokens: TokenStream, at: char) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == at => parts.push(Vec::new()),
            _ => parts.last_mut().expect("never empty").push(token),
        }
    }
    if parts.last().is_some_and(Vec::is_empty) {
        parts.pop();
    }
    parts
}

/// The place of a colon that is no part of a path.
fn colon(tokens: &[TokenTree]) -> Option<usize> {
    let is_colon =
        |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    let mut index = 0;
    while index < tokens.len() {
        if is_colon(tokens.get(index)) {
            if !is_colon(tokens.get(index + 1)) {
                return Some(index);
            }
            index += 1;
        }
        index += 1;
    }
    None
}

fn entry(mut tokens: Vec<TokenTree>, attrs: &mut RbacAttrs, errors: &mut Errors) {
    let Some(span) = tokens.first().map(TokenTree::span) else {
        return;
    };
    let mut entry = Entry {
        span,
        targets: None,
        groups: None,
        resources: None,
        urls: None,
        verbs: Vec::new(),
        custom_verbs: Vec::new(),
        names: None,
        namespace: None,
        cluster: None,
        role: None,
        wildcard: None,
    };
    let Some(colon) = colon(&tokens) else {
        if is_target(&tokens) {
            let text = tokens.into_iter().collect::<TokenStream>().to_string();
            errors.at(
                span,
                format!("no verbs; write what is done to it after a colon: `{text}: get, patch`"),
            );
            return;
        }
        for word in list::<Word>(tokens.into_iter().collect(), errors) {
            take_word(&mut entry, word, attrs, errors);
        }
        if entry.groups.is_some()
            || entry.resources.is_some()
            || entry.urls.is_some()
            || entry.said_something()
        {
            attrs.entries.push(entry);
        }
        return;
    };
    let settings: TokenStream = tokens.split_off(colon).into_iter().skip(1).collect();
    let targets = list::<Target>(tokens.into_iter().collect(), errors);
    let broken = targets.is_empty();
    entry.targets = Some(targets);
    for word in list::<Word>(settings, errors) {
        take_word(&mut entry, word, attrs, errors);
    }
    if !broken {
        attrs.entries.push(entry);
    }
}

impl Entry {
    fn said_something(&self) -> bool {
        !self.verbs.is_empty() || !self.custom_verbs.is_empty() || self.names.is_some()
    }
}

/// Whether an entry without a colon begins like one about types.
fn is_target(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Ident(word), TokenTree::Group(group), ..] => {
            group.delimiter() == Delimiter::Parenthesis && PARTS.iter().any(|part| word == part)
        }
        [TokenTree::Ident(word), rest @ ..] => {
            let key = matches!(rest, [TokenTree::Punct(equals), ..] if equals.as_char() == '=');
            !key && !KEYS.iter().any(|key| word == key)
        }
        _ => false,
    }
}

impl Parse for Target {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        let word: Option<syn::Ident> = ahead.parse().ok();
        let part = word.filter(|word| ahead.peek(syn::token::Paren) && PARTS.iter().any(|part| word == part));
        let Some(word) = part else {
            let kind = input.call(Type::without_plus)?;
            return Ok(Self {
                span: kind.span(),
                kind,
                part: Part::Object,
            });
        };
        input.parse::<syn::Ident>()?;
        let content;
        syn::parenthesized!(content in input);
        let kind = content.call(Type::without_plus)?;
        let part = match word.to_string().as_str() {
            "status" => Part::Status,
            "scale" => Part::Scale,
            "finalizers" => Part::Finalizers,
            _ => {
                let missing = "a subresource has a name: write `subresource(Pod, \"log\")`";
                if content.is_empty() {
                    return Err(syn::Error::new(word.span(), missing));
                }
                content.parse::<Token![,]>()?;
                Part::Other(
                    content
                        .parse()
                        .map_err(|_| syn::Error::new(word.span(), missing))?,
                )
            }
        };
        if !content.is_empty() {
            return Err(
                content.error("one kind stands here; write another part as an entry or target of its own")
            );
        }
        Ok(Self {
            kind,
            part,
            span: word.span(),
        })
    }
}

impl Target {
    /// The target without its spaces, to compare it with others and to show it.
    pub(crate) fn text(&self) -> String {
        let kind = self.kind.to_token_stream().to_string().replace(' ', "");
        match &self.part {
            Part::Object => kind,
            Part::Status => format!("status({kind})"),
            Part::Scale => format!("scale({kind})"),
            Part::Finalizers => format!("finalizers({kind})"),
            Part::Other(name) => format!("subresource({kind}, {:?})", name.value()),
        }
    }
}

/// A verb or a setting.
enum Word {
    Star(Span),
    Item(Item),
}

impl Parse for Word {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![*]) {
            return Ok(Self::Star(input.parse::<Token![*]>()?.span));
        }
        input.parse().map(Self::Item)
    }
}

fn take_word(entry: &mut Entry, word: Word, attrs: &mut RbacAttrs, errors: &mut Errors) {
    let item = match word {
        Word::Star(span) if entry.targets.is_some() => return entry.verbs.push(("*".to_owned(), span)),
        Word::Star(span) => {
            return errors.at(
                span,
                "`*` stands for nothing here; write `verbs(\"*\")`, with `wildcard`",
            );
        }
        Word::Item(item) => item,
    };
    let key = &item.key;
    let word = key.to_string();
    match word.as_str() {
        "cluster" | "wildcard" => {
            let on = item.bool(errors).and_then(|on| on.then_some(key.span()));
            let slot = if word == "cluster" {
                &mut entry.cluster
            } else {
                &mut entry.wildcard
            };
            once(slot, key, on, errors);
        }
        "names" => {
            let names = list_of(&item, "\"a\", \"b\"", errors);
            once(&mut entry.names, key, names, errors);
        }
        "custom_verbs" => entry
            .custom_verbs
            .extend(list_of(&item, "\"teleport\"", errors).into_iter().flatten()),
        "namespace" => {
            let namespace = item.string(errors);
            once(&mut entry.namespace, key, namespace, errors);
        }
        "role" => {
            let role = item.string(errors);
            once(&mut entry.role, key, role, errors);
        }
        "crates" => {
            let crates = Crates::read(&item, errors);
            once(&mut attrs.crates, key, Some(crates), errors);
        }
        _ if entry.targets.is_some() => match item.value {
            Value::Flag => entry.verbs.push((word, key.span())),
            _ => errors.at(key.span(), unknown(&word, true)),
        },
        "groups" => {
            let groups = list_of(&item, "\"apps\"", errors);
            once(&mut entry.groups, key, groups, errors);
        }
        "resources" => {
            let resources = list_of(&item, "\"deployments\"", errors);
            once(&mut entry.resources, key, resources, errors);
        }
        "urls" => {
            let urls = list_of(&item, "\"/metrics\"", errors);
            once(&mut entry.urls, key, urls, errors);
        }
        "verbs" => {
            let verbs = list_of(&item, "\"get\", \"list\"", errors).into_iter().flatten();
            entry.verbs.extend(verbs.map(|verb| (verb.value(), verb.span())));
        }
        _ => errors.at(key.span(), unknown(&word, false)),
    }
}

fn unknown(key: &str, typed: bool) -> String {
    let advice = match key {
        "resourceNames" | "resource_names" | "resource_name" | "name" => {
            "write `names(\"...\")` for the objects of these names"
        }
        "roleName" | "role_name" => "write `role = \"...\"`",
        "nonResourceURLs" | "non_resource_urls" | "url" => "write `urls(\"/...\")`",
        "verb" if !typed => "write `verbs(\"get\", \"list\")`",
        "verbs" | "verb" => "the verbs stand after the colon as they are: `Foo: get, list`",
        "group" if !typed => "write `groups(\"...\")`; the core group is `\"\"`",
        "resource" if !typed => "write `resources(\"...\")`",
        "groups" | "resources" | "group" | "resource" => "group and plural come from the type; leave it out",
        "urls" => {
            "a path has no type: write `urls(\"/...\"), verbs(\"get\")` as an entry of its own, after a `;`"
        }
        _ => return suggest::unknown("rbac", key, KEYS),
    };
    format!("unknown key `{key}` in `rbac(...)`; {advice}")
}

/// `key("a", "b")`.
fn list_of(item: &Item, example: &str, errors: &mut Errors) -> Option<Vec<LitStr>> {
    if let Value::List(tokens, _) = &item.value {
        return Some(strings(tokens.clone(), errors));
    }
    let key = &item.key;
    errors.at(
        item.span(),
        format!("`{key}` takes a list: write `{key}({example})`"),
    );
    None
}
