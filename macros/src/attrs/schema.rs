//! `#[kube(...)]` and `#[x_kube(...)]` of `KubeSchema`, as written.
//!
//! **Invariant:** every key stands in [`KEYS`] once, with what it takes and where it may stand; nothing else reads a key.

use proc_macro2::{Span, TokenStream};
use serde_json::Value as Json;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, Lit, LitStr};

use super::crates::Crates;
use super::custom_resource;
use super::item::{Item, Value, items_of, once, split, strings, ungroup};
use super::{json, rule, suggest};
use crate::errors::Errors;

/// A key, its value, and where it stands.
pub(crate) struct Mark {
    pub(crate) key: &'static str,
    pub(crate) span: Span,
    pub(crate) value: Given,
}

/// A value as written.
pub(crate) enum Given {
    Flag(bool),
    Json(Json, Span),
    Expr(Expr),
    Text(LitStr),
    Texts(Vec<LitStr>),
    Jsons(Vec<(Span, Json)>),
    Marks(Vec<Mark>),
    /// `item(name = "x", ...)` and `subfield(name, ...)`: which one, and its marks.
    Inside(Vec<(String, Json)>, Vec<Mark>),
    Docs(Option<LitStr>, Option<LitStr>),
}

/// How a key's value is read.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    Flag,
    /// A number, or an expression for one.
    Number,
    /// A number that is not negative, or an expression for one.
    Count,
    /// A string, or an expression for one.
    Text,
    /// A string, to be looked at while compiling.
    Word,
    /// A word or a count.
    WordOrCount,
    /// `key("a", "b")` or `key = "a"`.
    Texts,
    /// A flag or texts.
    FlagOrTexts,
    /// JSON, or an expression for a value.
    Json,
    /// `key("a", 1)`.
    Jsons,
    /// An expression.
    Expr,
    /// `key(key = ...)`.
    Marks,
    Item,
    Subfield,
    Docs,
    Column,
}

/// Where a key may stand.
const FIELD: u8 = 1;
/// In `items(...)`, `values(...)` and `keys(...)`.
const INSIDE: u8 = 2;
/// On a struct or an enum.
const TYPE: u8 = 4;
/// On a variant.
const VARIANT: u8 = 8;
const VALUE: u8 = FIELD | INSIDE | TYPE;
const ANY: u8 = VALUE | VARIANT;

/// Where an attribute stands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Place {
    Field,
    Inside,
    Type,
    Variant,
}

impl Place {
    fn bit(self) -> u8 {
        match self {
            Self::Field => FIELD,
            Self::Inside => INSIDE,
            Self::Type => TYPE,
            Self::Variant => VARIANT,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Field => "a field",
            Self::Inside => "items or values",
            Self::Type => "a type",
            Self::Variant => "a variant",
        }
    }
}

/// All keys, in the order of the documentation.
const KEYS: &[(&str, Takes, u8)] = &[
    ("minimum", Takes::Number, VALUE),
    ("maximum", Takes::Number, VALUE),
    ("exclusive_minimum", Takes::Number, VALUE),
    ("exclusive_maximum", Takes::Number, VALUE),
    ("multiple_of", Takes::Number, VALUE),
    ("min_length", Takes::Count, VALUE),
    ("max_length", Takes::Count, VALUE),
    ("max_bytes", Takes::Count, VALUE),
    ("pattern", Takes::Text, VALUE),
    ("format", Takes::Word, VALUE),
    ("min_items", Takes::Count, VALUE),
    ("max_items", Takes::Count, VALUE),
    ("unique", Takes::FlagOrTexts, VALUE),
    ("min_properties", Takes::Count, VALUE),
    ("max_properties", Takes::Count, VALUE),
    ("enum_values", Takes::Jsons, VALUE),
    ("not_equal", Takes::Json, VALUE),
    ("list_type", Takes::Word, VALUE),
    ("list_map_keys", Takes::Texts, VALUE),
    ("map_type", Takes::Word, VALUE),
    ("merge_strategy", Takes::Expr, FIELD | TYPE),
    ("map_key", Takes::Flag, FIELD),
    ("items", Takes::Marks, VALUE),
    ("values", Takes::Marks, VALUE),
    ("keys", Takes::Marks, VALUE),
    ("item", Takes::Item, FIELD),
    ("subfield", Takes::Subfield, FIELD),
    ("nullable", Takes::Flag, FIELD | INSIDE),
    ("required", Takes::Flag, FIELD),
    ("default", Takes::Json, FIELD | TYPE),
    ("schema_default", Takes::Flag, FIELD),
    ("validation", Takes::Expr, VALUE),
    ("immutable", Takes::Flag, FIELD),
    ("update", Takes::Texts, FIELD),
    ("monotonic", Takes::Flag, FIELD),
    ("forbidden", Takes::Flag, FIELD),
    ("requires", Takes::Texts, FIELD),
    ("conflicts_with", Takes::Texts, FIELD),
    ("exactly_one_of", Takes::Texts, TYPE),
    ("at_most_one_of", Takes::Texts, TYPE),
    ("at_least_one_of", Takes::Texts, TYPE),
    ("schema", Takes::Word, FIELD | TYPE),
    ("schema_type", Takes::Word, FIELD | TYPE),
    ("int_or_string", Takes::Flag, VALUE),
    ("preserve_unknown_fields", Takes::Flag, ANY),
    ("embedded_resource", Takes::Flag, VALUE),
    ("embedded", Takes::Flag, VALUE),
    ("embedded_object_meta", Takes::Flag, VALUE),
    ("full_schema", Takes::Flag, VALUE),
    ("max_depth", Takes::Count, FIELD | TYPE),
    ("int_keys", Takes::Flag, FIELD | INSIDE),
    ("strict_ints", Takes::Flag, FIELD | TYPE | INSIDE),
    ("open_enum", Takes::Flag, TYPE),
    ("empty_ok", Takes::Flag, TYPE),
    ("optional_by_default", Takes::Flag, TYPE),
    ("title", Takes::Text, ANY),
    ("description", Takes::WordOrCount, FIELD | TYPE | INSIDE),
    ("max_desc_len", Takes::Count, FIELD | TYPE | INSIDE),
    ("example", Takes::Json, VALUE),
    ("external_docs", Takes::Docs, VALUE),
    ("allow", Takes::Texts, FIELD | TYPE | INSIDE),
    ("allow_float", Takes::Flag, FIELD | TYPE | INSIDE),
    ("compat", Takes::Word, TYPE),
    ("skip", Takes::Flag, FIELD | VARIANT),
    ("printcolumn", Takes::Column, FIELD),
    ("selectable", Takes::Flag, FIELD),
];

/// Keys that may be given more than once.
const MANY: [&str; 9] = [
    "validation",
    "item",
    "subfield",
    "requires",
    "conflicts_with",
    "exactly_one_of",
    "at_most_one_of",
    "at_least_one_of",
    "allow",
];

/// What `#[kube(...)]` says on a type, besides what `CustomResource` reads.
#[derive(Default)]
pub(crate) struct TypeMarks {
    pub(crate) marks: Vec<Mark>,
    pub(crate) crates: Option<Crates>,
    /// Where a key stands that makes this type the spec of a kind.
    pub(crate) kind: Option<Span>,
}

/// Whether a key on a type is one of this derive's, so that another one passes over it.
pub(crate) fn is_type_key(key: &str) -> bool {
    KEYS.iter()
        .any(|(name, _, places)| *name == key && places & TYPE != 0)
}

/// Whether a key of a type is none of this derive's, and like none of them.
fn is_unheard_of(key: &str) -> bool {
    let of_type = |(name, _, places): &&(&'static str, Takes, u8)| *name == key || places & TYPE != 0;
    let known: Vec<&str> = KEYS.iter().filter(of_type).map(|(name, ..)| *name).collect();
    suggest::of_schema(key).is_none() && suggest::nearest(key, &known).is_none()
}

/// Reads the attributes of a type.
///
/// On a spec, where `CustomResource` reads the same attribute, its keys are its own: a rule stands at the root of the
/// object, and `schema` says whether there is one.
pub(crate) fn of_type(attrs: &[Attribute], errors: &mut Errors) -> TypeMarks {
    let mut found = TypeMarks::default();
    let items = items_of(attrs, "kube", errors);
    let names_kind = |item: &&Item| ["group", "version", "kind"].iter().any(|key| item.key == key);
    found.kind = items.iter().find(names_kind).map(|item| item.key.span());
    for item in items {
        let key = item.key.to_string();
        if key == "crates" {
            let crates = Crates::read(&item, errors);
            once(&mut found.crates, &item.key, Some(crates), errors);
        } else if found.kind.is_some() && custom_resource::KEYS.contains(&key.as_str()) {
            // Read, and judged, by the other derive.
        } else if found.kind.is_some() && is_unheard_of(&key) {
            // The other derive reports it, and there is nothing to add.
        } else if found.kind.is_none() && custom_resource::KEYS.contains(&key.as_str()) && !is_type_key(&key)
        {
            errors.at(
                item.key.span(),
                format!("`{key}` is a key of `CustomResource`; it belongs on the spec of a kind"),
            );
        } else {
            take(&mut found.marks, &item, Place::Type, errors);
        }
    }
    for item in items_of(attrs, "x_kube", errors) {
        if item.key == "crates" {
            let crates = Crates::read(&item, errors);
            once(&mut found.crates, &item.key, Some(crates), errors);
        } else {
            take(&mut found.marks, &item, Place::Type, errors);
        }
    }
    found
}

/// Reads the attributes of a field or a variant.
pub(crate) fn of_part(attrs: &[Attribute], place: Place, errors: &mut Errors) -> Vec<Mark> {
    let mut marks = Vec::new();
    for name in ["kube", "x_kube"] {
        for item in items_of(attrs, name, errors) {
            take(&mut marks, &item, place, errors);
        }
    }
    marks
}

fn take(marks: &mut Vec<Mark>, item: &Item, place: Place, errors: &mut Errors) {
    let key = item.key.to_string();
    let Some((name, takes, places)) = KEYS.iter().find(|(name, ..)| *name == key) else {
        errors.at(item.key.span(), unknown(&key, place));
        return;
    };
    if places & place.bit() == 0 {
        let wanted = [Place::Field, Place::Type, Place::Variant, Place::Inside];
        let wanted = wanted.iter().filter(|place| places & place.bit() != 0);
        let wanted: Vec<&str> = wanted.map(|place| place.name()).collect();
        errors.at(
            item.key.span(),
            format!(
                "`{key}` stands on {}, not on {}",
                wanted.join(" or "),
                place.name()
            ),
        );
        return;
    }
    if !MANY.contains(name) && marks.iter().any(|mark| mark.key == *name) {
        errors.at(item.key.span(), format!("`{key}` is given twice; keep one"));
        return;
    }
    if let Some(value) = read(*takes, item, errors) {
        marks.push(Mark {
            key: name,
            span: item.key.span(),
            value,
        });
    }
}

fn unknown(key: &str, place: Place) -> String {
    if let Some(advice) = suggest::of_schema(key) {
        return format!("unknown key `{key}`; {advice}");
    }
    let known: Vec<&str> = KEYS
        .iter()
        .filter(|(.., places)| places & place.bit() != 0)
        .map(|(name, ..)| *name)
        .collect();
    if custom_resource::KEYS.contains(&key) {
        return format!("`{key}` stands on the spec of a kind, not on {}", place.name());
    }
    match suggest::nearest(key, &known) {
        Some(near) => format!("unknown key `{key}`; did you mean `{near}`?"),
        None => format!(
            "unknown key `{key}`; the keys for {} are {}",
            place.name(),
            suggest::list(&known)
        ),
    }
}

fn read(takes: Takes, item: &Item, errors: &mut Errors) -> Option<Given> {
    let key = &item.key;
    match takes {
        Takes::Flag => item.bool(errors).map(Given::Flag),
        Takes::Word => item.string(errors).map(Given::Text),
        Takes::Number => number(item, errors, Json::is_number, "a number", "1"),
        Takes::Count => number(item, errors, Json::is_u64, "a number that is not negative", "1"),
        Takes::Text => match &item.value {
            Value::Expr(expr) => Some(match ungroup(expr) {
                Expr::Lit(lit) => match &lit.lit {
                    Lit::Str(text) => Given::Text(text.clone()),
                    _ => return item.string(errors).map(Given::Text),
                },
                other => Given::Expr(other.clone()),
            }),
            _ => item.string(errors).map(Given::Text),
        },
        Takes::WordOrCount => match &item.value {
            Value::Expr(expr) => match json::of_expr(expr) {
                Some(json @ Json::Number(_)) => Some(Given::Json(json, expr.span())),
                _ => item.string(errors).map(Given::Text),
            },
            _ => item.string(errors).map(Given::Text),
        },
        Takes::Texts => texts(item, errors).map(Given::Texts),
        Takes::FlagOrTexts => match &item.value {
            Value::List(..) => texts(item, errors).map(Given::Texts),
            _ => item.bool(errors).map(Given::Flag),
        },
        Takes::Json => match json::of_item(item) {
            Ok(Some(json)) => Some(Given::Json(json, item.span())),
            Ok(None) => match &item.value {
                Value::Expr(expr) => Some(Given::Expr(expr.clone())),
                _ => None,
            },
            Err(error) => {
                errors.at(error.span, error.message);
                None
            }
        },
        Takes::Jsons => match &item.value {
            Value::List(tokens, _) => {
                let mut values = Vec::new();
                for (span, value) in json::list(tokens.clone()) {
                    match value {
                        Ok(value) => values.push((span, value)),
                        Err(error) => errors.at(error.span, error.message),
                    }
                }
                Some(Given::Jsons(values))
            }
            _ => {
                errors.at(item.span(), format!("write `{key}(\"a\", \"b\")`"));
                None
            }
        },
        Takes::Expr => match &item.value {
            Value::Expr(expr) => {
                if key == "validation" {
                    rule::check_in(expr, errors);
                }
                Some(Given::Expr(expr.clone()))
            }
            _ => {
                errors.at(item.span(), format!("write `{key} = ...`"));
                None
            }
        },
        Takes::Marks => match &item.value {
            Value::List(tokens, _) => Some(Given::Marks(inside(tokens.clone(), errors))),
            _ => {
                errors.at(
                    item.span(),
                    format!("write `{key}(...)` with keys in the parentheses"),
                );
                None
            }
        },
        Takes::Item => selected(item, errors),
        Takes::Subfield => subfield(item, errors),
        Takes::Docs => docs(item, errors),
        Takes::Column => match &item.value {
            Value::List(tokens, _) => Some(Given::Marks(column(tokens.clone(), errors))),
            _ => item.string(errors).map(Given::Text),
        },
    }
}

fn inside(tokens: TokenStream, errors: &mut Errors) -> Vec<Mark> {
    let mut marks = Vec::new();
    for item in split(tokens, errors) {
        take(&mut marks, &item, Place::Inside, errors);
    }
    marks
}

fn number(
    item: &Item,
    errors: &mut Errors,
    fits: fn(&Json) -> bool,
    what: &str,
    example: &str,
) -> Option<Given> {
    if let Value::Expr(expr) = &item.value {
        match json::of_expr(expr) {
            Some(json) if fits(&json) => return Some(Given::Json(json, expr.span())),
            Some(_) => {}
            // A constant, or a call.
            None => return Some(Given::Expr(expr.clone())),
        }
    }
    let key = &item.key;
    errors.at(
        item.span(),
        format!("`{key}` takes {what}: write `{key} = {example}`"),
    );
    None
}

fn texts(item: &Item, errors: &mut Errors) -> Option<Vec<LitStr>> {
    match &item.value {
        Value::List(tokens, span) => {
            let texts = strings(tokens.clone(), errors);
            if texts.is_empty() {
                errors.at(*span, format!("`{}` is empty", item.key));
            }
            Some(texts)
        }
        _ => item.string(errors).map(|text| vec![text]),
    }
}

/// `item(name = "x", minimum = 1)`: what is no key of ours is one of the item's fields.
fn selected(item: &Item, errors: &mut Errors) -> Option<Given> {
    let Value::List(tokens, span) = &item.value else {
        errors.at(
            item.span(),
            "write `item(name = \"x\", ...)`: which item, then what holds for it",
        );
        return None;
    };
    let mut which = Vec::new();
    let mut marks = Vec::new();
    for entry in split(tokens.clone(), errors) {
        let name = entry.key.to_string();
        let is_key = KEYS.iter().any(|(key, ..)| *key == name);
        match &entry.value {
            Value::Expr(expr) if !is_key => match json::of_expr(expr) {
                Some(value) => which.push((name.trim_start_matches("r#").to_owned(), value)),
                None => errors.at(
                    expr.span(),
                    "write a literal: the key's value of the item that is meant",
                ),
            },
            _ => take(&mut marks, &entry, inside_of(&name), errors),
        }
    }
    if which.is_empty() {
        errors.at(*span, "write which item is meant, as `item(name = \"x\", ...)`");
    }
    Some(Given::Inside(which, marks))
}

/// `subfield(name, min_length = 1)`.
fn subfield(item: &Item, errors: &mut Errors) -> Option<Given> {
    let Value::List(tokens, span) = &item.value else {
        errors.at(
            item.span(),
            "write `subfield(name, ...)`: which field, then what holds for it",
        );
        return None;
    };
    let mut which = Vec::new();
    let mut marks = Vec::new();
    for entry in split(tokens.clone(), errors) {
        let name = entry.key.to_string();
        match &entry.value {
            Value::Flag if which.is_empty() => which.push((name, Json::Null)),
            Value::Expr(expr) if name == "name" && which.is_empty() => match json::of_expr(expr) {
                Some(Json::String(text)) => which.push((text, Json::Null)),
                _ => errors.at(expr.span(), "write the field's name as a string"),
            },
            _ => take(&mut marks, &entry, inside_of(&name), errors),
        }
    }
    if which.is_empty() {
        errors.at(*span, "write which field is meant, as `subfield(name, ...)`");
    }
    Some(Given::Inside(which, marks))
}

/// Rules that else stand on fields alone can be meant for a part of one.
fn inside_of(key: &str) -> Place {
    match key {
        "immutable" | "forbidden" | "required" | "update" | "monotonic" | "item" | "subfield" => Place::Field,
        _ => Place::Inside,
    }
}

fn docs(item: &Item, errors: &mut Errors) -> Option<Given> {
    let Value::List(tokens, _) = &item.value else {
        errors.at(
            item.span(),
            "write `external_docs(url = \"...\", description = \"...\")`",
        );
        return None;
    };
    let (mut url, mut description) = (None, None);
    for entry in split(tokens.clone(), errors) {
        let slot = match entry.key.to_string().as_str() {
            "url" => &mut url,
            "description" => &mut description,
            key => {
                errors.at(
                    entry.key.span(),
                    suggest::unknown("external_docs", key, &["url", "description"]),
                );
                continue;
            }
        };
        let text = entry.string(errors);
        once(slot, &entry.key, text, errors);
    }
    if url.is_none() {
        errors.at(item.span(), "`url` is missing in `external_docs(...)`");
    }
    Some(Given::Docs(url, description))
}

/// `printcolumn(name = "", description = "", priority = 1)` on a field.
fn column(tokens: TokenStream, errors: &mut Errors) -> Vec<Mark> {
    const COLUMN: &[&str] = &["name", "type_", "format", "description", "priority"];
    let mut marks: Vec<Mark> = Vec::new();
    for entry in split(tokens, errors) {
        let name = entry.key.to_string();
        let Some(key) = COLUMN.iter().find(|key| **key == name) else {
            errors.at(entry.key.span(), suggest::unknown("printcolumn", &name, COLUMN));
            continue;
        };
        let value = if *key == "priority" {
            entry.i32(errors).map(|n| Given::Json(n.into(), entry.span()))
        } else {
            entry.string(errors).map(Given::Text)
        };
        marks.extend(value.map(|value| Mark {
            key,
            span: entry.key.span(),
            value,
        }));
    }
    marks
}

/// The identifier that a rule calls a field by.
pub(crate) fn plain(name: &Ident) -> String {
    use syn::ext::IdentExt;
    name.unraw().to_string()
}
