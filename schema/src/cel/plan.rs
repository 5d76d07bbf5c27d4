//! Rules, compiled for evaluation.
//!
//! A plan is made once from a checked expression: names are resolved to places, names of fields are ready to look up,
//! lists and conversions of constants are computed, patterns compiled, and the loops of `all()`, `exists()` and `map()`
//! recognised. What is computed beforehand costs nothing later, as in Go's interpreter.
//!
//! **Invariant:** a program is immutable, so that threads can share it; an evaluation costs what it costs upstream.

mod build;

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value as Json;

use super::eval;
use super::library::Function;
use super::library::regex::Compiled;
use super::run_cost::CallCost;
use super::types::Checked;
use super::value::{FieldName, Shape, Value};
use crate::structural::Node as Schema;

#[allow(unused_imports)] // for the validator of rules
pub(crate) use super::eval::{EvalError, Evaluation, Output};

/// A value of the object, with its schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    value: &'a Json,
    shape: Shape<'a>,
}

impl<'a> Subject<'a> {
    /// A value anywhere in a resource.
    pub(crate) fn new(value: &'a Json, schema: &'a Schema) -> Self {
        Self {
            value,
            shape: Shape::Node(schema),
        }
    }

    /// A whole resource, in which rules see `apiVersion`, `kind` and the names of `metadata`.
    pub(crate) fn resource(value: &'a Json, schema: &'a Schema) -> Self {
        Self {
            value,
            shape: Shape::Resource(schema),
        }
    }

    pub(super) fn parts(self) -> (&'a Json, Shape<'a>) {
        (self.value, self.shape)
    }
}

/// What conditions are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) object: Option<&'a Json>,
    pub(super) old_object: Option<&'a Json>,
    pub(super) request: &'a Json,
}

/// What `oldSelf` is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OldSelf<'a> {
    /// The rule does not use it, or nothing was there and the rule should not run at all.
    Absent,
    /// The old value.
    Value(Subject<'a>),
    /// Of a rule with `optionalOldSelf`: an optional.
    Optional(Option<Subject<'a>>),
}

/// A rule or message expression, ready to evaluate.
///
/// ```text
/// let program = Program::new(&checked)?;
/// let evaluation = program.evaluate(Subject::resource(&object, &root), OldSelf::Absent, LIMIT_PER_CALL);
/// match evaluation.result { Ok(Output::Bool(true)) => …, Ok(Output::Text(message)) => …, Err(error) => … }
/// budget -= evaluation.cost;
/// ```
#[derive(Debug)]
pub(crate) struct Program {
    root: Node,
    /// Places for variables of loops.
    slots: usize,
}

impl Program {
    /// Compiles a checked expression.
    ///
    /// # Errors
    /// A constant part of it fails, such as `int('x')` or a pattern that is none; the text stands after
    /// `program instantiation failed: ` upstream.
    pub(crate) fn new(checked: &Checked) -> Result<Self, String> {
        build::program(checked)
    }

    /// Evaluates it for one value.
    ///
    /// `limit` is what the evaluation may cost, usually [`LIMIT_PER_CALL`](super::run_cost::LIMIT_PER_CALL). The cost is
    /// known for failures, too.
    pub(crate) fn evaluate<'a>(&'a self, subject: Subject<'a>, old: OldSelf<'a>, limit: u64) -> Evaluation {
        eval::run(&self.root, self.slots, subject, old, limit)
    }

    /// Evaluates it for a request.
    pub(super) fn evaluate_request<'a>(&'a self, request: Request<'a>, limit: u64) -> Evaluation {
        eval::run_request(&self.root, self.slots, request, limit)
    }

    /// The value itself, for tests.
    #[cfg(test)]
    pub(super) fn outcome<'a>(
        &'a self,
        subject: Subject<'a>,
        old: OldSelf<'a>,
        limit: u64,
    ) -> (super::value::Outcome<'a>, u64) {
        eval::outcome(&self.root, self.slots, subject, old, limit)
    }
}

/// An operation.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Value<'static>),
    Attribute(Box<Attribute>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Equal(Box<[Node; 2]>),
    NotEqual(Box<[Node; 2]>),
    Compare(Comparison, CallCost, Box<[Node; 2]>),
    Call(Box<Call>),
    /// `matches()`, `find()` or `findAll()` with a constant pattern.
    Pattern(Box<Call>, Compiled),
    /// `value in [constants]`.
    Member(Box<Node>, Box<[Value<'static>]>),
    OptionalOr(Box<[Node; 2]>),
    OptionalOrValue(Box<[Node; 2]>),
    List(Box<[Element]>),
    Map(Box<[(Node, Element)]>),
    /// A message of seconds and nanoseconds, with the places of the fields that are set.
    Message(Message, Box<[(usize, Element)]>),
    Fold(Box<Fold>),
    /// `accumulator + [elements]` in a loop, which grows the list in place.
    Append(usize, Arc<Node>, Box<Node>),
}

/// An element of a list, or a value of a map.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) node: Node,
    pub(super) optional: bool,
}

/// A message that rules can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Duration,
    Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether the order of two values is the wanted one.
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

/// A call of a function.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) name: Box<str>,
    pub(super) args: Box<[Node]>,
    pub(super) cost: CallCost,
    /// Whether evaluation of arguments ends at the first that fails; unless it is the last, the call then costs nothing.
    pub(super) ends_early: bool,
}

/// A value and the fields, indexes and keys that lead into it.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) root: Root,
    pub(super) path: Vec<Qualifier>,
    /// Whether it is asked for presence alone.
    pub(super) presence: bool,
    /// The scalar that the checker knows it to be; none where names of fields are spelt otherwise in the object.
    pub(super) scalar: Option<Scalar>,
}

/// A type whose values are the object's data as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int,
    Text,
}

/// A variable of conditions about requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Object,
    OldObject,
    Request,
    /// The namespace, which those of webhooks do not get to see.
    Namespace,
    Authorizer,
    RequestResource,
}

impl Given {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("object", Self::Object),
        ("oldObject", Self::OldObject),
        ("namespaceObject", Self::Namespace),
        ("request", Self::Request),
        ("authorizer", Self::Authorizer),
        ("authorizer.requestResource", Self::RequestResource),
    ];

    fn find(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, given)| *given)
    }
}

/// Where an attribute begins.
#[derive(Debug)]
pub(super) enum Root {
    This,
    Old,
    /// A variable of a loop.
    Slot(usize),
    /// The accumulator of a loop, which gets its first value when it is first read.
    Accumulator(usize, Arc<Node>),
    Node(Node),
    /// `condition ? one : other`, whose branches are attributes.
    Condition(Box<Condition>),
    /// What a condition about a request sees.
    Given(Given),
    /// A name that nothing has.
    Unknown(Box<str>),
}

/// A condition whose branches go on as attributes.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) test: Node,
    pub(super) one: Attribute,
    pub(super) other: Attribute,
}

/// One step into a value.
#[derive(Debug)]
pub(super) struct Qualifier {
    pub(super) step: Step,
    pub(super) optional: bool,
}

#[derive(Debug)]
pub(super) enum Step {
    /// A field, or a key that is a constant text.
    Name(FieldName),
    Constant(Value<'static>),
    /// What an attribute says, which costs no more than its own steps.
    Attribute(Attribute),
}

/// A loop.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) range: Node,
    pub(super) accumulator: usize,
    pub(super) var: usize,
    pub(super) var2: Option<usize>,
    pub(super) init: Arc<Node>,
    pub(super) body: Body,
}

/// What a loop does.
#[derive(Debug)]
pub(super) enum Body {
    /// `all()` with this predicate.
    All(Node),
    /// `exists()`.
    Exists(Node),
    Any {
        condition: Node,
        step: Node,
        result: Node,
    },
}
