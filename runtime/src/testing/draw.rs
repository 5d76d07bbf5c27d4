//! Objects of a version, drawn from its schema.
//!
//! **Invariant:** what [`Version::objects`] yields is valid by the version's schema, except where samples were given,
//! and is read by the version's Rust type.

use std::sync::Arc;

use kubewright_schema::{Structural, samples};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Map, Value, json};

use super::Broken;
use crate::convert::cell::{Cell, Form};
use crate::convert::{Converter, VersionLink};

/// Members of an object that may be left out, 32 for each; the rest of a larger one stays.
const THINNED: usize = 8;

/// Values for places of whose type the schema does not say enough: what a conversion function accepts.
///
/// ```
/// use kubewright::testing::Samples;
///
/// let samples = Samples::new().at("v1alpha1", "spec.memory", ["1Mi", "20Gi"]);
/// # let _ = samples;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Samples {
    places: Vec<Place>,
}

#[derive(Clone, Debug)]
struct Place {
    version: String,
    path: Vec<String>,
    values: BoxedStrategy<Value>,
}

impl Samples {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// One of these values stands at a place of the objects of a version, wherever the object has something there.
    ///
    /// A path has the names on the wire, `spec.memory`; a name with `[]` stands for each item of a list or each value of
    /// a map, `spec.disks[].size`.
    ///
    /// # Panics
    /// Where there are no values.
    #[must_use]
    pub fn at<V: Into<Value>>(
        self,
        version: impl Into<String>,
        path: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        assert!(!values.is_empty(), "no samples for {path}");
        self.drawn(version, path, proptest::sample::select(values))
    }

    /// As [`at`](Self::at), with values that a strategy of proptest draws.
    #[must_use]
    pub fn drawn<S>(mut self, version: impl Into<String>, path: &str, values: S) -> Self
    where
        S: Strategy<Value: Into<Value>> + 'static,
    {
        let path = path.split('.').flat_map(|part| {
            let name = part.trim_end_matches("[]");
            let each = part[name.len()..].matches("[]").map(|_| "[]".to_owned());
            std::iter::once(name.to_owned()).chain(each)
        });
        self.places.push(Place {
            version: version.into(),
            path: path.collect(),
            values: values.prop_map(Into::into).boxed(),
        });
        self
    }
}

/// Random numbers; the same seed, the same numbers.
pub(crate) fn numbers(seed: u64) -> TestRng {
    // Nothing here is secret, and most of the time goes into drawing.
    let mut bytes = [0x5a; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::XorShift, &bytes)
}

/// A version of a kind, as far as objects are drawn of it.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) link: &'static VersionLink,
    schema: Arc<Value>,
    structural: Structural,
}

/// The versions of a kind, newest first.
pub(crate) fn versions(converter: &Converter) -> Result<Vec<Version>, Broken> {
    converter.links().map(Version::of).collect()
}

impl Version {
    fn of(link: &'static VersionLink) -> Result<Self, Broken> {
        let version = link.info.version;
        let unusable =
            |message: String| Broken::new(link.info.kind, format!("{version} has no samples: {message}"));
        let make = link
            .schema
            .ok_or_else(|| unusable("it has no schema".to_owned()))?;
        let schema = make().map_err(|error| unusable(error.to_string()))?.schema;
        let structural = Structural::from_json(&schema)
            .map_err(|errors| unusable(kubewright_schema::message_of(&errors)))?;
        Ok(Self {
            link,
            schema: Arc::new(schema),
            structural,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.link.info.version
    }

    /// Objects that the schema takes. `cell` is the version's, on the way to another.
    pub(crate) fn objects(&self, given: &Samples, cell: Arc<Reads>) -> BoxedStrategy<Value> {
        let info = self.link.info;
        let drawn = samples::valid(&self.structural, move |object| {
            let Value::Object(members) = object else { return };
            let mut metadata = json!({
                "name": "drawn", "uid": "0-1", "labels": { "app": "drawn" },
                "annotations": { "example.com/kept": "by everyone" },
            });
            if info.namespaced {
                metadata["namespace"] = "default".into();
            }
            let mut whole = Map::new();
            whole.insert("apiVersion".into(), info.api_version.into());
            whole.insert("kind".into(), info.kind.into());
            whole.insert("metadata".into(), metadata);
            whole.append(members);
            *members = whole;
        });
        let places: Vec<Place> = given
            .places
            .iter()
            .filter(|place| place.version == info.version)
            .cloned()
            .collect();
        let values: Vec<_> = places
            .iter()
            .map(|place| proptest::collection::vec(place.values.clone(), 4))
            .collect();
        (drawn, values)
            .prop_map(move |(mut object, values)| {
                for (place, values) in places.iter().zip(values) {
                    put(&mut object, &place.path, &mut values.iter().cycle());
                }
                object
            })
            .prop_filter(
                "the Rust type does not read what its schema takes",
                move |object| cell.reads(object),
            )
            .boxed()
    }

    /// Objects, and parts of objects as clients of server-side apply send them; the latter with `true`.
    pub(crate) fn sparse(&self, given: &Samples, cell: Arc<Reads>) -> BoxedStrategy<(Value, bool)> {
        let schema = Arc::clone(&self.schema);
        let kept = proptest::collection::vec(any::<u32>(), THINNED);
        let kept = proptest::option::weighted(0.3, kept);
        (self.objects(given, cell), kept)
            .prop_map(move |(mut object, kept)| {
                let sparse = kept.is_some();
                if let (Value::Object(members), Some(kept)) = (&mut object, kept) {
                    let mut kept = kept
                        .into_iter()
                        .flat_map(|word| (0..u32::BITS).map(move |bit| word >> bit & 1 == 1));
                    members.retain(|name, value| {
                        if matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                            return true;
                        }
                        thin(value, &schema["properties"][name], &[], &mut kept);
                        kept.next().unwrap_or(true)
                    });
                }
                (object, sparse)
            })
            .boxed()
    }
}

/// Takes members away, but for the keys of lists; what belongs to one client as a whole stays whole.
fn thin(value: &mut Value, schema: &Value, keys: &[&str], kept: &mut impl Iterator<Item = bool>) {
    match value {
        Value::Object(members) if schema["x-kubernetes-map-type"] != "atomic" => {
            members.retain(|name, member| {
                let inner = schema["properties"]
                    .get(name)
                    .unwrap_or(&schema["additionalProperties"]);
                thin(member, inner, &[], kept);
                keys.contains(&name.as_str()) || kept.next().unwrap_or(true)
            });
        }
        Value::Array(items) if schema["x-kubernetes-list-type"] == "map" => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            let keys: Vec<&str> = keys.into_iter().flatten().filter_map(Value::as_str).collect();
            for item in items {
                thin(item, &schema["items"], &keys, kept);
            }
        }
        _ => {}
    }
}

/// Puts values at a path, as far as something stands there.
fn put<'v>(object: &mut Value, path: &[String], values: &mut impl Iterator<Item = &'v Value>) {
    let Some((first, rest)) = path.split_first() else {
        if !object.is_null()
            && let Some(value) = values.next()
        {
            object.clone_from(value);
        }
        return;
    };
    match object {
        Value::Array(items) if first == "[]" => items.iter_mut().for_each(|item| put(item, rest, values)),
        Value::Object(members) if first == "[]" => {
            members.values_mut().for_each(|value| put(value, rest, values));
        }
        Value::Object(members) => {
            if let Some(value) = members.get_mut(first) {
                put(value, rest, values);
            }
        }
        _ => {}
    }
}

/// Whether a version's Rust types read an object.
pub(crate) struct Reads {
    converter: Converter,
    from: &'static str,
    to: &'static str,
}

impl Reads {
    pub(crate) fn new(converter: &Converter, from: &'static str, to: &'static str) -> Arc<Self> {
        Arc::new(Self {
            converter: converter.clone(),
            from,
            to,
        })
    }

    fn cell(&self) -> Option<&Cell> {
        self.converter.cell(self.from, self.to)
    }

    fn reads(&self, object: &Value) -> bool {
        let Some(Form::Struct(root)) = self.cell().map(|cell| &cell.form) else {
            return true;
        };
        root.fields.iter().all(|(name, cell)| {
            object
                .get(*name)
                .is_none_or(|value| cell.admits(&value.to_string()))
        })
    }
}
