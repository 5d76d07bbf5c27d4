//! Webhooks that the server calls: where they are, and who stands in for them.
//!
//! **Invariant:** a webhook is somebody else's code. Whatever it does, a call ends in time and leaves an error with a text.

pub(crate) mod client;
mod conversion;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;

use crate::conversion::{KindConverter, ObjectConverter};
use crate::registry::ConversionHook;
use client::Client;
use conversion::Webhook;
pub(crate) use conversion::{question, read_answer};

/// How many clients are kept; as upstream's cache.
const CLIENTS: usize = 200;

/// Where a webhook is: a `clientConfig` of a CRD or of a webhook configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    /// Its URL or service.
    pub place: Place,
    /// PEM of the authorities that its certificate is checked against; empty for those of the system.
    pub ca_bundle: Vec<u8>,
}

/// The URL or the service of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A URL.
    Url(String),
    /// A service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Path of the request.
        path: String,
        /// Port of the service.
        port: u16,
    },
}

impl ClientConfig {
    /// Reads one that has been validated.
    pub fn read(config: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let service = &config["service"];
        let place = if service.is_object() {
            Place::Service {
                namespace: text(&service["namespace"]),
                name: text(&service["name"]),
                path: text(&service["path"]),
                port: service["port"]
                    .as_u64()
                    .and_then(|port| port.try_into().ok())
                    .unwrap_or(443),
            }
        } else {
            Place::Url(text(&config["url"]))
        };
        let bundle = config["caBundle"].as_str().unwrap_or_default();
        let mut ca_bundle = base64::prelude::BASE64_STANDARD
            .decode(bundle)
            .unwrap_or_default();
        // As upstream: one of white space is none.
        if ca_bundle.iter().all(u8::is_ascii_whitespace) {
            ca_bundle.clear();
        }
        Self { place, ca_bundle }
    }
}

/// Answers requests for a webhook in the process, in place of the network.
pub trait HookHandler: Send + Sync + 'static {
    /// The answer to a request, which has the path and query that the webhook would get.
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'static, Response<Bytes>>;
}

impl<F, A> HookHandler for F
where
    F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Bytes>> + Send + 'static,
{
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'static, Response<Bytes>> {
        self(request).boxed()
    }
}

/// Where requests for a service or URL go.
#[derive(Clone)]
pub(crate) enum Destination {
    /// To this address, with TLS and the name of what was asked for.
    Address(SocketAddr),
    /// To a function.
    Handler(Arc<dyn HookHandler>),
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Handler(_) => f.write_str("a handler"),
        }
    }
}

/// All that the server knows about webhooks beyond what their configurations say.
///
/// Nothing resolves the names of services here, so each needs an address or somebody in the process.
#[derive(Default)]
pub struct Hooks {
    /// By group and kind.
    converters: RwLock<HashMap<(String, String), Arc<dyn ObjectConverter>>>,
    /// By namespace and name.
    services: RwLock<HashMap<(String, String), Destination>>,
    urls: RwLock<HashMap<String, Arc<dyn HookHandler>>>,
    clients: Mutex<HashMap<ClientConfig, Arc<Client>>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("services", &*self.services.read())
            .finish_non_exhaustive()
    }
}

/// The same who stand in; each server has its own connections.
impl Clone for Hooks {
    fn clone(&self) -> Self {
        Self {
            converters: RwLock::new(self.converters.read().clone()),
            services: RwLock::new(self.services.read().clone()),
            urls: RwLock::new(self.urls.read().clone()),
            clients: Mutex::default(),
        }
    }
}

impl Hooks {
    /// Converts the objects of a kind in the process, where its CRD says `strategy: Webhook`. What was converted before stays as
    /// it is.
    pub fn set_converter(&self, converter: impl Into<KindConverter>) {
        let KindConverter {
            group,
            kind,
            converter,
        } = converter.into();
        self.converters.write().insert((group, kind), converter);
    }

    /// Sends requests for a service, whatever its port, to an address.
    pub fn set_service_address(&self, namespace: &str, name: &str, address: SocketAddr) {
        self.set_service(namespace, name, Destination::Address(address));
    }

    /// Answers requests for a service in the process.
    pub fn set_service_handler(&self, namespace: &str, name: &str, handler: Arc<dyn HookHandler>) {
        self.set_service(namespace, name, Destination::Handler(handler));
    }

    fn set_service(&self, namespace: &str, name: &str, destination: Destination) {
        self.services
            .write()
            .insert((namespace.to_owned(), name.to_owned()), destination);
        // Their connections lead to the place before.
        self.clients.lock().clear();
    }

    /// Answers requests for exactly this URL in the process.
    pub fn set_url_handler(&self, url: &str, handler: Arc<dyn HookHandler>) {
        self.urls.write().insert(url.to_owned(), handler);
        self.clients.lock().clear();
    }

    fn destination(&self, place: &Place) -> Option<Destination> {
        match place {
            Place::Url(url) => self.urls.read().get(url).cloned().map(Destination::Handler),
            Place::Service { namespace, name, .. } => {
                let key = (namespace.clone(), name.clone());
                self.services.read().get(&key).cloned()
            }
        }
    }

    /// The client for a webhook, made once.
    pub(crate) fn client(&self, config: &ClientConfig) -> Arc<Client> {
        let mut clients = self.clients.lock();
        if let Some(client) = clients.get(config) {
            return client.clone();
        }
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        let client = Arc::new(Client::new(config, self.destination(&config.place)));
        clients.insert(config.clone(), client.clone());
        client
    }

    /// Who converts the objects of a kind whose CRD names `hook` and stores `stored`.
    pub(crate) fn converter(
        &self,
        group: &str,
        kind: &str,
        hook: &ConversionHook,
        stored: &str,
    ) -> Arc<dyn ObjectConverter> {
        let key = (group.to_owned(), kind.to_owned());
        if let Some(converter) = self.converters.read().get(&key) {
            return converter.stored_at(stored).unwrap_or_else(|| converter.clone());
        }
        Arc::new(Webhook {
            client: self.client(&hook.client),
            review_versions: hook.review_versions.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn api_75_client_configurations() {
        let service = ClientConfig::read(&json!({
            "service": {"namespace": "a", "name": "b", "path": "/c"}, "caBundle": "Cg==",
        }));
        assert!(service.ca_bundle.is_empty(), "white space");
        let Place::Service { port, path, .. } = &service.place else {
            panic!("a service")
        };
        assert_eq!((*port, path.as_str()), (443, "/c"));
        let url = ClientConfig::read(&json!({"url": "https://a/b", "caBundle": "YQ=="}));
        assert_eq!(url.place, Place::Url("https://a/b".into()));
        assert_eq!(url.ca_bundle, b"a");
    }
}
