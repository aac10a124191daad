//! What becomes of an application message: sent now, numbered for a later resend, queued without a
//! number, or refused.
//!
//! Invariant: what the application was told was taken is sent, or its loss is told; and messages that
//! were taken get their numbers in the order they were taken.

use std::fmt;

use super::compose::{Destiny, Outgoing};
use super::policy::{DuringReplay, ResendSettings};
use super::throttle::Rate;
use super::{AtLogon, Replayed, Session, SettingsError, State, Step, Up};
use crate::session::{Cause, Fault, Full, Outbox, Refusal, Stored};
use crate::time::{Mono, Now};
use crate::wire::fix::{FieldIndex, FrameWriter, HeaderFields};

/// What becomes of application messages, and how many may pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// What becomes of one while the session is not logged on.
    pub while_down: WhileDown,
    /// How many may be sent. Session-level messages and what is sent again are not counted.
    pub outbound: Option<OutboundRate>,
    /// How much may wait without a number.
    pub queue: QueueLimit,
    /// What a peer that does not read enough comes to.
    pub slow_peer: SlowPeer,
    /// How many the peer may send. Session-level messages and what it sends again are not counted.
    pub inbound: Option<InboundRate>,
}

/// What becomes of an application message while the session is not logged on: no connection, a Logon
/// that is not answered, or a Logout under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhileDown {
    /// It is refused. What waits for its turn when a connection ends is given up as well, and told as
    /// [`Loss::ConnectionEnded`]: nothing goes out later than the application meant it to.
    #[default]
    Refuse,
    /// It is numbered and stored. The peer finds the numbers missing at the next logon, asks for them,
    /// and gets it as a possible duplicate with OrigSendingTime(122) of when it was stored. A reset of
    /// the numbers takes it away from the peer; that is told as [`Loss::Reset`].
    Number,
    /// It waits without a number, and is numbered and sent as a new message after the next logon, with
    /// that SendingTime(52). Resets do not concern it, and it survives what the journal survives.
    Queue,
}

/// How many application messages may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboundRate {
    /// The rate.
    pub rate: Rate,
    /// What becomes of one more.
    pub beyond: BeyondRate,
}

/// What becomes of an application message for which the rate leaves no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeyondRate {
    /// It is refused, and the application told when there is room.
    #[default]
    Refuse,
    /// It waits, and is numbered and sent when there is room.
    Queue,
}

/// How much may wait without a number; more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// Messages.
    pub messages: usize,
    /// Their bytes together.
    pub bytes: usize,
}

impl Default for QueueLimit {
    fn default() -> Self {
        Self {
            messages: 1024,
            bytes: 1024 * 1024,
        }
    }
}

/// What a peer comes to that reads too slowly for the limit on what is unsent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPeer {
    /// The application is refused while the limit holds; the connection ends only when there is no room
    /// for session-level messages either.
    #[default]
    Refuse,
    /// The connection ends with the first application message that is refused.
    Disconnect,
}

/// How many application messages a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboundRate {
    /// The rate.
    pub rate: Rate,
    /// What becomes of one more.
    pub beyond: Flood,
}

/// What becomes of an application message of the peer beyond its rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flood {
    /// It is rejected and does not reach the application: [`Fault::RateExceeded`].
    #[default]
    Reject,
    /// The session is logged out: [`Fault::Flood`].
    Logout,
}

impl Sending {
    pub(super) fn check(&self, at_logon: AtLogon) -> Result<(), SettingsError> {
        let wrong = |setting, value: String, right| {
            Err(SettingsError {
                setting,
                value,
                right,
            })
        };
        let restarts = matches!(at_logon, AtLogon::AskReset | AtLogon::Restart);
        if self.while_down == WhileDown::Number && restarts {
            let right = "refuse or queue: numbers that restart at logon take away what was numbered";
            return wrong("sending.while_down", "number".to_owned(), right);
        }
        if let Some(outbound) = &self.outbound {
            outbound.rate.check("sending.outbound")?;
        }
        if let Some(inbound) = &self.inbound {
            inbound.rate.check("sending.inbound")?;
        }
        if !(1..=1_000_000).contains(&self.queue.messages) {
            let value = self.queue.messages.to_string();
            return wrong("sending.queue.messages", value, "1 to 1000000 messages");
        }
        if self.queue.bytes == 0 {
            return wrong("sending.queue.bytes", "0".to_owned(), "1 or more bytes");
        }
        Ok(())
    }

    /// How many messages can ever wait.
    pub(crate) fn queue_max(&self, resend: &ResendSettings) -> usize {
        let beyond = self.outbound.map(|outbound| outbound.beyond);
        if self.while_down == WhileDown::Queue
            || beyond == Some(BeyondRate::Queue)
            || resend.new_messages == DuringReplay::Wait
        {
            self.queue.messages
        } else {
            0
        }
    }
}

/// What became of a message that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way, under this MsgSeqNum(34).
    Now(u64),
    /// It is stored under this MsgSeqNum(34), for the peer to ask for: [`WhileDown::Number`].
    Numbered(u64),
    /// It waits without a number, to be sent in its turn: [`WhileDown::Queue`], [`BeyondRate::Queue`],
    /// [`DuringReplay::Wait`].
    Queued,
}

impl Sent {
    /// MsgSeqNum(34), if it has one.
    #[must_use]
    pub fn seq(self) -> Option<u64> {
        match self {
            Self::Now(seq) | Self::Numbered(seq) => Some(seq),
            Self::Queued => None,
        }
    }
}

/// Messages that were taken and that the peer will not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// They were numbered while there was no connection, and the numbers have started anew before the
    /// peer asked for them. The journal still holds them, in the series before.
    Reset {
        /// MsgSeqNum(34) of the first.
        first: u64,
        /// MsgSeqNum(34) of the last.
        last: u64,
        /// How many.
        messages: u64,
    },
    /// They waited for their turn, behind a resend or for the rate, when the connection ended or the
    /// process did, and [`WhileDown::Refuse`] says that nothing is to go out later. They are the last that
    /// were answered with [`Sent::Queued`]; the journal still holds them.
    ConnectionEnded {
        /// How many.
        messages: u64,
    },
    /// One that waited cannot be read back: the journal is damaged.
    Unreadable,
    /// One that waited, or that the peer asked for again, is longer than the peer takes since it logged on
    /// again: MaxMessageSize(383) of its Logon, in bytes.
    LongerThanPeerTakes(u64),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset {
                first,
                last,
                messages,
            } => write!(
                f,
                "{messages} messages numbered {first} to {last} while down: a reset came before the \
                 peer asked for them"
            ),
            Self::ConnectionEnded { messages } => write!(
                f,
                "{messages} messages that waited for their turn when the connection ended"
            ),
            Self::LongerThanPeerTakes(bytes) => write!(
                f,
                "a message that waited or was asked for again is longer than the {bytes} bytes the peer takes"
            ),
            Self::Unreadable => f.write_str("a message that waited cannot be read back"),
        }
    }
}

impl Session {
    /// Writes an application message in place and sends it under the next number, or keeps it for later
    /// as the settings say.
    ///
    /// `room` is the longest the whole frame may be, in bytes.
    ///
    /// # Errors
    /// Why it was not taken; nothing was numbered or kept then.
    pub fn send<O: Outbox>(
        &mut self,
        now: Now,
        msg_type: &[u8],
        room: usize,
        write: impl FnOnce(&mut FrameWriter<'_>),
        out: &mut O,
    ) -> Result<Sent, Refusal> {
        self.send_with(now, msg_type, None, room, write, out)
    }

    /// As [`Session::send`], with `fields` in the header beside those of the session: routing,
    /// PossResend(97), or ApplVerID(1128) where this message has another version than the session.
    /// PossDupFlag(43) and OrigSendingTime(122) among them are left out unless
    /// `resend.application_poss_dup` is set.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub fn send_with<O: Outbox>(
        &mut self,
        now: Now,
        msg_type: &[u8],
        fields: Option<&HeaderFields<'_>>,
        room: usize,
        write: impl FnOnce(&mut FrameWriter<'_>),
        out: &mut O,
    ) -> Result<Sent, Refusal> {
        let destiny = self.destiny(now.mono, room, out)?;
        let original;
        let fields = match fields {
            Some(copy)
                if copy.is_possible_duplicate() && !self.settings.resend.application_poss_dup =>
            {
                original = copy.without_possible_duplicate();
                Some(&original)
            }
            fields => fields,
        };
        let outgoing = Outgoing {
            msg_type,
            fields,
            room,
            limit: self.peer.max_message_bytes,
            destiny,
        };
        let written = self.pen.application(now, outgoing, write, out);
        if written == Err(Refusal::Full(Full::Unsent))
            && self.settings.sending.slow_peer == SlowPeer::Disconnect
        {
            self.too_slow = true;
        }
        let seq = written?;
        self.tally.application_out += u64::from(destiny != Destiny::Queue);
        Ok(match destiny {
            Destiny::Now => {
                if let Some(outbound) = &mut self.outbound {
                    outbound.spend(now.mono);
                }
                self.spoke(now);
                Sent::Now(seq)
            }
            Destiny::Unsent => {
                if matches!(self.state, State::Up(_)) {
                    self.withhold = self.withhold.saturating_sub(1);
                }
                Sent::Numbered(seq)
            }
            Destiny::Queue => Sent::Queued,
        })
    }

    /// Makes a gap: `count` application messages from now on are numbered and kept while logged on, but
    /// not sent, so that the peer finds a gap and asks for them.
    pub fn withhold(&mut self, count: u32) {
        self.withhold = count;
    }

    fn destiny<O: Outbox>(&self, now: Mono, room: usize, out: &O) -> Result<Destiny, Refusal> {
        let destiny = match &self.state {
            State::Up(Up {
                quieting: Some(_), ..
            })
            | State::Resetting(_) => match self.settings.sending.while_down {
                WhileDown::Queue => Destiny::Queue,
                // A number of now would be gone with the reset.
                WhileDown::Refuse | WhileDown::Number => return Err(Refusal::Resetting),
            },
            // What was taken before goes before.
            State::Up(_) if out.queued().messages > 0 => Destiny::Queue,
            State::Up(Up {
                serving: Some(_), ..
            }) if self.settings.resend.new_messages == DuringReplay::Wait => Destiny::Queue,
            State::Up(_) if self.withhold > 0 => Destiny::Unsent,
            State::Up(_) => match self.outbound.map(|outbound| outbound.ready(now)) {
                None | Some(Ok(())) => Destiny::Now,
                Some(Err(free_at)) => self.beyond_rate(free_at)?,
            },
            State::LogoutSent(_) | State::Closing(_) => self.while_down(Refusal::LoggingOut)?,
            State::Down | State::Admitting(_) | State::LogonSent(_) => {
                self.while_down(Refusal::NotLoggedOn)?
            }
        };
        if destiny == Destiny::Queue {
            let limit = self.settings.sending.queue;
            let queued = out.queued();
            if queued.messages >= limit.messages || queued.bytes + room > limit.bytes {
                return Err(Refusal::QueueFull);
            }
        }
        Ok(destiny)
    }

    fn while_down(&self, refusal: Refusal) -> Result<Destiny, Refusal> {
        match self.settings.sending.while_down {
            WhileDown::Refuse => Err(refusal),
            WhileDown::Number => Ok(Destiny::Unsent),
            WhileDown::Queue => Ok(Destiny::Queue),
        }
    }

    fn beyond_rate(&self, free_at: Mono) -> Result<Destiny, Refusal> {
        match self.settings.sending.outbound.map(|rate| rate.beyond) {
            Some(BeyondRate::Queue) => Ok(Destiny::Queue),
            Some(BeyondRate::Refuse) | None => Err(Refusal::Throttled { free_at }),
        }
    }

    /// Sends up to `budget` of the messages that wait without a number, if the session is logged on and
    /// the rate has room.
    ///
    /// `index` is scratch space of the caller.
    pub fn send_queued<O: Outbox>(
        &mut self,
        now: Now,
        budget: usize,
        index: &mut FieldIndex,
        out: &mut O,
    ) -> Replayed {
        self.queue_due = None;
        if out.queued().messages == 0 {
            return Replayed::Finished;
        }
        let State::Up(Up {
            quieting: None,
            serving,
            ..
        }) = &self.state
        else {
            return Replayed::Finished;
        };
        if serving.is_some() && self.settings.resend.new_messages == DuringReplay::Wait {
            // The step that ends the replay comes before the next call.
            return Replayed::Finished;
        }
        for _ in 0..budget {
            if let Some(Err(free_at)) = self.outbound.map(|outbound| outbound.ready(now.mono)) {
                self.queue_due = Some(free_at);
                return Replayed::Finished;
            }
            let limit = self.peer.max_message_bytes;
            match self.pen.dequeue(now, limit, index, out) {
                Ok(None) => return Replayed::Finished,
                Ok(Some(Ok(()))) => {
                    if let Some(outbound) = &mut self.outbound {
                        outbound.spend(now.mono);
                    }
                    self.tally.application_out += 1;
                    self.spoke(now);
                }
                Ok(Some(Err(loss))) => {
                    self.losses.push_back(loss);
                    return Replayed::More;
                }
                Err(_) => return Replayed::Waiting,
            }
        }
        Replayed::More
    }

    /// What was lost and has not been told, the oldest first. To be called until it answers `None`.
    pub fn take_loss(&mut self) -> Option<Loss> {
        self.losses.pop_front()
    }

    /// A connection has ended, or one begins: gives up what waits, if nothing is to go out later.
    pub(super) fn give_up_waiting<O: Outbox>(&mut self, out: &mut O) {
        if self.settings.sending.while_down != WhileDown::Refuse {
            return;
        }
        let mut messages = 0;
        while out.queued().messages > 0 {
            out.drop_queued();
            messages += 1;
        }
        if messages > 0 {
            self.losses.push_back(Loss::ConnectionEnded { messages });
        }
    }

    /// Ends the connection of a peer that reads too slowly, if the settings and the last
    /// [`Session::send`] want that.
    pub fn give_up_slow_peer(&mut self) -> Option<Step> {
        if !std::mem::take(&mut self.too_slow) || !matches!(self.state, State::Up(_)) {
            return None;
        }
        self.tally.note(Fault::SlowConsumer);
        Some(self.close(Cause::Fault(Fault::SlowConsumer)))
    }

    /// Both series are about to start anew: notes what the peer has not had.
    pub(super) fn note_loss<O: Outbox>(&mut self, out: &O) {
        let had = std::mem::take(&mut self.resent_below);
        let mut loss: Option<Loss> = None;
        let mut at = out.next_out();
        // They are behind everything that was sent, with nothing but Logons between them.
        while at > had.max(1) {
            at -= 1;
            match out.stored(at) {
                Stored::Application if out.is_unsent(at) => {
                    loss = Some(match loss {
                        Some(Loss::Reset { last, messages, .. }) => Loss::Reset {
                            first: at,
                            last,
                            messages: messages + 1,
                        },
                        _ => Loss::Reset {
                            first: at,
                            last: at,
                            messages: 1,
                        },
                    });
                }
                Stored::Admin => {}
                Stored::Application | Stored::Absent | Stored::Unreadable => break,
            }
        }
        self.losses.extend(loss);
    }

    /// Whether an application message of the peer is within its rate.
    pub(super) fn within_rate(&mut self, now: Mono) -> Result<(), Fault> {
        let (Some(inbound), Some(rate)) = (&mut self.inbound, self.settings.sending.inbound) else {
            return Ok(());
        };
        if inbound.ready(now).is_ok() {
            inbound.spend(now);
            return Ok(());
        }
        Err(match rate.beyond {
            Flood::Reject => Fault::RateExceeded,
            Flood::Logout => Fault::Flood,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::FIX44;
    use super::super::{Role, Settings};
    use super::*;

    #[test]
    fn numbering_while_down_and_a_restart_at_logon_exclude_each_other() {
        let mut settings = Settings::new(&FIX44, Role::Initiator, "ME", "YOU");
        settings.sending.while_down = WhileDown::Number;
        assert_eq!(settings.check(), Ok(()));
        settings.at_logon = AtLogon::AskReset;
        assert_eq!(settings.check().unwrap_err().setting, "sending.while_down");
    }
}
