//! `item(...)` and `subfield(...)`: rules for one item of a list or one field of an object, and for parts of these.
//!
//! **Invariant:** a rule about a part holds where the part is not there, but for `required`.

use serde_json::{Value as Json, json};

use super::marks::Words;
use super::rules;
use crate::attrs::schema::{Given, Mark};
use crate::errors::Errors;

/// A field's value, or a part of it.
pub(super) struct Part<'a> {
    /// What a rule calls it.
    subject: String,
    /// What a message calls it; nothing for the whole.
    what: String,
    /// Makes a rule of the whole from a condition of this part.
    around: &'a dyn Fn(String) -> String,
    depth: usize,
}

impl Part<'_> {
    /// The value itself.
    pub(super) fn whole() -> Self {
        Self {
            subject: "self".to_owned(),
            what: String::new(),
            around: &|condition| condition,
            depth: 0,
        }
    }

    /// What one mark says of this part.
    pub(super) fn mark(&self, mark: &Mark, words: &mut Words, errors: &mut Errors) {
        match (mark.key, &mark.value) {
            ("item", Given::Inside(which, inside)) => self.item(which, inside, words, errors),
            ("subfield", Given::Inside(which, inside)) => {
                if let Some((key, _)) = which.first() {
                    self.subfield(key, inside, words, errors);
                }
            }
            _ => {
                for (condition, must) in rules::conditions(std::slice::from_ref(mark), &self.subject, errors)
                {
                    let rule = (self.around)(condition);
                    words.rule(if must.is_empty() {
                        json!({ "rule": rule })
                    } else {
                        rules::rule(rule, format!("{} must be {must}", self.what))
                    });
                }
            }
        }
    }

    fn item(&self, which: &[(String, Json)], inside: &[Mark], words: &mut Words, errors: &mut Errors) {
        let (list, x) = (&self.subject, self.variable());
        let select = which
            .iter()
            .map(|(key, value)| format!("{x}.{} == {}", rules::escaped(key), rules::literal(value)));
        let select = select.collect::<Vec<_>>().join(" && ");
        let name = which.iter().map(|(key, value)| format!("{key}: {value}"));
        let name = format!("item with {}{}", name.collect::<Vec<_>>().join(", "), self.of());
        // The cost of a rule is estimated, and that of walking over what `filter` leaves by the most that a list can be.
        let around = |condition| (self.around)(format!("{list}.all({x}, !({select}) || ({condition}))"));
        let part = Part {
            subject: x.clone(),
            what: format!("the {name}"),
            around: &around,
            depth: self.depth + 1,
        };
        for mark in inside {
            let found = format!("{list}.exists({x}, {select})");
            match mark.key {
                "forbidden" => words.rule(rules::rule(
                    (self.around)(format!("!{found}")),
                    format!("an {name} is forbidden"),
                )),
                "required" => {
                    words.rule(rules::rule(
                        (self.around)(found),
                        format!("an {name} is required"),
                    ));
                }
                "immutable" if self.depth == 0 => words.rule(rules::rule(
                    format!("self.filter({x}, {select}) == oldSelf.filter({x}, {select})"),
                    format!("the {name} is immutable"),
                )),
                "immutable" => self.without_old(mark, errors),
                _ => part.mark(mark, words, errors),
            }
        }
    }

    fn subfield(&self, key: &str, inside: &[Mark], words: &mut Words, errors: &mut Errors) {
        let field = format!("{}.{}", self.subject, rules::escaped(key));
        let name = format!("field {key}{}", self.of());
        let around = |condition| (self.around)(format!("!has({field}) || ({condition})"));
        let part = Part {
            subject: field.clone(),
            what: name.clone(),
            around: &around,
            depth: self.depth + 1,
        };
        for mark in inside {
            match mark.key {
                "forbidden" => words.rule(rules::rule(
                    (self.around)(format!("!has({field})")),
                    format!("{name} is forbidden"),
                )),
                "required" => words.rule(rules::rule(
                    (self.around)(format!("has({field})")),
                    format!("{name} is required"),
                )),
                "immutable" if self.depth == 0 => {
                    let old = field.replacen("self", "oldSelf", 1);
                    words.rule(rules::rule(
                        format!("has({field}) == has({old}) && (!has({field}) || {field} == {old})"),
                        format!("{name} is immutable"),
                    ));
                }
                "immutable" => self.without_old(mark, errors),
                _ => part.mark(mark, words, errors),
            }
        }
    }

    /// The variable for items, another one in each list.
    fn variable(&self) -> String {
        match self.depth {
            0 => "x".to_owned(),
            depth => format!("x{depth}"),
        }
    }

    /// The part after one of its own parts.
    fn of(&self) -> String {
        if self.what.is_empty() {
            String::new()
        } else {
            format!(" of {}", self.what)
        }
    }

    /// An item that is walked over has no old value.
    fn without_old(&self, mark: &Mark, errors: &mut Errors) {
        errors.at(
            mark.span,
            format!(
                "`immutable` is for a part of the field itself, and this is one of {}; make all of that immutable, or write \
                 `immutable` on the field of its type",
                self.what
            ),
        );
    }
}
