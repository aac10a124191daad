//! Puts the scenarios of the conformance suite into one file, for `pinfix certify`.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

const SCENARIOS: &str = "../tests/conformance/scenarios";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={SCENARIOS}");
    let mut files: Vec<_> = fs::read_dir(SCENARIOS)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "scn"));
    files.sort();
    let mut all = String::new();
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&file)?;
        writeln!(all, "#!file {name}\n{text}").map_err(io::Error::other)?;
    }
    let directory = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&directory).join("scenarios.txt"), all)
}
