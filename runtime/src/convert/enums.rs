//! Enums: taken apart by the source's tag, put together by the target's.
//!
//! **Invariant:** a name that no variant of the source has is copied with all that belongs to it (VER-7).

use super::node::{Member, Node, get};
use super::path::At;
use super::plan::{EnumPlan, Named, TurnPlan, VariantPlan};
use super::walk::Walk;
use super::wire::Tag;

/// A value's variant and what it carries.
struct Parts<'a> {
    name: String,
    content: Option<Node<'a>>,
}

fn take_apart<'a>(tag: Tag, node: &Node<'a>) -> Option<Parts<'a>> {
    match tag {
        Tag::External => {
            if let Some(name) = node.str() {
                return Some(Parts {
                    name: name.into_owned(),
                    content: None,
                });
            }
            match &**node.members()? {
                [member] => Some(Parts {
                    name: member.name.to_string(),
                    content: Some(member.node.clone()),
                }),
                _ => None,
            }
        }
        Tag::Internal(tag) => {
            let members = node.members()?;
            let name = get(&members, tag)?.str()?.into_owned();
            let rest = members
                .iter()
                .filter(|member| member.name != tag)
                .cloned()
                .collect();
            Some(Parts {
                name,
                content: Some(Node::object(rest)),
            })
        }
        Tag::Adjacent(tag, content) => {
            let members = node.members()?;
            let name = get(&members, tag)?.str()?.into_owned();
            Some(Parts {
                name,
                content: get(&members, content).cloned(),
            })
        }
    }
}

fn put_together<'a>(tag: Tag, named: &'a Named, content: Option<Node<'a>>) -> Node<'a> {
    match (tag, content) {
        (Tag::External, None) => Node::Text(&named.json),
        (Tag::External, Some(content)) => Node::object(vec![Member::new(named.name, content)]),
        (Tag::Internal(tag), content) => {
            let mut members = vec![Member::new(tag, Node::Text(&named.json))];
            if let Some(content) = content.and_then(|content| content.members()) {
                members.extend(content.iter().cloned());
            }
            Node::object(members)
        }
        (Tag::Adjacent(tag, _), None) => Node::object(vec![Member::new(tag, Node::Text(&named.json))]),
        (Tag::Adjacent(tag, name), Some(content)) => Node::object(vec![
            Member::new(tag, Node::Text(&named.json)),
            Member::new(name, content),
        ]),
    }
}

impl EnumPlan {
    fn find(&self, name: &str) -> Option<&VariantPlan> {
        self.variants
            .iter()
            .find(|variant| variant.from == name || variant.aliases.contains(&name))
    }
}

impl Walk {
    /// `None` after a fault.
    pub(crate) fn variant<'a>(
        &mut self,
        plan: &'a EnumPlan,
        node: &Node<'a>,
        at: &At<'_>,
    ) -> Option<Node<'a>> {
        let Some(parts) = take_apart(plan.from, node) else {
            return Some(node.clone());
        };
        let Some(variant) = plan.find(&parts.name) else {
            return Some(node.clone());
        };
        match &variant.turn {
            TurnPlan::Keep(named) if plan.from == plan.to && named.name == parts.name => Some(node.clone()),
            TurnPlan::Keep(named) => {
                // Between forms a variant without content is an object without members on one side, and nothing on the
                // other.
                let content = parts.content.filter(|content| {
                    plan.from == plan.to || content.members().is_none_or(|members| !members.is_empty())
                });
                Some(put_together(plan.to, named, content))
            }
            TurnPlan::Bare(named) => Some(put_together(plan.to, named, None)),
            TurnPlan::Content(named, inner) => {
                let content = match parts.content {
                    Some(content) => Some(self.value(inner, &content, at)?),
                    None => None,
                };
                Some(put_together(plan.to, named, content))
            }
            TurnPlan::Made(function) => self.made(*function, node, at),
            TurnPlan::Refused => {
                let message = format!("variant `{}` does not exist in that version", variant.from);
                self.refuse(at, message);
                None
            }
        }
    }
}
