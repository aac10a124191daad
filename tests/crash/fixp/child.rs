//! The process that is killed: an engine with one FIXP session under load, a client or a gateway.
//!
//! It reports on its output, one line and one `write` each, what it may be held to.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Event, FixpSessionConfig, Inbound, Listen, Outbound,
    SbeInbound, SessionHandle,
};
use pinfix::journal::Finding;
use pinfix::session::fix::Sent;
use pinfix::session::fixp::{OnNotApplied, Verdict};
use pinfix::session::{Cause, Credentials, fix};
use pinfix::wire::sbe::ilink3::{
    ExecutionReportNew, ExecutionReportNewEncoder, NewOrderSingle, NewOrderSingleEncoder,
};
use pinfix::wire::sbe::{EncodeError, Frame};

use super::{CLIENT_SENDS_AGAIN, FIRM, GATEWAY, KEY, SECRET, SESSION};

/// How many messages a life sends at most by itself, so that the whole test stays small.
const SENDS_MAX: u64 = 3000;

const VERSION: u16 = 9;

struct App {
    is_gateway: bool,
    up: bool,
    done: bool,
    /// UUID of the session that is up.
    uuid: u64,
}

fn report(line: &str) {
    // One line, hence one write: a kill cuts it off only where the kernel does.
    let line = format!("{line}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn order(room: &mut [u8], id: &str) -> Result<usize, EncodeError> {
    NewOrderSingleEncoder::new(room, VERSION)?
        .cl_ord_id(id.as_bytes())
        .order_qty(5)
        .security_id(1234)
        .finish()
}

fn execution(room: &mut [u8], id: &str) -> Result<usize, EncodeError> {
    ExecutionReportNewEncoder::new(room, VERSION)?
        .exec_id(id.as_bytes())
        .order_id(77)
        .finish()
}

impl App {
    /// Sends a message and reports it. Answers whether there was room.
    fn send(&self, session: SessionHandle, id: &str, out: &mut Outbound<'_>) -> bool {
        let sent = match self.is_gateway {
            true => out.send_sbe(session, 512, |room| execution(room, id)),
            false => out.send_sbe(session, 512, |room| order(room, id)),
        };
        let Some(seq) = sent.ok().and_then(Sent::seq) else {
            return false;
        };
        let uuid = out.uuid(session).unwrap();
        report(&format!("sent {uuid} {seq} {id}"));
        true
    }
}

impl Application for App {
    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        self.up = true;
        self.uuid = out.uuid(session).unwrap();
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> fix::Verdict {
        report("failed a message of FIX");
        fix::Verdict::Accept
    }

    fn on_sbe(&mut self, inbound: &SbeInbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let frame = Frame::new(inbound.frame.bytes()).unwrap();
        let (series, seq) = (inbound.delivery.series, inbound.delivery.seq);
        let saw = |id: &[u8]| {
            let id = String::from_utf8(id.to_vec()).unwrap();
            report(&format!("saw {series} {seq} {id}"));
            id
        };
        if self.is_gateway {
            let id = saw(NewOrderSingle::read(&frame).unwrap().cl_ord_id());
            self.send(inbound.session, &format!("on-{id}"), out);
        } else {
            saw(ExecutionReportNew::read(&frame).unwrap().exec_id());
        }
        Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.up = false;
        self.done = true;
        if !matches!(cause, Cause::PeerLogout(_)) {
            report(&format!("failed {cause}"));
        }
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::NotApplied { messages, .. } if messages.resent => {}
            Event::NotApplied { messages, .. } => {
                let (first, last) = (messages.first, messages.last);
                report(&format!("lost {} {first} {last}", self.uuid));
            }
            Event::Unconfirmed { messages, .. } => {
                let (series, first, last) = (messages.series, messages.first, messages.last);
                report(&format!("unconfirmed {series} {first} {last}"));
            }
            // The exchange has forgotten the session, or waits for another UUID whose NegotiationResponse did
            // not come.
            Event::LogonFailed {
                cause: Cause::Terminated { code: 2 | 13, .. },
                ..
            } => {}
            other => report(&format!("failed {other:?}")),
        }
    }
}

/// Runs until it is killed, or until the counterparty ends the session in order.
pub(crate) fn live(role: &str, directory: &Path, port: u16, life: &str) {
    let is_gateway = role == GATEWAY;
    let mut clock = Clock::new();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let credentials = Credentials::new(KEY, SECRET).unwrap();
    let mut config = match is_gateway {
        true => FixpSessionConfig::gateway(SESSION, FIRM, credentials),
        false => FixpSessionConfig::client(SESSION, FIRM, credentials, address),
    };
    if role == CLIENT_SENDS_AGAIN {
        config.settings.client.not_applied = OnNotApplied::Resend;
    }
    // Small segments, so that there are many changes of segments to be killed in.
    config.journal.first_segment_bytes = 16 * 1024;
    config.journal.max_segment_bytes = 256 * 1024;
    config.journal.control_reserve_bytes = 4096;
    config.connect.reconnect = vec![Duration::from_millis(10)];
    let (session, recovery) = engine
        .add_session(config.journal_below(directory), clock.now())
        .unwrap();
    for damage in &recovery.damage {
        match damage.finding {
            Finding::Unpublished => report("unpublished"),
            // Nothing else may be left behind by a process that is killed.
            _ => report(&format!("failed {damage}")),
        }
    }
    if is_gateway {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = engine.listen_as(Listen::fixp(any)).unwrap();
        report(&format!("listening {}", address.port()));
    }
    let mut app = App {
        is_gateway,
        up: false,
        done: false,
        uuid: 0,
    };
    let status = engine.status_reader();
    let segments = || status.session(0).unwrap().unwrap().status.journal_segments;
    let mut known_segments = segments();
    let mut sent = 0;
    while !app.done {
        let now = clock.now();
        let work = engine.poll(now, &mut app);
        for _ in 0..3 {
            if !app.up || life == "end" || sent == SENDS_MAX {
                break;
            }
            let id = format!("{life}-{sent}");
            if !app.send(session, &id, &mut engine.outbound(now)) {
                break;
            }
            sent += 1;
        }
        let segments = segments();
        if segments > known_segments && known_segments > 0 {
            report(&format!("segment {segments}"));
        }
        known_segments = segments;
        if work == 0 {
            std::thread::yield_now();
        }
    }
}
