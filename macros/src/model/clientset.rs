//! A clientset, ready to print.

use syn::{Data, DeriveInput, Fields, Ident, Type, Visibility};

use crate::attrs::clientset::ClientsetAttrs;
use crate::attrs::crates::Crates;
use crate::errors::Errors;

/// A struct of clients; never empty.
pub(crate) struct Clientset {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    pub(crate) fields: Vec<(Ident, Type)>,
    pub(crate) crates: Crates,
}

/// Resolves and checks. Absent where the item is no struct of named fields.
pub(crate) fn build(input: &DeriveInput, attrs: &ClientsetAttrs, errors: &mut Errors) -> Option<Clientset> {
    let example = "write `struct Clients { foos: Client<Foo> }`";
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(&fields.named),
            _ => None,
        },
        _ => None,
    };
    let Some(fields) = fields else {
        errors.at(
            input.ident.span(),
            format!("a clientset is a struct with one named field for each kind; {example}"),
        );
        return None;
    };
    if !input.generics.params.is_empty() {
        errors.at(
            input.ident.span(),
            "a clientset names its kinds: generic parameters have no place here",
        );
        return None;
    }
    if fields.is_empty() {
        errors.at(
            input.ident.span(),
            format!("a clientset without clients connects to nothing; {example}"),
        );
        return None;
    }
    for name in fields.iter().filter_map(|field| field.ident.as_ref()) {
        if name == "new" || name == "try_default" {
            errors.at(
                name.span(),
                format!("`{name}` is the clientset's constructor; give the field another name"),
            );
            return None;
        }
    }
    Some(Clientset {
        name: input.ident.clone(),
        vis: input.vis.clone(),
        fields: fields
            .iter()
            .filter_map(|field| Some((field.ident.clone()?, field.ty.clone())))
            .collect(),
        crates: attrs.crates.clone().unwrap_or_default(),
    })
}
