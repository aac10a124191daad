//! `pinfix exchange --venue ilink3`: a gateway of CME iLink 3, to rehearse with.
//!
//! The sessions are those of the accounts. The session layer verifies, numbers and retransmits, and does
//! wrong what the script says; what trades behind it is the market.

mod market;
mod rules;
mod script;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use pinfix::admin::Operation;
use pinfix::engine::{
    Application, Clock, Engine, Event, FixpSessionConfig, Inbound, Listen, Outbound, Run, SbeInbound,
    SessionHandle, Stopper,
};
use pinfix::session::fixp::{On, Role, Verdict};
use pinfix::session::schedule::Schedule;
use pinfix::session::{Cause, Credentials, Refusal, fix};
use pinfix::time::Mono;
use pinfix::venue::FixpProfile;
use serde::Deserialize;

use self::market::Market;
use self::rules::Rules;
use self::script::{Action, Script, When};
use super::rehearsal::{accounts, play};
use super::{ADDRESS, Terms};
use crate::bulletin::Bulletin;
use crate::config;
use crate::hosting;
use crate::news;

/// What an account cannot do without.
const KEYS: &str = "session, firm, access_key_id and secret_key";

/// A client of the gateway. Not to be debugged: it holds a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Session, 1 to 3 characters.
    pub session: String,
    /// Firm, 1 to 5 characters.
    pub firm: String,
    access_key_id: String,
    secret_key: String,
    /// The version of the schema that is written to it.
    schema_version: Option<u16>,
    /// The shortest KeepAliveInterval it may ask for; 5 s as at the exchange.
    keep_alive_min: Option<String>,
    /// What the texts of the exchange leave open.
    #[serde(default)]
    gateway: Rules,
}

impl Account {
    /// The accounts in a file.
    ///
    /// # Errors
    /// Names the file and the line, and no value.
    pub fn read(path: &Path) -> anyhow::Result<Vec<Self>> {
        accounts::read(path, KEYS)
    }

    /// What both sides sign with.
    ///
    /// # Errors
    /// What is wrong with the access key or the secret, without saying it.
    pub fn credentials(&self) -> anyhow::Result<Credentials> {
        Ok(Credentials::new(&self.access_key_id, &self.secret_key)?)
    }

    fn config(
        &self,
        profile: &FixpProfile,
        ports: Ports,
        journals: Option<&Path>,
    ) -> anyhow::Result<FixpSessionConfig> {
        let credentials = self.credentials()?;
        let (session, firm) = (&self.session, &self.firm);
        let mut config =
            FixpSessionConfig::at_venue(profile, Role::Acceptor, session, firm, credentials)?;
        // One rehearses at the weekend as well.
        config.schedule = Schedule::non_stop();
        config.accept_backup = ports.backup.is_some();
        if let Some(version) = self.schema_version {
            config.settings.schema_version = version;
        }
        if let Some(text) = &self.keep_alive_min {
            let span = config::span(text).and_then(|span| u16::try_from(span.as_millis()).ok());
            config.settings.gateway.keep_alive_min_ms =
                span.context("keep_alive_min: expected a time of up to 60s, such as 500ms")?;
        }
        self.gateway.apply(&mut config.settings.gateway)?;
        Ok(match journals {
            Some(base) => config.journal_below(base),
            None => {
                config.journal.retention = hosting::forgetful();
                config
            }
        })
    }
}

/// Where the gateway listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// For primary connections, if not where every venue listens.
    pub primary: Option<SocketAddr>,
    /// For backup connections, which there are only then.
    pub backup: Option<SocketAddr>,
}

/// The gateway with its accounts and its script.
pub struct Gateway {
    profile: &'static FixpProfile,
    market: Market,
    bulletin: Bulletin,
    accounts: Vec<Account>,
    script: Script,
    seats: Vec<Seat>,
    /// What is to be done between two cycles.
    due: Vec<(SessionHandle, Action)>,
}

/// A session.
struct Seat {
    session: SessionHandle,
    name: String,
    /// The version of the schema that is written to it.
    version: u16,
    logons: u32,
    /// Business messages that came, those among them that the script answers.
    messages: u32,
    /// What is done at what time, while it is logged on.
    timed: Vec<(Mono, Action)>,
    /// It may log on again after a Terminate that the script had sent.
    release: bool,
}

impl Gateway {
    /// A gateway that has read its accounts and its script, and has no sessions yet.
    pub fn new(
        profile: &'static FixpProfile,
        terms: Terms,
        bulletin: Bulletin,
        accounts: &Path,
        script: Option<&Path>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            profile,
            market: Market::new(terms, Clock::new().now().utc),
            bulletin,
            accounts: Account::read(accounts)?,
            script: script.map(Script::read).transpose()?.unwrap_or_default(),
            seats: Vec::new(),
            due: Vec::new(),
        })
    }

    /// Listens at `ports` and adds the sessions. `journals` is the directory their journals are kept below.
    pub fn open(
        &mut self,
        engine: &mut Engine,
        ports: Ports,
        journals: Option<&Path>,
    ) -> anyhow::Result<()> {
        let now = Clock::new().now();
        let address = engine
            .listen_as(Listen::fixp(ports.primary.unwrap_or(ADDRESS)))
            .context("choose another address with --listen")?;
        let backup = ports.backup.map(|address| {
            engine
                .listen_as(Listen::fixp(address).backup())
                .context("choose another address with --backup")
        });
        let backup = backup.transpose()?;
        let accounts = std::mem::take(&mut self.accounts);
        let count = accounts.len();
        self.bulletin.say(format!(
            "listening on {address}, for iLink 3, sessions: {count}"
        ));
        if let Some(address) = backup {
            self.bulletin
                .say(format!("listening on {address}, for backup connections"));
        }
        for account in &accounts {
            let of = || format!("account {} of {}", account.session, account.firm);
            let config = account
                .config(self.profile, ports, journals)
                .with_context(of)?;
            let (name, version) = (
                config.settings.id.to_string(),
                config.settings.schema_version,
            );
            let (session, recovery) = engine.add_session(config, now)?;
            for damage in &recovery.damage {
                self.bulletin
                    .say(format!("the journal of {name} was mended: {damage}"));
            }
            let mut out = engine.outbound(now);
            for (on, answer) in self.script.in_turn() {
                out.script(session, on, answer).context("--script")?;
            }
            self.seats.push(Seat {
                session,
                name,
                version,
                logons: 0,
                messages: 0,
                timed: Vec::new(),
                release: false,
            });
            self.lay_down(session, &mut out).context("--script")?;
        }
        Ok(())
    }

    /// Runs until it is to stop, then ends every session with Terminate, code 0.
    pub fn run(&mut self, engine: &mut Engine, run: Run, stopper: &Stopper) {
        play(engine, self, run, stopper, Self::act_on_time);
        self.bulletin.say("stopped");
    }

    /// Does what is due. Answers how much that was.
    fn act_on_time(&mut self, engine: &mut Engine, clock: &mut Clock) -> usize {
        let now = clock.now();
        for seat in &mut self.seats {
            let session = seat.session;
            let is_due = |(at, _): &mut (Mono, Action)| now.mono >= *at;
            let due = seat.timed.extract_if(.., is_due);
            self.due.extend(due.map(|(_, action)| (session, action)));
        }
        let due = std::mem::take(&mut self.due);
        let work = due.len();
        for (session, action) in due {
            self.act(session, action, &mut engine.outbound(now));
        }
        work
    }

    fn act(&mut self, session: SessionHandle, action: Action, out: &mut Outbound<'_>) {
        let (what, done) = match action {
            Action::Gap(count) => ("keeps messages back", out.withhold(session, count)),
            Action::Logout(text) => ("ends the session", out.logout(session, text)),
            Action::Disconnect => ("cuts the connection", out.disconnect(session)),
            Action::FailOver => ("has the primary gateway fail", out.fail_over(session)),
        };
        if let Some(seat) = seat_of(&mut self.seats, session) {
            seat.release |= matches!(action, Action::Logout(_));
        }
        let name = self.name(session);
        self.bulletin.say(match done {
            Ok(()) => format!("{name}: the script {what}"),
            Err(refusal) => format!("{name}: the script could not: {refusal}"),
        });
    }

    /// Lays down the answers to the business messages that come next, up to the first that is answered as
    /// is right. The market does not see those.
    fn lay_down(&mut self, session: SessionHandle, out: &mut Outbound<'_>) -> Result<(), Refusal> {
        let Some(seat) = seat_of(&mut self.seats, session) else {
            return Ok(());
        };
        while let Some(answer) = self.script.answer(seat.messages + 1) {
            out.script(session, On::Business, answer)?;
            seat.messages += 1;
        }
        Ok(())
    }

    fn name(&self, session: SessionHandle) -> &str {
        let seat = self.seats.iter().find(|seat| seat.session == session);
        seat.map_or("a session", |seat| &seat.name)
    }
}

/// The seat of a session. Numbers of sessions have gaps: a backup connection has one as well.
fn seat_of(seats: &mut [Seat], session: SessionHandle) -> Option<&mut Seat> {
    seats.iter_mut().find(|seat| seat.session == session)
}

impl Application for Gateway {
    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        let uuid = out.uuid(session).unwrap_or_default();
        self.bulletin
            .say(format!("{} logged on, UUID {uuid}", self.name(session)));
        let now = out.now().mono;
        let Some(seat) = seat_of(&mut self.seats, session) else {
            return;
        };
        seat.logons += 1;
        let timed = self.script.timed();
        seat.timed = timed.map(|(after, action)| (now + after, action)).collect();
        let now_due = self.script.at(When::Logon(seat.logons));
        self.due.extend(now_due.map(|action| (session, action)));
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> fix::Verdict {
        // No session of this venue speaks FIX.
        fix::Verdict::Accept
    }

    fn on_sbe(&mut self, inbound: &SbeInbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let session = inbound.session;
        let Some(seat) = seat_of(&mut self.seats, session) else {
            return Verdict::Accept;
        };
        seat.messages += 1;
        let (nth, version) = (seat.messages, seat.version);
        let actions: Vec<_> = self.script.at(When::Message(nth)).collect();
        for action in actions {
            match action {
                // It begins with the answer to this message.
                Action::Gap(_) => self.act(session, action, out),
                action => self.due.push((session, action)),
            }
        }
        if let Err(refusal) = self.lay_down(session, out) {
            let name = self.name(session);
            self.bulletin
                .say(format!("{name}: the script could not go on: {refusal}"));
        }
        let answered = self.market.take(session, version, &inbound.frame, out);
        answered.unwrap_or_else(|refusal| {
            let name = self.name(session);
            self.bulletin
                .say(format!("{name}: an answer could not be sent: {refusal}"));
            market::unavailable()
        })
    }

    fn on_logout(&mut self, session: SessionHandle, cause: &Cause, out: &mut Outbound<'_>) {
        self.bulletin
            .say(format!("{} ended: {cause}", self.name(session)));
        let Some(seat) = seat_of(&mut self.seats, session) else {
            return;
        };
        seat.timed.clear();
        if std::mem::take(&mut seat.release)
            && let Err(refusal) = out.command(session, Operation::Release)
        {
            self.bulletin
                .say(format!("the script could not go on: {refusal}"));
        }
    }

    fn on_event(&mut self, event: &Event<'_>) {
        if let Some(text) = news::of_event(event, |session| self.name(session)) {
            self.bulletin.say(text);
        }
    }
}
