//! The variables that a profile gives to services. Those that we set ourselves, or that would break a
//! service of ours, are refused.

use std::ffi::OsString;

use super::Error;
use crate::{
    config::{Config, values::fields::Variables},
    supervisor::{
        notify,
        service::{Inherits, Service},
    },
};

/// The maps that say something for this service, the one that counts more last.
pub(super) fn of<'a>(
    config: &'a Config,
    name: &str,
    tags: &'a [String],
) -> impl Iterator<Item = &'a Variables> {
    let environment = &config.profile.environment;
    let groups = tags.iter().filter_map(|tag| environment.groups.get(tag));
    let own = [name.to_owned(), format!("matrix-{name}")];
    let own = own.into_iter().filter_map(|name| environment.services.get(&name));
    [&environment.shared].into_iter().chain(groups).chain(own)
}

pub(super) fn exposed(variables: &Variables) -> impl Iterator<Item = (String, OsString)> {
    variables.iter().map(|(name, value)| (name.clone(), value.expose().into()))
}

/// Adds them to a service of ours.
pub(super) fn add(config: &Config, service: &mut Service) -> Result<(), Error> {
    let tags = service.tags.clone();
    let mut added = Vec::new();
    for variables in of(config, &service.name, &tags) {
        for name in variables.keys() {
            if service.launch.environment.contains_key(name) || breaks(name) {
                let (service, profile) = (service.name.clone(), config.profile.name.clone());
                return Err(Error::Variable { profile, variable: name.clone(), service });
            }
        }
        added.extend(exposed(variables));
    }
    // What runs this program itself reads no variables but settings.
    if service.launch.inherits == Inherits::Plain {
        service.launch.environment.extend(added);
    }
    Ok(())
}

/// Whether PostgreSQL, Python or the loader would do something else than they are told to.
fn breaks(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["PG", "PYTHON", "LD_"];
    ["PATH", "HOME", notify::VARIABLE].contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
