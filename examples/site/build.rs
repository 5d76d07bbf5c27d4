//! Writes the CRD of the kind in `src/api` to `crds/`, where it is committed.

#[path = "src/api/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the build script only asks for the schemas"
)]
mod api;

use kubewright::versions::VersionSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let definition = VersionSet::<api::v1::Site>::crd(&api::webhook())?;
    kubewright::build::crds()
        .add_definition(definition)
        .write("crds")?;
    Ok(())
}
