//! The walk over a message in which nothing is wrong: nearly every one.
//!
//! It answers "sound", or "look closer" at the first thing that is unusual; what then is wrong, if
//! anything is, the walk of [`super::validate`] finds out from the start. So nothing here keeps book of
//! faults or weighs one against another.
//!
//! ```text
//!  header ..... | body ....... 453=2 | body ... | trailer
//!  until a tag   until a tag     |    goes on    to the last field
//!  is not of it  is not of it    '--> entries, until a tag is not of them
//! ```
//!
//! Each field costs one probe of the block it stands in, one bit, and a look at its value where the type
//! or a list says more than "any text". Short values are looked at eight bytes at once.

use super::field_type::{is_clock, is_day};
use super::table::{Dictionary, Probe, Rule, Slot};
use super::validate::{Area, Checks, Strays, is_listed};
use crate::wire::fix::index::Span;
use crate::wire::fix::tag::Tag;
use crate::wire::fix::{Message, value};

/// A message on its way through.
pub(super) struct Quick<'m, 'd> {
    trailer: Probe<'d>,
    tags: &'m [Tag],
    spans: &'m [Span],
    frame: &'m [u8],
    checks: Checks,
}

/// What a walk leaves behind it.
pub(super) struct Trail<'v> {
    /// Bits of the fields seen, those of every area where its place says.
    pub(super) seen: &'v mut [u64],
    pub(super) strays: &'v mut Strays,
    /// The day that was good last: the next is the same, as a rule.
    pub(super) day: &'v mut [u8; 8],
}

impl<'m, 'd> Quick<'m, 'd> {
    /// `None` if the message has a field without a value, or one whose tag can be none.
    #[inline]
    pub(super) fn new(message: &Message<'m>, checks: Checks, trailer: &Area<'d>) -> Option<Self> {
        message.is_plain().then(|| Self {
            trailer: trailer.probe,
            tags: message.tags(),
            spans: message.spans(),
            frame: message.frame(),
            checks,
        })
    }

    /// Goes through header, body and trailer. The walk begins at place `at`; the fields before it are
    /// marked, and `required` of them are required. `None` to look closer.
    #[inline]
    pub(super) fn walk(
        &self,
        [header, body, trailer]: [&Area<'_>; 3],
        at: usize,
        required: u16,
        trail: &mut Trail<'_>,
    ) -> Option<()> {
        let (at, required) = self.section(header, at, required, trail)?;
        if required != header.block.required_members {
            return None;
        }
        forget(trail.seen, body)?;
        let (mut at, mut required) = self.section(body, at, 0, trail)?;
        while let Some(&tag) = self.tags.get(at)
            && self.checks.lets_in(tag)
            && header.find(tag).is_none()
            && trailer.find(tag).is_none()
        {
            if !trail.strays.note(tag) {
                return None;
            }
            (at, required) = self.section(body, at + 1, required, trail)?;
        }
        if required != body.block.required_members {
            return None;
        }
        // Nearly every trailer is a CheckSum(10).
        if at + 1 == self.tags.len()
            && let Some(&tag) = self.tags.get(at)
            && let Some(slot) = trailer.probe.find_possible(tag)
            && slot.rule == Rule::Text
        {
            return (u16::from(slot.required) == trailer.block.required_members).then_some(());
        }
        forget(trail.seen, trailer)?;
        let (at, required) = self.section(trailer, at, 0, trail)?;
        (required == trailer.block.required_members && at == self.tags.len()).then_some(())
    }

    /// Goes through the fields of `area` from place `at` on, to the first that is not of it. `required`
    /// of its required fields were seen before.
    ///
    /// Answers that place and how many required fields were seen; `None` to look closer.
    #[inline(never)]
    fn section(
        &self,
        area: &Area<'_>,
        mut at: usize,
        mut required: u16,
        trail: &mut Trail<'_>,
    ) -> Option<(usize, u16)> {
        // Held here, so that none of it is loaded again after each bit that is set.
        let (tags, spans, probe) = (self.tags, self.spans, area.probe);
        while let Some(&tag) = tags.get(at)
            && let Some(slot) = probe.find_possible(tag)
        {
            mark(trail.seen.get_mut(area.words..)?, slot)?;
            required += u16::from(slot.required);
            at += 1;
            if slot.rule == Rule::Text {
                continue;
            }
            let span = *spans.get(at - 1)?;
            match slot.rule {
                Rule::ListedByte if self.checks.listed_values => self.listed_byte(slot, span)?,
                Rule::Group => at = self.group(area, slot, span, at, trail)?,
                _ => self.value(area.dictionary, slot, span, trail.day)?,
            }
        }
        Some((at, required))
    }

    /// Goes through the entries behind a counter, from place `at` on. Answers where they end.
    #[inline(never)]
    fn group(
        &self,
        around: &Area<'_>,
        counter: &Slot,
        count: Span,
        mut at: usize,
        trail: &mut Trail<'_>,
    ) -> Option<usize> {
        let count = self.frame.get(count.range())?;
        if counter.listed && !is_listed(around.dictionary, counter, count) {
            return None;
        }
        let declared = value::parse_uint(count)?;
        let area = around.group(counter.group);
        let (tags, spans, probe) = (self.tags, self.spans, area.probe);
        let all_required = area.block.required_members;
        let in_order = self.checks.group_order;
        let mut delimiter = None;
        if self.checks.group_delimiter {
            delimiter = around.dictionary.delimiter_of(area.block);
        }
        let mut entries = 0_u64;
        let mut required = all_required;
        let mut last = 0;
        while let Some(&tag) = tags.get(at)
            && let Some(slot) = probe.find_possible(tag)
        {
            if tag == *delimiter.get_or_insert(tag) {
                if required != all_required {
                    return None;
                }
                entries += 1;
                required = 0;
                if !in_order {
                    forget(trail.seen, &area)?;
                    mark(trail.seen.get_mut(area.words..)?, slot)?;
                }
            } else if entries == 0 {
                return None;
            } else if !in_order {
                mark(trail.seen.get_mut(area.words..)?, slot)?;
            } else if slot.position <= last {
                // In the order of the dictionary nothing comes twice, so that no bits are needed.
                return None;
            }
            last = slot.position;
            required += u16::from(slot.required);
            at += 1;
            if slot.rule == Rule::Text {
                continue;
            }
            let span = *spans.get(at - 1)?;
            match slot.rule {
                Rule::ListedByte if self.checks.listed_values => self.listed_byte(slot, span)?,
                Rule::Group => at = self.group(&area, slot, span, at, trail)?,
                _ => self.value(area.dictionary, slot, span, trail.day)?,
            }
        }
        // A field that is let in although it belongs nowhere stays within the entry.
        if let Some(&tag) = tags.get(at)
            && self.checks.lets_in(tag)
            && around.find(tag).is_none()
            && self.trailer.find(tag).is_none()
        {
            return None;
        }
        (required == all_required && entries == declared).then_some(at)
    }

    #[inline(always)]
    fn listed_byte(&self, slot: &Slot, span: Span) -> Option<()> {
        let nth = self.frame.get(span.start as usize)?.wrapping_sub(b'0');
        (span.end.wrapping_sub(span.start) == 1 && nth < 64 && slot.bytes >> nth & 1 != 0).then_some(())
    }

    /// Whether a value is certainly one of its field. Not inlined: what it needs would push out what the
    /// walk has at hand.
    #[inline(never)]
    fn value(&self, dictionary: &Dictionary, slot: &Slot, span: Span, day: &mut [u8; 8]) -> Option<()> {
        let frame = self.frame;
        let value = frame.get(span.range())?;
        let is_good = match slot.rule {
            Rule::Byte => value.len() == 1,
            Rule::Number if let Some(word) = word(frame, span) => word.is_number(),
            Rule::Int if let Some(word) = word(frame, unsigned(value, span)) => word.is_number(),
            Rule::Decimal if let Some(word) = word(frame, unsigned(value, span)) => word.is_decimal(),
            Rule::Timestamp => match value.split_first_chunk() {
                Some((date, [b'-', time @ ..])) => is_day_again(*date, day) && is_clock(time),
                _ => false,
            },
            _ => return self.other(dictionary, slot, value),
        };
        is_good.then_some(())
    }

    #[inline(never)]
    fn other(&self, dictionary: &Dictionary, slot: &Slot, value: &[u8]) -> Option<()> {
        let is_good = if slot.listed && self.checks.listed_values {
            is_listed(dictionary, slot, value)
                && (slot.rule == Rule::Listed || slot.of_type.takes(value))
        } else {
            slot.of_type.takes(value)
        };
        is_good.then_some(())
    }
}

/// Notes that a member is there; `None` if it was before.
#[inline(always)]
fn mark(seen: &mut [u64], slot: &Slot) -> Option<()> {
    let word = seen.get_mut(usize::from(slot.position / 64))?;
    let bit = 1 << (slot.position % 64);
    if *word & bit != 0 {
        return None;
    }
    *word |= bit;
    Some(())
}

#[inline(always)]
fn forget(seen: &mut [u64], area: &Area<'_>) -> Option<()> {
    let words = seen.get_mut(area.words..)?;
    match words.get_mut(..usize::from(area.block.words))? {
        [one] => *one = 0,
        all => all.fill(0),
    }
    Some(())
}

#[inline(always)]
fn is_day_again(date: [u8; 8], day: &mut [u8; 8]) -> bool {
    if date == *day {
        return true;
    }
    let is_day = is_day(date);
    if is_day {
        *day = date;
    }
    is_day
}

/// The value without the sign before it.
#[inline(always)]
fn unsigned(value: &[u8], span: Span) -> Span {
    Span {
        start: span.start + u32::from(value.starts_with(b"-")),
        end: span.end,
    }
}

/// A value of one to eight bytes. `None` for others, and if the frame ends soon behind it.
#[inline(always)]
fn word(frame: &[u8], span: Span) -> Option<Word> {
    let len = span.end.wrapping_sub(span.start);
    let bytes = frame.get(span.start as usize..)?.first_chunk()?;
    if !(1..=8).contains(&len) {
        return None;
    }
    let shift = 64 - 8 * len;
    Some(Word {
        text: u64::from_le_bytes(*bytes) << shift,
        shift,
    })
}

/// One to eight bytes of text, the last of them highest, and zeros below.
#[derive(Clone, Copy)]
struct Word {
    text: u64,
    shift: u32,
}

impl Word {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = 0x80 * Self::EACH;

    /// Whether there are digits only.
    #[inline(always)]
    const fn is_number(self) -> bool {
        let digits = self
            .text
            .wrapping_sub((b'0' as u64 * Self::EACH) << self.shift);
        // Any byte not 0 to 9 has its high bit now, or gets it from adding 0x76.
        (digits | digits.wrapping_add(0x76 * Self::EACH)) & Self::HIGH_BITS == 0
    }

    /// Whether there are digits, and a point at most.
    #[inline(always)]
    const fn is_decimal(self) -> bool {
        const LOW_BITS: u64 = !Word::HIGH_BITS;
        let other = self.text ^ (b'.' as u64 * Self::EACH);
        // The high bit of each byte that is a point, and of no other.
        let points = !(((other & LOW_BITS) + LOW_BITS) | other | LOW_BITS);
        let digits = Self {
            // Zeros in place of the points.
            text: self.text ^ ((points >> 7) * (b'.' ^ b'0') as u64),
            shift: self.shift,
        };
        let has_digits = points == 0 || self.shift < 56;
        points & points.wrapping_sub(1) == 0 && has_digits && digits.is_number()
    }
}
