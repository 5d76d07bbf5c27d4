//! The functions of rules: CEL's standard library and the libraries that an API server adds.
//!
//! A function is found by name when a rule is planned; which of its overloads applies is seen from the values, since
//! those of dynamic type are known at run time only.
//!
//! **Invariant:** a call whose values fit no overload is an error with upstream's text, never a guess.

pub(crate) mod arithmetic;
pub(crate) mod authorizer;
pub(crate) mod convert;
mod format;
pub(crate) mod formats;
mod lists;
pub(crate) mod net;
pub(crate) mod quantity;
pub(crate) mod regex;
pub(crate) mod semver;
mod strings;
pub(crate) mod time;
pub(crate) mod url;

use std::cmp::Ordering;
use std::sync::Arc;

use self::authorizer::Step;
use self::convert::Target;
use self::time::Part;
use super::value::{Entries, Failure, Key, Map, Outcome, Text, Value, display, is_comparable};

/// The end of an evaluation that costs too much.
pub(crate) const COST_EXCEEDED: &str = "operation cancelled: actual cost limit exceeded";

/// Most bytes that the functions of an evaluation may make. Costs say nothing of some results (`replace()`, `join()`,
/// `format()`, sums of lists), which would double with each step of a rule.
pub(crate) const MEMORY: usize = 1 << 29;

/// Most bytes of one text.
const LONGEST: usize = 1 << 26;

/// The end of an evaluation where a text would become too long.
fn check_length(length: Option<usize>) -> Result<(), Failure> {
    match length {
        Some(length) if length <= LONGEST => Ok(()),
        _ => Err(Failure::abort(COST_EXCEEDED)),
    }
}

/// A function, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Negate,
    Not,
    NotStrictlyFalse,
    In,
    Convert(Target),
    Dyn,
    TypeOf,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    TimePart(Part),
    CharAt,
    IndexOf,
    LastIndexOf,
    LowerAscii,
    UpperAscii,
    Replace,
    Split,
    Substring,
    Trim,
    Format,
    Quote,
    Join,
    SetsContains,
    SetsEquivalent,
    SetsIntersects,
    OptionalOf,
    OptionalOfNonZero,
    OptionalNone,
    OptionalValue,
    OptionalHasValue,
    OptionalUnwrap,
    First,
    Last,
    IsSorted,
    /// Sum, with what an empty list sums up to.
    Sum(Zero),
    Max,
    Min,
    Slice,
    Flatten,
    Sort,
    SortByKeys,
    Range,
    Reverse,
    Distinct,
    MapInsert,
    Find,
    FindAll,
    Url,
    IsUrl,
    UrlPart(UrlPart),
    Ip,
    /// The address of a network.
    CidrIp,
    IsIp,
    IpIsCanonical,
    IpFamily,
    IpTest(IpTest),
    Cidr,
    IsCidr,
    ContainsIp,
    ContainsCidr,
    PrefixLength,
    Masked,
    Quantity,
    IsQuantity,
    Sign,
    IsGreaterThan,
    IsLessThan,
    CompareTo,
    AsApproximateFloat,
    AsInteger,
    IsInteger,
    QuantityAdd,
    QuantitySub,
    Semver,
    IsSemver,
    SemverPart(usize),
    NamedFormat,
    ConstantFormat(&'static str),
    Validate,
    /// A step of the question whether somebody may do something.
    Authorizer(Step),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zero {
    Int,
    Uint,
    Double,
    Duration,
}

impl Zero {
    fn value<'a>(self) -> Value<'a> {
        match self {
            Self::Int => Value::Int(0),
            Self::Uint => Value::Uint(0),
            Self::Double => Value::Double(0.0),
            Self::Duration => Value::Duration(0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlPart {
    Scheme,
    Host,
    Hostname,
    Port,
    EscapedPath,
    Query,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IpTest {
    Unspecified,
    Loopback,
    LinkLocalMulticast,
    LinkLocalUnicast,
    GlobalUnicast,
}

impl Function {
    /// The function of that name; operators are named as in the syntax tree.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "_+_" => Self::Add,
            "_-_" => Self::Subtract,
            "_*_" => Self::Multiply,
            "_/_" => Self::Divide,
            "_%_" => Self::Modulo,
            "-_" => Self::Negate,
            "!_" => Self::Not,
            "@not_strictly_false" | "__not_strictly_false__" => Self::NotStrictlyFalse,
            "@in" => Self::In,
            "bool" => Self::Convert(Target::Bool),
            "bytes" => Self::Convert(Target::Bytes),
            "double" => Self::Convert(Target::Double),
            "duration" => Self::Convert(Target::Duration),
            "int" => Self::Convert(Target::Int),
            "string" => Self::Convert(Target::String),
            "timestamp" => Self::Convert(Target::Timestamp),
            "uint" => Self::Convert(Target::Uint),
            "dyn" => Self::Dyn,
            "type" => Self::TypeOf,
            "size" => Self::Size,
            "contains" => Self::Contains,
            "startsWith" => Self::StartsWith,
            "endsWith" => Self::EndsWith,
            "matches" => Self::Matches,
            "getFullYear" => Self::TimePart(Part::FullYear),
            "getMonth" => Self::TimePart(Part::Month),
            "getDayOfYear" => Self::TimePart(Part::DayOfYear),
            "getDayOfMonth" => Self::TimePart(Part::DayOfMonth),
            "getDate" => Self::TimePart(Part::Date),
            "getDayOfWeek" => Self::TimePart(Part::DayOfWeek),
            "getHours" => Self::TimePart(Part::Hours),
            "getMinutes" => Self::TimePart(Part::Minutes),
            "getSeconds" => Self::TimePart(Part::Seconds),
            "getMilliseconds" => Self::TimePart(Part::Milliseconds),
            "charAt" => Self::CharAt,
            "indexOf" => Self::IndexOf,
            "lastIndexOf" => Self::LastIndexOf,
            "lowerAscii" => Self::LowerAscii,
            "upperAscii" => Self::UpperAscii,
            "replace" => Self::Replace,
            "split" => Self::Split,
            "substring" => Self::Substring,
            "trim" => Self::Trim,
            "format" => Self::Format,
            "strings.quote" => Self::Quote,
            "join" => Self::Join,
            "sets.contains" => Self::SetsContains,
            "sets.equivalent" => Self::SetsEquivalent,
            "sets.intersects" => Self::SetsIntersects,
            "optional.of" => Self::OptionalOf,
            "optional.ofNonZeroValue" => Self::OptionalOfNonZero,
            "optional.none" => Self::OptionalNone,
            "value" => Self::OptionalValue,
            "hasValue" => Self::OptionalHasValue,
            "optional.unwrap" | "unwrapOpt" => Self::OptionalUnwrap,
            "first" => Self::First,
            "last" => Self::Last,
            "isSorted" => Self::IsSorted,
            "sum" => Self::Sum(Zero::Int),
            "max" => Self::Max,
            "min" => Self::Min,
            "slice" => Self::Slice,
            "flatten" => Self::Flatten,
            "sort" => Self::Sort,
            "@sortByAssociatedKeys" => Self::SortByKeys,
            "lists.range" => Self::Range,
            "reverse" => Self::Reverse,
            "distinct" => Self::Distinct,
            "cel.@mapInsert" => Self::MapInsert,
            "find" => Self::Find,
            "findAll" => Self::FindAll,
            "url" => Self::Url,
            "isURL" => Self::IsUrl,
            "getScheme" => Self::UrlPart(UrlPart::Scheme),
            "getHost" => Self::UrlPart(UrlPart::Host),
            "getHostname" => Self::UrlPart(UrlPart::Hostname),
            "getPort" => Self::UrlPart(UrlPart::Port),
            "getEscapedPath" => Self::UrlPart(UrlPart::EscapedPath),
            "getQuery" => Self::UrlPart(UrlPart::Query),
            "ip" => Self::Ip,
            "isIP" => Self::IsIp,
            "ip.isCanonical" => Self::IpIsCanonical,
            "family" => Self::IpFamily,
            "isUnspecified" => Self::IpTest(IpTest::Unspecified),
            "isLoopback" => Self::IpTest(IpTest::Loopback),
            "isLinkLocalMulticast" => Self::IpTest(IpTest::LinkLocalMulticast),
            "isLinkLocalUnicast" => Self::IpTest(IpTest::LinkLocalUnicast),
            "isGlobalUnicast" => Self::IpTest(IpTest::GlobalUnicast),
            "cidr" => Self::Cidr,
            "isCIDR" => Self::IsCidr,
            "containsIP" => Self::ContainsIp,
            "containsCIDR" => Self::ContainsCidr,
            "prefixLength" => Self::PrefixLength,
            "masked" => Self::Masked,
            "quantity" => Self::Quantity,
            "isQuantity" => Self::IsQuantity,
            "sign" => Self::Sign,
            "isGreaterThan" => Self::IsGreaterThan,
            "isLessThan" => Self::IsLessThan,
            "compareTo" => Self::CompareTo,
            "asApproximateFloat" => Self::AsApproximateFloat,
            "asInteger" => Self::AsInteger,
            "isInteger" => Self::IsInteger,
            "add" => Self::QuantityAdd,
            "sub" => Self::QuantitySub,
            "semver" => Self::Semver,
            "isSemver" => Self::IsSemver,
            "major" => Self::SemverPart(0),
            "minor" => Self::SemverPart(1),
            "patch" => Self::SemverPart(2),
            "format.named" => Self::NamedFormat,
            "validate" => Self::Validate,
            _ => match Step::find(name) {
                Some(step) => Self::Authorizer(step),
                None => Self::ConstantFormat(formats::find(name.strip_prefix("format.")?)?.key),
            },
        })
    }

    /// The function, where its overload is known beforehand.
    pub(crate) fn with_overload(self, overload: &str) -> Self {
        match (self, overload) {
            (Self::Sum(_), "list_uint_sum_uint") => Self::Sum(Zero::Uint),
            (Self::Sum(_), "list_double_sum_double") => Self::Sum(Zero::Double),
            (Self::Sum(_), "list_duration_sum_duration") => Self::Sum(Zero::Duration),
            (Self::Ip, "cidr_ip") => Self::CidrIp,
            (function, _) => function,
        }
    }

    /// Whether it makes texts whose length its costs do not bound.
    pub(crate) fn may_explode(self) -> bool {
        matches!(self, Self::Format | Self::Join | Self::Quote | Self::Replace)
    }

    /// Whether the function is called with errors, too.
    pub(crate) fn is_lenient(self) -> bool {
        matches!(self, Self::NotStrictlyFalse)
    }
}

/// The error of a call whose values no overload takes.
pub(crate) fn mismatch<'a>(function: &str, args: &[Value<'_>]) -> Outcome<'a> {
    let types: Vec<&str> = args.iter().map(Value::type_name).collect();
    Err(Failure::new(format!(
        "no such overload: {function}({})",
        types.join(", ")
    )))
}

/// The error of an operation for whose first value there is none; texts and times have a say of their own.
pub(crate) fn no_receiver<'a>(value: &Value<'_>, name: &str) -> Outcome<'a> {
    Err(match value {
        Value::String(_) | Value::Duration(_) | Value::Timestamp(_) => Failure::no_overload(),
        _ => Failure::new(format!("no such overload: {name}")),
    })
}

fn truth<'a>(value: bool) -> Outcome<'a> {
    Ok(Value::Bool(value))
}

fn order<'a>(value: Ordering) -> Outcome<'a> {
    Ok(Value::Int(value as i64))
}

fn written<'a, T>(result: Result<T, String>, value: impl FnOnce(T) -> Value<'a>) -> Outcome<'a> {
    result.map(value).map_err(Failure::new)
}

/// Calls a function; `name` is for messages.
///
/// # Errors
/// What upstream's function says.
pub(crate) fn call<'a>(function: Function, name: &str, args: &[Value<'a>]) -> Outcome<'a> {
    let known = match args {
        [] => nullary(function),
        [value] => unary(function, value),
        [left, right] => binary(function, left, right),
        [first, second, third] => ternary(function, first, second, third),
        [
            Value::String(text),
            Value::String(old),
            Value::String(new),
            Value::Int(limit),
        ] if function == Function::Replace => Some(strings::replace(text, old, new, *limit).map(Value::text)),
        _ => None,
    };
    known.unwrap_or_else(|| mismatch(name, args))
}

fn nullary<'a>(function: Function) -> Option<Outcome<'a>> {
    match function {
        Function::OptionalNone => Some(Ok(Value::Optional(None))),
        Function::ConstantFormat(key) => formats::find(key).map(|format| Ok(Value::Format(format))),
        _ => None,
    }
}

/// A call with one value; nothing if no overload takes it.
fn unary<'a>(function: Function, value: &Value<'a>) -> Option<Outcome<'a>> {
    Some(match (function, value) {
        (Function::Not, Value::Bool(value)) => truth(!value),
        (Function::Not, _) => Err(Failure::no_overload()),
        (Function::NotStrictlyFalse, value) => truth(!matches!(value, Value::Bool(false))),
        (Function::Negate, value) => arithmetic::negate(value),
        (Function::Convert(target), value) => convert::convert(value, target),
        (Function::Dyn, value) => Ok(value.clone()),
        (Function::TypeOf, value) => Ok(Value::Type(value.type_name())),
        (Function::Size, Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_)) => Ok(
            Value::Int(i64::try_from(value.size().unwrap_or_default()).unwrap_or(i64::MAX)),
        ),
        (Function::Size, _) => no_receiver(value, "size"),
        (Function::Sort, value) if !matches!(value, Value::List(_)) => no_receiver(value, "sort"),
        (Function::Flatten, value) if !matches!(value, Value::List(_)) => Err(Failure::new(format!(
            "no such overload: {}.flatten()",
            value.type_text()
        ))),
        (Function::TimePart(part), Value::Timestamp(time)) => time::part_of(time, part, "UTC"),
        (Function::TimePart(part), Value::Duration(nanos)) => Ok(time::part_of_duration(*nanos, part)?),
        (Function::OptionalOf, value) => Ok(Value::some(value.clone())),
        (Function::OptionalOfNonZero, value) if value.is_zero() => Ok(Value::Optional(None)),
        (Function::OptionalOfNonZero, value) => Ok(Value::some(value.clone())),
        (Function::OptionalValue, Value::Optional(Some(value))) => Ok((**value).clone()),
        (Function::OptionalValue, Value::Optional(None)) => {
            Err(Failure::fixed("optional.none() dereference"))
        }
        (Function::OptionalHasValue, Value::Optional(value)) => truth(value.is_some()),
        (function, Value::String(text)) => return unary_text(function, text),
        (function, Value::List(_)) => return unary_list(function, value),
        (function, _) => return unary_library(function, value),
    })
}

fn unary_text<'a>(function: Function, text: &Text<'a>) -> Option<Outcome<'a>> {
    Some(match function {
        Function::LowerAscii => Ok(Value::text(text.to_ascii_lowercase())),
        Function::UpperAscii => Ok(Value::text(text.to_ascii_uppercase())),
        Function::Trim => Ok(Value::text(strings::trim(text))),
        Function::Quote => Ok(Value::text(strings::quote(text))),
        Function::Url => written(url::parse(text), |url| Value::Url(Arc::new(url))),
        Function::IsUrl => truth(url::check_request(text).is_ok()),
        Function::Ip => written(net::parse_ip(text), Value::Ip),
        Function::IsIp => truth(net::parse_ip(text).is_ok()),
        Function::IpIsCanonical => written(net::parse_ip(text), |address| {
            Value::Bool(address.to_string() == **text)
        }),
        Function::Cidr => written(net::parse_cidr(text), Value::Cidr),
        Function::IsCidr => truth(net::parse_cidr(text).is_ok()),
        Function::Quantity => quantity::parse(text)
            .map(|quantity| Value::Quantity(Arc::new(quantity)))
            .map_err(Failure::fixed),
        Function::IsQuantity => truth(quantity::parse(text).is_ok()),
        Function::Semver => written(semver::parse(text), |version| Value::Semver(Arc::new(version))),
        Function::IsSemver => truth(semver::parse(text).is_ok()),
        Function::NamedFormat => Ok(Value::Optional(
            formats::find(text).map(|format| Arc::new(Value::Format(format))),
        )),
        _ => return None,
    })
}

fn unary_list<'a>(function: Function, value: &Value<'a>) -> Option<Outcome<'a>> {
    let Value::List(list) = value else {
        return None;
    };
    // Overloads for lists of some type are told by the first element.
    let first = (list.len() > 0).then(|| list.get(0));
    let fits = |fit: fn(&Value<'_>) -> bool| match &first {
        Some(Ok(value)) => fit(value),
        Some(Err(_)) => false,
        None => true,
    };
    let known = match function {
        Function::Join => fits(|value| matches!(value, Value::String(_))),
        Function::OptionalUnwrap => fits(|value| matches!(value, Value::Optional(_))),
        Function::IsSorted | Function::Max | Function::Min => fits(is_comparable),
        _ => true,
    };
    if !known {
        return None;
    }
    Some(match function {
        Function::Join => strings::join(list, ""),
        Function::OptionalUnwrap => lists::unwrap(list),
        Function::First => lists::end(list, false),
        Function::Last => lists::end(list, true),
        Function::IsSorted => lists::is_sorted(list),
        Function::Sum(zero) => {
            let zero = match list.iter().next() {
                Some(Ok(Value::Uint(_))) => Zero::Uint,
                Some(Ok(Value::Double(_))) => Zero::Double,
                Some(Ok(Value::Duration(_))) => Zero::Duration,
                Some(Ok(Value::Int(_))) => Zero::Int,
                None => zero,
                Some(_) => return None,
            };
            lists::sum(list, zero.value())
        }
        Function::Max => lists::extreme(list, Ordering::Less, "max"),
        Function::Min => lists::extreme(list, Ordering::Greater, "min"),
        Function::Flatten => lists::flatten(list, 1),
        Function::Sort => lists::sort_by(list.clone(), list),
        Function::Reverse => lists::reverse(list),
        Function::Distinct => lists::distinct(list.clone()),
        _ => return None,
    })
}

fn unary_library<'a>(function: Function, value: &Value<'a>) -> Option<Outcome<'a>> {
    Some(match (function, value) {
        (Function::Range, Value::Int(count)) => lists::range(*count),
        (Function::UrlPart(part), Value::Url(url)) => Ok(url_part(url, part)),
        (Function::IpFamily, Value::Ip(address)) => Ok(Value::Int(if address.is_ipv4() { 4 } else { 6 })),
        (Function::IpTest(test), Value::Ip(address)) => truth(match test {
            IpTest::Unspecified => address.is_unspecified(),
            IpTest::Loopback => address.is_loopback(),
            IpTest::LinkLocalMulticast => net::is_link_local_multicast(*address),
            IpTest::LinkLocalUnicast => net::is_link_local_unicast(*address),
            IpTest::GlobalUnicast => net::is_global_unicast(*address),
        }),
        (Function::CidrIp, Value::Cidr(network)) => Ok(Value::Ip(network.address)),
        (Function::PrefixLength, Value::Cidr(network)) => Ok(Value::Int(i64::from(network.bits))),
        (Function::Masked, Value::Cidr(network)) => Ok(Value::Cidr(network.masked())),
        (Function::Sign, Value::Quantity(quantity)) => order(quantity.sign()),
        (Function::AsApproximateFloat, Value::Quantity(quantity)) => {
            Ok(Value::Double(quantity.approximate()))
        }
        (Function::AsInteger, Value::Quantity(quantity)) => quantity
            .as_int()
            .map(Value::Int)
            .ok_or_else(|| Failure::fixed("cannot convert value to integer")),
        (Function::IsInteger, Value::Quantity(quantity)) => truth(quantity.as_int().is_some()),
        (Function::SemverPart(part), Value::Semver(version)) => {
            let number = [version.major, version.minor, version.patch][part];
            // Go's conversion wraps.
            Ok(Value::Int(i64::from_ne_bytes(number.to_ne_bytes())))
        }
        (Function::Authorizer(step), Value::Authorization(stage)) => return authorizer::answer(step, *stage),
        _ => return None,
    })
}

fn url_part<'a>(url: &url::Url, part: UrlPart) -> Value<'a> {
    match part {
        UrlPart::Scheme => Value::text(url.scheme.clone()),
        UrlPart::Host => Value::text(url.host()),
        UrlPart::Hostname => Value::text(url.hostname()),
        UrlPart::Port => Value::text(url.port()),
        UrlPart::EscapedPath => Value::text(url.escaped_path()),
        UrlPart::Query => {
            let entries = url
                .query()
                .into_iter()
                .map(|(key, values)| (Key::Text(Text::from(key)), Value::texts(values)))
                .collect();
            Value::Map(Map::Shared(Arc::new(entries)))
        }
    }
}

/// A call with two values; nothing if no overload takes them.
fn binary<'a>(function: Function, left: &Value<'a>, right: &Value<'a>) -> Option<Outcome<'a>> {
    Some(match (function, left, right) {
        (Function::Add, ..) => arithmetic::add(left.clone(), right.clone()),
        (Function::Subtract, ..) => arithmetic::subtract(left, right),
        (Function::Multiply, ..) => arithmetic::multiply(left, right),
        (Function::Divide, ..) => arithmetic::divide(left, right),
        (Function::Modulo, ..) => arithmetic::modulo(left, right),
        (Function::In, _, Value::List(list)) => list.contains(left).map(Value::Bool),
        (Function::In, _, Value::Map(map)) => map.find(left).map(|found| Value::Bool(found.is_some())),
        (Function::In, ..) => Err(Failure::no_overload()),
        (function, Value::String(left), Value::String(right)) => return binary_text(function, left, right),
        // These four say it in their own way.
        (Function::Contains | Function::StartsWith | Function::EndsWith, ..) => Err(Failure::no_overload()),
        (Function::Matches, ..) => no_receiver(left, "matches"),
        (Function::SortByKeys, Value::List(list), Value::List(keys)) => lists::sort_by(list.clone(), keys),
        (Function::SortByKeys, ..) => no_receiver(left, "@sortByAssociatedKeys"),
        (Function::TimePart(part), Value::Timestamp(time), Value::String(zone)) => {
            time::part_of(time, part, zone)
        }
        (Function::CharAt, Value::String(text), Value::Int(index)) => {
            strings::char_at(text, *index).map(Value::text)
        }
        (Function::Substring, Value::String(text), Value::Int(start)) => {
            strings::substring(text, *start, None).map(Value::text)
        }
        (Function::Format, Value::String(text), Value::List(args)) => {
            format::format(text, args).map(Value::text)
        }
        (Function::Join, Value::List(list), Value::String(separator)) => match list.iter().next() {
            None | Some(Ok(Value::String(_))) => strings::join(list, separator),
            Some(_) => return None,
        },
        (Function::IndexOf, Value::List(list), wanted) => lists::index_of(list, wanted, false),
        (Function::LastIndexOf, Value::List(list), wanted) => lists::index_of(list, wanted, true),
        (Function::Flatten, Value::List(list), Value::Int(depth)) => lists::flatten(list, *depth),
        (Function::Flatten, ..) => Err(Failure::new(format!(
            "no such overload: {}.flatten({})",
            left.type_text(),
            right.type_text()
        ))),
        (Function::SetsContains, Value::List(list), Value::List(part)) => {
            lists::contains_all(list, part).map(Value::Bool)
        }
        (Function::SetsIntersects, Value::List(left), Value::List(right)) => {
            lists::intersects(left, right).map(Value::Bool)
        }
        (Function::SetsEquivalent, Value::List(left), Value::List(right)) => {
            let both =
                lists::contains_all(left, right).and_then(|all| Ok(all && lists::contains_all(right, left)?));
            both.map(Value::Bool)
        }
        (Function::ContainsIp, Value::Cidr(network), Value::Ip(address)) => truth(network.contains(*address)),
        // What is wrong with the text is lost upstream.
        (Function::ContainsIp, Value::Cidr(network), Value::String(text)) => match net::parse_ip(text) {
            Ok(address) => truth(network.contains(address)),
            Err(_) => Err(Failure::no_overload()),
        },
        (Function::ContainsCidr, Value::Cidr(network), Value::Cidr(other)) => {
            truth(network.contains_network(*other))
        }
        (Function::ContainsCidr, Value::Cidr(network), Value::String(text)) => {
            written(net::parse_cidr(text), |other| {
                Value::Bool(network.contains_network(other))
            })
        }
        (Function::Semver, Value::String(text), Value::Bool(normalize)) => {
            written(parse_semver(text, *normalize), |version| {
                Value::Semver(Arc::new(version))
            })
        }
        (Function::IsSemver, Value::String(text), Value::Bool(normalize)) => {
            truth(parse_semver(text, *normalize).is_ok())
        }
        (Function::Validate, Value::Format(format), Value::String(text)) => {
            let problems = format.validate(text);
            Ok(Value::Optional(
                (!problems.is_empty()).then(|| Arc::new(Value::texts(problems))),
            ))
        }
        (_, Value::Quantity(left), _) => return binary_quantity(function, left, right),
        (Function::Authorizer(step), Value::Authorization(stage), Value::String(text)) => {
            return authorizer::ask(step, *stage, text);
        }
        (Function::IsGreaterThan, Value::Semver(left), Value::Semver(right)) => {
            truth(left.cmp(right).is_gt())
        }
        (Function::IsLessThan, Value::Semver(left), Value::Semver(right)) => truth(left.cmp(right).is_lt()),
        (Function::CompareTo, Value::Semver(left), Value::Semver(right)) => order(left.cmp(right)),
        _ => return None,
    })
}

fn binary_text<'a>(function: Function, left: &Text<'a>, right: &Text<'a>) -> Option<Outcome<'a>> {
    Some(match function {
        Function::Contains => truth(left.contains(&**right)),
        Function::StartsWith => truth(left.starts_with(&**right)),
        Function::EndsWith => truth(left.ends_with(&**right)),
        Function::Matches => regex::matches(left, right).map(Value::Bool),
        Function::IndexOf => strings::index_of(left, right, 0).map(Value::Int),
        Function::LastIndexOf => strings::last_index_of(left, right, None).map(Value::Int),
        Function::Split => Ok(Value::texts(strings::split(left, right, -1))),
        Function::Find => regex::compile_late(right).map(|pattern| Value::text(pattern.find(left))),
        Function::FindAll => {
            regex::compile_late(right).map(|pattern| Value::texts(pattern.find_all(left, -1)))
        }
        _ => return None,
    })
}

fn binary_quantity<'a>(
    function: Function,
    left: &quantity::Quantity,
    right: &Value<'a>,
) -> Option<Outcome<'a>> {
    let sum = |amount: Option<quantity::Quantity>| match amount {
        Some(amount) => Ok(Value::Quantity(Arc::new(amount))),
        None => Err(Failure::fixed("quantities differ too much in size to be added")),
    };
    Some(match (function, right) {
        (Function::IsGreaterThan, Value::Quantity(right)) => truth(left.cmp(right).is_gt()),
        (Function::IsLessThan, Value::Quantity(right)) => truth(left.cmp(right).is_lt()),
        (Function::CompareTo, Value::Quantity(right)) => order(left.cmp(right)),
        (Function::QuantityAdd, Value::Quantity(right)) => sum(left.add(right)),
        (Function::QuantityAdd, Value::Int(right)) => sum(left.add(&quantity::Quantity::of_int(*right))),
        (Function::QuantitySub, Value::Quantity(right)) => sum(left.sub(right)),
        (Function::QuantitySub, Value::Int(right)) => sum(left.sub(&quantity::Quantity::of_int(*right))),
        _ => return None,
    })
}

fn parse_semver(text: &str, normalize: bool) -> Result<semver::Semver, String> {
    if normalize {
        semver::parse_normalized(text)
    } else {
        semver::parse(text)
    }
}

/// A call with three values; nothing if no overload takes them.
fn ternary<'a>(
    function: Function,
    first: &Value<'a>,
    second: &Value<'a>,
    third: &Value<'a>,
) -> Option<Outcome<'a>> {
    Some(match (function, first, second, third) {
        (Function::IndexOf, Value::String(text), Value::String(part), Value::Int(from)) => {
            strings::index_of(text, part, *from).map(Value::Int)
        }
        (Function::LastIndexOf, Value::String(text), Value::String(part), Value::Int(from)) => {
            strings::last_index_of(text, part, Some(*from)).map(Value::Int)
        }
        (Function::Replace, Value::String(text), Value::String(old), Value::String(new)) => {
            strings::replace(text, old, new, -1).map(Value::text)
        }
        (Function::Split, Value::String(text), Value::String(separator), Value::Int(limit)) => {
            Ok(Value::texts(strings::split(text, separator, *limit)))
        }
        (Function::Substring, Value::String(text), Value::Int(start), Value::Int(end)) => {
            strings::substring(text, *start, Some(*end)).map(Value::text)
        }
        (Function::FindAll, Value::String(text), Value::String(pattern), Value::Int(limit)) => {
            regex::compile_late(pattern).map(|pattern| Value::texts(pattern.find_all(text, *limit)))
        }
        (Function::Slice, Value::List(list), Value::Int(start), Value::Int(end)) => {
            lists::slice(list, *start, *end)
        }
        (
            Function::Authorizer(step),
            Value::Authorization(stage),
            Value::String(namespace),
            Value::String(name),
        ) => return authorizer::ask_for(step, *stage, namespace, name),
        _ => return None,
    })
}

/// The first value, a map, with the entry or the entries of the others; in place where nobody else holds it.
///
/// # Errors
/// A key is there already, or no overload takes the values.
pub(crate) fn insert_into<'a>(name: &str, values: Vec<Value<'a>>) -> Outcome<'a> {
    if !matches!(
        values.as_slice(),
        [Value::Map(_), Value::Map(_)] | [Value::Map(_), _, _]
    ) {
        return mismatch(name, &values);
    }
    let mut values = values.into_iter();
    match (values.next(), values.next(), values.next()) {
        (Some(Value::Map(map)), Some(key), Some(value)) => insert(map, &key, value),
        (Some(Value::Map(map)), Some(Value::Map(update)), None) => insert_all(map, &update),
        _ => Err(Failure::no_overload()),
    }
}

/// The map with one more entry.
///
/// # Errors
/// The key is there already.
pub(crate) fn insert<'a>(map: Map<'a>, key: &Value<'a>, value: Value<'a>) -> Outcome<'a> {
    if map.find(key)?.is_some() {
        return Err(Failure::new(format!(
            "insert failed: key {} already exists",
            display(key)
        )));
    }
    key.check_hashable()?;
    let name = Key::of(key);
    let mut entries = match map {
        Map::Shared(entries) => entries,
        other => {
            let mut entries = Entries::new();
            for key in other.keys() {
                let value = other.get(&key)?;
                entries.insert(Key::of(&key), value);
            }
            Arc::new(entries)
        }
    };
    Arc::make_mut(&mut entries).insert(name, value);
    Ok(Value::Map(Map::Shared(entries)))
}

fn insert_all<'a>(map: Map<'a>, update: &Map<'a>) -> Outcome<'a> {
    let mut out = map;
    for key in update.keys() {
        let value = update.get(&key)?;
        match insert(out, &key, value)? {
            Value::Map(map) => out = map,
            other => return Ok(other),
        }
    }
    Ok(Value::Map(out))
}
