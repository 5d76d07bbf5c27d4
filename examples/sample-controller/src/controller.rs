//! A Foo drives a Deployment: it exists, has the replicas that the Foo asks for, and its availability stands in
//! the Foo's status.
//!
//! **Invariant:** a reconciliation reads caches and writes only what differs, so it may run at any time, again and again,
//! and be killed between any two of its writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubewright::cache::InformerFactory;
use kubewright::client::ClientError;
use kubewright::controller::{Action, Context, Controller, Reconciler};
use kubewright::events::EventRecorder;
use kubewright::k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use kubewright::k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use kubewright::k8s_openapi::api::events::v1::Event;
use kubewright::k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kubewright::kind::ObjectKey;
use kubewright::owner::{self, OwnerError};
use kubewright::queue::{RateLimit, TokenBucket};
use kubewright::rbac::Rules;
use kubewright::{Client, Clientset, rbac};

use crate::api::{Foo, FooStatus};

/// Name of the controller in events, and of its field manager.
pub const AGENT: &str = "sample-controller";
/// What the controller was about when it recorded an event.
const ACTION: &str = "Sync";

/// 5 ms doubling to 1000 s for each Foo, and 50 retries a second for all of them after the first 300.
pub fn rate_limit() -> RateLimit {
    RateLimit {
        overall: Some(TokenBucket {
            per_second: 50.0,
            burst: 300,
        }),
        ..RateLimit::default()
    }
}

/// What the controller talks to.
#[derive(Clientset, Clone)]
pub struct Clients {
    foos: Client<Foo>,
    deployments: Client<Deployment>,
}

/// Why a Foo is tried again.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A Deployment of the wanted name belongs to somebody else.
    #[error("Resource {name:?} already exists and is not managed by Foo")]
    NotOurs {
        /// Name of the Deployment.
        name: String,
    },
    /// The Foo cannot own anything yet.
    #[error("own a Deployment")]
    Owner(#[from] OwnerError),
    /// The server refused a write.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// How a Foo's status is written, which its CRD decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusDoor {
    /// Through the status subresource.
    #[default]
    Subresource,
    /// With the rest of the object: the CRD has no status subresource.
    Main,
}

/// The controller, with all that the program says of it.
pub fn controller(
    factory: &InformerFactory,
    clients: &Clients,
    recorder: &EventRecorder,
) -> Controller<FooReconciler> {
    Controller::new(factory, FooReconciler::new(clients))
        .name(AGENT)
        .owns::<Deployment>()
        .workers(2)
        .rate_limit(rate_limit())
        .recorder(recorder.clone())
}

/// All that the program does on a server: the controller, and the caches of what it prints.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn rules(clients: &Clients) -> Rules {
    let factory = InformerFactory::new(clients);
    let recorder = EventRecorder::new(clients, AGENT);
    let controller = controller(&factory, clients, &recorder);
    factory.informer::<Event>();
    controller.rules().with(&factory.rules())
}

/// Syncs Foos.
pub struct FooReconciler {
    clients: Clients,
    door: StatusDoor,
}

impl FooReconciler {
    /// One that writes through `clients`.
    pub fn new(clients: &Clients) -> Self {
        Self {
            clients: Clients {
                foos: clients.foos().clone().field_manager(AGENT),
                deployments: clients.deployments().clone().field_manager(AGENT),
            },
            door: StatusDoor::default(),
        }
    }

    /// Writes statuses through another door than the subresource.
    #[must_use]
    pub fn status_through(mut self, door: StatusDoor) -> Self {
        self.door = door;
        self
    }
}

// What a Foo without a status subresource would need in place of the first, `Foo: update`, is not asked for.
#[rbac(status(Foo): update; Deployment: create, patch)]
impl Reconciler for FooReconciler {
    type Object = Foo;
    type Error = SyncError;

    async fn reconcile(&self, key: &ObjectKey, cx: &Context<Foo>) -> Result<Action, SyncError> {
        let Some(foo) = cx.lister().get(key) else {
            tracing::info!("the Foo is gone");
            return Ok(Action::done());
        };
        let Some(name) = foo
            .spec
            .deployment_name
            .as_deref()
            .filter(|name| !name.is_empty())
        else {
            // Trying again would not help; the next change of the Foo brings its key back.
            tracing::error!("spec.deploymentName is missing");
            return Ok(Action::done());
        };
        let namespace = key.namespace.as_deref().unwrap_or_default();
        let deployments = self.clients.deployments().namespace(namespace);

        let found = cx
            .lister_of::<Deployment>()
            .get(&ObjectKey::namespaced(namespace, name));
        let created = found.is_none();
        let deployment = match found {
            Some(found) => found,
            None => Arc::new(deployments.create(&deployment_for(&foo, name)?).await?),
        };
        if !owner::is_controlled_by(&*deployment, &*foo) {
            let error = SyncError::NotOurs {
                name: name.to_owned(),
            };
            cx.recorder()
                .warning(&*foo, "ErrResourceExists", ACTION, error.to_string());
            return Err(error);
        }

        let has = deployment.spec.replicas.unwrap_or(1);
        let scale_to = foo.spec.replicas.filter(|wanted| *wanted != has);
        if let Some(replicas) = scale_to {
            // Only the replicas: whatever else somebody changed on the Deployment stays. The UID is a precondition:
            // meanwhile the name may have gone to a Deployment of somebody else.
            let patch = serde_json::json!({
                "metadata": {"uid": deployment.metadata.uid},
                "spec": {"replicas": replicas},
            });
            deployments.merge_patch(name, &patch).await?;
        }
        let reported = self.report(&foo, namespace, &deployment).await?;
        if created || scale_to.is_some() || reported {
            cx.recorder()
                .normal(&*foo, "Synced", ACTION, "Foo synced successfully");
        }
        Ok(Action::done())
    }
}

impl FooReconciler {
    /// Copies the Deployment's availability to the Foo's status; whether that was a change.
    async fn report(&self, foo: &Foo, namespace: &str, deployment: &Deployment) -> Result<bool, SyncError> {
        let available = deployment
            .status
            .as_ref()
            .and_then(|status| status.available_replicas)
            .unwrap_or(0);
        if foo.status.as_ref().and_then(|status| status.available_replicas) == Some(available) {
            return Ok(false);
        }
        let mut updated = foo.clone();
        updated.status = Some(FooStatus {
            available_replicas: Some(available),
        });
        let foos = self.clients.foos().namespace(namespace);
        match self.door {
            StatusDoor::Subresource => foos.status().update(&updated).await?,
            StatusDoor::Main => foos.update(&updated).await?,
        };
        Ok(true)
    }
}

/// The Deployment that a Foo asks for.
fn deployment_for(foo: &Foo, name: &str) -> Result<Deployment, OwnerError> {
    let labels = BTreeMap::from([
        ("app".to_owned(), "nginx".to_owned()),
        (
            "controller".to_owned(),
            foo.metadata.name.clone().unwrap_or_default(),
        ),
    ]);
    let container = Container {
        name: "nginx".to_owned(),
        image: Some("nginx:latest".to_owned()),
        ..Container::default()
    };
    Ok(Deployment {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: foo.metadata.namespace.clone(),
            owner_references: Some(vec![owner::controller_reference(foo)?]),
            ..ObjectMeta::default()
        },
        spec: DeploymentSpec {
            replicas: foo.spec.replicas,
            selector: LabelSelector {
                match_labels: Some(labels.clone()),
                ..LabelSelector::default()
            },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(PodSpec {
                    containers: vec![container],
                    ..PodSpec::default()
                }),
            },
            ..DeploymentSpec::default()
        },
        status: None,
    })
}
