//! A peer that is logged on and sends noise without end: it is given up for its silence, and the loop
//! is never kept by it.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Inbound, Outbound, SessionConfig, SessionHandle,
};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{Cause, Fault};
use pinfix::time::{Now, TimestampPrecision};

#[derive(Default)]
struct App {
    logons: u64,
    ended: Vec<Cause>,
}

impl Application for App {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.ended.push(*cause);
    }
}

fn logon(now: Now) -> Vec<u8> {
    let time = now.utc.to_fix(TimestampPrecision::Millis);
    let body = format!("35=A|49=PEER|56=VENUE|34=1|52={time}|98=0|108=1|").replace('|', "\x01");
    let mut frame = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
    let sum = frame.iter().map(|&byte| u32::from(byte)).sum::<u32>() % 256;
    frame.extend(format!("10={sum:03}\x01").bytes());
    frame
}

#[test]
fn noise_without_end_is_silence_and_keeps_nobody() {
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let mut clock = Clock::new();
    let address = engine.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let venue = SessionConfig::acceptor(&FIX44, "VENUE", "PEER");
    engine.add_session(venue, clock.now()).unwrap();
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(&logon(clock.now())).unwrap();
    let mut app = App::default();
    let start = Instant::now();
    while app.logons == 0 {
        engine.poll(clock.now(), &mut app);
        assert!(start.elapsed() < Duration::from_secs(10), "no logon");
    }
    let mut reader = peer.try_clone().unwrap();
    let drain = std::thread::spawn(move || while reader.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {});
    let flood = std::thread::spawn(move || {
        let noise = b"x\x01".repeat(32 * 1024);
        while peer.write_all(&noise).is_ok() {}
    });
    let mut longest = Duration::ZERO;
    let start = Instant::now();
    while app.ended.is_empty() {
        let before = Instant::now();
        engine.poll(clock.now(), &mut app);
        longest = longest.max(before.elapsed());
        assert!(start.elapsed() < Duration::from_secs(20), "it is still up");
    }
    assert_eq!(app.ended, [Cause::Fault(Fault::Silence)]);
    // Some milliseconds of reading, and whatever the machine takes away meanwhile.
    assert!(
        longest < Duration::from_secs(2),
        "one cycle took {longest:?}"
    );
    drop(engine);
    flood.join().unwrap();
    drain.join().unwrap();
}
