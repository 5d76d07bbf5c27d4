//! Watches: a stream of events, one JSON document per line.
//!
//! **Invariant:** every change after the start is sent once and in order, also where the watch then ends with its
//! resource. A watch is a reader of the store's history, pulled by its client: what it holds are references into that
//! history and one part of the body, so a slow client costs little memory and delays nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http::{Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Call;
use super::convert::Served;
use super::list::Filter;
use crate::engine::body::stream as streaming;
use crate::engine::query::{ListOptions, VersionMatch};
use crate::engine::{Body, Disconnected, Ending, Engine};
use crate::negotiate::{Encoding, Target};
use crate::registry::ResourceInfo;
use crate::status::{ApiError, Result};
use crate::storage::{Batch, Change, ChangeKind, Changes, ListRequest, StorageError};
use crate::table::{Tabulator, partial};

/// How often a watch that wants bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The last bookmark comes this long before the end.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// Least time that a watch runs when it names none; upstream's `--min-request-timeout`.
const LEAST: Duration = Duration::from_secs(1800);
/// A part of the body ends with the event that takes it past so many bytes.
const PART: usize = 128 * 1024;

impl Call<'_> {
    pub(super) async fn watch(&self, options: ListOptions) -> Result<Response<Body>> {
        let filter = self.filter(&options)?;
        let storage = self.engine.storage();
        let failed = |error| self.storage_error("", error);
        let ending = self.engine.ending();
        let wants_state = options.send_initial_events == Some(true)
            || options.send_initial_events.is_none() && options.resource_version.unwrap_or(0) == 0;
        let mut initial = VecDeque::new();
        let mut start = options.resource_version.unwrap_or(0);
        if wants_state {
            let current = storage.revision().await.map_err(failed)?;
            if start > current {
                return Err(ApiError::resource_version_too_large(start, current));
            }
            let page = storage
                .list(ListRequest {
                    prefix: &filter.prefix,
                    ..ListRequest::default()
                })
                .await
                .map_err(failed)?;
            start = page.revision;
            let objects = self.engine.all_served(&self.info, page.entries).await?;
            initial.extend(objects.into_iter().filter(|served| filter.matches(served)));
        } else if start == 0 {
            // `sendInitialEvents=false` without a version begins now.
            start = storage.revision().await.map_err(failed)?;
        }
        let changes = match storage.watch(&filter.prefix, start).await {
            Ok(changes) => Some(changes),
            Err(StorageError::Compacted { .. }) => None,
            Err(error) => return Err(failed(error)),
        };
        let clock = self.engine.clock();
        let end = clock.after(
            options
                .timeout
                .unwrap_or_else(|| LEAST + LEAST.mul_f64(fraction())),
        );
        let mut registry = self.engine.registry().changes();
        // It may have changed since the request was routed.
        registry.mark_changed();
        let mut watch = Watch {
            engine: self.engine.clone(),
            info: self.info.clone(),
            target: self.agreed.target,
            tabulator: self.tabulator(),
            filter,
            ending,
            state: State::Running,
            end,
            bookmarks: options.bookmarks,
            next_bookmark: self.engine.clock().after(BOOKMARK_EVERY),
            last_bookmark_sent: false,
            bookmark_due: false,
            closes_initial: options.send_initial_events == Some(true)
                && options.version_match == Some(VersionMatch::NotOlderThan),
            initial,
            pending: VecDeque::new(),
            through: start,
            changes: Box::new(Exhausted),
            registry,
        };
        match changes {
            Some(changes) => watch.changes = changes,
            None => watch.state = State::Failing(too_old(start)),
        }
        let parts = stream::unfold(watch, |mut watch| async move {
            let part = watch.part().await?;
            Some((part, watch))
        });
        let mut response = Response::new(streaming(parts));
        *response.status_mut() = StatusCode::OK;
        let content_type = Encoding::Json.media_type();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        Ok(response)
    }
}

fn too_old(asked: u64) -> ApiError {
    ApiError::expired(format!("too old resource version: {asked}"))
}

/// A random number in 0..1, so that watches do not all end together.
fn fraction() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

/// Stands in where no history is read.
struct Exhausted;

impl Changes for Exhausted {
    fn next(&mut self) -> crate::storage::Pending<'_, Batch> {
        Box::pin(std::future::pending())
    }

    fn progress(&mut self) -> crate::storage::Pending<'_, Batch> {
        Box::pin(std::future::pending())
    }
}

enum State {
    Running,
    /// The resource is no longer served: the changes up to this revision are still sent.
    Closing(u64),
    /// One last event, then the end.
    Failing(ApiError),
    Ended,
}

struct Watch {
    engine: Engine,
    info: Arc<ResourceInfo>,
    target: Target,
    /// Makes the rows of a watch of tables; columns come with its first event alone.
    tabulator: Tabulator,
    filter: Filter,
    ending: Ending,
    state: State,
    end: Timestamp,
    bookmarks: bool,
    next_bookmark: Timestamp,
    last_bookmark_sent: bool,
    /// Whether a bookmark follows on what is pending.
    bookmark_due: bool,
    /// Whether the end of the present state is still to be announced.
    closes_initial: bool,
    initial: VecDeque<Served>,
    /// Changes that were read and not yet sent.
    pending: VecDeque<Arc<Change>>,
    /// All changes up to here have been sent or are pending.
    through: u64,
    changes: Box<dyn Changes>,
    registry: tokio::sync::watch::Receiver<()>,
}

impl Watch {
    /// Takes the resource's present entry; false where it is no longer served.
    fn follow_registry(&mut self) -> bool {
        let snapshot = self.engine.registry().snapshot();
        match snapshot.get(&self.info.gvr) {
            Some(info) if info.is_same_resource(&self.info) => {
                self.info = info.clone();
                self.filter.info = info.clone();
                true
            }
            _ => false,
        }
    }

    /// The next part of the body; `None` ends it.
    async fn part(&mut self) -> Option<Result<Bytes, Disconnected>> {
        let clock = self.engine.clock_handle();
        loop {
            // What is due by the clock comes first: changes that never cease must not hold it up.
            let now = clock.now();
            if now >= self.end {
                return None;
            }
            if let Some(part) = self.initial_part() {
                return Some(Ok(part));
            }
            if let Some(part) = self.pending_part().await {
                return Some(Ok(part));
            }
            if std::mem::take(&mut self.closes_initial) {
                return Some(Ok(self.bookmark(true)));
            }
            if std::mem::take(&mut self.bookmark_due) {
                return Some(Ok(self.bookmark(false)));
            }
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return None,
                State::Failing(error) => return Some(Ok(error_line(&error))),
                State::Closing(revision) if self.through >= revision => return None,
                State::Closing(revision) => {
                    self.state = State::Closing(revision);
                    let batch = self.changes.progress().await;
                    self.take(batch);
                    continue;
                }
                State::Running => self.state = State::Running,
            }
            let wake = match self.bookmarks {
                true => self.next_bookmark.min(self.bookmark_before_end()).min(self.end),
                false => self.end,
            };
            if now >= wake {
                self.next_bookmark = clock.after(BOOKMARK_EVERY);
                self.last_bookmark_sent |= now >= self.bookmark_before_end();
                // Changes first: a bookmark says that all before it has been sent.
                let batch = self.changes.progress().await;
                self.bookmark_due = batch.is_ok();
                self.take(batch);
                continue;
            }
            tokio::select! {
                biased;
                cut = self.ending.wait() => {
                    self.state = State::Ended;
                    return cut.then_some(Err(Disconnected));
                }
                _ = self.registry.changed() => {
                    // A resource that is no longer served ends its watches (API-79), after its last changes: they were
                    // stored before it was withdrawn.
                    if !self.follow_registry() {
                        self.state = match self.engine.storage().revision().await {
                            Ok(revision) => State::Closing(revision),
                            Err(_) => State::Ended,
                        };
                    }
                }
                batch = self.changes.next() => self.take(batch),
                () = clock.sleep_until(wake) => {}
            }
        }
    }

    fn take(&mut self, batch: Result<Batch, StorageError>) {
        match batch {
            Ok(batch) => {
                self.through = batch.through;
                self.pending.extend(batch.changes);
            }
            Err(error) => {
                if !matches!(error, StorageError::Compacted { .. }) {
                    tracing::error!(%error, "a watch ends");
                }
                // It fell behind the history: the client begins again.
                self.state = State::Failing(too_old(self.through));
            }
        }
    }

    fn initial_part(&mut self) -> Option<Bytes> {
        let mut part = BytesMut::new();
        while part.len() < PART
            && let Some(served) = self.initial.pop_front()
        {
            part.extend_from_slice(&line("ADDED", &self.render(&served)));
        }
        (!part.is_empty()).then(|| part.freeze())
    }

    async fn pending_part(&mut self) -> Option<Bytes> {
        let mut part = BytesMut::new();
        while part.len() < PART
            && let Some(change) = self.pending.pop_front()
        {
            let event = match self.event(&change).await {
                Ok(Some(event)) => event,
                Ok(None) => continue,
                Err(error) => {
                    // What comes after an event that cannot be shown is none of this watch's any more.
                    self.pending.clear();
                    self.state = State::Failing(error);
                    break;
                }
            };
            if part.is_empty() && self.pending.is_empty() {
                // All watches share the bytes of a single change.
                return Some(event);
            }
            part.extend_from_slice(&event);
        }
        (!part.is_empty()).then(|| part.freeze())
    }

    /// An object in the agreed form.
    fn render(&mut self, served: &Served) -> Bytes {
        match self.target {
            Target::Object => served.json(&self.info),
            Target::Table => {
                let object = &*served.object(&self.info);
                let now = self.engine.clock().now();
                encode(&self.tabulator.table(&object["metadata"], [object], now))
            }
            _ => encode(&partial(served.with_metadata())),
        }
    }

    fn bookmark_before_end(&self) -> Timestamp {
        match self.last_bookmark_sent {
            true => Timestamp::MAX,
            false => self
                .end
                .checked_sub(jiff::SignedDuration::from_secs(
                    BOOKMARK_BEFORE_END.as_secs() as i64
                ))
                .unwrap_or(self.end),
        }
    }

    fn bookmark(&self, initial_events_end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": self.through.to_string()});
        if initial_events_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let (kind, api_version) = match self.target {
            Target::Object => (self.info.kind.as_str(), self.info.gvr.api_version()),
            Target::Table => ("Table", "meta.k8s.io/v1".to_owned()),
            _ => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
        };
        let object = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        line("BOOKMARK", &encode(&object))
    }

    /// What a change is to this watch's selectors (API-30).
    async fn event(&mut self, change: &Change) -> Result<Option<Bytes>> {
        let natural = match change.kind {
            ChangeKind::Created => "ADDED",
            ChangeKind::Updated => "MODIFIED",
            ChangeKind::Deleted => "DELETED",
        };
        let engine = self.engine.clone();
        let served = engine.served(&self.info, change.entry.clone()).await?;
        if self.filter.is_everything && self.target == Target::Object {
            let event = change.line(&self.info, || line(natural, &served.json(&self.info)));
            return Ok(Some(event));
        }
        let is = change.kind != ChangeKind::Deleted && self.filter.matches(&served);
        let previous = match &change.previous {
            Some(previous) => Some(engine.served(&self.info, previous.clone()).await?),
            None => None,
        };
        let previous = previous.filter(|previous| self.filter.matches(previous));
        Ok(match (previous, is) {
            (None, false) => None,
            (None, true) => Some(line("ADDED", &self.render(&served))),
            (Some(_), true) => Some(line("MODIFIED", &self.render(&served))),
            (Some(_), false) if change.kind == ChangeKind::Deleted => {
                Some(line("DELETED", &self.render(&served)))
            }
            // It left the selection: its last form inside it, at the revision of the change that took it out.
            (Some(previous), false) => {
                let last = previous.at(change.revision());
                Some(line("DELETED", &self.render(&last)))
            }
        })
    }
}

fn error_line(error: &ApiError) -> Bytes {
    line("ERROR", &encode(&error.to_value()))
}

fn encode(value: &Value) -> Bytes {
    Encoding::Json.encode(value)
}

fn line(type_: &str, object: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(object.len() + type_.len() + 24);
    line.put_slice(br#"{"type":""#);
    line.put_slice(type_.as_bytes());
    line.put_slice(br#"","object":"#);
    line.put_slice(object);
    line.put_slice(b"}\n");
    line.freeze()
}
