//! Session-level messages, and the path of every frame into the outbox.

mod rejects;

use std::fmt;
use std::ops::Range;

use super::Kind;
use super::peer::{Code, MsgDirection};
use super::resend::{Again, Copied};
use super::rules::Rules;
use super::sending::Loss;
use super::settings::{LogonField, Settings, SettingsError};
use super::terms::DataOrder;
use crate::session::{Class, Farewell, Full, InboundAt, Outbox, Refusal, Replay, SessionStatus};
use crate::time::{Now, TimestampPrecision, TimestampWriter, Utc};
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::{
    self, FieldIndex, FrameWriter, HeaderFields, HeaderTemplate, Message, msg_type,
};

/// Room for a session-level message without what it echoes, in bytes: seven names of 64, two times, a
/// Text(58), and numbers of twenty digits.
const ADMIN_ROOM: usize = 1024;

/// The longest TestReqID(112) that is echoed, in bytes. A longer one is cut: the peer's next
/// message is a sign of life all the same.
const ECHO_MAX: usize = 1024;

/// Routing of an answer: the field of the question, and the one it becomes. LocationIDs last: not
/// every version has them.
const MIRRORED: [(Tag, Tag); 6] = [
    (tag::ON_BEHALF_OF_COMP_ID, tag::DELIVER_TO_COMP_ID),
    (tag::ON_BEHALF_OF_SUB_ID, tag::DELIVER_TO_SUB_ID),
    (tag::DELIVER_TO_COMP_ID, tag::ON_BEHALF_OF_COMP_ID),
    (tag::DELIVER_TO_SUB_ID, tag::ON_BEHALF_OF_SUB_ID),
    (tag::ON_BEHALF_OF_LOCATION_ID, tag::DELIVER_TO_LOCATION_ID),
    (tag::DELIVER_TO_LOCATION_ID, tag::ON_BEHALF_OF_LOCATION_ID),
];

/// How many of [`MIRRORED`] are no LocationIDs.
const MIRRORED_WITHOUT_LOCATIONS: usize = 4;

/// How many fields a Logon of ours can have.
const LOGON_FIELDS_MAX: usize = 128;

/// How many secrets of a peer's Logon are masked one by one; with more, everything from the last of
/// these to the end of the last secret is.
const SECRETS_MAX: usize = 8;

/// What becomes of an application message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destiny {
    /// Sent under the next number.
    Now,
    /// Stored under the next number, for a resend.
    Unsent,
    /// Kept without a number.
    Queue,
}

/// What differs between the Logons of one session.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogonTerms {
    pub(super) heartbeat_s: u32,
    /// ResetSeqNumFlag(141)=Y.
    pub(super) reset: bool,
    /// TestMessageIndicator(464)=Y.
    pub(super) is_test: bool,
    /// NextExpectedMsgSeqNum(789).
    pub(super) next_expected: Option<u64>,
    /// SessionStatus(1409).
    pub(super) status: Option<SessionStatus>,
}

/// An application message, but for its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) msg_type: &'a [u8],
    /// In the header, beside those of the session.
    pub(super) fields: Option<&'a HeaderFields<'a>>,
    /// The longest the whole frame may be, in bytes.
    pub(super) room: usize,
    /// The longest frame that the peer takes, in bytes.
    pub(super) limit: Option<u64>,
    pub(super) destiny: Destiny,
}

/// LastMsgSeqNumProcessed(369).
#[derive(Clone, Copy, Debug)]
enum LastProcessed {
    Off,
    /// On every message. The message of this number is being answered, or was answered last, and may
    /// not be counted yet.
    On {
        answering: u64,
    },
}

/// Writes the messages of one session.
pub(super) struct Pen {
    header: HeaderTemplate,
    stamp: TimestampWriter,
    precision: TimestampPrecision,
    rules: &'static Rules,
    credential_types: Vec<Code>,
    /// SessionRejectReason(373) up to this one is sent beside those of the version.
    reject_reason_max: Option<u16>,
    /// Whether SessionStatus(1409) is sent.
    has_status: bool,
    last_processed: LastProcessed,
    /// Whether a Logon holds secrets.
    has_secrets: bool,
    /// The last message with credentials as it goes on the wire; the outbox keeps it masked.
    logon: Box<[u8]>,
    logon_len: usize,
    /// Finds the secrets in it.
    index: FieldIndex,
}

/// Shows no message: it holds a Logon.
impl fmt::Debug for Pen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pen")
            .field("precision", &self.precision)
            .finish_non_exhaustive()
    }
}

impl Pen {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let id = &settings.id;
        let parts = [
            (tag::SENDER_SUB_ID, &id.sender_sub_id),
            (tag::TARGET_SUB_ID, &id.target_sub_id),
            (tag::SENDER_LOCATION_ID, &id.sender_location_id),
            (tag::TARGET_LOCATION_ID, &id.target_location_id),
        ];
        let added = settings
            .header_fields
            .iter()
            .map(|field| (field.tag, field.value.as_bytes()));
        let fixed: Vec<(Tag, &[u8])> = parts
            .iter()
            .filter_map(|(tag, part)| Some((*tag, part.as_ref()?.as_bytes())))
            .chain(added)
            .collect();
        let begin_string = settings.rules.begin_string.as_bytes();
        let sender = id.sender_comp_id.as_bytes();
        let header = HeaderTemplate::new(begin_string, sender, id.target_comp_id.as_bytes(), &fixed)
            .map_err(|error| SettingsError {
                setting: "id",
                value: format!("{id} ({error})"),
                right: "CompIDs, SubIDs, LocationIDs and header_fields that can stand in a header",
            })?;
        let mut pen = Self {
            header,
            stamp: TimestampWriter::new(),
            precision: if settings.rules.fractional_seconds {
                settings.precision
            } else {
                TimestampPrecision::Seconds
            },
            rules: settings.rules,
            credential_types: settings.logon.credential_types.clone(),
            reject_reason_max: settings.wording.reject_reason_max,
            has_status: settings.rules.session_status && settings.logon.session_status,
            last_processed: if settings.logon.last_processed
                && settings.rules.last_msg_seq_num_processed
            {
                LastProcessed::On { answering: 0 }
            } else {
                LastProcessed::Off
            },
            has_secrets: settings
                .logon_fields
                .iter()
                .any(|field| tag::is_secret(field.tag)),
            logon: vec![0; logon_room(settings)].into_boxed_slice(),
            logon_len: 0,
            index: FieldIndex::with_capacity(LOGON_FIELDS_MAX + 6 * settings.logon.msg_types.len()),
        };
        pen.try_logon(settings)?;
        Ok(pen)
    }

    /// Writes the longest Logon these settings can lead to, so that no later one can fail.
    fn try_logon(&mut self, settings: &Settings) -> Result<(), SettingsError> {
        let wrong = |error: &dyn fmt::Display| SettingsError {
            setting: "logon_fields",
            value: error.to_string(),
            right: "fields that can stand in the body of a Logon",
        };
        let terms = LogonTerms {
            heartbeat_s: u32::MAX,
            reset: true,
            is_test: true,
            next_expected: Some(u64::MAX),
            status: Some(SessionStatus(u32::MAX)),
        };
        let time = self.stamp.write(Utc(u64::MAX), self.precision);
        let kind = msg_type::LOGON;
        let mut fields = HeaderFields::new();
        fields.uint(tag::LAST_MSG_SEQ_NUM_PROCESSED, u64::MAX);
        add_secure_data(&mut fields, settings);
        let room = &mut self.logon;
        let mut writer = FrameWriter::begin_with(room, &self.header, &fields, kind, u64::MAX, time);
        write_logon(&mut writer, terms, settings);
        let frame = writer.finish().map_err(|error| wrong(&error))?;
        match self.index.read(&self.logon[frame]) {
            Ok(_) => Ok(()),
            Err(malformed) => Err(wrong(&malformed)),
        }
    }

    /// Notes the message that is being dealt with: what is sent meanwhile says so. 0 for a new
    /// series.
    pub(super) fn answering(&mut self, seq: u64) {
        if let LastProcessed::On { answering } = &mut self.last_processed {
            *answering = seq;
        }
    }

    /// LastMsgSeqNumProcessed(369) of what is sent now.
    fn processed<O: Outbox>(&self, out: &O) -> Option<u64> {
        match self.last_processed {
            LastProcessed::Off => None,
            LastProcessed::On { answering } => Some(answering.max(out.next_in().saturating_sub(1))),
        }
    }

    pub(super) fn unmasked_logon(&self) -> &[u8] {
        &self.logon[..self.logon_len]
    }

    /// An application message under the next number.
    pub(super) fn application<O: Outbox>(
        &mut self,
        now: Now,
        outgoing: Outgoing<'_>,
        write: impl FnOnce(&mut FrameWriter<'_>),
        out: &mut O,
    ) -> Result<u64, Refusal> {
        let Outgoing {
            msg_type,
            fields,
            room,
            limit,
            destiny,
        } = outgoing;
        let secret = self.may_hold_credentials(msg_type);
        if secret {
            if destiny != Destiny::Now {
                return Err(Refusal::HoldsCredentials);
            }
            if !out.is_masked_sent() {
                // What goes out in place of its masked record is kept for one frame at a time.
                return Err(Refusal::CredentialsUnsent);
            }
        }
        let seq = out.next_out();
        let processed = self.processed(out);
        let time = self.stamp.write(now.utc, self.precision);
        let class = match destiny {
            Destiny::Now => Class::Application,
            Destiny::Unsent | Destiny::Queue => Class::Queued,
        };
        let claimed = out.claim(class, room).map_err(Refusal::Full)?;
        let header = &self.header;
        let mut writer = begin(header, processed, fields, claimed, msg_type, seq, time);
        write(&mut writer);
        let frame = writer.finish().map_err(Refusal::Message)?;
        if let Some(limit) = limit.filter(|limit| frame.len() as u64 > *limit) {
            return Err(Refusal::LongerThanPeerTakes(limit));
        }
        match destiny {
            Destiny::Now => {
                // One with credentials is masked, and never sent again.
                let masked = secret && self.mask(&mut claimed[frame.clone()]);
                out.commit(frame, masked, masked, now.utc);
            }
            Destiny::Unsent => out.commit_unsent(frame, now.utc),
            Destiny::Queue => out.commit_queued(frame, now.utc),
        }
        Ok(seq)
    }

    /// Whether an application message of this type carries credentials: UserRequest(BE), and those of
    /// the settings.
    pub(super) fn may_hold_credentials(&self, msg_type: &[u8]) -> bool {
        msg_type == msg_type::USER_REQUEST
            || self
                .credential_types
                .iter()
                .any(|code| code.as_bytes() == msg_type)
    }

    /// Masks the secrets of a frame and keeps what goes on the wire. Answers whether there were any.
    fn mask(&mut self, frame: &mut [u8]) -> bool {
        let Ok(message) = self.index.read(frame) else {
            return false;
        };
        let mut spans = [const { 0..0 }; SECRETS_MAX];
        let spans = secrets(&message, &mut spans);
        if spans.is_empty() {
            return false;
        }
        if self.logon.len() < frame.len() {
            // A long one with credentials that is no Logon: rare, and not on the hot path.
            self.logon = vec![0; frame.len()].into_boxed_slice();
        }
        self.logon_len = frame.len();
        self.logon[..frame.len()].copy_from_slice(frame);
        for span in spans {
            frame[span.clone()].fill(b'*');
        }
        true
    }

    /// Sends the message that has waited longest, under the next number, or drops it if it is lost.
    /// `None` if none waits.
    pub(super) fn dequeue<O: Outbox>(
        &mut self,
        now: Now,
        limit: Option<u64>,
        index: &mut FieldIndex,
        out: &mut O,
    ) -> Result<Option<Result<(), Loss>>, Full> {
        let seq = out.next_out();
        let time = self.stamp.write(now.utc, self.precision);
        let Some(Replay { original, room }) = out.claim_queued()? else {
            return Ok(None);
        };
        let renumbered = index
            .read(original)
            .ok()
            .and_then(|message| fix::renumber(&message, room, seq, time).ok());
        let beyond = |len: usize| limit.filter(|limit| len as u64 > *limit);
        let loss = match renumbered {
            Some(frame) => match beyond(frame.len()) {
                None => {
                    out.commit_dequeued(frame, now.utc);
                    return Ok(Some(Ok(())));
                }
                Some(limit) => Loss::LongerThanPeerTakes(limit),
            },
            None => Loss::Unreadable,
        };
        out.drop_queued();
        Ok(Some(Err(loss)))
    }

    /// Whether a Logon can be written now: what goes out in place of its masked record is kept for one
    /// frame at a time.
    pub(super) fn may_log_on<O: Outbox>(&self, out: &O) -> bool {
        !self.has_secrets || out.is_masked_sent()
    }

    /// Logon(A). Secrets are masked in what is kept.
    pub(super) fn logon<O: Outbox>(
        &mut self,
        now: Now,
        terms: LogonTerms,
        settings: &Settings,
        out: &mut O,
    ) -> Result<(), Full> {
        if !self.may_log_on(out) {
            return Err(Full::Unsent);
        }
        let seq = out.next_out();
        let room = self.logon.len();
        let processed = self.processed(out);
        let time = self.stamp.write(now.utc, self.precision);
        let claimed = out.claim(Class::Control, room)?;
        let kind = msg_type::LOGON;
        let mut fields = HeaderFields::new();
        add_secure_data(&mut fields, settings);
        let header = &self.header;
        let mut writer = begin(header, processed, Some(&fields), claimed, kind, seq, time);
        write_logon(&mut writer, terms, settings);
        let frame = writer
            .finish()
            .expect("a Logon of these settings was written on trial");
        let masked = self.has_secrets && self.mask(&mut claimed[frame.clone()]);
        out.commit(frame, true, masked, now.utc);
        Ok(())
    }

    /// Logout(5).
    pub(super) fn logout<O: Outbox>(
        &mut self,
        now: Now,
        farewell: &Farewell,
        out: &mut O,
    ) -> Result<(), Full> {
        let status = farewell.status.filter(|_| self.has_status);
        self.admin(now, msg_type::LOGOUT, ADMIN_ROOM, out, |writer| {
            if !farewell.text.is_empty() {
                writer.bytes(tag::TEXT, farewell.text.as_bytes());
            }
            if let Some(SessionStatus(status)) = status {
                writer.uint(tag::SESSION_STATUS, status.into());
            }
        })
    }

    /// Heartbeat(0), with the TestReqID(112) it answers.
    pub(super) fn heartbeat<O: Outbox>(
        &mut self,
        now: Now,
        answered: Option<&[u8]>,
        out: &mut O,
    ) -> Result<(), Full> {
        let answered = answered.map(|id| &id[..id.len().min(ECHO_MAX)]);
        let room = ADMIN_ROOM + answered.map_or(0, <[u8]>::len);
        self.admin(now, msg_type::HEARTBEAT, room, out, |writer| {
            if let Some(id) = answered.filter(|id| !id.is_empty()) {
                writer.bytes(tag::TEST_REQ_ID, id);
            }
        })
    }

    /// TestRequest(1).
    pub(super) fn test_request<O: Outbox>(
        &mut self,
        now: Now,
        id: u64,
        out: &mut O,
    ) -> Result<(), Full> {
        self.admin(now, msg_type::TEST_REQUEST, ADMIN_ROOM, out, |writer| {
            writer.uint(tag::TEST_REQ_ID, id);
        })
    }

    /// ResendRequest(2).
    pub(super) fn resend_request<O: Outbox>(
        &mut self,
        now: Now,
        begin: u64,
        end: u64,
        out: &mut O,
    ) -> Result<(), Full> {
        self.admin(now, msg_type::RESEND_REQUEST, ADMIN_ROOM, out, |writer| {
            writer
                .uint(tag::BEGIN_SEQ_NO, begin)
                .uint(tag::END_SEQ_NO, end);
        })
    }

    /// SequenceReset-Reset(4).
    pub(super) fn sequence_reset<O: Outbox>(
        &mut self,
        now: Now,
        next: u64,
        out: &mut O,
    ) -> Result<(), Full> {
        self.admin(now, msg_type::SEQUENCE_RESET, ADMIN_ROOM, out, |writer| {
            writer
                .uint(tag::NEW_SEQ_NO, next)
                .boolean(tag::GAP_FILL_FLAG, false);
        })
    }

    /// SequenceReset-GapFill(4) from number `from` to before `to`, in answer to a ResendRequest.
    pub(super) fn gap_fill<O: Outbox>(
        &mut self,
        now: Now,
        from: u64,
        to: u64,
        out: &mut O,
    ) -> Result<(), Full> {
        let processed = self.processed(out);
        let time = self.stamp.write(now.utc, self.precision);
        let claimed = out.claim(Class::Replay, ADMIN_ROOM)?;
        let mut fields = HeaderFields::new();
        fields.possible_duplicate(time);
        if let Some(processed) = processed {
            fields.uint(tag::LAST_MSG_SEQ_NUM_PROCESSED, processed);
        }
        let kind = msg_type::SEQUENCE_RESET;
        let mut writer = FrameWriter::begin_with(claimed, &self.header, &fields, kind, from, time);
        writer
            .uint(tag::NEW_SEQ_NO, to)
            .boolean(tag::GAP_FILL_FLAG, true);
        let frame = writer.finish().expect("a gap fill fits its room");
        out.commit_replay(frame, from, now.utc);
        Ok(())
    }

    /// Sends a message that was sent under `seq` again, if it is still `wanted`.
    pub(super) fn replay<O: Outbox>(
        &mut self,
        now: Now,
        again: Again,
        index: &mut FieldIndex,
        wanted: impl FnOnce(&Message<'_>) -> bool,
        out: &mut O,
    ) -> Result<Copied, Full> {
        Ok(match self.copy(now, again.seq, index, wanted, out)? {
            Err(why) => why,
            Ok(frame) if again.limit.is_some_and(|limit| frame.len() as u64 > limit) => Copied::TooLong,
            Ok(frame) => {
                out.commit_replay(frame, again.seq, now.utc);
                Copied::Sent
            }
        })
    }

    /// How long a copy of what was sent as `seq` is, if there is something readable.
    pub(super) fn length_of_copy<O: Outbox>(
        &mut self,
        now: Now,
        seq: u64,
        index: &mut FieldIndex,
        out: &mut O,
    ) -> Result<Option<usize>, Full> {
        let copy = self.copy(now, seq, index, |_| true, out)?;
        Ok(copy.ok().map(|frame| frame.len()))
    }

    /// Writes a copy into the outbox, or says why not. Room that is not committed was never claimed.
    fn copy<O: Outbox>(
        &mut self,
        now: Now,
        seq: u64,
        index: &mut FieldIndex,
        wanted: impl FnOnce(&Message<'_>) -> bool,
        out: &mut O,
    ) -> Result<Result<Range<usize>, Copied>, Full> {
        let time = self.stamp.write(now.utc, self.precision);
        let replay = match out.claim_replay(seq) {
            Ok(Some(replay)) => replay,
            Ok(None) | Err(Full::TooLong) => return Ok(Err(Copied::Unreadable)),
            Err(full) => return Err(full),
        };
        let Ok(original) = index.read(replay.original) else {
            return Ok(Err(Copied::Unreadable));
        };
        if !wanted(&original) {
            return Ok(Err(Copied::Unwanted));
        }
        Ok(fix::replay(&original, replay.room, time).map_err(|_| Copied::Unreadable))
    }

    fn admin<O: Outbox>(
        &mut self,
        now: Now,
        msg_type: &[u8],
        room: usize,
        out: &mut O,
        write: impl FnOnce(&mut FrameWriter<'_>),
    ) -> Result<(), Full> {
        let seq = out.next_out();
        let processed = self.processed(out);
        let time = self.stamp.write(now.utc, self.precision);
        let claimed = out.claim(Class::Control, room)?;
        let mut writer = begin(&self.header, processed, None, claimed, msg_type, seq, time);
        write(&mut writer);
        let frame = writer
            .finish()
            .expect("a session-level message fits its room and its values are checked");
        out.commit(frame, true, false, now.utc);
        Ok(())
    }

    /// An answer that goes back the way the message came: its routing fields mirrored.
    fn answer<O: Outbox>(
        &mut self,
        now: Now,
        msg_type: &[u8],
        message: &Message<'_>,
        out: &mut O,
        admin: bool,
        write: impl FnOnce(&mut FrameWriter<'_>),
    ) -> Result<(), Full> {
        let mut fields = HeaderFields::new();
        let mut room = ADMIN_ROOM + message.msg_type().len();
        let mirrored = if self.rules.location_ids {
            MIRRORED.as_slice()
        } else {
            &MIRRORED[..MIRRORED_WITHOUT_LOCATIONS]
        };
        for &(from, to) in mirrored {
            // An empty value is not copied, nor is one too long to be a name.
            if let Some(value) = message
                .get(from)
                .filter(|value| (1..=NAME_MAX).contains(&value.len()))
            {
                fields.bytes(to, value);
                room += value.len() + 8;
            }
        }
        let seq = out.next_out();
        let processed = self.processed(out);
        let time = self.stamp.write(now.utc, self.precision);
        let claimed = out.claim(Class::Control, room)?;
        let header = &self.header;
        let mut writer = begin(
            header,
            processed,
            Some(&fields),
            claimed,
            msg_type,
            seq,
            time,
        );
        write(&mut writer);
        let frame = writer
            .finish()
            .expect("an answer fits its room and its values come from a sound message");
        out.commit(frame, admin, false, now.utc);
        Ok(())
    }
}

/// Begins a frame; nothing is added to the header template for a session that does not ask for it.
#[inline]
fn begin<'a>(
    header: &HeaderTemplate,
    processed: Option<u64>,
    fields: Option<&HeaderFields<'_>>,
    room: &'a mut [u8],
    msg_type: &[u8],
    seq: u64,
    time: &[u8],
) -> FrameWriter<'a> {
    match (processed, fields) {
        (None, None) => FrameWriter::begin(room, header, msg_type, seq, time),
        (None, Some(fields)) => FrameWriter::begin_with(room, header, fields, msg_type, seq, time),
        (Some(processed), fields) => {
            let mut fields = fields.cloned().unwrap_or_default();
            fields.uint(tag::LAST_MSG_SEQ_NUM_PROCESSED, processed);
            FrameWriter::begin_with(room, header, &fields, msg_type, seq, time)
        }
    }
}

/// SecureData(91) of a Logon, with its length.
fn add_secure_data<'a>(fields: &mut HeaderFields<'a>, settings: &'a Settings) {
    for LogonField { tag, value } in &settings.logon_fields {
        if let Some(length_tag) = tag::length_of_data(*tag).filter(|_| tag::is_header(*tag)) {
            match settings.logon.secure_data {
                DataOrder::LengthFirst => fields.data(length_tag, *tag, value.as_bytes()),
                DataOrder::DataFirst => fields.data_first(length_tag, *tag, value.as_bytes()),
            };
        }
    }
}

/// The body of a Logon.
fn write_logon(writer: &mut FrameWriter<'_>, terms: LogonTerms, settings: &Settings) {
    let rules = settings.rules;
    writer
        .uint(tag::ENCRYPT_METHOD, 0)
        .uint(tag::HEART_BT_INT, terms.heartbeat_s.into());
    if terms.reset {
        writer.boolean(tag::RESET_SEQ_NUM_FLAG, true);
    }
    if rules.logon_capabilities {
        if let Some(bytes) = settings.logon.max_message_bytes {
            writer.uint(tag::MAX_MESSAGE_SIZE, bytes.into());
        }
        write_msg_types(writer, settings);
    }
    if terms.is_test && rules.test_message_indicator {
        writer.boolean(tag::TEST_MESSAGE_INDICATOR, true);
    }
    for LogonField { tag, value } in &settings.logon_fields {
        match tag::length_of_data(*tag) {
            Some(_) if tag::is_header(*tag) => continue,
            Some(length_tag) => writer.data(length_tag, *tag, value.as_bytes()),
            None => writer.str(*tag, value),
        };
    }
    if let Some(next) = terms.next_expected {
        writer.uint(tag::NEXT_EXPECTED_MSG_SEQ_NUM, next);
    }
    if let Some(version) = rules.default_appl_ver_id {
        writer.str(tag::DEFAULT_APPL_VER_ID, version);
    }
    if let Some(SessionStatus(status)) = terms
        .status
        .filter(|_| rules.session_status && settings.logon.session_status)
    {
        writer.uint(tag::SESSION_STATUS, status.into());
    }
}

/// NoMsgTypes(384).
fn write_msg_types(writer: &mut FrameWriter<'_>, settings: &Settings) {
    let msg_types = &settings.logon.msg_types;
    if msg_types.is_empty() {
        return;
    }
    let versions = settings.rules.default_appl_ver_id.is_some();
    writer.uint(tag::NO_MSG_TYPES, msg_types.len() as u64);
    for entry in msg_types {
        writer.bytes(tag::REF_MSG_TYPE, entry.msg_type.as_bytes());
        match entry.direction {
            Some(MsgDirection::Send) => _ = writer.str(tag::MSG_DIRECTION, "S"),
            Some(MsgDirection::Receive) => _ = writer.str(tag::MSG_DIRECTION, "R"),
            None => {}
        }
        if !versions {
            continue;
        }
        if let Some(version) = entry.appl_version {
            writer.str(tag::REF_APPL_VER_ID, version.appl_ver_id());
        }
        if let Some(number) = entry.appl_ext_id {
            writer.uint(tag::REF_APPL_EXT_ID, number.into());
        }
        if let Some(custom) = &entry.cstm_appl_ver_id {
            writer.bytes(tag::REF_CSTM_APPL_VER_ID, custom.as_bytes());
        }
        if entry.is_default {
            writer.boolean(tag::DEFAULT_VER_INDICATOR, true);
        }
    }
}

/// The longest name that is sent back, in bytes.
const NAME_MAX: usize = 64;

/// Room for one entry of NoMsgTypes(384), in bytes.
const MSG_TYPE_ROOM: usize = 96;

/// Room for the Logon of a session.
fn logon_room(settings: &Settings) -> usize {
    let fields = settings
        .logon_fields
        .iter()
        .map(|field| field.value.len() + 32)
        .sum::<usize>();
    ADMIN_ROOM + 512 + fields + MSG_TYPE_ROOM * settings.logon.msg_types.len()
}

/// Records an inbound frame, without its credentials.
pub(super) fn keep_inbound<O: Outbox>(
    message: &Message<'_>,
    kind: Kind,
    seq: u64,
    needed: bool,
    has_credentials: bool,
    now: Now,
    out: &mut O,
) -> Result<Option<InboundAt>, Full> {
    let mut spans = [const { 0..0 }; SECRETS_MAX];
    let secrets = match kind {
        Kind::Logon => secrets(message, &mut spans),
        Kind::Application if has_credentials => secrets(message, &mut spans),
        _ => &[],
    };
    let at = out.keep_inbound(seq, message.frame(), secrets, needed, now.utc)?;
    // What is masked cannot be read back as it came: behind a gap it is asked for again.
    Ok(at.filter(|_| secrets.is_empty()))
}

/// The parts of a message that are not to be recorded.
fn secrets<'a>(
    message: &Message<'_>,
    spans: &'a mut [Range<usize>; SECRETS_MAX],
) -> &'a [Range<usize>] {
    let mut found = 0;
    for span in message.secrets() {
        if found < SECRETS_MAX {
            spans[found] = span;
            found += 1;
        } else {
            spans[SECRETS_MAX - 1].end = span.end;
        }
    }
    &spans[..found]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_is_masked_however_many_there_are() {
        let frame: Vec<u8> = std::iter::once("8=FIX.4.4|9=0|35=A|".to_owned())
            .chain((0..20).map(|at| format!("554=secret{at}|58=plain|")))
            .collect::<String>()
            .bytes()
            .map(|byte| if byte == b'|' { 1 } else { byte })
            .collect();
        let mut index = FieldIndex::with_capacity(64);
        let message = index.read(&frame).unwrap();
        let mut spans = [const { 0..0 }; SECRETS_MAX];
        let masked = secrets(&message, &mut spans);
        assert_eq!(masked.len(), SECRETS_MAX);
        let mut kept = frame.clone();
        for span in masked {
            kept[span.clone()].fill(b'*');
        }
        let kept = String::from_utf8(kept).unwrap();
        assert!(!kept.contains("secret"), "{kept}");
    }
}
