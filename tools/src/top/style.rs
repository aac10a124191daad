//! Colours that people of every kind of colour vision tell apart: blue, orange and vermilion of the Okabe
//! and Ito set, in the 256 colours that every terminal has, and never as the only sign of anything.

use std::env;

use ratatui::style::{Color, Modifier, Style as Cell};

use super::board::Concern;
use crate::status::Health;

const BLUE: Color = Color::Indexed(75);
const ORANGE: Color = Color::Indexed(214);
const VERMILION: Color = Color::Indexed(202);
const PURPLE: Color = Color::Indexed(176);
const GREY: Color = Color::Indexed(245);
const INK: Color = Color::Indexed(16);
const SELECTED: Color = Color::Indexed(237);

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Colours,
    /// Bold, dim and reversed only.
    Plain,
}

impl Style {
    /// As <https://no-color.org> has it.
    pub fn of_environment() -> Self {
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if no_colour {
            Self::Plain
        } else {
            Self::Colours
        }
    }

    /// The first line.
    pub fn banner(self, health: Option<&Health>) -> Cell {
        let colour = match health {
            Some(Health::Running) => BLUE,
            Some(Health::Stalled(_) | Health::Unlinked) => ORANGE,
            Some(Health::Ended) => GREY,
            Some(Health::Died) | None => VERMILION,
        };
        match self {
            Self::Colours => Cell::new().fg(INK).bg(colour).add_modifier(Modifier::BOLD),
            Self::Plain => Cell::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }

    pub fn concern(self, concern: Concern) -> Cell {
        let (colour, modifier) = match concern {
            Concern::Alarm => (VERMILION, Modifier::BOLD),
            Concern::Watch => (ORANGE, Modifier::BOLD),
            Concern::Held => (PURPLE, Modifier::BOLD),
            Concern::Quiet => (GREY, Modifier::DIM),
            Concern::Fine => (BLUE, Modifier::empty()),
        };
        self.coloured(colour).add_modifier(modifier)
    }

    /// A number that should be zero and is not.
    pub fn odd(self) -> Cell {
        self.coloured(ORANGE).add_modifier(Modifier::BOLD)
    }

    /// Names beside numbers, and heads of columns.
    pub fn label(self) -> Cell {
        match self {
            Self::Colours => Cell::new().fg(GREY),
            Self::Plain => Cell::new(),
        }
    }

    pub fn title(self) -> Cell {
        Cell::new().add_modifier(Modifier::BOLD)
    }

    pub fn number(self) -> Cell {
        Cell::new()
    }

    /// Of what is not of now.
    pub fn stale(self) -> Cell {
        Cell::new().add_modifier(Modifier::DIM)
    }

    pub fn curve(self) -> Cell {
        self.coloured(BLUE)
    }

    pub fn selected(self) -> Cell {
        match self {
            Self::Colours => Cell::new().bg(SELECTED).add_modifier(Modifier::BOLD),
            Self::Plain => Cell::new().add_modifier(Modifier::REVERSED),
        }
    }

    pub fn key(self) -> Cell {
        self.coloured(BLUE).add_modifier(Modifier::BOLD)
    }

    fn coloured(self, colour: Color) -> Cell {
        match self {
            Self::Colours => Cell::new().fg(colour),
            Self::Plain => Cell::new(),
        }
    }
}
