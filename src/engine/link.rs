//! The receive side of one connection: its buffer, and whose it is.

use std::net::SocketAddr;

use super::net::{LinkId, ListenerId};
use super::session::Protocol;
use crate::time::Mono;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody's: the entry is free.
    Nobody,
    /// A peer connected and has not logged on yet.
    Stranger {
        peer: SocketAddr,
        listener: ListenerId,
        give_up: Mono,
        logon: FirstLogon,
    },
    /// This session's.
    Session(u32),
    /// Its session is done with it; what was sent must still arrive, so it is read until the peer
    /// closes. The session, if there was one, may want to know that the peer still sends.
    Lingering { until: Mono, slot: Option<u32> },
}

/// How far the first message of a stranger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstLogon {
    /// It has not come.
    Expected,
    /// It was counted among the Logons of its source. No session is configured for it, and there was no
    /// room yet to have one made.
    Counted,
    /// It waits for a session that is being made for it.
    Waiting,
    /// What was to be made was made.
    Answered,
}

impl Owner {
    pub(super) fn is_stranger(&self) -> bool {
        matches!(self, Self::Stranger { .. })
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) owner: Owner,
    pub(super) protocol: Protocol,
    /// Whether it is on the list of those to be read.
    pub(super) listed: bool,
}

impl Link {
    pub(super) fn free(id: LinkId) -> Self {
        Self {
            id,
            owner: Owner::Nobody,
            protocol: Protocol::Fix,
            listed: false,
        }
    }

    /// Notes how far the first message of a stranger is.
    pub(super) fn note(&mut self, how_far: FirstLogon) {
        if let Owner::Stranger { logon, .. } = &mut self.owner {
            *logon = how_far;
        }
    }

    /// Answers whose it was.
    pub(super) fn change_owner(&mut self, owner: Owner) -> Owner {
        std::mem::replace(&mut self.owner, owner)
    }
}

/// Bytes received and not yet taken, contiguous.
///
/// Twice as long as the longest message, so that the rest of a message is rarely moved to the front.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// Where the last read went on from the one before, unless that had ended for want of room.
    seam: Option<usize>,
    /// The last read ended for want of room.
    cut_short: bool,
}

impl Buffer {
    pub(super) fn for_messages_up_to(max: usize) -> Self {
        Self {
            bytes: vec![0; 2 * max].into_boxed_slice(),
            start: 0,
            end: 0,
            seam: None,
            cut_short: false,
        }
    }

    /// What was received and not yet taken.
    pub(super) fn received(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Room for more. Never empty while a message of the largest size is incomplete.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.clear();
        } else if self.end == self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.seam = self.seam.and_then(|seam| seam.checked_sub(self.start));
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// `len` bytes were received into the room.
    pub(super) fn filled(&mut self, len: usize) {
        let goes_on = self.start < self.end && !self.cut_short;
        self.seam = goes_on.then_some(self.end);
        self.end = (self.end + len).min(self.bytes.len());
        self.cut_short = self.end == self.bytes.len();
    }

    /// Whether the first `len` bytes came in more than one read, as far as can be told: what TCP brings
    /// together counts as one, and of several reads only the last is known.
    pub(super) fn is_in_pieces(&self, len: usize) -> bool {
        let inside = self.start + 1..self.start + len;
        self.seam.is_some_and(|seam| inside.contains(&seam))
    }

    /// The first `len` bytes are dealt with.
    pub(super) fn take(&mut self, len: usize) {
        self.start = (self.start + len).min(self.end);
    }

    pub(super) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        self.seam = None;
        self.cut_short = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_message_moves_to_the_front_when_the_end_is_reached() {
        let mut buffer = Buffer::for_messages_up_to(4);
        buffer.room().copy_from_slice(b"abcdefgh");
        buffer.filled(8);
        assert_eq!(buffer.room().len(), 0);
        buffer.take(6);
        assert_eq!(buffer.received(), b"gh");
        assert_eq!(buffer.room().len(), 6);
        assert_eq!(buffer.received(), b"gh");
    }

    #[test]
    fn an_empty_buffer_starts_anew() {
        let mut buffer = Buffer::for_messages_up_to(4);
        buffer.filled(8);
        buffer.take(8);
        assert_eq!(buffer.room().len(), 8);
    }

    #[test]
    fn a_message_that_two_reads_brought_came_in_pieces() {
        let mut buffer = Buffer::for_messages_up_to(8);
        buffer.room();
        buffer.filled(6);
        assert!(!buffer.is_in_pieces(6), "whole");
        buffer.take(4);
        buffer.room();
        buffer.filled(4);
        assert!(buffer.is_in_pieces(3));
        assert!(!buffer.is_in_pieces(2), "whole, and another read behind it");
        buffer.take(3);
        assert!(!buffer.is_in_pieces(3), "the rest of the second read");
        buffer.take(3);
        buffer.room();
        buffer.filled(5);
        assert!(!buffer.is_in_pieces(5), "the buffer was empty before");
        // The seam moves with its message; a read that filled the buffer makes none.
        buffer.filled(3);
        assert!(buffer.is_in_pieces(6));
        buffer.filled(8);
        assert_eq!(buffer.room().len(), 0);
        buffer.take(9);
        assert_eq!(buffer.room().len(), 9);
        buffer.filled(2);
        assert!(!buffer.is_in_pieces(9));
    }
}
