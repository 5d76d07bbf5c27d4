//! Where a client's verbs act, as a type.
//!
//! **Invariant:** a verb on a single object of a namespaced kind compiles only where a namespace was chosen,
//! and no namespace can be chosen for a cluster-scoped kind.

use crate::kind::{Cluster, Namespaced};

/// No namespace chosen: where every client begins, and all that cluster-scoped kinds need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unplaced;

/// One namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InNamespace(pub(super) Box<str>);

/// Every namespace, for lists and watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllNamespaces;

/// [`Unplaced`], [`InNamespace`] or [`AllNamespaces`].
pub trait Place: Clone + Send + Sync + sealed::Sealed {
    /// The namespace, where there is one.
    fn namespace(&self) -> Option<&str>;
}

impl Place for Unplaced {
    fn namespace(&self) -> Option<&str> {
        None
    }
}

impl Place for InNamespace {
    fn namespace(&self) -> Option<&str> {
        Some(&self.0)
    }
}

impl Place for AllNamespaces {
    fn namespace(&self) -> Option<&str> {
        None
    }
}

/// A place where single objects of scope `S` are: one namespace for namespaced kinds.
#[diagnostic::on_unimplemented(
    message = "this verb needs a namespace: objects of a namespaced kind live in one",
    label = "no namespace chosen",
    note = "choose it first: `.namespace(\"default\")`"
)]
pub trait HoldsObjects<S>: Place {}

#[diagnostic::do_not_recommend]
impl HoldsObjects<Cluster> for Unplaced {}
#[diagnostic::do_not_recommend]
impl HoldsObjects<Namespaced> for InNamespace {}

/// A place whose objects of scope `S` can be listed and watched.
#[diagnostic::on_unimplemented(
    message = "this verb needs a namespace, or all of them: the kind is namespaced",
    label = "no namespace chosen",
    note = "choose first: `.namespace(\"default\")` or `.all_namespaces()`"
)]
pub trait HoldsLists<S>: Place {}

#[diagnostic::do_not_recommend]
impl HoldsLists<Cluster> for Unplaced {}
#[diagnostic::do_not_recommend]
impl HoldsLists<Namespaced> for InNamespace {}
#[diagnostic::do_not_recommend]
impl HoldsLists<Namespaced> for AllNamespaces {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Unplaced {}
    impl Sealed for super::InNamespace {}
    impl Sealed for super::AllNamespaces {}
}
