//! Caches, queues and controllers beside kube-runtime's, client-go's and controller-runtime's.
//!
//! Each figure comes from a process of its own, so that its memory and its processor time are its own; all of them ask
//! the same stand-in (`standin.rs`), which is a process too. Rounds alternate between the peers.

mod calls;
mod objects;
mod ours;
mod peer;
mod probe;
mod standin;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::AsyncBufReadExt;
use kubewright::cache::{KeepDecoded, Trim};
use kubewright::k8s_openapi::api::core::v1::Pod;
use kubewright::kube::{Client, Config};

use crate::Result;
use crate::report::{Samples, heading, ratio, row};
use objects::{Foo, Which};
use probe::Figures;

/// The first argument of a child.
pub(crate) const CHILD: &str = "cache-child";

/// Events of the measure of latency, and how many of them come in a second.
const EVENTS: usize = 8_000;
const RATE: usize = 1_000;
/// How long anything may take.
const LONGEST: Duration = Duration::from_secs(300);

fn client(url: &str) -> Result<Client> {
    Ok(Client::try_from(Config::new(url.parse()?))?)
}

/// Looks until something is so; what waits costs some 2 % of a processor.
async fn until(is_so: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > LONGEST {
            return Err("what was waited for did not come".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn ask_for_events(url: &str, count: usize, rate: usize) -> Result<()> {
    let request = http::Request::get(format!("/events?count={count}&rate={rate}")).body(Vec::new())?;
    client(url)?.request_text(request).await?;
    Ok(())
}

/// Every object changes once, as fast as the server can say so.
async fn burst(url: &str, objects: usize, figures: &mut Figures, done: impl Fn() -> usize) -> Result<()> {
    let goal = done() + objects;
    let begun = Instant::now();
    let all = async { until(|| done() >= goal).await };
    futures::try_join!(ask_for_events(url, objects, 0), all)?;
    figures.insert(
        "burst_per_s".into(),
        objects as f64 / begun.elapsed().as_secs_f64(),
    );
    Ok(())
}

/// Events at the rate of the measure.
async fn paced(url: &str, done: impl Fn() -> usize) -> Result<()> {
    let goal = done() + EVENTS;
    let all = async { until(|| done() >= goal).await };
    futures::try_join!(ask_for_events(url, EVENTS, RATE), all)?;
    Ok(())
}

/// What a bare watch sees without decoding: the floor of every latency.
async fn floor(url: &str, which: Which) -> Result<Figures> {
    let mut figures = Figures::new();
    let client = client(url)?;
    let request =
        http::Request::get(format!("{}?watch=true&resourceVersion=1", which.path())).body(Vec::new())?;
    let mut body = std::pin::pin!(client.request_stream(request).await?);
    let used = probe::cpu()?;
    let ages = async {
        let (mut ages, mut line) = (Vec::with_capacity(EVENTS), Vec::new());
        while ages.len() < EVENTS {
            line.clear();
            body.read_until(b'\n', &mut line).await?;
            let text = std::str::from_utf8(&line)?;
            let version = text
                .split_once(r#""resourceVersion":""#)
                .and_then(|(_, rest)| rest.split_once('"'));
            let version: u64 = version.ok_or("an event without a version")?.0.parse()?;
            ages.push(standin::made().saturating_sub(version) as f64 / 1e6);
        }
        Ok(ages)
    };
    let (ages, ()) = futures::try_join!(ages, ask_for_events(url, EVENTS, RATE))?;
    figures.insert(
        "event_cpu_ms".into(),
        (probe::cpu()? - used) * 1e3 / EVENTS as f64,
    );
    probe::percentiles(ages, &mut figures);
    Ok(figures)
}

/// The process that measures one peer, or stands in for the server.
pub(crate) async fn child(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>();
    let which = |text: &str| Which::of(text).ok_or("a kind is foo or pod");
    let both = Trim {
        managed_fields: true,
        last_applied: true,
    };
    let ours = |text: &str| if text == "both" { both } else { Trim::default() };
    let keep = |who: &str| match who {
        "ours-decoded" => KeepDecoded::All,
        _ => KeepDecoded::default(),
    };
    // kube-runtime keeps everything, unless it is told otherwise.
    let theirs = |text: &str| if text == "both" { both } else { Trim::NOTHING };
    let figures = match *arguments.as_slice() {
        ["serve", kind, objects] => return standin::serve(which(kind)?, number(objects)?).await,
        [who @ ("ours" | "ours-decoded"), "store", kind, url, objects, what] => {
            let (objects, trim, keep) = (number(objects)?, ours(what), keep(who));
            match which(kind)? {
                Which::Foo => ours::store::<Foo>(url, objects, trim, keep).await?,
                Which::Pod => ours::store::<Pod>(url, objects, trim, keep).await?,
            }
        }
        ["kube", "store", "foo", url, objects, what] => {
            peer::store::<Foo>(url, number(objects)?, theirs(what)).await?
        }
        ["kube", "store", "pod", url, objects, what] => {
            peer::store::<Pod>(url, number(objects)?, theirs(what)).await?
        }
        ["ours", "queue", "foo", _, objects, _] => ours::queue(number(objects)?).await?,
        ["kube", "queue", "foo", _, objects, _] => peer::queue(number(objects)?).await?,
        ["ours", "controller", "foo", url, objects, _] => ours::controller(url, number(objects)?).await?,
        ["kube", "controller", "foo", url, objects, _] => peer::controller(url, number(objects)?).await?,
        ["floor", "controller", kind, url, ..] => floor(url, which(kind)?).await?,
        _ => return Err("not a call that the bench makes".into()),
    };
    probe::print(&figures)
}

/// The stand-in as a process; it ends with its drop.
struct StandIn {
    process: Child,
    url: String,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl StandIn {
    fn start(which: Which, objects: usize) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([CHILD, "serve", which.name(), &objects.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let out = process.stdout.take().ok_or("a pipe")?;
        BufReader::new(out).read_line(&mut url)?;
        Ok(Self {
            process,
            url: url.trim().to_owned(),
        })
    }
}

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Ours,
    /// Ours with all objects ready to be read.
    Decoded,
    Kube,
    /// client-go; for controllers, controller-runtime.
    Go,
    ControllerRuntime,
    Floor,
}

impl Who {
    fn label(self) -> &'static str {
        match self {
            Self::Ours => "kubewright",
            Self::Decoded => "kubewright, all decoded",
            Self::Kube => "kube-runtime",
            Self::Go => "client-go",
            Self::ControllerRuntime => "controller-runtime",
            Self::Floor => "bare watch",
        }
    }
}

/// Figures of several rounds, by peer.
struct Table {
    peers: Vec<(Who, Vec<Figures>)>,
}

impl Table {
    fn samples(&self, who: Who, figure: &str) -> Samples {
        let mut samples = Samples::default();
        for (_, rounds) in self.peers.iter().filter(|(peer, _)| *peer == who) {
            rounds
                .iter()
                .filter_map(|figures| figures.get(figure))
                .for_each(|value| samples.push(*value));
        }
        samples
    }

    fn rows(&self, figure: &str, label: &str, unit: &str) {
        for (who, _) in &self.peers {
            let samples = self.samples(*who, figure);
            if !samples.is_empty() {
                row(&format!("{label}, {}", who.label()), unit, &samples);
            }
        }
    }

    /// Prints how ours stands to a peer; `better` is true where more is better.
    fn held(&self, figure: &str, label: &str, against: Who, more: bool, goal: &str) {
        self.held_by(Who::Ours, figure, label, against, more, goal);
    }

    /// The same, with all objects ready to be read.
    fn held_decoded(&self, figure: &str, label: &str, against: Who, more: bool, goal: &str) {
        let label = format!("{label}, all decoded,");
        self.held_by(Who::Decoded, figure, &label, against, more, goal);
    }

    fn held_by(&self, who: Who, figure: &str, label: &str, against: Who, more: bool, goal: &str) {
        let (ours, theirs) = (self.samples(who, figure), self.samples(against, figure));
        if ours.is_empty() || theirs.is_empty() {
            return;
        }
        let value = if more {
            ours.median() / theirs.median()
        } else {
            theirs.median() / ours.median()
        };
        ratio(&format!("{label} against {}", against.label()), value, goal);
    }

    /// Prints ours as a share of a peer's.
    fn share(&self, figure: &str, label: &str, against: Who, goal: &str) {
        let (ours, theirs) = (self.samples(Who::Ours, figure), self.samples(against, figure));
        if !ours.is_empty() && !theirs.is_empty() {
            ratio(
                &format!("{label}, share of {}", against.label()),
                ours.median() / theirs.median(),
                goal,
            );
        }
    }
}

/// The programs of the Go peers, built from `benches/peers`; absent without Go.
fn go_peers() -> Result<Option<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench-peers/peers");
    let go = std::env::var("GO").unwrap_or_else(|_| "go".to_owned());
    if Command::new(&go)
        .arg("version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        println!("cache: no Go here (`go version`): client-go and controller-runtime are left out");
        return Ok(None);
    }
    let built = Command::new(&go)
        .current_dir(&folder)
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .status()?;
    if !built.success() {
        return Err("the Go peers do not build".into());
    }
    Ok(Some(program))
}

struct Bench {
    go: Option<PathBuf>,
    rounds: usize,
}

impl Bench {
    fn measure(
        &self,
        who: Who,
        what: &str,
        which: Which,
        url: &str,
        objects: usize,
        trim: &str,
    ) -> Result<Option<Figures>> {
        let objects = objects.to_string();
        let mut command = match who {
            Who::Ours | Who::Decoded | Who::Kube | Who::Floor => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(CHILD).arg(match who {
                    Who::Ours => "ours",
                    Who::Decoded => "ours-decoded",
                    Who::Kube => "kube",
                    _ => "floor",
                });
                command
            }
            Who::Go | Who::ControllerRuntime => {
                let Some(program) = &self.go else { return Ok(None) };
                let mut command = Command::new(program);
                command.arg(if who == Who::Go {
                    "client-go"
                } else {
                    "controller-runtime"
                });
                command
            }
        };
        let out = command
            .args([what, which.name(), url, &objects, trim])
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(out.stdout)?;
        match text.lines().last().map(serde_json::from_str) {
            Some(Ok(figures)) if out.status.success() => Ok(Some(figures)),
            _ => Err(format!("{} stopped at {what}: {text}", who.label()).into()),
        }
    }

    fn table(&self, peers: &[Who], what: &str, which: Which, objects: usize, trim: &str) -> Result<Table> {
        let mut table = Table {
            peers: peers.iter().map(|who| (*who, Vec::new())).collect(),
        };
        for _ in 0..self.rounds {
            for (who, rounds) in &mut table.peers {
                let server = StandIn::start(which, objects)?;
                rounds.extend(self.measure(*who, what, which, &server.url, objects, trim)?);
            }
        }
        Ok(table)
    }
}

/// `KUBEWRIGHT_BENCH_OBJECTS` and `KUBEWRIGHT_BENCH_ROUNDS` make it shorter.
fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

/// What can be measured alone.
pub(crate) const PARTS: [&str; 5] = ["store", "memory", "queue", "controller", "growth"];

const PEERS: [Who; 4] = [Who::Ours, Who::Decoded, Who::Kube, Who::Go];

pub(crate) fn run(parts: &[&str]) -> Result<()> {
    let objects = setting("KUBEWRIGHT_BENCH_OBJECTS", 100_000);
    let bench = Bench {
        go: go_peers()?,
        rounds: setting("KUBEWRIGHT_BENCH_ROUNDS", 3),
    };
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    if wanted("store") {
        store(&bench, objects)?;
    }
    if wanted("memory") {
        memory(&bench, objects)?;
    }
    if wanted("queue") {
        queue(&bench, objects)?;
    }
    if wanted("controller") {
        controller(&bench, objects)?;
    }
    if wanted("growth") {
        growth(&bench, objects)?;
    }
    Ok(())
}

fn store(bench: &Bench, objects: usize) -> Result<()> {
    let table = bench.table(&PEERS, "store", Which::Foo, objects, "default")?;
    heading(&format!(
        "cache: {objects} Foo of 1.9 kB as served, everybody's defaults"
    ));
    for (figure, label, unit) in [
        ("sync_s", "initial sync", "s"),
        ("sync_cpu_s", "its own processor time", "s"),
        ("bytes", "memory per object", "B"),
        ("estimate", "its own estimate of that", "B"),
        ("peak_mib", "peak of the process", "MiB"),
        ("get", "get by key, one thread", "1/s"),
        ("get_read", "get by key and a look at it, one thread", "1/s"),
        ("get_built", "get by key, the key built each time", "1/s"),
        (
            "get_contended",
            "get by key and a look at it, two threads beside a writer",
            "1/s",
        ),
        ("writes_contended", "its writes", "1/s"),
        ("index_us", "100 objects by index (kube-runtime: scan)", "us"),
        ("namespace_us", "1,000 objects of a namespace", "us"),
        ("list_ms", "list of all", "ms"),
    ] {
        table.rows(figure, label, unit);
    }
    println!();
    table.share("bytes", "memory per object", Who::Kube, "at most 0.25");
    table.share("bytes", "memory per object", Who::Go, "at most 0.5");
    for peer in [Who::Kube, Who::Go] {
        table.held("sync_s", "initial sync", peer, false, "at least 1.5");
        table.held("sync_cpu_s", "its processor time", peer, false, "at least 1.5");
    }
    table.held("index_us", "look-up by index", Who::Kube, false, "at least 100");
    table.held("index_us", "look-up by index", Who::Go, false, "at least 1");
    for (figure, label) in [
        ("get", "get, one thread"),
        ("get_read", "get and a look, one thread"),
        ("get_contended", "get and a look, two threads beside a writer"),
    ] {
        for (peer, goal) in [(Who::Kube, "at least 3"), (Who::Go, "at least 1")] {
            table.held(figure, label, peer, true, goal);
            table.held_decoded(figure, label, peer, true, goal);
        }
    }
    Ok(())
}

fn memory(bench: &Bench, objects: usize) -> Result<()> {
    for (which, objects) in [(Which::Foo, objects), (Which::Pod, objects / 5)] {
        for (trim, what, kube, go) in [
            ("default", "everybody's defaults", "at most 0.25", "at most 0.5"),
            (
                "both",
                "all leave out managedFields and last-applied",
                "at most 0.5",
                "at most 0.8",
            ),
        ] {
            let table = bench.table(&PEERS, "store", which, objects, trim)?;
            heading(&format!("memory: {objects} {}, {what}", which.name()));
            table.rows("bytes", "memory per object", "B");
            table.rows("sync_cpu_s", "processor time of the sync", "s");
            table.share("bytes", "memory per object", Who::Kube, kube);
            table.share("bytes", "memory per object", Who::Go, go);
        }
    }
    Ok(())
}

fn queue(bench: &Bench, objects: usize) -> Result<()> {
    let peers = [Who::Ours, Who::Kube, Who::Go, Who::ControllerRuntime];
    let table = bench.table(&peers, "queue", Which::Foo, objects, "default")?;
    heading(&format!(
        "queue: {objects} keys (kube-runtime's scheduler has no done)"
    ));
    for (figure, label) in [
        ("add", "add"),
        ("get_done", "get and done"),
        ("all", "add, get and done"),
        ("steady", "get, done and add with all keys waiting"),
    ] {
        table.rows(figure, label, "1/s");
    }
    for peer in [Who::Kube, Who::Go, Who::ControllerRuntime] {
        table.held("all", "add, get and done", peer, true, "at least 2");
    }
    Ok(())
}

fn controller(bench: &Bench, objects: usize) -> Result<()> {
    let peers = [Who::Floor, Who::Ours, Who::Kube, Who::ControllerRuntime];
    let table = bench.table(&peers, "controller", Which::Foo, objects, "default")?;
    heading(&format!(
        "controller: {objects} Foo, a reconciler that does nothing"
    ));
    for (figure, label, unit) in [
        ("first_s", "start to the first reconciliation", "s"),
        ("all_s", "start to the last one of the first state", "s"),
        ("cpu_s", "processor time to there", "s"),
        ("per_s", "reconciliations per second after the first", "1/s"),
        ("burst_per_s", "events to reconciliations per second", "1/s"),
        (
            "p50_ms",
            "event to reconciliation at 1,000 events/s, median",
            "ms",
        ),
        ("p90_ms", "the same, 90 of 100", "ms"),
        ("p99_ms", "the same, 99 of 100", "ms"),
        ("event_cpu_ms", "processor time per event", "ms"),
        ("peak_mib", "peak of the process", "MiB"),
    ] {
        table.rows(figure, label, unit);
    }
    println!();
    for peer in [Who::Kube, Who::ControllerRuntime] {
        table.held("per_s", "reconciliations per second", peer, true, "at least 2");
        table.held(
            "burst_per_s",
            "events to reconciliations",
            peer,
            true,
            "at least 2",
        );
        table.share("p99_ms", "latency, 99 of 100", peer, "at most 0.5");
    }
    Ok(())
}

fn growth(bench: &Bench, objects: usize) -> Result<()> {
    heading("growth: kubewright's cost per object");
    let sizes = [objects / 10, objects, objects * 10];
    for (who, objects) in [Who::Ours, Who::Decoded]
        .into_iter()
        .flat_map(|who| sizes.map(|size| (who, size)))
    {
        let table = bench.table(&[who], "store", Which::Foo, objects, "default")?;
        let what = format!("{}, {objects}", who.label());
        let us = |figure: &str| {
            let mut samples = Samples::default();
            samples.push(table.samples(who, figure).median() * 1e6 / objects as f64);
            samples
        };
        row(&format!("{what}: sync per object"), "us", &us("sync_s"));
        row(
            &format!("{what}: processor time of the sync per object"),
            "us",
            &us("sync_cpu_s"),
        );
        row(
            &format!("{what}: memory per object"),
            "B",
            &table.samples(who, "bytes"),
        );
        row(
            &format!("{what}: gets per second"),
            "1/s",
            &table.samples(who, "get"),
        );
        row(
            &format!("{what}: 100 objects by index"),
            "us",
            &table.samples(who, "index_us"),
        );
    }
    Ok(())
}
