//! A kind's place among its versions, and the written form of its spec.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{at, convert, wire};
use crate::model::custom_resource::{Model, Overflow, SpecWire};

pub(super) fn emit(model: &Model) -> TokenStream {
    let root = &model.root;
    // At the path: where no conversion leads from that version, rustc says so there.
    let previous = model
        .previous
        .as_ref()
        .map(|path| quote_spanned!(at(path.span())=> .previous::<Self, #path>()));
    let checked = model
        .previous
        .as_ref()
        .map(|path| quote_spanned!(at(path.span())=> const _: () = __k::versions::checked::<#root>();));
    let overflow = model.overflow.map(|overflow| {
        let overflow = match overflow {
            Overflow::RefuseWrite => quote!(RefuseWrite),
            Overflow::Fail => quote!(Fail),
        };
        quote!(.overflow(__k::convert::Overflow::#overflow))
    });
    let on_wire = model
        .wire
        .as_ref()
        .map(|SpecWire(form)| wire::of_kind(&model.spec, form.as_ref()));
    let values = model
        .previous
        .as_ref()
        .map(|path| convert::try_from(&quote!(#root), &quote!(#path), &quote!(up), &quote!(down)));
    quote! {
        #on_wire
        #values
        impl __k::convert::Versioned for #root {
            const LINK: &'static __k::convert::VersionLink =
                &__k::convert::VersionLink::of::<Self>() #previous #overflow;
        }
        #checked
    }
}
