//! FIXP sessions and their schedules: a new interval is a new UUID.

use std::time::Duration;

use pinfix::engine::FixpSessionConfig;
use pinfix::session::Cause;
use pinfix::session::schedule::{ClockTime, Schedule, TimeOfDay};
use pinfix::time::{Mono, Now, Utc};

use crate::orders;
use crate::pair::credentials;
use crate::simnet::Wire;
use crate::storm::{Mortal, address, pass};

fn utc(text: &str) -> ClockTime {
    ClockTime::utc(text.parse::<TimeOfDay>().unwrap())
}

struct Day {
    wire: Wire,
    now: Now,
    gateway: Mortal,
    client: Mortal,
}

impl Day {
    /// Begins at nine in the morning, UTC.
    fn new(schedule: &Schedule) -> Self {
        let now = Now {
            mono: Mono(5_000_000_000),
            utc: Utc::parse_fix(b"20260105-09:00:00").unwrap(),
        };
        let wire = Wire::of_engines();
        wire.set_now(now.mono.0);
        let mut gateway = FixpSessionConfig::gateway("ABC", "007", credentials());
        let mut client = FixpSessionConfig::client("ABC", "007", credentials(), address());
        gateway.schedule = schedule.clone();
        client.schedule = schedule.clone();
        Self {
            gateway: Mortal::new(gateway, true, &wire, now),
            client: Mortal::new(client, false, &wire, now),
            wire,
            now,
        }
    }

    fn run(&mut self, span: Duration, step: Duration) {
        let end = self.now.mono + span;
        while self.now.mono < end {
            pass(&mut self.now, step);
            self.wire.set_now(self.now.mono.0);
            for _ in 0..4 {
                self.gateway.poll(self.now);
                self.client.poll(self.now);
            }
        }
    }

    fn trade(&mut self, count: u32) {
        for number in 0..count {
            let session = self.client.session;
            let mut out = self.client.engine().outbound(self.now);
            out.send_sbe(session, 512, |room| {
                orders::order(room, &number.to_string())
            })
            .unwrap();
        }
        self.run(Duration::from_millis(100), Duration::from_millis(10));
    }

    fn is_up(&self) -> bool {
        self.gateway.is_up() && self.client.is_up()
    }
}

#[test]
fn outside_its_hours_a_session_is_down_and_the_next_interval_has_a_new_uuid() {
    let mut day = Day::new(&Schedule::daily(utc("08:00:00"), utc("17:00:00")));
    day.run(Duration::from_secs(1), Duration::from_millis(10));
    assert!(day.is_up());
    day.trade(3);
    let (.., first) = day.client.stand();
    assert_eq!(day.client.stand(), (4, 4, first));
    // To one second after five in the afternoon, in steps that keep both alive.
    day.run(Duration::from_hours(8), Duration::from_secs(5));
    assert!(!day.client.is_up() && !day.gateway.is_up());
    let logout = |cause: &Cause| matches!(cause, Cause::LogoutConfirmed | Cause::PeerLogout(_));
    assert!(day.client.app.causes.iter().all(logout));
    assert_eq!(
        day.client.stand(),
        (4, 4, first),
        "they stay until the next interval"
    );
    // To nine the next morning.
    day.run(Duration::from_hours(16), Duration::from_secs(5));
    assert!(day.is_up());
    let (next_out, next_in, second) = day.client.stand();
    assert_eq!((next_out, next_in), (1, 1));
    assert!(second > first);
    assert_eq!(day.gateway.stand(), (1, 1, second));
    day.trade(2);
    assert_eq!(day.gateway.stand(), (3, 3, second));
}

#[test]
fn where_one_interval_follows_on_another_a_session_logs_out_and_on_again() {
    let mut day = Day::new(&Schedule::daily(utc("09:30:00"), utc("09:30:00")));
    day.run(Duration::from_secs(1), Duration::from_millis(10));
    day.trade(3);
    let (.., first) = day.client.stand();
    day.run(Duration::from_mins(31), Duration::from_secs(1));
    assert!(day.is_up());
    assert_eq!((day.client.app.logons, day.gateway.app.logons), (2, 2));
    let (.., second) = day.client.stand();
    assert!(second > first);
    day.trade(1);
    assert_eq!(day.client.stand(), (2, 2, second));
    assert_eq!(day.gateway.stand(), (2, 2, second));
}
