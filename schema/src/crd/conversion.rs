//! The conversion stanza (SCH-65).

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::schema::text;
use super::spec::check_enum;
use super::view::View;
use crate::error::FieldError;
use crate::names;

pub(super) fn is_review_version(version: &Value) -> bool {
    matches!(version.as_str(), Some("v1" | "v1beta1"))
}

/// SCH-65. The server's internal type has no `webhook` level, so its paths have none either.
pub(super) fn check_conversion(view: &View<'_>, known_review_version: bool, errors: &mut Vec<FieldError>) {
    let Some(conversion) = view.spec.and_then(|spec| spec.get("conversion")?.as_object()) else {
        return;
    };
    let strategy = text(conversion, "strategy");
    check_enum("spec.conversion.strategy", strategy, &["None", "Webhook"], errors);
    let webhook = conversion.get("webhook").filter(|webhook| !webhook.is_null());
    let client = webhook.and_then(|webhook| webhook.get("clientConfig")?.as_object());
    let versions: &[Value] = webhook
        .and_then(|webhook| webhook.get("conversionReviewVersions")?.as_array())
        .map_or(&[], Vec::as_slice);
    if strategy != "Webhook" {
        if client.is_some() {
            errors.push(FieldError::forbidden(
                "spec.conversion.webhookClientConfig",
                "should not be set when strategy is not set to Webhook",
            ));
        }
        if !versions.is_empty() {
            errors.push(FieldError::forbidden(
                "spec.conversion.conversionReviewVersions",
                "should not be set when strategy is not set to Webhook",
            ));
        }
        return;
    }
    match client {
        None => errors.push(FieldError::required(
            "spec.conversion.webhookClientConfig",
            "required when strategy is set to Webhook",
        )),
        Some(client) => check_client(client, "spec.conversion.webhookClientConfig", errors),
    }
    check_review_versions(versions, known_review_version, errors);
}

fn check_client(client: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let url = client.get("url").and_then(Value::as_str);
    let service = client.get("service").and_then(Value::as_object);
    match (url, service) {
        (Some(url), None) => check_url(url, &format!("{path}.url"), errors),
        (None, Some(service)) => check_service(service, &format!("{path}.service"), errors),
        _ => errors.push(FieldError::required(
            path,
            "exactly one of url or service is required",
        )),
    }
}

fn check_url(url: &str, field: &str, errors: &mut Vec<FieldError>) {
    const FORM: &str = "; desired format: https://host[/path]";
    let mut wrong = |value: &str, detail: String| errors.push(FieldError::invalid(field, value, detail));
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    if scheme != "https" {
        wrong(scheme, format!("'https' is the only allowed URL scheme{FORM}"));
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest
        .strip_prefix("//")
        .map(|rest| rest.split('/').next().unwrap_or_default())
        .unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if host.is_empty() {
        wrong("", format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        wrong(user, "user information is not permitted in the URL".to_owned());
    }
    if !fragment.is_empty() {
        wrong(fragment, "fragments are not permitted in the URL".to_owned());
    }
    if !query.is_empty() {
        wrong(query, "query parameters are not permitted in the URL".to_owned());
    }
}

fn check_service(service: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    // Upstream passes name and namespace in the wrong order, so each is blamed for the other.
    for (key, blamed) in [("namespace", "name"), ("name", "namespace")] {
        if text(service, key).is_empty() {
            errors.push(FieldError::required(format!("{path}.{blamed}"), ""));
        }
    }
    errors.extend(port_and_path_faults(service, path));
}

/// The faults of a webhook's `url`, at `field`.
pub fn url_faults(url: &str, field: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check_url(url, field, &mut errors);
    errors
}

/// The faults of `port` and `path` in a webhook's `service`, which stands at `path`.
pub fn port_and_path_faults(service: &Map<String, Value>, path: &str) -> Vec<FieldError> {
    let mut found = Vec::new();
    let errors = &mut found;
    let port = service.get("port").and_then(Value::as_i64).unwrap_or(443);
    if !(1..=65535).contains(&port) {
        errors.push(FieldError::invalid(
            format!("{path}.port"),
            port,
            "port is not valid: must be between 1 and 65535, inclusive",
        ));
    }
    let url_path = text(service, "path");
    if url_path.is_empty() || url_path == "/" {
        return found;
    }
    let field = format!("{path}.path");
    let mut wrong = |detail: String| errors.push(FieldError::invalid(&*field, url_path, detail));
    if url_path == "//" {
        wrong("segment[0] may not be empty".to_owned());
        return found;
    }
    if !url_path.starts_with('/') {
        wrong("must start with a '/'".to_owned());
    }
    let mut characters = url_path.chars();
    characters.next();
    let steps = characters.as_str();
    for (index, step) in steps.strip_suffix('/').unwrap_or(steps).split('/').enumerate() {
        if step.is_empty() {
            wrong(format!("segment[{index}] may not be empty"));
        } else {
            for failure in names::dns1123_subdomain(step) {
                wrong(format!("segment[{index}]: {failure}"));
            }
        }
    }
    found
}

fn check_review_versions(versions: &[Value], known: bool, errors: &mut Vec<FieldError>) {
    const PATH: &str = "spec.conversion.conversionReviewVersions";
    if versions.is_empty() {
        errors.push(FieldError::required(PATH, ""));
        return;
    }
    let mut seen = HashSet::new();
    for (index, version) in versions.iter().enumerate() {
        let name = version.as_str().unwrap_or_default();
        let field = format!("{PATH}[{index}]");
        if !seen.insert(name) {
            errors.push(FieldError::invalid(field, name, "duplicate version"));
            continue;
        }
        for wrong in names::dns1035_label(name) {
            errors.push(FieldError::invalid(&*field, name, wrong));
        }
    }
    if known && !versions.iter().any(is_review_version) {
        errors.push(FieldError::invalid(
            PATH,
            versions.to_vec(),
            "must include at least one of v1, v1beta1",
        ));
    }
}
