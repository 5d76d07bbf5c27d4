//! What attributes mean: every default resolved, cross-attribute rules in `check`.

pub(crate) mod apply;
mod check;
pub(crate) mod clientset;
pub(crate) mod convert;
pub(crate) mod custom_resource;
pub(crate) mod defaults;
pub(crate) mod rbac;
pub(crate) mod schema;
pub(crate) mod webhook;
