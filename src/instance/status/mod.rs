//! How the homeserver is, as cheaply as the question allows: what is installed and what runs is in
//! files, whether it answers is one request on loopback, and only the detailed answer asks the
//! database.

pub(crate) mod backups;
pub(crate) mod encryption;
pub(crate) mod media;

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use self::{backups::Backups, encryption::Encryption};
use super::{
    backup::restore::{self, Restoring},
    moving::{self, Moving},
    prepare::applied,
};
use crate::{
    config::{Config, exports, sections::server::Kind, sources::environment::Environment},
    data_dir::DataDir,
    error::Failure,
    files,
    matrix::{self, client},
    postgres::{self, Stats},
    process::{self, Stat},
    redis,
    services::shares_memory,
    supervisor::{
        self, control, kept,
        record::{Report, Snapshot},
        state::Phase,
    },
    synapse::workers,
};

/// Where a worker says that it is well.
const HEALTH: &str = Kind::Synapse.health();

/// How long a server on this machine may take to say that it lives.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    NotInstalled,
    Stopped,
    Starting,
    Unhealthy,
    Running,
}

/// What the platform reads in the JSON of `status`, and what else is known.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Status {
    pub(crate) installed: bool,
    pub(crate) running: bool,
    pub(crate) healthy: bool,
    pub(crate) health_message: String,
    #[serde(rename = "status")]
    pub(crate) state: State,
    /// The program that is the homeserver.
    #[serde(skip)]
    pub(crate) kind: Kind,
    /// That of the installed homeserver.
    pub(crate) version: Option<String>,
    /// That of the homeserver which runs: another one until it is restarted after an install.
    pub(crate) running_version: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) port: u16,
    pub(crate) base_url: String,
    pub(crate) api_url: String,
    pub(crate) health_url: String,
    pub(crate) data_dir: String,
    pub(crate) pid: Option<u32>,
    /// For how long Synapse has run, in seconds.
    pub(crate) uptime_seconds: Option<u64>,
    /// All our processes together, in bytes.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) services: Vec<Service>,
    /// The file about the instance cannot be believed: what it should say is of the settings.
    #[serde(skip)]
    pub(crate) damaged: bool,
    /// What is in the database, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<Stats>,
    /// The workers on other machines, where these were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) elsewhere: Vec<Elsewhere>,
    /// How the backups are, where some were made or are to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backups: Option<Backups>,
    /// How the devices are that have keys of encrypted rooms, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encryption: Option<Encryption>,
    /// The restore that goes on, or was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restoring: Option<Restoring>,
    /// The moving in that goes on, or was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) moving: Option<Moving>,
}

/// A worker of this homeserver on another machine.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Elsewhere {
    pub(crate) name: String,
    pub(crate) machine: String,
    pub(crate) healthy: bool,
    /// Why it is not.
    pub(crate) message: Option<String>,
    /// Whether others wait while it is not: for what only it writes.
    pub(crate) needed: bool,
}

/// A process of the homeserver.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) phase: Phase,
    pub(crate) pid: Option<u32>,
    /// How often it was started again after it had ended by itself.
    pub(crate) restarts: u32,
    /// What is wrong with it, or what it waits for.
    pub(crate) message: Option<String>,
    /// For how long it has run, in seconds.
    pub(crate) uptime_seconds: Option<u64>,
    /// What it has in memory, in bytes; of what it shares with processes forked from the same one its part.
    pub(crate) memory_bytes: Option<u64>,
    #[serde(skip)]
    well: bool,
    /// All others go on without it.
    #[serde(skip)]
    starter: bool,
}

/// What is installed, what runs, whether it answers; reads no settings.
pub(crate) async fn fast(data: &DataDir) -> Result<Status, files::Error> {
    of(data, None).await
}

/// What the settings say where the file about the instance cannot be believed.
fn settled(data: &DataDir) -> BTreeMap<&'static str, String> {
    let version = exports::version(data).unwrap_or_default();
    let config = Config::load(data.clone(), &[], &Environment::default());
    let mut values = config
        .map(|config| exports::values(&config, &config.local_url(), &version))
        .unwrap_or_default();
    values.retain(|_, value| !value.is_empty());
    values
}

/// The same of some services only: those of another profile, say.
pub(crate) async fn of(data: &DataDir, only: Option<&[String]>) -> Result<Status, files::Error> {
    let known = exports::read(data)?;
    let installed = known.is_some() && data.is_installed();
    let damaged = known.as_ref().is_some_and(BTreeMap::is_empty);
    let known = if damaged { settled(data) } else { known.unwrap_or_default() };
    let value = |name: &str| known.get(name).cloned();
    let port = value("MATRIX_SYNAPSE_PORT").and_then(|port| port.parse().ok()).unwrap_or(8008);
    let host = value("MATRIX_SYNAPSE_HOST").unwrap_or_else(|| "127.0.0.1".into());
    // Where only workers run, that of the homeserver.
    let url = value("MATRIX_SYNAPSE_URL").unwrap_or_else(|| format!("http://{host}:{port}"));
    let kind = Kind::installed(data);
    let health = kind.health();
    let asked = if installed { services(data, only).await } else { Ok(Vec::new()) };
    let asks = async {
        // How a cluster is reached from here nobody knows; it has asked.
        if data.is_in_cluster() { Ok(()) } else { answers(format!("{host}:{port}"), health).await }
    };
    let alone = kept::is_inside() && installed && asked.as_ref().is_ok_and(Vec::is_empty);
    let (mut state, mut health_message) = if alone {
        // In a container nobody can be asked of the others.
        match asks.await {
            Ok(()) => (State::Running, "Healthy".to_owned()),
            Err(why) => (State::Stopped, why),
        }
    } else {
        judged(installed, &asked, asks).await
    };
    if !matches!(state, State::NotInstalled | State::Stopped)
        && let Err(full @ files::Error::Full { .. }) = files::has_space(data.root())
    {
        // A server that still answers refuses what it would have to write down.
        let also = (state != State::Running).then(|| format!("; {health_message}"));
        health_message = format!("{full}{}", also.unwrap_or_default());
        state = State::Unhealthy;
    }
    let restoring = restore::unfinished(data)?;
    let moving = moving::unfinished(data)?;
    let begun = restoring.as_ref().map(ToString::to_string);
    if let Some(begun) = begun.or_else(|| moving.as_ref().map(ToString::to_string)) {
        health_message = begun;
        state = State::Unhealthy;
    }
    let services = asked.unwrap_or_default();
    let synapse = services.iter().find(|service| Kind::is_service(&service.name));
    let pid = synapse.and_then(|service| service.pid);
    let running_version = pid.and_then(exports::running);
    Ok(Status {
        installed,
        running: pid.is_some() || matches!(state, State::Running | State::Starting),
        healthy: state == State::Running,
        health_message,
        state,
        kind,
        version: value("MATRIX_SYNAPSE_INSTALLED_VERSION"),
        running_version,
        server_name: value("MATRIX_SYNAPSE_SERVER_NAME"),
        port,
        base_url: value("MATRIX_SYNAPSE_BASE_URL").unwrap_or_else(|| url.clone()),
        api_url: format!("{url}/_matrix/client/v3"),
        health_url: format!("{url}{health}"),
        data_dir: data.root().display().to_string(),
        pid,
        uptime_seconds: synapse.and_then(|service| service.uptime_seconds),
        memory_bytes: pid.map(|_| services.iter().filter_map(|it| it.memory_bytes).sum()),
        services,
        damaged,
        database: None,
        elsewhere: Vec::new(),
        backups: None,
        encryption: None,
        restoring,
        moving,
    })
}

impl Status {
    /// Where nothing is installed: what the settings make of it.
    pub(crate) fn would_be(&mut self, config: &Config) {
        let url = config.local_url();
        self.port = config.server.port.0;
        self.base_url = config.public_url();
        self.api_url = format!("{url}/_matrix/client/v3");
        self.health_url = format!("{url}{}", config.server.kind.health());
    }

    /// Asks those whom a server that runs needs and does not keep: the database, because Synapse calls
    /// itself healthy without one, somebody else's Redis, and workers on other machines. The main process
    /// stands in for those of these that only answer. The answer of the whole is due within ten seconds.
    pub(crate) async fn ask_others(&mut self, config: &Config) {
        if !self.running || config.data.is_in_cluster() {
            return;
        }
        // What waits for a restart is about another server than the one that is in use.
        let now = control::status(&config.data).await.ok().flatten();
        let changed = now.and_then(|now| applied::changed(config, &now).ok()).unwrap_or_default();
        let waits = |section: &str| changed.iter().any(|key| key.starts_with(section));
        let redis = async {
            let other = config.shared_redis().is_some();
            if other { redis::check(config).await } else { Ok(()) }
        };
        let (database, redis, elsewhere, operator) =
            tokio::join!(Self::ask_database(config), redis, away(config), ask_operator(config));
        match database {
            Ok(stats) => self.database = Some(stats),
            Err(_) if waits("database.") => {}
            Err(why) => self.is_unwell(format!("the database does not do its part: {why}")),
        }
        if let Err(error) = redis
            && !waits("redis.")
        {
            self.is_unwell(error.to_string());
        }
        if let Some(away) = elsewhere.iter().find(|it| it.needed && !it.healthy) {
            let (name, machine) = (&away.name, &away.machine);
            self.is_unwell(format!("{name} on {machine} does not answer"));
        }
        if let Err(why) = operator {
            self.is_unwell(why);
        }
        self.elsewhere = elsewhere;
    }

    /// Whether all that is wrong is that some of the services do not run.
    pub(crate) fn lacks(&self) -> bool {
        self.services.iter().all(|service| service.well)
            && self
                .services
                .iter()
                .any(|service| service.phase == Phase::Stopped && !service.starter)
    }

    fn is_unwell(&mut self, why: String) {
        if self.healthy {
            self.healthy = false;
            self.state = State::Unhealthy;
            self.health_message = why;
        }
    }

    async fn ask_database(config: &Config) -> Result<Stats, String> {
        const LIMIT: Duration = Duration::from_secs(4);
        let asked = async {
            let mut inside = postgres::connect(config, postgres::Who::Synapse).await?;
            postgres::stats(&mut inside, config.server.kind).await
        };
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(stats)) => Ok(stats),
            Ok(Err(error)) => Err(Failure::from(error).to_string()),
            Err(_) => Err(format!("it does not answer within {} s", LIMIT.as_secs())),
        }
    }
}

/// Whether this program can still act: somebody may have closed its account, or taken its power away.
async fn ask_operator(config: &Config) -> Result<(), String> {
    const LIMIT: Duration = Duration::from_secs(4);
    if config.is_joined() {
        return Ok(());
    }
    let asked = async {
        let operator = client::operator(&config.data, LIMIT)?;
        matrix::operator::require_admin(&operator).await
    };
    match asked.await {
        // That the server does not answer is seen elsewhere.
        Err(error) if !error.is_servers_fault() => Err(format!(
            "this program cannot act on the homeserver: {error}; `manage start` tries to mend that"
        )),
        _ => Ok(()),
    }
}

/// Asks the workers on other machines, all at once.
async fn away(config: &Config) -> Vec<Elsewhere> {
    if config.is_joined() {
        return Vec::new();
    }
    let asked = workers::elsewhere(config).into_iter().map(|(name, machine, port, needed)| {
        let answered = tokio::spawn(answers(format!("{}:{port}", machine.bracketed()), HEALTH));
        (name, machine.to_string(), needed, answered)
    });
    let mut all = Vec::new();
    for (name, machine, needed, answered) in asked.collect::<Vec<_>>() {
        let message = answered.await.unwrap_or_else(|error| Err(error.to_string())).err();
        all.push(Elsewhere { name, machine, healthy: message.is_none(), message, needed });
    }
    all
}

/// The state and the sentence for it. `answers` is asked only where a Synapse of ours runs: whatever
/// else listens on its port is not ours to call healthy.
async fn judged(
    installed: bool,
    services: &Result<Vec<Service>, String>,
    answers: impl Future<Output = Result<(), String>>,
) -> (State, String) {
    if !installed {
        return (State::NotInstalled, "Matrix Synapse is not installed".into());
    }
    let services: Vec<&Service> = match services {
        // All others go on without it.
        Ok(services) => services.iter().filter(|service| !service.starter).collect(),
        Err(why) => return (State::Unhealthy, why.clone()),
    };
    let said = |service: &Service| {
        let more = service.message.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        format!("{} is {}{more}", service.name, word(service.phase))
    };
    if services.iter().all(|service| matches!(service.phase, Phase::Stopped)) {
        return (State::Stopped, "Matrix Synapse is installed but not running".into());
    }
    if let Some(service) = services.iter().find(|service| !service.well) {
        return (State::Unhealthy, said(service));
    }
    // Stopped by somebody, or never asked for. Without Synapse there is no homeserver.
    let stopped = services.iter().filter(|service| service.phase == Phase::Stopped);
    let stopped: Vec<&str> = stopped.map(|service| service.name.as_str()).collect();
    if !stopped.is_empty() {
        let state = if stopped.iter().any(|name| Kind::is_service(name)) {
            State::Stopped
        } else {
            State::Unhealthy
        };
        return (state, format!("stopped: {}", stopped.join(", ")));
    }
    if let Some(service) = services.iter().find(|service| !service.phase.is_ready()) {
        return (State::Starting, said(service));
    }
    // A machine that only has workers has nobody who answers clients.
    let is_here = services.iter().any(|service| Kind::is_service(&service.name));
    match if is_here { answers.await } else { Ok(()) } {
        Ok(()) => (State::Running, "Healthy".into()),
        Err(why) => (State::Unhealthy, why),
    }
}

/// The word for it in `status`.
pub(crate) fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Completed => "completed",
        Phase::Backoff => "backoff",
        Phase::Stopping => "stopping",
        Phase::Stopped => "stopped",
        Phase::Failed => "failed",
    }
}

/// The processes in the order in which they start; none where no supervisor lives.
async fn services(data: &DataDir, only: Option<&[String]>) -> Result<Vec<Service>, String> {
    let snapshot = match tokio::time::timeout(PATIENCE, control::status(data)).await {
        Ok(Ok(Some(snapshot))) => snapshot,
        Ok(Ok(None)) => {
            let names = only.unwrap_or_default();
            return Ok(names.iter().map(|name| absent(name)).collect());
        }
        Ok(Err(error)) => return Err(Failure::from(error).to_string()),
        Err(_) => return Err("the supervisor does not answer".into()),
    };
    let Snapshot { order, mut services, .. } = snapshot;
    let names = only.map_or(order, <[String]>::to_vec);
    let forked = services.values().any(|report| report.starter);
    let of = |name: String| match services.remove(&name) {
        Some(report) => service(report, name, forked),
        None => absent(&name),
    };
    Ok(names.into_iter().map(of).collect())
}

/// A service that the supervisor does not keep.
fn absent(name: &str) -> Service {
    Service {
        name: name.to_owned(),
        phase: Phase::Stopped,
        pid: None,
        restarts: 0,
        message: None,
        uptime_seconds: None,
        memory_bytes: None,
        well: true,
        starter: false,
    }
}

/// `forked` says that Synapse's processes share memory.
fn service(report: Report, name: String, forked: bool) -> Service {
    let shares = forked && shares_memory(&name, &report.tags);
    let Report { state: phase, starter, pid, restarts, health, last_exit, waits_for, .. } = report;
    let proportional = pid.filter(|_| shares).and_then(process::proportional_bytes);
    let ill = health.filter(|health| !health.healthy);
    let ended = matches!(phase, Phase::Backoff | Phase::Stopping | Phase::Failed);
    Service {
        well: ill.is_none() && !ended,
        starter,
        message: ill
            .and_then(|health| health.message)
            .or_else(|| last_exit.filter(|_| ended).map(|ended| ended.exit.to_string()))
            .or(waits_for),
        uptime_seconds: pid.and_then(|pid| Stat::of(pid)?.uptime_seconds()),
        memory_bytes: proportional.or_else(|| pid.and_then(process::resident_bytes)),
        name,
        phase,
        pid,
        restarts,
    }
}

/// The share of one processor that a process has used over its life, in percent.
pub(crate) fn cpu_percent(pid: u32) -> Option<f64> {
    let process = Stat::of(pid)?;
    #[expect(clippy::cast_precision_loss, reason = "nothing lives for 2^53 seconds")]
    let lived = process.uptime_seconds()? as f64;
    Some(process.cpu_seconds() * 100.0 / lived.max(1.0))
}

/// Asks the server at `host:port` whether it is well. This has to cost less than starting curl.
async fn answers(authority: String, path: &str) -> Result<(), String> {
    let url = format!("http://{authority}{path}");
    match tokio::time::timeout(PATIENCE, supervisor::get(&url, None, None)).await {
        Ok(Ok(Some(said))) if said.status == 200 => Ok(()),
        Ok(Ok(_)) => Err("the server answers, but not that it is well".into()),
        Ok(Err(error)) => Err(format!("the server does not answer: {error}")),
        Err(_) => Err(format!("the server does not answer within {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::canned::{Answer, Server};

    fn service(phase: Phase, well: bool) -> Service {
        Service {
            name: "synapse".to_owned(),
            phase,
            pid: None,
            restarts: 0,
            message: None,
            uptime_seconds: None,
            memory_bytes: None,
            well,
            starter: false,
        }
    }

    #[tokio::test]
    async fn the_state_follows_from_what_runs_and_what_answers() {
        let state = async |services: Vec<Service>, answer: Result<(), String>| {
            judged(true, &Ok(services), ready(answer)).await.0
        };
        let silent = Err("silence".to_owned());
        assert_eq!(judged(false, &Ok(Vec::new()), ready(Ok(()))).await.0, State::NotInstalled);
        assert_eq!(
            judged(true, &silent.clone().map(|()| Vec::new()), ready(Ok(()))).await.0,
            State::Unhealthy
        );
        assert_eq!(state(vec![], Ok(())).await, State::Stopped);
        assert_eq!(state(vec![service(Phase::Stopped, true)], Ok(())).await, State::Stopped);
        assert_eq!(state(vec![service(Phase::Waiting, true)], Ok(())).await, State::Starting);
        let named = |name: &str, phase| Service { name: name.to_owned(), ..service(phase, true) };
        let some = vec![service(Phase::Running, true), named("alerts", Phase::Stopped)];
        assert_eq!(state(some, Ok(())).await, State::Unhealthy);
        let some = vec![named("postgres", Phase::Running), service(Phase::Stopped, true)];
        let (state_of_some, said) = judged(true, &Ok(some), ready(Ok(()))).await;
        assert_eq!((state_of_some, said.as_str()), (State::Stopped, "stopped: synapse"));
        assert_eq!(state(vec![service(Phase::Backoff, false)], Ok(())).await, State::Unhealthy);
        assert_eq!(state(vec![service(Phase::Running, false)], Ok(())).await, State::Unhealthy);
        assert_eq!(state(vec![service(Phase::Running, true)], Ok(())).await, State::Running);
        assert_eq!(state(vec![service(Phase::Completed, true)], silent).await, State::Unhealthy);
    }

    #[tokio::test]
    async fn only_an_ok_counts_as_an_answer() {
        let server = Server::start().await;
        for (status, well) in [(200, true), (503, false)] {
            server.answers(Answer::new(status, "").at("/health").times(1));
            assert_eq!(answers(server.authority().to_owned(), HEALTH).await.is_ok(), well);
        }
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = answers(nobody.to_string(), HEALTH).await.unwrap_err();
        assert!(error.starts_with("the server does not answer"), "{error}");
    }
}
