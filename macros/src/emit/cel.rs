//! Validation in the client by the kind's CEL rules.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::model::custom_resource::Model;
use crate::paths::Paths;

pub(super) fn emit(model: &Model, paths: &Paths) -> TokenStream {
    let Some(span) = model.cel else {
        return TokenStream::new();
    };
    let root = &model.root;
    let (cel, result) = (paths.cel(), paths.result());
    // At the key, where the compiler says so if the feature is off.
    let validate = quote_spanned!(span=> #cel::validate_cel(self));
    quote! {
        impl #root {
            /// Checks the object against its CEL rules for creation, as the server would.
            pub fn validate_cel(&self) -> #result<(), #cel::ValidationErrors> {
                #validate
            }
            /// Checks the object against its CEL rules for an update of `old`, as the server would.
            pub fn validate_cel_update(&self, old: &Self) -> #result<(), #cel::ValidationErrors> {
                #cel::validate_cel_update(self, old)
            }
        }
    }
}
