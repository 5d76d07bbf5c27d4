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
#[proc_macro_derive(CustomResource, attributes(kube))]
pub fn derive_custom_resource(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), custom_resource).into()
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
