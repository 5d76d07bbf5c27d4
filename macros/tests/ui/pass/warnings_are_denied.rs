#![deny(warnings, missing_docs, unreachable_pub, missing_debug_implementations, unused_qualifications)]
#![deny(rust_2018_idioms, let_underscore, nonstandard_style, future_incompatible, unused)]
//! What the derives print raises no warning of its own.
use kubewright::{Apply, Client, Clientset, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A spec.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", status = "FooStatus", apply, validation = "true")]
pub(crate) struct FooSpec {
    /// Name.
    pub(crate) name: String,
}

/// A status.
#[derive(Apply, Serialize, Deserialize, Clone, Debug, JsonSchema)]
pub(crate) struct FooStatus {
    /// Ready.
    pub(crate) ready: Mode,
}

/// A mode.
#[derive(Apply, Serialize, Deserialize, Clone, Debug, JsonSchema)]
pub(crate) enum Mode {
    /// On.
    On,
}

/// Clients.
#[derive(Clientset, Debug)]
pub(crate) struct Clients {
    foos: Client<Foo>,
}

fn main() {
    let _clients: Option<Clients> = None;
    let foo = Foo::new("a", FooSpec { name: String::new() });
    assert!(matches!(foo.status, None | Some(FooStatus { ready: Mode::On })));
    assert!(foo.metadata.name.is_some() && foo.spec.name.is_empty());
}
