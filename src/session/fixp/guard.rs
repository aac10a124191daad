//! What keeps a client from logging on again and again in vain.
//!
//! Invariant: once halted, only an operator's word lets it connect. The exchange closes the port at the
//! fifth invalid logon within a minute, and only its people reopen it.

use std::time::Duration;

use crate::time::Mono;

/// Over what time failed logons are counted, here and at the gateway.
const WINDOW: Duration = Duration::from_secs(60);

/// The most that can be remembered.
const ROOM: usize = 10;

/// The times of what happened lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recent {
    at: [Option<Mono>; ROOM],
    next: usize,
}

impl Recent {
    /// Notes one more; answers how many that makes within the window.
    pub(super) fn note(&mut self, now: Mono) -> usize {
        self.at[self.next] = Some(now);
        self.next = (self.next + 1) % ROOM;
        let recent = self.at.iter().flatten();
        recent.filter(|at| now.since(**at) < WINDOW).count()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Why a client waits for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halted {
    /// So many logons were refused within a minute.
    FailedLogons(u8),
    /// The exchange sent a Terminate with this code, after which there is no next logon.
    Terminated(u16),
}

/// Counts refused logons.
#[derive(Debug)]
pub(super) struct Guard {
    max: u8,
    failures: Recent,
    halted: Option<Halted>,
}

impl Guard {
    pub(super) fn new(max: u8) -> Self {
        Self {
            max,
            failures: Recent::default(),
            halted: None,
        }
    }

    pub(super) fn failed(&mut self, now: Mono) {
        if self.failures.note(now) >= usize::from(self.max) {
            self.halted = self.halted.or(Some(Halted::FailedLogons(self.max)));
        }
    }

    pub(super) fn halt(&mut self, code: u16) {
        self.halted = Some(Halted::Terminated(code));
    }

    pub(super) fn halted(&self) -> Option<Halted> {
        self.halted
    }

    pub(super) fn release(&mut self) {
        self.halted = None;
        self.failures.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_within_a_minute_counts() {
        let mut recent = Recent::default();
        let at = |seconds: u64| Mono(seconds * 1_000_000_000);
        assert_eq!(recent.note(at(100)), 1);
        assert_eq!(recent.note(at(159)), 2);
        assert_eq!(recent.note(at(160)), 2);
        assert_eq!(recent.note(at(220)), 1);
    }
}
