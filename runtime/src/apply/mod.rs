//! Apply configurations: what a field manager wants of an object, and nothing else.
//!
//! **Invariant:** what was not set is not written, so a manager owns exactly the fields that it set.

use crate::kind::Kind;

/// An object's apply configuration: an all-optional form of a kind.
///
/// `#[kube(apply)]` makes one of a derived kind. Built-in kinds are their own, since k8s-openapi's types write
/// only what is set.
pub trait ApplyConfiguration {
    /// The kind that is applied.
    type Kind: Kind;

    /// Name of the object, which server-side apply needs.
    fn name(&self) -> Option<&str>;

    /// The body of the request.
    ///
    /// # Errors
    /// Where a value has no JSON form.
    fn to_json(&self) -> Result<serde_json::Value, serde_json::Error>;
}

/// A whole object is a configuration that owns all that it sets: the form for built-in kinds. What the server
/// fills in (`managedFields`, `resourceVersion`, `uid`) stays out of it.
impl<K: Kind> ApplyConfiguration for K {
    type Kind = K;

    fn name(&self) -> Option<&str> {
        self.meta().name.as_deref()
    }

    fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        if let Some(metadata) = value
            .get_mut("metadata")
            .and_then(serde_json::Value::as_object_mut)
        {
            // The server refuses managed fields in an apply, and reads a resource version as a precondition.
            metadata.remove("managedFields");
        }
        Ok(value)
    }
}
