//! A client that writes its messages in pieces, byte by byte under control of the test: what the engine makes
//! of the reads, and a port that stays closed when the gateway is started anew.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use pinfix::admin::{Operation, Outcome};
use pinfix::counters::SessionStatus;
use pinfix::engine::{Clock, Engine, EngineConfig, FixpSessionConfig, Listen};
use pinfix::session::Part;
use pinfix::session::fixp::{Fault, SplitPenalty};
use pinfix::wire::sbe::Frame;
use pinfix::wire::sbe::ilink3::{
    self, Delay, EstablishEncoder, ExecutionReportNew, NegotiateEncoder, NewOrderSingleEncoder,
    Terminate,
};

use crate::PATIENCE;
use crate::pair::{Scratch, Side, Station, credentials, gateway_config};

const UUID: u64 = 77;

/// The gateway, and the client's end of its connection.
struct Wire {
    clock: Clock,
    gateway: Station,
    address: SocketAddr,
    socket: TcpStream,
    got: Vec<u8>,
    /// How far the clock of the gateway is ahead.
    ahead: Duration,
}

impl Wire {
    fn new(journals: &Scratch, split: Option<SplitPenalty>) -> Self {
        let mut clock = Clock::new();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (gateway, address) = Station::gateway(config(journals, split), any, clock.now());
        let socket = dial(address);
        Self {
            clock,
            gateway,
            address,
            socket,
            got: Vec::new(),
            ahead: Duration::ZERO,
        }
    }

    /// A gateway with a port for backup connections, and both its ports.
    fn with_backup(mut config: FixpSessionConfig) -> (Self, [SocketAddr; 2]) {
        let mut clock = Clock::new();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let ports = [
            engine.listen_as(Listen::fixp(any)).unwrap(),
            engine.listen_as(Listen::fixp(any).backup()).unwrap(),
        ];
        config.accept_backup = true;
        let wire = Self {
            gateway: Station::with(engine, config, Side::default(), clock.now()),
            clock,
            address: ports[0],
            socket: dial(ports[0]),
            got: Vec::new(),
            ahead: Duration::ZERO,
        };
        (wire, ports)
    }

    /// The process of the gateway ends.
    fn stop(&mut self) {
        let idle = FixpSessionConfig::gateway("ZZZ", "999", credentials());
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let now = self.clock.now();
        drop(std::mem::replace(
            &mut self.gateway,
            Station::gateway(idle, any, now).0,
        ));
    }

    fn operate(&mut self, operation: Operation) -> Outcome {
        let gateway = &mut self.gateway;
        gateway
            .control
            .command(gateway.session, operation, PATIENCE)
            .unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(completion) = self.gateway.control.poll() {
                return completion.outcome;
            }
            self.poll();
            assert!(Instant::now() < until);
        }
    }

    fn status(&self) -> SessionStatus {
        self.gateway.control.status(self.gateway.session).unwrap()
    }

    /// How often it was told that the port is closed.
    fn told_of_port(&self) -> usize {
        let events = self.gateway.app.events.iter();
        events.filter(|event| *event == "PortClosed").count()
    }

    fn poll(&mut self) {
        let mut now = self.clock.now();
        now.mono = now.mono + self.ahead;
        self.gateway.engine.poll(now, &mut self.gateway.app);
    }

    /// Writes, and has the gateway read it before anything else is written.
    fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
        let until = Instant::now() + Duration::from_millis(20);
        while Instant::now() < until {
            self.poll();
        }
    }

    fn write_in_two(&mut self, bytes: &[u8]) {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        self.write(first);
        self.write(second);
    }

    /// The next frame of the gateway.
    fn read(&mut self) -> Vec<u8> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(len) = self.got.first_chunk().map(|len| u16::from_le_bytes(*len))
                && self.got.len() >= len.into()
            {
                return self.got.drain(..usize::from(len)).collect();
            }
            self.poll();
            let mut room = [0; 2048];
            match self.socket.read(&mut room) {
                Ok(0) => panic!("closed"),
                Ok(len) => self.got.extend_from_slice(&room[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < until, "nothing is said");
        }
    }

    /// The code of the Terminate that comes next.
    fn terminate(&mut self) -> u16 {
        let frame = self.read();
        let frame = Frame::new(&frame).unwrap();
        Terminate::read(&frame).unwrap().error_codes()
    }

    fn dial_again(&mut self) {
        self.socket = dial(self.address);
        self.got.clear();
    }

    /// What was delivered, held up or not, is answered with this SplitMsg.
    fn report(&mut self) -> Option<Delay> {
        let frame = self.read();
        let frame = Frame::new(&frame).unwrap();
        ExecutionReportNew::read(&frame).unwrap().split_msg()
    }

    fn log_on(&mut self) {
        let negotiate = self.negotiate();
        self.write(&negotiate);
        assert_eq!(
            template(&self.read()),
            ilink3::NegotiationResponse::TEMPLATE_ID
        );
        let establish = self.establish(1);
        self.write(&establish);
        assert_eq!(
            template(&self.read()),
            ilink3::EstablishmentAck::TEMPLATE_ID
        );
    }

    fn negotiate(&mut self) -> Vec<u8> {
        let stamp = self.clock.now().utc.0;
        let parts = [
            Part::Number(stamp),
            Part::Number(UUID),
            Part::Text(b"ABC"),
            Part::Text(b"007"),
        ];
        written(|room| {
            NegotiateEncoder::new(room, 9)
                .unwrap()
                .hmac_signature(&credentials().sign(&parts))
                .access_key_id(b"KEY1")
                .uuid(UUID)
                .request_timestamp(stamp)
                .session(b"ABC")
                .firm(b"007")
                .finish()
                .unwrap()
        })
    }

    fn establish(&mut self, next: u32) -> Vec<u8> {
        let stamp = self.clock.now().utc.0;
        let parts = [
            Part::Number(stamp),
            Part::Number(UUID),
            Part::Text(b"ABC"),
            Part::Text(b"007"),
            Part::Text(b"T"),
            Part::Text(b"1"),
            Part::Text(b"V"),
            Part::Number(next.into()),
            Part::Number(10_000),
        ];
        written(|room| {
            EstablishEncoder::new(room, 9)
                .unwrap()
                .hmac_signature(&credentials().sign(&parts))
                .access_key_id(b"KEY1")
                .trading_system_name(b"T")
                .trading_system_version(b"1")
                .trading_system_vendor(b"V")
                .uuid(UUID)
                .request_timestamp(stamp)
                .next_seq_no(next)
                .session(b"ABC")
                .firm(b"007")
                .keep_alive_interval(10_000)
                .finish()
                .unwrap()
        })
    }
}

fn config(journals: &Scratch, split: Option<SplitPenalty>) -> FixpSessionConfig {
    let mut config = gateway_config(Some(journals), |_| {});
    config.settings.gateway.split = split;
    config.settings.gateway.invalid_logons_max = 3;
    config
}

fn dial(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn written(write: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut room = vec![0; 512];
    let len = write(&mut room);
    room.truncate(len);
    room
}

fn order(seq: u32) -> Vec<u8> {
    written(|room| {
        NewOrderSingleEncoder::new(room, 9)
            .unwrap()
            .cl_ord_id(b"A")
            .seq_num(seq)
            .finish()
            .unwrap()
    })
}

fn template(frame: &[u8]) -> u16 {
    Frame::new(frame).unwrap().template_id()
}

#[test]
fn the_answer_to_an_order_that_two_reads_brought_says_so() {
    let journals = Scratch::new();
    let mut wire = Wire::new(&journals, Some(SplitPenalty::default()));
    wire.log_on();
    wire.write(&order(1));
    assert_eq!(wire.report(), None);
    wire.write_in_two(&order(2));
    assert_eq!(wire.report(), Some(Delay::SPLIT_MESSAGE));
    // Two in one piece are whole; so is what comes when nothing waits any more.
    wire.write(&[order(3), order(4)].concat());
    assert_eq!([wire.report(), wire.report()], [None, None]);
    // The rest of one with another behind it: that one waits as well.
    let first = order(5);
    wire.write(&first[..30]);
    wire.write(&[&first[30..], &order(6)].concat());
    let delays = [wire.report(), wire.report()];
    assert_eq!(
        delays,
        [Some(Delay::SPLIT_MESSAGE), Some(Delay::COMPLETE_MESSAGE)]
    );
    let tally = wire
        .gateway
        .engine
        .fixp_tally(wire.gateway.session)
        .unwrap();
    assert_eq!((tally.held_up, tally.held_up_dropped), (3, 0));
}

#[test]
fn nothing_is_held_up_when_the_penalty_is_off() {
    let journals = Scratch::new();
    let mut wire = Wire::new(&journals, None);
    wire.log_on();
    wire.write_in_two(&order(1));
    assert_eq!(wire.report(), None);
}

#[test]
fn an_order_that_waits_longer_than_a_tick_is_answered_in_its_time() {
    let journals = Scratch::new();
    let delay = Duration::from_millis(80);
    let mut wire = Wire::new(
        &journals,
        Some(SplitPenalty {
            delay,
            queue_max: 1,
        }),
    );
    wire.log_on();
    let began = Instant::now();
    wire.write_in_two(&order(1));
    assert_eq!(wire.report(), Some(Delay::SPLIT_MESSAGE));
    assert!(began.elapsed() >= delay, "{:?}", began.elapsed());
}

#[test]
fn more_whole_orders_than_may_wait_stay_in_the_socket_until_it_is_their_turn() {
    let journals = Scratch::new();
    let delay = Duration::from_millis(80);
    let mut wire = Wire::new(
        &journals,
        Some(SplitPenalty {
            delay,
            queue_max: 1,
        }),
    );
    wire.log_on();
    let first = order(1);
    wire.write(&first[..30]);
    let rest: Vec<u8> = (2..=200).flat_map(order).collect();
    wire.write(&[&first[30..], &rest].concat());
    let delays: Vec<_> = (0..200).map(|_| wire.report()).collect();
    let of = |delay| delays.iter().filter(|said| **said == delay).count();
    assert_eq!(delays[0], Some(Delay::SPLIT_MESSAGE));
    assert_eq!(of(Some(Delay::COMPLETE_MESSAGE)), 64);
    assert_eq!(of(None), 135);
    assert_eq!(wire.gateway.stand().1, 201);
}

#[test]
fn who_sends_on_after_terminate_29_closes_its_port_and_only_an_operator_opens_it() {
    let journals = Scratch::new();
    let delay = Duration::from_secs(60);
    let split = Some(SplitPenalty {
        delay,
        queue_max: 1,
    });
    let mut wire = Wire::new(&journals, split);
    wire.log_on();
    wire.write_in_two(&order(1));
    wire.write_in_two(&order(2));
    assert_eq!(wire.terminate(), 29);
    // Under way when it was said.
    for seq in 3..6 {
        wire.write(&order(seq));
    }
    assert!(!wire.status().port_closed);
    wire.ahead = Duration::from_millis(500);
    for seq in 6..9 {
        wire.write(&order(seq));
    }
    wire.ahead = Duration::ZERO;
    assert_eq!(wire.told_of_port(), 1);
    let tries = |wire: &mut Wire| {
        wire.dial_again();
        let establish = wire.establish(1);
        wire.write(&establish);
        wire.terminate()
    };
    assert_eq!(tries(&mut wire), 8);
    // A gateway that is started anew has not forgotten, and says so.
    wire.stop();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let now = wire.clock.now();
    (wire.gateway, wire.address) = Station::gateway(config(&journals, split), any, now);
    wire.poll();
    assert_eq!(wire.told_of_port(), 1);
    assert!(wire.status().port_closed && wire.status().awaits_operator);
    assert_eq!(tries(&mut wire), 8);
    let tally = wire
        .gateway
        .engine
        .fixp_tally(wire.gateway.session)
        .unwrap();
    let closed = tally.faults_by_kind.as_slice()[Fault::PortClosed.number()];
    assert_eq!(closed, 1);
    // The operator's word, and nothing was applied.
    assert_eq!(wire.operate(Operation::Release), Outcome::Done);
    assert!(!wire.status().port_closed && !wire.status().awaits_operator);
    assert_eq!(
        wire.operate(Operation::Release),
        Outcome::NoOp("not held"),
        "there is nothing left to release"
    );
    wire.dial_again();
    let establish = wire.establish(1);
    wire.write(&establish);
    assert_eq!(
        template(&wire.read()),
        ilink3::EstablishmentAck::TEMPLATE_ID
    );
    assert_eq!(wire.gateway.stand().1, 1);
}

#[test]
fn a_port_that_invalid_logons_close_is_closed_on_the_backup_as_well() {
    let journals = Scratch::new();
    let mut config = config(&journals, None);
    config.settings.gateway.invalid_logons_max = 1;
    let (mut wire, ports) = Wire::with_backup(config);
    wire.log_on();
    let mut backup = dial(ports[1]);
    std::mem::swap(&mut wire.socket, &mut backup);
    let establish = wire.establish(0);
    wire.write(&establish);
    assert_eq!(
        template(&wire.read()),
        ilink3::EstablishmentAck::TEMPLATE_ID
    );
    // One that is not needed, on the primary.
    std::mem::swap(&mut wire.socket, &mut backup);
    let establish = wire.establish(1);
    wire.write(&establish);
    assert_eq!(wire.terminate(), 8);
    std::mem::swap(&mut wire.socket, &mut backup);
    assert_eq!(wire.terminate(), 8);
    for port in ports {
        wire.address = port;
        wire.dial_again();
        let establish = wire.establish(1);
        wire.write(&establish);
        assert_eq!(wire.terminate(), 8, "{port}");
    }
}

#[test]
fn invalid_logons_are_counted_over_both_ports_and_both_stay_closed_when_the_gateway_is_started_anew() {
    let journals = Scratch::new();
    let config = || {
        let mut config = config(&journals, None);
        config.settings.gateway.invalid_logons_max = 4;
        config
    };
    let (mut wire, ports) = Wire::with_backup(config());
    // Nothing was negotiated, so nothing can be established.
    for port in [ports[0], ports[1], ports[0]] {
        let answer = refused_at(&mut wire, port);
        assert_ne!(code_of(&answer), Some(8), "{port}");
    }
    assert!(!wire.status().port_closed);
    assert_eq!(code_of(&refused_at(&mut wire, ports[1])), Some(8));
    assert_eq!(wire.told_of_port(), 1);
    for port in ports {
        assert_eq!(code_of(&refused_at(&mut wire, port)), Some(8), "{port}");
    }
    wire.stop();
    let (mut wire, ports) = Wire::with_backup(config());
    for port in ports {
        assert_eq!(code_of(&refused_at(&mut wire, port)), Some(8), "{port}");
    }
    assert_eq!(wire.operate(Operation::Release), Outcome::Done);
    wire.address = ports[0];
    wire.dial_again();
    wire.log_on();
}

/// What an Establish at this port is answered with.
fn refused_at(wire: &mut Wire, port: SocketAddr) -> Vec<u8> {
    wire.address = port;
    wire.dial_again();
    let establish = wire.establish(1);
    wire.write(&establish);
    wire.read()
}

/// The code, if it is a Terminate.
fn code_of(frame: &[u8]) -> Option<u16> {
    let frame = Frame::new(frame).unwrap();
    let terminate = Terminate::read(&frame).ok()?;
    Some(terminate.error_codes())
}

#[test]
fn a_long_logon_in_pieces_on_a_backup_port_is_answered() {
    let journals = Scratch::new();
    let (mut wire, ports) = Wire::with_backup(config(&journals, Some(SplitPenalty::default())));
    wire.address = ports[1];
    wire.dial_again();
    // Fields of a later version behind those we know.
    let known = wire.establish(0);
    let block = 12 + usize::from(u16::from_le_bytes([known[4], known[5]]));
    let mut establish = [&known[..block], &vec![0; 20 * 1024], &known[block..]].concat();
    let lengths = [establish.len(), block - 12 + 20 * 1024];
    for (at, length) in [0, 4].into_iter().zip(lengths) {
        let length = u16::try_from(length).unwrap();
        establish[at..at + 2].copy_from_slice(&length.to_le_bytes());
    }
    wire.write_in_two(&establish);
    assert_eq!(
        template(&wire.read()),
        ilink3::EstablishmentReject::TEMPLATE_ID
    );
}
