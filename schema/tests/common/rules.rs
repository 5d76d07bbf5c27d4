//! Random rules in CEL about a node of a schema: mostly well typed, some of them wrong.
//!
//! Expressions follow the fields that the schema declares, as a person would write them: a comparison of a field, a
//! condition on each item, a comparison with the value before.

use serde_json::{Value, json};

use super::{Draw, NAMES, PATTERNS};

/// Levels of fields and items that an expression goes down.
const DEPTH: usize = 2;

/// One or two rules for a node.
pub(crate) fn rules(draw: &mut Draw<'_>, node: &Value) -> Value {
    let mut rules = vec![rule(draw, node)];
    if draw.one_in(4) {
        rules.push(rule(draw, node));
    }
    rules.into()
}

/// A rule about a node.
pub(crate) fn rule(draw: &mut Draw<'_>, node: &Value) -> Value {
    let (text, optional) = match draw.below(12) {
        0..=6 => (truth(draw, "self", node, DEPTH), false),
        7 | 8 => (transition(draw, node), false),
        9 => (optional_transition(draw, node), true),
        10 => {
            let (left, right) = (
                truth(draw, "self", node, DEPTH),
                truth(draw, "self", node, DEPTH - 1),
            );
            let operator = *draw.pick(&["&&", "||", "=="]);
            (format!("({left}) {operator} ({right})"), false)
        }
        _ => (wrong(draw, node), draw.one_in(6)),
    };
    let mut rule = json!({ "rule": text });
    if optional || draw.one_in(40) {
        rule["optionalOldSelf"] = true.into();
    }
    describe(draw, node, &mut rule);
    rule
}

/// How a rule tells of itself.
fn describe(draw: &mut Draw<'_>, node: &Value, rule: &mut Value) {
    match draw.below(10) {
        1 | 2 => rule["message"] = "as the rule says".into(),
        3 => rule["message"] = (*draw.pick(&["", " ", "two\nlines", " spaces "])).into(),
        4 | 5 => rule["messageExpression"] = message(draw, node).into(),
        6 => {
            rule["message"] = "plain".into();
            rule["messageExpression"] = message(draw, node).into();
        }
        _ => {}
    }
    if draw.one_in(4) {
        let reasons = [
            "FieldValueInvalid",
            "FieldValueForbidden",
            "FieldValueRequired",
            "FieldValueDuplicate",
            "Other",
        ];
        rule["reason"] = (*draw.pick(&reasons)).into();
    }
    if draw.one_in(4) {
        let name = match property(draw, node) {
            Some((name, _)) if !draw.one_in(4) => name.to_owned(),
            _ => (*draw.pick(&NAMES)).to_owned(),
        };
        let path = match draw.below(8) {
            0..=4 => format!(".{name}"),
            5 => format!("['{name}']"),
            6 => format!(".{name}.a"),
            _ => (*draw.pick(&["name", "", ".a[0]", ".", ".a\n"])).to_owned(),
        };
        rule["fieldPath"] = path.into();
    }
}

fn message(draw: &mut Draw<'_>, node: &Value) -> String {
    match draw.below(8) {
        0 => "'no: ' + 'x'".to_owned(),
        1 => "'size ' + string(size(self))".to_owned(),
        2 => "'value ' + string(self)".to_owned(),
        3 => "self".to_owned(),
        4 => (*draw.pick(&["''", "'  '", "'two\\nlines'", "'a' +", "string(1/0)", "'é'"])).to_owned(),
        5 => match property(draw, node) {
            Some((name, _)) => format!("'field ' + string(self.{name})"),
            None => "'x'.charAt(5)".to_owned(),
        },
        6 => "'old ' + string(oldSelf)".to_owned(),
        _ => format!("{} ? 'yes' : 'no'", truth(draw, "self", node, 1)),
    }
}

fn property<'v>(draw: &mut Draw<'_>, node: &'v Value) -> Option<(&'v str, &'v Value)> {
    let properties = node["properties"].as_object().filter(|map| !map.is_empty())?;
    properties
        .iter()
        .nth(draw.below(properties.len()))
        .map(|(name, property)| (name.as_str(), property))
}

/// A condition on `it`, an expression whose value fits the node.
fn truth(draw: &mut Draw<'_>, it: &str, node: &Value, depth: usize) -> String {
    if node["x-kubernetes-int-or-string"] == true {
        return match draw.below(6) {
            0 => format!("type({it}) == int ? {it} < 50 : {it} == '50%'"),
            1 => format!("{it} == 5"),
            2 => format!("{it} != '50%'"),
            3 => format!("{it} < 50"),
            4 => format!("string({it}).size() < 3"),
            _ => format!("{it} in [1, '50%', 2]"),
        };
    }
    match node["type"].as_str() {
        Some("string") => of_string(draw, it, node),
        Some("integer") => of_integer(draw, it),
        Some("number") => of_number(draw, it),
        Some("boolean") => draw
            .pick(&[
                "IT",
                "!IT",
                "IT == true",
                "string(IT) == 'true'",
                "IT ? true : false",
            ])
            .replace("IT", it),
        Some("array") => of_list(draw, it, &node["items"], depth),
        Some("object") if node["additionalProperties"].is_object() => {
            of_map(draw, it, &node["additionalProperties"], depth)
        }
        Some("object") => of_object(draw, it, node, depth),
        _ => draw
            .pick(&[
                "IT == IT",
                "true",
                "IT != null",
                "type(IT) == string",
                "has(IT.a)",
            ])
            .replace("IT", it),
    }
}

fn of_string(draw: &mut Draw<'_>, it: &str, node: &Value) -> String {
    if let Some(format) = node["format"].as_str()
        && !draw.one_in(3)
    {
        let text = match format {
            "date" | "date-time" => *draw.pick(&[
                "IT < timestamp('2021-01-01T00:00:00Z')",
                "IT.getFullYear() == 2020",
                "IT + duration('1h') != IT",
                "string(IT).startsWith('2020')",
            ]),
            "duration" => *draw.pick(&[
                "IT < duration('10m')",
                "IT.getSeconds() == 300",
                "IT + IT == duration('600s')",
                "string(IT) == '300s'",
            ]),
            "byte" => *draw.pick(&["size(IT) < 5", "IT == b'abc'", "string(IT) == 'abc'"]),
            "ipv4" | "ipv6" => *draw.pick(&["ip(IT).family() == 4", "isIP(IT)"]),
            "cidr" => *draw.pick(&["cidr(IT).containsIP('10.1.2.3')", "isCIDR(IT)"]),
            "uri" => *draw.pick(&["isURL(IT)", "url(IT).getHost() == 'a.b'"]),
            _ => "IT != ''",
        };
        return text.replace("IT", it);
    }
    match draw.below(14) {
        0 | 1 => format!("{it}.size() < {}", draw.below(5)),
        2 => format!("{it}.startsWith('a')"),
        3 => format!("{it} == 'abc'"),
        4 => format!("{it} in ['a', 'abc', 'x-y']"),
        5 => format!("{it}.matches('{}')", draw.pick(&PATTERNS).replace('\\', "\\\\")),
        6 => format!("{it}.lowerAscii() == {it}"),
        7 => format!("{it}.split('-').size() < 2"),
        8 => format!("{it}.find('[0-9]+') == ''"),
        9 => format!("{it}.charAt(1) != 'b'"),
        10 => format!("int({it}) > 5"),
        11 => format!("{it} + 'x' > 'abx'"),
        12 => format!("!format.dns1123Label().validate({it}).hasValue()"),
        _ => draw
            .pick(&[
                "quantity(IT).isGreaterThan(quantity('5'))",
                "isQuantity(IT)",
                "IT.replace('a', 'b').contains('bb')",
                "IT.substring(1) != ''",
                "IT.indexOf('b') >= 0",
                "IT.findAll('[a-z]').size() < 3",
                "IT.trim() == IT",
                "timestamp(IT) > timestamp('2019-01-01T00:00:00Z')",
                "isSemver(IT)",
                "bytes(IT).size() == IT.size()",
            ])
            .replace("IT", it),
    }
}

fn of_integer(draw: &mut Draw<'_>, it: &str) -> String {
    draw.pick(&[
        "IT < 5",
        "IT % 2 == 0",
        "IT + 1 > 3",
        "10 / IT > 1",
        "IT in [1, 2, 3]",
        "IT * 9223372036854775807 > 0",
        "string(IT) == '1'",
        "double(IT) < 1.5",
        "IT < 2.5",
        "-IT <= 0",
        "uint(IT) < 4u",
        "IT != 3 || IT > 2",
    ])
    .replace("IT", it)
}

fn of_number(draw: &mut Draw<'_>, it: &str) -> String {
    draw.pick(&[
        "IT < 5.0",
        "IT < 5",
        "IT != 1.5",
        "int(IT) == 1",
        "IT / 0.0 > 1.0",
        "string(IT) != '0.5'",
        "IT * 2.0 > 3.0",
        "IT in [0.5, 1.5]",
    ])
    .replace("IT", it)
}

fn of_list(draw: &mut Draw<'_>, it: &str, items: &Value, depth: usize) -> String {
    // A variable for each level, so that none hides another.
    let item = ["z", "y", "x"][depth.min(2)];
    if depth == 0 {
        return format!("{it}.size() < {}", draw.below(4));
    }
    match draw.below(12) {
        0 => format!("{it}.size() < 3"),
        1 => format!("size({it}) != 1"),
        2 | 3 => format!("{it}.all({item}, {})", truth(draw, item, items, depth - 1)),
        4 => format!("{it}.exists({item}, {})", truth(draw, item, items, depth - 1)),
        5 => format!("{it}.exists_one({item}, {})", truth(draw, item, items, depth - 1)),
        6 => format!(
            "{it}.filter({item}, {}).size() < 2",
            truth(draw, item, items, depth - 1)
        ),
        7 => format!(
            "{it}.map({item}, {}) != [true]",
            truth(draw, item, items, depth - 1)
        ),
        8 => truth(draw, &format!("{it}[0]"), items, depth - 1),
        9 => format!("({it} + {it}).size() > 2"),
        10 => draw
            .pick(&[
                "IT.isSorted()",
                "IT.sum() < 5",
                "IT.min() == IT.max()",
                "IT.indexOf(IT[0]) == 0",
                "IT == IT",
                "IT.join('-') != ''",
                "sets.contains(IT, IT)",
                "lists.range(IT.size()).all(i, i < 2)",
                "IT.distinct() == IT",
                "IT.slice(0, 1).size() == 1",
            ])
            .replace("IT", it),
        _ => format!(
            "{it}.all(i, {item}, i < 2 || {})",
            truth(draw, item, items, depth - 1)
        ),
    }
}

fn of_map(draw: &mut Draw<'_>, it: &str, values: &Value, depth: usize) -> String {
    let key = ["w", "v", "k"][depth.min(2)];
    if depth == 0 {
        return format!("{it}.size() < {}", draw.below(4));
    }
    match draw.below(8) {
        0 => format!("{it}.all({key}, {key}.size() < 2)"),
        1 | 2 => {
            let value = format!("{it}[{key}]");
            format!("{it}.all({key}, {})", truth(draw, &value, values, depth - 1))
        }
        3 => format!("'a' in {it}"),
        4 => {
            let value = truth(draw, &format!("{it}.a"), values, depth - 1);
            format!("has({it}.a) && {value}")
        }
        5 => {
            let value = format!("{it}[{key}]");
            format!("{it}.exists({key}, {})", truth(draw, &value, values, depth - 1))
        }
        6 => truth(draw, &format!("{it}['b']"), values, depth - 1),
        _ => format!("{it}.all(k2, v2, {})", truth(draw, "v2", values, depth - 1)),
    }
}

fn of_object(draw: &mut Draw<'_>, it: &str, node: &Value, depth: usize) -> String {
    if node["x-kubernetes-embedded-resource"] == true && draw.one_in(2) {
        return draw
            .pick(&[
                "IT.kind == 'Thing'",
                "IT.metadata.name == 'x'",
                "has(IT.metadata)",
                "IT.apiVersion.size() < 3",
            ])
            .replace("IT", it);
    }
    let Some((name, property)) = property(draw, node).filter(|_| depth > 0) else {
        return draw
            .pick(&[
                "IT == IT",
                "has(IT.a)",
                "!has(IT.b)",
                "IT != null",
                "size(IT) < 2",
            ])
            .replace("IT", it);
    };
    let field = format!("{it}.{name}");
    match draw.below(8) {
        0 => format!("has({field})"),
        1 => format!("!has({field}) || {}", truth(draw, &field, property, depth - 1)),
        2 | 3 => format!("has({field}) && {}", truth(draw, &field, property, depth - 1)),
        4 => truth(draw, &field, property, depth - 1),
        5 => format!(
            "{it}.?{name}.hasValue() ? {} : true",
            truth(draw, &field, property, depth - 1)
        ),
        6 => format!("!({})", truth(draw, &field, property, depth - 1)),
        _ => {
            let condition = truth(draw, "o", property, depth - 1);
            format!("{it}.?{name}.optMap(o, {condition}).orValue(true)")
        }
    }
}

/// A condition on the value and the one before.
fn transition(draw: &mut Draw<'_>, node: &Value) -> String {
    if draw.one_in(3)
        && let Some((name, property)) = property(draw, node)
    {
        return format!(
            "!has(oldSelf.{name}) || has(self.{name}) && {}",
            truth(draw, &format!("oldSelf.{name}"), property, 0)
        );
    }
    match node["type"].as_str() {
        Some("integer" | "number" | "string") => {
            *draw.pick(&["self == oldSelf", "self >= oldSelf", "self + oldSelf != self"])
        }
        Some("array") => *draw.pick(&[
            "self == oldSelf",
            "self.size() >= oldSelf.size()",
            "self.all(x, x in oldSelf)",
            "oldSelf.all(x, self.exists(y, y == x))",
        ]),
        Some("object") => *draw.pick(&[
            "self == oldSelf",
            "self != oldSelf",
            "has(self.a) == has(oldSelf.a)",
        ]),
        _ => *draw.pick(&["self == oldSelf", "self == oldSelf || true"]),
    }
    .to_owned()
}

fn optional_transition(draw: &mut Draw<'_>, node: &Value) -> String {
    match draw.below(5) {
        0 => "oldSelf.orValue(self) == self".to_owned(),
        1 => "!oldSelf.hasValue() || oldSelf.value() == self".to_owned(),
        2 => "oldSelf.optMap(o, o == self).orValue(true)".to_owned(),
        3 => format!("oldSelf.hasValue() || {}", truth(draw, "self", node, 1)),
        _ => "oldSelf.value() == self".to_owned(),
    }
}

/// What probably does not compile.
fn wrong(draw: &mut Draw<'_>, node: &Value) -> String {
    let good = truth(draw, "self", node, 1);
    match draw.below(12) {
        0 => "self.nope == 1".to_owned(),
        1 => format!("{good} &&"),
        2 => "self + 1 > self".to_owned(),
        3 => "self".to_owned(),
        4 => "unknown(self)".to_owned(),
        5 => " ".to_owned(),
        6 => format!("{good} == 'x'"),
        7 => "self.all(x, x)".to_owned(),
        8 => "self.matches('(')".to_owned(),
        9 => "variables.x == object.y".to_owned(),
        10 => "has(self)".to_owned(),
        _ => "oldSelf.hasValue()".to_owned(),
    }
}
