//! How requests are made: by whom, for real or not, how strictly, for how long.

use std::borrow::Cow;
use std::time::Duration;

/// What the server does with fields that the kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldValidation {
    /// Drops them.
    Ignore,
    /// Drops them with a warning; the server's default.
    Warn,
    /// Refuses the write.
    Strict,
}

impl FieldValidation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "Ignore",
            Self::Warn => "Warn",
            Self::Strict => "Strict",
        }
    }
}

/// Who owns the fields that server-side apply sets. A string is a manager that does not force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldManager {
    pub(super) name: Cow<'static, str>,
    pub(super) force: bool,
}

impl FieldManager {
    /// A manager of this name, at most 128 bytes.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            force: false,
        }
    }

    /// Takes fields over from other managers instead of reporting a conflict, as controllers do.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl From<&'static str> for FieldManager {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl From<String> for FieldManager {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// What every request of a client has, and every write carries.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) field_manager: Option<Cow<'static, str>>,
    pub(super) dry_run: bool,
    pub(super) field_validation: Option<FieldValidation>,
    pub(super) timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            field_manager: None,
            dry_run: false,
            field_validation: None,
            // A server gives up after 60 s (`--request-timeout`), and then says so.
            timeout: Duration::from_secs(70),
        }
    }
}
