//! One session with its outbox: what is done to it, and what it tells.

use std::collections::VecDeque;
use std::time::Duration;

use pinfix::session::fixp::{
    self, Broken, Delivery, Frame, Origin, Pieces, Role, Sent, Step, Unparked, Verdict,
};
use pinfix::session::{Cause, Credentials, Outbox, Refusal, SeriesOutbox, Text};
use pinfix::time::{Mono, Now};

use crate::Coverage;
use crate::frame::{Fields, Value, layout};
use crate::quiet::counted;
use crate::store::Store;

pub const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

pub fn credentials() -> Credentials {
    Credentials::new("ACCESSKEY", SECRET).unwrap()
}

pub struct Side<S> {
    pub session: fixp::Session,
    pub store: S,
    /// What is on its way to the peer.
    pub wire: Vec<Vec<u8>>,
    pub told: VecDeque<String>,
    /// What the application has taken: series and number.
    pub taken: Vec<(u64, u64)>,
    /// What the client was told of messages that were not applied and are not sent again: series, first
    /// and last number.
    pub not_applied: Vec<(u64, u64, u64)>,
    /// Where in it this run of the process begins.
    run_began: usize,
    /// Something was told to one run twice.
    pub told_twice: bool,
    pub verdict: Verdict,
    pub connected: bool,
    /// How often the session, or its store, has allocated while it worked.
    pub allocations: u64,
    /// Nothing is sent again by itself.
    pub hold_replay: bool,
    /// So many messages are sent at every logon.
    pub at_logon: usize,
    /// What was not applied is entered anew, at once and under new numbers.
    pub enters_anew: bool,
    /// The application sends so many messages about each one it is given.
    pub answers: usize,
    /// The application sends so many messages about the next one it is given, and does not return.
    pub dies_behind: Option<usize>,
}

impl<S: Store> Side<S> {
    pub fn new(settings: fixp::Settings) -> Result<Self, String> {
        Ok(Self {
            session: fixp::Session::new(settings).map_err(|error| error.to_string())?,
            store: S::new(),
            wire: Vec::new(),
            told: VecDeque::new(),
            taken: Vec::new(),
            not_applied: Vec::new(),
            run_began: 0,
            told_twice: false,
            verdict: Verdict::Accept,
            connected: false,
            allocations: 0,
            hold_replay: false,
            at_logon: 0,
            enters_anew: false,
            answers: 0,
            dies_behind: None,
        })
    }

    pub fn is_client(&self) -> bool {
        self.session.settings().role == Role::Initiator
    }

    /// The process is killed and started again.
    pub fn restart(&mut self, coverage: &Coverage) -> Result<(), String> {
        self.note(coverage);
        self.run_began = self.not_applied.len();
        let settings = self.session.settings().clone();
        self.session = fixp::Session::new(settings).map_err(|error| error.to_string())?;
        self.connected = false;
        self.wire.clear();
        self.store.restart();
        Ok(())
    }

    pub fn connect(&mut self, now: Now) {
        self.connected = true;
        let step = self.work(|session, out| session.connected(now, out));
        self.follow(now, step);
    }

    pub fn disconnect(&mut self, now: Now) {
        if self.connected {
            self.connected = false;
            self.wire.clear();
            self.store.forget();
            let told = self.work(|session, out| session.disconnected(now, out));
            self.told.extend(told.then(|| "logged-off".to_owned()));
            if let Some(messages) = self.session.take_unconfirmed() {
                let (series, first, last) = (messages.series, messages.first, messages.last);
                self.told
                    .push_back(format!("unconfirmed {first} {last} of {series}"));
            }
        }
    }

    pub fn receive(&mut self, now: Now, bytes: &[u8], pieces: Option<Pieces>) -> Result<(), String> {
        let frame = Frame::new(bytes).map_err(|error| error.to_string())?;
        let step = self.work(|session, out| match pieces {
            Some(pieces) => session.receive_in_pieces(now, &frame, pieces, out),
            None => session.receive(now, &frame, Origin::Wire, out),
        });
        self.follow(now, step);
        self.settle(now, usize::MAX);
        Ok(())
    }

    pub fn broken(&mut self, now: Now, why: Broken) {
        let step = self.work(|session, out| session.broken(now, why, out));
        self.follow(now, step);
    }

    pub fn timeout(&mut self, now: Now) {
        let step = self.work(|session, out| session.timeout(now, out));
        self.follow(now, step);
        self.settle(now, usize::MAX);
    }

    pub fn logout(&mut self, now: Now, reason: &str) {
        let reason = Text::lossy(reason.as_bytes());
        let step = self.work(|session, out| session.logout(now, &reason, out));
        self.follow(now, step);
    }

    pub fn terminate(&mut self, now: Now, code: u16, reason: &str) {
        let reason = Text::lossy(reason.as_bytes());
        let step = self.work(|session, out| session.terminate(now, code, &reason, out));
        self.follow(now, step);
    }

    /// Has the session work, and counts what it allocates.
    fn work<R>(&mut self, work: impl FnOnce(&mut fixp::Session, &mut S::Out) -> R) -> R {
        let before = self.store.preparations();
        let out = self.store.out();
        let (done, allocations) = counted(|| work(&mut self.session, out));
        if self.store.preparations() == before {
            self.allocations += allocations;
        }
        done
    }

    /// The application sends a business message of its side.
    pub fn send(&mut self, now: Now, name: &str) -> Result<Sent, Refusal> {
        let (room, frame) = (1024, business(name));
        let write = |room: &mut [u8]| {
            room[..frame.len()].copy_from_slice(&frame);
            Ok::<_, ()>(frame.len())
        };
        let sent = self.work(|session, out| session.send(now, room, write, out));
        self.store.take(&mut self.wire);
        sent
    }

    pub fn deadline(&self) -> Option<Mono> {
        self.session.deadline()
    }

    /// What waited goes on, and up to `replay` messages are sent again.
    pub fn settle(&mut self, now: Now, replay: usize) {
        loop {
            match self.work(|session, out| session.next_parked(now, out)) {
                Unparked::Nothing => break,
                Unparked::Message(at) => {
                    let bytes = self.store.look().inbound(at).unwrap().to_vec();
                    let frame = Frame::new(&bytes).unwrap();
                    let step =
                        self.work(|session, out| session.receive(now, &frame, Origin::Parked, out));
                    self.follow(now, step);
                }
                Unparked::Close(cause) => {
                    self.told.push_back(format!("close {}", words_of(&cause)));
                    return;
                }
            }
        }
        if self.hold_replay && replay == usize::MAX {
            return;
        }
        let mut left = replay;
        while left > 0 && self.session.is_replaying() {
            let budget = left.min(2);
            left -= budget;
            let replayed = self.work(|session, out| session.replay(now, budget, out));
            self.store.take(&mut self.wire);
            if replayed == fixp::Replayed::Waiting {
                return;
            }
        }
    }

    pub fn follow(&mut self, now: Now, mut step: Step) {
        loop {
            self.store.take(&mut self.wire);
            let words = match step {
                Step::Done => return,
                Step::Retry(full) => format!("retry {full:?}"),
                Step::LoggedOn => {
                    for _ in 0..self.at_logon {
                        let sent = self.send(now, "NewOrderSingle");
                        assert!(sent.is_ok(), "{sent:?}");
                    }
                    "logged-on".to_owned()
                }
                Step::Deliver(Delivery {
                    series,
                    seq,
                    retransmitted,
                    delayed,
                }) => {
                    let mut words = format!("deliver {seq}");
                    if series != self.store.look().series() {
                        words += &format!(" of {series}");
                    }
                    if retransmitted {
                        words += " again";
                    }
                    if let Some(delayed) = delayed {
                        words += &format!(" {delayed:?}");
                    }
                    self.told.push_back(words);
                    self.taken.push((series, seq));
                    for _ in 0..self.answers {
                        self.send(now, "ExecutionReportNew").unwrap();
                    }
                    if let Some(count) = self.dies_behind.take() {
                        for _ in 0..count {
                            self.send(now, "ExecutionReportNew").unwrap();
                        }
                        return;
                    }
                    let verdict = self.verdict;
                    step = self.work(|session, out| session.delivered(now, verdict, out));
                    continue;
                }
                Step::NotApplied(lost) => {
                    if !lost.resent {
                        let series = self.store.look().series();
                        let mut before = self.not_applied[self.run_began..].iter();
                        self.told_twice |= before.any(|told| {
                            told.0 == series && lost.first <= told.2 && told.1 <= lost.last
                        });
                        self.not_applied.push((series, lost.first, lost.last));
                        let orders = (lost.first..=lost.last).filter(|_| self.enters_anew);
                        for _ in orders.take(5).collect::<Vec<_>>() {
                            // Refused while something is sent again, or at a logout.
                            let _ = self.send(now, "NewOrderSingle");
                        }
                    }
                    let resent = if lost.resent { " resent" } else { "" };
                    format!("not-applied {} {}{resent}", lost.first, lost.last)
                }
                Step::Unconfirmed(open) => {
                    format!(
                        "unconfirmed {} {} of {}",
                        open.first, open.last, open.series
                    )
                }
                Step::Missed(missed) => {
                    format!(
                        "missed {} {} of {}",
                        missed.first, missed.last, missed.series
                    )
                }
                Step::Promoted(next) => format!("promoted {next}"),
                Step::Close(cause) => format!("close {}", words_of(&cause)),
                Step::CloseAfterFlush(cause) => format!("end {}", words_of(&cause)),
            };
            self.told.push_back(words);
            return;
        }
    }

    /// Whether the session wants its connection closed.
    pub fn is_ending(&self) -> bool {
        self.session.phase() == fixp::Phase::Closing
    }

    pub fn note(&self, coverage: &Coverage) {
        let counts = self.session.tally().faults_by_kind;
        let mut faults = coverage.faults.lock().unwrap();
        for (name, count) in fixp::Fault::NAMES.iter().zip(counts.as_slice()) {
            if *count > 0 {
                faults.insert(name);
            }
        }
    }

    pub fn numbers(&self) -> (u64, u64) {
        (self.store.look().next_in(), self.store.look().next_out())
    }

    pub fn stays_away(&self, now: Now) -> Option<Duration> {
        self.session.not_before().map(|at| at.since(now.mono))
    }
}

/// A business message as an application writes it: numbers are not its affair.
pub fn business(name: &str) -> Vec<u8> {
    let mut fields = Fields::new();
    fields.insert("SeqNum".into(), Value::Number(77));
    if name == "ExecutionReportNew" {
        fields.insert("SplitMsg".into(), Value::Null);
    }
    let text = match name {
        "NewOrderSingle" => "ClOrdID",
        "ExecutionReportNew" => "ExecID",
        _ => "Reason",
    };
    fields.insert(text.into(), Value::Text("X1".into()));
    if text == "Reason" {
        fields.remove("SeqNum");
    }
    layout(name).unwrap().build(&fields, 9).unwrap()
}

/// A cause as a scenario writes it.
pub fn words_of(cause: &Cause) -> String {
    match cause {
        Cause::FixpFault(fault) => format!("FixpFault {}", fault.name()),
        Cause::Terminated { code, .. } => format!("Terminated {code}"),
        Cause::Refused { code, .. } => format!("Refused {code}"),
        Cause::TerminatedByUs { code } => format!("TerminatedByUs {code}"),
        Cause::NoRoom(full) => format!("NoRoom {full:?}"),
        other => other.name().to_owned(),
    }
}
