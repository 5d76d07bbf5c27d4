use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", status = "String")]
#[kube(crates(
    kube = "::kubewright::kube",
    kube_core = "::kubewright::kube::core",
    k8s_openapi = "::kubewright::k8s_openapi",
    schemars = "::schemars",
    serde = "::serde",
    serde_json = "::serde",
    std = "::std"
))]
struct FooSpec {
    name: String,
}

mod private_paths {
    use super::*;
    use kubewright::kube as my_kube;

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "example.com", version = "v1", kind = "Bar")]
    #[kube(crates(kube = "my_kube", kube_core = "my_kube::core"))]
    pub struct BarSpec {}
}

fn main() {
    let _ = private_paths::Bar::new("a", private_paths::BarSpec {});
    use kubewright::kube::Resource;
    assert_eq!(Foo::kind(&()), "Foo");
}
