//! The laws of [`kubewright_schema::compare`], on random schemas and values.

use kubewright_schema::compare::{Change, Verdict, compare};
use kubewright_schema::{Structural, prepare, prune, validate};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use serde_json::Value;

use crate::generate::{Draw, Options, edit, instance, is_quirk, schema};

fn is_valid(value: &Value, schema: &Structural) -> bool {
    validate(value, None, schema).is_empty()
}

fn show(changes: &[Change]) -> String {
    changes.iter().map(|change| format!("\n  {change}")).collect()
}

#[derive(Default)]
struct Seen {
    pairs: usize,
    harmless: usize,
    values: usize,
}

fn check(data: &[u8], seen: &mut Seen) -> Result<(), TestCaseError> {
    let mut draw = Draw::new(data);
    let old_json = schema(&mut draw, Options::ALL);
    let mut new_json = old_json.clone();
    for _ in 0..=draw.below(3) {
        edit(&mut draw, &mut new_json, Options::ALL);
    }
    let (Ok(old), Ok(new)) = (Structural::from_json(&old_json), Structural::from_json(&new_json)) else {
        return Ok(());
    };
    let changes = compare(&old, &new);
    prop_assert_eq!(compare(&old, &old), [], "a schema equals itself: {}", &old_json);
    let stored = changes.iter().all(|change| change.stored == Verdict::Safe);
    let readers = changes.iter().all(|change| change.readers == Verdict::Safe);
    seen.pairs += 1;
    seen.harmless += usize::from((stored || readers) && !changes.is_empty());
    for _ in 0..6 {
        let mutations = draw.below(3);
        if stored {
            let mut value = instance(&mut draw, &old_json, mutations);
            // Twice, since a default may bring a null that is dropped where a client sends it.
            prepare(&mut value, &old);
            prepare(&mut value, &old);
            if is_valid(&value, &old) && !is_quirk(&old_json, &value) {
                let mut prepared = value.clone();
                prepare(&mut prepared, &new);
                let story = || {
                    format!(
                        "{old_json}\n{new_json}\n{value} becomes {prepared}{}",
                        show(&changes)
                    )
                };
                prop_assert!(
                    is_valid(&prepared, &new),
                    "refused: {:?}\n{}",
                    validate(&prepared, None, &new),
                    story()
                );
                let mut seen_by_old = prepared.clone();
                prune(&mut seen_by_old, &old);
                prop_assert!(seen_by_old == value, "altered: {}", story());
                seen.values += 1;
            }
        }
        if readers {
            let mut value = instance(&mut draw, &new_json, mutations);
            prepare(&mut value, &new);
            prepare(&mut value, &new);
            if is_valid(&value, &new) && !is_quirk(&new_json, &value) {
                let errors = validate(&value, None, &old);
                prop_assert!(
                    errors.is_empty(),
                    "unreadable: {errors:?}\n{old_json}\n{new_json}\n{value}{}",
                    show(&changes)
                );
                seen.values += 1;
            }
        }
    }
    Ok(())
}

/// What is called harmless is harmless.
#[test]
fn harmless_changes_break_nothing() {
    let cases = std::env::var("KUBEWRIGHT_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(4000);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let seen = std::cell::RefCell::new(Seen::default());
    let result = runner.run(&proptest::collection::vec(any::<u8>(), 0..600), |data| {
        check(&data, &mut seen.borrow_mut())
    });
    if let Err(error) = result {
        let why = match error {
            TestError::Fail(why, _) => why.to_string(),
            other => other.to_string(),
        };
        panic!("{why}");
    }
    let seen = seen.into_inner();
    println!(
        "{} pairs of schemas, {} with harmless changes, {} values",
        seen.pairs, seen.harmless, seen.values
    );
    assert!(
        seen.harmless * 20 > seen.pairs && seen.values > seen.pairs,
        "the law was tested: {} pairs, {} harmless, {} values",
        seen.pairs,
        seen.harmless,
        seen.values
    );
}
