//! Both machines, and any trouble in any order: what was said must have arrived once it is quiet again.
//!
//! The client must have taken everything the gateway ever numbered, once each and in order, under every
//! UUID. The gateway must have taken everything the client sent, where the client sends again what was not
//! applied; or else the client must have been told what was not. What the client was told of as lost, the
//! gateway must not have taken.

use std::collections::BTreeMap;

use pinfix::session::SeriesOutbox as _;

use crate::Coverage;
use crate::stage::Stage;
use crate::store::Store;

/// How often each of the two policies is tried.
pub const SEEDS: u64 = 150;

const STEPS: u64 = 60;

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// # Errors
/// What went wrong, with the seed and everything that was done.
pub fn run<S: Store>(seed: u64, resend: bool, coverage: &Coverage) -> Result<(), String> {
    let policy = if resend { "Resend" } else { "Skip" };
    // Of what is sent again nothing may be lost, unless the gateway refuses to consume a number.
    let whole = resend && seed.is_multiple_of(2);
    let hole = if resend || seed.is_multiple_of(2) {
        "Wait"
    } else {
        "Move"
    };
    let count = if seed.is_multiple_of(3) {
        "MissingOnly"
    } else {
        "WithRefused"
    };
    let changes = [
        format!("gateway.not_applied_count {count}"),
        format!("client.not_applied_count {count}"),
        format!("gateway.establish_hole {hole}"),
        format!("client.not_applied {policy}"),
        "client.parked_max 4".to_owned(),
        "client.request_max 7".to_owned(),
    ];
    let mut stage = Stage::<S>::new(Some("pair"), &changes, coverage)?;
    let done = storm(&mut stage, seed, whole);
    done.map_err(|why| format!("seed {seed}, {policy}: {why}\n  {}", stage.trace()))
}

/// A client takes nothing while it waits with a logout, or sends again: what it asked for may be held up.
fn send<S: Store>(stage: &mut Stage<'_, S>, count: u64) -> Result<(), String> {
    let busy = ["Err(LoggingOut)", "Err(Resending)"];
    let sent = stage.line(&format!("client send {count}"));
    sent.or_else(|why| busy.contains(&why.as_str()).then_some(()).ok_or(why))
}

fn storm<S: Store>(stage: &mut Stage<'_, S>, seed: u64, whole: bool) -> Result<(), String> {
    let mut dice = Dice(seed);
    stage.line("client enter-anew")?;
    stage.line(&format!("client at-logon {}", dice.throw(4)))?;
    for _ in 0..STEPS {
        let up = stage.is_up();
        match dice.throw(15) {
            0..=2 if up => send(stage, 1 + dice.throw(3))?,
            3 | 4 => stage.line(&format!("gateway send {}", 1 + dice.throw(4)))?,
            5 if up => stage.line(&format!("gateway withhold {}", 1 + dice.throw(6)))?,
            6 => stage.line(&format!("wait {}s", 1 + dice.throw(40)))?,
            7 if up => {
                // What was said last is lost.
                let side = dice.throw(2) as usize;
                if side == 0 {
                    send(stage, 1 + dice.throw(3))?;
                } else {
                    stage.act(side, &format!("send {}", 1 + dice.throw(3)))?;
                }
                stage.line("cut")?;
            }
            8 => stage.line(["kill client", "kill gateway"][dice.throw(2) as usize])?,
            9 if up && dice.throw(3) == 0 => {
                stage.line("cut")?;
                stage.line("client renew")?;
                stage.line("wait 1s")?;
                stage.line("connect")?;
            }
            10 if up && dice.throw(3) == 0 => {
                stage
                    .line(["client logout over", "gateway terminate 0 over"][dice.throw(2) as usize])?;
            }
            11 | 12 if up && !whole => {
                for _ in 0..dice.throw(3) {
                    stage.line("gateway script Business Unconsumed 8")?;
                }
                send(stage, 1 + dice.throw(5))?;
            }
            13 => stage.line(["splitting yes", "splitting no"][dice.throw(2) as usize])?,
            _ if !up => {
                stage.line("cut")?;
                // A client that does not heed a Terminate 29 closes its port.
                stage.line("gateway reopen")?;
                stage.line("client resume")?;
                stage.line("connect")?;
            }
            _ => {}
        }
    }
    stage.line("splitting no")?;
    stage.line("cut")?;
    stage.line("gateway reopen")?;
    stage.line("client resume")?;
    stage.line("connect")?;
    // One more in each direction shows what is missing.
    stage.line("client send 1")?;
    stage.line("gateway withhold 0")?;
    stage.line("gateway send 1")?;
    stage.line("wait 200s")?;
    if !stage.is_up() {
        return Err("not established in the end".into());
    }
    let [client, gateway] = stage.sides() else {
        return Err("a pair is two".into());
    };
    let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
    for (series, seq) in &client.taken {
        let last = taken.insert(*series, *seq).unwrap_or(0);
        if *seq != last + 1 {
            return Err(format!("the client took {seq} of {series} after {last}"));
        }
    }
    for (series, last) in taken {
        let numbers = gateway.store.look().numbers_of(series);
        let published = numbers.map_or(0, |numbers| numbers.next_out - 1);
        if last != published {
            return Err(format!(
                "the client took {last} of {series}, {published} were published"
            ));
        }
    }
    if gateway.numbers().0 != client.numbers().1 {
        let (expected, next) = (gateway.numbers().0, client.numbers().1);
        return Err(format!(
            "the gateway expects {expected}, the client's next is {next}"
        ));
    }
    let lost = &client.not_applied;
    if client.told_twice {
        return Err(format!("told twice: {lost:?}"));
    }
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    if whole && !lost.is_empty() {
        return Err(format!("{lost:?} were not sent again"));
    }
    for (series, seq) in &gateway.taken {
        let before = last.insert(*series, *seq).unwrap_or(0);
        if *seq <= before {
            return Err(format!("the gateway took {seq} of {series} after {before}"));
        }
        let told = |seq: u64| {
            lost.iter()
                .any(|lost| lost.0 == *series && (lost.1..=lost.2).contains(&seq))
        };
        if told(*seq) {
            return Err(format!(
                "the gateway took {seq} of {series}, and the client was told that it was not applied"
            ));
        }
        if (before + 1..*seq).any(|seq| !told(seq)) {
            return Err(format!(
                "the gateway took {seq} of {series} after {before}, and nobody was told"
            ));
        }
    }
    Ok(())
}
