//! An edge between two versions of a type: one table and what names it. What it means stands in the runtime,
//! `kubewright::convert`.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Path, Type};

use super::{at, ties, wire};
use crate::model::convert::{
    Action, Body, Convert, Edge, Enum, Field, Functions, Group, Move, OldField, Source, Struct, Variant,
    VariantAction, VariantBody, Way,
};
use crate::paths::Paths;

/// Everything that `#[derive(Convert)]` makes.
pub(crate) fn convert(model: &Convert) -> TokenStream {
    let paths = Paths::new(&model.crates);
    let ident = &model.ident;
    // That of a kind's spec is made with the kind, unless this derive has something to say.
    let on_wire = (!model.of_kind).then(|| wire::on_wire(&quote!(#ident), model.wire.as_ref()));
    let edge = model.edge.as_ref().map(|edge| emit(ident, edge, model.broken));
    // A status that the version before does not have.
    let first = (model.edge.is_none() && !model.spec).then(|| {
        quote! {
            impl __k::convert::ConvertEdge<__k::NoStatus> for #ident {
                const SHAPE: __k::convert::Shape = __k::convert::Shape::Same;
                const LOSS: __k::convert::Loss = __k::convert::Loss::NONE;
            }
        }
    });
    let values = model.edge.as_ref().filter(|_| model.spec);
    let values = values.map(|edge| {
        let from = &edge.from;
        try_from(
            &quote!(#ident),
            &quote!(#from),
            &quote!(part_up),
            &quote!(part_down),
        )
    });
    let shaped = model
        .shaped
        .map(|span| quote_spanned!(at(span)=> const _: () = __k::has_shape::<#ident>();));
    let keys = model.keys.iter().map(|key| {
        let (ty, name, text) = (&key.ty, &key.name, key.ty_text());
        quote_spanned!(at(key.span)=> const _: () = __k::versions::list_key::<#ty>(#text, #name);)
    });
    let sensitive = model.sensitive.iter().map(|(name, span)| warning(name, *span));
    paths.block(&quote!(#on_wire #edge #first #values #shaped #(#keys)* #(#sensitive)*))
}

/// Values from one version to the other, by the runtime's functions `up` and `down`.
pub(super) fn try_from(
    new: &TokenStream,
    old: &TokenStream,
    up: &TokenStream,
    down: &TokenStream,
) -> TokenStream {
    let way = |from: &TokenStream, to: &TokenStream, function: &TokenStream| {
        quote! {
            impl __k::TryFrom<#from> for #to {
                type Error = __k::convert::ConvertError;
                fn try_from(__value: #from) -> __k::Result<Self, Self::Error> {
                    __k::convert::#function(&__value)
                }
            }
        }
    };
    let (up, down) = (way(old, new, up), way(new, old, down));
    quote!(#up #down)
}

/// A derive has no warnings of its own; what is deprecated has one.
fn warning(name: &Ident, span: Span) -> TokenStream {
    let note = format!(
        "`{name}` is sensitive, and older clients see it in an annotation: what their version cannot show is saved there"
    );
    // Where the key stands, and not in generated code, of which rustc tells no deprecation.
    let name = format_ident!("sensitive_{}", text(name), span = span);
    quote! {
        const _: () = {
            #[deprecated(note = #note)]
            const fn #name() {}
            #name()
        };
    }
}

fn emit(ident: &Ident, edge: &Edge, broken: bool) -> TokenStream {
    let from = &edge.from;
    let ties = ties::emit(ident, edge);
    let (table, shape, loss) = match &edge.body {
        Body::Manual => (
            quote!(static __MANUAL: __k::convert::Manual = __k::convert::Manual::of::<#from, #ident>();),
            quote!(__k::convert::Shape::Manual(&__MANUAL)),
            quote!(__k::convert::Loss::BOTH),
        ),
        Body::Inner(field) => match &field.action {
            Action::Nested(..) => {
                let ty = &field.ty;
                (
                    TokenStream::new(),
                    quote!(<#ty as __k::convert::Convert>::SHAPE),
                    quote!(<#ty as __k::convert::Convert>::LOSS),
                )
            }
            _ => (
                TokenStream::new(),
                quote!(__k::convert::Shape::Same),
                quote!(__k::convert::Loss::NONE),
            ),
        },
        Body::Broken => (
            TokenStream::new(),
            quote!(__k::convert::Shape::Same),
            quote!(__k::convert::Loss::NONE),
        ),
        Body::Struct(found) => {
            let ways = found.moves.iter().map(ways);
            of_table(
                ident,
                from,
                &structure(ident, from, found),
                &quote!(#(#ways)*),
                broken,
            )
        }
        Body::Enum(found) => of_table(
            ident,
            from,
            &enumeration(ident, from, found),
            &TokenStream::new(),
            broken,
        ),
    };
    let through = matches!(&edge.body, Body::Struct(found) if !found.moves.is_empty()).then(|| {
        quote!(
            use __k::versions::ThroughAny as _;
        )
    });
    quote! {
        #through
        #ties
        #table
        impl __k::convert::Convert for #ident {
            type Old = #from;
            const SHAPE: __k::convert::Shape = #shape;
            const LOSS: __k::convert::Loss = #loss;
        }
        impl __k::convert::ConvertEdge<#from> for #ident {
            const SHAPE: __k::convert::Shape = <Self as __k::convert::Convert>::SHAPE;
            const LOSS: __k::convert::Loss = <Self as __k::convert::Convert>::LOSS;
        }
    }
}

fn of_table(
    ident: &Ident,
    from: &Path,
    table: &TokenStream,
    ways: &TokenStream,
    broken: bool,
) -> (TokenStream, TokenStream, TokenStream) {
    // What was reported is not to be told again.
    let complete = (!broken).then(|| {
        let complete = quote_spanned!(at(from.span())=>
            const _: () = __k::versions::complete::<#from, #ident>(&__TABLE);
        );
        quote!(#complete #ways)
    });
    (
        quote! {
            static __TABLE: __k::convert::Table = #table;
            #complete
        },
        quote!(__k::convert::Shape::Table(&__TABLE)),
        quote!(__TABLE.loss()),
    )
}

fn structure(ident: &Ident, from: &Path, found: &Struct) -> TokenStream {
    let older = quote!(#from);
    let place = Place {
        ty: &older,
        variant: None,
    };
    let fields = found.fields.iter().filter_map(|f| field(place, f));
    let old = found.old_only.iter().map(|old| old_field(from, old));
    let groups = found.groups.iter().map(|g| group(ident, from, g));
    let groups = (!found.groups.is_empty()).then(|| quote!(.groups(&[#(#groups),*])));
    let moves = found.moves.iter().map(|m| moved(ident, from, m));
    let moves = (!found.moves.is_empty()).then(|| quote!(.moved(&[#(#moves),*])));
    quote!(__k::convert::Table::structs::<#from, #ident>(&[#(#fields,)* #(#old,)*]) #groups #moves)
}

fn text(name: &Ident) -> String {
    name.to_string().trim_start_matches("r#").to_owned()
}

/// `same` or `renamed`.
fn pair(kind: &TokenStream, old: &Ident, new: &Ident) -> TokenStream {
    let (old, new) = (text(old), text(new));
    if old == new {
        quote!(#kind::same(#new))
    } else {
        quote!(#kind::renamed(#old, #new))
    }
}

/// Where older fields stand: in a struct, or in a variant.
#[derive(Clone, Copy)]
struct Place<'a> {
    ty: &'a TokenStream,
    variant: Option<&'a Ident>,
}

impl Place<'_> {
    /// A closure from the whole value to one of its fields.
    fn accessor(self, name: &Ident) -> TokenStream {
        let ty = self.ty;
        match self.variant {
            None => quote!(|__s: &#ty| &__s.#name),
            Some(variant) => quote! {
                |__s: &#ty| match __s { #ty::#variant { #name: __f, .. } => __f, _ => __k::versions::never() }
            },
        }
    }
}

/// A field, whose older form stands in `from`.
fn field(from: Place<'_>, field: &Field) -> Option<TokenStream> {
    let Field { name, ty, action } = field;
    let kind = quote!(__k::convert::Field);
    let check = quote!(__k::convert::reads::<#ty>);
    let new = text(name);
    Some(match action {
        Action::Copied(old) => pair(&kind, old, name),
        Action::Nested(old, keys) => {
            let pair = pair(&kind, old, name);
            let keys = (!keys.is_empty()).then(|| quote!(.keys(&[#(#keys),*])));
            quote!(#pair.nested::<#ty>() #keys)
        }
        Action::With(old, functions) => {
            let pair = pair(&kind, old, name);
            let of_old = from.accessor(old);
            let with = with(functions, &of_old, ty);
            quote!(#pair #with .checked_at(#of_old).checked(#check))
        }
        Action::Added(source) => {
            let source = match source {
                Source::Nothing => None,
                Source::Value(value) => Some(
                    quote_spanned!(at(value.span())=> .value(|| __k::versions::value_of::<#ty, _>(&(#value)))),
                ),
                Source::With(path) => Some(quote!(.computed(|__a| __k::convert::view(#path, __a)))),
            };
            quote!(#kind::added(#new).checked(#check) #source)
        }
        Action::Moved => quote!(#kind::moved_new(#new)),
        Action::Grouped | Action::Skipped(_) | Action::Rest(_) => return None,
    })
}

fn old_field(from: &Path, old: &OldField) -> TokenStream {
    let OldField { name, value, moved } = old;
    let rust = text(name);
    if *moved {
        return quote!(__k::convert::Field::moved_old(#rust));
    }
    let value = value
        .as_ref()
        .map(|value| {
            quote_spanned!(at(value.span())=> .value(|| __k::versions::value(|__o: &#from| &__o.#name, &(#value))))
        });
    quote!(__k::convert::Field::old_only(#rust).checked_at(|__o: &#from| &__o.#name) #value)
}

/// The functions of a field, with the types that fallbacks have: by an accessor for the older one, which only that names.
fn with(functions: &Functions, old: &TokenStream, new: &Type) -> TokenStream {
    let Functions { up, down, exact } = functions;
    let (call_up, call_down) = (call(up), call(down));
    let exact = exact.then(|| quote!(.exact()));
    let or_up = up
        .or
        .as_ref()
        .map(|or| quote!(.or_up(|| __k::versions::value_of::<#new, _>(&(#or)))));
    let or_down = down
        .or
        .as_ref()
        .map(|or| quote!(.or_down(|| __k::versions::value(#old, &(#or)))));
    quote!(.up(#call_up).down(#call_down) #exact #or_up #or_down)
}

fn call(way: &Way) -> TokenStream {
    let path = &way.path;
    let map = if way.tries { quote!(try_map) } else { quote!(map) };
    quote!(|__a| __k::convert::#map(#path, __a))
}

fn group(ident: &Ident, from: &Path, group: &Group) -> TokenStream {
    let member = |of: &TokenStream, name: &Ident| {
        let rust = text(name);
        quote!(__k::convert::Member::new(#rust, __k::convert::reads_at(|__s: &#of| &__s.#name)))
    };
    let old = group.old.iter().map(|name| member(&quote!(#from), name));
    let new = group.new.iter().map(|name| member(&quote!(#ident), name));
    let Functions { up, down, exact } = &group.functions;
    let (call_up, call_down) = (call(up), call(down));
    let exact = exact.then(|| quote!(.exact()));
    let or_up = up
        .or
        .as_ref()
        .map(|or| quote!(.or_up(|| __k::convert::json(&(#or)))));
    let or_down = down
        .or
        .as_ref()
        .map(|or| quote!(.or_down(|| __k::convert::json(&(#or)))));
    quote! {
        __k::convert::Group::new(
            &[#(#old),*],
            &[#(#new),*],
            __k::convert::With::new(#call_up, #call_down) #exact #or_up #or_down,
        )
    }
}

/// A path of Rust names.
fn names(path: &[Ident]) -> TokenStream {
    // All at one place: an error is shown from its first token to its last.
    let span = at(path[0].span());
    let path = path.iter().map(|name| {
        let mut name = Literal::string(&text(name));
        name.set_span(span);
        name
    });
    quote_spanned!(span=> &[#(#path),*])
}

/// Asks, at each end, that a field which moves has a way there.
fn ways(moved: &Move) -> TokenStream {
    let (from, to) = (names(&moved.from), names(&moved.to));
    let leaves =
        quote_spanned!(at(moved.from[0].span())=> const _: () = __k::versions::leaves(&__TABLE, #from););
    let arrives =
        quote_spanned!(at(moved.to[0].span())=> const _: () = __k::versions::arrives(&__TABLE, #to););
    quote!(#leaves #arrives)
}

fn moved(ident: &Ident, from: &Path, moved: &Move) -> TokenStream {
    let creates = |of: &TokenStream, path: &[Ident]| {
        let containers = (1..path.len()).map(|end| {
            let place = ties::access(&quote!(__s), &path[..end]);
            quote_spanned!(at(path[0].span())=> || __k::convert::create(|__s: &#of| #place).json())
        });
        quote!(&[#(#containers),*])
    };
    let (old, new) = (names(&moved.from), names(&moved.to));
    let (of_old, of_new) = (
        creates(&quote!(#from), &moved.from),
        creates(&quote!(#ident), &moved.to),
    );
    quote!(__k::convert::Moved::new(#old, #new).creates(#of_old, #of_new))
}

fn enumeration(ident: &Ident, from: &Path, found: &Enum) -> TokenStream {
    let older = quote!(#from);
    let variants = found.variants.iter().map(|v| variant(v, &older));
    let old = found.old_only.iter().map(|(old, new)| {
        let (old, new) = (text(old), text(new));
        quote!(__k::convert::Variant::old_only(#old).shown(#new))
    });
    quote!(__k::convert::Table::enums::<#from, #ident>(&[#(#variants,)* #(#old,)*]))
}

fn variant(variant: &Variant, from: &TokenStream) -> TokenStream {
    let kind = quote!(__k::convert::Variant);
    let name = text(&variant.name);
    let added = quote!(#kind::added(#name));
    let old = match &variant.action {
        VariantAction::Copied(old) => old,
        VariantAction::AddedDown(old) => {
            let old = text(old);
            return quote!(#added.shown(#old));
        }
        VariantAction::AddedDownWith(path) => {
            return quote!(#added.made(|__a| __k::convert::view(#path, __a)));
        }
        VariantAction::AddedRefuse => return added,
    };
    let pair = pair(&kind, old, &variant.name);
    match &variant.body {
        VariantBody::Unit => pair,
        VariantBody::New(only) => match &only.action {
            Action::Nested(..) => {
                let ty = &only.ty;
                quote!(#pair.nested::<#ty>())
            }
            _ => pair,
        },
        VariantBody::Fields(fields) => {
            let changed = |field: &Field| !matches!(&field.action, Action::Copied(old) if *old == field.name);
            if fields.iter().any(changed) {
                let from = Place {
                    ty: from,
                    variant: Some(old),
                };
                let fields = fields.iter().filter_map(|f| field(from, f));
                quote!(#pair.fields(&[#(#fields),*]))
            } else {
                pair
            }
        }
    }
}
