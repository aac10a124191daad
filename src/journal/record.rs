//! One record of the journal: its layout, its checksum, and what a position in a file looks like.
//!
//! Invariant: a record is believed only if its checksum fits its bytes, its place and its journal, so
//! neither a torn record, nor a stale copy, nor bytes of a peer that imitate a record pass for one.
//!
//! Pure functions over bytes: they must not know about files, mappings or sequence rules.

use std::ops::Range;

use crate::session::{Numbers, ResetCause};
use crate::time::Utc;

// A record starts at a multiple of 8. Numbers are little-endian.
//
//   0        4        8      9       10             12             16
//   | length | crc32c | kind | flags | frame offset | frame length |
//   | u32    | u32    | u8   | u8    | u16          | u32          |
//   16                        24                       32
//   | MsgSeqNum(34)           | UTC, nanoseconds       | payload ... to a multiple of 8
//   | u64                     | u64                    |
//                                                      |<- frame offset ->|<- frame ->|
//
// `length` covers header and payload. It is stored last: while it is 0 there is no record. The
// frame may start anywhere in the payload because an encoder writes its prefix right-aligned.
pub(crate) const HEADER_BYTES: usize = 32;
const KIND_AT: usize = 8;

// The payload of a reset record. One that continues its series has the ordinal of that series, and the
// header has the first number that is passed over; the header of any other has 0 there.
//
//   0        8          16        24      25
//   | series | next out | next in | cause |
//
// One that begins a series with an identifier (UUID) goes on: the identifier, and the numbers the series
// before ended with.
//
//   25           33                41               49
//   | identifier | closed next out | closed next in |
//
// The payload of a series record is drawn in `series.rs`.
pub(crate) const RESET_BYTES: usize = 25;
pub(crate) const NAMED_RESET_BYTES: usize = 49;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An application message we sent, under a new number.
    Application = 1,
    /// A session-level message we sent, under a new number.
    Admin = 2,
    /// A frame sent again, or a gap fill in its place, under a number used before.
    Replay = 3,
    /// A message of the peer.
    Inbound = 4,
    /// Numbers were set: the start of a series, or of a higher stretch of one.
    Reset = 5,
    /// An application message that waits, without a number, until it can be sent.
    Queued = 6,
    /// A session-level message we sent, outside numbering: those of FIXP.
    Unnumbered = 7,
    /// What is known of several number series: a note of the journal, and no message.
    Series = 8,
}

/// What is particular about a record: its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mark {
    None = 0,
    /// Secrets are overwritten.
    Masked = 1,
    /// Numbered while nothing could be sent: not for the socket, but for a resend.
    Unsent = 2,
    /// The message that had waited longest, under a number now.
    Dequeued = 4,
}

impl Mark {
    pub(crate) fn masked(secrets: &[Range<usize>]) -> Self {
        if secrets.is_empty() {
            Self::None
        } else {
            Self::Masked
        }
    }
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Application,
            2 => Self::Admin,
            3 => Self::Replay,
            4 => Self::Inbound,
            5 => Self::Reset,
            6 => Self::Queued,
            7 => Self::Unnumbered,
            8 => Self::Series,
            _ => return None,
        })
    }

    /// Whether the frame goes to the socket.
    pub(crate) fn is_sent(self) -> bool {
        matches!(
            self,
            Self::Application | Self::Admin | Self::Replay | Self::Unnumbered
        )
    }

    /// Whether the record takes a new outgoing number.
    pub(crate) fn is_numbered(self) -> bool {
        matches!(self, Self::Application | Self::Admin)
    }
}

/// The journal and the place a record belongs to; part of its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// A number of the journal that a peer does not know.
    pub(crate) salt: u32,
    pub(crate) segment: u32,
    pub(crate) offset: usize,
}

/// The header of a record, without length and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// As stored: a checksum may be good and the kind unknown.
    pub(crate) kind: u8,
    flags: u8,
    frame_offset: u16,
    frame_bytes: u32,
    pub(crate) seq: u64,
    pub(crate) at: Utc,
}

impl Head {
    /// A header for `frame`, a range of the payload.
    pub(crate) fn new(kind: Kind, mark: Mark, frame: &Range<usize>, seq: u64, at: Utc) -> Self {
        let frame_offset =
            u16::try_from(frame.start).expect("invariant: the caller moved the frame into reach");
        let frame_bytes =
            u32::try_from(frame.len()).expect("invariant: a segment is shorter than 4 GiB");
        Self {
            kind: kind as u8,
            flags: mark as u8,
            frame_offset,
            frame_bytes,
            seq,
            at,
        }
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.flags & Mark::Masked as u8 != 0
    }

    /// What is particular about it. Flags of a later program count for nothing.
    pub(crate) fn mark(&self) -> Mark {
        match self.flags {
            1 => Mark::Masked,
            2 => Mark::Unsent,
            4 => Mark::Dequeued,
            _ => Mark::None,
        }
    }

    /// Where the frame is, counted from the start of the record.
    pub(crate) fn frame(&self) -> Range<usize> {
        let start = HEADER_BYTES + usize::from(self.frame_offset);
        start..start + self.frame_bytes as usize
    }

    /// Length of the whole record.
    pub(crate) fn length(&self) -> usize {
        self.frame().end.next_multiple_of(8)
    }

    /// Everything after the length word.
    pub(crate) fn encode(&self, place: Place, frame: &[u8]) -> [u8; HEADER_BYTES - 4] {
        let mut bytes = [0; HEADER_BYTES - 4];
        bytes[4] = self.kind;
        bytes[5] = self.flags;
        bytes[6..8].copy_from_slice(&self.frame_offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.frame_bytes.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.seq.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.at.0.to_le_bytes());
        let mut fields = [0; HEADER_BYTES - KIND_AT];
        fields.copy_from_slice(&bytes[4..]);
        bytes[..4].copy_from_slice(&checksum(place, &fields, frame).to_le_bytes());
        bytes
    }

    /// `header` is the whole header, length word included.
    pub(crate) fn decode(header: &[u8; HEADER_BYTES]) -> Self {
        Self {
            kind: header[KIND_AT],
            flags: header[9],
            frame_offset: u16::from_le_bytes([header[10], header[11]]),
            frame_bytes: u32::from_le_bytes([header[12], header[13], header[14], header[15]]),
            seq: le_u64(&header[16..24]),
            at: Utc(le_u64(&header[24..32])),
        }
    }
}

/// What a position looks like where a record may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The length word is zero.
    Empty,
    /// A length no record can have here.
    Implausible,
    /// A possible length, but the checksum does not fit.
    Damaged(Head),
    /// A record, with a kind that may still be unknown.
    Good(Head),
}

/// Looks at `bytes`, which start where a record may start and end where records must end.
pub(crate) fn look(place: Place, bytes: &[u8]) -> Seen {
    let Some(word) = bytes.first_chunk::<4>() else {
        return Seen::Empty;
    };
    let length = u32::from_le_bytes(*word) as usize;
    if length == 0 {
        return Seen::Empty;
    }
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Seen::Implausible;
    };
    if length < HEADER_BYTES || !length.is_multiple_of(8) || length > bytes.len() {
        return Seen::Implausible;
    }
    let head = Head::decode(header);
    if head.length() != length {
        return Seen::Damaged(head);
    }
    let fields = header
        .last_chunk()
        .expect("invariant: the header is longer than its last part");
    let stored = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    if checksum(place, fields, &bytes[head.frame()]) == stored {
        Seen::Good(head)
    } else {
        Seen::Damaged(head)
    }
}

/// Finds the next good record of a known kind in `bytes`, whose first byte is at `place`. Answers its
/// distance from there.
///
/// The work is bounded even if every position imitates a record: checksums are computed over a
/// multiple of the bytes searched and no more.
pub(crate) fn find_good(place: Place, bytes: &[u8]) -> Option<usize> {
    let mut budget = bytes.len().saturating_mul(8).saturating_add(1 << 20);
    let first = place.offset.next_multiple_of(8) - place.offset;
    for at in (first..bytes.len()).step_by(8) {
        let rest = &bytes[at..];
        let header = rest.first_chunk::<HEADER_BYTES>()?;
        if header[..4] == [0; 4] || Kind::from_byte(header[KIND_AT]).is_none() {
            continue;
        }
        let head = Head::decode(header);
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if head.length() != length || length > rest.len() {
            continue;
        }
        budget = budget.checked_sub(length)?;
        let here = Place {
            offset: place.offset + at,
            ..place
        };
        if matches!(look(here, rest), Seen::Good(_)) {
            return Some(at);
        }
    }
    None
}

/// The content of a reset record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Ordinal of the series that starts or goes on here, from 1.
    pub series: u64,
    /// The first outgoing number from here on.
    pub next_out: u64,
    /// The first number expected of the peer from here on.
    pub next_in: u64,
    /// Why.
    pub cause: ResetCause,
    /// What a series with an identifier begins with.
    pub begun: Option<Begun>,
}

/// The beginning of a series that has an identifier; the one before can still be found by its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The identifier (UUID); 0 for what is numbered before the first Negotiate.
    pub id: u64,
    /// The numbers the series before ended with.
    pub closed: Numbers,
}

impl Reset {
    /// The content, and how much of the array it is.
    pub(crate) fn encode(&self) -> ([u8; NAMED_RESET_BYTES], usize) {
        let mut bytes = [0; NAMED_RESET_BYTES];
        bytes[..8].copy_from_slice(&self.series.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.next_out.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.next_in.to_le_bytes());
        bytes[24] = self.cause as u8;
        let Some(begun) = self.begun else {
            return (bytes, RESET_BYTES);
        };
        bytes[25..33].copy_from_slice(&begun.id.to_le_bytes());
        bytes[33..41].copy_from_slice(&begun.closed.next_out.to_le_bytes());
        bytes[41..].copy_from_slice(&begun.closed.next_in.to_le_bytes());
        (bytes, NAMED_RESET_BYTES)
    }

    /// `None` if it is not the content of a reset record.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let begun = match bytes.len() {
            RESET_BYTES => None,
            NAMED_RESET_BYTES => Some(Begun {
                id: le_u64(&bytes[25..33]),
                closed: Numbers {
                    next_out: le_u64(&bytes[33..41]),
                    next_in: le_u64(&bytes[41..]),
                },
            }),
            _ => return None,
        };
        let cause = *ResetCause::ALL.get(usize::from(bytes[24]))?;
        Some(Self {
            series: le_u64(&bytes[..8]),
            next_out: le_u64(&bytes[8..16]),
            next_in: le_u64(&bytes[16..24]),
            cause,
            begun,
        })
    }
}

/// Eight bytes as a little-endian number.
///
/// # Panics
/// If they are not eight, which would be a bug of the caller.
pub(crate) fn le_u64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("invariant: a slice of eight bytes"))
}

/// Over the place, the header fields after the checksum, and the frame. The length follows from the
/// fields; bytes of the payload outside the frame mean nothing and are left out.
///
/// The frame is summed with CRC-32C, begun with a number that the place and the fields are mixed into:
/// they are five words, for which the set-up of a sum of their own would cost more than the sum.
fn checksum(place: Place, fields: &[u8; HEADER_BYTES - KIND_AT], frame: &[u8]) -> u32 {
    let mut mixed = (u64::from(place.salt) << 32) | u64::from(place.segment);
    mixed = stir(mixed ^ place.offset as u64);
    for field in fields.as_chunks::<8>().0 {
        mixed = stir(mixed ^ u64::from_le_bytes(*field));
    }
    crc32c::crc32c_append((mixed >> 32) as u32, frame)
}

/// One to one, so that two different words never become the same; every bit of the result depends on
/// many of the word.
fn stir(word: u64) -> u64 {
    let product = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 29)
}

const _: () = assert!((HEADER_BYTES - KIND_AT).is_multiple_of(8));

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        salt: 9,
        segment: 3,
        offset: 1024,
    };

    fn record(place: Place, kind: Kind, prefix: usize, frame: &[u8]) -> Vec<u8> {
        let range = prefix..prefix + frame.len();
        let head = Head::new(kind, Mark::Masked, &range, 42, Utc(77));
        let mut bytes = vec![0; head.length()];
        bytes[head.frame()].copy_from_slice(frame);
        bytes[4..HEADER_BYTES].copy_from_slice(&head.encode(place, frame));
        bytes[..4].copy_from_slice(&u32::try_from(head.length()).unwrap().to_le_bytes());
        bytes
    }

    #[test]
    fn a_record_is_read_back() {
        let bytes = record(PLACE, Kind::Inbound, 5, b"8=FIX.4.4");
        let Seen::Good(head) = look(PLACE, &bytes) else {
            panic!("not good")
        };
        assert_eq!(&bytes[head.frame()], b"8=FIX.4.4");
        assert_eq!(
            (head.kind, head.seq, head.at, head.is_masked()),
            (Kind::Inbound as u8, 42, Utc(77), true)
        );
        assert_eq!(head.length(), 32 + 16);
    }

    #[test]
    fn every_flipped_bit_of_header_or_frame_is_noticed() {
        let good = record(PLACE, Kind::Application, 0, b"8=FIX.4.4|9=5|35=0|10=000|");
        let covered = Head::decode(good.first_chunk().unwrap()).frame().end;
        for bit in 0..covered * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(look(PLACE, &bytes), Seen::Good(_)), "bit {bit}");
        }
    }

    #[test]
    fn a_record_belongs_to_its_place_and_journal() {
        let bytes = record(PLACE, Kind::Application, 0, b"x");
        for place in [
            Place { salt: 10, ..PLACE },
            Place {
                segment: 4,
                ..PLACE
            },
            Place {
                offset: 1032,
                ..PLACE
            },
        ] {
            assert!(matches!(look(place, &bytes), Seen::Damaged(_)), "{place:?}");
        }
    }

    #[test]
    fn short_and_impossible_lengths_are_told_apart_from_damage() {
        assert_eq!(look(PLACE, &[]), Seen::Empty);
        assert_eq!(look(PLACE, &[0; 64]), Seen::Empty);
        assert_eq!(look(PLACE, &[1, 0, 0, 0]), Seen::Implausible);
        let mut bytes = record(PLACE, Kind::Application, 0, b"x");
        for length in [8_u32, 24, 33, 4096, u32::MAX] {
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            assert_eq!(look(PLACE, &bytes), Seen::Implausible, "{length}");
        }
    }

    #[test]
    fn the_next_good_record_is_found_behind_rubbish() {
        let mut bytes = vec![0xEE; 48];
        bytes.extend(record(
            Place {
                offset: PLACE.offset + 48,
                ..PLACE
            },
            Kind::Admin,
            0,
            b"frame",
        ));
        assert_eq!(find_good(PLACE, &bytes), Some(48));
        assert_eq!(find_good(PLACE, &bytes[..64]), None);
        // A record that a peer put into a message, right for another place, is not one.
        let mut bytes = vec![0xEE; 48];
        bytes.extend(record(PLACE, Kind::Admin, 0, b"frame"));
        assert_eq!(find_good(PLACE, &bytes), None);
    }

    #[test]
    fn the_search_gives_up_instead_of_working_without_bound() {
        // Every header claims a record that reaches to the end.
        let total = 1 << 20;
        let mut bytes = vec![0; total];
        for at in (0..total - HEADER_BYTES).step_by(HEADER_BYTES) {
            let head = Head::new(
                Kind::Inbound,
                Mark::None,
                &(0..total - at - HEADER_BYTES),
                1,
                Utc(0),
            );
            bytes[at + 4..at + 32].copy_from_slice(&head.encode(PLACE, b""));
            bytes[at..at + 4].copy_from_slice(&u32::try_from(head.length()).unwrap().to_le_bytes());
        }
        assert_eq!(find_good(PLACE, &bytes), None);
    }

    #[test]
    fn resets_are_read_back_and_nothing_else_is_one() {
        for cause in ResetCause::ALL {
            let named = Begun {
                id: u64::MAX,
                closed: Numbers {
                    next_out: 5,
                    next_in: 6,
                },
            };
            for begun in [None, Some(named)] {
                let reset = Reset {
                    series: 2,
                    next_out: 3,
                    next_in: 4,
                    cause,
                    begun,
                };
                let (bytes, length) = reset.encode();
                assert_eq!(Reset::decode(&bytes[..length]), Some(reset));
            }
        }
        assert_eq!(Reset::decode(&[99; RESET_BYTES]), None);
        assert_eq!(Reset::decode(&[0; RESET_BYTES - 1]), None);
    }
}
