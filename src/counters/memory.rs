//! The words of a status page, wherever they are mapped: the only unsafe code of the page.
//!
//! Invariant: the mapping is at least `words` words long, aligned to a page, and lives as long as
//! the value. All access goes through `&[AtomicU64]`, so that other threads and processes may write
//! to the same memory at any time.
//!
//! What cannot be guarded against is another process that shortens the file while it is mapped: the
//! kernel then kills whoever touches the missing part. Nothing here ever shortens a file; a page is
//! replaced by renaming a new file over it.
//!
//! Must not know: what the words mean.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapMut, MmapOptions, MmapRaw};

/// A mapping seen as words.
#[derive(Debug)]
pub(super) struct Memory {
    map: MmapRaw,
    words: usize,
}

impl Memory {
    /// Memory of this process only, all zero.
    pub(super) fn anonymous(words: usize) -> io::Result<Self> {
        let map = MmapMut::map_anon(bytes(words)?)?;
        let memory = Self {
            map: MmapRaw::from(map),
            words,
        };
        memory.touch();
        Ok(memory)
    }

    /// An empty `file` made long enough, all zero, and mapped for writing.
    ///
    /// The zeros are written, not merely implied by the length: a file with holes on a full disk
    /// would kill the engine at its first store into a hole.
    pub(super) fn create(mut file: &File, words: usize) -> io::Result<Self> {
        let zeros = [0; 64 * 1024];
        let mut left = bytes(words)?;
        while left > 0 {
            let part = left.min(zeros.len());
            file.write_all(&zeros[..part])?;
            left -= part;
        }
        let map = MmapOptions::new().len(bytes(words)?).map_raw(file)?;
        let memory = Self { map, words };
        memory.touch();
        Ok(memory)
    }

    /// The whole words of an existing file, for reading. Stores to them would kill the process.
    pub(super) fn open(file: &File, length_bytes: u64) -> io::Result<Self> {
        let length = usize::try_from(length_bytes).map_err(io::Error::other)?;
        let words = length / size_of::<AtomicU64>();
        let map = MmapOptions::new().len(length).map_raw_read_only(file)?;
        Ok(Self { map, words })
    }

    /// All words. Whoever stores to them must have made the mapping by [`Memory::create`] or
    /// [`Memory::anonymous`].
    #[inline(always)]
    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is `words` words long (every constructor), page-aligned, and is not
        // unmapped while `self` is borrowed. Any bytes are a valid `AtomicU64`. In this process all
        // access is through this slice and so atomic; other processes are reached through the
        // kernel's shared pages and use the same atomic accesses. Readers of a read-only mapping
        // only do relaxed loads, which are allowed there.
        unsafe { slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), self.words) }
    }

    /// Has the kernel provide every page now, so that no later store waits for one.
    fn touch(&self) {
        for word in self.words() {
            word.store(0, Ordering::Relaxed);
        }
    }
}

fn bytes(words: usize) -> io::Result<usize> {
    words.checked_mul(size_of::<AtomicU64>()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{words} words do not fit in memory"),
        )
    })
}
