//! The REST contract on this server. `tests/` runs the same suite on a real one.

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
