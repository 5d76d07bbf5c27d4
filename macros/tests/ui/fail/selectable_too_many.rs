use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", selectable = ".a", selectable = ".b", selectable = ".c",
    selectable = ".d", selectable = ".e", selectable = ".f", selectable = ".g", selectable = ".h", selectable = ".i")]
struct FooSpec {
    name: String,
}

fn main() {}
