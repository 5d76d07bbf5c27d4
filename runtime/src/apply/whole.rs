//! k8s-openapi's types, each its own configuration.
//!
//! They are optional in most fields and write only what is set. The list is of all types in the groups that specs are
//! made of, as far as every Kubernetes version that k8s-openapi offers has them. No general impl can stand for it:
//! what the types have in common, `DeepMerge`, lists and maps have too.

use k8s_openapi::api::{
    admissionregistration, apps, autoscaling, batch, certificates, coordination, core, discovery, events,
    networking, node, policy, rbac, scheduling, storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration;

use super::types::whole;

/// `group::version => [types];`
macro_rules! modules {
    ($($group:ident::$version:ident => [$($name:ident)*];)*) => {
        $(whole! { $($group::$version::$name,)* })*
    };
}

whole! { Quantity, IntOrString, k8s_openapi::ByteString }

modules! {
    admissionregistration::v1 => [
        AuditAnnotation ExpressionWarning MatchCondition MatchResources MutatingWebhook
        MutatingWebhookConfiguration NamedRuleWithOperations ParamKind ParamRef RuleWithOperations
        ServiceReference TypeChecking ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
        ValidatingAdmissionPolicyBindingSpec ValidatingAdmissionPolicySpec ValidatingAdmissionPolicyStatus
        ValidatingWebhook ValidatingWebhookConfiguration Validation Variable WebhookClientConfig
    ];
    apps::v1 => [
        ControllerRevision DaemonSet DaemonSetCondition DaemonSetSpec DaemonSetStatus
        DaemonSetUpdateStrategy Deployment DeploymentCondition DeploymentSpec DeploymentStatus
        DeploymentStrategy ReplicaSet ReplicaSetCondition ReplicaSetSpec ReplicaSetStatus
        RollingUpdateDaemonSet RollingUpdateDeployment RollingUpdateStatefulSetStrategy StatefulSet
        StatefulSetCondition StatefulSetOrdinals StatefulSetPersistentVolumeClaimRetentionPolicy
        StatefulSetSpec StatefulSetStatus StatefulSetUpdateStrategy
    ];
    autoscaling::v1 => [
        CrossVersionObjectReference HorizontalPodAutoscaler HorizontalPodAutoscalerSpec
        HorizontalPodAutoscalerStatus Scale ScaleSpec ScaleStatus
    ];
    autoscaling::v2 => [
        ContainerResourceMetricSource ContainerResourceMetricStatus CrossVersionObjectReference
        ExternalMetricSource ExternalMetricStatus HPAScalingPolicy HPAScalingRules HorizontalPodAutoscaler
        HorizontalPodAutoscalerBehavior HorizontalPodAutoscalerCondition HorizontalPodAutoscalerSpec
        HorizontalPodAutoscalerStatus MetricIdentifier MetricSpec MetricStatus MetricTarget
        MetricValueStatus ObjectMetricSource ObjectMetricStatus PodsMetricSource PodsMetricStatus
        ResourceMetricSource ResourceMetricStatus
    ];
    batch::v1 => [
        CronJob CronJobSpec CronJobStatus Job JobCondition JobSpec JobStatus JobTemplateSpec
        PodFailurePolicy PodFailurePolicyOnExitCodesRequirement PodFailurePolicyOnPodConditionsPattern
        PodFailurePolicyRule SuccessPolicy SuccessPolicyRule UncountedTerminatedPods
    ];
    certificates::v1 => [
        CertificateSigningRequest CertificateSigningRequestCondition CertificateSigningRequestSpec
        CertificateSigningRequestStatus
    ];
    coordination::v1 => [
        Lease LeaseSpec
    ];
    core::v1 => [
        AWSElasticBlockStoreVolumeSource Affinity AppArmorProfile AttachedVolume AzureDiskVolumeSource
        AzureFilePersistentVolumeSource AzureFileVolumeSource Binding CSIPersistentVolumeSource
        CSIVolumeSource Capabilities CephFSPersistentVolumeSource CephFSVolumeSource
        CinderPersistentVolumeSource CinderVolumeSource ClientIPConfig ClusterTrustBundleProjection
        ComponentCondition ComponentStatus ConfigMap ConfigMapEnvSource ConfigMapKeySelector
        ConfigMapNodeConfigSource ConfigMapProjection ConfigMapVolumeSource Container ContainerImage
        ContainerPort ContainerResizePolicy ContainerState ContainerStateRunning ContainerStateTerminated
        ContainerStateWaiting ContainerStatus ContainerUser DaemonEndpoint DownwardAPIProjection
        DownwardAPIVolumeFile DownwardAPIVolumeSource EmptyDirVolumeSource EndpointAddress EndpointPort
        EndpointSubset Endpoints EnvFromSource EnvVar EnvVarSource EphemeralContainer EphemeralVolumeSource
        Event EventSeries EventSource ExecAction FCVolumeSource FlexPersistentVolumeSource FlexVolumeSource
        FlockerVolumeSource GCEPersistentDiskVolumeSource GRPCAction GitRepoVolumeSource
        GlusterfsPersistentVolumeSource GlusterfsVolumeSource HTTPGetAction HTTPHeader HostAlias HostIP
        HostPathVolumeSource ISCSIPersistentVolumeSource ISCSIVolumeSource ImageVolumeSource KeyToPath
        Lifecycle LifecycleHandler LimitRange LimitRangeItem LimitRangeSpec LinuxContainerUser
        LoadBalancerIngress LoadBalancerStatus LocalObjectReference LocalVolumeSource ModifyVolumeStatus
        NFSVolumeSource Namespace NamespaceCondition NamespaceSpec NamespaceStatus Node NodeAddress
        NodeAffinity NodeCondition NodeConfigSource NodeConfigStatus NodeDaemonEndpoints NodeFeatures
        NodeRuntimeHandler NodeRuntimeHandlerFeatures NodeSelector NodeSelectorRequirement NodeSelectorTerm
        NodeSpec NodeStatus NodeSwapStatus NodeSystemInfo ObjectFieldSelector ObjectReference
        PersistentVolume PersistentVolumeClaim PersistentVolumeClaimCondition PersistentVolumeClaimSpec
        PersistentVolumeClaimStatus PersistentVolumeClaimTemplate PersistentVolumeClaimVolumeSource
        PersistentVolumeSpec PersistentVolumeStatus PhotonPersistentDiskVolumeSource Pod PodAffinity
        PodAffinityTerm PodAntiAffinity PodCondition PodDNSConfig PodDNSConfigOption PodIP PodOS
        PodReadinessGate PodResourceClaim PodResourceClaimStatus PodSchedulingGate PodSecurityContext
        PodSpec PodStatus PodTemplate PodTemplateSpec PortStatus PortworxVolumeSource
        PreferredSchedulingTerm Probe ProjectedVolumeSource QuobyteVolumeSource RBDPersistentVolumeSource
        RBDVolumeSource ReplicationController ReplicationControllerCondition ReplicationControllerSpec
        ReplicationControllerStatus ResourceClaim ResourceFieldSelector ResourceHealth ResourceQuota
        ResourceQuotaSpec ResourceQuotaStatus ResourceRequirements ResourceStatus SELinuxOptions
        ScaleIOPersistentVolumeSource ScaleIOVolumeSource ScopeSelector ScopedResourceSelectorRequirement
        SeccompProfile Secret SecretEnvSource SecretKeySelector SecretProjection SecretReference
        SecretVolumeSource SecurityContext Service ServiceAccount ServiceAccountTokenProjection ServicePort
        ServiceSpec ServiceStatus SessionAffinityConfig SleepAction StorageOSPersistentVolumeSource
        StorageOSVolumeSource Sysctl TCPSocketAction Taint Toleration TopologySelectorLabelRequirement
        TopologySelectorTerm TopologySpreadConstraint TypedLocalObjectReference TypedObjectReference Volume
        VolumeDevice VolumeMount VolumeMountStatus VolumeNodeAffinity VolumeProjection
        VolumeResourceRequirements VsphereVirtualDiskVolumeSource WeightedPodAffinityTerm
        WindowsSecurityContextOptions
    ];
    discovery::v1 => [
        Endpoint EndpointConditions EndpointHints EndpointPort EndpointSlice ForNode ForZone
    ];
    events::v1 => [
        Event EventSeries
    ];
    networking::v1 => [
        HTTPIngressPath HTTPIngressRuleValue IPAddress IPAddressSpec IPBlock Ingress IngressBackend
        IngressClass IngressClassParametersReference IngressClassSpec IngressLoadBalancerIngress
        IngressLoadBalancerStatus IngressPortStatus IngressRule IngressServiceBackend IngressSpec
        IngressStatus IngressTLS NetworkPolicy NetworkPolicyEgressRule NetworkPolicyIngressRule
        NetworkPolicyPeer NetworkPolicyPort NetworkPolicySpec ParentReference ServiceBackendPort ServiceCIDR
        ServiceCIDRSpec ServiceCIDRStatus
    ];
    node::v1 => [
        Overhead RuntimeClass Scheduling
    ];
    policy::v1 => [
        Eviction PodDisruptionBudget PodDisruptionBudgetSpec PodDisruptionBudgetStatus
    ];
    rbac::v1 => [
        AggregationRule ClusterRole ClusterRoleBinding PolicyRule Role RoleBinding RoleRef Subject
    ];
    scheduling::v1 => [
        PriorityClass
    ];
    storage::v1 => [
        CSIDriver CSIDriverSpec CSINode CSINodeDriver CSINodeSpec CSIStorageCapacity StorageClass
        TokenRequest VolumeAttachment VolumeAttachmentSource VolumeAttachmentSpec VolumeAttachmentStatus
        VolumeError VolumeNodeResources
    ];
    apiextensions::v1 => [
        CustomResourceColumnDefinition CustomResourceConversion CustomResourceDefinition
        CustomResourceDefinitionCondition CustomResourceDefinitionNames CustomResourceDefinitionSpec
        CustomResourceDefinitionStatus CustomResourceDefinitionVersion CustomResourceSubresourceScale
        CustomResourceSubresourceStatus CustomResourceSubresources CustomResourceValidation
        ExternalDocumentation JSON JSONSchemaProps JSONSchemaPropsOrArray JSONSchemaPropsOrBool
        JSONSchemaPropsOrStringArray SelectableField ServiceReference ValidationRule WebhookClientConfig
        WebhookConversion
    ];
    apiregistration::v1 => [
        APIService APIServiceCondition APIServiceSpec APIServiceStatus ServiceReference
    ];
    meta::v1 => [
        APIGroup APIGroupList APIResource APIResourceList APIVersions Condition DeleteOptions
        FieldSelectorRequirement FieldsV1 GroupVersionForDiscovery LabelSelector LabelSelectorRequirement
        ListMeta ManagedFieldsEntry MicroTime ObjectMeta OwnerReference Preconditions
        ServerAddressByClientCIDR Status StatusCause StatusDetails Time
    ];
}
