//! SOCKS 4, 4a and 5: what is asked, and what an answer means. RFC 1928, RFC 1929; SOCKS 4 and 4a as their
//! authors describe them.

use std::net::IpAddr;

use super::settings::{Proxy, ProxyProtocol, ProxyUser};
use super::talk::{Answer, Target, no_answer};
use crate::session::{ProxyFault, Text};

const CONNECT: u8 = 1;
const NO_USER: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;

/// ```text
///  4 | 1 | port | IPv4 address         | user 0
///  4 | 1 | port | 0.0.0.1              | user 0 host 0      (4a)
/// ```
pub(super) fn request4(proxy: &Proxy, target: Target<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[4, CONNECT]);
    let (port, address, host) = match target {
        Target::Address(at) => match at.ip().to_canonical() {
            IpAddr::V4(v4) => (at.port(), v4.octets(), None),
            // The settings let none through.
            IpAddr::V6(_) => (at.port(), [0; 4], None),
        },
        Target::Name(host, port) => (port, [0, 0, 0, 1], Some(host)),
    };
    out.extend_from_slice(&port.to_be_bytes());
    out.extend_from_slice(&address);
    if let Some(user) = &proxy.user {
        out.extend_from_slice(user.name.as_bytes());
    }
    out.push(0);
    if let (Some(host), ProxyProtocol::Socks4a) = (host, proxy.protocol) {
        out.extend_from_slice(host.as_bytes());
        out.push(0);
    }
}

/// ```text
///  0 | code | 6 bytes of no interest
/// ```
pub(super) fn answer4(bytes: &[u8]) -> Result<Answer, ProxyFault> {
    const LEN: usize = 8;
    match *bytes {
        [] | [0] => Ok(Answer::Incomplete),
        [0, 90, ..] if bytes.len() >= LEN => Ok(Answer::Granted(LEN)),
        [0, 90, ..] => Ok(Answer::Incomplete),
        [0, code, ..] => Err(ProxyFault::Socks4(code)),
        _ => Err(no_answer(bytes)),
    }
}

/// ```text
///  5 | how many | ways to say who we are
/// ```
pub(super) fn greeting5(user: Option<&ProxyUser>, out: &mut Vec<u8>) {
    match user {
        None => out.extend_from_slice(&[5, 1, NO_USER]),
        Some(_) => out.extend_from_slice(&[5, 2, NO_USER, USER_AND_PASSWORD]),
    }
}

/// What a proxy wants to know before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    NoUser,
    UserAndPassword,
}

/// ```text
///  5 | way
/// ```
pub(super) fn method5(bytes: &[u8], with_user: bool) -> Result<Option<Method>, ProxyFault> {
    match *bytes {
        [] | [5] => Ok(None),
        [5, NO_USER, ..] => Ok(Some(Method::NoUser)),
        [5, USER_AND_PASSWORD, ..] if with_user => Ok(Some(Method::UserAndPassword)),
        [5, NONE_ACCEPTABLE, ..] if with_user => Err(ProxyFault::NoMethod),
        [5, NONE_ACCEPTABLE | USER_AND_PASSWORD, ..] => {
            let said = Text::lossy(b"no acceptable method without one");
            Err(ProxyFault::UserWanted(said))
        }
        _ => Err(no_answer(bytes)),
    }
}

/// ```text
///  1 | length | user | length | password
/// ```
pub(super) fn user5(user: &ProxyUser, out: &mut Vec<u8>) {
    out.push(1);
    for part in [&user.name, &user.password] {
        out.push(u8::try_from(part.len()).unwrap_or_default());
        out.extend_from_slice(part.as_bytes());
    }
}

/// ```text
///  1 | 0 if it will do
/// ```
pub(super) fn verdict5(bytes: &[u8]) -> Result<Answer, ProxyFault> {
    match *bytes {
        [] | [1] => Ok(Answer::Incomplete),
        [1, 0, ..] => Ok(Answer::Granted(2)),
        [1, code, ..] => {
            let mut said = Text::EMPTY;
            // It fits.
            let _ = std::fmt::Write::write_fmt(&mut said, format_args!("status {code}"));
            Err(ProxyFault::UserRefused(said))
        }
        _ => Err(no_answer(bytes)),
    }
}

/// ```text
///  5 | 1 | 0 | 1 | IPv4 address  | port
///              3 | length | host | port
///              4 | IPv6 address  | port
/// ```
pub(super) fn request5(target: Target<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[5, CONNECT, 0]);
    let port = match target {
        Target::Address(at) => {
            match at.ip() {
                IpAddr::V4(v4) => {
                    out.push(1);
                    out.extend_from_slice(&v4.octets());
                }
                IpAddr::V6(v6) => {
                    out.push(4);
                    out.extend_from_slice(&v6.octets());
                }
            }
            at.port()
        }
        Target::Name(host, port) => {
            out.extend_from_slice(&[3, u8::try_from(host.len()).unwrap_or_default()]);
            out.extend_from_slice(host.as_bytes());
            port
        }
    };
    out.extend_from_slice(&port.to_be_bytes());
}

/// As [`request5`], with a reply code in the place of the command.
pub(super) fn answer5(bytes: &[u8]) -> Result<Answer, ProxyFault> {
    let len = match *bytes {
        [] | [5] => return Ok(Answer::Incomplete),
        // Some send no address with it.
        [5, code, ..] if code != 0 => return Err(ProxyFault::Socks5(code)),
        [5, 0] | [5, 0, _] | [5, 0, _, 3] => return Ok(Answer::Incomplete),
        [5, 0, _, 1, ..] => 4 + 4 + 2,
        [5, 0, _, 4, ..] => 4 + 16 + 2,
        [5, 0, _, 3, host, ..] => 4 + 1 + usize::from(host) + 2,
        _ => return Err(no_answer(bytes)),
    };
    match bytes.len() >= len {
        true => Ok(Answer::Granted(len)),
        false => Ok(Answer::Incomplete),
    }
}
