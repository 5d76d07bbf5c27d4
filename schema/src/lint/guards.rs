//! Rules in CEL that look at fields which may be absent: such a rule fails with "no such key" instead of saying what it
//! is there to say (SCH-56).
//!
//! **Invariant:** what is told is read in the text of the rule, never guessed: where a value's schema is not known, no
//! field of it is told of.

use kubewright_cel::{Comprehension, Expr, ExprKind, Literal};
use serde_json::{Map, Value};

/// The selections in `rule` of fields that may be absent, where `self` is a value of `schema`. Empty for a text that is
/// no expression.
pub(super) fn unguarded(rule: &str, schema: &Map<String, Value>, is_resource: bool) -> Vec<String> {
    let Ok(parsed) = kubewright_cel::parse(rule) else {
        return Vec::new();
    };
    let mut walk = Walk {
        variables: vec![
            (
                "self".into(),
                Seen {
                    path: "self".to_owned(),
                    schema: Some(schema),
                    is_resource,
                },
            ),
            (
                "oldSelf".into(),
                Seen {
                    path: "oldSelf".to_owned(),
                    schema: Some(schema),
                    is_resource,
                },
            ),
        ],
        guarded: Vec::new(),
        found: Vec::new(),
    };
    walk.visit(&parsed.expr);
    walk.found
}

/// A value that a path leads to.
#[derive(Clone)]
struct Seen<'a> {
    path: String,
    schema: Option<&'a Map<String, Value>>,
    is_resource: bool,
}

struct Walk<'a> {
    variables: Vec<(Box<str>, Seen<'a>)>,
    /// Paths that are there wherever evaluation comes this far.
    guarded: Vec<String>,
    found: Vec<String>,
}

impl<'a> Walk<'a> {
    /// Walks an expression; returns what it is, where that can be followed.
    fn visit(&mut self, expr: &Expr) -> Option<Seen<'a>> {
        match &expr.kind {
            ExprKind::Literal(_) => None,
            ExprKind::Ident(name) => {
                let known = self.variables.iter().rev().find(|(variable, _)| variable == name);
                known.map(|(_, seen)| seen.clone())
            }
            ExprKind::Select {
                operand,
                field,
                test_only,
            } => {
                let object = self.visit(operand)?;
                self.select(&object, field, *test_only)
            }
            ExprKind::Call {
                function,
                target,
                args,
            } => self.call(function, target.as_deref(), args),
            ExprKind::List { elements, .. } => {
                for element in elements {
                    self.visit(element);
                }
                None
            }
            ExprKind::Map(entries) => {
                for entry in entries {
                    self.visit(&entry.key);
                    self.visit(&entry.value);
                }
                None
            }
            ExprKind::Struct { fields, .. } => {
                for field in fields {
                    self.visit(&field.value);
                }
                None
            }
            ExprKind::Comprehension(comprehension) => {
                self.comprehension(comprehension);
                None
            }
        }
    }

    fn select(&mut self, object: &Seen<'a>, field: &str, test_only: bool) -> Option<Seen<'a>> {
        let schema = object.schema?;
        let name = unescape(field);
        let path = format!("{}.{field}", object.path);
        // What is implied of any resource is there whether declared or not.
        if object.is_resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            return None;
        }
        let Some(Value::Object(property)) = schema
            .get("properties")
            .and_then(|properties| properties.get(&name))
        else {
            // A map's value by its key, if anything.
            if !test_only && schema.get("additionalProperties").is_some_and(Value::is_object) {
                self.tell(&path);
            }
            return None;
        };
        let required = schema.get("required").and_then(Value::as_array);
        let there = property.contains_key("default")
            || required.is_some_and(|required| required.iter().any(|entry| *entry == name));
        if !there && !test_only {
            self.tell(&path);
        }
        Some(Seen {
            path,
            schema: Some(property),
            is_resource: false,
        })
    }

    fn tell(&mut self, path: &str) {
        if !self.guarded.iter().any(|guarded| guarded == path)
            && !self.found.iter().any(|found| found == path)
        {
            self.found.push(path.to_owned());
        }
    }

    fn call(&mut self, function: &str, target: Option<&Expr>, args: &[Expr]) -> Option<Seen<'a>> {
        match (function, args) {
            // Both sides are evaluated, and an error of one is forgotten where the other decides.
            ("_&&_", [left, right]) => {
                self.under(facts(right, true), left);
                self.under(facts(left, true), right);
                None
            }
            ("_||_", [left, right]) => {
                self.under(facts(right, false), left);
                self.under(facts(left, false), right);
                None
            }
            ("_?_:_", [condition, yes, no]) => {
                self.visit(condition);
                self.under(facts(condition, true), yes);
                self.under(facts(condition, false), no);
                None
            }
            // `a.?b` is there or not without a mistake.
            ("_?._" | "_[?_]", [operand, ..]) => {
                self.visit(operand);
                None
            }
            ("_[_]", [operand, index]) => {
                let list = self.visit(operand);
                self.visit(index);
                let list = list?;
                let items = list.schema?.get("items").and_then(Value::as_object);
                let index = match &index.kind {
                    ExprKind::Literal(Literal::Int(index)) => index.to_string(),
                    _ => return None,
                };
                items.map(|items| Seen {
                    path: format!("{}[{index}]", list.path),
                    schema: Some(items),
                    is_resource: false,
                })
            }
            _ => {
                if let Some(target) = target {
                    self.visit(target);
                }
                for arg in args {
                    self.visit(arg);
                }
                None
            }
        }
    }

    fn under(&mut self, facts: Vec<String>, expr: &Expr) {
        let before = self.guarded.len();
        self.guarded.extend(facts);
        self.visit(expr);
        self.guarded.truncate(before);
    }

    fn comprehension(&mut self, comprehension: &Comprehension) {
        let range = self.visit(&comprehension.range);
        let before = self.variables.len();
        let items = range
            .as_ref()
            .and_then(|range| range.schema?.get("items")?.as_object());
        let unknown = |path: &str| Seen {
            path: path.to_owned(),
            schema: None,
            is_resource: false,
        };
        let element = |variable: &str| Seen {
            // A name of its own, so that what is known of one list's elements is not said of another's.
            path: variable.to_owned(),
            schema: items,
            is_resource: false,
        };
        match &comprehension.var2 {
            // An index or a key, and the value.
            Some(value) => {
                let values = range
                    .as_ref()
                    .and_then(|range| range.schema?.get("additionalProperties")?.as_object());
                let mut seen = element(value);
                seen.schema = seen.schema.or(values);
                self.variables
                    .push((comprehension.var.clone(), unknown(&comprehension.var)));
                self.variables.push((value.clone(), seen));
            }
            None => self
                .variables
                .push((comprehension.var.clone(), element(&comprehension.var))),
        }
        self.variables
            .push((comprehension.accu.clone(), unknown(&comprehension.accu)));
        // An outer value of the same name is hidden, and so is what is known of it.
        let hidden = self.variables[before..]
            .iter()
            .map(|(name, _)| name.to_string())
            .collect::<Vec<_>>();
        let guarded = self.guarded.clone();
        self.guarded
            .retain(|path| !hidden.iter().any(|name| is_below(path, name)));
        self.visit(&comprehension.init);
        self.visit(&comprehension.condition);
        self.visit(&comprehension.step);
        self.guarded = guarded;
        self.visit(&comprehension.result);
        self.variables.truncate(before);
    }
}

fn is_below(path: &str, name: &str) -> bool {
    path.strip_prefix(name)
        .is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// What is there if the expression is `outcome`: paths that `has()` was asked for.
fn facts(expr: &Expr, outcome: bool) -> Vec<String> {
    match &expr.kind {
        ExprKind::Select {
            test_only: true,
            operand,
            field,
        } if outcome => {
            // Where the field is there, so is all before it.
            let mut paths = Vec::new();
            if let Some(mut path) = path_of(operand) {
                path = format!("{path}.{field}");
                while let Some((before, _)) = path.rsplit_once('.') {
                    let before = before.to_owned();
                    paths.push(path);
                    path = before;
                }
            }
            paths
        }
        ExprKind::Call { function, args, .. } => match (&**function, args.as_slice(), outcome) {
            ("!_", [inner], _) => facts(inner, !outcome),
            ("_&&_", [left, right], true) | ("_||_", [left, right], false) => {
                let mut both = facts(left, outcome);
                both.extend(facts(right, outcome));
                both
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// A chain of fields as it is written.
fn path_of(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Ident(name) => Some(name.to_string()),
        ExprKind::Select {
            operand,
            field,
            test_only: false,
        } => Some(format!("{}.{field}", path_of(operand)?)),
        ExprKind::Call { function, args, .. } if &**function == "_[_]" => match args.as_slice() {
            [
                operand,
                Expr {
                    kind: ExprKind::Literal(Literal::Int(index)),
                    ..
                },
            ] => Some(format!("{}[{index}]", path_of(operand)?)),
            _ => None,
        },
        _ => None,
    }
}

/// A property's name from how CEL writes it (SCH-57).
fn unescape(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find("__") {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = [
            ("__underscores__", "__"),
            ("__dot__", "."),
            ("__dash__", "-"),
            ("__slash__", "/"),
        ];
        match known
            .iter()
            .find_map(|(escape, plain)| Some((*plain, rest.strip_prefix(escape)?)))
        {
            Some((plain, after)) => {
                text.push_str(plain);
                rest = after;
            }
            // `__namespace__`: a word that CEL has a use for.
            None if text.is_empty() && rest.len() == name.len() && name.len() > 4 && name.ends_with("__") => {
                return name[2..name.len() - 2].to_owned();
            }
            None => {
                text.push_str("__");
                rest = &rest[2..];
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn found(rule: &str) -> Vec<String> {
        let schema = json!({
            "type": "object",
            "required": ["name", "sure"],
            "properties": {
                "name": {"type": "string"},
                "min": {"type": "integer"},
                "max": {"type": "integer"},
                "set": {"type": "integer", "default": 1},
                "namespace": {"type": "string"},
                "a-b": {"type": "string"},
                "sure": {"type": "object", "properties": {"maybe": {"type": "string"}}},
                "inner": {"type": "object", "required": ["x"], "properties": {
                    "x": {"type": "integer"}, "y": {"type": "integer"}}},
                "list": {"type": "array", "items": {"type": "object", "required": ["key"], "properties": {
                    "key": {"type": "string"}, "value": {"type": "string"}}}},
                "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {
                    "value": {"type": "string"}}}},
            },
        });
        let Value::Object(schema) = schema else {
            panic!("an object")
        };
        unguarded(rule, &schema, false)
    }

    /// SCH-56 [M cel-nosuchkey, cel-optional-field].
    #[test]
    fn fields_that_may_be_absent_need_a_guard() {
        for (rule, told) in [
            ("self.name == 'a'", &[][..]),
            ("self.set > 0", &[]),
            ("self.min <= self.max", &["self.min", "self.max"]),
            ("has(self.min) && self.min > 0", &[]),
            ("self.min > 0 && has(self.min)", &[]),
            ("!has(self.min) || self.min > 0", &[]),
            ("!has(self.min) || !has(self.max) || self.min <= self.max", &[]),
            ("!(has(self.min) && has(self.max)) || self.min <= self.max", &[]),
            ("has(self.min) ? self.min > 0 : self.max > 0", &["self.max"]),
            ("has(self.min) || self.min > 0", &["self.min"]),
            ("self.?min.orValue(1) > 0", &[]),
            ("self.sure.maybe == ''", &["self.sure.maybe"]),
            ("has(self.inner.y)", &["self.inner"]),
            (
                "has(self.inner) && has(self.inner.y) && self.inner.y > self.inner.x",
                &[],
            ),
            ("has(self.inner) && self.inner.x > 0", &[]),
            ("self.list.all(i, i.value != '')", &["self.list", "i.value"]),
            (
                "!has(self.list) || self.list.all(i, has(i.value) && i.key != i.value)",
                &[],
            ),
            (
                "!has(self.list) || self.list.exists(i, i.value == '')",
                &["i.value"],
            ),
            (
                "has(self.map) && self.map.all(k, v, has(v.value) && v.value == k)",
                &[],
            ),
            ("has(self.map) && self.map.all(k, self.map[k].value == k)", &[]),
            ("self.__namespace__ != ''", &["self.__namespace__"]),
            ("self.a__dash__b != ''", &["self.a__dash__b"]),
            ("self == oldSelf", &[]),
            ("oldSelf.min == self.min", &["oldSelf.min", "self.min"]),
            ("has(self.min) == has(self.max)", &[]),
            ("self.min >", &[]),
        ] {
            assert_eq!(found(rule), told, "{rule}");
        }
    }
}
