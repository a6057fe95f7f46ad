//! Services that somebody else keeps: who that is, and how they are by his words. What was written for him is
//! noted in the data folder, so that whoever asks how the services are gets the same answer as from our own
//! supervisor.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{
    job, probe,
    record::{Ended, Health, Report, Snapshot, Supervisor},
    service::{Probe, Service},
    state::{Exit, Phase},
};
use crate::{
    clock,
    data_dir::DataDir,
    error::{Explain, Kind},
    files, process,
};

mod compose;
mod kubernetes;
mod systemd;
mod watch;

pub(crate) use compose::Compose;
pub(crate) use kubernetes::{INSTANCE, Kubernetes, MADE_BY, MAKER, PART};
pub(crate) use systemd::{Scope, Systemd};
pub(crate) use watch::watch;

/// Says that this process is in one of the containers.
pub(crate) const INSIDE: &str = "RMS_CONTAINER";
/// Whether it is.
#[expect(clippy::disallowed_methods, reason = "where it runs is no setting")]
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// How long an answer to a live probe may take: `status` waits for all of them at once.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{0}` does not say how the services are")]
    Silent(&'static str, #[source] process::Error),
    #[error("`{}` does not say who keeps the services", path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("`{}` cannot be read as an object of Kubernetes", path.display())]
    Manifest { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("`{service}` has no pod of its own")]
    Within { service: String },
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Within { .. } => Kind::Request,
            _ => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Silent(program, _) => Some(format!("see what `{program}` says by itself")),
            Self::Damaged { .. } => Some("`manage install --target TARGET` writes it anew".into()),
            Self::Manifest { .. } => {
                Some("`manage install --target kubernetes --force` writes it anew".into())
            }
            Self::Within { .. } => Some(
                "it is in the pod of `synapse`, which is stopped with all that is in it".into(),
            ),
            Self::Process(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}

/// Who keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Keeper {
    Systemd(Systemd),
    Compose(Compose),
    Kubernetes(Kubernetes),
}

impl Keeper {
    /// The word for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Systemd(_) => "systemd",
            Self::Compose(_) => "Docker Compose",
            Self::Kubernetes(_) => "Kubernetes",
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
    /// It is started by the clock.
    pub(crate) timed: bool,
    /// The number of the signal on which it reads its files again.
    reload: Option<i32>,
    live: Vec<Asked>,
}

/// A live probe, and how long it may be bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    probe: Probe,
    hung_after: Option<Duration>,
}

impl Fact {
    fn of(service: &Service, timed: bool) -> Self {
        let Service { name, summary, tags, revision, endpoints, reload, live, .. } = service;
        let live = live.iter().filter(|live| is_plain(&live.probe));
        Self {
            name: name.clone(),
            summary: summary.clone(),
            tags: tags.clone(),
            revision: revision.clone(),
            endpoints: endpoints.clone(),
            timed,
            reload: reload.map(rustix::process::Signal::as_raw),
            live: live
                .map(|it| Asked { probe: it.probe.clone(), hung_after: it.restart_after })
                .collect(),
        }
    }
}

/// Whether it can be written down: variables of the operator's own may be secrets.
fn is_plain(probe: &Probe) -> bool {
    match probe {
        Probe::Exec(launch) => launch.environment.is_empty(),
        Probe::Within(probe, _) => is_plain(probe),
        _ => true,
    }
}

/// The services of a homeserver that somebody else keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) keeper: Keeper,
    pub(crate) profile: String,
    /// How often those that run are asked.
    interval: Duration,
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
    /// Where the keeper asks them itself.
    health: Option<Health>,
}

impl Kept {
    pub(crate) fn new(
        keeper: Keeper,
        profile: &str,
        interval: Duration,
        services: &[Service],
        timed: &[&str],
    ) -> Self {
        let fact = |it: &Service| Fact::of(it, timed.contains(&it.name.as_str()));
        let services = services.iter().map(fact).collect();
        Self { keeper, profile: profile.to_owned(), interval, services }
    }

    /// None where our own supervisor does.
    pub(crate) fn read(data: &DataDir) -> Result<Option<Self>, Error> {
        let path = data.kept();
        let Some(text) = files::read_made(&path)? else { return Ok(None) };
        let kept: Self =
            serde_json::from_str(&text).map_err(|source| Error::Damaged { path, source })?;
        // In a container nobody can be asked of the others.
        let is_apart = !matches!(kept.keeper, Keeper::Systemd(_)) && is_inside();
        Ok((!is_apart).then_some(kept))
    }

    pub(crate) fn write(&self, data: &DataDir) -> Result<(), files::Error> {
        files::write_note(&data.kept(), self)
    }

    /// How they are now; none where none of them is to run.
    pub(crate) async fn snapshot(&self) -> Result<Option<Snapshot>, Error> {
        let said = self.ask().await?;
        let healths = self.healths(&said).await;
        let now = self.compose(said, &healths);
        // What ran to its end says nothing of what runs.
        let runs = |it: &Report| it.wanted && it.state != Phase::Completed;
        let is_wanted = now.services.values().any(runs);
        Ok(is_wanted.then_some(now))
    }

    /// Starts these, or all where none is named; they may not be ready yet.
    pub(crate) async fn start(&self, names: &[String]) -> Result<(), Error> {
        match &self.keeper {
            Keeper::Systemd(systemd) if names.is_empty() => {
                systemd.act("start", &self.facts(names)).await?;
                process::tool(systemd.systemctl().args(["start", "--no-block", &systemd.target()]))
                    .await?;
                Ok(())
            }
            Keeper::Systemd(systemd) => Ok(systemd.act("start", &self.facts(names)).await?),
            // A pod that was not asked for costs less than half a homeserver.
            Keeper::Kubernetes(kubernetes) => kubernetes.start().await,
            Keeper::Compose(compose) => {
                let mut command = compose.compose();
                command.args(["up", "--detach", "--no-build"]);
                if names.is_empty() {
                    command.arg("--remove-orphans");
                } else if self.snapshot().await.is_ok_and(|now| now.is_some()) {
                    // What they need runs, and what ran once need not run again.
                    command.arg("--no-deps");
                }
                process::tool(command.args(names)).await?;
                Ok(())
            }
        }
    }

    /// Stops these, or all where none is named, and waits until they are down.
    pub(crate) async fn stop(&self, names: &[String]) -> Result<(), Error> {
        match &self.keeper {
            Keeper::Systemd(systemd) => {
                if names.is_empty() {
                    process::tool(systemd.systemctl().args(["stop", &systemd.target()])).await?;
                }
                // Also one that is started again and again.
                Ok(systemd.act("stop", &self.facts(names)).await?)
            }
            Keeper::Kubernetes(kubernetes) => kubernetes.stop(names).await,
            Keeper::Compose(compose) => {
                let mut command = compose.compose();
                command.arg("stop");
                process::tool(command.args(names)).await?;
                Ok(())
            }
        }
    }

    /// Prints lines of these as the keeper has them: so many last ones, or since a moment.
    pub(crate) fn lines_of(
        &self,
        names: &[String],
        count: Option<usize>,
        since: Option<&str>,
        follow: bool,
    ) -> Command {
        let all = count.map_or_else(|| "all".to_owned(), |count| count.to_string());
        let mut command = match &self.keeper {
            Keeper::Systemd(systemd) => {
                let mut command = systemd.journalctl(names);
                command.arg(format!("--lines={all}"));
                command
            }
            Keeper::Compose(compose) => {
                let mut command = compose.compose();
                command.args(["logs", "--no-color", "--timestamps", &format!("--tail={all}")]);
                command
            }
            Keeper::Kubernetes(kubernetes) => {
                let mut command = kubernetes.kubectl();
                let tail = count.map_or(-1, |count| i64::try_from(count).unwrap_or(-1));
                command.args(["logs", "--timestamps", "--prefix", "--ignore-errors"]);
                command.args([format!("--tail={tail}"), "--max-log-requests=100".to_owned()]);
                match names {
                    [one] => command
                        .args(["--container", one])
                        .arg(format!("--selector={}", kubernetes.pods_of(one))),
                    _ => command
                        .arg("--all-containers")
                        .arg(format!("--selector={}", kubernetes.selector())),
                };
                command
            }
        };
        let word = match &self.keeper {
            Keeper::Kubernetes(_) => "since-time",
            _ => "since",
        };
        command.args(since.map(|since| format!("--{word}={since}")));
        command.args(follow.then_some("--follow"));
        if let Keeper::Compose(_) = self.keeper {
            command.args(names);
        }
        command
    }

    fn facts(&self, names: &[String]) -> Vec<&Fact> {
        let chosen = |fact: &&Fact| names.is_empty() || names.contains(&fact.name);
        self.services.iter().filter(chosen).collect()
    }

    /// The last lines that a service wrote.
    pub(crate) async fn last_words(&self, service: &str, count: usize) -> String {
        let mut ways = match &self.keeper {
            // What it wrote itself says more than what systemd says of it.
            Keeper::Systemd(systemd) => {
                let mut ways =
                    vec![systemd.words_of(service), systemd.journalctl(&[service.to_owned()])];
                for command in &mut ways {
                    command.args(["--output=cat", &format!("--lines={count}")]);
                }
                ways
            }
            Keeper::Compose(compose) => {
                let mut command = compose.compose();
                let tail = format!("--tail={count}");
                command.args(["logs", "--no-color", "--no-log-prefix", &tail, service]);
                vec![command]
            }
            Keeper::Kubernetes(kubernetes) => return kubernetes.words_of(service, count).await,
        };
        for command in &mut ways {
            let said = process::tool(command).await.unwrap_or_default();
            if !said.trim().is_empty() {
                return said.trim().to_owned();
            }
        }
        String::new()
    }

    async fn ask(&self) -> Result<Vec<Said>, Error> {
        match &self.keeper {
            Keeper::Systemd(systemd) => systemd.ask(&self.services).await,
            Keeper::Compose(compose) => compose.ask(&self.services).await,
            Keeper::Kubernetes(kubernetes) => kubernetes.ask(&self.services).await,
        }
    }

    /// Of those that run, how they are: all are asked at once.
    async fn healths(&self, said: &[Said]) -> Healths {
        let mut asked = Vec::new();
        for (fact, said) in self.services.iter().zip(said) {
            if said.phase == Phase::Running && !fact.live.is_empty() && said.health.is_none() {
                let fact = fact.clone();
                asked.push(tokio::spawn(async move { (fact.name.clone(), health(&fact).await) }));
            }
        }
        let mut healths = Healths::new();
        for one in asked {
            healths.extend(one.await.ok());
        }
        healths
    }

    fn compose(&self, said: Vec<Said>, healths: &Healths) -> Snapshot {
        let report = |(fact, said): (&Fact, Said)| {
            let health = healths.get(&fact.name).map(|known| known.health.clone());
            (fact.name.clone(), report(fact, said, health))
        };
        let services: BTreeMap<_, _> = self.services.iter().zip(said).map(report).collect();
        let mut wanted = services.values().filter(|report| report.wanted).peekable();
        let ready = wanted.peek().is_some() && wanted.all(Report::is_ready);
        let started = services.values().filter_map(|report| report.started_at.clone()).min();
        Snapshot {
            ready,
            profile: self.profile.clone(),
            profiles: BTreeMap::new(),
            supervisor: Supervisor { started_at: started.unwrap_or_default(), ..nobody() },
            order: self.services.iter().map(|fact| fact.name.clone()).collect(),
            services,
            events: 0,
        }
    }
}

/// How those are that were asked, by their names.
type Healths = BTreeMap<String, Known>;

struct Known {
    health: Health,
    /// How long what was bad may be bad before the service counts as hung.
    hung_after: Option<Duration>,
}

/// None of our own keeps them.
fn nobody() -> Supervisor {
    Supervisor {
        pid: 0,
        start_ticks: 0,
        session: 0,
        boot: String::new(),
        started_at: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

async fn health(fact: &Fact) -> Known {
    let (mut message, mut hung_after) = (None, None);
    for asked in &fact.live {
        let within = Probe::Within(Box::new(asked.probe.clone()), PATIENCE);
        if let Err(why) = probe::ask(&within, &job::own_plain()).await {
            message.get_or_insert(why);
            hung_after = hung_after.or(asked.hung_after);
        }
    }
    let endpoint = fact.live.iter().find_map(|asked| asked.probe.address());
    let last_check = clock::now().to_string();
    let health = Health { healthy: message.is_none(), last_check, endpoint, message };
    Known { health, hung_after }
}

fn report(fact: &Fact, said: Said, health: Option<Health>) -> Report {
    let Said { phase, pid, started_at, restarts, exit, health: heard } = said;
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
        last_exit: exit.map(|exit| Ended { exit, at: String::new() }),
        health: heard.or(health),
        waits_for: None,
        last_words: Vec::new(),
        endpoints: fact.endpoints.clone(),
        log: PathBuf::new(),
    }
}
