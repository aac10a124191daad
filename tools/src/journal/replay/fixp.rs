//! A fresh FIXP session on a journal of its own, led along a record.
//!
//! The same promise as of FIX: what the session of today sends over what was received is compared with what
//! is recorded, and what came from elsewhere is taken from the record and counted. Secrets are not in a
//! journal, so a logon of the client is signed anew before it is given to the session, and signatures are
//! not compared.
//!
//! Invariant: after each record of ours, the fresh session has sent exactly what is recorded up to there,
//! under the same UUID and number; the first record for which that is not so ends the comparison.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use pinfix::journal::{Journal, JournalConfig, Keeper, Kind, Location};
use pinfix::session::fixp::{
    Delivery, Frame, OnNotApplied, Origin, Phase, Replayed, Role, Session, Settings, Step, Unparked,
    Verdict, identity,
};
use pinfix::session::{Class, Credentials, Outbox as _, Part, ResetCause, SeriesOutbox as _, Text};
use pinfix::time::{Mono, Now, TimestampPrecision, Utc};
use pinfix::wire::sbe::ilink3::layout_of;
use tempfile::TempDir;

use super::Findings;
use super::records::{Event, Record, Records};
use crate::journal::places::Place;
use crate::journal::sbe::Shown;

const NEGOTIATE: u16 = 500;
const ESTABLISH: u16 = 503;
const SEQUENCE: u16 = 506;
const TERMINATE: u16 = 507;
const RETRANSMIT_REQUEST: u16 = 508;
const BUSINESS_REJECT: u16 = 521;

/// Where the root block of a frame begins.
const BLOCK: usize = 12;

/// HMACSignature(39005) in the block of a Negotiate or Establish.
const SIGNATURE: std::ops::Range<usize> = BLOCK..BLOCK + 32;

/// Frames that were written, for the socket to take; here nothing is left there for long.
const UNSENT_BYTES: usize = 64 * 1024 * 1024;

/// Signs here. What was signed with is in no journal.
const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether the comparison goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

/// Whether the records are of a FIXP session.
pub fn is_fixp(directory: &Path) -> anyhow::Result<bool> {
    let mut records = Records::open(directory)?;
    let is_frame = |record: &Record| !record.frame.is_empty() && record.kind != Kind::Reset;
    let first = records.find_ahead(|_| true, is_frame)?;
    Ok(first.is_some_and(|record| record.kind == Kind::Series || Frame::new(&record.frame).is_ok()))
}

/// The settings that the records show.
pub fn settings(place: &Place) -> anyhow::Result<Settings> {
    let mut records = Records::open(&place.directory)?;
    let mut found: Option<Settings> = None;
    while let Some(event) = records.next()? {
        let Event::Record(record) = event else {
            continue;
        };
        let Some(frame) = read(&record) else { continue };
        let is_ours = record.kind == Kind::Unnumbered;
        if let (Some(settings), Kind::Replay, true) = (&mut found, record.kind, is_business(&frame)) {
            if settings.role == Role::Initiator {
                settings.client.not_applied = OnNotApplied::Resend;
            }
            continue;
        }
        let Some(who) = identity(&frame) else {
            continue;
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let settings = match &mut found {
            Some(settings) => settings,
            None => {
                let role = match is_ours {
                    true => Role::Initiator,
                    false => Role::Acceptor,
                };
                let (session, firm) = (text(who.session), text(who.firm));
                let credentials = Credentials::new(&text(who.access_key_id), SECRET)?;
                let mut settings = Settings::new(role, &session, &firm, credentials);
                settings.gateway.keep_alive_min_ms = 1;
                settings.gateway.keep_alive_max_ms = 65_534;
                found.insert(settings)
            }
        };
        if is_ours {
            settings.schema_version = frame.version();
        }
        if is_ours && frame.template_id() == ESTABLISH {
            let field = |at: usize, length: usize| {
                let bytes = &record.frame[BLOCK + at..][..length];
                text(bytes).trim_end_matches('\0').to_owned()
            };
            settings.client.system_name = field(52, 30);
            settings.client.system_version = field(82, 10);
            settings.client.system_vendor = field(92, 10);
            settings.keep_alive_ms = u16::from_le_bytes(bytes_at(&record.frame, 130));
        }
    }
    let mut settings = found.with_context(|| {
        let place = place.directory.display();
        format!("{place} has no Negotiate or Establish that tells whose session it is")
    })?;
    if settings.role == Role::Acceptor {
        settings.schema_version = version_of_gateway(place)?.unwrap_or(settings.schema_version);
    }
    settings.check().context("the settings the journal shows")?;
    Ok(settings)
}

/// The version in which a gateway writes.
fn version_of_gateway(place: &Place) -> anyhow::Result<Option<u16>> {
    let mut records = Records::open(&place.directory)?;
    let found = records.find_ahead(|_| true, |record| record.kind == Kind::Unnumbered)?;
    Ok(found.and_then(read).map(|frame| frame.version()))
}

/// The settings, for people.
pub fn in_words(settings: &Settings) -> String {
    let role = match settings.role {
        Role::Initiator => "client",
        Role::Acceptor => "gateway",
    };
    let mut words = format!(
        "iLink 3 {role}, session {} of {}, schema {}",
        settings.session, settings.firm, settings.schema_version
    );
    if settings.role == Role::Initiator {
        let _ = write!(words, ", KeepAliveInterval {} ms", settings.keep_alive_ms);
        if settings.client.not_applied == OnNotApplied::Resend {
            words.push_str(", sends again what was not applied");
        }
    }
    words
}

fn read(record: &Record) -> Option<Frame<'_>> {
    Frame::new(&record.frame).ok()
}

fn is_business(frame: &Frame<'_>) -> bool {
    layout_of(frame.template_id()).is_some_and(|layout| layout.seq_num.is_some())
}

/// Bytes at an offset of the block; zeros if it is shorter.
fn bytes_at<const LEN: usize>(frame: &[u8], at: usize) -> [u8; LEN] {
    let bytes = frame.get(BLOCK + at..).and_then(|rest| rest.get(..LEN));
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .unwrap_or([0; LEN])
}

/// RequestTimestamp(39002) of what a session says by itself.
fn stamp_of(frame: &Frame<'_>) -> Option<u64> {
    let at = match frame.template_id() {
        NEGOTIATE => 60,
        ESTABLISH => 110,
        TERMINATE => 56,
        RETRANSMIT_REQUEST => 16,
        _ => return None,
    };
    Some(u64::from_le_bytes(bytes_at(frame.bytes(), at)))
}

pub struct Player {
    session: Session,
    outbox: Journal,
    /// Make and keep the files of `outbox`.
    _keeper: Keeper,
    _directory: TempDir,
    /// What the session has sent and the record has not been compared with yet.
    produced: VecDeque<Vec<u8>>,
    /// A message that the application has been given.
    pending: Option<Delivery>,
    begun: bool,
    received_last: Option<u64>,
    findings: Findings,
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
            produced: VecDeque::new(),
            pending: None,
            begun: false,
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
        if !self.begun {
            let begins = record
                .reset
                .is_some_and(|reset| reset.cause == ResetCause::Created);
            self.begun = begins;
            if !begins {
                let why =
                    "the journal does not begin with its first record: earlier segments were removed";
                return Ok(self.cut_short(why.to_owned()));
            }
            return Ok(Then::GoOn);
        }
        match record.kind {
            Kind::Reset => self.reset(record, records),
            Kind::Inbound => self.received(record, records),
            Kind::Application => self.application(record, records),
            Kind::Unnumbered => self.said(record, records),
            Kind::Replay => self.sent_again(record, records),
            // A note of the journal to itself.
            Kind::Series => Ok(Then::GoOn),
            Kind::Admin | Kind::Queued => Ok(self.cut_short("it is of a FIX session".to_owned())),
        }
    }

    /// Numbers, or a new series. Those that the session begins by itself show in what it sends.
    fn reset(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        let Some(reset) = record.reset else {
            return Ok(self.cut_short("a reset record cannot be understood".to_owned()));
        };
        let now = now(record.at);
        self.settle(now, None, records)?;
        let done = match reset.cause {
            ResetCause::Schedule if reset.begun.is_some_and(|begun| begun.id == 0) => {
                self.took("weeks that began");
                let was = self.session.phase();
                if was != Phase::Down {
                    self.session.disconnected(now, &mut self.outbox);
                }
                self.session.begin_week(now, reset.cause, &mut self.outbox)
            }
            ResetCause::SetNextOut => {
                self.took("numbers that were set");
                self.session
                    .set_next_out(now, reset.next_out, &mut self.outbox)
            }
            ResetCause::SetNextIn => {
                self.took("numbers that were set");
                self.session
                    .set_next_in(now, reset.next_in, &mut self.outbox)
            }
            _ => Ok(()),
        };
        if let Err(refusal) = done {
            return Ok(self.differs(record.at, &format!("numbers were set then; now: {refusal}")));
        }
        Ok(Then::GoOn)
    }

    fn received(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        let now = now(record.at);
        self.settle(now, None, records)?;
        if let Some(then) = self.left_over(record.at) {
            return Ok(then);
        }
        let Some(frame) = read(record) else {
            bail!("a recorded message cannot be taken apart");
        };
        let template = frame.template_id();
        let logs_on = matches!(template, NEGOTIATE | ESTABLISH);
        let gateway = self.session.settings().role == Role::Acceptor;
        if gateway && logs_on {
            let again = answers_with_terminate(records, &[4, 5, 6, 7])?;
            let goes_on = template == ESTABLISH && self.session.phase() == Phase::LogonSent;
            if !again && !goes_on {
                self.session.disconnected(now, &mut self.outbox);
            }
            self.session.block(answers_with_reject(records, 10)?);
            self.findings.logons += u64::from(template == ESTABLISH);
        }
        self.findings.received += 1;
        if record.seq > 0 {
            self.received_last = Some(record.seq);
        }
        let mut bytes = record.frame.clone();
        if gateway && logs_on {
            self.sign(template, &mut bytes);
        }
        let Ok(frame) = Frame::new(&bytes) else {
            bail!("a recorded message cannot be taken apart");
        };
        let step = self
            .session
            .receive(now, &frame, Origin::Wire, &mut self.outbox);
        self.follow(step)?;
        Ok(Then::GoOn)
    }

    /// Signs a client's logon with what the session verifies with here.
    fn sign(&self, template: u16, frame: &mut [u8]) {
        let text = |at: usize, length: usize| {
            let bytes = frame.get(BLOCK + at..).and_then(|rest| rest.get(..length));
            let bytes = bytes.unwrap_or_default();
            let end = bytes.iter().position(|byte| *byte == 0);
            bytes[..end.unwrap_or(bytes.len())].to_vec()
        };
        let number = |at: usize| Part::Number(u64::from_le_bytes(bytes_at(frame, at)));
        let credentials = &self.session.settings().credentials;
        let signature = if template == NEGOTIATE {
            let (session, firm) = (text(68, 3), text(71, 5));
            credentials.sign(&[
                number(60),
                number(52),
                Part::Text(&session),
                Part::Text(&firm),
            ])
        } else {
            let texts = [
                text(122, 3),
                text(125, 5),
                text(52, 30),
                text(82, 10),
                text(92, 10),
            ];
            let [session, firm, name, version, vendor] = texts.each_ref().map(|t| Part::Text(t));
            let next = u32::from_le_bytes(bytes_at(frame, 118));
            let interval = u16::from_le_bytes(bytes_at(frame, 130));
            credentials.sign(&[
                number(110),
                number(102),
                session,
                firm,
                name,
                version,
                vendor,
                Part::Number(next.into()),
                Part::Number(interval.into()),
            ])
        };
        if let Some(place) = frame.get_mut(SIGNATURE) {
            place.copy_from_slice(&signature);
        }
    }

    /// A business message of ours: the application's, unless the session has said it by itself.
    fn application(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        let now = now(record.at);
        let Some(frame) = read(record) else {
            bail!("a recorded message cannot be taken apart");
        };
        if frame.template_id() == BUSINESS_REJECT {
            self.settle(now, Some(record), records)?;
            if !self.produced.is_empty() {
                return Ok(self.compare(record));
            }
        }
        if let Some(then) = self.left_over(record.at) {
            return Ok(then);
        }
        let length = record.frame.len();
        let sent = self.session.send(
            now,
            length,
            |room| {
                room.copy_from_slice(&record.frame);
                Ok::<_, ()>(length)
            },
            &mut self.outbox,
        );
        let seq = match sent {
            Ok(sent) => sent.seq(),
            // One that is over by now took it then.
            Err(refusal) => {
                let name = name_of(record);
                return Ok(self.differs(record.at, &format!("{name} was sent then; now: {refusal}")));
            }
        };
        self.took("messages of the application");
        self.drain();
        if seq != Some(record.seq) {
            let seq = seq.unwrap_or_default();
            let (name, then) = (name_of(record), record.seq);
            return Ok(self.differs(
                record.at,
                &format!("{name} was sent as number {then}; now it is {seq}"),
            ));
        }
        match self.produced.pop_front() {
            // Numbered and not sent: there was no connection.
            None => Ok(Then::GoOn),
            Some(replayed) if is_same(&record.frame, &replayed) => Ok(Then::GoOn),
            Some(replayed) => Ok(self.differ(record, &replayed)),
        }
    }

    /// A message of the session layer.
    fn said(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        let Some(frame) = read(record) else {
            bail!("a recorded message cannot be taken apart");
        };
        self.settle(now(record.at), None, records)?;
        if self.produced.is_empty() {
            let template = frame.template_id();
            // What it says by itself has the time of its cycle as RequestTimestamp.
            let at = stamp_of(&frame).map_or(record.at, Utc);
            let client = self.session.settings().role == Role::Initiator;
            match template {
                NEGOTIATE | ESTABLISH if client => self.log_on(now(at), template)?,
                TERMINATE if self.session.phase() == Phase::Up => {
                    let code = u16::from_le_bytes(bytes_at(&record.frame, 64));
                    if code != 0 {
                        self.took("Terminates of the clock");
                        self.session.disconnected(now(at), &mut self.outbox);
                        return Ok(Then::GoOn);
                    }
                    self.took("Terminates that were asked for");
                    let reason = &record.frame[BLOCK..BLOCK + 48];
                    let end = reason.iter().position(|byte| *byte == 0).unwrap_or(48);
                    let reason = Text::lossy(&reason[..end]);
                    let step = self.session.logout(now(at), &reason, &mut self.outbox);
                    self.follow(step)?;
                }
                TERMINATE => {
                    self.took("Terminates of the clock");
                    self.session.disconnected(now(at), &mut self.outbox);
                    return Ok(Then::GoOn);
                }
                SEQUENCE => return self.take(record, "Sequences of the clock"),
                RETRANSMIT_REQUEST => return self.take(record, "repeated RetransmitRequests"),
                _ => {}
            }
        }
        Ok(self.compare(record))
    }

    /// A connection of a client stands.
    fn log_on(&mut self, now: Now, template: u16) -> anyhow::Result<()> {
        self.session.disconnected(now, &mut self.outbox);
        if template == ESTABLISH && self.session.will_negotiate(&self.outbox) {
            // It was to negotiate, and its process was started anew before: that is in no journal.
            self.took("starts of the process");
            self.session = Session::new(self.session.settings().clone())?;
        }
        if template == NEGOTIATE && !self.session.will_negotiate(&self.outbox) {
            self.took("new UUIDs that were asked for");
            if let Err(refusal) = self.session.renew(ResetCause::Operator) {
                bail!("a new UUID: {refusal}");
            }
        }
        self.session.resume();
        self.findings.logons += 1;
        let step = self.session.connected(now, &mut self.outbox);
        self.follow(step)
    }

    fn sent_again(&mut self, record: &Record, records: &mut Records) -> anyhow::Result<Then> {
        let now = now(record.at);
        self.settle(now, None, records)?;
        while self.produced.is_empty() {
            let replayed = self.session.replay(now, 1, &mut self.outbox);
            self.drain();
            if replayed != Replayed::More {
                break;
            }
        }
        Ok(self.compare(record))
    }

    /// Compares the record with what was sent next.
    fn compare(&mut self, record: &Record) -> Then {
        let Some(replayed) = self.produced.pop_front() else {
            let text = format!("only recorded  {}", in_full(&record.frame));
            return self.differs(record.at, &text);
        };
        if !is_same(&record.frame, &replayed) {
            return self.differ(record, &replayed);
        }
        let name = match record.kind {
            Kind::Replay => "sent again".to_owned(),
            _ => name_of(record),
        };
        *self.findings.reproduced.entry(name).or_default() += 1;
        Then::GoOn
    }

    /// What the session has sent and nothing in the record is.
    fn left_over(&mut self, at: Utc) -> Option<Then> {
        let frame = self.produced.pop_front()?;
        Some(self.differs(at, &format!("only replayed  {}", in_full(&frame))))
    }

    /// Lets the session have said what the record has.
    fn take(&mut self, record: &Record, what: &'static str) -> anyhow::Result<Then> {
        self.outbox.poll();
        let length = record.frame.len();
        match self.outbox.claim(Class::Control, length) {
            Ok(room) => room.copy_from_slice(&record.frame),
            Err(full) => bail!("no room in the journal of the replay: {full:?}"),
        }
        self.outbox.commit_unnumbered(0..length, record.at);
        let unsent = self.outbox.unsent_len();
        self.outbox.mark_sent(unsent);
        self.took(what);
        Ok(Then::GoOn)
    }

    /// Does what the session asks for.
    fn follow(&mut self, step: Step) -> anyhow::Result<()> {
        match step {
            Step::Retry(full) => bail!("no room in the journal of the replay: {full:?}"),
            Step::Deliver(delivery) => self.pending = Some(delivery),
            _ => {}
        }
        self.drain();
        Ok(())
    }

    /// The application is done with what it was given, and what waited behind a gap follows. `record` is
    /// a BusinessReject that is about to be compared.
    fn settle(&mut self, now: Now, record: Option<&Record>, _: &mut Records) -> anyhow::Result<()> {
        loop {
            if let Some(delivery) = self.pending.take() {
                let verdict = record
                    .and_then(|record| verdict(&record.frame, delivery.seq))
                    .unwrap_or(Verdict::Accept);
                if verdict != Verdict::Accept {
                    self.took("verdicts of the application");
                }
                let step = self.session.delivered(now, verdict, &mut self.outbox);
                self.follow(step)?;
                continue;
            }
            match self.session.next_parked(now, &mut self.outbox) {
                Unparked::Nothing | Unparked::Close(_) => break,
                Unparked::Message(at) => {
                    let Some(bytes) = self.outbox.inbound(at).map(<[u8]>::to_vec) else {
                        bail!("a message that waited behind a gap is not there");
                    };
                    let Ok(frame) = Frame::new(&bytes) else {
                        bail!("a message that waited behind a gap cannot be taken apart");
                    };
                    let step = self
                        .session
                        .receive(now, &frame, Origin::Parked, &mut self.outbox);
                    self.follow(step)?;
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

    fn took(&mut self, what: &'static str) {
        *self.findings.taken.entry(what).or_default() += 1;
    }

    fn differ(&mut self, record: &Record, replayed: &[u8]) -> Then {
        let text = format!(
            "recorded  {}\n                   replayed  {}",
            in_full(&record.frame),
            in_full(replayed)
        );
        self.differs(record.at, &text)
    }

    fn differs(&mut self, at: Utc, what: &str) -> Then {
        let mut text = format!("at {}", at.to_fix(TimestampPrecision::Nanos));
        if let Some(after) = self.received_last {
            let _ = write!(text, ", after number {after} was received");
        }
        let _ = write!(text, "\n                   {what}");
        self.findings.difference = Some(text);
        Then::Stop
    }

    fn cut_short(&mut self, why: String) -> Then {
        self.findings.cut_short = Some(why);
        Then::Stop
    }
}

/// Whether a message that is looked for is the first that was said before the next was received.
fn answer(records: &mut Records, is_it: impl Fn(&Frame<'_>) -> bool) -> anyhow::Result<bool> {
    let goes_on = |record: &Record| !matches!(record.kind, Kind::Inbound | Kind::Unnumbered);
    let found = records.find_ahead(goes_on, |record| record.kind == Kind::Unnumbered)?;
    Ok(found.and_then(read).is_some_and(|frame| is_it(&frame)))
}

/// Whether the answer is a Terminate with one of these codes.
fn answers_with_terminate(records: &mut Records, codes: &[u16]) -> anyhow::Result<bool> {
    answer(records, |frame| {
        let code = u16::from_le_bytes(bytes_at(frame.bytes(), 64));
        frame.template_id() == TERMINATE && codes.contains(&code)
    })
}

/// Whether the answer is a NegotiationReject or EstablishmentReject with this code.
fn answers_with_reject(records: &mut Records, code: u16) -> anyhow::Result<bool> {
    answer(records, |frame| {
        let at = match frame.template_id() {
            502 => 64,
            505 => 68,
            _ => return false,
        };
        u16::from_le_bytes(bytes_at(frame.bytes(), at)) == code
    })
}

/// The verdict of the application that led to this BusinessReject, if it is about number `seq`.
fn verdict(frame: &[u8], seq: u64) -> Option<Verdict> {
    if u64::from(u32::from_le_bytes(bytes_at(frame, 317))) != seq {
        return None;
    }
    let text: [u8; 256] = bytes_at(frame, 12);
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(256);
    Some(Verdict::BusinessReject {
        reason: u16::from_le_bytes(bytes_at(frame, 323)),
        text: Text::lossy(&text[..end]),
    })
}

/// Whether two frames are the same but for the signature and SendingTimeEpoch.
fn is_same(recorded: &[u8], replayed: &[u8]) -> bool {
    let comparable = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let template = Frame::new(&bytes).ok().map(|frame| frame.template_id());
        let time = template
            .and_then(layout_of)
            .and_then(|layout| layout.sending_time_epoch)
            .map(|at| BLOCK + usize::from(at));
        let ranges = [
            matches!(template, Some(NEGOTIATE | ESTABLISH)).then_some(SIGNATURE),
            time.map(|at| at..at + 8),
        ];
        for range in ranges.into_iter().flatten() {
            if let Some(bytes) = bytes.get_mut(range) {
                bytes.fill(0);
            }
        }
        bytes
    };
    comparable(recorded) == comparable(replayed)
}

/// A frame in words, without secrets.
fn in_full(bytes: &[u8]) -> String {
    Shown::read(bytes).map_or_else(
        || format!("{} bytes that are no frame", bytes.len()),
        |shown| shown.to_string(),
    )
}

fn name_of(record: &Record) -> String {
    let layout = read(record).and_then(|frame| layout_of(frame.template_id()));
    layout.map_or("unreadable", |layout| layout.name).to_owned()
}

/// The clock of the replay.
fn now(at: Utc) -> Now {
    Now {
        mono: Mono(at.0),
        utc: at,
    }
}
