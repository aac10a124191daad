//! A FIX initiator, killed, and the books about it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Command;

use pinfix::journal::{Item, Kind, Reader, verify};

use crate::lives::{Counterparty, Lives};
use crate::peer::{self, Peer, Seen, content};
use crate::{Trial, command};

/// What the child said about itself.
#[derive(Default)]
struct Reports {
    /// Content ids its engine accepted for sending.
    sent: HashSet<String>,
    /// The last message its application saw.
    last_seen: u64,
    seen_again: u64,
    unpublished: u64,
}

struct Run {
    peer: Peer,
    reports: Reports,
    directory: PathBuf,
}

pub(crate) fn kill_and_check(trial: &Trial) -> Result<String, String> {
    let directory = trial.directory("fix");
    let mut run = Run {
        peer: Peer::new(),
        reports: Reports::default(),
        directory: directory.clone(),
    };
    let mut lives = Lives::new(trial.seed);
    lives.live(trial.kills, &mut run)?;
    let account = run.settle_accounts()?;
    lives.print_stages();
    std::fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
    Ok(account)
}

impl Counterparty for Run {
    fn command(&self) -> Command {
        command("fix", &self.directory, self.peer.port())
    }

    fn take(&mut self, report: &str) -> Result<(), String> {
        self.reports.take(report)
    }

    fn begin_life(&mut self) {
        self.peer.begin_life();
    }

    fn end_life(&mut self) {
        self.peer.end_life();
    }

    fn turn(&mut self, load: bool) -> Result<usize, String> {
        self.peer.turn(load)
    }

    fn drain(&mut self) -> Result<(), String> {
        self.peer.drain()
    }

    fn wind_up(&mut self) -> Result<(), String> {
        self.peer.wind_up();
        Ok(())
    }

    fn is_connected(&self) -> bool {
        self.peer.is_connected()
    }

    fn was_connected(&self) -> bool {
        self.peer.was_connected()
    }

    fn is_logged_on(&self) -> bool {
        self.peer.is_logged_on()
    }

    fn is_logged_out(&self) -> bool {
        self.peer.is_logged_out()
    }

    fn is_recovering(&self) -> bool {
        self.peer.is_recovering()
    }

    fn received_in_life(&self) -> u64 {
        self.peer.received_in_life
    }

    fn recoveries_in_life(&self) -> u64 {
        self.peer.recoveries_in_life
    }

    fn describe(&self) -> String {
        let peer = self.peer.describe();
        format!("{peer}, last seen by the child {}", self.reports.last_seen)
    }
}

impl Run {
    /// Compares what the counterparty saw, what the child said, and what the journal holds.
    fn settle_accounts(&self) -> Result<String, String> {
        let arrived = self.peer.arrived();
        if let Some(lost) = self.reports.sent.iter().find(|id| !arrived.contains(*id)) {
            return Err(format!(
                "{lost} was accepted by the child's engine and never arrived"
            ));
        }
        if self.reports.last_seen != self.peer.last_id() {
            return Err(format!(
                "the counterparty sent {} messages, the child's application saw {}",
                self.peer.last_id(),
                self.reports.last_seen
            ));
        }
        let journal = std::fs::read_dir(&self.directory)
            .and_then(|mut entries| entries.next().ok_or(std::io::ErrorKind::NotFound)?)
            .map_err(|error| error.to_string())?
            .path();
        let totals = verify(&journal).map_err(|error| error.to_string())?;
        if !totals.is_sound() {
            return Err(format!("the journal is not sound: {totals:?}"));
        }
        let mut reader = Reader::open(&journal).map_err(|error| error.to_string())?;
        let mut kept = 0;
        while let Some(item) = reader.read().map_err(|error| error.to_string())? {
            let Item::Record(entry) = item else { continue };
            if entry.kind != Kind::Application {
                continue;
            }
            kept += 1;
            let ours = content(&peer::fields(entry.frame)?);
            match self.peer.seen(entry.seq) {
                Some(Seen::Application(theirs)) if *theirs == ours => {}
                other => {
                    return Err(format!(
                        "MsgSeqNum {} is {ours:?} in the journal and {other:?} at the counterparty",
                        entry.seq
                    ));
                }
            }
        }
        if kept != arrived.len() {
            return Err(format!(
                "{kept} messages in the journal, {} arrived",
                arrived.len()
            ));
        }
        Ok(format!(
            "{kept} messages out, {} in ({} seen again), {} copies, {} resends asked of the child, {} by it, \
             {} segments, {} frames cut that were being written",
            self.peer.last_id(),
            self.reports.seen_again,
            self.peer.copies,
            self.peer.asked,
            self.peer.was_asked,
            totals.segments,
            self.reports.unpublished,
        ))
    }
}

impl Reports {
    fn take(&mut self, report: &str) -> Result<(), String> {
        let (what, about) = report.split_once(' ').unwrap_or((report, ""));
        match what {
            "sent" => {
                self.sent.insert(about.to_owned());
            }
            "saw" => {
                let id: u64 = about.parse().map_err(|_| format!("report {report:?}"))?;
                if id == self.last_seen {
                    self.seen_again += 1;
                } else if id != self.last_seen + 1 {
                    return Err(format!(
                        "the child's application saw {id} after {}",
                        self.last_seen
                    ));
                }
                self.last_seen = id;
            }
            "unpublished" => self.unpublished += 1,
            "segment" => {}
            "failed" => return Err(format!("the child says: {about}")),
            _ => return Err(format!("the child says: {report}")),
        }
        Ok(())
    }
}
