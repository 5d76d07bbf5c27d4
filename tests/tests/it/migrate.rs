//! Storage migration (VER-44 to VER-46): the same steps on DevServer, and on a real server.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::Status;
use kubewright::kube;
use kubewright::migrate::{Checkpoint, MigrationError, Migrator, StorageMigration};
use kubewright_apiserver::{DevServer, Matcher};
use serde_json::{Value, json};
use tokio::runtime::Handle;

const GROUP: &str = "migrate.kubewright.dev";

/// A kind of two versions that say the same.
struct Cluster {
    client: kube::Client,
    plural: &'static str,
}

fn definition(plural: &str, stored: &str, more: &str) -> Value {
    let version = |name: &str| {
        json!({
            "name": name, "served": true, "storage": name == stored,
            "schema": {"openAPIV3Schema": {"type": "object", "description": more, "properties": {"spec": {
                "type": "object", "properties": {"size": {"type": "integer"}, "colour": {"type": "string"}}}}}},
        })
    };
    let kind = plural[..1].to_uppercase() + &plural[1..plural.len() - 1];
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [version("v1"), version("v1alpha1")],
        },
    })
}

impl Cluster {
    /// Objects of two namespaces, stored as `v1alpha1`, and a definition that stores `v1`.
    async fn with_objects(client: &kube::Client, plural: &'static str) -> Self {
        let cluster = Self {
            client: client.clone(),
            plural,
        };
        cluster.store("v1alpha1", "").await;
        for index in 0..7 {
            let manager = PatchParams::apply(&format!("maker-{}", index % 2));
            let object = json!({
                "apiVersion": format!("{GROUP}/v1alpha1"), "kind": cluster.resource("v1alpha1").kind,
                "metadata": {"name": format!("a{index}")}, "spec": {"size": index},
            });
            let namespace = if index < 5 { "default" } else { "kube-system" };
            let place: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), namespace, &cluster.resource("v1alpha1"));
            place
                .patch(&format!("a{index}"), &manager, &Patch::Apply(&object))
                .await
                .unwrap();
        }
        cluster.store("v1", "").await;
        cluster
    }

    fn name(&self) -> String {
        format!("{}.{GROUP}", self.plural)
    }

    fn definitions(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    fn resource(&self, version: &str) -> ApiResource {
        let kind = definition(self.plural, "v1", "")["spec"]["names"]["kind"]
            .as_str()
            .unwrap()
            .to_owned();
        ApiResource {
            group: GROUP.into(),
            version: version.into(),
            api_version: format!("{GROUP}/{version}"),
            kind,
            plural: self.plural.into(),
        }
    }

    /// Writes the definition, and waits until the server stores in that version.
    async fn store(&self, version: &str, more: &str) {
        let definition = definition(self.plural, version, more);
        let manager = PatchParams::apply("test").force();
        self.definitions()
            .patch(&self.name(), &manager, &Patch::Apply(&definition))
            .await
            .unwrap();
        let waiting = async {
            loop {
                let names_it = self.stored().await.iter().any(|stored| stored == version);
                let objects: Api<DynamicObject> = Api::all_with(self.client.clone(), &self.resource(version));
                if names_it && objects.list(&ListParams::default()).await.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting)
            .await
            .unwrap();
    }

    async fn stored(&self) -> Vec<String> {
        let definition = self.definitions().get(&self.name()).await.unwrap();
        definition
            .status
            .and_then(|status| status.stored_versions)
            .unwrap_or_default()
    }

    async fn objects(&self) -> Vec<DynamicObject> {
        let objects: Api<DynamicObject> = Api::all_with(self.client.clone(), &self.resource("v1"));
        objects.list(&ListParams::default()).await.unwrap().items
    }

    async fn versions(&self) -> Vec<String> {
        let of = |object: DynamicObject| object.metadata.resource_version.unwrap();
        self.objects().await.into_iter().map(of).collect()
    }

    fn migration(&self) -> StorageMigration {
        StorageMigration::new(self.client.clone(), self.name())
            .migrator(Migrator::Own)
            .page_size(NonZeroU32::new(3).unwrap())
    }
}

/// Runs something on the server from within a callback.
fn meanwhile<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| Handle::current().block_on(work))
}

/// What any server must do.
pub(crate) async fn suite(client: &kube::Client) {
    ver_44_all_objects_are_rewritten(client).await;
    ver_44_a_cut_run_is_resumed(client).await;
    ver_45_nothing_is_written_where_storage_changed(client).await;
    ver_46_owners_at_old_versions_are_released(client).await;
    ver_46_an_owner_at_an_unknown_version_blocks_applies(client).await;
}

async fn ver_44_all_objects_are_rewritten(client: &kube::Client) {
    let cluster = Cluster::with_objects(client, "widgets").await;
    assert_eq!(cluster.stored().await, ["v1alpha1", "v1"]);
    let before = cluster.versions().await;

    let report = cluster.migration().dry_run().run().await.unwrap();
    assert!(report.dry_run);
    assert_eq!((report.seen, report.written, report.passed), (7, 7, 0));
    assert_eq!(cluster.stored().await, ["v1alpha1", "v1"]);
    assert_eq!(cluster.versions().await, before);

    let mut seen = Vec::new();
    let report = cluster
        .migration()
        .per_second(NonZeroU32::new(1000).unwrap())
        .run_with(|checkpoint| seen.push(checkpoint.seen))
        .await
        .unwrap();
    assert_eq!(seen, [3, 6]);
    assert_eq!(report.by, Some(Migrator::Own));
    assert_eq!(report.stored_before, ["v1alpha1", "v1"]);
    assert_eq!((report.seen, report.written, report.passed), (7, 7, 0));
    assert_eq!(cluster.stored().await, ["v1"]);
    let after = cluster.versions().await;
    assert!(
        before.iter().zip(&after).all(|(before, after)| before != after),
        "each object was stored anew: {before:?}, {after:?}"
    );

    let report = cluster.migration().run().await.unwrap();
    assert_eq!((report.by, report.seen), (None, 0), "there is nothing left to do");
    assert_eq!(cluster.versions().await, after);
}

async fn ver_44_a_cut_run_is_resumed(client: &kube::Client) {
    let cluster = Cluster::with_objects(client, "gizmos").await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let migration = cluster.migration();
    let cut = migration.run_with(|checkpoint: &Checkpoint| {
        if let Some(tell) = tell.take() {
            tell.send(checkpoint.clone()).unwrap();
        }
    });
    let checkpoint = tokio::select! {
        biased;
        checkpoint = told => checkpoint.unwrap(),
        report = cut => panic!("not cut: {report:?}"),
    };
    assert_eq!(checkpoint.seen, 3);
    assert_eq!(cluster.stored().await, ["v1alpha1", "v1"]);
    let text = serde_json::to_string(&checkpoint).unwrap();
    let checkpoint: Checkpoint = serde_json::from_str(&text).unwrap();

    // One of another definition is passed over.
    let stranger = Checkpoint {
        uid: "another".into(),
        ..checkpoint.clone()
    };
    let report = cluster
        .migration()
        .dry_run()
        .resume(stranger)
        .run()
        .await
        .unwrap();
    assert_eq!(report.seen, 7);
    let report = cluster.migration().resume(checkpoint).run().await.unwrap();
    assert_eq!(report.seen, 4);
    assert_eq!(cluster.stored().await, ["v1"]);
}

async fn ver_45_nothing_is_written_where_storage_changed(client: &kube::Client) {
    let cluster = Cluster::with_objects(client, "gears").await;
    let mut changed = false;
    let error = cluster
        .migration()
        .run_with(|_| {
            if !std::mem::replace(&mut changed, true) {
                meanwhile(cluster.store("v1alpha1", ""));
            }
        })
        .await
        .unwrap_err();
    assert!(
        matches!(&error, MigrationError::StorageChanged { was, now, .. } if was == "v1" && now == "v1alpha1"),
        "{error}"
    );
    assert_eq!(cluster.stored().await, ["v1alpha1", "v1"]);

    // Any other change begins the run anew, since between two looks the storage version may have been another.
    cluster.store("v1", "").await;
    let mut pages = 0;
    let report = cluster
        .migration()
        .run_with(|_| {
            pages += 1;
            if pages == 1 {
                meanwhile(cluster.store("v1", "changed"));
            }
        })
        .await
        .unwrap();
    assert_eq!((pages, report.seen), (4, 7));
    assert_eq!(cluster.stored().await, ["v1"]);

    cluster.store("v1alpha1", "").await;
    let mut pages = 0;
    let error = cluster
        .migration()
        .run_with(|_| {
            pages += 1;
            meanwhile(cluster.store("v1alpha1", &pages.to_string()));
        })
        .await
        .unwrap_err();
    assert!(matches!(error, MigrationError::Unsteady { .. }), "{error}");
    assert_eq!(cluster.stored().await, ["v1", "v1alpha1"]);
}

fn owners(object: &DynamicObject) -> Vec<(String, String)> {
    let of = |entry: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry| {
        let version = entry.api_version.clone().unwrap();
        (
            entry.manager.clone().unwrap(),
            version.rsplit('/').next().unwrap().to_owned(),
        )
    };
    let mut owners: Vec<_> = object.metadata.managed_fields.iter().flatten().map(of).collect();
    owners.sort();
    owners
}

async fn ver_46_owners_at_old_versions_are_released(client: &kube::Client) {
    let cluster = Cluster::with_objects(client, "levers").await;
    let place: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &cluster.resource("v1"));
    let colour = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": cluster.resource("v1").kind, "metadata": {"name": "a1"},
        "spec": {"colour": "red"},
    });
    place
        .patch("a1", &PatchParams::apply("painter"), &Patch::Apply(&colour))
        .await
        .unwrap();
    let refused = cluster.migration().release_owners(&["v1"]).await.unwrap_err();
    assert!(refused.to_string().contains("v1 is stored"), "{refused}");

    let dry = cluster.migration().dry_run().release_owners(&["v1alpha1"]).await;
    let dry = dry.unwrap();
    assert_eq!((dry.seen, dry.changed, dry.entries), (7, 7, 7));
    let begun = Instant::now();
    let slowly = cluster.migration().per_second(NonZeroU32::new(50).unwrap());
    let report = slowly.release_owners(&["v1alpha1"]).await.unwrap();
    assert_eq!(report, dry);
    // The first write waits for nothing.
    assert!(begun.elapsed() >= Duration::from_millis(6 * 20));
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    for object in cluster.objects().await {
        let expected = match object.metadata.name.as_deref() {
            Some("a1") => pair("painter", "v1"),
            _ => pair("kubewright-migrate", "v1"),
        };
        assert_eq!(owners(&object), [expected]);
    }
    let report = cluster.migration().release_owners(&["v1alpha1"]).await.unwrap();
    assert_eq!((report.seen, report.changed), (7, 0));

    // No owner is made up for what nobody owns: the next apply takes it without a conflict.
    let size = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": cluster.resource("v1").kind, "metadata": {"name": "a0"},
        "spec": {"size": 9},
    });
    let applied = place
        .patch("a0", &PatchParams::apply("sizer"), &Patch::Apply(&size))
        .await
        .unwrap();
    assert_eq!(applied.data["spec"]["size"], 9);
    assert_eq!(
        owners(&applied),
        [pair("kubewright-migrate", "v1"), pair("sizer", "v1")]
    );
}

/// An owner at a version that is gone makes every apply fail, as upstream has it, until it is released.
async fn ver_46_an_owner_at_an_unknown_version_blocks_applies(client: &kube::Client) {
    let cluster = Cluster::with_objects(client, "knobs").await;
    cluster.migration().run().await.unwrap();
    let mut one = definition(cluster.plural, "v1", "");
    one["spec"]["versions"].as_array_mut().unwrap().pop();
    let mut now = cluster.definitions().get(&cluster.name()).await.unwrap();
    now.spec = serde_json::from_value(one["spec"].clone()).unwrap();
    cluster
        .definitions()
        .replace(&cluster.name(), &PostParams::default(), &now)
        .await
        .unwrap();
    let place: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &cluster.resource("v1"));
    let colour = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": cluster.resource("v1").kind, "metadata": {"name": "a0"},
        "spec": {"colour": "red"},
    });
    let apply = async || {
        place
            .patch("a0", &PatchParams::apply("painter"), &Patch::Apply(&colour))
            .await
    };
    // The server forgets the version a moment after the definition lost it.
    let waiting = async {
        loop {
            match apply().await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap();
    let kube::Error::Api(status) = error else {
        panic!("{error}")
    };
    assert_eq!(status.code, 500, "{status:?}");
    assert_eq!(
        status.message,
        format!("request to convert CR to an invalid group/version: {GROUP}/v1alpha1")
    );
    let report = cluster.migration().release_owners(&["v1alpha1"]).await.unwrap();
    assert_eq!((report.seen, report.changed), (7, 7));
    let object = apply().await.unwrap();
    assert_eq!(object.data["spec"], json!({"size": 0, "colour": "red"}));
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_the_embedded_server_are_migrated() {
    let server = DevServer::start().await.unwrap();
    suite(&server.client()).await;
    ver_44_refused_objects_are_named(&server).await;
    ver_44_the_servers_migrator_is_used(&server.client()).await;
    server.stop().await;
}

async fn ver_44_refused_objects_are_named(server: &DevServer) {
    let cluster = Cluster::with_objects(&server.client(), "cogs").await;
    let puts = || Matcher::any().verb("update").resource("cogs");
    server.fail_next(
        puts().name("a1"),
        Status::failure("no more cogs", "Invalid").with_code(422),
    );
    server.fail_next(
        puts().name("a2"),
        Status::failure("changed", "Conflict").with_code(409),
    );
    server.fail_next(
        puts().name("a3"),
        Status::failure("gone", "NotFound").with_code(404),
    );
    let mut checkpoints = 0;
    let error = cluster
        .migration()
        .run_with(|_| checkpoints += 1)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cogs.migrate.kubewright.dev: the server refuses to write default/a1: no more cogs"
    );
    assert_eq!(checkpoints, 0, "nobody goes on behind an object that was refused");
    assert_eq!(cluster.stored().await, ["v1alpha1", "v1"]);

    server.fail_next(
        Matcher::any().verb("list").resource("cogs"),
        Status::failure("the webhook is away", "InternalError").with_code(500),
    );
    let error = cluster.migration().run().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("before anything is written"), "{text}");

    let report = cluster.migration().run().await.unwrap();
    assert_eq!(report.written, 7);
    assert_eq!(cluster.stored().await, ["v1"]);
}

/// No server here runs the controller of `storagemigration.k8s.io`, so the test plays it.
async fn ver_44_the_servers_migrator_is_used(client: &kube::Client) {
    let cluster = Cluster::with_objects(client, "bolts").await;
    let error = cluster
        .migration()
        .migrator(Migrator::Server)
        .run()
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not serve storagemigration.k8s.io"),
        "{error}"
    );
    let group = "storagemigration.k8s.io";
    let kind = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("storageversionmigrations.{group}"),
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
        },
        "spec": {
            "group": group, "scope": "Cluster",
            "names": {"plural": "storageversionmigrations", "kind": "StorageVersionMigration"},
            "versions": [{
                "name": "v1beta1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    let kind: CustomResourceDefinition = serde_json::from_value(kind).unwrap();
    cluster
        .definitions()
        .create(&PostParams::default(), &kind)
        .await
        .unwrap();
    let resource = ApiResource {
        group: group.into(),
        version: "v1beta1".into(),
        api_version: format!("{group}/v1beta1"),
        kind: "StorageVersionMigration".into(),
        plural: "storageversionmigrations".into(),
    };
    let migrations: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let play = async |kind: &str, message: &str| {
        let waiting = async {
            loop {
                let list = migrations.list(&ListParams::default()).await;
                let open = list.ok().and_then(|list| {
                    list.items
                        .into_iter()
                        .find(|migration| migration.data.get("status").is_none())
                });
                if let Some(open) = open {
                    break open;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let open = tokio::time::timeout(Duration::from_secs(30), waiting)
            .await
            .unwrap();
        let status =
            json!({"status": {"conditions": [{"type": kind, "status": "True", "message": message}]}});
        migrations
            .patch_status(
                open.metadata.name.as_deref().unwrap(),
                &PatchParams::default(),
                &Patch::Merge(&status),
            )
            .await
            .unwrap();
        open
    };
    let migration = cluster.migration().migrator(Migrator::Auto);
    let (failed, _) = tokio::join!(migration.run(), play("Failed", "no room"));
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("the server's migrator gave up: no room"), "{text}");
    assert_eq!(cluster.stored().await, ["v1alpha1", "v1"]);

    let (report, made) = tokio::join!(migration.run(), play("Succeeded", ""));
    assert_eq!(
        made.data["spec"],
        json!({"resource": {"group": GROUP, "resource": "bolts"}})
    );
    assert_eq!(report.unwrap().by, Some(Migrator::Server));
    assert_eq!(cluster.stored().await, ["v1"]);

    let cluster = Cluster::with_objects(client, "nuts").await;
    let error = cluster
        .migration()
        .migrator(Migrator::Server)
        .server_timeout(Duration::from_millis(1))
        .run()
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("neither Succeeded nor Failed"), "{text}");
}
