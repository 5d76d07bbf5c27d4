//! OpenAPI v2 in protobuf: the message `openapi.v2.Document` of gnostic's `OpenAPIv2.proto`, which kubectl asks for.
//!
//! Field numbers are those of that file. Values of any type are YAML text there; JSON is YAML, so JSON is written.

use serde_json::{Map, Value};

/// Encodes a v2 document.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    let Some(fields) = document.as_object() else {
        return Vec::new();
    };
    for (key, value) in fields {
        match key.as_str() {
            "swagger" => out.text(1, value),
            "info" => out.message(2, &info(value)),
            "paths" => out.message(8, &named_in(2, value, path_item)),
            "definitions" => out.message(9, &named_in(1, value, schema)),
            "parameters" => out.message(10, &named_in(1, value, parameter)),
            "security" => {
                for requirement in items(value) {
                    out.message(12, &named_in(1, requirement, |names| texts_in(1, names)));
                }
            }
            "securityDefinitions" => out.message(13, &named_in(1, value, |item| wrap(2, &api_key(item)))),
            _ => out.extension(16, key, value),
        }
    }
    out.0
}

/// A message that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u32, message: &Message) {
        self.bytes(field, &message.0);
    }

    fn text(&mut self, field: u32, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn texts(&mut self, field: u32, value: &Value) {
        for text in items(value).iter().filter_map(Value::as_str) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn boolean(&mut self, field: u32, value: &Value) {
        if value == &Value::Bool(true) {
            self.key(field, 0);
            self.varint(1);
        }
    }

    fn integer(&mut self, field: u32, value: &Value) {
        if let Some(number) = value.as_i64().filter(|number| *number != 0) {
            self.key(field, 0);
            self.varint(number.cast_unsigned());
        }
    }

    fn double(&mut self, field: u32, value: &Value) {
        if let Some(number) = value.as_f64().filter(|number| *number != 0.0) {
            self.key(field, 1);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn any(&mut self, field: u32, value: &Value) {
        self.message(field, &any(value));
    }

    fn extension(&mut self, field: u32, name: &str, value: &Value) {
        // The format knows no other extensions; a key that is neither known nor an extension has no place in v2.
        if name.starts_with("x-") {
            self.message(field, &named(name, &any(value)));
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn any(value: &Value) -> Message {
    let mut out = Message::default();
    let text = match value {
        // A plain word stays one, as upstream writes it; quotes are needed where YAML would read something else.
        Value::String(text) if is_plain(text) => format!("{text}\n"),
        other => format!("{other}\n"),
    };
    out.bytes(2, text.as_bytes());
    out
}

fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            .contains(&text.to_lowercase().as_str())
}

fn wrap(field: u32, message: &Message) -> Message {
    let mut out = Message::default();
    out.message(field, message);
    out
}

fn named(name: &str, value: &Message) -> Message {
    let mut out = Message::default();
    out.bytes(1, name.as_bytes());
    out.message(2, value);
    out
}

/// An object as a list of pairs in `field`.
fn named_in(field: u32, value: &Value, encode: impl Fn(&Value) -> Message) -> Message {
    let mut out = Message::default();
    for (name, value) in value.as_object().into_iter().flatten() {
        out.message(field, &named(name, &encode(value)));
    }
    out
}

fn texts_in(field: u32, value: &Value) -> Message {
    let mut out = Message::default();
    out.texts(field, value);
    out
}

fn fields(value: &Value, mut each: impl FnMut(&mut Message, &str, &Value)) -> Message {
    let mut out = Message::default();
    for (key, value) in value.as_object().unwrap_or(&Map::new()) {
        each(&mut out, key, value);
    }
    out
}

fn info(value: &Value) -> Message {
    fields(value, |out, key, value| match key {
        "title" => out.text(1, value),
        "version" => out.text(2, value),
        "description" => out.text(3, value),
        _ => out.extension(7, key, value),
    })
}

fn api_key(value: &Value) -> Message {
    fields(value, |out, key, value| match key {
        "type" => out.text(1, value),
        "name" => out.text(2, value),
        "in" => out.text(3, value),
        "description" => out.text(4, value),
        _ => out.extension(5, key, value),
    })
}

fn path_item(value: &Value) -> Message {
    fields(value, |out, key, value| match key {
        "get" => out.message(2, &operation(value)),
        "put" => out.message(3, &operation(value)),
        "post" => out.message(4, &operation(value)),
        "delete" => out.message(5, &operation(value)),
        "options" => out.message(6, &operation(value)),
        "head" => out.message(7, &operation(value)),
        "patch" => out.message(8, &operation(value)),
        "parameters" => items(value)
            .iter()
            .for_each(|item| out.message(9, &parameter_or_reference(item))),
        _ => out.extension(10, key, value),
    })
}

fn operation(value: &Value) -> Message {
    fields(value, |out, key, value| match key {
        "tags" => out.texts(1, value),
        "summary" => out.text(2, value),
        "description" => out.text(3, value),
        "operationId" => out.text(5, value),
        "produces" => out.texts(6, value),
        "consumes" => out.texts(7, value),
        "parameters" => items(value)
            .iter()
            .for_each(|item| out.message(8, &parameter_or_reference(item))),
        "responses" => out.message(9, &named_in(1, value, |item| wrap(1, &response(item)))),
        "schemes" => out.texts(10, value),
        "deprecated" => out.boolean(11, value),
        _ => out.extension(13, key, value),
    })
}

fn response(value: &Value) -> Message {
    fields(value, |out, key, value| match key {
        "description" => out.text(1, value),
        "schema" => out.message(2, &wrap(1, &schema(value))),
        _ => out.extension(5, key, value),
    })
}

fn parameter_or_reference(value: &Value) -> Message {
    if value.get("$ref").is_some() {
        wrap(
            2,
            &fields(value, |out, key, value| {
                if key == "$ref" {
                    out.text(1, value);
                }
            }),
        )
    } else {
        wrap(1, &parameter(value))
    }
}

fn parameter(value: &Value) -> Message {
    match value["in"].as_str() {
        Some("body") => wrap(
            1,
            &fields(value, |out, key, value| match key {
                "description" => out.text(1, value),
                "name" => out.text(2, value),
                "in" => out.text(3, value),
                "required" => out.boolean(4, value),
                "schema" => out.message(5, &schema(value)),
                _ => out.extension(6, key, value),
            }),
        ),
        Some("path") => wrap(
            2,
            &wrap(
                4,
                &fields(value, |out, key, value| match key {
                    "required" => out.boolean(1, value),
                    "in" => out.text(2, value),
                    "description" => out.text(3, value),
                    "name" => out.text(4, value),
                    "type" => out.text(5, value),
                    "uniqueItems" => out.boolean(19, value),
                    _ => out.extension(22, key, value),
                }),
            ),
        ),
        _ => wrap(
            2,
            &wrap(
                3,
                &fields(value, |out, key, value| match key {
                    "required" => out.boolean(1, value),
                    "in" => out.text(2, value),
                    "description" => out.text(3, value),
                    "name" => out.text(4, value),
                    "type" => out.text(6, value),
                    "uniqueItems" => out.boolean(20, value),
                    _ => out.extension(23, key, value),
                }),
            ),
        ),
    }
}

fn schema(value: &Value) -> Message {
    fields(value, |out, key, value| match key {
        "$ref" => out.text(1, value),
        "format" => out.text(2, value),
        "title" => out.text(3, value),
        "description" => out.text(4, value),
        "default" => out.any(5, value),
        "multipleOf" => out.double(6, value),
        "maximum" => out.double(7, value),
        "exclusiveMaximum" => out.boolean(8, value),
        "minimum" => out.double(9, value),
        "exclusiveMinimum" => out.boolean(10, value),
        "maxLength" => out.integer(11, value),
        "minLength" => out.integer(12, value),
        "pattern" => out.text(13, value),
        "maxItems" => out.integer(14, value),
        "minItems" => out.integer(15, value),
        "uniqueItems" => out.boolean(16, value),
        "maxProperties" => out.integer(17, value),
        "minProperties" => out.integer(18, value),
        "required" => out.texts(19, value),
        "enum" => items(value).iter().for_each(|item| out.any(20, item)),
        "additionalProperties" => match value {
            Value::Bool(_) => {
                let mut item = Message::default();
                item.boolean(2, value);
                out.message(21, &item);
            }
            _ => out.message(21, &wrap(1, &schema(value))),
        },
        "type" => {
            let mut types = Message::default();
            types.text(1, value);
            out.message(22, &types);
        }
        "items" => out.message(23, &wrap(1, &schema(value))),
        "properties" => out.message(25, &named_in(1, value, schema)),
        "example" => out.any(30, value),
        "externalDocs" => {
            out.message(
                29,
                &fields(value, |out, key, value| match key {
                    "description" => out.text(1, value),
                    "url" => out.text(2, value),
                    _ => {}
                }),
            );
        }
        _ => out.extension(31, key, value),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn api_19_protobuf_has_gnostic_field_numbers() {
        let document = json!({"swagger": "2.0", "info": {"title": "T"}});
        // info = field 2 {title = field 1}, swagger = field 1.
        assert_eq!(encode(&document), b"\x12\x03\x0a\x01T\x0a\x032.0");
        let value =
            json!({"type": "integer", "minimum": 1, "x-kubernetes-list-type": "set", "default": {"a": "no"}});
        let expected = [
            &b"\x2a\x0d\x12\x0b{\"a\":\"no\"}\n"[..],
            b"\x49\x00\x00\x00\x00\x00\x00\xf0\x3f",
            b"\xb2\x01\x09\x0a\x07integer",
            b"\xfa\x01\x20\x0a\x16x-kubernetes-list-type\x12\x06\x12\x04set\n",
        ]
        .concat();
        assert_eq!(schema(&value).0, expected);
    }

    #[test]
    fn words_that_yaml_reads_otherwise_are_quoted() {
        for text in ["no", "Yes", "1", "", "a: b", "~"] {
            assert!(!is_plain(text), "{text:?}");
        }
        assert!(is_plain("deletecollection"));
    }
}
