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

mod wrong {
    use kubewright::CustomResource;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "example.com",
        version = "v1",
        kind = "Selecting",
        selectable = ".spec.nope",
        printcolumn(name = "Nope", type_ = "string", json_path = ".spec.neither")
    )]
    pub struct SelectingSpec {
        pub colour: String,
    }

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "x.k8s.io", version = "v1", kind = "Unapproved")]
    pub struct UnapprovedSpec {}

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "example.com",
        version = "v1",
        kind = "Choosing",
        no_spec,
        status = "ChoosingStatus"
    )]
    pub struct Choice {
        #[serde(flatten)]
        pub choice: Either,
    }

    #[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
    pub enum Either {
        This(String),
        That(i32),
    }

    #[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
    pub struct ChoosingStatus {
        pub chosen: bool,
    }
}

mod usual {
    use std::collections::{BTreeMap, HashMap};

    use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, ResourceRequirements};
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
    use kubewright::CustomResource;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// What specs are made of.
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "example.com",
        version = "v1",
        kind = "Usual",
        namespaced,
        status = "UsualStatus",
        scale(
            spec_replicas_path = ".spec.replicas",
            status_replicas_path = ".status.replicas",
            label_selector_path = ".status.selector"
        ),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
        printcolumn(
            name = "Ready",
            type_ = "string",
            json_path = r#".status.conditions[?(@.type=="Ready")].status"#
        )
    )]
    #[serde(rename_all = "camelCase")]
    pub struct UsualSpec {
        pub replicas: i32,
        pub mode: Mode,
        pub other_mode: Option<Mode>,
        pub source: Source,
        pub other_source: Option<Source>,
        pub labels: BTreeMap<String, String>,
        pub limits: HashMap<String, Quantity>,
        pub port: IntOrString,
        pub max_surge: Option<IntOrString>,
        pub since: Option<Time>,
        pub selector: LabelSelector,
        pub template: PodTemplateSpec,
        pub containers: Vec<Container>,
        pub resources: Option<ResourceRequirements>,
        #[schemars(length(min = 1, max = 10), regex(pattern = "^a+$"))]
        pub text: Option<String>,
        #[serde(default)]
        pub flag: bool,
        pub values: Option<serde_json::Value>,
        pub ratio: f64,
    }

    #[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
    pub enum Mode {
        On,
        Off,
    }

    #[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    pub enum Source {
        Git { url: String },
        Inline(String),
    }

    #[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
    pub struct UsualStatus {
        pub replicas: i32,
        pub selector: String,
        pub conditions: Vec<Condition>,
    }
}

mod doubtful {
    use kubewright::CustomResource;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "example.com", version = "v1", kind = "Doubtful")]
    pub struct DoubtfulSpec {
        #[schemars(regex(pattern = "a+"))]
        pub text: String,
        pub count: u64,
    }
}

mod passed_over {
    use kubewright::{CustomResource, KubeSchema};
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "example.com",
        version = "v1",
        kind = "Risky",
        printcolumn(name = "Nope", type_ = "string", json_path = ".spec.nope"),
        allow("column-path")
    )]
    pub struct RiskySpec {
        #[kube(pattern = "a+", allow("unanchored-pattern"))]
        pub text: String,
        #[kube(pattern = "b+")]
        pub other: String,
        pub ratio: f64,
        #[kube(allow_float)]
        pub speed: f64,
        pub count: u64,
        pub bytes: Vec<u8>,
    }

    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(group = "example.com", version = "v1", kind = "Typo", allow("floats"))]
    pub struct TypoSpec {
        pub text: String,
    }

    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "example.com",
        version = "v1",
        kind = "Shown",
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )]
    #[serde(rename_all = "camelCase")]
    pub struct ShownSpec {
        #[kube(printcolumn = "Colour", selectable)]
        pub main_colour: String,
        pub inner: Inner,
    }

    #[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
    pub struct Inner {
        #[kube(printcolumn(name = "Size", priority = 1))]
        pub size: Option<i32>,
    }
}

/// markers.md, section 2: columns and selectable fields that fields declare come after the kind's own.
#[test]
fn fields_declare_columns() {
    let definition = kubewright::crd::of::<passed_over::Shown>().unwrap();
    assert_eq!(kubewright::crd::check_kind::<passed_over::Shown>().unwrap(), []);
    let version = &definition.spec.versions[0];
    let columns: Vec<_> = version
        .additional_printer_columns
        .iter()
        .flatten()
        .map(|c| {
            (
                c.name.as_str(),
                c.type_.as_str(),
                c.json_path.as_str(),
                c.priority,
            )
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("Age", "date", ".metadata.creationTimestamp", None),
            ("Size", "integer", ".spec.inner.size", Some(1)),
            ("Colour", "string", ".spec.mainColour", None),
        ]
    );
    let selectable: Vec<_> = version
        .selectable_fields
        .iter()
        .flatten()
        .map(|f| f.json_path.as_str())
        .collect();
    assert_eq!(selectable, [".spec.mainColour"]);
}

/// What is only risky is passed over where types say so, and what types alone know is told.
#[test]
fn findings_are_passed_over_where_types_say_so() {
    let warnings = kubewright::crd::check_kind::<passed_over::Risky>().unwrap();
    let told: Vec<_> = warnings
        .iter()
        .map(|lint| (lint.id, lint.path.as_str()))
        .collect();
    let at = "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties";
    assert_eq!(
        told,
        [
            ("unanchored-pattern", &*format!("{at}[other].pattern")),
            ("byte-list", &*format!("{at}[bytes]")),
            ("wide-integer", &*format!("{at}[count]")),
            ("float", &*format!("{at}[ratio]")),
        ]
    );
    let error = kubewright::crd::check_kind::<passed_over::Typo>().unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        source.to_string(),
        "no structural schema for `Typo`: spec: there is no rule `floats` to allow; is `float` meant?"
    );
}

const FILE: &str = "widgets.example.com.yaml";

#[test]
fn versions_stand_in_one_file_in_the_order_of_priority() {
    let dir = tempfile::tempdir().unwrap();
    crds()
        .add::<v1beta1::Widget>()
        .add::<v1::Widget>()
        .allow("lossy-conversion")
        .write(dir.path().join("crds"))
        .unwrap();
    let text = fs::read_to_string(dir.path().join("crds").join(FILE)).unwrap();
    insta::assert_snapshot!(text);

    let turned = tempfile::tempdir().unwrap();
    crds()
        .add::<v1::Widget>()
        .add::<v1beta1::Widget>()
        .allow("lossy-conversion")
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

/// SCH-70: descriptions by length, and the longest first until it fits.
#[test]
fn descriptions_are_cut_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let written = |set: kubewright::build::Crds| {
        set.write(dir.path()).unwrap();
        fs::read_to_string(dir.path().join("usuals.example.com.yaml")).unwrap()
    };
    let whole = written(crds().add::<usual::Usual>());
    assert!(whole.contains("What specs are made of."));
    assert!(whole.contains("PodTemplateSpec describes"));

    let cut = written(crds().add::<usual::Usual>().max_desc_len(30));
    assert!(cut.contains("description: What specs are made of."));
    assert!(!cut.contains("PodTemplateSpec describes the data a pod should have"));

    let none = written(crds().add::<usual::Usual>().max_desc_len(0));
    assert!(!none.contains("description: What specs"));
    let lines = |text: &str| {
        text.lines()
            .filter(|line| line.trim_start().starts_with("type: "))
            .count()
    };
    assert_eq!(lines(&none), lines(&whole));

    let size = |yaml: &str| {
        serde_saphyr::from_str::<serde_json::Value>(yaml)
            .unwrap()
            .to_string()
            .len()
    };
    let limit = 262_144;
    assert!(size(&whole) > limit, "{}", size(&whole));
    let fitting = written(crds().add::<usual::Usual>().max_size(limit));
    assert!(
        size(&fitting) <= limit && size(&fitting) > limit / 2,
        "{}",
        size(&fitting)
    );
    // Short ones are the last to go.
    assert!(fitting.contains("description: What specs are made of."));
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
fn a_set_without_kinds_and_a_rule_that_is_none_are_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let error = crds().check(dir.path()).unwrap_err();
    assert!(matches!(error, BuildError::NoKinds), "{error}");
    let error = crds()
        .add::<v1::Widget>()
        .allow("lossy-conversions")
        .write(dir.path())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`lossy-conversions` is no rule that `allow` could pass over"),
        "{error}"
    );
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
            other.spec.names.plural = "others".to_owned();
            other
        })
        .file_name(|_| "crd.yaml".to_owned())
        .check(".")
        .unwrap_err();
    assert!(matches!(error, BuildError::SameFile { name } if name == "crd.yaml"));
}

/// SCH-21, SCH-48, SCH-60: a server would answer 422 to each of these.
#[test]
fn what_a_server_refuses_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let all = || {
        crds()
            .add::<wrong::Selecting>()
            .add::<wrong::Unapproved>()
            .add::<wrong::Choosing>()
            .add::<v3::Tree>()
            .add::<doubtful::Doubtful>()
    };
    let error = all().write(dir.path()).unwrap_err();
    insta::assert_snapshot!(error.to_string());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // The committed files are no excuse.
    let checked = all().check(dir.path()).unwrap_err();
    assert_eq!(checked.to_string(), error.to_string());
    // A refusal is nothing to be allowed.
    let allowed = crds()
        .add::<wrong::Unapproved>()
        .allow("refused")
        .check(dir.path());
    assert!(matches!(allowed, Err(BuildError::Check(error)) if error.faults.len() == 1));
}

/// What build scripts refuse is what the server refuses.
#[tokio::test]
async fn a_server_refuses_the_same() {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let server = kubewright_apiserver::DevServer::start().await.unwrap();
    let definitions = kubewright::Client::<CustomResourceDefinition>::new(server.client());
    let wrong = [
        kubewright::crd::of::<wrong::Selecting>(),
        kubewright::crd::of::<wrong::Choosing>(),
    ];
    for definition in wrong {
        let definition = definition.unwrap();
        let refused = definitions.create(&definition).await.unwrap_err();
        let causes = refused.status().unwrap().details.as_ref().unwrap().causes.clone();
        let told = kubewright::crd::check(&definition).unwrap_err().faults;
        let told: Vec<_> = told.into_iter().filter(|fault| fault.id == "refused").collect();
        let fields = |paths: Vec<String>| paths.join(" ");
        assert_eq!(
            fields(causes.into_iter().map(|cause| cause.field).collect()),
            fields(told.into_iter().map(|fault| fault.path).collect())
        );
    }
    let definition = kubewright::crd::of::<doubtful::Doubtful>().unwrap();
    definitions.create(&definition).await.unwrap();
    server.stop().await;
}

#[test]
fn usual_fields_pass() {
    let definition = kubewright::crd::of::<usual::Usual>().unwrap();
    if let Err(error) = kubewright::crd::check(&definition) {
        panic!("{error}");
    }
}

#[test]
fn what_works_and_is_doubtful_is_a_warning() {
    let definition = kubewright::crd::of::<doubtful::Doubtful>().unwrap();
    let warnings = kubewright::crd::check(&definition).unwrap();
    let ids: Vec<_> = warnings.iter().map(|warning| warning.id).collect();
    assert_eq!(ids, ["unanchored-pattern"]);
}

/// The lines that cargo reads, from a process that believes to be a build script.
#[test]
fn warnings_are_lines_for_cargo() {
    const DIRECTORY: &str = "KUBEWRIGHT_TEST_CRDS";
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        crds()
            .add::<doubtful::Doubtful>()
            .allow("unknown-format")
            .write(directory)
            .unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let crds = dir.path().join("crds");
    write_one_that_goes(&crds);
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "build::warnings_are_lines_for_cargo", "--nocapture"])
        .env(DIRECTORY, &crds)
        .env("OUT_DIR", dir.path().join("out"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let shown = crds.display().to_string();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("cargo::"))
        .map(|line| line.replace(&shown, "crds"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(crds.join(FILE).exists());
}

fn write_one_that_goes(directory: &std::path::Path) {
    crds().add::<v1::Widget>().write(directory).unwrap();
}

/// A kind that is renamed or removed leaves its file.
#[test]
fn leftovers_are_told_and_files_of_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    write_one_that_goes(dir.path());
    fs::write(
        dir.path().join("by-hand.yaml"),
        "apiVersion: v1\nkind: ConfigMap\n",
    )
    .unwrap();
    fs::write(dir.path().join("bytes.bin"), [0xff, 0xfe]).unwrap();
    fs::create_dir(dir.path().join("patches")).unwrap();
    let left = || crds().add::<doubtful::Doubtful>();
    left().write(dir.path()).unwrap();

    let orphan = dir.path().join(FILE);
    let error = left().check(dir.path()).unwrap_err();
    assert!(
        matches!(&error, BuildError::Orphan { path } if *path == orphan),
        "{error:?}"
    );
    assert!(error.to_string().contains("remove the file"), "{error}");
    left().shared_directory().check(dir.path()).unwrap();

    // With what differs, all at once.
    fs::remove_file(dir.path().join("doubtfuls.example.com.yaml")).unwrap();
    let error = left().check(dir.path()).unwrap_err();
    assert!(
        matches!(&error, BuildError::Many(errors) if matches!(
            errors.as_slice(),
            [BuildError::Stale { .. }, BuildError::Orphan { .. }]
        )),
        "{error:?}"
    );
    left().write(dir.path()).unwrap();

    // Who takes a file over removes its first line.
    let text = fs::read_to_string(&orphan).unwrap();
    let (header, rest) = text.split_once('\n').unwrap();
    assert_eq!(header, "# Code generated by kubewright. DO NOT EDIT.");
    fs::write(&orphan, rest).unwrap();
    left().check(dir.path()).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
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
         of one kind share it, and one plural is one kind: another kind needs its own `plural`"
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
