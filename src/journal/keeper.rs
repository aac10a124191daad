//! The thread that does for journals what would make the core wait: allocating, flushing, unmapping
//! and deleting segments.
//!
//! Invariants: the core only pushes jobs, and takes results without waiting; a job that fails is kept
//! and tried again after a pause, or asked for again by the journal; nothing is lost by a failure.
//!
//! It must not know what is in a segment.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;

use super::port::{Port, errno_of};
use super::segment::Segment;

/// Jobs that may wait. A journal has at most a handful under way; when the queue is full it asks
/// again later.
const JOBS_MAX: usize = 4096;
/// Between two attempts at something that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The thread looks around at least this often.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// Something the keeper is about to do, as a gate sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Make segment `number` of `bytes` bytes.
    Prepare {
        /// Its number.
        number: u32,
        /// Its size.
        bytes: usize,
    },
    /// Put what is published on the device.
    Flush,
    /// Delete segment `number`.
    Retire {
        /// Its number.
        number: u32,
    },
}

/// What a gate decides.
#[derive(Debug)]
pub enum Ruling {
    /// Do it.
    Go,
    /// Not yet.
    Later,
    /// Pretend that the operating system answered this.
    Fail(io::Error),
}

/// Decides about each piece of work; how simulations and tests make disks slow or full.
pub type Gate = Box<dyn FnMut(Work) -> Ruling + Send>;

/// Does the slow work of many journals. One per engine; dropping it finishes the jobs that wait.
///
/// Drop the journals first: without a keeper they cannot go on to a next segment.
#[derive(Debug)]
pub struct Keeper {
    line: Arc<Line>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread under `name`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(name: &str) -> io::Result<Self> {
        Self::start_with(name, Box::new(|_| Ruling::Go))
    }

    /// Starts the thread with a gate that is asked before each piece of work.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start_with(name: &str, gate: Gate) -> io::Result<Self> {
        let crew = Arc::new(Crew {
            jobs: ArrayQueue::new(JOBS_MAX),
            thread: OnceLock::new(),
            stop: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&crew);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || of_thread.work(gate))?;
        // Set once, here: the cell is new.
        let _ = crew.thread.set(thread.thread().clone());
        Ok(Self {
            line: Arc::new(Line::Threaded(crew)),
            thread: Some(thread),
        })
    }

    /// Does everything at once on the thread that asks. For simulations, tests and tools: there is no
    /// other thread, so runs repeat exactly.
    #[must_use]
    pub fn inline() -> Self {
        Self::inline_with(Box::new(|_| Ruling::Go))
    }

    /// As [`Keeper::inline`], with a gate that is asked before each piece of work.
    #[must_use]
    pub fn inline_with(gate: Gate) -> Self {
        Self {
            line: Arc::new(Line::Inline(Mutex::new(Held(gate)))),
            thread: None,
        }
    }

    /// Whether it does everything on the thread that asks.
    pub(crate) fn is_inline(&self) -> bool {
        matches!(*self.line, Line::Inline(_))
    }

    pub(crate) fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Line::Threaded(crew) = &*self.line {
            crew.stop.store(true, Ordering::Release);
            crew.wake();
        }
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it; a drop has nobody to hand it to.
            let _ = thread.join();
        }
    }
}

/// What a journal may ask for.
#[derive(Debug)]
pub(crate) enum Job {
    /// Flush this journal every so often, from now on.
    Watch { port: Arc<Port>, every: Duration },
    /// Make a segment; with `slots` above 0 also a longer list of segments.
    Prepare {
        port: Arc<Port>,
        number: u32,
        bytes: usize,
        slots: usize,
    },
    /// Flush what is published.
    Flush { port: Arc<Port> },
    /// Unmap and delete a segment.
    Retire { port: Arc<Port>, segment: Segment },
    /// Free a list that was replaced by a longer one.
    Discard(#[expect(dead_code, reason = "carried here to be dropped")] Vec<Segment>),
}

impl Job {
    fn port(&self) -> Option<&Arc<Port>> {
        match self {
            Self::Watch { .. } | Self::Discard(_) => None,
            Self::Prepare { port, .. } | Self::Flush { port } | Self::Retire { port, .. } => Some(port),
        }
    }
}

/// What became of a job.
enum Outcome {
    Done,
    /// To be tried again.
    Again(Job),
}

/// The way from journals to the keeper.
#[derive(Debug)]
pub(crate) enum Line {
    Inline(Mutex<Held>),
    Threaded(Arc<Crew>),
}

/// A gate in a place that can be printed.
pub(crate) struct Held(Gate);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl Line {
    /// Hands a job over, or back if there is no room for it now. Allocates nothing, never waits.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Job> {
        match self {
            Self::Inline(gate) => {
                let gate = &mut gate.lock().unwrap_or_else(PoisonError::into_inner).0;
                match perform(job, gate) {
                    // A segment that cannot be deleted stays; everything else is asked for again.
                    Outcome::Again(Job::Retire { port, segment }) => Err(Job::Retire { port, segment }),
                    Outcome::Again(_) | Outcome::Done => Ok(()),
                }
            }
            Self::Threaded(crew) => crew.submit(job),
        }
    }

    /// Whether a job that failed is tried again without being asked for again.
    pub(crate) fn keeps_trying(&self) -> bool {
        matches!(self, Self::Threaded(_))
    }

    /// Waits until no job of `port` is under way. Not for the core while it trades.
    pub(crate) fn settle(&self, port: &Port) {
        if let Self::Threaded(crew) = self {
            while port.pending.load(Ordering::Acquire) > 0 && !crew.stopped.load(Ordering::Acquire) {
                crew.wake();
                thread::sleep(Duration::from_micros(100));
            }
        }
    }
}

/// The shared side of the thread.
#[derive(Debug)]
pub(crate) struct Crew {
    jobs: ArrayQueue<Job>,
    thread: OnceLock<Thread>,
    stop: AtomicBool,
    /// The thread takes no more jobs.
    stopped: AtomicBool,
}

/// A journal that is flushed every so often.
struct Round {
    port: Arc<Port>,
    every: Duration,
    due: Instant,
}

impl Crew {
    fn submit(&self, job: Job) -> Result<(), Job> {
        if self.stop.load(Ordering::Acquire) {
            if let Job::Prepare { port, .. } = &job {
                port.prepare_errno.store(libc::ESHUTDOWN, Ordering::Relaxed);
            }
            return Err(job);
        }
        // Counted before it can be done, and taken back if it cannot be handed over.
        if let Some(port) = job.port() {
            port.pending.fetch_add(1, Ordering::AcqRel);
        }
        let pushed = self.jobs.push(job);
        match &pushed {
            Ok(()) => self.wake(),
            Err(job) => {
                if let Some(port) = job.port() {
                    port.pending.fetch_sub(1, Ordering::AcqRel);
                }
            }
        }
        pushed
    }

    /// A system call only if the thread sleeps.
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn work(&self, mut gate: Gate) {
        let mut retries: Vec<(Instant, Job)> = Vec::new();
        let mut rounds: Vec<Round> = Vec::new();
        loop {
            // Read before the queue is emptied, so that a job pushed before the stop is still done.
            let stop = self.stop.load(Ordering::Acquire);
            while let Some(job) = self.jobs.pop() {
                if let Job::Watch { port, every } = job {
                    rounds.push(Round {
                        port,
                        every,
                        due: Instant::now() + every,
                    });
                } else {
                    attempt(job, &mut gate, &mut retries);
                }
            }
            let now = Instant::now();
            for (due, job) in std::mem::take(&mut retries) {
                let closed = job
                    .port()
                    .is_some_and(|port| port.closed.load(Ordering::Acquire));
                if due <= now || stop || closed {
                    attempt(job, &mut gate, &mut retries);
                } else {
                    retries.push((due, job));
                }
            }
            rounds.retain_mut(|round| go_round(round, now, stop, &mut gate));
            if stop {
                break;
            }
            let next = retries
                .iter()
                .map(|(due, _)| *due)
                .chain(rounds.iter().map(|round| round.due))
                .min();
            let pause = next.map_or(IDLE_PAUSE, |due| {
                due.saturating_duration_since(Instant::now())
            });
            thread::park_timeout(pause.min(IDLE_PAUSE));
        }
        self.stopped.store(true, Ordering::Release);
    }
}

/// Does a job, or notes it for later. A job of a closed journal gets one attempt.
fn attempt(job: Job, gate: &mut Gate, retries: &mut Vec<(Instant, Job)>) {
    let port = job.port().cloned();
    let closed = port
        .as_ref()
        .is_some_and(|port| port.closed.load(Ordering::Acquire));
    match perform(job, gate) {
        Outcome::Again(job) if !closed => retries.push((Instant::now() + RETRY_PAUSE, job)),
        Outcome::Again(_) | Outcome::Done => {
            if let Some(port) = port {
                port.pending.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

/// Flushes a journal if it is due and changed; answers whether to go on with it.
fn go_round(round: &mut Round, now: Instant, stop: bool, gate: &mut Gate) -> bool {
    // Read first: what was stored before the journal closed is seen below.
    let closed = round.port.closed.load(Ordering::Acquire);
    if now >= round.due || stop || closed {
        round.due = now + round.every;
        if round.port.dirty.load(Ordering::Acquire) {
            // A failure stays readable in the port, and `dirty` is set by the next record.
            let _ = perform(
                Job::Flush {
                    port: Arc::clone(&round.port),
                },
                gate,
            );
        }
    }
    !closed
}

fn perform(job: Job, gate: &mut Gate) -> Outcome {
    match job {
        Job::Watch { .. } | Job::Discard(_) => Outcome::Done,
        Job::Prepare {
            port,
            number,
            bytes,
            slots,
        } => {
            if port.closed.load(Ordering::Acquire) {
                return Outcome::Done;
            }
            let made = match gate(Work::Prepare { number, bytes }) {
                Ruling::Go => port.prepare(number, bytes, slots),
                Ruling::Later => {
                    return Outcome::Again(Job::Prepare {
                        port,
                        number,
                        bytes,
                        slots,
                    });
                }
                Ruling::Fail(error) => Err(error),
            };
            match made {
                Ok(()) => Outcome::Done,
                Err(error) => {
                    port.prepare_errno
                        .store(errno_of(&error), Ordering::Relaxed);
                    Outcome::Again(Job::Prepare {
                        port,
                        number,
                        bytes,
                        slots,
                    })
                }
            }
        }
        Job::Flush { port } => {
            let flushed = match gate(Work::Flush) {
                Ruling::Go => port.flush(),
                Ruling::Later => {
                    // Without a thread nobody but the journal tries again.
                    port.flush_asked.store(false, Ordering::Release);
                    return Outcome::Again(Job::Flush { port });
                }
                Ruling::Fail(error) => Err(error),
            };
            if let Err(error) = flushed {
                port.flush_errno.store(errno_of(&error), Ordering::Release);
            }
            Outcome::Done
        }
        Job::Retire { port, segment } => {
            let number = segment.number();
            match gate(Work::Retire { number }) {
                Ruling::Go => {}
                Ruling::Later => return Outcome::Again(Job::Retire { port, segment }),
                Ruling::Fail(error) => {
                    port.retire_errno.store(errno_of(&error), Ordering::Relaxed);
                    return Outcome::Again(Job::Retire { port, segment });
                }
            }
            // Once unmapped there is nothing to try again with; a file that stays is found, and
            // retired, after the next start.
            if let Err(error) = port.retire(segment) {
                port.retire_errno.store(errno_of(&error), Ordering::Relaxed);
            }
            Outcome::Done
        }
    }
}
