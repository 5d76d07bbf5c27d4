use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", scope = "Cluster")]
struct FooSpec {
    name: String,
}

fn main() {
    let foo = Foo::new("a", FooSpec { name: "n".into() });
    assert_eq!(foo.spec.name, "n");
}
