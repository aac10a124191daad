//! `pinfix journal replay` of both sides of conversations.

use std::path::{Path, PathBuf};

use pinfix::journal::{Item, Journal, JournalConfig, Keeper, Kind, Location, Reader};
use pinfix::session::{Class, Outbox as _, ResetCause, SeriesOutbox as _};
use pinfix::time::Utc;

use crate::client::Stage;
use crate::command::run;

/// Gaps, retransmissions, logouts by either side, rejects, a cut, and a second UUID.
fn conversation(stage: &Stage) {
    let script = "message 3 gap 2\nmessage 7 reject 5\nmessage 9 disconnect\n";
    let gateway = stage.gateway("127.0.0.1:0", script, &[]);
    let mut client = stage.client(&gateway);
    client.logs_on();
    for id in ["A", "B", "C", "D", "E"] {
        client.order(id, |_| {});
    }
    client.comes(10);
    client.logs_out("lunch");
    client
        .engine
        .outbound(client.clock.now())
        .logon(client.session)
        .unwrap();
    client.logs_on();
    client.send(|room| pinfix::wire::sbe::ilink3::RequestForQuoteEncoder::new(room, 9)?.finish());
    client.order("F", |_| {});
    client.order("G", |_| {});
    client.comes(14);
    client.order("H", |_| {});
    client.logs_on();
    client.until("what was cut off", |client| client.told.came.len() >= 16);
    client.logs_out("a new UUID");
    let mut out = client.engine.outbound(client.clock.now());
    out.reset_numbers(client.session).unwrap();
    out.logon(client.session).unwrap();
    client.logs_on();
    client.order("I", |_| {});
    client.comes(18);
    client.logs_out("the end");
    gateway.interrupt();
    gateway.wait().ok();
}

#[track_caller]
fn has_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

fn replay(journal: &Path) -> crate::command::Finished {
    run(&["journal", "replay", journal.to_str().unwrap()])
}

#[test]
fn what_either_side_sent_is_sent_again_by_a_fresh_session() {
    let stage = Stage::new();
    conversation(&stage);
    let client = replay(&stage.path("client")).ok().out;
    has_all(
        &client,
        &[
            "# FIXP:ABC-007->EXCHANGE",
            "iLink 3 client, session ABC of 007, schema 9, KeepAliveInterval 30000 ms",
            " 2 Negotiate",
            " 4 Establish",
            "RetransmitRequest",
            "messages of the application",
            "new UUIDs that were asked for",
            "  the same\n",
        ],
    );
    let gateway = replay(&stage.path("gateway")).ok().out;
    has_all(
        &gateway,
        &[
            "# FIXP:EXCHANGE->ABC-007",
            "iLink 3 gateway, session ABC of 007, schema 9",
            "EstablishmentAck",
            "NegotiationResponse",
            "Retransmission",
            "sent again",
            "Terminate",
            "  the same\n",
        ],
    );
}

/// A copy of a journal, with every frame of ours as `change` has it.
fn copy(from: &Path, to: PathBuf, change: impl Fn(&mut Vec<u8>)) {
    let from = std::fs::read_dir(from)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let keeper = Keeper::inline();
    let config = JournalConfig {
        location: Location::Directory(to),
        identity: "FIXP:EXCHANGE->ABC-007".to_owned(),
        ..JournalConfig::default()
    };
    let (mut journal, _) = Journal::open(config, &keeper, Utc(0)).unwrap();
    let mut reader = Reader::open(from).unwrap();
    while let Some(item) = reader.read().unwrap() {
        let Item::Record(entry) = item else {
            panic!("{item:?}")
        };
        let mut frame = entry.frame.to_vec();
        let length = frame.len();
        journal.poll();
        match entry.kind {
            Kind::Reset => {
                if let Some(begun) = entry.reset().unwrap().begun {
                    journal
                        .begin_series(begun.id, ResetCause::Negotiated, entry.at)
                        .unwrap();
                }
            }
            Kind::Inbound => {
                journal
                    .keep_inbound(entry.seq, &frame, &[], true, entry.at)
                    .unwrap();
            }
            Kind::Application => {
                change(&mut frame);
                let room = journal.claim(Class::Application, length).unwrap();
                room.copy_from_slice(&frame);
                journal.commit(0..length, false, false, entry.at);
            }
            Kind::Unnumbered => {
                change(&mut frame);
                let room = journal.claim(Class::Control, length).unwrap();
                room.copy_from_slice(&frame);
                journal.commit_unnumbered(0..length, entry.at);
            }
            _ => {}
        }
        let unsent = journal.unsent_len();
        journal.mark_sent(unsent);
    }
}

#[test]
fn what_a_session_of_today_would_send_otherwise_is_shown() {
    let stage = Stage::new();
    let gateway = stage.gateway("127.0.0.1:0", "", &[]);
    let mut client = stage.client(&gateway);
    client.logs_on();
    client.order("A", |_| {});
    client.comes(2);
    client.logs_out("done");
    gateway.interrupt();
    gateway.wait().ok();
    let journal = stage.path("gateway");
    let same = stage.path("same");
    copy(&journal, same.clone(), |_| {});
    has_all(&replay(&same).ok().out, &["  the same\n"]);
    let other = stage.path("other");
    // NextSeqNo of the EstablishmentAck.
    copy(&journal, other.clone(), |frame| {
        if frame[6..8] == 504_u16.to_le_bytes() {
            frame[12 + 16] = 9;
        }
    });
    let told = replay(&other);
    assert_eq!(told.code, Some(1), "{}", told.out);
    has_all(
        &told.out,
        &[
            "  DIFFERENT        at ",
            "recorded  504 EstablishmentAck",
            "replayed  504 EstablishmentAck",
            "NextSeqNo=9",
            "NextSeqNo=1",
        ],
    );
    assert!(!told.out.contains("KEY1"));
}
