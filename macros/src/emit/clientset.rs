//! Constructors and accessors of a clientset.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::clientset::Clientset;
use crate::paths::Paths;

/// Everything that `#[derive(Clientset)]` makes.
pub(crate) fn clientset(model: &Clientset) -> TokenStream {
    let paths = Paths::new(&model.crates);
    let Clientset {
        name, vis, accessors, ..
    } = model;
    let (generics, arguments, bounds) = model.generics.split_for_impl();
    let accessors = accessors.iter().map(|(name, ty)| {
        let doc = format!("The client in `{name}`.");
        let accessor = super::generated(name);
        quote! {
            #[doc = #doc]
            #vis fn #accessor(&self) -> &#ty {
                &self.#name
            }
        }
    });
    let (new, as_client) = match &model.fields {
        Some(fields) => {
            let names = fields.iter().map(|(name, _)| name);
            let types = fields.iter().map(|(_, ty)| ty);
            let all = fields.iter().map(|(name, _)| name);
            (
                quote!(Self { #(#names: <#types as __k::FromClient>::from_client(&__connection),)* }),
                // Every field is read here, so that a client which nobody asks for yet is not called unused.
                quote!(__k::AsClient::as_client((#(&self.#all,)*).0)),
            )
        }
        // A mistake was reported: this is only looked at, never run.
        None => (quote!(loop {}), quote!(loop {})),
    };
    paths.block(&quote! {
        impl #generics #name #arguments #bounds {
            /// Clients on one connection.
            #vis fn new(__connection: __k::kube::Client) -> Self {
                #new
            }
            /// Clients on the cluster that the environment names.
            #vis async fn try_default() -> __k::Result<Self, __k::ClientError> {
                __k::connect().await
            }
            #(#accessors)*
        }
        impl #generics __k::FromClient for #name #arguments #bounds {
            fn from_client(__connection: &__k::kube::Client) -> Self {
                Self::new(__k::Clone::clone(__connection))
            }
        }
        impl #generics __k::AsClient for #name #arguments #bounds {
            fn as_client(&self) -> &__k::kube::Client {
                #as_client
            }
        }
    })
}
