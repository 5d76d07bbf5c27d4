//! `#[kube(...)]` of `CustomResource`, as written.

use proc_macro2::Span;
use serde_json::{Map, Value as Json};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Expr, Field, Ident, Lit, LitStr, Meta, Path};

use super::crates::Crates;
use super::item::{Item, Value, items_of, once, split, strings, ungroup};
use super::{rule, schema, suggest};
use crate::errors::Errors;

/// Everything that may stand in `#[kube(...)]` on a spec.
#[derive(Default)]
pub(crate) struct KubeAttrs {
    /// Keys that were given, whether or not their value could be read.
    pub(crate) given: Vec<String>,
    pub(crate) group: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) kind: Option<LitStr>,
    pub(crate) root: Option<LitStr>,
    pub(crate) plural: Option<LitStr>,
    pub(crate) singular: Option<LitStr>,
    pub(crate) doc: Option<LitStr>,
    pub(crate) namespaced: Option<(bool, Span)>,
    pub(crate) scope: Option<LitStr>,
    pub(crate) no_spec: Option<(bool, Span)>,
    pub(crate) status: Option<(Path, Span)>,
    pub(crate) scale: Option<Scale>,
    pub(crate) columns: Vec<Column>,
    pub(crate) selectable: Vec<LitStr>,
    pub(crate) short_names: Vec<LitStr>,
    pub(crate) categories: Vec<LitStr>,
    pub(crate) derives: Vec<(Path, Span)>,
    pub(crate) attributes: Vec<Meta>,
    pub(crate) schema: Option<LitStr>,
    pub(crate) annotations: Vec<(LitStr, LitStr)>,
    pub(crate) labels: Vec<(LitStr, LitStr)>,
    pub(crate) validations: Vec<Expr>,
    pub(crate) cel: Option<(bool, Span)>,
    pub(crate) storage: Option<bool>,
    /// The type of the version before.
    pub(crate) previous: Option<Path>,
    /// `conversion(overflow = "...")`.
    pub(crate) overflow: Option<LitStr>,
    pub(crate) served: Option<bool>,
    pub(crate) deprecated: Option<Deprecated>,
    pub(crate) apply: Option<bool>,
    pub(crate) crates: Option<Crates>,
    /// Where something stands that `KubeSchema` reads: attributes of fields and variants, and its keys of types.
    pub(crate) shaped: Option<Span>,
}

/// `deprecated` or `deprecated = "warning"`.
pub(crate) enum Deprecated {
    Flag,
    Warning(LitStr),
}

/// `scale(...)`, or its older form as JSON.
pub(crate) struct Scale {
    pub(crate) span: Span,
    pub(crate) spec_replicas_path: Option<LitStr>,
    pub(crate) status_replicas_path: Option<LitStr>,
    pub(crate) label_selector_path: Option<LitStr>,
}

/// `printcolumn(...)`, or its older form as JSON.
pub(crate) struct Column {
    pub(crate) span: Span,
    pub(crate) name: Option<LitStr>,
    pub(crate) type_: Option<LitStr>,
    pub(crate) json_path: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
    pub(crate) format: Option<LitStr>,
    pub(crate) priority: Option<i32>,
}

pub(super) const KEYS: &[&str] = &[
    "group",
    "version",
    "kind",
    "root",
    "singular",
    "plural",
    "namespaced",
    "scope",
    "status",
    "scale",
    "printcolumn",
    "selectable",
    "shortname",
    "shortnames",
    "category",
    "categories",
    "derive",
    "attr",
    "schema",
    "doc",
    "annotation",
    "label",
    "validation",
    "cel",
    "storage",
    "served",
    "deprecated",
    "previous",
    "conversion",
    "no_spec",
    "apply",
    "crates",
];

/// Reads the attributes of a spec.
pub(crate) fn read(input: &DeriveInput, errors: &mut Errors) -> KubeAttrs {
    let mut attrs = KubeAttrs::default();
    for item in items_of(&input.attrs, "kube", errors) {
        attrs.take(&item, errors);
    }
    attrs.shaped = attrs.shaped.or_else(|| on_parts(input));
    refuse_markers(input, errors);
    attrs
}

impl KubeAttrs {
    fn take(&mut self, item: &Item, errors: &mut Errors) {
        let key = &item.key;
        let name = key.to_string();
        self.given.push(name.clone());
        match name.as_str() {
            "group" => text(&mut self.group, item, errors),
            "version" => text(&mut self.version, item, errors),
            "kind" => text(&mut self.kind, item, errors),
            "root" => text(&mut self.root, item, errors),
            "plural" => text(&mut self.plural, item, errors),
            "singular" => text(&mut self.singular, item, errors),
            "doc" => text(&mut self.doc, item, errors),
            "scope" => text(&mut self.scope, item, errors),
            "schema" => text(&mut self.schema, item, errors),
            "namespaced" => flag(&mut self.namespaced, item, errors),
            "no_spec" => flag(&mut self.no_spec, item, errors),
            "cel" => flag(&mut self.cel, item, errors),
            "storage" => switch(&mut self.storage, item, errors),
            "served" => switch(&mut self.served, item, errors),
            "apply" => switch(&mut self.apply, item, errors),
            "previous" => {
                let path = item.path(errors);
                once(&mut self.previous, key, path, errors);
            }
            "conversion" => {
                let overflow = conversion(item, errors);
                once(&mut self.overflow, key, overflow, errors);
            }
            "status" => {
                let path = item.path(errors).map(|path| (path, item.span()));
                once(&mut self.status, key, path, errors);
            }
            "deprecated" => {
                let value = match item.value {
                    Value::Flag => Some(Deprecated::Flag),
                    _ => item.string(errors).map(Deprecated::Warning),
                };
                once(&mut self.deprecated, key, value, errors);
            }
            "scale" => {
                let scale = scale(item, errors);
                once(&mut self.scale, key, scale, errors);
            }
            "crates" => {
                let crates = Crates::read(item, errors);
                once(&mut self.crates, key, Some(crates), errors);
            }
            "printcolumn" => self.columns.extend(column(item, errors)),
            "selectable" => self.selectable.extend(item.string(errors)),
            "shortname" | "shortnames" => many(&mut self.short_names, item, errors),
            "category" | "categories" => many(&mut self.categories, item, errors),
            "annotation" => self.annotations.extend(pair(item, errors)),
            "label" => self.labels.extend(pair(item, errors)),
            "derive" => {
                if let Some(text) = item.string(errors) {
                    match text.parse() {
                        Ok(path) => self.derives.push((path, text.span())),
                        Err(_) => errors.at(
                            text.span(),
                            format!(
                                "`{}` is no path of a derive; write one trait, as `derive = \"PartialEq\"`",
                                text.value()
                            ),
                        ),
                    }
                }
            }
            "attr" => {
                if let Some(text) = item.string(errors) {
                    match text.parse() {
                        Ok(meta) => self.attributes.push(meta),
                        Err(_) => errors.at(
                            text.span(),
                            format!(
                                "`{}` is no attribute; write what stands in `#[...]`, as `attr = \"allow(dead_code)\"`",
                                text.value()
                            ),
                        ),
                    }
                }
            }
            "validation" => match &item.value {
                Value::Expr(expr) => {
                    rule::check_in(expr, errors);
                    self.validations.push(expr.clone());
                }
                _ => errors.at(
                    item.span(),
                    "write `validation = \"self.spec...\"` or `validation = Rule::new(\"...\")`",
                ),
            },
            _ if schema::is_type_key(&name) => self.shaped = self.shaped.or(Some(key.span())),
            _ => errors.at(key.span(), suggest::unknown("kube", &name, KEYS)),
        }
    }
}

fn text(slot: &mut Option<LitStr>, item: &Item, errors: &mut Errors) {
    let value = item.string(errors);
    once(slot, &item.key, value, errors);
}

fn flag(slot: &mut Option<(bool, Span)>, item: &Item, errors: &mut Errors) {
    let value = item.bool(errors).map(|value| (value, item.key.span()));
    once(slot, &item.key, value, errors);
}

fn switch(slot: &mut Option<bool>, item: &Item, errors: &mut Errors) {
    let value = item.bool(errors);
    once(slot, &item.key, value, errors);
}

/// `shortname = "a"` or `shortnames("a", "b")`; each key takes both forms.
fn many(slot: &mut Vec<LitStr>, item: &Item, errors: &mut Errors) {
    match &item.value {
        Value::List(tokens, _) => slot.extend(strings(tokens.clone(), errors)),
        _ => slot.extend(item.string(errors)),
    }
}

/// `annotation("key", "value")`.
fn pair(item: &Item, errors: &mut Errors) -> Option<(LitStr, LitStr)> {
    if let Value::List(tokens, _) = &item.value {
        let mut parts = strings(tokens.clone(), errors).into_iter();
        if let (Some(key), Some(value), None) = (parts.next(), parts.next(), parts.next()) {
            return Some((key, value));
        }
    }
    let key = &item.key;
    errors.at(item.span(), format!("write `{key}(\"key\", \"value\")`"));
    None
}

/// `conversion(overflow = "fail")`.
fn conversion(item: &Item, errors: &mut Errors) -> Option<LitStr> {
    let Value::List(tokens, span) = &item.value else {
        errors.at(item.span(), "write `conversion(overflow = \"fail\")`");
        return None;
    };
    let mut overflow = None;
    for entry in split(tokens.clone(), errors) {
        if entry.key == "overflow" {
            text(&mut overflow, &entry, errors);
        } else {
            let key = entry.key.to_string();
            errors.at(
                entry.key.span(),
                suggest::unknown("conversion", &key, &["overflow"]),
            );
        }
    }
    if tokens.is_empty() {
        errors.at(*span, "write `conversion(overflow = \"fail\")`");
    }
    overflow
}

const SCALE_KEYS: &[&str] = &[
    "spec_replicas_path",
    "status_replicas_path",
    "label_selector_path",
];
const SCALE_JSON_KEYS: &[&str] = &["specReplicasPath", "statusReplicasPath", "labelSelectorPath"];

fn scale(item: &Item, errors: &mut Errors) -> Option<Scale> {
    let mut scale = Scale {
        span: item.span(),
        spec_replicas_path: None,
        status_replicas_path: None,
        label_selector_path: None,
    };
    match &item.value {
        Value::List(tokens, _) => {
            for item in split(tokens.clone(), errors) {
                let slot = match item.key.to_string().as_str() {
                    "spec_replicas_path" => &mut scale.spec_replicas_path,
                    "status_replicas_path" => &mut scale.status_replicas_path,
                    "label_selector_path" => &mut scale.label_selector_path,
                    key => {
                        errors.at(item.key.span(), suggest::unknown("scale", key, SCALE_KEYS));
                        continue;
                    }
                };
                text(slot, &item, errors);
            }
        }
        _ => {
            let (mut json, span) = json(item, "scale", errors)?;
            scale.spec_replicas_path = take_text(&mut json, "specReplicasPath", span, errors);
            scale.status_replicas_path = take_text(&mut json, "statusReplicasPath", span, errors);
            scale.label_selector_path = take_text(&mut json, "labelSelectorPath", span, errors);
            refuse_rest(&json, SCALE_JSON_KEYS, span, errors);
        }
    }
    Some(scale)
}

const COLUMN_KEYS: &[&str] = &["name", "type_", "json_path", "description", "format", "priority"];
const COLUMN_JSON_KEYS: &[&str] = &["name", "type", "jsonPath", "description", "format", "priority"];

fn column(item: &Item, errors: &mut Errors) -> Option<Column> {
    let mut column = Column {
        span: item.span(),
        name: None,
        type_: None,
        json_path: None,
        description: None,
        format: None,
        priority: None,
    };
    match &item.value {
        Value::List(tokens, _) => {
            for item in split(tokens.clone(), errors) {
                let slot = match item.key.to_string().as_str() {
                    "name" => &mut column.name,
                    "type_" | "type" | "r#type" => &mut column.type_,
                    "json_path" => &mut column.json_path,
                    "description" => &mut column.description,
                    "format" => &mut column.format,
                    "priority" => {
                        let value = item.i32(errors);
                        once(&mut column.priority, &item.key, value, errors);
                        continue;
                    }
                    key => {
                        errors.at(item.key.span(), suggest::unknown("printcolumn", key, COLUMN_KEYS));
                        continue;
                    }
                };
                text(slot, &item, errors);
            }
        }
        _ => {
            let (mut json, span) = json(item, "printcolumn", errors)?;
            column.name = take_text(&mut json, "name", span, errors);
            column.type_ = take_text(&mut json, "type", span, errors);
            column.json_path = take_text(&mut json, "jsonPath", span, errors);
            column.description = take_text(&mut json, "description", span, errors);
            column.format = take_text(&mut json, "format", span, errors);
            column.priority = match json.remove("priority") {
                None | Some(Json::Null) => None,
                Some(value) => match value.as_i64().and_then(|value| i32::try_from(value).ok()) {
                    Some(value) => Some(value),
                    None => {
                        errors.at(span, "`priority` takes a 32-bit integer");
                        None
                    }
                },
            };
            refuse_rest(&json, COLUMN_JSON_KEYS, span, errors);
        }
    }
    Some(column)
}

/// The older form of a key: one JSON object in a string.
fn json(item: &Item, key: &str, errors: &mut Errors) -> Option<(Map<String, Json>, Span)> {
    let literal = match &item.value {
        Value::Expr(expr) => match ungroup(expr) {
            Expr::Lit(lit) => match &lit.lit {
                Lit::Str(text) => Some(text),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let Some(text) = literal else {
        errors.at(
            item.span(),
            format!("write `{key}(...)` with keys in the parentheses"),
        );
        return None;
    };
    match serde_json::from_str(&text.value()) {
        Ok(map) => Some((map, text.span())),
        Err(error) => {
            errors.at(
                text.span(),
                format!("`{key}` is not a JSON object ({error}); `{key}(...)` with keys is easier to write"),
            );
            None
        }
    }
}

fn take_text(map: &mut Map<String, Json>, key: &str, span: Span, errors: &mut Errors) -> Option<LitStr> {
    match map.remove(key)? {
        Json::String(text) => Some(LitStr::new(&text, span)),
        Json::Null => None,
        _ => {
            errors.at(span, format!("`{key}` takes a string"));
            None
        }
    }
}

/// kube-derive passes over such keys, so what was meant by them is lost.
fn refuse_rest(map: &Map<String, Json>, known: &[&str], span: Span, errors: &mut Errors) {
    for key in map.keys() {
        let advice = match suggest::nearest(key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys are {}", suggest::list(known)),
        };
        errors.at(span, format!("unknown key `{key}` in the JSON; {advice}"));
    }
}

/// Where `#[kube]` stands on a field or variant. Only `KubeSchema` reads it there, and a derive cannot see which others
/// are made: a constant asks for it.
fn on_parts(input: &DeriveInput) -> Option<Span> {
    let on_fields = fields(input).into_iter().flat_map(|field| &field.attrs);
    let on_variants = variants(input).into_iter().flat_map(|variant| &variant.attrs);
    on_fields
        .chain(on_variants)
        .find(|attr| attr.path().is_ident("kube") && super::defaults::is_of_schema(attr))
        .map(|attr| attr.path().span())
}

/// Lines of kubebuilder and code-generator that were left in a doc comment: nothing reads them, and they would
/// stand in the schema's descriptions.
fn refuse_markers(input: &DeriveInput, errors: &mut Errors) {
    let on_fields = fields(input).into_iter().flat_map(|field| &field.attrs);
    let on_variants = variants(input).into_iter().flat_map(|variant| &variant.attrs);
    for attr in input.attrs.iter().chain(on_fields).chain(on_variants) {
        if let Meta::NameValue(pair) = &attr.meta
            && attr.path().is_ident("doc")
            && let Expr::Lit(lit) = &pair.value
            && let Lit::Str(text) = &lit.lit
        {
            for line in text.value().lines() {
                if let Some(message) = suggest::leftover(line) {
                    errors.at(text.span(), message);
                }
            }
        }
    }
}

fn fields(input: &DeriveInput) -> Vec<&Field> {
    match &input.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    }
}

fn variants(input: &DeriveInput) -> Vec<&syn::Variant> {
    match &input.data {
        Data::Enum(data) => data.variants.iter().collect(),
        _ => Vec::new(),
    }
}

/// The identifier that a name is, if it is one.
pub(crate) fn ident_of(text: &LitStr) -> Option<Ident> {
    text.parse().ok()
}
