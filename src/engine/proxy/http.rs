//! HTTP CONNECT: what is asked, and what an answer means. RFC 9110 section 9.3.6, RFC 9112.

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use super::settings::{Proxy, ProxyProtocol};
use super::talk::{Answer, Target, no_answer};
use crate::session::{ProxyFault, Text};

/// The longest user, a colon, the longest password, and four characters for three bytes of them.
const BASIC_BYTES_MAX: usize = (255 + 1 + 255_usize).div_ceil(3) * 4;

const BEGIN: &[u8] = b"HTTP/1.";

/// Writes the request.
pub(super) fn request(proxy: &Proxy, target: Target<'_>, out: &mut Vec<u8>) {
    let version = match proxy.protocol {
        ProxyProtocol::Http10 => "1.0",
        _ => "1.1",
    };
    out.extend_from_slice(b"CONNECT ");
    target.write(out);
    out.extend_from_slice(b" HTTP/");
    out.extend_from_slice(version.as_bytes());
    out.extend_from_slice(b"\r\nHost: ");
    target.write(out);
    if let Some(user) = &proxy.user {
        // RFC 7617 section 2.
        let mut plain = Zeroizing::new([0; 255 + 1 + 255]);
        let mut len = 0;
        for part in [user.name.as_bytes(), b":", user.password.as_bytes()] {
            if let Some(room) = plain.get_mut(len..len + part.len()) {
                room.copy_from_slice(part);
                len += part.len();
            }
        }
        let mut encoded = Zeroizing::new([0; BASIC_BYTES_MAX]);
        if let Ok(encoded) = Base64::encode(&plain[..len], &mut *encoded) {
            out.extend_from_slice(b"\r\nProxy-Authorization: Basic ");
            out.extend_from_slice(encoded.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// Reads an answer from its beginning. Answers how long its head is, once it is whole and lets us through.
pub(super) fn answer(bytes: &[u8], with_user: bool) -> Result<Answer, ProxyFault> {
    let mut from = 0;
    loop {
        let head = &bytes[from..];
        let begins = head.len().min(BEGIN.len());
        if head[..begins] != BEGIN[..begins] {
            return Err(no_answer(head));
        }
        let Some(len) = end_of_head(head) else {
            return Ok(Answer::Incomplete);
        };
        match code(head) {
            // Says that the answer is still to come (RFC 9110 section 15.2).
            Some(100..=199) => from += len,
            // Anything that says how long a body is means nothing here.
            Some(200..=299) => return Ok(Answer::Granted(from + len)),
            _ => return Err(refusal(&head[..len], with_user)),
        }
    }
}

/// The connection has ended. A status line that is whole says why.
pub(super) fn closed(bytes: &[u8], with_user: bool) -> ProxyFault {
    match line(bytes) {
        Some(first) if first.len() < bytes.len() && code(bytes).is_some_and(|code| code >= 300) => {
            refusal(bytes, with_user)
        }
        _ => ProxyFault::Closed,
    }
}

fn refusal(head: &[u8], with_user: bool) -> ProxyFault {
    let said = Text::lossy(line(head).unwrap_or_default());
    match code(head) {
        Some(407) => match (offered(head), with_user) {
            (Some(others), _) => ProxyFault::Scheme(others),
            (None, true) => ProxyFault::UserRefused(said),
            (None, false) => ProxyFault::UserWanted(said),
        },
        // It is that of a server, and yet what tinyproxy answers to a user it does not take.
        Some(401) if with_user => ProxyFault::UserRefused(said),
        Some(code) => ProxyFault::Status { code, line: said },
        None => no_answer(head),
    }
}

/// The schemes a proxy takes, if Basic is none of them (RFC 9110 section 11.7.1).
fn offered(head: &[u8]) -> Option<Text> {
    const NAME: &[u8] = b"Proxy-Authenticate:";
    let mut rest = head;
    let mut schemes = Text::EMPTY;
    while let Some(header) = line(rest) {
        rest = &rest[(header.len() + 1).min(rest.len())..];
        let Some((name, value)) = header.split_at_checked(NAME.len()) else {
            continue;
        };
        if !name.eq_ignore_ascii_case(NAME) {
            continue;
        }
        // Of a list in one line only its first is sure to be a scheme; the others may be parameters.
        for part in value.split(|byte| *byte == b',') {
            let part = part.trim_ascii();
            let end = part.iter().position(|byte| *byte == b' ');
            let scheme = &part[..end.unwrap_or(part.len())];
            if scheme.eq_ignore_ascii_case(b"Basic") {
                return None;
            }
            if !scheme.is_empty() && !scheme.iter().any(|byte| b"=\"".contains(byte)) {
                let between = if schemes.is_empty() { "" } else { ", " };
                let name = std::str::from_utf8(scheme).unwrap_or("?");
                // What does not fit is cut.
                let _ = std::fmt::Write::write_fmt(&mut schemes, format_args!("{between}{name}"));
            }
        }
    }
    (!schemes.is_empty()).then_some(schemes)
}

/// The first line, without its end; all there is if none has ended.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.is_empty() {
        return None;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let line = &bytes[..end.unwrap_or(bytes.len())];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// `HTTP/1.1 200 Connection established`
fn code(head: &[u8]) -> Option<u16> {
    let digits = head.get(BEGIN.len() + 1..BEGIN.len() + 5)?;
    let [b' ', digits @ ..] = digits else {
        return None;
    };
    let code: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (100..=599).contains(&code).then_some(code)
}

/// After the empty line. A lone line feed ends a line too (RFC 9112 section 2.2).
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = at + bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
        if matches!(&bytes[at..end], b"\n" | b"\r\n") {
            return Some(end);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_the_target_twice_and_the_user_in_base64() {
        let proxy = Proxy::new(
            ProxyProtocol::Http11,
            std::net::SocketAddr::from(([10, 0, 0, 1], 3128)),
        );
        let target = Target::Name("fix.example.com", 5001);
        let mut out = Vec::new();
        request(&proxy, target, &mut out);
        let expected = b"CONNECT fix.example.com:5001 HTTP/1.1\r\nHost: fix.example.com:5001\r\n\r\n";
        assert_eq!(out, expected);
        out.clear();
        // The example of RFC 7617 section 2.
        let proxy = proxy.user("Aladdin", "open sesame");
        request(
            &proxy,
            Target::Address("[::1]:7".parse().unwrap()),
            &mut out,
        );
        let expected = b"CONNECT [::1]:7 HTTP/1.1\r\nHost: [::1]:7\r\n\
            Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert_eq!(out, expected);
    }

    #[test]
    fn an_answer_is_told_from_a_refusal_and_from_what_is_neither() {
        let granted = |bytes: &[u8], len| {
            assert_eq!(answer(bytes, false), Ok(Answer::Granted(len)));
        };
        granted(b"HTTP/1.0 200 OK\r\n\r\nrest", 19);
        granted(b"HTTP/1.1 204\n\nrest", 14);
        granted(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
            63,
        );
        let refused = |bytes: &[u8], user| answer(bytes, user).unwrap_err();
        let head = b"HTTP/1.1 403 Forbidden\r\nServer: x\r\n\r\n<html>";
        let line = Text::lossy(b"HTTP/1.1 403 Forbidden");
        assert_eq!(refused(head, false), ProxyFault::Status { code: 403, line });
        let head = b"HTTP/1.1 407 Who?\r\nproxy-authenticate: Basic realm=\"a\"\r\n\r\n";
        let line = Text::lossy(b"HTTP/1.1 407 Who?");
        assert_eq!(refused(head, false), ProxyFault::UserWanted(line));
        assert_eq!(refused(head, true), ProxyFault::UserRefused(line));
        let head =
            b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n";
        let others = Text::lossy(b"Negotiate, NTLM");
        assert_eq!(refused(head, true), ProxyFault::Scheme(others));
        let head = b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: NTLM, Basic realm=\"a, b\"\r\n\r\n";
        assert_eq!(refused(head, true), ProxyFault::UserRefused(line));
        for bytes in [
            &b"\x05\xff"[..],
            b"SSH-2.0",
            b"HTTP/2 200",
            b"HTTP/1.1 2x0 OK\r\n\r\n",
        ] {
            let fault = refused(bytes, false);
            assert!(matches!(fault, ProxyFault::NotAnAnswer(_)), "{fault}");
        }
    }

    #[test]
    fn a_status_line_tells_although_the_rest_did_not_come() {
        let line = Text::lossy(b"HTTP/1.0 502 Bad Gateway");
        let fault = closed(b"HTTP/1.0 502 Bad Gateway\r\nVia: x", false);
        assert_eq!(fault, ProxyFault::Status { code: 502, line });
        assert_eq!(closed(b"HTTP/1.0 502 Bad", false), ProxyFault::Closed);
        assert_eq!(closed(b"HTTP/1.0 200 OK\r\n", false), ProxyFault::Closed);
        assert_eq!(closed(b"", false), ProxyFault::Closed);
    }
}
