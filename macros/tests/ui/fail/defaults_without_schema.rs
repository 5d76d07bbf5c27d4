// `default` stands in the schema too, so there is one.
use kubewright::Defaults;

#[derive(Defaults)]
struct Spec {
    #[kube(default = 1)]
    a: Option<i32>,
}

#[derive(Defaults)]
#[defaults(covers, function = f)]
struct Other {
    a: Option<i32>,
}

fn main() {}
