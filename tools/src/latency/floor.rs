//! The floor: what the machine takes for the same exchange of bytes without any FIX.
//!
//! Two threads on the same two cores, one loopback connection with TCP_NODELAY, non-blocking sockets,
//! both sides spinning on `recv`. A request is as long as a real order and a reply as long as a real
//! report; nothing is looked at, nothing is recorded.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context as _, bail};
use pinfix::engine::Ticker;

use super::course::{Course, Step};
use super::schedule::Load;

/// A reply that takes this long will not come.
const PATIENCE_NS: u64 = 10_000_000_000;

/// How far ahead of the first order the schedule of a block begins.
pub const HEAD_START_NS: u64 = 50_000;

const ROOM: usize = 64 * 1024;

/// One end of the connection, and bytes that are still to be written to it.
struct End {
    stream: TcpStream,
    room: Box<[u8]>,
    unwritten: usize,
}

impl End {
    fn new(stream: TcpStream) -> anyhow::Result<Self> {
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_nonblocking(true))
            .context("setting up the raw socket")?;
        Ok(Self {
            stream,
            room: vec![b'x'; ROOM].into_boxed_slice(),
            unwritten: 0,
        })
    }

    /// Reads what is there: a number of bytes, zero if there is nothing.
    #[inline]
    fn read(&mut self) -> io::Result<usize> {
        match self.stream.read(&mut self.room) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => Ok(len),
            Err(error) if is_passing(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Writes what the socket takes.
    #[inline]
    fn write(&mut self) -> io::Result<()> {
        while self.unwritten > 0 {
            match self.stream.write(&self.room[..self.unwritten.min(ROOM)]) {
                Ok(len) => self.unwritten -= len,
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The side that answers.
pub struct Echo {
    end: End,
}

impl Echo {
    /// Takes the one connection the client makes, unless the run ends before it comes.
    pub fn accept(listener: &TcpListener, course: &Course) -> anyhow::Result<Option<Self>> {
        listener
            .set_nonblocking(true)
            .context("setting up the raw socket")?;
        while course.step() == Step::Floor {
            match listener.accept() {
                Ok((stream, _)) => {
                    return Ok(Some(Self {
                        end: End::new(stream)?,
                    }));
                }
                Err(error) if is_passing(&error) => course.pause.take(),
                Err(error) => return Err(error).context("accepting the raw connection"),
            }
        }
        Ok(None)
    }

    /// Answers until the client goes on to something else.
    pub fn run(&mut self, course: &Course) -> anyhow::Result<()> {
        let (request, reply) = course.frame_bytes();
        let (request, reply) = (request.max(1) as usize, reply as usize);
        let mut partial = 0;
        loop {
            let len = self.end.read().context("the floor's raw socket")?;
            if len == 0 && self.end.unwritten == 0 {
                if course.step() != Step::Floor {
                    return Ok(());
                }
                course.pause.take();
                continue;
            }
            partial += len;
            // One write per request, as an engine answers.
            while partial >= request {
                partial -= request;
                self.end.unwritten += reply;
                self.end.write().context("the floor's raw socket")?;
            }
            self.end.write().context("the floor's raw socket")?;
        }
    }
}

/// The side that asks and measures.
pub struct Probe {
    end: End,
    ticker: Ticker,
    /// When each exchange of a block was begun, or due.
    stamps: Vec<u64>,
}

impl Probe {
    pub fn connect(address: SocketAddr, ticker: Ticker, block_max: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("making the raw connection")?;
        Ok(Self {
            end: End::new(stream)?,
            ticker,
            stamps: vec![0; block_max],
        })
    }

    /// Runs one block of exchanges. The round trips go to the end of `round_trips`, whose room must
    /// suffice.
    pub fn run(
        &mut self,
        exchanges: usize,
        load: Load,
        course: &Course,
        done_before: u64,
        round_trips: &mut Vec<u64>,
    ) -> anyhow::Result<()> {
        let (request, reply) = course.frame_bytes();
        let (request, reply) = (request as usize, reply.max(1) as usize);
        let start = self.ticker.now() + HEAD_START_NS;
        let (mut sent, mut answered, mut partial) = (0, 0, 0);
        let mut heard_at = start;
        while answered < exchanges {
            if sent < exchanges && self.end.unwritten == 0 {
                let due = start + load.due_ns(sent);
                let is_due = match load {
                    Load::Closed => sent == answered,
                    Load::Open(_) => self.ticker.now() >= due,
                };
                if is_due {
                    self.end.unwritten = request;
                    self.stamps[sent] = match load {
                        Load::Closed => self.ticker.now(),
                        Load::Open(_) => due,
                    };
                    sent += 1;
                }
            }
            self.end.write().context("the floor's raw socket")?;
            let len = self.end.read().context("the floor's raw socket")?;
            if len > 0 {
                let now = self.ticker.now();
                heard_at = now;
                partial += len;
                while partial >= reply && answered < sent {
                    partial -= reply;
                    round_trips.push(now.saturating_sub(self.stamps[answered]));
                    answered += 1;
                }
                course.set_progress(done_before + answered as u64);
            } else {
                if course.is_interrupted() {
                    bail!("interrupted");
                }
                if answered < sent && self.ticker.now().saturating_sub(heard_at) > PATIENCE_NS {
                    bail!("the floor's raw socket was silent for 10 s");
                }
                course.pause.take();
            }
        }
        Ok(())
    }
}
