//! A clientset, ready to print.

use syn::{Data, DeriveInput, Fields, Generics, Ident, Type, Visibility};

use crate::attrs::clientset::ClientsetAttrs;
use crate::attrs::crates::Crates;
use crate::errors::Errors;

/// A struct of clients.
pub(crate) struct Clientset {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    /// Empty in a correct clientset.
    pub(crate) generics: Generics,
    /// The fields, of which there is at least one, where a value can be made of them; else a mistake was reported.
    pub(crate) fields: Option<Vec<(Ident, Type)>>,
    /// The fields that have an accessor: all, but for those whose name is a mistake.
    pub(crate) accessors: Vec<(Ident, Type)>,
    pub(crate) crates: Crates,
}

/// Names that an accessor would take from a clientset's own functions and traits.
const TAKEN: [&str; 5] = ["new", "try_default", "from_client", "as_client", "clone"];

/// Resolves and checks. There is always a model, so that uses of the clientset are no mistakes too.
pub(crate) fn build(input: &DeriveInput, attrs: &ClientsetAttrs, errors: &mut Errors) -> Clientset {
    let example = "write `struct Clients { foos: Client<Foo> }`";
    let here = input.ident.span();
    let named = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(&fields.named),
            _ => None,
        },
        _ => None,
    };
    match named {
        None => errors.at(
            here,
            format!("a clientset is a struct with one named field for each kind; {example}"),
        ),
        Some(fields) if fields.is_empty() => errors.at(
            here,
            format!("a clientset without clients connects to nothing; {example}"),
        ),
        Some(_) => {}
    }
    if !input.generics.params.is_empty() {
        errors.at(
            here,
            "a clientset names its kinds: generic parameters have no place here",
        );
    }
    let fields: Vec<_> = named
        .into_iter()
        .flatten()
        .filter_map(|field| Some((field.ident.clone()?, field.ty.clone())))
        .collect();
    let is_taken = |name: &Ident| TAKEN.iter().any(|taken| name == taken);
    for (name, _) in &fields {
        if is_taken(name) {
            errors.at(
                name.span(),
                format!("a clientset has a function `{name}` of its own; give the field another name"),
            );
        }
    }
    let accessors = fields
        .iter()
        .filter(|(name, _)| !is_taken(name))
        .cloned()
        .collect();
    Clientset {
        name: input.ident.clone(),
        vis: input.vis.clone(),
        fields: Some(fields).filter(|fields| !fields.is_empty() && input.generics.params.is_empty()),
        generics: input.generics.clone(),
        accessors,
        crates: attrs.crates.clone().unwrap_or_default(),
    }
}
