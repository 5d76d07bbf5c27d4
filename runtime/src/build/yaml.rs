//! YAML with one spelling per value.
//!
//! **Invariant:** a parser of YAML 1.1, as Kubernetes' own, and one of YAML 1.2 read the same value from it:
//! the one that was written.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Number, Value};

/// A value as YAML: keys sorted, no line wrapped, a newline at the end.
///
/// # Errors
/// Where `value` has no JSON form.
pub fn to_yaml(value: &impl Serialize) -> Result<String, serde_saphyr::ser::Error> {
    let value =
        serde_json::to_value(value).map_err(<serde_saphyr::ser::Error as serde::ser::Error>::custom)?;
    let options = serde_saphyr::ser_options! {
        prefer_block_scalars: false,
        yaml_12: false,
    };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, &Stable(&value), options)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// A JSON value with its keys in order, whatever features of `serde_json` the build has.
struct Stable<'a>(&'a Value);

impl Serialize for Stable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                let mut out = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    out.serialize_entry(key, &Stable(value))?;
                }
                out.end()
            }
            Value::Array(items) => {
                let mut out = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    out.serialize_element(&Stable(item))?;
                }
                out.end()
            }
            Value::Number(number) => match whole(number) {
                Some(whole) => serializer.serialize_i64(whole),
                None => number.serialize(serializer),
            },
            other => other.serialize(serializer),
        }
    }
}

/// `10.0` is `10` in JSON schemas; k8s-openapi keeps bounds as floats.
fn whole(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|_| number.is_f64())?;
    #[allow(clippy::cast_possible_truncation)]
    (float.fract() == 0.0 && float.abs() < EXACT).then_some(float as i64)
}
