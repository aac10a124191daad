//! The sessions, one per line. Columns come in the order of their worth, and as many as fit.

use pinfix::time::Utc;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style as Cell;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::board::{Board, Order, Row};
use super::style::Style;
use super::words;

/// The name of a session is given at least so much room, and at most.
const NAME_MIN: usize = 22;
const NAME_MAX: usize = 44;
const STATE_WIDTH: usize = 12;

struct Column {
    head: &'static str,
    width: usize,
    /// The text, and whether it is one that should be looked at.
    cell: fn(&Row, Utc) -> (String, bool),
    /// Which order the head marks.
    order: Option<Order>,
}

fn fine(text: String) -> (String, bool) {
    (text, false)
}

/// Zero is a dot, so that the rest stands out.
fn odd(value: u64) -> (String, bool) {
    if value == 0 {
        ("·".to_owned(), false)
    } else {
        (words::count(value as f64), true)
    }
}

fn rate(row: &Row, of: fn(&super::board::Rates) -> f64) -> (String, bool) {
    let text = row.rates.as_ref().map_or("-".to_owned(), |rates| {
        let rate = of(rates);
        if rate == 0.0 {
            "·".to_owned()
        } else {
            words::count(rate)
        }
    });
    (text, false)
}

#[rustfmt::skip]
const COLUMNS: [Column; 14] = [
    Column { head: "next out", width: 9, order: None, cell: |row, _| fine(row.status().next_out.to_string()) },
    Column { head: "next in", width: 8, order: None, cell: |row, _| fine(row.status().next_in.to_string()) },
    Column { head: "out/s", width: 6, order: None, cell: |row, _| rate(row, |r| r.messages_out) },
    Column { head: "in/s", width: 6, order: Some(Order::Rate), cell: |row, _| rate(row, |r| r.messages_in) },
    Column { head: "heard", width: 7, order: Some(Order::Silence), cell: |row, now| fine(words::age(now, row.status().last_in_utc)) },
    Column { head: "faults", width: 8, order: Some(Order::Faults), cell: |row, _| odd(row.status().faults) },
    Column { head: "sent", width: 7, order: None, cell: |row, now| fine(words::age(now, row.status().last_out_utc)) },
    Column { head: "parked", width: 7, order: Some(Order::Backlog), cell: |row, _| odd(row.status().parked) },
    Column { head: "queued", width: 7, order: None, cell: |row, _| odd(row.status().queued) },
    Column { head: "unsent", width: 8, order: None, cell: |row, _| {
        let unsent = row.status().unsent_bytes;
        if unsent == 0 { odd(0) } else { (words::bytes(unsent as f64), true) }
    } },
    Column { head: "resent", width: 7, order: None, cell: |row, _| odd(row.status().resent) },
    Column { head: "ping", width: 8, order: None, cell: |row, _| {
        let ns = row.status().test_request_round_trip_ns;
        fine(if ns == 0 { "-".to_owned() } else { words::latency(ns) })
    } },
    Column { head: "journal", width: 8, order: None, cell: |row, _| fine(words::bytes(row.status().journal_used_bytes as f64)) },
    Column { head: "logons", width: 7, order: None, cell: |row, _| {
        let status = row.status();
        let logons = status.reconnects + u64::from(status.logged_on_utc != Utc(0));
        fine(words::count(logons as f64))
    } },
];

pub fn draw(board: &Board, style: Style, frame: &mut Frame<'_>, area: Rect) {
    let Some(sample) = &board.sample else { return };
    let [choice, head, body] = Layout::vertical([
        Constraint::Length(u16::from(area.height > 12)),
        Constraint::Length(1),
        Constraint::Min(0),
    ])
    .areas(area);
    frame.render_widget(self::choice(board, style), choice);
    let rows = board.shown();
    let (columns, name_width, note_width) = arrange(usize::from(area.width), &rows);
    frame.render_widget(
        self::head(board, style, columns, name_width, note_width),
        head,
    );
    if rows.is_empty() {
        let text = if board.filter.is_empty() {
            " the engine has no sessions".to_owned()
        } else {
            format!(
                " no session has {:?} in its name or state; Esc shows all",
                board.filter
            )
        };
        frame.render_widget(Line::styled(text, style.label()), body);
        return;
    }
    let height = usize::from(body.height);
    let selected = board.selected().unwrap_or_default();
    // The chosen row in the middle, as far as there are rows on both sides.
    let first = selected
        .saturating_sub(height / 2)
        .min(rows.len().saturating_sub(height));
    let base = if sample.health.is_live() && board.missing.is_none() {
        style.number()
    } else {
        style.stale()
    };
    let lines: Vec<Line<'_>> = rows
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(at, row)| {
            let line = line(row, sample.at, style, base, columns, name_width, note_width);
            if at == selected {
                line.style(style.selected())
            } else {
                line
            }
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), body);
}

/// What the user chose, where it is not as it starts.
fn choice(board: &Board, style: Style) -> Line<'static> {
    let mut parts = Vec::new();
    if board.order != Order::Concern || board.reversed {
        let reversed = if board.reversed { ", reversed" } else { "" };
        parts.push(format!("sorted by {}{reversed}", board.order.name()));
    }
    if !board.filter.is_empty() {
        parts.push(format!("only those with {:?}", board.filter));
    }
    Line::styled(format!(" {}", parts.join("   ")), style.odd())
}

/// How many columns fit, how wide the name is, and what is left for the note.
fn arrange(width: usize, rows: &[&Row]) -> (&'static [Column], usize, usize) {
    let longest = rows.iter().map(|row| row.entry.id.chars().count()).max();
    let wanted = longest.unwrap_or_default().clamp(NAME_MIN, NAME_MAX);
    let mut left = width.saturating_sub(1 + NAME_MIN + STATE_WIDTH);
    let mut count = 0;
    for column in &COLUMNS {
        if column.width > left {
            break;
        }
        left -= column.width;
        count += 1;
    }
    let name_width = wanted.min(NAME_MIN + left);
    left -= name_width - NAME_MIN;
    // A note of a few characters says nothing.
    let note_width = if count == COLUMNS.len() && left > 20 {
        left
    } else {
        0
    };
    (&COLUMNS[..count], name_width, note_width)
}

fn head(
    board: &Board,
    style: Style,
    columns: &[Column],
    name_width: usize,
    note_width: usize,
) -> Line<'static> {
    let arrow = if board.reversed { "▴" } else { "▾" };
    let marked = |head: &str, order: Option<Order>| {
        if order == Some(board.order) {
            format!("{arrow}{head}")
        } else {
            head.to_owned()
        }
    };
    let marked_behind = |head: &str, order| {
        if order == board.order {
            format!("{head}{arrow}")
        } else {
            head.to_owned()
        }
    };
    let mut text = format!(
        " {:<name_width$} {:<width$}",
        marked_behind("session", Order::Name),
        marked_behind("state", Order::Concern),
        width = STATE_WIDTH - 1
    );
    for column in columns {
        let head = marked(column.head, column.order);
        text.push_str(&format!("{head:>width$}", width = column.width));
    }
    if note_width > 0 {
        text.push_str("  note");
    }
    Line::styled(text, style.label())
}

fn line(
    row: &Row,
    now: Utc,
    style: Style,
    base: Cell,
    columns: &[Column],
    name_width: usize,
    note_width: usize,
) -> Line<'static> {
    let concern = style.concern(row.concern);
    let mut spans = vec![
        Span::styled(
            format!(" {:<name_width$} ", cut(&row.entry.id, name_width)),
            base,
        ),
        Span::styled(
            format!(
                "{} {:<width$}",
                row.concern.mark(),
                row.word,
                width = STATE_WIDTH - 3
            ),
            concern,
        ),
    ];
    for column in columns {
        let (text, is_odd) = (column.cell)(row, now);
        let cell = if is_odd { style.odd() } else { base };
        spans.push(Span::styled(
            format!("{text:>width$}", width = column.width),
            cell,
        ));
    }
    if note_width > 0 {
        let note: String = row.note.chars().take(note_width - 2).collect();
        spans.push(Span::styled(format!("  {note}"), concern));
    }
    Line::from(spans)
}

/// The text, or as much of it as fits and a sign that there is more. What is cut is in the middle: the
/// ends of names tell more.
fn cut(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let tail = width.saturating_sub(1) / 2;
    let head = width.saturating_sub(1) - tail;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_name_that_is_too_long_keeps_both_ends() {
        assert_eq!(cut("FIX.4.4:A->B", 12), "FIX.4.4:A->B");
        assert_eq!(cut("FIX.4.4:ALPHA->OMEGA", 11), "FIX.4…OMEGA");
        assert_eq!(cut("abc", 1), "…");
    }
}
