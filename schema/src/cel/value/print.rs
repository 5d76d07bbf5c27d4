//! Values as Go's `%v` prints them inside messages.

use super::typed::print_raw;
use super::{List, Value};
use crate::gotext;

/// A float as Go's `%g`: shortest digits, exponent form below 1e-4 and from a million on.
pub(crate) fn float_g(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        gotext::float(value)
    }
}

/// A value in a message.
pub(crate) fn display(value: &Value<'_>) -> String {
    match value {
        // Go's null is a number of protobuf's.
        Value::Null => "0".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => float_g(*value),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => {
            let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
            format!("[{}]", bytes.join(" "))
        }
        Value::Duration(nanos) => super::super::library::time::go_duration(*nanos),
        Value::Timestamp(time) => time.go_text(),
        Value::List(List::Json(items, None)) => {
            let items: Vec<String> = items.iter().map(print_raw).collect();
            format!("[{}]", items.join(", "))
        }
        Value::List(list) => {
            let items: Vec<String> = list
                .iter()
                .map(|item| item.map_or_else(|error| error.text().to_owned(), |item| display(&item)))
                .collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<String> = map
                .keys()
                .iter()
                .map(|key| {
                    let value = match map.get(key) {
                        Ok(value) => display(&value),
                        Err(error) => error.text().to_owned(),
                    };
                    format!("{}: {value}", display(key))
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Optional(None) => "optional.none()".to_owned(),
        Value::Optional(Some(value)) => format!("optional({})", display(value)),
        Value::Type(name) => super::type_text(name).to_owned(),
        Value::Quantity(_) | Value::Semver(_) | Value::Format(_) | Value::Authorization(_) => {
            value.type_name().to_owned()
        }
        Value::Url(url) => url.to_string(),
        Value::Ip(ip) => ip.to_string(),
        Value::Cidr(cidr) => cidr.to_string(),
        Value::Opaque(json) => print_raw(json),
    }
}
