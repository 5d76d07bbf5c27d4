//! Certificates and keys as texts: what may be served, and what may be written as a `caBundle` (VER-33, VER-35).
//!
//! **Invariant:** a [`Bundle`] holds at least one certificate and nothing that is none.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::x509::{self, Validity};
use crate::pem::blocks;

/// Why a certificate and a key cannot be served together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// The text of the certificate is not PEM.
    #[error("the certificate is not PEM")]
    CertificateText(#[source] pem::Error),
    /// It holds no certificate.
    #[error("the certificate's text has no CERTIFICATE block")]
    NoCertificate,
    /// The first certificate is broken.
    #[error("the certificate's validity cannot be read")]
    Validity,
    /// The text of the key is not PEM, or holds no key.
    #[error("the key is not PEM of a private key")]
    KeyText(#[source] pem::Error),
    /// The key is of a kind that is not served, or not that of the certificate.
    #[error("the key cannot be used with the certificate")]
    Key(#[source] rustls::Error),
    /// The certificate has expired, and another one is served.
    #[error("the certificate has expired")]
    Expired,
}

/// A chain of certificates and its key, ready to be served.
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) validity: Validity,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl Pair {
    pub(super) fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(PairError::CertificateText)?;
        let leaf = chain.first().ok_or(PairError::NoCertificate)?;
        let validity = x509::validity(leaf).ok_or(PairError::Validity)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(PairError::KeyText)?;
        let key = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
            .map_err(PairError::Key)?;
        Ok(Self {
            key: Arc::new(key),
            validity,
        })
    }
}

/// Why a text is no bundle of authorities.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Nothing, or only white space: a server would take it for an authority that signs nothing.
    #[error("a bundle of authorities is empty; leave it out, or give PEM of at least one certificate")]
    Empty,
    /// Not PEM, or something else than certificates in it.
    #[error("a bundle of authorities must be PEM of certificates and nothing else: {0}")]
    Text(String),
    /// A certificate that cannot be an authority.
    #[error("certificate {index} of the bundle cannot be read")]
    Certificate {
        /// Which one, from 0.
        index: usize,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// A checked `caBundle`: PEM of the authorities that a server shall trust (VER-35).
///
/// ```
/// use kubewright::webhook::Bundle;
///
/// let error = Bundle::parse(" \n").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "a bundle of authorities is empty; leave it out, or give PEM of at least one certificate"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    certificates: Vec<String>,
}

impl Bundle {
    /// Reads PEM of one or more certificates.
    ///
    /// # Errors
    /// Where it is empty, not PEM, holds something else (a key, say), or a certificate that cannot be read.
    pub fn parse(text: &str) -> Result<Self, BundleError> {
        if text.trim().is_empty() {
            return Err(BundleError::Empty);
        }
        let certificates = blocks(text).map_err(BundleError::Text)?;
        let bundle = Self { certificates };
        bundle.roots()?;
        Ok(bundle)
    }

    /// The certificates, as what a client trusts.
    pub(super) fn roots(&self) -> Result<RootCertStore, BundleError> {
        let mut roots = RootCertStore::empty();
        for (index, block) in self.certificates.iter().enumerate() {
            let der = CertificateDer::from_pem_slice(block.as_bytes())
                .map_err(|error| BundleError::Text(error.to_string()))?;
            roots
                .add(der)
                .map_err(|source| BundleError::Certificate { index, source })?;
        }
        Ok(roots)
    }

    /// Its certificates, each in PEM of one form whatever it was read from.
    pub(super) fn certificates(&self) -> &[String] {
        &self.certificates
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.certificates.iter().try_for_each(|block| f.write_str(block))
    }
}

impl From<Bundle> for Vec<u8> {
    fn from(bundle: Bundle) -> Self {
        bundle.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn ver_33_a_pair_must_fit_together() {
        let ((a, a_key), (_, b_key)) = (pair(), pair());
        assert!(Pair::from_pem(a.as_bytes(), a_key.as_bytes()).is_ok());
        let refused = |certificate: &str, key: &str| {
            Pair::from_pem(certificate.as_bytes(), key.as_bytes()).expect_err("it is refused")
        };
        assert!(matches!(refused(&a, &b_key), PairError::Key(_)));
        assert!(matches!(refused("", &a_key), PairError::NoCertificate));
        assert!(matches!(refused(&a, ""), PairError::KeyText(_)));
        assert!(matches!(refused(&a, "\u{0}"), PairError::KeyText(_)));
        assert!(matches!(
            refused(&a[..a.len() / 2], &a_key),
            PairError::CertificateText(_)
        ));
    }

    #[test]
    fn ver_35_only_certificates_make_a_bundle() {
        let ((a, a_key), (b, _)) = (pair(), pair());
        let both = format!("\r\n{}\n\n  {b}", a.replace('\n', "\r\n"));
        let bundle = Bundle::parse(&both).unwrap();
        assert_eq!(bundle.certificates().len(), 2);
        assert_eq!(bundle, Bundle::parse(&bundle.to_string()).unwrap());

        for empty in ["", " ", "\n\t\r\n"] {
            assert!(
                matches!(Bundle::parse(empty), Err(BundleError::Empty)),
                "{empty:?}"
            );
        }
        let message = |text: &str| Bundle::parse(text).unwrap_err().to_string();
        for (text, end) in [
            ("bm90IFBFTQ==", "line 1 is outside of a CERTIFICATE block"),
            (&format!("{a}{a_key}"), "is outside of a CERTIFICATE block"),
            (&a[..a.len() - 5], "is within a CERTIFICATE block that has no end"),
            (&a[..100], "the last CERTIFICATE block has no end"),
        ] {
            assert!(message(text).ends_with(end), "{}", message(text));
        }
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            message(&format!("{a}{garbage}")),
            "certificate 1 of the bundle cannot be read"
        );
    }
}
