//! The JSONPath dialect of CRD columns: `.a.b`, `['a']`, `[0]`, `[-1]`, `[*]`, `[1:3]`, `[?(@.a=="b")]`, `..a`; a
//! backslash takes the next character of a field name as it is (`.annotations.a\.b/c`).
//!
//! client-go's dialect, which differs from RFC 9535 in escapes and filters; templates (`{range}`) have no place in
//! columns.

use serde_json::{Number, Value};

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Wildcard,
    Recursive,
    Index(i64),
    Slice {
        from: Option<i64>,
        to: Option<i64>,
        step: usize,
    },
    Union(Vec<Step>),
    Filter {
        left: Operand,
        compare: Compare,
        right: Operand,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(JsonPath),
    Literal(Value),
    /// The right side of a filter without comparison.
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Compare {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Why a path cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at character {at} of {path:?}")]
pub struct Error {
    what: &'static str,
    at: usize,
    path: String,
}

impl JsonPath {
    /// Reads a path; a leading `$` or none is the same.
    ///
    /// # Errors
    /// Where the text is none of the forms that the module names.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let chars: Vec<char> = text.chars().collect();
        let mut parser = Parser {
            chars: &chars,
            at: 0,
            filters: 0,
        };
        parser.path(End::Text).map_err(|what| Error {
            what,
            at: parser.at,
            path: text.to_owned(),
        })
    }

    /// All values at the path; none where a step leads nowhere.
    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![root];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.apply(value)).collect();
        }
        found
    }
}

impl Step {
    fn apply<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Field(name), Value::Object(map)) => map.get(name).into_iter().collect(),
            (Self::Wildcard, Value::Object(map)) => map.values().collect(),
            (Self::Wildcard, Value::Array(items)) => items.iter().collect(),
            (Self::Recursive, _) => descendants(value),
            (Self::Index(index), Value::Array(items)) => usize::try_from(from_end(*index, items.len()))
                .ok()
                .and_then(|at| items.get(at))
                .into_iter()
                .collect(),
            (Self::Slice { from, to, step }, Value::Array(items)) => {
                let len = items.len() as i64;
                let from = from_end(from.unwrap_or(0), items.len()).clamp(0, len) as usize;
                let to = from_end(to.unwrap_or(len), items.len()).clamp(0, len) as usize;
                items
                    .get(from..to.max(from))
                    .unwrap_or_default()
                    .iter()
                    .step_by(*step)
                    .collect()
            }
            (Self::Union(steps), _) => steps.iter().flat_map(|step| step.apply(value)).collect(),
            (Self::Filter { left, compare, right }, Value::Array(items)) => items
                .iter()
                .filter(|item| compare.holds(left.value(item), right.value(item)))
                .collect(),
            _ => Vec::new(),
        }
    }
}

fn from_end(index: i64, len: usize) -> i64 {
    if index < 0 { index + len as i64 } else { index }
}

fn descendants(value: &Value) -> Vec<&Value> {
    let mut found = vec![value];
    let mut at = 0;
    while at < found.len() {
        match found[at] {
            Value::Array(items) => found.extend(items),
            Value::Object(map) => found.extend(map.values()),
            _ => {}
        }
        at += 1;
    }
    found
}

impl Operand {
    fn value<'a>(&'a self, item: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Path(path) => path.find(item).into_iter().next(),
            Self::Literal(value) => Some(value),
            Self::Absent => None,
        }
    }
}

impl Compare {
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let Some(left) = left else { return false };
        if self == Self::Exists {
            return true;
        }
        let Some(right) = right else { return false };
        let order = match (left, right) {
            (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            _ => None,
        };
        match (self, order) {
            (_, None) => false,
            (Self::Equal, Some(order)) => order.is_eq(),
            (Self::NotEqual, Some(order)) => order.is_ne(),
            (Self::Less, Some(order)) => order.is_lt(),
            (Self::LessOrEqual, Some(order)) => order.is_le(),
            (Self::Greater, Some(order)) => order.is_gt(),
            (Self::GreaterOrEqual, Some(order)) => order.is_ge(),
            (Self::Exists, Some(_)) => true,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    /// The end of the text.
    Text,
    /// A character that cannot belong to a path inside a filter.
    Operand,
}

/// Filters inside filters that are read; each takes stack frames.
const FILTER_DEPTH: usize = 16;

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
    /// Filters around this place.
    filters: usize,
}

type Parsed<T> = Result<T, &'static str>;

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn eat(&mut self, text: &str) -> bool {
        let ahead = self.chars.get(self.at..).unwrap_or_default();
        let found = text.chars().enumerate().all(|(i, c)| ahead.get(i) == Some(&c));
        if found {
            self.at += text.chars().count();
        }
        found
    }

    fn blanks(&mut self) {
        while self.peek() == Some(' ') {
            self.at += 1;
        }
    }

    fn path(&mut self, end: End) -> Parsed<JsonPath> {
        let mut steps = Vec::new();
        if !self.eat("$") {
            self.eat("@");
        }
        loop {
            match self.peek() {
                None => break,
                Some('.') => {
                    self.at += 1;
                    if self.eat(".") {
                        steps.push(Step::Recursive);
                    }
                    match self.peek() {
                        Some('[') => {}
                        None if steps.is_empty() => {}
                        _ => steps.push(self.field()?),
                    }
                }
                Some('[') => steps.push(self.bracket()?),
                Some(_) if end == End::Operand => break,
                // client-go takes a path without leading dot for a field.
                Some(_) if steps.is_empty() => steps.push(self.field()?),
                Some(_) => return Err("expected `.` or `[`"),
            }
        }
        Ok(JsonPath(steps))
    }

    fn field(&mut self) -> Parsed<Step> {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.at += 1;
                    name.push(self.peek().ok_or("a backslash ends the path")?);
                }
                '.' | '[' | ']' | ' ' | ')' | '=' | '!' | '<' | '>' | '{' | '}' | ',' => break,
                other => name.push(other),
            }
            self.at += 1;
        }
        match name.as_str() {
            "" => Err("expected a field name"),
            "*" => Ok(Step::Wildcard),
            _ => Ok(Step::Field(name)),
        }
    }

    fn bracket(&mut self) -> Parsed<Step> {
        self.at += 1;
        if self.eat("?(") {
            if self.filters == FILTER_DEPTH {
                return Err("filters are nested too deeply");
            }
            self.filters += 1;
            let filter = self.filter();
            self.filters -= 1;
            return filter;
        }
        let mut steps = vec![self.element()?];
        while self.eat(",") {
            steps.push(self.element()?);
        }
        if !self.eat("]") {
            return Err("expected `]`");
        }
        Ok(if steps.len() == 1 {
            steps.remove(0)
        } else {
            Step::Union(steps)
        })
    }

    fn element(&mut self) -> Parsed<Step> {
        self.blanks();
        let step = match self.peek() {
            Some('*') => {
                self.at += 1;
                Step::Wildcard
            }
            Some(quote @ ('\'' | '"')) => Step::Field(self.quoted(quote)?),
            _ => {
                let from = self.integer()?;
                if self.eat(":") {
                    let to = self.integer()?;
                    let step = if self.eat(":") {
                        self.integer()?.unwrap_or(1)
                    } else {
                        1
                    };
                    let step = usize::try_from(step)
                        .ok()
                        .filter(|step| *step > 0)
                        .ok_or("a step must be positive")?;
                    Step::Slice { from, to, step }
                } else {
                    Step::Index(from.ok_or("expected an index, a quoted name or `*`")?)
                }
            }
        };
        self.blanks();
        Ok(step)
    }

    fn integer(&mut self) -> Parsed<Option<i64>> {
        let start = self.at;
        self.eat("-");
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        if start == self.at {
            return Ok(None);
        }
        let text: String = self.chars[start..self.at].iter().collect();
        text.parse().map(Some).map_err(|_| "not a number")
    }

    fn quoted(&mut self, quote: char) -> Parsed<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek().ok_or("a quote is not closed")? {
                '\\' => {
                    self.at += 1;
                    text.push(self.peek().ok_or("a quote is not closed")?);
                }
                c if c == quote => break,
                c => text.push(c),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(text)
    }

    fn filter(&mut self) -> Parsed<Step> {
        let left = self.operand()?;
        self.blanks();
        let compare = [
            ("==", Compare::Equal),
            ("!=", Compare::NotEqual),
            ("<=", Compare::LessOrEqual),
            (">=", Compare::GreaterOrEqual),
            ("<", Compare::Less),
            (">", Compare::Greater),
        ]
        .into_iter()
        .find(|(text, _)| self.eat(text))
        .map_or(Compare::Exists, |(_, compare)| compare);
        let right = if compare == Compare::Exists {
            Operand::Absent
        } else {
            self.operand()?
        };
        self.blanks();
        if self.eat(")]") {
            Ok(Step::Filter { left, compare, right })
        } else {
            Err("expected `)]`")
        }
    }

    fn operand(&mut self) -> Parsed<Operand> {
        self.blanks();
        match self.peek().ok_or("a filter is not closed")? {
            '@' | '$' | '.' => Ok(Operand::Path(self.path(End::Operand)?)),
            quote @ ('\'' | '"') => Ok(Operand::Literal(Value::String(self.quoted(quote)?))),
            _ => {
                for (text, value) in [("true", true), ("false", false)] {
                    if self.eat(text) {
                        return Ok(Operand::Literal(Value::Bool(value)));
                    }
                }
                let start = self.at;
                while self
                    .peek()
                    .is_some_and(|c| c.is_ascii_digit() || "+-.eE".contains(c))
                {
                    self.at += 1;
                }
                let text: String = self.chars[start..self.at].iter().collect();
                let number: Number = text
                    .parse()
                    .map_err(|_| "expected `@`, a quoted text, a number or a boolean")?;
                Ok(Operand::Literal(Value::Number(number)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn find(path: &str) -> Vec<Value> {
        let root = json!({
            "a": {"b": [1, 2, 3], "x.y/z": "dotted"},
            "conditions": [{"type": "Other", "n": 1}, {"type": "Ready", "status": "True", "n": 5}],
        });
        let path = JsonPath::parse(path).expect("a path");
        path.find(&root).into_iter().cloned().collect()
    }

    #[test]
    fn api_60_paths_of_columns() {
        assert_eq!(find(".a.b[0]"), [json!(1)]);
        assert_eq!(find("$.a['b'][-1]"), [json!(3)]);
        assert_eq!(find(".a.b[1:]"), [json!(2), json!(3)]);
        assert_eq!(find(".a.b[0,2]"), [json!(1), json!(3)]);
        assert_eq!(find(".a.b[*]").len(), 3);
        assert_eq!(find(r".a.x\.y/z"), [json!("dotted")]);
        assert_eq!(find(r#".conditions[?(@.type=="Ready")].status"#), [json!("True")]);
        assert_eq!(find(".conditions[?(@.type != 'Ready')].type"), [json!("Other")]);
        assert_eq!(find(".conditions[?(@.n>=2)].type"), [json!("Ready")]);
        assert_eq!(find(".conditions[?(@.status)].type"), [json!("Ready")]);
        assert_eq!(find("..status"), [json!("True")]);
        assert_eq!(find(".a.nope[3].c"), Vec::<Value>::new());
        assert_eq!(find(".a.b[9]"), Vec::<Value>::new());
    }

    #[test]
    fn malformed_paths_name_the_place() {
        for path in [
            ".a[",
            ".a[x]",
            ".a[?(@.b==)]",
            ".a['b]",
            ".a..",
            ".a[::0]",
            ".a]b",
        ] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
        let nested = format!(".a{}", "[?(@".repeat(100_000));
        assert!(JsonPath::parse(&nested).is_err());
        let error = JsonPath::parse(".a[").expect_err("unclosed").to_string();
        assert_eq!(
            error,
            r#"expected an index, a quoted name or `*` at character 3 of ".a[""#
        );
    }
}
