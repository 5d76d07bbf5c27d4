//! The one thing that is asked of a certificate besides what rustls knows of it: from when until when it is valid.
//!
//! **Invariant:** any bytes are answered; what cannot be read is `None`.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// When a certificate is valid, both ends included, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// RFC 5280, 4.1: `Certificate { TBSCertificate { [0] version?, serial, signature, issuer, validity, … }, … }`.
pub(super) fn validity(certificate: &[u8]) -> Option<Validity> {
    let (mut certificate, _) = expect(certificate, SEQUENCE)?;
    let (tbs, _) = expect(take(&mut certificate)?, SEQUENCE)?;
    let mut rest = tbs;
    if rest.first() == Some(&VERSION) {
        take(&mut rest)?;
    }
    for _serial_signature_issuer in 0..3 {
        take(&mut rest)?;
    }
    let (mut validity, _) = expect(rest, SEQUENCE)?;
    Some(Validity {
        not_before: time(take(&mut validity)?)?,
        not_after: time(take(&mut validity)?)?,
    })
}

/// The next element of `rest`, header included.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (header, length) = header(rest)?;
    let end = header.checked_add(length)?;
    let element = rest.get(..end)?;
    *rest = &rest[end..];
    Some(element)
}

/// The content of the element that `bytes` begins with, and what follows it.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if bytes.first() != Some(&tag) {
        return None;
    }
    let (header, length) = header(bytes)?;
    let end = header.checked_add(length)?;
    Some((bytes.get(header..end)?, &bytes[end..]))
}

/// How long the header is, and the content.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*bytes.get(1)?);
    if first < 0x80 {
        return Some((2, first));
    }
    let octets = first & 0x7f;
    if octets == 0 || octets > 4 {
        return None;
    }
    let length = bytes.get(2..2 + octets)?;
    let length = length
        .iter()
        .fold(0, |length, octet| (length << 8) | usize::from(*octet));
    Some((2 + octets, length))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, the two forms that RFC 5280 allows.
fn time(element: &[u8]) -> Option<i64> {
    let tag = *element.first()?;
    let (text, _) = expect(element, tag)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest): (i16, &str) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i16 = text[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let two = |at: usize| rest[at..at + 2].parse::<i8>().ok();
    let time = DateTime::new(year, two(0)?, two(2)?, two(4)?, two(6)?, two(8)?, 0).ok()?;
    // 9999-12-31T23:59:59Z means "never"; it is beyond what a timestamp may be.
    let never = jiff::Timestamp::MAX.as_second();
    Some(
        TimeZone::UTC
            .to_timestamp(time)
            .map_or(never, jiff::Timestamp::as_second),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(not_before: u64, not_after: u64) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(not_before);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(not_after);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn ver_33_both_forms_of_time_are_read() {
        // Until 2049 in two digits, after it in four.
        for (not_before, not_after) in [
            (0, 1),
            (1_700_000_000, 1_900_000_000),
            (1_700_000_000, 4_000_000_000),
        ] {
            let expected = Validity {
                not_before: i64::try_from(not_before).unwrap(),
                not_after: i64::try_from(not_after).unwrap(),
            };
            assert_eq!(validity(&certificate(not_before, not_after)), Some(expected));
        }
    }

    #[test]
    fn ver_33_a_certificate_without_end_has_one_far_away() {
        let mut never = certificate(1_700_000_000, 4_000_000_000);
        let at = never
            .windows(2)
            .rposition(|pair| pair == [GENERALIZED_TIME, 15])
            .unwrap();
        never[at + 2..at + 17].copy_from_slice(b"99991231235959Z");
        assert_eq!(
            validity(&never).unwrap().not_after,
            jiff::Timestamp::MAX.as_second()
        );
    }

    proptest! {
        #[test]
        fn ver_33_broken_certificates_are_answered(at in 0_usize..200, byte: u8, length in 0_usize..400) {
            let mut broken = certificate(1, 2);
            broken[at] = byte;
            broken.truncate(length);
            let _ = validity(&broken);
        }
    }
}
