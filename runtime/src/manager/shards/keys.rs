//! Which keys are this process's now, asked by its controllers.
//!
//! **Invariant:** work on a key begins only while the votes give it, and who looks whether all work on lost keys has ended
//! does so by the votes of that moment: both under one lock.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::super::leadership::Leadership;
use super::view::{Place, View, Votes};
use crate::kind::ObjectKey;

/// The keys of a group's member, as [`Shards`](super::Shards) gives them; cloning gives the same.
///
/// Before the process has joined, and after its term, no key is its own.
#[derive(Clone)]
pub struct ShardKeys {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes who waits for work on lost keys to end.
    ended: Notify,
    /// Whether the term lasts; reads the clocks, and so holds in a process that was stopped for a while.
    leadership: Option<Leadership>,
}

struct State {
    votes: Arc<Votes>,
    /// The members among which the keys are about to be spread, and which of them this is.
    target: View,
    member: Arc<str>,
    working: HashMap<u64, (Place, CancellationToken)>,
    numbers: u64,
    listeners: Vec<UnboundedSender<Arc<Votes>>>,
}

impl State {
    fn comes(&self, place: Place) -> bool {
        self.target.owner(place) == Some(&*self.member)
    }

    fn lost(&self) -> impl Iterator<Item = &CancellationToken> {
        let lost = self
            .working
            .values()
            .filter(|(place, _)| !self.votes.give(*place));
        lost.map(|(_, cut)| cut)
    }
}

/// Why work on a key may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotMine {
    /// It is another member's.
    Others,
    /// It is about to become this one's.
    Soon,
}

impl fmt::Debug for ShardKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ShardKeys")
            .field("member", &state.member)
            .field("target", &state.target)
            .finish_non_exhaustive()
    }
}

impl ShardKeys {
    pub(super) fn new(leadership: Option<Leadership>) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    votes: Arc::new(Votes::none("")),
                    target: View::nobody(),
                    member: "".into(),
                    working: HashMap::new(),
                    numbers: 0,
                    listeners: Vec::new(),
                }),
                ended: Notify::new(),
                leadership,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a key is this process's now. It may be another's a moment later: a controller that has the keys holds on to
    /// them while it works, who only asks does not.
    pub fn owns(&self, key: &ObjectKey) -> bool {
        self.state().votes.give(Place::of(key)) && self.is_member()
    }

    fn is_member(&self) -> bool {
        let leadership = self.shared.leadership.as_ref();
        leadership.is_none_or(Leadership::is_leader)
    }

    /// Whether a key is this process's, or about to become so.
    pub(crate) fn wants(&self, key: &ObjectKey) -> bool {
        let (place, state) = (Place::of(key), self.state());
        state.votes.give(place) || state.comes(place)
    }

    /// Begins work on a key, which holds the key here until it ends.
    pub(crate) fn begin(&self, key: &ObjectKey) -> Result<Working, NotMine> {
        let place = Place::of(key);
        if !self.is_member() {
            return Err(NotMine::Others);
        }
        let mut state = self.state();
        if !state.votes.give(place) {
            return Err(if state.comes(place) {
                NotMine::Soon
            } else {
                NotMine::Others
            });
        }
        state.numbers += 1;
        let (number, cut) = (state.numbers, CancellationToken::new());
        state.working.insert(number, (place, cut.clone()));
        Ok(Working {
            keys: self.clone(),
            number,
            cut,
        })
    }

    /// The votes of now, and each change of them from now on.
    pub(crate) fn listen(&self) -> (Arc<Votes>, UnboundedReceiver<Arc<Votes>>) {
        let (sender, receiver) = unbounded_channel();
        let mut state = self.state();
        state.listeners.push(sender);
        (Arc::clone(&state.votes), receiver)
    }

    /// The votes have changed.
    pub(super) fn set(&self, member: &str, votes: &Votes, target: &View) {
        let mut state = self.state();
        if *state.member != *member {
            state.member = member.into();
        }
        if state.target != *target {
            state.target = target.clone();
        }
        if *state.votes != *votes {
            state.votes = Arc::new(votes.clone());
            let votes = Arc::clone(&state.votes);
            state
                .listeners
                .retain(|listener| listener.send(Arc::clone(&votes)).is_ok());
        }
    }

    /// Whether no work goes on on keys that are not given any more.
    pub(super) fn is_free(&self) -> bool {
        self.state().lost().next().is_none()
    }

    /// Ends the work on keys that are not given any more, and says on how many.
    pub(super) fn cut(&self) -> usize {
        let state = self.state();
        state
            .lost()
            .filter(|cut| !cut.is_cancelled())
            .map(CancellationToken::cancel)
            .count()
    }

    /// Ready once work ends.
    pub(super) async fn ended(&self) {
        self.shared.ended.notified().await;
    }
}

/// Work on a key, until it is dropped.
#[derive(Debug)]
pub(crate) struct Working {
    keys: ShardKeys,
    number: u64,
    cut: CancellationToken,
}

impl Working {
    /// Cancelled where the key is lost and others have waited for it long enough.
    pub(crate) fn cut(&self) -> &CancellationToken {
        &self.cut
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut state = self.keys.state();
        let ended = state.working.remove(&self.number);
        let lost = ended.is_some_and(|(place, _)| !state.votes.give(place));
        drop(state);
        if lost {
            self.keys.shared.ended.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn work_holds_a_key_until_it_ends_or_is_cut() {
        let key = ObjectKey::namespaced("a", "b");
        let keys = ShardKeys::new(None);
        assert_eq!(keys.begin(&key).err(), Some(NotMine::Others));
        let (alone, other) = (View::new(["one"]), View::new(["two"]));
        keys.set("one", &Votes::of("one", [&other, &alone]), &alone);
        assert_eq!(keys.begin(&key).err(), Some(NotMine::Soon));
        assert!(keys.wants(&key) && !keys.owns(&key));

        let (_, mut changes) = keys.listen();
        keys.set("one", &Votes::of("one", [&alone]), &alone);
        assert!(changes.recv().await.unwrap().give(Place::of(&key)));
        let working = keys.begin(&key).unwrap();
        assert!(keys.is_free());
        keys.set("one", &Votes::of("one", [&alone, &other]), &other);
        assert!(!keys.is_free() && !keys.wants(&key));
        assert_eq!((keys.cut(), keys.cut()), (1, 0));
        assert!(working.cut().is_cancelled());
        assert!(keys.ended().now_or_never().is_none());
        drop(working);
        assert!(keys.ended().now_or_never().is_some());
        assert!(keys.is_free());
    }
}
