//! A type's shape as a constant, and `JsonSchema` that reads it.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
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
    let checks = model.checks.iter().filter(|check| !is_of_instances(check, model));
    let checks = checks.map(|check| {
        let check = self::check(check, model);
        quote!(const _: () = #check;)
    });
    paths.block(&quote! {
        use __k::shape::Foreign as _;
        #json_schema
        #shaped
        #(#checks)*
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
    // Constants of an instance are looked at where it is used.
    let checks = model.checks.iter().filter(|check| is_of_instances(check, model));
    let checks = checks.map(|check| {
        let check = self::check(check, model);
        quote!(const { #check };)
    });
    quote! {
        impl #of_impl #trait_path for #ident #of_type #clause {
            fn schema_name() -> __k::Cow<'static, str> {
                #text
            }
            fn schema_id() -> __k::Cow<'static, str> {
                #id
            }
            fn json_schema(__g: &mut __k::Generator) -> __k::Schema {
                #(#checks)*
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
            let shape = match (&only.child, &only.inner) {
                (Child::Type(ty), Some(_)) => Some(quote!(.is(__k::shape::Of::<#ty>::SHAPE))),
                _ => None,
            };
            let only = field(only, paths);
            quote!(same(#name, &#only #shape))
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
    let links = links(model);
    quote! {
        impl #of_impl __k::shape::Shaped for #ident #of_type #clause {
            const KIND: __k::shape::Kind = #kind;
            const SHAPE: __k::Option<&'static __k::shape::Shape> =
                __k::Option::Some(&__k::shape::Shape::#form #extra #compat);
            #links
        }
    }
}

/// Constants that lead to the types which this one holds, by the number of steps.
fn links(model: &Schema) -> Option<TokenStream> {
    const STEPS: usize = 4;
    let (name, types) = (model.ident.to_string(), &model.links);
    let further = (1..=STEPS).map(|step| {
        let (this, before) = (format_ident!("LINKS_{step}"), format_ident!("LINKS_{}", step - 1));
        quote! {
            const #this: __k::shape::Links = Self::LINKS_0.to(&[#(__k::shape::Of::<#types>::#before),*]);
        }
    });
    (!types.is_empty()).then(|| {
        quote! {
            const LINKS_0: __k::shape::Links = __k::shape::Links::new(#name, __k::module_path!());
            #(#further)*
        }
    })
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
        Later::Exclude(path, limit, flag, value) => {
            quote!(__n.exclude(&[#(#path),*], #limit, #flag, &(#value));)
        }
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
        Later::Nones(default, fields) => {
            let default = match default {
                Default::Trait => quote!(<Self as __k::Default>::default()),
                Default::Function(function) => quote!(#function()),
            };
            let fields = fields.iter().map(|(rust, name)| {
                quote! {
                    if __k::Option::is_some(&__value.#rust) {
                        __n.none_as_default(#name);
                    }
                }
            });
            quote!({ let __value: Self = #default; #(#fields)* })
        }
    }
}

/// Whether a check is about what a parameter stands for.
fn is_of_instances(check: &Check, model: &Schema) -> bool {
    let params: Vec<&Ident> = model
        .generics
        .params
        .iter()
        .map(|param| match param {
            GenericParam::Type(param) => &param.ident,
            GenericParam::Const(param) => &param.ident,
            GenericParam::Lifetime(param) => &param.lifetime.ident,
        })
        .collect();
    // What contains itself does so in the shape of an instance.
    let of_type = matches!(check, Check::Recursion { .. });
    !params.is_empty() && (of_type || names(check.ty().to_token_stream(), &params))
}

fn names(tokens: TokenStream, idents: &[&Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => names(group.stream(), idents),
        TokenTree::Ident(ident) => idents.contains(&&ident) || ident == "Self",
        _ => false,
    })
}

/// A question to another type's constants.
fn check(check: &Check, model: &Schema) -> TokenStream {
    let ty = check.ty();
    let kind = quote!(__k::shape::Of::<#ty>::KIND);
    let shape = quote!(__k::shape::Of::<#ty>::SHAPE);
    match check {
        Check::Limit {
            place,
            key,
            limit,
            span,
            ..
        } => {
            let limit = format_ident!("{}", limit.name());
            quote_spanned!(*span=> __k::shape::limit(#place, #key, #kind, __k::shape::Limit::#limit))
        }
        Check::ListMap {
            place, keys, span, ..
        } => quote_spanned!(*span=> __k::shape::list_map(#place, &[#(#keys),*], #kind, #shape)),
        Check::Key { place, span, .. } => quote_spanned!(*span=> __k::shape::key_kind(#place, #kind)),
        Check::Root { place, span, .. } => quote_spanned!(*span=> __k::shape::root(#place, #kind)),
        Check::Set { place, span, .. } => quote_spanned!(*span=> __k::shape::set_kind(#place, #kind, #shape)),
        Check::Nullable { place, span, .. } => quote_spanned!(*span=> __k::shape::nullable(#place, #shape)),
        Check::Flat {
            place, names, span, ..
        } => quote_spanned!(*span=> __k::shape::flat(#place, &[#(#names),*], #kind, #shape)),
        Check::Literal {
            place, value, span, ..
        } => {
            let (text, given) = literal(value);
            let given = format_ident!("{given}");
            quote_spanned!(*span=> __k::shape::literal(#place, #text, __k::shape::Kind::#given, #kind, #shape))
        }
        Check::Recursion { place, span, .. } => {
            let ident = &model.ident;
            let (_, of_type, _) = model.generics.split_for_impl();
            quote_spanned!(*span=>
                __k::shape::recursion(
                    #place,
                    __k::shape::Of::<#ident #of_type>::LINKS_0,
                    __k::shape::Of::<#ty>::LINKS_4
                )
            )
        }
    }
}

/// How a literal is told in a message, and what it is in JSON.
fn literal(value: &serde_json::Value) -> (String, &'static str) {
    use serde_json::Value;
    let kind = match value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Number(number) if number.is_f64() => "Number",
        Value::Number(_) => "Integer",
        Value::String(text) => return (text.clone(), "String"),
        Value::Array(_) => "List",
        Value::Object(_) => "Object",
    };
    (value.to_string(), kind)
}
