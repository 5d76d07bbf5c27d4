//! The most that an expression can cost, estimated before it runs, as cel-go and kube-apiserver estimate it.
//!
//! **Invariant:** figures equal upstream's to the unit, its oddities included: a server refuses rules by them.

mod calls;
mod path;
mod range;

use std::collections::HashMap;

use kubewright_cel::{Comprehension, Expr, ExprKind, Literal};

use self::path::Path;
pub(crate) use self::range::Range;
use super::decl::RootDecl;
use super::types::{Checked, Reference, Type};

/// Looking up a name or a field.
const LOOKUP: Range = Range::exactly(1);
/// Creating lists, maps, messages.
const LIST: Range = Range::exactly(10);
const MAP: Range = Range::exactly(30);
const STRUCT: Range = Range::exactly(40);
const NOTHING: Range = Range::exactly(0);

/// The estimated cost, in CEL's units.
pub(crate) fn estimate(checked: &Checked, decl: &RootDecl) -> Range {
    let mut coster = Coster {
        checked,
        decl,
        paths: HashMap::new(),
        locals: HashMap::new(),
        sizes: HashMap::new(),
        entry_sizes: HashMap::new(),
    };
    coster.cost(&checked.expr)
}

struct Coster<'a> {
    checked: &'a Checked,
    decl: &'a RootDecl,
    /// Where nodes lead to in the declarations.
    paths: HashMap<u32, Path>,
    /// Variables of comprehensions, the innermost last.
    locals: HashMap<&'a str, Vec<Local>>,
    /// Sizes of what is computed.
    sizes: HashMap<u32, Range>,
    /// Sizes of keys and values within what is computed.
    entry_sizes: HashMap<u32, Entries>,
}

/// A variable of a comprehension.
#[derive(Clone)]
struct Local {
    path: Option<Path>,
    size: Option<Range>,
    entries: Option<Entries>,
}

/// Sizes within a list or a map.
#[derive(Clone, Copy)]
struct Entries {
    container: Container,
    key: Range,
    value: Range,
}

#[derive(Clone, Copy, PartialEq)]
enum Container {
    List,
    Map,
}

impl Entries {
    fn union(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        let (a, b) = (a?, b?);
        Some(Self {
            container: a.container,
            key: a.key.union(b.key),
            value: a.value.union(b.value),
        })
    }
}

/// An argument, as estimates of functions look at it.
struct Arg<'a> {
    path: Option<Path>,
    ty: &'a Type,
    expr: Option<&'a Expr>,
    size: Option<Range>,
}

impl<'a> Coster<'a> {
    fn cost(&mut self, expr: &'a Expr) -> Range {
        match &expr.kind {
            ExprKind::Literal(_) => NOTHING,
            ExprKind::Ident(name) => {
                let path = match self.local(name) {
                    Some(local) => local.path.clone(),
                    None => Some(Path::of(name)),
                };
                self.set_path(expr, path);
                LOOKUP
            }
            ExprKind::Select {
                operand,
                field,
                test_only,
            } => {
                let cost = self.cost(operand);
                if *test_only {
                    return cost;
                }
                let path = Path::append(self.path(operand), field);
                self.set_path(expr, Some(path));
                match self.checked.type_of(operand) {
                    Type::Map(_) | Type::Object(_) => cost.add(LOOKUP),
                    _ => cost,
                }
            }
            ExprKind::Call {
                function,
                target,
                args,
            } => self.cost_call(expr, function, target.as_deref(), args),
            ExprKind::List { elements, .. } => {
                let mut cost = NOTHING;
                let mut item = Range::none_yet(elements.is_empty());
                for element in elements {
                    cost = cost.add(self.cost(element));
                    item = item.union(self.size_or_unknown(element));
                }
                let entries = Entries {
                    container: Container::List,
                    key: Range::exactly(1),
                    value: item,
                };
                self.entry_sizes.insert(expr.id, entries);
                cost.add(LIST)
            }
            ExprKind::Map(entries) => {
                let mut cost = NOTHING;
                let mut key = Range::none_yet(entries.is_empty());
                let mut value = key;
                for entry in entries {
                    cost = cost.add(self.cost(&entry.key));
                    cost = cost.add(self.cost(&entry.value));
                    key = key.union(self.size_or_unknown(&entry.key));
                    value = value.union(self.size_or_unknown(&entry.value));
                }
                let entries = Entries {
                    container: Container::Map,
                    key,
                    value,
                };
                self.entry_sizes.insert(expr.id, entries);
                cost.add(MAP)
            }
            ExprKind::Struct { fields, .. } => fields
                .iter()
                .fold(NOTHING, |sum, field| sum.add(self.cost(&field.value)))
                .add(STRUCT),
            ExprKind::Comprehension(loop_) if is_bind(loop_) => self.cost_bind(expr, loop_),
            ExprKind::Comprehension(loop_) => self.cost_loop(expr, loop_),
        }
    }

    fn cost_call(
        &mut self,
        expr: &'a Expr,
        function: &str,
        target: Option<&'a Expr>,
        args: &'a [Expr],
    ) -> Range {
        if let ("dyn", [arg]) = (function, args) {
            let cost = self.cost(arg);
            self.copy_sizes(expr, arg);
            return cost.add(Range::exactly(1));
        }
        let mut costs = Vec::with_capacity(args.len());
        let mut nodes = Vec::with_capacity(args.len());
        for arg in args {
            costs.push(self.cost(arg));
            nodes.push(self.arg(arg));
        }
        let checked = self.checked;
        let Some(Reference::Overloads(overloads)) = checked.references.get(&expr.id) else {
            return NOTHING;
        };
        let target = target.map(|target| (self.cost(target), self.arg(target)));
        let (target_cost, target) = match target {
            Some((cost, node)) => (cost, Some(node)),
            None => (NOTHING, None),
        };
        let mut cost = Range {
            min: u64::MAX,
            max: 0,
        };
        let mut size: Option<Range> = None;
        for overload in overloads {
            let call = calls::Call {
                expr,
                function,
                overload,
                target: target.as_ref(),
                args: &nodes,
                costs: &costs,
            };
            let estimate = self.cost_overload(&call);
            cost = cost.union(estimate.cost);
            if let Some(of_this) = estimate.size {
                size = Some(size.map_or(of_this, |size| size.union(of_this)));
            }
            let step = match *overload {
                "index_list" => Some("@items"),
                "index_map" => Some("@values"),
                _ => None,
            };
            if let (Some(step), [container, ..]) = (step, args) {
                size = self.entries(container).map(|entries| entries.value);
                let path = Path::append(self.path(container), step);
                self.set_path(expr, Some(path));
            }
            if size.is_none() {
                size = self.size(expr);
            }
        }
        self.set_size(expr, size);
        target_cost.add(cost)
    }

    fn cost_bind(&mut self, expr: &'a Expr, bind: &'a Comprehension) -> Range {
        let mut cost = self.cost(&bind.range);
        cost = cost.add(self.cost(&bind.init));
        self.push_local(&bind.accu, &bind.init);
        cost = cost.add(self.cost(&bind.result));
        self.pop(&bind.accu);
        self.copy_sizes(expr, &bind.result);
        cost
    }

    fn cost_loop(&mut self, expr: &'a Expr, loop_: &'a Comprehension) -> Range {
        let mut cost = self.cost(&loop_.range);
        cost = cost.add(self.cost(&loop_.init));
        self.push_local(&loop_.accu, &loop_.init);
        match &loop_.var2 {
            Some(second) => {
                self.push_key(&loop_.var, &loop_.range);
                self.push_value(second, &loop_.range);
            }
            // Alone, it is a list's value or a map's key.
            None if self.container(&loop_.range) == Some(Container::List) => {
                self.push_value(&loop_.var, &loop_.range);
            }
            None => self.push_key(&loop_.var, &loop_.range),
        }
        let condition = self.cost(&loop_.condition);
        let step = self.cost(&loop_.step);
        self.pop(&loop_.var);
        if let Some(second) = &loop_.var2 {
            self.pop(second);
        }
        cost = cost.add(self.cost(&loop_.result));
        self.pop(&loop_.accu);
        let count = self.size_or_unknown(&loop_.range);
        cost = cost.add(count.multiply(step.add(condition)));
        match &loop_.init.kind {
            ExprKind::Literal(_) => {
                let size = self.size(&loop_.init);
                self.set_size(expr, size);
            }
            ExprKind::List { .. } | ExprKind::Map(_) => {
                self.set_size(expr, Some(count));
                if let Some(entries) = self.entries(&loop_.step) {
                    self.entry_sizes.insert(expr.id, entries);
                }
            }
            _ => {}
        }
        cost
    }

    /// What kind of container is walked.
    fn container(&self, range: &'a Expr) -> Option<Container> {
        match self.entries(range) {
            Some(entries) => Some(entries.container),
            None => match self.checked.type_of(range) {
                Type::List(_) => Some(Container::List),
                _ => None,
            },
        }
    }

    fn push_key(&mut self, name: &'a str, range: &'a Expr) {
        let size = self.entries(range).map(|entries| entries.key);
        let is_list = self.container(range) == Some(Container::List);
        self.push_step(name, range, if is_list { "@indices" } else { "@keys" }, size);
    }

    fn push_value(&mut self, name: &'a str, range: &'a Expr) {
        let size = self.entries(range).map(|entries| entries.value);
        let is_list = self.container(range) == Some(Container::List);
        self.push_step(name, range, if is_list { "@items" } else { "@values" }, size);
    }

    fn push_step(&mut self, name: &'a str, range: &'a Expr, step: &str, size: Option<Range>) {
        let local = Local {
            path: Some(Path::append(self.path(range), step)),
            size,
            entries: None,
        };
        self.locals.entry(name).or_default().push(local);
    }

    fn push_local(&mut self, name: &'a str, value: &'a Expr) {
        let local = Local {
            path: self.path(value),
            entries: self.entries(value),
            size: self.size(value),
        };
        self.locals.entry(name).or_default().push(local);
    }

    fn pop(&mut self, name: &str) {
        if let Some(stack) = self.locals.get_mut(name) {
            stack.pop();
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.get(name)?.last()
    }

    fn local_of(&self, expr: &Expr) -> Option<&Local> {
        match &expr.kind {
            ExprKind::Ident(name) => self.local(name),
            _ => None,
        }
    }

    fn path(&self, expr: &Expr) -> Option<Path> {
        match self.local_of(expr) {
            Some(local) => local.path.clone(),
            None => self.paths.get(&expr.id).cloned(),
        }
    }

    fn set_path(&mut self, expr: &Expr, path: Option<Path>) {
        match path {
            Some(path) => self.paths.insert(expr.id, path),
            None => self.paths.remove(&expr.id),
        };
    }

    fn arg(&mut self, expr: &'a Expr) -> Arg<'a> {
        let is_accumulator = |path: &Path| matches!(&*path.first(), "@result" | "__result__");
        Arg {
            path: self.path(expr).filter(|path| !is_accumulator(path)),
            ty: self.checked.type_of(expr),
            size: self.size(expr),
            expr: Some(expr),
        }
    }

    fn set_size(&mut self, expr: &Expr, size: Option<Range>) {
        if let Some(size) = size {
            self.sizes.insert(expr.id, size);
        }
    }

    fn copy_sizes(&mut self, to: &Expr, from: &'a Expr) {
        let size = self.size(from);
        self.set_size(to, size);
        if let Some(entries) = self.entries(from) {
            self.entry_sizes.insert(to.id, entries);
        }
    }

    fn entries(&self, expr: &Expr) -> Option<Entries> {
        self.entry_sizes
            .get(&expr.id)
            .copied()
            .or_else(|| self.local_of(expr)?.entries)
    }

    fn size_or_unknown(&mut self, expr: &Expr) -> Range {
        self.size(expr).unwrap_or(Range::UNKNOWN)
    }

    fn size(&mut self, expr: &Expr) -> Option<Range> {
        if let Some(size) = self.sizes.get(&expr.id) {
            return Some(*size);
        }
        if let Some(size) = literal_size(expr) {
            return Some(size);
        }
        if let Some(size) = self.declared_size(self.path(expr).as_ref()) {
            self.sizes.insert(expr.id, size);
            return Some(size);
        }
        if is_scalar(self.checked.type_of(expr)) {
            return Some(Range::exactly(1));
        }
        self.local_of(expr)?.size
    }

    /// The size at a path in the declarations. The first step is taken for `self`, whatever it is.
    fn declared_size(&self, path: Option<&Path>) -> Option<Range> {
        let mut decl = &self.decl.root;
        for step in path?.steps().iter().skip(1) {
            decl = decl.step(step)?;
        }
        Some(Range {
            min: 0,
            max: decl.max_elements.cast_unsigned(),
        })
    }
}

fn literal_size(expr: &Expr) -> Option<Range> {
    let count = match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => text.chars().count(),
        ExprKind::Literal(Literal::Bytes(bytes)) => bytes.len(),
        ExprKind::Literal(_) => 1,
        ExprKind::List { elements, .. } => elements.len(),
        ExprKind::Map(entries) => entries.len(),
        _ => return None,
    };
    Some(Range::exactly(count as u64))
}

fn is_scalar(ty: &Type) -> bool {
    match ty {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
        Type::Optional(of) => is_scalar(of),
        _ => false,
    }
}

/// `cel.bind()` and what is like it (`optMap`): a loop that never runs.
fn is_bind(loop_: &Comprehension) -> bool {
    matches!(&loop_.range.kind, ExprKind::List { elements, .. } if elements.is_empty())
        && matches!(loop_.condition.kind, ExprKind::Literal(Literal::Bool(false)))
        && &*loop_.accu != "__result__"
}
