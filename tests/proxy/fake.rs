//! A proxy of our own making: it speaks HTTP CONNECT and SOCKS to whoever connects, and does what a test
//! wants. Names that end in `.invalid` are loopback addresses to it, so that only the proxy can know them.
#![allow(dead_code)] // another test uses a part of it

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a proxy speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Http,
    Socks4,
    Socks5,
}

/// What it does with a target.
#[derive(Clone)]
pub enum Does {
    /// Connects to it.
    LetsThrough,
    /// Answers this and closes, if the target has this in it; else as above.
    Refuses(&'static str, &'static [u8]),
    /// Says yes, and this with it, as if the target had sent it.
    Adds(Vec<u8>),
    /// Connects to it, and begins with this.
    Announces(&'static [u8]),
    /// Nothing.
    Hangs,
}

pub struct Fake {
    pub address: SocketAddr,
    /// The targets as they were asked for, and the user that asked.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub fn start(speaks: Speaks, user: Option<&'static str>, does: Does) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, does) = (Arc::clone(&log), does.clone());
                // A peer that goes away in between is no failure of the proxy.
                thread::spawn(move || _ = serve(stream, speaks, user, &does, &log));
            }
        });
        Self { address, asked }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut peer: TcpStream,
    speaks: Speaks,
    user: Option<&str>,
    does: &Does,
    log: &Mutex<Vec<String>>,
) -> io::Result<()> {
    peer.set_nodelay(true)?;
    if matches!(does, Does::Hangs) {
        return io::copy(&mut peer, &mut io::sink()).map(drop);
    }
    let Some((target, who)) = question(&mut peer, speaks, user)? else {
        return Ok(());
    };
    log.lock().unwrap().push(format!("{target} {who}"));
    let mut yes = match speaks {
        Speaks::Http => b"HTTP/1.1 200 Connection established\r\nVia: fake\r\n\r\n".to_vec(),
        Speaks::Socks4 => vec![0, 90, 0, 0, 0, 0, 0, 0],
        Speaks::Socks5 => vec![5, 0, 0, 1, 127, 0, 0, 1, 4, 56],
    };
    match does {
        Does::Refuses(part, answer) if target.contains(part) => return peer.write_all(answer),
        Does::Adds(bytes) => {
            yes.extend_from_slice(bytes);
            peer.write_all(&yes)?;
            return io::copy(&mut peer, &mut io::sink()).map(drop);
        }
        _ => {}
    }
    let (host, port) = target.rsplit_once(':').unwrap();
    let host = match host.ends_with(".invalid") {
        true => "127.0.0.1",
        false => host.trim_start_matches('[').trim_end_matches(']'),
    };
    let mut venue = TcpStream::connect((host, port.parse().unwrap()))?;
    venue.set_nodelay(true)?;
    if let Does::Announces(header) = does {
        venue.write_all(header)?;
    }
    peer.write_all(&yes)?;
    let (mut from, mut to) = (venue.try_clone()?, peer.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let _ = io::copy(&mut peer, &mut venue);
    venue.shutdown(std::net::Shutdown::Write)
}

/// What is asked for, and by whom; `None` if that was not let in.
fn question(
    peer: &mut TcpStream,
    speaks: Speaks,
    user: Option<&str>,
) -> io::Result<Option<(String, String)>> {
    match speaks {
        Speaks::Http => http(peer, user),
        Speaks::Socks4 => {
            let [4, 1, high, low, a, b, c, d] = take(peer)? else {
                return Ok(None);
            };
            let who = until_zero(peer)?;
            let host = match [a, b, c, d] {
                [0, 0, 0, last] if last != 0 => until_zero(peer)?,
                address => Ipv4Addr::from(address).to_string(),
            };
            if user.is_some_and(|user| user != who) {
                peer.write_all(&[0, 93, 0, 0, 0, 0, 0, 0])?;
                return Ok(None);
            }
            let port = u16::from_be_bytes([high, low]);
            Ok(Some((format!("{host}:{port}"), who)))
        }
        Speaks::Socks5 => socks5(peer, user),
    }
}

fn http(peer: &mut TcpStream, user: Option<&str>) -> io::Result<Option<(String, String)>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let [byte] = take(peer)?;
        head.push(byte);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let mut lines = head.lines();
    let target = lines
        .next()
        .and_then(|line| line.strip_prefix("CONNECT ")?.split(' ').next())
        .ok_or(io::ErrorKind::InvalidData)?;
    let who = lines.find_map(|line| line.strip_prefix("Proxy-Authorization: Basic "));
    let who = who.unwrap_or_default().to_owned();
    if user.is_some_and(|user| user != who) {
        peer.write_all(
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\
              Proxy-Authenticate: Basic realm=\"fake\"\r\n\r\n<html>no</html>",
        )?;
        return Ok(None);
    }
    Ok(Some((target.to_owned(), who)))
}

fn socks5(peer: &mut TcpStream, user: Option<&str>) -> io::Result<Option<(String, String)>> {
    let [5, methods] = take(peer)? else {
        return Ok(None);
    };
    let mut offered = vec![0; methods.into()];
    peer.read_exact(&mut offered)?;
    let wanted = if user.is_some() { 2 } else { 0 };
    if !offered.contains(&wanted) {
        peer.write_all(&[5, 0xff])?;
        return Ok(None);
    }
    peer.write_all(&[5, wanted])?;
    let mut who = String::new();
    if let Some(user) = user {
        let [1] = take(peer)? else { return Ok(None) };
        who = format!("{}:{}", counted(peer)?, counted(peer)?);
        let will_do = who == user;
        peer.write_all(&[1, u8::from(!will_do)])?;
        if !will_do {
            return Ok(None);
        }
    }
    let [5, 1, 0, kind] = take(peer)? else {
        return Ok(None);
    };
    let host = match kind {
        1 => Ipv4Addr::from(take::<4>(peer)?).to_string(),
        4 => format!("[{}]", Ipv6Addr::from(take::<16>(peer)?)),
        _ => counted(peer)?,
    };
    let port = u16::from_be_bytes(take(peer)?);
    Ok(Some((format!("{host}:{port}"), who)))
}

fn take<const N: usize>(peer: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    peer.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn counted(peer: &mut TcpStream) -> io::Result<String> {
    let [len] = take(peer)?;
    let mut bytes = vec![0; len.into()];
    peer.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn until_zero(peer: &mut TcpStream) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        match take(peer)? {
            [0] => return String::from_utf8(text).map_err(io::Error::other),
            [byte] => text.push(byte),
        }
    }
}
