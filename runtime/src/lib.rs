//! Write Kubernetes operators in Rust: one derive, typed clients, caches, controllers.
//!
//! Annotate the type of a spec, and the kind exists: its objects, its CustomResourceDefinition with a schema that a
//! server accepts, clients whose scope and subresources are in the type. Informers, listers and controllers work on
//! it as on built-in kinds.
//!
//! ```no_run
//! use std::convert::Infallible;
//!
//! use kubewright::controller::{Action, Context};
//! use kubewright::k8s_openapi::api::apps::v1::Deployment;
//! use kubewright::kind::ObjectKey;
//! use kubewright::{Client, Clientset, Controller, CustomResource, InformerFactory, Reconciler};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// A Deployment by name, and how many replicas it shall have.
//! #[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
//! #[kube(group = "example.com", version = "v1", kind = "Foo", namespaced, status = "FooStatus")]
//! #[serde(rename_all = "camelCase")]
//! pub struct FooSpec {
//!     pub deployment_name: String,
//!     #[schemars(range(min = 1, max = 10))]
//!     pub replicas: i32,
//! }
//!
//! #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
//! #[serde(rename_all = "camelCase")]
//! pub struct FooStatus {
//!     pub available_replicas: i32,
//! }
//!
//! #[derive(Clientset)]
//! struct Clients {
//!     foos: Client<Foo>,
//! }
//!
//! struct FooReconciler;
//!
//! impl Reconciler for FooReconciler {
//!     type Object = Foo;
//!     type Error = Infallible;
//!
//!     async fn reconcile(&self, key: &ObjectKey, cx: &Context<Foo>) -> Result<Action, Infallible> {
//!         // Gone, or not yet there: nothing to do until it is.
//!         let Some(foo) = cx.lister().get(key) else { return Ok(Action::done()) };
//!         println!("{key} wants {} replicas", foo.spec.replicas);
//!         Ok(Action::done())
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let clients = Clients::try_default().await?;
//!     let spec = FooSpec { deployment_name: "a".into(), replicas: 3 };
//!     clients.foos().namespace("default").create(&Foo::new("a", spec)).await?;
//!
//!     let factory = InformerFactory::new(&clients);
//!     Controller::new(&factory, FooReconciler).owns::<Deployment>().run().await?;
//!     Ok(())
//! }
//! ```
//!
//! The derive's attributes are kube-derive's and some more; a project on kube-rs changes one `use` line. The types
//! are kube's and k8s-openapi's, both re-exported here so that their versions stay in step.
//!
//! # Features
//!
//! | feature | default | what it gives |
//! |---|---|---|
//! | `client` | yes | typed clients, caches, queues, controllers; without it: the derives, definitions, apply configurations |
//! | `build` | yes | `build`: definitions as files, for build scripts and tests |
//! | `rustls-tls` | yes | TLS by rustls with ring for kube's client |
//! | `latest` | yes | the newest Kubernetes version that k8s-openapi knows |
//! | `serve` | no | health and metrics over HTTP, by `manager::Manager` |
//! | `webhook` | no | `webhook`: a server of conversion and admission webhooks, with its certificates |
//! | `lock` | no | `lock`: a record of what was released, and what a new definition would break |
//! | `testing` | no | `testing`: property tests of a kind's conversions, by `conversion_tests!` |
//! | `cel` | no | `#[kube(cel)]`: validation in the client by a kind's CEL rules |
//!
//! For another Kubernetes version turn the default features off, and one of k8s-openapi's `v1_*` on. A build script
//! needs `build` and a version alone.
//!
//! # Where to go on
//!
//! - [`CustomResource`](derive@CustomResource): what stands in `#[kube(...)]`, and what is made.
//! - [`crd`]: definitions, versions merged, and what a server would say to them. [`build`]: the same as files.
//! - [`Convert`](derive@Convert): how a version follows from the one before; [`versions`]: all of them in one definition;
//!   [`convert`]: objects from one to the other. [`Defaults`](derive@Defaults): what fills absent values.
//! - [`client`]: verbs, places, errors; [`apply`]: server-side apply by what is set.
//! - [`cache`]: informers, listers, indexes. [`controller`]: reconcilers and their loop, with [`queue`], [`backoff`],
//!   [`events`] and [`metrics`] behind it; [`manager`]: several of them in a process, of whose replicas one leads. [`finalizer`], [`owner`] and [`conditions`] for what reconcilers do all day.
//! - `kubewright-apiserver`: a server in the process, for tests.
pub mod apply;
#[cfg(feature = "build")]
pub mod build;
mod builtin;
pub mod convert;
pub mod crd;
pub mod defaults;
mod endpoint;
pub mod kind;
mod pem;
pub mod rbac;
pub mod versions;

#[cfg(feature = "lock")]
pub mod lock;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private0;

#[cfg(feature = "client")]
#[doc(hidden)]
pub mod accept;
#[cfg(feature = "client")]
pub mod backoff;
#[cfg(feature = "client")]
pub mod cache;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod conditions;
#[cfg(feature = "client")]
pub mod controller;
#[cfg(feature = "client")]
mod discreet;
#[cfg(feature = "client")]
pub mod events;
#[cfg(feature = "client")]
pub mod finalizer;
#[cfg(feature = "client")]
mod guard;
#[cfg(doc)]
pub mod guide;
#[cfg(feature = "serve")]
mod http1;
#[cfg(feature = "client")]
#[doc(hidden)]
pub mod impatient;
#[cfg(feature = "client")]
pub mod manager;
#[cfg(feature = "client")]
pub mod metrics;
#[cfg(feature = "client")]
pub mod migrate;
#[cfg(feature = "client")]
pub mod owner;
#[cfg(feature = "client")]
pub mod queue;
mod scope;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use apply::Apply;
#[cfg(feature = "client")]
pub use cache::InformerFactory;
#[cfg(feature = "client")]
pub use client::{AsClient, Client};
#[cfg(feature = "client")]
pub use controller::{Controller, Reconciler};
pub use crd::KindInfo;
pub use defaults::Defaults;
pub use kube::core::crd::v1::CustomResourceExt;
#[cfg(feature = "client")]
pub use kubewright_macros::Clientset;
pub use kubewright_macros::{Apply, Convert, CustomResource, Defaults, KubeSchema, rbac};
#[cfg(feature = "webhook")]
pub use kubewright_macros::{webhook, webhook_configuration};

pub use k8s_openapi;
pub use kube;
pub use schemars;
