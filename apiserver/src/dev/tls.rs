//! Certificates of one server: its own authority, made at start and never written to disk.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Why the certificates could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Generating or signing a certificate.
    #[error("generate a certificate")]
    Certificate(#[from] rcgen::Error),
    /// Putting them to use.
    #[error("configure TLS")]
    Config(#[from] rustls::Error),
    /// Setting up the check of client certificates.
    #[error("configure the check of client certificates")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// What a server with TLS has, and what its administrator gets.
pub(super) struct Certificates {
    /// PEM of the authority.
    pub(super) ca: String,
    /// PEM of the administrator's certificate, of group `system:masters`.
    pub(super) client: String,
    /// PEM of its key.
    pub(super) client_key: String,
    /// The administrator's certificate as a connection shows it.
    pub(super) client_der: CertificateDer<'static>,
    /// The server's side.
    pub(super) config: Arc<ServerConfig>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Certificates {
    /// Makes an authority, a serving certificate for `address` and loopback names, and the administrator's one.
    pub(super) fn generate(address: IpAddr) -> Result<Self, TlsError> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "kubewright-dev-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let mut names: Vec<String> = [
            "localhost",
            "kubernetes",
            "kubernetes.default.svc",
            "127.0.0.1",
            "::1",
        ]
        .map(str::to_owned)
        .into();
        let address = address.to_string();
        if !names.contains(&address) {
            names.push(address);
        }
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "kubewright-dev");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_key = KeyPair::generate()?;
        let server = params.signed_by(&server_key, &authority)?;

        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::OrganizationName, super::MASTERS);
        params.distinguished_name.push(DnType::CommonName, super::ADMIN);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client_key = KeyPair::generate()?;
        let client = params.signed_by(&client_key, &authority)?;

        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // A connection without certificate may still bring a token.
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![server.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            ca: authority.pem(),
            client: client.pem(),
            client_key: client_key.serialize_pem(),
            client_der: client.der().clone(),
            config: Arc::new(config),
        })
    }
}
