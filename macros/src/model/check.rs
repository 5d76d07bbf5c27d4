//! Rules across attributes, and the server's rules for what stands in a CustomResourceDefinition.
//!
//! The server's rules are those of `apiextensions-apiserver/pkg/apis/apiextensions/validation`; a definition
//! that breaks one compiles with kube-derive and is refused when it is installed.

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, GenericParam, LitStr, Meta, Path};

use super::custom_resource::{Schema, schema};
use crate::attrs::custom_resource::{Deprecated, KubeAttrs, ident_of};
use crate::attrs::{serde, suggest};
use crate::errors::Errors;

/// Whether the item can be a spec at all.
pub(super) fn item(input: &DeriveInput, errors: &mut Errors) {
    if let Data::Union(data) = &input.data {
        errors.at(
            data.union_token.span,
            "a union cannot be a spec: it has no JSON form; use a struct or an enum",
        );
    }
    if let Some(param) = input.generics.params.iter().find(|param| is_open(param)) {
        errors.at(
            param.span(),
            "a kind has one spec type: a generic parameter needs a default here",
        );
    }
}

/// Whether a type must say what this parameter is.
pub(super) fn is_open(param: &GenericParam) -> bool {
    match param {
        GenericParam::Lifetime(_) => true,
        GenericParam::Type(param) => param.default.is_none(),
        GenericParam::Const(param) => param.default.is_none(),
    }
}

/// Everything else.
pub(super) fn all(input: &DeriveInput, attrs: &KubeAttrs, errors: &mut Errors) {
    names(input, attrs, errors);
    scope(attrs, errors);
    schema_mode(attrs, errors);
    flat(input, attrs, errors);
    columns(attrs, errors);
    scale(attrs, errors);
    selectable(attrs, errors);
    derives(attrs, errors);
    attributes(attrs, errors);
    deprecated(attrs, errors);
    versions(attrs, errors);
    metadata(attrs, errors);
}

fn names(input: &DeriveInput, attrs: &KubeAttrs, errors: &mut Errors) {
    if let Some(root) = attrs.root.as_ref().or(attrs.kind.as_ref()) {
        let name = root.value();
        let key = if attrs.root.is_some() { "root" } else { "kind" };
        if ident_of(root).is_none() {
            errors.at(
                root.span(),
                format!(
                    "`{name}` cannot name the generated type; write a Rust identifier, as `{key} = \"Foo\"`"
                ),
            );
        } else if input.ident == name {
            let advice = match name.strip_suffix("Spec") {
                Some(short) if !short.is_empty() => format!("write `{key} = \"{short}\"`"),
                _ => format!("rename the spec to `{name}Spec`"),
            };
            errors.at(
                root.span(),
                format!("`{name}` is the generated type and must differ from the spec's; {advice}"),
            );
        }
    }
    if let Some(group) = &attrs.group
        && group.value().is_empty()
    {
        errors.at(
            group.span(),
            "the core group takes no custom kinds; write `group = \"example.com\"`",
        );
    }
    // A kind without a schema is somebody else's, or built in: nobody installs a definition of it from here.
    if schema(attrs) == Schema::Disabled {
        return;
    }
    if let Some(group) = attrs.group.as_ref().filter(|group| !group.value().is_empty()) {
        let value = group.value();
        if !is_subdomain(&value) {
            errors.at(
                group.span(),
                format!(
                    "`{value}` is not a DNS name; write lower-case labels joined by dots, as `example.com`"
                ),
            );
        } else if !value.contains('.') {
            errors.at(
                group.span(),
                format!(
                    "the server takes definitions in groups with a dot only; write one as `{value}.example.com`, or \
                     `schema = \"disabled\"` for a kind that somebody else installs"
                ),
            );
        }
    }
    for (key, name) in [
        ("version", &attrs.version),
        ("plural", &attrs.plural),
        ("singular", &attrs.singular),
    ] {
        if let Some(name) = name {
            label(key, name, &name.value(), errors);
        }
    }
    // What is no identifier was reported, unless `root` names the type.
    if let Some(kind) = &attrs.kind
        && (ident_of(kind).is_some() || attrs.root.is_some())
        && !is_label(&kind.value().to_lowercase())
    {
        errors.at(
            kind.span(),
            format!(
                "the server takes no kind `{}`; write at most 63 letters and digits, beginning with a letter, as \
                 `FooBar`",
                kind.value()
            ),
        );
    }
    for (key, words) in [("shortname", &attrs.short_names), ("category", &attrs.categories)] {
        for (index, word) in words.iter().enumerate() {
            label(key, word, &word.value(), errors);
            if words[..index].iter().any(|before| before.value() == word.value()) {
                errors.at(
                    word.span(),
                    format!("{key} `{}` is given twice; keep one", word.value()),
                );
            }
        }
    }
}

/// Names that become part of URLs are DNS-1035 labels.
fn label(key: &str, at: &LitStr, value: &str, errors: &mut Errors) {
    if !is_label(value) {
        errors.at(
            at.span(),
            format!(
                "{key} `{}` is not a DNS label; write at most 63 lower-case letters, digits and `-`, \
                 beginning with a letter",
                at.value()
            ),
        );
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(inner)
        && !text.ends_with('-')
}

pub(super) fn is_subdomain(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| {
        part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || c == '-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

fn scope(attrs: &KubeAttrs, errors: &mut Errors) {
    let Some(scope) = &attrs.scope else { return };
    let namespaced = attrs.namespaced.is_some_and(|(value, _)| value);
    match scope.value().as_str() {
        "Cluster" if namespaced => errors.at(
            scope.span(),
            "`namespaced` says the opposite; remove one of the two",
        ),
        "Namespaced" if !namespaced => errors.at(
            scope.span(),
            "kinds are cluster-scoped unless `namespaced` is given; add `namespaced`",
        ),
        "Cluster" | "Namespaced" => {}
        other => errors.at(
            scope.span(),
            format!("`{other}` is no scope; write `scope = \"Cluster\"` or `scope = \"Namespaced\"`"),
        ),
    }
}

const SCHEMA_MODES: &[&str] = &["derived", "manual", "disabled"];

fn schema_mode(attrs: &KubeAttrs, errors: &mut Errors) {
    if let Some(mode) = &attrs.schema {
        let value = mode.value();
        if !SCHEMA_MODES.contains(&value.as_str()) {
            let advice = match suggest::nearest(&value, SCHEMA_MODES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the modes are {}", suggest::list(SCHEMA_MODES)),
            };
            errors.at(mode.span(), format!("`{value}` is no schema mode; {advice}"));
            return;
        }
    }
    if schema(attrs) == Schema::Derived {
        return;
    }
    if let Some((true, span)) = attrs.cel {
        errors.at(
            span,
            "`cel` reads its rules from a derived schema; remove `schema = ...` or `cel`",
        );
    }
    for validation in &attrs.validations {
        errors.at(
            validation.span(),
            "`validation` goes into a derived schema; remove `schema = ...`, or write the rule into your own",
        );
    }
}

/// What every root has of its own; a flattened spec may not write over it.
const ROOT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

fn flat(input: &DeriveInput, attrs: &KubeAttrs, errors: &mut Errors) {
    let Some((true, span)) = attrs.no_spec else { return };
    let Data::Struct(data) = &input.data else {
        errors.at(
            span,
            "`no_spec` lifts fields to the root of the object, and an enum has none; use a struct",
        );
        return;
    };
    let Fields::Named(fields) = &data.fields else {
        errors.at(
            span,
            "`no_spec` lifts named fields to the root of the object; use a struct with named fields",
        );
        return;
    };
    let rename_all = serde::written(&input.attrs, "rename_all");
    for field in &fields.named {
        if let Some(name) = serde::name(field, rename_all.as_deref())
            && (ROOT_FIELDS.contains(&name.as_str()) || (name == "status" && attrs.status.is_some()))
        {
            errors.at(
                field.ident.span(),
                format!(
                    "with `no_spec` this field stands at the root of the object, where `{name}` is taken"
                ),
            );
        }
    }
}

const COLUMN_TYPES: &[&str] = &["integer", "number", "string", "boolean", "date"];
const COLUMN_FORMATS: &[&str] = &[
    "int32",
    "int64",
    "float",
    "double",
    "byte",
    "date",
    "date-time",
    "password",
];

fn columns(attrs: &KubeAttrs, errors: &mut Errors) {
    for column in &attrs.columns {
        for (key, value) in [
            ("name", &column.name),
            ("type_", &column.type_),
            ("json_path", &column.json_path),
        ] {
            match value {
                None => errors.at(column.span, format!("`{key}` is missing in `printcolumn(...)`")),
                Some(text) if text.value().is_empty() => {
                    errors.at(text.span(), format!("`{key}` must not be empty"));
                }
                Some(_) => {}
            }
        }
        one_of("type", column.type_.as_ref(), COLUMN_TYPES, errors);
        one_of("format", column.format.as_ref(), COLUMN_FORMATS, errors);
        if let Some(path) = &column.json_path {
            json_path(path, errors);
        }
    }
}

fn one_of(what: &str, value: Option<&LitStr>, known: &[&str], errors: &mut Errors) {
    let Some(value) = value.filter(|value| !value.value().is_empty()) else {
        return;
    };
    let text = value.value();
    if known.contains(&text.as_str()) {
        return;
    }
    let advice = match suggest::nearest(&text, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the server takes {}", suggest::list(known)),
    };
    errors.at(value.span(), format!("`{text}` is no column {what}; {advice}"));
}

fn json_path(path: &LitStr, errors: &mut Errors) {
    let text = path.value();
    if !text.is_empty() && !text.starts_with('.') {
        errors.at(
            path.span(),
            format!(
                "the server takes a path that begins with a dot; write `.{}`",
                text.trim_start_matches('$')
            ),
        );
    }
    // A column whose path the server cannot read is accepted, and then none of the columns is shown.
    let depth = text.chars().try_fold(0_u32, |depth, c| match c {
        '[' => Some(depth + 1),
        ']' => depth.checked_sub(1),
        _ => Some(depth),
    });
    if depth != Some(0) {
        errors.at(path.span(), "`[` and `]` in the path do not pair up");
    }
}

fn scale(attrs: &KubeAttrs, errors: &mut Errors) {
    let Some(scale) = &attrs.scale else { return };
    if attrs.status.is_none() {
        errors.at(
            scale.span,
            "`scale(...)` reads the observed replicas from the status; add `status = \"FooStatus\"`",
        );
    }
    if let Some((true, _)) = attrs.no_spec {
        errors.at(
            scale.span,
            "the server reads the wanted replicas under `.spec.`, which an object with `no_spec` has not; remove \
             `scale(...)` or `no_spec`",
        );
        return;
    }
    let required = [
        ("spec_replicas_path", &scale.spec_replicas_path, ".spec."),
        ("status_replicas_path", &scale.status_replicas_path, ".status."),
    ];
    for (key, path, under) in required {
        match path {
            None => errors.at(scale.span, format!("`{key}` is missing in `scale(...)`")),
            Some(path) if !path.value().starts_with(under) => errors.at(
                path.span(),
                format!("the server takes a path under `{under}` here, as `{key} = \"{under}replicas\"`"),
            ),
            Some(_) => {}
        }
    }
    if let Some(path) = &scale.label_selector_path
        && !path.value().starts_with(".spec.")
        && !path.value().starts_with(".status.")
    {
        errors.at(
            path.span(),
            "the server takes a path under `.status.` or `.spec.` here, as `.status.selector`",
        );
    }
}

/// More than the server takes in one version.
const SELECTABLE_MAX: usize = 8;

fn selectable(attrs: &KubeAttrs, errors: &mut Errors) {
    for (index, path) in attrs.selectable.iter().enumerate() {
        let bare = |path: &LitStr| path.value().trim_start_matches('.').to_owned();
        let text = bare(path);
        if text.is_empty() {
            errors.at(
                path.span(),
                "write the path of a field, as `selectable = \".spec.colour\"`",
            );
        } else if text.contains('[') {
            errors.at(
                path.span(),
                "field selectors reach no lists; name a field outside of one",
            );
        } else if text == "metadata" || text.starts_with("metadata.") {
            errors.at(
                path.span(),
                "`metadata.name` and `metadata.namespace` are always selectable, and no other metadata can be",
            );
        }
        if attrs.selectable[..index]
            .iter()
            .any(|before| bare(before) == text)
        {
            errors.at(path.span(), format!("`.{text}` is selectable already; keep one"));
        }
        if index == SELECTABLE_MAX {
            errors.at(
                path.span(),
                format!("the server takes at most {SELECTABLE_MAX} selectable fields"),
            );
        }
    }
}

fn derives(attrs: &KubeAttrs, errors: &mut Errors) {
    for (index, (path, span)) in attrs.derives.iter().enumerate() {
        let name = path.to_token_stream().to_string();
        if is_generated(path, attrs) {
            errors.at(
                *span,
                format!("the root has `{name}` already; remove this `derive`"),
            );
        } else if attrs.derives[..index]
            .iter()
            .any(|(before, _)| same(before, path))
        {
            errors.at(*span, format!("`{name}` is derived twice; keep one"));
        }
    }
}

/// Whether every root has this trait, so that deriving it too would clash.
fn is_generated(path: &Path, attrs: &KubeAttrs) -> bool {
    let generated = ["Clone", "Debug", "Serialize", "Deserialize"];
    generated.iter().any(|name| is_trait(path, name))
        || schema(attrs) == Schema::Derived && is_schema_derive(path)
}

/// Whether this derive makes `JsonSchema`.
pub(super) fn is_schema_derive(path: &Path) -> bool {
    is_trait(path, "JsonSchema") || is_trait(path, "KubeSchema")
}

/// Whether `path` is the well-known derive `name`: alone, or in a crate that exports it. `rkyv::Serialize` is
/// another one.
fn is_trait(path: &Path, name: &str) -> bool {
    const HOMES: [&str; 6] = ["serde", "schemars", "kube", "kubewright", "clone", "fmt"];
    let mut segments = path.segments.iter().rev();
    segments.next().is_some_and(|last| last.ident == name)
        && segments
            .next()
            .is_none_or(|home| HOMES.iter().any(|known| home.ident == known))
}

/// Token for token: syn compares only with a feature that costs every user compile time.
fn same(left: &Path, right: &Path) -> bool {
    left.to_token_stream().to_string() == right.to_token_stream().to_string()
}

/// The derives that can stand on the root: without those that were reported.
pub(super) fn usable_derives(attrs: &KubeAttrs) -> Vec<Path> {
    let mut usable: Vec<Path> = Vec::new();
    for (path, _) in &attrs.derives {
        if !is_generated(path, attrs) && !usable.iter().any(|known| same(known, path)) {
            usable.push(path.clone());
        }
    }
    usable
}

fn attributes(attrs: &KubeAttrs, errors: &mut Errors) {
    for meta in &attrs.attributes {
        if meta.path().is_ident("derive") {
            errors.at(
                meta.span(),
                "derives of the root are written `derive = \"Trait\"`, once for each",
            );
        } else if is_rule(meta, attrs) {
            errors.at(
                meta.span(),
                "`x_kube` is read by kube's `KubeSchema`, which the root has no need of; write `validation = ...` in \
                 #[kube(...)]",
            );
        } else if is_reserved(meta) {
            let name = meta.path().to_token_stream();
            errors.at(
                meta.span(),
                format!("`{name}` on the root would change the form that the server expects; remove it"),
            );
        }
    }
}

/// Whether this is for `KubeSchema`, which kube-derive puts on a root with rules.
fn is_rule(meta: &Meta, attrs: &KubeAttrs) -> bool {
    schema(attrs) == Schema::Derived && meta.path().is_ident("x_kube")
}

fn is_reserved(meta: &Meta) -> bool {
    ["derive", "serde", "schemars"]
        .iter()
        .any(|name| meta.path().is_ident(name))
}

/// The attributes that can stand on the root: without those that were reported.
pub(super) fn usable_attributes(attrs: &KubeAttrs) -> Vec<Meta> {
    attrs
        .attributes
        .iter()
        .filter(|meta| !is_reserved(meta) && !is_rule(meta, attrs))
        .cloned()
        .collect()
}

const OVERFLOWS: &[&str] = &["refuse_write", "fail"];

/// Longest group whose key of the annotation is one that a server takes: `conversion.<group>/preserved`.
const LONGEST_GROUP: usize = 253 - "conversion.".len();

fn versions(attrs: &KubeAttrs, errors: &mut Errors) {
    if let Some(word) = &attrs.overflow {
        let value = word.value();
        if !OVERFLOWS.contains(&value.as_str()) {
            let advice = match suggest::nearest(&value, OVERFLOWS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write one of {}", suggest::list(OVERFLOWS)),
            };
            errors.at(
                word.span(),
                format!("`{value}` is nothing to do about an overflow; {advice}"),
            );
        }
    }
    if attrs.previous.is_none() {
        return;
    }
    if let Some(group) = &attrs.group
        && group.value().len() > LONGEST_GROUP
    {
        errors.at(
            group.span(),
            format!("group is too long for the annotation key ({LONGEST_GROUP} at most)"),
        );
    }
}

fn deprecated(attrs: &KubeAttrs, errors: &mut Errors) {
    let Some(Deprecated::Warning(warning)) = &attrs.deprecated else {
        return;
    };
    let text = warning.value();
    if text.is_empty() {
        errors.at(
            warning.span(),
            "the warning is empty; write `deprecated` alone for the server's own words",
        );
    } else if text.len() > 256 {
        errors.at(
            warning.span(),
            format!(
                "the server takes a warning of at most 256 bytes; this one has {}",
                text.len()
            ),
        );
    } else if text.chars().any(char::is_control) {
        errors.at(
            warning.span(),
            "the server takes a warning of one line, without control characters",
        );
    }
}

fn metadata(attrs: &KubeAttrs, errors: &mut Errors) {
    for (what, pairs) in [("annotation", &attrs.annotations), ("label", &attrs.labels)] {
        for (index, (key, value)) in pairs.iter().enumerate() {
            if !is_qualified_name(&key.value()) {
                errors.at(
                    key.span(),
                    format!(
                        "`{}` is no {what} key; write `name` or `example.com/name`, the name of at most 63 \
                         letters, digits, `-`, `_` and `.`",
                        key.value()
                    ),
                );
            }
            if what == "label" && !value.value().is_empty() && !is_name_part(&value.value()) {
                errors.at(
                    value.span(),
                    "a label's value has at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit \
                     at both ends",
                );
            }
            if pairs[..index]
                .iter()
                .any(|(before, _)| before.value() == key.value())
            {
                errors.at(
                    key.span(),
                    format!("{what} `{}` is given twice; keep one", key.value()),
                );
            }
        }
    }
}

pub(super) fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        // Annotation keys may be written with capitals in the prefix; the server compares them in lower case.
        Some((prefix, name)) => is_subdomain(&prefix.to_lowercase()) && is_name_part(name),
        None => is_name_part(text),
    }
}

pub(super) fn is_name_part(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    !text.is_empty()
        && text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || "-_.".contains(c))
}
