//! CephBlockPool and CephFilesystem of ceph.rook.io/v1 from Rust types, beside upstream's definitions.

#![allow(
    clippy::duplicated_attributes,
    reason = "columns may be alike in their type; the lint takes any attribute's parts for repetitions"
)]

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    NodeAffinity, PodAffinity, PodAntiAffinity, Probe, ResourceRequirements, Toleration,
    TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kubewright::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::golden;

/// A Ceph storage pool.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "ceph.rook.io",
    version = "v1",
    kind = "CephBlockPool",
    namespaced,
    shortname = "cephbp",
    status = "CephBlockPoolStatus",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Type", type_ = "string", json_path = ".status.info.type"),
    printcolumn(
        name = "FailureDomain",
        type_ = "string",
        json_path = ".status.info.failureDomain"
    ),
    printcolumn(
        name = "Replication",
        type_ = "integer",
        json_path = ".spec.replicated.size",
        priority = 1
    ),
    printcolumn(
        name = "EC-CodingChunks",
        type_ = "integer",
        json_path = ".spec.erasureCoded.codingChunks",
        priority = 1
    ),
    printcolumn(
        name = "EC-DataChunks",
        type_ = "integer",
        json_path = ".spec.erasureCoded.dataChunks",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct NamedBlockPoolSpec {
    pub name: Option<BlockPoolName>,
    #[serde(flatten)]
    pub pool: PoolSpec,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub enum BlockPoolName {
    #[serde(rename = ".rgw.root")]
    RgwRoot,
    #[serde(rename = ".nfs")]
    Nfs,
    #[serde(rename = ".mgr")]
    Mgr,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct PoolSpec {
    pub failure_domain: Option<String>,
    #[kube(nullable)]
    pub crush_root: Option<String>,
    #[kube(nullable)]
    pub device_class: Option<String>,
    #[kube(nullable)]
    pub enable_crush_updates: Option<bool>,
    // Upstream's own contradiction: null is never one of an enum's values.
    #[kube(nullable, allow("nullable-enum"))]
    pub compression_mode: Option<CompressionMode>,
    pub replicated: Option<Replicated>,
    pub erasure_coded: Option<ErasureCoded>,
    #[kube(nullable, preserve_unknown_fields)]
    pub parameters: Option<BTreeMap<String, String>>,
    #[serde(rename = "enableRBDStats")]
    pub enable_rbd_stats: Option<bool>,
    pub mirroring: Option<Mirroring>,
    #[kube(preserve_unknown_fields)]
    pub status_check: Option<MirrorHealthCheck>,
    #[kube(nullable)]
    pub quotas: Option<Quotas>,
    pub application: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub enum CompressionMode {
    None,
    Passive,
    Aggressive,
    Force,
    #[serde(rename = "")]
    Unset,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Replicated {
    #[kube(minimum = 0)]
    pub size: i64,
    #[kube(minimum = 0, allow_float)]
    pub target_size_ratio: Option<f64>,
    pub require_safe_replica_size: Option<bool>,
    #[kube(minimum = 1)]
    pub replicas_per_failure_domain: Option<i64>,
    pub sub_failure_domain: Option<String>,
    #[kube(nullable)]
    pub hybrid_storage: Option<HybridStorage>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct HybridStorage {
    #[kube(min_length = 1)]
    pub primary_device_class: String,
    #[kube(min_length = 1)]
    pub secondary_device_class: String,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(validation = Rule::new("has(self.crushNumFailureDomains) == has(self.crushOSDsPerFailureDomain)")
    .message("crushNumFailureDomains and crushOSDsPerFailureDomain must be specified together"))]
#[serde(rename_all = "camelCase")]
pub struct ErasureCoded {
    #[kube(minimum = 0)]
    pub coding_chunks: i64,
    #[kube(minimum = 0)]
    pub data_chunks: i64,
    pub algorithm: Option<Algorithm>,
    #[kube(enum_values("4Ki", "16Ki", "64Ki", "256Ki", "1Mi"))]
    pub stripe_unit: Option<Quantity>,
    #[kube(minimum = 1)]
    pub crush_num_failure_domains: Option<i32>,
    #[serde(rename = "crushOSDsPerFailureDomain")]
    #[kube(minimum = 1)]
    pub crush_osds_per_failure_domain: Option<i32>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub enum Algorithm {
    Isa,
    Jerasure,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Mirroring {
    pub enabled: Option<bool>,
    pub mode: Option<MirroringMode>,
    #[kube(nullable)]
    pub peers: Option<Peers>,
    pub snapshot_schedules: Option<Vec<SnapshotSchedule>>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum MirroringMode {
    Pool,
    Image,
    InitOnly,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Peers {
    pub secret_names: Option<Vec<String>>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotSchedule {
    pub path: Option<String>,
    pub interval: Option<String>,
    pub start_time: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct MirrorHealthCheck {
    #[kube(nullable)]
    pub mirror: Option<HealthCheck>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct HealthCheck {
    pub disabled: Option<bool>,
    pub interval: Option<String>,
    pub timeout: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Quotas {
    pub max_bytes: Option<i64>,
    pub max_objects: Option<i64>,
    #[kube(pattern = r"^[0-9]+[\.]?[0-9]*([KMGTPE]i|[kMGTPE])?$")]
    pub max_size: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(preserve_unknown_fields)]
#[serde(rename_all = "camelCase")]
pub struct CephBlockPoolStatus {
    pub phase: Option<String>,
    pub mirroring_status: Option<MirroringStatus>,
    pub mirroring_info: Option<MirroringInfo>,
    pub snapshot_schedule_status: Option<SnapshotScheduleStatus>,
    #[kube(nullable)]
    pub info: Option<BTreeMap<String, String>>,
    pub observed_generation: Option<i64>,
    pub conditions: Option<Vec<Condition>>,
    #[serde(rename = "poolID")]
    pub pool_id: Option<i64>,
    pub cephx: Option<PeerTokenCephx>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    pub type_: Option<String>,
    pub status: Option<String>,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub last_heartbeat_time: Option<Time>,
    pub last_transition_time: Option<Time>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct PeerTokenCephx {
    pub peer_token: Option<Cephx>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Cephx {
    pub key_generation: Option<i32>,
    pub key_ceph_version: Option<String>,
    #[kube(min_length = 3, max_length = 7)]
    pub key_type: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct MirroringStatus {
    pub summary: Option<Summary>,
    pub last_checked: Option<String>,
    pub last_changed: Option<String>,
    pub details: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Summary {
    pub health: Option<String>,
    pub daemon_health: Option<String>,
    pub image_health: Option<String>,
    #[kube(nullable)]
    pub group_health: Option<String>,
    #[kube(nullable)]
    pub states: Option<States>,
    #[kube(nullable)]
    pub image_states: Option<States>,
    #[kube(nullable)]
    pub group_states: Option<States>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct States {
    pub starting_replay: Option<i64>,
    pub replaying: Option<i64>,
    pub syncing: Option<i64>,
    pub stopping_replay: Option<i64>,
    pub stopped: Option<i64>,
    pub unknown: Option<i64>,
    pub error: Option<i64>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct MirroringInfo {
    pub mode: Option<String>,
    pub site_name: Option<String>,
    pub peers: Option<Vec<Peer>>,
    #[serde(rename = "lastChecked")]
    pub last_checked: Option<String>,
    #[serde(rename = "lastChanged")]
    pub last_changed: Option<String>,
    pub details: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Peer {
    pub uuid: Option<String>,
    pub direction: Option<String>,
    pub site_name: Option<String>,
    pub mirror_uuid: Option<String>,
    pub client_name: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotScheduleStatus {
    #[kube(nullable)]
    pub snapshot_schedules: Option<Vec<PoolSchedules>>,
    pub last_checked: Option<String>,
    pub last_changed: Option<String>,
    pub details: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct PoolSchedules {
    pub pool: Option<String>,
    pub namespace: Option<String>,
    pub image: Option<String>,
    pub items: Option<Vec<Schedule>>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Schedule {
    pub interval: Option<String>,
    pub start_time: Option<String>,
}

/// A Ceph filesystem.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "ceph.rook.io",
    version = "v1",
    kind = "CephFilesystem",
    namespaced,
    shortname = "cephfs",
    status = "CephFilesystemStatus",
    printcolumn(
        name = "ActiveMDS",
        type_ = "string",
        json_path = ".spec.metadataServer.activeCount",
        description = "Number of desired active MDS daemons"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase")
)]
#[serde(rename_all = "camelCase")]
pub struct FilesystemSpec {
    #[kube(nullable, required)]
    pub metadata_pool: Option<NamedPoolSpec>,
    #[kube(nullable, required)]
    pub data_pools: Option<Vec<NamedPoolSpec>>,
    pub preserve_pool_names: Option<bool>,
    pub preserve_pools_on_delete: Option<bool>,
    pub preserve_filesystem_on_delete: Option<bool>,
    pub metadata_server: MetadataServer,
    #[kube(nullable)]
    pub mirroring: Option<FilesystemMirroring>,
    #[kube(preserve_unknown_fields)]
    pub status_check: Option<MirrorHealthCheck>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct NamedPoolSpec {
    pub name: Option<String>,
    #[serde(flatten)]
    pub pool: PoolSpec,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct MetadataServer {
    #[kube(minimum = 1, maximum = 50)]
    pub active_count: i32,
    pub active_standby: Option<bool>,
    #[kube(nullable, preserve_unknown_fields)]
    pub placement: Option<Placement>,
    #[kube(nullable, preserve_unknown_fields)]
    pub annotations: Option<BTreeMap<String, String>>,
    #[kube(nullable, preserve_unknown_fields)]
    pub labels: Option<BTreeMap<String, String>>,
    #[kube(nullable, preserve_unknown_fields)]
    pub resources: Option<ResourceRequirements>,
    pub priority_class_name: Option<String>,
    pub liveness_probe: Option<ProbeSpec>,
    pub startup_probe: Option<ProbeSpec>,
    #[kube(minimum = 0, maximum = 1, allow_float)]
    pub cache_memory_limit_factor: Option<f64>,
    #[kube(minimum = 0, maximum = 1, allow_float)]
    pub cache_memory_request_factor: Option<f64>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    pub node_affinity: Option<NodeAffinity>,
    pub pod_affinity: Option<PodAffinity>,
    pub pod_anti_affinity: Option<PodAntiAffinity>,
    pub tolerations: Option<Vec<Toleration>>,
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct ProbeSpec {
    pub disabled: Option<bool>,
    pub probe: Option<Probe>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct FilesystemMirroring {
    pub enabled: Option<bool>,
    #[kube(nullable)]
    pub peers: Option<Peers>,
    pub snapshot_schedules: Option<Vec<SnapshotSchedule>>,
    pub snapshot_retention: Option<Vec<Retention>>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Retention {
    pub path: Option<String>,
    pub duration: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(preserve_unknown_fields)]
#[serde(rename_all = "camelCase")]
pub struct CephFilesystemStatus {
    pub phase: Option<String>,
    pub snapshot_schedule_status: Option<FilesystemScheduleStatus>,
    #[kube(nullable)]
    pub info: Option<BTreeMap<String, String>>,
    pub mirroring_status: Option<FilesystemMirroringStatus>,
    pub conditions: Option<Vec<Condition>>,
    pub observed_generation: Option<i64>,
    pub cephx: Option<DaemonCephx>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct DaemonCephx {
    pub daemon: Option<Cephx>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct FilesystemScheduleStatus {
    #[kube(nullable)]
    pub snapshot_schedules: Option<Vec<FilesystemSchedule>>,
    pub last_checked: Option<String>,
    pub last_changed: Option<String>,
    pub details: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct FilesystemSchedule {
    pub fs: Option<String>,
    pub subvol: Option<String>,
    pub path: Option<String>,
    pub rel_path: Option<String>,
    pub schedule: Option<String>,
    pub retention: Option<ScheduleRetention>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct ScheduleRetention {
    pub start: Option<String>,
    pub created: Option<String>,
    pub first: Option<String>,
    pub last: Option<String>,
    pub last_pruned: Option<String>,
    pub created_count: Option<i64>,
    pub pruned_count: Option<i64>,
    pub active: Option<bool>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct FilesystemMirroringStatus {
    #[kube(nullable)]
    pub daemons_status: Option<Vec<DaemonStatus>>,
    pub last_checked: Option<String>,
    pub last_changed: Option<String>,
    pub details: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct DaemonStatus {
    pub daemon_id: Option<i64>,
    pub filesystems: Option<Vec<MirroredFilesystem>>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct MirroredFilesystem {
    pub filesystem_id: Option<i64>,
    pub name: Option<String>,
    pub directory_count: Option<i64>,
    pub peers: Option<Vec<MirroringPeer>>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct MirroringPeer {
    pub uuid: Option<String>,
    pub remote: Option<Remote>,
    pub stats: Option<PeerStats>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Remote {
    pub client_name: Option<String>,
    pub cluster_name: Option<String>,
    pub fs_name: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct PeerStats {
    pub failure_count: Option<i64>,
    pub recovery_count: Option<i64>,
}

#[test]
fn a_block_pool_is_upstreams() {
    if let Some(theirs) = golden::upstreams("rook-cephblockpools-crd.yaml") {
        golden::same(golden::ours::<CephBlockPool>(), theirs);
    }
}

#[test]
fn a_filesystem_is_upstreams() {
    let Some(theirs) = golden::upstreams("rook-cephfilesystems-crd.yaml") else {
        return;
    };
    let mut ours = golden::ours::<CephFilesystem>();
    let server =
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/metadataServer/properties";
    // What Kubernetes added to its probes after the version that upstream is built with.
    for probe in ["livenessProbe", "startupProbe"] {
        for (action, field) in [("grpc", "mode"), ("httpGet", "protocol")] {
            let pointer = format!("{server}/{probe}/properties/probe/properties/{action}/properties");
            if let Some(Value::Object(properties)) = ours.pointer_mut(&pointer) {
                properties.remove(field);
            }
        }
    }
    golden::same(ours, theirs);
}
