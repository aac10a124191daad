//! `pinfix exchange`: a venue for trying things out, in one process on one thread.
//!
//! The venue answers; the bulletin tells people what happens, from a thread of its own, so that a
//! terminal that does not take output cannot hold up a session.

mod bulletin;
mod config;
mod orders;
mod venue;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use pinfix::engine::{
    AdminSocket, AdminSocketConfig, Clock, Engine, EngineConfig, Idle, Run, SessionConfig, Stopper,
    Template,
};
use pinfix::journal::Retention;
use pinfix::session::fix::rules::{ALL, FIX44};
use pinfix::time::Now;
use pinfix::wire::fix::Decimal;
use serde::Deserialize;

use self::bulletin::Bulletin;
use self::config::{Config, Session};
use self::venue::{Terms, Venue};
use crate::interrupt;

/// Where the venue listens unless told otherwise.
const ADDRESS: &str = "127.0.0.1:9878";

/// How long an idle cycle sleeps in the readiness call with `--idle block`; also how long Ctrl-C may
/// wait.
const NAP: Duration = Duration::from_millis(50);

/// How much of a journal in memory is kept: enough for resends, and no growth without end.
const MEMORY_BYTES: u64 = 16 * 1024 * 1024;

/// The price of an order without one.
const MARKET_PRICE: i64 = 100;

/// Run a simulated venue that fills every order
///
/// Takes NewOrderSingle(D) and answers with two ExecutionReports(8), New and then a fill of the whole
/// quantity at the order's price. OrderCancelRequest(F) takes back an order that is open, which orders
/// are with --fills none. Other application messages get a BusinessMessageReject(j).
///
/// Without --config anybody may log on, with any CompIDs, in FIX.4.2, FIX.4.4 and FIX.5.0SP2 (over
/// FIXT.1.1). Sequence numbers are forgotten when the venue stops, unless --journal keeps them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Address to listen on [default: 127.0.0.1:9878]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,

    /// Pin the thread to this core [default: not pinned]
    #[arg(long, value_name = "N")]
    core: Option<usize>,

    /// What the thread does when there is nothing to do [default: block]
    #[arg(long, value_enum)]
    idle: Option<IdleMode>,

    /// Keep each session's journal in a directory below this one [default: in memory]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// Keep the status page in this file, for `pinfix top` and `pinfix metrics`; best below /dev/shm
    #[arg(long, value_name = "FILE")]
    status_page: Option<PathBuf>,

    /// Serve only the sessions of this file (see below); options given here win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Take commands of `pinfix admin` on this Unix-domain socket
    #[arg(long, value_name = "PATH")]
    admin_socket: Option<PathBuf>,

    /// Write every such command to this file
    #[arg(long, value_name = "FILE", requires = "admin_socket")]
    admin_audit: Option<PathBuf>,

    /// What happens to orders: `one` fill, or `none`, so that they stay open [default: one]
    #[arg(long, value_enum)]
    fills: Option<Fills>,

    /// Send application messages the venue has no answer for back as they came, instead of rejecting them
    #[arg(long)]
    echo: bool,
}

const EXAMPLES: &str = "\
Examples:
  pinfix exchange
  pinfix exchange --listen 0.0.0.0:5001 --journal journals
  pinfix exchange --core 3 --idle spin        lowest latency, takes a whole core
  pinfix exchange --config venue.toml
  pinfix exchange --status-page /dev/shm/venue

A configuration file:
  listen = \"127.0.0.1:9878\"       # every key up to [[session]] may be left out
  journal = \"journals\"
  idle = \"block\"                  # spin, yield, block
  fills = \"one\"                   # one, none
  market_price = \"101.25\"         # fill price of orders without Price(44); 100 otherwise

  [[session]]
  version = \"FIX.4.4\"             # FIX.4.2, FIX.4.4, FIX.5.0SP2
  sender_comp_id = \"VENUE\"        # as the venue signs
  target_comp_id = \"CLIENT\"       # as the client signs

Further keys: core = 3, echo = true, status_page = \"/dev/shm/venue\".";

/// What an idle cycle does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum IdleMode {
    /// Poll again at once: lowest latency, a whole core
    Spin,
    /// Give the core away once, then poll again
    Yield,
    /// Sleep until something arrives: kind to the machine, some microseconds slower
    Block,
}

/// What happens to an order that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fills {
    /// It is filled at once, whole
    One,
    /// It stays open until it is cancelled
    None,
}

/// Runs the venue until it is interrupted.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = match &arguments.config {
        Some(file) => Config::load(file)?,
        None => Config::default(),
    };
    let admin = arguments
        .admin_socket
        .clone()
        .map(|path| AdminSocketConfig {
            audit: arguments.admin_audit.clone(),
            ..AdminSocketConfig::new(path)
        });
    let settings = merged(arguments, config)?;
    let stopper = Stopper::default();
    interrupt::stop_on_signal(stopper.clone(), "Logging out. Ctrl-C again quits at once.")?;
    let mut engine = Engine::new(EngineConfig {
        name: "pinfix exchange".to_owned(),
        status_page: settings.status_page.clone(),
        ..EngineConfig::default()
    })?;
    let (bulletin, printer) = Bulletin::start()?;
    let now = Clock::new().now();
    let mut venue = Venue::new(settings.terms, bulletin.clone(), now.utc);
    let bound = open(&mut engine, &mut venue, &settings, now)?;
    let _admin = admin
        .map(|config| AdminSocket::serve(engine.controller(), config))
        .transpose()?;
    bulletin.say(format!("listening on {bound}, {}", settings.served()));
    let idle = match settings.idle {
        IdleMode::Spin => Idle::Spin,
        IdleMode::Yield => Idle::Yield,
        IdleMode::Block => Idle::Block(NAP),
    };
    let run = Run {
        core: settings.core,
        idle,
    };
    engine.run(&mut venue, run, &stopper)?;
    bulletin.say("stopped");
    drop((venue, bulletin));
    printer.finish();
    Ok(ExitCode::SUCCESS)
}

/// Everything that was decided, from the command line, the file and the defaults, in this order.
struct Settings {
    listen: SocketAddr,
    core: Option<usize>,
    idle: IdleMode,
    journal: Option<PathBuf>,
    status_page: Option<PathBuf>,
    terms: Terms,
    /// `None` serves anybody.
    sessions: Option<Vec<Session>>,
}

impl Settings {
    fn served(&self) -> String {
        match &self.sessions {
            Some(sessions) if sessions.len() == 1 => "for 1 session".to_owned(),
            Some(sessions) => format!("for {} sessions", sessions.len()),
            None => {
                let versions: Vec<_> = ALL.iter().map(|rules| rules.name).collect();
                format!("for anybody in {}", versions.join(", "))
            }
        }
    }
}

fn merged(arguments: Arguments, config: Config) -> anyhow::Result<Settings> {
    let standard = ADDRESS
        .parse()
        .with_context(|| format!("default address {ADDRESS}"))?;
    let listen = arguments.listen.or(config.listen.map(|address| address.0));
    let market_price = config.market_price.map(|price| price.0);
    Ok(Settings {
        listen: listen.unwrap_or(standard),
        core: arguments.core.or(config.core),
        idle: arguments.idle.or(config.idle).unwrap_or(IdleMode::Block),
        journal: arguments.journal.or(config.journal),
        status_page: arguments.status_page.or(config.status_page),
        terms: Terms {
            fills: arguments.fills.or(config.fills).unwrap_or(Fills::One),
            market_price: market_price
                .or(Decimal::new(MARKET_PRICE, 0))
                .unwrap_or_default(),
            echo: arguments.echo || config.echo,
        },
        sessions: arguments.config.is_some().then_some(config.session),
    })
}

/// Adds the sessions and listens.
fn open(
    engine: &mut Engine,
    venue: &mut Venue,
    settings: &Settings,
    now: Now,
) -> anyhow::Result<SocketAddr> {
    let retention = match settings.journal {
        Some(_) => Retention::default(),
        None => forgetful(),
    };
    let Some(sessions) = &settings.sessions else {
        let mut config = SessionConfig::acceptor(&FIX44, "", "");
        config.journal.retention = retention;
        let template = Template {
            journals: settings.journal.clone(),
            ..Template::new(ALL.to_vec(), config)
        };
        return listen(engine, settings.listen, Some(template));
    };
    for session in sessions {
        let mut config = SessionConfig::acceptor(
            session.version.0,
            &session.sender_comp_id,
            &session.target_comp_id,
        );
        config.journal.retention = retention;
        if let Some(base) = &settings.journal {
            config = config.journal_below(base);
        }
        let id = config.settings.id.clone();
        let (_, recovery) = engine.add_session(config, now)?;
        venue.serve(&id, session.version.0);
        for damage in &recovery.damage {
            venue.say(format!("the journal of {id} was mended: {damage}"));
        }
    }
    listen(engine, settings.listen, None)
}

/// For journals in memory, which would grow without end.
fn forgetful() -> Retention {
    Retention {
        age: None,
        bytes: Some(MEMORY_BYTES),
    }
}

fn listen(
    engine: &mut Engine,
    address: SocketAddr,
    template: Option<Template>,
) -> anyhow::Result<SocketAddr> {
    engine
        .listen(address, template)
        .context("choose another address with --listen")
}
