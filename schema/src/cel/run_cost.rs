//! What an evaluation costs, in the units of the server's budgets.
//!
//! **Invariant:** costs are those of cel-go's tracker with Kubernetes' estimator, for calls that fail, too; an argument
//! that failed counts as one of size 1.

use super::value::{Failure, Message, Value};

/// The most that one evaluation of a rule may cost (SCH-54).
pub(crate) const LIMIT_PER_CALL: u64 = 1_000_000;

/// Making a list.
pub(crate) const LIST: u64 = 10;
/// Making a message.
pub(crate) const MESSAGE: u64 = 40;
/// Making a map.
pub(crate) const MAP: u64 = 30;

/// An authorizer's check, of which a rule may have two.
pub(crate) const AUTHORIZATION: u64 = 350_000;

/// How a call's cost comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallCost {
    One,
    /// Equality.
    Equal,
    /// The shorter of two texts.
    Shorter,
    /// Both texts.
    Both,
    /// The first argument once.
    First,
    /// The first argument twice.
    FirstTwice,
    /// The result twice.
    ResultTwice,
    /// As many as the list has elements.
    Elements,
    /// One text times the other.
    Product,
    /// Text times pattern.
    Pattern,
    /// The whole tree of the first argument.
    Traversal,
    /// Pattern of a named format.
    Format,
    ContainsIp,
    ContainsCidr,
    /// The same with a text that must be read.
    ContainsIpText,
    ContainsCidrText,
    /// Product of two lists' sizes, times a factor.
    Sets(u64),
    /// Size of the resulting list.
    ListOutput,
    Flatten,
    /// Square of the size of the list at this index.
    SelfCompare(usize),
    /// An authorizer's check.
    Check,
    /// Reading a selector for one.
    Selector,
}

impl CallCost {
    /// Whether work and costs grow with the product of two sizes, of the arguments alone.
    pub(crate) fn is_product(self) -> bool {
        matches!(self, Self::Sets(_) | Self::SelfCompare(_))
    }

    /// The rule for a function; the overload is empty unless it is known beforehand.
    pub(crate) fn of(function: &str, overload: &str) -> Self {
        match overload {
            "list_sets_contains_list" | "list_sets_intersects_list" => return Self::Sets(1),
            "list_sets_equivalent_list" => return Self::Sets(2),
            "list_slice" | "lists_range" | "list_reverse" => return Self::ListOutput,
            "list_flatten" | "list_flatten_int" => return Self::Flatten,
            "list_distinct" => return Self::SelfCompare(0),
            _ if overload.starts_with("list_") && overload.ends_with("_sort") => return Self::SelfCompare(0),
            _ if overload.ends_with("_sortByAssociatedKeys") => return Self::SelfCompare(1),
            _ => {}
        }
        match function {
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => return Self::Traversal,
            "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "cidr" | "isIP" | "isCIDR"
            | "quantity" | "isQuantity" | "semver" | "isSemver" => return Self::First,
            "ip" if overload != "cidr_ip" => return Self::First,
            "replace" | "split" | "ip.isCanonical" => return Self::FirstTwice,
            "join" => return Self::ResultTwice,
            "find" | "findAll" => return Self::Pattern,
            "containsIP" if overload == "cidr_contains_ip_string" => return Self::ContainsIpText,
            "containsIP" => return Self::ContainsIp,
            "containsCIDR" if overload == "cidr_contains_cidr_string" => return Self::ContainsCidrText,
            "containsCIDR" => return Self::ContainsCidr,
            "validate" => return Self::Format,
            "check" => return Self::Check,
            "fieldSelector" | "labelSelector" => return Self::Selector,
            _ => {}
        }
        match overload {
            "starts_with_string" | "ends_with_string" | "string_to_bytes" | "bytes_to_string"
            | "strings_quote" | "string_format" => Self::First,
            "in_list" => Self::Elements,
            "equals" => Self::Equal,
            "not_equals" => Self::Shorter,
            overload if orders_text(overload) => Self::Shorter,
            "add_string" | "add_bytes" => Self::Both,
            "matches_string" => Self::Pattern,
            "contains_string" => Self::Product,
            _ => Self::One,
        }
    }
}

/// Whether an overload is one of those by which texts and bytes are put in order.
pub(super) fn orders_text(overload: &str) -> bool {
    matches!(
        overload,
        "less_string"
            | "greater_string"
            | "less_equals_string"
            | "greater_equals_string"
            | "less_bytes"
            | "greater_bytes"
            | "less_equals_bytes"
            | "greater_equals_bytes"
    )
}

/// Size of a value for the costs: 1 where it has none.
fn size(value: Option<&Value<'_>>) -> u64 {
    match value {
        Some(Value::Optional(Some(inner))) => size(Some(inner)),
        Some(value) => value.size().unwrap_or(1),
        None => 1,
    }
}

/// The same as Kubernetes' library counts it, which does not look into optionals.
fn plain_size(value: Option<&Value<'_>>) -> u64 {
    value.and_then(Value::size).unwrap_or(1)
}

/// Costs of reading as many characters: a tenth, rounded up as floats are.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub(crate) fn tenth(size: u64) -> u64 {
    (size as f64 * 0.1).ceil() as u64
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn fifth(size: u64) -> u64 {
    (size as f64 * 2.0 * 0.1).ceil() as u64
}

/// A requirement for every two characters of a selector, each a list and a message.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn selector(text: u64) -> u64 {
    let requirements = ((text as f64 * 0.5).ceil() * (LIST + MESSAGE) as f64).ceil() as u64;
    (LIST + tenth(text)).saturating_add(requirements)
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub(crate) fn pattern(text: u64, pattern: u64) -> u64 {
    let text = ((1.0 + text as f64) * 0.1).ceil() as u64;
    text.saturating_mul((pattern as f64 * 0.25).ceil() as u64)
}

/// Costs of walking a value.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn traversal(value: &Value<'_>) -> u64 {
    let text = |length: usize| (length as f64 * 0.1) as u64;
    match value {
        Value::String(value) => text(value.len()),
        Value::Bytes(value) => text(value.len()),
        Value::List(list) => list
            .iter()
            .map(|value| value.map_or(1, |value| traversal(&value)))
            .sum(),
        Value::Map(map) => map
            .keys()
            .iter()
            .map(|key| traversal(key) + map.get(key).map_or(1, |value| traversal(&value)))
            .sum(),
        _ => 1,
    }
}

/// What Go's runtime says when a cost is computed for an argument that is no list.
fn no_lister<T>(value: Option<&Value<'_>>) -> Result<T, Failure> {
    let adds = matches!(
        value,
        Some(
            Value::Int(_)
                | Value::Uint(_)
                | Value::Double(_)
                | Value::String(_)
                | Value::Bytes(_)
                | Value::Duration(_)
                | Value::Timestamp(_)
        )
    );
    Err(Failure::Abort(Message::Written(
        format!(
            "internal error: interface conversion: {} is not traits.Lister: missing method {}",
            value.map_or("*types.Err", Value::go_type),
            if adds { "Contains" } else { "Add" }
        )
        .into(),
    )))
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn list_call(factor: f64, size: u64) -> u64 {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    let product = size as f64 * factor;
    // Go's conversion wraps where the product is negative, and gives this number for all that is larger.
    let product = if product < 0.0 {
        (product as i64).cast_unsigned()
    } else {
        product.min(TWO_TO_63) as u64
    };
    product.wrapping_add(1 + LIST)
}

/// The cost of a call; arguments and a result that failed are missing.
///
/// # Errors
/// The call ends the evaluation, as upstream's tracker then fails.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn call(
    rule: CallCost,
    args: &[Option<&Value<'_>>],
    result: Option<&Value<'_>>,
) -> Result<u64, Failure> {
    let arg = |index: usize| args.get(index).copied().flatten();
    Ok(match rule {
        CallCost::One => 1,
        CallCost::Check => AUTHORIZATION,
        CallCost::Selector => selector(size(arg(1))),
        CallCost::Equal => match arg(0) {
            Some(
                Value::Quantity(_)
                | Value::Ip(_)
                | Value::Cidr(_)
                | Value::Format(_)
                | Value::Url(_)
                | Value::Semver(_)
                | Value::Authorization(_),
            ) => 1,
            _ => tenth(size(arg(0)).min(size(arg(1)))),
        },
        CallCost::Shorter => tenth(size(arg(0)).min(size(arg(1)))),
        CallCost::Both => tenth(size(arg(0)) + size(arg(1))),
        CallCost::First => tenth(plain_size(arg(0))),
        CallCost::FirstTwice => fifth(plain_size(arg(0))),
        CallCost::ResultTwice => fifth(plain_size(result)),
        CallCost::Elements => size(arg(1)),
        CallCost::Product => tenth(size(arg(0))) * tenth(size(arg(1))),
        CallCost::Pattern => pattern(size(arg(0)), size(arg(1))),
        CallCost::Traversal => arg(0).map_or(1, traversal),
        CallCost::Format => match arg(0) {
            Some(Value::Format(format)) => pattern(plain_size(arg(1)), format.pattern_length),
            _ => 1,
        },
        CallCost::ContainsIp => tenth(2 * plain_size(arg(0))),
        CallCost::ContainsIpText => tenth(2 * plain_size(arg(0))) + tenth(plain_size(arg(1))),
        CallCost::ContainsCidr => tenth(2 * plain_size(arg(0))) + tenth(plain_size(arg(0))) + 1,
        CallCost::ContainsCidrText => {
            tenth(2 * plain_size(arg(0))) + tenth(plain_size(arg(0))) + 1 + tenth(plain_size(arg(1)))
        }
        CallCost::Sets(factor) => 1 + (plain_size(arg(0)) * plain_size(arg(1))).saturating_mul(factor),
        CallCost::ListOutput => list_call(1.0, plain_size(result)),
        CallCost::Flatten => match (args.len(), arg(1)) {
            (2, Some(Value::Int(depth))) => list_call(*depth as f64, plain_size(arg(0))),
            (2, _) => {
                return Err(Failure::abort(
                    "internal error: interface conversion: ref.Val is *types.Err, not types.Int",
                ));
            }
            _ => list_call(1.0, plain_size(arg(0))),
        },
        CallCost::SelfCompare(index) => {
            let Some(Value::List(list)) = arg(index) else {
                return no_lister(arg(index));
            };
            let size = list.len() as u64;
            let texts = size > 0 && matches!(list.get(0), Ok(Value::String(_) | Value::Bytes(_)));
            list_call(if texts { 2.1 } else { 2.0 }, size * size)
        }
    })
}
