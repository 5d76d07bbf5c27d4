//! Objects of a CRD from one of its versions to another by somebody's code (API-80): a webhook, or a converter in the
//! process.
//!
//! **Invariant:** a converter decides an object's content, labels and annotations. The rest of the metadata is what the
//! server sent, whatever comes back; where name, namespace, uid, kind or the number of objects come back changed, nothing is
//! shown or stored. All texts are upstream's (`webhook_converter.go`).

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;
use kubewright::convert::{Converter, Converters};
use serde_json::{Map, Value};

use crate::rest::metadata_map_faults;
use crate::status::ApiError;
use crate::webhook::{question, read_answer};

/// Why a converter did not convert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConverterError(String);

impl ConverterError {
    /// A failure with this text, which clients see behind `conversion webhook for … failed: `.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// Brings objects of one kind to another of its versions.
pub trait ObjectConverter: Send + Sync + 'static {
    /// The same objects in the same order at `api_version` (`group/version`). Each may be at any version of its kind but
    /// that one.
    ///
    /// # Errors
    /// [`ConverterError`] where one of them cannot be converted; none is, then.
    fn convert<'a>(
        &'a self,
        objects: Vec<Value>,
        api_version: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, ConverterError>>;

    /// This converter for a CRD whose storage version is `stored`, where that makes a difference. Default: none.
    fn stored_at(&self, stored: &str) -> Option<Arc<dyn ObjectConverter>> {
        let _ = stored;
        None
    }
}

/// A converter, and the kind whose objects it is for.
///
/// One comes of [`each`], of the [`Converter`] of derived kinds, or of any [`ObjectConverter`].
pub struct KindConverter {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) converter: Arc<dyn ObjectConverter>,
}

impl KindConverter {
    /// The converter of a kind.
    pub fn new(group: impl Into<String>, kind: impl Into<String>, converter: impl ObjectConverter) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            converter: Arc::new(converter),
        }
    }
}

impl fmt::Debug for KindConverter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KindConverter({} of {:?})", self.kind, self.group)
    }
}

impl From<Converter> for KindConverter {
    fn from(converter: Converter) -> Self {
        let (group, kind) = (converter.group(), converter.kind());
        Self::new(group, kind, Reviewed(converter))
    }
}

/// The converter of a derived kind, asked as its webhook is, so that what it says is the same.
struct Reviewed(Converter);

impl ObjectConverter for Reviewed {
    fn convert<'a>(
        &'a self,
        objects: Vec<Value>,
        api_version: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, ConverterError>> {
        let question = question("v1", "", api_version, &objects).to_string();
        let answer = Converters::new().with(self.0.clone()).review(question.as_bytes());
        let read = match answer.status {
            200 => serde_json::from_slice(&answer.body)
                .map_err(ConverterError::new)
                .and_then(|answer| read_answer(answer, "v1", "")),
            _ => Err(ConverterError::new(String::from_utf8_lossy(&answer.body))),
        };
        std::future::ready(read).boxed()
    }

    fn stored_at(&self, stored: &str) -> Option<Arc<dyn ObjectConverter>> {
        if stored == self.0.storage() {
            return None;
        }
        // A version that the types do not know fails each conversion, with the error's words.
        Some(match self.0.clone().stored_at(stored) {
            Ok(converter) => Arc::new(Self(converter)),
            Err(error) => Arc::new(Refusing(ConverterError::new(error))),
        })
    }
}

/// Converts nothing.
struct Refusing(ConverterError);

impl ObjectConverter for Refusing {
    fn convert<'a>(&'a self, _: Vec<Value>, _: &'a str) -> BoxFuture<'a, Result<Vec<Value>, ConverterError>> {
        std::future::ready(Err(self.0.clone())).boxed()
    }
}

/// A converter of single objects in the process.
struct Each<F>(F);

/// Makes a converter of a function from one object and the wanted `apiVersion` to that object.
///
/// ```
/// use kubewright_apiserver::conversion::{ConverterError, each};
/// let renaming = each("example.com", "Paint", |object, api_version| {
///     let mut object = object.clone();
///     let (from, to) = match api_version {
///         "example.com/v1" => ("colour", "color"),
///         "example.com/v1beta1" => ("color", "colour"),
///         other => return Err(ConverterError::new(format!("{other} is no version of it"))),
///     };
///     if let Some(spec) = object["spec"].as_object_mut()
///         && let Some(value) = spec.remove(from)
///     {
///         spec.insert(to.into(), value);
///     }
///     object["apiVersion"] = api_version.into();
///     Ok(object)
/// });
/// # drop(renaming);
/// ```
pub fn each<F>(group: impl Into<String>, kind: impl Into<String>, convert: F) -> KindConverter
where
    F: Fn(&Value, &str) -> Result<Value, ConverterError> + Send + Sync + 'static,
{
    KindConverter::new(group, kind, Each(convert))
}

impl<F> ObjectConverter for Each<F>
where
    F: Fn(&Value, &str) -> Result<Value, ConverterError> + Send + Sync + 'static,
{
    fn convert<'a>(
        &'a self,
        objects: Vec<Value>,
        api_version: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, ConverterError>> {
        let convert = || {
            objects
                .iter()
                .map(|object| (self.0)(object, api_version))
                .collect()
        };
        // A watch has nobody above it who would survive the panic of a user's function.
        let converted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(convert));
        let converted = converted.unwrap_or_else(|panic| {
            let why = panic.downcast_ref::<&str>().map(|why| (*why).to_owned());
            let why = why.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(ConverterError::new(format!(
                "panicked: {}",
                why.unwrap_or_default()
            )))
        });
        std::future::ready(converted).boxed()
    }
}

/// `group/version, Kind=Kind`, as Go prints it.
pub(crate) fn full_kind(api_version: &str, kind: &str) -> String {
    match api_version.contains('/') {
        true => format!("{api_version}, Kind={kind}"),
        false => format!("/{api_version}, Kind={kind}"),
    }
}

fn kind_of(object: &Value) -> String {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    full_kind(text("apiVersion"), text("kind"))
}

/// Upstream knows no reason for a failed conversion.
pub(crate) fn failure(why: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", why)
}

/// Whether an object has nothing but its type; such a one is not sent to anybody.
fn is_empty(object: &Value) -> bool {
    object
        .as_object()
        .is_some_and(|map| map.len() == 2 && map.contains_key("apiVersion") && map.contains_key("kind"))
}

/// Brings objects to `api_version` in one go; those that stand at it already are left alone.
///
/// # Errors
/// 500, with upstream's text.
pub(crate) async fn convert(
    converter: &dyn ObjectConverter,
    mut objects: Vec<Value>,
    api_version: &str,
) -> Result<Vec<Value>, ApiError> {
    let mut due = Vec::with_capacity(objects.len());
    for (index, object) in objects.iter_mut().enumerate() {
        if is_empty(object) {
            object["apiVersion"] = api_version.into();
        } else if object["apiVersion"] != api_version {
            due.push(index);
        }
    }
    let Some(first) = due.first().map(|first| kind_of(&objects[*first])) else {
        return Ok(objects);
    };
    let sent: Vec<Value> = due.iter().map(|index| objects[*index].clone()).collect();
    let converted = converter.convert(sent, api_version).await;
    let converted =
        converted.map_err(|why| failure(format!("conversion webhook for {first} failed: {why}")))?;
    if converted.len() != due.len() {
        return Err(failure(format!(
            "conversion webhook for {first} returned {} objects, expected {}",
            converted.len(),
            due.len()
        )));
    }
    let single = due.len() == 1;
    for (position, (index, mut converted)) in due.into_iter().zip(converted).enumerate() {
        let original = &mut objects[index];
        let checked = check_type(original, &converted, api_version)
            .map_err(|why| match single {
                true => format!("returned invalid object at index 0: {why}"),
                false => format!("returned invalid converted object at index {position}: {why}"),
            })
            .and_then(|()| {
                check_identity(original, &converted).map_err(|why| match single {
                    true => format!("returned invalid object: {why}"),
                    false => format!("returned invalid converted object at index {position}: {why}"),
                })
            })
            .and_then(|()| {
                restore_metadata(original, &mut converted).map_err(|why| match single {
                    true => format!("returned invalid metadata: {why}"),
                    false => format!("returned invalid metadata in object at index {position}: {why}"),
                })
            });
        checked.map_err(|why| failure(format!("conversion webhook for {} {why}", kind_of(original))))?;
        *original = converted;
    }
    Ok(objects)
}

fn check_type(original: &Value, converted: &Value, api_version: &str) -> Result<(), String> {
    let text = |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let received = text(converted, "apiVersion");
    if received != api_version {
        return Err(format!(
            "invalid groupVersion (expected {api_version}, received {received})"
        ));
    }
    let (expected, received) = (text(original, "kind"), text(converted, "kind"));
    if expected != received {
        return Err(format!("invalid kind (expected {expected}, received {received})"));
    }
    Ok(())
}

fn check_identity(original: &Value, converted: &Value) -> Result<(), String> {
    let text =
        |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    for (field, what) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (expected, received) = (text(original, field), text(converted, field));
        if expected != received {
            return Err(format!("must have the same {what}: {expected} != {received}"));
        }
    }
    Ok(())
}

/// The name that Go prints for a value's type.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Gives a converted object the metadata of the original, with its own labels and annotations.
fn restore_metadata(original: &Value, converted: &mut Value) -> Result<(), String> {
    let mut metadata = match original.get("metadata") {
        None => Map::new(),
        Some(Value::Object(metadata)) => metadata.clone(),
        Some(other) => {
            return Err(format!(
                "invalid metadata of type {} in input object",
                go_type(other)
            ));
        }
    };
    let Some(received) = converted.get_mut("metadata") else {
        return Err("missing metadata in converted object".to_owned());
    };
    let Value::Object(answer) = received else {
        return Err(format!(
            "invalid metadata of type {} in converted object",
            go_type(received)
        ));
    };
    for field in ["labels", "annotations"] {
        let texts = match answer.remove(field) {
            None | Some(Value::Null) => {
                metadata.remove(field);
                continue;
            }
            Some(Value::Object(texts)) => texts,
            Some(other) => {
                return Err(format!(
                    "invalid metadata.{field} of type {} in converted object",
                    go_type(&other)
                ));
            }
        };
        if let Some((key, other)) = texts.iter().find(|(_, value)| !value.is_string()) {
            return Err(format!(
                "metadata.{field}[{key}] must be a string, but is {} in converted object",
                go_type(other)
            ));
        }
        let before = metadata.get(field).and_then(Value::as_object);
        if before != Some(&texts) && !(before.is_none() && texts.is_empty()) {
            let faults = metadata_map_faults(field, &texts);
            if !faults.is_empty() {
                return Err(kubewright_schema::message_of(&faults));
            }
        }
        metadata.insert(field.to_owned(), texts.into());
    }
    *received = metadata.into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const V1: &str = "example.com/v1";

    fn object(name: &str) -> Value {
        json!({
            "apiVersion": "example.com/v1beta1", "kind": "Foo",
            "metadata": {"name": name, "uid": "u", "labels": {"a": "b"}, "creationTimestamp": null},
            "spec": {"colour": "red"},
        })
    }

    /// What comes of objects where the converter sets `changes` in each.
    async fn outcome(objects: Vec<Value>, changes: &[(&str, Value)]) -> Result<Vec<Value>, String> {
        let changes: Vec<(String, Value)> = changes
            .iter()
            .map(|(at, value)| ((*at).to_owned(), value.clone()))
            .collect();
        let converter = each("example.com", "Foo", move |object, api_version| {
            let mut object = object.clone();
            object["apiVersion"] = api_version.into();
            for (at, value) in &changes {
                *object.pointer_mut(at).expect("a path of the object") = value.clone();
            }
            Ok(object)
        });
        let converted = convert(&*converter.converter, objects, V1).await;
        converted.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn api_80_metadata_is_the_servers() {
        let changes = [
            ("/metadata/labels", json!({"c": "d"})),
            ("/metadata/creationTimestamp", json!("2000-01-01T00:00:00Z")),
            ("/spec/colour", json!("blue")),
        ];
        let mut expected = object("a");
        expected["apiVersion"] = V1.into();
        expected["metadata"]["labels"] = json!({"c": "d"});
        expected["spec"]["colour"] = "blue".into();
        assert_eq!(outcome(vec![object("a")], &changes).await, Ok(vec![expected]));
        let mut bare = object("a");
        bare["metadata"]
            .as_object_mut()
            .expect("an object")
            .remove("labels");
        bare["apiVersion"] = V1.into();
        let without = outcome(vec![object("a")], &[("/metadata/labels", Value::Null)]).await;
        assert_eq!(without, Ok(vec![bare]));
    }

    #[tokio::test]
    async fn api_80_what_a_converter_may_not_change() {
        const WHO: &str = "conversion webhook for example.com/v1beta1, Kind=Foo ";
        for (at, value, single, second) in [
            (
                "/metadata/name",
                json!("b"),
                "returned invalid object: must have the same name: a != b",
                "returned invalid converted object at index 0: must have the same name: a != b",
            ),
            (
                "/metadata/uid",
                json!("v"),
                "returned invalid object: must have the same UID: u != v",
                "returned invalid converted object at index 0: must have the same UID: u != v",
            ),
            (
                "/kind",
                json!("Bar"),
                "returned invalid object at index 0: invalid kind (expected Foo, received Bar)",
                "returned invalid converted object at index 0: invalid kind (expected Foo, received Bar)",
            ),
            (
                "/apiVersion",
                json!("example.com/v2"),
                "returned invalid object at index 0: invalid groupVersion (expected example.com/v1, received \
                 example.com/v2)",
                "returned invalid converted object at index 0: invalid groupVersion (expected example.com/v1, \
                 received example.com/v2)",
            ),
            (
                "/metadata",
                json!(null),
                "returned invalid object: must have the same name: a != ",
                "returned invalid converted object at index 0: must have the same name: a != ",
            ),
            (
                "/metadata/labels",
                json!({"a": 1}),
                "returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object",
                "returned invalid metadata in object at index 0: metadata.labels[a] must be a string, but is int64 \
                 in converted object",
            ),
            (
                "/metadata/labels",
                json!(["a"]),
                "returned invalid metadata: invalid metadata.labels of type []interface {} in converted object",
                "returned invalid metadata in object at index 0: invalid metadata.labels of type []interface {} in \
                 converted object",
            ),
        ] {
            let changes = [(at, value)];
            let one = outcome(vec![object("a")], &changes).await;
            assert_eq!(one, Err(format!("{WHO}{single}")));
            let two = outcome(vec![object("a"), object("c")], &changes).await;
            assert_eq!(two, Err(format!("{WHO}{second}")));
        }
    }

    #[tokio::test]
    async fn api_80_objects_at_the_wanted_version_are_not_sent() {
        let mut fine = object("fine");
        fine["apiVersion"] = V1.into();
        let changes = [("/spec/colour", json!("blue"))];
        let converted = outcome(vec![fine.clone(), object("a")], &changes).await;
        let converted = converted.expect("both can be");
        assert_eq!(converted[0], fine);
        assert_eq!(converted[1]["spec"]["colour"], "blue");
        let bare = json!({"apiVersion": "example.com/v1beta1", "kind": "Foo"});
        let converted = outcome(vec![bare], &[("/spec/none", json!(1))]).await;
        assert_eq!(converted, Ok(vec![json!({"apiVersion": V1, "kind": "Foo"})]));
    }

    #[tokio::test]
    async fn api_80_a_failure_and_a_wrong_count_name_the_kind() {
        let refusing = each("example.com", "Foo", |_, _| Err(ConverterError::new("no colour")));
        let error = convert(&*refusing.converter, vec![object("a")], V1)
            .await
            .expect_err("refused");
        assert_eq!(
            error.to_string(),
            "conversion webhook for example.com/v1beta1, Kind=Foo failed: no colour"
        );
        assert_eq!(error.code(), 500);
        struct Losing;
        impl ObjectConverter for Losing {
            fn convert<'a>(
                &'a self,
                _: Vec<Value>,
                _: &'a str,
            ) -> BoxFuture<'a, Result<Vec<Value>, ConverterError>> {
                std::future::ready(Ok(Vec::new())).boxed()
            }
        }
        let error = convert(&Losing, vec![object("a")], V1).await.expect_err("lost");
        assert_eq!(
            error.to_string(),
            "conversion webhook for example.com/v1beta1, Kind=Foo returned 0 objects, expected 1"
        );
        let panicking = each("example.com", "Foo", |_, _| panic!("oh"));
        let error = convert(&*panicking.converter, vec![object("a")], V1)
            .await
            .expect_err("panicked");
        assert!(error.to_string().ends_with("failed: panicked: oh"), "{error}");
    }

    #[tokio::test]
    async fn api_80_derived_converters_speak_as_their_webhook() {
        let nobody = Reviewed(Converters::new());
        let error = convert(&nobody, vec![object("a")], V1)
            .await
            .expect_err("no kind");
        let text = error.to_string();
        let start = "conversion webhook for example.com/v1beta1, Kind=Foo failed: no conversion is registered for \
                     example.com/v1beta1 Foo";
        assert!(text.starts_with(start), "{text}");
    }
}
