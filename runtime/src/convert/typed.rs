//! Conversion between Rust values, by the same engine: `v1::Site::try_from(old)`.
//!
//! **Invariant:** the result is what the webhook's would be, read as the other type (VER-4).

use std::any::type_name;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::chain::Converter;
use super::link::{VersionLink, Versioned};
use super::node::Node;
use super::path::{At, Step, display};
use super::plan::{Plan, Way};
use super::table::Shape;
use super::walk::Walk;
use super::{ConvertEdge, ConvertError};
use crate::kind::CustomKind;

/// An object at the next version.
///
/// # Errors
/// Those of a conversion.
pub fn up<Old, New>(old: &Old) -> Result<New, ConvertError>
where
    Old: CustomKind + Serialize,
    New: Versioned + DeserializeOwned,
{
    object(old, New::LINK, New::INFO.version)
}

/// An object at the version before.
///
/// # Errors
/// Those of a conversion.
pub fn down<New, Old>(new: &New) -> Result<Old, ConvertError>
where
    New: Versioned + Serialize,
    Old: CustomKind + DeserializeOwned,
{
    object(new, New::LINK, Old::INFO.version)
}

/// A part of an object, as a spec, at the next version. What that cannot show is lost: there is nowhere to keep it.
///
/// # Errors
/// Those of a conversion.
pub fn part_up<Old, New>(old: &Old) -> Result<New, ConvertError>
where
    Old: Serialize,
    New: ConvertEdge<Old> + DeserializeOwned,
{
    part(old, &New::SHAPE, Way::Up)
}

/// A part of an object, as a spec, at the version before. What that cannot show is lost: there is nowhere to keep it.
///
/// # Errors
/// Those of a conversion.
pub fn part_down<New, Old>(new: &New) -> Result<Old, ConvertError>
where
    New: ConvertEdge<Old> + Serialize,
    Old: DeserializeOwned,
{
    part(new, &New::SHAPE, Way::Down)
}

/// Plans and converters by the static data that they are made of, whose number is that of the program's types.
static CONVERTERS: LazyLock<Mutex<HashMap<usize, Converter>>> = LazyLock::new(Mutex::default);
static PLANS: LazyLock<Mutex<Plans>> = LazyLock::new(Mutex::default);

type Plans = HashMap<(usize, Way), Arc<Plan>>;

fn address<T>(of: &'static T) -> usize {
    std::ptr::from_ref(of).addr()
}

pub(crate) fn object<From: Serialize, To: DeserializeOwned>(
    from: &From,
    newest: &'static VersionLink,
    to: &str,
) -> Result<To, ConvertError> {
    let converter = {
        let mut known = CONVERTERS.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(address(newest))
            .or_insert_with(|| Converter::of_link(newest))
            .clone()
    };
    let mut out = String::new();
    converter.convert_valid(&write(from)?, to, &mut out)?;
    read(&out)
}

fn part<From: Serialize, To: DeserializeOwned>(
    from: &From,
    shape: &Shape,
    way: Way,
) -> Result<To, ConvertError> {
    let text = write(from)?;
    let of = match shape {
        Shape::Table(table) => address(*table),
        Shape::Manual(manual) => address(*manual),
        Shape::List(item) | Shape::Map(item) => address(*item),
        Shape::Same => return read(&text),
    };
    let plan = {
        let mut known = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            known
                .entry((of, way))
                .or_insert_with(|| Arc::new(Plan::of(shape, way))),
        )
    };
    let mut walk = Walk::default();
    let at = At {
        parent: None,
        step: Step::Name(""),
    };
    let node = walk.value(&plan, &Node::Text(&text), &at);
    match (node, walk.failed.first()) {
        (Some(node), None) => read(&node.text()),
        (_, failed) => Err(ConvertError::Typed {
            type_name: type_name::<From>(),
            reason: failed.map_or_else(String::new, |failed| {
                format!("{}: {}", display(&failed.path[1..]), failed.message)
            }),
        }),
    }
}

fn write<T: Serialize>(value: &T) -> Result<String, ConvertError> {
    serde_json::to_string(value).map_err(|error| ConvertError::Typed {
        type_name: type_name::<T>(),
        reason: error.to_string(),
    })
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, ConvertError> {
    serde_json::from_str(text).map_err(|error| ConvertError::Typed {
        type_name: type_name::<T>(),
        reason: error.to_string(),
    })
}
