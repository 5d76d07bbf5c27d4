use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! kind {
    ($kind:literal, $spec:ident, $status:path) => {
        #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
        #[kube(group = "example.com", version = "v1", kind = $kind, status = $status)]
        struct $spec {}
    };
}

kind!("Foo", FooSpec, std::string::String);
kind!("Bar", BarSpec, std::string::String);

fn main() {
    assert!(Foo::new("a", FooSpec {}).status.is_none());
    assert!(Bar::new("a", BarSpec {}).status.is_none());
}
