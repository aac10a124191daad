//! Sessions: found by the header of a Logon, made from a configuration.

use std::sync::Arc;

use super::config::{ConfigError, EngineConfig, SessionConfig};
use super::control::Directory;
use super::desk::Desk;
use super::hours::{Hours, Wall};
use super::porch;
use super::resolver::{self, Resolver};
use super::route::Route;
use super::slot::{Connection, Shown, Slot, Traffic};
use crate::admin::COMMANDS_MAX;
use crate::counters;
use crate::journal::{Journal, Keeper, Recovery};
use crate::session::fix::{Role, Session};
use crate::time::Now;
use crate::wire::fix::Message;
use crate::wire::fix::tag::{self, Tag};

/// Makes a session and opens its journal. Answers its number and what its journal had to be mended.
pub(super) fn session(
    desk: &mut Desk,
    keeper: &Keeper,
    engine: &EngineConfig,
    directory: &Arc<Directory>,
    mut config: SessionConfig,
    now: Now,
) -> Result<(usize, Recovery), ConfigError> {
    config.check()?;
    let name = config.settings.id.to_string();
    if let Some(told) = config.settings.logon.max_message_bytes
        && told as usize > engine.max_message_bytes
    {
        return Err(ConfigError::Session {
            session: name,
            key: "settings.logon.max_message_bytes",
            value: told.to_string(),
            right: "at most max_message_bytes of the engine",
        });
    }
    if desk
        .slots
        .iter()
        .any(|slot| slot.session.settings().id == config.settings.id)
    {
        return Err(ConfigError::Twice(name));
    }
    if desk.slots.len() == engine.sessions_max {
        return Err(ConfigError::TooManySessions(engine.sessions_max));
    }
    config.journal.identity.clone_from(&name);
    let hours = Hours::of(&config.schedule, config.calendar()?, now);
    config.journal.queue_max_messages = config.settings.sending.queue_max();
    let role = config.settings.role;
    let connection = match role {
        Role::Initiator => Connection::RetryAt(now.mono),
        Role::Acceptor => Connection::None,
    };
    let route = match role {
        Role::Initiator => {
            let found = resolver::look_up(&config.connect);
            Some(Route::new(config.connect, found, &name))
        }
        Role::Acceptor => None,
    };
    if desk.resolver.is_none() && route.as_ref().is_some_and(Route::has_names) {
        let resolver = Resolver::start().map_err(|error| ConfigError::Io {
            doing: "starting the thread that looks names up",
            error,
        })?;
        desk.resolver = Some(resolver);
    }
    let session = Session::new(config.settings).map_err(ConfigError::Settings)?;
    let (journal, recovery) =
        Journal::open(config.journal, keeper, now.utc).map_err(|error| ConfigError::Journal {
            session: name.clone(),
            error,
        })?;
    let number = desk.slots.len();
    desk.slots.push(Slot {
        session,
        journal,
        connection,
        route,
        hold_check: None,
        hours,
        accept: config.accept,
        socket: config.socket,
        connect_at_once: false,
        pending: Vec::with_capacity(desk.receivers.len() * COMMANDS_MAX),
        listed: false,
        traffic: Traffic::default(),
        shown: Shown::default(),
    });
    // Held by an operator of an earlier run, perhaps until a time that has come.
    desk.slots[number].watch_hold(now);
    // Before anything is said, or numbered, under the numbers of an interval that is over.
    desk.slots[number].begin_series_at_start(now);
    if desk.wall.is_none() && desk.slots[number].hours.is_some() {
        desk.wall = Some(Wall::new(now));
    }
    // Twice: while the list is worked through, every session may be put on it again, and a session may
    // lose a connection, make one and lose that in one cycle.
    desk.touched.reserve(2 * desk.slots.len());
    desk.released.reserve(2 * desk.slots.len());
    if desk.wheel.capacity() < desk.slots.len() {
        desk.wheel.grow(desk.slots.len().next_power_of_two());
    }
    let role = match role {
        Role::Initiator => counters::Role::Initiator,
        Role::Acceptor => counters::Role::Acceptor,
    };
    desk.page.claim_session(number, &name, role);
    directory.add(name);
    desk.touch(number);
    Ok((number, recovery))
}

/// The acceptor session a Logon on this port is for: its header mirrored, the most specific match
/// first.
pub(super) fn most_specific(slots: &[Slot], logon: &Message<'_>, port: u16) -> Option<usize> {
    let matches = |slot: &Slot| {
        let settings = slot.session.settings();
        let id = &settings.id;
        let fixed = [
            (tag::SENDER_COMP_ID, &id.target_comp_id),
            (tag::TARGET_COMP_ID, &id.sender_comp_id),
        ];
        let optional = [
            (tag::SENDER_SUB_ID, &id.target_sub_id),
            (tag::TARGET_SUB_ID, &id.sender_sub_id),
            (tag::SENDER_LOCATION_ID, &id.target_location_id),
            (tag::TARGET_LOCATION_ID, &id.sender_location_id),
        ];
        let is = |tag: Tag, value: &str| logon.get(tag) == Some(value.as_bytes());
        let fits = settings.role == Role::Acceptor
            && porch::opens(&slot.accept, port)
            && logon.begin_string() == id.begin_string.as_bytes()
            && fixed.iter().all(|(tag, value)| is(*tag, value))
            && optional
                .iter()
                .all(|(tag, value)| value.as_ref().is_none_or(|value| is(*tag, value)));
        fits.then(|| optional.iter().filter(|(_, value)| value.is_some()).count())
    };
    let candidates = slots
        .iter()
        .enumerate()
        .filter_map(|(number, slot)| Some((matches(slot)?, number)));
    // Of equally specific ones the first.
    candidates
        .max_by_key(|&(parts, number)| (parts, std::cmp::Reverse(number)))
        .map(|(_, number)| number)
}
