//! A FIXP client or a FIXP gateway, killed, and the books about it.

pub(crate) mod child;
mod exchange;
mod letter;
mod trader;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pinfix::journal::{Item, Kind, Reader, verify};

use self::exchange::Exchange;
use self::letter::Letter;
use self::trader::Trader;
use crate::Trial;
use crate::lives::Lives;

/// What the child is.
const CLIENT_SKIPS: &str = "fixp-client-skips";
const CLIENT_SENDS_AGAIN: &str = "fixp-client-sends-again";
const GATEWAY: &str = "fixp-gateway";

const SESSION: &str = "ABC";
const FIRM: &str = "007";
const KEY: &str = "KEY1";
/// The bytes 0 to 31.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

pub(crate) fn client_that_skips(trial: &Trial) -> Result<String, String> {
    client(trial, CLIENT_SKIPS)
}

pub(crate) fn client_that_sends_again(trial: &Trial) -> Result<String, String> {
    client(trial, CLIENT_SENDS_AGAIN)
}

fn client(trial: &Trial, role: &'static str) -> Result<String, String> {
    let directory = trial.directory(role);
    let mut exchange = Exchange::new(role, &directory, trial.seed);
    let mut lives = Lives::new(trial.seed);
    lives.live(trial.kills, &mut exchange)?;
    exchange.books.check_again(trial.kills)?;
    let account = exchange.settle_accounts()?;
    check_journal(&directory, &exchange.books.sent, 17, (41, 20))?;
    lives.print_stages();
    std::fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
    Ok(account)
}

pub(crate) fn gateway(trial: &Trial) -> Result<String, String> {
    let directory = trial.directory(GATEWAY);
    let mut trader = Trader::new(&directory, trial.seed);
    let mut lives = Lives::new(trial.seed);
    lives.live(trial.kills, &mut trader)?;
    trader.books.check_again(trial.kills)?;
    let account = trader.settle_accounts()?;
    check_journal(&directory, &trader.books.sent, 0, (12, 40))?;
    lives.print_stages();
    std::fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
    Ok(account)
}

/// Messages by UUID and number.
type Numbered = BTreeMap<(u64, u64), String>;

/// What the child said about itself.
#[derive(Default)]
struct Books {
    /// What its engine accepted for sending.
    sent: Numbered,
    /// The identifiers of that.
    sent_ids: BTreeSet<String>,
    /// The last number its application saw, by UUID.
    seen: BTreeMap<u64, u64>,
    seen_again: u64,
    /// The UUIDs of which something was seen in this life.
    seen_in_life: BTreeSet<u64>,
    unpublished: u64,
}

impl Books {
    fn begin_life(&mut self) {
        self.seen_in_life.clear();
    }

    /// Takes what is the same of both roles; gives back what is not.
    fn take<'a>(
        &mut self,
        report: &'a str,
        published: &Numbered,
    ) -> Result<Option<Vec<&'a str>>, String> {
        let words: Vec<&str> = report.split(' ').collect();
        let wrong = || format!("the child says: {report}");
        let number = |at: usize| {
            let word = words.get(at).ok_or_else(wrong)?;
            word.parse::<u64>().map_err(|_| wrong())
        };
        match words[0] {
            "sent" => {
                let (at, id) = ((number(1)?, number(2)?), words[3]);
                if let Some(before) = self.sent.insert(at, id.to_owned()) {
                    return Err(format!("{at:?} was {before} and is {id} now"));
                }
                if !self.sent_ids.insert(id.to_owned()) {
                    return Err(format!("{id} was sent before, and is {at:?} now"));
                }
            }
            "saw" => {
                let (uuid, seq, id) = (number(1)?, number(2)?, words[3]);
                match published.get(&(uuid, seq)) {
                    Some(ours) if ours == id => {}
                    other => {
                        return Err(format!(
                            "the application saw {id} as {seq} of {uuid}, which is {other:?}"
                        ));
                    }
                }
                let last = self.seen.entry(uuid).or_default();
                let first = self.seen_in_life.insert(uuid);
                if seq == *last && first {
                    self.seen_again += 1;
                } else if seq != *last + 1 {
                    return Err(format!(
                        "the application saw {seq} after {last} of UUID {uuid}"
                    ));
                }
                *last = seq;
            }
            "unpublished" => self.unpublished += 1,
            "segment" => {}
            "failed" => return Err(wrong()),
            _ => return Ok(Some(words)),
        }
        Ok(None)
    }

    /// A kill hits at most one callback.
    fn check_again(&self, kills: u64) -> Result<(), String> {
        match self.seen_again {
            again if again <= kills => Ok(()),
            again => Err(format!(
                "{again} messages were seen again after {kills} kills"
            )),
        }
    }

    fn last_seen(&self, uuid: u64) -> u64 {
        self.seen.get(&uuid).copied().unwrap_or_default()
    }

    /// The highest number that the engine is known to have used under this UUID.
    fn last_sent(&self, uuid: u64) -> u64 {
        let of_it = self.sent.range((uuid, 0)..=(uuid, u64::MAX));
        of_it.last().map_or(0, |((_, seq), _)| *seq)
    }
}

/// Compares what the child said it sent with its journal. The number is at this offset, the identifier at
/// one and of a length.
fn check_journal(
    directory: &Path,
    sent: &Numbered,
    seq_at: usize,
    id_at: (usize, usize),
) -> Result<(), String> {
    let journal = std::fs::read_dir(directory)
        .and_then(|mut entries| entries.next().ok_or(std::io::ErrorKind::NotFound)?)
        .map_err(|error| error.to_string())?
        .path();
    let totals = verify(&journal).map_err(|error| error.to_string())?;
    if !totals.is_sound() {
        return Err(format!("the journal is not sound: {totals:?}"));
    }
    let mut reader = Reader::open(&journal).map_err(|error| error.to_string())?;
    let mut uuid = 0;
    let mut kept = Numbered::new();
    while let Some(item) = reader.read().map_err(|error| error.to_string())? {
        let Item::Record(entry) = item else { continue };
        if let Some(begun) = entry.reset().and_then(|reset| reset.begun) {
            uuid = begun.id;
        }
        if entry.kind != Kind::Application {
            continue;
        }
        let letter = Letter(entry.frame.to_vec());
        if letter.get_u32(seq_at) != entry.seq {
            let seq = letter.get_u32(seq_at);
            return Err(format!("{} in the journal is number {seq}", entry.seq));
        }
        let at = (uuid, entry.seq);
        if let Some(before) = kept.insert(at, letter.get_text(id_at.0, id_at.1)) {
            return Err(format!("the journal has {at:?} twice, first {before}"));
        }
    }
    for (at, id) in sent {
        if kept.get(at) != Some(id) {
            let kept = kept.get(at);
            return Err(format!("{at:?} is {id}, and {kept:?} in the journal"));
        }
    }
    Ok(())
}
