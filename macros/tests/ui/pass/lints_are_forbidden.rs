#![forbid(unused, missing_docs)]
//! A crate that forbids lints takes no `#[allow(..)]` from a derive: what is printed has no need of one.
use kubewright::{Apply, Client, Clientset, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A spec.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", status = "FooStatus", apply)]
#[kube(validation = "true", derive = "Default")]
#[kube(crates(kube = ::kubewright::kube, serde_json = "::serde"))]
#[derive(Default)]
pub struct FooSpec {
    /// Name.
    pub name: String,
    hidden: Option<String>,
}

/// A status.
#[derive(Apply, Serialize, Deserialize, Clone, Debug, JsonSchema)]
pub struct FooStatus {
    /// Ready.
    pub ready: bool,
}

#[derive(Clientset)]
struct Clients {
    foos: Client<Foo>,
    others: Client<Foo>,
}

fn main() {
    let _ = |clients: &Clients| clients.foos().clone();
}
