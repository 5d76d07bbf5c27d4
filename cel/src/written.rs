//! What was written, before names are judged and macros expanded.
//!
//! **Invariant:** words are named by their index; nodes lie in one vector, so that no text makes a deep structure.

/// Index of a node of [`Written`].
pub(crate) type NodeId = usize;

/// The node that stands for what was not recognised.
pub(crate) const MISSING: NodeId = 0;

/// What was written, before macros.
#[derive(Debug)]
pub(crate) enum Node {
    /// What was not recognised; at this word, as far as cel-go knows.
    Missing {
        at: usize,
    },
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
        field: usize,
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
        fields: Vec<(usize, bool, usize, NodeId)>,
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
    /// The last word that was looked at.
    pub(crate) seen: usize,
}

/// Why parsing is given up.
#[derive(Debug)]
pub(crate) enum Abort {
    /// A message about the whole text.
    Whole(String),
    /// The last mistake says it.
    Said,
}
