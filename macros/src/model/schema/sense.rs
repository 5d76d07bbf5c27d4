//! Whether limits leave a value, and a default is one of those.

use proc_macro2::Span;
use serde_json::Value as Json;

use super::marks::{Node, Words};
use super::types::{self, Kind};
use crate::attrs::schema::Mark;
use crate::errors::Errors;

impl Words {
    /// Limits that leave nothing, and a default outside of them.
    pub(super) fn contradictions(&self, marks: &[Mark], errors: &mut Errors) {
        let span = |keys: &[&str]| {
            let found = marks.iter().rev().find(|mark| keys.contains(&mark.key));
            found.map_or_else(Span::call_site, |mark| mark.span)
        };
        for (bound, exclusive) in [("minimum", "exclusive_minimum"), ("maximum", "exclusive_maximum")] {
            let given = |key: &str| marks.iter().any(|mark| mark.key == key);
            if given(bound) && given(exclusive) {
                errors.at(
                    span(&[exclusive]),
                    format!("`{bound}` is one bound and `{exclusive}` another; keep the narrower"),
                );
            }
        }
        for (low, high, least, most) in [
            ("minimum", "maximum", "minimum", "maximum"),
            ("minLength", "maxLength", "min_length", "max_length"),
            ("minItems", "maxItems", "min_items", "max_items"),
            (
                "minProperties",
                "maxProperties",
                "min_properties",
                "max_properties",
            ),
        ] {
            let (Some(low), Some(high)) = (self.number(low), self.number(high)) else {
                continue;
            };
            let excluded = low == high
                && ["exclusiveMinimum", "exclusiveMaximum"]
                    .iter()
                    .any(|key| least == "minimum" && self.map.contains_key(*key));
            if low > high || excluded {
                let at = span(&[least, most, "exclusive_minimum", "exclusive_maximum"]);
                errors.at(at, format!("`{least}` and `{most}` leave no value"));
            }
        }
        let keys = self.map.contains_key("x-kubernetes-list-map-keys");
        match self.map.get("x-kubernetes-list-type").and_then(Json::as_str) {
            Some("map") if !keys => errors.at(
                span(&["list_type"]),
                "`list_type = \"map\"` needs the fields that tell items apart: add `list_map_keys(\"name\")`",
            ),
            Some(other) if keys && other != "map" => errors.at(
                span(&["list_type"]),
                format!("`list_map_keys` needs `list_type = \"map\"`, not `{other}`"),
            ),
            _ => {}
        }
        if let Some(default) = self.map.get("default") {
            self.default_fits(default, span(&["default"]), errors);
        }
    }

    /// Whether a limit is none of what a small integer of Rust can be. That of the type itself is not told of a type
    /// (SCH-107), so that one who writes it down asks for it.
    pub(super) fn of_small_integer(
        &mut self,
        key: &str,
        value: &Json,
        span: Span,
        node: &Node<'_>,
        errors: &mut Errors,
    ) -> bool {
        let (Some((name, least, most)), Some(limit)) =
            (node.ty.and_then(types::small_integer), value.as_i64())
        else {
            return false;
        };
        if matches!(key, "minimum" | "maximum") && (limit < least || limit > most) {
            errors.at(
                span,
                format!("`{name}` holds {least} to {most}, so that `{key} = {limit}` could not be read; correct one"),
            );
            return true;
        }
        let own = key == "minimum" && limit == least || key == "maximum" && limit == most;
        if own && node.path.is_empty() {
            self.note("strictInts", true);
        }
        false
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.map.get(key)?.as_f64()
    }

    fn default_fits(&self, default: &Json, at: Span, errors: &mut Errors) {
        let size = match default {
            Json::String(text) => Some(("minLength", "maxLength", text.chars().count())),
            Json::Array(items) => Some(("minItems", "maxItems", items.len())),
            Json::Object(map) => Some(("minProperties", "maxProperties", map.len())),
            _ => None,
        };
        if let Some((low, high, size)) = size {
            #[allow(clippy::cast_precision_loss, reason = "sizes of literals")]
            let size = size as f64;
            if self.number(low).is_some_and(|n| size < n) || self.number(high).is_some_and(|n| size > n) {
                errors.at(
                    at,
                    format!("the default `{default}` has a size that `{low}` and `{high}` refuse"),
                );
            }
        }
        if let Some(value) = default.as_f64() {
            let exclusive = |key: &str| self.map.contains_key(key);
            let low = self.number("minimum");
            let high = self.number("maximum");
            if low.is_some_and(|n| value < n || (value == n && exclusive("exclusiveMinimum")))
                || high.is_some_and(|n| value > n || (value == n && exclusive("exclusiveMaximum")))
            {
                errors.at(at, format!("the default `{default}` is outside of the limits"));
            }
        }
        if let Some(Json::Array(values)) = self.map.get("enum")
            && !values.contains(default)
        {
            errors.at(
                at,
                format!("the default `{default}` is none of the `enum_values`"),
            );
        }
    }
}

/// Whether a literal is of this kind, as far as that is known.
pub(super) fn is_of(value: &Json, kind: Kind) -> bool {
    match kind {
        Kind::Text => value.is_string(),
        Kind::Integer => value.is_i64() || value.is_u64(),
        Kind::Number => value.is_number(),
        Kind::Bool => value.is_boolean(),
        Kind::List => value.is_array(),
        Kind::Map => value.is_object(),
        Kind::IntOrString => value.is_i64() || value.is_u64() || value.is_string(),
        Kind::Any | Kind::Unknown => true,
    }
}
