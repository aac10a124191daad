//! What becomes of a business message: sent now, numbered for a retransmission, or refused.
//!
//! A gateway numbers what it has to say also while there is no connection: the client finds the numbers
//! missing and asks for them. A client refuses: an order is not to go out when nobody expects it any more.

use super::letter::Letter;
use super::{Role, Sent, Session, State, Up};
use crate::session::{Class, Refusal, SeriesOutbox};
use crate::time::Now;
use crate::wire::sbe::ilink3::{Direction, Layout, layout_of};
use crate::wire::sbe::{Frame, HEADERS_LEN};

/// The highest SeqNum.
pub const SEQ_MAX: u64 = 999_999_999;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destiny {
    Now,
    Unsent,
}

impl Session {
    /// Has the application write a business message in place, numbers it and sends it.
    ///
    /// `write` gets `room` bytes and answers how many it used: a whole frame, as the encoders of
    /// [`wire::sbe`](crate::wire::sbe) make them. SeqNum, SendingTimeEpoch, and UUID in a gateway's message, are
    /// filled in here, whatever they were; and so is SplitMsg in what a gateway answers to a message that was
    /// held up, before the application returns.
    ///
    /// # Errors
    /// Why it was not taken; nothing was numbered or kept then. [`Refusal::NoMessage`] if `write` failed,
    /// or wrote what is no business message of this side.
    pub fn send<O: SeriesOutbox, E>(
        &mut self,
        now: Now,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
        out: &mut O,
    ) -> Result<Sent, Refusal> {
        let destiny = self.destiny()?;
        let seq = out.next_out();
        let number = u32::try_from(seq).map_err(|_| Refusal::NumberOutOfRange)?;
        if seq > SEQ_MAX {
            return Err(Refusal::NumberOutOfRange);
        }
        let series = out.series();
        let class = match destiny {
            Destiny::Now => Class::Application,
            Destiny::Unsent => Class::Queued,
        };
        let claimed = out.claim(class, room).map_err(Refusal::Full)?;
        let len = write(claimed).map_err(|_| Refusal::NoMessage)?;
        let frame = claimed.get_mut(..len).ok_or(Refusal::NoMessage)?;
        let layout = self.layout(frame).ok_or(Refusal::NoMessage)?;
        put(frame, layout.seq_num, &number.to_le_bytes());
        put(frame, layout.uuid, &series.to_le_bytes());
        put(frame, layout.sending_time_epoch, &now.utc.0.to_le_bytes());
        if let Some(delayed) = self.gateway.penalty.answering() {
            put(frame, layout.split_msg, &[delayed.split_msg()]);
        }
        match destiny {
            Destiny::Now => {
                out.commit(0..len, false, false, now.utc);
                self.spoke(now);
            }
            Destiny::Unsent => out.commit_unsent(0..len, now.utc),
        }
        if self.settings.role == Role::Acceptor {
            self.answered(out);
        }
        self.tally.application_out += 1;
        Ok(match destiny {
            Destiny::Now => Sent::Now(seq),
            Destiny::Unsent => Sent::Numbered(seq),
        })
    }

    /// Where the fields of a business message of our side lie.
    fn layout(&self, bytes: &[u8]) -> Option<&'static Layout> {
        let frame = Frame::new(bytes).ok()?;
        let Letter::Business(_) = Letter::read(&frame)? else {
            return None;
        };
        let ours = match self.settings.role {
            Role::Initiator => Direction::ToExchange,
            Role::Acceptor => Direction::ToClient,
        };
        layout_of(frame.template_id()).filter(|layout| layout.direction == ours)
    }

    fn destiny(&mut self) -> Result<Destiny, Refusal> {
        let client = self.settings.role == Role::Initiator;
        if self.is_backup() {
            return Err(Refusal::OnBackup);
        }
        match &self.state {
            State::Up(Up {
                leaving: Some(_), ..
            }) if client => Err(Refusal::LoggingOut),
            // New messages are never mixed into those that are sent again.
            State::Up(up) if client && up.resending.is_some_and(|resending| resending.is_running()) => {
                Err(Refusal::Resending)
            }
            State::Up(_) if !client && self.gateway.withhold > 0 => {
                self.gateway.withhold -= 1;
                Ok(Destiny::Unsent)
            }
            State::Up(_) => Ok(Destiny::Now),
            _ if !client => Ok(Destiny::Unsent),
            State::TerminateSent(_) | State::Closing { .. } => Err(Refusal::LoggingOut),
            _ => Err(Refusal::NotLoggedOn),
        }
    }
}

/// Stamps a copy of a message with the time it is sent again.
pub(super) fn stamp(bytes: &mut [u8], now: Now) {
    let layout = Frame::new(bytes)
        .ok()
        .and_then(|frame| layout_of(frame.template_id()));
    if let Some(layout) = layout {
        put(bytes, layout.sending_time_epoch, &now.utc.0.to_le_bytes());
    }
}

/// Marks a copy of a message as a retransmission.
pub(super) fn mark_retransmitted(bytes: &mut [u8]) {
    let layout = Frame::new(bytes)
        .ok()
        .and_then(|frame| layout_of(frame.template_id()));
    if let Some(layout) = layout {
        put(bytes, layout.poss_retrans_flag, &[1]);
    }
}

fn put(frame: &mut [u8], at: Option<u16>, value: &[u8]) {
    let Some(at) = at.map(|at| HEADERS_LEN + usize::from(at)) else {
        return;
    };
    if let Some(field) = frame.get_mut(at..at + value.len()) {
        field.copy_from_slice(value);
    }
}
