//! The FIX versions as a user names them.

use pinfix::session::fix::rules::{ALL, Rules};

/// The version called `name`, or what would be right.
pub fn parse(name: &str) -> Result<&'static Rules, String> {
    Rules::named(name).ok_or_else(|| {
        let known: Vec<_> = ALL.iter().map(|rules| rules.name).collect();
        format!("not a FIX version, expected one of {}", known.join(", "))
    })
}
