//! The header of the PROXY protocol, versions 1 and 2, as HAProxy's `proxy-protocol.txt` defines it, without
//! a socket and without a clock.
//!
//! ```text
//!  1   PROXY TCP4 client proxy port port CR LF          also TCP6, UNKNOWN; at most 107 bytes
//!
//!  2   CR LF CR LF NUL CR LF QUIT LF                    12 bytes
//!      2 | command                                      4 bits each: LOCAL 0, PROXY 1
//!      family | transport                               4 bits each
//!      length                                           2 bytes, of all that follows
//!      addresses | ports | TLVs
//! ```
//!
//! Invariant: its memory does not grow. What follows the addresses is skipped, not kept; what follows the
//! header is kept, for whoever uses the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::session::HeaderFault;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes of version 2 before addresses.
const HEAD: usize = 16;

const LINE_BEGIN: &[u8] = b"PROXY ";

/// With its end.
const LINE_BYTES_MAX: usize = 107;

/// The longest header of version 2 that is taken: addresses, and TLVs with a certificate among them.
const BYTES_MAX: usize = 8 * 1024;

/// More than the addresses of any family take.
const ROOM: usize = 256;

/// A header on its way.
pub(super) struct Header {
    bytes: [u8; ROOM],
    start: usize,
    end: usize,
    /// The header is read but for so many bytes of no interest, and says this of the client.
    read: Option<(usize, Option<SocketAddr>)>,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing yet.
    Incomplete,
    /// Who the client is; `None` if it is the proxy itself, or not known.
    Client(Option<SocketAddr>),
}

/// What a beginning of a header comes to.
enum Parsed {
    Incomplete,
    Whole {
        used: usize,
        /// So many bytes follow that are still the header's.
        skip: usize,
        client: Option<SocketAddr>,
    },
}

impl Header {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            start: 0,
            end: 0,
            read: None,
        }
    }

    /// Waits for another one.
    pub(super) fn begin(&mut self) {
        (self.start, self.end, self.read) = (0, 0, None);
    }

    /// Whether nothing has come.
    pub(super) fn is_untouched(&self) -> bool {
        self.end == 0 && self.read.is_none()
    }

    /// Whether the header is whole.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.read, Some((0, _)))
    }

    /// Room for more; never empty before the header is whole.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// So many bytes came into the room.
    pub(super) fn hear(&mut self, len: usize) -> Result<Said, HeaderFault> {
        self.end = (self.end + len).min(ROOM);
        if self.read.is_none() {
            match parse(&self.bytes[..self.end])? {
                Parsed::Incomplete if self.end == ROOM => return Err(HeaderFault::TooLong),
                Parsed::Incomplete => return Ok(Said::Incomplete),
                Parsed::Whole { used, skip, client } => {
                    self.start = used;
                    self.read = Some((skip, client));
                }
            }
        }
        let Some((skip, client)) = &mut self.read else {
            return Ok(Said::Incomplete);
        };
        let skipped = (self.end - self.start).min(*skip);
        self.start += skipped;
        *skip -= skipped;
        if *skip > 0 {
            (self.start, self.end) = (0, 0);
            return Ok(Said::Incomplete);
        }
        Ok(Said::Client(*client))
    }

    /// Whether something that followed the header is still here.
    pub(super) fn has_rest(&self) -> bool {
        self.start < self.end
    }

    /// Moves as much as fits of what followed the header.
    pub(super) fn take_rest(&mut self, room: &mut [u8]) -> usize {
        let rest = &self.bytes[self.start..self.end];
        let len = rest.len().min(room.len());
        room[..len].copy_from_slice(&rest[..len]);
        self.start += len;
        len
    }
}

/// Whether bytes begin like a header, on a connection where none is expected. `None` if there are too few to
/// tell.
pub(in crate::engine) fn begins_like_header(bytes: &[u8]) -> Option<bool> {
    if bytes.starts_with(LINE_BEGIN) || bytes.starts_with(SIGNATURE) {
        return Some(true);
    }
    let may_become = LINE_BEGIN.starts_with(bytes) || SIGNATURE.starts_with(bytes);
    (!may_become).then_some(false)
}

fn parse(bytes: &[u8]) -> Result<Parsed, HeaderFault> {
    let begins = |with: &[u8]| {
        let len = bytes.len().min(with.len());
        bytes[..len] == with[..len]
    };
    if begins(SIGNATURE) {
        return version2(bytes);
    }
    if begins(LINE_BEGIN) {
        return version1(bytes);
    }
    Err(HeaderFault::Missing)
}

fn version1(bytes: &[u8]) -> Result<Parsed, HeaderFault> {
    let within = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        return match within.len() == LINE_BYTES_MAX {
            true => Err(HeaderFault::TooLong),
            false => Ok(Parsed::Incomplete),
        };
    };
    let line = within[..end].strip_suffix(b"\r");
    let line = line.ok_or(HeaderFault::Malformed)?;
    let line = std::str::from_utf8(line).map_err(|_| HeaderFault::Malformed)?;
    Ok(Parsed::Whole {
        used: end + 1,
        skip: 0,
        client: client_of(line).ok_or(HeaderFault::Malformed)?,
    })
}

/// The client of a line without its end; `None` if the line is wrong.
fn client_of(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    let (Some("PROXY"), Some(protocol)) = (words.next(), words.next()) else {
        return None;
    };
    let address = |word: &str| match protocol {
        "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    if protocol == "UNKNOWN" {
        // Whatever follows means nothing.
        return Some(None);
    }
    let (client, _) = (address(words.next()?)?, address(words.next()?)?);
    let (port, _) = (port(words.next()?)?, port(words.next()?)?);
    let client = SocketAddr::new(client, port);
    words.next().is_none().then_some(Some(client))
}

/// A number without leading zeros.
fn port(word: &str) -> Option<u16> {
    let plain = word == "0" || !word.starts_with(['0', '+']);
    word.parse().ok().filter(|_| plain)
}

fn version2(bytes: &[u8]) -> Result<Parsed, HeaderFault> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    const STREAM: u8 = 1;
    let &[command, family, high, low] = bytes.get(SIGNATURE.len()..HEAD).unwrap_or_default() else {
        // The version tells as soon as it is there.
        return match bytes.get(SIGNATURE.len()) {
            None | Some(&(LOCAL | PROXY)) => Ok(Parsed::Incomplete),
            Some(_) => Err(HeaderFault::Version),
        };
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, LOCAL | PROXY) {
        return Err(HeaderFault::Version);
    }
    if HEAD + len > BYTES_MAX {
        return Err(HeaderFault::TooLong);
    }
    let (family, transport) = (family >> 4, family & 0x0f);
    // Other families and transports must be refused. Datagrams are no FIX.
    let addresses = match (family, transport) {
        _ if command == LOCAL => 0,
        (0, 0..=2) | (1..=3, 0) => 0,
        (1, STREAM) => 2 * (4 + 2),
        (2, STREAM) => 2 * (16 + 2),
        (3, STREAM) => 2 * 108,
        _ => return Err(HeaderFault::Malformed),
    };
    let skip = len.checked_sub(addresses).ok_or(HeaderFault::Malformed)?;
    let Some(said) = bytes.get(HEAD..HEAD + addresses) else {
        return Ok(Parsed::Incomplete);
    };
    let client = match *said {
        [a, b, c, d, _, _, _, _, high, low, _, _] => {
            let port = u16::from_be_bytes([high, low]);
            Some(SocketAddr::from(([a, b, c, d], port)))
        }
        _ if family == 2 => {
            let client = said.first_chunk::<16>();
            let port = said.get(32..34).and_then(<[u8]>::first_chunk::<2>);
            client.zip(port).map(|(client, port)| {
                SocketAddr::new(Ipv6Addr::from(*client).into(), u16::from_be_bytes(*port))
            })
        }
        // A path, or nothing.
        _ => None,
    };
    Ok(Parsed::Whole {
        used: HEAD + addresses,
        skip,
        client,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of version 2.
    fn two(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &len, body].concat()
    }

    fn inet(tlvs: usize) -> Vec<u8> {
        let mut body = vec![10, 1, 2, 3, 10, 0, 0, 1, 0xdc, 0x04, 0x13, 0x89];
        body.resize(12 + tlvs, 0xee);
        two(0x21, 0x11, &body)
    }

    fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let client = Some("10.1.2.3:56324");
        let client6 = Some("[2001:db8::7]:56324");
        let mut body6 = vec![0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        body6.extend([0; 16]);
        body6.extend([0xdc, 0x04, 0x13, 0x89, 1, 0, 2, 0xaa, 0xbb]);
        let line = |text: &str| text.as_bytes().to_vec();
        vec![
            (line("PROXY TCP4 10.1.2.3 10.0.0.1 56324 5001\r\n"), client),
            (line("PROXY TCP6 2001:db8::7 ::1 56324 5001\r\n"), client6),
            (line("PROXY UNKNOWN\r\n"), None),
            (line("PROXY UNKNOWN ffff::1 anything 1 2\r\n"), None),
            (inet(0), client),
            (inet(5), client),
            (inet(1000), client),
            (inet(BYTES_MAX - HEAD - 12), client),
            (two(0x21, 0x21, &body6), client6),
            (two(0x20, 0x00, &[]), None),
            (
                two(0x20, 0x11, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
                None,
            ),
            (two(0x20, 0x77, &[0; 300]), None),
            (two(0x21, 0x00, &[1, 2, 3]), None),
            (two(0x21, 0x31, &[b'x'; 216]), None),
            (two(0x21, 0x31, &[b'x'; 700]), None),
        ]
    }

    /// The client, and what is left for the session.
    type Read = (Option<SocketAddr>, Vec<u8>);

    /// Feeds bytes in pieces.
    fn read(header: &mut Header, bytes: &[u8], cuts: &[usize]) -> Result<Option<Read>, HeaderFault> {
        header.begin();
        let mut left = bytes;
        for cut in cuts.iter().cycle() {
            let len = left.len().min(*cut).min(header.room().len());
            if len == 0 {
                return Ok(None);
            }
            header.room()[..len].copy_from_slice(&left[..len]);
            left = &left[len..];
            if let Said::Client(client) = header.hear(len)? {
                assert!(header.is_whole());
                let mut rest = vec![0; ROOM];
                let len = header.take_rest(&mut rest);
                assert!(!header.has_rest());
                rest.truncate(len);
                rest.extend_from_slice(left);
                return Ok(Some((client, rest)));
            }
            assert!(!header.is_whole());
        }
        Ok(None)
    }

    proptest! {
        #[test]
        fn a_header_is_understood_however_it_is_cut_and_what_follows_is_kept(
            cuts in prop::collection::vec(1_usize..300, 1..8),
            after in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let mut header = Header::new();
            for (bytes, client) in good() {
                let client = client.map(|text| text.parse().unwrap());
                let bytes = [bytes, after.clone()].concat();
                let found = read(&mut header, &bytes, &cuts);
                prop_assert_eq!(found, Ok(Some((client, after.clone()))));
            }
        }

        #[test]
        fn nothing_is_too_strange(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            begin in 0_usize..4,
            cut in 1_usize..300,
        ) {
            let begin = [&b""[..], b"PROXY ", b"PROXY TCP4 ", SIGNATURE][begin];
            let bytes = [begin, &bytes].concat();
            let _ = read(&mut Header::new(), &bytes, &[cut]);
        }
    }

    #[test]
    fn a_header_cut_at_any_byte_is_understood_and_not_before_its_end() {
        let mut header = Header::new();
        for (bytes, _) in good() {
            for cut in 1..bytes.len().min(ROOM) {
                let whole = read(&mut header, &bytes, &[cut, usize::MAX]);
                assert!(matches!(whole, Ok(Some((_, rest))) if rest.is_empty()));
            }
            for end in (0..bytes.len().min(300)).chain([bytes.len() - 1]) {
                assert_eq!(read(&mut header, &bytes[..end], &[50]), Ok(None));
            }
        }
    }

    #[test]
    fn what_is_wrong_has_a_name() {
        let fault = |bytes: &[u8]| read(&mut Header::new(), bytes, &[usize::MAX]).unwrap_err();
        for line in [
            "PROXY\n",
            "PROXY  TCP4 10.1.2.3 10.0.0.1 1 2\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 1 2\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 1\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 1 2 3\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 1 02\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 70000 2\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 +1 2\r\n",
            "PROXY TCP4 10.1.2.3 x 1 2\r\n",
            "PROXY TCP4 10.1.2.03 10.0.0.1 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 10.1.2.3 10.0.0.1 1 2\r\n",
            "PROXY UDP4 10.1.2.3 10.0.0.1 1 2\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 1 \u{e9}\r\n",
        ] {
            let expected = match line.starts_with("PROXY ") {
                true => HeaderFault::Malformed,
                false => HeaderFault::Missing,
            };
            assert_eq!(fault(line.as_bytes()), expected, "{line}");
        }
        let endless = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        assert_eq!(fault(endless.as_bytes()), HeaderFault::TooLong);
        assert_eq!(fault(b"8=FIX.4.4\x019=5\x01"), HeaderFault::Missing);
        assert_eq!(fault(&[22, 3, 1, 2, 0, 1]), HeaderFault::Missing);
        assert_eq!(fault(&two(0x11, 0x11, &[0; 12])), HeaderFault::Version);
        assert_eq!(fault(&two(0x22, 0x11, &[0; 12])), HeaderFault::Version);
        assert_eq!(
            fault(&two(0x31, 0x11, &[0; 12])[..13]),
            HeaderFault::Version
        );
        assert_eq!(fault(&two(0x21, 0x11, &[0; 11])), HeaderFault::Malformed);
        assert_eq!(fault(&two(0x21, 0x21, &[0; 35])), HeaderFault::Malformed);
        assert_eq!(fault(&two(0x21, 0x12, &[0; 12])), HeaderFault::Malformed);
        assert_eq!(fault(&two(0x21, 0x41, &[0; 12])), HeaderFault::Malformed);
        assert_eq!(fault(&two(0x21, 0x11, &[0; 9000])), HeaderFault::TooLong);
    }
}
