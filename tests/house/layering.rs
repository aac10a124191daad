//! Imports point downward (DESIGN section 2): every path of a file in `src` that names another
//! top-level module must lead to a layer that its own layer may know.

use crate::source::{code_only, is_word, rust_files};

/// The layers, lowest first. Modules of one row may not import each other. A module need not exist
/// yet, but one that exists must be here.
const ROWS: &[&[&str]] = &[
    &["time"],
    &["wire"],
    &["dict"],
    &["session"],
    &["venue"],
    &["journal", "wheel", "admin", "counters"],
    &["engine"],
];

/// Imports within a row that are allowed nevertheless: (from, to, why).
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// What a file that is not part of the library must not contain, and why.
const PRIVATE: &[(&str, &str)] = &[
    (
        "include!",
        "includes a file of another crate, past its public API",
    ),
    (
        "pinfix::__",
        "names what is public for technical reasons only",
    ),
];

#[test]
fn imports_point_downward() {
    let files = rust_files("src");
    assert!(files.len() > 3, "the sources were found");
    let found: Vec<String> = files
        .iter()
        .flat_map(|(path, source)| violations(path, source))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn tools_benches_and_tests_use_the_public_api() {
    let mut found = Vec::new();
    for directory in ["tools", "benches", "tests"] {
        for (path, source) in rust_files(directory) {
            found.extend(private_uses(&path, &source));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// What the file at `path`, such as `src/wire/fix/scan.rs`, imports against the rules.
fn violations(path: &str, source: &str) -> Vec<String> {
    let module = module_of(path);
    let Some(&from) = module.first() else {
        return Vec::new();
    }; // lib.rs may name everything
    if row_of(from).is_none() {
        return vec![format!(
            "{path}: the layer of the module `{from}` is not in the table"
        )];
    }
    let code = code_only(source);
    let mut found = Vec::new();
    for (line, target) in targets(&code, &module) {
        let Some(to) = target else {
            found.push(format!(
                "{path}:{line}: a path that cannot be followed; name the module"
            ));
            continue;
        };
        if let Err(why) = allowed(from, &to) {
            found.push(format!("{path}:{line}: `{from}` imports `{to}`: {why}"));
        }
    }
    found
}

fn allowed(from: &str, to: &str) -> Result<(), &'static str> {
    if from == to || EXCEPTIONS.iter().any(|&(f, t, _)| (f, t) == (from, to)) {
        return Ok(());
    }
    let from_row = row_of(from).expect("checked by the caller");
    match row_of(to) {
        None => Err("not a module of the table; a re-export of the root hides the layer"),
        Some(to_row) if to_row < from_row => Ok(()),
        Some(to_row) if to_row == from_row => Err("a module of the same row"),
        Some(_) => Err("a higher layer"),
    }
}

fn row_of(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// `src/wire/fix/mod.rs` and `src/wire/fix.rs` are both `wire, fix`; `src/lib.rs` is nothing.
fn module_of(path: &str) -> Vec<&str> {
    let path = path.strip_prefix("src/").unwrap_or(path);
    let mut module: Vec<&str> = path
        .strip_suffix(".rs")
        .unwrap_or(path)
        .split('/')
        .collect();
    if matches!(module.last(), Some(&("mod" | "lib"))) {
        module.pop();
    }
    module
}

/// Every `crate::...` and `super::...` of `code` that leaves for a top-level module: (line, its
/// name, or `None` if it is not written there plainly).
fn targets(code: &str, module: &[&str]) -> Vec<(usize, Option<String>)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut inline = Vec::new(); // depth of braces at which each enclosing `mod x {` opened
    let mut depth = 0usize;
    let mut at = 0;
    while at < tokens.len() {
        let (line, token) = tokens[at];
        match token {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inline.pop_if(|opened| *opened == depth);
            }
            "mod" if tokens.get(at + 2).is_some_and(|t| t.1 == "{") => inline.push(depth),
            "crate" if follows(&tokens, at, "::") => heads(&tokens, at + 2, line, &mut found),
            "super" if follows(&tokens, at, "::") && !preceded(&tokens, at) => {
                let mut ups = 1;
                while follows(&tokens, at, "::") && tokens.get(at + 2).is_some_and(|t| t.1 == "super") {
                    ups += 1;
                    at += 2;
                }
                // Exactly at the root, the next name is a top-level module.
                if ups >= module.len() + inline.len() {
                    heads(&tokens, at + 2, line, &mut found);
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The first names of what follows `crate::` at `at`: one, or those of a group in braces.
fn heads(tokens: &[(usize, &str)], at: usize, line: usize, found: &mut Vec<(usize, Option<String>)>) {
    match tokens.get(at) {
        Some(&(_, "{")) => {
            let mut depth = 0;
            let mut head = true;
            for &(line, token) in &tokens[at..] {
                match token {
                    "{" => depth += 1,
                    "}" if depth == 1 => return,
                    "}" => depth -= 1,
                    "," if depth == 1 => head = true,
                    _ if depth == 1 && head => {
                        found.push((line, name(token)));
                        head = false;
                    }
                    _ => {}
                }
            }
        }
        Some(&(line, token)) => found.push((line, name(token))),
        None => found.push((line, None)),
    }
}

fn name(token: &str) -> Option<String> {
    let token = token.strip_prefix("r#").unwrap_or(token);
    token.starts_with(is_word).then(|| token.to_owned())
}

fn follows(tokens: &[(usize, &str)], at: usize, token: &str) -> bool {
    tokens.get(at + 1).is_some_and(|t| t.1 == token)
}

fn preceded(tokens: &[(usize, &str)], at: usize) -> bool {
    at > 0 && tokens[at - 1].1 == "::"
}

/// Words, `::`, and single other characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if !first.is_whitespace() {
            found.push((line, token));
        }
        line += usize::from(first == '\n');
        rest = after;
    }
    found
}

fn private_uses(path: &str, source: &str) -> Vec<String> {
    let code: String = code_only(source).replace("# [", "#[");
    let mut found: Vec<String> = PRIVATE
        .iter()
        .filter(|(pattern, _)| code.contains(pattern))
        .map(|(pattern, why)| format!("{path}: `{pattern}` {why}"))
        .collect();
    // Test targets may share files among themselves, and nothing with the library.
    if code.contains("#[path")
        && source
            .lines()
            .any(|line| line.contains("#[path") && line.contains("src/"))
    {
        found.push(format!(
            "{path}: `#[path` includes a file of the library, past its public API"
        ));
    }
    found
}

#[test]
fn what_points_upward_or_sideways_is_found() {
    let cases = [
        (
            "src/wire/fix/scan.rs",
            "use crate::session::Outbox;",
            "`wire` imports `session`",
        ),
        (
            "src/time.rs",
            "use crate::{wire::fix, time::Mono};",
            "`time` imports `wire`",
        ),
        (
            "src/wheel.rs",
            "use crate::{\n    time::{Mono, Utc},\n    engine,\n};",
            "src/wheel.rs:3",
        ),
        (
            "src/session/fix/mod.rs",
            "fn f() { crate::journal::open(); }",
            "`session` imports `journal`",
        ),
        (
            "src/session/fix/mod.rs",
            "use super::super::engine::Engine;",
            "`session` imports `engine`",
        ),
        (
            "src/session/mod.rs",
            "use super::engine::Engine;",
            "`session` imports `engine`",
        ),
        (
            "src/wheel.rs",
            "mod tests { use super::super::engine; }",
            "`wheel` imports `engine`",
        ),
        (
            "src/wheel.rs",
            "mod a { mod b {} } use super::engine;",
            "`wheel` imports `engine`",
        ),
        (
            "src/wheel.rs",
            "use crate::counters::Stage;",
            "a module of the same row",
        ),
        (
            "src/wheel.rs",
            "pub(crate) use crate::admin::queue;",
            "a module of the same row",
        ),
        ("src/wheel.rs", "use crate :: engine;", "a higher layer"),
        (
            "src/wheel.rs",
            "use crate::Engine;",
            "a re-export of the root",
        ),
        ("src/wheel.rs", "use crate::*;", "cannot be followed"),
        (
            "src/wheel.rs",
            "type T = <X as crate::engine::Y>::Z;",
            "a higher layer",
        ),
        ("src/helper.rs", "", "`helper` is not in the table"),
        (
            "src/wheel.rs",
            "/* // */ use crate::engine;",
            "a higher layer",
        ),
        (
            "src/wheel.rs",
            "const S: &str = \"//\"; use crate::engine;",
            "a higher layer",
        ),
    ];
    for (path, source, expected) in cases {
        let found = violations(path, source);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert!(found[0].contains(expected), "{source}: {found:?}");
    }
}

#[test]
fn what_points_downward_is_not() {
    let cases = [
        (
            "src/wheel.rs",
            "use crate::time::Mono; use std::time::Duration;",
        ),
        (
            "src/engine/cycle.rs",
            "use crate::{journal, wheel::Wheel, session::{self, fix}, time::Now};",
        ),
        (
            "src/counters/page.rs",
            "use super::memory::Memory; use crate::counters::Stage;",
        ),
        (
            "src/counters/page/tests.rs",
            "use super::super::Stage; use super::*;",
        ),
        (
            "src/wheel.rs",
            "mod tests { use super::*; mod deeper { use super::super::Wheel; } }",
        ),
        (
            "src/wheel.rs",
            "// use crate::engine;\n/* crate::engine */ const S: &str = \"crate::engine\";",
        ),
        (
            "src/wheel.rs",
            "//! [`crate::engine`] drains it\nuse other_crate::engine; pub(crate) fn f() {}",
        ),
        ("src/lib.rs", "pub use crate::engine::Engine;"),
    ];
    for (path, source) in cases {
        assert_eq!(violations(path, source), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn ways_around_the_public_api_are_found() {
    for source in [
        "#[path = \"../src/x.rs\"] mod x;",
        "include!(\"../x.rs\");",
        "pinfix::__f();",
    ] {
        assert_eq!(private_uses("tests/x.rs", source).len(), 1, "{source}");
    }
    assert!(
        private_uses(
            "tests/x.rs",
            "// #[path]\nlet s = \"pinfix::__\"; pinfix::f()"
        )
        .is_empty()
    );
    assert!(private_uses("tests/x.rs", "#[path = \"../simnet/mod.rs\"] mod simnet;").is_empty());
    assert!(private_uses("tests/x.rs", "include_str!(\"data\")").is_empty());
}

#[test]
fn exceptions_have_reasons_and_stay_within_a_row() {
    for (from, to, why) in EXCEPTIONS {
        assert!(
            row_of(from).is_some() && row_of(from) == row_of(to),
            "{from} -> {to}"
        );
        assert!(why.len() > 20, "{from} -> {to}: say why");
    }
}
