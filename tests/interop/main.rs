//! Our engine against engines of somebody else, over the loopback interface. What they are: PEERS.md.
//!
//! A trial whose peer is not installed is ignored, loudly; with `PINFIX_INTEROP=required` it fails.
//! Invariants: a trial that could not run never passes, and every wait has a limit.

mod jspurefix;
mod ours;
mod peer;
mod proxies;
mod quickfix_trials;
mod recorded;
mod rig;

use std::env;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use pinfix::engine::TLS_AVAILABLE;
use pinfix::session::fix::rules;

use peer::{CHECKS, Certificates, Failure, QuickFix, Role, Version};
use quickfix_trials as quickfix;
use rig::{Plan, Wire};

/// Stories that are told with every version, in either role of ours.
const STORIES: [(&str, Story); 10] = [
    ("orders", quickfix::orders),
    ("gap_by_peer", quickfix::peer_drops),
    ("gap_by_us", quickfix::we_drop),
    ("we_restart", quickfix::we_restart),
    ("we_restart_in_a_burst", quickfix::we_restart_in_a_burst),
    ("peer_restarts", quickfix::peer_restarts),
    ("peer_dies_in_a_burst", quickfix::peer_dies_in_a_burst),
    ("peer_logs_out", quickfix::peer_logs_out),
    ("we_log_out", quickfix::we_log_out),
    ("heartbeats", quickfix::heartbeats),
];

/// Stories about what is the same in every version, told with FIX.4.4, in these roles of ours.
const STORIES_OF_ONE_VERSION: [(&str, Story, &[Role]); 5] = [
    // QuickFIX as initiator takes a second to connect again; its burst is over by then.
    (
        "small_waiting_room",
        quickfix::small_waiting_room,
        &[Role::Initiator],
    ),
    ("many_gaps", quickfix::many_gaps, &ROLES),
    ("long_gap", quickfix::long_gap, &ROLES),
    ("long_resend", quickfix::long_resend, &ROLES),
    ("silence", quickfix::silence, &ROLES),
];

/// Stories that are told with TLS below, with FIX.4.4, in either role of ours.
const STORIES_OVER_TLS: [(&str, Story); 6] = [
    ("orders", quickfix::orders),
    ("gap_by_peer", quickfix::peer_drops),
    ("gap_by_us", quickfix::we_drop),
    ("we_restart", quickfix::we_restart),
    ("peer_logs_out", quickfix::peer_logs_out),
    ("we_log_out", quickfix::we_log_out),
];

const ROLES: [Role; 2] = [Role::Acceptor, Role::Initiator];

/// Most trials wait more than they work, so a few at a time use two cores well.
const TRIALS_AT_A_TIME: usize = 3;

type Story = fn(Plan) -> Result<(), Failure>;

/// What a trial needs beside our engine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    QuickFix,
    Dictionaries,
    Tshark,
    JsPureFix,
    QuickFixTls,
    Certificates,
    OurTls,
    Proxies,
}

impl Need {
    const ALL: [Self; 8] = [
        Self::QuickFix,
        Self::Dictionaries,
        Self::Tshark,
        Self::JsPureFix,
        Self::QuickFixTls,
        Self::Certificates,
        Self::OurTls,
        Self::Proxies,
    ];

    /// Why no installation can meet it, where that is so: then its trials are ignored, required or not.
    fn hopeless(self) -> Option<&'static str> {
        match self {
            Self::QuickFixTls if QuickFix::lacks_tls() => Some("QuickFIX was built without TLS here"),
            Self::OurTls => Some("pinfix was built without its feature tls"),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::QuickFix => "QuickFIX (Debian libquickfix-dev)",
            Self::Dictionaries => "the FIX dictionaries (npm jspurefix)",
            Self::Tshark => "tshark (Debian), or root to record with it,",
            Self::JsPureFix => "jspurefix (npm)",
            Self::QuickFixTls => "QuickFIX with TLS (Debian libquickfix-dev)",
            Self::Certificates => "openssl (Debian)",
            Self::OurTls => "TLS of our own",
            Self::Proxies => "tinyproxy, microsocks or haproxy (Debian)",
        }
    }

    fn is_met(self) -> bool {
        match self {
            Self::QuickFix => ROLES.into_iter().all(QuickFix::is_installed),
            Self::Dictionaries => QuickFix::has_dictionaries(),
            Self::Tshark => recorded::is_usable(),
            Self::JsPureFix => jspurefix::is_installed(),
            Self::QuickFixTls => ROLES.into_iter().all(QuickFix::has_tls),
            Self::Certificates => Certificates::can_be_made(),
            Self::OurTls => TLS_AVAILABLE,
            Self::Proxies => proxies::are_installed(),
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TRIALS_AT_A_TIME);
    let house = House::visit();
    libtest_mimic::run(&arguments, trials(&house)).exit_code()
}

/// What is installed here, and what must be.
struct House {
    missing: Vec<Need>,
    required: bool,
}

impl House {
    fn visit() -> Self {
        let missing: Vec<Need> = Need::ALL
            .into_iter()
            .filter(|need| !need.is_met())
            .collect();
        let required = env::var_os("PINFIX_INTEROP").is_some_and(|value| value == "required");
        for need in &missing {
            if let Some(why) = need.hopeless() {
                eprintln!("interop: {why}, its trials are IGNORED");
                continue;
            }
            eprintln!(
                "interop: {} is MISSING, its trials are {}; install it with tests/interop/install.sh",
                need.name(),
                if required { "FAILED" } else { "IGNORED" },
            );
        }
        Self { missing, required }
    }

    fn trial(
        &self,
        name: String,
        needs: &[Need],
        story: impl FnOnce() -> Result<(), Failure> + Send + 'static,
    ) -> Trial {
        let mut missing = needs.iter().filter(|need| self.missing.contains(need));
        let Some(first) = missing.clone().next() else {
            return Trial::test(name, || {
                story().map_err(|failure| Failed::from(failure.to_string()))
            });
        };
        let hopeless = missing.find_map(|need| need.hopeless());
        // It fails also where somebody asks for ignored trials to be run.
        let told = hopeless.map_or_else(
            || format!("{} is missing: run tests/interop/install.sh", first.name()),
            str::to_owned,
        );
        Trial::test(name, || Err(Failed::from(told)))
            .with_ignored_flag(hopeless.is_some() || !self.required)
    }
}

fn trials(house: &House) -> Vec<Trial> {
    let mut trials = Vec::new();
    for version in Version::ALL {
        for role in ROLES {
            let plan = Plan::new(version, role);
            let name = |story: &str| format!("quickfix::{}::{}::{story}", tag(version), side(role));
            for (story, tell) in STORIES {
                trials.push(house.trial(name(story), &[Need::QuickFix], move || tell(plan)));
            }
            // Reading the dictionary of the last version takes QuickFIX seconds: one role will do.
            let is_read = version != Version::Fix50Sp2 || role == Role::Acceptor;
            if version.has_dictionary() && is_read {
                let needs = [Need::QuickFix, Need::Dictionaries];
                let tell = move || quickfix::dictionary(plan);
                trials.push(house.trial(name("dictionary"), &needs, tell));
            }
            if version == Version::Fix44 {
                let told = STORIES_OF_ONE_VERSION.iter();
                for &(story, tell, _) in told.filter(|(_, _, roles)| roles.contains(&role)) {
                    trials.push(house.trial(name(story), &[Need::QuickFix], move || tell(plan)));
                }
            }
        }
    }
    for role in ROLES {
        let plan = Plan {
            wire: Wire::Tls,
            ..Plan::new(Version::Fix44, role)
        };
        let needs = [
            Need::QuickFix,
            Need::QuickFixTls,
            Need::Certificates,
            Need::OurTls,
        ];
        for (story, tell) in STORIES_OVER_TLS {
            let name = format!("quickfix::tls::{}::{story}", side(role));
            trials.push(house.trial(name, &needs, move || tell(plan)));
        }
    }
    let recorded: [(&str, Version, Role, Story); 4] = [
        (
            "undisturbed",
            Version::Fix42,
            Role::Acceptor,
            recorded::undisturbed,
        ),
        (
            "undisturbed",
            Version::Fix44,
            Role::Initiator,
            recorded::undisturbed,
        ),
        (
            "undisturbed",
            Version::Fix50Sp2,
            Role::Acceptor,
            recorded::undisturbed,
        ),
        (
            "with_a_gap",
            Version::Fix44,
            Role::Acceptor,
            recorded::with_a_gap,
        ),
    ];
    for (story, version, role, tell) in recorded {
        let name = format!("tshark::{}::{}::{story}", tag(version), side(role));
        let needs = [Need::QuickFix, Need::Tshark];
        trials.push(house.trial(name, &needs, move || tell(Plan::new(version, role))));
    }
    trials.push(house.trial(
        "jspurefix::fix44::acceptor::orders_and_logouts".to_owned(),
        &[Need::JsPureFix],
        jspurefix::orders_and_logouts,
    ));
    for (name, tell) in proxies::STORIES {
        let name = format!("proxies::{name}");
        trials.push(house.trial(name, &[Need::Proxies], tell));
    }
    trials.push(house.trial("every_version_is_tried".to_owned(), &[], || {
        let ours = rules::ALL.map(|rules| (rules.name, rules.begin_string));
        let tried = Version::ALL.map(|version| (version.name(), version.begin_string()));
        if ours == tried {
            Ok(())
        } else {
            Err(Failure::new(format!("tried {tried:?} of {ours:?}")))
        }
    }));
    for (name, check) in CHECKS {
        trials.push(house.trial(name.to_owned(), &[], check));
    }
    trials
}

fn tag(version: Version) -> &'static str {
    match version {
        Version::Fix40 => "fix40",
        Version::Fix41 => "fix41",
        Version::Fix42 => "fix42",
        Version::Fix43 => "fix43",
        Version::Fix44 => "fix44",
        Version::Fix50 => "fix50",
        Version::Fix50Sp1 => "fix50sp1",
        Version::Fix50Sp2 => "fix50sp2",
    }
}

/// Our role.
fn side(role: Role) -> &'static str {
    match role {
        Role::Acceptor => "acceptor",
        Role::Initiator => "initiator",
    }
}
