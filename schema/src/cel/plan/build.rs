//! From the syntax tree to the plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubewright_cel::{Comprehension, Expr, ExprKind, Literal};

use super::super::eval::is_index;
use super::super::library::regex::Compiled;
use super::super::library::{self, Function};
use super::super::run_cost::CallCost;
use super::super::types::{Checked, Reference, Type};
use super::super::value::{FieldName, Key, List, Map, Text, Value, membership};
use super::{
    Attribute, Body, Call, Comparison, Condition, Element, Fold, Given, Message, Node, Program, Qualifier,
    Root, Scalar, Step,
};

pub(super) fn program(checked: &Checked) -> Result<Program, String> {
    let mut planner = Planner {
        checked,
        scope: Vec::new(),
        slots: 0,
    };
    let root = planner.plan(&checked.expr)?;
    Ok(Program {
        root,
        slots: planner.slots,
    })
}

/// What a name stands for inside loops.
enum Variable {
    Slot(usize),
    Accumulator(usize, Arc<Node>),
}

struct Planner<'c> {
    checked: &'c Checked,
    /// Innermost last.
    scope: Vec<(Box<str>, Variable)>,
    slots: usize,
}

impl Attribute {
    fn new(root: Root) -> Self {
        Self {
            root,
            path: Vec::new(),
            presence: false,
            scalar: None,
        }
    }

    /// Notes which scalar it is.
    fn know(&mut self, checked: &Type) {
        let plain = |step: &Qualifier| {
            !step.optional
                && matches!(&step.step, Step::Name(name) if name.property() == Some(&*name.written))
        };
        self.scalar = match checked {
            _ if self.presence || !self.path.iter().all(plain) => None,
            Type::Bool => Some(Scalar::Bool),
            Type::Int => Some(Scalar::Int),
            Type::String => Some(Scalar::Text),
            _ => None,
        };
    }

    /// The attribute that an operation is or begins.
    fn of(node: Node) -> Self {
        match node {
            // Presence is a value of its own, as is what has another step behind it.
            Node::Attribute(attribute) if !attribute.presence => *attribute,
            node => Self::new(Root::Node(node)),
        }
    }
}

/// The type as a value: objects are maps at run time.
fn type_value(checked: &Type) -> Value<'static> {
    Value::Type(match checked {
        Type::Null => "null_type",
        Type::Bool => "bool",
        Type::Int => "int",
        Type::Uint => "uint",
        Type::Double => "double",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Duration => "google.protobuf.Duration",
        Type::Timestamp => "google.protobuf.Timestamp",
        Type::List(_) => "list",
        Type::Map(_) | Type::Object(_) => "map",
        Type::Optional(_) => "optional_type",
        Type::Opaque(name) | Type::Param(name) => name,
        Type::Type(_) => "type",
        Type::Dyn | Type::Var(_) => "dyn",
        Type::Error => "error",
    })
}

fn literal(value: &Literal) -> Value<'static> {
    match value {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::String(text) => Value::String(Text::Shared((**text).into())),
        Literal::Bytes(bytes) => Value::Bytes((**bytes).into()),
    }
}

fn constant(node: &Node) -> Option<&Value<'static>> {
    match node {
        Node::Constant(value) => Some(value),
        _ => None,
    }
}

/// The elements, if all are constants.
fn constants(elements: &[Element]) -> Option<Result<Vec<Value<'static>>, String>> {
    let mut values = Vec::with_capacity(elements.len());
    for element in elements {
        let value = constant(&element.node)?;
        match (element.optional, value) {
            (false, value) => values.push(value.clone()),
            (true, Value::Optional(Some(value))) => values.push((**value).clone()),
            (true, Value::Optional(None)) => {}
            // Left to the evaluation, which says what is wrong.
            (true, _) => return None,
        }
    }
    Some(Ok(values))
}

impl Planner<'_> {
    fn plan(&mut self, expr: &Expr) -> Result<Node, String> {
        let is_name = matches!(expr.kind, ExprKind::Ident(_) | ExprKind::Select { .. });
        match self.checked.references.get(&expr.id) {
            Some(Reference::TypeName(name)) if is_name => return Ok(Node::Constant(type_value(name))),
            Some(Reference::Variable(name)) if is_name => return Ok(self.variable(name)),
            _ => {}
        }
        match &expr.kind {
            ExprKind::Literal(value) => Ok(Node::Constant(literal(value))),
            ExprKind::Ident(name) => Ok(self.variable(name)),
            ExprKind::Select {
                operand,
                field,
                test_only,
            } => {
                let mut attribute = Attribute::of(self.plan(operand)?);
                attribute.path.push(Qualifier {
                    step: Step::Name(FieldName::new(field)),
                    optional: false,
                });
                attribute.presence = *test_only;
                attribute.know(self.checked.type_of(expr));
                Ok(Node::Attribute(Box::new(attribute)))
            }
            ExprKind::Call {
                function,
                target,
                args,
            } => self.call(expr.id, function, target.as_deref(), args),
            ExprKind::List { elements, optional } => self.list(elements, optional),
            ExprKind::Map(entries) => self.map(entries),
            ExprKind::Struct { name, fields } => self.message(name, fields),
            ExprKind::Comprehension(comprehension) => self.fold(comprehension),
        }
    }

    fn variable(&self, name: &str) -> Node {
        let name = name.strip_prefix('.').unwrap_or(name);
        let local = self.scope.iter().rev().find(|(known, _)| **known == *name);
        let root = match local {
            Some((_, Variable::Slot(slot))) => Root::Slot(*slot),
            Some((_, Variable::Accumulator(slot, init))) => Root::Accumulator(*slot, Arc::clone(init)),
            None => match name {
                "self" => Root::This,
                "oldSelf" => Root::Old,
                _ => Given::find(name).map_or_else(|| Root::Unknown(name.into()), Root::Given),
            },
        };
        Node::Attribute(Box::new(Attribute::new(root)))
    }

    fn list(&mut self, elements: &[Expr], optional: &[u32]) -> Result<Node, String> {
        let elements: Vec<Element> = elements
            .iter()
            .zip(0_u32..)
            .map(|(element, index)| {
                Ok(Element {
                    node: self.plan(element)?,
                    optional: optional.contains(&index),
                })
            })
            .collect::<Result<_, String>>()?;
        match constants(&elements) {
            Some(values) => Ok(Node::Constant(Value::list(values?))),
            None => Ok(Node::List(elements.into())),
        }
    }

    fn map(&mut self, entries: &[kubewright_cel::Entry]) -> Result<Node, String> {
        let mut planned = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = self.plan(&entry.key)?;
            let node = self.plan(&entry.value)?;
            planned.push((
                key,
                Element {
                    node,
                    optional: entry.optional,
                },
            ));
        }
        let mut fixed = BTreeMap::new();
        for (key, element) in &planned {
            let (Some(key), Some(value), false) = (constant(key), constant(&element.node), element.optional)
            else {
                return Ok(Node::Map(planned.into()));
            };
            if key.check_hashable().is_err() {
                return Ok(Node::Map(planned.into()));
            }
            fixed.insert(Key::of(key), value.clone());
        }
        Ok(Node::Constant(Value::Map(Map::Shared(Arc::new(fixed)))))
    }

    /// `google.protobuf.Duration{seconds: 1}` and the like.
    fn message(&mut self, name: &str, fields: &[kubewright_cel::Field]) -> Result<Node, String> {
        let message = match name.trim_start_matches('.') {
            "google.protobuf.Duration" => Message::Duration,
            "google.protobuf.Timestamp" => Message::Timestamp,
            _ => return Err(format!("unknown type: {name}")),
        };
        let mut planned = Vec::with_capacity(fields.len());
        for field in fields {
            let Some(place) = ["seconds", "nanos"]
                .iter()
                .position(|known| **known == *field.name)
            else {
                return Err(format!("undefined field '{}'", field.name));
            };
            planned.push((
                place,
                Element {
                    node: self.plan(&field.value)?,
                    optional: field.optional,
                },
            ));
        }
        Ok(Node::Message(message, planned.into()))
    }

    fn pair(&mut self, target: Option<&Expr>, args: &[Expr]) -> Result<Box<[Node; 2]>, String> {
        let mut nodes = target
            .into_iter()
            .chain(args)
            .map(|arg| self.plan(arg))
            .collect::<Result<Vec<Node>, String>>()?
            .into_iter();
        match (nodes.next(), nodes.next()) {
            (Some(left), Some(right)) => Ok(Box::new([left, right])),
            _ => Err("an operator lacks an operand".to_owned()),
        }
    }

    fn call(&mut self, id: u32, name: &str, target: Option<&Expr>, args: &[Expr]) -> Result<Node, String> {
        let overload = match self.checked.references.get(&id) {
            Some(Reference::Overloads(overloads)) => match overloads.as_slice() {
                [one] => one,
                _ => "",
            },
            _ => "",
        };
        match name {
            "_&&_" => return Ok(Node::And(self.pair(target, args)?)),
            "_||_" => return Ok(Node::Or(self.pair(target, args)?)),
            "_==_" => return Ok(Node::Equal(self.pair(target, args)?)),
            "_!=_" => return Ok(Node::NotEqual(self.pair(target, args)?)),
            "_[_]" => return self.index(args, false),
            "_?._" | "_[?_]" => return self.index(args, true),
            "_?_:_" => return self.condition(args),
            "or" => return Ok(Node::OptionalOr(self.pair(target, args)?)),
            "orValue" => return Ok(Node::OptionalOrValue(self.pair(target, args)?)),
            _ => {}
        }
        let comparison = match name {
            "_<_" => Some(Comparison::Less),
            "_<=_" => Some(Comparison::LessOrEqual),
            "_>_" => Some(Comparison::Greater),
            "_>=_" => Some(Comparison::GreaterOrEqual),
            _ => None,
        };
        let cost = CallCost::of(name, overload);
        if let Some(comparison) = comparison {
            return Ok(Node::Compare(comparison, cost, self.pair(target, args)?));
        }
        let Some(function) = Function::find(name) else {
            return Err(format!("no such overload: {name}"));
        };
        let function = function.with_overload(overload);
        let args: Vec<Node> = target
            .into_iter()
            .chain(args)
            .map(|arg| self.plan(arg))
            .collect::<Result<_, String>>()?;
        if function == Function::In
            && overload == "in_list"
            && let Some(node) = member(&args)
        {
            return Ok(node.into_node(args));
        }
        if matches!(function, Function::Convert(_) | Function::Dyn | Function::TypeOf)
            && let [Node::Constant(value)] = args.as_slice()
        {
            return match library::call(function, name, std::slice::from_ref(value)) {
                Ok(value) => Ok(Node::Constant(value)),
                Err(error) => Err(error.text().to_owned()),
            };
        }
        let pattern = match (function, args.get(1).and_then(constant)) {
            (Function::Matches | Function::Find | Function::FindAll, Some(Value::String(pattern))) => {
                Some(Compiled::new(pattern)?)
            }
            _ => None,
        };
        let call = Box::new(Call {
            function,
            name: name.into(),
            cost,
            ends_early: args.len() > 2 || takes_many(function, overload, args.len()) || pattern.is_some(),
            args: args.into(),
        });
        Ok(match pattern {
            Some(pattern) => Node::Pattern(call, pattern),
            None => Node::Call(call),
        })
    }

    /// `operand[index]`, `operand[?index]` and `operand.?field`.
    fn index(&mut self, args: &[Expr], optional: bool) -> Result<Node, String> {
        let [operand, index] = args else {
            return Err("an index lacks an operand".to_owned());
        };
        let mut attribute = Attribute::of(self.plan(operand)?);
        let step = match self.plan(index)? {
            Node::Constant(Value::String(name)) => Step::Name(FieldName::new(&name)),
            Node::Constant(value) if is_index(&value) => Step::Constant(value),
            Node::Constant(value) => return Err(format!("invalid qualifier type: {}", value.go_type())),
            Node::Attribute(attribute) => Step::Attribute(*attribute),
            node => Step::Attribute(Attribute::new(Root::Node(node))),
        };
        attribute.path.push(Qualifier { step, optional });
        attribute.scalar = None;
        Ok(Node::Attribute(Box::new(attribute)))
    }

    fn condition(&mut self, args: &[Expr]) -> Result<Node, String> {
        let [condition, one, other] = args else {
            return Err("a condition lacks an operand".to_owned());
        };
        let condition = Condition {
            test: self.plan(condition)?,
            one: branch(self.plan(one)?),
            other: branch(self.plan(other)?),
        };
        let root = Root::Condition(Box::new(condition));
        Ok(Node::Attribute(Box::new(Attribute::new(root))))
    }

    fn fold(&mut self, fold: &Comprehension) -> Result<Node, String> {
        let init = Arc::new(self.plan(&fold.init)?);
        let range = self.plan(&fold.range)?;
        let accumulator = self.slots;
        let var = accumulator + 1;
        let var2 = fold.var2.as_ref().map(|_| accumulator + 2);
        self.slots += 3;
        let depth = self.scope.len();
        // The second variable hides the first, and the accumulator both.
        self.scope.push((fold.var.clone(), Variable::Slot(var)));
        if let (Some(name), Some(slot)) = (&fold.var2, var2) {
            self.scope.push((name.clone(), Variable::Slot(slot)));
        }
        let accu = |init: &Arc<Node>| Variable::Accumulator(accumulator, Arc::clone(init));
        self.scope.push((fold.accu.clone(), accu(&init)));
        let condition = self.plan(&fold.condition)?;
        let step = self.plan(&fold.step)?;
        self.scope.truncate(depth);
        self.scope.push((fold.accu.clone(), accu(&init)));
        let result = self.plan(&fold.result)?;
        self.scope.truncate(depth);
        let body = body(accumulator, &init, condition, step, result);
        Ok(Node::Fold(Box::new(Fold {
            range,
            accumulator,
            var,
            var2,
            init,
            body,
        })))
    }
}

/// A branch of a condition. Presence stays a test of the last step there.
fn branch(node: Node) -> Attribute {
    match node {
        Node::Attribute(attribute) => *attribute,
        node => Attribute::new(Root::Node(node)),
    }
}

/// How `in` a constant list is done.
enum Membership {
    Never,
    Of(Box<[Value<'static>]>),
}

fn member(args: &[Node]) -> Option<Membership> {
    let [_, Node::Constant(Value::List(List::Shared(values)))] = args else {
        return None;
    };
    if values.is_empty() {
        return Some(Membership::Never);
    }
    membership(values).map(|members| Membership::Of(members.into()))
}

impl Membership {
    fn into_node(self, args: Vec<Node>) -> Node {
        match (self, args.into_iter().next()) {
            (Self::Of(members), Some(value)) => Node::Member(Box::new(value), members),
            _ => Node::Constant(Value::Bool(false)),
        }
    }
}

/// Whether Go's function takes its one or two arguments as a list, so that the first failure among them ends the call.
fn takes_many(function: Function, overload: &str, count: usize) -> bool {
    match function {
        Function::Format => true,
        Function::MapInsert => count > 2 || overload.is_empty(),
        // Without a known overload, functions with several dispatch at run time; those with one for all do not.
        _ => {
            overload.is_empty()
                && !matches!(
                    function,
                    Function::Add
                        | Function::Subtract
                        | Function::Multiply
                        | Function::Divide
                        | Function::Modulo
                        | Function::Negate
                        | Function::In
                        | Function::Size
                        | Function::Matches
                        | Function::Sort
                        | Function::SortByKeys
                )
        }
    }
}

fn is_accumulator(node: &Node, slot: usize) -> bool {
    matches!(node, Node::Attribute(attribute) if !attribute.presence && attribute.path.is_empty()
        && matches!(attribute.root, Root::Accumulator(found, _) if found == slot))
}

fn is_call_of(node: &Node, wanted: Function) -> Option<&[Node]> {
    match node {
        Node::Call(call) if call.function == wanted => Some(&call.args),
        _ => None,
    }
}

/// Recognises the loops that matter for speed; they do and cost what the general one does.
fn body(slot: usize, init: &Arc<Node>, condition: Node, mut step: Node, result: Node) -> Body {
    let plain_result = is_accumulator(&result, slot);
    let goes_on_while_true = is_call_of(&condition, Function::NotStrictlyFalse)
        .is_some_and(|args| matches!(args, [arg] if is_accumulator(arg, slot)));
    let goes_on_while_false = is_call_of(&condition, Function::NotStrictlyFalse).is_some_and(|args| {
        matches!(args, [arg] if is_call_of(arg, Function::Not)
            .is_some_and(|args| matches!(args, [arg] if is_accumulator(arg, slot))))
    });
    match step {
        Node::And(terms)
            if plain_result
                && goes_on_while_true
                && is_accumulator(&terms[0], slot)
                && matches!(**init, Node::Constant(Value::Bool(true))) =>
        {
            let [_, predicate] = *terms;
            return Body::All(predicate);
        }
        Node::Or(terms)
            if plain_result
                && goes_on_while_false
                && is_accumulator(&terms[0], slot)
                && matches!(**init, Node::Constant(Value::Bool(false))) =>
        {
            let [_, predicate] = *terms;
            return Body::Exists(predicate);
        }
        other => step = other,
    }
    let grows = matches!(&**init, Node::Constant(Value::List(list)) if list.len() == 0);
    Body::Any {
        condition,
        step: if grows { append(step, slot, init) } else { step },
        result,
    }
}

/// Turns `accumulator + [elements]` into an append, also where a filter stands before it.
fn append(step: Node, slot: usize, init: &Arc<Node>) -> Node {
    match step {
        Node::Call(call)
            if call.function == Function::Add
                && matches!(&*call.args, [left, Node::List(_) | Node::Constant(Value::List(_))] if is_accumulator(left, slot)) =>
        {
            let mut args = Vec::from(call.args).into_iter();
            let _ = args.next();
            match args.next() {
                Some(elements) => Node::Append(slot, Arc::clone(init), Box::new(elements)),
                None => Node::Constant(Value::Null),
            }
        }
        Node::Attribute(mut attribute) => {
            if attribute.path.is_empty()
                && let Root::Condition(condition) = &mut attribute.root
                && condition.one.path.is_empty()
                && let Root::Node(node) = &mut condition.one.root
            {
                let sum = std::mem::replace(node, Node::Constant(Value::Null));
                *node = append(sum, slot, init);
            }
            Node::Attribute(attribute)
        }
        other => other,
    }
}
