//! An object as a tree that is only as deep as a conversion looks: everything else is a slice of the source.
//!
//! **Invariant:** a [`Node::Text`] or [`Node::Made`] is one valid JSON value without space around it. What is made from
//! outside is validated first ([`valid`]); splitting then trusts it, and still ends and stays in bounds on any text.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::Value;
use serde_json::value::RawValue;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Node<'a> {
    /// As it stands in the source, or in a plan.
    Text(&'a str),
    /// Made during the conversion.
    Made(Rc<str>),
    /// Taken apart.
    Object(Rc<Vec<Member<'a>>>),
    /// Taken apart.
    List(Rc<Vec<Node<'a>>>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    /// The name, without escapes.
    pub(crate) name: Cow<'a, str>,
    pub(crate) node: Node<'a>,
}

/// A text as one JSON value, where it is one.
pub(crate) fn valid(text: &str) -> Option<&str> {
    serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
}

impl<'a> Member<'a> {
    pub(crate) fn new(name: impl Into<Cow<'a, str>>, node: Node<'a>) -> Self {
        Self {
            name: name.into(),
            node,
        }
    }
}

/// The last member of a name.
pub(crate) fn get<'m, 'a>(members: &'m [Member<'a>], name: &str) -> Option<&'m Node<'a>> {
    members
        .iter()
        .rfind(|member| member.name == name)
        .map(|member| &member.node)
}

impl<'a> Node<'a> {
    pub(crate) const NULL: Self = Node::Text("null");

    pub(crate) fn object(members: Vec<Member<'a>>) -> Self {
        Node::Object(Rc::new(members))
    }

    pub(crate) fn list(items: Vec<Node<'a>>) -> Self {
        Node::List(Rc::new(items))
    }

    /// A string.
    pub(crate) fn string(text: &str) -> Self {
        let mut out = String::with_capacity(text.len() + 2);
        quote(text, &mut out);
        Node::Made(out.into())
    }

    fn first(&self) -> u8 {
        match self {
            Node::Text(text) => text.as_bytes().first().copied().unwrap_or(b'n'),
            Node::Made(text) => text.as_bytes().first().copied().unwrap_or(b'n'),
            Node::Object(_) => b'{',
            Node::List(_) => b'[',
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.first() == b'n'
    }

    pub(crate) fn is_object(&self) -> bool {
        self.first() == b'{'
    }

    /// The members, where it is an object.
    pub(crate) fn members(&self) -> Option<Rc<Vec<Member<'a>>>> {
        match self {
            Node::Object(members) => Some(Rc::clone(members)),
            Node::Text(text) if self.is_object() => Some(Rc::new(
                Members::of(text)
                    .map(|(name, text)| Member::new(name, Node::Text(text)))
                    .collect(),
            )),
            Node::Made(text) if self.is_object() => Some(Rc::new(
                Members::of(text)
                    .map(|(name, text)| Member::new(name.into_owned(), Node::Made(text.into())))
                    .collect(),
            )),
            _ => None,
        }
    }

    /// The items, where it is a list.
    pub(crate) fn items(&self) -> Option<Rc<Vec<Node<'a>>>> {
        match self {
            Node::List(items) => Some(Rc::clone(items)),
            Node::Text(text) if self.first() == b'[' => {
                Some(Rc::new(Items::of(text).map(Node::Text).collect()))
            }
            Node::Made(text) if self.first() == b'[' => Some(Rc::new(
                Items::of(text).map(|text| Node::Made(text.into())).collect(),
            )),
            _ => None,
        }
    }

    /// The last member of a name, where it is an object that has one. Nothing is taken apart.
    pub(crate) fn member(&self, name: &str) -> Option<Node<'a>> {
        match self {
            Node::Object(members) => get(members, name).cloned(),
            Node::Text(text) => {
                let found = Members::of(text).filter(|(known, _)| known == name).last();
                found.map(|(_, text)| Node::Text(text))
            }
            Node::Made(text) => {
                let found = Members::of(text).filter(|(known, _)| known == name).last();
                found.map(|(_, text)| Node::Made(text.into()))
            }
            Node::List(_) => None,
        }
    }

    /// The members to change; takes the object apart. `None` where it is none.
    pub(crate) fn members_mut(&mut self) -> Option<&mut Vec<Member<'a>>> {
        if !matches!(self, Node::Object(_)) {
            *self = Node::Object(self.members()?);
        }
        match self {
            Node::Object(members) => Some(Rc::make_mut(members)),
            _ => None,
        }
    }

    /// The items to change; takes the list apart. `None` where it is none.
    pub(crate) fn items_mut(&mut self) -> Option<&mut Vec<Node<'a>>> {
        if !matches!(self, Node::List(_)) {
            *self = Node::List(self.items()?);
        }
        match self {
            Node::List(items) => Some(Rc::make_mut(items)),
            _ => None,
        }
    }

    /// The text, where it is a string.
    pub(crate) fn str(&self) -> Option<Cow<'_, str>> {
        match self {
            Node::Text(text) => unquote(text),
            Node::Made(text) => unquote(text),
            _ => None,
        }
    }

    /// The value as JSON.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Node::Text(text) => out.push_str(text),
            Node::Made(text) => out.push_str(text),
            Node::Object(members) => write_members(members, out),
            Node::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
        }
    }

    /// The value as JSON, without a copy where it stands as a text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Node::Text(text) => Cow::Borrowed(text),
            Node::Made(text) => Cow::Borrowed(text),
            _ => {
                let mut out = String::new();
                self.write(&mut out);
                Cow::Owned(out)
            }
        }
    }

    /// Whether both are the same part of the same source.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Node::Text(a), Node::Text(b)) => std::ptr::eq(*a, *b),
            (Node::Made(a), Node::Made(b)) => Rc::ptr_eq(a, b),
            (Node::Object(a), Node::Object(b)) => Rc::ptr_eq(a, b),
            (Node::List(a), Node::List(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Whether both are the same value. The order of members and the space between them do not count; numbers that
    /// are written in different forms, as `1` and `1.0`, differ.
    pub(crate) fn same(&self, other: &Self) -> bool {
        if self.is(other) {
            return true;
        }
        if self.first() != other.first()
            && !matches!(
                (self.first(), other.first()),
                (b'-' | b'0'..=b'9', b'-' | b'0'..=b'9')
            )
        {
            return false;
        }
        match (self, other) {
            (Node::Object(_), _) | (_, Node::Object(_)) => {
                let (Some(a), Some(b)) = (self.members(), other.members()) else {
                    return false;
                };
                same_members(&a, &b)
            }
            (Node::List(_), _) | (_, Node::List(_)) => {
                let (Some(a), Some(b)) = (self.items(), other.items()) else {
                    return false;
                };
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.same(b))
            }
            _ => same_text(&self.text(), &other.text()),
        }
    }
}

fn same_members(a: &[Member<'_>], b: &[Member<'_>]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a.iter().zip(b).all(|(a, b)| a.name == b.name) {
        return a.iter().zip(b).all(|(a, b)| a.node.same(&b.node));
    }
    let (mut a, mut b): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
    a.sort_by(|x, y| x.name.cmp(&y.name));
    b.sort_by(|x, y| x.name.cmp(&y.name));
    a.iter()
        .zip(&b)
        .all(|(a, b)| a.name == b.name && a.node.same(&b.node))
}

fn same_text(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    // Strings without escapes have one form.
    if a.starts_with('"') && !a.contains('\\') && !b.contains('\\') {
        return false;
    }
    // What is nested deeper than serde_json goes counts as different: it is saved as it stands.
    match (serde_json::from_str::<Value>(a), serde_json::from_str::<Value>(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

pub(crate) fn write_members(members: &[Member<'_>], out: &mut String) {
    out.push('{');
    for (i, member) in members.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        quote(&member.name, out);
        out.push(':');
        member.node.write(out);
    }
    out.push('}');
}

/// A string as JSON.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    escape(text, out);
    out.push('"');
}

/// A text as it stands within a JSON string.
pub(crate) fn escape(text: &str, out: &mut String) {
    // All that is escaped is ASCII, so that what is between is cut at characters.
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out.push_str(&text[from..]);
}

/// The text of a JSON string. A half of a surrogate pair becomes U+FFFD, as Go reads it.
pub(crate) fn unquote(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1)?;
        let mut taken = at + 2;
        match escape {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let code = hex(rest, taken)?;
                taken += 4;
                let low = match code {
                    0xD800..=0xDBFF if rest.get(taken..)?.starts_with("\\u") => {
                        hex(rest, taken + 2).filter(|low| (0xDC00..=0xDFFF).contains(low))
                    }
                    _ => None,
                };
                let code = low.map_or(code, |low| {
                    taken += 6;
                    0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                });
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            &same => out.push(char::from(same)),
        }
        rest = rest.get(taken..)?;
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

fn hex(text: &str, at: usize) -> Option<u32> {
    u32::from_str_radix(text.get(at..at + 4)?, 16).ok()
}

/// A value as JSON without space between its tokens.
pub(crate) fn compact(text: &str, out: &mut String) {
    let bytes = text.as_bytes();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.push_str(&text[from..at]);
                at += 1;
                from = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(&text[from..]);
}

/// How deep lists and objects stand in one another.
pub(crate) fn depth(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut now, mut most) = (0, 0_usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = end_of_string(bytes, at);
                continue;
            }
            b'{' | b'[' => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    most
}

/// Behind the string that begins at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Behind the value that begins at `at`.
fn end_of_value(bytes: &[u8], mut at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => end_of_string(bytes, at),
        Some(b'{' | b'[') => {
            let mut open = 0_usize;
            while at < bytes.len() {
                let byte = bytes[at];
                // Brackets and braces differ in this bit alone.
                match byte | 0x20 {
                    b'"' if byte == b'"' => {
                        at = end_of_string(bytes, at);
                        continue;
                    }
                    b'{' => open += 1,
                    b'}' => {
                        open = open.wrapping_sub(1);
                        if open == 0 {
                            return at + 1;
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            bytes.len()
        }
        _ => {
            while at < bytes.len() && !matches!(bytes[at], b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')
            {
                at += 1;
            }
            at
        }
    }
}

/// A place in a text that is known to be JSON. Whatever the text is, each step goes further or says that there is no more.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn skip_space(&mut self) {
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() && matches!(bytes[self.at], b' ' | b'\n' | b'\r' | b'\t' | b',' | b':') {
            self.at += 1;
        }
    }

    /// The byte that the next value begins with.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Into the object or list that comes next.
    pub(crate) fn enter(&mut self) {
        self.skip_space();
        self.at += 1;
    }

    /// The next member's name; at the object's end, out of it.
    pub(crate) fn name(&mut self) -> Option<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            self.at += 1;
            return None;
        }
        unquote(self.value())
    }

    /// Whether there is one more item; at the list's end, out of it.
    pub(crate) fn item(&mut self) -> bool {
        let more = !matches!(self.peek(), None | Some(b']'));
        if !more {
            self.at += 1;
        }
        more
    }

    /// The next value.
    pub(crate) fn value(&mut self) -> &'a str {
        self.skip_space();
        let from = self.at;
        // Further in any case.
        self.at = end_of_value(self.text.as_bytes(), from).max(from + 1);
        self.text.get(from..self.at).unwrap_or_default()
    }
}

/// The members of an object's text.
pub(crate) struct Members<'a>(Cursor<'a>);

impl<'a> Members<'a> {
    /// Of an object; of any other text there are none.
    pub(crate) fn of(text: &'a str) -> Self {
        let at = if text.starts_with('{') { 1 } else { text.len() };
        Self(Cursor { text, at })
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.name()?;
        Some((name, self.0.value()))
    }
}

/// The items of a list's text.
pub(crate) struct Items<'a>(Cursor<'a>);

impl<'a> Items<'a> {
    /// Of a list; of any other text there are none.
    pub(crate) fn of(text: &'a str) -> Self {
        let at = if text.starts_with('[') { 1 } else { text.len() };
        Self(Cursor { text, at })
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.0.item().then(|| self.0.value())
    }
}
