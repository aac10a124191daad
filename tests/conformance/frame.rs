//! Frames as the peer writes and reads them, without the library's own code: what the engine sends is
//! checked by a second opinion.

use pinfix::session::fix::rules::Rules;
use pinfix::time::{TimestampPrecision, Utc};

use super::script::{Field, What, signed_span};

/// CompIDs as the engine sees them.
pub const ENGINE: &str = "ENGINE";
pub const PEER: &str = "PEER";

const SOH: u8 = 1;

/// Header fields that go in front of the body wherever they stand in a scenario line.
const HEADER: [&str; 17] = [
    "1128", "1129", "1156", "43", "97", "122", "50", "57", "115", "116", "128", "129", "142", "143",
    "144", "145", "369",
];

/// What a composed frame is filled in with.
pub struct Filling<'a> {
    pub rules: &'static Rules,
    pub now: Utc,
    /// How exact our times are.
    pub precision: TimestampPrecision,
    pub number: u64,
    pub heartbeat_s: u32,
    /// The CompIDs of the one who sends, and of the one who is sent to.
    pub sender: &'a str,
    pub target: &'a str,
}

/// A frame of the peer's, and the number it carries if that can be read.
pub fn compose(fields: &[Field], filling: &Filling<'_>) -> (Vec<u8>, Option<u64>) {
    let mut fields = fields.to_vec();
    if let Some(at) = fields.iter().position(|field| field.tag == "+pd") {
        fields[at] = set("43", "Y");
        if !fields.iter().any(|field| field.tag == "122") {
            fields.insert(at + 1, set("122", "now-1s"));
        }
    }
    if let Some(at) = fields.iter().position(|field| field.tag == "+order") {
        let order = order(filling.rules)
            .filter(|field| !fields.iter().any(|given| given.tag == field.tag))
            .collect::<Vec<_>>();
        fields.splice(at..=at, order);
    }
    let named = |tag: &str| fields.iter().find(|field| field.tag == tag);
    let value = |tag: &str, default: &str| match named(tag).map(|field| &field.what) {
        Some(What::Is(value)) => Some(value.clone()),
        Some(_) => None,
        None => Some(default.as_bytes().to_vec()),
    };
    let kind = value("35", "0").unwrap_or_default();
    let mut body = Vec::new();
    put(&mut body, "35", value("35", "0"));
    put(&mut body, "34", value("34", &filling.number.to_string()));
    put(&mut body, "49", value("49", filling.sender));
    put(
        &mut body,
        "52",
        value("52", "now").map(|text| time(&text, filling)),
    );
    put(&mut body, "56", value("56", filling.target));
    for field in fields
        .iter()
        .filter(|field| HEADER.contains(&field.tag.as_str()))
    {
        if let What::Is(text) = &field.what {
            let text = if field.tag == "122" {
                time(text, filling)
            } else {
                text.clone()
            };
            put(&mut body, &field.tag, Some(text));
        }
    }
    if kind == b"A" {
        put(&mut body, "98", value("98", "0"));
        put(
            &mut body,
            "108",
            value("108", &filling.heartbeat_s.to_string()),
        );
        if let Some(version) = filling.rules.default_appl_ver_id {
            put(&mut body, "1137", value("1137", version));
        }
    }
    let placed = ["8", "9", "35", "34", "49", "52", "56", "10"];
    let of_logon = ["98", "108", "1137"];
    for field in &fields {
        let tag = field.tag.as_str();
        let done = placed.contains(&tag)
            || HEADER.contains(&tag)
            || (kind == b"A"
                && of_logon.contains(&tag)
                && (tag != "1137" || filling.rules.default_appl_ver_id.is_some()));
        if let (false, What::Is(text)) = (done, &field.what) {
            put(&mut body, tag, Some(text.clone()));
        }
    }
    let mut frame = Vec::new();
    put(&mut frame, "8", value("8", filling.rules.begin_string));
    put(
        &mut frame,
        "9",
        value("9", "+0").map(|text| relative(&text, body.len(), 0)),
    );
    frame.extend(&body);
    let sum = checksum(&frame);
    put(
        &mut frame,
        "10",
        value("10", "+0").map(|text| relative(&text, sum, 3)),
    );
    let number = value("34", &filling.number.to_string())
        .and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
    (frame, number)
}

/// What a NewOrderSingle needs in every version beside its ClOrdID(11).
fn order(rules: &Rules) -> impl Iterator<Item = Field> {
    // TransactTime(60) is part of it since FIX.4.2.
    let later = rules
        .fractional_seconds
        .then_some(("60", "20260105-09:00:00"));
    [
        ("21", "1"),
        ("55", "X"),
        ("54", "1"),
        ("38", "5"),
        ("40", "1"),
    ]
    .into_iter()
    .chain(later)
    .map(|(tag, value)| set(tag, value))
}

/// What a line expects, in the words of the version.
pub fn in_the_words_of(rules: &Rules, expected: &[Field]) -> Vec<Field> {
    let is = |tag: &str, value: &str| expected.contains(&set(tag, value));
    let business = is("35", "j") && !rules.business_message_reject;
    let codeless = (business || is("35", "3")) && rules.reject_codes.is_none();
    let open_end = is("35", "2") && is("16", "0");
    let contains = |text: Vec<u8>| Field {
        tag: "58".into(),
        what: What::Contains(text),
    };
    let mut words = Vec::new();
    for field in expected {
        match (field.tag.as_str(), &field.what) {
            ("35", _) if business => words.push(set("35", "3")),
            ("371", What::Is(tag)) if codeless => {
                words.push(contains([b"(", tag.as_slice(), b")"].concat()));
            }
            ("58", What::Is(text)) if codeless => words.push(contains(text.clone())),
            ("371" | "372" | "373" | "379" | "380", _) if codeless => {}
            ("373", What::Is(reason)) if !knows(rules, reason) => words.push(Field {
                tag: "373".into(),
                what: What::Absent,
            }),
            ("16", _) if open_end => words.push(set("16", &rules.open_end_seq_no.to_string())),
            ("52" | "122", What::Is(time)) if !rules.fractional_seconds => {
                let seconds = &time[..time.len().min("YYYYMMDD-HH:MM:SS".len())];
                words.push(set(&field.tag, &String::from_utf8_lossy(seconds)));
            }
            _ => words.push(field.clone()),
        }
    }
    if codeless {
        words.extend(["371", "372", "373", "380"].map(|tag| Field {
            tag: tag.into(),
            what: What::Absent,
        }));
    }
    words
}

/// Whether the version has this SessionRejectReason(373).
fn knows(rules: &Rules, reason: &[u8]) -> bool {
    let reason = std::str::from_utf8(reason)
        .ok()
        .and_then(|text| text.parse().ok());
    match (&rules.reject_codes, reason) {
        (Some(codes), Some(reason)) => codes.has(reason),
        _ => true,
    }
}

/// Fills `{8}`, `{9}`, `{10}` and `{52}` in a raw text.
pub fn fill(raw: &[u8], filling: &Filling<'_>) -> Vec<u8> {
    let text = String::from_utf8_lossy(raw)
        .replace("{8}", filling.rules.begin_string)
        .replace("{52}", &stamp(filling.now, filling.precision));
    let body = match text.find("{9}\u{1}") {
        Some(at) => {
            let body = &text[at + 4..];
            body.find("10={10}").unwrap_or(body.len())
        }
        None => 0,
    };
    let text = text.replace("{9}", &body.to_string());
    let Some(at) = text.find("10={10}") else {
        return text.into_bytes();
    };
    let sum = checksum(&text.as_bytes()[..at]);
    text.replace("{10}", &format!("{sum:03}")).into_bytes()
}

fn set(tag: &str, value: &str) -> Field {
    Field {
        tag: tag.into(),
        what: What::Is(value.into()),
    }
}

fn put(to: &mut Vec<u8>, tag: &str, value: Option<Vec<u8>>) {
    if let Some(value) = value {
        to.extend_from_slice(tag.as_bytes());
        to.push(b'=');
        to.extend_from_slice(&value);
        to.push(SOH);
    }
}

/// `now`, `now-121s`, `now+1s`; anything else as it is.
fn time(text: &[u8], filling: &Filling<'_>) -> Vec<u8> {
    let Some(rest) = text.strip_prefix(b"now") else {
        return text.to_vec();
    };
    let moved = if rest.is_empty() {
        0
    } else {
        signed_span(&String::from_utf8_lossy(rest)).expect("a span behind now")
    };
    let at = Utc(filling.now.0.saturating_add_signed(moved));
    stamp(at, filling.precision).into_bytes()
}

fn stamp(at: Utc, precision: TimestampPrecision) -> String {
    String::from_utf8_lossy(at.to_fix(precision).as_ref()).into_owned()
}

/// `+n` and `-n` are relative to what would be right.
fn relative(text: &[u8], right: usize, digits: usize) -> Vec<u8> {
    match text {
        [sign @ (b'+' | b'-'), rest @ ..]
            if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit) =>
        {
            let by: i64 = std::str::from_utf8(rest).unwrap().parse().unwrap();
            let by = if *sign == b'+' { by } else { -by };
            let value = right.saturating_add_signed(by as isize);
            format!("{value:0digits$}").into_bytes()
        }
        _ => text.to_vec(),
    }
}

fn checksum(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 256
}

/// A frame the engine sent.
#[derive(Clone, Debug)]
pub struct Received {
    pub bytes: Vec<u8>,
    pub fields: Vec<(u32, Vec<u8>)>,
}

impl Received {
    pub fn get(&self, tag: u32) -> Option<&[u8]> {
        self.fields
            .iter()
            .find(|field| field.0 == tag)
            .map(|field| field.1.as_slice())
    }

    pub fn number(&self, tag: u32) -> Option<u64> {
        std::str::from_utf8(self.get(tag)?).ok()?.parse().ok()
    }
}

/// Cuts the first frame off `bytes`. `Ok(None)` if it is not complete.
///
/// # Errors
/// What is wrong with it: BodyLength(9), CheckSum(10), field syntax, order of the first and last
/// fields, a repeated tag.
pub fn cut(bytes: &mut Vec<u8>) -> Result<Option<Received>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut fields: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut at = 0;
    loop {
        let Some(end) = bytes[at..].iter().position(|byte| *byte == SOH) else {
            return Ok(None);
        };
        let field = &bytes[at..at + end];
        let equals = field
            .iter()
            .position(|byte| *byte == b'=')
            .ok_or("a field without =")?;
        let tag: u32 = std::str::from_utf8(&field[..equals])
            .ok()
            .filter(|tag| !tag.starts_with('0'))
            .and_then(|tag| tag.parse().ok())
            .ok_or("a tag that is no number")?;
        if equals + 1 == field.len() {
            return Err(format!("tag {tag} without a value"));
        }
        let mut end = at + end + 1;
        let mut value = bytes[at + equals + 1..end - 1].to_vec();
        if let Some((95, len)) = fields.last()
            && tag == 96
        {
            let len: usize = String::from_utf8_lossy(len)
                .parse()
                .map_err(|_| "95 is no number")?;
            let start = at + equals + 1;
            if bytes.len() <= start + len {
                return Ok(None);
            }
            value = bytes[start..start + len].to_vec();
            end = start + len + 1;
        }
        fields.push((tag, value));
        if tag == 10 {
            let frame: Vec<u8> = bytes.drain(..end).collect();
            let received = Received {
                bytes: frame,
                fields,
            };
            received.check()?;
            return Ok(Some(received));
        }
        at = end;
    }
}

impl Received {
    fn check(&self) -> Result<(), String> {
        let tags: Vec<u32> = self.fields.iter().map(|field| field.0).collect();
        if tags[..3.min(tags.len())] != [8, 9, 35] {
            return Err("the first three fields are not 8, 9, 35".into());
        }
        let trailer = self.bytes.len() - 7;
        let body = self
            .bytes
            .windows(4)
            .position(|four| four == b"\x0135=")
            .expect("35 was found")
            + 1;
        if self.number(9) != Some((trailer - body) as u64) {
            return Err(format!("BodyLength(9) should be {}", trailer - body));
        }
        let sum = format!("{:03}", checksum(&self.bytes[..trailer]));
        if self.get(10) != Some(sum.as_bytes()) {
            return Err(format!("CheckSum(10) should be {sum}"));
        }
        for tag in [34, 49, 52, 56] {
            match tags.iter().filter(|other| **other == tag).count() {
                1 => {}
                count => return Err(format!("header field {tag} is there {count} times")),
            }
        }
        let is_header = |tag: &u32| {
            [8, 9, 35, 34, 49, 52, 56].contains(tag) || HEADER.contains(&tag.to_string().as_str())
        };
        let body = tags
            .iter()
            .position(|tag| !is_header(tag))
            .unwrap_or(tags.len());
        match tags[body..].iter().find(|tag| is_header(tag)) {
            Some(tag) => Err(format!("header field {tag} behind the body")),
            None => Ok(()),
        }
    }
}

/// `|` for SOH.
pub fn printed(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match *byte {
            SOH => '|',
            byte @ b' '..=b'~' => char::from(byte),
            _ => '?',
        })
        .collect()
}
