//! Conversions: an object of 4 kB between versions against typed values by hand, a long list, and the memory of a review.
//!
//! Where a diff is saved, the typed conversion saves none: what it loses is lost.

mod kinds;

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use kubewright::convert::{Converter, Converters, ReviewAnswer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use self::kinds::{lossy, plain};
use crate::Result;
use crate::report::{Samples, heading, ratio, row};

const ROUNDS: usize = 51;
const BATCH: usize = 200;
/// Objects of a long list.
const LIST: usize = 5_000;
/// Bytes of a large review.
const LARGE: usize = 64 << 20;
/// The program's own argument for the part that is measured in a process of its own.
pub(crate) const MEMORY: &str = "convert-memory";

pub(crate) fn run() -> Result<()> {
    beside_typed_values::<plain::v1::Site, _>(
        "convert: nothing is lost",
        &Converter::of::<plain::v1::Site>(),
        &object("Plain", 46, false),
        plain::down,
        "at least 2",
    )?;
    beside_typed_values::<lossy::v1::Site, _>(
        "convert: a diff is saved",
        &Converter::of::<lossy::v1::Site>(),
        &object("Lossy", 46, true),
        lossy::down,
        "at least 1",
    )?;
    list()?;
    let memory = Command::new(std::env::current_exe()?).arg(MEMORY).status()?;
    if memory.success() {
        Ok(())
    } else {
        Err("the measurement of memory failed".into())
    }
}

/// An object of about 4 kB with so many ports, every sixth of which has what older clients do not see.
fn object(kind: &str, ports: usize, lost: bool) -> Value {
    let port = |n: usize| {
        let mut port = json!({ "name": format!("port-number-{n}"), "number": 8000 + n, "protocol": "TCP" });
        if lost && n.is_multiple_of(6) {
            port["appProtocol"] = "kubernetes.io/h2c".into();
        }
        port
    };
    let labels: Map<String, Value> = (0..12)
        .map(|n| (format!("example.com/label-{n}"), format!("value-{n}").into()))
        .collect();
    let mut object = json!({
        "apiVersion": "bench.example.com/v1", "kind": kind,
        "metadata": {
            "name": "blog", "namespace": "default", "uid": "0f3e7a0e-7a3a-4a6e-9d0b-5a5b8c0f1d2e", "generation": 3,
            "labels": { "app": "blog" }, "creationTimestamp": "2026-11-26T00:00:00Z",
        },
        "spec": {
            "replicas": 3, "image": "registry.example.com/team/nginx:1.27", "labels": labels,
            "args": (0..20).map(|n| format!("--flag-{n}=some-value-{n}")).collect::<Vec<_>>(),
            "ports": (0..ports).map(port).collect::<Vec<_>>(),
        },
    });
    if kind == "Lossy" {
        object["spec"]["timeoutMillis"] = 2000.into();
    }
    if lost {
        object["spec"]["timeoutMillis"] = 1500.into();
        object["spec"]["class"] = "fast".into();
    }
    object
}

/// Microseconds for each of a batch.
fn batch(mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..BATCH {
        work();
    }
    begun.elapsed().as_secs_f64() * 1e6 / BATCH as f64
}

fn beside_typed_values<New: DeserializeOwned, Old: Serialize>(
    title: &str,
    converter: &Converter,
    object: &Value,
    down: impl Fn(New) -> Old,
    goal: &str,
) -> Result<()> {
    let text = object.to_string();
    let mut shown = String::new();
    converter.convert(&text, "v1alpha1", &mut shown)?;
    let [mut engine, mut typed, mut back] = [Samples::default(), Samples::default(), Samples::default()];
    let mut out = String::new();
    for _ in 0..ROUNDS {
        engine.push(batch(|| {
            out.clear();
            // What converts once converts again.
            black_box(converter.convert(black_box(&text), "v1alpha1", &mut out).is_ok());
        }));
        typed.push(batch(|| {
            let new = serde_json::from_str::<New>(black_box(&text)).ok();
            black_box(new.map(|new| serde_json::to_string(&down(new))));
        }));
        back.push(batch(|| {
            out.clear();
            black_box(converter.convert(black_box(&shown), "v1", &mut out).is_ok());
        }));
    }
    heading(&format!("{title}, {} bytes", text.len()));
    row("v1 to v1alpha1", "us", &engine);
    row(
        "read, convert by hand, write: typed, saving nothing",
        "us",
        &typed,
    );
    row("and back, restoring what was saved", "us", &back);
    println!(
        "  {:<58} {:>10.0} per second and core",
        "conversions, median",
        1e6 / engine.median()
    );
    ratio("typed / engine, medians", typed.median() / engine.median(), goal);
    Ok(())
}

/// A review's body with objects of 4 KiB, at least `count` of them and `bytes` together.
fn body(count: usize, bytes: usize) -> String {
    let object = object("Lossy", 46, true).to_string();
    let mut body = String::with_capacity(bytes.max(count * (object.len() + 8)) + object.len() + 256);
    body.push_str(
        r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"uid":"1","desiredAPIVersion":"bench.example.com/v1alpha1","objects":["#,
    );
    let mut objects = 0;
    while objects < count || body.len() < bytes {
        if objects > 0 {
            body.push(',');
        }
        body.push_str(&object);
        objects += 1;
    }
    body.push_str("]}}");
    body
}

/// A review in two threads, as a webhook answers it on two cores.
fn answer(converters: &Converters, body: &[u8]) -> Result<ReviewAnswer> {
    let review = match converters.read(body) {
        Ok(review) => review,
        Err(answer) => return Ok(answer),
    };
    let middle = review.len() / 2;
    let parts = std::thread::scope(|scope| {
        let first = scope.spawn(|| review.convert(0..middle));
        let second = review.convert(middle..review.len());
        first.join().map(|first| [first, second])
    });
    let parts = parts.map_err(|_| "a conversion panicked")?;
    let answer = review.finish(parts);
    if answer.status != 200 || answer.body.len() < body.len() / 2 {
        return Err(String::from_utf8_lossy(&answer.body).into());
    }
    Ok(answer)
}

fn list() -> Result<()> {
    let converters = Converters::new().with(Converter::of::<lossy::v1::Site>());
    let body = body(LIST, 0);
    let mut samples = Samples::default();
    for _ in 0..7 {
        let begun = Instant::now();
        black_box(answer(&converters, body.as_bytes())?);
        samples.push(begun.elapsed().as_secs_f64());
    }
    heading(&format!(
        "convert: a review of {LIST} objects, {} kB, each with a diff",
        body.len() / 1000
    ));
    row("read, convert in two threads, answer", "s", &samples);
    println!(
        "  {:<58} {:>10.2} s  (goal: at most 2)",
        "median",
        samples.median()
    );
    Ok(())
}

/// A line of `/proc/self/status` in bytes.
fn status(name: &str) -> Result<usize> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<usize>().ok());
    Ok(kilobytes.ok_or("/proc/self/status does not say how much memory is used")? << 10)
}

/// Runs in a process of its own: the most that it ever used is what the review needed.
pub(crate) fn memory() -> Result<()> {
    let converters = Converters::new().with(Converter::of::<lossy::v1::Site>());
    answer(&converters, body(1, 0).as_bytes()).ok();
    let before = status("VmRSS")?;
    let body = body(0, LARGE);
    let answer = answer(&converters, body.as_bytes())?;
    let peak = status("VmHWM")?.saturating_sub(before);
    println!(
        "\nconvert: memory of a review of {} MiB, answered with {} MiB; the body is counted",
        body.len() >> 20,
        answer.body.len() >> 20
    );
    println!("  {:<58} {:>10} MiB", "at most", peak >> 20);
    ratio("peak / body", peak as f64 / body.len() as f64, "at most 4");
    Ok(())
}
