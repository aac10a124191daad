//! `pinfix exchange --venue`: the other side of a venue's documents, to rehearse a certification with.
//!
//! The sessions are those of the accounts, one for each service of the venue. What trades behind them
//! is the exchange; in front of it stand the credentials and the script. Without --venue there are no
//! credentials, and the script is for every session of the exchange.

pub mod accounts;
mod quotes;
pub mod script;
pub mod traders;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use pinfix::admin::Operation;
use pinfix::engine::{
    Application, Clock, Engine, Event, Inbound, Listen, Outbound, Run, SessionConfig, SessionHandle,
    Stopper, TlsServer,
};
use pinfix::session::fix::rules::Rules;
use pinfix::session::fix::{Admission, LogonField, Role, Verdict};
use pinfix::session::{Cause, Farewell, Refusal, SessionStatus, Text};
use pinfix::time::Mono;
use pinfix::venue::{Profile, Service};
use pinfix::wire::fix::{Message, Printable, msg_type, tag};

use self::accounts::{Account, Checked};
use self::script::{Action, Script, When};
use self::traders::{Outcome, Traders};
use super::UNSUPPORTED_TYPE;
use super::echo::BodyOrder;
use super::venue::Venue;
use crate::ending;
use crate::hosting::{self, NAP};

/// The ticket of Logons that are never decided over.
const NEVER: u64 = 0;

/// How long the sessions may take to log out at the end.
const LOGOUT_PATIENCE: Duration = Duration::from_secs(5);

/// The venue with its accounts and its script.
pub struct Rehearsal {
    /// `None` if it is the exchange without --venue.
    profile: Option<&'static Profile>,
    venue: Venue,
    accounts: Vec<Account>,
    script: Script,
    seats: Vec<Seat>,
    /// What is to be done between two cycles.
    due: Vec<(SessionHandle, Action)>,
}

/// A session.
struct Seat {
    session: SessionHandle,
    /// Whose it is.
    account: usize,
    logons: u32,
    orders: u32,
    /// Those of a session in multi-trader mode.
    traders: Option<Traders>,
    /// It asked for security definitions.
    definitions: bool,
    /// What is done at what time, while it is logged on.
    timed: Vec<(Mono, Action)>,
    /// It may log on again after a Logout that the script had sent.
    release: bool,
    /// Its numbers start anew when it has no connection.
    forget: bool,
}

/// The account of a session that needs none.
const NOBODY: usize = usize::MAX;

impl Seat {
    fn new(session: SessionHandle, account: usize) -> Self {
        Self {
            session,
            account,
            logons: 0,
            orders: 0,
            traders: None,
            definitions: false,
            timed: Vec::new(),
            release: false,
            forget: false,
        }
    }
}

/// Where an account is served.
struct Place {
    service: Service,
    address: SocketAddr,
}

impl Rehearsal {
    /// A venue that has read its accounts and its script, and has no sessions yet.
    pub fn new(
        profile: &'static Profile,
        mut venue: Venue,
        accounts: &Path,
        script: Option<&Path>,
    ) -> anyhow::Result<Self> {
        if quotes::are_of(profile) {
            venue.remember_prices();
        }
        let path = accounts;
        let accounts = accounts::read::<Account>(path, "comp_id and password")?;
        if traders::logon_type(profile).is_none()
            && let Some(account) = accounts.iter().find(|account| !account.trader.is_empty())
        {
            anyhow::bail!(
                "{}: account {} has traders, and venue {} has no logon of their own for them",
                path.display(),
                account.comp_id,
                profile.name
            );
        }
        Ok(Self {
            profile: Some(profile),
            venue,
            accounts,
            script: script.map(Script::read).transpose()?.unwrap_or_default(),
            seats: Vec::new(),
            due: Vec::new(),
        })
    }

    /// The exchange, whose sessions it has, with a script. Sessions get a seat when they first log on.
    ///
    /// # Errors
    /// Names the file, the line, and what would be right.
    pub fn of_exchange(venue: Venue, script: &Path) -> anyhow::Result<Self> {
        let parsed = Script::read(script)?;
        anyhow::ensure!(
            parsed.version.is_none(),
            "{}: default_appl_ver_id is for a --venue; here a session says what version it is of",
            script.display()
        );
        Ok(Self {
            profile: None,
            venue,
            accounts: Vec::new(),
            script: parsed,
            seats: Vec::new(),
            due: Vec::new(),
        })
    }

    /// Listens where the venue does, at `address` if one is given, and adds the sessions. `journals` is
    /// the directory their journals are kept below.
    pub fn open(
        &mut self,
        engine: &mut Engine,
        address: Option<SocketAddr>,
        tls: Option<TlsServer>,
        journals: Option<&Path>,
    ) -> anyhow::Result<()> {
        let Some(profile) = self.profile else {
            return Ok(());
        };
        let now = Clock::new().now();
        for place in listen(profile, engine, address, tls.as_ref())? {
            self.venue.say(format!(
                "listening on {}, for {} in {}",
                place.address, place.service.name, place.service.rules.name
            ));
            for at in 0..self.accounts.len() {
                let config = self.config(profile, &place, at, journals)?;
                let settings = &config.settings;
                let (id, rules) = (settings.id.clone(), settings.rules);
                let (session, _) = engine.add_session(config, now)?;
                self.venue.serve(&id, rules, BodyOrder::Received);
                self.seats.push(Seat::new(session, at));
            }
        }
        Ok(())
    }

    fn config(
        &self,
        profile: &'static Profile,
        place: &Place,
        account: usize,
        journals: Option<&Path>,
    ) -> anyhow::Result<SessionConfig> {
        let account = &self.accounts[account];
        let ours = account
            .venue_comp_id
            .as_deref()
            .or(profile.comp_id)
            .with_context(|| {
                format!(
                    "account {}: venue_comp_id is missing, and venue {} has not the same for everybody",
                    account.comp_id, profile.name
                )
            })?;
        let rules = self.spoken(place.service.rules);
        let theirs = &account.comp_id;
        let mut config = SessionConfig::at_venue(profile, rules, Role::Acceptor, ours, theirs);
        config.use_service(&place.service, None);
        config.connect.destinations.clear();
        config.accept.port = Some(place.address.port());
        let settings = &mut config.settings;
        if rules != place.service.rules {
            // What the client says is taken; it is answered with something else.
            settings
                .logon
                .appl_versions
                .push(place.service.rules.appl_version);
        }
        let name = account.username.as_ref();
        let answers = name.map(|name| (tag::USERNAME, name.as_str()));
        let answers = answers.into_iter().filter(|_| !profile.answers.is_empty());
        for (tag, value) in answers.chain(profile.answers.iter().copied()) {
            settings.logon_fields.push(LogonField {
                tag,
                value: value.to_owned(),
            });
        }
        Ok(match journals {
            Some(base) => config.journal_below(base),
            None => {
                config.journal.retention = hosting::forgetful();
                config
            }
        })
    }

    /// The version that is spoken where `rules` are documented.
    fn spoken(&self, rules: &'static Rules) -> &'static Rules {
        let scripted = self.script.version;
        scripted
            .filter(|_| rules.default_appl_ver_id.is_some())
            .unwrap_or(rules)
    }

    /// Runs until it is to stop, then logs everybody out.
    pub fn run(&mut self, engine: &mut Engine, run: Run, stopper: &Stopper) {
        play(engine, self, run, stopper, Self::act_on_time);
        self.venue.say("stopped".to_owned());
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
            self.act(engine, clock, session, action);
        }
        work
    }

    fn act(&mut self, engine: &mut Engine, clock: &mut Clock, session: SessionHandle, action: Action) {
        let next = engine.next_numbers(session).map_or(1, |(out, _)| out);
        let mut out = engine.outbound(clock.now());
        let name = out.id(session).map(ToString::to_string).unwrap_or_default();
        let (what, done) = match action {
            // Answered where they came.
            Action::Refuse(_) | Action::Reject(..) => return,
            Action::Lose(count) => ("loses messages", out.withhold(session, count)),
            Action::Drop => ("drops the connection", out.disconnect(session)),
            Action::Disconnect => ("cuts the connection", out.disconnect(session)),
            Action::Logout(text) => ("logs out", out.logout(session, text)),
            Action::Gap(left_out) => (
                "leaves numbers out",
                out.command(
                    session,
                    Operation::SetNextOut(next.saturating_add(left_out)),
                )
                .and_then(|()| out.command(session, Operation::TestRequest)),
            ),
            Action::Forget => ("forgets its numbers", out.disconnect(session)),
            Action::TestRequest => (
                "sends a TestRequest",
                out.command(session, Operation::TestRequest),
            ),
            Action::Reset => ("starts anew", out.reset_in_session(session)),
        };
        if let Some(seat) = self.seats.get_mut(session.number()) {
            seat.release |= matches!(action, Action::Logout(_));
            seat.forget |= action == Action::Forget;
        }
        self.venue.say(scripted(&name, what, done));
    }

    /// Gives a session of the exchange its seat. One whose number a session had that is gone begins anew.
    fn make_room_for(&mut self, session: SessionHandle) {
        if self.profile.is_some() {
            return;
        }
        let number = session.number();
        while self.seats.len() <= number {
            self.seats.push(Seat::new(session, NOBODY));
        }
        let seat = &mut self.seats[number];
        if seat.session != session {
            *seat = Seat::new(session, NOBODY);
        }
    }

    /// Answers a Trader Logon or Logout, of MsgType(35) `kind`.
    fn take_trader(&mut self, inbound: &Inbound<'_>, kind: &str, out: &mut Outbound<'_>) -> Verdict {
        let session = inbound.session;
        let message = &inbound.message;
        let seat = self.seats.get_mut(session.number());
        let Some((traders, account)) = seat.and_then(|seat| {
            let account = self.accounts.get(seat.account)?;
            Some((seat.traders.as_mut()?, account))
        }) else {
            return not_asked_for();
        };
        let outcome = match traders.take(message, account) {
            Ok(outcome) => outcome,
            Err(lack) => return lack.verdict(),
        };
        let text = match outcome {
            Outcome::LoggedOn | Outcome::LoggedOut => "Success",
            Outcome::Refused => self.profile.map_or("", |profile| profile.refusal_text),
            Outcome::Absent => "Logout failed: the trader is not logged on",
        };
        let user = message.get(tag::USERNAME).unwrap_or_default();
        let name = out.id(session).map(ToString::to_string).unwrap_or_default();
        self.venue.say(format!(
            "{name}: trader {} {}",
            Printable(user),
            outcome.told()
        ));
        self.venue.answer(Some(user));
        let sent = self.venue.send(out, session, kind.as_bytes(), |body| {
            body.bytes(tag::USERNAME, user).str(tag::TEXT, text);
        });
        self.venue.answer(None);
        match sent {
            Ok(()) => Verdict::Accept,
            Err(refusal) => self.venue.cannot_answer(session, refusal),
        }
    }

    /// Answers an order as the script and the venue have it; `fault` is what is wrong with its sender.
    fn take_order(
        &mut self,
        inbound: &Inbound<'_>,
        fault: Option<Verdict>,
        out: &mut Outbound<'_>,
    ) -> Verdict {
        let session = inbound.session;
        let orders = self.seat(session).map_or(0, |seat| {
            seat.orders += 1;
            seat.orders
        });
        let (mut answer, mut lost) = (None, None);
        for action in self.script.at(When::Order(orders)) {
            match action {
                Action::Reject(reason, text) => {
                    answer = Some(Verdict::Reject {
                        reason,
                        ref_tag: 0,
                        text,
                    });
                }
                // The reports of this very order are the first.
                Action::Lose(count) => lost = Some(count),
                action => self.due.push((session, action)),
            }
        }
        if let Some(count) = lost {
            let name = out.id(session).map(ToString::to_string).unwrap_or_default();
            let done = out.withhold(session, count);
            self.venue.say(scripted(&name, "loses messages", done));
        }
        answer
            .or(fault)
            .unwrap_or_else(|| self.venue.on_message(inbound, out))
    }

    /// Answers what is neither an order nor a Trader Logon.
    fn take_other(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let service = self.profile.filter(|profile| quotes::are_of(profile));
        let Some(rules) = service.and_then(Profile::version) else {
            return self.venue.on_message(inbound, out);
        };
        let seat = self.seats.get(inbound.session.number());
        match inbound.message.msg_type() {
            msg_type::MARKET_DATA_REQUEST => quotes::snapshots(&self.venue, inbound, rules, out),
            quotes::DEFINITION_REQUEST if seat.is_some_and(|seat| seat.definitions) => {
                quotes::definitions(&mut self.venue, inbound, out)
            }
            quotes::DEFINITION_REQUEST => not_asked_for(),
            _ => self.venue.on_message(inbound, out),
        }
    }

    fn seat(&mut self, session: SessionHandle) -> Option<&mut Seat> {
        self.seats.get_mut(session.number())
    }
}

/// One port for each that the venue has; the ports keep their distances if another address is
/// given.
fn listen(
    profile: &Profile,
    engine: &mut Engine,
    address: Option<SocketAddr>,
    tls: Option<&TlsServer>,
) -> anyhow::Result<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    let first = profile.services.first().map_or(0, |service| service.port);
    for service in profile.services {
        if places
            .iter()
            .any(|place| place.service.port == service.port)
        {
            continue;
        }
        let port = match address.map(|address| address.port()) {
            None => service.port,
            Some(0) => 0,
            Some(base) => base
                .checked_add(service.port.saturating_sub(first))
                .context("--listen: the port leaves no room for the other services")?,
        };
        let ip = address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
        let listen = Listen {
            tls: tls.cloned(),
            ..Listen::on(SocketAddr::new(ip, port))
        };
        let address = engine
            .listen_as(listen)
            .context("choose another address with --listen")?;
        places.push(Place {
            service: *service,
            address,
        });
    }
    Ok(places)
}

/// Whether a Logon has a RefMsgType(372) of this value.
fn asks_for(logon: &Message<'_>, kind: &str) -> bool {
    let asked = (tag::REF_MSG_TYPE, kind.as_bytes());
    logon.fields().any(|field| field == asked)
}

/// The answer to what a client may only send if its Logon said so.
fn not_asked_for() -> Verdict {
    Verdict::BusinessReject {
        reason: UNSUPPORTED_TYPE,
        text: Text::lossy(b"The Logon did not ask for it in RefMsgType(372)"),
    }
}

/// What the script does to a session, or could not do, in words.
fn scripted(name: &str, what: &str, done: Result<(), Refusal>) -> String {
    match done {
        Ok(()) => format!("{name}: the script {what}"),
        Err(refusal) => format!("{name}: the script could not: {refusal}"),
    }
}

/// Polls an engine until it is to stop, with `act` after each cycle, then logs everybody out.
pub fn play<A: Application>(
    engine: &mut Engine,
    app: &mut A,
    run: Run,
    stopper: &Stopper,
    act: impl Fn(&mut A, &mut Engine, &mut Clock) -> usize,
) {
    let mut clock = Clock::new();
    while !stopper.is_stopping() {
        let work = engine.poll(clock.now(), app);
        if work + act(app, engine, &mut clock) == 0 {
            hosting::pause(run.idle, NAP);
        }
    }
    // Who does not answer is told of when the engine is dropped.
    let _ = ending::log_out(engine, &mut clock, app, LOGOUT_PATIENCE, || {
        hosting::pause(run.idle, NAP);
    });
}

impl Application for Rehearsal {
    fn on_logon_request(&mut self, session: SessionHandle, logon: &Message<'_>) -> Admission {
        self.make_room_for(session);
        let Some(seat) = self.seats.get_mut(session.number()) else {
            return Admission::Admit;
        };
        seat.logons += 1;
        let trader_logon = self.profile.and_then(traders::logon_type);
        let definitions = self.profile.and_then(quotes::definitions_switch);
        seat.definitions = definitions.is_some_and(|kind| asks_for(logon, kind));
        let traders = trader_logon.filter(|kind| asks_for(logon, kind));
        seat.traders = traders.map(|_| Traders::default());
        for action in self.script.at(When::Logon(seat.logons)) {
            match action {
                Action::Drop => {
                    self.due.push((session, action));
                    return Admission::Later(NEVER);
                }
                Action::Refuse(text) => return Admission::Refuse(Farewell::from(text)),
                _ => {}
            }
        }
        let Some(account) = self.accounts.get_mut(seat.account) else {
            return Admission::Admit;
        };
        match account.check(logon) {
            Checked::Welcome => Admission::Admit,
            Checked::PasswordChanged => Admission::AdmitWith(SessionStatus::PASSWORD_CHANGED),
            Checked::Wrong => {
                let text = self.profile.map_or("", |profile| profile.refusal_text);
                Admission::Refuse(Text::lossy(text.as_bytes()).into())
            }
        }
    }

    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        self.venue.on_logon(session, out);
        let now = out.now().mono;
        let timed: Vec<_> = self.script.timed().collect();
        let Some(seat) = self.seats.get_mut(session.number()) else {
            return;
        };
        seat.timed = timed
            .into_iter()
            .map(|(after, action)| (now + after, action))
            .collect();
        let now_due = self.script.at(When::Logon(seat.logons));
        self.due.extend(now_due.map(|action| (session, action)));
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let message = &inbound.message;
        let trader_logon = self.profile.and_then(traders::logon_type);
        if let Some(kind) = trader_logon.filter(|kind| kind.as_bytes() == message.msg_type()) {
            return self.take_trader(inbound, kind, out);
        }
        let seat = self.seats.get(inbound.session.number());
        let (trader, fault) = match seat.and_then(|seat| seat.traders.as_ref()) {
            None => (None, None),
            Some(traders) => match traders.trader_of(message) {
                Ok(trader) => (trader, None),
                Err(lack) => (None, Some(lack.verdict())),
            },
        };
        self.venue.answer(trader);
        let verdict = match (message.msg_type(), fault) {
            (msg_type::NEW_ORDER_SINGLE, fault) => self.take_order(inbound, fault, out),
            (_, Some(fault)) => fault,
            (_, None) => self.take_other(inbound, out),
        };
        let verdict = match verdict {
            Verdict::BusinessReject { reason, text } => {
                self.venue.turn_down(inbound, reason, text, out)
            }
            verdict => verdict,
        };
        self.venue.answer(None);
        verdict
    }

    fn on_reject(&mut self, session: SessionHandle, reject: &Message<'_>, out: &mut Outbound<'_>) {
        self.venue.on_reject(session, reject, out);
    }

    fn on_logout(&mut self, session: SessionHandle, cause: &Cause, out: &mut Outbound<'_>) {
        self.venue.on_logout(session, cause, out);
        let Some(seat) = self.seat(session) else {
            return;
        };
        seat.timed.clear();
        // Whoever is left goes with the session.
        seat.traders = None;
        let wishes = [
            (std::mem::take(&mut seat.release), Operation::Release),
            (std::mem::take(&mut seat.forget), Operation::ResetNumbers),
        ];
        for (_, operation) in wishes.into_iter().filter(|wish| wish.0) {
            if let Err(refusal) = out.command(session, operation) {
                self.venue
                    .say(format!("the script could not go on: {refusal}"));
            }
        }
    }

    fn on_event(&mut self, event: &Event<'_>) {
        self.venue.on_event(event);
    }
}
