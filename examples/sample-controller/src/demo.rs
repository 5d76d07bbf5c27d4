//! The embedded form: a server in this process, the sample object, and a stand-in for what a cluster would do.

use std::path::PathBuf;

use kubewright::cache::InformerFactory;
use kubewright::k8s_openapi::api::apps::v1::Deployment;
use kubewright::{AsClient, Client};
use kubewright_apiserver::{DevServer, Listen};

use super::{Failure, say};

/// The CRD, as the build script wrote it.
const CRD: &str = include_str!("../crds/foos.samplecontroller.k8s.io.yaml");
/// The sample object.
const SAMPLE: &str = include_str!("../manifests/example-foo.yaml");

/// A server that holds the CRD and the sample object, and a kubeconfig file for it.
pub(crate) struct Demo {
    pub(crate) server: DevServer,
    kubeconfig: PathBuf,
}

impl Demo {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let server = DevServer::builder()
            .listen(Listen::Tls(([127, 0, 0, 1], 0).into()))
            .start()
            .await?;
        say(format_args!("API server ready at {}", server.url()));
        server.install_crds([CRD]).await?;
        say(format_args!("installed the CRD that the build script wrote"));
        server.apply_yaml(SAMPLE).await?;
        say(format_args!("created the sample Foo default/example-foo"));

        let kubeconfig =
            std::env::temp_dir().join(format!("sample-controller-{}.kubeconfig", std::process::id()));
        write_private(&kubeconfig, &server.kubeconfig())?;
        Ok(Self { server, kubeconfig })
    }

    /// What a reader can do next.
    pub(crate) fn invite(&self) {
        let kubeconfig = self.kubeconfig.display();
        say(format_args!("up until Ctrl-C; kubeconfig: {kubeconfig}"));
        say(format_args!("try: kubectl --kubeconfig {kubeconfig} get foos -w"));
        say(format_args!(
            "and: kubectl --kubeconfig {kubeconfig} patch foo example-foo --type=merge -p '{{\"spec\":{{\"replicas\":3}}}}'"
        ));
    }

    pub(crate) async fn stop(self) {
        // The file names a server that is gone; if it cannot be removed, nothing is lost.
        let _ = std::fs::remove_file(&self.kubeconfig);
        self.server.stop().await;
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

/// Does to Deployments what a cluster would: all wanted replicas become available at once. The embedded server
/// keeps objects and runs no pods.
pub(crate) async fn make_deployments_available(factory: &InformerFactory) {
    let deployments: Client<Deployment> = Client::new(factory.client().as_client().clone());
    let mut changes = factory.informer::<Deployment>().subscribe();
    while let Some(delta) = changes.recv().await {
        let deployment = delta.object();
        let wanted = deployment.spec.replicas.unwrap_or(1);
        let available = deployment
            .status
            .as_ref()
            .and_then(|status| status.available_replicas)
            .unwrap_or(0);
        let (Some(namespace), Some(name)) = (&deployment.metadata.namespace, &deployment.metadata.name)
        else {
            continue;
        };
        if wanted == available || deployment.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let status = serde_json::json!({"status": {
            "observedGeneration": deployment.metadata.generation,
            "replicas": wanted, "readyReplicas": wanted, "updatedReplicas": wanted, "availableReplicas": wanted,
        }});
        match deployments
            .namespace(namespace)
            .status()
            .merge_patch(name, &status)
            .await
        {
            Ok(_) => say(format_args!(
                "stand-in for the cluster: {wanted} replicas of {namespace}/{name} available"
            )),
            Err(error) if error.is_not_found() => {}
            Err(error) => say(format_args!("stand-in for the cluster: {error}")),
        }
    }
}
