//! The screen as it is drawn, from samples of a page made for it.

use pinfix::counters::{ConnectionState, EngineStatus, Role, SessionStatus, Stage, StatusPage};
use pinfix::session::{Fault, FaultCounts, Hold, Protocol, Text, fixp};
use pinfix::time::Utc;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::board::{Board, Concern};
use super::keys::{self, Then};
use super::style::Style;
use super::{plain, screen};
use crate::status::{Health, Sample, made};

const SECOND: u64 = 1_000_000_000;

/// 2026-11-25 14:30:00.
const AT: Utc = Utc(1_795_617_000 * SECOND);

fn ago(seconds: u64) -> Utc {
    Utc(AT.0 - seconds * SECOND)
}

/// A session that is up, so many messages after its logon.
fn up(messages: u64) -> SessionStatus {
    SessionStatus {
        state: ConnectionState::Up,
        in_schedule: true,
        next_out: 1_000 + messages,
        next_in: 2_000 + messages,
        messages_out: messages,
        messages_in: messages,
        bytes_out: messages * 200,
        bytes_in: messages * 150,
        heartbeat_s: 30,
        last_in_utc: ago(2),
        last_out_utc: ago(1),
        logged_on_utc: ago(3_600),
        test_request_round_trip_ns: 84_000,
        journal_used_bytes: 4_096 * messages,
        journal_segments: 2,
        ..SessionStatus::default()
    }
}

fn fault_counts(faults: &[Fault]) -> FaultCounts {
    let mut counts = FaultCounts::default();
    faults.iter().for_each(|&fault| counts.count(fault));
    counts
}

/// An engine with a session of every kind, after so many seconds.
fn engine(page: &mut StatusPage, second: u64) {
    page.publish_engine(&EngineStatus {
        updated_utc: Utc(AT.0 + second * SECOND),
        cycles: second * 1_000_000,
        busy_cycles: second * 25_000,
        sessions: 6,
        sessions_up: 3,
        refused: 2,
        ..EngineStatus::default()
    });
    for n in 0..=second {
        for ns in [900, 1_100, 1_300 + n * 2_000] {
            page.latency(Stage::ReadToCallback).record(ns);
            page.latency(Stage::CallbackToWrite).record(ns / 2);
            page.latency(Stage::Cycle).record(ns * 3);
        }
    }
    page.claim_session(0, "FIX.4.4:US->ALPHA", Role::Initiator);
    page.publish_session(0, &up(second * 1_500));

    page.claim_session(1, "FIX.4.2:US->BRAVO", Role::Acceptor);
    let hold = Hold {
        since: ago(600),
        until: Some(Utc(AT.0 + 1_800 * SECOND)),
        by: Text::lossy(b"alice"),
        why: Text::lossy(b"venue maintenance"),
    };
    let held = SessionStatus {
        state: ConnectionState::Down,
        held: true,
        disconnect_cause: 1,
        ..up(7)
    };
    page.publish_hold(1, Some(&hold), &held);

    page.claim_session(2, "FIXT.1.1:US->CHARLIE/DESK", Role::Initiator);
    let down = SessionStatus {
        state: ConnectionState::Down,
        disconnected_utc: ago(42),
        disconnect_cause: 5,
        last_in_utc: ago(43),
        faults: 3,
        last_fault: 1 + Fault::Garbled.number() as u64,
        last_fault_utc: ago(50),
        heartbeat_s: 0,
        ..up(7)
    };
    page.publish_session(2, &down);
    page.publish_faults(
        2,
        &fault_counts(&[Fault::Garbled, Fault::Garbled, Fault::Silence]),
    );

    page.claim_session(3, "FIX.4.4:US->DELTA", Role::Initiator);
    let gap = SessionStatus {
        parked: 12,
        unsent_bytes: 52_000,
        resend_requests_out: 1,
        ..up(second * 10)
    };
    page.publish_session(3, &gap);

    page.claim_session(4, "FIX.4.4:US->ECHO", Role::Initiator);
    let silent = SessionStatus {
        last_in_utc: ago(75),
        ..up(5)
    };
    page.publish_session(4, &silent);

    page.claim_session(5, "FIX.4.4:US->FOXTROT", Role::Initiator);
    let closed = SessionStatus {
        state: ConnectionState::Down,
        in_schedule: false,
        ..up(5)
    };
    page.publish_session(5, &closed);
}

/// A client of iLink 3, which fetches what it missed under the UUID before.
fn fixp(page: &mut StatusPage) {
    page.publish_engine(&EngineStatus {
        updated_utc: AT,
        sessions: 1,
        sessions_up: 1,
        ..EngineStatus::default()
    });
    page.claim_session(0, "FIXP:ABC-007->EXCHANGE", Role::Initiator);
    let mut counts = fixp::FaultCounts::default();
    counts.count(fixp::Fault::RetransmissionUnasked);
    counts.count(fixp::Fault::Silence);
    page.publish_fixp_faults(0, &counts);
    page.publish_session(
        0,
        &SessionStatus {
            protocol: Protocol::Fixp,
            uuid: 1_795_617_000_000_123,
            keep_alive_ms: 10_000,
            heartbeat_s: 10,
            resend_requests_out: 2,
            not_applied: 1,
            sequences_out: 42,
            test_requests_out: 3,
            retransmit_next: 1_017,
            retransmit_last: 2_500,
            retransmit_uuid: 1_795_500_000_000_000,
            faults: 2,
            last_fault: 1 + fixp::Fault::Silence.number() as u64,
            last_fault_utc: ago(20),
            ..up(500)
        },
    );
}

#[test]
fn a_session_of_fixp_has_its_own_words() {
    let mut board = Board::new("/dev/shm/london".to_owned());
    board.take(Ok(made::sample([AT, AT], Health::Running, 1, fixp)));
    let list = drawn(&board, 80, 24).join("\n");
    assert!(list.contains("◆ refetch"), "{list}");
    press(&mut board, &[KeyCode::Enter]);
    let expected = "
 FIXP:ABC-007->EXCHANGE   initiator   ◆ refetch
 1 017 to 2 500 of UUID 1795500000000000 come again by retransmission";
    let text = drawn(&board, 100, 40).join("\n");
    assert!(text.contains(expected), "{text}");
    for part in [
        "keep-alive        10 000 ms",
        "UUID              1795617000000123",
        "retransmission    1 017 to 2 500",
        "  of              UUID 1795500000000000",
        "retransmit reqs           2         0",
        "not applied               0         1",
        "sequences                42",
        "  lapsed                  3",
        "last              Silence, 20s ago",
        "RetransmissionUnasked 1",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    for foreign in ["heartbeat", "test request", "gap fills"] {
        assert!(!text.contains(foreign), "{foreign:?} in\n{text}");
    }
}

fn look(second: u64, health: Health) -> Sample {
    made::sample([AT, Utc(AT.0 + second * SECOND)], health, 8, |page| {
        engine(page, second);
    })
}

/// A board after two looks, two seconds apart.
fn board() -> Board {
    let mut board = Board::new("/dev/shm/london".to_owned());
    board.take(Ok(look(2, Health::Running)));
    board.take(Ok(look(4, Health::Running)));
    board
}

fn drawn(board: &Board, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("in memory");
    terminal
        .draw(|frame| screen::draw(board, Style::Colours, frame))
        .expect("in memory");
    let buffer = terminal.backend().buffer();
    (0..height)
        .map(|y| {
            let cells = (0..width).filter_map(|x| buffer.cell((x, y)));
            let line: String = cells.map(|cell| cell.symbol()).collect();
            line.trim_end().to_owned()
        })
        .collect()
}

fn press(board: &mut Board, keys: &[KeyCode]) -> Then {
    let mut then = Then::GoOn;
    for &code in keys {
        then = keys::press(board, KeyEvent::new(code, KeyModifiers::NONE));
    }
    then
}

fn ids(board: &Board) -> Vec<&str> {
    let end = |id: &'static str| id;
    board
        .shown()
        .iter()
        .map(|row| row.entry.id.as_str())
        .map(|id| {
            ["ALPHA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT"]
                .into_iter()
                .find(|name| id.contains(name))
                .map_or("?", end)
        })
        .collect()
}

#[test]
fn the_list_on_the_smallest_terminal() {
    let expected = "
 london   RUNNING for 1h02m   pid 4711                             14:30:04 UTC
 sessions 3 of 6 up   ▲ 2 in trouble   ◆ 1 to watch   ■ 1 held   ○ 1 closed
 messages 1510/s out  1510/s in   cycles 1.00M/s, 2.5% busy   refused 2

 inside the engine     p50     p99     max    all: p99      max   p99 over time
 read to callback   1.10µs  9.30µs  9.30µs      9.30µs   9.30µs   ▁
 send to journal     551ns  4.65µs  4.65µs      4.65µs   4.65µs   ▁
 busy cycle         3.31µs  27.9µs  27.9µs      27.9µs   27.9µs   ▁

 session                 state▾      next out next in out/s  in/s  heard  faults
 FIX.4.4:US->ECHO        ▲ silent        1005    2005     ·     ·  1m19s       ·
 FIXT.1.1:US…HARLIE/DESK ▲ down          1007    2007     ·     ·    47s       3
 FIX.4.4:US->DELTA       ◆ gap           1040    2040    10    10   6.0s       ·
 FIX.4.2:US->BRAVO       ■ held          1007    2007     ·     ·   6.0s       ·
 FIX.4.4:US->FOXTROT     ○ closed        1005    2005     ·     ·   6.0s       ·
 FIX.4.4:US->ALPHA       ● up            7000    8000  1500  1500   6.0s       ·






 ▲ FIX.4.4:US->ECHO: nothing heard for 1m19s, HeartBtInt is 30 s
 ↑↓ choose  Enter open  s sort  r reverse  / filter  p pause  ? help  q quit";
    let drawn = format!("\n{}", drawn(&board(), 80, 24).join("\n"));
    assert_eq!(drawn, expected, "{drawn}");
}

#[test]
fn a_wide_terminal_has_every_column_and_the_notes() {
    let drawn = drawn(&board(), 240, 40);
    let head = drawn
        .iter()
        .find(|line| line.contains("next out"))
        .expect("a head");
    for column in [
        "parked", "unsent", "resent", "ping", "journal", "logons", "note",
    ] {
        assert!(head.contains(column), "{column} in {head}");
    }
    let of = |name: &str| {
        let line = drawn.iter().find(|line| line.contains(name));
        line.unwrap_or_else(|| panic!("no {name}"))
    };
    assert!(of("BRAVO").contains("held by alice since 20261125-14:20:00 until 20261125-15:00:00"));
    assert!(of("DELTA").contains("12 messages wait behind it"));
    assert!(of("DELTA").contains("52.0kB"));
    assert!(
        of("CHARLIE").contains("lost without a Logout"),
        "{}",
        of("CHARLIE")
    );
}

#[test]
fn one_session_is_opened_and_left() {
    let mut board = board();
    press(&mut board, &[KeyCode::Down, KeyCode::Enter]);
    let text = drawn(&board, 80, 24).join("\n");
    for part in [
        "FIXT.1.1:US->CHARLIE/DESK   initiator   ▲ down",
        "the connection was lost without a Logout",
        "next out          1 007",
        "mistakes of the peer",
        "Garbled           2",
        "Silence           1",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    press(&mut board, &[KeyCode::Down]);
    let text = drawn(&board, 130, 40).join("\n");
    assert!(
        text.contains("FIX.4.4:US->DELTA   initiator   ◆ gap"),
        "{text}"
    );
    press(&mut board, &[KeyCode::Esc]);
    assert!(drawn(&board, 80, 24).join("\n").contains("state▾"));
}

#[test]
fn keys_sort_filter_pause_and_quit() {
    let mut board = board();
    assert_eq!(ids(&board)[..2], ["ECHO", "CHARLIE"]);
    press(&mut board, &[KeyCode::Char('s')]);
    assert_eq!(ids(&board)[..2], ["BRAVO", "ALPHA"], "by name");
    press(&mut board, &[KeyCode::Char('s')]);
    assert_eq!(ids(&board)[..2], ["ALPHA", "DELTA"], "by rate");
    press(&mut board, &[KeyCode::Char('s')]);
    assert_eq!(ids(&board)[..2], ["ECHO", "CHARLIE"], "by silence");
    press(&mut board, &[KeyCode::Char('r')]);
    assert_eq!(ids(&board)[4..], ["CHARLIE", "ECHO"]);
    assert!(
        drawn(&board, 80, 24)
            .join("\n")
            .contains("sorted by last inbound, reversed")
    );
    press(&mut board, &[KeyCode::Char('S')]);
    assert_eq!(ids(&board)[0], "ALPHA", "by rate again, not reversed");

    press(
        &mut board,
        &[KeyCode::Char('/'), KeyCode::Char('e'), KeyCode::Char('c')],
    );
    assert_eq!(ids(&board), ["ECHO"]);
    assert!(drawn(&board, 80, 24).join("\n").contains("filter: ec"));
    assert_eq!(
        press(&mut board, &[KeyCode::Char('q')]),
        Then::GoOn,
        "typed"
    );
    assert_eq!(ids(&board), Vec::<&str>::new());
    assert!(
        drawn(&board, 80, 24)
            .join("\n")
            .contains("no session has \"ecq\"")
    );
    press(&mut board, &[KeyCode::Esc]);
    assert_eq!(ids(&board).len(), 6);

    press(&mut board, &[KeyCode::Char('p')]);
    board.take(Ok(look(9, Health::Died)));
    let text = drawn(&board, 80, 24).join("\n");
    assert!(
        text.contains("PAUSED at 14:30:04 UTC") && text.contains("RUNNING"),
        "{text}"
    );
    press(&mut board, &[KeyCode::Char('p')]);
    board.take(Ok(look(9, Health::Died)));
    assert!(drawn(&board, 80, 24)[0].contains("DIED"));

    press(&mut board, &[KeyCode::Char('?')]);
    assert!(
        drawn(&board, 80, 24)
            .join("\n")
            .contains("hold the picture still")
    );
    assert_eq!(press(&mut board, &[KeyCode::Char('q')]), Then::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(keys::press(&mut board, control_c), Then::Quit);
}

#[test]
fn an_engine_that_does_not_live_is_said_in_the_first_line() {
    use std::time::Duration;
    for (health, says) in [
        (Health::Stalled(Duration::from_secs(3)), "STALLED: pid 4711"),
        (Health::Ended, "ENDED in order 0.0s ago"),
        (Health::Died, "DIED 0.0s ago: process 4711 is gone"),
        (Health::Unlinked, "its page was REMOVED"),
    ] {
        let mut board = board();
        board.take(Ok(look(5, health)));
        let first = &drawn(&board, 80, 24)[0];
        assert!(first.contains(says), "{first}");
    }
    let mut board = board();
    board.take(Err("cannot open the status page x: cut short".to_owned()));
    let text = drawn(&board, 80, 24).join("\n");
    assert!(
        text.contains("THE PAGE CANNOT BE READ") && text.contains("cut short"),
        "{text}"
    );
    assert!(
        text.contains("FIX.4.4:US->ALPHA"),
        "its last word stays:\n{text}"
    );
}

#[test]
fn another_engine_at_the_same_path_begins_without_rates() {
    let mut board = board();
    let mut other = look(6, Health::Running);
    other.pid += 1;
    board.take(Ok(other));
    assert_eq!(board.rates, None);
    assert!(board.rows().iter().all(|row| row.rates.is_none()));
    assert_eq!(board.p99s(Stage::Cycle), []);
}

#[test]
fn any_size_is_drawn() {
    let mut board = board();
    for (width, height) in [(1, 1), (20, 5), (79, 23), (80, 10), (300, 100), (80, 2)] {
        drawn(&board, width, height);
    }
    press(&mut board, &[KeyCode::Enter]);
    for (width, height) in [(1, 1), (20, 5), (130, 9), (300, 100)] {
        drawn(&board, width, height);
    }
    drawn(&Board::new("x".to_owned()), 80, 24);
}

#[test]
fn concerns_are_told_apart_without_colours() {
    let mut marks: Vec<_> = [
        Concern::Alarm,
        Concern::Watch,
        Concern::Held,
        Concern::Quiet,
        Concern::Fine,
    ]
    .map(Concern::mark)
    .to_vec();
    marks.sort_unstable();
    marks.dedup();
    assert_eq!(marks.len(), 5);
}

#[test]
fn the_plain_table_has_the_same_sessions() {
    let text = plain::table(&board());
    assert!(
        text.starts_with("engine    london, pid 4711, running for 1h02m"),
        "{text}"
    );
    assert_eq!(
        text.lines().filter(|line| line.starts_with("FIX")).count(),
        6
    );
    assert!(text.contains("venue maintenance"), "{text}");
}
