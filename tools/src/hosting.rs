//! What every command that runs an engine lets a person choose: its core, its journals, its status
//! page, its admin socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use pinfix::engine::{
    AdminSocket, AdminSocketConfig, Engine, EngineConfig, Idle, Opened, Plan, Run, SessionFiles,
};
use pinfix::journal::{Location, Retention};

use crate::config::{self, File, named};

/// How long an idle cycle sleeps in the readiness call with `--idle block`; also how long Ctrl-C may
/// wait.
const BLOCK: Duration = Duration::from_millis(50);

/// How long an idle cycle sleeps at most in a loop that has more to do than the engine.
pub const NAP: Duration = Duration::from_millis(1);

/// How much of a journal in memory is kept: enough for resends, and no growth without end.
const MEMORY_BYTES: u64 = 16 * 1024 * 1024;

#[derive(clap::Args)]
pub struct Hosting {
    /// Pin the thread to this core [default: not pinned]
    #[arg(long, value_name = "N")]
    core: Option<usize>,

    /// What the thread does when there is nothing to do [default: block]
    #[arg(long, value_enum)]
    idle: Option<IdleMode>,

    /// Keep each session's journal in a directory below this one [default: as the file says, or in
    /// memory]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// Keep the status page in this file, for `pinfix top` and `pinfix metrics`; best below /dev/shm
    #[arg(long, value_name = "FILE")]
    status_page: Option<PathBuf>,

    /// Take commands of `pinfix admin` on this Unix-domain socket
    #[arg(long, value_name = "PATH")]
    admin_socket: Option<PathBuf>,

    /// Write every such command to this file
    #[arg(long, value_name = "FILE", requires = "admin_socket")]
    admin_audit: Option<PathBuf>,
}

/// What an idle cycle does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdleMode {
    /// Poll again at once: lowest latency, a whole core
    Spin,
    /// Give the core away once, then poll again
    Yield,
    /// Sleep until something arrives: kind to the machine, some microseconds slower
    Block,
}

named! {
    IdleMode { "spin" = IdleMode::Spin, "yield" = IdleMode::Yield, "block" = IdleMode::Block }
}

impl Hosting {
    /// Puts what was chosen into a plan; `name` is that of the engine unless the plan has one.
    pub fn put(&self, plan: &mut Plan, name: &str) {
        if plan.engine.name == EngineConfig::default().name {
            name.clone_into(&mut plan.engine.name);
        }
        if let Some(page) = &self.status_page {
            plan.engine.status_page = Some(page.clone());
        }
        keep_journals(plan, self.journal.as_deref());
    }

    /// How the loop runs. What was chosen here wins over the file.
    pub fn run(&self, file: &File) -> Run {
        let idle = self.idle.or(file.idle.map(|word| word.0));
        Run {
            core: self.core.or(file.core),
            idle: match idle.unwrap_or(IdleMode::Block) {
                IdleMode::Spin => Idle::Spin,
                IdleMode::Yield => Idle::Yield,
                IdleMode::Block => Idle::Block(BLOCK),
            },
        }
    }

    /// Where journals are to be kept, if that was chosen.
    pub fn journals(&self) -> Option<&Path> {
        self.journal.as_deref()
    }

    /// Serves the admin socket, if one was asked for, as long as the answer lives. Of a file of sessions to
    /// add, those at `venue` are added, as at the start; all of them if there is none.
    pub fn serve_admin(
        &self,
        engine: &mut Engine,
        venue: Option<&str>,
    ) -> anyhow::Result<Option<AdminSocket>> {
        let Some(path) = &self.admin_socket else {
            return Ok(None);
        };
        let journals = self.journal.clone();
        let venue = venue.map(str::to_owned);
        let read = move |file: &Path| {
            let loaded = config::load_part(file, &[], venue.as_deref());
            let mut plan = loaded.map_err(|error| format!("{error:#}"))?.plan;
            keep_journals(&mut plan, journals.as_deref());
            let sessions = plan.sessions.into_iter();
            Ok(sessions.map(|planned| planned.config).collect::<Vec<_>>())
        };
        let config = AdminSocketConfig {
            audit: self.admin_audit.clone(),
            files: Some(SessionFiles::read_by(read)),
            ..AdminSocketConfig::new(path)
        };
        Ok(Some(AdminSocket::serve(engine.controller(), config)?))
    }
}

/// What a person should know of what opening a plan came to.
pub fn remarks(plan: &Plan, opened: &Opened) -> Vec<String> {
    let mut remarks = Vec::new();
    for (planned, session) in plan.sessions.iter().zip(&opened.sessions) {
        let damage = session.iter().flat_map(|(_, recovery)| &recovery.damage);
        let id = planned.config.id();
        remarks.extend(damage.map(|damage| format!("the journal of {id} was mended: {damage}")));
    }
    remarks.extend(
        opened
            .left_out
            .iter()
            .map(|error| format!("left out: {error}")),
    );
    remarks
}

/// Keeps journals below `base`, if one is given, and those in memory short.
fn keep_journals(plan: &mut Plan, base: Option<&Path>) {
    for session in &mut plan.sessions {
        let config = &mut session.config;
        if let Some(base) = base {
            *config = config.clone().journal_below(base);
        }
        let journal = config.journal_mut();
        if journal.location == Location::Memory && journal.retention == Retention::default() {
            journal.retention = forgetful();
        }
    }
    for template in plan
        .listeners
        .iter_mut()
        .flat_map(|listen| &mut listen.templates)
    {
        if let Some(base) = base {
            template.journals = Some(base.to_owned());
        }
        let retention = &mut template.config.journal.retention;
        if template.journals.is_none() && *retention == Retention::default() {
            *retention = forgetful();
        }
    }
}

/// What an idle cycle does in a loop that polls the engine itself.
pub fn pause(idle: Idle, longest: Duration) {
    match idle {
        Idle::Spin => std::hint::spin_loop(),
        Idle::Yield => std::thread::yield_now(),
        Idle::Block(_) => std::thread::sleep(longest),
    }
}

/// For journals in memory, which would grow without end.
pub fn forgetful() -> Retention {
    Retention {
        age: None,
        bytes: Some(MEMORY_BYTES),
    }
}
