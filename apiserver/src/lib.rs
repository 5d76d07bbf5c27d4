//! A Kubernetes API server as a library.
//!
//! [`DevServer`] is a control plane inside a process, for tests and for work without a cluster. It keeps everything in
//! memory, starts in milliseconds and fetches nothing. Clients are built on it without a socket, or it listens, with
//! TLS of its own ([`Listen`]). What it serves are built-in kinds and whatever CRDs are installed, with schemas,
//! validation, pruning and defaults, subresources, watches with history and bookmarks, paging, tables, discovery and
//! OpenAPI. Deleted namespaces are emptied and dependents of deleted owners collected. kubectl works with it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::Api;
//! use kubewright_apiserver::{DevServer, Matcher};
//!
//! let server = DevServer::start().await?;
//! server.apply_yaml("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {color: red}}").await?;
//! server
//!     .install_crds(["
//! apiVersion: apiextensions.k8s.io/v1
//! kind: CustomResourceDefinition
//! metadata: {name: foos.example.com}
//! spec:
//!   group: example.com
//!   scope: Namespaced
//!   names: {plural: foos, kind: Foo}
//!   versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
//! "])
//!     .await?;
//!
//! // Any client will do; this one has no socket between.
//! let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
//! assert_eq!(maps.get("a").await?.data.unwrap_or_default()["color"], "red");
//!
//! // What goes wrong in a cluster once a month goes wrong here on demand.
//! let conflict = kube::core::Status::failure("try again", "Conflict").with_code(409);
//! server.fail_next(Matcher::any().verb("get").resource("configmaps"), conflict);
//! assert!(maps.get("a").await.is_err());
//! assert_eq!(maps.get("a").await?.metadata.name.as_deref(), Some("a"));
//! # Ok(()) }
//! ```
//!
//! # What a test can do to it
//!
//! | Control | Effect |
//! |---|---|
//! | [`compact`](DevServer::compact) | history up to now expires: older watches and pages get 410 |
//! | [`advance`](DevServer::advance) | the server's clock jumps: timestamps, TTLs, bookmarks, ends of watches |
//! | [`fail_next`](DevServer::fail_next) | the next request that a [`Matcher`] is about fails so |
//! | [`delay`](DevServer::delay) | requests that a [`Matcher`] is about wait |
//! | [`react`](DevServer::react) | a function answers or fails requests that a [`Matcher`] is about |
//! | [`chaos`](DevServer::chaos) | connections break, stall and overtake each other at random, by a seed |
//! | [`drop_watches`](DevServer::drop_watches) | connections of running watches are cut |
//! | [`become_unavailable`](DevServer::become_unavailable) | requests get 503, watches go on |
//! | [`go_down`](DevServer::go_down), [`restart`](DevServer::restart) | everything is cut; what is stored stays |
//! | [`request_log`](DevServer::request_log), [`writes`](DevServer::writes) | what was asked and sent, by whom, and how it was answered |
//!
//! None of them needs a change in the code under test. Dropping the server ends its tasks, watches and port.
//!
//! # Webhooks
//!
//! Conversion and admission webhooks are called as configured, over TLS. Nothing resolves names of services here, so a service is
//! mapped to an address ([`dev::Builder::service`]), or a function answers in its place, without TLS
//! ([`dev::Builder::service_handler`], [`dev::Builder::url_handler`]). A conversion can be a closure
//! ([`dev::Builder::converter`]). What webhooks left for the audit log stands in [`LoggedRequest::annotations`].
//!
//! # The parts
//!
//! [`engine`] takes a request to its answer as a `tower::Service`, which is all that [`DevServer::engine`] is. It looks
//! up what is served in [`registry`], keeps objects in a [`storage`] and carries verbs out in [`rest`]. [`crd`] turns
//! CRDs into entries of the registry; [`discovery`], [`openapi`] and [`health`] answer the paths that are no resource;
//! [`dev`] puts all of it together. [`webhook`] calls what others run, [`conversion`] what becomes of their objects.
//!
//! # Differences from upstream
//!
//! Upstream is kube-apiserver of the version that `/version` tells. Where nothing is said here, a difference in what
//! a client sees is a defect.
//!
//! On purpose:
//! - An object of more than 1.5 MiB is refused with 413, whatever keeps it; upstream passes on etcd's text with 500.
//! - `resourceVersion` on create is 400; upstream answers 500.
//! - A `resourceVersion` that is no number is 400 on a watch too.
//! - The namespace lifecycle and the garbage collector, which are kube-controller-manager's, run in the server; the
//!   latter can be left out ([`dev::Builder::without_garbage_collection`]).
//! - Objects that own each other and block each other's deletion always end. Upstream takes `blockOwnerDeletion` from
//!   their references where it notices the cycle, and waits for ever where all of them are already being deleted.
//! - A CRD of a built-in kind's group and plural does not get its names; upstream lets it shadow the kind.
//! - Objects and patches nest at most 120 levels deep, YAML 64.
//! - A repeated key in what is applied is named by its field; upstream names the line.
//! - Who owns fields at a version that a CRD does not serve any more is dropped at the next write. Where the CRD does not
//!   even have the version, upstream forgets all owners of the object, and answers an apply with 500.
//! - The scale of a custom resource can be applied; upstream answers 500.
//! - The answer to the write that removes the last finalizer of a deleting object shows the version of the removal.
//! - Objects of a list that a conversion webhook is needed for go to it in one request, and each object once for each
//!   version that is read; upstream asks for each object, when its caches are filled.
//! - Services of webhooks are mapped to addresses ([`dev::Builder::service`]); an unmapped one fails the call.
//! - Where several validating webhooks deny a request, the first by the order of their configurations is told; upstream
//!   tells the one that answered first.
//! - A float without a fraction is an integer from the start; to upstream's `matchConditions` it is a double until it was stored.
//! - A conversion webhook has 60 seconds; upstream's has no limit but the request's.
//! - A connection whose client takes nothing for a minute is closed.
//! - After [`DevServer::stop`] new requests are cut rather than answered with 503.
//! - TLS is 1.2 or newer, with rustls' suites.
//!
//! Not there yet, and refused where a client could be misled:
//! - Strategic merge patches: 415.
//! - Protobuf and CBOR: a body is 415, an `Accept` that names nothing else 406.
//! - Subresources other than `status`, `scale` and `namespaces/finalize`, such as `eviction`, `binding`, `log`, `exec`
//!   and `token`: 404.
//! - Built-in kinds other than those of the core group, `apps`, `batch`, `coordination.k8s.io`, `events.k8s.io` and
//!   `apiextensions.k8s.io`, `rbac.authorization.k8s.io`, and webhook configurations: 404. So admission policies, storage,
//!   networking and policy kinds cannot be stored, and nobody can ask by `SelfSubjectAccessReview` what is allowed.
//!
//! Not there yet, and passed over:
//! - Nobody is refused anything unless [`dev::Builder::rbac`] is set, and `Impersonate-*` headers are not read. Bad credentials
//!   are refused over sockets; who shows none at an open port is `system:anonymous`. The `authorizer` of `matchConditions` allows
//!   everything to everybody.
//! - With RBAC: of the roles that a cluster begins with, those of the administrator and of everybody are there
//!   (`cluster-admin`, `system:discovery`, `system:basic-user`, `system:public-info-viewer`); `aggregationRule`s are stored and not
//!   filled. Whoever may write roles may write any: `escalate` and `bind` are not asked about. A `roleRef` can be changed.
//! - Webhooks are never asked about `CONNECT`: nothing that is served can be connected to. Rules that name the operation are
//!   stored as they are.
//! - No admission but that of the namespaces' lifecycle and webhooks: no policies, no ServiceAccount of Pods, quota or
//!   limit ranges. What the server does itself, such as emptying a namespace, passes by webhooks. A namespace gets neither a `default` ServiceAccount nor `kube-root-ca.crt`.
//! - Built-in kinds get no defaults but those of Namespaces and Secrets, Services no addresses, Jobs no selector; of
//!   their rules those on metadata, selectors of workloads, immutable ConfigMaps and Secrets are checked.
//! - Owners are noted for the fields that a client sends, so the defaults of built-in kinds have none. Times that Go's
//!   types always write (`lastTransitionTime`) belong to who first sends them. What the server writes for itself, such as
//!   conditions of CRDs, has no owner until somebody applies to the object.
//! - Pods are deleted at once: grace periods have no effect. Nothing schedules or runs them.
//! - Answers are not compressed; requests in flight are not limited; watches do not speak WebSocket; there is one
//!   deadline of 60 seconds, watches apart, and no shorter one for writes. There are no metrics and no audit log.
//! - A namespaced owner of a cluster-scoped object is ignored, as upstream does, without its warning Event.

mod admission;
mod authorization;
pub mod clock;
#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod conformance;
pub mod conversion;
pub mod crd;
pub mod dev;
pub mod discovery;
pub mod engine;
mod garbage;
pub mod health;
mod namespace;
pub mod negotiate;
pub mod openapi;
pub mod registry;
pub mod rest;
pub mod status;
pub mod storage;
pub mod table;
mod tasks;
pub mod version;
pub mod webhook;

pub use dev::{Chaos, CrdSource, DevServer, Listen, LoggedRequest, Matcher};
