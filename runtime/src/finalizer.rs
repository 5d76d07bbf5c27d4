//! Finalizers: work to be done before an object goes.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use k8s_openapi::api::core::v1::ConfigMap;
//! # use kubewright::{Client, client::InNamespace, finalizer::{self, Outcome}};
//! # async fn make_bucket(_: &ConfigMap) -> Result<(), std::io::Error> { Ok(()) }
//! # async fn drop_bucket(_: &ConfigMap) -> Result<(), std::io::Error> { Ok(()) }
//! # async fn f(maps: Client<ConfigMap, InNamespace>, map: Arc<ConfigMap>)
//! #     -> Result<(), finalizer::Error<std::io::Error>> {
//! let outcome = finalizer::finalizer(
//!     &maps,
//!     &map,
//!     "example.com/bucket",
//!     |map| async move { make_bucket(&map).await },
//!     |map| async move { drop_bucket(&map).await },
//! )
//! .await?;
//! if let Outcome::Applied(()) = outcome { /* requeue, report, … */ }
//! # Ok(()) }
//! ```
//!
//! **Invariant:** the finalizer is on the object, as the server answered, before the first `apply` runs, and goes
//! only after `cleanup` succeeded. No other finalizer is lost: a list made from an outdated object is refused.

use std::error::Error as StdError;
use std::sync::Arc;

use serde_json::json;

use crate::client::{Client, ClientError, HoldsObjects, Place};
use crate::kind::{Kind, ObjectKey};
use crate::rbac::Rules;

/// What [`finalizer`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// `apply` ran and answered this.
    Applied(T),
    /// The object is being deleted: `cleanup` ran and the finalizer is gone.
    CleanedUp,
    /// The object is being deleted and does not carry the finalizer: nothing was done.
    Leaving,
}

/// A finalizer could not be added or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinalizerError {
    /// The object has no resource version, so it did not come from the server, and a write could undo others'.
    #[error("change finalizer {finalizer} of {kind} {object}: expected an object read from the server")]
    Unread {
        /// Kind of the object.
        kind: String,
        /// The object.
        object: ObjectKey,
        /// The finalizer.
        finalizer: String,
    },
    /// The server did not take the change.
    #[error("{change} finalizer {finalizer}")]
    Write {
        /// `add` or `remove`.
        change: &'static str,
        /// The finalizer.
        finalizer: String,
        /// Why; it names the object.
        #[source]
        source: ClientError,
    },
}

impl FinalizerError {
    /// Whether the object changed since it was read: read it again before the next try.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.is_conflict())
    }

    /// Whether the same call may succeed later; a conflict is not among these, since the same object conflicts
    /// again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.is_retryable())
    }
}

/// What stopped [`finalizer`]; the reconcile is to be retried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: StdError + 'static> {
    /// The finalizer could not be added, and `apply` did not run; or not removed after `cleanup`, which will run
    /// again.
    #[error(transparent)]
    Finalizer(#[from] FinalizerError),
    /// `apply` failed.
    #[error("apply {kind} {object}")]
    Apply {
        /// Kind of the object.
        kind: String,
        /// The object.
        object: ObjectKey,
        /// Why.
        #[source]
        source: E,
    },
    /// `cleanup` failed; the finalizer stays.
    #[error("clean up after {kind} {object}")]
    Cleanup {
        /// Kind of the object.
        kind: String,
        /// The object.
        object: ObjectKey,
        /// Why.
        #[source]
        source: E,
    },
}

/// Runs `apply` for an object that is to be, and `cleanup` for one that is being deleted, with the finalizer
/// `name` (`domain/name`) on it in between.
///
/// `apply` gets the object as it stands with the finalizer. Both run again after a failure or a restart, `cleanup`
/// also when it had succeeded but the finalizer could not be removed: they must be idempotent. A cleanup that is
/// not over yet answers an error and is called again.
///
/// # Errors
/// [`Error`]: the finalizer could not be written, or `apply` or `cleanup` failed.
pub async fn finalizer<K, P, T, E, A, C>(
    client: &Client<K, P>,
    object: &Arc<K>,
    name: &str,
    apply: impl FnOnce(Arc<K>) -> A,
    cleanup: impl FnOnce(Arc<K>) -> C,
) -> Result<Outcome<T>, Error<E>>
where
    K: Kind,
    P: HoldsObjects<K::Scope>,
    E: StdError + 'static,
    A: Future<Output = Result<T, E>>,
    C: Future<Output = Result<(), E>>,
{
    if object.meta().deletion_timestamp.is_some() {
        if !is_on(&**object, name) {
            return Ok(Outcome::Leaving);
        }
        cleanup(Arc::clone(object))
            .await
            .map_err(|source| Error::Cleanup {
                kind: K::kind(&()).into_owned(),
                object: ObjectKey::of(&**object),
                source,
            })?;
        remove(client, object, name).await?;
        return Ok(Outcome::CleanedUp);
    }
    let object = if is_on(&**object, name) {
        Arc::clone(object)
    } else {
        Arc::new(add(client, object, name).await?)
    };
    let key = ObjectKey::of(&*object);
    let answer = apply(object).await.map_err(|source| Error::Apply {
        kind: K::kind(&()).into_owned(),
        object: key,
        source,
    })?;
    Ok(Outcome::Applied(answer))
}

/// What is done here to objects of a kind: `patch`, in a namespace or in all of them. In `#[rbac(...)]` it is
/// `Foo: patch`.
pub fn rules<K: Kind>(namespace: Option<&str>) -> Rules {
    Rules::of::<K>(namespace, &["patch"])
}

/// Whether `object` carries the finalizer.
pub fn is_on<K: kube::Resource>(object: &K, name: &str) -> bool {
    let mut all = object.meta().finalizers.iter().flatten();
    all.any(|known| known == name)
}

/// Adds the finalizer, and answers the object as it stands then. Sends nothing where it is there already.
///
/// # Errors
/// [`FinalizerError`]; [`is_conflict`](FinalizerError::is_conflict) where the object changed or was replaced since
/// it was read. The server refuses a finalizer on an object that is being deleted.
pub async fn add<K, P>(client: &Client<K, P>, object: &K, name: &str) -> Result<K, FinalizerError>
where
    K: Kind,
    P: HoldsObjects<K::Scope>,
{
    if is_on(object, name) {
        return Ok(object.clone());
    }
    let mut all = object.meta().finalizers.clone().unwrap_or_default();
    all.push(name.to_owned());
    write(client, object, &all, name, "add").await
}

/// Removes the finalizer. Succeeds where it is not there, or the object is not there any more.
///
/// # Errors
/// [`FinalizerError`]; [`is_conflict`](FinalizerError::is_conflict) where the object changed since it was read.
pub async fn remove<K, P>(client: &Client<K, P>, object: &K, name: &str) -> Result<(), FinalizerError>
where
    K: Kind,
    P: HoldsObjects<K::Scope>,
{
    if !is_on(object, name) {
        return Ok(());
    }
    let mut all = object.meta().finalizers.clone().unwrap_or_default();
    all.retain(|known| known != name);
    match write(client, object, &all, name, "remove").await {
        Err(FinalizerError::Write { source, .. }) if source.is_not_found() => Ok(()),
        answer => answer.map(drop),
    }
}

/// A merge patch replaces the whole list; the resource version and the UID in it make the server refuse one that
/// was made from another state, or from an object of the same name that is gone.
async fn write<K, P>(
    client: &Client<K, P>,
    object: &K,
    all: &[String],
    finalizer: &str,
    change: &'static str,
) -> Result<K, FinalizerError>
where
    K: Kind,
    P: Place + HoldsObjects<K::Scope>,
{
    let meta = object.meta();
    let Some(version) = meta
        .resource_version
        .as_ref()
        .filter(|version| !version.is_empty())
    else {
        return Err(FinalizerError::Unread {
            kind: K::kind(&()).into_owned(),
            object: ObjectKey::of(object),
            finalizer: finalizer.to_owned(),
        });
    };
    let mut metadata = json!({ "resourceVersion": version, "finalizers": all });
    if let Some(uid) = &meta.uid {
        metadata["uid"] = json!(uid);
    }
    client
        .merge_patch(
            meta.name.as_deref().unwrap_or_default(),
            &json!({ "metadata": metadata }),
        )
        .await
        .map_err(|source| FinalizerError::Write {
            change,
            finalizer: finalizer.to_owned(),
            source,
        })
}
