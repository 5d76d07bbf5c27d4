//! Watches whose keys are found in what objects say: labels, annotations, owners, an index.

use super::source::{self, Owned};
use super::{Controller, Predicate, Reconciler};
use crate::cache::{Lister, UnknownIndex};
use crate::kind::{Kind, ObjectKey};

impl<R: Reconciler> Controller<R> {
    /// Reconciles the object that the label `label` of each changed `W` names, in the namespace of the `W`.
    ///
    /// As with [`watches`](Self::watches) the old and the new state count, so that the object which a label named before
    /// is told as well.
    pub fn watches_by_label<W: Kind>(self, label: impl Into<String>) -> Self {
        let (label, of) = (label.into(), self.informer.target().clone());
        self.watches::<W>(move |object| {
            let meta = object.meta();
            let name = meta.labels.as_ref().and_then(|labels| labels.get(&label));
            name.filter(|name| !name.is_empty())
                .map(|name| of.key(meta.namespace.as_deref(), name))
                .into_iter()
                .collect()
        })
    }

    /// Reconciles the objects that the annotation `annotation` of each changed `W` names: `name` in the namespace of the
    /// `W`, or `namespace/name`; several with commas between them.
    pub fn watches_by_annotation<W: Kind>(self, annotation: impl Into<String>) -> Self {
        let (annotation, of) = (annotation.into(), self.informer.target().clone());
        self.watches::<W>(move |object| {
            let meta = object.meta();
            let text = meta
                .annotations
                .as_ref()
                .and_then(|annotations| annotations.get(&annotation));
            let names = text.into_iter().flat_map(|text| text.split(','));
            names
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(|name| match name.split_once('/') {
                    Some((namespace, name)) => of.key(Some(namespace), name),
                    None => of.key(meta.namespace.as_deref(), name),
                })
                .collect()
        })
    }

    /// Reconciles the objects for which the index `index` of their cache gives one of the values that `values` gives for
    /// a changed `W`: for references that stand in the reconciled objects, such as the name of a Secret in a spec.
    ///
    /// ```no_run
    /// # use k8s_openapi::api::core::v1::{ConfigMap, Pod};
    /// # use kubewright::{Controller, InformerFactory, Reconciler};
    /// # fn f<R: Reconciler<Object = Pod>>(factory: &InformerFactory, reconciler: R) -> Result<(), Box<dyn std::error::Error>> {
    /// factory.informer::<Pod>().add_index("by-config", |pod: &Pod| {
    ///     let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    ///     volumes.filter_map(|volume| Some(volume.config_map.as_ref()?.name.clone())).collect()
    /// })?;
    /// let controller = Controller::new(factory, reconciler)
    ///     .watches_by_index::<ConfigMap>("by-config", |map| map.metadata.name.iter().cloned().collect())?;
    /// # Ok(()) }
    /// ```
    ///
    /// An index knows no namespaces; values that hold one keep objects of different namespaces apart.
    ///
    /// # Errors
    /// [`UnknownIndex`] where the cache of the reconciled kind has no index of that name yet.
    pub fn watches_by_index<W: Kind>(
        mut self,
        index: impl Into<String>,
        values: impl Fn(&W) -> Vec<String> + Send + Sync + 'static,
    ) -> Result<Self, UnknownIndex> {
        let index = index.into();
        self.informer.lister().by_index(&index, "")?;
        let (informer, scope) = self.other::<W>();
        let role = self.follow(&informer, scope.as_ref());
        let keys = move |object: &W, lister: &Lister<R::Object>| {
            let found = values(object).into_iter().flat_map(|value| {
                // Indexes are never taken away.
                lister.by_index(&index, &value).unwrap_or_default()
            });
            let mut keys: Vec<_> = found.map(|object| ObjectKey::of(&*object)).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        let predicate = Predicate::resource_version_changed();
        self.sources.push(source::mapped(informer, role, predicate, keys));
        Ok(self)
    }

    /// [`owns`](Self::owns) for all owner references, not the one of the controller alone.
    pub fn watches_by_owner<C: Kind>(mut self) -> Self {
        let (informer, scope) = self.other::<C>();
        let role = self.follow(&informer, scope.as_ref());
        let predicate = Predicate::resource_version_changed();
        self.sources.push(source::owned(
            informer,
            role,
            predicate,
            (Owned::ByAny, self.informer.target()),
        ));
        self
    }
}
