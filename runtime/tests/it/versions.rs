//! All versions of a kind in one definition (VER-36 to VER-39).

use kubewright::versions::{Conversion, EndpointError, VersionSet, VersionsError};
use serde_json::{Value, json};

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

mod v1alpha1 {
    use kubewright::CustomResource;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "web.example.com",
        version = "v1alpha1",
        kind = "Site",
        namespaced,
        served = false,
        deprecated = "use v1",
        shortname = "old",
        category = "all",
        printcolumn(name = "Image", type_ = "string", json_path = ".spec.image_name")
    )]
    pub struct SiteSpec {
        pub image_name: String,
    }
}

mod v1beta1 {
    use kubewright::{Convert, CustomResource};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::v1alpha1 as old;

    #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "web.example.com",
        version = "v1beta1",
        kind = "Site",
        namespaced,
        storage,
        previous = old::Site,
        deprecated,
        selectable = ".spec.image",
        conversion(overflow = "fail")
    )]
    #[convert(from = old::SiteSpec)]
    pub struct SiteSpec {
        #[convert(rename = "image_name")]
        pub image: String,
    }
}

mod v1 {
    use kubewright::{Convert, CustomResource};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::v1beta1 as old;

    #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "web.example.com",
        version = "v1",
        kind = "Site",
        namespaced,
        previous = old::Site,
        shortname = "si",
        scale(spec_replicas_path = ".spec.replicas", status_replicas_path = ".status.replicas"),
        status = "SiteStatus"
    )]
    #[convert(from = old::SiteSpec)]
    pub struct SiteSpec {
        pub image: String,
        #[convert(added(value = 1))]
        pub replicas: i32,
    }

    #[derive(Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    pub struct SiteStatus {
        pub replicas: i32,
    }
}

mod alone {
    use kubewright::CustomResource;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "web.example.com", version = "v1", kind = "Alone")]
    pub struct AloneSpec {
        pub a: i32,
    }
}

/// The same in all versions.
mod same {
    pub mod v1 {
        use kubewright::CustomResource;
        use schemars::JsonSchema;
        use serde::{Deserialize, Serialize};

        #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
        #[kube(group = "web.example.com", version = "v1", kind = "Page", storage = false)]
        #[serde(rename_all = "camelCase")]
        pub struct PageSpec {
            pub long_title: String,
        }
    }
    pub mod v2 {
        use kubewright::{Convert, CustomResource};
        use schemars::JsonSchema;
        use serde::{Deserialize, Serialize};

        #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
        #[kube(group = "web.example.com", version = "v2", kind = "Page", previous = super::v1::Page)]
        #[convert(from = super::v1::PageSpec)]
        pub struct PageSpec {
            #[convert(rename = "long_title")]
            #[serde(rename = "longTitle")]
            pub title: String,
        }
    }
    /// As v2 in Rust, and another name on the wire.
    pub mod v3 {
        use kubewright::{Convert, CustomResource};
        use schemars::JsonSchema;
        use serde::{Deserialize, Serialize};

        #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
        #[kube(group = "web.example.com", version = "v3", kind = "Page", storage, previous = super::v2::Page)]
        #[convert(from = super::v2::PageSpec)]
        pub struct PageSpec {
            pub title: String,
        }
    }
}

fn definition<K: kubewright::convert::Versioned>(conversion: &Conversion) -> Value {
    let definition = VersionSet::<K>::crd(conversion).unwrap();
    kubewright::crd::check(&definition).unwrap();
    serde_json::to_value(&definition).unwrap()
}

#[test]
fn ver_36_all_versions_in_the_order_of_priority_with_all_that_is_theirs() {
    let webhook = Conversion::service("ns", "name")
        .path("/convert")
        .port(443)
        .ca_bundle(PEM);
    let definition = definition::<v1::Site>(&webhook);
    let versions = definition["spec"]["versions"].as_array().unwrap();
    let of = |key: &str| {
        versions
            .iter()
            .map(|version| version[key].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("name"), ["v1", "v1beta1", "v1alpha1"]);
    assert_eq!(of("storage"), [false, true, false]);
    assert_eq!(of("served"), [true, true, false]);
    assert_eq!(of("deprecated"), [Value::Null, json!(true), json!(true)]);
    assert_eq!(
        of("deprecationWarning"),
        [Value::Null, Value::Null, json!("use v1")]
    );
    assert_eq!(
        versions[0]["subresources"]["scale"]["specReplicasPath"],
        ".spec.replicas"
    );
    assert!(versions[1]["subresources"].is_null());
    assert_eq!(
        versions[1]["selectableFields"],
        json!([{"jsonPath": ".spec.image"}])
    );
    assert_eq!(versions[2]["additionalPrinterColumns"][0]["name"], "Image");
    let field = |at: usize, name: &str| {
        versions[at]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][name]["type"].clone()
    };
    assert_eq!(
        (field(0, "replicas"), field(1, "replicas")),
        (json!("integer"), Value::Null)
    );
    assert_eq!(
        (field(1, "image"), field(2, "image_name")),
        (json!("string"), json!("string"))
    );
    assert_eq!(VersionSet::<v1::Site>::names(), ["v1", "v1beta1", "v1alpha1"]);
    assert_eq!(VersionSet::<v1::Site>::stored(), "v1beta1");
}

#[test]
fn ver_37_the_stanza_of_a_service() {
    let webhook = Conversion::service("ns", "name").port(8443).ca_bundle(PEM);
    let stanza = definition::<v1::Site>(&webhook)["spec"]["conversion"].clone();
    assert_eq!(
        stanza,
        json!({
            "strategy": "Webhook",
            "webhook": {
                "clientConfig": {
                    "caBundle": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=",
                    "service": {"namespace": "ns", "name": "name", "path": "/convert", "port": 8443},
                },
                "conversionReviewVersions": ["v1"],
            },
        })
    );
}

#[test]
fn ver_37_the_stanza_of_a_url() {
    let definition = definition::<v1::Site>(&Conversion::url("https://hooks.example.com:8443/convert"));
    assert_eq!(
        definition["spec"]["conversion"]["webhook"]["clientConfig"],
        json!({"url": "https://hooks.example.com:8443/convert"})
    );
    assert!(definition["spec"]["preserveUnknownFields"].is_null());
}

#[test]
fn ver_37_what_a_server_would_not_call() {
    let wrong = |conversion: Conversion| match VersionSet::<v1::Site>::crd(&conversion).unwrap_err() {
        VersionsError::Conversion(error) => error.to_string(),
        error => panic!("{error}"),
    };
    let url = "spec.conversion.webhookClientConfig.url: Invalid value: ";
    let cases = [
        (Conversion::url("http://example.com"), format!("{url}\"http\": 'https' is the only allowed URL scheme")),
        (Conversion::url("https://"), format!("{url}\"\": host must be specified")),
        (
            Conversion::url("https://user@example.com"),
            format!("{url}\"user\": user information is not permitted in the URL"),
        ),
        (
            Conversion::url("https://example.com/?a=b"),
            format!("{url}\"a=b\": query parameters are not permitted in the URL"),
        ),
        (
            Conversion::url("https://example.com/#a"),
            format!("{url}\"a\": fragments are not permitted in the URL"),
        ),
        (
            Conversion::url("https://example.com").path("/convert"),
            "`path` is of a Service; write it into the URL".to_owned(),
        ),
        (
            Conversion::url("https://example.com").port(1),
            "`port` is of a Service; write it into the URL".to_owned(),
        ),
        (
            Conversion::service("ns", "name").path("convert"),
            "spec.conversion.webhookClientConfig.service.path: Invalid value: \"convert\": must start with a '/'"
                .to_owned(),
        ),
        (
            Conversion::service("ns", "name").port(0),
            "spec.conversion.webhookClientConfig.service.port: Invalid value: 0: port is not valid".to_owned(),
        ),
        (
            Conversion::service("", "name"),
            "spec.conversion.webhookClientConfig.service.name: Required value".to_owned(),
        ),
    ];
    for (conversion, wanted) in cases {
        let found = wrong(conversion);
        assert!(found.starts_with(&wanted), "{found}\n{wanted}");
    }
    for bundle in [
        "",
        " \n\t",
        "certificate",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
    ] {
        let error =
            VersionSet::<v1::Site>::crd(&Conversion::service("ns", "name").ca_bundle(bundle)).unwrap_err();
        assert!(
            matches!(error, VersionsError::Conversion(EndpointError::Bundle { .. })),
            "{bundle}: {error}"
        );
    }
}

#[test]
fn ver_38_without_differences_nobody_is_asked() {
    let none = json!({"strategy": "None"});
    for conversion in [None, Some(&Conversion::service("ns", "name"))] {
        let single = VersionSet::<alone::Alone>::crd(conversion).unwrap();
        assert_eq!(serde_json::to_value(single.spec.conversion).unwrap(), none);
        let both = VersionSet::<same::v2::Page>::crd(conversion).unwrap();
        assert_eq!(serde_json::to_value(both.spec.conversion).unwrap(), none);
    }
}

#[test]
fn ver_38_differences_need_a_webhook() {
    let error = VersionSet::<v1::Site>::crd(None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Site has versions v1alpha1, v1beta1, v1 that differ; a conversion webhook is needed: pass Conversion::service \
         or Conversion::url"
    );
    // By the written names, whatever the Rust names are.
    assert!(!VersionSet::<same::v2::Page>::needs_conversion());
    assert!(VersionSet::<same::v3::Page>::needs_conversion());
}

#[test]
fn ver_39_short_names_and_categories_are_the_newest_ones() {
    let definition = definition::<v1::Site>(&Conversion::service("ns", "name"));
    assert_eq!(
        definition["spec"]["names"],
        json!({"kind": "Site", "plural": "sites", "singular": "site", "shortNames": ["si"]})
    );
    assert_eq!(definition["spec"]["scope"], "Namespaced");
    assert_eq!(definition["metadata"]["name"], "sites.web.example.com");
}

#[test]
fn ver_36_build_scripts_take_all_versions() {
    let directory = tempfile::tempdir().unwrap();
    let webhook = Conversion::service("ns", "name").ca_bundle(PEM);
    let crds = || kubewright::build::crds().add_versions::<v1::Site>(&webhook);
    crds().write(directory.path()).unwrap();
    crds().check(directory.path()).unwrap();
    let text = std::fs::read_to_string(directory.path().join("sites.web.example.com.yaml")).unwrap();
    let found: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(found, definition::<v1::Site>(&webhook));
    let error = kubewright::build::crds()
        .add_versions::<v1::Site>(None)
        .write(directory.path())
        .unwrap_err();
    assert!(
        error.to_string().contains("a conversion webhook is needed"),
        "{error}"
    );
}

#[test]
fn ver_5_a_way_over_the_stored_version_leaves_no_trace_of_it() {
    let converter = kubewright::convert::Converter::of::<v1::Site>();
    assert_eq!(converter.storage(), "v1beta1");
    let site = |version: &str, spec: Value| {
        json!({
            "apiVersion": format!("web.example.com/{version}"), "kind": "Site",
            "metadata": {"name": "a", "namespace": "b"}, "spec": spec,
        })
    };
    let oldest = site("v1alpha1", json!({"image_name": "nginx"}));
    let newest = converter.convert_value(&oldest, "v1").unwrap();
    assert_eq!(newest, site("v1", json!({"image": "nginx", "replicas": 1})));
    assert_eq!(converter.convert_value(&newest, "v1alpha1").unwrap(), oldest);

    // What only the newest has is kept, whichever old client writes the object.
    let scaled = site("v1", json!({"image": "nginx", "replicas": 5}));
    let shown = converter.convert_value(&scaled, "v1alpha1").unwrap();
    assert_eq!(shown["spec"], json!({"image_name": "nginx"}));
    assert_eq!(converter.convert_value(&shown, "v1").unwrap(), scaled);
}
