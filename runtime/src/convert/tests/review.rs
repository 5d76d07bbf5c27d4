//! The server's question and the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::kinds::V1;
use crate::convert::{Converter, Converters, Dropped, Observer};

#[derive(Debug, Default)]
struct Counts {
    dropped: AtomicU64,
    panics: AtomicU64,
}

impl Observer for Counts {
    fn dropped(&self, _: Dropped, units: u64) {
        self.dropped.fetch_add(units, Ordering::Relaxed);
    }

    fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }
}

fn converters() -> Converters {
    Converters::new().with(Converter::of_link(&V1))
}

fn object(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "web.example.com/v1alpha1",
        "kind": "Site",
        "metadata": { "name": name, "namespace": "default" },
        "spec": spec,
    })
}

fn review(objects: &Value, desired: &str) -> Vec<u8> {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": { "uid": "u-1", "desiredAPIVersion": desired, "objects": objects },
    })
    .to_string()
    .into_bytes()
}

fn ask(objects: &Value, desired: &str) -> Value {
    let answer = converters().review(&review(objects, desired));
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn message(objects: &Value, desired: &str) -> (String, u64) {
    let answer = ask(objects, desired);
    let result = &answer["response"]["result"];
    assert_eq!(result["status"], "Failure");
    assert_eq!(answer["response"]["convertedObjects"], json!([]));
    (
        result["message"].as_str().expect("a message").to_owned(),
        result["code"].as_u64().expect("a code"),
    )
}

#[test]
fn ver_24_the_answer_has_the_objects_in_their_order() {
    let objects: Vec<_> = (0..5)
        .map(|i| object(&format!("n{i}"), json!({ "imageName": i.to_string() })))
        .collect();
    let answer = ask(&json!(objects), "web.example.com/v1");
    let expected: Vec<_> = (0..5)
        .map(|i| {
            json!({
                "apiVersion": "web.example.com/v1",
                "kind": "Site",
                "metadata": { "name": format!("n{i}"), "namespace": "default" },
                "spec": { "image": i.to_string() },
            })
        })
        .collect();
    assert_eq!(
        answer,
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "ConversionReview",
            "response": { "uid": "u-1", "convertedObjects": expected, "result": { "status": "Success" } },
        })
    );
}

#[test]
fn ver_25_no_objects_and_objects_of_the_version() {
    for objects in [json!([]), json!(null)] {
        let answer = ask(&objects, "web.example.com/v9");
        assert_eq!(answer["response"]["convertedObjects"], json!([]));
        assert_eq!(answer["response"]["result"]["status"], "Success");
    }
    let object = object("n", json!({ "x": 1 }));
    assert_eq!(
        ask(&json!([object]), "web.example.com/v1alpha1")["response"]["convertedObjects"],
        json!([object])
    );
}

#[test]
fn ver_27_ten_failures_are_named() {
    let bad = |i: usize| object(&format!("n{i}"), json!({ "timeoutSeconds": true }));
    let objects: Vec<_> = (0..13).map(bad).collect();
    let (text, code) = message(&json!(objects), "web.example.com/v1");
    assert_eq!(code, 422);
    assert_eq!(text.matches("converting Site default/n").count(), 10, "{text}");
    assert!(text.ends_with("; and 3 more"), "{text}");
    let (text, _) = message(
        &json!([bad(1), object("ok", json!({})), bad(2)]),
        "web.example.com/v1",
    );
    assert_eq!(
        text,
        "converting Site default/n1 from web.example.com/v1alpha1 to web.example.com/v1: spec.timeoutSeconds: is not a \
         value of type i64; converting Site default/n2 from web.example.com/v1alpha1 to web.example.com/v1: \
         spec.timeoutSeconds: is not a value of type i64"
    );
    let long: Vec<_> = (0..12)
        .map(|i| {
            object(
                &format!("{i}{}", "ü".repeat(1000)),
                json!({ "timeoutSeconds": true }),
            )
        })
        .collect();
    let (text, _) = message(&json!(long), "web.example.com/v1");
    assert!(
        text.len() <= 4096 && text.ends_with("...; and 2 more"),
        "{}",
        text.len()
    );
}

#[test]
fn ver_31_a_panic_counts_though_it_is_not_named() {
    let newer = |spec: Value| json!({ "apiVersion": "web.example.com/v1", "kind": "Site", "metadata": { "name": "n" }, "spec": spec });
    let mut objects = vec![newer(json!({ "limits": { "cpu": { "permille": 5 } } })); 11];
    let (_, code) = message(&json!(objects), "web.example.com/v1alpha1");
    assert_eq!(code, 422);
    objects.push(newer(json!({ "rules": { "lines": ["panic"] } })));
    let (text, code) = message(&json!(objects), "web.example.com/v1alpha1");
    assert!(text.ends_with("; and 2 more"), "{text}");
    assert_eq!(code, 500);
}

#[test]
fn ver_28_bad_questions_are_told_first() {
    let fails = object("n", json!({ "timeoutSeconds": true }));
    let page = json!({ "apiVersion": "web.example.com/v1", "kind": "Page" });
    for (objects, desired, text) in [
        (
            json!([fails, page]),
            "web.example.com/v1",
            "no conversion is registered for web.example.com/v1 Page (known: Site)",
        ),
        (
            json!([fails]),
            "web.example.com/v9",
            "web.example.com/v9 is not a version of Site (known: v1, v1alpha1)",
        ),
        (json!([fails]), "v1", ""),
        (
            json!([fails, 1]),
            "web.example.com/v1",
            "object 1 is not an object",
        ),
        (
            json!([fails, {}]),
            "web.example.com/v1",
            "object 1 has no apiVersion",
        ),
        (
            json!([{ "apiVersion": "a" }]),
            "web.example.com/v1",
            "object 0 has no kind",
        ),
    ] {
        let (message, code) = message(&objects, desired);
        if text.is_empty() {
            assert_eq!(code, 422, "{message}");
        } else {
            assert_eq!((message.as_str(), code), (text, 400));
        }
    }
}

#[test]
fn ver_29_what_is_no_review() {
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        br#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview"}"#,
        br#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":null}"#,
        br#"{"apiVersion":"apiextensions.k8s.io/v1beta1","kind":"ConversionReview","request":{}}"#,
        br#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"Other","request":{}}"#,
        br#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"objects":{}}}"#,
    ] {
        assert_eq!(
            converters().review(body).status,
            400,
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}

#[test]
fn ver_31_panics_and_dropped_units_are_counted() {
    let counts = Arc::new(Counts::default());
    let converters = converters().observer(Arc::clone(&counts) as Arc<dyn Observer>);
    let mut panics = object("n", json!({ "rules": { "lines": ["panic"] } }));
    panics["apiVersion"] = json!("web.example.com/v1");
    let body = review(&json!([panics, panics]), "web.example.com/v1alpha1");
    let answer: Value = serde_json::from_slice(&converters.review(&body).body).expect("JSON");
    assert_eq!(answer["response"]["result"]["code"], 500);
    assert_eq!(counts.panics.load(Ordering::Relaxed), 2);

    let mut forged = object("n", json!({}));
    forged["metadata"]["annotations"] =
        json!({ "conversion.web.example.com/preserved": r#"{"v1":{"set":[[["metadata"],1],1]}}"# });
    converters.review(&review(&json!([forged]), "web.example.com/v1"));
    assert_eq!(counts.dropped.load(Ordering::Relaxed), 2);
}

#[test]
fn ver_32_parts_make_the_same_answer() {
    let converters = converters();
    let objects: Vec<_> = (0..100)
        .map(|i| object(&format!("n{i}"), json!({ "imageName": "x" })))
        .collect();
    let body = review(&json!(objects), "web.example.com/v1");
    let whole = converters.review(&body);
    let review = converters.read(&body).expect("a review");
    let parts = std::thread::scope(|scope| {
        let review = &review;
        let threads: Vec<_> = [60..100, 0..1, 1..60]
            .into_iter()
            .map(|range| scope.spawn(move || review.convert(range)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect::<Vec<_>>()
    });
    assert_eq!(review.finish(parts), whole);
    let missing = review.finish([review.convert(0..50)]);
    let missing: Value = serde_json::from_slice(&missing.body).expect("JSON");
    assert_eq!(missing["response"]["result"]["status"], "Failure");
}
