//! Which objects a cache can come to show: those of its scope.
//!
//! Fields that a kind can be selected by are read where they stand in the object: of custom kinds they are paths
//! (`selectableFields`), and of most built-in ones. What is not there, or no scalar, says nothing.
//!
//! **Invariant:** an object that the scope's watch sends is in its reach; a scope that is not understood reaches everything.

use std::collections::BTreeSet;

use kube::core::{Expression, Selector, SelectorExt as _};
use serde_json::Value;

use crate::cache::{Cached, Target, WatchScope};

/// The reach of a cache.
#[derive(Clone)]
pub(super) struct Reach {
    target: Target,
    namespace: Option<String>,
    labels: Option<Selector>,
    fields: Vec<Field>,
}

/// What a selector asks of one field.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    path: String,
    value: String,
    equal: bool,
}

impl Reach {
    /// That of a cache of a scope; all objects, where the scope is not known.
    pub(super) fn of(target: &Target, scope: Option<&WatchScope>) -> Self {
        Self {
            target: target.clone(),
            namespace: scope.and_then(|scope| scope.namespace.clone()),
            labels: scope.and_then(|scope| scope.labels.as_deref()).and_then(selector),
            fields: scope
                .and_then(|scope| scope.fields.as_deref())
                .and_then(fields)
                .unwrap_or_default(),
        }
    }

    /// Whether an object may be in the cache.
    pub(super) fn has<C: Cached>(&self, object: &C) -> bool {
        let meta = object.meta();
        // A cache of a kind without namespaces has them all, whatever the factory's namespace.
        let here = self.namespace.is_none()
            || self.target.namespaced() == Some(false)
            || self.namespace == meta.namespace;
        let labelled =
            |selector: &Selector| selector.matches(meta.labels.as_ref().unwrap_or(&Default::default()));
        here && self.labels.as_ref().is_none_or(labelled) && self.fits(object)
    }

    fn fits<C: Cached>(&self, object: &C) -> bool {
        if self.fields.is_empty() {
            return true;
        }
        // What cannot be written as JSON was not read from a server, and says nothing.
        let object = serde_json::to_value(object).unwrap_or_default();
        self.fields.iter().all(|field| field.admits(&object))
    }
}

impl Field {
    /// Whether the field has what is asked for, or it cannot be told.
    fn admits(&self, object: &Value) -> bool {
        let found = self
            .path
            .split('.')
            .try_fold(object, |value, name| value.get(name));
        let text = match found {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
            Some(_) => return true,
            // A server knows an object without a namespace by the empty one.
            None if self.path == "metadata.namespace" => String::new(),
            // A type that does not name the field, or a default of the server's.
            None => return true,
        };
        (text == self.value) == self.equal
    }
}

/// A field selector as servers read it, upstream's `fields.ParseSelector`; none where it is not understood.
fn fields(text: &str) -> Option<Vec<Field>> {
    let mut terms = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ',' => terms.push(String::new()),
            _ => {
                let term = terms.last_mut()?;
                term.push(letter);
                if letter == '\\' {
                    term.extend(letters.next());
                }
            }
        }
    }
    let terms = terms.iter().filter(|term| !term.is_empty());
    terms.map(|term| field(term)).collect()
}

fn field(term: &str) -> Option<Field> {
    let at = term.find('=')?;
    let (path, equal) = match term[..at].strip_suffix('!') {
        Some(path) => (path, false),
        None => (&term[..at], true),
    };
    let rest = &term[at + 1..];
    let rest = rest.strip_prefix('=').filter(|_| equal).unwrap_or(rest);
    let mut value = String::new();
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => value.push(letters.next().filter(|letter| "\\,=".contains(*letter))?),
            '=' => return None,
            _ => value.push(letter),
        }
    }
    Some(Field {
        path: path.to_owned(),
        value,
        equal,
    })
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
    use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
    use kube::core::DynamicObject;
    use serde_json::json;

    use super::*;
    use crate::kind::Kind;

    fn read<K: Cached>(object: Value) -> K {
        serde_json::from_value(object).unwrap()
    }

    fn has<K: Kind>(scope: &WatchScope, object: &K) -> bool {
        Reach::of(&Target::of::<K>(), Some(scope)).has(object)
    }

    #[test]
    fn namespace_name_and_labels_count() {
        let red: ConfigMap = read(json!(
            {"metadata": {"namespace": "a", "name": "x", "labels": {"color": "red", "tier": "web"}}}
        ));
        assert!(Reach::of(&Target::of::<ConfigMap>(), None).has(&red));
        assert!(has(&WatchScope::all(), &red));
        assert!(has(&WatchScope::namespace("a"), &red) && !has(&WatchScope::namespace("b"), &red));
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
            assert_eq!(has(&scope, &red), expected, "{labels}");
        }
        // A cache of a kind without namespaces has them all, whatever the factory's namespace.
        let namespace: Namespace = read(json!({"metadata": {"name": "x"}}));
        assert!(has(&WatchScope::namespace("a"), &namespace));
    }

    /// What a server decides by these fields is decided alike, or left open.
    #[test]
    fn fields_count_where_the_object_has_them() {
        let pod: Pod = read(json!({
            "metadata": {"namespace": "a", "name": "x"},
            "spec": {"nodeName": "n=1,2", "hostNetwork": true, "containers": []},
            "status": {"phase": "Running"}
        }));
        for (fields, expected) in [
            ("", true),
            ("metadata.name=x,status.phase=Running", true),
            ("metadata.name==y", false),
            ("metadata.name!=x", false),
            ("metadata.name!=y,", true),
            ("metadata.namespace=b", false),
            ("metadata.namespace!=b", true),
            ("status.phase!=Running", false),
            ("status.phase==Pending", false),
            ("status.phase!=Failed,status.phase!=Succeeded", true),
            (r"spec.nodeName=n\=1\,2", true),
            (r"spec.nodeName!=n\=1\,2", false),
            ("spec.hostNetwork=true", true),
            ("spec.hostNetwork=false", false),
            // Not there: a default of the server's perhaps, or a name for something else.
            ("spec.restartPolicy=Never", true),
            ("status.successful=1", true),
            ("spec.containers=x", true),
            // Not understood.
            ("status.phase", true),
            ("status.phase=a=b", true),
            (r"status.phase=\a", true),
        ] {
            let scope = WatchScope::all().fields(fields);
            assert_eq!(has(&scope, &pod), expected, "{fields}");
        }
        let node: Node = read(json!({"metadata": {"name": "x"}, "spec": {"unschedulable": true}}));
        assert!(!has(&WatchScope::all().fields("metadata.namespace=a"), &node));
        assert!(has(&WatchScope::all().fields("metadata.namespace="), &node));
        assert!(!has(&WatchScope::all().fields("spec.unschedulable=false"), &node));
    }

    /// The fields of a custom kind are paths, whoever knows its type.
    #[test]
    fn objects_of_kinds_of_run_time_count_too() {
        let kind = kube::core::GroupVersionKind::gvk("test.kubewright.dev", "v1", "Widget");
        let widget: DynamicObject =
            read(json!({"metadata": {"namespace": "a", "name": "x"}, "spec": {"color": "red", "size": 7}}));
        let has = |scope: WatchScope| Reach::of(&Target::discovered(&kind), Some(&scope)).has(&widget);
        assert!(has(WatchScope::all().fields("spec.color=red,spec.size=7")));
        assert!(!has(WatchScope::all().fields("spec.color=blue")));
        assert!(!has(WatchScope::all().fields("spec.size!=7")));
        assert!(!has(WatchScope::namespace("b")));
    }
}
