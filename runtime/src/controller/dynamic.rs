//! Controllers of kinds that are known at run time alone, and of what belongs to such kinds.
//!
//! ```no_run
//! # use kube::core::{DynamicObject, GroupVersionKind};
//! # use kubewright::controller::{Action, Context, Controller, Reconciler, shutdown_signal};
//! # use kubewright::{InformerFactory, kind::ObjectKey};
//! struct Audit;
//!
//! impl Reconciler for Audit {
//!     type Object = DynamicObject;
//!     type Error = kube::Error;
//!
//!     async fn reconcile(&self, key: &ObjectKey, cx: &Context<DynamicObject>) -> Result<Action, Self::Error> {
//!         if let Some(object) = cx.lister().get(key) {
//!             println!("{key}: {}", object.data["spec"]);
//!         }
//!         Ok(Action::done())
//!     }
//! }
//!
//! # async fn f(factory: InformerFactory, kinds: Vec<GroupVersionKind>) -> Result<(), Box<dyn std::error::Error>> {
//! for kind in kinds {
//!     tokio::spawn(Controller::dynamic(&factory, &kind, Audit).run());
//! }
//! # Ok(()) }
//! ```
//!
//! **Invariant:** such a controller is the same one as that of a type: only what is asked of a type there is asked of
//! the server, or of the object, here.

use kube::core::GroupVersionKind;

use super::{Controller, Predicate, Reconciler};
use crate::cache::{Dynamic, Informer, InformerFactory, WatchScope};
use crate::kind::ObjectKey;

impl<R: Reconciler<Object: Dynamic>> Controller<R> {
    /// A controller of a kind that is known at run time alone, in the factory's scope, or its namespaces: of whole objects
    /// or of their metadata, as the reconciler's type says.
    ///
    /// The server is asked where it has the kind; the workers start once it serves it, within
    /// [`sync_timeout`](Self::sync_timeout).
    pub fn dynamic(factory: &InformerFactory, kind: &GroupVersionKind, reconciler: R) -> Self {
        let scope = factory.default_scope();
        let informer = factory.dynamic_as(kind, scope.clone());
        Self::with_informer(factory, (informer, scope), None, reconciler)
    }

    /// [`dynamic`](Self::dynamic) in another scope, as [`in_scope`](Self::in_scope).
    pub fn dynamic_in_scope(
        factory: &InformerFactory,
        kind: &GroupVersionKind,
        scope: WatchScope,
        reconciler: R,
    ) -> Self {
        let informer = factory.dynamic_as(kind, Some(scope.clone()));
        Self::with_informer(factory, (informer, Some(scope.clone())), Some(scope), reconciler)
    }
}

impl<R: Reconciler> Controller<R> {
    /// [`owns`](Self::owns) for a kind that is known at run time alone: `DynamicObject`s, or, where the reconciler does not
    /// read them, `PartialObjectMeta<DynamicObject>`, which takes a cache of metadata.
    pub fn owns_dynamic<C: Dynamic>(self, kind: &GroupVersionKind) -> Self {
        let other = self.other_dynamic::<C>(kind);
        self.owns_from(other, Predicate::resource_version_changed())
    }

    /// [`watches`](Self::watches) for a kind that is known at run time alone.
    pub fn watches_dynamic<W: Dynamic>(
        self,
        kind: &GroupVersionKind,
        keys: impl Fn(&W) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        let other = self.other_dynamic(kind);
        self.watches_from(other, Predicate::resource_version_changed(), keys)
    }

    fn other_dynamic<C: Dynamic>(&self, kind: &GroupVersionKind) -> (Informer<C>, Option<WatchScope>) {
        let scope = match &self.others {
            Some(scope) => Some(scope.clone()),
            None => self.factory.default_scope(),
        };
        (self.factory.dynamic_as(kind, scope.clone()), scope)
    }
}
