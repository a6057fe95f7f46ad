//! More workers where they are busy, fewer where they are not: looks at the CPU time of the workers that
//! the supervisor keeps, lets `decide` say what to do, says the plan and carries it out as `manage scale`
//! does.
//!
//! Only kinds that answer requests and write nothing take part: no other process has to know how many
//! of them there are, so that nothing else is restarted. A plan that would restart anything is refused.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    config::{
        Config,
        sections::workers::{Counts, Kind},
        values::{shape::Words as _, source::Source},
    },
    error::{Explain, Failure, Kind as ErrorKind},
    instance::workers::scale::{self, Plan},
    supervisor::control,
    synapse::workers,
};

mod decide;
mod watch;

use decide::{Change, Limits, Sample, decide};
use watch::Watch;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`workers.list` is set by {0}, which counts more than what could be written down here")]
    Fixed(Source),
    #[error("it would restart {0}")]
    Restarts(String),
    #[error("the settings ask for {asked} `{}`, and {running} run", kind.word())]
    Elsewhere { kind: Kind, asked: u32, running: u32 },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Setting
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Fixed(_) => "write the list with `manage scale --workers …` instead".into(),
            Self::Restarts(_) | Self::Elsewhere { .. } => {
                "`manage restart` makes the running workers match the settings".into()
            }
        })
    }
}

/// How often it is looked: so often that a window has several samples, and never so often that looking
/// is work.
fn interval(window: Duration) -> Duration {
    (window / 6).clamp(Duration::from_millis(500), Duration::from_secs(30))
}

/// The kinds that run, seen over time.
#[derive(Default)]
struct Course {
    samples: BTreeMap<Kind, Vec<Sample>>,
    /// When a number was changed last, or could not be.
    changed: Option<Instant>,
    /// When it was last said that there is no core for another one.
    told: Option<Instant>,
}

impl Course {
    fn see(&mut self, now: Instant, seen: BTreeMap<Kind, (u32, Option<f64>)>, memory: Duration) {
        for (kind, (workers, cpu)) in seen {
            let samples = self.samples.entry(kind).or_default();
            samples.retain(|sample| now.duration_since(sample.at) <= memory);
            match cpu {
                Some(cpu) => samples.push(Sample { at: now, workers, cpu }),
                // One is new, or on its way: what was before is another course.
                None => samples.clear(),
            }
        }
    }

    /// The first kind that should change, and how busy it is, in percent of a core each.
    fn next(&self, limits: impl Fn(u32) -> Limits, now: Instant) -> Option<(Kind, Change, f64)> {
        self.samples.iter().find_map(|(kind, samples)| {
            let last = samples.last()?;
            let change = decide(samples, &limits(last.workers), self.changed, now)?;
            Some((*kind, change, last.cpu / f64::from(last.workers.max(1))))
        })
    }

    fn workers(&self) -> u32 {
        self.samples.values().filter_map(|samples| Some(samples.last()?.workers)).sum()
    }
}

/// Looks and acts until the supervisor ends. `load` reads the settings as they are now.
pub(crate) async fn run(load: impl Fn() -> Result<Config, Failure>) -> Result<(), Failure> {
    let config = load()?;
    let set = &config.workers;
    let window = set.autoscale_window.0;
    let (min, max) = (set.autoscale_min, set.autoscale_max.max(set.autoscale_min));
    let cpu_percent = f64::from(set.autoscale_cpu_percent.0);
    let cores = workers::cores(&config);
    tracing::info!(
        "{min} to {max} workers of a kind, busy up to {cpu_percent} % for {window:?}, on {cores} cores"
    );
    let mut watch = Watch::default();
    let mut course = Course::default();
    while let Some(snapshot) = control::status(&config.data).await? {
        let now = Instant::now();
        let limits = |max| Limits { min, max, cpu_percent, window };
        let mut seen = watch.look(&snapshot, now);
        // What other machines run is not seen from here.
        seen.retain(|kind, _| !workers::is_apart(&config, *kind));
        course.see(now, seen, decide::memory(&limits(max)));
        // Each of them can be busy with a core of its own.
        let room = cores.saturating_sub(course.workers());
        let next = course.next(|workers| limits(max.min(workers + room).max(min)), now);
        if let Some((kind, change, busy)) = next {
            let Change { from, to } = change;
            tracing::info!("{}: {from} to {to}, busy {busy:.0} % each", kind.word());
            if let Err(failure) = act(&load()?, kind, change).await {
                tracing::warn!("{}: stays at {from}: {failure}", kind.word());
            }
            course.changed = Some(Instant::now());
        } else if let Some((kind, Change { from, to }, busy)) = course.next(|_| limits(max), now)
            && to > from
            && course.told.is_none_or(|told| now.duration_since(told) >= window)
        {
            // Said once a window, for whoever wonders why nothing happens.
            let kind = kind.word();
            tracing::info!(
                "{kind}: stays at {from}, busy {busy:.0} % each: no core is left of {cores}"
            );
            course.told = Some(now);
        }
        sleep(interval(window)).await;
    }
    Ok(())
}

/// The settings with the other number, and the list to write down.
fn changed(config: &Config, kind: Kind, change: Change) -> Result<(Config, Counts), Error> {
    let source = config.source("workers.list");
    if !matches!(source, Source::Default | Source::SettingsFile | Source::Vrooli(_)) {
        return Err(Error::Fixed(source));
    }
    let mut counts = Counts::default();
    for worker in workers::chosen(config).unwrap_or_default() {
        *counts.0.entry(worker.kind).or_default() += 1;
    }
    let asked = counts.0.get(&kind).copied().unwrap_or_default();
    if asked != change.from {
        return Err(Error::Elsewhere { kind, asked, running: change.from });
    }
    counts.0.insert(kind, change.to);
    let mut new = config.clone();
    new.workers.list = counts.clone();
    Ok((new, counts))
}

async fn act(config: &Config, kind: Kind, change: Change) -> Result<(), Failure> {
    let (new, counts) = changed(config, kind, change)?;
    let (Plan { starts, stops, restarts, .. }, _) = scale::plan(config, &new).await?;
    tracing::info!("plan: start {starts:?}, stop {stops:?}, restart {restarts:?}");
    if !restarts.is_empty() {
        return Err(Error::Restarts(restarts.join(", ")).into());
    }
    let keys = [("workers.list", counts.to_string())];
    let timeout = config.supervision.start_timeout.0;
    let mut say = |step: &str| tracing::info!("{step}");
    scale::scale(config, &new, &keys, timeout, &mut say).await?;
    tracing::info!("done: workers.list is {counts}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    fn config(flags: &[&str]) -> Config {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let data = DataDir::new("/nowhere".into());
        Config::load(data, &flags, &Environment::default()).unwrap()
    }

    #[test]
    fn only_kinds_that_nobody_has_to_know_of_take_part() {
        let words: Vec<&str> =
            Kind::ALL.iter().filter(|kind| kind.scales()).map(|kind| kind.word()).collect();
        assert_eq!(
            words.join(" "),
            "generic synchrotron client_reader event_creator federation_reader federation_inbound"
        );
    }

    #[test]
    fn the_list_that_is_written_has_all_kinds_of_the_preset() {
        let change = Change { from: 1, to: 2 };
        let scale = config(&["stack.profile=scale"]);
        let (new, counts) = changed(&scale, Kind::Synchrotron, change).unwrap();
        let list = "generic=1,synchrotron=2,event_persister=1,background=1";
        assert_eq!(counts.to_string(), list);
        assert_eq!(new.workers.list, counts);
    }

    #[test]
    fn a_list_that_counts_more_is_left_alone() {
        let change = Change { from: 1, to: 2 };
        let fixed = config(&["stack.profile=scale", "workers.list=generic=1"]);
        let error = changed(&fixed, Kind::Generic, change).unwrap_err().to_string();
        assert!(error.starts_with("`workers.list` is set by --set"), "{error}");
        let elsewhere = Change { from: 3, to: 4 };
        let scale = config(&["stack.profile=scale"]);
        let error = changed(&scale, Kind::Generic, elsewhere).unwrap_err().to_string();
        assert_eq!(error, "the settings ask for 1 `generic`, and 3 run");
    }

    #[test]
    fn a_new_worker_begins_a_new_course() {
        let mut course = Course::default();
        let (now, memory) = (Instant::now(), Duration::from_mins(1));
        let seen = |workers, cpu| BTreeMap::from([(Kind::Generic, (workers, cpu))]);
        course.see(now, seen(1, Some(90.0)), memory);
        assert_eq!(course.workers(), 1);
        course.see(now, seen(2, None), memory);
        assert!(course.samples[&Kind::Generic].is_empty());
    }
}
