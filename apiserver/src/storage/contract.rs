//! What every backend must do (API-90): laws over random histories, checked against a plain map.
//!
//! Public, so that a third party's backend can be proven. It needs an empty store on each call.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ChangeKind, ListRequest, Storage, StorageError};

/// One step of a history, on one of a few keys.
#[derive(Clone, Debug)]
pub enum Step {
    /// Creates, or finds the key taken.
    Create(u8, u8),
    /// Updates at the present revision, or finds nothing.
    Update(u8, u8),
    /// Updates at an older revision, and must not.
    StaleUpdate(u8, u8),
    /// Deletes, or finds nothing.
    Delete(u8),
}

/// The prefix that all keys of the contract have.
pub const PREFIX: &str = "/contract/things/";

fn key(index: u8) -> String {
    // Two namespaces, names that are prefixes of each other.
    format!(
        "{PREFIX}{}/{}",
        if index.is_multiple_of(2) { "a" } else { "b" },
        "n".repeat(usize::from(index / 2 % 4) + 1)
    )
}

fn object(value: u8) -> Value {
    json!({"metadata": {"name": "x"}, "value": value})
}

type Model = BTreeMap<String, (u64, u8)>;

/// Runs a history and checks every law on the way and at the end.
///
/// # Panics
/// Where the backend breaks a law.
pub async fn check(storage: Arc<dyn Storage>, steps: &[Step]) {
    let start = storage.revision().await.expect("a revision");
    let mut model = Model::new();
    let mut states = vec![(start, model.clone())];
    for step in steps {
        let before = storage.revision().await.expect("a revision");
        let changed = apply(&*storage, step, &mut model, before).await;
        let after = storage.revision().await.expect("a revision");
        assert_eq!(
            after,
            before + u64::from(changed),
            "a write raises the revision by one, a refused one does not"
        );
        states.push((after, model.clone()));
    }
    for (revision, state) in &states {
        assert_eq!(
            list(&*storage, Some(*revision)).await,
            *state,
            "the state at {revision}"
        );
    }
    pages(&*storage, &model).await;
    replay(&*storage, &states).await;
    compaction(&*storage, start).await;
}

async fn apply(storage: &dyn Storage, step: &Step, model: &mut Model, before: u64) -> bool {
    match *step {
        Step::Create(index, value) => {
            let key = key(index);
            match storage.create(&key, object(value), None).await {
                Ok(entry) => {
                    assert!(
                        model.insert(key, (entry.revision, value)).is_none(),
                        "a taken key was created"
                    );
                    assert_eq!(
                        entry.value["metadata"]["resourceVersion"],
                        entry.revision.to_string()
                    );
                    true
                }
                Err(StorageError::Exists { .. }) => {
                    assert!(model.contains_key(&key));
                    false
                }
                Err(other) => panic!("{other}"),
            }
        }
        Step::Update(index, value) => {
            let key = key(index);
            let at = model.get(&key).map_or(before, |(revision, _)| *revision);
            match storage.update(&key, object(value), at).await {
                Ok(entry) => {
                    assert!(
                        model.insert(key, (entry.revision, value)).is_some(),
                        "nothing was updated"
                    );
                    true
                }
                Err(StorageError::Missing { .. }) => {
                    assert!(!model.contains_key(&key));
                    false
                }
                Err(other) => panic!("{other}"),
            }
        }
        Step::StaleUpdate(index, value) => {
            let key = key(index);
            let at = model.get(&key).map_or(0, |(revision, _)| revision - 1);
            match storage.update(&key, object(value), at).await {
                Err(StorageError::Conflict { current }) => assert_eq!(current.revision, model[&key].0),
                Err(StorageError::Missing { .. }) => assert!(!model.contains_key(&key)),
                other => panic!("a stale update was answered with {other:?}"),
            }
            false
        }
        Step::Delete(index) => {
            let key = key(index);
            let at = model.get(&key).map_or(before, |(revision, _)| *revision);
            match storage.delete(&key, object(0), at).await {
                Ok(entry) => {
                    assert!(model.remove(&key).is_some(), "nothing was deleted");
                    assert_eq!(entry.revision, before + 1, "a deletion has a revision of its own");
                    true
                }
                Err(StorageError::Missing { .. }) => {
                    assert!(!model.contains_key(&key));
                    false
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

fn value_of(value: &Value) -> u8 {
    value["value"]
        .as_u64()
        .and_then(|value| u8::try_from(value).ok())
        .expect("an object of the contract")
}

async fn list(storage: &dyn Storage, revision: Option<u64>) -> Model {
    let request = ListRequest {
        prefix: PREFIX,
        revision,
        ..ListRequest::default()
    };
    let page = storage.list(request).await.expect("a list");
    page.entries
        .iter()
        .map(|entry| (entry.key.to_string(), (entry.revision, value_of(&entry.value))))
        .collect()
}

/// Pages of every size are the whole list, in order, with the right rest.
async fn pages(storage: &dyn Storage, model: &Model) {
    for limit in 1..4 {
        let mut seen = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let request = ListRequest {
                prefix: PREFIX,
                after: after.as_deref(),
                limit,
                revision: None,
            };
            let page = storage.list(request).await.expect("a page");
            seen.extend(page.entries.iter().map(|entry| entry.key.to_string()));
            assert_eq!(page.remaining, model.len() - seen.len());
            match page.entries.last() {
                Some(last) if page.remaining > 0 => after = Some(last.key.to_string()),
                _ => break,
            }
        }
        assert!(seen.iter().eq(model.keys()), "{seen:?}");
    }
    assert_eq!(storage.count(PREFIX).await.expect("a count"), model.len());
}

/// A watch from any revision on, applied to the list at that revision, gives the newest list.
async fn replay(storage: &dyn Storage, states: &[(u64, Model)]) {
    let Some((newest, last)) = states.last() else {
        return;
    };
    for (revision, state) in states {
        let mut state = state.clone();
        let mut watch = storage.watch(PREFIX, *revision).await.expect("a watch");
        let mut through = *revision;
        while through < *newest {
            let batch = watch.progress().await.expect("a batch");
            for change in &batch.changes {
                assert!(change.revision() > through, "in order, and once");
                through = change.revision();
                let key = change.entry.key.to_string();
                let was = state.get(&key).map(|(revision, _)| *revision);
                assert_eq!(change.previous.as_ref().map(|previous| previous.revision), was);
                assert_eq!(was.is_none(), change.kind == ChangeKind::Created);
                match change.kind {
                    ChangeKind::Deleted => state.remove(&key),
                    _ => state.insert(key, (change.revision(), value_of(&change.entry.value))),
                };
            }
            through = batch.through;
        }
        assert_eq!(state, *last, "replayed from {revision}");
    }
}

async fn compaction(storage: &dyn Storage, start: u64) {
    let now = storage.revision().await.expect("a revision");
    let future = storage.compact(now + 1).await;
    assert!(matches!(future, Err(StorageError::Future { .. })));
    let mut running = storage.watch(PREFIX, now).await.expect("a watch");
    storage.compact(now).await.expect("compacted");
    if start < now {
        assert!(matches!(
            storage.watch(PREFIX, start).await,
            Err(StorageError::Compacted { .. })
        ));
        let old = ListRequest {
            prefix: PREFIX,
            revision: Some(start),
            ..ListRequest::default()
        };
        assert!(matches!(
            storage.list(old).await,
            Err(StorageError::Compacted { .. })
        ));
    }
    let made = storage
        .create(&format!("{PREFIX}c/after"), object(1), None)
        .await
        .expect("created");
    let batch = running.next().await.expect("a running watch loses nothing");
    assert_eq!(batch.changes[0].revision(), made.revision);
}
