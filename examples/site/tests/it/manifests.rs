//! The webhook configurations as a file, for those who apply files: the program installs them itself.

use kubewright::build;
use kubewright::webhook::{Configurations, Endpoint, Tls};
use site::api::{NAMESPACE, SERVICE};
use site::hooks;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/webhooks.yaml");

fn configurations() -> Configurations {
    let server = hooks::server(Tls::directory("/certs"));
    let endpoint = Endpoint::service(NAMESPACE, SERVICE);
    server.configurations(&hooks::NAMES, &endpoint).unwrap()
}

/// Writes the file: `cargo test -p site --test it -- --ignored write_the`.
#[test]
#[ignore = "run when a handler says something else"]
fn write_the_file() {
    build::webhooks(&configurations()).write(FILE).unwrap();
}

#[test]
fn ver_35_the_file_is_what_the_handlers_say() {
    build::webhooks(&configurations()).check(FILE).unwrap();
}
