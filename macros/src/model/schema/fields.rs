//! Fields: what holds for each, and the rules that it gives to the object around it.

use proc_macro2::Span;
use quote::ToTokens;
use serde_json::{Value as Json, json};
use syn::spanned::Spanned;
use syn::{Expr, Type};

use super::marks::{self, Words};
use super::nulls;
use super::refused::refuse;
use super::relations::{Reference, references, resolve};
use super::types;
use super::{Check, Child, Compat, Extra, Field, Later, doc, json as written};
use crate::attrs::form::{self, Container, Extras, Part};
use crate::attrs::schema::{self, Given, Mark, Place};
use crate::attrs::{serde, suggest};
use crate::errors::Errors;

/// The type around the fields.
pub(super) struct Around<'a> {
    pub(super) ident: &'a syn::Ident,
    pub(super) name: String,
    /// `rename_all`, as it is read.
    pub(super) rename_all: Option<String>,
    /// Fields may be absent: `#[serde(default)]` on the type.
    pub(super) defaulted: Option<form::Default>,
    pub(super) optional: bool,
    pub(super) strict_ints: bool,
    pub(super) compat: Compat,
    /// The type itself says where it ends, should it contain itself.
    pub(super) cut: bool,
    /// Markers in doc comments were reported by `CustomResource`.
    pub(super) told: bool,
}

/// The fields of an object, rules between them, and checks of constants.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) fields: Vec<Field>,
    pub(super) checks: Vec<Check>,
    /// Names in JSON, and in Rust, for rules that name fields.
    pub(super) names: Vec<(String, String)>,
    /// Some fields are not known here.
    pub(super) open: bool,
    /// Fields whose `None` is read as what the type's own default has, in Rust and in JSON.
    pub(super) nones: Vec<(syn::Ident, String)>,
}

/// Reads named fields.
pub(super) fn named<'a>(
    fields: impl IntoIterator<Item = &'a syn::Field>,
    around: &Around<'_>,
    errors: &mut Errors,
) -> Fields {
    let mut found = Fields::default();
    let mut seen: Vec<(String, Span)> = Vec::new();
    let mut references: Vec<Reference> = Vec::new();
    let mut flats: Vec<(Type, String, Span)> = Vec::new();
    for field in fields {
        let Some(ident) = &field.ident else { continue };
        let rust = schema::plain(ident);
        let part = form::part(&field.attrs);
        unread(&part.extras, errors);
        let marks = schema::of_part(&field.attrs, Place::Field, errors);
        let skipped = part.skip || part.skip_deserializing.is_some() && part.skip_serializing.is_some();
        if let Some(mark) = marks.iter().find(|mark| mark.key == "skip")
            && !skipped
            && part.skip_serializing.is_none()
        {
            errors.at(
                mark.span,
                "serde writes this field, and the server drops what is not in the schema; write `#[serde(skip)]` or \
                 `#[serde(skip_serializing)]` too",
            );
        }
        if skipped || flag(&marks, "skip") {
            continue;
        }
        let name = name(&part, &rust, around, errors);
        let flat = part.flatten.is_some();
        if !flat {
            if seen.iter().any(|(before, _)| *before == name) {
                errors.at(
                    ident.span(),
                    format!("another field is written `{name}` too; rename one"),
                );
            }
            seen.push((name.clone(), ident.span()));
        }
        let made = one(field, &name, &part, &marks, around, errors);
        if around.defaulted.is_some() && nulls::none_of_the_type(field, &part, &marks, &made.field, around) {
            found.nones.push((ident.clone(), name.clone()));
        }
        references.extend(made.references);
        found.checks.extend(made.checks);
        if flat {
            found.open = true;
            let ty = types::peel(&field.ty).0.clone();
            flats.push((ty, format!("{}.{rust}", around.name), field.ty.span()));
        }
        found.names.push((name, rust));
        found.fields.push(made.field);
    }
    for reference in references {
        resolve(&mut found, &reference, errors);
    }
    for (ty, place, span) in flats {
        let names = seen.iter().map(|(name, _)| name.clone()).collect();
        found.checks.push(Check::Flat {
            place,
            names,
            ty,
            span,
        });
    }
    found
}

/// A field, and what it asks of the rest.
struct Made {
    field: Field,
    checks: Vec<Check>,
    references: Vec<Reference>,
}

/// The one value of a newtype, or of a variant.
pub(super) fn value(field: &syn::Field, around: &Around<'_>, errors: &mut Errors) -> (Field, Vec<Check>) {
    let part = form::part(&field.attrs);
    unread(&part.extras, errors);
    let marks = schema::of_part(&field.attrs, Place::Field, errors);
    let name = field.ident.as_ref().map_or_else(|| "0".to_owned(), schema::plain);
    let made = one(field, &name, &part, &marks, around, errors);
    // The value is never absent by itself, so that `None` is null wherever it stands.
    if types::peel(&field.ty).1 == 1 && !made.field.nullable && around.compat != Compat::KubeDerive {
        errors.at(
            field.ty.span(),
            "`None` is written as null, which the server drops, and then the value is missing: make the fields of this \
             type an `Option` instead, or add `#[kube(nullable)]` here",
        );
    }
    for reference in &made.references {
        let span = reference
            .others
            .first()
            .map_or_else(Span::call_site, syn::LitStr::span);
        errors.at(
            span,
            format!(
                "`{}` names fields, and there are none beside this one",
                reference.key
            ),
        );
    }
    (made.field, made.checks)
}

fn one(
    field: &syn::Field,
    name: &str,
    part: &Part,
    marks: &[Mark],
    around: &Around<'_>,
    errors: &mut Errors,
) -> Made {
    let rust = field
        .ident
        .as_ref()
        .map_or_else(|| name.to_owned(), schema::plain);
    let place = format!("{}.{rust}", around.name);
    let mut ty = part.extras.with.clone().unwrap_or_else(|| field.ty.clone());
    // A given schema replaces whatever the type would have.
    let given = given(marks, &mut ty, errors);
    let child = child(field, part, given.is_some(), &ty, errors);
    let known = !matches!(child, Child::Function(_) | Child::Given);
    let node = marks::Node {
        ty: known.then_some(&ty),
        kind: given.as_ref().map_or(
            if known {
                types::kind(&ty)
            } else {
                types::Kind::Unknown
            },
            |given| given.kind,
        ),
        place: place.clone(),
        path: Vec::new(),
    };
    let mut words = marks::lay(marks, &node, errors);
    if let Some(given) = given {
        for (key, value) in given.keywords {
            words.map.entry(key).or_insert(value);
        }
    }
    extras(&part.extras, node.kind, &mut words, errors);
    let mut checks = std::mem::take(&mut words.checks);
    if known {
        refuse(&ty, marks, &place, around, &mut checks, errors);
    }
    let cut = around.cut || is_cut(marks);
    // One that is this type was told of.
    let inner = types::leaf(&ty).filter(|(leaf, _)| known && !cut && !types::holds(leaf, around.ident));
    if let Some((leaf, true)) = inner {
        checks.push(Check::Recursion {
            place: place.clone(),
            ty: leaf.clone(),
            span: leaf.span(),
        });
    }
    if words.nullable && part.skip_serializing_if.is_none() {
        nulls::null_of_an_enum(marks, &node, &words, &mut checks, errors);
    }
    let options = types::peel(&field.ty).1;
    if options > 1 && !words.nullable {
        errors.at(
            field.ty.span(),
            "null and absent are told apart only with `#[kube(nullable)]`; remove one `Option`, or add it",
        );
    }
    let required = flag(marks, "required") || part.extras.required;
    if required && options > 0 && !words.nullable && flag(marks, "required") && part.default.is_none() {
        let span = marks
            .iter()
            .find(|mark| mark.key == "required")
            .map_or(field.ty.span(), |m| m.span);
        errors.at(
            span,
            "`None` is written as null, which the server drops, and then the field is missing; remove the `Option`, or \
             add `nullable`",
        );
    }
    let optional = !required
        && (options > 0
            || part.default.is_some()
            || around.defaulted.is_some()
            || around.optional
            || part.skip_deserializing.is_some());
    if let Some(span) = part.skip_serializing_if
        && !optional
        && !words.defaulted
        && part.flatten.is_none()
    {
        errors.at(
            span,
            "where this leaves the field out, the server refuses the object, in which it is required; add \
             `#[serde(default)]`, or write it always",
        );
    }
    nulls::none_of_a_default(part, marks, field, &words, around, errors);
    if flag(marks, "schema_default") {
        schema_default(marks, part, field, around, &mut words, errors);
    }
    let references = references(name, marks, optional, &node, &mut words, errors);
    doubtful(part, &ty, &mut words);
    if around.strict_ints && !words.map.contains_key("x-kubewright") {
        words.note("strictInts", true);
    }
    columns(marks, &mut words, name);
    if !words.parent.is_empty() {
        let rules = std::mem::take(&mut words.parent);
        words.map.insert("parent".to_owned(), Json::Array(rules));
    }
    let doc = doc::read(&field.attrs, around.told, errors);
    Made {
        field: Field {
            name: name.to_owned(),
            inner: inner.map(|(leaf, _)| leaf.clone()),
            child,
            always: required && options > 0,
            optional,
            flat: part.flatten.is_some(),
            nullable: words.nullable,
            defaulted: words.defaulted,
            extra: Extra {
                doc,
                keywords: written(&words.map),
                later: words.later,
            },
        },
        checks,
        references,
    }
}

/// The name by which the field is read; it has to be that by which it is written (SCH-101).
fn name(part: &Part, rust: &str, around: &Around<'_>, errors: &mut Errors) -> String {
    let by_rule = || serde::field_name(rust, around.rename_all.as_deref());
    let Some(rename) = &part.rename else {
        return by_rule();
    };
    let read = rename.read.clone().unwrap_or_else(by_rule);
    let written = rename.written.clone().unwrap_or_else(by_rule);
    if read != written && part.skip_serializing.is_none() && part.skip_deserializing.is_none() {
        errors.at(
            rename.span,
            format!("read as `{read}` and written as `{written}`: the stored name must be the read name"),
        );
    }
    read
}

/// Whether what is held here ends, should it contain the type around it.
pub(super) fn is_cut(marks: &[Mark]) -> bool {
    marks.iter().any(|mark| match (mark.key, &mark.value) {
        ("preserve_unknown_fields", Given::Flag(on)) => *on,
        ("max_depth", _) => true,
        ("items" | "values", Given::Marks(inside)) => is_cut(inside),
        _ => false,
    })
}

pub(super) fn flag(marks: &[Mark], key: &str) -> bool {
    marks
        .iter()
        .any(|mark| mark.key == key && matches!(mark.value, Given::Flag(true)))
}

/// A schema that is written down.
pub(super) struct GivenSchema {
    pub(super) keywords: serde_json::Map<String, Json>,
    pub(super) kind: types::Kind,
}

/// `schema = "string"` and `schema_type = "string"`.
pub(super) fn given(marks: &[Mark], ty: &mut Type, errors: &mut Errors) -> Option<GivenSchema> {
    const TYPES: [&str; 6] = ["string", "integer", "number", "boolean", "object", "array"];
    let mark = marks
        .iter()
        .find(|mark| mark.key == "schema" || mark.key == "schema_type")?;
    let Given::Text(text) = &mark.value else {
        return None;
    };
    let value = text.value();
    let kind = match value.as_str() {
        "string" => types::Kind::Text,
        "integer" => types::Kind::Integer,
        "number" => types::Kind::Number,
        "boolean" => types::Kind::Bool,
        "object" => types::Kind::Map,
        "array" => types::Kind::List,
        "none" if mark.key == "schema" => {
            if !flag(marks, "preserve_unknown_fields") && !flag(marks, "int_or_string") {
                errors.at(
                    text.span(),
                    "without a type the server takes only what keeps unknown fields: add `preserve_unknown_fields`",
                );
            }
            return Some(GivenSchema {
                keywords: serde_json::Map::new(),
                kind: types::Kind::Unknown,
            });
        }
        // A Rust type whose schema stands in.
        other if mark.key == "schema" && other.starts_with(|c: char| c.is_ascii_uppercase()) => {
            match text.parse() {
                Ok(instead) => *ty = instead,
                Err(_) => errors.at(text.span(), format!("`{other}` is no type")),
            }
            return None;
        }
        other => {
            let advice = match suggest::nearest(other, &TYPES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the types are {}", suggest::list(&TYPES)),
            };
            errors.at(text.span(), format!("`{other}` is no type in JSON; {advice}"));
            return None;
        }
    };
    if kind == types::Kind::List && !marks.iter().any(|mark| mark.key == "items") {
        errors.at(
            text.span(),
            "an array says what its items are: add `items(schema_type = ...)`, or a Rust type",
        );
    }
    Some(GivenSchema {
        keywords: serde_json::Map::from_iter([("type".to_owned(), value.into())]),
        kind,
    })
}

fn child(field: &syn::Field, part: &Part, given: bool, ty: &Type, errors: &mut Errors) -> Child {
    if let Some(function) = &part.extras.schema_with {
        return Child::Function(function.clone());
    }
    if given {
        return Child::Given;
    }
    // The type is not what is written (SCH-104).
    if let Some((key, span)) = &part.converted
        && part.extras.with.is_none()
        && types::text(ty) == types::text(&field.ty)
    {
        let name = field.ident.as_ref().map_or_else(|| "0".to_owned(), schema::plain);
        errors.at(
            *span,
            format!(
                "the schema of `{name}` is unknown because serde({key}) changes its form; say which with \
                 #[schemars(with = \"...\")] or #[kube(schema = \"string\")]"
            ),
        );
    }
    Child::Type(ty.clone())
}

/// What schemars' own attributes say.
pub(super) fn extras(extras: &Extras, kind: types::Kind, words: &mut Words, errors: &mut Errors) {
    const LENGTHS: [(&str, &str); 4] = [
        ("minimum", "minimum"),
        ("maximum", "maximum"),
        ("min_length", "minLength"),
        ("max_length", "maxLength"),
    ];
    for (inside, limits) in [(false, &extras.limits), (true, &extras.inner)] {
        for (key, value) in limits {
            let keyword = LENGTHS
                .iter()
                .find(|(ours, _)| ours == key)
                .map_or(*key, |(_, keyword)| keyword);
            // schemars' `length` is that of a list too.
            let keyword = match keyword {
                "minLength" if kind == types::Kind::List && !inside => "minItems",
                "maxLength" if kind == types::Kind::List && !inside => "maxItems",
                other => other,
            };
            let literal = crate::attrs::json::of_expr(value);
            match literal {
                Some(literal) if !inside => {
                    words.map.entry(keyword.to_owned()).or_insert(literal);
                }
                Some(literal) => {
                    let items = words.map.entry("items").or_insert_with(|| json!({}));
                    if let Json::Object(items) = items {
                        items.entry(keyword.to_owned()).or_insert(literal);
                    }
                }
                None => {
                    let mut path: Vec<String> = inside.then(|| "items".to_owned()).into_iter().collect();
                    path.push(keyword.to_owned());
                    words.later.push(if keyword == "pattern" {
                        Later::Text(path, value.to_token_stream())
                    } else {
                        Later::Set(path, value.to_token_stream())
                    });
                }
            }
        }
    }
    for (key, value) in &extras.extend {
        let group = proc_macro2::Group::new(proc_macro2::Delimiter::None, value.clone());
        match crate::attrs::json::of_group(&group) {
            Ok(value) => {
                words.map.insert(key.value(), value);
            }
            Err(_) => match syn::parse2::<Expr>(value.clone()) {
                Ok(expr) => words
                    .later
                    .push(Later::Set(vec![key.value()], expr.to_token_stream())),
                Err(error) => errors.push(error),
            },
        }
    }
    if let Some(transform) = &extras.transform {
        words.later.push(Later::Transform(transform.clone()));
    }
}

/// Reports what schemars' attribute says and this derive does not follow.
pub(super) fn unread(extras: &Extras, errors: &mut Errors) {
    for (message, span) in &extras.refused {
        errors.at(*span, message.clone());
    }
}

fn schema_default(
    marks: &[Mark],
    part: &Part,
    field: &syn::Field,
    around: &Around<'_>,
    words: &mut Words,
    errors: &mut Errors,
) {
    let span = marks
        .iter()
        .find(|mark| mark.key == "schema_default")
        .map_or(field.ty.span(), |m| m.span);
    if words.defaulted {
        errors.at(span, "`default` says it already; keep one");
        return;
    }
    match (&part.default, &around.defaulted) {
        (Some(default), _) => {
            words.later.push(Later::Default(default.clone(), field.ty.clone()));
            words.defaulted = true;
        }
        (None, Some(_)) => errors.at(
            span,
            "`schema_default` takes the default of the field: add `#[serde(default)]` to it",
        ),
        (None, None) => errors.at(
            span,
            "`schema_default` repeats what serde fills in: add `#[serde(default)]` or `#[serde(default = \"...\")]`",
        ),
    }
}

/// What works, yet probably not as meant: the builder tells it with the field's path.
fn doubtful(part: &Part, ty: &Type, words: &mut Words) {
    let path = matches!(types::peel(ty).0, Type::Path(path)
        if path.path.segments.last().is_some_and(|last| last.ident == "PathBuf"));
    let doubts = [
        // SCH-102.
        (
            "skipSerializing",
            part.skip_serializing.is_some() && part.skip_deserializing.is_none(),
        ),
        (
            "skipDeserializing",
            part.skip_deserializing.is_some() && part.skip_serializing.is_none(),
        ),
        // SCH-103.
        ("alias", part.alias.is_some()),
        // SCH-111.
        ("path", path),
    ];
    for (key, _) in doubts.into_iter().filter(|(_, on)| *on) {
        words.note(key, true);
    }
}

/// `printcolumn` and `selectable` on a field: told to whoever knows the path.
fn columns(marks: &[Mark], words: &mut Words, name: &str) {
    for mark in marks {
        match (mark.key, &mark.value) {
            ("selectable", Given::Flag(true)) => words.note("selectable", true),
            ("printcolumn", Given::Text(text)) => words.note("column", json!({"name": text.value()})),
            ("printcolumn", Given::Marks(marks)) => {
                let mut column = serde_json::Map::from_iter([("name".to_owned(), Json::from(name))]);
                for mark in marks {
                    let value = match &mark.value {
                        Given::Text(text) => text.value().into(),
                        Given::Json(value, _) => value.clone(),
                        _ => continue,
                    };
                    column.insert(mark.key.trim_end_matches('_').to_owned(), value);
                }
                words.note("column", column);
            }
            _ => {}
        }
    }
}

/// What a container says of names.
pub(super) fn rule_of(rename: Option<&form::Name>, errors: &mut Errors) -> Option<String> {
    let rename = rename?;
    if rename.read != rename.written {
        let rule = |rule: &Option<String>| {
            rule.as_ref()
                .map_or("no rule".to_owned(), |rule| format!("`{rule}`"))
        };
        errors.at(
            rename.span,
            format!(
                "read by {} and written by {}: the stored name must be the read name",
                rule(&rename.read),
                rule(&rename.written)
            ),
        );
    }
    rename.read.clone()
}

/// The settings of a container that its fields ask for.
pub(super) fn around<'a>(
    ident: &'a syn::Ident,
    serde: &Container,
    type_marks: &[Mark],
    told: bool,
    errors: &mut Errors,
) -> Around<'a> {
    Around {
        ident,
        name: ident.to_string(),
        rename_all: rule_of(serde.rename_all.as_ref(), errors),
        defaulted: serde.default.clone(),
        optional: flag(type_marks, "optional_by_default"),
        strict_ints: flag(type_marks, "strict_ints"),
        compat: compat(type_marks),
        cut: is_cut(type_marks),
        told,
    }
}

/// `compat = "..."`; what is neither word was reported.
fn compat(marks: &[Mark]) -> Compat {
    let word = marks.iter().find_map(|mark| match &mark.value {
        Given::Text(text) if mark.key == "compat" => Some(text.value()),
        _ => None,
    });
    match word.as_deref() {
        Some("kube-derive") => Compat::KubeDerive,
        Some("controller-gen") => Compat::ControllerGen,
        _ => Compat::Ours,
    }
}
