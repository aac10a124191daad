//! The client's end of an admin socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use pinfix::admin::protocol::{End, Reply, Request};
use serde_json::{Map, Value};

/// How much longer than the command itself an answer may take.
const GRACE: Duration = Duration::from_secs(5);

pub struct Client(BufReader<UnixStream>);

/// What is known of one session, in the order it came.
pub struct Row(Vec<(String, String)>);

impl Row {
    /// A field, or a dash if an older engine does not tell it.
    pub fn get(&self, key: &str) -> &str {
        let found = self.0.iter().find(|field| field.0 == key);
        found.map_or("-", |field| &field.1)
    }

    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl Client {
    pub fn connect(path: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(path).with_context(|| {
            format!(
                "cannot reach an engine at admin socket {}: is it running, and may you use it?",
                path.display()
            )
        })?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request and waits for the whole reply.
    pub fn ask(&mut self, request: &Request) -> anyhow::Result<(Vec<Row>, End)> {
        let limit = match request {
            Request::Command { within, .. } | Request::Add { within, .. } => *within + GRACE,
            Request::List | Request::Status { .. } => GRACE,
        };
        let stream = self.0.get_mut();
        stream.set_read_timeout(Some(limit))?;
        // An engine that does not want us says why before it reads; that answer counts.
        let sent = stream.write_all(format!("{request}\n").as_bytes());
        let mut rows = Vec::new();
        loop {
            let mut line = String::new();
            let length = self
                .0
                .read_line(&mut line)
                .context("the engine did not answer")?;
            if length == 0 {
                sent.context("cannot send to the engine")?;
                bail!("the engine closed the connection without an answer");
            }
            let line = line.trim_end_matches('\n');
            match Reply::parse(line) {
                Some(Reply::Session(fields)) => rows.push(Row(fields)),
                Some(Reply::End(end)) => return Ok((rows, end)),
                None => return Err(anyhow!("not an answer of an engine: {line:?}")),
            }
        }
    }
}

/// `{"end": "done", "why": ..., "sessions": [{...}]}`; numbers and booleans as such.
pub fn json(rows: &[Row], end: &End) -> Value {
    let text = end.to_string();
    let (word, why) = text.split_once('\t').unwrap_or((&text, ""));
    let mut reply = Map::new();
    reply.insert("end".to_owned(), word.into());
    if !why.is_empty() {
        reply.insert("why".to_owned(), why.into());
    }
    if !rows.is_empty() {
        let sessions: Vec<_> = rows.iter().map(|row| Value::Object(object(row))).collect();
        reply.insert("sessions".to_owned(), sessions.into());
    }
    Value::Object(reply)
}

fn object(row: &Row) -> Map<String, Value> {
    let value = |text: &str| match (text.parse::<u64>(), text.parse::<bool>()) {
        (Ok(number), _) => number.into(),
        (_, Ok(flag)) => flag.into(),
        _ => text.into(),
    };
    let pairs = row
        .fields()
        .map(|(key, text)| (key.to_owned(), value(text)));
    pairs.collect()
}
