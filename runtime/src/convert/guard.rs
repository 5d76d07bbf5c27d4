//! Restores what an annotation kept, as far as the client left alone what it could see of it (VER-18).
//!
//! All units are set at once, and the object goes the way back. Where that shows other values than it does without
//! them, and than the client sent, the units that stand behind those values are dropped, and the rest is tried again:
//! a few times, whatever the number of units. Names are followed through the plans to tell which units stand behind a
//! value; where that does not help, all that could are dropped.
//!
//! **Invariant:** the work is bounded by the size of the object and of the annotation, each a fixed number of times.

use std::collections::HashMap;

use super::cell::{Cell, Form};
use super::diff::{Unit, changed, unique_keys};
use super::link::VersionLink;
use super::node::{Member, Node};
use super::observe::{Dropped, Tally, step};
use super::path::Segment;
use super::plan::{Act, FillBy, Plan, StructPlan};
use super::schemas::Schemas;
use super::walk::{Failed, along};

/// What is known of the version to which the units belong.
pub(crate) struct Home<'h> {
    pub(crate) cell: &'h Cell,
    pub(crate) link: &'static VersionLink,
    pub(crate) schemas: &'h Schemas,
}

/// A saved unit on its way.
struct Candidate {
    unit: Unit<'static>,
    alive: bool,
    /// What it stands behind, at each version of the way back, beginning at home.
    traces: Vec<Trace>,
}

/// Places at one version.
#[derive(Clone, Debug, Default)]
struct Trace {
    /// Values made of the unit.
    shown: Vec<Vec<Segment>>,
    /// Structs in which functions see it.
    within: Vec<Vec<Segment>>,
}

/// How often what changed is looked for.
const ROUNDS: usize = 6;

/// What the way back showed.
pub(crate) struct Restored<'a> {
    /// The object with what was restored.
    pub(crate) object: Node<'a>,
    /// The way back of it, where it was gone.
    pub(crate) shown: Option<Node<'a>>,
}

/// Sets what may be set of `units` in `object`, which became of `client` and goes back by `plans`.
pub(crate) fn restore<'a>(
    object: Node<'a>,
    client: &Node<'a>,
    units: Vec<Unit<'static>>,
    home: &Home<'_>,
    client_cell: &Cell,
    plans: &'a [Plan],
    tally: &mut Tally,
) -> Restored<'a> {
    let mut candidates = Vec::with_capacity(units.len());
    for unit in units {
        match admitted(&unit, home) {
            Ok(()) => candidates.push(Candidate {
                unit,
                alive: true,
                traces: Vec::new(),
            }),
            Err(reason) => tally.add(reason, 1),
        }
    }
    let mut with = set_all(&object, &mut candidates, home.cell);
    bury(&mut candidates, Dropped::Gone, tally);
    if candidates.is_empty() {
        return Restored { object, shown: None };
    }
    for candidate in &mut candidates {
        candidate.traces = traces(&candidate.unit.path, plans);
    }
    let (without, failed_without) = along(plans, &object);
    for _ in 0..ROUNDS {
        let (shown, mut failed) = along(plans, &with);
        failed.retain(|failed| {
            !failed_without
                .iter()
                .any(|known| known.edge == failed.edge && known.path == failed.path)
        });
        let changed: Vec<_> = changed(&shown, &without, client_cell, client)
            .into_iter()
            .map(|unit| unit.path)
            .collect();
        if changed.is_empty() && failed.is_empty() {
            return Restored {
                object: with,
                shown: Some(shown),
            };
        }
        blame(&mut candidates, &changed, &failed);
        bury(&mut candidates, Dropped::Changed, tally);
        if candidates.is_empty() {
            break;
        }
        with = set_all(&object, &mut candidates, home.cell);
    }
    tally.add(Dropped::Changed, candidates.len());
    Restored {
        object,
        shown: Some(without),
    }
}

fn bury(candidates: &mut Vec<Candidate>, reason: Dropped, tally: &mut Tally) {
    let before = candidates.len();
    candidates.retain(|candidate| candidate.alive);
    tally.add(reason, before - candidates.len());
}

/// Whether a unit is one of the version at all.
fn admitted(unit: &Unit<'_>, home: &Home<'_>) -> Result<(), Dropped> {
    let mut cell = home.cell;
    for segment in &unit.path {
        cell = match (&cell.form, segment) {
            (Form::Struct(fields), Segment::Name(name)) => fields.get(name).ok_or(Dropped::Undeclared)?,
            (Form::Map(value), Segment::Name(_)) => value,
            (Form::List { keys, item }, Segment::Item(given))
                if !keys.is_empty() && keys.iter().eq(given.iter().map(|(name, _)| name)) =>
            {
                item
            }
            _ => return Err(Dropped::Undeclared),
        };
    }
    if matches!(unit.path.last(), Some(Segment::Item(_))) {
        return Err(Dropped::Undeclared);
    }
    match &unit.set {
        Some(value) => {
            let text = value.text();
            if !cell.admits(&text) {
                Err(Dropped::Type)
            } else if !home.schemas.admits(home.link, &unit.path, &text) {
                Err(Dropped::Schema)
            } else {
                Ok(())
            }
        }
        None if cell.required => Err(Dropped::Schema),
        None => Ok(()),
    }
}

/// The object with all living units set; those whose place is gone die.
fn set_all<'a>(object: &Node<'a>, candidates: &mut [Candidate], cell: &Cell) -> Node<'a> {
    let mut out = object.clone();
    let mut living: Vec<_> = candidates
        .iter_mut()
        .filter(|candidate| candidate.alive)
        .collect();
    set(&mut out, cell, &mut living, 0);
    out
}

/// Sets units, sorted and of one place as far as `depth`, below that place.
fn set(node: &mut Node<'_>, cell: &Cell, candidates: &mut [&mut Candidate], depth: usize) {
    let gone = |candidates: &mut [&mut Candidate]| {
        candidates
            .iter_mut()
            .for_each(|candidate| candidate.alive = false);
    };
    if let Form::List { keys, item } = &cell.form {
        let Some(items) = node.items_mut() else {
            return gone(candidates);
        };
        let Some(names) = unique_keys(items, keys) else {
            return gone(candidates);
        };
        let at: HashMap<_, _> = names.into_iter().zip(0_usize..).collect();
        for group in candidates.chunk_by_mut(|a, b| a.unit.path[depth] == b.unit.path[depth]) {
            let index = match &group[0].unit.path[depth] {
                Segment::Item(keys) => at.get(keys),
                _ => None,
            };
            match index {
                Some(index) => set(&mut items[*index], item, group, depth + 1),
                None => gone(group),
            }
        }
        return;
    }
    let Some(members) = node.members_mut() else {
        return gone(candidates);
    };
    let mut at: HashMap<String, usize> = members
        .iter()
        .enumerate()
        .map(|(index, member)| (member.name.to_string(), index))
        .collect();
    let mut removed = Vec::new();
    for group in candidates.chunk_by_mut(|a, b| a.unit.path[depth] == b.unit.path[depth]) {
        step();
        let (Segment::Name(name), unit) = (&group[0].unit.path[depth], &group[0].unit) else {
            gone(group);
            continue;
        };
        let index = at.get(name).copied();
        if unit.path.len() == depth + 1 {
            match (&unit.set, index) {
                (Some(value), Some(index)) => members[index].node = value.clone(),
                (Some(value), None) => {
                    at.insert(name.clone(), members.len());
                    members.push(Member::new(name.clone(), value.clone()));
                }
                (None, Some(_)) => removed.push(name.clone()),
                (None, None) => {}
            }
            continue;
        }
        let inner = match &cell.form {
            Form::Struct(fields) => fields.get(name),
            Form::Map(value) => Some(&**value),
            Form::Unit | Form::List { .. } => None,
        };
        match (index, inner) {
            (Some(index), Some(cell)) => set(&mut members[index].node, cell, group, depth + 1),
            _ => gone(group),
        }
    }
    if !removed.is_empty() {
        members.retain(|member| !removed.iter().any(|name| *name == member.name));
    }
}

/// Lets the units die that stand behind what changed.
fn blame(candidates: &mut [Candidate], changed: &[Vec<Segment>], failed: &[Failed]) {
    let mut found = false;
    for candidate in candidates.iter_mut() {
        step();
        let last = candidate
            .traces
            .last()
            .is_some_and(|trace| trace.shown.iter().any(|path| touches(changed, path)));
        let failed = || {
            failed.iter().any(|failed| {
                step();
                candidate.traces.get(failed.edge).is_some_and(|trace| {
                    trace
                        .shown
                        .iter()
                        .any(|path| path.starts_with(&failed.path) || failed.path.starts_with(path))
                })
            })
        };
        if last || failed() {
            candidate.alive = false;
            found = true;
        }
    }
    if found {
        return;
    }
    for candidate in candidates.iter_mut() {
        step();
        let within = |trace: &Trace, paths: &[Vec<Segment>]| {
            trace.within.iter().any(|within| has_below(paths, within))
        };
        let seen = candidate
            .traces
            .last()
            .is_some_and(|trace| within(trace, changed));
        let failed = failed.iter().any(|failed| {
            let trace = candidate.traces.get(failed.edge + 1);
            trace.is_some_and(|trace| within(trace, std::slice::from_ref(&failed.path)))
        });
        if seen || failed {
            candidate.alive = false;
            found = true;
        }
    }
    if !found {
        candidates
            .iter_mut()
            .for_each(|candidate| candidate.alive = false);
    }
}

/// Whether one of sorted paths is at, above or below `path`.
fn touches(sorted: &[Vec<Segment>], path: &[Segment]) -> bool {
    has_below(sorted, path)
        || (0..path.len()).any(|end| {
            sorted
                .binary_search_by(|known| (**known).cmp(&path[..end]))
                .is_ok()
        })
}

/// Whether one of sorted paths is at or below `path`.
fn has_below(sorted: &[Vec<Segment>], path: &[Segment]) -> bool {
    step();
    let at = sorted.partition_point(|known| known.as_slice() < path);
    sorted.get(at).is_some_and(|known| known.starts_with(path))
}

/// Where a place at home shows at each version of the way back.
fn traces(path: &[Segment], plans: &[Plan]) -> Vec<Trace> {
    step();
    let mut out = vec![Trace {
        shown: vec![path.to_vec()],
        within: Vec::new(),
    }];
    for plan in plans {
        let last = out.last().cloned().unwrap_or_default();
        let mut next = Trace::default();
        for path in &last.shown {
            follow(plan, path, &mut Vec::new(), &mut next);
        }
        for path in &last.within {
            let mut place = Trace::default();
            follow(plan, path, &mut Vec::new(), &mut place);
            next.within.extend(place.shown);
        }
        out.push(next);
    }
    out
}

fn follow(plan: &Plan, path: &[Segment], base: &mut Vec<Segment>, out: &mut Trace) {
    let Some((first, rest)) = path.split_first() else {
        out.shown.push(base.clone());
        return;
    };
    let depth = base.len();
    match (plan, first) {
        (Plan::Same, _) => {
            base.extend_from_slice(path);
            out.shown.push(base.clone());
        }
        (Plan::Struct(plan), Segment::Name(name)) => follow_field(plan, name, path, base, out),
        (Plan::Map(value), Segment::Name(_)) => {
            base.push(first.clone());
            follow(value, rest, base, out);
        }
        (Plan::List { item, .. }, Segment::Item(keys)) => {
            let keys = keys
                .iter()
                .map(|(name, value)| Some((key_after(item, name)?, value.clone())));
            match keys.collect::<Option<Vec<_>>>() {
                Some(keys) => {
                    base.push(Segment::Item(keys));
                    follow(item, rest, base, out);
                }
                None => out.shown.push(base.clone()),
            }
        }
        _ => out.shown.push(base.clone()),
    }
    base.truncate(depth);
}

fn follow_field(plan: &StructPlan, name: &str, path: &[Segment], base: &mut Vec<Segment>, out: &mut Trace) {
    let depth = base.len();
    if plan.fills.iter().any(|fill| matches!(fill.make, FillBy::Call(_))) {
        out.within.push(base.clone());
    }
    for moved in &plan.moved {
        let met = path
            .iter()
            .zip(&moved.from)
            .all(|(segment, name)| matches!(segment, Segment::Name(known) if known == name));
        if met {
            let to = moved.to.iter().map(|name| Segment::Name((*name).to_owned()));
            out.shown.push(base.iter().cloned().chain(to).collect());
        }
    }
    match plan.find(name, &mut 0).map(|field| &field.act) {
        Some(Act::Move(to)) => {
            base.push(Segment::Name((*to).to_owned()));
            base.extend_from_slice(&path[1..]);
            out.shown.push(base.clone());
        }
        Some(Act::Nested(to, inner)) => {
            base.push(Segment::Name((*to).to_owned()));
            follow(inner, &path[1..], base, out);
        }
        Some(Act::With(to, _)) => {
            base.push(Segment::Name((*to).to_owned()));
            out.shown.push(base.clone());
        }
        Some(Act::Group(at)) => {
            for (to, _) in &plan.groups[*at].to {
                base.push(Segment::Name((*to).to_owned()));
                out.shown.push(base.clone());
                base.truncate(depth);
            }
        }
        Some(Act::Drop | Act::Moved) => {}
        None => {
            base.extend_from_slice(path);
            out.shown.push(base.clone());
        }
    }
    base.truncate(depth);
}

/// A key member's name after an edge; none where its value changes too.
fn key_after(item: &Plan, name: &str) -> Option<String> {
    let Plan::Struct(plan) = item else {
        return matches!(item, Plan::Same).then(|| name.to_owned());
    };
    match &plan.find(name, &mut 0)?.act {
        Act::Move(to) => Some((*to).to_owned()),
        _ => None,
    }
}
