#![allow(unreachable_pub, reason = "types of a user stand in modules of theirs")]

use schemars::JsonSchema;

use super::*;
use crate::versions::{Conversion, VersionSet};

/// A kind of two versions, with a factor between them and a value for older objects.
macro_rules! site {
    ($name:ident, $factor:literal, $retries:literal $(, $more:ident)?) => {
        mod $name {
            pub(super) mod v1 {
                use super::super::*;

                #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
                #[kube(group = "web.example.com", version = "v1", kind = "Site", crates(kubewright = "crate"))]
                pub struct SiteSpec {
                    pub seconds: i32,
                }
            }
            pub(super) mod v2 {
                use super::super::*;
                use super::v1 as old;

                #[derive(crate::CustomResource, crate::Convert, Serialize, Deserialize, JsonSchema, Clone, Debug)]
                #[kube(
                    group = "web.example.com",
                    version = "v2",
                    kind = "Site",
                    storage,
                    previous = old::Site,
                    crates(kubewright = "crate")
                )]
                #[convert(from = old::SiteSpec)]
                pub struct SiteSpec {
                    #[convert(rename = "seconds", with(up = up, down = down))]
                    pub millis: i64,
                    #[convert(added(value = $retries))]
                    pub retries: i32,
                    $(
                        #[convert(added(value = true))]
                        pub $more: bool,
                    )?
                }

                fn up(seconds: i32) -> i64 {
                    i64::from(seconds) * $factor
                }

                fn down(millis: i64) -> i32 {
                    i32::try_from(millis / $factor).unwrap_or(i32::MAX)
                }
            }
        }
    };
}

site!(released, 1000, 1);
site!(same, 1000, 1);
site!(factor, 1024, 1);
site!(value, 1000, 2);
site!(more, 1000, 1, quiet);

fn release(name: &str) -> Release {
    Release::new(name, "2026-11-26".parse().expect("a day"))
}

fn lock() -> Lock {
    let definition = VersionSet::<released::v2::Site>::crd(&Conversion::url("https://example.com/convert"))
        .expect("a definition");
    let mut lock = Lock::new(&definition, &release("1.0.0"));
    let findings = lock
        .record_edges::<released::v2::Site>(&Samples::new(), &release("1.0.0"), None)
        .expect("recorded");
    assert_eq!(findings, []);
    lock
}

#[test]
fn ver_51_the_same_edge_does_the_same() {
    let lock = lock();
    assert_eq!(lock.edges[0].up.len(), 16);
    assert_eq!(lock.edges[0].down.len(), 16);
    // Other types in another module: the table's text is the same.
    assert_eq!(lock.check_edges::<same::v2::Site>().expect("the kind"), []);
    // Recorded once more, it is the same lock to the byte, also after reading.
    let text = lock.to_yaml().expect("yaml");
    let value = kubewright_schema::yaml::from_slice(text.as_bytes()).expect("yaml");
    let mut read: Lock = serde_json::from_value(value).expect("a lock");
    assert_eq!(read, lock);
    read.record_edges::<same::v2::Site>(&Samples::new(), &release("1.1.0"), None)
        .expect("recorded");
    assert_eq!(read.to_yaml().expect("yaml"), text);
    // What people read comes first.
    assert!(
        text.find("\nedges:").expect("edges") > text.find("\nversions:").expect("versions"),
        "{text}"
    );
}

#[test]
fn ver_51_a_changed_function_is_told_with_the_object_and_the_path() {
    let mut lock = lock();
    let findings = lock.check_edges::<factor::v2::Site>().expect("the kind");
    // No table says what a function does.
    assert!(
        findings.iter().all(|finding| finding.change != EdgeChange::Table),
        "{findings:?}"
    );
    let up = &findings[0];
    assert_eq!(
        (up.from.as_str(), up.to.as_str(), up.level),
        ("v1", "v2", Level::Breaking)
    );
    let EdgeChange::Conversion {
        object,
        path,
        was,
        is,
    } = &up.change
    else {
        panic!("{up}")
    };
    assert_eq!(path, "spec.millis");
    let seconds = serde_json::from_str::<Value>(object).expect("JSON")["spec"]["seconds"]
        .as_i64()
        .expect("a number");
    assert_eq!(was, &Some((seconds * 1000).into()));
    assert_eq!(is, &Some((seconds * 1024).into()));

    let before = lock.clone();
    let error = lock
        .record_edges::<factor::v2::Site>(&Samples::new(), &release("1.1.0"), None)
        .expect_err("breaking");
    assert!(
        error
            .to_string()
            .contains("\n  breaking: conversion between v1 and v2: spec.millis was "),
        "{error}"
    );
    assert_eq!(lock, before);
    lock.record_edges::<factor::v2::Site>(&Samples::new(), &release("1.1.0"), Some("it never was a second"))
        .expect("accepted");
    assert_eq!(lock.accepted()[0].reason, "it never was a second");
    assert_eq!(lock.check_edges::<factor::v2::Site>().expect("the kind"), []);
}

#[test]
fn ver_51_another_value_for_older_objects_is_told_twice() {
    let findings = lock().check_edges::<value::v2::Site>().expect("the kind");
    assert_eq!(findings[0].change, EdgeChange::Table);
    assert_eq!(findings[0].level, Level::Warning);
    let EdgeChange::Conversion { path, was, is, .. } = &findings[1].change else {
        panic!("{findings:?}")
    };
    assert_eq!(
        (path.as_str(), was, is),
        ("spec.retries", &Some(1.into()), &Some(2.into()))
    );
    assert_eq!(findings[1].level, Level::Breaking);
}

#[test]
fn ver_51_a_new_field_with_a_value_breaks_nothing() {
    let mut lock = lock();
    let findings = lock.check_edges::<more::v2::Site>().expect("the kind");
    assert!(!findings.is_empty());
    assert!(
        findings.iter().all(|finding| finding.level == Level::Warning),
        "{findings:?}"
    );
    lock.record_edges::<more::v2::Site>(&Samples::new(), &release("1.1.0"), None)
        .expect("recorded");
    assert_eq!(lock.check_edges::<more::v2::Site>().expect("the kind"), []);
}

#[test]
fn ver_51_tables_of_each_action_have_a_text() {
    let text = crate::convert::canonical::text(&crate::convert::tests::kinds::V1);
    insta::assert_snapshot!(text);
}
