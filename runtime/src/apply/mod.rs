//! Apply configurations: what a field manager wants of an object, and nothing else.
//!
//! `#[kube(apply)]` beside `#[derive(CustomResource)]` makes `FooApply` and `FooSpecApply`; types inside a spec
//! or status get theirs by `#[derive(Apply)]`. Built-in kinds are their own configurations.
//!
//! **Invariant:** what was not set is not written, so a manager owns exactly the fields that it set.

mod object;
mod types;
mod whole;

use serde::Serialize;
use std::fmt::Debug;

use crate::kind::Kind;

pub use crate::scope::HasNamespaces;
pub use object::ObjectApply;

/// An object's apply configuration: an all-optional form of a kind.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no apply configuration",
    label = "neither an apply configuration nor an object",
    note = "`#[kube(apply)]` makes one of a custom kind, as `FooApply` for `Foo`; objects of built-in kinds are their own",
    note = "JSON that names no kind goes through `merge_patch`"
)]
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

/// A whole object is a configuration that owns all that it sets: the form for built-in kinds, whose types write
/// only what is set.
#[diagnostic::do_not_recommend]
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
            // An object that was read carries them, and the server refuses an apply that has any.
            metadata.remove("managedFields");
        }
        Ok(value)
    }
}

/// A type that may stand in a spec or status that has an apply configuration.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no apply configuration",
    label = "no apply configuration",
    note = "derive it: #[derive(kubewright::Apply)]",
    note = "or set the field as a whole: #[apply(value)]"
)]
pub trait Apply {
    /// The all-optional form: the type itself for what is set as a whole.
    type Configuration: Clone + Debug + Serialize;
}
