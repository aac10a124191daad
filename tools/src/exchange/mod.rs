//! `pinfix exchange`: a venue for trying things out, in one process on one thread.
//!
//! The venue answers; the bulletin tells people what happens, from a thread of its own, so that a
//! terminal that does not take output cannot hold up a session.

mod echo;
pub mod ilink3;
mod orders;
mod rehearsal;
mod venue;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
use pinfix::engine::{
    Clock, ConfigError, Engine, Listen, Plan, Run, SessionConfig, Stopper, Template, TlsIdentity,
    TlsServer,
};
use pinfix::session::fix::Settings as SessionSettings;
use pinfix::session::fix::policy::Texts;
use pinfix::session::fix::rules::{ALL, FIX44};
use pinfix::time::Now;
use pinfix::venue::{Tls, Venue as Played};
use pinfix::wire::fix::Decimal;

use self::echo::BodyOrder;
use self::ilink3::{Gateway, Ports};
use self::rehearsal::Rehearsal;
use self::venue::{Conduct, Terms, Venue};
use crate::bulletin::Bulletin;
use crate::config::{self, File, Loaded, named};
use crate::hosting::{self, Hosting};
use crate::interrupt;
use crate::latency::cores;

/// Where the venue listens unless told otherwise.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9878);

/// What Ctrl-C is answered with.
const NOTICE: &str = "Logging out. Ctrl-C again quits at once.";

/// BusinessRejectReason(380): unsupported message type.
const UNSUPPORTED_TYPE: u16 = 3;

/// The price of an order without one.
const MARKET_PRICE: i64 = 100;

/// Run a simulated venue that fills every order, or sends messages back
///
/// Takes NewOrderSingle(D) and answers with two ExecutionReports(8), New and then a fill of the whole
/// quantity at the order's price. OrderCancelRequest(F) takes back an order that is open, which orders
/// are with --fills none. Other application messages get a BusinessMessageReject(j), or a
/// Reject(3) before FIX.4.2. With --echo nothing is traded: messages are sent back.
///
/// Without --config anybody may log on, with any CompIDs, in FIX.4.0 to FIX.5.0SP2 (the
/// latter over FIXT.1.1). Sequence numbers are forgotten when the venue stops, unless --journal keeps them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Address to listen on [default: 127.0.0.1:9878]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,

    /// Serve only the sessions of this file (see below); options given here win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    hosting: Hosting,

    /// Speak TLS, and show this certificate: PEM, those of authorities behind it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// The private key of --tls-certificate: PEM, not encrypted
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// Play this venue, by its documents: t4, brokeret, ilink3
    ///
    /// Listens on the ports of the venue, on 127.0.0.1 unless --listen says otherwise; with port 0 each
    /// service gets one of its own. Logons are checked against --accounts. Without --tls-certificate a
    /// client of a venue that wants TLS says tls = "off".
    ///
    /// t4 answers MarketDataRequest(V) with a MarketDataSnapshotFullRefresh(W) for each symbol, without updates,
    /// and to clients whose Logon has RefMsgType(372) c, SecurityDefinitionRequest(c) with
    /// SecurityDefinition(d). With RefMsgType(372) UCG traders of the account log on by messages of MsgType UCG
    /// (90, 91, 553, 554), log out by one with 553 alone, and other messages name one in SenderSubID(50).
    ///
    /// ilink3 is a gateway of CME iLink 3 on one port, 9878 unless --listen says otherwise: FIXP over SBE,
    /// signatures verified, retransmissions from the journal. NewOrderSingle(514) gets an
    /// ExecutionReportNew(522) and, unless --fills none, an ExecutionReportTradeOutright(525), stop orders as
    /// well; OrderCancelReplaceRequest(515), OrderCancelRequest(516), OrderMassActionRequest(529) and
    /// OrderStatusRequest(533) are answered from the open orders, everything else with a BusinessReject(521),
    /// reason 3.
    #[arg(long, value_name = "VENUE", conflicts_with_all = ["config", "echo", "strict"], requires = "accounts")]
    venue: Option<String>,

    /// Who may log on to --venue: [[account]] with comp_id, username, password, license, venue_comp_id, and
    /// of t4 [[account.trader]] with username, password, for clients that ask for multi-trader mode;
    /// of ilink3 with session, firm, access_key_id, secret_key, schema_version, keep_alive_min, and what the
    /// exchange's texts leave open in [account.gateway]: the settings of GatewaySettings by name, such as
    /// beyond_gap = "apply", checks = ["signature"], split = "off"
    #[arg(long, value_name = "FILE", requires = "venue")]
    accounts: Option<PathBuf>,

    /// What it does wrong to each session, one thing a line: `logon 1 drop`, `logon 2 refuse TEXT`, `order 4
    /// lose 1` (numbered and not sent), `order 5 gap 3` (numbers left out), `order 6 reject 18 TEXT`, `order 7 disconnect`, `order 8 forget`, `at 30s logout TEXT`,
    /// `at 10s test_request`, `at 20s reset`, and of a --venue `default_appl_ver_id 7`. Of ilink3: `negotiate reject 12`,
    /// `establish terminate 5`, `retransmit reject 2`, `terminate silence`, `message 3 reject 5`, `message 4
    /// unconsumed 3`, `message 5 terminate 9`, `message 6 silence`, `message 7 drop`, `message 8 gap 2`,
    /// `logon 2 gap 1`, `at 30s logout TEXT`, `at 40s disconnect`, `message 9 fail_over`
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// Let clients of --venue ilink3 have a backup connection, at this address; `at 60s fail_over` in --script
    /// has the primary gateway fail
    #[arg(long, value_name = "HOST:PORT", requires = "venue")]
    backup: Option<SocketAddr>,

    /// What happens to orders: `one` fill, or `none`, so that they stay open [default: one]
    #[arg(long, value_enum)]
    fills: Option<Fills>,

    /// Trade nothing, send messages back: what black-box conformance scripts expect of an acceptor
    ///
    /// NewOrderSingle(D), SecurityDefinition(d) and Email(C) go back with their body as it came, their
    /// routing fields and PossResend(97); a PossResend whose ClOrdID(11) was seen since the logon is
    /// swallowed. Everything else gets a BusinessMessageReject(j), reason 3, or a Reject(3) before
    /// FIX.4.2; types the version does not know get a Reject(3), reason 11.
    #[arg(long)]
    echo: bool,

    /// Have every session answer to the letter as the widely deployed engines do
    ///
    /// Also where the standard says otherwise, whatever the configuration file says of rejects, resends
    /// and silence. With --echo, bodies go back with their fields ascending and groups in dictionary
    /// order, on sessions with a dictionary.
    #[arg(long)]
    strict: bool,
}

const EXAMPLES: &str = "\
Examples:
  pinfix exchange
  pinfix exchange --listen 0.0.0.0:5001 --journal journals
  pinfix exchange --core 3 --idle spin        lowest latency, takes a whole core
  pinfix exchange --config venue.toml
  pinfix exchange --script mishaps.txt        such as: order 3 lose 1
  pinfix exchange --status-page /dev/shm/venue
  pinfix exchange --venue t4 --accounts accounts.toml --script mishaps.txt
  pinfix exchange --venue ilink3 --accounts sessions.toml --journal journals
  pinfix exchange --venue ilink3 --accounts sessions.toml --backup 127.0.0.1:9879
  pinfix exchange --config old.cfg --echo --strict    for black-box conformance scripts

A configuration file:
  listen = \"127.0.0.1:9878\"       # every key up to [[session]] may be left out
  journal = \"journals\"
  idle = \"block\"                  # spin, yield, block
  fills = \"one\"                   # one, none
  market_price = \"101.25\"         # fill price of orders without Price(44); 100 otherwise

  [[session]]
  version = \"FIX.4.4\"             # FIX.4.0 to FIX.5.0SP2
  sender_comp_id = \"VENUE\"        # as the venue signs
  target_comp_id = \"CLIENT\"       # as the client signs

Further keys: core = 3, echo = true, status_page = \"/dev/shm/venue\", and every setting of a session:
`pinfix config check` prints all of them. A settings file (.cfg) of a QuickFIX engine is taken too.";

/// What happens to an order that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fills {
    /// It is filled at once, whole
    One,
    /// It stays open until it is cancelled
    None,
}

named! {
    Fills { "one" = Fills::One, "none" = Fills::None }
}

impl Arguments {
    fn tls(&self) -> Option<TlsServer> {
        let (certificate, key) = self.tls_certificate.as_ref().zip(self.tls_key.as_ref())?;
        Some(TlsServer::new(TlsIdentity::files(certificate, key)))
    }
}

/// Runs the venue until it is interrupted.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let (Some(venue), Some(accounts)) = (&arguments.venue, &arguments.accounts) {
        return rehearse(&arguments, venue, accounts);
    }
    let Settings { plan, run, terms } = decided(&arguments)?;
    for warning in &plan.warnings {
        eprintln!("warning: {warning}");
    }
    let stopper = Stopper::default();
    interrupt::stop_on_signal(stopper.clone(), NOTICE)?;
    let mut engine = Engine::new(plan.engine.clone())?;
    let (bulletin, printer) = Bulletin::start(None)?;
    let now = Clock::new().now();
    let mut venue = Venue::new(terms, bulletin.clone(), now.utc);
    let listening = open(&mut engine, &mut venue, &plan, now)?;
    let _admin = arguments.hosting.serve_admin(&mut engine, None)?;
    bulletin.say(format!(
        "listening on {}, {}",
        listening.join(", "),
        served(&plan)
    ));
    match &arguments.script {
        None => {
            engine.run(&mut venue, run, &stopper)?;
            bulletin.say("stopped");
            drop(venue);
        }
        Some(script) => {
            let mut rehearsal = Rehearsal::of_exchange(venue, script).context("--script")?;
            if let Some(core) = run.core {
                cores::pin(core)?;
            }
            rehearsal.run(&mut engine, run, &stopper);
        }
    }
    drop(bulletin);
    printer.finish();
    Ok(ExitCode::SUCCESS)
}

/// Plays a venue until it is interrupted.
fn rehearse(arguments: &Arguments, venue: &str, accounts: &Path) -> anyhow::Result<ExitCode> {
    let profile = config::venue(venue).map_err(|why| anyhow!("--venue: {why}"))?;
    if let Played::Fixp(profile) = profile {
        anyhow::ensure!(
            profile.tls != Tls::Never || arguments.tls().is_none(),
            "--tls-certificate: venue {venue} takes plain text only"
        );
    }
    let mut plan = Plan::default();
    arguments
        .hosting
        .put(&mut plan, &format!("pinfix exchange, {venue}"));
    let run = arguments.hosting.run(&File::default());
    let stopper = Stopper::default();
    interrupt::stop_on_signal(stopper.clone(), NOTICE)?;
    let mut engine = Engine::new(plan.engine)?;
    if let Some(core) = run.core {
        cores::pin(core)?;
    }
    let (bulletin, printer) = Bulletin::start(None)?;
    let terms = Terms {
        fills: arguments.fills.unwrap_or(Fills::One),
        market_price: Decimal::new(MARKET_PRICE, 0).unwrap_or_default(),
        conduct: Conduct::Trade,
        added: BodyOrder::Received,
    };
    let script = arguments.script.as_deref();
    let profile = match profile {
        Played::Fix(_) if arguments.backup.is_some() => {
            anyhow::bail!("--backup: venue {venue} has no backup connections")
        }
        Played::Fix(profile) => profile,
        Played::Fixp(profile) => {
            let mut gateway = Gateway::new(profile, terms, bulletin, accounts, script)?;
            let ports = Ports {
                primary: arguments.listen,
                backup: arguments.backup,
            };
            gateway.open(&mut engine, ports, arguments.hosting.journals())?;
            let admin = arguments.hosting.serve_admin(&mut engine, None)?;
            gateway.run(&mut engine, run, &stopper);
            drop((admin, gateway));
            printer.finish();
            return Ok(ExitCode::SUCCESS);
        }
    };
    let venue = Venue::new(terms, bulletin, Clock::new().now().utc);
    let mut rehearsal = Rehearsal::new(profile, venue, accounts, script)?;
    rehearsal.open(
        &mut engine,
        arguments.listen,
        arguments.tls(),
        arguments.hosting.journals(),
    )?;
    let admin = arguments.hosting.serve_admin(&mut engine, None)?;
    rehearsal.run(&mut engine, run, &stopper);
    drop((admin, rehearsal));
    printer.finish();
    Ok(ExitCode::SUCCESS)
}

/// Everything that was decided, from the command line, the file and the defaults, in this order.
struct Settings {
    plan: Plan,
    run: Run,
    terms: Terms,
}

fn decided(arguments: &Arguments) -> anyhow::Result<Settings> {
    let Loaded { mut plan, file } = match &arguments.config {
        Some(file) => listed(file)?,
        None => anybody(),
    };
    listen_on(&mut plan, arguments.listen)?;
    if let Some(server) = arguments.tls() {
        for listen in &mut plan.listeners {
            listen.tls = Some(server.clone());
        }
    }
    if arguments.strict {
        be_strict(&mut plan);
    }
    arguments.hosting.put(&mut plan, "pinfix exchange");
    let run = arguments.hosting.run(&file);
    let market_price = file.market_price.map(|text| text.0);
    let mut templates = plan.listeners.iter().flat_map(|listen| &listen.templates);
    let added = templates.next().map_or(BodyOrder::Received, |template| {
        body_order(&template.config.settings)
    });
    Ok(Settings {
        plan,
        run,
        terms: Terms {
            fills: arguments
                .fills
                .or(file.fills.map(|word| word.0))
                .unwrap_or(Fills::One),
            market_price: market_price
                .or(Decimal::new(MARKET_PRICE, 0))
                .unwrap_or_default(),
            conduct: if arguments.echo || file.echo.unwrap_or(false) {
                Conduct::Echo
            } else {
                Conduct::Trade
            },
            added,
        },
    })
}

/// What a file lists.
fn listed(path: &Path) -> anyhow::Result<Loaded> {
    let loaded = config::load(path, &[])?;
    let mut configs = loaded.plan.sessions.iter().map(|planned| &planned.config);
    if let Some(config) = configs.find(|config| config.fix().is_none()) {
        anyhow::bail!(
            "{}: {} is a client, for `pinfix run`; a gateway is --venue ilink3",
            path.display(),
            config.id()
        );
    }
    let templates = loaded
        .plan
        .listeners
        .iter()
        .any(|listen| !listen.templates.is_empty());
    anyhow::ensure!(
        templates || !loaded.plan.sessions.is_empty(),
        "{}: no session is listed, expected at least one [[session]]; leave --config out to serve anybody",
        path.display()
    );
    Ok(loaded)
}

/// What serves anybody.
fn anybody() -> Loaded {
    let config = SessionConfig::acceptor(&FIX44, "*", "*");
    let listen = Listen::on(ADDRESS).template(Template::new(ALL.to_vec(), config));
    Loaded {
        plan: Plan {
            listeners: vec![listen],
            ..Plan::default()
        },
        file: File::default(),
    }
}

/// Listens on `address`, if one is given, instead of the one of the plan.
fn listen_on(plan: &mut Plan, address: Option<SocketAddr>) -> anyhow::Result<()> {
    if plan.listeners.is_empty() {
        plan.listeners.push(Listen::on(ADDRESS));
    }
    let Some(address) = address else {
        return Ok(());
    };
    let [listen] = &mut plan.listeners[..] else {
        anyhow::bail!(
            "the configuration file listens on {} addresses, leave --listen out",
            plan.listeners.len()
        );
    };
    listen.address = address;
    for config in plan
        .sessions
        .iter_mut()
        .filter_map(|planned| planned.config.fix_mut())
    {
        config.accept.port = None;
    }
    Ok(())
}

/// Has every session answer as the widely deployed engines do.
fn be_strict(plan: &mut Plan) {
    let templates = plan
        .listeners
        .iter_mut()
        .flat_map(|listen| &mut listen.templates)
        .map(|template| &mut template.config);
    let listed = plan.sessions.iter_mut();
    let listed = listed.filter_map(|planned| planned.config.fix_mut());
    for config in listed.chain(templates) {
        config.settings = config.settings.clone().strict_compat();
    }
}

/// How a session sends bodies back: those of sessions that answer to the letter are compared to it.
fn body_order(settings: &SessionSettings) -> BodyOrder {
    match settings.wording.texts {
        Texts::Common => BodyOrder::Sorted,
        Texts::Explaining => BodyOrder::Received,
    }
}

/// Adds the sessions and listens. Answers the addresses.
fn open(engine: &mut Engine, venue: &mut Venue, plan: &Plan, now: Now) -> anyhow::Result<Vec<String>> {
    let opened = plan.open(engine, now).map_err(|error| match error {
        ConfigError::Listen { .. } => anyhow!("choose another address with --listen: {error}"),
        error => error.into(),
    })?;
    for (planned, session) in plan.sessions.iter().zip(&opened.sessions) {
        if let (Some(config), Some(_)) = (planned.config.fix(), session) {
            let settings = &config.settings;
            venue.serve(&settings.id, settings.rules, body_order(settings));
        }
    }
    for remark in hosting::remarks(plan, &opened) {
        venue.say(remark);
    }
    Ok(opened.listening.iter().map(ToString::to_string).collect())
}

fn served(plan: &Plan) -> String {
    let mut templates = plan.listeners.iter().flat_map(|listen| &listen.templates);
    match (plan.sessions.len(), templates.next()) {
        (0, Some(template)) => {
            let versions: Vec<_> = template.rules.iter().map(|rules| rules.name).collect();
            format!("for anybody in {}", versions.join(", "))
        }
        (1, None) => "for 1 session".to_owned(),
        (sessions, None) => format!("for {sessions} sessions"),
        (sessions, Some(_)) => format!("for {sessions} sessions and those made for others"),
    }
}
