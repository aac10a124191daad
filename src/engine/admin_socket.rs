//! Control from outside the process: a Unix-domain socket, served by a thread of its own.
//!
//! The thread is not pinned and does nothing but read lines, pass commands to the core through a
//! [`Controller`], and write replies; the core notices no more of it than of any controller. What is
//! said over the socket is described in [`admin::protocol`](crate::admin::protocol).
//!
//! Invariant: a client can hurt only itself. Lines are bounded, a client has one request under way at a
//! time, its replies wait in a buffer of its own, and one that does not read them is dropped.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::admin_files::{self, Added, SessionFiles, Wish};
use super::clock::Clock;
use super::control::Controller;
use super::peer::{self, PeerProcess};
use crate::admin::protocol::{End, REQUEST_BYTES_MAX, Request};
use crate::admin::{HoldOrder, Operation, Ticket};
use crate::counters::SessionEntry;
use crate::session::Text;
use crate::time::TimestampPrecision;

/// How many clients are served at a time. Each has at most one command under way, so the controller
/// always has room for it.
const CLIENTS_MAX: usize = 32;

/// How often completions are looked for while a command is under way.
const COMPLETION_EVERY: Duration = Duration::from_millis(2);

/// How often clients that do nothing are looked at.
const IDLE_EVERY: Duration = Duration::from_millis(500);

/// How long a client may leave a line half written, or a reply unread.
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_CLIENT: usize = 2;

/// Settings of an admin socket.
#[derive(Clone, Debug)]
pub struct AdminSocketConfig {
    /// Where the socket is. A socket that a dead process left there is replaced.
    pub path: PathBuf,
    /// The permissions of the socket; `0o600` lets only the user of this process connect.
    pub mode: u32,
    /// The users who may give commands, by number, beside root and the user of this process. The
    /// permissions must let them in, too.
    pub users: Vec<u32>,
    /// The file every command is written to, before it is given and when it has ended. Made with
    /// permissions `0o600` and appended to.
    pub audit: Option<PathBuf>,
    /// How files of sessions are read that clients want added; `None` refuses to add any.
    pub files: Option<SessionFiles>,
}

impl AdminSocketConfig {
    /// A socket at `path` for the user of this process, without an audit log.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: 0o600,
            users: Vec::new(),
            audit: None,
            files: None,
        }
    }
}

/// Why an admin socket could not be opened.
#[derive(Debug)]
pub enum AdminSocketError {
    /// Another process serves the path.
    InUse(PathBuf),
    /// Something that is no socket has the path.
    NotASocket(PathBuf),
    /// The operating system refused.
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Its answer.
        error: io::Error,
    },
}

impl fmt::Display for AdminSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(
                f,
                "admin socket {}: another process serves it, choose another path",
                path.display()
            ),
            Self::NotASocket(path) => write!(
                f,
                "admin socket {}: there is a file that is no socket, choose another path",
                path.display()
            ),
            Self::Io { doing, path, error } => write!(f, "{doing} {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for AdminSocketError {}

/// An admin socket being served. Dropping it ends the thread and removes the socket.
#[derive(Debug)]
pub struct AdminSocket {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl AdminSocket {
    /// Opens the socket and starts the thread that serves it.
    ///
    /// # Errors
    /// The path is taken, or the operating system refuses something.
    pub fn serve(controller: Controller, config: AdminSocketConfig) -> Result<Self, AdminSocketError> {
        let wrong = |doing| {
            let path = config.path.clone();
            move |error| AdminSocketError::Io { doing, path, error }
        };
        let audit = match &config.audit {
            None => None,
            Some(path) => Some(open_audit(path)?),
        };
        make_way(&config.path)?;
        let mut listener =
            UnixListener::bind(&config.path).map_err(wrong("cannot listen on admin socket"))?;
        fs::set_permissions(&config.path, Permissions::from_mode(config.mode))
            .map_err(wrong("cannot set the permissions of admin socket"))?;
        let poll = Poll::new().map_err(wrong("cannot wait on admin socket"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(wrong("cannot wait on admin socket"))?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(wrong("cannot wait on admin socket"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let path = config.path.clone();
        let mut server = Server {
            controller,
            users: config.users,
            files: config.files,
            adding: Vec::new(),
            audit,
            poll,
            listener,
            clients: Vec::new(),
            under_way: HashMap::new(),
            asked: 0,
            clock: Clock::new(),
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("pinfix-admin".to_owned())
            .spawn(move || server.run(&stopped))
            .map_err(wrong("cannot start the thread of admin socket"))?;
        Ok(Self {
            path,
            stop,
            waker,
            thread: Some(thread),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // If it cannot be woken it looks by itself before long.
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

fn open_audit(path: &Path) -> Result<File, AdminSocketError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| AdminSocketError::Io {
            doing: "cannot open the audit log",
            path: path.to_owned(),
            error,
        })
}

/// Removes a socket nobody serves any more.
fn make_way(path: &Path) -> Result<(), AdminSocketError> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(AdminSocketError::NotASocket(path.to_owned()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| AdminSocketError::Io {
                doing: "cannot remove the admin socket a dead process left,",
                path: path.to_owned(),
                error,
            })
        }
        _ => Err(AdminSocketError::InUse(path.to_owned())),
    }
}

struct Client {
    stream: UnixStream,
    peer: PeerProcess,
    received: Vec<u8>,
    unsent: Vec<u8>,
    under_way: Option<Wait>,
    /// The peer sends no more.
    finished: bool,
    /// Since when half a line or an unread reply waits.
    stuck_since: Option<Instant>,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Command(Ticket),
    /// The wish to add sessions that was asked under this number.
    Adding(u64),
}

/// A command that was given, for whom, and what the audit log calls it.
struct UnderWay {
    client: usize,
    asked: u64,
    line: String,
    peer: PeerProcess,
}

struct Server {
    controller: Controller,
    users: Vec<u32>,
    files: Option<SessionFiles>,
    /// Wishes to add sessions, with the threads that work on them.
    adding: Vec<(JoinHandle<Added>, UnderWay)>,
    audit: Option<File>,
    poll: Poll,
    listener: UnixListener,
    /// By token, less [`FIRST_CLIENT`].
    clients: Vec<Option<Client>>,
    under_way: HashMap<Ticket, UnderWay>,
    /// Commands so far, to tell them apart in the audit log.
    asked: u64,
    clock: Clock,
}

impl Server {
    fn run(&mut self, stop: &AtomicBool) {
        let mut events = Events::with_capacity(CLIENTS_MAX + 2);
        while !stop.load(Ordering::Acquire) {
            let wait = if self.under_way.is_empty() && self.adding.is_empty() {
                IDLE_EVERY
            } else {
                COMPLETION_EVERY
            };
            // A wait that was interrupted is a short one.
            let _ = self.poll.poll(&mut events, Some(wait));
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    Token(token) => self.read(token - FIRST_CLIENT),
                }
            }
            self.complete();
            for client in 0..self.clients.len() {
                self.serve(client);
            }
        }
        // Whoever drops the socket and the engine may open the journals at once.
        for (thread, _) in self.adding.drain(..) {
            let _ = thread.join();
        }
    }

    fn accept(&mut self) {
        // Until there is nobody left: the readiness of a listener is told once.
        while let Ok((mut stream, _)) = self.listener.accept() {
            let peer = match peer::of(stream.as_fd()) {
                Ok(peer) if self.is_welcome(peer.user) => peer,
                Ok(peer) => {
                    say(
                        &mut stream,
                        &format!("user {} may not give commands here", peer.user),
                    );
                    continue;
                }
                Err(_) => continue,
            };
            let free = self.clients.iter().position(Option::is_none);
            let place = free.unwrap_or(self.clients.len());
            if place == CLIENTS_MAX {
                say(
                    &mut stream,
                    &format!("{CLIENTS_MAX} clients are connected, try again"),
                );
                continue;
            }
            let interest = Interest::READABLE | Interest::WRITABLE;
            let token = Token(FIRST_CLIENT + place);
            if self
                .poll
                .registry()
                .register(&mut stream, token, interest)
                .is_err()
            {
                continue;
            }
            let client = Client {
                stream,
                peer,
                received: Vec::new(),
                unsent: Vec::new(),
                under_way: None,
                finished: false,
                stuck_since: None,
            };
            match free {
                Some(place) => self.clients[place] = Some(client),
                None => self.clients.push(Some(client)),
            }
        }
    }

    fn is_welcome(&self, user: u32) -> bool {
        user == 0 || user == peer::own_user() || self.users.contains(&user)
    }

    /// Takes what a client sent, up to one line more than it may have.
    fn read(&mut self, place: usize) {
        let Some(client) = self.clients.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        let mut piece = [0; 1024];
        while client.received.len() <= REQUEST_BYTES_MAX {
            match client.stream.read(&mut piece) {
                Ok(0) => {
                    client.finished = true;
                    return;
                }
                Ok(length) => client.received.extend(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    client.finished = true;
                    return;
                }
            }
        }
    }

    /// Goes on with a client: its next requests, its replies, its end.
    fn serve(&mut self, place: usize) {
        // The readiness of a stream is told once, and a long batch of requests is taken in parts.
        self.read(place);
        while let Some(line) = self.next_line(place) {
            let end = match line {
                Ok(line) => self.request(place, &line),
                Err(why) => Some(End::Error(why)),
            };
            if let Some(end) = end {
                self.reply(place, &format!("{end}\n"));
            }
            self.read(place);
        }
        let Some(client) = self.clients.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        let broken = flush(client).is_err();
        let idle = client.under_way.is_none() && client.unsent.is_empty();
        let stuck = !client.unsent.is_empty() || (idle && !client.received.is_empty());
        let since = match (stuck, client.stuck_since) {
            (false, _) => None,
            (true, since) => Some(since.unwrap_or_else(Instant::now)),
        };
        client.stuck_since = since;
        let too_long = since.is_some_and(|since| since.elapsed() > CLIENT_PATIENCE);
        if broken || too_long || (client.finished && idle) {
            // A command that is under way goes on, and its end is in the audit log.
            let mut client = self.clients[place].take();
            if let Some(client) = &mut client {
                let _ = self.poll.registry().deregister(&mut client.stream);
            }
        }
    }

    /// The next request of a client that is not waiting for a reply.
    fn next_line(&mut self, place: usize) -> Option<Result<Vec<u8>, String>> {
        let client = self.clients.get_mut(place)?.as_mut()?;
        if client.under_way.is_some() || !client.unsent.is_empty() {
            return None;
        }
        match client.received.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let mut line: Vec<u8> = client.received.drain(..=end).collect();
                line.pop();
                Some(Ok(line))
            }
            None if client.received.len() > REQUEST_BYTES_MAX => {
                // There is no telling where the next request begins.
                client.received.clear();
                client.finished = true;
                let error = crate::admin::protocol::RequestError::TooLong;
                Some(Err(error.to_string()))
            }
            None => None,
        }
    }

    /// Answers a request, or gives a command whose completion answers it.
    fn request(&mut self, place: usize, line: &[u8]) -> Option<End> {
        let request = match Request::parse(line) {
            Ok(request) => request,
            Err(error) => return Some(End::Error(error.to_string())),
        };
        match &request {
            Request::List => {
                let entries: Vec<_> = self.controller.sessions().collect();
                for entry in entries {
                    self.reply(place, &row(&entry));
                }
                Some(End::Done)
            }
            Request::Status { session } => {
                let found = self
                    .controller
                    .sessions()
                    .find(|entry| entry.id == *session);
                Some(match found {
                    Some(entry) => {
                        self.reply(place, &row(&entry));
                        End::Done
                    }
                    None => End::UnknownSession,
                })
            }
            Request::Add { file, within } => {
                let under_way = match self.begin(place, &request)? {
                    Ok(under_way) => under_way,
                    Err(end) => return Some(end),
                };
                let wish = Wish {
                    file: file.into(),
                    within: *within,
                    user: under_way.peer.user,
                };
                let engine = self.controller.engine().clone();
                let started = match &self.files {
                    None => Err("this engine reads no files of sessions".to_owned()),
                    Some(files) => admin_files::start(files, engine, wish)
                        .map_err(|error| format!("cannot start a thread to add sessions: {error}")),
                };
                match started {
                    Ok(thread) => {
                        if let Some(Some(client)) = self.clients.get_mut(place) {
                            client.under_way = Some(Wait::Adding(under_way.asked));
                        }
                        self.adding.push((thread, under_way));
                        None
                    }
                    Err(why) => {
                        let end = End::Refused(why);
                        self.note_end(&under_way, &end);
                        Some(end)
                    }
                }
            }
            Request::Command {
                session,
                operation,
                within,
            } => {
                let under_way = match self.begin(place, &request)? {
                    Ok(under_way) => under_way,
                    Err(end) => return Some(end),
                };
                let given = match self.controller.session(session) {
                    None => Err(End::UnknownSession),
                    Some(handle) => self
                        .controller
                        .command(handle, signed(**operation, under_way.peer.user), *within)
                        .map_err(|busy| End::Refused(busy.to_string())),
                };
                match given {
                    Ok(ticket) => {
                        if let Some(Some(client)) = self.clients.get_mut(place) {
                            client.under_way = Some(Wait::Command(ticket));
                        }
                        self.under_way.insert(ticket, under_way);
                        None
                    }
                    Err(end) => {
                        self.note_end(&under_way, &end);
                        Some(end)
                    }
                }
            }
        }
    }

    /// Writes down who asks for what. `None` if the client is gone, an end if nothing can be written.
    fn begin(&mut self, place: usize, request: &Request) -> Option<Result<UnderWay, End>> {
        let peer = self.clients.get(place)?.as_ref()?.peer;
        self.asked += 1;
        let under_way = UnderWay {
            client: place,
            asked: self.asked,
            line: request.to_string(),
            peer,
        };
        Some(match self.note(&under_way, "asked") {
            Ok(()) => Ok(under_way),
            Err(error) => Err(End::Error(format!(
                "nothing was done: the audit log cannot be written: {error}"
            ))),
        })
    }

    /// Passes on what the core has answered, and what became of sessions to be added.
    fn complete(&mut self) {
        while let Some(at) = self
            .adding
            .iter()
            .position(|(thread, _)| thread.is_finished())
        {
            let (thread, under_way) = self.adding.swap_remove(at);
            let added = thread.join().unwrap_or_else(|_| Added {
                sessions: Vec::new(),
                // Its panic was printed.
                end: End::Error("the file could not be read".to_owned()),
            });
            let entries: Vec<_> = self.controller.sessions().collect();
            let rows = entries
                .iter()
                .filter(|entry| added.sessions.contains(&entry.id))
                .map(row);
            let waits_for = Wait::Adding(under_way.asked);
            self.end(&under_way, waits_for, &rows.collect::<String>(), &added.end);
        }
        while let Some(completion) = self.controller.poll() {
            self.end_command(completion.ticket, completion.outcome.into());
        }
        if self.controller.is_engine_gone() {
            let tickets: Vec<_> = self.under_way.keys().copied().collect();
            for ticket in tickets {
                self.end_command(ticket, End::EngineStopped);
            }
        }
    }

    fn end_command(&mut self, ticket: Ticket, end: End) {
        let Some(under_way) = self.under_way.remove(&ticket) else {
            return;
        };
        self.end(&under_way, Wait::Command(ticket), "", &end);
    }

    /// Tells the client that waits for it how its wish has ended.
    fn end(&mut self, under_way: &UnderWay, waits_for: Wait, rows: &str, end: &End) {
        self.note_end(under_way, end);
        // The client may have gone, and another may have its place.
        if let Some(Some(client)) = self.clients.get_mut(under_way.client)
            && client.under_way == Some(waits_for)
        {
            client.under_way = None;
            self.reply(under_way.client, &format!("{rows}{end}\n"));
        }
    }

    fn reply(&mut self, place: usize, text: &str) {
        if let Some(Some(client)) = self.clients.get_mut(place) {
            client.unsent.extend(text.as_bytes());
            // What cannot be sent now is tried again; a broken stream shows itself there, too.
            let _ = flush(client);
        }
    }

    fn note_end(&mut self, under_way: &UnderWay, end: &End) {
        // The command has been given: a log that cannot be written now does not undo it.
        let _ = self.note(under_way, &format!("ended: {end}"));
    }

    /// Writes a line of the audit log: when, which command, who, what became of it, and the command.
    fn note(&mut self, under_way: &UnderWay, what: &str) -> io::Result<()> {
        let Some(audit) = &mut self.audit else {
            return Ok(());
        };
        let now = self.clock.now().utc.to_fix(TimestampPrecision::Millis);
        let UnderWay {
            asked, line, peer, ..
        } = under_way;
        let PeerProcess { user, process } = peer;
        let what = what.replace('\t', " ");
        let entry = format!("{now}\t#{asked}\tuser {user}\tprocess {process}\t{what}\t{line}\n");
        // In one piece, so that two processes may share a log.
        audit.write_all(entry.as_bytes())
    }
}

/// An operation whose hold names who asked: by number, if they did not name themselves.
fn signed(operation: Operation, user: u32) -> Operation {
    let sign = |order: HoldOrder| HoldOrder {
        by: if order.by.is_empty() {
            Text::lossy(format!("user {user}").as_bytes())
        } else {
            order.by
        },
        ..order
    };
    match operation {
        Operation::Logout(order) => Operation::Logout(sign(order)),
        Operation::Hold(order) => Operation::Hold(sign(order)),
        other => other,
    }
}

/// Writes what waits, as far as the client reads.
fn flush(client: &mut Client) -> io::Result<()> {
    while !client.unsent.is_empty() {
        match client.stream.write(&client.unsent) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => drop(client.unsent.drain(..length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells somebody who is not served why.
fn say(stream: &mut UnixStream, why: &str) {
    let _ = stream.write_all(format!("{}\n", End::Error(why.to_owned())).as_bytes());
}

/// What is known of a session, as a line.
fn row(entry: &SessionEntry) -> String {
    let mut line = format!("session\tid={}\trole={}", entry.id, entry.role);
    for (key, value) in entry.status.fields() {
        line.push_str(&format!("\t{key}={value}"));
    }
    if let Some(name) = entry.status.last_fault_name() {
        line.push_str(&format!("\tlast_fault_name={name}"));
    }
    if let Some(hold) = &entry.hold {
        // Text has no TAB and no LF.
        line.push_str(&format!("\theld_by={}\theld_why={}", hold.by, hold.why));
        for (key, time) in [("held_since", Some(hold.since)), ("held_until", hold.until)] {
            if let Some(time) = time {
                line.push_str(&format!(
                    "\t{key}={}",
                    time.to_fix(TimestampPrecision::Seconds)
                ));
            }
        }
    }
    line.push('\n');
    line
}
