//! What a figure depends on besides the engine: told first, so that it is never left out.

use std::fs;
use std::path::Path;

use pinfix::engine::Ticker;
use serde_json::{Value, json};

use super::cores::{self, Cores};

/// Facts of the machine; `unknown` where the system does not tell.
pub struct Machine {
    cpu: String,
    allowed: usize,
    kernel: String,
    clock_source: String,
    reads_counter: bool,
    isolated: Vec<usize>,
    load: String,
    cores: Cores,
    journal_filesystem: String,
}

impl Machine {
    pub fn look(cores: Cores, journals: &Path) -> Self {
        Self {
            cpu: cpu_model(),
            allowed: cores::allowed().len(),
            kernel: one_line("/proc/sys/kernel/osrelease"),
            clock_source: one_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            reads_counter: Ticker::new().is_counter(),
            isolated: cores::isolated(),
            load: one_line("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            cores,
            journal_filesystem: filesystem_of(journals),
        }
    }

    /// Lines for people, each with its name in front.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let Cores { client, venue } = self.cores;
        let read = if self.reads_counter {
            "the counter is read directly"
        } else {
            "read through the system"
        };
        let isolated = if self.isolated.is_empty() {
            "none".to_owned()
        } else {
            let list: Vec<_> = self.isolated.iter().map(usize::to_string).collect();
            list.join(",")
        };
        let sharing = if client == venue {
            "; they share one core, so each yields: expect slow figures"
        } else {
            ""
        };
        vec![
            ("cpu", format!("{}, {} may be used", self.cpu, self.allowed)),
            ("kernel", self.kernel.clone()),
            ("clock", format!("{}, {read}", self.clock_source)),
            (
                "cores",
                format!("client {client}, venue {venue} (isolated: {isolated}){sharing}"),
            ),
            ("load", format!("{} before the run", self.load)),
        ]
    }

    /// The type of the filesystem the journals are on.
    pub fn journal_filesystem(&self) -> &str {
        &self.journal_filesystem
    }

    pub fn json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cpus_allowed": self.allowed,
            "kernel": self.kernel,
            "clock_source": self.clock_source,
            "time_stamp_counter": self.reads_counter,
            "isolated_cores": self.isolated,
            "cores": [self.cores.client, self.cores.venue],
            "load_before": self.load,
            "journal_filesystem": self.journal_filesystem,
        })
    }
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map(|(_, model)| model.trim().to_owned());
    model.unwrap_or_else(|| "unknown".to_owned())
}

fn one_line(file: &str) -> String {
    match fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn filesystem_of(directory: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let directory = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_path_buf());
    longest_mount(&mounts, &directory).unwrap_or_else(|| "unknown".to_owned())
}

/// The type of the mount that `directory` is in: the last of the longest, which hides the others.
fn longest_mount(mounts: &str, directory: &Path) -> Option<String> {
    mounts
        .lines()
        .filter_map(|line| {
            // 36 35 98:0 /root /mount/point options ... - type source options
            let (front, back) = line.split_once(" - ")?;
            let point = front.split(' ').nth(4)?;
            let kind = back.split(' ').next()?;
            directory
                .starts_with(point)
                .then(|| (point.len(), kind.to_owned()))
        })
        .max_by_key(|(len, _)| *len)
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_tells_the_filesystem() {
        let mounts = "22 1 0:20 / / rw - ext4 /dev/vda rw\n\
                      23 22 0:21 / /dev/shm rw,nosuid shared:4 - tmpfs tmpfs rw\n";
        let kind = |path| longest_mount(mounts, Path::new(path));
        assert_eq!(kind("/dev/shm/x").as_deref(), Some("tmpfs"));
        assert_eq!(kind("/dev/shmx").as_deref(), Some("ext4"));
    }
}
