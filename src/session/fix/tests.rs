//! One session against an outbox made of vectors: the vocabulary, and the rules one by one.
//!
//! What a peer sees over a connection, in every version and role, is in the conformance suite; here
//! stands what one call to the machine does.

use std::time::Duration;

use super::policy::DuringReplay;
use super::rules::FIX44;
use super::*;
use crate::session::outbox::shelf::Shelf;
use crate::session::{Defect, Outbox, Refusal, ResetCause};
use crate::time::{TimestampPrecision, Utc};
use crate::wire::fix::{FieldIndex, FrameWriter};

const START: Now = Now {
    mono: Mono(1_000_000_000),
    utc: Utc(1_768_000_000_000_000_000),
};

/// A session, its outbox and a clock.
pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) out: Shelf,
    pub(super) now: Now,
    index: FieldIndex,
    seen: usize,
}

impl Bench {
    fn new(settings: Settings, out: Shelf) -> Self {
        let session = Session::new(settings).unwrap();
        Self {
            session,
            out,
            now: START,
            index: FieldIndex::default(),
            seen: 0,
        }
    }

    /// An acceptor that is logged on, both numbers at 2.
    fn up() -> Self {
        let mut bench = Self::acceptor(Shelf::with_numbers(1, 1));
        assert_eq!(bench.get("35=A|34=1|98=0|108=30"), Step::Authenticate);
        assert_eq!(bench.admit(), Step::LoggedOn);
        bench.sent();
        bench
    }

    /// A session of this role, not connected, with these numbers.
    pub(super) fn with_numbers(
        role: Role,
        next_in: u64,
        next_out: u64,
        set: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = Settings::new(&FIX44, role, "US", "THEM");
        set(&mut settings);
        Self::new(settings, Shelf::with_numbers(next_out, next_in))
    }

    pub(super) fn connected(&mut self) {
        assert_eq!(self.session.connected(self.now, &mut self.out), Step::Done);
    }

    fn acceptor(out: Shelf) -> Self {
        Self::new(Settings::new(&FIX44, Role::Acceptor, "US", "THEM"), out)
    }

    fn frame(&self, body: &str) -> Vec<u8> {
        let (kind, rest) = body.split_once('|').unwrap();
        Self::framed(&format!("{kind}|49=THEM|56=US|52={}|{rest}|", self.time()))
    }

    fn time(&self) -> String {
        let time = self.now.utc.to_fix(TimestampPrecision::Millis);
        std::str::from_utf8(&time).unwrap().to_owned()
    }

    fn framed(body: &str) -> Vec<u8> {
        let body = body.replace('|', "\x01");
        let mut frame = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
        let sum = crate::wire::fix::scan::checksum(&frame);
        frame.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
        frame
    }

    pub(super) fn get(&mut self, body: &str) -> Step {
        let frame = self.frame(body);
        let message = self.index.read(&frame).unwrap();
        self.session
            .receive(self.now, &message, Origin::Wire, &mut self.out)
    }

    fn admit(&mut self) -> Step {
        self.session
            .admit(self.now, Admission::Admit, &mut self.out)
    }

    fn deliver(&mut self, body: &str) {
        assert!(matches!(self.get(body), Step::Deliver(_)), "{body}");
        let frame = self.frame(body);
        let message = self.index.read(&frame).unwrap();
        assert_eq!(
            self.session
                .delivered(self.now, &message, Verdict::Accept, &mut self.out),
            Step::Done
        );
    }

    /// The application fails over a message.
    pub(super) fn fail(&mut self, body: &str) {
        assert!(matches!(self.get(body), Step::Deliver(_)), "{body}");
        let frame = self.frame(body);
        let message = self.index.read(&frame).unwrap();
        let _: Step = self
            .session
            .delivered(self.now, &message, Verdict::Failed, &mut self.out);
    }

    pub(super) fn pass(&mut self, seconds: u64) -> Step {
        self.now.mono = self.now.mono + Duration::from_secs(seconds);
        self.now.utc = self.now.utc + Duration::from_secs(seconds);
        self.session.timeout(self.now, &mut self.out)
    }

    pub(super) fn disconnected(&mut self) -> bool {
        self.session.disconnected(self.now, &mut self.out)
    }

    fn replay(&mut self) -> Replayed {
        self.session
            .replay(self.now, 8, &mut self.index, &mut (), &mut self.out)
    }

    /// What was sent since the last call: type, number, and the fields asked for where they are.
    fn sent(&mut self) -> Vec<String> {
        let mut index = FieldIndex::default();
        let new = &self.out.sent[self.seen..];
        let shown = new.iter().map(|frame| {
            let message = index.read(frame).unwrap();
            let field = |tag: tag::Tag| {
                message
                    .get(tag)
                    .map(|value| format!("|{tag}={}", String::from_utf8_lossy(value)))
            };
            [35, 34, 43, 7, 16, 36, 112, 371, 373, 58, 141]
                .into_iter()
                .filter_map(field)
                .collect::<String>()
        });
        let shown = shown.map(|text| text[1..].to_owned()).collect();
        self.seen = self.out.sent.len();
        shown
    }
}

/// What comes behind MsgType(35) may stand in any order within its section.
#[test]
fn every_permutation_of_a_small_header_is_accepted() {
    let mut bench = Bench::up();
    let mut places = [0, 1, 2, 3, 4, 5];
    let mut seq = 2;
    each_permutation(&mut places, 0, &mut |places| {
        let fields = [
            "49=THEM".to_owned(),
            "56=US".to_owned(),
            format!("34={seq}"),
            format!("52={}", bench.time()),
            "97=N".to_owned(),
            "115=DESK".to_owned(),
        ];
        let header: Vec<_> = places.iter().map(|&place| fields[place].as_str()).collect();
        let frame = Bench::framed(&format!("35=0|{}|", header.join("|")));
        let message = bench.index.read(&frame).unwrap();
        let step = bench
            .session
            .receive(bench.now, &message, Origin::Wire, &mut bench.out);
        assert_eq!(step, Step::Done, "{header:?}");
        seq += 1;
        assert_eq!(bench.out.next_in, seq, "{header:?}");
    });
    assert_eq!(seq, 2 + 720);
    assert!(bench.sent().is_empty());
}

fn each_permutation(places: &mut [usize; 6], from: usize, visit: &mut impl FnMut(&[usize; 6])) {
    if from == places.len() {
        return visit(places);
    }
    for other in from..places.len() {
        places.swap(from, other);
        each_permutation(places, from + 1, visit);
        places.swap(from, other);
    }
}

#[test]
fn a_gap_is_asked_for_once_and_what_waits_comes_in_order() {
    let mut bench = Bench::up();
    assert_eq!(bench.get("35=D|34=4"), Step::Done);
    assert_eq!(bench.get("35=D|34=5"), Step::Done);
    assert_eq!(bench.sent(), ["35=2|34=2|7=2|16=0"]);
    bench.deliver("35=D|34=2");
    assert_eq!(
        bench.session.next_parked(bench.now, &mut bench.out),
        Unparked::Nothing
    );
    bench.deliver("35=D|34=3");
    let mut came = Vec::new();
    while let Unparked::Message(at) = bench.session.next_parked(bench.now, &mut bench.out) {
        let frame = bench.out.inbound(at).unwrap().to_vec();
        let message = bench.index.read(&frame).unwrap();
        came.push(message.uint(34).unwrap());
        let step = bench
            .session
            .receive(bench.now, &message, Origin::Parked, &mut bench.out);
        assert!(matches!(step, Step::Deliver(_)));
        let _ = bench
            .session
            .delivered(bench.now, &message, Verdict::Accept, &mut bench.out);
    }
    assert_eq!(came, [4, 5]);
    assert_eq!(bench.out.next_in, 6);
    assert_eq!(bench.sent(), [""; 0]);
}

#[test]
fn a_hole_left_after_a_satisfied_request_is_asked_for_again() {
    let mut bench = Bench::up();
    assert_eq!(bench.get("35=D|34=3"), Step::Done);
    assert_eq!(bench.get("35=D|34=6"), Step::Done);
    bench.deliver("35=D|34=2");
    assert!(matches!(
        bench.session.next_parked(bench.now, &mut bench.out),
        Unparked::Message(_)
    ));
    bench.sent();
    bench.deliver("35=D|34=3");
    assert_eq!(
        bench.session.next_parked(bench.now, &mut bench.out),
        Unparked::Nothing
    );
    assert_eq!(bench.sent(), ["35=2|34=3|7=4|16=5"]);
}

#[test]
fn a_request_that_brings_nothing_is_repeated_three_times_and_then_ends_the_session() {
    let mut bench = Bench::up();
    assert_eq!(bench.get("35=0|34=9"), Step::Done);
    bench.sent();
    for attempt in 0..3 {
        // The peer talks, so it is not silent; it just does not resend.
        for beat in 0..6 {
            assert_eq!(
                bench.get(&format!("35=0|34={}", 10 + attempt * 6 + beat)),
                Step::Done
            );
            assert_eq!(bench.pass(10), Step::Done);
        }
        let repeated = bench
            .sent()
            .iter()
            .filter(|sent| sent.starts_with("35=2"))
            .count();
        assert_eq!(repeated, 1, "attempt {attempt}");
    }
    let mut last = Step::Done;
    for beat in 0..7 {
        assert_eq!(bench.get(&format!("35=0|34={}", 40 + beat)), Step::Done);
        last = bench.pass(10);
        if last != Step::Done {
            break;
        }
    }
    assert_eq!(
        last,
        Step::CloseAfterFlush(Cause::Fault(Fault::ResendNotServed { expected: 2 }))
    );
}

#[test]
fn application_messages_are_sent_again_and_runs_of_others_become_one_gap_fill() {
    let mut bench = Bench::up();
    for id in ["A", "B"] {
        let write = |order: &mut FrameWriter<'_>| {
            order.str(tag::CL_ORD_ID, id);
        };
        bench
            .session
            .send(bench.now, b"D", 512, write, &mut bench.out)
            .unwrap();
    }
    assert_eq!(bench.get("35=1|34=2|112=X"), Step::Done);
    bench.sent();
    assert_eq!(bench.get("35=2|34=3|7=1|16=0"), Step::Done);
    assert_eq!(bench.replay(), Replayed::Finished);
    assert_eq!(
        bench.sent(),
        [
            "35=4|34=1|43=Y|36=2",
            "35=D|34=2|43=Y",
            "35=D|34=3|43=Y",
            "35=4|34=4|43=Y|36=5"
        ]
    );
    assert_eq!(bench.out.next_out, 5, "a resend moves no number");
}

#[test]
fn a_new_message_waits_behind_a_resend_unless_it_is_to_go_between() {
    for (policy, expected) in [
        (DuringReplay::Wait, Sent::Queued),
        (DuringReplay::Interleave, Sent::Now(12)),
    ] {
        let mut bench = Bench::up();
        bench.session.settings.resend.new_messages = policy;
        let order = |order: &mut FrameWriter<'_>| _ = order.uint(11, 1);
        let send = |bench: &mut Bench| {
            let out = &mut bench.out;
            bench.session.send(bench.now, b"D", 512, order, out)
        };
        for seq in 2..12 {
            assert_eq!(send(&mut bench), Ok(Sent::Now(seq)));
        }
        assert_eq!(bench.get("35=2|34=2|7=2|16=0"), Step::Done);
        assert_eq!(bench.replay(), Replayed::More);
        assert_eq!(send(&mut bench), Ok(expected), "{policy:?}");
        assert_eq!(bench.replay(), Replayed::Finished);
        let last = bench.sent().pop();
        assert_eq!(last.as_deref(), Some("35=D|34=11|43=Y"), "{policy:?}");
        let queued = bench
            .session
            .send_queued(bench.now, 8, &mut bench.index, &mut bench.out);
        assert_eq!(queued, Replayed::Finished);
        assert_eq!(bench.out.next_out, 13, "{policy:?}");
    }
}

#[test]
fn a_resend_waits_for_room_and_loses_nothing() {
    let mut bench = Bench::up();
    bench
        .session
        .send(
            bench.now,
            b"D",
            512,
            |order| _ = order.uint(11, 1),
            &mut bench.out,
        )
        .unwrap();
    bench.sent();
    assert_eq!(bench.get("35=2|34=2|7=1|16=0"), Step::Done);
    bench.out.full = Some(Full::Unsent);
    assert_eq!(bench.replay(), Replayed::Waiting);
    bench.out.full = None;
    assert_eq!(bench.replay(), Replayed::Finished);
    assert_eq!(bench.sent(), ["35=4|34=1|43=Y|36=2", "35=D|34=2|43=Y"]);
}

#[test]
fn one_test_request_comes_before_the_end_of_a_silent_peer() {
    let mut bench = Bench::up();
    assert_eq!(
        bench.session.deadline(),
        Some(bench.now.mono + Duration::from_secs(30))
    );
    assert_eq!(bench.pass(30), Step::Done);
    assert_eq!(bench.pass(6), Step::Done);
    assert_eq!(bench.pass(35), Step::Done);
    assert_eq!(bench.sent(), ["35=0|34=2", "35=1|34=3|112=1"]);
    assert_eq!(
        bench.pass(1),
        Step::CloseAfterFlush(Cause::Fault(Fault::Silence))
    );
    assert_eq!(
        bench.sent(),
        ["35=5|34=4|58=Timed out waiting for heartbeat"]
    );
}

#[test]
fn an_answered_probe_gives_the_round_trip() {
    let mut bench = Bench::up();
    assert_eq!(bench.pass(36), Step::Done);
    bench.now.mono = bench.now.mono + Duration::from_millis(7);
    assert_eq!(bench.get("35=0|34=2|112=1"), Step::Done);
    assert_eq!(
        bench.session.test_round_trip(),
        Some(Duration::from_millis(7))
    );
}

#[test]
fn a_probe_is_answered_by_its_own_heartbeat_whatever_comes_before() {
    let mut bench = Bench::up();
    assert_eq!(bench.pass(36), Step::Done);
    bench.now.mono = bench.now.mono + Duration::from_millis(3);
    // A Heartbeat that was due while the peer slept, and a TestRequest that happens to have our id.
    assert_eq!(bench.get("35=0|34=2"), Step::Done);
    assert_eq!(bench.get("35=1|34=3|112=1"), Step::Done);
    assert_eq!(bench.session.test_round_trip(), None);
    assert_eq!(bench.sent(), ["35=1|34=2|112=1", "35=0|34=3|112=1"]);
    bench.now.mono = bench.now.mono + Duration::from_millis(4);
    assert_eq!(bench.get("35=0|34=4|112=1"), Step::Done);
    assert_eq!(
        bench.session.test_round_trip(),
        Some(Duration::from_millis(7))
    );
}

#[test]
fn a_sign_of_life_ends_the_probe_also_without_an_answer() {
    let mut bench = Bench::up();
    assert_eq!(bench.pass(36), Step::Done);
    assert_eq!(bench.pass(1), Step::Done);
    assert_eq!(bench.get("35=0|34=2"), Step::Done);
    // Heard from 37 s after the start: asked again 36 s later, given up 72 s later.
    assert_eq!(bench.pass(35), Step::Done);
    assert_eq!(bench.pass(1), Step::Done);
    assert_eq!(
        bench.sent(),
        ["35=1|34=2|112=1", "35=0|34=3", "35=1|34=4|112=2"]
    );
    assert_eq!(bench.pass(35), Step::Done);
    assert_eq!(
        bench.pass(1),
        Step::CloseAfterFlush(Cause::Fault(Fault::Silence))
    );
}

#[test]
fn a_logout_moves_no_number_but_its_own_and_serves_a_request_meanwhile() {
    let mut bench = Bench::up();
    let reason = Text::new("maintenance").unwrap();
    assert_eq!(
        bench.session.logout(bench.now, &reason, &mut bench.out),
        Step::Done
    );
    assert_eq!(bench.sent(), ["35=5|34=2|58=maintenance"]);
    let refused = bench
        .session
        .send(bench.now, b"D", 512, |_| (), &mut bench.out);
    assert_eq!(refused, Err(Refusal::LoggingOut));
    assert_eq!(bench.get("35=2|34=2|7=1|16=0"), Step::Done);
    assert_eq!(bench.replay(), Replayed::Finished);
    assert_eq!(bench.sent(), ["35=4|34=1|43=Y|36=3"]);
    assert_eq!(bench.get("35=5|34=3"), Step::Close(Cause::LogoutConfirmed));
    assert!(bench.disconnected());
    assert_eq!((bench.out.next_out, bench.out.next_in), (3, 4));
    assert!(bench.out.resets.is_empty());
}

#[test]
fn a_peer_that_is_refused_moves_no_number_of_ours() {
    let mut bench = Bench::acceptor(Shelf::with_numbers(5, 8));
    let logon = "35=A|34=8|98=0|108=30";
    assert_eq!(bench.get(logon), Step::Authenticate);
    let text = Text::new("unknown password").unwrap();
    let step = bench
        .session
        .admit(bench.now, Admission::Refuse(text.into()), &mut bench.out);
    assert_eq!(step, Step::CloseAfterFlush(Cause::LogonDenied(text.into())));
    assert_eq!(bench.out.next_in, 8);
    assert!(!bench.disconnected(), "it never was logged on");
}

#[test]
fn a_logon_without_an_interval_is_refused_by_name() {
    let mut bench = Bench::acceptor(Shelf::with_numbers(1, 1));
    let fault = Fault::BadLogonField {
        tag: tag::HEART_BT_INT,
        defect: Defect::Missing,
    };
    assert_eq!(
        bench.get("35=A|34=1|98=0"),
        Step::CloseAfterFlush(Cause::Fault(fault))
    );
    assert_eq!(
        bench.sent(),
        ["35=5|34=1|58=Required tag missing in Logon: 108"]
    );
}

#[test]
fn a_reset_on_logon_is_recorded_with_its_cause() {
    let mut bench = Bench::acceptor(Shelf::with_numbers(70, 50));
    let logon = "35=A|34=1|98=0|108=30|141=Y";
    assert_eq!(bench.get(logon), Step::Authenticate);
    assert_eq!(bench.admit(), Step::LoggedOn);
    assert_eq!(bench.sent(), ["35=A|34=1|141=Y"]);
    assert_eq!((bench.out.next_out, bench.out.next_in), (2, 2));
    assert_eq!(bench.out.resets, [ResetCause::ResetSeqNumFlag]);
}

#[test]
fn a_session_without_room_for_its_own_messages_is_closed_with_the_cause() {
    let mut bench = Bench::up();
    bench.out.full = Some(Full::Unsent);
    assert_eq!(
        bench.get("35=1|34=2|112=X"),
        Step::Close(Cause::Fault(Fault::SlowConsumer))
    );
}

#[test]
fn a_password_goes_out_in_the_clear_and_is_kept_masked() {
    let mut settings = Settings::new(&FIX44, Role::Initiator, "US", "THEM");
    settings.logon_fields.push(LogonField {
        tag: tag::PASSWORD,
        value: "hunter2".into(),
    });
    let mut bench = Bench::new(settings, Shelf::with_numbers(1, 1));
    assert_eq!(
        bench.session.connected(bench.now, &mut bench.out),
        Step::Done
    );
    let kept = &bench.out.sent[0];
    let wire = bench.session.unmasked_logon();
    assert_eq!(kept.len(), wire.len());
    assert!(!kept.windows(7).any(|bytes| bytes == b"hunter2"));
    assert!(wire.windows(7).any(|bytes| bytes == b"hunter2"));
    assert!(!format!("{:?}", bench.session).contains("hunter2"));
}

#[test]
fn credentials_in_a_user_request_of_ours_are_kept_masked_and_never_sent_again() {
    let mut bench = Bench::up();
    let sent = bench.session.send(
        bench.now,
        b"BE",
        512,
        |body| {
            body.str(923, "1").str(tag::PASSWORD, "hunter2");
            body.str(tag::NEW_PASSWORD, "hunter3");
        },
        &mut bench.out,
    );
    assert_eq!(sent, Ok(Sent::Now(2)));
    let kept = bench.out.sent.last().unwrap();
    let wire = bench.session.unmasked_logon();
    assert_eq!(kept.len(), wire.len());
    assert!(!kept.windows(6).any(|bytes| bytes == b"hunter"));
    assert!(wire.windows(7).any(|bytes| bytes == b"hunter2"));
    assert!(wire.windows(7).any(|bytes| bytes == b"hunter3"));
    bench.sent();
    assert_eq!(bench.get("35=2|34=2|7=2|16=0"), Step::Done);
    assert_eq!(bench.replay(), Replayed::Finished);
    assert_eq!(bench.sent(), ["35=4|34=2|43=Y|36=3"]);
}

#[test]
fn credentials_in_a_user_request_of_the_peer_are_kept_masked_and_delivered_as_they_came() {
    let mut bench = Bench::up();
    // Above the expected number it does not wait: what is kept is not what came.
    assert_eq!(bench.get("35=BE|34=3|554=hunter2"), Step::Done);
    assert!(!bench.session.is_waiting());
    bench.deliver("35=D|34=2");
    bench.deliver("35=BE|34=3|554=hunter2");
    assert!(!bench.out.inbound.is_empty());
    for kept in &bench.out.inbound {
        assert!(!kept.windows(6).any(|bytes| bytes == b"hunter"));
    }
}

#[test]
fn the_longest_identity_leaves_room_for_every_message_of_ours() {
    let mut settings = Settings::new(
        &rules::FIX50SP2,
        Role::Initiator,
        &"S".repeat(64),
        &"T".repeat(64),
    );
    settings.precision = TimestampPrecision::Nanos;
    settings.id.sender_sub_id = Some("s".repeat(64));
    settings.id.sender_location_id = Some("l".repeat(64));
    settings.id.target_sub_id = Some("t".repeat(64));
    settings.id.target_location_id = Some("m".repeat(64));
    let mut pen = Pen::new(&settings).unwrap();
    let mut out = Shelf::with_numbers(u64::MAX - 10, 1);
    let text = Text::lossy(&[b'x'; 200]);
    let routed = "x".repeat(64);
    let body =
        format!("35=D|115={routed}|116={routed}|128={routed}|129={routed}|144={routed}|145={routed}");
    let mut bench = Bench::up();
    let frame = bench.frame(&format!("{body}|34={}", u64::MAX));
    let message = bench.index.read(&frame).unwrap();
    pen.logout(START, &text.into(), &mut out).unwrap();
    pen.heartbeat(START, Some(&[b'x'; 2000]), &mut out).unwrap();
    pen.test_request(START, u64::MAX, &mut out).unwrap();
    pen.resend_request(START, u64::MAX, u64::MAX, &mut out)
        .unwrap();
    pen.gap_fill(START, u64::MAX, u64::MAX, &mut out).unwrap();
    pen.reject(START, &message, 99, Some(u32::MAX), text, &mut out)
        .unwrap();
    pen.business_reject(START, &message, u16::MAX, text, &mut out)
        .unwrap();
    assert_eq!(out.sent.len(), 7);
}

#[test]
fn every_loss_is_told_also_if_another_comes_before_the_first_is_asked_for() {
    let mut bench = Bench::with_numbers(Role::Initiator, 1, 1, |settings| {
        settings.sending.while_down = WhileDown::Number;
    });
    for messages in [1, 2] {
        for _ in 0..messages {
            let sent = bench
                .session
                .send(bench.now, b"D", 256, |_| {}, &mut bench.out);
            assert!(matches!(sent, Ok(Sent::Numbered(_))), "{sent:?}");
        }
        let why = ResetCause::Operator;
        let reset = bench.session.reset_numbers(bench.now, why, &mut bench.out);
        assert_eq!(reset, Ok(()));
    }
    let told: Vec<_> = std::iter::from_fn(|| bench.session.take_loss()).collect();
    let lost = |last, messages| Loss::Reset {
        first: 1,
        last,
        messages,
    };
    assert_eq!(told, [lost(1, 1), lost(2, 2)]);
}

#[test]
fn what_is_withheld_has_a_number_and_is_sent_when_it_is_asked_for() {
    let mut bench = Bench::up();
    bench.session.withhold(2);
    for (n, sent) in [Sent::Numbered(2), Sent::Numbered(3), Sent::Now(4)]
        .into_iter()
        .enumerate()
    {
        let write = |body: &mut FrameWriter<'_>| {
            body.uint(tag::CL_ORD_ID, n as u64);
        };
        let is = bench
            .session
            .send(bench.now, b"D", 256, write, &mut bench.out);
        assert_eq!(is, Ok(sent));
    }
}

#[test]
fn credentials_in_a_type_of_the_settings_are_kept_masked_on_either_side() {
    let mut bench = Bench::with_numbers(Role::Acceptor, 1, 1, |settings| {
        settings.logon.credential_types = vec![Code::new(b"UCG").unwrap()];
    });
    assert_eq!(bench.get("35=A|34=1|98=0|108=30"), Step::Authenticate);
    assert_eq!(bench.admit(), Step::LoggedOn);
    bench.deliver("35=UCG|34=2|554=hunter2");
    let write = |body: &mut FrameWriter<'_>| {
        body.str(tag::PASSWORD, "hunter3");
    };
    let sent = bench
        .session
        .send(bench.now, b"UCG", 512, write, &mut bench.out);
    assert_eq!(sent, Ok(Sent::Now(2)));
    let wire = bench.session.unmasked_logon();
    assert!(wire.windows(7).any(|bytes| bytes == b"hunter3"));
    assert!(!bench.out.inbound.is_empty());
    for kept in bench.out.inbound.iter().chain(&bench.out.sent) {
        assert!(!kept.windows(6).any(|bytes| bytes == b"hunter"));
    }
}
