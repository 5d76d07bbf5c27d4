use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct Unit;

#[derive(KubeSchema, Serialize, Deserialize)]
struct Pair(i32, i32);

fn main() {}
