//! A kind that servers are asked for.

use kubewright::{Apply, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(
    group = "test.kubewright.dev",
    version = "v1",
    kind = "Gadget",
    namespaced,
    status = "GadgetStatus",
    scale(spec_replicas_path = ".spec.replicas", status_replicas_path = ".status.ready"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas", format = "int32"),
    selectable = "spec.colour",
    shortnames("gd", "gdg"),
    category = "all",
    annotation("example.com/a", "b"),
    label("app", "gadgets"),
    doc = "A gadget.",
    validation = Rule::new("self.spec.replicas < 100").message("too many"),
    apply
)]
pub struct GadgetSpec {
    /// Wanted number.
    #[schemars(range(min = 1, max = 10))]
    pub replicas: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
}

#[derive(Apply, Serialize, Deserialize, Clone, Debug, JsonSchema)]
pub struct GadgetStatus {
    pub ready: i32,
}
