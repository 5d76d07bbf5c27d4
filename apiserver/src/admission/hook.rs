//! One webhook of a stored configuration, read for use.

use std::collections::BTreeSet;

use kubewright_schema::conditions::{self, Condition, ConditionError, Subject};
use serde_json::Value;

use super::{Attributes, selector};
use crate::registry::GroupVersionResource;
use crate::rest::selector::LabelSelector;
use crate::webhook::ClientConfig;

/// When a webhook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before validation, one after the other.
    Mutating,
    /// After it, all at once.
    Validating,
}

impl Phase {
    pub(super) fn resource(self) -> &'static str {
        match self {
            Self::Mutating => "mutatingwebhookconfigurations",
            Self::Validating => "validatingwebhookconfigurations",
        }
    }
}

/// A webhook.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) phase: Phase,
    pub(super) name: String,
    /// Unique among all.
    pub(super) uid: String,
    pub(super) client: ClientConfig,
    pub(super) rules: Vec<Rule>,
    pub(super) ignores_failure: bool,
    /// `matchPolicy: Equivalent`.
    pub(super) accepts_equivalents: bool,
    pub(super) namespace_selector: LabelSelector,
    pub(super) object_selector: LabelSelector,
    /// Whether a dry run may call it.
    pub(super) is_harmless: bool,
    /// In seconds.
    pub(super) timeout: u64,
    /// `reinvocationPolicy: IfNeeded`.
    pub(super) reinvoked: bool,
    review_versions: Vec<String>,
    /// `matchConditions`, as written: most are never looked at, since no rule is about the request.
    conditions: Vec<String>,
}

/// What a webhook is asked about.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Hook {
    /// The webhooks of a stored configuration.
    pub(super) fn all(configuration: &Value) -> Vec<Self> {
        let name = text(&configuration["metadata"]["name"]);
        let phase = match configuration["kind"] == "MutatingWebhookConfiguration" {
            true => Phase::Mutating,
            false => Phase::Validating,
        };
        let hooks = configuration["webhooks"].as_array().into_iter().flatten();
        hooks
            .enumerate()
            .map(|(index, hook)| Self::read(hook, &name, index, phase))
            .collect()
    }

    fn read(hook: &Value, configuration: &str, index: usize, phase: Phase) -> Self {
        let name = text(&hook["name"]);
        let rules = hook["rules"].as_array().into_iter().flatten();
        let conditions = hook["matchConditions"].as_array().into_iter().flatten();
        Self {
            phase,
            uid: format!("{configuration}/{name}/{index}"),
            client: ClientConfig::read(&hook["clientConfig"]),
            rules: rules.map(Rule::read).collect(),
            ignores_failure: hook["failurePolicy"] == "Ignore",
            accepts_equivalents: hook["matchPolicy"] != "Exact",
            namespace_selector: selector(&hook["namespaceSelector"]),
            object_selector: selector(&hook["objectSelector"]),
            is_harmless: hook["sideEffects"] == "None" || hook["sideEffects"] == "NoneOnDryRun",
            timeout: hook["timeoutSeconds"].as_u64().unwrap_or(10),
            reinvoked: hook["reinvocationPolicy"] == "IfNeeded",
            review_versions: texts(&hook["admissionReviewVersions"]),
            conditions: conditions
                .map(|condition| text(&condition["expression"]))
                .collect(),
            name,
        }
    }

    /// The version of AdmissionReview that it is sent.
    pub(super) fn review_version(&self) -> Option<&str> {
        let versions = self.review_versions.iter().map(String::as_str);
        versions
            .into_iter()
            .find(|version| matches!(*version, "v1" | "v1beta1"))
    }

    pub(super) fn has_conditions(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Whether the conditions want the webhook to be called.
    ///
    /// # Errors
    /// Upstream's text, where some fail, none says no, and the webhook's failures count.
    pub(super) fn wants(&self, subject: Subject<'_>) -> Result<bool, String> {
        let mut budget = conditions::BUDGET;
        let (mut holds, mut failed) = (true, Vec::new());
        for text in &self.conditions {
            let verdict = match Condition::compile(text) {
                Ok(condition) => condition.holds(subject, &mut budget),
                Err(why) => {
                    failed.push(format!("compilation error: {why}"));
                    continue;
                }
            };
            match verdict {
                Ok(holds_too) => holds &= holds_too,
                // Then it is of no account what others say.
                Err(why @ ConditionError::OutOfBudget) => {
                    (holds, failed) = (true, vec![why.to_string()]);
                    break;
                }
                Err(why) => failed.push(why.to_string()),
            }
        }
        if !holds || failed.is_empty() {
            return Ok(holds);
        }
        if self.ignores_failure {
            return Ok(false);
        }
        let mut seen = BTreeSet::new();
        failed.retain(|why| seen.insert(why.clone()));
        Err(match failed.as_slice() {
            [one] => one.clone(),
            all => format!("[{}]", all.join(", ")),
        })
    }

    pub(super) fn rules_match(&self, gvr: &GroupVersionResource, attributes: &Attributes<'_>) -> bool {
        self.rules.iter().any(|rule| rule.matches(gvr, attributes))
    }
}

/// Whether a list has a text, or the wildcard.
fn has(list: &[String], text: &str) -> bool {
    list.iter().any(|item| item == "*" || item == text)
}

impl Rule {
    fn read(rule: &Value) -> Self {
        Self {
            operations: texts(&rule["operations"]),
            groups: texts(&rule["apiGroups"]),
            versions: texts(&rule["apiVersions"]),
            resources: texts(&rule["resources"]),
            scope: text(&rule["scope"]),
        }
    }

    pub(super) fn matches(&self, gvr: &GroupVersionResource, attributes: &Attributes<'_>) -> bool {
        // Requests for a namespace have its name as their namespace, and are about the cluster all the same.
        let is_namespace = gvr.group.is_empty() && gvr.version == "v1" && gvr.resource == "namespaces";
        let in_namespace = !is_namespace && !attributes.namespace.is_empty();
        let scope = match self.scope.as_str() {
            "Namespaced" => in_namespace,
            "Cluster" => !in_namespace,
            _ => true,
        };
        let resource = self.resources.iter().any(|pattern| {
            let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
            (resource == "*" || resource == gvr.resource)
                && (subresource == "*" || subresource == attributes.subresource)
        });
        scope
            && resource
            && has(&self.operations, attributes.operation.as_str())
            && has(&self.groups, &gvr.group)
            && has(&self.versions, &gvr.version)
    }
}
