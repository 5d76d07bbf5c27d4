//! How a type is written in JSON, as serde's attributes say it: what conversions from it and to it have to know.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, Type};

use crate::attrs::form::{self, Container, Name, Part};
use crate::attrs::serde;
use crate::errors::Errors;
use crate::model::schema::types::{self, Known};

/// The written form.
pub(crate) enum Wire {
    /// An object.
    Fields(Vec<WireField>),
    /// What the only field holds.
    Inner,
    Variants(Tagging, Vec<WireVariant>),
}

/// How variants are told apart.
pub(crate) enum Tagging {
    External,
    Internal(String),
    Adjacent(String, String),
}

/// A field, under its Rust name and as it is written.
pub(crate) struct WireField {
    pub(crate) name: Ident,
    /// Absent where it is never written.
    pub(crate) written: Option<String>,
    /// Further names under which it is read.
    pub(crate) aliases: Vec<String>,
    /// An object without it cannot be read.
    pub(crate) required: bool,
    /// The type is an `Option`, which serde reads where the field is absent.
    pub(crate) option: bool,
    /// The fields of this type stand in its place.
    pub(crate) flat: Option<Type>,
    /// serde's `with` and the like: the value is not written as its type would be.
    pub(crate) coded: Option<String>,
    /// It is a flattened map, which takes what no field has.
    pub(crate) open: bool,
}

impl WireField {
    /// The Rust name as text.
    pub(crate) fn rust(&self) -> String {
        use syn::ext::IdentExt;
        self.name.unraw().to_string()
    }
}

/// A variant, under its Rust name and as it is written.
pub(crate) struct WireVariant {
    pub(crate) name: Ident,
    pub(crate) written: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) body: WireBody,
}

/// What a variant holds.
pub(crate) enum WireBody {
    Unit,
    New,
    Fields(Vec<WireField>),
}

impl Wire {
    /// The field of this Rust name.
    pub(super) fn field(&self, name: &Ident) -> Option<&WireField> {
        match self {
            Self::Fields(fields) => fields.iter().find(|field| field.name == *name),
            _ => None,
        }
    }
}

/// Looks at a type. Absent where it is written in a way that a table cannot describe, which is an error here; where the user
/// converts by hand, or nothing is converted, it is passed over.
pub(crate) fn of(input: &DeriveInput, serde: &Container, errors: &mut Errors) -> Option<Wire> {
    let opaque = [
        serde.untagged.map(|span| ("untagged".to_owned(), span)),
        serde.converted.clone(),
        serde
            .remote
            .as_ref()
            .map(|remote| ("remote".to_owned(), remote.span())),
    ];
    if let Some((key, span)) = opaque.into_iter().flatten().next() {
        errors.at(span, unseen(&key));
        return None;
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => {
                let fields = named.named.iter();
                let wire = fields
                    .map(|field| named_field(field, serde.rename_all.as_ref(), serde.default.is_some()));
                let wire: Vec<WireField> = wire.collect();
                let mut kept = named
                    .named
                    .iter()
                    .zip(&wire)
                    .filter(|(_, wire)| wire.written.is_some());
                match (serde.transparent, kept.next()) {
                    (true, Some(_)) => Some(Wire::Inner),
                    _ => Some(Wire::Fields(wire)),
                }
            }
            Fields::Unnamed(unnamed) => match unnamed.unnamed.iter().collect::<Vec<_>>().as_slice() {
                [_] => Some(Wire::Inner),
                _ => {
                    errors.at(
                        unnamed.span(),
                        "a tuple has no fields to convert one by one; name them, or convert it by `manual`",
                    );
                    None
                }
            },
            Fields::Unit => {
                errors.at(
                    input.ident.span(),
                    "serde writes a unit struct as null; an empty struct is written `struct S {}`",
                );
                None
            }
        },
        Data::Enum(data) => {
            let tagging = match (&serde.tag, &serde.content) {
                (None, _) => Tagging::External,
                (Some(tag), None) => Tagging::Internal(tag.value()),
                (Some(tag), Some(content)) => Tagging::Adjacent(tag.value(), content.value()),
            };
            let variants = data.variants.iter();
            let variants: Vec<_> = variants
                .filter_map(|variant| variant_of(variant, serde, errors))
                .collect();
            (variants.len() == data.variants.len()).then_some(Wire::Variants(tagging, variants))
        }
        Data::Union(_) => None,
    }
}

/// E12.
pub(super) fn unseen(key: &str) -> String {
    format!("the conversion table cannot see through `serde({key})`; use `with(...)` or `manual`")
}

fn named_field(field: &syn::Field, rename_all: Option<&Name>, defaulted: bool) -> WireField {
    let part = form::part(&field.attrs);
    let name = field.ident.clone().expect("a named field has a name");
    let (written, aliases) = names(&name, &field.attrs, &part, rename_all, serde::field_name);
    let option = types::peel(&field.ty).1 > 0 && part.converted.is_none();
    WireField {
        written: (!is_skipped(&part)).then_some(written),
        aliases,
        // serde takes an absent `Option` for `None`, unless a function of the user's reads it.
        required: !part.skip && part.flatten.is_none() && part.default.is_none() && !defaulted && !option,
        option,
        coded: part.converted.as_ref().map(|(key, _)| {
            let path = part
                .converter
                .as_ref()
                .map(syn::LitStr::value)
                .unwrap_or_default();
            format!("{key} = \"{path}\"")
        }),
        flat: part.flatten.map(|_| types::peel(&field.ty).0.clone()),
        open: part.flatten.is_some() && matches!(types::kind(&field.ty), types::Kind::Map | types::Kind::Any),
        name,
    }
}

/// Whether serde neither reads nor writes a field.
pub(super) fn is_skipped(part: &Part) -> bool {
    part.skip || (part.skip_serializing.is_some() && part.skip_deserializing.is_some())
}

/// The written name, and all others that are read.
fn names(
    name: &Ident,
    attrs: &[Attribute],
    part: &Part,
    rename_all: Option<&Name>,
    rule: fn(&str, Option<&str>) -> String,
) -> (String, Vec<String>) {
    use syn::ext::IdentExt;
    let plain = name.unraw().to_string();
    let by = |own: Option<&String>, all: Option<&String>| {
        own.cloned()
            .unwrap_or_else(|| rule(&plain, all.map(String::as_str)))
    };
    let own = part.rename.as_ref();
    let written = by(
        own.and_then(|name| name.written.as_ref()),
        rename_all.and_then(|name| name.written.as_ref()),
    );
    let read = by(
        own.and_then(|name| name.read.as_ref()),
        rename_all.and_then(|name| name.read.as_ref()),
    );
    let mut aliases = serde::aliases(attrs);
    if read != written {
        aliases.insert(0, read);
    }
    aliases.retain(|alias| *alias != written);
    (written, aliases)
}

fn variant_of(variant: &syn::Variant, serde: &Container, errors: &mut Errors) -> Option<WireVariant> {
    let part = form::part(&variant.attrs);
    let opaque = [
        part.untagged.map(|span| ("untagged".to_owned(), span)),
        part.other.map(|span| ("other".to_owned(), span)),
        part.converted.clone(),
    ];
    if let Some((key, span)) = opaque.into_iter().flatten().next() {
        errors.at(span, unseen(&key));
        return None;
    }
    let (written, aliases) = names(
        &variant.ident,
        &variant.attrs,
        &part,
        serde.rename_all.as_ref(),
        serde::variant_name,
    );
    let body = match &variant.fields {
        Fields::Unit => WireBody::Unit,
        Fields::Named(named) => {
            let rule = part.rename_all.as_ref().or(serde.rename_all_fields.as_ref());
            WireBody::Fields(
                named
                    .named
                    .iter()
                    .map(|field| named_field(field, rule, false))
                    .collect(),
            )
        }
        Fields::Unnamed(unnamed) => match unnamed.unnamed.iter().collect::<Vec<_>>().as_slice() {
            [_] => WireBody::New,
            _ => {
                errors.at(
                    unnamed.span(),
                    "a tuple has no fields to convert one by one; name them, or convert the enum by `manual`",
                );
                return None;
            }
        },
    };
    Some(WireVariant {
        name: variant.ident.clone(),
        written,
        aliases,
        body,
    })
}

/// Whether the type is a list or a map, as far as tokens tell: no path of fields leads through it.
pub(super) fn through(ty: &Type) -> Option<&'static str> {
    match types::known(types::peel(ty).0) {
        Known::List(_) | Known::Set(_) | Known::Array(_) => Some("a list"),
        Known::Map(..) => Some("a map"),
        _ => None,
    }
}

/// Where a serde attribute hides how the value is written.
pub(super) fn hidden(field: &syn::Field) -> Option<(String, Span)> {
    form::part(&field.attrs).converted
}
