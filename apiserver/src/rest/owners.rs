//! Who owns the fields of stored objects (API-46), and what server-side apply makes of them (API-42…45).
//!
//! What ownership means is the schema crate's; here are the kinds' types, doors and managers.
//!
//! **Invariant:** every write of a client leaves with the owners that upstream would note; a write that changes
//! nothing but times is none.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use http::{StatusCode, header};
use kubewright_schema::apply::{
    ApplyError, ConvertError, Converter, Duplicates, FieldManager, FieldSet, Models, ObjectType, Owners,
    PathElement, ReplicasPaths, SameVersion, Typed,
};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::pipeline::Door;
use super::{Call, convert, meta, typed};
use crate::admission::Remarks;
use crate::engine::query::{DryRun, WriteOptions, is_printable};
use crate::openapi::data::PerDocument;
use crate::registry::{Conversion, Origin, ResourceInfo, Snapshot};
use crate::status::{ApiError, Result};

/// Longest name of a manager, in bytes.
const MANAGER_LIMIT: usize = 128;

/// Where upstream's controllers of namespaces and garbage run.
const CONTROLLERS: &str = "kube-controller-manager";

const SCALE_VERSION: &str = "autoscaling/v1";

/// The versions of one resource.
struct Versions {
    info: Arc<ResourceInfo>,
    snapshot: Arc<Snapshot>,
    conversions: Arc<Conversions>,
}

/// What converters made of objects while owners were found.
///
/// Merging is no matter of waiting: where it needs an object at another version that is not here, it fails, and is done
/// again once the object was converted. It asks for the same each time, so each time it gets further.
#[derive(Debug, Default)]
pub(super) struct Conversions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    done: Vec<(Value, String, Result<Value, String>)>,
    missing: Option<(Value, String)>,
    admitted: Vec<Admitted>,
    waiting: Option<(Value, Value, DryRun)>,
}

/// What webhooks made of a write of a scale.
#[derive(Debug)]
struct Admitted {
    before: Value,
    wanted: Value,
    outcome: Result<(Value, Remarks)>,
}

impl Conversions {
    fn get(&self, object: &Value, api_version: &str) -> Result<Value, ConvertError> {
        let mut known = self.0.lock();
        let done = known
            .done
            .iter()
            .find(|(from, to, _)| to == api_version && from == object);
        match done {
            Some((_, _, made)) => made.clone().map_err(ConvertError::Failed),
            None => {
                known.missing = Some((object.clone(), api_version.to_owned()));
                Err(ConvertError::Failed("not converted yet".to_owned()))
            }
        }
    }
}

impl Versions {
    /// The resource at a version, as long as that is served.
    fn at(&self, api_version: &str) -> Option<&ResourceInfo> {
        if self.info.gvr.api_version() == api_version {
            return Some(&self.info);
        }
        self.served().find(|info| info.gvr.api_version() == api_version)
    }

    /// All versions of the resource in its group. Of events the other group is none of these, as upstream does not
    /// convert between groups here.
    fn served(&self) -> impl Iterator<Item = &ResourceInfo> {
        let all = self.snapshot.iter().map(|info| &**info);
        all.filter(|info| {
            info.storage == self.info.storage
                && info.gvr.group == self.info.gvr.group
                && info.is_same_resource(&self.info)
        })
    }
}

impl Converter for Versions {
    fn object_type(&self, api_version: &str) -> Option<ObjectType> {
        let info = self.at(api_version)?;
        match &info.origin {
            Origin::Custom(version) => Some(version.object_type().clone()),
            Origin::BuiltIn => models(info)?.kind(&info.gvr.group, &info.gvr.version, &info.kind),
        }
    }

    fn convert(&self, object: &Value, api_version: &str) -> Result<Value, ConvertError> {
        let from = object["apiVersion"].as_str().unwrap_or_default();
        let missing = |version: &str| ConvertError::MissingVersion(version.to_owned());
        // Of a CRD's versions upstream says so in a way that its own code does not know for a missing version, and so no
        // apply gets past an owner at a version that is gone.
        if let Origin::Custom(custom) = &self.info.origin
            && custom.schema_of(api_version).is_none()
        {
            let text = format!("request to convert CR to an invalid group/version: {api_version}");
            return Err(ConvertError::Failed(text));
        }
        let from = self.at(from).ok_or_else(|| missing(from))?;
        let to = self.at(api_version).ok_or_else(|| missing(api_version))?;
        if let Origin::Custom(custom) = &from.origin
            && custom.conversion != Conversion::None
            && from.gvr != to.gvr
        {
            return self.conversions.get(object, api_version);
        }
        let mut object = object.clone();
        convert::to_storage(&mut object, from);
        convert::to_served(&mut object, to);
        convert::set_type(&mut object, to, api_version);
        Ok(object)
    }
}

/// The published types of a built-in group version; compiled on first use.
fn models(info: &ResourceInfo) -> Option<&'static Models> {
    static ALL: PerDocument<Models> = PerDocument::new();
    ALL.of_text(&info.gvr.group, &info.gvr.version, |text| {
        let document: Value = serde_json::from_slice(text)?;
        let schemas = document["components"]["schemas"].as_object();
        Ok(Models::compile(schemas.unwrap_or(&Map::new())))
    })
}

/// The type of scales; compiled once.
fn scale_type() -> &'static SameVersion {
    static SCALE: OnceLock<SameVersion> = OnceLock::new();
    SCALE.get_or_init(|| SameVersion {
        api_version: SCALE_VERSION.to_owned(),
        object_type: ObjectType::scale(),
    })
}

fn fields<const N: usize>(paths: [&str; N]) -> FieldSet {
    paths.into_iter().map(path).collect()
}

/// A simple JSON path (`.spec.replicas`) as a path of fields.
fn path(text: &str) -> Vec<PathElement> {
    let steps = text.split('.').filter(|step| !step.is_empty());
    steps.map(PathElement::field).collect()
}

/// Whether two objects differ in nothing but the times of their owners.
pub(super) fn is_same(new: &Value, old: &Value) -> bool {
    if new == old {
        return true;
    }
    let times = |object: &Value| -> Vec<Value> {
        let entries = object["metadata"]["managedFields"].as_array();
        let entries = entries.into_iter().flatten();
        entries.map(|entry| entry["time"].clone()).collect()
    };
    // Who owns nothing has no time that could differ; most writes stop here.
    let (before, after) = (times(old), times(new));
    if before.is_empty() || before.len() != after.len() || before == after {
        return false;
    }
    let mut new = new.clone();
    let entries = new.pointer_mut("/metadata/managedFields");
    for (entry, time) in entries
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .zip(before)
    {
        let Some(entry) = entry.as_object_mut() else {
            continue;
        };
        match time {
            Value::Null => entry.remove("time"),
            time => entry.insert("time".into(), time),
        };
    }
    new == *old
}

impl Call<'_> {
    /// Does what may need objects at other versions, which `attempt` fails for until they are converted.
    pub(super) async fn converting<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let said = self.warnings.len();
        loop {
            self.warnings.truncate(said);
            let outcome = attempt(self);
            if !self.convert_missing().await {
                return outcome;
            }
        }
    }

    /// A scale as webhooks leave it, in an attempt of [`Self::converting`].
    ///
    /// # Errors
    /// What they say; anything at all where they were not asked yet.
    pub(super) fn admitted_scale(&mut self, old: &Value, new: Value, dry_run: DryRun) -> Result<Value> {
        let conversions = self.conversions.clone();
        let mut known = conversions.0.lock();
        let mut all = known.admitted.iter();
        let done = all.find(|admitted| admitted.before == *old && admitted.wanted == new);
        match done.map(|admitted| &admitted.outcome) {
            Some(Ok((admitted, remarks))) => {
                self.warnings.extend(remarks.warnings.iter().cloned());
                Ok(admitted.clone())
            }
            Some(Err(error)) => Err(error.clone()),
            None => {
                known.waiting = Some((old.clone(), new, dry_run));
                Err(ApiError::internal("no webhook was asked yet"))
            }
        }
    }

    /// Converts what was missing, or asks webhooks; tells whether there was anything.
    async fn convert_missing(&self) -> bool {
        let waiting = self.conversions.0.lock().waiting.take();
        if let Some((old, new, dry_run)) = waiting {
            let outcome = self.admit_scale(&old, new.clone(), dry_run).await;
            self.conversions.0.lock().admitted.push(Admitted {
                before: old,
                wanted: new,
                outcome,
            });
            return true;
        }
        let Some((object, to)) = self.conversions.0.lock().missing.take() else {
            return false;
        };
        let made = self.engine.convert(&self.info, object.clone(), &to).await;
        let made = made.map_err(|why| why.to_string());
        self.conversions.0.lock().done.push((object, to, made));
        true
    }

    /// Notes in `new` who owns what after it replaces `live`; none before a create. Both are as served.
    pub(super) fn track(&self, live: Option<&Value>, new: &mut Value, door: Door, options: &WriteOptions) {
        if self.own {
            // What the server makes for itself is nobody's until somebody applies to it.
            if let Some(metadata) = meta::of(new) {
                metadata.remove("managedFields");
            }
            return;
        }
        let versions = self.versions();
        let (api_version, manager) = (self.info.gvr.api_version(), self.manager(options));
        let fields = self.fields_of(&versions, &api_version, door);
        let now = self.engine.clock().now_text();
        let nothing = self.nothing();
        let live = live.unwrap_or(&nothing);
        match self.info.origin {
            Origin::Custom(_) => fields.update(live, new, &manager, &now),
            Origin::BuiltIn => {
                let mut written = typed::written(new, &self.info);
                fields.update(&typed::written(live, &self.info), &mut written, &manager, &now);
                take_owners(new, written);
            }
        }
    }

    /// Notes in `stored` what a change by one of the server's own controllers takes from others. The objects before and
    /// after it are as served.
    pub(super) async fn track_controller(&self, live: &Value, new: &Value, stored: &mut Value) {
        let api_version = self.info.gvr.api_version();
        let now = self.engine.clock().now_text();
        let written = |object: &Value| match self.info.origin {
            Origin::Custom(_) => object.clone(),
            Origin::BuiltIn => typed::written(object, &self.info),
        };
        loop {
            let versions = self.versions();
            let fields = self.fields_of(&versions, &api_version, Door::Main);
            let mut changed = written(new);
            fields.update(&written(live), &mut changed, CONTROLLERS, &now);
            if !self.convert_missing().await {
                take_owners(stored, changed);
                return;
            }
        }
    }

    /// What an apply makes of an object, or of none.
    ///
    /// # Errors
    /// 400, 409 and 500 with upstream's texts.
    pub(super) fn merge_config(
        &self,
        live: Option<&Value>,
        config: &Value,
        door: Door,
        options: &WriteOptions,
    ) -> Result<Value> {
        let versions = self.versions();
        let api_version = self.info.gvr.api_version();
        let fields = self.fields_of(&versions, &api_version, door);
        let now = self.engine.clock().now_text();
        let nothing = self.nothing();
        let live = live.unwrap_or(&nothing);
        let apply = |live: &Value| {
            fields
                .apply(live, config, &options.field_manager, &now, options.on_conflict)
                .map_err(refused)
        };
        match self.info.origin {
            Origin::Custom(_) => apply(live),
            Origin::BuiltIn => {
                let written = typed::written(live, &self.info);
                let applied = apply(&written)?;
                let mut unowned = applied.clone();
                take_owners(&mut unowned, written.clone());
                if unowned == written {
                    let mut same = live.clone();
                    take_owners(&mut same, applied);
                    return Ok(same);
                }
                let kind = versions.object_type(&api_version);
                Ok(unfilled(kind.as_ref(), live, config, applied, &self.info))
            }
        }
    }

    /// Who writes: what the request says, else its user agent.
    fn manager(&self, options: &WriteOptions) -> String {
        if !options.field_manager.is_empty() {
            return options.field_manager.clone();
        }
        let agent = self.headers.get(header::USER_AGENT);
        let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let agent = agent.unwrap_or_default();
        let mut manager = String::new();
        for c in agent.split('/').next().unwrap_or_default().chars() {
            if !is_printable(c) {
                continue;
            }
            if manager.len() + c.len_utf8() > MANAGER_LIMIT {
                break;
            }
            manager.push(c);
        }
        manager
    }

    fn versions(&self) -> Versions {
        Versions {
            info: self.info.clone(),
            snapshot: self.engine.registry().snapshot(),
            conversions: self.conversions.clone(),
        }
    }

    /// An object before it is there.
    fn nothing(&self) -> Value {
        json!({"apiVersion": self.info.gvr.api_version(), "kind": self.info.kind})
    }

    fn fields_of<'f>(
        &'f self,
        versions: &'f Versions,
        api_version: &'f str,
        door: Door,
    ) -> FieldManager<'f, Versions> {
        FieldManager {
            converter: versions,
            api_version,
            kind: &self.info.kind,
            subresource: self.path.subresource.as_deref().unwrap_or_default(),
            nothing: match self.info.origin {
                Origin::Custom(_) => self.nothing(),
                Origin::BuiltIn => typed::written(&self.nothing(), &self.info),
            },
            reset: self.reset(versions, door),
        }
    }

    /// What a door does not change: nobody owns it by a write through that door.
    fn reset(&self, versions: &Versions, door: Door) -> BTreeMap<String, FieldSet> {
        let here = |set| BTreeMap::from([(self.info.gvr.api_version(), set)]);
        match (door, self.info.is_custom()) {
            (Door::Main | Door::Finalize, _) if self.info.status => here(fields([".status"])),
            (Door::Status, true) => versions
                .served()
                .filter(|info| info.status)
                .map(|info| (info.gvr.api_version(), fields([".metadata", ".spec"])))
                .collect(),
            // `merge_doors` lets metadata through for these two alone.
            (Door::Status, false) => here(match self.info.gvr.resource.as_str() {
                "nodes" => fields([".spec"]),
                "pods" => fields([
                    ".spec",
                    ".metadata.deletionTimestamp",
                    ".metadata.ownerReferences",
                ]),
                _ => fields([".spec", ".metadata"]),
            }),
            _ => BTreeMap::new(),
        }
    }

    /// Gives a scale the owners of its parent's replicas.
    pub(super) fn scale_owners(&self, parent: &Value, scale: &mut Value) {
        let paths = self.replicas_paths();
        paths.to_scale(parent).unwrap_or_default().write(scale);
    }

    /// Notes in a scale who owns its replicas after a write that is no apply.
    pub(super) fn track_scale(&self, live: &Value, new: &mut Value, options: &WriteOptions) {
        let now = self.engine.clock().now_text();
        Self::scale_fields().update(live, new, &self.manager(options), &now);
    }

    /// What an apply makes of a scale.
    ///
    /// # Errors
    /// As of [`Self::merge_config`].
    pub(super) fn apply_scale(&self, live: &Value, config: &Value, options: &WriteOptions) -> Result<Value> {
        let now = self.engine.clock().now_text();
        Self::scale_fields()
            .apply(live, config, &options.field_manager, &now, options.on_conflict)
            .map_err(refused)
    }

    /// The owners of a parent after a write of its scale.
    pub(super) fn owners_after_scale(&self, parent: &Value, scale: &Value) -> Owners {
        let paths = self.replicas_paths();
        paths
            .to_parent(parent, scale, &self.info.gvr.api_version())
            .unwrap_or_default()
    }

    fn scale_fields() -> FieldManager<'static, SameVersion> {
        FieldManager {
            converter: scale_type(),
            api_version: SCALE_VERSION,
            kind: "Scale",
            subresource: "scale",
            nothing: json!({"apiVersion": SCALE_VERSION, "kind": "Scale"}),
            reset: BTreeMap::new(),
        }
    }

    fn replicas_paths(&self) -> ReplicasPaths {
        let versions = self.versions();
        let paths = versions.served().map(|info| {
            let replicas = info.scale.as_ref().map(|scale| path(&scale.spec_replicas));
            (info.gvr.api_version(), replicas)
        });
        ReplicasPaths(paths.collect())
    }
}

/// Takes out of what was applied to a built-in object what [`typed::written`] filled into it before, so that it is not
/// stored: what the object did not have and the configuration does not say.
fn unfilled(
    kind: Option<&ObjectType>,
    live: &Value,
    config: &Value,
    applied: Value,
    info: &ResourceInfo,
) -> Value {
    let fields = |object: &Value| {
        let typed = Typed::new(kind?, object, Duplicates::Allowed).ok()?;
        typed.field_set().ok()
    };
    let written = typed::trimmed(typed::written(live, info), info);
    let filled = fields(&written).zip(fields(&typed::trimmed(live.clone(), info)));
    let filled = filled.map(|(written, live)| written.difference(&live).leaves());
    let filled = filled
        .zip(fields(config))
        .map(|(filled, said)| filled.difference(&said));
    let rest = match (kind, filled) {
        (Some(kind), Some(filled)) if !filled.is_empty() => {
            match Typed::of(kind, applied.clone(), Duplicates::Allowed) {
                Ok(applied) => applied.without(&filled).into_value(),
                Err(_) => applied,
            }
        }
        _ => applied,
    };
    typed::trimmed(rest, info)
}

/// Gives an object the owners of another.
pub(super) fn take_owners(object: &mut Value, mut from: Value) {
    let owners = meta::of(&mut from).and_then(|metadata| metadata.remove("managedFields"));
    if let Some(metadata) = meta::of(object) {
        match owners {
            Some(owners) => metadata.insert("managedFields".into(), owners),
            None => metadata.remove("managedFields"),
        };
    }
}

fn refused(error: ApplyError) -> ApiError {
    match error {
        ApplyError::BadRequest(why) => ApiError::bad_request(why),
        ApplyError::Conflicts(conflicts) => {
            let refused = ApiError::new(StatusCode::CONFLICT, "Conflict", conflicts.to_string());
            conflicts.0.iter().fold(refused, |error, conflict| {
                error.with_cause("FieldManagerConflict", conflict.message(), conflict.field())
            })
        }
        // Upstream has no reason for it either.
        other => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_47_each_built_in_kind_has_a_type_that_its_zero_fits() {
        for info in crate::registry::builtin::resources() {
            let kind =
                models(info).and_then(|models| models.kind(&info.gvr.group, &info.gvr.version, &info.kind));
            let kind = kind.unwrap_or_else(|| panic!("no type of {:?}", info.gvr));
            let nothing = json!({"apiVersion": info.gvr.api_version(), "kind": info.kind});
            let zero = typed::written(&nothing, info);
            Typed::new(&kind, &zero, Duplicates::Refused)
                .unwrap_or_else(|why| panic!("{:?}: {why}\n{zero}", info.gvr));
            assert_eq!(
                unfilled(Some(&kind), &nothing, &nothing, zero.clone(), info),
                nothing
            );
            // What a configuration says stays, even where it is what Go writes anyway.
            let mut said = unfilled(Some(&kind), &nothing, &zero, zero.clone(), info);
            said = typed::written(&said, info);
            assert_eq!(said, zero);
        }
    }

    #[test]
    fn api_38_only_times_are_no_difference() {
        let object = |time: &str, text: &str| json!({"metadata": {"managedFields": [{"manager": "a", "time": time}]}, "text": text});
        assert!(is_same(&object("1", "a"), &object("1", "a")));
        assert!(is_same(&object("2", "a"), &object("1", "a")));
        assert!(!is_same(&object("2", "b"), &object("1", "a")));
        let untimed = json!({"metadata": {"managedFields": [{"manager": "a"}]}, "text": "a"});
        assert!(is_same(&object("2", "a"), &untimed) && is_same(&untimed, &object("2", "a")));
        assert!(!is_same(&json!({"text": "a"}), &untimed));
    }
}
