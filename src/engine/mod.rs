//! The only place that does I/O, reads a clock or calls the application.
//!
//! An [`Engine`] owns its sessions, their journals and their sockets, and runs on one thread: either
//! the embedder's, which calls [`Engine::poll`], or a pinned core, through [`Engine::run`].

mod add;
mod admin_files;
mod admin_socket;
mod application;
mod arrive;
mod backup;
mod clock;
mod command;
mod config;
mod control;
mod controllers;
mod cycle;
mod desk;
mod directory;
mod fixp;
mod hours;
mod judge;
mod leave;
mod link;
pub mod net;
mod os;
mod outbound;
mod peer;
mod pending;
mod places;
mod porch;
mod proxy;
mod resolver;
mod route;
mod run;
mod session;
mod slot;
mod strangers;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

pub use self::admin_files::SessionFiles;
pub use self::admin_socket::{AdminSocket, AdminSocketConfig, AdminSocketError};
pub use self::application::{Application, Event, Inbound, Resend, SbeInbound};
use self::arrive::Entrance;
pub use self::clock::{Clock, Ticker};
pub use self::config::{
    Accept, AnySessionConfig, ConfigError, Connect, Destination, EngineConfig, Failover,
    FixpSessionConfig, IdentityParts, IdentityPattern, Listen, Need, NotADestination, NotASubnet,
    Opened, Plan, Planned, Problem, Problems, SessionBuilder, SessionConfig, Start, Strangers, Subnet,
    Template, nearest, quickfix,
};
pub use self::control::{AddError, Added, Controller, StatusError};
use self::control::{Roster, Workshop};
pub use self::controllers::CONTROLLERS_MAX;
use self::controllers::{Arrivals, Controllers};
use self::desk::{Desk, WISHES_MAX};
use self::directory::Membership;
pub use self::directory::{Directory, EngineRef, NoController};
use self::leave::Exit;
use self::link::{Buffer, Link};
use self::net::{Network, Ready, Reuse};
pub use self::os::OsNetwork;
pub use self::outbound::{MESSAGE_ROOM, Outbound};
use self::pending::Pool;
use self::places::Places;
use self::porch::{Attempts, Door, Ports};
pub use self::proxy::{Proxy, ProxyHeader, ProxyProtocol, ProxyUser};
pub use self::run::{Idle, Run, RunError, Stopper};
pub use self::session::Protocol;
use self::session::Session;
use self::tls::Wire;
pub use self::tls::{
    AVAILABLE as TLS_AVAILABLE, Authorities, ClientCheck, Pem, ServerCheck, TlsClient, TlsConfigError,
    TlsIdentity, TlsServer, TlsVersion,
};
use crate::admin::Target;
use crate::counters::{EngineIdentity, StatusPage, StatusReader};
use crate::journal::{Handover, Keeper, Recovery};
use crate::session::{Hold, Outbox as _, SeriesOutbox as _};
use crate::time::Now;
use crate::wheel::Wheel;
use crate::wire::fix::FieldIndex;

/// The resolution of timers.
const TICK: std::time::Duration = std::time::Duration::from_millis(1);

/// How much the network may report per cycle without allocating.
const READY_MAX: usize = 8 * 1024;

/// Names a session of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle {
    number: u32,
    /// Which of the sessions that have had the place.
    generation: u32,
}

impl SessionHandle {
    /// The number of the session, counting from 0: its place on the status page. A session that was
    /// removed leaves its number to another; its handle leads to nobody then.
    #[must_use]
    pub fn number(self) -> usize {
        self.number as usize
    }

    fn target(self) -> Target {
        Target {
            number: self.number,
            generation: self.generation,
        }
    }

    fn of(target: Target) -> Self {
        Self {
            number: target.number,
            generation: target.generation,
        }
    }
}

/// Many sessions on one thread.
pub struct Engine {
    /// Has the directory forget this engine when it is dropped.
    membership: Membership,
    config: EngineConfig,
    desk: Desk,
    /// Receive buffers and owners of connections, by link number.
    links: Vec<Link>,
    buffers: Vec<Buffer>,
    /// Connections to be read, by link number, each at most once.
    readable: Vec<u32>,
    /// One entry per connection that has no session, or no longer.
    link_timers: Wheel,
    /// By the number of the listening port.
    doors: Vec<Door>,
    attempts: Attempts,
    /// How many connections have not logged on yet.
    strangers: usize,
    ready: Vec<Ready>,
    /// The fields of the message being handled.
    index: FieldIndex,
    /// A message that waited behind a gap, while it is being handled.
    parked: Box<[u8]>,
    workshop: Workshop,
    accepted: u64,
    turned_away: u64,
    cycles: cycle::Cycles,
}

impl Engine {
    /// An engine on the operating system's network, whose journals are kept by a thread of their own.
    ///
    /// # Errors
    /// A setting that cannot be accepted, or something the operating system refuses.
    pub fn new(config: EngineConfig) -> Result<Self, ConfigError> {
        let network = OsNetwork::new().map_err(|error| ConfigError::Io {
            doing: "opening the readiness queue",
            error,
        })?;
        let keeper = Keeper::start("pinfix-journal").map_err(|error| ConfigError::Io {
            doing: "starting the journal thread",
            error,
        })?;
        Self::with(config, Box::new(network), keeper)
    }

    /// An engine on any network and keeper, for simulations: with a simulated network,
    /// [`Keeper::inline`], journals in memory and times that the caller makes, it is deterministic.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with(
        config: EngineConfig,
        network: Box<dyn Network>,
        keeper: Keeper,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let identity = EngineIdentity {
            name: config.name.clone(),
            started: Clock::new().now().utc,
        };
        let page = StatusPage::create(
            config.status_page.as_deref(),
            config.sessions_max,
            &identity,
        )
        .map_err(|error| ConfigError::Io {
            doing: "creating the status page",
            error,
        })?;
        let (sessions, max_message_bytes) = (config.sessions_max, config.max_message_bytes);
        let roster = Arc::new(Roster::for_up_to(sessions));
        let exit = Exit::open(Arc::clone(&roster)).map_err(|error| ConfigError::Io {
            doing: "starting the thread that closes sessions",
            error,
        })?;
        let (parked, index) = cycle::scratch(config.max_message_bytes, config.max_fields);
        let workshop = Workshop {
            keeper: Arc::new(keeper),
            roster,
            door: Arc::new(Handover::new()),
            resolver: Arc::default(),
            max_message_bytes,
            ports: Ports::default(),
        };
        let arrivals = Arc::new(Arrivals::new());
        let controllers = Controllers::new(Arc::clone(&arrivals));
        let mut pending = Pool::new();
        pending.make_room(controllers.commands_max());
        let departing = Vec::with_capacity(controllers.commands_max());
        let entrance = Entrance::open(workshop.clone(), 0, "pinfix-arriving").map_err(|error| {
            ConfigError::Io {
                doing: "starting the thread that makes sessions",
                error,
            }
        })?;
        let membership = Membership::join(&config.name, &workshop, page.reader(), arrivals);
        Ok(Self {
            membership,
            desk: Desk {
                slots: Places::for_up_to(sessions),
                exit,
                entrance,
                reception: None,
                departing,
                net: Wire::over(network),
                dialled: Vec::new(),
                resolver: None,
                wheel: Wheel::new(sessions.next_power_of_two(), TICK),
                page,
                ticker: Ticker::new(),
                controllers,
                pending,
                // Twice: while the list is worked through, every session may be put on it again, and a
                // session may lose a connection, make one and lose that in one cycle.
                touched: Vec::with_capacity(2 * sessions),
                wishes: Vec::with_capacity(WISHES_MAX),
                failing_over: Vec::with_capacity(sessions),
                released: Vec::with_capacity(2 * sessions),
                read_at: 0,
                commands: 0,
                stopping: false,
                wall: None,
            },
            attempts: Attempts::new(&config.strangers),
            config,
            links: Vec::new(),
            buffers: Vec::new(),
            readable: Vec::with_capacity(16),
            link_timers: Wheel::new(16, TICK),
            doors: Vec::new(),
            strangers: 0,
            ready: Vec::with_capacity(READY_MAX),
            index,
            parked,
            workshop,
            accepted: 0,
            turned_away: 0,
            cycles: cycle::Cycles::default(),
        })
    }

    /// Adds a session and opens its journal. An initiator connects in the next cycle. Answers the
    /// handle, and what the journal had to mend.
    ///
    /// # Errors
    /// A setting that cannot be accepted, an identity that is there already, or a journal that
    /// cannot be opened. The engine is as it was then.
    pub fn add_session(
        &mut self,
        config: impl Into<AnySessionConfig>,
        now: Now,
    ) -> Result<(SessionHandle, Recovery), ConfigError> {
        let config = config.into();
        let (slot, recovery) = add::make(&self.workshop, config, now)?;
        let session = slot.handle;
        self.desk.install(slot, now);
        Ok((session, recovery))
    }

    /// Listens for peers of the acceptor sessions. With a template, a Logon for which no session is
    /// configured makes one. Answers the address bound, which tells the port if it was 0.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn listen(
        &mut self,
        address: SocketAddr,
        template: Option<Template>,
    ) -> Result<SocketAddr, ConfigError> {
        let listen = Listen::on(address);
        self.listen_as(match template {
            Some(template) => listen.template(template),
            None => listen,
        })
    }

    /// Listens for peers of the acceptor sessions, with every choice there is about a port.
    ///
    /// # Errors
    /// A setting that cannot be accepted, or the address cannot be bound.
    pub fn listen_as(&mut self, listen: Listen) -> Result<SocketAddr, ConfigError> {
        listen.check()?;
        let address = listen.address;
        if !listen.templates.is_empty() && self.desk.reception.is_none() {
            let (workshop, guests) = (self.workshop.clone(), self.config.sessions_max);
            let reception = Entrance::open(workshop, guests, "pinfix-guests");
            self.desk.reception = Some(reception.map_err(|error| ConfigError::Io {
                doing: "starting the thread that makes the sessions of templates",
                error,
            })?);
        }
        let reuse = if listen.reuse_address {
            Reuse::Allowed
        } else {
            Reuse::Forbidden
        };
        let tls = listen.tls.as_ref().map(tls::acceptor).transpose();
        let tls = tls.map_err(|error| ConfigError::ListenTls { address, error })?;
        let waiting = self.config.strangers.max;
        let header = listen.proxy_header.clone();
        let header = header.map(|header| (header, waiting));
        let (_, bound) = self
            .desk
            .net
            .listen(address, reuse, &listen.socket, tls, header)
            .map_err(|error| ConfigError::Listen { address, error })?;
        self.workshop
            .ports
            .open(bound.port(), listen.protocol, listen.lane);
        self.doors.push(Door::new(listen, bound));
        Ok(bound)
    }

    /// A controller of this engine's sessions, for another thread.
    pub fn controller(&mut self) -> Controller {
        let (sender, door) = self.desk.controllers.add();
        let room = self.desk.controllers.commands_max();
        self.desk.pending.make_room(room);
        self.desk.departing.reserve(room);
        Controller {
            sender,
            engine: self.reference(),
            status: self.desk.page.reader(),
            workshop: Workshop {
                door,
                ..self.workshop.clone()
            },
        }
    }

    /// This engine, as other threads know it: a controller can be had of it while it runs.
    #[must_use]
    pub fn reference(&self) -> EngineRef {
        self.membership.reference()
    }

    /// A reader of the status page, for other threads.
    #[must_use]
    pub fn status_reader(&self) -> StatusReader {
        self.desk.page.reader()
    }

    /// What a callback can do, outside of one: for an embedder that sends between two polls.
    pub fn outbound(&mut self, now: Now) -> Outbound<'_> {
        Outbound::new(now, &mut self.desk)
    }

    /// MsgSeqNum(34) that `session` sends next and expects next.
    #[must_use]
    pub fn next_numbers(&self, session: SessionHandle) -> Option<(u64, u64)> {
        let journal = &self.desk.slot(session)?.journal;
        Some((journal.next_out(), journal.next_in()))
    }

    /// The hold an operator has set on `session`, in this run or one before.
    #[must_use]
    pub fn hold(&self, session: SessionHandle) -> Option<&Hold> {
        self.desk.slot(session)?.journal.hold()
    }

    /// What a FIX session has counted since it was added.
    #[must_use]
    pub fn tally(&self, session: SessionHandle) -> Option<&crate::session::fix::Tally> {
        match &self.desk.slot(session)?.session {
            Session::Fix(session) => Some(session.tally()),
            Session::Fixp(_) => None,
        }
    }

    /// What a FIXP session has counted since it was added.
    #[must_use]
    pub fn fixp_tally(&self, session: SessionHandle) -> Option<&crate::session::fixp::Tally> {
        match &self.desk.slot(session)?.session {
            Session::Fix(_) => None,
            Session::Fixp(session) => Some(session.tally()),
        }
    }

    /// UUID of the current series of a FIXP session; 0 before the first Negotiate.
    #[must_use]
    pub fn uuid(&self, session: SessionHandle) -> Option<u64> {
        let slot = self.desk.slot(session)?;
        match &slot.session {
            Session::Fix(_) => None,
            Session::Fixp(_) => Some(slot.journal.series()),
        }
    }
}

/// An engine is made on one thread and may be run on another.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Engine>();
    is_send::<Controller>();
};
