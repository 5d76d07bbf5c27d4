//! The objects of the caches' bench: the same bytes for every peer.
//!
//! A Foo has 1.9 kB as served, of which 0.5 kB are `managedFields` and 0.65 kB the last-applied annotation; a Pod has
//! some 3 kB without that annotation, as those that controllers make.

use std::fmt::Write;

use kubewright::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A Deployment by name, and how it shall run.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "bench.kubewright.dev",
    version = "v1",
    kind = "Foo",
    namespaced,
    status = "FooStatus"
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FooSpec {
    /// Name of the Deployment.
    pub deployment_name: String,
    /// Replicas of the Deployment.
    pub replicas: i32,
    /// What runs.
    pub image: String,
    /// What it listens on.
    pub ports: Vec<FooPort>,
}

/// A port.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub(crate) struct FooPort {
    /// Its name.
    pub name: String,
    /// Its number.
    pub port: i32,
}

/// What was seen of the Deployment.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FooStatus {
    /// Available replicas.
    pub available_replicas: i32,
    /// The generation that was seen.
    pub observed_generation: i64,
}

/// Objects of one namespace.
pub(crate) const PER_NAMESPACE: usize = 1_000;
/// The label by which 100 objects, or as many as there are, are found.
pub(crate) const LABEL: &str = "bench.kubewright.dev/shard";
/// Objects that share a value of [`LABEL`].
pub(crate) const PER_SHARD: usize = 100;

/// Which kind the stand-in serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Foo,
    Pod,
}

impl Which {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "foo" => Some(Self::Foo),
            "pod" => Some(Self::Pod),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Foo => "foo",
            Self::Pod => "pod",
        }
    }

    pub(crate) fn list_kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Foo => ("bench.kubewright.dev/v1", "FooList"),
            Self::Pod => ("v1", "PodList"),
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Foo => "/apis/bench.kubewright.dev/v1/foos",
            Self::Pod => "/api/v1/pods",
        }
    }

    /// One object as JSON.
    pub(crate) fn write(self, n: usize, version: u64, out: &mut String) {
        match self {
            Self::Foo => foo(n, version, out),
            Self::Pod => pod(n, version, out),
        }
    }
}

pub(crate) fn namespace(n: usize) -> String {
    format!("team-{:04}", n / PER_NAMESPACE)
}

pub(crate) fn name(n: usize) -> String {
    format!("object-{n:07}")
}

pub(crate) fn shard(n: usize) -> String {
    format!("shard-{:05}", n / PER_SHARD)
}

// A `String` takes all that is written to it.
macro_rules! put {
    ($out:expr, $($arguments:tt)*) => { let _ = write!($out, $($arguments)*); };
}

fn foo(n: usize, version: u64, out: &mut String) {
    let (namespace, name, shard) = (namespace(n), name(n), shard(n));
    let spec = |quote: &str| {
        format!(
            "{{{quote}deploymentName{quote}:{quote}web-{n}{quote},{quote}image{quote}:{quote}registry.example.com/team/web:1.27.{}{quote},\
             {quote}ports{quote}:[{{{quote}name{quote}:{quote}http{quote},{quote}port{quote}:8080}},{{{quote}name{quote}:{quote}metrics{quote},{quote}port{quote}:9090}}],\
             {quote}replicas{quote}:{}}}",
            n % 50,
            n % 10 + 1
        )
    };
    let q = "\\\"";
    let applied = format!(
        "{{{q}apiVersion{q}:{q}bench.kubewright.dev/v1{q},{q}kind{q}:{q}Foo{q},{q}metadata{q}:{{{q}annotations{q}:{{}},{q}labels{q}:\
         {{{q}app.kubernetes.io/name{q}:{q}web{q},{q}app.kubernetes.io/part-of{q}:{q}shop{q},{q}{LABEL}{q}:{q}{shard}{q}}},\
         {q}name{q}:{q}{name}{q},{q}namespace{q}:{q}{namespace}{q}}},{q}spec{q}:{}}}\\n",
        spec(q)
    );
    put!(
        out,
        r#"{{"apiVersion":"bench.kubewright.dev/v1","kind":"Foo","metadata":{{"annotations":{{"kubectl.kubernetes.io/last-applied-configuration":"{applied}"}},"creationTimestamp":"2026-11-24T08:15:30Z","generation":1,"labels":{{"app.kubernetes.io/name":"web","app.kubernetes.io/part-of":"shop","{LABEL}":"{shard}"}},"managedFields":[{{"apiVersion":"bench.kubewright.dev/v1","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:annotations":{{".":{{}},"f:kubectl.kubernetes.io/last-applied-configuration":{{}}}},"f:labels":{{".":{{}},"f:app.kubernetes.io/name":{{}},"f:app.kubernetes.io/part-of":{{}},"f:{LABEL}":{{}}}}}},"f:spec":{{".":{{}},"f:deploymentName":{{}},"f:image":{{}},"f:ports":{{}},"f:replicas":{{}}}}}},"manager":"kubectl-client-side-apply","operation":"Update","time":"2026-11-24T08:15:30Z"}}],"name":"{name}","namespace":"{namespace}","resourceVersion":"{version}","uid":"3f0b1c52-7a64-4e0d-9c11-{n:012}"}},"spec":{},"status":{{"availableReplicas":{},"observedGeneration":1}}}}"#,
        spec("\""),
        n % 10 + 1
    );
}

fn pod(n: usize, version: u64, out: &mut String) {
    let (namespace, name, shard) = (namespace(n), name(n), shard(n));
    let (third, fourth) = (n / 250 % 250, n % 250);
    put!(
        out,
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"creationTimestamp":"2026-11-24T08:15:30Z","generateName":"web-7d9c5b6f4-","generation":1,"labels":{{"app.kubernetes.io/name":"web","app.kubernetes.io/part-of":"shop","{LABEL}":"{shard}","pod-template-hash":"7d9c5b6f4"}},"managedFields":[{{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:generateName":{{}},"f:labels":{{".":{{}},"f:app.kubernetes.io/name":{{}},"f:{LABEL}":{{}},"f:pod-template-hash":{{}}}},"f:ownerReferences":{{".":{{}},"k:{{\"uid\":\"aa\"}}":{{}}}}}},"f:spec":{{"f:containers":{{"k:{{\"name\":\"web\"}}":{{".":{{}},"f:env":{{".":{{}},"k:{{\"name\":\"LOG\"}}":{{".":{{}},"f:name":{{}},"f:value":{{}}}}}},"f:image":{{}},"f:imagePullPolicy":{{}},"f:name":{{}},"f:ports":{{".":{{}},"k:{{\"containerPort\":8080,\"protocol\":\"TCP\"}}":{{".":{{}},"f:containerPort":{{}},"f:protocol":{{}}}}}},"f:resources":{{".":{{}},"f:limits":{{".":{{}},"f:memory":{{}}}},"f:requests":{{".":{{}},"f:cpu":{{}},"f:memory":{{}}}}}}}}}},"f:dnsPolicy":{{}},"f:restartPolicy":{{}}}}}},"manager":"kube-controller-manager","operation":"Update","time":"2026-11-24T08:15:30Z"}}],"name":"{name}","namespace":"{namespace}","ownerReferences":[{{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,"kind":"ReplicaSet","name":"web-7d9c5b6f4","uid":"5d1f4c52-1111-4e0d-9c11-000000000001"}}],"resourceVersion":"{version}","uid":"3f0b1c52-7a64-4e0d-9c11-{n:012}"}},"spec":{{"containers":[{{"env":[{{"name":"LOG","value":"info"}},{{"name":"POD_IP","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"status.podIP"}}}}}}],"image":"registry.example.com/team/web:1.27.{}","imagePullPolicy":"IfNotPresent","name":"web","ports":[{{"containerPort":8080,"name":"http","protocol":"TCP"}}],"readinessProbe":{{"failureThreshold":3,"httpGet":{{"path":"/ready","port":8080,"scheme":"HTTP"}},"periodSeconds":10,"successThreshold":1,"timeoutSeconds":1}},"resources":{{"limits":{{"memory":"256Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","volumeMounts":[{{"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","name":"kube-api-access","readOnly":true}}]}}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,"nodeName":"node-{:03}","preemptionPolicy":"PreemptLowerPriority","priority":0,"restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{{}},"serviceAccount":"default","serviceAccountName":"default","terminationGracePeriodSeconds":30,"tolerations":[{{"effect":"NoExecute","key":"node.kubernetes.io/not-ready","operator":"Exists","tolerationSeconds":300}},{{"effect":"NoExecute","key":"node.kubernetes.io/unreachable","operator":"Exists","tolerationSeconds":300}}],"volumes":[{{"name":"kube-api-access","projected":{{"defaultMode":420,"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"items":[{{"key":"ca.crt","path":"ca.crt"}}],"name":"kube-root-ca.crt"}}}}]}}}}]}},"status":{{"conditions":[{{"lastTransitionTime":"2026-11-24T08:15:30Z","status":"True","type":"Ready"}},{{"lastTransitionTime":"2026-11-24T08:15:30Z","status":"True","type":"PodScheduled"}}],"containerStatuses":[{{"containerID":"containerd://{n:064x}","image":"registry.example.com/team/web:1.27","imageID":"registry.example.com/team/web@sha256:{n:064x}","lastState":{{}},"name":"web","ready":true,"restartCount":0,"started":true,"state":{{"running":{{"startedAt":"2026-11-24T08:15:31Z"}}}}}}],"hostIP":"10.0.0.{}","phase":"Running","podIP":"10.1.{third}.{fourth}","podIPs":[{{"ip":"10.1.{third}.{fourth}"}}],"qosClass":"Burstable","startTime":"2026-11-24T08:15:30Z"}}}}"#,
        n % 50,
        n % 200,
        n % 200
    );
}
