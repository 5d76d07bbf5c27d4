//! Admission webhooks (API-72…75): who is asked about a write, in which order, and what comes of the answers.
//!
//! **Invariant:** a webhook sees what is to be stored, or what was patched so far; it is never asked about webhook
//! configurations. A call that fails counts as its failure policy says, a denial always. Texts are upstream's
//! (`k8s.io/apiserver/pkg/admission/plugin/webhook`).

mod hook;
mod review;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use kubewright_schema::conditions::Subject;
use serde_json::{Value, json};

use crate::engine::query::Query;
use crate::engine::{Engine, Identity};
use crate::registry::{GroupVersionResource, Origin, ResourceInfo};
use crate::rest;
use crate::rest::selector::LabelSelector;
use crate::status::{self, ApiError, Result};
use crate::storage::ListRequest;
use hook::{Hook, Phase};
use review::Answer;

/// Group of the configurations.
pub(crate) const GROUP: &str = "admissionregistration.k8s.io";

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// One write, as webhooks are told of it. Objects are at the request's version.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) info: &'a Arc<ResourceInfo>,
    pub(crate) operation: Operation,
    /// Empty for the object itself.
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) old: Option<&'a Value>,
    pub(crate) options: Value,
    pub(crate) dry_run: bool,
    pub(crate) user: &'a Identity,
}

/// What webhooks said besides yes.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    /// For `Warning` headers.
    pub(crate) warnings: Vec<String>,
    /// For the audit log: `webhook/key` and value.
    pub(crate) annotations: Vec<(String, String)>,
}

/// A place where the object of a request is served, or could be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    gvr: GroupVersionResource,
    /// Group, version and kind of what goes over the wire there.
    kind: (String, String, String),
}

impl Resource {
    fn api_version(&self) -> String {
        let (group, version, _) = &self.kind;
        match group.is_empty() {
            true => version.clone(),
            false => format!("{group}/{version}"),
        }
    }
}

/// A webhook that is to be called, and the version that it is told of.
struct Invocation {
    hook: Hook,
    resource: Resource,
}

/// Why a webhook did not let a request through.
enum Refusal {
    /// It was not reached, or its answer is none.
    Call(String),
    /// It said no, or the server cannot go on.
    Final(ApiError),
}

impl Refusal {
    fn call(hook: &Hook, why: impl std::fmt::Display) -> Self {
        Self::Call(format!("failed calling webhook {:?}: {why}", hook.name))
    }
}

/// The options of a write as webhooks get them.
pub(crate) fn write_options(kind: &str, query: &Query) -> Value {
    let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
    for field in ["fieldManager", "fieldValidation"] {
        if let Some(value) = query.get(field).filter(|value| !value.is_empty()) {
            options[field] = value.into();
        }
    }
    if query.get("dryRun").is_some_and(|value| !value.is_empty()) {
        options["dryRun"] = json!(["All"]);
    }
    options
}

impl Attributes<'_> {
    /// The place that the request names.
    fn requested(&self) -> Resource {
        Resource {
            gvr: self.info.gvr.clone(),
            kind: self.kind_at(self.info),
        }
    }

    fn kind_at(&self, info: &ResourceInfo) -> (String, String, String) {
        if self.subresource == "scale" {
            return ("autoscaling".into(), "v1".into(), "Scale".into());
        }
        (
            info.gvr.group.clone(),
            info.gvr.version.clone(),
            info.kind.clone(),
        )
    }

    /// Other places of the same object.
    fn equivalents(&self) -> Vec<Resource> {
        let snapshot = self.engine.registry().snapshot();
        let served = snapshot.iter().filter(|info| {
            info.storage == self.info.storage
                && info.is_same_resource(self.info)
                && (self.subresource.is_empty()
                    || info.subresources.iter().any(|sub| sub.name == self.subresource))
        });
        let mut all: Vec<Resource> = served
            .map(|info| Resource {
                gvr: info.gvr.clone(),
                kind: self.kind_at(info),
            })
            .collect();
        // A CRD's versions count whether they are served or not.
        if let Origin::Custom(custom) = &self.info.origin
            && self.subresource.is_empty()
        {
            for version in custom.versions.keys() {
                let mut resource = self.requested();
                resource.gvr.version.clone_from(version);
                resource.kind.1.clone_from(version);
                if !all.contains(&resource) {
                    all.push(resource);
                }
            }
        }
        all.retain(|resource| resource.gvr != self.info.gvr);
        all
    }

    /// The webhooks of a phase, by the names of their configurations.
    async fn hooks(&self, phase: Phase) -> Result<Vec<Hook>> {
        let is_exempt = self.info.gvr.group == GROUP;
        if is_exempt {
            return Ok(Vec::new());
        }
        let prefix = format!("/{GROUP}/{}/", phase.resource());
        let request = ListRequest {
            prefix: &prefix,
            ..ListRequest::default()
        };
        let page = self.engine.storage().list(request).await;
        let page = page.map_err(ApiError::internal)?;
        Ok(page
            .entries
            .iter()
            .flat_map(|entry| Hook::all(&entry.value))
            .collect())
    }

    /// Whether and how a webhook is asked about an object.
    async fn invocation(&self, hook: Hook, object: Option<&Value>) -> Result<Option<Invocation>> {
        let namespace = self.matches_namespace(&hook, object).await;
        if matches!(namespace, Ok(false)) {
            return Ok(None);
        }
        let selector = &hook.object_selector;
        let selected = |object: Option<&Value>| object.is_some_and(|object| selector.matches(object));
        if !selector.is_everything() && !selected(object) && !selected(self.old) {
            return Ok(None);
        }
        let requested = self.requested();
        let mut resource = hook.rules_match(&requested.gvr, self).then_some(requested);
        if resource.is_none() && hook.accepts_equivalents {
            let equivalents = self.equivalents();
            // Earlier rules first.
            resource = hook.rules.iter().find_map(|rule| {
                equivalents
                    .iter()
                    .find(|equivalent| rule.matches(&equivalent.gvr, self))
                    .cloned()
            });
        }
        let Some(resource) = resource else { return Ok(None) };
        namespace?;
        let invocation = Invocation { hook, resource };
        let wanted = self.wanted(&invocation, object).await?;
        Ok(wanted.then_some(invocation))
    }

    /// Whether the conditions of a webhook want it to be called. They see objects as the webhook would.
    async fn wanted(&self, invocation: &Invocation, object: Option<&Value>) -> Result<bool> {
        let Invocation { hook, resource } = invocation;
        if !hook.has_conditions() {
            return Ok(true);
        }
        let at = async |object: Option<&Value>| match object {
            Some(object) => self.convert(object, resource).await.map(Some),
            None => Ok(None),
        };
        let (object, old) = (at(object).await?, at(self.old).await?);
        let mut request = self.request(resource);
        // As upstream, which tells of the kind that the webhook speaks, and of the resource that the client named.
        request["resource"] = request["requestResource"].clone();
        let subject = Subject {
            object: object.as_ref(),
            old_object: old.as_ref(),
            request: &request,
        };
        hook.wants(subject).map_err(|why| {
            let gvr = &self.info.gvr;
            tracing::warn!(webhook = hook.name, why, "match conditions failed");
            let about = status::Subject {
                group: &gvr.group,
                resource: &gvr.resource,
            };
            ApiError::forbidden(about, self.name, why)
        })
    }

    async fn matches_namespace(&self, hook: &Hook, object: Option<&Value>) -> Result<bool> {
        let is_namespace = self.info.gvr.group.is_empty() && self.info.gvr.resource == "namespaces";
        if self.namespace.is_empty() && !is_namespace || hook.namespace_selector.is_everything() {
            return Ok(true);
        }
        // The stored one is not what it will be.
        if is_namespace && self.subresource.is_empty() && self.operation != Operation::Delete {
            return Ok(object.is_some_and(|object| hook.namespace_selector.matches(object)));
        }
        let key = format!("/core/namespaces/{}", self.namespace);
        let stored = self
            .engine
            .storage()
            .get(&key)
            .await
            .map_err(ApiError::internal)?;
        let subject = status::Subject {
            group: "",
            resource: "namespaces",
        };
        let stored = stored.ok_or_else(|| ApiError::not_found(subject, self.namespace))?;
        Ok(hook.namespace_selector.matches(&stored.value))
    }

    /// An object at another place of the same object.
    async fn convert(&self, object: &Value, to: &Resource) -> Result<Value> {
        if self.subresource == "scale" || object["apiVersion"] == to.api_version() {
            return Ok(object.clone());
        }
        let converted = self.engine.convert_to(self.info, object.clone(), &to.gvr).await;
        converted.map_err(|why| ApiError::internal(why.to_string()))
    }

    /// Asks the mutating webhooks, and applies their patches one after the other.
    ///
    /// # Errors
    /// The denial, or 500 where a webhook that must be asked fails.
    pub(crate) async fn mutate(&self, object: Option<Value>, remarks: &mut Remarks) -> Result<Option<Value>> {
        let hooks = self.hooks(Phase::Mutating).await?;
        let mut object = object;
        // Webhooks that want to be asked again where a later one changes the object: asked so far, and due.
        let (mut asked, mut due) = (BTreeSet::new(), BTreeSet::new());
        let mut changed_at_all = false;
        for round in 0..2 {
            if round == 1 && !changed_at_all {
                break;
            }
            for hook in &hooks {
                let Some(invocation) = self.invocation(hook.clone(), object.as_ref()).await? else {
                    continue;
                };
                if round == 1 && !due.contains(&hook.uid) {
                    continue;
                }
                let asked_of = match &object {
                    Some(object) => Some(self.convert(object, &invocation.resource).await?),
                    None => None,
                };
                let outcome = self.ask(&invocation, asked_of.as_ref(), remarks).await;
                let outcome = match outcome {
                    Ok(answer) => self.patched(&invocation, asked_of, &answer),
                    Err(refusal) => Err(refusal),
                };
                let mut changed = false;
                match outcome {
                    Ok(None) => {}
                    Ok(Some(patched)) => {
                        let before = object.take();
                        let patched = self.convert(&patched, &self.requested()).await?;
                        changed = before.as_ref() != Some(&patched);
                        object = Some(patched);
                    }
                    Err(Refusal::Call(why)) if hook.ignores_failure => {
                        tracing::warn!(webhook = hook.name, why, "a webhook failed and is passed over");
                        let key = format!("failed-open.mutation.webhook.admission.k8s.io/{}", hook.uid);
                        remarks.annotations.push((key, hook.name.clone()));
                    }
                    Err(Refusal::Call(why)) => return Err(ApiError::internal(why)),
                    Err(Refusal::Final(error)) => return Err(error),
                }
                if changed {
                    changed_at_all = true;
                    due.append(&mut asked);
                }
                if hook.reinvoked {
                    asked.insert(hook.uid.clone());
                }
            }
        }
        Ok(object)
    }

    /// Asks the validating webhooks, all at once.
    ///
    /// # Errors
    /// As of [`Self::mutate`]; of several the first by the names of configurations.
    pub(crate) async fn validate(&self, object: Option<&Value>, remarks: &mut Remarks) -> Result<()> {
        let mut invocations = Vec::new();
        for hook in self.hooks(Phase::Validating).await? {
            invocations.extend(self.invocation(hook, object).await?);
        }
        let calls = invocations.iter().map(|invocation| async {
            let mut own = Remarks::default();
            let asked_of = match object {
                Some(object) => Some(self.convert(object, &invocation.resource).await),
                None => None,
            };
            let outcome = match asked_of.transpose() {
                Ok(object) => self.ask(invocation, object.as_ref(), &mut own).await,
                Err(error) => Err(Refusal::Final(error)),
            };
            (outcome, own)
        });
        let mut first = Ok(());
        for (invocation, (outcome, own)) in invocations.iter().zip(join_all(calls).await) {
            remarks.warnings.extend(own.warnings);
            remarks.annotations.extend(own.annotations);
            let hook = &invocation.hook;
            let refused = match outcome {
                Ok(_) => continue,
                Err(Refusal::Call(why)) if hook.ignores_failure => {
                    tracing::warn!(webhook = hook.name, why, "a webhook failed and is passed over");
                    let key = format!("failed-open.validating.webhook.admission.k8s.io/{}", hook.uid);
                    remarks.annotations.push((key, hook.name.clone()));
                    continue;
                }
                Err(Refusal::Call(why)) => ApiError::internal(why),
                Err(Refusal::Final(error)) => error,
            };
            tracing::debug!(webhook = hook.name, error = %refused, "refused by a webhook");
            if first.is_ok() {
                first = Err(refused);
            }
        }
        first
    }

    /// Calls a webhook; its answer allows the request.
    async fn ask(
        &self,
        invocation: &Invocation,
        object: Option<&Value>,
        remarks: &mut Remarks,
    ) -> Result<Answer, Refusal> {
        let hook = &invocation.hook;
        if self.dry_run && !hook.is_harmless {
            let why = format!("admission webhook {:?} does not support dry run", hook.name);
            return Err(Refusal::Final(ApiError::bad_request(why)));
        }
        let Some(version) = hook.review_version() else {
            return Err(Refusal::call(
                hook,
                "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)",
            ));
        };
        let old = match self.old {
            Some(old) => Some(
                self.convert(old, &invocation.resource)
                    .await
                    .map_err(Refusal::Final)?,
            ),
            None => None,
        };
        let uid = uuid::Uuid::new_v4().to_string();
        let review = self.review(invocation, version, &uid, object, old.as_ref());
        let client = self.engine.hooks().client(&hook.client);
        let within = Duration::from_secs(hook.timeout);
        let answer = client.post(&review, within, Some(hook.timeout)).await;
        let answer = answer.map_err(|why| Refusal::call(hook, format!("failed to call webhook: {why}")))?;
        let answer = Answer::read(answer, version, &uid, hook.phase)
            .map_err(|why| Refusal::call(hook, format!("received invalid webhook response: {why}")))?;
        for (key, value) in &answer.annotations {
            remarks
                .annotations
                .push((format!("{}/{key}", hook.name), value.clone()));
        }
        remarks.warnings.extend(answer.warnings.iter().cloned());
        match answer.allowed {
            true => Ok(answer),
            false => Err(Refusal::Final(denial(&hook.name, &answer.result))),
        }
    }

    /// The object after an answer's patch; none where it has none.
    fn patched(
        &self,
        invocation: &Invocation,
        object: Option<Value>,
        answer: &Answer,
    ) -> Result<Option<Value>, Refusal> {
        let hook = &invocation.hook;
        let Some((type_, patch)) = &answer.patch else {
            return Ok(None);
        };
        let operations = rest::operations(patch).map_err(|why| {
            Refusal::call(
                hook,
                format!("received undecodable patch in webhook response: {why}"),
            )
        })?;
        if operations.is_empty() {
            return Ok(None);
        }
        let Some(object) = object else {
            let why = format!(
                "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                hook.name
            );
            return Err(Refusal::Final(ApiError::internal(why)));
        };
        if type_ != "JSONPatch" {
            return Err(Refusal::call(hook, format!("unsupported patch type {type_:?}")));
        }
        let internal = |why: String| Refusal::Final(ApiError::internal(why));
        let mut patched = rest::patched(operations, &object).map_err(internal)?;
        if self.subresource != "scale" {
            self.settle(&mut patched, &invocation.resource)
                .map_err(internal)?;
        }
        Ok(Some(patched))
    }

    /// Reads a patched object by its type and fills in defaults.
    fn settle(&self, object: &mut Value, at: &Resource) -> Result<(), String> {
        let (group, version, kind) = &at.kind;
        let expected = at.api_version();
        let said = |field: &str| object[field].as_str().unwrap_or_default();
        if (said("apiVersion"), said("kind")) != (expected.as_str(), kind.as_str()) {
            return Err(format!(
                "no kind {:?} is registered for version {:?} of group {group:?} as {version:?}",
                said("kind"),
                said("apiVersion")
            ));
        }
        match &self.info.origin {
            Origin::Custom(custom) => {
                if let Some(schema) = custom.schema_of(&expected) {
                    rest::read_metadata(object)?;
                    kubewright_schema::prepare(object, schema);
                }
            }
            Origin::BuiltIn => {
                let snapshot = self.engine.registry().snapshot();
                let info = snapshot.get(&at.gvr).unwrap_or(self.info);
                self.engine.strategy(info).decode(object, info)?;
            }
        }
        Ok(())
    }
}

/// What a client is told where a webhook says no.
fn denial(name: &str, result: &Value) -> ApiError {
    let mut status: kube::core::Status =
        serde_json::from_value(result.clone()).unwrap_or_else(|_| kube::core::Status::failure("", ""));
    if status.code < 400 {
        status.code = StatusCode::BAD_REQUEST.as_u16();
    }
    status.status = Some(kube::core::response::StatusSummary::Failure);
    let denied = format!("admission webhook {name:?} denied the request");
    status.message = match (status.message.as_str(), status.reason.as_str()) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    status.into()
}

/// A selector of a configuration; absent selects all.
fn selector(value: &Value) -> LabelSelector {
    LabelSelector::of(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_74_denials() {
        let told = |result: Value| {
            let error = denial("a.b.c", &result);
            (
                error.code().as_u16(),
                error.to_string(),
                error.status().reason.clone(),
            )
        };
        let plain = "admission webhook \"a.b.c\" denied the request";
        assert_eq!(
            told(Value::Null),
            (400, format!("{plain} without explanation"), String::new())
        );
        assert_eq!(
            told(json!({"message": "no", "code": 403, "reason": "Forbidden"})),
            (403, format!("{plain}: no"), "Forbidden".into())
        );
        assert_eq!(
            told(json!({"reason": "Odd", "code": 200, "status": "Success"})),
            (400, format!("{plain}: Odd"), "Odd".into())
        );
    }
}
