//! Generated CRDs and objects go to a real kube-apiserver and to `DevServer`, and both must say the same: status code,
//! message, causes, warnings, and what is stored, with who owns which field. Schemas have rules in CEL; objects are created,
//! updated, kept while their CRD changes, and applied by several managers.
//!
//! `KUBEWRIGHT_CASES` sets the number of CRDs, `KUBEWRIGHT_SEED` the first seed; each case has a seed of its own, which a
//! difference names beside a reduced body. Without `KUBEWRIGHT_CASES`, the time is bounded.

mod applies;
mod reduce;

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
/// Creates, most of them for show, then updates of the first that was accepted, before the CRD changes and after.
const CREATES: usize = 6;
const UPDATES: usize = 6;
/// A field that a changed CRD has got, by which one sees that it is served.
const MARKER: &str = "marker";

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

/// Method and media type of a request by the name it has here: that of the method, or of the kind of patch.
fn wire(method: &str) -> (&str, &str) {
    match method {
        "APPLY" => ("PATCH", "application/apply-patch+yaml"),
        "MERGE" => ("PATCH", "application/merge-patch+json"),
        "JSON" => ("PATCH", "application/json-patch+json"),
        other => (other, "application/json"),
    }
}

/// An update names the version that it replaces, which is another on each server.
async fn with_version(client: &kube::Client, uri: &str, body: &Value) -> Value {
    let uri = uri.split('?').next().unwrap_or_default();
    let request = http::Request::get(uri).body(Body::empty()).unwrap();
    let response = client.send(request).await.unwrap();
    let stored = response.into_body().collect_bytes().await.unwrap();
    let stored: Value = serde_json::from_slice(&stored).unwrap_or_default();
    let mut body = body.clone();
    body["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    body
}

async fn send(client: &kube::Client, method: &str, uri: &str, body: Option<&Value>) -> Answer {
    let body = match body {
        Some(body) if method == "PUT" => Some(with_version(client, uri, body).await),
        other => other.cloned(),
    };
    let (method, media) = wire(method);
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", media)
        .body(Body::from(
            body.map(|body| body.to_string()).unwrap_or_default().into_bytes(),
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
    for key in ["uid", "resourceVersion", "creationTimestamp"] {
        object["metadata"]
            .as_object_mut()
            .map(|metadata| metadata.remove(key));
    }
    // Entries stand by time, which the two servers' clocks cut at other moments.
    if let Some(owners) = object["metadata"]["managedFields"].as_array_mut() {
        for owner in owners.iter_mut() {
            owner.as_object_mut().map(|owner| owner.remove("time"));
        }
        owners.sort_by_cached_key(Value::to_string);
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

/// The parts of a message in brackets, or its lines, whose order upstream leaves to its hash tables in some places.
fn sorted_message(message: &Value) -> Value {
    let Some(text) = message.as_str().map(scrub) else {
        return Value::Null;
    };
    if let Some((head, lines)) = text.split_once(": errors:\n") {
        let mut lines: Vec<&str> = lines.lines().collect();
        lines.sort_unstable();
        return json!({ "head": head, "lines": lines });
    }
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
    // Types of objects have names by chance.
    let mut parts = text.split("selfType");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += "selfType";
        text += part.trim_start_matches(|c: char| c.is_ascii_digit());
    }
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
    /// Refused by a rule in CEL.
    ruled: usize,
    changed_crds: usize,
    applies: usize,
    conflicts: usize,
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
        if let Some(smaller) = self.reduced(method, uri, body).await {
            text += &format!("\n  as small as it still differs (dry run): {smaller}");
        }
        tally.differences.push(text);
        None
    }

    /// The body without what the difference does not need; none if the request shows no difference where it changes
    /// nothing, as one that depends on what was sent before.
    async fn reduced(&self, method: &str, uri: &str, body: &Value) -> Option<Value> {
        let dry = match uri.contains("dryRun=All") {
            true => uri.to_owned(),
            false => format!("{uri}{}dryRun=All", if uri.contains('?') { '&' } else { '?' }),
        };
        let shows = async |body: &Value| {
            let (real, dev) = futures::join!(
                send(&self.real, method, &dry, Some(body)),
                send(&self.dev, method, &dry, Some(body)),
            );
            real != dev
        };
        if method == "GET" || !shows(body).await {
            return None;
        }
        Some(reduce::reduced(body.clone(), shows).await)
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

    /// Defaults with what no object could hold: items twice, and nulls. Both servers take them, and a null of a default is
    /// told when the object is made and gone when it is read.
    async fn corners(&self) -> Tally {
        let mut tally = Tally::default();
        let text = json!({"type": "string"});
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": text, "default": ["a", "a"]},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "required": ["k"], "properties": {"k": text}},
                "default": [{"k": "a"}, {"k": "a"}]},
            "free": {"type": "object", "default": {"b": null},
                "properties": {"b": {"x-kubernetes-preserve-unknown-fields": true}}},
            "texts": {"type": "object", "nullable": true, "additionalProperties": text},
        }}}});
        let crd = definition(0, &schema);
        let created = self.ask(&mut tally, 0, ("POST", CRDS), &crd, &Value::Null).await;
        if created.is_none_or(|answer| answer.code != 201) {
            return tally;
        }
        let uri = format!("/apis/{GROUP}/v1/namespaces/default/d0s");
        self.is_served(&uri).await;
        let place = Place {
            seed: 0,
            uri: &uri,
            has_status: true,
        };
        for (name, spec) in [
            ("twice", json!({})),
            ("null", json!({"set": [], "map": []})),
            ("sent", json!({"set": [], "map": [], "free": {"b": null}})),
        ] {
            let object = place.whole(json!({ "spec": spec }), name);
            let answer = self.ask(&mut tally, 0, ("POST", &uri), &object, &schema).await;
            tally.object(answer.as_ref());
            let one = format!("{uri}/{name}");
            self.ask(&mut tally, 0, ("GET", &one), &object, &schema).await;
            // Upstream counts a generation where a null of a default goes.
            for method in ["PUT", "GET"].iter().filter(|_| name == "twice") {
                self.ask(&mut tally, 0, (method, &one), &object, &schema).await;
            }
        }
        // An empty map over a null.
        let spec = json!({"set": [], "map": [], "texts": null});
        let object = place.whole(json!({ "spec": spec }), "empty");
        self.ask(&mut tally, 0, ("POST", &uri), &object, &schema).await;
        let object = place.whole(json!({"spec": {"texts": {}}}), "empty");
        let one = format!("{uri}/empty?fieldManager=one&force=true");
        for _ in 0..3 {
            self.ask(&mut tally, 0, ("APPLY", &one), &object, &schema).await;
        }
        tally
    }

    async fn case(&self, seed: u64) -> Tally {
        let mut tally = Tally::default();
        let data = bytes(seed);
        let mut draw = Draw::new(&data);
        let mut schema = generate::schema(&mut draw, Options::WITH_RULES);
        for _ in 0..draw.below(3) {
            generate::edit(&mut draw, &mut schema, Options::WITH_RULES);
        }
        let spoiled = draw.one_in(3);
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
        let place = Place {
            seed,
            uri: &objects,
            has_status: crd["spec"]["versions"][0].get("subresources").is_some(),
        };
        if let Some(mut stored) = self.creates(&mut tally, &mut draw, &place, &schema).await {
            self.updates(&mut tally, &mut draw, &place, &schema, &mut stored)
                .await;
            if draw.one_in(2)
                && let Some(changed) = self.change(&mut tally, &mut draw, &place, &schema).await
            {
                schema = changed;
                self.updates(&mut tally, &mut draw, &place, &schema, &mut stored)
                    .await;
            }
        }
        self.applies(&mut tally, &mut draw, &place, &schema).await;
        for client in [&self.real, &self.dev] {
            let uri = format!("{CRDS}/{plural}.{GROUP}");
            let answer = send(client, "DELETE", &uri, None).await;
            assert_eq!(answer.code, 200, "seed {seed}: {answer:?}");
        }
        tally
    }

    /// Objects are created, the first that is accepted to stay, which is the result.
    async fn creates(
        &self,
        tally: &mut Tally,
        draw: &mut Draw<'_>,
        place: &Place<'_>,
        schema: &Value,
    ) -> Option<Value> {
        let mut stored: Option<Value> = None;
        for _ in 0..CREATES {
            let object = place.object(draw, schema, "o");
            let validation = *draw.pick(&["Warn", "Strict", "Ignore"]);
            let dry = if stored.is_some() { "dryRun=All&" } else { "" };
            let uri = format!("{}?{dry}fieldValidation={validation}", place.uri);
            let answer = self.ask(tally, place.seed, ("POST", &uri), &object, schema).await;
            if tally.object(answer.as_ref()) {
                stored.get_or_insert(object);
            }
        }
        stored
    }

    /// The stored object is replaced by what differs from it a little, or altogether.
    async fn updates(
        &self,
        tally: &mut Tally,
        draw: &mut Draw<'_>,
        place: &Place<'_>,
        schema: &Value,
        stored: &mut Value,
    ) {
        for _ in 0..UPDATES {
            let mut object = stored.clone();
            if draw.one_in(4) {
                object = place.object(draw, schema, "o");
            }
            for _ in 0..draw.below(3) {
                if object["spec"].is_object() {
                    generate::mutate(draw, &mut object["spec"]);
                }
            }
            whole_numbers(&mut object);
            let validation = *draw.pick(&["Warn", "Strict", "Ignore"]);
            let door = if place.has_status && draw.one_in(6) {
                "/status"
            } else {
                ""
            };
            let uri = format!("{}/o{door}?fieldValidation={validation}", place.uri);
            let answer = self.ask(tally, place.seed, ("PUT", &uri), &object, schema).await;
            if tally.object(answer.as_ref()) {
                *stored = object;
            }
        }
    }

    /// The CRD gets another schema, under which what is stored need not be valid; that schema, once it is served.
    async fn change(
        &self,
        tally: &mut Tally,
        draw: &mut Draw<'_>,
        place: &Place<'_>,
        schema: &Value,
    ) -> Option<Value> {
        let mut changed = schema.clone();
        for _ in 0..=draw.below(3) {
            generate::edit(draw, &mut changed, Options::WITH_RULES);
        }
        // Where unknown fields are kept the marker would tell nothing.
        let keeps = [schema, &changed]
            .iter()
            .any(|schema| schema.get("x-kubernetes-preserve-unknown-fields").is_some());
        if keeps || !changed["properties"].is_object() {
            return None;
        }
        changed["properties"][MARKER] = json!({"type": "boolean"});
        whole_numbers(&mut changed);
        let crd = definition(place.seed, &changed);
        let uri = format!("{CRDS}/d{}s.{GROUP}", place.seed);
        let answer = self.ask(tally, place.seed, ("PUT", &uri), &crd, schema).await?;
        if answer.code != 200 {
            return None;
        }
        tally.changed_crds += 1;
        let probe = place.whole(json!({ MARKER: true }), "probe");
        let uri = format!("{}?dryRun=All&fieldValidation=Strict", place.uri);
        let unknown = format!("unknown field \\\"{MARKER}\\\"");
        for client in [&self.real, &self.dev] {
            let waiting = async {
                while send(client, "POST", &uri, Some(&probe))
                    .await
                    .message
                    .to_string()
                    .contains(&unknown)
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let served = tokio::time::timeout(SERVED_DEADLINE, waiting).await;
            assert!(served.is_ok(), "seed {}: the change is not served", place.seed);
        }
        Some(changed)
    }
}

/// Where the objects of a case are.
struct Place<'a> {
    seed: u64,
    uri: &'a str,
    has_status: bool,
}

impl Place<'_> {
    /// A random object for the schema.
    fn object(&self, draw: &mut Draw<'_>, schema: &Value, name: &str) -> Value {
        let mutations = draw.below(5).saturating_sub(2);
        let mut object = generate::instance(draw, schema, mutations);
        whole_numbers(&mut object);
        self.whole(object, name)
    }

    /// What makes an object of the kind of a value.
    fn whole(&self, mut object: Value, name: &str) -> Value {
        object["apiVersion"] = format!("{GROUP}/v1").into();
        object["kind"] = format!("D{}", self.seed).into();
        object["metadata"] = json!({ "name": name });
        object
    }
}

impl Tally {
    /// Counts the answer to a write of an object; whether it was accepted.
    fn object(&mut self, answer: Option<&Answer>) -> bool {
        self.objects += 1;
        let Some(answer) = answer else { return false };
        let refused = answer.code >= 400;
        self.refused_objects += usize::from(refused);
        self.ruled += usize::from(
            answer
                .causes
                .iter()
                .any(|cause| cause.contains("failed rule") || cause.contains("as the rule says")),
        );
        !refused
    }

    fn add(&mut self, other: Self) {
        self.crds += other.crds;
        self.refused_crds += other.refused_crds;
        self.objects += other.objects;
        self.refused_objects += other.refused_objects;
        self.ruled += other.ruled;
        self.changed_crds += other.changed_crds;
        self.applies += other.applies;
        self.conflicts += other.conflicts;
        self.differences.extend(other.differences);
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
    let first = number("KUBEWRIGHT_SEED").unwrap_or(1).max(1);
    let asked = number("KUBEWRIGHT_CASES");
    let last = first + asked.unwrap_or(DEFAULT_CASES);
    let begun = Instant::now();
    let mut tally = Tally::default();
    tally.add(both.corners().await);
    let mut seed = first;
    while seed < last && (asked.is_some() || begun.elapsed() < TIME_LIMIT) {
        let batch = seed..last.min(seed + BATCH);
        seed = batch.end;
        let cases: Vec<Tally> = futures::stream::iter(batch.map(|seed| both.case(seed)))
            .buffer_unordered(8)
            .collect()
            .await;
        cases.into_iter().for_each(|case| tally.add(case));
    }
    server.stop().await;
    println!(
        "seeds {first} to {}: {} CRDs ({} refused by both, {} changed), {} objects ({} refused by both, {} by rules), \
         {} applies ({} conflicts), {} differences, {:?}",
        seed - 1,
        tally.crds,
        tally.refused_crds,
        tally.changed_crds,
        tally.objects,
        tally.refused_objects,
        tally.ruled,
        tally.applies,
        tally.conflicts,
        tally.differences.len(),
        begun.elapsed()
    );
    // The kinds of verdicts all occur, or the generator has lost its point.
    if asked.is_none() {
        let by: BTreeMap<&str, usize> = [
            ("refused CRDs", tally.refused_crds),
            ("refused objects", tally.refused_objects),
            ("objects", tally.objects),
            ("objects refused by rules", tally.ruled),
            ("changed CRDs", tally.changed_crds),
            ("applies", tally.applies),
            ("conflicts", tally.conflicts),
        ]
        .into();
        assert!(by.values().all(|count| *count >= 5), "{by:?}");
    }
    assert!(tally.differences.is_empty(), "{}", tally.differences.join("\n\n"));
}
