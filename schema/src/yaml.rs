//! YAML from people, such as files with CRDs and bodies of requests: decoded with limits, to what Kubernetes makes of it.
//!
//! A document has at most [`SIZE_LIMIT`] bytes, 64 levels, and some hundred thousand values, aliases included, so that
//! no document takes more than some 100 MB. What JSON cannot say is refused: keys that are no text, numbers that are not
//! finite; and repeated keys, but by [`read`].
//!
//! **Invariant:** what is read has the meaning that it has in a cluster, which reads YAML 1.1: `yes` and `off` are booleans,
//! `0644` is octal, and `1.0` is a whole number.

use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_saphyr::DuplicateKeyPolicy;

/// Most bytes of a text: what an API server reads from a request.
pub const SIZE_LIMIT: usize = 3 * 1024 * 1024;

/// Why a text is no document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is too long.
    #[error("the document has {size} bytes, and more than {SIZE_LIMIT} are not read; split it")]
    TooLong {
        /// Its bytes.
        size: usize,
    },
    /// It is no UTF-8.
    #[error("the document is not UTF-8: {0}")]
    NotText(#[from] std::str::Utf8Error),
    /// It is no YAML, or one of the limits was hit.
    #[error("the document is not YAML that stands for JSON: {0}")]
    Syntax(#[source] Box<serde_saphyr::Error>),
}

/// Decodes one document.
///
/// # Errors
/// See [`Error`].
///
/// ```
/// use kubewright_schema::yaml;
/// use serde_json::json;
/// assert_eq!(yaml::from_slice(b"a: [1, 'n', n]").unwrap(), json!({"a": [1, "n", false]}));
/// assert!(yaml::from_slice(b"{a: 1, a: 2}").is_err());
/// ```
pub fn from_slice(text: &[u8]) -> Result<Value, Error> {
    one(text, DuplicateKeyPolicy::Error, std::marker::PhantomData::<Value>)
}

/// Decodes one document through `seed`, which meets repeated keys as often as they stand there.
///
/// # Errors
/// See [`Error`]; what the seed refuses is an [`Error::Syntax`].
pub fn read<S>(text: &[u8], seed: S) -> Result<Value, Error>
where
    S: for<'de> DeserializeSeed<'de, Value = Value>,
{
    one(text, DuplicateKeyPolicy::PassThrough, seed)
}

/// Decodes a stream of documents, separated by `---`; empty ones are left out.
///
/// # Errors
/// See [`Error`]; the limits hold for all documents together.
pub fn documents(text: &[u8]) -> Result<Vec<Value>, Error> {
    let documents: Vec<Document> =
        serde_saphyr::from_multiple_with_options(checked(text)?, options(DuplicateKeyPolicy::Error))
            .map_err(|why| Error::Syntax(Box::new(why)))?;
    Ok(documents
        .into_iter()
        .map(|Document(document)| document)
        .filter(|document| !document.is_null())
        .collect())
}

/// A value with its numbers as Go prints them.
struct Document(Value);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|mut value| {
            print_numbers(&mut value);
            Self(value)
        })
    }
}

fn one<S>(text: &[u8], duplicates: DuplicateKeyPolicy, seed: S) -> Result<Value, Error>
where
    S: for<'de> DeserializeSeed<'de, Value = Value>,
{
    let mut value = serde_saphyr::with_deserializer_from_str_with_options(
        checked(text)?,
        options(duplicates),
        |deserializer| seed.deserialize(deserializer),
    )
    .map_err(|why| Error::Syntax(Box::new(why)))?;
    print_numbers(&mut value);
    Ok(value)
}

/// Servers turn YAML into JSON first, where a float without a fraction is printed, and then read, as a whole number.
#[allow(clippy::cast_possible_truncation)]
fn print_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64()
                && float.fract() == 0.0
                && float.abs() < 9_223_372_036_854_775_808.0
            {
                *number = (float as i64).into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(print_numbers),
        Value::Object(map) => map.values_mut().for_each(print_numbers),
        _ => {}
    }
}

fn checked(text: &[u8]) -> Result<&str, Error> {
    if text.len() > SIZE_LIMIT {
        return Err(Error::TooLong { size: text.len() });
    }
    Ok(std::str::from_utf8(text)?)
}

fn options(duplicates: DuplicateKeyPolicy) -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: false,
        legacy_octal_numbers: true,
        with_snippet: false,
        duplicate_keys: duplicates,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::Reject,
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_events: 1_000_000,
            max_nodes: 500_000,
            max_total_scalar_bytes: 16 * 1024 * 1024,
            max_recorded_anchor_events: 200_000,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Answers of sigs.k8s.io/yaml 1.6.0, read as Kubernetes reads JSON.
    #[test]
    fn api_13_scalars_mean_what_they_mean_in_a_cluster() {
        for (text, expected) in [
            ("yes", json!(true)),
            ("on", json!(true)),
            ("y", json!(true)),
            ("N", json!(false)),
            ("off", json!(false)),
            ("TRUE", json!(true)),
            ("0x10", json!(16)),
            ("0644", json!(420)),
            ("0o10", json!(8)),
            ("0b11", json!(3)),
            ("1_000", json!(1000)),
            ("1e3", json!(1000)),
            ("1.0", json!(1)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            ("+1", json!(1)),
            ("2001-01-01", json!("2001-01-01")),
            ("60:30", json!("60:30")),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("!!str 1", json!("1")),
            ("!!binary aGk=", json!("hi")),
            ("'yes'", json!("yes")),
            ("=", json!("=")),
        ] {
            let read = from_slice(format!("a: {text}").as_bytes());
            assert_eq!(read.ok(), Some(json!({ "a": expected })), "{text}");
        }
        for (text, expected) in [
            ("1: x", json!({"1": "x"})),
            ("true: x", json!({"true": "x"})),
            ("1.5: x", json!({"1.5": "x"})),
            (
                "x: &x {a: 1}\nz: {<<: *x, b: 2}",
                json!({"x": {"a": 1}, "z": {"a": 1, "b": 2}}),
            ),
        ] {
            assert_eq!(from_slice(text.as_bytes()).ok(), Some(expected), "{text}");
        }
        for text in ["~: x", "[a]: 1", "a: .inf", "a: .nan", "a: 1\nb"] {
            assert!(from_slice(text.as_bytes()).is_err(), "{text}");
        }
        let stream = documents(b"a: yes\n---\n---\nb: 2.0\n").expect("a stream");
        assert_eq!(stream, [json!({"a": true}), json!({"b": 2})]);
    }
}
