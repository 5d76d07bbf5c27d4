//! The migration by the server's own migrator: a `StorageVersionMigration` is created and waited for.
//!
//! `v1` is as `v1beta1` in all that is used here: the resource, and conditions named `Succeeded` and `Failed`. In `v1alpha1`
//! the resource had a version, and it is not used.

use futures::TryStreamExt as _;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use super::definition::Target;
use super::{MigrationError, StorageMigration, request};

pub(super) const GROUP: &str = "storagemigration.k8s.io";
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// The version of `StorageVersionMigration` to use, where the server serves one.
pub(super) async fn served(client: &kube::Client) -> Result<Option<String>, MigrationError> {
    let groups = client
        .list_api_groups()
        .await
        .map_err(request("ask which API groups the server serves"))?;
    let versions = groups
        .groups
        .into_iter()
        .find(|group| group.name == GROUP)
        .map(|group| group.versions)
        .unwrap_or_default();
    Ok(VERSIONS
        .into_iter()
        .find(|wanted| versions.iter().any(|version| version.version == *wanted))
        .map(str::to_owned))
}

pub(super) async fn run(
    migration: &StorageMigration,
    target: &Target,
    version: &str,
) -> Result<(), MigrationError> {
    let resource = ApiResource {
        group: GROUP.into(),
        version: version.into(),
        api_version: format!("{GROUP}/{version}"),
        kind: "StorageVersionMigration".into(),
        plural: "storageversionmigrations".into(),
    };
    let migrations: Api<DynamicObject> = Api::all_with(migration.client.clone(), &resource);
    let spec = &target.definition.spec;
    let mut wanted = DynamicObject::new("", &resource).data(json!({
        "spec": {"resource": {"group": spec.group, "resource": spec.names.plural}},
    }));
    // A name of its own: one that is done stays where it is, as a record.
    wanted.metadata.name = None;
    wanted.metadata.generate_name = Some(format!("{}-{}-", target.name, target.storage));
    let made = migrations
        .create(&PostParams::default(), &wanted)
        .await
        .map_err(request(format!(
            "create a StorageVersionMigration for {}",
            target.name
        )))?;
    let name = made.metadata.name.clone().unwrap_or_default();
    tracing::info!(
        definition = target.name,
        migration = name,
        "wait for the server's migrator"
    );
    let ended = tokio::time::timeout(migration.server_timeout, wait(&migrations, &name, made)).await;
    match ended {
        Ok(result) => result,
        Err(_) => Err(MigrationError::Server {
            name,
            message: format!(
                "neither Succeeded nor Failed after {} s; its controller runs in kube-controller-manager, or use Migrator::Own",
                migration.server_timeout.as_secs()
            ),
        }),
    }
}

async fn wait(
    migrations: &Api<DynamicObject>,
    name: &str,
    mut last: DynamicObject,
) -> Result<(), MigrationError> {
    let asking = || request(format!("watch StorageVersionMigration {name}"));
    loop {
        if let Some(end) = end_of(&last.data) {
            return end.map_err(|message| MigrationError::Server {
                name: name.to_owned(),
                message,
            });
        }
        let since = last.metadata.resource_version.clone().unwrap_or_default();
        let params = WatchParams::default().fields(&format!("metadata.name={name}"));
        let events = migrations.watch(&params, &since).await.map_err(asking())?;
        let mut events = std::pin::pin!(events);
        let mut moved = false;
        while let Some(event) = events.try_next().await.map_err(asking())? {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    moved = true;
                    last = object;
                    if end_of(&last.data).is_some() {
                        break;
                    }
                }
                WatchEvent::Deleted(_) => {
                    return Err(MigrationError::Server {
                        name: name.to_owned(),
                        message: "it was deleted before it came to its end".into(),
                    });
                }
                WatchEvent::Bookmark(_) => {}
                // The history may be gone; the next round reads the object anew.
                WatchEvent::Error(_) => break,
            }
        }
        if !moved {
            last = migrations.get(name).await.map_err(asking())?;
        }
    }
}

/// How a migration ended, once it has.
fn end_of(migration: &Value) -> Option<Result<(), String>> {
    let conditions = migration["status"]["conditions"].as_array()?;
    let is = |condition: &&Value, kind: &str| condition["type"] == kind && condition["status"] == "True";
    if let Some(failed) = conditions.iter().find(|condition| is(condition, "Failed")) {
        let message = failed["message"].as_str().unwrap_or_default();
        return Some(Err(format!("the server's migrator gave up: {message}")));
    }
    conditions
        .iter()
        .any(|condition| is(&condition, "Succeeded"))
        .then_some(Ok(()))
}
