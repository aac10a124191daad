//! The memory a journal segment lives in: a mapped file, or plain zeroed memory.
//!
//! Invariant: every access is checked against the length of the region, and a region has one owner,
//! so Rust's borrow rules hold for its bytes inside this process. Other processes read the file, with
//! `read` and never through a mapping of ours; for them the publishing stores are atomic.
//!
//! It must not know what the bytes mean.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// Memory is touched and aligned in steps of this. A larger page of the machine only means that some
/// touches are superfluous.
const PAGE_BYTES: usize = 4096;

/// A fixed piece of memory with one owner.
#[derive(Debug)]
pub(crate) struct Region {
    base: NonNull<u8>,
    len: usize,
    backing: Backing,
}

#[derive(Debug)]
enum Backing {
    /// Kept only to unmap it on drop.
    Mapped {
        _map: MmapRaw,
    },
    Heap(Layout),
}

// SAFETY: a `Region` is the only owner of its memory inside the process (constructors below create
// it, nothing else hands the pointer out), so moving it to another thread moves that ownership.
unsafe impl Send for Region {}

// SAFETY: all methods that take `&self` only read, and writing needs `&mut self`.
unsafe impl Sync for Region {}

impl Region {
    /// Zeroed memory of this process, with every page present.
    ///
    /// # Errors
    /// Out of memory, or a length of zero.
    pub(crate) fn heap(len: usize) -> io::Result<Self> {
        let layout = Layout::from_size_align(len, PAGE_BYTES)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        if len == 0 {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        // SAFETY: the size of `layout` is not zero, checked above.
        let start = unsafe { alloc_zeroed(layout) };
        let base = NonNull::new(start).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let mut region = Self {
            base,
            len,
            backing: Backing::Heap(layout),
        };
        region.touch();
        Ok(region)
    }

    /// Maps the first `len` bytes of `file`, shared with its page cache, after making sure that the
    /// file is so long and that every block of it is allocated: a store to a mapped hole on a full
    /// disk would kill the process. Bytes that exist are left as they are.
    ///
    /// # Errors
    /// What the operating system says, "no space left" among it.
    pub(crate) fn map(file: &File, len: usize) -> io::Result<Self> {
        let length =
            libc::off_t::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: a call on an open descriptor, borrowed from `file` for its duration; no memory of
        // ours is involved.
        let errno = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) };
        if errno != 0 {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let map = MmapOptions::new().len(len).map_raw(file)?;
        let base = NonNull::new(map.as_mut_ptr())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self {
            base,
            len,
            backing: Backing::Mapped { _map: map },
        })
    }

    /// Writes one byte of every page back to itself, so that no later store has to wait for the
    /// kernel to allocate, read or map a page.
    pub(crate) fn touch(&mut self) {
        for at in (0..self.len).step_by(PAGE_BYTES) {
            // SAFETY: `at` < `len`, and `&mut self` makes this the only access.
            unsafe {
                let byte = self.base.as_ptr().add(at);
                byte.write_volatile(byte.read_volatile());
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `base` is valid for `len` initialised bytes as long as `self` lives; writers need
        // `&mut self`.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    /// All bytes, to be written.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes this the only access.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }

    /// A range of the bytes, if the region has it. For offsets that were read from a file.
    pub(crate) fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        self.bytes().get(range)
    }

    /// The little-endian word at `at`, if the region has it.
    pub(crate) fn u64_at(&self, at: usize) -> Option<u64> {
        let bytes = self.get(at..at.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Stores a little-endian word after everything that was stored before it.
    ///
    /// # Panics
    /// If the word is outside the region or not aligned, which would be a bug of the caller.
    pub(crate) fn publish_u32(&mut self, at: usize, value: u32) {
        assert!(
            at.is_multiple_of(4) && at + 4 <= self.len,
            "a word inside the region, aligned"
        );
        // SAFETY: inside the region and aligned (asserted; `base` is page aligned), valid while
        // `self` lives, and `&mut self` excludes other accesses of this process.
        let word = unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(at).cast()) };
        word.store(value.to_le(), Ordering::Release);
    }

    /// As [`Region::publish_u32`], for eight bytes.
    ///
    /// # Panics
    /// If the word is outside the region or not aligned, which would be a bug of the caller.
    pub(crate) fn publish_u64(&mut self, at: usize, value: u64) {
        assert!(
            at.is_multiple_of(8) && at + 8 <= self.len,
            "a word inside the region, aligned"
        );
        // SAFETY: as in `publish_u32`.
        let word = unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) };
        word.store(value.to_le(), Ordering::Release);
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Backing::Heap(layout) = self.backing {
            // SAFETY: allocated in `heap` with this very layout, and never freed before.
            unsafe { dealloc(self.base.as_ptr(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heap_memory_is_zero_and_keeps_what_is_stored() {
        let mut region = Region::heap(8192).unwrap();
        assert!(region.bytes().iter().all(|&byte| byte == 0));
        region.publish_u64(8, 0x0102_0304_0506_0708);
        region.publish_u32(16, 7);
        assert_eq!(region.u64_at(8), Some(0x0102_0304_0506_0708));
        assert_eq!(region.get(8..10), Some(&[8, 7][..]));
        assert_eq!(region.get(16..17), Some(&[7][..]));
    }

    #[test]
    fn nothing_outside_is_read() {
        let region = Region::heap(4096).unwrap();
        assert_eq!(region.get(4090..4097), None);
        assert_eq!(region.u64_at(4089), None);
        assert_eq!(region.u64_at(usize::MAX - 3), None);
    }

    #[test]
    #[should_panic(expected = "a word inside the region, aligned")]
    fn a_store_outside_is_refused() {
        Region::heap(4096).unwrap().publish_u64(4096, 1);
    }

    #[test]
    #[should_panic(expected = "a word inside the region, aligned")]
    fn an_unaligned_store_is_refused() {
        Region::heap(4096).unwrap().publish_u32(2, 1);
    }
}
