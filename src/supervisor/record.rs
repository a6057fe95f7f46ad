//! What the supervisor says about its services: on the control socket, and in `state.json` for others
//! to read. A new supervisor reads of it only which processes its predecessor may have left behind.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::{
    job,
    state::{Exit, Phase},
};
use crate::{clock, files, process};

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
        Self {
            pid,
            start_ticks: process::start_ticks(pid).unwrap_or_default(),
            session: Process::of_this_process().map_or(0, |process| process.session),
            boot: boot(),
            started_at: clock::now().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
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
        services.filter(|(_, r)| r.state == Phase::Failed).map(|(name, r)| (name.as_str(), r))
    }

    /// Everything runs that is to run but for services of this tag.
    pub(crate) fn is_ready_but(&self, tag: &str) -> bool {
        let mut wanted = self.services.values().filter(|report| report.wanted).peekable();
        wanted.peek().is_some()
            && wanted.all(|it| it.state.is_ready() || it.tags.iter().any(|known| known == tag))
    }

    /// The services that are to run and are not ready, failed or not.
    pub(crate) fn unready(&self) -> impl Iterator<Item = (&str, &Report)> {
        let services = self.order.iter().filter_map(|name| Some((name, self.services.get(name)?)));
        services
            .filter(|(_, r)| r.wanted && !r.state.is_ready())
            .map(|(name, r)| (name.as_str(), r))
    }
}

/// Ends what a supervisor that was killed left behind, and waits until it is gone. The kernel has
/// told the processes themselves to end already; this finds those that did not, and their children.
/// Returns how many processes were left. The caller holds the supervisor's lock.
pub(crate) async fn sweep(state: &Path, patience: Duration) -> usize {
    let Ok(text) = files::read(state) else { return 0 };
    let Ok(old) = serde_json::from_str::<Snapshot>(&text) else { return 0 };
    if old.supervisor.boot != boot() {
        return 0;
    }
    let began = Instant::now();
    let mut most = 0;
    let mut asked = false;
    let mut pause = Duration::from_millis(5);
    loop {
        let left = left_behind(&old);
        most = most.max(left.len());
        if left.is_empty() {
            return most;
        }
        if !asked {
            tracing::warn!(
                "{} processes of a supervisor that was killed are still here",
                left.len()
            );
            for (_, pid) in &left {
                job::signal(*pid, Signal::TERM);
            }
            asked = true;
        }
        if began.elapsed() >= patience {
            for (_, pid) in &left {
                job::signal(*pid, Signal::KILL);
            }
        }
        if began.elapsed() >= patience + Duration::from_secs(10) {
            tracing::error!("{} processes cannot be killed", left.len());
            return most;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// The processes that belong to the groups of these services, by service.
fn left_behind(old: &Snapshot) -> Vec<(String, Pid)> {
    let groups: Vec<(&String, i32, u64)> = old
        .services
        .iter()
        .filter_map(|(name, r)| Some((name, r.pid?.try_into().ok()?, r.start_ticks?)))
        .filter(|(_, group, _)| {
            let group = Pid::from_raw(*group);
            group.is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok())
        })
        .collect();
    if groups.is_empty() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut left = Vec::new();
    for pid in processes {
        let Some(process) = Process::read(pid) else { continue };
        // A group number may have been given to others since: ours are in the old supervisor's
        // session and not older than the service, and the first of them is exactly that process.
        let ours = groups.iter().find(|(_, group, ticks)| {
            process.group == *group
                && process.session == old.supervisor.session
                && (if pid == *group { process.ticks == *ticks } else { process.ticks >= *ticks })
        });
        if let (Some((name, ..)), Some(pid)) = (ours, Pid::from_raw(pid)) {
            left.push(((*name).clone(), pid));
        }
    }
    left
}

pub(super) struct Process {
    pub(super) group: i32,
    session: i32,
    ticks: u64,
}

impl Process {
    /// The process group, also of one that only waits to be reaped.
    pub(super) fn group_of(pid: Pid) -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
    }

    /// The kernel's own calls say 0 for a group or session led from outside our PID namespace, which
    /// rustix cannot hold.
    pub(super) fn of_this_process() -> Option<Self> {
        Self::read(std::process::id().try_into().ok()?)
    }

    /// Fields 3 (state), 5, 6 and 22 of `proc_pid_stat(5)`; none for one that only waits to be reaped.
    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        let group = fields.nth(1)?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let ticks = fields.nth(15)?.parse().ok()?;
        Some(Self { group, session, ticks })
    }
}

/// Services that all run.
/// Marks which services have no process: an empty file each. Whoever is about to talk to one sees there
/// that somebody else may have its port.
#[derive(Clone)]
pub(super) struct Down(PathBuf);

impl Down {
    /// Below `run`, where nothing of an earlier supervisor stays.
    pub(super) fn anew(run: &Path) -> Result<Self, files::Error> {
        let folder = run.join("down");
        files::remove(&folder)?;
        files::private_folder(&folder)?;
        Ok(Self(folder))
    }

    pub(super) fn of(run: &Path) -> Self {
        Self(run.join("down"))
    }

    pub(super) fn mark(&self, service: &str) {
        let file = self.0.join(service);
        if let Err(error) = files::append(&file) {
            tracing::warn!("`{}` cannot be written: {error}", file.display());
        }
    }

    pub(super) fn clear(&self, service: &str) -> Result<(), files::Error> {
        files::remove(&self.0.join(service))
    }
}

#[cfg(test)]
pub(crate) fn sample(names: &[&str]) -> Snapshot {
    let report = Report {
        state: Phase::Running,
        wanted: true,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_killed_service_started_is_swept_after_its_supervisor() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = process::command("sh");
        // The child of this service outlives it, as a worker of nginx does.
        command.args(["-c", "sleep 1000 & echo $!; wait"]).process_group(0);
        let mut service = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut said = [0; 16];
        let stdout = service.stdout.as_mut().unwrap();
        let length = tokio::io::AsyncReadExt::read(stdout, &mut said).await.unwrap();
        let worker: u32 = String::from_utf8_lossy(&said[..length]).trim().parse().unwrap();
        let pid = service.id().unwrap();
        let mut old = sample(&["nginx"]);
        old.supervisor = Supervisor::of_this_process();
        let report = old.services.get_mut("nginx").unwrap();
        report.pid = Some(pid);
        report.start_ticks = process::start_ticks(pid);
        let state = folder.path().join("state.json");
        old.write(&state).unwrap();
        service.kill().await.unwrap();
        assert!(process::start_ticks(worker).is_some());
        assert_eq!(sweep(&state, Duration::from_secs(5)).await, 1);
        assert!(Process::read(worker.try_into().unwrap()).is_none());
    }

    #[test]
    fn our_own_process_is_read_as_the_kernel_has_it() {
        let pid = std::process::id();
        let process = Process::read(pid.try_into().unwrap()).unwrap();
        assert_eq!(Some(process.ticks), process::start_ticks(pid));
        assert_eq!(process.session, Supervisor::of_this_process().session);
        assert_eq!(Some(process.group), Process::group_of(rustix::process::getpid()));
    }
}
