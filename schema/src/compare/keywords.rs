//! Value validation, keyword by keyword: what a change of one keyword means in either direction.
//!
//! Each question is "does what passes `a` pass `b`?"; the other direction is the same question asked the other way.

use serde_json::Value;

use super::Verdict::{self, Breaking, Safe, Undecided};
use crate::format::Format;
use crate::structural::{Bound, Checks, Node, Type};

/// Sorts of JSON values, as sets of bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOL: Self = Self(2);
    pub(super) const WHOLE: Self = Self(4);
    pub(super) const FRACTION: Self = Self(8);
    pub(super) const STRING: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    pub(super) const ALL: Self = Self(127);
    pub(super) const NUMBER: Self = Self::WHOLE.or(Self::FRACTION);

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// What a node's type lets pass, but for the lists that pass as strings with a format.
    pub(super) fn of(node: &Node) -> Self {
        let format = node.checks.as_ref().and_then(|checks| checks.format.as_ref());
        let kinds = match node.kind {
            // A format speaks for the type where there is none.
            Type::Any if format.is_some() => return Self::STRING.or(Self::NULL),
            Type::Any => return Self::ALL,
            Type::Array => Self::ARRAY,
            Type::Boolean => Self::BOOL,
            Type::Integer => Self::WHOLE,
            Type::IntOrString => Self::WHOLE.or(Self::STRING),
            Type::Number => Self::NUMBER,
            Type::Object => Self::OBJECT,
            Type::String => Self::STRING,
            Type::Null | Type::Unknown => Self(0),
        };
        if node.nullable {
            kinds.or(Self::NULL)
        } else {
            kinds
        }
    }
}

/// A limit of whole numbers: `minLength` and the like.
pub(super) struct Size {
    pub(super) keyword: &'static str,
    pub(super) is_minimum: bool,
    pub(super) about: Kinds,
    pub(super) get: fn(&Checks) -> Option<i64>,
}

pub(super) const SIZES: [Size; 6] = [
    Size {
        keyword: "minLength",
        is_minimum: true,
        about: Kinds::STRING,
        get: |checks| checks.min_length,
    },
    Size {
        keyword: "maxLength",
        is_minimum: false,
        about: Kinds::STRING,
        get: |checks| checks.max_length,
    },
    Size {
        keyword: "minItems",
        is_minimum: true,
        about: Kinds::ARRAY,
        get: |checks| checks.min_items,
    },
    Size {
        keyword: "maxItems",
        is_minimum: false,
        about: Kinds::ARRAY,
        get: |checks| checks.max_items,
    },
    Size {
        keyword: "minProperties",
        is_minimum: true,
        about: Kinds::OBJECT,
        get: |checks| checks.min_properties,
    },
    Size {
        keyword: "maxProperties",
        is_minimum: false,
        about: Kinds::OBJECT,
        get: |checks| checks.max_properties,
    },
];

impl Size {
    pub(super) fn implies(&self, a: Option<i64>, b: Option<i64>) -> Verdict {
        // No size is below zero.
        let trivial = |limit: &i64| self.is_minimum && *limit <= 0;
        Verdict::breaking_if(match (a, b.filter(|limit| !trivial(limit))) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(a), Some(b)) if self.is_minimum => a < b,
            (Some(a), Some(b)) => a > b,
        })
    }
}

/// A node's type and format, on which the meaning of numeric limits depends.
#[derive(Clone, Copy)]
pub(super) struct Numeric {
    kind: Type,
    format: Option<Format>,
}

impl Numeric {
    pub(super) fn of(node: &Node) -> Self {
        let format = node.checks.as_ref().and_then(|checks| checks.format.as_ref());
        Self {
            kind: node.kind,
            format: format.map(|(format, _)| *format),
        }
    }

    /// Whether the type can have this limit; else servers refuse every number.
    #[allow(clippy::cast_possible_truncation)]
    fn holds(self, limit: f64) -> bool {
        match (self.kind, self.format) {
            (Type::Integer, Some(Format::Int32)) => {
                limit.fract() == 0.0 && (-2_147_483_648.0..2_147_483_648.0).contains(&limit)
            }
            (Type::Integer, _) => limit.fract() == 0.0 && limit.abs() < 9_223_372_036_854_775_808.0,
            (Type::Number, Some(Format::Float)) => (limit as f32).is_finite(),
            _ => true,
        }
    }
}

/// Whether what passes one minimum passes another, under `to`'s type; maximums are asked with signs turned.
pub(super) fn bound_implies(a: Option<Bound>, b: Option<Bound>, to: Numeric) -> Verdict {
    let Some(b) = b else { return Safe };
    if !to.holds(b.limit) {
        return Breaking;
    }
    let Some(a) = a else { return Breaking };
    let equal_is_enough = a.exclusive || !b.exclusive;
    let as_floats = a.limit > b.limit || (a.limit == b.limit && equal_is_enough);
    // Whole numbers are compared with the limit cut to one.
    #[allow(clippy::cast_possible_truncation)]
    let (low, high) = (b.limit as i64, a.limit as i64);
    let as_integers = high > low || (high == low && equal_is_enough);
    Verdict::breaking_if(!(as_floats && as_integers))
}

/// A maximum as the minimum of the negated numbers.
pub(super) fn negated(bound: Option<Bound>) -> Option<Bound> {
    bound.map(|bound| Bound {
        limit: -bound.limit,
        exclusive: bound.exclusive,
    })
}

pub(super) fn multiple_implies(a: Option<f64>, b: Option<f64>, from: Numeric, to: Numeric) -> Verdict {
    match (a, b) {
        (_, None) => Safe,
        (None, Some(_)) => Breaking,
        (Some(a), Some(b)) => {
            let whole =
                |factor: f64| factor.fract() == 0.0 && factor > 0.0 && factor < 9_007_199_254_740_992.0;
            let integers = [from, to].iter().all(|numeric| numeric.kind == Type::Integer);
            // Fractions are divided with rounding, of which nothing is proven here.
            let proven = integers && whole(a) && whole(b) && to.holds(b) && a % b == 0.0;
            if proven { Safe } else { Undecided }
        }
    }
}

pub(super) fn format_implies(a: Option<Format>, b: Option<Format>) -> Verdict {
    let Some(b) = b else { return Safe };
    let Some(a) = a else {
        return Verdict::breaking_if(!matches!(
            b,
            Format::Int64 | Format::Double | Format::Password | Format::Unchecked
        ));
    };
    let wider = match (a, b) {
        (Format::Int32, Format::Int64) | (Format::Float, Format::Double) => true,
        (Format::Uuid3 | Format::Uuid4 | Format::Uuid5, Format::Uuid) => true,
        (Format::Isbn10 | Format::Isbn13, Format::Isbn) => true,
        (_, Format::Password | Format::Unchecked) => true,
        (a, b) => a == b,
    };
    Verdict::breaking_if(!wider)
}

pub(super) fn pattern_implies(a: Option<&str>, b: Option<&str>) -> Verdict {
    match (a, b) {
        (_, None) => Safe,
        (None, Some(_)) => Breaking,
        (Some(a), Some(b)) if a == b => Safe,
        _ => Undecided,
    }
}

/// Values of `a` that `b` does not list; empty if `b` lets everything pass.
pub(super) fn missing_values<'a>(a: &'a [Value], b: &[Value]) -> Vec<&'a Value> {
    if b.is_empty() {
        return Vec::new();
    }
    // Long lists are compared by their texts, since values have no order; equal values have equal texts.
    let texts: std::collections::HashSet<String> = b.iter().map(canonical).collect();
    a.iter()
        .filter(|value| !texts.contains(&canonical(value)))
        .collect()
}

pub(super) fn enum_implies(a: &[Value], b: &[Value]) -> Verdict {
    Verdict::breaking_if(!b.is_empty() && (a.is_empty() || !missing_values(a, b).is_empty()))
}

/// JSON with sorted keys.
fn canonical(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(map) => {
                let mut keys: Vec<&String> = map.keys().collect();
                keys.sort();
                out.push('{');
                for key in keys {
                    out.push_str(&Value::String(key.clone()).to_string());
                    out.push(':');
                    write(&map[key], out);
                    out.push(',');
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for item in items {
                    write(item, out);
                    out.push(',');
                }
                out.push(']');
            }
            other => out.push_str(&other.to_string()),
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_cut_for_whole_numbers() {
        let number = Numeric {
            kind: Type::Number,
            format: None,
        };
        let bound = |limit: f64, exclusive: bool| Some(Bound { limit, exclusive });
        assert_eq!(
            bound_implies(bound(1.5, false), bound(1.2, true), number),
            Breaking
        );
        assert_eq!(bound_implies(bound(1.5, true), bound(1.2, false), number), Safe);
        assert_eq!(bound_implies(bound(2.0, false), bound(1.0, true), number), Safe);
        let int = Numeric {
            kind: Type::Integer,
            format: None,
        };
        assert_eq!(bound_implies(bound(2.0, false), bound(1.5, false), int), Breaking);
    }

    #[test]
    fn values_are_found_whatever_the_order_of_keys() {
        let a = [json!({"a": 1, "b": [2]}), json!(1.5)];
        let b = [json!(1.5), json!({"b": [2], "a": 1})];
        assert_eq!(enum_implies(&a, &b), Safe);
        assert_eq!(missing_values(&[json!("x")], &b), [&json!("x")]);
    }
}
