//! How fast conversion is beside reading, turning and writing typed values; run with `--ignored --nocapture --release`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::kinds::{V1, v1, v1alpha1};
use super::stream::plain;
use crate::convert::observe::steps;
use crate::convert::{Converter, Converters};

fn time(mut run: impl FnMut()) -> Duration {
    for _ in 0..200 {
        run();
    }
    (0..5)
        .map(|_| {
            let begin = Instant::now();
            for _ in 0..1000 {
                run();
            }
            begin.elapsed() / 1000
        })
        .min()
        .unwrap_or_default()
}

fn spec(ports: usize, protocol: bool) -> Value {
    let port = |i: usize| {
        let mut port = json!({ "name": format!("port-number-{i}"), "number": i });
        if protocol && i.is_multiple_of(10) {
            port["appProtocol"] = json!("kubernetes.io/h2c");
        }
        port
    };
    json!({
        "replicas": 5, "image": "registry.example.com/team/nginx:1.27", "retries": 1, "tier": "gold", "host": "h",
        "port": 80, "timeoutMillis": 2000, "memory": 64, "strategy": "Rolling",
        "source": { "type": "Image", "version": "1" }, "ingress": { "host": "h" },
        "ports": (0..ports).map(port).collect::<Vec<_>>(),
    })
}

/// A kind whose edge has no loss.
fn nothing_can_be_lost(report: &mut String) {
    let converter = Converter::of_link(&plain::V2);
    let ports: Vec<_> = (0..100)
        .map(|i| json!({ "name": format!("port-number-{i}"), "number": i }))
        .collect();
    let object = json!({
        "apiVersion": "p.example.com/v2", "kind": "Plain",
        "metadata": { "name": "blog", "namespace": "default", "labels": { "app": "blog" }, "uid": "0-1" },
        "spec": { "image": "registry.example.com/team/nginx:1.27", "replicas": 5, "mode": "Running", "millis": 2000,
            "ports": ports },
    })
    .to_string();
    let mut out = String::new();
    let engine = time(|| {
        out.clear();
        converter.convert(&object, "v1", &mut out).expect("it converts");
    });
    let typed = time(|| {
        let new: plain::v2::Plain = serde_json::from_str(&object).expect("JSON");
        let spec = new.spec;
        let ports = spec.ports.into_iter().map(|port| plain::v1::Port {
            name: port.name,
            port: port.number,
        });
        let old = plain::v1::Plain {
            metadata: new.metadata,
            spec: plain::v1::PlainSpec {
                image_name: spec.image,
                replicas: spec.replicas,
                mode: match spec.mode {
                    plain::v2::Mode::Running => plain::v1::Mode::On,
                    plain::v2::Mode::Off => plain::v1::Mode::Off,
                },
                seconds: spec.millis / 1000,
                ports: ports.collect(),
            },
        };
        std::hint::black_box(serde_json::to_string(&old).expect("JSON"));
    });
    let ratio = typed.as_secs_f64() / engine.as_secs_f64();
    let _ = writeln!(
        report,
        "nothing can be lost: {} bytes, engine {engine:?}, typed {typed:?}, {ratio:.2}x",
        object.len()
    );
}

#[test]
#[ignore = "a measurement"]
fn beside_typed_values() {
    let site = Converter::of_link(&V1);
    let mut report = String::new();
    nothing_can_be_lost(&mut report);
    for (what, protocol) in [("nothing is lost", false), ("a diff saved", true)] {
        let object = json!({
            "apiVersion": "web.example.com/v1", "kind": "Site",
            "metadata": { "name": "blog", "namespace": "default", "labels": { "app": "blog" }, "uid": "0-1" },
            "spec": spec(95, protocol),
        })
        .to_string();
        let mut out = String::new();
        let engine = time(|| {
            out.clear();
            site.convert(&object, "v1alpha1", &mut out).expect("it converts");
        });
        let typed = time(|| {
            let new: v1::Site = serde_json::from_str(&object).expect("JSON");
            let spec = new.spec;
            let old = v1alpha1::Site {
                metadata: new.metadata,
                spec: v1alpha1::SiteSpec {
                    replicas: spec.replicas,
                    image_name: spec.image,
                    note: None,
                    legacy_mode: false,
                    address: format!("{}:{}", spec.host, spec.port),
                    timeout_seconds: spec.timeout_millis / 1000,
                    memory: format!("{}Mi", spec.memory),
                    strategy: v1alpha1::Strategy::Rolling,
                    source: v1alpha1::Source::Git { url: String::new() },
                    probe: None,
                    tls: None,
                    ports: spec
                        .ports
                        .into_iter()
                        .map(|port| v1alpha1::Port {
                            name: port.name,
                            port: port.number,
                        })
                        .collect(),
                    mirrors: Vec::new(),
                    limits: Default::default(),
                    ingress: v1alpha1::Ingress {
                        host: spec.ingress.host,
                    },
                    rules: None,
                    owner: v1alpha1::Owner { team: None },
                },
                status: None,
            };
            std::hint::black_box(serde_json::to_string(&old).expect("JSON"));
        });
        let ratio = typed.as_secs_f64() / engine.as_secs_f64();
        let _ = writeln!(
            report,
            "{what}: {} bytes, engine {engine:?}, typed {typed:?}, {ratio:.2}x",
            object.len()
        );
    }
    panic!("{report}");
}

/// Twice the units take about twice the steps: no work is done for each pair of them.
#[test]
fn ver_18_the_guard_is_linear() {
    let site = Converter::of_link(&V1);
    let took = |ports: usize| {
        let object = json!({
            "apiVersion": "web.example.com/v1", "kind": "Site", "metadata": { "name": "blog" },
            "spec": spec(ports * 10, true),
        });
        let mut shown = site.convert_value(&object, "v1alpha1").expect("it converts");
        // Every second item is renamed, and every fourth value of another kind is edited.
        for port in shown["spec"]["ports"]
            .as_array_mut()
            .expect("ports")
            .iter_mut()
            .step_by(20)
        {
            port["name"] = json!(format!("{}-renamed", port["name"]));
        }
        shown["spec"]["timeoutSeconds"] = json!(7);
        let text = shown.to_string();
        let mut out = String::new();
        steps();
        site.convert(&text, "v1", &mut out).expect("it converts");
        steps()
    };
    let (few, many) = (took(250), took(2000));
    // Eight times as many: the square would be 64.
    assert!(many < few * 10, "{few} for 250 units, {many} for 2000");
}

#[test]
#[ignore = "a measurement"]
fn ver_32_a_list_of_five_thousand() {
    let converters = Converters::new().with(Converter::of_link(&V1));
    let objects: Vec<_> = (0..5000)
        .map(|i| {
            json!({
                "apiVersion": "web.example.com/v1", "kind": "Site", "metadata": { "name": format!("n{i}") },
                "spec": spec(80, true),
            })
        })
        .collect();
    let body = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
        "request": { "uid": "1", "desiredAPIVersion": "web.example.com/v1alpha1", "objects": objects },
    })
    .to_string();
    let begin = Instant::now();
    let answer = converters.review(body.as_bytes());
    panic!(
        "{} bytes in, {} out, {:?} in one thread",
        body.len(),
        answer.body.len(),
        begin.elapsed()
    );
}
