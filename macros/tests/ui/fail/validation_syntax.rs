use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Foo",
    namespaced,
    validation = "self.spec.name = 'a'",
    validation = "size(self.spec.name > 0",
    validation = Rule::new("has(self.spec)").message(Message::Expression("'no ' + ".into()))
)]
struct FooSpec {
    name: String,
}

fn main() {}
