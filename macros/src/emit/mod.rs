//! Prints models. Nothing here reads an attribute, decides a default or fails.
//!
//! **Invariant:** emitted code is data and one-line calls; what it does stands in the runtime, in
//! `kubewright::__privateN`.

mod apply;
mod cel;
mod clientset;
mod convert;
mod defaults;
mod definition;
mod description;
mod rbac;
mod root;
mod schema;
mod serde;
mod ties;
mod versions;
mod webhook;
mod wire;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

use crate::model::custom_resource::Model;
use crate::paths::Paths;

pub(crate) use apply::apply;
pub(crate) use clientset::clientset;
pub(crate) use convert::convert;
pub(crate) use defaults::defaults;
pub(crate) use rbac::rbac;
pub(crate) use schema::schema;
pub(crate) use webhook::{names, webhook};

/// Everything that `#[derive(CustomResource)]` makes.
pub(crate) fn custom_resource(model: &Model) -> TokenStream {
    let paths = Paths::new(&model.crates);
    let root = root::emit(model, &paths);
    let description = description::emit(model, &paths);
    let serde = serde::emit(model, &paths);
    let definition = definition::emit(model, &paths);
    let cel = cel::emit(model, &paths);
    let versions = versions::emit(model);
    let block = paths.block(&quote!(#description #serde #definition #cel #versions));
    quote!(#root #block)
}

/// Where tokens of emitted code stand in messages. They are resolved as all of the output is, also where the user's own
/// tokens come from a macro.
fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// A function's name where the user wrote it, and a name that this macro made: as generated code it is not called
/// unused. `#[allow(dead_code)]` would be refused in crates that forbid it.
fn generated(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(Span::call_site().located_at(name.span()));
    name
}
