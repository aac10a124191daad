//! A client and a gateway, each with an engine of its own, joined over loopback and driven by one thread.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pinfix::engine::{
    Application, Clock, Controller, Engine, EngineConfig, Event, FixpSessionConfig, Inbound, Listen,
    Outbound, SbeInbound, SessionHandle,
};
use pinfix::session::{Cause, Credentials, Refusal, fix, fixp};
use pinfix::time::Now;

use crate::orders::{self, What};

pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

pub fn credentials() -> Credentials {
    Credentials::new("KEY1", KEY).unwrap()
}

/// What an application was told.
#[derive(Default)]
pub struct Side {
    pub logons: u32,
    pub causes: Vec<Cause>,
    /// ClOrdID(11) and number of what came.
    pub received: Vec<(String, u64)>,
    /// Those of them that came by retransmission, and the UUID they are of.
    pub retransmitted: Vec<(u64, u64)>,
    pub events: Vec<String>,
    /// Its messages that were not applied, as it was told; for others to take away.
    pub not_applied: Vec<fixp::NotApplied>,
    pub unconfirmed: Vec<fixp::Unconfirmed>,
    /// Why logons failed, with the codes.
    pub failed: Vec<String>,
    /// What was told as lost: the UUID, if it is one that was left, and the first and last number.
    pub lost: Vec<(Option<u64>, u64, u64)>,
    /// FIX messages that came.
    pub fix: u32,
    /// Answers every order with a report.
    pub answers: bool,
    /// Rejects every order.
    pub rejects: bool,
}

impl Application for Side {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> fix::Verdict {
        self.fix += 1;
        fix::Verdict::Accept
    }

    fn on_sbe(&mut self, inbound: &SbeInbound<'_>, out: &mut Outbound<'_>) -> fixp::Verdict {
        let what = orders::read(inbound.frame.bytes());
        let (What::Order(id) | What::Report(id)) = what else {
            self.events.push(format!("{what:?}"));
            return fixp::Verdict::Accept;
        };
        let delivery = inbound.delivery;
        self.received.push((id.to_owned(), delivery.seq));
        if delivery.retransmitted {
            self.retransmitted.push((delivery.series, delivery.seq));
        }
        if self.rejects {
            return fixp::Verdict::BusinessReject {
                reason: 2,
                text: pinfix::session::Text::lossy(b"no such security"),
            };
        }
        if self.answers
            && let What::Order(id) = what
        {
            out.send_sbe(inbound.session, 512, |room| orders::report(room, id))
                .unwrap();
        }
        fixp::Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.causes.push(*cause);
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::NotApplied { messages, .. } if !messages.resent => {
                self.lost.push((None, messages.first, messages.last));
            }
            Event::Unconfirmed { messages, .. } => {
                let series = Some(messages.series);
                self.lost.push((series, messages.first, messages.last));
            }
            _ => {}
        }
        let text = match event {
            Event::Unconfirmed { messages, .. } => {
                self.unconfirmed.push(*messages);
                event.name().to_owned()
            }
            Event::NotApplied { messages, .. } => {
                self.not_applied.push(*messages);
                format!("NotApplied {}-{}", messages.first, messages.last)
            }
            Event::Missed { messages, .. } => format!("Missed {}-{}", messages.first, messages.last),
            Event::LogonFailed { cause, .. } => {
                self.failed.push(told(cause));
                format!("LogonFailed {}", cause.name())
            }
            Event::BackupDown { cause, .. } => format!("BackupDown {}", told(cause)),
            Event::Promoted { next, .. } => format!("Promoted {next}"),
            Event::TurnedAway { fault, .. } => format!("TurnedAway {}", fault.name()),
            other => other.name().to_owned(),
        };
        self.events.push(text);
    }
}

/// A cause, with its code.
fn told(cause: &Cause) -> String {
    match cause {
        Cause::Terminated { code, .. } => format!("Terminated {code}"),
        Cause::Refused { code, .. } => format!("Refused {code}"),
        other => other.name().to_owned(),
    }
}

/// A directory that goes away with the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pinfix-fixp-{}-{nth}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An engine with one FIXP session and its application.
pub struct Station {
    pub engine: Engine,
    pub app: Side,
    pub session: SessionHandle,
    pub control: Controller,
}

impl Station {
    pub fn gateway(config: FixpSessionConfig, address: SocketAddr, now: Now) -> (Self, SocketAddr) {
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let address = engine.listen_as(Listen::fixp(address)).unwrap();
        let app = Side {
            answers: true,
            ..Side::default()
        };
        (Self::with(engine, config, app, now), address)
    }

    pub fn client(config: FixpSessionConfig, now: Now) -> Self {
        let engine = Engine::new(EngineConfig::default()).unwrap();
        Self::with(engine, config, Side::default(), now)
    }

    pub fn with(mut engine: Engine, config: FixpSessionConfig, app: Side, now: Now) -> Self {
        let (session, _) = engine.add_session(config, now).unwrap();
        let control = engine.controller();
        Self {
            engine,
            app,
            session,
            control,
        }
    }

    pub fn order(&mut self, now: Now, id: &str) -> Result<fix::Sent, Refusal> {
        let mut out = self.engine.outbound(now);
        out.send_sbe(self.session, 512, |room| orders::order(room, id))
    }

    /// The number sent next, the number expected next, and the UUID.
    pub fn stand(&self) -> (u64, u64, u64) {
        let (next_out, next_in) = self.engine.next_numbers(self.session).unwrap();
        (next_out, next_in, self.engine.uuid(self.session).unwrap())
    }

    pub fn is_up(&self) -> bool {
        let status = self.control.status(self.session).unwrap();
        status.state == pinfix::counters::ConnectionState::Up
    }
}

pub struct Pair {
    pub clock: Clock,
    pub gateway: Station,
    pub client: Station,
    address: SocketAddr,
    journals: Option<Scratch>,
    dress: fn(&mut FixpSessionConfig),
}

impl Pair {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(dress: fn(&mut FixpSessionConfig)) -> Self {
        Self::make(None, dress)
    }

    /// Journals are files, so that the engine of either side can be dropped and another started.
    pub fn with_files() -> Self {
        Self::make(Some(Scratch::new()), |_| {})
    }

    fn make(journals: Option<Scratch>, dress: fn(&mut FixpSessionConfig)) -> Self {
        let mut clock = Clock::new();
        let now = clock.now();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let config = gateway_config(journals.as_ref(), dress);
        let (gateway, address) = Station::gateway(config, any, now);
        let config = client_config(address, journals.as_ref(), dress);
        let client = Station::client(config, now);
        Self {
            clock,
            gateway,
            client,
            address,
            journals,
            dress,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = self.clock.now();
        while !done(self) {
            let now = self.clock.now();
            self.gateway.engine.poll(now, &mut self.gateway.app);
            self.client.engine.poll(now, &mut self.client.app);
            assert!(
                now.mono.since(start.mono) < Duration::from_secs(20),
                "waited in vain for: {what}; client {:?} {:?} {:?}, gateway {:?} {:?} {:?}",
                self.client.stand(),
                self.client.app.events,
                self.client.app.causes,
                self.gateway.stand(),
                self.gateway.app.events,
                self.gateway.app.causes,
            );
        }
    }

    pub fn log_on(&mut self) {
        self.until("logon", |pair| pair.client.is_up() && pair.gateway.is_up());
    }

    /// Sends so many orders, and waits for their reports.
    pub fn trade(&mut self, name: &str, count: usize) {
        let before = self.client.app.received.len();
        for number in 0..count {
            let now = self.clock.now();
            self.client.order(now, &format!("{name}{number}")).unwrap();
        }
        self.until("reports", |pair| {
            pair.client.app.received.len() == before + count
        });
    }

    /// The client's engine is gone without a word to the peer, and another goes on from its journal.
    pub fn replace_client(&mut self) {
        let now = self.clock.now();
        let config = client_config(self.address, self.journals.as_ref(), self.dress);
        // Dropped before its journal is opened again. Nothing is said to the peer.
        let old = std::mem::replace(&mut self.client, idle(now));
        drop(old);
        self.client = Station::client(config, now);
    }

    /// The same of the gateway's, on the same port.
    pub fn replace_gateway(&mut self) {
        let now = self.clock.now();
        let config = gateway_config(self.journals.as_ref(), self.dress);
        let old = std::mem::replace(&mut self.gateway, idle(now));
        drop(old);
        self.gateway = Station::gateway(config, self.address, now).0;
    }
}

/// A station that stands where another is about to.
fn idle(now: Now) -> Station {
    let config = FixpSessionConfig::gateway("ZZZ", "999", credentials());
    Station::with(
        Engine::new(EngineConfig::default()).unwrap(),
        config,
        Side::default(),
        now,
    )
}

pub fn gateway_config(
    journals: Option<&Scratch>,
    dress: fn(&mut FixpSessionConfig),
) -> FixpSessionConfig {
    let mut config = FixpSessionConfig::gateway("ABC", "007", credentials());
    config.settings.gateway.keep_alive_min_ms = 100;
    dress(&mut config);
    match journals {
        Some(journals) => config.journal_below(journals.path()),
        None => config,
    }
}

fn client_config(
    address: SocketAddr,
    journals: Option<&Scratch>,
    dress: fn(&mut FixpSessionConfig),
) -> FixpSessionConfig {
    let mut config = FixpSessionConfig::client("ABC", "007", credentials(), address);
    config.connect.reconnect = vec![Duration::from_millis(10)];
    dress(&mut config);
    match journals {
        Some(journals) => config.journal_below(journals.path()),
        None => config,
    }
}
