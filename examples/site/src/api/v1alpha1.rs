//! The first form of a site.

use kubewright::{Convert, CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A web site: an image behind an address.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "web.example.com",
    version = "v1alpha1",
    kind = "Site",
    namespaced,
    status = "SiteStatus",
    shortname = "st",
    storage = false,
    deprecated = "web.example.com/v1alpha1 Site is deprecated; use web.example.com/v1 Site",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct SiteSpec {
    /// Host and port at which the site answers, as `blog.example.com:8080`.
    #[kube(
        printcolumn = "Address",
        max_length = 259,
        pattern = r"^[a-z0-9.-]+:[0-9]{1,5}$"
    )]
    pub address: String,
    /// Image of the server.
    #[kube(printcolumn = "Image", min_length = 1, max_length = 512)]
    pub image_name: String,
    /// How many servers run.
    #[kube(minimum = 0, maximum = 100)]
    pub replicas: Option<i32>,
    /// Seconds after which a request is given up.
    #[kube(minimum = 1, maximum = 3600)]
    pub timeout_seconds: i64,
    /// Speaks HTTP/1.0 to the servers.
    #[serde(default)]
    pub legacy_mode: bool,
    /// A word to whoever reads this.
    #[kube(max_length = 1024)]
    pub note: Option<String>,
    /// How the servers are asked whether they live.
    pub probe: Option<Probe>,
    /// Certificate of the address.
    pub tls: Option<Tls>,
    /// What stands before the servers.
    pub ingress: Option<Ingress>,
    /// Where other paths lead.
    pub redirects: Option<Redirects>,
    /// What is served.
    pub content: Option<Content>,
    /// How a new image takes the place of the old one.
    pub strategy: Strategy,
    /// Ports of the servers besides that of the address.
    #[serde(default)]
    #[kube(list_map_keys("name"), max_items = 16)]
    pub ports: Vec<Port>,
}

/// How a server is asked whether it lives.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Path of the question.
    #[kube(max_length = 256)]
    pub path: String,
    /// Seconds between two questions.
    #[kube(minimum = 1, maximum = 3600)]
    pub period_seconds: Option<i32>,
}

/// A certificate.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Lowest version of TLS that is spoken.
    #[kube(max_length = 8)]
    pub min: Option<String>,
    /// Secret with the certificate.
    #[kube(max_length = 253)]
    pub secret_name: Option<String>,
}

/// What stands before the servers.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Which ingress controller takes care.
    #[kube(max_length = 253)]
    pub class_name: Option<String>,
}

/// Redirects as a text: a line for each, `/old /new`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Redirects {
    /// The lines; what follows a `#` is a comment.
    #[kube(max_length = 4096)]
    pub text: String,
}

/// What is served.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
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
    },
}

/// How a new image takes the place of the old one.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// One server after the other.
    Rolling,
    /// All servers stop, then all start.
    Recreate,
    /// Servers change where somebody stops them.
    Manual,
}

/// A further port.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Port {
    /// Its name.
    #[kube(max_length = 15)]
    pub name: String,
    /// Its number.
    #[kube(minimum = 1, maximum = 65535)]
    pub port: i32,
}

/// What became of a site.
#[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SiteStatus {
    /// Servers that answer.
    pub ready: i32,
    /// What is in the way.
    #[kube(max_length = 1024)]
    pub message: Option<String>,
}
