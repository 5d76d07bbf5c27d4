//! The syntax tree, in cel-go's shape: macros are expanded, operators are calls of functions named as in cel-go
//! (`_&&_`, `_[_]`, `_?_:_`, `!_`, `-_`, `@in`, `_[?_]`, `_?._`).
//!
//! **Invariant:** [`Expr::id`] is unique in one tree, and begins at 1; positions and types are kept beside the tree, by id.

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Identity within the tree.
    pub id: u32,
    /// What it is.
    pub kind: ExprKind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A constant.
    Literal(Literal),
    /// A name; with a leading dot where the text has one.
    Ident(Box<str>),
    /// `operand.field`, or with `test_only` whether that is there (`has()`).
    Select {
        /// What is looked into.
        operand: Box<Expr>,
        /// The field's name.
        field: Box<str>,
        /// Whether presence is asked for, not the value.
        test_only: bool,
    },
    /// A call of a function, of a method where there is a target, or of an operator.
    Call {
        /// Name, as in cel-go.
        function: Box<str>,
        /// `x` in `x.f()`.
        target: Option<Box<Expr>>,
        /// Arguments without the target.
        args: Vec<Expr>,
    },
    /// `[a, ?b]`.
    List {
        /// The elements.
        elements: Vec<Expr>,
        /// Indexes of those written with `?`, ascending.
        optional: Vec<u32>,
    },
    /// `{k: v, ?k: v}`.
    Map(Vec<Entry>),
    /// `Name{field: value}`.
    Struct {
        /// The type's name.
        name: Box<str>,
        /// The fields.
        fields: Vec<Field>,
    },
    /// What macros over lists and maps become.
    Comprehension(Box<Comprehension>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// `1`.
    Int(i64),
    /// `1u`.
    Uint(u64),
    /// `1.0`.
    Double(f64),
    /// `'a'`.
    String(Box<str>),
    /// `b'a'`.
    Bytes(Box<[u8]>),
}

/// An entry of a map literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Identity within the tree.
    pub id: u32,
    /// The key.
    pub key: Expr,
    /// The value.
    pub value: Expr,
    /// Whether it was written with `?`.
    pub optional: bool,
}

/// A field of a struct literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Identity within the tree.
    pub id: u32,
    /// The name.
    pub name: Box<str>,
    /// The value.
    pub value: Expr,
    /// Whether it was written with `?`.
    pub optional: bool,
}

/// A loop: `accu = init; for var in range { if !condition break; accu = step }; result`.
#[derive(Clone, Debug, PartialEq)]
pub struct Comprehension {
    /// What is walked.
    pub range: Expr,
    /// Name of the element; of the index or key where there is a second one.
    pub var: Box<str>,
    /// Name of the value, in the forms with two variables.
    pub var2: Option<Box<str>>,
    /// Name of the accumulator (`@result`).
    pub accu: Box<str>,
    /// Its first value.
    pub init: Expr,
    /// Whether to go on.
    pub condition: Expr,
    /// Its next value.
    pub step: Expr,
    /// The value of the whole.
    pub result: Expr,
}
