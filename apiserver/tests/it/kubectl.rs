//! kubectl against a server with TLS. Skipped, and said so, where no kubectl is on the PATH.
//!
//! Imperative `kubectl create namespace|configmap|deployment` is left out: since 1.32 it sends protobuf, which the
//! server answers with 415 (API-13).

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use kubewright_apiserver::{DevServer, Listen};

const CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: foos, singular: foo, kind: Foo, shortNames: [fo], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Color, type: string, jsonPath: .spec.color, priority: 1}
    schema:
      openAPIV3Schema:
        description: A foo.
        type: object
        properties:
          spec:
            type: object
            properties:
              replicas: {type: integer, description: How many there should be., minimum: 0}
              color: {type: string}
          status:
            type: object
            properties:
              replicas: {type: integer}
              conditions:
                type: array
                items: {type: object, properties: {type: {type: string}, status: {type: string}}}
"#;

const FOO: &str = r#"
apiVersion: example.com/v1
kind: Foo
metadata: {name: a}
spec: {replicas: 2, color: red}
"#;

/// A server, its kubeconfig in a file, and kubectl with a home of its own.
struct Kubectl {
    directory: PathBuf,
    server: DevServer,
}

struct Done {
    ok: bool,
    out: String,
    err: String,
}

impl Kubectl {
    /// None where there is no kubectl.
    async fn start(name: &str) -> Option<Self> {
        if !Command::new("kubectl")
            .args(["version", "--client"])
            .output()
            .is_ok_and(|done| done.status.success())
        {
            let _ = writeln!(std::io::stderr(), "skipped {name}: no kubectl on the PATH");
            return None;
        }
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("a directory");
        let listen = Listen::Tls(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let server = DevServer::builder()
            .listen(listen)
            .start()
            .await
            .expect("the server starts");
        std::fs::write(directory.join("kubeconfig"), server.kubeconfig()).expect("written");
        Some(Self { directory, server })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .env("HOME", &self.directory)
            .env("KUBECONFIG", self.directory.join("kubeconfig"))
            .args(["--request-timeout", "20s"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs kubectl to its end without blocking the server's runtime.
    async fn run(&self, arguments: &[&str], input: &str) -> Done {
        let (mut command, input) = (self.command(arguments), input.to_owned());
        let work = move || {
            let mut child = command.spawn().expect("kubectl starts");
            child
                .stdin
                .take()
                .expect("piped")
                .write_all(input.as_bytes())
                .expect("kubectl reads");
            child.wait_with_output().expect("kubectl ends")
        };
        let output = tokio::task::spawn_blocking(work).await.expect("no panic");
        Done {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Output of a call that must succeed.
    async fn out(&self, arguments: &[&str]) -> String {
        self.out_of(arguments, "").await
    }

    async fn out_of(&self, arguments: &[&str], input: &str) -> String {
        let done = self.run(arguments, input).await;
        assert!(
            done.ok,
            "kubectl {}\n{}{}",
            arguments.join(" "),
            done.out,
            done.err
        );
        done.out
    }
}

/// Cells of a printed table, without the ages.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_121_kubectl_with_a_custom_resource() {
    let Some(kubectl) = Kubectl::start("custom").await else {
        return;
    };
    kubectl.server.install_crds([CRD]).await.expect("installed");
    assert_eq!(
        kubectl.out_of(&["create", "-f", "-"], FOO).await,
        "foo.example.com/a created\n"
    );

    let table = kubectl.out(&["get", "fo"]).await;
    assert_eq!(rows(&table), [["NAME", "REPLICAS"], ["a", "2"]]);
    let wide = kubectl.out(&["get", "foos", "-o", "wide"]).await;
    assert_eq!(rows(&wide), [["NAME", "REPLICAS", "COLOR"], ["a", "2", "red"]]);
    let yaml = kubectl.out(&["get", "foo", "a", "-o", "yaml"]).await;
    assert!(
        yaml.contains("color: red") && yaml.contains("generation: 1"),
        "{yaml}"
    );
    assert!(
        kubectl
            .out(&["describe", "foo", "a"])
            .await
            .contains("Color:     red")
    );
    assert!(
        kubectl
            .out(&["get", "all", "-o", "name"])
            .await
            .contains("foo.example.com/a")
    );

    let explained = kubectl.out(&["explain", "foo.spec.replicas"]).await;
    assert!(explained.contains("How many there should be."), "{explained}");
    let explained = kubectl.out(&["explain", "foo", "--recursive"]).await;
    assert!(
        explained.contains("replicas\t<integer>") && explained.contains("ownerReferences"),
        "{explained}"
    );

    kubectl
        .out(&[
            "patch",
            "foo",
            "a",
            "--type=merge",
            "-p",
            r#"{"spec":{"color":"blue"}}"#,
        ])
        .await;
    kubectl.out(&["scale", "foo", "a", "--replicas=5"]).await;
    assert_eq!(
        kubectl.out(&["get", "foo", "a", "-o", "jsonpath={.spec}"]).await,
        r#"{"color":"blue","replicas":5}"#
    );
    let applied = kubectl
        .out_of(&["apply", "-f", "-"], &FOO.replace("red", "green"))
        .await;
    assert_eq!(applied, "foo.example.com/a configured\n");
    let status = r#"{"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
    kubectl
        .out(&[
            "patch",
            "foo",
            "a",
            "--subresource=status",
            "--type=merge",
            "-p",
            status,
        ])
        .await;
    kubectl
        .out(&["wait", "--for=condition=Ready", "foo/a", "--timeout=10s"])
        .await;

    let strict = kubectl
        .run(
            &["create", "-f", "-"],
            &FOO.replace("color", "colour").replace("name: a", "name: b"),
        )
        .await;
    assert!(
        !strict.ok && strict.err.contains(r#"unknown field "spec.colour""#),
        "{}",
        strict.err
    );
    assert_eq!(
        kubectl.out(&["delete", "foo", "a"]).await,
        "foo.example.com \"a\" deleted\n"
    );
    let gone = kubectl.run(&["get", "foo", "a"], "").await;
    assert_eq!(
        gone.err,
        "Error from server (NotFound): foos.example.com \"a\" not found\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_42_46_kubectl_applies_on_the_server() {
    let Some(kubectl) = Kubectl::start("apply").await else {
        return;
    };
    kubectl.server.install_crds([CRD]).await.expect("installed");
    let apply = ["apply", "--server-side", "-f", "-"];
    let applied = "foo.example.com/a serverside-applied\n";
    assert_eq!(kubectl.out_of(&apply, FOO).await, applied);
    assert_eq!(kubectl.out_of(&apply, FOO).await, applied);
    // kubectl hides owners unless asked.
    let shown = kubectl.out(&["get", "foo", "a", "-o", "yaml"]).await;
    assert!(!shown.contains("managedFields"), "{shown}");
    let owners = ["get", "foo", "a", "--show-managed-fields", "-o"];
    let path = "jsonpath={range .metadata.managedFields[*]}{.manager} {.operation} {.subresource},{end}";
    let owners = async || kubectl.out(&[owners.as_slice(), &[path]].concat()).await;
    assert_eq!(owners().await, "kubectl Apply ,");

    let other = FOO.replace("red", "blue");
    let manager = ["apply", "--server-side", "--field-manager=other", "-f", "-"];
    let refused = kubectl.run(&manager, &other).await;
    assert!(
        !refused.ok
            && refused.err.starts_with(
                "error: Apply failed with 1 conflict: conflict with \"kubectl\": .spec.color\nPlease review"
            ),
        "{}",
        refused.err
    );
    kubectl
        .out_of(&[manager.as_slice(), &["--force-conflicts"]].concat(), &other)
        .await;
    assert_eq!(owners().await, "kubectl Apply ,other Apply ,");
    kubectl.out(&["scale", "foo", "a", "--replicas=5"]).await;
    assert_eq!(
        owners().await,
        "other Apply ,kubectl Update scale,",
        "replicas were the last that kubectl's apply owned"
    );

    // From client-side apply, by the annotation that it leaves.
    let client_side = FOO.replace("name: a", "name: b");
    kubectl.out_of(&["apply", "-f", "-"], &client_side).await;
    let last = kubectl.out(&["apply", "view-last-applied", "foo", "b"]).await;
    assert!(last.contains("color: red"), "{last}");
    kubectl.out_of(&apply, &client_side.replace("red", "green")).await;
    let last = kubectl.out(&["apply", "view-last-applied", "foo", "b"]).await;
    assert!(last.contains("color: green"), "{last}");

    let unknown = kubectl.run(&apply, &FOO.replace("color", "colour")).await;
    assert!(
        unknown.err.contains(".spec.colour: field not declared in schema"),
        "{}",
        unknown.err
    );

    // Built-in kinds, lists by key among them.
    let deployment = |name: &str, image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec: {{selector: {{matchLabels: {{a: b}}}}, \
             template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: {name}, image: {image}}}]}}}}}}"
        )
    };
    kubectl.out_of(&apply, &deployment("one", "first")).await;
    kubectl.out_of(&manager, &deployment("two", "second")).await;
    let images = "jsonpath={.spec.template.spec.containers[*].image}";
    assert_eq!(
        kubectl.out(&["get", "deploy", "d", "-o", images]).await,
        "first second"
    );
    let refused = kubectl.run(&manager, &deployment("one", "third")).await;
    assert!(
        refused.err.contains("containers[name=\"one\"].image"),
        "{}",
        refused.err
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_121_kubectl_with_built_in_kinds() {
    let Some(kubectl) = Kubectl::start("builtin").await else {
        return;
    };
    let objects = r#"
apiVersion: v1
kind: Namespace
metadata: {name: x}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: x}
spec:
  replicas: 2
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: "nginx:1"}]}
"#;
    kubectl.out_of(&["create", "-f", "-"], objects).await;
    let wide = kubectl.out(&["get", "deploy", "-n", "x", "-o", "wide"]).await;
    let rows = rows(&wide);
    assert_eq!(
        rows[0],
        [
            "NAME",
            "READY",
            "UP-TO-DATE",
            "AVAILABLE",
            "AGE",
            "CONTAINERS",
            "IMAGES",
            "SELECTOR"
        ]
    );
    assert_eq!(rows[1][1..4], ["0/2", "0", "0"]);
    assert_eq!(rows[1][5..], ["c", "nginx:1", "app=d"]);
    kubectl
        .out(&["scale", "-n", "x", "deploy/d", "--replicas=3"])
        .await;
    assert!(
        kubectl
            .out(&["describe", "-n", "x", "deploy", "d"])
            .await
            .contains("3 desired")
    );
    let explained = kubectl.out(&["explain", "deployment.spec.replicas"]).await;
    assert!(explained.contains("FIELD: replicas <integer>"), "{explained}");
    let resources = kubectl
        .out(&["api-resources", "--no-headers", "-o", "name"])
        .await;
    for name in [
        "pods",
        "deployments.apps",
        "events.events.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
    ] {
        assert!(
            resources.lines().any(|line| line == name),
            "{name} in\n{resources}"
        );
    }
    let versions = kubectl.out(&["api-versions"]).await;
    assert!(versions.lines().any(|line| line == "batch/v1"), "{versions}");
    kubectl.out(&["delete", "ns", "x"]).await;
    assert!(
        !kubectl.run(&["get", "ns", "x"], "").await.ok,
        "the namespace is gone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_121_kubectl_watches() {
    use std::io::{BufRead, BufReader};
    let Some(kubectl) = Kubectl::start("watch").await else {
        return;
    };
    kubectl.server.install_crds([CRD]).await.expect("installed");
    kubectl.out_of(&["create", "-f", "-"], FOO).await;
    let mut command = kubectl.command(&["get", "foos", "-w", "--request-timeout", "60s"]);
    let (lines, mut received) = tokio::sync::mpsc::unbounded_channel();
    let mut child = command.spawn().expect("kubectl starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut next = async || {
        let line = tokio::time::timeout(std::time::Duration::from_secs(20), received.recv()).await;
        line.expect("no hang").expect("a line")
    };
    // One heading, though every event is a table of its own.
    assert_eq!(rows(&next().await), [["NAME", "REPLICAS"]]);
    assert_eq!(rows(&next().await), [["a", "2"]]);
    kubectl.out(&["scale", "foo", "a", "--replicas=4"]).await;
    assert_eq!(rows(&next().await), [["a", "4"]]);
    child.kill().expect("killed");
    child.wait().expect("ended");
    reader.join().expect("the reader ends");
}
