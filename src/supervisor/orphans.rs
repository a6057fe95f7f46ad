//! What services leave behind: a process whose parent has ended becomes our child, here as under
//! PID 1. It is reaped when it ends, and killed when everything ends.

use std::{fs, time::Duration};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::process::{Stat, pid_of};

/// Makes this process the one that gets the orphans of all its descendants.
pub(crate) fn adopt() {
    // Without it they go to PID 1, which reaps them too; only the end of everything is less thorough.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).ok();
}

/// Reaps those that have ended. `started` says whether we started a process ourselves: whoever did
/// that waits for it.
pub(crate) fn reap(started: impl Fn(Pid) -> bool) {
    let group_of = |pid: u32| Stat::of(pid).map(|process| process.group);
    let own = group_of(std::process::id());
    for pid in children().into_iter().filter(|pid| !started(*pid)) {
        // Helpers such as probes are in our group, and waited for; no service is.
        let group = group_of(pid.as_raw_nonzero().get().unsigned_abs());
        if group.is_some() && group != own {
            rustix::process::waitid(
                WaitId::Pid(pid),
                WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
            )
            .ok();
        }
    }
}

/// Kills and reaps all of them; nothing that we started runs any more.
pub(crate) async fn end() {
    /// What does not end by then is stuck in the kernel.
    const TRIES: u32 = 200;
    for _ in 0..TRIES {
        reap(|_| false);
        let left = children();
        if left.is_empty() {
            return;
        }
        for pid in left {
            tracing::warn!("process {} was left behind and is killed", pid.as_raw_nonzero());
            rustix::process::kill_process(pid, Signal::KILL).ok();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Our children: `/proc/<pid>/task/<tid>/children` of `proc(5)`.
fn children() -> Vec<Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids = |list: String| -> Vec<Pid> {
        list.split_whitespace().filter_map(|pid| pid_of(pid.parse().ok()?)).collect()
    };
    lists.flat_map(pids).collect()
}
