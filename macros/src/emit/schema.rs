//! A type's shape as a constant, and `JsonSchema` that reads it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{GenericArgument, GenericParam, PathArguments, Type};

use crate::attrs::form::Default;
use crate::model::schema::{
    Body, Check, Child, Compat, Extra, Field, Form, Kind, Later, Open, Schema, Tagging, Variant,
};
use crate::paths::Paths;

/// Everything that `#[derive(KubeSchema)]` makes.
pub(crate) fn schema(model: &Schema) -> TokenStream {
    let paths = Paths::new(&model.crates);
    let json_schema = json_schema(model, &paths);
    let shaped = shaped(model, &paths);
    let checks = checks(model);
    paths.block(&quote! {
        use __k::shape::Foreign as _;
        #json_schema
        #shaped
        #checks
    })
}

/// Generics with schemars' bound on each type parameter.
fn bounded(model: &Schema, paths: &Paths) -> syn::Generics {
    let mut generics = model.generics.clone();
    let bound = paths.json_schema();
    let params: Vec<_> = generics.type_params().map(|param| param.ident.clone()).collect();
    if !params.is_empty() {
        let clause = generics.make_where_clause();
        for param in params {
            clause.predicates.push(syn::parse_quote!(#param: #bound));
        }
    }
    generics
}

fn json_schema(model: &Schema, paths: &Paths) -> TokenStream {
    let (ident, name) = (&model.ident, &model.name);
    let trait_path = paths.json_schema();
    let generics = bounded(model, paths);
    let (of_impl, of_type, clause) = generics.split_for_impl();
    let params: Vec<_> = model.generics.type_params().map(|param| &param.ident).collect();
    let (text, id) = if params.is_empty() {
        (
            quote!(__k::Cow::Borrowed(#name)),
            quote!(__k::Cow::Borrowed(__k::concat!(__k::module_path!(), "::", #name))),
        )
    } else {
        (
            quote!(__k::shape::name(#name, &[#(<#params as #trait_path>::schema_name()),*])),
            quote! {
                __k::shape::name(
                    __k::concat!(__k::module_path!(), "::", #name),
                    &[#(<#params as #trait_path>::schema_id()),*],
                )
            },
        )
    };
    quote! {
        impl #of_impl #trait_path for #ident #of_type #clause {
            fn schema_name() -> __k::Cow<'static, str> {
                #text
            }
            fn schema_id() -> __k::Cow<'static, str> {
                #id
            }
            fn json_schema(__g: &mut __k::Generator) -> __k::Schema {
                __k::shape::schema::<Self>(__g)
            }
        }
    }
}

fn shaped(model: &Schema, paths: &Paths) -> TokenStream {
    let (ident, name) = (&model.ident, model.ident.to_string());
    let generics = bounded(model, paths);
    let (of_impl, of_type, clause) = generics.split_for_impl();
    let kind = match &model.kind {
        Kind::Known(name) => {
            let name = format_ident!("{name}");
            quote!(__k::shape::Kind::#name)
        }
        Kind::As(ty) => quote!(__k::shape::Of::<#ty>::KIND),
    };
    let form = match &model.form {
        Form::Object(fields) => {
            let fields = fields.iter().map(|f| field(f, paths));
            quote!(object(#name, &[#(#fields),*]))
        }
        Form::Same(only) => {
            let only = field(only, paths);
            quote!(same(#name, &#only))
        }
        Form::Names(names, Open::No) => quote!(names(#name, &[#(#names),*])),
        Form::Names(names, Open::Yes) => quote!(open_names(#name, &[#(#names),*])),
        Form::Variants(tagging, list) => {
            let tagging = match tagging {
                Tagging::External => quote!(External),
                Tagging::Internal(tag) => quote!(Internal(#tag)),
                Tagging::Adjacent(tag, content) => quote!(Adjacent(#tag, #content)),
                Tagging::Untagged => quote!(Untagged),
            };
            let list = list.iter().map(|v| variant(v, paths));
            quote!(variants(#name, __k::shape::Tagging::#tagging, &[#(#list),*]))
        }
    };
    let extra = extra(&model.extra, paths);
    let compat = match model.compat {
        Compat::Ours => quote!(),
        Compat::KubeDerive => quote!(.like_kube_derive()),
        Compat::ControllerGen => quote!(.like_controller_gen()),
    };
    quote! {
        impl #of_impl __k::shape::Shaped for #ident #of_type #clause {
            const KIND: __k::shape::Kind = #kind;
            const SHAPE: __k::Option<&'static __k::shape::Shape> =
                __k::Option::Some(&__k::shape::Shape::#form #extra #compat);
        }
    }
}

fn variant(variant: &Variant, paths: &Paths) -> TokenStream {
    let Variant {
        name, doc, keywords, ..
    } = variant;
    let body = match &variant.body {
        Body::Unit => quote!(unit(#name)),
        Body::New(only) => {
            let only = field(only, paths);
            quote!(new(#name, &#only))
        }
        Body::Fields(fields) => {
            let fields = fields.iter().map(|f| field(f, paths));
            quote!(object(#name, &[#(#fields),*]))
        }
    };
    let doc = (!doc.is_empty()).then(|| quote!(.doc(#doc)));
    let keywords = (!keywords.is_empty()).then(|| quote!(.keywords(#keywords)));
    quote!(__k::shape::Variant::#body #doc #keywords)
}

fn field(field: &Field, paths: &Paths) -> TokenStream {
    let name = &field.name;
    let (child, kind) = match &field.child {
        Child::Type(ty) => {
            let ty = described(ty);
            (
                quote!(__k::shape::child::<#ty>),
                quote!(__k::shape::Of::<#ty>::KIND),
            )
        }
        Child::Function(function) => (quote!(|__g, _| #function(__g)), quote!(__k::shape::Kind::Unknown)),
        Child::Given => (quote!(__k::shape::given), quote!(__k::shape::Kind::Unknown)),
    };
    let flags = [
        (field.always, "always"),
        (field.optional, "optional"),
        (field.flat, "flat"),
        (field.nullable, "nullable"),
        (field.defaulted, "defaulted"),
    ];
    let flags = flags.iter().filter(|(on, _)| *on).map(|(_, name)| {
        let name = format_ident!("{name}");
        quote!(.#name())
    });
    let extra = extra(&field.extra, paths);
    quote!(__k::shape::Field::new(#name, #child, #kind) #(#flags)* #extra)
}

/// The type whose schema is asked for: k8s-openapi's `ByteString` has none, and one stands in for it (SCH-114).
fn described(ty: &Type) -> Type {
    let mut ty = ty.clone();
    stand_in(&mut ty);
    ty
}

fn stand_in(ty: &mut Type) {
    match ty {
        Type::Path(path) if path.qself.is_none() => {
            let Some(last) = path.path.segments.last_mut() else {
                return;
            };
            if last.ident == "ByteString" && last.arguments.is_none() {
                *ty = syn::parse_quote!(__k::shape::Bytes);
            } else if let PathArguments::AngleBracketed(arguments) = &mut last.arguments {
                for argument in &mut arguments.args {
                    if let GenericArgument::Type(inner) = argument {
                        stand_in(inner);
                    }
                }
            }
        }
        Type::Group(group) => stand_in(&mut group.elem),
        Type::Paren(paren) => stand_in(&mut paren.elem),
        Type::Slice(slice) => stand_in(&mut slice.elem),
        Type::Array(array) => stand_in(&mut array.elem),
        _ => {}
    }
}

fn extra(extra: &Extra, paths: &Paths) -> TokenStream {
    let Extra { doc, keywords, later } = extra;
    let doc = (!doc.is_empty()).then(|| quote!(.doc(#doc)));
    let keywords = (!keywords.is_empty()).then(|| quote!(.keywords(#keywords)));
    let later = (!later.is_empty()).then(|| {
        let statements = later.iter().map(|later| statement(later, paths));
        quote!(.later(|__n| { #(#statements)* }))
    });
    quote!(#doc #keywords #later)
}

fn statement(later: &Later, paths: &Paths) -> TokenStream {
    let kube_core = paths.kube_core();
    let names = quote! {
        use #kube_core::{ListMerge, MapMerge, Message, Reason, Rule, StructMerge};
    };
    match later {
        Later::Set(path, value) => quote!(__n.set(&[#(#path),*], &(#value));),
        Later::Text(path, value) => quote!(__n.set(&[#(#path),*], __k::ToString::to_string(&(#value)));),
        Later::Rule(path, rule) => quote!({ #names __n.rule(&[#(#path),*], __k::rule(#rule)); }),
        Later::Merge(strategy) => quote!({ #names __k::merge_strategy(__n, #strategy); }),
        Later::Default(Default::Trait, ty) => {
            quote!(__n.set(&["default"], &<#ty as __k::Default>::default());)
        }
        Later::Default(Default::Function(function), ty) => quote! {
            {
                let __value: #ty = #function();
                __n.set(&["default"], &__value);
            }
        },
        Later::Transform(transform) => quote!(__n.transform(#transform);),
    }
}

/// What needs other types' constants. A generic type has none of its own.
fn checks(model: &Schema) -> TokenStream {
    if model
        .generics
        .params
        .iter()
        .any(|param| !matches!(param, GenericParam::Lifetime(_)))
    {
        return TokenStream::new();
    }
    let kind = |ty: &Type| quote!(__k::shape::Of::<#ty>::KIND);
    let shape = |ty: &Type| quote!(__k::shape::Of::<#ty>::SHAPE);
    let checks = model.checks.iter().map(|check| match check {
        Check::Limit {
            place,
            key,
            limit,
            ty,
            span,
        } => {
            let (kind, limit) = (kind(ty), format_ident!("{}", limit.name()));
            quote_spanned!(*span=> const _: () = __k::shape::limit(#place, #key, #kind, __k::shape::Limit::#limit);)
        }
        Check::ListMap { place, keys, ty, span } => {
            let (kind, shape) = (kind(ty), shape(ty));
            quote_spanned!(*span=> const _: () = __k::shape::list_map(#place, &[#(#keys),*], #kind, #shape);)
        }
        Check::Key { place, ty, span } => {
            let kind = kind(ty);
            quote_spanned!(*span=> const _: () = __k::shape::key_kind(#place, #kind);)
        }
        Check::Root { place, ty, span } => {
            let kind = kind(ty);
            quote_spanned!(*span=> const _: () = __k::shape::root(#place, #kind);)
        }
        Check::Set { place, ty, span } => {
            let (kind, shape) = (kind(ty), shape(ty));
            quote_spanned!(*span=> const _: () = __k::shape::set_kind(#place, #kind, #shape);)
        }
        Check::Nullable { place, ty, span } => {
            let shape = shape(ty);
            quote_spanned!(*span=> const _: () = __k::shape::nullable(#place, #shape);)
        }
        Check::Flat {
            place,
            names,
            ty,
            span,
        } => {
            let (kind, shape) = (kind(ty), shape(ty));
            quote_spanned!(*span=> const _: () = __k::shape::flat(#place, &[#(#names),*], #kind, #shape);)
        }
        Check::DefaultName {
            place,
            default,
            ty,
            span,
        } => {
            let shape = shape(ty);
            quote_spanned!(*span=> const _: () = __k::shape::default_name(#place, #default, #shape);)
        }
    });
    quote!(#(#checks)*)
}
