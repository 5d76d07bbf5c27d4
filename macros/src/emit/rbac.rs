//! The constant that says what rights an item needs.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Visibility;

use crate::model::rbac::{Place, Rbac, Rule, Subject};
use crate::paths::Paths;

/// The constant, to stand in an impl or beside a function.
pub(crate) fn rbac(model: &Rbac, visibility: &Visibility) -> TokenStream {
    let paths = Paths::new(&model.crates);
    let root = paths.root();
    let rules = model.rules.iter().map(|rule| print(rule, root));
    let name = format_ident!("RBAC");
    quote! {
        #[doc = "Rights that the code needs."]
        #visibility const #name: #root::rbac::RbacInfo = #root::rbac::RbacInfo { rules: &[#(#rules),*] };
    }
}

fn print(rule: &Rule, root: &TokenStream) -> TokenStream {
    let verbs = &rule.verbs;
    let verbs = quote!(&[#(#verbs),*]);
    let subject = match &rule.subject {
        Subject::Kind {
            constructor,
            kind,
            subresource,
        } => {
            let constructor = format_ident!("{constructor}");
            let subresource = subresource.iter();
            quote!(#constructor::<#kind>(#(#subresource,)* #verbs))
        }
        Subject::Resources { groups, resources } => {
            quote!(resources(&[#(#groups),*], &[#(#resources),*], #verbs))
        }
        Subject::Urls(urls) => quote!(urls(&[#(#urls),*], #verbs)),
    };
    let names = &rule.names;
    let names = (!names.is_empty()).then(|| quote!(.names(&[#(#names),*])));
    let place = match &rule.place {
        Place::Code => None,
        Place::Cluster => Some(quote!(.in_cluster())),
        Place::Namespace(namespace) => Some(quote!(.in_namespace(#namespace))),
    };
    let role = rule.role.as_ref().map(|role| quote!(.role(#role)));
    quote!(#root::rbac::RuleInfo::#subject #names #place #role)
}
