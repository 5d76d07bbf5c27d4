//! Events about objects, for `kubectl get events` and `kubectl describe`. client-go: `tools/events`.
//!
//! What happens again becomes a growing `series.count` of one Event, not another Event: the same controller, object,
//! type, reason, action and note. The name of an Event is derived from these, so that a restarted controller goes on
//! with the series of its predecessor.
//!
//! A controller needs the verbs `create` and `patch` for `events` of `events.k8s.io`, in the namespaces of its objects
//! and, for objects without one, in `default`. With `get` besides it finds the series of its predecessor; without,
//! it begins one Event more after each restart.
//!
//! The deprecated fields (`deprecatedCount`, `deprecatedSource`, …) stay empty, as the server demands of new Events
//! in `events.k8s.io/v1`; kubectl reads the series instead.
//!
//! **Invariant:** recording never waits and never fails; what cannot be written is logged.

mod writer;

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::GroupVersionKind;
use tokio::sync::{mpsc, oneshot};

use crate::cache::{Cached, kind_of};
use crate::client::AsClient;
use crate::rbac::Rules;
use writer::{Message, Occurrence, Writer};

/// How serious an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// Something went as it should.
    Normal,
    /// Something may go wrong, or did.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// How serious it is.
    pub type_: EventType,
    /// Why, as one CamelCase word for machines; at most 128 bytes.
    pub reason: String,
    /// What the controller did or tried, as one CamelCase word; at most 128 bytes.
    pub action: String,
    /// What happened, for people; at most 1024 bytes, what is beyond is cut off.
    pub note: String,
    /// Another object that takes part.
    pub related: Option<ObjectReference>,
}

/// Records events of one controller; cloning is cheap and gives the same recorder.
///
/// Events are written by a task of its own, at most 20 per second after the first 100, in the order in which they
/// happened. One object gets at most 25 new Events at once and one more each five minutes, as with client-go's spam
/// filter; the growth of a series is not limited by that.
#[derive(Clone)]
pub struct EventRecorder {
    sender: mpsc::Sender<Message>,
    controller: String,
}

impl fmt::Debug for EventRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecorder")
            .field("controller", &self.controller)
            .finish_non_exhaustive()
    }
}

/// Events that may wait to be written.
const QUEUE: usize = 1000;

impl EventRecorder {
    /// A recorder whose events say `controller` as `reportingController`: a qualified name, at most 253 bytes.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(client: &impl AsClient, controller: impl Into<String>) -> Self {
        let controller = controller.into();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = Writer::new(
            client.as_client().clone(),
            controller.clone(),
            instance(&controller),
        );
        tokio::spawn(writer.run(receiver));
        Self { sender, controller }
    }

    /// What recorders do: make and patch Events, and look for that of a series, in a namespace or in all of them.
    pub fn rules(namespace: Option<&str>) -> Rules {
        Rules::of::<k8s_openapi::api::events::v1::Event>(namespace, &["create", "get", "patch"])
    }

    /// Records that something went as it should: `reason` and `action` are one CamelCase word each.
    ///
    /// An object of a kind that is known at run time alone has to say its kind, as those in caches do.
    pub fn normal<K: Cached>(&self, regarding: &K, reason: &str, action: &str, note: impl Into<String>) {
        self.simple(regarding, EventType::Normal, reason, action, note.into());
    }

    /// Records that something may go wrong, or did.
    pub fn warning<K: Cached>(&self, regarding: &K, reason: &str, action: &str, note: impl Into<String>) {
        self.simple(regarding, EventType::Warning, reason, action, note.into());
    }

    fn simple<K: Cached>(&self, regarding: &K, type_: EventType, reason: &str, action: &str, note: String) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            action: action.to_owned(),
            note,
            related: None,
        };
        let kind = kind_of(regarding);
        let meta = regarding.meta().clone();
        let regarding = ObjectReference {
            api_version: kind.as_ref().map(GroupVersionKind::api_version),
            kind: kind.map(|kind| kind.kind),
            name: meta.name,
            namespace: meta.namespace,
            resource_version: meta.resource_version,
            uid: meta.uid,
            field_path: None,
        };
        self.record(regarding, event);
    }

    /// Records an event about any object.
    pub fn record(&self, regarding: ObjectReference, mut event: Event) {
        truncate(&mut event.note, 1024);
        truncate(&mut event.reason, 128);
        truncate(&mut event.action, 128);
        let occurrence = Occurrence {
            regarding,
            event,
            at: now(),
        };
        if let Err(error) = self.sender.try_send(Message::Happened(Box::new(occurrence))) {
            let Message::Happened(lost) = error.into_inner() else {
                return;
            };
            tracing::error!(
                controller = %self.controller,
                object.kind = lost.regarding.kind.as_deref().unwrap_or_default(),
                object.name = lost.regarding.name.as_deref().unwrap_or_default(),
                reason = %lost.event.reason,
                note = %lost.event.note,
                "event is lost: too many wait to be written"
            );
        }
    }

    /// Waits until what was recorded is written or given up, at most for `deadline`; whether it was.
    pub async fn flush(&self, deadline: Duration) -> bool {
        let (sender, receiver) = oneshot::channel();
        let flushed =
            async { self.sender.send(Message::Flush(sender)).await.is_ok() && receiver.await.is_ok() };
        tokio::time::timeout(deadline, flushed).await.unwrap_or(false)
    }
}

/// The present microsecond: what the server stores, so that an Event that comes back equals what was sent.
fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now().as_microsecond();
    jiff::Timestamp::from_microsecond(now).expect("a timestamp without its nanoseconds is a timestamp")
}

/// Cuts `text` at a character boundary.
fn truncate(text: &mut String, max: usize) {
    if text.len() > max {
        let end = (0..=max)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
}

/// `reportingInstance`: the controller on its host, at most 128 bytes.
fn instance(controller: &str) -> String {
    let host = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map(|host| host.trim().to_owned())
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| std::process::id().to_string());
    let mut instance = format!("{controller}-{host}");
    truncate(&mut instance, 128);
    instance
}
