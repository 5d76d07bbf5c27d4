//! Times and durations, as Go reads, writes and computes them.
//!
//! Time zones come from the system's tz database (`/usr/share/zoneinfo`), as on an API server; where there is none, only
//! UTC and offsets such as `+02:00` are known.
//!
//! **Invariant:** a timestamp that arithmetic yields lies in the years 1 to 9999.

use std::fmt::Write as _;

use super::super::value::{Failure, Outcome, Value};
use crate::duration::NANOS;
use crate::gotext;

/// Seconds of `0001-01-01T00:00:00Z`.
const MIN_SECONDS: i64 = -62_135_596_800;
/// Seconds of `9999-12-31T23:59:59Z`.
const MAX_SECONDS: i64 = 253_402_300_799;
const DAY: i64 = 86_400;

/// An instant, and the offset with which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Since 1970.
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
    /// Seconds east of UTC.
    pub(crate) offset: i32,
}

/// A time of day in some zone.
struct Civil {
    year: i64,
    month: u32,
    day: u32,
    day_of_year: i64,
    weekday: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the date in the Gregorian calendar, after Howard Hinnant's `days_from_civil`.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = i64::from((month + 9) % 12);
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |number: i64| u32::try_from(number).unwrap_or_default();
    (year, small(month), small(day))
}

impl Timestamp {
    pub(crate) fn utc(seconds: i64, nanos: u32) -> Self {
        Self {
            seconds,
            nanos,
            offset: 0,
        }
    }

    /// What orders timestamps.
    pub(crate) fn instant(&self) -> (i64, u32) {
        (self.seconds, self.nanos)
    }

    pub(crate) fn is_same_instant(&self, other: &Self) -> bool {
        self.instant() == other.instant()
    }

    /// Whether it is the first moment of the year 1, Go's zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.instant() == (MIN_SECONDS, 0)
    }

    fn civil(&self, offset: i32) -> Civil {
        let local = self.seconds + i64::from(offset);
        let days = local.div_euclid(DAY);
        let of_day = local.rem_euclid(DAY);
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            day_of_year: days - days_from_civil(year, 1, 1),
            weekday: (days + 4).rem_euclid(7),
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    fn write_clock(&self, out: &mut String, between: char) {
        let civil = self.civil(self.offset);
        let _ = write!(
            out,
            "{:04}-{:02}-{:02}{between}{:02}:{:02}:{:02}",
            civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second
        );
        if self.nanos != 0 {
            let fraction = format!("{:09}", self.nanos);
            let _ = write!(out, ".{}", fraction.trim_end_matches('0'));
        }
    }

    /// As `string()` writes it: RFC 3339 with as much of the fraction as is needed.
    pub(crate) fn rfc3339(&self) -> String {
        let mut out = String::new();
        self.write_clock(&mut out, 'T');
        if self.offset == 0 {
            out.push('Z');
        } else {
            let minutes = self.offset.abs() / 60;
            let sign = if self.offset < 0 { '-' } else { '+' };
            let _ = write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
        out
    }

    /// As Go's `Time.String` writes it.
    pub(crate) fn go_text(&self) -> String {
        let mut out = String::new();
        self.write_clock(&mut out, ' ');
        let minutes = self.offset.abs() / 60;
        let sign = if self.offset < 0 { '-' } else { '+' };
        let zone = format!("{sign}{:02}{:02}", minutes / 60, minutes % 60);
        let name = if self.offset == 0 { "UTC" } else { &zone };
        let _ = write!(out, " {zone} {name}");
        out
    }

    /// The timestamp so many nanoseconds later.
    pub(crate) fn plus(&self, nanos: i64) -> Result<Self, Failure> {
        let total = i128::from(self.seconds) * i128::from(NANOS) + i128::from(self.nanos) + i128::from(nanos);
        let seconds = i64::try_from(total.div_euclid(i128::from(NANOS))).unwrap_or(i64::MAX);
        let nanos = u32::try_from(total.rem_euclid(i128::from(NANOS))).unwrap_or_default();
        check_range(seconds)?;
        Ok(Self {
            seconds,
            nanos,
            offset: self.offset,
        })
    }

    /// Nanoseconds since another.
    pub(crate) fn since(&self, other: &Self) -> Result<i64, Failure> {
        let seconds = (self.seconds - other.seconds)
            .checked_mul(NANOS)
            .ok_or_else(int_overflow)?;
        seconds
            .checked_add(i64::from(self.nanos) - i64::from(other.nanos))
            .ok_or_else(int_overflow)
    }
}

fn int_overflow() -> Failure {
    Failure::fixed("integer overflow")
}

fn check_range(seconds: i64) -> Result<(), Failure> {
    if (MIN_SECONDS..=MAX_SECONDS).contains(&seconds) {
        Ok(())
    } else {
        Err(Failure::fixed("timestamp overflow"))
    }
}

/// `timestamp(seconds)`.
pub(crate) fn from_seconds(seconds: i64) -> Result<Timestamp, Failure> {
    check_range(seconds)?;
    Ok(Timestamp::utc(seconds, 0))
}

/// `timestamp(text)`: nothing if the text is no time of RFC 3339.
pub(crate) fn parse_timestamp(text: &str) -> Option<Result<Timestamp, Failure>> {
    let time = parse_rfc3339(text)?;
    Some(check_range(time.seconds).map(|()| time))
}

/// What `count` digits say.
fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let head = text.get(..count)?;
    let all = head.bytes().all(|byte| byte.is_ascii_digit());
    Some((all.then(|| head.parse().ok()).flatten()?, &text[count..]))
}

/// Date, and what follows.
fn parse_day(text: &str) -> Option<(i64, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let month = u32::try_from(month).ok()?;
    let day = u32::try_from(day).ok()?;
    let fits = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    fits.then(|| (days_from_civil(year, month, day), rest))
}

/// Date and time of day without zone, in seconds and nanoseconds, and what follows. Go takes one digit for hours.
fn parse_clock(text: &str) -> Option<(i64, u32, &str)> {
    let (days, rest) = parse_day(text)?;
    let rest = rest.strip_prefix('T')?;
    let (hour, rest) = digits(rest, 2).or_else(|| digits(rest, 1))?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, mut rest) = digits(rest.strip_prefix(':')?, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix(['.', ','])
        && fraction.starts_with(|c: char| c.is_ascii_digit())
    {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &fraction[..fraction.len() - rest.len()];
        nanos = format!("{digits:0<9}")[..9].parse().ok()?;
    }
    Some((days * DAY + hour * 3600 + minute * 60 + second, nanos, rest))
}

fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (local, nanos, rest) = parse_clock(text)?;
    if rest == "Z" {
        return Some(Timestamp::utc(local, nanos));
    }
    let negative = rest.starts_with('-');
    let (hours, zone) = digits(rest.strip_prefix(['+', '-'])?, 2)?;
    let (minutes, zone) = digits(zone.strip_prefix(':')?, 2)?;
    if !zone.is_empty() || hours > 24 || minutes > 60 {
        return None;
    }
    let offset = (hours * 3600 + minutes * 60) * if negative { -1 } else { 1 };
    Some(Timestamp {
        seconds: local - offset,
        nanos,
        offset: i32::try_from(offset).unwrap_or_default(),
    })
}

/// A string of format `date-time`: RFC 3339, or the same without a zone.
///
/// # Errors
/// What the last of Go's attempts says.
pub(crate) fn parse_date_time(text: &str) -> Result<Timestamp, String> {
    if text.is_empty() {
        return Ok(Timestamp::utc(0, 0));
    }
    if let Some(time) = parse_rfc3339(text) {
        return Ok(time);
    }
    match parse_clock(text) {
        Some((seconds, nanos, "")) => Ok(Timestamp::utc(seconds, nanos)),
        Some((.., rest)) => Err(format!(
            "parsing time {}: extra text: {}",
            gotext::quote(text),
            gotext::quote(rest)
        )),
        None => Err(gotext::parse_time(text)
            .err()
            .unwrap_or_else(|| format!("parsing time {}", gotext::quote(text)))
            .replace("\"2006-01-02T15:04:05Z07:00\"", "\"2006-01-02T15:04:05\"")),
    }
}

/// A string of format `date`.
///
/// # Errors
/// What Go says.
pub(crate) fn parse_date(text: &str) -> Result<Timestamp, String> {
    match parse_day(text) {
        Some((days, "")) => Ok(Timestamp::utc(days * DAY, 0)),
        Some((_, rest)) => Err(format!(
            "parsing time {}: extra text: {}",
            gotext::quote(text),
            gotext::quote(rest)
        )),
        None => Err(format!(
            "parsing time {} as \"2006-01-02\": cannot parse {} as \"2006\"",
            gotext::quote(text),
            gotext::quote(text)
        )),
    }
}

/// A duration in seconds, as Go computes it.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn in_seconds(nanos: i64) -> f64 {
    (nanos / NANOS) as f64 + (nanos % NANOS) as f64 / 1e9
}

/// As `string()` writes a duration.
pub(crate) fn duration_text(nanos: i64) -> String {
    format!("{}s", in_seconds(nanos))
}

/// As Go's `Duration.String` writes it.
pub(crate) fn go_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let abs = nanos.unsigned_abs();
    let decimal = |value: u64, unit: u64| {
        let fraction = format!("{:0width$}", value % unit, width = unit.ilog10() as usize);
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() {
            (value / unit).to_string()
        } else {
            format!("{}.{fraction}", value / unit)
        }
    };
    match abs {
        0 => "0s".to_owned(),
        1..1000 => format!("{sign}{abs}ns"),
        1000..1_000_000 => format!("{sign}{}µs", decimal(abs, 1000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(abs, 1_000_000)),
        _ => {
            let minutes = abs / 60_000_000_000;
            let seconds = decimal(abs % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// Which part of a time or duration is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    FullYear,
    Month,
    DayOfYear,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// A part of a timestamp in a zone.
///
/// # Errors
/// The zone is unknown.
pub(crate) fn part_of<'a>(time: &Timestamp, part: Part, zone: &str) -> Outcome<'a> {
    let offset = offset_in(time, zone)?;
    let civil = time.civil(offset);
    Ok(Value::Int(match part {
        Part::FullYear => civil.year,
        Part::Month => i64::from(civil.month) - 1,
        Part::DayOfYear => civil.day_of_year,
        Part::DayOfMonth => i64::from(civil.day) - 1,
        Part::Date => i64::from(civil.day),
        Part::DayOfWeek => civil.weekday,
        Part::Hours => civil.hour,
        Part::Minutes => civil.minute,
        Part::Seconds => civil.second,
        Part::Milliseconds => i64::from(time.nanos / 1_000_000),
    }))
}

/// A part of a duration, which is the whole in that unit.
pub(crate) fn part_of_duration<'a>(nanos: i64, part: Part) -> Option<Value<'a>> {
    Some(Value::Int(match part {
        Part::Hours => nanos / (3600 * NANOS),
        Part::Minutes => nanos / (60 * NANOS),
        Part::Seconds => nanos / NANOS,
        Part::Milliseconds => nanos / 1_000_000,
        _ => return None,
    }))
}

/// Go's `strconv.Atoi` for the two numbers of an offset.
fn atoi(text: &str) -> Result<i64, Failure> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let why = if body.is_empty() || !body.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else {
        match text.parse() {
            Ok(number) => return Ok(number),
            Err(_) => "value out of range",
        }
    };
    Err(Failure::new(format!(
        "strconv.Atoi: parsing {}: {why}",
        gotext::quote(text)
    )))
}

fn offset_in(time: &Timestamp, zone: &str) -> Result<i32, Failure> {
    if let Some((hours, minutes)) = zone.split_once(':') {
        let negative = zone.starts_with('-');
        let hours = atoi(hours)?;
        let minutes = atoi(minutes)?;
        let total =
            hours
                .wrapping_mul(60)
                .wrapping_add(if negative { minutes.wrapping_neg() } else { minutes });
        return Ok(i32::try_from(total.clamp(-1_000_000, 1_000_000) * 60).unwrap_or_default());
    }
    if matches!(zone, "" | "UTC" | "Local") {
        return Ok(0);
    }
    if zone.contains("..") || zone.starts_with(['/', '\\']) || zone.contains('\\') {
        return Err(Failure::fixed("time: invalid location name"));
    }
    let unknown = || Failure::new(format!("unknown time zone {zone}"));
    let known = jiff::tz::TimeZone::get(zone).map_err(|_| unknown())?;
    // Go's database has files with exact names.
    if known.iana_name() != Some(zone) {
        return Err(unknown());
    }
    // jiff ends a day before CEL does; no zone changes between.
    let seconds = time.seconds.min(jiff::Timestamp::MAX.as_second());
    let instant = jiff::Timestamp::from_second(seconds).map_err(|_| unknown())?;
    Ok(known.to_offset(instant).seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(text: &str) -> Timestamp {
        parse_timestamp(text).unwrap().unwrap()
    }

    /// Texts of Go 1.26.
    #[test]
    fn timestamps() {
        for text in [
            "2024-02-29T12:30:45.5Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "2024-01-01T00:00:00+05:30",
            "1969-12-31T23:59:59-08:00",
        ] {
            assert_eq!(timestamp(text).rfc3339(), text);
        }
        assert_eq!(timestamp("1970-01-02T00:00:00Z").seconds, DAY);
        assert!(parse_timestamp("2023-02-29T00:00:00Z").is_none());
        assert!(parse_timestamp("2023-02-28").is_none());
        assert_eq!(
            parse_timestamp("0000-12-31T00:00:00Z")
                .unwrap()
                .unwrap_err()
                .text(),
            "timestamp overflow"
        );
        let time = timestamp("2023-07-14T10:30:45.123Z");
        assert_eq!(
            time.since(&timestamp("2023-07-14T10:30:45Z")).unwrap(),
            123_000_000
        );
        assert_eq!(time.plus(-NANOS).unwrap().rfc3339(), "2023-07-14T10:30:44.123Z");
    }

    #[test]
    fn parts() {
        let time = timestamp("2023-01-01T05:30:15.250Z");
        let part = |part, zone| match part_of(&time, part, zone) {
            Ok(Value::Int(value)) => value,
            other => panic!("{other:?}"),
        };
        assert_eq!(part(Part::FullYear, "-08:00"), 2022);
        assert_eq!(part(Part::Month, "-08:00"), 11);
        assert_eq!(part(Part::DayOfYear, "UTC"), 0);
        assert_eq!(part(Part::DayOfWeek, "UTC"), 0);
        assert_eq!(part(Part::Hours, "+05:30"), 11);
        assert_eq!(part(Part::Milliseconds, "UTC"), 250);
        assert_eq!(
            part_of(&time, Part::Hours, "Nowhere/Else").unwrap_err().text(),
            "unknown time zone Nowhere/Else"
        );
        assert_eq!(
            part_of(&time, Part::Hours, "a:00").unwrap_err().text(),
            "strconv.Atoi: parsing \"a\": invalid syntax"
        );
    }

    #[test]
    fn durations() {
        assert_eq!(duration_text(1_500_000_000), "1.5s");
        assert_eq!(go_duration(5_400_000_000_000), "1h30m0s");
        assert_eq!(go_duration(1_500_000), "1.5ms");
    }
}
