//! The directory of a journal: names of its files, its lock, and how a segment file comes to be.
//!
//! Invariant: a file has the name of a segment only when it has its full size on the device; until
//! then it has a name that the next start throws away.
//!
//! It must not know what is in a segment.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::region::Region;

const LOCK_NAME: &str = "lock";
const SEGMENT_SUFFIX: &str = ".journal";
const PREPARING_SUFFIX: &str = ".preparing";

/// The file of segment `number`.
pub(crate) fn segment_path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:010}{SEGMENT_SUFFIX}"))
}

/// The numbers of the segments there are, ascending.
pub(crate) fn segments(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(number) = name
            .to_str()
            .and_then(|name| number_in(name, SEGMENT_SUFFIX))
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Deletes files whose preparation was never finished.
pub(crate) fn clear_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let unfinished = entry
            .file_name()
            .to_str()
            .and_then(|name| number_in(name, PREPARING_SUFFIX))
            .is_some();
        if unfinished {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Creates the file of segment `number` with `bytes` zero bytes, really allocated and touched.
pub(crate) fn create_segment(
    directory: &Path,
    number: u32,
    bytes: usize,
) -> io::Result<(Region, File)> {
    let unfinished = directory.join(format!("{number:010}{PREPARING_SUFFIX}"));
    let made = fill(&unfinished, bytes).and_then(|made| {
        fs::rename(&unfinished, segment_path(directory, number))?;
        Ok(made)
    });
    if made.is_err() {
        // Gives back what was allocated before the disk was full; the error that matters is `made`.
        let _ = fs::remove_file(&unfinished);
    }
    made
}

/// Makes names durable that were created or deleted in `directory`.
pub(crate) fn flush_names(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Why a journal could not be locked.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another holder, with its process id if it can be read.
    Held(Option<u32>),
    Io(io::Error),
}

/// Takes the lock of `directory` for as long as the file lives, and writes our process id into it.
pub(crate) fn lock(directory: &Path) -> Result<File, LockError> {
    let path = directory.join(LOCK_NAME);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(LockError::Io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let owner = file
                .read_to_string(&mut text)
                .ok()
                .and_then(|_| text.trim().parse().ok());
            return Err(LockError::Held(owner));
        }
        Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
    }
    let noted = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        // The process id is a courtesy to whoever is refused; a full disk must not forbid a start.
        .or_else(|error| {
            if error.kind() == io::ErrorKind::StorageFull {
                Ok(())
            } else {
                Err(error)
            }
        });
    noted.map_err(LockError::Io)?;
    Ok(file)
}

fn fill(path: &Path, bytes: usize) -> io::Result<(Region, File)> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    let mut region = Region::map(&file, bytes)?;
    region.touch();
    Ok((region, file))
}

fn number_in(name: &str, suffix: &str) -> Option<u32> {
    let digits = name.strip_suffix(suffix)?;
    let plain = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}
