use std::marker::PhantomData;

use kubewright::KubeSchema;

#[derive(KubeSchema)]
struct S {
    marker: PhantomData<String>,
    function: fn(i32) -> i32,
    pointer: *const i32,
    wide: i128,
    unsigned: Option<u128>,
    wait: std::time::Duration,
    since: std::time::SystemTime,
    waits: Vec<std::time::Duration>,
}

fn main() {}
