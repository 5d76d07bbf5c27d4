//! The rotation of the authority, as a function of what is seen (VER-34).
//!
//! A rotation begins with a new authority and its one leaf. Its key signs that leaf and is forgotten, so that nobody
//! can sign with it later; both old and new leaf are in the Secret from the beginning.
//!
//! 1. [`Phase::Stable`]: one leaf is served, its authority alone is published.
//! 2. [`Phase::Staged`]: the next leaf exists; both authorities are published. Once every target has shown both for two
//!    minutes, so that every API server has heard of them:
//! 3. [`Phase::Switched`]: the next leaf is the current one; both authorities are published. Once no replica has
//!    served the old leaf for two minutes, stable again.
//!
//! Each replica writes into the Secret the oldest generation of leaf that it may be serving: before it serves its
//! first one, and after it has replaced one. So the old authority leaves only when the last replica has told that it
//! has gone on, or its leaf has expired. A replica that was killed tells nothing; it counts for seven days, or until
//! the expiry. To publish an authority longer than needed costs nothing, since there is no key to it.
//!
//! **Invariant:** at every instant, whoever crashes or sleeps and whatever is written with what knowledge, the
//! authority of each leaf that a replica serves is in the bundle of each target that shows one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many seconds API servers get to hear of a change, where nothing else is said.
pub(super) const SETTLE: i64 = 120;
/// How often a replica tells that it is alive.
const ALIVE: i64 = 6 * 3600;
/// How long a replica counts that told nothing.
pub(super) const FORGET_AFTER: i64 = 7 * 24 * 3600;
/// A time in the Secret this far ahead comes from a machine whose clock is wrong, and counts as none.
const AHEAD: i64 = 300;
/// How often one looks while nothing is expected.
const LOOK: Duration = Duration::from_secs(20);

/// A leaf with its key and the authority that signed it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Leaf {
    /// Grows with each leaf, over the life of the Secret and beyond.
    pub(super) generation: i64,
    /// PEM of the authority.
    pub(super) authority: String,
    /// PEM of the leaf.
    pub(super) certificate: String,
    /// PEM of its key.
    pub(super) key: String,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    /// Names that it is for, sorted.
    pub(super) names: Vec<String>,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// What is left of a leaf that is not served any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Retired {
    pub(super) authority: String,
    pub(super) not_after: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "camelCase")]
pub(super) enum Phase {
    Stable,
    /// `shown` is since when all targets show both authorities.
    Staged {
        next: Box<Leaf>,
        shown: Option<i64>,
    },
    /// `gone` is since when no replica serves the retired leaf.
    Switched {
        retired: Retired,
        gone: Option<i64>,
    },
}

/// A replica as the Secret knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Replica {
    /// The oldest leaf that it may be serving.
    pub(super) generation: i64,
    /// When it told.
    pub(super) seen: i64,
}

/// What stands in the Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) current: Leaf,
    #[serde(flatten)]
    pub(super) phase: Phase,
    pub(super) replicas: BTreeMap<String, Replica>,
}

/// What one replica sees. The targets were looked at before the Secret.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) now: i64,
    pub(super) me: &'a str,
    /// Generation of the leaf that this replica serves.
    pub(super) serving: Option<i64>,
    /// Absent where there is no Secret, or none that can be read.
    pub(super) state: Option<&'a State>,
    /// The state that this replica saw last, for a Secret that got lost.
    pub(super) remembered: Option<&'a State>,
    /// The bundles of all targets that have one.
    pub(super) shown: &'a [Vec<String>],
    /// Names that a leaf must be for, sorted.
    pub(super) names: &'a [String],
    /// A rotation is wanted of leaves up to this generation.
    pub(super) rotate: Option<i64>,
    /// How many seconds API servers get to hear of a change.
    pub(super) settle: i64,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write the Secret, if it is as it was seen.
    Write(State),
    /// Write the bundle to those targets that show another one, if they are as they were seen.
    Publish(Vec<String>),
    /// Serve the current leaf.
    Serve,
    /// Look again after a while, at the latest.
    Wait(Duration),
}

impl State {
    /// The authorities that callers shall trust.
    pub(super) fn bundle(&self) -> Vec<String> {
        let current = self.current.authority.clone();
        match &self.phase {
            Phase::Stable => vec![current],
            Phase::Staged { next, .. } => vec![current, next.authority.clone()],
            Phase::Switched { retired, .. } => vec![retired.authority.clone(), current],
        }
    }

    fn with(&self, phase: Phase) -> Step {
        Step::Write(Self {
            phase,
            ..self.clone()
        })
    }
}

/// The next step; `mint` makes a leaf of a generation, for some names, with an authority of its own.
pub(super) fn next<E>(
    view: &View<'_>,
    mint: impl FnOnce(i64, Vec<String>) -> Result<Leaf, E>,
) -> Result<Step, E> {
    let now = view.now;
    let Some(state) = view.state else {
        if let Some(remembered) = view.remembered {
            return Ok(Step::Write(remembered.clone()));
        }
        // A generation is a time, so that it is above those of a Secret that nobody remembers.
        let current = mint(now, view.names.to_vec())?;
        return Ok(Step::Write(State {
            replicas: BTreeMap::from([(view.me.to_owned(), alive(current.generation, now))]),
            current,
            phase: Phase::Stable,
        }));
    };
    let current = state.current.generation;
    if let Some(step) = registered(view, state) {
        return Ok(step);
    }
    if view.serving != Some(current) {
        return Ok(Step::Serve);
    }
    let bundle = state.bundle();
    let all_show = view.shown.iter().all(|shown| *shown == bundle);
    if let Phase::Staged { next, shown: Some(_) } = &state.phase
        && !all_show
    {
        // Somebody took it away, or a target is new: the two minutes begin anew.
        let (next, shown) = (next.clone(), None);
        return Ok(state.with(Phase::Staged { next, shown }));
    }
    if !all_show {
        return Ok(Step::Publish(bundle));
    }
    match &state.phase {
        Phase::Stable => {
            let Leaf {
                not_before,
                not_after,
                names,
                ..
            } = &state.current;
            let due = now >= not_before + (not_after - not_before) / 3 * 2;
            let wanted = view.rotate.is_some_and(|rotate| current <= rotate);
            let mut missing = view.names.iter().filter(|name| !names.contains(name));
            let names = match missing.next() {
                // Replicas of two releases may want different names. Both get theirs, or they would rotate in turns.
                Some(_) => BTreeSet::from_iter(names.iter().chain(view.names).cloned()),
                None if due || wanted => view.names.iter().cloned().collect(),
                None => return Ok(Step::Wait(LOOK)),
            };
            let next = Box::new(mint(now.max(current + 1), names.into_iter().collect())?);
            Ok(state.with(Phase::Staged { next, shown: None }))
        }
        Phase::Staged { next, shown } => {
            let expired = state.current.not_after < now;
            match since(*shown, view) {
                Some(left) if left > 0 && !expired => Ok(wait(left)),
                None if !expired => Ok(state.with(Phase::Staged {
                    next: next.clone(),
                    shown: Some(now),
                })),
                _ => Ok(switched(state, next)),
            }
        }
        Phase::Switched { retired, gone } => {
            let alive = |replica: &Replica| replica.seen + FORGET_AFTER >= now;
            let serves = |replica: &Replica| replica.generation < current && alive(replica);
            let expired = retired.not_after < now;
            let is_served = !expired && state.replicas.values().any(serves);
            match (is_served, since(*gone, view)) {
                (true, None) => Ok(Step::Wait(LOOK)),
                (true, Some(_)) => Ok(state.with(Phase::Switched {
                    retired: retired.clone(),
                    gone: None,
                })),
                (false, None) => Ok(state.with(Phase::Switched {
                    retired: retired.clone(),
                    gone: Some(now),
                })),
                (false, Some(left)) if left > 0 => Ok(wait(left)),
                (false, Some(_)) => Ok(settled(state, now)),
            }
        }
    }
}

fn switched(state: &State, next: &Leaf) -> Step {
    Step::Write(State {
        current: next.clone(),
        phase: Phase::Switched {
            retired: Retired {
                authority: state.current.authority.clone(),
                not_after: state.current.not_after,
            },
            gone: None,
        },
        replicas: state.replicas.clone(),
    })
}

fn settled(state: &State, now: i64) -> Step {
    let replicas = state.replicas.iter();
    let replicas = replicas.filter(|(_, replica)| replica.seen + FORGET_AFTER >= now);
    Step::Write(State {
        current: state.current.clone(),
        phase: Phase::Stable,
        replicas: replicas
            .map(|(name, replica)| (name.clone(), replica.clone()))
            .collect(),
    })
}

fn alive(generation: i64, now: i64) -> Replica {
    Replica {
        generation,
        seen: now,
    }
}

/// Writes what this replica may be serving, where the Secret says otherwise.
fn registered(view: &View<'_>, state: &State) -> Option<Step> {
    let current = state.current.generation;
    // Before the first is served, and once the current one has taken the place of all others, it is that one alone.
    let oldest = view.serving.map_or(current, |serving| serving.min(current));
    let known = state.replicas.get(view.me);
    let right = known.is_some_and(|known| {
        known.generation == oldest && known.seen + ALIVE > view.now && known.seen <= view.now + AHEAD
    });
    if right {
        return None;
    }
    let mut state = state.clone();
    state.replicas.insert(view.me.to_owned(), alive(oldest, view.now));
    Some(Step::Write(state))
}

/// The state without a replica that serves nothing any more.
pub(super) fn left(state: &State, me: &str) -> Option<State> {
    let mut state = state.clone();
    state.replicas.remove(me)?;
    Some(state)
}

/// How many seconds are left of the time to settle, none or less where it is over; `None` where it has not begun.
fn since(begin: Option<i64>, view: &View<'_>) -> Option<i64> {
    begin
        .filter(|begin| *begin <= view.now + AHEAD)
        .map(|begin| begin + view.settle - view.now)
}

fn wait(seconds: i64) -> Step {
    let left = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    Step::Wait(left.min(LOOK))
}
