//! What is told about each page, and under which name.
//!
//! Invariant: what only grows while an engine runs is a counter and ends in `_total`; what can fall,
//! sequence numbers among them, is a gauge. Units are seconds and bytes. A time that never was is no
//! sample, rather than 1970.

use pinfix::counters::{ConnectionState, LatencySnapshot, Role, SessionStatus, Stage};
use pinfix::session::{Cause, Protocol};
use pinfix::time::Utc;

use super::text::{Family, Kind, Labels, seconds};
use crate::status::{Health, Sample, Watched};

/// A page as it was found.
pub struct Look {
    page: String,
    pub outcome: Result<Sample, String>,
}

/// Looks at all pages.
pub fn look(pages: &mut [Watched]) -> Vec<Look> {
    pages
        .iter_mut()
        .map(|page| Look {
            page: page.path().display().to_string(),
            outcome: page.look(),
        })
        .collect()
}

/// All metrics of these pages.
pub fn render(looks: &[Look]) -> String {
    let mut text = String::new();
    engines(looks, &mut text);
    latencies(looks, &mut text);
    sessions(looks, &mut text);
    text
}

/// Bounds of the buckets, in nanoseconds: powers of two and the middle between them, which are bounds of
/// the buckets on the page as well, so that no count is a guess.
const BOUNDS_NS: std::ops::Range<u32> = 8..35;
/// From here on powers of two will do: 1 ms.
const COARSE_FROM: u32 = 20;

const STATES: [(ConnectionState, &str); 8] = [
    (ConnectionState::Down, "down"),
    (ConnectionState::Connecting, "connecting"),
    (ConnectionState::AwaitLogon, "await_logon"),
    (ConnectionState::LogonSent, "logon_sent"),
    (ConnectionState::Up, "up"),
    (ConnectionState::LogoutSent, "logout_sent"),
    (ConnectionState::LogoutAcked, "logout_acked"),
    (ConnectionState::Closing, "closing"),
];

fn samples(looks: &[Look]) -> impl Iterator<Item = (Labels, &Sample)> {
    looks.iter().filter_map(|look| {
        let sample = look.outcome.as_ref().ok()?;
        let labels = Labels::default()
            .and("page", &look.page)
            .and("engine", &sample.identity.name);
        Some((labels, sample))
    })
}

fn engines(looks: &[Look], text: &mut String) {
    use Kind::{Counter, Gauge};
    let mut up = Family::new(
        "pinfix_up",
        Gauge,
        "Whether the page can be read and its engine is running.",
    );
    for look in looks {
        let labels = Labels::default().and("page", &look.page);
        let is_live = |sample: &Sample| sample.health.is_live();
        up.sample(&labels, u8::from(look.outcome.as_ref().is_ok_and(is_live)));
    }
    up.write(text);
    let mut state = Family::new(
        "pinfix_engine_state",
        Gauge,
        "1 for what the engine is: running, stalled (its process is there and does not turn), ended \
         (in order), died (without a farewell), unlinked (running, its page was removed).",
    );
    for (labels, sample) in samples(looks) {
        let is = match sample.health {
            Health::Running => "running",
            Health::Stalled(_) => "stalled",
            Health::Ended => "ended",
            Health::Died => "died",
            Health::Unlinked => "unlinked",
        };
        for name in ["running", "stalled", "ended", "died", "unlinked"] {
            state.sample(&labels.and("state", name), u8::from(name == is));
        }
    }
    state.write(text);
    type Value = fn(&Sample) -> f64;
    #[rustfmt::skip]
    let gauges: [(&str, &str, Value); 9] = [
        ("pinfix_engine_page_age_seconds", "Since the engine last said anything; it does ten times a second.", |s| s.age().as_secs_f64()),
        ("pinfix_engine_start_time_seconds", "When the engine started, since 1970.", |s| seconds(s.identity.started.0)),
        ("pinfix_engine_sessions", "Sessions configured.", |s| s.engine.sessions as f64),
        ("pinfix_engine_sessions_logged_on", "Sessions logged on.", |s| s.engine.sessions_up as f64),
        ("pinfix_engine_strangers", "Connections that have not logged on yet.", |s| s.engine.strangers as f64),
        ("pinfix_engine_commands_waiting", "Commands that wait in the queues of controllers.", |s| s.engine.commands_waiting as f64),
        ("pinfix_engine_commands_pending", "Commands taken that have no completion yet.", |s| s.engine.commands_pending as f64),
        ("pinfix_engine_cycle_max_seconds", "The longest cycle since the engine started.", |s| seconds(s.engine.cycle_max_ns)),
        ("pinfix_engine_unreadable_sessions", "Sessions whose slot could not be read and that are missing here.", |s| s.unreadable as f64),
    ];
    for (name, help, value) in gauges {
        let mut family = Family::new(name, Gauge, help);
        for (labels, sample) in samples(looks) {
            family.sample(&labels, value(sample));
        }
        family.write(text);
    }
    type Count = fn(&Sample) -> u64;
    #[rustfmt::skip]
    let counters: [(&str, &str, Count); 5] = [
        ("pinfix_engine_cycles_total", "Cycles of the loop.", |s| s.engine.cycles),
        ("pinfix_engine_busy_cycles_total", "Cycles in which there was something to do.", |s| s.engine.busy_cycles),
        ("pinfix_engine_commands_total", "Commands taken from controllers.", |s| s.engine.commands),
        ("pinfix_engine_connections_accepted_total", "Connections accepted, whether or not they logged on.", |s| s.engine.accepted),
        ("pinfix_engine_connections_refused_total", "Accepted connections closed without belonging to a session.", |s| s.engine.refused),
    ];
    for (name, help, value) in counters {
        let mut family = Family::new(name, Counter, help);
        for (labels, sample) in samples(looks) {
            family.sample(&labels, value(sample));
        }
        family.write(text);
    }
    let mut info = Family::new("pinfix_engine_info", Gauge, "Always 1; the labels tell.");
    let mut strangers = Family::new(
        "pinfix_engine_stranger_faults_total",
        Counter,
        "Mistakes of connections that never logged on, by kind.",
    );
    for (labels, sample) in samples(looks) {
        info.sample(&labels.and("pid", &sample.pid.to_string()), 1);
        for (kind, count) in &sample.stranger_faults {
            strangers.sample(&labels.and("kind", kind), count);
        }
    }
    info.write(text);
    strangers.write(text);
}

fn latencies(looks: &[Look], text: &mut String) {
    let stages = [
        (Stage::ReadToCallback, "read_to_callback"),
        (Stage::CallbackToWrite, "callback_to_write"),
        (Stage::Cycle, "cycle"),
    ];
    let mut latency = Family::new(
        "pinfix_latency_seconds",
        Kind::Histogram,
        "Time inside the engine: read_to_callback from the return of the socket read to the call of \
         the application, callback_to_write from a send to its frame being in the journal, cycle one \
         cycle with something to do.",
    );
    let mut longest = Family::new(
        "pinfix_latency_max_seconds",
        Kind::Gauge,
        "The longest of them since the engine started.",
    );
    for (labels, sample) in samples(looks) {
        for (stage, name) in stages {
            let labels = labels.and("stage", name);
            let snapshot = sample.latency(stage);
            histogram(&mut latency, &labels, snapshot);
            longest.sample(&labels, seconds(snapshot.max_ns));
        }
    }
    latency.write(text);
    longest.write(text);
}

fn histogram(family: &mut Family, labels: &Labels, snapshot: &LatencySnapshot) {
    let mut counted = snapshot.histogram.iter_recorded().peekable();
    let mut below = 0;
    for bound in bounds_ns() {
        // The page's bucket that begins at a bound holds what is not below it.
        while let Some(bucket) = counted.next_if(|bucket| bucket.value_iterated_to() < bound) {
            below += bucket.count_at_value();
        }
        let le = seconds(bound).to_string();
        family.suffixed("_bucket", &labels.and("le", &le), below);
    }
    let all = snapshot.histogram.len();
    family.suffixed("_bucket", &labels.and("le", "+Inf"), all);
    family.suffixed("_sum", labels, seconds(snapshot.sum_ns));
    family.suffixed("_count", labels, all);
}

fn bounds_ns() -> impl Iterator<Item = u64> {
    BOUNDS_NS.flat_map(|power| {
        let whole = 1_u64 << power;
        let middle = (power < COARSE_FROM).then_some(whole + whole / 2);
        std::iter::once(whole).chain(middle)
    })
}

fn sessions(looks: &[Look], text: &mut String) {
    let sessions = || {
        samples(looks).flat_map(|(labels, sample)| {
            sample.sessions.iter().map(move |session| {
                let role = match session.entry.role {
                    Role::Initiator => "initiator",
                    Role::Acceptor => "acceptor",
                };
                let labels = labels.and("session", &session.entry.id).and("role", role);
                (labels, session)
            })
        })
    };
    let mut state = Family::new(
        "pinfix_session_state",
        Kind::Gauge,
        "1 for the state the connection of the session is in.",
    );
    let mut faults = Family::new(
        "pinfix_session_faults_total",
        Kind::Counter,
        "Mistakes of the peer, by kind.",
    );
    let mut ended = Family::new(
        "pinfix_session_last_disconnect_info",
        Kind::Gauge,
        "Always 1; the label says why the last connection ended.",
    );
    for (labels, session) in sessions() {
        let status = &session.entry.status;
        for (is, name) in STATES {
            state.sample(&labels.and("state", name), u8::from(status.state == is));
        }
        for (kind, count) in &session.faults {
            faults.sample(&labels.and("kind", kind), count);
        }
        let code = u32::try_from(status.disconnect_cause).unwrap_or(u32::MAX);
        if let Some(cause) = Cause::meaning_of(code) {
            ended.sample(&labels.and("cause", cause), 1);
        }
    }
    state.write(text);
    faults.write(text);
    ended.write(text);
    let of_all = SESSION.iter().map(|row| (row, false));
    for ((name, help, kind, values), only_fixp) in of_all.chain(FIXP.iter().map(|row| (row, true))) {
        let mut family = Family::new(name, *kind, help);
        for (labels, session) in sessions() {
            if only_fixp && session.entry.status.protocol != Protocol::Fixp {
                continue;
            }
            for (direction, value) in *values {
                let labels = match direction {
                    Way::Both => labels.clone(),
                    Way::Out => labels.and("direction", "out"),
                    Way::In => labels.and("direction", "in"),
                };
                match value(&session.entry.status) {
                    Value::Count(count) => family.sample(&labels, count),
                    Value::Time(Utc(0)) => {}
                    Value::Time(at) => family.sample(&labels, seconds(at.0)),
                    Value::Span(0) => {}
                    Value::Span(ns) => family.sample(&labels, seconds(ns)),
                }
            }
        }
        family.write(text);
    }
}

/// The label `direction`.
enum Way {
    Out,
    In,
    /// No such label.
    Both,
}

enum Value {
    Count(u64),
    /// Not written while it never was.
    Time(Utc),
    /// In nanoseconds; not written while there was none.
    Span(u64),
}

type Row = (
    &'static str,
    &'static str,
    Kind,
    &'static [(Way, fn(&SessionStatus) -> Value)],
);

#[rustfmt::skip]
const SESSION: &[Row] = &[
    ("pinfix_session_logged_on", "Whether the session is logged on.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count((s.state == ConnectionState::Up).into()))]),
    ("pinfix_session_held", "Whether an operator holds the session logged out.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.held.into()))]),
    ("pinfix_session_in_schedule", "Whether the schedule allows the session to be logged on now.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.in_schedule.into()))]),
    ("pinfix_session_schedule_edge_timestamp_seconds", "When the schedule opens or closes the session next, since 1970.", Kind::Gauge,
        &[(Way::Both, |s| Value::Time(s.schedule_edge_utc))]),
    ("pinfix_session_next_seqnum", "MsgSeqNum(34) of the next message in each direction; falls at a reset.", Kind::Gauge,
        &[(Way::Out, |s| Value::Count(s.next_out)), (Way::In, |s| Value::Count(s.next_in))]),
    ("pinfix_session_messages_total", "Messages, those sent again included, garbled ones not.", Kind::Counter,
        &[(Way::Out, |s| Value::Count(s.messages_out)), (Way::In, |s| Value::Count(s.messages_in))]),
    ("pinfix_session_application_messages_total", "New application messages.", Kind::Counter,
        &[(Way::Out, |s| Value::Count(s.application_out)), (Way::In, |s| Value::Count(s.application_in))]),
    ("pinfix_session_bytes_total", "Bytes of the socket.", Kind::Counter,
        &[(Way::Out, |s| Value::Count(s.bytes_out)), (Way::In, |s| Value::Count(s.bytes_in))]),
    ("pinfix_session_resent_total", "Messages sent again for a ResendRequest(2).", Kind::Counter,
        &[(Way::Both, |s| Value::Count(s.resent))]),
    ("pinfix_session_gap_fills_total", "SequenceReset(4) messages with GapFillFlag(123)=Y.", Kind::Counter,
        &[(Way::Out, |s| Value::Count(s.gap_fills_out)), (Way::In, |s| Value::Count(s.gap_fills_in))]),
    ("pinfix_session_resend_requests_total", "ResendRequest(2) messages.", Kind::Counter,
        &[(Way::Out, |s| Value::Count(s.resend_requests_out)), (Way::In, |s| Value::Count(s.resend_requests_in))]),
    ("pinfix_session_rejects_total", "Reject(3) and BusinessMessageReject(j) messages.", Kind::Counter,
        &[(Way::Out, |s| Value::Count(s.rejects_out)), (Way::In, |s| Value::Count(s.rejects_in))]),
    ("pinfix_session_garbled_total", "Stretches of bytes dropped because framing or CheckSum(10) was wrong.", Kind::Counter,
        &[(Way::Both, |s| Value::Count(s.garbled))]),
    ("pinfix_session_reconnects_total", "Connections that logged on, after the first.", Kind::Counter,
        &[(Way::Both, |s| Value::Count(s.reconnects))]),
    ("pinfix_session_test_requests_total", "TestRequest(1) messages sent.", Kind::Counter,
        &[(Way::Both, |s| Value::Count(s.test_requests_out))]),
    ("pinfix_session_parked", "Messages that wait behind a gap.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.parked))]),
    ("pinfix_session_parked_dropped_total", "Messages that waited behind a gap and were dropped for lack of room.", Kind::Counter,
        &[(Way::Both, |s| Value::Count(s.parked_dropped))]),
    ("pinfix_session_unsent_bytes", "Bytes committed that the socket has not accepted yet.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.unsent_bytes))]),
    ("pinfix_session_queued", "Application messages that wait without a number until they can be sent.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.queued))]),
    ("pinfix_session_queued_bytes", "Their bytes together.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.queued_bytes))]),
    ("pinfix_session_journal_used_bytes", "Bytes in use in the journal.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.journal_used_bytes))]),
    ("pinfix_session_journal_segments", "Segments of the journal.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.journal_segments))]),
    ("pinfix_session_heartbeat_seconds", "HeartBtInt(108) as agreed at logon; 0 while logged off.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.heartbeat_s))]),
    ("pinfix_session_test_request_round_trip_seconds", "From our last TestRequest(1) to its Heartbeat(0).", Kind::Gauge,
        &[(Way::Both, |s| Value::Span(s.test_request_round_trip_ns))]),
    ("pinfix_session_last_message_timestamp_seconds", "When the last message went or came, since 1970.", Kind::Gauge,
        &[(Way::Out, |s| Value::Time(s.last_out_utc)), (Way::In, |s| Value::Time(s.last_in_utc))]),
    ("pinfix_session_last_fault_timestamp_seconds", "When the peer's last mistake was seen, since 1970.", Kind::Gauge,
        &[(Way::Both, |s| Value::Time(s.last_fault_utc))]),
    ("pinfix_session_logged_on_timestamp_seconds", "When the session was logged on last, since 1970.", Kind::Gauge,
        &[(Way::Both, |s| Value::Time(s.logged_on_utc))]),
    ("pinfix_session_disconnected_timestamp_seconds", "When the last connection ended, since 1970.", Kind::Gauge,
        &[(Way::Both, |s| Value::Time(s.disconnected_utc))]),
];

/// Of sessions that speak FIXP only.
#[rustfmt::skip]
const FIXP: &[Row] = &[
    ("pinfix_fixp_uuid", "UUID(39001) of the current series; 0 before the first Negotiate(500).", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.uuid))]),
    ("pinfix_fixp_keep_alive_seconds", "KeepAliveInterval(39014) as agreed; not there while logged off.", Kind::Gauge,
        &[(Way::Both, |s| Value::Span(s.keep_alive_ms * 1_000_000))]),
    ("pinfix_fixp_sequences_total", "Sequence(506) messages sent because there was nothing else to say.", Kind::Counter,
        &[(Way::Both, |s| Value::Count(s.sequences_out))]),
    ("pinfix_fixp_lapsed_total", "Sequence(506) messages sent because the peer was silent: KeepAliveIntervalLapsed(39016)=1.", Kind::Counter,
        &[(Way::Both, |s| Value::Count(s.test_requests_out))]),
    ("pinfix_fixp_not_applied_total", "NotApplied(513) messages received by a client, sent by a gateway.", Kind::Counter,
        &[(Way::Both, |s| Value::Count(s.not_applied))]),
    ("pinfix_fixp_retransmit_outstanding", "Messages of the RetransmitRequest(508) under way that have not come, or been sent again, yet.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(retransmit_outstanding(s)))]),
    ("pinfix_fixp_awaits_operator", "Whether there is no logon until an operator logs the session on: refused logons, or a closed port.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.awaits_operator.into()))]),
    ("pinfix_fixp_port_closed", "Whether a gateway has closed its port for too many invalid logons.", Kind::Gauge,
        &[(Way::Both, |s| Value::Count(s.port_closed.into()))]),
];

fn retransmit_outstanding(status: &SessionStatus) -> u64 {
    match status.retransmit_last {
        0 => 0,
        last => (last + 1).saturating_sub(status.retransmit_next),
    }
}

#[cfg(test)]
mod tests {
    use pinfix::counters::LatencySnapshot;

    use super::*;
    use crate::status::made;

    fn bucket(page: &str, stage: &str, le: &str) -> u64 {
        let start = format!(
            "pinfix_latency_seconds_bucket{{page=\"p\",engine=\"london\",stage=\"{stage}\",le=\"{le}\"}} "
        );
        let line = page.lines().find(|line| line.starts_with(&start));
        let count = line.unwrap_or_else(|| panic!("no {start}"));
        count[start.len()..].parse().expect("a count")
    }

    #[test]
    fn a_duration_is_in_every_bucket_whose_bound_is_above_it() {
        let at = Utc(2_000_000_000_000_000_000);
        let sample = made::sample([at; 2], Health::Running, 1, |page| {
            for ns in [0, 255, 256, 383, 384, 1_000_000, 90_000_000_000] {
                page.latency(Stage::Cycle).record(ns);
            }
        });
        let looks = [Look {
            page: "p".to_owned(),
            outcome: Ok(sample),
        }];
        let page = render(&looks);
        let count = |le| bucket(&page, "cycle", le);
        assert_eq!(count("0.000000256"), 2);
        assert_eq!(count("0.000000384"), 4);
        assert_eq!(count("0.000000512"), 5);
        assert_eq!(count("0.000786432"), 5);
        assert_eq!(count("0.001048576"), 6);
        assert_eq!(count("17.179869184"), 6);
        assert_eq!(count("+Inf"), 7);
        assert_eq!(bucket(&page, "read_to_callback", "+Inf"), 0);
        let sum = "pinfix_latency_seconds_sum{page=\"p\",engine=\"london\",stage=\"cycle\"} 90.00100";
        assert!(page.contains(sum), "{page}");
    }

    #[test]
    fn a_snapshot_that_is_empty_has_all_its_buckets() {
        let sample = made::sample([Utc(4_000_000_000_000); 2], Health::Died, 0, |_| {});
        let snapshot: &LatencySnapshot = sample.latency(Stage::Cycle);
        let mut family = Family::new("x", Kind::Histogram, "");
        histogram(&mut family, &Labels::default(), snapshot);
        let mut text = String::new();
        family.write(&mut text);
        let zero = text.lines().filter(|line| line.ends_with(" 0")).count();
        assert_eq!(zero, bounds_ns().count() + 3, "{text}");
    }
}
