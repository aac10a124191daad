//! Source files as the rules look at them: found on disk, and with comments and literals blanked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file below `directory`, as (path from the root of the repository, text), sorted.
/// Empty if there is no such directory.
pub fn rust_files(directory: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("the directory can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is readable text");
                found.push((relative(&path), text));
            }
        }
    }
    found.sort();
    found
}

/// The files git knows, from the root of the repository; `None` outside a git checkout, such as in
/// a package from a registry.
pub fn tracked_files() -> Option<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .ok()?;
    if !listed.status.success() {
        return None;
    }
    let names = String::from_utf8(listed.stdout).expect("names of files are UTF-8");
    Some(names.split_terminator('\0').map(str::to_owned).collect())
}

fn relative(path: &Path) -> String {
    let path: PathBuf = path
        .strip_prefix(root())
        .expect("found below the root")
        .into();
    path.to_str()
        .expect("names of files are UTF-8")
        .replace('\\', "/")
}

/// `source` with the inside of comments, strings and character literals replaced by spaces. Lines
/// stay where they are.
pub fn code_only(source: &str) -> String {
    let text: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < text.len() {
        let end = literal_or_comment_end(&text, at);
        if end > at {
            out.extend(
                text[at..end]
                    .iter()
                    .map(|&c| if c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        } else if is_word(text[at]) {
            while at < text.len() && is_word(text[at]) {
                out.push(text[at]);
                at += 1;
            }
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn literal_or_comment_end(text: &[char], at: usize) -> usize {
    let rest = &text[at..];
    let begins = |with: &str| {
        with.chars()
            .enumerate()
            .all(|(i, c)| rest.get(i) == Some(&c))
    };
    if begins("//") {
        return at + rest.iter().position(|&c| c == '\n').unwrap_or(rest.len());
    }
    if begins("/*") {
        return at + block_comment_length(rest);
    }
    for prefix in ["", "b", "c"] {
        if begins(&format!("{prefix}\"")) {
            return quoted_end(text, at + prefix.len() + 1, '"');
        }
    }
    if begins("b'") {
        return quoted_end(text, at + 2, '\'');
    }
    for prefix in ["r", "br", "cr"] {
        if begins(prefix)
            && let Some(end) = raw_string_end(text, at + prefix.len())
        {
            return end;
        }
    }
    // A lifetime has no closing quote right after its first character.
    if begins("'") && (rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')) {
        return quoted_end(text, at + 1, '\'');
    }
    at
}

fn block_comment_length(text: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn quoted_end(text: &[char], mut at: usize, quote: char) -> usize {
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The end of a raw string whose hashes or quote begin at `at`; `None` if it is something else, such
/// as a raw identifier.
fn raw_string_end(text: &[char], at: usize) -> Option<usize> {
    let hashes = text[at..].iter().take_while(|&&c| c == '#').count();
    if text.get(at + hashes) != Some(&'"') {
        return None;
    }
    let mut end = at + hashes + 1;
    while end < text.len() {
        let closes = text[end] == '"'
            && text[end + 1..]
                .iter()
                .take(hashes)
                .filter(|&&c| c == '#')
                .count()
                == hashes;
        if closes {
            return Some(end + 1 + hashes);
        }
        end += 1;
    }
    Some(text.len())
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `word` stands in `code` as a whole word.
pub fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[test]
fn comments_and_literals_are_blanked_and_code_is_kept() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("f(\"crate::x\", y)", "f(          , y)"),
        (r#"f("\"crate::x", y)"#, "f(            , y)"),
        ("f(r#\"a\"b\"#, y)", "f(        , y)"),
        ("f(b\"a\", br\"b\", c\"c\")", "f(    ,      ,     )"),
        ("'a' '\\'' '\\u{1f}' b'x'", "                      "),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ("let r#type = bar; rb", "let r#type = bar; rb"),
        ("\"never closed", "             "),
        ("/* never closed", "               "),
    ];
    for (source, expected) in cases {
        assert_eq!(code_only(source), expected, "{source}");
    }
}

#[test]
fn words_are_found_whole() {
    assert!(has_word("unsafe { }", "unsafe"));
    assert!(has_word("x(unsafe)", "unsafe"));
    assert!(!has_word("unsafe_code not_unsafe", "unsafe"));
}
