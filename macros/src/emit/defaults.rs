//! `set_defaults`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::at;
use crate::model::defaults::{Body, Defaults, Field, Fill, Value, binding};
use crate::paths::Paths;

/// Everything that `#[derive(Defaults)]` makes.
pub(crate) fn defaults(model: &Defaults) -> TokenStream {
    let paths = Paths::new(&model.crates);
    let ident = &model.ident;
    let mut generics = model.generics.clone();
    for param in generics.type_params_mut() {
        param.bounds.push(syn::parse_quote!(__k::defaults::Defaults));
    }
    let (of_impl, of_type, clause) = generics.split_for_impl();
    let fills = each(&model.body, fill);
    let function = model
        .with
        .as_ref()
        .map(|path| quote_spanned!(at(path.span())=> __k::defaults::apply(self, #path);));
    let nested = if model.covers {
        TokenStream::new()
    } else {
        each(&model.body, nested)
    };
    let whole = model.whole.as_ref().map(|value| {
        let value = match value {
            Value::Json(text) => quote!(__k::defaults::read(#text)),
            Value::Expr(expr) => quote!(__k::defaults::rewrite(&(#expr))),
        };
        quote! {
            fn default_of_type() -> __k::Option<Self> {
                __k::Option::Some(#value)
            }
        }
    });
    let shaped = model
        .shaped
        .filter(|_| model.generics.params.is_empty())
        .map(|span| quote_spanned!(at(span)=> const _: () = __k::has_shape::<#ident>();));
    paths.block(&quote! {
        use __k::defaults::NothingInside as _;
        #shaped
        impl #of_impl __k::defaults::Defaults for #ident #of_type #clause {
            fn set_defaults(&mut self) {
                #fills
                #function
                #nested
            }
            #whole
        }
    })
}

/// One statement for each field that has one.
fn each(body: &Body, print: fn(&Field, &TokenStream) -> TokenStream) -> TokenStream {
    match body {
        Body::Struct(fields) => fields
            .iter()
            .map(|field| {
                let member = &field.member;
                print(field, &quote!(&mut self.#member))
            })
            .collect(),
        Body::Enum(variants) => {
            let arms = variants.iter().filter_map(|variant| {
                let name = &variant.name;
                let found = variant.fields.iter().filter_map(|field| {
                    let binding = binding(field);
                    let printed = print(field, &quote!(#binding));
                    (!printed.is_empty()).then_some((&field.member, binding, printed))
                });
                let (members, (bindings, statements)): (Vec<_>, (Vec<_>, Vec<_>)) = found
                    .map(|(member, binding, statement)| (member, (binding, statement)))
                    .unzip();
                (!members.is_empty())
                    .then(|| quote!(Self::#name { #(#members: #bindings,)* .. } => { #(#statements)* }))
            });
            let arms: Vec<_> = arms.collect();
            if arms.is_empty() {
                return TokenStream::new();
            }
            quote!(match self { #(#arms)* _ => {} })
        }
    }
}

fn fill(field: &Field, place: &TokenStream) -> TokenStream {
    match &field.fill {
        None => TokenStream::new(),
        Some(Fill::Value(Value::Json(text))) => quote!(__k::defaults::json(#place, #text);),
        Some(Fill::Value(Value::Expr(expr))) => quote!(__k::defaults::value(#place, || #expr);),
        Some(Fill::With(path)) => quote_spanned!(at(path.span())=> __k::defaults::with(#place, #path);),
        Some(Fill::Serde(path)) => quote!(__k::defaults::serde(#place, #path);),
    }
}

fn nested(field: &Field, place: &TokenStream) -> TokenStream {
    if field.descend {
        quote!(__k::defaults::Inside(#place).set_defaults();)
    } else {
        TokenStream::new()
    }
}
