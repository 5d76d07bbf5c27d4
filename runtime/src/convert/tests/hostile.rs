//! Bodies and annotations that nobody means well with: a megabyte each, and answered like any other.

use std::time::{Duration, Instant};

use serde_json::json;

use super::kinds::V1;
use crate::convert::{Converter, Converters};

const BYTES: usize = 1_000_000;
/// Far above what any of them needs, without optimization and on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(20);

/// Texts of about a megabyte.
fn texts() -> Vec<(&'static str, String)> {
    let times = |text: &str| text.repeat(BYTES / text.len());
    let nested = |open: &str, close: &str| {
        let depth = BYTES / (open.len() + close.len());
        format!("{}1{}", open.repeat(depth), close.repeat(depth))
    };
    let units = |unit: &str| {
        format!(
            r#"{{"v1":{{"set":[{}]}}}}"#,
            vec![unit; BYTES / (unit.len() + 1)].join(",")
        )
    };
    let bytes: String = (0..BYTES)
        .map(|at| char::from(b' ' + u8::try_from(at.wrapping_mul(2_654_435_761) >> 7 & 63).unwrap_or(0)))
        .collect();
    vec![
        ("spaces", times(" ")),
        ("backslashes", times("\\")),
        ("quotes", times("\"")),
        ("open lists", times("[")),
        ("open objects", times(r#"{"a":"#)),
        ("nested lists", nested("[", "]")),
        ("nested objects", nested(r#"{"spec":"#, "}")),
        (
            "members of one name",
            format!(r#"{{"a":1{}}}"#, times(r#","a":1"#)),
        ),
        ("digits", times("9")),
        ("numbers", format!("[1{}]", times(",1e999"))),
        ("escapes", format!("\"{}\"", times("\\u0000"))),
        ("half surrogates", format!("\"{}\"", times("\\ud800"))),
        ("noise", bytes),
        ("units of one place", units(r#"[["spec","class"],"c"]"#)),
        ("units without a place", units(r#"[[],{}]"#)),
        (
            "units of items",
            units(r#"[["spec","ports",{"name":"a"},"appProtocol"],"x"]"#),
        ),
        ("origins", format!(r#"{{"v1":{{}}{}}}"#, times(r#","v2":{}"#))),
        (
            "a large value",
            format!(r#"{{"v1":{{"set":[[["spec","class"],"{}"]]}}}}"#, times("c")),
        ),
    ]
}

fn within_the_deadline(what: &str, run: impl FnOnce()) {
    let begun = Instant::now();
    run();
    let took = begun.elapsed();
    assert!(took < DEADLINE, "{what} took {took:?}");
}

#[test]
fn ver_29_any_megabyte_is_answered() {
    let converters = Converters::new().with(Converter::of_link(&V1));
    for (what, text) in texts() {
        within_the_deadline(what, || {
            assert_eq!(converters.review(text.as_bytes()).status, 400, "{what}");
            for around in [
                "",
                r#"{"apiVersion":"web.example.com/v1alpha1","kind":"Site","spec":"#,
            ] {
                let end = if around.is_empty() { "" } else { "}" };
                let body = format!(
                    r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{{"uid":"1","desiredAPIVersion":"web.example.com/v1","objects":[{around}{text}{end}]}}}}"#
                );
                let answer = converters.review(body.as_bytes());
                assert!(matches!(answer.status, 200 | 400), "{what}");
            }
        });
    }
}

#[test]
fn ver_19_any_megabyte_in_the_annotation_fails_nothing() {
    let site = Converter::of_link(&V1);
    for (what, text) in texts() {
        let object = json!({
            "apiVersion": "web.example.com/v1alpha1", "kind": "Site",
            "metadata": { "name": "blog", "annotations": { "conversion.web.example.com/preserved": text } },
            "spec": { "replicas": 1, "imageName": "i", "ports": [{ "name": "a", "port": 1 }] },
        });
        within_the_deadline(what, || {
            let stored = site.convert_value(&object, "v1");
            let stored = stored.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(stored["spec"]["image"], "i", "{what}");
        });
    }
}
