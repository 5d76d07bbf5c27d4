//! Webhooks on the way of a write: what they are told of it, and what is done with an object that they changed.
//!
//! **Invariant:** the server's own writes are nobody's business: they pass by all webhooks.

use kubewright_schema::apply::Owners;
use serde_json::{Value, json};

use super::{Call, meta};
use crate::admission::{Attributes, Operation, Remarks, write_options};
use crate::engine::query::{DeleteOptions, DryRun, Propagation};
use crate::status::Result;

impl Call<'_> {
    fn attributes<'c>(
        &'c self,
        operation: Operation,
        name: &'c str,
        old: Option<&'c Value>,
        options: Value,
        dry_run: DryRun,
    ) -> Attributes<'c> {
        let is_namespace = self.info.gvr.group.is_empty() && self.info.gvr.resource == "namespaces";
        Attributes {
            engine: self.engine,
            info: &self.info,
            operation,
            subresource: self.path.subresource.as_deref().unwrap_or_default(),
            namespace: match &self.path.namespace {
                Some(namespace) => namespace,
                // As upstream: its name is where its content is.
                None if is_namespace => name,
                None => "",
            },
            name,
            old,
            options,
            dry_run: dry_run == DryRun::All,
            user: &self.user,
        }
    }

    /// As upstream, which tells those of a patch as of what comes of it.
    fn options(&self, operation: Operation) -> Value {
        let kind = match operation {
            Operation::Create => "CreateOptions",
            _ => "UpdateOptions",
        };
        write_options(kind, &self.query)
    }

    fn heed(&mut self, remarks: Remarks) {
        self.warnings.extend(remarks.warnings);
        self.annotations.extend(remarks.annotations);
    }

    /// An object, at the request's version, as the mutating webhooks leave it.
    pub(super) async fn mutate(
        &mut self,
        operation: Operation,
        old: Option<&Value>,
        object: Value,
        dry_run: DryRun,
    ) -> Result<Value> {
        if self.own {
            return Ok(object);
        }
        let mut remarks = Remarks::default();
        let name = meta::text(&object, "name").to_owned();
        let attributes = self.attributes(operation, &name, old, self.options(operation), dry_run);
        let mutated = attributes.mutate(Some(object.clone()), &mut remarks).await;
        self.heed(remarks);
        let mut mutated = mutated?.unwrap_or_default();
        if mutated == object {
            return Ok(mutated);
        }
        if let Err(why) = Owners::decode(&mutated) {
            let warning = format!(
                ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated \
                 mutating admission controller; please fix your requests: {why}"
            );
            self.warnings.push(warning);
            super::owners::take_owners(&mut mutated, object);
        }
        if let Some(metadata) = meta::of(&mut mutated) {
            meta::tidy(metadata);
            let warnings = meta::drop_duplicate_owners(metadata);
            self.warnings.extend(warnings);
        }
        self.check_place(&mut mutated)?;
        Ok(mutated)
    }

    /// Asks the validating webhooks about an object at the request's version.
    pub(super) async fn admit(
        &mut self,
        operation: Operation,
        old: Option<&Value>,
        object: &Value,
        dry_run: DryRun,
    ) -> Result<()> {
        if self.own {
            return Ok(());
        }
        let mut remarks = Remarks::default();
        let name = meta::text(object, "name").to_owned();
        let attributes = self.attributes(operation, &name, old, self.options(operation), dry_run);
        let outcome = attributes.validate(Some(object), &mut remarks).await;
        self.heed(remarks);
        outcome
    }

    /// Asks all webhooks whether an object may be deleted.
    pub(super) async fn admit_delete(&mut self, old: &Value, options: &DeleteOptions) -> Result<()> {
        if self.own {
            return Ok(());
        }
        let mut remarks = Remarks::default();
        let told = delete_options(options);
        let name = self.name().to_owned();
        let attributes = self.attributes(Operation::Delete, &name, Some(old), told, options.dry_run);
        let outcome = match attributes.mutate(None, &mut remarks).await {
            Ok(_) => attributes.validate(None, &mut remarks).await,
            Err(refused) => Err(refused),
        };
        self.heed(remarks);
        outcome
    }

    /// A scale as all webhooks leave it, and what they had to say.
    pub(super) async fn admit_scale(
        &self,
        old: &Value,
        new: Value,
        dry_run: DryRun,
    ) -> Result<(Value, Remarks)> {
        let mut remarks = Remarks::default();
        let options = self.options(Operation::Update);
        let attributes = self.attributes(Operation::Update, self.name(), Some(old), options, dry_run);
        let new = attributes
            .mutate(Some(new), &mut remarks)
            .await?
            .unwrap_or_default();
        attributes.validate(Some(&new), &mut remarks).await?;
        Ok((new, remarks))
    }
}

fn delete_options(options: &DeleteOptions) -> Value {
    let mut told = json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"});
    for (field, value) in [
        ("uid", &options.uid),
        ("resourceVersion", &options.resource_version),
    ] {
        if let Some(value) = value {
            told["preconditions"][field] = value.as_str().into();
        }
    }
    if options.dry_run == DryRun::All {
        told["dryRun"] = json!(["All"]);
    }
    let propagation = match options.propagation {
        Propagation::Unset => return told,
        Propagation::Orphan => "Orphan",
        Propagation::Foreground => "Foreground",
        Propagation::Background => "Background",
    };
    told["propagationPolicy"] = propagation.into();
    told
}
