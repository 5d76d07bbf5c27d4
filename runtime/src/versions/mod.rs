//! All versions of a kind as one definition, and how the server is told to convert between them.
//!
//! The newest version's type names the one before (`previous = old::Foo` in `#[kube(...)]`), and so on to the oldest.
//!
//! ```
//! mod v1alpha1 {
//!     # use kubewright::{CustomResource, schemars::JsonSchema};
//!     # use serde::{Deserialize, Serialize};
//!     #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
//!     #[kube(group = "web.example.com", version = "v1alpha1", kind = "Site", namespaced, deprecated = "use v1")]
//!     pub struct SiteSpec {
//!         pub image_name: String,
//!     }
//! }
//! mod v1 {
//!     # use kubewright::{Convert, CustomResource, schemars::JsonSchema};
//!     # use serde::{Deserialize, Serialize};
//!     use super::v1alpha1 as old;
//!
//!     #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
//!     #[kube(group = "web.example.com", version = "v1", kind = "Site", namespaced, storage, previous = old::Site)]
//!     #[convert(from = old::SiteSpec)]
//!     pub struct SiteSpec {
//!         #[convert(rename = "image_name")]
//!         pub image: String,
//!     }
//! }
//!
//! # fn main() -> Result<(), kubewright::versions::VersionsError> {
//! use kubewright::versions::{Conversion, VersionSet};
//!
//! # let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
//! let webhook = Conversion::service("web-system", "site-webhook").path("/convert").ca_bundle(pem);
//! let definition = VersionSet::<v1::Site>::crd(&webhook)?;
//! let names: Vec<&str> = definition.spec.versions.iter().map(|version| version.name.as_str()).collect();
//! assert_eq!(names, ["v1", "v1alpha1"]);
//! assert!(definition.spec.versions[0].storage);
//! # Ok(()) }
//! ```
//!
//! # Which version is stored
//!
//! The one that says `storage`; without the word in any version, the only one that does not say `storage = false`. A
//! chain in which no version or several are stored has no definition, and does not compile where [`VersionSet`] is used.
//!
//! **Invariant:** exactly one version of a definition made here is stored, and a definition without a webhook is made
//! only where all versions have one form on the wire.

mod chain;
mod complete;
mod same;
pub(crate) mod ties;

use std::marker::PhantomData;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;

use crate::convert::{VersionLink, Versioned};
use crate::crd::{self, DefinitionError, MergeError, Told};

pub use crate::endpoint::{Endpoint as Conversion, EndpointError};
pub(crate) use chain::{stored, stored_among};

/// What emitted code names.
#[doc(hidden)]
pub mod emitted {
    pub use super::chain::{checked, never};
    pub use super::complete::{Flat, NotOnWire, arrives, complete, leaves, list_key};
    pub use super::ties::{
        Through, ThroughAny, creatable, group, made, moved, nested, same_type, shown, try_group, try_way,
        value, value_of, way,
    };
}

/// All versions of a kind, of which `K` is the newest.
#[derive(Debug)]
pub struct VersionSet<K>(PhantomData<K>);

impl<K: Versioned> VersionSet<K> {
    /// Fails while the crate is compiled, unless exactly one version is stored.
    #[doc(hidden)]
    pub const STORED: &'static str = stored(K::LINK);

    /// The definition with all versions, in Kubernetes' order of priority: the most stable and newest first.
    ///
    /// Where all versions have one form on the wire, as a single version has, no webhook is asked (`strategy: None`),
    /// whether or not there is a `conversion`. Short names and categories are the newest version's.
    ///
    /// Like [`crd::of`] it does not look at the whole as a server would; [`crd::check`] does.
    ///
    /// # Errors
    /// [`VersionsError`]: the versions differ and `conversion` is `None`, or it is none that a server takes; or a
    /// version has no definition; or labels and annotations contradict each other.
    pub fn crd<'a>(
        conversion: impl Into<Option<&'a Conversion>>,
    ) -> Result<apiext::CustomResourceDefinition, VersionsError> {
        let versions = Self::definitions(conversion.into())?;
        let versions: Result<Vec<_>, _> = versions.into_iter().map(|made| Ok(made?.0)).collect();
        crd::merge(versions.map_err(VersionsError::Definition)?).map_err(VersionsError::Merge)
    }

    /// Whether objects differ between versions, so that a webhook has to convert them.
    #[must_use]
    pub fn needs_conversion() -> bool {
        let _ = Self::STORED;
        links(K::LINK).any(|link| link.previous.is_some() && !same::is_same(link))
    }

    /// The versions, the newest in the chain first.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let _ = Self::STORED;
        links(K::LINK).map(|link| link.info.version).collect()
    }

    /// The version in which objects are stored.
    #[must_use]
    pub fn stored() -> &'static str {
        Self::STORED
    }

    /// The definition of each version, the newest first, with what they share in all or in the first.
    pub(crate) fn definitions(conversion: Option<&Conversion>) -> Result<Vec<Made>, VersionsError> {
        let conversion = if Self::needs_conversion() {
            let Some(conversion) = conversion else {
                let mut versions = Self::names();
                versions.reverse();
                return Err(VersionsError::NoConversion {
                    kind: K::INFO.kind,
                    versions: versions.join(", "),
                });
            };
            conversion.stanza()?
        } else {
            // What was said of a webhook is right or wrong whether or not it is called.
            conversion.map(Conversion::stanza).transpose()?;
            apiext::CustomResourceConversion {
                strategy: "None".to_owned(),
                webhook: None,
            }
        };
        let mut definitions: Vec<Made> = links(K::LINK)
            .map(|link| made(link, K::LINK, Self::STORED))
            .collect();
        if let Some(Ok((newest, _))) = definitions.first_mut() {
            newest.spec.conversion = Some(conversion);
        }
        Ok(definitions)
    }
}

/// A version's definition, and what its types say besides.
pub(crate) type Made = Result<(apiext::CustomResourceDefinition, Told), DefinitionError>;

/// The versions, from the newest to the oldest.
pub(crate) fn links(newest: &'static VersionLink) -> impl Iterator<Item = &'static VersionLink> {
    std::iter::successors(Some(newest), |link| link.previous)
}

fn made(link: &VersionLink, newest: &VersionLink, stored: &str) -> Made {
    let (mut definition, told) = crd::made_of(link.info, link.schema)?;
    for version in &mut definition.spec.versions {
        version.storage = version.name == stored;
    }
    let names = crd::names_of(newest.info);
    definition.spec.names.short_names = names.short_names;
    definition.spec.names.categories = names.categories;
    definition.spec.names.singular = names.singular;
    Ok((definition, told))
}

/// Why versions have no common definition.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VersionsError {
    /// Objects have to be converted, and there is nobody to do it.
    #[error(
        "{kind} has versions {versions} that differ; a conversion webhook is needed: pass Conversion::service or \
         Conversion::url"
    )]
    NoConversion {
        /// The kind.
        kind: &'static str,
        /// Its versions, the oldest first.
        versions: String,
    },
    /// A server would refuse the webhook.
    #[error("the conversion webhook")]
    Conversion(#[from] EndpointError),
    /// A version's schema cannot stand in a definition.
    #[error(transparent)]
    Definition(DefinitionError),
    /// Versions contradict each other.
    #[error(transparent)]
    Merge(MergeError),
}
