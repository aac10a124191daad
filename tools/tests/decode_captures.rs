//! Captures in the forms that `pinfix decode --pcap` reads, made here byte by byte.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod command;

use std::fs;

use pinfix::wire::sbe::{build, ilink3};

/// How the file is laid out.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// pcap, microseconds.
    Micros,
    /// pcap, nanoseconds.
    Nanos,
    /// pcap, microseconds, of a machine of the other byte order.
    Swapped,
    /// pcapng, with the resolution of time of its interface as a power of ten.
    Ng(u8),
    /// pcapng of a machine of the other byte order, microseconds.
    NgSwapped,
    /// pcapng whose packets have no time.
    Simple,
}

/// How a packet is wrapped.
#[derive(Clone, Copy, Debug)]
enum Wrap {
    Ethernet,
    /// One VLAN tag.
    Vlan,
    /// Two of them, the outer one of a provider.
    TwoVlans,
    Cooked,
    Cooked2,
    Raw,
    Null,
}

impl Wrap {
    fn link_type(self) -> u16 {
        match self {
            Self::Ethernet | Self::Vlan | Self::TwoVlans => 1,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
            Self::Raw => 101,
            Self::Null => 0,
        }
    }

    fn wrap(self, is_v6: bool, packet: &[u8]) -> Vec<u8> {
        let ether_type: [u8; 2] = if is_v6 { [0x86, 0xDD] } else { [8, 0] };
        let macs = [0x02; 12];
        let before = match self {
            Self::Ethernet => [&macs[..], &ether_type].concat(),
            Self::Vlan => [&macs[..], &[0x81, 0, 0, 7], &ether_type].concat(),
            Self::TwoVlans => {
                let tags = [0x88, 0xA8, 0, 9, 0x81, 0, 0, 7];
                [&macs[..], &tags, &ether_type].concat()
            }
            // Packet type, ARPHRD_ETHER, length of the address, the address, then the type.
            Self::Cooked => {
                let head = [0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0];
                [&head[..], &ether_type].concat()
            }
            // The type, two of nothing, the interface, ARPHRD_ETHER, packet type, length of the address,
            // the address.
            Self::Cooked2 => {
                let tail = [0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0];
                [&ether_type[..], &tail].concat()
            }
            Self::Raw => Vec::new(),
            Self::Null => [if is_v6 { 24 } else { 2 }, 0, 0, 0].to_vec(),
        };
        [&before, packet].concat()
    }
}

const SYN: u8 = 2;
const ACK: u8 = 0x10;

fn packet(is_v6: bool, number: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut tcp = [5000_u16.to_be_bytes(), 9000_u16.to_be_bytes()].concat();
    tcp.extend(number.to_be_bytes());
    tcp.extend([0; 4]);
    // Eight words: options are there to be passed over.
    tcp.extend([0x80, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
    tcp.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
    tcp.extend(payload);
    let length = u16::try_from(tcp.len()).unwrap();
    let mut ip = if is_v6 {
        let mut ip = vec![0x60, 0, 0, 0];
        ip.extend(length.to_be_bytes());
        ip.extend([6, 64]);
        ip.extend([0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        ip.extend([0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        ip
    } else {
        let mut ip = vec![0x45, 0];
        ip.extend((20 + length).to_be_bytes());
        ip.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 9]);
        ip
    };
    ip.extend(tcp);
    ip
}

/// 2025-11-22T06:40:00 and so many nanoseconds.
const SECOND: u64 = 1_763_793_600;
const NANOS: u64 = 123_456_789;

impl Form {
    fn is_swapped(self) -> bool {
        matches!(self, Self::Swapped | Self::NgSwapped)
    }

    fn u16(self, value: u16) -> [u8; 2] {
        match self.is_swapped() {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        match self.is_swapped() {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        }
    }

    /// A block of pcapng.
    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = self.u32(u32::try_from(12 + padded).unwrap());
        let mut block = [self.u32(kind), length].concat();
        block.extend(body);
        block.resize(8 + padded, 0);
        block.extend(length);
        block
    }

    fn head(self, link_type: u16) -> Vec<u8> {
        match self {
            Self::Micros | Self::Nanos | Self::Swapped => {
                let magic = match self {
                    Self::Nanos => 0xA1B2_3C4D,
                    _ => 0xA1B2_C3D4,
                };
                let mut head = self.u32(magic).to_vec();
                head.extend([self.u16(2), self.u16(4)].concat());
                head.extend([0; 8]);
                head.extend(self.u32(65_535));
                head.extend(self.u32(link_type.into()));
                head
            }
            Self::Ng(_) | Self::NgSwapped | Self::Simple => {
                let mut section = self.u32(0x1A2B_3C4D).to_vec();
                section.extend([self.u16(1), self.u16(0)].concat());
                section.extend([0xFF; 8]);
                let mut interface = [self.u16(link_type), [0, 0]].concat();
                interface.extend(self.u32(0));
                if let Self::Ng(digits) = self {
                    // if_tsresol, padded, and the end of the options.
                    interface.extend([self.u16(9), self.u16(1)].concat());
                    interface.extend([digits, 0, 0, 0, 0, 0, 0, 0]);
                }
                // A block of names, which tell nothing here.
                let names = self.block(4, &[0; 4]);
                let section = self.block(0x0A0D_0D0A, &section);
                [section, self.block(1, &interface), names].concat()
            }
        }
    }

    fn record(self, frame: &[u8]) -> Vec<u8> {
        let length = self.u32(u32::try_from(frame.len()).unwrap());
        let part = match self {
            Self::Nanos => NANOS,
            _ => NANOS / 1000,
        };
        match self {
            Self::Micros | Self::Nanos | Self::Swapped => {
                let mut record = self.u32(SECOND as u32).to_vec();
                record.extend(self.u32(part as u32));
                record.extend([length, length].concat());
                record.extend(frame);
                record
            }
            Self::Simple => self.block(3, &[&length[..], frame].concat()),
            Self::Ng(_) | Self::NgSwapped => {
                let digits = match self {
                    Self::Ng(digits) => digits,
                    _ => 6,
                };
                let whole = SECOND * 1_000_000_000 + NANOS;
                let ticks = whole / 10_u64.pow(9 - u32::from(digits));
                let mut body = self.u32(0).to_vec();
                body.extend(self.u32((ticks >> 32) as u32));
                body.extend(self.u32(ticks as u32));
                body.extend([length, length].concat());
                body.extend(frame);
                self.block(6, &body)
            }
        }
    }

    /// What is printed as the time.
    fn time(self) -> &'static str {
        match self {
            Self::Nanos | Self::Ng(9) => "2025-11-22T06:40:00.123456789Z",
            Self::Ng(3) => "2025-11-22T06:40:00.123000000Z",
            Self::Simple => "1970-01-01T00:00:00.000000000Z",
            _ => "2025-11-22T06:40:00.123456000Z",
        }
    }
}

fn sequence(next: u32) -> Vec<u8> {
    let next = next.to_string();
    let fields = [("UUID", "7"), ("NextSeqNo", next.as_str())];
    build(&ilink3::SCHEMA, "Sequence", 9, &fields).unwrap()
}

fn decoded(bytes: &[u8]) -> command::Finished {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture");
    fs::write(&path, bytes).unwrap();
    command::run(&["decode", "--line", "--pcap", path.to_str().unwrap()])
}

/// Five messages over segments that are cut anywhere, come out of order, again, again with more behind,
/// and with bytes behind the packet that only fill the frame.
fn check(form: Form, wrap: Wrap, is_v6: bool) {
    let stream: Vec<u8> = (1..=5).flat_map(sequence).collect();
    let start = u32::MAX - 40; // the numbers wrap within the stream
    let piece = |from: usize, to: usize| {
        let number = start.wrapping_add(from as u32);
        packet(is_v6, number, ACK, &stream[from..to])
    };
    let segments = [
        packet(is_v6, start.wrapping_sub(1), SYN, &[]),
        piece(0, 10),
        piece(60, 80),
        piece(10, 60),
        piece(10, 60),
        piece(60, 100),
        piece(120, stream.len()),
        packet(is_v6, start.wrapping_add(100), ACK, &[]),
        piece(90, 121),
        piece(0, 10),
    ];
    let mut capture = form.head(wrap.link_type());
    for segment in segments {
        let mut frame = wrap.wrap(is_v6, &segment);
        if matches!(wrap, Wrap::Ethernet | Wrap::Vlan) {
            frame.resize(frame.len().max(120), 0xEE);
        }
        capture.extend(form.record(&frame));
    }
    let told = decoded(&capture);
    let what = format!(
        "{form:?}, {wrap:?}, IPv6 {is_v6}: {} {}",
        told.out, told.err
    );
    assert_eq!(told.code, Some(0), "{what}");
    let ends = match is_v6 {
        true => "[2001:db8::1]:5000 > [2001:db8::2]:9000",
        false => "10.0.0.1:5000 > 10.0.0.9:9000",
    };
    let expected: Vec<String> = (1..=5)
        .map(|next| {
            let time = form.time();
            format!("{time} {ends} Sequence UUID=7 NextSeqNo={next} ")
        })
        .collect();
    let lines: Vec<&str> = told.out.lines().collect();
    assert_eq!(lines.len(), 5, "{what}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(expected), "{expected} in {what}");
    }
}

#[test]
fn both_kinds_of_file_are_read_in_both_byte_orders_and_every_resolution() {
    let forms = [
        Form::Micros,
        Form::Nanos,
        Form::Swapped,
        Form::Ng(6),
        Form::Ng(9),
        Form::Ng(3),
        Form::NgSwapped,
        Form::Simple,
    ];
    for form in forms {
        check(form, Wrap::Ethernet, false);
    }
}

#[test]
fn packets_are_found_in_what_wraps_them() {
    let wraps = [
        Wrap::Ethernet,
        Wrap::Vlan,
        Wrap::TwoVlans,
        Wrap::Cooked,
        Wrap::Cooked2,
        Wrap::Raw,
        Wrap::Null,
    ];
    for wrap in wraps {
        for is_v6 in [false, true] {
            check(Form::Micros, wrap, is_v6);
            check(Form::Ng(9), wrap, is_v6);
        }
    }
}

#[test]
fn a_form_that_is_not_read_is_named_and_what_is_read_is_told() {
    for form in [Form::Micros, Form::Ng(6)] {
        // 105 is a wireless network.
        let mut capture = form.head(105);
        capture.extend(form.record(&[0; 80]));
        decoded(&capture).failed(
            1,
            &["link type 105", "Ethernet (1)", "Linux cooked (113, 276)"],
        );
    }
    let mut cut = Form::Ng(6).head(1);
    let frame = Wrap::Ethernet.wrap(false, &packet(false, 1, ACK, &sequence(1)));
    let record = Form::Ng(6).record(&frame);
    cut.extend(&record[..record.len() - 9]);
    decoded(&cut).failed(1, &["cut short: its last packet has no end"]);
    // What is no TCP is not looked at.
    let mut other = Form::Micros.head(1);
    let mut udp = packet(false, 1, ACK, &sequence(1));
    udp[9] = 17;
    other.extend(Form::Micros.record(&Wrap::Ethernet.wrap(false, &udp)));
    assert_eq!(decoded(&other).ok().out, "");
}
