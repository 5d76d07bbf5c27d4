//! Where references lead: to definitions, types of Kubernetes, or back to where they came from.

use serde_json::{Map, Value};

use super::{Inliner, MOST_SCHEMAS, Node, Open, PRESERVE, Place};
use crate::build::Problems;
use crate::build::kubernetes::{self, Special};
use crate::build::wishes::{MARK, Settings};

const DEFINITIONS: &str = "#/$defs/";
/// The most types that may stand within one another, so that walking them needs a bounded stack.
const DEEPEST: usize = 64;

impl<'a> Inliner<'a> {
    /// The fields that tell a list's items apart, as the type of the items says.
    pub(super) fn keys(&self, mut items: &'a Value) -> Vec<String> {
        // A type may be written as another one, and that as a third.
        for _ in 0..self.definitions.len() {
            let Some(reference) = items.get("$ref").and_then(Value::as_str) else {
                break;
            };
            let name = reference
                .strip_prefix(DEFINITIONS)
                .map(decode)
                .unwrap_or_default();
            if kubernetes::known_as(&name).is_some_and(kubernetes::is_condition) {
                return vec!["type".to_owned()];
            }
            match self.definitions.get(&name) {
                Some(definition) => items = definition,
                None => break,
            }
        }
        let properties = items.get("properties").and_then(Value::as_object);
        let is_key = |(_, schema): &(&String, &Value)| {
            schema.get(MARK).and_then(|mark| mark.get("mapKey")) == Some(&Value::Bool(true))
        };
        let keys = properties.into_iter().flatten().filter(is_key);
        keys.map(|(name, _)| name.clone()).collect()
    }

    /// The schema that a reference leads to.
    pub(super) fn reference(&mut self, reference: &str, place: Place, mut settings: Settings) -> Node {
        let Some((name, schema)) = self.resolve(reference) else {
            self.problems
                .push(format!("`{reference}` leads to no definition"));
            return kept(None);
        };
        let times = self.open.iter().filter(|open| open.name == name).count();
        if times > 0 && settings.max_depth.is_none_or(|depth| times > depth) {
            self.cuts += 1;
            if settings.max_depth.is_none() && !settings.kubernetes {
                let message = self.cycle(name);
                self.problems.push(message);
            }
            return kept(schema.get("type").filter(|kind| kind.is_string()));
        }
        let known = kubernetes::known_as(name).filter(|_| !settings.compat);
        if let Some(known) = known
            && let Some(node) = self.special(known, schema, settings)
        {
            return node;
        }
        settings.kubernetes |= known.is_some();
        let key = (name, settings, place);
        if let Some((node, size)) = self.done.get(&key) {
            self.size += size;
            if self.size > MOST_SCHEMAS {
                return self.too_large();
            }
            return node.clone();
        }
        if self.open.len() >= DEEPEST {
            return self.too_large();
        }
        let (before, size) = (self.told(), self.size);
        self.open.push(Open {
            name,
            depth: self.problems.path.len(),
        });
        let mut node = self.node(schema, place, settings);
        self.open.pop();
        if let Some(known) = known {
            kubernetes::complete(known, &mut node.map);
        }
        // What is told is told with its place, and what was cut depends on where it began.
        if self.told() == before {
            self.done.insert(key, (node.clone(), self.size - size));
        }
        node
    }

    pub(super) fn too_large(&mut self) -> Node {
        const TEXT: &str = "with all its parts the schema is larger than a server stores; bound types that contain themselves \
                            with a lower #[kube(max_depth = n)], or keep unknown fields with #[kube(preserve_unknown_fields)]";
        self.cuts += 1;
        // Once is enough: the place says little.
        if !self.problems.found.iter().any(|problem| problem.message == TEXT) {
            self.problems.push(TEXT);
        }
        kept(None)
    }

    /// How much was said so far.
    fn told(&self) -> [usize; 6] {
        [
            self.problems.found.len(),
            self.notes.len(),
            self.allowed.len(),
            self.columns.len(),
            self.selectable.len(),
            self.cuts,
        ]
    }

    /// A type of Kubernetes whose form is not its definition's.
    fn special(&mut self, name: &str, schema: &Map<String, Value>, settings: Settings) -> Option<Node> {
        let form = Special {
            // A template's metadata is what its objects get.
            embedded_meta: settings.embedded_meta || settings.kubernetes,
            full: settings.full || settings.kubernetes,
        };
        let Some(mut map) = kubernetes::special(name, form) else {
            if kubernetes::is_object_meta(name) {
                self.problems.push(
                    "everything but name and namespace of the metadata is pruned, so that templates lose their labels; \
                     say which is meant: #[kube(embedded_object_meta)] for name, namespace, labels, annotations and \
                     finalizers, or a struct of your own",
                );
                return Some(kept(Some(&"object".into())));
            }
            return None;
        };
        if let Some(description) = schema.get("description").filter(|_| !kubernetes::is_scalar(name)) {
            map.insert("description".to_owned(), description.clone());
        }
        if let Some(Value::String(text)) = map.get_mut("description")
            && kubernetes::is_big(name)
        {
            // SCH-122.
            text.push_str(" Kept as it is written: the server neither validates nor prunes it.");
        }
        Some(Node { map, exact: true })
    }

    fn resolve(&self, reference: &str) -> Option<(&'a str, &'a Map<String, Value>)> {
        if reference == "#" {
            return Some((self.root_name, self.root.as_object()?));
        }
        let name = decode(reference.strip_prefix(DEFINITIONS)?);
        let (name, schema) = self.definitions.get_key_value(name.as_str())?;
        Some((name, schema.as_object()?))
    }

    /// SCH-106.
    fn cycle(&self, name: &str) -> String {
        let depth = self
            .open
            .iter()
            .rev()
            .find(|open| open.name == name)
            .map_or(0, |open| open.depth);
        let through = Problems {
            path: self.problems.path[depth..].to_vec(),
            ..Problems::default()
        };
        format!(
            "`{name}` contains itself through `{}`; structural schemas have no references; cut with \
             #[kube(preserve_unknown_fields)] on the field or bound with #[kube(max_depth = n)]",
            through.path()
        )
    }
}

/// A schema that keeps whatever is there.
fn kept(kind: Option<&Value>) -> Node {
    let mut map = Map::new();
    map.extend(kind.map(|kind| ("type".to_owned(), kind.clone())));
    map.insert(PRESERVE.to_owned(), Value::Bool(true));
    Node { map, exact: true }
}

/// A definition's name from a reference, where it stands as a part of a JSON Pointer in a URI's fragment.
fn decode(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16);
        match (first, tail) {
            // schemars pads a single digit with a space.
            (b'%', [high, low, after @ ..]) => {
                let high = if *high == b' ' { Some(0) } else { hex(*high) };
                if let Some(byte) = high
                    .zip(hex(*low))
                    .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
                {
                    bytes.push(byte);
                    rest = after;
                    continue;
                }
                bytes.push(*first);
                rest = tail;
            }
            (b'~', [b'0', after @ ..]) => {
                bytes.push(b'~');
                rest = after;
            }
            (b'~', [b'1', after @ ..]) => {
                bytes.push(b'/');
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
