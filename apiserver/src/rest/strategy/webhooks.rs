//! Webhook configurations: their defaults, and upstream's rules for them (`pkg/apis/admissionregistration/validation`).

use std::collections::BTreeSet;

use kubewright_schema::conditions::{CompileError, Condition};
use kubewright_schema::{ErrorKind, FieldError, crd};
use serde_json::{Value, json};

use super::Strategy;
use crate::registry::ResourceInfo;
use crate::rest::{names, typed};

const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
/// Of one webhook.
const MOST_CONDITIONS: usize = 64;
const STATIC_SUFFIX: &str = ".static.k8s.io";

/// The strategy of both kinds.
pub(super) struct Configuration;

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn default(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

impl Strategy for Configuration {
    fn decode(&self, object: &mut Value, info: &ResourceInfo) -> Result<Vec<String>, String> {
        let unknown = typed::read(object, info)?;
        let mutating = object["kind"] == "MutatingWebhookConfiguration";
        let hooks = object.get_mut("webhooks").and_then(Value::as_array_mut);
        for hook in hooks.into_iter().flatten().filter(|hook| hook.is_object()) {
            default(hook, "failurePolicy", json!("Fail"));
            default(hook, "matchPolicy", json!("Equivalent"));
            default(hook, "namespaceSelector", json!({}));
            default(hook, "objectSelector", json!({}));
            default(hook, "timeoutSeconds", json!(10));
            if mutating {
                default(hook, "reinvocationPolicy", json!("Never"));
            }
            if let Some(service) = hook
                .pointer_mut("/clientConfig/service")
                .filter(|service| service.is_object())
            {
                default(service, "port", json!(443));
            }
            let rules = hook.get_mut("rules").and_then(Value::as_array_mut);
            for rule in rules.into_iter().flatten().filter(|rule| rule.is_object()) {
                default(rule, "scope", json!("*"));
            }
        }
        Ok(unknown)
    }

    fn has_generation(&self, _info: &ResourceInfo) -> bool {
        true
    }

    fn updates_unconditionally(&self) -> bool {
        false
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        validate(object, &Leniency::default())
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        validate(new, &Leniency::of(old, new))
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        match text(&object["metadata"]["name"]).ends_with(STATIC_SUFFIX) {
            false => Vec::new(),
            true => vec![format!(
                "metadata.name: names ending with {STATIC_SUFFIX:?} are reserved for static manifest-based \
                 configurations and cannot be managed via the API"
            )],
        }
    }
}

/// What an update may leave as wrong as it was.
#[derive(Default)]
struct Leniency {
    side_effects: bool,
    review_versions: bool,
    repeated_names: bool,
    label_values: bool,
    /// Conditions that are all as they were.
    conditions: bool,
}

impl Leniency {
    fn of(old: &Value, new: &Value) -> Self {
        let hooks = items(&old["webhooks"]);
        let mut seen = BTreeSet::new();
        Self {
            side_effects: hooks
                .iter()
                .any(|hook| !matches!(text(&hook["sideEffects"]), "None" | "NoneOnDryRun")),
            review_versions: hooks.iter().any(|hook| {
                let versions = items(&hook["admissionReviewVersions"]);
                !versions.is_empty() && !versions.iter().any(is_known)
            }),
            repeated_names: hooks.iter().any(|hook| !seen.insert(text(&hook["name"]))),
            conditions: {
                let new = items(&new["webhooks"]);
                new.len() == hooks.len()
                    && new
                        .iter()
                        .zip(hooks)
                        .all(|(new, old)| items(&new["matchConditions"]) == items(&old["matchConditions"]))
            },
            label_values: hooks.iter().any(|hook| {
                ["namespaceSelector", "objectSelector"]
                    .iter()
                    .any(|field| !selector_faults(&hook[*field], "", false).is_empty())
            }),
        }
    }
}

fn is_known(version: &Value) -> bool {
    REVIEW_VERSIONS.contains(&text(version))
}

fn invalid(field: String, value: impl Into<Value>, detail: impl Into<String>) -> FieldError {
    FieldError::new(ErrorKind::Invalid, field, value.into(), detail)
}

fn required(field: String, detail: impl Into<String>) -> FieldError {
    FieldError::new(ErrorKind::Required, field, None, detail)
}

/// A value that is none of those supported, which are sorted; an absent one is fine.
fn supported(value: &Value, field: String, all: &[&str], faults: &mut Vec<FieldError>) {
    if !value.is_null() && !all.contains(&text(value)) {
        let all: Vec<String> = all.iter().map(|one| format!("{one:?}")).collect();
        let detail = format!("supported values: {}", all.join(", "));
        faults.push(FieldError::new(
            ErrorKind::NotSupported,
            field,
            value.clone(),
            detail,
        ));
    }
}

fn validate(object: &Value, leniency: &Leniency) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, hook) in items(&object["webhooks"]).iter().enumerate() {
        let at = |field: &str| format!("webhooks[{index}].{field}");
        check_hook(hook, &at, leniency, &mut faults);
        check_review_versions(
            &hook["admissionReviewVersions"],
            &at("admissionReviewVersions"),
            leniency,
            &mut faults,
        );
        let name = text(&hook["name"]);
        if !leniency.repeated_names && !name.is_empty() && !seen.insert(name) {
            faults.push(FieldError::new(
                ErrorKind::Duplicate,
                at("name"),
                Value::from(name),
                "",
            ));
        }
    }
    faults
}

fn check_hook(hook: &Value, at: &dyn Fn(&str) -> String, leniency: &Leniency, faults: &mut Vec<FieldError>) {
    let name = text(&hook["name"]);
    let wrong = names::subdomain(name);
    if name.is_empty() {
        faults.push(required(at("name"), ""));
    } else if !wrong.is_empty() {
        faults.push(invalid(at("name"), name, wrong.join(",")));
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        faults.push(invalid(at("name"), name, detail));
    }
    for (index, rule) in items(&hook["rules"]).iter().enumerate() {
        check_rule(rule, &at(&format!("rules[{index}]")), faults);
    }
    supported(
        &hook["failurePolicy"],
        at("failurePolicy"),
        &["Fail", "Ignore"],
        faults,
    );
    supported(
        &hook["matchPolicy"],
        at("matchPolicy"),
        &["Equivalent", "Exact"],
        faults,
    );
    let allowed: &[&str] = match leniency.side_effects {
        true => &["None", "NoneOnDryRun", "Some", "Unknown"],
        false => &["None", "NoneOnDryRun"],
    };
    match &hook["sideEffects"] {
        Value::Null => faults.push(required(
            at("sideEffects"),
            format!("must specify one of {}", allowed.join(", ")),
        )),
        value => supported(value, at("sideEffects"), allowed, faults),
    }
    if let Some(timeout) = hook["timeoutSeconds"].as_i64()
        && !(1..=30).contains(&timeout)
    {
        faults.push(invalid(
            at("timeoutSeconds"),
            timeout,
            "the timeout value must be between 1 and 30 seconds",
        ));
    }
    for field in ["namespaceSelector", "objectSelector"] {
        faults.extend(selector_faults(&hook[field], &at(field), leniency.label_values));
    }
    supported(
        &hook["reinvocationPolicy"],
        at("reinvocationPolicy"),
        &["IfNeeded", "Never"],
        faults,
    );
    check_client(&hook["clientConfig"], &at("clientConfig"), faults);
    if !leniency.conditions {
        check_conditions(items(&hook["matchConditions"]), &at("matchConditions"), faults);
    }
}

fn check_conditions(all: &[Value], field: &str, faults: &mut Vec<FieldError>) {
    if all.len() > MOST_CONDITIONS {
        let detail = format!("must have at most {MOST_CONDITIONS} items");
        let actual = Some(Value::from(all.len()));
        faults.push(FieldError::new(
            ErrorKind::TooMany,
            field.to_owned(),
            actual,
            detail,
        ));
    }
    let mut seen = BTreeSet::new();
    for (index, condition) in all.iter().enumerate() {
        let at = |name: &str| format!("{field}[{index}].{name}");
        match text(&condition["expression"]).trim() {
            "" => faults.push(required(at("expression"), "")),
            expression => {
                faults.extend(Condition::compile(expression).err().map(|why| match why {
                    CompileError::Internal(_) => {
                        FieldError::new(ErrorKind::Internal, at("expression"), None, why.to_string())
                    }
                    why => invalid(at("expression"), expression, why.to_string()),
                }));
            }
        }
        let name = text(&condition["name"]);
        if name.is_empty() {
            faults.push(required(at("name"), ""));
            continue;
        }
        for why in names::qualified_name(name) {
            faults.push(invalid(at("name"), name, why));
        }
        if !seen.insert(name) {
            faults.push(FieldError::new(
                ErrorKind::Duplicate,
                at("name"),
                Value::from(name),
                "",
            ));
        }
    }
}

fn check_client(config: &Value, field: &str, faults: &mut Vec<FieldError>) {
    match (&config["url"], &config["service"]) {
        (Value::String(url), Value::Null) => faults.extend(crd::url_faults(url, &format!("{field}.url"))),
        (Value::Null, Value::Object(service)) => {
            let field = format!("{field}.service");
            for key in ["name", "namespace"] {
                if service.get(key).is_none_or(|value| text(value).is_empty()) {
                    faults.push(required(format!("{field}.{key}"), ""));
                }
            }
            faults.extend(crd::port_and_path_faults(service, &field));
        }
        _ => faults.push(required(
            field.to_owned(),
            "exactly one of url or service is required",
        )),
    }
}

fn check_review_versions(versions: &Value, field: &str, leniency: &Leniency, faults: &mut Vec<FieldError>) {
    let all = items(versions);
    let known = REVIEW_VERSIONS.join(", ");
    if all.is_empty() {
        faults.push(required(field.to_owned(), format!("must specify one of {known}")));
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, version) in all.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if !seen.insert(text(version)) {
            faults.push(invalid(field, version.clone(), "duplicate version"));
            continue;
        }
        for why in names::dns_1035(text(version)) {
            faults.push(invalid(field.clone(), version.clone(), why));
        }
    }
    if !leniency.review_versions && !all.iter().any(is_known) {
        let detail = format!("must include at least one of {known}");
        faults.push(invalid(field.to_owned(), versions.clone(), detail));
    }
}

fn check_rule(rule: &Value, field: &str, faults: &mut Vec<FieldError>) {
    let at = |name: &str| format!("{field}.{name}");
    let wild = |list: &[Value]| list.len() > 1 && list.iter().any(|item| item == "*");
    for (name, what) in [
        ("operations", "operations"),
        ("apiGroups", "API groups"),
        ("apiVersions", "API versions"),
    ] {
        let list = items(&rule[name]);
        if list.is_empty() {
            faults.push(required(at(name), ""));
        }
        if wild(list) {
            let detail = format!("if '*' is present, must not specify other {what}");
            faults.push(invalid(at(name), rule[name].clone(), detail));
        }
        for (index, item) in list.iter().enumerate() {
            let field = format!("{}[{index}]", at(name));
            match name {
                "operations" => {
                    let all = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
                    supported(item, field, &all, faults);
                }
                "apiVersions" if text(item).is_empty() => faults.push(required(field, "")),
                _ => {}
            }
        }
    }
    check_resources(&rule["resources"], &at("resources"), faults);
    supported(
        &rule["scope"],
        at("scope"),
        &["*", "Cluster", "Namespaced"],
        faults,
    );
}

fn check_resources(resources: &Value, field: &str, faults: &mut Vec<FieldError>) {
    let all = items(resources);
    if all.is_empty() {
        faults.push(required(field.to_owned(), ""));
    }
    let (mut wild_subresources, mut wild_resources) = (BTreeSet::new(), BTreeSet::new());
    // As upstream, the last one without a subresource decides.
    let mut names_one = false;
    for (index, item) in all.iter().map(text).enumerate() {
        let at = format!("{field}[{index}]");
        if item.is_empty() {
            faults.push(required(at, ""));
            continue;
        }
        let Some((resource, subresource)) = item.split_once('/') else {
            names_one = item != "*";
            continue;
        };
        if wild_subresources.contains(resource) {
            let detail = format!("if '{resource}/*' is present, must not specify {item}");
            faults.push(invalid(at.clone(), item, detail));
        }
        if wild_resources.contains(subresource) {
            let detail = format!("if '*/{subresource}' is present, must not specify {item}");
            faults.push(invalid(at, item, detail));
        }
        if subresource == "*" {
            wild_subresources.insert(resource);
        }
        if resource == "*" {
            wild_resources.insert(subresource);
        }
    }
    let has = |wanted: &str| all.iter().any(|item| item == wanted);
    if all.len() > 1 && has("*/*") {
        let detail = "if '*/*' is present, must not specify other resources";
        faults.push(invalid(field.to_owned(), resources.clone(), detail));
    }
    if has("*") && names_one {
        let detail = "if '*' is present, must not specify other resources without subresources";
        faults.push(invalid(field.to_owned(), resources.clone(), detail));
    }
}

fn selector_faults(selector: &Value, field: &str, any_value: bool) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let labels = format!("{field}.matchLabels");
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        for why in names::qualified_name(key) {
            faults.push(invalid(labels.clone(), key.as_str(), why));
        }
        for why in names::label_value(text(value)) {
            faults.push(invalid(labels.clone(), value.clone(), why));
        }
    }
    for (index, expression) in items(&selector["matchExpressions"]).iter().enumerate() {
        let at = |name: &str| format!("{field}.matchExpressions[{index}].{name}");
        let values = items(&expression["values"]);
        match text(&expression["operator"]) {
            "In" | "NotIn" if values.is_empty() => faults.push(required(
                at("values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => faults.push(FieldError::new(
                ErrorKind::Forbidden,
                at("values"),
                None,
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => faults.push(invalid(at("operator"), other, "not a valid selector operator")),
        }
        let key = text(&expression["key"]);
        for why in names::qualified_name(key) {
            faults.push(invalid(at("key"), key, why));
        }
        if any_value {
            continue;
        }
        for (position, value) in values.iter().enumerate() {
            for why in names::label_value(text(value)) {
                faults.push(invalid(
                    format!("{}[{position}]", at("values")),
                    value.clone(),
                    why,
                ));
            }
        }
    }
    faults
}
