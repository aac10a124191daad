//! What each key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::board::{Board, Typing, View};

/// Rows that a page key moves.
const PAGE: isize = 10;

/// What follows from a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    GoOn,
    Quit,
}

pub fn press(board: &mut Board, key: KeyEvent) -> Then {
    if key.kind == KeyEventKind::Release {
        return Then::GoOn;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return if key.code == KeyCode::Char('c') {
            Then::Quit
        } else {
            Then::GoOn
        };
    }
    match board.typing {
        Typing::Filter => type_filter(board, key.code),
        Typing::Commands => return command(board, key.code),
    }
    Then::GoOn
}

fn type_filter(board: &mut Board, code: KeyCode) {
    let mut filter = board.filter.clone();
    match code {
        KeyCode::Enter => board.typing = Typing::Commands,
        KeyCode::Esc => {
            board.typing = Typing::Commands;
            filter.clear();
        }
        KeyCode::Backspace => {
            filter.pop();
        }
        KeyCode::Char(character) => filter.push(character),
        _ => {}
    }
    board.set_filter(filter);
}

fn command(board: &mut Board, code: KeyCode) -> Then {
    match code {
        KeyCode::Char('q') => return Then::Quit,
        KeyCode::Char('?' | 'h') => {
            board.view = if board.view == View::Help {
                View::List
            } else {
                View::Help
            };
        }
        KeyCode::Char('p' | ' ') => board.paused = !board.paused,
        KeyCode::Esc | KeyCode::Backspace if board.view != View::List => board.view = View::List,
        KeyCode::Esc => board.set_filter(String::new()),
        KeyCode::Enter => {
            if let (View::List, Some(slot)) = (board.view, board.selected_slot()) {
                board.view = View::Session(slot);
            }
        }
        KeyCode::Char('/') => {
            board.view = View::List;
            board.typing = Typing::Filter;
        }
        KeyCode::Char('s') => board.next_order(),
        KeyCode::Char('S') => board.previous_order(),
        KeyCode::Char('r') => board.reversed = !board.reversed,
        KeyCode::Up | KeyCode::Char('k') => step(board, -1),
        KeyCode::Down | KeyCode::Char('j') => step(board, 1),
        KeyCode::PageUp => step(board, -PAGE),
        KeyCode::PageDown => step(board, PAGE),
        KeyCode::Home => step(board, isize::MIN),
        KeyCode::End => step(board, isize::MAX),
        _ => {}
    }
    Then::GoOn
}

/// In the view of one session, its neighbour is opened.
fn step(board: &mut Board, by: isize) {
    board.step(by);
    if let (View::Session(_), Some(slot)) = (board.view, board.selected_slot()) {
        board.view = View::Session(slot);
    }
}
