//! Rules in CEL (`x-kubernetes-validations`): types, cost, evaluation, as in kube-apiserver.

#[allow(dead_code)] // filled by the checker that comes next
mod decl;
#[allow(dead_code)] // filled by the checker that comes next
mod declarations;
#[allow(dead_code)] // filled by the checker that comes next
mod types;
