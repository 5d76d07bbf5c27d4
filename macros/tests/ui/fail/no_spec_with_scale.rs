use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", no_spec, status = "String",
    scale(spec_replicas_path = ".replicas", status_replicas_path = ".status.replicas")
)]
struct FooSpec {
    name: String,
}

fn main() {}
