//! Why an object could not be converted.

/// Why an object could not be converted. None of them goes away when it is tried again with the same object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The text is no JSON.
    #[error("object is not JSON")]
    NotJson,
    /// The value is no object.
    #[error("object is not an object")]
    NotAnObject,
    /// A member that every object has is missing, or is no string.
    #[error("object has no {0}")]
    Missing(&'static str),
    /// No kind of the object's group and name is known.
    #[error("no conversion is registered for {api_version} {kind} (known: {known})")]
    UnknownKind {
        /// As the object has it.
        api_version: String,
        /// As the object has it.
        kind: String,
        /// Kinds that are known.
        known: String,
    },
    /// The object's version, or the one that is asked for, is none of the kind's.
    #[error("{version} is not a version of {kind} (known: {known})")]
    UnknownVersion {
        /// As it was given.
        version: String,
        /// The kind.
        kind: String,
        /// Versions that are known, newest first.
        known: String,
    },
    /// A value of the object cannot be shown at the other version.
    #[error("converting {kind} {object} from {from} to {to}: {reason}")]
    Object {
        /// The kind.
        kind: String,
        /// Namespace and name.
        object: String,
        /// `apiVersion` of the object.
        from: String,
        /// `apiVersion` that was asked for.
        to: String,
        /// Where and why.
        reason: String,
        /// Whether user code panicked.
        panicked: bool,
    },
    /// A typed value could not be written as JSON, or the result is not of its type.
    #[error("{type_name}: {reason}")]
    Typed {
        /// The Rust type.
        type_name: &'static str,
        /// What serde says.
        reason: String,
    },
}

impl ConvertError {
    /// The code of a review's result: 400 where the request is at fault, 422 where an object is, 500 after a panic.
    pub fn code(&self) -> u16 {
        match self {
            Self::Object { panicked: true, .. } => 500,
            Self::Object { .. } | Self::Typed { .. } => 422,
            _ => 400,
        }
    }
}
