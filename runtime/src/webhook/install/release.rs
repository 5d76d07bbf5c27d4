//! Webhooks that leave an object.
//!
//! The manager of bundles owns `caBundle` of each webhook, so an apply that does without one leaves a webhook behind
//! that is a bundle and nothing else, which no server takes. A plain update takes away what it removes from all of its
//! owners, in one step: there is no moment at which the webhook is called without its bundle.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::super::publish::Target;
use super::{ATTEMPTS, Installation, InstallationError, MANAGER, config, patch};

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

impl Installation {
    /// Makes a definition one without a webhook, its versions along with it.
    pub(super) async fn without_webhook(
        &self,
        name: &str,
        wanted: &apiext::CustomResourceDefinition,
    ) -> Result<(), InstallationError> {
        let failed = |source| InstallationError::Apply {
            name: name.to_owned(),
            source: Box::new(source),
        };
        let mut attempts = ATTEMPTS;
        loop {
            let Some(live) = self.live(name).await?.filter(|live| config(live).is_some()) else {
                return Ok(());
            };
            let mut change = patch(wanted, None).map_err(|error| failed(kube::Error::SerdeError(error)))?;
            change["metadata"] = json!({"resourceVersion": live.metadata.resource_version});
            // In a merge patch absent members stay, and null ones go.
            change["spec"]["conversion"] = json!({"strategy": "None", "webhook": null});
            attempts -= 1;
            let params = PatchParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let written = self
                .definitions()
                .patch(name, &params, &Patch::Merge(&change))
                .await;
            match written {
                Ok(_) => return Ok(()),
                Err(error) if attempts > 0 && is_conflict(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Takes webhooks out of a configuration that this manager applied once and that are not `wanted` any more; those
    /// of others stay.
    pub(super) async fn without_webhooks(
        &self,
        target: &Target,
        wanted: &[String],
    ) -> Result<(), InstallationError> {
        let resource = target.resource();
        let failed = |verb| {
            let (kind, name) = (resource.kind.clone(), target.name().to_owned());
            move |source| InstallationError::Configuration {
                verb,
                kind,
                name,
                source: Box::new(source),
            }
        };
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let mut attempts = ATTEMPTS;
        loop {
            let live = api.get_opt(target.name()).await.map_err(failed("read"))?;
            let Some(live) = live else { return Ok(()) };
            let stays = |webhook: &&Value| {
                let name = webhook["name"].as_str().unwrap_or_default();
                wanted.iter().any(|wanted| wanted == name) || !is_applied(&live, name)
            };
            let all = live.data["webhooks"].as_array().map_or(&[][..], Vec::as_slice);
            let left: Vec<_> = all.iter().filter(stays).collect();
            if left.len() == all.len() {
                return Ok(());
            }
            let change = json!({
                "metadata": {"resourceVersion": live.metadata.resource_version},
                "webhooks": left,
            });
            attempts -= 1;
            let params = PatchParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PatchParams::default()
            };
            match api.patch(target.name(), &params, &Patch::Merge(&change)).await {
                Ok(_) => return Ok(()),
                Err(error) if attempts > 0 && is_conflict(&error) => {}
                Err(error) => return Err(failed("apply")(error)),
            }
        }
    }
}

/// Whether the webhook is among what this manager applied.
fn is_applied(live: &DynamicObject, name: &str) -> bool {
    let key = format!("k:{}", json!({"name": name}));
    let entries = live.metadata.managed_fields.iter().flatten();
    let mut fields = entries
        .filter(|entry| entry.manager.as_deref() == Some(MANAGER))
        .filter_map(|entry| entry.fields_v1.as_ref());
    fields.any(|fields| {
        fields
            .0
            .get("f:webhooks")
            .is_some_and(|webhooks| webhooks.get(&key).is_some())
    })
}
