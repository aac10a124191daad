//! The application under the engine: notes what it is told, says what the scenario wants said.

use std::collections::VecDeque;

use pinfix::admin::Operation;
use pinfix::engine::{Application, Event, Inbound, Outbound, Resend, SessionHandle};
use pinfix::session::fix::{Admission, Loss, MsgDirection, Verdict};
use pinfix::session::{Cause, ConnectError, Farewell, SessionStatus, Text};
use pinfix::wire::fix::{Message, msg_type, tag};

use super::script::{Answer, Field, What};

/// Something the application, the operator or the embedder was told.
#[derive(Clone, Debug)]
pub struct Told {
    pub words: String,
    pub fields: Vec<(u32, Vec<u8>)>,
}

impl Told {
    pub fn new(words: String) -> Self {
        Self {
            words,
            fields: Vec::new(),
        }
    }

    fn with(words: String, message: &Message<'_>) -> Self {
        Self {
            words,
            fields: message
                .fields()
                .map(|(tag, value)| (tag, value.to_vec()))
                .collect(),
        }
    }
}

pub struct App {
    pub told: VecDeque<Told>,
    /// Own messages with these fields are not to be sent again; none: all are.
    pub vetoed: Vec<Field>,
    /// Faults seen in causes and events.
    pub faults: Vec<&'static str>,
    pub causes: Vec<&'static str>,
    pub events: Vec<&'static str>,
    pub answer: Answer,
    /// What is said to every Logon; if nothing, the password decides.
    pub admission: Option<Admission>,
    pub password: Option<String>,
    pub callback: Option<Operation>,
    /// Failed connections are told with their address.
    pub tells_address: bool,
    /// The operator waits for a session to be gone.
    pub awaited: bool,
    /// It is on its way out, closed by a thread of the engine.
    pub leaving: bool,
}

impl App {
    pub fn new() -> Self {
        Self {
            told: VecDeque::new(),
            vetoed: Vec::new(),
            faults: Vec::new(),
            causes: Vec::new(),
            events: Vec::new(),
            answer: Answer::Accept,
            admission: None,
            password: None,
            callback: None,
            tells_address: false,
            awaited: false,
            leaving: false,
        }
    }

    fn cause(&mut self, what: &str, cause: &Cause) {
        self.causes.push(cause.name());
        let (name, said) = match cause {
            Cause::Fault(fault) => {
                self.faults.push(fault.name());
                (fault.name().to_owned(), None)
            }
            Cause::PeerLogout(said) => ("PeerLogout".to_owned(), Some(*said)),
            Cause::LogonRefused(said) => ("LogonRefused".to_owned(), Some(*said)),
            Cause::LogonDenied(said) => ("LogonDenied".to_owned(), Some(*said)),
            Cause::NoRoom(full) => (format!("NoRoom {full:?}"), None),
            Cause::ConnectFailed(why) => (format!("ConnectFailed {}", not_connected(why)), None),
            plain => (format!("{plain:?}"), None),
        };
        let mut told = Told::new(format!("{what} {name}"));
        if let Some(said) = said {
            if !said.text.is_empty() {
                told.fields.push((tag::TEXT, said.text.as_bytes().to_vec()));
            }
            if let Some(SessionStatus(status)) = said.status {
                told.fields
                    .push((tag::SESSION_STATUS, status.to_string().into_bytes()));
            }
        }
        self.told.push_back(told);
    }
}

impl Application for App {
    fn on_logon_request(&mut self, _: SessionHandle, logon: &Message<'_>) -> Admission {
        let wrong = self
            .password
            .as_ref()
            .is_some_and(|password| logon.get(tag::PASSWORD) != Some(password.as_bytes()));
        match self.admission {
            Some(admission) => admission,
            None if wrong => Admission::Refuse(Farewell {
                text: Text::new("Invalid username or password").unwrap(),
                status: Some(SessionStatus::INVALID_CREDENTIALS),
            }),
            None => Admission::Admit,
        }
    }

    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        let mut told = Told::new("app logon".into());
        let peer = out.peer(session).unwrap();
        let mut say = |tag, value: String| told.fields.push((tag, value.into_bytes()));
        say(tag::HEART_BT_INT, peer.heartbeat_s.to_string());
        say(
            tag::DEFAULT_APPL_VER_ID,
            peer.appl_version.appl_ver_id().to_owned(),
        );
        if let Some(bytes) = peer.max_message_bytes {
            say(tag::MAX_MESSAGE_SIZE, bytes.to_string());
        }
        if peer.is_test {
            say(tag::TEST_MESSAGE_INDICATOR, "Y".to_owned());
        }
        if !peer.msg_types.is_empty() {
            say(tag::NO_MSG_TYPES, peer.msg_types.len().to_string());
            let types: Vec<_> = peer
                .msg_types
                .iter()
                .map(|entry| {
                    let way = match entry.direction {
                        Some(MsgDirection::Send) => ">",
                        Some(MsgDirection::Receive) => "<",
                        None => "?",
                    };
                    let version = entry
                        .appl_version
                        .map_or("", |version| version.appl_ver_id());
                    let default = if entry.is_default { "!" } else { "" };
                    format!("{}{way}{version}{default}", entry.msg_type)
                })
                .collect();
            say(tag::REF_MSG_TYPE, types.join(","));
        }
        self.told.push_back(told);
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let message = &inbound.message;
        let mut words = format!("app {}", String::from_utf8_lossy(message.msg_type()));
        if inbound.delivery.poss_dup {
            words.push_str(" poss-dup");
        }
        if inbound.delivery.poss_resend {
            words.push_str(" poss-resend");
        }
        assert_eq!(message.uint(tag::MSG_SEQ_NUM), Ok(inbound.delivery.seq));
        let mut told = Told::with(words, message);
        // As if the version were a field of every message.
        let version = inbound.delivery.appl_version.appl_ver_id();
        told.fields.retain(|(tag, _)| *tag != tag::APPL_VER_ID);
        told.fields
            .push((tag::APPL_VER_ID, version.as_bytes().to_vec()));
        self.told.push_back(told);
        if let Some(operation) = self.callback.take() {
            out.command(inbound.session, operation).unwrap();
        }
        match &self.answer {
            Answer::Accept => Verdict::Accept,
            Answer::Reject {
                reason,
                ref_tag,
                text,
            } => Verdict::Reject {
                reason: *reason,
                ref_tag: *ref_tag,
                text: Text::new(text).unwrap(),
            },
            Answer::Business { reason, text } => Verdict::BusinessReject {
                reason: *reason,
                text: Text::new(text).unwrap(),
            },
            Answer::Fail => Verdict::Failed,
            Answer::Report => {
                let id = message.get(tag::CL_ORD_ID).unwrap_or(b"NONE");
                let sent = out.send(inbound.session, msg_type::EXECUTION_REPORT, |report| {
                    report.bytes(tag::CL_ORD_ID, id);
                });
                if let Err(refusal) = sent {
                    self.told
                        .push_back(Told::new(format!("app refused {refusal:?}")));
                }
                Verdict::Accept
            }
        }
    }

    fn on_reject(&mut self, _: SessionHandle, reject: &Message<'_>, _: &mut Outbound<'_>) {
        self.told.push_back(Told::with("app reject".into(), reject));
    }

    fn on_resend(&mut self, _: SessionHandle, original: &Message<'_>) -> Resend {
        let has = |field: &Field| match (&field.what, field.tag.parse()) {
            (What::Is(value), Ok(tag)) => original.get(tag) == Some(value),
            _ => false,
        };
        if !self.vetoed.is_empty() && self.vetoed.iter().all(has) {
            Resend::GapFill
        } else {
            Resend::Send
        }
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.cause("app logout", cause);
    }

    fn on_event(&mut self, event: &Event<'_>) {
        self.events.push(event.name());
        match event {
            Event::ConnectFailed { why, address, .. } => {
                // Nothing else tells of this cause: there was no connection to end.
                self.causes.push(Cause::ConnectFailed(*why).name());
                let to = address.filter(|_| self.tells_address);
                let to = to.map_or(String::new(), |address| format!(" {address}"));
                let why = not_connected(why);
                self.told
                    .push_back(Told::new(format!("event connect-failed {why}{to}")));
            }
            Event::TurnedAway { fault, .. } => {
                self.faults.push(fault.name());
                self.told
                    .push_back(Told::new(format!("event turned-away {}", fault.name())));
            }
            Event::LogonFailed { cause, .. } => self.cause("event logon-failed", cause),
            Event::Unreadable { seq, .. } => {
                self.told
                    .push_back(Told::new(format!("event unreadable {seq}")));
            }
            Event::Reset { cause, .. } => {
                self.told
                    .push_back(Told::new(format!("event reset {cause:?}")));
            }
            Event::SessionRemoved { .. } => {
                self.leaving = self.awaited;
                self.told
                    .push_back(Told::new("event session-removed".into()));
            }
            Event::ScheduleOpened { .. } => {
                self.told
                    .push_back(Told::new("event schedule-opened".into()));
            }
            Event::ScheduleClosed { .. } => {
                self.told
                    .push_back(Told::new("event schedule-closed".into()));
            }
            Event::SessionAdded { id, .. } => {
                let mut told = Told::new("event session-added".into());
                told.fields
                    .push((tag::TARGET_COMP_ID, id.target_comp_id.clone().into()));
                self.told.push_back(told);
            }
            Event::MessagesLost { loss, .. } => {
                let loss = match loss {
                    Loss::Reset {
                        first,
                        last,
                        messages,
                    } => format!("Reset {messages} {first}-{last}"),
                    plain => format!("{plain:?}"),
                };
                self.told
                    .push_back(Told::new(format!("event messages-lost {loss}")));
            }
            Event::SessionNotAdded { error, .. } => {
                let mut told = Told::new("event session-not-added".into());
                told.fields.push((tag::TEXT, error.to_string().into()));
                self.told.push_back(told);
            }
            Event::NotApplied { .. }
            | Event::Unconfirmed { .. }
            | Event::Missed { .. }
            | Event::PortClosed { .. }
            | Event::BackupUp { .. }
            | Event::BackupDown { .. }
            | Event::Promoted { .. } => {
                panic!("an event of FIXP on a FIX session: {}", event.name())
            }
        }
    }
}

fn not_connected(why: &ConnectError) -> String {
    match why {
        ConnectError::Io(kind) => format!("{kind:?}"),
        ConnectError::Tls(fault) => format!("Tls {}", fault.name()),
        ConnectError::Proxy(fault) => format!("Proxy {}", fault.name()),
    }
}
