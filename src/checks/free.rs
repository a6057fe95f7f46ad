//! Whether the ports are free that services are to listen on.

use std::{
    io,
    net::{IpAddr, TcpListener, UdpSocket},
    time::{Duration, Instant},
};

use super::{Check, Flow, Found, Look, Subject};
use crate::{
    bridges,
    config::sections::stack::Part,
    error::{Explain, Kind},
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
    #[error("port {port} is taken{}", by(program.as_ref()))]
    PortTaken { port: u16, setting: &'static str, program: Option<(u32, String)> },
    #[error("nothing can listen on `{address}` port {port}")]
    Address { address: String, port: u16, setting: &'static str, source: io::Error },
}

fn by(program: Option<&(u32, String)>) -> String {
    program.map(|(pid, name)| format!(" by `{name}` (pid {pid})")).unwrap_or_default()
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Address { .. } => Kind::Setting,
            Self::PortTaken { .. } => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::PortTaken { setting, port, .. } => format!(
                "end that program, or choose another port with `config set {setting} {}`",
                port.saturating_add(100)
            ),
            Self::Address { setting, .. } => format!("`config set {setting} …` changes it"),
        })
    }
}

/// Whether the services can listen; a port that a process of ours holds will be free.
fn look(subject: &Subject<'_>) -> Found {
    let config = subject.config;
    let ours = |pid: u32| subject.is_ours(pid);
    let free = |address: &str, port: u16, setting: &'static str| match port_is_free(
        address, port, setting,
    ) {
        Err(Error::PortTaken { program: Some((pid, _)), .. }) if ours(pid) => Ok(()),
        other => other,
    };
    let workers = workers::chosen(config).unwrap_or_default();
    for address in workers::ports(config, &workers) {
        free(&address.ip().to_string(), address.port(), "workers.port")?;
    }
    if config.has(Part::Metrics) && !config.is_joined() {
        for index in 0..workers::here(config, &workers).len() {
            let port = workers::metrics_port(config, index);
            free("127.0.0.1", port, "workers.metrics_port")?;
        }
    }
    // Another set of workers is all that a scale starts.
    if config.is_joined() || subject.flow == Flow::Scale {
        return Ok(Vec::new());
    }
    let server = &config.server;
    for address in &server.address.0 {
        free(&address.to_string(), server.port.0, "server.port")?;
    }
    free("127.0.0.1", server.metrics_port.0, "server.metrics_port")?;
    if let Some((address, port)) = redis::network(config) {
        free(&address.to_string(), port, "redis.port")?;
    }
    if postgres::target(config)?.is_embedded() {
        free("127.0.0.1", config.database.embedded_port.0, "database.embedded_port")?;
    }
    if config.has_relay() {
        let turn = &config.turn;
        let mut ports = vec![(turn.port.0, "turn.port")];
        if config.tls.certificate.is_some() {
            ports.push((turn.tls_port.0, "turn.tls_port"));
        }
        for (port, setting) in ports {
            free(&turn.address.to_string(), port, setting)?;
            // Where it runs already that port is its own.
            let of_ours = process::udp_owner(port).is_some_and(|(pid, _)| ours(pid));
            if !of_ours {
                udp_is_free(turn.address, port, setting)?;
            }
        }
    }
    if hooks::are_there(&config.data) {
        free(&config.hooks.address.to_string(), config.hooks.port.0, "hooks.port")?;
    }
    for (setting, port) in config.proxy_ports() {
        free(&config.proxy.address.to_string(), port.0, setting)?;
    }
    for (bridge, _) in bridges::all(&config.data)?.iter().filter_map(bridges::Found::whole) {
        // Synapse would hand another program what is said in the bridge's rooms.
        let kept = bridge.launch(config).is_some();
        for port in bridge.ports().filter(|_| kept) {
            match process::listener(port) {
                Some((pid, program)) if !ours(pid) => {
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
    Ok(Vec::new())
}

fn udp_is_free(address: IpAddr, port: u16, setting: &'static str) -> Result<(), Error> {
    match UdpSocket::bind((address, port)) {
        Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
            Err(Error::PortTaken { port, setting, program: process::udp_owner(port) })
        }
        // Whatever else is wrong with the address was found with TCP.
        _ => Ok(()),
    }
}

fn port_is_free(address: &str, port: u16, setting: &'static str) -> Result<(), Error> {
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
        Ok(_) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
            Err(Error::PortTaken { port, setting, program: process::listener(port) })
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
