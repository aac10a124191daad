//! A session with two connections: the primary, and a backup that waits for the primary gateway to fail.
//!
//! The backup connection has a machine of its own, with [`Lane::Backup`] in its settings, over an outbox of
//! its own that nothing need survive. It has the UUID of the primary and numbers nothing. When the primary
//! gateway fails, the backup's gateway says Sequence(506) with FaultToleranceIndicator(39010)=1 and the
//! number that comes next, and the session of the primary, with its outbox, goes on over that connection.
//! When the primary connection ends in any other way, the backup ends with it.

use super::letter::{Business, Letter, Sequence};
use super::sending::SEQ_MAX;
use super::{Fault, Lane, OnNotApplied, Role, Session, State, Step, Up};
use crate::session::{Full, Refusal, ResetCause, SeriesOutbox};
use crate::time::Now;

impl Session {
    /// Has a backup follow the primary, while down: `uuid` is that of the primary's session, and `latest` the
    /// last RequestTimestamp there, see [`Session::latest_request`]. A client's backup can log on then, and a
    /// gateway's takes it.
    ///
    /// # Errors
    /// This is no backup, there is a connection, or no room to record it. Nothing has changed then.
    pub fn follow<O: SeriesOutbox>(
        &mut self,
        now: Now,
        uuid: u64,
        latest: u64,
        out: &mut O,
    ) -> Result<(), Refusal> {
        if !self.is_backup() {
            return Err(Refusal::NotOurChoice);
        }
        if !matches!(self.state, State::Down) {
            return Err(Refusal::Connected);
        }
        if out.series() != uuid {
            out.begin_series(uuid, ResetCause::Negotiated, now.utc)
                .map_err(Refusal::Full)?;
        }
        match self.settings.role {
            Role::Initiator => self.last_stamp = self.last_stamp.max(latest),
            Role::Acceptor => {
                self.gateway.last_request = self.gateway.last_request.max(latest);
            }
        }
        self.gateway.primary_up = true;
        Ok(())
    }

    /// The last RequestTimestamp of a logon: what a client has used, or a gateway has taken. The next one is
    /// greater, on either connection.
    #[must_use]
    pub fn latest_request(&self) -> u64 {
        match self.settings.role {
            Role::Initiator => self.last_stamp,
            Role::Acceptor => self.gateway.last_request,
        }
    }

    /// Has a client's primary use no RequestTimestamp again that its backup, with its outbox, has used.
    pub fn heed_stamps_of<O: SeriesOutbox>(&mut self, backup: &Self, out: &O) {
        if self.settings.role == Role::Initiator && backup.is_backup() {
            let used = backup.last_stamp.max(out.latest().0);
            self.client.stamps_of_backup = used.max(self.client.stamps_of_backup);
        }
    }

    /// Tells a gateway's backup that the primary connection has ended, other than by a failure of the
    /// primary gateway: it is terminated with code 26, and refuses logons until it follows again.
    pub fn primary_ended<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Step {
        self.gateway.primary_up = false;
        match self.state {
            // Nothing is said after a Terminate.
            State::Down | State::TerminateSent(_) | State::Closing { .. } => Step::Done,
            State::Accepted { .. } => Step::Done,
            _ => self
                .fault(now, Fault::PrimaryEnded, None, out)
                .unwrap_or_else(|full| self.no_room(full)),
        }
    }

    /// Tells a gateway that invalid logons over the other connection of its session have closed the port of
    /// that: its own closes as well, and is opened by itself. Its client is told with code 8.
    pub fn other_port_closed<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Step {
        if self.settings.role == Role::Initiator || out.is_port_closed() {
            return Step::Done;
        }
        self.close_port(out);
        match self.state {
            State::Down | State::TerminateSent(_) | State::Closing { .. } => Step::Done,
            _ => self
                .fault(now, Fault::PortClosed, None, out)
                .unwrap_or_else(|full| self.no_room(full)),
        }
    }

    /// Has the other connection of a gateway's session count the invalid logons of this one as well: as many
    /// close the ports, over whichever they come.
    pub fn share_invalid_logons(&self, other: &mut Self) {
        if other.gateway.invalid != self.gateway.invalid {
            other.gateway.invalid = self.gateway.invalid;
        }
    }

    /// Goes on over the connection of `backup`, which has none afterwards: the session stays established,
    /// with its UUID and numbers. For a client, `next` is what [`Step::Promoted`] said, and it asks for what
    /// it finds missing, also of an earlier UUID. It says its own next number, so that the exchange finds
    /// missing what was lost with the primary connection; not so with [`OnNotApplied::Resend`], because a
    /// Sequence passes over what is missing: there the next message shows it, and all of it is sent again. A
    /// gateway that is told to says it: Sequence(506) with FaultToleranceIndicator(39010)=1
    /// and the number of its next message.
    ///
    /// # Errors
    /// This session still has a connection, it has another UUID than the backup, or the backup is not
    /// established.
    pub fn take_over<O: SeriesOutbox>(
        &mut self,
        now: Now,
        backup: &mut Self,
        uuid: u64,
        next: u64,
        out: &mut O,
    ) -> Result<Step, Refusal> {
        if !matches!(self.state, State::Down) {
            return Err(Refusal::Connected);
        }
        let State::Up(up) = &backup.state else {
            return Err(Refusal::NotLoggedOn);
        };
        if uuid != out.series() || self.is_backup() {
            return Err(Refusal::NotOurChoice);
        }
        let pulse = up.pulse;
        backup.drop_held_up();
        backup.state = State::Down;
        backup.gateway.primary_up = false;
        self.last_stamp = self.last_stamp.max(backup.last_stamp);
        self.gateway.last_request = self.gateway.last_request.max(backup.gateway.last_request);
        self.state = State::Up(Up {
            fetching: self.client.left.of_earlier(next),
            taken_over: true,
            ..Up::new(pulse)
        });
        let speaks = self.settings.client.not_applied != OnNotApplied::Resend;
        let done = match self.settings.role {
            Role::Acceptor => self.say_sequence(now, 0, out).map(|()| Step::Done),
            Role::Initiator if next < out.next_in() => {
                let fault = Fault::SequenceLow {
                    expected: out.next_in(),
                    received: next,
                };
                self.fault(now, fault, None, out)
            }
            Role::Initiator if speaks => {
                self.passes_over(now, out);
                self.say_sequence(now, 0, out)
                    .and_then(|()| self.fetch(now, out))
            }
            Role::Initiator => self.fetch(now, out),
        };
        Ok(done.unwrap_or_else(|full| self.no_room(full)))
    }

    pub(super) fn is_backup(&self) -> bool {
        self.settings.lane == Lane::Backup
    }

    /// NextSeqNo as this connection says it.
    pub(super) fn next_seq_no<O: SeriesOutbox>(&self, out: &O) -> u32 {
        match self.settings.lane {
            Lane::Primary => u32::try_from(out.next_out()).unwrap_or(u32::MAX - 1),
            Lane::Backup => 0,
        }
    }

    /// Whether a gateway's backup must not be logged on to yet.
    pub(super) fn waits_for_primary(&self) -> bool {
        self.is_backup() && !self.gateway.primary_up
    }

    /// Sequence(506) of the exchange on a client's backup.
    pub(super) fn sequence_on_backup<O: SeriesOutbox>(
        &mut self,
        now: Now,
        sequence: &Sequence,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let received = sequence.next_seq_no.map_or(0, u64::from);
        let (right, expected) = if sequence.primary {
            (1..=SEQ_MAX + 1, 1)
        } else {
            (0..=0, 0)
        };
        if !right.contains(&received) {
            let fault = Fault::NextSeqNo { expected, received };
            return self.fault(now, fault, Some(letter), out);
        }
        if sequence.primary {
            // Nothing is said before the session has the connection: the exchange counts there from now on.
            return Ok(Step::Promoted(received));
        }
        if sequence.lapsed == Some(1) {
            self.say_sequence(now, 0, out)?;
        }
        Ok(Step::Done)
    }

    /// A business message on a gateway's backup.
    pub(super) fn business_on_backup<O: SeriesOutbox>(
        &mut self,
        now: Now,
        business: &Business,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let fault = match business.seq {
            Some(0) => Fault::OnBackup,
            other => Fault::SeqNum {
                expected: 0,
                received: other.map_or(0, u64::from),
            },
        };
        self.fault(now, fault, Some(letter), out)
    }
}
