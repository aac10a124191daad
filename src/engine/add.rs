//! Sessions: found by the header of a Logon, made from a configuration.

use std::sync::atomic::Ordering;

use super::SessionHandle;
use super::config::{AnySessionConfig, ConfigError, FixpSessionConfig, SessionConfig, dialler};
use super::control::Workshop;
use super::desk::Desk;
use super::fixp::Knocking;
use super::hours::{Hours, Wall};
use super::pending::List;
use super::places::Places;
use super::porch::{self, Door};
use super::resolver::{self, Resolver};
use super::route::Route;
use super::session::Session;
use super::slot::{Connection, Guest, Lodging, Pairing, Shown, Slot, Traffic, number};
use crate::counters;
use crate::journal::{Journal, Location, Recovery};
use crate::session::SeriesOutbox as _;
use crate::session::fix::{self, Role};
use crate::session::fixp::{self, Lane};
use crate::time::Now;
use crate::wire::fix::Message;
use crate::wire::fix::tag::{self, Tag};

/// What a backup connection is called, after the name of its session.
const BACKUP_SUFFIX: &str = "/backup";

/// Makes a session and opens its journal, on any thread: [`Desk::install`] takes it in. Answers also what
/// its journal had to be mended.
pub(super) fn make(
    workshop: &Workshop,
    config: AnySessionConfig,
    now: Now,
) -> Result<(Slot, Recovery), ConfigError> {
    config.check()?;
    if let AnySessionConfig::Fix(config) = &config
        && let Some(told) = config.settings.logon.max_message_bytes
        && told as usize > workshop.max_message_bytes
    {
        return Err(ConfigError::Session {
            session: config.settings.id.to_string(),
            key: "settings.logon.max_message_bytes",
            value: told.to_string(),
            right: "at most max_message_bytes of the engine",
        });
    }
    if let AnySessionConfig::Fixp(config) = &config {
        config.check_room(workshop.max_message_bytes)?;
    }
    workshop.ports.check(&config)?;
    let backup = match &config {
        AnySessionConfig::Fix(_) => None,
        AnySessionConfig::Fixp(config) => config.backup_lane(),
    };
    let name = config.id().to_string();
    let (mut slot, recovery) = by_name(workshop, config, &name, now)?;
    if let Some(lane) = backup {
        match by_name(
            workshop,
            lane.into(),
            &format!("{name}{BACKUP_SUFFIX}"),
            now,
        ) {
            Ok((backup, _)) => slot.backup = Some(Box::new(backup)),
            Err(error) => {
                let handle = slot.handle;
                // Its journal is closed before its name is free.
                drop(slot);
                workshop.roster.release(handle);
                return Err(error);
            }
        }
    }
    Ok((slot, recovery))
}

/// Reserves a place by a name and makes what is to have it.
fn by_name(
    workshop: &Workshop,
    config: AnySessionConfig,
    name: &str,
    now: Now,
) -> Result<(Slot, Recovery), ConfigError> {
    let handle = workshop.roster.reserve(name)?;
    let made = at_place(workshop, handle, config, name.to_owned(), now);
    if made.is_err() {
        workshop.roster.release(handle);
    }
    made
}

/// Makes a session for a peer that none is configured for. It has a journal in memory until the peer is let
/// in: [`Desk::enter`]. What does not log on leaves nothing behind.
pub(super) fn make_guest(
    workshop: &Workshop,
    mut config: SessionConfig,
    now: Now,
) -> Result<Slot, ConfigError> {
    let place = std::mem::replace(&mut config.journal.location, Location::Memory);
    let mut journal = config.journal.clone();
    journal.location = place;
    journal.queue_max_messages = config.settings.sending.queue_max(&config.settings.resend);
    let (mut slot, _) = make(workshop, config.into(), now)?;
    journal.identity.clone_from(&slot.name);
    slot.guest = Some(Guest::Outside(Box::new(Lodging { journal })));
    Ok(slot)
}

fn at_place(
    workshop: &Workshop,
    handle: SessionHandle,
    config: AnySessionConfig,
    name: String,
    now: Now,
) -> Result<(Slot, Recovery), ConfigError> {
    let calendar = config.calendar()?;
    let (session, connect, accept, socket, schedule, mut journal) = match config {
        AnySessionConfig::Fix(config) => {
            let SessionConfig {
                settings,
                connect,
                accept,
                socket,
                schedule,
                mut journal,
            } = config;
            journal.queue_max_messages = settings.sending.queue_max(&settings.resend);
            let session = fix::Session::new(settings).map_err(ConfigError::Settings)?;
            let session = Session::Fix(session);
            (session, connect, accept, socket, schedule, journal)
        }
        AnySessionConfig::Fixp(config) => {
            let FixpSessionConfig {
                settings,
                connect,
                accept,
                socket,
                schedule,
                journal,
                // They are made into a place of their own.
                backup: _,
                accept_backup: _,
            } = config;
            let session = fixp::Session::new(settings).map_err(ConfigError::Settings)?;
            let session = Session::Fixp(session);
            (session, connect, accept, socket, schedule, journal)
        }
    };
    journal.identity.clone_from(&name);
    let hours = Hours::of(&schedule, calendar, now);
    let dialler = dialler(&name, &connect)?;
    let refusals_max = connect.refusals_max;
    let route = match session.role() {
        Role::Initiator => {
            let found = resolver::look_up(&connect);
            Some(Route::new(connect, found, &name, handle))
        }
        Role::Acceptor => None,
    };
    let journal = Journal::open(journal, &workshop.keeper, now.utc);
    let (journal, recovery) = journal.map_err(|error| ConfigError::Journal {
        session: name.clone(),
        error,
    })?;
    // The first session with names to connect to brings the thread that looks them up.
    let has_names = route.as_ref().is_some_and(Route::has_names);
    let resolver = if has_names && !workshop.resolver.swap(true, Ordering::Relaxed) {
        let started = Resolver::start().inspect_err(|_| {
            workshop.resolver.store(false, Ordering::Relaxed);
        });
        Some(started.map_err(|error| ConfigError::Io {
            doing: "starting the thread that looks names up",
            error,
        })?)
    } else {
        None
    };
    let slot = Slot {
        handle,
        name,
        session,
        journal,
        connection: Connection::None,
        too_low_for: None,
        refusals: 0,
        refusals_max,
        route,
        dialler,
        resolver,
        pairing: Pairing::Single,
        backup: None,
        leaving: false,
        guest: None,
        hold_check: None,
        hours,
        accept,
        socket,
        connect_at_once: false,
        pending: List::default(),
        rotate_for_callback: false,
        listed: false,
        traffic: Traffic::default(),
        shown: Shown::default(),
    };
    Ok((slot, recovery))
}

impl Desk {
    /// Gives a session its place. An initiator connects in the next cycle.
    pub(super) fn install(&mut self, mut slot: Slot, now: Now) {
        let Some(mut backup) = slot.backup.take() else {
            self.install_one(slot, now);
            return;
        };
        let primary = slot.handle.number();
        let second = backup.handle.number();
        slot.pairing = Pairing::Primary {
            backup: number(second),
            exchanged: false,
            at_backups_end: None,
        };
        backup.pairing = Pairing::Backup {
            primary: number(primary),
            told_of_end: false,
        };
        // That of the backup is only in memory.
        backup
            .journal
            .set_port_closed(slot.journal.is_port_closed());
        self.install_one(slot, now);
        self.install_one(*backup, now);
        // Its turn comes when the session is established.
        self.slots[second].connection = Connection::None;
    }

    fn install_one(&mut self, mut slot: Slot, now: Now) {
        let number = slot.handle.number();
        let role = match slot.session.role() {
            Role::Initiator if !self.stopping => {
                slot.connection = Connection::RetryAt(now.mono);
                counters::Role::Initiator
            }
            Role::Initiator => counters::Role::Initiator,
            Role::Acceptor => counters::Role::Acceptor,
        };
        if let Some(resolver) = slot.resolver.take() {
            self.resolver = Some(resolver);
        }
        // Held by an operator of an earlier run, perhaps until a time that has come.
        slot.watch_hold(now);
        // Before anything is said, or numbered, under the numbers of an interval that is over.
        slot.begin_series_at_start(now);
        if self.wall.is_none() && slot.hours.is_some() {
            self.wall = Some(Wall::new(now));
        }
        self.page.claim_session(number, &slot.name, role);
        self.page
            .publish_hold(number, slot.journal.hold(), &slot.status());
        self.slots.install(slot);
        self.touch(number);
    }
}

/// The gateway that a Negotiate or Establish on this port is for.
pub(super) fn gateway_for(slots: &Places, first: &Knocking<'_>, door: &Door) -> Option<usize> {
    let fits = |slot: &&Slot| {
        let Session::Fixp(session) = &slot.session else {
            return false;
        };
        let settings = session.settings();
        settings.role == Role::Acceptor
            && !slot.leaving
            && (door.lane == Lane::Backup || porch::opens(&slot.accept, door.port))
            && settings.session.as_bytes() == first.session
            && settings.firm.as_bytes() == first.firm
            && settings.credentials.access_key_id().as_bytes() == first.access_key_id
    };
    slots.sessions().find(fits).map(|slot| slot.handle.number())
}

/// The acceptor session a Logon on this port is for: its header mirrored, the most specific match
/// first.
pub(super) fn most_specific(slots: &Places, logon: &Message<'_>, port: u16) -> Option<usize> {
    let matches = |slot: &Slot| {
        let Session::Fix(session) = &slot.session else {
            return None;
        };
        let settings = session.settings();
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
            && !slot.leaving
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
        .filter_map(|slot| Some((matches(slot)?, slot.handle.number())));
    // Of equally specific ones the first.
    candidates
        .max_by_key(|&(parts, number)| (parts, std::cmp::Reverse(number)))
        .map(|(_, number)| number)
}
