//! Strings: by format, by pattern, or of any characters.

use proptest::prelude::*;
use regex_syntax::hir::{Hir, HirKind};

use crate::format::Format;
use crate::regexp;
use crate::structural::Checks;

/// Characters beyond the least length that are drawn, where there is no limit or a wider one.
const MORE_CHARACTERS: i64 = 12;
/// Lengths up to which the limit itself is drawn, too.
const LONG: i64 = 300;

/// Keys of maps.
pub(super) fn keys() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z][a-z0-9-]{0,6}", 1 => "[a-z./é ]{1,8}"]
}

/// Strings that fit the checks, or nearly so.
pub(super) fn strings<'n>(all: impl Iterator<Item = &'n Checks> + Clone) -> BoxedStrategy<String> {
    let format = all.clone().find_map(|checks| checks.format.as_ref()?.0.sample());
    if let Some(pattern) = format {
        return pattern_of(pattern).unwrap_or_else(|| any_string(0, None));
    }
    let shortest = all
        .clone()
        .filter_map(|checks| checks.min_length)
        .max()
        .unwrap_or(0)
        .max(0);
    let longest = all.clone().filter_map(|checks| checks.max_length).min();
    if let Some(drawn) = all
        .filter_map(|checks| checks.pattern.as_ref())
        .find_map(|pattern| pattern_of(&regexp::translate(pattern.source()).ok()?))
    {
        return drawn
            .prop_filter("too short or too long", move |text| {
                let length = text.chars().count() as i64;
                length >= shortest && longest.is_none_or(|longest| length <= longest)
            })
            .boxed();
    }
    any_string(shortest, longest)
}

fn any_string(shortest: i64, longest: Option<i64>) -> BoxedStrategy<String> {
    let most = longest
        .unwrap_or(i64::MAX)
        .min(shortest.saturating_add(MORE_CHARACTERS))
        .max(shortest);
    let sizes = shortest as usize..=most as usize;
    let characters = |sizes: std::ops::RangeInclusive<usize>| {
        proptest::collection::vec(
            prop_oneof![
                6 => proptest::char::range('a', 'z'),
                1 => proptest::sample::select(vec![' ', '"', '\\', '\n', '/', '{', '0', '\u{7f}']),
                1 => proptest::sample::select(vec!['é', 'ß', '漢', '\u{2028}', '🦀', '\u{301}']),
            ],
            sizes,
        )
        .prop_map(|characters| characters.into_iter().collect::<String>())
    };
    match longest.filter(|longest| (most..=LONG).contains(longest)) {
        Some(longest) => prop_oneof![
            6 => characters(sizes),
            1 => characters(longest as usize..=longest as usize),
        ]
        .boxed(),
        None => characters(sizes).boxed(),
    }
}

/// Strings that match a whole pattern of the `regex` crate; `None` for one that no string matches.
fn pattern_of(pattern: &str) -> Option<BoxedStrategy<String>> {
    let parsed = regex_syntax::Parser::new().parse(pattern).ok()?;
    let strings = proptest::string::string_regex_parsed(&unanchored(&parsed)).ok()?;
    Some(strings.boxed())
}

/// The pattern without assertions, which say nothing about the characters that are drawn; those for which they say more
/// are found by the check of the result.
fn unanchored(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(_) => Hir::empty(),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
        HirKind::Repetition(repetition) => {
            let mut repetition = repetition.clone();
            // What has no end, or one far away, is drawn short.
            let near = repetition.min.saturating_add(8);
            repetition.max = Some(repetition.max.map_or(near, |max| max.min(near)));
            repetition.sub = Box::new(unanchored(&repetition.sub));
            Hir::repetition(repetition)
        }
        HirKind::Capture(capture) => unanchored(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(unanchored).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(unanchored).collect()),
    }
}

impl Format {
    /// A pattern of the `regex` crate all of whose strings have the format, or nearly all; `None` where every string has
    /// it, or none can be made so.
    fn sample(self) -> Option<&'static str> {
        Some(match self {
            Self::BsonObjectId => "[0-9a-f]{24}",
            Self::Uri => "https://[a-z]{1,8}\\.example\\.com(/[a-z0-9]{0,5}){0,2}",
            Self::Email => "[a-z]{1,8}@[a-z]{1,8}\\.com",
            Self::Hostname => "[a-z]{1,8}(\\.[a-z]{2,5}){1,2}",
            Self::Ipv4 => "(10|192|127|255|0)(\\.(0|1|9|10|99|200|255)){3}",
            Self::Ipv6 => "::1|fe80::[1-9a-f]{1,4}|2001:db8(:[1-9a-f]{1,4}){6}",
            Self::Cidr => "10\\.(0|1|200)\\.0\\.0/(16|24|32)",
            Self::Mac => "[0-9a-f]{2}(:[0-9a-f]{2}){5}",
            Self::Uuid | Self::Uuid4 => "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            Self::Uuid3 => "[0-9a-f]{8}-[0-9a-f]{4}-3[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            Self::Uuid5 => "[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            Self::Isbn | Self::Isbn10 => "0306406152|0131103628|080442957X",
            Self::Isbn13 => "9780306406157|9780131103627",
            Self::CreditCard => "4111111111111111|5555555555554444",
            Self::Ssn => "[1-8][0-9]{2}-[1-9][0-9]-[1-9][0-9]{3}",
            Self::HexColor => "#[0-9a-f]{6}",
            Self::RgbColor => "rgb\\((0|9|255),(0|10|255),(0|99|255)\\)",
            Self::Byte => "([A-Za-z0-9+/]{4}){0,4}",
            Self::Date => "(19[0-9]{2}|20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
            Self::Duration => "[1-9][0-9]{0,3}(ms|s|m|h)",
            Self::DateTime => {
                "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6}|)(Z|\\+02:00)"
            }
            Self::ShortName => "[a-z]([a-z0-9-]{0,8}[a-z0-9]|)",
            Self::LongName => "[a-z]([a-z0-9-]{0,8}[a-z0-9]|)(\\.[a-z]{1,5}){0,2}",
            Self::Int32 | Self::Int64 | Self::Float | Self::Double | Self::Password | Self::Unchecked => {
                return None;
            }
        })
    }
}

/// All formats of strings, for the test that each has samples.
#[cfg(test)]
pub(super) const NAMES: &[&str] = &[
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "date-time",
    "k8s-short-name",
    "k8s-long-name",
];
