//! Constructors and accessors of a clientset.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::clientset::Clientset;
use crate::paths::Paths;

/// Everything that `#[derive(Clientset)]` makes.
pub(crate) fn clientset(model: &Clientset) -> TokenStream {
    let paths = Paths::new(&model.crates);
    let Clientset {
        name, vis, fields, ..
    } = model;
    let names = fields.iter().map(|(name, _)| name);
    let types = fields.iter().map(|(_, ty)| ty);
    let (first, _) = &fields[0];
    let accessors = fields.iter().map(|(name, ty)| {
        let doc = format!("The client in `{name}`.");
        quote! {
            #[doc = #doc]
            #vis fn #name(&self) -> &#ty {
                &self.#name
            }
        }
    });
    paths.block(&quote! {
        impl #name {
            /// Clients on one connection.
            #vis fn new(connection: __k::kube::Client) -> Self {
                Self {
                    #(#names: <#types as __k::FromClient>::from_client(&connection),)*
                }
            }
            /// Clients on the cluster that the environment names.
            #[allow(dead_code)]
            #vis async fn try_default() -> __k::Result<Self, __k::ClientError> {
                __k::connect().await
            }
            #(#[allow(dead_code)] #accessors)*
        }
        impl __k::FromClient for #name {
            fn from_client(connection: &__k::kube::Client) -> Self {
                Self::new(__k::Clone::clone(connection))
            }
        }
        impl __k::AsClient for #name {
            fn as_client(&self) -> &__k::kube::Client {
                __k::AsClient::as_client(&self.#first)
            }
        }
    })
}
