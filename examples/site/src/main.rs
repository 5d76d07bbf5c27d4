//! Runs the webhook: for a server in this process, or for a real cluster.

#![allow(
    clippy::print_stdout,
    reason = "telling what happens is what this program does"
)]

mod embedded;
mod story;

use std::fmt;
use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use kubewright::controller::shutdown_signal;
use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube::{self, Config};
use kubewright::webhook::{Endpoint, Installed, ServerError, Storage, Tls};
use site::api::{NAMESPACE, SERVICE};
use site::hooks;
use site::install::{self, Install, InstallError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use embedded::Embedded;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The webhook of sites: conversion between their versions, and admission.
#[derive(Parser)]
struct Args {
    /// Tell the story of a kind with three versions, on a server in this process, and end.
    #[arg(long, conflicts_with_all = ["kubeconfig", "in_cluster"])]
    once: bool,
    /// Serve the cluster that this file names, instead of a server in this process.
    #[arg(long, value_name = "FILE", conflicts_with = "in_cluster")]
    kubeconfig: Option<PathBuf>,
    /// Serve the cluster that this pod runs in.
    #[arg(long)]
    in_cluster: bool,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:9443")]
    listen: SocketAddr,
    /// The host name or address at which the cluster reaches this process, where it is no pod behind the Service.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Store sites in the newest version, if the cluster stores another one: for a release after the one that brought
    /// the version.
    #[arg(long)]
    move_storage: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&*error), "stopped");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Failure> {
    if args.once {
        let embedded = Embedded::start().await?;
        let told = story::tell(&embedded).await;
        embedded.stop().await?;
        return told;
    }
    let client = match &args.kubeconfig {
        Some(path) => {
            let kubeconfig = kube::config::Kubeconfig::read_from(path)?;
            kube::Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?)?
        }
        None if args.in_cluster => kube::Client::try_from(Config::incluster()?)?,
        None => {
            let embedded = Embedded::start().await?;
            embedded.install(install::definition()?, Storage::Keep).await?;
            embedded.invite()?;
            shutdown_signal().await;
            return embedded.stop().await;
        }
    };
    let webhook = Webhook::start(client, args.listen, args.host).await?;
    let storage = if args.move_storage {
        Storage::Move
    } else {
        Storage::Keep
    };
    let installed = webhook.install(install::definition()?, storage).await?;
    say(format_args!(
        "serving at {}; the definition is installed",
        webhook.address
    ));
    if let Some(version) = installed.pending {
        say(format_args!(
            "{version} will be stored when --move-storage says so"
        ));
    }
    shutdown_signal().await;
    webhook.stop().await
}

/// The webhook server while it runs.
struct Webhook {
    client: kube::Client,
    address: SocketAddr,
    endpoint: Endpoint,
    authority: kubewright::webhook::ManagedAuthority,
    server: kubewright::webhook::WebhookServer,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServerError>>,
}

impl Webhook {
    /// Serves, with a certificate for the Service, or for `host`.
    async fn start(client: kube::Client, listen: SocketAddr, host: Option<String>) -> Result<Self, Failure> {
        let mut authority = install::authority(&client);
        if let Some(host) = &host {
            authority = authority.host(host);
        }
        let server = hooks::server(Tls::managed(authority.clone())).listen(listen);
        let bound = server.clone().bind().await?;
        let mut address = bound.address();
        if address.ip().is_unspecified() {
            // From here it is reached at the loopback address.
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let endpoint = match host {
            Some(host) => Endpoint::url(format!("https://{host}:{}", address.port())),
            None => Endpoint::service(NAMESPACE, SERVICE),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(bound.run_until(stop.clone().cancelled_owned()));
        Ok(Self {
            client,
            address,
            endpoint,
            authority,
            server,
            stop,
            task,
        })
    }

    async fn install(
        &self,
        definition: CustomResourceDefinition,
        storage: Storage,
    ) -> Result<Installed, InstallError> {
        let install = Install {
            client: self.client.clone(),
            authority: self.authority.clone(),
            endpoint: self.endpoint.clone(),
            address: self.address,
            storage,
        };
        install.run(&self.server, definition).await
    }

    async fn stop(self) -> Result<(), Failure> {
        self.stop.cancel();
        self.task.await??;
        say(format_args!("stopped"));
        Ok(())
    }
}

fn say(line: fmt::Arguments<'_>) {
    println!("{line}");
}

/// An error and its sources in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
