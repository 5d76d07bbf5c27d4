use kubewright::Apply;
use serde::Serialize;

#[derive(Apply)]
union Both {
    a: u8,
}

#[derive(Apply, Serialize)]
struct Fields {
    #[serde(serialize_with = "write")]
    first: Opaque,
    #[serde(with = "module")]
    second: Opaque,
    third: u8,
}

#[derive(Clone, Debug)]
pub struct Opaque;

pub fn write<S: serde::Serializer>(_: &Opaque, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str("")
}

mod module {
    pub use super::write as serialize;
}

// The setters are there all the same.
fn uses() -> FieldsApply {
    FieldsApply::default().first(Opaque).second(Opaque).third(1)
}

fn main() {}
