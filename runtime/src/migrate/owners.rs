//! `metadata.managedFields` at versions that are about to leave a definition.
//!
//! A server converts what an owner has to the version of the next apply. Where the owner's version is gone it cannot, and
//! refuses the apply with an internal error (kube-apiserver 1.36.3). So owners are released before the version goes; doing it
//! afterwards helps too.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Interval;

use super::definition::Target;
use super::{ATTEMPTS, MigrationError, StorageMigration, request, rewrite};

/// Who stands in `managedFields` of an object that would have no entry left.
const MANAGER: &str = "kubewright-migrate";
/// How often an object is read anew because someone else wrote it.
const TRIES: usize = 10;

/// What [`StorageMigration::release_owners`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnersReport {
    /// Objects that were looked at.
    pub seen: u64,
    /// Objects from which entries were taken.
    pub changed: u64,
    /// Entries that were taken.
    pub entries: u64,
}

impl StorageMigration {
    /// Takes the entries of `metadata.managedFields` that are written at these versions, such as `v1alpha1`, from all objects
    /// (VER-46). Entries at other versions stay as they are. An object that would have none left gets one for
    /// `metadata.annotations` as a whole, so that the server does not make one up for all of its fields.
    ///
    /// A client that applied at such a version owns nothing afterwards: what its next apply leaves out is no longer taken away
    /// with it.
    ///
    /// # Errors
    /// Where the definition cannot be read, or the server refuses a write.
    pub async fn release_owners(&self, versions: &[&str]) -> Result<OwnersReport, MigrationError> {
        let definitions = Api::all(self.client.clone());
        let target = self.read(&definitions).await?;
        if versions.contains(&target.storage.as_str()) {
            return Err(MigrationError::Definition {
                definition: target.name,
                reason: format!("{} is stored, so its owners can't be released", target.storage),
            });
        }
        let group = &target.definition.spec.group;
        let gone: BTreeSet<String> = versions
            .iter()
            .map(|version| format!("{group}/{version}"))
            .collect();
        let objects: Api<DynamicObject> =
            Api::all_with(self.client.clone(), &target.resource(&target.storage));
        let pace = self.per_second.map(rewrite::pace);
        let mut report = OwnersReport::default();
        let mut next: Option<String> = None;
        let mut expired = 0;
        loop {
            let mut page = ListParams::default().limit(self.page.get());
            if let Some(next) = &next {
                page = page.continue_token(next);
            }
            let list = match objects.list(&page).await {
                Ok(list) => list,
                // What was done stays done; the list begins anew.
                Err(kube::Error::Api(status))
                    if status.code == 410 && next.is_some() && expired < ATTEMPTS =>
                {
                    expired += 1;
                    next = None;
                    match self.dry_run {
                        true => report = OwnersReport::default(),
                        false => report.seen = 0,
                    }
                    continue;
                }
                Err(error) => return Err(request(format!("list objects of {}", target.name))(error)),
            };
            next = list.metadata.continue_.filter(|token| !token.is_empty());
            for object in list.items {
                report.seen += 1;
                let taken = self.release(&target, object, &gone, pace.as_ref()).await?;
                report.entries += taken;
                report.changed += u64::from(taken > 0);
            }
            if next.is_none() {
                return Ok(report);
            }
        }
    }

    async fn release(
        &self,
        target: &Target,
        mut object: DynamicObject,
        gone: &BTreeSet<String>,
        pace: Option<&Mutex<Interval>>,
    ) -> Result<u64, MigrationError> {
        let name = object.metadata.name.clone().unwrap_or_default();
        let place = rewrite::beside(self, target, &object);
        let writing = || request(format!("write managedFields of {name} of {}", target.name));
        for _ in 0..TRIES {
            let Some((patch, taken)) = patch(&object, &target.resource(&target.storage).api_version, gone)
            else {
                return Ok(0);
            };
            if let Some(pace) = pace {
                pace.lock().await.tick().await;
            }
            let params = PatchParams {
                dry_run: self.dry_run,
                ..PatchParams::default()
            };
            match place.patch(&name, &params, &Patch::Merge(&patch)).await {
                Ok(_) => return Ok(taken),
                Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(0),
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                Err(error) => return Err(writing()(error)),
            }
            match place.get_opt(&name).await.map_err(writing())? {
                Some(now) => object = now,
                None => return Ok(0),
            }
        }
        Err(MigrationError::Definition {
            definition: target.name.clone(),
            reason: format!(
                "{name} was written by others {TRIES} times while its managedFields were to be changed"
            ),
        })
    }
}

/// The merge patch that takes the entries away, and how many it takes; `None` where there are none.
fn patch(object: &DynamicObject, storage: &str, gone: &BTreeSet<String>) -> Option<(Value, u64)> {
    let entries = object.metadata.managed_fields.as_deref().unwrap_or_default();
    let leaves = |entry: &&ManagedFieldsEntry| {
        entry
            .api_version
            .as_ref()
            .is_none_or(|version| !gone.contains(version))
    };
    let mut left: Vec<ManagedFieldsEntry> = entries.iter().filter(leaves).cloned().collect();
    let taken = (entries.len() - left.len()) as u64;
    if taken == 0 {
        return None;
    }
    if left.is_empty() {
        // A server drops an entry that owns nothing. Nobody minds who owns the annotations as a whole.
        left.push(ManagedFieldsEntry {
            api_version: Some(storage.to_owned()),
            fields_type: Some("FieldsV1".into()),
            fields_v1: Some(FieldsV1(json!({"f:metadata": {"f:annotations": {".": {}}}}))),
            manager: Some(MANAGER.into()),
            operation: Some("Update".into()),
            ..ManagedFieldsEntry::default()
        });
    }
    let metadata = json!({
        "managedFields": left,
        "resourceVersion": object.metadata.resource_version,
    });
    Some((json!({ "metadata": metadata }), taken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::api::ApiResource;

    fn object(entries: &Value) -> DynamicObject {
        let resource = ApiResource {
            group: "g.example.com".into(),
            version: "v1".into(),
            api_version: "g.example.com/v1".into(),
            kind: "A".into(),
            plural: "as".into(),
        };
        let mut object = DynamicObject::new("a", &resource);
        object.metadata.resource_version = Some("7".into());
        object.metadata.managed_fields = serde_json::from_value(entries.clone()).expect("entries");
        object
    }

    fn entry(manager: &str, version: &str) -> Value {
        json!({
            "manager": manager, "operation": "Apply", "apiVersion": format!("g.example.com/{version}"),
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:a": {}}},
        })
    }

    #[test]
    fn ver_46_entries_of_versions_that_leave_are_taken() {
        let gone = BTreeSet::from(["g.example.com/v1alpha1".to_owned()]);
        let of = |entries: &Value| patch(&object(entries), "g.example.com/v1", &gone);
        assert_eq!(of(&json!([entry("a", "v1")])), None);
        assert_eq!(of(&json!([])), None);
        let (patched, taken) = of(&json!([entry("a", "v1alpha1"), entry("b", "v1")])).expect("a patch");
        assert_eq!(taken, 1);
        assert_eq!(
            patched,
            json!({"metadata": {"managedFields": [entry("b", "v1")], "resourceVersion": "7"}})
        );
    }

    #[test]
    fn ver_46_an_object_keeps_one_entry() {
        let gone = BTreeSet::from(["g.example.com/v1alpha1".to_owned()]);
        let (patched, taken) = patch(
            &object(&json!([entry("a", "v1alpha1")])),
            "g.example.com/v1",
            &gone,
        )
        .expect("a patch");
        assert_eq!(taken, 1);
        assert_eq!(
            patched["metadata"]["managedFields"],
            json!([{
                "manager": "kubewright-migrate", "operation": "Update", "apiVersion": "g.example.com/v1",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:annotations": {".": {}}}},
            }])
        );
    }
}
