//! `pinfix journal replay`: would the session of today have sent what was sent? Of FIX here and in `player`,
//! of iLink 3 in `fixp`.
//!
//! ```text
//!   journal --records--> player: inbound ones are given to a fresh session,
//!                                outbound ones are compared with what it sends
//! ```
//!
//! What a session sends follows from what it receives, except for what came from outside of it: the
//! application, an operator, the clock. That is taken from the record, counted, and told. The clock of
//! the fresh session is the time of the records; its timers do not run.
//!
//! Nothing is written but a journal of its own in a temporary directory.

mod compare;
mod fixp;
mod player;
mod records;
mod settings;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use self::player::Player;
pub use self::settings::Choices;
use super::places::{self, Place};

pub const EXAMPLES: &str = "\
Examples:
  pinfix journal replay journals/FIX.4.4_VENUE-CLIENT-0a1b2c3d
  pinfix journal replay journals --at-logon restart --sending-time-window off

Taken from the record, because no received message leads to it:
  application messages          the application's own
  heartbeats, test requests     sent by the clock; answers to the peer's TestRequest(1) are reproduced
  a Logout of ours              asked for by an operator, the application or the clock
  a repeated ResendRequest(2)   by the clock
  resets by operator, schedule  with the numbers they had
  verdicts of the application   a refused Logon, a Reject(3) or BusinessMessageReject(j) of a message
Not compared: 9, 10, 52, 122, and the characters of secrets.

A journal of iLink 3 is replayed with the settings that its Negotiate and Establish show; the options are
for FIX. Taken from the record:
  business messages             the application's own
  a Sequence, a Terminate       by the clock; answers to the peer are reproduced
  a Terminate, a new UUID       asked for by an operator, the application or the schedule
  BusinessRejects               verdicts of the application
Not compared: HMACSignature, whose secret is in no journal, and SendingTimeEpoch.";

/// What came of one journal.
#[derive(Debug, Default)]
pub struct Findings {
    /// Logons that began something; one that resets may be of the connection that was there.
    logons: u64,
    received: u64,
    /// Frames that were the same, by MsgType(35).
    reproduced: BTreeMap<String, u64>,
    /// Frames taken from the record, by what they are.
    taken: BTreeMap<&'static str, u64>,
    /// Records before the first Logon of the journal.
    passed_over: u64,
    /// Why the rest was not compared.
    cut_short: Option<String>,
    difference: Option<String>,
}

/// Replays each journal. Fails if anything differs or cannot be read.
pub fn run(directory: &Path, choices: &Choices, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut all_same = true;
    for (nth, place) in places::find(directory)?.iter().enumerate() {
        if nth > 0 {
            writeln!(out)?;
        }
        if fixp::is_fixp(&place.directory)? {
            let findings = replay_fixp(place, out)
                .with_context(|| format!("replaying {}", place.directory.display()))?;
            print(place, &findings, out)?;
            all_same &= findings.is_same();
            continue;
        }
        let settings = settings::of_journal(place, choices)?;
        writeln!(out, "# {}", place.identity)?;
        writeln!(out, "  settings         {}", settings::in_words(&settings))?;
        let findings = Player::new(settings)
            .and_then(|player| player.play(&place.directory))
            .with_context(|| format!("replaying {}", place.directory.display()))?;
        print(place, &findings, out)?;
        all_same &= findings.is_same();
    }
    Ok(if all_same {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The same of a FIXP session, whose settings are those the journal shows.
fn replay_fixp(place: &Place, out: &mut impl Write) -> anyhow::Result<Findings> {
    let settings = fixp::settings(place)?;
    writeln!(out, "# {}", place.identity)?;
    writeln!(out, "  settings         {}", fixp::in_words(&settings))?;
    fixp::Player::new(settings)?.play(&place.directory)
}

impl Findings {
    fn is_same(&self) -> bool {
        self.difference.is_none() && self.cut_short.is_none()
    }
}

fn print(place: &Place, findings: &Findings, out: &mut impl Write) -> anyhow::Result<()> {
    let list = |counts: &mut dyn Iterator<Item = (&str, u64)>| {
        let parts: Vec<_> = counts
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        if parts.is_empty() {
            "nothing".to_owned()
        } else {
            parts.join(", ")
        }
    };
    writeln!(
        out,
        "  received         {} messages, {} logons",
        findings.received, findings.logons
    )?;
    let reproduced = findings.reproduced.iter();
    writeln!(
        out,
        "  reproduced       {}",
        list(&mut reproduced.map(|(kind, count)| (kind.as_str(), *count)))
    )?;
    let taken = findings.taken.iter();
    writeln!(
        out,
        "  from the record  {}",
        list(&mut taken.map(|(what, count)| (*what, *count)))
    )?;
    if findings.passed_over > 0 {
        writeln!(
            out,
            "  passed over      {} records before the first Logon, the journal does not begin with it",
            findings.passed_over
        )?;
    }
    if let Some(difference) = &findings.difference {
        writeln!(out, "  DIFFERENT        {difference}")?;
        writeln!(
            out,
            "                   the rest of the journal was not compared"
        )?;
    } else if let Some(why) = &findings.cut_short {
        writeln!(out, "  CUT SHORT        {why}; the rest was not compared")?;
    } else if findings.received == 0 {
        writeln!(
            out,
            "  nothing to compare: {} has no received messages; is record_inbound off?",
            place.directory.display()
        )?;
    } else {
        writeln!(out, "  the same")?;
    }
    Ok(())
}
