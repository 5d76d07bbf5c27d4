//! The built-in kinds' subresources, as facts of upstream's `pkg/registry`.

use k8s_openapi::api::{
    admissionregistration, apps, autoscaling, batch, certificates, coordination, core, discovery, events,
    networking, node, policy, rbac, scheduling, storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration;

use crate::kind::{ScaleSubresource, StatusSubresource, StrategicMerge};

/// `kind => subresources`; every kind here takes strategic merge patches.
macro_rules! kinds {
    ($($kind:ty => [$($subresource:ident)*];)*) => {
        $(
            #[diagnostic::do_not_recommend]
            impl StrategicMerge for $kind {}
            $(#[diagnostic::do_not_recommend] impl $subresource for $kind {})*
        )*
    };
}

kinds! {
    core::v1::ConfigMap => [];
    core::v1::Endpoints => [];
    core::v1::Event => [];
    core::v1::LimitRange => [];
    core::v1::Namespace => [StatusSubresource];
    core::v1::Node => [StatusSubresource];
    core::v1::PersistentVolume => [StatusSubresource];
    core::v1::PersistentVolumeClaim => [StatusSubresource];
    core::v1::Pod => [StatusSubresource];
    core::v1::PodTemplate => [];
    core::v1::ReplicationController => [StatusSubresource ScaleSubresource];
    core::v1::ResourceQuota => [StatusSubresource];
    core::v1::Secret => [];
    core::v1::Service => [StatusSubresource];
    core::v1::ServiceAccount => [];
    apps::v1::ControllerRevision => [];
    apps::v1::DaemonSet => [StatusSubresource];
    apps::v1::Deployment => [StatusSubresource ScaleSubresource];
    apps::v1::ReplicaSet => [StatusSubresource ScaleSubresource];
    apps::v1::StatefulSet => [StatusSubresource ScaleSubresource];
    batch::v1::CronJob => [StatusSubresource];
    batch::v1::Job => [StatusSubresource];
    autoscaling::v1::HorizontalPodAutoscaler => [StatusSubresource];
    autoscaling::v2::HorizontalPodAutoscaler => [StatusSubresource];
    networking::v1::Ingress => [StatusSubresource];
    networking::v1::IngressClass => [];
    networking::v1::NetworkPolicy => [];
    policy::v1::PodDisruptionBudget => [StatusSubresource];
    rbac::v1::ClusterRole => [];
    rbac::v1::ClusterRoleBinding => [];
    rbac::v1::Role => [];
    rbac::v1::RoleBinding => [];
    storage::v1::CSIDriver => [];
    storage::v1::CSINode => [];
    storage::v1::CSIStorageCapacity => [];
    storage::v1::StorageClass => [];
    storage::v1::VolumeAttachment => [StatusSubresource];
    scheduling::v1::PriorityClass => [];
    coordination::v1::Lease => [];
    discovery::v1::EndpointSlice => [];
    events::v1::Event => [];
    node::v1::RuntimeClass => [];
    certificates::v1::CertificateSigningRequest => [StatusSubresource];
    admissionregistration::v1::MutatingWebhookConfiguration => [];
    admissionregistration::v1::ValidatingWebhookConfiguration => [];
    admissionregistration::v1::ValidatingAdmissionPolicy => [StatusSubresource];
    admissionregistration::v1::ValidatingAdmissionPolicyBinding => [];
    apiextensions::v1::CustomResourceDefinition => [StatusSubresource];
    apiregistration::v1::APIService => [StatusSubresource];
}
