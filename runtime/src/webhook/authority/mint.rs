//! Makes an authority and the one leaf that it signs.
//!
//! **Invariant:** the authority's key does not leave this module: it signs once and is dropped.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::machine::Leaf;

/// How far clocks may be apart.
const SKEW: i64 = 3600;

pub(super) fn mint(
    generation: i64,
    names: Vec<String>,
    now: i64,
    lifetime: Duration,
) -> Result<Leaf, rcgen::Error> {
    let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2);
    let (not_before, not_after) = (now - SKEW, now.saturating_add(lifetime));
    let time = |seconds: i64| {
        date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    };
    let validity = |params: &mut CertificateParams| {
        params.not_before = time(not_before);
        params.not_after = time(not_after);
    };

    let mut params = CertificateParams::default();
    validity(&mut params);
    // A name of its own: a verifier looks authorities up by name first.
    let name = format!("kubewright-webhook-{generation}");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let mut params = CertificateParams::new(names.clone())?;
    validity(&mut params);
    params
        .distinguished_name
        .push(DnType::CommonName, "kubewright-webhook");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let leaf = params.signed_by(&key, &authority)?;
    Ok(Leaf {
        generation,
        // rcgen's PEM has line breaks of its own choice; bundles are compared as texts.
        authority: authority.pem().replace("\r\n", "\n"),
        certificate: leaf.pem(),
        key: key.serialize_pem(),
        not_before,
        not_after,
        names,
    })
}
