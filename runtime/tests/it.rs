//! Integration tests of the crate, in one binary.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "derived kinds are public; a test ends where a step fails"
)]

#[path = "it/build.rs"]
mod build;
#[path = "it/cache.rs"]
mod cache;
#[path = "it/client.rs"]
mod client;
#[path = "it/controller.rs"]
mod controller;
#[path = "it/convert.rs"]
mod convert;
#[path = "it/defaults.rs"]
mod defaults;
#[path = "it/derive.rs"]
mod derive;
#[path = "it/differential.rs"]
mod differential;
#[path = "it/dynamic.rs"]
mod dynamic;
#[path = "it/events.rs"]
mod events;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/finalizer.rs"]
mod finalizer;
#[path = "it/golden.rs"]
mod golden;
#[path = "it/informer.rs"]
mod informer;
#[path = "it/kinds.rs"]
mod kinds;
#[path = "it/kube_schema.rs"]
mod kube_schema;
#[path = "it/rbac.rs"]
mod rbac;
#[path = "it/rook.rs"]
mod rook;
#[cfg(unix)]
#[path = "it/signals.rs"]
mod signals;
#[path = "it/stored.rs"]
mod stored;
#[path = "it/tfjob.rs"]
mod tfjob;
#[path = "it/twins.rs"]
mod twins;
#[path = "it/versions.rs"]
mod versions;
#[path = "it/virtual_time.rs"]
mod virtual_time;
#[cfg(feature = "webhook")]
#[path = "it/webhook.rs"]
mod webhook;
