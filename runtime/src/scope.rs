//! What is asked of a kind's scope.

use crate::kind::{Namespaced, Scope};

/// A scope with namespaces in it.
#[diagnostic::on_unimplemented(
    message = "this kind is cluster-scoped: its objects live in no namespace",
    label = "the kind has no namespaces",
    note = "leave the namespace out, and call verbs on the client itself; a custom kind becomes namespaced with `namespaced` in #[kube(...)]"
)]
pub trait HasNamespaces: Scope {}

#[diagnostic::do_not_recommend]
impl HasNamespaces for Namespaced {}
