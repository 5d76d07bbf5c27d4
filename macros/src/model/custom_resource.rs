//! A custom kind, ready to print.
//!
//! **Invariant:** where the root type has a name, given or guessed, there is a model, however many errors were
//! found; so the type is always emitted.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Expr, GenericParam, Ident, LitStr, Meta, Path, Visibility};

use super::apply::{self, Apply};
use super::check;
use super::convert::{Wire, unjudged};
use crate::attrs::apply::{ApplyAttrs, container};
use crate::attrs::convert;
use crate::attrs::crates::Crates;
use crate::attrs::custom_resource::{Deprecated, KubeAttrs, ident_of};
use crate::errors::Errors;

/// A custom kind. Strings are validated; where validation failed they hold what was written.
pub(crate) struct Model {
    pub(crate) spec: TokenStream,
    pub(crate) root: Ident,
    pub(crate) vis: Visibility,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) api_version: String,
    pub(crate) list_kind: String,
    pub(crate) crd_name: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    /// The root type's doc comment.
    pub(crate) doc: String,
    /// The schema's description, with its title where the first line is a heading.
    pub(crate) description: String,
    pub(crate) namespaced: bool,
    pub(crate) flat: bool,
    /// The user derives `JsonSchema` on the root.
    pub(crate) schema_derived: bool,
    pub(crate) status: Option<Path>,
    pub(crate) scale: Option<Scale>,
    pub(crate) columns: Vec<Column>,
    pub(crate) selectable: Vec<String>,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// Derives besides `Clone` and `Debug`, which every root has.
    pub(crate) derives: Vec<Path>,
    /// `Default` is written out, since the root has it whether or not its status type does.
    pub(crate) default: bool,
    pub(crate) attributes: Vec<Meta>,
    pub(crate) schema: Schema,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) validations: Vec<Expr>,
    /// Where `cel` stands, if it is on.
    pub(crate) cel: Option<Span>,
    /// Absent where the other versions decide.
    pub(crate) storage: Option<bool>,
    pub(crate) previous: Option<Path>,
    pub(crate) overflow: Option<Overflow>,
    /// How the spec is written, where no other derive says so.
    pub(crate) wire: Option<SpecWire>,
    pub(crate) served: bool,
    pub(crate) deprecated: Option<Option<String>>,
    /// The spec's apply configuration, where asked for.
    pub(crate) apply: Option<Apply>,
    pub(crate) crates: Crates,
    /// Where something stands that only `KubeSchema` reads.
    pub(crate) shaped: Option<Span>,
}

/// What happens where a conversion's annotation would be too large.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overflow {
    RefuseWrite,
    Fail,
}

/// How a spec is written; nothing where no table can say it.
pub(crate) struct SpecWire(pub(crate) Option<Wire>);

/// Where the schema of the root comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Schema {
    /// The derive writes `JsonSchema`.
    Derived,
    /// The user writes `JsonSchema`; the definition uses it.
    Manual,
    /// There is none.
    Disabled,
}

/// Paths of the scale subresource.
pub(crate) struct Scale {
    pub(crate) spec_replicas: String,
    pub(crate) status_replicas: String,
    pub(crate) label_selector: Option<String>,
}

/// A printer column.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) type_: String,
    pub(crate) json_path: String,
    pub(crate) description: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) priority: Option<i32>,
}

/// Resolves and checks. Absent only where no name for the root can be guessed, or nothing can hold the item.
pub(crate) fn build(input: &DeriveInput, attrs: &KubeAttrs, errors: &mut Errors) -> Option<Model> {
    check::item(input, errors);
    // The names that everything needs. They are missing in no narrower place than the type's own name.
    let here = input.ident.span();
    let mut require = |value: &Option<LitStr>, key: &str, example: &str| {
        if !attrs.given.iter().any(|given| given == key) {
            errors.at(
                here,
                format!("`{key}` is missing; add `{key} = \"{example}\"` to #[kube(...)]"),
            );
        }
        value.as_ref().map(LitStr::value).unwrap_or_default()
    };
    let group = require(&attrs.group, "group", "example.com");
    let version = require(&attrs.version, "version", "v1");
    let kind = require(&attrs.kind, "kind", "Foo");
    check::all(input, attrs, errors);

    if matches!(input.data, Data::Union(_)) {
        return None;
    }
    let spec = spec(input)?;
    let root = root(input, attrs)?;
    let singular = value_or(&attrs.singular, || kind.to_ascii_lowercase());
    let plural = value_or(&attrs.plural, || pluralize(&singular));
    let doc = value_or(&attrs.doc, || {
        format!(
            " Auto-generated derived type for {} via `CustomResource`",
            input.ident
        )
    });
    let mut derives = check::usable_derives(attrs);
    derives.retain(|path| !path.is_ident("Default"));
    Some(Model {
        spec,
        root,
        vis: input.vis.clone(),
        description: description(&doc, attrs),
        doc,
        namespaced: attrs.namespaced.is_some_and(|(value, _)| value),
        flat: attrs.no_spec.is_some_and(|(value, _)| value),
        schema_derived: derives.iter().any(check::is_schema_derive),
        status: attrs.status.as_ref().map(|(path, _)| path.clone()),
        scale: scale(attrs),
        columns: columns(attrs),
        selectable: attrs.selectable.iter().map(dotted).collect(),
        short_names: values(&attrs.short_names),
        categories: values(&attrs.categories),
        derives,
        default: attrs.derives.iter().any(|(path, _)| path.is_ident("Default")),
        attributes: check::usable_attributes(attrs),
        schema: schema(attrs),
        annotations: pairs(&attrs.annotations),
        labels: pairs(&attrs.labels),
        validations: attrs.validations.clone(),
        // Elsewhere it was reported; there are no rules to read.
        cel: attrs
            .cel
            .and_then(|(value, span)| (value && schema(attrs) == Schema::Derived).then_some(span)),
        storage: attrs.storage,
        previous: attrs.previous.clone(),
        overflow: attrs.overflow.as_ref().and_then(overflow),
        wire: convert::is_bare(&input.attrs).then(|| SpecWire(unjudged(input))),
        served: attrs.served.unwrap_or(true),
        deprecated: attrs.deprecated.as_ref().map(|deprecated| match deprecated {
            Deprecated::Flag => None,
            Deprecated::Warning(text) => Some(text.value()),
        }),
        apply: apply_of(input, attrs, errors),
        shaped: attrs.shaped,
        crates: attrs.crates.clone().unwrap_or_default(),
        api_version: format!("{group}/{version}"),
        list_kind: format!("{kind}List"),
        crd_name: format!("{plural}.{group}"),
        group,
        version,
        kind,
        plural,
        singular,
    })
}

/// The root's name; where none was given that can be used, one that uses of the type are likely to have. The
/// mistake was reported, and the type stands in for the one that was meant.
fn root(input: &DeriveInput, attrs: &KubeAttrs) -> Option<Ident> {
    let given = attrs.root.as_ref().or(attrs.kind.as_ref());
    let spec = input.ident.to_string();
    let capitals = |text: &LitStr| -> String {
        let text = text.value();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        let words = words.filter_map(|word| Some(word.get(..1)?.to_ascii_uppercase() + &word[1..]));
        words.collect()
    };
    let guesses = [spec.strip_suffix("Spec").map(str::to_owned), given.map(capitals)];
    let guesses = guesses.into_iter().flatten();
    given
        .and_then(ident_of)
        .into_iter()
        .chain(guesses.filter_map(|text| {
            syn::parse_str(&text)
                .ok()
                .map(|name: Ident| with_span(name, input))
        }))
        .find(|name| *name != input.ident)
}

fn with_span(mut name: Ident, input: &DeriveInput) -> Ident {
    name.set_span(input.ident.span());
    name
}

/// The spec's type. Parameters with defaults need no mention; others are a mistake, and something stands in for
/// them. Absent where nothing can.
fn spec(input: &DeriveInput) -> Option<TokenStream> {
    let name = &input.ident;
    if !input.generics.params.iter().any(check::is_open) {
        return Some(quote!(#name));
    }
    let arguments = input.generics.params.iter().filter(|param| check::is_open(param));
    let arguments = arguments.map(|param| match param {
        GenericParam::Lifetime(_) => Some(quote!('static)),
        // It has every trait that a spec's field needs.
        GenericParam::Type(_) => Some(quote!(())),
        GenericParam::Const(_) => None,
    });
    let arguments = arguments.collect::<Option<Vec<_>>>()?;
    Some(quote!(#name<#(#arguments),*>))
}

/// The doc comment of the root as schemars' derive would read it: that of `doc`, then those of `attr = "doc = ..."`.
fn description(doc: &str, attrs: &KubeAttrs) -> String {
    let mut lines = vec![doc.strip_prefix(' ').unwrap_or(doc).to_owned()];
    for meta in &attrs.attributes {
        if let Meta::NameValue(pair) = meta
            && meta.path().is_ident("doc")
            && let Expr::Lit(lit) = &pair.value
            && let syn::Lit::Str(text) = &lit.lit
        {
            let text = text.value();
            lines.push(text.strip_prefix(' ').unwrap_or(&text).to_owned());
        }
    }
    lines.join("\n").trim().to_owned()
}

/// What to do; another word was reported by `check`.
fn overflow(word: &LitStr) -> Option<Overflow> {
    match word.value().as_str() {
        "refuse_write" => Some(Overflow::RefuseWrite),
        "fail" => Some(Overflow::Fail),
        _ => None,
    }
}

/// The schema mode; what is not one of the three words was reported by `check`.
pub(super) fn schema(attrs: &KubeAttrs) -> Schema {
    match attrs.schema.as_ref().map(LitStr::value).as_deref() {
        Some("manual") => Schema::Manual,
        Some("disabled") => Schema::Disabled,
        _ => Schema::Derived,
    }
}

/// `#[kube(apply)]`: what `#[derive(Apply)]` on the spec would say, with the paths of `#[kube(crates(...))]`.
fn apply_of(input: &DeriveInput, attrs: &KubeAttrs, errors: &mut Errors) -> Option<Apply> {
    if attrs.apply != Some(true) {
        return None;
    }
    if let Some(attr) = input.attrs.iter().find(|attr| attr.path().is_ident("apply")) {
        errors.at(
            attr.path().span(),
            "with `#[kube(apply)]` the paths of the configuration are those of `#[kube(crates(...))]`",
        );
    }
    let apply_attrs = ApplyAttrs {
        crates: attrs.crates.clone(),
        serde: container(&input.attrs),
    };
    apply::build(input, &apply_attrs, errors)
}

fn scale(attrs: &KubeAttrs) -> Option<Scale> {
    let scale = attrs.scale.as_ref()?;
    Some(Scale {
        spec_replicas: value_or(&scale.spec_replicas_path, String::new),
        status_replicas: value_or(&scale.status_replicas_path, String::new),
        label_selector: scale.label_selector_path.as_ref().map(LitStr::value),
    })
}

fn columns(attrs: &KubeAttrs) -> Vec<Column> {
    let optional = |value: &Option<LitStr>| value.as_ref().map(LitStr::value);
    let column = |column: &crate::attrs::custom_resource::Column| Column {
        name: value_or(&column.name, String::new),
        type_: value_or(&column.type_, String::new),
        json_path: value_or(&column.json_path, String::new),
        description: optional(&column.description),
        format: optional(&column.format),
        priority: column.priority,
    };
    attrs.columns.iter().map(column).collect()
}

/// The server demands a leading dot, which kube-derive's users often leave out.
fn dotted(path: &LitStr) -> String {
    let path = path.value();
    if path.starts_with('.') {
        path
    } else {
        format!(".{path}")
    }
}

fn value_or(value: &Option<LitStr>, default: impl FnOnce() -> String) -> String {
    value.as_ref().map_or_else(default, LitStr::value)
}

fn values(texts: &[LitStr]) -> Vec<String> {
    texts.iter().map(LitStr::value).collect()
}

fn pairs(pairs: &[(LitStr, LitStr)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| (key.value(), value.value()))
        .collect()
}

/// The plural as kube-derive infers it; a different guess would name a different resource.
fn pluralize(word: &str) -> String {
    if ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end)) {
        return format!("{word}es");
    }
    if let Some(stem) = word.strip_suffix('y')
        && stem
            .chars()
            .last()
            .is_some_and(|before| !"aeiou".contains(before))
    {
        return format!("{stem}ies");
    }
    format!("{word}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_those_of_kube_derive() {
        let pairs = [
            ("foo", "foos"),
            ("bus", "buses"),
            ("fox", "foxes"),
            ("buzz", "buzzes"),
            ("batch", "batches"),
            ("dish", "dishes"),
            ("puppy", "puppies"),
            ("day", "days"),
        ];
        for (singular, plural) in pairs {
            assert_eq!(pluralize(singular), plural);
        }
    }
}
