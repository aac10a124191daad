//! The data types of FIX, and whether some bytes are a value of one.
//!
//! Every check is about spelling alone: what a value means is for whoever asks for it. All of them take
//! any bytes, allocate nothing and look at each byte once.

use std::fmt;

use crate::wire::fix::value;

/// Most digits of a fraction of a second: picoseconds.
const FRACTION_DIGITS_MAX: usize = 12;

macro_rules! field_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(| $other:literal)*,)*) => {
        /// The type of a field, by the name the standard gives it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FieldType { $($(#[$doc])* $variant,)* }

        impl FieldType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in dictionaries, in capitals.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type called `name` in a dictionary, in capitals.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name $(| $other)* => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

field_types! {
    /// Any text.
    String = "STRING" | "XID" | "XIDREF" | "PATTERN" | "TENOR" | "UNKNOWN",
    /// One byte.
    Char = "CHAR",
    /// `Y` or `N`.
    Boolean = "BOOLEAN",
    /// Digits with an optional `-`.
    Int = "INT",
    /// Length of a data field in bytes: digits.
    Length = "LENGTH",
    /// A tag number: digits without a leading zero.
    TagNum = "TAGNUM",
    /// A sequence number: digits.
    SeqNum = "SEQNUM",
    /// The counter of a group: digits.
    NumInGroup = "NUMINGROUP",
    /// 1 to 31.
    DayOfMonth = "DAYOFMONTH",
    /// A decimal number: digits with an optional `-` and an optional point.
    Float = "FLOAT",
    /// A decimal number.
    Qty = "QTY" | "QUANTITY",
    /// A decimal number.
    Price = "PRICE",
    /// A decimal number.
    PriceOffset = "PRICEOFFSET",
    /// A decimal number.
    Amt = "AMT",
    /// A decimal number: 0.05 is 5 %.
    Percentage = "PERCENTAGE",
    /// Single bytes with blanks between.
    MultipleCharValue = "MULTIPLECHARVALUE",
    /// Words with blanks between.
    MultipleStringValue = "MULTIPLESTRINGVALUE" | "MULTIPLEVALUESTRING",
    /// Letters and digits, at least three: ISO 4217 has three, digital assets have more.
    Currency = "CURRENCY",
    /// Two letters of ISO 3166.
    Country = "COUNTRY",
    /// Two letters of ISO 639-1.
    Language = "LANGUAGE",
    /// Code of a market: any text, because there were several lists of them.
    Exchange = "EXCHANGE",
    /// `YYYYMMDD-HH:MM:SS`, and up to 12 digits of a fraction.
    UtcTimestamp = "UTCTIMESTAMP",
    /// The timestamp of FIX.4.0 and 4.1: whole seconds; milliseconds are taken too.
    Time = "TIME",
    /// `HH:MM:SS`, and up to 12 digits of a fraction.
    UtcTimeOnly = "UTCTIMEONLY",
    /// `YYYYMMDD`.
    UtcDateOnly = "UTCDATEONLY" | "UTCDATE" | "DATE",
    /// `YYYYMMDD`.
    LocalMktDate = "LOCALMKTDATE",
    /// `HH:MM:SS`, and up to 12 digits of a fraction.
    LocalMktTime = "LOCALMKTTIME",
    /// `YYYYMM`, `YYYYMMDD` or `YYYYMMw1` to `w5`.
    MonthYear = "MONTHYEAR",
    /// `HH:MM`, optionally with seconds and a fraction, then `Z` or `+hh`, `-hh:mm` or nothing.
    TzTimeOnly = "TZTIMEONLY",
    /// `YYYYMMDD-HH:MM:SS`, optionally with a fraction, then `Z` or `+hh`, `-hh:mm` or nothing.
    TzTimestamp = "TZTIMESTAMP",
    /// Any bytes, as many as the length field before it says.
    Data = "DATA",
    /// XML, as many bytes as the length field before it says.
    XmlData = "XMLDATA",
}

impl FieldType {
    /// Whether `value` is spelled as this type asks. An empty value is a value of no type but data.
    #[must_use]
    pub fn takes(self, value: &[u8]) -> bool {
        match self {
            Self::String | Self::Exchange => !value.is_empty(),
            Self::Char => value.len() == 1,
            Self::Boolean => matches!(value, b"Y" | b"N"),
            Self::Int => value::parse_int(value).is_some(),
            Self::Length | Self::SeqNum | Self::NumInGroup => value::parse_uint(value).is_some(),
            Self::Float
            | Self::Qty
            | Self::Price
            | Self::PriceOffset
            | Self::Amt
            | Self::Percentage => is_decimal(value),
            Self::UtcTimestamp => is_timestamp(value, is_fraction),
            Self::MultipleCharValue => value
                .split(|&byte| byte == b' ')
                .all(|part| part.len() == 1),
            Self::MultipleStringValue => value
                .split(|&byte| byte == b' ')
                .all(|part| !part.is_empty()),
            Self::Data | Self::XmlData => true,
            other => other.takes_rarer(value),
        }
    }

    /// Whether its value is a list with blanks between.
    #[inline]
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::MultipleCharValue | Self::MultipleStringValue)
    }

    /// Whether its value may hold any byte, SOH included.
    #[must_use]
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Data | Self::XmlData)
    }

    #[inline(never)]
    fn takes_rarer(self, value: &[u8]) -> bool {
        match self {
            Self::TagNum => !value.starts_with(b"0") && value::parse_uint(value).is_some(),
            Self::DayOfMonth => {
                value::parse_uint(value).is_some_and(|day| (1..=31).contains(&day)) && value.len() <= 2
            }
            Self::Currency => value.len() >= 3 && value.iter().all(u8::is_ascii_alphanumeric),
            Self::Country | Self::Language => {
                value.len() == 2 && value.iter().all(u8::is_ascii_alphabetic)
            }
            Self::Time => is_timestamp(value, |fraction| {
                fraction.is_empty() || (fraction.len() == 4 && is_fraction(fraction))
            }),
            Self::UtcTimeOnly | Self::LocalMktTime => is_time(value, is_fraction),
            Self::UtcDateOnly | Self::LocalMktDate => is_date(value),
            Self::MonthYear => is_month_year(value),
            Self::TzTimeOnly => is_tz_time(value),
            Self::TzTimestamp => match value.split_at_checked(9) {
                Some(([date @ .., b'-'], time)) => {
                    is_date(date) && time.len() >= 8 && time[5] == b':' && is_tz_time(time)
                }
                _ => false,
            },
            _ => false,
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Optional `-`, digits with an optional point among, before or after them. How many there are does not
/// matter here.
#[inline]
fn is_decimal(value: &[u8]) -> bool {
    let digits = match value {
        [b'-', digits @ ..] => digits,
        digits => digits,
    };
    let mut points = 0;
    for &byte in digits {
        if byte.wrapping_sub(b'0') > 9 {
            if byte != b'.' {
                return false;
            }
            points += 1;
        }
    }
    points <= 1 && digits.len() > points
}

#[inline]
fn is_timestamp(value: &[u8], is_fraction: impl Fn(&[u8]) -> bool) -> bool {
    match value.split_first_chunk::<8>() {
        Some((date, [b'-', time @ ..])) => is_day(*date) && is_time(time, is_fraction),
        _ => false,
    }
}

/// Nothing, or a point and 1 to 12 digits.
#[inline]
fn is_fraction(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b'.', digits @ ..] => {
            (1..=FRACTION_DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// `HH:MM:SS`, and optionally a point and 1 to 12 digits.
#[inline(always)]
pub(super) fn is_clock(text: &[u8]) -> bool {
    is_time(text, |fraction| match *fraction {
        [b'.', a, b, c] => a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit(),
        ref other => is_fraction(other),
    })
}

/// `HH:MM:SS` and what `is_fraction` takes. The second 60 is a leap second.
#[inline(always)]
fn is_time(text: &[u8], is_fraction: impl Fn(&[u8]) -> bool) -> bool {
    let Some((to_second, fraction)) = text.split_first_chunk::<8>() else {
        return false;
    };
    const COLONS: u64 = u64::from_le_bytes(*b"\0\0:\0\0:\0\0");
    const COLONS_MASK: u64 = u64::from_le_bytes([0, 0, 0xff, 0, 0, 0xff, 0, 0]);
    let word = u64::from_le_bytes(*to_second);
    if word & COLONS_MASK != COLONS {
        return false;
    }
    // Zeros in place of the colons.
    let Some([hour, _, _, minute, _, _, second, _]) =
        pairs(word ^ (COLONS ^ ((EACH * 0x30) & COLONS_MASK)))
    else {
        return false;
    };
    hour <= 23 && minute <= 59 && second <= 60 && is_fraction(fraction)
}

/// `YYYYMMDD`, a day that exists.
#[inline]
fn is_date(text: &[u8]) -> bool {
    <[u8; 8]>::try_from(text).is_ok_and(is_day)
}

/// Whether eight bytes are a day that exists.
#[inline]
pub(super) fn is_day(digits: [u8; 8]) -> bool {
    let Some([century, _, year, _, month, _, day, _]) = pairs(u64::from_le_bytes(digits)) else {
        return false;
    };
    (1..=12).contains(&month) && day > 0 && (day <= 28 || day <= days_in(century, year, month))
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// For eight digits, the number that each makes with the one behind it.
#[inline]
fn pairs(word: u64) -> Option<[u8; 8]> {
    let digits = word.wrapping_sub(EACH * 0x30);
    // Any byte not 0 to 9 has its high bit now, or gets it from adding 0x76.
    if (digits | digits.wrapping_add(EACH * 0x76)) & (EACH * 0x80) != 0 {
        return None;
    }
    // At most 99: no byte overflows into the next.
    Some((digits * 10 + (digits >> 8)).to_le_bytes())
}

/// Of the month of a year `century * 100 + year`.
const fn days_in(century: u8, year: u8, month: u8) -> u8 {
    match month {
        2 => {
            // Every fourth year, but of the full centuries only every fourth again.
            let counted = if year == 0 { century } else { year };
            if counted.is_multiple_of(4) { 29 } else { 28 }
        }
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_month_year(text: &[u8]) -> bool {
    match text {
        [_, _, _, _, _, _, b'w', b'1'..=b'5'] | [_, _, _, _, _, _] => {
            let mut first = *b"00000001";
            first[..6].copy_from_slice(&text[..6]);
            is_date(&first)
        }
        _ => is_date(text),
    }
}

/// `HH:MM[:SS[.f]]` and an optional offset from UTC.
fn is_tz_time(text: &[u8]) -> bool {
    let at = text
        .iter()
        .position(|byte| matches!(byte, b'Z' | b'+' | b'-'));
    let (time, offset) = text.split_at(at.unwrap_or(text.len()));
    let offset_is_good = match *offset {
        [] | [b'Z'] => true,
        [_, h, o] => number(h, o) <= 14 && offset[0] != b'Z',
        [_, h, o, b':', m, i] => number(h, o) <= 14 && number(m, i) <= 59 && offset[0] != b'Z',
        _ => false,
    };
    let time_is_good = match *time {
        [h, o, b':', m, i] => number(h, o) <= 23 && number(m, i) <= 59,
        _ => is_time(time, is_fraction),
    };
    offset_is_good && time_is_good
}

/// The number of two digits; more than 99 if they are none.
#[inline]
fn number(tens: u8, ones: u8) -> u32 {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 {
        return u32::MAX;
    }
    u32::from(tens) * 10 + u32::from(ones)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Utc;

    fn check(of_type: FieldType, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(of_type.takes(text.as_bytes()), "{of_type} {text:?}");
        }
        for text in bad.iter().copied().chain([""]) {
            assert!(!of_type.takes(text.as_bytes()), "{of_type} {text:?}");
        }
    }

    #[test]
    fn numbers() {
        check(
            FieldType::Int,
            &["0", "-0", "007", "-42", "9223372036854775807"],
            &[
                "+1",
                "1.0",
                " 1",
                "1 ",
                "0x1F",
                "--1",
                "-",
                "9223372036854775808",
            ],
        );
        for of_type in [FieldType::Length, FieldType::SeqNum, FieldType::NumInGroup] {
            check(of_type, &["0", "00012"], &["-1", "+1", "abc", "1.0"]);
        }
        check(FieldType::TagNum, &["1", "5001"], &["0", "01", "-1"]);
        check(
            FieldType::DayOfMonth,
            &["1", "01", "31"],
            &["0", "32", "001", "x"],
        );
        for of_type in [
            FieldType::Float,
            FieldType::Qty,
            FieldType::Price,
            FieldType::PriceOffset,
            FieldType::Amt,
            FieldType::Percentage,
        ] {
            check(
                of_type,
                &[
                    "00023.230",
                    "23.",
                    ".5",
                    "-0",
                    "-.5",
                    "123456789012345678901234567890.5",
                ],
                &[
                    "+1", "1e5", "12,5", " 5", "0x1F", "--1", ".", "-", "-.", "1.2.3", "NaN", "5 ",
                ],
            );
        }
    }

    #[test]
    fn words() {
        check(FieldType::Char, &["a", " "], &["ab"]);
        check(FieldType::Boolean, &["Y", "N"], &["y", "1", "YES"]);
        check(FieldType::String, &["a", "a b", "\u{e9}"], &[]);
        check(FieldType::Exchange, &["XNYS", "N"], &[]);
        check(FieldType::Currency, &["USD", "USDT"], &["US", "U D", "US$"]);
        check(FieldType::Country, &["US", "de"], &["USA", "U", "1a"]);
        check(FieldType::Language, &["en"], &["eng", "e"]);
        check(
            FieldType::MultipleCharValue,
            &["1", "1 B c"],
            &[" ", "1  2", "1 ", "12", "1,2"],
        );
        check(
            FieldType::MultipleStringValue,
            &["AA", "AA b 12"],
            &[" ", "A  B", "A "],
        );
        for of_type in [FieldType::Data, FieldType::XmlData] {
            assert!(of_type.takes(b"\x01=\x01") && of_type.takes(b"") && of_type.is_data());
        }
    }

    #[test]
    fn times() {
        let good = [
            "20240229-23:59:60",
            "20240229-00:00:00.1",
            "20240229-00:00:00.123456789012",
        ];
        let bad = [
            "20230229-00:00:00",
            "20240431-00:00:00",
            "20241301-00:00:00",
            "20240100-00:00:00",
            "20240101-24:00:00",
            "20240101-00:60:00",
            "20240101-00:00:61",
            "20240101-00:00:00.",
            "20240101-00:00:00.1234567890123",
            "20240101 00:00:00",
            "20240101-0:00:00",
            "20240101-00:00",
            "20240101-00:00:00Z",
            "2024-01-01-00:00:00",
        ];
        check(FieldType::UtcTimestamp, &good, &bad);
        check(
            FieldType::Time,
            &["20240229-23:59:60", "20240229-00:00:00.123"],
            &["20240229-00:00:00.1", "20240229-00:00:00.123456"],
        );
        check(FieldType::Time, &[], &bad);
        for of_type in [FieldType::UtcTimeOnly, FieldType::LocalMktTime] {
            check(
                of_type,
                &["00:00:00", "23:59:59.999"],
                &["24:00:00", "00:00", "00:00:00.", "00-00-00"],
            );
        }
        for of_type in [FieldType::UtcDateOnly, FieldType::LocalMktDate] {
            check(
                of_type,
                &["20240229", "20000229", "19500101"],
                &["20230229", "19000229", "2024", "2024010a", "20241301"],
            );
        }
        check(
            FieldType::MonthYear,
            &["202401", "20240131", "202401w1", "202401w5"],
            &[
                "202413", "202401w6", "202401w", "20240132", "2024", "202400",
            ],
        );
        check(
            FieldType::TzTimeOnly,
            &[
                "07:39",
                "07:39Z",
                "07:39:12-05",
                "07:39:12.5+05:30",
                "07:39+08",
            ],
            &[
                "07:39 Z",
                "07",
                "24:00Z",
                "07:39+15",
                "07:39+05:60",
                "07:39Z5",
                "07:39:12.",
            ],
        );
        check(
            FieldType::TzTimestamp,
            &[
                "20060901-07:39:12",
                "20060901-07:39:12Z",
                "20060901-02:39:12.123-05:00",
            ],
            &[
                "20060901-07:39Z",
                "20060931-07:39:12Z",
                "20060901",
                "20060901-",
            ],
        );
    }

    #[test]
    fn every_type_is_found_by_its_name() {
        for &of_type in FieldType::ALL {
            assert_eq!(FieldType::named(of_type.name()), Some(of_type));
        }
        assert_eq!(
            FieldType::named("MULTIPLEVALUESTRING"),
            Some(FieldType::MultipleStringValue)
        );
        assert_eq!(FieldType::named("string"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            for of_type in FieldType::ALL {
                let _ = of_type.takes(&bytes);
            }
        }

        #[test]
        fn a_timestamp_is_one_that_can_be_read(text in "(19[7-9][0-9]|20[0-9]{2})[01][0-9][0-3][0-9]-[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,13})?") {
            prop_assert_eq!(
                FieldType::UtcTimestamp.takes(text.as_bytes()),
                Utc::parse_fix(text.as_bytes()).is_some()
            );
        }
    }
}
