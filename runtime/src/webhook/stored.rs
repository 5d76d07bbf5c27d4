//! Which version each definition stores, kept known to the converters of its objects (VER-5, VER-20).
//!
//! **Invariant:** a converter counts a storage version as certain only while its definition is being watched and says so,
//! and not within [`SETTLE`] of a change.

use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, WatchEvent, WatchParams};
use tokio::time::{Instant, sleep, timeout_at};

use super::install::stored;
use crate::convert::{Converter, Converters};

/// How long after a change some API server may still store what it did before: each learns of it by a watch of its own.
const SETTLE: Duration = Duration::from_secs(60);
/// Before what failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Follows the definitions of all kinds, and never ends. Nothing is certain until they were seen, from the call on.
pub(super) fn follow(
    client: &kube::Client,
    converters: &Converters,
) -> impl Future<Output = ()> + Send + 'static {
    let each: Vec<_> = converters
        .iter()
        .map(|converter| {
            converter.doubt_stored();
            Follower {
                api: Api::all(client.clone()),
                name: converter.definition(),
                converter: converter.clone(),
                known: None,
                settles: None,
            }
            .run()
        })
        .collect();
    async {
        futures::future::join_all(each).await;
        std::future::pending().await
    }
}

struct Follower {
    api: Api<CustomResourceDefinition>,
    name: &'static str,
    converter: Converter,
    /// What the definition said last.
    known: Option<String>,
    /// Until when it may not yet be so everywhere.
    settles: Option<Instant>,
}

impl Follower {
    async fn run(mut self) {
        let mut last_failure = String::new();
        loop {
            match self.watch().await {
                Ok(()) => last_failure.clear(),
                Err(error) => {
                    self.converter.doubt_stored();
                    let text = error.to_string();
                    if text != last_failure {
                        let name = self.name;
                        tracing::error!(name, error = %text, "it is not known which version the definition stores");
                        last_failure = text;
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Looks, and then watches for as long as the server lets it.
    async fn watch(&mut self) -> Result<(), kube::Error> {
        let Some(definition) = self.api.get_opt(self.name).await? else {
            // Nothing is stored, and nothing converted.
            self.converter.doubt_stored();
            sleep(RETRY).await;
            return Ok(());
        };
        self.see(&definition);
        let version = definition.metadata.resource_version.unwrap_or_default();
        let params = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let mut changes = std::pin::pin!(self.api.watch(&params, &version).await?);
        loop {
            let change = match self.settles {
                None => changes.try_next().await,
                Some(at) => match timeout_at(at, changes.try_next()).await {
                    Ok(change) => change,
                    Err(_) => {
                        self.settles = None;
                        self.tell();
                        continue;
                    }
                },
            };
            match change? {
                Some(WatchEvent::Added(definition) | WatchEvent::Modified(definition)) => {
                    self.see(&definition);
                }
                Some(WatchEvent::Bookmark(_)) => {}
                Some(WatchEvent::Deleted(_)) => {
                    self.known = None;
                    return Ok(());
                }
                Some(WatchEvent::Error(status)) => {
                    // Too old a revision, as a rule: it is looked at anew.
                    tracing::debug!(?status, "the watch of a definition ended");
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    }

    /// Takes in what a definition says.
    fn see(&mut self, definition: &CustomResourceDefinition) {
        let Some(stored) = stored(definition) else { return };
        if self.known.as_deref().is_some_and(|known| known != stored) {
            tracing::info!(name = self.name, stored, "the definition stores another version");
            self.settles = Some(Instant::now() + SETTLE);
        }
        self.known = Some(stored.to_owned());
        self.tell();
    }

    fn tell(&self) {
        let Some(stored) = &self.known else { return };
        let told = self.converter.set_stored(stored);
        if told.is_err() || self.settles.is_some() {
            self.converter.doubt_stored();
        }
        if let Err(error) = told {
            tracing::error!(name = self.name, %error, "the definition stores a version that this program does not know");
        }
    }
}
