use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    /// How many.
    /// +kubebuilder:validation:Minimum=1
    a: i32,
    /// +optional
    b: String,
}

fn main() {}
