//! The name somebody meant who wrote another one.

/// The name of `known` that is least different from `given`, letters of either case being the same;
/// `None` if all are too different to be what was meant.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given: Vec<char> = given.to_lowercase().chars().collect();
    // One letter in three wrong is a misspelling, more is another word.
    let most = given.len().div_ceil(3);
    let distances = known
        .into_iter()
        .map(|name| (distance(&given, &name.to_lowercase()), name));
    let (least, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (least <= most).then_some(name)
}

/// How many letters must be put in, taken out or replaced to make one of the other (Levenshtein).
fn distance(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (above, letter) in to.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (left, other) in from.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[left + 1];
            row[left + 1] = replaced.min(row[left] + 1).min(diagonal + 1);
        }
    }
    row[from.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_different_name_is_found_unless_all_are_other_words() {
        let known = ["LogonTimeout", "LogoutTimeout", "HeartBtInt"];
        for (given, meant) in [
            ("logontimeout", Some("LogonTimeout")),
            ("LogoutTimeuot", Some("LogoutTimeout")),
            ("HeartbeatInt", Some("HeartBtInt")),
            ("MaxLatency", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
    }

    #[test]
    fn the_distance_counts_letters() {
        for (from, to, letters) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            let from: Vec<char> = from.chars().collect();
            assert_eq!(distance(&from, to), letters, "{to}");
        }
    }
}
