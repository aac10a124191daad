//! The hours of a session: what the engine does when its schedule has an edge.
//!
//! A session without a schedule has no [`Hours`] and pays one branch. One that has them pays a few
//! comparisons when it is settled; the calendar is asked at edges only. The next edge is one more
//! deadline of the session's entry in the wheel; once a second the wall clock is compared with the
//! clock of timers, so that an edge over which it jumped is noticed.
//!
//! Invariants: numbers are those of the interval that the session is in before anything is said under
//! them. They never change while a logout is under way. An operator's hold is neither read nor set
//! here, so numbers of a held session start anew like those of any other.
//!
//! ```text
//!                          logon not allowed            allowed, numbers of another interval
//!   not connected          -                            both numbers become 1
//!   connecting             give up                      both numbers become 1
//!   our Logon is out       cut                          cut, 1, connect at once
//!   a Logon came in        refuse                       both numbers become 1
//!   logged on              Logout, then as the first    as the schedule's `Renewal` says
//!   Logout is out, ending  wait                         wait
//! ```

use std::time::Duration;

use super::SessionHandle;
use super::application::{Application, Event};
use super::desk::{Desk, rearm};
use super::session::{Protocol, Step};
use super::slot::{Connection, Slot};
use crate::session::fix::{self, Phase};
use crate::session::schedule::{Calendar, Refuse, Renewal, Schedule, Standing};
use crate::session::{Cause, Fault, Outbox as _, ResetCause, Text};
use crate::time::{Mono, Now, Utc};

/// How often the wall clock is compared with the clock of timers.
const WALL_CHECK_EVERY: Duration = Duration::from_secs(1);

/// A smaller difference between the two is only remembered: an edge may be noticed this much late.
const WALL_STEP_MIN_NS: u64 = 50_000_000;

/// Text(58) of the Logout at the end of the hours.
const CLOSING: &[u8] = b"Session hours have ended";

/// Text(58) of the Logout where one interval follows on another.
const RENEWING: &[u8] = b"New session hours begin, sequence numbers start at 1";

/// The schedule of a session, and where it stands.
#[derive(Debug)]
pub(super) struct Hours {
    calendar: Calendar,
    renewal: Renewal,
    refusal: Refuse,
    standing: Standing,
    /// The standing was asked for at this time.
    asked_at: Utc,
    /// When it is to be asked for again, if ever.
    ask_again: Option<Mono>,
    told: Told,
    /// The numbers were those of another interval when the session was added.
    reset_at_start: bool,
}

/// What the application knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Open,
    Closed,
}

impl Hours {
    /// The hours of a session that begins now; `None` if it has none to keep.
    pub(super) fn of(schedule: &Schedule, calendar: Calendar, now: Now) -> Option<Box<Self>> {
        if schedule.is_non_stop() {
            return None;
        }
        let mut hours = Self {
            renewal: schedule.renewal,
            refusal: schedule.refusal,
            standing: calendar.at(now.utc),
            calendar,
            asked_at: now.utc,
            ask_again: None,
            told: Told::Nothing,
            reset_at_start: false,
        };
        hours.look(now);
        Some(Box::new(hours))
    }

    /// Whether the session may be logged on, as of the last look.
    pub(super) fn may_log_on(&self) -> bool {
        self.standing.may_log_on
    }

    /// When the schedule must be looked at next.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.ask_again
    }

    /// When something may change; zero for never.
    pub(super) fn next_edge(&self) -> Utc {
        self.ask_again.map_or(Utc(0), |_| self.standing.until)
    }

    /// Brings the standing up to date.
    fn look(&mut self, now: Now) {
        if now.utc < self.asked_at || now.utc >= self.standing.until {
            self.standing = self.calendar.at(now.utc);
            self.asked_at = now.utc;
        }
        let until = self.standing.until;
        self.ask_again = (until != Utc(u64::MAX)).then(|| now.mono + until.distance(now.utc));
    }

    /// What the application does not know yet.
    fn news(&mut self, session: SessionHandle) -> Option<Event<'static>> {
        let is = if self.standing.may_log_on {
            Told::Open
        } else {
            Told::Closed
        };
        if std::mem::replace(&mut self.told, is) == is {
            return None;
        }
        let until = self.next_edge();
        Some(match is {
            Told::Open => Event::ScheduleOpened { session, until },
            _ => Event::ScheduleClosed { session, until },
        })
    }
}

impl Slot {
    /// Whether the schedule allows the session to be logged on, as of the last look.
    pub(super) fn is_in_schedule(&self) -> bool {
        self.hours.as_ref().is_none_or(|hours| hours.may_log_on())
    }

    /// Whether the numbers are those of another interval than the one the session is in.
    pub(super) fn has_old_numbers(&self, now: Now) -> bool {
        let began = self.journal.series_began();
        self.hours
            .as_ref()
            .is_some_and(|hours| hours.standing.is_other_than(began, now.utc))
    }

    /// Whether the time of an in-session reset has passed since the numbers began.
    fn is_reset_due(&self) -> bool {
        let began = self.journal.series_began();
        self.hours
            .as_ref()
            .is_some_and(|hours| hours.standing.reset_due > began)
    }

    /// Puts both numbers at 1 if they are those of another interval and nothing is under way with
    /// them. Answers whether it did. If there is no room to record it, they stay what they are.
    fn begin_series(&mut self, now: Now) -> bool {
        let idle = matches!(self.session.phase(), Phase::Down | Phase::Admitting)
            && !matches!(self.connection, Connection::Draining { .. });
        idle && self.has_old_numbers(now)
            && self
                .session
                .reset_numbers(now, ResetCause::Schedule, &mut self.journal)
                .is_ok()
    }

    /// The same when the session is added, before anybody can be told.
    pub(super) fn begin_series_at_start(&mut self, now: Now) {
        // It may have been made some time ago, by a thread that has another clock.
        if let Some(hours) = &mut self.hours {
            hours.look(now);
        }
        let begun = self.begin_series(now);
        if let Some(hours) = &mut self.hours {
            hours.reset_at_start = begun;
        }
    }
}

impl Desk {
    /// Does what the schedule of a session asks for at this time. Answers whether it must be asked
    /// again in the next cycle.
    pub(super) fn keep_hours<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        app: &mut A,
    ) -> bool {
        let entry = &mut self.slots[slot];
        let Some(hours) = &mut entry.hours else {
            return false;
        };
        hours.look(now);
        let session = entry.handle;
        if let Some(news) = hours.news(session) {
            app.on_event(&news);
        }
        if std::mem::take(&mut hours.reset_at_start) {
            let cause = ResetCause::Schedule;
            app.on_event(&Event::Reset { session, cause });
        }
        if hours.may_log_on() {
            self.renew(now, slot, app);
        } else {
            self.close_hours(now, slot, app);
        }
        if self.slots[slot].begin_series(now) {
            let cause = ResetCause::Schedule;
            app.on_event(&Event::Reset { session, cause });
        }
        let entry = &self.slots[slot];
        // Left to do, and not because a connection has to end first: there was no room.
        entry.has_old_numbers(now) && entry.session.phase() == Phase::Down
    }

    /// The session may not be logged on.
    fn close_hours<A: Application + ?Sized>(&mut self, now: Now, slot: usize, app: &mut A) {
        let Slot {
            session,
            journal,
            connection,
            hours: Some(hours),
            ..
        } = &mut self.slots[slot]
        else {
            return;
        };
        let step = match (session.phase(), *connection) {
            (_, Connection::None | Connection::RetryAt(_) | Connection::Draining { .. })
            | (Phase::LogoutSent | Phase::Closing, _) => return,
            (_, Connection::Connecting { .. }) | (Phase::LogonSent, _) => {
                Step::Fix(fix::Step::Close(Cause::OutOfSchedule))
            }
            (Phase::Down | Phase::Admitting, Connection::Open { .. }) => match hours.refusal {
                Refuse::Silently => session.shut_out(Fault::OutOfSchedule),
                Refuse::WithLogout => session.turn_away(now, Fault::OutOfSchedule, journal),
            },
            (Phase::Up | Phase::Resetting, Connection::Open { .. }) => {
                session.logout(now, &Text::lossy(CLOSING), journal)
            }
        };
        self.go_on(now, slot, step, app);
    }

    /// The session may be logged on: looks to it that it is so under numbers of this interval.
    fn renew<A: Application + ?Sized>(&mut self, now: Now, slot: usize, app: &mut A) {
        let entry = &mut self.slots[slot];
        let (old, phase) = (entry.has_old_numbers(now), entry.session.phase());
        let Slot {
            session,
            journal,
            hours: Some(hours),
            ..
        } = entry
        else {
            return;
        };
        let step = match (phase, hours.renewal) {
            (Phase::LogonSent, _) if old => {
                entry.connect_at_once = true;
                Step::Fix(fix::Step::Close(Cause::OutOfSchedule))
            }
            (Phase::Up, renewal)
                if old && (renewal == Renewal::LogOnAgain || session.protocol() == Protocol::Fixp) =>
            {
                entry.connect_at_once = true;
                session.logout(now, &Text::lossy(RENEWING), journal)
            }
            (Phase::Up, Renewal::Silent) if old => {
                match session.restart_silently(now, ResetCause::Schedule, journal) {
                    Ok(step) => step,
                    // No room now; asked for again when the session is settled next.
                    Err(_) => return,
                }
            }
            (Phase::Up, _) if old || entry.is_reset_due() => {
                let Slot {
                    session, journal, ..
                } = entry;
                match session.reset_in_session(now, journal) {
                    Ok(step) => step,
                    // Under way already.
                    Err(_) => return,
                }
            }
            _ => return,
        };
        self.go_on(now, slot, step, app);
    }

    /// Once a second: looks whether the wall clock was set, and at the schedules if it was. Answers
    /// for how many sessions that matters.
    pub(super) fn watch_wall_clock(&mut self, now: Now) -> usize {
        let Some(wall) = &mut self.wall else {
            return 0;
        };
        if now.mono < wall.check_at {
            return 0;
        }
        wall.check_at = now.mono + WALL_CHECK_EVERY;
        let ahead_ns = now.utc.0.wrapping_sub(now.mono.0);
        let moved_ns = ahead_ns.wrapping_sub(wall.ahead_ns).cast_signed();
        if moved_ns.unsigned_abs() < WALL_STEP_MIN_NS {
            return 0;
        }
        wall.ahead_ns = ahead_ns;
        let mut over_an_edge = 0;
        for slot in self.slots.numbers() {
            let entry = self.slots.get_mut(slot);
            let Some(hours) = entry.and_then(|entry| entry.hours.as_mut()) else {
                continue;
            };
            let before = hours.standing;
            hours.look(now);
            if hours.standing == before {
                rearm(&mut self.wheel, slot, hours.ask_again);
            } else {
                over_an_edge += 1;
                self.touch(slot);
            }
        }
        over_an_edge
    }
}

/// How the wall clock stands to the clock of timers, for engines with a schedule to keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wall {
    ahead_ns: u64,
    check_at: Mono,
}

impl Wall {
    pub(super) fn new(now: Now) -> Self {
        Self {
            ahead_ns: now.utc.0.wrapping_sub(now.mono.0),
            check_at: now.mono + WALL_CHECK_EVERY,
        }
    }

    /// When it must be compared next.
    pub(super) fn deadline(&self) -> Mono {
        self.check_at
    }
}
