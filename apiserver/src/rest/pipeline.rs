//! From a decoded body to an object that may be stored.
//!
//! **Invariant:** create, update and patch go through the same steps in the same order: type, place, metadata,
//! nulls and unknown fields, the kind's own preparation, then every fault at once.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use kubewright_schema::{ErrorKind, FieldError, Verdict};
use serde_json::Value;

use super::{Call, convert, meta, typed};
use crate::engine::decode::Decoded;
use crate::engine::path::Verb;
use crate::engine::query::{FieldValidation, WriteOptions};
use crate::registry::{CustomVersion, Origin};
use crate::status::{ApiError, Result, Subject};
use crate::storage::{Entry, StorageError};

/// An object of this size or more is refused, on every backend (API-86): etcd's default request limit.
const OBJECT_LIMIT: usize = 1_572_864;

/// Which door a write came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// The resource itself.
    Main,
    /// `/status`: changes status alone.
    Status,
    /// `/finalize` of namespaces: changes `spec.finalizers`, which the main door does not.
    Finalize,
    /// `/scale`: already applied to the object by the caller; status stays.
    Scale,
}

/// What came of a body: the object, and what is to be said about it.
pub(super) struct Accepted {
    pub(super) object: Value,
    pub(super) warnings: Vec<String>,
}

impl Call<'_> {
    /// Checks type and place of a body and cleans it. The object is at the served version.
    pub(super) fn accept(&self, decoded: Decoded, options: &WriteOptions) -> Result<Accepted> {
        let Decoded {
            value: mut object,
            duplicates,
        } = decoded;
        if !object.is_object() {
            return Err(self.unrecognized(ApiError::bad_request(
                "couldn't get version/kind; json parse error: expected an object",
            )));
        }
        self.check_type(&object)?;
        convert::set_type(&mut object, &self.info, &self.info.gvr.api_version());
        // A patch is told with the object that it made, before anything in that is left out.
        let strict = options.field_validation == FieldValidation::Strict;
        let patched = (strict && self.verb == Verb::Patch).then(|| object.clone());
        let mut faults = duplicates;
        let unknown = match &self.info.origin {
            _ if self.own => Ok(Vec::new()),
            Origin::BuiltIn => self.engine.strategy(&self.info).decode(&mut object, &self.info),
            Origin::Custom(_) => typed::read_metadata(&mut object),
        };
        faults.extend(unknown.map_err(|why| self.cannot_be_handled(&why, &object))?);
        let Some(metadata) = meta::of(&mut object) else {
            return Err(self.cannot_be_handled("metadata: expected an object", &object));
        };
        meta::tidy(metadata);
        let mut warnings = meta::drop_duplicate_owners(metadata);
        self.check_place(&mut object)?;
        if let Origin::Custom(version) = &self.info.origin {
            // Before empty fields of metadata go, since an empty one of a wrong type is refused too.
            kubewright_schema::normalize_numbers(&mut object);
            if let Some(fault) = kubewright_schema::undecodable(&object, &version.schema) {
                return Err(self.cannot_be_handled(&fault.to_string(), &object));
            }
            faults.extend(prepare_custom(&mut object, version));
        }
        match options.field_validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => warnings.extend(faults),
            FieldValidation::Strict if faults.is_empty() => {}
            FieldValidation::Strict => {
                let why = format!("strict decoding error: {}", faults.join(", "));
                return Err(self.cannot_be_handled(&why, patched.as_ref().unwrap_or(&object)));
            }
        }
        Ok(Accepted { object, warnings })
    }

    fn cannot_be_handled(&self, why: &str, object: &Value) -> ApiError {
        self.type_cannot_hold(&self.info.kind, &self.info.gvr.version, why, object)
    }

    /// 400 for an object that its type cannot hold; 422 on the patch that made it, as upstream tells them apart.
    pub(super) fn type_cannot_hold(&self, kind: &str, version: &str, why: &str, object: &Value) -> ApiError {
        if self.verb == Verb::Patch {
            let nobody = Subject {
                group: "",
                resource: "",
            };
            let fault = FieldError::new(ErrorKind::Invalid, "patch", Value::from(object.to_string()), why);
            return ApiError::invalid(nobody, "", &[fault]);
        }
        ApiError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
        ))
    }

    fn check_type(&self, object: &Value) -> Result<()> {
        let text = |field: &str| match object.get(field) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(self.unrecognized(ApiError::bad_request(format!(
                "couldn't get version/kind; json parse error: {field}: expected a string"
            )))),
        };
        let (kind, api_version) = (text("kind")?, text("apiVersion")?);
        let custom = self.info.is_custom();
        for (field, value) in [("Kind", kind), ("apiVersion", api_version)] {
            // Built-in kinds are decoded with the URL's kind as default.
            if custom && value.is_empty() {
                return Err(ApiError::bad_request(format!(
                    "Object '{field}' is missing in '{object}'"
                )));
            }
        }
        let expected = self.info.gvr.api_version();
        let wrong_kind = !kind.is_empty() && kind != self.info.kind;
        if !api_version.is_empty() && api_version != expected || wrong_kind {
            if self.verb == Verb::Patch {
                return Err(self.cannot_be_patched_to(kind, api_version, object));
            }
            if custom {
                return Err(ApiError::bad_request(if wrong_kind {
                    format!("invalid object kind {kind:?}, expected {:?}", self.info.kind)
                } else {
                    format!(
                        "the API version in the data ({api_version}) does not match the expected API version ({expected})"
                    )
                }));
            }
            let version = api_version.rsplit('/').next().unwrap_or_default();
            return Err(ApiError::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a {}: expected kind {} of {expected}",
                self.info.kind, self.info.kind
            )));
        }
        Ok(())
    }

    /// 422 for a patch to another type: a built-in kind cannot decode that, a custom one is validated against it.
    fn cannot_be_patched_to(&self, kind: &str, api_version: &str, object: &Value) -> ApiError {
        let expected = self.info.gvr.api_version();
        if !self.info.is_custom() {
            let why = format!("expected kind {} of {expected}", self.info.kind);
            return self.cannot_be_handled(&why, object);
        }
        let (field, value, wanted) = if kind == self.info.kind {
            ("apiVersion", api_version, expected.as_str())
        } else {
            ("kind", kind, self.info.kind.as_str())
        };
        let fault = FieldError::new(
            ErrorKind::Invalid,
            field,
            Value::from(value),
            format!("must be {wanted}"),
        );
        let subject = Subject {
            group: &self.info.gvr.group,
            resource: kind,
        };
        ApiError::invalid(subject, self.name(), &[fault])
    }

    /// Name and namespace agree with the URL; an absent namespace is the URL's.
    pub(super) fn check_place(&self, object: &mut Value) -> Result<()> {
        let Some(metadata) = meta::of(object) else {
            return Ok(());
        };
        match (
            metadata.get("namespace").and_then(Value::as_str),
            &self.path.namespace,
        ) {
            (None, Some(namespace)) => {
                metadata.insert("namespace".into(), namespace.as_str().into());
            }
            (Some(given), namespace) if namespace.as_deref() != Some(given) => {
                return Err(ApiError::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
            _ => {}
        }
        if let Some(name) = &self.path.name {
            match metadata.get("name").and_then(Value::as_str) {
                Some(given) if given != name => {
                    return Err(ApiError::bad_request(format!(
                        "the name of the object ({given}) does not match the name on the URL ({name})"
                    )));
                }
                Some(_) => {}
                None => {
                    return Err(ApiError::bad_request(format!(
                        "the name of the object ({name} based on URL) was undeterminable: name must be provided"
                    )));
                }
            }
        }
        Ok(())
    }

    /// All faults of an object at the served version, and of its change; `Ok` where there are none. What is wrong and may
    /// stay so becomes a warning.
    pub(super) fn validate(&mut self, object: &Value, old: Option<&Value>, door: Door) -> Result<()> {
        let strategy = self.engine.strategy(&self.info);
        // Names do not change, so an update need not look at what an older rule let in.
        let mut faults = match old {
            None => meta::validate(object, |name| strategy.name_faults(name)),
            Some(_) => meta::validate(object, |_| Vec::new()),
        };
        if let Origin::Custom(version) = &self.info.origin {
            let verdict = validate_custom(object, old, version, door);
            faults.extend(verdict.errors);
            self.warnings.extend(verdict.warnings);
        }
        faults.extend(strategy.validate(object));
        faults.extend(match old {
            None => strategy.validate_create(object),
            Some(old) => strategy.validate_update(object, old),
        });
        self.refuse(meta::text(object, "name"), &faults)
    }

    /// 422 on the kind, where there are faults.
    pub(super) fn refuse(&self, name: &str, faults: &[FieldError]) -> Result<()> {
        if faults.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid(self.kind(), name, faults))
        }
    }

    /// The namespace of the request, where there is one; it must be there and open for new objects (API-66).
    pub(super) async fn check_namespace(&self, name: &str) -> Result<Option<Arc<Entry>>> {
        let Some(namespace) = &self.path.namespace else {
            return Ok(None);
        };
        let subject = Subject {
            group: "",
            resource: "namespaces",
        };
        let stored = self
            .engine
            .storage()
            .get(&format!("/core/namespaces/{namespace}"))
            .await
            .map_err(|error| self.storage_error(namespace, error))?
            .ok_or_else(|| ApiError::not_found(subject, namespace))?;
        if meta::is_deleting(&stored.value) {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            return Err(ApiError::forbidden(self.subject(), name, why).with_cause(
                "NamespaceTerminating",
                format!("namespace {namespace} is being terminated"),
                "metadata.namespace",
            ));
        }
        Ok(Some(stored))
    }

    /// Refuses what is too large to be stored. Owners are given up first, but for those of an apply (API-86).
    pub(super) fn fit(&self, object: &mut Value) -> Result<()> {
        if size(object) <= OBJECT_LIMIT {
            return Ok(());
        }
        if !self.applies()
            && let Some(metadata) = meta::of(object)
        {
            metadata.remove("managedFields");
        }
        match size(object) {
            size if size <= OBJECT_LIMIT => Ok(()),
            size => Err(ApiError::too_large(format!(
                "Request entity too large: limit is {OBJECT_LIMIT}: the object takes {size} bytes"
            ))),
        }
    }

    /// An object on its way to storage as this resource serves it. Custom resources go all that way at the request's version.
    pub(super) fn as_served<'v>(&self, object: &'v Value) -> Cow<'v, Value> {
        match self.info.origin {
            Origin::Custom(_) => Cow::Borrowed(object),
            Origin::BuiltIn => {
                let mut object = object.clone();
                convert::to_served(&mut object, &self.info);
                Cow::Owned(object)
            }
        }
    }

    /// A validated object at the version that is stored. Those of built-in kinds are at it already.
    pub(super) async fn to_storage(&self, object: Value) -> Result<Value> {
        if !self.info.is_custom() || self.info.gvr == self.info.storage {
            return Ok(object);
        }
        let mut stored = self.engine.stored(&self.info, object).await?;
        self.fit(&mut stored)?;
        Ok(stored)
    }

    /// Answers with a stored object.
    pub(super) async fn reply(&self, code: StatusCode, entry: Arc<Entry>) -> Result<super::Reply> {
        let served = self.engine.served(&self.info, entry).await?;
        Ok(super::Reply::Object(code, served))
    }
}

/// Whether an operation may be tried again on a newer state.
pub(super) fn is_conflict(error: &StorageError) -> bool {
    matches!(error, StorageError::Conflict { .. })
}

/// Bytes that an object takes.
fn size(object: &Value) -> usize {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, object) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Nulls, defaults, pruning; the complaints name unknown fields.
fn prepare_custom(object: &mut Value, version: &CustomVersion) -> Vec<String> {
    let unknown = kubewright_schema::prepare(object, &version.schema);
    unknown
        .into_iter()
        .map(|path| format!("unknown field {path:?}"))
        .collect()
}

fn validate_custom(object: &Value, old: Option<&Value>, version: &CustomVersion, door: Door) -> Verdict {
    match (old, door) {
        (Some(old), Door::Status) => kubewright_schema::validate_status_update(object, old, &version.schema),
        (Some(old), _) => kubewright_schema::validate_update(object, old, &version.schema),
        (None, _) => kubewright_schema::validate(object, None, &version.schema).into(),
    }
}
