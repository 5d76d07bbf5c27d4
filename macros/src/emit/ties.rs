//! What ties the two types of an edge together: a function that nobody calls, in which rustc finds a field that was
//! forgotten and types that do not fit, each at its token.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Path};

use super::at;
use crate::model::convert::{
    Action, Body, Edge, Enum, Field, Functions, Source, Struct, Variant, VariantAction, VariantBody, Way,
};

/// The function.
pub(super) fn emit(of: &Ident, edge: &Edge) -> TokenStream {
    let from = &edge.from;
    let body = match &edge.body {
        // `ManualConvert` names both types.
        Body::Manual | Body::Broken => return TokenStream::new(),
        Body::Inner(field) => {
            let member = if field.name == "only" {
                quote!(0)
            } else {
                let name = &field.name;
                quote!(#name)
            };
            tie(field, &quote!(&__old.#member), &quote!(&__new.#member))
        }
        Body::Struct(found) => structure(from, found),
        Body::Enum(found) => enumeration(of, from, found),
    };
    quote! {
        fn __ties(__old: &#from, __new: &#of) {
            #body
        }
    }
}

/// Fields in a pattern. It stands where the user wrote something, and not in generated code: only then rustc names what
/// is missing.
fn braces(fields: TokenStream, span: Span) -> Group {
    let mut group = Group::new(Delimiter::Brace, fields);
    group.set_span(span);
    group
}

/// A name for a field's value that no field has, at the place that is to be blamed.
fn of_old(name: &Ident) -> Ident {
    format_ident!("__o_{}", name, span = name.span())
}

fn of_new(name: &Ident) -> Ident {
    format_ident!("__n_{}", name, span = name.span())
}

fn structure(from: &Path, found: &Struct) -> TokenStream {
    let taken = found.fields.iter().filter_map(|field| match &field.action {
        Action::Copied(old) | Action::Rest(old) | Action::Nested(old, _) | Action::With(old, _) => {
            Some(bound(old))
        }
        Action::Skipped(old) => old.as_ref().map(|old| quote!(#old: _)),
        Action::Added(_) | Action::Moved | Action::Grouped => None,
    });
    let grouped = found.groups.iter().flat_map(|group| &group.old).map(bound);
    let gone = found.old_only.iter().map(|old| {
        let name = &old.name;
        quote!(#name: _)
    });
    let fields = braces(quote!(#(#taken,)* #(#grouped,)* #(#gone,)*), from.span());
    let pattern = quote!(let #from #fields = __old;);
    let ties = found.fields.iter().map(|field| {
        let name = &field.name;
        tie_or_make(field, &quote!(&__new.#name))
    });
    let groups = found.groups.iter().map(|group| {
        let old = group.old.iter().map(of_old);
        let old = quote!((#(#old,)*));
        let new = &group.new;
        let new = quote!((#(&__new.#new,)*));
        let up = grouped_way(&group.functions.up, &old, &new);
        let down = grouped_way(&group.functions.down, &new, &old);
        quote!(#up #down)
    });
    let moves = found.moves.iter().map(|moved| {
        let span = moved.to.first().map_or_else(Span::call_site, Ident::span);
        let (old, new) = (
            access(&quote!(__old), &moved.from),
            access(&quote!(__new), &moved.to),
        );
        let containers = creatable("__old", &moved.from).chain(creatable("__new", &moved.to));
        quote_spanned!(at(span)=> __k::versions::moved(#old, #new); #(#containers)*)
    });
    quote!(#pattern #(#ties)* #(#groups)* #(#moves)*)
}

fn bound(name: &Ident) -> TokenStream {
    let binding = of_old(name);
    quote!(#name: #binding)
}

/// Containers on the way, which are made where they are not there.
fn creatable(root: &str, path: &[Ident]) -> impl Iterator<Item = TokenStream> {
    let root = format_ident!("{root}");
    (1..path.len()).map(move |end| {
        let place = access(&quote!(#root), &path[..end]);
        quote_spanned!(at(path[0].span())=> __k::versions::creatable(__k::versions::Through(#place).it());)
    })
}

/// A reference to the field at a path, seen through each `Option` on the way.
pub(super) fn access(root: &TokenStream, path: &[Ident]) -> TokenStream {
    let mut place = root.clone();
    for (at, name) in path.iter().enumerate() {
        place = if at == 0 {
            quote!(&#place.#name)
        } else {
            quote!(&__k::versions::Through(#place).it().#name)
        };
    }
    place
}

/// A field that has an older one; its value is bound.
fn tie_or_make(field: &Field, new: &TokenStream) -> TokenStream {
    match &field.action {
        Action::Copied(old) | Action::Rest(old) | Action::Nested(old, _) | Action::With(old, _) => {
            let old = of_old(old);
            tie(field, &quote!(#old), new)
        }
        Action::Added(Source::With(path)) => {
            quote_spanned!(at(path.span())=> __k::versions::made(__old, #new, #path);)
        }
        _ => TokenStream::new(),
    }
}

/// One field and its older one.
fn tie(field: &Field, old: &TokenStream, new: &TokenStream) -> TokenStream {
    let span = field.ty.span();
    match &field.action {
        Action::Nested(..) => quote_spanned!(at(span)=> __k::versions::nested(#old, #new);),
        Action::With(_, functions) => {
            let Functions { up, down, .. } = &**functions;
            let (up, down) = (way(up, old, new), way(down, new, old));
            quote!(#up #down)
        }
        _ => {
            // The mistake is told at the field's type.
            let new = respan(new, span);
            quote_spanned!(at(span)=> __k::versions::same_type(#old, #new);)
        }
    }
}

fn respan(tokens: &TokenStream, span: Span) -> TokenStream {
    tokens
        .clone()
        .into_iter()
        .map(|mut token| {
            token.set_span(span.resolved_at(token.span()));
            token
        })
        .collect()
}

fn way(way: &Way, from: &TokenStream, into: &TokenStream) -> TokenStream {
    let path = &way.path;
    let tie = if way.tries { quote!(try_way) } else { quote!(way) };
    quote_spanned!(at(path.span())=> __k::versions::#tie(#from, #into, #path);)
}

fn grouped_way(way: &Way, from: &TokenStream, into: &TokenStream) -> TokenStream {
    let path = &way.path;
    let tie = if way.tries {
        quote!(try_group)
    } else {
        quote!(group)
    };
    quote_spanned!(at(path.span())=> __k::versions::#tie(#from, #into, #path);)
}

fn enumeration(of: &Ident, from: &Path, found: &Enum) -> TokenStream {
    let kept = found.variants.iter().filter_map(|variant| match &variant.action {
        VariantAction::Copied(old) => Some(old),
        _ => None,
    });
    let old = kept.chain(found.old_only.iter().map(|(old, _)| old));
    let old = old.map(|old| quote!(#from::#old { .. } => {}));
    let missed = quote_spanned!(at(from.span())=> match __old { #(#old)* });
    let pairs = found
        .variants
        .iter()
        .filter_map(|variant| pair(of, from, variant));
    let pairs: Vec<_> = pairs.collect();
    let pairs = (!pairs.is_empty()).then(|| quote!(match (__old, __new) { #(#pairs)* _ => {} }));
    let shown = found.variants.iter().map(|variant| match &variant.action {
        VariantAction::AddedDown(old) => quote_spanned!(at(old.span())=> let _: #from = #from::#old;),
        VariantAction::AddedDownWith(path) => {
            quote_spanned!(at(path.span())=> __k::versions::shown::<#from, #of>(#path);)
        }
        _ => TokenStream::new(),
    });
    let become_of = found
        .old_only
        .iter()
        .map(|(_, new)| quote_spanned!(at(new.span())=> let _: #of = #of::#new;));
    quote!(#missed #pairs #(#shown)* #(#become_of)*)
}

/// The contents of one variant in both types.
fn pair(of: &Ident, from: &Path, variant: &Variant) -> Option<TokenStream> {
    let VariantAction::Copied(old) = &variant.action else {
        return None;
    };
    let name = &variant.name;
    Some(match &variant.body {
        VariantBody::Unit => quote_spanned!(at(old.span())=> (#from::#old, #of::#name) => {}),
        VariantBody::New(field) => {
            let tie = tie(field, &quote!(__o_0), &quote!(__n_0));
            quote_spanned!(at(old.span())=> (#from::#old(__o_0), #of::#name(__n_0)) => { #tie })
        }
        VariantBody::Fields(fields) => {
            let bindings = fields.iter().filter_map(|field| match &field.action {
                Action::Copied(old) | Action::Rest(old) | Action::Nested(old, _) | Action::With(old, _) => {
                    Some(bound(old))
                }
                Action::Skipped(Some(old)) => Some(quote!(#old: _)),
                _ => None,
            });
            let names = fields.iter().filter(|field| {
                matches!(
                    field.action,
                    Action::Copied(_)
                        | Action::Rest(_)
                        | Action::Nested(..)
                        | Action::With(..)
                        | Action::Added(Source::With(_))
                )
            });
            let names = names.map(|field| {
                let (name, binding) = (&field.name, of_new(&field.name));
                quote!(#name: #binding)
            });
            let ties = fields.iter().map(|field| {
                let binding = of_new(&field.name);
                tie_or_make(field, &quote!(#binding))
            });
            let old_fields = braces(quote!(#(#bindings,)*), old.span());
            quote_spanned! {at(old.span())=>
                (#from::#old #old_fields, #of::#name { #(#names,)* .. }) => { #(#ties)* }
            }
        }
    })
}
