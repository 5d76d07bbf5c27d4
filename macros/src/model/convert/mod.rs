//! A type's conversion from its older form, ready to print.
//!
//! `fields` decides what becomes of each field, `variants` of each variant, `wire` how both are written. What needs the
//! older type's tokens is left to rustc, by a function that takes both types apart, and to constants.
//!
//! **Invariant:** each field and variant of the type has one action, and each action of the user's stands in the model
//! or is an error.

mod fields;
#[cfg(test)]
mod tests;
mod variants;
mod wire;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Expr, Fields, GenericParam, Ident, LitStr, Path, Type};

use crate::attrs::convert::{ConvertAttrs, Instead};
use crate::attrs::crates::Crates;
use crate::attrs::{convert, defaults, form};
use crate::errors::Errors;
use crate::model::schema::types;

pub(crate) use wire::{Tagging, Wire, WireBody, WireField, WireVariant};

/// A type with a conversion, or the oldest one, of which only its written form is recorded.
pub(crate) struct Convert {
    pub(crate) ident: Ident,
    /// How it is written; absent where nothing but the user's own code can see through it.
    pub(crate) wire: Option<Wire>,
    /// It is the spec of a kind, which describes the written form itself.
    pub(crate) of_kind: bool,
    /// It is the spec of a kind, which users convert as a value.
    pub(crate) spec: bool,
    /// Fields that have to be in the items of lists.
    pub(crate) keys: Vec<ListKey>,
    pub(crate) edge: Option<Edge>,
    /// Mistakes were reported.
    pub(crate) broken: bool,
    /// Where something stands that only `KubeSchema` reads.
    pub(crate) shaped: Option<Span>,
    /// Where fields stand that hold secrets and may be saved in an annotation.
    pub(crate) sensitive: Vec<(Ident, Span)>,
    pub(crate) crates: Crates,
}

/// A field by which items of a list are told apart.
pub(crate) struct ListKey {
    /// The items' type.
    pub(crate) ty: Type,
    /// The written name.
    pub(crate) name: String,
    pub(crate) span: Span,
}

impl ListKey {
    /// The type as written.
    pub(crate) fn ty_text(&self) -> String {
        types::text(&self.ty)
    }
}

/// From the older type to this one and back.
pub(crate) struct Edge {
    pub(crate) from: Path,
    pub(crate) body: Body,
}

/// What the conversion consists of.
pub(crate) enum Body {
    /// `ManualConvert`, by the user.
    Manual,
    /// There is none that could be described; that was reported.
    Broken,
    Struct(Struct),
    Enum(Enum),
    /// A newtype: what it holds.
    Inner(Box<Field>),
}

/// The fields of a struct.
#[derive(Default)]
pub(crate) struct Struct {
    pub(crate) fields: Vec<Field>,
    pub(crate) old_only: Vec<OldField>,
    pub(crate) groups: Vec<Group>,
    pub(crate) moves: Vec<Move>,
}

/// A field of the newer type.
pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) action: Action,
}

/// What becomes of a field.
pub(crate) enum Action {
    /// The older field of this name, unchanged.
    Copied(Ident),
    Added(Source),
    /// The older field, and the keys of a list.
    Nested(Ident, Vec<LitStr>),
    With(Ident, Box<Functions>),
    /// It is filled by a `moved` further up.
    Moved,
    /// One of a group's.
    Grouped,
    /// Never written; the older field of this name neither.
    Skipped(Option<Ident>),
    /// A flattened map, as the older field is: what no field has is copied anyway.
    Rest(Ident),
}

/// What an added field holds in objects that come from the older version.
pub(crate) enum Source {
    Nothing,
    Value(Expr),
    With(Path),
}

/// A field of the older type alone.
pub(crate) struct OldField {
    pub(crate) name: Ident,
    pub(crate) value: Option<Expr>,
    pub(crate) moved: bool,
}

/// Fields that are converted together.
pub(crate) struct Group {
    pub(crate) old: Vec<Ident>,
    pub(crate) new: Vec<Ident>,
    pub(crate) functions: Functions,
}

/// The user's functions. At most one direction has the fallback.
pub(crate) struct Functions {
    pub(crate) up: Way,
    pub(crate) down: Way,
    pub(crate) exact: bool,
}

/// One direction.
pub(crate) struct Way {
    pub(crate) path: Path,
    pub(crate) tries: bool,
    /// Stands in place of an error.
    pub(crate) or: Option<Expr>,
}

/// Rust fields from the older type's, and from this one's.
pub(crate) struct Move {
    pub(crate) from: Vec<Ident>,
    pub(crate) to: Vec<Ident>,
}

/// The variants of an enum.
pub(crate) struct Enum {
    pub(crate) variants: Vec<Variant>,
    /// The older variants that are gone, and what they become.
    pub(crate) old_only: Vec<(Ident, Ident)>,
}

/// A variant of the newer type.
pub(crate) struct Variant {
    pub(crate) name: Ident,
    pub(crate) action: VariantAction,
    pub(crate) body: VariantBody,
}

/// What becomes of a variant.
pub(crate) enum VariantAction {
    /// The older variant of this name.
    Copied(Ident),
    /// Old clients see this older variant.
    AddedDown(Ident),
    AddedDownWith(Path),
    /// Old clients cannot read it: an error.
    AddedRefuse,
}

/// What a variant holds. Fields of an added one have no actions.
pub(crate) enum VariantBody {
    Unit,
    New(Box<Field>),
    Fields(Vec<Field>),
}

/// Resolves and checks. Absent where there is nothing to convert.
pub(crate) fn build(input: &DeriveInput, attrs: &ConvertAttrs, errors: &mut Errors) -> Option<Convert> {
    if let Data::Union(data) = &input.data {
        errors.at(
            data.union_token.span,
            "a union has no written form, and so no conversion",
        );
        return None;
    }
    let open = |param: &&GenericParam| !matches!(param, GenericParam::Lifetime(_));
    if let Some(param) = input.generics.params.iter().find(open) {
        errors.at(
            param.span(),
            "the conversion of a generic type would need one table for each of its uses; write the types out",
        );
        return None;
    }
    if let Some(param) = input.generics.params.first() {
        errors.at(
            param.span(),
            "a type that borrows is no part of an object; own the values",
        );
        return None;
    }
    let crates = attrs
        .crates
        .clone()
        .or_else(|| convert::kube_crates(&input.attrs));
    let manual = attrs.manual.is_some();
    refuse_without_from(input, attrs, errors);
    let serde = form::container(&input.attrs);
    let wire = if manual {
        unjudged(input)
    } else {
        wire::of(input, &serde, errors)
    };
    let body = body(input, attrs, &wire, errors);
    let body = body.map(|body| without_itself(input, body, errors));
    Some(Convert {
        of_kind: attrs.bare && convert::is_kind(&input.attrs),
        spec: convert::is_kind(&input.attrs),
        keys: if errors.is_empty() {
            body.as_ref().map(keys).unwrap_or_default()
        } else {
            Vec::new()
        },
        ident: input.ident.clone(),
        wire,
        shaped: shaped(input),
        sensitive: body
            .as_ref()
            .map(|body| sensitive(input, body))
            .unwrap_or_default(),
        crates: crates.unwrap_or_default(),
        broken: !errors.is_empty(),
        edge: attrs
            .from
            .clone()
            .zip(body)
            .map(|(from, body)| Edge { from, body }),
    })
}

/// The written form of a type that nobody converts by a table yet.
pub(crate) fn unjudged(input: &DeriveInput) -> Option<Wire> {
    let mut unjudged = Errors::default();
    let wire = wire::of(input, &form::container(&input.attrs), &mut unjudged);
    unjudged.finish();
    wire
}

/// All fields that have an action.
fn fields_in(body: &Body) -> Vec<&Field> {
    match body {
        Body::Manual | Body::Broken => Vec::new(),
        Body::Struct(found) => found.fields.iter().collect(),
        Body::Inner(only) => vec![only],
        Body::Enum(found) => found
            .variants
            .iter()
            .flat_map(|variant| match &variant.body {
                VariantBody::Unit => Vec::new(),
                VariantBody::New(only) => vec![&**only],
                VariantBody::Fields(fields) => fields.iter().collect(),
            })
            .collect(),
    }
}

/// A table that contains itself would have no end.
fn without_itself(input: &DeriveInput, body: Body, errors: &mut Errors) -> Body {
    let mut found = false;
    for field in fields_in(&body) {
        if let Action::Nested(..) = field.action
            && types::holds(&field.ty, &input.ident)
        {
            found = true;
            errors.at(
                field.ty.span(),
                format!(
                    "`{0}` contains itself here, and a conversion table cannot; convert `{0}` by `manual`",
                    input.ident
                ),
            );
        }
    }
    if found { Body::Broken } else { body }
}

/// The keys of all nested lists whose items' type the tokens tell.
fn keys(body: &Body) -> Vec<ListKey> {
    let of_field = |field: &Field| match &field.action {
        Action::Nested(_, keys) => {
            let item = types::item(&field.ty).cloned();
            let key = |(ty, key): (Type, &LitStr)| ListKey {
                ty,
                name: key.value(),
                span: key.span(),
            };
            let pairs = item
                .into_iter()
                .flat_map(|item| keys.iter().map(move |key| (item.clone(), key)));
            pairs.map(key).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    fields_in(body).into_iter().flat_map(of_field).collect()
}

/// The conversion; absent for the oldest version.
fn body(input: &DeriveInput, attrs: &ConvertAttrs, wire: &Option<Wire>, errors: &mut Errors) -> Option<Body> {
    attrs.from_at?;
    if let Some(manual) = attrs.manual {
        refuse_beside_manual(input, attrs, manual, errors);
        return Some(Body::Manual);
    }
    let of_wire = |body| if wire.is_some() { body } else { Body::Broken };
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) if matches!(wire, Some(Wire::Fields(_)) | None) => {
                let found = fields::structure(named, attrs, wire, errors);
                Some(of_wire(Body::Struct(found)))
            }
            inner => {
                fields::refuse_on_newtype(attrs, errors);
                let Some(only) = inner.iter().next() else {
                    return Some(Body::Broken);
                };
                Some(Body::Inner(Box::new(fields::inner(only, errors))))
            }
        },
        Data::Enum(data) => {
            let found = variants::enumeration(data, attrs, wire, errors);
            Some(of_wire(Body::Enum(found)))
        }
        Data::Union(_) => None,
    }
}

/// Actions say how an older type is converted, so there must be one.
fn refuse_without_from(input: &DeriveInput, attrs: &ConvertAttrs, errors: &mut Errors) {
    if attrs.from_at.is_some() {
        return;
    }
    let advice =
        "without the older type there is nothing to convert: add `#[convert(from = old::Type)]` to the type";
    let places = attrs.manual.into_iter();
    let places = places.chain(attrs.old_only.iter().map(|old| old.name.span()));
    let places = places.chain(attrs.groups.iter().map(|group| group.span));
    let places = places.chain(attrs.moves.iter().map(|moved| moved.from.span()));
    if let Some(span) = places.chain(on_parts(input)).next() {
        errors.at(span, advice);
    }
}

fn refuse_beside_manual(input: &DeriveInput, attrs: &ConvertAttrs, manual: Span, errors: &mut Errors) {
    let places = attrs.old_only.iter().map(|old| old.name.span());
    let places = places.chain(attrs.groups.iter().map(|group| group.span));
    let places = places.chain(attrs.moves.iter().map(|moved| moved.from.span()));
    let mut found = places.chain(on_parts(input)).peekable();
    if found.peek().is_none() {
        return;
    }
    for span in found {
        errors.at(
            span,
            "`manual` converts the whole type by `ManualConvert`; this would not be read",
        );
    }
    errors.at(manual, "remove `manual`, or what else is said of the conversion");
}

/// Where `#[convert]` stands on fields and variants.
fn on_parts(input: &DeriveInput) -> Vec<Span> {
    attributes(input)
        .into_iter()
        .filter(|attr| attr.path().is_ident("convert"))
        .map(|attr| attr.path().span())
        .collect()
}

/// The attributes of all fields and variants.
fn attributes(input: &DeriveInput) -> Vec<&syn::Attribute> {
    let variants: Vec<&syn::Variant> = match &input.data {
        Data::Enum(data) => data.variants.iter().collect(),
        _ => Vec::new(),
    };
    let of_variants = variants.into_iter().flat_map(|variant| &variant.attrs);
    let of_fields = fields_of(input).into_iter().flat_map(|field| &field.attrs);
    of_variants.chain(of_fields).collect()
}

/// Where keys stand that only `KubeSchema` reads: this derive lets `#[kube]` stand on fields, and a constant asks that
/// somebody reads it.
fn shaped(input: &DeriveInput) -> Option<Span> {
    attributes(input)
        .into_iter()
        .find(|attr| defaults::is_of_schema(attr))
        .map(|attr| attr.path().span())
}

/// Fields with `#[kube(sensitive)]` which the older version cannot show, in whole or in part.
fn sensitive(input: &DeriveInput, body: &Body) -> Vec<(Ident, Span)> {
    let shown = |name: &Ident| match body {
        Body::Struct(found) => found.fields.iter().any(|field| {
            field.name == *name
                && match &field.action {
                    Action::Copied(_) | Action::Skipped(_) => true,
                    Action::With(_, functions) => functions.exact,
                    _ => false,
                }
        }),
        _ => false,
    };
    let marked = fields_of(input).into_iter().filter_map(|field| {
        let span = defaults::sensitive(&field.attrs)?;
        let name = field.ident.clone()?;
        (!shown(&name)).then_some((name, span))
    });
    marked.collect()
}

fn fields_of(input: &DeriveInput) -> Vec<&syn::Field> {
    match &input.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    }
}

/// What a type-level entry says where structs and enums are not alike.
fn instead_of_field(instead: &Instead) -> Option<Option<Expr>> {
    match instead {
        Instead::Nothing => Some(None),
        Instead::Value(value) => Some(Some(value.clone())),
        Instead::Moved => Some(None),
        Instead::Up(_) => None,
    }
}
