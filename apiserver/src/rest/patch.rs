//! PATCH: JSON patch, merge patch and server-side apply.

use bytes::Bytes;
use http::StatusCode;
use json_patch::jsonptr::Pointer;
use json_patch::{AddOperation, PatchErrorKind, PatchOperation};
use kubewright::rbac::Access;
use serde_json::Value;

use super::pipeline::Door;
use super::{Call, Reply, meta};
use crate::engine::decode::{self, DEPTH_LIMIT, Decoded};
use crate::engine::path::Verb;
use crate::engine::query::{FieldValidation, WriteOptions};
use crate::registry::Origin;
use crate::status::{ApiError, Result};

const APPLY: &str = "application/apply-patch+yaml";
const ACCEPTED: [&str; 3] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    APPLY,
];
const OPERATIONS_LIMIT: usize = 10_000;
/// Bytes by which the `copy` operations of one patch may grow an object.
const COPY_LIMIT: usize = 3 * 1024 * 1024;

enum Patch {
    Json(Vec<PatchOperation>),
    Merge(Decoded),
}

impl Call<'_> {
    pub(super) async fn patch(&mut self, body: &Bytes) -> Result<Reply> {
        if self.applies() {
            return self.apply(body).await;
        }
        let patch = self.read_patch(body)?;
        let options = WriteOptions::parse(&self.query, "PatchOptions")?;
        let door = self.door();
        self.change(door, &options, |call, old| {
            let decoded = patch.apply(old)?;
            let accepted = call.accept(decoded, &options)?;
            call.warnings.extend(accepted.warnings);
            let mut wanted = accepted.object;
            call.track(Some(old), &mut wanted, door, &options);
            Ok(wanted)
        })
        .await
    }

    /// Whether the request is a server-side apply.
    pub(super) fn applies(&self) -> bool {
        self.verb == Verb::Patch && decode::content_type(&self.headers) == APPLY
    }

    /// The options of a patch, whatever its form.
    pub(super) fn patch_options(&self) -> Result<WriteOptions> {
        if self.applies() {
            return WriteOptions::parse_apply(&self.query);
        }
        WriteOptions::parse(&self.query, "PatchOptions")
    }

    /// Reads a patch to be applied to another document than the stored object.
    pub(super) fn apply_to(&self, body: &Bytes, document: &Value) -> Result<Value> {
        Ok(self.read_patch(body)?.apply(document)?.value)
    }

    /// Server-side apply (API-42…45). An object that is not there is created, but through a subresource.
    async fn apply(&mut self, body: &Bytes) -> Result<Reply> {
        let options = WriteOptions::parse_apply(&self.query)?;
        let config = read_config(body)?;
        let door = self.door();
        loop {
            let said = self.warnings.len();
            let changed = self
                .change(door, &options, |call, old| {
                    let merged = call.merge_config(Some(old), &config.value, door, &options)?;
                    call.accept_merged(Some(old), merged, &config, &options)
                })
                .await;
            match changed {
                Err(error) if error.code() == StatusCode::NOT_FOUND && door == Door::Main => {}
                outcome => return outcome,
            }
            self.warnings.truncate(said);
            match self.create_applied(&config, &options).await {
                // Somebody was faster.
                Err(error) if error.is_already_exists() => self.warnings.truncate(said),
                outcome => return outcome,
            }
        }
    }

    async fn create_applied(&mut self, config: &Decoded, options: &WriteOptions) -> Result<Reply> {
        // The patch was allowed; this is a create, with a name.
        let access = Access::Resource {
            verb: Verb::Create.as_str().to_owned(),
            group: self.path.group.clone(),
            resource: self.path.resource.clone(),
            namespace: self.path.namespace.clone(),
            name: self.path.name.clone(),
        };
        self.engine.allow(&self.user, &access).await?;
        let merged = self
            .converting(|call| call.merge_config(None, &config.value, Door::Main, options))
            .await?;
        let uid = meta::text(&merged, "uid");
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(ApiError::conflict(self.subject(), self.name(), why));
        }
        let mut object = self.accept_merged(None, merged, config, options)?;
        // There is no version that it could stand on.
        if let Some(metadata) = meta::of(&mut object) {
            metadata.remove("resourceVersion");
        }
        self.create_accepted(object, options).await
    }

    /// Checks and cleans what came of an apply. What it may not know was found by its type.
    fn accept_merged(
        &mut self,
        old: Option<&Value>,
        merged: Value,
        config: &Decoded,
        options: &WriteOptions,
    ) -> Result<Value> {
        if !config.duplicates.is_empty() {
            match options.field_validation {
                FieldValidation::Ignore => {}
                FieldValidation::Warn => self.warnings.extend(config.duplicates.iter().cloned()),
                FieldValidation::Strict => {
                    return Err(ApiError::bad_request(format!(
                        "error strict decoding YAML: {}",
                        config.duplicates.join(", ")
                    )));
                }
            }
        }
        self.refuse_nulls(old, &merged)?;
        // Defaults are for what an apply changed: one that changed nothing leaves the object as it was read, without
        // those that only the request's version has.
        let kept = old.filter(|old| {
            let mut unowned = merged.clone();
            super::owners::take_owners(&mut unowned, Value::clone(old));
            unowned == **old
        });
        let kept = kept.map(|_| merged.clone());
        let merged = Decoded {
            value: merged,
            duplicates: Vec::new(),
        };
        let options = WriteOptions {
            field_validation: FieldValidation::Ignore,
            ..options.clone()
        };
        let accepted = self.accept(merged, &options)?;
        self.warnings.extend(accepted.warnings);
        Ok(kept.unwrap_or(accepted.object))
    }

    /// Refuses a null in a field of a custom resource that has neither it nor a default. Bodies of other writes lose
    /// such nulls; an apply that wrote one, or emptied what was not its own to remove, is told.
    fn refuse_nulls(&self, old: Option<&Value>, merged: &Value) -> Result<()> {
        let Origin::Custom(version) = &self.info.origin else {
            return Ok(());
        };
        let mut dropped = merged.clone();
        kubewright_schema::drop_nulls(&mut dropped, &version.schema);
        if dropped == *merged {
            return Ok(());
        }
        let mut merged = merged.clone();
        kubewright_schema::default(&mut merged, &version.schema);
        let faults = kubewright_schema::validate(&merged, old, &version.schema);
        self.refuse(self.name(), &faults)
    }

    fn read_patch(&self, body: &Bytes) -> Result<Patch> {
        match decode::content_type(&self.headers) {
            "application/json-patch+json" => read_json_patch(body).map(Patch::Json),
            "application/merge-patch+json" => {
                let decoded = decode::decode_json(body)
                    .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
                if !decoded.value.is_object() {
                    return Err(ApiError::bad_request(
                        "error decoding patch: expected a JSON object",
                    ));
                }
                Ok(Patch::Merge(decoded))
            }
            // Custom resources take none anywhere.
            "application/strategic-merge-patch+json" if !self.info.is_custom() => {
                let what = "strategic merge (application/strategic-merge-patch+json, which kubectl apply, edit and \
                            patch send for built-in kinds)";
                Err(ApiError::not_served_yet(what, &ACCEPTED))
            }
            _ => Err(ApiError::unsupported_media_type(&ACCEPTED)),
        }
    }
}

/// Reads the configuration that is applied.
pub(super) fn read_config(body: &Bytes) -> Result<Decoded> {
    let decoded = decode::decode_yaml(body)
        .map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))?;
    let found = match decoded.value {
        Value::Object(_) => return Ok(decoded),
        // An empty document, which is no object of any type.
        Value::Null => {
            return Ok(Decoded {
                value: Value::Object(serde_json::Map::new()),
                ..decoded
            });
        }
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
    };
    Err(ApiError::bad_request(format!(
        "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value \
         of type map[string]interface {{}}"
    )))
}

fn read_json_patch(body: &[u8]) -> Result<Vec<PatchOperation>> {
    let malformed =
        |why: &dyn std::fmt::Display| ApiError::bad_request(format!("error decoding patch: {why}"));
    let items: Vec<Value> = serde_json::from_slice(body).map_err(|why| malformed(&why))?;
    if items.len() > OPERATIONS_LIMIT {
        return Err(ApiError::too_large(format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_LIMIT}, got {}",
            items.len()
        )));
    }
    items
        .into_iter()
        .map(|item| serde_json::from_value(item).map_err(|why| malformed(&why)))
        .collect()
}

/// Reads a JSON patch that a webhook sent.
///
/// # Errors
/// Why it is none.
pub(crate) fn operations(patch: &[u8]) -> Result<Vec<PatchOperation>, String> {
    read_json_patch(patch).map_err(|why| why.to_string())
}

/// Applies a webhook's patch.
///
/// # Errors
/// Why it cannot be.
pub(crate) fn patched(operations: Vec<PatchOperation>, object: &Value) -> Result<Value, String> {
    let patched = Patch::Json(operations).apply(object);
    patched.map(|patched| patched.value).map_err(|why| {
        let text = why.to_string();
        text.strip_prefix(crate::status::UNPROCESSABLE)
            .unwrap_or(&text)
            .to_owned()
    })
}

impl Patch {
    fn apply(&self, old: &Value) -> Result<Decoded> {
        let mut value = old.clone();
        match self {
            Self::Merge(patch) => {
                json_patch::merge(&mut value, &patch.value);
                Ok(Decoded {
                    value,
                    duplicates: patch.duplicates.clone(),
                })
            }
            Self::Json(operations) => {
                let mut copied = 0;
                for operation in operations {
                    check_depth(operation, &value)?;
                    if let PatchOperation::Copy(copy) = operation
                        && let Ok(source) = copy.from.resolve(&value)
                    {
                        copied += source.to_string().len();
                        if copied > COPY_LIMIT {
                            return Err(ApiError::unprocessable(format!(
                                "the copy operations of the patch add more than {COPY_LIMIT} bytes"
                            )));
                        }
                    }
                    // Upstream's library lets a replace put a key that its object lacks.
                    // To it, null and an absent key are equal, too: kube-rs adds its first finalizer by such a test.
                    let outcome = match operation {
                        PatchOperation::Test(test)
                            if test.value.is_null() && is_absent_key(&value, &test.path) =>
                        {
                            Ok(())
                        }
                        PatchOperation::Replace(replace) if is_absent_key(&value, &replace.path) => {
                            let add = PatchOperation::Add(AddOperation {
                                path: replace.path.clone(),
                                value: replace.value.clone(),
                            });
                            json_patch::patch_unsafe(&mut value, &[add])
                        }
                        operation => json_patch::patch_unsafe(&mut value, std::slice::from_ref(operation)),
                    };
                    outcome.map_err(|error| refused(operation, &error.kind, &value))?;
                }
                Ok(Decoded {
                    value,
                    duplicates: Vec::new(),
                })
            }
        }
    }
}

/// Refuses an operation that would nest the document too deeply, before it is done: even dropping such a value takes
/// as many stack frames.
fn check_depth(operation: &PatchOperation, document: &Value) -> Result<()> {
    let added = match operation {
        PatchOperation::Add(add) => Some(&add.value),
        PatchOperation::Replace(replace) => Some(&replace.value),
        PatchOperation::Copy(copy) => copy.from.resolve(document).ok(),
        PatchOperation::Move(from) => from.from.resolve(document).ok(),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => None,
    };
    let Some(added) = added else { return Ok(()) };
    match DEPTH_LIMIT.checked_sub(operation.path().count()) {
        Some(left) if !decode::is_deeper_than(added, left) => Ok(()),
        _ => Err(ApiError::unprocessable(format!(
            "the operation on {} nests the object deeper than {DEPTH_LIMIT}",
            operation.path()
        ))),
    }
}

fn is_absent_key(document: &Value, path: &Pointer) -> bool {
    let parent = path.parent().and_then(|parent| parent.resolve(document).ok());
    parent.is_some_and(Value::is_object) && path.resolve(document).is_err()
}

/// 422 in the words of the library that upstream uses. The document is the one that the operation failed on.
fn refused(operation: &PatchOperation, why: &PatchErrorKind, document: &Value) -> ApiError {
    let path = operation.path();
    let parent = path.parent().and_then(|parent| parent.resolve(document).ok());
    let last = path
        .last()
        .map(|token| token.decoded().into_owned())
        .unwrap_or_default();
    ApiError::unprocessable(match (operation, why) {
        (PatchOperation::Remove(_), _) if parent.is_some_and(Value::is_object) => {
            format!(
                "error in remove for path: '{path}': Unable to remove nonexistent key: {last}: missing value"
            )
        }
        (PatchOperation::Remove(_) | PatchOperation::Add(_), _)
            if parent.is_some_and(Value::is_array) && last.parse::<usize>().is_ok() =>
        {
            let what = if matches!(operation, PatchOperation::Add(_)) {
                "add"
            } else {
                "remove"
            };
            format!(
                "error in {what} for path: '{path}': Unable to access invalid index: {last}: invalid index referenced"
            )
        }
        (PatchOperation::Test(_), _) => format!("testing value {path} failed: test failed"),
        (PatchOperation::Remove(_), _) => {
            let path = path.to_string();
            format!("remove operation does not apply: doc is missing path: {path:?}: missing value")
        }
        (PatchOperation::Replace(_), _) => {
            format!("replace operation does not apply: doc is missing key: {path}: missing value")
        }
        (PatchOperation::Add(_), _) => {
            let path = path.to_string();
            format!("add operation does not apply: doc is missing path: {path:?}: missing value")
        }
        (_, why) => format!("the operation on {path} does not apply: {why}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn apply(operations: &Value) -> Result<Value> {
        let body = Bytes::from(operations.to_string());
        let patch = Patch::Json(read_json_patch(&body)?);
        patch.apply(&json!({"z": {}})).map(|decoded| decoded.value)
    }

    /// Each copy into itself doubles the depth: fifteen were enough to overflow the stack.
    #[test]
    fn api_86_a_json_patch_cannot_nest_without_bound() {
        let mut path = "/z".to_owned();
        let mut operations = Vec::new();
        for _ in 0..15 {
            let deeper = format!("{path}/x");
            operations.push(json!({"op": "copy", "from": "/z", "path": deeper}));
            path = format!("/z{}", "/x".repeat(path.matches('/').count() * 2 - 1));
        }
        assert!(apply(&operations.into()).is_err());
        let path = |depth: usize| format!("/z{}", "/x".repeat(depth));
        let adds = |depth: usize| -> Value {
            (1..=depth)
                .map(|depth| json!({"op": "add", "path": path(depth), "value": {}}))
                .collect()
        };
        let deepest = apply(&adds(DEPTH_LIMIT - 2)).expect("deep enough");
        assert!(!decode::is_deeper_than(&deepest, DEPTH_LIMIT));
        for depth in [DEPTH_LIMIT - 1, 5000] {
            let error = apply(&adds(depth)).expect_err("too deep");
            assert_eq!(error.code(), 422);
        }
    }
}
