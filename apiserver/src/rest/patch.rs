//! PATCH: JSON patch and merge patch.
//!
//! Server-side apply will stand beside them in `patch`, as one more way to make the wanted object from the stored
//! one: it needs field ownership and the kinds' list types, which are not there yet, and answers 415 until then.

use bytes::Bytes;
use json_patch::jsonptr::Pointer;
use json_patch::{AddOperation, PatchErrorKind, PatchOperation};
use serde_json::Value;

use super::{Call, Reply};
use crate::engine::decode::{self, DEPTH_LIMIT, Decoded};
use crate::engine::query::WriteOptions;
use crate::status::{ApiError, Result};

const ACCEPTED: [&str; 2] = ["application/json-patch+json", "application/merge-patch+json"];
const OPERATIONS_LIMIT: usize = 10_000;
/// Bytes by which the `copy` operations of one patch may grow an object.
const COPY_LIMIT: usize = 3 * 1024 * 1024;

enum Patch {
    Json(Vec<PatchOperation>),
    Merge(Decoded),
}

impl Call<'_> {
    pub(super) async fn patch(&mut self, body: &Bytes) -> Result<Reply> {
        let patch = self.read_patch(body)?;
        let options = WriteOptions::parse(&self.query, "PatchOptions")?;
        let door = self.door();
        self.change(door, &options, |call, old| {
            let decoded = patch.apply(old)?;
            let accepted = call.accept(decoded, &options)?;
            call.warnings.extend(accepted.warnings);
            Ok(accepted.object)
        })
        .await
    }

    /// Reads a patch to be applied to another document than the stored object.
    pub(super) fn apply_to(&self, body: &Bytes, document: &Value) -> Result<Value> {
        Ok(self.read_patch(body)?.apply(document)?.value)
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
            "application/apply-patch+yaml" => {
                let what = "server-side apply (application/apply-patch+yaml)";
                Err(ApiError::not_served_yet(what, &ACCEPTED))
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

fn read_json_patch(body: &Bytes) -> Result<Vec<PatchOperation>> {
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
                    outcome.map_err(|error| refused(operation, &error.kind))?;
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

/// 422 in the words of the library that upstream uses.
fn refused(operation: &PatchOperation, why: &PatchErrorKind) -> ApiError {
    let path = operation.path();
    ApiError::unprocessable(match (operation, why) {
        (PatchOperation::Test(_), _) => format!("testing value {path} failed: test failed"),
        (PatchOperation::Remove(_), _) => {
            format!("remove operation does not apply: doc is missing path: {path}: missing value")
        }
        (PatchOperation::Replace(_), _) => {
            format!("replace operation does not apply: doc is missing key: {path}: missing value")
        }
        (PatchOperation::Add(_), _) => {
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
