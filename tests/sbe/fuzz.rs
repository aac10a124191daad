//! Mutated frames and random bytes: no panic, no byte read that is not of the frame, and the typed views agree with
//! the description. A second in the suite; `PINFIX_FUZZ_SECONDS=600 cargo test --test sbe fuzz` for longer.

use std::time::{Duration, Instant};

use pinfix::wire::sbe::{Broken, Cut, DecodeError, Frame, build, cut, decode, ilink3};

use super::every::{Refused, rewrite};
use super::vectors::vectors;

/// Xorshift: the same bytes from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn duration() -> Duration {
    let seconds = std::env::var("PINFIX_FUZZ_SECONDS").ok();
    Duration::from_secs(seconds.map_or(1, |text| {
        text.parse().expect("PINFIX_FUZZ_SECONDS is a number")
    }))
}

/// What both ways to read a frame must agree on.
fn check(bytes: &[u8], room: &mut [u8]) {
    let Ok(frame) = Frame::new(bytes) else { return };
    let decoded = decode(&frame, &ilink3::SCHEMA);
    let typed = rewrite(&frame, 9, room);
    match (&decoded, &typed) {
        (Err(one), Err(Refused::Decode(other))) => assert_eq!(one, other),
        (Ok(decoded), Ok(len)) => {
            // Written back it says the same.
            let again = decode(&Frame::new(&room[..*len]).unwrap(), &ilink3::SCHEMA).unwrap();
            // A block that is too short may be without a field that is written as zero.
            let whole = frame.block_length() >= decoded.message.body.block_length;
            if frame.version() == 9 && whole {
                assert_eq!(decoded.flat(), again.flat());
            }
        }
        // A message may be longer in version 9, or in 9 at all, than the room or the counter takes.
        (Ok(_), Err(Refused::Encode(_))) => {}
        _ => panic!("{decoded:?} {typed:?}"),
    }
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF][random.below(6)],
            3 => bytes.truncate(at.max(1)),
            4 => bytes.insert(at, random.next() as u8),
            // Sizes of blocks and entries, versions: the low bytes of the headers.
            _ => {
                let header = [4, 6, 8, 10][random.below(4)];
                if let Some(byte) = bytes.get_mut(header) {
                    *byte = random.next() as u8;
                }
            }
        }
    }
    // Most of the time the framing stays right, so that what is behind it is reached.
    if random.below(8) > 0 && bytes.len() >= 12 {
        let size = u16::try_from(bytes.len()).unwrap();
        bytes[..2].copy_from_slice(&size.to_le_bytes());
        bytes[2..4].copy_from_slice(&[0xFE, 0xCA]);
    }
}

#[test]
fn fuzz_mutated_frames() {
    let end = Instant::now() + duration();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let vectors = vectors();
    let mut room = vec![0; 65535];
    let mut tried = 0_u64;
    while Instant::now() < end {
        for vector in &vectors {
            let mut bytes = vector.bytes.clone();
            mutate(&mut random, &mut bytes);
            // In a box of its own length: a byte behind it is not there to be read.
            check(&bytes.into_boxed_slice(), &mut room);
            tried += 1;
        }
    }
    println!("{tried} mutated frames");
    assert!(tried > 1000);
}

#[test]
fn fuzz_random_bytes_for_every_message() {
    let end = Instant::now() + duration();
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    let mut room = vec![0; 65535];
    let mut tried = 0_u64;
    while Instant::now() < end {
        for message in ilink3::SCHEMA.messages {
            let mut bytes = vec![0; 12 + random.below(900)];
            bytes
                .iter_mut()
                .for_each(|byte| *byte = random.next() as u8);
            let size = u16::try_from(bytes.len()).unwrap();
            bytes[..2].copy_from_slice(&size.to_le_bytes());
            let block = if random.below(4) == 0 {
                random.below(600)
            } else {
                message.body.block_length.into()
            };
            bytes[4..6].copy_from_slice(&u16::try_from(block).unwrap().to_le_bytes());
            bytes[6..8].copy_from_slice(&message.template_id.to_le_bytes());
            bytes[8..12].copy_from_slice(&[8, 0, 5 + random.below(6) as u8, 0]);
            check(&bytes.into_boxed_slice(), &mut room);
            tried += 1;
        }
    }
    println!("{tried} random messages");
    assert!(tried > 1000);
}

#[test]
fn fuzz_streams_in_any_cuts() {
    let end = Instant::now() + duration();
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let vectors = vectors();
    let mut tried = 0_u64;
    while Instant::now() < end {
        let mut stream = Vec::new();
        let mut sent = Vec::new();
        for _ in 0..=random.below(6) {
            let vector = &vectors[random.below(vectors.len())];
            stream.extend(&vector.bytes);
            sent.push(vector.bytes.clone());
        }
        let broken = random.below(3) == 0;
        if broken {
            stream.extend([20, 0, 0xFE, 0xCB]);
        }
        let (mut buf, mut seen, mut at, mut why) = (Vec::new(), Vec::new(), 0, None);
        while at < stream.len() {
            let piece = 1 + random.below(700);
            let to = (at + piece).min(stream.len());
            buf.extend_from_slice(&stream[at..to]);
            at = to;
            loop {
                match cut(&buf, 1420) {
                    Cut::Frame { len } => seen.push(buf.drain(..len).collect::<Vec<u8>>()),
                    Cut::Incomplete { needed } => {
                        assert!(needed > buf.len());
                        break;
                    }
                    Cut::Broken(reason) => {
                        why = Some(reason);
                        break;
                    }
                }
            }
        }
        assert_eq!(seen, sent);
        assert_eq!(why.is_some(), broken);
        assert!(matches!(
            why,
            None | Some(Broken::EncodingType { given: 0xCBFE, .. })
        ));
        tried += 1;
    }
    println!("{tried} streams");
    assert!(tried > 100);
}

/// What is decoded and printed can be built again, whatever bytes the fields hold.
#[test]
fn what_is_printed_can_be_built() {
    let mut random = Random(0xA076_1D64_78BD_642F);
    let mut built = 0;
    for _ in 0..200 {
        for vector in vectors() {
            let mut bytes = vector.bytes.clone();
            let block = usize::from(Frame::new(&bytes).unwrap().block_length());
            let at = 12 + random.below(block);
            bytes[at] = b'0' + random.below(70) as u8;
            let Ok(decoded) = decode(&Frame::new(&bytes).unwrap(), &ilink3::SCHEMA) else {
                continue;
            };
            let flat = decoded.flat();
            let fields: Vec<(&str, &str)> = flat
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect();
            let again = match build(&ilink3::SCHEMA, vector.name, 9, &fields) {
                Ok(again) => again,
                // A text with a backslash is printed with two and may not fit.
                Err(_) if bytes.contains(&b'\\') => continue,
                Err(error) => panic!("{error}: {decoded}"),
            };
            let found = decode(&Frame::new(&again).unwrap(), &ilink3::SCHEMA).unwrap();
            if !bytes.contains(&b'\\') {
                assert_eq!(found.flat(), flat, "{}", vector.name);
                built += 1;
            }
        }
    }
    assert!(built > 5000, "{built}");
    assert!(matches!(
        decode(
            &Frame::new(&[12, 0, 0xFE, 0xCA, 0, 0, 1, 0, 8, 0, 9, 0]).unwrap(),
            &ilink3::SCHEMA
        ),
        Err(DecodeError::UnknownTemplate { given: 1 })
    ));
}
