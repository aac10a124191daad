//! The iLink 3 gateway that `pinfix exchange` plays, as a process, and a client in this one.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use command::Exchange;
use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Event, FixpSessionConfig, Inbound, Outbound, SbeInbound,
    SessionHandle,
};
use pinfix::session::{Cause, Credentials, Text, fix, fixp};
use pinfix::wire::sbe::ilink3::*;
use pinfix::wire::sbe::{EncodeError, Frame, Price9};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client was told.
#[derive(Default)]
struct Told {
    logons: u32,
    /// What came, in a few words.
    came: Vec<String>,
    /// OrderID(37) of the last report.
    order_id: u64,
    /// Numbers of what came, and whether by retransmission.
    numbers: Vec<(u64, bool)>,
    causes: Vec<String>,
    events: Vec<String>,
}

impl Told {
    fn read(&mut self, frame: &Frame<'_>) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Ok(new) = ExecutionReportNew::read(frame) {
            self.order_id = new.order_id();
            return format!(
                "New {} {} {} at {} of {}",
                text(new.cl_ord_id()),
                new.side().name().unwrap(),
                new.order_qty(),
                new.price(),
                new.security_id()
            );
        }
        if let Ok(trade) = ExecutionReportTradeOutright::read(frame) {
            let fills: Vec<_> = trade
                .no_fills()
                .map(|fill| (fill.fill_qty(), fill.fill_px().to_string()))
                .collect();
            assert_eq!(
                fills,
                [(trade.last_qty(), trade.last_px().to_string())],
                "one fill"
            );
            return format!(
                "Trade {} {} at {}, {}",
                text(trade.cl_ord_id()),
                trade.last_qty(),
                trade.last_px(),
                trade.ord_status().name().unwrap()
            );
        }
        if let Ok(modified) = ExecutionReportModify::read(frame) {
            return format!(
                "Modify {} {}/{} at {}",
                text(modified.cl_ord_id()),
                modified.leaves_qty(),
                modified.order_qty(),
                modified.price()
            );
        }
        if let Ok(status) = ExecutionReportStatus::read(frame) {
            return format!(
                "Status {} {} to {}",
                text(status.cl_ord_id()),
                status.ord_status().name().unwrap(),
                status.ord_status_req_id().unwrap()
            );
        }
        if let Ok(cancel) = ExecutionReportCancel::read(frame) {
            return format!("Cancel {}", text(cancel.cl_ord_id()));
        }
        if let Ok(gone) = ExecutionReportElimination::read(frame) {
            return format!("Elimination {}", text(gone.cl_ord_id()));
        }
        if let Ok(reject) = ExecutionReportReject::read(frame) {
            return format!(
                "Reject {}: {}",
                text(reject.cl_ord_id()),
                text(reject.text().unwrap())
            );
        }
        if let Ok(reject) = OrderCancelReject::read(frame) {
            return format!("CancelReject {}", text(reject.cl_ord_id()));
        }
        if let Ok(reject) = OrderCancelReplaceReject::read(frame) {
            return format!(
                "ReplaceReject {}: {}",
                text(reject.cl_ord_id()),
                text(reject.text().unwrap())
            );
        }
        if let Ok(report) = OrderMassActionReport::read(frame) {
            return format!(
                "MassAction {} {} of {}, last {}",
                report.mass_action_response().name().unwrap(),
                report.no_affected_orders().len(),
                report.total_affected_orders(),
                report.last_fragment().name().unwrap()
            );
        }
        let reject = BusinessReject::read(frame).unwrap();
        format!(
            "BusinessReject {} of {}, reference {:?}",
            reject.business_reject_reason(),
            text(reject.ref_msg_type()),
            reject.ref_seq_num()
        )
    }
}

impl Application for Told {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> fix::Verdict {
        unreachable!("no FIX is spoken here")
    }

    fn on_sbe(&mut self, inbound: &SbeInbound<'_>, _: &mut Outbound<'_>) -> fixp::Verdict {
        let frame = Frame::new(inbound.frame.bytes()).unwrap();
        let line = self.read(&frame);
        self.came.push(line);
        let delivery = inbound.delivery;
        self.numbers.push((delivery.seq, delivery.retransmitted));
        fixp::Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.causes.push(cause.to_string());
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::LogonFailed { cause, .. } => self.events.push(cause.to_string()),
            Event::Missed { messages, .. } => self.events.push(format!("missed {messages:?}")),
            _ => {}
        }
    }
}

struct Client {
    engine: Engine,
    clock: Clock,
    session: SessionHandle,
    told: Told,
}

impl Client {
    fn new(address: SocketAddr, journals: &Path) -> Self {
        let mut clock = Clock::new();
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let credentials = Credentials::new("KEY1", KEY).unwrap();
        let mut config = FixpSessionConfig::client("ABC", "007", credentials, address);
        config.connect.reconnect = vec![Duration::from_millis(50)];
        config.settings.client.failed_logons_max = 10;
        let config = config.journal_below(journals);
        let (session, _) = engine.add_session(config, clock.now()).unwrap();
        Self {
            engine,
            clock,
            session,
            told: Told::default(),
        }
    }

    #[track_caller]
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            self.engine.poll(self.clock.now(), &mut self.told);
            std::thread::sleep(Duration::from_micros(200));
            let told = &self.told;
            assert!(
                Instant::now() < end,
                "waited in vain for {what}: {:?} {:?} {:?}",
                told.came,
                told.causes,
                told.events
            );
        }
    }

    #[track_caller]
    fn logs_on(&mut self) {
        let before = self.told.logons;
        self.until("a logon", |client| client.told.logons > before);
    }

    fn send(&mut self, write: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>) {
        let now = self.clock.now();
        self.engine
            .outbound(now)
            .send_sbe(self.session, 1420, write)
            .unwrap();
    }

    fn order(&mut self, id: &str, with: impl FnOnce(&mut NewOrderSingleEncoder<'_>)) {
        self.send(|room| {
            let mut order = NewOrderSingleEncoder::new(room, 9)?;
            order
                .cl_ord_id(id.as_bytes())
                .sender_id(b"TRADER1")
                .location(b"DE")
                .order_request_id(1)
                .party_details_list_req_id(7)
                .order_qty(3)
                .security_id(1234)
                .side(SideWithUndisclosed::BUY)
                .ord_type(NewOrdType::LIMIT)
                .price(Price9::parse("4712.25").unwrap());
            with(&mut order);
            order.finish()
        });
    }

    /// Waits until so much has come in all, and answers the last of it.
    #[track_caller]
    fn comes(&mut self, count: usize) -> &str {
        self.until("an answer", |client| client.told.came.len() >= count);
        assert_eq!(self.told.came.len(), count, "{:?}", self.told.came);
        &self.told.came[count - 1]
    }

    /// The numbers sent and expected next, and the UUID.
    fn stand(&self) -> (u64, u64, u64) {
        let (next_out, next_in) = self.engine.next_numbers(self.session).unwrap();
        (next_out, next_in, self.engine.uuid(self.session).unwrap())
    }
}

/// A directory with the files of a rehearsal.
struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Self {
        let stage = Self(tempfile::tempdir().unwrap());
        let account = format!(
            "[[account]]\nsession = \"ABC\"\nfirm = \"007\"\naccess_key_id = \"KEY1\"\n\
             secret_key = \"{KEY}\"\n"
        );
        fs::write(stage.path("accounts.toml"), account).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn gateway(&self, address: &str, script: &str, more: &[&str]) -> Exchange {
        fs::write(self.path("script.txt"), script).unwrap();
        let files = ["accounts.toml", "script.txt", "gateway"].map(|name| self.path(name));
        let [accounts, script, journals] = files.each_ref().map(|path| path.to_str().unwrap());
        let mut arguments = vec![
            "--venue",
            "ilink3",
            "--accounts",
            accounts,
            "--script",
            script,
            "--journal",
            journals,
        ];
        arguments.extend(more);
        Exchange::start_at(address, &arguments)
    }

    fn client(&self, gateway: &Exchange) -> Client {
        Client::new(gateway.address, &self.path("client"))
    }
}

#[test]
fn orders_are_answered_replaced_and_cancelled() {
    let stage = Stage::new();
    let gateway = stage.gateway("127.0.0.1:0", "", &["--fills", "none"]);
    let mut client = stage.client(&gateway);
    client.logs_on();
    client.order("A", |_| {});
    assert_eq!(client.comes(1), "New A Buy 3 at 4712.25 of 1234");
    let id = client.told.order_id;
    client.send(|room| {
        OrderCancelReplaceRequestEncoder::new(room, 9)?
            .cl_ord_id(b"B")
            .order_id(id)
            .order_qty(5)
            .security_id(1234)
            .side(SideWithUndisclosed::BUY)
            .ord_type(NewOrdType::LIMIT)
            .price(Price9::parse("4713").unwrap())
            .finish()
    });
    assert_eq!(client.comes(2), "Modify B 5/5 at 4713");
    let status = |id| {
        move |room: &mut [u8]| {
            OrderStatusRequestEncoder::new(room, 9)?
                .ord_status_req_id(99)
                .order_id(id)
                .finish()
        }
    };
    client.send(status(id));
    assert_eq!(client.comes(3), "Status B New to 99");
    // Without OrderID: by ClOrdID.
    let cancel = |room: &mut [u8]| {
        OrderCancelRequestEncoder::new(room, 9)?
            .cl_ord_id(b"B")
            .security_id(1234)
            .side(SideWithUndisclosed::BUY)
            .finish()
    };
    client.send(cancel);
    assert_eq!(client.comes(4), "Cancel B");
    client.send(cancel);
    assert_eq!(client.comes(5), "CancelReject B");
    client.send(status(id));
    assert_eq!(client.comes(6), "Status  Undefined to 99");
    client.send(|room| {
        OrderCancelReplaceRequestEncoder::new(room, 9)?
            .cl_ord_id(b"C")
            .order_id(id)
            .order_qty(5)
            .finish()
    });
    assert_eq!(client.comes(7), "ReplaceReject C: no such order is open");
    client.order("D", |order| {
        order.order_qty(0);
    });
    assert_eq!(client.comes(8), "Reject D: OrderQty must be above 0");
    client.order("E", |order| {
        order.time_in_force(TimeInForce::FILL_AND_KILL);
    });
    assert_eq!(client.comes(10), "Elimination E");
    client.send(|room| RequestForQuoteEncoder::new(room, 9)?.finish());
    assert_eq!(
        client.comes(11),
        "BusinessReject 3 of R, reference Some(10)"
    );
    gateway.interrupt();
    client.until("the end", |client| !client.told.causes.is_empty());
    assert!(
        client.told.causes[0].contains("the peer logged out"),
        "{:?}",
        client.told.causes
    );
    let said = gateway.wait().ok().out;
    assert!(
        said.contains("FIXP:EXCHANGE->ABC-007 logged on, UUID"),
        "{said}"
    );
    assert!(!said.contains(KEY));
}

#[test]
fn a_mass_action_cancels_what_it_means_and_lists_it() {
    let stage = Stage::new();
    let gateway = stage.gateway("127.0.0.1:0", "", &["--fills", "none"]);
    let mut client = stage.client(&gateway);
    client.logs_on();
    for nth in 0..50 {
        client.order(&format!("A{nth}"), |order| {
            order.security_id(if nth < 45 { 1 } else { 2 });
        });
    }
    client.comes(50);
    let action = |scope, instrument: Option<i32>| {
        move |room: &mut [u8]| {
            let mut to = OrderMassActionRequestEncoder::new(room, 9)?;
            to.mass_action_scope(scope);
            if let Some(instrument) = instrument {
                to.security_id(instrument);
            }
            to.finish()
        }
    };
    client.send(action(MassActionScope::INSTRUMENT_GROUP, None));
    assert_eq!(client.comes(51), "MassAction Rejected 0 of 0, last True");
    // More than one report has room for.
    client.send(action(MassActionScope::INSTRUMENT, Some(1)));
    client.comes(53);
    assert_eq!(
        client.told.came[51..],
        [
            "MassAction Accepted 39 of 45, last False",
            "MassAction Accepted 6 of 45, last True"
        ]
    );
    client.send(action(MassActionScope::ALL, None));
    assert_eq!(client.comes(54), "MassAction Accepted 5 of 5, last True");
}

#[test]
fn a_gateway_that_was_killed_goes_on_and_sends_again_what_was_missed() {
    let stage = Stage::new();
    // The second order's fill and the third's reports are kept back.
    let gateway = stage.gateway("127.0.0.1:0", "message 3 gap 2", &[]);
    let address = gateway.address.to_string();
    let mut client = stage.client(&gateway);
    client.logs_on();
    for id in ["A", "B"] {
        client.order(id, |_| {});
    }
    assert_eq!(client.comes(4), "Trade B 3 at 4712.25, Filled");
    let uuid = client.stand().2;
    client.order("C", |_| {});
    client.until("what was sent", |client| client.stand().0 == 4);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(300) {
        client.engine.poll(client.clock.now(), &mut client.told);
    }
    assert_eq!(client.told.came.len(), 4, "nothing came of C");
    gateway.signal("KILL");
    client.until("the loss", |client| !client.told.causes.is_empty());
    drop(gateway);
    let gateway = stage.gateway(&address, "", &[]);
    client.logs_on();
    client.comes(6);
    assert_eq!(client.told.numbers[4..], [(5, true), (6, true)]);
    assert_eq!(client.told.came[5], "Trade C 3 at 4712.25, Filled");
    client.order("D", |_| {});
    client.comes(8);
    assert_eq!(client.stand(), (5, 9, uuid));
    // An operator's logout keeps all of it.
    let now = client.clock.now();
    let session = client.session;
    let mut out = client.engine.outbound(now);
    out.logout(session, Text::lossy(b"lunch")).unwrap();
    client.until("the logout", |client| client.told.causes.len() == 2);
    let now = client.clock.now();
    client.engine.outbound(now).logon(session).unwrap();
    client.logs_on();
    client.order("E", |_| {});
    client.comes(10);
    assert_eq!(client.stand(), (6, 11, uuid));
    drop(gateway);
}

#[test]
fn a_script_answers_in_other_ways_than_is_right() {
    let stage = Stage::new();
    let script = "# mishaps\nnegotiate reject 1\nestablish reject 15\nmessage 2 reject 5\n\
                  message 3 unconsumed 6\nmessage 5 gap 1\nmessage 7 terminate 9\n\
                  logon 2 disconnect\n";
    let gateway = stage.gateway("127.0.0.1:0", script, &["--fills", "none"]);
    let mut client = stage.client(&gateway);
    client.logs_on();
    assert_eq!(client.told.events.len(), 2, "{:?}", client.told.events);
    for id in ["A", "B", "C"] {
        client.order(id, |_| {});
    }
    client.comes(3);
    assert_eq!(
        client.told.came[1..],
        [
            "BusinessReject 5 of D, reference Some(2)",
            "BusinessReject 6 of , reference None"
        ]
    );
    // Its number was not consumed: the client says which comes next, and goes on.
    client.order("D", |_| {});
    assert_eq!(client.comes(4), "New D Buy 3 at 4712.25 of 1234");
    client.order("E", |_| {});
    client.order("F", |_| {});
    client.comes(6);
    assert_eq!(client.told.numbers[4..], [(5, true), (6, false)]);
    client.order("G", |_| {});
    client.until("the end", |client| !client.told.causes.is_empty());
    assert!(
        client.told.causes[0].contains('9'),
        "{:?}",
        client.told.causes
    );
    let said = {
        gateway.interrupt();
        gateway.wait().ok().out
    };
    assert!(said.contains("the script keeps messages back"), "{said}");
}

#[test]
fn what_is_wrong_with_the_files_is_said_and_no_secret_is() {
    let stage = Stage::new();
    let accounts = stage.path("accounts.toml");
    let run = |text: &str| {
        fs::write(&accounts, text).unwrap();
        command::run(&[
            "exchange",
            "--venue",
            "ilink3",
            "--listen",
            "127.0.0.1:0",
            "--accounts",
            accounts.to_str().unwrap(),
        ])
    };
    run("").failed(1, &["session, firm, access_key_id and secret_key"]);
    let account = |secret: &str, more: &str| {
        format!(
            "[[account]]\nsession = \"ABC\"\nfirm = \"007\"\naccess_key_id = \"KEY1\"\n\
             secret_key = \"{secret}\"\n{more}"
        )
    };
    let failed = run(&account("sesame", "")).failed(1, &["account ABC of 007", "secret key"]);
    assert!(!failed.err.contains("sesame") && !failed.out.contains("sesame"));
    run(&account(KEY, "schema_version = 4\n")).failed(1, &["schema_version", "5 to 9"]);
    run(&account(KEY, "keep_alive_min = \"soon\"\n")).failed(1, &["keep_alive_min", "500ms"]);
    run(&account(KEY, "secret = \"x\"\n")).failed(1, &["accounts.toml:6", "secret_key"]);
}
