//! Schemas: an object on its way to storage against what reading and validating it costs elsewhere, and definitions
//! from types.
//!
//! A round measures all parties one after another, so that a slow moment of the machine meets them alike. Objects are
//! copied outside of the measured time, since preparing changes them.

mod kinds;

use std::hint::black_box;
use std::time::{Duration, Instant};

use kubewright_schema::{Structural, prepare, validate};
use serde_json::{Map, Value, json};

use self::kinds::DEFINITIONS;
use crate::Result;
use crate::report::{Samples, heading, ratio, row};

const ROUNDS: usize = 101;
/// Objects per round: enough for the clock, few enough to stay in the cache, as an object does that just came.
const BATCH: usize = 16;

const SCHEMA: &str = include_str!("../data/rollout.schema.json");
const OBJECT: &str = include_str!("../data/rollout.json");

pub(crate) fn run() -> Result<()> {
    let schema: Value = serde_json::from_str(SCHEMA)?;
    let object: Value = serde_json::from_str(OBJECT)?;
    pipeline(&schema, &object)?;
    rules()?;
    growth_with_objects()?;
    growth_with_schemas()?;
    definitions()
}

/// Microseconds per object for a batch.
fn per_object(took: Duration, count: usize) -> f64 {
    took.as_secs_f64() * 1e6 / count as f64
}

/// Does something with each of a batch of objects, which are made before and dropped after the measured time.
fn batch<T>(object: &Value, count: usize, mut work: impl FnMut(&mut Value) -> T) -> f64 {
    let mut objects: Vec<Value> = (0..count).map(|_| object.clone()).collect();
    let begun = Instant::now();
    for object in &mut objects {
        black_box(work(black_box(object)));
    }
    per_object(begun.elapsed(), count)
}

fn read(schema: &Value) -> Result<Structural> {
    Structural::from_json(schema).map_err(|errors| kubewright_schema::message_of(&errors).into())
}

fn pipeline(schema: &Value, object: &Value) -> Result<()> {
    let bytes = serde_json::to_vec(object)?;
    let structural = read(schema)?;
    // `exclusiveMaximum` and the like are booleans in OpenAPI 3.0, as in draft 4.
    let peer = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft4)
        .build(schema)?;
    let mut prepared = object.clone();
    let unknown = prepare(&mut prepared, &structural);
    if !unknown.is_empty() || !validate(&prepared, None, &structural).is_empty() || !peer.is_valid(&prepared)
    {
        return Err("the object of the bench is not valid".into());
    }

    let [mut parse, mut prepares, mut whole] = [Samples::default(), Samples::default(), Samples::default()];
    let [mut ours, mut theirs] = [Samples::default(), Samples::default()];
    for _ in 0..ROUNDS {
        parse.push(batch(&Value::Null, BATCH, |place| {
            *place = serde_json::from_slice(black_box(&bytes)).unwrap_or_default();
        }));
        prepares.push(batch(object, BATCH, |object| prepare(object, &structural)));
        whole.push(batch(object, BATCH, |object| {
            let unknown = prepare(object, &structural);
            (unknown, validate(object, None, &structural))
        }));
        ours.push(batch(&prepared, BATCH, |object| {
            validate(object, None, &structural)
        }));
        theirs.push(batch(&prepared, BATCH, |object| peer.is_valid(object)));
    }
    heading(&format!(
        "schema: a custom resource of {} bytes, schema of {} bytes",
        bytes.len(),
        serde_json::to_vec(schema)?.len()
    ));
    row("parsing to serde_json::Value", "us", &parse);
    row("prune, default", "us", &prepares);
    row("prune, default, validate", "us", &whole);
    row("validate alone", "us", &ours);
    row("jsonschema, compiled, is_valid", "us", &theirs);
    ratio(
        "prune + default + validate / parsing, medians",
        whole.median() / parse.median(),
        "at most 1.5",
    );
    ratio(
        "validation, ours / jsonschema, medians",
        ours.median() / theirs.median(),
        "at most 1",
    );
    Ok(())
}

/// A rule in CEL, compiled once and each time. Everything else about the schema is as small as can be.
fn rules() -> Result<()> {
    const RULES: [&str; 3] = [
        "self.minReplicas <= self.replicas && self.replicas <= self.maxReplicas",
        "self.hosts.all(host, host.endsWith('.example.com')) && (!has(self.paused) || self.replicas == 0)",
        "self.hosts.all(host, host.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))",
    ];
    let object = json!({"minReplicas": 1, "replicas": 3, "maxReplicas": 5,
        "hosts": ["a.example.com", "b.example.com"]});
    heading("schema: a rule in CEL on a small object");
    for rule in RULES {
        let raw = json!({"type": "object", "x-kubernetes-validations": [{"rule": rule}], "properties": {
            "minReplicas": {"type": "integer"}, "replicas": {"type": "integer"}, "maxReplicas": {"type": "integer"},
            "hosts": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 63}},
            "paused": {"type": "boolean"}}});
        let mut bare = raw.clone();
        bare["x-kubernetes-validations"] = json!([]);
        let (ruled, bare) = (read(&raw)?, read(&bare)?);
        if !validate(&object, None, &ruled).is_empty() {
            return Err("the object of the bench breaks its rule".into());
        }
        let [mut once, mut each, mut without] = [Samples::default(), Samples::default(), Samples::default()];
        for _ in 0..ROUNDS {
            once.push(batch(&object, BATCH * 16, |object| {
                validate(object, None, &ruled)
            }));
            without.push(batch(&object, BATCH * 16, |object| validate(object, None, &bare)));
            each.push(batch(&object, BATCH, |object| {
                validate(object, None, &Structural::from_accepted(&raw))
            }));
        }
        println!("  {rule}");
        row("compiled once, with the rest of validation", "us", &once);
        row("the rest of validation", "us", &without);
        row("compiled and run each time", "us", &each);
        ratio(
            "each time / compiled, medians, without the rest",
            (each.median() - without.median()) / (once.median() - without.median()),
            "at least 100",
        );
    }
    Ok(())
}

/// Median times of parsing and of all three steps, in nanoseconds for one of an object's entries.
fn per_entry(schema: &Structural, object: &Value, entries: usize) -> Result<[f64; 2]> {
    let count = (20_000 / entries).clamp(2, 500);
    let bytes = serde_json::to_vec(object)?;
    let [mut parse, mut whole] = [Samples::default(), Samples::default()];
    for _ in 0..15 {
        parse.push(batch(&Value::Null, count, |place| {
            *place = serde_json::from_slice(black_box(&bytes)).unwrap_or_default();
        }));
        whole.push(batch(object, count, |object| {
            let unknown = prepare(object, schema);
            (unknown, validate(object, None, schema))
        }));
    }
    Ok([parse, whole].map(|samples| samples.median() * 1e3 / entries as f64))
}

fn print_growth(what: &str, count: usize, [parse, whole]: [f64; 2]) {
    println!(
        "  {count:>8} {what:<40} {whole:>10.1} ns each; parsing {parse:>8.1} ns each; {:>6.2} x",
        whole / parse
    );
}

/// Objects of more and more entries: memory gets slower as they grow, for the parser too, but nothing else may.
fn growth_with_objects() -> Result<()> {
    let schema = read(
        &json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {
                    "name": {"type": "string", "maxLength": 63},
                    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                    "protocol": {"type": "string", "default": "TCP"}}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
        }}}}),
    )?;
    println!("\nschema: growth with the object (prune, default, validate)");
    for entries in [10, 100, 1_000, 10_000] {
        let ports: Vec<Value> = (0..entries)
            .map(|n| json!({"name": format!("port-{n}"), "port": 1 + n % 65_535}))
            .collect();
        let labels: Map<String, Value> = (0..entries)
            .map(|n| (format!("label-{n}"), json!("value")))
            .collect();
        let object = json!({"spec": {"ports": ports, "labels": labels}});
        print_growth("ports and labels", entries, per_entry(&schema, &object, entries)?);
    }
    Ok(())
}

/// Schemas of more and more properties: reading them, with all of them set, and with one of them set.
fn growth_with_schemas() -> Result<()> {
    println!("\nschema: growth with the schema (prune, default, validate)");
    for count in [10, 100, 1_000, 10_000] {
        let names = || (0..count).map(|n| format!("property{n}"));
        let properties: Map<String, Value> = names()
            .map(|name| {
                let schema = json!({"type": "object", "properties": {
                    "a": {"type": "string", "maxLength": 10}, "b": {"type": "integer", "default": 1}}});
                (name, schema)
            })
            .collect();
        let raw =
            json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}});
        let bytes = serde_json::to_vec(&raw)?;
        let schema = read(&raw)?;
        let [mut parse, mut reading] = [Samples::default(), Samples::default()];
        for _ in 0..5 {
            let times = (1_000 / count).max(1);
            parse.push(batch(&Value::Null, times, |place| {
                *place = serde_json::from_slice(black_box(&bytes)).unwrap_or_default();
            }));
            reading.push(batch(&raw, times, |raw| read(raw).is_ok()));
        }
        let reading = [parse, reading].map(|samples| samples.median() * 1e3 / count as f64);
        print_growth("properties: checking and reading the schema", count, reading);
        let all: Map<String, Value> = names().map(|name| (name, json!({"a": "x"}))).collect();
        print_growth(
            "all of them set",
            count,
            per_entry(&schema, &json!({ "spec": all }), count)?,
        );
        let one = json!({"spec": {"property7": {"a": "x"}}});
        print_growth("one of them set", 1, per_entry(&schema, &one, 1)?);
    }
    Ok(())
}

/// A hundred kinds, each of its own types.
fn definitions() -> Result<()> {
    let mut samples = Samples::default();
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let crds: Vec<_> = DEFINITIONS
            .iter()
            .map(|define| define())
            .collect::<Result<_, _>>()?;
        samples.push(begun.elapsed().as_secs_f64() * 1e3);
        bytes = serde_json::to_vec(&crds)?.len();
    }
    heading(&format!(
        "schema: {} definitions from types, {} kB",
        DEFINITIONS.len(),
        bytes / 1000
    ));
    row("all of them", "ms", &samples);
    println!(
        "  {:<58} {:>10.2} ms (goal: under 100)",
        "median",
        samples.median()
    );
    Ok(())
}
