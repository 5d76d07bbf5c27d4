//! The guide. The same pages stand in the folder `docs` of the repository.
//!
//! 1. [A first controller](first_controller): from an empty package to a reconciled object, without a cluster
//! 2. [Kinds](kinds): what the derive makes, what it refuses, how a kube-derive project moves over
//! 3. [Schemas](schemas): what each Rust type is in a definition, null, defaults, rules, sizes
//! 4. [Markers](markers): kubebuilder's and code-generator's markers, and the attribute for each
//! 5. [Versions](versions): several versions of a kind, their conversion, webhook, storage and removal
//! 6. [Webhooks](webhooks): admission: handlers, when and where they are asked, defaults, installation, files
//! 7. [Clients](clients): verbs whose scope and subresources are in the type; clientsets; server-side apply; errors
//! 8. [Caches and controllers](controllers): informers, listers, indexes, the work queue, reconcilers, shutdown
//! 9. [Running it](running): several controllers in a process, leader election, health, shutdown
//! 10. [Manifests](manifests): CRDs from the build script, committed and checked
//! 11. [Rights](rbac): roles from what the code says and does, and tests that they are exactly those
//! 12. [Testing](testing): a Kubernetes API server inside the test
//! 13. [What the derive emits](expanded): the expanded example, piece by piece, with its size
//! 14. [Coming from kube-rs](from_kube_rs): where each thing of kube and kube-runtime is here
//! 15. [Coming from Go](from_go): where each thing of client-go and controller-runtime is here

#[doc = include_str!("../docs/first-controller.md")]
pub mod first_controller {}

#[doc = include_str!("../docs/kinds.md")]
pub mod kinds {}

#[doc = include_str!("../docs/schemas.md")]
pub mod schemas {}

#[doc = include_str!("../docs/markers.md")]
pub mod markers {}

#[doc = include_str!("../docs/versions.md")]
pub mod versions {}

#[doc = include_str!("../docs/webhooks.md")]
pub mod webhooks {}

#[doc = include_str!("../docs/clients.md")]
pub mod clients {}

#[doc = include_str!("../docs/controllers.md")]
pub mod controllers {}

#[doc = include_str!("../docs/running.md")]
pub mod running {}

#[doc = include_str!("../docs/manifests.md")]
pub mod manifests {}

#[doc = include_str!("../docs/rbac.md")]
pub mod rbac {}

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/expanded.md")]
pub mod expanded {}

#[doc = include_str!("../docs/from-kube-rs.md")]
pub mod from_kube_rs {}

#[doc = include_str!("../docs/from-go.md")]
pub mod from_go {}
