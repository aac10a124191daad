//! The header of a frame: what is the same in every message of a session, and what one message adds.

use super::EncodeError;
use super::draft::{Draft, Front};
use crate::wire::fix::scan::SOH;
use crate::wire::fix::tag::{self, Tag};

/// What is the same in the header of every message of a session.
#[derive(Clone, Debug)]
pub struct HeaderTemplate {
    pub(super) front: Front,
    /// Encoded fields, SOH included, in the order of [`header_position`].
    pub(super) encoded: Box<[u8]>,
    fields: Box<[TemplateField]>,
    /// End of the fields in `encoded` that go before 34.
    pub(super) first_end: usize,
    /// End of those that go between 34 and 52; the rest follows 52.
    pub(super) second_end: usize,
}

#[derive(Clone, Debug)]
struct TemplateField {
    tag: Tag,
    end: usize,
}

impl HeaderTemplate {
    /// A header from these identities and further fixed fields in any order, such as SenderSubID(50),
    /// TargetSubID(57), SenderLocationID(142) and TargetLocationID(143). Allocates; once per session.
    ///
    /// # Errors
    /// BeginString(8) is not known; a value is empty or contains SOH; a field is no header field, is
    /// one the engine owns, or is data. The last of several fields with the same tag counts.
    pub fn new(
        begin_string: &[u8],
        sender_comp_id: &[u8],
        target_comp_id: &[u8],
        fixed: &[(Tag, &[u8])],
    ) -> Result<Self, EncodeError> {
        let front = Front::new(begin_string)?;
        let mut all = vec![
            (tag::SENDER_COMP_ID, sender_comp_id),
            (tag::TARGET_COMP_ID, target_comp_id),
        ];
        for &(tag, value) in fixed {
            check_header_tag(tag)?;
            all.retain(|&(other, _)| other != tag);
            all.push((tag, value));
        }
        all.sort_by_key(|&(tag, _)| header_position(tag));
        let mut encoded = Vec::new();
        let mut fields = Vec::new();
        let (mut first_end, mut second_end) = (0, 0);
        for (tag, value) in all {
            check_value(tag, value)?;
            encoded.extend_from_slice(tag.to_string().as_bytes());
            encoded.push(b'=');
            encoded.extend_from_slice(value);
            encoded.push(SOH);
            fields.push(TemplateField {
                tag,
                end: encoded.len(),
            });
            if header_position(tag) < tag::MSG_SEQ_NUM {
                first_end = encoded.len();
            }
            if header_position(tag) < tag::SENDING_TIME {
                second_end = encoded.len();
            }
        }
        Ok(Self {
            front,
            encoded: encoded.into(),
            fields: fields.into(),
            first_end,
            second_end,
        })
    }

    /// BeginString(8).
    #[must_use]
    pub fn begin_string(&self) -> &[u8] {
        let text = self.front.text();
        &text[2..text.len() - 3]
    }
}

/// Header fields of one message, beside those of the template. A field of the template with the same
/// tag is replaced. Borrowed values, no allocation; errors surface at [`FrameWriter::finish`](super::FrameWriter::finish).
#[derive(Clone, Debug)]
pub struct HeaderFields<'a> {
    entries: [HeaderField<'a>; HEADER_FIELDS_MAX],
    pub(super) len: usize,
    pub(super) error: Option<EncodeError>,
}

#[derive(Clone, Copy, Debug)]
struct HeaderField<'a> {
    tag: Tag,
    value: HeaderValue<'a>,
}

#[derive(Clone, Copy, Debug)]
enum HeaderValue<'a> {
    Bytes(&'a [u8]),
    Uint(u64),
    /// The entry's tag is that of the length.
    Data(Tag, &'a [u8]),
    /// The same, written the other way round.
    DataFirst(Tag, &'a [u8]),
}

/// As many as there are: every header field that may be given, and 43 and 122. Setting one again
/// replaces it, so this is never exceeded.
pub(super) const HEADER_FIELDS_MAX: usize = 21;

impl<'a> HeaderFields<'a> {
    /// None yet.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        let none = HeaderField {
            tag: tag::INVALID,
            value: HeaderValue::Uint(0),
        };
        Self {
            entries: [none; HEADER_FIELDS_MAX],
            len: 0,
            error: None,
        }
    }

    /// A field of any type but data.
    pub fn bytes(&mut self, tag: Tag, value: &'a [u8]) -> &mut Self {
        match check_header_tag(tag).and_then(|()| check_value(tag, value)) {
            Ok(()) => self.set(tag, HeaderValue::Bytes(value)),
            Err(error) => self.fail(error),
        }
    }

    /// A field of type String.
    pub fn str(&mut self, tag: Tag, value: &'a str) -> &mut Self {
        self.bytes(tag, value.as_bytes())
    }

    /// A field of type int or SeqNum, such as LastMsgSeqNumProcessed(369).
    pub fn uint(&mut self, tag: Tag, value: u64) -> &mut Self {
        match check_header_tag(tag) {
            Ok(()) => self.set(tag, HeaderValue::Uint(value)),
            Err(error) => self.fail(error),
        }
    }

    /// A length and its data field: SecureData(91) or XmlData(213).
    pub fn data(&mut self, length_tag: Tag, data_tag: Tag, value: &'a [u8]) -> &mut Self {
        if tag::data_of_length(length_tag) != Some(data_tag) {
            self.fail(EncodeError::NotAPair {
                length_tag,
                data_tag,
            })
        } else if !tag::is_header(data_tag) {
            self.fail(EncodeError::NotAHeaderField { tag: data_tag })
        } else if value.is_empty() {
            self.fail(EncodeError::Empty { tag: data_tag })
        } else {
            self.set(length_tag, HeaderValue::Data(data_tag, value))
        }
    }

    /// The same pair with the data before its length, as a few venues have it. Readers that go by the
    /// length cannot know where it ends, so it may not contain SOH.
    pub fn data_first(&mut self, length_tag: Tag, data_tag: Tag, value: &'a [u8]) -> &mut Self {
        if value.contains(&SOH) {
            return self.fail(EncodeError::Soh { tag: data_tag });
        }
        self.data(length_tag, data_tag, value);
        for entry in &mut self.entries[..self.len] {
            if entry.tag == length_tag {
                entry.value = HeaderValue::DataFirst(data_tag, value);
            }
        }
        self
    }

    /// PossDupFlag(43)=Y and OrigSendingTime(122): for a gap fill, and for a bridge that passes on
    /// what it was sent as a possible duplicate.
    pub fn possible_duplicate(&mut self, orig_sending_time: &'a [u8]) -> &mut Self {
        if let Err(error) = check_value(tag::ORIG_SENDING_TIME, orig_sending_time) {
            return self.fail(error);
        }
        self.set(tag::POSS_DUP_FLAG, HeaderValue::Bytes(b"Y"));
        self.set(
            tag::ORIG_SENDING_TIME,
            HeaderValue::Bytes(orig_sending_time),
        )
    }

    /// Whether PossDupFlag(43) is among them.
    #[must_use]
    pub fn is_possible_duplicate(&self) -> bool {
        self.entries[..self.len]
            .iter()
            .any(|entry| entry.tag == tag::POSS_DUP_FLAG)
    }

    /// The same fields without PossDupFlag(43) and OrigSendingTime(122).
    #[must_use]
    pub fn without_possible_duplicate(&self) -> Self {
        let mut kept = Self {
            error: self.error,
            ..Self::new()
        };
        for entry in &self.entries[..self.len] {
            if !matches!(entry.tag, tag::POSS_DUP_FLAG | tag::ORIG_SENDING_TIME) {
                kept.entries[kept.len] = *entry;
                kept.len += 1;
            }
        }
        kept
    }

    /// Keeps the order of emission.
    fn set(&mut self, tag: Tag, value: HeaderValue<'a>) -> &mut Self {
        let place = self.entries[..self.len]
            .iter()
            .position(|entry| header_position(entry.tag) >= header_position(tag))
            .unwrap_or(self.len);
        if place == self.len || self.entries[place].tag != tag {
            self.entries.copy_within(place..self.len, place + 1);
            self.len += 1;
        }
        self.entries[place] = HeaderField { tag, value };
        self
    }

    fn fail(&mut self, error: EncodeError) -> &mut Self {
        self.error.get_or_insert(error);
        self
    }
}

impl Default for HeaderFields<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// The fields of a template and those of one message, in order, the latter winning.
pub(super) struct Merge<'a> {
    template: &'a HeaderTemplate,
    /// How many fields of the template are done with.
    taken: usize,
    fields: &'a [HeaderField<'a>],
}

impl<'a> Merge<'a> {
    pub(super) fn new(template: &'a HeaderTemplate, fields: &'a HeaderFields<'a>) -> Self {
        Self {
            template,
            taken: 0,
            fields: &fields.entries[..fields.len],
        }
    }

    pub(super) fn write_before(&mut self, limit: Tag, draft: &mut Draft<'_>) {
        loop {
            let fixed = self
                .template
                .fields
                .get(self.taken)
                .map(|field| header_position(field.tag));
            let own = self.fields.first().map(|field| header_position(field.tag));
            let fixed_next = fixed.filter(|&at| at < limit);
            match (fixed_next, own.filter(|&at| at < limit)) {
                (None, None) => return,
                (Some(at), own) if own.is_none_or(|own| at < own) => {
                    draft.put(self.take_fixed());
                }
                (fixed, Some(at)) => {
                    if fixed == Some(at) {
                        self.take_fixed();
                    }
                    let (field, rest) = (self.fields[0], &self.fields[1..]);
                    self.fields = rest;
                    match field.value {
                        HeaderValue::Bytes(value) => draft.field(field.tag, b"", value),
                        HeaderValue::Uint(value) => draft.uint_field(field.tag, value),
                        HeaderValue::Data(data_tag, value) => {
                            draft.data_fields(field.tag, data_tag, value);
                        }
                        HeaderValue::DataFirst(data_tag, value) => {
                            draft.field(data_tag, b"", value);
                            draft.uint_field(field.tag, value.len() as u64);
                        }
                    }
                }
                (Some(_), None) => draft.put(self.take_fixed()),
            }
        }
    }

    fn take_fixed(&mut self) -> &[u8] {
        let start = if self.taken == 0 {
            0
        } else {
            self.template.fields[self.taken - 1].end
        };
        let end = self.template.fields[self.taken].end;
        self.taken += 1;
        &self.template.encoded[start..end]
    }
}

/// Sorts header fields into the order of emission: 1128, 1129 and 1156 before 34, the rest ascending.
#[inline]
pub(super) const fn header_position(tag: Tag) -> Tag {
    match tag {
        tag::APPL_VER_ID | tag::CSTM_APPL_VER_ID | tag::APPL_EXT_ID => tag - tag::APPL_VER_ID,
        _ => tag,
    }
}

/// Whether `tag` may be given as a header field with a plain value.
pub(super) fn check_header_tag(tag: Tag) -> Result<(), EncodeError> {
    if tag::is_engine_owned(tag) {
        Err(EncodeError::EngineOwned { tag })
    } else if !tag::is_header(tag) || matches!(tag, tag::NO_HOPS..=tag::HOP_REF_ID) {
        Err(EncodeError::NotAHeaderField { tag })
    } else if tag::is_length(tag) || tag::is_data(tag) {
        Err(EncodeError::DataAlone { tag })
    } else {
        Ok(())
    }
}

fn check_value(tag: Tag, value: &[u8]) -> Result<(), EncodeError> {
    if value.is_empty() {
        Err(EncodeError::Empty { tag })
    } else if value.contains(&SOH) {
        Err(EncodeError::Soh { tag })
    } else {
        Ok(())
    }
}
