//! A custom kind, ready to print.
//!
//! **Invariant:** where the root type has a name there is a model, however many errors were found; so the type
//! is always emitted.

use syn::{Data, DeriveInput, Expr, Ident, LitStr, Meta, Path, Visibility};

use super::apply::{self, Apply};
use super::check;
use crate::attrs::apply::{ApplyAttrs, container};
use crate::attrs::crates::Crates;
use crate::attrs::custom_resource::{Deprecated, KubeAttrs, ident_of};
use crate::errors::Errors;

/// A custom kind. Strings are validated; where validation failed they hold what was written.
pub(crate) struct Model {
    pub(crate) spec: Ident,
    pub(crate) root: Ident,
    pub(crate) vis: Visibility,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    /// The root type's doc comment.
    pub(crate) doc: String,
    /// The schema's description.
    pub(crate) description: String,
    pub(crate) namespaced: bool,
    pub(crate) flat: bool,
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
    pub(crate) cel: bool,
    pub(crate) storage: bool,
    pub(crate) served: bool,
    pub(crate) deprecated: Option<Option<String>>,
    /// The spec's apply configuration, where asked for.
    pub(crate) apply: Option<Apply>,
    pub(crate) crates: Crates,
}

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

/// Resolves and checks. Absent only where not even the root's name is known, or the item cannot be a spec.
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

    let root = ident_of(attrs.root.as_ref().or(attrs.kind.as_ref())?)?;
    if root == input.ident || matches!(input.data, Data::Union(_)) || !input.generics.params.is_empty() {
        return None;
    }
    let singular = value_or(&attrs.singular, || kind.to_ascii_lowercase());
    let plural = value_or(&attrs.plural, || pluralize(&singular));
    let doc = value_or(&attrs.doc, || {
        format!(
            " Auto-generated derived type for {} via `CustomResource`",
            input.ident
        )
    });
    Some(Model {
        spec: input.ident.clone(),
        root,
        vis: input.vis.clone(),
        description: doc.trim().to_owned(),
        doc,
        namespaced: attrs.namespaced.is_some_and(|(value, _)| value),
        flat: attrs.no_spec.is_some_and(|(value, _)| value),
        status: attrs.status.as_ref().map(|(path, _)| path.clone()),
        scale: scale(attrs),
        columns: columns(attrs),
        selectable: attrs.selectable.iter().map(dotted).collect(),
        short_names: values(&attrs.short_names),
        categories: values(&attrs.categories),
        derives: check::usable_derives(attrs)
            .into_iter()
            .filter(|path| !path.is_ident("Default"))
            .collect(),
        default: attrs.derives.iter().any(|(path, _)| path.is_ident("Default")),
        attributes: check::usable_attributes(attrs),
        schema: schema(attrs),
        annotations: pairs(&attrs.annotations),
        labels: pairs(&attrs.labels),
        validations: attrs.validations.clone(),
        cel: attrs.cel.is_some_and(|(value, _)| value),
        storage: attrs.storage.unwrap_or(true),
        served: attrs.served.unwrap_or(true),
        deprecated: attrs.deprecated.as_ref().map(|deprecated| match deprecated {
            Deprecated::Flag => None,
            Deprecated::Warning(text) => Some(text.value()),
        }),
        apply: apply_of(input, attrs, errors),
        crates: attrs.crates.clone().unwrap_or_default(),
        group,
        version,
        kind,
        plural,
        singular,
    })
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
