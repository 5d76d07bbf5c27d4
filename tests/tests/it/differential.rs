//! Generated CRDs and objects go to a real kube-apiserver and to `DevServer`, and both must say the same: status code,
//! message, causes, warnings, and what is stored.
//!
//! `KUBEWRIGHT_CASES` sets the number of CRDs, `KUBEWRIGHT_SEED` the first seed; each case has a seed of its own, which a
//! difference names. Without `KUBEWRIGHT_CASES`, the time is bounded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use kubewright::kube;
use kubewright::kube::client::Body;
use kubewright_apiserver::DevServer;
use kubewright_tests::ControlPlane;
use serde_json::{Value, json};

use crate::generate::{self, Draw, Options};

const GROUP: &str = "diff.example.com";
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// Cases that are in work at once.
const BATCH: u64 = 16;
const DEFAULT_CASES: u64 = 160;
/// No further batch begins after this, unless a number of cases was asked for.
const TIME_LIMIT: Duration = Duration::from_secs(60);
const SERVED_DEADLINE: Duration = Duration::from_secs(30);
const OBJECTS: usize = 14;

/// Random bytes for a case: SplitMix64.
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed;
    (0..256)
        .flat_map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)).to_le_bytes()
        })
        .collect()
}

/// What a server answered, without what differs between any two servers.
#[derive(Debug, PartialEq)]
struct Answer {
    code: u16,
    message: Value,
    /// Field, reason and message of each cause.
    causes: Vec<String>,
    warnings: Vec<String>,
    object: Value,
}

async fn send(client: &kube::Client, method: &str, uri: &str, body: Option<&Value>) -> Answer {
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", "application/json")
        .body(Body::from(
            body.map(Value::to_string).unwrap_or_default().into_bytes(),
        ))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let code = response.status().as_u16();
    let mut warnings: Vec<String> = response
        .headers()
        .get_all("warning")
        .iter()
        .map(|warning| warning.to_str().unwrap_or_default().to_owned())
        .collect();
    warnings.sort();
    let body = response.into_body().collect_bytes().await.unwrap();
    let mut object: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut causes: Vec<String> = object["details"]["causes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|cause| {
            scrub(&format!(
                "{} {} {}",
                cause["field"], cause["reason"], cause["message"]
            ))
        })
        .collect();
    causes.sort();
    let failed = object["kind"] == "Status";
    let message = if failed {
        object["message"].take()
    } else {
        Value::Null
    };
    for key in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        object["metadata"]
            .as_object_mut()
            .map(|metadata| metadata.remove(key));
    }
    let object = match object["kind"].as_str() {
        Some("Status") => Value::Null,
        Some("CustomResourceDefinition") => object["spec"].take(),
        _ => object,
    };
    Answer {
        code,
        message: sorted_message(&message),
        causes,
        warnings,
        object: exact(object),
    }
}

/// The parts of a message in brackets, whose order upstream leaves to its hash tables in some places.
fn sorted_message(message: &Value) -> Value {
    let Some(text) = message.as_str().map(scrub) else {
        return Value::Null;
    };
    let Some((head, list)) = text
        .strip_suffix(']')
        .and_then(|text| text.split_once(" is invalid: ["))
    else {
        return text.into();
    };
    let mut parts: Vec<&str> = list.split(", ").collect();
    parts.sort_unstable();
    json!({ "head": head, "parts": parts })
}

/// A message that shows a whole object, without what differs between any two servers.
fn scrub(text: &str) -> String {
    let mut text = text.to_owned();
    for key in ["\"uid", "\"creationTimestamp", "\"resourceVersion"] {
        let mut parts = text.split(key);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            out += key;
            // The value stands between quotes, which may be escaped.
            let mut quoted = part.splitn(4, '"');
            match (quoted.next(), quoted.next(), quoted.next(), quoted.next()) {
                (Some(a), Some(b), Some(_), Some(rest)) => out += &format!("{a}\"{b}\"\"{rest}"),
                _ => out += part,
            }
        }
        text = out;
    }
    text
}

/// Go and Rust write large floats otherwise; the value counts.
fn exact(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none() => json!(format!("{:?}", number.as_f64())),
        Value::Array(items) => items.into_iter().map(exact).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, exact(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

struct Both {
    real: kube::Client,
    dev: kube::Client,
}

#[derive(Default)]
struct Tally {
    crds: usize,
    refused_crds: usize,
    objects: usize,
    refused_objects: usize,
    differences: Vec<String>,
}

impl Both {
    /// Asks both the same; returns the answer, or notes the difference.
    async fn ask(
        &self,
        tally: &mut Tally,
        seed: u64,
        request: (&str, &str),
        body: &Value,
        context: &Value,
    ) -> Option<Answer> {
        let (method, uri) = request;
        let (real, dev) = futures::join!(
            send(&self.real, method, uri, Some(body)),
            send(&self.dev, method, uri, Some(body)),
        );
        if real == dev {
            return Some(real);
        }
        let mut text = format!("seed {seed}: {method} {uri}\n  schema {context}\n  body {body}");
        for (what, real, dev) in [
            ("code", json!(real.code), json!(dev.code)),
            ("message", real.message, dev.message),
            ("causes", json!(real.causes), json!(dev.causes)),
            ("warnings", json!(real.warnings), json!(dev.warnings)),
            ("object", real.object, dev.object),
        ] {
            if real != dev {
                text += &format!("\n  {what}:\n    real {real}\n    ours {dev}");
            }
        }
        tally.differences.push(text);
        None
    }

    async fn is_served(&self, uri: &str) {
        for client in [&self.real, &self.dev] {
            let waiting = async {
                while send(client, "GET", uri, None).await.code != 200 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            assert!(
                tokio::time::timeout(SERVED_DEADLINE, waiting).await.is_ok(),
                "not served: {uri}"
            );
        }
    }

    async fn case(&self, seed: u64) -> Tally {
        let mut tally = Tally::default();
        let data = bytes(seed);
        let mut draw = Draw::new(&data);
        let mut schema = generate::schema(&mut draw, Options::ALL);
        for _ in 0..draw.below(3) {
            generate::edit(&mut draw, &mut schema, Options::ALL);
        }
        let spoiled = draw.one_in(2);
        if spoiled {
            generate::spoil(&mut draw, &mut schema);
        }
        whole_numbers(&mut schema);
        let crd = definition(seed, &schema);
        tally.crds += 1;
        // Looked at first, so that few of them come to life: each costs the real server much.
        let validation = *draw.pick(&["Warn", "Strict", "Ignore"]);
        let uri = format!("{CRDS}?dryRun=All&fieldValidation={validation}");
        let Some(answer) = self
            .ask(&mut tally, seed, ("POST", &uri), &crd, &Value::Null)
            .await
        else {
            return tally;
        };
        if answer.code != 201 {
            tally.refused_crds += 1;
            return tally;
        }
        if spoiled && !draw.one_in(3) {
            return tally;
        }
        for client in [&self.real, &self.dev] {
            let answer = send(client, "POST", CRDS, Some(&crd)).await;
            assert_eq!(answer.code, 201, "seed {seed}: {answer:?}");
        }
        let plural = format!("d{seed}s");
        let objects = format!("/apis/{GROUP}/v1/namespaces/default/{plural}");
        self.is_served(&objects).await;
        self.objects(&mut tally, &mut draw, seed, &objects, &schema).await;
        for client in [&self.real, &self.dev] {
            let uri = format!("{CRDS}/{plural}.{GROUP}");
            let answer = send(client, "DELETE", &uri, None).await;
            assert_eq!(answer.code, 200, "seed {seed}: {answer:?}");
        }
        tally
    }

    async fn objects(&self, tally: &mut Tally, draw: &mut Draw<'_>, seed: u64, uri: &str, schema: &Value) {
        let mut stored: Option<Value> = None;
        for index in 0..OBJECTS {
            let mutations = draw.below(5).saturating_sub(2);
            let mut object = generate::instance(draw, schema, mutations);
            whole_numbers(&mut object);
            object["apiVersion"] = format!("{GROUP}/v1").into();
            object["kind"] = format!("D{seed}").into();
            let validation = *draw.pick(&["Warn", "Strict", "Ignore"]);
            tally.objects += 1;
            let answer = match &stored {
                // The second half updates the first object that was accepted.
                Some(old) if index * 2 >= OBJECTS => {
                    object["metadata"] = old["metadata"].clone();
                    let uri = format!("{uri}/o?fieldValidation={validation}");
                    self.ask(tally, seed, ("PUT", &uri), &object, schema).await
                }
                None => {
                    object["metadata"]["name"] = "o".into();
                    let uri = format!("{uri}?fieldValidation={validation}");
                    self.ask(tally, seed, ("POST", &uri), &object, schema).await
                }
                Some(_) => {
                    let uri = format!("{uri}?dryRun=All&fieldValidation={validation}");
                    self.ask(tally, seed, ("POST", &uri), &object, schema).await
                }
            };
            match answer {
                Some(answer) if answer.code >= 400 => tally.refused_objects += 1,
                Some(_) => {
                    stored.get_or_insert_with(|| json!({"metadata": {"name": "o"}}));
                }
                None => {}
            }
        }
    }
}

/// A whole float is an integer here before it is validated, and upstream after that.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64().filter(|float| float.fract() == 0.0) {
                #[allow(clippy::cast_possible_truncation)]
                let whole = float as i64;
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

fn definition(seed: u64, schema: &Value) -> Value {
    let mut version =
        json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    if seed.is_multiple_of(5) {
        version["subresources"] = json!({"status": {}});
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("d{seed}s.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": format!("d{seed}s"), "kind": format!("D{seed}")},
            "versions": [version],
        },
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_crds_and_objects_agree() {
    let Some(plane) = ControlPlane::start_or_skip("generated_crds_and_objects_agree")
        .await
        .unwrap()
    else {
        return;
    };
    let server = DevServer::start().await.unwrap();
    let both = Both {
        real: plane.client().await.unwrap(),
        dev: server.client(),
    };
    let first = number("KUBEWRIGHT_SEED").unwrap_or(1);
    let asked = number("KUBEWRIGHT_CASES");
    let last = first + asked.unwrap_or(DEFAULT_CASES);
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut seed = first;
    while seed < last && (asked.is_some() || begun.elapsed() < TIME_LIMIT) {
        let batch = seed..last.min(seed + BATCH);
        seed = batch.end;
        let cases: Vec<Tally> = futures::stream::iter(batch.map(|seed| both.case(seed)))
            .buffer_unordered(8)
            .collect()
            .await;
        for case in cases {
            tally.crds += case.crds;
            tally.refused_crds += case.refused_crds;
            tally.objects += case.objects;
            tally.refused_objects += case.refused_objects;
            tally.differences.extend(case.differences);
        }
    }
    server.stop().await;
    println!(
        "seeds {first} to {}: {} CRDs ({} refused by both), {} objects ({} refused by both), {} differences, {:?}",
        seed - 1,
        tally.crds,
        tally.refused_crds,
        tally.objects,
        tally.refused_objects,
        tally.differences.len(),
        begun.elapsed()
    );
    // The kinds of verdicts all occur, or the generator has lost its point.
    if asked.is_none() {
        let by: BTreeMap<&str, usize> = [
            ("refused CRDs", tally.refused_crds),
            ("refused objects", tally.refused_objects),
            ("objects", tally.objects),
        ]
        .into();
        assert!(by.values().all(|count| *count >= 5), "{by:?}");
    }
    assert!(tally.differences.is_empty(), "{}", tally.differences.join("\n\n"));
}
