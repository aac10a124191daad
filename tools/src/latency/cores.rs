//! Which cores the two hot threads run on.

use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::thread;

use anyhow::bail;
use core_affinity::CoreId;

use super::course::Pause;

/// The bits of a set of cores; `core_affinity` panics beyond.
const CORES_MAX: usize = 1024;

/// The cores of the client's thread and of the venue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    pub client: usize,
    pub venue: usize,
}

/// `--cores A,B` as given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair(pub usize, pub usize);

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once(',')
            .and_then(|(client, venue)| {
                Some(Self(
                    client.trim().parse().ok()?,
                    venue.trim().parse().ok()?,
                ))
            })
            .ok_or_else(|| "expected two core numbers, such as 2,3".to_owned())
    }
}

impl Cores {
    /// The cores asked for, or the two best of those this process may use: isolated ones if there are,
    /// two that share no physical core if there are, and high numbers, because interrupts tend to go
    /// to the low ones.
    pub fn choose(asked: Option<Pair>) -> anyhow::Result<Self> {
        if let Some(Pair(client, venue)) = asked {
            for core in [client, venue] {
                if !can_pin(core) {
                    let list: Vec<_> = allowed().iter().map(usize::to_string).collect();
                    bail!(
                        "--cores: core {core} is not one this process may use, expected two of {}",
                        list.join(", ")
                    );
                }
            }
            return Ok(Self { client, venue });
        }
        // Isolated cores are not among those a process is given, but may be asked for.
        let isolated: Vec<_> = isolated()
            .into_iter()
            .filter(|&core| can_pin(core))
            .collect();
        let candidates = if isolated.len() >= 2 {
            isolated
        } else {
            allowed()
        };
        let Some(&venue) = candidates.last() else {
            bail!("the cores this process may use cannot be found out, give two with --cores A,B");
        };
        let others = || {
            candidates
                .iter()
                .rev()
                .copied()
                .filter(|&core| core != venue)
        };
        let siblings = siblings_of(venue);
        let client = others()
            .find(|core| !siblings.contains(core))
            .or_else(|| others().next())
            .unwrap_or(venue);
        Ok(Self { client, venue })
    }

    /// What a thread does that has nothing to do.
    pub fn pause(self) -> Pause {
        if self.client == self.venue {
            Pause::Yield
        } else {
            Pause::Spin
        }
    }

    pub fn uses(self, core: usize) -> bool {
        core == self.client || core == self.venue
    }

    pub fn pin_client(self) -> anyhow::Result<()> {
        pin(self.client)
    }

    pub fn pin_venue(self) -> anyhow::Result<()> {
        pin(self.venue)
    }
}

/// The cores this process may use, ascending.
pub fn allowed() -> Vec<usize> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let mut cores: Vec<_> = cores.into_iter().map(|core| core.id).collect();
    cores.sort_unstable();
    cores
}

/// The cores the kernel keeps free of other work.
pub fn isolated() -> Vec<usize> {
    read_list(Path::new("/sys/devices/system/cpu/isolated"))
}

fn siblings_of(core: usize) -> Vec<usize> {
    let file = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    read_list(Path::new(&file))
}

/// Has the calling thread run on this core only.
pub fn pin(core: usize) -> anyhow::Result<()> {
    if core < CORES_MAX && core_affinity::set_for_current(CoreId { id: core }) {
        return Ok(());
    }
    let list: Vec<_> = allowed().iter().map(usize::to_string).collect();
    bail!(
        "a thread cannot be pinned to core {core}, this process may use {}",
        list.join(", ")
    )
}

/// Whether a thread may be pinned to `core`: tried on one that has nothing else to do.
fn can_pin(core: usize) -> bool {
    thread::spawn(move || pin(core).is_ok())
        .join()
        .unwrap_or(false)
}

/// A list of cores as the kernel writes it; empty if it says nothing.
fn read_list(file: &Path) -> Vec<usize> {
    fs::read_to_string(file).map_or_else(|_| Vec::new(), |text| parse_list(&text))
}

fn parse_list(text: &str) -> Vec<usize> {
    let mut cores = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            cores.extend(first..=last);
        }
    }
    cores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read() {
        assert_eq!(parse_list("\n"), Vec::<usize>::new());
        assert_eq!(parse_list("0-3,5\n"), [0, 1, 2, 3, 5]);
    }

    #[test]
    fn two_cores_are_asked_for_by_number() {
        assert_eq!("2, 3".parse(), Ok(Pair(2, 3)));
        assert!("2".parse::<Pair>().is_err());
        assert!("2,x".parse::<Pair>().is_err());
    }
}
