//! Values of fields: integers, decimals, booleans. No floating point anywhere.
//!
//! A parser takes exactly what the standard calls a value of the type and answers `None` for everything
//! else; which field it was, and what that means, is for the caller to say.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// An int: optional `-`, then digits. Leading zeros are accepted, `+` is not.
#[inline]
#[must_use]
pub fn parse_int(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => 0_i64.checked_sub_unsigned(parse_uint(digits)?),
        digits => i64::try_from(parse_uint(digits)?).ok(),
    }
}

/// A SeqNum, Length or NumInGroup: digits only. Leading zeros are accepted.
#[inline]
#[must_use]
pub fn parse_uint(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    // 18 digits always fit, and hardly any number is longer.
    let unchecked = text.len() <= 18;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = if unchecked {
            value * 10 + u64::from(digit)
        } else {
            value.checked_mul(10)?.checked_add(u64::from(digit))?
        };
    }
    Some(value)
}

/// A Boolean: exactly `Y` or `N`.
#[inline]
#[must_use]
pub const fn parse_boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"Y" => Some(true),
        b"N" => Some(false),
        _ => None,
    }
}

/// A char: exactly one byte.
#[inline]
#[must_use]
pub const fn parse_char(text: &[u8]) -> Option<u8> {
    match text {
        [byte] => Some(*byte),
        _ => None,
    }
}

/// Room for the digits of any `u64`.
pub const UINT_LEN_MAX: usize = 20;

/// Writes `value` without leading zeros at the end of `out` and returns that part.
#[inline]
pub fn format_uint(value: u64, out: &mut [u8; UINT_LEN_MAX]) -> &[u8] {
    let mut at = UINT_LEN_MAX;
    let mut rest = value;
    while rest >= 100 {
        at -= 2;
        out[at..at + 2].copy_from_slice(&PAIRS_OF_DIGITS[(rest % 100) as usize]);
        rest /= 100;
    }
    if rest >= 10 {
        at -= 2;
        out[at..at + 2].copy_from_slice(&PAIRS_OF_DIGITS[rest as usize]);
    } else {
        at -= 1;
        out[at] = b'0' + rest as u8;
    }
    &out[at..]
}

/// Room for the text of any [`Decimal`]: sign, 19 digits and point; or sign, `0.` and 18 digits.
pub const DECIMAL_LEN_MAX: usize = 21;

/// A float, Price, Qty or Amt: `mantissa / 10^scale`, exactly.
///
/// Equality and order are those of the numbers: 1.5 equals 1.500. The scale is kept for printing, so a
/// value that is read and written again looks the same but for a sign of zero, leading zeros and a bare
/// point.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decimal {
    mantissa: i64,
    scale: u8,
}

impl Decimal {
    /// Most digits after the point.
    pub const SCALE_MAX: u8 = 18;

    /// 0.
    pub const ZERO: Self = Self {
        mantissa: 0,
        scale: 0,
    };

    /// `mantissa / 10^scale`; `None` if `scale` is more than [`Decimal::SCALE_MAX`].
    #[inline]
    #[must_use]
    pub const fn new(mantissa: i64, scale: u8) -> Option<Self> {
        if scale > Self::SCALE_MAX {
            None
        } else {
            Some(Self { mantissa, scale })
        }
    }

    /// All digits as one integer.
    #[inline]
    #[must_use]
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// How many of the digits are after the point.
    #[inline]
    #[must_use]
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// Optional `-`, digits with an optional `.` among, before or after them. Refuses `+`, exponents,
    /// blanks, text without a digit, and what does not fit once zeros that mean nothing are left out.
    #[inline]
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        if digits.len() > 19 {
            return parse_long(negative, digits);
        }
        let mut magnitude: u64 = 0;
        let mut point = None;
        for (at, &byte) in digits.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                // 19 digits are less than 2^64.
                magnitude = magnitude * 10 + u64::from(digit);
            } else if byte == b'.' && point.is_none() {
                point = Some(at);
            } else {
                return None;
            }
        }
        let scale = match point {
            None => 0,
            Some(at) => digits.len() - at - 1,
        };
        if digits.len() == usize::from(point.is_some()) || scale > usize::from(Self::SCALE_MAX) {
            return None;
        }
        Some(Self {
            mantissa: signed(negative, magnitude)?,
            scale: scale as u8,
        })
    }

    /// Writes the text of this value at the start of `out` and returns that part. A zero has no sign,
    /// a value below 1 has a `0` before the point.
    #[inline]
    pub fn format(self, out: &mut [u8; DECIMAL_LEN_MAX]) -> &[u8] {
        let mut room = [b'0'; UINT_LEN_MAX];
        let scale = usize::from(self.scale);
        let written = format_uint(self.mantissa.unsigned_abs(), &mut room).len();
        // The bytes in front are zeros, which is what a value below 1 needs.
        let digits = &room[UINT_LEN_MAX - written.max(scale + 1)..];
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let mut len = 0;
        if self.mantissa < 0 {
            out[0] = b'-';
            len = 1;
        }
        out[len..len + whole.len()].copy_from_slice(whole);
        len += whole.len();
        if scale > 0 {
            out[len] = b'.';
            out[len + 1..len + 1 + scale].copy_from_slice(fraction);
            len += 1 + scale;
        }
        &out[..len]
    }

    /// Whether the value is 0.
    #[inline]
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Sum with the larger of both scales; `None` if it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.combine(other, i128::checked_add)
    }

    /// Difference with the larger of both scales; `None` if it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.combine(other, i128::checked_sub)
    }

    /// This value `times` times; `None` if it does not fit.
    #[must_use]
    pub fn checked_mul_int(self, times: i64) -> Option<Self> {
        Self::fit(i128::from(self.mantissa) * i128::from(times), self.scale)
    }

    fn combine(self, other: Self, operation: fn(i128, i128) -> Option<i128>) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Self::fit(
            operation(self.at_scale(scale), other.at_scale(scale))?,
            scale,
        )
    }

    /// The mantissa this value has at a larger scale. 2^63 times 10^18 is less than 2^127.
    fn at_scale(self, scale: u8) -> i128 {
        i128::from(self.mantissa) * 10_i128.pow(u32::from(scale - self.scale))
    }

    /// Gives up zeros at the end of the fraction when there is no other way.
    fn fit(mut mantissa: i128, mut scale: u8) -> Option<Self> {
        loop {
            if let Ok(mantissa) = i64::try_from(mantissa) {
                return Some(Self { mantissa, scale });
            }
            if scale == 0 || mantissa % 10 != 0 {
                return None;
            }
            mantissa /= 10;
            scale -= 1;
        }
    }

    /// The same number with the least scale: what equal values have in common.
    fn reduced(mut self) -> Self {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self {
            mantissa: value,
            scale: 0,
        }
    }
}

/// The text was not a decimal number: optional `-`, digits with an optional point, at most 18 of them
/// after it, all of them together in an `i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADecimal;

impl fmt::Display for NotADecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a decimal number like -12.50 of at most 18 digits")
    }
}

impl std::error::Error for NotADecimal {}

impl FromStr for Decimal {
    type Err = NotADecimal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes()).ok_or(NotADecimal)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = [0; DECIMAL_LEN_MAX];
        f.pad(str::from_utf8(self.format(&mut room)).map_err(|_| fmt::Error)?)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        let scale = self.scale.max(other.scale);
        self.at_scale(scale).cmp(&other.at_scale(scale))
    }
}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let reduced = self.reduced();
        (reduced.mantissa, reduced.scale).hash(state);
    }
}

/// Text of so many digits that it may only fit without the zeros at its ends.
#[cold]
fn parse_long(negative: bool, digits: &[u8]) -> Option<Decimal> {
    let (whole, fraction) = match digits.iter().position(|&byte| byte == b'.') {
        None => (digits, &b""[..]),
        Some(at) => (&digits[..at], &digits[at + 1..]),
    };
    let needed = fraction
        .iter()
        .rposition(|&byte| byte != b'0')
        .map_or(0, |last| last + 1);
    from_parts(negative, whole, fraction)
        .or_else(|| from_parts(negative, whole, fraction.get(..needed)?))
}

fn from_parts(negative: bool, whole: &[u8], fraction: &[u8]) -> Option<Decimal> {
    if fraction.len() > usize::from(Decimal::SCALE_MAX) {
        return None;
    }
    let magnitude = whole
        .iter()
        .chain(fraction)
        .try_fold(0_u64, |magnitude, byte| {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                None
            } else {
                magnitude.checked_mul(10)?.checked_add(u64::from(digit))
            }
        })?;
    Some(Decimal {
        mantissa: signed(negative, magnitude)?,
        scale: fraction.len() as u8,
    })
}

#[inline]
fn signed(negative: bool, magnitude: u64) -> Option<i64> {
    if negative {
        0_i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

const PAIRS_OF_DIGITS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a decimal"))
    }

    fn hash(value: Decimal) -> u64 {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn ints() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("007", Some(7)),
            ("-42", Some(-42)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("00000000000000000000000000000000000000001", Some(1)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("99999999999999999999999999999", None),
            ("", None),
            ("-", None),
            ("+1", None),
            ("--1", None),
            ("1 ", None),
            ("1.0", None),
            ("1e5", None),
            ("0x1", None),
        ] {
            assert_eq!(parse_int(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn uints() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0001", Some(1)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("", None),
            ("-1", None),
            ("-0", None),
            ("+1", None),
            ("1/", None),
            ("1:", None),
        ] {
            assert_eq!(parse_uint(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn booleans_and_chars() {
        assert_eq!(parse_boolean(b"Y"), Some(true));
        assert_eq!(parse_boolean(b"N"), Some(false));
        for text in [&b""[..], b"y", b"n", b"YES", b"1", b"0"] {
            assert_eq!(parse_boolean(text), None);
        }
        assert_eq!(parse_char(b"1"), Some(b'1'));
        assert_eq!(parse_char(b""), None);
        assert_eq!(parse_char(b"12"), None);
    }

    #[test]
    fn decimals_as_the_standard_writes_them() {
        for (text, mantissa, scale, printed) in [
            ("00023.230", 23230, 3, "23.230"),
            ("23.", 23, 0, "23"),
            (".5", 5, 1, "0.5"),
            ("-.5", -5, 1, "-0.5"),
            ("-0", 0, 0, "0"),
            ("-0.00", 0, 2, "0.00"),
            ("0.001", 1, 3, "0.001"),
            ("100", 100, 0, "100"),
            ("-12.50", -1250, 2, "-12.50"),
            ("9223372036854775807", i64::MAX, 0, "9223372036854775807"),
            (
                "-9.223372036854775808",
                i64::MIN,
                18,
                "-9.223372036854775808",
            ),
            ("-0.000000000000000001", -1, 18, "-0.000000000000000001"),
            ("1.50000000000000000000000000", 15, 1, "1.5"),
            ("0000000000000000000000000001.25", 125, 2, "1.25"),
            ("0.0000000000000000000000000000", 0, 0, "0"),
            (
                "-100600432631306316.0",
                -1_006_004_326_313_063_160,
                1,
                "-100600432631306316.0",
            ),
        ] {
            let value = decimal(text);
            assert_eq!(
                (value.mantissa(), value.scale()),
                (mantissa, scale),
                "{text}"
            );
            assert_eq!(value.to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_decimal() {
        for text in [
            "",
            ".",
            "-",
            "-.",
            "+1",
            "1e5",
            "--1",
            "1-",
            " 1",
            "1 ",
            "1,000",
            "1.2.3",
            "..",
            "NaN",
            "inf",
            "9223372036854775808",
            "99999999999999999999",
            "0.1234567890123456789",
            "1.0000000000000000001",
            "00000000000000000000000x",
            "0.000000000000000000000.",
            "................................",
        ] {
            assert_eq!(text.parse::<Decimal>(), Err(NotADecimal), "{text:?}");
        }
    }

    #[test]
    fn equality_and_order_are_numeric() {
        assert_eq!(decimal("1.5"), decimal("1.500"));
        assert_eq!(hash(decimal("1.5")), hash(decimal("1.500")));
        assert_eq!(hash(decimal("0")), hash(decimal("0.000")));
        assert_eq!(hash(decimal("100")), hash(decimal("100.0")));
        assert_ne!(decimal("15"), decimal("1.5"));
        let ascending = [
            "-9223372036854775808",
            "-1.1",
            "-1",
            "-0.99",
            "0",
            "0.000000000000000001",
            "2",
            "10",
        ];
        assert!(ascending.map(decimal).is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn sums_and_products() {
        assert_eq!(
            decimal("0.1").checked_add(decimal("0.2")),
            Some(decimal("0.3"))
        );
        assert_eq!(
            decimal("100").checked_sub(decimal("0.25")),
            Some(decimal("99.75"))
        );
        assert_eq!(decimal("-1.25").checked_mul_int(4), Some(decimal("-5")));
        assert_eq!(
            decimal("9223372036854775807").checked_add(decimal("1")),
            None
        );
        assert_eq!(decimal("9223372036854775807").checked_mul_int(2), None);
        assert_eq!(
            decimal("9223372036854775807").checked_add(decimal("0.1")),
            None
        );
        // Fits only without the zeros of the larger scale.
        assert_eq!(
            decimal("9223372036854775806").checked_add(decimal("1.000")),
            Some(decimal("9223372036854775807"))
        );
        assert_eq!(
            decimal("-9223372036854775808").checked_sub(decimal("1")),
            None
        );
    }

    #[test]
    fn scale_is_limited() {
        assert!(Decimal::new(1, 18).is_some());
        assert_eq!(Decimal::new(1, 19), None);
    }

    proptest! {
        #[test]
        fn integers_come_back(value: u64, signed: i64) {
            let mut room = [0; UINT_LEN_MAX];
            let text = format_uint(value, &mut room);
            prop_assert_eq!(std::str::from_utf8(text).unwrap(), value.to_string());
            prop_assert_eq!(parse_uint(text), Some(value));
            prop_assert_eq!(parse_int(signed.to_string().as_bytes()), Some(signed));
        }

        #[test]
        fn decimals_come_back(mantissa: i64, shift in 0_u32..63, scale in 0_u8..=18) {
            let value = Decimal::new(mantissa >> shift, scale).unwrap();
            let text = value.to_string();
            let back = decimal(&text);
            prop_assert_eq!(back, value);
            prop_assert_eq!(back.to_string(), text);
            prop_assert_eq!(hash(back), hash(value));
        }

        #[test]
        fn order_agrees_with_integers(a in -10_000_i64..10_000, b in -10_000_i64..10_000) {
            // The same hundredths written at different scales.
            let left = Decimal::new(a, 2).unwrap();
            let right = Decimal::new(b * 1000, 5).unwrap();
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            prop_assert_eq!(left.checked_add(right), Decimal::new(a + b, 2));
            prop_assert_eq!(left.checked_sub(right), Decimal::new(a - b, 2));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (parse_int(&bytes), parse_uint(&bytes), Decimal::parse(&bytes));
        }

        #[test]
        fn digits_and_points_are_read_or_refused(text in "-?[0-9]{0,24}\\.?[0-9]{0,24}") {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let value = Decimal::parse(text.as_bytes());
            prop_assert!(digits > 0 || value.is_none());
            prop_assert!(digits == 0 || digits > 18 || value.is_some());
        }
    }
}
