//! The orders that were sent and what came back for each.
//!
//! An order is known from the moment it is sent, or found in the journal of an earlier run. A report is
//! known by the ExecID(17) it has for its order; a second one with the same is a double, unless the peer
//! said that it may be one. What is in the journal of an earlier run and was counted there is not
//! expected again.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;

use pinfix::engine::SessionHandle;
use pinfix::journal::{Item, Kind, Reader};
use pinfix::wire::fix::FieldIndex;

use super::reply::{Reply, Told};

/// How many fields of a message in a journal are looked at; those that matter come early.
const FIELDS_MAX: usize = 1024;

/// All orders.
#[derive(Debug, Default)]
pub struct Blotter {
    orders: HashMap<Box<[u8]>, Order>,
    /// ClOrdID(11) by session and MsgSeqNum(34) of the order, for rejects.
    numbers: HashMap<(SessionHandle, u64), Box<[u8]>>,
    /// Reports that an order has to get; `None`: one at least.
    reports_each: Option<usize>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Order {
    /// ExecID(17) of each report.
    executions: Vec<Box<[u8]>>,
    rejected: bool,
}

impl Order {
    fn is_answered(&self, needed: usize) -> bool {
        // Nothing more comes of one that was rejected.
        self.rejected || self.executions.len() >= needed
    }
}

/// What a series of a journal says; it may end in messages that were not counted.
#[derive(Default)]
struct Series {
    /// ClOrdID(11) of our orders by their numbers.
    numbers: HashMap<u64, Box<[u8]>>,
    /// What the peer said, and under which number.
    told: Vec<(u64, Told)>,
}

/// What came of the orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Orders sent in this run, or handed over to be sent.
    pub sent: u64,
    /// Orders of earlier runs that lacked a report at the start.
    pub carried: u64,
    /// Orders, of both kinds, that have every report they have to get.
    pub answered: u64,
    /// Reports for them.
    pub reports: u64,
    /// Reports that came a second time.
    pub doubled: u64,
    /// Reports the peer marked as possibly sent before, and that were.
    pub marked: u64,
    /// Orders rejected, by a report or a reject.
    pub rejected: u64,
    /// Reports for orders nobody here sent.
    pub strange: u64,
}

/// A report that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// As it should be.
    Report,
    /// The order was rejected.
    Rejected,
    /// It came a second time.
    Doubled,
    /// It is no report for an order of ours, or a marked repetition.
    Nothing,
}

impl Blotter {
    pub fn new(reports_each: Option<usize>) -> Self {
        Self {
            reports_each,
            ..Self::default()
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Orders that lack a report.
    pub fn outstanding(&self) -> u64 {
        let Counts {
            sent,
            carried,
            answered,
            ..
        } = self.counts;
        (sent + carried).saturating_sub(answered)
    }

    /// Notes an order that was sent, under this MsgSeqNum(34) if it has one already.
    pub fn sent(&mut self, cl_ord_id: &[u8], session: SessionHandle, seq: Option<u64>) {
        self.counts.sent += 1;
        self.orders.insert(cl_ord_id.into(), Order::default());
        if let Some(seq) = seq {
            self.numbers.insert((session, seq), cl_ord_id.into());
        }
    }

    /// Notes an ExecutionReport(8).
    pub fn report(&mut self, reply: &Reply) -> Counted {
        let needed = self.needed();
        let Some(order) = self.orders.get_mut(&reply.cl_ord_id) else {
            self.counts.strange += 1;
            return Counted::Nothing;
        };
        if order.executions.contains(&reply.exec_id) {
            if reply.marked {
                self.counts.marked += 1;
                return Counted::Nothing;
            }
            self.counts.doubled += 1;
            return Counted::Doubled;
        }
        let was_answered = order.is_answered(needed);
        order.executions.push(reply.exec_id.clone());
        self.counts.reports += 1;
        let rejects = reply.rejects;
        order.rejected |= rejects;
        self.counts.rejected += u64::from(rejects);
        if !was_answered && order.is_answered(needed) {
            self.counts.answered += 1;
        }
        if rejects {
            Counted::Rejected
        } else {
            Counted::Report
        }
    }

    /// Notes a reject of the peer, of the message with this number.
    pub fn refused(&mut self, session: SessionHandle, seq: Option<u64>) {
        let needed = self.needed();
        self.counts.rejected += 1;
        let order = seq
            .and_then(|seq| self.numbers.get(&(session, seq)))
            .and_then(|id| self.orders.get_mut(id));
        if let Some(order) = order {
            self.counts.answered += u64::from(!order.is_answered(needed));
            order.rejected = true;
        }
    }

    fn needed(&self) -> usize {
        self.reports_each.unwrap_or(1)
    }

    /// Reads the orders of earlier runs and their reports in the journal of a session. Messages of the
    /// peer from `next_in` on were not counted: they come again.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn carry_over(&mut self, directory: &Path, next_in: u64) -> io::Result<()> {
        let mut reader = Reader::open(directory)?;
        let mut index = FieldIndex::with_capacity(FIELDS_MAX);
        let mut series = Series::default();
        while let Some(item) = reader.read()? {
            let Item::Record(entry) = item else { continue };
            if entry.kind == Kind::Reset {
                self.take_over(&mut series, u64::MAX);
                continue;
            }
            let told = match index.read(entry.frame) {
                Ok(message) => Told::of(&message),
                Err(_) => Told::read(entry.frame),
            };
            match (entry.kind, told) {
                (Kind::Application | Kind::Queued, Some(Told::Order(id))) => {
                    series.numbers.insert(entry.seq, id.clone());
                    self.orders.entry(id).or_default();
                }
                (Kind::Inbound, Some(told)) => series.told.push((entry.seq, told)),
                _ => {}
            }
        }
        self.take_over(&mut series, next_in);
        let needed = self.needed();
        let lacking = |order: &&Order| !order.is_answered(needed);
        self.counts.carried = self.orders.values().filter(lacking).count() as u64;
        Ok(())
    }

    fn take_over(&mut self, series: &mut Series, next_in: u64) {
        let Series { numbers, told } = std::mem::take(series);
        let counted = told.into_iter().filter(|(seq, _)| *seq < next_in);
        for (_, told) in counted {
            match told {
                Told::Report(past) => {
                    let Some(order) = self.orders.get_mut(&past.cl_ord_id) else {
                        continue;
                    };
                    order.rejected |= past.rejects;
                    if !order.executions.contains(&past.exec_id) {
                        order.executions.push(past.exec_id);
                    }
                }
                Told::Reject { seq, .. } => {
                    let id = seq.and_then(|seq| numbers.get(&seq));
                    if let Some(order) = id.and_then(|id| self.orders.get_mut(id)) {
                        order.rejected = true;
                    }
                }
                Told::Order(_) => {}
            }
        }
    }
}

impl Counts {
    /// Whether every order has what it has to get, once.
    pub fn is_sound(&self) -> bool {
        self.answered == self.sent + self.carried && self.doubled == 0 && self.rejected == 0
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lacking = (self.sent + self.carried).saturating_sub(self.answered);
        write!(f, "{} orders sent", self.sent)?;
        if self.carried > 0 {
            write!(f, " and {} of earlier runs", self.carried)?;
        }
        write!(
            f,
            ", {} acknowledged, {} reports, {lacking} without a report, {} reports doubled, {} rejects",
            self.answered, self.reports, self.doubled, self.rejected
        )?;
        if self.marked > 0 {
            write!(f, ", {} repeated and marked so", self.marked)?;
        }
        if self.strange > 0 {
            write!(f, ", {} reports for orders of others", self.strange)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pinfix::engine::{Clock, Engine, EngineConfig, SessionConfig};
    use pinfix::session::fix::rules::FIX44;

    use super::*;

    /// A session, for its handle.
    fn session() -> SessionHandle {
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let config = SessionConfig::acceptor(&FIX44, "ME", "YOU");
        engine.add_session(config, Clock::new().now()).unwrap().0
    }

    fn frame(body: &str) -> Vec<u8> {
        format!("8=FIX.4.4|9=0|{body}|10=000|")
            .replace('|', "\u{1}")
            .into_bytes()
    }

    fn reported(blotter: &mut Blotter, body: &str) -> Counted {
        let (frame, mut index) = (
            frame(&format!("35=8|{body}")),
            FieldIndex::with_capacity(32),
        );
        blotter.report(&Reply::of(&index.read(&frame).unwrap()))
    }

    #[test]
    fn a_report_that_comes_twice_is_a_double_unless_the_peer_says_it_may_be_one() {
        let mut blotter = Blotter::new(Some(2));
        blotter.sent(b"A", session(), Some(2));
        assert_eq!(reported(&mut blotter, "11=A|17=1|39=0"), Counted::Report);
        assert!(!blotter.counts().is_sound(), "it lacks one");
        assert_eq!(
            reported(&mut blotter, "97=Y|11=A|17=1|39=0"),
            Counted::Nothing
        );
        assert_eq!(reported(&mut blotter, "11=A|17=2|39=2"), Counted::Report);
        assert!(blotter.counts().is_sound());
        assert_eq!(reported(&mut blotter, "11=A|17=2|39=2"), Counted::Doubled);
        let counts = blotter.counts();
        assert_eq!((counts.answered, counts.reports), (1, 2));
        assert_eq!((counts.doubled, counts.marked), (1, 1));
        assert!(!counts.is_sound());
        assert_eq!(blotter.outstanding(), 0);
    }

    #[test]
    fn a_rejected_order_waits_for_nothing_more() {
        let mut blotter = Blotter::new(Some(2));
        let session = session();
        blotter.sent(b"A", session, Some(2));
        blotter.sent(b"B", session, Some(3));
        assert_eq!(reported(&mut blotter, "11=A|17=1|39=8"), Counted::Rejected);
        assert_eq!(blotter.outstanding(), 1);
        blotter.refused(session, Some(3));
        assert_eq!(blotter.outstanding(), 0);
        assert_eq!(blotter.counts().rejected, 2);
        assert!(!blotter.counts().is_sound());
    }

    #[test]
    fn a_report_for_an_order_of_others_is_counted_apart() {
        let mut blotter = Blotter::new(None);
        assert_eq!(reported(&mut blotter, "11=X|17=1|39=0"), Counted::Nothing);
        assert_eq!(blotter.counts().strange, 1);
        assert!(blotter.counts().is_sound());
    }
}
