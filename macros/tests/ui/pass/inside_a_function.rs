fn main() {
    use kubewright::{CustomResource, CustomResourceExt};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "example.com", version = "v1", kind = "Foo")]
    struct FooSpec {}

    assert_eq!(Foo::crd_name(), "foos.example.com");
}
