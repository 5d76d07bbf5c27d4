//! What the kind is: its names, its parts and its description as data.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::custom_resource::{Column, Model, Schema};
use crate::paths::Paths;

pub(super) fn emit(model: &Model, paths: &Paths) -> TokenStream {
    let resource = resource(model, paths);
    let custom_kind = custom_kind(model, paths);
    let has = has(model, paths);
    quote!(#resource #custom_kind #has)
}

/// `k8s_openapi`'s two traits, from which kube makes `kube::Resource`.
fn resource(model: &Model, paths: &Paths) -> TokenStream {
    let Model {
        root,
        group,
        version,
        kind,
        api_version,
        plural,
        ..
    } = model;
    let k8s_openapi = paths.k8s_openapi();
    let object_meta = paths.object_meta_in_block();
    let scope = if model.namespaced {
        quote!(__k::Namespaced)
    } else {
        quote!(__k::Cluster)
    };
    quote! {
        impl #k8s_openapi::Resource for #root {
            const API_VERSION: &'static str = #api_version;
            const GROUP: &'static str = #group;
            const KIND: &'static str = #kind;
            const VERSION: &'static str = #version;
            const URL_PATH_SEGMENT: &'static str = #plural;
            type Scope = #scope;
        }
        impl #k8s_openapi::Metadata for #root {
            type Ty = #object_meta;
            fn metadata(&self) -> &#object_meta {
                &self.metadata
            }
            fn metadata_mut(&mut self) -> &mut #object_meta {
                &mut self.metadata
            }
        }
    }
}

fn custom_kind(model: &Model, paths: &Paths) -> TokenStream {
    let Model { spec, root, .. } = model;
    let object_meta = paths.object_meta_in_block();
    let info = info(model);
    let schema = match model.schema {
        Schema::Derived | Schema::Manual => quote!(__k::schema_of::<Self>()),
        Schema::Disabled => quote!(__k::Option::None),
    };
    let (status, of_self, from_parts) = match &model.status {
        Some(status) => (
            quote!(#status),
            quote!(self.status.as_ref()),
            quote!(status: __parts.2),
        ),
        None => (quote!(__k::NoStatus), quote!(__k::Option::None), quote!()),
    };
    quote! {
        impl __k::CustomKind for #root {
            type Spec = #spec;
            type Status = #status;
            const INFO: &'static __k::KindInfo = &#info;
            const SCHEMA: __k::Option<__k::SchemaFn> = #schema;
            fn parts(&self) -> (&#object_meta, &#spec, __k::Option<&Self::Status>) {
                (&self.metadata, &self.spec, #of_self)
            }
            fn from_parts(__parts: __k::Parts<Self>) -> Self {
                Self { metadata: __parts.0, spec: __parts.1, #from_parts }
            }
        }
    }
}

/// The `KindInfo`, with what the user wrote and nothing else.
fn info(model: &Model) -> TokenStream {
    let Model {
        singular,
        list_kind,
        crd_name,
        description,
        short_names,
        categories,
        selectable,
        ..
    } = model;
    let mut info = quote!(__k::KindInfo::of::<Self>(#singular, #list_kind, #crd_name, #description));
    let mut set = |given: bool, call: TokenStream| {
        if given {
            info.extend(quote!(.#call));
        }
    };
    let columns = model.columns.iter().map(column);
    set(model.flat, quote!(flat()));
    set(!short_names.is_empty(), quote!(short_names(&[#(#short_names),*])));
    set(!categories.is_empty(), quote!(categories(&[#(#categories),*])));
    set(!model.columns.is_empty(), quote!(columns(&[#(#columns),*])));
    set(!selectable.is_empty(), quote!(selectable(&[#(#selectable),*])));
    set(model.status.is_some(), quote!(status()));
    if let Some(scale) = &model.scale {
        let (spec, status) = (&scale.spec_replicas, &scale.status_replicas);
        let selector = match &scale.label_selector {
            Some(path) => quote!(__k::Option::Some(#path)),
            None => quote!(__k::Option::None),
        };
        set(true, quote!(scale(#spec, #status, #selector)));
    }
    set(model.storage == Some(true), quote!(stored()));
    set(model.storage == Some(false), quote!(not_stored()));
    set(!model.served, quote!(not_served()));
    match &model.deprecated {
        None => {}
        Some(None) => set(true, quote!(deprecated())),
        Some(Some(warning)) => set(true, quote!(deprecated_with(#warning))),
    }
    for (name, pairs) in [("annotations", &model.annotations), ("labels", &model.labels)] {
        let name = quote::format_ident!("{name}");
        let pairs_tokens = pairs.iter().map(|(key, value)| quote!((#key, #value)));
        set(!pairs.is_empty(), quote!(#name(&[#(#pairs_tokens),*])));
    }
    info
}

fn column(column: &Column) -> TokenStream {
    let (name, type_, json_path) = (&column.name, &column.type_, &column.json_path);
    let description = column
        .description
        .as_ref()
        .map(|text| quote!(.description(#text)));
    let format = column.format.as_ref().map(|text| quote!(.format(#text)));
    let priority = column.priority.map(|priority| quote!(.priority(#priority)));
    quote!(__k::Column::new(#name, #type_, #json_path) #description #format #priority)
}

/// kube's traits for the parts of an object, and the subresources that clients ask for.
fn has(model: &Model, paths: &Paths) -> TokenStream {
    let Model { spec, root, .. } = model;
    let kube_core = paths.kube_core();
    let status = model.status.as_ref().map(|status| {
        quote! {
            impl #kube_core::object::HasStatus for #root {
                type Status = #status;
                fn status(&self) -> __k::Option<&#status> {
                    self.status.as_ref()
                }
                fn status_mut(&mut self) -> &mut __k::Option<#status> {
                    &mut self.status
                }
            }
            impl __k::StatusSubresource for #root {}
        }
    });
    let scale = model
        .scale
        .as_ref()
        .map(|_| quote!(impl __k::ScaleSubresource for #root {}));
    quote! {
        impl #kube_core::object::HasSpec for #root {
            type Spec = #spec;
            fn spec(&self) -> &#spec {
                &self.spec
            }
            fn spec_mut(&mut self) -> &mut #spec {
                &mut self.spec
            }
        }
        #status
        #scale
    }
}
