//! Rules in CEL (`x-kubernetes-validations`): types, cost, evaluation, as in kube-apiserver.

#[allow(dead_code)] // used by the validator of rules that comes next
mod eval;
#[allow(dead_code)] // used by the validator of rules that comes next
mod library;
#[allow(dead_code)] // used by the validator of rules that comes next
mod plan;
#[allow(dead_code)] // used by the validator of rules that comes next
mod run_cost;
#[allow(dead_code)] // filled by the checker that comes next
mod types;
#[allow(dead_code)] // used by the validator of rules that comes next
mod value;
