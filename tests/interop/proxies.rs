//! Proxies of somebody else between two engines of ours: tinyproxy (HTTP CONNECT), microsocks (SOCKS 5) and
//! HAProxy (the header of the PROXY protocol, both versions).

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pinfix::engine::{
    Application, Clock, ConfigError, Engine, EngineConfig, Event, Inbound, Listen, Outbound, Proxy,
    ProxyHeader, ProxyProtocol, SessionConfig, SessionHandle, Subnet,
};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{ConnectError, Fault, ProxyFault};
use pinfix::wire::fix::{msg_type, tag};

use super::peer::Failure;

const LIMIT: Duration = Duration::from_secs(20);

type Story = fn() -> Result<(), Failure>;

/// What is tried, by the program it is tried with.
pub const STORIES: [(&str, Story); 3] = [
    ("tinyproxy", tinyproxy),
    ("microsocks", microsocks),
    ("haproxy", haproxy),
];

pub fn are_installed() -> bool {
    STORIES.iter().all(|(name, _)| program(name).is_some())
}

/// Debian puts some of them where only root looks.
fn program(name: &str) -> Option<PathBuf> {
    let places = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    let mut found = places.iter().map(|place| Path::new(place).join(name));
    found.find(|path| path.is_file())
}

fn failed(doing: &str) -> impl FnOnce(std::io::Error) -> Failure + '_ {
    move |error| Failure::new(format!("{doing}: {error}"))
}

fn refused(error: ConfigError) -> Failure {
    Failure::new(error.to_string())
}

/// A proxy that runs, and ends with its trial.
struct Running {
    child: Child,
    directory: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// An address nobody listens at now.
fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed("looking for a port"))?;
    listener.local_addr().map_err(failed("looking for a port"))
}

impl Running {
    /// Starts a program whose arguments may name `{config}`, a file with this text, and waits until it
    /// listens at `at`.
    fn start(name: &str, arguments: &[&str], config: &str, at: SocketAddr) -> Result<Self, Failure> {
        let path = program(name).ok_or_else(|| Failure::new(format!("{name} is not installed")))?;
        let directory = std::env::temp_dir().join(format!(
            "pinfix-{name}-{}-{}",
            std::process::id(),
            at.port()
        ));
        fs::create_dir_all(&directory).map_err(failed("making a directory"))?;
        let file = directory.join("config");
        fs::write(&file, config).map_err(failed("writing a configuration"))?;
        let shown = file.display().to_string();
        let child = Command::new(path)
            .args(
                arguments
                    .iter()
                    .map(|text| text.replace("{config}", &shown)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed(name))?;
        let running = Self { child, directory };
        let start = Instant::now();
        while TcpStream::connect(at).is_err() {
            if start.elapsed() > LIMIT {
                return Err(Failure::new(format!("{name} does not listen at {at}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(running)
    }
}

#[derive(Default)]
struct Side {
    logons: usize,
    received: usize,
    failed: Vec<ConnectError>,
    turned_away: Vec<(SocketAddr, Fault)>,
}

impl Application for Side {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        self.received += 1;
        Verdict::Accept
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::ConnectFailed { why, .. } => self.failed.push(*why),
            Event::TurnedAway { peer, fault } => self.turned_away.push((*peer, *fault)),
            _ => {}
        }
    }
}

/// A venue and a client that have not met.
struct Both {
    clock: Clock,
    venue: Engine,
    there: Side,
    client: Engine,
    here: Side,
    at: SocketAddr,
}

impl Both {
    fn new(header: Option<ProxyHeader>, allow: &str) -> Result<Self, Failure> {
        let mut clock = Clock::new();
        let mut venue = Engine::new(EngineConfig::default()).map_err(refused)?;
        let mut listen = Listen::on(([127, 0, 0, 1], 0).into());
        listen.proxy_header = header;
        let at = venue.listen_as(listen).map_err(refused)?;
        let mut session = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
        session.accept.allow.extend(allow.parse::<Subnet>());
        venue.add_session(session, clock.now()).map_err(refused)?;
        Ok(Self {
            clock,
            venue,
            there: Side::default(),
            client: Engine::new(EngineConfig::default()).map_err(refused)?,
            here: Side::default(),
            at,
        })
    }

    fn connect(&mut self, mut session: SessionConfig) -> Result<SessionHandle, Failure> {
        session.connect.reconnect = vec![Duration::from_millis(100)];
        let now = self.clock.now();
        let (session, _) = self.client.add_session(session, now).map_err(refused)?;
        Ok(session)
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        let start = Instant::now();
        while !done(self) {
            let now = self.clock.now();
            self.venue.poll(now, &mut self.there);
            self.client.poll(now, &mut self.here);
            if start.elapsed() > LIMIT {
                return Err(Failure::new(format!(
                    "waited in vain for {what}: {:?} {:?}",
                    self.here.failed, self.there.turned_away
                )));
            }
        }
        Ok(())
    }

    fn trade(&mut self, session: SessionHandle) -> Result<(), Failure> {
        self.until("a logon", |both| {
            both.here.logons == 1 && both.there.logons == 1
        })?;
        let now = self.clock.now();
        for _ in 0..100 {
            let mut out = self.client.outbound(now);
            let sent = out.send(session, msg_type::NEW_ORDER_SINGLE, |order| {
                order.str(tag::CL_ORD_ID, "A");
            });
            sent.map_err(|refusal| Failure::new(refusal.to_string()))?;
        }
        self.until("the orders", |both| both.there.received == 100)
    }
}

/// Trades with the right password, and is told of the wrong one.
fn through(at: SocketAddr, protocol: ProxyProtocol) -> Result<(), Failure> {
    let session = |both: &Both, password| {
        let mut session = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", both.at);
        session.connect.proxy = Some(Proxy::new(protocol, at).user("me", password));
        session
    };
    let mut both = Both::new(None, "127.0.0.1")?;
    let right = session(&both, "sesame");
    let right = both.connect(right)?;
    both.trade(right)?;
    let mut both = Both::new(None, "127.0.0.1")?;
    let wrong = session(&both, "wrong");
    both.connect(wrong)?;
    both.until("a refusal", |both| !both.here.failed.is_empty())?;
    match both.here.failed[0] {
        ConnectError::Proxy(ProxyFault::UserRefused(_)) => Ok(()),
        other => Err(Failure::new(format!("a wrong password led to: {other}"))),
    }
}

fn tinyproxy() -> Result<(), Failure> {
    let at = free_address()?;
    let config = format!(
        "Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nBasicAuth me sesame\n",
        at.port()
    );
    let _proxy = Running::start("tinyproxy", &["-d", "-c", "{config}"], &config, at)?;
    through(at, ProxyProtocol::Http11)?;
    through(at, ProxyProtocol::Http10)
}

fn microsocks() -> Result<(), Failure> {
    let at = free_address()?;
    let port = at.port().to_string();
    let arguments = ["-i", "127.0.0.1", "-p", &port, "-u", "me", "-P", "sesame"];
    let _proxy = Running::start("microsocks", &arguments, "", at)?;
    through(at, ProxyProtocol::Socks5)
}

/// The address HAProxy tells is what the allow list looks at.
fn haproxy() -> Result<(), Failure> {
    for sends in ["send-proxy", "send-proxy-v2"] {
        for (source, is_allowed) in [([127, 0, 0, 9], true), ([127, 0, 0, 8], false)] {
            let header = ProxyHeader {
                from: "127.0.0.1".parse().into_iter().collect(),
            };
            let mut both = Both::new(Some(header), "127.0.0.9")?;
            let at = free_address()?;
            let config = format!(
                "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
                 listen fix\n  bind {at}\n  server venue {} {sends}\n",
                both.at
            );
            let _proxy = Running::start("haproxy", &["-db", "-f", "{config}"], &config, at)?;
            let mut session = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", at);
            session.connect.source = Some((source, 0).into());
            let session = both.connect(session)?;
            if is_allowed {
                both.trade(session)?;
                continue;
            }
            both.until("a refusal", |both| !both.there.turned_away.is_empty())?;
            let (peer, fault) = both.there.turned_away[0];
            if peer.ip() != std::net::IpAddr::from(source) || fault != Fault::SourceNotAllowed {
                return Err(Failure::new(format!("{peer} was turned away: {fault}")));
            }
        }
    }
    Ok(())
}
