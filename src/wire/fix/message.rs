//! A view of a frame with typed access. What a field contains is judged only when it is asked for.

use std::fmt;
use std::ops::Range;

use super::index::{FieldIndex, Span};
use super::print::Printable;
use super::tag::{self, Tag};
use super::value::{self, Decimal};
use crate::time::Utc;

/// What is wrong with a field that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field.
    pub tag: Tag,
    /// What is wrong with it.
    pub kind: FieldErrorKind,
}

/// See [`FieldError`]. The three are session Reject reasons 1, 4 and 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// Not in the message.
    Missing,
    /// There, without a value.
    Empty,
    /// Not a value of the type asked for.
    Format,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FieldErrorKind::Missing => "is missing",
            FieldErrorKind::Empty => "has no value",
            FieldErrorKind::Format => "has a value of the wrong format",
        };
        write!(f, "field {} {what}", self.tag)
    }
}

impl std::error::Error for FieldError {}

/// For fields that need not be there.
pub trait Optional {
    /// What the field holds.
    type Value;

    /// Makes a missing field `None`; an empty or malformed one stays an error.
    ///
    /// # Errors
    /// The field is there but has no value of the type asked for.
    fn optional(self) -> Result<Option<Self::Value>, FieldError>;
}

impl<T> Optional for Result<T, FieldError> {
    type Value = T;

    #[inline]
    fn optional(self) -> Result<Option<T>, FieldError> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(FieldError {
                kind: FieldErrorKind::Missing,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A frame and where its fields are. Cheap to copy; valid until the index reads the next frame.
///
/// Getters find the first occurrence of a tag. Repeating groups are read by a dictionary
/// (`pinfix::dict::ReadGroups`) or by walking [`Message::fields`]. `Debug` masks secrets.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    frame: &'a [u8],
    index: &'a FieldIndex,
}

impl<'a> Message<'a> {
    /// A view of `frame`, whose fields are in `index`.
    #[inline]
    pub(super) const fn new(frame: &'a [u8], index: &'a FieldIndex) -> Self {
        Self { frame, index }
    }

    /// The whole frame, from `8=` through the last SOH.
    #[inline]
    #[must_use]
    pub fn frame(&self) -> &'a [u8] {
        self.frame
    }

    /// The value of BeginString(8).
    #[inline]
    #[must_use]
    pub fn begin_string(&self) -> &'a [u8] {
        self.value_at(0)
    }

    /// The value of MsgType(35).
    #[inline]
    #[must_use]
    pub fn msg_type(&self) -> &'a [u8] {
        self.value_at(2)
    }

    /// The value of the first field `tag`, possibly empty.
    #[inline]
    #[must_use]
    pub fn get(&self, tag: Tag) -> Option<&'a [u8]> {
        self.position(tag).map(|at| self.value_at(at))
    }

    /// The value as an int.
    ///
    /// # Errors
    /// Missing, empty, or not an int.
    #[inline]
    pub fn int(&self, tag: Tag) -> Result<i64, FieldError> {
        self.typed(tag, value::parse_int)
    }

    /// The value as a SeqNum, Length or NumInGroup.
    ///
    /// # Errors
    /// Missing, empty, or not digits only.
    #[inline]
    pub fn uint(&self, tag: Tag) -> Result<u64, FieldError> {
        self.typed(tag, value::parse_uint)
    }

    /// The value as a float, Price, Qty or Amt.
    ///
    /// # Errors
    /// Missing, empty, or not a decimal number.
    #[inline]
    pub fn decimal(&self, tag: Tag) -> Result<Decimal, FieldError> {
        self.typed(tag, Decimal::parse)
    }

    /// The value as a UTCTimestamp.
    ///
    /// # Errors
    /// Missing, empty, or not a UTCTimestamp; see [`Utc::parse_fix`].
    #[inline]
    pub fn utc(&self, tag: Tag) -> Result<Utc, FieldError> {
        self.typed(tag, Utc::parse_fix)
    }

    /// The value as a Boolean: `Y` or `N`.
    ///
    /// # Errors
    /// Missing, empty, or neither.
    #[inline]
    pub fn boolean(&self, tag: Tag) -> Result<bool, FieldError> {
        self.typed(tag, value::parse_boolean)
    }

    /// The value as a char, one byte: compare with `b'1'`.
    ///
    /// # Errors
    /// Missing, empty, or longer than a byte.
    #[inline]
    pub fn char(&self, tag: Tag) -> Result<u8, FieldError> {
        self.typed(tag, value::parse_char)
    }

    /// The value as text.
    ///
    /// # Errors
    /// Missing, empty, or not UTF-8 (ASCII is).
    #[inline]
    pub fn str(&self, tag: Tag) -> Result<&'a str, FieldError> {
        self.typed(tag, |text| str::from_utf8(text).ok())
    }

    /// The value as it is.
    ///
    /// # Errors
    /// Missing or empty.
    #[inline]
    pub fn bytes(&self, tag: Tag) -> Result<&'a [u8], FieldError> {
        self.typed(tag, Some)
    }

    /// Where in the frame the value of the first field `tag` is.
    #[inline]
    #[must_use]
    pub fn span(&self, tag: Tag) -> Option<Range<usize>> {
        self.position(tag).map(|at| self.index.spans[at].range())
    }

    /// Where in the frame the values of secret fields are, of every occurrence.
    pub fn secrets(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let spans = &self.index.spans;
        self.tags()
            .iter()
            .zip(spans)
            .filter(|&(&tag, _)| tag::is_secret(tag))
            .map(|(_, span)| span.range())
    }

    /// The first field without a value.
    #[inline]
    #[must_use]
    pub fn first_empty(&self) -> Option<Tag> {
        self.index.empty
    }

    /// The first tag that is a number but can be no tag: zero, negative, with a leading zero or above
    /// 4294967295. Its field is in [`Message::fields`] as [`tag::INVALID`].
    #[inline]
    #[must_use]
    pub fn bad_tag(&self) -> Option<&'a [u8]> {
        self.index.bad_tag.map(|span| &self.frame[span.range()])
    }

    /// All fields in their order, from BeginString(8) through CheckSum(10).
    #[inline]
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (Tag, &'a [u8])> + use<'a> {
        let frame = self.frame;
        self.tags()
            .iter()
            .zip(&self.index.spans)
            .map(move |(&tag, span)| (tag, &frame[span.range()]))
    }

    /// The field at place `at`, counted from 0.
    #[inline]
    #[must_use]
    pub fn field_at(&self, at: usize) -> Option<(Tag, &'a [u8])> {
        self.tags().get(at).map(|&tag| (tag, self.value_at(at)))
    }

    /// How many fields there are; at least 3.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a message has at least three fields"
    )]
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len
    }

    /// Place of the first field `tag`.
    #[inline]
    #[must_use]
    pub fn position(&self, tag: Tag) -> Option<usize> {
        let (chunks, rest) = self.tags().as_chunks::<8>();
        for (nth, chunk) in chunks.iter().enumerate() {
            // Without an early way out the comparison of eight is a few vector instructions.
            let mut found = 0_u8;
            for (bit, &other) in chunk.iter().enumerate() {
                found |= u8::from(other == tag) << bit;
            }
            if found != 0 {
                return Some(nth * 8 + found.trailing_zeros() as usize);
            }
        }
        rest.iter()
            .position(|&other| other == tag)
            .map(|at| chunks.len() * 8 + at)
    }

    /// Offset at which the field at place `at` begins, with its tag; the length of the frame for the
    /// place behind the last.
    #[inline]
    pub(super) fn start_of(&self, at: usize) -> usize {
        if at == 0 {
            0
        } else {
            self.index.spans[at - 1].end as usize + 1
        }
    }

    /// The tags of all fields, in order.
    #[inline]
    pub(crate) fn tags(&self) -> &'a [Tag] {
        &self.index.tags[..self.index.len]
    }

    /// Where in the frame the values are, one for each of [`Message::tags`].
    #[inline]
    pub(crate) fn spans(&self) -> &'a [Span] {
        &self.index.spans[..self.index.len]
    }

    /// Whether every field has a value, and a tag that can be one.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.index.empty.is_none() && self.index.bad_tag.is_none()
    }

    /// The value of the field at place `at`, of which there must be one.
    #[inline]
    pub(crate) fn value_at(&self, at: usize) -> &'a [u8] {
        &self.frame[self.index.spans[at].range()]
    }

    #[inline]
    fn typed<T>(&self, tag: Tag, parse: impl FnOnce(&'a [u8]) -> Option<T>) -> Result<T, FieldError> {
        typed(tag, self.get(tag), parse)
    }
}

/// The value of a field as `parse` reads it.
#[inline]
pub(crate) fn typed<'a, T>(
    tag: Tag,
    value: Option<&'a [u8]>,
    parse: impl FnOnce(&'a [u8]) -> Option<T>,
) -> Result<T, FieldError> {
    let kind = match value {
        None => FieldErrorKind::Missing,
        Some([]) => FieldErrorKind::Empty,
        Some(text) => match parse(text) {
            Some(value) => return Ok(value),
            None => FieldErrorKind::Format,
        },
    };
    Err(FieldError { tag, kind })
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({})", Printable(self.frame))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::index::Malformed;
    use super::*;
    use crate::wire::fix::scan::SOH;

    fn wire(text: &str) -> Vec<u8> {
        text.bytes()
            .map(|byte| if byte == b'|' { SOH } else { byte })
            .collect()
    }

    fn front(rest: &str) -> Vec<u8> {
        wire(&format!("8=FIX.4.2|9=1|35=D|{rest}"))
    }

    fn read(rest: &str) -> Result<Vec<(Tag, String)>, Malformed> {
        let frame = front(rest);
        let mut index = FieldIndex::with_capacity(50);
        let message = index.read(&frame)?;
        let fields = message.fields().skip(3);
        Ok(fields
            .map(|(tag, value)| (tag, String::from_utf8_lossy(value).into_owned()))
            .collect())
    }

    #[test]
    fn fields_of_a_venue_sample() {
        let frame = wire(
            "8=FIXT.1.1|9=110|35=A|49=CLIENT1|56=BROKERET|34=1|52=20260312-14:30:00.000|98=0|108=30|\
             553=client1|554=MyP@ssw0rd|141=Y|1137=9|10=060|",
        );
        let mut index = FieldIndex::default();
        let message = index.read(&frame).unwrap();
        assert_eq!(message.begin_string(), b"FIXT.1.1");
        assert_eq!(message.msg_type(), b"A");
        assert_eq!(message.len(), 14);
        assert_eq!(message.uint(tag::MSG_SEQ_NUM), Ok(1));
        assert_eq!(message.int(tag::HEART_BT_INT), Ok(30));
        assert_eq!(message.str(tag::USERNAME), Ok("client1"));
        assert_eq!(message.boolean(tag::RESET_SEQ_NUM_FLAG), Ok(true));
        assert_eq!(message.char(tag::DEFAULT_APPL_VER_ID), Ok(b'9'));
        assert_eq!(
            message.utc(tag::SENDING_TIME),
            Ok(Utc::parse_fix(b"20260312-14:30:00").unwrap())
        );
        assert_eq!(message.get(tag::CHECK_SUM), Some(&b"060"[..]));
        assert_eq!(message.get(tag::TEXT), None);
        assert_eq!(message.field_at(3), Some((49, &b"CLIENT1"[..])));
        assert_eq!(message.field_at(14), None);
        let password = message.span(tag::PASSWORD).unwrap();
        assert_eq!(&message.frame()[password.clone()], b"MyP@ssw0rd");
        assert_eq!(message.secrets().collect::<Vec<_>>(), [password]);
        let shown = format!("{message:?}");
        assert!(shown.contains("553=client1|554=**********|141=Y") && !shown.contains("ssw0rd"));
        assert_eq!(message.start_of(0), 0);
        assert_eq!(message.start_of(13), frame.len() - 7);
        assert_eq!(message.start_of(14), frame.len());
    }

    #[test]
    fn kinds_of_field_errors() {
        let frame = front("38=|44=1e5|58=\u{e9}|34=99999999999999999999999|60=20240230-00:00:00|");
        let mut index = FieldIndex::default();
        let message = index.read(&frame).unwrap();
        let error = |tag, kind| FieldError { tag, kind };
        assert_eq!(message.decimal(38), Err(error(38, FieldErrorKind::Empty)));
        assert_eq!(message.decimal(44), Err(error(44, FieldErrorKind::Format)));
        assert_eq!(message.decimal(31), Err(error(31, FieldErrorKind::Missing)));
        assert_eq!(message.uint(34), Err(error(34, FieldErrorKind::Format)));
        assert_eq!(message.utc(60), Err(error(60, FieldErrorKind::Format)));
        assert_eq!(message.bytes(38), Err(error(38, FieldErrorKind::Empty)));
        assert_eq!(message.str(58), Ok("\u{e9}"));
        assert_eq!(message.decimal(31).optional(), Ok(None));
        assert_eq!(
            message.decimal(44).optional(),
            Err(error(44, FieldErrorKind::Format))
        );
        assert_eq!(message.bytes(58).optional(), Ok(Some("\u{e9}".as_bytes())));
        assert_eq!(
            error(44, FieldErrorKind::Format).to_string(),
            "field 44 has a value of the wrong format"
        );
        let frame = wire("8=FIX.4.2|9=1|35=D|58=@|")
            .iter()
            .map(|&b| if b == b'@' { 0xff } else { b })
            .collect::<Vec<_>>();
        assert_eq!(
            index.read(&frame).unwrap().str(58),
            Err(error(58, FieldErrorKind::Format))
        );
    }

    #[test]
    fn tags_that_are_numbers_but_impossible_are_kept_for_a_reject() {
        for bad in [
            "0",
            "-1",
            "+5",
            "-0",
            "034",
            "00",
            "4294967296",
            "99999999999999999999999999",
        ] {
            let frame = front(&format!("55=a|{bad}=x|-7=y|58=z|"));
            let mut index = FieldIndex::default();
            let message = index.read(&frame).unwrap();
            assert_eq!(message.bad_tag(), Some(bad.as_bytes()));
            assert_eq!(message.get(tag::INVALID), Some(&b"x"[..]));
            assert_eq!(message.get(58), Some(&b"z"[..]));
            // The next frame starts clean.
            assert_eq!(index.read(&front("55=a|")).unwrap().bad_tag(), None);
        }
        for good in [1, 9, 10, 999_999, 9_999_999, 10_000_000, 4_294_967_295] {
            assert_eq!(
                read(&format!("{good}=x|55=long enough|")).unwrap()[0],
                (good, "x".into())
            );
        }
    }

    #[test]
    fn what_cannot_be_split_is_malformed() {
        let at = 19;
        for (rest, why) in [
            ("55|", Malformed::NoEquals { at }),
            ("|", Malformed::NoEquals { at }),
            ("=x|55=yyyyyyyyyyyy|", Malformed::EmptyTag { at }),
            ("abc=x|", Malformed::TagNotANumber { at }),
            ("5 5=x|58=yyyyyyyyyyy|", Malformed::TagNotANumber { at }),
            (" 55=x|58=yyyyyyyyyyy|", Malformed::TagNotANumber { at }),
            ("5:5=x|58=yyyyyyyyyyy|", Malformed::TagNotANumber { at }),
            ("5/5=x|58=yyyyyyyyyyy|", Malformed::TagNotANumber { at }),
            ("\u{b5}5=x|58=yyyyyyyyyyy|", Malformed::TagNotANumber { at }),
            ("-=x|", Malformed::TagNotANumber { at }),
            ("--1=x|", Malformed::TagNotANumber { at }),
            ("1-=x|", Malformed::TagNotANumber { at }),
            ("5.5=x|", Malformed::TagNotANumber { at }),
            ("55=x", Malformed::Unterminated { at }),
            (
                "55=a|b|58=cccccccccccccc|",
                Malformed::NoEquals { at: at + 5 },
            ),
        ] {
            assert_eq!(read(rest), Err(why), "{rest}");
        }
    }

    #[test]
    fn first_three_fields() {
        let mut index = FieldIndex::default();
        for text in [
            "",
            "8=a|9=b|",
            "35=D|8=a|9=b|",
            "8=a|35=D|9=b|",
            "8=a|9=b|34=1|35=D|",
        ] {
            assert_eq!(
                index.read(&wire(text)).err(),
                Some(Malformed::FirstFields),
                "{text}"
            );
        }
    }

    #[test]
    fn data_is_taken_by_its_length() {
        assert_eq!(
            read("95=9|96=a|10=000||354=0|355=|58=x|").unwrap(),
            [
                (95, "9"),
                (96, "a\u{1}10=000\u{1}"),
                (354, "0"),
                (355, ""),
                (58, "x")
            ]
            .map(|(tag, value)| (tag, value.to_string()))
        );
        assert_eq!(
            read("93=3|89=|=||10=000|").unwrap()[1],
            (89, "\u{1}=\u{1}".into())
        );
        assert_eq!(
            read("43110=2|42486=|||58=xxxxxxxxx|").unwrap()[1],
            (42486, "\u{1}\u{1}".into())
        );
    }

    #[test]
    fn a_length_that_does_not_fit_is_malformed() {
        for rest in [
            "95=3|96=ab|58=x|",
            "95=3|96=abcd|58=x|",
            "95=3|58=abc|",
            "95=3|",
            "95=|96=abc|",
            "95=x|96=abc|",
            "95=-3|96=abc|",
            "95=9999|96=abc|",
            "95=18446744073709551615|96=abc|",
            "95=18446744073709551616|96=abc|",
            "95=4|96=abc|",
        ] {
            assert_eq!(read(rest), Err(Malformed::DataLength { tag: 95 }), "{rest}");
        }
    }

    #[test]
    fn data_before_its_length_ends_at_soh() {
        assert_eq!(
            read("91=licence|90=7|98=0|").unwrap(),
            [(91, "licence"), (90, "7"), (98, "0")].map(|(tag, value)| (tag, value.to_string()))
        );
        assert_eq!(read("96=abc|58=x|").unwrap()[0], (96, "abc".into()));
        // Entries of a group that begin with a length and end with its data.
        let entries = read("354=3|355=a|b|354=3|355=c|d|58=x|").unwrap();
        assert_eq!(entries[3], (355, "c\u{1}d".into()));
        assert_eq!(entries.len(), 5);
    }

    #[test]
    fn room_is_limited() {
        let mut index = FieldIndex::with_capacity(4);
        assert!(index.read(&front("1=a|")).is_ok());
        assert_eq!(
            index.read(&front("1=a|2=b|")).err(),
            Some(Malformed::TooManyFields { max: 4 })
        );
        let mut none = FieldIndex::with_capacity(0);
        assert_eq!(
            none.read(&front("")).err(),
            Some(Malformed::TooManyFields { max: 0 })
        );
    }

    #[test]
    fn the_first_of_several_is_found_wherever_it_is() {
        for count in 0..40_u32 {
            let rest: String = (0..count)
                .map(|n| format!("{}={n}|{}=again|", 6000 + n, 6000 + n))
                .collect();
            let frame = front(&rest);
            let mut index = FieldIndex::default();
            let message = index.read(&frame).unwrap();
            for n in 0..count {
                assert_eq!(message.uint(6000 + n), Ok(u64::from(n)));
            }
            assert_eq!(message.get(6000 + count), None);
        }
    }

    /// The tag before the last, unless the one before that is the last once more: then it is of a pair.
    fn data_alone_before(fields: &[(Tag, Vec<u8>)]) -> Option<Tag> {
        match *fields {
            [.., (first, _), _, (last, _)] if first == last => None,
            [.., (before, _), _] => Some(before),
            _ => None,
        }
    }

    /// The rules once more, one byte after another.
    fn plainly(frame: &[u8]) -> Option<Vec<(Tag, Vec<u8>)>> {
        let mut fields: Vec<(Tag, Vec<u8>)> = Vec::new();
        let mut rest = frame;
        while !rest.is_empty() {
            let equals = rest.iter().position(|&b| b == b'=')?;
            let text = str::from_utf8(&rest[..equals]).ok()?;
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let tag = match text.parse::<Tag>() {
                Ok(tag) if tag.to_string() == text => tag,
                _ => tag::INVALID,
            };
            let value = &rest[equals + 1..];
            let before = data_alone_before(&fields);
            let len = match fields.last() {
                Some((length, text))
                    if tag::is_length(*length) && tag::data_of_length(*length) != before =>
                {
                    if tag::data_of_length(*length) != Some(tag) {
                        return None;
                    }
                    usize::try_from(value::parse_uint(text)?).ok()?
                }
                _ => value.iter().position(|&b| b == SOH)?,
            };
            if *value.get(len)? != SOH {
                return None;
            }
            fields.push((tag, value[..len].to_vec()));
            rest = &value[len + 1..];
        }
        let last = fields.last()?.0;
        let before = data_alone_before(&fields);
        let hanging = tag::is_length(last) && tag::data_of_length(last) != before;
        (!hanging && fields.iter().take(3).map(|f| f.0).eq([8, 9, 35])).then_some(fields)
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_reading(
            parts in proptest::collection::vec(
                ("-?(0|[1-9])[0-9]{0,9}|95|96|90|91|354|355|[a=:/|]{0,2}", "[0-9]|[a-z=|0]{0,12}"), 0..12),
        ) {
            let rest: String = parts.iter().map(|(tag, value)| format!("{tag}={value}|")).collect();
            let frame = front(&rest);
            let mut index = FieldIndex::with_capacity(100);
            let fields: Option<Vec<_>> =
                index.read(&frame).ok().map(|message| message.fields().map(|(t, v)| (t, v.to_vec())).collect());
            prop_assert_eq!(fields, plainly(&frame));
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut index = FieldIndex::with_capacity(20);
            let _ = index.read(&bytes).is_ok();
            let mut framed = front("");
            framed.extend(bytes);
            framed.push(SOH);
            if let Ok(message) = index.read(&framed) {
                let _ = format!("{message:?}");
                for (tag, value) in message.fields() {
                    prop_assert!(message.get(tag).is_some() && value.len() < framed.len());
                }
            }
        }
    }
}
