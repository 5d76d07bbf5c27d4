//! What is kept in the annotation, up to what an object may hold, and what clients are told beyond (VER-20, VER-27).

use serde_json::{Value, json};

use super::{GROUP, KEPT, Sites, plain, site, uri};
use crate::ask::{delete, get, merge, post, put, until};
use kubewright::versions::VersionSet;

pub(super) mod v1alpha1 {
    use kubewright::{Convert, CustomResource, KubeSchema};
    use serde::{Deserialize, Serialize};

    /// A ledger without a text.
    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "web.example.com",
        version = "v1alpha1",
        kind = "Ledger",
        namespaced,
        status = "LedgerStatus",
        storage = false
    )]
    pub struct LedgerSpec {
        /// Its size.
        pub size: i32,
        /// What only this version has.
        pub memo: Option<String>,
    }

    /// How a ledger is.
    #[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug)]
    pub struct LedgerStatus {
        /// How full it is, as people say it.
        pub level: String,
    }
}

pub(super) mod v1 {
    use super::v1alpha1 as old;
    use kubewright::{Convert, CustomResource, KubeSchema};
    use serde::{Deserialize, Serialize};

    /// A ledger that no older client may see where it cannot be kept whole.
    #[derive(CustomResource, Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "web.example.com",
        version = "v1",
        kind = "Ledger",
        namespaced,
        status = "LedgerStatus",
        storage,
        previous = old::Ledger,
        conversion(overflow = "fail")
    )]
    #[convert(from = old::LedgerSpec, old_only(memo))]
    pub struct LedgerSpec {
        /// Its size.
        pub size: i32,
        /// Its text.
        #[convert(added)]
        pub text: Option<String>,
    }

    /// How a ledger is.
    #[derive(KubeSchema, Convert, Serialize, Deserialize, Clone, Debug)]
    #[convert(from = old::LedgerStatus)]
    pub struct LedgerStatus {
        /// How full it is, in percent.
        #[convert(with(try_up = read, down = show))]
        pub level: i64,
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "functions of conversions take values"
    )]
    fn read(level: String) -> Result<i64, String> {
        level.parse().map_err(|_| format!("{level} is no number"))
    }

    fn show(level: i64) -> String {
        level.to_string()
    }
}

pub(super) async fn suite(sites: &Sites) {
    ver_20_what_fits_is_kept(sites).await;
    ver_20_what_does_not_fit_can_be_read(sites).await;
    ver_20_a_kind_may_refuse_instead(sites).await;
    ver_27_clients_are_told_why(sites).await;
}

/// A site at v1beta1 with so many bytes that v1alpha1 has no place for.
fn long(name: &str, bytes: usize) -> Value {
    let spec = json!({
        "host": "a.example.com", "port": 80, "image": "a:1", "timeoutMillis": 1000, "strategy": "Rolling",
        "memory": "256Mi", "limits": {"x".repeat(bytes): {"rate": 1}},
    });
    site("v1beta1", name, spec)
}

async fn ver_20_what_fits_is_kept(sites: &Sites) {
    let client = &sites.client;
    let made = post(client, &uri("v1beta1", "sites"), &long("long", 260_000))
        .await
        .ok();
    let mut old = sites.at("v1alpha1", "long").await;
    assert!(old["metadata"]["annotations"][KEPT].as_str().unwrap().len() > 260_000);
    old["spec"]["imageName"] = "a:2".into();
    put(client, &uri("v1alpha1", "sites/long"), &old).await.ok();
    let mut expected = made["spec"].clone();
    expected["image"] = "a:2".into();
    assert_eq!(sites.spec("v1beta1", "long").await, expected);
    delete(client, &uri("v1", "sites/long")).await.ok();
}

async fn ver_20_what_does_not_fit_can_be_read(sites: &Sites) {
    let client = &sites.client;
    let made = post(client, &uri("v1beta1", "sites"), &long("longer", 263_000))
        .await
        .ok();
    let old = sites.at("v1alpha1", "longer").await;
    assert_eq!(old["spec"]["imageName"], "a:1");
    assert_eq!(
        old["metadata"]["annotations"][KEPT], r#"{"v1":{"overflow":true}}"#,
        "the mark stands for what is not there"
    );
    let refused = put(client, &uri("v1alpha1", "sites/longer"), &{
        let mut old = old.clone();
        old["spec"]["imageName"] = "a:2".into();
        old
    })
    .await;
    assert_eq!(
        refused.failure(),
        (
            500,
            "conversion webhook for web.example.com/v1alpha1, Kind=Site failed: converting Site default/longer from \
             web.example.com/v1alpha1 to web.example.com/v1beta1: spec holds data that v1alpha1 cannot represent and \
             that is too large to preserve; edit it as v1"
        )
    );
    assert_eq!(sites.spec("v1beta1", "longer").await, made["spec"]);
    sites.merge("v1beta1", "longer", json!({"image": "a:3"})).await;
    assert_eq!(sites.spec("v1alpha1", "longer").await["imageName"], "a:3");
    delete(client, &uri("v1", "sites/longer")).await.ok();
}

async fn ver_20_a_kind_may_refuse_instead(sites: &Sites) {
    let client = &sites.client;
    let definition = VersionSet::<v1::Ledger>::crd(&sites.webhook()).unwrap();
    sites.put(definition).await;
    for version in ["v1alpha1", "v1"] {
        let path = uri(version, "ledgers?limit=1");
        until(&path, async || get(client, &path).await.code == 200).await;
    }
    let ledger = |name: &str, bytes: usize| {
        json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "Ledger", "metadata": {"name": name},
            "spec": {"size": 1, "text": "x".repeat(bytes)},
        })
    };
    post(client, &uri("v1", "ledgers"), &ledger("short", 1000))
        .await
        .ok();
    post(client, &uri("v1", "ledgers"), &ledger("long", 263_000))
        .await
        .ok();
    // On the way to the stored version nothing is left behind either, whatever a kind says.
    let memo = json!({
        "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Ledger", "metadata": {"name": "memo"},
        "spec": {"size": 1, "memo": "x".repeat(263_000)},
    });
    let refused = post(client, &uri("v1alpha1", "ledgers"), &memo).await;
    assert_eq!(
        refused.failure(),
        (
            500,
            "conversion webhook for web.example.com/v1alpha1, Kind=Ledger failed: converting Ledger default/memo from \
             web.example.com/v1alpha1 to web.example.com/v1: spec holds data that v1 cannot represent and that is too \
             large to preserve"
        )
    );
    assert_eq!(get(client, &uri("v1", "ledgers/memo")).await.code, 404);
    let said = "conversion webhook for web.example.com/v1, Kind=Ledger failed: converting Ledger default/long from \
                web.example.com/v1 to web.example.com/v1alpha1: spec holds data that v1alpha1 cannot represent and \
                that is too large to preserve";
    let refused = get(client, &uri("v1alpha1", "ledgers/long")).await;
    assert_eq!(refused.failure(), (500, said));
    let refused = merge(
        client,
        &uri("v1alpha1", "ledgers/long"),
        &json!({"spec": {"size": 2}}),
    )
    .await;
    assert_eq!(refused.failure(), (500, said));
    assert_eq!(
        get(client, &uri("v1alpha1", "ledgers/short")).await.ok()["spec"]["size"],
        1
    );
    // One object that cannot be shown takes all lists with it.
    let listed = get(client, &uri("v1alpha1", "ledgers")).await;
    assert_eq!(listed.failure(), (500, said));
    merge(
        client,
        &uri("v1", "ledgers/long"),
        &json!({"spec": {"text": null}}),
    )
    .await
    .ok();
    assert_eq!(
        get(client, &uri("v1alpha1", "ledgers/long")).await.ok()["spec"]["size"],
        1
    );
    until("lists to be whole", async || {
        get(client, &uri("v1alpha1", "ledgers")).await.code == 200
    })
    .await;
    ver_13_a_status_that_does_not_convert_fails_as_a_spec_does(sites).await;
    let name = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ledgers.{GROUP}");
    delete(client, &name).await.ok();
}

async fn ver_13_a_status_that_does_not_convert_fails_as_a_spec_does(sites: &Sites) {
    let client = &sites.client;
    let path = uri("v1alpha1", "ledgers/short/status");
    let refused = merge(client, &path, &json!({"status": {"level": "high"}})).await;
    assert_eq!(
        refused.failure(),
        (
            500,
            "conversion webhook for web.example.com/v1alpha1, Kind=Ledger failed: converting Ledger default/short from \
             web.example.com/v1alpha1 to web.example.com/v1: status.level: high is no number"
        )
    );
    let stored = get(client, &uri("v1", "ledgers/short")).await.ok();
    assert_eq!(stored.get("status"), None, "absent stays absent");
    let written = merge(client, &path, &json!({"status": {"level": "7"}}))
        .await
        .ok();
    assert_eq!(written["status"], json!({"level": "7"}));
    let stored = get(client, &uri("v1", "ledgers/short")).await.ok();
    assert_eq!(stored["status"], json!({"level": 7}));
}

async fn ver_27_clients_are_told_why(sites: &Sites) {
    let client = &sites.client;
    let spec = json!({"address": "a.example.com:99999", "imageName": "a", "timeoutSeconds": 1, "strategy": "Rolling"});
    let refused = post(client, &uri("v1alpha1", "sites"), &site("v1alpha1", "bad", spec)).await;
    assert_eq!(
        refused.failure(),
        (
            500,
            "conversion webhook for web.example.com/v1alpha1, Kind=Site failed: converting Site default/bad from \
             web.example.com/v1alpha1 to web.example.com/v1beta1: spec.address: 99999 is no port"
        )
    );
    let mut proxy = plain("proxy");
    proxy["spec"]["content"] = json!({"type": "Proxy", "upstream": "http://a"});
    let refused = post(client, &uri("v1", "sites"), &proxy).await;
    let (code, message) = refused.failure();
    assert_eq!(code, 500);
    let begin = "conversion webhook for web.example.com/v1, Kind=Site failed: converting Site default/proxy from \
                 web.example.com/v1 to web.example.com/v1beta1: spec.content";
    assert!(message.starts_with(begin), "{message}");
}
