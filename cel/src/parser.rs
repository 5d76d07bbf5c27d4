//! Words to a tree of what was written, in the steps of the parser that ANTLR makes of cel-go's grammar: one function
//! per rule, and its ways to report and to go on after an error, so that messages come out the same.
//!
//! **Invariant:** no rule is nested deeper than [`DEEPEST`], whatever the text; the tree lies in one vector.

use std::cell::Cell;
use std::ops::Range;

use crate::lexer::{Kind, Set, Token};
use crate::written::{Abort, MISSING, Mistake, Node, NodeId, Written};

mod aggregates;
mod recovery;

/// How deep one rule may be nested in itself.
pub(crate) const DEEPEST: usize = 250;

/// Why a rule ends early. What belongs to it is kept in the parser: results are passed through many frames, whose size
/// bounds how deep a text may nest.
#[derive(Clone, Copy)]
enum Broken {
    /// No alternative fits the words of [`Parser::stuck`].
    NoWay,
    /// One of [`Parser::expected`] should be here.
    Mismatch,
    /// Not to be recovered from: [`Parser::fatal`] says why.
    Fatal,
}

/// A place in a rule: an identity, and what may come next in that rule.
#[derive(Clone, Copy)]
struct Site(u8, Set);

/// The rules that can be nested.
#[derive(Clone, Copy)]
enum Rule {
    Expr,
    Or,
    And,
    Relation,
    Calc,
    Unary,
    Member,
    Primary,
    ExprList,
    ListInit,
    FieldInit,
    MapInit,
    OptField,
    EscapeIdent,
    OptExpr,
    Literal,
}

const LITERAL: Set = Set::of(&[
    Kind::Minus,
    Kind::True,
    Kind::False,
    Kind::Null,
    Kind::Float,
    Kind::Int,
    Kind::Uint,
    Kind::String,
    Kind::Bytes,
]);
const PRIMARY: Set = Set::of(&[
    Kind::LBracket,
    Kind::LBrace,
    Kind::LParen,
    Kind::Dot,
    Kind::Identifier,
])
.or(LITERAL);
const EXPR: Set = PRIMARY.or(Set::of(&[Kind::Exclam]));
const OPT_EXPR: Set = EXPR.or(Set::of(&[Kind::Question]));
const IDENT: Set = Set::of(&[Kind::Identifier, Kind::EscIdentifier]);
const MEMBER_NEXT: Set = Set::of(&[Kind::Dot, Kind::LBracket]).or(Set::END);
const FACTORS: Set = Set::of(&[Kind::Star, Kind::Slash, Kind::Percent]);
const CALC_NEXT: Set = Set::of(&[Kind::Plus, Kind::Minus]).or(FACTORS).or(Set::END);
const COMPARISONS: Set = Set::of(&[
    Kind::Equals,
    Kind::NotEquals,
    Kind::In,
    Kind::Less,
    Kind::LessEquals,
    Kind::GreaterEquals,
    Kind::Greater,
]);
const COMMA_OR_END: Set = Set::of(&[Kind::Comma]).or(Set::END);

const fn one(kind: Kind) -> Set {
    Set::of(&[kind])
}

/// Parses words, the last of which is the end.
///
/// `unknown` are the ranges of the text that are no words.
pub(crate) fn parse(text: &str, tokens: &[Token], unknown: &[Range<usize>]) -> Written {
    let mut parser = Parser {
        text,
        tokens,
        unknown,
        at: 0,
        seen: Cell::new(0),
        follow: Vec::new(),
        depth: [0; 16],
        nodes: vec![Node::Missing { at: 0 }],
        mistakes: Vec::new(),
        recovering: false,
        site: 0,
        last_error: None,
        recoveries: 0,
        stuck: (0, 0),
        expected: Set::of(&[]),
        fatal: None,
    };
    let root = parser.start().unwrap_or(MISSING);
    Written {
        nodes: parser.nodes,
        root,
        mistakes: parser.mistakes,
        given_up: parser.fatal,
        seen: parser.seen.get(),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    unknown: &'a [Range<usize>],
    at: usize,
    /// The last word that was looked at.
    seen: Cell<usize>,
    /// For each rule that is being read: what its caller expects after it.
    follow: Vec<Set>,
    depth: [usize; 16],
    nodes: Vec<Node>,
    mistakes: Vec<Mistake>,
    /// Whether a report was made and no word matched since; until then nothing is reported.
    recovering: bool,
    site: u8,
    /// Word and places of the last error.
    last_error: Option<(usize, Vec<u8>)>,
    recoveries: usize,
    /// The words from which on, and at which, no alternative fits.
    stuck: (usize, usize),
    /// What was expected instead of the word that is here.
    expected: Set,
    /// Why parsing is given up.
    fatal: Option<Abort>,
}

impl Parser<'_> {
    fn start(&mut self) -> Result<NodeId, Broken> {
        let root = self.expr(one(Kind::Eof))?;
        match self.expect(Site(0, one(Kind::Eof)), Kind::Eof, Set::END) {
            Ok(_) => {}
            Err(Broken::Fatal) => return Err(Broken::Fatal),
            Err(broken) => self.recover(broken)?,
        }
        Ok(root)
    }

    // Rules. Each enters, runs its body, and leaves, whereby errors are reported and words skipped.

    fn expr(&mut self, follow: Set) -> Result<NodeId, Broken> {
        self.enter(Rule::Expr, follow)?;
        let mut node = MISSING;
        let result = self.expr_body(&mut node);
        self.leave(Rule::Expr, result)?;
        Ok(node)
    }

    fn expr_body(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        *node = self.logic(Rule::Or, Set::of(&[Kind::Question]).or(Set::END))?;
        if self.kind() != Kind::Question {
            return Ok(());
        }
        let op = self.at;
        self.consume();
        let test = *node;
        *node = self.add(Node::Ternary {
            op,
            test,
            yes: MISSING,
            no: MISSING,
        });
        let (id, first) = (*node, self.logic(Rule::Or, one(Kind::Colon))?);
        if let Some(Node::Ternary { yes, .. }) = self.nodes.get_mut(id) {
            *yes = first;
        }
        self.expect(Site(1, one(Kind::Colon)), Kind::Colon, EXPR)?;
        let second = self.expr(Set::END)?;
        if let Some(Node::Ternary { no, .. }) = self.nodes.get_mut(id) {
            *no = second;
        }
        Ok(())
    }

    /// `a || b || c`, or `a && b && c`.
    fn logic(&mut self, rule: Rule, follow: Set) -> Result<NodeId, Broken> {
        let or = matches!(rule, Rule::Or);
        let kind = if or { Kind::Or } else { Kind::And };
        let next = one(kind).or(Set::END);
        self.enter(rule, follow)?;
        let first = if or {
            self.logic(Rule::And, next)?
        } else {
            self.relation(next)?
        };
        let mut rest = Vec::new();
        while self.kind() == kind {
            let op = self.at;
            self.consume();
            let term = if or {
                self.logic(Rule::And, next)?
            } else {
                self.relation(next)?
            };
            rest.push((op, term));
        }
        self.leave(rule, Ok(()))?;
        Ok(if rest.is_empty() {
            first
        } else {
            self.add(Node::Logic { or, first, rest })
        })
    }

    fn relation(&mut self, follow: Set) -> Result<NodeId, Broken> {
        let next = COMPARISONS.or(Set::END);
        self.enter(Rule::Relation, follow)?;
        let mut left = self.calc(0, next)?;
        while COMPARISONS.has(self.kind()) {
            let op = self.at;
            self.reenter(Rule::Relation)?;
            self.consume();
            // The right side is a relation of a higher precedence, that is, one without operators.
            self.enter(Rule::Relation, next)?;
            let right = self.calc(0, next)?;
            self.leave(Rule::Relation, Ok(()))?;
            left = self.add(Node::Binary { op, left, right });
        }
        self.leave(Rule::Relation, Ok(()))?;
        Ok(left)
    }

    /// Sums of products; of products alone where `least` is above 0, of single operands where it is above 1.
    fn calc(&mut self, least: u8, follow: Set) -> Result<NodeId, Broken> {
        self.enter(Rule::Calc, follow)?;
        let mut left = self.unary(CALC_NEXT)?;
        loop {
            let precedence = match self.kind() {
                kind if FACTORS.has(kind) => 1,
                Kind::Plus | Kind::Minus => 0,
                _ => break,
            };
            if precedence < least {
                break;
            }
            let op = self.at;
            self.reenter(Rule::Calc)?;
            self.consume();
            let right = self.calc(precedence + 1, CALC_NEXT)?;
            left = self.add(Node::Binary { op, left, right });
        }
        self.leave(Rule::Calc, Ok(()))?;
        Ok(left)
    }

    fn unary(&mut self, follow: Set) -> Result<NodeId, Broken> {
        self.enter(Rule::Unary, follow)?;
        let (start, mut node) = (self.at, MISSING);
        let result = self.unary_body(&mut node);
        if result.is_err() && node == MISSING {
            node = self.add(Node::Missing { at: start });
        }
        self.leave(Rule::Unary, result)?;
        Ok(node)
    }

    fn unary_body(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        self.sync(Site(2, EXPR))?;
        let start = self.at;
        let kind = match self.kind() {
            Kind::Exclam => Kind::Exclam,
            Kind::Minus if self.minus_is_operator(start)? => Kind::Minus,
            kind if PRIMARY.has(kind) => {
                *node = self.member(Set::END)?;
                return Ok(());
            }
            _ => return Err(self.stuck(start, start)),
        };
        let mut count = 0_usize;
        loop {
            self.consume();
            count += 1;
            self.sync_again(Site(3, one(kind).or(PRIMARY)))?;
            let again = self.kind() == kind;
            if again && kind == Kind::Minus {
                self.minus_is_operator(self.at)?;
            }
            if !again {
                break;
            }
        }
        *node = self.add(Node::Unary {
            op: start,
            odd: count % 2 == 1,
            operand: MISSING,
        });
        let (id, member) = (*node, self.member(Set::END)?);
        if let Some(Node::Unary { operand, .. }) = self.nodes.get_mut(id) {
            *operand = member;
        }
        Ok(())
    }

    /// Whether the minus here is an operator, not the sign of a number; after another minus it always is.
    fn minus_is_operator(&mut self, at: usize) -> Result<bool, Broken> {
        match self.kind_at(at + 1) {
            Kind::Int | Kind::Float => Ok(false),
            kind if PRIMARY.has(kind) => Ok(true),
            _ => Err(self.stuck(at, at + 1)),
        }
    }

    fn member(&mut self, follow: Set) -> Result<NodeId, Broken> {
        self.enter(Rule::Member, follow)?;
        let mut node = MISSING;
        let result = self.member_body(&mut node);
        self.leave(Rule::Member, result)?;
        Ok(node)
    }

    fn member_body(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        *node = self.primary(MEMBER_NEXT)?;
        loop {
            match self.kind() {
                Kind::Dot => self.dot(node)?,
                Kind::LBracket => self.index(node)?,
                _ => return Ok(()),
            }
        }
    }

    fn dot(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        let (op, operand) = (self.at, *node);
        self.site = 24;
        let call = match self.kind_at(op + 1) {
            Kind::Question | Kind::EscIdentifier => false,
            Kind::Identifier => self.kind_at(op + 2) == Kind::LParen,
            _ => {
                return Err(self.stuck(op, op + 1));
            }
        };
        self.reenter(Rule::Member)?;
        self.consume();
        if call {
            let (name, open) = (self.at, self.at + 1);
            self.consume();
            self.consume();
            *node = self.add(Node::MemberCall {
                operand,
                name,
                open,
                args: Vec::new(),
            });
            self.arguments(*node, MEMBER_NEXT)
        } else {
            let optional = self.kind() == Kind::Question;
            if optional {
                self.consume();
            }
            *node = self.add(Node::Select {
                op,
                optional,
                operand,
                field: op,
            });
            let (id, name) = (*node, self.escape_ident(MEMBER_NEXT)?);
            if let Some(Node::Select { field, .. }) = self.nodes.get_mut(id) {
                *field = name;
            }
            Ok(())
        }
    }

    fn index(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        let (op, operand) = (self.at, *node);
        self.reenter(Rule::Member)?;
        self.consume();
        *node = self.add(Node::Index {
            op,
            optional: false,
            operand,
            index: MISSING,
        });
        let id = *node;
        self.sync(Site(4, OPT_EXPR))?;
        let question = self.kind() == Kind::Question;
        if question {
            self.consume();
        }
        let inner = self.expr(one(Kind::RBracket))?;
        if let Some(Node::Index { optional, index, .. }) = self.nodes.get_mut(id) {
            (*optional, *index) = (question, inner);
        }
        self.expect(Site(5, one(Kind::RBracket)), Kind::RBracket, MEMBER_NEXT)?;
        Ok(())
    }

    /// The arguments of a call whose parenthesis was read, and the other one.
    fn arguments(&mut self, call: NodeId, after: Set) -> Result<(), Broken> {
        self.sync(Site(6, EXPR.or(one(Kind::RParen))))?;
        if EXPR.has(self.kind()) {
            let list = self.expr_list(one(Kind::RParen))?;
            if let Some(Node::Call { args, .. } | Node::MemberCall { args, .. }) = self.nodes.get_mut(call) {
                *args = list;
            }
        }
        self.expect(Site(7, one(Kind::RParen)), Kind::RParen, after)?;
        Ok(())
    }

    fn expr_list(&mut self, follow: Set) -> Result<Vec<NodeId>, Broken> {
        self.enter(Rule::ExprList, follow)?;
        let mut list = vec![self.expr(COMMA_OR_END)?];
        while self.kind() == Kind::Comma {
            self.consume();
            list.push(self.expr(COMMA_OR_END)?);
        }
        self.leave(Rule::ExprList, Ok(()))?;
        Ok(list)
    }

    fn primary(&mut self, follow: Set) -> Result<NodeId, Broken> {
        self.enter(Rule::Primary, follow)?;
        let mut node = MISSING;
        let result = self.primary_body(&mut node);
        self.leave(Rule::Primary, result)?;
        Ok(node)
    }

    fn primary_body(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        self.sync(Site(8, PRIMARY))?;
        let start = self.at;
        match self.kind() {
            Kind::Dot | Kind::Identifier => self.name(node),
            Kind::LParen => {
                self.consume();
                *node = self.expr(one(Kind::RParen))?;
                self.expect(Site(9, one(Kind::RParen)), Kind::RParen, Set::END)
                    .map(drop)
            }
            Kind::LBracket => self.list(node),
            Kind::LBrace => self.map(node),
            kind if LITERAL.has(kind) => {
                *node = self.literal(Set::END)?;
                Ok(())
            }
            _ => Err(self.stuck(start, start)),
        }
    }

    /// An identifier, a call, or a message, with a leading dot or without.
    fn name(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        let start = self.at;
        let dot = self.kind() == Kind::Dot;
        let name = if dot { start + 1 } else { start };
        if self.kind_at(name) != Kind::Identifier {
            return Err(self.stuck(start, name));
        }
        // `a.b.c{` is a message; what ends otherwise is a selection.
        let mut end = name + 1;
        while self.kind_at(end) == Kind::Dot && self.kind_at(end + 1) == Kind::Identifier {
            end += 2;
        }
        if self.kind_at(end) == Kind::LBrace {
            let names = (name..end).step_by(2).collect();
            while self.at <= end {
                self.consume();
            }
            *node = self.add(Node::Message {
                dot,
                names,
                open: end,
                fields: Vec::new(),
            });
            return self.message(*node);
        }
        while self.at <= name {
            self.consume();
        }
        if self.kind() == Kind::LParen {
            let open = self.at;
            self.consume();
            *node = self.add(Node::Call {
                dot,
                start,
                name,
                open,
                args: Vec::new(),
            });
            return self.arguments(*node, Set::END);
        }
        *node = self.add(Node::Ident { dot, start, name });
        Ok(())
    }

    /// The name's word, or what stands in its place.
    fn escape_ident(&mut self, follow: Set) -> Result<usize, Broken> {
        self.enter(Rule::EscapeIdent, follow)?;
        let mut word = self.at;
        let mut result = self.sync(Site(23, IDENT));
        if result.is_ok() {
            if IDENT.has(self.kind()) {
                word = self.at;
                self.consume();
            } else {
                result = Err(self.stuck(self.at, self.at));
            }
        }
        self.leave(Rule::EscapeIdent, result)?;
        Ok(word)
    }

    fn literal(&mut self, follow: Set) -> Result<NodeId, Broken> {
        self.enter(Rule::Literal, follow)?;
        let start = self.at;
        let mut node = MISSING;
        let signed = self.kind() == Kind::Minus;
        let result = if signed && !matches!(self.kind_at(start + 1), Kind::Int | Kind::Float) {
            Err(self.stuck(start, start + 1))
        } else {
            if signed {
                self.consume();
            }
            let token = self.at;
            self.consume();
            node = self.add(Node::Literal { start, token });
            Ok(())
        };
        self.leave(Rule::Literal, result)?;
        Ok(node)
    }
}
