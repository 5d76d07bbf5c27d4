//! Clients whose scope and subresources are in the type.
//!
//! ```no_run
//! # use k8s_openapi::api::core::v1::{ConfigMap, Node};
//! # use kubewright::Client;
//! # async fn f(connection: kube::Client) -> Result<(), kubewright::client::ClientError> {
//! let maps = Client::<ConfigMap>::new(connection.clone());
//! let map = maps.namespace("default").get("kube-root-ca.crt").await?;
//! let all = maps.all_namespaces().list(&Default::default()).await?;
//! let nodes = Client::<Node>::new(connection).list(&Default::default()).await?; // no namespace to choose
//! # Ok(()) }
//! ```
//!
//! **Invariant:** a request that the server would answer with "no such resource" because of its scope or
//! subresource does not compile.

mod clientset;
mod error;
mod options;
mod place;
mod subresource;
mod verbs;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use crate::kind::Kind;
use options::Options;

pub use crate::scope::HasNamespaces;
pub use clientset::FromClient;
#[doc(hidden)]
pub use clientset::connect;
pub use error::{ClientError, ObjectRef, Operation};
pub use json_patch;
pub use kube::api::{DeleteParams, GetParams, ListParams, Preconditions, PropagationPolicy, WatchParams};
pub use kube::core::{ObjectList, WatchEvent};
pub use options::{FieldManager, FieldValidation};
pub use place::{AllNamespaces, HoldsLists, HoldsObjects, InNamespace, Place, Unplaced};
pub use subresource::{ScaleClient, StatusClient};
pub use verbs::{Answer, Deleted, Events};

/// Something that can lend a connection: `kube::Client` itself, or a derived clientset.
///
/// Factories and controllers take `&impl AsClient`, so a caller hands over whichever it has.
pub trait AsClient {
    /// The connection.
    fn as_client(&self) -> &kube::Client;
}

impl AsClient for kube::Client {
    fn as_client(&self) -> &kube::Client {
        self
    }
}

impl<T: AsClient + ?Sized> AsClient for &T {
    fn as_client(&self) -> &kube::Client {
        (**self).as_client()
    }
}

impl<K, P> AsClient for Client<K, P> {
    fn as_client(&self) -> &kube::Client {
        &self.connection
    }
}

/// The verbs of one kind.
///
/// A client of a namespaced kind begins without a namespace; [`namespace`](Self::namespace) or
/// [`all_namespaces`](Self::all_namespaces) says where its verbs act. A client of a cluster-scoped kind has its
/// verbs at once. Cloning is cheap: the connection is shared.
pub struct Client<K, P = Unplaced> {
    connection: kube::Client,
    place: P,
    options: Options,
    kind: PhantomData<fn() -> K>,
}

impl<K> Client<K> {
    /// A client on `connection`.
    // The bound stands here, not on the block: without it the compiler says that there is no `new`.
    pub fn new(connection: kube::Client) -> Self
    where
        K: Kind,
    {
        Self {
            connection,
            place: Unplaced,
            options: Options::default(),
            kind: PhantomData,
        }
    }

    /// A client on the cluster that the environment names: the kubeconfig, or the pod's service account.
    ///
    /// # Errors
    /// [`ClientError::Connect`] where there is no usable configuration.
    pub async fn try_default() -> Result<Self, ClientError>
    where
        K: Kind,
    {
        connect().await
    }
}

impl<K: Kind> Client<K> {
    /// The verbs in one namespace.
    pub fn namespace(&self, namespace: impl Into<String>) -> Client<K, InNamespace>
    where
        K::Scope: HasNamespaces,
    {
        self.at(InNamespace(namespace.into().into_boxed_str()))
    }

    /// The verbs in the namespace that the connection's configuration names, `default` where it names none.
    pub fn default_namespace(&self) -> Client<K, InNamespace>
    where
        K::Scope: HasNamespaces,
    {
        self.namespace(self.connection.default_namespace())
    }

    /// Lists and watches across all namespaces.
    pub fn all_namespaces(&self) -> Client<K, AllNamespaces>
    where
        K::Scope: HasNamespaces,
    {
        self.at(AllNamespaces)
    }

    fn at<P>(&self, place: P) -> Client<K, P> {
        Client {
            connection: self.connection.clone(),
            place,
            options: self.options.clone(),
            kind: PhantomData,
        }
    }
}

/// How requests are made. Each setting holds for every later one of the client.
impl<K, P> Client<K, P> {
    /// How long a request may go without a whole answer; of a watch, until it opens. Default 70 s, a little more than a server
    /// takes before it gives up itself.
    ///
    /// What has no answer by then fails with [`ClientError::Unanswered`], which is
    /// [retryable](ClientError::is_retryable). It is needed beside the connection's own timeouts: hyper's pool can
    /// leave a request waiting for ever whose connection broke before it was sent, as when a server restarts.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = limit;
        self
    }

    /// Writes in this name; the default is the program's user agent. Server-side apply names its own.
    #[must_use]
    pub fn field_manager(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.options.field_manager = Some(name.into());
        self
    }

    /// Asks the server to check writes and answer as if they were made, and to make none.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.options.dry_run = true;
        self
    }

    /// What becomes of unknown fields; the default is the server's, [`FieldValidation::Warn`].
    #[must_use]
    pub fn field_validation(mut self, mode: FieldValidation) -> Self {
        self.options.field_validation = Some(mode);
        self
    }
}

impl<K, P: Clone> Clone for Client<K, P> {
    fn clone(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            place: self.place.clone(),
            options: self.options.clone(),
            kind: PhantomData,
        }
    }
}

impl<K, P: fmt::Debug> fmt::Debug for Client<K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("kind", &std::any::type_name::<K>())
            .field("place", &self.place)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
