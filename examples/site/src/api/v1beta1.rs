//! The second form: address, certificate and redirects in order.

use std::collections::BTreeMap;
use std::convert::Infallible;

use kubewright::convert::ManualConvert;
use kubewright::{Convert, CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::v1alpha1 as old;

/// A web site: an image behind a host and a port.
#[derive(CustomResource, Convert, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "web.example.com",
    version = "v1beta1",
    kind = "Site",
    namespaced,
    status = "SiteStatus",
    shortname = "st",
    storage = false,
    previous = old::Site,
    derive = "PartialEq"
)]
#[convert(
    from = old::SiteSpec,
    // Nobody speaks HTTP/1.0 any more; notes belong into annotations.
    old_only(legacy_mode = false, note),
    // One text was two things.
    group(old(address), new(host, port), try_up = split, down = join),
    // The certificate is the ingress's business.
    moved("tls.secret_name" => "ingress.cert_secret")
)]
#[serde(rename_all = "camelCase")]
pub struct SiteSpec {
    /// Host name at which the site answers.
    #[kube(printcolumn = "Host", max_length = 253, pattern = r"^[a-z0-9.-]+$")]
    pub host: String,
    /// Port at which the site answers.
    #[kube(minimum = 0, maximum = 65535)]
    pub port: i32,
    /// Image of the server.
    #[convert(rename = "image_name")]
    #[kube(printcolumn = "Image", min_length = 1, max_length = 512)]
    pub image: String,
    /// How many servers run.
    #[kube(minimum = 0, maximum = 100)]
    pub replicas: Option<i32>,
    /// Milliseconds after which a request is given up.
    #[convert(rename = "timeout_seconds", with(up = s_to_ms, down = ms_to_s))]
    #[kube(minimum = 1, maximum = 3_600_000)]
    pub timeout_millis: i64,
    /// How the servers are asked whether they live.
    #[convert(nested)]
    pub probe: Option<Probe>,
    /// What is spoken with clients.
    #[convert(nested)]
    pub tls: Option<Tls>,
    /// What stands before the servers.
    #[convert(nested)]
    pub ingress: Option<Ingress>,
    /// Where other paths lead.
    #[convert(nested)]
    pub redirects: Option<Redirects>,
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
    /// Volumes of the servers.
    #[convert(added)]
    #[serde(default)]
    #[kube(max_items = 16)]
    pub mounts: Vec<Mount>,
    /// Requests that a client may make, by the path that they begin with.
    #[convert(added)]
    #[serde(default)]
    #[kube(max_properties = 16)]
    pub limits: BTreeMap<String, Limit>,
    /// Memory of a server, as `256Mi` or `1Gi`.
    #[convert(added(value = "256Mi"))]
    #[kube(printcolumn = "Memory", max_length = 7, pattern = "^[1-9][0-9]{0,4}(Mi|Gi)$")]
    pub memory: String,
    /// Memory of the cache: as that of a server, or `auto`.
    #[convert(added)]
    #[kube(max_length = 16)]
    pub cache: Option<String>,
}

#[allow(clippy::needless_pass_by_value, reason = "conversion functions take values")]
fn split(address: String) -> Result<(String, i32), String> {
    let (host, port) = address.split_once(':').ok_or("there is no port")?;
    let port: u16 = port.parse().map_err(|_| format!("{port} is no port"))?;
    Ok((host.to_owned(), port.into()))
}

fn join((host, port): (String, i32)) -> String {
    format!("{host}:{port}")
}

fn s_to_ms(seconds: i64) -> i64 {
    seconds.saturating_mul(1000)
}

/// Never 0, which the older version does not take.
fn ms_to_s(millis: i64) -> i64 {
    (millis / 1000).max(1)
}

/// How a server is asked whether it lives. Nothing changed.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Probe)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Path of the question.
    #[kube(max_length = 256)]
    pub path: String,
    /// Seconds between two questions.
    #[kube(minimum = 1, maximum = 3600)]
    pub period_seconds: Option<i32>,
}

/// What is spoken with clients.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Tls, old_only(secret_name(moved)))]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Lowest version of TLS.
    #[convert(rename = "min")]
    #[kube(max_length = 8)]
    pub min_version: Option<String>,
}

/// What stands before the servers.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[convert(from = old::Ingress)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Which ingress controller takes care.
    #[kube(max_length = 253)]
    pub class_name: Option<String>,
    /// Secret with the certificate.
    #[convert(moved)]
    #[kube(max_length = 253)]
    pub cert_secret: Option<String>,
}

/// Redirects, one by one.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Redirects, manual)]
pub struct Redirects {
    /// In the order in which they are tried.
    #[kube(max_items = 64)]
    pub rules: Vec<Redirect>,
}

/// One redirect.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Redirect {
    /// The path that is asked for.
    #[kube(max_length = 256)]
    pub from: String,
    /// The path that is answered with.
    #[kube(max_length = 256)]
    pub to: String,
}

impl ManualConvert<old::Redirects> for Redirects {
    type Error = Infallible;

    fn up(old: old::Redirects) -> Result<Self, Infallible> {
        let lines = old
            .text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default());
        let rules = lines.filter_map(|line| {
            let mut words = line.split_whitespace();
            let (from, to) = (words.next()?.to_owned(), words.next()?.to_owned());
            Some(Redirect { from, to })
        });
        Ok(Self {
            rules: rules.collect(),
        })
    }

    fn down(self) -> Result<old::Redirects, Infallible> {
        let lines: Vec<String> = self
            .rules
            .iter()
            .map(|rule| format!("{} {}", rule.from, rule.to))
            .collect();
        Ok(old::Redirects {
            text: lines.join("\n"),
        })
    }
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
        #[convert(added)]
        #[kube(max_length = 256)]
        revision: Option<String>,
    },
}

/// How a new image takes the place of the old one.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[convert(from = old::Strategy, old_only(Manual(up = Rolling)))]
pub enum Strategy {
    /// One server after the other.
    Rolling,
    /// All servers stop, then all start.
    Recreate,
}

/// A further port.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::Port)]
pub struct Port {
    /// Its name.
    #[kube(max_length = 15)]
    pub name: String,
    /// Its number.
    #[kube(minimum = 1, maximum = 65535)]
    pub port: i32,
}

/// A volume.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Mount {
    /// Name of the PersistentVolumeClaim.
    #[kube(max_length = 253)]
    pub name: String,
    /// Where it is mounted.
    #[kube(max_length = 256)]
    pub path: String,
}

/// How often a client may ask.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Limit {
    /// Requests in a minute.
    #[kube(minimum = 1)]
    pub rate: i64,
}

/// What became of a site.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[convert(from = old::SiteStatus)]
#[serde(rename_all = "camelCase")]
pub struct SiteStatus {
    /// Servers that answer.
    #[convert(rename = "ready")]
    pub ready_replicas: i32,
    /// What is in the way.
    #[kube(max_length = 1024)]
    pub message: Option<String>,
}
