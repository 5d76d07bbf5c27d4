//! What is wrong or doubtful in a CRD, before a server sees it: everything that one refuses or silently drops, and
//! what one accepts although it cannot work.
//!
//! **Invariant:** a CRD without lints of severity [`Severity::Error`] is accepted with strict field validation, and read
//! back as it was sent, but for the server's defaults and for empty values (`required: []`). Rules in CEL are compiled,
//! and their costs estimated, as the server does.

mod guards;
mod rules;

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde_json::{Map, Number, Value};

use crate::crd;
use crate::format::Format;
use crate::gotext;
use crate::meta;
use crate::path::Path;
use crate::structural::{Additional, Node, Type};

#[cfg(feature = "schemars")]
pub(crate) use rules::allowable;
pub use rules::{LINTS, is_final};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, yet probably not as meant.
    Warning,
    /// A server refuses it, drops it, or accepts what can never work.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lint {
    /// Stable name of the rule, such as `undeclared-required`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where, as the server writes paths.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}[{}]: ", self.id)?;
        // What is said of the whole has no path.
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Looks at a whole CRD, as written (not yet decoded or defaulted).
///
/// Identifiers of errors: `refused` and `undecodable` (the server's words), `dropped`, `unknown-format`,
/// `contradicting-limits`, `misplaced-limit`, `enum-type`, `repeated-value`, `undeclared-required`, `closed-variant`,
/// `nullable-enum`, `typed-int-or-string`, `kind-name`, `lossy-conversion`, `scale-path`, `status-without-schema`,
/// `column-path`, `too-large`. Of warnings: `unanchored-pattern`, `empty-object`, `emptied-map`, `unguarded-optional`, `size`. Those of types
/// alone, which only building a schema finds: `float`, `wide-integer`, `byte-list`, `closed-object`, `unchecked-keys`,
/// `lost-on-write`, `pruned-alias`, `os-path`, `none-as-default`.
///
/// ```
/// use kubewright_schema::lint;
/// # let mut crd = serde_json::json!({
/// #     "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
/// #     "metadata": {"name": "foos.example.com"},
/// #     "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
/// #         "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
/// #             "type": "object", "properties": {"spec": {"type": "object",
/// #                 "properties": {"a": {"type": "string"}}}}}}}]},
/// # });
/// assert!(lint(&crd).is_empty());
/// crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["required"] = ["b"].into();
/// assert_eq!(lint(&crd)[0].id, "undeclared-required");
/// ```
pub fn lint(crd: &Value) -> Vec<Lint> {
    let mut linter = Linter::default();
    let mut decoded = crd.clone();
    let unknown = match crd::decode(&mut decoded) {
        Ok(unknown) => unknown,
        Err(error) => {
            linter.error("undecodable", "", error.to_string());
            return linter.found;
        }
    };
    let mut altered = Vec::new();
    find_altered(crd, &decoded, "", &mut altered);
    // What is unknown and empty is no alteration worth a word, but strict decoding refuses it.
    let mut dropped: BTreeMap<String, &str> = altered.into_iter().collect();
    for path in unknown {
        dropped.insert(
            path,
            "the server does not know this field and drops it; remove it",
        );
    }
    for path in unknown_metadata(crd) {
        dropped.insert(path, "metadata has no such field; the server drops it; remove it");
    }
    for (path, message) in dropped {
        linter.error("dropped", path, message);
    }
    crd::default(&mut decoded);
    for error in crd::validate(&decoded) {
        linter.error("refused", error.field.clone(), error.message());
    }
    linter.size(&decoded);
    linter.crd(&decoded);
    linter.found
}

/// Where a server stores something else than what was sent, unless what was sent is empty and means nothing (SCH-6).
fn find_altered(sent: &Value, stored: &Value, path: &str, found: &mut Vec<(String, &'static str)>) {
    match (sent, stored) {
        (Value::Object(sent), Value::Object(stored)) => {
            for (key, value) in sent {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match stored.get(key) {
                    Some(stored) => find_altered(value, stored, &path, found),
                    // SCH-34.
                    None if key == "default" && value.is_null() => {
                        found.push((path, "a default of null is not stored; remove it"));
                    }
                    None if is_empty(value) => {}
                    None => found.push((path, "the server drops this; remove it")),
                }
            }
        }
        (Value::Array(sent), Value::Array(stored)) if sent.len() == stored.len() => {
            for (index, (sent, stored)) in sent.iter().zip(stored).enumerate() {
                find_altered(sent, stored, &format!("{path}[{index}]"), found);
            }
        }
        (Value::Number(sent), Value::Number(stored)) if same_number(sent, stored) => {}
        // SCH-27.
        (Value::Number(_), Value::Number(_)) => {
            let message =
                "the server keeps bounds as floats, which cannot hold this number; leave the bound out";
            found.push((path.to_owned(), message));
        }
        (sent, stored) if sent != stored => found.push((path.to_owned(), "the server stores something else")),
        _ => {}
    }
}

fn same_number(sent: &Number, stored: &Number) -> bool {
    if sent.is_f64() {
        sent.as_f64() == stored.as_f64()
    } else {
        sent == stored
            || stored
                .as_f64()
                .is_some_and(|float| format!("{float}") == sent.to_string())
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

fn unknown_metadata(crd: &Value) -> Vec<String> {
    let mut metadata = crd.get("metadata").cloned().unwrap_or_default();
    let mut unknown = Vec::new();
    meta::prune(&mut metadata, &Path::Key(&Path::Root, "metadata"), &mut unknown);
    unknown
}

#[derive(Default)]
struct Linter {
    found: Vec<Lint>,
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn flag(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key) == Some(&Value::Bool(true))
}

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// It declares a value.
    Structure,
    /// Inside a junctor it only restricts one.
    Junctor,
}

impl Linter {
    fn push(
        &mut self,
        severity: Severity,
        id: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        debug_assert!(LINTS.contains(&id), "{id} is missing in LINTS");
        self.found.push(Lint {
            id,
            severity,
            path: path.into(),
            message: message.into(),
        });
    }

    fn error(&mut self, id: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Error, id, path, message);
    }

    fn warning(&mut self, id: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Warning, id, path, message);
    }

    /// SCH-70.
    fn size(&mut self, crd: &Value) {
        // kubectl keeps the whole definition in an annotation, of which all together have 256 KiB.
        const ADVICE: usize = 200_000;
        // etcd takes 1.5 MiB, with some more around the definition.
        const LIMIT: usize = 1_500_000;
        let size = crd.to_string().len();
        let advice = "shorten descriptions (`max_desc_len`, `#[kube(description = \"short\")]`), keep unknown fields of \
                      large types";
        if size > LIMIT {
            let message = format!("{size} bytes: no server stores more than about 1.5 MB; {advice}");
            self.error("too-large", "", message);
        } else if size > ADVICE {
            let message = format!(
                "{size} bytes: `kubectl apply` fails above 256 KiB; {advice}, or apply on the server \
                 (`kubectl apply --server-side`)"
            );
            self.warning("size", "", message);
        }
    }

    fn crd(&mut self, crd: &Value) {
        let Some(spec) = crd.get("spec").and_then(Value::as_object) else {
            return;
        };
        if let Some(names) = spec.get("names").and_then(Value::as_object) {
            let kind = text(names, "kind");
            let proper = kind.starts_with(|c: char| c.is_ascii_uppercase())
                && kind.chars().all(|c| c.is_ascii_alphanumeric());
            if !kind.is_empty() && !proper {
                let message =
                    format!("`{kind}` breaks clients that make type names of kinds; write it in CamelCase");
                self.error("kind-name", "spec.names.kind", message);
            }
        }
        let versions: Vec<&Map<String, Value>> = spec
            .get("versions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .collect();
        let shape = |version: &Map<String, Value>| {
            let schema = version.get("schema")?.get("openAPIV3Schema")?;
            Some(Node::decode(schema))
        };
        let shapes: Vec<Option<Node>> = versions.iter().map(|version| shape(version)).collect();
        let differ = shapes.windows(2).find_map(|pair| match pair {
            [Some(one), Some(other)] => difference(one, other, String::new()),
            _ => None,
        });
        let strategy = crd.pointer("/spec/conversion/strategy");
        if let Some(path) = differ
            && strategy.is_some_and(|strategy| strategy != "Webhook")
        {
            self.error(
                "lossy-conversion",
                "spec.conversion",
                format!(
                    "the versions differ at `{path}`, and without a conversion webhook the server only renames and prunes"
                ),
            );
        }
        for (index, (version, root)) in versions.into_iter().zip(&shapes).enumerate() {
            if let Some(root) = root {
                self.version(version, root, &format!("spec.versions[{index}]"));
            }
        }
    }

    fn version(&mut self, version: &Map<String, Value>, root: &Node, path: &str) {
        let Some(schema) = version
            .get("schema")
            .and_then(|schema| schema.get("openAPIV3Schema")?.as_object())
        else {
            return;
        };
        self.schema(
            schema,
            &format!("{path}.schema.openAPIV3Schema"),
            Place::Structure,
        );
        let subresources = version.get("subresources");
        let status = subresources.is_some_and(|subresources| subresources.get("status").is_some());
        if status && root.property("status").is_none() && !root.preserve {
            self.error(
                "status-without-schema",
                format!("{path}.subresources.status"),
                "the schema has no `status`, so that whatever is written there is pruned; declare it",
            );
        }
        if let Some(scale) = subresources.and_then(|subresources| subresources.get("scale")?.as_object()) {
            for (key, wanted) in [
                ("specReplicasPath", Type::Integer),
                ("statusReplicasPath", Type::Integer),
                ("labelSelectorPath", Type::String),
            ] {
                let value = text(scale, key);
                if value.starts_with('.') && !leads_to(root, value, |node| node.kind == wanted) {
                    let message = format!(
                        "{value} leads to no field of type {} in the schema",
                        wanted.name()
                    );
                    self.error("scale-path", format!("{path}.subresources.scale.{key}"), message);
                }
            }
        }
        let columns = version.get("additionalPrinterColumns").and_then(Value::as_array);
        for (index, column) in columns.into_iter().flatten().enumerate() {
            let value = column.get("jsonPath").and_then(Value::as_str).unwrap_or_default();
            // Filters, wildcards and metadata are beyond the schema.
            let simple = value.starts_with('.')
                && !value.contains(['[', '*', '(', '\\'])
                && !value.starts_with(".metadata");
            if simple && !leads_to(root, value, |_| true) {
                let path = format!("{path}.additionalPrinterColumns[{index}].jsonPath");
                self.error(
                    "column-path",
                    path,
                    format!("{value} leads to no field of the schema; the column stays empty"),
                );
            }
        }
    }

    fn schema(&mut self, map: &Map<String, Value>, path: &str, place: Place) {
        if place == Place::Structure {
            self.structure(map, path);
        }
        self.limits(map, path, place);
        self.values(map, path, place);
        let pattern = text(map, "pattern");
        if !pattern.is_empty() && !pattern.contains(['^', '$']) {
            self.warning(
                "unanchored-pattern",
                format!("{path}.pattern"),
                format!("`{pattern}` is looked for anywhere in the value; anchor it with ^ and $"),
            );
        }
        if place == Place::Junctor && map.get("additionalProperties") == Some(&Value::Bool(false)) {
            self.error(
                "closed-variant",
                format!("{path}.additionalProperties"),
                "this refuses the fields of all other variants, which the object may carry; remove it",
            );
        }
        for (key, value) in map {
            match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        self.sub(property, &format!("{path}.properties[{name}]"), place);
                    }
                }
                ("items" | "additionalProperties", schema) => {
                    self.sub(schema, &format!("{path}.{key}"), place);
                }
                ("not", schema) => self.sub(schema, &format!("{path}.not"), Place::Junctor),
                ("allOf" | "anyOf" | "oneOf", Value::Array(members)) => {
                    for (index, member) in members.iter().enumerate() {
                        self.sub(member, &format!("{path}.{key}[{index}]"), Place::Junctor);
                    }
                }
                _ => {}
            }
        }
    }

    fn sub(&mut self, schema: &Value, path: &str, place: Place) {
        if let Some(map) = schema.as_object() {
            self.schema(map, path, place);
        }
    }

    fn structure(&mut self, map: &Map<String, Value>, path: &str) {
        let kind = text(map, "type");
        let format = text(map, "format");
        let type_name = (!kind.is_empty()).then_some(kind);
        if !format.is_empty() && Format::recognize(type_name, format).is_none() {
            let what = if kind.is_empty() {
                "a value without type"
            } else {
                kind
            };
            self.error(
                "unknown-format",
                format!("{path}.format"),
                format!(
                    "the server never checks the format `{format}` of {what}; remove it or write the limits"
                ),
            );
        }
        if flag(map, "x-kubernetes-int-or-string") && !kind.is_empty() {
            self.error(
                "typed-int-or-string",
                format!("{path}.type"),
                "the type contradicts x-kubernetes-int-or-string; remove one of them",
            );
        }
        if flag(map, "nullable") && map.contains_key("enum") {
            self.error(
                "nullable-enum",
                format!("{path}.nullable"),
                "null is never one of the values of an enum, not even where it is listed; without `nullable` a null is \
                 dropped and the object accepted",
            );
        }
        let preserve = flag(map, "x-kubernetes-preserve-unknown-fields");
        let additional = map.get("additionalProperties");
        let declares = map.get("properties").is_some_and(Value::is_object);
        if kind == "object" && !preserve && !declares && additional.is_none() && !path.ends_with("[metadata]")
        {
            self.warning(
                "empty-object",
                path,
                "everything inside is pruned; declare properties or preserve unknown fields",
            );
        }
        if additional == Some(&Value::Bool(true)) && !preserve {
            self.warning(
                "emptied-map",
                format!("{path}.additionalProperties"),
                "keys are kept, but objects as values are emptied; preserve unknown fields instead",
            );
        }
        self.guards(map, path);
        let Some(Value::Array(required)) = map.get("required") else {
            return;
        };
        let properties = map.get("properties").and_then(Value::as_object);
        for name in required.iter().filter_map(Value::as_str) {
            let declared = properties.is_some_and(|properties| properties.contains_key(name));
            let implied = matches!(name, "apiVersion" | "kind" | "metadata");
            if !declared && !preserve && additional.is_none() && !implied {
                self.error(
                    "undeclared-required",
                    format!("{path}.required"),
                    format!(
                        "`{name}` is required and not declared, so that it is pruned before it is looked for"
                    ),
                );
            }
        }
    }

    /// SCH-56.
    fn guards(&mut self, map: &Map<String, Value>, path: &str) {
        let rules = map.get("x-kubernetes-validations").and_then(Value::as_array);
        let is_resource = path.ends_with(".openAPIV3Schema") || flag(map, "x-kubernetes-embedded-resource");
        for (index, rule) in rules.into_iter().flatten().enumerate() {
            // There `oldSelf` is a value that may be absent itself, and is asked in other ways.
            if rule.get("optionalOldSelf") == Some(&Value::Bool(true)) {
                continue;
            }
            let text = rule.get("rule").and_then(Value::as_str).unwrap_or_default();
            for field in guards::unguarded(text, map, is_resource) {
                let (object, name) = field.rsplit_once('.').unwrap_or(("self", &field));
                let message = format!(
                    "`{field}` may be absent, and then the rule fails with \"no such key\"; write `!has({field}) || ...`, \
                     or `{object}.?{name}.orValue(...)`"
                );
                self.warning(
                    "unguarded-optional",
                    format!("{path}.x-kubernetes-validations[{index}].rule"),
                    message,
                );
            }
        }
    }

    /// SCH-19: limits that contradict each other, or do not belong to the type.
    fn limits(&mut self, map: &Map<String, Value>, path: &str, place: Place) {
        for (low, high) in [
            ("minimum", "maximum"),
            ("minLength", "maxLength"),
            ("minItems", "maxItems"),
            ("minProperties", "maxProperties"),
        ] {
            let number = |key: &str| map.get(key).and_then(Value::as_f64);
            if let (Some(min), Some(max)) = (number(low), number(high))
                && min > max
            {
                let message = format!("{low} {min} is greater than {high} {max}; no value fits");
                self.error("contradicting-limits", format!("{path}.{low}"), message);
            }
            for key in [low, high] {
                if low != "minimum" && number(key).is_some_and(|limit| limit < 0.0) {
                    self.error(
                        "contradicting-limits",
                        format!("{path}.{key}"),
                        "a size is never negative",
                    );
                }
            }
        }
        let kind = text(map, "type");
        if place == Place::Junctor || kind.is_empty() {
            return;
        }
        for (keys, kinds) in [
            (
                &["minimum", "maximum", "multipleOf"][..],
                &["integer", "number"][..],
            ),
            (&["minLength", "maxLength", "pattern"], &["string"]),
            (&["minItems", "maxItems"], &["array"]),
            (&["minProperties", "maxProperties", "required"], &["object"]),
        ] {
            for key in keys {
                if map.contains_key(*key) && !kinds.contains(&kind) {
                    let message = format!("`{key}` says nothing about values of type {kind}; remove it");
                    self.error("misplaced-limit", format!("{path}.{key}"), message);
                }
            }
        }
    }

    /// SCH-19: enums with values of another type, and repetitions.
    fn values(&mut self, map: &Map<String, Value>, path: &str, place: Place) {
        for key in ["enum", "required"] {
            let Some(Value::Array(values)) = map.get(key) else {
                continue;
            };
            let mut seen = HashSet::with_capacity(values.len());
            for (index, value) in values.iter().enumerate() {
                if !seen.insert(gotext::json(value)) {
                    let message = format!("{value} is there twice");
                    self.error("repeated-value", format!("{path}.{key}[{index}]"), message);
                }
            }
        }
        let Some(Value::Array(values)) = map.get("enum").filter(|_| place == Place::Structure) else {
            return;
        };
        let kind = text(map, "type");
        for (index, value) in values.iter().enumerate() {
            let fits = match value {
                Value::Null => true,
                Value::Bool(_) => kind == "boolean",
                Value::Number(number) => kind == "number" || (kind == "integer" && !number.is_f64()),
                Value::String(_) => kind == "string",
                Value::Array(_) => kind == "array",
                Value::Object(_) => kind == "object",
            };
            if !fits && !kind.is_empty() {
                let message = format!("{value} is no {kind}, so that it never is the value");
                self.error("enum-type", format!("{path}.enum[{index}]"), message);
            }
        }
    }
}

/// Whether a path such as `.spec.replicas` leads to a schema that fits. What is preserved may be anything, and a
/// resource has its type whether that is declared or not.
/// Where two versions hold different data: a field that one of them lacks, or one of another type. What is merely
/// described, bounded or defaulted in another way survives a change of `apiVersion`.
fn difference(one: &Node, other: &Node, path: String) -> Option<String> {
    let keeps = |node: &Node| {
        node.preserve || !matches!(node.additional, Additional::Undeclared | Additional::Forbidden)
    };
    if one.kind != other.kind || keeps(one) != keeps(other) {
        return Some(path);
    }
    let mut names: Vec<&str> = [one, other]
        .iter()
        .flat_map(|node| node.properties.iter().map(|(name, _)| &**name))
        .collect();
    names.sort_unstable();
    names.dedup();
    let fields = names.into_iter().find_map(|name| {
        let path = format!("{path}.{name}");
        match (one.property(name), other.property(name)) {
            (Some(one), Some(other)) => difference(one, other, path),
            // What has no place is kept by a node that keeps what it does not know.
            _ => (!keeps(one)).then_some(path),
        }
    });
    fields.or_else(|| match (&one.items, &other.items) {
        (Some(one), Some(other)) => difference(one, other, format!("{path}[]")),
        (None, None) => match (&one.additional, &other.additional) {
            (Additional::Schema(one), Additional::Schema(other)) => {
                difference(one, other, format!("{path}.*"))
            }
            _ => None,
        },
        _ => Some(path),
    })
}

fn leads_to(root: &Node, path: &str, fits: impl Fn(&Node) -> bool) -> bool {
    let mut node = root;
    let mut resource = true;
    for name in path.trim_start_matches('.').split('.') {
        let implied = resource && matches!(name, "apiVersion" | "kind" | "metadata");
        let preserve = node.preserve || implied;
        node = match node.field(name) {
            Some(next) => next,
            None => return preserve,
        };
        resource = node.embedded;
    }
    fits(node)
}

#[cfg(test)]
mod tests;
