//! What a cache watches, and how.

use std::time::Duration;

use super::keeping::KeepDecoded;
use super::target::Target;
use super::trim::Trim;
use crate::backoff::Backoff;
use crate::kind::Kind;
use crate::rbac::Rules;

/// Which objects of a kind are watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WatchScope {
    /// One namespace; all where absent. Must be absent for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Label selector, as the server takes it.
    pub labels: Option<String>,
    /// Field selector, as the server takes it.
    pub fields: Option<String>,
}

impl WatchScope {
    /// All objects.
    pub fn all() -> Self {
        Self::default()
    }

    /// The objects of one namespace.
    pub fn namespace(namespace: impl Into<String>) -> Self {
        Self {
            namespace: Some(namespace.into()),
            ..Self::default()
        }
    }

    /// Only objects whose labels match.
    pub fn labels(mut self, selector: impl Into<String>) -> Self {
        self.labels = Some(selector.into());
        self
    }

    /// What a cache of this scope does: list and watch. A field selector for one name leaves nothing but that object.
    pub fn rules<K: Kind>(&self) -> Rules {
        Target::of::<K>().rules(std::slice::from_ref(self))
    }

    /// The one name that its field selector leaves.
    pub(super) fn name(&self) -> Option<&str> {
        let mut selectors = self.fields.as_deref().unwrap_or_default().split(',');
        let name = selectors.find_map(|selector| selector.strip_prefix("metadata.name="))?;
        Some(name.strip_prefix('=').unwrap_or(name))
    }

    /// Only objects whose fields match.
    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.fields = Some(selector.into());
        self
    }
}

/// How the first state is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum InitialState {
    /// As the beginning of the watch (`sendInitialEvents`, KEP-3157), which costs the server least; in pages where
    /// the server does not know that or does not get to the end of it.
    #[default]
    WatchList,
    /// In pages.
    Pages,
}

/// How a reflector lists and watches.
#[derive(Clone, Debug)]
pub struct ReflectorConfig {
    /// How the first state is fetched. Default [`InitialState::WatchList`].
    pub initial: InitialState,
    /// Objects per page of a list; `None` asks for all at once. Default 500, as client-go's pager.
    pub page_size: Option<u32>,
    /// Delays after failures. Default [`Backoff::reflector`]; begins anew after two quiet minutes, and where a
    /// connection breaks that had brought something.
    pub backoff: Backoff,
    /// How long a request may go without an answer (for a list: without its whole page). Default 60 s.
    pub request_timeout: Duration,
    /// After how long the server is asked to end a watch, up to as much again at random. Default 5 min, as
    /// client-go.
    pub watch_timeout: Duration,
    /// After how long without a byte a watch is given up and taken up again, so that a connection that died
    /// without a word is noticed. Default 150 s: servers send bookmarks about each minute.
    pub idle_timeout: Duration,
    /// How long [`InitialState::WatchList`] may bring no further object before everything is listed in pages
    /// instead. Default 30 s. client-go waits as long as the server does, and warns every 10 s.
    pub initial_timeout: Duration,
    /// What is left out of the objects.
    pub trim: Trim,
    /// How many objects the cache keeps ready to be read; the others are packed. Default 16 MiB of them.
    pub keep_decoded: KeepDecoded,
}

impl Default for ReflectorConfig {
    fn default() -> Self {
        Self {
            initial: InitialState::default(),
            page_size: Some(500),
            backoff: Backoff::reflector(),
            request_timeout: Duration::from_secs(60),
            watch_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(150),
            initial_timeout: Duration::from_secs(30),
            trim: Trim::default(),
            keep_decoded: KeepDecoded::default(),
        }
    }
}
