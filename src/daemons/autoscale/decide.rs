//! Whether a kind of worker gets one more, or one less: decided from what was seen, without touching
//! anything.
//!
//! Going up and going down ask for different things, so that no load is too much for n workers and too
//! little for n + 1: up means that they were busier than the limit all through a window, down that one
//! less would have stayed well below it at every moment of three. After a change nothing that was seen before counts, so that
//! between two changes there is at least one window, and three before one is taken away.

use std::time::{Duration, Instant};

/// What was seen at one moment of the workers of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) workers: u32,
    /// What all of them together took of a core since the sample before, in percent.
    pub(crate) cpu: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// Of a core, for each worker.
    pub(crate) cpu_percent: f64,
    pub(crate) window: Duration,
}

/// From so many to so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// How busy those that are left may become when one is taken away, as a share of the limit.
const CALM: f64 = 0.7;
/// Windows of calm before one is taken away: too many workers cost little, too few cost time.
const CALM_WINDOWS: u32 = 3;
/// The parts of a window in each of which it has to be busy; fewer samples are not a course of events.
const PARTS: usize = 3;

/// How far back [`decide`] looks.
pub(crate) fn memory(limits: &Limits) -> Duration {
    limits.window * (CALM_WINDOWS + 1)
}

/// `samples` are of one kind, oldest first; `changed` is when the number was changed last, and what was
/// seen before does not count.
pub(crate) fn decide(
    samples: &[Sample],
    limits: &Limits,
    changed: Option<Instant>,
    now: Instant,
) -> Option<Change> {
    let last = samples.last()?;
    let from = last.workers;
    if from < limits.min {
        return Some(Change { from, to: limits.min });
    }
    if from > limits.max {
        return Some(Change { from, to: limits.max });
    }
    let n = f64::from(from);
    // Each part on average: one quiet moment is no rest, and one peak is no load.
    let busy = |part: &[Sample]| {
        let number = f64::from(u32::try_from(part.len()).unwrap_or(u32::MAX));
        part.iter().map(|sample| sample.cpu).sum::<f64>() > number * n * limits.cpu_percent
    };
    if from < limits.max
        && let Some(seen) = throughout(samples, from, limits.window, changed, now)
        && seen.chunks(seen.len().div_ceil(PARTS)).all(busy)
    {
        return Some(Change { from, to: from + 1 });
    }
    let calm = |sample: &Sample| sample.cpu < (n - 1.0) * limits.cpu_percent * CALM;
    if from > limits.min.max(1)
        && let Some(seen) = throughout(samples, from, limits.window * CALM_WINDOWS, changed, now)
        && seen.iter().all(calm)
    {
        return Some(Change { from, to: from - 1 });
    }
    None
}

/// The samples of that time, if they cover all of it and the number of workers was the same.
fn throughout(
    samples: &[Sample],
    workers: u32,
    span: Duration,
    changed: Option<Instant>,
    now: Instant,
) -> Option<&[Sample]> {
    let begin = now.checked_sub(span)?;
    if changed.is_some_and(|changed| changed > begin) {
        return None;
    }
    let first = samples.partition_point(|sample| sample.at < begin);
    let seen = &samples[first..];
    // The first one tells of the time since the one before, if there was one.
    let covers = first > 0 || seen.first().is_some_and(|sample| sample.at == begin);
    let same = seen.iter().all(|sample| sample.workers == workers);
    (covers && same && seen.len() >= PARTS).then_some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { min: 1, max: 4, cpu_percent: 75.0, window: Duration::from_mins(1) };
    const EVERY: u64 = 10;

    /// The numbers of workers over time, and when they changed, under a load in percent of a core.
    fn course(hours: u64, limits: Limits, load: impl Fn(u64) -> f64) -> Vec<(u64, u32)> {
        let start = Instant::now();
        let (mut samples, mut changed, mut workers) = (Vec::new(), None, limits.min.max(1));
        let mut changes = Vec::new();
        for second in (0..hours * 3600).step_by(usize::try_from(EVERY).unwrap()) {
            let now = start + Duration::from_secs(second);
            // Nobody takes more than a core.
            let cpu = load(second).min(f64::from(workers) * 100.0);
            samples.push(Sample { at: now, workers, cpu });
            if let Some(change) = decide(&samples, &limits, changed, now) {
                assert_eq!(change.from, workers);
                workers = change.to;
                changed = Some(now);
                changes.push((second, workers));
            }
        }
        changes
    }

    fn numbers(changes: &[(u64, u32)]) -> Vec<u32> {
        changes.iter().map(|(_, workers)| *workers).collect()
    }

    #[test]
    fn a_steady_load_is_carried_and_then_left_alone() {
        assert!(numbers(&course(6, LIMITS, |_| 50.0)).is_empty());
        assert_eq!(numbers(&course(6, LIMITS, |_| 170.0)), [2, 3]);
        assert_eq!(numbers(&course(6, LIMITS, |_| 900.0)), [2, 3, 4]);
    }

    #[test]
    fn no_steady_load_makes_it_flap() {
        for load in (0..450).step_by(3) {
            let changes = numbers(&course(3, LIMITS, |_| f64::from(load)));
            assert!(changes.is_sorted(), "{load} %: {changes:?}");
        }
    }

    #[test]
    fn a_day_goes_up_once_and_down_once() {
        // From nothing at night to 250 % of a core at noon, with noise of a fifth.
        let day = |second: u64| {
            let hour = f64::from(u32::try_from(second).unwrap()) / 3600.0;
            let noise = if (second / EVERY).is_multiple_of(2) { 1.2 } else { 0.8 };
            (250.0 * (1.0 - (hour / 24.0 * std::f64::consts::TAU).cos()) / 2.0) * noise
        };
        assert_eq!(numbers(&course(24, LIMITS, day)), [2, 3, 4, 3, 2, 1]);
    }

    #[test]
    fn a_peak_shorter_than_the_window_changes_nothing() {
        let peaks = |second: u64| if second % 300 < 50 { 100.0 } else { 20.0 };
        assert!(numbers(&course(6, LIMITS, peaks)).is_empty());
    }

    #[test]
    fn a_load_that_comes_and_goes_is_answered_slowly() {
        // Three minutes of much, three of little: what was made for the first stays for the second.
        let waves = |second: u64| if second % 360 < 180 { 140.0 } else { 5.0 };
        assert_eq!(numbers(&course(24, LIMITS, waves)), [2]);
    }

    #[test]
    fn between_two_changes_there_is_a_window() {
        let changes = course(1, LIMITS, |second| if second < 1800 { 900.0 } else { 0.0 });
        assert_eq!(numbers(&changes), [2, 3, 4, 3, 2, 1]);
        for pair in changes.windows(2) {
            let pause = if pair[1].1 > pair[0].1 { 60 } else { 180 };
            assert!(pair[1].0 - pair[0].0 >= pause, "{changes:?}");
        }
    }

    #[test]
    fn limits_that_were_changed_count_at_once() {
        let at = Instant::now();
        let seen = |workers| [Sample { at, workers, cpu: 0.0 }];
        let limits = Limits { min: 2, ..LIMITS };
        let raised = decide(&seen(1), &limits, None, at);
        assert_eq!(raised, Some(Change { from: 1, to: 2 }));
        let lowered = decide(&seen(6), &limits, None, at);
        assert_eq!(lowered, Some(Change { from: 6, to: 4 }));
        assert_eq!(decide(&[], &limits, None, at), None);
    }

    #[test]
    fn what_was_not_seen_is_not_held_against_anybody() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let busy = |second| Sample { at: at(second), workers: 1, cpu: 100.0 };
        // Only the last twenty seconds of the window are known.
        let samples = [busy(40), busy(50), busy(60)];
        assert_eq!(decide(&samples, &LIMITS, None, at(60)), None);
        let samples = [busy(0), busy(30), busy(60)];
        assert_eq!(decide(&samples, &LIMITS, None, at(60)), Some(Change { from: 1, to: 2 }));
    }
}
