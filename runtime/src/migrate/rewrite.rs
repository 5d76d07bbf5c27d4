//! The migration of one's own: each object is written back as it was read.
//!
//! A server that finds nothing to change in an object still stores it anew if it was stored in another version.

use std::time::Duration;

use futures::StreamExt as _;
use kube::Api;
use kube::api::{DynamicObject, ListParams, PostParams};
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior};

use super::definition::Target;
use super::{ATTEMPTS, Checkpoint, Failure, MigrationError, Report, StorageMigration, request};
use crate::kind::ObjectKey;

/// Failures that an error shows.
const SHOWN: usize = 10;

/// What became of one object.
enum Outcome {
    Written,
    /// Gone, or written by others since it was listed, which stored it anew.
    Passed,
    Failed(Failure),
}

pub(super) async fn run(
    migration: &StorageMigration,
    target: &Target,
    from: Option<Checkpoint>,
    report: &mut Report,
    at: &mut impl FnMut(&Checkpoint),
) -> Result<(), MigrationError> {
    let metadata = &target.definition.metadata;
    let mut here = Checkpoint {
        definition: target.name.clone(),
        uid: metadata.uid.clone().unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        next: String::new(),
        seen: 0,
    };
    if let Some(from) = from {
        let same =
            from.definition == here.definition && from.uid == here.uid && from.generation == here.generation;
        if same {
            here = from;
        }
    }
    let objects: Api<DynamicObject> =
        Api::all_with(migration.client.clone(), &target.resource(&target.storage));
    let pace = migration.per_second.map(pace);
    let mut failures: Vec<Failure> = Vec::new();
    let mut failed = 0_u64;
    let mut expired = 0;
    loop {
        let mut page = ListParams::default().limit(migration.page.get());
        if !here.next.is_empty() {
            page = page.continue_token(&here.next);
        }
        let list = match objects.list(&page).await {
            Ok(list) => list,
            // 410: the token is older than the server's history. What was rewritten costs little to pass again.
            Err(kube::Error::Api(status)) if status.code == 410 && expired < ATTEMPTS => {
                tracing::info!(definition = target.name, "the list expired; it begins anew");
                expired += 1;
                here.next.clear();
                here.seen = 0;
                (report.seen, report.written, report.passed) = (0, 0, 0);
                (failures, failed) = (Vec::new(), 0);
                continue;
            }
            Err(error) => return Err(request(format!("list objects of {}", target.name))(error)),
        };
        here.next = list.metadata.continue_.clone().unwrap_or_default();
        here.seen += list.items.len() as u64;
        report.seen += list.items.len() as u64;
        let outcomes = futures::stream::iter(list.items)
            .map(|object| write(migration, target, object, pace.as_ref()))
            .buffer_unordered(migration.concurrency.get());
        let mut outcomes = std::pin::pin!(outcomes);
        while let Some(outcome) = outcomes.next().await {
            match outcome? {
                Outcome::Written => report.written += 1,
                Outcome::Passed => report.passed += 1,
                Outcome::Failed(failure) => {
                    failed += 1;
                    if failures.len() < SHOWN {
                        failures.push(failure);
                    }
                }
            }
        }
        if here.next.is_empty() {
            break;
        }
        // What was refused must be seen again, so nobody may go on behind it.
        if failed == 0 {
            at(&here);
        }
    }
    if failed > 0 {
        failures.sort_by(|a, b| a.object.cmp(&b.object));
        return Err(MigrationError::Refused {
            definition: target.name.clone(),
            more: failed - failures.len() as u64,
            failures,
        });
    }
    Ok(())
}

/// When the next write may begin.
pub(super) fn pace(per_second: std::num::NonZeroU32) -> Mutex<Interval> {
    let mut interval = tokio::time::interval(Duration::from_secs(1) / per_second.get());
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Mutex::new(interval)
}

/// The verbs of the place where an object lives.
pub(super) fn beside(
    migration: &StorageMigration,
    target: &Target,
    object: &DynamicObject,
) -> Api<DynamicObject> {
    let resource = target.resource(&target.storage);
    match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(migration.client.clone(), namespace, &resource),
        None => Api::all_with(migration.client.clone(), &resource),
    }
}

async fn write(
    migration: &StorageMigration,
    target: &Target,
    object: DynamicObject,
    pace: Option<&Mutex<Interval>>,
) -> Result<Outcome, MigrationError> {
    if let Some(pace) = pace {
        pace.lock().await.tick().await;
    }
    let key = ObjectKey {
        namespace: object.metadata.namespace.clone(),
        name: object.metadata.name.clone().unwrap_or_default(),
    };
    let params = PostParams {
        dry_run: migration.dry_run,
        field_manager: None,
    };
    let place = beside(migration, target, &object);
    match place.replace(&key.name, &params, &object).await {
        Ok(_) => Ok(Outcome::Written),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(Outcome::Passed),
        // The server judged this object; others may well pass.
        Err(kube::Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => {
            Ok(Outcome::Failed(Failure {
                object: key,
                message: status.message.clone(),
            }))
        }
        Err(error) => Err(request(format!("write {key} of {}", target.name))(error)),
    }
}
