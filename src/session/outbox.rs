//! What a session needs of the place its frames and numbers live in.
//!
//! The journal implements it; a session under test gets one made of vectors. The rule that makes
//! persist-before-send the only possible order: a frame exists nowhere but in room claimed here, and
//! the socket reads from here (DESIGN decision 5).
//!
//! The outbox is also the one owner of both sequence numbers, so that a session holds no second copy
//! that could disagree after a crash.

use std::fmt;
use std::ops::Range;

use crate::time::Utc;

/// What a claim is for, which decides how much room it may use (DESIGN decision 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An application message: stops at capacity minus the control reserve.
    Application,
    /// A session-level message: may use the reserve.
    Control,
    /// A frame sent again for a ResendRequest(2), or a gap fill in its place. It carries a number
    /// that was used before, so it is kept for the audit log but never found by number and never
    /// moves the next outgoing number. Refused, like an application message, before the reserve.
    Replay,
    /// An application message that does not go to a socket now: it waits without a number, or has one
    /// and is for a resend. Refused before the reserve; limits on unsent bytes do not concern it.
    Queued,
}

/// Why there is no room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The peer does not read: bytes committed but not yet accepted by the socket are at the limit.
    Unsent,
    /// The next segment is still being prepared. Passes by itself.
    Segment,
    /// The next segment could not be prepared (disk full, permission, ...). The journal keeps trying.
    Storage,
    /// The frame is longer than a segment can ever hold.
    TooLong,
}

/// A frame that was sent under a number, as a resend finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// An application message, to be sent again.
    Application,
    /// A session-level message, to be gap-filled. Unlike [`Stored::Absent`] it can be read.
    Admin,
    /// Nothing to read: never stored, or retired. To be gap-filled.
    Absent,
    /// There should be a record, but it is damaged. To be gap-filled, and told.
    Unreadable,
}

/// Where an inbound record is kept, for reading it back while it is parked behind a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboundAt(pub u64);

/// The original of a frame beside the room for its copy.
#[derive(Debug)]
pub struct Replay<'a> {
    /// The very bytes that went out.
    pub original: &'a [u8],
    /// At least `original.len() + REPLAY_GROWTH` bytes, to be committed as [`Class::Replay`].
    pub room: &'a mut [u8],
}

/// How much longer a replayed frame may be than its original: `43=Y|`, `122=` with up to 27
/// characters of time, a longer 52 and one more digit in 9.
pub const REPLAY_GROWTH: usize = 96;

/// How much waits without a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Messages.
    pub messages: usize,
    /// Their bytes together.
    pub bytes: usize,
}

/// Room for frames, the frames that were sent, and the two sequence numbers.
pub trait Outbox {
    /// MsgSeqNum(34) that the next new message will carry.
    fn next_out(&self) -> u64;

    /// MsgSeqNum(34) expected from the peer next.
    fn next_in(&self) -> u64;

    /// When this pair of number series began.
    fn series_began(&self) -> Utc;

    /// Why this pair of number series began.
    fn series_cause(&self) -> ResetCause;

    /// Whether every frame committed as masked on this connection is on the wire.
    fn is_masked_sent(&self) -> bool;

    /// Claims exactly `len` contiguous bytes. A claim that is not committed never happened; a second
    /// claim replaces the first.
    ///
    /// # Errors
    /// Why there is no room now; see [`Full`].
    fn claim(&mut self, class: Class, len: usize) -> Result<&mut [u8], Full>;

    /// Publishes `frame`, a range of the bytes claimed last, under the next outgoing number and
    /// counts it. `admin` frames are found as [`Stored::Admin`].
    ///
    /// `masked` says that secrets in the claimed bytes were overwritten and that what goes on the
    /// wire in their place, at equal length, is in the session's hands.
    fn commit(&mut self, frame: Range<usize>, admin: bool, masked: bool, at: Utc);

    /// Publishes `frame`, a range of bytes claimed as [`Class::Replay`], sent under `seq` again.
    fn commit_replay(&mut self, frame: Range<usize>, seq: u64, at: Utc);

    /// Publishes `frame`, a range of bytes claimed as [`Class::Queued`], under the next outgoing number
    /// and counts it, but not for the socket: the peer will ask for it.
    fn commit_unsent(&mut self, frame: Range<usize>, at: Utc);

    /// Whether the frame under `seq` was committed by [`Outbox::commit_unsent`].
    fn is_unsent(&self, seq: u64) -> bool;

    /// What waits without a number.
    fn queued(&self) -> Queued;

    /// Keeps `frame`, a range of bytes claimed as [`Class::Queued`], without a number, behind all that
    /// wait already. It survives what the numbers survive.
    fn commit_queued(&mut self, frame: Range<usize>, at: Utc);

    /// The frame that has waited longest and room for its copy; `None` if none waits.
    ///
    /// # Errors
    /// Why there is no room now; limits are those of [`Class::Application`].
    fn claim_queued(&mut self) -> Result<Option<Replay<'_>>, Full>;

    /// Publishes `frame`, a range of the room that [`Outbox::claim_queued`] gave, under the next
    /// outgoing number and counts it; the frame that has waited longest waits no more.
    fn commit_dequeued(&mut self, frame: Range<usize>, at: Utc);

    /// Forgets the frame that has waited longest: it cannot be read.
    fn drop_queued(&mut self);

    /// What was sent under `seq` in this series.
    fn stored(&self, seq: u64) -> Stored;

    /// The frame sent under `seq` and room for its copy; `None` if there is nothing to read.
    ///
    /// # Errors
    /// Why there is no room now.
    fn claim_replay(&mut self, seq: u64) -> Result<Option<Replay<'_>>, Full>;

    /// Keeps an inbound frame. Bytes in `secrets` (ranges of `frame`) are masked in the record.
    /// With `needed` false the outbox may choose to keep nothing (a setting) and answers `None`.
    ///
    /// # Errors
    /// Why there is no room now. Inbound records stop before the control reserve.
    fn keep_inbound(
        &mut self,
        seq: u64,
        frame: &[u8],
        secrets: &[Range<usize>],
        needed: bool,
        at: Utc,
    ) -> Result<Option<InboundAt>, Full>;

    /// Reads back a record kept by [`Outbox::keep_inbound`] on this connection.
    fn inbound(&self, at: InboundAt) -> Option<&[u8]>;

    /// Stores the next expected number, once everything below it is done with.
    fn set_next_in(&mut self, next: u64);

    /// Starts a new series with these numbers: what was sent before cannot be found by number any
    /// more.
    ///
    /// # Errors
    /// Why there is no room now for the record of it; nothing has changed then.
    fn reset(&mut self, next_out: u64, next_in: u64, why: ResetCause, at: Utc) -> Result<(), Full>;

    /// Goes on with these numbers in the same series; neither may be lower than it is. What was sent
    /// before is still found by number, and numbers that are passed over are [`Stored::Absent`].
    ///
    /// # Errors
    /// Why there is no room now for the record of it; nothing has changed then.
    fn renumber(&mut self, next_out: u64, next_in: u64, why: ResetCause, at: Utc) -> Result<(), Full>;
}

/// Why numbers were set: a series ended, or one goes on with higher numbers. Kept in the journal with
/// the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ResetCause {
    /// The first series of a new journal.
    Created = 0,
    /// A Logon with ResetSeqNumFlag(141)=Y was exchanged.
    ResetSeqNumFlag = 1,
    /// The session is configured to start every connection at 1.
    ResetOnLogon = 2,
    /// An operator's command, or the application's.
    Operator = 3,
    /// The session is configured to restart once both sides have logged out.
    ResetOnLogout = 4,
    /// The session is configured to restart whenever a connection ends.
    ResetOnDisconnect = 5,
    /// Logons with ResetSeqNumFlag(141)=Y were exchanged while logged on.
    InSession = 6,
    /// The schedule began a new interval.
    Schedule = 7,
    /// An operator, or the application, set the number of our next message. The series goes on.
    SetNextOut = 8,
    /// An operator, or the application, set the number expected of the peer. The series goes on.
    SetNextIn = 9,
    /// We sent a SequenceReset-Reset(4). The series goes on.
    SequenceReset = 10,
    /// A FIXP session negotiated a new UUID.
    Negotiated = 11,
}

impl ResetCause {
    /// Every cause, in the order of the numbers they are recorded by.
    pub const ALL: [Self; 12] = [
        Self::Created,
        Self::ResetSeqNumFlag,
        Self::ResetOnLogon,
        Self::Operator,
        Self::ResetOnLogout,
        Self::ResetOnDisconnect,
        Self::InSession,
        Self::Schedule,
        Self::SetNextOut,
        Self::SetNextIn,
        Self::SequenceReset,
        Self::Negotiated,
    ];

    /// Whether the series goes on with the numbers that were set.
    #[must_use]
    pub fn continues_series(self) -> bool {
        matches!(
            self,
            Self::SetNextOut | Self::SetNextIn | Self::SequenceReset
        )
    }
}

impl fmt::Display for ResetCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "the journal is new",
            Self::ResetSeqNumFlag => "ResetSeqNumFlag(141) in a Logon",
            Self::ResetOnLogon => "the session starts anew at every logon",
            Self::Operator => "an operator asked for it",
            Self::ResetOnLogout => "both sides had logged out",
            Self::ResetOnDisconnect => "the connection had ended",
            Self::InSession => "ResetSeqNumFlag(141) in Logons exchanged while logged on",
            Self::Schedule => "the schedule began a new interval",
            Self::SetNextOut => "the number of our next message was set",
            Self::SetNextIn => "the number expected of the peer was set",
            Self::SequenceReset => "we sent a SequenceReset-Reset(4)",
            Self::Negotiated => "a new UUID was negotiated",
        })
    }
}

#[cfg(test)]
pub(super) mod shelf {
    //! An outbox made of vectors, to test sessions without a journal.

    use std::collections::VecDeque;

    use super::*;

    /// Keeps everything for ever.
    #[derive(Default)]
    pub(in crate::session) struct Shelf {
        pub(in crate::session) next_out: u64,
        pub(in crate::session) next_in: u64,
        /// What was published, in order, copies included.
        pub(in crate::session) sent: Vec<Vec<u8>>,
        numbered: Vec<(u64, Stored, Vec<u8>)>,
        pub(in crate::session) inbound: Vec<Vec<u8>>,
        pub(in crate::session) queue: VecDeque<Vec<u8>>,
        unsent: Vec<u64>,
        room: Vec<u8>,
        /// What every claim is answered with, to play a full outbox.
        pub(in crate::session) full: Option<Full>,
        pub(in crate::session) resets: Vec<ResetCause>,
    }

    impl Shelf {
        pub(in crate::session) fn with_numbers(next_out: u64, next_in: u64) -> Self {
            Self {
                next_out,
                next_in,
                ..Self::default()
            }
        }
    }

    impl Outbox for Shelf {
        fn next_out(&self) -> u64 {
            self.next_out
        }

        fn next_in(&self) -> u64 {
            self.next_in
        }

        fn series_began(&self) -> Utc {
            Utc::default()
        }

        fn series_cause(&self) -> ResetCause {
            let begun = self.resets.iter().rev();
            begun
                .copied()
                .find(|why| !why.continues_series())
                .unwrap_or(ResetCause::Created)
        }

        fn is_masked_sent(&self) -> bool {
            true
        }

        fn claim(&mut self, _: Class, len: usize) -> Result<&mut [u8], Full> {
            if let Some(full) = self.full {
                return Err(full);
            }
            self.room = vec![0; len];
            Ok(&mut self.room)
        }

        fn commit(&mut self, frame: Range<usize>, admin: bool, _: bool, _: Utc) {
            let frame = self.room[frame].to_vec();
            let kind = if admin {
                Stored::Admin
            } else {
                Stored::Application
            };
            self.numbered.push((self.next_out, kind, frame.clone()));
            self.sent.push(frame);
            self.next_out += 1;
        }

        fn commit_replay(&mut self, frame: Range<usize>, _: u64, _: Utc) {
            self.sent.push(self.room[frame].to_vec());
        }

        fn commit_unsent(&mut self, frame: Range<usize>, _: Utc) {
            let frame = self.room[frame].to_vec();
            self.numbered
                .push((self.next_out, Stored::Application, frame));
            self.unsent.push(self.next_out);
            self.next_out += 1;
        }

        fn is_unsent(&self, seq: u64) -> bool {
            self.unsent.contains(&seq)
        }

        fn queued(&self) -> Queued {
            Queued {
                messages: self.queue.len(),
                bytes: self.queue.iter().map(Vec::len).sum(),
            }
        }

        fn commit_queued(&mut self, frame: Range<usize>, _: Utc) {
            self.queue.push_back(self.room[frame].to_vec());
        }

        fn claim_queued(&mut self) -> Result<Option<Replay<'_>>, Full> {
            if let Some(full) = self.full {
                return Err(full);
            }
            let Some(original) = self.queue.front() else {
                return Ok(None);
            };
            self.room = vec![0; original.len() + REPLAY_GROWTH];
            Ok(Some(Replay {
                original,
                room: &mut self.room,
            }))
        }

        fn commit_dequeued(&mut self, frame: Range<usize>, at: Utc) {
            self.queue.pop_front();
            self.commit(frame, false, false, at);
        }

        fn drop_queued(&mut self) {
            self.queue.pop_front();
        }

        fn stored(&self, seq: u64) -> Stored {
            self.numbered
                .iter()
                .find(|entry| entry.0 == seq)
                .map_or(Stored::Absent, |entry| entry.1)
        }

        fn claim_replay(&mut self, seq: u64) -> Result<Option<Replay<'_>>, Full> {
            if let Some(full) = self.full {
                return Err(full);
            }
            let Some((_, _, original)) = self.numbered.iter().find(|entry| entry.0 == seq) else {
                return Ok(None);
            };
            self.room = vec![0; original.len() + REPLAY_GROWTH];
            Ok(Some(Replay {
                original,
                room: &mut self.room,
            }))
        }

        fn keep_inbound(
            &mut self,
            _: u64,
            frame: &[u8],
            secrets: &[Range<usize>],
            _: bool,
            _: Utc,
        ) -> Result<Option<InboundAt>, Full> {
            let mut frame = frame.to_vec();
            for span in secrets {
                frame[span.clone()].fill(b'*');
            }
            self.inbound.push(frame);
            Ok(Some(InboundAt(self.inbound.len() as u64 - 1)))
        }

        fn inbound(&self, at: InboundAt) -> Option<&[u8]> {
            self.inbound
                .get(usize::try_from(at.0).ok()?)
                .map(Vec::as_slice)
        }

        fn set_next_in(&mut self, next: u64) {
            self.next_in = next;
        }

        fn reset(&mut self, next_out: u64, next_in: u64, why: ResetCause, _: Utc) -> Result<(), Full> {
            (self.next_out, self.next_in) = (next_out, next_in);
            self.numbered.clear();
            self.resets.push(why);
            Ok(())
        }

        fn renumber(
            &mut self,
            next_out: u64,
            next_in: u64,
            why: ResetCause,
            _: Utc,
        ) -> Result<(), Full> {
            if let Some(full) = self.full {
                return Err(full);
            }
            (self.next_out, self.next_in) = (next_out, next_in);
            self.resets.push(why);
            Ok(())
        }
    }
}
