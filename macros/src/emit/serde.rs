//! Reading and writing objects, by the runtime's generic code.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::custom_resource::Model;
use crate::paths::Paths;

pub(super) fn emit(model: &Model, paths: &Paths) -> TokenStream {
    let root = &model.root;
    let name = root.to_string();
    let (serde, result) = (paths.serde(), paths.result());
    quote! {
        impl #serde::Serialize for #root {
            fn serialize<__S: #serde::Serializer>(&self, __s: __S) -> #result<__S::Ok, __S::Error> {
                __k::serialize(self, #name, __s)
            }
        }
        impl<'de> #serde::Deserialize<'de> for #root {
            fn deserialize<__D: #serde::Deserializer<'de>>(__d: __D) -> #result<Self, __D::Error> {
                __k::deserialize(__d)
            }
        }
    }
}
