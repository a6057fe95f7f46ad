//! What has to be so before the processes are started, and what is done when they run.

pub(crate) mod applied;
pub(crate) mod ports;
pub(crate) mod render;
pub(crate) mod secrets;

use std::{
    io,
    net::{IpAddr, TcpListener, UdpSocket},
    time::Duration,
};

use tokio::time::Instant;

use super::lifecycle::start::Step;
use crate::{
    bridges, clock,
    config::{Config, exports, sections::stack::Part},
    data_dir::DataDir,
    error::{Explain, Kind},
    files, hooks,
    matrix::{self, operator},
    postgres,
    process::{self, Stat},
    proxy, redis,
    secret::Secret,
    synapse::{self, keys, workers},
    tls, web,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("port {port} is taken{}", by(program.as_ref()))]
    PortTaken { port: u16, setting: &'static str, program: Option<(u32, String)> },
    #[error("nothing can listen on `{address}` port {port}")]
    Address { address: String, port: u16, setting: &'static str, source: io::Error },
    #[error(transparent)]
    Ports(#[from] ports::Error),
    #[error(transparent)]
    Bridge(#[from] bridges::Error),
    #[error(transparent)]
    Secrets(#[from] secrets::Error),
    #[error(transparent)]
    Rendered(#[from] render::Error),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    #[error(transparent)]
    Redis(#[from] redis::Error),
    #[error("the homeserver runs, but the account that this program acts with cannot be made")]
    Operator(#[from] matrix::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

fn by(program: Option<&(u32, String)>) -> String {
    program.map(|(pid, name)| format!(" by `{name}` (pid {pid})")).unwrap_or_default()
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Secrets(error) => error.kind(),
            Self::Rendered(error) => error.kind(),
            Self::Postgres(error) => error.kind(),
            Self::Redis(error) => error.kind(),
            Self::Operator(error) => error.kind(),
            Self::Ports(error) => error.kind(),
            Self::Bridge(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Address { .. } => Kind::Setting,
            Self::PortTaken { .. } => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::PortTaken { setting, port, .. } => Some(format!(
                "end that program, or choose another port with `config set {setting} {}`",
                port.saturating_add(100)
            )),
            Self::Address { setting, .. } => Some(format!("`config set {setting} …` changes it")),
            Self::File(files::Error::Full { .. }) => {
                Some(format!("{}; `--force` starts it all the same", files::FREE_SPACE))
            }
            Self::Ports(error) => error.hint(),
            Self::Bridge(error) => error.hint(),
            Self::Secrets(error) => error.hint(),
            Self::Rendered(error) => error.hint(),
            Self::Postgres(error) => error.hint(),
            Self::Redis(error) => error.hint(),
            Self::Operator(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}

/// Whether there is a homeserver in this data folder.
pub(crate) fn is_installed(data: &DataDir) -> bool {
    data.synapse_environment().exists()
        && data.homeserver_yaml().exists()
        && data.instance_file().exists()
}

/// Looks for what would be in the way of a start while everything runs, and changes nothing. `running`
/// are our processes: they leave their ports to the next ones.
pub(super) async fn check(
    config: &Config,
    force: bool,
    running: &[u32],
    deadline: Instant,
) -> Result<(), Error> {
    let ours = |pid: u32| {
        running.iter().any(|leader| Stat::of(pid).is_some_and(|it| it.is_in_group(*leader)))
    };
    look(config, force, &ours, &mut |_| ())?;
    redis::check(config).await?;
    render::check(config).await?;
    if config.is_joined() {
        return Ok(postgres::has_room(config).await?);
    }
    none_is_elsewhere(config)?;
    if !postgres::target(config)?.is_embedded() {
        postgres::plan(config, deadline).await?;
    }
    Ok(())
}

/// What both a start and a look at it before need.
fn look(
    config: &Config,
    force: bool,
    ours: &dyn Fn(u32) -> bool,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<(), Error> {
    secrets::look_after(&config.data)?;
    secrets::are_there(&config.data)?;
    postgres::can_be_read(&config.data)?;
    ports::differ(config)?;
    for warning in tls::check(config, clock::now()).map_err(render::Error::from)? {
        on_step(Step::Warns(&warning));
    }
    for warning in bridges::registrations(&config.data)?.1 {
        on_step(Step::Warns(&warning));
    }
    if config.has(Part::Proxy) {
        proxy::program(config).map_err(render::Error::from)?;
    }
    render::fits(config)?;
    if let Some(error) = web::complaint(config) {
        let hint = error.hint().unwrap_or_default();
        on_step(Step::Warns(&format!("{error}: {hint}")));
    }
    ports_are_free(config, postgres::target(config)?.is_embedded(), ours)?;
    if !force {
        files::has_space(config.data.root())?;
    }
    Ok(())
}

/// Looks for what would be in the way, then makes what the processes need. Nothing of ours runs.
pub(super) async fn run(
    config: &Config,
    force: bool,
    deadline: Instant,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<(), Error> {
    look(config, force, &|_| false, on_step)?;
    none_is_elsewhere(config)?;
    redis::ensure(config, deadline).await?;
    let embedded = postgres::target(config)?.is_embedded();
    write_instance_file(config)?;
    let data = &config.data;
    if config.is_joined() {
        // The database is looked after where the homeserver is.
        postgres::answers_by(config, deadline).await?;
    } else if !embedded
        || !postgres::embedded::exists(data)
        || postgres::embedded::password_is_lost(data)
    {
        // A server of others may be away or not fit any more, which is better known before processes
        // are started. Our own cluster comes before its server; role and database come along, and a
        // lost password of its superuser is made anew while nothing runs. Else an existing one is
        // looked after by the service `database`.
        let mut tell = |step: &postgres::Step| on_step(Step::Prepares(&step.to_string()));
        postgres::ensure(config, deadline, &mut tell).await?;
    }
    // Settings may have changed since the last start. Synapse is asked only about what is new.
    render::refresh(config).await?;
    Ok(())
}

/// No worker that is to run here runs on another machine still.
fn none_is_elsewhere(config: &Config) -> Result<(), Error> {
    if config.is_joined() {
        return Ok(());
    }
    let here = workers::here(config, &workers::chosen(config).unwrap_or_default());
    let names: Vec<String> = here.into_iter().map(workers::Worker::name).collect();
    let found = workers::not_elsewhere(config, &names);
    Ok(found.map_err(|error| render::Error::from(synapse::Error::from(error)))?)
}

/// What needs the running server: the account that this program acts with. True if its session had to
/// be made or renewed.
pub(super) async fn finish(
    config: &Config,
    deadline: Instant,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<bool, Error> {
    /// The server is up by now; being late is no reason to leave it without its operator.
    const AT_LEAST: Duration = Duration::from_secs(10);
    on_step(Step::Account);
    let registration = match Secret::read(&keys::registration(&config.data)) {
        // It is needed for the first account only, and that one may be there.
        Err(error) if error.is_not_found() => Secret::new(""),
        secret => secret?,
    };
    let left = deadline.saturating_duration_since(Instant::now()).max(AT_LEAST);
    let server = &config.server;
    let (url, operator) = (config.local_url(), &server.operator.0);
    let name = &server.name.0;
    Ok(operator::ensure(&config.data, &url, name, operator, &registration, left).await?)
}

/// What others may know of this instance, as the settings are now.
fn write_instance_file(config: &Config) -> Result<(), Error> {
    let known = exports::read(&config.data)?.unwrap_or_default();
    let version = known.get("MATRIX_SYNAPSE_INSTALLED_VERSION").cloned();
    // A file that is damaged does not say it.
    if let Some(version) = version.or_else(|| exports::version(&config.data)) {
        exports::write(config, &version)?;
    }
    Ok(())
}

/// Whether the services can listen; a port that a process of ours holds will be free.
pub(super) fn ports_are_free(
    config: &Config,
    embedded: bool,
    ours: &dyn Fn(u32) -> bool,
) -> Result<(), Error> {
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
    if config.is_joined() {
        return Ok(());
    }
    let server = &config.server;
    free(&server.address, server.port.0, "server.port")?;
    free("127.0.0.1", server.metrics_port.0, "server.metrics_port")?;
    if let Some((address, port)) = redis::network(config) {
        free(&address.to_string(), port, "redis.port")?;
    }
    if embedded {
        free("127.0.0.1", config.database.embedded_port.0, "database.embedded_port")?;
    }
    if config.has(Part::Metrics) {
        for index in 0..workers::here(config, &workers).len() {
            let port = workers::metrics_port(config, index);
            port_is_free("127.0.0.1", port, "workers.metrics_port")?;
        }
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
    Ok(())
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
