//! The constant that describes a handler's webhook, and the names of configurations.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ImplItem;

use crate::model::webhook::{Names, Setting, Webhook};
use crate::paths::Paths;

/// The constant, to stand in the handler's impl.
pub(crate) fn webhook(model: &Webhook) -> ImplItem {
    let paths = Paths::new(&model.crates);
    let root = paths.root();
    let settings = model.settings.iter().map(|setting| print(setting, root));
    let info = quote!(#root::webhook::WebhookInfo);
    ImplItem::Verbatim(quote!(const WEBHOOK: #info = #info::new()#(#settings)*;))
}

fn print(setting: &Setting, root: &TokenStream) -> TokenStream {
    match setting {
        Setting::Name(name) => quote!(.name(#name)),
        Setting::Path(path) => quote!(.path(#path)),
        Setting::Url(url) => quote!(.url(#url)),
        Setting::Service {
            namespace,
            name,
            port,
        } => {
            let port = match port {
                Some(port) => quote!(#root::Option::Some(#port)),
                None => quote!(#root::Option::None),
            };
            quote!(.service(#namespace, #name, #port))
        }
        Setting::Operations(operations) => {
            let operations = operations.iter().map(|operation| {
                let operation = format_ident!("{operation}");
                quote!(#root::webhook::Operation::#operation)
            });
            quote!(.operations(&[#(#operations),*]))
        }
        Setting::Subresources { names, only: false } => quote!(.subresources(&[#(#names),*])),
        Setting::Subresources { names, only: true } => quote!(.only_subresources(&[#(#names),*])),
        Setting::Choice(method, of, variant) => {
            let (method, of, variant) = (
                format_ident!("{method}"),
                format_ident!("{of}"),
                format_ident!("{variant}"),
            );
            quote!(.#method(#root::webhook::#of::#variant))
        }
        Setting::Timeout(seconds) => quote!(.timeout_seconds(#seconds)),
        Setting::Pairs(method, pairs) => {
            let method = format_ident!("{method}");
            let pairs = pairs.iter().map(|(one, two)| quote!((#one, #two)));
            quote!(.#method(&[#(#pairs),*]))
        }
    }
}

/// The names, as an expression.
pub(crate) fn names(model: &Names) -> TokenStream {
    let paths = Paths::new(&model.crates);
    let root = paths.root();
    let Names {
        mutating, validating, ..
    } = model;
    quote!(#root::webhook::ConfigurationNames { mutating: #mutating, validating: #validating })
}
