//! Names in Rust's cases from names in a schema's.

/// `MDTradeEntryID` is `md_trade_entry_id`: of a module, a function.
pub fn module(name: &str) -> String {
    let snake = words(name).join("_").to_lowercase();
    if KEYWORDS.contains(&&*snake) {
        snake + "_"
    } else {
        snake
    }
}

/// `MD_TRADE_ENTRY_ID`: of a constant.
pub fn constant(name: &str) -> String {
    words(name).join("_").to_uppercase()
}

/// Of a value of an enumeration or set; those of the type itself are kept free.
pub fn value_name(name: &str) -> String {
    let name = constant(name);
    let taken = ["DESCRIPTION", "SIZE", "NULL", "KIND", "_"].contains(&&*name);
    if taken { name + "_" } else { name }
}

/// `MDTradeEntryID`, `quoteSet` and `quote_set`: of a type; the capitals that are there stay.
pub fn type_name(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
                .unwrap_or_default()
        })
        .collect()
}

/// Words begin where a capital follows a small letter, and where one is followed by a small letter.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, &letter) in letters.iter().enumerate() {
        if letter == '_' {
            words.push(String::new());
            continue;
        }
        let after_small =
            at > 0 && (letters[at - 1].is_ascii_lowercase() || letters[at - 1].is_ascii_digit());
        let before_small = at > 0
            && letters[at - 1].is_ascii_uppercase()
            && letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && (after_small || before_small) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words.retain(|word| !word.is_empty());
    if words.is_empty() {
        words.push("_".to_owned());
    }
    words
}

const KEYWORDS: [&str; 50] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self",
    "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_fix_names() {
        for (name, expected) in [
            ("UUID", "uuid"),
            ("HMACSignature", "hmac_signature"),
            ("PartyDetailsListReqID", "party_details_list_req_id"),
            ("MDTradeEntryID", "md_trade_entry_id"),
            ("StopPx", "stop_px"),
            ("NoFills", "no_fills"),
            ("Type", "type_"),
            ("already_snake", "already_snake"),
            ("Yield2", "yield2"),
        ] {
            assert_eq!(module(name), expected);
        }
        assert_eq!(type_name("quote_set"), "QuoteSet");
        assert_eq!(value_name("Null"), "NULL_");
    }
}
