//! Any sequence of calls, restarts among them, against a model made of vectors.

use std::collections::{HashMap, VecDeque};

use pinfix::journal::{Journal, JournalConfig, Keeper};
use pinfix::session::{Class, Full, InboundAt, Outbox, ResetCause, Stored};
use pinfix::time::Utc;
use proptest::prelude::*;

use crate::scratch::{Scratch, T0};

#[derive(Clone, Debug)]
enum Call {
    Send {
        len: usize,
        spare: usize,
        admin: bool,
    },
    GiveUp {
        len: usize,
    },
    Resend {
        back: u64,
        len: usize,
    },
    Keep {
        len: usize,
    },
    SetNextIn {
        add: u64,
    },
    Reset {
        next_out: u64,
        next_in: u64,
    },
    Write {
        most: usize,
    },
    Disconnect,
    Poll,
    Restart,
    /// As a kill: the files are copied while the journal is open.
    Kill,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        8 => (1..900_usize, 0..64_usize, any::<bool>()).prop_map(|(len, spare, admin)| Call::Send { len, spare, admin }),
        1 => (1..5000_usize).prop_map(|len| Call::GiveUp { len }),
        3 => (0..40_u64, 1..200_usize).prop_map(|(back, len)| Call::Resend { back, len }),
        4 => (0..500_usize).prop_map(|len| Call::Keep { len }),
        2 => (0..5_u64).prop_map(|add| Call::SetNextIn { add }),
        1 => (1..100_u64, 1..100_u64).prop_map(|(next_out, next_in)| Call::Reset { next_out, next_in }),
        6 => (1..4000_usize).prop_map(|most| Call::Write { most }),
        1 => Just(Call::Disconnect),
        1 => Just(Call::Poll),
        1 => Just(Call::Restart),
        1 => Just(Call::Kill),
    ]
}

struct Model {
    next_out: u64,
    next_in: u64,
    began: Utc,
    cause: ResetCause,
    sent: HashMap<u64, (Vec<u8>, bool)>,
    unsent: VecDeque<u8>,
    inbound: Vec<(InboundAt, Vec<u8>)>,
}

impl Model {
    fn agrees(&self, journal: &mut Journal, thorough: bool) {
        assert_eq!(journal.next_out(), self.next_out);
        assert_eq!(journal.next_in(), self.next_in);
        assert_eq!(journal.series_began(), self.began);
        assert_eq!(journal.series_cause(), self.cause);
        assert_eq!(journal.unsent_len(), self.unsent.len());
        assert_eq!(journal.unsent().is_none(), self.unsent.is_empty());
        if !thorough {
            return;
        }
        for (at, frame) in &self.inbound {
            assert_eq!(journal.inbound(*at), Some(&frame[..]));
        }
        for seq in self.next_out.saturating_sub(60)..self.next_out + 3 {
            let (want, bytes) = match self.sent.get(&seq) {
                Some((bytes, true)) => (Stored::Admin, Some(bytes)),
                Some((bytes, false)) => (Stored::Application, Some(bytes)),
                None => (Stored::Absent, None),
            };
            assert_eq!(journal.stored(seq), want, "{seq}");
            match journal.claim_replay(seq) {
                Ok(found) => assert_eq!(
                    found.map(|replay| replay.original),
                    bytes.map(|bytes| &bytes[..])
                ),
                Err(full) => assert_eq!(full, Full::Unsent),
            }
        }
    }
}

fn run(calls: Vec<Call>) {
    let mut dir = Scratch::new("model");
    let keeper = Keeper::inline();
    let limits = |dir: &Scratch| JournalConfig {
        unsent_limit_bytes: 8 * 1024,
        ..dir.config()
    };
    let mut journal = Journal::open(limits(&dir), &keeper, T0).unwrap().0;
    let mut model = Model {
        next_out: 1,
        next_in: 1,
        began: T0,
        cause: ResetCause::Created,
        sent: HashMap::new(),
        unsent: VecDeque::new(),
        inbound: Vec::new(),
    };
    let total = calls.len();
    for (nth, call) in calls.into_iter().enumerate() {
        let at = Utc(T0.0 + nth as u64);
        let fill = |room: &mut [u8]| {
            room.iter_mut()
                .enumerate()
                .for_each(|(i, byte)| *byte = (i * 7 + nth) as u8)
        };
        let mut thorough = nth + 1 == total;
        match call {
            Call::Send { len, spare, admin } => {
                let class = if admin {
                    Class::Control
                } else {
                    Class::Application
                };
                match journal.claim(class, len + spare) {
                    Ok(room) => {
                        assert_eq!(room.len(), len + spare);
                        fill(room);
                        let frame = room[spare..].to_vec();
                        journal.commit(spare..spare + len, admin, false, at);
                        model.unsent.extend(&frame);
                        model.sent.insert(model.next_out, (frame, admin));
                        model.next_out += 1;
                    }
                    Err(full) => {
                        assert_eq!(full, Full::Unsent);
                        let limit = if admin { 8 * 1024 } else { 7 * 1024 };
                        assert!(model.unsent.len() + len + spare > limit);
                    }
                }
            }
            Call::GiveUp { len } => {
                if let Ok(room) = journal.claim(Class::Application, len) {
                    room.fill(0xEE);
                }
            }
            Call::Resend { back, len } => {
                let seq = model.next_out.saturating_sub(back);
                let want = model.sent.get(&seq).map(|(bytes, _)| bytes.clone());
                if let Ok(found) = journal.claim_replay(seq) {
                    assert_eq!(
                        found.as_ref().map(|replay| replay.original),
                        want.as_deref()
                    );
                    if let Some(replay) = found {
                        let len = len.min(replay.room.len());
                        fill(replay.room);
                        let copy = replay.room[..len].to_vec();
                        journal.commit_replay(0..len, seq, at);
                        model.unsent.extend(&copy);
                    }
                }
            }
            Call::Keep { len } => {
                let mut frame = vec![0; len];
                fill(&mut frame);
                let kept = journal
                    .keep_inbound(nth as u64, &frame, &[], true, at)
                    .unwrap()
                    .unwrap();
                model.inbound.push((kept, frame));
            }
            Call::SetNextIn { add } => {
                model.next_in += add;
                journal.set_next_in(model.next_in);
            }
            Call::Reset { next_out, next_in } => {
                // Any of those that a FIX session has.
                model.cause = match next_out % 3 {
                    0 => ResetCause::Operator,
                    1 => ResetCause::InSession,
                    _ => ResetCause::ResetSeqNumFlag,
                };
                journal.reset(next_out, next_in, model.cause, at).unwrap();
                (model.next_out, model.next_in, model.began) = (next_out, next_in, at);
                model.sent.clear();
            }
            Call::Write { mut most } => {
                while let Some(unsent) = journal.unsent() {
                    let len = unsent.bytes.len().min(most);
                    let want: Vec<u8> = model.unsent.drain(..len).collect();
                    assert_eq!(unsent.bytes[..len], want);
                    journal.mark_sent(len);
                    most -= len;
                    if most == 0 {
                        break;
                    }
                }
            }
            Call::Disconnect => {
                journal.drop_unsent();
                model.unsent.clear();
            }
            Call::Poll => {
                journal.poll();
            }
            Call::Restart => {
                drop(journal);
                let (again, recovery) = Journal::open(limits(&dir), &keeper, T0).unwrap();
                assert!(recovery.is_clean(), "{recovery:?}");
                journal = again;
                model.unsent.clear();
                thorough = true;
            }
            Call::Kill => {
                let copy = Scratch::new("model-killed");
                for entry in std::fs::read_dir(dir.path()).unwrap() {
                    let entry = entry.unwrap();
                    std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
                }
                let (again, recovery) = Journal::open(limits(&copy), &keeper, T0).unwrap();
                assert!(
                    recovery.skipped.is_empty() && recovery.missing.is_empty(),
                    "{recovery:?}"
                );
                journal = again;
                dir = copy;
                model.unsent.clear();
                thorough = true;
            }
        }
        model.agrees(&mut journal, thorough);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_agrees_with_the_model(calls in prop::collection::vec(call(), 1..250)) {
        run(calls);
    }
}

#[test]
fn the_same_calls_leave_the_same_bytes() {
    let image = || {
        let dir = Scratch::new("same");
        let (mut journal, _) = crate::scratch::open(
            JournalConfig {
                identity: "same".to_owned(),
                ..dir.config()
            },
            &Keeper::inline(),
        );
        for seq in 1..=40 {
            crate::scratch::send(&mut journal, &crate::scratch::frame(seq, 300)).unwrap();
        }
        let bytes: Vec<_> = (1..=2)
            .map(|number| std::fs::read(dir.segment(number)).unwrap())
            .collect();
        bytes
    };
    assert_eq!(image(), image());
}
