//! What a journal and its keeper share: a place to hand over a segment, and a few words.
//!
//! Invariant: nothing here can make the core wait. The one lock the core touches is taken with
//! `try_lock`, at a moment when the other side is known not to hold it.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use super::config::{Durability, Location};
use super::directory;
use super::region::Region;
use super::segment::Segment;

/// A cell for one value, given by one thread and taken by another.
#[derive(Debug)]
pub(crate) struct Handover<T> {
    /// Set by the giver after it let go of the cell, cleared by the taker.
    ready: AtomicBool,
    cell: Mutex<Option<T>>,
}

impl<T> Handover<T> {
    pub(crate) fn new() -> Self {
        Self {
            ready: AtomicBool::new(false),
            cell: Mutex::new(None),
        }
    }

    /// Whether a value waits to be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Puts a value in. The taker asks for one at a time, so the cell is empty.
    pub(crate) fn give(&self, value: T) {
        *self.cell.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        self.ready.store(true, Ordering::Release);
    }

    /// Takes the value, if one is there. Never waits.
    pub(crate) fn take(&self) -> Option<T> {
        if !self.ready.load(Ordering::Acquire) {
            return None;
        }
        // The giver has let go before it set `ready`, and gives again only after being asked again.
        let value = match self.cell.try_lock() {
            Ok(mut cell) => cell.take(),
            Err(TryLockError::Poisoned(cell)) => cell.into_inner().take(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.ready.store(false, Ordering::Release);
        value
    }
}

/// A segment's memory, ready for use.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) region: Region,
    /// An empty list with more capacity, if one was asked for.
    pub(crate) list: Option<Vec<Segment>>,
}

/// Shared by one journal and the keeper.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) location: Location,
    pub(crate) durability: Durability,
    pub(crate) slot: Handover<Prepared>,
    /// Error number of the last failed preparation; 0 after one that worked.
    pub(crate) prepare_errno: AtomicI32,
    /// Error number of the first failed flush; never cleared: after a failed flush the kernel may
    /// forget what it could not write, so a later success proves nothing.
    pub(crate) flush_errno: AtomicI32,
    /// Error number of the last failed deletion of a segment.
    pub(crate) retire_errno: AtomicI32,
    /// Set by the core when a flush is under way to the keeper, cleared by the keeper before it looks.
    pub(crate) flush_asked: AtomicBool,
    /// Position behind the last published record.
    pub(crate) published: AtomicU64,
    /// Position up to which everything is on the device.
    pub(crate) durable: AtomicU64,
    /// Something changed since the last periodic flush.
    pub(crate) dirty: AtomicBool,
    /// The journal is gone.
    pub(crate) closed: AtomicBool,
    /// Jobs under way.
    pub(crate) pending: AtomicU32,
    /// Files that may hold unflushed bytes, ascending. Only the keeper uses it once the journal is
    /// open.
    pub(crate) files: Mutex<Vec<(u32, File)>>,
}

impl Port {
    pub(crate) fn new(location: Location, durability: Durability) -> Self {
        Self {
            location,
            durability,
            slot: Handover::new(),
            prepare_errno: AtomicI32::new(0),
            flush_errno: AtomicI32::new(0),
            retire_errno: AtomicI32::new(0),
            flush_asked: AtomicBool::new(false),
            published: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            dirty: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            pending: AtomicU32::new(0),
            files: Mutex::new(Vec::new()),
        }
    }

    /// Makes a segment and hands it over. Not for the core.
    pub(crate) fn prepare(&self, number: u32, bytes: usize, slots: usize) -> io::Result<()> {
        let region = match &self.location {
            Location::Memory => Region::heap(bytes)?,
            Location::Directory(path) => {
                let (region, file) = directory::create_segment(path, number, bytes)?;
                self.watch(number, file)?;
                region
            }
        };
        let list = (slots > 0).then(|| Vec::with_capacity(slots));
        self.prepare_errno.store(0, Ordering::Relaxed);
        self.slot.give(Prepared { region, list });
        Ok(())
    }

    /// Remembers a file for flushing, if this journal flushes. Not for the core.
    pub(crate) fn watch(&self, number: u32, file: File) -> io::Result<()> {
        if let (Location::Directory(path), true) =
            (&self.location, self.durability != Durability::PageCache)
        {
            directory::flush_names(path)?;
            self.files
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((number, file));
        }
        Ok(())
    }

    /// Puts everything that is published now on the device. Not for the core.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.flush_asked.store(false, Ordering::SeqCst);
        self.dirty.store(false, Ordering::SeqCst);
        let upto = self.published.load(Ordering::Acquire);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let last = position_segment(upto);
        for (_, file) in files.iter().filter(|(number, _)| *number <= last) {
            // Also writes what was stored through the mapping: the kernel has one copy of a page.
            file.sync_data()?;
        }
        // Segments before the last published one take no more records.
        files.retain(|(number, _)| *number >= last);
        if self.flush_errno.load(Ordering::Relaxed) == 0 {
            self.durable.fetch_max(upto, Ordering::Release);
        }
        Ok(())
    }

    /// Unmaps a segment and deletes its file. Not for the core.
    pub(crate) fn retire(&self, segment: Segment) -> io::Result<()> {
        let number = segment.number();
        drop(segment);
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(held, _)| *held != number);
        match &self.location {
            Location::Memory => Ok(()),
            Location::Directory(path) => std::fs::remove_file(directory::segment_path(path, number)),
        }
    }
}

/// A position in the stream of records: later ones compare greater.
pub(crate) fn position(segment: u32, offset: usize) -> u64 {
    (u64::from(segment) << 32) | offset as u64
}

/// The segment of a position.
pub(crate) fn position_segment(position: u64) -> u32 {
    (position >> 32) as u32
}

/// The offset of a position.
pub(crate) fn position_offset(position: u64) -> usize {
    position as u32 as usize
}

/// The text of an error number, if there is one.
pub(crate) fn error_of(errno: &AtomicI32) -> Option<io::Error> {
    let errno = errno.load(Ordering::Relaxed);
    (errno != 0).then(|| io::Error::from_raw_os_error(errno))
}

/// Keeps an error as a number, which the core can read without waiting.
pub(crate) fn errno_of(error: &io::Error) -> i32 {
    error
        .raw_os_error()
        .filter(|&errno| errno != 0)
        .unwrap_or(match error.kind() {
            io::ErrorKind::StorageFull => libc::ENOSPC,
            io::ErrorKind::OutOfMemory => libc::ENOMEM,
            io::ErrorKind::PermissionDenied => libc::EACCES,
            io::ErrorKind::NotFound => libc::ENOENT,
            _ => libc::EIO,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_handed_over_once() {
        let cell = Handover::new();
        assert_eq!(cell.take(), None);
        cell.give(1);
        assert_eq!(cell.take(), Some(1));
        assert_eq!(cell.take(), None);
        cell.give(2);
        assert_eq!(cell.take(), Some(2));
    }

    #[test]
    fn values_arrive_from_another_thread_in_order() {
        let cell = Handover::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for value in 0..1000 {
                    cell.give(value);
                    while cell.ready.load(Ordering::Acquire) {
                        std::thread::yield_now();
                    }
                }
            });
            let mut want = 0;
            while want < 1000 {
                match cell.take() {
                    Some(value) => {
                        assert_eq!(value, want);
                        want += 1;
                    }
                    None => std::thread::yield_now(),
                }
            }
        });
    }

    #[test]
    fn positions_are_ordered_like_the_stream() {
        assert!(position(1, usize::MAX >> 32) < position(2, 0));
        let at = position(7, 4096);
        assert_eq!((position_segment(at), position_offset(at)), (7, 4096));
    }
}
