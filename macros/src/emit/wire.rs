//! A type's form on the wire, as conversions ask it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use crate::model::convert::{Tagging, Wire, WireBody, WireField, WireVariant};

/// `OnWire` of a type that derives `Convert`, whose flattened types do so too.
pub(super) fn on_wire(of: &TokenStream, wire: Option<&Wire>) -> TokenStream {
    print(of, wire, &|ty| quote!(<#ty as __k::convert::OnWire>::WIRE))
}

/// `OnWire` of a spec: flattened types need not be known.
pub(super) fn of_kind(of: &TokenStream, wire: Option<&Wire>) -> TokenStream {
    let flat = match wire {
        Some(Wire::Fields(fields)) => fields.iter().any(|field| field.flat.is_some() && !field.open),
        Some(Wire::Variants(..)) => true,
        _ => false,
    };
    let names = flat.then(|| {
        quote!(
            use __k::versions::NotOnWire as _;
        )
    });
    let on_wire = print(of, wire, &|ty| quote!(__k::versions::Flat::<#ty>::WIRE));
    quote!(#names #on_wire)
}

fn print(of: &TokenStream, wire: Option<&Wire>, flat: &dyn Fn(&Type) -> TokenStream) -> TokenStream {
    let coded = match wire {
        Some(Wire::Fields(list)) => coded(list),
        _ => None,
    };
    let wire = match wire {
        Some(Wire::Fields(list)) => {
            let (open, list) = fields(list, flat);
            let kind = if open { quote!(open) } else { quote!(fields) };
            quote!(#kind(#list))
        }
        Some(Wire::Variants(tagging, list)) => {
            let list = list.iter().map(|v| variant(v, flat));
            match tagging {
                Tagging::External => quote!(external(&[#(#list),*])),
                Tagging::Internal(tag) => quote!(internal(#tag, &[#(#list),*])),
                Tagging::Adjacent(tag, content) => quote!(adjacent(#tag, #content, &[#(#list),*])),
            }
        }
        Some(Wire::Inner) | None => quote!(Opaque),
    };
    quote! {
        impl __k::convert::OnWire for #of {
            const WIRE: __k::convert::Wire = __k::convert::Wire::#wire;
            #coded
        }
    }
}

/// Whether a flattened map takes what no field has, and the fields.
fn fields(fields: &[WireField], flat: &dyn Fn(&Type) -> TokenStream) -> (bool, TokenStream) {
    let open = fields.iter().any(|field| field.open);
    let fields = fields.iter().filter(|field| !field.open).filter_map(|field| {
        let rust = field.rust();
        let name = field.written.as_ref()?;
        let state = match (field.required, field.option) {
            (true, _) => None,
            (false, true) => Some(quote!(.option())),
            (false, false) => Some(quote!(.default())),
        };
        let alias = alias(&field.aliases);
        Some(match &field.flat {
            Some(ty) => {
                let flat = flat(ty);
                quote!(__k::convert::WireField::new(#rust, #name).flatten(#flat))
            }
            None => quote!(__k::convert::WireField::new(#rust, #name) #state #alias),
        })
    });
    (open, quote!(&[#(#fields),*]))
}

/// Fields that a function writes, and which.
fn coded(fields: &[WireField]) -> Option<TokenStream> {
    let pairs = fields.iter().filter_map(|field| {
        let (rust, how) = (field.rust(), field.coded.as_ref()?);
        Some(quote!((#rust, #how)))
    });
    let pairs: Vec<_> = pairs.collect();
    (!pairs.is_empty())
        .then(|| quote!(const CODED: &'static [(&'static str, &'static str)] = &[#(#pairs),*];))
}

fn alias(aliases: &[String]) -> Option<TokenStream> {
    (!aliases.is_empty()).then(|| quote!(.alias(&[#(#aliases),*])))
}

fn variant(variant: &WireVariant, flat: &dyn Fn(&Type) -> TokenStream) -> TokenStream {
    let (rust, name) = (variant.name.to_string(), &variant.written);
    let rust = rust.trim_start_matches("r#");
    let alias = alias(&variant.aliases);
    match &variant.body {
        WireBody::Unit => quote!(__k::convert::WireVariant::unit(#rust, #name) #alias),
        WireBody::New => quote!(__k::convert::WireVariant::newtype(#rust, #name) #alias),
        WireBody::Fields(list) => {
            let (_, list) = fields(list, flat);
            quote!(__k::convert::WireVariant::fields(#rust, #name, #list) #alias)
        }
    }
}
