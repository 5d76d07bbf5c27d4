//! What a derive costs the crate that uses it: time of `cargo check` of that crate alone, and expanded lines.
//!
//! Three crates of the same 50 kinds: without a derive of a kind, with kube-derive's, with ours. Each round
//! touches and checks all three, one after another, so that a slow moment of the machine meets all of them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::Result;
use crate::report::{Samples, heading, ratio, row};

const KINDS: usize = 50;
const ROUNDS: usize = 9;

#[derive(Clone, Copy)]
enum Variant {
    Plain,
    KubeDerive,
    Kubewright,
}

impl Variant {
    const ALL: [Self; 3] = [Self::Plain, Self::KubeDerive, Self::Kubewright];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::KubeDerive => "kube-derive",
            Self::Kubewright => "kubewright",
        }
    }

    fn label(self) -> String {
        match self {
            Self::Plain => format!("{KINDS} kinds, serde and schemars only"),
            Self::KubeDerive => "the same with kube-derive's CustomResource".to_owned(),
            Self::Kubewright => "the same with kubewright's CustomResource".to_owned(),
        }
    }
}

pub(crate) fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("the workspace has a root")?;
    let dir = root.join("target/bench-derive");
    write_workspace(&dir, root)?;
    println!("preparing: dependencies of the three crates are built once");
    for variant in Variant::ALL {
        check(&dir, variant)?;
    }

    let mut times = [Samples::default(), Samples::default(), Samples::default()];
    for _ in 0..ROUNDS {
        for (variant, samples) in Variant::ALL.into_iter().zip(&mut times) {
            let source = lib(&dir, variant);
            fs::write(&source, source_of(variant))?;
            let begun = Instant::now();
            check(&dir, variant)?;
            samples.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    heading("derive: touch + cargo check of that crate alone");
    for (variant, samples) in Variant::ALL.into_iter().zip(&times) {
        row(&variant.label(), "ms", samples);
    }
    let [plain, kube, ours] = &times;
    ratio(
        "whole check, ours / kube-derive, medians",
        ours.median() / kube.median(),
        "at most 1.2",
    );
    ratio(
        "share of the derive alone, ours / kube-derive, medians",
        (ours.median() - plain.median()) / (kube.median() - plain.median()),
        "at most 1.2",
    );

    println!("\nderive: expanded");
    let mut lines = Vec::new();
    for variant in Variant::ALL {
        let text = expand(&dir, variant)?;
        lines.push((text.lines().count(), text.len()));
    }
    let (plain_lines, plain_bytes) = lines[0];
    for (variant, (count, bytes)) in Variant::ALL.into_iter().zip(&lines) {
        println!(
            "  {:<58} {count:>8} lines {:>7} kB; per kind from this derive: {:>4} lines, {:>5.1} kB",
            variant.label(),
            bytes / 1000,
            (count - plain_lines) / KINDS,
            (bytes - plain_bytes) as f64 / 1000.0 / KINDS as f64
        );
    }
    Ok(())
}

fn lib(dir: &Path, variant: Variant) -> PathBuf {
    dir.join(variant.name()).join("src/lib.rs")
}

fn cargo(dir: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Its own target folder and no incremental state: a user's first check of the crate is what counts.
    command
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .env("CARGO_INCREMENTAL", "0");
    command
}

fn check(dir: &Path, variant: Variant) -> Result<()> {
    let output = cargo(dir)
        .args(["check", "-q", "-p", &format!("bench-{}", variant.name())])
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{}: {}", variant.name(), String::from_utf8_lossy(&output.stderr)).into())
    }
}

fn expand(dir: &Path, variant: Variant) -> Result<String> {
    let output = cargo(dir)
        .args([
            "rustc",
            "-q",
            "--profile",
            "check",
            "-p",
            &format!("bench-{}", variant.name()),
        ])
        .args(["--", "-Zunpretty=expanded"])
        .env("RUSTC_BOOTSTRAP", "1")
        .output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(format!("{}: {}", variant.name(), String::from_utf8_lossy(&output.stderr)).into())
    }
}

fn write_workspace(dir: &Path, root: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(
        dir.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"plain\", \"kube-derive\", \"kubewright\"]\n",
    )?;
    // The versions that the workspace has tested.
    fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock"))?;
    let runtime = root.join("runtime");
    for variant in Variant::ALL {
        let name = variant.name();
        fs::create_dir_all(dir.join(name).join("src"))?;
        // All three see the same dependency graph, so that features and versions are equal.
        fs::write(
            dir.join(name).join("Cargo.toml"),
            format!(
                "[package]\nname = \"bench-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
                 kube = {{ version = \"5\", default-features = false, features = [\"derive\"] }}\n\
                 kubewright = {{ path = {runtime:?}, default-features = false, features = [\"latest\"] }}\n\
                 k8s-openapi = {{ version = \"0.29\", features = [\"latest\"] }}\n\
                 schemars = \"1\"\nserde = {{ version = \"1\", features = [\"derive\"] }}\nserde_json = \"1\"\n"
            ),
        )?;
        fs::write(lib(dir, variant), source_of(variant))?;
    }
    Ok(())
}

/// The 50 kinds: eight fields of usual types, a nested struct, an enum, a status, three columns.
fn source_of(variant: Variant) -> String {
    let (import, derive) = match variant {
        Variant::Plain => ("", ""),
        Variant::KubeDerive => ("use kube::CustomResource;\n", "CustomResource, "),
        Variant::Kubewright => ("use kubewright::CustomResource;\n", "CustomResource, "),
    };
    let mut text = format!(
        "{import}use schemars::JsonSchema;\nuse serde::{{Deserialize, Serialize}};\nuse std::collections::BTreeMap;\n"
    );
    for n in 0..KINDS {
        let attributes = match variant {
            Variant::Plain => String::new(),
            Variant::KubeDerive | Variant::Kubewright => format!(
                "#[kube(group = \"bench.example.com\", version = \"v1\", kind = \"Kind{n}\", namespaced, status = \"Kind{n}Status\", \
                 shortname = \"k{n}\", category = \"bench\", derive = \"PartialEq\",\n\
                 printcolumn(name = \"Replicas\", type_ = \"integer\", json_path = \".spec.replicas\"),\n\
                 printcolumn(name = \"Phase\", type_ = \"string\", json_path = \".status.phase\"),\n\
                 printcolumn(name = \"Age\", type_ = \"date\", json_path = \".metadata.creationTimestamp\"))]\n"
            ),
        };
        write!(
            text,
            "
/// The wanted state of a Kind{n}.
#[derive({derive}Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
{attributes}#[serde(rename_all = \"camelCase\")]
pub struct Kind{n}Spec {{
    /// Name of what is driven.
    pub target_name: String,
    /// How many.
    pub replicas: Option<i32>,
    /// Labels of each.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Whether it stands still.
    #[serde(default)]
    pub paused: bool,
    /// Where it goes.
    pub placement: Kind{n}Placement,
    /// How it is changed.
    pub strategy: Kind{n}Strategy,
    /// Seconds until it counts as failed.
    pub timeout_seconds: Option<i64>,
}}

/// Where a Kind{n} goes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = \"camelCase\")]
pub struct Kind{n}Placement {{
    /// Zone.
    pub zone: String,
    /// Weight.
    pub weight: Option<i32>,
}}

/// How a Kind{n} is changed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub enum Kind{n}Strategy {{
    /// All at once.
    Recreate,
    /// One by one.
    Rolling,
}}

/// The seen state of a Kind{n}.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = \"camelCase\")]
pub struct Kind{n}Status {{
    /// How many are there.
    pub available_replicas: i32,
    /// Where it stands.
    pub phase: Option<String>,
}}
"
        )
        .expect("a String takes all text");
    }
    text
}
