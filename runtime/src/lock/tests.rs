use serde_json::{Value, json};

use super::*;

fn release(name: &str, date: &str) -> Release {
    Release::new(name, date.parse().expect("a date"))
}

struct Version {
    name: &'static str,
    served: bool,
    deprecated: bool,
    size: Value,
}

fn version(name: &'static str) -> Version {
    Version {
        name,
        served: true,
        deprecated: false,
        size: json!({"type": "integer", "description": "How large.", "maximum": 10}),
    }
}

/// The last version is stored.
fn definition(versions: &[Version]) -> CustomResourceDefinition {
    let last = versions.len() - 1;
    let of = |(index, version): (usize, &Version)| {
        let mut out = json!({
            "name": version.name, "served": version.served, "storage": index == last,
            "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
            "schema": {"openAPIV3Schema": {"type": "object", "description": "A site.", "properties": {
                "spec": {"type": "object", "properties": {"size": version.size, "description": {"type": "string"}}},
            }}},
        });
        if version.deprecated {
            out["deprecated"] = true.into();
        }
        out
    };
    let value = json!({
        "metadata": {"name": "sites.web.example.com"},
        "spec": {
            "group": "web.example.com", "scope": "Namespaced",
            "names": {"plural": "sites", "singular": "site", "kind": "Site", "listKind": "SiteList"},
            "versions": versions.iter().enumerate().map(of).collect::<Vec<_>>(),
        },
    });
    serde_json::from_value(value).expect("a definition")
}

fn levels(findings: &[Finding]) -> Vec<(Level, &'static str)> {
    findings
        .iter()
        .map(|finding| (finding.level, finding.change.kind.id()))
        .collect()
}

#[test]
fn ver_49_a_lock_keeps_what_clients_depend_on_and_is_read_back() {
    let lock = Lock::new(&definition(&[version("v1")]), &release("1.0.0", "2026-01-01"));
    let text = lock.to_yaml().expect("yaml");
    insta::assert_snapshot!(text);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("api-lock").join("sites.web.example.com.yaml");
    lock.write(&path).expect("written");
    assert_eq!(Lock::read(&path).expect("read"), lock);
    assert_eq!(std::fs::read_to_string(&path).expect("text"), text);
    let names: Vec<_> = std::fs::read_dir(path.parent().expect("a folder"))
        .expect("files")
        .collect();
    assert_eq!(names.len(), 1, "nothing is left beside it");
}

#[test]
fn ver_49_a_file_that_is_no_lock_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.yaml");
    let told = |text: &str| {
        std::fs::write(&path, text).expect("written");
        let error = Lock::read(&path).expect_err("no lock");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        (
            error.to_string().replace(&path.display().to_string(), "FILE"),
            source.unwrap_or_default(),
        )
    };
    let (text, source) = told("a: 1");
    assert_eq!(text, "FILE is no lock file");
    assert!(source.contains("unknown field `a`"), "{source}");
    assert_eq!(told("a: [").0, "FILE");
    std::fs::remove_file(&path).expect("removed");
    assert!(matches!(Lock::read(&path), Err(LockError::Io { .. })));
}

#[test]
fn ver_49_a_released_version_is_not_rewritten_without_a_reason() {
    let mut lock = Lock::new(&definition(&[version("v1")]), &release("1.0.0", "2026-01-01"));
    let smaller = definition(&[Version {
        size: json!({"type": "integer", "maximum": 5}),
        ..version("v1")
    }]);
    let next = release("1.1.0", "2026-02-01");
    let before = lock.clone();
    let error = lock.add(&smaller, &next, None).expect_err("breaking");
    assert_eq!(
        error.to_string(),
        "the definition breaks what was released; give it a new version, or accept it with a reason:\n  \
         breaking: bounds[stored: breaking, readers: safe]: v1: spec.size: maximum was 10.0 and is 5.0: \
         values that were valid are refused"
    );
    assert!(
        lock.add(&smaller, &next, Some("  ")).is_err(),
        "an empty reason is none"
    );
    assert_eq!(lock, before);

    lock.add(&smaller, &next, Some("10 never worked"))
        .expect("accepted");
    assert_eq!(lock.accepted().len(), 1);
    assert_eq!(lock.accepted()[0].reason, "10 never worked");
    assert_eq!(lock.accepted()[0].release, "1.1.0");
    assert_eq!(lock.accepted()[0].findings.len(), 1);
    assert_eq!(lock.check(&smaller, &next).expect("findings"), []);

    let older = release("1.0.1", "2026-01-15");
    let error = lock.add(&smaller, &older, None).expect_err("older");
    assert!(error.to_string().contains("is older than 1.1.0"), "{error}");
    let mut other = smaller;
    other.metadata.name = Some("pages.web.example.com".into());
    assert!(matches!(
        lock.check(&other, &next),
        Err(LockError::OtherKind { .. })
    ));
}

#[test]
fn ver_50_compatible_changes_are_taken() {
    let mut lock = Lock::new(&definition(&[version("v1")]), &release("1.0.0", "2026-01-01"));
    let larger = definition(&[
        version("v1beta1"),
        Version {
            size: json!({"type": "integer", "maximum": 20, "description": "Another text."}),
            ..version("v1")
        },
    ]);
    let findings = lock
        .add(&larger, &release("1.1.0", "2026-02-01"), None)
        .expect("compatible");
    assert_eq!(
        levels(&findings),
        [
            (Level::Compatible, "bounds"),
            (Level::Compatible, "version-added")
        ]
    );
    assert_eq!(lock.versions["v1"].since, "1.0.0");
    assert_eq!(lock.versions["v1beta1"].since, "1.1.0");
    assert_eq!(lock.versions().collect::<Vec<_>>(), ["v1", "v1beta1"]);
    assert_eq!(lock.releases().len(), 2);
}

#[test]
fn ver_50_alpha_versions_may_break_and_go() {
    let first = definition(&[version("v1alpha1"), version("v1")]);
    let lock = Lock::new(&first, &release("1.0.0", "2026-01-01"));
    let next = release("1.1.0", "2026-02-01");
    let changed = definition(&[
        Version {
            size: json!({"type": "string"}),
            ..version("v1alpha1")
        },
        version("v1"),
    ]);
    let all = levels(&lock.check(&changed, &next).expect("findings"));
    assert_eq!(all, [(Level::Warning, "type"), (Level::Compatible, "bounds")]);
    let all = levels(
        &lock
            .check(&definition(&[version("v1")]), &next)
            .expect("findings"),
    );
    assert_eq!(all, [(Level::Warning, "version-removed")]);
}

/// What a release may do with `v1beta1`, given the releases since its deprecation.
fn beta(releases: &[(&str, &str)], next: (&str, &str)) -> Level {
    let with = |deprecated: bool| {
        definition(&[
            Version {
                deprecated,
                ..version("v1beta1")
            },
            version("v1"),
        ])
    };
    let mut lock = Lock::new(&with(false), &release("0.1.0", "2025-01-01"));
    for (name, date) in releases {
        lock.add(&with(true), &release(name, date), None)
            .expect("compatible");
    }
    let findings = lock
        .check(&definition(&[version("v1")]), &release(next.0, next.1))
        .expect("findings");
    assert_eq!(findings.len(), 1);
    findings[0].level
}

#[test]
fn ver_50_beta_versions_stay_nine_months_and_three_releases() {
    assert_eq!(beta(&[], ("0.2.0", "2027-01-01")), Level::Breaking);
    let three = [
        ("0.2.0", "2025-02-01"),
        ("0.3.0", "2025-03-01"),
        ("0.4.0", "2025-04-01"),
    ];
    assert_eq!(beta(&three, ("0.5.0", "2025-10-31")), Level::Breaking);
    assert_eq!(beta(&three, ("0.5.0", "2025-11-01")), Level::Warning);
    assert_eq!(beta(&three[..2], ("0.5.0", "2026-11-01")), Level::Breaking);
    // The release itself does not count, though it may be recorded already.
    assert_eq!(beta(&three, ("0.4.0", "2026-11-01")), Level::Breaking);
}

#[test]
fn ver_50_stable_versions_stay_within_a_major_release() {
    let with = |deprecated: bool| {
        definition(&[
            Version {
                deprecated,
                ..version("v1")
            },
            version("v2"),
        ])
    };
    let level = |lock: &Lock, next: &str| {
        let findings = lock
            .check(&definition(&[version("v2")]), &release(next, "2030-01-01"))
            .expect("findings");
        findings[0].level
    };
    let mut lock = Lock::new(&with(false), &release("1.0.0", "2025-01-01"));
    assert_eq!(level(&lock, "2.0.0"), Level::Breaking, "never deprecated");
    lock.add(&with(true), &release("1.1.0", "2025-02-01"), None)
        .expect("compatible");
    assert_eq!(level(&lock, "1.9.0"), Level::Breaking);
    assert_eq!(level(&lock, "v2.0.0"), Level::Warning);
    assert_eq!(
        level(&lock, "spring"),
        Level::Breaking,
        "a name without a major number"
    );
}

#[test]
fn a_version_that_goes_is_remembered() {
    let mut lock = Lock::new(
        &definition(&[version("v1alpha1"), version("v1")]),
        &release("1.0.0", "2026-01-01"),
    );
    let one = definition(&[version("v1")]);
    lock.add(&one, &release("1.1.0", "2026-02-01"), None)
        .expect("alpha may go");
    assert_eq!(
        lock.removed,
        BTreeMap::from([("v1alpha1".into(), "1.1.0".into())])
    );
}

#[test]
fn ver_47_each_step_is_asked_for_in_order() {
    let of = |served: bool, deprecated: bool| {
        let mut made = definition(&[
            Version {
                served,
                deprecated,
                ..version("v1alpha1")
            },
            version("v1"),
        ]);
        made.status.get_or_insert_default().stored_versions = Some(vec!["v1alpha1".into(), "v1".into()]);
        made
    };
    let mut lock = Lock::new(&of(true, false), &release("1.0.0", "2026-01-01"));
    let next = release("1.1.0", "2026-02-01");
    let ask = |lock: &Lock, version: &str, live: &CustomResourceDefinition, owners, release: &Release| {
        let removal = lock.removal(version, live, owners, release);
        (removal.missing.clone(), removal.to_string())
    };
    let live = of(true, false);
    assert_eq!(ask(&lock, "v9", &live, 0, &next).0, Some(Missing::Unknown));
    assert_eq!(ask(&lock, "v1", &live, 0, &next).0, Some(Missing::Stored));
    assert_eq!(
        ask(&lock, "v1alpha1", &live, 0, &next).0,
        Some(Missing::Deprecation)
    );
    let live = of(true, true);
    lock.add(&live, &next, None).expect("compatible");
    let next = release("1.2.0", "2026-03-01");
    assert_eq!(ask(&lock, "v1alpha1", &live, 0, &next).0, Some(Missing::Served));
    let mut live = of(false, true);
    lock.add(&live, &next, None).expect("alpha");
    let (missing, text) = ask(&lock, "v1alpha1", &live, 0, &next);
    assert_eq!(
        missing,
        Some(Missing::Release {
            since: "1.2.0".into()
        })
    );
    assert_eq!(
        text,
        "v1alpha1 is deprecated and unserved since 1.2.0, which is not older than this release; wait for the next one"
    );
    let next = release("1.3.0", "2026-04-01");
    let (missing, text) = ask(&lock, "v1alpha1", &live, 0, &next);
    assert_eq!(missing, Some(Missing::Migration));
    assert!(text.contains("storedVersions holds v1alpha1"), "{text}");
    live.status.get_or_insert_default().stored_versions = Some(vec!["v1".into()]);
    assert_eq!(
        ask(&lock, "v1alpha1", &live, 3, &next).0,
        Some(Missing::Owners { objects: 3 })
    );
    let (missing, text) = ask(&lock, "v1alpha1", &live, 0, &next);
    assert_eq!((missing, text.as_str()), (None, "v1alpha1 may be dropped"));

    // Nobody could read of the deprecation before this release, however long the version is unserved.
    let mut lock = Lock::new(&of(false, false), &release("1.0.0", "2026-01-01"));
    let next = release("1.1.0", "2026-02-01");
    lock.add(&of(false, true), &next, None).expect("compatible");
    let since = next.name.clone();
    assert_eq!(
        ask(&lock, "v1alpha1", &live, 0, &next).0,
        Some(Missing::Release { since })
    );
    let next = release("1.2.0", "2026-03-01");
    assert_eq!(ask(&lock, "v1alpha1", &live, 0, &next).0, None);
}
