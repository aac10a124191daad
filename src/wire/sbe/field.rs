//! What a field may be: how many bytes it has, what they mean, and which of them say that there is no value.
//!
//! A codec names the type of each of its fields with two words: what it holds ([`Scalar`]: a number, [`Text`], an
//! enumeration) and whether it must be there ([`Required`], [`Optional`], [`Late`]).

use std::fmt;
use std::marker::PhantomData;

use super::describe::Kind;

/// Something of fixed size in a block.
pub trait Scalar {
    /// As it is read and written.
    type Value<'a>: Copy;
    /// Bytes it takes.
    const SIZE: usize;
    /// The bytes that mean "no value".
    const NULL: &'static [u8];
    /// How it is described at run time.
    const KIND: Kind;
    /// The value of `bytes`, of which there are [`SIZE`](Self::SIZE).
    fn get(bytes: &[u8]) -> Self::Value<'_>;
    /// Writes the value; `false`, and nothing written, if it has no room.
    fn put(value: Self::Value<'_>, bytes: &mut [u8]) -> bool;
    /// Whether `bytes` mean that there is no value.
    #[inline]
    fn is_null(bytes: &[u8]) -> bool {
        bytes == Self::NULL
    }
}

/// A [`Scalar`] together with the rule whether it must be there.
pub trait Field {
    /// What is in the bytes.
    type Scalar: Scalar;
    /// As it is read.
    type Value<'a>;
    /// Whether a block without it is refused.
    const REQUIRED: bool;
    /// What stands in its place before it is set; empty for zeros.
    const INITIAL: &'static [u8];
    /// The value of its bytes, `None` if the block ends before it.
    fn get(bytes: Option<&[u8]>) -> Self::Value<'_>;
    /// Writes what [`get`](Self::get) gave; `false` if it has no room.
    fn copy(value: Self::Value<'_>, bytes: &mut [u8]) -> bool;
}

/// A field that every message of its kind has.
pub struct Required<T>(PhantomData<T>);

/// A field with a null value, read as an `Option`.
pub struct Optional<T>(PhantomData<T>);

/// A field that is required since a later version than its message: an older message is without it.
pub struct Late<T>(PhantomData<T>);

impl<T: Scalar> Field for Required<T> {
    type Scalar = T;
    type Value<'a> = T::Value<'a>;
    const REQUIRED: bool = true;
    const INITIAL: &'static [u8] = &[];
    #[inline]
    fn get(bytes: Option<&[u8]>) -> T::Value<'_> {
        // A block without it has been refused before.
        T::get(bytes.unwrap_or(T::NULL))
    }
    #[inline]
    fn copy(value: T::Value<'_>, bytes: &mut [u8]) -> bool {
        T::put(value, bytes)
    }
}

impl<T: Scalar> Field for Optional<T> {
    type Scalar = T;
    type Value<'a> = Option<T::Value<'a>>;
    const REQUIRED: bool = false;
    const INITIAL: &'static [u8] = T::NULL;
    #[inline]
    fn get(bytes: Option<&[u8]>) -> Option<T::Value<'_>> {
        bytes.filter(|bytes| !T::is_null(bytes)).map(T::get)
    }
    #[inline]
    fn copy(value: Option<T::Value<'_>>, bytes: &mut [u8]) -> bool {
        value.is_none_or(|value| T::put(value, bytes))
    }
}

impl<T: Scalar> Field for Late<T> {
    type Scalar = T;
    type Value<'a> = Option<T::Value<'a>>;
    const REQUIRED: bool = false;
    const INITIAL: &'static [u8] = &[];
    #[inline]
    fn get(bytes: Option<&[u8]>) -> Option<T::Value<'_>> {
        bytes.map(T::get)
    }
    #[inline]
    fn copy(value: Option<T::Value<'_>>, bytes: &mut [u8]) -> bool {
        value.is_none_or(|value| T::put(value, bytes))
    }
}

/// The first bytes of `bytes`, zeros if there are not enough.
#[inline]
pub(super) fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// Copies what has the same length.
#[inline]
pub(super) fn fill(bytes: &mut [u8], value: &[u8]) -> bool {
    let fits = bytes.len() == value.len();
    if fits {
        bytes.copy_from_slice(value);
    }
    fits
}

macro_rules! number {
    ($($number:ident $size:literal $null:expr, $kind:expr;)*) => {$(
        impl Scalar for $number {
            type Value<'a> = $number;
            const SIZE: usize = $size;
            const NULL: &'static [u8] = &($null).to_le_bytes();
            const KIND: Kind = $kind;
            #[inline]
            fn get(bytes: &[u8]) -> $number {
                $number::from_le_bytes(first(bytes))
            }
            #[inline]
            fn put(value: $number, bytes: &mut [u8]) -> bool {
                fill(bytes, &value.to_le_bytes())
            }
        }
    )*};
}

number! {
    u8 1 u8::MAX, Kind::Unsigned(1);
    u16 2 u16::MAX, Kind::Unsigned(2);
    u32 4 u32::MAX, Kind::Unsigned(4);
    u64 8 u64::MAX, Kind::Unsigned(8);
    i8 1 i8::MIN, Kind::Signed(1);
    i16 2 i16::MIN, Kind::Signed(2);
    i32 4 i32::MIN, Kind::Signed(4);
    i64 8 i64::MIN, Kind::Signed(8);
}

/// A number whose null value is `NULL`, given as its bits, and not the one that SBE gives its type.
pub struct NullIs<T, const NULL: u64>(PhantomData<T>);

impl<T: Scalar, const NULL: u64> Scalar for NullIs<T, NULL> {
    type Value<'a> = T::Value<'a>;
    const SIZE: usize = T::SIZE;
    const NULL: &'static [u8] = bits::<NULL>(T::SIZE);
    const KIND: Kind = T::KIND;
    #[inline]
    fn get(bytes: &[u8]) -> T::Value<'_> {
        T::get(bytes)
    }
    #[inline]
    fn put(value: T::Value<'_>, bytes: &mut [u8]) -> bool {
        T::put(value, bytes)
    }
}

struct Bits<const NULL: u64>;

impl<const NULL: u64> Bits<NULL> {
    const BYTES: [u8; 8] = NULL.to_le_bytes();
}

/// The `size` low bytes of `NULL`.
const fn bits<const NULL: u64>(size: usize) -> &'static [u8] {
    let all: &'static [u8; 8] = &Bits::<NULL>::BYTES;
    all.split_at(size).0
}

macro_rules! float {
    ($($number:ident $size:literal;)*) => {$(
        impl Scalar for $number {
            type Value<'a> = $number;
            const SIZE: usize = $size;
            const NULL: &'static [u8] = &$number::NAN.to_le_bytes();
            const KIND: Kind = Kind::Float($size);
            #[inline]
            fn get(bytes: &[u8]) -> $number {
                $number::from_le_bytes(first(bytes))
            }
            #[inline]
            fn put(value: $number, bytes: &mut [u8]) -> bool {
                fill(bytes, &value.to_le_bytes())
            }
            #[inline]
            fn is_null(bytes: &[u8]) -> bool {
                <$number as Scalar>::get(bytes).is_nan()
            }
        }
    )*};
}

float! {
    f32 4;
    f64 8;
}

/// One character, read as its byte; null is 0.
pub struct Char;

impl Scalar for Char {
    type Value<'a> = u8;
    const SIZE: usize = 1;
    const NULL: &'static [u8] = &[0];
    const KIND: Kind = Kind::Char;
    #[inline]
    fn get(bytes: &[u8]) -> u8 {
        <u8 as Scalar>::get(bytes)
    }
    #[inline]
    fn put(value: u8, bytes: &mut [u8]) -> bool {
        <u8 as Scalar>::put(value, bytes)
    }
}

/// Up to `N` characters, filled up with zeros. Read without them: up to the first zero.
pub struct Text<const N: usize>;

impl<const N: usize> Scalar for Text<N> {
    type Value<'a> = &'a [u8];
    const SIZE: usize = N;
    const NULL: &'static [u8] = &[0; N];
    const KIND: Kind = Kind::Text(N);
    #[inline]
    fn get(bytes: &[u8]) -> &[u8] {
        let end = bytes.iter().position(|&byte| byte == 0);
        bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default()
    }
    #[inline]
    fn put(value: &[u8], bytes: &mut [u8]) -> bool {
        // A zero within would end the text where it was not meant to.
        if value.len() > bytes.len() || value.contains(&0) {
            return false;
        }
        let (text, rest) = bytes.split_at_mut(value.len());
        text.copy_from_slice(value);
        rest.fill(0);
        true
    }
    /// A text that begins with a zero has no characters.
    #[inline]
    fn is_null(bytes: &[u8]) -> bool {
        bytes.first().is_none_or(|&byte| byte == 0)
    }
}

/// `N` bytes of any value, such as a signature.
pub struct Bytes<const N: usize>;

impl<const N: usize> Scalar for Bytes<N> {
    type Value<'a> = &'a [u8];
    const SIZE: usize = N;
    const NULL: &'static [u8] = &[0; N];
    const KIND: Kind = Kind::Bytes(N);
    #[inline]
    fn get(bytes: &[u8]) -> &[u8] {
        bytes
    }
    #[inline]
    fn put(value: &[u8], bytes: &mut [u8]) -> bool {
        fill(bytes, value)
    }
}

/// A decimal number with a fixed exponent: `self.0` times ten to the power of `EXPONENT`. Null is the greatest
/// mantissa.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed<const EXPONENT: i8>(pub i64);

/// A price in iLink 3: the mantissa in units of 0.000000001.
pub type Price9 = Fixed<-9>;

impl<const EXPONENT: i8> Fixed<EXPONENT> {
    /// The power of ten that the mantissa counts.
    pub const EXPONENT: i8 = EXPONENT;

    /// The number with this mantissa.
    #[must_use]
    pub const fn new(mantissa: i64) -> Self {
        Self(mantissa)
    }

    /// The number, if the exponent can express it and nothing is lost.
    ///
    /// ```
    /// use pinfix::wire::sbe::Price9;
    ///
    /// assert_eq!(Price9::parse("4712.25"), Some(Price9::new(4_712_250_000_000)));
    /// assert_eq!(Price9::parse("0.0000000001"), None);
    /// assert_eq!(Price9::new(4_712_250_000_000).to_string(), "4712.25");
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Decimal::parse(text)?.mantissa_at(EXPONENT).map(Self)
    }
}

impl<const EXPONENT: i8> fmt::Display for Fixed<EXPONENT> {
    /// As a decimal number, without zeros at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(
            &Decimal {
                mantissa: self.0,
                exponent: EXPONENT,
            },
            f,
        )
    }
}

impl<const EXPONENT: i8> Scalar for Fixed<EXPONENT> {
    type Value<'a> = Self;
    const SIZE: usize = 8;
    const NULL: &'static [u8] = &i64::MAX.to_le_bytes();
    const KIND: Kind = Kind::Fixed(EXPONENT);
    #[inline]
    fn get(bytes: &[u8]) -> Self {
        Self(<i64 as Scalar>::get(bytes))
    }
    #[inline]
    fn put(value: Self, bytes: &mut [u8]) -> bool {
        <i64 as Scalar>::put(value.0, bytes)
    }
}

/// A decimal number that carries its exponent: `mantissa` times ten to the power of `exponent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// The digits, with their sign.
    pub mantissa: i64,
    /// The power of ten that the mantissa counts.
    pub exponent: i8,
}

impl Decimal {
    /// A number such as `-12.50`, with the exponent that its digits after the point have.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let exponent = i8::try_from(part.len()).ok()?.checked_neg()?;
        if whole.is_empty() && part.is_empty() {
            return None;
        }
        let mut mantissa = 0_i64;
        for digit in whole.bytes().chain(part.bytes()) {
            if !digit.is_ascii_digit() {
                return None;
            }
            mantissa = mantissa
                .checked_mul(10)?
                .checked_add(sign * i64::from(digit - b'0'))?;
        }
        Some(Self { mantissa, exponent })
    }
}

impl Decimal {
    /// The mantissa that says the same with another exponent; `None` if it is out of range or digits would be lost.
    #[must_use]
    pub fn mantissa_at(self, exponent: i8) -> Option<i64> {
        let mut mantissa = self.mantissa;
        if mantissa == 0 {
            return Some(0);
        }
        for _ in exponent..self.exponent {
            mantissa = mantissa.checked_mul(10)?;
        }
        for _ in self.exponent..exponent {
            if mantissa % 10 != 0 {
                return None;
            }
            mantissa /= 10;
        }
        Some(mantissa)
    }
}

impl fmt::Display for Decimal {
    /// As a decimal number, without zeros at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let sign = if self.mantissa < 0 { "-" } else { "" };
        if self.mantissa == 0 {
            return f.write_str("0");
        }
        let Ok(after) = usize::try_from(-i32::from(self.exponent)) else {
            let zeros = usize::try_from(self.exponent).unwrap_or_default();
            return write!(f, "{sign}{digits}{:0<zeros$}", "");
        };
        let padded = format!("{digits:0>width$}", width = after + 1);
        let (whole, part) = padded.split_at(padded.len() - after);
        match part.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            part => write!(f, "{sign}{whole}.{part}"),
        }
    }
}

macro_rules! decimal {
    ($($(#[$doc:meta])* $name:ident $mantissa:ident $size:literal $null:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl Scalar for $name {
            type Value<'a> = Decimal;
            const SIZE: usize = $size + 1;
            const NULL: &'static [u8] = &$null;
            const KIND: Kind = Kind::Decimal($size);
            #[inline]
            fn get(bytes: &[u8]) -> Decimal {
                Decimal {
                    mantissa: i64::from($mantissa::from_le_bytes(first(bytes))),
                    exponent: bytes.get($size).map_or(0, |&byte| byte.cast_signed()),
                }
            }
            #[inline]
            fn put(value: Decimal, bytes: &mut [u8]) -> bool {
                let mantissa = value.mantissa as $mantissa;
                if i64::from(mantissa) != value.mantissa {
                    return false;
                }
                let Some((exponent, digits)) = bytes.split_last_mut() else {
                    return false;
                };
                *exponent = value.exponent.cast_unsigned();
                fill(digits, &mantissa.to_le_bytes())
            }
            /// The mantissa decides; a sender may leave any exponent beside it.
            #[inline]
            fn is_null(bytes: &[u8]) -> bool {
                first::<$size>(bytes) == $mantissa::MAX.to_le_bytes()
            }
        }
    )*};
}

decimal! {
    /// A 32-bit mantissa and an exponent. Null is the greatest mantissa.
    Decimal32 i32 4 [0xFF, 0xFF, 0xFF, 0x7F, 0x7F];
    /// A 64-bit mantissa and an exponent. Null is the greatest mantissa.
    Decimal64 i64 8 [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x7F];
}

/// `N` numbers, one behind the other.
pub struct Array<T, const N: usize>(PhantomData<T>);

impl<T, const N: usize> Scalar for Array<T, N>
where
    T: for<'a> Scalar<Value<'a> = T> + Copy,
{
    type Value<'a> = [T; N];
    const SIZE: usize = N * T::SIZE;
    const NULL: &'static [u8] = &[];
    const KIND: Kind = Kind::Array(&T::KIND, N);
    fn get(bytes: &[u8]) -> [T; N] {
        std::array::from_fn(|nth| T::get(bytes.get(nth * T::SIZE..).unwrap_or_default()))
    }
    fn put(value: [T; N], bytes: &mut [u8]) -> bool {
        let mut slots = bytes.chunks_exact_mut(T::SIZE);
        value
            .into_iter()
            .all(|one| slots.next().is_some_and(|slot| T::put(one, slot)))
    }
    fn is_null(_: &[u8]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_printed_without_what_says_nothing() {
        for (mantissa, exponent, text) in [
            (0, -9, "0"),
            (1, -9, "0.000000001"),
            (-1_500_000_000, -9, "-1.5"),
            (4_712_250_000_000, -9, "4712.25"),
            (12, 2, "1200"),
            (7, 0, "7"),
            (i64::MIN, 0, "-9223372036854775808"),
        ] {
            assert_eq!(Decimal { mantissa, exponent }.to_string(), text);
        }
        // Any exponent that a byte can hold.
        assert_eq!(
            Decimal {
                mantissa: 1,
                exponent: -128
            }
            .to_string()
            .len(),
            130
        );
        assert_eq!(
            Decimal {
                mantissa: 1,
                exponent: 127
            }
            .to_string()
            .len(),
            128
        );
    }

    #[test]
    fn what_is_no_decimal_is_none() {
        for text in [
            "",
            "-",
            ".",
            "1.2.3",
            "1e5",
            "+1",
            " 1",
            "99999999999999999999",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(
            Decimal::parse("-.5"),
            Some(Decimal {
                mantissa: -5,
                exponent: -1
            })
        );
        assert_eq!(Price9::parse("-0.50"), Some(Fixed(-500_000_000)));
        assert_eq!(
            Price9::parse("10000000000"),
            None,
            "more than the mantissa holds"
        );
        assert_eq!(Price9::parse("1.00000000000"), Some(Fixed(1_000_000_000)));
    }

    #[test]
    fn a_text_has_no_zeros_and_no_more_than_fits() {
        let mut room = *b"xxxxx";
        assert!(<Text<5> as Scalar>::put(b"abc", &mut room));
        assert_eq!(&room, b"abc\0\0");
        assert_eq!(<Text<5> as Scalar>::get(&room), b"abc");
        assert!(!<Text<5> as Scalar>::put(b"abcdef", &mut room));
        assert!(!<Text<5> as Scalar>::put(b"a\0b", &mut room));
        assert_eq!(&room, b"abc\0\0");
        assert!(<Text<5> as Scalar>::put(b"abcde", &mut room));
        assert_eq!(<Text<5> as Scalar>::get(&room), b"abcde");
    }

    #[test]
    fn a_null_value_of_its_own() {
        assert_eq!(
            <NullIs<i32, 0x7FFF_FFFF> as Scalar>::NULL,
            i32::MAX.to_le_bytes()
        );
        assert_eq!(
            <Optional<NullIs<u16, 0>> as Field>::get(Some(&[0, 0])),
            None
        );
        assert_eq!(
            <Optional<NullIs<u16, 0>> as Field>::get(Some(&[0, 1])),
            Some(256)
        );
        assert_eq!(<Optional<u16> as Field>::get(None), None);
        assert_eq!(
            <Optional<f64> as Field>::get(Some(&f64::NAN.to_le_bytes())),
            None
        );
    }
}
