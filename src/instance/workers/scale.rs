//! Another set of workers, also while the homeserver runs.
//!
//! The order keeps requests from meeting a worker that is not there: the proxy forgets those that
//! leave, what they had under way is answered, then processes change, then the proxy learns of those
//! that are new. Where all must know the set (`synapse::workers` says when), those concerned are down
//! together before the first of them starts with the new one: two processes never write the events of
//! one room. What clients send meanwhile is refused and sent again by them with the same transaction id.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    checks::{self, Flow},
    config::{
        self, Config,
        sections::{stack::Part, workers::Counts},
        sources::edit,
    },
    error::{Explain, Failure, Kind},
    instance::{
        guard,
        homeserver::Homeserver,
        lifecycle::{stop, wait},
        lock,
        prepare::applied,
    },
    proxy, render, services,
    supervisor::{
        control::{self, Request, Stream},
        record::Snapshot,
        state::Phase,
    },
    synapse::{
        self,
        files::Rendered,
        workers::{self, Worker},
    },
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the profile `{0}` has no workers")]
    NoWorkers(String),
    #[error("the supervisor has ended while the workers changed")]
    Ended,
    #[error("the workers have changed in part: the new ones are set, and not all of them run")]
    Halfway { before: String },
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoWorkers(_) => Kind::Request,
            Self::Ended | Self::Halfway { .. } => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoWorkers(_) => "`manage start --profile scale` starts one that has".into(),
            Self::Ended => "`manage start` brings all back".into(),
            Self::Halfway { before } => {
                let before = match before.as_str() {
                    "" => "--preset none".to_owned(),
                    list => format!("--workers {list}"),
                };
                format!("`manage start` brings up the new set; `manage scale {before}` goes back")
            }
        })
    }
}

/// What changes, in the names of services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(crate) struct Plan {
    /// Whether the homeserver runs; else the next start takes it up.
    pub(crate) running: bool,
    pub(crate) workers: Vec<String>,
    pub(crate) starts: Vec<String>,
    pub(crate) stops: Vec<String>,
    /// They must know of the change and read their files only when they start.
    pub(crate) restarts: Vec<String>,
    /// Those on other machines that have to be started, stopped or restarted there.
    pub(crate) elsewhere: Vec<String>,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        [&self.starts, &self.stops, &self.restarts, &self.elsewhere].iter().all(|it| it.is_empty())
    }
}

/// The main process, as a service.
const MAIN: &str = "synapse";
/// Refuses where another setting than those of the workers waits for a restart. Where PostgreSQL and Redis
/// listen for other machines they read when they start.
pub(crate) async fn nothing_waits(new: &Config) -> Result<(), Failure> {
    applied::nothing_waits(new, |key| key.starts_with("workers.") && key != "workers.address").await
}

/// What would change; everything that could be in the way is looked at, nothing is changed but what is
/// made at every start anyway.
pub(crate) async fn plan(old: &Config, new: &Config) -> Result<(Plan, Rendered), Failure> {
    guard::not_joined(new)?;
    if !new.has(Part::Workers) {
        return Err(Error::NoWorkers(new.profile.name.clone()).into());
    }
    let homeserver = Homeserver::of(new)?;
    let now = control::status(&new.data).await?;
    // All of it is refused before anything is changed; a start has said what there is to warn of.
    let mut subject = homeserver.subject(Flow::Scale, Instant::now());
    subject.running = now.as_ref();
    checks::pass(&subject, &mut |_| ()).await?;
    let rendered = render::judged(new).await?;
    let chosen = workers::chosen(new)?;
    let mut plan = Plan { running: now.is_some(), ..Plan::default() };
    plan.workers = chosen.iter().map(|worker| worker.name()).collect();
    let before: Vec<String> = match &now {
        Some(now) => {
            let is_worker =
                |name: &&String| now.services[*name].tags.iter().any(|tag| tag == services::WORKER);
            now.services.keys().filter(is_worker).cloned().collect()
        }
        None => names(&workers::here(old, &workers::chosen(old)?)),
    };
    plan.elsewhere = elsewhere(old, new, &rendered)?;
    let chosen = workers::here(new, &chosen);
    let here = names(&chosen);
    plan.starts = here.iter().filter(|name| !before.contains(name)).cloned().collect();
    workers::not_elsewhere(new, &plan.starts)?;
    plan.stops = before.iter().filter(|name| !here.contains(name)).cloned().collect();
    if let Some(now) = &now {
        let all = [(MAIN.to_owned(), None)]
            .into_iter()
            .chain(chosen.into_iter().map(|worker| (worker.name(), Some(worker))));
        let changed = all.filter(|(name, worker)| {
            now.services.get(name).is_some_and(|report| {
                report.state != Phase::Stopped
                    && report.revision != synapse::revision_of(&rendered, *worker)
            })
        });
        plan.restarts = changed.map(|(name, _)| name).collect();
    }
    Ok((plan, rendered))
}

fn names(workers: &[Worker]) -> Vec<String> {
    workers.iter().map(|worker| worker.name()).collect()
}

/// Those on other machines whom the change concerns: new ones, old ones, and who must know of it.
fn elsewhere(old: &Config, new: &Config, rendered: &Rendered) -> Result<Vec<String>, Failure> {
    let away = |config: &Config| -> Result<Vec<Worker>, workers::Error> {
        let all = workers::chosen(config)?.into_iter();
        Ok(all.filter(|worker| worker.machine(config).is_some()).collect())
    };
    let (before, after) = (away(old)?, away(new)?);
    let stays = |worker: &Worker| {
        before.contains(worker)
            && after.contains(worker)
            && worker.machine(old) == worker.machine(new)
            && synapse::revision(&new.data, Some(*worker))
                == synapse::revision_of(rendered, Some(*worker))
    };
    let gone = before.iter().filter(|worker| !after.contains(worker));
    let concerned = after.iter().chain(gone).filter(|worker| !stays(worker)).copied();
    Ok(names(&concerned.collect::<Vec<_>>()))
}

/// Changes the workers; gives what was done. `keys` are the settings that ask for it, which are kept.
pub(crate) async fn scale(
    old: &Config,
    new: &Config,
    keys: &[(&'static str, String)],
    timeout: Duration,
    on_step: &mut dyn FnMut(&str),
) -> Result<Plan, Failure> {
    let deadline = Instant::now() + timeout;
    let data = &new.data;
    let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
    let _lock = lock::wait(data, "manage scale", deadline, &mut wait).await?;
    on_step("looking at the settings");
    nothing_waits(new).await?;
    let (plan, rendered) = plan(old, new).await?;
    let before = workers::listed(old)?;
    keep(new, keys)?;
    if plan.is_empty() {
        return Ok(plan);
    }
    if !plan.running {
        render::refresh(new).await?;
        return Ok(plan);
    }
    let changed = change(old, new, &plan, &rendered, deadline, timeout, on_step).await;
    changed.map_err(|error| Failure::from(Error::Halfway { before }).because(error))?;
    Ok(plan)
}

/// Does what is planned. What is done when it fails stays so: `manage start` goes on from there.
async fn change(
    old: &Config,
    new: &Config,
    plan: &Plan,
    rendered: &Rendered,
    deadline: Instant,
    timeout: Duration,
    on_step: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let data = &new.data;
    if !plan.stops.is_empty() && new.has(Part::Proxy) {
        on_step("telling the proxy who leaves");
        let staying = staying(old, new)?;
        let homeserver = render::render(&staying)?.homeserver;
        if proxy::refresh(&staying, &homeserver).await? {
            let now = control::status(data).await?;
            let pid = now.and_then(|now| now.services.get(services::PROXY)?.pid);
            let before = pid.map(proxy::serving).unwrap_or_default();
            replace(old).await?;
            proxy::retired(&before).await;
        }
    }
    // The main process is left to the change itself: stopping it would take down whoever needs it.
    let leaving = plan.restarts.iter().filter(|name| *name != MAIN).chain(&plan.stops);
    // One that the settings have moved to another machine is gone with what the proxy was told.
    let now = control::status(data).await?.ok_or(Error::Ended)?;
    let down: Vec<String> =
        leaving.filter(|name| now.services.contains_key(*name)).cloned().collect();
    if !down.is_empty() {
        on_step(&format!("stopping {}", down.join(", ")));
        stop::some(data, &down, new.supervision.stop_timeout.0, &mut |_| ()).await?;
    }
    render::put(new, rendered)?;
    on_step("changing the services");
    replace(new).await?;
    let mut names = plan.starts.clone();
    names.extend(plan.restarts.iter().cloned());
    if !names.is_empty() {
        on_step(&format!("waiting for {}", names.join(", ")));
        bring_up(new, names, deadline, timeout).await?;
    }
    if proxy::refresh(new, &rendered.homeserver).await? {
        on_step("telling the proxy who is new");
        replace(new).await?;
    }
    Ok(())
}

/// Writes the settings down.
pub(crate) fn keep(config: &Config, keys: &[(&'static str, String)]) -> Result<(), Failure> {
    for (key, value) in keys {
        let setting = config::find(key)?;
        edit::set(&config.data, setting, &edit::typed(setting, value))?;
    }
    Ok(())
}

/// The settings with those workers alone that there are before and after.
fn staying(old: &Config, new: &Config) -> Result<Config, Failure> {
    let before = workers::chosen(old)?;
    let mut counts = Counts::default();
    for worker in workers::chosen(new)?.into_iter().filter(|worker| before.contains(worker)) {
        *counts.0.entry(worker.kind).or_default() += 1;
    }
    let mut staying = new.clone();
    if counts.0.is_empty() {
        // An empty list would be no list.
        staying.workers.preset = config::sections::workers::Preset::None;
    }
    staying.workers.list = counts;
    let there = names(&before);
    staying.workers.elsewhere.0.retain(|name, _| there.contains(name));
    Ok(staying)
}

/// Hands the supervisor the services that the files in place make.
pub(crate) async fn replace(config: &Config) -> Result<(), Failure> {
    let services = services::all(config).await?;
    let request = Request::Replace { profile: config.profile.name.clone(), services };
    let stream = Stream::open(&config.data.control_socket(), &request).await?;
    stream.ok_or(Error::Ended)?.next().await?.ok_or(Error::Ended)?;
    Ok(applied::renew(config)?)
}

/// Asks for these and waits until they run.
pub(crate) async fn bring_up(
    config: &Config,
    names: Vec<String>,
    deadline: Instant,
    timeout: Duration,
) -> Result<(), Failure> {
    let request = Request::Start { services: names.clone() };
    let stream = Stream::open(&config.data.control_socket(), &request).await?;
    let stream = stream.ok_or(Error::Ended)?;
    let mut judge = |now: &Snapshot| {
        let there = names.iter().all(|name| now.services.contains_key(name));
        Ok(wait::all_run(now, &names)? && there)
    };
    wait::follow(stream, deadline, timeout, &mut judge).await?.ok_or(Error::Ended)?;
    Ok(())
}
