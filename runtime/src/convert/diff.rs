//! What of an object is not there any more after the way to another version and back.
//!
//! **Invariant:** paths of units are sorted and none is below another's.

use std::collections::HashMap;
use std::rc::Rc;

use super::cell::{Cell, Form, StructCell};
use super::node::{Member, Node, get};
use super::path::{Segment, keys_of};

/// A place that is to be set or removed.
#[derive(Clone, Debug)]
pub(crate) struct Unit<'a> {
    pub(crate) path: Vec<Segment>,
    /// The value; absent where the place is to be removed.
    pub(crate) set: Option<Node<'a>>,
}

/// Takes a text apart as deep as the cells go, and gives fields their own names in place of aliases.
pub(crate) fn open<'a>(node: Node<'a>, cell: &Cell) -> Node<'a> {
    match &cell.form {
        Form::Unit => node,
        Form::Struct(fields) => match node.members() {
            Some(mut members) => {
                open_members(Rc::make_mut(&mut members).as_mut_slice(), fields);
                Node::Object(members)
            }
            None => node,
        },
        Form::Map(value) => match node.members() {
            Some(mut members) => {
                for member in Rc::make_mut(&mut members) {
                    member.node = open(std::mem::replace(&mut member.node, Node::NULL), value);
                }
                Node::Object(members)
            }
            None => node,
        },
        Form::List { item, .. } => match node.items() {
            Some(mut items) => {
                for node in Rc::make_mut(&mut items) {
                    *node = open(std::mem::replace(node, Node::NULL), item);
                }
                Node::List(items)
            }
            None => node,
        },
    }
}

pub(crate) fn open_members<'a>(members: &mut [Member<'a>], fields: &StructCell) {
    for member in members {
        if let Ok(at) = fields
            .aliases
            .binary_search_by(|(alias, _)| (*alias).cmp(&*member.name))
        {
            member.name = fields.aliases[at].1.to_owned().into();
        }
        if let Some(cell) = fields.get(&member.name)
            && !matches!(cell.form, Form::Unit)
        {
            member.node = open(std::mem::replace(&mut member.node, Node::NULL), cell);
        }
    }
}

/// Units that make `before` of `after`, of places that may lose something.
pub(crate) fn lost<'a>(before: &Node<'a>, after: &Node<'a>, cell: &Cell) -> Vec<Unit<'a>> {
    Diff::run(before, after, cell, None, false)
}

/// Units that make `before` of `after`, of all places but those that `before` has in common with `third`.
pub(crate) fn changed<'a>(
    before: &Node<'a>,
    after: &Node<'a>,
    cell: &Cell,
    third: &Node<'a>,
) -> Vec<Unit<'a>> {
    Diff::run(before, after, cell, Some(third), true)
}

/// Compares what stood there with what came back.
struct Diff<'a> {
    path: Vec<Segment>,
    units: Vec<Unit<'a>>,
    /// Also where nothing can be lost.
    all: bool,
}

impl<'a> Diff<'a> {
    fn run(
        before: &Node<'a>,
        after: &Node<'a>,
        cell: &Cell,
        third: Option<&Node<'a>>,
        all: bool,
    ) -> Vec<Unit<'a>> {
        let mut diff = Diff {
            path: Vec::new(),
            units: Vec::new(),
            all,
        };
        diff.value(before, after, cell, third);
        diff.units.sort_by(|a, b| a.path.cmp(&b.path));
        diff.units
    }

    fn unit(&mut self, set: Option<Node<'a>>, forgiven: bool) {
        if !forgiven {
            self.units.push(Unit {
                path: self.path.clone(),
                set,
            });
        }
    }

    fn value(&mut self, before: &Node<'a>, after: &Node<'a>, cell: &Cell, third: Option<&Node<'a>>) {
        if !cell.lossy && !self.all {
            return;
        }
        match &cell.form {
            Form::Struct(fields) => {
                if let (Some(a), Some(b)) = (before.members(), after.members()) {
                    let third = third.and_then(Node::members);
                    return self.fields(&a, &b, fields, third.as_ref().map(|members| members.as_slice()));
                }
            }
            Form::Map(value) => {
                if let (Some(a), Some(b)) = (before.members(), after.members()) {
                    let third = third.and_then(Node::members);
                    return self.map(&a, &b, value, third.as_ref().map(|members| members.as_slice()));
                }
            }
            Form::List { keys, item } => {
                if let (Some(a), Some(b)) = (before.items(), after.items())
                    && self.list(&a, &b, keys, item, third)
                {
                    return;
                }
            }
            Form::Unit => {}
        }
        if !before.same(after) {
            let forgiven = third.is_some_and(|third| third.same(before));
            self.unit(Some(before.clone()), forgiven);
        }
    }

    fn member(
        &mut self,
        name: &str,
        (before, after): (Option<&Node<'a>>, Option<&Node<'a>>),
        cell: &Cell,
        third: Option<Option<&Node<'a>>>,
    ) {
        self.path.push(Segment::Name(name.to_owned()));
        match (before, after) {
            (Some(before), Some(after)) => self.value(before, after, cell, third.flatten()),
            (Some(before), None) => {
                let forgiven = third.flatten().is_some_and(|third| third.same(before));
                self.unit(Some(before.clone()), forgiven);
            }
            (None, Some(_)) => self.unit(None, third.is_some_and(|third| third.is_none())),
            (None, None) => {}
        }
        self.path.pop();
    }

    fn fields(
        &mut self,
        a: &[Member<'a>],
        b: &[Member<'a>],
        fields: &StructCell,
        third: Option<&[Member<'a>]>,
    ) {
        for (name, cell) in &fields.fields {
            if cell.lossy || cell.appears || self.all {
                let third = third.map(|members| get(members, name));
                self.member(name, (get(a, name), get(b, name)), cell, third);
            }
        }
    }

    fn map(&mut self, a: &[Member<'a>], b: &[Member<'a>], cell: &Cell, third: Option<&[Member<'a>]>) {
        let index = |members: &[Member<'a>]| -> HashMap<String, Node<'a>> {
            members
                .iter()
                .map(|member| (member.name.to_string(), member.node.clone()))
                .collect()
        };
        let third = third.map(index);
        // A walk keeps the order of members.
        if a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name == b.name) && third.is_none() {
            for (a, b) in a.iter().zip(b) {
                self.member(&a.name, (Some(&a.node), Some(&b.node)), cell, None);
            }
            return;
        }
        let (before, after) = (index(a), index(b));
        for member in a {
            let third = third.as_ref().map(|third| third.get(&*member.name));
            self.member(
                &member.name,
                (Some(&member.node), after.get(&*member.name)),
                cell,
                third,
            );
        }
        for member in b {
            if !before.contains_key(&*member.name) {
                let third = third.as_ref().map(|third| third.get(&*member.name));
                self.member(&member.name, (None, Some(&member.node)), cell, third);
            }
        }
    }

    /// `false` where the lists can only be compared as wholes.
    fn list(
        &mut self,
        a: &[Node<'a>],
        b: &[Node<'a>],
        keys: &[&'static str],
        cell: &Cell,
        third: Option<&Node<'a>>,
    ) -> bool {
        let Some(names) = unique_keys(a, keys) else {
            return false;
        };
        if unique_keys(b, keys).as_ref() != Some(&names) {
            return false;
        }
        let third = third.and_then(Node::items).and_then(|items| {
            let names = unique_keys(&items, keys)?;
            Some(
                names
                    .into_iter()
                    .zip(items.iter().cloned())
                    .collect::<HashMap<_, _>>(),
            )
        });
        for ((a, b), name) in a.iter().zip(b).zip(names) {
            let third = third.as_ref().and_then(|third| third.get(&name));
            self.path.push(Segment::Item(name));
            self.value(a, b, cell, third);
            self.path.pop();
        }
        true
    }
}

/// A key of each item, where each has one and no two the same.
pub(crate) fn unique_keys(items: &[Node<'_>], keys: &[&'static str]) -> Option<Vec<Vec<(String, String)>>> {
    if keys.is_empty() {
        return None;
    }
    let names: Vec<_> = items
        .iter()
        .map(|item| keys_of(item, keys))
        .collect::<Option<_>>()?;
    let mut seen: Vec<_> = names.iter().collect();
    seen.sort_unstable();
    seen.windows(2).all(|pair| pair[0] != pair[1]).then_some(names)
}
