//! Cutting one message from the front of a receive buffer.
//!
//! ```text
//!   8=FIX.4.2|9=55|35=5|34=2|....|10=038|next message
//!   ^              ^              ^      ^
//!   0              body           trailer = body + BodyLength(9)
//!                                        len = trailer + 7
//! ```
//!
//! [`cut`] jumps by BodyLength(9); it searches only when that leads nowhere. What it decides depends on
//! the bytes alone, never on how the network split them, with one exception: how many [`Cut::Skip`]s
//! a run of noise takes.
//!
//! It looks at no field but 8, 9, 35 and 10, and knows no session.

use std::fmt;

use super::scan;
use super::scan::SOH;

/// What is at the front of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The beginning of something. Nothing to do before more bytes arrive.
    Incomplete {
        /// Total bytes the buffer must hold before another call can give a different answer. Always
        /// more than it holds now, never more than `max_len` (or 32, if that is less).
        needed: usize,
    },
    /// A sound message.
    Frame {
        /// The message is the first `len` bytes.
        len: usize,
        /// Offset of the `35=` that begins the body.
        body: usize,
    },
    /// Bytes to drop from the front before calling again.
    Skip {
        /// How many; at least 1.
        len: usize,
        /// What is wrong with them.
        why: Garbled,
    },
}

/// Why bytes are not a message. Such a message is ignored, whole, and its number is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbled {
    /// Bytes before the start of a message. A long run is reported in pieces.
    Noise,
    /// BeginString(8) is none of FIX.4.0 to FIX.4.4 and FIXT.1.1.
    BeginString,
    /// BodyLength(9) is not the second field, or is not 1 to 9 digits.
    BodyLength,
    /// By its BodyLength(9) the message is longer than the limit.
    TooLong {
        /// BodyLength(9) as given.
        declared: usize,
    },
    /// Where BodyLength(9) says the message ends there is no `10=` with three digits.
    Trailer,
    /// CheckSum(10) does not match.
    CheckSum {
        /// As given.
        declared: u16,
        /// As computed.
        computed: u8,
    },
    /// MsgType(35) is not the third field, or is empty.
    MsgType,
}

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Noise => write!(f, "bytes before the start of a message (8=FIX)"),
            Self::BeginString => {
                write!(
                    f,
                    "BeginString(8) is not one of FIX.4.0 to FIX.4.4 and FIXT.1.1"
                )
            }
            Self::BodyLength => {
                write!(
                    f,
                    "BodyLength(9) is not the second field with 1 to 9 digits"
                )
            }
            Self::TooLong { declared } => {
                write!(
                    f,
                    "BodyLength(9) is {declared}, more than the longest message accepted"
                )
            }
            Self::Trailer => {
                write!(
                    f,
                    "no CheckSum(10) of three digits where BodyLength(9) says the message ends"
                )
            }
            Self::CheckSum { declared, computed } => {
                write!(f, "CheckSum(10) is {declared:03}, should be {computed:03}")
            }
            Self::MsgType => write!(f, "MsgType(35) is not the third field with a value"),
        }
    }
}

impl std::error::Error for Garbled {}

/// What a message begins with, and all that is compared while looking for a start: `8=` alone is found
/// inside `108=30`.
const START: &[u8] = b"8=FIX";

/// BeginString(8) values of the versions spoken here.
pub const BEGIN_STRINGS: [&[u8]; 6] = [
    b"FIX.4.0",
    b"FIX.4.1",
    b"FIX.4.2",
    b"FIX.4.3",
    b"FIX.4.4",
    b"FIXT.1.1",
];

/// Bytes of `10=ddd` and its SOH.
pub const TRAILER_LEN: usize = 7;

/// Longest BeginString(8) value that is read before giving up on it.
const BEGIN_STRING_MAX: usize = 16;

/// Most digits of BodyLength(9), leading zeros included.
const BODY_LENGTH_DIGITS_MAX: usize = 9;

/// Looks for one message at the start of `buf`.
///
/// `max_len` is the longest whole message accepted, in bytes. The caller's buffer must be able to hold
/// that much, and the caller drops what [`Cut::Frame`] and [`Cut::Skip`] name from the front.
///
/// After a wrong end the search for the next start begins behind the next `10=` field, as deployed
/// engines do: a BodyLength(9) too short costs one message, one a little too long costs two, and both
/// are recovered like any gap.
#[inline]
#[must_use]
pub fn cut(buf: &[u8], max_len: usize) -> Cut {
    let (body, declared) = match head(buf) {
        Head::Known { body, declared } => (body, declared),
        Head::Open => {
            return Cut::Incomplete {
                needed: buf.len() + 1,
            };
        }
        Head::None => return skip_noise(buf),
        Head::Wrong(why) => return resync(buf, why),
    };
    let trailer = body + declared;
    let len = trailer + TRAILER_LEN;
    if len > max_len {
        return resync(buf, Garbled::TooLong { declared });
    }
    let Some(frame) = buf.get(..len) else {
        return unfinished(buf, trailer, max_len);
    };
    let [SOH, b'1', b'0', b'=', hundreds, tens, ones, SOH] = frame[trailer - 1..] else {
        return discard(buf, trailer, max_len);
    };
    if !(hundreds.is_ascii_digit() && tens.is_ascii_digit() && ones.is_ascii_digit()) {
        return discard(buf, trailer, max_len);
    }
    let given = u16::from(hundreds - b'0') * 100 + u16::from(tens - b'0') * 10 + u16::from(ones - b'0');
    let computed = scan::checksum(&frame[..trailer]);
    if given != u16::from(computed) {
        return Cut::Skip {
            len,
            why: Garbled::CheckSum {
                declared: given,
                computed,
            },
        };
    }
    match frame[body..] {
        [b'3', b'5', b'=', first, ..] if first != SOH => Cut::Frame { len, body },
        _ => Cut::Skip {
            len,
            why: Garbled::MsgType,
        },
    }
}

/// What can be said about the first two fields.
enum Head {
    Known {
        body: usize,
        declared: usize,
    },
    /// Nothing wrong so far.
    Open,
    /// This is not where a message starts.
    None,
    Wrong(Garbled),
}

#[inline]
fn head(buf: &[u8]) -> Head {
    let digits = match buf {
        [
            b'8',
            b'=',
            b'F',
            b'I',
            b'X',
            b'.',
            b'4',
            b'.',
            b'0'..=b'4',
            SOH,
            b'9',
            b'=',
            ..,
        ] => 12,
        [
            b'8',
            b'=',
            b'F',
            b'I',
            b'X',
            b'T',
            b'.',
            b'1',
            b'.',
            b'1',
            SOH,
            b'9',
            b'=',
            ..,
        ] => 13,
        _ => return unusual_head(buf),
    };
    let mut declared = 0;
    let mut at = digits;
    loop {
        match buf.get(at) {
            None => return Head::Open,
            Some(&digit @ b'0'..=b'9') if at - digits < BODY_LENGTH_DIGITS_MAX => {
                declared = declared * 10 + usize::from(digit - b'0');
                at += 1;
            }
            Some(&SOH) if at > digits => {
                return Head::Known {
                    body: at + 1,
                    declared,
                };
            }
            Some(_) => return Head::Wrong(Garbled::BodyLength),
        }
    }
}

/// Everything but a known BeginString(8) with `9=` behind it.
#[cold]
fn unusual_head(buf: &[u8]) -> Head {
    if !buf.starts_with(START) {
        return if START.starts_with(buf) {
            Head::Open
        } else {
            Head::None
        };
    }
    let value = &buf[2..];
    let printable = value
        .iter()
        .take_while(|byte| matches!(byte, b' '..=b'~'))
        .count();
    if printable > BEGIN_STRING_MAX {
        return Head::Wrong(Garbled::BeginString);
    }
    match &value[printable..] {
        [] => Head::Open,
        [SOH, rest @ ..] => {
            if !BEGIN_STRINGS.contains(&&value[..printable]) {
                Head::Wrong(Garbled::BeginString)
            } else if b"9=".starts_with(rest) {
                Head::Open
            } else {
                Head::Wrong(Garbled::BodyLength)
            }
        }
        _ => Head::Wrong(Garbled::BeginString),
    }
}

/// The declared end is not there yet. Says so early when what is there contradicts it, so that a short
/// `10=7|` does not wait for the next message.
fn unfinished(buf: &[u8], trailer: usize, max_len: usize) -> Cut {
    // The shortest contradiction worth a call is an empty `10=`.
    let early = trailer + 4;
    if buf.len() < early {
        return Cut::Incomplete { needed: early };
    }
    let shape_holds = buf[trailer - 1] == SOH
        && buf[trailer..].starts_with(b"10=")
        && buf[trailer + 3..].iter().all(u8::is_ascii_digit);
    if shape_holds {
        Cut::Incomplete {
            needed: buf.len() + 1,
        }
    } else {
        discard(buf, trailer, max_len)
    }
}

/// Drops a message with a wrong end: everything through the next `10=` field at or after the declared
/// end, or only its start when there is none within the limit.
#[cold]
fn discard(buf: &[u8], trailer: usize, max_len: usize) -> Cut {
    let reach = &buf[..buf.len().min(max_len)];
    let mut delimiters = scan::Delimiters::new(reach, trailer - 1);
    let mut field = delimiters.next();
    while let Some(at) = field {
        field = delimiters.next();
        if reach[at + 1..].starts_with(b"10=")
            && let Some(end) = field
        {
            return Cut::Skip {
                len: end + 1,
                why: Garbled::Trailer,
            };
        }
    }
    if buf.len() < max_len {
        return Cut::Incomplete {
            needed: buf.len() + 1,
        };
    }
    resync(buf, Garbled::Trailer)
}

/// Drops the start at the front and everything up to the next one.
#[cold]
fn resync(buf: &[u8], why: Garbled) -> Cut {
    Cut::Skip {
        len: 1 + noise(&buf[1..]),
        why,
    }
}

#[cold]
fn skip_noise(buf: &[u8]) -> Cut {
    match noise(buf) {
        0 => Cut::Incomplete {
            needed: buf.len() + 1,
        },
        len => Cut::Skip {
            len,
            why: Garbled::Noise,
        },
    }
}

/// Bytes before the next start, for a buffer that does not begin with one.
///
/// Without a start in sight, what may become one stays: an SOH with the part of `8=FIX` after it, or
/// just enough of the end to tell that none may follow. That is 5 bytes at most.
fn noise(buf: &[u8]) -> usize {
    for at in scan::Delimiters::new(buf, 0) {
        let rest = &buf[at + 1..];
        if rest.starts_with(START) {
            return at + 1;
        }
        if START.starts_with(rest) {
            return at;
        }
    }
    // An 8 must keep the byte before it, or it would look like a start once `=FIX` arrives.
    let kept = if buf.ends_with(b"8") { 2 } else { 1 };
    buf.len().saturating_sub(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 4096;
    const HEARTBEAT: &str = "8=FIX.4.2|9=49|35=0|34=2|49=CTS|56=T4|52=20120904-22:13:57.789|10=092|";

    fn wire(text: &str) -> Vec<u8> {
        text.bytes()
            .map(|byte| if byte == b'|' { SOH } else { byte })
            .collect()
    }

    /// `8=..|9=..|` and `10=..|` put around `body` as they should be.
    fn sound(body: &str) -> String {
        let front = format!("8=FIX.4.4|9={}|{body}", body.len());
        let sum = wire(&front).iter().map(|&b| u32::from(b)).sum::<u32>() % 256;
        format!("{front}10={sum:03}|")
    }

    /// Frames and garbled messages of a stream that arrives in pieces of `step` bytes; noise only counts
    /// towards the bytes, which must all be accounted for.
    fn drain(stream: &[u8], step: usize, max_len: usize) -> (Vec<Result<Vec<u8>, Garbled>>, Vec<u8>) {
        let mut seen = Vec::new();
        let mut buf = Vec::new();
        for piece in stream.chunks(step) {
            buf.extend_from_slice(piece);
            loop {
                match cut(&buf, max_len) {
                    Cut::Incomplete { needed } => {
                        assert!(needed > buf.len() && needed <= max_len.max(32));
                        break;
                    }
                    Cut::Frame { len, body } => {
                        assert!(buf[body..].starts_with(b"35=") && len <= max_len);
                        seen.push(Ok(buf.drain(..len).collect()));
                    }
                    Cut::Skip { len, why } => {
                        assert!(len > 0 && len <= buf.len());
                        buf.drain(..len);
                        if why != Garbled::Noise {
                            seen.push(Err(why));
                        }
                    }
                }
            }
        }
        (seen, buf)
    }

    fn texts(seen: &[Result<Vec<u8>, Garbled>]) -> Vec<String> {
        seen.iter()
            .map(|one| match one {
                Ok(frame) => String::from_utf8_lossy(frame).replace('\x01', "|"),
                Err(why) => format!("{why:?}"),
            })
            .collect()
    }

    /// Same result whole and byte by byte, and for a few sizes between.
    fn seen(stream: &str) -> Vec<String> {
        let stream = wire(stream);
        let (whole, rest) = drain(&stream, stream.len(), MAX);
        for step in [1, 2, 3, 7, 50] {
            assert_eq!(
                drain(&stream, step, MAX),
                (whole.clone(), rest.clone()),
                "in pieces of {step}"
            );
        }
        texts(&whole)
    }

    #[test]
    fn venue_samples_with_right_length_and_sum() {
        for text in [
            "8=FIX.4.2|9=55|35=5|34=2|49=CTS|56=T4Example|52=20120904-22:13:57.789|10=038|",
            "8=FIX.4.2|9=98|35=5|34=2|49=T4Example|56=CTS|50=T4FIX|52=20120904-22:13:57.789|\
             58=Successful logout upon request|10=207|",
            "8=FIXT.1.1|9=110|35=A|49=CLIENT1|56=BROKERET|34=1|52=20260312-14:30:00.000|98=0|108=30|\
             553=client1|554=MyP@ssw0rd|141=Y|1137=9|10=060|",
            "8=FIXT.1.1|9=81|35=5|49=BROKERET|56=CLIENT1|34=1|52=20260312-14:30:00.500|\
             58=Invalid credentials|10=131|",
            "8=FIX.4.4|9=103|35=A|49=CLIENT1|56=BROKERET|34=1|52=20260312-14:30:00.000|98=0|108=30|\
             553=client1|554=MyP@ssw0rd|141=Y|10=173|",
            "8=FIX.4.4|9=81|35=5|49=BROKERET|56=CLIENT1|34=1|52=20260312-14:30:00.500|\
             58=Invalid credentials|10=053|",
        ] {
            assert_eq!(seen(text), [text]);
        }
    }

    #[test]
    fn a_frame_split_anywhere_is_incomplete_until_its_last_byte() {
        let one = sound("35=D|34=7|96=a|");
        let stream = wire(&format!("{one}{HEARTBEAT}"));
        for end in 0..one.len() {
            assert!(
                matches!(cut(&stream[..end], MAX), Cut::Incomplete { .. }),
                "{end}"
            );
        }
        for end in one.len()..stream.len() {
            assert!(matches!(cut(&stream[..end], MAX), Cut::Frame { len, .. } if len == one.len()));
        }
    }

    #[test]
    fn noise_between_messages_is_skipped() {
        let good = sound("35=0|34=2|");
        for noise in [
            "x",
            "\r\n",
            "8",
            "8=",
            "8=FI",
            "18=FIX.4.2",
            "|",
            "||",
            "108=30|8=30|",
            "8=FIXED",
            "x8",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            let after = seen(&format!("{good}{noise}|{good}"));
            assert_eq!(after.first(), Some(&good), "{noise:?}");
            assert_eq!(after.last(), Some(&good), "{noise:?}");
        }
        assert_eq!(
            seen(&format!("{good}108=30|58=8=FIX|{good}")),
            [good.clone(), good.clone()]
        );
        // Neither at the front nor after an SOH, so it is no start.
        assert_eq!(
            seen(&format!("{good}x{good}{good}")),
            [good.clone(), good.clone()]
        );
    }

    #[test]
    fn a_megabyte_of_noise_leaves_five_bytes_at_most() {
        let mut stream = vec![b'8'; 1 << 20];
        let (seen, rest) = drain(&stream, 1000, MAX);
        assert!(seen.is_empty() && rest.len() <= 5);
        stream.extend_from_slice(b"\x018=FI");
        let (seen, rest) = drain(&stream, 1000, MAX);
        assert!(seen.is_empty());
        assert_eq!(rest, b"\x018=FI");
    }

    #[test]
    fn unknown_begin_string_is_garbled() {
        let good = sound("35=0|34=2|");
        for bad in [
            "FIX.9.9",
            "FIX.5.0",
            "FIX.4.5",
            "FIX",
            "FIXT.1.2",
            "FIX.4.2 ",
            "FIX.4.2222222222222222222",
        ] {
            let stream = format!("8={bad}|9=5|35=0|10=000|{good}");
            assert_eq!(seen(&stream), ["BeginString", &good], "{bad}");
        }
    }

    #[test]
    fn body_length_of_the_wrong_shape_is_garbled() {
        let good = sound("35=0|34=2|");
        for bad in [
            "9=abc|",
            "9=-5|",
            "9=|",
            "9=123456789012|",
            "9= 5|",
            "90=5|",
            "35=0|9=5|",
            "|",
        ] {
            let stream = format!("8=FIX.4.4|{bad}35=0|34=2|10=000|{good}");
            assert_eq!(seen(&stream), ["BodyLength", &good], "{bad}");
        }
        assert_eq!(
            seen(&format!("8=FIX.4.4|9=0|35=0|34=2|10=000|{good}")),
            ["Trailer", &good]
        );
    }

    #[test]
    fn leading_zeros_of_body_length_are_accepted() {
        let text = "8=FIX.4.2|9=000000010|35=0|34=2|10=";
        let sum = scan::checksum(&wire(&text[..text.len() - 3]));
        let text = format!("{text}{sum:03}|");
        assert_eq!(seen(&text), [&*text]);
    }

    #[test]
    fn too_long_is_garbled_at_once() {
        let start = wire("8=FIX.4.4|9=99999999|");
        assert!(matches!(
            cut(&start, MAX),
            Cut::Skip {
                why: Garbled::TooLong {
                    declared: 99_999_999
                },
                ..
            }
        ));
        let good = sound("35=0|34=2|");
        assert_eq!(
            seen(&format!("8=FIX.4.4|9=99999999|35=0|34=1|10=000|{good}")),
            ["TooLong { declared: 99999999 }", &good]
        );
    }

    #[test]
    fn the_limit_is_the_whole_message() {
        let good = wire(&sound("35=0|34=2|"));
        assert!(matches!(cut(&good, good.len()), Cut::Frame { .. }));
        assert!(matches!(
            cut(&good, good.len() - 1),
            Cut::Skip {
                why: Garbled::TooLong { .. },
                ..
            }
        ));
    }

    #[test]
    fn a_length_too_short_costs_one_message_and_a_little_too_long_two() {
        let good = |n: u8| sound(&format!("35=0|34={n}|"));
        let short = good(1).replace("9=10|", "9=6|");
        assert_eq!(
            seen(&format!("{short}{}{}", good(2), good(3))),
            ["Trailer", &good(2), &good(3)]
        );
        let long = good(1).replace("9=10|", "9=13|");
        assert_eq!(
            seen(&format!("{long}{}{}", good(2), good(3))),
            ["Trailer", &good(3)]
        );
    }

    #[test]
    fn without_a_trailer_within_the_limit_only_the_start_goes() {
        let good = sound("35=0|34=2|");
        let filler = "58=x|".repeat(30);
        let stream = wire(&format!("8=FIX.4.4|9=5|35=0|x{filler}{good}"));
        let (seen, _) = drain(&stream, 1, 100);
        assert_eq!(texts(&seen), ["Trailer", &good]);
        assert_eq!(drain(&stream, stream.len(), 100).0, seen);
    }

    #[test]
    fn the_first_three_fields_are_8_9_35() {
        let good = sound("35=0|34=2|");
        for (stream, first) in [
            (format!("35=0|8=FIX.4.4|9=5|34=2|10=000|{good}"), "CheckSum"),
            (format!("9=5|8=FIX.4.4|35=0|10=000|{good}"), "BodyLength"),
            (sound("34=2|35=0|") + &good, "MsgType"),
            (sound("35=|34=2|") + &good, "MsgType"),
            (sound("") + &good, "MsgType"),
        ] {
            let after = seen(&stream);
            assert!(after[0].starts_with(first), "{after:?}");
            assert_eq!(after[1..], [&*good]);
        }
    }

    #[test]
    fn check_sum_that_is_not_three_digits_or_wrong() {
        let good = sound("35=0|34=2|");
        let right = &good[good.len() - 4..good.len() - 1];
        for bad in ["256", "7", "1234", "0x1", "", "-01", " 12", "999"] {
            let stream = format!("{}10={bad}|{good}", &good[..good.len() - 7]);
            let after = seen(&stream);
            assert_eq!(after.len(), 2, "{bad}: {after:?}");
            assert_eq!(after[1], good);
        }
        let wrong = if right == "000" { "001" } else { "000" };
        let stream = wire(&good.replace(right, wrong));
        assert!(matches!(
            cut(&stream, MAX),
            Cut::Skip { len, why: Garbled::CheckSum { .. } } if len == stream.len()
        ));
    }

    #[test]
    fn a_short_check_sum_does_not_wait_for_the_next_message() {
        for bad in ["10=|", "10=7|", "10=0x1|", "10=12|"] {
            let good = sound("35=0|34=2|");
            let stream = wire(&format!("{}{bad}", &good[..good.len() - 7]));
            let (seen, rest) = drain(&stream, 1, MAX);
            assert_eq!(seen, [Err(Garbled::Trailer)], "{bad}");
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_field_after_the_trailer_is_noise() {
        let good = sound("35=0|34=2|");
        assert_eq!(
            seen(&format!("{good}58=late|{good}")),
            [good.clone(), good.clone()]
        );
    }

    #[test]
    fn a_missing_last_soh_is_noticed_when_the_next_message_starts() {
        let good = sound("35=0|34=2|");
        let cropped = &good[..good.len() - 1];
        assert!(matches!(cut(&wire(cropped), MAX), Cut::Incomplete { .. }));
        assert_eq!(seen(&format!("{cropped}{good}{good}")), ["Trailer", &good]);
    }

    #[test]
    fn every_residue_of_the_sum_is_told_from_every_other() {
        let mut met = [false; 256];
        for n in 0..300 {
            // Four characters that add 0 to 300 to the sum.
            let filler: String = (0..4)
                .map(|nth| char::from(b'!' + ((n + nth) / 4) as u8))
                .collect();
            let text = sound(&format!("35=0|58={filler}|"));
            let frame = wire(&text);
            let sum: u8 = text[text.len() - 4..text.len() - 1].parse().unwrap();
            if std::mem::replace(&mut met[usize::from(sum)], true) {
                continue;
            }
            assert!(matches!(cut(&frame, MAX), Cut::Frame { .. }));
            for other in (0..=255).filter(|&other| other != sum) {
                let mut wrong = frame.clone();
                let at = wrong.len() - 4;
                wrong[at..at + 3].copy_from_slice(format!("{other:03}").as_bytes());
                assert!(matches!(
                    cut(&wrong, MAX),
                    Cut::Skip {
                        why: Garbled::CheckSum { .. },
                        ..
                    }
                ));
            }
        }
        assert!(met.iter().all(|&met| met), "a residue was not produced");
    }

    /// Streams made of pieces that matter to the cutter.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(sound("35=0|34=2|")),
            Just(sound("35=D|34=3|58=8=FIX|")),
            Just("8=FIX.4.2|9=".to_string()),
            Just("8=FIXT.1.1|9=5|35=0|".to_string()),
            Just("|10=".to_string()),
            Just("10=123|".to_string()),
            Just("8=FIX".to_string()),
            Just("35=0|".to_string()),
            "[0-9|=8FIX.\\x80]{0,6}".prop_map(|text| text),
        ];
        proptest::collection::vec(piece, 0..14).prop_map(|pieces| wire(&pieces.concat()))
    }

    proptest! {
        #[test]
        fn how_the_stream_is_split_changes_nothing(stream in pieces(), step in 1_usize..40, max in 64_usize..200) {
            let whole = drain(&stream, stream.len().max(1), max);
            prop_assert_eq!(drain(&stream, step, max).0, whole.0);
        }

        #[test]
        fn random_bytes_never_panic(stream in proptest::collection::vec(any::<u8>(), 0..300), max in 0_usize..400) {
            drain(&stream, 13, max);
        }

        #[test]
        fn needed_is_exact(stream in pieces(), max in 64_usize..200) {
            // Fewer bytes than asked for never change the answer from Incomplete.
            for end in 0..=stream.len() {
                if let Cut::Incomplete { needed } = cut(&stream[..end], max) {
                    for early in end..needed.min(stream.len() + 1) {
                        prop_assert!(matches!(cut(&stream[..early], max), Cut::Incomplete { .. }), "{early} of {needed}");
                    }
                }
            }
        }
    }
}
