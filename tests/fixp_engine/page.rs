//! What the status page says of FIXP sessions.

use pinfix::counters::ConnectionState;
use pinfix::engine::Protocol;
use pinfix::session::Credentials;
use pinfix::session::fix::Role;

use crate::pair::{Pair, Station};

fn faults(station: &Station) -> Vec<(&'static str, u64)> {
    let reader = station.engine.status_reader();
    reader.faults(0).collect()
}

#[test]
fn uuid_interval_and_counts_are_on_the_page() {
    let mut pair = Pair::new();
    let before = pair.client.control.status(pair.client.session).unwrap();
    assert_eq!(before.protocol, Protocol::Fixp);
    assert_eq!((before.uuid, before.keep_alive_ms), (0, 0));
    pair.log_on();
    pair.trade("A", 3);
    let uuid = pair.client.stand().2;
    for station in [&pair.client, &pair.gateway] {
        let status = station.control.status(station.session).unwrap();
        assert_eq!(status.protocol, Protocol::Fixp);
        assert_eq!(status.uuid, uuid);
        assert_eq!(status.keep_alive_ms, 30_000);
        assert_eq!((status.next_out, status.next_in), (4, 4));
        assert_eq!((status.retransmit_next, status.retransmit_last), (0, 0));
        assert_eq!((status.faults, status.last_fault_name()), (0, None));
        assert_eq!(faults(station), []);
    }
}

#[test]
fn mistakes_are_counted_by_the_names_of_fixp_and_a_halted_client_is_seen() {
    let mut pair = Pair::with(|config| {
        if config.settings.role == Role::Acceptor {
            let other = "_wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
            config.settings.credentials = Credentials::new("KEY1", other).unwrap();
        }
    });
    pair.until("a client that waits for an operator", |pair| {
        let status = pair.client.control.status(pair.client.session).unwrap();
        status.awaits_operator && status.state == ConnectionState::Down
    });
    assert_eq!(faults(&pair.gateway), [("NotAuthenticated", 3)]);
    let gateway = pair.gateway.control.status(pair.gateway.session).unwrap();
    assert_eq!(gateway.faults, 3);
    assert_eq!(gateway.last_fault_name(), Some("NotAuthenticated"));
    assert!(!gateway.awaits_operator);
}
