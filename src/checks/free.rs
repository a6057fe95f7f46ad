//! Whether the ports are free that services are to listen on.

use std::{
    fmt, io,
    net::{IpAddr, TcpListener, UdpSocket},
    time::{Duration, Instant},
};

use super::{Check, Flow, Found, Look, Subject};
use crate::{
    bridges,
    config::{Config, sections::stack::Part},
    error::{Explain, Failure, Kind},
    hooks, postgres, process, redis,
    synapse::workers,
};

/// An install looks where the start follows it.
pub(crate) static FREE: Check = Check {
    name: "ports-free",
    about: "nobody else listens on the ports of the services",
    remedy: "end the program that does, or choose another port",
    flows: &[Flow::Install, Flow::Start, Flow::Restart, Flow::Change, Flow::Scale],
    look: Look::Here(look),
};

#[derive(Debug, thiserror::Error)]
enum Error {
    /// All that are, so that they can be seen to at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", and "))]
    Taken(Vec<Taken>),
    #[error("nothing can listen on `{address}` port {port}")]
    Address { address: String, port: u16, setting: &'static str, source: io::Error },
}

/// A port that another program has.
#[derive(Debug)]
struct Taken {
    port: u16,
    setting: &'static str,
    program: Option<(u32, String)>,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} is taken", self.port)?;
        match &self.program {
            Some((pid, name)) => write!(f, " by `{name}` (pid {pid})"),
            None => Ok(()),
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Address { .. } => Kind::Setting,
            Self::Taken(_) => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Taken(taken) => {
                let other =
                    |it: &Taken| format!("`config set {} {}`", it.setting, another(it.port));
                let others = taken.iter().map(other).collect::<Vec<_>>().join(", ");
                match taken[..] {
                    [_] => format!("end that program, or choose another port with {others}"),
                    _ => format!("end these programs, or choose other ports with {others}"),
                }
            }
            Self::Address { setting, .. } => format!("`config set {setting} …` changes it"),
        })
    }
}

/// A port in the place of one that is taken: so far above as those of a second homeserver are, where nobody listens.
fn another(port: u16) -> u16 {
    let above = (1..=u16::MAX / 100).map_while(|step| port.checked_add(step * 100));
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    above.clone().find(is_free).unwrap_or_else(|| port.saturating_add(100))
}

/// Looks at one port after the other, and remembers those that are taken.
struct Search<'a> {
    subject: &'a Subject<'a>,
    taken: Vec<Taken>,
}

impl Search<'_> {
    /// A port that a process of ours holds will be free.
    fn note(&mut self, taken: Taken) {
        let ours = taken.program.as_ref().is_some_and(|(pid, _)| self.subject.is_ours(*pid));
        // It may be wanted at several addresses, and over UDP as well.
        let is_known = |it: &Taken| (it.port, it.setting) == (taken.port, taken.setting);
        if !ours && !self.taken.iter().any(is_known) {
            self.taken.push(taken);
        }
    }

    fn tcp(
        &mut self,
        address: &dyn fmt::Display,
        port: u16,
        setting: &'static str,
    ) -> Result<(), Error> {
        if let Some(taken) = tcp_taken(&address.to_string(), port, setting)? {
            self.note(taken);
        }
        Ok(())
    }

    fn udp(&mut self, address: IpAddr, port: u16, setting: &'static str) {
        let bound = UdpSocket::bind((address, port));
        // Whatever else is wrong with the address was found with TCP.
        if bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse) {
            self.note(Taken { port, setting, program: process::udp_owner(port) });
        }
    }
}

/// Whether the services can listen.
fn look(subject: &Subject<'_>) -> Found {
    let config = subject.config;
    let mut search = Search { subject, taken: Vec::new() };
    let workers = workers::chosen(config).unwrap_or_default();
    for address in workers::ports(config, &workers) {
        search.tcp(&address.ip(), address.port(), "workers.port")?;
    }
    if config.has(Part::Metrics) && !config.is_joined() {
        for index in 0..workers::here(config, &workers).len() {
            let port = workers::metrics_port(config, index);
            search.tcp(&"127.0.0.1", port, "workers.metrics_port")?;
        }
    }
    // Another set of workers is all that a scale starts.
    if !config.is_joined() && subject.flow != Flow::Scale {
        of_the_homeserver(config, &mut search)?;
    }
    if search.taken.is_empty() { Ok(Vec::new()) } else { Err(Error::Taken(search.taken).into()) }
}

fn of_the_homeserver(config: &Config, search: &mut Search<'_>) -> Result<(), Failure> {
    let server = &config.server;
    for address in &server.address.0 {
        search.tcp(address, server.port.0, "server.port")?;
    }
    if !config.is_dendrite() {
        search.tcp(&"127.0.0.1", server.metrics_port.0, "server.metrics_port")?;
    }
    if let Some((host, port)) = redis::network(config) {
        search.tcp(&host.listens(), port, "redis.port")?;
    }
    if postgres::target(config)?.is_embedded() {
        search.tcp(&"127.0.0.1", config.database.embedded_port.0, "database.embedded_port")?;
    }
    if config.has_relay() {
        let turn = &config.turn;
        let mut ports = vec![(turn.port.0, "turn.port")];
        if config.tls.certificate.is_some() {
            ports.push((turn.tls_port.0, "turn.tls_port"));
        }
        for (port, setting) in ports {
            search.tcp(&turn.address, port, setting)?;
            search.udp(turn.address, port, setting);
        }
    }
    if config.has(Part::Relay) {
        search.tcp(&config.relay.address, config.relay.port.0, "relay.port")?;
    }
    if hooks::are_needed(&config.data) {
        search.tcp(&config.hooks.address, config.hooks.port.0, "hooks.port")?;
    }
    for (setting, port) in config.proxy_ports() {
        search.tcp(&config.proxy.address, port.0, setting)?;
    }
    for (bridge, _) in bridges::all(&config.data)?.iter().filter_map(bridges::Found::whole) {
        // Synapse would hand another program what is said in the bridge's rooms.
        let kept = bridge.launch(config).is_some();
        for port in bridge.ports().filter(|_| kept) {
            match process::listener(port) {
                Some((pid, program)) if search.taken.is_empty() && !search.subject.is_ours(pid) => {
                    let by = format!(
                        "`{program}` (pid {pid}); it is that of the bridge `{}`",
                        bridge.name
                    );
                    return Err(bridges::Error::Port { port, by }.into());
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn tcp_taken(address: &str, port: u16, setting: &'static str) -> Result<Option<Taken>, Error> {
    /// A process that was killed counts as gone when its first thread is; the last one lets go of its
    /// sockets a moment later, and till then nobody seems to have them.
    const LET_GO: Duration = Duration::from_secs(2);
    let until = Instant::now() + LET_GO;
    let bound = loop {
        let bound = TcpListener::bind((address, port));
        let is_taken = bound.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
        if !is_taken || Instant::now() > until || process::listener(port).is_some() {
            break bound;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    match bound {
        Ok(_) => Ok(None),
        Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
            Ok(Some(Taken { port, setting, program: process::listener(port) }))
        }
        Err(source) => {
            let denied = source.kind() == io::ErrorKind::PermissionDenied;
            let address_of = |port: &str| match port {
                "workers.port" | "redis.port" => "workers.address",
                port if port.starts_with("proxy.") => "proxy.address",
                port if port.starts_with("turn.") => "turn.address",
                _ => "server.address",
            };
            let setting = if denied { setting } else { address_of(setting) };
            Err(Error::Address { address: address.to_owned(), port, setting, source })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ports_that_are_taken_are_said_at_once() {
        let taken = |port, setting, program: Option<&str>| Taken {
            port,
            setting,
            program: program.map(|name| (4711, name.to_owned())),
        };
        let one = Error::Taken(vec![taken(8008, "server.port", Some("python3"))]);
        assert_eq!(one.to_string(), "port 8008 is taken by `python3` (pid 4711)");
        assert_eq!(
            one.hint().unwrap(),
            "end that program, or choose another port with `config set server.port 8108`"
        );
        let both = Error::Taken(vec![
            taken(8008, "server.port", Some("python3")),
            taken(65530, "hooks.port", None),
        ]);
        assert_eq!(
            both.to_string(),
            "port 8008 is taken by `python3` (pid 4711), and port 65530 is taken"
        );
        assert_eq!(
            both.hint().unwrap(),
            "end these programs, or choose other ports with `config set server.port 8108`, `config set hooks.port 65535`"
        );
    }
}
