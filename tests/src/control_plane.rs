//! A real etcd and kube-apiserver on loopback, from the folder that `KUBEBUILDER_ASSETS` names.
//!
//! **Invariant:** nothing outlives the value: both processes are killed and their directory is removed on drop.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// How long both processes together may take to become ready; some 4 s on two idle cores.
const READY_DEADLINE: Duration = Duration::from_secs(120);
/// Other processes may take a free port between its choice and its use; then the start is tried again.
const START_ATTEMPTS: usize = 3;

/// A running etcd and kube-apiserver.
#[derive(Debug)]
pub struct ControlPlane {
    kubeconfig: Kubeconfig,
    kubeconfig_path: PathBuf,
    ready_after: Duration,
    // Dropped in this order: the API server first, since without etcd it would hang on.
    _apiserver: Child,
    _etcd: Child,
    _dir: TempDir,
}

/// Why no control plane runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file or process could not be made.
    #[error("prepare the control plane")]
    Io(#[from] std::io::Error),
    /// The service-account key could not be made.
    #[error("make the service-account key")]
    Key(#[from] rcgen::Error),
    /// The kubeconfig is not usable.
    #[error("read the kubeconfig")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// No client could be built.
    #[error("build a client")]
    Client(#[source] kube::Error),
    /// A process ended early or did not become ready; the end of its log.
    #[error("{process} did not become ready: {log}")]
    NotReady {
        /// Which one.
        process: &'static str,
        /// The last lines of its log.
        log: String,
    },
}

impl ControlPlane {
    /// Starts one, or returns `None` where `KUBEBUILDER_ASSETS` is not set, and says so on stderr for `test`.
    ///
    /// # Errors
    /// Where the folder is named but the control plane does not come up: that is a failure, not a skip.
    pub async fn start_or_skip(test: &str) -> Result<Option<Self>, StartError> {
        let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS") else {
            // Past the test runner, which keeps what passing tests print.
            let _ = writeln!(
                std::io::stderr(),
                "{test}: skipped: KUBEBUILDER_ASSETS is not set"
            );
            return Ok(None);
        };
        let assets = PathBuf::from(assets);
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            match Self::start(&assets).await {
                Ok(plane) => return Ok(Some(plane)),
                Err(error @ StartError::NotReady { .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("at least one attempt was made"))
    }

    async fn start(assets: &Path) -> Result<Self, StartError> {
        let begun = Instant::now();
        let dir = tempfile::Builder::new()
            .prefix("kubewright-control-plane-")
            .tempdir()?;
        let path = dir.path();
        let [etcd_port, peer_port, api_port] = free_ports()?;
        let key = rcgen::KeyPair::generate()?;
        std::fs::write(path.join("sa.key"), key.serialize_pem())?;
        std::fs::write(path.join("sa.pub"), key.public_key_pem())?;
        // A throwaway server on loopback, gone with the test: its token is no secret.
        let token = "control-plane-test-token";
        std::fs::write(
            path.join("tokens.csv"),
            format!("{token},admin,admin,system:masters\n"),
        )?;

        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let etcd = command(&assets.join("etcd"), path, "etcd.log")?
            .arg("--data-dir")
            .arg(path.join("etcd"))
            .arg("--unsafe-no-fsync")
            .args([
                "--listen-client-urls",
                &etcd_url,
                "--advertise-client-urls",
                &etcd_url,
            ])
            .args([
                "--listen-peer-urls",
                &peer_url,
                "--initial-advertise-peer-urls",
                &peer_url,
            ])
            .args(["--initial-cluster", &format!("default={peer_url}")])
            .spawn()?;
        let mut apiserver = command(&assets.join("kube-apiserver"), path, "apiserver.log")?
            .arg(format!("--etcd-servers={etcd_url}"))
            .arg(format!("--secure-port={api_port}"))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--cert-dir={}", path.join("certs").display()))
            .args([
                "--service-account-key-file=sa.pub",
                "--service-account-signing-key-file=sa.key",
            ])
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .args(["--token-auth-file=tokens.csv", "--authorization-mode=RBAC"])
            .args([
                "--service-cluster-ip-range=10.0.0.0/24",
                "--disable-admission-plugins=ServiceAccount",
            ])
            .spawn()?;

        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: local\n\
             clusters: [{{name: local, cluster: {{server: \"https://127.0.0.1:{api_port}\", insecure-skip-tls-verify: true}}}}]\n\
             users: [{{name: admin, user: {{token: {token}}}}}]\n\
             contexts: [{{name: local, context: {{cluster: local, user: admin}}}}]\n"
        );
        let kubeconfig_path = path.join("kubeconfig");
        std::fs::write(&kubeconfig_path, &text)?;
        let kubeconfig = Kubeconfig::from_yaml(&text)?;
        let client = client_of(&kubeconfig).await?;

        while !is_ready(&client).await {
            if apiserver.try_wait()?.is_some() || begun.elapsed() > READY_DEADLINE {
                return Err(StartError::NotReady {
                    process: "kube-apiserver",
                    log: log_end(&path.join("apiserver.log")),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let ready_after = begun.elapsed();
        Ok(Self {
            kubeconfig,
            kubeconfig_path,
            ready_after,
            _apiserver: apiserver,
            _etcd: etcd,
            _dir: dir,
        })
    }

    /// A client with all rights, whose default namespace is `default`.
    ///
    /// # Errors
    /// Where the TLS stack cannot be set up.
    pub async fn client(&self) -> Result<kube::Client, StartError> {
        client_of(&self.kubeconfig).await
    }

    /// A client of whoever the token is of.
    ///
    /// # Errors
    /// Where the TLS stack cannot be set up.
    pub async fn client_with_token(&self, token: &str) -> Result<kube::Client, StartError> {
        let mut kubeconfig = self.kubeconfig.clone();
        for named in &mut kubeconfig.auth_infos {
            named.auth_info.get_or_insert_default().token = Some(token.to_owned().into());
        }
        client_of(&kubeconfig).await
    }

    /// The kubeconfig file, for other programs.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig_path
    }

    /// Time from the first process's start to the first `ok` of `/readyz`.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }
}

fn command(program: &Path, dir: &Path, log: &str) -> std::io::Result<Command> {
    let log = std::fs::File::create(dir.join(log))?;
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    Ok(command)
}

async fn client_of(kubeconfig: &Kubeconfig) -> Result<kube::Client, StartError> {
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default()).await?;
    kube::Client::try_from(config).map_err(StartError::Client)
}

/// The ready check, and the namespace that arrives a moment after it.
async fn is_ready(client: &kube::Client) -> bool {
    let get = async |path: &str| {
        let request = http::Request::get(path)
            .body(Vec::new())
            .expect("the path is a constant");
        client.request_text(request).await
    };
    get("/readyz").await.is_ok_and(|body| body == "ok") && get("/api/v1/namespaces/default").await.is_ok()
}

fn free_ports<const N: usize>() -> std::io::Result<[u16; N]> {
    // All are held at once, so that no two are equal.
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

fn log_end(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
