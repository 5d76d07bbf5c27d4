//! The REST contract on this server, and on a real one where `KUBEWRIGHT_CONFORMANCE_KUBECONFIG` names it.

use futures::{FutureExt, StreamExt};
use kubewright_apiserver::DevServer;
use kubewright_apiserver::conformance::CASES;

async fn failures(client: kube::Client) -> Vec<String> {
    futures::stream::iter(CASES)
        .map(|case| {
            let client = client.clone();
            async move {
                let outcome = std::panic::AssertUnwindSafe(case.run(client))
                    .catch_unwind()
                    .await;
                outcome.err().map(|_| case.name.to_owned())
            }
        })
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_120_the_rest_contract_holds_in_process() {
    let server = DevServer::start().await.expect("the server starts");
    assert_eq!(failures(server.client()).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_120_a_real_server_keeps_the_rest_contract() {
    let Some(file) = std::env::var_os("KUBEWRIGHT_CONFORMANCE_KUBECONFIG") else {
        println!("skipped: KUBEWRIGHT_CONFORMANCE_KUBECONFIG names no kubeconfig");
        return;
    };
    let kubeconfig = kube::config::Kubeconfig::read_from(file).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default())
        .await
        .expect("a config");
    let client = kube::Client::try_from(config).expect("a client");
    assert_eq!(failures(client).await, Vec::<String>::new());
}
