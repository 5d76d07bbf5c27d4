//! A clientset as written: the fields of a struct, and `#[kube(crates(...))]`.

use syn::DeriveInput;

use super::crates::Crates;
use super::item::{items_of, once};
use super::suggest;
use crate::errors::Errors;

/// What may stand in `#[kube(...)]` on a clientset.
#[derive(Default)]
pub(crate) struct ClientsetAttrs {
    pub(crate) crates: Option<Crates>,
}

/// Reads the attributes of a clientset.
pub(crate) fn read(input: &DeriveInput, errors: &mut Errors) -> ClientsetAttrs {
    let mut attrs = ClientsetAttrs::default();
    for item in items_of(&input.attrs, "kube", errors) {
        if item.key == "crates" {
            let crates = Crates::read(&item, errors);
            once(&mut attrs.crates, &item.key, Some(crates), errors);
        } else {
            let key = item.key.to_string();
            errors.at(item.key.span(), suggest::unknown("kube", &key, &["crates"]));
        }
    }
    attrs
}
