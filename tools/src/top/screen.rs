//! The whole screen: who is watched and whether it lives, how it is doing, the latencies, and below that
//! the list, one session, or the help.
//!
//! Made for 80 x 24 and better with more. What does not fit is left out from the right and from the
//! bottom, so that the most important things stay.

use pinfix::counters::Stage;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::board::{Board, Concern, Typing, View};
use super::style::Style;
use super::{detail, list, words};
use crate::status::{Health, Sample};

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns of the latency lines up to the curve.
const LATENCY_WIDTH: usize = 66;

/// From here on there is room for the latencies above one session.
const TALL: u16 = 30;

pub fn draw(board: &Board, style: Style, frame: &mut Frame<'_>) {
    // One session needs the room more than the latencies of the engine do.
    let latency_height = match board.view {
        View::Session(_) | View::Help if frame.area().height < TALL => 1,
        _ => 5,
    };
    let [banner, summary, latency, body, note, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Length(latency_height),
        Constraint::Min(0),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(
        self::banner(board, style, usize::from(banner.width)),
        banner,
    );
    if let Some(sample) = &board.sample {
        frame.render_widget(Paragraph::new(self::summary(board, sample, style)), summary);
        frame.render_widget(
            Paragraph::new(latencies(board, sample, style, usize::from(latency.width))),
            latency,
        );
    }
    match board.view {
        View::List => list::draw(board, style, frame, body),
        View::Session(slot) => detail::draw(board, slot, style, frame, body),
        View::Help => frame.render_widget(Paragraph::new(help(style)), body),
    }
    let width = usize::from(note.width);
    frame.render_widget(self::note(board, style, width), note);
    draw_keys(board, style, frame, keys);
}

/// The first line: what is watched, whether it lives, the time.
fn banner(board: &Board, style: Style, width: usize) -> Line<'static> {
    let health = board.sample.as_ref().map(|sample| &sample.health);
    let health = health.filter(|_| board.missing.is_none());
    let left = match &board.sample {
        None => format!(" {}: nothing to read yet", board.page),
        Some(sample) => format!(" {}   {}", sample.identity.name, life(board, sample)),
    };
    let at = board.sample.as_ref().map(|sample| sample.at);
    let clock = at.map(words::clock).unwrap_or_default();
    let right = if board.paused {
        format!("PAUSED at {clock} UTC ")
    } else {
        format!("{clock} UTC ")
    };
    Line::styled(ends(&left, &right, width), style.banner(health))
}

fn life(board: &Board, sample: &Sample) -> String {
    let pid = sample.pid;
    if board.missing.is_some() {
        return "THE PAGE CANNOT BE READ any more; this is its last".to_owned();
    }
    let ago = words::span(sample.age());
    match sample.health {
        Health::Running => {
            let up = words::age(sample.at, sample.identity.started);
            format!("RUNNING for {up}   pid {pid}")
        }
        Health::Stalled(_) => format!("STALLED: pid {pid} has not turned for {ago}"),
        Health::Ended => format!("ENDED in order {ago} ago; this is its last word"),
        Health::Died => format!("DIED {ago} ago: process {pid} is gone; this is its last word"),
        Health::Unlinked => format!("RUNNING, pid {pid}, but its page was REMOVED"),
    }
}

fn summary(board: &Board, sample: &Sample, style: Style) -> Vec<Line<'static>> {
    let engine = &sample.engine;
    let of = |concern| {
        let rows = board.rows().iter();
        rows.filter(|row| row.concern == concern).count()
    };
    let mut first = vec![
        Span::styled(" sessions ", style.label()),
        Span::styled(
            format!("{} of {} up", engine.sessions_up, engine.sessions),
            style.title(),
        ),
    ];
    for (concern, what) in [
        (Concern::Alarm, "in trouble"),
        (Concern::Watch, "to watch"),
        (Concern::Held, "held"),
        (Concern::Quiet, "closed"),
    ] {
        let count = of(concern);
        if count > 0 {
            let text = format!("   {} {count} {what}", concern.mark());
            first.push(Span::styled(text, style.concern(concern)));
        }
    }
    if sample.unreadable > 0 {
        let text = format!("   {} unreadable", sample.unreadable);
        first.push(Span::styled(text, style.odd()));
    }
    let mut rates = board
        .rows()
        .iter()
        .filter_map(|row| row.rates)
        .map(|rates| (rates.messages_out, rates.messages_in));
    let messages = rates.next().map_or("-".to_owned(), |first| {
        let (out, into) = rates.fold(first, |sum, more| (sum.0 + more.0, sum.1 + more.1));
        format!("{}/s out  {}/s in", words::count(out), words::count(into))
    });
    let mut second = vec![
        Span::styled(" messages ", style.label()),
        Span::styled(messages, style.number()),
        Span::styled("   cycles ", style.label()),
    ];
    let cycles = board.rates.map_or_else(
        || words::count(engine.cycles as f64),
        |rates| {
            let busy = rates.busy * 100.0;
            format!("{}/s, {busy:.1}% busy", words::count(rates.cycles))
        },
    );
    second.push(Span::styled(cycles, style.number()));
    for (what, value) in [
        (
            "commands",
            engine.commands_waiting + engine.commands_pending,
        ),
        ("strangers", engine.strangers),
        ("refused", engine.refused),
    ] {
        if value > 0 {
            let text = format!("   {what} {}", words::count(value as f64));
            second.push(Span::styled(text, style.odd()));
        }
    }
    vec![Line::from(first), Line::from(second)]
}

fn latencies(board: &Board, sample: &Sample, style: Style, width: usize) -> Vec<Line<'static>> {
    let head = format!(
        " {:<17}{:>8}{:>8}{:>8}{:>12}{:>9}",
        "inside the engine", "p50", "p99", "max", "all: p99", "max"
    );
    let mut lines = vec![
        Line::default(),
        Line::styled(
            format!("{head:<LATENCY_WIDTH$}p99 over time"),
            style.label(),
        ),
    ];
    for (stage, name) in [
        (Stage::ReadToCallback, "read to callback"),
        (Stage::CallbackToWrite, "send to journal"),
        (Stage::Cycle, "busy cycle"),
    ] {
        let snapshot = sample.latency(stage);
        let moment = board.moment(stage);
        let now = |of: fn(&super::board::Moment) -> u64| {
            moment
                .as_ref()
                .map_or("-".to_owned(), |m| words::latency(of(m)))
        };
        let all = |ns: u64| {
            if snapshot.histogram.is_empty() {
                "-".to_owned()
            } else {
                words::latency(ns)
            }
        };
        let text = format!(
            "{:>8}{:>8}{:>8}",
            now(|m| m.p50_ns),
            now(|m| m.p99_ns),
            now(|m| m.max_ns)
        );
        let since = format!(
            "{:>12}{:>9}",
            all(sample.percentile_ns(stage, 0.99)),
            all(snapshot.max_ns)
        );
        let room = width.saturating_sub(LATENCY_WIDTH + 1);
        lines.push(Line::from(vec![
            Span::styled(format!(" {name:<17}"), style.number()),
            Span::styled(text, style.title()),
            Span::styled(
                format!("{since:<width$}", width = LATENCY_WIDTH - 42),
                style.number(),
            ),
            Span::styled(curve(&board.p99s(stage), room), style.curve()),
        ]));
    }
    lines
}

/// The last `room` values as blocks. The scale is logarithmic and from the least to the most of them, as
/// a latency that is ten times another matters more than one that is a little more.
fn curve(values: &[Option<u64>], room: usize) -> String {
    let values = &values[values.len().saturating_sub(room)..];
    let known = || {
        values
            .iter()
            .flatten()
            .map(|&value| (value.max(1) as f64).ln())
    };
    let least = known().fold(f64::INFINITY, f64::min);
    let most = known().fold(f64::NEG_INFINITY, f64::max);
    // Less than a doubling is flat: noise is no mountain.
    let span = (most - least).max(2_f64.ln());
    let block = |value: &Option<u64>| {
        let Some(value) = value else { return ' ' };
        let share = ((*value).max(1) as f64).ln() - least;
        BLOCKS[((share / span * 7.0).round() as usize).min(7)]
    };
    values.iter().map(block).collect()
}

/// What there is to say about the chosen session, or why there is nothing new.
fn note(board: &Board, style: Style, width: usize) -> Line<'static> {
    if let Some(why) = &board.missing {
        return Line::styled(format!(" {why}"), style.odd());
    }
    let row = board
        .selected_slot()
        .and_then(|slot| board.row_in(slot))
        .filter(|row| board.view == View::List && !row.note.is_empty());
    row.map_or_else(Line::default, |row| {
        let (mark, note) = (row.concern.mark(), &row.note);
        let whole = format!(" {mark} {}: {note}", row.entry.id);
        // Its line in the list is marked, so the name can go.
        let text = if whole.chars().count() > width {
            format!(" {mark} {note}")
        } else {
            whole
        };
        Line::styled(text, style.concern(row.concern))
    })
}

fn draw_keys(board: &Board, style: Style, frame: &mut Frame<'_>, area: Rect) {
    if board.typing == Typing::Filter {
        let line = Line::from(vec![
            Span::styled(" filter: ", style.key()),
            Span::raw(format!("{}█", board.filter)),
            Span::styled("   Enter keep   Esc clear", style.label()),
        ]);
        frame.render_widget(line, area);
        return;
    }
    let keys: &[(&str, &str)] = match board.view {
        View::List => &[
            ("↑↓", "choose"),
            ("Enter", "open"),
            ("s", "sort"),
            ("r", "reverse"),
            ("/", "filter"),
            ("p", "pause"),
            ("?", "help"),
            ("q", "quit"),
        ],
        View::Session(_) => &[
            ("↑↓", "neighbour"),
            ("Esc", "back"),
            ("p", "pause"),
            ("?", "help"),
            ("q", "quit"),
        ],
        View::Help => &[("Esc", "back"), ("q", "quit")],
    };
    let mut spans = Vec::new();
    for (key, what) in keys {
        spans.push(Span::styled(format!(" {key} "), style.key()));
        spans.push(Span::styled(format!("{what} "), style.label()));
    }
    frame.render_widget(Line::from(spans), area);
}

fn help(style: Style) -> Vec<Line<'static>> {
    let marks = [
        (
            Concern::Alarm,
            "should be up and is not, or its peer is silent",
        ),
        (
            Concern::Watch,
            "something goes on that should pass: a logon, a gap, a recent fault",
        ),
        (Concern::Held, "held by an operator"),
        (Concern::Quiet, "down, as its schedule says"),
        (Concern::Fine, "up"),
    ];
    let mut lines = vec![Line::default()];
    for (concern, text) in marks {
        lines.push(Line::from(vec![
            Span::styled(format!("   {}  ", concern.mark()), style.concern(concern)),
            Span::raw(text),
        ]));
    }
    lines.push(Line::default());
    for (keys, text) in [
        (
            "↑ ↓ j k PgUp PgDn",
            "choose a session; Home and End: the first, the last",
        ),
        ("Enter, Esc", "open it, go back"),
        ("s S, r", "sort by the next, the previous; reverse"),
        ("/", "show only sessions with this in their name or state"),
        ("p or space", "hold the picture still"),
        ("q", "quit"),
    ] {
        lines.push(Line::from(vec![
            Span::styled(format!("   {keys:<19}"), style.key()),
            Span::raw(text),
        ]));
    }
    lines
}

/// Two texts at the ends of a line; the right one gives way.
pub fn ends(left: &str, right: &str, width: usize) -> String {
    let used = left.chars().count();
    let room = width.saturating_sub(used);
    if room > right.chars().count() {
        format!("{left}{right:>room$}")
    } else {
        format!("{left:<width$}")
    }
}
