//! `pinfix top` and `pinfix metrics` beside a running engine, and after it.
#![allow(clippy::unwrap_used)]

mod command;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use command::{Exchange, pinfix, run};

/// An exchange with a status page, which a client has traded with.
fn traded(page: &Path) -> Exchange {
    let exchange = Exchange::start(&["--status-page", text(page)]);
    let address = exchange.address.to_string();
    run(&[
        "latency",
        "--connect",
        &address,
        "--messages",
        "50",
        "--warm-up",
        "5",
        "--cores",
        "0,0",
    ])
    .ok();
    // The venue may learn of the end of the connection a moment after the client is done.
    let down = "cause=\"the peer logged out\"";
    let seen = (0..200).any(|_| {
        let found = run(&["metrics", "--once", "--page", text(page)]).ok();
        found.out.contains(down)
    });
    assert!(seen, "the venue takes no note of the end");
    exchange
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Samples of a page of metrics by name and labels, each checked against the grammar of the format.
fn parse(page: &str) -> HashMap<String, f64> {
    let mut samples = HashMap::new();
    let mut types: HashMap<&str, &str> = HashMap::new();
    let mut open = "";
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && !types.contains_key(name), "{line}");
            open = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, open, "its HELP is right above");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            types.insert(name, kind);
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            let name = series.split('{').next().unwrap();
            let part = match types[open] {
                "histogram" => name.strip_prefix(open),
                _ => (name == open).then_some(""),
            };
            assert!(
                part.is_some_and(|part| ["", "_bucket", "_sum", "_count"].contains(&part)),
                "{line} below {open}"
            );
            if let Some(labels) = series.strip_prefix(name).filter(|rest| !rest.is_empty()) {
                check_labels(labels.strip_prefix('{').unwrap().strip_suffix('}').unwrap());
            }
            assert_eq!(
                samples.insert(series.to_owned(), value),
                None,
                "twice: {line}"
            );
        }
    }
    samples
}

/// `name="value",...` with only `\\`, `\"` and `\n` escaped.
fn check_labels(labels: &str) {
    let mut rest = labels;
    loop {
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{labels}"));
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{labels}"
        );
        let mut characters = value.char_indices();
        let end = loop {
            match characters.next().unwrap_or_else(|| panic!("{labels}")) {
                (_, '\\') => {
                    let (_, escaped) = characters.next().unwrap();
                    assert!(['\\', '"', 'n'].contains(&escaped), "{labels}");
                }
                (at, '"') => break at,
                _ => {}
            }
        };
        match &value[end + 1..] {
            "" => return,
            more => rest = more.strip_prefix(',').unwrap_or_else(|| panic!("{labels}")),
        }
    }
}

#[test]
fn metrics_are_those_of_the_session_and_of_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    // A name with everything that must be escaped.
    let page = directory.path().join("a \"page\" \\ of");
    let exchange = traded(&page);
    let missing = directory.path().join("missing");
    let found = run(&[
        "metrics",
        "--once",
        "--page",
        text(&page),
        "--page",
        text(&missing),
    ])
    .ok();
    assert!(found.err.contains(text(&missing)), "{}", found.err);
    let samples = parse(&found.out);
    let path = text(&page).replace('\\', "\\\\").replace('"', "\\\"");
    let of = |name: &str, more: &str| {
        let session = "session=\"FIX.4.4:VENUE->CLIENT\",role=\"acceptor\"";
        let more = more.replace("SESSION", session);
        let series = format!("{name}{{page=\"{path}\",engine=\"pinfix exchange\"{more}}}");
        *samples
            .get(&series)
            .unwrap_or_else(|| panic!("no {series} in {}", found.out))
    };
    assert_eq!(samples[&format!("pinfix_up{{page=\"{path}\"}}")], 1.0);
    let absent = format!("pinfix_up{{page=\"{}\"}}", text(&missing));
    assert_eq!(samples[&absent], 0.0);
    assert_eq!(of("pinfix_engine_state", ",state=\"running\""), 1.0);
    assert_eq!(of("pinfix_engine_state", ",state=\"died\""), 0.0);
    assert_eq!(of("pinfix_engine_connections_accepted_total", ""), 1.0);
    assert_eq!(of("pinfix_session_state", ",SESSION,state=\"down\""), 1.0);
    assert_eq!(of("pinfix_session_logged_on", ",SESSION"), 0.0);
    let into = of(
        "pinfix_session_application_messages_total",
        ",SESSION,direction=\"in\"",
    );
    let out = of(
        "pinfix_session_application_messages_total",
        ",SESSION,direction=\"out\"",
    );
    assert!(into > 50.0, "{into}");
    assert_eq!(out, 2.0 * into, "two reports for each order");
    // Logon and Logout as well, and the next number.
    let next = of("pinfix_session_next_seqnum", ",SESSION,direction=\"in\"");
    assert_eq!(next, into + 3.0);
    assert_eq!(
        of("pinfix_session_messages_total", ",SESSION,direction=\"in\""),
        into + 2.0
    );
    let cause = ",SESSION,cause=\"the peer logged out\"";
    assert_eq!(of("pinfix_session_last_disconnect_info", cause), 1.0);

    let stage = ",stage=\"callback_to_write\"";
    let count = of("pinfix_latency_seconds_count", stage);
    assert_eq!(count, out);
    let all = of(
        "pinfix_latency_seconds_bucket",
        &format!("{stage},le=\"+Inf\""),
    );
    assert_eq!(all, count);
    let mut buckets: Vec<(f64, f64)> = samples
        .iter()
        .filter(|(series, _)| {
            series.starts_with("pinfix_latency_seconds_bucket") && series.contains("callback_to_write")
        })
        .map(|(series, count)| {
            let (_, le) = series.rsplit_once("le=\"").unwrap();
            let le = le.strip_suffix("\"}").unwrap();
            (le.parse().unwrap(), *count)
        })
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(buckets.len() > 30);
    assert!(
        buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1),
        "{buckets:?}"
    );
    let sum = of("pinfix_latency_seconds_sum", stage);
    assert!(sum > 0.0 && sum < count, "{sum} s for {count}");

    exchange.interrupt();
    exchange.wait().ok();
    let found = run(&["metrics", "--once", "--page", text(&page)]).ok();
    let samples = parse(&found.out);
    assert_eq!(samples[&format!("pinfix_up{{page=\"{path}\"}}")], 0.0);
    let ended =
        format!("pinfix_engine_state{{page=\"{path}\",engine=\"pinfix exchange\",state=\"ended\"}}");
    assert_eq!(samples[&ended], 1.0);
}

/// A running `pinfix metrics`; killed when it is dropped.
struct Metrics {
    child: Child,
    address: SocketAddr,
}

impl Metrics {
    fn start(page: &Path) -> Self {
        let mut child = pinfix(&["metrics", "--listen", "127.0.0.1:0", "--page", text(page)])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_once('/'))
            .unwrap_or_else(|| panic!("no address in {line:?}"))
            .0
            .parse()
            .unwrap();
        Self { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn metrics_are_served_and_follow_an_engine_that_starts_later_and_one_that_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("page");
    let metrics = Metrics::start(&page);
    let up = |metrics: &Metrics| {
        let answer = metrics.get("/metrics");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{head}"
        );
        let samples = parse(body);
        samples[&format!("pinfix_up{{page=\"{}\"}}", text(&page))]
    };
    assert_eq!(up(&metrics), 0.0);
    for _ in 0..2 {
        let exchange = Exchange::start(&["--status-page", text(&page)]);
        assert_eq!(up(&metrics), 1.0);
        exchange.interrupt();
        exchange.wait().ok();
        assert_eq!(up(&metrics), 0.0);
    }
    assert!(metrics.get("/other").starts_with("HTTP/1.1 404 "));
    assert!(metrics.get("/").contains("/metrics"));
    assert!(
        metrics
            .ask("DELETE /metrics HTTP/1.1\r\n\r\n")
            .starts_with("HTTP/1.1 405 ")
    );
    let head = metrics.ask("HEAD /metrics HTTP/1.0\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );

    // One that says nothing, one that says too much, and one that goes away: others are served.
    let _silent = TcpStream::connect(metrics.address).unwrap();
    let mut noisy = TcpStream::connect(metrics.address).unwrap();
    let _ = noisy.write_all(&[b'x'; 100_000]);
    drop(TcpStream::connect(metrics.address).unwrap());
    assert_eq!(up(&metrics), 0.0);
}

#[test]
fn top_prints_a_plain_table_and_tells_by_its_exit_code_whether_the_engine_runs() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("page");
    let exchange = traded(&page);
    let shown = run(&["top", "--once", "--page", text(&page)]).ok().out;
    assert!(
        shown.starts_with("engine    pinfix exchange, pid "),
        "{shown}"
    );
    let line = shown
        .lines()
        .find(|line| line.starts_with("FIX.4.4:VENUE->CLIENT"))
        .unwrap();
    assert!(
        line.contains(" down ") && line.ends_with("the peer logged out"),
        "{line}"
    );
    assert!(!shown.contains('\u{1b}'), "no colours");

    exchange.interrupt();
    exchange.wait().ok();
    let ended = run(&["top", "--once", "--page", text(&page)]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("ENDED "), "{ended:?}");

    let exchange = Exchange::start(&["--status-page", text(&page)]);
    assert!(
        run(&["top", "--once", "--page", text(&page)])
            .ok()
            .out
            .contains("running for ")
    );
    drop(exchange);
    let died = run(&["top", "--once", "--page", text(&page)]);
    assert_eq!(died.code, Some(1), "{died:?}");
    assert!(died.out.contains("DIED "), "{died:?}");
}

#[test]
fn wrong_arguments_are_named_with_what_would_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("page");
    for command in ["top", "metrics"] {
        run(&[command]).failed(2, &["--page"]);
        run(&[command, "--once", "--page", text(&page)]).failed(1, &[text(&page), "No such file"]);
    }
    std::fs::write(&page, "something else entirely").unwrap();
    for command in ["top", "metrics"] {
        run(&[command, "--once", "--page", text(&page)]).failed(1, &[text(&page), "status page"]);
    }
    assert_eq!(std::fs::read(&page).unwrap(), b"something else entirely");
    run(&[
        "exchange",
        "--listen",
        "127.0.0.1:0",
        "--status-page",
        text(&page),
    ])
    .failed(1, &[text(&page), "not a status page"]);
    run(&["metrics", "--once", "--page", "a", "--page", "a"]).failed(1, &["a is given twice"]);
    run(&["top", "--page", "a", "--interval", "0"]).failed(2, &["--interval", "0.05 to 3600"]);
    // Not a terminal, as the output is read here.
    run(&["top", "--page", text(&page)]).failed(1, &["terminal", "--once"]);
}

#[test]
fn a_gateway_of_ilink3_is_told_in_the_words_of_fixp() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("page");
    let accounts = |name: &str, secret: &str| {
        let file = directory.path().join(name);
        let account = format!(
            "[[account]]\nsession = \"ABC\"\nfirm = \"007\"\naccess_key_id = \"KEY1\"\nsecret_key = \"{secret}\"\n"
        );
        std::fs::write(&file, account).unwrap();
        text(&file).to_owned()
    };
    let right = accounts("right", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let wrong = accounts("wrong", "_wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let exchange = Exchange::start(&[
        "--venue",
        "ilink3",
        "--accounts",
        &right,
        "--status-page",
        text(&page),
    ]);
    let address = exchange.address.to_string();
    let trade = |accounts: &str| {
        let few = "latency --messages 50 --warm-up 5 --cores 0,0 --protocol ilink3";
        let mut arguments: Vec<&str> = few.split(' ').collect();
        arguments.extend(["--connect", &address, "--accounts", accounts]);
        run(&arguments)
    };
    trade(&wrong).failed(1, &["cannot log on"]);
    trade(&right).ok();

    // The gateway may learn of the end of the connection a moment after the client is done.
    let scrape = || run(&["metrics", "--once", "--page", text(&page)]).ok().out;
    let down = "cause=\"the peer logged out\"";
    let seen = (0..200).map(|_| scrape()).find(|out| out.contains(down));
    let samples = parse(&seen.expect("the gateway takes no note of the end"));
    let of = |name: &str, more: &str| {
        let labels = format!(
            "page=\"{}\",engine=\"pinfix exchange, ilink3\",session=\"FIXP:EXCHANGE->ABC-007\",role=\"acceptor\"{more}",
            page.display()
        );
        let series = format!("{name}{{{labels}}}");
        *samples
            .get(&series)
            .unwrap_or_else(|| panic!("no {series} in {samples:#?}"))
    };
    let fault = of("pinfix_session_faults_total", ",kind=\"NotAuthenticated\"");
    assert!(fault >= 1.0);
    assert!(of("pinfix_fixp_uuid", "") > 1.6e15);
    assert!(of("pinfix_session_next_seqnum", ",direction=\"in\"") > 56.0);
    assert_eq!(of("pinfix_fixp_not_applied_total", ""), 0.0);
    assert_eq!(of("pinfix_fixp_retransmit_outstanding", ""), 0.0);
    assert_eq!(of("pinfix_fixp_awaits_operator", ""), 0.0);
    // Of FIX there is nothing of the kind.
    let fixes = directory.path().join("fix");
    let _exchange = traded(&fixes);
    let out = run(&["metrics", "--once", "--page", text(&fixes)]).ok().out;
    assert!(out.contains("pinfix_session_state{"));
    assert!(!out.contains("pinfix_fixp_uuid{"), "{out}");
}
