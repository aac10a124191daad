//! Looks host names up, on a thread that does nothing else: a name server that does not answer may
//! keep it for half a minute, and nobody waits for it.
//!
//! Invariant: the core only pops from a ring with one producer, and pushes into a queue that has
//! room or does not.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::{io, thread};

use crossbeam_queue::ArrayQueue;

use super::SessionHandle;
use super::config::{Connect, Destination};
use super::route::{ADDRESSES_MAX, Found};
use crate::admin::queue::{Consumer, Producer, ring};

/// How many questions and answers may be under way. A question that finds no room is asked again
/// after the next attempt that fails.
const QUESTIONS_MAX: usize = 256;

/// A name to be looked up, and for whom.
#[derive(Debug)]
struct Question {
    host: Arc<str>,
    whose: Whose,
}

/// Whose a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) session: SessionHandle,
    pub(super) destination: u32,
}

/// A name that was looked up and found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) whose: Whose,
    pub(super) found: Found,
}

/// The core's end of the thread.
#[derive(Debug)]
pub(super) struct Resolver {
    shared: Arc<Shared>,
    answers: Consumer<Answer>,
    thread: Thread,
    /// Joined by nobody: it may be waiting for a name server.
    _handle: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    questions: ArrayQueue<Question>,
    stop: AtomicBool,
}

impl Resolver {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared {
            questions: ArrayQueue::new(QUESTIONS_MAX),
            stop: AtomicBool::new(false),
        });
        let (producer, answers) = ring(QUESTIONS_MAX);
        let theirs = Arc::clone(&shared);
        let handle = thread::Builder::new()
            .name("pinfix-names".to_owned())
            .spawn(move || answer(&theirs, producer))?;
        Ok(Self {
            shared,
            answers,
            thread: handle.thread().clone(),
            _handle: handle,
        })
    }

    /// Asks for a name. Never waits; without room the question is dropped.
    pub(super) fn ask(&self, host: &Arc<str>, whose: Whose) {
        let host = Arc::clone(host);
        if self.shared.questions.push(Question { host, whose }).is_ok() {
            self.thread.unpark();
        }
    }

    /// The next answer, if there is one.
    pub(super) fn next_answer(&mut self) -> Option<Answer> {
        self.answers.pop()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// The addresses of every place that is a name we must know, looked up on this thread; an entry for each of
/// [`Connect::places`]. A name that is not found now is looked up again when it is to be used.
pub(super) fn look_up(connect: &Connect) -> Vec<Found> {
    let found = |place: Option<&Destination>| match place {
        Some(Destination::Name { host, .. }) => addresses(host).unwrap_or_default(),
        Some(Destination::Address(_)) | None => Found::default(),
    };
    connect.places().map(found).collect()
}

/// The addresses of a name; `None` if there are none.
fn addresses(host: &str) -> Option<Found> {
    let found = (host, 0).to_socket_addrs().ok()?;
    let addresses: Vec<IpAddr> = found
        .map(|address| address.ip())
        .take(ADDRESSES_MAX)
        .collect();
    (!addresses.is_empty()).then(|| Found::of(addresses))
}

fn answer(shared: &Shared, mut answers: Producer<Answer>) {
    while !shared.stop.load(Ordering::Acquire) {
        match shared.questions.pop() {
            // A name that is not found leaves what was found before: better than nothing.
            Some(Question { host, whose }) => {
                if let Some(found) = addresses(&host) {
                    // The core takes them every cycle; if it does not, it is gone or asks again.
                    let _ = answers.push(Answer { whose, found });
                }
            }
            None => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_name_is_found_on_the_other_thread_and_one_that_is_not_is_not_answered() {
        let mut resolver = Resolver::start().unwrap();
        let session = SessionHandle {
            number: 3,
            generation: 1,
        };
        let whose = |destination| Whose {
            session,
            destination,
        };
        resolver.ask(&Arc::from("127.0.0.1.not a name"), whose(0));
        resolver.ask(&Arc::from("localhost"), whose(1));
        let end = Instant::now() + Duration::from_secs(20);
        let answer = loop {
            if let Some(answer) = resolver.next_answer() {
                break answer;
            }
            assert!(Instant::now() < end, "localhost is not found");
            thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(answer.whose, whose(1));
        assert_ne!(answer.found, Found::default());
    }
}
