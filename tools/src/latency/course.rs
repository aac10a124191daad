//! What the two hot threads and the main thread share: where the run is, and how far.
//!
//! The client's thread decides; the venue's thread follows; the main thread only looks. Nobody waits
//! for anybody here, and nobody takes a lock.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use pinfix::engine::Stopper;

/// What the venue's thread does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// Runs its engine.
    Engine = 0,
    /// Sends bytes back over a raw socket.
    Floor = 1,
    /// Ends.
    Finish = 2,
}

/// What a thread that spins does when it found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Looks again at once: it has a core of its own.
    Spin,
    /// Lets the other thread have the core that both share.
    Yield,
}

impl Pause {
    #[inline]
    pub fn take(self) {
        match self {
            Self::Spin => std::hint::spin_loop(),
            Self::Yield => std::thread::yield_now(),
        }
    }
}

/// The shared state. Each part has cache lines of its own: looking at one does not slow the other.
pub struct Course {
    step: Apart<AtomicU8>,
    /// Bytes of a reply, for the floor. Set before the first [`Step::Floor`].
    reply_bytes: Apart<AtomicU64>,
    /// Bytes of a request, likewise.
    request_bytes: AtomicU64,
    /// Exchanges done, for the progress bar.
    progress: Apart<AtomicU64>,
    /// Whether those who watch may look.
    watched: Apart<AtomicBool>,
    stopper: Stopper,
    pub pause: Pause,
}

#[repr(align(128))]
struct Apart<T>(T);

impl Course {
    pub fn new(pause: Pause, stopper: Stopper) -> Self {
        Self {
            step: Apart(AtomicU8::new(Step::Engine as u8)),
            reply_bytes: Apart(AtomicU64::new(0)),
            request_bytes: AtomicU64::new(0),
            progress: Apart(AtomicU64::new(0)),
            watched: Apart(AtomicBool::new(false)),
            stopper,
            pause,
        }
    }

    #[inline]
    pub fn step(&self) -> Step {
        match self.step.0.load(Ordering::Acquire) {
            0 => Step::Engine,
            1 => Step::Floor,
            _ => Step::Finish,
        }
    }

    pub fn go_to(&self, step: Step) {
        self.step.0.store(step as u8, Ordering::Release);
    }

    /// Whether those who watch may look now.
    pub fn is_watched(&self) -> bool {
        self.watched.0.load(Ordering::Acquire)
    }

    pub fn set_watched(&self, watched: bool) {
        self.watched.0.store(watched, Ordering::Release);
    }

    /// Says how long the real frames are.
    pub fn set_frame_bytes(&self, request: u64, reply: u64) {
        self.request_bytes.store(request, Ordering::Release);
        self.reply_bytes.0.store(reply, Ordering::Release);
    }

    /// Bytes of a request and of a reply.
    pub fn frame_bytes(&self) -> (u64, u64) {
        (
            self.request_bytes.load(Ordering::Acquire),
            self.reply_bytes.0.load(Ordering::Acquire),
        )
    }

    #[inline]
    pub fn set_progress(&self, exchanges: u64) {
        self.progress.0.store(exchanges, Ordering::Relaxed);
    }

    pub fn progress(&self) -> u64 {
        self.progress.0.load(Ordering::Relaxed)
    }

    /// Whether the user has had enough.
    #[inline]
    pub fn is_interrupted(&self) -> bool {
        self.stopper.is_stopping()
    }
}

/// Ends the run when it is dropped, however the client's thread ends, so that the venue's thread does
/// not spin for ever.
pub struct FinishOnDrop<'a>(pub &'a Course);

impl Drop for FinishOnDrop<'_> {
    fn drop(&mut self) {
        self.0.go_to(Step::Finish);
    }
}
