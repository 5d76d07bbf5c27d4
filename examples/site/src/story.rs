//! What three clients see of three objects, each written at another version, and how the versions move on.

use kubewright::build::to_yaml;
use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube::Api;
use kubewright::kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kubewright::migrate::StorageMigration;
use kubewright::webhook::Storage;
use serde_json::{Value, json};
use site::api::{v1, v1alpha1, v1beta1};
use site::install;

use super::embedded::Embedded;
use super::{Failure, say};

/// The objects, by name, and the version in which each was written.
const OBJECTS: [(&str, &str); 3] = [
    ("blog", include_str!("../manifests/blog.yaml")),
    ("shop", include_str!("../manifests/shop.yaml")),
    ("lab", include_str!("../manifests/lab.yaml")),
];

pub(crate) async fn tell(embedded: &Embedded) -> Result<(), Failure> {
    say(format_args!(
        "\n# Release 1 serves all versions and stores v1beta1, as the one before it did"
    ));
    embedded
        .install(stored_as(install::definition()?, "v1beta1"), Storage::Keep)
        .await?;
    stored_versions(embedded).await?;
    for (name, text) in OBJECTS {
        say(format_args!("\n# {name} as it is written\n{}", text.trim_end()));
        embedded.server.apply_yaml(text).await?;
    }
    for (name, _) in OBJECTS {
        show::<v1alpha1::Site>(embedded, name).await?;
        show::<v1beta1::Site>(embedded, name).await?;
        show::<v1::Site>(embedded, name).await?;
    }

    say(format_args!(
        "\n# An old client gives lab another image; what it cannot see stays"
    ));
    let patch = json!({"spec": {"imageName": "lab:43"}});
    sites::<v1alpha1::Site>(embedded)
        .patch("lab", &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    show::<v1alpha1::Site>(embedded, "lab").await?;
    show::<v1::Site>(embedded, "lab").await?;

    say(format_args!("\n# Release 2 stores v1"));
    let kept = embedded.install(install::definition()?, Storage::Keep).await?;
    say(format_args!(
        "installed as before, {} stands by to be stored",
        kept.pending.unwrap_or_default()
    ));
    embedded.install(install::definition()?, Storage::Move).await?;
    stored_versions(embedded).await?;
    let migration = StorageMigration::of::<v1::Site>(&embedded.client());
    let report = migration.run().await?;
    say(format_args!(
        "migrated: {} of {} objects written anew",
        report.written, report.seen
    ));
    stored_versions(embedded).await?;

    say(format_args!(
        "\n# Before v1alpha1 leaves, nobody owns fields at it"
    ));
    let owners = migration.release_owners(&["v1alpha1"]).await?;
    say(format_args!(
        "released: {} entries of {} objects",
        owners.entries, owners.changed
    ));
    Ok(())
}

/// The definition, with another version stored.
fn stored_as(mut definition: CustomResourceDefinition, version: &str) -> CustomResourceDefinition {
    for one in &mut definition.spec.versions {
        one.storage = one.name == version;
    }
    definition
}

async fn stored_versions(embedded: &Embedded) -> Result<(), Failure> {
    let api: Api<CustomResourceDefinition> = Api::all(embedded.client());
    let definition = api.get("sites.web.example.com").await?;
    let stored = definition.status.and_then(|status| status.stored_versions);
    say(format_args!(
        "storedVersions: {}",
        stored.unwrap_or_default().join(", ")
    ));
    Ok(())
}

fn sites<K: kubewright::kube::Resource<DynamicType = ()>>(embedded: &Embedded) -> Api<DynamicObject> {
    Api::namespaced_with(embedded.client(), "default", &ApiResource::erase::<K>(&()))
}

/// Prints what a client of `K`'s version sees, but for what the server keeps about every object.
async fn show<K: kubewright::kube::Resource<DynamicType = ()>>(
    embedded: &Embedded,
    name: &str,
) -> Result<(), Failure> {
    let site = sites::<K>(embedded).get(name).await?;
    let mut seen = json!({});
    if let Some(annotations) = &site.metadata.annotations {
        seen["annotations"] = json!(annotations);
    }
    seen["spec"] = site.data.get("spec").cloned().unwrap_or(Value::Null);
    say(format_args!(
        "\n# {name} at {}\n{}",
        K::version(&()),
        to_yaml(&seen)?.trim_end()
    ));
    Ok(())
}
