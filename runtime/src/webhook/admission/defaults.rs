//! The mutating webhook that fills in defaults (VER-42).

use std::marker::PhantomData;

use kube::core::object::HasSpec;

use super::{Admission, Allowed, Mutator, Verdict};
use crate::defaults::Defaults;
use crate::kind::Kind;

/// Fills what is absent in the specs of one kind.
pub(super) struct DefaultsOf<K>(PhantomData<fn() -> K>);

impl<K> DefaultsOf<K> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<K> Mutator for DefaultsOf<K>
where
    K: Kind + HasSpec,
    K::Spec: Defaults,
{
    type Object = K;

    async fn mutate(&self, object: &mut K, _: &Admission<K>) -> Verdict {
        object.spec_mut().set_defaults();
        Ok(Allowed::new())
    }
}
