//! From what was written to the syntax tree: operators get their functions' names, literals their values, macros are
//! expanded.
//!
//! **Invariant:** the tree nests no deeper than cel-go lets it, and has at most [`MOST_NODES`] nodes.

use crate::ast::{Entry, Expr, ExprKind, Field, Literal};
use crate::lexer::{Kind, Token};
use crate::macros;
use crate::names::RESERVED;
use crate::parser::DEEPEST;
use crate::source::{Report, Source};
use crate::text::unquote;
use crate::written::{Abort, Node, NodeId};

/// How many nodes macros may make; cel-go knows no limit, but chained `optMap()` doubles its operand each time.
const MOST_NODES: usize = 250_000;

/// Makes the tree, and reports on the way.
pub(crate) struct Builder<'a> {
    pub(crate) source: Source,
    pub(crate) reports: Vec<Report>,
    nodes: &'a [Node],
    tokens: &'a [Token],
    depth: usize,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(source: Source, reports: Vec<Report>, nodes: &'a [Node], tokens: &'a [Token]) -> Self {
        Self {
            source,
            reports,
            nodes,
            tokens,
            depth: 0,
        }
    }

    /// The tree below a node.
    pub(crate) fn build(&mut self, node: NodeId) -> Result<Expr, Abort> {
        let nodes = self.nodes;
        match nodes.get(node) {
            None => Ok(self.missing_at(0)),
            Some(Node::Missing { at }) => Ok(self.missing_at(*at)),
            Some(Node::Logic { or, first, rest }) => self.logic(*or, *first, rest),
            Some(Node::Unary { op, odd, operand }) => self.unary(*op, *odd, *operand),
            Some(Node::Ident { dot, start, name }) => Ok(self.ident(*dot, *start, *name)),
            Some(Node::Call {
                dot,
                start,
                name,
                open,
                args,
            }) => self.call(*dot, [*start, *name, *open], args),
            Some(Node::List { open, elements }) => self.list(*open, elements),
            Some(Node::Map { open, entries }) => self.map(*open, entries),
            Some(Node::Message {
                dot,
                names,
                open,
                fields,
            }) => self.message(*dot, names, *open, fields),
            Some(Node::Literal { start, token }) => Ok(self.literal(*start, *token)),
            Some(deep) => self.counted(deep),
        }
    }

    fn counted(&mut self, deep: &Node) -> Result<Expr, Abort> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Abort::Whole("max recursion depth exceeded".to_owned()));
        }
        let built = self.deep(deep);
        self.depth -= 1;
        built
    }

    fn unary(&mut self, op: usize, odd: bool, operand: NodeId) -> Result<Expr, Abort> {
        if !odd {
            return self.build(operand);
        }
        let function = if self.kind_of(op) == Kind::Exclam {
            "!_"
        } else {
            "-_"
        };
        let id = self.id(op);
        let operand = self.build(operand)?;
        Ok(call(id, function, vec![operand]))
    }

    fn call(&mut self, dot: bool, [start, name, open]: [usize; 3], args: &[NodeId]) -> Result<Expr, Abort> {
        let word = self.word(name);
        if RESERVED.contains(&word.as_str()) {
            return Ok(self.wrong(start, format!("reserved identifier: {word}")));
        }
        let id = self.id(open);
        let args = self.all(args)?;
        let function = if dot { format!(".{word}") } else { word };
        macros::expand(self, id, &function, None, args)
    }

    fn list(&mut self, open: usize, elements: &[(bool, NodeId)]) -> Result<Expr, Abort> {
        let id = self.id(open);
        let (mut list, mut optional) = (Vec::with_capacity(elements.len()), Vec::new());
        for (index, (marked, element)) in elements.iter().enumerate() {
            list.push(self.build(*element)?);
            if *marked {
                optional.push(u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
        Ok(Expr {
            id,
            kind: ExprKind::List {
                elements: list,
                optional,
            },
        })
    }

    fn map(&mut self, open: usize, entries: &[(usize, bool, NodeId, NodeId)]) -> Result<Expr, Abort> {
        let id = self.id(open);
        let mut list = Vec::with_capacity(entries.len());
        for (colon, optional, key, value) in entries {
            let entry = self.id(*colon);
            let (key, value) = (self.build(*key)?, self.build(*value)?);
            list.push(Entry {
                id: entry,
                key,
                value,
                optional: *optional,
            });
        }
        Ok(Expr {
            id,
            kind: ExprKind::Map(list),
        })
    }

    /// The nodes whose nesting counts. Each has a function of its own, since all their frames are on the stack at once.
    fn deep(&mut self, node: &Node) -> Result<Expr, Abort> {
        match node {
            Node::Ternary { op, test, yes, no } => self.ternary(*op, [*test, *yes, *no]),
            Node::Binary { op, left, right } => self.binary(*op, *left, *right),
            Node::Select {
                op,
                optional,
                operand,
                field,
            } => self.select(*op, *optional, *operand, *field),
            Node::MemberCall {
                operand,
                name,
                open,
                args,
            } => self.member_call(*operand, *name, *open, args),
            Node::Index {
                op,
                optional,
                operand,
                index,
            } => self.index(*op, *optional, *operand, *index),
            _ => Ok(self.missing_at(0)),
        }
    }

    fn ternary(&mut self, op: usize, [test, yes, no]: [NodeId; 3]) -> Result<Expr, Abort> {
        let test = self.build(test)?;
        let id = self.id(op);
        let (yes, no) = (self.build(yes)?, self.build(no)?);
        Ok(call(id, "_?_:_", vec![test, yes, no]))
    }

    fn binary(&mut self, op: usize, left: NodeId, right: NodeId) -> Result<Expr, Abort> {
        let left = self.build(left)?;
        let id = self.id(op);
        let right = self.build(right)?;
        Ok(call(id, operator(self.kind_of(op)), vec![left, right]))
    }

    fn select(&mut self, op: usize, optional: bool, operand: NodeId, field: usize) -> Result<Expr, Abort> {
        let operand = self.build(operand)?;
        Ok(self.selected(op, optional, operand, field))
    }

    fn selected(&mut self, op: usize, optional: bool, operand: Expr, field: usize) -> Expr {
        let name = self.field(field, field);
        if optional {
            let id = self.id(op);
            let field = Expr {
                id: self.id(field),
                kind: ExprKind::Literal(Literal::String(name.into())),
            };
            return call(id, "_?._", vec![operand, field]);
        }
        let kind = ExprKind::Select {
            operand: Box::new(operand),
            field: name.into(),
            test_only: false,
        };
        Expr {
            id: self.id(op),
            kind,
        }
    }

    fn member_call(
        &mut self,
        operand: NodeId,
        name: usize,
        open: usize,
        args: &[NodeId],
    ) -> Result<Expr, Abort> {
        let target = self.build(operand)?;
        let id = self.id(open);
        let args = self.all(args)?;
        let function = self.word(name);
        macros::expand(self, id, &function, Some(target), args)
    }

    fn index(&mut self, op: usize, optional: bool, operand: NodeId, index: NodeId) -> Result<Expr, Abort> {
        let operand = self.build(operand)?;
        let id = self.id(op);
        let index = self.build(index)?;
        Ok(call(
            id,
            if optional { "_[?_]" } else { "_[_]" },
            vec![operand, index],
        ))
    }

    fn all(&mut self, nodes: &[NodeId]) -> Result<Vec<Expr>, Abort> {
        nodes.iter().map(|node| self.build(*node)).collect()
    }

    /// Operands of `||` or `&&` as a balanced tree, as cel-go makes it: costs depend on it.
    fn logic(&mut self, or: bool, first: NodeId, rest: &[(usize, NodeId)]) -> Result<Expr, Abort> {
        let mut terms = vec![Some(self.build(first)?)];
        let mut ops = Vec::with_capacity(rest.len());
        for (op, term) in rest {
            terms.push(Some(self.build(*term)?));
            ops.push(self.id(*op));
        }
        let function = if or { "_||_" } else { "_&&_" };
        Ok(self.balanced(function, &mut terms, &ops))
    }

    /// The tree of `terms`, of which there is one more than there are `ops`.
    fn balanced(&mut self, function: &str, terms: &mut [Option<Expr>], ops: &[u32]) -> Expr {
        let Some(&op) = ops.get(ops.len() / 2) else {
            let at = self.source.text().len();
            return terms
                .first_mut()
                .and_then(Option::take)
                .unwrap_or_else(|| self.missing(at));
        };
        let middle = ops.len() / 2;
        let (before, after) = terms.split_at_mut(middle + 1);
        let left = self.balanced(function, before, ops.get(..middle).unwrap_or_default());
        let right = self.balanced(function, after, ops.get(middle + 1..).unwrap_or_default());
        call(op, function, vec![left, right])
    }

    fn ident(&mut self, dot: bool, start: usize, name: usize) -> Expr {
        let word = self.word(name);
        if RESERVED.contains(&word.as_str()) {
            return self.wrong(start, format!("reserved identifier: {word}"));
        }
        let word = if dot { format!(".{word}") } else { word };
        Expr {
            id: self.id(name),
            kind: ExprKind::Ident(word.into()),
        }
    }

    fn message(
        &mut self,
        dot: bool,
        names: &[usize],
        open: usize,
        fields: &[(usize, bool, usize, NodeId)],
    ) -> Result<Expr, Abort> {
        let id = self.id(open);
        let name = names
            .iter()
            .map(|name| self.word(*name))
            .collect::<Vec<_>>()
            .join(".");
        let name = if dot { format!(".{name}") } else { name };
        let mut list = Vec::with_capacity(fields.len());
        for (colon, optional, field, value) in fields {
            let id = self.id(*colon);
            let name = self.field(*field, open + 1);
            list.push(Field {
                id,
                name: name.into(),
                value: self.build(*value)?,
                optional: *optional,
            });
        }
        Ok(Expr {
            id,
            kind: ExprKind::Struct {
                name: name.into(),
                fields: list,
            },
        })
    }

    /// A field's name; the grammar knows quoted ones, which API servers don't switch on.
    fn field(&mut self, name: usize, at: usize) -> String {
        let message = match self.kind_of(name) {
            Kind::Identifier => return self.word(name),
            Kind::EscIdentifier => "unsupported syntax: '`'",
            _ => "unsupported ident kind",
        };
        self.wrong(at, message.to_owned());
        String::new()
    }

    fn literal(&mut self, start: usize, token: usize) -> Expr {
        let text = self.word(token);
        let signed = |digits: &str| format!("{}{digits}", if start == token { "" } else { "-" });
        let literal = match self.kind_of(token) {
            Kind::True => Ok(Literal::Bool(true)),
            Kind::False => Ok(Literal::Bool(false)),
            Kind::Null => Ok(Literal::Null),
            Kind::Int => {
                let (digits, radix) = text
                    .strip_prefix("0x")
                    .map_or((text.as_str(), 10), |digits| (digits, 16));
                i64::from_str_radix(&signed(digits), radix)
                    .map(Literal::Int)
                    .map_err(|_| "invalid int literal")
            }
            Kind::Uint => {
                let text = text.strip_suffix(['u', 'U']).unwrap_or(&text);
                let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
                u64::from_str_radix(digits, radix)
                    .map(Literal::Uint)
                    .map_err(|_| "invalid uint literal")
            }
            Kind::Float => match signed(&text).parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Literal::Double(value)),
                _ => Err("invalid double literal"),
            },
            Kind::String => unquote(&text, false).and_then(|bytes| {
                String::from_utf8(bytes)
                    .map(|text| Literal::String(text.into()))
                    .map_err(|_| "invalid unicode code point")
            }),
            Kind::Bytes => {
                unquote(text.get(1..).unwrap_or_default(), true).map(|bytes| Literal::Bytes(bytes.into()))
            }
            _ => Ok(Literal::String("<<error>>".into())),
        };
        match literal {
            Ok(literal) => Expr {
                id: self.id(start),
                kind: ExprKind::Literal(literal),
            },
            Err(message) => self.wrong(start, message.to_owned()),
        }
    }

    fn kind_of(&self, token: usize) -> Kind {
        self.tokens.get(token).map_or(Kind::Eof, |token| token.kind)
    }

    fn word(&self, token: usize) -> String {
        let Some(token) = self.tokens.get(token) else {
            return String::new();
        };
        self.source
            .text()
            .get(token.start..token.end)
            .unwrap_or_default()
            .to_owned()
    }

    /// An id for what stands at a word.
    fn id(&mut self, token: usize) -> u32 {
        let offset = self.tokens.get(token).map_or(0, |token| token.start);
        self.source.add(offset)
    }

    /// An id for what a macro makes, at the same place as another node.
    pub(crate) fn id_like(&mut self, other: u32) -> Result<u32, Abort> {
        if self.source.nodes() >= MOST_NODES {
            return Err(Abort::Whole(format!(
                "expression size exceeds limit: macros make more than {MOST_NODES} nodes"
            )));
        }
        let offset = self.source.offset(other);
        Ok(self.source.add(offset))
    }

    /// Reports at a node; what stands for it then.
    pub(crate) fn wrong_node(&mut self, id: u32, message: String) -> Expr {
        let offset = self.source.offset(id);
        self.reports.push(Report {
            position: Some(self.source.at(offset)),
            message,
        });
        self.missing(offset)
    }

    fn wrong(&mut self, token: usize, message: String) -> Expr {
        let id = self.id(token);
        self.wrong_node(id, message)
    }

    fn missing_at(&mut self, token: usize) -> Expr {
        let id = self.id(token);
        Expr {
            id,
            kind: ExprKind::Literal(Literal::Null),
        }
    }

    fn missing(&mut self, offset: usize) -> Expr {
        Expr {
            id: self.source.add(offset),
            kind: ExprKind::Literal(Literal::Null),
        }
    }
}

/// A call without a target.
pub(crate) fn call(id: u32, function: &str, args: Vec<Expr>) -> Expr {
    Expr {
        id,
        kind: ExprKind::Call {
            function: function.into(),
            target: None,
            args,
        },
    }
}

fn operator(kind: Kind) -> &'static str {
    match kind {
        Kind::Equals => "_==_",
        Kind::NotEquals => "_!=_",
        Kind::In => "@in",
        Kind::Less => "_<_",
        Kind::LessEquals => "_<=_",
        Kind::GreaterEquals => "_>=_",
        Kind::Greater => "_>_",
        Kind::Plus => "_+_",
        Kind::Minus => "_-_",
        Kind::Star => "_*_",
        Kind::Slash => "_/_",
        _ => "_%_",
    }
}
