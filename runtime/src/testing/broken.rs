//! What is told of a law that does not hold.

use std::fmt;

use serde_json::Value;

use super::places::{Difference, text};

/// A law that a kind's conversions break, with the smallest object that was found to show it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct Broken {
    kind: String,
    message: String,
    path: Option<String>,
    seed: Option<u64>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)?;
        match self.seed {
            Some(seed) => write!(f, "\nto see it again: KUBEWRIGHT_SEED={seed}"),
            None => Ok(()),
        }
    }
}

impl Broken {
    pub(crate) fn new(kind: &str, message: String) -> Self {
        Self {
            kind: kind.to_owned(),
            message,
            path: None,
            seed: None,
        }
    }

    /// The place that is another one than the law says, such as `spec.ports[0].name`.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// What the objects were drawn from, where one of them shows it.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }
}

/// Objects on the way, each with what it is.
type Steps = Vec<(String, Value)>;

/// A case that breaks a law.
#[derive(Debug, Default)]
pub(crate) struct Found {
    what: String,
    difference: Option<Box<Difference>>,
    note: Option<&'static str>,
    steps: Steps,
}

impl Found {
    pub(crate) fn new(what: &str, difference: Difference, note: Option<&'static str>) -> Self {
        Self {
            what: what.to_owned(),
            difference: Some(Box::new(difference)),
            note,
            steps: Vec::new(),
        }
    }

    pub(crate) fn told(what: &str, why: &str) -> Self {
        Self {
            what: format!("{what}: {why}"),
            ..Self::default()
        }
    }

    pub(crate) fn step(mut self, what: &str, object: &Value) -> Self {
        self.steps.push((what.to_owned(), object.clone()));
        self
    }

    pub(crate) fn broken(self, kind: &str, seed: u64) -> Broken {
        let mut message = self.what;
        let mut place = None;
        if let Some(difference) = self.difference {
            let Difference { path, was, is } = *difference;
            let shown =
                |value: Option<Value>| value.map_or_else(|| "absent".to_owned(), |value| value.to_string());
            let path = text(&path);
            message += &format!(" at {path}\n  it was {}\n  it is  {}", shown(was), shown(is));
            place = Some(path);
        }
        if let Some(note) = self.note {
            message += &format!("\n  {note}");
        }
        for (what, object) in self.steps {
            message += &format!("\n  {what}: {object}");
        }
        Broken {
            kind: kind.to_owned(),
            message,
            path: place,
            seed: Some(seed),
        }
    }
}
