//! A directory that goes away with the test, and the few calls every test makes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use pinfix::journal::{Journal, JournalConfig, Keeper, Location, Recovery};
use pinfix::session::{Class, Full, Outbox};
use pinfix::time::Utc;

pub const T0: Utc = Utc(1_700_000_000_000_000_000);

/// A new directory, deleted on drop.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pinfix-{}-{nth}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn segment(&self, number: u32) -> PathBuf {
        self.0.join(format!("{number:010}.journal"))
    }

    /// Small segments, so that tests see many of them.
    pub fn config(&self) -> JournalConfig {
        JournalConfig {
            location: Location::Directory(self.0.clone()),
            ..small()
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn small() -> JournalConfig {
    JournalConfig {
        identity: "FIX.4.4:A->B".to_owned(),
        first_segment_bytes: 16 * 1024,
        max_segment_bytes: 64 * 1024,
        control_reserve_bytes: 1024,
        ..JournalConfig::default()
    }
}

pub fn open(config: JournalConfig, keeper: &Keeper) -> (Journal, Recovery) {
    Journal::open(config, keeper, T0).unwrap()
}

/// Commits an application message and answers its number.
pub fn send(journal: &mut Journal, frame: &[u8]) -> Result<u64, Full> {
    put(journal, Class::Application, frame)
}

pub fn put(journal: &mut Journal, class: Class, frame: &[u8]) -> Result<u64, Full> {
    let seq = journal.next_out();
    journal.claim(class, frame.len())?.copy_from_slice(frame);
    journal.commit(0..frame.len(), class == Class::Control, false, T0);
    Ok(seq)
}

/// The original of a resend.
pub fn original(journal: &mut Journal, seq: u64) -> Option<Vec<u8>> {
    journal
        .claim_replay(seq)
        .unwrap()
        .map(|replay| replay.original.to_vec())
}

/// What the socket would get, all of it.
pub fn drain(journal: &mut Journal) -> Vec<u8> {
    let mut wire = Vec::new();
    while let Some(unsent) = journal.unsent() {
        let bytes = unsent.bytes.to_vec();
        journal.mark_sent(bytes.len());
        wire.extend(bytes);
    }
    wire
}

/// A frame that names its number, `len` bytes long.
pub fn frame(seq: u64, len: usize) -> Vec<u8> {
    let mut bytes = format!("34={seq}|").into_bytes();
    bytes.resize(len.max(bytes.len()), b'.');
    bytes
}
