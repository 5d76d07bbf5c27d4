//! `quantity()`: amounts as `resource.Quantity` reads, adds and orders them.
//!
//! **Invariant:** nothing is rounded but what has more than nine decimals, upwards, as upstream does.

use std::cmp::Ordering;

/// Exponents beyond are refused in sums, where upstream would write out as many digits.
const MAX_SPREAD: i32 = 100_000;

/// An amount.
#[derive(Clone, Debug)]
pub(crate) struct Quantity {
    amount: Amount,
    /// Whether it is the result of `add()` or `sub()`; upstream cannot find such a one equal to another.
    pub(crate) computed: bool,
}

/// Upstream has a small form and a large one, and can tell integers in the small form only.
#[derive(Clone, Debug)]
enum Amount {
    Small { value: i64, scale: i32 },
    Large(Decimal),
}

/// `digits` (least significant first, base 1e9) times ten to the `scale`.
#[derive(Clone, Debug)]
struct Decimal {
    negative: bool,
    digits: Vec<u32>,
    scale: i32,
}

const BASE: u64 = 1_000_000_000;

fn trim(digits: &mut Vec<u32>) {
    while digits.last() == Some(&0) {
        digits.pop();
    }
}

fn multiply(digits: &mut Vec<u32>, factor: u32) {
    let mut carry = 0;
    for digit in digits.iter_mut() {
        let value = u64::from(*digit) * u64::from(factor) + carry;
        *digit = u32::try_from(value % BASE).unwrap_or_default();
        carry = value / BASE;
    }
    if carry > 0 {
        digits.push(u32::try_from(carry).unwrap_or_default());
    }
}

/// Divides; returns the remainder.
fn divide(digits: &mut Vec<u32>, divisor: u32) -> u32 {
    let mut rest = 0_u64;
    for digit in digits.iter_mut().rev() {
        let value = rest * BASE + u64::from(*digit);
        *digit = u32::try_from(value / u64::from(divisor)).unwrap_or_default();
        rest = value % u64::from(divisor);
    }
    trim(digits);
    u32::try_from(rest).unwrap_or_default()
}

fn compare_digits(left: &[u32], right: &[u32]) -> Ordering {
    left.len()
        .cmp(&right.len())
        .then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

fn add_digits(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(left.len().max(right.len()) + 1);
    let mut carry = 0;
    for index in 0..left.len().max(right.len()) {
        let digit = |digits: &[u32]| u64::from(digits.get(index).copied().unwrap_or(0));
        let value = digit(left) + digit(right) + carry;
        out.push(u32::try_from(value % BASE).unwrap_or_default());
        carry = value / BASE;
    }
    if carry > 0 {
        out.push(1);
    }
    out
}

/// `left - right`, where left is not smaller.
fn subtract_digits(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(left.len());
    let mut borrow = 0;
    for (index, digit) in left.iter().enumerate() {
        let value = BASE + u64::from(*digit) - u64::from(right.get(index).copied().unwrap_or(0)) - borrow;
        out.push(u32::try_from(value % BASE).unwrap_or_default());
        borrow = u64::from(value < BASE);
    }
    trim(&mut out);
    out
}

impl Decimal {
    fn of(value: i64, scale: i32) -> Self {
        let mut rest = value.unsigned_abs();
        let mut digits = Vec::new();
        while rest > 0 {
            digits.push(u32::try_from(rest % BASE).unwrap_or_default());
            rest /= BASE;
        }
        Self {
            negative: value < 0,
            digits,
            scale,
        }
    }

    /// Reads digits.
    fn parse(text: &str, scale: i32, negative: bool) -> Self {
        let mut digits: Vec<u32> = text
            .as_bytes()
            .rchunks(9)
            .map(|chunk| {
                chunk
                    .iter()
                    .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
            })
            .collect();
        trim(&mut digits);
        Self {
            negative,
            digits,
            scale,
        }
    }

    fn sign(&self) -> Ordering {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => Ordering::Equal,
            (false, true) => Ordering::Less,
            (false, false) => Ordering::Greater,
        }
    }

    /// Position of the first digit, counted from the decimal point.
    fn magnitude(&self) -> i64 {
        let Some(first) = self.digits.last() else {
            return i64::MIN;
        };
        let count = (self.digits.len() as i64 - 1) * 9 + i64::from(first.ilog10()) + 1;
        count + i64::from(self.scale)
    }

    /// The digits at a scale that is not greater.
    fn digits_at(&self, scale: i32) -> Vec<u32> {
        let missing = usize::try_from(self.scale.saturating_sub(scale)).unwrap_or_default();
        if self.digits.is_empty() {
            return Vec::new();
        }
        let mut digits = vec![0; missing / 9];
        digits.extend(&self.digits);
        for _ in 0..missing % 9 {
            multiply(&mut digits, 10);
        }
        digits
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let sign = self.sign();
        if sign != other.sign() {
            return sign.cmp(&other.sign());
        }
        if sign.is_eq() {
            return Ordering::Equal;
        }
        let order = self.magnitude().cmp(&other.magnitude()).then_with(|| {
            // Of one magnitude, the scales differ by the number of digits at most.
            let scale = self.scale.min(other.scale);
            compare_digits(&self.digits_at(scale), &other.digits_at(scale))
        });
        if sign.is_lt() { order.reverse() } else { order }
    }

    fn add(&self, other: &Self) -> Option<Self> {
        if self.scale.abs_diff(other.scale) > MAX_SPREAD.unsigned_abs() {
            return None;
        }
        let scale = self.scale.min(other.scale);
        let left = self.digits_at(scale);
        let right = other.digits_at(scale);
        let (negative, digits) = if self.negative == other.negative {
            (self.negative, add_digits(&left, &right))
        } else if compare_digits(&left, &right).is_ge() {
            (self.negative, subtract_digits(&left, &right))
        } else {
            (other.negative, subtract_digits(&right, &left))
        };
        Some(Self {
            negative,
            digits,
            scale,
        })
    }

    /// Writes it in nanos, rounded away from zero.
    fn round_to_nano(&mut self) {
        /// What is larger is no float, and would have as many digits.
        const MAX_SCALE: i32 = 400;
        if self.digits.is_empty() || self.scale > MAX_SCALE {
            return;
        }
        if self.scale >= -9 {
            // Upstream's float is the product of all these digits and a billionth.
            self.digits = self.digits_at(-9);
            self.scale = -9;
            return;
        }
        let surplus = usize::try_from(-9 - i64::from(self.scale)).unwrap_or_default();
        let whole = self.digits.len().min(surplus / 9);
        let mut exact = self.digits.drain(..whole).all(|digit| digit == 0);
        let rest = u32::try_from(surplus % 9).unwrap_or_default();
        exact &= divide(&mut self.digits, 10_u32.pow(rest)) == 0;
        self.scale = -9;
        if !exact {
            self.digits = add_digits(&self.digits, &[1]);
        }
    }

    /// The nearest float to the digits, times a power of ten as Go multiplies it.
    fn approximate(&self) -> f64 {
        /// Digits beyond these only say whether there is anything more.
        const SIGNIFICANT: usize = 6;
        let (rest, first) = self
            .digits
            .split_at(self.digits.len().saturating_sub(SIGNIFICANT));
        let mut text = String::from("0");
        for digit in first.iter().rev() {
            text.push_str(&format!("{digit:09}"));
        }
        if rest.iter().any(|digit| *digit != 0) {
            text.push_str(".1");
        }
        text.push_str(&format!("e{}", rest.len() * 9));
        let base: f64 = text.parse().unwrap_or(f64::INFINITY);
        let base = if self.negative { -base } else { base };
        scale_float(base, self.scale)
    }
}

fn scale_float(base: f64, scale: i32) -> f64 {
    match scale {
        0 => base,
        ..-323 => base * 0.0,
        309.. => base * f64::INFINITY,
        // Rounded as Go's table of powers is.
        _ => base * format!("1e{scale}").parse().unwrap_or(f64::NAN),
    }
}

impl Amount {
    fn decimal(&self) -> Decimal {
        match self {
            Self::Small { value, scale } => Decimal::of(*value, *scale),
            Self::Large(decimal) => decimal.clone(),
        }
    }

    fn is_zero(&self) -> bool {
        self.sign().is_eq()
    }

    fn sign(&self) -> Ordering {
        match self {
            Self::Small { value, .. } => value.cmp(&0),
            Self::Large(decimal) => decimal.sign(),
        }
    }

    fn negated(&self) -> Option<Self> {
        Some(match self {
            Self::Small { value, scale } => Self::Small {
                value: value.checked_neg()?,
                scale: *scale,
            },
            Self::Large(decimal) => Self::Large(Decimal {
                negative: !decimal.negative,
                ..decimal.clone()
            }),
        })
    }

    /// The sum in the small form, where both have it and nothing overflows.
    fn add_small(&self, other: &Self) -> Option<Self> {
        let (
            Self::Small {
                value: left,
                scale: left_scale,
            },
            Self::Small {
                value: right,
                scale: right_scale,
            },
        ) = (self, other)
        else {
            return None;
        };
        if *right == 0 {
            return Some(self.clone());
        }
        if *left == 0 {
            return Some(other.clone());
        }
        let scale = *left_scale.min(right_scale);
        let raise = |value: i64, from: i32| -> Option<i64> {
            let steps = u32::try_from(i64::from(from) - i64::from(scale)).ok()?;
            value.checked_mul(10_i64.checked_pow(steps)?)
        };
        Some(Self::Small {
            value: raise(*left, *left_scale)?.checked_add(raise(*right, *right_scale)?)?,
            scale,
        })
    }
}

impl Quantity {
    pub(crate) fn of_int(value: i64) -> Self {
        Self {
            amount: Amount::Small { value, scale: 0 },
            computed: false,
        }
    }

    pub(crate) fn cmp(&self, other: &Self) -> Ordering {
        if let (
            Amount::Small {
                value: left,
                scale: left_scale,
            },
            Amount::Small {
                value: right,
                scale: right_scale,
            },
        ) = (&self.amount, &other.amount)
            && left_scale == right_scale
        {
            return left.cmp(right);
        }
        self.amount.decimal().cmp(&other.amount.decimal())
    }

    pub(crate) fn sign(&self) -> Ordering {
        self.amount.sign()
    }

    /// The amount as an integer, where the small form is one.
    pub(crate) fn as_int(&self) -> Option<i64> {
        match self.amount {
            Amount::Small { value, scale: 0 } => Some(value),
            Amount::Small { value, scale } => {
                let steps = u32::try_from(scale).ok()?;
                if value == 0 {
                    return Some(0);
                }
                value.checked_mul(10_i64.checked_pow(steps)?)
            }
            Amount::Large(_) => None,
        }
    }

    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn approximate(&self) -> f64 {
        match &self.amount {
            Amount::Small { value, scale } => scale_float(*value as f64, *scale),
            Amount::Large(decimal) => decimal.approximate(),
        }
    }

    /// The sum; nothing if it has more digits than a quantity can sensibly have.
    pub(crate) fn add(&self, other: &Self) -> Option<Self> {
        let amount = match self.amount.add_small(&other.amount) {
            Some(amount) => amount,
            None => Amount::Large(self.amount.decimal().add(&other.amount.decimal())?),
        };
        Some(Self {
            amount,
            computed: true,
        })
    }

    /// The difference; nothing where [`add`](Self::add) has nothing.
    pub(crate) fn sub(&self, other: &Self) -> Option<Self> {
        let negated = match other.amount.negated() {
            Some(amount) => amount,
            None => Amount::Large(Decimal {
                negative: other.amount.sign().is_gt(),
                ..other.amount.decimal()
            }),
        };
        if self.amount.is_zero() && matches!(self.amount, Amount::Small { .. }) {
            return Some(Self {
                amount: negated,
                computed: true,
            });
        }
        self.add(&Self {
            amount: negated,
            computed: false,
        })
    }
}

const FORMAT_WRONG: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const SUFFIX_WRONG: &str = "unable to parse quantity's suffix";
const NUMBER_WRONG: &str = "unable to parse numeric part of quantity";

/// What a suffix multiplies by.
enum Scale {
    Ten(i32),
    Two(u32),
}

fn interpret(suffix: &str) -> Option<Scale> {
    Some(match suffix {
        "" => Scale::Ten(0),
        "n" => Scale::Ten(-9),
        "u" => Scale::Ten(-6),
        "m" => Scale::Ten(-3),
        "k" => Scale::Ten(3),
        "M" => Scale::Ten(6),
        "G" => Scale::Ten(9),
        "T" => Scale::Ten(12),
        "P" => Scale::Ten(15),
        "E" => Scale::Ten(18),
        "Ki" => Scale::Two(10),
        "Mi" => Scale::Two(20),
        "Gi" => Scale::Two(30),
        "Ti" => Scale::Two(40),
        "Pi" => Scale::Two(50),
        "Ei" => Scale::Two(60),
        _ => {
            let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            // Go keeps the low 32 bits.
            #[allow(clippy::cast_possible_truncation)]
            Scale::Ten(exponent as i32)
        }
    })
}

/// Reads a quantity.
///
/// # Errors
/// Upstream's text.
pub(crate) fn parse(text: &str) -> Result<Quantity, &'static str> {
    if text.is_empty() {
        return Err(FORMAT_WRONG);
    }
    let digits_end = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let stripped = unsigned.trim_start_matches('0');
    if stripped.is_empty() {
        return Ok(Quantity::of_int(0));
    }
    let (whole, rest) = stripped.split_at(digits_end(stripped));
    let (decimals, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits_end(rest)),
        None => ("", rest),
    };
    let letters = rest
        .find(|c: char| !"eEinumkKMGTP".contains(c))
        .unwrap_or(rest.len());
    let exponent = rest[letters..]
        .strip_prefix(['+', '-'])
        .unwrap_or(&rest[letters..]);
    if digits_end(exponent) < exponent.len() {
        return Err(FORMAT_WRONG);
    }
    let scale = interpret(rest).ok_or(SUFFIX_WRONG)?;
    // Upstream counts a missing number as one zero.
    let whole_len = whole.len().max(1);
    if let Some(small) = parse_small(whole, decimals, whole_len, &scale, negative) {
        return Ok(small);
    }
    let number = &unsigned[..unsigned.len() - rest.len()];
    if number.bytes().all(|byte| byte == b'.') || number.is_empty() {
        return Err(NUMBER_WRONG);
    }
    let places = i32::try_from(decimals.len()).map_err(|_| NUMBER_WRONG)?;
    let mut decimal = Decimal::parse(&format!("{whole}{decimals}"), -places, negative);
    match scale {
        Scale::Ten(exponent) => decimal.scale = decimal.scale.wrapping_add(exponent),
        Scale::Two(exponent) => {
            for _ in 0..exponent / 10 {
                multiply(&mut decimal.digits, 1024);
            }
        }
    }
    decimal.round_to_nano();
    let max = Decimal::of(i64::MAX, 0);
    let magnitude = Decimal {
        negative: false,
        ..decimal.clone()
    };
    if matches!(scale, Scale::Two(_)) && magnitude.cmp(&max).is_gt() {
        decimal = Decimal { negative, ..max };
    }
    Ok(Quantity {
        amount: Amount::Large(decimal),
        computed: false,
    })
}

/// The small form, where upstream chooses it.
fn parse_small(
    whole: &str,
    decimals: &str,
    whole_len: usize,
    scale: &Scale,
    negative: bool,
) -> Option<Quantity> {
    let whole_len = i64::try_from(whole_len).ok()?;
    let places = i32::try_from(decimals.len()).ok()?;
    let (exponent, factor) = match scale {
        Scale::Ten(exponent) => {
            if 18 - whole_len - i64::from(places) < 0 {
                return None;
            }
            (exponent.checked_sub(places)?, 1)
        }
        Scale::Two(exponent) => {
            // Ten bits are some three digits.
            if !decimals.is_empty() || 15 - whole_len - i64::from(exponent * 3 / 10) - 1 < 0 {
                return None;
            }
            (0, 1_i64 << exponent)
        }
    };
    if exponent < -9 {
        return None;
    }
    let digits = format!("{whole}{decimals}");
    let value: i64 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let value = value.checked_mul(factor)?;
    Some(Quantity {
        amount: Amount::Small {
            value: if negative { -value } else { value },
            scale: exponent,
        },
        computed: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn order() {
        let ascending = [
            "-1E", "-5", "-1m", "0", "1n", "1u", "500m", "1", "1.5", "1k", "1Ki", "50M", "50Mi", "1e12",
            "1Ti", "9E", "1e30",
        ];
        for pair in ascending.windows(2) {
            assert!(quantity(pair[0]).cmp(&quantity(pair[1])).is_lt(), "{pair:?}");
        }
        assert!(quantity("1000m").cmp(&quantity("1")).is_eq());
        assert!(quantity("1024Mi").cmp(&quantity("1Gi")).is_eq());
        assert!(quantity("0.1n").cmp(&quantity("1n")).is_eq());
        assert!(quantity("1e2147483647").cmp(&quantity("1e2147483646")).is_gt());
    }

    #[test]
    fn sums() {
        let sum = quantity("1.5").add(&quantity("500m")).unwrap();
        assert!(sum.cmp(&quantity("2")).is_eq());
        assert!(sum.computed);
        let large = quantity("9223372036854775807").add(&quantity("1")).unwrap();
        assert!(large.cmp(&quantity("9223372036854775808")).is_eq());
        assert!(
            quantity("1")
                .sub(&quantity("3"))
                .unwrap()
                .cmp(&quantity("-2"))
                .is_eq()
        );
        assert!(
            quantity("1Ki")
                .sub(&quantity("24"))
                .unwrap()
                .cmp(&quantity("1k"))
                .is_eq()
        );
        assert!(quantity("1e999999").add(&quantity("1")).is_none());
    }

    #[test]
    fn integers_and_floats() {
        assert_eq!(quantity("1k").as_int(), Some(1000));
        assert_eq!(quantity("1000m").as_int(), None);
        assert_eq!(quantity("1Ki").as_int(), Some(1024));
        assert_eq!(quantity("9999999999999999999").as_int(), None);
        assert!((quantity("1500m").approximate() - 1.5).abs() < 1e-12);
        assert_eq!(
            quantity("12345678901234567890").approximate().to_string(),
            "12345678901234570000"
        );
        assert_eq!(quantity("-5").sign(), Ordering::Less);
        let long = |zeros: usize| quantity(&format!("1{}", "0".repeat(zeros))).approximate();
        assert!((long(299) / 1e299 - 1.0).abs() < 1e-12);
        // In nanos it is no float any more.
        assert!(long(300).is_infinite());
        assert!(
            quantity(&format!("0.{}1", "0".repeat(300)))
                .cmp(&quantity("1n"))
                .is_eq()
        );
    }

    /// Texts of upstream.
    #[test]
    fn texts() {
        assert_eq!(parse("").unwrap_err(), FORMAT_WRONG);
        assert_eq!(parse("1x").unwrap_err(), FORMAT_WRONG);
        assert_eq!(parse("1KiB").unwrap_err(), FORMAT_WRONG);
        assert_eq!(parse("1mm").unwrap_err(), SUFFIX_WRONG);
    }
}
