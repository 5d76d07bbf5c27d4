//! What a type is in JSON: by its fields or variants, and by what serde's attributes make of them.

use proc_macro2::Span;
use serde_json::Value as Json;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields as SynFields, Type};

use super::fields::{self, Around, Fields};
use super::marks::{self, Words};
use super::relations;
use super::types;
use super::variants::enumeration;
use super::{Check, Extra, Form, Kind, Later, Schema, doc, json as written, rules};
use crate::attrs::form::{self, Container};
use crate::attrs::schema::{self, Given, Mark, TypeMarks};
use crate::attrs::serde;
use crate::errors::Errors;

/// What was found of the type.
pub(super) struct Found {
    form: Form,
    kind: Kind,
    checks: Vec<Check>,
    /// Rules of variants and fields, which stand before the type's own.
    names: Vec<(String, String)>,
    open: bool,
    nones: Vec<(syn::Ident, String)>,
}

impl Found {
    fn object(fields: Fields) -> Self {
        Self {
            form: Form::Object(fields.fields),
            kind: Kind::Known("Object"),
            checks: fields.checks,
            names: fields.names,
            open: fields.open,
            nones: fields.nones,
        }
    }

    /// Whether a field is surely there in every value. A type that is only a name here may be an `Option` elsewhere.
    fn always_has(&self, name: &str) -> bool {
        let Form::Object(fields) = &self.form else {
            return false;
        };
        fields
            .iter()
            .any(|field| field.name == name && !field.optional && !field.flat && field.child.is_known())
    }

    pub(super) fn enumeration(form: Form, kind: Kind, checks: Vec<Check>) -> Self {
        Self {
            form,
            kind,
            checks,
            names: Vec::new(),
            open: true,
            nones: Vec::new(),
        }
    }
}

/// Builds the model of a struct or an enum.
pub(super) fn build(
    input: &DeriveInput,
    attrs: &TypeMarks,
    serde: &Container,
    errors: &mut Errors,
) -> Schema {
    let marks = &attrs.marks;
    let around = fields::around(&input.ident, serde, marks, attrs.kind.is_some(), errors);
    let mut instead: Type = syn::parse_quote!(Self);
    let given = fields::given(marks, &mut instead, errors);
    let found = match (&given, &serde.extras.with) {
        (Some(given), _) => Found::enumeration(
            Form::Same(Box::new(stand_in(super::Child::Given))),
            Kind::Known(kind_name(given.kind)),
            Vec::new(),
        ),
        (None, Some(with)) => as_type(with.clone()),
        (None, None) => match (&serde.extras.schema_with, &serde.converted) {
            (Some(function), _) => Found::enumeration(
                Form::Same(Box::new(stand_in(super::Child::Function(function.clone())))),
                Kind::Known("Unknown"),
                Vec::new(),
            ),
            (None, Some((key, span))) => converted(input, key, *span, errors),
            (None, None) => match &input.data {
                Data::Struct(data) => structure(&data.fields, input, serde, &around, errors),
                Data::Enum(data) => enumeration(data, input, serde, marks, &around, errors),
                Data::Union(_) => Found::object(Fields::default()),
            },
        },
    };
    let mut words = of_type(
        marks,
        &found,
        given.as_ref().map(|given| given.kind),
        input,
        errors,
    );
    if let Some(given) = given {
        for (key, value) in given.keywords {
            words.map.entry(key).or_insert(value);
        }
    }
    fields::unread(&serde.extras, errors);
    if let Some(default) = serde.default.clone().filter(|_| !found.nones.is_empty()) {
        words.later.push(Later::Nones(default, found.nones));
    }
    fields::extras(&serde.extras, types::Kind::Unknown, &mut words, errors);
    if serde.deny_unknown_fields.is_some() {
        words.note("denyUnknownFields", true);
    }
    if let (Form::Names(..), Data::Enum(data)) = (&found.form, &input.data)
        && data
            .variants
            .iter()
            .any(|variant| form::part(&variant.attrs).other.is_some())
    {
        words.note("otherVariant", true);
    }
    let mut checks = found.checks;
    if attrs.kind.is_some() {
        root(input, &found.form, &found.kind, &mut checks, errors);
    }
    checks.extend(std::mem::take(&mut words.checks));
    let of_schemars = serde.extras.rename.as_ref().map(syn::LitStr::value);
    let name = of_schemars.or_else(|| serde.rename.as_ref()?.read.clone());
    Schema {
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        name: name.unwrap_or_else(|| input.ident.to_string()),
        extra: Extra {
            doc: doc::read(&input.attrs, attrs.kind.is_some(), errors),
            keywords: written(&words.map),
            later: words.later,
        },
        links: found.form.links(),
        form: found.form,
        kind: found.kind,
        compat: around.compat,
        checks,
        spec: None,
        crates: crate::attrs::crates::Crates::default(),
    }
}

/// SCH-80: what stands under `spec` is an object.
fn root(input: &DeriveInput, form: &Form, kind: &Kind, checks: &mut Vec<Check>, errors: &mut Errors) {
    let scalar = match (form, kind) {
        (Form::Names(..), _) => true,
        (_, Kind::As(ty)) => {
            let known = types::kind(ty);
            if known == types::Kind::Unknown {
                checks.push(Check::Root {
                    place: input.ident.to_string(),
                    ty: types::peel(ty).0.clone(),
                    span: ty.span(),
                });
            }
            !matches!(known, types::Kind::Unknown | types::Kind::Map | types::Kind::Any)
        }
        _ => false,
    };
    if scalar {
        errors.at(
            input.ident.span(),
            "spec must be an object: wrap the value in a struct",
        );
    }
}

fn kind_name(kind: types::Kind) -> &'static str {
    match kind {
        types::Kind::Text => "String",
        types::Kind::Integer => "Integer",
        types::Kind::Number => "Number",
        types::Kind::Bool => "Boolean",
        types::Kind::List => "List",
        types::Kind::Map => "Map",
        types::Kind::IntOrString => "IntOrString",
        types::Kind::Any => "Any",
        types::Kind::Unknown => "Unknown",
    }
}

/// A value whose schema is not that of a field.
fn stand_in(child: super::Child) -> super::Field {
    super::Field {
        name: "0".to_owned(),
        child,
        inner: None,
        always: false,
        optional: false,
        flat: false,
        nullable: false,
        defaulted: false,
        extra: Extra::default(),
    }
}

fn as_type(ty: Type) -> Found {
    Found::enumeration(
        Form::Same(Box::new(stand_in(super::Child::Type(ty.clone())))),
        Kind::As(Box::new(ty)),
        Vec::new(),
    )
}

/// serde's `from`, `try_from` and `into`: the type in JSON is another one, which has to be one and the same.
fn converted(input: &DeriveInput, key: &str, span: Span, errors: &mut Errors) -> Found {
    let named = |key: &str| {
        let metas = serde::metas(&input.attrs);
        metas.into_iter().find_map(|meta| {
            let syn::Meta::NameValue(pair) = &meta else {
                return None;
            };
            if !meta.path().is_ident(key) {
                return None;
            }
            let syn::Expr::Lit(lit) = &pair.value else {
                return None;
            };
            let syn::Lit::Str(text) = &lit.lit else {
                return None;
            };
            text.parse::<Type>().ok()
        })
    };
    let read = named("from").or_else(|| named("try_from"));
    let into = named("into");
    if let (Some(read), Some(into)) = (&read, &into)
        && types::text(read) != types::text(into)
    {
        errors.at(
            span,
            format!(
                "read from `{}` and written as `{}`: the stored form must be the read form",
                types::text(read),
                types::text(into)
            ),
        );
    }
    let other = match (&read, &into) {
        (Some(read), None) => Some(("read from", read, "into", "Serialize")),
        (None, Some(into)) => Some(("written as", into, "from", "Deserialize")),
        _ => None,
    };
    if let Some((done, ty, key, by_hand)) = other {
        let ty = types::text(ty);
        errors.at(
            span,
            format!(
                "{done} `{ty}` and not the other way round: the stored form must be the read form; add \
                 `#[serde({key} = \"{ty}\")]`, or `#[schemars(with = \"{ty}\")]` where `{by_hand}` is written by hand"
            ),
        );
    }
    match read.or(into) {
        Some(ty) => as_type(ty),
        None => {
            errors.at(
                span,
                format!(
                    "the schema of `{}` is unknown because serde({key}) changes its form; say which with \
                     #[schemars(with = \"...\")] or #[kube(schema = \"string\")]",
                    input.ident
                ),
            );
            Found::object(Fields::default())
        }
    }
}

fn structure(
    fields: &SynFields,
    input: &DeriveInput,
    serde: &Container,
    around: &Around<'_>,
    errors: &mut Errors,
) -> Found {
    match fields {
        SynFields::Named(named) if !serde.transparent => {
            let mut found = fields::named(&named.named, around, errors);
            if let Some(tag) = &serde.tag {
                // serde writes the struct's name under it.
                let name = serde.rename.as_ref().and_then(|rename| rename.written.clone());
                let name = name.unwrap_or_else(|| schema::plain(&input.ident));
                found.names.push((tag.value(), tag.value()));
                found.fields.insert(0, tag_field(&tag.value(), &name));
            }
            Found::object(found)
        }
        SynFields::Unit => {
            errors.at(
                input.ident.span(),
                "a unit struct serializes as null, which is always dropped; use an empty struct `S {}`",
            );
            Found::object(Fields::default())
        }
        SynFields::Named(_) | SynFields::Unnamed(_) => {
            // Of a tuple serde writes a list, even if all members but one are left out.
            let written = fields.iter().filter(|field| {
                let part = form::part(&field.attrs);
                !serde.transparent || !part.skip && !is_phantom(&field.ty)
            });
            let written: Vec<&syn::Field> = written.collect();
            match written.as_slice() {
                [only] => {
                    let (field, checks) = fields::value(only, around, errors);
                    let kind = match &field.child {
                        super::Child::Type(ty) => Kind::As(Box::new(ty.clone())),
                        _ => Kind::Known("Unknown"),
                    };
                    Found::enumeration(Form::Same(Box::new(field)), kind, checks)
                }
                [] => {
                    errors.at(
                        input.ident.span(),
                        "nothing of this type is written; use a struct with named fields",
                    );
                    Found::object(Fields::default())
                }
                _ => {
                    errors.at(
                        fields.span(),
                        "a structural schema cannot describe a tuple; use a struct with named fields (or `Vec<T>` if \
                         all members have one type)",
                    );
                    Found::object(Fields::default())
                }
            }
        }
    }
}

fn is_phantom(ty: &Type) -> bool {
    matches!(types::known(ty), types::Known::Nothing("a `PhantomData`"))
}

fn tag_field(tag: &str, name: &str) -> super::Field {
    let keywords = serde_json::json!({"type": "string", "enum": [name]});
    super::Field {
        name: tag.to_owned(),
        extra: Extra {
            keywords: keywords.to_string(),
            ..Extra::default()
        },
        ..stand_in(super::Child::Given)
    }
}

/// The type's own keywords.
fn of_type(
    marks: &[Mark],
    found: &Found,
    given: Option<types::Kind>,
    input: &DeriveInput,
    errors: &mut Errors,
) -> Words {
    let kind = given.unwrap_or(match (&found.kind, &found.form) {
        (Kind::As(ty), _) => types::kind(ty),
        (_, Form::Names(..)) => types::Kind::Text,
        (Kind::Known("Object"), _) => types::Kind::Map,
        _ => types::Kind::Unknown,
    });
    let ty = match &found.kind {
        Kind::As(ty) => Some(&**ty),
        Kind::Known(_) => None,
    };
    let node = marks::Node {
        ty,
        kind,
        place: input.ident.to_string(),
        path: Vec::new(),
    };
    let mut words = Words::default();
    for mark in marks {
        if let ("exactly_one_of" | "at_most_one_of" | "at_least_one_of", Given::Texts(texts)) =
            (mark.key, &mark.value)
        {
            let names: Vec<String> = texts
                .iter()
                .filter_map(|text| relations::named_field(text, &found.names, found.open, errors))
                .collect();
            if texts.len() < 2 {
                errors.at(mark.span, format!("`{}` names two fields or more", mark.key));
            }
            if !matches!(found.form, Form::Object(_)) {
                errors.at(
                    mark.span,
                    format!("`{}` is for structs with named fields", mark.key),
                );
            } else if names.len() == texts.len() {
                for (text, name) in texts.iter().zip(&names) {
                    if found.always_has(name) {
                        errors.at(
                            text.span(),
                            format!("`{name}` is required, so that it is always set; make it an `Option`"),
                        );
                    }
                }
                words.rule(rules::one_of(mark.key, &names));
            }
        }
    }
    if !matches!(found.form, Form::Names(..)) {
        for mark in marks.iter().filter(|mark| mark.key == "open_enum") {
            errors.at(
                mark.span,
                "`open_enum` is for enums whose variants are written as strings",
            );
        }
    }
    let embedded = ["embedded", "embedded_resource"];
    let embedded = embedded.iter().any(|key| fields::flag(marks, key));
    if matches!(found.form, Form::Object(_)) && !found.open && !embedded {
        super::names::check(marks, &found.names, errors);
    }
    let laid = marks::lay(marks, &node, errors);
    let before = words.map.remove("x-kubernetes-validations");
    let mut map = laid.map;
    if let Some(Json::Array(mut before)) = before {
        if let Some(Json::Array(mut own)) = map.remove("x-kubernetes-validations") {
            before.append(&mut own);
        }
        map.insert("x-kubernetes-validations".to_owned(), Json::Array(before));
    }
    Words { map, ..laid }
}
