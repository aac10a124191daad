//! A fresh session on a journal of its own, led along a record.
//!
//! Invariant: after each record of ours, the fresh session has sent exactly what is recorded up to
//! there, under the same numbers; the first record for which that is not so ends the comparison.

use std::collections::VecDeque;
use std::path::Path;

use anyhow::{Context as _, bail};
use pinfix::journal::{Journal, JournalConfig, Keeper, Kind, Location};
use pinfix::session::fix::{
    Admission, Delivery, Origin, Phase, Replayed, Role, Session, Settings, Step, Unparked, Verdict,
};
use pinfix::session::{Class, Farewell, Outbox as _, ResetCause, SessionStatus, Text};
use pinfix::time::{Mono, Now, Utc};
use pinfix::wire::fix::{FieldIndex, Message, msg_type, tag};
use tempfile::TempDir;

use super::super::filter::FIELDS_MAX;
use super::Findings;
use super::compare::{self, Difference, DifferenceKind};
use super::records::{Event, Record, Records};

/// Frames that were written, for the socket to take; here nothing is left there for long.
const UNSENT_BYTES: usize = 64 * 1024 * 1024;

pub struct Player {
    session: Session,
    outbox: Journal,
    /// Make and keep the files of `outbox`.
    _keeper: Keeper,
    _directory: TempDir,
    index: FieldIndex,
    /// What the session has sent and the record has not been compared with yet.
    produced: VecDeque<Vec<u8>>,
    /// A message that the application has been given.
    pending: Option<Pending>,
    /// Whether the numbers are those of the record.
    numbers_known: bool,
    received_last: Option<u64>,
    findings: Findings,
}

struct Pending {
    frame: Vec<u8>,
    delivery: Delivery,
}

/// Whether the comparison goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

impl Player {
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("pinfix-replay-")
            .tempdir()
            .context("making a temporary directory")?;
        let keeper = Keeper::inline();
        let config = JournalConfig {
            location: Location::Directory(directory.path().join("journal")),
            identity: settings.id.to_string(),
            unsent_limit_bytes: UNSENT_BYTES,
            ..JournalConfig::default()
        };
        let (outbox, _) = Journal::open(config, &keeper, Utc(0))?;
        Ok(Self {
            session: Session::new(settings)?,
            outbox,
            _keeper: keeper,
            _directory: directory,
            index: FieldIndex::with_capacity(FIELDS_MAX),
            produced: VecDeque::new(),
            pending: None,
            numbers_known: false,
            received_last: None,
            findings: Findings::default(),
        })
    }

    /// Goes along the journal in `directory`.
    pub fn play(mut self, directory: &Path) -> anyhow::Result<Findings> {
        let mut records = Records::open(directory)?;
        let mut last = Utc(0);
        while let Some(event) = records.next()? {
            let then = match event {
                Event::Record(record) => {
                    last = record.at;
                    self.record(&record, &mut records)?
                }
                Event::Trouble(why) => self.cut_short(why),
            };
            if then == Then::Stop {
                return Ok(self.findings);
            }
        }
        // What the last message led to may not have been written before the end.
        self.settle(now(last), None, &mut records)?;
        Ok(self.findings)
    }

    fn record(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        match record.kind {
            Kind::Reset => self.reset(record, records),
            Kind::Inbound => self.received(record, records),
            Kind::Application | Kind::Admin => self.sent(record, records),
            Kind::Replay => self.sent_again(record, records),
            // It has no number yet; it is sent under one later.
            Kind::Queued => Ok(Then::GoOn),
            Kind::Unnumbered | Kind::Series => Ok(self.cut_short("it is of a FIXP session".to_owned())),
        }
    }

    /// A new series. Those that the session makes by itself show in the numbers of what it sends.
    fn reset(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        let Some(reset) = record.reset else {
            return Ok(self.cut_short("a reset record cannot be understood".to_owned()));
        };
        let now = now(record.at);
        self.settle(now, None, records)?;
        match reset.cause {
            ResetCause::Created | ResetCause::Operator | ResetCause::Schedule => {
                if reset.cause != ResetCause::Created {
                    self.took("resets by operator or schedule");
                }
                self.set_numbers(now, reset.next_out, reset.next_in)?;
            }
            ResetCause::ResetOnLogout | ResetCause::ResetOnDisconnect => {
                self.session.disconnected(now, &mut self.outbox);
            }
            ResetCause::SetNextOut | ResetCause::SetNextIn | ResetCause::SequenceReset => {
                self.took("numbers that were set");
                let next_out = reset.next_out.max(self.outbox.next_out());
                let next_in = reset.next_in.max(self.outbox.next_in());
                if self.numbers_known
                    && let Err(full) = self
                        .outbox
                        .renumber(next_out, next_in, reset.cause, now.utc)
                {
                    bail!("no room in the journal of the replay: {full:?}");
                }
            }
            ResetCause::ResetSeqNumFlag
            | ResetCause::ResetOnLogon
            | ResetCause::InSession
            | ResetCause::Negotiated => {}
        }
        Ok(Then::GoOn)
    }

    fn received(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        let now = now(record.at);
        self.settle(now, None, records)?;
        if let Some(frame) = self.produced.pop_front() {
            return Ok(self.differs(record.at, DifferenceKind::OnlyReplayed(frame)));
        }
        let is_logon = self.is_type(&record.frame, msg_type::LOGON);
        let begins = is_logon && self.session.settings().role == Role::Acceptor;
        if begins {
            // A Logon that asks for a reset while logged on may be of the same connection: the session
            // answers it as it would in a new one.
            let asks_reset = self.has(&record.frame, tag::RESET_SEQ_NUM_FLAG, b"Y");
            if self.session.phase() != Phase::Up || !asks_reset {
                self.session.disconnected(now, &mut self.outbox);
            }
            self.findings.logons += 1;
            if !self.numbers_known {
                let first = records.find_ahead(|_| true, Record::is_out)?;
                let next_out = first.map_or(1, |first| first.seq);
                self.set_numbers(now, next_out, record.seq)?;
            }
        }
        if !self.numbers_known {
            self.findings.passed_over += 1;
            return Ok(Then::GoOn);
        }
        self.findings.received += 1;
        self.received_last = Some(record.seq);
        self.receive(now, &record.frame, Origin::Wire, records)?;
        Ok(Then::GoOn)
    }

    fn sent(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        let now = now(record.at);
        let is = |player: &mut Self, msg_type| player.is_type(&record.frame, msg_type);
        let is_logon = is(self, msg_type::LOGON);
        if !self.numbers_known {
            if !is_logon || self.session.settings().role == Role::Acceptor {
                self.findings.passed_over += 1;
                return Ok(Then::GoOn);
            }
            let first = records.find_ahead(|_| true, |ahead| ahead.kind == Kind::Inbound)?;
            let next_in = first.map_or(1, |first| first.seq);
            self.set_numbers(now, record.seq, next_in)?;
        }
        let is_verdict = is(self, msg_type::BUSINESS_MESSAGE_REJECT) && self.pending.is_some();
        if record.kind == Kind::Application && !is_verdict {
            if let Some(frame) = self.produced.front().cloned() {
                let recorded = record.frame.clone();
                let kind = DifferenceKind::Frames {
                    recorded,
                    replayed: frame,
                };
                return Ok(self.differs(record.at, kind));
            }
            return self.take(record, "application messages");
        }
        self.settle(now, Some(record), records)?;
        if self.produced.is_empty()
            && let Some(what) = self.provoke(now, record, is_logon, records)?
        {
            return self.take(record, what);
        }
        Ok(self.compare(record))
    }

    /// What went out without a message that led to it: has the session do it where it can be told to.
    /// Answers what it is if it is to be taken from the record.
    fn provoke(
        &mut self,
        now: Now,
        record: &Record,
        is_logon: bool,
        records: &mut Records,
    ) -> anyhow::Result<Option<&'static str>> {
        let role = self.session.settings().role;
        let mut index = FieldIndex::with_capacity(FIELDS_MAX);
        let Ok(message) = index.read(&record.frame) else {
            return Ok(None);
        };
        match message.msg_type() {
            _ if is_logon && role == Role::Initiator => {
                self.session.disconnected(now, &mut self.outbox);
                self.findings.logons += 1;
                let step = self.session.connected(now, &mut self.outbox);
                self.follow(now, step, &[], records)?;
                Ok(None)
            }
            msg_type::LOGOUT if self.session.phase() == Phase::Up => {
                let text = Text::lossy(message.get(tag::TEXT).unwrap_or_default());
                let step = self.session.logout(now, &text, &mut self.outbox);
                self.follow(now, step, &[], records)?;
                self.took("Logouts that were asked for");
                Ok(None)
            }
            msg_type::HEARTBEAT if message.get(tag::TEST_REQ_ID).is_none() => {
                Ok(Some("heartbeats of the clock"))
            }
            msg_type::SEQUENCE_RESET => Ok(Some("sequence resets that were asked for")),
            msg_type::TEST_REQUEST => Ok(Some("test requests")),
            msg_type::RESEND_REQUEST => Ok(Some("repeated resend requests")),
            _ => Ok(None),
        }
    }

    fn sent_again(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        if !self.numbers_known {
            self.findings.passed_over += 1;
            return Ok(Then::GoOn);
        }
        let now = now(record.at);
        self.settle(now, None, records)?;
        let mut index = FieldIndex::with_capacity(FIELDS_MAX);
        while self.produced.is_empty() {
            let replayed = self
                .session
                .replay(now, 1, &mut index, &mut (), &mut self.outbox);
            self.drain();
            if replayed != Replayed::More {
                break;
            }
        }
        Ok(self.compare(record))
    }

    /// Compares the record with what was sent next.
    fn compare(&mut self, record: &Record) -> Then {
        let recorded = record.frame.clone();
        let Some(replayed) = self.produced.pop_front() else {
            return self.differs(record.at, DifferenceKind::OnlyRecorded(recorded));
        };
        if !compare::is_same(&recorded, &replayed) {
            let kind = DifferenceKind::Frames { recorded, replayed };
            return self.differs(record.at, kind);
        }
        let name = match self.index.read(&recorded) {
            Ok(message) => name_of(message.msg_type(), record.kind),
            Err(_) => "unreadable".to_owned(),
        };
        *self.findings.reproduced.entry(name).or_default() += 1;
        Then::GoOn
    }

    /// Lets the session have sent what the record has.
    fn take(&mut self, record: &Record, what: &'static str) -> anyhow::Result<Then> {
        let next = self.outbox.next_out();
        if record.seq != next {
            let kind = DifferenceKind::Number {
                recorded: record.seq,
                next,
                frame: record.frame.clone(),
            };
            return Ok(self.differs(record.at, kind));
        }
        let (class, is_admin) = match record.kind {
            Kind::Admin => (Class::Control, true),
            _ => (Class::Application, false),
        };
        self.outbox.poll();
        let length = record.frame.len();
        match self.outbox.claim(class, length) {
            Ok(room) => room.copy_from_slice(&record.frame),
            Err(full) => bail!("no room in the journal of the replay: {full:?}"),
        }
        self.outbox
            .commit(0..length, is_admin, record.masked, record.at);
        let unsent = self.outbox.unsent_len();
        self.outbox.mark_sent(unsent);
        self.took(what);
        Ok(Then::GoOn)
    }

    fn receive(
        &mut self,
        now: Now,
        frame: &[u8],
        origin: Origin,
        records: &mut Records,
    ) -> anyhow::Result<()> {
        let Ok(message) = self.index.read(frame) else {
            bail!("a recorded message cannot be taken apart");
        };
        let step = self
            .session
            .receive(now, &message, origin, &mut self.outbox);
        self.follow(now, step, frame, records)
    }

    /// Does what the session asks for, with the answers that the record has.
    fn follow(
        &mut self,
        now: Now,
        mut step: Step,
        frame: &[u8],
        records: &mut Records,
    ) -> anyhow::Result<()> {
        loop {
            step = match step {
                // Here a Logon is decided over at once.
                Step::Undecided => bail!("a message was held up by a Logon that is undecided"),
                Step::Retry(full) => bail!("no room in the journal of the replay: {full:?}"),
                Step::Authenticate => {
                    let admission = admission(records)?;
                    if matches!(admission, Admission::Refuse(_)) {
                        *self
                            .findings
                            .taken
                            .entry("refusals of a Logon")
                            .or_default() += 1;
                    }
                    self.session.admit(now, admission, &mut self.outbox)
                }
                Step::Deliver(delivery) => {
                    self.pending = Some(Pending {
                        frame: frame.to_vec(),
                        delivery,
                    });
                    break;
                }
                Step::LoggedOn | Step::Reset(_) | Step::PeerRejected => Step::Done,
                Step::Done | Step::Close(_) | Step::CloseAfterFlush(_) => break,
            };
        }
        self.drain();
        Ok(())
    }

    /// The application is done with what it was given, and what waited behind a gap follows. `record`
    /// is the one that is about to be compared.
    fn settle(
        &mut self,
        now: Now,
        record: Option<&Record>,
        records: &mut Records,
    ) -> anyhow::Result<()> {
        loop {
            if let Some(Pending { frame, delivery }) = self.pending.take() {
                let verdict = verdict(delivery.seq, record, records)?;
                if verdict != Verdict::Accept {
                    self.took("verdicts of the application");
                }
                let Ok(message) = self.index.read(&frame) else {
                    bail!("a recorded message cannot be taken apart");
                };
                let step = self
                    .session
                    .delivered(now, &message, verdict, &mut self.outbox);
                self.follow(now, step, &frame, records)?;
                continue;
            }
            match self.session.next_parked(now, &mut self.outbox) {
                Unparked::Nothing | Unparked::Close(_) => break,
                Unparked::Message(at) => {
                    let Some(frame) = self.outbox.inbound(at).map(<[u8]>::to_vec) else {
                        bail!("a message that waited behind a gap is not there");
                    };
                    self.receive(now, &frame, Origin::Parked, records)?;
                }
            }
        }
        self.drain();
        Ok(())
    }

    /// Collects what the session has sent.
    fn drain(&mut self) {
        self.outbox.poll();
        while let Some(unsent) = self.outbox.unsent() {
            let frame = unsent.bytes.to_vec();
            self.outbox.mark_sent(frame.len());
            self.produced.push_back(frame);
        }
    }

    fn set_numbers(&mut self, now: Now, next_out: u64, next_in: u64) -> anyhow::Result<()> {
        self.numbers_known = true;
        let reset = self
            .outbox
            .reset(next_out, next_in, ResetCause::Operator, now.utc);
        match reset {
            Ok(()) => Ok(()),
            Err(full) => bail!("no room in the journal of the replay: {full:?}"),
        }
    }

    fn took(&mut self, what: &'static str) {
        *self.findings.taken.entry(what).or_default() += 1;
    }

    fn differs(&mut self, at: Utc, kind: DifferenceKind) -> Then {
        let difference = Difference {
            at,
            after: self.received_last,
            kind,
        };
        self.findings.difference = Some(difference.to_string());
        Then::Stop
    }

    fn cut_short(&mut self, why: String) -> Then {
        self.findings.cut_short = Some(why);
        Then::Stop
    }

    fn is_type(&mut self, frame: &[u8], msg_type: &[u8]) -> bool {
        self.index
            .read(frame)
            .is_ok_and(|message| message.msg_type() == msg_type)
    }

    fn has(&mut self, frame: &[u8], tag: tag::Tag, value: &[u8]) -> bool {
        self.index
            .read(frame)
            .is_ok_and(|message| message.get(tag) == Some(value))
    }
}

/// Whether the Logon just received was let in, and with which SessionStatus(1409): a Logout as the answer
/// says no.
fn admission(records: &mut Records) -> anyhow::Result<Admission> {
    let goes_on = |record: &Record| record.kind != Kind::Inbound;
    let answer = records.find_ahead(goes_on, Record::is_out)?;
    let mut index = FieldIndex::with_capacity(FIELDS_MAX);
    let Some(Ok(answer)) = answer.map(|answer| index.read(&answer.frame)) else {
        return Ok(Admission::Admit);
    };
    let status = answer.uint(tag::SESSION_STATUS).ok();
    let status = status.and_then(|status| u32::try_from(status).ok());
    let status = status.map(SessionStatus);
    Ok(if answer.msg_type() == msg_type::LOGOUT {
        let text = Text::lossy(answer.get(tag::TEXT).unwrap_or_default());
        Admission::Refuse(Farewell { text, status })
    } else {
        // Which our session would not send unless its application says so.
        status.map_or(Admission::Admit, Admission::AdmitWith)
    })
}

/// What the application said to the message of number `seq`: a rejection of it tells, in this record or in
/// those up to the next message.
fn verdict(seq: u64, record: Option<&Record>, records: &mut Records) -> anyhow::Result<Verdict> {
    let rejects = |record: &Record| record.is_out() && rejection(&record.frame, seq).is_some();
    if let Some(record) = record.filter(|record| rejects(record)) {
        return Ok(rejection(&record.frame, seq).unwrap_or(Verdict::Accept));
    }
    if record.is_none() {
        return Ok(Verdict::Accept);
    }
    let goes_on = |record: &Record| record.kind != Kind::Inbound;
    let found = records.find_ahead(goes_on, rejects)?;
    Ok(found
        .and_then(|record| rejection(&record.frame, seq))
        .unwrap_or(Verdict::Accept))
}

/// The verdict that leads to this frame, if it rejects the message of number `seq`.
fn rejection(frame: &[u8], seq: u64) -> Option<Verdict> {
    let mut index = FieldIndex::with_capacity(FIELDS_MAX);
    let message: Message<'_> = index.read(frame).ok()?;
    let text = Text::lossy(message.get(tag::TEXT).unwrap_or_default());
    let number = |tag| {
        let value = message.uint(tag).ok();
        value.and_then(|value| u16::try_from(value).ok())
    };
    if message.uint(tag::REF_SEQ_NUM).ok() != Some(seq) {
        return None;
    }
    match message.msg_type() {
        msg_type::REJECT => Some(Verdict::Reject {
            reason: number(tag::SESSION_REJECT_REASON).unwrap_or_default(),
            ref_tag: number(tag::REF_TAG_ID).map_or(0, tag::Tag::from),
            text,
        }),
        msg_type::BUSINESS_MESSAGE_REJECT => Some(Verdict::BusinessReject {
            reason: number(tag::BUSINESS_REJECT_REASON).unwrap_or_default(),
            text,
        }),
        _ => None,
    }
}

fn name_of(msg_type: &[u8], kind: Kind) -> String {
    let name = match msg_type {
        msg_type::HEARTBEAT => "Heartbeat",
        msg_type::TEST_REQUEST => "TestRequest",
        msg_type::RESEND_REQUEST => "ResendRequest",
        msg_type::REJECT => "Reject",
        msg_type::SEQUENCE_RESET => "SequenceReset",
        msg_type::LOGOUT => "Logout",
        msg_type::LOGON => "Logon",
        msg_type::BUSINESS_MESSAGE_REJECT => "BusinessMessageReject",
        _ if kind == Kind::Replay => "sent again",
        other => return String::from_utf8_lossy(other).into_owned(),
    };
    name.to_owned()
}

/// The clock of the replay.
fn now(at: Utc) -> Now {
    Now {
        mono: Mono(at.0),
        utc: at,
    }
}
