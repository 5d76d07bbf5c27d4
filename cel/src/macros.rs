//! Macros that API servers know: `has`, loops over lists and maps, optionals, `sortBy`.
//!
//! **Invariant:** every node that a macro makes stands at the macro's parenthesis, as in cel-go.

use crate::ast::{Comprehension, Entry, Expr, ExprKind, Field, Literal};
use crate::build::{Builder, call};
use crate::written::Abort;

/// Name of every accumulator.
const ACCU: &str = "@result";
/// Its name in older releases, which is no loop variable's either.
const OLD_ACCU: &str = "__result__";
/// Name of a loop variable that nothing reads.
const UNUSED: &str = "#unused";
/// Name that `sortBy` binds its list to.
const SORTED: &str = "@__sortBy_input__";

/// An expansion that didn't work: at which node, and why; or the end of it all.
enum Wrong {
    At(u32, String),
    Abort(Abort),
}

impl From<Abort> for Wrong {
    fn from(abort: Abort) -> Self {
        Self::Abort(abort)
    }
}

/// What a call becomes: a macro's expansion if it is one, with this many arguments, or the call itself.
pub(crate) fn expand(
    builder: &mut Builder<'_>,
    id: u32,
    function: &str,
    target: Option<Expr>,
    args: Vec<Expr>,
) -> Result<Expr, Abort> {
    let mut make = Make { builder, at: id };
    let expanded = match (target, function, args.len()) {
        (None, "has", 1) => make.has(args),
        // `existsOne` with one variable is cel-go's, but not in the set that API servers switch on.
        (Some(target), "all" | "exists" | "exists_one", 2 | 3) | (Some(target), "existsOne", 3) => {
            make.quantifier(function, target, args)
        }
        (Some(target), "map", 2 | 3) | (Some(target), "filter", 2) => {
            make.one_variable(function, target, args)
        }
        (Some(target), "transformList" | "transformMap" | "transformMapEntry", 3 | 4) => {
            make.two_variables(function, target, args)
        }
        (Some(target), "optMap" | "optFlatMap", 2) => make.optional(function, target, args),
        (Some(target), "sortBy", 2) => make.sort_by(target, args),
        (target, _, _) => {
            let kind = ExprKind::Call {
                function: function.into(),
                target: target.map(Box::new),
                args,
            };
            return Ok(Expr { id, kind });
        }
    };
    match expanded {
        Ok(expr) => Ok(expr),
        Err(Wrong::At(node, message)) => Ok(builder.wrong_node(node, message)),
        Err(Wrong::Abort(abort)) => Err(abort),
    }
}

/// The parts of a loop that differ from macro to macro.
struct Loop {
    init: Expr,
    condition: Expr,
    step: Expr,
    result: Expr,
}

struct Make<'a, 'b> {
    builder: &'a mut Builder<'b>,
    /// The macro's own id, which tells the place.
    at: u32,
}

impl Make<'_, '_> {
    fn has(&mut self, args: Vec<Expr>) -> Result<Expr, Wrong> {
        match args.into_iter().next() {
            Some(Expr {
                kind: ExprKind::Select { operand, field, .. },
                ..
            }) => self.expr(ExprKind::Select {
                operand,
                field,
                test_only: true,
            }),
            other => Err(Wrong::At(
                other.map_or(self.at, |arg| arg.id),
                "invalid argument to has() macro".to_owned(),
            )),
        }
    }

    fn quantifier(&mut self, function: &str, target: Expr, mut args: Vec<Expr>) -> Result<Expr, Wrong> {
        let (var, var2) = match args.as_slice() {
            [first, second, _] => two_names(first, second).map(|(first, second)| (first, Some(second)))?,
            [first, ..] => {
                let name = simple_name(first, "argument must be a simple name")?;
                (not_accumulator(name, first.id)?, None)
            }
            [] => return Err(Wrong::At(self.at, "argument must be a simple name".to_owned())),
        };
        let Some(predicate) = args.pop() else {
            return Err(Wrong::At(self.at, "argument must be a simple name".to_owned()));
        };
        let parts = match function {
            "all" => {
                let init = self.literal(Literal::Bool(true))?;
                let accu = self.accu()?;
                let condition = self.call("@not_strictly_false", vec![accu])?;
                let accu = self.accu()?;
                let step = self.call("_&&_", vec![accu, predicate])?;
                Loop {
                    init,
                    condition,
                    step,
                    result: self.accu()?,
                }
            }
            "exists" => {
                let init = self.literal(Literal::Bool(false))?;
                let accu = self.accu()?;
                let not = self.call("!_", vec![accu])?;
                let condition = self.call("@not_strictly_false", vec![not])?;
                let accu = self.accu()?;
                let step = self.call("_||_", vec![accu, predicate])?;
                Loop {
                    init,
                    condition,
                    step,
                    result: self.accu()?,
                }
            }
            _ => {
                let init = self.literal(Literal::Int(0))?;
                let condition = self.literal(Literal::Bool(true))?;
                let operands = vec![self.accu()?, self.literal(Literal::Int(1))?];
                let more = self.call("_+_", operands)?;
                let accu = self.accu()?;
                let step = self.call("_?_:_", vec![predicate, more, accu])?;
                let operands = vec![self.accu()?, self.literal(Literal::Int(1))?];
                Loop {
                    init,
                    condition,
                    step,
                    result: self.call("_==_", operands)?,
                }
            }
        };
        self.comprehension(target, var, var2, parts)
    }

    /// `map` and `filter`.
    fn one_variable(&mut self, function: &str, target: Expr, args: Vec<Expr>) -> Result<Expr, Wrong> {
        let at = self.at;
        let none = || Wrong::At(at, "argument is not an identifier".to_owned());
        let mut args = args.into_iter();
        let variable = args.next().ok_or_else(none)?;
        let name = not_accumulator(
            simple_name(&variable, "argument is not an identifier")?,
            variable.id,
        )?;
        let last = args.next_back().ok_or_else(none)?;
        let (filter, element) = if function == "filter" {
            (Some(last), variable)
        } else {
            (args.next(), last)
        };
        let init = self.list(Vec::new())?;
        let condition = self.literal(Literal::Bool(true))?;
        let step = self.append(element, filter)?;
        let parts = Loop {
            init,
            condition,
            step,
            result: self.accu()?,
        };
        self.comprehension(target, name, None, parts)
    }

    /// `transformList` and so on.
    fn two_variables(&mut self, function: &str, target: Expr, args: Vec<Expr>) -> Result<Expr, Wrong> {
        let at = self.at;
        let none = || Wrong::At(at, "argument must be a simple name".to_owned());
        let mut args = args.into_iter();
        let (first, second) = (args.next().ok_or_else(none)?, args.next().ok_or_else(none)?);
        let (var, var2) = two_names(&first, &second)?;
        let transform = args.next_back().ok_or_else(none)?;
        let filter = args.next();
        let (init, step) = match function {
            "transformList" => (self.list(Vec::new())?, self.append(transform, filter)?),
            _ => {
                let mut operands = vec![self.accu()?];
                if function == "transformMap" {
                    operands.push(self.ident(&var)?);
                }
                operands.push(transform);
                let insert = self.call("cel.@mapInsert", operands)?;
                (
                    self.expr(ExprKind::Map(Vec::new()))?,
                    self.only_if(filter, insert)?,
                )
            }
        };
        let condition = self.literal(Literal::Bool(true))?;
        let parts = Loop {
            init,
            condition,
            step,
            result: self.accu()?,
        };
        self.comprehension(target, var, Some(var2), parts)
    }

    /// `optMap` and `optFlatMap`: a binding of the value, if there is one.
    fn optional(&mut self, function: &str, target: Expr, args: Vec<Expr>) -> Result<Expr, Wrong> {
        let message = format!("{function}() variable name must be a simple identifier");
        let mut args = args.into_iter();
        let (Some(variable), Some(body)) = (args.next(), args.next()) else {
            return Err(Wrong::At(self.at, message));
        };
        let name = simple_name(&variable, &message)?;
        let copy = self.copy(&target)?;
        let has_value = self.member_call("hasValue", target, Vec::new())?;
        let value = self.member_call("value", copy, Vec::new())?;
        let bound = self.bind(&name, value, body)?;
        let present = if function == "optMap" {
            self.call("optional.of", vec![bound])?
        } else {
            bound
        };
        let absent = self.call("optional.none", Vec::new())?;
        self.call("_?_:_", vec![has_value, present, absent])
    }

    fn sort_by(&mut self, target: Expr, args: Vec<Expr>) -> Result<Expr, Wrong> {
        if matches!(
            target.kind,
            ExprKind::Literal(_) | ExprKind::Map(_) | ExprKind::Struct { .. }
        ) {
            let message =
                "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
                    .to_owned();
            return Err(Wrong::At(target.id, message));
        }
        let range = self.ident(SORTED)?;
        let keys = self.one_variable("map", range, args)?;
        let sorted = self.ident(SORTED)?;
        let body = self.member_call("@sortByAssociatedKeys", sorted, vec![keys])?;
        self.bind(SORTED, target, body)
    }

    /// A loop over nothing, whose accumulator is a variable that the result reads.
    fn bind(&mut self, name: &str, value: Expr, body: Expr) -> Result<Expr, Wrong> {
        let range = self.list(Vec::new())?;
        let condition = self.literal(Literal::Bool(false))?;
        let step = self.ident(name)?;
        self.expr(ExprKind::Comprehension(Box::new(Comprehension {
            range,
            var: UNUSED.into(),
            var2: None,
            accu: name.into(),
            init: value,
            condition,
            step,
            result: body,
        })))
    }

    /// `@result + [element]`, or only if the filter says so.
    fn append(&mut self, element: Expr, filter: Option<Expr>) -> Result<Expr, Wrong> {
        let accu = self.accu()?;
        let list = self.list(vec![element])?;
        let longer = self.call("_+_", vec![accu, list])?;
        self.only_if(filter, longer)
    }

    fn only_if(&mut self, filter: Option<Expr>, step: Expr) -> Result<Expr, Wrong> {
        let Some(filter) = filter else { return Ok(step) };
        let accu = self.accu()?;
        self.call("_?_:_", vec![filter, step, accu])
    }

    fn comprehension(
        &mut self,
        range: Expr,
        var: Box<str>,
        var2: Option<Box<str>>,
        parts: Loop,
    ) -> Result<Expr, Wrong> {
        let Loop {
            init,
            condition,
            step,
            result,
        } = parts;
        let accu = ACCU.into();
        self.expr(ExprKind::Comprehension(Box::new(Comprehension {
            range,
            var,
            var2,
            accu,
            init,
            condition,
            step,
            result,
        })))
    }

    fn expr(&mut self, kind: ExprKind) -> Result<Expr, Wrong> {
        Ok(Expr {
            id: self.builder.id_like(self.at)?,
            kind,
        })
    }

    fn literal(&mut self, literal: Literal) -> Result<Expr, Wrong> {
        self.expr(ExprKind::Literal(literal))
    }

    fn ident(&mut self, name: &str) -> Result<Expr, Wrong> {
        self.expr(ExprKind::Ident(name.into()))
    }

    fn accu(&mut self) -> Result<Expr, Wrong> {
        self.ident(ACCU)
    }

    fn list(&mut self, elements: Vec<Expr>) -> Result<Expr, Wrong> {
        self.expr(ExprKind::List {
            elements,
            optional: Vec::new(),
        })
    }

    fn call(&mut self, function: &str, args: Vec<Expr>) -> Result<Expr, Wrong> {
        let id = self.builder.id_like(self.at)?;
        Ok(call(id, function, args))
    }

    fn member_call(&mut self, function: &str, target: Expr, args: Vec<Expr>) -> Result<Expr, Wrong> {
        self.expr(ExprKind::Call {
            function: function.into(),
            target: Some(Box::new(target)),
            args,
        })
    }

    /// The same tree with other ids.
    fn copy(&mut self, expr: &Expr) -> Result<Expr, Wrong> {
        let id = self.builder.id_like(expr.id)?;
        let kind = match &expr.kind {
            kind @ (ExprKind::Literal(_) | ExprKind::Ident(_)) => kind.clone(),
            ExprKind::Select {
                operand,
                field,
                test_only,
            } => {
                let operand = Box::new(self.copy(operand)?);
                ExprKind::Select {
                    operand,
                    field: field.clone(),
                    test_only: *test_only,
                }
            }
            ExprKind::Call {
                function,
                target,
                args,
            } => {
                let target = target
                    .as_ref()
                    .map(|target| self.copy(target))
                    .transpose()?
                    .map(Box::new);
                let args = args.iter().map(|arg| self.copy(arg)).collect::<Result<_, _>>()?;
                ExprKind::Call {
                    function: function.clone(),
                    target,
                    args,
                }
            }
            ExprKind::List { elements, optional } => {
                let elements = elements
                    .iter()
                    .map(|element| self.copy(element))
                    .collect::<Result<_, _>>()?;
                ExprKind::List {
                    elements,
                    optional: optional.clone(),
                }
            }
            ExprKind::Map(entries) => {
                let mut copies = Vec::with_capacity(entries.len());
                for entry in entries {
                    let id = self.builder.id_like(self.at)?;
                    let (key, value) = (self.copy(&entry.key)?, self.copy(&entry.value)?);
                    copies.push(Entry {
                        id,
                        key,
                        value,
                        optional: entry.optional,
                    });
                }
                ExprKind::Map(copies)
            }
            ExprKind::Struct { name, fields } => {
                let mut copies = Vec::with_capacity(fields.len());
                for field in fields {
                    let id = self.builder.id_like(self.at)?;
                    let value = self.copy(&field.value)?;
                    copies.push(Field {
                        id,
                        name: field.name.clone(),
                        value,
                        optional: field.optional,
                    });
                }
                ExprKind::Struct {
                    name: name.clone(),
                    fields: copies,
                }
            }
            ExprKind::Comprehension(walk) => ExprKind::Comprehension(Box::new(Comprehension {
                range: self.copy(&walk.range)?,
                var: walk.var.clone(),
                var2: walk.var2.clone(),
                accu: walk.accu.clone(),
                init: self.copy(&walk.init)?,
                condition: self.copy(&walk.condition)?,
                step: self.copy(&walk.step)?,
                result: self.copy(&walk.result)?,
            })),
        };
        Ok(Expr { id, kind })
    }
}

fn simple_name(expr: &Expr, message: &str) -> Result<Box<str>, Wrong> {
    match &expr.kind {
        ExprKind::Ident(name) => Ok(name.clone()),
        _ => Err(Wrong::At(expr.id, message.to_owned())),
    }
}

fn not_accumulator(name: Box<str>, id: u32) -> Result<Box<str>, Wrong> {
    if *name == *ACCU || *name == *OLD_ACCU {
        return Err(Wrong::At(
            id,
            "iteration variable overwrites accumulator variable".to_owned(),
        ));
    }
    Ok(name)
}

fn two_names(first: &Expr, second: &Expr) -> Result<(Box<str>, Box<str>), Wrong> {
    let message = "argument must be a simple name";
    let (one, two) = (simple_name(first, message)?, simple_name(second, message)?);
    if one == two {
        return Err(Wrong::At(second.id, format!("duplicate variable name: {one}")));
    }
    Ok((not_accumulator(one, first.id)?, not_accumulator(two, second.id)?))
}
