//! What the gateway answers, and how it misbehaves.

use std::fs;
use std::time::{Duration, Instant};

use pinfix::wire::sbe::Price9;
use pinfix::wire::sbe::ilink3::*;

use crate::client::{KEY, Stage};
use crate::command;

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
    client.logs_out("lunch");
    let session = client.session;
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
fn a_script_ends_sessions_and_lets_them_come_back() {
    let stage = Stage::new();
    let script = "at 200ms logout Maintenance\nlogon 2 disconnect\nmessage 1 drop\n";
    let gateway = stage.gateway("127.0.0.1:0", script, &[]);
    let mut client = stage.client(&gateway);
    client.until("three logons", |client| client.told.logons == 3);
    let causes = &client.told.causes;
    assert!(causes[0].contains("Maintenance"), "{causes:?}");
    assert!(causes[1].contains("connection was lost"), "{causes:?}");
    client.order("A", |_| {});
    client.until("the drop", |client| client.told.causes.len() == 3);
    let causes = &client.told.causes;
    assert!(causes[2].contains("connection was lost"), "{causes:?}");
    assert!(client.told.came.is_empty());
}

#[test]
fn what_is_kept_back_and_not_sent_again_is_missed() {
    let stage = Stage::new();
    let gateway = stage.gateway("127.0.0.1:0", "message 1 gap 2\nretransmit reject 2\n", &[]);
    let mut client = stage.client(&gateway);
    client.logs_on();
    client.order("A", |_| {});
    client.order("B", |_| {});
    client.comes(2);
    assert_eq!(client.told.came[1], "Trade B 3 at 4712.25, Filled");
    client.until("what is missed", |client| !client.told.events.is_empty());
    let missed = &client.told.events[0];
    assert!(missed.contains("first: 1, last: 2"), "{missed}");
    assert_eq!(client.stand().1, 5);
}

#[test]
fn what_the_exchange_leaves_open_is_decided_in_the_file_of_accounts() {
    let stage = Stage::new();
    let accounts = stage.path("accounts.toml");
    let rules = "[account.gateway]\nrefusal = 23\nkeep_alive_max_ms = 29999\n";
    let text = fs::read_to_string(&accounts).unwrap() + rules;
    fs::write(&accounts, text).unwrap();
    let gateway = stage.gateway("127.0.0.1:0", "", &[]);
    let mut client = stage.client(&gateway);
    client.until("a refused logon", |client| !client.told.events.is_empty());
    // The client asks for 30 s.
    let told = &client.told.events[0];
    assert!(
        told.contains("23") && told.contains("KeepAliveInterval"),
        "{told}"
    );
    assert_eq!(client.told.logons, 0);
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
    let gateway = |line: &str| account(KEY, &format!("[account.gateway]\n{line}\n"));
    run(&gateway("beyond_gap = \"drop\"")).failed(1, &["gateway.beyond_gap", "refuse or apply"]);
    run(&gateway("stale_code = 99")).failed(1, &["gateway.stale_code", "99"]);
    run(&account(KEY, "secret = \"x\"\n")).failed(1, &["accounts.toml:6", "secret_key"]);
}
