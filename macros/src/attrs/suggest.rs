//! What to write instead of a key that is not known.

/// Message for an unknown `key` in `place(...)`.
pub(crate) fn unknown(place: &str, key: &str, known: &[&str]) -> String {
    let advice = match marker(key) {
        Some(advice) => advice.to_owned(),
        None => match nearest(key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys are {}", list(known)),
        },
    };
    format!("unknown key `{key}` in `{place}(...)`; {advice}")
}

/// The known word nearest to `word`, where one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let squash = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let word = squash(word);
    known
        .iter()
        .map(|candidate| (distance(&word, &squash(candidate)), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The words in backticks, separated by commas.
pub(crate) fn list(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Advice for the names of kubebuilder's and code-generator's markers, and for keys of other tools.
fn marker(key: &str) -> Option<&'static str> {
    let field = "this is a rule for one field: put it on the field, as `#[schemars(range(min = 1))]`, `length(...)` or \
                 `regex(...)`";
    Some(match key {
        "path" | "resourceName" => "write `plural = \"...\"`",
        "shortName" | "short_name" => "write `shortname = \"...\"` or `shortnames(\"a\", \"b\")`",
        "nonNamespaced" | "cluster" | "cluster_scoped" => {
            "kinds are cluster-scoped unless `namespaced` is given; `scope = \"Cluster\"` says so aloud"
        }
        "subresource" | "subresources" => "write `status = \"FooStatus\"` or `scale(...)`",
        "printColumn" | "print_column" | "column" => {
            "write `printcolumn(name = \"...\", type_ = \"...\", json_path = \"...\")`"
        }
        "storageversion" | "storageVersion" => "write `storage = true`, and `storage = false` in the others",
        "unservedversion" | "unservedVersion" => "write `served = false`",
        "skipversion" | "skipVersion" => "leave the type out of the list of versions",
        "deprecatedversion" | "deprecatedVersion" | "deprecation_warning" | "deprecationWarning" => {
            "write `deprecated` or `deprecated = \"what to use instead\"`"
        }
        "metadata" => "write `annotation(\"key\", \"value\")` or `label(\"key\", \"value\")`",
        "annotations" => "write `annotation(\"key\", \"value\")`, once for each",
        "labels" => "write `label(\"key\", \"value\")`, once for each",
        "selectablefield" | "selectableField" | "selectableFields" | "selectable_fields" => {
            "write `selectable = \".spec.field\"`"
        }
        "groupName" | "groupname" => "write `group = \"...\"`",
        "versionName" | "versionname" | "api_version" | "apiVersion" => {
            "write `group = \"...\"` and `version = \"...\"`"
        }
        "XValidation" | "xvalidation" | "rule" | "rules" | "cel_rule" | "x_kubernetes_validations" => {
            "write `validation = \"self.spec...\"` or `validation = Rule::new(\"...\").message(\"...\")`"
        }
        "JSONPath" | "jsonPath" | "jsonpath" => "write `json_path = \"...\"` inside `printcolumn(...)`",
        "specpath" | "specReplicasPath" => "write `spec_replicas_path = \"...\"` inside `scale(...)`",
        "statuspath" | "statusReplicasPath" => "write `status_replicas_path = \"...\"` inside `scale(...)`",
        "selectorpath" | "labelSelectorPath" => "write `label_selector_path = \"...\"` inside `scale(...)`",
        "genclient" | "noStatus" => "a client needs no key; the status verbs follow `status = \"...\"`",
        "listType" | "listMapKey" | "mapType" | "structType" | "list_type" | "map_type" => {
            "put it on the field, as `#[schemars(extend(\"x-kubernetes-list-type\" = \"set\"))]`"
        }
        "minimum" | "maximum" | "Minimum" | "Maximum" | "MinLength" | "MaxLength" | "min_length"
        | "max_length" | "Pattern" | "pattern" | "MinItems" | "MaxItems" | "Enum" | "Format" => field,
        "optional" | "Optional" | "nullable" => "give the field the type `Option<T>`",
        "required" | "Required" => {
            "fields are required unless they are `Option<T>` or have `#[serde(default)]`"
        }
        "default" => "write `#[serde(default)]` on the field",
        "resource" => "write `plural`, `singular`, `shortname`, `category` and `namespaced`",
        "printcolumn" => "write `printcolumn(name = \"...\", type_ = \"...\", json_path = \"...\")`",
        "description" => "write `doc = \"...\"`",
        "MultipleOf" | "multipleOf" => "put it on the field, as `#[schemars(extend(\"multipleOf\" = 5))]`",
        "ExclusiveMaximum" | "ExclusiveMinimum" | "exclusiveMaximum" | "exclusiveMinimum" => {
            "put it on the field, as `#[schemars(extend(\"exclusiveMinimum\" = 0))]`"
        }
        "MinProperties" | "MaxProperties" | "minProperties" | "maxProperties" => {
            "put it on the field, as `#[schemars(extend(\"maxProperties\" = 8))]`"
        }
        "UniqueItems" | "uniqueItems" => {
            "the server refuses it; put `#[schemars(extend(\"x-kubernetes-list-type\" = \"set\"))]` on the field"
        }
        "XIntOrString" | "int_or_string" => {
            "give the field the type `k8s_openapi::apimachinery::pkg::util::intstr::IntOrString`"
        }
        "XEmbeddedResource" | "EmbeddedResource" | "embedded_resource" => {
            "put it on the field, as `#[schemars(extend(\"x-kubernetes-embedded-resource\" = true))]`"
        }
        "XPreserveUnknownFields" | "PreserveUnknownFields" | "preserve_unknown_fields" => {
            "put it on the field, as `#[schemars(extend(\"x-kubernetes-preserve-unknown-fields\" = true))]`"
        }
        "externalDocs" | "external_docs" => {
            "put it on the field or type, as `#[schemars(extend(\"externalDocs\" = {\"url\": \"...\"}))]`"
        }
        "Schemaless" => "put it on the field, as `#[schemars(schema_with = \"function\")]`",
        "AtMostOneOf" | "ExactlyOneOf" | "AtLeastOneOf" => {
            "make the fields variants of an enum, or write `validation = \"...\"` with `has(self.spec.field)`"
        }
        "immutable" => "write `validation = \"self.spec.field == oldSelf.spec.field\"`",
        "patchStrategy" | "patchMergeKey" => {
            "custom kinds have no strategic merge: leave it out; server-side apply merges by `x-kubernetes-list-type`"
        }
        "noVerbs" | "onlyVerbs" | "skipVerbs" | "readonly" => {
            "a client has every verb of its kind: leave it out"
        }
        "struct" => "write `root = \"...\"`",
        "name" => "write `kind = \"...\"`, and `root = \"...\"` for another Rust name",
        "spec" => "the spec is the type that carries the derive",
        _ => return None,
    })
}

/// Advice for the names of markers, and of other tools, where the attribute is one of a field or a type.
pub(crate) fn of_schema(key: &str) -> Option<&'static str> {
    Some(match key {
        "Minimum" | "min" => "write `minimum = 1`",
        "Maximum" | "max" => "write `maximum = 10`",
        "ExclusiveMinimum" | "exclusiveMinimum" => {
            "write `exclusive_minimum = 0`, which is the bound and the flag"
        }
        "ExclusiveMaximum" | "exclusiveMaximum" => {
            "write `exclusive_maximum = 10`, which is the bound and the flag"
        }
        "MultipleOf" | "multipleOf" => "write `multiple_of = 5`",
        "MinLength" | "minLength" => "write `min_length = 1`",
        "MaxLength" | "maxLength" => "write `max_length = 63`",
        "maxBytes" => "write `max_bytes = 1024`",
        "Pattern" | "regex" => "write `pattern = \"^[a-z]+$\"`",
        "MinItems" | "minItems" => "write `min_items = 1`",
        "MaxItems" | "maxItems" => "write `max_items = 16`",
        "UniqueItems" | "uniqueItems" | "unique_items" => {
            "the server refuses it; write `list_type = \"set\"`"
        }
        "MinProperties" | "minProperties" => "write `min_properties = 1`",
        "MaxProperties" | "maxProperties" => "write `max_properties = 8`",
        "range" => "write `minimum = 1, maximum = 10`",
        "length" => "write `min_length = 1, max_length = 63`",
        "Enum" | "enum" | "enum_" => "make the type an enum, or write `enum_values(\"a\", \"b\")`",
        "enumExclude" => "write `#[kube(skip)]` on the variant",
        "Format" => "write `format = \"date-time\"`",
        "Type" | "type" | "type_" => "write `schema_type = \"string\"`",
        "XValidation" | "xvalidation" | "rule" | "rules" | "cel_rule" | "x_kubernetes_validations" => {
            "write `validation = \"self > 0\"` or `validation = Rule::new(\"...\").message(\"...\")`"
        }
        "XIntOrString" | "IntOrString" => "write `int_or_string`, or give the field the type `IntOrString`",
        "XEmbeddedResource" | "EmbeddedResource" => "write `embedded_resource`",
        "XPreserveUnknownFields" | "PreserveUnknownFields" | "pruning" => "write `preserve_unknown_fields`",
        "Schemaless" => "write `schema = \"none\", preserve_unknown_fields`",
        "externalDocs" => "write `external_docs(url = \"...\")`",
        "listType" | "x_kubernetes_list_type" => "write `list_type = \"set\"`",
        "listMapKey" | "list_map_key" | "listMapKeys" => "write `list_map_keys(\"name\")`",
        "mapType" | "structType" | "struct_type" => "write `map_type = \"atomic\"`",
        "patchStrategy" | "patchMergeKey" => "custom kinds have no strategic merge: leave it out",
        "Optional" | "optional" => "give the field the type `Option<T>`, or `#[serde(default)]`",
        "Required" => {
            "fields are required unless they are `Option<T>` or have a default; `required` makes one so"
        }
        "Nullable" => "write `nullable`",
        "Default" => "write `default = ...`",
        "ExactlyOneOf" => "write `exactly_one_of(\"a\", \"b\")` on the struct",
        "AtMostOneOf" => "write `at_most_one_of(\"a\", \"b\")` on the struct",
        "AtLeastOneOf" => "write `at_least_one_of(\"a\", \"b\")` on the struct",
        "dependentRequired" => "write `requires(\"other\")`",
        "dependentForbidden" => "write `conflicts_with(\"other\")`",
        "eachKey" | "each_key" => "write `keys(...)`",
        "eachVal" | "each_val" => "write `items(...)` for a list, `values(...)` for a map",
        "neq" => "write `not_equal = ...`",
        "unionMember" | "unionDiscriminator" | "modeDiscriminator" | "ifMode" => "make it an enum with data",
        "zeroOrOneOfMember" => "make it an `Option` of an enum with data",
        "ifEnabled" | "ifDisabled" => "definitions have no feature gates: leave it out",
        "customUnique" | "customValidation" => "write the rule, as `validation = \"...\"`",
        "printColumn" | "column" => "write `printcolumn = \"Name\"`",
        "selectablefield" | "selectableField" | "selectable_field" => "write `selectable`",
        "maxDescLen" => "write `max_desc_len = 100`",
        "rename" | "flatten" | "with" | "schema_with" => {
            "it belongs into `#[serde(...)]` or `#[schemars(...)]`, which are read too"
        }
        _ => return None,
    })
}

/// Message for a line of a doc comment that is a marker of kubebuilder or code-generator.
pub(crate) fn leftover(line: &str) -> Option<String> {
    /// Markers without a tool's name in front.
    const BARE: &[&str] = &[
        "optional",
        "required",
        "nullable",
        "default",
        "enum",
        "genclient",
        "groupName",
        "versionName",
        "resourceName",
        "listType",
        "listMapKey",
        "mapType",
        "structType",
        "patchStrategy",
        "patchMergeKey",
    ];
    let marker_text = line.trim().strip_prefix('+')?;
    // `+a:b:c=...`, where `c` says what is meant.
    let path = marker_text.split(['=', '(', ' ']).next().unwrap_or_default();
    let tool = path.split(':').next().unwrap_or_default();
    if !["kubebuilder", "k8s"].contains(&tool) && !BARE.contains(&tool) {
        return None;
    }
    let advice = path.split(':').filter_map(of_schema).next_back();
    let advice = advice.map(|advice| {
        if advice.starts_with("write `") {
            format!("{advice} in #[kube(...)], with the derive `KubeSchema`")
        } else {
            advice.to_owned()
        }
    });
    let of_kind = || path.split(':').filter_map(marker).next_back().map(str::to_owned);
    let advice = advice
        .or_else(of_kind)
        .unwrap_or_else(|| "say it by an attribute, or remove the line".to_owned());
    Some(format!("the marker `+{path}` does nothing in Rust; {advice}"))
}

/// Edit distance with transposition of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let swap = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + swap);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["shortname", "namespaced", "plural", "printcolumn"];
        assert_eq!(nearest("shortnam", &known), Some("shortname"));
        assert_eq!(nearest("namespace", &known), Some("namespaced"));
        assert_eq!(nearest("plurla", &known), Some("plural"));
        assert_eq!(nearest("print_column", &known), Some("printcolumn"));
        assert_eq!(nearest("owner", &known), None);
    }

    #[test]
    fn a_marker_gets_its_attribute() {
        let text = unknown("kube", "storageversion", &["storage"]);
        assert!(text.contains("storage = true"), "{text}");
    }

    #[test]
    fn leftover_markers_are_told_from_prose() {
        let text = leftover(" +kubebuilder:validation:Minimum=1").unwrap();
        assert!(
            text.contains("`+kubebuilder:validation:Minimum`") && text.contains("`minimum = 1` in #[kube"),
            "{text}"
        );
        let text = leftover("+kubebuilder:root").unwrap();
        assert!(text.contains("remove the line"), "{text}");
        for line in [
            "+optional",
            "+listType=map",
            "+k8s:immutable",
            "+genclient:noVerbs",
        ] {
            assert!(leftover(line).is_some(), "{line}");
        }
        for line in ["+1 is added", "a +optional word", "+ optional", "optional", ""] {
            assert_eq!(leftover(line), None, "{line}");
        }
    }
}
