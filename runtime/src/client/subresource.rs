//! The status and scale subresources, for the kinds that have them.

use k8s_openapi::api::autoscaling::v1::Scale;
use serde::Serialize;

use super::Client;
use super::error::{ClientError, Operation};
use super::options::FieldManager;
use super::place::{HoldsObjects, Place};
use crate::apply::ApplyConfiguration;
use crate::kind::{Kind, ScaleSubresource, StatusSubresource};

const STATUS: Option<&str> = Some("status");
const SCALE: Option<&str> = Some("scale");

impl<K: Kind, P: Place> Client<K, P> {
    /// The verbs of `status`, which leave everything else in the object as it stands.
    pub fn status(&self) -> StatusClient<'_, K, P>
    where
        K: StatusSubresource,
        P: HoldsObjects<K::Scope>,
    {
        StatusClient { client: self }
    }

    /// The verbs of `scale`: wanted and observed replicas, without the rest of the object.
    pub fn scale(&self) -> ScaleClient<'_, K, P>
    where
        K: ScaleSubresource,
        P: HoldsObjects<K::Scope>,
    {
        ScaleClient { client: self }
    }
}

/// The verbs of an object's status; from [`Client::status`].
#[derive(Debug)]
pub struct StatusClient<'a, K, P> {
    client: &'a Client<K, P>,
}

impl<K: Kind, P: HoldsObjects<K::Scope>> StatusClient<'_, K, P> {
    /// Reads the object through its status.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_not_found`](ClientError::is_not_found) where it does not exist.
    pub async fn get(&self, name: &str) -> Result<K, ClientError> {
        let call = self.client.call(Operation::Get, name, STATUS);
        call.answer(call.builder().get_subresource("status", name)).await
    }

    /// Replaces the status by that of `object`; the rest of `object` is ignored.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_conflict`](ClientError::is_conflict) where the object changed since it was read.
    pub async fn update(&self, object: &K) -> Result<K, ClientError> {
        self.client
            .call_for(Operation::Update, object, STATUS)?
            .replace(object)
            .await
    }

    /// Changes the status by JSON patch (RFC 6902); paths begin with `/status`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn json_patch(&self, name: &str, patch: json_patch::Patch) -> Result<K, ClientError> {
        let call = self.client.call(Operation::Patch, name, STATUS);
        call.patch::<K, ()>(kube::api::Patch::Json(patch), None).await
    }

    /// Changes the status by merge patch (RFC 7386) of the whole object: `{"status": {...}}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn merge_patch(&self, name: &str, patch: &(impl Serialize + Sync)) -> Result<K, ClientError> {
        let call = self.client.call(Operation::Patch, name, STATUS);
        call.patch(kube::api::Patch::Merge(patch), None).await
    }

    /// Changes the status by server-side apply.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_conflict`](ClientError::is_conflict) where another manager owns one of the fields.
    pub async fn apply<A>(
        &self,
        configuration: &A,
        manager: impl Into<FieldManager>,
    ) -> Result<K, ClientError>
    where
        A: ApplyConfiguration<Kind = K> + Sync,
    {
        let name = configuration.name().unwrap_or_default();
        let call = self.client.call(Operation::Apply, name, STATUS);
        call.apply(configuration, &manager.into()).await
    }
}

/// The verbs of an object's scale; from [`Client::scale`].
#[derive(Debug)]
pub struct ScaleClient<'a, K, P> {
    client: &'a Client<K, P>,
}

impl<K: Kind, P: HoldsObjects<K::Scope>> ScaleClient<'_, K, P> {
    /// Reads wanted and observed replicas.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_not_found`](ClientError::is_not_found) where the object does not exist.
    pub async fn get(&self, name: &str) -> Result<Scale, ClientError> {
        let call = self.client.call(Operation::Get, name, SCALE);
        call.answer(call.builder().get_subresource("scale", name)).await
    }

    /// Replaces the scale of the object named `name`.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_conflict`](ClientError::is_conflict) where the object changed since it was read.
    pub async fn update(&self, name: &str, scale: &Scale) -> Result<Scale, ClientError> {
        self.client
            .call(Operation::Update, name, SCALE)
            .replace(scale)
            .await
    }

    /// Sets the wanted replicas, whatever they were.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_replicas(&self, name: &str, replicas: i32) -> Result<Scale, ClientError> {
        let call = self.client.call(Operation::Patch, name, SCALE);
        let patch = serde_json::json!({"spec": {"replicas": replicas}});
        call.patch(kube::api::Patch::Merge(patch), None).await
    }
}
