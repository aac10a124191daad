//! What a user decides about sequence, resend, liveness, rejects and logout, grouped by concern.
//!
//! Where the standard and the deployed engines disagree the choice is a setting here. The defaults
//! are the standard's unless every deployed engine does otherwise;
//! [`Settings::strict_compat`](super::Settings::strict_compat) is the other end: what the widely deployed engines put on the wire, to the letter.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::peer::Code;
use super::settings::SettingsError;
use crate::session::{Disposition, Farewell, Fault, Text};
use crate::wire::fix::tag::Tag;

/// What is checked of every inbound message, and what is done about bytes that are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSettings {
    /// Largest accepted difference between SendingTime(52) and our clock; `None` accepts any.
    pub sending_time_window: Option<Duration>,
    /// Whether SenderCompID(49), TargetCompID(56) and the rest of the identity must be those of the
    /// session on every message. Those of the Logon always choose the session.
    pub comp_ids: bool,
    /// Which messages with PossDupFlag(43)=Y must carry an OrigSendingTime(122) that is not later
    /// than SendingTime(52).
    pub orig_sending_time: OrigSendingTime,
    /// Whether MsgSeqNum(34) must be the expected one. Without it nothing is ever asked for again and
    /// nothing is too low: every message counts as the one that was due, and the expected number
    /// follows the highest that was seen. For feeds that number carelessly.
    pub sequence_numbers: bool,
    /// Whether CheckSum(10) must be right. It must have three digits in any case.
    pub checksum: bool,
    /// The OnBehalfOfCompID(115) that messages may carry; empty: any, or none.
    pub on_behalf_of_comp_ids: Vec<String>,
    /// What is done about a garbled message.
    pub garbled: Garbled,
    /// How many garbled messages may follow each other without a sound one between; one more ends
    /// the session. Bytes between messages do not count. `None`: any number.
    pub garbled_in_a_row_max: Option<u32>,
}

/// Which possible duplicates must carry a sound OrigSendingTime(122). A SequenceReset(4) never must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrigSendingTime {
    /// All of them (the standard).
    #[default]
    Always,
    /// Those below the expected number: what two of three deployed engines look at.
    BelowExpected,
    /// None: a duplicate without one is ignored, or taken, like any other.
    Never,
}

/// What is done about a garbled message after logon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Garbled {
    /// It is ignored: its loss shows as a gap with the next good message (the standard).
    #[default]
    Ignore,
    /// If its MsgSeqNum(34) can be read and is the expected one it is answered with a Reject(3) and
    /// counted; otherwise it is ignored.
    Reject,
}

/// How the peer is asked for what is missing, and what waits meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoverySettings {
    /// How many messages one ResendRequest(2) asks for at most; `None`: all that are missing.
    pub chunk: Option<u64>,
    /// How EndSeqNo(16) says that everything up to now is wanted.
    pub end: RequestEnd,
    /// Whether every further message above the gap has the request sent again, as the standard does
    /// not ask for but some peers want.
    pub redundant_requests: bool,
    /// How many inbound messages may wait behind a gap. More are dropped and asked for again.
    pub parked_max: usize,
    /// How many bytes they may have in all.
    pub parked_bytes_max: usize,
    /// How long nothing may move before the request is repeated; `None`: twice HeartBtInt(108), but
    /// at least 10 s.
    pub repeat_after: Option<Duration>,
    /// How often it is repeated before we log out.
    pub repeats_max: u32,
}

/// EndSeqNo(16) of a ResendRequest(2) for everything that is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestEnd {
    /// Open for a gap that was just found, and the last number that is missing where something is
    /// asked for again: what waits already is not sent twice.
    #[default]
    OpenAtFirst,
    /// Always open: 0, or 999999 before FIX.4.2.
    Open,
    /// Always the last number that is missing.
    Closed,
}

/// How a ResendRequest(2) of the peer is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendSettings {
    /// What is sent again.
    pub from: ResendFrom,
    /// Whether a session Reject(3) is sent again like an application message, instead of being
    /// passed over like every other session-level message.
    pub rejects: bool,
    /// MsgType(35) of application messages that are not sent again, such as market data that has been
    /// overtaken: a gap fill takes their place, and the application is not asked.
    pub passed_over: Vec<Code>,
    /// How often the same request is served in a row while we have nothing new to say, or four times as
    /// often while we have; one more ends the session.
    pub same_request_max: u32,
    /// What is done about a request below the expected number.
    pub below_expected: BelowExpected,
    /// Whether PossDupFlag(43) and OrigSendingTime(122) that the application sets on a new message
    /// stay on it, as a bridge needs it; otherwise they are left out.
    pub application_poss_dup: bool,
    /// What becomes of a new application message while a request is being served.
    pub new_messages: DuringReplay,
}

/// What becomes of a new application message while the peer's ResendRequest(2) is being served.
///
/// Either way the peer can process it only when the gap below it is closed, and what it is sent are
/// whole messages in the order of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuringReplay {
    /// It waits without a number until everything that was asked for is sent, and goes out behind it
    /// with that SendingTime(52). The limit is that of [`QueueLimit`](super::QueueLimit). If the
    /// connection ends meanwhile, [`WhileDown`](super::WhileDown) says whether it still goes.
    #[default]
    Wait,
    /// It is numbered and sent at once, between two messages that are sent again: nothing of it is late
    /// on our side, and a peer that expects a resend in one piece is confused.
    Interleave,
}

/// What is sent again on request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResendFrom {
    /// Every application message that was sent.
    #[default]
    Journal,
    /// Nothing: every request is answered with one gap fill.
    Nothing,
}

/// When a quiet peer is asked for a sign of life, and when it is given up. In percent of
/// HeartBtInt(108), counted from the last sound message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivenessSettings {
    /// A TestRequest(1) is sent after this much silence, and again after each further stretch of it.
    pub test_request_percent: u32,
    /// The peer is given up after this much silence.
    pub disconnect_percent: u32,
    /// What is done about a peer that is given up.
    pub on_silence: OnSilence,
}

/// What is done about a peer that was silent for too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSilence {
    /// Logout(5) with Text(58), then the connection is closed (the standard).
    #[default]
    Logout,
    /// The connection is closed without a Logout, as deployed engines do.
    Close,
    /// Nothing: TestRequests go on, the connection stays.
    Stay,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogoutSettings {
    /// How long to wait for the answer to our Logout.
    pub timeout: Duration,
    /// How long to wait, after answering the peer's Logout, for the peer to close the connection
    /// before we do. Zero: we close as soon as the answer is on the wire.
    pub linger: Duration,
    /// Text(58) of our answer to the peer's Logout; empty: none.
    pub answer: Text,
    /// What is done about a Logout above the expected number.
    pub above_expected: LogoutAboveExpected,
    /// What is done about a Logout below the expected number.
    pub below_expected: BelowExpected,
    /// Whether a TestRequest(1) is answered while our Logout is unanswered.
    pub answer_test_requests: bool,
    /// Whether a ResendRequest(2) is served while our Logout is unanswered (the standard). Without it
    /// nothing follows our Logout.
    pub serve_requests: bool,
}

/// What is done about a Logout(5) that shows a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogoutAboveExpected {
    /// It is answered at once, and not counted: the next Logon shows the gap again (all deployed
    /// engines).
    #[default]
    Answer,
    /// What is missing is asked for first; it is answered when its turn comes (the standard). If
    /// something was asked for already it is answered at once.
    RecoverFirst,
}

/// What is done about a message below the expected number that is not marked as a duplicate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BelowExpected {
    /// It is taken for what it is, and not counted (most deployed engines).
    #[default]
    Accept,
    /// It is an error like any other number too low (the standard).
    Refuse,
}

/// The words in which the peer is told of its mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordingSettings {
    /// Text(58) of a Reject(3).
    pub texts: Texts,
    /// Whether a Reject(3) for a CompID or SendingTime(52) problem, or for a SequenceReset(4) that
    /// does not increase the number, names the field in RefTagID(371).
    pub ref_tag_of_header: bool,
    /// Whether the Logout(5) that follows a Reject(3) says why in Text(58).
    pub text_after_reject: bool,
    /// The highest SessionRejectReason(373) that the peer knows, where it knows more than the version
    /// has. What is above, and above those of the version, is left out.
    pub reject_reason_max: Option<u16>,
}

/// Text(58) of a Reject(3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Texts {
    /// The words in common use, and what exactly was wrong where they do not tell.
    #[default]
    Explaining,
    /// The words in common use for each SessionRejectReason(373), to the letter: some counterparties
    /// compare them.
    Common,
}

impl Default for WordingSettings {
    fn default() -> Self {
        Self {
            texts: Texts::default(),
            ref_tag_of_header: true,
            text_after_reject: true,
            reject_reason_max: None,
        }
    }
}

impl WordingSettings {
    /// Text(58) of a Reject(3) for `fault`.
    pub(super) fn reject_text(&self, fault: Fault, reason: u16) -> Text {
        match (self.texts, common_text(reason)) {
            (Texts::Common, Some(text)) => Text::lossy(text.as_bytes()),
            _ => fault.text(),
        }
    }

    /// RefTagID(371) of a Reject(3) for `fault`.
    pub(super) fn ref_tag(&self, fault: Fault, reason: u16) -> Option<Tag> {
        let of_header = matches!(reason, 9 | 10) || matches!(fault, Fault::SequenceLowered { .. });
        fault
            .ref_tag()
            .filter(|_| self.ref_tag_of_header || !of_header)
    }

    /// What a Logout(5) for `fault` says, which a Reject(3) has gone before or not.
    pub(super) fn farewell(&self, fault: Fault) -> Farewell {
        let rejected = matches!(fault.disposition(), Disposition::RejectAndLogout(_));
        let mut farewell = fault.farewell();
        if rejected && !self.text_after_reject {
            farewell.text = Text::EMPTY;
        }
        farewell
    }
}

/// What deployed engines write for a SessionRejectReason(373).
fn common_text(reason: u16) -> Option<&'static str> {
    Some(match reason {
        0 => "Invalid tag number",
        1 => "Required tag missing",
        2 => "Tag not defined for this message type",
        3 => "Undefined tag",
        4 => "Tag specified without a value",
        5 => "Value is incorrect (out of range) for this tag",
        6 => "Incorrect data format for value",
        9 => "CompID problem",
        10 => "SendingTime accuracy problem",
        11 => "Invalid MsgType",
        13 => "Tag appears more than once",
        14 => "Tag specified out of required order",
        15 => "Repeating group fields out of order",
        16 => "Incorrect NumInGroup count for repeating group",
        _ => return None,
    })
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            sending_time_window: Some(Duration::from_secs(120)),
            comp_ids: true,
            orig_sending_time: OrigSendingTime::default(),
            sequence_numbers: true,
            checksum: true,
            on_behalf_of_comp_ids: Vec::new(),
            garbled: Garbled::default(),
            garbled_in_a_row_max: Some(1000),
        }
    }
}

impl Default for RecoverySettings {
    fn default() -> Self {
        Self {
            chunk: None,
            end: RequestEnd::default(),
            redundant_requests: false,
            parked_max: 1024,
            parked_bytes_max: 8 * 1024 * 1024,
            repeat_after: None,
            repeats_max: 3,
        }
    }
}

impl Default for ResendSettings {
    fn default() -> Self {
        Self {
            from: ResendFrom::default(),
            rejects: false,
            passed_over: Vec::new(),
            same_request_max: 5,
            below_expected: BelowExpected::default(),
            application_poss_dup: false,
            new_messages: DuringReplay::default(),
        }
    }
}

impl Default for LivenessSettings {
    fn default() -> Self {
        Self {
            test_request_percent: 120,
            disconnect_percent: 240,
            on_silence: OnSilence::default(),
        }
    }
}

impl Default for LogoutSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            linger: Duration::ZERO,
            answer: Text::EMPTY,
            above_expected: LogoutAboveExpected::default(),
            below_expected: BelowExpected::default(),
            answer_test_requests: false,
            serve_requests: true,
        }
    }
}

impl CheckSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let names = &self.on_behalf_of_comp_ids;
        if let Some(name) = names.iter().find(|name| !is_name(name)) {
            return Err(wrong(
                "checks.on_behalf_of_comp_ids",
                name,
                "1 to 64 printable ASCII characters",
            ));
        }
        within(
            "checks.garbled_in_a_row_max",
            self.garbled_in_a_row_max.unwrap_or(1),
            1..=u32::MAX,
            "1 or more messages, or none for any number",
        )?;
        if self.garbled == Garbled::Reject && !self.checksum {
            return Err(wrong(
                "checks.checksum",
                &self.checksum,
                "true where garbled messages are rejected: a wrong CheckSum makes a message garbled",
            ));
        }
        Ok(())
    }
}

impl RecoverySettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        within(
            "recovery.chunk",
            self.chunk.unwrap_or(1),
            1..=1_000_000_000,
            "1 to 1000000000 messages, or none for all",
        )?;
        within(
            "recovery.parked_max",
            self.parked_max,
            1..=65_536,
            "1 to 65536 messages",
        )?;
        within(
            "recovery.parked_bytes_max",
            self.parked_bytes_max,
            1024..=usize::MAX,
            "1024 bytes or more",
        )?;
        if let Some(after) = self.repeat_after {
            span("recovery.repeat_after", after)?;
        }
        within(
            "recovery.repeats_max",
            self.repeats_max,
            0..=1000,
            "0 to 1000 repetitions",
        )
    }
}

impl ResendSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        within(
            "resend.same_request_max",
            self.same_request_max,
            1..=u32::MAX - 1,
            "1 or more requests",
        )?;
        within(
            "resend.passed_over",
            self.passed_over.len(),
            0..=64,
            "up to 64 message types",
        )
    }
}

impl LivenessSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        within(
            "liveness.test_request_percent",
            self.test_request_percent,
            100..=10_000,
            "100 to 10000 percent of HeartBtInt",
        )?;
        if self.disconnect_percent <= self.test_request_percent || self.disconnect_percent > 100_000 {
            return Err(wrong(
                "liveness.disconnect_percent",
                &self.disconnect_percent,
                "more than test_request_percent, up to 100000 percent of HeartBtInt",
            ));
        }
        Ok(())
    }
}

impl LogoutSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        span("logout.timeout", self.timeout)?;
        if self.linger > Duration::from_secs(60) {
            return Err(wrong(
                "logout.linger",
                &format_args!("{:?}", self.linger),
                "0 to 60 seconds",
            ));
        }
        Ok(())
    }
}

/// Whether this can be a CompID or the like.
pub(super) fn is_name(value: &str) -> bool {
    (1..=64).contains(&value.len()) && value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// A time that something may take.
pub(super) fn span(setting: &'static str, value: Duration) -> Result<(), SettingsError> {
    if value < Duration::from_millis(10) || value > Duration::from_secs(3600) {
        return Err(wrong(
            setting,
            &format_args!("{value:?}"),
            "10 ms to 1 hour",
        ));
    }
    Ok(())
}

fn within<T: PartialOrd + fmt::Display>(
    setting: &'static str,
    value: T,
    range: RangeInclusive<T>,
    right: &'static str,
) -> Result<(), SettingsError> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(wrong(setting, &value, right))
    }
}

fn wrong(setting: &'static str, value: &dyn fmt::Display, right: &'static str) -> SettingsError {
    SettingsError {
        setting,
        value: value.to_string(),
        right,
    }
}
