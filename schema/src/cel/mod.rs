//! Rules in CEL (`x-kubernetes-validations`): types, cost, evaluation, as in kube-apiserver.

#[allow(dead_code)] // used by those who run rules
mod check;
#[allow(dead_code)] // used by those who run rules
mod cost;
#[allow(dead_code)] // used by those who run rules
mod decl;
mod declarations;
#[allow(dead_code)] // used by those who run rules
mod eval;
#[allow(dead_code)] // used by those who run rules
mod library;
#[allow(dead_code)] // used by those who run rules
mod plan;
#[allow(dead_code)] // used by those who run rules
mod run_cost;
#[allow(dead_code)] // used by those who run rules
mod types;
#[allow(dead_code)] // used by those who run rules
mod value;
