//! Writes the CRD of the kinds in `src/api.rs` to `crds/`, where it is committed.

#[path = "src/api.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the build script only asks for the schema"
)]
mod api;

fn main() -> kubewright::build::Result {
    kubewright::build::crds().add::<api::Foo>().write("crds")
}
