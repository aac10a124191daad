//! What a source file, and the repository, may be.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{code_only, has_word, root, rust_files, tracked_files};

/// Files that contain `unsafe`, and what for. Each keeps it to itself behind a safe interface.
const UNSAFE_FILES: &[(&str, &str)] = &[
    (
        "src/admin/queue.rs",
        "slots that belong to one end of a ring at a time",
    ),
    (
        "src/counters/memory.rs",
        "the memory that a status page shares with other processes",
    ),
    (
        "src/engine/clock.rs",
        "the time-stamp counter and the clocks of the system",
    ),
    (
        "src/engine/peer.rs",
        "the credentials of a Unix-domain socket's other end",
    ),
    (
        "src/journal/region.rs",
        "the memory of a segment, mapped from a file or not",
    ),
    (
        "src/wire/fix/scan.rs",
        "SSE2 loads for the search of delimiters",
    ),
];

/// Including tests. A file that reaches it has more than one subject.
const LINES_MAX: usize = 900;

const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "src",
    "tests",
    "tools",
];

const NAMES_OF_NOTHING: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "misc",
];

/// Joined here so that this file does not contain them.
fn machine_paths() -> [String; 3] {
    ["work", "root", "home"].map(|directory| format!("/{directory}/"))
}

fn unfinished() -> [String; 3] {
    [("todo", "!"), ("unimplemented", "!"), ("#[ignore", "")].map(|(a, b)| format!("{a}{b}"))
}

#[test]
fn library_files_keep_the_rules() {
    let files = rust_files("src");
    assert!(files.len() > 3, "the sources were found");
    let mut found = Vec::new();
    for (path, source) in &files {
        found.extend(everywhere(path, source));
        found.extend(in_the_library(path, source));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn other_files_keep_the_rules() {
    let mut found = Vec::new();
    for directory in ["tools", "benches", "tests"] {
        for (path, source) in rust_files(directory) {
            found.extend(everywhere(&path, &source));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_list_of_unsafe_files_is_not_out_of_date() {
    for (path, why) in UNSAFE_FILES {
        assert!(why.len() > 20, "{path}: say what for");
        // A file that is not there yet is not out of date.
        if let Ok(source) = fs::read_to_string(root().join(path)) {
            assert!(
                has_word(&code_only(&source), "unsafe"),
                "{path} has no unsafe any more"
            );
        }
    }
}

#[test]
fn the_top_level_holds_nothing_else() {
    let Some(files) = tracked_files() else { return };
    assert!(
        files.iter().any(|file| file == "Cargo.toml"),
        "git lists this repository"
    );
    assert_eq!(strangers(&files), Vec::<String>::new());
}

#[test]
fn no_tracked_file_names_a_directory_of_some_machine() {
    let Some(files) = tracked_files() else { return };
    let mut found = Vec::new();
    for file in files {
        // Data that is not text names nothing; a file deleted and not committed is not there.
        let Ok(text) = fs::read_to_string(root().join(&file)) else {
            continue;
        };
        found.extend(machine_paths_in(&file, &text));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// For every Rust file of the repository.
fn everywhere(path: &str, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !source.starts_with("//! ") {
        found.push(format!(
            "{path}: does not begin with `//!` and what it is for"
        ));
    }
    let stem = path
        .rsplit('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs");
    if NAMES_OF_NOTHING.contains(&stem) || path.split('/').any(|p| NAMES_OF_NOTHING.contains(&p)) {
        found.push(format!("{path}: its name says nothing about what is in it"));
    }
    let code = code_only(source).replace("# [", "#[");
    for word in unfinished() {
        if code.contains(&word) {
            found.push(format!("{path}: `{word}`"));
        }
    }
    found
}

/// For files of the library.
fn in_the_library(path: &str, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
    }
    let code = code_only(source);
    if !has_word(&code, "unsafe") {
        return found;
    }
    if !UNSAFE_FILES.iter().any(|(listed, _)| *listed == path) {
        found.push(format!(
            "{path}: `unsafe` in a file that is not in the list of those"
        ));
    }
    let comments: Vec<&str> = source.lines().collect();
    for (number, line) in code.lines().enumerate() {
        if has_word(line, "unsafe") && !explained(&comments, number) {
            found.push(format!(
                "{path}:{}: `unsafe` without a SAFETY note above",
                number + 1
            ));
        }
    }
    found
}

/// Whether the comment right above line `number`, counted from zero, has a SAFETY note. Attributes
/// and the beginning of the same statement may stand between.
fn explained(lines: &[&str], number: usize) -> bool {
    let mut above = lines[..number].iter().rev().map(|line| line.trim_start());
    let mut seen_comment = false;
    for line in above.by_ref() {
        if line.starts_with("//") {
            seen_comment = true;
            if line.contains("SAFETY:") || line.contains("# Safety") {
                return true;
            }
        } else if seen_comment || line.is_empty() || line.ends_with([';', '}']) {
            return false;
        }
    }
    false
}

fn strangers(files: &[String]) -> Vec<String> {
    let top: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.split('/').next())
        .collect();
    top.into_iter()
        .filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(name))
        .map(|name| format!("{name}: not one of {}", TOP_LEVEL.join(" ")))
        .collect()
}

fn machine_paths_in(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for path in machine_paths() {
            let absolute = line.match_indices(&path).any(|(at, _)| {
                // Below another directory it is a part of a path within the project.
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}".contains(c))
            });
            if absolute {
                found.push(format!("{file}:{}: {path}", number + 1));
            }
        }
    }
    found
}

#[test]
fn each_rule_of_every_file_is_checked() {
    assert!(everywhere("src/a.rs", "//! What it is for.\nfn f() {}").is_empty());
    assert_eq!(everywhere("src/a.rs", "fn f() {}").len(), 1);
    assert_eq!(everywhere("src/a.rs", "//!\nfn f() {}").len(), 1);
    for path in ["src/util.rs", "src/common/mod.rs", "src/wire/helpers.rs"] {
        assert_eq!(everywhere(path, "//! What.").len(), 1, "{path}");
    }
    assert!(everywhere("src/manager_rules.rs", "//! What.").is_empty());
    for word in unfinished() {
        assert_eq!(
            everywhere("src/a.rs", &format!("//! What.\n{word}()]")).len(),
            1,
            "{word}"
        );
        assert!(everywhere("src/a.rs", &format!("//! What: {word}\n// {word}")).is_empty());
    }
}

#[test]
fn each_rule_of_library_files_is_checked() {
    let listed = UNSAFE_FILES[0].0;
    let good = "fn f() {\n    // SAFETY: it is.\n    unsafe { g() }\n}\n";
    assert!(in_the_library(listed, good).is_empty());
    assert_eq!(in_the_library("src/a.rs", good).len(), 1);
    let split = "// SAFETY: it is\n// in two lines.\n#[x]\nlet a =\n    unsafe { g() };\n";
    assert!(in_the_library(listed, split).is_empty());
    for bad in [
        "fn f() { unsafe { g() } }",
        "// SAFETY: of another\nlet a = 1;\nunsafe { g() }",
        "// because\nunsafe { g() }",
        "// SAFETY: of the first\nunsafe { g() };\nunsafe { h() };",
    ] {
        assert_eq!(in_the_library(listed, bad).len(), 1, "{bad}");
    }
    assert!(in_the_library("src/a.rs", "// unsafe\n#![allow(unsafe_code)]").is_empty());
    assert!(in_the_library("src/a.rs", &"\n".repeat(LINES_MAX)).is_empty());
    assert_eq!(
        in_the_library("src/a.rs", &"\n".repeat(LINES_MAX + 1)).len(),
        1
    );
}

#[test]
fn each_rule_of_the_repository_is_checked() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    assert!(strangers(&names(&["Cargo.toml", "src/lib.rs", ".gitignore"])).is_empty());
    assert_eq!(
        strangers(&names(&["docs/a.md", "docs/b.md", "x.sh"])).len(),
        2
    );
    for path in machine_paths() {
        assert_eq!(machine_paths_in("a", &format!("see \"{path}x\"")).len(), 1);
        assert_eq!(machine_paths_in("a", &format!("{path}x")).len(), 1);
        assert!(machine_paths_in("a", &format!("see src{path}x")).is_empty());
    }
}
