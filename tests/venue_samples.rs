//! The sample messages of the venues' pages: as they are printed, which is garbled, and with the
//! BodyLength(9) and CheckSum(10) they should have had.
#![allow(clippy::unwrap_used)]

use pinfix::wire::fix::{Cut, FieldIndex, cut, tag};

/// As printed, and as it should be.
const SAMPLES: [(&str, &str); 6] = [
    // T4, Logout of the client: printed without 8, 9, 35 and 10.
    (
        "34=2|49=CTS|56=T4Example|52=20120904-22:13:57.789|",
        "8=FIX.4.2|9=55|35=5|34=2|49=CTS|56=T4Example|52=20120904-22:13:57.789|10=038|",
    ),
    // T4, its answer.
    (
        "34=2|49=T4Example|56=CTS|50=T4FIX|52=20120904-22:13:57.789|58=Successful logout upon request|",
        "8=FIX.4.2|9=98|35=5|34=2|49=T4Example|56=CTS|50=T4FIX|52=20120904-22:13:57.789|\
         58=Successful logout upon request|10=207|",
    ),
    // Brokeret, FIX 5.0: Logon and refusal.
    (
        "8=FIXT.1.1|9=138|35=A|49=CLIENT1|56=BROKERET|34=1|52=20260312-14:30:00.000|98=0|108=30|\
         553=client1|554=MyP@ssw0rd|141=Y|1137=9|10=201|",
        "8=FIXT.1.1|9=110|35=A|49=CLIENT1|56=BROKERET|34=1|52=20260312-14:30:00.000|98=0|108=30|\
         553=client1|554=MyP@ssw0rd|141=Y|1137=9|10=060|",
    ),
    (
        "8=FIXT.1.1|9=84|35=5|49=BROKERET|56=CLIENT1|34=1|52=20260312-14:30:00.500|\
         58=Invalid credentials|10=215|",
        "8=FIXT.1.1|9=81|35=5|49=BROKERET|56=CLIENT1|34=1|52=20260312-14:30:00.500|\
         58=Invalid credentials|10=131|",
    ),
    // Brokeret, FIX 4.4: Logon and refusal.
    (
        "8=FIX.4.4|9=126|35=A|49=CLIENT1|56=BROKERET|34=1|52=20260312-14:30:00.000|98=0|108=30|\
         553=client1|554=MyP@ssw0rd|141=Y|10=185|",
        "8=FIX.4.4|9=103|35=A|49=CLIENT1|56=BROKERET|34=1|52=20260312-14:30:00.000|98=0|108=30|\
         553=client1|554=MyP@ssw0rd|141=Y|10=173|",
    ),
    (
        "8=FIX.4.4|9=82|35=5|49=BROKERET|56=CLIENT1|34=1|52=20260312-14:30:00.500|\
         58=Invalid credentials|10=201|",
        "8=FIX.4.4|9=81|35=5|49=BROKERET|56=CLIENT1|34=1|52=20260312-14:30:00.500|\
         58=Invalid credentials|10=053|",
    ),
];

/// What follows a sample in a stream, without framing.
const NEXT: &str = "35=0|49=BROKERET|56=CLIENT1|34=9|52=20260312-14:31:00.000|";

const MAX: usize = 4096;

fn wire(text: &str) -> Vec<u8> {
    let bytes = text.bytes();
    bytes
        .map(|byte| if byte == b'|' { 1 } else { byte })
        .collect()
}

/// The body with everything around it.
fn framed(body: &str) -> String {
    let head = format!("8=FIX.4.4|9={}|{body}", body.len());
    let sum = wire(&head).into_iter().fold(0_u8, u8::wrapping_add);
    format!("{head}10={sum:03}|")
}

/// The sound messages of a stream.
fn frames(mut stream: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while !stream.is_empty() {
        let len = match cut(stream, MAX) {
            Cut::Frame { len, .. } => {
                let text = String::from_utf8_lossy(&stream[..len]);
                found.push(text.replace('\u{1}', "|"));
                len
            }
            Cut::Skip { len, .. } => len,
            Cut::Incomplete { .. } => break,
        };
        stream = &stream[len..];
    }
    found
}

#[test]
fn the_corrected_samples_are_messages() {
    let mut index = FieldIndex::with_capacity(64);
    for (_, text) in SAMPLES {
        assert_eq!(frames(&wire(text)), [text]);
        let bytes = wire(text);
        let message = index.read(&bytes).unwrap();
        assert!(message.get(tag::SENDING_TIME).is_some());
        assert!(message.utc(tag::SENDING_TIME).is_ok(), "{text}");
        let fields: Vec<_> = message.fields().map(|(tag, _)| tag).collect();
        assert_eq!(fields.len(), text.matches('|').count(), "{text}");
    }
}

#[test]
fn the_samples_as_printed_are_garbled_and_cost_no_other_message() {
    let next = framed(NEXT);
    for (printed, right) in SAMPLES {
        let stream = wire(&format!("{right}{printed}{next}{next}"));
        let found = frames(&stream);
        assert!(!found.contains(&printed.to_owned()), "{printed}");
        assert_eq!(found.first().map(String::as_str), Some(right));
        assert_eq!(found.last(), Some(&next), "{printed}");
    }
}
