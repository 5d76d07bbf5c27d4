//! Tests that a user's conversions keep what objects hold, by the feature `testing`.
//!
//! [`conversion_tests!`](crate::conversion_tests) in a test module is all there is to write. Objects are drawn from the
//! schema of each version, with all that it allows; what must hold of them is said at the methods of [`Laws`].
//!
//! ```
//! # mod api {
//! #     pub mod v1alpha1 {
//! #         use kubewright::CustomResource; use schemars::JsonSchema; use serde::{Deserialize, Serialize};
//! #         #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
//! #         #[kube(group = "web.example.com", version = "v1alpha1", kind = "Site")]
//! #         pub struct SiteSpec { pub note: Option<String> }
//! #     }
//! #     pub mod v1 {
//! #         use kubewright::{Convert, CustomResource}; use schemars::JsonSchema; use serde::{Deserialize, Serialize};
//! #         #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
//! #         #[kube(group = "web.example.com", version = "v1", kind = "Site", storage, previous = super::v1alpha1::Site)]
//! #         #[convert(from = super::v1alpha1::SiteSpec, old_only(note))]
//! #         pub struct SiteSpec { #[convert(added)] pub class: Option<String> }
//! #     }
//! # }
//! # use api::*;
//! #[cfg(test)]
//! mod tests {
//!     use super::*;
//!
//!     kubewright::conversion_tests!(v1::Site);
//! }
//! # kubewright::testing::Laws::of::<v1::Site>().cases(16).objects_come_back().unwrap();
//! ```
//!
//! `KUBEWRIGHT_CASES` says how many objects each test draws, 256 where it is absent. A failure names a seed;
//! `KUBEWRIGHT_SEED` draws the same objects again.

mod broken;
pub(crate) mod draw;
pub(crate) mod places;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use broken::Broken;
use broken::Found;
pub use draw::Samples;
use draw::{Reads, Version};
use places::{Edit, Places, Step};
pub use proptest;

use crate::convert::{ConvertError, Converter, Versioned};

/// Objects that a test draws where nothing else is said.
const CASES: u32 = 256;
/// Of the drawn objects, in percent, that may fail to convert.
const MAY_FAIL: u64 = 90;

/// Makes tests of a kind's conversions, in the module where it stands; see [`testing`](crate::testing).
///
/// The type is that of the newest version. Further types, as `v1alpha1::Site`, are looked at where they have
/// [defaults](crate::Defaults), as the first one is; `samples = ...` gives values that the schema does not know of:
///
/// ```ignore
/// kubewright::conversion_tests!(v1::Site, v1alpha1::Site; samples = Samples::new().at("v1alpha1", "spec.memory", ["1Mi"]));
/// ```
///
/// A second kind needs a module of its own, since the tests have fixed names.
#[macro_export]
macro_rules! conversion_tests {
    ($kind:path $(, $older:path)* $(,)? $(; samples = $samples:expr)?) => {
        fn __laws() -> $crate::testing::Laws {
            let laws = $crate::testing::Laws::of::<$kind>();
            $(let laws = laws.samples($samples);)?
            laws
        }

        #[test]
        fn objects_come_back() {
            $crate::testing::hold(__laws().objects_come_back());
        }

        #[test]
        fn what_no_diff_is_taken_for_comes_back_without_one() {
            $crate::testing::hold(__laws().exact_values_come_back());
        }

        #[test]
        fn an_edit_changes_what_was_edited() {
            $crate::testing::hold(__laws().edits_keep_the_rest());
        }

        #[test]
        fn items_of_lists_keep_what_is_theirs() {
            $crate::testing::hold(__laws().list_items_keep_what_is_theirs());
        }

        #[test]
        fn forged_annotations_are_harmless() {
            $crate::testing::hold(__laws().forged_annotations_are_harmless());
        }

        #[test]
        fn setting_defaults_twice_is_setting_them_once() {
            #[allow(unused_imports)]
            use $crate::defaults::NothingInside as _;
            $crate::testing::hold(__laws().defaults_are_idempotent::<$kind>(|__value| {
                $crate::defaults::Inside(__value).set_defaults();
            }));
            $($crate::testing::hold(__laws().defaults_are_idempotent::<$older>(|__value| {
                $crate::defaults::Inside(__value).set_defaults();
            }));)*
        }
    };
}

/// Ends a test whose law is broken.
///
/// # Panics
/// With the text of the [`Broken`].
#[doc(hidden)]
pub fn hold(law: Result<(), Broken>) {
    if let Err(broken) = law {
        panic!("{broken}");
    }
}

/// What must hold of the conversions between a kind's versions (VER-22), each law as a method that draws objects.
///
/// A value that a conversion function refuses with its own error is left out, unless almost all are: then
/// [`Samples`] are needed. A function that panics breaks any law.
#[derive(Clone, Debug)]
pub struct Laws {
    converter: Converter,
    samples: Samples,
    cases: u32,
    seed: u64,
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    match text.trim().parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} is {text:?}, which is no number"),
    }
}

/// How conversions went, by the versions that they were between.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    tried: u64,
    failed: u64,
    first: Option<String>,
}

/// What a conversion is in a law.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Of an object that was drawn.
    There,
    /// Of what became of it.
    Back,
    /// For a closer look; not counted.
    More,
}

type Tallies = RefCell<BTreeMap<(String, String, Way), Tally>>;

impl Laws {
    /// The laws of a kind, by its newest version. Cases and seed are those of the environment.
    ///
    /// # Panics
    /// Where `KUBEWRIGHT_CASES` or `KUBEWRIGHT_SEED` is no number.
    pub fn of<K: Versioned>() -> Self {
        Self::with(Converter::of::<K>())
    }

    pub(crate) fn with(converter: Converter) -> Self {
        let any = || {
            std::collections::hash_map::RandomState::new()
                .build_hasher()
                .finish()
        };
        Self {
            converter,
            samples: Samples::new(),
            cases: number("KUBEWRIGHT_CASES").unwrap_or(CASES),
            seed: number("KUBEWRIGHT_SEED").unwrap_or_else(any),
        }
    }

    /// Values for places of whose type the schema does not say enough.
    #[must_use]
    pub fn samples(mut self, samples: Samples) -> Self {
        self.samples = samples;
        self
    }

    /// How many objects are drawn, of each version and for each other one.
    #[must_use]
    pub fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// What the objects are drawn from: the same number, the same objects.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// An object that goes to the storage version and back, or from there to another version and back, is the same
    /// afterwards, annotations included. A sparse one, as clients of server-side apply send it, converts; what of it is
    /// copied comes back.
    ///
    /// # Errors
    /// [`Broken`], for a smallest object that comes back as another one.
    pub fn objects_come_back(&self) -> Result<(), Broken> {
        self.each_pair(|here, there, reads, tallies| {
            self.run(here.sparse(&self.samples, reads), |(object, sparse)| {
                let way = if *sparse { Way::More } else { Way::There };
                let Some(other) = self.convert(object, there.name(), way, tallies)? else {
                    return Ok(());
                };
                let way = if *sparse { Way::More } else { Way::Back };
                let Some(back) = self.convert(&other, here.name(), way, tallies)? else {
                    return Ok(());
                };
                let cell = self.converter.cell(here.name(), there.name());
                let difference = match cell {
                    Some(cell) if *sparse => places::exact_difference(object, &back, cell),
                    _ => places::difference(object, &back),
                };
                let Some(difference) = difference else {
                    return Ok(());
                };
                let exact = cell.is_some_and(|cell| {
                    let places = Places::of(object, cell).exact;
                    places.iter().any(|place| difference.path.starts_with(place))
                });
                let note = exact.then_some(
                    "the place is copied or its functions are called `exact`, so no diff is taken for it",
                );
                Err(Found::new("an object does not come back", difference, note)
                    .step(here.name(), object)
                    .step(there.name(), &other)
                    .step(here.name(), &back))
            })
        })
    }

    /// What no diff is taken for comes back also where the annotation is lost: copied values, and those whose functions
    /// are called `exact`.
    ///
    /// # Errors
    /// [`Broken`], for a smallest object with such a value that comes back as another one.
    pub fn exact_values_come_back(&self) -> Result<(), Broken> {
        self.each_pair(|here, there, reads, tallies| {
            self.run(here.objects(&self.samples, reads), |object| {
                let Some(mut other) = self.convert(object, there.name(), Way::There, tallies)? else {
                    return Ok(());
                };
                self.take_saved(&mut other);
                let Some(back) = self.convert(&other, here.name(), Way::Back, tallies)? else {
                    return Ok(());
                };
                let cell = self.converter.cell(here.name(), there.name());
                let Some(difference) = cell.and_then(|cell| places::exact_difference(object, &back, cell))
                else {
                    return Ok(());
                };
                let note = Some("leave out `exact`, so that a diff is taken, or make the functions inverses");
                Err(Found::new(
                    "a value that is called exact does not come back",
                    difference,
                    note,
                )
                .step(here.name(), object)
                .step(there.name(), &other)
                .step(here.name(), &back))
            })
        })
    }

    /// Of an object that is edited at another version, where that version represents the edited value exactly, nothing
    /// else changes.
    ///
    /// # Errors
    /// [`Broken`], for a smallest object and edit that change something else.
    pub fn edits_keep_the_rest(&self) -> Result<(), Broken> {
        self.each_pair(|here, there, reads, tallies| {
            let back = Reads::new(&self.converter, there.name(), here.name());
            let drawn = (
                here.objects(&self.samples, reads),
                there.objects(&self.samples, back),
                any::<Index>(),
            );
            self.run(drawn, |(object, donor, choice)| {
                let Some(shown) = self.convert(object, there.name(), Way::There, tallies)? else {
                    return Ok(());
                };
                let Some(cell) = self.converter.cell(there.name(), here.name()) else {
                    return Ok(());
                };
                let places = Places::of(&shown, cell).exact;
                if places.is_empty() {
                    return Ok(());
                }
                let place = choice.get(&places);
                let (parents, _) = place.split_at(place.len().saturating_sub(1));
                // Without its parent the donor says nothing of the place.
                if !places::at(donor, parents).is_some_and(|parent| parent.is_object() || parent.is_array()) {
                    return Ok(());
                }
                let mut edited = shown.clone();
                places::replace(&mut edited, place, places::at(donor, place).cloned());
                self.edited(
                    object,
                    &shown,
                    &edited,
                    &place_text("edit of", place),
                    (here, there),
                    tallies,
                )
            })
        })
    }

    /// Of an object whose lists with keys are edited at another version, each item keeps what is its own: items that
    /// stay, in their new order, are as they were, deleted ones are gone, new ones are as they were written.
    ///
    /// # Errors
    /// [`Broken`], for a smallest object and edit after which an item is another one.
    pub fn list_items_keep_what_is_theirs(&self) -> Result<(), Broken> {
        self.each_pair(|here, there, reads, tallies| {
            let back = Reads::new(&self.converter, there.name(), here.name());
            let drawn = (
                here.objects(&self.samples, reads),
                there.objects(&self.samples, back),
                any::<Index>(),
                proptest::collection::vec(any::<bool>(), 6),
                any::<Index>(),
                any::<bool>(),
            );
            self.run(drawn, |(object, donor, choice, kept, turn, insert)| {
                let Some(shown) = self.convert(object, there.name(), Way::There, tallies)? else {
                    return Ok(());
                };
                let Some(cell) = self.converter.cell(there.name(), here.name()) else {
                    return Ok(());
                };
                let lists = Places::of(&shown, cell).lists;
                if lists.is_empty() {
                    return Ok(());
                }
                let (place, keys) = choice.get(&lists);
                let Some(items) = places::at(&shown, place).and_then(Value::as_array) else {
                    return Ok(());
                };
                let mut left = kept.iter();
                let mut list: Vec<Value> = items.clone();
                list.retain(|_| *left.next().unwrap_or(&true));
                if !list.is_empty() {
                    let turn = turn.index(list.len());
                    list.rotate_left(turn);
                }
                let new = places::at(donor, place)
                    .and_then(Value::as_array)
                    .filter(|_| *insert);
                for item in new.into_iter().flatten() {
                    let known = places::by_key(items, keys).unwrap_or_default();
                    let key = places::by_key(std::slice::from_ref(item), keys);
                    let new = key.is_some_and(|key| !known.iter().any(|(known, _)| *known == key[0].0));
                    if new
                        && places::by_key(&[&list[..], std::slice::from_ref(item)].concat(), keys).is_some()
                    {
                        list.push(item.clone());
                    }
                }
                let mut edited = shown.clone();
                places::replace(&mut edited, place, Some(list.into()));
                self.edited(
                    object,
                    &shown,
                    &edited,
                    &place_text("other items of", place),
                    (here, there),
                    tallies,
                )
            })
        })
    }

    /// What somebody wrote into the annotation by hand, or cut, neither fails a conversion nor changes what its writer
    /// sees of the object.
    ///
    /// # Errors
    /// [`Broken`], for a smallest object and annotation.
    pub fn forged_annotations_are_harmless(&self) -> Result<(), Broken> {
        self.each_pair(|here, there, reads, tallies| {
            let drawn = (
                here.objects(&self.samples, Arc::clone(&reads)),
                here.objects(&self.samples, reads),
                forgery(),
            );
            self.run(drawn, |(object, donor, forgery)| {
                let Some(shown) = self.convert(object, there.name(), Way::There, tallies)? else {
                    return Ok(());
                };
                let mut plain = shown.clone();
                let saved = self.take_saved(&mut plain);
                // Where it does not convert without an annotation, it need not with one.
                if self.convert(&plain, here.name(), Way::More, tallies)?.is_none() {
                    return Ok(());
                }
                let other = self.convert(donor, there.name(), Way::There, tallies)?;
                let other = other.and_then(|mut other| self.take_saved(&mut other));
                let text = forgery.text(saved, other, here.name(), donor);
                let mut forged = plain.clone();
                forged["metadata"]["annotations"][self.converter.key()] = text.into();
                let fault = |found: Found| {
                    found
                        .step(there.name(), &plain)
                        .step(&format!("{} with a forged annotation", there.name()), &forged)
                };
                let mut out = String::new();
                let converted = self.converter.convert(&forged.to_string(), here.name(), &mut out);
                let result: Value = match converted {
                    Ok(()) => serde_json::from_str(&out).unwrap_or_default(),
                    Err(error) => {
                        return Err(fault(Found::told(
                            "a forged annotation fails a conversion",
                            error.to_string(),
                        )));
                    }
                };
                let mut seen = match self.convert(&result, there.name(), Way::More, tallies)? {
                    Some(seen) => seen,
                    None => return Ok(()),
                };
                self.take_saved(&mut seen);
                match places::difference(&plain, &seen) {
                    None => Ok(()),
                    Some(difference) => Err(fault(
                        Found::new(
                            "a forged annotation changes what its writer sees",
                            difference,
                            None,
                        )
                        .step(here.name(), &result),
                    )),
                }
            })
        })
    }

    /// What [`Defaults::set_defaults`](crate::Defaults::set_defaults) fills in once, it does not change again.
    ///
    /// # Errors
    /// [`Broken`], for a smallest object that is another one after the second time.
    pub fn defaults_are_idempotent<K>(&self, set: impl Fn(&mut K)) -> Result<(), Broken>
    where
        K: Versioned + Serialize + DeserializeOwned,
    {
        let versions = draw::versions(&self.converter)?;
        let name = K::INFO.version;
        let Some(version) = versions.iter().find(|version| version.name() == name) else {
            return Err(Broken::new(
                self.converter.kind(),
                format!("{name} is not one of its versions"),
            ));
        };
        let reads = Reads::new(&self.converter, name, self.other(name));
        let tallies = Tallies::default();
        let drawn = version.objects(&self.samples, reads);
        self.run(drawn, |object| {
            // What the type does not read is no business of its defaults.
            let Ok(mut value) = serde_json::from_value::<K>(object.clone()) else {
                return Ok(());
            };
            set(&mut value);
            let once = json!(value);
            set(&mut value);
            let twice = json!(value);
            match places::difference(&once, &twice) {
                None => Ok(()),
                Some(difference) => Err(Found::new(
                    "setting defaults twice is not setting them once",
                    difference,
                    None,
                )
                .step(name, object)
                .step("after the first time", &once)),
            }
        })?;
        self.enough(&tallies)
    }

    /// A version that `version` converts to in one leg.
    fn other(&self, version: &str) -> &'static str {
        let storage = self.converter.storage();
        if version == storage {
            self.converter
                .versions()
                .find(|known| *known != storage)
                .unwrap_or(storage)
        } else {
            storage
        }
    }

    /// Does something for the storage version and each other one, both ways.
    fn each_pair(
        &self,
        law: impl Fn(&Version, &Version, Arc<Reads>, &Tallies) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let versions = draw::versions(&self.converter)?;
        let tallies = Tallies::default();
        let (storage, others): (Vec<_>, Vec<_>) = versions
            .iter()
            .partition(|version| version.name() == self.converter.storage());
        for storage in &storage {
            for other in &others {
                for (here, there) in [(other, storage), (storage, other)] {
                    let reads = Reads::new(&self.converter, here.name(), there.name());
                    law(here, there, reads, &tallies)?;
                }
            }
        }
        self.enough(&tallies)
    }

    /// Draws cases until one breaks the law, and then smaller ones.
    fn run<S: Strategy<Value: Debug>>(
        &self,
        drawn: S,
        law: impl Fn(&S::Value) -> Result<(), Found>,
    ) -> Result<(), Broken> {
        let config = Config {
            cases: self.cases,
            failure_persistence: None,
            max_local_rejects: 10_000,
            max_global_rejects: 10_000,
            max_shrink_iters: 4096,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, draw::numbers(self.seed));
        let smallest = RefCell::new(None);
        let result = runner.run(&drawn, |case| match law(&case) {
            Ok(()) => Ok(()),
            Err(found) => {
                *smallest.borrow_mut() = Some(found);
                Err(TestCaseError::fail("broken"))
            }
        });
        let kind = self.converter.kind();
        match result {
            Ok(()) => Ok(()),
            // What failed last is what could not be made smaller.
            Err(TestError::Fail(_, case)) => {
                let found = law(&case).err().or(smallest.into_inner());
                Err(found.unwrap_or_default().broken(kind, self.seed))
            }
            Err(TestError::Abort(reason)) => Err(Broken::new(
                kind,
                format!("no objects are drawn: {reason}\n{HELP}"),
            )),
        }
    }

    /// Converts, and counts; nothing where a conversion function has an error of its own.
    fn convert(&self, object: &Value, to: &str, way: Way, tallies: &Tallies) -> Result<Option<Value>, Found> {
        let from = object["apiVersion"].as_str().unwrap_or_default();
        let from = from
            .rsplit_once('/')
            .map_or(from, |(_, version)| version)
            .to_owned();
        let mut tallies = tallies.borrow_mut();
        let tally = tallies.entry((from.clone(), to.to_owned(), way)).or_default();
        tally.tried += 1;
        match self.converter.convert_value(object, to) {
            Ok(value) => Ok(Some(value)),
            Err(ConvertError::Object {
                panicked: false,
                reason,
                ..
            }) => {
                tally.failed += 1;
                tally.first.get_or_insert(reason);
                Ok(None)
            }
            Err(error) => {
                Err(Found::told("a conversion does not answer", error.to_string()).step(&from, object))
            }
        }
    }

    /// Whether enough of the objects converted for the law to say something.
    fn enough(&self, tallies: &Tallies) -> Result<(), Broken> {
        for ((from, to, way), tally) in tallies.borrow().iter() {
            if *way != Way::More && tally.failed * 100 > tally.tried * MAY_FAIL {
                let Tally { tried, failed, first } = tally;
                let first = first.as_deref().unwrap_or_default();
                let again = if *way == Way::Back { " again" } else { "" };
                return Err(Broken::new(
                    self.converter.kind(),
                    format!(
                        "{failed} of {tried} drawn objects do not convert from {from} to {to}{again}, such as: {first}\n{HELP}"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Takes out what a conversion saved.
    fn take_saved(&self, object: &mut Value) -> Option<String> {
        let annotations = object["metadata"]["annotations"].as_object_mut()?;
        match annotations.remove(self.converter.key())? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The law of all edits: `shown` is `object` at `there`, and `edited` is sent.
    fn edited(
        &self,
        object: &Value,
        shown: &Value,
        edited: &Value,
        what: &str,
        (here, there): (&Version, &Version),
        tallies: &Tallies,
    ) -> Result<(), Found> {
        let without = |value: &Value| {
            let mut value = value.clone();
            self.take_saved(&mut value);
            value
        };
        let (plain_shown, plain_edited) = (without(shown), without(edited));
        let Some(after) = self.convert(edited, here.name(), Way::Back, tallies)? else {
            return Ok(());
        };
        let plain_before = self.convert(&plain_shown, here.name(), Way::More, tallies)?;
        let plain_after = self.convert(&plain_edited, here.name(), Way::More, tallies)?;
        let (Some(plain_before), Some(plain_after)) = (plain_before, plain_after) else {
            return Ok(());
        };
        let steps = |found: Found| {
            found
                .step(here.name(), object)
                .step(there.name(), shown)
                .step(&format!("{}, {what}", there.name()), edited)
                .step(here.name(), &after)
        };
        let cell = self.converter.cell(here.name(), there.name());
        let (before, clean) = (without(object), without(&after));
        let edit = Edit {
            before: Some(&before),
            plain_before: Some(&without(&plain_before)),
            plain_after: Some(&without(&plain_after)),
            after: Some(&clean),
        };
        if let Some(difference) = edit.strays(cell, &mut Vec::new()) {
            return Err(steps(Found::new(
                "an edit changes something else",
                difference,
                None,
            )));
        }
        let Some(seen) = self.convert(&after, there.name(), Way::More, tallies)? else {
            return Ok(());
        };
        match places::difference(&plain_edited, &without(&seen)) {
            None => Ok(()),
            Some(difference) => Err(steps(Found::new(
                "an edit is not what its client sees then",
                difference,
                None,
            ))),
        }
    }
}

const HELP: &str = "give values that do: conversion_tests!(..; samples = Samples::new().at(\"<version>\", \"spec.<field>\", [..]))";

fn place_text(what: &str, place: &[Step]) -> String {
    format!("{what} {}", places::text(place))
}

/// What somebody may write into the annotation.
#[derive(Clone, Debug)]
enum Forgery {
    /// The right text, cut.
    Cut(Index),
    /// That of another object.
    Stolen,
    /// Any text.
    Text(String),
    /// Units of places and values that another object has somewhere.
    Units(Vec<(Index, Index, bool)>),
}

fn forgery() -> impl Strategy<Value = Forgery> {
    prop_oneof![
        any::<Index>().prop_map(Forgery::Cut),
        Just(Forgery::Stolen),
        ".{0,40}".prop_map(Forgery::Text),
        "[\\[\\]{}\",:a-z0-9\\\\]{0,60}".prop_map(Forgery::Text),
        proptest::collection::vec(any::<(Index, Index, bool)>(), 1..8).prop_map(Forgery::Units),
    ]
}

impl Forgery {
    fn text(&self, saved: Option<String>, other: Option<String>, origin: &str, donor: &Value) -> String {
        let saved = saved.unwrap_or_else(|| format!(r#"{{"{origin}":{{"del":[["spec"]]}}}}"#));
        match self {
            Forgery::Cut(end) => {
                let ends: Vec<usize> = saved.char_indices().map(|(at, _)| at).collect();
                saved[..*end.get(&ends)].to_owned()
            }
            Forgery::Stolen => other.unwrap_or(saved),
            Forgery::Text(text) => text.clone(),
            Forgery::Units(units) => {
                let mut all = Vec::new();
                every(donor, &mut Vec::new(), &mut all);
                let (mut set, mut del) = (Vec::new(), Vec::new());
                for (path, value, sets) in units {
                    let (path, value) = (&path.get(&all).0, all[value.index(all.len())].1);
                    if *sets {
                        set.push(json!([path, value]));
                    } else {
                        del.push(json!(path));
                    }
                }
                json!({ origin: { "set": set, "del": del } }).to_string()
            }
        }
    }
}

/// All places of an object as the annotation names them, and their values. Items are named by each of their members.
fn every<'v>(value: &'v Value, path: &mut Vec<Value>, out: &mut Vec<(Vec<Value>, &'v Value)>) {
    out.push((path.clone(), value));
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                path.push(name.as_str().into());
                every(value, path, out);
                path.pop();
            }
        }
        Value::Array(items) => {
            for item in items {
                let key = item.as_object().and_then(|members| members.iter().next());
                path.push(key.map_or_else(|| json!({}), |(name, value)| json!({ name: value })));
                every(item, path, out);
                path.pop();
            }
        }
        _ => {}
    }
}
