use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Foo",
    printcolumn(name = "A", type_ = "integer", json_path = ".spec.a["),
    printcolumn(name = "B", type_ = "integer", json_path = "spec.b")
)]
struct FooSpec {
    a: Vec<i32>,
    b: i32,
}

fn main() {}
