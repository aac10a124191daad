//! Who connects to whom over real sockets: names, sources, ports, allow lists, sessions made on demand,
//! and a crowd at the door.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use pinfix::engine::{
    Application, Clock, Destination, Engine, EngineConfig, Event, IdentityParts, IdentityPattern,
    Inbound, Listen, OsNetwork, Outbound, SessionConfig, SessionHandle, Strangers, Template,
};
use pinfix::journal::Keeper;
use pinfix::session::fix::rules::{FIX42, FIX44, FIX50, FIX50SP1, FIX50SP2};
use pinfix::session::fix::{Admission, Decision, Verdict};
use pinfix::session::{Fault, Text};
use pinfix::wire::fix::{FrameWriter, Message, msg_type, tag};

const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

#[derive(Default)]
struct Side {
    logons: Vec<SessionHandle>,
    received: Vec<(SessionHandle, u64)>,
    turned_away: Vec<Fault>,
    added: Vec<String>,
    not_added: Vec<String>,
    failed: Vec<(Destination, Option<SocketAddr>)>,
    /// The SenderCompID(49) that is not let in, and how often it was not.
    refuses: Option<&'static str>,
    refused: u32,
    /// Logons are decided upon later, under this ticket.
    later: Option<u64>,
    asked: Option<SessionHandle>,
}

impl Application for Side {
    fn on_logon_request(&mut self, session: SessionHandle, logon: &Message<'_>) -> Admission {
        if let Some(ticket) = self.later {
            self.asked = Some(session);
            return Admission::Later(ticket);
        }
        let sender = logon.get(tag::SENDER_COMP_ID);
        if sender != self.refuses.map(str::as_bytes) {
            return Admission::Admit;
        }
        self.refused += 1;
        Admission::Refuse(Text::lossy(b"not you").into())
    }

    fn on_logon(&mut self, session: SessionHandle, _: &mut Outbound<'_>) {
        self.logons.push(session);
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        self.received.push((inbound.session, inbound.delivery.seq));
        Verdict::Accept
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::ConnectFailed {
                destination,
                address,
                ..
            } => self.failed.push(((*destination).clone(), *address)),
            Event::TurnedAway { fault, .. } => self.turned_away.push(*fault),
            Event::SessionAdded { id, .. } => self.added.push(id.to_string()),
            Event::SessionNotAdded { error, .. } => self.not_added.push(error.to_string()),
            _ => {}
        }
    }
}

struct Both {
    clock: Clock,
    venue: Engine,
    there: Side,
    client: Engine,
    here: Side,
}

impl Both {
    fn new() -> Self {
        Self::with(EngineConfig::default())
    }

    fn with(venue: EngineConfig) -> Self {
        Self {
            clock: Clock::new(),
            venue: Engine::new(venue).unwrap(),
            there: Side::default(),
            client: Engine::new(EngineConfig::default()).unwrap(),
            here: Side::default(),
        }
    }

    fn accept(&mut self, config: SessionConfig) -> SessionHandle {
        let now = self.clock.now();
        self.venue.add_session(config, now).unwrap().0
    }

    fn connect(&mut self, mut config: SessionConfig) -> SessionHandle {
        config.connect.reconnect = vec![Duration::from_millis(20)];
        let now = self.clock.now();
        self.client.add_session(config, now).unwrap().0
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = self.clock.now();
        while !done(self) {
            let now = self.clock.now();
            self.venue.poll(now, &mut self.there);
            self.client.poll(now, &mut self.here);
            let waited = now.mono.since(start.mono);
            assert!(
                waited < Duration::from_secs(20),
                "waited in vain for: {what}"
            );
        }
    }
}

fn client(name: &str, to: impl Into<Destination>) -> SessionConfig {
    SessionConfig::initiator(&FIX44, name, "VENUE", to)
}

fn venue(name: &str) -> SessionConfig {
    SessionConfig::acceptor(&FIX44, "VENUE", name)
}

#[test]
fn a_name_is_looked_up_and_one_without_an_address_is_told_and_passed_over() {
    let mut both = Both::new();
    let address = both.venue.listen(ANY_PORT.into(), None).unwrap();
    both.accept(venue("CLIENT"));
    // A label of more than 63 bytes exists nowhere, and no name server is asked.
    let nowhere = Destination::Name {
        host: "x".repeat(64),
        port: 1,
    };
    let mut config = client("CLIENT", nowhere.clone());
    let place = format!("localhost:{}", address.port());
    config.connect.destinations.push(place.parse().unwrap());
    both.connect(config);
    both.until("a logon", |both| both.here.logons.len() == 1);
    assert_eq!(both.here.failed[0], (nowhere, None));
    // Where the name also has an IPv6 address, nobody listens on that; the other one is tried next.
    let others = both.here.failed[1..].iter();
    for (destination, address) in others.filter(|(_, address)| address.is_some()) {
        assert_eq!(destination.to_string(), place);
        assert!(address.unwrap().is_ipv6());
    }
}

#[test]
fn the_source_is_bound_and_the_allow_list_sees_it() {
    let mut both = Both::new();
    let address = both.venue.listen(ANY_PORT.into(), None).unwrap();
    for name in ["GOOD", "BAD"] {
        let mut config = venue(name);
        config.accept.allow = vec!["127.0.0.2".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        both.accept(config);
    }
    let mut good = client("GOOD", address);
    good.connect.source = Some(([127, 0, 0, 2], 0).into());
    let good = both.connect(good);
    both.connect(client("BAD", address));
    both.until("both answers", |both| {
        both.here.logons.len() == 1 && both.there.turned_away.len() >= 2
    });
    assert_eq!(both.here.logons, [good]);
    let only = |fault: &Fault| *fault == Fault::SourceNotAllowed;
    assert!(both.there.turned_away.iter().all(only));
}

/// X8-09.
#[test]
fn two_sessions_that_differ_in_their_port_alone_have_numbers_of_their_own() {
    let mut both = Both::new();
    let mut sides = Vec::new();
    for qualifier in ["orders", "prices"] {
        let address = both.venue.listen(ANY_PORT.into(), None).unwrap();
        let mut config = venue("CLIENT");
        config.settings.id.qualifier = Some(qualifier.to_owned());
        config.accept.port = Some(address.port());
        let there = both.accept(config);
        let mut config = client("CLIENT", address);
        config.settings.id.qualifier = Some(qualifier.to_owned());
        sides.push((both.connect(config), there));
    }
    both.until("both logons", |both| both.here.logons.len() == 2);
    let now = both.clock.now();
    let [(orders, orders_there), (prices, prices_there)] = sides[..] else {
        unreachable!("two were made");
    };
    for _ in 0..3 {
        let write = |order: &mut FrameWriter<'_>| _ = order.str(tag::CL_ORD_ID, "A");
        let mut out = both.client.outbound(now);
        out.send(orders, msg_type::NEW_ORDER_SINGLE, write).unwrap();
    }
    both.until("the orders", |both| both.there.received.len() == 3);
    let expected: Vec<_> = (2..5).map(|seq| (orders_there, seq)).collect();
    assert_eq!(both.there.received, expected);
    assert_eq!(both.client.next_numbers(orders), Some((5, 2)));
    assert_eq!(both.client.next_numbers(prices), Some((2, 2)));
    assert_eq!(both.venue.next_numbers(prices_there), Some((2, 2)));
}

#[test]
fn sessions_are_made_on_demand_for_the_identities_a_template_serves() {
    let mut both = Both::new();
    let any = venue("ANY");
    let mut desks = Template::new(vec![&FIX44], any.clone());
    desks.allow.push(IdentityPattern::new("VENUE", "DESK*"));
    desks.deny.push(IdentityPattern::new("*", "DESK-OUT"));
    let mut old = Template::new(vec![&FIX42], any);
    old.config.accept.allow = vec!["10.0.0.0/8".parse().unwrap()];
    let listen = Listen::on(ANY_PORT.into()).template(desks).template(old);
    let address = both.venue.listen_as(listen).unwrap();
    let mut welcome = Vec::new();
    for name in ["DESK1", "DESK-OUT", "OTHER", "DESK2"] {
        let session = both.connect(client(name, address));
        if ["DESK1", "DESK2"].contains(&name) {
            welcome.push(session);
        }
    }
    // Served by version and identity, but not from here.
    both.connect(SessionConfig::initiator(&FIX42, "DESK3", "VENUE", address));
    both.until("all answers", |both| {
        both.here.logons.len() == 2 && both.there.turned_away.len() >= 6
    });
    let mut logons = both.here.logons.clone();
    logons.sort();
    assert_eq!(logons, welcome);
    both.there.added.sort();
    assert_eq!(
        both.there.added,
        ["FIX.4.4:VENUE->DESK1", "FIX.4.4:VENUE->DESK2"]
    );
    let only = |fault: &Fault| *fault == Fault::UnknownIdentity;
    assert!(both.there.turned_away.iter().all(only));
}

/// A stranger that is refused leaves nothing on disk; one that is let in finds its numbers again.
#[test]
fn a_session_of_a_template_has_files_only_once_its_peer_is_let_in() {
    let directory = std::env::temp_dir().join(format!("pinfix-guests-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    // One that is refused gives its place back.
    let mut both = Both::with(EngineConfig {
        sessions_max: 2,
        ..EngineConfig::default()
    });
    both.there.refuses = Some("DESK1");
    let mut any = Template::new(vec![&FIX44], venue("ANY"));
    any.journals = Some(directory.clone());
    let listen = Listen::on(ANY_PORT.into()).template(any);
    let address = both.venue.listen_as(listen).unwrap();
    both.connect(client("DESK1", address));
    both.connect(client("DESK2", address));
    both.until("both answers", |both| {
        both.here.logons.len() == 1 && both.there.refused >= 3
    });
    assert_eq!(both.there.added, ["FIX.4.4:VENUE->DESK2"]);
    let found: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("DESK2"), "{found:?}");
    drop(both);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// As above, with an application that takes its time.
#[test]
fn a_session_of_a_template_is_made_when_its_logon_is_decided() {
    let mut both = Both::new();
    both.there.later = Some(7);
    let listen = Listen::on(ANY_PORT.into()).template(Template::new(vec![&FIX44], venue("ANY")));
    let address = both.venue.listen_as(listen).unwrap();
    both.connect(client("DESK1", address));
    both.until("the question", |both| both.there.asked.is_some());
    assert_eq!(both.there.added, [""; 0]);
    let session = both.there.asked.unwrap();
    let now = both.clock.now();
    both.venue
        .outbound(now)
        .decide(session, 7, Decision::Admit(None))
        .unwrap();
    both.until("the logon", |both| both.here.logons.len() == 1);
    assert_eq!(both.there.added, ["FIX.4.4:VENUE->DESK1"]);
    assert_eq!(both.there.logons, [session]);
}

#[test]
fn a_peer_that_is_let_in_where_no_journal_can_be_is_closed_and_takes_no_place() {
    let file = std::env::temp_dir().join(format!("pinfix-no-lodging-{}", std::process::id()));
    std::fs::write(&file, "not a directory").unwrap();
    let mut both = Both::with(EngineConfig {
        sessions_max: 1,
        ..EngineConfig::default()
    });
    let mut any = Template::new(vec![&FIX44], venue("ANY"));
    any.journals = Some(file.clone());
    let listen = Listen::on(ANY_PORT.into()).template(any);
    let address = both.venue.listen_as(listen).unwrap();
    both.connect(client("DESK1", address));
    both.until("two attempts", |both| both.there.not_added.len() == 2);
    for told in &both.there.not_added {
        assert!(told.contains("FIX.4.4:VENUE->DESK1"), "{told}");
        assert!(told.contains(file.to_str().unwrap()), "{told}");
    }
    assert_eq!(both.there.added, [""; 0]);
    assert_eq!(both.here.logons, []);
    std::fs::remove_file(&file).unwrap();
}

/// Both ask for the same session before there is one.
#[test]
fn of_two_connections_of_one_peer_a_template_lets_one_in() {
    let mut both = Both::new();
    let any = Template::new(vec![&FIX44], venue("ANY"));
    let address = both.venue.listen(ANY_PORT.into(), Some(any)).unwrap();
    both.connect(client("DESK1", address));
    let mut again = client("DESK1", address);
    again.connect.reconnect = vec![Duration::from_secs(3600)];
    let now = both.clock.now();
    let mut second = Engine::new(EngineConfig::default()).unwrap();
    second.add_session(again, now).unwrap();
    let mut elsewhere = Side::default();
    let start = both.clock.now();
    while both.there.turned_away.is_empty() {
        let now = both.clock.now();
        both.client.poll(now, &mut both.here);
        second.poll(now, &mut elsewhere);
        both.venue.poll(now, &mut both.there);
        assert!(now.mono.since(start.mono) < Duration::from_secs(20));
    }
    assert_eq!(both.there.turned_away, [Fault::AlreadyConnected]);
    both.until("a logon", |both| {
        both.here.logons.len() + elsewhere.logons.len() == 1
    });
    assert_eq!(both.there.added, ["FIX.4.4:VENUE->DESK1"]);
}

/// Its session is being made when the time for its Logon is over.
#[test]
fn a_peer_that_is_gone_before_its_session_is_made_takes_no_place() {
    let config = EngineConfig {
        sessions_max: 1,
        ..EngineConfig::default()
    };
    let network = Box::new(OsNetwork::new().unwrap());
    // Without threads a session is made in the cycle after its Logon came.
    let mut both = Both::with(EngineConfig::default());
    both.venue = Engine::with(config, network, Keeper::inline()).unwrap();
    let any = Template::new(vec![&FIX44], venue("ANY"));
    let address = both.venue.listen(ANY_PORT.into(), Some(any)).unwrap();
    let mut gone = TcpStream::connect(address).unwrap();
    let now = both.clock.now();
    both.venue.poll(now, &mut both.there);
    gone.write_all(
        b"8=FIX.4.4\x019=64\x0135=A\x0134=1\x0149=GONE\x0152=20260105-09:00:00.000\x0156=VENUE\x01\
          98=0\x01108=30\x0110=149\x01",
    )
    .unwrap();
    // It comes in the very cycle that is its last.
    let mut late = now;
    late.mono = late.mono + Duration::from_secs(3600);
    std::thread::sleep(Duration::from_millis(20));
    both.venue.poll(late, &mut both.there);
    assert_eq!(both.there.turned_away, [Fault::LogonTimeout]);
    both.venue.poll(late, &mut both.there);
    assert_eq!(both.there.asked, None);
    // The only place there is.
    both.connect(client("DESK1", address));
    both.until("a logon", |both| both.here.logons.len() == 1);
    assert_eq!(both.there.added, ["FIX.4.4:VENUE->DESK1"]);
}

/// 2S-05.
#[test]
fn a_thousand_idle_connections_cost_what_the_limit_says_and_others_are_served() {
    let limit = 64;
    let mut both = Both::with(EngineConfig {
        strangers: Strangers {
            max: limit,
            ..Strangers::default()
        },
        ..EngineConfig::default()
    });
    let address = both.venue.listen(ANY_PORT.into(), None).unwrap();
    both.accept(venue("CLIENT"));
    let crowd: Vec<_> = (0..1000)
        .map(|_| {
            let stands = TcpStream::connect(address).unwrap();
            let now = both.clock.now();
            both.venue.poll(now, &mut both.there);
            stands
        })
        .collect();
    both.until("the crowd to be thinned", |both| {
        both.there.turned_away.len() == 1000 - limit
    });
    let only = |fault: &Fault| *fault == Fault::TooManyStrangers;
    assert!(both.there.turned_away.iter().all(only));
    both.connect(client("CLIENT", address));
    both.until("a logon", |both| both.here.logons.len() == 1);
    drop(crowd);
}

#[test]
fn a_template_may_tell_users_of_one_firm_apart() {
    let mut both = Both::new();
    let desks = Template {
        identity: IdentityParts::SubIds,
        ..Template::new(vec![&FIX44], venue("ANY"))
    };
    let listen = Listen::on(ANY_PORT.into()).template(desks);
    let address = both.venue.listen_as(listen).unwrap();
    for user in ["ALICE", "BOB"] {
        let mut config = client("FIRM", address);
        config.settings.id.sender_sub_id = Some(user.into());
        config.settings.id.target_sub_id = Some("DESK".into());
        both.connect(config);
    }
    both.connect(client("FIRM", address));
    both.until("all answers", |both| both.here.logons.len() == 3);
    both.there.added.sort();
    assert_eq!(
        both.there.added,
        [
            "FIX.4.4:VENUE->FIRM",
            "FIX.4.4:VENUE/DESK->FIRM/ALICE",
            "FIX.4.4:VENUE/DESK->FIRM/BOB"
        ]
    );
}

/// X1-10: one port, several application versions under one BeginString.
#[test]
fn a_template_serves_each_peer_in_the_version_its_logon_names() {
    let mut both = Both::new();
    let any = Template::new(vec![&FIX50, &FIX50SP1, &FIX50SP2], venue("ANY"));
    let listen = Listen::on(ANY_PORT.into()).template(any);
    let address = both.venue.listen_as(listen).unwrap();
    for (rules, name) in [(&FIX50, "A"), (&FIX50SP1, "B"), (&FIX50SP2, "C")] {
        both.connect(SessionConfig::initiator(rules, name, "VENUE", address));
    }
    both.until("all answers", |both| {
        both.here.logons.len() == 3 && both.there.logons.len() == 3
    });
    let now = both.clock.now();
    let mut versions: Vec<_> = both
        .there
        .logons
        .iter()
        .map(|session| {
            let out = both.venue.outbound(now);
            let peer = out.peer(*session).unwrap();
            (
                out.id(*session).unwrap().target_comp_id.clone(),
                peer.appl_version.name(),
            )
        })
        .collect();
    versions.sort();
    let expected = [("A", "FIX.5.0"), ("B", "FIX.5.0SP1"), ("C", "FIX.5.0SP2")];
    assert_eq!(
        versions,
        expected.map(|(name, version)| (name.to_owned(), version))
    );
}
