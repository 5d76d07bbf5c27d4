//! A spec is any type with a JSON form.
use kubewright::{Apply, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Newtype", apply)]
struct NewtypeSpec(Inner);

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Unit", apply)]
struct UnitSpec;

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Choice", apply)]
enum ChoiceSpec {
    One { size: u32 },
    Two(Inner),
}

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Defaulted")]
struct DefaultedSpec<T = String> {
    name: T,
}

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Flat", no_spec)]
struct FlatFields {
    // Only a written name can be taken by the object's own.
    #[serde(rename = "type")]
    kind: String,
    api_version: String,
}

#[derive(Apply, Serialize, Deserialize, Clone, Debug, JsonSchema)]
struct Inner {
    name: String,
}

fn main() {
    let inner = Inner { name: "n".to_owned() };
    let _ = Unit::new("a", UnitSpec);
    let _ = Newtype::new("a", NewtypeSpec(inner.clone()));
    let _ = NewtypeApply::new("a").spec(NewtypeSpec(inner.clone()));
    let _ = ChoiceApply::new("a").spec(ChoiceSpec::Two(inner)).spec(ChoiceSpec::One { size: 1 });
    let _ = Defaulted::new("a", DefaultedSpec { name: "n".to_owned() });
    let _ = Flat::new("a", FlatFields { kind: "k".to_owned(), api_version: "v".to_owned() });
}
