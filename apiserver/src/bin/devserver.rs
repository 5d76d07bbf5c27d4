//! Serves the engine with memory storage until stopped.
//!
//! ```console
//! devserver --port 8443 --kubeconfig dev.kubeconfig
//! kubectl --kubeconfig dev.kubeconfig get namespaces
//! ```

use std::error::Error;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kubewright_apiserver::DevServer;
use kubewright_apiserver::dev::Listen;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

const USAGE: &str = "\
Serves a Kubernetes API server with memory storage until it gets SIGINT or SIGTERM.

Usage: devserver --kubeconfig FILE [--port PORT] [--address IP] [--token TOKEN] [--plain]

  --kubeconfig FILE  where the administrator's kubeconfig is written, with mode 0600
  --port PORT        port to listen on; default 0: a free one
  --address IP       address to listen on; default 127.0.0.1
  --token TOKEN      bearer token that is accepted besides the client certificate
  --plain            HTTP without TLS; whoever reaches the port is let in, unless there is a token
  --help             this text

Warnings and errors go to stderr; RUST_LOG sets what else does, such as RUST_LOG=debug.
";

#[derive(Debug, Default, PartialEq)]
struct Flags {
    kubeconfig: Option<PathBuf>,
    port: u16,
    address: Option<IpAddr>,
    token: Option<String>,
    plain: bool,
    help: bool,
}

impl Flags {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, mut given) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let mut value = || {
                given
                    .take()
                    .or_else(|| arguments.next())
                    .ok_or(format!("{name} needs a value"))
            };
            match name.as_str() {
                "--kubeconfig" => flags.kubeconfig = Some(value()?.into()),
                "--port" => {
                    let text = value()?;
                    flags.port = text
                        .parse()
                        .map_err(|_| format!("--port: {text:?} is no port number"))?;
                }
                "--address" => {
                    let text = value()?;
                    flags.address = Some(
                        text.parse()
                            .map_err(|_| format!("--address: {text:?} is no IP address"))?,
                    );
                }
                "--token" => {
                    let text = value()?;
                    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
                        return Err(
                            "--token must be printable ASCII without spaces, and not empty".to_owned()
                        );
                    }
                    flags.token = Some(text);
                }
                "--plain" => flags.plain = true,
                "--help" | "-h" => flags.help = true,
                other => return Err(format!("{other:?} is no flag of devserver; --help lists them")),
            }
            if matches!(name.as_str(), "--plain" | "--help") && given.is_some() {
                return Err(format!("{name} takes no value"));
            }
        }
        if flags.kubeconfig.is_none() && !flags.help {
            return Err("--kubeconfig FILE is needed: it is the way in".to_owned());
        }
        Ok(flags)
    }
}

fn main() -> ExitCode {
    let flags = match Flags::parse(std::env::args().skip(1)) {
        Ok(flags) => flags,
        Err(fault) => {
            complain(&fault);
            return ExitCode::from(2);
        }
    };
    if flags.help {
        let _ = std::io::stdout().write_all(USAGE.as_bytes());
        return ExitCode::SUCCESS;
    }
    log_to_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(serve(flags)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Warnings and errors, or what `RUST_LOG` asks for.
fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "devserver: {text}");
}

/// An error with what caused it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

async fn serve(flags: Flags) -> Result<(), Box<dyn Error>> {
    let address = SocketAddr::new(flags.address.unwrap_or(Ipv4Addr::LOCALHOST.into()), flags.port);
    let listen = if flags.plain {
        Listen::Plain(address)
    } else {
        Listen::Tls(address)
    };
    // Before the port is open, so that no signal is lost.
    let stopped = stop_signal()?;
    let mut builder = DevServer::builder().listen(listen);
    if let Some(token) = flags.token {
        builder = builder.token(token);
    }
    let server = builder.start().await?;
    let path = flags.kubeconfig.unwrap_or_default();
    write_private(&path, &server.kubeconfig())
        .map_err(|error| format!("write the kubeconfig to {}: {error}", path.display()))?;
    let mut out = std::io::stdout();
    writeln!(out, "serving on {}\nkubeconfig: {}", server.url(), path.display())?;
    out.flush()?;
    stopped.await;
    server.stop().await;
    Ok(())
}

/// Ready at SIGINT or SIGTERM; the handlers are installed at once.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ready at Ctrl-C.
#[cfg(windows)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move { drop(interrupt.recv().await) })
}

/// Writes a file that only its owner can read, also where one with other rights was there before.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, String> {
        Flags::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_in_both_spellings() {
        let flags = parse("--port 80 --kubeconfig=f --token t --plain --address ::1").expect("flags");
        let expected = Flags {
            kubeconfig: Some("f".into()),
            port: 80,
            address: Some("::1".parse().expect("an address")),
            token: Some("t".to_owned()),
            plain: true,
            help: false,
        };
        assert_eq!(flags, expected);
    }

    #[test]
    fn faults_are_sentences() {
        for (line, fault) in [
            ("", "--kubeconfig FILE is needed: it is the way in"),
            ("--port x --kubeconfig f", "--port: \"x\" is no port number"),
            ("--port", "--port needs a value"),
            ("--plain=yes --kubeconfig f", "--plain takes no value"),
            (
                "--prot 1",
                "\"--prot\" is no flag of devserver; --help lists them",
            ),
            (
                "--token= --kubeconfig f",
                "--token must be printable ASCII without spaces, and not empty",
            ),
        ] {
            assert_eq!(parse(line), Err(fault.to_owned()), "{line}");
        }
    }
}
