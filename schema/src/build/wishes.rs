//! `x-kubewright`: what the attributes of `KubeSchema` ask of the builder, on a type or a field, for all below it.

use serde_json::{Map, Value};

use super::Problems;
use super::describe::Descriptions;
use crate::lint;

/// The keyword.
pub(super) const MARK: &str = "x-kubewright";

/// Rules that are passed over in a part of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowed {
    /// Where the part stands, as the server writes paths, from the type's own schema on.
    pub path: String,
    /// The rules' identifiers.
    pub ids: Vec<&'static str>,
}

/// How the limits of Rust's integers are told.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Integers {
    /// As far as a server can hold them: the sign, and no limit of the small ones (SCH-107, 108).
    #[default]
    Usual,
    /// All of them.
    Strict,
    /// None, and a `u32` is what Go's is, though a server then refuses its upper half.
    Go,
}

/// Wishes that hold from a schema downwards.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Settings {
    pub(super) descriptions: Descriptions,
    pub(super) full: bool,
    pub(super) embedded_meta: bool,
    pub(super) int_keys: bool,
    pub(super) integers: Integers,
    /// kube-derive's shape.
    pub(super) compat: bool,
    /// Inside of a type of Kubernetes.
    pub(super) kubernetes: bool,
    pub(super) max_depth: Option<usize>,
    /// A bit for each rule of [`lint::LINTS`].
    allowed: u64,
}

impl Settings {
    /// Takes up what a mark asks for; returns the rules that are passed over from here on.
    pub(super) fn take(&mut self, mark: &Map<String, Value>, problems: &mut Problems) -> Vec<&'static str> {
        let set = |key: &str| mark.get(key) == Some(&Value::Bool(true));
        self.full |= set("full");
        self.embedded_meta |= set("embeddedMeta");
        self.int_keys |= set("intKeys");
        if set("strictInts") {
            self.integers = Integers::Strict;
        }
        match mark.get("compat").and_then(Value::as_str) {
            Some("kube-derive") => self.compat = true,
            Some("controller-gen") => self.integers = Integers::Go,
            _ => {}
        }
        match mark.get("description") {
            Some(Value::String(word)) if word == "none" => self.descriptions = Descriptions::Max(0),
            Some(Value::String(word)) if word == "short" => self.descriptions = Descriptions::Short,
            Some(Value::Number(limit)) => {
                let limit = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
                self.descriptions = Descriptions::Max(limit.unwrap_or(usize::MAX));
            }
            _ => {}
        }
        if let Some(depth) = mark.get("maxDepth").and_then(Value::as_u64) {
            self.max_depth = usize::try_from(depth).ok();
        }
        // What the derive itself could not say in a schema.
        for problem in texts(mark, "problems") {
            problems.push(problem);
        }
        let mut ids = Vec::new();
        for id in texts(mark, "allow") {
            match lint::allowable(id) {
                Ok(index) => {
                    self.allowed |= 1 << index;
                    ids.push(lint::LINTS[index]);
                }
                Err(message) => problems.push(message),
            }
        }
        ids
    }

    /// Whether the findings of a rule are passed over.
    pub(super) fn allows(&self, id: &str) -> bool {
        let index = lint::LINTS.iter().position(|known| *known == id);
        index.is_some_and(|index| self.allowed & (1 << index) != 0)
    }
}

// Each rule has a bit.
const _: () = assert!(lint::LINTS.len() <= 64);

fn texts<'a>(mark: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a str> {
    let list = mark.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}
