//! Names of fields that mean something else elsewhere, and fields that others do not see.
use api::inner::{FooApply, FooSpecApply};
use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod api {
    pub mod inner {
        use super::super::*;

        #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
        #[kube(group = "example.com", version = "v1", kind = "Foo", apply)]
        pub struct FooSpec {
            pub r#type: String,
            pub default: Option<String>,
            pub clone: u8,
            pub new: bool,
            pub value: u8,
            pub(in crate::api) shared: u8,
            hidden: u8,
        }

        pub fn hidden(spec: FooSpecApply) -> FooSpecApply {
            spec.hidden(1)
        }
    }

    pub fn shared(spec: inner::FooSpecApply) -> inner::FooSpecApply {
        inner::hidden(spec).shared(2)
    }
}

fn main() {
    // `default` and `clone` are still the traits' own.
    let spec = FooSpecApply::default().r#type("t").set_default("d").set_clone(1).new(true).value(3);
    let foo = FooApply::new("a").spec(api::shared(spec.clone()));
    let written = serde_json::to_value(&foo).unwrap()["spec"].clone();
    let wanted = serde_json::json!({
        "type": "t", "default": "d", "clone": 1, "new": true, "value": 3, "shared": 2, "hidden": 1,
    });
    assert_eq!(written, wanted);
}
