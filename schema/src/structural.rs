//! The model of a structural schema: decoded once, shared, walked by pruning, defaulting and validation.
//!
//! **Invariant:** a [`Structural`] never changes after it is built; properties are sorted by name, and keywords that
//! mean nothing (`format: uint32`) are gone. Patterns are compiled when the first value meets them.

mod properties;

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::cel::RuleNode;
use crate::error::{FieldError, join};
use crate::format::Format;
use crate::regexp::Pattern;

pub(crate) use self::properties::{Properties, hash, mix};

/// A structural schema, ready to walk. Cloning shares it.
#[derive(Clone)]
pub struct Structural {
    pub(crate) root: Arc<Node>,
    /// Compiled when the first object is validated.
    programs: Arc<OnceLock<Option<RuleNode>>>,
}

impl Structural {
    /// Reads an `openAPIV3Schema`.
    ///
    /// # Errors
    /// Everything for which an API server refuses the schema in a CRD, with the server's texts and paths that begin
    /// with `openAPIV3Schema`. Rules in CEL are compiled and costed too.
    pub fn from_json(schema: &Value) -> Result<Self, Vec<FieldError>> {
        if let Some(error) = crate::depth::error(schema, "openAPIV3Schema") {
            return Err(vec![error]);
        }
        let errors = crate::crd::check_any_schema(schema, "openAPIV3Schema");
        if errors.is_empty() {
            Ok(Self::decode(schema))
        } else {
            Err(errors)
        }
    }

    /// Reads a schema that was accepted before: [`crd::decode`](crate::crd::decode) has read it and
    /// [`crd::validate`](crate::crd::validate) found nothing in it. That is not checked again; keywords with values of a
    /// wrong type count as absent.
    pub fn from_accepted(schema: &Value) -> Self {
        Self::decode(schema)
    }

    /// Reads a schema that is known to be structural, or whose mistakes are reported elsewhere; keywords with values
    /// of a wrong type count as absent.
    pub(crate) fn decode(schema: &Value) -> Self {
        Self::of_node(Node::decode(schema))
    }

    /// A schema of its own from a node.
    pub(crate) fn of_node(node: Node) -> Self {
        Self {
            root: Arc::new(node),
            programs: Arc::default(),
        }
    }

    /// The rules of a whole object, ready to run; none if there are none.
    pub(crate) fn programs(&self) -> Option<&RuleNode> {
        if !self.root.rules_below {
            return None;
        }
        self.programs
            .get_or_init(|| RuleNode::of_resource(&self.root))
            .as_ref()
    }

    /// The rules in CEL (`x-kubernetes-validations`) of this schema, each with the path of its schema node.
    ///
    /// Paths are those of the schema: `spec`, `spec.ports[]` for items, `spec.labels[*]` for map values.
    /// [`validate`](crate::validate) evaluates the rules.
    pub fn rules(&self) -> Vec<(String, &Rule)> {
        let mut found = Vec::new();
        self.root.collect_rules("", &mut found);
        found
    }
}

impl fmt::Debug for Structural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The tree of a large CRD would fill a log; the top tells which schema it is.
        let properties: Vec<&str> = self.root.properties.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Structural")
            .field("properties", &properties)
            .finish_non_exhaustive()
    }
}

/// A validation rule in CEL, as the schema carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The expression.
    pub rule: String,
    /// Message for a violation; may be empty.
    pub message: String,
    /// Expression that yields the message; may be empty.
    pub message_expression: String,
    /// Reason of the cause, such as `FieldValueForbidden`.
    pub reason: Option<String>,
    /// Path of the field to blame, below the schema node; may be empty.
    pub field_path: String,
    /// Whether the rule also runs without an old value.
    pub optional_old_self: bool,
}

/// JSON types that a schema allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Any,
    Array,
    Boolean,
    Integer,
    IntOrString,
    /// Forbidden, and named where a value does not fit.
    Null,
    Number,
    Object,
    String,
    /// None that exists; nothing but an allowed null fits.
    Unknown,
}

impl Type {
    /// As error messages name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Array => "array",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::IntOrString => "integer,string",
            Self::Null => "null",
            Self::Number => "number",
            Self::Object => "object",
            Self::String => "string",
            Self::Unknown => "unknown",
        }
    }
}

/// How the entries of a list are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListType {
    Atomic,
    Set,
    Map(Box<[Box<str>]>),
}

/// What keys besides the declared properties may hold.
#[derive(Clone, Debug)]
pub(crate) enum Additional {
    /// Nothing is said: pruned, unless preserved.
    Undeclared,
    /// `true`: keys are kept, their values are of an unknown form.
    Any,
    /// `false`: they are errors.
    Forbidden,
    /// Values of this form.
    Schema(Box<Node>),
}

impl Additional {
    /// The schema of values, where there is one.
    pub(crate) fn schema(&self) -> Option<&Node> {
        match self {
            Self::Schema(node) => Some(node),
            _ => None,
        }
    }
}

/// One schema.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Type,
    pub(crate) nullable: bool,
    pub(crate) preserve: bool,
    pub(crate) embedded: bool,
    /// Of a property: whether the node above requires it.
    pub(crate) required: bool,
    pub(crate) default: Option<Box<Value>>,
    pub(crate) properties: Properties,
    pub(crate) additional: Additional,
    pub(crate) items: Option<Box<Node>>,
    pub(crate) list_type: ListType,
    /// Whether server-side apply takes an object as a whole (`x-kubernetes-map-type: atomic`).
    pub(crate) atomic_map: bool,
    pub(crate) rules: Box<[Rule]>,
    pub(crate) checks: Option<Box<Checks>>,
    /// Whether this node or one below has a default.
    pub(crate) defaults_below: bool,
    /// Whether this node or one below is an embedded resource.
    pub(crate) embedded_below: bool,
    /// Whether this node or one below is a set or a map in list form.
    pub(crate) lists_below: bool,
    /// Whether this node or one below has rules.
    pub(crate) rules_below: bool,
}

/// Value validation; most nodes have none.
///
/// The order is that of memory: what strings and objects need stands together.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Checks {
    /// Whether a value of the right type fits the junctors: there are none, or those that int-or-string may have.
    pub(crate) junctors_follow: bool,
    pub(crate) max_length: Option<i64>,
    pub(crate) min_length: Option<i64>,
    pub(crate) format: Option<(Format, Box<str>)>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) values: Box<[Value]>,
    pub(crate) required: Box<[Box<str>]>,
    /// How many properties are [required](Node::required); `None` if some that are not declared are required as well.
    pub(crate) required_properties: Option<u32>,
    pub(crate) max_properties: Option<i64>,
    pub(crate) min_properties: Option<i64>,
    pub(crate) maximum: Option<Bound>,
    pub(crate) minimum: Option<Bound>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) max_items: Option<i64>,
    pub(crate) min_items: Option<i64>,
    pub(crate) all_of: Box<[Node]>,
    pub(crate) any_of: Box<[Node]>,
    pub(crate) one_of: Box<[Node]>,
    pub(crate) not: Option<Box<Node>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) limit: f64,
    pub(crate) exclusive: bool,
}

impl Checks {
    fn is_empty(&self) -> bool {
        self.format.is_none()
            && self.maximum.is_none()
            && self.minimum.is_none()
            && self.multiple_of.is_none()
            && self.max_length.is_none()
            && self.min_length.is_none()
            && self.pattern.is_none()
            && self.max_items.is_none()
            && self.min_items.is_none()
            && self.max_properties.is_none()
            && self.min_properties.is_none()
            && self.required.is_empty()
            && self.values.is_empty()
            && self.all_of.is_empty()
            && self.any_of.is_empty()
            && self.one_of.is_empty()
            && self.not.is_none()
    }
}

/// What a schema is read for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Reading {
    /// Validation of objects.
    Served,
    /// Validation of the schema's own defaults, for which upstream converts schemas another way: int-or-string has no
    /// type there, and formats that nobody checks still speak for the type of strings.
    Defaults,
}

impl Reading {
    /// A value in the schema. Go writes a CRD once before it serves it, which leaves no whole floats.
    fn value(self, value: &Value) -> Value {
        let mut value = value.clone();
        if self == Self::Served {
            crate::prune::normalize_numbers(&mut value);
        }
        value
    }

    fn format(self, type_name: Option<&str>, name: &str) -> Option<Format> {
        let known = Format::recognize(type_name, name);
        match self {
            Self::Served => known,
            Self::Defaults => known
                .or_else(|| Format::recognize(None, name))
                .or(Some(Format::Unchecked)),
        }
    }
}

impl Node {
    /// The schema of a declared property.
    pub(crate) fn property(&self, name: &str) -> Option<&Node> {
        self.properties.get(name)
    }

    /// The schema of a key: the property's, else that of additional ones.
    pub(crate) fn field(&self, name: &str) -> Option<&Node> {
        self.property(name).or(self.additional.schema())
    }

    pub(crate) fn decode(schema: &Value) -> Self {
        Self::read(schema, Reading::Served)
    }

    pub(crate) fn read(schema: &Value, reading: Reading) -> Self {
        match schema.as_object() {
            Some(map) => Self::of(map, reading),
            None => Self::of(&Map::new(), reading),
        }
    }

    pub(crate) fn of(map: &Map<String, Value>, reading: Reading) -> Self {
        let int_or_string = flag(map, "x-kubernetes-int-or-string");
        let type_name = map
            .get("type")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty());
        let kind = match type_name {
            _ if int_or_string && reading == Reading::Served => Type::IntOrString,
            None => Type::Any,
            Some("array") => Type::Array,
            Some("boolean") => Type::Boolean,
            Some("integer") => Type::Integer,
            Some("number") => Type::Number,
            Some("object") => Type::Object,
            Some("string") => Type::String,
            Some("null") => Type::Null,
            Some(_) => Type::Unknown,
        };
        let mut properties = Properties::new(
            map.get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.as_str().into(), Node::read(schema, reading)))
                .collect(),
        );
        let additional = match map.get("additionalProperties") {
            Some(Value::Bool(true)) => Additional::Any,
            Some(Value::Bool(false)) => Additional::Forbidden,
            Some(schema @ Value::Object(_)) => Additional::Schema(Box::new(Node::read(schema, reading))),
            _ => Additional::Undeclared,
        };
        let items = map
            .get("items")
            .filter(|items| items.is_object())
            .map(|items| Box::new(Node::read(items, reading)));
        let list_type = match map.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => ListType::Set,
            Some("map") => ListType::Map(strings(map, "x-kubernetes-list-map-keys")),
            _ => ListType::Atomic,
        };
        let default = map
            .get("default")
            .filter(|value| !value.is_null())
            .map(|value| Box::new(reading.value(value)));
        // Most nodes have none, and looking for each of them takes as long as everything else.
        let checks = map.keys().any(|key| Checks::has(key)).then(|| {
            let mut checks = Checks::decode(map, if int_or_string { None } else { type_name }, reading);
            checks.junctors_follow = checks.junctors_follow(kind);
            checks.required_properties = mark_required(&mut properties, &checks.required);
            Box::new(checks)
        });
        let mut node = Self {
            kind,
            nullable: flag(map, "nullable"),
            preserve: flag(map, "x-kubernetes-preserve-unknown-fields"),
            embedded: flag(map, "x-kubernetes-embedded-resource"),
            required: false,
            default,
            properties,
            additional,
            items,
            list_type,
            atomic_map: map.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
            rules: decode_rules(map),
            checks: checks.filter(|checks| !checks.is_empty()),
            defaults_below: false,
            embedded_below: false,
            lists_below: false,
            rules_below: false,
        };
        let mut below = [
            node.default.is_some(),
            node.embedded,
            node.list_type != ListType::Atomic,
            !node.rules.is_empty(),
        ];
        // Once over the children, of which there may be many.
        for child in node.children() {
            below[0] |= child.defaults_below;
            below[1] |= child.embedded_below;
            below[2] |= child.lists_below;
            below[3] |= child.rules_below;
        }
        [
            node.defaults_below,
            node.embedded_below,
            node.lists_below,
            node.rules_below,
        ] = below;
        node
    }

    /// The structural children: properties, additional properties, items.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Node> {
        self.properties
            .iter()
            .map(|(_, node)| node)
            .chain(self.additional.schema())
            .chain(self.items.as_deref())
    }

    fn collect_rules<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a Rule)>) {
        found.extend(self.rules.iter().map(|rule| (path.to_owned(), rule)));
        for (name, node) in &self.properties {
            node.collect_rules(&join(path, name), found);
        }
        if let Additional::Schema(node) = &self.additional {
            node.collect_rules(&format!("{path}[*]"), found);
        }
        if let Some(node) = &self.items {
            node.collect_rules(&format!("{path}[]"), found);
        }
    }
}

impl Checks {
    /// Whether a keyword says anything that [`Checks::decode`] reads, in itself.
    fn has(keyword: &str) -> bool {
        matches!(
            keyword,
            "format"
                | "maximum"
                | "minimum"
                | "multipleOf"
                | "maxLength"
                | "minLength"
                | "pattern"
                | "maxItems"
                | "minItems"
                | "maxProperties"
                | "minProperties"
                | "required"
                | "enum"
                | "allOf"
                | "anyOf"
                | "oneOf"
                | "not"
        )
    }

    fn decode(map: &Map<String, Value>, type_name: Option<&str>, reading: Reading) -> Self {
        let text = |key: &str| {
            map.get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let whole = |key: &str| map.get(key).and_then(integral);
        let float = |key: &str| map.get(key).and_then(Value::as_f64);
        let nodes = |key: &str| -> Box<[Node]> {
            map.get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|schema| Node::read(schema, reading))
                .collect()
        };
        let bound = |key: &str, exclusive: &str| {
            float(key).map(|limit| Bound {
                limit,
                exclusive: flag(map, exclusive),
            })
        };
        Self {
            format: text("format").and_then(|name| {
                reading
                    .format(type_name, name)
                    .map(|format| (format, name.into()))
            }),
            maximum: bound("maximum", "exclusiveMaximum"),
            minimum: bound("minimum", "exclusiveMinimum"),
            multiple_of: float("multipleOf"),
            max_length: whole("maxLength"),
            min_length: whole("minLength"),
            pattern: text("pattern").map(Pattern::new),
            max_items: whole("maxItems"),
            min_items: whole("minItems"),
            max_properties: whole("maxProperties"),
            min_properties: whole("minProperties"),
            required: strings(map, "required"),
            required_properties: None,
            values: map
                .get("enum")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|value| reading.value(value))
                .collect(),
            all_of: nodes("allOf"),
            any_of: nodes("anyOf"),
            one_of: nodes("oneOf"),
            not: map
                .get("not")
                .filter(|not| not.is_object())
                .map(|not| Box::new(Node::read(not, reading))),
            junctors_follow: false,
        }
    }

    fn junctors_follow(&self, kind: Type) -> bool {
        let int_or_string = |members: &[Node]| {
            let kinds = [Type::Integer, Type::String];
            members.len() == 2
                && members
                    .iter()
                    .zip(kinds)
                    .all(|(member, kind)| member.kind == kind && member.checks.is_none())
        };
        self.all_of.is_empty()
            && self.one_of.is_empty()
            && self.not.is_none()
            && (self.any_of.is_empty() || kind == Type::IntOrString && int_or_string(&self.any_of))
    }
}

/// Marks the properties that are required. Returns how many are; `None` if something else is required too.
fn mark_required(properties: &mut Properties, required: &[Box<str>]) -> Option<u32> {
    let mut count = 0;
    for name in required {
        let node = properties.get_mut(name)?;
        count += u32::from(!node.required);
        node.required = true;
    }
    Some(count)
}

fn flag(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key) == Some(&Value::Bool(true))
}

fn integral(value: &Value) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation)]
    value
        .as_i64()
        .or_else(|| value.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64))
}

fn strings(map: &Map<String, Value>, key: &str) -> Box<[Box<str>]> {
    map.get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(Into::into)
        .collect()
}

fn decode_rules(map: &Map<String, Value>) -> Box<[Rule]> {
    let text = |rule: &Value, key: &str| {
        rule.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    map.get("x-kubernetes-validations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|rule| Rule {
            rule: text(rule, "rule"),
            message: text(rule, "message"),
            message_expression: text(rule, "messageExpression"),
            reason: rule.get("reason").and_then(Value::as_str).map(str::to_owned),
            field_path: text(rule, "fieldPath"),
            optional_old_self: rule.get("optionalOldSelf") == Some(&Value::Bool(true)),
        })
        .collect()
}
