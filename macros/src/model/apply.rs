//! A type's apply configuration, ready to print.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Fields, GenericArgument, Ident, PathArguments, Type, Visibility};

use crate::attrs::apply::{ApplyAttrs, FieldAttrs, SerdeContainer, field as field_attrs};
use crate::attrs::crates::Crates;
use crate::errors::Errors;

/// A type and its configuration.
pub(crate) struct Apply {
    pub(crate) of: Ident,
    pub(crate) form: Form,
    pub(crate) crates: Crates,
}

/// What the configuration looks like.
pub(crate) enum Form {
    /// The type itself: it is set as a whole.
    Itself,
    /// A struct with the same fields, all optional.
    Twin {
        name: Ident,
        vis: Visibility,
        serde: Vec<TokenStream>,
        fields: Vec<TwinField>,
    },
}

/// One field of a twin.
pub(crate) struct TwinField {
    pub(crate) name: Ident,
    pub(crate) setter: Ident,
    pub(crate) vis: Visibility,
    pub(crate) ty: Type,
    pub(crate) serde: Vec<TokenStream>,
    /// Set as a whole, by `#[apply(value)]`.
    pub(crate) value: bool,
    /// A string, which setters take in any form.
    pub(crate) string: bool,
}

/// Resolves and checks. Absent where the type can have no configuration.
pub(crate) fn build(input: &DeriveInput, attrs: &ApplyAttrs, errors: &mut Errors) -> Option<Apply> {
    let here = input.ident.span();
    if !input.generics.params.is_empty() {
        errors.at(
            here,
            "generic types have no apply configuration; use `#[apply(value)]` where one is a field",
        );
        return None;
    }
    let form = match &input.data {
        Data::Enum(_) => Form::Itself,
        Data::Union(_) => {
            errors.at(here, "a union has no apply configuration");
            return None;
        }
        Data::Struct(data) => match &data.fields {
            // A newtype is written as what it holds.
            Fields::Unnamed(_) | Fields::Unit => Form::Itself,
            Fields::Named(_) if attrs.serde.foreign.iter().any(|(key, _)| key == "transparent") => {
                Form::Itself
            }
            Fields::Named(fields) => {
                refuse_foreign(&attrs.serde, errors);
                let fields = fields.named.iter().filter_map(|field| {
                    let attrs = field_attrs(field, errors);
                    twin_field(field, attrs, errors)
                });
                Form::Twin {
                    name: format_ident!("{}Apply", input.ident),
                    vis: input.vis.clone(),
                    serde: attrs.serde.kept.clone(),
                    fields: fields.collect(),
                }
            }
        },
    };
    Some(Apply {
        of: input.ident.clone(),
        form,
        crates: attrs.crates.clone().unwrap_or_default(),
    })
}

fn refuse_foreign(serde: &SerdeContainer, errors: &mut Errors) {
    for (key, span) in &serde.foreign {
        errors.at(
            *span,
            format!(
                "with serde's `{key}` the written form is not that of the fields, so there is no twin of them"
            ),
        );
    }
}

fn twin_field(field: &syn::Field, attrs: FieldAttrs, errors: &mut Errors) -> Option<TwinField> {
    if attrs.skip || attrs.unwritten {
        return None;
    }
    // Its setter stays, so that uses of it are no mistakes too; written it need not be.
    let foreign = attrs.foreign.is_some();
    if let Some((key, span)) = attrs.foreign {
        errors.at(
            span,
            format!(
                "the apply configuration cannot repeat serde's `{key}`; write `#[apply(skip)]`, or a newtype"
            ),
        );
    }
    let value = attrs.value || foreign;
    let ty = if value {
        // The twin has an `Option` of its own.
        option(&field.ty).unwrap_or(&field.ty)
    } else {
        &field.ty
    };
    let mut serde = attrs.kept;
    if foreign {
        serde.push(quote!(skip));
    }
    let name = field.ident.clone()?;
    Some(TwinField {
        setter: setter(&name),
        vis: field.vis.clone(),
        string: !value && is_string(&field.ty),
        ty: ty.clone(),
        name,
        serde,
        value,
    })
}

/// A setter named after its field, unless it would stand before a trait's function of that name.
fn setter(field: &Ident) -> Ident {
    if field == "default" || field == "clone" {
        format_ident!("set_{field}")
    } else {
        field.clone()
    }
}

/// `String` or `Option<String>`, as far as tokens tell.
fn is_string(ty: &Type) -> bool {
    match option(ty) {
        Some(inner) => is_string(inner),
        None => {
            matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "String"))
        }
    }
}

/// What is inside an `Option`, as far as tokens tell.
fn option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) => Some(inner),
        _ => None,
    }
}
