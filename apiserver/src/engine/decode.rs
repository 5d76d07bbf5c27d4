//! Request bodies: JSON or YAML, decoded with an eye on repeated keys.

use http::{HeaderMap, header};
use kubewright_schema::yaml;
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
        media @ ("application/vnd.kubernetes.protobuf" | "application/cbor") => {
            Err(ApiError::not_served_yet(media, OFFERED))
        }
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
    let mut duplicates = Vec::new();
    let value = yaml::read(body, Tracked::root(&mut duplicates)).map_err(|why| {
        let why = match &why {
            yaml::Error::Syntax(why) => why.to_string(),
            _ => why.to_string(),
        };
        ApiError::bad_request(format!("error converting YAML to JSON: {why}"))
    })?;
    Ok(Decoded { value, duplicates })
}

/// Deepest nesting of objects and lists that is taken in (API-86).
///
/// Below serde_json's own limit of 128, so that a client's can still read the object inside a list or an event.
pub(crate) const DEPTH_LIMIT: usize = 120;

/// Whether a value nests deeper than `limit`; never looks deeper itself.
pub(crate) fn is_deeper_than(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if limit == 0 => true,
        Value::Array(items) => items.iter().any(|item| is_deeper_than(item, limit - 1)),
        Value::Object(map) => map.values().any(|value| is_deeper_than(value, limit - 1)),
        _ => false,
    }
}

/// Where a value stands, as a chain on the stack: it becomes text in a complaint alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldPath<'a> {
    /// The document itself.
    Root,
    /// A field of a type.
    Field(&'a FieldPath<'a>, &'a str),
    /// A key of a map.
    Key(&'a FieldPath<'a>, &'a str),
    /// A place in a list.
    Index(&'a FieldPath<'a>, usize),
}

impl FieldPath<'_> {
    /// The fields on the way, without keys and places: Go's path in a type error.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        let mut at = self;
        loop {
            at = match at {
                Self::Root => break,
                Self::Field(parent, name) => {
                    fields.push(*name);
                    parent
                }
                Self::Key(parent, _) | Self::Index(parent, _) => parent,
            };
        }
        fields.reverse();
        fields
    }
}

impl std::fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) | Self::Key(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) | Self::Key(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Reads a value and notes each key that an object holds twice; the last one wins, as in Go.
struct Tracked<'a, 'd> {
    path: &'a FieldPath<'a>,
    /// Objects and lists around it.
    depth: usize,
    duplicates: &'d mut Vec<String>,
}

impl<'d> Tracked<'static, 'd> {
    fn root(duplicates: &'d mut Vec<String>) -> Self {
        Self {
            path: &FieldPath::Root,
            depth: 0,
            duplicates,
        }
    }
}

impl Tracked<'_, '_> {
    fn below<'b>(&'b mut self, path: &'b FieldPath<'b>) -> Tracked<'b, 'b> {
        Tracked {
            path,
            depth: self.depth + 1,
            duplicates: self.duplicates,
        }
    }

    fn check_depth<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.depth < DEPTH_LIMIT {
            return Ok(());
        }
        Err(E::custom(format_args!("nested deeper than {DEPTH_LIMIT}")))
    }
}

impl<'de> DeserializeSeed<'de> for Tracked<'_, '_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tracked<'_, '_> {
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
        self.check_depth()?;
        let mut items = Vec::new();
        loop {
            let parent = self.path;
            let path = FieldPath::Index(parent, items.len());
            match seq.next_element_seed(self.below(&path))? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let parent = self.path;
            let path = FieldPath::Key(parent, &key);
            if map.contains_key(&key) {
                self.duplicates
                    .push(format!("duplicate field {:?}", path.to_string()));
            }
            let value = access.next_value_seed(self.below(&path))?;
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
        let broken = decode_yaml(b"a: [").expect_err("no YAML");
        assert!(
            broken.to_string().contains("error converting YAML to JSON: "),
            "{broken}"
        );
    }

    #[test]
    fn api_86_nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let deepest = decode_json(nested(DEPTH_LIMIT).as_bytes()).expect("deep enough");
        assert!(!is_deeper_than(&deepest.value, DEPTH_LIMIT));
        assert!(is_deeper_than(&deepest.value, DEPTH_LIMIT - 1));
        assert!(decode_json(nested(DEPTH_LIMIT + 1).as_bytes()).is_err());
        // The limit for YAML is lower: its reader needs more stack for a level.
        assert!(decode_yaml(nested(50).as_bytes()).is_ok());
        for decode in [decode_json, decode_yaml] {
            assert!(decode(nested(100_000).as_bytes()).is_err());
        }
    }

    /// As in a cluster, which reads YAML 1.1 and makes JSON of it.
    #[test]
    fn api_13_yaml_is_read_as_kubernetes_reads_it() {
        let yaml = decode_yaml(b"defaultMode: 0644\nreplicas: 2.0\nenabled: on\n").expect("it parses");
        assert_eq!(
            yaml.value,
            json!({"defaultMode": 420, "replicas": 2, "enabled": true})
        );
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
