//! Enums: how their variants are told apart in JSON, and which of them no schema can tell.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{DataEnum, DeriveInput, Fields as SynFields};

use super::fields::{self, Around, flag};
use super::forms::Found;
use super::marks;
use super::types;
use super::{Body, Form, Kind, Open, Tagging, Variant, doc, json as written};
use crate::attrs::form::{self, Container};
use crate::attrs::schema::{self, Given, Mark, Place};
use crate::attrs::serde;
use crate::errors::Errors;

/// A variant that is written, and its attributes.
struct Read<'a> {
    name: String,
    variant: &'a syn::Variant,
    marks: Vec<Mark>,
}

pub(super) fn enumeration(
    data: &DataEnum,
    input: &DeriveInput,
    serde: &Container,
    marks: &[Mark],
    around: &Around<'_>,
    errors: &mut Errors,
) -> Found {
    let mut variants: Vec<Read<'_>> = Vec::new();
    let mut other = None;
    for variant in &data.variants {
        let part = form::part(&variant.attrs);
        fields::unread(&part.extras, errors);
        if !part.extras.is_empty() {
            errors.at(
                variant.ident.span(),
                "what schemars' attribute says of a variant is not read; say it of its fields, or in #[kube(...)]",
            );
        }
        let own = schema::of_part(&variant.attrs, Place::Variant, errors);
        if let Some(span) = part.skip_deserializing
            && !part.skip
            && part.skip_serializing.is_none()
        {
            errors.at(
                span,
                "serde writes this variant, and the server refuses what the schema does not have; write \
                 `#[serde(skip)]`, or read it too",
            );
        }
        if part.skip || part.skip_deserializing.is_some() || flag(&own, "skip") {
            continue;
        }
        if let Some(span) = part.other {
            other = Some(span);
            continue;
        }
        if let Some(span) = part.untagged {
            errors.at(
                span,
                "an untagged variant among tagged ones is not structural; make the whole enum `untagged`",
            );
        }
        let by_rule = || serde::variant_name(&schema::plain(&variant.ident), around.rename_all.as_deref());
        let name = match &part.rename {
            Some(rename) => {
                let read = rename.read.clone().unwrap_or_else(by_rule);
                let written = rename.written.clone().unwrap_or_else(by_rule);
                if read != written {
                    errors.at(
                        rename.span,
                        format!("read as `{read}` and written as `{written}`: the stored name must be the read name"),
                    );
                }
                read
            }
            None => by_rule(),
        };
        if variants.iter().any(|before| before.name == name) && serde.untagged.is_none() {
            errors.at(
                variant.ident.span(),
                format!("another variant is written `{name}` too; rename one"),
            );
        }
        variants.push(Read {
            name,
            variant,
            marks: own,
        });
    }
    if variants.is_empty() {
        errors.at(
            input.ident.span(),
            "an enum without variants has no values; add one, or use a struct",
        );
    }
    let tag = serde.tag.as_ref().map(syn::LitStr::value);
    let content = serde.content.as_ref().map(syn::LitStr::value);
    let tagging = match (tag, content) {
        _ if serde.untagged.is_some() => Tagging::Untagged,
        (Some(tag), Some(content)) => Tagging::Adjacent(tag, content),
        (Some(tag), None) => Tagging::Internal(tag),
        (None, _) => Tagging::External,
    };
    if let (Some(span), Tagging::Internal(_)) = (serde.deny_unknown_fields, &tagging) {
        errors.at(
            span,
            "the server keeps the fields of other variants beside the tag, and `deny_unknown_fields` refuses to read \
             them; remove it",
        );
    }
    let units = variants.iter().filter(|read| is_unit(read.variant)).count();
    if matches!(tagging, Tagging::External) && units == variants.len() {
        return names(variants, other, marks, errors);
    }
    if let Some(span) = other
        && !flag(marks, "open_enum")
    {
        errors.at(
            span,
            "the server refuses what is none of the variants, so that this one is never read; remove it",
        );
    }
    of_data(&variants, tagging, units, input, serde, around, errors)
}

fn is_unit(variant: &syn::Variant) -> bool {
    matches!(variant.fields, SynFields::Unit)
}

/// SCH-91.
fn names(variants: Vec<Read<'_>>, other: Option<Span>, marks: &[Mark], errors: &mut Errors) -> Found {
    let open = flag(marks, "open_enum");
    for mark in variants.iter().flat_map(|read| &read.marks) {
        if mark.key != "skip" {
            errors.at(
                mark.span,
                format!(
                    "the names of an enum have no schemas of their own, so that `{}` says nothing; remove it",
                    mark.key
                ),
            );
        }
    }
    if let Some(span) = other
        && !open
    {
        errors.at(
            span,
            "unknown values never reach you: drop `enum` with #[kube(open_enum)], or remove the variant",
        );
    }
    let names = variants.into_iter().map(|read| read.name).collect();
    let open = if open { Open::Yes } else { Open::No };
    Found::enumeration(Form::Names(names, open), Kind::Known("String"), Vec::new())
}

fn of_data(
    variants: &[Read<'_>],
    tagging: Tagging,
    units: usize,
    input: &DeriveInput,
    serde: &Container,
    around: &Around<'_>,
    errors: &mut Errors,
) -> Found {
    let mut found = Vec::new();
    let mut checks = Vec::new();
    let fields_rule = fields::rule_of(serde.rename_all_fields.as_ref(), errors);
    if matches!(tagging, Tagging::External) && units > 0 {
        let unit = variants
            .iter()
            .map(|read| read.variant)
            .find(|variant| is_unit(variant));
        let unit = unit.expect("counted");
        errors.at(
            unit.ident.span(),
            format!(
                "unit variants serialize as strings, data variants as objects: no structural schema has both; write \
                 `{} {{}}` for unit variants or tag the enum",
                unit.ident
            ),
        );
    }
    if matches!(tagging, Tagging::Untagged) {
        mixed(variants, errors);
    }
    for Read {
        name,
        variant,
        marks: own,
    } in variants
    {
        let part = form::part(&variant.attrs);
        let inside = Around {
            ident: around.ident,
            name: format!("{}::{}", input.ident, variant.ident),
            rename_all: fields::rule_of(part.rename_all.as_ref(), errors).or_else(|| fields_rule.clone()),
            defaulted: None,
            optional: false,
            strict_ints: around.strict_ints,
            compat: around.compat,
            cut: around.cut,
            told: around.told,
        };
        let body = match &variant.fields {
            SynFields::Unit => {
                if matches!(tagging, Tagging::Untagged) {
                    errors.at(
                        variant.ident.span(),
                        "a unit variant of an untagged enum is null, which is always dropped; remove it, and use an \
                         `Option` of the enum",
                    );
                    continue;
                }
                Body::Unit
            }
            SynFields::Named(named) => {
                let fields = fields::named(&named.named, &inside, errors);
                checks.extend(fields.checks);
                if let Tagging::Internal(tag) = &tagging
                    && let Some((_, rust)) = fields.names.iter().find(|(name, _)| name == tag)
                {
                    errors.at(
                        variant.ident.span(),
                        format!("the field `{rust}` is written `{tag}`, which is the tag; rename one"),
                    );
                }
                Body::Fields(fields.fields)
            }
            SynFields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
                let (field, own_checks) = fields::value(&unnamed.unnamed[0], &inside, errors);
                checks.extend(own_checks);
                let kind = match &field.child {
                    super::Child::Type(ty) => types::kind(ty),
                    _ => types::Kind::Unknown,
                };
                let scalar = !matches!(kind, types::Kind::Unknown | types::Kind::Map | types::Kind::Any);
                if matches!(tagging, Tagging::Internal(_)) && scalar {
                    errors.at(
                        unnamed.unnamed[0].ty.span(),
                        "beside the tag stand the fields of a struct, and this has none; write a field with a name",
                    );
                }
                Body::New(Box::new(field))
            }
            SynFields::Unnamed(unnamed) => {
                errors.at(
                    unnamed.span(),
                    "a structural schema cannot describe a tuple; give the variant named fields",
                );
                Body::Unit
            }
        };
        let node = marks::Node {
            ty: None,
            kind: types::Kind::Unknown,
            place: inside.name.clone(),
            path: Vec::new(),
        };
        let words = marks::lay(own, &node, errors);
        for mark in own.iter().filter(|mark| matches!(mark.value, Given::Expr(_))) {
            errors.at(mark.span, format!("`{}` of a variant takes a literal", mark.key));
        }
        found.push(Variant {
            name: name.clone(),
            doc: doc::read(&variant.attrs, around.told, errors),
            keywords: written(&words.map),
            body,
        });
    }
    let kind = match tagging {
        Tagging::Untagged => Kind::Known("Unknown"),
        _ => Kind::Known("Object"),
    };
    Found::enumeration(Form::Variants(tagging, found), kind, checks)
}

/// SCH-96, as far as tokens tell.
fn mixed(variants: &[Read<'_>], errors: &mut Errors) {
    let mut kinds: Vec<(types::Kind, Span)> = Vec::new();
    for variant in variants.iter().map(|read| read.variant) {
        let kind = match &variant.fields {
            SynFields::Unit => continue,
            SynFields::Named(_) => types::Kind::Map,
            SynFields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => types::kind(&unnamed.unnamed[0].ty),
            SynFields::Unnamed(_) => continue,
        };
        if !matches!(kind, types::Kind::Unknown | types::Kind::Any) {
            kinds.push((kind, variant.ident.span()));
        }
    }
    let Some((first, _)) = kinds.first().copied() else {
        return;
    };
    let Some((second, span)) = kinds.iter().find(|(kind, _)| *kind != first).copied() else {
        return;
    };
    let int_or_string = kinds.len() == 2
        && [(first, second), (second, first)].contains(&(types::Kind::Integer, types::Kind::Text));
    if !int_or_string {
        errors.at(
            span,
            format!(
                "this variant is {} and the first is {}: untagged enums of different JSON types are not structural; \
                 use IntOrString, a tagged enum, or #[kube(preserve_unknown_fields)]",
                form_name(second),
                form_name(first)
            ),
        );
    }
}

fn form_name(kind: types::Kind) -> &'static str {
    if kind == types::Kind::Map {
        "an object"
    } else {
        kind.name()
    }
}
