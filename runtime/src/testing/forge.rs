//! Annotations that no conversion wrote.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// What somebody may write into the annotation.
#[derive(Clone, Debug)]
pub(super) enum Forgery {
    /// The right text, cut.
    Cut(Index),
    /// That of another object.
    Stolen,
    /// Any text.
    Text(String),
    /// Units of places and values that another object has somewhere.
    Units(Vec<(Index, Index, bool)>),
}

pub(super) fn forgery() -> impl Strategy<Value = Forgery> {
    prop_oneof![
        any::<Index>().prop_map(Forgery::Cut),
        Just(Forgery::Stolen),
        ".{0,40}".prop_map(Forgery::Text),
        "[\\[\\]{}\",:a-z0-9\\\\]{0,60}".prop_map(Forgery::Text),
        proptest::collection::vec(any::<(Index, Index, bool)>(), 1..8).prop_map(Forgery::Units),
    ]
}

impl Forgery {
    pub(super) fn text(
        &self,
        saved: Option<String>,
        other: Option<String>,
        origin: &str,
        donor: &Value,
    ) -> String {
        let saved = saved.unwrap_or_else(|| format!(r#"{{"{origin}":{{"del":[["spec"]]}}}}"#));
        match self {
            Forgery::Cut(end) => {
                let ends: Vec<usize> = saved.char_indices().map(|(at, _)| at).collect();
                saved[..*end.get(&ends)].to_owned()
            }
            Forgery::Stolen => other.unwrap_or(saved),
            Forgery::Text(text) => text.clone(),
            Forgery::Units(units) => {
                let mut all = Vec::new();
                every(donor, &mut Vec::new(), &mut all);
                let (mut set, mut del) = (Vec::new(), Vec::new());
                for (path, value, sets) in units {
                    let (path, value) = (&path.get(&all).0, all[value.index(all.len())].1);
                    if *sets {
                        set.push(json!([path, value]));
                    } else {
                        del.push(json!(path));
                    }
                }
                json!({ origin: { "set": set, "del": del } }).to_string()
            }
        }
    }
}

/// Places of an object that are looked at.
const PLACES: usize = 2000;

/// Places of an object as the annotation names them, and their values. Items are named by each of their members, one of
/// which may be the key.
fn every<'v>(value: &'v Value, path: &mut Vec<Value>, out: &mut Vec<(Vec<Value>, &'v Value)>) {
    if out.len() >= PLACES {
        return;
    }
    out.push((path.clone(), value));
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                path.push(name.as_str().into());
                every(value, path, out);
                path.pop();
            }
        }
        Value::Array(items) => {
            for item in items {
                let members = item.as_object().into_iter().flatten();
                for (name, key) in members.filter(|(_, key)| !key.is_object() && !key.is_array()) {
                    path.push(json!({ name: key }));
                    every(item, path, out);
                    path.pop();
                }
            }
        }
        _ => {}
    }
}
