//! The verbs: from a decoded request to stored objects and back.
//!
//! **Invariant:** what leaves here has passed the whole of admission, defaulting and validation; what is stored is at
//! the storage version and never carries what the server owns from a client's hand.

mod admit;
mod convert;
mod create;
mod delete;
mod list;
mod meta;
pub(crate) mod names;
mod owners;
mod patch;
pub(crate) mod path;
mod pipeline;
mod render;
mod scale;
pub mod selector;
pub mod strategy;
mod token;
pub(crate) mod typed;
mod update;
mod watch;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use crate::engine::path::{ResourcePath, Verb};
use crate::engine::query::{DeleteOptions, ListOptions, Query, WriteOptions};
use crate::engine::{Body, Engine, Identity};
use crate::negotiate::{Accept, Agreed, Target};
use crate::registry::{Origin, ResourceInfo, Scope};
use crate::status::{ApiError, Result, Subject};
use crate::storage::{Entry, StorageError};
use crate::table::IncludeObject;
use owners::Conversions;

pub(crate) use token::TokenKey;

/// One request for a resource.
pub(crate) struct Call<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) info: Arc<ResourceInfo>,
    pub(crate) path: ResourcePath,
    pub(crate) verb: Verb,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) agreed: Agreed,
    /// How much of its object a table's row carries.
    pub(crate) include: IncludeObject,
    /// Texts of `Warning` headers.
    pub(crate) warnings: Vec<String>,
    /// Who asks.
    user: Identity,
    /// What webhooks want to be kept with the request, by key.
    pub(crate) annotations: Vec<(String, String)>,
    /// What converters made so far while owners were found.
    conversions: Arc<Conversions>,
    /// Whether the server itself asks. Its objects are not read by their types, so that none of these is decoded at
    /// start.
    own: bool,
}

/// What a verb answers.
pub(crate) enum Reply {
    /// An object.
    Object(StatusCode, Served),
    /// A document that is sent as it is.
    Document(StatusCode, Value),
    /// A finished answer.
    Whole(Response<Body>),
}

/// Finds what a path and verb lead to, and agrees on the form of the answer.
///
/// # Errors
/// 404, 405 and 406, in this order.
pub(crate) fn route<'a>(
    engine: &'a Engine,
    path: ResourcePath,
    method: &http::Method,
    query: Query,
    headers: HeaderMap,
    user: Identity,
) -> Result<Call<'a>> {
    let snapshot = engine.registry().snapshot();
    let gvr = crate::registry::GroupVersionResource::new(
        path.group.as_str(),
        path.version.as_str(),
        path.resource.as_str(),
    );
    let info = snapshot.get(&gvr).cloned().ok_or_else(ApiError::path_not_found)?;
    let verb = path
        .verb(method, &query)
        .ok_or_else(ApiError::method_not_allowed)?;
    let collection_verb = matches!(verb, Verb::List | Verb::Watch);
    match (info.scope, &path.namespace) {
        (Scope::Cluster, Some(_)) => return Err(ApiError::path_not_found()),
        // Across all namespaces there are only reads of the collection.
        (Scope::Namespaced, None) if path.name.is_some() => return Err(ApiError::path_not_found()),
        (Scope::Namespaced, None) if !collection_verb => {
            return Err(match info.origin {
                Origin::Custom(_) => ApiError::path_not_found(),
                Origin::BuiltIn => ApiError::method_not_allowed(),
            });
        }
        _ => {}
    }
    let offered: Vec<&str> = match &path.subresource {
        None => info.verbs.iter().map(String::as_str).collect(),
        Some(sub) => {
            let known = info.subresources.iter().find(|known| known.name == *sub);
            let name = path.name.as_deref().ok_or_else(ApiError::path_not_found)?;
            let known = known.ok_or_else(|| match info.origin {
                Origin::BuiltIn => ApiError::path_not_found(),
                // Upstream routes by CRD first, and misses the object then.
                Origin::Custom(_) => ApiError::not_found(
                    Subject {
                        group: &info.gvr.group,
                        resource: &info.gvr.resource,
                    },
                    name,
                ),
            })?;
            known.verbs.iter().map(String::as_str).collect()
        }
    };
    let on_item = matches!(verb, Verb::Get | Verb::Update | Verb::Patch | Verb::Delete);
    let right_place = path.name.is_some() == on_item || path.subresource.is_some() || path.watch_prefix;
    if !right_place || !offered.contains(&verb.as_str()) {
        return Err(ApiError::method_not_allowed());
    }
    let targets: &[Target] = match verb {
        Verb::List => &[Target::Table, Target::PartialObjectMetadataList],
        _ => &[Target::Table, Target::PartialObjectMetadata],
    };
    let agreed = render::agree(&Accept::of(&headers).agree(targets)?, &query, verb)?;
    let include = match agreed.target {
        Target::Table => IncludeObject::parse(query.get("includeObject"))?,
        _ => IncludeObject::default(),
    };
    Ok(Call {
        engine,
        info,
        path,
        verb,
        query,
        headers,
        agreed,
        include,
        warnings: Vec::new(),
        user,
        annotations: Vec::new(),
        conversions: Arc::default(),
        own: false,
    })
}

impl Call<'_> {
    /// Carries the request out.
    pub(crate) async fn run(&mut self, body: &Bytes) -> Result<Reply> {
        if let Some(warning) = self.info.deprecation() {
            self.warnings.push(warning.to_owned());
        }
        if self.path.subresource.as_deref() == Some("scale") {
            return self.scale(body).await;
        }
        match self.verb {
            Verb::Get => self.get().await,
            Verb::List => {
                let options = ListOptions::parse(&self.query, self.verb)?;
                self.list(&options).await.map(Reply::Whole)
            }
            Verb::Watch => {
                let options = ListOptions::parse(&self.query, self.verb)?;
                self.watch(options).await.map(Reply::Whole)
            }
            Verb::Create => {
                let options = WriteOptions::parse(&self.query, "CreateOptions")?;
                let decoded =
                    crate::engine::decode::decode(&self.headers, body).map_err(|e| self.unrecognized(e))?;
                self.create(decoded, options).await
            }
            Verb::Update => {
                let options = WriteOptions::parse(&self.query, "UpdateOptions")?;
                let decoded =
                    crate::engine::decode::decode(&self.headers, body).map_err(|e| self.unrecognized(e))?;
                self.update(decoded, options).await
            }
            Verb::Patch => self.patch(body).await,
            Verb::Delete => {
                let options = self.delete_options(body)?;
                let name = self.name().to_owned();
                self.delete(&name, &options).await
            }
            Verb::DeleteCollection => {
                let options = self.delete_options(body)?;
                self.delete_collection(&options).await
            }
        }
    }

    fn delete_options(&self, body: &Bytes) -> Result<DeleteOptions> {
        let body = match body.is_empty() {
            true => None,
            false => Some(crate::engine::decode::decode(&self.headers, body)?.value),
        };
        DeleteOptions::parse(&self.query, body.as_ref())
    }

    /// Names the expected kind in a failure to read the body, as upstream does.
    fn unrecognized(&self, error: ApiError) -> ApiError {
        match error.code() {
            StatusCode::BAD_REQUEST => ApiError::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): {error}",
                self.info.kind
            )),
            _ => error,
        }
    }

    /// Name in the path; empty for collections.
    pub(crate) fn name(&self) -> &str {
        self.path.name.as_deref().unwrap_or_default()
    }

    /// The resource, for failures.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            group: &self.info.gvr.group,
            resource: &self.info.gvr.resource,
        }
    }

    /// The kind, for failures of validation.
    pub(crate) fn kind(&self) -> Subject<'_> {
        Subject {
            group: &self.info.gvr.group,
            resource: &self.info.kind,
        }
    }

    /// Storage key of one object of this resource in the request's namespace.
    pub(crate) fn key(&self, name: &str) -> String {
        key(&self.info, self.path.namespace.as_deref(), name)
    }

    /// Turns a storage failure into the client's.
    pub(crate) fn storage_error(&self, name: &str, error: StorageError) -> ApiError {
        match error {
            StorageError::Exists { .. } => ApiError::already_exists(self.subject(), name),
            StorageError::Missing { .. } => ApiError::not_found(self.subject(), name),
            StorageError::Conflict { .. } => ApiError::modified(self.subject(), name),
            StorageError::Compacted { .. } => {
                ApiError::expired("The resourceVersion for the provided list is too old.")
            }
            StorageError::Future { asked, current } => ApiError::resource_version_too_large(asked, current),
            StorageError::Backend(why) => {
                tracing::error!(resource = %self.subject(), error = %why, "storage failed");
                ApiError::internal("the storage backend failed")
            }
        }
    }

    /// The stored entry.
    pub(crate) async fn load(&self, name: &str) -> Result<Arc<Entry>> {
        self.engine
            .storage()
            .get(&self.key(name))
            .await
            .map_err(|error| self.storage_error(name, error))?
            .ok_or_else(|| ApiError::not_found(self.subject(), name))
    }

    async fn get(&self) -> Result<Reply> {
        // One store, no replicas: the newest state is also "at least N", once N has been reached.
        if let Some(text) = self.query.get("resourceVersion").filter(|text| !text.is_empty()) {
            let asked = crate::engine::query::parse_version(text)?;
            let current = self.engine.storage().revision().await;
            let current = current.map_err(|error| self.storage_error(self.name(), error))?;
            if asked > current {
                return Err(ApiError::resource_version_too_large(asked, current));
            }
        }
        self.reply(StatusCode::OK, self.load(self.name()).await?).await
    }
}

/// `/group/resource/` under which a resource's objects are stored.
pub(crate) fn prefix(info: &ResourceInfo) -> String {
    let group = match info.storage.group.as_str() {
        "" => "core",
        group => group,
    };
    format!("/{group}/{}/", info.storage.resource)
}

/// Storage key of one object.
pub(crate) fn key(info: &ResourceInfo, namespace: Option<&str>, name: &str) -> String {
    let mut key = prefix(info);
    if let Some(namespace) = namespace {
        key.push_str(namespace);
        key.push('/');
    }
    key.push_str(name);
    key
}

pub(crate) use convert::Served;
pub(crate) use delete::{delete_quietly, is_race};
pub(crate) use meta::{finalizers, is_deleting, map_faults as metadata_map_faults};
pub(crate) use patch::{operations, patched};
pub(crate) use render::respond;
pub(crate) use typed::read_metadata;

/// Creates an object on the server's own behalf.
pub(crate) async fn create_internal(
    engine: &Engine,
    gvr: &crate::registry::GroupVersionResource,
    object: Value,
) -> Result<()> {
    let info = engine
        .registry()
        .snapshot()
        .get(gvr)
        .cloned()
        .ok_or_else(ApiError::path_not_found)?;
    let mut call = Call::internal(engine, &info, &object);
    let decoded = crate::engine::decode::Decoded {
        value: object,
        duplicates: Vec::new(),
    };
    call.create(decoded, WriteOptions::default()).await.map(drop)
}

/// Changes the metadata of a stored object on the server's own behalf; one that is gone, or that another took the
/// place of, is left alone.
pub(crate) async fn rewrite_internal(
    engine: &Engine,
    info: &Arc<ResourceInfo>,
    entry: &Entry,
    change: impl Fn(&mut Value),
) -> Result<()> {
    let call = Call::internal(engine, info, &entry.value);
    let storage = engine.storage();
    loop {
        let stored = storage.get(&entry.key).await.map_err(ApiError::internal)?;
        let Some(stored) =
            stored.filter(|stored| meta::text(&stored.value, "uid") == meta::text(&entry.value, "uid"))
        else {
            return Ok(());
        };
        let change = |object: &mut Value| {
            change(object);
            if let Some(metadata) = meta::of(object) {
                meta::drop_empty(metadata);
            }
        };
        let mut value = stored.value.clone();
        change(&mut value);
        if value == stored.value {
            return Ok(());
        }
        let served = engine.served(info, stored.clone()).await?;
        let live = served.object(info);
        let mut changed = live.clone().into_owned();
        change(&mut changed);
        call.track_controller(&live, &changed, &mut value).await;
        let outcome = if call.is_finished(&value) {
            storage.delete(&entry.key, value, stored.revision).await
        } else {
            storage.update(&entry.key, value, stored.revision).await
        };
        match outcome {
            Ok(_) => return Ok(()),
            Err(error) if is_race(&error) => {}
            Err(error) => return Err(ApiError::internal(error)),
        }
    }
}

impl<'a> Call<'a> {
    /// A call that the server makes itself, about one object.
    fn internal(engine: &'a Engine, info: &Arc<ResourceInfo>, object: &Value) -> Self {
        let namespace = Some(meta::text(object, "namespace")).filter(|namespace| !namespace.is_empty());
        Self {
            engine,
            info: info.clone(),
            path: ResourcePath {
                group: info.gvr.group.clone(),
                version: info.gvr.version.clone(),
                resource: info.gvr.resource.clone(),
                namespace: namespace.map(str::to_owned),
                name: None,
                subresource: None,
                watch_prefix: false,
            },
            verb: Verb::Create,
            query: Query::default(),
            headers: HeaderMap::new(),
            agreed: Agreed {
                encoding: crate::negotiate::Encoding::Json,
                target: Target::Object,
            },
            include: IncludeObject::default(),
            warnings: Vec::new(),
            user: Identity::default(),
            annotations: Vec::new(),
            conversions: Arc::default(),
            own: true,
        }
    }
}
