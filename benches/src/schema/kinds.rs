//! A hundred kinds, each of its own types.

use kubewright::crd::DefinitionError;
use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

pub(super) type Define = fn() -> Result<CustomResourceDefinition, DefinitionError>;

macro_rules! kinds {
    ($($name:ident $kind:literal),*) => {
        $(mod $name {
            use std::collections::BTreeMap;

            use kubewright::CustomResource;
            use schemars::JsonSchema;
            use serde::{Deserialize, Serialize};

            /// What is wanted.
            #[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
            #[kube(group = "bench.example.com", version = "v1", kind = $kind, root = "Root", namespaced, status = "Status",
                printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas"),
                printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"))]
            #[serde(rename_all = "camelCase")]
            pub(crate) struct Spec {
                /// Name of what is driven.
                #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9-]+$"))]
                pub target_name: String,
                /// How many.
                #[schemars(range(min = 0, max = 100))]
                pub replicas: Option<i32>,
                /// Labels of each.
                #[serde(default)]
                pub labels: BTreeMap<String, String>,
                /// Arguments.
                #[serde(default)]
                pub args: Vec<String>,
                /// Whether it stands still.
                #[serde(default)]
                pub paused: bool,
                /// Where it goes.
                pub placement: Vec<Placement>,
                /// How it is changed.
                pub strategy: Strategy,
                /// Seconds until it counts as failed.
                pub timeout_seconds: Option<i64>,
            }

            /// Where it goes.
            #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
            #[serde(rename_all = "camelCase")]
            pub(crate) struct Placement {
                /// Zone.
                pub zone: String,
                /// Weight.
                pub weight: Option<i32>,
            }

            /// How it is changed.
            #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
            pub(crate) enum Strategy {
                /// All at once.
                Recreate,
                /// One by one.
                Rolling,
            }

            /// What is seen.
            #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
            #[serde(rename_all = "camelCase")]
            pub(crate) struct Status {
                /// How many are there.
                pub available_replicas: i32,
                /// Where it stands.
                pub phase: Option<String>,
            }
        })*

        pub(super) const DEFINITIONS: &[Define] = &[$(kubewright::crd::of::<$name::Root>),*];
    };
}

kinds! {
    k0 "Kind0", k1 "Kind1", k2 "Kind2", k3 "Kind3", k4 "Kind4", k5 "Kind5", k6 "Kind6", k7 "Kind7", k8
    "Kind8", k9 "Kind9", k10 "Kind10", k11 "Kind11", k12 "Kind12", k13 "Kind13", k14 "Kind14", k15
    "Kind15", k16 "Kind16", k17 "Kind17", k18 "Kind18", k19 "Kind19", k20 "Kind20", k21 "Kind21", k22
    "Kind22", k23 "Kind23", k24 "Kind24", k25 "Kind25", k26 "Kind26", k27 "Kind27", k28 "Kind28", k29
    "Kind29", k30 "Kind30", k31 "Kind31", k32 "Kind32", k33 "Kind33", k34 "Kind34", k35 "Kind35", k36
    "Kind36", k37 "Kind37", k38 "Kind38", k39 "Kind39", k40 "Kind40", k41 "Kind41", k42 "Kind42", k43
    "Kind43", k44 "Kind44", k45 "Kind45", k46 "Kind46", k47 "Kind47", k48 "Kind48", k49 "Kind49", k50
    "Kind50", k51 "Kind51", k52 "Kind52", k53 "Kind53", k54 "Kind54", k55 "Kind55", k56 "Kind56", k57
    "Kind57", k58 "Kind58", k59 "Kind59", k60 "Kind60", k61 "Kind61", k62 "Kind62", k63 "Kind63", k64
    "Kind64", k65 "Kind65", k66 "Kind66", k67 "Kind67", k68 "Kind68", k69 "Kind69", k70 "Kind70", k71
    "Kind71", k72 "Kind72", k73 "Kind73", k74 "Kind74", k75 "Kind75", k76 "Kind76", k77 "Kind77", k78
    "Kind78", k79 "Kind79", k80 "Kind80", k81 "Kind81", k82 "Kind82", k83 "Kind83", k84 "Kind84", k85
    "Kind85", k86 "Kind86", k87 "Kind87", k88 "Kind88", k89 "Kind89", k90 "Kind90", k91 "Kind91", k92
    "Kind92", k93 "Kind93", k94 "Kind94", k95 "Kind95", k96 "Kind96", k97 "Kind97", k98 "Kind98", k99
    "Kind99"
}
