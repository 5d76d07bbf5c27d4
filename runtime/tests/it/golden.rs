//! Upstream's definitions, compared with ours by meaning.
//!
//! Left out before comparing, with the reason: descriptions and the generator's annotation (other words), `listKind`
//! (what the server fills in), `apiVersion`, `kind` and `metadata` at the root (a server declares them itself), and the
//! formats that a Go `int` or `float64` does not have while every Rust number does. What else differs is named by each
//! test.

use std::io::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

/// Upstream's definition, or `None` with a word about it where the goldens are not at hand.
pub(crate) fn upstreams(name: &str) -> Option<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/goldens")
        .join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        // Past the test runner, which keeps what passing tests print.
        let _ = writeln!(
            std::io::stderr(),
            "golden: skipped: there is no {name} to compare with"
        );
        return None;
    };
    let definition: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
    Some(serde_json::to_value(definition).unwrap())
}

/// Ours, which must be without fault.
#[track_caller]
pub(crate) fn ours<K: kubewright::kind::CustomKind>() -> Value {
    if let Err(error) = kubewright::crd::check_kind::<K>() {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        panic!("{error}: {}", source.unwrap_or_default());
    }
    serde_json::to_value(kubewright::crd::of::<K>().unwrap()).unwrap()
}

/// Both, without what is no difference in meaning.
#[track_caller]
pub(crate) fn same(mut ours: Value, mut theirs: Value) {
    for definition in [&mut ours, &mut theirs] {
        definition["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("annotations");
        definition["spec"]["names"]
            .as_object_mut()
            .unwrap()
            .remove("listKind");
    }
    let versions =
        |definition: &mut Value| std::mem::take(definition["spec"]["versions"].as_array_mut().unwrap());
    let (our_versions, their_versions) = (versions(&mut ours), versions(&mut theirs));
    assert_eq!(ours, theirs);
    assert_eq!(our_versions.len(), their_versions.len());
    for (mut ours, mut theirs) in our_versions.into_iter().zip(their_versions) {
        let (mut our_schema, mut their_schema) = (schema(&mut ours), schema(&mut theirs));
        for version in [&mut ours, &mut theirs] {
            for column in version["additionalPrinterColumns"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                column.as_object_mut().unwrap().remove("description");
            }
        }
        assert_eq!(ours, theirs);
        for root in [&mut our_schema, &mut their_schema] {
            let properties = root["properties"].as_object_mut().unwrap();
            properties.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
            let required = root["required"].as_array_mut().into_iter();
            required.for_each(|required| required.retain(|name| name != "metadata"));
        }
        plain(&mut our_schema, &mut their_schema);
        let mut differences = Vec::new();
        differ(&our_schema, &their_schema, "", &mut differences);
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}

fn schema(version: &mut Value) -> Value {
    version["schema"]["openAPIV3Schema"].take()
}

/// Takes out descriptions, and formats that ours has of necessity.
fn plain(ours: &mut Value, theirs: &mut Value) {
    if let (Value::Object(ours), Value::Object(theirs)) = (&mut *ours, &mut *theirs) {
        for map in [&mut *ours, &mut *theirs] {
            if map.get("description").is_some_and(Value::is_string) {
                map.remove("description");
            }
        }
        let number = ours
            .get("type")
            .is_some_and(|kind| kind == "integer" || kind == "number");
        if number && !theirs.contains_key("format") {
            ours.remove("format");
        }
        for (key, value) in ours {
            if let Some(theirs) = theirs.get_mut(key) {
                plain(value, theirs);
            }
        }
    }
}

/// Each place where the two differ, in one line.
fn differ(ours: &Value, theirs: &Value, path: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours {
                match theirs.get(key) {
                    Some(theirs) => differ(value, theirs, &format!("{path}.{key}"), found),
                    None => found.push(format!("{path}.{key}: only ours has {value}")),
                }
            }
            for (key, value) in theirs {
                if !ours.contains_key(key) {
                    found.push(format!("{path}.{key}: only theirs has {value}"));
                }
            }
        }
        (ours, theirs) if ours != theirs => found.push(format!("{path}: {ours}, and theirs {theirs}")),
        _ => {}
    }
}
