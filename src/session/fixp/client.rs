//! The client's half of the match.

use super::guard::{Guard, Halted};
use super::letter::{Letter, Sender};
use super::not_applied::{Lost, Passed};
use super::retransmit::Fetching;
use super::{ClientSettings, Fault, Role, Session, State, Step, Unconfirmed};
use crate::session::{Full, InboundAt, ResetCause, SeriesOutbox};
use crate::time::{Mono, Now};

/// What a client remembers from one connection to the next.
#[derive(Debug)]
pub(super) struct Client {
    /// The greatest UUID that was asked for.
    pub(super) tried_uuid: u64,
    /// The next logon negotiates a new UUID, and why.
    pub(super) renewal: Option<ResetCause>,
    /// Of what was sent under this UUID before this number it is known whether it was applied.
    pub(super) settled: Option<(u64, u64)>,
    pub(super) guard: Guard,
    /// What was told as not applied.
    pub(super) lost: Lost,
    /// The last Sequence on this connection that passed over what may be missing: the answer to a NotApplied,
    /// or the first on a backup that became the primary.
    pub(super) passed: Option<Passed>,
    /// What was told as unconfirmed: it is not sent again, but may yet be told as not applied.
    pub(super) doubted: Lost,
    /// Not told yet.
    pub(super) unconfirmed: Option<Unconfirmed>,
    pub(super) not_before: Option<Mono>,
    /// RequestTimestamp of what its backup said last, as far as that is known here.
    pub(super) stamps_of_backup: u64,
    /// Where it stood with earlier UUIDs when it was established last.
    pub(super) left: Fetching,
}

impl Client {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        Self {
            tried_uuid: 0,
            renewal: None,
            settled: None,
            guard: Guard::new(settings.failed_logons_max),
            lost: Lost::default(),
            passed: None,
            doubted: Lost::default(),
            unconfirmed: None,
            not_before: None,
            stamps_of_backup: 0,
            left: Fetching::default(),
        }
    }
}

impl Session {
    /// Whether a client must not connect until [`Session::resume`]: too many logons were refused, or the
    /// exchange sent a code after which there is no next logon.
    #[must_use]
    pub fn waits_for_operator(&self) -> bool {
        self.halted().is_some()
    }

    /// Why a client must not connect.
    #[must_use]
    pub fn halted(&self) -> Option<Halted> {
        self.client.guard.halted()
    }

    /// An operator's word: the client may connect again.
    pub fn resume(&mut self) {
        self.client.guard.release();
        self.client.not_before = None;
    }

    /// A client is not to connect before this time: the exchange asked for a pause, or the outcome of
    /// the last logon is still open there.
    #[must_use]
    pub fn not_before(&self) -> Option<Mono> {
        self.client.not_before
    }

    /// What the next logon of a client will be: a Negotiate, or else an Establish.
    #[must_use]
    pub fn will_negotiate<O: SeriesOutbox>(&self, out: &O) -> bool {
        self.settings.role == Role::Initiator
            && !self.is_backup()
            && (out.series() == 0 || self.client.renewal.is_some())
    }

    pub(super) fn client_receives<O: SeriesOutbox>(
        &mut self,
        now: Now,
        letter: &Letter<'_>,
        at: Option<InboundAt>,
        out: &mut O,
    ) -> Result<Step, Full> {
        match (&self.state, letter) {
            (State::NegotiateSent(asked), Letter::NegotiationResponse(response)) => {
                self.negotiated(now, *asked, response, letter, out)
            }
            (State::EstablishSent(asked), Letter::EstablishmentAck(ack)) => {
                self.established(now, *asked, ack, letter, out)
            }
            (State::NegotiateSent(asked), Letter::NegotiationReject(reject))
            | (State::EstablishSent(asked), Letter::EstablishmentReject(reject)) => {
                self.logon_refused(now, *asked, reject, letter, out)
            }
            (
                State::NegotiateSent(_)
                | State::EstablishSent(_)
                | State::Up(_)
                | State::TerminateSent(_),
                Letter::Terminate(terminate),
            ) => self.terminated(now, terminate, letter, out),
            (State::NegotiateSent(_) | State::EstablishSent(_), _) => {
                self.fault(now, Fault::NotAnAnswer, Some(letter), out)
            }
            (State::Up(_), _) if letter.sender() == Sender::Client => {
                self.fault(now, Fault::WrongDirection, Some(letter), out)
            }
            // A backup numbers nothing, so there is nothing to say on it.
            (
                State::Up(_),
                Letter::Business(_)
                | Letter::NotApplied(_)
                | Letter::Retransmission(_)
                | Letter::RetransmitReject(_),
            ) if self.is_backup() => self.fault(now, Fault::WrongDirection, Some(letter), out),
            (State::Up(_), Letter::Business(business)) => {
                self.business_from_exchange(now, business, letter, at, out)
            }
            (State::Up(_), Letter::Sequence(sequence)) => {
                self.sequence_from_exchange(now, sequence, letter, out)
            }
            (State::Up(_), Letter::Retransmission(answer)) => {
                self.retransmission_begins(now, answer, letter, out)
            }
            (State::Up(_), Letter::RetransmitReject(reject)) => {
                self.retransmission_refused(now, reject, letter, out)
            }
            (State::Up(_), Letter::NotApplied(not_applied)) => {
                let step = self.messages_not_applied(now, not_applied, letter, out)?;
                if let Step::NotApplied(told) = &step
                    && !told.resent
                {
                    self.client.settled = Some((out.series(), told.last + 1));
                }
                Ok(step)
            }
            // An answer to a logon that was answered before.
            (State::Up(_), _) => self.fault(now, Fault::NotAnAnswer, Some(letter), out),
            // Under way when we said that we are going.
            (State::TerminateSent(_), Letter::Business(business)) => {
                Ok(self.business_while_leaving(business, out))
            }
            (State::TerminateSent(_), _) => Ok(Step::Done),
            (
                State::Down
                | State::Accepted { .. }
                | State::Negotiating(_)
                | State::Negotiated { .. }
                | State::Establishing(_)
                | State::Closing { .. },
                _,
            ) => Ok(Step::Done),
        }
    }
}
