//! The admin socket from a client's side: what it answers, whom it serves, and that no client can hurt
//! the engine or another client.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pinfix::admin::protocol::{End, REQUEST_BYTES_MAX, Reply};
use pinfix::engine::{
    AdminSocket, AdminSocketConfig, AdminSocketError, Application, Clock, Engine, EngineConfig, Idle,
    Inbound, Outbound, Run, SessionConfig, SessionFiles, Stopper,
};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;

struct Quiet;

impl Application for Quiet {
    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        Verdict::Accept
    }
}

const CLIENT: &str = "FIX.4.4:CLIENT->VENUE";
const VENUE: &str = "FIX.4.4:VENUE->CLIENT";

/// A file with the name of a counterparty on each line.
fn read_names(file: &Path) -> Result<Vec<SessionConfig>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("no file\n{error}"))?;
    let acceptor = |name: &str| SessionConfig::acceptor(&FIX44, "VENUE", name);
    Ok(text.lines().map(acceptor).collect())
}

/// Both sides of one session in one engine on a thread of its own, with an admin socket.
struct Rig {
    directory: PathBuf,
    socket: Option<AdminSocket>,
    stop: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Rig {
    fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pinfix-admin-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let now = Clock::new().now();
        let address = engine.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
        let venue = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
        engine.add_session(venue, now).unwrap();
        let client = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", address);
        engine.add_session(client, now).unwrap();
        let config = AdminSocketConfig {
            audit: Some(directory.join("audit")),
            files: Some(SessionFiles::read_by(read_names)),
            ..AdminSocketConfig::new(directory.join("socket"))
        };
        let socket = AdminSocket::serve(engine.controller(), config).unwrap();
        let stop = Stopper::default();
        let stopped = stop.clone();
        let run = Run {
            core: None,
            idle: Idle::Block(Duration::from_millis(1)),
        };
        let thread = std::thread::spawn(move || engine.run(&mut Quiet, run, &stopped).unwrap());
        let rig = Self {
            directory,
            socket: Some(socket),
            stop,
            thread: Some(thread),
        };
        rig.until_up();
        rig
    }

    fn path(&self) -> PathBuf {
        self.directory.join("socket")
    }

    fn connect(&self) -> Connection {
        let stream = UnixStream::connect(self.path()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Connection(BufReader::new(stream))
    }

    fn until_up(&self) {
        let start = Instant::now();
        let mut client = self.connect();
        while client.state(CLIENT) != "up" || client.state(VENUE) != "up" {
            assert!(start.elapsed() < Duration::from_secs(20), "not logged on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn audit(&self) -> String {
        fs::read_to_string(self.directory.join("audit")).unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.stop();
        self.thread.take().unwrap().join().unwrap();
        drop(self.socket.take());
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

struct Connection(BufReader<UnixStream>);

impl Connection {
    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn reply(&mut self) -> (Vec<Vec<(String, String)>>, End) {
        let mut rows = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "closed: {rows:?}");
            match Reply::parse(line.trim_end_matches('\n')).unwrap() {
                Reply::Session(row) => rows.push(row),
                Reply::End(end) => return (rows, end),
            }
        }
    }

    fn ask(&mut self, request: &str) -> End {
        self.rows(request).1
    }

    fn rows(&mut self, request: &str) -> (Vec<Vec<(String, String)>>, End) {
        self.send(format!("{request}\n").as_bytes());
        self.reply()
    }

    fn state(&mut self, session: &str) -> String {
        self.field(session, "state")
    }

    fn field(&mut self, session: &str, key: &str) -> String {
        self.send(format!("status\tsession={session}\n").as_bytes());
        let (rows, end) = self.reply();
        assert_eq!(end, End::Done);
        let value = rows[0].iter().find(|field| field.0 == key).unwrap();
        value.1.clone()
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0) | Err(_))
    }
}

#[test]
fn a_session_is_logged_out_and_on_again_over_the_socket() {
    let rig = Rig::start();
    let mut client = rig.connect();
    client.send(b"list\n");
    let (rows, end) = client.reply();
    assert_eq!((rows.len(), end), (2, End::Done));

    let numbers = client.field(CLIENT, "next_out");
    let logout = format!("logout\tsession={CLIENT}\treason=maintenance\tby=alice");
    assert_eq!(client.ask(&logout), End::Done);
    assert_eq!(client.state(CLIENT), "down");
    assert_eq!(client.field(CLIENT, "held"), "true");
    assert_eq!(client.field(CLIENT, "held_by"), "alice");
    assert!(matches!(client.ask(&logout), End::NoOp(_)));
    assert_eq!(client.ask(&format!("logon\tsession={CLIENT}")), End::Done);
    assert_eq!(client.state(CLIENT), "up");
    let after: u64 = client.field(CLIENT, "next_out").parse().unwrap();
    assert_eq!(
        after,
        numbers.parse::<u64>().unwrap() + 2,
        "Logout and Logon"
    );

    assert_eq!(client.ask("status\tsession=nobody"), End::UnknownSession);
    assert_eq!(client.ask("logon\tsession=nobody"), End::UnknownSession);

    let audit = rig.audit();
    let user = format!("process {}\t", std::process::id());
    assert!(audit.lines().all(|line| line.contains(&user)), "{audit}");
    assert!(audit.contains("\tasked\tlogout\t") && audit.contains("\tended: done\tlogout\t"));
    assert!(audit.contains("reason=maintenance\tby=alice"), "{audit}");
    assert!(
        audit.contains("\tended: unknown-session\tlogon\t"),
        "{audit}"
    );
    assert!(!audit.contains("status"), "questions change nothing");
}

#[test]
fn a_command_that_takes_its_time_holds_up_no_other_client() {
    let rig = Rig::start();
    let (mut slow, mut quick) = (rig.connect(), rig.connect());
    let hold = format!("hold\tsession={VENUE}\treason=test");
    assert_eq!(quick.ask(&hold), End::Done);
    assert_eq!(
        quick.ask(&format!("disconnect\tsession={CLIENT}")),
        End::Done
    );
    // Refused by the venue's hold for as long as it likes.
    let logon = format!("logon\tsession={CLIENT}\twithin=300\n");
    slow.send(logon.as_bytes());
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(quick.field(VENUE, "held"), "true");
    }
    assert!(start.elapsed() < Duration::from_millis(250), "{start:?}");
    assert_eq!(slow.reply().1, End::TimedOut);
}

#[test]
fn garbage_half_lines_and_clients_that_do_not_read_hurt_only_themselves() {
    let rig = Rig::start();
    let mut good = rig.connect();
    let mut bad = rig.connect();
    assert!(matches!(bad.ask("reboot now"), End::Error(_)));
    bad.send(b"\xff\xfe\x00\n");
    assert!(matches!(bad.reply().1, End::Error(_)));
    // Two requests in one piece, then one in many.
    bad.send(format!("status\tsession={CLIENT}\nstatus\tsession={VENUE}\nli").as_bytes());
    assert_eq!((bad.reply().1, bad.reply().1), (End::Done, End::Done));
    for byte in b"st\r\n" {
        bad.send(&[*byte]);
    }
    assert_eq!(bad.reply().0.len(), 2);
    // A line without an end, longer than any request.
    bad.send(&vec![b'x'; 2 * REQUEST_BYTES_MAX]);
    assert!(matches!(bad.reply().1, End::Error(_)));
    assert!(bad.is_closed());
    // One that asks and asks and never reads.
    let mut deaf = rig.connect();
    deaf.0.get_mut().set_nonblocking(true).unwrap();
    for _ in 0..10_000 {
        if deaf.0.get_mut().write(b"list\nlist\nlist\nlist\n").is_err() {
            break;
        }
    }
    // One that leaves in the middle of a command.
    let mut gone = rig.connect();
    gone.send(format!("logout\tsession={CLIENT}\treason=gone\n").as_bytes());
    drop(gone);
    let start = Instant::now();
    while good.field(CLIENT, "held") != "true" {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the command was lost"
        );
    }
    // More than there is room for.
    let mut crowd: Vec<_> = (0..40).map(|_| rig.connect()).collect();
    assert!(matches!(crowd.last_mut().unwrap().reply().1, End::Error(_)));
    drop(crowd);
    let start = Instant::now();
    loop {
        let mut next = rig.connect();
        next.send(b"list\n");
        if next.reply().1 == End::Done {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "no place came free"
        );
    }
    assert_eq!(good.ask(&format!("logon\tsession={CLIENT}")), End::Done);
}

#[test]
fn only_this_user_may_connect_and_the_path_must_be_free() {
    let rig = Rig::start();
    let mode = fs::metadata(rig.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let log = fs::metadata(rig.directory.join("audit")).unwrap();
    assert_eq!(log.permissions().mode() & 0o777, 0o600);

    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let mut serve = |path: &Path| AdminSocket::serve(engine.controller(), AdminSocketConfig::new(path));
    let error = serve(&rig.path()).unwrap_err();
    assert!(matches!(error, AdminSocketError::InUse(_)), "{error}");
    let file = rig.directory.join("file");
    fs::write(&file, "precious").unwrap();
    let error = serve(&file).unwrap_err();
    assert!(matches!(error, AdminSocketError::NotASocket(_)), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let error = serve(Path::new("/no/such/directory/socket")).unwrap_err();
    assert!(error.to_string().contains("/no/such/directory"), "{error}");

    // What a process that was killed leaves behind.
    let stale = rig.directory.join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    let socket = serve(&stale).unwrap();
    assert!(UnixStream::connect(socket.path()).is_ok());
    drop(socket);
    assert!(!stale.exists());
}

#[test]
fn a_command_to_an_engine_that_is_gone_says_so() {
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let venue = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
    engine.add_session(venue, Clock::new().now()).unwrap();
    let path = std::env::temp_dir().join(format!("pinfix-gone-{}", std::process::id()));
    let socket = AdminSocket::serve(engine.controller(), AdminSocketConfig::new(&path)).unwrap();
    drop(engine);
    let mut client = Connection(BufReader::new(UnixStream::connect(&path).unwrap()));
    let end = client.ask(&format!("logout\tsession={VENUE}\treason=late"));
    assert_eq!(end, End::EngineStopped);
    drop(socket);
}

#[test]
fn a_hold_by_nobody_is_by_the_user_the_kernel_names() {
    let rig = Rig::start();
    let mut client = rig.connect();
    let hold = format!("hold\tsession={VENUE}\treason=maintenance");
    assert_eq!(client.ask(&hold), End::Done);
    let user = fs::metadata(rig.path()).unwrap().uid();
    assert_eq!(client.field(VENUE, "held_by"), format!("user {user}"));
}

#[test]
fn sessions_of_a_file_are_added_once_and_can_be_removed_again() {
    let rig = Rig::start();
    let mut client = rig.connect();
    let file = rig.directory.join("names");
    let add = |client: &mut Connection, file: &Path| {
        let (rows, end) = client.rows(&format!("add\tfile={}", file.display()));
        let id = |row: &Vec<(String, String)>| row[0].1.clone();
        (rows.iter().map(id).collect::<Vec<_>>(), end)
    };
    fs::write(&file, "CLIENT\nSECOND\nTHIRD\n").unwrap();
    let (added, end) = add(&mut client, &file);
    assert_eq!(added, ["FIX.4.4:VENUE->SECOND", "FIX.4.4:VENUE->THIRD"]);
    assert_eq!(end, End::Done);
    assert_eq!(client.state("FIX.4.4:VENUE->THIRD"), "down");
    assert_eq!(client.state(CLIENT), "up", "nobody noticed");
    let (added, end) = add(&mut client, &file);
    assert!(added.is_empty());
    assert!(
        matches!(&end, End::NoOp(why) if why.contains("names")),
        "{end}"
    );
    // What was removed is added again.
    let end = client.ask("remove\tsession=FIX.4.4:VENUE->SECOND");
    assert_eq!(end, End::Done);
    let (added, end) = add(&mut client, &file);
    assert_eq!(
        (added, end),
        (vec!["FIX.4.4:VENUE->SECOND".to_owned()], End::Done)
    );

    // What is wrong is said in one line, whatever it is; what is checked before anything is added.
    let (_, end) = add(&mut client, Path::new("names"));
    assert!(
        matches!(&end, End::Error(why) if why.contains("absolute path")),
        "{end}"
    );
    let (_, end) = add(&mut client, &rig.directory.join("nothing"));
    assert!(
        matches!(&end, End::Error(why) if why.starts_with("no file; ")),
        "{end}"
    );
    fs::write(&file, "FOURTH\nwith\x01byte\n").unwrap();
    let (added, end) = add(&mut client, &file);
    assert!(matches!(&end, End::Error(_)) && added.is_empty(), "{end}");
    let (rows, _) = client.rows("list");
    assert_eq!(rows.len(), 4, "FOURTH was not added");
    let audit = rig.audit();
    assert!(audit.contains("asked\tadd\tfile="), "{audit}");
    assert!(audit.contains("ended: done\tadd\tfile="), "{audit}");
}

#[test]
fn a_slow_file_keeps_no_other_client_waiting() {
    let directory = std::env::temp_dir().join(format!("pinfix-slow-file-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let venue = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
    engine.add_session(venue, Clock::new().now()).unwrap();
    let (free, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let read = move |_: &Path| {
        let _ = gate.lock().unwrap().recv();
        Ok(vec![SessionConfig::acceptor(&FIX44, "VENUE", "SLOW")])
    };
    let path = directory.join("socket");
    let config = AdminSocketConfig {
        files: Some(SessionFiles::read_by(read)),
        ..AdminSocketConfig::new(&path)
    };
    let socket = AdminSocket::serve(engine.controller(), config).unwrap();
    let stop = Stopper::default();
    let stopped = stop.clone();
    let run = Run {
        core: None,
        idle: Idle::Block(Duration::from_millis(1)),
    };
    let thread = std::thread::spawn(move || engine.run(&mut Quiet, run, &stopped).unwrap());
    let connect = || Connection(BufReader::new(UnixStream::connect(&path).unwrap()));
    let (mut slow, mut quick) = (connect(), connect());
    slow.send(b"add\tfile=/slow\n");
    for _ in 0..20 {
        assert_eq!(quick.state(VENUE), "down");
        let end = quick.ask(&format!("rotate-journal\tsession={VENUE}"));
        assert_eq!(end, End::Done);
    }
    free.send(()).unwrap();
    let (rows, end) = slow.reply();
    assert_eq!((rows.len(), end), (1, End::Done));
    stop.stop();
    thread.join().unwrap();
    drop(socket);
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn an_engine_without_a_reader_of_files_refuses_to_add() {
    let directory = std::env::temp_dir().join(format!("pinfix-no-files-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let path = directory.join("socket");
    let socket = AdminSocket::serve(engine.controller(), AdminSocketConfig::new(&path)).unwrap();
    let mut client = Connection(BufReader::new(UnixStream::connect(&path).unwrap()));
    let end = client.ask("add\tfile=/etc/sessions");
    assert!(
        matches!(&end, End::Refused(why) if why.contains("reads no files")),
        "{end}"
    );
    drop(socket);
    fs::remove_dir_all(&directory).unwrap();
}
