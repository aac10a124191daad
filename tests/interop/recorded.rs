//! Runs against QuickFIX with tshark reading along: what is on the wire, judged by neither side.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::ours::Act;
use super::peer::{Failure, Peer, directory};
use super::rig::{Faults, Place, Plan, QUIET_HEARTBEAT_S, Rig, STEP_WAIT, free_port};

/// Orders of each side.
const SOME: u64 = 1_000;
/// The one at which we cut the connection, in a disturbed run.
const MIDDLE: u64 = 300;
/// How long dumpcap may take to begin, and to end with what it has.
const RECORD_WAIT: Duration = Duration::from_secs(15);
/// How long the dissection of one run may take.
const DISSECT_WAIT: Duration = Duration::from_secs(60);

/// True if `install.sh` has prepared it and we may capture on the loopback interface, which asking for its
/// link types shows.
pub fn is_usable() -> bool {
    let works = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    works("tshark", &["--version"]) && works("dumpcap", &["-L", "-i", "lo"])
}

/// Every message of an undisturbed run is valid and was meant to be there.
pub fn undisturbed(plan: Plan) -> Result<(), Failure> {
    let plan = Plan {
        heartbeat_s: QUIET_HEARTBEAT_S,
        ..plan
    };
    let dissection = record(plan, |rig| {
        rig.logged_on(1)?;
        rig.order_both_ways(SOME)?;
        rig.exchanged(SOME)?;
        rig.agree(Faults::None)?;
        rig.peer.stop(STEP_WAIT)
    })?;
    dissection.expect("cut", 0)?;
    for (msg_type, count) in [("A", 2), ("D", 2 * SOME), ("8", 2 * SOME), ("5", 2)] {
        dissection.expect(&format!("type {msg_type}"), count)?;
    }
    dissection.expect("messages", 4 + 4 * SOME)
}

/// Every message of a run with a gap is valid, those sent again included.
pub fn with_a_gap(plan: Plan) -> Result<(), Failure> {
    let dissection = record(plan, |rig| {
        rig.logged_on(1)?;
        rig.ours.when_order(MIDDLE, Act::Disconnect);
        rig.order_both_ways(SOME)?;
        rig.logged_on(2)?;
        rig.exchanged(SOME)?;
        rig.agree(Faults::None)?;
        rig.peer.stop(STEP_WAIT)
    })?;
    dissection.expect("type A", 4)?;
    dissection.expect("type 5", 2)?;
    // The connection was cut: frames may be on the wire that nobody received, and the last of one side
    // may be half a frame, but each is sound.
    if dissection.count("type 2") > 0 {
        Ok(())
    } else {
        Err(dissection.failure("the connection was cut and nothing was asked for"))
    }
}

fn record(
    plan: Plan,
    story: impl FnOnce(&mut Rig) -> Result<(), Failure>,
) -> Result<Dissection, Failure> {
    let place = Place::new()?;
    let file = place.path().join("capture.pcapng");
    let port = free_port()?;
    let mut recorder = Peer::spawn(
        "record.sh",
        Command::new("sh")
            .arg(directory().join("record.sh"))
            .arg(&file)
            .arg(port.to_string()),
    )?;
    recorder.wait("ready", RECORD_WAIT)?;
    Rig::tell(Plan { port, ..plan }, story)?;
    recorder.stop(RECORD_WAIT)?;
    let complaints = recorder.complaints().join("\n");
    if !complaints.is_empty() {
        return Err(recorder.failure(&complaints));
    }
    Dissection::of(&file, port)
}

/// What `dissect.sh` counted.
struct Dissection {
    counts: BTreeMap<String, u64>,
    text: String,
}

impl Dissection {
    fn of(file: &Path, port: u16) -> Result<Self, Failure> {
        let mut dissector = Peer::spawn(
            "dissect.sh",
            Command::new("sh")
                .arg(directory().join("dissect.sh"))
                .arg(file)
                .arg(port.to_string()),
        )?;
        let totals = dissector.wait_beginning("messages=", DISSECT_WAIT)?;
        let status = dissector.wait_exit(STEP_WAIT)?;
        let types = dissector.rest();
        if !status.success() {
            return Err(dissector.failure(&format!("a frame is not valid: {totals}")));
        }
        let total = totals
            .split_ascii_whitespace()
            .filter_map(|word| word.split_once('='));
        let by_type = types.iter().filter_map(|line| line.rsplit_once(' '));
        let counts = total
            .chain(by_type)
            .filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)))
            .collect();
        Ok(Self {
            counts,
            text: format!("{totals}\n{}", types.join("\n")),
        })
    }

    fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    fn expect(&self, name: &str, count: u64) -> Result<(), Failure> {
        if self.count(name) == count {
            Ok(())
        } else {
            Err(self.failure(&format!("{name} is not {count}")))
        }
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::new(format!("{what}; tshark says:\n{}", self.text))
    }
}
