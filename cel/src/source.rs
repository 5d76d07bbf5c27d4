//! A text with its lines, where each node of its tree stands, and errors as cel-go prints them.
//!
//! **Invariant:** columns count characters, as cel-go's do; offsets count bytes, as Rust's do.

/// The most errors that one report prints; the rest are counted, as in cel-go.
const MOST_REPORTS: usize = 100;
/// A line longer than this (in bytes) is not printed below its error, as in cel-go.
const LONGEST_SNIPPET: usize = 16_384;

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Characters before it in its line.
    pub column: u32,
    /// Bytes before it in the text.
    pub offset: usize,
}

/// The text of an expression, and where each node of its tree begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    text: Box<str>,
    /// Offset of each line's first byte.
    lines: Vec<usize>,
    /// Byte offset by node id less one.
    nodes: Vec<usize>,
}

impl Source {
    /// A text without nodes.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self {
            text: text.into(),
            lines,
            nodes: Vec::new(),
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the node begins that has this id: at its operator, its `(`, `.`, or its first character. `None` for an id
    /// that the tree has not got.
    #[must_use]
    pub fn position(&self, id: u32) -> Option<Position> {
        let index = usize::try_from(id).ok()?.checked_sub(1)?;
        Some(self.at(*self.nodes.get(index)?))
    }

    /// The place of a byte; an offset beyond the end is the end's.
    #[must_use]
    pub fn at(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        // Texts end at 100,000 characters, so that both fit.
        Position {
            line: narrow(line),
            column: narrow(before.chars().count()),
            offset,
        }
    }

    /// A new node's id.
    pub(crate) fn add(&mut self, offset: usize) -> u32 {
        self.nodes.push(offset);
        narrow(self.nodes.len())
    }

    /// How many nodes have got an id.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Where the node begins, in bytes.
    pub(crate) fn offset(&self, id: u32) -> usize {
        usize::try_from(id)
            .ok()
            .and_then(|id| self.nodes.get(id.wrapping_sub(1)).copied())
            .unwrap_or(0)
    }

    /// A line without its break; `None` where there is none, or the text is empty.
    fn line(&self, line: u32) -> Option<&str> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        let start = *self.lines.get(index)?;
        let end = self.lines.get(index + 1).map_or(self.text.len(), |next| next - 1);
        if self.text.is_empty() {
            None
        } else {
            self.text.get(start..end)
        }
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where; `None` for what concerns the whole text, which cel-go prints as `-1:0`.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
}

/// One error as cel-go prints it: `ERROR: <input>:1:8: …`, the line, and a caret below the column.
#[must_use]
pub fn render(position: Option<Position>, message: &str, source: &Source) -> String {
    let Some(position) = position else {
        return format!("ERROR: <input>:-1:0: {message}");
    };
    // In an empty text the end stands before the first column.
    let column = if source.text.is_empty() {
        0
    } else {
        position.column + 1
    };
    let mut out = format!("ERROR: <input>:{}:{column}: {message}", position.line);
    if let Some(line) = source
        .line(position.line)
        .filter(|line| line.len() <= LONGEST_SNIPPET)
    {
        out.push_str("\n | ");
        out.push_str(&line.replace('\t', " "));
        out.push_str("\n | ");
        // Characters beyond ASCII are taken for wide ones, and get wide dots.
        let mut rest = line.chars();
        for character in rest
            .by_ref()
            .take(usize::try_from(position.column).unwrap_or(usize::MAX))
        {
            out.push(if character.is_ascii() { '.' } else { '\u{ff0e}' });
        }
        out.push(if rest.next().is_none_or(|next| next.is_ascii()) {
            '^'
        } else {
            '\u{ff3e}'
        });
    }
    out
}

/// Several errors as cel-go prints them: by position, one below the other, at most a hundred.
#[must_use]
pub fn render_all(reports: &[Report], source: &Source) -> String {
    let mut sorted: Vec<&Report> = reports.iter().take(MOST_REPORTS).collect();
    sorted.sort_by_key(|report| report.position.map(|position| (position.line, position.column)));
    let mut lines: Vec<String> = sorted
        .iter()
        .map(|report| render(report.position, &report.message, source))
        .collect();
    if let Some(more) = reports.len().checked_sub(MOST_REPORTS).filter(|more| *more > 0) {
        lines.push(format!("{more} more errors were truncated"));
    }
    lines.join("\n")
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq)]
pub struct ParseErrors {
    /// The errors, in the order in which they were found.
    pub reports: Vec<Report>,
    /// The text.
    pub source: Source,
}

impl std::fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&render_all(&self.reports, &self.source))
    }
}

impl std::error::Error for ParseErrors {}
