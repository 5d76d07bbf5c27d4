//! Validation in the client by the kind's CEL rules.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::custom_resource::Model;
use crate::paths::Paths;

pub(super) fn emit(model: &Model, paths: &Paths) -> TokenStream {
    if !model.cel {
        return TokenStream::new();
    }
    let root = &model.root;
    let (kube_core, result) = (paths.kube_core(), paths.result());
    quote! {
        impl #root {
            /// Checks the object against its CEL rules for creation, as the server would.
            pub fn validate_cel(&self) -> #result<(), #kube_core::cel::ValidationErrors> {
                #kube_core::cel::validate_cel(self)
            }
            /// Checks the object against its CEL rules for an update of `old`, as the server would.
            pub fn validate_cel_update(&self, old: &Self) -> #result<(), #kube_core::cel::ValidationErrors> {
                #kube_core::cel::validate_cel_update(self, old)
            }
        }
    }
}
