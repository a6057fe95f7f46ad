//! What `/proc` knows of a process, and what names one for ever.

use std::fs;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// What `proc_pid_stat(5)` says. The kernel's own calls say 0 for a group or session led from outside our
/// PID namespace, which rustix cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// It has ended and only waits to be reaped.
    pub(crate) is_zombie: bool,
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// The CPU time that it has taken, its own and the kernel's for it, in clock ticks.
    cpu_ticks: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) start_ticks: u64,
}

impl Stat {
    /// None if there is no such process.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        // The command name, which may hold anything, stands in parentheses before field 3.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3);
        let ticks = |number: usize| field(number)?.parse::<u32>().ok();
        Some(Self {
            is_zombie: matches!(*field(3)?, "Z" | "X"),
            group: field(5)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            cpu_ticks: ticks(14)?.saturating_add(ticks(15)?),
            start_ticks: field(22)?.parse().ok()?,
        })
    }

    /// Whether it belongs to the group that another process leads.
    pub(crate) fn is_in_group(&self, leader: u32) -> bool {
        i32::try_from(leader) == Ok(self.group)
    }

    /// The CPU time that it has taken, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        f64::from(self.cpu_ticks) / f64::from(ticks_per_second())
    }

    /// How long it has lived, in seconds.
    pub(crate) fn uptime_seconds(&self) -> Option<u64> {
        let since_boot = fs::read_to_string("/proc/uptime").ok()?;
        let since_boot: u64 = since_boot.split('.').next()?.parse().ok()?;
        Some(since_boot.saturating_sub(self.start_ticks / u64::from(ticks_per_second())))
    }
}

fn ticks_per_second() -> u32 {
    // 100 for every program on Linux.
    u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100).max(1)
}

/// Names one process for ever, as long as the machine is not booted again: a pid alone may be given to
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// In clock ticks since boot. Without it nothing is proved.
    pub(crate) start_ticks: u64,
}

impl Identity {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Stat::of(pid).map(|stat| Self { pid, start_ticks: stat.start_ticks })
    }

    /// Whether that process, and no other of its pid, is still there.
    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends it a signal; false if it is not there any more.
    pub(crate) fn signal(self, signal: Signal) -> bool {
        self.is_alive() && self::signal(self.pid, signal)
    }
}

/// Sends a signal to a process that is ours to end; false if it is not there.
pub(crate) fn signal(pid: u32, signal: Signal) -> bool {
    pid_of(pid).is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}

/// A pid as the kernel's calls take it.
pub(crate) fn pid_of(number: u32) -> Option<Pid> {
    Pid::from_raw(number.try_into().ok()?)
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    kilobytes(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The same with what it shares with others counted in part, so that the sum over all of them is what they
/// take together: for processes that were forked from one. It takes the kernel some milliseconds.
pub(crate) fn proportional_bytes(pid: u32) -> Option<u64> {
    kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn kilobytes(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_may_hold_anything() {
        let stat = "7 (a) Z 1) S 1 5 6 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0 4242 0 0";
        let expected =
            Stat { is_zombie: false, group: 5, session: 6, cpu_ticks: 42, start_ticks: 4242 };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
    }

    #[test]
    fn a_process_of_the_same_pid_that_started_later_is_another_one() {
        let me = Identity::of(std::process::id()).unwrap();
        assert!(me.is_alive());
        let other = Identity { start_ticks: me.start_ticks + 1, ..me };
        assert!(!other.is_alive() && !other.signal(Signal::KILL));
    }
}
