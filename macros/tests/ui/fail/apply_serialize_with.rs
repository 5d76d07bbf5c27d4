use kubewright::{Apply, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", apply)]
struct FooSpec {
    #[serde(serialize_with = "write")]
    name: String,
}

fn write<S: serde::Serializer>(_: &str, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str("")
}

#[derive(Apply, Clone, Debug, Serialize)]
#[serde(into = "String")]
struct Inner {
    #[apply(skipp)]
    a: String,
}

impl From<Inner> for String {
    fn from(inner: Inner) -> Self {
        inner.a
    }
}

fn main() {}
