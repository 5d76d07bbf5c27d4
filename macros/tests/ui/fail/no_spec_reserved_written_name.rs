use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(group = "example.com", version = "v1", kind = "Foo", status = "String", no_spec)]
struct FooSpec {
    api_version: String,
    #[serde(rename = "status")]
    state: String,
    #[serde(rename = "type")]
    kind: String,
}

fn main() {}
