//! Attributes as written: spanned, optional, no defaults, no judgement.

pub(crate) mod apply;
pub(crate) mod clientset;
pub(crate) mod convert;
pub(crate) mod crates;
pub(crate) mod custom_resource;
pub(crate) mod defaults;
pub(crate) mod form;
pub(crate) mod item;
pub(crate) mod json;
pub(crate) mod rbac;
pub(crate) mod rule;
pub(crate) mod schema;
pub(crate) mod serde;
pub(crate) mod suggest;
pub(crate) mod webhook;
