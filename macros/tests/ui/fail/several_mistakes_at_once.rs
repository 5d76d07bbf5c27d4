use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example", version = "V1", kind = "Foo", shortnam = "f", scope = "Galaxy")]
struct FooSpec {
    name: String,
}

// The type is there all the same, so nothing else is reported.
fn main() {
    let _ = Foo::new("a", FooSpec { name: String::new() });
}
