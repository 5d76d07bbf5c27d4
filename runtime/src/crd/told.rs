//! What a kind's types say besides their schema: what is doubtful in them, and which findings are passed over.
//!
//! **Invariant:** what a server refuses or drops is told, whoever passes over it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright_schema::build::{Allowed, Built};
use kubewright_schema::{Lint, is_final};

use super::info::KindInfo;

/// Of one version of a kind.
#[derive(Debug, Default)]
pub(crate) struct Told {
    version: &'static str,
    /// Rules passed over for the whole kind: those of its spec's type, which carries the kind's attributes.
    kind: Vec<&'static str>,
    /// Rules passed over in parts of the schema.
    parts: Vec<Allowed>,
    /// Findings whose paths begin at the schema.
    notes: Vec<Lint>,
}

impl Told {
    pub(super) fn new(info: &KindInfo, built: Option<&Built>) -> Self {
        let parts = built.map(|built| built.allowed.clone()).unwrap_or_default();
        let spec = if info.flat { "" } else { ".properties[spec]" };
        let of_spec = parts.iter().filter(|part| part.path == spec);
        Self {
            version: info.version,
            kind: of_spec.flat_map(|part| part.ids.iter().copied()).collect(),
            parts,
            notes: built.map(|built| built.notes.clone()).unwrap_or_default(),
        }
    }
}

/// The findings of the definition as a whole and those of its types, without what the types pass over.
pub(super) fn sift(definition: &CustomResourceDefinition, found: Vec<Lint>, told: &[Told]) -> Vec<Lint> {
    let versions = &definition.spec.versions;
    let of_types = told.iter().flat_map(|told| {
        let place = versions.iter().position(|version| version.name == told.version);
        told.notes.iter().map(move |note| {
            let mut note = note.clone();
            note.path = format!("{}{}", schema_path(place.unwrap_or_default()), note.path);
            note
        })
    });
    let mut all: Vec<Lint> = found.into_iter().chain(of_types).collect();
    all.retain(|lint| {
        is_final(lint.id)
            || !told.iter().any(|told| {
                let place = versions.iter().position(|version| version.name == told.version);
                place.is_some_and(|place| told.passes_over(lint, place))
            })
    });
    all
}

impl Told {
    /// Whether the types of the version at `place` pass over a finding.
    fn passes_over(&self, lint: &Lint, place: usize) -> bool {
        let of_version = lint.path.strip_prefix("spec.versions[");
        let here = of_version.is_none_or(|rest| rest.starts_with(&format!("{place}]")));
        if here && self.kind.contains(&lint.id) {
            return true;
        }
        let Some(rest) = lint.path.strip_prefix(&schema_path(place)) else {
            return false;
        };
        self.parts.iter().any(|part| {
            let below = rest.strip_prefix(&part.path);
            part.ids.contains(&lint.id) && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

fn schema_path(place: usize) -> String {
    format!("spec.versions[{place}].schema.openAPIV3Schema")
}
