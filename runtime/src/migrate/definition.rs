//! What a migration needs to know of a definition.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};

use super::{MigrationError, request};

/// A definition whose objects are to be stored in one version.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) definition: CustomResourceDefinition,
    pub(super) name: String,
    pub(super) storage: String,
    pub(super) stored: Vec<String>,
    /// Served versions besides the storage version.
    others: Vec<String>,
}

impl Target {
    pub(super) fn of(definition: CustomResourceDefinition) -> Result<Self, MigrationError> {
        let name = definition.metadata.name.clone().unwrap_or_default();
        let wrong = |reason: String| MigrationError::Definition {
            definition: name.clone(),
            reason,
        };
        let versions = &definition.spec.versions;
        let storage = versions
            .iter()
            .find(|version| version.storage)
            .ok_or_else(|| wrong("no version is stored".into()))?;
        if !storage.served {
            return Err(wrong(format!(
                "{} is stored but not served, so its objects can't be written; serve it first",
                storage.name
            )));
        }
        let status = definition.status.as_ref();
        let established = status
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Established" && condition.status == "True");
        if !established {
            return Err(wrong(
                "it is not Established yet, so its objects can't be listed".into(),
            ));
        }
        Ok(Self {
            storage: storage.name.clone(),
            stored: status
                .and_then(|status| status.stored_versions.clone())
                .unwrap_or_default(),
            others: versions
                .iter()
                .filter(|version| version.served && !version.storage)
                .map(|version| version.name.clone())
                .collect(),
            name,
            definition,
        })
    }

    /// Whether nothing was ever stored in another version.
    pub(super) fn is_done(&self) -> bool {
        self.stored == [self.storage.as_str()]
    }

    /// Whether the specification is the very same.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let of = |target: &Self| {
            let metadata = &target.definition.metadata;
            (metadata.uid.clone(), metadata.generation)
        };
        of(self) == of(other) && self.stored == other.stored
    }

    pub(super) fn narrowed(&self, mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
        definition.status.get_or_insert_default().stored_versions = Some(vec![self.storage.clone()]);
        definition
    }

    /// How objects of a version are asked for.
    pub(super) fn resource(&self, version: &str) -> ApiResource {
        let spec = &self.definition.spec;
        ApiResource {
            group: spec.group.clone(),
            version: version.to_owned(),
            api_version: format!("{}/{version}", spec.group),
            kind: spec.names.kind.clone(),
            plural: spec.names.plural.clone(),
        }
    }

    /// Lists one object at each served version, so that a webhook that does not answer is found before the first write.
    pub(super) async fn probe(&self, client: &kube::Client) -> Result<(), MigrationError> {
        for version in self.others.iter().chain([&self.storage]) {
            let objects: Api<DynamicObject> = Api::all_with(client.clone(), &self.resource(version));
            objects
                .list(&ListParams::default().limit(1))
                .await
                .map_err(request(format!(
                    "convert an object of {} to {version}, before anything is written",
                    self.name
                )))?;
        }
        Ok(())
    }
}
