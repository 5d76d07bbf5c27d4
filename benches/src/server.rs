//! DevServer against etcd + kube-apiserver: start, creates per second, lists per second.
//!
//! Both are asked by the same client code over HTTPS; each round asks one and then the other.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kubewright::k8s_openapi::api::core::v1::ConfigMap;
use kubewright::kube::api::{Api, DeleteParams, ListParams, PostParams};
use kubewright::kube::config::{KubeConfigOptions, Kubeconfig};
use kubewright::kube::{Client, Config};
use kubewright_apiserver::{DevServer, Listen};
use kubewright_tests::ControlPlane;

use crate::Result;
use crate::report::{Samples, heading, ratio, row};

const STARTS: usize = 20;
const PAIR_STARTS: usize = 3;
const ROUNDS: usize = 3;
const OBJECTS: usize = 2_000;
const IN_FLIGHT: usize = 24;
const LISTS: usize = 20;

pub(crate) async fn run() -> Result<()> {
    let mut in_process = Samples::default();
    let mut over_tls = Samples::default();
    for _ in 0..STARTS {
        in_process.push(millis(start(Listen::InProcess).await?.0));
        over_tls.push(millis(start(loopback()).await?.0));
    }
    let mut pair = Samples::default();
    let mut plane = None;
    for _ in 0..PAIR_STARTS {
        drop(plane.take());
        let Some(started) = ControlPlane::start_or_skip("bench server").await? else {
            heading("server: start to ready");
            row("DevServer, in process", "ms", &in_process);
            row("DevServer, TLS", "ms", &over_tls);
            return Err("no peer to measure against: set KUBEBUILDER_ASSETS".into());
        };
        pair.push(millis(started.ready_after()));
        plane = Some(started);
    }
    heading("server: start to ready");
    row("DevServer, in process", "ms", &in_process);
    row("DevServer, TLS", "ms", &over_tls);
    row("etcd + kube-apiserver", "ms", &pair);
    println!(
        "  DevServer's budget: 50 ms; medians seen: {:.2} and {:.2} ms",
        in_process.median(),
        over_tls.median()
    );
    ratio(
        "pair / DevServer in process, medians",
        pair.median() / in_process.median(),
        "at least 50",
    );
    ratio(
        "pair / DevServer over TLS, medians",
        pair.median() / over_tls.median(),
        "at least 50",
    );

    let plane = plane.ok_or("the last start is kept")?;
    let real = plane.client().await?;
    let (_, server) = start(loopback()).await?;
    let kubeconfig = Kubeconfig::from_yaml(&server.kubeconfig())?;
    let dev =
        Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)?;

    let mut creates = [Samples::default(), Samples::default()];
    let mut lists = [Samples::default(), Samples::default()];
    for _ in 0..ROUNDS {
        for (which, client) in [&dev, &real].into_iter().enumerate() {
            let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
            creates[which].push(create_all(&api).await?);
            lists[which].push(list_all(&api).await?);
            api.delete_collection(
                &DeleteParams::default(),
                &ListParams::default().labels("bench=true"),
            )
            .await?;
        }
    }
    heading(&format!(
        "server: over HTTPS, {OBJECTS} ConfigMaps of 1 kB, {IN_FLIGHT} creates in flight"
    ));
    row("creates per second, DevServer", "1/s", &creates[0]);
    row("creates per second, etcd + kube-apiserver", "1/s", &creates[1]);
    row(
        &format!("lists of {OBJECTS} per second, DevServer"),
        "1/s",
        &lists[0],
    );
    row(
        &format!("lists of {OBJECTS} per second, etcd + kube-apiserver"),
        "1/s",
        &lists[1],
    );
    ratio(
        "creates, DevServer / pair, medians",
        creates[0].median() / creates[1].median(),
        "at least 3",
    );
    ratio(
        "lists, DevServer / pair, medians",
        lists[0].median() / lists[1].median(),
        "none set",
    );
    Ok(())
}

fn loopback() -> Listen {
    Listen::Tls(([127, 0, 0, 1], 0).into())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

async fn start(listen: Listen) -> Result<(Duration, DevServer)> {
    let begun = Instant::now();
    let server = DevServer::builder().listen(listen).start().await?;
    Ok((begun.elapsed(), server))
}

fn config_map(n: usize) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(format!("bench-{n}"));
    object.metadata.labels = Some([("bench".to_owned(), "true".to_owned())].into());
    object.data = Some([("payload".to_owned(), "x".repeat(1_000))].into());
    object
}

async fn create_all(api: &Api<ConfigMap>) -> Result<f64> {
    let params = PostParams::default();
    let begun = Instant::now();
    futures::stream::iter(0..OBJECTS)
        .map(|n| {
            let params = &params;
            async move { api.create(params, &config_map(n)).await }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(OBJECTS as f64 / begun.elapsed().as_secs_f64())
}

async fn list_all(api: &Api<ConfigMap>) -> Result<f64> {
    let params = ListParams::default().labels("bench=true");
    let begun = Instant::now();
    for _ in 0..LISTS {
        let seen = api.list(&params).await?.items.len();
        if seen != OBJECTS {
            return Err(format!("a list had {seen} objects instead of {OBJECTS}").into());
        }
    }
    Ok(LISTS as f64 / begun.elapsed().as_secs_f64())
}
