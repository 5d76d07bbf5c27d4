//! The rules around the schemas: names, versions, conversion, subresources, columns, selectable fields.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::conversion::{check_conversion, is_review_version};
use super::fieldpath::{self, Brackets};
use super::internal::{self, Shared};
use super::lists;
use super::rules::CostLimit;
use super::schema::{self, Schema, Strictness, flag, text};
use super::view::{View, schema_of};
use crate::depth;
use crate::error::{FieldError, NO_FIELD};
use crate::gotext;
use crate::meta;
use crate::names;
use crate::path::Path;
use crate::structural::{Node, Reading, Type};

/// Everything for which a server refuses a new CRD (SCH-10 to SCH-24, SCH-31, SCH-34, SCH-35, SCH-40 to SCH-52,
/// SCH-60 to SCH-71).
///
/// Expects the CRD decoded and defaulted ([`decode`](super::decode), [`default`](super::default)).
pub fn validate(crd: &Value) -> Vec<FieldError> {
    if let Some(error) = depth::error(crd, NO_FIELD) {
        return vec![error];
    }
    let mut errors = Vec::new();
    check_metadata(crd, &mut errors);
    check_spec(&View::new(crd), &Options::default(), &mut errors);
    check_status(crd, &mut errors);
    check_approval(crd, None, &mut errors);
    check_preserve(crd, None, &mut errors);
    errors
}

/// Everything for which a server refuses a change of a CRD: the rules of [`validate`], except where the stored one
/// breaks them already, and what must not change (SCH-71).
///
/// General rules of updates (name, uid, resource version) are the server's for every kind and not checked here.
pub fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    if let Some(error) = depth::error(new, NO_FIELD).or_else(|| depth::error(old, NO_FIELD)) {
        return vec![error];
    }
    let view = View::new(new);
    let old_view = View::new(old);
    let established = old
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True");
    let options = Options::for_update(&view, &old_view);
    let mut errors = Vec::new();
    check_spec(&view, &options, &mut errors);
    let mut immutable = |pointer: &str, field: &str| {
        let new = view.spec_value(pointer);
        if new != old_view.spec_value(pointer) {
            errors.push(FieldError::invalid(field, new, "field is immutable"));
        }
    };
    if established {
        immutable("/scope", "spec.scope");
        immutable("/names/kind", "spec.names.kind");
    }
    immutable("/group", "spec.group");
    immutable("/names/plural", "spec.names.plural");
    check_status(new, &mut errors);
    check_approval(new, Some(old), &mut errors);
    check_preserve(new, Some(old), &mut errors);
    errors
}

fn status_enabled(version: &Map<String, Value>) -> bool {
    version
        .get("subresources")
        .and_then(|subresources| subresources.get("status"))
        .is_some_and(|status| !status.is_null())
}

/// What an update may keep although a new CRD could not have it.
#[derive(Clone)]
struct Options {
    strict: Strictness,
    require_schema: bool,
    known_review_version: bool,
    /// Versions whose many selectable fields are as they were; the empty name stands for shared ones.
    many_selectable: HashSet<String>,
    /// Versions whose schemas are as they were.
    same_schema: HashSet<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            strict: Strictness::FULL,
            require_schema: true,
            known_review_version: true,
            many_selectable: HashSet::new(),
            same_schema: HashSet::new(),
        }
    }
}

impl Options {
    fn for_update(new: &View<'_>, old: &View<'_>) -> Self {
        let schemas = old.schemas();
        let any = |found: &dyn Fn(&Map<String, Value>) -> bool| schemas.iter().any(|s| schema::any(s, found));
        let odd_type = |map: &Map<String, Value>| {
            !matches!(
                text(map, "type"),
                "" | "array" | "boolean" | "integer" | "number" | "object" | "string"
            )
        };
        let loose_items = |map: &Map<String, Value>| {
            let mut errors = Vec::new();
            lists::check_list_items(map, "", &mut errors);
            !errors.is_empty()
        };
        let unpruned = schemas.iter().any(|schema| {
            super::defaults::check(Node::read(schema, Reading::Defaults), None, "", true)
                .iter()
                .any(|error| error.detail == "must not have unknown fields")
        });
        let strict = Strictness {
            known_types: !any(&odd_type),
            structural: schemas.iter().all(|schema| schema::is_structural(schema)),
            pruned_defaults: !unpruned,
            atomic_sets: !any(&lists::has_granular_set),
            list_map_keys: !any(&loose_items),
        };
        let review_versions = old.spec_value("/conversion/webhook/conversionReviewVersions");
        let known_review_version = review_versions
            .as_array()
            .is_none_or(|versions| versions.is_empty() || versions.iter().any(is_review_version));
        let mut many_selectable = HashSet::new();
        for version in &new.versions {
            let before = old.versions.iter().find(|v| v.get("name") == version.get("name"));
            let fields = version.get("selectableFields").and_then(Value::as_array);
            if fields.is_some_and(|fields| fields.len() > MAX_SELECTABLE)
                && before
                    .is_some_and(|before| before.get("selectableFields") == version.get("selectableFields"))
            {
                many_selectable.insert(text(version, "name").to_owned());
                if new.shared_selectable && old.shared_selectable {
                    many_selectable.insert(String::new());
                }
            }
        }
        Self {
            strict,
            require_schema: old.versions.iter().all(|version| schema_of(version).is_some()),
            known_review_version,
            many_selectable,
            same_schema: new
                .versions
                .iter()
                .filter(|version| {
                    let before = old.versions.iter().find(|v| v.get("name") == version.get("name"));
                    before.is_some_and(|before| schema_of(before) == schema_of(version))
                })
                .map(|version| text(version, "name").to_owned())
                .collect(),
        }
    }

    /// What may be expensive already may stay so.
    fn cost_limit(&self, version: &Map<String, Value>) -> CostLimit {
        if self.same_schema.contains(text(version, "name")) {
            CostLimit::Waived
        } else {
            CostLimit::Holds
        }
    }
}

fn check_metadata(crd: &Value, errors: &mut Vec<FieldError>) {
    let empty = Map::new();
    let metadata = crd.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let spec = crd.get("spec").and_then(Value::as_object).unwrap_or(&empty);
    let names = spec.get("names").and_then(Value::as_object).unwrap_or(&empty);
    let name = text(metadata, "name");
    if name.is_empty() {
        errors.push(FieldError::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else {
        let mut wrong = names::dns1123_subdomain(name);
        if name != format!("{}.{}", text(names, "plural"), text(spec, "group")) {
            wrong.push("must be spec.names.plural+\".\"+spec.group".to_owned());
        }
        errors.extend(
            wrong
                .into_iter()
                .map(|detail| FieldError::invalid("metadata.name", name, detail)),
        );
    }
    if !text(metadata, "namespace").is_empty() {
        errors.push(FieldError::forbidden(
            "metadata.namespace",
            "not allowed on this type",
        ));
    }
    let root = Path::Root;
    let path = Path::Key(&root, "metadata");
    meta::validate_labels(metadata.get("labels"), &Path::Key(&path, "labels"), errors);
    meta::validate_annotations(
        metadata.get("annotations"),
        &Path::Key(&path, "annotations"),
        errors,
    );
}

fn check_spec(view: &View<'_>, options: &Options, errors: &mut Vec<FieldError>) {
    let group = view.text("group");
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else {
        let wrong = names::dns1123_subdomain(group);
        if !wrong.is_empty() {
            errors.push(FieldError::invalid("spec.group", group, wrong.join(",")));
        } else if !group.contains('.') {
            errors.push(FieldError::invalid(
                "spec.group",
                group,
                "should be a domain with at least one dot",
            ));
        }
    }
    check_enum(
        "spec.scope",
        view.text("scope"),
        &["Cluster", "Namespaced"],
        errors,
    );
    // Only what was stored before v1 can still do without pruning.
    let pruned = !view.spec.is_some_and(|spec| flag(spec, "preserveUnknownFields"));
    for (index, version) in view.versions.iter().enumerate() {
        if schema_of(version).is_none() {
            let field = format!("spec.versions[{index}].schema.openAPIV3Schema");
            if options.require_schema {
                errors.push(FieldError::required(field, ""));
            } else if pruned && flag(version, "served") {
                errors.push(FieldError::required(
                    field,
                    "because otherwise all fields are pruned",
                ));
            }
        }
    }
    let any = |found: &dyn Fn(&Map<String, Value>) -> bool| {
        view.schemas().iter().any(|schema| schema::any(schema, found))
    };
    let defaults = any(&|map| map.get("default").is_some_and(|value| !value.is_null()));
    if defaults && !pruned {
        errors.push(FieldError::invalid(
            "spec.preserveUnknownFields",
            true,
            "must be false in order to use defaults in the schema",
        ));
    }
    // Pruning, defaults and extensions need a structural schema, whatever was stored.
    let structural = pruned || defaults || any(&|map| map.keys().any(|key| key.starts_with("x-kubernetes-")));
    let options = &Options {
        strict: Strictness {
            structural: structural || options.strict.structural,
            ..options.strict
        },
        ..options.clone()
    };
    check_versions(view, options, errors);
    check_names_required(view, errors);
    if let Some(names) = view.names() {
        check_names(names, "spec.names", errors);
    }
    let first = view.versions.first();
    let shared = first.filter(|_| view.shared_schema);
    let shared = shared.and_then(|version| Some((version, Schema::new(schema_of(version)?))));
    if let Some((version, schema)) = &shared {
        let any_status = view.versions.iter().any(|version| status_enabled(version));
        errors.extend(schema::check(
            schema,
            "spec.validation.openAPIV3Schema",
            any_status,
            options.strict,
            options.cost_limit(version),
        ));
    }
    if view.shared_subresources
        && let Some(version) = first
    {
        check_subresources(version, "spec.subresources", errors);
    }
    if view.shared_columns
        && let Some(version) = first
    {
        check_columns(version, "spec.additionalPrinterColumns", errors);
    }
    if view.shared_selectable
        && let Some(version) = first
        && has_selectable(version)
    {
        if let Some((_, schema)) = &shared {
            check_selectable(
                version,
                schema.served(),
                "spec.selectableFields",
                "",
                options,
                errors,
            );
        } else {
            errors.push(FieldError::invalid(
                "spec.selectableFields",
                "",
                "may only be set when validations.schema is included",
            ));
        }
    }
    check_conversion(view, options.known_review_version, errors);
}

/// A value that must be one of a few.
pub(super) fn check_enum(field: &str, value: &str, supported: &[&str], errors: &mut Vec<FieldError>) {
    if value.is_empty() {
        errors.push(FieldError::required(field, ""));
    } else if !supported.contains(&value) {
        errors.push(FieldError::not_supported(field, value, supported));
    }
}

/// SCH-62 to SCH-64.
fn check_versions(view: &View<'_>, options: &Options, errors: &mut Vec<FieldError>) {
    let mut seen = HashSet::new();
    let mut unique = true;
    let mut storage = 0;
    for (index, version) in view.versions.iter().enumerate() {
        let path = format!("spec.versions[{index}]");
        let name = text(version, "name");
        storage += usize::from(flag(version, "storage"));
        unique &= seen.insert(name);
        let wrong = names::dns1035_label(name);
        if !wrong.is_empty() {
            errors.push(FieldError::invalid(format!("{path}.name"), name, wrong.join(",")));
        }
        check_deprecation(version, &path, errors);
        let schema = schema_of(version)
            .filter(|_| !view.shared_schema)
            .map(Schema::new);
        if let Some(schema) = &schema {
            let path = format!("{path}.schema.openAPIV3Schema");
            errors.extend(schema::check(
                schema,
                &path,
                status_enabled(version),
                options.strict,
                options.cost_limit(version),
            ));
        }
        if !view.shared_subresources {
            check_subresources(version, &format!("{path}.subresources"), errors);
        }
        if !view.shared_columns {
            check_columns(version, &format!("{path}.additionalPrinterColumns"), errors);
        }
        if !view.shared_selectable && has_selectable(version) {
            let path = format!("{path}.selectableFields");
            match &schema {
                None => errors.push(FieldError::invalid(
                    path,
                    "",
                    "may only be set when `version.schema.openAPIV3Schema` is not included",
                )),
                Some(schema) => {
                    check_selectable(version, schema.served(), &path, name, options, errors);
                }
            }
        }
    }
    let mut wrong = |detail: &str| {
        let shown = show_versions(view);
        let value: Vec<Value> = view
            .versions
            .iter()
            .map(|v| Value::Object((*v).clone()))
            .collect();
        errors.push(FieldError::invalid("spec.versions", value, detail).showing(shown));
    };
    if !unique {
        wrong("must contain unique version names");
    }
    if storage != 1 {
        wrong("must have exactly one version marked as storage version");
    }
    if let Some(first) = view.versions.first() {
        let name = text(first, "name");
        let wrong = names::dns1035_label(name);
        if !name.is_empty() && !wrong.is_empty() {
            errors.push(FieldError::invalid("spec.version", name, wrong.join(",")));
        }
    }
}

/// Versions as the server's internal type prints them.
fn show_versions(view: &View<'_>) -> String {
    if view
        .spec
        .is_none_or(|spec| !spec.get("versions").is_some_and(Value::is_array))
    {
        return "null".to_owned();
    }
    let shared = Shared {
        schema: view.shared_schema,
        subresources: view.shared_subresources,
        columns: view.shared_columns,
        selectable: view.shared_selectable,
    };
    let versions: Vec<String> = view
        .versions
        .iter()
        .map(|version| internal::version(version, shared))
        .collect();
    format!("[{}]", versions.join(","))
}

/// SCH-64.
fn check_deprecation(version: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else {
        return;
    };
    let mut wrong = |detail: String| {
        errors.push(FieldError::invalid(
            format!("{path}.deprecationWarning"),
            warning,
            detail,
        ));
    };
    if !flag(version, "deprecated") {
        wrong("can only be set for deprecated versions".to_owned());
        return;
    }
    if warning.len() > 256 {
        wrong("must be <= 256 characters long".to_owned());
    }
    if warning.is_empty() {
        wrong("must not be an empty string".to_owned());
    }
    if let Some((index, _)) = warning.char_indices().find(|(_, c)| !gotext::is_printable(*c)) {
        wrong(format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {index}"
        ));
    }
}

fn check_names_required(view: &View<'_>, errors: &mut Vec<FieldError>) {
    for key in ["plural", "singular", "kind", "listKind"] {
        if view.names().is_none_or(|names| text(names, key).is_empty()) {
            errors.push(FieldError::required(format!("spec.names.{key}"), ""));
        }
    }
}

/// SCH-61.
fn check_names(names: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    for key in ["plural", "singular"] {
        let value = text(names, key);
        let wrong = names::dns1035_label(value);
        if !value.is_empty() && !wrong.is_empty() {
            errors.push(FieldError::invalid(
                format!("{path}.{key}"),
                value,
                wrong.join(","),
            ));
        }
    }
    for key in ["kind", "listKind"] {
        let value = text(names, key);
        let wrong = names::dns1035_label(&value.to_lowercase());
        if !value.is_empty() && !wrong.is_empty() {
            let detail = format!(
                "may have mixed case, but should otherwise match: {}",
                wrong.join(",")
            );
            errors.push(FieldError::invalid(format!("{path}.{key}"), value, detail));
        }
    }
    check_labels(names, "shortNames", path, errors);
    let kind = text(names, "kind");
    if !kind.is_empty() && kind == text(names, "listKind") {
        errors.push(FieldError::invalid(
            format!("{path}.listKind"),
            kind,
            "kind and listKind may not be the same",
        ));
    }
    check_labels(names, "categories", path, errors);
}

fn check_labels(names: &Map<String, Value>, key: &str, path: &str, errors: &mut Vec<FieldError>) {
    for (index, value) in names
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let value = value.as_str().unwrap_or_default();
        let wrong = names::dns1035_label(value);
        if !wrong.is_empty() {
            errors.push(FieldError::invalid(
                format!("{path}.{key}[{index}]"),
                value,
                wrong.join(","),
            ));
        }
    }
}

/// SCH-66.
fn check_subresources(version: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let Some(scale) = version
        .get("subresources")
        .and_then(|subresources| subresources.get("scale")?.as_object())
    else {
        return;
    };
    for (key, below) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
        let field = format!("{path}.scale.{key}");
        let value = text(scale, key);
        if value.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if !value.starts_with('.') {
            errors.push(not_simple(field, value));
        } else if !value.starts_with(below) {
            let detail = format!("should be a json path under {}", below.trim_end_matches('.'));
            errors.push(FieldError::invalid(field, value, detail));
        }
    }
    let selector = text(scale, "labelSelectorPath");
    let field = format!("{path}.scale.labelSelectorPath");
    if selector.is_empty() {
        return;
    }
    if !selector.starts_with('.') {
        errors.push(not_simple(field, selector));
    } else if !selector.starts_with(".spec.") && !selector.starts_with(".status.") {
        errors.push(FieldError::invalid(
            field,
            selector,
            "should be a json path under either .spec or .status",
        ));
    }
}

fn not_simple(field: String, value: &str) -> FieldError {
    FieldError::invalid(field, value, "must be a simple json path starting with .")
}

/// SCH-68.
fn check_columns(version: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    const FORMATS: [&str; 8] = [
        "byte",
        "date",
        "date-time",
        "double",
        "float",
        "int32",
        "int64",
        "password",
    ];
    let columns = version.get("additionalPrinterColumns").and_then(Value::as_array);
    for (index, column) in columns.into_iter().flatten().enumerate() {
        let Some(column) = column.as_object() else {
            continue;
        };
        let field = |key: &str| format!("{path}[{index}].{key}");
        if text(column, "name").is_empty() {
            errors.push(FieldError::required(field("name"), ""));
        }
        let kind = text(column, "type");
        if kind.is_empty() {
            errors.push(FieldError::required(
                field("type"),
                format!("must be one of {}", TYPES.join(",")),
            ));
        } else if !TYPES.contains(&kind) {
            errors.push(FieldError::invalid(
                field("type"),
                kind,
                format!("must be one of {}", TYPES.join(",")),
            ));
        }
        let format = text(column, "format");
        if !format.is_empty() && !FORMATS.contains(&format) {
            errors.push(FieldError::invalid(
                field("format"),
                format,
                format!("must be one of {}", FORMATS.join(",")),
            ));
        }
        let json_path = text(column, "jsonPath");
        if json_path.is_empty() {
            errors.push(FieldError::required(field("JSONPath"), ""));
        } else if !json_path.starts_with('.') {
            errors.push(not_simple(field("JSONPath"), json_path));
        }
    }
}

const MAX_SELECTABLE: usize = 8;

fn has_selectable(version: &Map<String, Value>) -> bool {
    version
        .get("selectableFields")
        .and_then(Value::as_array)
        .is_some_and(|fields| !fields.is_empty())
}

/// SCH-69.
fn check_selectable(
    version: &Map<String, Value>,
    node: &Node,
    path: &str,
    version_name: &str,
    options: &Options,
    errors: &mut Vec<FieldError>,
) {
    let mut unique = HashSet::new();
    let fields = version.get("selectableFields").and_then(Value::as_array);
    for (index, selectable) in fields.into_iter().flatten().enumerate() {
        let field = format!("{path}[{index}].jsonPath");
        let json_path = selectable
            .get("jsonPath")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if json_path.is_empty() {
            errors.push(FieldError::required(field, ""));
            continue;
        }
        let found = match fieldpath::resolve(json_path, node, Brackets::Refused) {
            Ok(found) => found,
            Err(reason) => {
                let detail = format!("is an invalid path: {reason}");
                errors.push(FieldError::invalid(field, json_path, detail));
                continue;
            }
        };
        if found.root == "metadata" {
            errors.push(FieldError::invalid(
                &*field,
                json_path,
                "must not point to fields in metadata",
            ));
        }
        let scalar = found
            .node
            .is_some_and(|node| matches!(node.kind, Type::String | Type::Boolean | Type::Integer));
        if !scalar {
            errors.push(FieldError::invalid(
                &*field,
                json_path,
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats \
                 are allowed.",
            ));
        }
        if !unique.insert(found.path) {
            errors.push(FieldError::duplicate(field, json_path));
        }
    }
    if unique.len() > MAX_SELECTABLE && !options.many_selectable.contains(version_name) {
        errors.push(FieldError::too_many(path, unique.len(), 8));
    }
}

fn check_status(crd: &Value, errors: &mut Vec<FieldError>) {
    if let Some(names) = crd.pointer("/status/acceptedNames").and_then(Value::as_object) {
        check_names(names, "status.acceptedNames", errors);
    }
    let shown = crd.pointer("/status/storedVersions").cloned().unwrap_or_default();
    let stored: Vec<&str> = shown
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if stored.is_empty() {
        errors.push(FieldError::invalid(
            "status.storedVersions",
            Value::Null,
            "must have at least one stored version",
        ));
        return;
    }
    let view = View::new(crd);
    let mut left: BTreeMap<usize, &str> = stored.iter().copied().enumerate().collect();
    for version in &view.versions {
        let name = text(version, "name");
        if flag(version, "storage") && !stored.contains(&name) {
            errors.push(FieldError::invalid(
                "status.storedVersions",
                shown.clone(),
                format!("must have the storage version {name}"),
            ));
        }
        left.retain(|_, stored| *stored != name);
    }
    for (index, name) in left {
        errors.push(FieldError::invalid(
            format!("status.storedVersions[{index}]"),
            name,
            format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {name} and removes {name} from \
                 status.storedVersions"
            ),
        ));
    }
}

const APPROVAL: &str = "api-approved.kubernetes.io";

#[derive(PartialEq)]
enum Approval {
    Missing,
    Bypassed,
    Approved,
    Invalid,
}

fn approval(crd: &Value) -> (Approval, &str) {
    let text = crd
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations")?.get(APPROVAL)?.as_str())
        .unwrap_or_default();
    let is_url = text
        .split_once("://")
        .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/'));
    let state = match text {
        "" => Approval::Missing,
        text if text.starts_with("unapproved") => Approval::Bypassed,
        _ if is_url && crate::format::Format::Uri.matches(text) => Approval::Approved,
        _ => Approval::Invalid,
    };
    (state, text)
}

/// SCH-60: groups of the project need a word of approval, unless there was none before.
fn check_approval(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let group = View::new(new).text("group");
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.ends_with(&format!(".{domain}")));
    let (state, value) = approval(new);
    if !protected || old.is_some_and(|old| approval(old).0 == state) {
        return;
    }
    let field = format!("metadata.annotations[{APPROVAL}]");
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    let needs = format!(
        "protected groups must have approval annotation {}",
        gotext::quote(APPROVAL)
    );
    match state {
        Approval::Missing => errors.push(FieldError::required(field, format!("{needs}, {see}"))),
        Approval::Invalid => errors.push(FieldError::invalid(
            field,
            value,
            format!("{needs} with either a URL or a reason starting with \"unapproved\", {see}"),
        )),
        Approval::Approved | Approval::Bypassed => {}
    }
}

/// SCH-41.
fn check_preserve(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let preserves = |crd: &Value| crd.pointer("/spec/preserveUnknownFields") == Some(&Value::Bool(true));
    if preserves(new) && !old.is_some_and(preserves) {
        errors.push(FieldError::invalid(
            "spec.preserveUnknownFields",
            true,
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ));
    }
}
