//! Request bodies: JSON or YAML, decoded with an eye on repeated keys.

use http::{HeaderMap, header};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::negotiate::OFFERED;
use crate::status::{ApiError, Result};

/// Media type of a body, without parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim())
        .unwrap_or_default()
}

/// A decoded body, with the keys that it repeats.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) value: Value,
    /// Complaints in upstream's words, one for each repeated key.
    pub(crate) duplicates: Vec<String>,
}

/// Decodes a JSON or YAML body.
///
/// # Errors
/// 415 for another media type, 400 for what does not parse or is empty.
pub(crate) fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Decoded> {
    match content_type(headers) {
        "" | "application/json" | "*/*" => decode_json(body),
        "application/yaml" | "text/yaml" | "application/x-yaml" => decode_yaml(body),
        _ => Err(ApiError::unsupported_media_type(OFFERED)),
    }
}

pub(crate) fn decode_json(body: &[u8]) -> Result<Decoded> {
    if body.is_empty() {
        return Err(ApiError::bad_request("unexpected end of JSON input"));
    }
    let mut duplicates = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Tracked::root(&mut duplicates)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|why| {
            ApiError::bad_request(format!("couldn't get version/kind; json parse error: {why}"))
        })?;
    Ok(Decoded { value, duplicates })
}

pub(crate) fn decode_yaml(body: &[u8]) -> Result<Decoded> {
    let text = std::str::from_utf8(body)
        .map_err(|why| ApiError::bad_request(format!("error parsing YAML: {why}")))?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
    };
    let mut duplicates = Vec::new();
    let value = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        Tracked::root(&mut duplicates).deserialize(deserializer)
    })
    .map_err(|why| ApiError::bad_request(format!("error converting YAML to JSON: {why}")))?;
    Ok(Decoded { value, duplicates })
}

/// Reads a value and notes each key that an object holds twice; the last one wins, as in Go.
struct Tracked<'a> {
    path: String,
    duplicates: &'a mut Vec<String>,
}

impl<'a> Tracked<'a> {
    fn root(duplicates: &'a mut Vec<String>) -> Self {
        Self {
            path: String::new(),
            duplicates,
        }
    }

    fn below(&mut self, path: String) -> Tracked<'_> {
        Tracked {
            path,
            duplicates: self.duplicates,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Tracked<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tracked<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, items.len());
            match seq.next_element_seed(self.below(path))? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = match self.path.as_str() {
                "" => key.clone(),
                parent => format!("{parent}.{key}"),
            };
            if map.contains_key(&key) {
                self.duplicates.push(format!("duplicate field {path:?}"));
            }
            let value = access.next_value_seed(self.below(path))?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn api_14_repeated_keys_are_noted() {
        let json = br#"{"a":{"b":1,"b":2},"c":[{"d":1,"d":1}]}"#;
        let decoded = decode_json(json).expect("it parses");
        assert_eq!(decoded.value, json!({"a": {"b": 2}, "c": [{"d": 1}]}));
        assert_eq!(
            decoded.duplicates,
            [r#"duplicate field "a.b""#, r#"duplicate field "c[0].d""#]
        );
        let yaml = decode_yaml(b"a:\n  b: 1\n  b: 2\n").expect("it parses");
        assert_eq!(yaml.value, json!({"a": {"b": 2}}));
        assert_eq!(yaml.duplicates, [r#"duplicate field "a.b""#]);
    }

    #[test]
    fn api_14_rubbish_is_refused() {
        for wrong in ["", "{", "{} x", "nul"] {
            assert!(decode_json(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(decode_yaml(b"a: [").is_err());
    }

    #[test]
    fn api_86_yaml_alias_growth_is_bounded() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..10 {
            bomb += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(","));
        }
        assert!(decode_yaml(bomb.as_bytes()).is_err());
    }
}
