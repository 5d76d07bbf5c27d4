//! Random values that a schema takes, for property tests of what works on them (by the feature `samples`).
//!
//! Values are built to fit: bounds, enums, formats, patterns, required fields, keys of lists, and one choice of each
//! `anyOf` and `oneOf`. What cannot be built so (rules in CEL, `not`, patterns beside lengths) is drawn anew until it fits.
//! Bounds themselves, empty and long texts, Unicode and, where a field may have it, null occur often.
//!
//! **Invariant:** what [`valid`] yields is prepared (`prepare` changes nothing) and valid.

mod text;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::{Map, Number, Value, json};

use crate::structural::{Additional, Checks, ListType, Node, Structural, Type};
use crate::{prepare, validate};

/// Entries of a list or a map beyond those that it must have.
const MORE_ENTRIES: i64 = 3;
/// Ways to choose from the junctors of one node that are looked at.
const MOST_CHOICES: usize = 8;
/// How often a value is drawn anew before a test is given up, for each value.
const MOST_REJECTS: &str = "no value that the schema takes was drawn";

/// Valid values of a schema.
///
/// Where `schema` is that of a whole object, `apiVersion`, `kind` and `metadata` are left out of what is drawn, and
/// `complete` adds them before the value is judged.
///
/// A schema whose rules no drawn value fits makes the test runner give up with `no value that the schema takes was
/// drawn`.
///
/// ```
/// use kubewright_schema::{Structural, samples, validate};
/// use proptest::{strategy::{Strategy, ValueTree}, test_runner::TestRunner};
/// use serde_json::json;
///
/// let schema = Structural::from_json(&json!({
///     "type": "object",
///     "properties": {"size": {"type": "string", "pattern": "^[0-9]+(Mi|Gi)$"}},
///     "required": ["size"],
/// }))
/// .unwrap();
/// let mut runner = TestRunner::deterministic();
/// let value = samples::valid(&schema, |_| {}).new_tree(&mut runner).unwrap().current();
/// assert!(validate(&value, None, &schema).is_empty());
/// ```
pub fn valid(
    schema: &Structural,
    complete: impl Fn(&mut Value) + Send + Sync + 'static,
) -> BoxedStrategy<Value> {
    let judged = schema.clone();
    object(&schema.root, &[], true)
        .prop_filter_map(MOST_REJECTS, move |mut value| {
            complete(&mut value);
            // Twice, since a default may bring a null that is dropped where a client sends it.
            prepare(&mut value, &judged);
            prepare(&mut value, &judged);
            validate(&value, None, &judged).is_empty().then_some(value)
        })
        .boxed()
}

/// Parts of a value, as clients of server-side apply send them: any members may be missing, at any depth.
///
/// Lists keep their entries, and entries the fields that `keys` says to keep, given the field names on the way to the
/// list.
pub fn sparse(value: Value, keys: fn(&[&str]) -> &'static [&'static str]) -> BoxedStrategy<Value> {
    proptest::collection::vec(any::<bool>(), 0..64)
        .prop_map(move |kept| {
            let mut kept = kept.into_iter();
            thinned(&value, &mut Vec::new(), keys, &mut kept)
        })
        .boxed()
}

fn thinned<'v>(
    value: &'v Value,
    path: &mut Vec<&'v str>,
    keys: fn(&[&str]) -> &'static [&'static str],
    kept: &mut impl Iterator<Item = bool>,
) -> Value {
    match value {
        Value::Object(map) => {
            let must = keys(path);
            let mut out = Map::new();
            for (name, member) in map {
                if must.contains(&name.as_str()) || kept.next().unwrap_or(true) {
                    path.push(name);
                    out.insert(name.clone(), thinned(member, path, keys, kept));
                    path.pop();
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => items.iter().map(|item| thinned(item, path, keys, kept)).collect(),
        scalar => scalar.clone(),
    }
}

/// Values of a node, seen together with members of junctors that were chosen for it.
fn value(node: &Node, chosen: &[&Node]) -> BoxedStrategy<Value> {
    let drawn = alternatives(node, chosen)
        .into_iter()
        .map(|chosen| plain(node, &chosen))
        .collect::<Vec<_>>();
    let drawn = Union::new(drawn).boxed();
    if node.nullable && node.default.is_none() {
        return prop_oneof![7 => drawn, 1 => Just(Value::Null)].boxed();
    }
    drawn
}

/// The ways to choose a member of each `anyOf` and `oneOf`, with all of `allOf`.
fn alternatives<'n>(node: &'n Node, chosen: &[&'n Node]) -> Vec<Vec<&'n Node>> {
    let mut ways = vec![chosen.to_vec()];
    let own: Vec<&Node> = std::iter::once(node).chain(chosen.iter().copied()).collect();
    for checks in own.iter().filter_map(|node| node.checks.as_deref()) {
        for way in &mut ways {
            way.extend(&checks.all_of);
        }
        for choice in [&checks.any_of, &checks.one_of] {
            if choice.is_empty() {
                continue;
            }
            ways = choice
                .iter()
                .flat_map(|member| {
                    ways.iter()
                        .map(move |way| way.iter().copied().chain([member]).collect())
                })
                .take(MOST_CHOICES)
                .collect();
        }
    }
    ways
}

/// The checks of a node and of what was chosen for it.
fn checks<'n>(node: &'n Node, chosen: &'n [&'n Node]) -> impl Iterator<Item = &'n Checks> + Clone {
    std::iter::once(node)
        .chain(chosen.iter().copied())
        .filter_map(|node| node.checks.as_deref())
}

fn plain(node: &Node, chosen: &[&Node]) -> BoxedStrategy<Value> {
    let all = || checks(node, chosen);
    if let Some(values) = all()
        .map(|checks| &checks.values)
        .filter(|values| !values.is_empty())
        .min_by_key(|values| values.len())
    {
        return proptest::sample::select(values.to_vec()).boxed();
    }
    match node.kind {
        Type::Boolean => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Integer => integer(all()),
        Type::Number => number(all()),
        Type::String => text::strings(all()).prop_map(Value::String).boxed(),
        Type::IntOrString => prop_oneof![
            any::<i32>().prop_map(Value::from),
            (0..100i32).prop_map(Value::from),
            text::strings(all()).prop_map(Value::String),
        ]
        .boxed(),
        Type::Array => array(node, chosen),
        Type::Object => object(node, chosen, false),
        Type::Any | Type::Null | Type::Unknown => open().boxed(),
    }
}

/// Where a schema says nothing.
fn open() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        "[a-z é]{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The least and the greatest that bounds leave, as whole numbers.
fn limits<'n>(all: impl Iterator<Item = &'n Checks>) -> (i64, i64) {
    let (mut least, mut most) = (i64::MIN, i64::MAX);
    for checks in all {
        if let Some((crate::format::Format::Int32, _)) = &checks.format {
            (least, most) = (least.max(i32::MIN.into()), most.min(i32::MAX.into()));
        }
        if let Some(bound) = &checks.minimum {
            let limit = bound.limit.ceil() as i64;
            let beyond = bound.exclusive && bound.limit.fract() == 0.0;
            least = least.max(limit.saturating_add(beyond.into()));
        }
        if let Some(bound) = &checks.maximum {
            let limit = bound.limit.floor() as i64;
            let beyond = bound.exclusive && bound.limit.fract() == 0.0;
            most = most.min(limit.saturating_sub(beyond.into()));
        }
    }
    (least, most.max(least))
}

fn integer<'n>(all: impl Iterator<Item = &'n Checks> + Clone) -> BoxedStrategy<Value> {
    let (least, most) = limits(all.clone());
    let factor = all.filter_map(|checks| checks.multiple_of).fold(1.0, f64::max);
    let whole = (factor.fract() == 0.0 && factor >= 1.0)
        .then_some(factor as i64)
        .filter(|factor| *factor > 1);
    let small = (0.clamp(least, most), 100.clamp(least, most));
    prop_oneof![
        3 => small.0..=small.1,
        2 => least..=most,
        1 => proptest::sample::select(vec![least, most, small.0]),
    ]
    .prop_map(move |number| match whole {
        Some(factor) => number.wrapping_sub(number.wrapping_rem(factor)).into(),
        None => number.into(),
    })
    .boxed()
}

fn number<'n>(all: impl Iterator<Item = &'n Checks> + Clone) -> BoxedStrategy<Value> {
    let (mut least, mut most) = (-1.0e9, 1.0e9);
    for checks in all.clone() {
        if let Some(bound) = &checks.minimum {
            least = f64::max(least, bound.limit);
            most = f64::max(most, least);
        }
        if let Some(bound) = &checks.maximum {
            most = f64::min(most, bound.limit);
            least = f64::min(least, most);
        }
    }
    let float = |number: f64| Number::from_f64(number).map_or(Value::Null, Value::Number);
    prop_oneof![
        2 => integer(all),
        2 => (0.0..=1.0).prop_map(move |part: f64| float(least + (most - least) * part)),
        1 => proptest::sample::select(vec![float(least), float(most)]),
    ]
    .boxed()
}

/// How many entries there may be, within reason.
fn sizes(least: Option<i64>, most: Option<i64>) -> std::ops::RangeInclusive<usize> {
    let least = least.unwrap_or(0).max(0);
    let most = most
        .unwrap_or(i64::MAX)
        .min(least.saturating_add(MORE_ENTRIES))
        .max(least);
    // Sizes that no test can hold are cut, and their values filtered.
    least.min(10_000) as usize..=most.min(10_000) as usize
}

fn array(node: &Node, chosen: &[&Node]) -> BoxedStrategy<Value> {
    let all = || checks(node, chosen);
    let sizes = sizes(
        all().filter_map(|checks| checks.min_items).max(),
        all().filter_map(|checks| checks.max_items).min(),
    );
    let overlays: Vec<&Node> = chosen
        .iter()
        .filter_map(|member| member.items.as_deref())
        .collect();
    let item = match &node.items {
        Some(item) => value(item, &overlays),
        None => open().boxed(),
    };
    let list_type = node.list_type.clone();
    proptest::collection::vec(item, sizes)
        .prop_map(move |items| {
            let mut seen = BTreeSet::new();
            items
                .into_iter()
                .filter(|item| match &list_type {
                    ListType::Atomic => true,
                    ListType::Set => seen.insert(item.to_string()),
                    ListType::Map(keys) => {
                        let key: Vec<&Value> = keys.iter().filter_map(|key| item.get(&**key)).collect();
                        seen.insert(json!(key).to_string())
                    }
                })
                .collect()
        })
        .boxed()
}

/// What the chosen members of junctors ask of an object, besides its declared form.
fn wanted<'n>(node: &'n Node, chosen: &'n [&'n Node]) -> (BTreeSet<&'n str>, BTreeSet<&'n str>) {
    let names = |checks: &'n Checks| checks.required.iter().map(|name| &**name);
    let required: BTreeSet<&str> = checks(node, chosen).flat_map(names).collect();
    let mut forbidden: BTreeSet<&str> = BTreeSet::new();
    for checks in checks(node, chosen) {
        // The other members of `oneOf`, and `not`, mostly name fields that must not be there.
        let others = checks.one_of.iter().chain(checks.not.as_deref());
        forbidden.extend(
            others
                .filter_map(|member| member.checks.as_deref())
                .flat_map(names),
        );
    }
    forbidden.retain(|name| !required.contains(name));
    (required, forbidden)
}

fn object(node: &Node, chosen: &[&Node], root: bool) -> BoxedStrategy<Value> {
    let all = || checks(node, chosen);
    let (required, forbidden) = wanted(node, chosen);
    let mut names: Vec<String> = Vec::new();
    let mut members: Vec<BoxedStrategy<Option<Value>>> = Vec::new();
    for (name, property) in &node.properties {
        if forbidden.contains(&**name) || root && matches!(&**name, "apiVersion" | "kind" | "metadata") {
            continue;
        }
        let overlays: Vec<&Node> = chosen.iter().filter_map(|member| member.property(name)).collect();
        let drawn = value(property, &overlays);
        let drawn = if required.contains(&**name) {
            drawn.prop_map(Some).boxed()
        } else {
            proptest::option::weighted(0.6, drawn).boxed()
        };
        names.push(name.to_string());
        members.push(drawn);
    }
    let sizes = sizes(
        all().filter_map(|checks| checks.min_properties).max(),
        all().filter_map(|checks| checks.max_properties).min(),
    );
    let more = match &node.additional {
        Additional::Schema(inner) => {
            proptest::collection::btree_map(text::keys(), value(inner, &[]), sizes).boxed()
        }
        Additional::Any => proptest::collection::btree_map(text::keys(), open(), sizes).boxed(),
        // What a schema keeps without knowing it.
        Additional::Undeclared if node.preserve => {
            proptest::collection::btree_map("x[A-Z][a-z]{0,4}", open(), 0..3).boxed()
        }
        Additional::Undeclared | Additional::Forbidden => Just(std::collections::BTreeMap::new()).boxed(),
    };
    let embedded = node.embedded && !root;
    (members, more)
        .prop_map(move |(members, more)| {
            let mut map: Map<String, Value> = more.into_iter().collect();
            for (name, member) in names.iter().zip(members) {
                if let Some(member) = member {
                    map.insert(name.clone(), member);
                }
            }
            if embedded {
                map.insert("apiVersion".into(), "v1".into());
                map.insert("kind".into(), "ConfigMap".into());
                map.insert("metadata".into(), json!({"name": "a"}));
            }
            Value::Object(map)
        })
        .boxed()
}

#[cfg(test)]
mod tests;
