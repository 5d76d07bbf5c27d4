//! Evaluation of plans.
//!
//! **Invariant:** `&&`, `||`, `all()` and `exists()` give a value where one side decides, whatever fails on the other; the
//! end of the budget ends the evaluation at once, before work that is beyond it; and so does what would take more memory
//! than [`library::MEMORY`], which costs do not bound.

mod loops;
mod quick;

use std::sync::Arc;

use super::library::authorizer::Authorization;
use super::library::regex::Compiled;
use super::library::time::from_seconds;
use super::library::{self, COST_EXCEEDED, Function, arithmetic};
use super::plan::{
    Attribute, Call, Comparison, Element, Given, Message, Node, OldSelf, Qualifier, Request, Root, Step,
    Subject,
};
use super::run_cost::{self, CallCost};
use super::value::{
    Entries, Failure, Key, List, Map, Outcome, Shape, Value, compare, display, equal, is_comparable,
    is_member, read,
};

/// What came of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evaluation {
    pub(crate) result: Result<Output, EvalError>,
    /// In the units of the budgets; known for failures, too.
    pub(crate) cost: u64,
}

/// A result that rules and messages use.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Bool(bool),
    Text(String),
    /// Anything else, as a message would print it.
    Other(String),
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvalError {
    /// The evaluation cost more than its limit.
    #[error("{COST_EXCEEDED}")]
    CostExceeded,
    /// An error of CEL, in upstream's words.
    #[error("{0}")]
    Failed(String),
}

/// Evaluates a plan.
pub(super) fn run<'a>(
    root: &'a Node,
    slots: usize,
    subject: Subject<'a>,
    old: OldSelf<'a>,
    limit: u64,
) -> Evaluation {
    let (outcome, cost) = outcome(root, slots, subject, old, limit);
    evaluation(outcome, cost)
}

/// Evaluates a plan for a request.
pub(super) fn run_request<'a>(root: &'a Node, slots: usize, request: Request<'a>, limit: u64) -> Evaluation {
    let no_self = |name: &str| Err(Failure::new(format!("no such attribute(s): {name}")));
    let variables = Variables {
        this: no_self("self"),
        old: None,
        request: Some(request),
    };
    let (outcome, cost) = with(root, slots, variables, limit);
    evaluation(outcome, cost)
}

fn evaluation(outcome: Outcome<'_>, cost: u64) -> Evaluation {
    Evaluation {
        result: match outcome {
            Ok(Value::Bool(value)) => Ok(Output::Bool(value)),
            Ok(Value::String(text)) => Ok(Output::Text(text.to_string())),
            Ok(value) => Ok(Output::Other(display(&value))),
            Err(error) if error.is_abort() && error.text() == COST_EXCEEDED => Err(EvalError::CostExceeded),
            Err(error) => Err(EvalError::Failed(error.text().to_owned())),
        },
        cost,
    }
}

/// The value and its cost.
pub(super) fn outcome<'a>(
    root: &'a Node,
    slots: usize,
    subject: Subject<'a>,
    old: OldSelf<'a>,
    limit: u64,
) -> (Outcome<'a>, u64) {
    let value = |subject: Subject<'a>| {
        let (json, shape) = subject.parts();
        read(json, shape)
    };
    let variables = Variables {
        this: value(subject),
        old: match old {
            OldSelf::Absent => None,
            OldSelf::Value(subject) => Some(value(subject)),
            OldSelf::Optional(None) => Some(Ok(Value::Optional(None))),
            OldSelf::Optional(Some(subject)) => Some(value(subject).map(Value::some)),
        },
        request: None,
    };
    with(root, slots, variables, limit)
}

/// What an expression can name.
struct Variables<'a> {
    this: Outcome<'a>,
    old: Option<Outcome<'a>>,
    request: Option<Request<'a>>,
}

fn with<'a>(root: &'a Node, slots: usize, variables: Variables<'a>, limit: u64) -> (Outcome<'a>, u64) {
    let mut inline;
    let mut more;
    let slots: &mut [Slot<'a>] = match slots {
        0 => &mut [],
        1..=INLINE => {
            inline = [const { None }; INLINE];
            &mut inline
        }
        _ => {
            more = vec![None; slots];
            &mut more
        }
    };
    let mut machine = Machine {
        cost: 0,
        limit,
        variables,
        slots: Slots(slots),
        made: 0,
    };
    let outcome = machine.eval(root);
    (outcome, machine.cost)
}

/// A variable of a loop; an accumulator is unset until it is read.
type Slot<'a> = Option<Outcome<'a>>;

/// Loops that a rule may have before their variables need memory of their own.
const INLINE: usize = 6;

struct Slots<'a, 's>(&'s mut [Slot<'a>]);

impl<'a> Slots<'a, '_> {
    fn at(&mut self, slot: usize) -> &mut Slot<'a> {
        &mut self.0[slot]
    }

    /// A variable that is set.
    fn get(&self, slot: usize) -> Option<&Outcome<'a>> {
        self.0[slot].as_ref()
    }
}

struct Machine<'a, 's> {
    cost: u64,
    limit: u64,
    variables: Variables<'a>,
    slots: Slots<'a, 's>,
    /// Bytes of texts and lists that functions made.
    made: usize,
}

fn present<'v, 'a>(outcome: &'v Outcome<'a>) -> Option<&'v Value<'a>> {
    outcome.as_ref().ok()
}

impl<'a> Machine<'a, '_> {
    fn charge(&mut self, cost: u64) -> Result<(), Failure> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit {
            return Err(Failure::abort(COST_EXCEEDED));
        }
        Ok(())
    }

    /// A value that may have failed, unless the whole evaluation has.
    fn operand(&mut self, node: &'a Node) -> Result<Outcome<'a>, Failure> {
        match self.eval(node) {
            Err(error) if error.is_abort() => Err(error),
            outcome => Ok(outcome),
        }
    }

    fn eval(&mut self, node: &'a Node) -> Outcome<'a> {
        if let Some(value) = self.quick(node) {
            return Ok(Value::Bool(value));
        }
        match node {
            Node::Constant(value) => Ok(value.reborrow()),
            Node::Attribute(attribute) => self.attribute(attribute),
            Node::And(terms) => self.logical(terms, false).map(Value::Bool),
            Node::Or(terms) => self.logical(terms, true).map(Value::Bool),
            Node::Equal(sides) => self.equality(sides, CallCost::Equal, true),
            Node::NotEqual(sides) => self.equality(sides, CallCost::Shorter, false),
            Node::Compare(comparison, cost, sides) => self.comparison(*comparison, *cost, sides),
            Node::Call(call) => self.call(call, |args| library::call(call.function, &call.name, args)),
            Node::Pattern(call, pattern) => {
                self.call(call, |args| find_pattern(call.function, pattern, args))
            }
            Node::Member(value, members) => {
                let value = self.eval(value)?;
                value.check_hashable()?;
                Ok(Value::Bool(is_member(members, &value)))
            }
            Node::OptionalOr(sides) => match self.eval(&sides[0])? {
                Value::Optional(None) => self.eval(&sides[1]),
                found => Ok(found),
            },
            Node::OptionalOrValue(sides) => match self.eval(&sides[0])? {
                Value::Optional(None) => self.eval(&sides[1]),
                Value::Optional(Some(value)) => Ok((*value).clone()),
                found => Ok(found),
            },
            Node::List(elements) => self.list(elements),
            Node::Map(entries) => self.map(entries),
            Node::Message(message, fields) => self.message(*message, fields),
            Node::Fold(fold) => self.fold(fold),
            Node::Append(slot, init, elements) => self.append(*slot, init, elements),
        }
    }

    /// `&&` and `||`: the first term that decides, else the first error.
    fn logical(&mut self, terms: &'a [Node; 2], decisive: bool) -> Result<bool, Failure> {
        let mut failure = None;
        for term in terms {
            let value = match self.quick(term) {
                Some(value) => Ok(value),
                None => self.truth(term),
            };
            match value {
                Ok(value) if value == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(error) if error.is_abort() => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(!decisive), Err)
    }

    fn sides(&mut self, sides: &'a [Node; 2]) -> Result<[Outcome<'a>; 2], Failure> {
        Ok([self.operand(&sides[0])?, self.operand(&sides[1])?])
    }

    fn equality(&mut self, sides: &'a [Node; 2], cost: CallCost, wanted: bool) -> Outcome<'a> {
        let [left, right] = self.sides(sides)?;
        let cost = run_cost::call(cost, &[present(&left), present(&right)], None)?;
        let result = match (left, right) {
            (Ok(left), Ok(right)) => match equal(&left, &right) {
                Err(error) if error.is_abort() => return Err(error),
                Err(error) if wanted => Err(error),
                // What cannot be compared is different.
                found => Ok(Value::Bool((found == Ok(true)) == wanted)),
            },
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        self.charge(cost)?;
        result
    }

    fn comparison(&mut self, comparison: Comparison, cost: CallCost, sides: &'a [Node; 2]) -> Outcome<'a> {
        let [left, right] = self.sides(sides)?;
        let cost = match cost {
            CallCost::One => 1,
            cost => run_cost::call(cost, &[present(&left), present(&right)], None)?,
        };
        self.charge(cost)?;
        let (left, right) = (left?, right?);
        if !is_comparable(&left) {
            return Err(Failure::new(format!(
                "no such overload: {}",
                match comparison {
                    Comparison::Less => "_<_",
                    Comparison::LessOrEqual => "_<=_",
                    Comparison::Greater => "_>_",
                    Comparison::GreaterOrEqual => "_>=_",
                }
            )));
        }
        let order = compare(&left, &right)?;
        Ok(Value::Bool(comparison.holds(order)))
    }

    fn call(&mut self, call: &'a Call, function: impl FnOnce(&[Value<'a>]) -> Outcome<'a>) -> Outcome<'a> {
        match &*call.args {
            [arg] => {
                let arg = self.operand(arg)?;
                if call.function.is_lenient() {
                    self.charge(1)?;
                    return Ok(Value::Bool(!matches!(arg, Ok(Value::Bool(false)))));
                }
                match arg {
                    Ok(value) => {
                        if let (Function::Range, Value::Int(count)) = (call.function, &value) {
                            self.check_range(*count)?;
                        }
                        let values = [value];
                        self.afford(call, &values)?;
                        let result = function(&values);
                        self.pay(call, &values, result)
                    }
                    Err(error) => self.pay_failed(call, &[None], error),
                }
            }
            [left, right] => {
                let left = self.operand(left)?;
                if call.ends_early && left.is_err() {
                    return left;
                }
                let right = self.operand(right)?;
                match (left, right) {
                    (Ok(left), Ok(right)) => {
                        let values = [left, right];
                        let result = match call.function {
                            // What is added to may be grown in place.
                            Function::Add if call.cost == CallCost::One => {
                                let [left, right] = values;
                                self.weigh_sum(&left, &right)?;
                                let result = arithmetic::add(left, right);
                                if !result.as_ref().is_err_and(Failure::is_abort) {
                                    self.charge(1)?;
                                }
                                return result;
                            }
                            Function::MapInsert => return self.insert(call, values.into()),
                            _ => {
                                self.afford(call, &values)?;
                                function(&values)
                            }
                        };
                        self.pay(call, &values, result)
                    }
                    (Err(error), right) => self.pay_failed(call, &[None, present(&right)], error),
                    (left, Err(error)) => self.pay_failed(call, &[present(&left), None], error),
                }
            }
            args => {
                let mut values = Vec::with_capacity(args.len());
                for (index, arg) in args.iter().enumerate() {
                    match self.operand(arg)? {
                        Ok(value) => values.push(value),
                        Err(error) if index + 1 < args.len() => return Err(error),
                        Err(error) => {
                            let mut sizes: Vec<_> = values.iter().map(Some).collect();
                            sizes.push(None);
                            return self.pay_failed(call, &sizes, error);
                        }
                    }
                }
                if call.function == Function::MapInsert {
                    return self.insert(call, values);
                }
                let result = function(&values);
                self.pay(call, &values, result)
            }
        }
    }

    /// A map with another entry, in a loop: nobody else holds the accumulator then, so that it grows in place.
    fn insert(&mut self, call: &Call, values: Vec<Value<'a>>) -> Outcome<'a> {
        if let Some(Node::Attribute(attribute)) = call.args.first()
            && let Root::Accumulator(slot, _) = attribute.root
        {
            // What comes of this is its next value, whatever it is.
            *self.slots.at(slot) = None;
        }
        let result = library::insert_into(&call.name, values);
        self.pay(call, &[], result)
    }

    /// Ends the evaluation before a function does quadratic work that is beyond the budget.
    fn afford(&mut self, call: &Call, args: &[Value<'a>]) -> Result<(), Failure> {
        if !call.cost.is_product() {
            return Ok(());
        }
        let sizes: Vec<_> = args.iter().map(Some).collect();
        // Where upstream fails at the costs it has called the function before, which has its own say.
        match run_cost::call(call.cost, &sizes, None) {
            Ok(cost) if self.cost.saturating_add(cost) > self.limit => self.charge(cost),
            _ => Ok(()),
        }
    }

    /// Counts memory that a function takes beyond its costs.
    fn weigh(&mut self, bytes: usize) -> Result<(), Failure> {
        self.made = self.made.saturating_add(bytes);
        if self.made > library::MEMORY {
            return Err(Failure::abort(COST_EXCEEDED));
        }
        Ok(())
    }

    fn weigh_sum(&mut self, left: &Value<'a>, right: &Value<'a>) -> Result<(), Failure> {
        match (left, right) {
            (Value::List(left), Value::List(right)) => {
                self.weigh((left.len() + right.len()).saturating_mul(size_of::<Value<'_>>()))
            }
            _ => Ok(()),
        }
    }

    /// Ends the evaluation before a list is made that is beyond the budget.
    fn check_range(&mut self, count: i64) -> Result<(), Failure> {
        let cost = count.max(0).cast_unsigned().saturating_add(1 + run_cost::LIST);
        if self.cost.saturating_add(cost) > self.limit {
            self.charge(cost)?;
        }
        Ok(())
    }

    fn pay(&mut self, call: &Call, args: &[Value<'a>], result: Outcome<'a>) -> Outcome<'a> {
        match &result {
            Err(error) if error.is_abort() => return result,
            Ok(Value::String(text)) if call.function.may_explode() => self.weigh(text.len())?,
            _ => {}
        }
        let cost = match (call.cost, args) {
            (CallCost::One, _) => 1,
            (rule, [one]) => run_cost::call(rule, &[Some(one)], present(&result))?,
            (rule, [one, two]) => run_cost::call(rule, &[Some(one), Some(two)], present(&result))?,
            (rule, args) => {
                let args: Vec<_> = args.iter().map(Some).collect();
                run_cost::call(rule, &args, present(&result))?
            }
        };
        self.charge(cost)?;
        result
    }

    fn pay_failed(&mut self, call: &Call, args: &[Option<&Value<'a>>], error: Failure) -> Outcome<'a> {
        let cost = run_cost::call(call.cost, args, None)?;
        self.charge(cost)?;
        Err(error)
    }

    fn attribute(&mut self, attribute: &'a Attribute) -> Outcome<'a> {
        let value = match self.resolve(attribute) {
            Err(error) if error.is_abort() => return Err(error),
            value => value,
        };
        match (&attribute.root, attribute.presence) {
            // A condition is free, and presence gives back what an attribute costs.
            (Root::Condition(_), true) => self.cost = self.cost.saturating_sub(1),
            (Root::Condition(_), false) | (_, true) => {}
            (_, false) => self.charge(1)?,
        }
        value
    }

    /// What the attribute is, without the cost of being an expression.
    fn resolve(&mut self, attribute: &'a Attribute) -> Outcome<'a> {
        let value = match &attribute.root {
            Root::This => self.variables.this.clone()?,
            Root::Given(given) => self.given(*given)?,
            Root::Old => match &self.variables.old {
                Some(value) => value.clone()?,
                None => return Err(Failure::fixed("no such attribute(s): oldSelf")),
            },
            Root::Slot(slot) => match self.slots.at(*slot) {
                Some(value) => value.clone()?,
                None => Value::Null,
            },
            Root::Accumulator(slot, init) => self.accumulator(*slot, init)?,
            Root::Node(node) => self.eval(node)?,
            Root::Condition(condition) => {
                let value = match self.eval(&condition.test)? {
                    Value::Bool(true) => self.resolve(&condition.one)?,
                    Value::Bool(false) => self.resolve(&condition.other)?,
                    _ => return Err(Failure::no_overload()),
                };
                if attribute.path.is_empty() {
                    return Ok(value);
                }
                value
            }
            Root::Unknown(name) => return Err(Failure::new(format!("no such attribute(s): {name}"))),
        };
        match value {
            Value::Optional(None) if attribute.presence => Ok(Value::Bool(false)),
            Value::Optional(None) => Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => self.follow(inner.stripped(), true, attribute),
            value => self.follow(value, false, attribute),
        }
    }

    /// A variable of conditions.
    fn given(&self, given: Given) -> Outcome<'a> {
        let Some(request) = self.variables.request else {
            return Err(Failure::fixed("no such attribute(s): request"));
        };
        let object =
            |json: Option<&'a serde_json::Value>| json.map_or(Ok(Value::Null), |json| read(json, Shape::Raw));
        match given {
            Given::Object => object(request.object),
            Given::OldObject => object(request.old_object),
            Given::Request => read(request.request, Shape::Raw),
            Given::Namespace => Ok(Value::Null),
            Given::Authorizer => Ok(Value::Authorization(Authorization::Authorizer)),
            Given::RequestResource => Ok(Value::Authorization(Authorization::Resource)),
        }
    }

    /// Walks the steps from a value on.
    fn follow(&mut self, mut value: Value<'a>, mut optional: bool, attribute: &'a Attribute) -> Outcome<'a> {
        let last = attribute.path.len().saturating_sub(1);
        for (index, qualifier) in attribute.path.iter().enumerate() {
            optional |= qualifier.optional;
            let test = attribute.presence && index == last;
            let found = self.step(&value, qualifier, optional || test);
            if found.as_ref().is_err_and(Failure::is_abort) {
                return found.map(|_| Value::Null);
            }
            if !optional || matches!(found, Ok(Some(_))) {
                self.charge(1)?;
            }
            value = match found? {
                Some(_) if test => Value::Bool(true),
                Some(value) => value,
                None if test => return Ok(Value::Bool(false)),
                None => return Ok(Value::Optional(None)),
            };
        }
        Ok(if optional && !attribute.presence {
            Value::some(value)
        } else {
            value
        })
    }

    /// One step into a value; nothing if there is nothing and that is no error.
    fn step(
        &mut self,
        value: &Value<'a>,
        qualifier: &'a Qualifier,
        may_lack: bool,
    ) -> Result<Option<Value<'a>>, Failure> {
        let key;
        let key = match &qualifier.step {
            Step::Name(name) => {
                if let Value::Map(map) = value {
                    return match map.find_name(name)? {
                        None if !may_lack => Err(Failure::no_key(&name.written)),
                        found => Ok(found),
                    };
                }
                key = Value::borrowed(&name.written);
                &key
            }
            Step::Constant(value) => value,
            Step::Attribute(attribute) => {
                key = self.resolve(attribute)?;
                &key
            }
        };
        if !is_index(key) {
            return Err(Failure::new(format!("invalid qualifier type: {}", key.go_type())));
        }
        match value {
            Value::Map(map) => match map.find(key)? {
                None if !may_lack => Err(Failure::no_key(display(key))),
                found => Ok(found),
            },
            Value::List(list) => match index_in(list, key)? {
                Some(index) if list.node().is_some() && !matches!(key, Value::Int(_)) => {
                    let _ = index;
                    Err(Failure::new(format!("unsupported index: {}", display(key))))
                }
                Some(index) => list.get(index).map(Some),
                None if may_lack => Ok(None),
                None => Err(Failure::new(format!("index out of bounds: {}", display(key)))),
            },
            _ if may_lack => Ok(None),
            _ => Err(Failure::no_key(display(key))),
        }
    }

    fn list(&mut self, elements: &'a [Element]) -> Outcome<'a> {
        let mut values = Vec::with_capacity(elements.len());
        let outcome = self.elements(elements, &mut values);
        if outcome.as_ref().is_err_and(Failure::is_abort) {
            return outcome.map(|()| Value::Null);
        }
        self.charge(run_cost::LIST)?;
        outcome.map(|()| Value::list(values))
    }

    fn elements(&mut self, elements: &'a [Element], values: &mut Vec<Value<'a>>) -> Result<(), Failure> {
        for element in elements {
            let value = self.eval(&element.node)?;
            match value {
                value if !element.optional => values.push(value),
                Value::Optional(Some(value)) => values.push((*value).clone()),
                Value::Optional(None) => {}
                other => {
                    return Err(Failure::new(format!(
                        "cannot initialize optional list element from non-optional value {}",
                        display(&other)
                    )));
                }
            }
        }
        Ok(())
    }

    fn map(&mut self, entries: &'a [(Node, Element)]) -> Outcome<'a> {
        let mut map = Entries::new();
        let outcome = self.entries(entries, &mut map);
        if outcome.as_ref().is_err_and(Failure::is_abort) {
            return outcome.map(|()| Value::Null);
        }
        self.charge(run_cost::MAP)?;
        outcome.map(|()| Value::Map(Map::Shared(Arc::new(map))))
    }

    fn entries(&mut self, entries: &'a [(Node, Element)], map: &mut Entries<'a>) -> Result<(), Failure> {
        for (key, element) in entries {
            let key = self.eval(key)?;
            let value = self.eval(&element.node)?;
            key.check_hashable()?;
            let name = Key::of(&key);
            match value {
                value if !element.optional => {
                    map.insert(name, value);
                }
                Value::Optional(Some(value)) => {
                    map.insert(name, (*value).clone());
                }
                Value::Optional(None) => {
                    map.remove(&name);
                }
                other => {
                    return Err(Failure::new(format!(
                        "cannot initialize optional entry '{}' from non-optional value {}",
                        display(&key),
                        display(&other)
                    )));
                }
            }
        }
        Ok(())
    }

    fn message(&mut self, message: Message, fields: &'a [(usize, Element)]) -> Outcome<'a> {
        let mut parts = [0_i64; 2];
        let outcome = self.fields(fields, &mut parts);
        if outcome.as_ref().is_err_and(Failure::is_abort) {
            return outcome.map(|()| Value::Null);
        }
        self.charge(run_cost::MESSAGE)?;
        outcome?;
        let [seconds, nanos] = parts;
        match message {
            Message::Duration => seconds
                .checked_mul(1_000_000_000)
                .and_then(|total| total.checked_add(nanos))
                .map(Value::Duration)
                .ok_or_else(|| Failure::fixed("integer overflow")),
            Message::Timestamp => from_seconds(seconds)
                .and_then(|time| time.plus(nanos))
                .map(Value::Timestamp),
        }
    }

    fn fields(&mut self, fields: &'a [(usize, Element)], parts: &mut [i64; 2]) -> Result<(), Failure> {
        for (place, element) in fields {
            parts[*place] = match self.eval(&element.node)? {
                Value::Int(value) if !element.optional => value,
                Value::Optional(Some(value)) if matches!(*value, Value::Int(_)) => match *value {
                    Value::Int(value) => value,
                    _ => 0,
                },
                Value::Optional(None) => 0,
                _ => return Err(Failure::no_overload()),
            };
        }
        Ok(())
    }
}

/// A call with a constant pattern. Go takes a type for the text of its name there.
fn find_pattern<'a>(function: Function, pattern: &Compiled, args: &[Value<'a>]) -> Outcome<'a> {
    let text = match args.first() {
        Some(Value::String(text)) => &**text,
        Some(Value::Type(name)) => name,
        _ => return Err(Failure::no_overload()),
    };
    let limit = match args.get(2) {
        None => -1,
        Some(Value::Int(limit)) => *limit,
        Some(_) => return Err(Failure::no_overload()),
    };
    Ok(match function {
        Function::Matches => Value::Bool(pattern.is_match(text)),
        Function::Find => Value::text(pattern.find(text)),
        _ => Value::texts(pattern.find_all(text, limit)),
    })
}

/// Whether values of the type can stand in brackets.
pub(super) fn is_index(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::String(_) | Value::Int(_) | Value::Uint(_) | Value::Bool(_) | Value::Double(_)
    )
}

/// The place that a number says in a list; nothing if it is outside.
fn index_in(list: &List<'_>, key: &Value<'_>) -> Result<Option<usize>, Failure> {
    let unsupported = || Failure::new(format!("unsupported index value {} in list", display(key)));
    let index = match key {
        Value::Int(index) => *index,
        Value::Uint(index) => i64::try_from(*index).map_err(|_| unsupported())?,
        Value::Double(index) => super::value::lossless_int(*index).ok_or_else(unsupported)?,
        other => {
            return Err(Failure::new(format!(
                "unsupported index type '{}' in list",
                other.type_text()
            )));
        }
    };
    Ok(usize::try_from(index).ok().filter(|index| *index < list.len()))
}

#[cfg(test)]
mod tests;
