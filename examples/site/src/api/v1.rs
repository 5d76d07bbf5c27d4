//! The form that is stored: canaries, ports by name, memory as a number.

use std::collections::BTreeMap;

use kubewright::{Convert, CustomResource, Defaults, KubeSchema};
use serde::{Deserialize, Serialize};

use super::v1beta1 as old;

/// A web site: an image behind a host and a port.
#[derive(CustomResource, Convert, KubeSchema, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "web.example.com",
    version = "v1",
    kind = "Site",
    namespaced,
    status = "SiteStatus",
    shortname = "st",
    storage,
    previous = old::Site,
    derive = "PartialEq",
    printcolumn(name = "Ready", type_ = "integer", json_path = ".status.readyReplicas")
)]
#[convert(from = old::SiteSpec)]
#[defaults(with = default_class)]
#[serde(rename_all = "camelCase")]
pub struct SiteSpec {
    /// Host name at which the site answers.
    #[kube(printcolumn = "Host", max_length = 253, pattern = r"^[a-z0-9.-]+$")]
    pub host: String,
    /// Port at which the site answers.
    #[kube(minimum = 0, maximum = 65535)]
    pub port: i32,
    /// Image of the server.
    #[kube(printcolumn = "Image", min_length = 1, max_length = 512)]
    pub image: String,
    /// How many servers run.
    #[kube(minimum = 0, maximum = 100, default = 1)]
    pub replicas: Option<i32>,
    /// Milliseconds after which a request is given up.
    #[kube(minimum = 1, maximum = 3_600_000)]
    pub timeout_millis: i64,
    /// How often a request is tried again. Older sites keep what they had, once.
    #[convert(added(value = 1))]
    #[kube(minimum = 0, maximum = 10, default = 3)]
    pub retries: i32,
    /// Who is called at night.
    #[convert(added(with = guess_tier))]
    #[kube(printcolumn = "Tier")]
    pub tier: Tier,
    /// Class of the machines that servers run on; absent: any.
    #[convert(added)]
    #[kube(max_length = 63)]
    pub class: Option<String>,
    /// How the servers are asked whether they live.
    #[convert(nested)]
    pub probe: Option<Probe>,
    /// What is spoken with clients.
    #[convert(nested)]
    pub tls: Option<Tls>,
    /// What stands before the servers.
    #[convert(nested)]
    pub ingress: Option<Ingress>,
    /// Where other paths lead. The type is that of v1beta1.
    pub redirects: Option<old::Redirects>,
    /// What is served.
    #[convert(nested)]
    pub content: Option<Content>,
    /// How a new image takes the place of the old one.
    #[convert(nested)]
    pub strategy: Strategy,
    /// Ports of the servers besides that of the address.
    #[convert(nested)]
    #[serde(default)]
    #[kube(list_map_keys("name"), max_items = 16)]
    pub ports: Vec<Port>,
    /// Volumes of the servers. No list by key for the server, since a claim may be mounted twice.
    #[convert(nested(key = "name"))]
    #[serde(default)]
    #[kube(max_items = 16)]
    pub mounts: Vec<Mount>,
    /// Requests that a client may make, by the path that they begin with.
    #[convert(nested)]
    #[serde(default)]
    #[kube(max_properties = 16)]
    pub limits: BTreeMap<String, Limit>,
    /// MiB of memory of a server.
    #[convert(rename = "memory", with(try_up = parse_mib, down = fmt_mib))]
    #[kube(minimum = 1, maximum = 102_398_976)]
    pub memory_mib: i64,
    /// MiB of memory of the cache.
    #[convert(rename = "cache", with(try_up = parse_mib, down = fmt_mib, or = 256))]
    #[kube(minimum = 1, maximum = 102_398_976)]
    pub cache_mib: Option<i64>,
}

/// Servers of one class are enough for sites that nobody is called for.
fn default_class(spec: &mut SiteSpec) {
    if spec.tier == Tier::Bronze {
        spec.class.get_or_insert_with(|| "spot".to_owned());
    }
}

fn guess_tier(old: &old::SiteSpec) -> Tier {
    match old.replicas {
        Some(3..) => Tier::Gold,
        _ => Tier::Silver,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "conversion functions take values")]
fn parse_mib(text: String) -> Result<i64, String> {
    let read = |unit: &str, mib: i64| {
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(mib).filter(|number| *number > 0)
    };
    let mib = read("Mi", 1).or_else(|| read("Gi", 1024));
    mib.ok_or_else(|| format!("{text} is no memory, as 256Mi or 1Gi"))
}

/// In the larger unit where the older version's five digits are not enough.
fn fmt_mib(mib: i64) -> String {
    if mib > 99_999 {
        format!("{}Gi", mib / 1024)
    } else {
        format!("{mib}Mi")
    }
}

/// Who is called at night.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub enum Tier {
    /// The team that owns the site.
    Gold,
    /// Whoever is on duty.
    Silver,
    /// Nobody.
    Bronze,
}

/// How a server is asked whether it lives.
#[derive(KubeSchema, Convert, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Probe)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Path of the question.
    #[kube(max_length = 256)]
    pub path: String,
    /// Seconds between two questions.
    #[kube(minimum = 1, maximum = 3600, default = 10)]
    pub period_seconds: Option<i32>,
}

/// What is spoken with clients.
#[derive(KubeSchema, Convert, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Tls)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Lowest version of TLS.
    #[kube(max_length = 8)]
    pub min_version: Option<String>,
    /// HTTP/2 is offered. Filled in by the webhook alone, for sites that are written at this version.
    #[convert(added)]
    #[kube(default_with = offered)]
    pub http2: Option<bool>,
}

fn offered() -> bool {
    true
}

/// What stands before the servers.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Ingress)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Which ingress controller takes care.
    #[kube(max_length = 253)]
    pub class_name: Option<String>,
    /// Secret with the certificate.
    #[kube(max_length = 253)]
    pub cert_secret: Option<String>,
}

/// What is served.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Content)]
#[serde(tag = "type")]
pub enum Content {
    /// Files that the image brings.
    Image {
        /// Where they are in the image.
        #[kube(max_length = 256)]
        directory: String,
    },
    /// A repository that is cloned at the start.
    Git {
        /// Where it is.
        #[kube(max_length = 512)]
        url: String,
        /// Branch or tag; absent: what the repository says.
        #[kube(max_length = 256)]
        revision: Option<String>,
    },
    /// An artifact of a registry. Older clients see the repository that it was built from.
    #[convert(added(down_with = source_of))]
    Artifact {
        /// What it is called.
        #[kube(max_length = 512)]
        reference: String,
        /// Repository that it was built from.
        #[kube(max_length = 512)]
        source: String,
    },
    /// Nothing but an upstream. Older clients would serve something else, so they are told that they can't see the site.
    #[convert(added(refuse))]
    Proxy {
        /// Where requests go.
        #[kube(max_length = 512)]
        upstream: String,
    },
}

fn source_of(content: &Content) -> old::Content {
    match content {
        Content::Artifact { source: url, .. } | Content::Git { url, .. } => old::Content::Git {
            url: url.clone(),
            revision: None,
        },
        Content::Image { directory } => old::Content::Image {
            directory: directory.clone(),
        },
        Content::Proxy { upstream } => old::Content::Image {
            directory: upstream.clone(),
        },
    }
}

/// How a new image takes the place of the old one.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[convert(from = old::Strategy)]
pub enum Strategy {
    /// One server after the other.
    Rolling,
    /// All servers stop, then all start.
    Recreate,
    /// One server for an hour, then the others.
    #[convert(added(down = Rolling))]
    Canary,
}

/// A further port.
#[derive(KubeSchema, Convert, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Port)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Its name.
    #[kube(max_length = 15)]
    pub name: String,
    /// Its number.
    #[convert(rename = "port")]
    #[kube(minimum = 1, maximum = 65535)]
    pub number: i32,
    /// What is spoken there.
    #[convert(added)]
    #[kube(max_length = 63, default = "http")]
    pub app_protocol: Option<String>,
}

/// A volume.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Mount)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Name of the PersistentVolumeClaim.
    #[kube(max_length = 253)]
    pub name: String,
    /// Where it is mounted.
    #[kube(max_length = 256)]
    pub path: String,
    /// Nobody writes there.
    #[convert(added)]
    pub read_only: Option<bool>,
}

/// How often a client may ask.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Limit)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// Requests in a minute.
    #[convert(rename = "rate")]
    #[kube(minimum = 1)]
    pub requests_per_minute: i64,
    /// Requests at once.
    #[convert(added)]
    #[kube(minimum = 1)]
    pub burst: Option<i64>,
}

/// What became of a site.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::SiteStatus, old_only(message))]
#[serde(rename_all = "camelCase")]
pub struct SiteStatus {
    /// Servers that answer.
    pub ready_replicas: i32,
    /// Generation of the site that was looked at.
    #[convert(added)]
    pub observed_generation: Option<i64>,
    /// What can be said of the site.
    #[convert(added)]
    #[serde(default)]
    #[kube(list_map_keys("type"), max_items = 8)]
    pub conditions: Vec<Condition>,
}

/// Something that can be said of a site.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    #[kube(max_length = 63)]
    pub type_: String,
    /// Whether it holds.
    #[kube(enum_values("True", "False", "Unknown"))]
    pub status: String,
    /// Why, for people.
    #[kube(max_length = 1024)]
    pub message: Option<String>,
}
