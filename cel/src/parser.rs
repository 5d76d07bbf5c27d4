//! Words to a tree of what was written, in the steps of the parser that ANTLR makes of cel-go's grammar: one function
//! per rule, and its ways to report and to go on after an error, so that messages come out the same.
//!
//! **Invariant:** no rule is nested deeper than [`DEEPEST`], whatever the text; the tree lies in one vector.

use crate::lexer::{Kind, Set, Token};

/// How deep one rule may be nested in itself.
pub(crate) const DEEPEST: usize = 250;
/// How often parsing goes on after an error.
const MOST_RECOVERIES: usize = 30;
/// How many words one recovery skips.
const MOST_SKIPPED: usize = 256;

/// Index of a node of [`Written`].
pub(crate) type NodeId = usize;

/// The node that stands for what was not recognised.
pub(crate) const MISSING: NodeId = 0;

/// A word that was matched: its index among the words, or `None` where it was missing and taken as read.
pub(crate) type Word = Option<usize>;

/// What was written, before macros.
#[derive(Debug)]
pub(crate) enum Node {
    Missing,
    Ternary {
        op: usize,
        test: NodeId,
        yes: NodeId,
        no: NodeId,
    },
    Logic {
        or: bool,
        first: NodeId,
        rest: Vec<(usize, NodeId)>,
    },
    Binary {
        op: usize,
        left: NodeId,
        right: NodeId,
    },
    Unary {
        op: usize,
        odd: bool,
        operand: NodeId,
    },
    Select {
        op: usize,
        optional: bool,
        operand: NodeId,
        field: Word,
    },
    MemberCall {
        operand: NodeId,
        name: usize,
        open: usize,
        args: Vec<NodeId>,
    },
    Index {
        op: usize,
        optional: bool,
        operand: NodeId,
        index: NodeId,
    },
    Ident {
        dot: bool,
        start: usize,
        name: usize,
    },
    Call {
        dot: bool,
        start: usize,
        name: usize,
        open: usize,
        args: Vec<NodeId>,
    },
    List {
        open: usize,
        elements: Vec<(bool, NodeId)>,
    },
    Map {
        open: usize,
        entries: Vec<(usize, bool, NodeId, NodeId)>,
    },
    Message {
        dot: bool,
        names: Vec<usize>,
        open: usize,
        fields: Vec<(usize, bool, Word, NodeId)>,
    },
    Literal {
        start: usize,
        token: usize,
    },
}

/// An error: the word where it is, and the message.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) token: usize,
    pub(crate) message: String,
}

/// What parsing found.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
    pub(crate) mistakes: Vec<Mistake>,
    /// Why parsing was given up.
    pub(crate) given_up: Option<Abort>,
}

/// Why parsing is given up.
#[derive(Debug)]
pub(crate) enum Abort {
    /// A message about the whole text.
    Whole(String),
    /// The last mistake says it.
    Said,
}

/// Why a rule ends early.
enum Broken {
    /// No alternative fits from word `start` to word `at`.
    NoWay { start: usize, at: usize },
    /// Something else is expected here.
    Mismatch(Set),
    /// Not to be recovered from.
    Fatal(Abort),
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
pub(crate) fn parse(text: &str, tokens: &[Token]) -> Written {
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        follow: Vec::new(),
        depth: [0; 16],
        nodes: vec![Node::Missing],
        mistakes: Vec::new(),
        recovering: false,
        site: 0,
        last_error: None,
        recoveries: 0,
    };
    let (root, given_up) = match parser.start() {
        Ok(root) => (root, None),
        Err(abort) => (MISSING, Some(abort)),
    };
    Written {
        nodes: parser.nodes,
        root,
        mistakes: parser.mistakes,
        given_up,
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
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
}

impl Parser<'_> {
    fn start(&mut self) -> Result<NodeId, Abort> {
        let root = self.expr(one(Kind::Eof)).map_err(fatal)?;
        match self.expect(Site(0, one(Kind::Eof)), Kind::Eof, Set::END) {
            Ok(_) => {}
            Err(Broken::Fatal(abort)) => return Err(abort),
            Err(broken) => self.recover(&broken).map_err(fatal)?,
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
            self.binary(Rule::Relation, next)?
        };
        let mut rest = Vec::new();
        while self.kind() == kind {
            let op = self.at;
            self.consume();
            let term = if or {
                self.logic(Rule::And, next)?
            } else {
                self.binary(Rule::Relation, next)?
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

    /// Comparisons, or calculations.
    fn binary(&mut self, rule: Rule, follow: Set) -> Result<NodeId, Broken> {
        self.enter(rule, follow)?;
        let node = if matches!(rule, Rule::Relation) {
            self.relation()?
        } else {
            self.calc(0)?
        };
        self.leave(rule, Ok(()))?;
        Ok(node)
    }

    fn relation(&mut self) -> Result<NodeId, Broken> {
        let next = COMPARISONS.or(Set::END);
        let mut left = self.binary(Rule::Calc, next)?;
        while COMPARISONS.has(self.kind()) {
            let op = self.at;
            self.reenter(Rule::Relation)?;
            self.consume();
            // The right side is a relation of a higher precedence, that is, one without operators.
            self.enter(Rule::Relation, next)?;
            let right = self.binary(Rule::Calc, next)?;
            self.leave(Rule::Relation, Ok(()))?;
            left = self.add(Node::Binary { op, left, right });
        }
        Ok(left)
    }

    /// Sums of products; of products alone where `least` is above 0, of single operands where it is above 1.
    fn calc(&mut self, least: u8) -> Result<NodeId, Broken> {
        let mut left = self.unary(CALC_NEXT)?;
        loop {
            let precedence = match self.kind() {
                kind if FACTORS.has(kind) => 1,
                Kind::Plus | Kind::Minus => 0,
                _ => return Ok(left),
            };
            if precedence < least {
                return Ok(left);
            }
            let op = self.at;
            self.reenter(Rule::Calc)?;
            self.consume();
            self.enter(Rule::Calc, CALC_NEXT)?;
            let right = self.calc(precedence + 1)?;
            self.leave(Rule::Calc, Ok(()))?;
            left = self.add(Node::Binary { op, left, right });
        }
    }

    fn unary(&mut self, follow: Set) -> Result<NodeId, Broken> {
        self.enter(Rule::Unary, follow)?;
        let mut node = MISSING;
        let result = self.unary_body(&mut node);
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
            _ => return Err(Broken::NoWay { start, at: start }),
        };
        let mut count = 0_usize;
        loop {
            self.consume();
            count += 1;
            self.sync_again(Site(3, one(kind).or(PRIMARY)))?;
            let again = match kind {
                Kind::Minus => self.kind() == kind && self.minus_is_operator_again(self.at)?,
                _ => self.kind() == kind,
            };
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

    /// Whether the minus here is an operator, not the sign of a number.
    fn minus_is_operator(&self, at: usize) -> Result<bool, Broken> {
        match self.kind_at(at + 1) {
            Kind::Int | Kind::Float => self.number_ends(at).map(|()| false),
            kind if PRIMARY.has(kind) => Ok(true),
            _ => Err(Broken::NoWay {
                start: at,
                at: at + 1,
            }),
        }
    }

    /// As above, after another minus: here the number's sign is an operator too.
    fn minus_is_operator_again(&self, at: usize) -> Result<bool, Broken> {
        match self.kind_at(at + 1) {
            Kind::Int | Kind::Float => self.number_ends(at).map(|()| true),
            kind if PRIMARY.has(kind) => Ok(true),
            _ => Err(Broken::NoWay {
                start: at,
                at: at + 1,
            }),
        }
    }

    /// Sign or operator is the same to the grammar as long as a number follows, so that ANTLR looks one word further.
    fn number_ends(&self, at: usize) -> Result<(), Broken> {
        let follows = self.in_context(MEMBER_NEXT);
        if follows.has(self.kind_at(at + 2)) {
            Ok(())
        } else {
            Err(Broken::NoWay {
                start: at,
                at: at + 2,
            })
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
        let call = match self.kind_at(op + 1) {
            Kind::Question | Kind::EscIdentifier => false,
            Kind::Identifier => self.kind_at(op + 2) == Kind::LParen,
            _ => {
                return Err(Broken::NoWay {
                    start: op,
                    at: op + 1,
                });
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
                field: None,
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
            _ => Err(Broken::NoWay { start, at: start }),
        }
    }

    /// An identifier, a call, or a message, with a leading dot or without.
    fn name(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        let start = self.at;
        let dot = self.kind() == Kind::Dot;
        let name = if dot { start + 1 } else { start };
        if self.kind_at(name) != Kind::Identifier {
            return Err(Broken::NoWay { start, at: name });
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

    fn list(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        *node = self.add(Node::List {
            open: self.at,
            elements: Vec::new(),
        });
        let id = *node;
        self.consume();
        let end = Set::of(&[Kind::Comma, Kind::RBracket]);
        self.sync(Site(10, OPT_EXPR.or(end)))?;
        if OPT_EXPR.has(self.kind()) {
            self.enter(Rule::ListInit, end)?;
            let mut list = vec![self.opt_expr(COMMA_OR_END)?];
            while self.kind() == Kind::Comma && OPT_EXPR.has(self.kind_at(self.at + 1)) {
                self.consume();
                list.push(self.opt_expr(COMMA_OR_END)?);
            }
            self.leave(Rule::ListInit, Ok(()))?;
            if let Some(Node::List { elements, .. }) = self.nodes.get_mut(id) {
                *elements = list;
            }
        }
        self.close(Site(11, end), Site(12, one(Kind::RBracket)), Kind::RBracket)
    }

    fn map(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        *node = self.add(Node::Map {
            open: self.at,
            entries: Vec::new(),
        });
        let id = *node;
        self.consume();
        let end = Set::of(&[Kind::Comma, Kind::RBrace]);
        self.sync(Site(13, OPT_EXPR.or(end)))?;
        if OPT_EXPR.has(self.kind()) {
            self.enter(Rule::MapInit, end)?;
            let result = self.entries(id);
            self.leave(Rule::MapInit, result)?;
        }
        self.close(Site(14, end), Site(15, one(Kind::RBrace)), Kind::RBrace)
    }

    fn entries(&mut self, map: NodeId) -> Result<(), Broken> {
        loop {
            let (optional, key) = self.opt_expr(one(Kind::Colon))?;
            let colon = self.expect(Site(16, one(Kind::Colon)), Kind::Colon, EXPR)?;
            let value = self.expr(COMMA_OR_END)?;
            if let (Some(colon), Some(Node::Map { entries, .. })) = (colon, self.nodes.get_mut(map)) {
                entries.push((colon, optional, key, value));
            }
            if self.kind() != Kind::Comma || !OPT_EXPR.has(self.kind_at(self.at + 1)) {
                return Ok(());
            }
            self.consume();
        }
    }

    fn message(&mut self, message: NodeId) -> Result<(), Broken> {
        let (start, end) = (
            IDENT.or(one(Kind::Question)),
            Set::of(&[Kind::Comma, Kind::RBrace]),
        );
        self.sync(Site(17, start.or(end)))?;
        if start.has(self.kind()) {
            self.enter(Rule::FieldInit, end)?;
            let result = self.fields(message, start);
            self.leave(Rule::FieldInit, result)?;
        }
        self.close(Site(18, end), Site(19, one(Kind::RBrace)), Kind::RBrace)
    }

    fn fields(&mut self, message: NodeId, start: Set) -> Result<(), Broken> {
        loop {
            self.enter(Rule::OptField, one(Kind::Colon))?;
            let mut field = (false, None);
            let result = self.opt_field(&mut field, start);
            self.leave(Rule::OptField, result)?;
            let colon = self.expect(Site(20, one(Kind::Colon)), Kind::Colon, EXPR)?;
            let value = self.expr(COMMA_OR_END)?;
            if let (Some(colon), Some(Node::Message { fields, .. })) = (colon, self.nodes.get_mut(message)) {
                fields.push((colon, field.0, field.1, value));
            }
            if self.kind() != Kind::Comma || !start.has(self.kind_at(self.at + 1)) {
                return Ok(());
            }
            self.consume();
        }
    }

    fn opt_field(&mut self, field: &mut (bool, Word), start: Set) -> Result<(), Broken> {
        self.sync(Site(21, start))?;
        field.0 = self.kind() == Kind::Question;
        if field.0 {
            self.consume();
        }
        field.1 = self.escape_ident(Set::END)?;
        Ok(())
    }

    /// The comma that may stand before the end, and the end.
    fn close(&mut self, comma: Site, site: Site, kind: Kind) -> Result<(), Broken> {
        self.sync(comma)?;
        if self.kind() == Kind::Comma {
            self.consume();
        }
        self.expect(site, kind, Set::END).map(drop)
    }

    fn opt_expr(&mut self, follow: Set) -> Result<(bool, NodeId), Broken> {
        self.enter(Rule::OptExpr, follow)?;
        let mut found = (false, MISSING);
        let result = self.opt_expr_body(&mut found);
        self.leave(Rule::OptExpr, result)?;
        Ok(found)
    }

    fn opt_expr_body(&mut self, found: &mut (bool, NodeId)) -> Result<(), Broken> {
        self.sync(Site(22, OPT_EXPR))?;
        found.0 = self.kind() == Kind::Question;
        if found.0 {
            self.consume();
        }
        found.1 = self.expr(Set::END)?;
        Ok(())
    }

    fn escape_ident(&mut self, follow: Set) -> Result<Word, Broken> {
        self.enter(Rule::EscapeIdent, follow)?;
        let mut word = None;
        let mut result = self.sync(Site(23, IDENT));
        if result.is_ok() {
            if IDENT.has(self.kind()) {
                word = Some(self.at);
                self.consume();
            } else {
                result = Err(Broken::NoWay {
                    start: self.at,
                    at: self.at,
                });
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
            Err(Broken::NoWay { start, at: start + 1 })
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

    // What ANTLR's runtime does around rules.

    fn kind(&self) -> Kind {
        self.kind_at(self.at)
    }

    fn kind_at(&self, at: usize) -> Kind {
        self.tokens.get(at).map_or(Kind::Eof, |token| token.kind)
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn step(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    /// Matches the word that is here.
    fn consume(&mut self) {
        self.matched();
        self.step();
    }

    fn matched(&mut self) {
        self.recovering = false;
        self.last_error = None;
    }

    fn enter(&mut self, rule: Rule, follow: Set) -> Result<(), Broken> {
        self.follow.push(follow);
        self.deepen(rule)
    }

    fn deepen(&mut self, rule: Rule) -> Result<(), Broken> {
        let depth = &mut self.depth[rule as usize];
        *depth += 1;
        if *depth > DEEPEST {
            let message = format!("expression recursion limit exceeded: {DEEPEST}");
            return Err(Broken::Fatal(Abort::Whole(message)));
        }
        Ok(())
    }

    /// A rule that begins with itself: the part that was read becomes the beginning of another of the same.
    fn reenter(&mut self, rule: Rule) -> Result<(), Broken> {
        let depth = &mut self.depth[rule as usize];
        *depth = depth.saturating_sub(1);
        self.deepen(rule)
    }

    fn leave(&mut self, rule: Rule, result: Result<(), Broken>) -> Result<(), Broken> {
        match result {
            Ok(()) => {}
            Err(Broken::Fatal(abort)) => return Err(Broken::Fatal(abort)),
            Err(broken) => self.recover(&broken)?,
        }
        self.follow.pop();
        let depth = &mut self.depth[rule as usize];
        *depth = depth.saturating_sub(1);
        Ok(())
    }

    /// Reads a word of this kind, and mends where another stands there: by leaving that out, or by taking it as read.
    fn expect(&mut self, site: Site, kind: Kind, after: Set) -> Result<Word, Broken> {
        self.site = site.0;
        if self.kind() == kind {
            let word = self.at;
            self.consume();
            return Ok(Some(word));
        }
        self.attempt()?;
        if self.delete_word(site.1) {
            let word = self.at;
            self.consume();
            return Ok(Some(word));
        }
        if self.in_context(after).has(self.kind()) {
            self.report(|parser, at| {
                format!("missing {} at {}", parser.in_context(site.1), parser.shown(at))
            });
            return Ok(None);
        }
        Err(Broken::Mismatch(self.in_context(site.1)))
    }

    /// Checks, before a choice, that one alternative fits.
    fn sync(&mut self, site: Site) -> Result<(), Broken> {
        self.site = site.0;
        if self.recovering || site.1.ends() || site.1.has(self.kind()) || self.delete_word(site.1) {
            return Ok(());
        }
        Err(Broken::Mismatch(self.in_context(site.1)))
    }

    /// Checks, after one round of a loop, that another can begin or what follows; skips words until then.
    fn sync_again(&mut self, site: Site) -> Result<(), Broken> {
        self.site = site.0;
        if self.recovering || site.1.has(self.kind()) {
            return Ok(());
        }
        self.report_unwanted(site.1);
        let until = self.in_context(site.1).or(self.recovery_set());
        while self.kind() != Kind::Eof && !until.has(self.kind()) {
            self.step();
        }
        Ok(())
    }

    /// Leaves one word out if the next one is what is expected.
    fn delete_word(&mut self, expected: Set) -> bool {
        if !self.in_context(expected).has(self.kind_at(self.at + 1)) {
            return false;
        }
        self.report_unwanted(expected);
        self.step();
        self.matched();
        true
    }

    fn report_unwanted(&mut self, expected: Set) {
        self.report(|parser, at| {
            format!(
                "extraneous input {} expecting {}",
                parser.shown(at),
                parser.in_context(expected)
            )
        });
    }

    fn report(&mut self, message: impl Fn(&Self, usize) -> String) {
        if !self.recovering {
            self.recovering = true;
            let mistake = Mistake {
                token: self.at,
                message: message(self, self.at),
            };
            self.mistakes.push(mistake);
        }
    }

    /// What may come, where a rule may end, by those that called it.
    fn in_context(&self, mut set: Set) -> Set {
        for follow in self.follow.iter().rev() {
            if !set.ends() {
                return set;
            }
            set = set.without_end().or(*follow);
        }
        if set.ends() {
            set.without_end().or(one(Kind::Eof))
        } else {
            set
        }
    }

    fn recovery_set(&self) -> Set {
        self.follow
            .iter()
            .fold(Set::of(&[]), |all, follow| all.or(*follow))
            .without_end()
    }

    /// Counts an attempt to go on.
    fn attempt(&mut self) -> Result<(), Broken> {
        if self.recoveries == MOST_RECOVERIES {
            let message = format!("error recovery attempt limit exceeded: {MOST_RECOVERIES}");
            self.mistakes.push(Mistake {
                token: self.at,
                message,
            });
            return Err(Broken::Fatal(Abort::Said));
        }
        self.recoveries += 1;
        Ok(())
    }

    fn recover(&mut self, broken: &Broken) -> Result<(), Broken> {
        match broken {
            Broken::NoWay { start, at } => {
                if !self.recovering {
                    self.recovering = true;
                    let token = (*at).min(self.tokens.len() - 1);
                    self.mistakes.push(Mistake {
                        token,
                        message: self.no_way(*start, token),
                    });
                }
            }
            Broken::Mismatch(expected) => self
                .report(|parser, at| format!("mismatched input {} expecting {expected}", parser.shown(at))),
            Broken::Fatal(_) => {}
        }
        self.attempt()?;
        let mut skipped = 0;
        let (site, at) = (self.site, self.at);
        let again = self
            .last_error
            .as_ref()
            .is_some_and(|(last, sites)| *last == at && sites.contains(&site));
        if again {
            skipped += 1;
            self.step();
        }
        let mut sites = self.last_error.take().map(|(_, sites)| sites).unwrap_or_default();
        sites.push(site);
        self.last_error = Some((self.at, sites));
        let until = self.recovery_set();
        while self.kind() != Kind::Eof && !until.has(self.kind()) {
            if skipped >= MOST_SKIPPED {
                let message = format!("error recovery token lookahead limit exceeded: {MOST_SKIPPED}");
                return Err(Broken::Fatal(Abort::Whole(message)));
            }
            skipped += 1;
            self.step();
        }
        Ok(())
    }

    /// A word as messages show it.
    fn shown(&self, at: usize) -> String {
        self.tokens
            .get(at)
            .filter(|token| token.kind != Kind::Eof)
            .map_or_else(
                || "'<EOF>'".to_owned(),
                |token| escaped(self.text.get(token.start..token.end).unwrap_or_default()),
            )
    }

    fn no_way(&self, start: usize, at: usize) -> String {
        let (Some(first), Some(last)) = (self.tokens.get(start), self.tokens.get(at)) else {
            return String::new();
        };
        if first.kind == Kind::Eof {
            return "no viable alternative at input '<EOF>'".to_owned();
        }
        let text = self.text.get(first.start..last.end).unwrap_or_default();
        // cel-go words reserved names after a dot (or another single character) differently.
        if let Some(reserved) = ["true", "false", "null"].into_iter().find(|name| {
            text.strip_suffix(name)
                .is_some_and(|before| before.chars().count() == 1 && before != "\n")
        }) {
            return format!("mismatched input '{reserved}' expecting IDENTIFIER");
        }
        format!("no viable alternative at input {}", escaped(text))
    }
}

/// In quotes, with breaks and tabs escaped as by ANTLR.
fn escaped(text: &str) -> String {
    format!(
        "'{}'",
        text.replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
    )
}

fn fatal(broken: Broken) -> Abort {
    match broken {
        Broken::Fatal(abort) => abort,
        Broken::NoWay { .. } | Broken::Mismatch(_) => Abort::Said,
    }
}
