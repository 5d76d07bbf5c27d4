//! What attributes mean: every default resolved, cross-attribute rules in `check`.

pub(crate) mod check;
pub(crate) mod custom_resource;
