//! `ip()` and `cidr()`: addresses as Go's `net/netip` reads them, with its texts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::gotext::quote;

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    pub(crate) address: IpAddr,
    pub(crate) bits: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The first `bits` bits of an address.
fn mask(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

impl Cidr {
    pub(crate) fn masked(self) -> Self {
        Self {
            address: mask(self.address, self.bits),
            bits: self.bits,
        }
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && mask(address, self.bits) == mask(self.address, self.bits)
    }

    pub(crate) fn contains_network(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }
}

fn failed(text: &str, why: &str, at: &str) -> String {
    let at = if at.is_empty() {
        String::new()
    } else {
        format!(" (at {})", quote(at))
    };
    format!("ParseAddr({}): {why}{at}", quote(text))
}

/// `fields` of an IPv4 address, which is the end of `text`.
fn parse_v4(text: &str, fields: &str) -> Result<[u8; 4], String> {
    let bytes = fields.as_bytes();
    let mut out = [0_u8; 4];
    let mut position = 0;
    let mut value = 0_u32;
    let mut digits = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let rest = fields.get(index..).unwrap_or_default();
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(failed(text, "IPv4 field has octet with leading zero", ""));
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(failed(text, "IPv4 field has value >255", ""));
                }
            }
            b'.' => {
                if index == 0 || index + 1 == bytes.len() || bytes[index - 1] == b'.' {
                    return Err(failed(text, "IPv4 field must have at least one digit", rest));
                }
                if position == 3 {
                    return Err(failed(text, "IPv4 address too long", ""));
                }
                out[position] = value.to_le_bytes()[0];
                position += 1;
                (value, digits) = (0, 0);
            }
            _ => return Err(failed(text, "unexpected character", rest)),
        }
    }
    if position < 3 {
        return Err(failed(text, "IPv4 address too short", ""));
    }
    out[3] = value.to_le_bytes()[0];
    Ok(out)
}

/// An IPv6 address, and whether a zone follows.
fn parse_v6(text: &str) -> Result<(Ipv6Addr, bool), String> {
    let fail = |why: &str, at: &str| Err(failed(text, why, at));
    let (mut rest, zone) = match text.split_once('%') {
        Some((_, "")) => return fail("zone must be a non-empty string", ""),
        Some((rest, _)) => (rest, true),
        None => (text, false),
    };
    let mut groups: Vec<u8> = Vec::with_capacity(16);
    let mut ellipsis = None;
    if let Some(after) = rest.strip_prefix("::") {
        ellipsis = Some(0);
        rest = after;
        if rest.is_empty() {
            return Ok((Ipv6Addr::UNSPECIFIED, zone));
        }
    }
    while groups.len() < 16 {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        if end > 4 {
            return fail("each group must have 4 or less digits", rest);
        }
        if end == 0 {
            return fail("each colon-separated field must have at least one digit", rest);
        }
        if rest[end..].starts_with('.') {
            if ellipsis.is_none() && groups.len() != 12 {
                return fail(
                    "embedded IPv4 address must replace the final 2 fields of the address",
                    rest,
                );
            }
            if groups.len() > 12 {
                return fail(
                    "too many hex fields to fit an embedded IPv4 at the end of the address",
                    rest,
                );
            }
            groups.extend(parse_v4(text, rest)?);
            rest = "";
            break;
        }
        let group = u16::from_str_radix(&rest[..end], 16).unwrap_or_default();
        groups.extend(group.to_be_bytes());
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
        let Some(after) = rest.strip_prefix(':') else {
            return fail("unexpected character, want colon", rest);
        };
        if after.is_empty() {
            return fail("colon must be followed by more characters", rest);
        }
        rest = after;
        if let Some(after) = rest.strip_prefix(':') {
            if ellipsis.is_some() {
                return fail("multiple :: in address", rest);
            }
            ellipsis = Some(groups.len());
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    if !rest.is_empty() {
        return fail("trailing garbage after address", rest);
    }
    match ellipsis {
        None if groups.len() < 16 => return fail("address string too short", ""),
        Some(_) if groups.len() >= 16 => {
            return fail("the :: must expand to at least one field of zeros", "");
        }
        Some(at) => {
            let missing = 16 - groups.len();
            groups.splice(at..at, std::iter::repeat_n(0, missing));
        }
        None => {}
    }
    let octets: [u8; 16] = groups.try_into().unwrap_or_default();
    Ok((Ipv6Addr::from(octets), zone))
}

/// An address, and whether it has a zone.
pub(super) fn parse_any(text: &str) -> Result<(IpAddr, bool), String> {
    match text.find(['.', ':', '%']).map(|at| text.as_bytes()[at]) {
        Some(b'.') => parse_v4(text, text).map(|octets| (IpAddr::from(octets), false)),
        Some(b':') => parse_v6(text).map(|(address, zone)| (IpAddr::V6(address), zone)),
        Some(_) => Err(failed(text, "missing IPv6 address", "")),
        None => Err(failed(text, "unable to parse IP", "")),
    }
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// `ip(text)`.
///
/// # Errors
/// Upstream's text.
pub(crate) fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let (address, zone) = parse_any(text).map_err(|error| {
        format!(
            "IP Address {} parse error during conversion from string: {error}",
            quote(text)
        )
    })?;
    if zone {
        return Err(format!(
            "IP address {} with zone value is not allowed",
            quote(text)
        ));
    }
    if is_mapped(address) {
        return Err(format!("IPv4-mapped IPv6 address {} is not allowed", quote(text)));
    }
    Ok(address)
}

/// `cidr(text)`, whose texts say twice what went wrong.
///
/// # Errors
/// Upstream's text.
pub(crate) fn parse_cidr(text: &str) -> Result<Cidr, String> {
    const CONTEXT: &str = "network address parse error during conversion from string: ";
    let network = parse_prefix(text)
        .map_err(|why| format!("{CONTEXT}{CONTEXT}netip.ParsePrefix({}): {why}", quote(text)))?;
    if is_mapped(network.address) {
        return Err(format!(
            "{CONTEXT}IPv4-mapped IPv6 address {} is not allowed",
            quote(text)
        ));
    }
    Ok(network)
}

fn parse_prefix(text: &str) -> Result<Cidr, String> {
    let Some((address, bits)) = text.rsplit_once('/') else {
        return Err("no '/'".to_owned());
    };
    let (address, zone) = parse_any(address)?;
    if zone {
        return Err("IPv6 zones cannot be present in a prefix".to_owned());
    }
    let well_formed = !bits.is_empty()
        && bits.bytes().all(|byte| byte.is_ascii_digit())
        && (bits.len() == 1 || !bits.starts_with('0'));
    let number = if well_formed {
        bits.parse::<i64>().ok()
    } else {
        None
    };
    let Some(number) = number else {
        return Err(format!("bad bits after slash: {}", quote(bits)));
    };
    let max = if address.is_ipv4() { 32 } else { 128 };
    match u8::try_from(number) {
        Ok(bits) if bits <= max => Ok(Cidr { address, bits }),
        _ => Err("prefix length out of range".to_owned()),
    }
}

/// Whether the address is in 224.0.0.0/24 or among the IPv6 ones of link-local scope.
pub(crate) fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    }
}

pub(crate) fn is_link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether the address is a unicast one beyond the link, private ones included.
pub(crate) fn is_global_unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(broadcast
        || address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || is_link_local_unicast(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of Go 1.26.
    #[test]
    fn addresses() {
        for fine in [
            "1.2.3.4",
            "::1",
            "fe80::1",
            "1:2:3:4:5:6:7:8",
            "::1.2.3.4",
            "64:ff9b::1.2.3.4",
        ] {
            assert!(parse_ip(fine).is_ok(), "{fine}");
        }
        for (text, why) in [
            ("1.2.3", "ParseAddr(\"1.2.3\"): IPv4 address too short"),
            ("1.2.3.256", "ParseAddr(\"1.2.3.256\"): IPv4 field has value >255"),
            (
                "01.2.3.4",
                "ParseAddr(\"01.2.3.4\"): IPv4 field has octet with leading zero",
            ),
            ("x", "ParseAddr(\"x\"): unable to parse IP"),
            (
                "1::2::3",
                "ParseAddr(\"1::2::3\"): multiple :: in address (at \":3\")",
            ),
            ("1:2", "ParseAddr(\"1:2\"): address string too short"),
        ] {
            assert_eq!(
                parse_ip(text).unwrap_err(),
                format!(
                    "IP Address {} parse error during conversion from string: {why}",
                    quote(text)
                )
            );
        }
        assert_eq!(
            parse_ip("::ffff:1.2.3.4").unwrap_err(),
            "IPv4-mapped IPv6 address \"::ffff:1.2.3.4\" is not allowed"
        );
        assert_eq!(
            parse_ip("fe80::1%eth0").unwrap_err(),
            "IP address \"fe80::1%eth0\" with zone value is not allowed"
        );
    }

    #[test]
    fn networks() {
        let network = parse_cidr("192.168.1.7/24").unwrap();
        assert_eq!(network.masked().to_string(), "192.168.1.0/24");
        assert!(network.contains(parse_ip("192.168.1.255").unwrap()));
        assert!(!network.contains(parse_ip("::1").unwrap()));
        assert!(parse_cidr("0.0.0.0/0").unwrap().contains_network(network));
        assert_eq!(
            parse_cidr("1.2.3.4/33").unwrap_err(),
            "network address parse error during conversion from string: network address parse error during conversion \
             from string: netip.ParsePrefix(\"1.2.3.4/33\"): prefix length out of range"
        );
    }
}
