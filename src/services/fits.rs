//! Whether the operator's own services fit each other and ours.

use super::Error;
use crate::{
    config::{Config, nearest},
    supervisor::{
        order,
        service::{Condition, Probe, Restart, Service},
    },
};

/// In the order in which they start; `custom` are the operator's own.
pub(super) fn together(
    config: &Config,
    ours: Vec<Service>,
    custom: Vec<Service>,
) -> Result<Vec<Service>, Error> {
    for service in &custom {
        if ours.iter().any(|other| other.name == service.name) {
            return Err(Error::Name(service.name.clone()));
        }
    }
    let first_custom = ours.len();
    let all: Vec<Service> = ours.into_iter().chain(custom).collect();
    needs_can_be_met(config, &all)?;
    for (i, service) in all.iter().enumerate().skip(first_custom) {
        for other in &all[..i] {
            let theirs = ports(other);
            if let Some(port) = ports(service).into_iter().find(|port| theirs.contains(port)) {
                let (one, other) = (other.name.clone(), service.name.clone());
                return Err(Error::Port { one, other, port });
            }
        }
    }
    groups_are_there(config, &all)?;
    Ok(order::sort(all)?)
}

fn needs_can_be_met(config: &Config, all: &[Service]) -> Result<(), Error> {
    for service in all {
        for need in &service.needs {
            let Some(needed) = all.iter().find(|other| other.name == need.service) else {
                let suggestion = nearest(&need.service, all.iter().map(|it| it.name.as_str()));
                let elsewhere = config.custom.iter().any(|custom| custom.name == need.service);
                return Err(Error::Need {
                    service: service.name.clone(),
                    need: need.service.clone(),
                    suggestion: suggestion.filter(|_| !elsewhere),
                    profile: config.profile.name.clone(),
                });
            };
            let is_work = needed.restart == Restart::Never && needed.ready.is_empty();
            let never = match need.condition {
                Condition::Completed if matches!(needed.restart, Restart::Always { .. }) => {
                    "is started again whenever it ends, so it is never completed: `healthy` is met"
                }
                Condition::Healthy if is_work => {
                    "runs once to its end, so it is never healthy: `completed` is met"
                }
                _ => continue,
            };
            let (service, need) = (service.name.clone(), need.service.clone());
            return Err(Error::NeverMet { service, need, why: never });
        }
    }
    Ok(())
}

/// Groups and services that a profile has variables for.
fn groups_are_there(config: &Config, all: &[Service]) -> Result<(), Error> {
    let overrides = &config.profile.environment;
    let unknown = |kind, name: &str, there: Vec<&str>| Error::Nobody {
        profile: config.profile.name.clone(),
        kind,
        name: name.to_owned(),
        suggestion: nearest(name, there.into_iter()),
    };
    let names: Vec<&str> = all.iter().map(|service| service.name.as_str()).collect();
    for name in overrides.services.keys() {
        let bare = name.strip_prefix("matrix-").unwrap_or(name);
        if !names.contains(&name.as_str()) && !names.contains(&bare) {
            return Err(unknown("service", name, names));
        }
    }
    let tags: Vec<&str> =
        all.iter().flat_map(|service| &service.tags).map(String::as_str).collect();
    match overrides.groups.keys().find(|name| !tags.contains(&name.as_str())) {
        Some(name) => Err(unknown("group", name, tags)),
        None => Ok(()),
    }
}

/// The ports of this machine that it says it listens on.
fn ports(service: &Service) -> Vec<u16> {
    // Who is asked by another kind of probe is one of ours.
    let is_own = |probe: &Probe| matches!(probe, Probe::Within(..));
    let asked = service.live.iter().filter(|live| is_own(&live.probe));
    let asked: Vec<String> = asked.filter_map(|live| live.probe.address()).collect();
    let addresses = service.endpoints.values().chain(&asked);
    addresses.filter_map(|address| local_port(address)).collect()
}

/// `http://127.0.0.1:3000/x`, `postgresql://localhost:5432/y`, `[::1]:25`
fn local_port(address: &str) -> Option<u16> {
    const HERE: [&str; 5] = ["localhost", "0.0.0.0", "[::1]", "[::]", ""];
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = authority.rsplit_once(':')?;
    (host.starts_with("127.") || HERE.contains(&host)).then(|| port.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_address_on_this_machine_is_found() {
        assert_eq!(local_port("http://127.0.0.1:3000/x"), Some(3000));
        assert_eq!(local_port("postgresql://user:pass@localhost:5432/db"), Some(5432));
        assert_eq!(local_port("[::1]:25"), Some(25));
        assert_eq!(local_port("http://example.org:80/"), None);
        assert_eq!(local_port("unix:///run/x"), None);
    }
}
