//! The status and scale subresources, for the kinds that have them.

use k8s_openapi::api::autoscaling::v1::Scale;
use serde::Serialize;

use super::Client;
use super::error::Operation;
use super::options::FieldManager;
use super::place::{HoldsObjects, Place};
use super::verbs::Answer;
use crate::apply::ApplyConfiguration;
use crate::kind::{Kind, ScaleSubresource, StatusSubresource, StrategicMerge};

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
pub struct StatusClient<'c, K, P> {
    client: &'c Client<K, P>,
}

impl<'c, K: Kind, P: HoldsObjects<K::Scope>> StatusClient<'c, K, P> {
    /// Reads the object through its status.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError); [`is_not_found`](super::ClientError::is_not_found) where it does not exist.
    pub fn get<'a>(&self, name: &'a str) -> Answer<'a, K>
    where
        'c: 'a,
    {
        let call = self.client.call(Operation::Get, name, STATUS);
        Answer::new(async move { call.answer(call.builder().get_subresource("status", name)).await })
    }

    /// Replaces the status by that of `object`; the rest of `object` is ignored.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError); [`is_conflict`](super::ClientError::is_conflict) where the object changed since it was read.
    pub fn update<'a>(&self, object: &'a K) -> Answer<'a, K>
    where
        'c: 'a,
    {
        let call = self.client.call_for(Operation::Update, object, STATUS);
        Answer::new(async move { call?.replace_object(object).await })
    }

    /// Changes the status by JSON patch (RFC 6902); paths begin with `/status`.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub fn json_patch<'a>(&self, name: &'a str, patch: json_patch::Patch) -> Answer<'a, K>
    where
        'c: 'a,
    {
        let call = self.client.call(Operation::Patch, name, STATUS);
        Answer::new(async move { call.json_patch(patch).await })
    }

    /// Changes the status by merge patch (RFC 7386) of the whole object: `{"status": {...}}`.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub fn merge_patch<'a>(&self, name: &'a str, patch: &impl Serialize) -> Answer<'a, K>
    where
        'c: 'a,
    {
        let call = self.client.call(Operation::Patch, name, STATUS);
        let patch = call.value(patch);
        Answer::new(async move { call.patch(kube::api::Patch::Merge(patch?), None).await })
    }

    /// Changes the status of a built-in object by strategic merge patch, which merges lists by their keys:
    /// `{"status": {...}}`.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub fn strategic_patch<'a>(&self, name: &'a str, patch: &impl Serialize) -> Answer<'a, K>
    where
        'c: 'a,
        K: StrategicMerge,
    {
        let call = self.client.call(Operation::Patch, name, STATUS);
        let patch = call.value(patch);
        Answer::new(async move { call.patch(kube::api::Patch::Strategic(patch?), None).await })
    }

    /// Changes the status by server-side apply.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError); [`is_conflict`](super::ClientError::is_conflict) where another manager owns one of the fields.
    pub fn apply<'a, A>(&self, configuration: &'a A, manager: impl Into<FieldManager>) -> Answer<'a, K>
    where
        'c: 'a,
        A: ApplyConfiguration<Kind = K>,
    {
        let name = configuration.name().unwrap_or_default();
        let call = self.client.call(Operation::Apply, name, STATUS);
        call.apply(configuration, manager.into())
    }
}

/// The verbs of an object's scale; from [`Client::scale`].
#[derive(Debug)]
pub struct ScaleClient<'c, K, P> {
    client: &'c Client<K, P>,
}

impl<'c, K: Kind, P: HoldsObjects<K::Scope>> ScaleClient<'c, K, P> {
    /// Reads wanted and observed replicas.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError); [`is_not_found`](super::ClientError::is_not_found) where the object does not exist.
    pub fn get<'a>(&self, name: &'a str) -> Answer<'a, Scale>
    where
        'c: 'a,
    {
        let call = self.client.call(Operation::Get, name, SCALE);
        Answer::new(async move { call.answer(call.builder().get_subresource("scale", name)).await })
    }

    /// Replaces the scale of the object named `name`.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError); [`is_conflict`](super::ClientError::is_conflict) where the object changed since it was read.
    pub fn update<'a>(&self, name: &'a str, scale: &'a Scale) -> Answer<'a, Scale>
    where
        'c: 'a,
    {
        let call = self.client.call(Operation::Update, name, SCALE);
        Answer::new(async move { call.replace(scale).await })
    }

    /// Sets the wanted replicas, whatever they were.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub fn set_replicas<'a>(&self, name: &'a str, replicas: i32) -> Answer<'a, Scale>
    where
        'c: 'a,
    {
        let call = self.client.call(Operation::Patch, name, SCALE);
        let patch = serde_json::json!({"spec": {"replicas": replicas}});
        Answer::new(async move { call.patch(kube::api::Patch::Merge(patch), None).await })
    }

    /// Changes the scale by JSON patch (RFC 6902) of the `Scale`: paths begin with `/spec`.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError); a failed `test` is [`is_invalid`](super::ClientError::is_invalid).
    pub fn json_patch<'a>(&self, name: &'a str, patch: json_patch::Patch) -> Answer<'a, Scale>
    where
        'c: 'a,
    {
        let call = self.client.call(Operation::Patch, name, SCALE);
        Answer::new(async move { call.json_patch(patch).await })
    }

    /// Changes the scale by merge patch (RFC 7386) of the `Scale`: `{"spec": {"replicas": 3}}`.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub fn merge_patch<'a>(&self, name: &'a str, patch: &impl Serialize) -> Answer<'a, Scale>
    where
        'c: 'a,
    {
        let call = self.client.call(Operation::Patch, name, SCALE);
        let patch = call.value(patch);
        Answer::new(async move { call.patch(kube::api::Patch::Merge(patch?), None).await })
    }
}
