//! What one member of a group knows of it, and which keys it may work on: rules without I/O.
//!
//! Each member has a Lease, which it renews as a leader does, and which carries in an annotation the *view* that it has
//! acknowledged: the members among which it takes the keys to be spread. A member works on a key only if the views of all
//! live members, its own among them, give it that key: those that stood in one list of all Leases, read after its own view
//! was written. Before it writes a view it lets its work on all keys end that it loses by it.
//!
//! Why no key has two owners: let two members work on one key. Both hold their Leases, so that neither is dead to the other.
//! Of the two writes of their present views one came first; whoever wrote later listed the Leases after that and saw the
//! other's present view, which gives the key to the other.
//!
//! **Invariant:** a view that the server may show of this member gives away no key that it works on. As long as the clocks
//! of members run at rates whose ratio is below lease duration : renew deadline, one that others count as dead has stopped
//! to work before they do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::super::clock::Moment;
use super::super::elector::Timing;
use super::view::{View, Votes};

/// The label of all Leases of a group; its value is the group's name.
pub(super) const GROUP: &str = "kubewright.dev/shards";
/// The annotation with the view that a member has acknowledged.
pub(super) const VIEW: &str = "kubewright.dev/shard-view";

/// A member: its own Lease, and the others' as it saw them.
#[derive(Clone, Debug)]
pub(super) struct Member {
    namespace: String,
    group: String,
    /// Of its Lease, and in views.
    name: String,
    timing: Timing,
    /// Its Lease, as the server last showed it.
    lease: Option<Lease>,
    /// The view in it.
    acknowledged: View,
    /// Views that it carries too, perhaps: written by requests whose answers did not come, on the condition that the Lease
    /// was as in `lease`.
    doubts: Vec<View>,
    /// The members that it takes for live, itself among them.
    target: View,
    others: BTreeMap<String, Other>,
    votes: Votes,
    looked: bool,
    /// When its last write that was answered was sent; before there is one, its first write, of which others may have seen
    /// what came of it.
    renewed: Option<Moment>,
}

/// Another member.
#[derive(Clone, Debug)]
struct Other {
    lease: Lease,
    view: View,
    /// Since when its Lease has stood unchanged, as seen from here.
    since: Moment,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    /// It did not renew its Lease in time, and never will be live again: each term has a name of its own.
    Dead,
    /// Its work had ended before it said so.
    Left,
}

impl Other {
    fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// Whether it did not renew its Lease in time, by a list that was asked for at `sent`.
    fn is_silent(&self, sent: &Moment, timing: &Timing) -> bool {
        let spec = self.lease.spec.as_ref();
        let duration = match spec.and_then(|spec| spec.lease_duration_seconds) {
            // The record's own: it may run with other settings.
            Some(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
            None => timing.lease_duration,
        };
        sent.at_least_since(&self.since) >= duration
    }
}

/// The Lease is no longer this member's: it was deleted, or changed by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// What to send.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Write {
    Create(Lease),
    /// On the condition that the Lease has not changed.
    Update(Lease),
}

impl Member {
    pub(super) fn new(namespace: &str, group: &str, name: &str, timing: Timing) -> Self {
        Self {
            namespace: namespace.to_owned(),
            group: group.to_owned(),
            name: name.to_owned(),
            timing,
            lease: None,
            acknowledged: View::nobody(),
            doubts: Vec::new(),
            target: View::new([name]),
            others: BTreeMap::new(),
            votes: Votes::none(name),
            looked: false,
            renewed: None,
        }
    }

    /// Whether others may soon take it for dead, which is for good: its term is over, even where it has not begun.
    pub(super) fn is_late(&self, now: &Moment) -> bool {
        self.renewed
            .is_some_and(|renewed| !self.timing.holds(&renewed, now))
    }

    /// Which keys it may work on, while it holds its Lease.
    pub(super) fn votes(&self) -> &Votes {
        &self.votes
    }

    /// The members that it takes for live, among which it is about to spread the keys.
    pub(super) fn target(&self) -> &View {
        &self.target
    }

    /// Whether it is to acknowledge other members than it has.
    pub(super) fn changes(&self) -> bool {
        self.acknowledged != self.target
    }

    /// Whether it has looked at the others since it last acknowledged other members.
    pub(super) fn has_looked(&self) -> bool {
        self.looked
    }

    /// Whether all live members agree with it on who they are.
    pub(super) fn is_settled(&self) -> bool {
        let agrees = |other: &Other| !other.is_live() || other.view == self.acknowledged;
        self.acknowledged == self.target && self.others.values().all(agrees)
    }

    /// Its Lease as the server last showed it.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// All Leases of the group were listed: asked for at `sent`, answered by `came`, and as of a moment between.
    ///
    /// # Errors
    /// [`Lost`]; its term is over.
    pub(super) fn look(&mut self, sent: &Moment, came: &Moment, found: Vec<Lease>) -> Result<(), Lost> {
        let (mut own, mut there) = (None, BTreeSet::new());
        for lease in found {
            match lease.metadata.name.clone() {
                Some(name) if name == self.name => own = Some(lease),
                Some(name) => {
                    self.saw(&name, lease, sent, came);
                    there.insert(name);
                }
                None => {}
            }
        }
        // One that is gone without having said that it leaves may not have noticed yet.
        let timing = self.timing;
        self.others.retain(|name, other| {
            there.contains(name) || (other.is_live() && !other.is_silent(sent, &timing))
        });
        self.find_own(own)?;
        self.looked = true;

        let live = || self.others.iter().filter(|(_, other)| other.is_live());
        let names = live().map(|(name, _)| name.as_str());
        self.target = View::new(names.chain([self.name.as_str()]));
        self.votes = if self.lease.is_some() {
            // What it is about to acknowledge counts already: no work begins that the next write would wait for.
            let own = [&self.acknowledged, &self.target].into_iter().chain(&self.doubts);
            Votes::of(&self.name, own.chain(live().map(|(_, other)| &other.view)))
        } else {
            Votes::none(&self.name)
        };
        Ok(())
    }

    fn saw(&mut self, name: &str, lease: Lease, sent: &Moment, came: &Moment) {
        let view = View::read(annotation(&lease));
        let left = holder(&lease).is_none();
        let Some(other) = self.others.get_mut(name) else {
            let (since, state) = (*came, if left { State::Left } else { State::Live });
            let other = Other {
                lease,
                view,
                since,
                state,
            };
            self.others.insert(name.to_owned(), other);
            return;
        };
        if other.is_live() {
            if left {
                other.state = State::Left;
            } else if other.lease.spec != lease.spec || other.view != view {
                other.since = *came;
            } else if other.is_silent(sent, &self.timing) {
                other.state = State::Dead;
            }
        }
        (other.lease, other.view) = (lease, view);
    }

    fn find_own(&mut self, own: Option<Lease>) -> Result<(), Lost> {
        let Some(own) = own else {
            // Before its first write came to the server there is none.
            return if self.lease.is_none() { Ok(()) } else { Err(Lost) };
        };
        if holder(&own) != Some(&self.name) {
            return Err(Lost);
        }
        let known = self.lease.as_ref().map(|lease| &lease.metadata.resource_version);
        if known == Some(&own.metadata.resource_version) {
            return Ok(());
        }
        // A write whose answer did not come has come to the server, or somebody added a label.
        let view = View::read(annotation(&own));
        let unchanged = self.lease.is_some() && view == self.acknowledged;
        if !unchanged && !self.doubts.contains(&view) {
            return Err(Lost);
        }
        self.shown(own, view);
        Ok(())
    }

    /// The Lease is known: whatever was on its way to an earlier state of it is refused.
    fn shown(&mut self, lease: Lease, view: View) {
        (self.lease, self.acknowledged) = (Some(lease), view);
        self.doubts.clear();
    }

    /// What to send at `now` to go on: with the view of the members that are live, where its work is free of the keys that
    /// it loses by that.
    pub(super) fn write(&mut self, now: &Moment, free: bool) -> Write {
        let first = self.lease.is_none();
        let view = if free || first {
            self.target.clone()
        } else {
            self.acknowledged.clone()
        };
        if (first || view != self.acknowledged) && !self.doubts.contains(&view) {
            self.doubts.push(view.clone());
        }
        self.votes.add(&view);
        self.renewed.get_or_insert(*now);
        let lease = self.claim(now, &view);
        if first {
            Write::Create(lease)
        } else {
            Write::Update(lease)
        }
    }

    /// The Lease was written, by a request that was sent at `sent`. Not for one that [is late](Self::is_late).
    pub(super) fn written(&mut self, sent: &Moment, lease: Lease) {
        self.renewed = Some(*sent);
        let view = View::read(annotation(&lease));
        // Until the next look at the others this takes keys away, and gives none.
        self.votes.add(&view);
        self.looked &= self.acknowledged == view;
        self.shown(lease, view);
    }

    /// Its term is over: it works on nothing.
    pub(super) fn end(&mut self) {
        self.votes = Votes::none(&self.name);
    }

    /// What says that it leaves, where the Lease that was read is its own. Its work must have ended.
    pub(super) fn release(&self, now: &Moment, found: &Lease) -> Option<Lease> {
        if holder(found) != Some(&self.name) {
            return None;
        }
        let mut released = found.clone();
        let spec = released.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(now.wall));
        Some(released)
    }

    /// Leases that nobody needs any more: of members that are dead or have left, which no live one names.
    pub(super) fn garbage(&self) -> impl Iterator<Item = &Lease> {
        let named = |name: &str| {
            let own = [&self.acknowledged, &self.target].into_iter().chain(&self.doubts);
            let live = self.others.values().filter(|other| other.is_live());
            let mut views = own.chain(live.map(|other| &other.view));
            views.any(|view| view.names(name))
        };
        let gone = self.others.iter().filter(|(_, other)| !other.is_live());
        gone.filter(move |(name, _)| !named(name))
            .map(|(_, other)| &other.lease)
    }

    fn claim(&self, now: &Moment, view: &View) -> Lease {
        let mut lease = self.lease.clone().unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                namespace: Some(self.namespace.clone()),
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            ..Lease::default()
        });
        let meta = &mut lease.metadata;
        meta.labels
            .get_or_insert_default()
            .insert(GROUP.to_owned(), self.group.clone());
        meta.annotations
            .get_or_insert_default()
            .insert(VIEW.to_owned(), view.write());
        let old = lease.spec.take().unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.name.clone()),
            lease_duration_seconds: Some(self.timing.seconds()),
            acquire_time: old.acquire_time.clone().or(Some(MicroTime(now.wall))),
            renew_time: Some(MicroTime(now.wall)),
            ..old
        });
        lease
    }
}

fn annotation(lease: &Lease) -> Option<&str> {
    let annotations = lease.metadata.annotations.as_ref()?;
    annotations.get(VIEW).map(String::as_str)
}

fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref();
    holder.filter(|holder| !holder.is_empty())
}
