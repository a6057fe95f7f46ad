//! What the supervisor says about its services: on the control socket, and in `state.json` for others
//! to read.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::state::{Exit, Phase};
use crate::{
    clock, files,
    process::{Identity, Stat},
};

/// Everything about one homeserver's processes at one moment. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// Everything runs that is to run.
    pub(crate) ready: bool,
    /// The word for this set of services.
    pub(crate) profile: String,
    /// The same with its services, as other launchers write it: there is one at a time.
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Chosen>,
    pub(crate) supervisor: Supervisor,
    pub(crate) services: BTreeMap<String, Report>,
    /// The services in the order in which they start.
    pub(crate) order: Vec<String>,
    /// The number of the last thing that happened to them.
    pub(crate) events: u64,
}

/// A profile that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chosen {
    pub(crate) started_at: String,
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Supervisor {
    pub(crate) pid: u32,
    /// With the pid and the boot it names one process for ever.
    pub(crate) start_ticks: u64,
    /// The session of the supervisor and of everything it starts; 0 where its leader is outside our
    /// PID namespace, as in a container.
    pub(crate) session: i32,
    pub(crate) boot: String,
    pub(crate) started_at: String,
    pub(crate) version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) state: Phase,
    /// It is to run; one that is not was stopped by somebody, or never asked for.
    pub(crate) wanted: bool,
    /// It only starts others, which go on without it.
    #[serde(default)]
    pub(crate) starter: bool,
    /// Its process is replaced as soon as another one can be started.
    #[serde(default)]
    pub(crate) awaits_restart: bool,
    pub(crate) summary: String,
    /// Words by which several are named at once.
    pub(crate) tags: Vec<String>,
    /// Of what it reads or is; another one where it has changed.
    #[serde(default)]
    pub(crate) revision: String,
    pub(crate) pid: Option<u32>,
    pub(crate) start_ticks: Option<u64>,
    pub(crate) started_at: Option<String>,
    pub(crate) ready_at: Option<String>,
    /// How many times it was started.
    pub(crate) runs: u32,
    /// How many of these because it had ended by itself.
    pub(crate) restarts: u32,
    pub(crate) last_exit: Option<Ended>,
    pub(crate) health: Option<Health>,
    /// Why it is not ready yet.
    pub(crate) waits_for: Option<String>,
    /// The last lines it wrote, where it failed.
    pub(crate) last_words: Vec<String>,
    pub(crate) endpoints: BTreeMap<String, String>,
    pub(crate) log: PathBuf,
}

impl Report {
    /// Whether it is as it was asked for.
    pub(crate) fn is_ready(&self) -> bool {
        self.state.is_ready() && !self.awaits_restart
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    #[serde(flatten)]
    pub(crate) exit: Exit,
    pub(crate) at: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Health {
    pub(crate) healthy: bool,
    pub(crate) last_check: String,
    /// Where it is asked, if it is asked over the network.
    pub(crate) endpoint: Option<String>,
    /// What is wrong.
    pub(crate) message: Option<String>,
}

impl Supervisor {
    pub(crate) fn of_this_process() -> Self {
        let pid = std::process::id();
        let stat = Stat::of(pid);
        Self {
            pid,
            start_ticks: stat.map_or(0, |stat| stat.start_ticks),
            session: stat.map_or(0, |stat| stat.session),
            boot: boot(),
            started_at: clock::now().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether the machine has not been booted since: only then its processes can be told from others.
    pub(super) fn is_of_this_boot(&self) -> bool {
        self.boot == boot()
    }
}

/// The supervisor that wrote this file last, if it lives.
pub(crate) fn supervisor(state: &Path) -> Option<Identity> {
    let snapshot: Snapshot = serde_json::from_str(&files::read(state).ok()?).ok()?;
    let Supervisor { pid, start_ticks, .. } = snapshot.supervisor;
    let identity = Identity { pid, start_ticks };
    (snapshot.supervisor.is_of_this_boot() && identity.is_alive()).then_some(identity)
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

impl Snapshot {
    pub(crate) fn write(&self, path: &Path) -> Result<(), files::Error> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        files::write_atomically(path, text.as_bytes(), files::PRIVATE)
    }

    /// The same without the times of the last checks, which change although nothing happens.
    pub(crate) fn without_checks(&self) -> Self {
        let mut snapshot = self.clone();
        for report in snapshot.services.values_mut() {
            if let Some(health) = &mut report.health {
                health.last_check.clear();
            }
        }
        snapshot
    }

    /// The services that used up their tries.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (&str, &Report)> {
        let services = self.order.iter().filter_map(|name| Some((name, self.services.get(name)?)));
        services
            .filter(|(_, r)| r.state == Phase::Failed && !r.starter)
            .map(|(name, r)| (name.as_str(), r))
    }

    /// Everything runs that is to run but for services of this tag.
    pub(crate) fn is_ready_but(&self, tag: &str) -> bool {
        let needed = self.services.values().filter(|report| !report.starter);
        let mut wanted = needed.filter(|report| report.wanted).peekable();
        wanted.peek().is_some()
            && wanted.all(|it| it.is_ready() || it.tags.iter().any(|known| known == tag))
    }

    /// The services that are to run and are not ready, failed or not.
    pub(crate) fn unready(&self) -> impl Iterator<Item = (&str, &Report)> {
        let services = self.order.iter().filter_map(|name| Some((name, self.services.get(name)?)));
        services
            .filter(|(_, r)| r.wanted && !r.is_ready() && !r.starter)
            .map(|(name, r)| (name.as_str(), r))
    }
}

/// Services that all run.
#[cfg(test)]
pub(crate) fn sample(names: &[&str]) -> Snapshot {
    let report = Report {
        state: Phase::Running,
        wanted: true,
        starter: false,
        awaits_restart: false,
        summary: String::new(),
        tags: Vec::new(),
        revision: String::new(),
        pid: None,
        start_ticks: None,
        started_at: None,
        ready_at: None,
        runs: 1,
        restarts: 0,
        last_exit: None,
        health: None,
        waits_for: None,
        last_words: Vec::new(),
        endpoints: BTreeMap::new(),
        log: PathBuf::new(),
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Snapshot {
        ready: true,
        profile: "core".to_owned(),
        profiles: BTreeMap::new(),
        supervisor: Supervisor::of_this_process(),
        services: names.iter().map(|name| (name.clone(), report.clone())).collect(),
        order: names,
        events: 0,
    }
}
