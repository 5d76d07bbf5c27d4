//! The program itself: its runs from the command line, with kubectl beside it, and what signals do to it.

use std::io::Write as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kubewright_apiserver::{DevServer, Listen, Matcher};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::{CRD, World, eventually};

/// Far beyond what anything here takes; reached only when it will never happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// A run of the program, ended with the value.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Its log, for messages of failures.
    log: Arc<Mutex<String>>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sample-controller"))
            .args(arguments)
            .env("RUST_LOG", "info")
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let collected = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                *collected.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { child, lines, log }
    }

    /// The next line that holds `part`.
    async fn line_with(&mut self, part: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(part) {
                    return line;
                }
            }
            panic!(
                "it ended without a line that holds {part:?}: {}",
                self.log.lock().unwrap()
            );
        };
        let found = tokio::time::timeout(DEADLINE, found).await;
        found.unwrap_or_else(|_| panic!("no line holds {part:?}: {}", self.log.lock().unwrap()))
    }

    /// Waits until its log holds `part`.
    async fn logs(&self, part: &str) {
        eventually(part, async || self.log.lock().unwrap().contains(part)).await;
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.unwrap().success());
    }

    async fn ends_well(self) {
        let log = Arc::clone(&self.log);
        let status = self.end().await;
        assert!(status.success(), "{status}: {}", log.lock().unwrap());
    }

    async fn end(mut self) -> ExitStatus {
        // A pipe that nobody reads must not keep it from ending.
        tokio::spawn(async move { while let Ok(Some(_)) = self.lines.next_line().await {} });
        tokio::time::timeout(DEADLINE, self.child.wait())
            .await
            .unwrap()
            .unwrap()
    }
}

/// What the controller logs when its workers start: from then on a shutdown is in good order.
const RUNNING: &str = "caches synced; starting workers";

#[tokio::test]
async fn once_ends_after_the_first_convergence() {
    let mut program = Program::start(&["--once"]);
    let mut printed = Vec::new();
    while let Some(line) = program.lines.next_line().await.unwrap() {
        printed.push(line);
    }
    // The order of what several tasks print is theirs.
    for part in [
        "Foo default/example-foo added",
        "Deployment default/example-foo added",
        "converged",
    ] {
        assert!(
            printed.iter().any(|line| line.contains(part)),
            "{part}: {printed:?}"
        );
    }
    program.ends_well().await;
}

#[tokio::test]
async fn sc_20_a_signal_ends_it_in_good_order_and_a_second_one_at_once() {
    let program = Program::start(&[]);
    program.logs(RUNNING).await;
    program.signal("TERM").await;
    program.ends_well().await;

    // Between the Deployment and a status write that hangs, a Foo is in hand, and the shutdown waits for it.
    let world = listening().await;
    world
        .server
        .delay(Matcher::any().resource("foos").subresource("status"), DEADLINE);
    world.create_foo("foo", "web", Some(1)).await;
    let program = Program::start(&["--kubeconfig", &kubeconfig(&world, "signals")]);
    eventually("the Deployment", async || world.deployment("web").await.is_some()).await;
    program.signal("INT").await;
    program.logs("once more to exit at once").await;
    program.signal("INT").await;
    assert_eq!(program.end().await.code(), Some(1));
}

/// A server with a socket, for programs.
async fn listening() -> World {
    let listen = Listen::Tls(([127, 0, 0, 1], 0).into());
    World::on(DevServer::builder().listen(listen).start().await.unwrap(), CRD).await
}

fn kubeconfig(world: &World, name: &str) -> String {
    let file = format!("{}/{name}.kubeconfig", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, world.server.kubeconfig()).unwrap();
    file
}

/// Writes of resources other than events so far, by whomever.
fn writes(world: &World) -> usize {
    let log = world.server.request_log();
    let is_write = |verb: Option<&str>| matches!(verb, Some("create" | "update" | "patch"));
    log.iter()
        .filter(|request| {
            let path = request.resource.as_ref();
            is_write(request.verb) && path.is_some_and(|path| path.resource != "events")
        })
        .count()
}

#[tokio::test]
async fn a_process_killed_at_its_writes_leaves_nothing_that_the_next_one_does_not_mend() {
    let world = listening().await;
    let file = kubeconfig(&world, "kill");
    world.create_foo("foo", "web", Some(1)).await;
    for round in 1..=4 {
        // Each round ends with a kill at the first write of its own, whichever that is: a create, a status, replicas.
        world.set_foo_replicas("foo", round).await;
        let before = writes(&world);
        let mut program = Program::start(&["--kubeconfig", &file]);
        eventually("a write", async || writes(&world) > before).await;
        program.child.kill().await.unwrap();
    }
    let program = Program::start(&["--kubeconfig", &file]);
    program.logs(RUNNING).await;
    eventually("the end state", async || {
        world.replicas("web").await == Some(4) && world.available("foo").await == Some(0)
    })
    .await;
    program.signal("TERM").await;
    program.ends_well().await;
    assert_eq!(world.deployments().await.len(), 1);
    let creates = world.server.request_log();
    let creates = creates.iter().filter(|request| {
        let path = request.resource.as_ref();
        request.verb == Some("create")
            && path.is_some_and(|path| path.resource == "deployments")
            && request.code < 400
    });
    assert_eq!(creates.count(), 1, "one Deployment was ever made");
}

#[tokio::test]
async fn kubectl_works_beside_it() {
    let version = Command::new("kubectl")
        .args(["version", "--client"])
        .output()
        .await;
    if !version.is_ok_and(|done| done.status.success()) {
        let _ = writeln!(
            std::io::stderr(),
            "kubectl_works_beside_it: skipped: no kubectl on the PATH"
        );
        return;
    }
    let mut program = Program::start(&[]);
    let line = program.line_with("kubeconfig: ").await;
    let file = line.split("kubeconfig: ").nth(1).unwrap().to_owned();
    program
        .line_with("Foo default/example-foo changed: replicas 1, available 1")
        .await;
    let kubectl = |arguments: &str| {
        let mut command = Command::new("kubectl");
        command
            .args([
                "--kubeconfig",
                &file,
                "--cache-dir",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/kubectl"),
            ])
            .args(arguments.split(' '))
            .kill_on_drop(true);
        command
    };
    let out = async |arguments: &str| {
        let done = kubectl(arguments).output().await.unwrap();
        assert!(
            done.status.success(),
            "{arguments}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap()
    };
    let table = out("get foos").await;
    assert!(
        table.starts_with("NAME") && table.contains("\nexample-foo"),
        "{table}"
    );
    let explained = out("explain foo.spec").await;
    assert!(
        explained.contains("deploymentName\t<string>") && explained.contains("replicas\t<integer>"),
        "{explained}"
    );
    let yaml = out("get foo example-foo -o yaml").await;
    assert!(yaml.contains("availableReplicas: 1"), "{yaml}");
    let described = out("describe foo example-foo").await;
    assert!(described.contains("Foo synced successfully"), "{described}");

    let mut watch = kubectl("get foos -w -o jsonpath={.spec.replicas}{\"\\n\"}")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rows = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert_eq!(rows.next_line().await.unwrap().as_deref(), Some("1"));
    out("patch foo example-foo --type=merge -p {\"spec\":{\"replicas\":3}}").await;
    let changed = async { while rows.next_line().await.unwrap().as_deref() != Some("3") {} };
    tokio::time::timeout(DEADLINE, changed)
        .await
        .expect("the watch tells");
    program
        .line_with("Deployment default/example-foo changed: replicas 3")
        .await;
    program.signal("INT").await;
    program.ends_well().await;
}
