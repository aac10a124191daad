//! Just enough HTTP to be scraped.
//!
//! Invariant: whatever a client sends or does not send, it is answered or dropped within
//! [`PATIENCE`], and at most [`CLIENTS_MAX`] are served at a time.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::families;
use crate::status::Watched;

const PATIENCE: Duration = Duration::from_secs(5);
const CLIENTS_MAX: usize = 16;

/// A longer request is none of a scraper.
const REQUEST_MAX_BYTES: usize = 16 * 1024;

/// How long it waits after the system refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const INDEX: &str = "pinfix metrics: the metrics are at /metrics\n";

/// Serves until the process is ended.
pub fn serve(address: SocketAddr, pages: Vec<Watched>) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("cannot listen on {address}, choose another with --listen"))?;
    let bound = listener.local_addr().context("listening")?;
    println!("serving {} on http://{bound}/metrics", count(pages.len()));
    let pages = Arc::new(Mutex::new(pages));
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of file descriptors, most likely: that passes.
            thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        if clients.load(Ordering::Relaxed) >= CLIENTS_MAX {
            continue; // dropped, and so closed
        }
        let seat = Seat::take(&clients);
        let pages = Arc::clone(&pages);
        // A client that cannot have a thread is dropped.
        let _ = thread::Builder::new()
            .name("pinfix-scrape".to_owned())
            .spawn(move || {
                let _seat = seat;
                // One that goes away early is nobody's trouble.
                let _ = answer(stream, &pages);
            });
    }
    Ok(ExitCode::SUCCESS)
}

/// A place among the clients, given back when dropped.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(clients: &Arc<AtomicUsize>) -> Self {
        clients.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(clients))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(mut stream: TcpStream, pages: &Mutex<Vec<Watched>>) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(&mut stream)?;
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let path = target
        .split(|&byte| byte == b'?')
        .next()
        .unwrap_or_default();
    let (status, content_type, body) = match (method, path) {
        (b"GET" | b"HEAD", b"/metrics") => {
            // A thread that panicked while it looked left nothing half done.
            let mut pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
            let text = families::render(&families::look(&mut pages));
            ("200 OK", "text/plain; version=0.0.4; charset=utf-8", text)
        }
        (b"GET" | b"HEAD", b"/") => ("200 OK", "text/plain; charset=utf-8", INDEX.to_owned()),
        (b"GET" | b"HEAD", _) => (
            "404 Not Found",
            "text/plain; charset=utf-8",
            INDEX.to_owned(),
        ),
        _ => (
            "405 Method Not Allowed\r\nAllow: GET, HEAD",
            "text/plain; charset=utf-8",
            INDEX.to_owned(),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if method != b"HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

/// The request up to its empty line.
fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let end = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut part = [0; 1024];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > REQUEST_MAX_BYTES {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&part[..count]);
        if head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            return Ok(head);
        }
    }
}

fn count(pages: usize) -> String {
    match pages {
        1 => "1 page".to_owned(),
        pages => format!("{pages} pages"),
    }
}
