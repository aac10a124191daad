//! `pinfix run`: the sessions of a configuration file, with orders if asked for, and the question
//! whether every order got its reports, once.
//!
//! The loop is the embedder's, so that orders go out at their times and not when a callback comes.

mod blotter;
mod reply;
mod trader;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pinfix::engine::{
    AnySessionConfig, Clock, Engine, Idle, Opened, Plan, Planned, SessionHandle, Stopper,
};
use pinfix::journal::Location;
use pinfix::session::Refusal;
use pinfix::session::fix::{Role, WhileDown};
use pinfix::time::{Mono, Now, TimestampPrecision, TimestampWriter};
use pinfix::wire::fix::msg_type;
use pinfix::wire::sbe::Price9;

use self::blotter::{Blotter, Counts};
use self::trader::Trader;
use crate::bulletin::Bulletin;
use crate::config;
use crate::hosting::{self, Hosting, NAP, pause};
use crate::latency::cores;
use crate::order::{self, Ilink3Ticket, OrderIds, Ticket};
use crate::{ending, interrupt};

/// Orders per second if only their number is given.
const RATE: f64 = 10.0;

/// How many orders that are due go out before the network is looked at again.
const SEND_BATCH: usize = 64;

/// How often the counts are told while they change.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How long the sessions may take to log out beyond their own timeouts.
const LOGOUT_GRACE: Duration = Duration::from_secs(1);

/// How long a session of iLink 3 may take to log out.
const TERMINATE_PATIENCE: Duration = Duration::from_secs(5);

/// Run the sessions of a configuration file; send orders and check what comes back
///
/// Connects the initiators and listens for the acceptors of the file, and prints a line for everything
/// that happens, with the time in UTC. With --orders or --rate NewOrderSingle(D) go out on its
/// initiator sessions in turn, each with a ClOrdID(11) that was never used, and every
/// ExecutionReport(8) is matched with its order. While a session is logged out nothing is sent on it,
/// unless its setting sending.while_down has the engine keep messages.
///
/// Orders of earlier runs that lack a report, killed runs among them, are found in the journals of the
/// sessions, and their reports are waited for as well.
///
/// Sessions of CME iLink 3 send NewOrderSingle(514) and match the execution reports and the
/// BusinessReject(521).
///
/// Ctrl-C waits for the reports that are due, logs every session out and tells the counts. Exit code
/// 1 if fewer than --orders were sent, an order has no report, a report came twice, or anything was
/// rejected.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The sessions: a TOML file, or the settings file (.cfg) of a QuickFIX engine
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Run the sessions at this venue only: t4, brokeret, ilink3
    ///
    /// In a file that says nothing of venues, every session is at this one: each gets what the venue
    /// documents.
    #[arg(long, value_name = "VENUE")]
    venue: Option<String>,

    /// Send so many orders, then end [default: none, or with --rate no end]
    #[arg(long, value_name = "N")]
    orders: Option<u64>,

    /// Orders per second [default: 10]
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,

    /// How many reports each order has to get [default: one at least]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    reports: Option<u16>,

    /// Send on this session only, by its name or label; may be given several times
    #[arg(long, value_name = "SESSION")]
    session: Vec<String>,

    /// Symbol(55) of the orders
    #[arg(long, default_value = Ticket::default().symbol, value_parser = value)]
    symbol: String,

    /// OrderQty(38) of the orders
    #[arg(long, value_name = "QTY", default_value = Ticket::default().quantity, value_parser = value)]
    quantity: String,

    /// Price(44) of the orders
    #[arg(long, default_value = Ticket::default().price, value_parser = value)]
    price: String,

    /// SecurityID(48) of orders on sessions of iLink 3, which have no Symbol
    #[arg(long, value_name = "ID", default_value_t = Ilink3Ticket::default().security_id)]
    security_id: i32,

    /// How long reports that are due are waited for at the end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    patience: u64,

    /// Write the lines to this file as well, behind what it has
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    #[command(flatten)]
    hosting: Hosting,
}

const EXAMPLES: &str = "\
Examples:
  pinfix run --config client.toml                             log on, stay, tell what happens
  pinfix run --config client.toml --orders 1000 --rate 100
  pinfix run --config client.toml --rate 50 --reports 2 --journal journals
  pinfix run --venue t4 --config t4.toml                      its sessions at T4
  pinfix run --config old.cfg --status-page /dev/shm/client --admin-socket client.admin

A configuration file:
  [[session]]
  version = \"FIX.4.4\"             # FIX.4.0 to FIX.5.0SP2
  role = \"initiator\"
  sender_comp_id = \"CLIENT\"
  target_comp_id = \"VENUE\"
  connect.to = [\"127.0.0.1:9878\"]

At a venue that is known, t4, brokeret or ilink3, everything it documents is set:
  [[session]]
  venue = \"t4\"
  service = \"simulator\"          # or live; brokeret: price, trade, price-5.0, trade-5.0
  sender_comp_id = \"T4Example\"
  target_comp_id = \"T4\"
  switches = [\"decimal_prices\"]  # what is asked for at logon
  logon.username = \"trader\"
  logon.password_env = \"T4_PASSWORD\"
  logon.license_env = \"T4_LICENSE\"

  [[session]]
  venue = \"ilink3\"             # CME iLink 3, on the hours of its trading week
  session = \"ABC\"
  firm = \"007\"
  market_segment = 64
  connect.to = [\"10.0.0.1:9010\"] # of the market segment
  backup = [\"10.0.0.2:9010\"]     # its designated backup; without it there is one connection
  logon.access_key_id = \"KEY\"
  logon.secret_key_file = \"secret\" # its first line; or secret_key_env, secret_key
  logon.system_name = \"DESK\"     # and system_version, system_vendor
  sender_id = \"TRADER1\"          # of the orders, and location
  schedule = {}                   # always on, for a simulator

`pinfix config check FILE` prints every setting it comes to, and what the venue set.";

/// Runs until the orders are done or Ctrl-C comes.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let loaded = config::load_part(&arguments.config, &[], arguments.venue.as_deref());
    let config::Loaded { mut plan, file } = loaded?;
    anyhow::ensure!(
        !plan.sessions.is_empty() || !plan.listeners.is_empty(),
        "{}: no session is listed, expected at least one [[session]]",
        arguments.config.display()
    );
    arguments.hosting.put(&mut plan, "pinfix run");
    for warning in &plan.warnings {
        eprintln!("warning: {warning}");
    }
    let settings = arguments.hosting.run(&file);
    let stopper = Stopper::default();
    let notice = "Waiting for reports, then logging out. Ctrl-C again quits at once.";
    interrupt::stop_on_signal(stopper.clone(), notice)?;

    let mut engine = Engine::new(plan.engine.clone())?;
    if let Some(core) = settings.core {
        // The engine's own threads are there already, and stay where they are.
        cores::pin(core)?;
    }
    let (bulletin, printer) = Bulletin::start(arguments.log.as_deref())?;
    let mut clock = Clock::new();
    let now = clock.now();
    let opened = plan.open(&mut engine, now)?;
    let blotter = Blotter::new(arguments.reports.map(usize::from));
    let mut trader = Trader::new(blotter, bulletin);
    let lines = introduce(&mut trader, &engine, &plan, &opened)?;
    let carried = trader.blotter.counts().carried;
    if carried > 0 {
        trader.say(format!(
            "{carried} orders of earlier runs lack a report, it is waited for"
        ));
    }
    let lines = chosen(lines, &arguments)?;
    let _admin = arguments
        .hosting
        .serve_admin(&mut engine, arguments.venue.as_deref())?;
    let mut client = Client {
        source: Source::new(&arguments, lines, now)?,
        patience: Duration::from_secs(arguments.patience),
        idle: settings.idle,
        engine,
        clock,
        trader,
    };
    let counts = client.run(&stopper, logout_patience(&plan));
    let all_sent = arguments.orders.is_none_or(|orders| counts.sent == orders);
    drop(client);
    printer.finish();
    Ok(if all_sent && counts.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// How long the slowest session may take to log out.
fn logout_patience(plan: &Plan) -> Duration {
    let timeout = |planned: &Planned| {
        let config = planned.config.fix();
        config.map_or(TERMINATE_PATIENCE, |config| config.settings.logout.timeout)
    };
    plan.sessions.iter().map(timeout).max().unwrap_or_default() + LOGOUT_GRACE
}

/// A session that orders may go out on.
#[derive(Clone, Debug)]
struct Line {
    session: SessionHandle,
    names: Vec<String>,
    /// Whether the engine keeps what cannot be sent now.
    keeps: bool,
    asks: Asks,
}

/// How orders are written.
#[derive(Clone, Debug)]
enum Asks {
    /// NewOrderSingle(D).
    Fix,
    /// NewOrderSingle(514).
    Ilink3 {
        version: u16,
        sender_id: Vec<u8>,
        location: Vec<u8>,
    },
}

/// Tells about the sessions, and reads what their journals hold of earlier runs. Answers the initiators.
fn introduce(
    trader: &mut Trader,
    engine: &Engine,
    plan: &Plan,
    opened: &Opened,
) -> anyhow::Result<Vec<Line>> {
    for remark in hosting::remarks(plan, opened) {
        trader.say(remark);
    }
    for address in &opened.listening {
        trader.say(format!("listening on {address}"));
    }
    let mut lines = Vec::new();
    for (planned, session) in plan.sessions.iter().zip(&opened.sessions) {
        let Some((session, _)) = session else {
            continue;
        };
        let name = planned.config.id().to_string();
        match &planned.config {
            AnySessionConfig::Fix(config) => {
                trader.knows(*session, name.clone(), config.settings.rules.appl_version);
            }
            AnySessionConfig::Fixp(_) => trader.calls(*session, name.clone()),
        }
        if let Role::Acceptor = planned.config.role() {
            continue;
        }
        let to = planned.config.connect().destinations.iter();
        let to: Vec<_> = to.map(ToString::to_string).collect();
        trader.say(format!("{name} connects to {}", to.join(", ")));
        let journal = planned.config.journal();
        if let Location::Directory(directory) = &journal.location
            && journal.record_inbound
        {
            carry_over(trader, engine, *session, directory)?;
        }
        let names = std::iter::once(name).chain(planned.label.clone());
        let names = names.chain(planned.config.id().qualifier.clone()).collect();
        lines.push(Line::new(*session, names, planned));
        if let Some(max) = planned.config.connect().refusals_max {
            trader.waits_after(*session, max);
        }
    }
    Ok(lines)
}

impl Line {
    fn new(session: SessionHandle, names: Vec<String>, planned: &Planned) -> Self {
        let (keeps, asks) = match &planned.config {
            AnySessionConfig::Fix(config) => {
                let keeps = config.settings.sending.while_down != WhileDown::Refuse;
                (keeps, Asks::Fix)
            }
            AnySessionConfig::Fixp(config) => {
                let (sender_id, location) = config::origin(&planned.own);
                let asks = Asks::Ilink3 {
                    version: config.settings.schema_version,
                    sender_id: sender_id.to_vec(),
                    location: location.to_vec(),
                };
                (false, asks)
            }
        };
        Self {
            session,
            names,
            keeps,
            asks,
        }
    }
}

fn carry_over(
    trader: &mut Trader,
    engine: &Engine,
    session: SessionHandle,
    directory: &Path,
) -> anyhow::Result<()> {
    let next_in = engine.next_numbers(session).map_or(0, |numbers| numbers.1);
    trader
        .blotter
        .carry_over(directory, next_in)
        .with_context(|| format!("reading the journal {}", directory.display()))
}

/// The sessions that orders go out on.
fn chosen(lines: Vec<Line>, arguments: &Arguments) -> anyhow::Result<Vec<Line>> {
    for wanted in &arguments.session {
        if !lines.iter().any(|line| line.names.contains(wanted)) {
            let names: Vec<_> = lines.iter().flat_map(|line| line.names.first()).collect();
            bail!("--session {wanted}: no such initiator, expected one of {names:?}");
        }
    }
    let is_chosen = |line: &Line| {
        arguments.session.is_empty()
            || arguments
                .session
                .iter()
                .any(|wanted| line.names.contains(wanted))
    };
    let lines: Vec<_> = lines.into_iter().filter(is_chosen).collect();
    anyhow::ensure!(
        !lines.is_empty() || arguments.orders.is_none() && arguments.rate.is_none(),
        "{}: orders go out on initiator sessions, and there is none",
        arguments.config.display()
    );
    Ok(lines)
}

/// Where orders come from.
struct Source {
    symbol: String,
    quantity: String,
    price: String,
    /// The same for sessions of iLink 3, if there are any.
    ilink3: Ilink3Ticket<'static>,
    ids: OrderIds,
    stamp: TimestampWriter,
    lines: Vec<Line>,
    /// How many are still to be sent.
    left: u64,
    /// Whether there is an end to them.
    ends: bool,
    interval: Duration,
    /// When the next one is due.
    due: Mono,
    /// How many have ids.
    made: u64,
}

impl Source {
    fn new(arguments: &Arguments, lines: Vec<Line>, now: Now) -> anyhow::Result<Self> {
        let wanted = arguments.orders.is_some() || arguments.rate.is_some();
        let ilink3 = match lines.iter().any(|line| !matches!(line.asks, Asks::Fix)) {
            true => ilink3_ticket(arguments)?,
            false => Ilink3Ticket::default(),
        };
        Ok(Self {
            ilink3,
            symbol: arguments.symbol.clone(),
            quantity: arguments.quantity.clone(),
            price: arguments.price.clone(),
            ids: OrderIds::new(now.utc),
            stamp: TimestampWriter::new(),
            lines,
            left: arguments
                .orders
                .unwrap_or(if wanted { u64::MAX } else { 0 }),
            ends: arguments.orders.is_some(),
            interval: Duration::from_secs_f64(1.0 / arguments.rate.unwrap_or(RATE)),
            due: now.mono,
            made: 0,
        })
    }

    /// Sends what is due.
    fn send(&mut self, now: Now, engine: &mut Engine, trader: &mut Trader) {
        for _ in 0..SEND_BATCH {
            if self.left == 0 || now.mono < self.due {
                return;
            }
            match self.next_line(now, engine) {
                // Nobody there: what would have been due meanwhile is not made up for.
                None => {
                    self.due = now.mono + self.interval;
                    return;
                }
                Some(line) => {
                    if !self.send_on(line, now, engine, trader) {
                        return;
                    }
                }
            }
        }
    }

    /// The session the next order goes out on: the next one in turn that takes it.
    fn next_line(&self, now: Now, engine: &mut Engine) -> Option<usize> {
        let out = engine.outbound(now);
        let count = self.lines.len();
        let first = usize::try_from(self.made % count.max(1) as u64).unwrap_or_default();
        (0..count)
            .map(|nth| (first + nth) % count)
            .find(|&nth| self.lines[nth].keeps || out.is_logged_on(self.lines[nth].session))
    }

    /// Answers whether it went out.
    fn send_on(&mut self, line: usize, now: Now, engine: &mut Engine, trader: &mut Trader) -> bool {
        let Line { session, asks, .. } = &self.lines[line];
        let session = *session;
        let id = self.ids.text(self.made);
        let mut out = engine.outbound(now);
        let sent = match asks {
            Asks::Fix => {
                let ticket = Ticket {
                    symbol: &self.symbol,
                    quantity: &self.quantity,
                    price: &self.price,
                };
                let transact_time = self.stamp.write(now.utc, TimestampPrecision::Millis);
                out.send(session, msg_type::NEW_ORDER_SINGLE, |body| {
                    order::write(body, &ticket, id, transact_time);
                })
            }
            Asks::Ilink3 {
                version,
                sender_id,
                location,
            } => {
                let ticket = Ilink3Ticket {
                    sender_id,
                    location,
                    ..self.ilink3
                };
                let request = self.made;
                out.send_sbe(session, order::ILINK3_ROOM, |room| {
                    order::write_ilink3(room, *version, &ticket, id, request)
                })
            }
        };
        match sent {
            Ok(sent) => {
                trader.blotter.sent(id, session, sent.seq());
                self.made += 1;
                self.left -= 1;
                self.due = self.due + self.interval;
                true
            }
            // It stays due.
            Err(
                Refusal::Full(_)
                | Refusal::Throttled { .. }
                | Refusal::QueueFull
                | Refusal::NotLoggedOn
                | Refusal::LoggingOut
                | Refusal::Resending
                | Refusal::Resetting,
            ) => false,
            Err(refusal) => {
                trader.say(format!(
                    "{}: an order could not be sent: {refusal}; no more are",
                    trader.name(session)
                ));
                self.left = 0;
                false
            }
        }
    }
}

struct Client {
    source: Source,
    patience: Duration,
    idle: Idle,
    engine: Engine,
    clock: Clock,
    trader: Trader,
}

impl Client {
    fn run(&mut self, stopper: &Stopper, logout_patience: Duration) -> Counts {
        self.trade(stopper);
        self.wait_for_reports();
        let idle = self.idle;
        let (engine, clock) = (&mut self.engine, &mut self.clock);
        let ended = ending::log_out(engine, clock, &mut self.trader, logout_patience, || {
            pause(idle, NAP);
        });
        if !ended {
            self.trader.say("not every session was logged out in time");
        }
        let counts = self.trader.blotter.counts();
        self.trader.say(format!("stopped: {counts}"));
        counts
    }

    /// Sends orders until there are no more, or Ctrl-C comes.
    fn trade(&mut self, stopper: &Stopper) {
        let mut told = Counts::default();
        let mut tell_at = self.clock.now().mono + TELL_EVERY;
        while !stopper.is_stopping() {
            let now = self.clock.now();
            let work = self.engine.poll(now, &mut self.trader);
            self.source.send(now, &mut self.engine, &mut self.trader);
            if self.source.ends && self.source.left == 0 {
                return;
            }
            let counts = self.trader.blotter.counts();
            if now.mono >= tell_at {
                if counts != told {
                    self.trader.say(counts.to_string());
                    told = counts;
                }
                tell_at = now.mono + TELL_EVERY;
            }
            if work == 0 {
                let due = match self.source.left {
                    0 => NAP,
                    _ => self.source.due.since(now.mono).min(NAP),
                };
                pause(self.idle, due);
            }
        }
    }

    fn wait_for_reports(&mut self) {
        let end = self.clock.now().mono + self.patience;
        while self.trader.blotter.outstanding() > 0 {
            let now = self.clock.now();
            if now.mono >= end {
                return;
            }
            if self.engine.poll(now, &mut self.trader) == 0 {
                pause(self.idle, NAP);
            }
        }
    }
}

/// What is ordered on sessions of iLink 3.
fn ilink3_ticket(arguments: &Arguments) -> anyhow::Result<Ilink3Ticket<'static>> {
    Ok(Ilink3Ticket {
        security_id: arguments.security_id,
        quantity: arguments
            .quantity
            .parse()
            .context("--quantity: expected a whole number, as iLink 3 has it")?,
        price: Price9::parse(&arguments.price)
            .context("--price: expected a decimal number, as iLink 3 has it")?,
        ..Ilink3Ticket::default()
    })
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.001..=1_000_000.0).contains(rate))
        .ok_or_else(|| "expected 0.001 to 1000000 orders per second".to_owned())
}

/// A value of a field.
fn value(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 64 || text.bytes().any(|byte| !(0x20..0x7f).contains(&byte)) {
        return Err("expected 1 to 64 printable characters".to_owned());
    }
    Ok(text.to_owned())
}
