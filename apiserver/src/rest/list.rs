//! GET of a collection.

use std::sync::Arc;

use http::Response;

use super::convert::Served;
use super::selector::{BoundFields, LabelSelector};
use super::token::Position;
use super::{Call, key, prefix};
use crate::engine::Body;
use crate::engine::query::{ListOptions, VersionMatch};
use crate::registry::{ResourceInfo, Scope};
use crate::status::{ApiError, Result};
use crate::storage::{ListRequest, StorageError};

/// The objects that a list shows.
pub(super) struct Selection {
    pub(super) objects: Vec<Served>,
    pub(super) revision: u64,
    /// Token of the next page.
    pub(super) next: Option<String>,
    /// Objects after this page; known without selectors alone.
    pub(super) remaining: Option<usize>,
}

/// Which objects of a resource a request is about.
pub(super) struct Filter {
    pub(super) prefix: String,
    pub(super) labels: LabelSelector,
    pub(super) fields: BoundFields,
    pub(super) is_everything: bool,
    /// The resource as it is served; a watch brings it up to date when its schema changes.
    pub(super) info: Arc<ResourceInfo>,
}

impl Filter {
    /// Whether an object is selected. Labels and fields are those of the served form: their names may be others, a
    /// default may be younger than the object, and a converter may have changed labels.
    pub(super) fn matches(&self, served: &Served) -> bool {
        self.is_everything || self.labels.matches(served.with_metadata()) && self.fields_match(served)
    }

    fn fields_match(&self, served: &Served) -> bool {
        if self.fields.is_metadata() {
            self.fields.matches(served.with_metadata())
        } else {
            self.fields.matches(&served.object(&self.info))
        }
    }
}

impl Call<'_> {
    pub(super) fn filter(&self, options: &ListOptions) -> Result<Filter> {
        let mut fields = options.fields.clone();
        // `watch/…/name` follows one object.
        if self.path.watch_prefix
            && let Some(name) = &self.path.name
        {
            fields.require_name(name);
        }
        let namespace = self.path.namespace.as_deref();
        let prefix = match (fields.name(), self.info.scope, namespace) {
            // An object's own key: a prefix of few others, which the selector sorts out.
            (Some(name), Scope::Cluster, _) | (Some(name), Scope::Namespaced, Some(_))
                if !name.contains('/') =>
            {
                key(&self.info, namespace, name)
            }
            (_, _, Some(namespace)) => format!("{}{namespace}/", prefix(&self.info)),
            _ => prefix(&self.info),
        };
        Ok(Filter {
            prefix,
            is_everything: options.labels.is_everything() && fields.is_everything(),
            labels: options.labels.clone(),
            fields: fields.bind(&self.info)?,
            info: self.info.clone(),
        })
    }

    pub(super) async fn list(&self, options: &ListOptions) -> Result<Response<Body>> {
        let selection = self.select(options).await?;
        self.render_list(&selection)
    }

    pub(super) async fn select(&self, options: &ListOptions) -> Result<Selection> {
        let filter = self.filter(options)?;
        let storage = self.engine.storage();
        let tokens = self.engine.tokens();
        let failed = |error| self.storage_error("", error);
        let from = match &options.token {
            Some(token) => {
                if options.resource_version.is_some_and(|version| version > 0) {
                    return Err(ApiError::bad_request(
                        "specifying resource version is not allowed when using continue",
                    ));
                }
                Some(tokens.open(&filter.prefix, token)?)
            }
            None => None,
        };
        let revision = match (&from, options.resource_version, options.version_match) {
            (Some(position), _, _) => position.revision,
            (None, None | Some(0), _) => None,
            (None, Some(exact), Some(VersionMatch::Exact)) => Some(exact),
            // As upstream: a page size asks for a snapshot at that version.
            (None, Some(exact), None) if options.limit > 0 => Some(exact),
            (None, Some(least), _) => {
                let current = storage.revision().await.map_err(failed)?;
                if least > current {
                    return Err(ApiError::resource_version_too_large(least, current));
                }
                None
            }
        };
        let after = from.as_ref().map(|position| position.after.as_str());
        let request = ListRequest {
            prefix: &filter.prefix,
            after,
            limit: if filter.is_everything { options.limit } else { 0 },
            revision,
        };
        let page = match (storage.list(request).await, &from) {
            (Ok(page), _) => page,
            (Err(StorageError::Compacted { .. }), Some(position)) => {
                let inconsistent = Position {
                    revision: None,
                    after: position.after.clone(),
                };
                return Err(ApiError::expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a \
                     new list without the continue parameter, or use the continue token in this response to retrieve \
                     the remainder of the results. Continuing with the provided token results in an inconsistent list \
                     - objects that were created, modified, or deleted between the time the first chunk was returned \
                     and now may show up in the list.",
                )
                .with_continue(tokens.seal(&filter.prefix, &inconsistent)));
            }
            (Err(error), _) => return Err(failed(error)),
        };
        let mut objects = self.engine.all_served(&self.info, page.entries).await?;
        let (more, remaining) = if filter.is_everything {
            (
                page.remaining > 0,
                Some(page.remaining).filter(|remaining| *remaining > 0),
            )
        } else {
            objects.retain(|served| filter.matches(served));
            let more = options.limit > 0 && objects.len() > options.limit;
            if more {
                objects.truncate(options.limit);
            }
            (more, None)
        };
        let next = match objects.last() {
            Some(last) if more => Some(tokens.seal(
                &filter.prefix,
                &Position {
                    revision: Some(page.revision),
                    after: last.entry().key.to_string(),
                },
            )),
            _ => None,
        };
        Ok(Selection {
            objects,
            revision: page.revision,
            next,
            remaining,
        })
    }
}
