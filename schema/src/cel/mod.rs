//! Rules in CEL (`x-kubernetes-validations`): types, cost, evaluation, as in kube-apiserver.

mod check;
pub mod conditions;
mod cost;
pub(crate) mod decl;
mod declarations;
#[allow(clippy::mutable_key_type)] // keys of maps are told apart by what never changes
mod eval;
#[allow(clippy::mutable_key_type)] // keys of maps are told apart by what never changes
mod library;
#[allow(clippy::mutable_key_type)] // keys of maps are told apart by what never changes
mod plan;
pub(crate) mod rules;
pub(crate) mod run;
mod run_cost;
mod types;
#[allow(clippy::mutable_key_type)] // keys of maps are told apart by what never changes
mod value;

pub(crate) use self::rules::RuleNode;
