//! Webhook configurations: applied by one manager, their bundles by another (VER-35).

use k8s_openapi::ByteString;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::pem::Bundle;
use super::super::publish::{Fill, Seen, Target, is_injected};
use super::{Installation, InstallationError, MANAGER};

impl Installation {
    /// Applies both configurations, where there are any.
    pub(super) async fn apply_admission(&self) -> Result<(), InstallationError> {
        if let Some(wanted) = &self.admission.mutating {
            let name = wanted.metadata.name.clone().unwrap_or_default();
            self.configure(Target::Mutating(name), wanted).await?;
        }
        if let Some(wanted) = &self.admission.validating {
            let name = wanted.metadata.name.clone().unwrap_or_default();
            self.configure(Target::Validating(name), wanted).await?;
        }
        Ok(())
    }

    async fn configure<T: Serialize>(&self, target: Target, wanted: &T) -> Result<(), InstallationError> {
        let wanted =
            serde_json::to_value(wanted).map_err(|error| failed(&target, kube::Error::SerdeError(error)))?;
        let names: Vec<String> = webhooks(&wanted)
            .filter_map(|webhook| webhook["name"].as_str().map(str::to_owned))
            .collect();
        self.without_webhooks(&target, &names).await?;

        // As in definitions, a bundle that stands in the object is what its author wants.
        let mut declared = None;
        for webhook in webhooks(&wanted) {
            let text = &webhook["clientConfig"]["caBundle"];
            if !text.is_null()
                && let Ok(text) = serde_json::from_value::<ByteString>(text.clone())
            {
                declared = Some(Bundle::parse(&String::from_utf8_lossy(&text.0))?);
            }
        }
        let (bundle, fill) = match (&self.trust, &declared) {
            (Some(bundle), _) => (Some(bundle), Fill::Missing),
            (None, declared) => (declared.as_ref(), Fill::All),
        };
        let annotations = serde_json::from_value(wanted["metadata"].clone()).unwrap_or_default();
        let Some(bundle) = bundle.filter(|_| !is_injected(&annotations)) else {
            return self.apply_configuration(&target, &without_bundles(&wanted)).await;
        };
        // A new webhook comes with its bundle, or requests would fail until it has one.
        let seen = target.look(&self.client).await?;
        let first = with_bundles(&wanted, seen.as_ref(), bundle);
        self.apply_configuration(&target, &first).await?;
        if self.hand_over(&target, bundle, fill).await? {
            self.apply_configuration(&target, &without_bundles(&wanted))
                .await?;
        }
        Ok(())
    }

    async fn apply_configuration(&self, target: &Target, patch: &Value) -> Result<(), InstallationError> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &target.resource());
        let params = PatchParams::apply(MANAGER).force();
        let applied = api.patch(target.name(), &params, &Patch::Apply(patch)).await;
        applied.map(drop).map_err(|source| failed(target, source))
    }
}

fn failed(target: &Target, source: kube::Error) -> InstallationError {
    InstallationError::Configuration {
        verb: "apply",
        kind: target.resource().kind,
        name: target.name().to_owned(),
        source: Box::new(source),
    }
}

fn webhooks(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration["webhooks"].as_array().into_iter().flatten()
}

fn without_bundles(wanted: &Value) -> Value {
    let mut patch = wanted.clone();
    for webhook in patch["webhooks"].as_array_mut().into_iter().flatten() {
        if let Some(config) = webhook["clientConfig"].as_object_mut() {
            config.remove("caBundle");
        }
    }
    patch
}

/// With the bundle in those webhooks that show none.
fn with_bundles(wanted: &Value, seen: Option<&Seen>, bundle: &Bundle) -> Value {
    let mut patch = without_bundles(wanted);
    let bundle = json!(ByteString(bundle.to_string().into_bytes()));
    for webhook in patch["webhooks"].as_array_mut().into_iter().flatten() {
        let name = webhook["name"].as_str().unwrap_or_default();
        if seen.is_none_or(|seen| seen.of(name).is_empty()) {
            webhook["clientConfig"]["caBundle"] = bundle.clone();
        }
    }
    patch
}
