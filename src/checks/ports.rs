//! The ports that a homeserver uses on this machine by its settings: no two of its services may have the
//! same one.

use std::ops::Range;

use super::{Check, EVERY, Look};
use crate::{
    bridges,
    config::{Config, sections::stack::Part},
    error::{Explain, Kind},
    files, hooks, postgres,
    synapse::workers,
};

pub(crate) static APART: Check = Check {
    name: "ports-apart",
    about: "no two services have the same port",
    remedy: "`config set` gives one of them another port",
    flows: EVERY,
    look: Look::Here(|subject| {
        differ(subject.config)?;
        Ok(Vec::new())
    }),
};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("port {port} is used by both {first} and {second}")]
    Same { port: u16, first: String, second: String, free: Option<u16> },
    #[error("port {port}, of {whose}, is in the port range of the TURN relay")]
    Relay { port: u16, whose: String },
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::File(error) => error.kind(),
            _ => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        let of = |whose: &str| whose.trim_matches('`').to_owned();
        match self {
            // What a bridge has was not set, and can be left alone.
            Self::Same { first, second, free, .. } => {
                let own = [second, first].into_iter().find(|it| it.starts_with('`'))?;
                let free = free.map_or_else(|| "PORT".to_owned(), |port| port.to_string());
                Some(format!("`config set {} {free}` takes another one", of(own)))
            }
            Self::Relay { .. } => Some("`config set turn.relay_port PORT` takes others".into()),
            Self::File(error) => error.hint(),
        }
    }
}

/// Whose ports there are, each by its setting or in words.
fn all(config: &Config, embedded: bool) -> Result<Vec<(String, u16)>, Error> {
    let set = |setting: &str, port: u16| (format!("`{setting}`"), port);
    let chosen = workers::chosen(config).unwrap_or_default();
    let mut ports: Vec<(String, u16)> = Vec::new();
    let (workers, server) = (&config.workers, &config.server);
    if !config.is_joined() {
        ports.push(set("server.port", server.port.0));
        if !config.is_dendrite() {
            ports.push(set("server.metrics_port", server.metrics_port.0));
        }
    }
    if embedded && !config.is_joined() {
        ports.push(set("database.embedded_port", config.database.embedded_port.0));
    }
    if config.has_relay() {
        ports.push(set("turn.port", config.turn.port.0));
        if config.tls.certificate.is_some() {
            ports.push(set("turn.tls_port", config.turn.tls_port.0));
        }
    }
    if config.has(Part::Relay) {
        ports.push(set("relay.port", config.relay.port.0));
    }
    if hooks::are_needed(&config.data) {
        ports.push(set("hooks.port", config.hooks.port.0));
    }
    ports.extend(config.proxy_ports().iter().map(|(setting, port)| set(setting, port.0)));
    if config.has(Part::Metrics) {
        for index in 0..workers::here(config, &chosen).len() {
            ports.push(set("workers.metrics_port", workers::metrics_port(config, index)));
        }
    }
    if workers.address.is_some() {
        ports.extend(
            workers::ports(config, &chosen).iter().map(|at| set("workers.port", at.port())),
        );
    }
    for (bridge, _) in bridges::all(&config.data)?.iter().filter_map(bridges::Found::whole) {
        let whose = format!("the bridge `{}`", bridge.name);
        ports.extend(bridge.ports().map(|port| (whose.clone(), port)));
    }
    Ok(ports)
}

/// Refuses two services on one port.
fn differ(config: &Config) -> Result<(), Error> {
    let embedded = postgres::target(config).is_ok_and(|target| target.is_embedded());
    let ports = all(config, embedded)?;
    for (at, (second, port)) in ports.iter().enumerate() {
        let before = &ports[..at];
        if let Some((first, _)) = before.iter().find(|(_, other)| other == port) {
            let (first, second) = (first.clone(), second.clone());
            let free = next(config, &ports, *port);
            return Err(Error::Same { port: *port, first, second, free });
        }
    }
    relay_is_apart(config)
}

/// The first port after this one that no setting has, used now or not.
fn next(config: &Config, used: &[(String, u16)], port: u16) -> Option<u16> {
    let set = config.ports();
    let is_free = |port: &u16| {
        let is_used = used.iter().any(|(_, other)| other == port);
        let is_set = set.iter().any(|(_, other)| other == port);
        !is_used && !is_set && !relayed(config).contains(&u32::from(*port))
    };
    (port..=u16::MAX).find(is_free)
}

/// The ports of the relay's calls.
fn relayed(config: &Config) -> Range<u32> {
    let first = u32::from(config.turn.relay_port.0);
    first..first.saturating_add(config.turn.relay_ports)
}

/// The relay itself listens with UDP too.
fn relay_is_apart(config: &Config) -> Result<(), Error> {
    if !config.has_relay() {
        return Ok(());
    }
    let turn = &config.turn;
    let range = relayed(config);
    for (setting, port) in [("turn.port", turn.port.0), ("turn.tls_port", turn.tls_port.0)] {
        if range.contains(&u32::from(port)) {
            return Err(Error::Relay { port, whose: format!("`{setting}`") });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    fn refused(flags: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let data = DataDir::new(folder.path().to_owned());
        let config = Config::load(data, &flags, &Environment::default()).unwrap();
        let error = differ(&config).unwrap_err();
        format!("{error}: {}", error.hint().unwrap())
    }

    #[test]
    fn two_services_on_one_port_are_refused() {
        assert_eq!(
            refused(&["server.metrics_port=8008"]),
            "port 8008 is used by both `server.port` and `server.metrics_port`: `config set server.metrics_port 8009` takes another one"
        );
        // What is offered is no port of another setting either, in use or not.
        let hint = refused(&["server.port=28008", "server.metrics_port=28008", "hooks.port=28009"]);
        assert!(hint.contains("`config set server.metrics_port 28010`"), "{hint}");
        for flag in ["turn.port=8008", "database.embedded_port=8008", "server.port=3478"] {
            assert!(refused(&["turn.enabled=true", flag]).contains("is used by both"), "{flag}");
        }
        let inside = ["turn.enabled=true", "turn.relay_port=3400"];
        assert!(refused(&inside).contains("in the port range of the TURN relay"));
    }
}
