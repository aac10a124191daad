//! The process that is killed: an engine with one initiator under load.
//!
//! It reports on its output, one line and one `write` each, what it may be held to: a message its
//! engine accepted for sending, a message its application saw.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Event, Inbound, Outbound, SessionConfig, SessionHandle,
};
use pinfix::journal::Finding;
use pinfix::session::Cause;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::fix::{Verdict, WhileDown};
use pinfix::wire::fix::{msg_type, tag};

/// How many messages a life sends at most, so that the whole test stays small.
const SENDS_MAX: u64 = 3000;

struct App {
    up: bool,
    done: bool,
}

impl Application for App {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.up = true;
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        report("saw", inbound.message.str(tag::CL_ORD_ID).unwrap());
        Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.up = false;
        self.done = true;
        if !matches!(cause, Cause::PeerLogout(_)) {
            report("failed", &cause.to_string());
        }
    }

    fn on_event(&mut self, event: &Event<'_>) {
        report("failed", &format!("{event:?}"));
    }
}

fn report(what: &str, about: &str) {
    // One line, hence one write: a kill cuts it off only where the kernel does.
    let line = format!("{what} {about}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// Runs until it is killed, or until the counterparty logs out.
pub(crate) fn live(directory: &Path, port: u16, life: &str) {
    let mut clock = Clock::new();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut config = SessionConfig::initiator(&FIX44, "CHILD", "PEER", address);
    // What waits behind a resend when the child is killed goes out in the next life, in its order.
    config.settings.sending.while_down = WhileDown::Queue;
    // Small segments, so that there are many changes of segments to be killed in.
    config.journal.first_segment_bytes = 16 * 1024;
    config.journal.max_segment_bytes = 256 * 1024;
    config.journal.control_reserve_bytes = 4096;
    config.connect.reconnect = vec![Duration::from_millis(10)];
    let (session, recovery) = engine
        .add_session(config.journal_below(directory), clock.now())
        .unwrap();
    for damage in &recovery.damage {
        let what = match damage.finding {
            Finding::Unpublished => "unpublished",
            // Nothing else may be left behind by a process that is killed.
            _ => "failed",
        };
        report(what, &damage.to_string());
    }
    let mut app = App {
        up: false,
        done: false,
    };
    let status = engine.status_reader();
    let segments = || status.session(0).unwrap().unwrap().status.journal_segments;
    let mut known_segments = segments();
    let mut sent = 0;
    while !app.done {
        let now = clock.now();
        let work = engine.poll(now, &mut app);
        for burst in 0..3 {
            if !app.up || life == "end" || sent == SENDS_MAX {
                break;
            }
            let id = format!("{life}-{sent}");
            let padding = "x".repeat((sent as usize * 37 + burst * 11) % 500 + 1);
            let numbered = engine
                .outbound(now)
                .send(session, msg_type::NEW_ORDER_SINGLE, |order| {
                    order.str(tag::CL_ORD_ID, &id).str(tag::TEXT, &padding);
                });
            if numbered.is_err() {
                break;
            }
            report("sent", &id);
            sent += 1;
        }
        let segments = segments();
        if segments > known_segments && known_segments > 0 {
            report("segment", &segments.to_string());
        }
        known_segments = segments;
        if work == 0 {
            std::thread::yield_now();
        }
    }
}
