//! Conversions: any body of a review, and any text in the annotation that an object carries between versions.

mod kinds;

use kubewright::convert::{Converter, Converters};
use serde_json::{Value, json};

use kinds::{v1, v1alpha1};

const KEY: &str = "conversion.web.example.com/preserved";

thread_local! {
    static SITE: Converter = Converter::of::<v1::Site>();
    static KINDS: Converters = Converters::new().with(SITE.with(Clone::clone));
}

/// Bytes as a review's body, and as the objects of one.
pub fn convert_review(data: &[u8]) {
    answer(data);
    for version in ["v1", "v1alpha1"] {
        let mut body = format!(
            r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{{"uid":"1","desiredAPIVersion":"web.example.com/{version}","objects":["#
        )
        .into_bytes();
        body.extend_from_slice(data);
        body.extend_from_slice(b"]}}");
        answer(&body);
    }
}

/// Whatever is asked, the answer is one that a server understands, and is the same each time.
fn answer(body: &[u8]) {
    let answer = KINDS.with(|kinds| kinds.review(body));
    assert_eq!(
        answer,
        KINDS.with(|kinds| kinds.review(body)),
        "another answer the second time"
    );
    if answer.status != 200 {
        assert_eq!(answer.status, 400);
        return;
    }
    // Numbers that no float holds are moved as they stand, and no `Value` has them.
    let (Ok(asked), Ok(answer)) = (
        serde_json::from_slice::<Value>(body),
        serde_json::from_slice::<Value>(&answer.body),
    ) else {
        return;
    };
    let response = &answer["response"];
    let converted = response["convertedObjects"].as_array().map_or(0, Vec::len);
    match response["result"]["status"].as_str() {
        Some("Success") => {
            let objects = asked["request"]["objects"].as_array().map_or(0, Vec::len);
            assert_eq!(converted, objects, "as many as were asked for");
        }
        Some("Failure") => {
            assert_eq!(converted, 0);
            let message = response["result"]["message"].as_str().expect("a message");
            assert!(!message.is_empty() && message.len() <= 4096, "{message}");
        }
        other => panic!("the result is {other:?}"),
    }
}

fn convert(object: &Value, to: &str) -> Value {
    SITE.with(|site| site.convert_value(object, to))
        .unwrap_or_else(|error| panic!("{error}: {object}"))
}

/// A text as the annotation of valid objects: it never fails a conversion, nor changes what its writer sees.
pub fn convert_annotation(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // The one text that may fail a write: that too much would be lost.
    if text.contains("overflow") || text.contains("\\u") {
        return;
    }
    for (mut object, other) in [(v1alpha1::object(), "v1"), (v1::object(), "v1alpha1")] {
        let version = object["apiVersion"]
            .as_str()
            .expect("a version")
            .replace("web.example.com/", "");
        let plain = object.clone();
        object["metadata"]["annotations"] = json!({ KEY: text });
        let converted = convert(&object, other);
        let mut seen = convert(&converted, &version);
        let metadata = seen["metadata"].as_object_mut().expect("metadata");
        // What is kept for versions that are not known stays.
        metadata.remove("annotations");
        assert_eq!(seen, plain, "{text}");
    }
}
