//! One session, everything the page says about it, in two columns; in three where there is room.

use pinfix::counters::Role;
use pinfix::session::{Cause, Protocol};
use pinfix::time::Utc;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::board::{Board, Row};
use super::style::Style;
use super::words;

/// Where a label ends and its number begins.
const LABEL_WIDTH: usize = 18;

/// From here on there is room for faults beside the numbers.
const WIDE: u16 = 120;

pub fn draw(board: &Board, slot: usize, style: Style, frame: &mut Frame<'_>, area: Rect) {
    let (Some(sample), Some(row)) = (&board.sample, board.row_in(slot)) else {
        let text = " the session is not there any more; Esc goes back";
        frame.render_widget(Line::styled(text, style.odd()), area);
        return;
    };
    let now = sample.at;
    let [head, note, body] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(0),
    ])
    .areas(area);
    frame.render_widget(title(row, style), head);
    let text = format!(" {}", row.note);
    frame.render_widget(
        Paragraph::new(Line::styled(text, style.concern(row.concern))).wrap(Wrap { trim: false }),
        note,
    );
    let left = connection(row, now, style);
    let mut right = traffic(row, style);
    let faults = faults(row, now, style);
    if area.width >= WIDE {
        let [a, b, c] = Layout::horizontal([Constraint::Fill(1); 3]).areas(body);
        frame.render_widget(Paragraph::new(left), a);
        frame.render_widget(Paragraph::new(right), b);
        frame.render_widget(Paragraph::new(faults), c);
    } else {
        right.push(Line::default());
        right.extend(faults);
        let [a, b] = Layout::horizontal([Constraint::Fill(1); 2]).areas(body);
        frame.render_widget(Paragraph::new(left), a);
        frame.render_widget(Paragraph::new(right), b);
    }
}

fn title(row: &Row, style: Style) -> Line<'static> {
    let role = match row.entry.role {
        Role::Initiator => "initiator",
        Role::Acceptor => "acceptor",
    };
    Line::from(vec![
        Span::styled(format!(" {}", row.entry.id), style.title()),
        Span::styled(format!("   {role}   "), style.label()),
        Span::styled(
            format!("{} {}", row.concern.mark(), row.word),
            style.concern(row.concern),
        ),
    ])
}

fn connection(row: &Row, now: Utc, style: Style) -> Vec<Line<'static>> {
    let status = row.status();
    let line = |label: &str, text: String| entry(label, text, style, false);
    let count = |label: &str, value: u64| entry(label, words::grouped(value), style, value > 0);
    let when = |at: Utc| {
        if at == Utc(0) {
            "never".to_owned()
        } else {
            format!("{}, {} ago", words::clock(at), words::age(now, at))
        }
    };
    let code = u32::try_from(status.disconnect_cause).unwrap_or(u32::MAX);
    let mut lines = vec![
        section("connection", style),
        line("logged on", when(status.logged_on_utc)),
        line("ended last", when(status.disconnected_utc)),
    ];
    if let Some(cause) = Cause::meaning_of(code) {
        lines.push(line("because", cause.to_owned()));
    }
    lines.extend([
        count("reconnects", status.reconnects),
        line("heard", when(status.last_in_utc)),
        line("sent", when(status.last_out_utc)),
    ]);
    lines.extend(match status.protocol {
        Protocol::Fix => {
            let heartbeat = match status.heartbeat_s {
                0 => "none".to_owned(),
                seconds => format!("{seconds} s"),
            };
            let ping = match status.test_request_round_trip_ns {
                0 => "none answered yet".to_owned(),
                ns => words::latency(ns),
            };
            [line("heartbeat", heartbeat), line("test request", ping)]
        }
        Protocol::Fixp => {
            let keep_alive = match status.keep_alive_ms {
                0 => "none".to_owned(),
                ms => format!("{} ms", words::grouped(ms)),
            };
            let uuid = match status.uuid {
                0 => "none negotiated".to_owned(),
                uuid => uuid.to_string(),
            };
            [line("keep-alive", keep_alive), line("UUID", uuid)]
        }
    });
    lines.extend([
        Line::default(),
        section("numbers and gaps", style),
        line("next out", words::grouped(status.next_out)),
        line("next in", words::grouped(status.next_in)),
        count("parked", status.parked),
        count("parked, dropped", status.parked_dropped),
        count("resent", status.resent),
    ]);
    if status.protocol == Protocol::Fixp {
        let underway = match status.retransmit_last {
            0 => "none under way".to_owned(),
            last => {
                let next = words::grouped(status.retransmit_next);
                format!("{next} to {}", words::grouped(last))
            }
        };
        let of_another = status.retransmit_last > 0 && status.retransmit_uuid != status.uuid;
        let is_underway = status.retransmit_last > 0;
        lines.push(entry("retransmission", underway, style, is_underway));
        if of_another {
            let of = format!("UUID {}", status.retransmit_uuid);
            lines.push(entry("  of", of, style, true));
        }
    }
    if status.schedule_edge_utc != Utc(0) {
        let edge = words::date_and_time(status.schedule_edge_utc);
        let what = if status.in_schedule {
            "closes"
        } else {
            "opens"
        };
        lines.push(line(what, edge));
    }
    lines
}

fn traffic(row: &Row, style: Style) -> Vec<Line<'static>> {
    let status = row.status();
    let pair = |label: &str, out: String, into: String| {
        entry(label, format!("{out:>9} {into:>9}"), style, false)
    };
    let counts = |label: &str, out: u64, into: u64| {
        pair(label, words::count(out as f64), words::count(into as f64))
    };
    let mut lines = vec![
        Line::styled(
            format!(" {:<LABEL_WIDTH$}{:>9} {:>9}", "traffic", "out", "in"),
            style.label(),
        ),
        counts("messages", status.messages_out, status.messages_in),
    ];
    if let Some(rates) = row.rates {
        lines.push(pair(
            "  per second",
            words::count(rates.messages_out),
            words::count(rates.messages_in),
        ));
    }
    lines.extend([
        counts("application", status.application_out, status.application_in),
        pair(
            "bytes",
            words::bytes(status.bytes_out as f64),
            words::bytes(status.bytes_in as f64),
        ),
        counts("rejects", status.rejects_out, status.rejects_in),
    ]);
    match (status.protocol, row.entry.role) {
        (Protocol::Fix, _) => lines.extend([
            counts(
                "resend requests",
                status.resend_requests_out,
                status.resend_requests_in,
            ),
            counts("gap fills", status.gap_fills_out, status.gap_fills_in),
        ]),
        (Protocol::Fixp, role) => {
            let said = status.not_applied;
            let (out, into) = match role {
                Role::Initiator => (0, said),
                Role::Acceptor => (said, 0),
            };
            lines.extend([
                counts(
                    "retransmit reqs",
                    status.resend_requests_out,
                    status.resend_requests_in,
                ),
                counts("not applied", out, into),
                entry(
                    "sequences",
                    format!("{:>9}", words::count(status.sequences_out as f64)),
                    style,
                    false,
                ),
                entry(
                    "  lapsed",
                    format!("{:>9}", words::count(status.test_requests_out as f64)),
                    style,
                    status.test_requests_out > 0,
                ),
            ]);
        }
    }
    lines.extend([
        entry(
            "unsent",
            format!("{:>9}", words::bytes(status.unsent_bytes as f64)),
            style,
            status.unsent_bytes > 0,
        ),
        entry(
            "queued",
            format!(
                "{:>9} {:>9}",
                words::count(status.queued as f64),
                words::bytes(status.queued_bytes as f64)
            ),
            style,
            status.queued > 0,
        ),
        entry(
            "journal",
            format!(
                "{:>9}, {} files",
                words::bytes(status.journal_used_bytes as f64),
                status.journal_segments
            ),
            style,
            false,
        ),
    ]);
    lines
}

fn faults(row: &Row, now: Utc, style: Style) -> Vec<Line<'static>> {
    let status = row.status();
    let mut lines = vec![section("mistakes of the peer", style)];
    if row.faults.is_empty() {
        lines.push(entry("none", String::new(), style, false));
        return lines;
    }
    if let Some(name) = status.last_fault_name() {
        let ago = words::age(now, status.last_fault_utc);
        lines.push(entry("last", format!("{name}, {ago} ago"), style, true));
    }
    let mut faults = row.faults.clone();
    faults.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (kind, count) in faults {
        lines.push(entry(kind, words::grouped(count), style, false));
    }
    lines
}

fn section(name: &str, style: Style) -> Line<'static> {
    Line::styled(format!(" {name}"), style.label())
}

fn entry(label: &str, text: String, style: Style, is_odd: bool) -> Line<'static> {
    let cell = if is_odd { style.odd() } else { style.number() };
    Line::from(vec![
        // A blank also behind a long name of a mistake.
        Span::styled(
            format!(" {label:<width$} ", width = LABEL_WIDTH - 1),
            style.label(),
        ),
        Span::styled(text, cell),
    ])
}
