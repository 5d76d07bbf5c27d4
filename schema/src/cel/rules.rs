//! The rules of a schema, compiled once.
//!
//! **Invariant:** what is compiled here is what a server runs: rules below a node that expressions cannot see are never
//! run, and a rule that does not compile is an error of each object that meets it.

use super::check::{Compiled, OldSelf, Purpose, compile};
use super::decl::{Place, RootDecl};
use super::plan::Program;
use crate::crd::rule_field;
use crate::structural::{Node, Rule};

/// The rules at a node and below; there is one for each node that has any.
#[derive(Debug)]
pub(crate) struct RuleNode {
    pub(super) place: Place,
    /// In the order of [`Node::rules`]; none for a blank one.
    pub(super) programs: Box<[Option<RuleProgram>]>,
    /// Sorted by name.
    properties: Box<[(Box<str>, RuleNode)]>,
    pub(super) additional: Option<Box<RuleNode>>,
    pub(super) items: Option<Box<RuleNode>>,
}

/// A rule, compiled; the error is why it could not be.
pub(super) type RuleProgram = Result<Prepared, String>;

#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) rule: Program,
    /// None if there is none or it does not compile; then the rule's own message is told.
    pub(super) message: Option<Program>,
    pub(super) uses_old_self: bool,
    /// Where the blame goes, below the node; may be empty.
    pub(super) field_path: String,
}

impl RuleNode {
    /// Compiles the rules of a whole resource; none if it has none.
    pub(crate) fn of_resource(root: &Node) -> Option<Self> {
        Self::new(root, Place::ResourceRoot)
    }

    /// Compiles the rules at a node and below; none if it has none that can run.
    pub(crate) fn new(node: &Node, place: Place) -> Option<Self> {
        if !node.rules_below {
            return None;
        }
        let decl = RootDecl::new(node, place)?;
        let programs = node.rules.iter().map(|rule| prepare(rule, node, &decl)).collect();
        let below = |node: &Node| Self::new(node, place_of(node));
        // To expressions a value with additional properties is a map, whose declared ones they do not know.
        let declared = node.additional.schema().is_none().then_some(&node.properties);
        let properties: Box<[_]> = declared
            .into_iter()
            .flat_map(|properties| properties.iter())
            .filter_map(|(name, property)| Some(((**name).into(), below(property)?)))
            .collect();
        let found = Self {
            place,
            programs,
            properties,
            additional: node.additional.schema().and_then(below).map(Box::new),
            items: node.items.as_deref().and_then(below).map(Box::new),
        };
        let empty = found.programs.is_empty()
            && found.properties.is_empty()
            && found.additional.is_none()
            && found.items.is_none();
        (!empty).then_some(found)
    }

    /// The rules of a property.
    pub(super) fn property(&self, name: &str) -> Option<&RuleNode> {
        let found = self.properties.binary_search_by(|(key, _)| (**key).cmp(name));
        found.ok().map(|index| &self.properties[index].1)
    }

    pub(super) fn has_properties(&self) -> bool {
        !self.properties.is_empty()
    }
}

/// An embedded resource is the root of its own rules.
pub(crate) fn place_of(node: &Node) -> Place {
    if node.embedded {
        Place::ResourceRoot
    } else {
        Place::Below
    }
}

/// Both expressions of a rule, compiled; nothing for a blank rule.
pub(crate) struct CompiledRule {
    pub(crate) rule: Compiled,
    /// None if there is no message expression.
    pub(crate) message: Option<Result<Compiled, String>>,
}

/// Compiles a rule; none if it is blank.
///
/// # Errors
/// Why the rule does not compile; its message expression is not looked at then.
pub(crate) fn compile_rule(rule: &Rule, decl: &RootDecl) -> Option<Result<CompiledRule, String>> {
    if rule.rule.trim().is_empty() {
        return None;
    }
    let old_self = if rule.optional_old_self {
        OldSelf::Optional
    } else {
        OldSelf::Plain
    };
    let compiled = compile(&rule.rule, decl, old_self, Purpose::Rule);
    Some(compiled.map(|compiled| {
        CompiledRule {
            rule: compiled,
            message: (!rule.message_expression.is_empty())
                .then(|| compile(&rule.message_expression, decl, old_self, Purpose::Message)),
        }
    }))
}

fn prepare(rule: &Rule, node: &Node, decl: &RootDecl) -> Option<RuleProgram> {
    let compiled = compile_rule(rule, decl)?;
    Some(compiled.map(|compiled| {
        Prepared {
            rule: compiled.rule.program,
            message: compiled
                .message
                .and_then(Result::ok)
                .map(|message| message.program),
            uses_old_self: compiled.rule.uses_old_self,
            field_path: rule_field(&rule.field_path, node),
        }
    }))
}
