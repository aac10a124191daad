//! What a user writes: the application the engine calls.
//!
//! Only the cycle calls the application; nothing the application can call calls it back.

use std::net::SocketAddr;

use super::{Destination, Outbound, Proxy, SessionHandle};
use crate::dict::{Dictionary, Entry, ReadGroups as _};
use crate::session::fix::rules::Rules;
use crate::session::fix::{Admission, Delivery, Loss, Verdict};
use crate::session::fixp::{self, Frame};
use crate::session::{Cause, ConnectError, Fault, ResetCause, SessionId, Text};
use crate::time::Utc;
use crate::wire::fix::{Message, Tag};

/// BusinessRejectReason(380): unsupported message type.
const UNSUPPORTED_MESSAGE_TYPE: u16 = 3;

/// A message that the session layer let through.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// On which session.
    pub session: SessionHandle,
    /// The message, borrowed from the receive buffer.
    pub message: Message<'a>,
    /// How it came.
    pub delivery: Delivery,
    /// What defines it, if the session has a dictionary for it.
    pub dictionary: Option<&'a Dictionary>,
}

impl<'a> Inbound<'a> {
    /// The entries of the repeating group with this counter. None if the message has none, or the
    /// session no dictionary for it.
    pub fn groups(&self, counter: Tag) -> impl Iterator<Item = Entry<'a, 'a>> + use<'a> {
        let message = self.message;
        self.dictionary
            .into_iter()
            .flat_map(move |dictionary| message.groups(dictionary, counter))
    }
}

/// A business message of FIXP that the session layer let through.
#[derive(Clone, Copy, Debug)]
pub struct SbeInbound<'a> {
    /// On which session.
    pub session: SessionHandle,
    /// The message, borrowed from the receive buffer.
    pub frame: Frame<'a>,
    /// How it came: its number, the series it is of, whether by retransmission.
    pub delivery: fixp::Delivery,
}

/// What the application says to a message of its own that the peer asks for again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resend {
    /// Send it again.
    #[default]
    Send,
    /// Do not: an order that is stale by now would be one too many. A gap fill takes its place.
    GapFill,
}

/// Something an operator would want to know, that is no message.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A connection could not be made. It is tried again after the back-off, unless a proxy has refused who we
    /// are as often as [`Connect::refusals_max`](super::Connect::refusals_max) has it.
    ConnectFailed {
        /// Which session.
        session: SessionHandle,
        /// To where, as it was configured.
        destination: &'a Destination,
        /// To which address, that of the proxy if there is one. `None` if the name has none, or none that is
        /// known yet.
        address: Option<SocketAddr>,
        /// Through which proxy.
        proxy: Option<&'a Proxy>,
        /// Why.
        why: ConnectError,
    },
    /// A connection that had not logged on was closed.
    TurnedAway {
        /// From where.
        peer: SocketAddr,
        /// Why.
        fault: Fault,
    },
    /// A connection of a session that never came to a logon ended.
    ///
    /// An initiator tries again after a pause, but not after [`Fault::SeqTooLow`], and not
    /// after as many refusals as [`Connect::refusals_max`](super::Connect::refusals_max): then not until an
    /// operator logs the session on or releases a hold, or NextNumIn has become another.
    LogonFailed {
        /// Which session.
        session: SessionHandle,
        /// Why.
        cause: Cause,
    },
    /// Both number series of a session have started anew, other than by the Logon that opens a
    /// connection.
    Reset {
        /// Which session.
        session: SessionHandle,
        /// Why.
        cause: ResetCause,
    },
    /// The schedule allows the session to be logged on from now on. Told at the start and at every
    /// change.
    ScheduleOpened {
        /// Which session.
        session: SessionHandle,
        /// The next edge of the schedule, zero if there is none.
        until: Utc,
    },
    /// The schedule does not allow the session to be logged on from now on. Told at the start and at
    /// every change, before the Logout.
    ScheduleClosed {
        /// Which session.
        session: SessionHandle,
        /// The next edge of the schedule, zero if there is none.
        until: Utc,
    },
    /// Messages that the application was told were taken do not reach the peer.
    MessagesLost {
        /// Which session.
        session: SessionHandle,
        /// Which messages, and why.
        loss: Loss,
    },
    /// A session was added while the engine runs: by a controller, by a callback, or for a peer that no
    /// session was configured for.
    SessionAdded {
        /// Which session.
        session: SessionHandle,
        /// Its identity.
        id: &'a SessionId,
        /// Its version, which the identity does not tell where several share a BeginString(8); `None`
        /// if it does not speak FIX.
        rules: Option<&'static Rules>,
        /// It was made for a peer that no session was configured for, from a template, and not because
        /// somebody asked for it.
        for_peer: bool,
    },
    /// The peer asked for a message again whose record in the journal cannot be read. A gap fill takes
    /// its place; the rest is sent.
    Unreadable {
        /// Which session.
        session: SessionHandle,
        /// MsgSeqNum(34) of the message.
        seq: u64,
    },
    /// The exchange did not apply messages of ours on a FIXP session.
    NotApplied {
        /// Which session.
        session: SessionHandle,
        /// Which messages, and whether they are sent again.
        messages: fixp::NotApplied,
    },
    /// A FIXP session goes on under a new UUID, or has lost its connection while messages were not applied,
    /// and of messages of ours it is not known whether the exchange applied them.
    Unconfirmed {
        /// Which session.
        session: SessionHandle,
        /// Which messages.
        messages: fixp::Unconfirmed,
    },
    /// Messages of the exchange are missing on a FIXP session and cannot be had: it refused to send them
    /// again, or did not.
    Missed {
        /// Which session.
        session: SessionHandle,
        /// Which messages.
        messages: fixp::Missed,
    },
    /// A FIXP gateway has closed its port, and that of a backup connection, for too many invalid logons:
    /// every logon is answered with Terminate(507) code 8 until an operator logs the session on or releases
    /// it. Told also at the start, of one that was closed in an earlier run.
    PortClosed {
        /// Which session.
        session: SessionHandle,
    },
    /// The backup connection of a FIXP session is established.
    BackupUp {
        /// Which session.
        session: SessionHandle,
    },
    /// The backup connection of a FIXP session has ended, or did not come to a logon. The session itself is
    /// as it was; while it is established, a client makes another.
    BackupDown {
        /// Which session.
        session: SessionHandle,
        /// Why.
        cause: Cause,
    },
    /// The primary gateway of a FIXP session has failed, and the session goes on over what was its backup
    /// connection, with its UUID and its numbers. A session that was logged on still is: there is neither an
    /// [`Application::on_logout`] nor an [`Application::on_logon`].
    Promoted {
        /// Which session.
        session: SessionHandle,
        /// SeqNum of the next message of the exchange. A client asks for what it has not got before it.
        next: u64,
    },
    /// A session has left the engine. Its handle leads to nobody from now on.
    SessionRemoved {
        /// Which session it was.
        session: SessionHandle,
        /// Its identity.
        id: &'a SessionId,
    },
    /// A session could not be made for such a peer, or as a callback asked.
    SessionNotAdded {
        /// From where the peer is; `None` if it was a callback that asked, see
        /// [`Outbound::add_session`].
        peer: Option<SocketAddr>,
        /// Why.
        error: &'a super::ConfigError,
    },
}

impl Event<'_> {
    /// The name of every event that only a FIXP session has.
    pub const FIXP_NAMES: [&'static str; 7] = [
        "NotApplied",
        "Unconfirmed",
        "Missed",
        "PortClosed",
        "BackupUp",
        "BackupDown",
        "Promoted",
    ];

    /// The name of every other event.
    pub const NAMES: [&'static str; 11] = [
        "ConnectFailed",
        "TurnedAway",
        "LogonFailed",
        "Reset",
        "MessagesLost",
        "ScheduleOpened",
        "ScheduleClosed",
        "Unreadable",
        "SessionAdded",
        "SessionRemoved",
        "SessionNotAdded",
    ];

    /// The name of this event, one of [`Event::NAMES`] or [`Event::FIXP_NAMES`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ConnectFailed { .. } => "ConnectFailed",
            Self::TurnedAway { .. } => "TurnedAway",
            Self::LogonFailed { .. } => "LogonFailed",
            Self::Reset { .. } => "Reset",
            Self::MessagesLost { .. } => "MessagesLost",
            Self::ScheduleOpened { .. } => "ScheduleOpened",
            Self::ScheduleClosed { .. } => "ScheduleClosed",
            Self::Unreadable { .. } => "Unreadable",
            Self::SessionAdded { .. } => "SessionAdded",
            Self::SessionRemoved { .. } => "SessionRemoved",
            Self::SessionNotAdded { .. } => "SessionNotAdded",
            Self::NotApplied { .. } => "NotApplied",
            Self::Unconfirmed { .. } => "Unconfirmed",
            Self::Missed { .. } => "Missed",
            Self::PortClosed { .. } => "PortClosed",
            Self::BackupUp { .. } => "BackupUp",
            Self::BackupDown { .. } => "BackupDown",
            Self::Promoted { .. } => "Promoted",
        }
    }
}

/// The application.
///
/// Every callback runs on the engine's thread and should return in less time than a heartbeat.
pub trait Application {
    /// A peer wants to log on. Its fields, credentials among them, are in `logon`.
    fn on_logon_request(&mut self, session: SessionHandle, logon: &Message<'_>) -> Admission {
        let _ = (session, logon);
        Admission::Admit
    }

    /// The session is logged on. Called once per connection.
    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        let _ = (session, out);
    }

    /// An application message in sequence. Delivered at least once across a crash: its number is
    /// counted after this returns.
    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict;

    /// A business message on a FIXP session, in sequence within its series. Delivered at least once
    /// across a crash: its number is counted after this returns, or, for a gateway, once a message is sent on
    /// the same session from here. What a client answers other than
    /// [`fixp::Verdict::Accept`] is only counted; a gateway answers it with a BusinessReject(521).
    ///
    /// An application that has FIXP sessions must have this: by default a gateway rejects everything as of
    /// an unsupported type, and a client lets everything pass unseen.
    fn on_sbe(&mut self, inbound: &SbeInbound<'_>, out: &mut Outbound<'_>) -> fixp::Verdict {
        let _ = (inbound, out);
        fixp::Verdict::BusinessReject {
            reason: UNSUPPORTED_MESSAGE_TYPE,
            text: Text::lossy(b"Unsupported message type"),
        }
    }

    /// The peer refused a message of ours with a Reject(3).
    fn on_reject(&mut self, session: SessionHandle, reject: &Message<'_>, out: &mut Outbound<'_>) {
        let _ = (session, reject, out);
    }

    /// The peer asks again for `original`, a message of ours as it went out: may it be sent again?
    ///
    /// Called in the middle of a resend, for one message after the other; what this does delays every
    /// session of the core. It may be called twice for one message if there was no room to send it.
    fn on_resend(&mut self, session: SessionHandle, original: &Message<'_>) -> Resend {
        let _ = (session, original);
        Resend::Send
    }

    /// The session is no longer logged on. Called once for each [`Application::on_logon`].
    fn on_logout(&mut self, session: SessionHandle, cause: &Cause, out: &mut Outbound<'_>) {
        let _ = (session, cause, out);
    }

    /// Something an operator would want to know.
    fn on_event(&mut self, event: &Event<'_>) {
        let _ = event;
    }
}
