//! The verbs of whole objects.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::Request;
use kube::core::{ObjectList, Status, WatchEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Instrument, Span};

use super::error::{BadSegment, ClientError, ObjectRef, Operation, Unnamed};
use super::options::FieldManager;
use super::place::{HoldsLists, HoldsObjects, Place};
use super::{Client, DeleteParams, GetParams, ListParams, WatchParams};
use crate::apply::ApplyConfiguration;
use crate::cache::{LAST_APPLIED, is_unapplied};
use crate::discreet;
use crate::kind::{Kind, StrategicMerge};

/// The server's answer on its way: a future of `Result<T, ClientError>`. Nothing is sent before it is awaited.
#[must_use = "nothing is sent unless it is awaited"]
pub struct Answer<'a, T> {
    future: BoxFuture<'a, Result<T, ClientError>>,
}

impl<'a, T> Answer<'a, T> {
    pub(super) fn new(future: impl Future<Output = Result<T, ClientError>> + Send + 'a) -> Self {
        Self {
            future: Box::pin(future),
        }
    }
}

impl<T> Future for Answer<'_, T> {
    type Output = Result<T, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Answer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// Events of a watch.
pub type Events<K> = BoxStream<'static, Result<WatchEvent<K>, ClientError>>;

/// What became of an object that was deleted.
#[derive(Clone, Debug)]
pub enum Deleted<T> {
    /// It goes when its finalizers and dependents are done; this is how it stands until then.
    Pending(Box<T>),
    /// It is gone.
    Done(Box<Status>),
}

impl<T> Deleted<T> {
    /// Whether the object is gone.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

// The bounds on places stand on the methods: there the compiler says in our words what is missing, while on the
// block it would only say that the method does not exist. And the methods return a named future, since with
// `async fn` the compiler would say it three times.

/// Verbs on single objects.
impl<K: Kind, P: Place> Client<K, P> {
    /// Reads an object as it stands now.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_not_found`](ClientError::is_not_found) where it does not exist.
    pub fn get<'a>(&'a self, name: &'a str) -> Answer<'a, K>
    where
        P: HoldsObjects<K::Scope>,
    {
        let call = self.call(Operation::Get, name, None);
        Answer::new(async move { call.answer(call.builder().get(name, &GetParams::default())).await })
    }

    /// Reads an object, from the server's cache where `params` allows.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with<'a>(&'a self, name: &'a str, params: &'a GetParams) -> Answer<'a, K>
    where
        P: HoldsObjects<K::Scope>,
    {
        let call = self.call(Operation::Get, name, None);
        Answer::new(async move { call.answer(call.builder().get(name, params)).await })
    }

    /// Reads an object; absent where it does not exist.
    ///
    /// # Errors
    /// [`ClientError`], never [`is_not_found`](ClientError::is_not_found).
    pub fn get_opt<'a>(&'a self, name: &'a str) -> Answer<'a, Option<K>>
    where
        P: HoldsObjects<K::Scope>,
    {
        Answer::new(async move {
            match self.get(name).await {
                Ok(object) => Ok(Some(object)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Makes an object; the answer is as the server stored it. `metadata.generateName` may stand for a name.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_already_exists`](ClientError::is_already_exists) where the name is taken.
    pub fn create<'a>(&'a self, object: &'a K) -> Answer<'a, K>
    where
        P: HoldsObjects<K::Scope>,
    {
        let name = object.meta().name.as_deref().unwrap_or_default();
        let call = self.call(Operation::Create, name, None);
        Answer::new(async move {
            let body = call.json(object)?;
            call.answer(call.builder().create(&call.post(), body)).await
        })
    }

    /// Replaces an object; kube calls it `replace`. With the status subresource on, `status` is left as it
    /// stands.
    ///
    /// Where a cache left the annotation of `kubectl apply` out of the object ([`Trim`](crate::cache::Trim)), it is
    /// read first and sent along, so that it stays on the server.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_conflict`](ClientError::is_conflict) where it changed since it was read:
    /// `metadata.resourceVersion` says what was read.
    pub fn update<'a>(&'a self, object: &'a K) -> Answer<'a, K>
    where
        P: HoldsObjects<K::Scope>,
    {
        let call = self.call_for(Operation::Update, object, None);
        Answer::new(async move { call?.replace_object(object).await })
    }

    /// Changes an object by JSON patch (RFC 6902).
    ///
    /// # Errors
    /// [`ClientError`]; a failed `test` is [`is_invalid`](ClientError::is_invalid).
    pub fn json_patch<'a>(&'a self, name: &'a str, patch: json_patch::Patch) -> Answer<'a, K>
    where
        P: HoldsObjects<K::Scope>,
    {
        let call = self.call(Operation::Patch, name, None);
        Answer::new(async move { call.json_patch(patch).await })
    }

    /// Changes an object by merge patch (RFC 7386): what `patch` has is set, `null` removes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn merge_patch<'a>(&'a self, name: &'a str, patch: &impl Serialize) -> Answer<'a, K>
    where
        P: HoldsObjects<K::Scope>,
    {
        let call = self.call(Operation::Patch, name, None);
        let patch = call.value(patch);
        Answer::new(async move { call.patch(kube::api::Patch::Merge(patch?), None).await })
    }

    /// Changes a built-in object by strategic merge patch, which merges lists by their keys.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn strategic_patch<'a>(&'a self, name: &'a str, patch: &impl Serialize) -> Answer<'a, K>
    where
        P: HoldsObjects<K::Scope>,
        K: StrategicMerge,
    {
        let call = self.call(Operation::Patch, name, None);
        let patch = call.value(patch);
        Answer::new(async move { call.patch(kube::api::Patch::Strategic(patch?), None).await })
    }

    /// Makes or changes an object by server-side apply: the fields in `configuration`, and no others, are
    /// `manager`'s.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_conflict`](ClientError::is_conflict) where another manager owns one of the fields
    /// and `manager` does not [`force`](FieldManager::force).
    pub fn apply<'a, A>(&'a self, configuration: &'a A, manager: impl Into<FieldManager>) -> Answer<'a, K>
    where
        P: HoldsObjects<K::Scope>,
        A: ApplyConfiguration<Kind = K>,
    {
        let name = configuration.name().unwrap_or_default();
        self.call(Operation::Apply, name, None)
            .apply(configuration, manager.into())
    }

    /// Deletes an object, with its dependents as the kind has it: in the background for most, not at all for
    /// jobs.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_not_found`](ClientError::is_not_found) where it does not exist.
    pub fn delete<'a>(&'a self, name: &'a str) -> Answer<'a, Deleted<K>>
    where
        P: HoldsObjects<K::Scope>,
    {
        let call = self.call(Operation::Delete, name, None);
        let params = self.deletion(&DeleteParams::default());
        Answer::new(async move { call.deleted(call.builder().delete(name, &params)).await })
    }

    /// Deletes an object, with preconditions, a grace period or another propagation policy.
    ///
    /// # Errors
    /// As [`delete`](Self::delete); [`is_conflict`](ClientError::is_conflict) where a precondition fails.
    pub fn delete_with<'a>(&'a self, name: &'a str, params: &DeleteParams) -> Answer<'a, Deleted<K>>
    where
        P: HoldsObjects<K::Scope>,
    {
        let call = self.call(Operation::Delete, name, None);
        let params = self.deletion(params);
        Answer::new(async move { call.deleted(call.builder().delete(name, &params)).await })
    }

    /// Deletes the objects that `list` selects.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn delete_collection<'a>(
        &'a self,
        params: &DeleteParams,
        list: &'a ListParams,
    ) -> Answer<'a, Deleted<ObjectList<K>>>
    where
        P: HoldsObjects<K::Scope>,
    {
        let call = self.call(Operation::DeleteCollection, "", None);
        let params = self.deletion(params);
        Answer::new(async move {
            call.deleted(call.builder().delete_collection(&params, list))
                .await
        })
    }

    fn deletion(&self, params: &DeleteParams) -> DeleteParams {
        DeleteParams {
            dry_run: params.dry_run || self.options.dry_run,
            ..params.clone()
        }
    }
}

/// Verbs on many objects.
impl<K: Kind, P: Place> Client<K, P> {
    /// Reads the objects that `params` selects; one page of them where `params` has a limit.
    ///
    /// # Errors
    /// [`ClientError`]; [`is_expired`](ClientError::is_expired) where a continue token is too old.
    pub fn list<'a>(&'a self, params: &'a ListParams) -> Answer<'a, ObjectList<K>>
    where
        P: HoldsLists<K::Scope>,
    {
        let call = self.call(Operation::List, "", None);
        Answer::new(async move { call.answer(call.builder().list(params)).await })
    }

    /// Follows the objects that `params` selects, from `resource_version` on.
    ///
    /// The stream ends when the server closes it, at the latest after `params.timeout`; an event
    /// [`WatchEvent::Error`] with code 410 means that the objects must be listed anew. An informer does all
    /// that.
    ///
    /// # Errors
    /// [`ClientError`], from the call or from the stream.
    pub fn watch<'a>(&'a self, params: &'a WatchParams, resource_version: &'a str) -> Answer<'a, Events<K>>
    where
        P: HoldsLists<K::Scope>,
    {
        let call = self.call(Operation::Watch, "", None);
        Answer::new(async move {
            let request = call.built(call.builder().watch(params, resource_version))?;
            let object = call.object();
            let events = call.in_time(call.connection.request_events::<K>(request)).await?;
            Ok(events
                .map(move |event| {
                    event.map_err(|error| ClientError::from_kube(Operation::Watch, object.clone(), error))
                })
                .boxed())
        })
    }
}

impl<K: Kind, P: Place> Client<K, P> {
    /// One request, with what its errors say.
    pub(super) fn call<'a>(
        &'a self,
        operation: Operation,
        name: &'a str,
        subresource: Option<&'static str>,
    ) -> Call<'a, K> {
        Call {
            connection: &self.connection,
            options: &self.options,
            namespace: self.place.namespace(),
            operation,
            name,
            subresource,
            kind: std::marker::PhantomData,
        }
    }

    /// A request about an object that must have a name.
    pub(super) fn call_for<'a>(
        &'a self,
        operation: Operation,
        object: &'a K,
        subresource: Option<&'static str>,
    ) -> Result<Call<'a, K>, ClientError> {
        let name = object.meta().name.as_deref().unwrap_or_default();
        let call = self.call(operation, name, subresource);
        if name.is_empty() {
            return Err(call.unmade(Unnamed));
        }
        Ok(call)
    }
}

/// What is read of an object to give it back its annotation.
#[derive(serde::Deserialize)]
struct Annotated {
    #[serde(default)]
    metadata: Annotations,
}

#[derive(Default, serde::Deserialize)]
struct Annotations {
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

/// What is read of an answer to a deletion to tell a status from an object.
#[derive(serde::Deserialize)]
struct TypeMeta {
    #[serde(default)]
    kind: String,
}

/// A request on its way.
pub(super) struct Call<'a, K> {
    connection: &'a kube::Client,
    options: &'a super::Options,
    namespace: Option<&'a str>,
    operation: Operation,
    name: &'a str,
    subresource: Option<&'static str>,
    kind: std::marker::PhantomData<fn() -> K>,
}

type Built = Result<Request<Vec<u8>>, kube::core::request::Error>;

impl<'a, K: Kind> Call<'a, K> {
    pub(super) fn apply<A>(self, configuration: &A, manager: FieldManager) -> Answer<'a, K>
    where
        A: ApplyConfiguration<Kind = K>,
    {
        let body = if self.name.is_empty() {
            Err(self.unmade(Unnamed))
        } else {
            configuration.to_json().map_err(|error| self.unmade(error))
        };
        Answer::new(async move { self.patch(kube::api::Patch::Apply(body?), Some(&manager)).await })
    }

    pub(super) fn builder(&self) -> kube::core::Request {
        kube::core::Request::new(K::url_path(&(), self.namespace))
    }

    pub(super) fn post(&self) -> kube::api::PostParams {
        kube::api::PostParams {
            dry_run: self.options.dry_run,
            field_manager: self.options.field_manager.as_deref().map(str::to_owned),
        }
    }

    pub(super) fn json(&self, value: &impl Serialize) -> Result<Vec<u8>, ClientError> {
        serde_json::to_vec(value).map_err(|error| self.unmade(error))
    }

    pub(super) fn value(&self, value: &impl Serialize) -> Result<serde_json::Value, ClientError> {
        serde_json::to_value(value).map_err(|error| self.unmade(error))
    }

    pub(super) async fn answer<T: DeserializeOwned>(&self, request: Built) -> Result<T, ClientError> {
        let text = self.text(request).await?;
        self.decoded(&text)
    }

    /// An answer as it came. kube's own ways to one log a refusal, and whatever does not fit, as it stands: Secrets too.
    async fn text(&self, request: Built) -> Result<String, ClientError> {
        let request = self.built(request)?.map(kube::client::Body::from);
        let answer = async {
            let answer = self.connection.send(request).await?;
            let code = answer.status();
            let body = answer.into_body().collect_bytes().await?;
            let text = String::from_utf8(body.into()).map_err(kube::Error::FromUtf8)?;
            if code.is_client_error() || code.is_server_error() {
                return Err(kube::Error::Api(
                    discreet::refusal::<K>(&text, code.as_u16()).boxed(),
                ));
            }
            Ok(text)
        };
        self.in_time(answer).await
    }

    fn decoded<T: DeserializeOwned>(&self, text: &str) -> Result<T, ClientError> {
        serde_json::from_str(text)
            .map_err(|error| self.failed(kube::Error::SerdeError(discreet::misfit::<K>(error))))
    }

    /// What comes of a request within the client's time, in a span of its own.
    async fn in_time<T>(&self, answer: impl Future<Output = kube::Result<T>>) -> Result<T, ClientError> {
        let limit = self.options.timeout;
        let late = |_| Err(kube::Error::Service(Box::new(Late(limit))));
        let span = self.span();
        let answer = tokio::time::timeout(limit, answer).instrument(span.clone()).await;
        answer.unwrap_or_else(late).map_err(|error| {
            if let kube::Error::Api(status) = &error {
                span.record("http.response.status_code", status.code);
            }
            self.failed(error)
        })
    }

    /// What is asked of the server, and about which object; nothing of what the object holds.
    fn span(&self) -> Span {
        macro_rules! span {
            ($level:ident) => {
                tracing::span!(
                    tracing::Level::$level,
                    "request",
                    operation = %self.operation,
                    object.group = %K::group(&()),
                    object.kind = %K::kind(&()),
                    object.namespace = self.namespace.unwrap_or_default(),
                    object.name = self.name,
                    object.subresource = self.subresource.unwrap_or_default(),
                    http.response.status_code = tracing::field::Empty,
                )
            };
        }
        match self.operation {
            Operation::Get | Operation::List | Operation::Watch => span!(DEBUG),
            _ => span!(INFO),
        }
    }

    pub(super) async fn replace<T>(&self, value: &T) -> Result<T, ClientError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.put(self.json(value)?).await
    }

    /// Replaces an object that may come from a cache.
    pub(super) async fn replace_object(&self, object: &K) -> Result<K, ClientError> {
        if !is_unapplied(object) {
            return self.replace(object).await;
        }
        let request = self.builder().get_metadata(self.name, &GetParams::default());
        let present: Annotated = self.answer(request).await?;
        let mut object = self.value(object)?;
        if let Some(meta) = object
            .get_mut("metadata")
            .and_then(serde_json::Value::as_object_mut)
        {
            // The mark, which means nothing to a server.
            meta.remove("selfLink");
            if let Some(applied) = present
                .metadata
                .annotations
                .and_then(|mut all| all.remove(LAST_APPLIED))
            {
                meta.entry("annotations").or_insert_with(|| serde_json::json!({}))[LAST_APPLIED] =
                    applied.into();
            }
        }
        self.put(self.json(&object)?).await
    }

    async fn put<T: DeserializeOwned>(&self, body: Vec<u8>) -> Result<T, ClientError> {
        let builder = self.builder();
        self.answer(match self.subresource {
            None => builder.replace(self.name, &self.post(), body),
            Some(subresource) => builder.replace_subresource(subresource, self.name, &self.post(), body),
        })
        .await
    }

    pub(super) async fn patch<T, B>(
        &self,
        patch: kube::api::Patch<B>,
        manager: Option<&FieldManager>,
    ) -> Result<T, ClientError>
    where
        T: DeserializeOwned,
        B: Serialize,
    {
        let params = kube::api::PatchParams {
            dry_run: self.options.dry_run,
            force: manager.is_some_and(|manager| manager.force),
            field_manager: match manager {
                Some(manager) => Some(manager.name.clone().into_owned()),
                None => self.options.field_manager.as_deref().map(str::to_owned),
            },
            // Added to every write alike, in `built`.
            field_validation: None,
        };
        let builder = self.builder();
        let request = match self.subresource {
            None => builder.patch(self.name, &params, &patch),
            Some(subresource) => builder.patch_subresource(subresource, self.name, &params, &patch),
        };
        drop(patch);
        self.answer(request).await
    }

    pub(super) async fn json_patch<T>(&self, patch: json_patch::Patch) -> Result<T, ClientError>
    where
        T: DeserializeOwned,
    {
        self.patch::<T, ()>(kube::api::Patch::Json(patch), None).await
    }

    async fn deleted<T: DeserializeOwned>(&self, request: Built) -> Result<Deleted<T>, ClientError> {
        let text = self.text(request).await?;
        Ok(match self.decoded::<TypeMeta>(&text)?.kind.as_str() {
            "Status" => Deleted::Done(Box::new(self.decoded(&text)?)),
            _ => Deleted::Pending(Box::new(self.decoded(&text)?)),
        })
    }

    /// Every request passes here, and none is sent whose path could mean another object.
    fn built(&self, request: Built) -> Result<Request<Vec<u8>>, ClientError> {
        if let Some(namespace) = self.namespace {
            BadSegment::find("namespace", namespace).map_err(|error| self.unmade(error))?;
        }
        let named = !matches!(
            self.operation,
            Operation::Create | Operation::List | Operation::Watch | Operation::DeleteCollection
        );
        if named {
            BadSegment::find("name", self.name).map_err(|error| self.unmade(error))?;
        }
        let mut request = request.map_err(|error| self.unmade(error))?;
        if let Some(mode) = self.options.field_validation
            && matches!(
                self.operation,
                Operation::Create | Operation::Update | Operation::Patch | Operation::Apply
            )
        {
            add_query(request.uri_mut(), "fieldValidation", mode.as_str())
                .map_err(|error| self.unmade(error))?;
        }
        Ok(request)
    }

    fn object(&self) -> ObjectRef {
        ObjectRef::new::<K>(self.namespace, self.name, self.subresource)
    }

    fn failed(&self, error: kube::Error) -> ClientError {
        ClientError::from_kube(self.operation, self.object(), error)
    }

    pub(super) fn unmade(&self, source: impl std::error::Error + Send + Sync + 'static) -> ClientError {
        ClientError::Request {
            operation: self.operation,
            object: Box::new(self.object()),
            source: Box::new(source),
        }
    }
}

/// Nothing came for so long.
#[derive(Debug, thiserror::Error)]
#[error("nothing came within {0:?}")]
struct Late(std::time::Duration);

/// Adds a parameter whose value needs no escaping. kube's `PostParams` has no place for field validation.
fn add_query(uri: &mut http::Uri, key: &str, value: &str) -> Result<(), http::uri::InvalidUri> {
    let text = uri.to_string();
    let separator = match text.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    *uri = format!("{text}{separator}{key}={value}").parse()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_parameter_joins_those_that_are_there() {
        for (before, after) in [
            ("/apis/a/v1/foos", "/apis/a/v1/foos?k=v"),
            ("/apis/a/v1/foos?", "/apis/a/v1/foos?k=v"),
            ("/apis/a/v1/foos?dryRun=All", "/apis/a/v1/foos?dryRun=All&k=v"),
            ("/apis/a/v1/foos?&dryRun=All", "/apis/a/v1/foos?&dryRun=All&k=v"),
        ] {
            let mut uri: http::Uri = before.parse().unwrap();
            add_query(&mut uri, "k", "v").unwrap();
            assert_eq!(uri.to_string(), after);
        }
    }
}
