//! How a law is tried: objects are drawn until one breaks it, and then smaller ones.
//!
//! **Invariant:** of what was drawn, most converts, or the law says that it shows nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde_json::Value;

use super::broken::Found;
use super::draw::{self, Reads, Version};
use super::places::{self, Edit};
use super::{Broken, Laws};
use crate::convert::ConvertError;

/// Of the drawn objects, in percent, that may fail to convert.
const MAY_FAIL: u64 = 90;
const HELP: &str = "give values that do: conversion_tests!(..; samples = Samples::new().at(\"<version>\", \"spec.<field>\", [..]))";

/// How conversions went, by the versions that they were between.
#[derive(Debug, Default)]
pub(super) struct Tally {
    tried: u64,
    failed: u64,
    first: Option<String>,
}

/// What a conversion is in a law.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Of an object that was drawn.
    There,
    /// Of what became of it.
    Back,
    /// For a closer look; not counted.
    More,
}

pub(super) type Tallies = RefCell<BTreeMap<(String, String, Way), Tally>>;

impl Laws {
    /// A version that `version` converts to in one leg.
    pub(super) fn other(&self, version: &str) -> &'static str {
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
    pub(super) fn each_pair(
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
    pub(super) fn run<S: Strategy<Value: Debug>>(
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
    pub(super) fn convert(
        &self,
        object: &Value,
        to: &str,
        way: Way,
        tallies: &Tallies,
    ) -> Result<Option<Value>, Found> {
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
                Err(Found::told("a conversion does not answer", &error.to_string()).step(&from, object))
            }
        }
    }

    /// Whether enough of the objects converted for the law to say something.
    pub(super) fn enough(&self, tallies: &Tallies) -> Result<(), Broken> {
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
    pub(super) fn take_saved(&self, object: &mut Value) -> Option<String> {
        let annotations = object["metadata"]["annotations"].as_object_mut()?;
        match annotations.remove(self.converter.key())? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The law of all edits: `shown` is `object` at `there`, and `edited` is sent.
    pub(super) fn edited(
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
