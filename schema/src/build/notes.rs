//! What is doubtful in Rust types and cannot be seen in their schema any more.

use serde_json::{Map, Value};

/// One such thing, before its place is known.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) id: &'static str,
    pub(super) message: &'static str,
    /// Whether it is told of a status, which the program alone writes.
    pub(super) in_status: bool,
}

/// SCH-99.
pub(super) const CLOSED: Note = Note {
    id: "closed-object",
    message: "`deny_unknown_fields` makes older programs fail on fields that a newer definition adds; the server prunes \
              unknown fields anyway: remove it",
    in_status: true,
};
/// SCH-109.
pub(super) const WIDE: Note = Note {
    id: "wide-integer",
    message: "values above 9223372036854775807 are rejected by the server; use i64, or a string",
    in_status: true,
};
/// SCH-110.
pub(super) const FLOAT: Note = Note {
    id: "float",
    message: "floats differ between writers and do not round-trip; prefer Quantity or a string",
    in_status: false,
};
/// SCH-114.
pub(super) const BYTES: Note = Note {
    id: "byte-list",
    message: "bytes are written as a list of numbers; use ByteString (string, format byte)",
    in_status: true,
};
/// SCH-89.
pub(super) const KEYS: Note = Note {
    id: "unchecked-keys",
    message: "the server does not check the keys of a map; a key that the type refuses is stored",
    in_status: true,
};

/// By the key in a mark: what the derive alone can see.
const OF_DERIVE: [(&str, Note); 7] = [
    ("denyUnknownFields", CLOSED),
    // SCH-102.
    (
        "skipSerializing",
        Note {
            id: "lost-on-write",
            message: "`skip_serializing` loses the field whenever the object is written back; drop it, or the field",
            in_status: true,
        },
    ),
    (
        "skipDeserializing",
        Note {
            id: "lost-on-write",
            message: "`skip_deserializing` reads the default whatever is stored, and writes it back over that; move the \
                      field to the status, or drop it",
            in_status: false,
        },
    ),
    // SCH-91.
    (
        "otherVariant",
        Note {
            id: "lost-on-write",
            message: "`#[serde(other)]` forgets what it stands for, and its own name is written back over that; hold \
                      unknown values in a String",
            in_status: true,
        },
    ),
    // SCH-103.
    (
        "alias",
        Note {
            id: "pruned-alias",
            message: "aliases are pruned by the server before they are read; remove the alias, or declare a field of that \
                      name",
            in_status: true,
        },
    ),
    // SCH-111.
    (
        "path",
        Note {
            id: "os-path",
            message: "a path that is not UTF-8 cannot be written; use a String",
            in_status: true,
        },
    ),
    // SCH-100.
    (
        "noneAsDefault",
        Note {
            id: "none-as-default",
            message: "the type's own default has a value here, as which a `None` is read again, since no null is stored; \
                      add #[kube(nullable)] and write the field always, or make the default `None`",
            in_status: true,
        },
    ),
];

/// What a mark tells of its type or field.
pub(super) fn told(mark: &Map<String, Value>) -> impl Iterator<Item = Note> {
    OF_DERIVE
        .into_iter()
        .filter(|(key, _)| mark.get(*key) == Some(&Value::Bool(true)))
        .map(|(_, note)| note)
}
