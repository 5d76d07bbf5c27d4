//! Schema and CustomResourceDefinition.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::model::custom_resource::{Model, Schema};
use crate::paths::Paths;

pub(super) fn emit(model: &Model, paths: &Paths) -> TokenStream {
    let Model {
        root,
        crd_name,
        short_names,
        ..
    } = model;
    let kube_core = paths.kube_core();
    let json_schema = (model.schema == Schema::Derived).then(|| json_schema(model, paths));
    let spec = &model.spec;
    let shaped = model
        .shaped
        .map(|span| quote_spanned!(span=> const _: () = __k::has_shape::<#spec>();));
    quote! {
        #json_schema
        #shaped
        impl #kube_core::crd::v1::CustomResourceExt for #root {
            fn crd() -> __k::CustomResourceDefinition {
                __k::crd::<Self>()
            }
            fn crd_name() -> &'static str {
                #crd_name
            }
            fn api_resource() -> __k::ApiResource {
                __k::api_resource::<Self>()
            }
            fn shortnames() -> &'static [&'static str] {
                &[#(#short_names),*]
            }
        }
    }
}

fn json_schema(model: &Model, paths: &Paths) -> TokenStream {
    let root = &model.root;
    let name = root.to_string();
    let trait_path = paths.json_schema();
    let schema = if model.validations.is_empty() {
        quote!(__k::root_schema::<Self>(__g))
    } else {
        let kube_core = paths.kube_core();
        let rules = &model.validations;
        quote! {
            use #kube_core::{ListMerge, MapMerge, Message, Reason, Rule, StructMerge};
            let mut __schema = __k::root_schema::<Self>(__g);
            #(__k::add_rule(&mut __schema, #rules);)*
            __schema
        }
    };
    quote! {
        impl #trait_path for #root {
            fn schema_name() -> __k::Cow<'static, str> {
                __k::Cow::Borrowed(#name)
            }
            fn schema_id() -> __k::Cow<'static, str> {
                __k::Cow::Borrowed(__k::concat!(__k::module_path!(), "::", #name))
            }
            fn json_schema(__g: &mut __k::Generator) -> __k::Schema {
                #schema
            }
        }
    }
}
