//! An API server and the webhook, both in this process, with TLS between them.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube;
use kubewright::webhook::{Installed, Storage};
use kubewright_apiserver::{DevServer, Listen};
use site::api::{NAMESPACE, SERVICE};

use super::{Failure, Webhook, say};

/// Where the webhook would be in a cluster.
const NAMESPACE_YAML: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: site-system}}";

pub(crate) struct Embedded {
    pub(crate) server: DevServer,
    webhook: Webhook,
    kubeconfig: PathBuf,
}

impl Embedded {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let server = DevServer::builder()
            .listen(Listen::Tls((Ipv4Addr::LOCALHOST, 0).into()))
            .start()
            .await?;
        server.apply_yaml(NAMESPACE_YAML).await?;
        let webhook = Webhook::start(server.client(), (Ipv4Addr::LOCALHOST, 0).into(), None).await?;
        // What a cluster's DNS and the Service do.
        server
            .hooks()
            .set_service_address(NAMESPACE, SERVICE, webhook.address);
        say(format_args!("API server at {}", server.url()));
        say(format_args!(
            "webhook at https://{}, for {SERVICE}.{NAMESPACE}.svc",
            webhook.address
        ));
        let kubeconfig = std::env::temp_dir().join(format!("site-webhook-{}.kubeconfig", std::process::id()));
        Ok(Self {
            server,
            webhook,
            kubeconfig,
        })
    }

    pub(crate) fn client(&self) -> kube::Client {
        self.server.client()
    }

    /// Installs the definition and the webhook configurations.
    pub(crate) async fn install(
        &self,
        definition: CustomResourceDefinition,
        storage: Storage,
    ) -> Result<Installed, Failure> {
        Ok(self.webhook.install(definition, storage).await?)
    }

    /// What a reader can do next.
    pub(crate) fn invite(&self) -> Result<(), Failure> {
        write_private(&self.kubeconfig, &self.server.kubeconfig())?;
        let kubeconfig = self.kubeconfig.display();
        say(format_args!("up until Ctrl-C; kubeconfig: {kubeconfig}"));
        say(format_args!(
            "try: kubectl --kubeconfig {kubeconfig} apply -f examples/site/manifests/blog.yaml"
        ));
        say(format_args!(
            "and: kubectl --kubeconfig {kubeconfig} get sites.v1alpha1.web.example.com blog -o yaml"
        ));
        Ok(())
    }

    pub(crate) async fn stop(self) -> Result<(), Failure> {
        // There is none unless somebody was invited; if it cannot be removed, nothing is lost.
        let _ = std::fs::remove_file(&self.kubeconfig);
        let stopped = self.webhook.stop().await;
        self.server.stop().await;
        stopped
    }
}

/// Readable by its owner alone: the file holds a client key with all rights.
fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
