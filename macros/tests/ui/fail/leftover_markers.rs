use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
/// A foo.
/// +kubebuilder:resource:path=foos,scope=Cluster
/// +genclient
#[kube(group = "example.com", version = "v1", kind = "Foo", noVerbs, struct = "Foo", XIntOrString)]
struct FooSpec {
    /// +kubebuilder:validation:Minimum=1
    /// +optional
    name: String,
    /// +listType=map adds up
    items: Vec<String>,
}

fn main() {}
