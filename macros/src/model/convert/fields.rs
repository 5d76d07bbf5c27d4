//! What becomes of each field of a struct.

use std::collections::BTreeMap;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{FieldsNamed, Ident, LitStr, Type};

use super::{
    Action, Field, Functions, Group, Move, OldField, Source, Struct, Way, Wire, WireField, instead_of_field,
    wire,
};
use crate::attrs::convert::{self, ConvertAttrs, Instead, Place, What};
use crate::attrs::form;
use crate::errors::Errors;

/// The fields of a struct, with what the type itself says.
pub(super) fn structure(
    named: &FieldsNamed,
    attrs: &ConvertAttrs,
    form: &Option<Wire>,
    errors: &mut Errors,
) -> Struct {
    let groups = groups(named, attrs, errors);
    let grouped: Vec<&Ident> = groups.iter().flat_map(|group| &group.new).collect();
    let fields: Vec<Field> = named
        .named
        .iter()
        .map(|field| structure_field(field, form, &grouped, errors))
        .collect();
    let moves = moves(named, attrs, &fields, errors);
    let old_only = old_only(attrs, errors);
    once_each(&fields, &groups, &old_only, errors);
    Struct {
        fields,
        old_only,
        groups,
        moves,
    }
}

fn structure_field(
    field: &syn::Field,
    form: &Option<Wire>,
    grouped: &[&Ident],
    errors: &mut Errors,
) -> Field {
    let name = field.ident.clone().expect("a named field has a name");
    let actions = convert::of_part(&field.attrs, Place::Field, errors);
    let wire = form.as_ref().and_then(|form| form.field(&name));
    let mut action = action(field, actions, grouped.contains(&&name), errors);
    need_value(field, &action, wire.is_some_and(|wire| wire.required), errors);
    if wire.is_some_and(|wire| wire.open) {
        action = in_flattened_map(field, action, errors);
    }
    if wire::is_skipped(&form::part(&field.attrs)) {
        action = match action {
            Action::Copied(old) => Action::Skipped(Some(old)),
            Action::Added(Source::Nothing) => Action::Skipped(None),
            _ => {
                errors.at(
                    added_at(field),
                    format!(
                        "serde neither reads nor writes `{name}`, so there is nothing to convert; write `added` alone \
                         where the older type does not have it"
                    ),
                );
                Action::Skipped(None)
            }
        };
    }
    Field {
        ty: field.ty.clone(),
        name,
        action,
    }
}

/// A flattened map, which is no field on the wire.
fn in_flattened_map(field: &syn::Field, action: Action, errors: &mut Errors) -> Action {
    match action {
        Action::Copied(old) => Action::Rest(old),
        Action::Added(Source::Nothing) => Action::Skipped(None),
        // What was wrong with it was said.
        Action::Skipped(old) => Action::Skipped(old),
        action => {
            errors.at(
                added_at(field),
                "a flattened map holds what no field has, and moves as it stands; convert the whole type by `manual`",
            );
            Action::Skipped(match action {
                Action::Nested(old, _) | Action::With(old, _) => Some(old),
                _ => None,
            })
        }
    }
}

/// E05.
fn need_value(field: &syn::Field, action: &Action, required: bool, errors: &mut Errors) {
    if let (Action::Added(Source::Nothing), true, Some(name)) = (action, required, &field.ident) {
        errors.at(
            added_at(field),
            format!(
                "required field `{name}` needs a value for older objects: `added(value = ...)`, `added(with = ...)`, or \
                 make it Option"
            ),
        );
    }
}

/// Where the field says what becomes of it, or its name.
fn added_at(field: &syn::Field) -> Span {
    let attr = field.attrs.iter().find(|attr| attr.path().is_ident("convert"));
    match attr.and_then(|attr| attr.meta.require_list().ok()) {
        Some(list) => list.tokens.span(),
        None => field.ident.span(),
    }
}

/// The one action of a field.
fn action(field: &syn::Field, actions: Vec<convert::Action>, grouped: bool, errors: &mut Errors) -> Action {
    let name = field
        .ident
        .clone()
        .unwrap_or_else(|| Ident::new("it", field.span()));
    let mut old = None;
    let mut main: Option<(Ident, What)> = None;
    let mut renamed = None;
    let mut unclear = false;
    for convert::Action { key, what } in actions {
        match what {
            What::Rename(text) => {
                old = ident(&text, errors);
                renamed = Some(key);
            }
            what => match &main {
                Some((before, _)) => {
                    exclude(before, &key, errors);
                    unclear = true;
                }
                None => main = Some((key, what)),
            },
        }
    }
    if let (
        Some(renamed),
        Some((key, What::Added | What::AddedValue(_) | What::AddedWith(_) | What::Moved)),
    ) = (&renamed, &main)
    {
        exclude(key, renamed, errors);
        unclear = true;
    }
    if unclear {
        return Action::Skipped(old);
    }
    if grouped {
        if let Some(key) = main.as_ref().map(|(key, _)| key).or(renamed.as_ref()) {
            errors.at(
                key.span(),
                format!("`{name}` is one of a group's, which excludes `{key}`"),
            );
        }
        return Action::Grouped;
    }
    let old = old.unwrap_or_else(|| name.clone());
    let hidden = wire::hidden(field);
    match main {
        None | Some((_, What::Rename(_))) => Action::Copied(old),
        Some((_, What::Added)) => Action::Added(Source::Nothing),
        Some((_, What::AddedValue(value))) => Action::Added(Source::Value(value)),
        Some((_, What::AddedWith(path))) => Action::Added(Source::With(path)),
        Some((_, What::Moved)) => Action::Moved,
        Some((key, What::Nested(keys))) => {
            if let Some((hider, _)) = hidden {
                errors.at(key.span(), wire::unseen(&hider));
            }
            let keys = if keys.is_empty() {
                convert::list_map_keys(&field.attrs)
            } else {
                keys
            };
            Action::Nested(old, keys)
        }
        Some((_, What::With(given))) => match functions("with", *given, errors) {
            Some(functions) => Action::With(old, Box::new(functions)),
            // The types differ, or there would be no need of functions.
            None => Action::Skipped(Some(old)),
        },
        // Read on variants alone.
        Some((_, What::AddedDown(_) | What::AddedDownWith(_) | What::AddedRefuse)) => Action::Copied(old),
    }
}

/// E06.
fn exclude(before: &Ident, key: &Ident, errors: &mut Errors) {
    errors.at(key.span(), format!("`{before}` and `{key}` exclude each other"));
}

/// A Rust name in a string, at the string.
pub(super) fn ident(text: &LitStr, errors: &mut Errors) -> Option<Ident> {
    match text.parse::<Ident>() {
        Ok(mut name) => {
            name.set_span(text.span());
            Some(name)
        }
        Err(_) => {
            errors.at(
                text.span(),
                format!(
                    "`{}` is no Rust name; serde's names are read of the types",
                    text.value()
                ),
            );
            None
        }
    }
}

/// E07, and what contradicts itself in the user's functions.
fn functions(key: &str, given: convert::Functions, errors: &mut Errors) -> Option<Functions> {
    let convert::Functions {
        span,
        up,
        down,
        exact,
        or,
    } = given;
    let (Some(up), Some(down)) = (up, down) else {
        errors.at(span, format!("`{key}` needs a way up and a way down"));
        return None;
    };
    let way = |way: convert::Way| Way {
        path: way.path,
        tries: way.tries,
        or: None,
    };
    let (mut up, mut down) = (way(up), way(down));
    if let Some(or) = or {
        if exact {
            errors.at(
                or.span(),
                "with a fallback, up and down are no inverses; remove `exact` or `or`",
            );
        }
        match (up.tries, down.tries) {
            (true, false) => up.or = Some(or),
            (false, true) => down.or = Some(or),
            (false, false) => errors.at(
                or.span(),
                "`or` stands in place of an error, and none of the functions has one; write `try_up` or `try_down`",
            ),
            (true, true) => errors.at(
                or.span(),
                "`or` could stand for `try_up` or `try_down`; let one of the functions itself return a fallback",
            ),
        }
    }
    Some(Functions { up, down, exact })
}

fn groups(named: &FieldsNamed, attrs: &ConvertAttrs, errors: &mut Errors) -> Vec<Group> {
    let mut groups = Vec::new();
    for group in &attrs.groups {
        for name in &group.new {
            if !named.named.iter().any(|field| field.ident.as_ref() == Some(name)) {
                errors.at(name.span(), format!("no field `{name}` in this type"));
            }
        }
        let copy = convert::Functions {
            span: group.functions.span,
            up: group.functions.up.clone(),
            down: group.functions.down.clone(),
            exact: group.functions.exact,
            or: group.functions.or.clone(),
        };
        let Some(functions) = functions("group", copy, errors) else {
            continue;
        };
        groups.push(Group {
            old: group.old.clone(),
            new: group.new.clone(),
            functions,
        });
    }
    groups
}

fn old_only(attrs: &ConvertAttrs, errors: &mut Errors) -> Vec<OldField> {
    let mut found = Vec::new();
    for old in &attrs.old_only {
        let name = old.name.clone();
        match instead_of_field(&old.instead) {
            Some(value) => found.push(OldField {
                moved: matches!(old.instead, Instead::Moved),
                name,
                value,
            }),
            None => errors.at(
                name.span(),
                format!("`up` names a variant, and this is a struct; write `{name}` or `{name} = value`"),
            ),
        }
    }
    found
}

/// Each older field is taken once. One that nobody takes is rustc's to tell.
fn once_each(fields: &[Field], groups: &[Group], old_only: &[OldField], errors: &mut Errors) {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mut take = |old: &Ident, by: String| {
        if let Some(before) = taken.get(&old.to_string()) {
            errors.at(
                old.span(),
                format!("`{old}` of the older type is taken twice: by {before} and by {by}"),
            );
        } else {
            taken.insert(old.to_string(), by);
        }
    };
    for field in fields {
        if let Action::Copied(old) | Action::Rest(old) | Action::Nested(old, _) | Action::With(old, _) =
            &field.action
        {
            take(old, format!("field `{}`", field.name));
        }
    }
    for name in groups.iter().flat_map(|group| &group.old) {
        take(name, "a group".to_owned());
    }
    for old in old_only {
        take(&old.name, "`old_only`".to_owned());
    }
}

fn moves(named: &FieldsNamed, attrs: &ConvertAttrs, fields: &[Field], errors: &mut Errors) -> Vec<Move> {
    let mut moves = Vec::new();
    for given in &attrs.moves {
        let (Some(from), Some(to)) = (path(&given.from, errors), path(&given.to, errors)) else {
            continue;
        };
        if from.len() == 1 && to.len() == 1 {
            errors.at(
                given.from.span(),
                format!(
                    "both ends are fields of this type: write `#[convert(rename = \"{}\")]` on `{}`",
                    from[0], to[0]
                ),
            );
            continue;
        }
        let Some(field) = named
            .named
            .iter()
            .find(|field| field.ident.as_ref() == to.first())
        else {
            errors.at(given.to.span(), format!("no field `{}` in this type", to[0]));
            continue;
        };
        if to.len() == 1 {
            let action = fields
                .iter()
                .find(|field| field.name == to[0])
                .map(|field| &field.action);
            if !matches!(action, Some(Action::Moved)) {
                errors.at(
                    given.to.span(),
                    format!("say so at the field too: `#[convert(moved)] {}`", to[0]),
                );
            }
        } else {
            refuse_lists(&field.ty, given.to.span(), errors);
        }
        // The older container has the same type, or one that this one comes from.
        let same = fields.iter().position(|field| match &field.action {
            Action::Copied(old) | Action::Nested(old, _) => from.len() > 1 && *old == from[0],
            _ => false,
        });
        if let Some(field) = same.and_then(|at| named.named.iter().nth(at)) {
            refuse_lists(&field.ty, given.from.span(), errors);
        }
        moves.push(Move { from, to });
    }
    moves
}

/// E13.
fn refuse_lists(ty: &Type, span: Span, errors: &mut Errors) {
    if let Some(what) = wire::through(ty) {
        errors.at(span, format!("`moved` cannot pass through {what}"));
    }
}

/// `"a.b"`, each name at the string.
fn path(text: &LitStr, errors: &mut Errors) -> Option<Vec<Ident>> {
    let names = text.value();
    let names = names.split('.').map(|name| {
        let mut name = syn::parse_str::<Ident>(name).ok()?;
        name.set_span(text.span());
        Some(name)
    });
    let names: Option<Vec<Ident>> = names.collect();
    if names.is_none() {
        errors.at(
            text.span(),
            format!(
                "`{}` is no path of Rust fields, as `\"tls.secret_name\"`",
                text.value()
            ),
        );
    }
    names
}

/// The only field of a newtype, or of a transparent struct.
pub(super) fn inner(field: &syn::Field, errors: &mut Errors) -> Field {
    let name = field
        .ident
        .clone()
        .unwrap_or_else(|| Ident::new("only", field.ty.span()));
    let mut action = Action::Copied(name.clone());
    for given in convert::of_part(&field.attrs, Place::Field, errors) {
        match given.what {
            What::Nested(keys) => action = Action::Nested(name.clone(), keys),
            _ => errors.at(
                given.key.span(),
                format!(
                    "a newtype is what it holds: `nested` or nothing, not `{}`",
                    given.key
                ),
            ),
        }
    }
    if let Some((key, span)) = wire::hidden(field) {
        errors.at(span, wire::unseen(&key));
    }
    Field {
        ty: field.ty.clone(),
        name,
        action,
    }
}

/// What a struct with fields says of them.
pub(super) fn refuse_on_newtype(attrs: &ConvertAttrs, errors: &mut Errors) {
    let spans = attrs.old_only.iter().map(|old| old.name.span());
    let spans = spans.chain(attrs.groups.iter().map(|group| group.span));
    let spans = spans.chain(attrs.moves.iter().map(|moved| moved.from.span()));
    for span in spans {
        errors.at(span, "a newtype has no fields of its own; convert it by `manual`");
    }
}

/// A field of a variant: the variant's own name says whether it is an older one, and its fields are renamed or converted
/// like a struct's.
pub(super) fn in_variant(field: &syn::Field, wire: Option<&WireField>, errors: &mut Errors) -> Field {
    let actions = convert::of_part(&field.attrs, Place::Field, errors);
    let mut action = action(field, actions, false, errors);
    need_value(field, &action, wire.is_some_and(|wire| wire.required), errors);
    match &action {
        Action::Added(Source::With(path)) => errors.at(
            path.span(),
            "the function would be given the whole older enum; write `added(value = ...)`, or convert the enum by `manual`",
        ),
        Action::Moved => errors.at(added_at(field), "`moved` cannot lead into a variant"),
        _ => {}
    }
    if wire::is_skipped(&form::part(&field.attrs)) {
        action = Action::Skipped(match action {
            Action::Copied(old) => Some(old),
            _ => None,
        });
    }
    if wire.is_some_and(|wire| wire.open) {
        action = in_flattened_map(field, action, errors);
    }
    Field {
        name: field.ident.clone().expect("a named field has a name"),
        ty: field.ty.clone(),
        action,
    }
}
