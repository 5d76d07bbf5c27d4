//! Which objects a cache can come to show: those of its scope.
//!
//! **Invariant:** an object that the scope's watch sends is in its reach; a scope that is not understood reaches everything.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{Expression, Selector, SelectorExt as _};

use crate::cache::WatchScope;
use crate::kind::{Kind, Scope};

/// The reach of a cache.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    namespace: Option<String>,
    name: Option<String>,
    labels: Option<Selector>,
}

impl Reach {
    /// That of a cache of `K`s of a scope; all objects, where the scope is not known.
    pub(super) fn of<K: Kind>(scope: Option<&WatchScope>) -> Self {
        let Some(scope) = scope else {
            return Self::default();
        };
        let mut reach = Self {
            namespace: scope.namespace.clone(),
            name: None,
            labels: scope.labels.as_deref().and_then(selector),
        };
        for term in scope.fields.iter().flat_map(|fields| fields.split(',')) {
            // Of other fields metadata says nothing.
            match term.trim().split_once('=') {
                Some(("metadata.name", name)) => reach.name = Some(equal(name)),
                Some(("metadata.namespace", namespace)) => reach.namespace = Some(equal(namespace)),
                _ => {}
            }
        }
        if !<K::Scope as Scope>::NAMESPACED {
            reach.namespace = None;
        }
        reach
    }

    /// Whether an object that is as `meta` says may be in the cache.
    pub(super) fn has(&self, meta: &ObjectMeta) -> bool {
        let fits = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        let labelled =
            |selector: &Selector| selector.matches(meta.labels.as_ref().unwrap_or(&Default::default()));
        fits(&self.namespace, &meta.namespace)
            && fits(&self.name, &meta.name)
            && self.labels.as_ref().is_none_or(labelled)
    }
}

/// What stands behind the first `=` of `=` or `==`.
fn equal(value: &str) -> String {
    value.strip_prefix('=').unwrap_or(value).trim().to_owned()
}

/// A label selector as servers read it; none where it is not understood.
fn selector(text: &str) -> Option<Selector> {
    let mut depth = 0_usize;
    let outside = |letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    };
    let terms = text.split(outside).map(str::trim);
    terms.filter(|term| !term.is_empty()).map(expression).collect()
}

fn expression(term: &str) -> Option<Expression> {
    let key = |text: &str| {
        let text = text.trim();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
        (!text.is_empty() && text.chars().all(plain)).then(|| text.to_owned())
    };
    let value = |text: &str| {
        let text = text.trim();
        if text.is_empty() {
            Some(String::new())
        } else {
            key(text)
        }
    };
    if let Some(before) = term.strip_suffix(')') {
        let (head, values) = before.split_once('(')?;
        let values: Option<BTreeSet<_>> = values.split(',').map(value).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(label), Some("in"), None) => Some(Expression::In(key(label)?, values?)),
            (Some(label), Some("notin"), None) => Some(Expression::NotIn(key(label)?, values?)),
            _ => None,
        };
    }
    if let Some((label, text)) = term.split_once("!=") {
        return Some(Expression::NotEqual(key(label)?, value(text)?));
    }
    if let Some((label, text)) = term.split_once('=') {
        return Some(Expression::Equal(
            key(label)?,
            value(text.strip_prefix('=').unwrap_or(text))?,
        ));
    }
    match term.strip_prefix('!') {
        Some(label) => Some(Expression::DoesNotExist(key(label)?)),
        None => Some(Expression::Exists(key(term)?)),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
    use serde_json::json;

    use super::*;

    fn meta(namespace: &str, name: &str, labels: &[(&str, &str)]) -> ObjectMeta {
        let labels: std::collections::BTreeMap<_, _> = labels.iter().copied().collect();
        serde_json::from_value(json!({"namespace": namespace, "name": name, "labels": labels})).unwrap()
    }

    #[test]
    fn namespace_name_and_labels_count() {
        let has = |scope: &WatchScope, meta| Reach::of::<ConfigMap>(Some(scope)).has(&meta);
        let red = || meta("a", "x", &[("color", "red"), ("tier", "web")]);
        assert!(Reach::of::<ConfigMap>(None).has(&red()));
        assert!(has(&WatchScope::all(), red()));
        assert!(has(&WatchScope::namespace("a"), red()) && !has(&WatchScope::namespace("b"), red()));
        let fields = |text: &str| WatchScope::all().fields(text);
        assert!(has(&fields("metadata.name=x,status.phase!=Running"), red()));
        assert!(!has(&fields("metadata.name==y"), red()) && !has(&fields("metadata.namespace=b"), red()));
        for (labels, expected) in [
            ("", true),
            ("color=red", true),
            ("color==red, tier", true),
            ("color in (blue, red),tier notin (db)", true),
            ("color!=red", false),
            ("color=blue", false),
            ("!tier", false),
            ("!size,size!=big", true),
            ("color in (blue,green)", false),
            ("size", false),
            ("size=", false),
            // Not understood: whatever it means, it may be there.
            ("color>red", true),
            ("color in red", true),
            ("color=red)", true),
        ] {
            let scope = WatchScope::all().labels(labels);
            assert_eq!(has(&scope, red()), expected, "{labels}");
        }
        // A cache of a kind without namespaces has them all, whatever the factory's namespace.
        let scope = WatchScope::namespace("a");
        let mut namespace = meta("", "x", &[]);
        namespace.namespace = None;
        assert!(Reach::of::<Namespace>(Some(&scope)).has(&namespace));
    }
}
