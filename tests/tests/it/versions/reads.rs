//! Objects of three versions, each written at one and read at all.

use serde_json::{Value, json};

use super::{KEPT, Sites, VERSIONS, site, uri};
use crate::ask::{events, get, post, put};

/// The objects: the version of the writer, and the specs that readers of the three versions see.
fn cases(stored: &str) -> [(&'static str, &'static str, [Value; 3]); 3] {
    let mut blog = json!({
        "host": "blog.example.com", "port": 8080, "image": "blog:1", "replicas": 2, "timeoutMillis": 30000,
        "strategy": "Rolling", "tls": {}, "ingress": {"certSecret": "blog-tls"},
        "redirects": {"rules": [{"from": "/feed", "to": "/rss.xml"}, {"from": "/about", "to": "/team"}]},
        "ports": [{"name": "metrics", "number": 9090}], "retries": 1, "tier": "Silver", "memoryMib": 256,
    });
    if stored == "v1" {
        // VER-9: a reader sees the defaults of the stored version, and of no other.
        blog["ports"][0]["appProtocol"] = "http".into();
    }
    let blog = [
        json!({
            "address": "blog.example.com:8080", "imageName": "blog:1", "replicas": 2, "timeoutSeconds": 30,
            "legacyMode": true, "note": "ask the web team", "strategy": "Manual", "tls": {"secretName": "blog-tls"},
            "redirects": {"text": "/feed /rss.xml # for old readers\n/about /team\n"},
            "ports": [{"name": "metrics", "port": 9090}],
        }),
        json!({
            "host": "blog.example.com", "port": 8080, "image": "blog:1", "replicas": 2, "timeoutMillis": 30000,
            "strategy": "Rolling", "tls": {}, "ingress": {"certSecret": "blog-tls"},
            "redirects": {"rules": [{"from": "/feed", "to": "/rss.xml"}, {"from": "/about", "to": "/team"}]},
            "ports": [{"name": "metrics", "port": 9090}], "memory": "256Mi",
        }),
        blog,
    ];
    let shop = [
        json!({
            "address": "shop.example.com:8443", "imageName": "shop:7", "replicas": 4, "timeoutSeconds": 1,
            "legacyMode": false, "strategy": "Recreate",
        }),
        json!({
            "host": "shop.example.com", "port": 8443, "image": "shop:7", "replicas": 4, "timeoutMillis": 1500,
            "strategy": "Recreate", "memory": "1Gi", "cache": "auto", "limits": {"/checkout": {"rate": 60}},
        }),
        json!({
            "host": "shop.example.com", "port": 8443, "image": "shop:7", "replicas": 4, "timeoutMillis": 1500,
            "strategy": "Recreate", "memoryMib": 1024, "cacheMib": 256, "retries": 1, "tier": "Gold",
            "limits": {"/checkout": {"requestsPerMinute": 60}},
        }),
    ];
    let lab = [
        json!({
            "address": "lab.example.com:8443", "imageName": "lab:42", "replicas": 2, "timeoutSeconds": 2,
            "legacyMode": false, "strategy": "Rolling", "tls": {},
            "content": {"type": "Git", "url": "https://git.example.com/lab"},
            "ports": [{"name": "metrics", "port": 9090}, {"name": "admin", "port": 9091}],
        }),
        json!({
            "host": "lab.example.com", "port": 8443, "image": "lab:42", "replicas": 2, "timeoutMillis": 2500,
            "strategy": "Rolling", "tls": {}, "memory": "384Mi",
            "content": {"type": "Git", "url": "https://git.example.com/lab"},
            "ports": [{"name": "metrics", "port": 9090}, {"name": "admin", "port": 9091}],
        }),
        json!({
            "host": "lab.example.com", "port": 8443, "image": "lab:42", "replicas": 2, "timeoutMillis": 2500,
            "strategy": "Canary", "tls": {}, "memoryMib": 384, "tier": "Bronze", "retries": 2, "class": "metal",
            "content": {
                "type": "Artifact", "reference": "registry.example.com/lab:42", "source": "https://git.example.com/lab",
            },
            "ports": [
                {"name": "metrics", "number": 9090, "appProtocol": "http"},
                {"name": "admin", "number": 9091, "appProtocol": "https"},
            ],
        }),
    ];
    [
        ("blog", "v1alpha1", blog),
        ("shop", "v1beta1", shop),
        ("lab", "v1", lab),
    ]
}

pub(super) async fn suite(sites: &Sites, stored: &str) {
    let cases = cases(stored);
    for (kind, writer, specs) in &cases {
        let name = format!("{kind}-{stored}");
        let written = &specs[VERSIONS.iter().position(|version| version == writer).unwrap()];
        let mut made = site(writer, &name, written.clone());
        made["metadata"]["labels"] = json!({"stored": stored});
        made["metadata"]["finalizers"] = json!(["example.com/kept"]);
        made["metadata"]["annotations"] = json!({"note": "mine"});
        let made = post(&sites.client, &uri(writer, "sites"), &made).await.ok();
        assert_eq!(made["spec"], *written, "{name}: the writer reads what it wrote");
        ver_26_the_same_at_all(sites, &name, specs).await;
        ver_22_nothing_is_lost(sites, (kind, stored), &name, specs).await;
    }
    lists_and_watches(sites, stored, &cases).await;
    ver_18_an_old_clients_edit_takes_effect(sites, stored, &cases).await;
    for (kind, ..) in cases {
        remove(sites, &format!("{kind}-{stored}")).await;
    }
}

async fn remove(sites: &Sites, name: &str) {
    let path = uri("v1", &format!("sites/{name}"));
    let patch = json!({"metadata": {"finalizers": null}});
    crate::ask::merge(&sites.client, &path, &patch).await.ok();
    crate::ask::delete(&sites.client, &path).await.ok();
}

/// Metadata but for the annotation that conversion keeps.
fn metadata(object: &Value) -> Value {
    let mut metadata = object["metadata"].clone();
    metadata["annotations"].as_object_mut().unwrap().remove(KEPT);
    metadata
}

async fn ver_26_the_same_at_all(sites: &Sites, name: &str, specs: &[Value; 3]) {
    let first = metadata(&sites.at("v1", name).await);
    assert_eq!(first["annotations"], json!({"note": "mine"}));
    for (version, spec) in VERSIONS.iter().zip(specs) {
        let read = sites.at(version, name).await;
        assert_eq!(read["apiVersion"], format!("web.example.com/{version}"));
        assert_eq!(read["spec"], *spec, "{name} at {version}");
        assert_eq!(metadata(&read), first, "{name} at {version}");
    }
}

/// What a client read it may write back, at any version and in any order.
async fn ver_22_nothing_is_lost(sites: &Sites, (kind, stored): (&str, &str), name: &str, specs: &[Value; 3]) {
    let rounds = ["v1alpha1", "v1beta1", "v1alpha1", "v1", "v1alpha1", "v1beta1"];
    for (round, version) in rounds.into_iter().enumerate() {
        let path = uri(version, &format!("sites/{name}"));
        let read = get(&sites.client, &path).await.ok();
        let written = put(&sites.client, &path, &read).await.ok();
        let is_same = written["metadata"]["resourceVersion"] == read["metadata"]["resourceVersion"];
        if (kind, stored, round) == ("blog", "v1", 0) {
            // VER-9: a default of the stored version, which every read shows, is stored with the first write.
            assert!(!is_same);
        } else if (kind, stored, version) == ("blog", "v1beta1", "v1") {
            // VER-9: whoever writes at v1 gets the defaults of v1. To the others it makes no difference.
            let mut defaulted = specs.clone();
            defaulted[2]["ports"][0]["appProtocol"] = "http".into();
            ver_26_the_same_at_all(sites, name, &defaulted).await;
            // An old client makes the port anew, and with it goes what nobody else wrote.
            sites.merge("v1alpha1", name, json!({"ports": null})).await;
            let ports = json!({"ports": specs[0]["ports"]});
            sites.merge("v1alpha1", name, ports).await;
        } else if (kind, stored) != ("lab", "v1") {
            // Of lab's content the older versions see what a function makes: it says null for what is absent, which
            // the server drops, so that the annotation keeps the difference.
            assert!(
                is_same,
                "{name} at {version}: nothing changed, so nothing is written"
            );
        }
        ver_26_the_same_at_all(sites, name, specs).await;
    }
}

async fn lists_and_watches(sites: &Sites, stored: &str, cases: &[(&str, &str, [Value; 3]); 3]) {
    for (index, version) in VERSIONS.iter().enumerate() {
        let selector = format!("labelSelector=stored%3D{stored}");
        let list = get(&sites.client, &uri(version, &format!("sites?{selector}")))
            .await
            .ok();
        let mut seen: Vec<&Value> = list["items"].as_array().unwrap().iter().collect();
        let expected = [("blog", 0), ("lab", 2), ("shop", 1)];
        seen.sort_by_key(|item| item["metadata"]["name"].to_string());
        let listed: Vec<_> = seen.iter().map(|item| &item["spec"]).collect();
        let specs: Vec<_> = expected.iter().map(|(_, case)| &cases[*case].2[index]).collect();
        assert_eq!(listed, specs, "listed at {version}");
        let watched = uri(version, &format!("sites?{selector}&watch=true"));
        let mut seen = events(&sites.client, &watched, 3).await;
        seen.sort_by_key(|event| event["object"]["metadata"]["name"].to_string());
        let watched: Vec<_> = seen.iter().map(|event| &event["object"]["spec"]).collect();
        assert_eq!(watched, specs, "watched at {version}");
    }

    // What comes: written at v1, seen at the oldest.
    let list = get(&sites.client, &uri("v1alpha1", "sites")).await.ok();
    let since = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    post(&sites.client, &uri("v1", "sites"), &super::plain("passing"))
        .await
        .ok();
    sites
        .merge("v1", "passing", json!({"class": "metal", "port": 81}))
        .await;
    sites.merge("v1beta1", "passing", json!({"memory": "1Gi"})).await;
    crate::ask::delete(&sites.client, &uri("v1", "sites/passing"))
        .await
        .ok();
    let watched = uri("v1alpha1", &format!("sites?watch=true&resourceVersion={since}"));
    let seen = events(&sites.client, &watched, 4).await;
    let told: Vec<_> = seen
        .iter()
        .map(|event| {
            let object = &event["object"];
            assert_eq!(object["apiVersion"], "web.example.com/v1alpha1");
            (
                event["type"].as_str().unwrap(),
                object["spec"]["address"].as_str().unwrap(),
            )
        })
        .collect();
    let (one, two) = ("passing.example.com:80", "passing.example.com:81");
    assert_eq!(
        told,
        [
            ("ADDED", one),
            ("MODIFIED", two),
            ("MODIFIED", two),
            ("DELETED", two)
        ]
    );
}

/// What an old client cannot see stays with what it left alone.
async fn ver_18_an_old_clients_edit_takes_effect(
    sites: &Sites,
    stored: &str,
    cases: &[(&str, &str, [Value; 3]); 3],
) {
    let name = format!("lab-{stored}");
    let mut expected = cases[2].2.clone();
    sites
        .merge(
            "v1alpha1",
            &name,
            json!({"imageName": "lab:43", "note": "by hand"}),
        )
        .await;
    (expected[0]["imageName"], expected[0]["note"]) = ("lab:43".into(), "by hand".into());
    expected[1]["image"] = "lab:43".into();
    expected[2]["image"] = "lab:43".into();
    ver_26_the_same_at_all(sites, &name, &expected).await;

    // A port leaves and the order changes; what belongs to the other follows its name.
    let ports = json!([{"name": "more", "port": 9092}, {"name": "admin", "port": 9091}]);
    sites
        .merge(
            "v1alpha1",
            &name,
            json!({"ports": ports, "strategy": "Recreate", "timeoutSeconds": 7}),
        )
        .await;
    expected[0]["ports"] = ports.clone();
    expected[1]["ports"] = ports;
    expected[2]["ports"] = json!([
        {"name": "more", "number": 9092}, {"name": "admin", "number": 9091, "appProtocol": "https"},
    ]);
    if stored == "v1" {
        expected[2]["ports"][0]["appProtocol"] = "http".into();
    }
    for (expected, timeout) in expected.iter_mut().zip([
        ("timeoutSeconds", 7),
        ("timeoutMillis", 7000),
        ("timeoutMillis", 7000),
    ]) {
        expected["strategy"] = "Recreate".into();
        expected[timeout.0] = timeout.1.into();
    }
    ver_26_the_same_at_all(sites, &name, &expected).await;
}
