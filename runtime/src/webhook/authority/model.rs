//! The rotation held against a model of the cluster: one Secret, one target, replicas that look, sleep, act and die.
//!
//! What the driver does in three requests (look at the target, look at the Secret, act) are three moves here, with any
//! moves of others between them.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;

use proptest::prelude::*;

use super::machine::{self, FORGET_AFTER, Leaf, Phase, SETTLE, State, Step, View};

/// How long a leaf lives in the model.
const LIFE: i64 = 30 * 24 * 3600;
const BEGIN: i64 = 1_000_000;

fn leaf(generation: i64, names: Vec<String>, now: i64) -> Leaf {
    Leaf {
        generation,
        authority: format!("authority {generation}"),
        certificate: format!("leaf {generation}"),
        key: String::new(),
        not_before: now,
        not_after: now + LIFE,
        names,
    }
}

/// A replica, with what it has seen of the step that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Replica {
    alive: bool,
    serving: Option<i64>,
    remembered: Option<State>,
    target: Option<Look<Option<Vec<String>>>>,
    secret: Option<Look<Option<State>>>,
}

/// What was seen, and whether it is still so: then a write of it passes the server's comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Look<T> {
    fresh: bool,
    seen: T,
}

fn look<T: Clone>(seen: &T) -> Look<T> {
    let seen = seen.clone();
    Look { fresh: true, seen }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: i64,
    secret: Option<State>,
    /// `None` as long as nobody has installed it.
    target: Option<Vec<String>>,
    replicas: Vec<Replica>,
    rotate: Option<i64>,
    /// The leaves that ever were, by generation.
    expiry: BTreeMap<i64, i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// The next of a replica's three moves.
    Go(usize),
    /// All three of them at once.
    Quick(usize),
    /// Killed, at any instant.
    Kill(usize),
    /// Ended in good order.
    Leave(usize),
    Start(usize),
    /// Time passes.
    Pass(i64),
    Rotate,
    /// Somebody takes the bundle away.
    Wipe,
}

impl World {
    fn new(replicas: usize) -> Self {
        let replica = Replica {
            alive: true,
            ..Replica::default()
        };
        Self {
            now: BEGIN,
            secret: None,
            target: Some(Vec::new()),
            replicas: vec![replica; replicas],
            rotate: None,
            expiry: BTreeMap::new(),
        }
    }

    fn make(&mut self, way: Move) {
        match way {
            Move::Go(at) if self.replicas[at].alive => self.go(at),
            Move::Quick(at) => (0..3).for_each(|_| self.make(Move::Go(at))),
            Move::Kill(at) => self.replicas[at] = Replica::default(),
            Move::Leave(at) => {
                let left = self
                    .secret
                    .as_ref()
                    .and_then(|state| machine::left(state, &name(at)));
                if let (true, Some(left)) = (self.replicas[at].alive, left) {
                    self.write(Some(left));
                }
                self.replicas[at] = Replica::default();
            }
            Move::Start(at) => self.replicas[at].alive = true,
            Move::Pass(seconds) => self.now += seconds,
            Move::Rotate => self.rotate = self.secret.as_ref().map(|state| state.current.generation),
            Move::Wipe => self.publish(Vec::new()),
            Move::Go(_) => {}
        }
    }

    fn write(&mut self, state: Option<State>) {
        self.secret = state;
        let looks = self
            .replicas
            .iter_mut()
            .filter_map(|replica| replica.secret.as_mut());
        looks.for_each(|look| look.fresh = false);
    }

    fn publish(&mut self, bundle: Vec<String>) {
        self.target = Some(bundle);
        let looks = self
            .replicas
            .iter_mut()
            .filter_map(|replica| replica.target.as_mut());
        looks.for_each(|look| look.fresh = false);
    }

    fn go(&mut self, at: usize) {
        let now = self.now;
        let replica = &mut self.replicas[at];
        let Some(target) = replica.target.clone() else {
            replica.target = Some(look(&self.target));
            return;
        };
        let Some(secret) = replica.secret.clone() else {
            if self.secret.is_some() {
                replica.remembered = self.secret.clone();
            }
            replica.secret = Some(look(&self.secret));
            return;
        };
        (replica.target, replica.secret) = (None, None);
        let me = name(at);
        let (shown, state): (Vec<_>, _) = (target.seen.into_iter().collect(), secret.seen);
        let view = View {
            now,
            me: &me,
            serving: replica.serving,
            state: state.as_ref(),
            remembered: replica.remembered.as_ref(),
            shown: &shown,
            names: &["a".to_owned()],
            rotate: self.rotate,
            settle: SETTLE,
        };
        let step = machine::next(&view, |generation, names| {
            Ok::<_, Infallible>(leaf(generation, names, now))
        });
        match step.unwrap_or_else(|never| match never {}) {
            Step::Write(state) => {
                if secret.fresh {
                    for leaf in leaves(&state) {
                        self.expiry.insert(leaf.generation, leaf.not_after);
                    }
                    self.write(Some(state));
                }
            }
            Step::Publish(bundle) => {
                if target.fresh {
                    self.publish(bundle);
                }
            }
            Step::Serve => replica.serving = state.map(|state| state.current.generation),
            Step::Wait(_) => {}
        }
    }

    /// Every leaf that is served verifies against the bundle, once one has been published.
    fn check(&self) -> Result<(), String> {
        let Some(bundle) = self.target.as_ref().filter(|bundle| !bundle.is_empty()) else {
            return Ok(());
        };
        for (at, replica) in self.replicas.iter().enumerate() {
            let Some(serving) = replica.serving else { continue };
            let is_valid = self.expiry.get(&serving).is_none_or(|expiry| *expiry >= self.now);
            if is_valid && !bundle.contains(&format!("authority {serving}")) {
                return Err(format!(
                    "replica {at} serves {serving}, but the bundle is {bundle:?}"
                ));
            }
        }
        Ok(())
    }

    /// Lets the living replicas run until a rotation has come to its end.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..60 {
            for at in 0..self.replicas.len() {
                for _ in 0..30 {
                    self.make(Move::Go(at));
                    self.check()?;
                }
            }
            self.make(Move::Pass(20));
        }
        Ok(())
    }

    fn is_stable(&self) -> bool {
        let Some(state) = &self.secret else { return false };
        let current = state.current.generation;
        let mut living = self.replicas.iter().filter(|replica| replica.alive);
        state.phase == Phase::Stable
            && self.target.as_ref() == Some(&state.bundle())
            && living.all(|replica| replica.serving == Some(current))
    }
}

fn name(at: usize) -> String {
    format!("replica-{at}")
}

fn generation(state: &State) -> i64 {
    state.current.generation
}

fn leaves(state: &State) -> Vec<&Leaf> {
    match &state.phase {
        Phase::Staged { next, .. } => vec![&state.current, next],
        _ => vec![&state.current],
    }
}

/// Runs into the stable state, and asks for a rotation.
fn rotating() -> World {
    let mut world = World::new(2);
    world.settle().unwrap();
    assert!(world.is_stable());
    for replica in &mut world.replicas {
        (replica.target, replica.secret) = (None, None);
    }
    world.make(Move::Rotate);
    world
}

#[test]
fn ver_34_a_rotation_takes_its_two_steps() {
    let mut world = rotating();
    let old = world.secret.clone().unwrap().current.generation;
    world.settle().unwrap();
    let state = world.secret.clone().unwrap();
    assert!(world.is_stable() && state.current.generation > old, "{world:?}");
    // Nothing is left to do.
    let before = world.secret.clone();
    world.settle().unwrap();
    assert_eq!(world.secret, before);
}

#[test]
fn ver_34_both_waits_are_kept() {
    let mut world = rotating();
    let mut phases = Vec::new();
    while !(world.is_stable() && phases.len() > 2) {
        for at in [0, 1] {
            for _ in 0..30 {
                world.make(Move::Go(at));
            }
        }
        let state = world.secret.clone().unwrap();
        let phase = std::mem::discriminant(&state.phase);
        if phases.last().is_none_or(|(last, _)| *last != phase) {
            phases.push((phase, world.now));
        }
        world.make(Move::Pass(1));
    }
    let times: Vec<_> = phases.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    assert_eq!(times.len(), 2, "{times:?}");
    assert!(
        times.iter().all(|time| (SETTLE..SETTLE + 5).contains(time)),
        "{times:?}"
    );
}

/// Every order of moves through a whole rotation, with every kind of disturbance in its course: one replica may sleep
/// between any two of its requests for as long as the other takes to finish. (Several that sleep are met at random,
/// below; in every order they would be some ten million worlds.)
#[test]
fn ver_34_exhaustively_every_leaf_verifies_at_every_instant() {
    // Each with how often the time passes that API servers take to hear of a change.
    let disturbances: [(&[Move], _); 6] = [
        (&[], 4),
        (&[Move::Kill(0), Move::Start(0)], 4),
        (&[Move::Kill(1)], 4),
        (&[Move::Leave(0), Move::Start(0)], 4),
        (&[Move::Kill(0), Move::Kill(1), Move::Start(1)], 4),
        (&[Move::Pass(LIFE)], 1),
    ];
    let (mut states, mut finished) = (0, 0);
    for (disturbance, passes) in disturbances {
        // (world, disturbances made, times that time has passed)
        let mut seen = HashSet::new();
        let mut open = vec![(rotating(), 0, 0)];
        while let Some(entry) = open.pop() {
            if seen.contains(&entry) {
                continue;
            }
            let (world, disturbed, passed) = &entry;
            world
                .check()
                .unwrap_or_else(|error| panic!("{error}: {world:#?}"));
            finished +=
                usize::from(world.is_stable() && world.secret.as_ref().map(generation) > world.rotate);
            for way in [Move::Go(0), Move::Quick(1)] {
                let mut next = world.clone();
                next.make(way);
                // The Secret is never lost here.
                next.replicas
                    .iter_mut()
                    .for_each(|replica| replica.remembered = None);
                open.push((next, *disturbed, *passed));
            }
            if let Some(way) = disturbance.get(*disturbed) {
                let mut next = world.clone();
                next.make(*way);
                open.push((next, disturbed + 1, *passed));
            }
            // Time passes in steps in which nothing else would change.
            if *passed < passes {
                let mut next = world.clone();
                next.make(Move::Pass(SETTLE));
                open.push((next, *disturbed, passed + 1));
            }
            seen.insert(entry);
            assert!(seen.len() < 100_000, "the model grew out of bounds");
        }
        states += seen.len();
    }
    assert!(
        states > 10_000 && finished > 100,
        "{states} worlds, {finished} of them at the end"
    );
}

/// From wherever a crash leaves it, a rotation comes to its end.
#[test]
fn ver_34_a_crash_between_any_two_steps_resumes() {
    for crash_at in 0..200 {
        let mut world = rotating();
        let mut moves = 0;
        'rotation: for _ in 0..20 {
            for at in [0, 1] {
                for _ in 0..12 {
                    world.make(Move::Go(at));
                    world.check().unwrap();
                    moves += 1;
                    if moves == crash_at {
                        break 'rotation;
                    }
                }
            }
            world.make(Move::Pass(30));
        }
        for at in [0, 1] {
            world.make(Move::Kill(at));
            world.make(Move::Start(at));
        }
        world.settle().unwrap();
        assert!(world.is_stable(), "crashed at {crash_at}: {world:#?}");
    }
}

#[test]
fn ver_34_a_replica_that_is_gone_holds_the_old_authority_until_it_is_forgotten() {
    let mut world = rotating();
    world.make(Move::Kill(1));
    world.settle().unwrap();
    let state = world.secret.clone().unwrap();
    assert!(matches!(state.phase, Phase::Switched { .. }), "{state:?}");
    world.make(Move::Pass(FORGET_AFTER));
    world.settle().unwrap();
    let state = world.secret.clone().unwrap();
    assert!(world.is_stable());
    assert_eq!(state.replicas.keys().collect::<Vec<_>>(), [&name(0)]);

    let mut world = rotating();
    world.make(Move::Leave(1));
    world.settle().unwrap();
    assert!(world.is_stable(), "who says farewell is not waited for");
}

#[test]
fn ver_34_age_names_and_expiry_lead_to_a_new_leaf() {
    let mut world = World::new(2);
    world.settle().unwrap();
    let first = world.secret.clone().unwrap().current.generation;
    world.make(Move::Pass(LIFE / 3 * 2));
    world.settle().unwrap();
    let second = world.secret.clone().unwrap().current.generation;
    assert!(world.is_stable() && second > first);
    // All replicas slept past the end.
    world.make(Move::Pass(LIFE * 2));
    world.settle().unwrap();
    assert!(world.is_stable() && world.secret.clone().unwrap().current.generation > second);
}

#[test]
fn ver_34_two_releases_with_different_names_do_not_rotate_in_turns() {
    let state = State {
        current: leaf(1, vec!["a".to_owned()], BEGIN),
        phase: Phase::Stable,
        replicas: BTreeMap::from([(
            "r".to_owned(),
            machine::Replica {
                generation: 1,
                seen: BEGIN,
            },
        )]),
    };
    let next = |state: &State, names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let view = View {
            now: BEGIN,
            me: "r",
            serving: Some(1),
            state: Some(state),
            remembered: None,
            shown: &[],
            names: &names,
            rotate: None,
            settle: SETTLE,
        };
        let Ok(step) = machine::next(&view, |generation, names| {
            Ok::<_, Infallible>(leaf(generation, names, BEGIN))
        });
        step
    };
    let Step::Write(staged) = next(&state, &["b"]) else {
        panic!("a name is missing")
    };
    let Phase::Staged { next: leaf, .. } = staged.phase else {
        panic!("the next leaf is made")
    };
    assert_eq!(leaf.names, ["a", "b"]);
    let both = State {
        current: Leaf {
            generation: 1,
            ..*leaf
        },
        ..state
    };
    for names in [&["a"], &["b"]] {
        assert!(matches!(next(&both, names), Step::Wait(_)));
    }
}

#[test]
fn ver_34_a_lost_secret_comes_back() {
    let mut world = World::new(2);
    world.settle().unwrap();
    let before = world.secret.clone().unwrap().current;
    world.write(None);
    world.settle().unwrap();
    assert!(world.is_stable());
    assert_eq!(world.secret.clone().unwrap().current, before);
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        40 => (0..3_usize).prop_map(Move::Go),
        2 => (0..3_usize).prop_map(Move::Start),
        1 => (0..3_usize).prop_map(Move::Kill),
        1 => (0..3_usize).prop_map(Move::Leave),
        4 => (1..SETTLE).prop_map(Move::Pass),
        1 => (1..LIFE / 2).prop_map(Move::Pass),
        1 => Just(Move::Rotate),
    ]
}

proptest! {
    #[test]
    fn ver_34_three_replicas_at_random(ways in prop::collection::vec(moves(), 1..600)) {
        let mut world = World::new(3);
        let mut heard = [BEGIN; 3];
        for way in ways {
            // A replica that is alive is never silent for as long as it takes to be forgotten.
            if let Move::Pass(seconds) = way {
                let silent = |(at, replica): (usize, &Replica)| {
                    replica.alive && world.now + seconds - heard[at] > FORGET_AFTER / 2
                };
                if world.replicas.iter().enumerate().any(silent) {
                    for (at, heard) in heard.iter_mut().enumerate() {
                        for _ in 0..30 {
                            world.make(Move::Go(at));
                            world.check().map_err(TestCaseError::fail)?;
                        }
                        *heard = world.now;
                    }
                    continue;
                }
            }
            world.make(way);
            if let Move::Start(at) = way {
                heard[at] = world.now;
            }
            world.check().map_err(TestCaseError::fail)?;
        }
        for at in 0..3 {
            world.make(Move::Start(at));
        }
        // Somebody who takes the bundle away is set right, whatever goes on.
        world.make(Move::Wipe);
        world.settle().map_err(TestCaseError::fail)?;
        world.make(Move::Pass(FORGET_AFTER / 2));
        world.settle().map_err(TestCaseError::fail)?;
        prop_assert!(world.is_stable(), "{world:#?}");
    }
}
