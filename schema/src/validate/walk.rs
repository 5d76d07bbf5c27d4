//! The walk over a value beside its schema.
//!
//! It serves both questions: whether a value fits (no allocation, stops at the first mistake) and what is wrong with it
//! (all mistakes, with paths).
//!
//! **Invariant:** a value for which the quick walk finds nothing has no errors in the full one, and the reverse.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::lists::may_repeat;
use super::number::{check_number, is_integer};
use super::ratchet::{OldItems, unchanged};
use crate::depth::{self, DEPTH_LIMIT};
use crate::error::{FieldError, NO_FIELD, join};
use crate::format::Format;
use crate::gotext;
use crate::path::Path;
use crate::structural::{Additional, Checks, ListType, Node, Type};

/// All mistakes of the full walk.
pub(super) fn collect(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    prefix: &str,
    errors: &mut Vec<FieldError>,
) {
    let mut full = Full::default();
    walk(value, old, node, &Path::Root, &mut full);
    let place = |mut error: FieldError| {
        if error.field == NO_FIELD {
            if !prefix.is_empty() {
                prefix.clone_into(&mut error.field);
            }
        } else if error.field.starts_with('[') && !prefix.is_empty() {
            // Upstream joins with a dot here, whatever follows.
            error.field = format!("{prefix}.{}", error.field);
        } else {
            error.field = join(prefix, &error.field);
        }
        error
    };
    errors.extend(full.errors.into_iter().map(place));
}

/// Where mistakes go.
pub(super) trait Sink {
    /// Whether the first mistake ends the walk.
    const QUICK: bool;
    fn fail(&mut self, error: impl FnOnce() -> FieldError);
    fn done(&self) -> bool;
    /// A mark for [`Sink::forgive`].
    fn mark(&self) -> usize;
    /// Forgets the mistakes since a mark.
    fn forgive(&mut self, mark: usize);
    /// Meets a value of which the schema says nothing.
    fn undescribed(&mut self, value: &Value, path: &Path<'_>);
    /// Has met the items of a list.
    fn list(&mut self, items: &[Value], list_type: &ListType);
    /// Judges a junctor's member apart; returns whether it fits, its mistakes, and how much of it fits.
    fn branch(value: &Value, node: &Node, path: &Path<'_>) -> Judged;
    fn adopt(&mut self, judged: Judged);
}

pub(super) struct Judged {
    errors: Vec<FieldError>,
    fits: bool,
    matches: usize,
}

#[derive(Default)]
pub(super) struct Quick {
    pub(super) failed: bool,
    /// Whether the walk, as far as it came, met a list that may hold an entry twice.
    pub(super) repeats: bool,
    /// Whether the walk, as far as it came, met a value deeper than [`DEPTH_LIMIT`]. What a schema describes is never that
    /// deep, since no schema is.
    pub(super) too_deep: bool,
}

impl Quick {
    pub(super) fn judge(value: &Value, node: &Node) -> Self {
        let mut quick = Self::default();
        walk(value, None, node, &Path::Root, &mut quick);
        quick
    }

    /// Whether lists must be looked at one by one. What came after a mistake was not seen.
    pub(super) fn may_repeat(&self) -> bool {
        self.failed || self.repeats
    }
}

impl Sink for Quick {
    const QUICK: bool = true;

    fn fail(&mut self, _: impl FnOnce() -> FieldError) {
        self.failed = true;
    }

    fn done(&self) -> bool {
        self.failed
    }

    fn mark(&self) -> usize {
        0
    }

    fn forgive(&mut self, _: usize) {}

    fn undescribed(&mut self, value: &Value, path: &Path<'_>) {
        if matches!(value, Value::Object(_) | Value::Array(_)) {
            self.too_deep =
                self.too_deep || depth::exceeds_by(value, DEPTH_LIMIT.saturating_sub(path.depth()));
        }
    }

    fn list(&mut self, items: &[Value], list_type: &ListType) {
        self.repeats = self.repeats || self.too_deep || may_repeat(items, list_type);
    }

    fn branch(value: &Value, node: &Node, path: &Path<'_>) -> Judged {
        // The walk around it sees how deep the value is; members of junctors describe little of one.
        let mut quick = Quick {
            too_deep: true,
            ..Quick::default()
        };
        walk(value, None, node, path, &mut quick);
        Judged {
            errors: Vec::new(),
            fits: !quick.failed,
            matches: 0,
        }
    }

    fn adopt(&mut self, judged: Judged) {
        self.failed |= !judged.fits;
    }
}

#[derive(Default)]
pub(super) struct Full {
    pub(super) errors: Vec<FieldError>,
    /// How often each text stands among the first `counted` errors.
    texts: HashMap<String, usize>,
    counted: usize,
}

impl Full {
    /// Counts the texts of the errors that came since the last time.
    fn count(&mut self) {
        for error in &self.errors[self.counted..] {
            *self.texts.entry(error.to_string()).or_default() += 1;
        }
        self.counted = self.errors.len();
    }
}

impl Sink for Full {
    const QUICK: bool = false;

    fn fail(&mut self, error: impl FnOnce() -> FieldError) {
        self.errors.push(error());
    }

    fn done(&self) -> bool {
        false
    }

    fn mark(&self) -> usize {
        self.errors.len()
    }

    fn forgive(&mut self, mark: usize) {
        if mark < self.counted {
            for error in &self.errors[mark..self.counted] {
                if let Some(times) = self.texts.get_mut(&error.to_string()) {
                    *times -= 1;
                }
            }
            self.counted = mark;
        }
        self.errors.truncate(mark);
    }

    fn undescribed(&mut self, _: &Value, _: &Path<'_>) {}

    fn list(&mut self, _: &[Value], _: &ListType) {}

    fn branch(value: &Value, node: &Node, path: &Path<'_>) -> Judged {
        let mut full = Full::default();
        // Upstream does not correlate with the old value inside junctors.
        let matches = walk(value, None, node, path, &mut full);
        Judged {
            fits: full.errors.is_empty(),
            errors: full.errors,
            matches,
        }
    }

    fn adopt(&mut self, judged: Judged) {
        // The same check may be passed several times through junctors; it is told once.
        if judged.errors.is_empty() {
            return;
        }
        self.count();
        for error in judged.errors {
            let times = self.texts.entry(error.to_string()).or_default();
            if *times == 0 {
                *times = 1;
                self.errors.push(error);
                self.counted += 1;
            }
        }
    }
}

/// Validates one value. Returns how many checks were passed, by which upstream picks the best member of a junctor.
#[inline]
pub(super) fn walk<S: Sink>(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    path: &Path<'_>,
    sink: &mut S,
) -> usize {
    if S::QUICK
        && let Some(known) = quick(value, node, path, sink)
    {
        return known;
    }
    let mark = sink.mark();
    let matches = walk_all(value, old, node, path, sink);
    if !S::QUICK && sink.mark() > mark && old.is_some_and(|old| unchanged(value, old, node)) {
        sink.forgive(mark);
    }
    matches
}

/// Whether nothing is to be said about a value: most are plain ones without a limit.
#[inline]
fn is_plain(value: &Value, node: &Node) -> bool {
    node.checks.is_none()
        && match value {
            Value::String(_) => matches!(node.kind, Type::String | Type::IntOrString),
            Value::Bool(_) => node.kind == Type::Boolean,
            Value::Number(number) => {
                matches!(node.kind, Type::Integer | Type::IntOrString | Type::Number) && number.is_i64()
            }
            _ => false,
        }
}

/// The short way for values of the right type under usual checks; `None` if all that [`walk_all`] looks at may matter.
/// How much fits matters to the full walk alone.
#[inline]
fn quick<S: Sink>(value: &Value, node: &Node, path: &Path<'_>, sink: &mut S) -> Option<usize> {
    let checks = node.checks.as_deref();
    if checks.is_some_and(|checks| !checks.junctors_follow) {
        return None;
    }
    match (value, node.kind) {
        (Value::Object(map), Type::Object) if checks.is_none_or(|checks| checks.values.is_empty()) => {
            return Some(check_object(map, None, node, checks, path, sink));
        }
        (Value::Array(items), Type::Array) if checks.is_none_or(|checks| checks.values.is_empty()) => {
            return Some(check_items(items, None, node, checks, path, sink));
        }
        (Value::String(text), Type::String | Type::IntOrString) => {
            if let Some(checks) = checks {
                check_string(text, checks, path, sink);
            }
        }
        (Value::Number(number), Type::Integer | Type::IntOrString | Type::Number) if number.is_i64() => {
            check_number(number, node.kind, checks, path, sink);
        }
        (Value::Bool(_), Type::Boolean) => {}
        _ => return None,
    }
    if let Some(checks) = checks {
        check_enum(value, checks, path, sink);
    }
    Some(0)
}

fn walk_all<S: Sink>(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    path: &Path<'_>,
    sink: &mut S,
) -> usize {
    let checks = node.checks.as_deref();
    let format = checks.and_then(|checks| checks.format.as_ref());
    let mut matches = 0;
    if value.is_null() {
        matches += check_type(value, node, None, path, sink);
        if let Some(checks) = checks {
            check_enum(value, checks, path, sink);
        }
        return matches;
    }
    if node.kind != Type::Any || format.is_some() {
        matches += 1 + check_type(value, node, format, path, sink);
        if sink.done() {
            return matches;
        }
    }
    // Each kind of check counts as passed once, if it applies at all; upstream counts failed ones alike.
    matches += 2;
    if let Some(checks) = checks
        && !(S::QUICK && checks.junctors_follow)
    {
        matches += check_junctors(value, checks, path, sink);
        if sink.done() {
            return matches;
        }
    }
    match value {
        Value::String(text) => {
            matches += 1 + usize::from(format.is_some());
            if let Some(checks) = checks {
                check_string(text, checks, path, sink);
            }
        }
        Value::Number(number) => {
            matches += 2;
            check_number(number, node.kind, checks, path, sink);
        }
        Value::Array(items) => {
            matches += 2 + check_items(items, old, node, checks, path, sink);
        }
        _ => {}
    }
    if sink.done() {
        return matches;
    }
    matches += 1;
    if let Some(checks) = checks {
        check_enum(value, checks, path, sink);
    }
    if let Value::Object(map) = value {
        matches += 1 + check_object(map, old, node, checks, path, sink);
    }
    matches + 1
}

/// The field of an error about this value; the server names the object itself not at all.
pub(super) fn field_of(path: &Path<'_>) -> String {
    if path.is_root() {
        NO_FIELD.to_owned()
    } else {
        let mut field = path.render();
        if field.starts_with('.') {
            field.remove(0);
        }
        field
    }
}

/// Type and format names of a value, as upstream infers them.
fn kind_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::Number(number) if number.as_i64().is_some() => ("integer", "int64"),
        Value::Number(_) => ("number", "float64"),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    }
}

fn check_type<S: Sink>(
    value: &Value,
    node: &Node,
    format: Option<&(Format, Box<str>)>,
    path: &Path<'_>,
    sink: &mut S,
) -> usize {
    let fits = match (node.kind, value) {
        (Type::Any, _) => true,
        (_, Value::Null) => node.nullable,
        (Type::Array, Value::Array(_))
        | (Type::Boolean, Value::Bool(_))
        | (Type::Number, Value::Number(_))
        | (Type::Object, Value::Object(_))
        | (Type::String | Type::IntOrString, Value::String(_)) => true,
        (Type::Integer | Type::IntOrString, Value::Number(number)) => is_integer(number),
        _ => false,
    };
    if fits && (node.kind != Type::Any || format.is_none()) {
        return 1;
    }
    let (kind, kind_format) = kind_of(value);
    if let Some((_, format)) = format
        && **format != *kind_format
        && !matches!(value, Value::String(_) | Value::Array(_) | Value::Null)
    {
        sink.fail(|| type_error(path, format, kind_format));
        return 0;
    }
    // A string format speaks for the type where the value is a string or a list.
    if format.is_some()
        && matches!(value, Value::String(_) | Value::Array(_))
        && !matches!(node.kind, Type::Integer | Type::Number | Type::IntOrString)
    {
        return 1;
    }
    if fits {
        return 1;
    }
    sink.fail(|| type_error(path, node.kind.name(), kind));
    0
}

fn type_error(path: &Path<'_>, wanted: &str, found: &str) -> FieldError {
    let detail = format!(
        "{} in body must be of type {wanted}: {}",
        path.render(),
        gotext::quote(found)
    );
    FieldError::type_invalid(field_of(path), found, detail)
}

fn check_enum<S: Sink>(value: &Value, checks: &Checks, path: &Path<'_>, sink: &mut S) {
    if checks.values.is_empty() || checks.values.iter().any(|allowed| is_member(value, allowed)) {
        return;
    }
    sink.fail(|| {
        let supported: Vec<String> = checks
            .values
            .iter()
            .map(|allowed| match allowed {
                Value::String(text) => text.clone(),
                other => gotext::json(other),
            })
            .collect();
        FieldError::not_supported(field_of(path), value.clone(), &supported)
    });
}

/// A null never is one of the values, not even of one that lists null (SCH-31). Numbers compare by value, and a
/// fraction is cut off before it is compared with an integer, as upstream converts to the type of the enum's value.
fn is_member(value: &Value, allowed: &Value) -> bool {
    match (value, allowed) {
        (Value::Null, _) => false,
        (Value::Number(value), Value::Number(allowed)) => match (value.as_i64(), allowed.as_i64()) {
            (Some(value), Some(allowed)) => value == allowed,
            (None, Some(allowed)) =>
            {
                #[allow(clippy::cast_possible_truncation)]
                value.as_f64().is_some_and(|float| float as i64 == allowed)
            }
            _ => value.as_f64() == allowed.as_f64(),
        },
        _ => value == allowed,
    }
}

fn check_junctors<S: Sink>(value: &Value, checks: &Checks, path: &Path<'_>, sink: &mut S) -> usize {
    let mut matches = 0;
    let unplaced = |text: String| FieldError::invalid(NO_FIELD, "", text);
    if !checks.any_of.is_empty() {
        let mut best: Option<Judged> = None;
        let mut found = false;
        for member in &checks.any_of {
            let judged = S::branch(value, member, path);
            if judged.fits {
                matches += judged.matches;
                found = true;
                break;
            }
            if best.as_ref().is_none_or(|best| judged.matches > best.matches) {
                best = Some(judged);
            }
        }
        if !found {
            sink.fail(|| {
                unplaced(format!(
                    "{} must validate at least one schema (anyOf)",
                    gotext::quote(&path.render())
                ))
            });
            if let Some(best) = best {
                matches += best.matches;
                sink.adopt(best);
            }
        }
    }
    if !checks.one_of.is_empty() {
        let mut best: Option<Judged> = None;
        let mut valid = 0;
        let mut first_matches = 0;
        for member in &checks.one_of {
            let judged = S::branch(value, member, path);
            if judged.fits {
                if valid == 0 {
                    first_matches = judged.matches;
                }
                valid += 1;
                best = None;
            } else if valid == 0 && best.as_ref().is_none_or(|best| judged.matches > best.matches) {
                best = Some(judged);
            }
        }
        if valid == 1 {
            matches += first_matches;
        } else {
            sink.fail(|| {
                let found = match valid {
                    0 => "Found none valid".to_owned(),
                    n => format!("Found {n} valid alternatives"),
                };
                unplaced(format!(
                    "{} must validate one and only one schema (oneOf). {found}",
                    gotext::quote(&path.render())
                ))
            });
            if let Some(best) = best {
                matches += best.matches;
                sink.adopt(best);
            }
        }
    }
    if !checks.all_of.is_empty() {
        let mut valid = 0;
        for member in &checks.all_of {
            let judged = S::branch(value, member, path);
            valid += usize::from(judged.fits);
            matches += judged.matches;
            sink.adopt(judged);
        }
        if valid != checks.all_of.len() {
            sink.fail(|| {
                let none = if valid == 0 { ". None validated" } else { "" };
                unplaced(format!(
                    "{} must validate all the schemas (allOf){none}",
                    gotext::quote(&path.render())
                ))
            });
        }
    }
    if let Some(not) = &checks.not
        && S::branch(value, not, path).fits
    {
        sink.fail(|| {
            unplaced(format!(
                "{} must not validate the schema (not)",
                gotext::quote(&path.render())
            ))
        });
    }
    matches
}

fn check_string<S: Sink>(text: &str, checks: &Checks, path: &Path<'_>, sink: &mut S) {
    // Only the first of the three is told.
    check_length(text, checks, path, sink);
    if let Some((format, name)) = &checks.format
        && !format.matches(text)
    {
        sink.fail(|| type_error(path, name, text));
    }
}

fn check_length<S: Sink>(text: &str, checks: &Checks, path: &Path<'_>, sink: &mut S) {
    if checks.max_length.is_some() || checks.min_length.is_some() {
        // Most texts are short enough whatever their characters are, and counting takes time.
        let bytes = i64::try_from(text.len()).unwrap_or(i64::MAX);
        let sure = checks.max_length.is_none_or(|max| bytes <= max)
            && checks.min_length.is_none_or(|min| min <= bytes.min(1));
        let length = if sure {
            bytes
        } else {
            i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
        };
        if let Some(max) = checks.max_length
            && length > max
        {
            sink.fail(|| FieldError::too_long(field_of(path), max));
            return;
        }
        if let Some(min) = checks.min_length
            && length < min
        {
            sink.fail(|| {
                let detail = format!("{} in body should be at least {min} chars long", path.render());
                FieldError::invalid(field_of(path), text, detail)
            });
            return;
        }
    }
    if let Some(pattern) = &checks.pattern
        && !pattern.is_match(text)
    {
        sink.fail(|| {
            let detail = format!("{} in body should match '{}'", path.render(), pattern.source());
            FieldError::invalid(field_of(path), text, detail)
        });
    }
}

fn check_items<S: Sink>(
    items: &[Value],
    old: Option<&Value>,
    node: &Node,
    checks: Option<&Checks>,
    path: &Path<'_>,
    sink: &mut S,
) -> usize {
    let mut matches = 0;
    if let Some(item_node) = &node.items {
        let old = old
            .and_then(Value::as_array)
            .filter(|_| !S::QUICK)
            .and_then(|old| OldItems::new(old, node));
        for (index, item) in items.iter().enumerate() {
            if S::QUICK && is_plain(item, item_node) {
                continue;
            }
            let old = old.as_ref().and_then(|old| old.find(item));
            matches += walk(item, old, item_node, &Path::Index(path, index), sink);
            if sink.done() {
                return matches;
            }
        }
    } else {
        for (index, item) in items.iter().enumerate() {
            sink.undescribed(item, &Path::Index(path, index));
        }
    }
    if node.list_type != ListType::Atomic {
        sink.list(items, &node.list_type);
    }
    if let Some(checks) = checks {
        check_count(
            items.len(),
            checks.min_items,
            checks.max_items,
            "items",
            path,
            sink,
        );
    }
    matches
}

/// How many items or properties there are.
fn check_count<S: Sink>(
    count: usize,
    min: Option<i64>,
    max: Option<i64>,
    what: &str,
    path: &Path<'_>,
    sink: &mut S,
) {
    let size = i64::try_from(count).unwrap_or(i64::MAX);
    if let Some(min) = min
        && size < min
    {
        sink.fail(|| {
            let detail = format!("{} in body should have at least {min} {what}", path.render());
            FieldError::invalid(field_of(path), size, detail)
        });
    }
    if let Some(max) = max
        && size > max
    {
        sink.fail(|| FieldError::too_many(field_of(path), count, max));
    }
}

fn check_object<S: Sink>(
    map: &Map<String, Value>,
    old: Option<&Value>,
    node: &Node,
    checks: Option<&Checks>,
    path: &Path<'_>,
    sink: &mut S,
) -> usize {
    let mut matches = 0;
    if let Some(checks) = checks {
        let (min, max) = (checks.min_properties, checks.max_properties);
        check_count(map.len(), min, max, "properties", path, sink);
    }
    let mut required = 0;
    let mut properties = node.properties.in_order();
    for (key, value) in map {
        // The type of an object is set by the server in both versions, so a change of it cannot be seen.
        let correlated = |key: &str| match old {
            Some(Value::Object(old))
                if !(S::QUICK || path.is_root() && matches!(key, "kind" | "apiVersion")) =>
            {
                old.get(key)
            }
            _ => None,
        };
        let here = Path::Key(path, key);
        if let Some(property) = properties.get(key) {
            required += u32::from(property.required);
            if S::QUICK && is_plain(value, property) {
                continue;
            }
            matches += walk(value, correlated(key), property, &here, sink);
        } else {
            match &node.additional {
                Additional::Schema(values) => {
                    if S::QUICK && is_plain(value, values) {
                        continue;
                    }
                    let here = Path::Dotted(path, key);
                    matches += walk(value, correlated(key), values, &here, sink);
                }
                Additional::Forbidden => sink.fail(|| {
                    let detail = format!("{}.{key} in body is a forbidden property", path.render());
                    FieldError::invalid(field_of(path), key.as_str(), detail)
                }),
                Additional::Any | Additional::Undeclared => sink.undescribed(value, &here),
            }
        }
        if sink.done() {
            return matches;
        }
    }
    let Some(checks) = checks else { return matches };
    // Mostly the count tells.
    if checks.required_properties == Some(required) {
        return matches;
    }
    for name in &checks.required {
        if !map.contains_key(&**name) {
            sink.fail(|| FieldError::required(field_of(&Path::Key(path, name)), ""));
        }
    }
    matches
}
