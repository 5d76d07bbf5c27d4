//! Rules in CEL (`x-kubernetes-validations`): types, cost, evaluation, as in kube-apiserver.

#[allow(dead_code)] // used by those who run rules
mod check;
#[allow(dead_code)] // used by those who run rules
mod cost;
#[allow(dead_code)] // used by those who run rules
pub(crate) mod decl;
mod declarations;
#[allow(dead_code)] // used by those who run rules
mod eval;
#[allow(dead_code)] // used by those who run rules
mod library;
#[allow(dead_code)] // used by those who run rules
mod plan;
pub(crate) mod rules;
pub(crate) mod run;
#[allow(dead_code)] // used by those who run rules
mod run_cost;
#[allow(dead_code)] // used by those who run rules
mod types;
#[allow(dead_code)] // used by those who run rules
mod value;

pub(crate) use self::rules::RuleNode;
