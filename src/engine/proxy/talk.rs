//! The conversation with a proxy until it has let us through, without its socket and without a clock.
//!
//! Invariant: nothing is said after the target was asked for, and nothing of what follows the answer is
//! looked at: it is kept, for whoever uses the connection.
//!
//! Invariant: its memory does not grow; it serves one conversation after the other.

use std::net::SocketAddr;

use zeroize::Zeroize as _;

use super::settings::{Proxy, ProxyProtocol};
use super::socks::Method;
use super::{http, socks};
use crate::session::{ProxyFault, Text};

/// More than any request: twice a host name of 255 bytes, a user and a password of 255 in base64, the
/// words around them.
const SAID_MAX: usize = 2048;

/// The longest answer, and what follows it in one read.
const HEARD_MAX: usize = 8 * 1024;

/// Where a proxy is to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Target<'a> {
    /// An address.
    Address(SocketAddr),
    /// A name that the proxy looks up, and a port.
    Name(&'a str, u16),
}

impl Target<'_> {
    /// As HTTP has it.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        use std::io::Write as _;
        // Writing to memory does not fail.
        let _ = match self {
            Self::Address(address) => write!(out, "{address}"),
            Self::Name(host, port) => write!(out, "{host}:{port}"),
        };
    }
}

/// What was made of the bytes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// More of it must come.
    Incomplete,
    /// It is so many bytes long, and says yes.
    Granted(usize),
}

/// Bytes that are no answer, of which the beginning is shown.
pub(super) fn no_answer(bytes: &[u8]) -> ProxyFault {
    use std::fmt::Write as _;
    let mut begin = Text::EMPTY;
    // What does not fit is cut.
    let _ = write!(begin, "{}", bytes[..bytes.len().min(32)].escape_ascii());
    ProxyFault::NotAnAnswer(begin)
}

/// The answer that is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The head of an HTTP answer.
    Head,
    /// The only one of SOCKS 4.
    Reply4,
    /// How we are to say who we are.
    Method5,
    /// Whether we are taken for that.
    Verdict5,
    /// Whether the target was reached.
    Reply5,
    /// None.
    Through,
}

/// A conversation.
pub(super) struct Talk {
    step: Step,
    with_user: bool,
    /// All there is to be said.
    words: Vec<u8>,
    /// What has been said of it.
    said: usize,
    /// What may be said before the next answer.
    until: usize,
    /// The ends of what SOCKS 5 says in turn: greeting, user, request.
    turns: [usize; 3],
    heard: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Talk {
    /// The memory for one.
    pub(super) fn new() -> Self {
        Self {
            step: Step::Through,
            with_user: false,
            words: Vec::with_capacity(SAID_MAX),
            said: 0,
            until: 0,
            turns: [0; 3],
            heard: vec![0; HEARD_MAX].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    /// Begins a conversation.
    pub(super) fn begin(&mut self, proxy: &Proxy, target: Target<'_>) {
        self.end();
        let words = &mut self.words;
        self.with_user = proxy.user.is_some();
        self.step = match proxy.protocol {
            ProxyProtocol::Http10 | ProxyProtocol::Http11 => {
                http::request(proxy, target, words);
                Step::Head
            }
            ProxyProtocol::Socks4 | ProxyProtocol::Socks4a => {
                socks::request4(proxy, target, words);
                Step::Reply4
            }
            ProxyProtocol::Socks5 => {
                socks::greeting5(proxy.user.as_ref(), words);
                self.turns[0] = words.len();
                if let Some(user) = &proxy.user {
                    socks::user5(user, words);
                }
                self.turns[1] = words.len();
                socks::request5(target, words);
                self.turns[2] = words.len();
                Step::Method5
            }
        };
        self.until = match self.step {
            Step::Method5 => self.turns[0],
            _ => self.words.len(),
        };
    }

    /// Forgets what was said, which holds a password.
    pub(super) fn end(&mut self) {
        self.words.zeroize();
        (self.said, self.until, self.start, self.end) = (0, 0, 0, 0);
        self.step = Step::Through;
    }

    /// What is to be said now.
    pub(super) fn to_say(&self) -> &[u8] {
        &self.words[self.said..self.until]
    }

    /// So many bytes of it were sent.
    pub(super) fn say(&mut self, len: usize) -> Result<(), ProxyFault> {
        self.said = (self.said + len).min(self.until);
        self.go_on()
    }

    /// Room for what the proxy says; never empty before the target is reached.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.heard[self.end..]
    }

    /// So many bytes came into the room.
    pub(super) fn hear(&mut self, len: usize) -> Result<(), ProxyFault> {
        self.end = (self.end + len).min(self.heard.len());
        self.go_on()
    }

    /// The proxy has closed the connection: what that means.
    pub(super) fn closed(&self) -> ProxyFault {
        match self.step {
            Step::Head => http::closed(&self.heard[self.start..self.end], self.with_user),
            // Some say nothing to a user they do not take.
            Step::Verdict5 if self.start == self.end => {
                ProxyFault::UserRefused(Text::lossy(b"it closed the connection"))
            }
            _ => ProxyFault::Closed,
        }
    }

    /// Whether the target was reached: what is sent and received from now on is not the proxy's.
    pub(super) fn is_through(&self) -> bool {
        self.step == Step::Through
    }

    /// Whether it sends back our own words.
    fn is_echo(&self) -> bool {
        let heard = &self.heard[self.start..self.end];
        let len = heard.len().min(self.said);
        len > 0 && heard[..len] == self.words[..len]
    }

    /// Whether something that followed the answer is still here.
    pub(super) fn has_rest(&self) -> bool {
        self.start < self.end
    }

    /// Moves as much as fits of what followed the answer.
    pub(super) fn take_rest(&mut self, room: &mut [u8]) -> usize {
        let rest = &self.heard[self.start..self.end];
        let len = rest.len().min(room.len());
        room[..len].copy_from_slice(&rest[..len]);
        self.start += len;
        len
    }

    fn go_on(&mut self) -> Result<(), ProxyFault> {
        // What comes before all was said is the answer to nothing yet.
        while self.step != Step::Through && self.said == self.until {
            let heard = &self.heard[self.start..self.end];
            let answer = match self.step {
                Step::Head | Step::Reply4 if self.is_echo() => return Err(ProxyFault::Echo),
                Step::Head => http::answer(heard, self.with_user)?,
                Step::Reply4 => socks::answer4(heard)?,
                Step::Method5 => match socks::method5(heard, self.with_user)? {
                    None => Answer::Incomplete,
                    Some(method) => {
                        (self.step, self.until) = match method {
                            Method::UserAndPassword => (Step::Verdict5, self.turns[1]),
                            Method::NoUser => {
                                self.said = self.turns[1];
                                (Step::Reply5, self.turns[2])
                            }
                        };
                        self.start += 2;
                        continue;
                    }
                },
                Step::Verdict5 => match socks::verdict5(heard)? {
                    Answer::Granted(len) => {
                        (self.step, self.until) = (Step::Reply5, self.turns[2]);
                        self.start += len;
                        continue;
                    }
                    incomplete => incomplete,
                },
                Step::Reply5 => socks::answer5(heard)?,
                Step::Through => return Ok(()),
            };
            match answer {
                Answer::Granted(len) => {
                    self.start += len;
                    self.step = Step::Through;
                }
                Answer::Incomplete if self.end == self.heard.len() => return Err(ProxyFault::TooLong),
                Answer::Incomplete => return Ok(()),
            }
        }
        match self.end == self.heard.len() && self.step != Step::Through {
            true => Err(ProxyFault::TooLong),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::config::Destination;

    const HOST: Target<'_> = Target::Name("venue", 0x1389);

    fn proxy(protocol: ProxyProtocol) -> Proxy {
        Proxy::new(protocol, "proxy:1".parse::<Destination>().unwrap())
    }

    /// Both sides of a conversation: what we must say, and what the proxy answers to it, in turn.
    struct Script {
        proxy: Proxy,
        turns: Vec<(&'static [u8], &'static [u8])>,
    }

    fn granted() -> Vec<Script> {
        let script = |proxy, turns: &[(&'static [u8], &'static [u8])]| Script {
            proxy,
            turns: turns.to_vec(),
        };
        vec![
            script(
                proxy(ProxyProtocol::Http10),
                &[(
                    b"CONNECT venue:5001 HTTP/1.0\r\nHost: venue:5001\r\n\r\n",
                    b"HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n",
                )],
            ),
            script(
                proxy(ProxyProtocol::Http11).user("me", "sesame"),
                &[(
                    b"CONNECT venue:5001 HTTP/1.1\r\nHost: venue:5001\r\n\
                      Proxy-Authorization: Basic bWU6c2VzYW1l\r\n\r\n",
                    b"HTTP/1.1 103 Wait\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
                )],
            ),
            script(
                proxy(ProxyProtocol::Socks4a).user("me", ""),
                &[(
                    b"\x04\x01\x13\x89\0\0\0\x01me\0venue\0",
                    b"\0\x5a\0\0\0\0\0\0",
                )],
            ),
            script(
                proxy(ProxyProtocol::Socks5),
                &[
                    (b"\x05\x01\0", b"\x05\0"),
                    (
                        b"\x05\x01\0\x03\x05venue\x13\x89",
                        b"\x05\0\0\x03\x04here\x04\x38",
                    ),
                ],
            ),
            script(
                proxy(ProxyProtocol::Socks5).user("me", "sesame"),
                &[
                    (b"\x05\x02\0\x02", b"\x05\x02"),
                    (b"\x01\x02me\x06sesame", b"\x01\0"),
                    (
                        b"\x05\x01\0\x03\x05venue\x13\x89",
                        b"\x05\0\0\x01\x7f\0\0\x01\x04\x38",
                    ),
                ],
            ),
            // It does not ask who we are although we would say it.
            script(
                proxy(ProxyProtocol::Socks5).user("me", "sesame"),
                &[
                    (b"\x05\x02\0\x02", b"\x05\0"),
                    (
                        b"\x05\x01\0\x03\x05venue\x13\x89",
                        b"\x05\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x04\x38",
                    ),
                ],
            ),
        ]
    }

    /// Sends at most `cut` bytes at a time. Answers what was said.
    fn say(talk: &mut Talk, cut: usize) -> Result<Vec<u8>, ProxyFault> {
        let mut said = Vec::new();
        while !talk.to_say().is_empty() {
            let len = talk.to_say().len().min(cut);
            said.extend_from_slice(&talk.to_say()[..len]);
            talk.say(len)?;
        }
        Ok(said)
    }

    fn hear(talk: &mut Talk, bytes: &[u8]) -> Result<(), ProxyFault> {
        talk.room()[..bytes.len()].copy_from_slice(bytes);
        talk.hear(bytes.len())
    }

    /// Goes through a script with every answer cut at `cuts`, `after` coming with the last of it. Answers
    /// what is left for the session.
    fn run(talk: &mut Talk, script: &Script, cuts: &[usize], after: &[u8]) -> Vec<u8> {
        talk.begin(&script.proxy, HOST);
        for (turn, (ours, theirs)) in script.turns.iter().enumerate() {
            assert_eq!(say(talk, cuts[0]).unwrap(), *ours);
            let last = turn + 1 == script.turns.len();
            let mut bytes = theirs.to_vec();
            if last {
                bytes.extend_from_slice(after);
            }
            let mut left = &bytes[..];
            let mut cut = cuts.iter().cycle();
            while !left.is_empty() && !talk.is_through() {
                let len = left.len().min(*cut.next().unwrap());
                hear(talk, &left[..len]).unwrap();
                left = &left[len..];
                assert!(!talk.is_through() || (last && left.len() <= after.len()));
            }
            if last {
                assert!(talk.is_through());
                let mut rest = vec![0; bytes.len()];
                let len = talk.take_rest(&mut rest);
                assert!(!talk.has_rest());
                rest.truncate(len);
                rest.extend_from_slice(left);
                return rest;
            }
        }
        unreachable!("a script has turns");
    }

    proptest! {
        #[test]
        fn every_answer_is_understood_however_it_is_cut_and_what_follows_is_kept(
            cuts in prop::collection::vec(1_usize..40, 1..8),
            after in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            // One after the other, as reconnects have it.
            let mut talk = Talk::new();
            for script in granted() {
                prop_assert_eq!(run(&mut talk, &script, &cuts, &after), after.clone());
            }
        }

        #[test]
        fn no_answer_is_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            for script in granted() {
                let mut talk = Talk::new();
                talk.begin(&script.proxy, HOST);
                let mut left = &bytes[..];
                loop {
                    if say(&mut talk, 7).is_err() || left.is_empty() || talk.is_through() {
                        break;
                    }
                    let len = left.len().min(11);
                    if hear(&mut talk, &left[..len]).is_err() {
                        break;
                    }
                    left = &left[len..];
                }
                // Whatever it was, it has a name.
                let _ = talk.closed();
            }
        }
    }

    #[test]
    fn every_answer_is_understood_with_one_cut_at_every_byte() {
        let mut talk = Talk::new();
        for script in granted() {
            let longest = script.turns.iter().map(|(_, theirs)| theirs.len()).max();
            for cut in 1..longest.unwrap() {
                let rest = run(&mut talk, &script, &[cut, usize::MAX], b"8=FIX.4.4");
                assert_eq!(rest, b"8=FIX.4.4");
            }
        }
    }

    fn refused(proxy: &Proxy, answers: &[&[u8]]) -> ProxyFault {
        let mut talk = Talk::new();
        talk.begin(proxy, HOST);
        for bytes in answers {
            let heard = say(&mut talk, 100).and_then(|_| hear(&mut talk, bytes));
            if let Err(fault) = heard.and_then(|()| say(&mut talk, 100).map(drop)) {
                return fault;
            }
        }
        assert!(!talk.is_through());
        talk.closed()
    }

    #[test]
    fn every_refusal_has_a_name() {
        let text = Text::lossy;
        let five = proxy(ProxyProtocol::Socks5);
        let user = proxy(ProxyProtocol::Socks5).user("me", "sesame");
        let closed = text(b"it closed the connection");
        let wanted = ProxyFault::UserWanted(text(b"no acceptable method without one"));
        assert_eq!(refused(&five, &[b"\x05\xff"]), wanted);
        assert_eq!(refused(&five, &[b"\x05\x02"]), wanted);
        assert_eq!(refused(&user, &[b"\x05\xff"]), ProxyFault::NoMethod);
        assert_eq!(
            refused(&user, &[b"\x05\x02", b"\x01\x01"]),
            ProxyFault::UserRefused(text(b"status 1"))
        );
        assert_eq!(
            refused(&user, &[b"\x05\x02"]),
            ProxyFault::UserRefused(closed)
        );
        for code in 1..=9 {
            let reply = [5, code];
            assert_eq!(
                refused(&five, &[b"\x05\0", &reply]),
                ProxyFault::Socks5(code)
            );
        }
        let four = proxy(ProxyProtocol::Socks4);
        for code in [91, 92, 93] {
            assert_eq!(refused(&four, &[&[0, code]]), ProxyFault::Socks4(code));
        }
        let http = proxy(ProxyProtocol::Http11);
        let line = text(b"HTTP/1.1 504 Late");
        let fault = ProxyFault::Status { code: 504, line };
        assert_eq!(refused(&http, &[b"HTTP/1.1 504 Late\r\n\r\n"]), fault);
        for proxy in [&http, &four, &five] {
            assert_eq!(refused(proxy, &[]), ProxyFault::Closed);
            let fault = refused(proxy, &[b"SSH-2.0-x\r\n"]);
            assert_eq!(fault, ProxyFault::NotAnAnswer(text(b"SSH-2.0-x\\r\\n")));
        }
    }

    #[test]
    fn an_echo_is_named_and_not_shown() {
        let http = proxy(ProxyProtocol::Http11).user("me", "sesame");
        let socks4 = proxy(ProxyProtocol::Socks4a).user("me", "");
        for proxy in [http, socks4] {
            for len in [1, 2, 9, usize::MAX] {
                let mut talk = Talk::new();
                talk.begin(&proxy, HOST);
                let said = say(&mut talk, 100).unwrap();
                let len = len.min(said.len());
                assert_eq!(hear(&mut talk, &said[..len]), Err(ProxyFault::Echo));
            }
        }
    }

    #[test]
    fn an_answer_without_end_is_given_up() {
        let http = proxy(ProxyProtocol::Http11);
        let mut talk = Talk::new();
        talk.begin(&http, HOST);
        say(&mut talk, 100).unwrap();
        let mut fault = hear(&mut talk, b"HTTP/1.1 200 OK\r\n");
        let mut heard = 0;
        while fault.is_ok() {
            fault = hear(&mut talk, b"X: y\r\n");
            heard += 6;
            assert!(heard <= HEARD_MAX);
            if talk.room().len() < 6 {
                let len = talk.room().len();
                fault = hear(&mut talk, &b"X: y\r\n"[..len]);
                break;
            }
        }
        assert_eq!(fault, Err(ProxyFault::TooLong));
    }

    #[test]
    fn what_was_said_is_forgotten() {
        let mut talk = Talk::new();
        talk.begin(&proxy(ProxyProtocol::Socks5).user("me", "sesame"), HOST);
        assert!(talk.words.windows(6).any(|bytes| bytes == b"sesame"));
        talk.end();
        assert!(talk.words.is_empty() && talk.to_say().is_empty());
        assert!(talk.words.capacity() >= SAID_MAX);
    }
}
