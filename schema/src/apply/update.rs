//! What a write makes of the owners of fields.
//!
//! **Invariant:** after an apply its manager owns exactly what it applied, fields that are reset apart; a field that it
//! applied before and left out now is gone unless somebody else owns it; no manager owns what is not there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use super::Comparison;
use super::conflict::Conflicts;
use super::reconcile::reconcile;
use super::set::FieldSet;
use super::types::{Duplicates, ObjectType, Typed, ValueErrors};
use super::values;

/// What a manager owns, at the version that it spoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedSet {
    /// The fields.
    pub set: FieldSet,
    /// `apiVersion` whose fields these are.
    pub api_version: String,
    /// Whether they were applied, rather than written in another way.
    pub applied: bool,
}

/// Who owns what, by an identifier of the manager.
pub type Managers = BTreeMap<String, VersionedSet>;

/// Why an object cannot be brought to a version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The version is not there any more; who owned fields at it owns none.
    #[error("no corresponding type for {0}")]
    MissingVersion(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Types and forms of a kind's versions.
pub trait Converter {
    /// The type of a version's objects; none where there is no such version.
    fn object_type(&self, api_version: &str) -> Option<ObjectType>;

    /// An object at another version than its own.
    ///
    /// # Errors
    /// Where the version is not there, or the object cannot be converted.
    fn convert(&self, object: &Value, api_version: &str) -> Result<Value, ConvertError>;
}

/// A kind that has one version.
#[derive(Clone, Debug)]
pub struct SameVersion {
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its type.
    pub object_type: ObjectType,
}

impl Converter for SameVersion {
    fn object_type(&self, api_version: &str) -> Option<ObjectType> {
        (api_version == self.api_version).then(|| self.object_type.clone())
    }

    fn convert(&self, _: &Value, api_version: &str) -> Result<Value, ConvertError> {
        Err(ConvertError::MissingVersion(api_version.to_owned()))
    }
}

/// What an apply does about fields that others own with other values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It is refused.
    #[default]
    Refuse,
    /// It takes them: `force`.
    Take,
}

/// Why owners were not updated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// Somebody else owns some of the fields.
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    /// The objects do not fit their types, or cannot be converted.
    #[error("{0}")]
    Failed(String),
}

impl From<ValueErrors> for UpdateError {
    fn from(errors: ValueErrors) -> Self {
        Self::Failed(errors.to_string())
    }
}

/// What a write changes at one version.
struct Changes {
    all: Comparison,
    /// What is set anew or otherwise; one set for all managers.
    set: FieldSet,
}

impl Changes {
    fn of(all: Comparison) -> Self {
        let set = all.modified.union(&all.added);
        Self { all, set }
    }
}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> UpdateError {
    move |why| UpdateError::Failed(format!("{what}: {why}"))
}

/// Keeps the owners of objects.
#[derive(Debug)]
pub struct Updater<'a, C> {
    /// Knows the kind's versions.
    pub converter: &'a C,
    /// By `apiVersion`, fields that no write through this door changes, and that nobody owns through it.
    pub reset: BTreeMap<String, FieldSet>,
}

impl<C: Converter> Updater<'_, C> {
    /// Owners after a write that is no apply: its manager takes what it adds and changes.
    ///
    /// # Errors
    /// Where objects cannot be compared.
    pub fn update(
        &self,
        live: &Typed<'_>,
        new: &Typed<'_>,
        version: &str,
        managers: Managers,
        manager: &str,
    ) -> Result<Managers, UpdateError> {
        let managers = self.reconcile(live, managers)?;
        let (mut managers, changes) = self.settle(live, new, version, managers, manager, OnConflict::Take)?;
        let owned = managers
            .remove(manager)
            .map(|owned| owned.set)
            .unwrap_or_default();
        let owned = owned
            .difference(&changes.removed)
            .union(&changes.modified)
            .union(&changes.added);
        let owned = self.without_reset(owned, version);
        if !owned.is_empty() {
            let owned = VersionedSet {
                set: owned,
                api_version: version.to_owned(),
                applied: false,
            };
            managers.insert(manager.to_owned(), owned);
        }
        Ok(managers)
    }

    /// The object after an apply, and its owners; no object where it is as it was.
    ///
    /// # Errors
    /// [`UpdateError::Conflicts`] where it refuses these; else where objects cannot be merged or converted.
    pub fn apply(
        &self,
        live: &Typed<'_>,
        config: &Typed<'_>,
        version: &str,
        managers: Managers,
        manager: &str,
        on_conflict: OnConflict,
    ) -> Result<(Option<Typed<'static>>, Managers), UpdateError> {
        let mut managers = self.reconcile(live, managers)?;
        let merged = live.merge(config).map_err(failed("failed to merge config"))?;
        let applied = config.field_set().map_err(failed("failed to get field set"))?;
        let applied = VersionedSet {
            set: self.without_reset(applied, version),
            api_version: version.to_owned(),
            applied: true,
        };
        let last = managers.insert(manager.to_owned(), applied);
        let new = match last.filter(|last| !last.set.is_empty()) {
            None => merged,
            Some(last) => self
                .prune(merged, &managers, version, &last)
                .map_err(failed("failed to prune fields"))?,
        };
        let (managers, _) = self.settle(live, &new, version, managers, manager, on_conflict)?;
        let changed = !values::equal(live.value(), new.value());
        Ok((changed.then_some(new), managers))
    }

    fn without_reset(&self, set: FieldSet, version: &str) -> FieldSet {
        match self.reset.get(version) {
            Some(reset) => set.recursive_difference(reset),
            None => set,
        }
    }

    fn compare(&self, old: &Typed<'_>, new: &Typed<'_>, version: &str) -> Result<Comparison, UpdateError> {
        let changes = old.compare(new).map_err(failed("failed to compare objects"))?;
        Ok(match self.reset.get(version) {
            Some(reset) => changes.excluding(reset),
            None => changes,
        })
    }

    /// Takes from all managers but `workflow` what it changed or what is gone.
    fn settle(
        &self,
        old: &Typed<'_>,
        new: &Typed<'_>,
        version: &str,
        managers: Managers,
        workflow: &str,
        on_conflict: OnConflict,
    ) -> Result<(Managers, Comparison), UpdateError> {
        let mut changes =
            BTreeMap::from([(version.to_owned(), Changes::of(self.compare(old, new, version)?))]);
        let mut kept = Managers::new();
        let mut conflicts = Managers::new();
        for (manager, mut owned) in managers {
            if manager == workflow {
                kept.insert(manager, owned);
                continue;
            }
            if !changes.contains_key(&owned.api_version) {
                let at = &owned.api_version;
                let both = self
                    .at(old, at)
                    .map_err(|why| (why, "failed to convert old object"));
                let both = both.and_then(|old| match self.at(new, at) {
                    Ok(new) => Ok((old, new)),
                    Err(why) => Err((why, "failed to convert new object")),
                });
                match both {
                    Ok((old, new)) => {
                        let compared = self.compare(&old, &new, at)?;
                        changes.insert(at.clone(), Changes::of(compared));
                    }
                    Err((ConvertError::MissingVersion(_), _)) => continue,
                    Err((why, what)) => return Err(failed(what)(why)),
                }
            }
            let changes = &changes[&owned.api_version];
            let taken = owned.set.intersection(&changes.set);
            if !changes.all.removed.is_empty() {
                owned.set = owned.set.difference(&changes.all.removed);
            }
            if !taken.is_empty() {
                owned.set = owned.set.difference(&taken);
                let taken = VersionedSet {
                    set: taken,
                    api_version: owned.api_version.clone(),
                    applied: false,
                };
                conflicts.insert(manager.clone(), taken);
            }
            kept.insert(manager, owned);
        }
        if on_conflict == OnConflict::Refuse && !conflicts.is_empty() {
            return Err(Conflicts::of(&conflicts).into());
        }
        kept.retain(|_, owned| !owned.set.is_empty());
        let changes = changes.remove(version);
        Ok((kept, changes.map(|changes| changes.all).unwrap_or_default()))
    }

    /// An object at a version; borrowed where it is at that version.
    fn at<'t>(&self, object: &'t Typed<'_>, version: &str) -> Result<Typed<'t>, ConvertError> {
        if object.value()["apiVersion"] == version {
            return Ok(Typed {
                kind: object.kind.clone(),
                value: Cow::Borrowed(&object.value),
            });
        }
        let value = self.converter.convert(object.value(), version)?;
        let kind = self.converter.object_type(version);
        let kind = kind.ok_or_else(|| ConvertError::MissingVersion(version.to_owned()))?;
        Typed::of(&kind, value, Duplicates::Refused).map_err(|why| ConvertError::Failed(why.to_string()))
    }

    /// Removes what the manager applied last time and not now, and that nobody else owns.
    fn prune(
        &self,
        merged: Typed<'static>,
        managers: &Managers,
        version: &str,
        last: &VersionedSet,
    ) -> Result<Typed<'static>, String> {
        let pruned = {
            let at_last = match self.at(&merged, &last.api_version) {
                Ok(at_last) => at_last,
                Err(ConvertError::MissingVersion(_)) => return Ok(merged),
                Err(why) => {
                    return Err(format!(
                        "failed to convert merged object to last applied version: {why}"
                    ));
                }
            };
            let pruned = at_last.without(&named(&last.set, &at_last.kind));
            let pruned = self
                .add_back_owned(&at_last, pruned, &last.api_version, managers)
                .map_err(|why| format!("failed add back owned items: {why}"))?;
            self.add_back_dangling(&at_last, &pruned, last)
                .map_err(|why| format!("failed add back dangling items: {why}"))?
        };
        let pruned = self.at(&pruned, version).map_err(|why| why.to_string())?;
        Ok(Typed::unchecked(&pruned.kind.clone(), pruned.into_value()))
    }

    /// Adds back what was pruned and is owned, by others or by what the manager applies now.
    fn add_back_owned(
        &self,
        merged: &Typed<'_>,
        pruned: Typed<'static>,
        pruned_version: &str,
        managers: &Managers,
    ) -> Result<Typed<'static>, String> {
        let mut owned: BTreeMap<&str, FieldSet> = BTreeMap::new();
        for manager in managers.values() {
            owned
                .entry(&manager.api_version)
                .or_default()
                .add_all(&manager.set);
        }
        // The pruned version first: what it lacks may be what a conversion needs.
        let first = owned.remove_entry(pruned_version);
        let mut pruned = pruned;
        for (version, owned) in first.into_iter().chain(owned) {
            let at = |object: &Typed<'_>, which: &str| match self.at(object, version) {
                Ok(object) => Ok(Some(Typed::unchecked(&object.kind.clone(), object.into_value()))),
                Err(ConvertError::MissingVersion(_)) => Ok(None),
                Err(why) => Err(format!(
                    "failed to convert {which} object at version {version}: {why}"
                )),
            };
            let (Some(whole), Some(rest)) = (at(merged, "merged")?, at(&pruned, "pruned")?) else {
                continue;
            };
            let set = |object: &Typed<'_>, which: &str| {
                let set = object.field_set();
                set.map(|set| named(&set, &object.kind)).map_err(|why| {
                    format!("failed to create field set from {which} object at version {version}: {why}")
                })
            };
            let keep = set(&rest, "pruned")?.union(&named(&owned, &whole.kind));
            pruned = whole.without(&set(&whole, "merged")?.difference(&keep));
        }
        Ok(pruned)
    }

    /// Adds back what the manager did not own before: what nobody owns, or what is owned by writes that are no apply.
    fn add_back_dangling(
        &self,
        merged: &Typed<'_>,
        pruned: &Typed<'_>,
        last: &VersionedSet,
    ) -> Result<Typed<'static>, String> {
        let whole = || Typed::unchecked(&merged.kind, merged.value().clone());
        let rest = match self.at(pruned, &last.api_version) {
            Ok(rest) => rest,
            Err(ConvertError::MissingVersion(_)) => return Ok(whole()),
            Err(why) => {
                return Err(format!(
                    "failed to convert pruned object to last applied version: {why}"
                ));
            }
        };
        let set = |object: &Typed<'_>, which: &str| {
            object
                .field_set()
                .map(|set| named(&set, &merged.kind))
                .map_err(|why| {
                    format!("failed to create field set from {which} object in last applied version: {why}")
                })
        };
        let gone = set(merged, "merged")?.difference(&set(&rest, "pruned")?);
        Ok(merged.without(&gone.intersection(&named(&last.set, &merged.kind))))
    }

    /// Managers whose versions are there, with what the types of today make of their sets.
    fn reconcile(&self, live: &Typed<'_>, managers: Managers) -> Result<Managers, UpdateError> {
        let mut kept = Managers::new();
        // By version, the type of the live object at it; none where the version is gone.
        let mut kinds: BTreeMap<String, Option<ObjectType>> = BTreeMap::new();
        for (manager, mut owned) in managers {
            if !kinds.contains_key(&owned.api_version) {
                let kind = match self.at(live, &owned.api_version) {
                    Ok(live) => Some(live.kind),
                    Err(ConvertError::MissingVersion(_)) => None,
                    Err(why) => return Err(UpdateError::Failed(why.to_string())),
                };
                kinds.insert(owned.api_version.clone(), kind);
            }
            let Some(kind) = &kinds[&owned.api_version] else {
                continue;
            };
            let set =
                reconcile(&owned.set, kind).map_err(failed("errors reconciling field set with schema"))?;
            if let Some(set) = set {
                owned.set = set;
            }
            kept.insert(manager, owned);
        }
        Ok(kept)
    }
}

fn named(set: &FieldSet, kind: &ObjectType) -> FieldSet {
    set.with_named_fields(&kind.types, Some(kind.root))
}
