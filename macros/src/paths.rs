//! Every path that emitted code names.
//!
//! **Invariant:** emitted code reaches all of its dependencies through `kubewright::__privateN`, or through the
//! path that the user gave in `crates(...)`; it names nothing from a prelude.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Path;

use crate::attrs::crates::Crates;

/// Paths as one derive's output names them.
///
/// Inside of [`Paths::block`] the runtime is called `__k`, so that the output stays readable.
pub(crate) struct Paths {
    root: TokenStream,
    crates: Crates,
}

impl Paths {
    pub(crate) fn new(crates: &Crates) -> Self {
        let root = match &crates.kubewright {
            Some(path) => quote!(#path),
            None => quote!(::kubewright),
        };
        // The patch version is part of the name, so that a mismatched pair of crates fails at once.
        let private = format_ident!("__private{}", env!("CARGO_PKG_VERSION_PATCH"));
        Self {
            root: quote!(#root::#private),
            crates: crates.clone(),
        }
    }

    /// Where the runtime keeps what derived code names.
    pub(crate) fn root(&self) -> &TokenStream {
        &self.root
    }

    /// Wraps `items` so that they define nothing in the user's module, with a short name for the runtime.
    pub(crate) fn block(&self, items: &TokenStream) -> TokenStream {
        let root = &self.root;
        let named = self.crates.named().map(|path| quote!(use #path as _;));
        quote! {
            const _: () = {
                use #root as __k;
                #(#named)*
                #items
            };
        }
    }

    /// `ObjectMeta`, for the user's module.
    pub(crate) fn object_meta(&self) -> TokenStream {
        let root = &self.root;
        match &self.crates.k8s_openapi {
            Some(path) => quote!(#path::apimachinery::pkg::apis::meta::v1::ObjectMeta),
            None => quote!(#root::ObjectMeta),
        }
    }

    /// `ObjectMeta`, inside of [`Paths::block`].
    pub(crate) fn object_meta_in_block(&self) -> TokenStream {
        match &self.crates.k8s_openapi {
            Some(_) => self.object_meta(),
            None => quote!(__k::ObjectMeta),
        }
    }

    /// `Option`, for the user's module.
    pub(crate) fn option(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::Option)
    }

    /// `kube::core`.
    pub(crate) fn kube_core(&self) -> TokenStream {
        path_or(self.crates.kube_core.as_ref(), quote!(__k::kube_core))
    }

    /// `kube::core::cel`; kubewright's says where its feature is off.
    pub(crate) fn cel(&self) -> TokenStream {
        match &self.crates.kube_core {
            Some(path) => quote!(#path::cel),
            None => quote!(__k::cel),
        }
    }

    /// `serde`, for traits and their functions.
    pub(crate) fn serde(&self) -> TokenStream {
        path_or(self.crates.serde.as_ref(), quote!(__k))
    }

    /// `k8s_openapi`, for its `Resource` and `Metadata`.
    pub(crate) fn k8s_openapi(&self) -> TokenStream {
        path_or(self.crates.k8s_openapi.as_ref(), quote!(__k))
    }

    /// `schemars::JsonSchema`.
    pub(crate) fn json_schema(&self) -> TokenStream {
        match &self.crates.schemars {
            Some(path) => quote!(#path::JsonSchema),
            None => quote!(__k::JsonSchema),
        }
    }

    /// `std`'s `Result`.
    pub(crate) fn result(&self) -> TokenStream {
        match &self.crates.std {
            Some(path) => quote!(#path::result::Result),
            None => quote!(__k::Result),
        }
    }
}

fn path_or(given: Option<&Path>, default: TokenStream) -> TokenStream {
    given.map_or(default, |path| quote!(#path))
}
