//! Repeating groups written into a frame, in the order of the dictionary whatever order the caller has.
//!
//! Fields of an entry that come late are moved to their place by turning the bytes behind it: nothing is
//! allocated, and an entry written in order costs one probe per field. The counter is written first,
//! from a number of entries that is known.

use super::table::Layout;
use crate::time::{TimestampPrecision, Utc};
use crate::wire::fix::scan::SOH;
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::{Decimal, EncodeError, FrameWriter, value};

/// Writing of groups with a [`FrameWriter`].
pub trait WriteGroups {
    /// Writes the counter and its entries, each by one call of `write`. Writes nothing for no entries.
    ///
    /// `layout` is that of the message: `dictionary.message(b"D")?.body()`. What goes wrong shows when
    /// the frame is finished: a field that is not in the group, one given twice, an entry without the
    /// field that each must begin with.
    fn groups<I>(
        &mut self,
        layout: Layout<'_>,
        counter: Tag,
        entries: I,
        write: impl FnMut(&mut EntryWriter<'_, '_, '_>, I::Item),
    ) -> &mut Self
    where
        I: IntoIterator<IntoIter: ExactSizeIterator>;
}

impl WriteGroups for FrameWriter<'_> {
    fn groups<I>(
        &mut self,
        layout: Layout<'_>,
        counter: Tag,
        entries: I,
        mut write: impl FnMut(&mut EntryWriter<'_, '_, '_>, I::Item),
    ) -> &mut Self
    where
        I: IntoIterator<IntoIter: ExactSizeIterator>,
    {
        let entries = entries.into_iter();
        let Some(group) = layout.group(counter) else {
            self.fail(EncodeError::NotAGroup { tag: counter });
            return self;
        };
        let declared = entries.len();
        if declared == 0 {
            return self;
        }
        self.uint(counter, declared as u64);
        let mut written = 0;
        for entry in entries {
            written += 1;
            let mut writer = EntryWriter {
                start: self.written(),
                frame: self,
                layout: group,
                counter,
                last: None,
            };
            write(&mut writer, entry);
            writer.end();
        }
        if written != declared {
            self.fail(EncodeError::EntriesMiscounted { counter });
        }
        self
    }
}

/// One entry of a group being written.
#[derive(Debug)]
pub struct EntryWriter<'w, 'room, 'd> {
    frame: &'w mut FrameWriter<'room>,
    layout: Layout<'d>,
    counter: Tag,
    /// Where the entry begins.
    start: usize,
    /// Highest position written so far.
    last: Option<u16>,
}

impl EntryWriter<'_, '_, '_> {
    /// A field of any type but data, its text taken as it is.
    pub fn bytes(&mut self, tag: Tag, value: &[u8]) -> &mut Self {
        self.place(tag, |frame| {
            frame.bytes(tag, value);
        })
    }

    /// A field of type String.
    pub fn str(&mut self, tag: Tag, value: &str) -> &mut Self {
        self.bytes(tag, value.as_bytes())
    }

    /// A field of type char.
    pub fn char(&mut self, tag: Tag, value: u8) -> &mut Self {
        self.bytes(tag, &[value])
    }

    /// A field of type int.
    pub fn int(&mut self, tag: Tag, value: i64) -> &mut Self {
        self.place(tag, |frame| {
            frame.int(tag, value);
        })
    }

    /// A field of type SeqNum, Length or NumInGroup.
    pub fn uint(&mut self, tag: Tag, value: u64) -> &mut Self {
        self.place(tag, |frame| {
            frame.uint(tag, value);
        })
    }

    /// A field of type Boolean.
    pub fn boolean(&mut self, tag: Tag, value: bool) -> &mut Self {
        self.bytes(tag, if value { b"Y" } else { b"N" })
    }

    /// A field of type float, Price, Qty or Amt.
    pub fn decimal(&mut self, tag: Tag, value: Decimal) -> &mut Self {
        self.place(tag, |frame| {
            frame.decimal(tag, value);
        })
    }

    /// A field of type UTCTimestamp.
    pub fn utc(&mut self, tag: Tag, value: Utc, precision: TimestampPrecision) -> &mut Self {
        self.place(tag, |frame| {
            frame.utc(tag, value, precision);
        })
    }

    /// A length field and the data field it belongs to. The data may hold any byte.
    pub fn data(&mut self, length_tag: Tag, data_tag: Tag, value: &[u8]) -> &mut Self {
        self.place(length_tag, |frame| {
            frame.data(length_tag, data_tag, value);
        })
    }

    /// A group within the entry; see [`WriteGroups::groups`].
    pub fn groups<I>(
        &mut self,
        counter: Tag,
        entries: I,
        write: impl FnMut(&mut EntryWriter<'_, '_, '_>, I::Item),
    ) -> &mut Self
    where
        I: IntoIterator<IntoIter: ExactSizeIterator>,
    {
        let layout = self.layout;
        self.place(counter, |frame| {
            frame.groups(layout, counter, entries, write);
        })
    }

    /// Writes what begins with the member `tag`, and moves it to where the dictionary has it.
    fn place(&mut self, tag: Tag, write: impl FnOnce(&mut FrameWriter<'_>)) -> &mut Self {
        let Layout { dictionary, block } = self.layout;
        let Some(slot) = dictionary.find(block, tag) else {
            self.frame.fail(EncodeError::NotInGroup {
                counter: self.counter,
                tag,
            });
            return self;
        };
        let position = slot.position;
        let from = self.frame.written();
        write(self.frame);
        if self.frame.written() == from {
            return self; // a group without entries, or an error
        }
        if self.last.is_none_or(|last| position > last) {
            self.last = Some(position);
        } else {
            self.move_back(position, from, tag);
        }
        self
    }

    #[cold]
    fn move_back(&mut self, position: u16, from: usize, tag: Tag) {
        let entry = &self.frame.since(self.start)[..from - self.start];
        let Layout { dictionary, block } = self.layout;
        let position_of = |tag| dictionary.find(block, tag).map(|slot| slot.position);
        match place_of(entry, position_of, position) {
            Some(at) => self.frame.turn(self.start + at, from),
            None => self.frame.fail(EncodeError::Repeated { tag }),
        }
    }

    fn end(self) {
        let Layout { dictionary, block } = self.layout;
        let Some(delimiter) = dictionary.delimiter_of(block) else {
            return;
        };
        // The first field is first by now, if it is there at all.
        if first_tag(self.frame.since(self.start)) != Some(delimiter) {
            self.frame.fail(EncodeError::NoDelimiter {
                counter: self.counter,
                delimiter,
            });
        }
    }
}

/// Where in `entry`, whole fields, the first member begins that comes after `position`. `None` if the one
/// at `position` is there already.
fn place_of(entry: &[u8], position_of: impl Fn(Tag) -> Option<u16>, position: u16) -> Option<usize> {
    let mut at = 0;
    while at < entry.len() {
        let tag = first_tag(&entry[at..])?;
        // Fields of groups within the entry are at no position of it.
        match position_of(tag) {
            Some(other) if other == position => return None,
            Some(other) if other > position => return Some(at),
            _ => {}
        }
        at = behind_field(entry, at, tag);
    }
    Some(at)
}

/// Where the field behind the one at `at` begins. Data is part of its length field here.
fn behind_field(entry: &[u8], at: usize, tag: Tag) -> usize {
    let value = at + entry[at..].iter().take_while(|&&byte| byte != b'=').count() + 1;
    let len = entry[value.min(entry.len())..]
        .iter()
        .take_while(|&&byte| byte != SOH)
        .count();
    let end = value + len + 1;
    let Some(data) = tag::data_of_length(tag) else {
        return end;
    };
    let data_len = value::parse_uint(&entry[value..value + len]).unwrap_or_default() as usize;
    let mut digits = [0; value::UINT_LEN_MAX];
    end + value::format_uint(u64::from(data), &mut digits).len() + 1 + data_len + 1
}

fn first_tag(entry: &[u8]) -> Option<Tag> {
    let digits = entry.iter().position(|&byte| byte == b'=')?;
    Tag::try_from(value::parse_uint(&entry[..digits])?).ok()
}
