//! Where each process of Synapse is reached. On one machine they meet on unix sockets in a folder that
//! nobody else may enter. Where some of them run on other machines, all of them hand each other on
//! TCP what only one may write, and those elsewhere take requests there too.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Error, Kind, Worker};
use crate::{
    config::{
        Config, nearest,
        sections::stack::Part,
        values::shape::{Host, Words as _},
    },
    data_dir::DataDir,
    files as disk,
    synapse::overrides,
};

/// An address as Synapse and nginx have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Socket(PathBuf),
    Tcp(Host, u16),
}

/// `unix:/run/x`, `10.0.0.2:9302`: as nginx writes it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) => write!(f, "{}:{port}", host.bracketed()),
        }
    }
}

impl Place {
    /// As it stands in `instance_map`.
    pub(super) fn in_map(&self) -> Value {
        match self {
            Self::Socket(path) => json!({ "path": path.display().to_string() }),
            Self::Tcp(host, port) => json!({ "host": host, "port": port }),
        }
    }

    /// The part of a listener that says where it is; `0600` as a number.
    pub(super) fn listener(&self) -> Value {
        match self {
            Self::Socket(path) => json!({ "path": path.display().to_string(), "mode": 0o600 }),
            Self::Tcp(host, port) => {
                json!({ "port": port, "bind_addresses": [host.listens()] })
            }
        }
    }

    /// The URL of a path there, and the socket where it is one.
    pub(crate) fn url(&self, path: &str) -> (String, Option<PathBuf>) {
        match self {
            Self::Socket(socket) => (format!("http://localhost{path}"), Some(socket.clone())),
            Self::Tcp(..) => (format!("http://{self}{path}"), None),
        }
    }

    /// For people and for service discovery.
    pub(crate) fn endpoint(&self) -> String {
        match self {
            Self::Socket(path) => format!("unix://{}", path.display()),
            Self::Tcp(..) => format!("http://{self}"),
        }
    }
}

/// Whether some of that kind run on other machines.
pub(crate) fn is_apart(config: &Config, kind: Kind) -> bool {
    let of_kind = |name: &String| {
        name.rsplit_once('-').is_some_and(|(word, _)| word.replace('-', "_") == kind.word())
    };
    config.workers.elsewhere.0.keys().any(of_kind)
}

/// Those that this machine runs.
pub(crate) fn here(config: &Config, workers: &[Worker]) -> Vec<Worker> {
    let is_here = |worker: &&Worker| {
        if config.is_joined() {
            config.workers.here.contains(&worker.name())
        } else {
            worker.machine(config).is_none_or(|machine| config.network_address() == Some(machine))
        }
    };
    workers.iter().filter(is_here).copied().collect()
}

/// Those that run on other machines, where they answer `/health`, and whether others wait while they
/// do not: for what only they write.
pub(crate) fn elsewhere(config: &Config) -> Vec<(String, Host, u16, bool)> {
    let workers = super::chosen(config).unwrap_or_default();
    let here = here(config, &workers);
    let away = workers.into_iter().filter(|worker| !here.contains(worker));
    let away = away.filter_map(|worker| match worker.place(config) {
        Place::Tcp(host, port) => {
            Some((worker.name(), host, port, !worker.kind.facts().streams.is_empty()))
        }
        Place::Socket(_) => None,
    });
    away.collect()
}

/// Whether the settings say for all of them where they are.
pub(super) fn check(config: &Config, workers: &[Worker]) -> Result<(), Error> {
    let names: BTreeSet<String> = workers.iter().map(|worker| worker.name()).collect();
    let named = config.workers.elsewhere.0.keys().chain(&config.workers.here);
    if let Some(name) = named.into_iter().find(|name| !names.contains(*name)) {
        let suggestion = nearest(name, names.iter().map(String::as_str));
        return Err(Error::Nobody { name: name.clone(), suggestion });
    }
    if config.is_joined() && !config.has(Part::Proxy) && config.workers.here.is_empty() {
        return Err(Error::NoneHere);
    }
    if !config.is_apart() {
        return Ok(());
    }
    let own = config.workers.address.as_ref();
    let is_away = |machine: &Host| Some(machine) != own;
    if workers.iter().any(|it| it.kind == Kind::Media && it.machine(config).is_some_and(is_away)) {
        return Err(Error::MediaElsewhere);
    }
    if own.is_none_or(|own| matches!(own, Host::Address(it) if it.is_unspecified())) {
        return Err(Error::NoAddress);
    }
    let first = config.workers.port.0;
    let fit = workers.iter().all(|worker| worker.port(config).is_some());
    if fit { Ok(()) } else { Err(Error::Ports(first)) }
}

/// Refuses names where no container stands for each of them: whoever has a name listens on all addresses.
pub(crate) fn by_address(config: &Config) -> Result<(), Error> {
    let workers = &config.workers;
    let mut all = workers.address.iter().chain(workers.elsewhere.0.values());
    match all.find(|host| matches!(host, Host::Name(_))) {
        Some(host) => Err(Error::Named(host.to_string())),
        None => Ok(()),
    }
}

impl Worker {
    /// The machine that runs it, where that is another one than the homeserver's.
    pub(crate) fn machine(self, config: &Config) -> Option<&Host> {
        config.workers.elsewhere.0.get(&self.name())
    }

    /// Above that of the main process: first one of each kind, then the second ones. It stays the same
    /// when others come and go, so that nobody has to be told another one.
    fn port(self, config: &Config) -> Option<u16> {
        let kinds = u32::try_from(Kind::ALL.len()).ok()?;
        let kind = Kind::ALL.iter().position(|kind| *kind == self.kind)?;
        // Each of those that are found by name has all ports to itself, and one name may be that of several.
        let before = if config.is_named() { 0 } else { self.number - 1 };
        let above = before * kinds + u32::try_from(kind).ok()? + 1;
        u16::try_from(u32::from(config.workers.port.0) + above).ok()
    }

    /// Its port where it is found by name; that has nothing to do with its number.
    pub(crate) fn named_port(self, config: &Config) -> u16 {
        Self { number: 1, ..self }.port(config).unwrap_or(u16::MAX)
    }

    /// On the network; what [`check`] lets through has a port.
    fn on_network(self, config: &Config, machine: &Host) -> Place {
        Place::Tcp(machine.clone(), self.port(config).unwrap_or(u16::MAX))
    }

    /// Where it answers requests, and `/health` in any case.
    pub(crate) fn place(self, config: &Config) -> Place {
        match self.machine(config) {
            Some(machine) => self.on_network(config, machine),
            None => Place::Socket(socket(&config.data, self)),
        }
    }

    /// Where other processes of Synapse hand it what only it may write.
    pub(super) fn replication(self, config: &Config) -> Place {
        match (self.machine(config), config.network_address()) {
            (Some(machine), _) => self.on_network(config, machine),
            (None, Some(own)) => self.on_network(config, own),
            _ => Place::Socket(config.data.sockets().join(format!("{}.repl", self.name()))),
        }
    }
}

/// Refuses to start those of these workers that write a stream and, by the files that are in place,
/// did so on another machine where they still answer: two of one name would write the same.
pub(crate) fn not_elsewhere(config: &Config, names: &[String]) -> Result<(), Error> {
    /// On a private network an answer takes less than a millisecond.
    const PATIENCE: Duration = Duration::from_secs(1);
    let text = disk::read_if_exists(&config.data.homeserver_yaml()).ok().flatten();
    let before = text.and_then(|text| overrides::parse(&text).ok()).unwrap_or_default();
    for name in names {
        let entry = &before["instance_map"][name];
        let host = entry["host"].as_str().and_then(|host| host.parse::<IpAddr>().ok());
        let port = entry["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let Some(address) = host.zip(port).map(SocketAddr::from) else { continue };
        let is_ours = config.workers.address == Some(Host::Address(address.ip()));
        if !is_ours && TcpStream::connect_timeout(&address, PATIENCE).is_ok() {
            return Err(Error::StillElsewhere { name: name.clone(), address });
        }
    }
    Ok(())
}

/// Where the worker answers that has the media, where there is one; it never runs elsewhere.
pub(crate) fn media_socket(data: &DataDir) -> PathBuf {
    socket(data, Worker { kind: Kind::Media, number: 1 })
}

fn socket(data: &DataDir, worker: Worker) -> PathBuf {
    data.sockets().join(format!("{}.http", worker.name()))
}

/// A socket and its lock, as Twisted makes that: a link that names the process, which after a restart of the machine or
/// in a container is another one. Without its lock it takes a socket that is left for one in use.
fn left(place: Place) -> Vec<PathBuf> {
    match place {
        Place::Socket(path) => vec![format!("{}.lock", path.display()).into(), path],
        Place::Tcp(..) => Vec::new(),
    }
}

/// What is left of the sockets of a worker, or of the main process, when that is killed.
pub(crate) fn sockets(config: &Config, worker: Option<Worker>) -> Vec<PathBuf> {
    match worker {
        Some(worker) => {
            [worker.place(config), worker.replication(config)].into_iter().flat_map(left).collect()
        }
        None => left(of_main(config)),
    }
}

/// Where the main process answers the others.
pub(super) fn of_main(config: &Config) -> Place {
    match config.network_address() {
        Some(own) => Place::Tcp(own.clone(), config.workers.port.0),
        _ => Place::Socket(config.data.sockets().join("main.repl")),
    }
}

/// The ports that processes of Synapse on this machine use among machines.
pub(crate) fn ports(config: &Config, workers: &[Worker]) -> Vec<SocketAddr> {
    let on_network = |place: Place| match place {
        Place::Tcp(host, port) => Some((host.listens(), port).into()),
        Place::Socket(_) => None,
    };
    let main = (!config.is_joined()).then(|| of_main(config));
    let writes = |worker: &Worker| !worker.kind.facts().streams.is_empty();
    let each = here(config, workers).into_iter().map(|worker| {
        if writes(&worker) { worker.replication(config) } else { worker.place(config) }
    });
    main.into_iter().chain(each).filter_map(on_network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment;

    fn config(flags: &[&str]) -> Config {
        let flags = ["stack.profile=scale"].iter().chain(flags).map(|it| (*it).to_owned());
        let data = DataDir::new("/srv/a".into());
        Config::load(data, &flags.collect::<Vec<_>>(), &Environment::default()).unwrap()
    }

    const LIST: &str = "workers.list=generic=2,event_persister=1,media=1";

    #[test]
    fn on_one_machine_all_meet_on_sockets() {
        let config = config(&[LIST]);
        let workers = super::super::chosen(&config).unwrap();
        assert_eq!(workers[0].place(&config).to_string(), "unix:/srv/a/run/generic-1.http");
        assert_eq!(of_main(&config).to_string(), "unix:/srv/a/run/main.repl");
        assert!(ports(&config, &workers).is_empty());
    }

    #[test]
    fn on_several_machines_each_has_a_port_that_stays() {
        let apart = ["workers.elsewhere=generic-2=10.0.0.2", "workers.address=10.0.0.1"];
        let config = config(&[&[LIST], &apart[..]].concat());
        let workers = super::super::chosen(&config).unwrap();
        let place = |name: &str| {
            let worker = workers.iter().find(|worker| worker.name() == name).unwrap();
            (worker.place(&config).to_string(), worker.replication(&config).to_string())
        };
        assert_eq!(place("generic-2").0, "10.0.0.2:9323");
        let (socket, network) = place("event-persister-1");
        assert_eq!(socket, "unix:/srv/a/run/event-persister-1.http");
        assert_eq!(network, "10.0.0.1:9305");
        assert_eq!(of_main(&config).to_string(), "10.0.0.1:9300");
        let names: Vec<String> = here(&config, &workers).into_iter().map(Worker::name).collect();
        assert_eq!(names, ["generic-1", "event-persister-1", "media-1"]);
        let ports: Vec<u16> = ports(&config, &workers).iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [9300, 9305, 9314]);
    }

    #[test]
    fn a_place_that_cannot_be_is_refused() {
        let refused = |flags: &[&str]| {
            super::super::chosen(&config(&[&[LIST], flags].concat())).unwrap_err().to_string()
        };
        let there = "workers.address=10.0.0.1";
        assert_eq!(
            refused(&["workers.elsewhere=generic-3=10.0.0.2", there]),
            "`workers.elsewhere` names `generic-3`, which is none of the workers"
        );
        assert!(
            refused(&["workers.elsewhere=media-1=10.0.0.2", there]).contains("keeps its files")
        );
        assert!(refused(&["workers.elsewhere=generic-2=10.0.0.2"]).contains("names no address"));
        let high = ["workers.elsewhere=generic-2=10.0.0.2", there, "workers.port=65530"];
        assert!(refused(&high).contains("above 65535"));
    }

    #[test]
    fn on_this_machine_only_addresses_are_taken() {
        let refused = |flag: &str| by_address(&config(&[LIST, flag])).unwrap_err().to_string();
        assert!(refused("workers.address=a.example").starts_with("`a.example` is no address"));
        assert!(refused("workers.elsewhere=generic-2=b").starts_with("`b` is no address"));
        by_address(&config(&[LIST, "workers.elsewhere=generic-2=10.0.0.2"])).unwrap();
    }

    #[test]
    fn a_writer_that_still_runs_elsewhere_is_not_started_here() {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = config(&[LIST]);
        config.data = DataDir::new(folder.path().to_owned());
        config.data.create().unwrap();
        let map = json!({ "instance_map": { "event-persister-1": {
            "host": address.ip(), "port": address.port(),
        }}});
        let file = config.data.homeserver_yaml();
        disk::write_atomically(&file, map.to_string().as_bytes(), disk::PRIVATE).unwrap();
        let names = ["generic-1".to_owned(), "event-persister-1".to_owned()];
        let error = not_elsewhere(&config, &names).unwrap_err().to_string();
        assert_eq!(error, format!("`event-persister-1` still runs at {address}"));
        drop(listener);
        not_elsewhere(&config, &names).unwrap();
    }

    #[test]
    fn a_socket_fits_into_the_longest_folder() {
        let mut config = config(&[LIST]);
        config.data = DataDir::new(format!("/{}", "x".repeat(71)).into());
        for kind in Kind::ALL {
            let worker = Worker { kind: *kind, number: super::super::MOST };
            let Place::Socket(path) = worker.replication(&config) else { panic!("{worker:?}") };
            assert!(path.as_os_str().len() <= 107, "{worker:?}");
        }
    }
}
