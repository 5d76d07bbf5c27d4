//! The `devserver` program, as its users run it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DEADLINE: Duration = Duration::from_secs(20);

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devserver"));
    command
        .env_remove("RUST_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running program, killed where a test fails before it stops it.
struct Program {
    child: Child,
    kubeconfig: PathBuf,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts it and waits until it says that it serves.
    fn start(name: &str, arguments: &[&str], log: Option<&str>) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("a directory");
        let kubeconfig = directory.join("kubeconfig");
        // Somebody else's rights do not survive.
        std::fs::write(&kubeconfig, "old").expect("written");
        std::fs::set_permissions(&kubeconfig, std::fs::Permissions::from_mode(0o644)).expect("changed");
        let mut command = command();
        if let Some(log) = log {
            command.env("RUST_LOG", log);
        }
        let mut child = command
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .args(arguments)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let program = Self { child, kubeconfig };
        let serving = lines.next().expect("a line").expect("text");
        assert!(serving.starts_with("serving on http"), "{serving}");
        let written = lines.next().expect("a line").expect("text");
        assert_eq!(written, format!("kubeconfig: {}", program.kubeconfig.display()));
        program
    }

    async fn client(&self, change: impl FnOnce(&mut Kubeconfig)) -> Client {
        let mut kubeconfig = Kubeconfig::read_from(&self.kubeconfig).expect("a kubeconfig");
        change(&mut kubeconfig);
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("usable");
        Client::try_from(config).expect("a client")
    }

    /// Sends SIGTERM; the exit code and what it wrote to stderr.
    async fn terminate(mut self) -> (Option<i32>, String) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success());
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(begin.elapsed() < DEADLINE, "it does not stop");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut log).expect("text");
        (status.code(), log)
    }
}

async fn namespaces(client: Client) -> Result<usize, u16> {
    match Api::<Namespace>::all(client).list(&Default::default()).await {
        Ok(list) => Ok(list.items.len()),
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(other) => panic!("no answer: {other}"),
    }
}

#[tokio::test]
async fn it_serves_until_it_is_told_to_stop() {
    let program = Program::start("program-tls", &["--token", "secret"], None);
    let mode = std::fs::metadata(&program.kubeconfig)
        .expect("written")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(namespaces(program.client(|_| {}).await).await, Ok(4));
    let by_token = |token: &'static str| {
        move |kubeconfig: &mut Kubeconfig| {
            let user = kubeconfig.auth_infos[0].auth_info.as_mut().expect("a user");
            (user.client_certificate_data, user.client_key_data) = (None, None);
            user.token = Some(token.to_owned().into());
        }
    };
    assert_eq!(namespaces(program.client(by_token("secret")).await).await, Ok(4));
    assert_eq!(
        namespaces(program.client(by_token("other")).await).await,
        Err(401)
    );
    assert_eq!(program.terminate().await, (Some(0), String::new()));
}

#[tokio::test]
async fn it_serves_without_tls_when_asked() {
    let program = Program::start("program-plain", &["--plain"], None);
    assert_eq!(namespaces(program.client(|_| {}).await).await, Ok(4));
    assert_eq!(program.terminate().await.0, Some(0));
}

#[tokio::test]
async fn it_logs_to_stderr_as_rust_log_says() {
    let program = Program::start("program-log", &[], Some("kubewright_apiserver=debug"));
    let kubeconfig = Kubeconfig::read_from(&program.kubeconfig).expect("a kubeconfig");
    let url = kubeconfig.clusters[0]
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.server.clone());
    let url = url.expect("an address");
    let address = url.trim_start_matches("https://");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
    // It answers with an alert, or not at all, and hangs up.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let (code, log) = program.terminate().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("DEBUG") && log.contains("TLS handshake"), "{log}");
}

#[test]
fn wrong_flags_are_told_with_code_2() {
    let output = command().arg("--prot").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "devserver: \"--prot\" is no flag of devserver; --help lists them\n"
    );
    let output = command().arg("--help").output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Usage: devserver --kubeconfig FILE"));
}
