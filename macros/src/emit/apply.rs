//! Apply configurations.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::apply::{Apply, Form, TwinField};
use crate::paths::Paths;

/// Everything that `#[derive(Apply)]` makes.
pub(crate) fn apply(model: &Apply) -> TokenStream {
    let paths = Paths::new(&model.crates);
    let k = paths.root();
    let of = &model.of;
    let (twin, configuration) = match &model.form {
        Form::Itself => (TokenStream::new(), of),
        Form::Twin {
            name,
            vis,
            serde,
            fields,
        } => {
            let crate_path = quote!(#k::serde).to_string().replace(' ', "");
            let doc = format!("What a field manager wants of [`{of}`]; what is not set is left alone.");
            let twin_fields = fields.iter().map(|field| twin_field(field, k));
            let setters = fields.iter().map(|field| setter(field, k));
            let twin = quote! {
                #[doc = #doc]
                #[derive(#k::Clone, #k::Debug, #k::Default, #k::Serialize)]
                #[serde(crate = #crate_path #(, #serde)*)]
                #vis struct #name {
                    #(#twin_fields,)*
                }
                impl #name {
                    #(#setters)*
                }
            };
            (twin, name)
        }
    };
    let block = paths.block(&quote! {
        impl __k::Apply for #of {
            type Configuration = #configuration;
        }
    });
    quote!(#twin #block)
}

fn twin_field(field: &TwinField, k: &TokenStream) -> TokenStream {
    let TwinField { name, vis, serde, .. } = field;
    let doc = format!("Wanted of `{name}`.");
    let ty = configuration(field, k);
    let unset = quote!(#k::Option::is_none).to_string().replace(' ', "");
    quote! {
        #[doc = #doc]
        #[serde(skip_serializing_if = #unset #(, #serde)*)]
        #vis #name: #k::Option<#ty>
    }
}

fn setter(field: &TwinField, k: &TokenStream) -> TokenStream {
    let TwinField {
        name, vis, string, ..
    } = field;
    let doc = format!("Wants this `{name}`.");
    let setter = super::generated(&field.setter);
    let (ty, value) = if *string {
        (quote!(impl #k::Into<#k::String>), quote!(#k::Into::into(__value)))
    } else {
        (configuration(field, k), quote!(__value))
    };
    quote! {
        #[doc = #doc]
        #[must_use]
        #vis fn #setter(mut self, __value: #ty) -> Self {
            self.#name = #k::Option::Some(#value);
            self
        }
    }
}

fn configuration(field: &TwinField, k: &TokenStream) -> TokenStream {
    let ty = &field.ty;
    if field.value {
        quote!(#ty)
    } else {
        // At the field's type, where the compiler says so if there is none.
        quote_spanned!(ty.span()=> <#ty as #k::Apply>::Configuration)
    }
}
