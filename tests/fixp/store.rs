//! Where a machine under test keeps its messages: vectors, or a journal in files.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use pinfix::journal::{Journal, JournalConfig, Keeper, Location};
use pinfix::session::{Full, SeriesOutbox};
use pinfix::time::Utc;

use crate::shelf::Shelf;

pub trait Store: Sized {
    type Out: SeriesOutbox;

    /// Whether it allocates nothing, so that a session over it must not either.
    const QUIET: bool;

    fn new() -> Self;
    fn out(&mut self) -> &mut Self::Out;
    fn look(&self) -> &Self::Out;
    /// Grows when it prepares room, which costs what a thread of its own does elsewhere.
    fn preparations(&self) -> usize {
        0
    }

    /// What was committed goes on the wire.
    fn take(&mut self, wire: &mut Vec<Vec<u8>>);
    /// The connection is gone, and what was not taken with it.
    fn forget(&mut self);
    /// The process is killed and started again.
    fn restart(&mut self);
    /// Answers every claim with this; whether it can.
    fn fill(&mut self, full: Option<Full>) -> bool;
    /// What was sent under `seq` cannot be read any more; whether it can be had so.
    fn damage(&mut self, seq: u64) -> bool;
}

impl Store for Shelf {
    type Out = Self;

    const QUIET: bool = false;

    fn new() -> Self {
        Self::empty()
    }

    fn out(&mut self) -> &mut Self {
        self
    }

    fn look(&self) -> &Self {
        self
    }

    fn take(&mut self, wire: &mut Vec<Vec<u8>>) {
        wire.append(&mut self.wire);
    }

    fn forget(&mut self) {
        self.wire.clear();
    }

    fn restart(&mut self) {
        self.wire.clear();
    }

    fn fill(&mut self, full: Option<Full>) -> bool {
        self.full = full;
        true
    }

    fn damage(&mut self, seq: u64) -> bool {
        self.spoil(seq);
        true
    }
}

/// A journal in a directory that goes away with the test.
pub struct Files {
    /// Only absent while it is opened again.
    journal: Option<Journal>,
    keeper: Keeper,
    path: PathBuf,
}

impl Files {
    fn open(&mut self) {
        self.journal = None;
        let config = JournalConfig {
            location: Location::Directory(self.path.clone()),
            identity: "FIXP".to_owned(),
            first_segment_bytes: 16 * 1024,
            max_segment_bytes: 256 * 1024,
            record_inbound: false,
            ..JournalConfig::default()
        };
        let opened = Journal::open(config, &self.keeper, Utc(1)).unwrap();
        self.journal = Some(opened.0);
    }
}

impl Store for Files {
    type Out = Journal;

    const QUIET: bool = true;

    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pinfix-fixp-{}-{nth}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let mut files = Self {
            journal: None,
            keeper: Keeper::inline(),
            path,
        };
        files.open();
        files
    }

    fn out(&mut self) -> &mut Journal {
        let journal = self.journal.as_mut().unwrap();
        journal.poll();
        journal
    }

    fn look(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn preparations(&self) -> usize {
        let stat = self.look().stat();
        2 * stat.segments + usize::from(stat.next_ready)
    }

    fn take(&mut self, wire: &mut Vec<Vec<u8>>) {
        let journal = self.journal.as_mut().unwrap();
        while let Some(unsent) = journal.unsent() {
            assert!(!unsent.masked, "nothing of FIXP is masked");
            let bytes = unsent.bytes.to_vec();
            journal.mark_sent(bytes.len());
            wire.push(bytes);
        }
    }

    fn forget(&mut self) {
        self.out().drop_unsent();
    }

    fn restart(&mut self) {
        self.open();
    }

    fn fill(&mut self, _: Option<Full>) -> bool {
        false
    }

    fn damage(&mut self, _: u64) -> bool {
        false
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.journal = None;
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
