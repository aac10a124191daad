//! The simulated exchange, driven by the engine of the library in this process.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;
use std::time::{Duration, Instant};

use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Event, Inbound, Outbound, SessionConfig, SessionHandle,
};
use pinfix::session::Cause;
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::{ALL, FIX42, FIX44, Rules};
use pinfix::wire::fix::{FrameWriter, Message, Printable, msg_type, tag};

use command::{Exchange, run};

/// What the client saw.
#[derive(Default)]
struct Seen {
    logons: usize,
    messages: Vec<String>,
    rejects: Vec<String>,
    ends: Vec<Cause>,
    failures: Vec<String>,
}

impl Application for Seen {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        self.messages
            .push(Printable(inbound.message.frame()).to_string());
        Verdict::Accept
    }

    fn on_reject(&mut self, _: SessionHandle, reject: &Message<'_>, _: &mut Outbound<'_>) {
        self.rejects.push(Printable(reject.frame()).to_string());
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.ends.push(*cause);
    }

    fn on_event(&mut self, event: &Event<'_>) {
        if let Event::LogonFailed { cause, .. } = event {
            self.failures.push(cause.to_string());
        }
    }
}

struct Client {
    engine: Engine,
    clock: Clock,
    session: SessionHandle,
    seen: Seen,
}

impl Client {
    fn connect(exchange: &Exchange, rules: &'static Rules, sender: &str) -> Self {
        let mut clock = Clock::new();
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let config = SessionConfig::initiator(rules, sender, "VENUE", exchange.address);
        let (session, _) = engine.add_session(config, clock.now()).unwrap();
        Self {
            engine,
            clock,
            session,
            seen: Seen::default(),
        }
    }

    fn logged_on(exchange: &Exchange, rules: &'static Rules) -> Self {
        let mut client = Self::connect(exchange, rules, "CLIENT");
        client.until("logon", |seen| seen.logons == 1);
        client
    }

    fn until(&mut self, what: &str, done: impl Fn(&Seen) -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !done(&self.seen) {
            self.engine.poll(self.clock.now(), &mut self.seen);
            assert!(Instant::now() < end, "waited in vain for: {what}");
            std::thread::yield_now();
        }
    }

    fn send(&mut self, msg_type: &[u8], body: impl FnOnce(&mut FrameWriter<'_>)) {
        let now = self.clock.now();
        self.engine
            .outbound(now)
            .send(self.session, msg_type, body)
            .unwrap();
    }

    fn order(&mut self, id: &str, without: u32) {
        let fields = [
            (tag::CL_ORD_ID, id),
            (tag::HANDL_INST, "1"),
            (tag::SYMBOL, "ESZ6"),
            (tag::SIDE, "1"),
            (tag::TRANSACT_TIME, "20261123-14:30:02.123"),
            (tag::ORDER_QTY, "5"),
            (tag::ORD_TYPE, "2"),
            (tag::PRICE, "4512.25"),
        ];
        self.send(msg_type::NEW_ORDER_SINGLE, |body| {
            for (tag, value) in fields.into_iter().filter(|(tag, _)| *tag != without) {
                body.str(tag, value);
            }
        });
    }

    fn cancel(&mut self, id: &str, original: &str) {
        self.send(msg_type::ORDER_CANCEL_REQUEST, |body| {
            body.str(tag::CL_ORD_ID, id)
                .str(tag::ORIG_CL_ORD_ID, original)
                .str(tag::SYMBOL, "ESZ6")
                .str(tag::SIDE, "1");
        });
    }

    fn messages(&mut self, count: usize) -> &[String] {
        self.until("messages", |seen| seen.messages.len() >= count);
        &self.seen.messages
    }
}

#[track_caller]
fn has(message: &str, fields: &[&str]) {
    for field in fields {
        assert!(
            message.contains(&format!("|{field}|")),
            "no {field} in {message}"
        );
    }
}

#[test]
fn an_order_is_taken_and_filled_with_the_fields_of_its_version() {
    let exchange = Exchange::start(&[]);
    for rules in ALL {
        // Versions that share a BeginString(8) would share a session.
        let mut client = Client::connect(&exchange, rules, rules.name);
        client.until("logon", |seen| seen.logons == 1);
        client.order("A1", 0);
        let reports = client.messages(2);
        let both = ["11=A1", "55=ESZ6", "54=1", "38=5"];
        for report in reports {
            has(report, &both);
            assert_eq!(report.contains("|20=0|"), *rules == FIX42, "{report}");
        }
        has(&reports[0], &["150=0", "39=0", "151=5", "14=0", "6=0"]);
        let traded = if *rules == FIX42 { "150=2" } else { "150=F" };
        has(
            &reports[1],
            &[
                traded,
                "39=2",
                "32=5",
                "31=4512.25",
                "151=0",
                "14=5",
                "6=4512.25",
            ],
        );
    }
}

#[test]
fn an_order_without_a_price_trades_at_the_market_price_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("venue.toml");
    fs::write(
        &file,
        "market_price = \"101.25\"\n[[session]]\nversion = \"FIX.4.4\"\n\
         sender_comp_id = \"VENUE\"\ntarget_comp_id = \"CLIENT\"\n",
    )
    .unwrap();
    let exchange = Exchange::start(&["--config", file.to_str().unwrap()]);
    let mut client = Client::logged_on(&exchange, &FIX44);
    client.send(msg_type::NEW_ORDER_SINGLE, |body| {
        body.str(tag::CL_ORD_ID, "A1")
            .str(tag::SYMBOL, "ESZ6")
            .str(tag::SIDE, "2")
            .str(tag::ORDER_QTY, "0.5")
            .str(tag::ORD_TYPE, "1");
    });
    has(&client.messages(2)[1], &["31=101.25", "32=0.5", "6=101.25"]);

    // Only the session of the file is served.
    let mut stranger = Client::connect(&exchange, &FIX44, "STRANGER");
    stranger.until("being turned away", |seen| !seen.failures.is_empty());
    exchange.interrupt();
    let finished = exchange.wait().ok();
    assert!(
        finished.out.contains("turned away 127.0.0.1"),
        "{}",
        finished.out
    );
    assert!(finished.out.contains("No session for"), "{}", finished.out);
}

#[test]
fn a_lacking_or_wrong_field_is_rejected_with_its_tag() {
    let exchange = Exchange::start(&[]);
    let mut client = Client::logged_on(&exchange, &FIX44);
    for (nth, tag) in [tag::CL_ORD_ID, tag::SYMBOL, tag::SIDE, tag::ORDER_QTY]
        .into_iter()
        .enumerate()
    {
        client.order("A1", tag);
        client.until("a Reject", |seen| seen.rejects.len() == nth + 1);
        has(
            &client.seen.rejects[nth],
            &["35=3", "373=1", &format!("371={tag}")],
        );
    }
    for (quantity, reason) in [("x", "373=6"), ("0", "373=5"), ("-1", "373=5")] {
        let before = client.seen.rejects.len();
        client.send(msg_type::NEW_ORDER_SINGLE, |body| {
            body.str(tag::CL_ORD_ID, "A1")
                .str(tag::SYMBOL, "ESZ6")
                .str(tag::SIDE, "1")
                .str(tag::ORDER_QTY, quantity);
        });
        client.until("a Reject", |seen| seen.rejects.len() > before);
        has(&client.seen.rejects[before], &[reason, "371=38"]);
    }
    client.order("A1", tag::PRICE);
    has(&client.messages(1)[0], &["35=j", "380=5", "372=D"]);
}

#[test]
fn an_open_order_can_be_cancelled_once() {
    let exchange = Exchange::start(&["--fills", "none"]);
    let mut client = Client::logged_on(&exchange, &FIX44);
    client.order("A1", 0);
    client.order("A1", 0);
    client.cancel("C1", "A1");
    client.cancel("C2", "A1");
    let reports = client.messages(4);
    has(&reports[0], &["35=8", "150=0", "11=A1"]);
    has(&reports[1], &["35=8", "150=8", "39=8", "103=6", "11=A1"]);
    has(
        &reports[2],
        &[
            "35=8", "150=4", "39=4", "11=C1", "41=A1", "151=0", "55=ESZ6",
        ],
    );
    has(
        &reports[3],
        &["35=9", "11=C2", "41=A1", "434=1", "102=1", "39=8"],
    );
}

#[test]
fn a_message_without_an_answer_is_rejected() {
    let exchange = Exchange::start(&[]);
    let mut client = Client::logged_on(&exchange, &FIX44);
    client.send(b"B", |body| {
        body.str(148, "headline");
    });
    has(&client.messages(1)[0], &["35=j", "380=3", "372=B", "45=2"]);
}

#[test]
fn ctrl_c_logs_out_and_tells_what_happened() {
    let exchange = Exchange::start(&[]);
    let mut client = Client::logged_on(&exchange, &FIX44);
    exchange.interrupt();
    client.until("Logout", |seen| !seen.ends.is_empty());
    assert!(
        matches!(client.seen.ends[0], Cause::PeerLogout(_)),
        "{:?}",
        client.seen.ends
    );
    let finished = exchange.wait().ok();
    for said in [
        "FIX.4.4:VENUE->CLIENT logged on",
        "ended: logged out as asked",
        "stopped",
    ] {
        assert!(
            finished.out.contains(said),
            "no {said:?} in {}",
            finished.out
        );
    }
    assert!(finished.err.contains("Ctrl-C again"), "{}", finished.err);
}

#[test]
fn a_second_ctrl_c_quits_at_once() {
    let mut exchange = Exchange::start(&[]);
    // Logged on and then deaf: the Logout is never answered.
    let _client = Client::logged_on(&exchange, &FIX44);
    exchange.interrupt();
    exchange.heeds();
    let asked = Instant::now();
    exchange.interrupt();
    let finished = exchange.wait();
    assert_eq!(finished.code, Some(130), "{finished:?}");
    assert!(asked.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_wrong_configuration_is_named_with_line_key_and_what_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("venue.toml");
    let path = file.to_str().unwrap();
    let session =
        "[[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"V\"\ntarget_comp_id = \"C\"\n";
    let cases: [(&str, &[&str]); 9] = [
        (
            "echo = true\nidel = \"spin\"\n",
            &["venue.toml:2:", "`idel`", "`idle`"],
        ),
        (
            "listen = \"nowhere\"\n",
            &[
                "venue.toml:1:",
                "listen = ",
                "\"nowhere\"",
                "127.0.0.1:9878",
            ],
        ),
        ("idle = \"fast\"\n", &["venue.toml:1:", "`fast`", "`spin`"]),
        (
            "core = \"x\"\n",
            &["venue.toml:1:", "\"x\"", "a whole number"],
        ),
        (
            "market_price = \"1,5\"\n",
            &["venue.toml:1:", "\"1,5\"", "101.25"],
        ),
        (
            "[[session]]\nversion = \"FIX.3.9\"\n",
            &["venue.toml:2:", "\"FIX.3.9\"", "FIX.4.2"],
        ),
        ("[[session]]\nversion = \"FIX.4.4\"\n", &["sender_comp_id"]),
        ("echo = false\n", &["no session is listed", "[[session]]"]),
        ("echo = maybe\n", &["venue.toml:1:", "echo = maybe"]),
    ];
    for (text, says) in cases {
        fs::write(&file, text).unwrap();
        let failed = run(&["exchange", "--config", path]).failed(1, says);
        assert!(failed.err.contains(path), "{}", failed.err);
    }
    fs::write(&file, format!("{session}{session}")).unwrap();
    run(&["exchange", "--listen", "127.0.0.1:0", "--config", path])
        .failed(1, &["FIX.4.4:V->C", "every identity once"]);
    run(&["exchange", "--config", "/nonexistent/venue.toml"])
        .failed(1, &["/nonexistent/venue.toml", "No such file"]);
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let exchange = Exchange::start(&[]);
    let address = exchange.address.to_string();
    run(&["exchange", "--listen", &address]).failed(1, &[&address, "in use"]);
    run(&["exchange", "--listen", "nowhere"]).failed(2, &["--listen", "nowhere"]);
    run(&["exchange", "--listen", "127.0.0.1:0", "--core", "4000"]).failed(1, &["core 4000"]);
}

#[test]
fn a_message_the_script_loses_is_found_missing_and_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("mishaps.txt");
    fs::write(
        &script,
        "order 2 lose 1\norder 3 gap 4\norder 4 disconnect\n",
    )
    .unwrap();
    let exchange = Exchange::start(&["--script", script.to_str().unwrap()]);
    let mut client = Client::logged_on(&exchange, &FIX44);
    client.order("A", 0);
    client.messages(2);
    client.order("B", 0);
    // The report New of B was lost; that of the fill showed it, and waited.
    let messages = client.messages(4);
    has(&messages[2], &["34=4", "11=B", "39=0", "43=Y"]);
    has(&messages[3], &["34=5", "11=B", "39=2"]);
    client.order("C", 0);
    client.messages(6);
    let session = client.session;
    // Four numbers were left out and shown by a TestRequest behind them: they are filled.
    let end = Instant::now() + Duration::from_secs(10);
    while client.engine.next_numbers(session).unwrap().1 < 13 {
        client.engine.poll(client.clock.now(), &mut client.seen);
        assert!(Instant::now() < end, "the gap is not filled");
    }
    assert_eq!(client.engine.tally(session).unwrap().resend_requests_out, 2);
    client.order("D", 0);
    client.until("the cut", |seen| !seen.ends.is_empty());
    exchange.interrupt();
    let said = exchange.wait().ok().out;
    for what in [
        "loses messages",
        "leaves numbers out",
        "cuts the connection",
    ] {
        let line = format!("FIX.4.4:VENUE->CLIENT: the script {what}");
        assert!(said.contains(&line), "no {line:?} in {said}");
    }

    let wrong = directory.path().join("wrong.txt");
    fs::write(&wrong, "order 2 loose 1\n").unwrap();
    let wrong = wrong.to_str().unwrap();
    run(&["exchange", "--listen", "127.0.0.1:0", "--script", wrong])
        .failed(1, &["wrong.txt:1", "loose", "lose"]);
}
