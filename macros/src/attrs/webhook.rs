//! `#[webhook(...)]` on a handler, and `webhook_configuration!(...)`, as written.

use proc_macro2::{Span, TokenStream};
use syn::LitStr;
use syn::spanned::Spanned;

use super::crates::Crates;
use super::item::{Item, Value, once, split, strings};
use super::suggest;
use crate::errors::Errors;

/// What a handler says.
#[derive(Default)]
pub(crate) struct WebhookAttrs {
    /// `validating` or `mutating`.
    pub(crate) role: Option<(Role, Span)>,
    pub(crate) name: Option<LitStr>,
    pub(crate) path: Option<LitStr>,
    pub(crate) url: Option<LitStr>,
    pub(crate) service: Option<Service>,
    pub(crate) verbs: Option<(Vec<LitStr>, Span)>,
    /// With `only_`, of whom nothing else is asked.
    pub(crate) subresources: Option<(Vec<LitStr>, bool)>,
    pub(crate) failure_policy: Option<LitStr>,
    pub(crate) match_policy: Option<LitStr>,
    pub(crate) side_effects: Option<LitStr>,
    pub(crate) reinvocation_policy: Option<LitStr>,
    pub(crate) patch: Option<LitStr>,
    pub(crate) timeout_seconds: Option<(i32, Span)>,
    pub(crate) object_labels: Vec<(LitStr, LitStr)>,
    pub(crate) namespace_labels: Vec<(LitStr, LitStr)>,
    pub(crate) match_conditions: Vec<(LitStr, LitStr)>,
    pub(crate) crates: Option<Crates>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Validating,
    Mutating,
}

/// `service(name = "...", namespace = "...", port = 443)`.
pub(crate) struct Service {
    pub(crate) span: Span,
    pub(crate) name: Option<LitStr>,
    pub(crate) namespace: Option<LitStr>,
    pub(crate) port: Option<(i32, Span)>,
}

const KEYS: &[&str] = &[
    "validating",
    "mutating",
    "name",
    "path",
    "url",
    "service",
    "verbs",
    "subresources",
    "only_subresources",
    "failure_policy",
    "match_policy",
    "side_effects",
    "reinvocation_policy",
    "patch",
    "timeout_seconds",
    "object_label",
    "namespace_label",
    "match_condition",
    "crates",
];

/// Reads what stands in the parentheses.
pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> WebhookAttrs {
    let mut attrs = WebhookAttrs::default();
    for item in split(tokens, errors) {
        take(&mut attrs, &item, errors);
    }
    attrs
}

fn take(attrs: &mut WebhookAttrs, item: &Item, errors: &mut Errors) {
    let key = &item.key;
    let word = key.to_string();
    let text = match word.as_str() {
        "name" => &mut attrs.name,
        "path" => &mut attrs.path,
        "url" => &mut attrs.url,
        "failure_policy" => &mut attrs.failure_policy,
        "match_policy" => &mut attrs.match_policy,
        "side_effects" => &mut attrs.side_effects,
        "reinvocation_policy" => &mut attrs.reinvocation_policy,
        "patch" => &mut attrs.patch,
        _ => return take_other(attrs, item, &word, errors),
    };
    let value = item.string(errors);
    once(text, key, value, errors);
}

fn take_other(attrs: &mut WebhookAttrs, item: &Item, word: &str, errors: &mut Errors) {
    let key = &item.key;
    match word {
        "validating" | "mutating" => {
            let role = match word {
                "mutating" => Role::Mutating,
                _ => Role::Validating,
            };
            // As kubebuilder's `mutating=false` the flag turned off is the other one.
            let role = item.bool(errors).map(|on| match (on, role) {
                (true, role) => role,
                (false, Role::Mutating) => Role::Validating,
                (false, Role::Validating) => Role::Mutating,
            });
            if attrs.role.is_some() {
                errors.at(
                    key.span(),
                    "a handler is `validating` or `mutating`, once; keep one word",
                );
            } else {
                attrs.role = role.map(|role| (role, key.span()));
            }
        }
        "service" => {
            let service = service(item, errors);
            once(&mut attrs.service, key, service, errors);
        }
        "verbs" => {
            let verbs = list_of(item, "\"create\", \"update\"", errors).map(|verbs| (verbs, item.span()));
            once(&mut attrs.verbs, key, verbs, errors);
        }
        "subresources" | "only_subresources" => {
            let names = list_of(item, "\"status\"", errors).map(|names| (names, word == "only_subresources"));
            if attrs.subresources.is_some() {
                errors.at(
                    key.span(),
                    "subresources are given twice; keep `subresources(...)` or `only_subresources(...)`",
                );
            } else {
                attrs.subresources = names;
            }
        }
        "timeout_seconds" => {
            let seconds = item.i32(errors).map(|seconds| (seconds, item.span()));
            once(&mut attrs.timeout_seconds, key, seconds, errors);
        }
        "object_label" => attrs
            .object_labels
            .extend(pair(item, "\"key\", \"value\"", errors)),
        "namespace_label" => attrs
            .namespace_labels
            .extend(pair(item, "\"key\", \"value\"", errors)),
        "match_condition" => {
            let pair = pair(item, "\"name\", \"expression in CEL\"", errors);
            attrs.match_conditions.extend(pair);
        }
        "crates" => {
            let crates = Crates::read(item, errors);
            once(&mut attrs.crates, key, Some(crates), errors);
        }
        other => errors.at(key.span(), unknown(other)),
    }
}

fn unknown(key: &str) -> String {
    let advice = match key {
        "groups" | "resources" | "versions" => Some("it comes from `type Object`; leave it out"),
        "webhookVersions" | "webhook_versions" | "admissionReviewVersions" | "admission_review_versions" => {
            Some("v1 is the only one there is; leave it out")
        }
        "failurePolicy" => Some("write `failure_policy = \"...\"`"),
        "matchPolicy" => Some("write `match_policy = \"...\"`"),
        "sideEffects" => Some("write `side_effects = \"...\"`"),
        "timeoutSeconds" | "timeout" => Some("write `timeout_seconds = 10`"),
        "reinvocationPolicy" => Some("write `reinvocation_policy = \"...\"`"),
        "operations" => Some("write `verbs(\"create\", \"update\")`"),
        "serviceName" | "serviceNamespace" | "servicePort" => {
            Some("write `service(name = \"...\", namespace = \"...\", port = 443)`")
        }
        "match_conditions" | "matchConditions" => {
            Some("write `match_condition(\"name\", \"expression\")`, once for each")
        }
        "object_selector" | "objectSelector" => {
            Some("write `object_label(\"key\", \"value\")`, once for each")
        }
        "namespace_selector" | "namespaceSelector" => {
            Some("write `namespace_label(\"key\", \"value\")`, once for each")
        }
        _ => None,
    };
    match advice {
        Some(advice) => format!("unknown key `{key}` in `webhook(...)`; {advice}"),
        None => suggest::unknown("webhook", key, KEYS),
    }
}

/// `key("a", "b")`.
fn list_of(item: &Item, example: &str, errors: &mut Errors) -> Option<Vec<LitStr>> {
    if let Value::List(tokens, _) = &item.value {
        return Some(strings(tokens.clone(), errors));
    }
    let key = &item.key;
    errors.at(
        item.span(),
        format!("`{key}` takes a list: write `{key}({example})`"),
    );
    None
}

fn pair(item: &Item, example: &str, errors: &mut Errors) -> Option<(LitStr, LitStr)> {
    let list = list_of(item, example, errors)?;
    if let [one, two] = list.as_slice() {
        return Some((one.clone(), two.clone()));
    }
    let key = &item.key;
    errors.at(
        item.span(),
        format!("`{key}` takes two strings: write `{key}({example})`"),
    );
    None
}

fn service(item: &Item, errors: &mut Errors) -> Option<Service> {
    const EXAMPLE: &str = "`service(name = \"...\", namespace = \"...\", port = 443)`";
    let Value::List(tokens, span) = &item.value else {
        errors.at(item.span(), format!("`service` takes a list: write {EXAMPLE}"));
        return None;
    };
    let mut service = Service {
        span: *span,
        name: None,
        namespace: None,
        port: None,
    };
    for item in split(tokens.clone(), errors) {
        match item.key.to_string().as_str() {
            "name" => {
                let name = item.string(errors);
                once(&mut service.name, &item.key, name, errors);
            }
            "namespace" => {
                let namespace = item.string(errors);
                once(&mut service.namespace, &item.key, namespace, errors);
            }
            "port" => {
                let port = item.i32(errors).map(|port| (port, item.span()));
                once(&mut service.port, &item.key, port, errors);
            }
            other => errors.at(
                item.key.span(),
                suggest::unknown("service", other, &["name", "namespace", "port"]),
            ),
        }
    }
    Some(service)
}

/// What stands in `webhook_configuration!(...)`.
#[derive(Default)]
pub(crate) struct NamesAttrs {
    pub(crate) mutating: Option<LitStr>,
    pub(crate) validating: Option<LitStr>,
    pub(crate) crates: Option<Crates>,
}

/// Reads the names of configurations.
pub(crate) fn names(tokens: TokenStream, errors: &mut Errors) -> NamesAttrs {
    let mut attrs = NamesAttrs::default();
    for item in split(tokens, errors) {
        let key = &item.key;
        match key.to_string().as_str() {
            "mutating" => {
                let name = item.string(errors);
                once(&mut attrs.mutating, key, name, errors);
            }
            "validating" => {
                let name = item.string(errors);
                once(&mut attrs.validating, key, name, errors);
            }
            "crates" => {
                let crates = Crates::read(&item, errors);
                once(&mut attrs.crates, key, Some(crates), errors);
            }
            other => errors.at(
                key.span(),
                suggest::unknown(
                    "webhook_configuration!",
                    other,
                    &["mutating", "validating", "crates"],
                ),
            ),
        }
    }
    attrs
}

impl Service {
    /// Where a missing part is told of.
    pub(crate) fn span(&self) -> Span {
        self.span
    }
}

/// Where a trait is named.
pub(crate) fn span_of(path: &syn::Path) -> Span {
    path.segments
        .last()
        .map_or_else(|| path.span(), |last| last.ident.span())
}
