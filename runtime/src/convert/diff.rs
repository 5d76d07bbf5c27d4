//! What of an object is not there any more after the way to another version and back.
//!
//! **Invariant:** paths of units are sorted and none is below another's.

use std::borrow::Cow;
use std::collections::HashMap;

use super::cell::{Called, Cell, Form, INSIDE, OPEN, StructCell};
use super::node::{Cursor, Member, Node};
use super::observe::step;
use super::path::{Segment, keys_of};

/// A place that is to be set or removed.
#[derive(Clone, Debug)]
pub(crate) struct Unit<'a> {
    pub(crate) path: Vec<Segment>,
    /// The value; absent where the place is to be removed.
    pub(crate) set: Option<Node<'a>>,
}

/// Takes a text apart as deep as the cells go, in one pass, and gives fields their own names in place of aliases. A text
/// that is no object has no members.
pub(crate) fn open<'a>(text: &'a str, cell: &Cell) -> Node<'a> {
    let mut cursor = Cursor::of(text);
    node(&mut cursor, cell)
}

fn node<'a>(cursor: &mut Cursor<'a>, cell: &Cell) -> Node<'a> {
    match (&cell.form, cursor.peek()) {
        (Form::Struct(fields), Some(b'{')) => {
            let mut members = Vec::with_capacity(fields.fields.len().min(8));
            cursor.enter();
            while let Some(name) = cursor.name() {
                let name = match fields.aliases.binary_search_by(|(alias, _)| (*alias).cmp(&*name)) {
                    Ok(at) => Cow::Owned(fields.aliases[at].1.to_owned()),
                    Err(_) => name,
                };
                let value = match fields.get(&name) {
                    Some(cell) if !matches!(cell.form, Form::Unit) => node(cursor, cell),
                    _ => Node::Text(cursor.value()),
                };
                members.push(Member { name, node: value });
            }
            Node::object(members)
        }
        (Form::Map(cell), Some(b'{')) => {
            let mut members = Vec::new();
            cursor.enter();
            while let Some(name) = cursor.name() {
                members.push(Member {
                    name,
                    node: node(cursor, cell),
                });
            }
            Node::object(members)
        }
        (Form::List { item, .. }, Some(b'[')) => {
            let mut items = Vec::new();
            cursor.enter();
            while cursor.item() {
                items.push(node(cursor, item));
            }
            Node::list(items)
        }
        _ => Node::Text(cursor.value()),
    }
}

/// Units that make `before` of `after`, of places that may lose something.
pub(crate) fn lost<'a>(before: &Node<'a>, after: &Node<'a>, cell: &Cell) -> Vec<Unit<'a>> {
    Diff::run(before, after, cell, None, false)
}

/// Units that make `before` of `after`, of all places but those where `third` says what `before` does. Where functions
/// read a value, `third` may say null of what `before` does not have: they cannot tell the two apart, and a typed client
/// writes null for what it was not shown.
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
    /// Also where nothing can be lost, and what the version does not declare.
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
        step();
        if !cell.lossy && !self.all {
            return;
        }
        match &cell.form {
            Form::Struct(fields) => {
                if before.is_object() && after.is_object() {
                    return self.fields(before, after, fields, third.filter(|third| third.is_object()));
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
            self.unit(
                Some(before.clone()),
                third.is_some_and(|third| says(third, before, cell)),
            );
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
                let forgiven = third.flatten().is_some_and(|third| says(third, before, cell));
                self.unit(Some(before.clone()), forgiven);
            }
            (None, Some(_)) => {
                let nothing = |third: Option<&Node<'_>>| {
                    third.is_none_or(|third| cell.called == Called::Itself && third.is_null())
                };
                self.unit(None, third.is_some_and(nothing));
            }
            (None, None) => {}
        }
        self.path.pop();
    }

    fn fields(&mut self, a: &Node<'a>, b: &Node<'a>, fields: &StructCell, third: Option<&Node<'a>>) {
        // A text is gone through once, and not for each field.
        let taken = |node: &Node<'a>| match node {
            Node::Text(_) | Node::Made(_) if fields.fields.len() > 2 => node.members().map(Node::Object),
            _ => None,
        };
        let (taken_a, taken_b, taken_third) = (taken(a), taken(b), third.and_then(taken));
        let (a, b) = (taken_a.as_ref().unwrap_or(a), taken_b.as_ref().unwrap_or(b));
        let third = taken_third.as_ref().or(third);
        for (name, cell) in &fields.fields {
            if cell.lossy || cell.appears || self.all {
                let (a, b) = (a.member(name), b.member(name));
                let third = third.map(|third| third.member(name));
                let third = third.as_ref().map(Option::as_ref);
                self.member(name, (a.as_ref(), b.as_ref()), cell, third);
            }
        }
        if self.all {
            self.undeclared(a, b, fields, third);
        }
    }

    /// Members that are moved with their struct though the version does not know them.
    fn undeclared(&mut self, a: &Node<'a>, b: &Node<'a>, fields: &StructCell, third: Option<&Node<'a>>) {
        let (Some(a), Some(b)) = (a.members(), b.members()) else {
            return;
        };
        let unknown = |members: &[Member<'a>]| -> Vec<Member<'a>> {
            (members
                .iter()
                .filter(|member| fields.get(&member.name).is_none())
                .cloned())
            .collect()
        };
        let (a, b) = (unknown(&a), unknown(&b));
        if a.is_empty() && b.is_empty() {
            return;
        }
        let third = third.and_then(Node::members).map(|members| unknown(&members));
        self.map(&a, &b, &OPEN, third.as_deref());
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
        // A walk keeps the order of items: they are told apart by their keys only where something is lost.
        if a.len() != b.len() || keys.is_empty() {
            return false;
        }
        let third = third.and_then(Node::items).filter(|third| third.len() == a.len());
        let (depth, before) = (self.path.len(), self.units.len());
        for (index, (one, other)) in a.iter().zip(b).enumerate() {
            self.path.push(Segment::Index(index));
            self.value(one, other, cell, third.as_ref().map(|third| &third[index]));
            self.path.pop();
        }
        if self.units.len() == before {
            return true;
        }
        let names = unique_keys(a, keys).filter(|names| unique_keys(b, keys).as_ref() == Some(names));
        let Some(names) = names else {
            self.units.truncate(before);
            return false;
        };
        for unit in &mut self.units[before..] {
            if let Segment::Index(index) = unit.path[depth] {
                unit.path[depth] = Segment::Item(names[index].clone());
            }
        }
        true
    }
}

/// Whether `third` says what `shown` does, but for nulls of its own that functions take for absence.
fn says(third: &Node<'_>, shown: &Node<'_>, cell: &Cell) -> bool {
    step();
    let (a, b) = match (&cell.form, shown.members(), third.members()) {
        (Form::Unit, ..) if cell.called == Called::No => return third.same(shown),
        (Form::List { item, .. }, ..) => {
            return match (shown.items(), third.items()) {
                (Some(a), Some(b)) => {
                    a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| says(b, a, item))
                }
                _ => third.same(shown),
            };
        }
        (_, Some(a), Some(b)) => (a, b),
        (Form::Unit, ..) => match (shown.items(), third.items()) {
            (Some(a), Some(b)) => {
                return a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| says(b, a, &INSIDE));
            }
            _ => return third.same(shown),
        },
        _ => return third.same(shown),
    };
    let inner = |name: &str| match &cell.form {
        Form::Struct(fields) => fields.get(name).unwrap_or(&OPEN),
        Form::Map(value) => value,
        Form::Unit | Form::List { .. } => &INSIDE,
    };
    let a: HashMap<&str, &Node<'_>> = a.iter().map(|member| (&*member.name, &member.node)).collect();
    let mut met = 0;
    for member in b.iter() {
        match a.get(&*member.name) {
            Some(shown) if says(&member.node, shown, inner(&member.name)) => met += 1,
            None if member.node.is_null() && inner(&member.name).called == Called::Itself => {}
            _ => return false,
        }
    }
    met == a.len()
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
