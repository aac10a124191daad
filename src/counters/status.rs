//! What the status page says about a session and about the engine, and its form in words.
//!
//! ```text
//!   session slot    0     1         2 .. 18         18      19 .. 80
//!                 [seq][id bytes][id, zero padded][role][SessionStatus, one word per field ...]
//!
//!                   80        81         82        83         84    85 .. 101     101      102 .. 118
//!                 [held][hold since][until?][hold until][by bytes][by ...][why bytes][why, zero padded]
//! ```
//!
//! Invariant: fields stand on the page in the order they are declared in, one word each. Their names
//! are part of the page's [`FINGERPRINT`]; a change of meaning under the same name means a new
//! [`VERSION`](super::page) of the page.
//!
//! Must not know: where the words are.

use std::fmt;
use std::sync::atomic::AtomicU64;

use super::seqlock::Word;
use crate::session::{Fault, Hold, Protocol, Text, fixp};
use crate::time::{Mono, TimestampPrecision, Utc};

/// How much of a session's id the page keeps; see
/// [`StatusPage::claim_session`](super::StatusPage::claim_session).
pub const SESSION_ID_MAX_BYTES: usize = 128;

/// Which side opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This engine connects.
    Initiator,
    /// The peer connects.
    Acceptor,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not connected. Whether an operator or the schedule keeps it so is said by
    /// [`SessionStatus::held`] and [`SessionStatus::in_schedule`].
    #[default]
    Down,
    /// Initiator: TCP in progress.
    Connecting,
    /// Acceptor: a connection belongs to this session, its logon is not complete.
    AwaitLogon,
    /// Initiator: our logon is sent, the answer is awaited.
    LogonSent,
    /// Logged on.
    Up,
    /// We asked to log out, the answer is awaited.
    LogoutSent,
    /// We answered the peer's logout, the connection is about to close.
    LogoutAcked,
    /// What was written is being flushed before the connection closes.
    Closing,
}

/// Why a slot could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The writer was inside a write each time it was tried: it lost its time slice there (try
    /// again), or it died there ([`StatusReader::liveness`](super::StatusReader::liveness) tells).
    Busy,
    /// The words are none that a writer of this version stores: the file was damaged.
    Damaged,
}

/// The name of the state as scripts know it: `up`, `logon-sent`.
impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "down",
            Self::Connecting => "connecting",
            Self::AwaitLogon => "await-logon",
            Self::LogonSent => "logon-sent",
            Self::Up => "up",
            Self::LogoutSent => "logout-sent",
            Self::LogoutAcked => "logout-acked",
            Self::Closing => "closing",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initiator => "initiator",
            Self::Acceptor => "acceptor",
        })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the engine was writing this slot at every attempt; try again",
            Self::Damaged => "the slot holds values that no engine of this version writes",
        })
    }
}

impl std::error::Error for ReadError {}

/// Declares a status struct and its form in words, so that the two cannot differ.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];
            pub(super) const WORDS: usize = Self::FIELDS.len();

            /// Every field with its name and its value in words, in the order of the page: for people
            /// and for programs that pass them on.
            pub fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
                [$((stringify!($field), self.$field.in_words())),*].into_iter()
            }


            #[inline(always)]
            pub(super) fn store(&self, words: &[AtomicU64; Self::WORDS]) {
                let [$($field),*] = words;
                $($field.set(self.$field.to_word());)*
            }

            /// `None` if a word is no value of its field.
            pub(super) fn load(words: &[u64; Self::WORDS]) -> Option<Self> {
                let [$($field),*] = *words;
                Some(Self { $($field: InWord::from_word($field)?,)* })
            }
        }
    };
}

status! {
    /// One session, as of the engine's last cycle that changed something about it.
    ///
    /// Counts are since the engine started. A time of zero means never.
    SessionStatus {
        /// Where the session is in its life.
        state: ConnectionState,
        /// An operator holds the session logged out.
        held: bool,
        /// The schedule allows the session to be logged on now.
        in_schedule: bool,
        /// When the schedule is looked at next: the next edge of its hours, its logon window or its
        /// in-session resets. Zero if there is none.
        schedule_edge_utc: Utc,
        /// MsgSeqNum(34) of the next new message to the peer.
        next_out: u64,
        /// MsgSeqNum(34) expected from the peer next.
        next_in: u64,
        /// Messages sent, replayed ones included.
        messages_out: u64,
        /// Messages received, garbled ones not included.
        messages_in: u64,
        /// Bytes accepted by the socket.
        bytes_out: u64,
        /// Bytes received from the socket.
        bytes_in: u64,
        /// Messages replayed for a ResendRequest(2).
        resent: u64,
        /// SequenceReset(4) messages with GapFillFlag(123)=Y sent.
        gap_fills_out: u64,
        /// SequenceReset(4) messages with GapFillFlag(123)=Y received.
        gap_fills_in: u64,
        /// ResendRequest(2) messages sent.
        resend_requests_out: u64,
        /// ResendRequest(2) messages received.
        resend_requests_in: u64,
        /// Messages dropped because framing or CheckSum(10) was wrong.
        garbled: u64,
        /// Reject(3) and BusinessMessageReject(j) messages sent.
        rejects_out: u64,
        /// Reject(3) and BusinessMessageReject(j) messages received.
        rejects_in: u64,
        /// Mistakes of the peer, of every kind and whatever was done about them.
        faults: u64,
        /// What the last of them was: its place in [`Fault::NAMES`] or, of FIXP, in
        /// [`fixp::Fault::NAMES`], counted from 1; see [`SessionStatus::last_fault_name`].
        last_fault: u64,
        /// When the last of them was seen.
        last_fault_utc: Utc,
        /// Messages that wait behind a gap now.
        parked: u64,
        /// Messages that waited behind a gap and were dropped for lack of room.
        parked_dropped: u64,
        /// New application messages sent.
        application_out: u64,
        /// Application messages handed to the application.
        application_in: u64,
        /// TestRequest(1) messages sent; of FIXP, Sequence(506) messages that say that nothing was heard.
        test_requests_out: u64,
        /// HeartBtInt(108) as agreed at logon, in seconds; zero while logged off, and if there are no
        /// heartbeats.
        heartbeat_s: u64,
        /// Connections after the first.
        reconnects: u64,
        /// When the last sound message arrived, on the clock of timers.
        last_in_mono: Mono,
        /// When the last sound message arrived.
        last_in_utc: Utc,
        /// When the last message was sent, on the clock of timers.
        last_out_mono: Mono,
        /// When the last message was sent.
        last_out_utc: Utc,
        /// From our last TestRequest(1) to its Heartbeat(0), in nanoseconds; zero if none was
        /// answered yet.
        test_request_round_trip_ns: u64,
        /// Bytes committed and not yet accepted by the socket.
        unsent_bytes: u64,
        /// Application messages that wait without a number until they can be sent.
        queued: u64,
        /// Their bytes together.
        queued_bytes: u64,
        /// Bytes in use in the session's journal.
        journal_used_bytes: u64,
        /// Journal segments on disk.
        journal_segments: u64,
        /// When the session was logged on last.
        logged_on_utc: Utc,
        /// When the last connection ended.
        disconnected_utc: Utc,
        /// Why the last connection ended, as the engine numbers its causes; zero if none ended yet.
        disconnect_cause: u64,
        /// UUID of the current series of a FIXP session; zero before the first Negotiate, and for FIX.
        uuid: u64,
        /// What the session speaks.
        protocol: Protocol,
        /// KeepAliveInterval(39014) as agreed, in milliseconds, of FIXP; zero while logged off.
        keep_alive_ms: u64,
        /// Sequence(506) messages sent because there was nothing else to say.
        sequences_out: u64,
        /// NotApplied(513) messages received by a client, sent by a gateway.
        not_applied: u64,
        /// RetransmitRequest(508) under way, asked by a client and not ended, served by a gateway: the
        /// first number of it that is still missing, or still to be sent. Zero if there is none.
        retransmit_next: u64,
        /// Its last number.
        retransmit_last: u64,
        /// UUID of the series it is of.
        retransmit_uuid: u64,
        /// There is no logon before an operator's word. Of a client: too many logons were refused, or the
        /// exchange has closed the port. Of a gateway: [`SessionStatus::port_closed`].
        awaits_operator: bool,
        /// A FIXP gateway, whose port invalid logons have closed, in this run or one before: it answers every
        /// logon with Terminate(507) code 8 until an operator logs the session on or releases it.
        port_closed: bool,
    }
}

impl SessionStatus {
    /// The name of the peer's last mistake, in the catalogue of the protocol of the session; `None` if
    /// there was none.
    #[must_use]
    pub fn last_fault_name(&self) -> Option<&'static str> {
        let place = usize::try_from(self.last_fault).ok()?.checked_sub(1)?;
        fault_names(self.protocol).get(place).copied()
    }
}

/// The names that faults have in a protocol.
pub(super) const fn fault_names(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Fix => Fault::NAMES,
        Protocol::Fixp => fixp::Fault::NAMES,
    }
}

status! {
    /// The engine as a whole, as of its last update. Counts are since it started.
    EngineStatus {
        /// When this was written. Also the sign of life that readers look at.
        updated_utc: Utc,
        /// When this was written, on the clock of timers.
        updated_mono: Mono,
        /// Cycles of the loop.
        cycles: u64,
        /// Cycles in which there was something to do.
        busy_cycles: u64,
        /// The longest cycle in nanoseconds.
        cycle_max_ns: u64,
        /// Commands taken from the queues of controllers.
        commands: u64,
        /// Commands that wait in the queues of controllers.
        commands_waiting: u64,
        /// Commands taken that have no completion yet.
        commands_pending: u64,
        /// Controllers made.
        controllers: u64,
        /// Connections that have not logged on yet.
        strangers: u64,
        /// Sessions configured.
        sessions: u64,
        /// Sessions that are logged on.
        sessions_up: u64,
        /// Connections accepted, whether or not they logged on.
        accepted: u64,
        /// Accepted connections closed without belonging to a session.
        refused: u64,
    }
}

/// One session as a reader gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEntry {
    /// Number of the slot, which stays the same while the session exists.
    pub slot: usize,
    /// What the engine calls the session, such as `FIX.4.4:SENDER->TARGET`.
    pub id: String,
    /// Which side opens the connection.
    pub role: Role,
    /// The operator's hold, if [`SessionStatus::held`].
    pub hold: Option<Hold>,
    /// The rest.
    pub status: SessionStatus,
}

/// Words of a slot, its sequence word included. A multiple of a cache line.
pub(super) const SLOT_WORDS: usize = 128;

/// Words of the counts of faults of one session: which catalogue, then one for each of its faults. A
/// multiple of a cache line.
pub(super) const FAULT_WORDS: usize = {
    let (fix, fixp) = (Fault::NAMES.len(), fixp::Fault::NAMES.len());
    let longest = if fix > fixp { fix } else { fixp };
    (1 + longest).next_multiple_of(8)
};

/// Stands for everything that is told apart by place: a reader with another list of fields or faults
/// would take one for the other.
pub(super) const FINGERPRINT: u64 = {
    let seed = fingerprint(0xcbf2_9ce4_8422_2325, SessionStatus::FIELDS);
    let seed = fingerprint(fingerprint(seed, EngineStatus::FIELDS), Fault::NAMES);
    fingerprint(seed, fixp::Fault::NAMES)
};

const ID_WORDS: usize = SESSION_ID_MAX_BYTES / 8;
const IDENTITY_WORDS: usize = 1 + ID_WORDS + 1;

/// Where the hold stands in the data of a slot, which is the slot without its sequence word.
const AT_HOLD: usize = 79;
const TEXT_WORDS: usize = (Text::MAX + 1) / 8;
const AT_BY: usize = AT_HOLD + 4;
const AT_WHY: usize = AT_BY + 1 + TEXT_WORDS;

const _: () = assert!(IDENTITY_WORDS + SessionStatus::WORDS <= AT_HOLD);
const _: () = assert!(1 + AT_WHY + 1 + TEXT_WORDS <= SLOT_WORDS);

/// The role of a slot that no session has.
const VACANT: u64 = 0;

/// The part of a slot's data that says whose it is, and the part that changes.
pub(super) fn store_identity(data: &[AtomicU64], id: &str, role: Role) {
    let mut bytes = [0; SESSION_ID_MAX_BYTES];
    let length = shortened(id, &mut bytes);
    data[0].set(length as u64);
    for (word, chunk) in data[1..].iter().zip(bytes.as_chunks::<8>().0) {
        word.set(u64::from_le_bytes(*chunk));
    }
    data[1 + ID_WORDS].set(match role {
        Role::Initiator => 1,
        Role::Acceptor => 2,
    });
}

pub(super) fn store_vacant(data: &[AtomicU64]) {
    data[1 + ID_WORDS].set(VACANT);
}

#[inline(always)]
pub(super) fn store_status(data: &[AtomicU64], status: &SessionStatus) {
    let words = data[IDENTITY_WORDS..]
        .first_chunk()
        .expect("a slot is long enough, asserted above");
    status.store(words);
}

pub(super) fn store_hold(data: &[AtomicU64], hold: Option<&Hold>) {
    data[AT_HOLD].set(hold.is_some().to_word());
    let Some(hold) = hold else { return };
    data[AT_HOLD + 1].set(hold.since.0);
    data[AT_HOLD + 2].set(hold.until.is_some().to_word());
    data[AT_HOLD + 3].set(hold.until.unwrap_or_default().0);
    for (at, text) in [(AT_BY, &hold.by), (AT_WHY, &hold.why)] {
        let mut bytes = [0; TEXT_WORDS * 8];
        let text = text.as_bytes();
        bytes[..text.len()].copy_from_slice(text);
        data[at].set(text.len() as u64);
        for (word, chunk) in data[at + 1..].iter().zip(bytes.as_chunks::<8>().0) {
            word.set(u64::from_le_bytes(*chunk));
        }
    }
}

/// `Err` if the words are none that [`store_hold`] stores.
fn load_hold(data: &[u64]) -> Result<Option<Hold>, ReadError> {
    let flag = |at: usize| bool::from_word(data[at]).ok_or(ReadError::Damaged);
    if !flag(AT_HOLD)? {
        return Ok(None);
    }
    let text = |at: usize| {
        let text = load_text(data[at], &data[at + 1..][..TEXT_WORDS]).ok_or(ReadError::Damaged)?;
        Text::new(&text).map_err(|_| ReadError::Damaged)
    };
    Ok(Some(Hold {
        since: Utc(data[AT_HOLD + 1]),
        until: flag(AT_HOLD + 2)?.then_some(Utc(data[AT_HOLD + 3])),
        by: text(AT_BY)?,
        why: text(AT_WHY)?,
    }))
}

const fn fingerprint(mut hash: u64, names: &[&str]) -> u64 {
    let mut name = 0;
    while name < names.len() {
        let bytes = names[name].as_bytes();
        let mut at = 0;
        while at <= bytes.len() {
            // A zero ends each name, so that two names are not one.
            let byte = if at < bytes.len() { bytes[at] } else { 0 };
            // FNV-1a.
            hash = (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
            at += 1;
        }
        name += 1;
    }
    hash
}

/// A session from a copy of its slot's data; `None` if no session has the slot.
pub(super) fn load_entry(slot: usize, data: &[u64]) -> Result<Option<SessionEntry>, ReadError> {
    let role = match data[1 + ID_WORDS] {
        VACANT => return Ok(None),
        1 => Role::Initiator,
        2 => Role::Acceptor,
        _ => return Err(ReadError::Damaged),
    };
    let id = load_text(data[0], &data[1..1 + ID_WORDS]).ok_or(ReadError::Damaged)?;
    let words = data[IDENTITY_WORDS..]
        .first_chunk()
        .ok_or(ReadError::Damaged)?;
    let status = SessionStatus::load(words).ok_or(ReadError::Damaged)?;
    Ok(Some(SessionEntry {
        slot,
        id,
        role,
        hold: load_hold(data)?,
        status,
    }))
}

/// Text of `length` bytes out of zero padded words.
pub(super) fn load_text(length: u64, words: &[u64]) -> Option<String> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let length = usize::try_from(length)
        .ok()
        .filter(|&length| length <= bytes.len())?;
    bytes.truncate(length);
    String::from_utf8(bytes).ok()
}

/// Copies `text` to `to` and gives its length. One that is too long ends in `...`, so that nobody
/// takes it for another's whole name.
pub(super) fn shortened(text: &str, to: &mut [u8]) -> usize {
    const MARK: &[u8] = b"...";
    if text.len() <= to.len() {
        to[..text.len()].copy_from_slice(text.as_bytes());
        return text.len();
    }
    let cut = text.floor_char_boundary(to.len() - MARK.len());
    to[..cut].copy_from_slice(&text.as_bytes()[..cut]);
    to[cut..cut + MARK.len()].copy_from_slice(MARK);
    cut + MARK.len()
}

/// A field that fits a word.
pub(super) trait InWord: Sized {
    fn to_word(self) -> u64;
    fn from_word(word: u64) -> Option<Self>;
    fn in_words(self) -> String;
}

impl InWord for u64 {
    #[inline(always)]
    fn to_word(self) -> u64 {
        self
    }

    fn from_word(word: u64) -> Option<Self> {
        Some(word)
    }

    fn in_words(self) -> String {
        self.to_string()
    }
}

impl InWord for bool {
    #[inline(always)]
    fn to_word(self) -> u64 {
        u64::from(self)
    }

    fn from_word(word: u64) -> Option<Self> {
        match word {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn in_words(self) -> String {
        self.to_string()
    }
}

impl InWord for Mono {
    #[inline(always)]
    fn to_word(self) -> u64 {
        self.0
    }

    fn from_word(word: u64) -> Option<Self> {
        Some(Self(word))
    }

    fn in_words(self) -> String {
        self.0.to_string()
    }
}

impl InWord for Utc {
    #[inline(always)]
    fn to_word(self) -> u64 {
        self.0
    }

    fn from_word(word: u64) -> Option<Self> {
        Some(Self(word))
    }

    fn in_words(self) -> String {
        if self.0 == 0 {
            return "never".to_owned();
        }
        self.to_fix(TimestampPrecision::Millis).to_string()
    }
}

impl InWord for Protocol {
    #[inline(always)]
    fn to_word(self) -> u64 {
        match self {
            Self::Fix => 0,
            Self::Fixp => 1,
        }
    }

    fn from_word(word: u64) -> Option<Self> {
        match word {
            0 => Some(Self::Fix),
            1 => Some(Self::Fixp),
            _ => None,
        }
    }

    fn in_words(self) -> String {
        self.to_string()
    }
}

impl ConnectionState {
    const ALL: [Self; 8] = [
        Self::Down,
        Self::Connecting,
        Self::AwaitLogon,
        Self::LogonSent,
        Self::Up,
        Self::LogoutSent,
        Self::LogoutAcked,
        Self::Closing,
    ];
}

impl InWord for ConnectionState {
    #[inline(always)]
    fn to_word(self) -> u64 {
        self as u64
    }

    fn from_word(word: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(word).ok()?).copied()
    }

    fn in_words(self) -> String {
        self.to_string()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn every_state_survives_its_word() {
        for (number, state) in ConnectionState::ALL.into_iter().enumerate() {
            assert_eq!(state.to_word(), number as u64);
            assert_eq!(ConnectionState::from_word(number as u64), Some(state));
        }
        assert_eq!(
            ConnectionState::from_word(ConnectionState::ALL.len() as u64),
            None
        );
        assert_eq!(ConnectionState::from_word(u64::MAX), None);
    }

    #[test]
    fn every_field_has_its_own_word() {
        let words = [const { AtomicU64::new(0) }; SessionStatus::WORDS];
        for index in 0..SessionStatus::WORDS {
            let mut numbers = [0; SessionStatus::WORDS];
            numbers[index] = 1;
            let status = SessionStatus::load(&numbers).expect("one is valid everywhere");
            assert_ne!(status, SessionStatus::default());
            status.store(&words);
            assert_eq!(
                words.each_ref().map(|word| word.load(Ordering::Relaxed)),
                numbers
            );
        }
    }

    #[test]
    fn a_long_id_is_cut_between_characters_and_marked() {
        let mut bytes = [0; 8];
        assert_eq!(shortened("12345678", &mut bytes), 8);
        assert_eq!(&bytes, b"12345678");
        assert_eq!(shortened("123456789", &mut bytes), 8);
        assert_eq!(&bytes, b"12345...");
        let length = shortened("1234\u{e9}6789", &mut bytes);
        assert_eq!(&bytes[..length], b"1234...");
    }
}
