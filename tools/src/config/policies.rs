//! The tables of a session that say how its protocol is spoken.

use pinfix::dict::{Checks, Scope};
use pinfix::session::Text as Words;
use pinfix::session::fix::policy::{
    BelowExpected, CheckSettings, DuringReplay, Garbled, LivenessSettings, LogoutAboveExpected,
    LogoutSettings, OnSilence, OrigSendingTime, RecoverySettings, RequestEnd, ResendFrom,
    ResendSettings, Texts, WordingSettings,
};
use pinfix::session::fix::{
    BeyondRate, Code, DataOrder, Environment, Flood, HeartbeatChoice, HeartbeatTerms, InboundRate,
    LogonSettings, MsgDirection, MsgTypeSupport, OnHold, OnInvalid, OutboundRate, QueueLimit, Rate,
    Sending, SlowPeer, Validation, WhileDown,
};
use pinfix::wire::fix::ApplVersion;
use serde::{Deserialize, Serialize};

use super::dictionaries::Choice;
use super::form::{Leaf, Off, Span, Text, Word, Written, named, table};

table! {
    TermsTable of LogonSettings {
        heartbeat: HeartbeatTable = heartbeat,
        next_expected: bool = next_expected,
        last_processed: bool = last_processed,
        appl_versions: Vec<Word<ApplVersion>> = appl_versions,
        environment: Word<Environment> = environment,
        max_message_bytes: Off<u32> = max_message_bytes,
        on_hold: Word<OnHold> = on_hold,
        admission_timeout: Span = admission_timeout,
        msg_types: Vec<MsgTypeTable> = msg_types,
        secure_data: Word<DataOrder> = secure_data,
        credential_types: Vec<Text<Code>> = credential_types,
        session_status: bool = session_status,
    }
}

table! {
    /// Without dictionaries of its own a session has those that come with the library, or none.
    ValidationTable of Validation {
        dictionaries: Choice = dictionaries,
        scope: Word<Scope> = scope,
        invalid: Word<OnInvalid> = invalid,
        checks: DictionaryChecksTable = checks,
    }
}

table! {
    DictionaryChecksTable of Checks {
        sections: bool = sections,
        empty_values: bool = empty_values,
        user_defined_fields: bool = user_defined_fields,
        unknown_fields: bool = unknown_fields,
        listed_values: bool = listed_values,
        group_order: bool = group_order,
        group_delimiter: bool = group_delimiter,
        user_defined_types: bool = user_defined_types,
    }
}

table! {
    HeartbeatTable of HeartbeatTerms {
        min_s: u32 = min_s,
        max_s: u32 = max_s,
        choice: Word<HeartbeatChoice> = choice,
    }
}

table! {
    ChecksTable of CheckSettings {
        sending_time_window: Off<Span> = sending_time_window,
        comp_ids: bool = comp_ids,
        orig_sending_time: Word<OrigSendingTime> = orig_sending_time,
        sequence_numbers: bool = sequence_numbers,
        checksum: bool = checksum,
        on_behalf_of_comp_ids: Vec<String> = on_behalf_of_comp_ids,
        garbled: Word<Garbled> = garbled,
        garbled_in_a_row_max: Off<u32> = garbled_in_a_row_max,
    }
}

table! {
    RecoveryTable of RecoverySettings {
        chunk: Off<u64> = chunk,
        end: Word<RequestEnd> = end,
        redundant_requests: bool = redundant_requests,
        parked_max: usize = parked_max,
        parked_bytes_max: usize = parked_bytes_max,
        repeat_after: Off<Span> = repeat_after,
        repeats_max: u32 = repeats_max,
    }
}

table! {
    ResendTable of ResendSettings {
        from: Word<ResendFrom> = from,
        rejects: bool = rejects,
        passed_over: Vec<Text<Code>> = passed_over,
        same_request_max: u32 = same_request_max,
        below_expected: Word<BelowExpected> = below_expected,
        application_poss_dup: bool = application_poss_dup,
        new_messages: Word<DuringReplay> = new_messages,
    }
}

table! {
    LivenessTable of LivenessSettings {
        test_request_percent: u32 = test_request_percent,
        disconnect_percent: u32 = disconnect_percent,
        on_silence: Word<OnSilence> = on_silence,
    }
}

table! {
    LogoutTable of LogoutSettings {
        timeout: Span = timeout,
        linger: Span = linger,
        answer: Text<Words> = answer,
        above_expected: Word<LogoutAboveExpected> = above_expected,
        below_expected: Word<BelowExpected> = below_expected,
        answer_test_requests: bool = answer_test_requests,
        serve_requests: bool = serve_requests,
    }
}

table! {
    WordingTable of WordingSettings {
        texts: Word<Texts> = texts,
        ref_tag_of_header: bool = ref_tag_of_header,
        text_after_reject: bool = text_after_reject,
        reject_reason_max: Off<u16> = reject_reason_max,
    }
}

table! {
    SendingTable of Sending {
        while_down: Word<WhileDown> = while_down,
        slow_peer: Word<SlowPeer> = slow_peer,
        outbound: Off<OutboundTable> = outbound,
        inbound: Off<InboundTable> = inbound,
        queue: QueueTable = queue,
    }
}

table! {
    QueueTable of QueueLimit {
        messages: usize = messages,
        bytes: usize = bytes,
    }
}

/// `messages` per `per`, `burst` of them at once.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundTable {
    messages: u32,
    per: Span,
    /// All of them if it is not said.
    burst: Option<u32>,
    beyond: Word<BeyondRate>,
}

impl Leaf for OutboundTable {
    type Value = OutboundRate;

    fn value(&self) -> OutboundRate {
        OutboundRate {
            rate: rate(self.messages, self.per, self.burst),
            beyond: self.beyond.0,
        }
    }

    fn of_value(value: &OutboundRate) -> Self {
        let Rate {
            messages,
            per,
            burst,
        } = value.rate;
        Self {
            messages,
            per: Span(per),
            burst: Some(burst),
            beyond: Word(value.beyond),
        }
    }
}

/// The same of what the peer sends.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InboundTable {
    messages: u32,
    per: Span,
    burst: Option<u32>,
    beyond: Word<Flood>,
}

impl Leaf for InboundTable {
    type Value = InboundRate;

    fn value(&self) -> InboundRate {
        InboundRate {
            rate: rate(self.messages, self.per, self.burst),
            beyond: self.beyond.0,
        }
    }

    fn of_value(value: &InboundRate) -> Self {
        let Rate {
            messages,
            per,
            burst,
        } = value.rate;
        Self {
            messages,
            per: Span(per),
            burst: Some(burst),
            beyond: Word(value.beyond),
        }
    }
}

fn rate(messages: u32, per: Span, burst: Option<u32>) -> Rate {
    Rate {
        messages,
        per: per.0,
        burst: burst.unwrap_or(messages),
    }
}

/// An entry of NoMsgTypes(384).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MsgTypeTable {
    msg_type: Text<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Word<MsgDirection>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    appl_version: Option<Word<ApplVersion>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cstm_appl_ver_id: Option<Text<Code>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    appl_ext_id: Option<u32>,
    #[serde(default)]
    is_default: bool,
}

impl Leaf for MsgTypeTable {
    type Value = MsgTypeSupport;

    fn value(&self) -> MsgTypeSupport {
        MsgTypeSupport {
            msg_type: self.msg_type.0,
            direction: self.direction.map(|word| word.0),
            appl_version: self.appl_version.map(|word| word.0),
            cstm_appl_ver_id: self.cstm_appl_ver_id.map(|code| code.0),
            appl_ext_id: self.appl_ext_id,
            is_default: self.is_default,
        }
    }

    fn of_value(value: &MsgTypeSupport) -> Self {
        Self {
            msg_type: Text(value.msg_type),
            direction: value.direction.map(Word),
            appl_version: value.appl_version.map(Word),
            cstm_appl_ver_id: value.cstm_appl_ver_id.map(Text),
            appl_ext_id: value.appl_ext_id,
            is_default: value.is_default,
        }
    }
}

impl Written for Words {
    const RIGHT: &'static str = "a text, expected up to 127 bytes without control characters";

    fn read(text: &str) -> Option<Self> {
        Self::new(text).ok()
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Written for Code {
    const RIGHT: &'static str = "a code, expected 1 to 15 printable characters such as \"D\"";

    fn read(text: &str) -> Option<Self> {
        Self::new(text.as_bytes())
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }
}

named! {
    Scope { "off" = Scope::Off, "header" = Scope::Header, "full" = Scope::Full }
    OnInvalid { "reject" = OnInvalid::Reject, "accept" = OnInvalid::Accept }
    HeartbeatChoice {
        "theirs" = HeartbeatChoice::Theirs, "same" = HeartbeatChoice::Same, "ours" = HeartbeatChoice::Ours,
    }
    Environment {
        "production" = Environment::Production, "test" = Environment::Test, "any" = Environment::Any,
    }
    DataOrder { "length_first" = DataOrder::LengthFirst, "data_first" = DataOrder::DataFirst }
    OnHold { "logout" = OnHold::Logout, "silence" = OnHold::Silence }
    MsgDirection { "send" = MsgDirection::Send, "receive" = MsgDirection::Receive }
    ApplVersion {
        "FIX.4.0" = ApplVersion::Fix40,
        "FIX.4.1" = ApplVersion::Fix41,
        "FIX.4.2" = ApplVersion::Fix42,
        "FIX.4.3" = ApplVersion::Fix43,
        "FIX.4.4" = ApplVersion::Fix44,
        "FIX.5.0" = ApplVersion::Fix50,
        "FIX.5.0SP1" = ApplVersion::Fix50Sp1,
        "FIX.5.0SP2" = ApplVersion::Fix50Sp2,
    }
    OrigSendingTime {
        "always" = OrigSendingTime::Always,
        "below_expected" = OrigSendingTime::BelowExpected,
        "never" = OrigSendingTime::Never,
    }
    Garbled { "ignore" = Garbled::Ignore, "reject" = Garbled::Reject }
    RequestEnd {
        "open_at_first" = RequestEnd::OpenAtFirst, "open" = RequestEnd::Open, "closed" = RequestEnd::Closed,
    }
    DuringReplay { "interleave" = DuringReplay::Interleave, "wait" = DuringReplay::Wait }
    ResendFrom { "journal" = ResendFrom::Journal, "nothing" = ResendFrom::Nothing }
    BelowExpected { "accept" = BelowExpected::Accept, "refuse" = BelowExpected::Refuse }
    OnSilence { "logout" = OnSilence::Logout, "close" = OnSilence::Close, "stay" = OnSilence::Stay }
    LogoutAboveExpected {
        "answer" = LogoutAboveExpected::Answer, "recover_first" = LogoutAboveExpected::RecoverFirst,
    }
    Texts { "explaining" = Texts::Explaining, "common" = Texts::Common }
    WhileDown { "refuse" = WhileDown::Refuse, "number" = WhileDown::Number, "queue" = WhileDown::Queue }
    SlowPeer { "refuse" = SlowPeer::Refuse, "disconnect" = SlowPeer::Disconnect }
    BeyondRate { "refuse" = BeyondRate::Refuse, "queue" = BeyondRate::Queue }
    Flood { "reject" = Flood::Reject, "logout" = Flood::Logout }
}
