//! Rules in CEL (`x-kubernetes-validations`): types, cost, evaluation, as in kube-apiserver.

#[allow(dead_code)] // tests look at the tree and its type
mod check;
mod cost;
pub(crate) mod decl;
mod declarations;
#[allow(dead_code)] // tests look at more of the outcome
mod eval;
mod library;
mod plan;
pub(crate) mod rules;
pub(crate) mod run;
mod run_cost;
mod types;
mod value;

pub(crate) use self::rules::RuleNode;
