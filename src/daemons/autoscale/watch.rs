//! How busy the workers are, from the CPU time that the kernel counts for their processes.

use std::{collections::BTreeMap, time::Instant};

use crate::{
    config::{sections::workers::Kind, values::shape::Words as _},
    process::Stat,
    services,
    supervisor::{record::Snapshot, state::Phase},
};

/// The CPU time of each process when it was looked at last, in seconds.
#[derive(Default)]
pub(super) struct Watch {
    last: BTreeMap<u32, (Instant, f64)>,
}

impl Watch {
    /// Of each kind that takes part: how many workers there are, and what they took of a core together
    /// since the last time, in percent; none where one of them was not there all that time.
    pub(super) fn look(
        &mut self,
        snapshot: &Snapshot,
        now: Instant,
    ) -> BTreeMap<Kind, (u32, Option<f64>)> {
        let mut seen: BTreeMap<Kind, (u32, Option<f64>)> = BTreeMap::new();
        let mut times = BTreeMap::new();
        for report in snapshot.services.values() {
            let has = |word: &str| report.tags.iter().any(|tag| tag == word);
            let kind = Kind::ALL.iter().copied().find(|kind| has(kind.word()));
            let Some(kind) = kind.filter(|kind| has(services::WORKER) && kind.scales()) else {
                continue;
            };
            if !report.wanted {
                continue;
            }
            let spent = report.pid.filter(|_| report.state == Phase::Running).and_then(|pid| {
                let time = Stat::of(pid)?.cpu_seconds();
                times.insert(pid, (now, time));
                let (then, before) = self.last.get(&pid)?;
                let passed = now.duration_since(*then).as_secs_f64();
                (passed > 0.0).then(|| (time - before).max(0.0) / passed * 100.0)
            });
            let (workers, cpu) = seen.entry(kind).or_insert((0, Some(0.0)));
            *workers += 1;
            *cpu = cpu.zip(spent).map(|(sum, one)| sum + one);
        }
        self.last = times;
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::supervisor::record;

    #[test]
    fn a_busy_process_is_seen_and_one_that_is_new_is_waited_for() {
        let mut snapshot = record::sample(&["synchrotron-1", "pusher-1"]);
        let report = snapshot.services.get_mut("synchrotron-1").unwrap();
        report.tags = vec!["worker".to_owned(), "synchrotron".to_owned()];
        report.pid = Some(std::process::id());
        let pusher = snapshot.services.get_mut("pusher-1").unwrap();
        pusher.tags = vec!["worker".to_owned(), "pusher".to_owned()];
        let mut watch = Watch::default();
        let start = Instant::now();
        let first = watch.look(&snapshot, start);
        assert_eq!(first, BTreeMap::from([(Kind::Synchrotron, (1, None))]));
        while start.elapsed() < Duration::from_millis(100) {}
        let second = watch.look(&snapshot, start + Duration::from_millis(100));
        let (workers, cpu) = second[&Kind::Synchrotron];
        assert_eq!(workers, 1);
        assert!(cpu.unwrap() > 10.0, "{second:?}");
    }
}
