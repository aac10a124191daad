//! A client behind a proxy, and a gateway behind one that says who its clients are.

use std::time::Duration;

use pinfix::engine::{
    Clock, Engine, EngineConfig, FixpSessionConfig, Listen, Proxy, ProxyHeader, ProxyProtocol,
};

use crate::fake::{Does, Fake, Speaks};
use crate::pair::{Side, Station, credentials};

#[test]
fn a_client_reaches_a_gateway_through_a_proxy_that_announces_it() {
    let mut clock = Clock::new();
    let mut run = |header: &'static [u8], done: fn(&Station, &Station) -> bool| {
        let now = clock.now();
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let listen = Listen::fixp(([127, 0, 0, 1], 0).into()).behind_proxy(ProxyHeader::default());
        let address = engine.listen_as(listen).unwrap();
        let mut config = FixpSessionConfig::gateway("ABC", "007", credentials());
        config.accept.allow = vec!["203.0.113.9".parse().unwrap()];
        let mut gateway = Station::with(engine, config, Side::default(), now);
        let fake = Fake::start(Speaks::Socks5, None, Does::Announces(header));
        let mut config = FixpSessionConfig::client("ABC", "007", credentials(), address);
        config.connect.proxy = Some(Proxy::new(ProxyProtocol::Socks5, fake.address));
        let mut client = Station::client(config, now);
        while !done(&client, &gateway) {
            let at = clock.now();
            gateway.engine.poll(at, &mut gateway.app);
            client.engine.poll(at, &mut client.app);
            let waited = at.mono.since(now.mono);
            assert!(
                waited < Duration::from_secs(20),
                "{:?} {:?}",
                client.app.events,
                gateway.app.events
            );
        }
        gateway.app.events
    };
    let both_up = |client: &Station, gateway: &Station| client.is_up() && gateway.is_up();
    let events = run(b"PROXY TCP4 203.0.113.9 127.0.0.1 40000 5001\r\n", both_up);
    assert_eq!(events, [""; 0]);
    let refused = |_: &Station, gateway: &Station| !gateway.app.events.is_empty();
    let events = run(b"PROXY TCP4 203.0.113.8 127.0.0.1 40000 5001\r\n", refused);
    assert_eq!(events[0], "TurnedAway SourceNotAllowed");
    let events = run(b"PROXY TCP4 nobody\r\n", refused);
    assert_eq!(events[0], "TurnedAway ProxyHeader");
}
