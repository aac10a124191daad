//! Every key of a TOML file, with an example and what it means: what `pinfix config keys --toml` prints.
//!
//! The table is `keys.txt`: a line for each key, `KEY = EXAMPLE ; WHAT THE EXAMPLE NEEDS | MEANING`, under
//! the table of the file it stands in. The tests hold it against what the reader knows, and try every
//! example.

const TABLE: &str = include_str!("keys.txt");

/// A key.
struct Key {
    /// The table of the file it stands in.
    place: &'static str,
    /// `a.b`.
    name: &'static str,
    /// A value, as it is written.
    example: &'static str,
    /// Other keys the example does not do without, as they are written.
    #[cfg_attr(not(test), expect(dead_code, reason = "for those who try it"))]
    needs: Vec<(&'static str, &'static str)>,
    meaning: &'static str,
}

/// The titles of the places, and their keys.
fn table() -> (Vec<(&'static str, &'static str)>, Vec<Key>) {
    let (mut places, mut keys) = (Vec::new(), Vec::new());
    for line in TABLE.lines() {
        if let Some((place, title)) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("] "))
        {
            places.push((place, title));
            continue;
        }
        let Some((written, meaning)) = line.rsplit_once(" | ") else {
            continue;
        };
        let mut written = written.split(" ; ").filter_map(|one| one.split_once(" = "));
        if let (Some((name, example)), Some((place, _))) = (written.next(), places.last()) {
            keys.push(Key {
                place,
                name,
                example,
                needs: written.collect(),
                meaning,
            });
        }
    }
    (places, keys)
}

/// The keys with this in their name, each with an example.
pub fn list(pattern: &str) -> String {
    let (places, keys) = table();
    let mut out = String::new();
    for (place, title) in places {
        let fits = |key: &&Key| key.place == place && key.name.contains(pattern);
        let found: Vec<_> = keys.iter().filter(fits).collect();
        if found.is_empty() {
            continue;
        }
        out.push_str(&format!("{title}\n"));
        for key in found {
            let example = match key.example.contains('{') && !key.example.contains("{ ") {
                true => "\"...\"",
                false => key.example,
            };
            out.push_str(&format!("  {} = {example}  # {}\n", key.name, key.meaning));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::file::File;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    /// Keys and their values, as they are written.
    type Written = &'static [(&'static str, &'static str)];

    /// Files that are whole, to which a key can be added: where it is added, and the keys there.
    const FILES: [(&str, &str, Written); 7] = [
        ("file", "", &[]),
        ("engine", "[engine]", &[]),
        ("listen", "[[listen]]", &[("address", "\"127.0.0.1:1\"")]),
        (
            "session",
            "[[session]]",
            &[
                ("version", "\"FIX.4.4\""),
                ("role", "\"initiator\""),
                ("sender_comp_id", "\"A\""),
                ("target_comp_id", "\"B\""),
                ("connect.to", "[\"127.0.0.1:1\"]"),
                ("validation.dictionaries", "\"off\""),
            ],
        ),
        (
            "session",
            "[[session]]",
            &[
                ("version", "\"FIX.4.4\""),
                ("sender_comp_id", "\"A\""),
                ("target_comp_id", "\"B\""),
            ],
        ),
        (
            "session",
            "[[session]]",
            &[
                ("venue", "\"t4\""),
                ("service", "\"simulator\""),
                ("tls", "\"off\""),
                ("sender_comp_id", "\"A\""),
                ("target_comp_id", "\"B\""),
            ],
        ),
        (
            "fixp",
            "[[session]]",
            &[
                ("venue", "\"ilink3\""),
                ("session", "\"ABC\""),
                ("firm", "\"007\""),
                ("connect.to", "[\"127.0.0.1:1\"]"),
                ("logon.access_key_id", "\"KEY1\""),
                (
                    "logon.secret_key",
                    "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"",
                ),
            ],
        ),
    ];

    /// What a file comes to, or what is wrong with it.
    fn printed(header: &str, keys: &BTreeMap<&str, String>) -> Result<String, String> {
        let mut text = format!("{header}\n");
        for (key, value) in keys {
            text.push_str(&format!("{key} = {value}\n"));
        }
        if header.is_empty() {
            // What stands before the first table is for the sessions.
            text.push_str(
                "[[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"A\"\ntarget_comp_id = \"B\"\n",
            );
        }
        let file = File::parse("a.toml", &text).map_err(|error| error.to_string())?;
        let plan = file
            .plan("a.toml", &text)
            .map_err(|error| error.to_string())?;
        // What the engine comes to beside what the file says.
        Ok(format!(
            "{}{:?}",
            toml::to_string(&file.resolved(&plan)).unwrap(),
            plan.engine
        ))
    }

    /// The keys that the reader says it expects, in a table of a file.
    fn expected(header: &str, prefix: &str, value: &str) -> Option<Vec<String>> {
        let text = format!("{header}\n{prefix}{value}\n");
        let error = File::parse("a.toml", &text).err()?.to_string();
        let (_, rest) = error.split_once("unknown field `zzz`, expected ")?;
        let keys = rest.split('`').skip(1).step_by(2);
        Some(keys.map(str::to_owned).collect())
    }

    /// Every key below a prefix, those of tables in tables as well.
    fn known(header: &str, prefix: &str, into: &mut Vec<String>) {
        for key in expected(header, prefix, "zzz = 1").unwrap_or_default() {
            let name = format!("{prefix}{key}");
            match expected(header, &name, " = { zzz = 1 }") {
                Some(_) => known(header, &format!("{name}."), into),
                None => into.push(name),
            }
        }
    }

    #[test]
    fn the_table_has_every_key_that_the_reader_knows_and_no_other() {
        let (_, keys) = table();
        for (places, header, except) in [
            (
                &["file"][..],
                "",
                &["listen", "engine", "defaults", "session"][..],
            ),
            (&["engine"], "[engine]", &[]),
            (&["listen"], "[[listen]]", &[]),
            (&["session", "fixp"], "[[session]]", &[]),
        ] {
            let mut known_keys = Vec::new();
            match header {
                "" => known_keys = expected("", "", "zzz = 1").unwrap(),
                header => known(header, "", &mut known_keys),
            }
            // Names of tables of the file itself.
            known_keys.retain(|key| !header.is_empty() || !except.contains(&key.as_str()));
            let mut documented: Vec<_> = keys
                .iter()
                .filter(|key| places.contains(&key.place))
                .collect();
            documented.sort_by_key(|key| key.name);
            let documented: Vec<_> = documented.iter().map(|key| key.name.to_owned()).collect();
            known_keys.sort();
            assert!(known_keys.len() >= 6, "{header}: {known_keys:?}");
            assert_eq!(documented, known_keys, "{header}");
        }
    }

    /// Where an example has a name in braces, the file of that name.
    fn filled(example: &str, directory: &Path) -> String {
        let mut text = example.to_owned();
        for name in ["secret", "key_of_fixp", "certificate", "key"] {
            let path = directory.join(name);
            text = text.replace(&format!("{{{name}}}"), path.to_str().unwrap());
        }
        text
    }

    #[test]
    fn every_example_is_taken_and_changes_what_the_file_comes_to() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("secret"), "sesame\n").unwrap();
        fs::write(directory.path().join("key_of_fixp"), format!("{SECRET}\n")).unwrap();
        #[cfg(feature = "tls")]
        {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(directory.path().join("certificate"), made.cert.pem()).unwrap();
            fs::write(
                directory.path().join("key"),
                made.signing_key.serialize_pem(),
            )
            .unwrap();
        }
        let (_, keys) = table();
        let mut wrong = Vec::new();
        for key in &keys {
            if key.name.contains("tls.") && cfg!(not(feature = "tls")) {
                continue;
            }
            let value = filled(key.example, directory.path());
            let mut told = Vec::new();
            let works =
                FILES
                    .iter()
                    .filter(|(place, ..)| *place == key.place)
                    .any(|(_, header, base)| {
                        let mut with: BTreeMap<&str, String> = base
                            .iter()
                            .map(|(key, value)| (*key, (*value).to_owned()))
                            .collect();
                        with.extend(
                            key.needs
                                .iter()
                                .map(|(key, value)| (*key, filled(value, directory.path()))),
                        );
                        let mut without = with.clone();
                        without.remove(key.name);
                        // What has no default is there with another value; that of a secret is not printed.
                        let was = with.insert(key.name, value.clone());
                        if let Some(was) =
                            was.filter(|was| *was != value && key.name != "logon.secret_key")
                        {
                            without.insert(key.name, was);
                        }
                        if key.name.starts_with("logon.secret_key_") {
                            with.remove("logon.secret_key");
                        }
                        match (printed(header, &with), printed(header, &without)) {
                            // It must not be there: this is what the reader says of it.
                            (Err(error), _) if value == "\"{none}\"" => {
                                error.contains("the environment has no {none}") && error.contains("***")
                            }
                            (Ok(with), without) => {
                                let changed = Ok(with) != without;
                                told.extend((!changed).then(|| "changes nothing".to_owned()));
                                changed
                            }
                            (Err(error), _) => {
                                told.push(error);
                                false
                            }
                        }
                    });
            if !works {
                wrong.push(format!("{} = {value}: {}", key.name, told.join("; ")));
            }
        }
        assert!(keys.len() > 200);
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }

    #[test]
    fn keys_are_found_by_a_part_of_their_name() {
        let found = list("comp_ids");
        assert!(
            found.contains("checks.comp_ids = false  # the identity"),
            "{found}"
        );
        assert!(!found.contains("heartbeat_s"), "{found}");
        assert!(list("certificates").contains("tls.certificates = \"...\"  # "));
        assert_eq!(list("no such key"), "");
    }
}
