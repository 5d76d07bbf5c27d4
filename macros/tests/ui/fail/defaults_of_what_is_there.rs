// A default fills `None`, and a function makes what the field holds.
use kubewright::Defaults;

#[derive(Defaults)]
#[defaults(with = fill)]
struct Spec {
    #[kube(default_with = one)]
    always: i32,
    #[kube(default_with = one)]
    text: Option<String>,
}

fn one() -> i32 {
    1
}

fn fill(spec: &Spec) {
    let _ = spec;
}

fn main() {}
