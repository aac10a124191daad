//! Refusing a message of the peer: Reject(3) in the words of each version, and BusinessMessageReject(j).

use std::fmt::Write as _;

use super::{ADMIN_ROOM, NAME_MAX, Pen};
use crate::session::{Full, Outbox, Text};
use crate::time::Now;
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::{ApplVersion, FrameWriter, Message, msg_type};

/// BusinessRejectReason(380): unsupported message type.
const UNSUPPORTED_MESSAGE_TYPE: u16 = 3;

impl Pen {
    /// Reject(3) of a peer's message.
    pub(in crate::session::fix) fn reject<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        reason: u16,
        ref_tag: Option<Tag>,
        text: Text,
        out: &mut O,
    ) -> Result<(), Full> {
        let Some(codes) = &self.rules.reject_codes else {
            return self.reject_in_words(now, message, ref_tag, text, out);
        };
        let has_reason = codes.has(reason) || self.reject_reason_max >= Some(reason);
        let says_version = self.rules.default_appl_ver_id.is_some();
        self.answer(now, msg_type::REJECT, message, out, true, |writer| {
            writer.uint(
                tag::REF_SEQ_NUM,
                message.uint(tag::MSG_SEQ_NUM).unwrap_or_default(),
            );
            if !text.is_empty() {
                writer.bytes(tag::TEXT, text.as_bytes());
            }
            if let Some(ref_tag) = ref_tag {
                writer.uint(tag::REF_TAG_ID, ref_tag.into());
            }
            writer.bytes(tag::REF_MSG_TYPE, message.msg_type());
            if has_reason {
                writer.uint(tag::SESSION_REJECT_REASON, reason.into());
            }
            if says_version {
                put_version(writer, message);
            }
        })
    }

    /// Reject(3) of bytes that are no message, but show a number and perhaps a type.
    pub(in crate::session::fix) fn reject_garbled<O: Outbox>(
        &mut self,
        now: Now,
        ref_seq_num: u64,
        ref_msg_type: Option<&[u8]>,
        reason: u16,
        text: Text,
        out: &mut O,
    ) -> Result<(), Full> {
        let codes = self.rules.reject_codes.as_ref();
        self.admin(now, msg_type::REJECT, ADMIN_ROOM, out, |writer| {
            writer
                .uint(tag::REF_SEQ_NUM, ref_seq_num)
                .bytes(tag::TEXT, text.as_bytes());
            if let Some(codes) = codes {
                if let Some(msg_type) = ref_msg_type {
                    writer.bytes(tag::REF_MSG_TYPE, msg_type);
                }
                if codes.has(reason) {
                    writer.uint(tag::SESSION_REJECT_REASON, reason.into());
                }
            }
        })
    }

    /// A Reject of the versions that have no codes: the tag stands in the text.
    fn reject_in_words<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        ref_tag: Option<Tag>,
        mut text: Text,
        out: &mut O,
    ) -> Result<(), Full> {
        if let Some(ref_tag) = ref_tag {
            let blank = if text.is_empty() { "" } else { " " };
            // Writing to a Text cannot fail; what does not fit is cut.
            let _ = write!(text, "{blank}({ref_tag})");
        }
        self.answer(now, msg_type::REJECT, message, out, true, |writer| {
            writer.uint(
                tag::REF_SEQ_NUM,
                message.uint(tag::MSG_SEQ_NUM).unwrap_or_default(),
            );
            if !text.is_empty() {
                writer.bytes(tag::TEXT, text.as_bytes());
            }
        })
    }

    /// BusinessMessageReject(j): an application message, so it is sent again on request; but it
    /// answers for the session and may use the reserve. Versions without it get a Reject(3).
    pub(in crate::session::fix) fn business_reject<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        reason: u16,
        text: Text,
        out: &mut O,
    ) -> Result<(), Full> {
        if !self.rules.business_message_reject {
            let text = if reason == UNSUPPORTED_MESSAGE_TYPE {
                Text::lossy(b"Unsupported message type")
            } else {
                text
            };
            return self.reject_in_words(now, message, None, text, out);
        }
        let says_version = self.rules.appl_version >= ApplVersion::Fix50Sp1;
        self.answer(
            now,
            msg_type::BUSINESS_MESSAGE_REJECT,
            message,
            out,
            false,
            |writer| {
                writer.uint(
                    tag::REF_SEQ_NUM,
                    message.uint(tag::MSG_SEQ_NUM).unwrap_or_default(),
                );
                if !text.is_empty() {
                    writer.bytes(tag::TEXT, text.as_bytes());
                }
                writer.bytes(tag::REF_MSG_TYPE, message.msg_type());
                writer.uint(tag::BUSINESS_REJECT_REASON, reason.into());
                if says_version {
                    put_version(writer, message);
                }
            },
        )
    }
}

/// What the refused message says of its own version, in RefApplVerID(1130), RefCstmApplVerID(1131) and
/// RefApplExtID(1406). A version that does not exist is not repeated: the peer would refuse the answer.
fn put_version(writer: &mut FrameWriter<'_>, message: &Message<'_>) {
    if let Some(version) = message
        .get(tag::APPL_VER_ID)
        .and_then(ApplVersion::from_appl_ver_id)
    {
        writer.bytes(tag::REF_APPL_VER_ID, version.appl_ver_id().as_bytes());
    }
    if let Some(custom) = message
        .get(tag::CSTM_APPL_VER_ID)
        .filter(|name| (1..=NAME_MAX).contains(&name.len()))
    {
        writer.bytes(tag::REF_CSTM_APPL_VER_ID, custom);
    }
    if let Ok(extension) = message.uint(tag::APPL_EXT_ID) {
        writer.uint(tag::REF_APPL_EXT_ID, extension);
    }
}
