//! `metav1.Time` and `metav1.MicroTime`: RFC 3339 in, UTC out.

use jiff::Timestamp;

/// How exactly a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// `metav1.Time`: fractions are read and forgotten.
    Second,
    /// `metav1.MicroTime`: six digits, no fewer and no more.
    Micro,
}

impl Precision {
    /// The time as the server writes it.
    ///
    /// # Errors
    /// Go's text.
    pub(super) fn normal(self, text: &str) -> Result<String, String> {
        let (layout, format) = match self {
            Self::Second => ("2006-01-02T15:04:05Z07:00", "%Y-%m-%dT%H:%M:%SZ"),
            Self::Micro => ("2006-01-02T15:04:05.000000Z07:00", "%Y-%m-%dT%H:%M:%S%.6fZ"),
        };
        let parsed = is_rfc3339(text, self)
            .then(|| text.parse::<Timestamp>().ok())
            .flatten();
        match parsed {
            Some(time) => Ok(time.strftime(format).to_string()),
            None => Err(format!(
                "parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\""
            )),
        }
    }
}

/// Whether a text has the shape that Go reads; jiff reads others too.
fn is_rfc3339(text: &str, precision: Precision) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let fits = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(c, wanted)| match wanted {
                b'0' => c.is_ascii_digit(),
                wanted => c == wanted,
            })
    };
    let Some((time, rest)) = text.as_bytes().split_at_checked(SHAPE.len()) else {
        return false;
    };
    let digits = match rest {
        [b'.', rest @ ..] => rest.iter().take_while(|c| c.is_ascii_digit()).count(),
        _ => 0,
    };
    let zone = match digits {
        0 => rest,
        digits => &rest[digits + 1..],
    };
    let zone_fits = zone == b"Z" || fits(zone, b"+00:00") || fits(zone, b"-00:00");
    fits(time, SHAPE) && zone_fits && (precision == Precision::Second || digits == 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_reads_them() {
        let second = |text| Precision::Second.normal(text);
        let micro = |text| Precision::Micro.normal(text);
        assert_eq!(
            second("2020-01-01T00:00:00Z").as_deref(),
            Ok("2020-01-01T00:00:00Z")
        );
        assert_eq!(
            second("2020-01-01T00:00:00.9-01:30").as_deref(),
            Ok("2020-01-01T01:30:00Z")
        );
        assert_eq!(
            micro("2020-01-01T02:00:00.500000+02:00").as_deref(),
            Ok("2020-01-01T00:00:00.500000Z")
        );
        for wrong in [
            "",
            "yesterday",
            "2020-01-01",
            "2020-01-01 00:00:00Z",
            "2020-13-01T00:00:00Z",
            "2020-01-01T00:00:00",
        ] {
            assert!(second(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "2020-01-01T00:00:00Z",
            "2020-01-01T00:00:00.5Z",
            "2020-01-01T00:00:00.1234567Z",
        ] {
            assert!(micro(wrong).is_err(), "{wrong}");
        }
    }
}
