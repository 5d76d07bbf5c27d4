//! Emitted code of whole derives, printed as `cargo expand` would.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::errors::Errors;

/// The derive's output, formatted. Fails where the derive reports a mistake.
fn expand(derive: fn(&DeriveInput, &mut Errors) -> TokenStream, input: TokenStream) -> String {
    let input: DeriveInput = syn::parse2(input).unwrap();
    let mut errors = Errors::default();
    let output = derive(&input, &mut errors);
    assert_eq!(errors.messages(), Vec::<String>::new());
    prettyplease::unparse(&syn::parse2(output).unwrap())
}

/// The messages of a derive, in the order in which they are reported.
fn mistakes(derive: fn(&DeriveInput, &mut Errors) -> TokenStream, input: TokenStream) -> Vec<String> {
    let input: DeriveInput = syn::parse2(input).unwrap();
    let mut errors = Errors::default();
    derive(&input, &mut errors);
    errors.messages()
}

fn smallest() -> TokenStream {
    quote! {
        #[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
        pub struct FooSpec {
            pub name: String,
        }
    }
}

#[test]
fn smallest_kind() {
    let text = expand(crate::custom_resource, smallest());
    // What users read under `cargo expand`, besides serde's and schemars' derives on their own type. kube-derive 5
    // prints about four times as much, of which two thirds are serde's and schemars' derives on the root.
    // A change that raises this says why.
    assert_eq!(text.lines().count(), 106);
    insta::assert_snapshot!(text);
}
