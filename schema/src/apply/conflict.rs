//! Fields that somebody else owns with another value.

use std::fmt;

use thiserror::Error;

use super::owners;
use super::path::{self, Path};
use super::set::FieldSet;
use super::update::Managers;

/// One field and the manager that owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Identifier of the manager, as [`Managers`] has it.
    pub manager: String,
    /// The field.
    pub path: Path,
}

impl Conflict {
    /// The field as messages show it: `.spec.replicas`.
    pub fn field(&self) -> String {
        path::to_text(&self.path)
    }

    /// Text of the cause: `conflict with "m1"`, with version and time for managers that update.
    pub fn message(&self) -> String {
        format!("conflict with {}", owners::describe(&self.manager))
    }
}

/// All conflicts of an apply; at least one. Displayed as the message of the 409.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Conflicts(pub Vec<Conflict>);

impl Conflicts {
    pub(super) fn of(sets: &Managers) -> Self {
        let conflicts = sets.iter().flat_map(|(manager, owned)| {
            let paths = owned.set.paths().into_iter();
            paths.map(|path| Conflict {
                manager: manager.clone(),
                path,
            })
        });
        Self(conflicts.collect())
    }

    pub(super) fn fields(&self) -> FieldSet {
        self.0.iter().map(|conflict| conflict.path.as_slice()).collect()
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(
                f,
                "Apply failed with 1 conflict: {}: {}",
                only.message(),
                only.field()
            );
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut managers: Vec<&str> = self.0.iter().map(|conflict| conflict.manager.as_str()).collect();
        managers.sort_unstable();
        managers.dedup();
        let mut lines = Vec::new();
        for manager in managers {
            lines.push(format!("conflicts with {}:", owners::describe(manager)));
            let fields = self.0.iter().filter(|conflict| conflict.manager == manager);
            lines.extend(fields.map(|conflict| format!("- {}", conflict.field())));
        }
        f.write_str(&lines.join("\n"))
    }
}
