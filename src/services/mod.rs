//! Which processes a homeserver is, one file each.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use crate::{
    config::{self, Config, sections::server::Kind, values::source::Source},
    error::Failure,
    postgres,
    supervisor::{
        record::{Report, Snapshot},
        service::{Condition, Inherits, Launch, Need, Restart, Service, Signal},
    },
    synapse::workers,
};

mod alerts;
mod autoscale;
mod backups;
mod bridge;
mod certificates;
mod crypto;
mod custom;
mod database;
mod dendrite;
mod error;
mod fits;
mod forkserver;
mod hooks;
mod postgresql;
mod proxy;
mod redis;
mod relay;
mod synapse;
mod turn;
mod variables;
mod worker;

use error::Error;
pub(crate) use forkserver::shares_memory;
pub(crate) use hooks::{may_be_proxied, takes_hooks};
pub(crate) use relay::{is_read_by_relay_alone, takes_chat};
pub(crate) use worker::{TAG as WORKER, is_of_homeserver};

/// The tag that all of the operator's own services have, bridges among them: their failure does not end
/// the others.
pub(crate) const CUSTOM: &str = "custom";

/// All of the profile that is set, in the order in which they start. Where PostgreSQL is our own, its
/// cluster has to be there already, unless it is in containers elsewhere.
pub(crate) async fn all(config: &Config) -> Result<Vec<Service>, Failure> {
    if config.data.is_in_cluster() {
        return outline(config);
    }
    let own = if postgres::target(config)?.is_embedded() {
        Some(postgresql::service(config).await?)
    } else {
        None
    };
    complete(config, own)
}

/// The same with a PostgreSQL of our own that cannot be started: finds what is wrong with the settings
/// before anything is there.
pub(crate) fn outline(config: &Config) -> Result<Vec<Service>, Failure> {
    let own = postgres::target(config)?.is_embedded();
    complete(config, own.then(|| postgresql::outline(config)))
}

fn complete(config: &Config, own: Option<Service>) -> Result<Vec<Service>, Failure> {
    let is_own = own.is_some();
    if !config.is_joined() && !config.workers.here.is_empty() {
        return Err(workers::Error::SecondHomeserver.into());
    }
    let workers = worker::services(config, is_own)?;
    if config.is_joined() {
        // All that they need is on the machine of the homeserver.
        let mut workers = workers;
        workers.extend(proxy::service(config));
        forkserver::add(config, &mut workers);
        return Ok(fits::together(config, workers, Vec::new())?);
    }
    let homeserver = if config.is_dendrite() {
        dendrite::service(config, is_own)
    } else {
        synapse::service(config, is_own)
    };
    let others = [database::service(config, is_own), homeserver];
    let proxy = proxy::service(config).into_iter().chain(certificates::service(config));
    let more = proxy.chain(turn::service(config)).chain(alerts::service(config));
    let more = more.chain(backups::service(config));
    let more = more.chain(autoscale::service(config)).chain(bridge::services(config, is_own)?);
    let more = more.chain(hooks::service(config)).chain(crypto::service(config));
    let more = more.chain(relay::service(config, is_own));
    let first = own.into_iter().chain(redis::service(config));
    let mut ours: Vec<Service> = first.chain(others).chain(workers).chain(more).collect();
    ours.iter_mut().try_for_each(|service| variables::add(config, service))?;
    forkserver::add(config, &mut ours);
    Ok(fits::together(config, ours, custom::services(config)?)?)
}

/// A service that ends by itself is started again, so many times within ten minutes.
fn restart(config: &Config) -> Restart {
    Restart::Always { budget: config.supervision.restarts, window: Duration::from_mins(10) }
}

/// What makes another process of this program read the same settings: the data folder, and what was
/// set with flags. Secrets are not handed on this way.
pub(crate) fn same_settings(config: &Config) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["--data-dir".into(), config.data.root().into()];
    for setting in config::settings().filter(|setting| !setting.secret) {
        if let Some((value, Source::Flag)) = config.values.0.get(setting.key) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.extend(["--set".into(), format!("{}={value}", setting.key).into()]);
        }
    }
    words
}

/// A process of this program beside the others: `daemon VERB` with the same settings. It does not need
/// to know which workers there are, which changes while it runs, and as a flag would count more than
/// what is written down.
fn daemon(config: &Config, verb: &str) -> Launch {
    let words = same_settings(config);
    let is_number = |word: &OsString| {
        let word = word.to_string_lossy();
        ["workers.list=", "workers.preset="].iter().any(|key| word.starts_with(key))
    };
    let pairs = words.chunks(2).filter(|pair| !pair.iter().any(is_number));
    let mut launch = Launch::new("/proc/self/exe", config.data.root()).args(["daemon", verb]);
    launch = launch.args(pairs.flatten().cloned());
    // It reads its settings, passwords among them, from the variables we got ours from.
    launch.inherits = Inherits::All;
    launch
}

/// Whether it is a part of this program.
pub(crate) fn is_own(service: &Service) -> bool {
    service.tags.iter().any(|tag| tag == OWN)
}

/// A service of ours that is `daemon NAME`: work that runs on beside the services that it needs.
/// `revision` is of what it reads when it starts.
fn own(config: &Config, name: &str, summary: &str, needs: &[&str], revision: String) -> Service {
    Service {
        name: name.to_owned(),
        summary: summary.to_owned(),
        tags: vec![OWN.to_owned()],
        needs: needs.iter().map(|need| Need::new(need, Condition::Started)).collect(),
        launch: daemon(config, name),
        revision,
        reload: None,
        ready: Vec::new(),
        live: Vec::new(),
        restart: restart(config),
        stop: vec![(Signal::TERM, Duration::from_secs(5))],
        endpoints: BTreeMap::new(),
        starter: None,
    }
}

/// A part of this program that is there only where somebody else keeps the processes.
pub(crate) fn beside(config: &Config, name: &str, summary: &str) -> Service {
    own(config, name, summary, &[], String::new())
}

/// What parts of this program are tagged with.
const OWN: &str = "own";

/// The service that is the homeserver.
pub(crate) fn homeserver(config: &Config) -> &'static str {
    config.server.kind.service()
}

/// What is known of the homeserver among all that the supervisor keeps.
pub(crate) fn of_homeserver(now: &Snapshot) -> Option<&Report> {
    now.services.iter().find(|(name, _)| Kind::is_service(name)).map(|(_, report)| report)
}

/// Where the homeserver that runs listens, whatever the settings say by now.
pub(crate) fn listens(now: &Snapshot) -> Option<String> {
    of_homeserver(now)?.endpoints.get("client").cloned()
}

/// The process of the homeserver that runs.
pub(crate) fn pid(now: &Snapshot) -> Option<u32> {
    of_homeserver(now)?.pid
}

/// The words under which services are known to each other.
pub(crate) const POSTGRES: &str = "postgres";
pub(crate) const DATABASE: &str = "database";
pub(crate) const SYNAPSE: &str = "synapse";
const FORKSERVER: &str = "forkserver";
pub(crate) const REDIS: &str = "redis";
pub(crate) const ALERTS: &str = "alerts";
pub(crate) const BACKUPS: &str = "backups";
pub(crate) const HOOKS: &str = "hooks";
pub(crate) const RELAY: &str = "relay";
pub(crate) const AUTOSCALE: &str = "autoscale";
const CRYPTO: &str = "crypto";
pub(crate) const PROXY: &str = "proxy";
pub(crate) const TURN: &str = "turn";
pub(crate) const CERTIFICATES: &str = "certificates";
