//! A session with two connections in virtual time, whose primary gateway fails again and again while orders
//! are unsent and on their way, signs of life flow, and an earlier UUID is being fetched; over a network that
//! delays, cuts and breaks, and with either process killed now and then. Limits are as they are by default.
//!
//! A seed replays: `PINFIX_SEED=17 cargo test --test fixp_engine pair_storm`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinfix::engine::FixpSessionConfig;
use pinfix::journal::Location;
use pinfix::session::fixp::{Answer, On};
use pinfix::time::{Mono, Now, Utc};

use crate::orders;
use crate::pair::{Scratch, credentials};
use crate::simnet::{End, Rng, Weather, Wire};
use crate::storm::{Mortal, address, backup_address, log_on, pass};

const STEPS: usize = 1500;
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const DELAY_MAX: Duration = Duration::from_millis(300);

/// What was seen.
#[derive(Debug, Default)]
struct Toll {
    trades: usize,
    promotions: usize,
    kills: u32,
    /// Orders told as lost, that were.
    lost: usize,
    /// Reports of an earlier UUID.
    earlier: usize,
}

struct Storm {
    seed: u64,
    rng: Rng,
    wire: Wire,
    now: Now,
    gateway: Mortal,
    client: Mortal,
    /// Every order: UUID and number, and its ClOrdID(11), which count up.
    sent: BTreeMap<(u64, u64), usize>,
    /// What the client was told as lost for certain.
    lost: Vec<(u64, u64, u64)>,
    /// What it was told as lost or not: the UUID was left.
    open: Vec<(u64, u64, u64)>,
    /// What was sent before this one, a client that was killed may not have been told of.
    excused: usize,
    /// No further trouble until then. Of lost orders the exchange speaks once, and a client that has said with
    /// a Sequence that they will not come does not hear of those it sent before if the connection ends then.
    calm_until: Mono,
    /// The UUID that the gateway was told to end.
    ending: u64,
    /// The primary gateway is to fail while reports of that UUID are being fetched.
    strikes: bool,
    /// When the backup was established, of a storm in which the primary gateway fails only then: as the client
    /// has just said its sign of life on the backup.
    beats_from: Option<Mono>,
    /// How many promotions there were when the primary gateway failed last.
    promotions: usize,
    /// Orders sent after a promotion and well before the next trouble.
    safe: BTreeSet<usize>,
}

impl Storm {
    fn new(seed: u64, scratch: &Scratch) -> Self {
        let mut rng = Rng(seed);
        let now = Now {
            mono: Mono(5_000_000_000),
            utc: Utc::parse_fix(b"20260105-09:00:00").unwrap(),
        };
        let wire = Wire::of_engines();
        wire.set_weather(Some(Weather {
            rng: Rng(rng.next()),
            delay_max_ns: rng.below(DELAY_MAX.as_nanos() as u64),
        }));
        wire.set_now(now.mono.0);
        let mut gateway = FixpSessionConfig::gateway("ABC", "007", credentials());
        gateway.accept_backup = true;
        let client = FixpSessionConfig::client("ABC", "007", credentials(), address());
        let mut client = client.backup(backup_address());
        for (config, name) in [(&mut gateway, "gateway"), (&mut client, "client")] {
            config.journal.location = Location::Directory(scratch.path().join(name));
            config.journal.first_segment_bytes = 64 * 1024;
            config.journal.max_segment_bytes = 64 * 1024;
            config.journal.control_reserve_bytes = 4096;
        }
        client.settings.keep_alive_ms = KEEP_ALIVE.as_millis() as u16;
        client.settings.client.request_max = 1 + rng.below(4) as u16;
        let gateway = Mortal::new(gateway, true, &wire, now);
        let client = Mortal::new(client, false, &wire, now);
        Self {
            seed,
            rng,
            wire,
            now,
            gateway,
            client,
            sent: BTreeMap::new(),
            lost: Vec::new(),
            open: Vec::new(),
            excused: 0,
            calm_until: now.mono,
            ending: 0,
            strikes: false,
            beats_from: None,
            promotions: 0,
            safe: BTreeSet::new(),
        }
    }

    fn poll(&mut self, span: Duration) {
        pass(&mut self.now, span);
        self.wire.set_now(self.now.mono.0);
        self.gateway.poll(self.now);
        self.client.poll(self.now);
        let uuid = self.client.stand().2;
        for (series, first, last) in std::mem::take(&mut self.client.app.lost) {
            self.calm_until = self.calm_until.max(self.now.mono + 3 * DELAY_MAX);
            match series {
                None => self.lost.push((uuid, first, last)),
                Some(series) => self.open.push((series, first, last)),
            }
        }
    }

    fn order(&mut self) {
        let (next, _, uuid) = self.client.stand();
        let id = format!("{:08}", self.sent.len());
        let session = self.client.session;
        let mut out = self.client.engine().outbound(self.now);
        let done = out.send_sbe(session, 512, |room| orders::order(room, &id));
        if done.is_ok() {
            let quiet = self.now.mono + 2 * DELAY_MAX < self.calm_until;
            if quiet && self.promotions() > self.promotions && self.ending != uuid {
                self.safe.insert(self.sent.len());
            }
            let before = self.sent.insert((uuid, next), self.sent.len());
            assert_eq!(before, None, "seed {}: a number twice", self.seed);
        }
    }

    fn promotions(&self) -> usize {
        let events = self.client.app.events.iter();
        events.filter(|said| said.starts_with("Promoted")).count()
    }

    fn ids(side: &Mortal) -> Vec<usize> {
        let ids = side.app.received.iter();
        ids.map(|(id, _)| id.parse().unwrap()).collect()
    }

    /// Every report of a UUID before this one has come.
    fn is_complete(&self) -> bool {
        let uuid = self.client.stand().2;
        let reported: BTreeSet<usize> = Self::ids(&self.client).into_iter().collect();
        let earlier = self.sent.iter().filter(|((series, _), _)| *series < uuid);
        let earlier: BTreeSet<usize> = earlier.map(|(_, id)| *id).collect();
        let taken = Self::ids(&self.gateway);
        let mut taken = taken.iter().filter(|id| earlier.contains(id));
        taken.all(|id| reported.contains(id))
    }

    fn trouble(&mut self) {
        if self.seed % 4 == 3 {
            if !self.client.has_backup() {
                self.beats_from = None;
                return;
            }
            let from = *self.beats_from.get_or_insert(self.now.mono);
            if self.now.mono >= from + KEEP_ALIVE {
                self.beats_from = None;
                self.fail_over();
            }
            return;
        }
        if self.now.mono < self.calm_until {
            return;
        }
        let standing = self.wire.standing();
        let any = standing.get(self.rng.below(3) as usize).copied();
        let (now, session) = (self.now, self.gateway.session);
        if self.strikes && self.client.stand().2 > self.ending {
            let both = self.client.has_backup() && self.gateway.has_backup();
            if both && self.client.is_up() {
                self.strikes = false;
                if !self.is_complete() {
                    return self.fail_over();
                }
            }
        }
        match (self.rng.below(400), any) {
            (0, _) => self.gateway.kill(&self.wire, now),
            (1, _) => {
                self.client.kill(&self.wire, now);
                self.excused = self.sent.len();
            }
            (2 | 3, Some(conn)) => self.wire.sever(conn),
            (4, Some(conn)) => {
                let side = self.rng.below(2) as usize;
                self.wire.lose(End { conn, side });
            }
            (5..13, _) => self.fail_over(),
            (13..16, _) if self.ending != self.client.stand().2 && self.is_complete() => {
                self.ending = self.client.stand().2;
                self.strikes = true;
                // Reports that do not come, and then a code after which a client takes a new UUID.
                let count = 5 + self.rng.below(20) as u32;
                let mut out = self.gateway.engine().outbound(now);
                out.withhold(session, count).unwrap();
                for _ in 0..20 {
                    (0..2).for_each(|_| self.order());
                    self.poll(Duration::from_millis(20));
                }
                let mut out = self.gateway.engine().outbound(self.now);
                out.script(session, On::Business, Answer::Terminate(13))
                    .unwrap();
                self.order();
            }
            _ => {}
        }
    }

    /// The primary gateway fails, with orders unsent and on their way.
    fn fail_over(&mut self) {
        let orders = self.rng.below(4);
        (0..orders).for_each(|_| self.order());
        let session = self.gateway.session;
        let mut out = self.gateway.engine().outbound(self.now);
        out.fail_over(session).unwrap();
        self.promotions = self.promotions();
        self.calm_until = self.now.mono + 4 * DELAY_MAX;
    }

    /// The weather clears, and everything that is missing must come.
    fn clear(&mut self) {
        self.wire.set_weather(None);
        let end = self.now.mono + Duration::from_mins(6);
        let mut look = self.now.mono;
        loop {
            self.poll(Duration::from_millis(5));
            let ((a_out, a_in, a), (b_out, b_in, b)) = (self.gateway.stand(), self.client.stand());
            let agree = (a_out, a_in, a) == (b_in, b_out, b);
            let mut sides = [&mut self.gateway, &mut self.client];
            let up = sides
                .iter_mut()
                .all(|side| side.is_up() && side.has_backup());
            if agree && up && !self.wire.is_busy() {
                return;
            }
            if self.now.mono > look + Duration::from_secs(65) {
                look = self.now.mono;
                // As an operator would, of a client that has been refused too often.
                log_on(&mut self.gateway, self.now);
                log_on(&mut self.client, self.now);
            }
            assert!(
                self.now.mono < end,
                "seed {}: no agreement: gateway {:?} {:?}, client {:?} {:?}",
                self.seed,
                self.gateway.stand(),
                self.gateway.app.events,
                self.client.stand(),
                self.client.app.events,
            );
        }
    }

    fn judge(&self) -> Toll {
        let seed = self.seed;
        let taken = Self::ids(&self.gateway);
        assert!(
            taken.windows(2).all(|two| two[0] < two[1]),
            "seed {seed}: an order twice or out of order"
        );
        // Those of an earlier UUID come when they are fetched.
        let mut reported = Self::ids(&self.client);
        reported.sort_unstable();
        let missing: Vec<usize> = taken
            .iter()
            .filter(|id| !reported.contains(id))
            .copied()
            .collect();
        assert!(
            missing.is_empty() && taken.len() == reported.len(),
            "seed {seed}: every report once: without {missing:?}: {:?}",
            self.client.app.events
        );
        let taken: BTreeSet<usize> = taken.into_iter().collect();
        let within = |told: &[(u64, u64, u64)], (uuid, seq): (u64, u64)| {
            let mut told = told.iter();
            told.any(|(series, first, last)| *series == uuid && (*first..=*last).contains(&seq))
        };
        let mut lost = 0;
        for (number, id) in &self.sent {
            let told = within(&self.lost, *number);
            if taken.contains(id) {
                assert!(!told, "seed {seed}: order {id} {number:?} told as lost");
                continue;
            }
            lost += usize::from(told);
            assert!(
                !self.safe.contains(id),
                "seed {seed}: order {id} {number:?} is lost over what was lost before it"
            );
            assert!(
                told || within(&self.open, *number) || *id < self.excused,
                "seed {seed}: order {id} {number:?} is lost and nobody was told: {:?} {:?} {:?}",
                self.lost,
                self.open,
                self.client.app.events,
            );
        }
        let mut earlier = self.client.app.retransmitted.clone();
        let uuid = self.client.stand().2;
        earlier.retain(|(series, _)| *series < uuid);
        Toll {
            trades: taken.len(),
            promotions: self.promotions(),
            kills: self.gateway.kills + self.client.kills,
            lost,
            earlier: earlier.len(),
        }
    }
}

#[test]
fn both_sides_agree_after_a_storm_of_promotions() {
    let one = std::env::var("PINFIX_SEED").ok();
    let seeds = match one.and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..32,
    };
    let all = seeds.clone().count() > 1;
    let mut sum = Toll::default();
    for seed in seeds {
        let scratch = Scratch::new();
        let mut storm = Storm::new(seed, &scratch);
        for _ in 0..STEPS {
            storm.trouble();
            (0..storm.rng.below(3)).for_each(|_| storm.order());
            let span = Duration::from_micros(storm.rng.below(80_000));
            storm.poll(span);
        }
        storm.clear();
        let toll = storm.judge();
        sum.trades += toll.trades;
        sum.promotions += toll.promotions;
        sum.kills += toll.kills;
        sum.lost += toll.lost;
        sum.earlier += toll.earlier;
    }
    println!("{sum:?}");
    assert!(!all || sum.promotions > 100 && sum.kills > 0 && sum.lost > 50 && sum.earlier > 50);
}
