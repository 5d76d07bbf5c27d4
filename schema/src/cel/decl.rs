//! Declared types: what a schema says about `self`, for the checker and for the estimator.
//!
//! **Invariant:** a declaration is built once from a schema node and never changes; all rules of the node share it.
//! What is without a type (preserved unknown fields) is not declared, so that no rule can see it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kubewright_cel::names::escape;
use serde_json::Value;

use super::types::Type;

use crate::structural::{Additional, Node, Type as JsonType};

/// Largest request that a server accepts, in bytes.
const MAX_REQUEST: i64 = 3 * 1024 * 1024;
/// Longest string that fits in one, between its quotes.
const MAX_STRING: i64 = MAX_REQUEST - 2;

/// Sizes of values in JSON, in bytes, quotes included.
const MIN_STRING: i64 = 2;
const MIN_BOOL: i64 = 4;
const MIN_NUMBER: i64 = 1;
const MIN_INT_OR_STRING: i64 = 1;
const MIN_CONTAINER: i64 = 2;
const MIN_DURATION: i64 = 3;
const MAX_DURATION: i64 = 32;
const DATE: i64 = 12;
const MIN_DATE_TIME: i64 = 21;
const MAX_DATE_TIME: i64 = 32;

/// Name of the type of `self`. Upstream adds the nanoseconds of its clock, which would make messages that differ each
/// time.
const SELF_TYPE: &str = "selfType";

/// Where a schema node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The root of a custom resource, or of an embedded one: it has `apiVersion`, `kind` and a name, whatever the
    /// schema says.
    ResourceRoot,
    /// Anywhere else.
    Below,
}

/// The declarations for the rules of one schema node.
#[derive(Clone, Debug)]
pub(crate) struct RootDecl {
    /// The type of `self`.
    pub(crate) root: Decl,
    /// The objects below, by the name of their type.
    objects: HashMap<Arc<str>, Fields>,
}

/// A declared type with what is known of its size.
#[derive(Clone, Debug)]
pub(crate) struct Decl {
    pub(crate) ty: Type,
    /// Largest number of characters, entries or items.
    pub(crate) max_elements: i64,
    /// Smallest size in JSON.
    pub(crate) min_size: i64,
    parts: Parts,
}

/// Fields by their names in expressions.
type Fields = Arc<BTreeMap<Box<str>, Decl>>;

#[derive(Clone, Debug)]
enum Parts {
    Scalar,
    List(Arc<Decl>),
    Map { key: Arc<Decl>, value: Arc<Decl> },
    Object(Fields),
}

impl RootDecl {
    /// The declarations for rules at a node; none if it has no type that rules can see, in which case a server refuses
    /// rules there.
    pub(crate) fn new(node: &Node, place: Place) -> Option<Self> {
        let mut objects = HashMap::new();
        let root = declare(node, place, SELF_TYPE, &mut objects)?;
        Some(Self { root, objects })
    }

    /// Declarations without a schema: objects by their names, with their fields.
    pub(super) fn of_objects(
        objects: impl IntoIterator<Item = (&'static str, Vec<(&'static str, Type)>)>,
    ) -> Self {
        let fields = |fields: Vec<(&'static str, Type)>| {
            let fields = fields.into_iter();
            Arc::new(
                fields
                    .map(|(name, ty)| (name.into(), Decl::scalar(ty, 0)))
                    .collect(),
            )
        };
        let objects = objects.into_iter();
        Self {
            root: Decl::scalar(Type::Dyn, 0),
            objects: objects.map(|(name, all)| (name.into(), fields(all))).collect(),
        }
    }

    /// The type of a field of an object type. Words of the language that may stand after a dot (`self.namespace`) are
    /// names there too.
    pub(crate) fn field(&self, object: &str, name: &str) -> Option<&Type> {
        let fields = self.objects.get(object)?;
        let word = || {
            let escaped = escape(name).filter(|escaped| *escaped == format!("__{name}__"))?;
            fields.get(&*escaped)
        };
        fields.get(name).or_else(word).map(|field| &field.ty)
    }

    /// How often a rule may run at most where it is below an unbounded list or map: as often as its values fit in a
    /// request.
    pub(crate) fn max_cardinality(&self) -> u64 {
        // At least a comma stands between two of them.
        (MAX_REQUEST / (self.root.min_size + 1)).unsigned_abs()
    }
}

impl Decl {
    /// The type below this one that a step of a path leads to: `@items`, `@keys`, `@values` or a field.
    pub(crate) fn step(&self, name: &str) -> Option<&Decl> {
        match (name, &self.parts) {
            ("@items" | "@values", Parts::List(value) | Parts::Map { value, .. }) => Some(value),
            ("@keys", Parts::Map { key, .. }) => Some(key),
            ("@items" | "@values" | "@keys", _) => None,
            (_, Parts::Object(fields)) => fields.get(name),
            _ => None,
        }
    }

    fn scalar(ty: Type, min_size: i64) -> Self {
        Self {
            ty,
            max_elements: 0,
            min_size,
            parts: Parts::Scalar,
        }
    }

    fn sized(ty: Type, min_size: i64, max_elements: i64) -> Self {
        Self {
            max_elements,
            ..Self::scalar(ty, min_size)
        }
    }
}

fn declare(node: &Node, place: Place, name: &str, objects: &mut HashMap<Arc<str>, Fields>) -> Option<Decl> {
    match node.kind {
        JsonType::IntOrString => Some(Decl::sized(
            Type::Dyn,
            MIN_INT_OR_STRING,
            limit(node, |checks| checks.max_length).map_or(MAX_STRING, utf8),
        )),
        JsonType::Array => {
            let items = node.items.as_deref()?;
            let item = declare(items, place_of(items), &format!("{name}.@idx"), objects)?;
            let max_elements =
                limit(node, |checks| checks.max_items).unwrap_or((MAX_REQUEST - 2) / (item.min_size + 1));
            Some(Decl {
                ty: Type::List(Arc::new(item.ty.clone())),
                max_elements,
                min_size: MIN_CONTAINER,
                parts: Parts::List(Arc::new(item)),
            })
        }
        JsonType::Object => match &node.additional {
            Additional::Schema(values) => map(node, values, name, objects),
            _ => Some(object(node, place, name, objects)),
        },
        JsonType::String => Some(string(node)),
        JsonType::Boolean => Some(Decl::scalar(Type::Bool, MIN_BOOL)),
        JsonType::Number => Some(Decl::scalar(Type::Double, MIN_NUMBER)),
        JsonType::Integer => Some(Decl::scalar(Type::Int, MIN_NUMBER)),
        JsonType::Any | JsonType::Null | JsonType::Unknown => None,
    }
}

fn place_of(node: &Node) -> Place {
    if node.embedded {
        Place::ResourceRoot
    } else {
        Place::Below
    }
}

fn map(node: &Node, values: &Node, name: &str, objects: &mut HashMap<Arc<str>, Fields>) -> Option<Decl> {
    let value = declare(values, place_of(values), &format!("{name}.@elem"), objects)?;
    let max_elements = limit(node, |checks| checks.max_properties)
        // An entry has a key of two bytes at least with its quotes, a colon, and a comma.
        .unwrap_or((MAX_REQUEST - 2) / (value.min_size + 6));
    Some(Decl {
        ty: Type::Map(Arc::new((Type::String, value.ty.clone()))),
        max_elements,
        min_size: MIN_CONTAINER,
        parts: Parts::Map {
            key: Arc::new(Decl::scalar(Type::String, MIN_STRING)),
            value: Arc::new(value),
        },
    })
}

fn object(node: &Node, place: Place, name: &str, objects: &mut HashMap<Arc<str>, Fields>) -> Decl {
    let required = node.checks.iter().flat_map(|checks| &checks.required);
    let required: HashSet<&str> = required.map(|name| &**name).collect();
    let mut min_size = MIN_CONTAINER;
    let mut fields = BTreeMap::new();
    let mut add = |json_name: &str, field: Option<Decl>, has_default: bool| {
        let Some(field) = field else { return };
        if !has_default && required.contains(json_name) {
            // Quotes, colon and comma.
            min_size += i64::try_from(json_name.len()).unwrap_or(i64::MAX) + field.min_size + 4;
        }
        if let Some(escaped) = escape(json_name) {
            fields.insert(escaped.into(), field);
        }
    };
    let implied = place == Place::ResourceRoot && !declares_meta(node);
    for (json_name, property) in &node.properties {
        if implied && matches!(&**json_name, "apiVersion" | "kind" | "metadata") {
            continue;
        }
        let type_name = format!("{name}.{}", escape(json_name).as_deref().unwrap_or(json_name));
        add(
            json_name,
            declare(property, place_of(property), &type_name, objects),
            property.default.is_some(),
        );
    }
    if implied {
        let text = || Decl::sized(Type::String, MIN_STRING, MAX_STRING);
        add("apiVersion", Some(text()), false);
        add("kind", Some(text()), false);
        let metadata = BTreeMap::from([("name".into(), text()), ("generateName".into(), text())]);
        let metadata = named(&format!("{name}.metadata"), metadata, MIN_CONTAINER, objects);
        add("metadata", Some(metadata), false);
    }
    named(name, fields, min_size, objects)
}

fn named(
    name: &str,
    fields: BTreeMap<Box<str>, Decl>,
    min_size: i64,
    objects: &mut HashMap<Arc<str>, Fields>,
) -> Decl {
    let name: Arc<str> = name.into();
    let fields = Arc::new(fields);
    objects.insert(Arc::clone(&name), Arc::clone(&fields));
    Decl {
        ty: Type::Object(name),
        max_elements: 0,
        min_size,
        parts: Parts::Object(fields),
    }
}

/// Whether the schema declares by itself what the root of a resource has in any case; then the rest of its metadata
/// is visible too.
fn declares_meta(node: &Node) -> bool {
    let is_string = |node: &Node, name: &str| {
        node.property(name)
            .is_some_and(|property| property.kind == JsonType::String)
    };
    is_string(node, "kind")
        && is_string(node, "apiVersion")
        && node.property("metadata").is_some_and(|metadata| {
            metadata.kind == JsonType::Object
                && is_string(metadata, "name")
                && is_string(metadata, "generateName")
        })
}

fn string(node: &Node) -> Decl {
    let checks = node.checks.as_deref();
    let format = checks
        .and_then(|checks| checks.format.as_ref())
        .map(|(_, name)| &**name);
    let max_length = limit(node, |checks| checks.max_length);
    match format {
        // Two bytes of base64 never hold less than one byte, hence the limit as it is.
        Some("byte") => Decl::sized(Type::Bytes, MIN_STRING, max_length.unwrap_or(MAX_STRING)),
        Some("duration") => Decl::sized(Type::Duration, MIN_DURATION, MAX_DURATION),
        Some("date") => Decl::sized(Type::Timestamp, DATE, DATE),
        Some("date-time") => Decl::sized(Type::Timestamp, MIN_DATE_TIME, MAX_DATE_TIME),
        _ => {
            let longest = || {
                let values = &checks?.values;
                let lengths = values.iter().filter_map(Value::as_str).map(str::len);
                (!values.is_empty()).then(|| i64::try_from(lengths.max().unwrap_or(0)).unwrap_or(i64::MAX))
            };
            let max = max_length.map(utf8).or_else(longest);
            Decl::sized(Type::String, MIN_STRING, max.unwrap_or(MAX_STRING))
        }
    }
}

fn limit(node: &Node, which: impl Fn(&crate::structural::Checks) -> Option<i64>) -> Option<i64> {
    node.checks.as_deref().and_then(which).map(|limit| limit.max(0))
}

/// Limits count characters, sizes count bytes.
fn utf8(characters: i64) -> i64 {
    characters.wrapping_mul(4)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(schema: &Value, place: Place) -> RootDecl {
        RootDecl::new(&Node::decode(schema), place).expect("a type")
    }

    /// SCH-56
    #[test]
    fn roots_have_a_name_and_nothing_else_of_the_metadata() {
        let schema = json!({"type": "object", "properties": {
            "metadata": {"type": "object", "properties": {"labels": {"type": "object"}}},
            "open": {"x-kubernetes-preserve-unknown-fields": true},
        }});
        let root = declared(&schema, Place::ResourceRoot);
        assert_eq!(root.field("selfType", "kind"), Some(&Type::String));
        assert_eq!(
            root.field("selfType.metadata", "generateName"),
            Some(&Type::String)
        );
        assert_eq!(root.field("selfType.metadata", "labels"), None);
        assert_eq!(root.field("selfType", "open"), None);
        let below = declared(&schema, Place::Below);
        assert_eq!(below.field("selfType", "kind"), None);
        assert!(below.field("selfType.metadata", "labels").is_some());
    }

    /// SCH-54: what is required counts towards the smallest size, unless it has a default.
    #[test]
    fn sizes_bound_how_many_fit() {
        let schema = json!({"type": "array", "items": {
            "type": "object",
            "required": ["name", "port"],
            "properties": {"name": {"type": "string"}, "port": {"type": "integer", "default": 1}},
        }});
        let root = declared(&schema, Place::Below);
        assert_eq!(root.root.step("@items").map(|item| item.min_size), Some(12));
        assert_eq!(root.root.max_elements, (MAX_REQUEST - 2) / 13);
        assert_eq!(root.max_cardinality(), 1_048_576);
    }
}
