//! Two engines over the loopback interface, TLS between them.

use std::net::SocketAddr;
use std::time::Duration;

use pinfix::engine::net::Network;
use pinfix::engine::{
    Application, Clock, ConfigError, Engine, EngineConfig, Event, Inbound, Listen, MESSAGE_ROOM,
    OsNetwork, Outbound, SessionConfig, SessionHandle, Strangers, TlsClient, TlsServer,
};
use pinfix::journal::Keeper;
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{Cause, ConnectError, Fault, TlsFault};
use pinfix::wire::fix::{msg_type, tag};

pub const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

#[derive(Default)]
pub struct Side {
    pub logons: usize,
    pub received: Vec<String>,
    pub causes: Vec<Cause>,
    pub turned_away: Vec<Fault>,
    pub failed: Vec<ConnectError>,
    pub replies: bool,
}

impl Application for Side {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let id = inbound.message.str(tag::CL_ORD_ID).unwrap();
        self.received.push(id.to_owned());
        if self.replies {
            let sent = out.send(inbound.session, msg_type::EXECUTION_REPORT, |report| {
                report.str(tag::CL_ORD_ID, id);
            });
            assert!(sent.is_ok());
        }
        Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.causes.push(*cause);
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::ConnectFailed { why, .. } => self.failed.push(*why),
            Event::TurnedAway { fault, .. } => self.turned_away.push(*fault),
            Event::LogonFailed { cause, .. } => self.causes.push(*cause),
            _ => {}
        }
    }
}

impl Side {
    /// The TLS faults that were told of, however.
    pub fn tls_faults(&self) -> Vec<TlsFault> {
        let failed = self.failed.iter().filter_map(|why| match why {
            ConnectError::Tls(fault) => Some(*fault),
            ConnectError::Io(_) | ConnectError::Proxy(_) => None,
        });
        let causes = self.causes.iter().filter_map(|cause| match cause {
            Cause::Fault(Fault::Tls { why }) => Some(*why),
            _ => None,
        });
        let away = self.turned_away.iter().filter_map(|fault| match fault {
            Fault::Tls { why } => Some(*why),
            _ => None,
        });
        failed.chain(causes).chain(away).collect()
    }
}

/// One engine, its application and its only session.
pub struct Party {
    pub clock: Clock,
    pub engine: Engine,
    pub app: Side,
    pub session: Option<SessionHandle>,
}

impl Party {
    pub fn new() -> Self {
        Self::over(Box::new(OsNetwork::new().unwrap()), EngineConfig::default())
    }

    pub fn over(network: Box<dyn Network>, config: EngineConfig) -> Self {
        Self {
            clock: Clock::new(),
            engine: Engine::with(config, network, Keeper::inline()).unwrap(),
            app: Side::default(),
            session: None,
        }
    }

    /// One that gives peers so long to log on.
    pub fn patient_for(patience: Duration) -> Self {
        let strangers = Strangers {
            patience,
            ..Strangers::default()
        };
        let config = EngineConfig {
            strangers,
            ..EngineConfig::default()
        };
        Self::over(Box::new(OsNetwork::new().unwrap()), config)
    }

    pub fn listen(&mut self, tls: Option<TlsServer>) -> SocketAddr {
        let listen = Listen {
            tls,
            ..Listen::on(ANY_PORT.into())
        };
        self.engine.listen_as(listen).unwrap()
    }

    pub fn add(&mut self, config: SessionConfig) -> Result<(), ConfigError> {
        let now = self.clock.now();
        self.session = Some(self.engine.add_session(config, now)?.0);
        Ok(())
    }

    pub fn poll(&mut self) {
        let now = self.clock.now();
        self.engine.poll(now, &mut self.app);
    }

    pub fn order(&mut self, id: &str) -> bool {
        let now = self.clock.now();
        let session = self.session.unwrap();
        let room = MESSAGE_ROOM + id.len();
        let sent =
            self.engine
                .outbound(now)
                .send_sized(session, msg_type::NEW_ORDER_SINGLE, room, |order| {
                    order.str(tag::CL_ORD_ID, id);
                });
        sent.is_ok()
    }

    /// Polls until something is so.
    pub fn until(&mut self, what: &str, done: impl Fn(&Side) -> bool) {
        let start = self.clock.now();
        while !done(&self.app) {
            self.poll();
            let waited = self.clock.now().mono.since(start.mono);
            assert!(
                waited < Duration::from_secs(20),
                "waited in vain for: {what}"
            );
        }
    }
}

pub struct Pair {
    pub venue: Party,
    pub client: Party,
}

pub fn acceptor() -> SessionConfig {
    SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT")
}

pub fn initiator(address: SocketAddr, tls: Option<TlsClient>) -> SessionConfig {
    let mut config = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", address);
    config.connect.reconnect = vec![Duration::from_secs(60)];
    config.connect.tls = tls;
    config
}

impl Pair {
    pub fn new(server: Option<TlsServer>, client: Option<TlsClient>) -> Self {
        Self::of(Party::new(), server, Party::new(), client)
    }

    pub fn of(
        mut venue: Party,
        server: Option<TlsServer>,
        mut party: Party,
        client: Option<TlsClient>,
    ) -> Self {
        let address = venue.listen(server);
        venue.add(acceptor()).unwrap();
        venue.app.replies = true;
        party.add(initiator(address, client)).unwrap();
        Self {
            venue,
            client: party,
        }
    }

    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = self.venue.clock.now();
        while !done(self) {
            self.venue.poll();
            self.client.poll();
            let waited = self.venue.clock.now().mono.since(start.mono);
            let told = (self.client.app.tls_faults(), self.venue.app.tls_faults());
            assert!(
                waited < Duration::from_secs(20),
                "waited in vain for: {what} {told:?} {:?} {:?}",
                self.client.app.failed,
                self.client.app.causes
            );
        }
    }

    pub fn log_on(&mut self) {
        self.until("the logon", |pair| {
            pair.client.app.logons == 1 && pair.venue.app.logons == 1
        });
    }

    /// Sends orders and waits for the answers.
    pub fn trade(&mut self, orders: std::ops::Range<usize>) {
        for number in orders.clone() {
            assert!(self.client.order(&format!("A{number}")));
        }
        self.until("the reports", |pair| {
            pair.client.app.received.len() == orders.end
        });
        let expected: Vec<_> = (0..orders.end).map(|number| format!("A{number}")).collect();
        assert_eq!(self.client.app.received, expected);
        assert_eq!(self.venue.app.received, expected);
    }

    pub fn log_out(&mut self) {
        let stop = self.client.clock.now();
        self.client.engine.begin_stop(stop, &mut self.client.app);
        self.until("the logout", |pair| {
            pair.client.app.causes.len() == 1 && pair.venue.app.causes.len() == 1
        });
        assert_eq!(self.client.app.causes, [Cause::LogoutConfirmed]);
        assert!(matches!(self.venue.app.causes[..], [Cause::PeerLogout(_)]));
    }

    /// Both sides end with these faults, and nobody logs on.
    #[track_caller]
    pub fn fails(mut self, here: impl Fn(&[TlsFault]) -> bool, there: impl Fn(&[TlsFault]) -> bool) {
        let start = self.venue.clock.now();
        loop {
            self.venue.poll();
            self.client.poll();
            let (ours, theirs) = (self.client.app.tls_faults(), self.venue.app.tls_faults());
            if here(&ours) && there(&theirs) {
                break;
            }
            let waited = self.venue.clock.now().mono.since(start.mono);
            assert!(
                waited < Duration::from_secs(20),
                "client {ours:?} {:?}, venue {theirs:?}",
                self.client.app.failed
            );
        }
        assert_eq!((self.client.app.logons, self.venue.app.logons), (0, 0));
    }
}
