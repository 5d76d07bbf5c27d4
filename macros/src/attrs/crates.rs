//! `crates(...)`: paths that replace the defaults in emitted code.

use syn::Path;

use super::item::{Item, Value, once, split};
use super::suggest;
use crate::errors::Errors;

/// Paths as given; absent means kubewright's own.
#[derive(Clone, Default)]
pub(crate) struct Crates {
    pub(crate) kubewright: Option<Path>,
    pub(crate) kube: Option<Path>,
    pub(crate) kube_core: Option<Path>,
    pub(crate) k8s_openapi: Option<Path>,
    pub(crate) schemars: Option<Path>,
    pub(crate) serde: Option<Path>,
    pub(crate) serde_json: Option<Path>,
    pub(crate) std: Option<Path>,
}

const KEYS: &[&str] = &[
    "kubewright",
    "kube",
    "kube_core",
    "k8s_openapi",
    "schemars",
    "serde",
    "serde_json",
    "std",
];

impl Crates {
    /// Reads `crates(key = "path", ...)`.
    pub(crate) fn read(item: &Item, errors: &mut Errors) -> Self {
        let mut crates = Self::default();
        let Value::List(tokens, _) = &item.value else {
            errors.at(item.span(), "write `crates(kube = \"path\", ...)`");
            return crates;
        };
        for item in split(tokens.clone(), errors) {
            let key = item.key.to_string();
            let slot = match key.as_str() {
                "kubewright" => &mut crates.kubewright,
                "kube" => &mut crates.kube,
                "kube_core" => &mut crates.kube_core,
                "k8s_openapi" => &mut crates.k8s_openapi,
                "schemars" => &mut crates.schemars,
                "serde" => &mut crates.serde,
                "serde_json" => &mut crates.serde_json,
                "std" => &mut crates.std,
                _ => {
                    errors.at(item.key.span(), suggest::unknown("crates", &key, KEYS));
                    continue;
                }
            };
            let path = item.path(errors);
            once(slot, &item.key, path, errors);
        }
        crates
    }

    /// Paths that emitted code has no other use for, since the runtime does the work; a wrong one is still an
    /// error, at the path.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Path> {
        self.kube.iter().chain(&self.serde_json)
    }
}
