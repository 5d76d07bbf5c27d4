//! What conversions between neighbouring versions did when they were released (VER-51).
//!
//! A changed function, or another `added(value = ...)`, gives objects that are stored another meaning, and no schema
//! shows it. So a lock has, for each edge, a hash of its table and conversions of objects that were drawn once, which a
//! check makes again.
//!
//! **Invariant:** equal tables have equal hashes, in whatever build: names on the wire and values are hashed, and no
//! addresses.

use std::fmt;

use kubewright_schema::compare::{Level, Stability};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Accepted, Lock, LockError, Release};
use crate::convert::{Converter, Versioned};
use crate::testing::Samples;
use crate::testing::draw::{self, Reads, Version};
use crate::testing::places::{self, Step};

/// Conversions that are recorded of an edge, each way.
const RECORDED: usize = 16;
/// Objects that are drawn until enough of them convert.
const DRAWN: usize = 2000;
/// Bytes of a larger object are not worth their place in the file.
const LARGEST: usize = 2048;

/// An edge, as it was released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LockedEdge {
    /// The older version.
    from: String,
    /// The newer version.
    to: String,
    /// SHA-256 of the table's text.
    table: String,
    /// Conversions from the older version to the newer one.
    up: Vec<Recorded>,
    /// Conversions from the newer version to the older one.
    down: Vec<Recorded>,
}

/// A conversion, both objects as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    from: String,
    to: String,
}

/// A difference between what an edge does and what it did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EdgeFinding {
    /// What it means for the release.
    pub level: Level,
    /// The older version.
    pub from: String,
    /// The newer version.
    pub to: String,
    /// What differs.
    pub change: EdgeChange,
}

/// What differs of an edge.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EdgeChange {
    /// The table says something else. Whether that means anything for objects, the other findings say.
    Table,
    /// An object becomes another one than it did.
    Conversion {
        /// The object as JSON.
        object: String,
        /// The first place that differs, such as `spec.memory`.
        path: String,
        /// What stood there; absent where nothing did.
        was: Option<Value>,
        /// What stands there; absent where nothing does.
        is: Option<Value>,
    },
    /// An object does not convert any more.
    Fails {
        /// The object as JSON.
        object: String,
        /// Why.
        error: String,
    },
}

impl fmt::Display for EdgeFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            level,
            from,
            to,
            change,
        } = self;
        write!(f, "{}: conversion between {from} and {to}: ", level.name())?;
        let shown = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "absent".to_owned(), Value::to_string)
        };
        match change {
            EdgeChange::Table => f.write_str("its table says something else than when it was released"),
            EdgeChange::Conversion {
                object,
                path,
                was,
                is,
            } => {
                write!(f, "{path} was {} and is {}, of {object}", shown(was), shown(is))
            }
            EdgeChange::Fails { object, error } => write!(f, "{error}, of {object}"),
        }
    }
}

/// All findings in one text.
pub(super) fn changed(findings: &[EdgeFinding]) -> String {
    let mut text = String::from(
        "stored objects would mean something else; undo the change, or accept it with a reason:",
    );
    for finding in findings {
        text += &format!("\n  {finding}");
    }
    text
}

impl Lock {
    /// Records what the conversions of a kind do, by its newest version. An edge that does what is recorded stays as it
    /// is, one that does more is recorded anew.
    ///
    /// # Errors
    /// [`LockError::EdgesChanged`] where an object becomes another one than it did and there is no reason;
    /// [`LockError::Samples`] where no objects can be drawn. The lock then stays as it was.
    pub fn record_edges<K: Versioned>(
        &mut self,
        samples: &Samples,
        release: &Release,
        accept_breaking: Option<&str>,
    ) -> Result<Vec<EdgeFinding>, LockError> {
        let converter = Converter::of::<K>();
        self.same_kind(&converter)?;
        let findings = self.compare_edges(&converter);
        let breaking: Vec<EdgeFinding> = findings
            .iter()
            .filter(|finding| finding.level == Level::Breaking)
            .cloned()
            .collect();
        let reason = accept_breaking.map(str::trim).filter(|reason| !reason.is_empty());
        if !breaking.is_empty() && reason.is_none() {
            return Err(LockError::EdgesChanged { findings: breaking });
        }
        let mut edges = Vec::new();
        let versions = versions(&converter)?;
        for pair in versions.windows(2) {
            let [newer, older] = pair else { continue };
            let known = self
                .edges
                .iter()
                .find(|edge| edge.from == older.name() && edge.to == newer.name());
            let changed = findings
                .iter()
                .any(|finding| finding.from == older.name() && finding.to == newer.name());
            edges.push(match known {
                Some(known) if !changed => known.clone(),
                _ => LockedEdge::record(&converter, older, newer, samples)?,
            });
        }
        if let Some(reason) = reason.filter(|_| !breaking.is_empty()) {
            self.accepted.push(Accepted {
                release: release.name.clone(),
                reason: reason.to_owned(),
                findings: breaking.iter().map(ToString::to_string).collect(),
            });
        }
        self.edges = edges;
        Ok(findings)
    }

    /// Makes all recorded conversions again, and compares the tables. One finding for each way of an edge, and one for
    /// its table.
    ///
    /// An object that becomes another one breaks the release, unless the place was empty before, or a version is an alpha
    /// one.
    ///
    /// # Errors
    /// [`LockError::OtherKind`].
    pub fn check_edges<K: Versioned>(&self) -> Result<Vec<EdgeFinding>, LockError> {
        let converter = Converter::of::<K>();
        self.same_kind(&converter)?;
        Ok(self.compare_edges(&converter))
    }

    fn same_kind(&self, converter: &Converter) -> Result<(), LockError> {
        let given = converter.links().next().map_or("", |link| link.info.crd_name);
        if given == self.name() {
            return Ok(());
        }
        Err(LockError::OtherKind {
            locked: self.name(),
            given: given.to_owned(),
        })
    }

    fn compare_edges(&self, converter: &Converter) -> Vec<EdgeFinding> {
        let mut findings = Vec::new();
        for edge in &self.edges {
            // A version that left takes its edges along; that it may leave is another check.
            let Some(between) = converter.between(&edge.from, &edge.to) else {
                continue;
            };
            let mut tell = |level, change| {
                let alpha = [&edge.from, &edge.to]
                    .iter()
                    .any(|version| Stability::of(version) == Stability::Alpha);
                findings.push(EdgeFinding {
                    level: if alpha {
                        Level::min(level, Level::Warning)
                    } else {
                        level
                    },
                    from: edge.from.clone(),
                    to: edge.to.clone(),
                    change,
                });
            };
            if between.links().count() == 2 && table(&between) != edge.table {
                tell(Level::Warning, EdgeChange::Table);
            }
            for (recorded, to) in [(&edge.up, &edge.to), (&edge.down, &edge.from)] {
                let first = recorded
                    .iter()
                    .filter_map(|recorded| recorded.replay(&between, to))
                    .max_by_key(|(level, _)| *level);
                if let Some((level, change)) = first {
                    tell(level, change);
                }
            }
        }
        findings
    }
}

fn versions(converter: &Converter) -> Result<Vec<Version>, LockError> {
    draw::versions(converter).map_err(|broken| LockError::Samples {
        version: converter.kind().to_owned(),
        message: broken.to_string(),
    })
}

/// The hash of an edge's table.
fn table(between: &Converter) -> String {
    let text = between
        .links()
        .next()
        .map(crate::convert::canonical::text)
        .unwrap_or_default();
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl LockedEdge {
    fn record(
        converter: &Converter,
        older: &Version,
        newer: &Version,
        samples: &Samples,
    ) -> Result<Self, LockError> {
        let between = converter
            .between(older.name(), newer.name())
            .unwrap_or_else(|| converter.clone());
        Ok(Self {
            from: older.name().to_owned(),
            to: newer.name().to_owned(),
            table: table(&between),
            up: Recorded::draw(&between, older, newer.name(), samples)?,
            down: Recorded::draw(&between, newer, older.name(), samples)?,
        })
    }
}

impl Recorded {
    /// Draws the same objects each time.
    fn draw(
        between: &Converter,
        from: &Version,
        to: &'static str,
        samples: &Samples,
    ) -> Result<Vec<Self>, LockError> {
        let failed = |message: String| LockError::Samples {
            version: from.name().to_owned(),
            message,
        };
        let mut runner = TestRunner::new_with_rng(Config::default(), draw::numbers(51));
        let drawn = from.objects(samples, Reads::new(between, from.name(), to));
        let (mut out, mut error) = (Vec::new(), None);
        for _ in 0..DRAWN {
            let mut object = drawn
                .new_tree(&mut runner)
                .map_err(|reason| failed(reason.to_string()))?
                .current();
            // Nothing converts metadata.
            object["metadata"] = serde_json::json!({ "name": "drawn" });
            let object = object.to_string();
            if object.len() > LARGEST {
                continue;
            }
            let mut becomes = String::new();
            match between.convert(&object, to, &mut becomes) {
                Ok(()) => out.push(Self {
                    from: object,
                    to: becomes,
                }),
                Err(other) => error = Some(other),
            }
            if out.len() == RECORDED {
                return Ok(out);
            }
        }
        let error = error.map_or_else(|| "all are too large".to_owned(), |error| error.to_string());
        Err(failed(format!(
            "{} of {DRAWN} drawn objects convert to {to}, {RECORDED} are needed: {error}",
            out.len()
        )))
    }

    /// Converts anew, and says what is another result.
    fn replay(&self, between: &Converter, to: &str) -> Option<(Level, EdgeChange)> {
        let mut is = String::new();
        if let Err(error) = between.convert(&self.from, to, &mut is) {
            let change = EdgeChange::Fails {
                object: self.from.clone(),
                error: error.to_string(),
            };
            return Some((Level::Breaking, change));
        }
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let difference = places::difference(&read(&self.to), &read(&is))?;
        // What was saved for a field that came later says nothing about what was there.
        let later = difference.was.is_none() || is_saved(&difference.path);
        let level = if later { Level::Warning } else { Level::Breaking };
        let change = EdgeChange::Conversion {
            object: self.from.clone(),
            path: places::text(&difference.path),
            was: difference.was,
            is: difference.is,
        };
        Some((level, change))
    }
}

/// Whether a place is an annotation.
fn is_saved(path: &[Step]) -> bool {
    matches!(path.first(), Some(Step::Name(name)) if name == "metadata")
}

#[cfg(test)]
#[path = "edges_tests.rs"]
mod tests;
