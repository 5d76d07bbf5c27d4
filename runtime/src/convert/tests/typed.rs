//! Values of Rust types, by the same engine.

use serde_json::json;

use super::kinds::{V1, v1, v1alpha1};
use crate::convert::{Converter, typed};

fn spec() -> v1::SiteSpec {
    serde_json::from_value(json!({
        "replicas": 5, "image": "nginx", "retries": 2, "tier": "gold", "host": "h", "port": 80, "timeoutMillis": 1500,
        "memory": 64, "strategy": "Canary", "source": { "type": "Image", "version": "1" }, "ingress": { "host": "h" },
        "ports": [{ "name": "a", "number": 1, "appProtocol": "x" }], "pager": "p",
    }))
    .expect("a spec")
}

#[test]
fn ver_04_parts_convert_between_types() {
    let old: v1alpha1::SiteSpec = typed::part_down(&spec()).expect("it converts");
    assert_eq!(old.strategy, v1alpha1::Strategy::Rolling);
    assert_eq!(
        old.ports,
        [v1alpha1::Port {
            name: "a".to_owned(),
            port: 1
        }]
    );
    assert_eq!(old.timeout_seconds, 1);
    let new: v1::SiteSpec = typed::part_up(&old).expect("it converts");
    assert_eq!(
        new.timeout_millis, 1000,
        "a part has nowhere to keep what is lost"
    );
    assert_eq!(new.ports[0].app_protocol, None);

    let mut bad = old;
    bad.address = "none".to_owned();
    let error = typed::part_up::<_, v1::SiteSpec>(&bad).expect_err("no colon");
    assert!(
        error
            .to_string()
            .ends_with("v1alpha1::SiteSpec: address: an address has a colon"),
        "{error}"
    );
}

#[test]
fn ver_04_objects_convert_as_the_webhook_does() {
    let site = v1::Site::new("blog", spec());
    let old: v1alpha1::Site = typed::object(&site, &V1, "v1alpha1").expect("it converts");
    let wire = serde_json::to_value(&site).expect("JSON");
    let shown = Converter::of_link(&V1)
        .convert_value(&wire, "v1alpha1")
        .expect("it converts");
    assert_eq!(
        serde_json::to_value(&old).expect("JSON"),
        serde_json::to_value(serde_json::from_value::<v1alpha1::Site>(shown).expect("an old object"))
            .expect("JSON")
    );
    let back: v1::Site = typed::object(&old, &V1, "v1").expect("it converts");
    assert_eq!(back.spec, site.spec);
    assert_eq!(back.metadata.name, site.metadata.name);
}
