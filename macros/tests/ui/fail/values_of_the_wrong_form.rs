use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo",
    deprecated = true, scale, validation, crates = "x",
    schema(disabled), printcolumn(name = "A", typo = "date", type_ = "date", json_path = ".a")
)]
struct FooSpec {
    name: String,
}

fn main() {}
