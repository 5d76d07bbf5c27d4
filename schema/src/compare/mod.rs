//! Comparison of two schemas, or of two CRDs: what changed, and whom it breaks.
//!
//! Two questions are asked of each change. **Stored**: does every object that was valid before, as it is stored, stay
//! valid and as it is, and do writers get what they got? **Readers**: can a declared field hold a value that it could
//! not hold before? A reader is taken to ignore fields that it does not know.
//!
//! The answer is a [`Verdict`]: safe, breaking, or undecided where only a proof about patterns, conditions or rules
//! could tell. What is undecided must be looked at, so treat it as breaking unless someone did.
//!
//! | id | change | stored | readers |
//! |---|---|---|---|
//! | `field-added` | a property is declared | safe; breaking where its place held values of any form, or if its default, once filled in, is refused; undecided if it has a default that conditions, rules or limits around may refuse | safe |
//! | `field-removed` | a property is declared no more | breaking, for it is pruned; safe where unknown fields are kept | safe; breaking if it was always there, or now holds anything |
//! | `type` | `type`, int-or-string | safe if each old value fits | breaking unless the new values fit |
//! | `nullable` | `nullable` | breaking if removed | breaking if added |
//! | `format` | a format that servers check | breaking if added, or changed to one that is not wider | the reverse |
//! | `bounds` | `minimum`, `maximum`, with their exclusive forms, lengths, sizes | breaking if tightened | breaking if loosened |
//! | `multiple-of` | `multipleOf` | breaking if added; safe if the new factor divides the old; else undecided | the reverse |
//! | `pattern` | `pattern` | breaking if added; undecided if changed | breaking if removed; undecided if changed |
//! | `enum` | `enum` | breaking if a value is gone | breaking if a value is new |
//! | `required` | `required` | breaking if a field must be there that could be missing | breaking if a field may be missing that could not |
//! | `default` | `default` of a field that was there before | breaking, unless it is added to a required field | breaking if removed from an optional field |
//! | `conditions` | `allOf`, `anyOf`, `oneOf`, `not` | breaking if added; safe if each old member fits a new one; else undecided | the reverse |
//! | `rule-added` | a CEL rule is new by its text, or also runs on creation now | breaking | safe |
//! | `rule-removed` | a CEL rule is gone by its text, or runs on updates alone now | safe | breaking |
//! | `rule-message` | message, reason, path of a CEL rule | safe | safe |
//! | `additional-properties` | keys of maps: their declaration or its absence | breaking if they are pruned, emptied or checked now | breaking if their values can be others now |
//! | `items` | whether items are declared | breaking | breaking |
//! | `preserve-unknown-fields` | `x-kubernetes-preserve-unknown-fields` | breaking if removed | safe |
//! | `embedded-resource` | `x-kubernetes-embedded-resource` | breaking | breaking if removed, or added to a map |
//! | `list-type` | `x-kubernetes-list-type`, `x-kubernetes-list-map-keys` | breaking: server-side apply merges and owns otherwise | breaking if duplicates become possible |
//! | `map-type` | `x-kubernetes-map-type` | breaking: server-side apply merges and owns otherwise | safe |
//!
//! Of whole CRDs, besides the schemas of versions that both have:
//!
//! | id | change | stored | readers |
//! |---|---|---|---|
//! | `group`, `scope`, `plural`, `kind` | the names in URLs and objects | breaking | breaking |
//! | `list-kind` | `listKind` | safe | breaking |
//! | `names` | `singular`, `shortNames`, `categories` | safe | safe |
//! | `version-added` | a version is new | safe | safe |
//! | `version-removed` | a version is gone | breaking if it was served, stored, or in `status.storedVersions` | breaking if it was served |
//! | `served` | a version is served or not | breaking if not any more | breaking if not any more |
//! | `storage` | another version is stored | undecided, unless both have the same schema | safe |
//! | `deprecated` | deprecation and its warning | safe | safe |
//! | `schema-presence` | a version has got or lost its schema as a whole | breaking | breaking |
//! | `status-subresource` | `subresources.status` | breaking: `status` is written elsewhere now | safe |
//! | `scale-subresource` | `subresources.scale` | breaking if removed or changed | breaking if removed or changed |
//! | `columns` | `additionalPrinterColumns` | safe | safe |
//! | `selectable-fields` | `selectableFields` | safe | breaking if one is gone |
//! | `conversion` | `conversion` | undecided | undecided |
//! | `preserve-all` | `spec.preserveUnknownFields` | breaking if switched off | safe |
//!
//! Descriptions, titles, examples and external documentation are not compared. Formats that no server checks are by
//! [`compare_crds`] alone: they are safe for what is stored and undecided for readers, whose types may come from them.
//!
//! What a release may do with a change is a third question, answered by [`Change::level`].
//!
//! **Invariant:** if no change is other than safe for stored objects, then each value that is valid and prepared under
//! the old schema is valid once it is prepared under the new one, which changes nothing that the old schema declares.
//! If none is other than safe for readers, then each value that is valid and prepared under the new schema is valid under the
//! old one. One quirk of servers is left out of both: a list passes as a string that has a format.

mod crd;
mod imply;
mod judge;
mod keywords;
mod level;
mod print;
mod unchecked;
mod walk;

use std::fmt;

use serde_json::Value;

use crate::structural::Structural;

pub use crd::compare_crds;
pub use level::{Level, Stability};

/// What a change means to someone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It breaks nothing.
    Safe,
    /// Nobody can tell from the schemas.
    Undecided,
    /// There are values for which it breaks.
    Breaking,
}

impl Verdict {
    /// As texts name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Undecided => "undecided",
            Self::Breaking => "breaking",
        }
    }

    pub(crate) fn breaking_if(breaks: bool) -> Self {
        if breaks { Self::Breaking } else { Self::Safe }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)*) => {
        /// Sort of a change. The table in the [module's documentation](self) says what each means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ChangeKind {
            $($(#[$doc])* $name,)*
        }

        impl ChangeKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its stable name, such as `field-removed`.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }
        }
    };
}

kinds! {
    /// A property is declared.
    FieldAdded = "field-added",
    /// A property is declared no more.
    FieldRemoved = "field-removed",
    /// `type` or int-or-string.
    Type = "type",
    /// `nullable`.
    Nullable = "nullable",
    /// `format`.
    Format = "format",
    /// A limit of numbers, lengths or sizes.
    Bounds = "bounds",
    /// `multipleOf`.
    MultipleOf = "multiple-of",
    /// `pattern`.
    Pattern = "pattern",
    /// `enum`.
    Enum = "enum",
    /// `required`.
    Required = "required",
    /// `default`.
    Default = "default",
    /// `allOf`, `anyOf`, `oneOf`, `not`.
    Conditions = "conditions",
    /// A rule in CEL is new.
    RuleAdded = "rule-added",
    /// A rule in CEL is gone.
    RuleRemoved = "rule-removed",
    /// What a rule in CEL says.
    RuleMessage = "rule-message",
    /// `additionalProperties`.
    AdditionalProperties = "additional-properties",
    /// Whether `items` are declared.
    Items = "items",
    /// `x-kubernetes-preserve-unknown-fields`.
    PreserveUnknownFields = "preserve-unknown-fields",
    /// `x-kubernetes-embedded-resource`.
    EmbeddedResource = "embedded-resource",
    /// `x-kubernetes-list-type` and its keys.
    ListType = "list-type",
    /// `x-kubernetes-map-type`.
    MapType = "map-type",
    /// The API group.
    Group = "group",
    /// Namespaced or not.
    Scope = "scope",
    /// The plural name, which stands in URLs.
    Plural = "plural",
    /// The kind.
    Kind = "kind",
    /// The kind of lists.
    ListKind = "list-kind",
    /// Names that only people type.
    Names = "names",
    /// A version is new.
    VersionAdded = "version-added",
    /// A version is gone.
    VersionRemoved = "version-removed",
    /// Whether a version is served.
    Served = "served",
    /// Which version is stored.
    Storage = "storage",
    /// Deprecation of a version.
    Deprecated = "deprecated",
    /// Whether a version has a schema at all.
    SchemaPresence = "schema-presence",
    /// `subresources.status`.
    StatusSubresource = "status-subresource",
    /// `subresources.scale`.
    ScaleSubresource = "scale-subresource",
    /// `additionalPrinterColumns`.
    Columns = "columns",
    /// `selectableFields`.
    SelectableFields = "selectable-fields",
    /// `conversion`.
    Conversion = "conversion",
    /// `spec.preserveUnknownFields`.
    PreserveAll = "preserve-all",
}

/// One difference between two schemas or CRDs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// Sort of change.
    pub kind: ChangeKind,
    /// The version of a CRD that the change is about; none of what all versions share.
    pub version: Option<String>,
    /// The most that is promised of a version that the change is about: of `version`, or of the old CRD's served ones.
    /// None where schemas were compared without one.
    pub stability: Option<Stability>,
    /// Whether the old CRD calls `version` deprecated.
    pub deprecated: bool,
    /// Path of the field in objects (`spec.ports[].name`, `spec.labels[*]` for map values), or in the CRD
    /// (`spec.scope`); empty for the object itself.
    pub path: String,
    /// What it means for stored objects and writers.
    pub stored: Verdict,
    /// What it means for readers.
    pub readers: Verdict,
    /// What changed, and why it breaks whom it breaks.
    pub reason: String,
    /// The keyword's old value, where there is one: of a declaration its type, of a rule its text, of a version its
    /// name and what it was there for.
    pub old: Option<Value>,
    /// The keyword's new value, likewise.
    pub new: Option<Value>,
}

impl Change {
    /// The worse of both verdicts: whether it breaks anyone.
    pub fn verdict(&self) -> Verdict {
        self.stored.max(self.readers)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}[stored: {}, readers: {}]: ",
            self.kind.id(),
            self.stored.name(),
            self.readers.name()
        )?;
        // A path in the CRD names the version itself.
        if let Some(version) = &self.version
            && !self.path.starts_with(&format!("spec.versions[{version}]"))
        {
            write!(f, "{version}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

/// The differences of two schemas of one version, in the order of fields.
///
/// ```
/// use kubewright_schema::compare::{ChangeKind, Verdict, compare};
/// use kubewright_schema::Structural;
/// use serde_json::json;
/// let schema = |size: serde_json::Value| {
///     let spec = json!({"type": "object", "properties": {"size": size}});
///     Structural::from_json(&json!({"type": "object", "properties": {"spec": spec}})).unwrap()
/// };
/// let changes = compare(
///     &schema(json!({"type": "integer", "maximum": 10})),
///     &schema(json!({"type": "integer", "maximum": 5})),
/// );
/// assert_eq!(changes.len(), 1);
/// assert_eq!((changes[0].kind, changes[0].path.as_str()), (ChangeKind::Bounds, "spec.size"));
/// assert_eq!((changes[0].stored, changes[0].readers), (Verdict::Breaking, Verdict::Safe));
/// ```
pub fn compare(old: &Structural, new: &Structural) -> Vec<Change> {
    walk::roots(&old.root, &new.root)
}

#[cfg(test)]
mod tests;
