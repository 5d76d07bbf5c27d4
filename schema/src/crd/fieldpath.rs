//! Simple paths into a schema, as selectable fields and the `fieldPath` of rules have them.

use super::schema::describes_values;
use crate::structural::{Additional, Node};

/// Whether `['key']` may stand in a path.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Brackets {
    Allowed,
    Refused,
}

/// The path in its canonical form, and the schema it leads to.
pub(super) struct Found<'a> {
    pub(super) path: String,
    pub(super) root: String,
    pub(super) node: Option<&'a Node>,
}

/// Follows a path such as `.spec.name`.
///
/// # Errors
/// Why the path is none, in the server's words.
pub(super) fn resolve<'a>(path: &str, schema: &'a Node, brackets: Brackets) -> Result<Found<'a>, String> {
    let mut node = Some(schema);
    let mut found = Found {
        path: String::new(),
        root: String::new(),
        node: None,
    };
    let mut tokens = tokens(path).into_iter();
    while let Some(token) = tokens.next() {
        match token.as_str() {
            "[" if brackets == Brackets::Refused => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let name = tokens.next().ok_or("unexpected end of JSON path")?;
                let quoted = name
                    .strip_prefix('\'')
                    .and_then(|name| name.strip_suffix('\''))
                    .filter(|_| name.len() >= 2)
                    .ok_or_else(|| format!("expected single quoted string but got {name}"))?;
                node = step(node, &quoted.replace("\\'", "'"), &mut found)?;
                match tokens.next() {
                    Some(end) if end == "]" => {}
                    Some(other) => return Err(format!("expected ] but got {other}")),
                    None => return Err("unexpected end of JSON path".to_owned()),
                }
            }
            "." => {
                let name = tokens.next().ok_or("unexpected end of JSON path")?;
                node = step(node, &name, &mut found)?;
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        }
    }
    found.node = node;
    Ok(found)
}

fn step<'a>(node: Option<&'a Node>, name: &str, found: &mut Found<'_>) -> Result<Option<&'a Node>, String> {
    let unknown = || "does not refer to a valid field".to_owned();
    let node = node.ok_or_else(unknown)?;
    if found.root.is_empty() {
        name.clone_into(&mut found.root);
    }
    if !node.properties.is_empty() {
        found.path.push('.');
        found.path.push_str(name);
        return node.property(name).map(Some).ok_or_else(unknown);
    }
    if !describes_values(node) {
        return Err(unknown());
    }
    found.path.push_str(&format!("[{name}]"));
    Ok(match &node.additional {
        Additional::Schema(values) => Some(values),
        _ => None,
    })
}

/// Delimiters one by one, and the text between them; quoted text is one piece.
fn tokens(path: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '.' | '[' | ']' => 1,
            '\'' => {
                let mut previous = first;
                let close = rest.char_indices().skip(1).find(|(_, c)| {
                    let closes = *c == '\'' && previous != '\\';
                    previous = *c;
                    closes
                });
                close.map_or(rest.len(), |(index, _)| index + 1)
            }
            _ => rest.find(['.', '[', ']']).unwrap_or(rest.len()),
        };
        tokens.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    tokens
}
