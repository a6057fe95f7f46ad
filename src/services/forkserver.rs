//! What imports Synapse once and forks its processes: with several it stays, for one it is there from when
//! that is to be started until it has been.

use std::{collections::BTreeMap, ffi::OsString, path::Path, time::Duration};

use super::{FORKSERVER, SYNAPSE, WORKER, is_of_homeserver};
use crate::{
    config::Config,
    supervisor::service::{Launch, Probe, Service, Signal, Starter, Through},
    synapse::forkserver::{self, SCRIPT},
};

/// Puts it before the processes of Synapse that can come from one import, and says so in these.
pub(super) fn add(config: &Config, services: &mut Vec<Service>) {
    if !config.synapse.forkserver || config.is_dendrite() {
        return;
    }
    let Some(environment) = most_common(services) else { return };
    // Some of the variables are read while Synapse is imported.
    let can = |it: &Service| is_of_homeserver(it) && it.launch.environment == environment;
    let Some(first) = services.iter().position(can) else { return };
    let socket = forkserver::socket(&config.data);
    let through = Through { service: FORKSERVER.to_owned(), socket: socket.clone() };
    let mut modules = Vec::new();
    let mut users = 0;
    for service in services.iter_mut().filter(|service| can(service)) {
        users += 1;
        service.launch.through = Some(through.clone());
        // `-m MODULE`
        let module = service.launch.args.get(1);
        if let Some(module) = module.filter(|module| !modules.contains(*module)) {
            modules.push(module.clone());
        }
    }
    let starter = if users > 1 { Starter::Stays } else { Starter::Goes };
    services.insert(first, service(config, environment, &socket, modules, starter));
}

/// Whether a service of this name and these tags is one of those that are forked, or what forks them.
pub(crate) fn shares_memory(name: &str, tags: &[String]) -> bool {
    [FORKSERVER, SYNAPSE].contains(&name) || tags.iter().any(|tag| tag == WORKER)
}

/// The variables that most of them have.
fn most_common(services: &[Service]) -> Option<BTreeMap<String, OsString>> {
    let of_synapse = || services.iter().filter(|service| is_of_homeserver(service));
    let alike = |one: &&Service| {
        of_synapse().filter(|it| it.launch.environment == one.launch.environment).count()
    };
    of_synapse().max_by_key(alike).map(|service| service.launch.environment.clone())
}

fn service(
    config: &Config,
    environment: BTreeMap<String, OsString>,
    socket: &Path,
    modules: Vec<OsString>,
    starter: Starter,
) -> Service {
    let data = &config.data;
    let installed = data.synapse_environment();
    let mut launch = Launch::new(installed.join("bin/python"), data.root())
        .args(["-c".into(), SCRIPT.into(), socket.as_os_str().to_owned()])
        .args(modules);
    launch.environment = environment;
    Service {
        name: FORKSERVER.to_owned(),
        summary: match starter {
            Starter::Stays => "starts Synapse's processes",
            Starter::Goes => "starts Synapse, then ends",
        }
        .to_owned(),
        tags: Vec::new(),
        needs: Vec::new(),
        launch,
        // What it has imported is what was installed then.
        revision: std::fs::read_link(installed)
            .map_or_else(|_| String::new(), |it| it.display().to_string()),
        reload: None,
        ready: vec![Probe::Notify],
        live: Vec::new(),
        restart: super::restart(config),
        stop: vec![(Signal::TERM, Duration::from_secs(5))],
        endpoints: BTreeMap::new(),
        starter: Some(starter),
    }
}
