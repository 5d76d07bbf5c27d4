//! Configurations of types that are not derived.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};

use k8s_openapi::api::{core::v1 as core, rbac::v1 as rbac};
use k8s_openapi::apimachinery::pkg::{api::resource, apis::meta::v1 as meta, util::intstr};
use serde::Serialize;

use super::Apply;

/// Types that are set as a whole. k8s-openapi's are optional in most fields already and write only what is set.
macro_rules! whole {
    ($($ty:ty),* $(,)?) => {
        $(#[diagnostic::do_not_recommend] impl Apply for $ty { type Configuration = Self; })*
    };
}

whole! {
    bool, char, String, f32, f64,
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize,
    std::num::NonZeroU8, std::num::NonZeroU16, std::num::NonZeroU32, std::num::NonZeroU64,
    serde_json::Value, serde_json::Map<String, serde_json::Value>, serde_json::Number,
    meta::Condition, meta::LabelSelector, meta::LabelSelectorRequirement, meta::MicroTime, meta::ObjectMeta,
    meta::OwnerReference, meta::Time, resource::Quantity, intstr::IntOrString, k8s_openapi::ByteString,
    core::Affinity, core::Capabilities, core::ConfigMapEnvSource, core::ConfigMapKeySelector,
    core::ConfigMapProjection, core::ConfigMapVolumeSource, core::Container, core::ContainerPort,
    core::EmptyDirVolumeSource, core::EnvFromSource, core::EnvVar, core::EnvVarSource, core::HTTPGetAction,
    core::HostAlias, core::Lifecycle, core::LocalObjectReference, core::NodeAffinity, core::NodeSelector,
    core::NodeSelectorRequirement, core::NodeSelectorTerm, core::ObjectFieldSelector, core::ObjectReference,
    core::PersistentVolumeClaim, core::PersistentVolumeClaimSpec, core::PersistentVolumeClaimTemplate,
    core::PersistentVolumeClaimVolumeSource, core::PodAffinity, core::PodAffinityTerm, core::PodAntiAffinity,
    core::PodDNSConfig, core::PodSecurityContext, core::PodSpec, core::PodTemplateSpec,
    core::PreferredSchedulingTerm, core::Probe, core::ProjectedVolumeSource, core::ResourceClaim,
    core::ResourceRequirements, core::SeccompProfile, core::SecretEnvSource, core::SecretKeySelector,
    core::SecretProjection, core::SecretReference, core::SecretVolumeSource, core::SecurityContext,
    core::ServicePort, core::ServiceSpec, core::Toleration, core::TopologySpreadConstraint,
    core::TypedLocalObjectReference, core::Volume, core::VolumeDevice, core::VolumeMount,
    core::VolumeResourceRequirements, core::WeightedPodAffinityTerm,
    rbac::PolicyRule, rbac::RoleRef, rbac::Subject,
}

impl Apply for crate::__private0::NoStatus {
    type Configuration = Self;
}

/// The twin's field is optional itself.
impl<T: Apply> Apply for Option<T> {
    type Configuration = T::Configuration;
}

impl<T: Apply> Apply for Box<T> {
    type Configuration = Box<T::Configuration>;
}

impl<T: Apply> Apply for Vec<T> {
    type Configuration = Vec<T::Configuration>;
}

impl<T: Apply<Configuration: Ord>> Apply for BTreeSet<T> {
    type Configuration = BTreeSet<T::Configuration>;
}

impl<K: Clone + Debug + Ord + Serialize, T: Apply> Apply for BTreeMap<K, T> {
    type Configuration = BTreeMap<K, T::Configuration>;
}

impl<K, T, S> Apply for HashMap<K, T, S>
where
    K: Clone + Debug + Eq + Hash + Serialize,
    T: Apply,
    S: BuildHasher + Clone,
{
    type Configuration = HashMap<K, T::Configuration, S>;
}
