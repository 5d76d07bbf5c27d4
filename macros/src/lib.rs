//! Derive macros of kubewright: attributes as written, a validated model, emitted tokens.
//!
//! Three rooms: [`attrs`] holds attributes as written, [`model`] what they mean, [`emit`] prints. Every path
//! that emitted code names is built in [`paths`].

mod attrs;
mod emit;
mod errors;
mod model;
mod paths;

use errors::Errors;
use proc_macro2::TokenStream;
use syn::DeriveInput;

/// Makes a custom resource of a spec: the root type, its description, its schema and its definition.
///
/// See `kubewright::CustomResource` for the keys of `#[kube(...)]`.
#[proc_macro_derive(CustomResource, attributes(kube, apply))]
pub fn derive_custom_resource(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), custom_resource).into()
}

/// Makes a clientset of a struct whose fields are `Client<K>` or other clientsets: constructors, an accessor
/// for each field, and `AsClient`.
///
/// `#[kube(crates(kubewright = "path"))]` says where kubewright is.
#[proc_macro_derive(Clientset, attributes(kube))]
pub fn derive_clientset(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), clientset).into()
}

/// Makes the apply configuration of a type that stands in a spec or status: `FooApply`, with the same fields,
/// all optional.
///
/// On a field, `#[apply(value)]` takes a type without a configuration as a whole, and `#[apply(skip)]` leaves
/// the field out. Enums, newtypes and unit structs are their own configuration.
#[proc_macro_derive(Apply, attributes(apply))]
pub fn derive_apply(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), apply).into()
}

fn run(input: TokenStream, expand: fn(&DeriveInput, &mut Errors) -> TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let output = expand(&input, &mut errors);
    let errors = errors.finish();
    quote::quote!(#errors #output)
}

fn custom_resource(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let attrs = attrs::custom_resource::read(input, errors);
    match model::custom_resource::build(input, &attrs, errors) {
        Some(model) => emit::custom_resource(&model),
        None => TokenStream::new(),
    }
}

fn clientset(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let attrs = attrs::clientset::read(input, errors);
    match model::clientset::build(input, &attrs, errors) {
        Some(model) => emit::clientset(&model),
        None => TokenStream::new(),
    }
}

fn apply(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let attrs = attrs::apply::read(input, errors);
    match model::apply::build(input, &attrs, errors) {
        Some(model) => emit::apply(&model),
        None => TokenStream::new(),
    }
}

#[cfg(test)]
mod tests;
