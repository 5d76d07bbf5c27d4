//! The root type and its constructor.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

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
    let [of_metadata, of_spec, of_status] = field_attributes(model);
    let status = status
        .as_ref()
        .map(|status| quote!(#of_status #vis status: #option<#status>,));
    let default = model.default.then(|| {
        quote! {
            impl #k::Default for #root {
                fn default() -> Self {
                    #k::default()
                }
            }
        }
    });
    let apply = model.apply.as_ref().map(|spec| {
        let (name, spec) = (format_ident!("{root}Apply"), super::apply(spec));
        let doc = format!("What a field manager wants of a [`{root}`].");
        // An alias is checked where it is used alone; this is where the status is named.
        let status = model.status.as_ref();
        let status = status
            .map(|status| quote_spanned!(status.span()=> const _: () = #k::has_configuration::<#status>();));
        quote! {
            #spec
            #[doc = #doc]
            #vis type #name = #k::ObjectApply<#root>;
            #status
        }
    });
    quote! {
        #[doc = #doc]
        #[derive(#k::Clone, #k::Debug #(, #derives)*)]
        #(#[#attributes])*
        #vis struct #root {
            #of_metadata
            #vis metadata: #object_meta,
            #of_spec
            #vis spec: #spec,
            #status
        }
        impl #root {
            /// An object named `name`, without a namespace.
            pub fn new(name: &str, spec: #spec) -> Self {
                #k::new(name, spec)
            }
        }
        #default
        #apply
    }
}

/// What stands before the three fields: documentation; or, where the user derives a schema on the root, what that
/// derive has to know, without texts that it would take for descriptions.
fn field_attributes(model: &Model) -> [TokenStream; 3] {
    if model.schema_derived {
        let flatten = model.flat.then(|| quote!(#[serde(flatten)]));
        return [
            quote!(#[allow(missing_docs)]),
            quote!(#[allow(missing_docs)] #flatten),
            quote!(#[allow(missing_docs)] #[serde(skip_serializing_if = "Option::is_none")]),
        ];
    }
    [
        "Name, namespace, labels and the like.",
        "What is wanted.",
        "What was seen of the object.",
    ]
    .map(|doc| quote!(#[doc = #doc]))
}
