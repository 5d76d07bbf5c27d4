//! Short cuts for what most rules are made of: comparisons of fields, tests for presence and of texts.
//!
//! A field is followed from the object to its data without a value for each step, and scalars are compared where they stand.
//!
//! **Invariant:** a short cut gives and costs what the general way does, and is taken only where nothing fails and the
//! budget suffices; otherwise it leaves no trace, and the general way decides.

use serde_json::{Map as JsonMap, Value as Json};

use super::super::library::Function;
use super::super::plan::{self, Attribute, Call, Comparison, Node, Qualifier, Root, Step};
use super::super::run_cost::{self, CallCost};
use super::super::value::{Failure, List, Map, Shape, Value, read};
use super::Machine;
use crate::structural::{Node as Schema, Type};

/// A scalar that most rules are about, where it stands.
#[derive(Clone, Copy)]
enum Scalar<'v> {
    Bool(bool),
    Int(i64),
    Text(&'v str),
}

impl<'v> Scalar<'v> {
    fn of_value(value: &'v Value<'_>) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Int(value) => Some(Self::Int(*value)),
            Value::String(text) => Some(Self::Text(text)),
            _ => None,
        }
    }

    fn of_data(json: &'v Json, shape: Shape<'v>) -> Option<Self> {
        let Shape::Node(node) = shape else { return None };
        match (node.kind, json) {
            (Type::Integer | Type::IntOrString, Json::Number(number)) => number.as_i64().map(Self::Int),
            (Type::String, Json::String(text)) if !has_format(node) => Some(Self::Text(text)),
            (Type::IntOrString, Json::String(text)) => Some(Self::Text(text)),
            (Type::Boolean, Json::Bool(value)) => Some(Self::Bool(*value)),
            _ => None,
        }
    }

    fn text(self) -> Option<&'v str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Formats make other values of some texts.
fn has_format(node: &Schema) -> bool {
    node.checks.as_ref().is_some_and(|checks| checks.format.is_some())
}

/// A result and its cost.
type Priced<T> = (T, u64);

impl<'a> Machine<'a, '_> {
    /// A term of a condition. What is no truth fails as a term does.
    pub(super) fn truth(&mut self, node: &'a Node) -> Result<bool, Failure> {
        match node {
            Node::And(terms) => self.logical(terms, false),
            Node::Or(terms) => self.logical(terms, true),
            _ => match self.eval(node)? {
                Value::Bool(value) => Ok(value),
                _ => Err(Failure::no_overload()),
            },
        }
    }

    /// The value of a test, if there is a short cut.
    #[inline]
    pub(super) fn quick(&mut self, node: &'a Node) -> Option<bool> {
        let (value, cost) = self.test(node)?;
        let cost = self.cost.saturating_add(cost);
        if cost > self.limit {
            return None;
        }
        self.cost = cost;
        Some(value)
    }

    #[inline]
    fn test(&self, node: &'a Node) -> Option<Priced<bool>> {
        match node {
            Node::Compare(comparison, cost, sides) => self.ordered(*comparison, *cost, sides),
            Node::Equal(sides) => self.same(sides),
            Node::NotEqual(sides) => self.same(sides).map(|(same, cost)| (!same, cost)),
            Node::Attribute(attribute) if attribute.presence => self.presence(attribute),
            Node::Call(call) => self.called(call),
            Node::Pattern(call, pattern) => match (call.function, &*call.args) {
                (Function::Matches, [text, Node::Constant(Value::String(source))]) => {
                    let (text, paid) = self.scalar(text)?;
                    let text = text.text()?;
                    let price = run_cost::pattern(characters(text), characters(source));
                    Some((pattern.is_match(text), paid + price))
                }
                _ => None,
            },
            _ => None,
        }
    }

    #[inline]
    fn ordered(&self, comparison: Comparison, cost: CallCost, sides: &'a [Node; 2]) -> Option<Priced<bool>> {
        let (left, left_cost) = self.scalar(&sides[0])?;
        let (right, right_cost) = self.scalar(&sides[1])?;
        let (order, price) = match (left, right, cost) {
            (Scalar::Int(left), Scalar::Int(right), CallCost::One) => (left.cmp(&right), 1),
            (Scalar::Text(left), Scalar::Text(right), CallCost::Shorter) => {
                (left.cmp(right), shorter(left, right))
            }
            _ => return None,
        };
        Some((comparison.holds(order), left_cost + right_cost + price))
    }

    #[inline]
    fn same(&self, sides: &'a [Node; 2]) -> Option<Priced<bool>> {
        let (left, left_cost) = self.scalar(&sides[0])?;
        let (right, right_cost) = self.scalar(&sides[1])?;
        let (same, price) = match (left, right) {
            (Scalar::Int(left), Scalar::Int(right)) => (left == right, 1),
            (Scalar::Bool(left), Scalar::Bool(right)) => (left == right, 1),
            (Scalar::Text(left), Scalar::Text(right)) => (left == right, shorter(left, right)),
            _ => return None,
        };
        Some((same, left_cost + right_cost + price))
    }

    fn called(&self, call: &'a Call) -> Option<Priced<bool>> {
        match (call.function, call.cost, &*call.args) {
            (Function::Not, CallCost::One, [Node::Attribute(attribute)]) => {
                let (value, cost) = if attribute.presence {
                    self.presence(attribute)?
                } else {
                    match self.attribute_scalar(attribute)? {
                        (Scalar::Bool(value), cost) => (value, cost),
                        _ => return None,
                    }
                };
                Some((!value, cost + 1))
            }
            (Function::StartsWith | Function::EndsWith, CallCost::First, [text, part]) => {
                let (text, text_cost) = self.scalar(text)?;
                let (part, part_cost) = self.scalar(part)?;
                let (text, part) = (text.text()?, part.text()?);
                let found = match call.function {
                    Function::StartsWith => text.starts_with(part),
                    _ => text.ends_with(part),
                };
                Some((found, text_cost + part_cost + run_cost::tenth(characters(text))))
            }
            _ => None,
        }
    }

    #[inline]
    fn scalar<'s>(&'s self, node: &'s Node) -> Option<Priced<Scalar<'s>>> {
        match node {
            Node::Attribute(attribute) if !attribute.presence => self.attribute_scalar(attribute),
            Node::Constant(value) => Scalar::of_value(value).map(|value| (value, 0)),
            _ => None,
        }
    }

    fn attribute_scalar<'s>(&'s self, attribute: &'s Attribute) -> Option<Priced<Scalar<'s>>> {
        let root = self.root(&attribute.root)?;
        // Each step costs one, and so does the expression.
        let cost = attribute.path.len() as u64 + 1;
        let value = match attribute.path.split_last() {
            None => Scalar::of_value(root)?,
            Some((last, before)) => match attribute.scalar {
                Some(kind) => known(root, &attribute.path, kind)?,
                None => {
                    let (json, shape) = parent(root, before)?.find(last)??;
                    Scalar::of_data(json, shape)?
                }
            },
        };
        Some((value, cost))
    }

    /// `has()`, which costs its steps alone.
    fn presence(&self, attribute: &'a Attribute) -> Option<Priced<bool>> {
        let (last, before) = attribute.path.split_last()?;
        let found = parent(self.root(&attribute.root)?, before)?.find(last)?;
        // Data that cannot be read is an error.
        let present = match found {
            Some((json, shape)) => read(json, shape).map(|_| true).ok()?,
            None => false,
        };
        Some((present, attribute.path.len() as u64))
    }

    /// A list of the object that a loop goes over.
    pub(super) fn range(&mut self, node: &'a Node) -> Option<List<'a>> {
        let Node::Attribute(attribute) = node else {
            return None;
        };
        if attribute.presence {
            return None;
        }
        let (last, before) = attribute.path.split_last()?;
        let (json, shape) = parent(self.root(&attribute.root)?, before)?.find(last)??;
        let Value::List(list) = read(json, shape).ok()? else {
            return None;
        };
        let cost = self.cost.saturating_add(attribute.path.len() as u64 + 1);
        if cost > self.limit {
            return None;
        }
        self.cost = cost;
        Some(list)
    }

    fn root<'s>(&'s self, root: &Root) -> Option<&'s Value<'a>> {
        match root {
            Root::This => self.variables.this.as_ref().ok(),
            Root::Old => self.variables.old.as_ref()?.as_ref().ok(),
            Root::Slot(slot) => self.slots.get(*slot)?.as_ref().ok(),
            _ => None,
        }
    }
}

/// An object with declared fields.
#[derive(Clone, Copy)]
struct Object<'v> {
    entries: &'v JsonMap<String, Json>,
    shape: Shape<'v>,
}

impl<'v> Object<'v> {
    /// A field, none if it is not there; and nothing at all if the general way must tell.
    #[inline]
    fn find(self, step: &Qualifier) -> Option<Option<(&'v Json, Shape<'v>)>> {
        let Step::Name(name) = &step.step else { return None };
        if step.optional {
            return None;
        }
        let property = name.property()?;
        Some(match self.entries.get(property) {
            Some(json) if !json.is_null() => self.shape.field(property).map(|shape| (json, shape)),
            _ => None,
        })
    }
}

/// The object that the last step is taken in.
#[inline]
fn parent<'a>(root: &Value<'a>, steps: &[Qualifier]) -> Option<Object<'a>> {
    let Value::Map(Map::Json(entries, shape)) = root else {
        return None;
    };
    let mut object = Object {
        entries,
        shape: *shape,
    };
    if !shape.is_object() {
        return None;
    }
    for step in steps {
        let (json, shape) = object.find(step)??;
        let (Json::Object(entries), Shape::Node(node)) = (json, shape) else {
            return None;
        };
        if node.kind != Type::Object || node.embedded || node.properties.is_empty() {
            return None;
        }
        object = Object { entries, shape };
    }
    Some(object)
}

/// The scalar at the end of a path, whose form the checker knows; what is of another form goes the general way.
#[inline]
fn known<'a>(root: &Value<'a>, path: &[Qualifier], kind: plan::Scalar) -> Option<Scalar<'a>> {
    let Value::Map(Map::Json(entries, _)) = root else {
        return None;
    };
    let mut entries = *entries;
    let (last, before) = path.split_last()?;
    let find = |entries: &'a JsonMap<String, Json>, step: &Qualifier| match &step.step {
        Step::Name(name) => entries.get(&*name.written),
        _ => None,
    };
    for step in before {
        entries = find(entries, step)?.as_object()?;
    }
    match (kind, find(entries, last)?) {
        (plan::Scalar::Int, Json::Number(number)) => number.as_i64().map(Scalar::Int),
        (plan::Scalar::Text, Json::String(text)) => Some(Scalar::Text(text)),
        (plan::Scalar::Bool, Json::Bool(value)) => Some(Scalar::Bool(*value)),
        _ => None,
    }
}

/// In ASCII each byte is one, and most texts are short.
#[inline]
fn characters(text: &str) -> u64 {
    if text.is_ascii() {
        return text.len() as u64;
    }
    text.chars().count() as u64
}

fn shorter(left: &str, right: &str) -> u64 {
    run_cost::tenth(characters(left).min(characters(right)))
}
