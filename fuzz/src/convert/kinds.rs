//! A kind of two versions with most of what a table can say.

#![allow(clippy::needless_pass_by_value, reason = "conversion functions take values")]

use std::collections::BTreeMap;

use kubewright::{Convert, CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) mod v1alpha1 {
    use super::*;

    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(group = "web.example.com", version = "v1alpha1", kind = "Site", namespaced)]
    #[serde(rename_all = "camelCase")]
    pub struct SiteSpec {
        pub image_name: String,
        pub note: Option<String>,
        pub address: String,
        pub timeout_seconds: i32,
        pub strategy: Strategy,
        #[serde(default)]
        #[kube(list_type = "map", list_map_keys("name"))]
        pub ports: Vec<Port>,
        #[serde(default)]
        pub limits: BTreeMap<String, Limit>,
        pub tls: Option<Tls>,
        pub ingress: Option<Ingress>,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    pub enum Strategy {
        Rolling,
        Recreate,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug, Default)]
    pub struct Ingress {
        pub host: Option<String>,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    pub struct Port {
        pub name: String,
        pub port: u16,
        pub comment: Option<String>,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    pub struct Limit {
        pub percent: i32,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug, Default)]
    #[serde(rename_all = "camelCase")]
    pub struct Tls {
        pub min_version: Option<String>,
        pub secret_name: Option<String>,
    }

    pub(crate) fn object() -> Value {
        json!({
            "apiVersion": "web.example.com/v1alpha1", "kind": "Site",
            "metadata": { "name": "blog", "namespace": "default" },
            "spec": {
                "imageName": "nginx", "note": "n", "address": "h:80", "timeoutSeconds": 2, "strategy": "Recreate",
                "ports": [{ "name": "a", "port": 1, "comment": "c" }, { "name": "b", "port": 2 }],
                "limits": { "cpu": { "percent": 5 } },
                "tls": { "minVersion": "1.2", "secretName": "s" },
            },
        })
    }
}

pub(super) mod v1 {
    use super::v1alpha1 as old;
    use super::*;

    #[derive(CustomResource, Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(group = "web.example.com", version = "v1", kind = "Site", namespaced, storage, previous = old::Site)]
    #[convert(
        from = old::SiteSpec,
        old_only(note),
        group(old(address), new(host, port), up = split, down = join),
        moved("tls.secret_name" => "ingress.cert_secret")
    )]
    #[serde(rename_all = "camelCase")]
    pub struct SiteSpec {
        #[convert(rename = "image_name")]
        pub image: String,
        #[convert(added)]
        pub class: Option<String>,
        #[convert(added(value = 1))]
        pub retries: i32,
        pub host: String,
        pub port: u16,
        #[convert(rename = "timeout_seconds", with(up = s_to_ms, down = ms_to_s))]
        pub timeout_millis: i64,
        #[convert(nested)]
        pub strategy: Strategy,
        #[serde(default)]
        #[convert(nested)]
        #[kube(list_type = "map", list_map_keys("name"))]
        pub ports: Vec<Port>,
        #[serde(default)]
        #[convert(nested)]
        pub limits: BTreeMap<String, Limit>,
        #[convert(nested)]
        pub tls: Option<Tls>,
        #[convert(nested)]
        pub ingress: Option<Ingress>,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[convert(from = old::Strategy)]
    pub enum Strategy {
        Rolling,
        Recreate,
        #[convert(added(down = Rolling))]
        Canary,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[convert(from = old::Port, old_only(comment))]
    #[serde(rename_all = "camelCase")]
    pub struct Port {
        pub name: String,
        #[convert(rename = "port")]
        pub number: u16,
        #[convert(added)]
        pub app_protocol: Option<String>,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[convert(from = old::Limit)]
    pub struct Limit {
        #[convert(rename = "percent", with(up = up, down = down))]
        pub permille: i64,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug, Default)]
    #[convert(from = old::Tls, old_only(secret_name(moved)))]
    #[serde(rename_all = "camelCase")]
    pub struct Tls {
        pub min_version: Option<String>,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug, Default)]
    #[convert(from = old::Ingress)]
    #[serde(rename_all = "camelCase")]
    pub struct Ingress {
        pub host: Option<String>,
        #[convert(moved)]
        pub cert_secret: Option<String>,
    }

    fn split(address: String) -> (String, u16) {
        match address.split_once(':') {
            Some((host, port)) => (host.to_owned(), port.parse().unwrap_or(0)),
            None => (address, 0),
        }
    }

    fn join((host, port): (String, u16)) -> String {
        format!("{host}:{port}")
    }

    fn s_to_ms(seconds: i32) -> i64 {
        i64::from(seconds) * 1000
    }

    fn ms_to_s(millis: i64) -> i32 {
        i32::try_from(millis / 1000).unwrap_or(i32::MAX)
    }

    fn up(percent: i32) -> i64 {
        i64::from(percent) * 10
    }

    fn down(permille: i64) -> i32 {
        i32::try_from(permille / 10).unwrap_or(i32::MAX)
    }

    pub(crate) fn object() -> Value {
        json!({
            "apiVersion": "web.example.com/v1", "kind": "Site",
            "metadata": { "name": "blog", "namespace": "default" },
            "spec": {
                "image": "nginx", "class": "c", "retries": 3, "host": "h", "port": 80, "timeoutMillis": 1500,
                "strategy": "Canary",
                "ports": [{ "name": "a", "number": 1, "appProtocol": "x" }, { "name": "b", "number": 2 }],
                "limits": { "cpu": { "permille": 55 } },
                "tls": { "minVersion": "1.2" },
                "ingress": { "host": "i", "certSecret": "s" },
            },
        })
    }
}
