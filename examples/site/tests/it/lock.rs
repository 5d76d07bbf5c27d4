//! What was released of the kind stays what it was (VER-49 to VER-51).

use kubewright::lock::{Lock, Release};
use kubewright::testing::Samples;
use site::api::v1;
use site::install::definition;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/api-lock/sites.web.example.com.yaml");

fn release(name: &str, date: &str) -> Release {
    Release::new(name, date.parse().unwrap())
}

/// Writes the lock: `cargo test -p site --test it -- --ignored record`.
#[test]
#[ignore = "run for a release"]
fn record_the_release() {
    let (definition, release) = (definition().unwrap(), release("0.1.0", "2026-11-26"));
    let mut lock = Lock::read(FILE).unwrap_or_else(|_| Lock::new(&definition, &release));
    lock.add(&definition, &release, None).unwrap();
    lock.record_edges::<v1::Site>(&Samples::new(), &release, None)
        .unwrap();
    std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/api-lock")).unwrap();
    lock.write(FILE).unwrap();
}

#[test]
fn ver_49_and_51_nothing_that_was_released_changed() {
    let lock = Lock::read(FILE).unwrap();
    let findings = lock
        .check(&definition().unwrap(), &release("0.1.1", "2026-12-01"))
        .unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    let findings = lock.check_edges::<v1::Site>().unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn ver_50_a_field_that_goes_is_told() {
    let lock = Lock::read(FILE).unwrap();
    let mut changed = definition().unwrap();
    let schema = changed.spec.versions[0].schema.as_mut().unwrap();
    let root = schema
        .open_api_v3_schema
        .as_mut()
        .unwrap()
        .properties
        .as_mut()
        .unwrap();
    let spec = root.get_mut("spec").unwrap().properties.as_mut().unwrap();
    assert!(spec.remove("class").is_some());
    let findings = lock.check(&changed, &release("0.2.0", "2027-01-01")).unwrap();
    let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0].starts_with("breaking: ") && findings[0].contains("class"),
        "{findings:?}"
    );
}

#[test]
fn ver_47_the_next_step_before_a_version_leaves_is_told() {
    let lock = Lock::read(FILE).unwrap();
    let live = definition().unwrap();
    let next = release("0.2.0", "2027-01-01");
    let told = |version: &str| lock.removal(version, &live, 0, &next).to_string();
    assert_eq!(
        told("v1alpha1"),
        "v1alpha1 is served; release it with `served = false` first"
    );
    assert_eq!(
        told("v1beta1"),
        "v1beta1 is not deprecated; release it with `deprecated` first"
    );
    assert_eq!(told("v1"), "v1 is the storage version; store another one first");
}
