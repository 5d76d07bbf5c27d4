//! The root type and its constructor.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::model::custom_resource::Model;
use crate::paths::Paths;

pub(super) fn emit(model: &Model, paths: &Paths) -> TokenStream {
    let Model {
        spec,
        root,
        vis,
        doc,
        derives,
        attributes,
        status,
        ..
    } = model;
    let (k, object_meta, option) = (paths.root(), paths.object_meta(), paths.option());
    let status = status
        .as_ref()
        .map(|status| quote!(#vis status: #option<#status>,));
    let status_none = model.status.as_ref().map(|_| quote!(status: #option::None,));
    let default = model.default.then(|| {
        quote! {
            impl #k::Default for #root {
                fn default() -> Self {
                    Self {
                        metadata: #k::Default::default(),
                        spec: #k::Default::default(),
                        #status_none
                    }
                }
            }
        }
    });
    let apply = model.apply.as_ref().map(|spec| {
        let (name, spec) = (format_ident!("{root}Apply"), super::apply(spec));
        let doc = format!("What a field manager wants of a [`{root}`].");
        quote! {
            #spec
            #[doc = #doc]
            #vis type #name = #k::ObjectApply<#root>;
        }
    });
    quote! {
        #[doc = #doc]
        #[derive(#k::Clone, #k::Debug #(, #derives)*)]
        #(#[#attributes])*
        #[allow(missing_docs)]
        #vis struct #root {
            #vis metadata: #object_meta,
            #vis spec: #spec,
            #status
        }
        impl #root {
            /// An object named `name`, without a namespace.
            pub fn new(name: &str, spec: #spec) -> Self {
                Self { metadata: #k::named::<Self>(name), spec, #status_none }
            }
        }
        #default
        #apply
    }
}
