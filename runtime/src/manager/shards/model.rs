//! Members whose clocks, machines and networks misbehave, with the Leases that a server keeps.
//!
//! What members see of time is the clocks of `fake.rs`. Their requests take their time, are lost, or lose their answers; they
//! come, leave in order, or are stopped for good. After every step: no key is worked on by two, nor may be begun by one while
//! another works on it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::Lease;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::super::clock::Moment;
use super::super::elector::Timing;
use super::super::fake::{Clocks, rates, sleeps};
use super::member::{Member, Write};
use super::view::Place;
use crate::kind::ObjectKey;

const KEYS: usize = 6;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// True time passes, in milliseconds.
    Wait(u64),
    /// A member does what comes next: it sends a request, or hears the answer to one that was served.
    Act(usize),
    /// The server gets a member's request.
    Serve(usize),
    /// A member gives up on its request, whether or not the server got it.
    Lose(usize),
    /// A request that was given up comes to the server after all.
    Late(usize),
    /// A member takes a key from its queue, where it may.
    Begin(usize, usize),
    /// Its work on a key ends.
    End(usize, usize),
    /// A member's process is stopped; its clocks run meanwhile.
    Stop(usize),
    Go(usize),
    /// A member's machine sleeps that long, in milliseconds.
    Suspend(usize, u64),
    /// A member's wall clock is set, in seconds.
    Set(usize, i64),
    /// A member ends its work and leaves; comes back, where it had left.
    Turn(usize),
    /// A member's process is killed, and started anew.
    Kill(usize),
}

#[derive(Clone, Debug)]
enum Request {
    List,
    Write(Write),
    /// On the condition that it has not changed.
    Delete(Lease),
}

#[derive(Clone, Debug)]
enum Answer {
    Found(Vec<Lease>),
    Written(Box<Lease>),
    Refused,
    Deleted,
}

/// What a protocol that is wrong leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// A view is written while work goes on that it takes away.
    Hasty,
    /// A member asks nobody but itself.
    Alone,
}

struct One {
    member: Option<Member>,
    /// How many names it has had.
    names: usize,
    clocks: Clocks,
    /// The moment of the last renewal that succeeded.
    term: Option<Moment>,
    working: BTreeSet<usize>,
    stopped: bool,
    sent: Option<(Moment, Request)>,
    answer: Option<Answer>,
    looked: bool,
    /// Whether it has deleted something since it looked.
    cleaned: bool,
    given_up: Vec<Request>,
}

impl One {
    /// Its term is over, or it never had one.
    fn reset(&mut self) {
        self.member = None;
        self.term = None;
        self.working.clear();
        self.forget();
        self.looked = false;
    }

    /// Gives its request up, which may still come to the server.
    fn forget(&mut self) {
        self.answer = None;
        if let Some((_, request)) = self.sent.take() {
            self.given_up.push(request);
        }
    }
}

struct World {
    timing: Timing,
    fault: Fault,
    leases: BTreeMap<String, Lease>,
    version: u64,
    ones: Vec<One>,
    places: Vec<Place>,
    /// How often work on a key began.
    begun: usize,
}

impl World {
    fn new(timing: Timing, rates: &[u64], fault: Fault) -> Self {
        let one = |rate: &u64| One {
            member: None,
            names: 0,
            clocks: Clocks::new(*rate),
            term: None,
            working: BTreeSet::new(),
            stopped: false,
            sent: None,
            answer: None,
            looked: false,
            cleaned: false,
            given_up: Vec::new(),
        };
        let key = |n| Place::of(&ObjectKey::namespaced("a", format!("key-{n}")));
        let mut world = Self {
            timing,
            fault,
            leases: BTreeMap::new(),
            version: 0,
            ones: rates.iter().map(one).collect(),
            places: (0..KEYS).map(key).collect(),
            begun: 0,
        };
        (0..rates.len()).for_each(|index| world.join(index));
        world
    }

    fn join(&mut self, index: usize) {
        let one = &mut self.ones[index];
        one.names += 1;
        let name = format!("group-{index}-{}", one.names);
        one.member = Some(Member::new("system", "group", &name, self.timing));
    }

    /// Whether a member's fence would let a write pass now.
    fn holds(&self, one: &One) -> bool {
        one.term
            .is_some_and(|renewed| self.timing.holds(&renewed, &one.clocks.now()))
    }

    fn may_begin(&self, one: &One, key: usize) -> bool {
        let Some(member) = &one.member else { return false };
        let place = self.places[key];
        let allowed = match self.fault {
            Fault::Alone => member.target().owner(place) == member.lease().and_then(name),
            _ => member.votes().give(place),
        };
        allowed && self.holds(one)
    }

    /// Who works on a key or may begin to.
    fn owners(&self, key: usize) -> Vec<usize> {
        let owns = |one: &One| (self.holds(one) && one.working.contains(&key)) || self.may_begin(one, key);
        (0..self.ones.len())
            .filter(|index| owns(&self.ones[*index]))
            .collect()
    }

    fn fault(&self) -> Option<String> {
        (0..KEYS).find_map(|key| {
            let owners = self.owners(key);
            (owners.len() > 1).then(|| format!("key {key} is {owners:?}'s"))
        })
    }

    fn step(&mut self, step: Step) {
        let count = self.ones.len();
        match step {
            Step::Wait(millis) => self.ones.iter_mut().for_each(|one| one.clocks.pass(millis, true)),
            Step::Suspend(asleep, millis) => {
                for (index, one) in self.ones.iter_mut().enumerate() {
                    one.clocks.pass(millis, index != asleep % count);
                }
            }
            Step::Set(index, seconds) => self.ones[index % count].clocks.set(seconds),
            Step::Stop(index) => self.ones[index % count].stopped = true,
            Step::Go(index) => self.ones[index % count].stopped = false,
            Step::Kill(index) => {
                self.ones[index % count].reset();
                self.join(index % count);
            }
            Step::Late(index) => {
                if let Some(request) = self.ones[index % count].given_up.pop() {
                    self.handle(request);
                }
            }
            Step::Serve(index) => self.serve(index % count),
            Step::Lose(index) => self.ones[index % count].forget(),
            Step::Act(index) | Step::Turn(index) | Step::Begin(index, _) | Step::End(index, _)
                if self.ones[index % count].stopped => {}
            Step::Act(index) => self.act(index % count),
            Step::Turn(index) => self.turn(index % count),
            Step::Begin(index, key) => {
                if self.may_begin(&self.ones[index % count], key % KEYS) {
                    self.ones[index % count].working.insert(key % KEYS);
                    self.begun += 1;
                }
            }
            Step::End(index, key) => {
                self.ones[index % count].working.remove(&(key % KEYS));
            }
        }
    }

    fn act(&mut self, index: usize) {
        let hasty = self.fault == Fault::Hasty;
        let one = &mut self.ones[index];
        let now = one.clocks.now();
        let Some(member) = &mut one.member else { return };
        if member.is_late(&now) {
            one.reset();
            return self.join(index);
        }
        if let Some(answer) = one.answer.take() {
            let (sent, _) = one.sent.take().expect("an answer is to a request");
            match answer {
                Answer::Found(found) => {
                    if member.look(&sent, &now, found).is_err() {
                        one.reset();
                        return self.join(index);
                    }
                    (one.looked, one.cleaned) = (true, false);
                }
                Answer::Written(lease) => {
                    member.written(&sent, *lease);
                    one.term = Some(sent);
                }
                Answer::Refused | Answer::Deleted => {}
            }
            return;
        }
        if one.sent.is_some() {
            return;
        }
        let request = if std::mem::take(&mut one.looked) {
            let votes = member.votes().clone();
            let free = one.working.iter().all(|key| votes.give(self.places[*key]));
            Request::Write(member.write(&now, free || hasty))
        } else {
            match member.garbage().next() {
                Some(lease) if !std::mem::replace(&mut one.cleaned, true) => Request::Delete(lease.clone()),
                _ => Request::List,
            }
        };
        one.sent = Some((now, request));
    }

    fn serve(&mut self, index: usize) {
        if self.ones[index].answer.is_none()
            && let Some((_, request)) = self.ones[index].sent.clone()
        {
            self.ones[index].answer = Some(self.handle(request));
        }
    }

    fn handle(&mut self, request: Request) -> Answer {
        match request {
            Request::List => Answer::Found(self.leases.values().cloned().collect()),
            Request::Write(Write::Create(lease)) if self.stored(&lease).is_none() => self.store(lease),
            Request::Write(Write::Update(lease)) if self.is_current(&lease) => self.store(lease),
            Request::Write(_) => Answer::Refused,
            Request::Delete(lease) => {
                if self.is_current(&lease) {
                    self.leases.remove(name(&lease).unwrap());
                }
                Answer::Deleted
            }
        }
    }

    fn stored(&self, lease: &Lease) -> Option<&Lease> {
        self.leases.get(name(lease)?)
    }

    fn is_current(&self, lease: &Lease) -> bool {
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        self.stored(lease)
            .is_some_and(|stored| version(stored) == version(lease))
    }

    fn store(&mut self, mut lease: Lease) -> Answer {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.leases
            .insert(name(&lease).unwrap().to_owned(), lease.clone());
        Answer::Written(Box::new(lease))
    }

    /// Its work ends first; then it says so, by the Lease as it was last seen.
    fn turn(&mut self, index: usize) {
        let one = &mut self.ones[index];
        let Some(member) = &one.member else {
            return self.join(index);
        };
        let now = one.clocks.now();
        let released = member.lease().and_then(|lease| member.release(&now, lease));
        one.reset();
        if let Some(released) = released {
            self.handle(Request::Write(Write::Update(released)));
        }
    }

    /// Nothing changes for a while: each does what it has to, and ends its work when it has to.
    fn settle(&mut self) {
        for one in &mut self.ones {
            one.stopped = false;
            one.forget();
            one.given_up.clear();
        }
        for _ in 0..450 {
            (0..self.ones.len()).for_each(|index| self.round(index));
            assert_eq!(self.fault(), None);
            self.step(Step::Wait(101));
        }
    }

    /// A member looks and writes, and ends its work where it has to.
    fn round(&mut self, index: usize) {
        for _ in 0..3 {
            self.act(index);
            self.serve(index);
            let one = &mut self.ones[index];
            if let Some(member) = &one.member {
                let votes = member.votes();
                one.working.retain(|key| votes.give(self.places[*key]));
            }
        }
    }

    /// Each key has one owner, all members see the same ones, and nothing is left of others.
    fn is_whole(&self) -> Result<(), String> {
        let present: Vec<_> = self.ones.iter().filter_map(|one| one.member.as_ref()).collect();
        for key in 0..KEYS {
            let owners = self.owners(key);
            if owners.len() != usize::from(!present.is_empty()) {
                return Err(format!("key {key} is {owners:?}'s: {present:#?}"));
            }
        }
        if !present.iter().all(|member| member.is_settled()) {
            return Err("members differ".into());
        }
        if !present.is_empty() && self.leases.len() != present.len() {
            return Err(format!("{:?} are left of {}", self.leases.keys(), present.len()));
        }
        Ok(())
    }
}

fn name(lease: &Lease) -> Option<&str> {
    lease.metadata.name.as_deref()
}

fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let who = || 0_usize..6;
    let key = || 0..KEYS;
    let step = prop_oneof![
        25 => (1_u64..500).prop_map(Step::Wait),
        1 => (500_u64..16_000).prop_map(Step::Wait),
        150 => who().prop_map(Step::Act),
        120 => who().prop_map(Step::Serve),
        1 => who().prop_map(Step::Lose),
        1 => who().prop_map(Step::Late),
        40 => (who(), key()).prop_map(|(who, key)| Step::Begin(who, key)),
        20 => (who(), key()).prop_map(|(who, key)| Step::End(who, key)),
        2 => who().prop_map(Step::Stop),
        8 => who().prop_map(Step::Go),
        1 => (who(), 1_u64..40_000).prop_map(|(who, millis)| Step::Suspend(who, millis)),
        2 => (who(), -7200_i64..7200).prop_map(|(who, seconds)| Step::Set(who, seconds)),
        1 => who().prop_map(Step::Turn),
        1 => who().prop_map(Step::Kill),
    ];
    proptest::collection::vec(step, count)
}

/// Suspends those alone whose wall clock is not set back.
fn sound(step: Step, rates: &[u64]) -> bool {
    !matches!(step, Step::Suspend(who, _) if !sleeps(rates[who % rates.len()]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn never_two_owners_of_a_key_and_one_when_all_is_quiet(rates in rates(), steps in steps(1..900)) {
        let mut world = World::new(Timing::default(), &rates, Fault::Nothing);
        for step in steps.into_iter().filter(|step| sound(*step, &rates)) {
            world.step(step);
            prop_assert_eq!(world.fault(), None, "after {:?}", step);
        }
        world.settle();
        prop_assert_eq!(world.is_whole(), Ok(()));
    }
}

/// The model sees what it is there to see: a view that is written too early, a member that asks nobody.
#[test]
fn the_model_finds_protocols_that_are_wrong() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut found, mut begun) = (BTreeMap::<_, usize>::new(), 0);
    for _ in 0..150 {
        let steps = steps(1000..1500).new_tree(&mut runner).unwrap().current();
        let mut run = |what, fault| {
            let mut world = World::new(Timing::default(), &[1000, 1000], fault);
            let wrong = steps.iter().any(|step| {
                world.step(*step);
                world.fault().is_some()
            });
            *found.entry(what).or_default() += usize::from(wrong);
            world.begun
        };
        begun += run("right", Fault::Nothing);
        run("hasty", Fault::Hasty);
        run("alone", Fault::Alone);
    }
    assert_eq!(found.remove("right"), Some(0));
    assert!(found.values().all(|count| *count > 5), "{found:?}");
    assert!(begun > 300, "{begun}");
}

/// A member that is stopped while it works: its fence is down before the others take its keys, unless its deadline is beyond
/// its Lease or its clock too slow.
#[test]
fn a_stopped_member_is_fenced_before_its_keys_are_taken() {
    let stop = |timing, rates: &[u64]| {
        let mut world = World::new(timing, rates, Fault::Nothing);
        world.settle();
        // Set back once it stops, so that its monotonic clock alone tells it of the time.
        (0..KEYS).for_each(|key| world.step(Step::Begin(0, key)));
        world.step(Step::Stop(0));
        let mut fault = None;
        for second in 0..20 {
            for one in &mut world.ones {
                one.clocks.wall = Clocks::EPOCH - SignedDuration::from_secs(second);
            }
            for _ in 0..10 {
                world.step(Step::Wait(100));
                world.round(1);
                fault = fault.or(world.fault());
            }
        }
        assert!(fault.is_some() || (0..KEYS).all(|key| world.owners(key) == [1]));
        fault
    };
    let late = Timing {
        renew_deadline: Duration::from_secs(40),
        ..Timing::default()
    };
    assert_eq!(stop(Timing::default(), &[1000, 1000]), None);
    assert_eq!(stop(Timing::default(), &[900, 1250]), None);
    assert!(stop(late, &[1000, 1000]).is_some());
    assert!(stop(Timing::default(), &[400, 1900]).is_some());
}
