//! Ends what a supervisor that was killed left behind: of what it wrote for others, a new one reads only
//! which processes these may be.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};

use super::{job, record::Snapshot};
use crate::{
    clock::Backoff,
    files,
    process::{Stat, pid_of},
};

/// Between two looks at whether they have ended.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Ends what a supervisor that was killed left behind, and waits until it is gone. The kernel has
/// told the processes themselves to end already; this finds those that did not, and their children.
/// Returns how many processes were left. The caller holds the supervisor's lock.
pub(crate) async fn sweep(state: &Path, patience: Duration) -> usize {
    let Ok(text) = files::read(state) else { return 0 };
    let Ok(old) = serde_json::from_str::<Snapshot>(&text) else { return 0 };
    if !old.supervisor.is_of_this_boot() {
        return 0;
    }
    let began = Instant::now();
    let mut most = 0;
    let mut asked = false;
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
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
            for pid in &left {
                job::signal(*pid, Signal::TERM);
            }
            asked = true;
        }
        if began.elapsed() >= patience {
            for pid in &left {
                job::signal(*pid, Signal::KILL);
            }
        }
        if began.elapsed() >= patience + Duration::from_secs(10) {
            tracing::error!("{} processes cannot be killed", left.len());
            return most;
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// The processes that belong to the groups of these services.
fn left_behind(old: &Snapshot) -> Vec<Pid> {
    let groups: Vec<(i32, u64)> = old
        .services
        .values()
        .filter_map(|report| Some((report.pid?.try_into().ok()?, report.start_ticks?)))
        .filter(|(group, _)| {
            let group = Pid::from_raw(*group);
            group.is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok())
        })
        .collect();
    if groups.is_empty() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut left = Vec::new();
    for id in pids {
        let Some(process) = Stat::of(id).filter(|process| !process.is_zombie) else { continue };
        let Some(pid) = pid_of(id) else { continue };
        // A group number may have been given to others since: ours are in the old supervisor's
        // session and not older than the service, and the first of them is exactly that process.
        let ours = groups.iter().find(|(group, ticks)| {
            process.group == *group
                && process.session == old.supervisor.session
                && (process.start_ticks == *ticks
                    || (pid.as_raw_nonzero().get() != *group && process.start_ticks > *ticks))
        });
        if ours.is_some() {
            left.push(pid);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        process,
        supervisor::record::{Supervisor, sample},
    };

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
        report.start_ticks = Stat::of(pid).map(|process| process.start_ticks);
        let state = folder.path().join("state.json");
        old.write(&state).unwrap();
        service.kill().await.unwrap();
        assert!(Stat::of(worker).is_some());
        assert_eq!(sweep(&state, Duration::from_secs(5)).await, 1);
        assert!(Stat::of(worker).is_none_or(|process| process.is_zombie));
    }
}
