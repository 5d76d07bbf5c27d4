//! What the derive asks constants: mistakes that show only where two types meet.
//!
//! Each check runs while the user's crate is compiled, and says what is wrong in a panic that the compiler shows. All of
//! them track their caller, so that it shows the user's line alone and none of these.

use super::{Field, Kind, Role, Shape};

/// Most bytes of a message.
const LONGEST: usize = 600;

/// Stops the compilation with the joined pieces.
#[track_caller]
pub(super) const fn refuse(pieces: &[&str]) -> ! {
    let mut text = [b' '; LONGEST];
    let mut at = 0;
    let mut piece = 0;
    while piece < pieces.len() {
        let bytes = pieces[piece].as_bytes();
        let mut byte = 0;
        while byte < bytes.len() && at < LONGEST {
            text[at] = bytes[byte];
            at += 1;
            byte += 1;
        }
        piece += 1;
    }
    match std::str::from_utf8(text.split_at(at).0) {
        Ok(text) => panic!("{}", text),
        // Cut within a letter.
        Err(_) => panic!("the derive of KubeSchema found a mistake"),
    }
}

pub(super) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether `part` stands in `text`.
const fn holds(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let mut at = 0;
    while at + part.len() <= text.len() {
        let mut same = 0;
        while same < part.len() && text[at + same] == part[same] {
            same += 1;
        }
        if same == part.len() {
            return true;
        }
        at += 1;
    }
    false
}

/// What kind of value a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `minimum` and the like.
    Number,
    /// `min_length` and the like.
    Text,
    /// `min_items` and the like.
    List,
    /// `min_properties` and the like.
    Object,
    /// `values(...)`.
    Map,
    /// `int_or_string`.
    Either,
    /// `preserve_unknown_fields`.
    Fields,
}

/// Whether values of this kind can be limited so; what is unknown can.
#[must_use]
pub const fn kind_takes(kind: Kind, limit: Limit) -> bool {
    matches!(
        (kind, limit),
        (Kind::Unknown | Kind::Any, _)
            | (Kind::Integer | Kind::Number | Kind::IntOrString, Limit::Number)
            | (Kind::String | Kind::IntOrString, Limit::Text)
            | (Kind::List | Kind::Set, Limit::List)
            | (Kind::Object | Kind::Map, Limit::Object)
            | (Kind::Map, Limit::Map)
            | (Kind::IntOrString, Limit::Either)
            | (Kind::Object | Kind::Map | Kind::List, Limit::Fields)
    )
}

/// Refuses a limit on a value of another kind.
#[track_caller]
pub const fn limit(place: &str, key: &str, kind: Kind, limit: Limit) {
    if !kind_takes(kind, limit) {
        let fits = match limit {
            Limit::Number => "numbers",
            Limit::Text => "strings",
            Limit::List => "lists",
            Limit::Object => "objects and maps",
            Limit::Map => "maps",
            Limit::Either => "what is an integer or a string, as `IntOrString` is",
            Limit::Fields => "objects, and lists and maps of them",
        };
        refuse(&[place, ": `", key, "` is for ", fits, ", and this is ", name(kind)]);
    }
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Unknown => "unknown",
        Kind::Object => "an object",
        Kind::Map => "a map",
        Kind::List | Kind::Set => "a list",
        Kind::String => "a string",
        Kind::Integer => "an integer",
        Kind::Number => "a number",
        Kind::Boolean => "a boolean",
        Kind::IntOrString => "an integer or a string",
        Kind::Any => "any value",
        Kind::Null => "null",
    }
}

/// Refuses keys of a map that are no strings.
#[track_caller]
pub const fn key_kind(place: &str, kind: Kind) {
    if !matches!(kind, Kind::String | Kind::Unknown) {
        refuse(&[
            place,
            ": keys of a map are strings in JSON, and this one is ",
            name(kind),
            "; use a `Vec` of a struct with the key as a field and `list_type = \"map\"`",
        ]);
    }
}

/// Refuses a spec that is no object (SCH-80).
#[track_caller]
pub const fn root(place: &str, kind: Kind) {
    if !matches!(kind, Kind::Unknown | Kind::Object | Kind::Map | Kind::Any) {
        refuse(&[
            place,
            ": spec must be an object: wrap the value in a struct; this is ",
            name(kind),
        ]);
    }
}

/// Refuses a set of what is no scalar, and no object that is replaced as a whole. A list is that anyway (SCH-43).
#[track_caller]
pub const fn set_kind(place: &str, kind: Kind, items: Option<&'static Shape>) {
    let atomic = match items {
        Some(shape) => holds(shape.keywords, "\"x-kubernetes-map-type\":\"atomic\""),
        None => false,
    };
    if matches!(kind, Kind::Object | Kind::Map | Kind::Set) && !atomic {
        refuse(&[
            place,
            ": only scalars (or atomic objects) can form a set, and an item is ",
            name(kind),
            "; use `Vec` with list_type = map and keys",
        ]);
    }
}

/// Refuses `nullable` on an enum of names: a server takes no null for one, not even where it is listed (SCH-31).
#[track_caller]
pub const fn nullable(place: &str, inner: Option<&'static Shape>) {
    let Some(shape) = inner else { return };
    if shape.only_names().is_some() {
        refuse(&[
            place,
            ": the server refuses null for an enum, and `",
            shape.name,
            "` is one; remove `nullable`: then the null of a `None` is dropped",
        ]);
    }
}

/// Refuses keys of a list that are no fields of its items, or that need not be there (SCH-43).
#[track_caller]
pub const fn list_map(place: &str, keys: &[&str], kind: Kind, items: Option<&'static Shape>) {
    if !matches!(kind, Kind::Unknown | Kind::Object | Kind::Any) {
        refuse(&[
            place,
            ": `list_type = \"map\"` needs items that are structs, and these are ",
            name(kind),
        ]);
    }
    let Some(shape) = items else { return };
    let Some(fields) = shape.fields() else { return };
    let mut at = 0;
    while at < keys.len() {
        let mut found = false;
        let mut open = false;
        let mut field = 0;
        while field < fields.len() {
            let candidate = &fields[field];
            open |= matches!(candidate.role, Role::Flat | Role::FlatOptional);
            if same(candidate.name, keys[at]) {
                found = true;
                key_field(place, candidate, shape);
            }
            field += 1;
        }
        if !found && !open {
            refuse(&[
                place,
                ": `",
                shape.name,
                "` has no field `",
                keys[at],
                "`, which is in `list_map_keys`",
            ]);
        }
        at += 1;
    }
}

#[track_caller]
const fn key_field(place: &str, field: &Field, shape: &Shape) {
    if field.nullable {
        refuse(&[
            place,
            ": `",
            field.name,
            "` of `",
            shape.name,
            "` is in `list_map_keys`, so it cannot be nullable",
        ]);
    }
    if matches!(field.role, Role::Optional) && !field.defaulted {
        refuse(&[
            place,
            ": `",
            field.name,
            "` of `",
            shape.name,
            "` is in `list_map_keys`, so it must be required or have a default; add `#[kube(default = ...)]` to it",
        ]);
    }
    if matches!(field.kind, Kind::Object | Kind::Map | Kind::List | Kind::Set) {
        refuse(&[
            place,
            ": `",
            field.name,
            "` of `",
            shape.name,
            "` is in `list_map_keys`, and is ",
            name(field.kind),
            "; keys are strings, numbers or booleans",
        ]);
    }
}

/// Refuses to lift the fields of what has none, or fields whose names are taken.
#[track_caller]
pub const fn flat(place: &str, names: &[&str], kind: Kind, inner: Option<&'static Shape>) {
    if !matches!(kind, Kind::Unknown | Kind::Object | Kind::Map | Kind::Any) {
        refuse(&[
            place,
            ": only a struct, an enum with data or a map can be flattened, and this is ",
            name(kind),
        ]);
    }
    let Some(shape) = inner else { return };
    let Some(fields) = shape.fields() else { return };
    let mut at = 0;
    while at < names.len() {
        let mut field = 0;
        while field < fields.len() {
            let plain = !matches!(fields[field].role, Role::Flat | Role::FlatOptional);
            if plain && same(fields[field].name, names[at]) {
                refuse(&[
                    place,
                    ": `",
                    names[at],
                    "` is a field of `",
                    shape.name,
                    "` too, which is flattened; rename one",
                ]);
            }
            field += 1;
        }
        at += 1;
    }
}

/// Refuses a literal, a default or one of `enum_values`, that is no value of its type. `given` is what it is itself.
#[track_caller]
pub const fn literal(place: &str, text: &str, given: Kind, kind: Kind, inner: Option<&'static Shape>) {
    let fits = match given {
        Kind::String => matches!(kind, Kind::String | Kind::IntOrString),
        Kind::Integer => matches!(kind, Kind::Integer | Kind::Number | Kind::IntOrString),
        Kind::List => matches!(kind, Kind::List | Kind::Set),
        Kind::Object => matches!(kind, Kind::Object | Kind::Map),
        Kind::Number => matches!(kind, Kind::Number),
        Kind::Boolean => matches!(kind, Kind::Boolean),
        _ => true,
    };
    if !fits && !matches!(kind, Kind::Unknown | Kind::Any) {
        refuse(&[place, ": `", text, "` is not ", name(kind)]);
    }
    let Some(shape) = inner else { return };
    let Some(names) = shape.only_names() else {
        return;
    };
    let mut at = 0;
    while at < names.len() {
        if same(names[at], text) {
            return;
        }
        at += 1;
    }
    refuse(&[
        place,
        ": `",
        shape.name,
        "` has no variant that is written `",
        text,
        "`",
    ]);
}
