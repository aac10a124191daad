//! Who is at the other end of a Unix-domain socket, by the word of the kernel.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A process on this machine, as it was when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerProcess {
    pub(super) user: u32,
    pub(super) process: i32,
}

/// The process that connected.
///
/// # Errors
/// What the operating system says; the socket is no connected Unix-domain socket.
pub(super) fn of(socket: BorrowedFd<'_>) -> io::Result<PeerProcess> {
    let mut found = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>())
        .expect("invariant: the size of a small struct");
    // SAFETY: an open descriptor, borrowed for the call; `found` and `length` are ours, and `length` is
    // the size of what `found` points to, so the kernel writes inside it. Any bytes are a `ucred`.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            std::ptr::from_mut(&mut found).cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(PeerProcess {
        user: found.uid,
        process: found.pid,
    })
}

/// The user this process acts for.
pub(super) fn own_user() -> u32 {
    // SAFETY: takes nothing, touches no memory and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_other_end_of_a_pair_is_this_process() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = of(ours.as_fd()).unwrap();
        assert_eq!(peer.user, own_user());
        assert_eq!(peer.process, i32::try_from(std::process::id()).unwrap());
    }

    #[test]
    fn what_is_no_such_socket_is_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(of(file.as_fd()).is_err());
    }
}
