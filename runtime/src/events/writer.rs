//! The task that writes a recorder's events.
//!
//! **Invariant:** one series is one Event object, across restarts of the controller too where it may read Events; no
//! occurrence counts twice, and one that is not written is logged.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event as ApiEvent, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Event, EventType};
use crate::backoff::Backoff;
use crate::queue::{Bucket, TokenBucket};

pub(super) enum Message {
    Happened(Box<Occurrence>),
    Flush(oneshot::Sender<()>),
}

pub(super) struct Occurrence {
    pub(super) regarding: ObjectReference,
    pub(super) event: Event,
    /// In microseconds, as the server stores it: an Event of our own is told by it.
    pub(super) at: jiff::Timestamp,
}

/// What makes two occurrences the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    uid: String,
    kind: String,
    namespace: String,
    name: String,
    type_: EventType,
    reason: String,
    action: String,
    note: String,
    related: String,
}

/// One Event object and what it does not say yet.
struct Series {
    occurrence: Occurrence,
    /// Occurrences in all, those before a restart included once they are known.
    count: i32,
    last: jiff::Timestamp,
    seen: Instant,
    /// Name of the Event, once it exists.
    name: Option<String>,
    /// Whether it waits in `dirty`.
    queued: bool,
}

pub(super) struct Writer {
    client: kube::Client,
    controller: String,
    instance: String,
    series: HashMap<Key, Series>,
    dirty: VecDeque<Key>,
    /// New Events per object.
    new_events: HashMap<String, Bucket>,
    writes: Bucket,
    swept: Instant,
}

/// How long a series is remembered after its last occurrence: as long as servers keep an Event by default. A
/// shorter window would begin a new Event for each retry at the long end of a controller's backoff.
const REMEMBERED: Duration = Duration::from_secs(3600);
const RETRY: Backoff =
    Backoff::exponential(Duration::from_millis(500), Duration::from_secs(10)).with_jitter(0.5);
/// client-go: `maxTriesPerEvent`.
const TRIES: u32 = 12;

impl Writer {
    pub(super) fn new(client: kube::Client, controller: String, instance: String) -> Self {
        let now = Instant::now();
        let writes = TokenBucket {
            per_second: 20.0,
            burst: 100,
        };
        Self {
            client,
            controller,
            instance,
            series: HashMap::new(),
            dirty: VecDeque::new(),
            new_events: HashMap::new(),
            writes: Bucket::new(writes, now),
            swept: now,
        }
    }

    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut flushes: Vec<oneshot::Sender<()>> = Vec::new();
        loop {
            // What happened meanwhile is taken in before the next write, so that a slow server sees one patch for
            // many occurrences.
            while let Ok(message) = messages.try_recv() {
                self.take_in(message, &mut flushes);
            }
            if let Some(key) = self.dirty.pop_front() {
                self.write(&key).await;
                continue;
            }
            for flush in flushes.drain(..) {
                // Whoever waited may have given up.
                let _ = flush.send(());
            }
            match messages.recv().await {
                Some(message) => self.take_in(message, &mut flushes),
                None => return,
            }
        }
    }

    fn take_in(&mut self, message: Message, flushes: &mut Vec<oneshot::Sender<()>>) {
        let occurrence = match message {
            Message::Happened(occurrence) => *occurrence,
            Message::Flush(flush) => return flushes.push(flush),
        };
        let now = Instant::now();
        self.sweep(now);
        let key = key_of(&occurrence);
        if let Some(series) = self.series.get_mut(&key) {
            series.count = series.count.saturating_add(1);
            series.last = occurrence.at;
            series.seen = now;
            if !std::mem::replace(&mut series.queued, true) {
                self.dirty.push_back(key);
            }
            return;
        }
        let object = format!("{} {}/{} {}", key.kind, key.namespace, key.name, key.uid);
        let per_object = TokenBucket {
            per_second: 1.0 / 300.0,
            burst: 25,
        };
        let bucket = self
            .new_events
            .entry(object)
            .or_insert_with(|| Bucket::new(per_object, now));
        if !bucket.try_take(now) {
            tracing::warn!(
                controller = %self.controller,
                object.kind = %key.kind,
                object.namespace = %key.namespace,
                object.name = %key.name,
                reason = %key.reason,
                note = %key.note,
                "event is not written: too many different ones about this object"
            );
            return;
        }
        let series = Series {
            last: occurrence.at,
            occurrence,
            count: 1,
            seen: now,
            name: None,
            queued: true,
        };
        self.series.insert(key.clone(), series);
        self.dirty.push_back(key);
    }

    /// Forgets what is long past.
    fn sweep(&mut self, now: Instant) {
        if now - self.swept < Duration::from_secs(60) {
            return;
        }
        self.swept = now;
        self.series
            .retain(|_, series| series.queued || now - series.seen < REMEMBERED);
        self.new_events.retain(|_, bucket| !bucket.is_full(now));
    }

    async fn write(&mut self, key: &Key) {
        let wait = self.writes.take(Instant::now());
        tokio::time::sleep(wait).await;
        let Some(series) = self.series.get_mut(key) else {
            return;
        };
        series.queued = false;
        let namespace = match key.namespace.as_str() {
            // Events about cluster-scoped objects stand in `default`, as client-go's.
            "" => "default",
            namespace => namespace,
        };
        let api: Api<ApiEvent> = Api::namespaced(self.client.clone(), namespace);
        let mut attempt = 0;
        let failure = loop {
            let written = match &series.name {
                Some(name) => grow(&api, name, series).await,
                None => begin(&api, key, series, &self.controller, &self.instance).await,
            };
            let error = match written {
                Ok(Wrote::Created(name)) => {
                    series.name = Some(name);
                    return;
                }
                Ok(Wrote::Grown) => return,
                Ok(Wrote::Joined { name, before }) => {
                    series.name = Some(name);
                    series.count = series.count.saturating_add(before);
                    None
                }
                Ok(Wrote::Missing) => {
                    // It expired or was deleted: the series goes on in a new Event.
                    series.name = None;
                    None
                }
                Err(error) => Some(error),
            };
            attempt += 1;
            if attempt == TRIES || error.as_ref().is_some_and(|error| !is_passing(error)) {
                break error;
            }
            if error.is_some() {
                tokio::time::sleep(RETRY.jittered(attempt - 1)).await;
            }
        };
        tracing::error!(
            controller = %self.controller,
            object.kind = %key.kind,
            object.namespace = %key.namespace,
            object.name = %key.name,
            reason = %key.reason,
            note = %key.note,
            error = failure.as_ref().map_or("its Event came and went each time".to_owned(), ToString::to_string),
            "event could not be written"
        );
        if series.name.is_none() {
            self.series.remove(key);
        }
    }
}

fn is_passing(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code == 409 || status.code >= 500,
        _ => true,
    }
}

fn is_code<T>(result: &Result<T, kube::Error>, code: u16) -> bool {
    matches!(result, Err(kube::Error::Api(status)) if status.code == code)
}

enum Wrote {
    Created(String),
    /// An Event of this series exists from before a restart, or from a create whose answer was lost.
    Joined {
        name: String,
        before: i32,
    },
    Grown,
    Missing,
}

async fn begin(
    api: &Api<ApiEvent>,
    key: &Key,
    series: &Series,
    controller: &str,
    instance: &str,
) -> Result<Wrote, kube::Error> {
    // Two different series of one name are possible in theory; each salt is another name.
    for salt in 0..4_u8 {
        let event = event_of(key, series, controller, instance, &[salt]);
        let name = event.metadata.name.clone().unwrap_or_default();
        if create(api, &event).await? {
            return Ok(Wrote::Created(name));
        }
        let found = api.get_opt(&name).await;
        if is_code(&found, 403) {
            return begin_unread(api, key, series, controller, instance).await;
        }
        let Some(found) = found? else {
            return Ok(Wrote::Missing);
        };
        if found.reporting_controller == event.reporting_controller
            && found.regarding.as_ref().and_then(|object| object.uid.as_ref())
                == event.regarding.as_ref().and_then(|object| object.uid.as_ref())
            && found.reason == event.reason
            && found.action == event.action
            && found.type_ == event.type_
            && found.note == event.note
        {
            let before = match &found.series {
                // Our own create, whose answer was lost: `series` counts it already.
                _ if found.event_time == event.event_time => 0,
                Some(series) => series.count,
                None => 1,
            };
            return Ok(Wrote::Joined { name, before });
        }
    }
    let status = kube::core::Status::failure("no free name for the event", "AlreadyExists");
    Err(kube::Error::Api(status.boxed()))
}

/// Begins an Event where the usual name is taken and nobody may see by whom, as with the rights to create and to
/// patch that controllers commonly have. The time in its name tells it from that of a predecessor; whoever took it
/// can only be a create of ours, whose answer was lost.
async fn begin_unread(
    api: &Api<ApiEvent>,
    key: &Key,
    series: &Series,
    controller: &str,
    instance: &str,
) -> Result<Wrote, kube::Error> {
    let salt = series.occurrence.at.as_microsecond().to_be_bytes();
    let event = event_of(key, series, controller, instance, &salt);
    create(api, &event).await?;
    Ok(Wrote::Created(event.metadata.name.unwrap_or_default()))
}

/// Whether the name was free.
async fn create(api: &Api<ApiEvent>, event: &ApiEvent) -> Result<bool, kube::Error> {
    let created = api.create(&PostParams::default(), event).await;
    if is_code(&created, 409) {
        return Ok(false);
    }
    created.map(|_| true)
}

async fn grow(api: &Api<ApiEvent>, name: &str, series: &Series) -> Result<Wrote, kube::Error> {
    if series.count < 2 {
        return Ok(Wrote::Grown);
    }
    let patch = serde_json::json!({"series": series_of(series)});
    let patched = api
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    if is_code(&patched, 404) {
        return Ok(Wrote::Missing);
    }
    patched.map(|_| Wrote::Grown)
}

fn series_of(series: &Series) -> EventSeries {
    EventSeries {
        count: series.count,
        last_observed_time: MicroTime(series.last),
    }
}

fn event_of(key: &Key, series: &Series, controller: &str, instance: &str, salt: &[u8]) -> ApiEvent {
    let Occurrence { regarding, event, at } = &series.occurrence;
    let namespace = match key.namespace.as_str() {
        "" => "default",
        namespace => namespace,
    };
    ApiEvent {
        metadata: ObjectMeta {
            name: Some(name_of(key, controller, salt)),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(*at)),
        reporting_controller: Some(controller.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        action: Some(event.action.clone()),
        reason: Some(event.reason.clone()),
        regarding: Some(regarding.clone()),
        related: event.related.clone(),
        note: Some(event.note.clone()),
        type_: Some(event.type_.as_str().to_owned()),
        series: (series.count > 1).then(|| series_of(series)),
        ..ApiEvent::default()
    }
}

fn key_of(occurrence: &Occurrence) -> Key {
    let Occurrence { regarding, event, .. } = occurrence;
    let related = event.related.as_ref().map(|object| {
        format!(
            "{:?} {:?} {:?} {:?}",
            object.kind, object.namespace, object.name, object.uid
        )
    });
    Key {
        uid: regarding.uid.clone().unwrap_or_default(),
        kind: regarding.kind.clone().unwrap_or_default(),
        namespace: regarding.namespace.clone().unwrap_or_default(),
        name: regarding.name.clone().unwrap_or_default(),
        type_: event.type_,
        reason: event.reason.clone(),
        action: event.action.clone(),
        note: event.note.clone(),
        related: related.unwrap_or_default(),
    }
}

/// The object's name and a digest of the series, as a DNS subdomain.
fn name_of(key: &Key, controller: &str, salt: &[u8]) -> String {
    let mut digest = Fnv::new();
    let parts = [
        controller,
        &key.uid,
        &key.kind,
        &key.namespace,
        &key.name,
        key.type_.as_str(),
        &key.reason,
        &key.action,
        &key.note,
        &key.related,
    ];
    for part in parts {
        digest.add(part.as_bytes());
        digest.add(&[0xff]);
    }
    digest.add(salt);
    // Some kinds allow names that an Event's own name may not have, such as `system:node`.
    let lower = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-') => c,
        '.' => '.',
        _ => '-',
    };
    let mut name: String = key.name.chars().map(lower).collect();
    super::truncate(&mut name, 200);
    let name: Vec<_> = name
        .split('.')
        .map(|label| label.trim_matches('-'))
        .filter(|label| !label.is_empty())
        .collect();
    let name = name.join(".");
    let digest = digest.0;
    if name.is_empty() {
        format!("{digest:016x}")
    } else {
        format!("{name}.{digest:016x}")
    }
}

/// FNV-1a: a digest that stays the same across versions of Rust and of this crate, which `std`'s does not promise.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str, note: &str) -> Key {
        Key {
            uid: "1".into(),
            kind: "ClusterRole".into(),
            namespace: String::new(),
            name: name.into(),
            type_: EventType::Normal,
            reason: "R".into(),
            action: "A".into(),
            note: note.into(),
            related: String::new(),
        }
    }

    /// apimachinery: `IsDNS1123Subdomain`.
    fn is_subdomain(name: &str) -> bool {
        let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        name.len() <= 253
            && name.split('.').all(|label| {
                let bytes = label.as_bytes();
                bytes.first().copied().is_some_and(inside)
                    && bytes.last().copied().is_some_and(inside)
                    && bytes.iter().all(|byte| inside(*byte) || *byte == b'-')
            })
    }

    proptest! {
        #[test]
        fn names_are_dns_subdomains(name in any::<String>(), long in "[a-zA-Z0-9:._-]{0,253}", note in any::<String>()) {
            for name in [name, long] {
                let given = name_of(&key(&name, &note), "c", &[0]);
                prop_assert!(is_subdomain(&given), "{given:?} for {name:?}");
                prop_assert_ne!(given, name_of(&key(&name, &note), "c", &[1]));
            }
        }
    }

    #[test]
    fn names_stay_the_same_across_versions() {
        let name = name_of(&key("system:node", "note"), "c", &[0]);
        assert_eq!(name, "system-node.672e0e039ed16ef8");
    }
}
