//! Syntax of the Common Expression Language (CEL), as API servers read it: from a text to a syntax tree with its
//! macros expanded, or to the messages that cel-go gives.
//!
//! What an expression means (types, cost, value) is the schema crate's; this crate has no dependencies, so that derive
//! macros can look at rules too.
//!
//! **Invariant:** [`parse`] answers for any text, within a bounded stack: nesting and size have cel-go's limits.

pub mod ast;

mod build;
mod lexer;
mod macros;
pub mod names;
mod parser;
mod source;
mod text;
mod words;
mod written;

pub use ast::{Comprehension, Entry, Expr, ExprKind, Field, Literal};
pub use source::{ParseErrors, Position, Report, Source, render, render_all};
pub use words::replace_variables;

/// The most characters that an expression may have, as in cel-go.
pub const MOST_CHARACTERS: usize = 100_000;
/// How many mistakes of syntax are reported, as in cel-go.
const MOST_MISTAKES: usize = 100;

/// An expression: its tree, and where each node stands in its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The tree.
    pub expr: Expr,
    /// The text, and positions by [`Expr::id`].
    pub source: Source,
}

/// Parses an expression with the macros and the syntax that API servers switch on.
///
/// # Errors
/// Where the text is no expression: everything that is wrong with it, printed as cel-go prints it.
pub fn parse(text: &str) -> Result<Parsed, ParseErrors> {
    let source = Source::new(text);
    let size = text.chars().count();
    if size > MOST_CHARACTERS {
        let message =
            format!("expression code point size exceeds limit: size: {size}, limit {MOST_CHARACTERS}");
        return Err(ParseErrors {
            reports: vec![Report {
                position: None,
                message,
            }],
            source,
        });
    }
    let (tokens, unknown) = lexer::lex(text);
    let ranges: Vec<_> = unknown.iter().map(|unknown| unknown.range.clone()).collect();
    let found = parser::parse(text, &tokens, &ranges);
    let start = |token: usize| tokens.get(token).map_or(text.len(), |token| token.start);
    // Where parsing was given up, cel-go has not read the rest.
    let read = if found.given_up.is_some() {
        start(found.seen)
    } else {
        text.len()
    };
    let unknown = unknown
        .into_iter()
        .map(|unknown| (unknown.range.start, unknown.message));
    let unknown = unknown.take_while(|(at, _)| *at <= read);
    let mistakes = found
        .mistakes
        .into_iter()
        .map(|mistake| (start(mistake.token), mistake.message));
    let mut reports = Vec::new();
    for (at, message) in unknown.chain(mistakes) {
        let position = Some(source.at(at));
        if reports.len() == MOST_MISTAKES {
            let message = format!("Syntax error: More than {MOST_MISTAKES} syntax errors");
            reports.push(Report { position, message });
            return Err(ParseErrors { reports, source });
        }
        reports.push(Report {
            position,
            message: format!("Syntax error: {message}"),
        });
    }
    if let Some(abort) = found.given_up {
        return Err(give_up(abort, reports, source));
    }
    let mut builder = build::Builder::new(source, reports, &found.nodes, &tokens);
    let built = builder.build(found.root);
    let build::Builder { source, reports, .. } = builder;
    match built {
        Ok(expr) if reports.is_empty() => Ok(Parsed { expr, source }),
        Ok(_) => Err(ParseErrors { reports, source }),
        Err(abort) => Err(give_up(abort, reports, source)),
    }
}

fn give_up(abort: written::Abort, mut reports: Vec<Report>, source: Source) -> ParseErrors {
    if let written::Abort::Whole(message) = abort {
        reports.push(Report {
            position: None,
            message,
        });
    }
    ParseErrors { reports, source }
}
