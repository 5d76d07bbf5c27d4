//! What a server would say to a schema that was built, in the words of whoever wrote the types.

use serde_json::{Map, Value};

use super::{Problem, Problems, Role, Segment};

/// What a server would say to the schema in a CRD: bad patterns and defaults, list types without keys, and whatever
/// else attributes can bring in.
///
/// The type may be one field of many, so it is looked at as such. A whole object is too, since some of what roots must
/// not have is put right where definitions are made; but its own rules are those of a root.
pub(super) fn refusals(schema: &Value, role: Role) -> Vec<Problem> {
    const RULES: &str = "x-kubernetes-validations";
    let of_own_rules =
        |refusal: &Refusal| refusal.problem.path.is_empty() && refusal.keyword.starts_with(RULES);
    let mut refused = refusals_as(schema, Role::Part);
    if role == Role::Root && schema.get(RULES).is_some() {
        refused.retain(|refusal| !of_own_rules(refusal));
        refused.extend(refusals_as(schema, Role::Root).into_iter().filter(of_own_rules));
    }
    refused.into_iter().map(|refusal| refusal.problem).collect()
}

struct Refusal {
    keyword: String,
    problem: Problem,
}

fn refusals_as(schema: &Value, role: Role) -> Vec<Refusal> {
    const FIELD: &str = "kubewright-type";
    const PREFIX: &str = ".properties[kubewright-type]";
    let field;
    let (around, prefix) = match role {
        Role::Root => (schema, ""),
        Role::Part => {
            field = serde_json::json!({"type": "object", "properties": {FIELD: schema}});
            (&field, PREFIX)
        }
    };
    let mut errors = crate::crd::check_schema(around, "");
    // A server looks at defaults only once the form is right; whoever builds wants to hear of both.
    for error in crate::crd::check_defaults(around, "") {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    errors
        .into_iter()
        .map(|error| {
            let (path, keyword) = place(schema, error.field.strip_prefix(prefix).unwrap_or(&error.field));
            let message = error.message().replace(&format!("{PREFIX}."), "");
            let message = without_rule(&message);
            let separator = if keyword.is_empty() { "" } else { ": " };
            let hint = hint(message, schema).unwrap_or_default();
            let message = format!("the API server refuses this schema: {keyword}{separator}{message}{hint}");
            Refusal {
                keyword: keyword.to_owned(),
                problem: Problem { path, message },
            }
        })
        .collect()
}

/// The server repeats a rule with all its parts, as its own types have them, before it says what is wrong.
fn without_rule(message: &str) -> &str {
    const INVALID: &str = "Invalid value: {\"Rule\":";
    let last = message
        .starts_with(INVALID)
        .then(|| message.split_once("\"OptionalOldSelf\":"))
        .flatten();
    last.and_then(|(_, rest)| rest.split_once("}: "))
        .map_or(message, |(_, wrong)| wrong)
}

/// What to write where a rule names a field as Rust does.
fn hint(message: &str, schema: &Value) -> Option<String> {
    let (_, rest) = message.split_once("undefined field '")?;
    let (field, _) = rest.split_once('\'')?;
    let name = kubewright_cel::names::unescape(field)?;
    let property = alike(schema, &name)?;
    let spelled = kubewright_cel::names::escape(property)?;
    Some(format!("; a rule goes by the names in JSON, as `{spelled}`"))
}

/// A property whose name has the same letters, wherever it stands.
fn alike<'a>(schema: &'a Value, name: &str) -> Option<&'a str> {
    fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
        let letters = name.chars().filter(|c| !matches!(c, '_' | '-'));
        letters.map(|c| c.to_ascii_lowercase())
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut names = properties.into_iter().flat_map(Map::keys);
    let found = names.find(|known| *known != name && letters(known).eq(letters(name)));
    let inside = properties.into_iter().flat_map(Map::values);
    let mut inside = inside
        .chain(schema.get("items"))
        .chain(schema.get("additionalProperties"));
    found
        .map(String::as_str)
        .or_else(|| inside.find_map(|schema| alike(schema, name)))
}

/// Splits a server's path in a schema into that of the field, and what of the field's schema it points to.
fn place<'a>(mut schema: &Value, mut rest: &'a str) -> (String, &'a str) {
    let mut at = Problems::default();
    loop {
        // Names may hold any character, so that only the schema can tell where one ends.
        let property = rest.strip_prefix(".properties[").and_then(|tail| {
            let properties = schema.get("properties")?.as_object()?;
            properties.iter().find_map(|(name, schema)| {
                let tail = tail.strip_prefix(name.as_str())?.strip_prefix(']')?;
                Some((Segment::Property(name.clone()), schema, tail))
            })
        });
        let below = |key: &str, segment: Segment| {
            let tail = rest.strip_prefix('.')?.strip_prefix(key)?;
            let schema = schema.get(key).filter(|schema| schema.is_object())?;
            (tail.is_empty() || tail.starts_with('.')).then_some((segment, schema, tail))
        };
        let step = property
            .or_else(|| below("items", Segment::Items))
            .or_else(|| below("additionalProperties", Segment::Values));
        let Some((segment, inner, tail)) = step else {
            return (at.path(), rest.trim_start_matches('.'));
        };
        at.path.push(segment);
        (schema, rest) = (inner, tail);
    }
}
