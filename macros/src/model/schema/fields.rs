//! Fields: what holds for each, and the rules that it gives to the object around it.

use proc_macro2::Span;
use quote::ToTokens;
use serde_json::{Value as Json, json};
use syn::spanned::Spanned;
use syn::{Expr, Type};

use super::marks::{self, Words};
use super::rules;
use super::types::{self, Known};
use super::{Check, Child, Extra, Field, Later, doc, json as written};
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
    pub(super) kube_derive: bool,
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
        let marks = schema::of_part(&field.attrs, Place::Field, errors);
        let skipped = part.skip || part.skip_deserializing.is_some() && part.skip_serializing.is_some();
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
        let made = one(field, &name, part, &marks, around, errors);
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
        resolve(&mut found, reference, errors);
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

/// A rule of one field that names others.
struct Reference {
    field: String,
    key: &'static str,
    others: Vec<syn::LitStr>,
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
    let marks = schema::of_part(&field.attrs, Place::Field, errors);
    let name = field.ident.as_ref().map_or_else(|| "0".to_owned(), schema::plain);
    let made = one(field, &name, part, &marks, around, errors);
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
    part: Part,
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
    let child = child(field, &part, given.is_some(), &ty, errors);
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
    if flag(marks, "schema_default") {
        schema_default(marks, &part, field, around, &mut words, errors);
    }
    let references = references(name, marks, optional, &node, &mut words, errors);
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
            child,
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
            if let Ok(instead) = text.parse() {
                *ty = instead;
                return None;
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

/// What a structural schema cannot say of a field's type.
fn refuse(
    ty: &Type,
    marks: &[Mark],
    place: &str,
    around: &Around<'_>,
    checks: &mut Vec<Check>,
    errors: &mut Errors,
) {
    let inner = types::peel(ty).0;
    let cut = flag(marks, "preserve_unknown_fields") || marks.iter().any(|mark| mark.key == "max_depth");
    if types::holds(ty, around.ident) && !cut {
        errors.at(
            ty.span(),
            format!(
                "`{}` contains itself here; structural schemas have no references: cut with \
                 #[kube(preserve_unknown_fields)] on the field or bound with #[kube(max_depth = n)]",
                around.ident
            ),
        );
    }
    match types::known(inner) {
        Known::Unit => errors.at(
            inner.span(),
            "`()` serializes as null, which is always dropped; remove the field or use an empty struct `S {}`",
        ),
        Known::Tuple => errors.at(
            inner.span(),
            "a structural schema cannot describe a tuple; use a struct with named fields (or `Vec<T>` if all members \
             have one type)",
        ),
        Known::Integer(bits) if bits.wide => {
            errors.at(inner.span(), "the integer is larger than 64 bits: use a string");
        }
        Known::Nothing(what) => errors.at(
            inner.span(),
            format!("{what} cannot be represented in JSON; leave it out with #[serde(skip)]"),
        ),
        Known::Clock(name) => errors.at(
            inner.span(),
            format!(
                "serde writes std's `{name}` as an object of two numbers; use {}, or say otherwise with \
                 #[serde(with = \"...\")] and #[schemars(with = \"String\")]",
                if name == "Duration" {
                    "Kubernetes' `Duration` (a string)"
                } else {
                    "Kubernetes' `Time` (a date-time)"
                }
            ),
        ),
        Known::Map(Some(key), value) => {
            map_key(key, marks, place, checks, errors);
            if let Some(value) = value {
                deeper(value, "map value", marks, place, around, checks, errors);
            }
        }
        Known::List(Some(item)) | Known::Array(item) => {
            deeper(item, "list item", marks, place, around, checks, errors);
        }
        Known::Set(Some(item)) => {
            if matches!(types::kind(item), types::Kind::Map | types::Kind::List) {
                errors.at(
                    item.span(),
                    "only scalars (or atomic objects) can form a set; use `Vec` with list_type = map and keys",
                );
            } else if types::kind(item) == types::Kind::Unknown
                && !marks.iter().any(|mark| mark.key == "list_type" || mark.key == "list_map_keys")
            {
                checks.push(Check::Set {
                    place: place.to_owned(),
                    ty: item.clone(),
                    span: item.span(),
                });
            }
            deeper(item, "list item", marks, place, around, checks, errors);
        }
        _ => {}
    }
}

/// The same inside of lists and maps, where null is no absence.
fn deeper(
    ty: &Type,
    what: &str,
    marks: &[Mark],
    place: &str,
    around: &Around<'_>,
    checks: &mut Vec<Check>,
    errors: &mut Errors,
) {
    let key = if what == "list item" { "items" } else { "values" };
    let inside: &[Mark] = marks
        .iter()
        .find_map(|mark| match &mark.value {
            Given::Marks(inside) if mark.key == key => Some(inside.as_slice()),
            _ => None,
        })
        .unwrap_or_default();
    if types::peel(ty).1 > 0 && !flag(inside, "nullable") && !around.kube_derive {
        let effect = if what == "list item" {
            "an error"
        } else {
            "dropped"
        };
        errors.at(
            ty.span(),
            format!(
                "null in a {what} is {effect}: make {key} nullable (`{key}(nullable)`) or drop the Option"
            ),
        );
    }
    // A cut at the field holds inside too.
    let cut = ["preserve_unknown_fields", "max_depth", "int_keys"];
    let cut = marks
        .iter()
        .filter(|mark| cut.contains(&mark.key) && !matches!(mark.value, Given::Flag(false)));
    let mut around = Around {
        ident: around.ident,
        name: around.name.clone(),
        rename_all: None,
        defaulted: None,
        optional: false,
        strict_ints: false,
        kube_derive: around.kube_derive,
        told: around.told,
    };
    // The whole type was looked at for itself already.
    let nobody = syn::Ident::new("__nobody", Span::call_site());
    around.ident = &nobody;
    if cut.clone().next().is_some() && inside.is_empty() {
        refuse(ty, marks, place, &around, checks, errors);
    } else {
        refuse(ty, inside, place, &around, checks, errors);
    }
}

/// Keys of a map are strings in JSON (SCH-89, SCH-90).
fn map_key(key: &Type, marks: &[Mark], place: &str, checks: &mut Vec<Check>, errors: &mut Errors) {
    let accepted = flag(marks, "int_keys");
    match types::kind(key) {
        types::Kind::Text => {}
        types::Kind::Integer | types::Kind::Bool if accepted => {}
        types::Kind::Integer | types::Kind::Bool => errors.at(
            key.span(),
            format!(
                "{} map keys cannot be validated by the server; use `Vec` of a keyed struct with list_type = map, or \
                 accept them with #[kube(int_keys)]",
                if types::kind(key) == types::Kind::Bool { "boolean" } else { "integer" }
            ),
        ),
        types::Kind::Unknown => {
            if !accepted {
                checks.push(Check::Key {
                    place: place.to_owned(),
                    ty: key.clone(),
                    span: key.span(),
                });
            }
        }
        other => errors.at(
            key.span(),
            format!("keys of a map are strings in JSON, and `{}` is {}", types::text(key), other.name()),
        ),
    }
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
    for (key, span) in &extras.unreadable {
        errors.at(
            *span,
            format!("`schemars({key})` is not known here; write it in #[kube(...)]"),
        );
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

/// Rules that a field's marks stand for, of itself and of the object around it.
fn references(
    name: &str,
    marks: &[Mark],
    optional: bool,
    node: &marks::Node<'_>,
    words: &mut Words,
    errors: &mut Errors,
) -> Vec<Reference> {
    let mut found = Vec::new();
    let field = rules::escaped(name);
    for mark in marks {
        match (mark.key, &mark.value) {
            ("immutable", Given::Flag(true)) => {
                words.rule(rules::rule("self == oldSelf", "field is immutable"));
                if optional {
                    words.parent.push(rules::stays(name));
                }
            }
            ("monotonic", Given::Flag(true)) => {
                words.rule(rules::rule("self >= oldSelf", "must not decrease"));
            }
            ("forbidden", Given::Flag(true)) => {
                words.parent.push(rules::rule(
                    format!("!has(self.{field})"),
                    format!("field {name} is forbidden"),
                ));
            }
            ("update", Given::Texts(texts)) => {
                for text in texts {
                    match text.value().as_str() {
                        "no-set" | "NoSet" => words.parent.push(rules::rule(
                            format!("has(oldSelf.{field}) || !has(self.{field})"),
                            format!("field {name} cannot be set once created"),
                        )),
                        "no-unset" | "NoUnset" => words.parent.push(rules::rule(
                            format!("!has(oldSelf.{field}) || has(self.{field})"),
                            format!("field {name} cannot be cleared once set"),
                        )),
                        "no-modify" | "NoModify" => {
                            words.rule(rules::rule(
                                "self == oldSelf",
                                "field cannot be modified once set",
                            ));
                        }
                        other => errors.at(
                            text.span(),
                            format!("`{other}` is none of `no-set`, `no-unset` and `no-modify`"),
                        ),
                    }
                    if !optional && !matches!(text.value().as_str(), "no-modify" | "NoModify") {
                        errors.at(text.span(), "the field is required, so that it is always set");
                    }
                }
            }
            ("requires" | "conflicts_with", Given::Texts(others)) => found.push(Reference {
                field: name.to_owned(),
                key: mark.key,
                others: others.clone(),
            }),
            ("item", Given::Inside(which, inside)) => {
                let select: Vec<String> = which
                    .iter()
                    .map(|(key, value)| format!("x.{} == {}", rules::escaped(key), rules::literal(value)))
                    .collect();
                let select = select.join(" && ");
                let name: Vec<String> = which
                    .iter()
                    .map(|(key, value)| format!("{key}: {value}"))
                    .collect();
                let name = name.join(", ");
                part_rules(
                    inside,
                    "x",
                    &format!("the item with {name}"),
                    words,
                    errors,
                    |condition| format!("self.filter(x, {select}).all(x, {condition})"),
                );
                for mark in inside {
                    match mark.key {
                        "forbidden" => words.rule(rules::rule(
                            format!("!self.exists(x, {select})"),
                            format!("an item with {name} is forbidden"),
                        )),
                        "required" => words.rule(rules::rule(
                            format!("self.exists(x, {select})"),
                            format!("an item with {name} is required"),
                        )),
                        "immutable" => words.rule(rules::rule(
                            format!("self.filter(x, {select}) == oldSelf.filter(x, {select})"),
                            format!("the item with {name} is immutable"),
                        )),
                        _ => {}
                    }
                }
                if node.kind != types::Kind::List && node.kind != types::Kind::Unknown {
                    errors.at(mark.span, "`item(...)` is for lists");
                }
            }
            ("subfield", Given::Inside(which, inside)) => {
                let Some((key, _)) = which.first() else { continue };
                let part = format!("self.{}", rules::escaped(key));
                part_rules(
                    inside,
                    &part,
                    &format!("field {key}"),
                    words,
                    errors,
                    |condition| format!("!has({part}) || ({condition})"),
                );
                for mark in inside {
                    match mark.key {
                        "forbidden" => words.rule(rules::rule(
                            format!("!has({part})"),
                            format!("field {key} is forbidden"),
                        )),
                        "required" => {
                            words.rule(rules::rule(
                                format!("has({part})"),
                                format!("field {key} is required"),
                            ));
                        }
                        "immutable" => {
                            let old = part.replacen("self", "oldSelf", 1);
                            words.rule(rules::rule(
                                format!("has({part}) == has({old}) && (!has({part}) || {part} == {old})"),
                                format!("field {key} is immutable"),
                            ));
                        }
                        _ => {}
                    }
                }
            }
            ("map_key", Given::Flag(true)) => words.note("mapKey", true),
            _ => {}
        }
    }
    found
}

/// The plain conditions among the marks of a part; flags are the caller's.
fn part_rules(
    inside: &[Mark],
    subject: &str,
    what: &str,
    words: &mut Words,
    errors: &mut Errors,
    around: impl Fn(&str) -> String,
) {
    for mark in inside {
        if ["forbidden", "required", "immutable"].contains(&mark.key) {
            continue;
        }
        for (condition, must) in rules::conditions(std::slice::from_ref(mark), subject, errors) {
            let rule = around(&condition);
            words.rule(if must.is_empty() {
                json!({ "rule": rule })
            } else {
                rules::rule(rule, format!("{what} must be {must}"))
            });
        }
    }
}

/// `requires` and `conflicts_with`, once all fields are known.
fn resolve(found: &mut Fields, reference: Reference, errors: &mut Errors) {
    let mut rules_of_parent = Vec::new();
    for other in &reference.others {
        let Some(name) = named_field(other, &found.names, found.open, errors) else {
            continue;
        };
        let (field, this) = (&reference.field, rules::escaped(&reference.field));
        let that = rules::escaped(&name);
        rules_of_parent.push(if reference.key == "requires" {
            rules::rule(
                format!("!has(self.{this}) || has(self.{that})"),
                format!("field {name} is required when {field} is set"),
            )
        } else {
            rules::rule(
                format!("!(has(self.{this}) && has(self.{that}))"),
                format!("fields {field} and {name} may not be set together"),
            )
        });
    }
    if let Some(field) = found
        .fields
        .iter_mut()
        .find(|field| field.name == reference.field)
    {
        let mut map: serde_json::Map<String, Json> =
            serde_json::from_str(&field.extra.keywords).unwrap_or_default();
        if let Json::Array(list) = map.entry("parent").or_insert_with(|| json!([])) {
            list.extend(rules_of_parent);
        }
        field.extra.keywords = written(&map);
    }
}

/// A field by its name in JSON, or by that in Rust.
pub(super) fn named_field(
    text: &syn::LitStr,
    names: &[(String, String)],
    open: bool,
    errors: &mut Errors,
) -> Option<String> {
    let value = text.value();
    if let Some((name, _)) = names.iter().find(|(name, rust)| *name == value || *rust == value) {
        return Some(name.clone());
    }
    if open {
        return Some(value);
    }
    let known: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    let advice = match suggest::nearest(&value, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the fields are {}", suggest::list(&known)),
    };
    errors.at(text.span(), format!("there is no field `{value}`; {advice}"));
    None
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
    if let (Some(read), Some(written)) = (&rename.read, &rename.written)
        && read != written
    {
        errors.at(
            rename.span,
            format!("read by `{read}` and written by `{written}`: the stored name must be the read name"),
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
        kube_derive: type_marks.iter().any(|mark| {
            mark.key == "compat" && matches!(&mark.value, Given::Text(text) if text.value() == "kube-derive")
        }),
        told,
    }
}
