//! The relay, where the profile has it. It needs PostgreSQL alone: while the homeserver is away it goes on
//! taking messages and keeps them.

use std::collections::BTreeMap;

use super::{DATABASE, POSTGRES, RELAY};
use crate::{
    config::{Config, sections::stack::Part},
    supervisor::{
        record::Snapshot,
        service::{Condition, Live, Need, Probe, Service},
    },
};

/// What only the relay reads, when it starts: all of its settings but those that the homeserver and the proxy are
/// told too.
pub(crate) fn is_read_by_relay_alone(setting: &str) -> bool {
    const OTHERS: [&str; 7] =
        ["address", "port", "prefix", "service_user", "public", "largest_body", "largest_file"];
    setting.strip_prefix("relay.").is_some_and(|name| !OTHERS.contains(&name))
}

/// Where chat is taken now, whatever the settings say by now.
pub(crate) fn takes_chat(now: &Snapshot) -> Option<String> {
    let relay = now.services.get(RELAY).filter(|relay| relay.pid.is_some())?;
    relay.endpoints.get("relay").cloned()
}

pub(super) fn service(config: &Config, own: bool) -> Option<Service> {
    if !config.has(Part::Relay) {
        return None;
    }
    let url = config.relay_url();
    let revision = format!("{:?} {} {}", config.relay, config.local_url(), config.server.name);
    let mut service = super::own(config, RELAY, "chat for an application", &[DATABASE], revision);
    // If it dies, it comes back where it is looked for, whatever is written down by then.
    let port = format!("relay.port={}", config.relay.port);
    let address = format!("relay.address={}", config.relay.address);
    // A variable of whoever restarts it counts, and not the one that the supervisor was started with.
    let matrix = format!("relay.matrix={}", config.relay.matrix);
    service.launch = service.launch.args(["--set", &port, "--set", &address, "--set", &matrix]);
    service.needs[0] = Need::new(DATABASE, Condition::Completed);
    if own {
        service.needs.push(Need::new(POSTGRES, Condition::Healthy));
    }
    let answers = Probe::Http { url: format!("{url}/metrics"), socket: None, bearer_file: None };
    service.ready = vec![answers.clone()];
    let supervision = &config.supervision;
    let interval = supervision.probe_interval.0;
    let well = Probe::Http { url: format!("{url}/health"), socket: None, bearer_file: None };
    service.live = vec![
        // Without its database it is not well, and no restart would bring that back.
        Live { probe: well, interval, restart_after: None },
        Live { probe: answers, interval, restart_after: Some(supervision.hung_after.0) },
    ];
    service.endpoints = BTreeMap::from([("relay".to_owned(), url)]);
    Some(service)
}
