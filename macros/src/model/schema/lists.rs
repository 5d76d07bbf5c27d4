//! How lists and maps are merged, and which of their items are alike.

use syn::{Expr, LitStr};

use super::marks::{Limit, Node, Words};
use super::types::{self, Kind};
use super::{Check, Later, rules};
use crate::attrs::schema::{Given, Mark};
use crate::attrs::suggest;
use crate::errors::Errors;

impl Words {
    pub(super) fn list_type(&mut self, mark: &Mark, text: &LitStr, node: &Node<'_>, errors: &mut Errors) {
        const TYPES: [&str; 3] = ["atomic", "set", "map"];
        if !self.fits(mark, Limit::List, node, errors) {
            return;
        }
        let value = text.value();
        if !TYPES.contains(&value.as_str()) {
            errors.at(
                text.span(),
                format!(
                    "`{value}` is no list type; the types are {}",
                    suggest::list(&TYPES)
                ),
            );
            return;
        }
        if value == "set"
            && let Some(item) = node.ty.and_then(types::item)
        {
            let kind = types::kind(item);
            if matches!(kind, Kind::Map) {
                errors.at(
                    text.span(),
                    "only scalars (or atomic objects) can form a set; use `Vec` with list_type = map and keys",
                );
            }
        }
        self.set("x-kubernetes-list-type", value);
    }

    pub(super) fn list_map_keys(
        &mut self,
        mark: &Mark,
        keys: &[LitStr],
        node: &Node<'_>,
        errors: &mut Errors,
    ) {
        if !self.fits(mark, Limit::List, node, errors) {
            return;
        }
        let names: Vec<String> = keys.iter().map(LitStr::value).collect();
        for (index, key) in keys.iter().enumerate() {
            if names[..index].contains(&names[index]) {
                errors.at(key.span(), format!("`{}` is given twice; keep one", key.value()));
            }
        }
        self.map
            .entry("x-kubernetes-list-type")
            .or_insert_with(|| "map".into());
        self.set("x-kubernetes-list-map-keys", names.clone());
        if let Some(item) = node.ty.and_then(types::item) {
            let kind = types::kind(item);
            if !matches!(kind, Kind::Unknown | Kind::Any) {
                errors.at(
                    mark.span,
                    format!(
                        "items of a list of type map are structs, and `{}` is {}",
                        types::text(item),
                        kind.name()
                    ),
                );
                return;
            }
            self.checks.push(Check::ListMap {
                place: node.place.clone(),
                keys: names,
                ty: types::peel(item).0.clone(),
                span: mark.span,
            });
        }
    }

    pub(super) fn map_type(&mut self, mark: &Mark, text: &LitStr, node: &Node<'_>, errors: &mut Errors) {
        if !self.fits(mark, Limit::Object, node, errors) {
            return;
        }
        let value = text.value();
        if !["atomic", "granular"].contains(&value.as_str()) {
            errors.at(
                text.span(),
                format!("`{value}` is no map type; the types are `atomic`, `granular`"),
            );
            return;
        }
        self.set("x-kubernetes-map-type", value);
    }

    pub(super) fn merge_strategy(&mut self, expr: &Expr) {
        let path = match expr {
            Expr::Path(path) => &path.path,
            other => {
                self.later.push(Later::Merge(other.clone()));
                return;
            }
        };
        let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["ListMerge", "Atomic"] => self.set("x-kubernetes-list-type", "atomic"),
            ["ListMerge", "Set"] => self.set("x-kubernetes-list-type", "set"),
            // The server knows one keyword for maps and structs.
            ["MapMerge" | "StructMerge", "Atomic"] => self.set("x-kubernetes-map-type", "atomic"),
            ["MapMerge" | "StructMerge", "Granular"] => self.set("x-kubernetes-map-type", "granular"),
            _ => self.later.push(Later::Merge(expr.clone())),
        }
    }

    pub(super) fn unique(&mut self, mark: &Mark, value: &Given, node: &Node<'_>, errors: &mut Errors) {
        if !self.fits(mark, Limit::List, node, errors) {
            return;
        }
        match value {
            Given::Flag(true) => self.rule(rules::rule(
                "self.all(x, self.exists_one(y, x == y))",
                "items must be unique",
            )),
            Given::Texts(keys) => {
                let same: Vec<String> = keys
                    .iter()
                    .map(|key| rules::escaped(&key.value()))
                    .map(|key| format!("x.{key} == y.{key}"))
                    .collect();
                let names: Vec<String> = keys.iter().map(LitStr::value).collect();
                self.rule(rules::rule(
                    format!("self.all(x, self.exists_one(y, {}))", same.join(" && ")),
                    format!("items must be unique by {}", names.join(" and ")),
                ));
            }
            _ => {}
        }
    }
}
