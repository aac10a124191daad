//! TCP payload of a capture file: segments put in order, connection by connection, and cut into messages.
//!
//! A capture may begin in the middle of a connection and may have lost segments. After such a hole reading goes on with
//! the next segment, which as a rule begins with a message; one that does not is told and skipped.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use etherparse::{EtherType, NetSlice, SlicedPacket, TransportSlice};
use jiff::Timestamp;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use pinfix::wire::sbe::{Cut, cut};

use super::{LIMIT, Printer};

/// Segments that wait for one before them; with more, that one counts as lost.
const WAITING_MAX: usize = 256;

/// Prints the messages of a file.
pub fn print<W: Write>(path: &Path, printer: &mut Printer<W>) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut reader = create_reader(1 << 20, file)
        .map_err(|error| anyhow!("{}: no capture: {error}", path.display()))?;
    let mut links = Vec::new();
    let mut streams = HashMap::new();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                packet(block, &mut links, &mut streams, printer)?;
                reader.consume(offset);
            }
            Err(PcapError::Eof) => break,
            Err(PcapError::Incomplete(_)) => reader
                .refill()
                .map_err(|error| anyhow!("{}: cut short: {error}", path.display()))?,
            Err(PcapError::UnexpectedEof) => {
                return Err(anyhow!(
                    "{}: cut short: its last packet has no end",
                    path.display()
                ));
            }
            Err(error) => return Err(anyhow!("{}: {error}", path.display())),
        }
    }
    // In a fixed order, for what the file's end leaves open.
    let mut left: Vec<(Ends, Stream)> = streams.into_iter().collect();
    left.sort_by_key(|(ends, _)| (ends.from, ends.to));
    for (ends, mut stream) in left {
        while !stream.waiting.is_empty() {
            stream.give_up_hole(&ends, printer)?;
        }
        if !stream.bytes.is_empty() {
            let before = ends.before(stream.at);
            printer.note(
                &before,
                &format!("{} bytes of a message that has no end", stream.bytes.len()),
            )?;
        }
    }
    Ok(())
}

/// How an interface of the capture wraps packets, and its unit of time.
#[derive(Clone, Copy)]
struct Link {
    kind: Linktype,
    ticks_per_second: u64,
    offset_s: i64,
}

fn packet<W: Write>(
    block: PcapBlockOwned<'_>,
    links: &mut Vec<Link>,
    streams: &mut HashMap<Ends, Stream>,
    printer: &mut Printer<W>,
) -> anyhow::Result<()> {
    let (link, at, data) = match &block {
        PcapBlockOwned::LegacyHeader(header) => {
            let ticks_per_second = if header.is_nanosecond_precision() {
                1_000_000_000
            } else {
                1_000_000
            };
            links.push(Link {
                kind: header.network,
                ticks_per_second,
                offset_s: 0,
            });
            return Ok(());
        }
        PcapBlockOwned::Legacy(packet) => {
            let Some(&link) = links.first() else {
                return Ok(());
            };
            let ns = u64::from(packet.ts_usec) * (1_000_000_000 / link.ticks_per_second);
            let at = i128::from(packet.ts_sec) * 1_000_000_000 + i128::from(ns);
            (link, at, packet.data)
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            links.clear();
            return Ok(());
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
            links.push(Link {
                kind: interface.linktype,
                ticks_per_second: interface.ts_resolution().unwrap_or(1_000_000).max(1),
                offset_s: interface.ts_offset(),
            });
            return Ok(());
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let Some(&link) = usize::try_from(packet.if_id)
                .ok()
                .and_then(|id| links.get(id))
            else {
                return Ok(());
            };
            let ticks = i128::from(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low));
            let ns = ticks * 1_000_000_000 / i128::from(link.ticks_per_second);
            let length = usize::try_from(packet.caplen)
                .unwrap_or(usize::MAX)
                .min(packet.data.len());
            (
                link,
                ns + i128::from(link.offset_s) * 1_000_000_000,
                &packet.data[..length],
            )
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            // Of the first interface, and without a time.
            let Some(&link) = links.first() else {
                return Ok(());
            };
            let length = usize::try_from(packet.origlen)
                .unwrap_or(usize::MAX)
                .min(packet.data.len());
            (link, 0, &packet.data[..length])
        }
        PcapBlockOwned::NG(_) => return Ok(()),
    };
    let sliced = match link.kind {
        Linktype::ETHERNET => SlicedPacket::from_ethernet(data),
        Linktype::LINUX_SLL => SlicedPacket::from_linux_sll(data),
        Linktype::LINUX_SLL2 => match cooked(data) {
            Some((ether_type, packet)) => SlicedPacket::from_ether_type(ether_type, packet),
            None => return Ok(()),
        },
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => SlicedPacket::from_ip(data),
        // BSD loopback: four bytes of an address family before the packet.
        Linktype::NULL | Linktype::LOOP => SlicedPacket::from_ip(data.get(4..).unwrap_or_default()),
        other => {
            return Err(anyhow!(
                "packets of link type {} cannot be taken apart, expected Ethernet ({}), Linux cooked ({}, {}), \
                 raw IP ({}, {}, {}) or BSD loopback ({}, {})",
                other.0,
                Linktype::ETHERNET.0,
                Linktype::LINUX_SLL.0,
                Linktype::LINUX_SLL2.0,
                Linktype::RAW.0,
                Linktype::IPV4.0,
                Linktype::IPV6.0,
                Linktype::NULL.0,
                Linktype::LOOP.0,
            ));
        }
    };
    // What is no sound TCP over IP is not ours.
    let Ok(sliced) = sliced else { return Ok(()) };
    let (Some(net), Some(TransportSlice::Tcp(tcp))) = (&sliced.net, &sliced.transport) else {
        return Ok(());
    };
    let (from, to): (IpAddr, IpAddr) = match net {
        NetSlice::Ipv4(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        NetSlice::Ipv6(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        NetSlice::Arp(_) => return Ok(()),
    };
    let ends = Ends {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
    };
    let stream = streams.entry(ends).or_default();
    stream.at = at;
    let mut number = tcp.sequence_number();
    if tcp.syn() {
        // A connection begins; what was before it on the same ports is another.
        number = number.wrapping_add(1);
        *stream = Stream {
            at,
            next: Some(number),
            ..Stream::default()
        };
    }
    if !tcp.payload().is_empty() {
        stream.segment(number, tcp.payload(), &ends, printer)?;
    }
    Ok(())
}

/// What is in a packet of the second form of Linux cooked captures: 20 bytes, which begin with the type of
/// what follows them.
fn cooked(data: &[u8]) -> Option<(EtherType, &[u8])> {
    let (head, packet) = data.split_at_checked(20)?;
    Some((EtherType(u16::from_be_bytes([head[0], head[1]])), packet))
}

/// One direction of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    from: SocketAddr,
    to: SocketAddr,
}

impl Ends {
    fn before(&self, at: i128) -> String {
        let at = Timestamp::from_nanosecond(at).unwrap_or_default();
        format!("{at:.9} {self} ")
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.from, self.to)
    }
}

/// The bytes of one direction.
#[derive(Default)]
struct Stream {
    /// Time of the last packet, ns since 1970.
    at: i128,
    /// Sequence number of the next byte, once known.
    next: Option<u32>,
    /// Segments behind a hole.
    waiting: BTreeMap<u32, Vec<u8>>,
    /// In order, and not yet a whole message.
    bytes: Vec<u8>,
}

impl Stream {
    fn segment<W: Write>(
        &mut self,
        number: u32,
        payload: &[u8],
        ends: &Ends,
        printer: &mut Printer<W>,
    ) -> anyhow::Result<()> {
        let next = *self.next.get_or_insert(number);
        let ahead = number.wrapping_sub(next).cast_signed();
        if ahead > 0 {
            // One that was sent again may be longer.
            let kept = self.waiting.entry(number).or_default();
            if kept.len() < payload.len() {
                *kept = payload.to_vec();
            }
            if self.waiting.len() > WAITING_MAX {
                self.give_up_hole(ends, printer)?;
            }
            return Ok(());
        }
        self.accept(number, payload, ends, printer)?;
        self.accept_waiting(ends, printer)
    }

    /// Takes what is new of a segment that begins at the next byte or before it.
    fn accept<W: Write>(
        &mut self,
        number: u32,
        payload: &[u8],
        ends: &Ends,
        printer: &mut Printer<W>,
    ) -> anyhow::Result<()> {
        let next = self.next.unwrap_or(number);
        let known = usize::try_from(next.wrapping_sub(number)).unwrap_or(usize::MAX);
        let Some(new) = payload.get(known..) else {
            return Ok(());
        };
        self.next = Some(next.wrapping_add(u32::try_from(new.len()).unwrap_or(0)));
        self.bytes.extend_from_slice(new);
        self.cut(ends, printer)
    }

    fn accept_waiting<W: Write>(
        &mut self,
        ends: &Ends,
        printer: &mut Printer<W>,
    ) -> anyhow::Result<()> {
        while let Some(next) = self.next {
            let ready = self
                .waiting
                .keys()
                .copied()
                .find(|number| number.wrapping_sub(next).cast_signed() <= 0);
            let Some(payload) =
                ready.and_then(|number| self.waiting.remove(&number).map(|bytes| (number, bytes)))
            else {
                break;
            };
            self.accept(payload.0, &payload.1, ends, printer)?;
        }
        Ok(())
    }

    /// Goes on behind the hole: with the nearest segment that waits.
    fn give_up_hole<W: Write>(&mut self, ends: &Ends, printer: &mut Printer<W>) -> anyhow::Result<()> {
        let next = self.next.unwrap_or(0);
        let Some(nearest) = self
            .waiting
            .keys()
            .copied()
            .min_by_key(|number| number.wrapping_sub(next))
        else {
            return Ok(());
        };
        let lost = nearest.wrapping_sub(next);
        printer.note(
            &ends.before(self.at),
            &format!("{lost} bytes are not in the capture"),
        )?;
        self.bytes.clear();
        self.next = Some(nearest);
        self.accept_waiting(ends, printer)
    }

    fn cut<W: Write>(&mut self, ends: &Ends, printer: &mut Printer<W>) -> anyhow::Result<()> {
        let before = ends.before(self.at);
        let mut used = 0;
        loop {
            match cut(&self.bytes[used..], LIMIT) {
                Cut::Frame { len } => {
                    printer.frame(&before, &self.bytes[used..used + len])?;
                    used += len;
                }
                Cut::Incomplete { .. } => break,
                Cut::Broken(why) => {
                    printer.note(
                        &before,
                        &format!("{why}; the rest of the segment is skipped"),
                    )?;
                    used = self.bytes.len();
                    break;
                }
            }
        }
        self.bytes.drain(..used);
        Ok(())
    }
}
