//! Bridges, added and taken away while the homeserver runs or not. All that can be refused is refused
//! before anything is there. Synapse reads registrations only when it starts, all of its processes do, and
//! it does not start without one that it was told of: so a registration is in place before Synapse hears
//! of it, and Synapse has forgotten it before it goes.

use std::{path::PathBuf, time::Duration};

use rand::rng;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, sleep};

mod made;

use made::made;

use super::{guard, lock, prepare::applied, workers::scale};
use crate::{
    bridges::{self, Asked, Bridge, Found, Kind, Made, Network, Ping, Registration},
    clock,
    config::Config,
    error::Failure,
    files,
    matrix::ping::{self, Asks, Silent},
    postgres::{self, Tenant},
    python::{self, Set},
    relay, render,
    secret::Secret,
    services,
    supervisor::{control, kept::Kept, record::Snapshot},
    synapse,
};

/// A bridge as it is asked for.
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) asked: Asked,
    pub(crate) network: Network,
    /// The registration that was written elsewhere, and where it stands.
    pub(crate) registration: Option<(PathBuf, Secret)>,
    /// A folder of wheels to install from.
    pub(crate) offline: Option<PathBuf>,
}

/// What was done.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Added {
    pub(crate) bridge: String,
    #[schemars(with = "String")]
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) port: Option<u16>,
    /// Of the service, where there is one.
    pub(crate) service: Option<String>,
    /// Whether the bridge was there already, as it was asked for.
    pub(crate) existed: bool,
    /// Whether the homeserver runs; else its next start brings the bridge up.
    pub(crate) running: bool,
    /// The processes of Synapse that were restarted.
    pub(crate) restarted: Vec<String>,
    pub(crate) ping: Option<Ping>,
    pub(crate) steps: Vec<String>,
    /// Expressions of its namespaces that no user or alias here can fit.
    pub(crate) idle: Vec<String>,
}

/// The same for one that was taken away.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    pub(crate) bridge: String,
    /// The processes of Synapse that were restarted.
    pub(crate) restarted: Vec<String>,
    /// The database that it had.
    pub(crate) dropped: Option<String>,
}

/// What would be refused, looked at without changing anything.
pub(crate) async fn check(config: &Config, wanted: &Wanted) -> Result<bool, Failure> {
    guard::homeserver(config)?;
    applied::nothing_waits(config, |_| false).await?;
    let there = bridges::all(&config.data)?;
    match same(wanted, &there)? {
        Some(_) => Ok(false),
        None => made(config, wanted, &there).await.map(|_| true),
    }
}

/// Adds a bridge, and brings it up where the homeserver runs.
pub(crate) async fn add(
    config: &Config,
    wanted: &Wanted,
    timeout: Duration,
    on_step: &mut dyn FnMut(&str),
) -> Result<Added, Failure> {
    let deadline = Instant::now() + timeout;
    let data = &config.data;
    guard::homeserver(config)?;
    let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
    let _lock = lock::wait(data, "content add-bridge", deadline, &mut wait).await?;
    applied::nothing_waits(config, |_| false).await?;
    let there = bridges::all(data)?;
    let mut steps = Vec::new();
    let existed = same(wanted, &there)?;
    let (bridge, registration) = if let Some(found) = existed.clone() {
        found
    } else {
        let made = made(config, wanted, &there).await?;
        install(config, wanted, &mut steps, on_step).await?;
        put(config, &made, deadline, &mut steps, on_step).await?;
        (made.bridge, made.registration)
    };
    if let (Some(_), Some(tenant)) = (&existed, tenant(config, &bridge)?) {
        // A run that was killed may not have come to it, and it may be gone.
        make_database(config, &tenant, deadline, &mut steps, on_step).await?;
    }
    let server = config.server.name.to_string();
    let idle = registration.idle(&server);
    let mut added = Added {
        bridge: bridge.name.clone(),
        kind: bridge.asked.kind,
        id: bridge.id.clone(),
        port: bridge.listens,
        service: bridge.launch(config).map(|_| bridge.service()),
        existed: existed.is_some() && steps.is_empty(),
        running: false,
        restarted: Vec::new(),
        ping: None,
        steps,
        idle: idle.into_iter().map(str::to_owned).collect(),
    };
    let refreshed = render::refresh(config).await;
    if let (Err(_), None) = (&refreshed, &existed) {
        // Nothing has heard of it yet.
        bridges::remove(data, &bridge.name)?;
    }
    refreshed?;
    let Some(now) = runs(config).await? else { return Ok(added) };
    added.running = true;
    on_step("letting Synapse know");
    added.restarted = take_up(config, &now, deadline, timeout).await?;
    // A run that was killed had not come to it.
    added.existed &= added.restarted.is_empty();
    if let Some(service) = &added.service {
        on_step("waiting for the bridge");
        let up = scale::bring_up(config, vec![service.clone()], deadline, timeout).await;
        if let Err(failure) = up {
            return Err(explained(config, &bridge, failure).await);
        }
    }
    if registration.url.is_some() {
        on_step("asking the bridge through Synapse");
        let patience = if added.service.is_some() { PATIENCE } else { Duration::ZERO };
        added.ping = Some(ask(config, &bridge.name, &registration, patience).await?);
    }
    Ok(added)
}

/// The one that is there already, as it is asked for.
fn same(wanted: &Wanted, there: &[Found]) -> Result<Option<(Bridge, Registration)>, Failure> {
    bridges::check_name(&wanted.name)?;
    let Some(found) = there.iter().find(|found| found.name() == wanted.name) else {
        return Ok(None);
    };
    let hint = format!("`content remove-bridge {}` removes it", wanted.name);
    if let Some(flaw) = found.flaw() {
        return Err(Failure::environment(flaw).hinted(hint));
    }
    match found.whole() {
        None => {
            Err(Failure::request(format!("the bridge `{}` is being removed", wanted.name))
                .hinted(hint))
        }
        Some((bridge, _)) if bridge.asked != wanted.asked => {
            Err(bridges::Error::Other(wanted.name.clone()).into())
        }
        Some((bridge, registration)) => Ok(Some((bridge.clone(), registration.clone()))),
    }
}

/// Installs the program, where it is one of those that we can.
async fn install(
    config: &Config,
    wanted: &Wanted,
    steps: &mut Vec<String>,
    on_step: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let Some(set) = set(wanted.asked.kind) else { return Ok(()) };
    let data = &config.data;
    files::private_folder(&data.environments())?;
    let log = data.logs().join("install.log");
    let plan = python::plan(&data.environments(), &log, set, wanted.offline.as_deref()).await?;
    if plan.is_done() {
        return Ok(());
    }
    let (set, tool) = (&plan.set, plan.tool());
    on_step(&format!("installing {} {} with {tool}", set.name, set.version));
    plan.apply(false).await?;
    steps.push(format!("installed {} {} with {tool}", set.name, set.version));
    Ok(())
}

/// The packages that its program is made of.
pub(super) fn set(kind: Kind) -> Option<Set> {
    match kind {
        Kind::Irc => Some(Set::heisenbridge()),
        Kind::Telegram => Some(Set::telegram()),
        _ => None,
    }
}

/// Puts the bridge in its place, its database first where it wants one.
async fn put(
    config: &Config,
    made: &Made,
    deadline: Instant,
    steps: &mut Vec<String>,
    on_step: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let data = &config.data;
    let bridge = &made.bridge;
    let tenant = bridge.database.clone().map(|name| {
        let password = Secret::generate(&mut rng());
        Tenant { name, password }
    });
    let address = tenant.as_ref().map(|tenant| tenant.address(config)).transpose()?;
    let mut more = Vec::new();
    if let Some(text) = made.config(config, address.as_deref())? {
        more.push((bridges::CONFIG, Secret::new(text)));
    }
    if let Some(tenant) = &tenant {
        more.push((bridges::PASSWORD, tenant.password.clone()));
    }
    if bridge.asked.kind == Kind::Hookshot {
        on_step("making its key");
        more.push((bridges::KEY, bridges::hookshot::key().await?));
    }
    bridges::add(data, made, &more)?;
    let ready = async {
        if let Some(tenant) = &tenant {
            make_database(config, tenant, deadline, steps, on_step).await?;
        }
        Ok::<_, Failure>(())
    };
    if let Err(failure) = ready.await {
        bridges::remove(data, &bridge.name)?;
        return Err(failure);
    }
    steps.push(format!("registered the bridge {}", bridge.name));
    Ok(())
}

async fn make_database(
    config: &Config,
    tenant: &Tenant,
    deadline: Instant,
    steps: &mut Vec<String>,
    on_step: &mut dyn FnMut(&str),
) -> Result<(), postgres::Error> {
    on_step("looking after its database");
    let done = tenant.ensure(config, deadline, &mut |step| on_step(&step.to_string())).await?;
    steps.extend(done.steps.iter().map(ToString::to_string));
    Ok(())
}

/// The databases of all bridges, and of the relay.
pub(super) fn tenants(config: &Config) -> Result<Vec<Tenant>, files::Error> {
    let all = bridges::all(&config.data)?;
    let tenants = all.iter().filter_map(Found::whole).map(|(bridge, _)| tenant(config, bridge));
    let relay = relay::database::tenant(config);
    tenants.chain([relay]).filter_map(Result::transpose).collect()
}

/// Its role and its database.
fn tenant(config: &Config, bridge: &Bridge) -> Result<Option<Tenant>, files::Error> {
    let Some(name) = bridge.database.clone() else { return Ok(None) };
    let password = Secret::read(&bridges::database_password(&config.data, &bridge.name))?;
    Ok(Some(Tenant { name, password }))
}

/// How everything is, where Synapse runs.
async fn runs(config: &Config) -> Result<Option<Snapshot>, Failure> {
    // What somebody else keeps is taken up by the next start.
    if Kept::read(&config.data)?.is_some() {
        return Ok(None);
    }
    let now = control::status(&config.data).await?;
    Ok(now.filter(|now| services::of_homeserver(now).is_some_and(|it| it.wanted)))
}

/// The main process of Synapse, as a service.
const MAIN: &str = "synapse";

/// Has the supervisor keep the services that the files in place make, and waits until all processes of
/// Synapse that had to start anew are ready; their names.
async fn take_up(
    config: &Config,
    now: &Snapshot,
    deadline: Instant,
    timeout: Duration,
) -> Result<Vec<String>, Failure> {
    let workers = synapse::workers::chosen(config)?;
    let workers = synapse::workers::here(config, &workers).into_iter();
    let all = [(MAIN.to_owned(), None)]
        .into_iter()
        .chain(workers.map(|worker| (worker.name(), Some(worker))));
    let changed = all.filter(|(name, worker)| {
        now.services.get(name).is_some_and(|report| {
            report.wanted && report.revision != synapse::revision(&config.data, *worker)
        })
    });
    let names: Vec<String> = changed.map(|(name, _)| name).collect();
    scale::replace(config).await?;
    if !names.is_empty() {
        scale::bring_up(config, names.clone(), deadline, timeout).await?;
    }
    Ok(names)
}

/// Adds what we know of why a bridge does not run.
async fn explained(config: &Config, bridge: &Bridge, failure: Failure) -> Failure {
    let name = &bridge.name;
    let failure = failure.hinted(format!(
        "Synapse goes on; `content bridge-logs {name}` shows its log; once that is fixed `manage start bridge-{name}` tries again, and `content remove-bridge {name}` removes it"
    ));
    match flaw(config, bridge).await {
        Some(flaw) => failure.because(Failure::environment(format!("the bridge `{name}`: {flaw}"))),
        None => failure,
    }
}

/// What is known to be wrong with a bridge that is noted well.
pub(crate) async fn flaw(config: &Config, bridge: &Bridge) -> Option<String> {
    let tenant = match tenant(config, bridge) {
        Ok(tenant) => tenant?,
        Err(error) => return Some(error.to_string()),
    };
    tenant.flaw(config).await.ok().flatten()
}

/// How long a bridge may take until it answers, after its port does.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the bridge through Synapse, again for a while where it is not there yet; notes what came back.
pub(crate) async fn ask(
    config: &Config,
    name: &str,
    registration: &Registration,
    patience: Duration,
) -> Result<Ping, Failure> {
    const TIMEOUT: Duration = Duration::from_mins(1);
    let until = Instant::now() + patience;
    let server_name = config.server.name.0.clone();
    let user = registration.user(server_name.as_str());
    let user_id = ruma::OwnedUserId::try_from(user.as_str())
        .map_err(|_| Failure::request(format!("`{user}` is no user")))?;
    let (url, socket) = synapse::workers::tells_services(config)?;
    let answer = loop {
        let asks = Asks {
            url: url.clone(),
            socket: socket.clone(),
            server_name: server_name.clone(),
            user_id: user_id.clone(),
            id: registration.id.clone(),
            as_token: registration.as_token.clone(),
            bridge: registration.url.clone().unwrap_or_default(),
        };
        match ping::ping(asks, TIMEOUT).await {
            Err(Silent::Unreachable(_)) if Instant::now() < until => {
                sleep(Duration::from_millis(200)).await;
            }
            answer => break answer,
        }
    };
    let noted = Ping {
        at: clock::now().to_string(),
        ok: matches!(answer, Ok(_) | Err(Silent::Unasked)),
        milliseconds: answer.as_ref().ok().and_then(|it| u64::try_from(it.as_millis()).ok()),
        message: answer.err().map(|error| error.to_string()),
    };
    bridges::note_ping(&config.data, name, &noted)?;
    Ok(noted)
}

/// Takes a bridge away; none where there is none of that name.
pub(crate) async fn remove(
    config: &Config,
    name: &str,
    timeout: Duration,
    on_step: &mut dyn FnMut(&str),
) -> Result<Option<Removed>, Failure> {
    let deadline = Instant::now() + timeout;
    let data = &config.data;
    bridges::check_name(name)?;
    guard::not_joined(config)?;
    let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
    files::private_folder(&data.run())?;
    let _lock = lock::wait(data, "content remove-bridge", deadline, &mut wait).await?;
    bridges::clear(data)?;
    let Some(found) = bridges::of(data, name) else { return Ok(None) };
    applied::nothing_waits(config, |_| false).await?;
    bridges::leave(data, name)?;
    let mut removed = Removed { bridge: name.to_owned(), restarted: Vec::new(), dropped: None };
    if data.is_installed() {
        render::refresh(config).await?;
        if let Some(now) = runs(config).await? {
            on_step("having Synapse forget it");
            removed.restarted = take_up(config, &now, deadline, timeout).await?;
        }
    }
    let noted = found.bridge.as_ref().ok();
    if let Some(tenant) = noted.and_then(|bridge| bridge.database.clone()) {
        on_step("dropping its database");
        // Dropping needs no password of it.
        let tenant = Tenant { name: tenant, password: Secret::new("") };
        removed.dropped = tenant.drop_made(config, deadline).await?.database;
    }
    bridges::remove(data, name)?;
    Ok(Some(removed))
}

/// Drops the databases of all bridges and of the relay on a shared server; those in our own cluster go with it.
pub(super) async fn drop_databases(
    config: &Config,
    deadline: Instant,
) -> Result<(), postgres::Error> {
    if postgres::target(config)?.is_embedded() {
        return Ok(());
    }
    if let Some(tenant) = relay::database::tenant(config)? {
        tenant.drop_made(config, deadline).await?;
    }
    for found in bridges::all(&config.data)? {
        if let Some(name) = found.bridge.ok().and_then(|bridge| bridge.database) {
            Tenant { name, password: Secret::new("") }.drop_made(config, deadline).await?;
        }
    }
    Ok(())
}
