//! What an item says of its rights, judged.
//!
//! **Invariant:** what would grant nothing, or everything without saying so, is an error at its token.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::{Ident, ImplItem, Item, LitStr, Type, Visibility};

use super::check::is_subdomain;
use crate::attrs::crates::Crates;
use crate::attrs::rbac::{Entry, Part, RbacAttrs, Target};
use crate::attrs::suggest;
use crate::errors::Errors;

/// Rules, and what carries them.
pub(crate) struct Rbac {
    pub(crate) rules: Vec<Rule>,
    pub(crate) crates: Crates,
}

/// One rule.
pub(crate) struct Rule {
    pub(crate) subject: Subject,
    pub(crate) verbs: Vec<String>,
    pub(crate) names: Vec<LitStr>,
    pub(crate) place: Place,
    pub(crate) role: Option<LitStr>,
}

/// What it is about.
pub(crate) enum Subject {
    /// The constructor of `RuleInfo`, and the name of another subresource.
    Kind {
        constructor: &'static str,
        kind: Box<Type>,
        subresource: Option<LitStr>,
    },
    Resources {
        groups: Vec<LitStr>,
        resources: Vec<LitStr>,
    },
    Urls(Vec<LitStr>),
}

/// Where it holds.
#[derive(Clone)]
pub(crate) enum Place {
    Code,
    Cluster,
    Namespace(LitStr),
}

/// Verbs of resources: of all, and of some.
const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "approve",
    "attest",
    "bind",
    "escalate",
    "impersonate",
    "sign",
    "use",
];
/// What can be done to a part of an object.
const OF_PARTS: &[&str] = &["get", "update", "patch"];
/// HTTP's methods, for paths.
const METHODS: &[&str] = &["get", "head", "options", "post", "put", "patch", "delete"];

/// Judges the entries; what is wrong is left out.
pub(crate) fn build(attrs: RbacAttrs, errors: &mut Errors) -> Rbac {
    let mut rules = Vec::new();
    let mut seen = HashSet::new();
    for entry in attrs.entries {
        judge(&entry, &mut seen, &mut rules, errors);
    }
    Rbac {
        rules,
        crates: attrs.crates.unwrap_or_default(),
    }
}

/// The visibility that the constant takes of the item; `None` where the item can carry none.
pub(crate) fn visibility(item: &Item, errors: &mut Errors) -> Option<Visibility> {
    let visibility = match item {
        Item::Fn(function) => function.vis.clone(),
        Item::Struct(item) => item.vis.clone(),
        Item::Enum(item) => item.vis.clone(),
        Item::Impl(item) => {
            by_hand(&item.items, errors);
            match item.trait_ {
                // A trait's constants are as visible as the trait.
                Some(_) => Visibility::Inherited,
                None => syn::parse_quote!(pub),
            }
        }
        _ => return None,
    };
    Some(visibility)
}

fn by_hand(items: &[ImplItem], errors: &mut Errors) {
    let constants = items.iter().filter_map(|member| match member {
        ImplItem::Const(constant) if constant.ident == "RBAC" => Some(&constant.ident),
        _ => None,
    });
    for constant in constants {
        errors.at(
            Ident::span(constant),
            "`#[rbac(...)]` makes this constant; keep one of the two",
        );
    }
}

fn judge(entry: &Entry, seen: &mut HashSet<String>, rules: &mut Vec<Rule>, errors: &mut Errors) {
    let place = place(entry, errors);
    for name in entry.names.iter().flatten() {
        if name.value().is_empty() {
            errors.at(
                name.span(),
                "a name is empty; remove it, or the whole `names(...)` for all objects",
            );
        }
    }
    if let Some(names) = &entry.names
        && names.is_empty()
    {
        errors.at(
            entry.span,
            "`names()` names nothing; write `names(\"a\")`, or leave it out for all objects",
        );
    }
    let verbs = verbs(entry, errors);
    let subjects = match &entry.targets {
        Some(targets) => of_types(entry, targets, &verbs, seen, errors),
        None => of_names(entry, errors).into_iter().collect(),
    };
    wildcard(entry, errors);
    if let (Some(names), Some((_, span))) = (
        &entry.names,
        entry.verbs.iter().find(|(verb, _)| verb == "create"),
    ) && !names.is_empty()
        && !verbs.iter().any(|verb| verb == "patch" || verb == "*")
    {
        errors.at(
            *span,
            "a `create` has no name yet when it is authorized, so this allows nothing; write it in an entry without \
             `names(...)`",
        );
    }
    if verbs.is_empty() {
        return;
    }
    rules.extend(subjects.into_iter().map(|subject| Rule {
        subject,
        verbs: verbs.clone(),
        names: entry.names.clone().unwrap_or_default(),
        place: place.clone(),
        role: entry.role.clone(),
    }));
}

fn place(entry: &Entry, errors: &mut Errors) -> Place {
    if let Some(role) = &entry.role
        && role.value().is_empty()
    {
        errors.at(
            role.span(),
            "a role has a name; leave `role` out for the program's own",
        );
    }
    match (&entry.namespace, entry.cluster) {
        (Some(namespace), None) => {
            if !is_subdomain(&namespace.value()) || namespace.value().contains('.') {
                errors.at(
                    namespace.span(),
                    "this is no namespace: lower-case letters, digits and `-`; leave it out for where the code works",
                );
            }
            Place::Namespace(namespace.clone())
        }
        (Some(_), Some(span)) => {
            errors.at(span, "`cluster` and `namespace` exclude each other; keep one");
            Place::Cluster
        }
        (None, Some(_)) => Place::Cluster,
        (None, None) => Place::Code,
    }
}

fn verbs(entry: &Entry, errors: &mut Errors) -> Vec<String> {
    let known = if entry.urls.is_some() { METHODS } else { VERBS };
    let mut found = Vec::new();
    if entry.verbs.is_empty() && entry.custom_verbs.is_empty() {
        let example = match (&entry.targets, &entry.urls) {
            (Some(_), _) => "write what is done after the colon: `Foo: get, patch`",
            (None, Some(_)) => "write `verbs(\"get\")`",
            (None, None) => "write `verbs(\"get\", \"list\")`",
        };
        errors.at(
            entry.span,
            format!("there are no verbs, so nothing is granted; {example}"),
        );
    }
    for (verb, span) in &entry.verbs {
        if verb != "*" && !known.contains(&verb.as_str()) {
            errors.at(*span, unknown_verb(verb, known));
        } else if found.contains(verb) {
            errors.at(*span, format!("verb `{verb}` is given twice; keep one"));
        } else {
            found.push(verb.clone());
        }
    }
    if let Some((_, span)) = entry.verbs.iter().find(|(verb, _)| verb == "*")
        && entry.verbs.len() + entry.custom_verbs.len() > 1
    {
        errors.at(*span, "`*` is every verb; keep it alone or leave it out");
    }
    for verb in &entry.custom_verbs {
        let text = verb.value();
        if known.contains(&text.as_str()) {
            errors.at(
                verb.span(),
                format!("`{text}` is known; write it among the other verbs"),
            );
        } else if text.is_empty() || text == "*" {
            errors.at(verb.span(), "a verb is a word, as `custom_verbs(\"teleport\")`");
        } else {
            found.push(text);
        }
    }
    found
}

fn unknown_verb(verb: &str, known: &[&str]) -> String {
    if verb.contains([';', ',']) {
        return format!(
            "verb `{verb}` is not known; write each verb as a string of its own: `verbs(\"get\", \"list\")`"
        );
    }
    let advice = match verb {
        "apply" => "server-side apply is `patch`, and `create` where the object may be missing".to_owned(),
        "read" => "write `get`, `list`, `watch`".to_owned(),
        "write" | "edit" => "write `create`, `update`, `patch`, `delete`".to_owned(),
        "delete_collection" | "deleteCollection" => "write `deletecollection`".to_owned(),
        _ => match suggest::nearest(verb, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known == METHODS => format!("paths have HTTP's methods: {}", suggest::list(known)),
            None => format!(
                "the verbs are {}; one that only somebody's own server knows is written `custom_verbs(\"{verb}\")`",
                suggest::list(known)
            ),
        },
    };
    format!("verb `{verb}` is not known; {advice}")
}

fn of_types(
    entry: &Entry,
    targets: &[Target],
    verbs: &[String],
    seen: &mut HashSet<String>,
    errors: &mut Errors,
) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for target in targets {
        let text = target.text();
        let mut names: Vec<String> = entry.names.iter().flatten().map(LitStr::value).collect();
        names.sort();
        let at = |text: &Option<LitStr>| text.as_ref().map(LitStr::value);
        let company = format!(
            "{text} {names:?} {:?} {:?} {}",
            at(&entry.namespace),
            at(&entry.role),
            entry.cluster.is_some()
        );
        if !seen.insert(company) {
            errors.at(
                target.span,
                format!("`{text}` is given twice; write its verbs in one entry"),
            );
        }
        let constructor = match &target.part {
            Part::Object => "of",
            Part::Status => "status_of",
            Part::Scale => "scale_of",
            Part::Finalizers => "finalizers_of",
            Part::Other(_) => "subresource_of",
        };
        of_part(entry, target, verbs, errors);
        subjects.push(Subject::Kind {
            constructor,
            kind: Box::new(target.kind.clone()),
            subresource: match &target.part {
                Part::Other(name) => Some(name.clone()),
                _ => None,
            },
        });
    }
    subjects
}

/// What no server offers for a part of an object.
fn of_part(entry: &Entry, target: &Target, verbs: &[String], errors: &mut Errors) {
    let (part, offered): (_, &[&str]) = match &target.part {
        Part::Object => return,
        Part::Other(name) => {
            let text = name.value();
            let advice = match text.as_str() {
                "status" => "write `status(Foo)`",
                "scale" => "write `scale(Foo)`",
                "finalizers" => "write `finalizers(Foo)`",
                "" => "a subresource has a name, as `log`",
                _ => return,
            };
            return errors.at(name.span(), advice);
        }
        Part::Status => ("a status", OF_PARTS),
        Part::Scale => ("a scale", OF_PARTS),
        // What `OwnerReferencesPermissionEnforcement` asks about.
        Part::Finalizers => ("finalizers", &["update"]),
    };
    let span_of = |verb: &String| {
        let written = entry.verbs.iter().find(|(written, _)| written == verb);
        written.map_or(target.span, |(_, span): &(String, Span)| *span)
    };
    for verb in verbs
        .iter()
        .filter(|verb| *verb != "*" && !offered.contains(&verb.as_str()))
    {
        errors.at(
            span_of(verb),
            format!(
                "`{verb}` is nothing that can be done to {part}: write {}",
                suggest::list(offered)
            ),
        );
    }
}

fn of_names(entry: &Entry, errors: &mut Errors) -> Option<Subject> {
    let empty = |list: &Option<Vec<LitStr>>| list.as_ref().is_some_and(Vec::is_empty);
    for (key, example, list) in [
        ("groups", "\"apps\"", &entry.groups),
        ("resources", "\"deployments\"", &entry.resources),
        ("urls", "\"/metrics\"", &entry.urls),
    ] {
        if empty(list) {
            errors.at(
                entry.span,
                format!("`{key}()` is empty, so nothing is granted; write `{key}({example})`"),
            );
        }
        repeated(list.as_deref().unwrap_or_default(), errors);
    }
    if let Some(urls) = &entry.urls {
        if entry.groups.is_some() || entry.resources.is_some() || entry.names.is_some() {
            errors.at(
                entry.span,
                "paths are no resources: write `urls(...)` in an entry of its own, after a `;`",
            );
        }
        if let Some(span) = entry.namespace.as_ref().map(LitStr::span) {
            errors.at(span, "paths are in no namespace; leave it out");
        }
        for url in urls {
            let text = url.value();
            let star = text.find('*');
            if !text.starts_with('/') && text != "*" {
                errors.at(url.span(), format!("a path begins with `/`: write `/{text}`"));
            } else if star.is_some_and(|at| at + 1 != text.len()) {
                errors.at(url.span(), "`*` can only stand at the end of a path");
            }
        }
        return Some(Subject::Urls(urls.clone()));
    }
    let (Some(groups), Some(resources)) = (&entry.groups, &entry.resources) else {
        errors.at(
            entry.span,
            "write both `groups(...)` and `resources(...)`, the core group as `groups(\"\")`; or name a type: `Foo: get`",
        );
        return None;
    };
    for resource in resources {
        let text = resource.value();
        if text.contains([';', ',']) || text != text.to_lowercase() || text.is_empty() {
            errors.at(
                resource.span(),
                format!(
                    "`{text}` is no resource; write plurals in lower case, each as a string of its own, as \
                     `resources(\"deployments\", \"deployments/status\")`"
                ),
            );
        }
    }
    for group in groups {
        let text = group.value();
        if !text.is_empty() && text != "*" && !is_subdomain(&text) {
            let advice = match text.split_once('/') {
                Some((group, _)) => format!("a group has no version here: write `{group}`"),
                None => "write each group as a string of its own, in lower case; the core group is `\"\"`"
                    .to_owned(),
            };
            errors.at(group.span(), format!("`{text}` is no group; {advice}"));
        }
    }
    Some(Subject::Resources {
        groups: groups.clone(),
        resources: resources.clone(),
    })
}

fn repeated(list: &[LitStr], errors: &mut Errors) {
    let mut seen = HashSet::new();
    for entry in list {
        if !seen.insert(entry.value()) {
            errors.at(
                entry.span(),
                format!("`{}` is given twice; keep one", entry.value()),
            );
        }
    }
}

/// `*` is granted to who says that it is meant.
fn wildcard(entry: &Entry, errors: &mut Errors) {
    let verb = entry
        .verbs
        .iter()
        .find(|(verb, _)| verb == "*")
        .map(|(_, span)| *span);
    let lists = [&entry.groups, &entry.resources, &entry.urls];
    let name = lists
        .into_iter()
        .flatten()
        .flatten()
        .find(|text| text.value() == "*" || text.value().ends_with("/*") && !text.value().starts_with('/'))
        .map(LitStr::span);
    match (verb.or(name), entry.wildcard) {
        (Some(span), None) => errors.at(
            span,
            "`*` grants what is there and whatever comes; write what is used, or add `wildcard` where everything is meant",
        ),
        (None, Some(span)) => errors.at(span, "there is no `*` here; leave `wildcard` out"),
        _ => {}
    }
}
