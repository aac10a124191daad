//! How many messages may pass in how much time: a token bucket without a refill timer.
//!
//! Invariant: after a rest of one burst's time, exactly the burst passes at once.

use std::time::Duration;

use super::SettingsError;
use crate::time::Mono;

/// So many messages in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, on average.
    pub messages: u32,
    /// In how much time.
    pub per: Duration,
    /// How many of them may come at once after a rest. With a burst of all of them, nearly twice as
    /// many may fall into one window of the length; with 1 they are spaced evenly and never do.
    pub burst: u32,
}

impl Rate {
    /// So many a second, with all of them in one burst.
    #[must_use]
    pub fn per_second(messages: u32) -> Self {
        Self {
            messages,
            per: Duration::from_secs(1),
            burst: messages,
        }
    }

    pub(super) fn check(&self, setting: &'static str) -> Result<(), SettingsError> {
        let sound = self.messages > 0
            && (1..=self.messages).contains(&self.burst)
            && self.per >= Duration::from_millis(1)
            && self.per <= Duration::from_secs(86_400)
            && self.interval_ns() > 0;
        if sound {
            return Ok(());
        }
        Err(SettingsError {
            setting,
            value: format!("{self:?}"),
            right: "1 or more messages per 1 ms to 1 day, not more than one a nanosecond, and a burst \
                    of 1 to all of them",
        })
    }

    fn interval_ns(&self) -> u64 {
        let per = u64::try_from(self.per.as_nanos()).unwrap_or(u64::MAX);
        // Rounded up: a venue that counts must not find one too many.
        per.div_ceil(u64::from(self.messages.max(1)))
    }
}

/// The bucket of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    interval_ns: u64,
    /// How far ahead of the even spacing messages may be.
    slack_ns: u64,
    /// When the next message would be due if they were spaced evenly.
    even: Mono,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        let interval_ns = rate.interval_ns();
        Self {
            interval_ns,
            slack_ns: interval_ns.saturating_mul(u64::from(rate.burst) - 1),
            even: Mono(0),
        }
    }

    /// Whether a message may pass now; if not, when one may.
    pub(super) fn ready(&self, now: Mono) -> Result<(), Mono> {
        let free_at = Mono(self.even.0.saturating_sub(self.slack_ns));
        if now >= free_at { Ok(()) } else { Err(free_at) }
    }

    /// A message passes.
    pub(super) fn spend(&mut self, now: Mono) {
        let from = self.even.0.max(now.0);
        self.even = Mono(from.saturating_add(self.interval_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// How many of a message every millisecond pass, second by second.
    fn passed(rate: Rate, seconds: u64) -> Vec<usize> {
        assert_eq!(rate.check("rate"), Ok(()));
        let mut bucket = Bucket::new(rate);
        let mut pass = |at: u64| {
            let ready = bucket.ready(Mono(at * MS)).is_ok();
            if ready {
                bucket.spend(Mono(at * MS));
            }
            ready
        };
        (0..seconds)
            .map(|second| {
                (0..1000)
                    .filter(|ms| pass(1000 + second * 1000 + ms))
                    .count()
            })
            .collect()
    }

    #[test]
    fn a_rest_gives_a_burst_and_then_the_average_holds() {
        assert_eq!(passed(Rate::per_second(10), 3), [19, 10, 10]);
    }

    #[test]
    fn a_burst_of_one_never_lets_more_than_the_rate_into_a_second() {
        let rate = Rate {
            burst: 1,
            ..Rate::per_second(10)
        };
        assert_eq!(passed(rate, 3), [10, 10, 10]);
    }

    #[test]
    fn it_says_when_there_is_room_again() {
        let mut bucket = Bucket::new(Rate::per_second(2));
        bucket.spend(Mono(1000 * MS));
        assert_eq!(bucket.ready(Mono(1000 * MS)), Ok(()));
        bucket.spend(Mono(1000 * MS));
        assert_eq!(bucket.ready(Mono(1000 * MS)), Err(Mono(1500 * MS)));
        assert_eq!(bucket.ready(Mono(1500 * MS)), Ok(()));
    }

    #[test]
    fn a_rate_that_lets_nothing_through_is_refused() {
        let wrong = |change: fn(&mut Rate)| {
            let mut rate = Rate::per_second(10);
            change(&mut rate);
            rate.check("outbound.rate").is_err()
        };
        assert!(wrong(|rate| rate.messages = 0));
        assert!(wrong(|rate| rate.burst = 0));
        assert!(wrong(|rate| rate.burst = 11));
        assert!(wrong(|rate| rate.per = Duration::ZERO));
    }
}
