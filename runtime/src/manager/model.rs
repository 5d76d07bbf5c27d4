//! Candidates whose clocks, machines and networks misbehave, against a lease that a server keeps.
//!
//! What a candidate sees of time is `fake.rs`'s. Its requests take their time, are lost, or lose their answers. After every
//! step: whoever would write now is the one whom the record names.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::clock::Moment;
use super::elector::{Elector, Next, Timing};
use super::fake::{Clocks, rates, sleeps};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// True time passes, in milliseconds.
    Wait(u64),
    /// A candidate does what comes next: it sends a request, or hears the answer to one that was served.
    Act(usize),
    /// The server gets a candidate's request.
    Serve(usize),
    /// A candidate gives up on its request, whether or not the server got it.
    Lose(usize),
    /// A candidate's process is stopped, or goes on; its clocks run meanwhile.
    Stop(usize),
    /// A candidate's machine sleeps that long, in milliseconds.
    Suspend(usize, u64),
    /// A candidate's wall clock is set, in seconds.
    Set(usize, i64),
    /// A candidate stops and gives the lease up.
    Release(usize),
}

/// What a candidate asked the server for.
#[derive(Clone, Debug)]
enum Request {
    Get,
    Create(Lease),
    Update(Lease),
}

#[derive(Clone, Debug)]
enum Answer {
    Found(Option<Lease>),
    Written(Lease),
    Conflict,
}

#[derive(Debug)]
struct Candidate {
    name: String,
    elector: Elector,
    clocks: Clocks,
    /// The moment of the last renewal that succeeded, while leading.
    term: Option<Moment>,
    stopped: bool,
    sent: Option<(Moment, Request)>,
    answer: Option<Answer>,
    after_read: Option<Next>,
}

struct World {
    timing: Timing,
    lease: Option<Lease>,
    version: u64,
    candidates: Vec<Candidate>,
    /// How often another one came to lead.
    changes: usize,
}

impl World {
    fn new(timing: Timing, rates: &[u64]) -> Self {
        let candidate = |(index, rate): (usize, &u64)| {
            let name = format!("candidate-{index}");
            Candidate {
                elector: Elector::new("system", "lease", &name, timing),
                name,
                clocks: Clocks::new(*rate),
                term: None,
                stopped: false,
                sent: None,
                answer: None,
                after_read: None,
            }
        };
        Self {
            timing,
            lease: None,
            version: 0,
            candidates: rates.iter().enumerate().map(candidate).collect(),
            changes: 0,
        }
    }

    fn holder(&self) -> &str {
        let spec = self.lease.as_ref().and_then(|lease| lease.spec.as_ref());
        spec.and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default()
    }

    /// Whether a candidate's check would let a write pass now.
    fn writes(&self, candidate: &Candidate) -> bool {
        let now = candidate.clocks.now();
        candidate
            .term
            .is_some_and(|renewed| self.timing.holds(&renewed, &now))
    }

    /// Two that would write, or one whom the record does not name.
    fn fault(&self) -> Option<String> {
        let writers: Vec<_> = self.candidates.iter().filter(|one| self.writes(one)).collect();
        match writers.as_slice() {
            [] => None,
            [one] if one.name == self.holder() => None,
            [one] => Some(format!("{} writes, {} holds the lease", one.name, self.holder())),
            more => Some(format!("{} lead at once", more.len())),
        }
    }

    fn step(&mut self, step: Step) {
        let count = self.candidates.len();
        match step {
            Step::Wait(millis) => self
                .candidates
                .iter_mut()
                .for_each(|one| one.clocks.pass(millis, true)),
            Step::Suspend(asleep, millis) => {
                for (index, one) in self.candidates.iter_mut().enumerate() {
                    one.clocks.pass(millis, index != asleep % count);
                }
            }
            Step::Set(index, seconds) => self.candidates[index % count].clocks.set(seconds),
            Step::Stop(index) => self.candidates[index % count].stopped ^= true,
            Step::Act(index) | Step::Release(index) if self.candidates[index % count].stopped => {}
            Step::Act(index) => self.act(index % count),
            Step::Serve(index) => self.serve(index % count),
            Step::Lose(index) => {
                let one = &mut self.candidates[index % count];
                (one.sent, one.answer, one.after_read) = (None, None, None);
            }
            Step::Release(index) => self.release(index % count),
        }
    }

    fn act(&mut self, index: usize) {
        let timing = self.timing;
        let one = &mut self.candidates[index];
        let now = one.clocks.now();
        if one.term.is_some_and(|renewed| !timing.holds(&renewed, &now)) {
            one.term = None;
        }
        if let Some(answer) = one.answer.take() {
            let (began, _) = one.sent.take().expect("an answer is to a request");
            match answer {
                Answer::Found(found) => match one.elector.read(&now, found) {
                    // Not even a leader may lead on what it has read.
                    Next::Follow => one.term = None,
                    next => one.after_read = Some(next),
                },
                Answer::Written(lease) => {
                    one.elector.written(&began, lease);
                    one.term = Some(began);
                }
                Answer::Conflict => {}
            }
            return;
        }
        if one.sent.is_some() {
            return;
        }
        let renewal = one.term.and_then(|_| one.elector.renewal(&now));
        let request = match (one.after_read.take(), renewal) {
            (Some(Next::Create(lease)), _) => Request::Create(lease),
            (Some(Next::Update(lease)), _) | (None, Some(lease)) => Request::Update(lease),
            _ => Request::Get,
        };
        one.sent = Some((now, request));
    }

    fn serve(&mut self, index: usize) {
        if self.candidates[index].answer.is_some() {
            return;
        }
        let Some((_, request)) = self.candidates[index].sent.clone() else {
            return;
        };
        let answer = match request {
            Request::Get => Answer::Found(self.lease.clone()),
            Request::Create(_) if self.lease.is_some() => Answer::Conflict,
            Request::Create(lease) => self.write(lease),
            Request::Update(lease) => self.update(lease),
        };
        self.candidates[index].answer = Some(answer);
    }

    fn update(&mut self, lease: Lease) -> Answer {
        let stored = self.lease.as_ref().map(|lease| &lease.metadata.resource_version);
        if stored == Some(&lease.metadata.resource_version) {
            self.write(lease)
        } else {
            Answer::Conflict
        }
    }

    fn write(&mut self, mut lease: Lease) -> Answer {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        let before = self.holder().to_owned();
        self.lease = Some(lease.clone());
        if self.holder() != before && !self.holder().is_empty() {
            self.changes += 1;
        }
        Answer::Written(lease)
    }

    /// The term ends first; then the lease is given up as it was last seen.
    fn release(&mut self, index: usize) {
        let one = &mut self.candidates[index];
        (one.term, one.sent, one.answer, one.after_read) = (None, None, None, None);
        let released = one
            .elector
            .last()
            .and_then(|lease| one.elector.release(&one.clocks.now(), lease));
        if let Some(released) = released {
            self.update(released);
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0_usize..3;
    let step = prop_oneof![
        30 => (1_u64..4000).prop_map(Step::Wait),
        60 => who().prop_map(Step::Act),
        48 => who().prop_map(Step::Serve),
        1 => who().prop_map(Step::Lose),
        2 => who().prop_map(Step::Stop),
        1 => (who(), 1_u64..40_000).prop_map(|(who, millis)| Step::Suspend(who, millis)),
        1 => (who(), -7200_i64..7200).prop_map(|(who, seconds)| Step::Set(who, seconds)),
        1 => who().prop_map(Step::Release),
    ];
    proptest::collection::vec(step, 1..800)
}

/// Suspends those alone whose wall clock is not set back.
fn sound(step: Step, rates: &[u64]) -> bool {
    !matches!(step, Step::Suspend(who, _) if !sleeps(rates[who % rates.len()]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn never_two_leaders_and_no_write_after_another_took_the_lease(rates in rates(), steps in steps()) {
        let mut world = World::new(Timing::default(), &rates);
        for step in steps.into_iter().filter(|step| sound(*step, &rates)) {
            world.step(step);
            prop_assert_eq!(world.fault(), None, "after {:?}", step);
        }
    }
}

/// The model sees what it is there to see: with a deadline beyond the lease, or clocks whose rates differ too much, there are
/// two; and leaders do change in it.
#[test]
fn the_model_finds_elections_that_are_wrong() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let wrong = Timing {
        renew_deadline: Duration::from_secs(40),
        ..Timing::default()
    };
    let (mut right, mut faults, mut skewed, mut changes) = (0, 0, 0, 0);
    for _ in 0..400 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let run = |timing, rates: &[u64]| {
            let mut world = World::new(timing, rates);
            let fault = steps.iter().any(|step| {
                world.step(*step);
                world.fault().is_some()
            });
            (usize::from(fault), world.changes)
        };
        faults += run(wrong, &[1000, 1000]).0;
        skewed += run(Timing::default(), &[300, 1900]).0;
        let (fault, changed) = run(Timing::default(), &[1000, 1000]);
        right += fault;
        changes += changed;
    }
    assert_eq!(right, 0);
    assert!(faults > 9, "{faults} with a deadline beyond the lease");
    assert!(skewed > 3, "{skewed} with clocks that differ");
    assert!(changes > 400, "{changes} changes of the leader");
}
