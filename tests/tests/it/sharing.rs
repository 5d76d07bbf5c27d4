//! Values that are shared: `Arc`s in specs, which need serde's feature `rc`, and those that caches hand out.

use std::sync::Arc;

use kubewright::Defaults as _;
use kubewright::cache::{Lister, Store};
use kubewright::convert::Converter;
use kubewright::kind::ObjectKey;
use kubewright::versions::{Conversion, VersionSet};
use serde_json::json;

mod v1alpha1 {
    use std::sync::Arc;

    use kubewright::{Convert, CustomResource, KubeSchema};
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
    #[kube(
        group = "share.example.com",
        version = "v1alpha1",
        kind = "Site",
        namespaced,
        deprecated
    )]
    pub struct SiteSpec {
        pub page: Arc<String>,
        pub seconds: Arc<i64>,
        pub tls: Arc<Tls>,
        pub backup: Option<Arc<Tls>>,
        #[kube(list_type = "map", list_map_keys("name"))]
        pub hosts: Vec<Arc<Host>>,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
    pub struct Tls {
        pub secret: String,
        pub old_note: Option<Arc<String>>,
    }

    #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
    pub struct Host {
        pub name: String,
    }
}

mod v1 {
    use std::sync::Arc;

    use kubewright::{Apply, Convert, CustomResource, Defaults, KubeSchema};
    use serde::{Deserialize, Serialize};

    use super::v1alpha1 as old;

    #[derive(
        CustomResource, Convert, KubeSchema, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq,
    )]
    #[kube(
        group = "share.example.com", version = "v1", kind = "Site", namespaced, storage,
        previous = old::Site, apply
    )]
    #[convert(from = old::SiteSpec)]
    pub struct SiteSpec {
        pub page: Arc<String>,
        #[convert(rename = "seconds", with(up = to_millis, down = to_seconds))]
        pub millis: Arc<i64>,
        #[convert(nested)]
        pub tls: Arc<Tls>,
        #[convert(nested)]
        pub backup: Option<Arc<Tls>>,
        #[convert(nested)]
        #[kube(list_type = "map", list_map_keys("name"))]
        pub hosts: Vec<Arc<Host>>,
        #[convert(added)]
        #[kube(default = 2)]
        pub retries: Option<Arc<i32>>,
    }

    #[derive(
        Convert, KubeSchema, Apply, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq, Default,
    )]
    #[convert(from = old::Tls, old_only(old_note))]
    pub struct Tls {
        #[convert(rename = "secret")]
        pub secret_name: String,
        #[convert(added)]
        #[kube(default = 443)]
        pub port: Option<i32>,
    }

    #[derive(Convert, KubeSchema, Apply, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq)]
    #[convert(from = old::Host)]
    pub struct Host {
        #[convert(rename = "name")]
        pub name: String,
    }

    fn to_millis(seconds: i64) -> i64 {
        seconds * 1000
    }

    fn to_seconds(millis: i64) -> i64 {
        millis / 1000
    }
}

fn spec() -> v1::SiteSpec {
    let tls = Arc::new(v1::Tls {
        secret_name: "s".to_owned(),
        port: None,
    });
    v1::SiteSpec {
        page: Arc::new("hello".to_owned()),
        millis: Arc::new(1500),
        tls: Arc::clone(&tls),
        backup: Some(tls),
        hosts: vec![Arc::new(v1::Host { name: "a".to_owned() })],
        retries: None,
    }
}

#[test]
fn ver_43_an_arc_in_a_spec_is_written_as_what_it_holds_and_shared_by_clones() {
    let spec = spec();
    assert_eq!(
        serde_json::to_value(&spec).unwrap(),
        json!({
            "page": "hello", "millis": 1500, "tls": {"secret_name": "s", "port": null},
            "backup": {"secret_name": "s", "port": null}, "hosts": [{"name": "a"}], "retries": null,
        })
    );
    assert_eq!(
        serde_json::from_value::<v1::SiteSpec>(serde_json::to_value(&spec).unwrap()).unwrap(),
        spec
    );
    let copy = spec.clone();
    assert!(Arc::ptr_eq(&copy.page, &spec.page) && Arc::ptr_eq(&copy.tls, &spec.tls));

    // The schema is that of what it holds.
    let definition =
        VersionSet::<v1::Site>::crd(&Conversion::url("https://site.example.com/convert")).unwrap();
    kubewright::crd::check(&definition).unwrap();
    let schema = serde_json::to_value(&definition.spec.versions[0].schema).unwrap();
    let spec = &schema["openAPIV3Schema"]["properties"]["spec"];
    assert_eq!(spec["properties"]["page"], json!({"type": "string"}));
    assert_eq!(spec["properties"]["tls"], {
        let mut tls = spec["properties"]["backup"].clone();
        tls.as_object_mut().unwrap().remove("nullable");
        tls
    });
    assert_eq!(spec["properties"]["retries"]["default"], json!(2));
}

#[test]
fn ver_43_defaults_are_set_in_a_copy_of_what_is_shared() {
    let before = spec();
    let mut after = before.clone();
    after.set_defaults();
    assert_eq!(
        (
            after.retries.as_deref(),
            after.tls.port,
            after.backup.as_ref().unwrap().port
        ),
        (Some(&2), Some(443), Some(443))
    );
    assert_eq!(before, spec(), "the other reader's value");
    // What has nothing to set is still shared.
    assert!(Arc::ptr_eq(&before.page, &after.page));
}

#[test]
fn ver_43_an_apply_configuration_shares_too() {
    let applied = v1::SiteApply::new("blog").spec(
        v1::SiteSpecApply::default()
            .page(Arc::new("hello".to_owned()))
            .tls(Arc::new(v1::TlsApply::default().secret_name("s"))),
    );
    assert_eq!(
        serde_json::to_value(&applied).unwrap()["spec"],
        json!({"page": "hello", "tls": {"secret_name": "s"}})
    );
}

#[test]
fn ver_43_conversion_sees_through_an_arc() {
    let sites = Converter::of::<v1::Site>();
    let old = json!({
        "apiVersion": "share.example.com/v1alpha1", "kind": "Site", "metadata": {"name": "blog"},
        "spec": {
            "page": "hello", "seconds": 2, "tls": {"secret": "s", "old_note": "kept"}, "backup": null,
            "hosts": [{"name": "a"}, {"name": "b"}],
        },
    });
    let new = sites.convert_value(&old, "v1").unwrap();
    assert_eq!(
        new["spec"],
        json!({
            "page": "hello", "millis": 2000, "tls": {"secret_name": "s"}, "backup": null,
            "hosts": [{"name": "a"}, {"name": "b"}],
        })
    );
    assert_eq!(sites.convert_value(&new, "v1alpha1").unwrap(), old);
    let typed: v1alpha1::Site = serde_json::from_value(old).unwrap();
    let typed = v1::Site::try_from(typed).unwrap();
    assert_eq!(
        (*typed.spec.millis, typed.spec.tls.secret_name.as_str()),
        (2000, "s")
    );
}

#[test]
fn ver_43_readers_of_a_cache_share_one_object_and_a_copy_is_ones_own() {
    let store = Store::<v1::Site>::new();
    let mut site = v1::Site::new("blog", spec());
    site.metadata.namespace = Some("default".to_owned());
    store.insert(Arc::new(site));
    let (one, other) = (Lister::new(store.clone()), Lister::new(store));
    let read = |lister: &Lister<v1::Site>| lister.get(&ObjectKey::namespaced("default", "blog")).unwrap();
    let (mut mine, theirs) = (read(&one), read(&other));
    assert!(Arc::ptr_eq(&mine, &theirs));

    // The way to a `&mut` is a copy, and so on inside.
    Arc::make_mut(&mut Arc::make_mut(&mut mine).spec.tls).secret_name = "mine".to_owned();
    let mut cloned = v1::Site::clone(&theirs);
    cloned.spec.hosts.clear();
    assert_eq!(mine.spec.tls.secret_name, "mine");
    for cached in [read(&one), read(&other), theirs] {
        assert_eq!(cached.spec, spec());
    }
    assert!(Arc::ptr_eq(&read(&one), &read(&other)));
}
