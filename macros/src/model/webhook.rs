//! What a handler says of its webhook, judged by the server's rules.
//!
//! **Invariant:** a literal that a server would refuse is an error at the literal.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{ImplItem, ItemImpl, LitStr};

use super::check::{is_name_part, is_qualified_name, is_subdomain};
use crate::attrs::crates::Crates;
use crate::attrs::rule;
use crate::attrs::webhook::{NamesAttrs, Role, Service, WebhookAttrs, span_of};
use crate::errors::Errors;

/// A handler's settings, those that are not the defaults.
pub(crate) struct Webhook {
    pub(crate) settings: Vec<Setting>,
    pub(crate) crates: Crates,
}

/// One of them, each by the method of `WebhookInfo` of that name.
pub(crate) enum Setting {
    Name(LitStr),
    Path(LitStr),
    Url(LitStr),
    Service {
        namespace: LitStr,
        name: LitStr,
        port: Option<u16>,
    },
    /// Variants of `Operation`.
    Operations(Vec<&'static str>),
    Subresources {
        names: Vec<LitStr>,
        only: bool,
    },
    /// Method, enum and variant.
    Choice(&'static str, &'static str, &'static str),
    Timeout(u8),
    /// Method and pairs.
    Pairs(&'static str, Vec<(LitStr, LitStr)>),
}

/// Judges a handler's settings; what is wrong is left out.
pub(crate) fn build(item: &ItemImpl, mut attrs: WebhookAttrs, errors: &mut Errors) -> Webhook {
    let role = role(item, &attrs, errors);
    by_hand(item, errors);
    let mut settings = Vec::new();
    place(&attrs, &mut settings, errors);
    if let Some((verbs, span)) = &attrs.verbs {
        let operations = operations(verbs, *span, role, errors);
        settings.push(Setting::Operations(operations));
    }
    if let Some((names, only)) = attrs.subresources.take() {
        subresources(&names, errors);
        settings.push(Setting::Subresources { names, only });
    }
    let mut choose = |value: &Option<LitStr>, method, of, known| {
        let variant = value
            .as_ref()
            .and_then(|value| choice(value, method, known, errors));
        settings.extend(variant.map(|variant| Setting::Choice(method, of, variant)));
    };
    choose(
        &attrs.failure_policy,
        "failure_policy",
        "FailurePolicy",
        &["Fail", "Ignore"],
    );
    choose(
        &attrs.match_policy,
        "match_policy",
        "MatchPolicy",
        &["Exact", "Equivalent"],
    );
    choose(
        &attrs.side_effects,
        "side_effects",
        "SideEffects",
        &["None", "NoneOnDryRun"],
    );
    choose(
        &attrs.reinvocation_policy,
        "reinvocation",
        "Reinvocation",
        &["Never", "IfNeeded"],
    );
    of_mutators(&attrs, role, errors);
    if let Some((seconds, span)) = attrs.timeout_seconds {
        match u8::try_from(seconds)
            .ok()
            .filter(|seconds| (1..=30).contains(seconds))
        {
            Some(seconds) => settings.push(Setting::Timeout(seconds)),
            None => errors.at(span, "the timeout must be between 1 and 30 seconds"),
        }
    }
    for (method, labels) in [
        ("object_labels", attrs.object_labels),
        ("namespace_labels", attrs.namespace_labels),
    ] {
        judge_labels(&labels, errors);
        if !labels.is_empty() {
            settings.push(Setting::Pairs(method, labels));
        }
    }
    conditions(&attrs.match_conditions, errors);
    if !attrs.match_conditions.is_empty() {
        settings.push(Setting::Pairs("conditions", attrs.match_conditions));
    }
    Webhook {
        settings,
        crates: attrs.crates.unwrap_or_default(),
    }
}

fn role(item: &ItemImpl, attrs: &WebhookAttrs, errors: &mut Errors) -> Option<Role> {
    let Some((path, _)) = &item.trait_ else {
        errors.at(
            item.self_ty.span(),
            "put `#[webhook(...)]` on `impl Validator for ...` or `impl Mutator for ...`",
        );
        return None;
    };
    let last = path.segments.last().map(|last| last.ident.to_string());
    let of_trait = match last.as_deref() {
        Some("Validator") => Some(Role::Validating),
        Some("Mutator") => Some(Role::Mutating),
        _ => None,
    };
    match (of_trait, attrs.role) {
        (None, None) => {
            errors.at(
                span_of(path),
                "neither `Validator` nor `Mutator`; say `validating` or `mutating` where they have another name here",
            );
            None
        }
        (Some(of_trait), Some((said, span))) if of_trait != said => {
            let right = match of_trait {
                Role::Validating => "a `Validator` is `validating`",
                Role::Mutating => "a `Mutator` is `mutating`",
            };
            errors.at(span, format!("{right}; write so, or leave the word out"));
            Some(of_trait)
        }
        (of_trait, said) => of_trait.or(said.map(|(role, _)| role)),
    }
}

/// The constant that the attribute makes is there already.
fn by_hand(item: &ItemImpl, errors: &mut Errors) {
    for member in &item.items {
        if let ImplItem::Const(constant) = member
            && constant.ident == "WEBHOOK"
        {
            errors.at(
                constant.ident.span(),
                "`#[webhook(...)]` makes this constant; keep one of the two",
            );
        }
    }
}

/// Where others than hooks are served.
const RESERVED: [&str; 5] = ["/convert", "/healthz", "/livez", "/readyz", "/metrics"];

fn place(attrs: &WebhookAttrs, settings: &mut Vec<Setting>, errors: &mut Errors) {
    if let Some(name) = &attrs.name {
        let text = name.value();
        if !is_subdomain(&text) || text.split('.').count() < 3 {
            errors.at(
                name.span(),
                format!(
                    "webhook name `{text}` should be a domain with at least three segments separated by dots, as \
                     `rules.sites.example.com`, in lower case"
                ),
            );
        }
        settings.push(Setting::Name(name.clone()));
    }
    if let Some(path) = &attrs.path {
        judge_path(path, &path.value(), errors);
        settings.push(Setting::Path(path.clone()));
    }
    if let Some(url) = &attrs.url {
        if attrs.path.is_some() {
            errors.at(
                url.span(),
                "`url` and `path` exclude each other; the URL's path is where the webhook is served",
            );
        }
        if attrs.service.is_some() {
            errors.at(url.span(), "`url` and `service` exclude each other; keep one");
        }
        judge_url(url, errors);
        settings.push(Setting::Url(url.clone()));
    }
    if let Some(service) = &attrs.service {
        settings.extend(judge_service(service, errors));
    }
}

fn judge_service(service: &Service, errors: &mut Errors) -> Option<Setting> {
    let port = service.port.map(|(port, span)| {
        let judged = u16::try_from(port).ok().filter(|port| *port > 0);
        if judged.is_none() {
            errors.at(span, "a port is a number between 1 and 65535");
        }
        judged
    });
    let given = |part: &Option<LitStr>| part.as_ref().filter(|part| !part.value().is_empty()).cloned();
    let (Some(namespace), Some(name)) = (given(&service.namespace), given(&service.name)) else {
        errors.at(
            service.span(),
            "a service has a name and a namespace: write `service(name = \"...\", namespace = \"...\")`",
        );
        return None;
    };
    Some(Setting::Service {
        namespace,
        name,
        port: port.flatten(),
    })
}

fn judge_path(at: &LitStr, path: &str, errors: &mut Errors) {
    let Some(rest) = path.strip_prefix('/') else {
        errors.at(
            at.span(),
            format!("path `{path}` must start with a `/`: write `/{path}`"),
        );
        return;
    };
    if RESERVED.contains(&path) {
        errors.at(
            at.span(),
            format!("`{path}` is the server's own; choose another path"),
        );
    }
    let steps = rest.strip_suffix('/').unwrap_or(rest);
    let wrong = steps
        .split('/')
        .find(|step| !is_subdomain(step))
        .filter(|_| path != "/");
    if let Some(step) = wrong {
        errors.at(
            at.span(),
            format!(
                "path `{path}`: `{step}` must consist of lower-case letters, digits, `-` and `.`, and begin and end \
                 with a letter or digit"
            ),
        );
    }
}

fn judge_url(url: &LitStr, errors: &mut Errors) {
    let text = url.value();
    let mut wrong = |why: &str| errors.at(url.span(), format!("url `{text}`: {why}"));
    let Some(rest) = text.strip_prefix("https://") else {
        wrong("https is the only scheme that is allowed: write `https://host[:port]/path`");
        return;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        wrong("there is no host: write `https://host[:port]/path`");
    }
    if host.contains('@') {
        wrong("user information is not permitted");
    }
    if rest.contains('?') {
        wrong("query parameters are not permitted");
    }
    if rest.contains('#') {
        wrong("fragments are not permitted");
    }
    let path = &rest[host.len()..];
    if RESERVED.contains(&path) {
        wrong("this path is the server's own; choose another one");
    }
}

const VERBS: [(&str, &str); 4] = [
    ("create", "Create"),
    ("update", "Update"),
    ("delete", "Delete"),
    ("connect", "Connect"),
];

fn operations(verbs: &[LitStr], span: Span, role: Option<Role>, errors: &mut Errors) -> Vec<&'static str> {
    let mut found = Vec::new();
    if verbs.is_empty() {
        errors.at(
            span,
            "a webhook without verbs is never asked; write `verbs(\"create\", \"update\")`",
        );
    }
    for verb in verbs {
        let text = verb.value().to_lowercase();
        if text == "*" {
            if verbs.len() > 1 {
                errors.at(verb.span(), "`*` is all of them; keep it alone or leave it out");
            }
            // Of what a mutator is never asked about, `*` does not speak.
            let all = VERBS
                .iter()
                .filter(|(name, _)| *name != "delete" || role != Some(Role::Mutating));
            found.extend(all.map(|(_, variant)| *variant));
            continue;
        }
        match VERBS.iter().find(|(name, _)| *name == text) {
            None => errors.at(
                verb.span(),
                format!(
                    "verb `{}` is not known; write `create`, `update`, `delete`, `connect` or `*`",
                    verb.value()
                ),
            ),
            Some((_, variant)) if found.contains(variant) => {
                errors.at(verb.span(), format!("verb `{text}` is given twice; keep one"));
            }
            Some(("delete", _)) if role == Some(Role::Mutating) => errors.at(
                verb.span(),
                "there is nothing to change in what is deleted, so a `Mutator` is never asked; remove the verb, or \
                 write a `Validator`",
            ),
            Some((_, variant)) => found.push(*variant),
        }
    }
    found
}

fn subresources(names: &[LitStr], errors: &mut Errors) {
    for name in names {
        let text = name.value();
        if text != "*" && !is_subdomain(&text) {
            errors.at(
                name.span(),
                format!("`{text}` is no subresource; write its name, as `status`"),
            );
        }
    }
}

/// The variant that is meant, in capitals or not, as kubebuilder takes them.
fn choice(
    value: &LitStr,
    key: &str,
    known: &'static [&'static str],
    errors: &mut Errors,
) -> Option<&'static str> {
    let text = value.value();
    let found = known
        .iter()
        .copied()
        .find(|variant| variant.eq_ignore_ascii_case(&text));
    if found.is_none() {
        let key = if key == "reinvocation" {
            "reinvocation_policy"
        } else {
            key
        };
        let known: Vec<String> = known.iter().map(|one| format!("\"{one}\"")).collect();
        errors.at(
            value.span(),
            format!("{key} `{text}` is not allowed; write {}", known.join(" or ")),
        );
    }
    found
}

/// Keys that say nothing of a validator.
fn of_mutators(attrs: &WebhookAttrs, role: Option<Role>, errors: &mut Errors) {
    for (key, value) in [
        ("reinvocation_policy", &attrs.reinvocation_policy),
        ("patch", &attrs.patch),
    ] {
        if let Some(value) = value
            && role == Some(Role::Validating)
        {
            errors.at(
                value.span(),
                format!("`{key}` is of mutators; a `Validator` changes nothing"),
            );
        }
    }
    if let Some(patch) = &attrs.patch
        && !patch.value().eq_ignore_ascii_case("json")
    {
        errors.at(
            patch.span(),
            format!(
                "patch `{}` is not known; servers take \"json\" alone",
                patch.value()
            ),
        );
    }
}

fn twice(key: &LitStr, before: &[(LitStr, LitStr)], errors: &mut Errors) {
    if before.iter().any(|(other, _)| other.value() == key.value()) {
        errors.at(key.span(), format!("`{}` is given twice; keep one", key.value()));
    }
}

fn judge_labels(labels: &[(LitStr, LitStr)], errors: &mut Errors) {
    for (at, (key, value)) in labels.iter().enumerate() {
        let text = key.value();
        let prefix = text.split_once('/').map_or("", |(prefix, _)| prefix);
        if !is_qualified_name(&text) || prefix.contains(|c: char| c.is_ascii_uppercase()) {
            errors.at(
                key.span(),
                format!("`{text}` is no key of a label; write `name` or `prefix.example.com/name`"),
            );
        }
        let text = value.value();
        if !text.is_empty() && !is_name_part(&text) {
            errors.at(
                value.span(),
                format!("`{text}` is no value of a label: at most 63 letters, digits, `-`, `_` and `.`"),
            );
        }
        twice(key, &labels[..at], errors);
    }
}

fn conditions(conditions: &[(LitStr, LitStr)], errors: &mut Errors) {
    if let Some((name, _)) = conditions.get(64) {
        errors.at(name.span(), "a webhook has at most 64 conditions");
    }
    for (at, (name, expression)) in conditions.iter().enumerate() {
        let text = name.value();
        if !is_qualified_name(&text) {
            errors.at(
                name.span(),
                format!("`{text}` is no name of a condition; write letters, digits, `-`, `_` and `.`"),
            );
        }
        if expression.value().trim().is_empty() {
            errors.at(
                expression.span(),
                "the condition is empty; write one, as `request.userInfo.username != 'admin'`",
            );
        } else {
            rule::check(expression, errors);
        }
        twice(name, &conditions[..at], errors);
    }
}

/// Names of configurations.
pub(crate) struct Names {
    pub(crate) mutating: String,
    pub(crate) validating: String,
    pub(crate) crates: Crates,
}

/// Judges the names; those that are not given are controller-gen's.
pub(crate) fn names(attrs: NamesAttrs, errors: &mut Errors) -> Names {
    let mut name = |given: Option<LitStr>, default: &str| {
        let Some(given) = given else {
            return default.to_owned();
        };
        let text = given.value();
        if !is_subdomain(&text) {
            errors.at(
                given.span(),
                format!(
                    "configuration name `{text}` must consist of lower-case letters, digits, `-` and `.`, as \
                     `sites.example.com`"
                ),
            );
        }
        text
    };
    Names {
        mutating: name(attrs.mutating, "mutating-webhook-configuration"),
        validating: name(attrs.validating, "validating-webhook-configuration"),
        crates: attrs.crates.unwrap_or_default(),
    }
}
