//! Build-script helpers: files, their bytes, and when they are touched.

use std::fs;

use kubewright::build::{BuildError, crds, to_yaml};
use kubewright::crd::MergeError;
use serde_json::json;

mod v1 {
    use kubewright::CustomResource;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "example.com",
        version = "v1",
        kind = "Widget",
        namespaced,
        status = "WidgetStatus",
        shortname = "wi",
        category = "all",
        scale(
            spec_replicas_path = ".spec.replicas",
            status_replicas_path = ".status.replicas"
        ),
        printcolumn(
            name = "Replicas",
            type_ = "integer",
            json_path = ".spec.replicas",
            priority = 1
        ),
        selectable = "spec.colour",
        label("app", "widgets")
    )]
    #[serde(rename_all = "camelCase")]
    pub struct WidgetSpec {
        /// Wanted number.
        #[schemars(range(min = 1, max = 10))]
        pub replicas: Option<i32>,
        #[serde(default = "yes")]
        pub colour: String,
        pub ratio: Option<f64>,
    }

    fn yes() -> String {
        "yes".to_owned()
    }

    #[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
    pub struct WidgetStatus {
        pub replicas: i32,
    }
}

mod v1beta1 {
    use kubewright::CustomResource;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "example.com",
        version = "v1beta1",
        kind = "Widget",
        namespaced,
        shortname = "wi",
        category = "all",
        storage = false,
        deprecated = "use example.com/v1"
    )]
    pub struct WidgetSpec {
        pub size: u8,
    }
}

mod v2 {
    use kubewright::CustomResource;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "example.com",
        version = "v2",
        kind = "Widget",
        shortname = "wi",
        category = "all"
    )]
    pub struct WidgetSpec {}
}

mod v3 {
    use kubewright::CustomResource;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// Refers to itself, which no structural schema can say.
    #[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
    pub struct Node {
        pub next: Option<Box<Node>>,
    }

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "example.com", version = "v3", kind = "Tree")]
    pub struct TreeSpec {
        pub root: Node,
    }
}

const FILE: &str = "widgets.example.com.yaml";

#[test]
fn versions_stand_in_one_file_in_the_order_of_priority() {
    let dir = tempfile::tempdir().unwrap();
    crds()
        .add::<v1beta1::Widget>()
        .add::<v1::Widget>()
        .write(dir.path().join("crds"))
        .unwrap();
    let text = fs::read_to_string(dir.path().join("crds").join(FILE)).unwrap();
    insta::assert_snapshot!(text);

    let turned = tempfile::tempdir().unwrap();
    crds()
        .add::<v1::Widget>()
        .add::<v1beta1::Widget>()
        .write(turned.path())
        .unwrap();
    assert_eq!(text, fs::read_to_string(turned.path().join(FILE)).unwrap());
}

#[test]
fn the_yaml_is_the_definition() {
    use kubewright::CustomResourceExt;
    let definition = v1::Widget::crd();
    let text = to_yaml(&definition).unwrap();
    let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let written = serde_json::to_value(&definition).unwrap();
    // Whole numbers lose their `.0`, which no JSON number has.
    let read = read.to_string();
    assert_eq!(
        read,
        written.to_string().replace("10.0", "10").replace("1.0", "1")
    );
}

#[test]
fn a_right_file_is_not_touched_and_a_wrong_one_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let write = || crds().add::<v1::Widget>().write(dir.path()).unwrap();
    write();
    let right = fs::read_to_string(&path).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(old)
        .unwrap();
    write();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), old);

    fs::write(&path, "edited by hand").unwrap();
    write();
    assert_eq!(fs::read_to_string(&path).unwrap(), right);
}

#[test]
fn check_shows_a_diff_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    crds().add::<v1::Widget>().write(dir.path()).unwrap();
    crds().add::<v1::Widget>().check(dir.path()).unwrap();

    let path = dir.path().join(FILE);
    let wrong = fs::read_to_string(&path)
        .unwrap()
        .replace("maximum: 10", "maximum: 11");
    fs::write(&path, &wrong).unwrap();
    let error = crds().add::<v1::Widget>().check(dir.path()).unwrap_err();
    let text = format!("{error:?}");
    assert!(
        text.contains("\n-                maximum: 11\n+                maximum: 10\n"),
        "{text}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), wrong);

    fs::remove_file(&path).unwrap();
    let error = crds().add::<v1::Widget>().check(dir.path()).unwrap_err();
    assert!(matches!(error, BuildError::Stale { diff } if diff.contains("+kind: CustomResourceDefinition")));
    assert!(!path.exists());
}

#[test]
fn contradictions_are_told_all_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let error = crds()
        .add::<v1::Widget>()
        .add::<v2::Widget>()
        .add::<v3::Tree>()
        .write(dir.path())
        .unwrap_err();
    insta::assert_snapshot!(error.to_string());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn exactly_one_version_is_stored() {
    let of = |error: BuildError| match error {
        BuildError::Merge(error) => error,
        other => panic!("{other:?}"),
    };
    let none = crds().add::<v1beta1::Widget>().check(".").unwrap_err();
    assert!(matches!(of(none), MergeError::NotStored { .. }));
    let twice = crds()
        .add::<v1::Widget>()
        .add::<v1::Widget>()
        .check(".")
        .unwrap_err();
    assert!(matches!(of(twice), MergeError::SameVersion { .. }));
}

#[test]
fn kinds_of_one_file_are_refused() {
    let error = crds()
        .add::<v1::Widget>()
        .add_definition({
            let mut other = kubewright::crd::of::<v1::Widget>().unwrap();
            other.metadata.name = Some("others.example.com".to_owned());
            other
        })
        .file_name(|_| "crd.yaml".to_owned())
        .check(".")
        .unwrap_err();
    assert!(matches!(error, BuildError::SameFile { name } if name == "crd.yaml"));
}

#[test]
fn merge_keeps_conversion_in_any_order() {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceConversion;
    let conversion = |strategy: &str| CustomResourceConversion {
        strategy: strategy.to_owned(),
        webhook: None,
    };
    let plain = kubewright::crd::of::<v1::Widget>().unwrap();
    let mut telling = kubewright::crd::of::<v1beta1::Widget>().unwrap();
    telling.spec.conversion = Some(conversion("Webhook"));
    telling.spec.names.list_kind = Some("Widgets".to_owned());
    let merged = kubewright::crd::merge([plain.clone(), telling.clone()]).unwrap();
    assert_eq!(merged.spec.conversion, Some(conversion("Webhook")));
    assert_eq!(merged.spec.names.list_kind.as_deref(), Some("Widgets"));
    let turned = kubewright::crd::merge([telling.clone(), plain.clone()]).unwrap();
    assert_eq!(merged, turned);

    let mut contradicting = plain.clone();
    contradicting.spec.conversion = Some(conversion("None"));
    let error = kubewright::crd::merge([contradicting, telling.clone()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Widget: conversion is `{\"strategy\":\"None\"}` in v1 and `{\"strategy\":\"Webhook\"}` in v1beta1; versions \
         of one kind share it"
    );
    let mut contradicting = plain;
    contradicting.spec.names.list_kind = Some("WidgetList".to_owned());
    let error = kubewright::crd::merge([contradicting, telling]).unwrap_err();
    assert!(matches!(
        error,
        MergeError::Differ {
            what: "list kind",
            ..
        }
    ));
}

/// Strings that a YAML 1.1 parser, as Kubernetes' own, takes for something else unless they are quoted.
#[test]
fn strings_stay_strings() {
    let tricky = [
        "yes",
        "Yes",
        "YES",
        "no",
        "No",
        "on",
        "On",
        "off",
        "OFF",
        "y",
        "Y",
        "n",
        "N",
        "true",
        "True",
        "FALSE",
        "null",
        "Null",
        "~",
        "",
        "1",
        "-1",
        "+1",
        "1e3",
        "1E3",
        "1.",
        ".5",
        "0x10",
        "0o17",
        "017",
        "0b1",
        "1_000",
        "1:30",
        "190:20:30",
        ".inf",
        "-.Inf",
        ".NaN",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "=",
        "<<",
        "-",
        "- a",
        "? a",
        ": a",
        "a: b",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "{a",
        "[a",
        "'a'",
        "\"a\"",
        " a",
        "a ",
        "a\tb",
        "a\nb",
        "a\n",
        "\na",
        "é",
        "a\\b",
        "...",
        "---",
        "a:",
        "1.2.3",
        "1e",
        "e1",
        "0x",
        "_",
        "a\u{85}b",
        "a\u{2028}b",
        "\u{7f}",
        "\u{feff}",
        "null ",
        "0.",
        "+.5",
        "1__0",
        "0b12",
        "09",
        "+0x1F",
        "-0b1",
    ];
    for text in tricky {
        let yaml = to_yaml(&json!({"key": text, text: "value", "list": [text]})).unwrap();
        let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(
            read,
            json!({"key": text, text: "value", "list": [text]}),
            "{yaml}"
        );
        // What YAML 1.1 resolves to no string must be quoted, wherever it stands.
        if resolves_in_yaml_1_1(text) {
            let value = yaml.lines().find_map(|line| line.strip_prefix("key: ")).unwrap();
            assert!(value.starts_with(['"', '\'']), "{text:?} is written {value}");
            let key = yaml.lines().find(|line| line.ends_with(": value")).unwrap();
            assert!(key.starts_with(['"', '\'']), "{text:?} as a key is written {key}");
        }
    }
}

/// The implicit types of go-yaml v2, which `sigs.k8s.io/yaml` reads with: its `resolve.go`, and YAML 1.1's
/// sexagesimals and dates, which other 1.1 parsers know.
fn resolves_in_yaml_1_1(text: &str) -> bool {
    let words = [
        "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On",
        "ON", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", ".nan", ".NaN",
        ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", "<<", "=",
    ];
    if words.contains(&text) {
        return true;
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    let digits = plain.trim_start_matches(['+', '-']);
    let radix = |prefix: &str, radix: u32| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    let number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.chars().any(|c| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || "eE+-.".contains(c))
        && digits.parse::<f64>().is_ok();
    let colons = digits.contains(':') && digits.split(':').all(|part| part.parse::<u32>().is_ok());
    let date = text.len() >= 10
        && text.as_bytes()[4] == b'-'
        && text.is_char_boundary(4)
        && text[..4].parse::<u32>().is_ok();
    number || colons || date || radix("0x", 16) || radix("0o", 8) || radix("0b", 2)
}
