//! Attributes to model.
