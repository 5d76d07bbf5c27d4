//! What must hold of conversions.
//!
//! **Invariant:** a law looks at what an object is on the wire, and at what a table loses; it knows no kind.

use std::fmt::Debug;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Broken;
use super::broken::Found;
use super::draw::{self, Reads, Samples};
use super::forge::forgery;
use super::places::{self, Places, Step};
use super::trial::Way;
use crate::convert::{Converter, Versioned};

/// Objects that a test draws where nothing else is said.
const CASES: u32 = 256;
/// What objects are drawn by where nothing is said.
const SEED: u64 = 1;

/// What must hold of the conversions between a kind's versions (VER-22), each law as a method that draws objects.
///
/// A value that a conversion function refuses with its own error is left out, unless almost all are: then
/// [`Samples`] are needed. A function that panics breaks any law.
#[derive(Clone, Debug)]
pub struct Laws {
    pub(super) converter: Converter,
    samples: Samples,
    pub(super) cases: u32,
    pub(super) seed: u64,
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    match text.trim().parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} is {text:?}, which is no number"),
    }
}

impl Laws {
    /// The laws of a kind, by its newest version. Cases and seed are those of the environment.
    ///
    /// # Panics
    /// Where `KUBEWRIGHT_CASES` or `KUBEWRIGHT_SEED` is no number.
    pub fn of<K: Versioned>() -> Self {
        Self::with(Converter::of::<K>())
    }

    pub(crate) fn with(converter: Converter) -> Self {
        Self {
            converter,
            samples: Samples::new(),
            cases: number("KUBEWRIGHT_CASES").unwrap_or(CASES),
            seed: number("KUBEWRIGHT_SEED").unwrap_or(SEED),
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
    /// sees of the object; but a null may go where a function reads it, to which it says nothing.
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
                            &error.to_string(),
                        )));
                    }
                };
                let Some(mut seen) = self.convert(&result, there.name(), Way::More, tallies)? else {
                    return Ok(());
                };
                self.take_saved(&mut seen);
                let mut expected = plain.clone();
                if let Some(cell) = self.converter.cell(there.name(), here.name()) {
                    places::forgive_nulls(&mut expected, &seen, cell);
                }
                match places::difference(&expected, &seen) {
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
        })
    }
}

fn place_text(what: &str, place: &[Step]) -> String {
    format!("{what} {}", places::text(place))
}
