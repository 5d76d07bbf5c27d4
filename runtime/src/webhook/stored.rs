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
                settle: SETTLE,
            }
            .run()
        })
        .collect();
    async {
        futures::future::join_all(each).await;
        std::future::pending::<()>().await;
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
    /// How long a change takes to be so.
    settle: Duration,
}

impl Follower {
    async fn run(mut self) {
        let mut last_failure = String::new();
        loop {
            let begun = Instant::now();
            match self.watch().await {
                Ok(()) => {
                    last_failure.clear();
                    // Who ends each watch at once is not asked without a pause.
                    if begun.elapsed() < RETRY {
                        sleep(RETRY).await;
                    }
                }
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

    /// Watches for as long as the server lets it, beginning with what it says at that moment.
    async fn watch(&mut self) -> Result<(), kube::Error> {
        let params = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let mut changes = std::pin::pin!(self.api.watch(&params, "").await?);
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
                // Its objects are gone, and may be stored otherwise when it comes again.
                Some(WatchEvent::Deleted(_)) => {
                    self.known = None;
                    self.settles = None;
                    self.converter.doubt_stored();
                }
                Some(WatchEvent::Error(status)) => return Err(kube::Error::Api(status)),
                None => return Ok(()),
            }
        }
    }

    /// Takes in what a definition says.
    fn see(&mut self, definition: &CustomResourceDefinition) {
        let Some(stored) = stored(definition) else { return };
        if self.known.as_deref().is_some_and(|known| known != stored) {
            tracing::info!(name = self.name, stored, "the definition stores another version");
            self.settles = Some(Instant::now() + self.settle);
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

#[cfg(test)]
mod tests {
    use kube::api::{Patch, PatchParams};
    use kubewright_apiserver::DevServer;
    use serde_json::{Value, json};

    use super::*;
    use crate::convert::tests::kinds::V1;

    /// A definition that stores one of the versions.
    fn definition(served: [&str; 2], stored: &str) -> Value {
        let versions = served.map(|name| {
            let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
            json!({"name": name, "served": true, "storage": name == stored, "schema": {"openAPIV3Schema": open}})
        });
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "sites.web.example.com"},
            "spec": {
                "group": "web.example.com", "scope": "Namespaced", "versions": versions,
                "names": {"kind": "Site", "plural": "sites"},
            },
        })
    }

    async fn apply(server: &DevServer, definition: &Value) {
        let api: Api<CustomResourceDefinition> = Api::all(server.client());
        let params = PatchParams::apply("test").force();
        let name = "sites.web.example.com";
        api.patch(name, &params, &Patch::Apply(definition)).await.unwrap();
    }

    async fn until(what: &str, converter: &Converter, wanted: (&str, bool)) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while (converter.storage(), converter.is_certain()) != wanted {
            assert!(Instant::now() < deadline, "{what}: {converter:?}");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn ver_20_the_definition_is_followed() {
        let server = DevServer::start().await.unwrap();
        let converter = Converter::of_link(&V1);
        let served = ["v1", "v1alpha1"];
        apply(&server, &definition(served, "v1alpha1")).await;
        let following = follow(&server.client(), &Converters::new().with(converter.clone()));
        assert_eq!(
            (converter.storage(), converter.is_certain()),
            ("v1", false),
            "not seen yet"
        );
        let following = tokio::spawn(following);
        until("seen", &converter, ("v1alpha1", true)).await;
        apply(&server, &definition(served, "v1")).await;
        until("moved, but perhaps not for all", &converter, ("v1", false)).await;
        assert!(!following.is_finished());
        following.abort();
    }

    #[tokio::test]
    async fn ver_20_a_change_settles() {
        let server = DevServer::start().await.unwrap();
        let converter = Converter::of_link(&V1);
        let served = ["v1", "v1alpha1"];
        apply(&server, &definition(served, "v1alpha1")).await;
        let follower = Follower {
            api: Api::all(server.client()),
            name: converter.definition(),
            converter: converter.clone(),
            known: None,
            settles: None,
            settle: Duration::from_millis(50),
        };
        let following = tokio::spawn(follower.run());
        until("seen", &converter, ("v1alpha1", true)).await;
        apply(&server, &definition(served, "v1")).await;
        until("settled", &converter, ("v1", true)).await;
        // While it cannot be watched, nothing is certain.
        server.go_down();
        until("gone", &converter, ("v1", false)).await;
        following.abort();
    }

    #[tokio::test]
    async fn ver_20_what_is_told_is_certain_only_where_it_can_be() {
        let converter = Converter::of_link(&V1);
        let server = DevServer::start().await.unwrap();
        let mut follower = Follower {
            api: Api::all(server.client()),
            name: converter.definition(),
            converter: converter.clone(),
            known: Some("v1alpha1".to_owned()),
            settles: Some(Instant::now() + SETTLE),
            settle: SETTLE,
        };
        let unknown = serde_json::from_value(definition(["v1", "v9"], "v9")).unwrap();
        let stored = |version: &str| serde_json::from_value(definition(["v1", "v1alpha1"], version)).unwrap();
        follower.see(&stored("v1alpha1"));
        assert_eq!(
            (converter.storage(), converter.is_certain()),
            ("v1alpha1", false),
            "another look does not settle a change"
        );
        follower.settles = None;
        follower.see(&stored("v1alpha1"));
        assert_eq!((converter.storage(), converter.is_certain()), ("v1alpha1", true));
        follower.see(&unknown);
        follower.settles = None;
        follower.tell();
        assert_eq!(
            (converter.storage(), converter.is_certain()),
            ("v1alpha1", false),
            "the program does not know this one"
        );
    }
}
