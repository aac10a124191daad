//! A client of the gateway in this process, and the files of a rehearsal.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Event, FixpSessionConfig, Inbound, Outbound, SbeInbound,
    SessionHandle,
};
use pinfix::session::{Cause, Credentials, Text, fix, fixp};
use pinfix::wire::sbe::ilink3::*;
use pinfix::wire::sbe::{EncodeError, Frame, Price9};

use crate::command::Exchange;

pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a client was told.
#[derive(Default)]
pub struct Told {
    pub logons: u32,
    /// What came, in a few words.
    pub came: Vec<String>,
    /// OrderID(37) of the last report.
    pub order_id: u64,
    /// Numbers of what came, and whether by retransmission.
    pub numbers: Vec<(u64, bool)>,
    pub causes: Vec<String>,
    pub events: Vec<String>,
}

impl Told {
    pub fn read(&mut self, frame: &Frame<'_>) -> String {
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

pub struct Client {
    pub engine: Engine,
    pub clock: Clock,
    pub session: SessionHandle,
    pub told: Told,
}

impl Client {
    pub fn new(address: SocketAddr, journals: &Path) -> Self {
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
    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
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
    pub fn logs_on(&mut self) {
        let before = self.told.logons;
        self.until("a logon", |client| client.told.logons > before);
    }

    pub fn send(&mut self, write: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>) {
        let now = self.clock.now();
        self.engine
            .outbound(now)
            .send_sbe(self.session, 1420, write)
            .unwrap();
    }

    pub fn order(&mut self, id: &str, with: impl FnOnce(&mut NewOrderSingleEncoder<'_>)) {
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
    pub fn comes(&mut self, count: usize) -> &str {
        self.until("an answer", |client| client.told.came.len() >= count);
        assert_eq!(self.told.came.len(), count, "{:?}", self.told.came);
        &self.told.came[count - 1]
    }

    /// Logs out as an operator does, with this reason.
    #[track_caller]
    pub fn logs_out(&mut self, reason: &str) {
        let before = self.told.causes.len();
        let now = self.clock.now();
        let mut out = self.engine.outbound(now);
        out.logout(self.session, Text::lossy(reason.as_bytes()))
            .unwrap();
        self.until("the logout", |client| client.told.causes.len() > before);
    }

    /// The numbers sent and expected next, and the UUID.
    pub fn stand(&self) -> (u64, u64, u64) {
        let (next_out, next_in) = self.engine.next_numbers(self.session).unwrap();
        (next_out, next_in, self.engine.uuid(self.session).unwrap())
    }
}

/// A directory with the files of a rehearsal.
pub struct Stage(tempfile::TempDir);

impl Stage {
    pub fn new() -> Self {
        let stage = Self(tempfile::tempdir().unwrap());
        let account = format!(
            "[[account]]\nsession = \"ABC\"\nfirm = \"007\"\naccess_key_id = \"KEY1\"\n\
             secret_key = \"{KEY}\"\n"
        );
        fs::write(stage.path("accounts.toml"), account).unwrap();
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn gateway(&self, address: &str, script: &str, more: &[&str]) -> Exchange {
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

    pub fn client(&self, gateway: &Exchange) -> Client {
        Client::new(gateway.address, &self.path("client"))
    }
}
