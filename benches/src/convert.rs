//! Conversions: an object of 4 kB between versions against typed values by hand, a long list, and the memory of a review.
//!
//! There are two typed conversions where something can be lost: one loses it, the other keeps it in an annotation, as the
//! engine does.

mod kinds;

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use kubewright::convert::{Converter, Converters, ReviewAnswer};
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::kinds::{computed, lossy, plain, plain_down};
use crate::Result;
use crate::report::{Samples, heading, ratio, row};

const ROUNDS: usize = 501;
const BATCH: usize = 20;
/// Ports of an object.
const PORTS: usize = 46;
/// The annotation that the typed conversions keep what is lost in.
const KEY: &str = "bench.example.com/conversion-data";
/// Objects of a long list.
const LIST: usize = 5_000;
/// Bytes of a large review.
const LARGE: usize = 64 << 20;
/// The program's own argument for the part that is measured in a process of its own.
pub(crate) const MEMORY: &str = "convert-memory";

pub(crate) fn run() -> Result<()> {
    let plain = Case {
        title: "convert: nothing is lost, and nothing can be",
        object: object("Plain", Lost::Nothing),
        goal: "at least 2",
    };
    let converter = Converter::of::<plain::v1::Site>();
    plain.run(
        &converter,
        &[("losing what the older version lacks", &|text| {
            written(&plain_down(serde_json::from_str(text)?))
        })],
    )?;
    macro_rules! lossy {
        ($kind:ident, $name:literal, $title:literal) => {
            let converter = Converter::of::<$kind::v1::Site>();
            for (what, lost, goal) in [
                (
                    "nothing is lost of this object",
                    Lost::Nothing,
                    "at least 2",
                ),
                ("a diff of 10 units is saved", Lost::Diff, "at least 1"),
            ] {
                let case = Case {
                    title: &format!("convert: {what}; {}", $title),
                    object: object($name, lost),
                    goal,
                };
                case.run(
                    &converter,
                    &[
                        ("losing what the older version lacks", &|text| {
                            written(&$kind::v1::down(serde_json::from_str(text)?))
                        }),
                        ("keeping it in an annotation", &|text| {
                            let new = serde_json::from_str(text)?;
                            written(&$kind::v1::down_keeping(new, KEY).ok_or("not kept")?)
                        }),
                    ],
                )?;
                let mut shown = String::new();
                converter.convert(&case.object.to_string(), "v1alpha1", &mut shown)?;
                let typed = written(
                    &$kind::v1::down_keeping(serde_json::from_value(case.object)?, KEY).ok_or("not kept")?,
                )?;
                back(
                    &format!("convert: and back; {}", $title),
                    &converter,
                    (&shown, &typed),
                    &|text| {
                        let old = serde_json::from_str(text)?;
                        written(&$kind::v1::up_restoring(old, KEY).ok_or("not restored")?)
                    },
                )?;
            }
        };
    }
    lossy!(lossy, "Lossy", "no computed field");
    lossy!(computed, "Computed", "a field is computed of the older spec");
    list()?;
    let memory = Command::new(std::env::current_exe()?).arg(MEMORY).status()?;
    if memory.success() {
        Ok(())
    } else {
        Err("the measurement of memory failed".into())
    }
}

/// What of an object older clients do not see.
#[derive(Clone, Copy, PartialEq)]
enum Lost {
    Nothing,
    /// Two fields, and one of every sixth port: ten values.
    Diff,
}

/// An object of about 4 kB.
fn object(kind: &str, lost: Lost) -> Value {
    let port = |n: usize| {
        let mut port = json!({ "name": format!("port-number-{n}"), "number": 8000 + n, "protocol": "TCP" });
        if lost == Lost::Diff && n.is_multiple_of(6) {
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
            "ports": (0..PORTS).map(port).collect::<Vec<_>>(),
        },
    });
    if kind != "Plain" {
        object["spec"]["timeoutMillis"] = 2000.into();
    }
    if kind == "Computed" {
        object["spec"]["tier"] = "gold".into();
    }
    if lost == Lost::Diff {
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

/// A conversion over typed values: reads, turns, writes.
type Typed<'t> = &'t dyn Fn(&str) -> Result<String>;

fn written<T: Serialize>(value: &T) -> Result<String> {
    Ok(serde_json::to_string(value)?)
}

/// An object, converted to the older version.
struct Case<'c> {
    title: &'c str,
    object: Value,
    goal: &'c str,
}

impl Case<'_> {
    fn run(&self, converter: &Converter, peers: &[(&str, Typed<'_>)]) -> Result<()> {
        let text = self.object.to_string();
        let sides = (text.as_str(), text.as_str());
        measure(self.title, converter, "v1alpha1", sides, peers, self.goal)
    }
}

/// The way back of what the engine and the typed conversion made.
fn back(title: &str, converter: &Converter, sides: (&str, &str), typed: Typed<'_>) -> Result<()> {
    measure(
        title,
        converter,
        "v1",
        sides,
        &[("restoring what the annotation keeps", typed)],
        "at least 1",
    )
}

/// The engine beside its peers, round by round; the engine's source, then the peers'.
fn measure(
    title: &str,
    converter: &Converter,
    to: &str,
    (source, typed_source): (&str, &str),
    peers: &[(&str, Typed<'_>)],
    goal: &str,
) -> Result<()> {
    let mut out = String::new();
    // What converts once converts again.
    converter.convert(source, to, &mut out)?;
    for (_, typed) in peers {
        typed(typed_source)?;
    }
    let mut engine = Samples::default();
    let mut samples: Vec<_> = peers.iter().map(|_| Samples::default()).collect();
    for _ in 0..ROUNDS {
        engine.push(batch(|| {
            out.clear();
            black_box(converter.convert(black_box(source), to, &mut out).is_ok());
        }));
        for ((_, typed), samples) in peers.iter().zip(&mut samples) {
            samples.push(batch(|| {
                black_box(typed(black_box(typed_source)).is_ok());
            }));
        }
    }
    heading(&format!("{title}, {} bytes", source.len()));
    row(&format!("engine, to {to}"), "us", &engine);
    for ((what, _), samples) in peers.iter().zip(&samples) {
        row(&format!("typed, {what}"), "us", samples);
    }
    println!(
        "  {:<58} {:>10.0} per second and core",
        "engine, median",
        1e6 / engine.median()
    );
    for ((what, _), samples) in peers.iter().zip(&samples) {
        ratio(
            &format!("typed, {what} / engine"),
            samples.median() / engine.median(),
            goal,
        );
    }
    Ok(())
}

/// A review's body with objects of 4 KiB, at least `count` of them and `bytes` together.
fn body(count: usize, bytes: usize) -> String {
    let object = object("Lossy", Lost::Diff).to_string();
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
