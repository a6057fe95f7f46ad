//! What takes webhooks, where there are any. It needs nobody: while the homeserver is away it goes on
//! taking messages and keeps them.

use std::collections::BTreeMap;

use super::{HOOKS, PROXY};
use crate::{
    config::Config,
    hooks,
    supervisor::{
        record::Snapshot,
        service::{Live, Probe, Service},
    },
};

/// Where webhooks are taken now, whatever the settings say by now.
pub(crate) fn takes_hooks(now: &Snapshot) -> Option<String> {
    let hooks = now.services.get(HOOKS).filter(|hooks| hooks.pid.is_some())?;
    hooks.endpoints.get("hooks").cloned()
}

/// Whether what runs has a proxy in front, if anything runs: a profile that was only set brings none.
pub(crate) fn may_be_proxied(now: Option<&Snapshot>) -> bool {
    now.is_none_or(|now| now.services.contains_key(PROXY))
}

pub(super) fn service(config: &Config) -> Option<Service> {
    if !hooks::are_needed(&config.data) {
        return None;
    }
    let supervision = &config.supervision;
    let url = config.hooks_url();
    let answers = Probe::Http { url: format!("{url}/health"), socket: None, bearer_file: None };
    // Direct rooms that it makes for what waits are as the settings have it.
    let revision = format!("{:?} {:?} {}", config.hooks, config.rooms, config.encryption.enabled);
    let mut service = super::own(config, HOOKS, "takes webhooks and sends them", &[], revision);
    // If it dies, it comes back where it is looked for, whatever is written down by then.
    let hooks = &config.hooks;
    let port = format!("hooks.port={}", hooks.port);
    let address = format!("hooks.address={}", hooks.address);
    service.launch = service.launch.args(["--set", &port, "--set", &address]);
    service.ready = vec![answers.clone()];
    let interval = supervision.probe_interval.0;
    // On a full disk it says that it is not well, and no restart would make room. One that has nothing to
    // say at all is hung.
    let says = Probe::Http { url: format!("{url}/"), socket: None, bearer_file: None };
    let hung = Some(supervision.hung_after.0);
    service.live = vec![
        Live { probe: answers, interval, restart_after: None },
        Live { probe: says, interval, restart_after: hung },
    ];
    service.endpoints = BTreeMap::from([("hooks".to_owned(), url)]);
    Some(service)
}
