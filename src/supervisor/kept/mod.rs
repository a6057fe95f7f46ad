//! Services that somebody else keeps: who that is, and how they are by his words. What was written for him is
//! noted in the data folder, so that whoever asks how the services are gets the same answer as from our own
//! supervisor.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    probe,
    record::{Health, Report, Snapshot, Supervisor},
    service::{Probe, Restart, Service},
    state::{Exit, Phase},
};
use crate::{
    clock,
    data_dir::DataDir,
    error::{Explain, Kind},
    files, process,
};

mod systemd;

pub(crate) use systemd::{Scope, Systemd};

/// How long an answer to a live probe may take: `status` waits for all of them at once.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{0}` keeps the services and does not say how they are")]
    Silent(&'static str, #[source] process::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        Kind::Environment
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Silent(program, _) => Some(format!("see what `{program}` says by itself")),
            Self::File(error) => error.hint(),
        }
    }
}

/// Who keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Keeper {
    Systemd(Systemd),
}

impl Keeper {
    /// The word for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Systemd(_) => "systemd",
        }
    }
}

/// What is known of a service without its keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fact {
    pub(crate) name: String,
    summary: String,
    pub(crate) tags: Vec<String>,
    revision: String,
    endpoints: BTreeMap<String, String>,
    /// It runs once to its end.
    pub(crate) once: bool,
    /// It is started by the clock.
    pub(crate) timed: bool,
    live: Vec<Probe>,
}

impl Fact {
    /// Nothing of it is secret: what it is started with is left out.
    fn of(service: &Service, timed: bool) -> Self {
        let Service { name, summary, tags, revision, endpoints, restart, ready, live, .. } =
            service;
        let live = live.iter().map(|live| live.probe.clone());
        let asked = |probe: &Probe| !matches!(probe, Probe::Exec(_)) && !is_exec(probe);
        Self {
            name: name.clone(),
            summary: summary.clone(),
            tags: tags.clone(),
            revision: revision.clone(),
            endpoints: endpoints.clone(),
            once: *restart == Restart::Never && ready.is_empty(),
            timed,
            live: live.filter(asked).collect(),
        }
    }
}

fn is_exec(probe: &Probe) -> bool {
    matches!(probe, Probe::Within(probe, _) if matches!(**probe, Probe::Exec(_)))
}

/// The services of a homeserver that somebody else keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) keeper: Keeper,
    pub(crate) profile: String,
    /// In the order in which they start.
    pub(crate) services: Vec<Fact>,
}

/// What a keeper says of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    phase: Phase,
    pid: Option<u32>,
    started_at: Option<String>,
    restarts: u32,
    exit: Option<Exit>,
}

impl Kept {
    pub(crate) fn new(keeper: Keeper, profile: &str, services: &[Service], timed: &[&str]) -> Self {
        let fact = |it: &Service| Fact::of(it, timed.contains(&it.name.as_str()));
        let services = services.iter().map(fact).collect();
        Self { keeper, profile: profile.to_owned(), services }
    }

    /// None where our own supervisor does.
    pub(crate) fn read(data: &DataDir) -> Result<Option<Self>, files::Error> {
        files::read_note(&data.kept())
    }

    pub(crate) fn write(&self, data: &DataDir) -> Result<(), files::Error> {
        files::write_note(&data.kept(), self)
    }

    /// How they are now; none where none of them is to run.
    pub(crate) async fn snapshot(&self) -> Result<Option<Snapshot>, Error> {
        let said = match &self.keeper {
            Keeper::Systemd(systemd) => systemd.ask(&self.services).await?,
        };
        let mut reports = BTreeMap::new();
        let mut asked = Vec::new();
        for (fact, said) in self.services.iter().cloned().zip(said) {
            asked.push(tokio::spawn(async move {
                let health = if said.phase == Phase::Running { health(&fact).await } else { None };
                (fact.name.clone(), report(&fact, said, health))
            }));
        }
        for one in asked {
            reports.extend(one.await.ok());
        }
        if reports.values().all(|report| !report.wanted) {
            return Ok(None);
        }
        let wanted = reports.values().filter(|report| report.wanted);
        let ready = wanted.into_iter().all(Report::is_ready);
        let started = reports.values().filter_map(|report| report.started_at.clone()).min();
        Ok(Some(Snapshot {
            ready,
            profile: self.profile.clone(),
            profiles: BTreeMap::new(),
            supervisor: Supervisor { started_at: started.unwrap_or_default(), ..none() },
            order: self.services.iter().map(|fact| fact.name.clone()).collect(),
            services: reports,
            events: 0,
        }))
    }
}

fn none() -> Supervisor {
    Supervisor {
        pid: 0,
        start_ticks: 0,
        session: 0,
        boot: String::new(),
        started_at: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

async fn health(fact: &Fact) -> Option<Health> {
    if fact.live.is_empty() {
        return None;
    }
    let mut message = None;
    for live in &fact.live {
        let within = Probe::Within(Box::new(live.clone()), PATIENCE);
        if let Err(why) = probe::ask(&within, &BTreeMap::new()).await {
            message = Some(why);
            break;
        }
    }
    let endpoint = fact.live.iter().find_map(Probe::address);
    let last_check = clock::now().to_string();
    Some(Health { healthy: message.is_none(), last_check, endpoint, message })
}

fn report(fact: &Fact, said: Said, health: Option<Health>) -> Report {
    let Said { phase, pid, started_at, restarts, exit } = said;
    let ready_at = phase.is_ready().then(|| started_at.clone()).flatten();
    Report {
        state: phase,
        wanted: phase != Phase::Stopped,
        starter: false,
        awaits_restart: false,
        summary: fact.summary.clone(),
        tags: fact.tags.clone(),
        revision: fact.revision.clone(),
        pid,
        start_ticks: None,
        started_at,
        ready_at,
        runs: restarts + u32::from(pid.is_some()),
        restarts,
        last_exit: exit.map(|exit| super::record::Ended { exit, at: String::new() }),
        health,
        waits_for: None,
        last_words: Vec::new(),
        endpoints: fact.endpoints.clone(),
        log: PathBuf::new(),
    }
}
