use kubewright::CustomResource;

#[derive(CustomResource)]
#[kube(group = "example.com", version = "v1", kind = "Foo")]
union FooSpec {
    a: u32,
    b: f32,
}

fn main() {}
