use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
#[kube(validation = "self.min_size <= self.maxSize")]
#[kube(validation = Rule::new("has(self.host__dash__name) || oldSelf.maxSise > 1").message("no"))]
#[serde(rename_all = "camelCase")]
struct S {
    min_size: i32,
    max_size: i32,
    #[serde(rename = "host-name")]
    host_name: Option<String>,
    /// Of other values nothing is known here.
    #[kube(validation = "self.all(self, self.a_b > 0)")]
    others: Vec<Other>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Other {
    a_b: i32,
}

fn main() {}
