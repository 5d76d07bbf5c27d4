//! From a tree of the source version to one of the target version.
//!
//! **Invariant:** what a plan does not name is moved, never read; a fault leaves its own value out and the walk goes
//! on, so that one walk finds all of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::node::{Member, Members, Node, get};
use super::path::{At, Segment, Step};
use super::plan::{Act, FieldPlan, FillBy, GroupPlan, MovedPlan, Plan, StructPlan, WithPlan};
use super::shim::{self, Ask, Call, Fault, Said};

/// A value that could not be converted.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    /// Where, in the source of the edge.
    pub(crate) path: Vec<Segment>,
    pub(crate) message: String,
    pub(crate) panicked: bool,
    /// Which of the edges that were gone, from 0.
    pub(crate) edge: usize,
}

/// One walk over one object.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) failed: Vec<Failed>,
    edge: usize,
}

/// An object after some edges, one after the other, and all that failed.
pub(crate) fn along<'a>(plans: &'a [Plan], object: &Node<'a>) -> (Node<'a>, Vec<Failed>) {
    let mut walk = Walk::default();
    let mut object = object.clone();
    for plan in plans {
        if let (Plan::Struct(plan), Some(members)) = (plan, object.members()) {
            object = Node::object(walk.members(plan, &members, None));
        }
        walk.edge += 1;
    }
    (object, walk.failed)
}

/// What a user's function says, be it a panic.
enum Outcome<'a> {
    Value(Node<'a>),
    Failed(Fault),
    Panicked(String),
}

fn call<'a>(call: Call, text: &str) -> Outcome<'a> {
    match catch_unwind(AssertUnwindSafe(|| call(Ask::Value(text)))) {
        Ok(Ok(Said::Json(text))) => Outcome::Value(Node::Made(text.into())),
        Ok(Ok(Said::TakesNull(_))) => {
            Outcome::Failed(Fault::Failed("a conversion function gave no value".to_owned()))
        }
        Ok(Err(fault)) => Outcome::Failed(fault),
        Err(panic) => Outcome::Panicked(panic_text(&*panic)),
    }
}

/// What a function says of a whole struct, without a tree; nothing where it cannot be read (VER-7).
pub(crate) fn said(function: Call, text: &str) -> Result<Option<String>, ()> {
    match catch_unwind(AssertUnwindSafe(|| function(Ask::Value(text)))) {
        Ok(Ok(Said::Json(text))) => Ok(Some(text)),
        Ok(Err(Fault::Unreadable(_))) => Ok(None),
        _ => Err(()),
    }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}

impl Walk {
    fn fail(&mut self, at: &At<'_>, outcome: Outcome<'_>) {
        let (message, panicked) = match outcome {
            Outcome::Failed(Fault::Failed(message) | Fault::Unreadable(message)) => (message, false),
            Outcome::Panicked(message) => (format!("panicked: {message}"), true),
            Outcome::Value(_) => return,
        };
        self.failed.push(Failed {
            path: at.segments(),
            message,
            panicked,
            edge: self.edge,
        });
    }

    /// `None` after a fault.
    pub(crate) fn value<'a>(&mut self, plan: &'a Plan, node: &Node<'a>, at: &At<'_>) -> Option<Node<'a>> {
        match plan {
            Plan::Same => Some(node.clone()),
            _ if node.is_null() => Some(node.clone()),
            Plan::Struct(plan) => Some(match node {
                // Straight from the source.
                Node::Text(text) if node.is_object() && plan.is_plain() => {
                    let members = Members::of(text).map(|(name, text)| Member::new(name, Node::Text(text)));
                    Node::object(self.plain(plan, members, Some(at)).0)
                }
                _ => match node.members() {
                    Some(members) => Node::object(self.members(plan, &members, Some(at))),
                    None => node.clone(),
                },
            }),
            Plan::Enum(plan) => self.variant(plan, node, at),
            Plan::List { item, keys } => {
                let Some(items) = node.items() else {
                    return Some(node.clone());
                };
                let mut out = Vec::with_capacity(items.len());
                for (index, node) in items.iter().enumerate() {
                    let at = At {
                        parent: Some(at),
                        step: Step::Item { node, keys, index },
                    };
                    out.extend(self.value(item, node, &at));
                }
                Some(Node::list(out))
            }
            Plan::Map(value) => {
                let Some(members) = node.members() else {
                    return Some(node.clone());
                };
                let mut out = Vec::with_capacity(members.len());
                for member in members.iter() {
                    let at = At {
                        parent: Some(at),
                        step: Step::Name(&member.name),
                    };
                    if let Some(node) = self.value(value, &member.node, &at) {
                        out.push(Member {
                            name: member.name.clone(),
                            node,
                        });
                    }
                }
                Some(Node::object(out))
            }
            Plan::Whole { call: function, .. } => match call(*function, &node.text()) {
                Outcome::Value(node) => Some(node),
                outcome => {
                    self.fail(at, outcome);
                    None
                }
            },
        }
    }

    /// Members of a struct; `at` is absent for those of the root.
    pub(crate) fn members<'a>(
        &mut self,
        plan: &'a StructPlan,
        members: &[Member<'a>],
        at: Option<&At<'_>>,
    ) -> Vec<Member<'a>> {
        let (mut out, required) = self.plain(plan, members.iter().cloned(), at);
        for group in &plan.groups {
            self.group(group, members, at, &mut out);
        }
        // A sparse object stays one.
        if required >= plan.required {
            self.complete(plan, members, at, &mut out);
        }
        for moved in &plan.moved {
            if let Err(fault) = place(moved, members, &mut out) {
                let step = Step::Name(moved.from[0]);
                self.fail(&At { parent: at, step }, Outcome::Failed(fault));
            }
        }
        out
    }

    /// Members that convert by themselves, and how many of those there are that must be.
    fn plain<'a>(
        &mut self,
        plan: &'a StructPlan,
        members: impl Iterator<Item = Member<'a>>,
        at: Option<&At<'_>>,
    ) -> (Vec<Member<'a>>, usize) {
        let mut out = Vec::with_capacity(plan.fields.len().min(8) + plan.fills.len());
        let (mut hint, mut required) = (0, 0);
        for Member { name, node } in members {
            let Some(field) = plan.find(&name, &mut hint) else {
                if !plan.declares(&name) {
                    out.push(Member { name, node });
                }
                continue;
            };
            required += usize::from(field.required);
            let here = At {
                parent: at,
                step: Step::Name(&name),
            };
            match &field.act {
                Act::Move(to) => out.push(Member::new(*to, node)),
                Act::Nested(to, plan) => {
                    if let Some(node) = self.value(plan, &node, &here) {
                        out.push(Member::new(*to, node));
                    }
                }
                Act::With(to, with) => {
                    if let Some(node) = self.with(with, &node, &here) {
                        out.push(Member::new(*to, node));
                    }
                }
                Act::Drop | Act::Group(_) | Act::Moved => {}
            }
        }
        (out, required)
    }

    /// What a complete struct gets that its source does not have.
    fn complete<'a>(
        &mut self,
        plan: &'a StructPlan,
        members: &[Member<'a>],
        at: Option<&At<'_>>,
        out: &mut Vec<Member<'a>>,
    ) {
        for field in &plan.fields {
            if let Act::With(to, with) = &field.act
                && with.takes_null
                && !has(field, members)
            {
                let here = At {
                    parent: at,
                    step: Step::Name(field.from),
                };
                if let Some(node) = self.with(with, &Node::NULL, &here).filter(|node| !node.is_null()) {
                    out.push(Member::new(*to, node));
                }
            }
        }
        for fill in &plan.fills {
            let node = match &fill.make {
                FillBy::Value(text) => Node::Text(text),
                FillBy::Failed(fault) => {
                    let step = Step::Name(fill.name);
                    self.fail(&At { parent: at, step }, Outcome::Failed(fault.clone()));
                    continue;
                }
                FillBy::Call(function) => {
                    let mut text = String::new();
                    super::node::write_members(members, &mut text);
                    match call(*function, &text) {
                        Outcome::Value(node) => node,
                        // An object that is not quite one of its version can still be read (VER-7).
                        Outcome::Failed(Fault::Unreadable(_)) => continue,
                        outcome => {
                            self.fail(
                                &At {
                                    parent: at,
                                    step: Step::Name(fill.name),
                                },
                                outcome,
                            );
                            continue;
                        }
                    }
                }
            };
            if fill.flat {
                out.extend(node.members().iter().flat_map(|members| members.iter().cloned()));
            } else if !(fill.option && node.is_null()) {
                out.push(Member::new(fill.name, node));
            }
        }
    }

    /// `None` where nothing is written: after a fault, or where the function gives null for a value.
    pub(crate) fn with<'a>(&mut self, with: &'a WithPlan, node: &Node<'a>, at: &At<'_>) -> Option<Node<'a>> {
        if node.is_null() && !with.takes_null {
            return Some(node.clone());
        }
        match call(with.call, &node.text()) {
            Outcome::Value(result) if result.is_null() => node.is_null().then_some(result),
            Outcome::Value(result) => Some(result),
            Outcome::Failed(fault) => match &with.or {
                Some(Ok(text)) => Some(Node::Text(text)),
                or => {
                    let fault = or.as_ref().and_then(|or| or.as_ref().err()).unwrap_or(&fault);
                    self.fail(at, Outcome::Failed(fault.clone()));
                    None
                }
            },
            outcome @ Outcome::Panicked(_) => {
                self.fail(at, outcome);
                None
            }
        }
    }

    pub(crate) fn group<'a>(
        &mut self,
        group: &'a GroupPlan,
        members: &[Member<'a>],
        at: Option<&At<'_>>,
        out: &mut Vec<Member<'a>>,
    ) {
        let given: Vec<_> = group.from.iter().map(|(name, _)| get(members, name)).collect();
        // With some of them missing nothing can be said of the whole.
        let missing = given
            .iter()
            .zip(&group.from)
            .any(|(node, (_, option))| !option && node.is_none_or(Node::is_null));
        if missing || given.iter().all(Option::is_none) {
            return;
        }
        let mut text = String::new();
        let several = given.len() > 1;
        for (i, node) in given.iter().enumerate() {
            match (several, i) {
                (true, 0) => text.push('['),
                (true, _) => text.push(','),
                (false, _) => {}
            }
            node.unwrap_or(&Node::NULL).write(&mut text);
        }
        if several {
            text.push(']');
        }
        let result = match (call(group.with.call, &text), &group.with.or) {
            (Outcome::Value(result), _) => result,
            (Outcome::Failed(_), Some(Ok(or))) => Node::Text(or),
            (outcome, or) => {
                let outcome = match (outcome, or) {
                    (Outcome::Failed(_), Some(Err(fault))) => Outcome::Failed(fault.clone()),
                    (outcome, _) => outcome,
                };
                let name = group.from.first().map_or("", |(name, _)| name);
                self.fail(
                    &At {
                        parent: at,
                        step: Step::Name(name),
                    },
                    outcome,
                );
                return;
            }
        };
        let results = if group.to.len() > 1 {
            result.items().unwrap_or_default()
        } else {
            Rc::new(vec![result])
        };
        for ((name, option), node) in group.to.iter().zip(results.iter()) {
            if !(*option && node.is_null()) {
                out.push(Member::new(*name, node.clone()));
            }
        }
    }

    pub(crate) fn refuse(&mut self, at: &At<'_>, message: String) {
        self.fail(at, Outcome::Failed(Fault::Failed(message)));
    }

    pub(crate) fn made<'a>(&mut self, function: Call, node: &Node<'a>, at: &At<'_>) -> Option<Node<'a>> {
        match call(function, &node.text()) {
            Outcome::Value(node) => Some(node),
            outcome => {
                self.fail(at, outcome);
                None
            }
        }
    }
}

fn has(field: &FieldPlan, members: &[Member<'_>]) -> bool {
    members
        .iter()
        .any(|member| member.name == field.from || field.aliases.contains(&&*member.name))
}

/// Takes a value from its place in the source, if it is there, to its place in the target.
fn place<'a>(moved: &'a MovedPlan, members: &[Member<'a>], out: &mut Vec<Member<'a>>) -> Result<(), Fault> {
    let (Some((last, way)), Some((first, rest))) = (moved.to.split_last(), moved.from.split_first()) else {
        return Ok(());
    };
    let mut value = get(members, first).cloned();
    for name in rest {
        value = value.and_then(|node| get(&node.members()?, name).cloned());
    }
    if let Some(value) = value {
        // No container is made for nothing: typed values write null for what is absent.
        let create = if value.is_null() { None } else { Some(moved.create) };
        set(out, way, create, last, value)?;
    }
    Ok(())
}

fn set<'a>(
    members: &mut Vec<Member<'a>>,
    way: &[&'static str],
    create: Option<&[super::shim::Make]>,
    last: &'static str,
    value: Node<'a>,
) -> Result<(), Fault> {
    let Some((name, way)) = way.split_first() else {
        match members.iter_mut().rfind(|member| member.name == last) {
            Some(member) => member.node = value,
            None => members.push(Member::new(last, value)),
        }
        return Ok(());
    };
    let at = match (members.iter().rposition(|member| member.name == *name), create) {
        (Some(at), _) => at,
        (None, Some(_)) => {
            members.push(Member::new(*name, Node::NULL));
            members.len() - 1
        }
        (None, None) => return Ok(()),
    };
    let container = &mut members[at].node;
    if let Some(create) = create
        && !container.is_object()
    {
        let made = create
            .first()
            .map_or_else(|| Ok("{}".to_owned()), |make| shim::made(*make))?;
        *container = Node::Made(made.into());
    }
    if let Some(inner) = container.members_mut() {
        set(
            inner,
            way,
            create.map(|create| create.get(1..).unwrap_or_default()),
            last,
            value,
        )?;
    }
    Ok(())
}

/// Whether a text is of a type; a panic of the type's own code says no.
pub(crate) fn check(check: super::shim::Check, text: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| check(text))).unwrap_or(false)
}
