//! `pinfix latency`: how long an order takes to come back as a report, beside how long the machine
//! takes for the same bytes without FIX.
//!
//! ```text
//!   main thread        client's thread, core A          venue's thread, core B
//!   progress bar <---  floor   floor   ...    --TCP-->  floor   floor
//!   (looks only)       engine  engine  ...    --TCP-->  engine  engine
//! ```
//!
//! Each hot thread runs both kinds in turn, in short blocks, so that whatever else happens on the
//! machine happens to both.

mod client;
pub mod cores;
mod course;
mod floor;
mod machine;
mod plan;
mod results;
mod schedule;
#[cfg(feature = "tls")]
mod tls;
mod venue;
mod watchers;

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use pinfix::engine::Stopper;
use pinfix::session::fix::rules::Rules;

use self::cores::{Cores, Pair};
use self::course::Course;
use self::machine::Machine;
use self::plan::{Durability, Journals, Plan, Protocol};
use self::results::{Measured, us};
use self::schedule::{Blocks, Load};
use self::watchers::{Looked, Watch};
use crate::exchange::ilink3::Account;
use crate::{interrupt, version};

/// Orders measured in a closed loop unless told otherwise.
const MESSAGES: usize = 100_000;

/// How long an open loop runs unless told otherwise, in seconds; the floor takes as long again.
const OPEN_LOOP_S: u64 = 8;

/// How often the progress bar moves. The main thread shares a machine that may have no core to spare.
const GLANCE: Duration = Duration::from_millis(200);

/// Measure round trips beside the floor that raw sockets set
///
/// Without --connect two engines run in this process, on two pinned threads, over loopback TCP, with
/// their journals on: a NewOrderSingle(D) goes out, the venue answers in its callback with one
/// ExecutionReport(8). With --connect the orders go to any FIX acceptor, or iLink 3 gateway, that answers
/// them; the first report of each order counts.
///
/// Round trip: from right before an order is built to the callback for its report. With --rate it is
/// counted from the moment the order was due, so an engine that stalls pays for every order that had to
/// wait (no coordinated omission). In a closed loop, what an engine still does between a report and the
/// next order is in nobody's round trip.
///
/// Floor: two threads on the same two cores exchange as many bytes over raw non-blocking loopback sockets
/// with TCP_NODELAY, both spinning on recv, nothing parsed, nothing stored. Floor and engine are measured
/// in turn, in blocks of at most 2000 exchanges, 20 blocks of each or more if there are messages enough.
/// Up to 100 exchanges at the start of a block are not counted, because the caches still hold the other
/// kind. The floor follows the same schedule as the orders. With --connect it runs in this process and
/// says nothing about the network in between.
///
/// Engine in: from the return of the socket read to the callback. Engine out: from the call that sends a
/// message to its frame being written and in the journal, right before the socket write. Both are what
/// the engines count themselves, of both engines together, or of the client's with --connect.
///
/// With --connect the sessions of FIX ask for new sequence numbers with ResetSeqNumFlag(141)=Y; those of
/// iLink 3 negotiate a new UUID, unless --journal has one to go on with.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Send orders to this FIX acceptor, or iLink 3 gateway, instead of one in this process
    #[arg(long, value_name = "HOST:PORT")]
    connect: Option<String>,

    /// What is spoken; with ilink3 NewOrderSingle(514) goes out and ExecutionReportNew(522) comes back
    #[arg(long, value_enum, default_value = "fix")]
    protocol: Protocol,

    /// Who logs on to the iLink 3 gateway of --connect: a TOML file with [[account]] tables of session,
    /// firm, access_key_id and secret_key, as `pinfix exchange --venue ilink3` has it; each session takes
    /// one
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,

    /// FIX version: FIX.4.2, FIX.4.4, FIX.5.0SP2
    #[arg(long, value_name = "VERSION", default_value = "FIX.4.4", value_parser = version::parse)]
    version: &'static Rules,

    /// SenderCompID(49) of the client; several sessions get a number behind it
    #[arg(long, value_name = "COMPID", default_value = "CLIENT", value_parser = comp_id)]
    sender: String,

    /// TargetCompID(56) of the client
    #[arg(long, value_name = "COMPID", default_value = "VENUE", value_parser = comp_id)]
    target: String,

    /// Sessions on the client's engine; orders go to one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    sessions: u16,

    /// Orders to measure [default: 100000, or 8 seconds' worth with --rate]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    messages: Option<u32>,

    /// Orders sent first that are not measured
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    warm_up: u32,

    /// Open loop: orders per second, sent when due whether or not earlier ones are answered [default: closed loop, one order in flight]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: Option<u64>,

    /// Cores of the client's and the venue's thread [default: chosen from those allowed]
    #[arg(long, value_name = "A,B")]
    cores: Option<Pair>,

    /// Keep the journals below this directory [default: a temporary one, removed afterwards]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// What a journal survives: page-cache, flush-every=10ms, flush-each
    #[arg(long, value_name = "MODE", default_value = "page-cache")]
    durability: Durability,

    /// Speak TLS 1.3 between the engines, with a certificate made for this run that both sides show and
    /// both sides verify; the floor stays in plain text
    #[cfg(feature = "tls")]
    #[arg(long, conflicts_with = "connect")]
    tls: bool,

    /// Keep the client's status page in this file, and the venue's in FILE.venue, for `pinfix top`
    #[arg(long, value_name = "FILE")]
    status_page: Option<PathBuf>,

    /// Have the client's engine watched every other quarter of a second, and compare
    ///
    /// By a thread that reads what `pinfix top` and a scrape of `pinfix metrics` read, each once a second,
    /// and asks a thousand times a second how a session is. The table above is of the time in which nobody
    /// looks. Without a core of its own the thread takes time from the engines, which spin.
    #[arg(long)]
    watched: bool,

    /// Write the figures to this file as well, in nanoseconds
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  pinfix latency
  pinfix latency --rate 20000 --sessions 4
  pinfix latency --protocol ilink3
  pinfix latency --version FIX.5.0SP2 --durability flush-every=10ms --journal journals
  pinfix latency --tls                               what TLS costs: run it without, too
  pinfix latency --connect 127.0.0.1:9878 --sender ME --target VENUE --json figures.json
  pinfix latency --protocol ilink3 --connect 127.0.0.1:9878 --accounts accounts.toml
  pinfix latency --watched --messages 400000
  pinfix latency --messages 2000 --warm-up 200        a smoke test, done in a second";

/// Runs the measurement and prints it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let json = arguments.json.clone();
    let json = match &json {
        // Now, not after the run: a wrong path should cost nothing.
        Some(file) => Some((file, create(file)?)),
        None => None,
    };
    let journals = Journals::new(arguments.journal.clone(), arguments.durability)?;
    let mut plan = plan(arguments)?;
    let page = match &plan.status_page {
        None if plan.watched => Some(Scratch::new()?),
        _ => None,
    };
    if let Some(page) = &page {
        plan.status_page = Some(page.file());
    }
    let watch = match &plan.status_page {
        Some(page) if plan.watched => Some(Watch::new(page, plan.cores)),
        _ => None,
    };
    let machine = Machine::look(plan.cores, journals.directory());
    introduce(&plan, &journals, &machine);

    let stopper = Stopper::default();
    interrupt::stop_on_signal(stopper.clone(), "Stopping. Ctrl-C again quits at once.")?;
    let course = Course::new(plan.cores.pause(), stopper.clone());
    let (measured, looked) = match measure(&plan, &journals, &course, watch.as_ref()) {
        Ok(measured) => measured,
        Err(_) if stopper.is_stopping() => return Ok(ExitCode::from(interrupt::INTERRUPTED)),
        Err(error) => return Err(error),
    };
    conclude(&plan, &measured);
    let looked = looked.zip(watch);
    if let (Some(compared), Some((looked, watch))) = (&measured.compared, &looked) {
        say(&format!(
            "\n{}",
            compared.table(&measured, looked, &watch.place())
        ));
    }
    if let Some((file, mut out)) = json {
        let mut value = measured.json(plan.json(), machine.json());
        if let (Some(compared), Some((looked, watch))) = (&measured.compared, &looked) {
            value["watched"] = compared.json(&measured, looked, watch.core);
        }
        serde_json::to_writer_pretty(&mut out, &value)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
            .with_context(|| format!("--json: writing {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn create(file: &Path) -> anyhow::Result<File> {
    File::create(file).with_context(|| format!("--json: creating {}", file.display()))
}

fn plan(arguments: Arguments) -> anyhow::Result<Plan> {
    let accounts = accounts(&arguments)?;
    let load = arguments.rate.map_or(Load::Closed, Load::Open);
    let messages = match (arguments.messages, arguments.rate) {
        (Some(messages), _) => messages as usize,
        (None, Some(rate)) => {
            MESSAGES.min(usize::try_from(rate.saturating_mul(OPEN_LOOP_S)).unwrap_or(MESSAGES))
        }
        (None, None) => MESSAGES,
    };
    Ok(Plan {
        protocol: arguments.protocol,
        rules: arguments.version,
        sender: arguments.sender,
        target: arguments.target,
        sessions: usize::from(arguments.sessions),
        connect: arguments.connect.as_deref().map(resolve).transpose()?,
        accounts,
        load,
        warm_up: arguments.warm_up as usize,
        blocks: Blocks::new(messages, load),
        cores: Cores::choose(arguments.cores)?,
        durability: arguments.durability,
        #[cfg(feature = "tls")]
        tls: match arguments.tls {
            true => Some(tls::Tls::new()?),
            false => None,
        },
        status_page: arguments.status_page,
        watched: arguments.watched,
    })
}

/// Who logs on to an iLink 3 gateway in another process.
fn accounts(arguments: &Arguments) -> anyhow::Result<Vec<Account>> {
    let wanted = usize::from(arguments.sessions);
    let elsewhere = arguments.protocol == Protocol::Ilink3 && arguments.connect.is_some();
    match &arguments.accounts {
        None if elsewhere => bail!(
            "--connect: an iLink 3 gateway lets in whom it knows, say with --accounts FILE who logs on: \
             the file that `pinfix exchange --venue ilink3 --accounts` has"
        ),
        None => Ok(Vec::new()),
        Some(_) if !elsewhere => {
            bail!("--accounts: expected together with --protocol ilink3 and --connect")
        }
        Some(file) => {
            let mut accounts = Account::read(file).context("--accounts")?;
            let found = accounts.len();
            if found < wanted {
                bail!(
                    "--accounts: {wanted} sessions, and {} has {found} accounts; one is needed for each",
                    file.display()
                );
            }
            accounts.truncate(wanted);
            for account in &accounts {
                let of = || {
                    format!(
                        "--accounts: account {} of {}",
                        account.session, account.firm
                    )
                };
                account.credentials().with_context(of)?;
            }
            Ok(accounts)
        }
    }
}

/// A CompID as given; room is left for the number of a session.
fn comp_id(text: &str) -> Result<String, &'static str> {
    let is_sound = (1..=60).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b));
    if is_sound {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 60 printable ASCII characters")
    }
}

fn resolve(text: &str) -> anyhow::Result<SocketAddr> {
    let wrong =
        || format!("--connect: {text:?} is no address, expected HOST:PORT such as 127.0.0.1:9878");
    let mut addresses = text.to_socket_addrs().with_context(wrong)?;
    addresses.next().with_context(wrong)
}

/// Runs the threads, and the progress bar beside them.
fn measure(
    plan: &Plan,
    journals: &Journals,
    course: &Course,
    watch: Option<&Watch>,
) -> anyhow::Result<(Measured, Option<Looked>)> {
    let (tell_ready, ready) = mpsc::sync_channel(1);
    thread::scope(|scope| {
        let venue = thread::Builder::new()
            .name("pinfix-venue".to_owned())
            .spawn_scoped(scope, move || match plan.connect {
                None => venue::run(plan, journals, course, &tell_ready).map(Some),
                Some(_) => venue::run_floor_only(plan, course, &tell_ready).map(|()| None),
            })
            .context("starting the venue's thread")?;
        let Ok(ready) = ready.recv() else {
            return Err(match joined(venue.join()) {
                Err(error) => error,
                Ok(_) => anyhow!("the venue's thread ended before it began"),
            });
        };
        let client = thread::Builder::new()
            .name("pinfix-client".to_owned())
            .spawn_scoped(scope, move || {
                client::run(plan, journals, course, &ready, watch)
            });
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                course.go_to(course::Step::Finish);
                return Err(error).context("starting the client's thread");
            }
        };
        let watching = watch.map(|watch| scope.spawn(move || watchers::run(watch, course)));
        let bar = progress_bar(plan.exchanges());
        while !client.is_finished() {
            bar.set_position(course.progress());
            thread::sleep(GLANCE);
        }
        bar.finish_and_clear();
        let measured = joined(client.join());
        let orders_seen = joined(venue.join());
        // If both failed, the venue knows better why: the client only misses a reply.
        let orders_seen = orders_seen?;
        let measured = measured?;
        let looked = watching.map(|thread| joined(thread.join())).transpose()?;
        check_counts(&measured, orders_seen)?;
        Ok((measured, looked))
    })
}

/// A directory for a status page that nobody asked for, in memory if there is such a place.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let named = |place: &Path| tempfile::Builder::new().prefix("pinfix-").tempdir_in(place);
        named(Path::new("/dev/shm"))
            .or_else(|_| named(&std::env::temp_dir()))
            .map(Self)
            .context("making a directory for the status page")
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("client")
    }
}

/// Every order must have been answered, and nothing else.
fn check_counts(measured: &Measured, orders_seen: Option<u64>) -> anyhow::Result<()> {
    let Measured {
        orders, replies, ..
    } = measured;
    if orders != replies {
        bail!("{orders} orders were sent and {replies} were answered");
    }
    if let Some(seen) = orders_seen {
        if seen != *orders {
            bail!("{orders} orders were sent and {seen} came to the venue");
        }
        if measured.more_replies > 0 {
            let more = measured.more_replies;
            bail!("{orders} orders were sent and {more} reports too many came back");
        }
    }
    Ok(())
}

fn joined<T>(joined: thread::Result<anyhow::Result<T>>) -> anyhow::Result<T> {
    joined.unwrap_or_else(|_| Err(anyhow!("a thread panicked, see above: a defect of pinfix")))
}

/// A bar on standard error; hidden if that is no terminal. It draws only when it is told to.
fn progress_bar(exchanges: u64) -> ProgressBar {
    let bar = ProgressBar::new(exchanges);
    let style = ProgressStyle::with_template("  {bar:50} {percent}%  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// What is measured, and where.
fn introduce(plan: &Plan, journals: &Journals, machine: &Machine) {
    let place = if journals.is_temporary() {
        "a temporary directory".to_owned()
    } else {
        journals.directory().display().to_string()
    };
    let filesystem = machine.journal_filesystem();
    let durability = plan.durability;
    let mut lines = machine.lines();
    lines.push(("journal", format!("{place} on {filesystem}, {durability}")));
    lines.extend(plan.lines());
    if cfg!(debug_assertions) {
        lines.push((
            "build",
            "debug: the figures mean nothing, build with --release".to_owned(),
        ));
    }
    let mut text = String::from("pinfix latency\n\n");
    for (name, line) in lines {
        text.push_str(&format!("  {name:<9} {line}\n"));
    }
    say(&text);
}

/// What came of it.
fn conclude(plan: &Plan, measured: &Measured) {
    let (floor, whose) = match plan.connect {
        None => ("floor", "both engines"),
        Some(_) => ("local floor", "the client's engine"),
    };
    let mut text = format!("\n{}\n", measured.table(floor));
    text.push_str(&format!(
        "  ratio to {floor} p50 {:.2}\n\n",
        measured.ratio_p50()
    ));
    let Measured {
        request_bytes,
        reply_bytes,
        orders,
        ..
    } = measured;
    text.push_str(&format!(
        "  {orders} orders sent, all answered; orders of {request_bytes} bytes, reports of {reply_bytes}.\n  \
         engine in and out: as counted by {whose}.\n"
    ));
    if let Load::Open(_) = plan.load {
        let late = measured.late;
        text.push_str(&format!(
            "  {} of {} orders were sent more than {} us after they were due, the worst {:.0} us.\n",
            late.late,
            late.sent,
            client::LATE_NS / 1000,
            us(late.worst_ns)
        ));
    }
    if measured.more_replies > 0 {
        text.push_str(&format!(
            "  {} further reports came for orders that had been answered.\n",
            measured.more_replies
        ));
    }
    say(&text);
}

/// Prints; that nobody reads is no reason to fail.
fn say(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
