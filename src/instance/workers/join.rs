//! Workers on another machine: the homeserver writes a file with all that they need, and there that
//! makes a data folder of its own, in which nothing but these workers runs. The settings go along as
//! they are, so that the files of Synapse come out the same on both sides; only where PostgreSQL and
//! Redis are is said as one sees it from there.

use std::{
    collections::BTreeMap,
    net::{IpAddr, TcpListener},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::scale;
use crate::{
    config::{
        self, Config, exports,
        sections::{
            stack::{self, Part},
            workers::Elsewhere,
        },
        sources::{edit, environment::Environment},
        values::{setting::shown, shape::Shape as _, source::Source},
    },
    error::{Explain, Failure, Kind},
    files,
    instance::{
        install::preflight,
        lifecycle::start,
        lock,
        prepare::{self, render},
    },
    postgres::{self, ClientSettings},
    python::{self, Set},
    redis,
    supervisor::control,
    synapse::{self, workers},
};

/// What the file is, for those who find one, and for a program that is older or newer.
const FORMAT: &str = "resource-matrix-synapse join 1";
/// The most that a file may hold, in bytes.
const LARGEST: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no worker of this homeserver runs on another machine")]
    NobodyElsewhere,
    #[error("this data folder is for workers of a homeserver elsewhere")]
    IsJoined,
    #[error("the {what} at `{host}` cannot be reached from other machines")]
    OnlyHere { what: &'static str, host: String, setting: &'static str },
    #[error("`{}` is not a file of `manage join-file`", .0.display())]
    NotOurs(PathBuf),
    #[error("`{}` is the data folder of a homeserver", .0.display())]
    IsHomeserver(PathBuf),
    #[error("this data folder runs workers of `{old}`, and the file is of `{new}`")]
    OtherServer { old: String, new: String },
    #[error("the file has no worker `{name}`, but {}", there.join(", "))]
    NoWorker { name: String, there: Vec<String> },
    #[error("none of the workers in the file runs on a machine with an address of this one")]
    NobodyHere,
    #[error("`{name}` runs on the machine {machine}, and this one does not have that address")]
    OtherMachine { name: String, machine: IpAddr },
    #[error("the settings in `{}` cannot be used", .0.display())]
    BadSettings(PathBuf),
    #[error("`{0}` is a setting of the homeserver, and this data folder is for workers of it")]
    OfTheHomeserver(&'static str),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NobodyElsewhere | Self::OnlyHere { .. } => Kind::Setting,
            _ => Kind::Request,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NobodyElsewhere => {
                "`config set workers.elsewhere generic-2=ADDRESS` says which, and where".into()
            }
            Self::IsJoined => "type it on the machine of the homeserver".into(),
            Self::OnlyHere { setting, .. } => {
                format!("`config set {setting} HOST`: a name or address that the other machines know")
            }
            Self::NotOurs(_) | Self::BadSettings(_) => {
                "`manage join-file FILE` on the homeserver's machine writes one".into()
            }
            Self::OfTheHomeserver(_) => {
                "set it there; `manage join-file` writes a new file, and `manage start --join FILE` takes it in. Only `supervision` is set here".into()
            }
            Self::IsHomeserver(_) | Self::OtherServer { .. } => {
                "`--instance NAME` or MATRIX_SYNAPSE_DATA_DIR names another data folder".into()
            }
            Self::NoWorker { .. } | Self::NobodyHere | Self::OtherMachine { .. } => {
                "`workers.elsewhere` of the homeserver says which workers run where; after a change `manage join-file` writes a new file".into()
            }
        })
    }
}

/// The file: whoever has it is as good as the homeserver.
#[derive(Serialize, Deserialize)]
pub(crate) struct Joining {
    format: String,
    server_name: String,
    /// The version of Synapse, which has to be the same on all machines.
    synapse: String,
    /// Values of settings that are not their defaults.
    settings: BTreeMap<String, Value>,
    /// Files below `secrets`.
    secrets: BTreeMap<String, String>,
    /// The operator's own files, `homeserver.d`.
    overrides: BTreeMap<String, String>,
    /// CAs of other servers that are believed, in PEM.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    believed: String,
}

/// How processes are kept is set on each machine.
const OF_EACH_MACHINE: &str = "supervision.";
/// Settings that are of the homeserver's machine alone.
const OF_THAT_MACHINE: [&str; 9] = [
    "stack.",
    "alerts.",
    "hooks.",
    "tls.",
    "proxy.",
    "web.",
    "supervision.",
    "redis.",
    // The worker that has the media never runs elsewhere.
    "media.s3_",
];
/// The secrets that every process of Synapse reads.
const SECRETS: [&str; 9] = [
    "signing.key",
    "macaroon_secret_key",
    "form_secret",
    "synapse_registration_secret",
    "worker_replication_secret",
    "session.key",
    "database_password",
    "turn_secret",
    "oidc_client_secret",
];

/// What stands in the file, for the one who wrote it.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    pub(crate) file: PathBuf,
    /// The workers that run elsewhere, each with the address of its machine.
    pub(crate) workers: BTreeMap<String, IpAddr>,
}

/// Writes the file, mode 0600; `write` is false for a dry run.
pub(crate) fn share(config: &Config, file: &Path, write: bool) -> Result<Written, Failure> {
    let data = &config.data;
    if config.is_joined() {
        return Err(Error::IsJoined.into());
    }
    if !prepare::is_installed(data) {
        return Err(start::Error::NotInstalled(data.root().to_owned()).into());
    }
    workers::chosen(config)?;
    if write {
        render::prepare(config)?;
    }
    let address = config
        .network_address()
        .filter(|_| config.has(Part::Workers))
        .ok_or(Error::NobodyElsewhere)?;
    let mut settings = BTreeMap::new();
    for setting in config::settings().filter(|setting| !setting.secret) {
        let Some((value, source)) = config.values.0.get(setting.key) else { continue };
        let is_theirs = OF_THAT_MACHINE.iter().any(|prefix| setting.key.starts_with(prefix));
        if *source != Source::Default && !is_theirs && setting.key != "synapse.version" {
            settings.insert(setting.key.to_owned(), edit::typed(setting, &shown_flat(value)));
        }
    }
    let ClientSettings { host, port, .. } = postgres::client_settings(config)?;
    let embedded = postgres::target(config)?.is_embedded();
    let host = if embedded {
        address.to_string()
    } else {
        reachable("PostgreSQL", host, "database.host")?
    };
    let mut set = |key: &str, value: Value| settings.insert(key.to_owned(), value);
    set("server.public_url", config.public_url().into());
    set("database.kind", "shared".into());
    set("database.host", host.into());
    set("database.port", port.into());
    let (host, port) = match config.shared_redis() {
        Some((host, port)) => (reachable("Redis", host.to_owned(), "redis.host")?, port),
        None => (address.to_string(), config.redis.port.0),
    };
    set("redis.kind", "shared".into());
    set("redis.host", host.into());
    set("redis.port", port.into());
    // They are chosen by a profile's preset there and here alike.
    set("workers.list", scale::listed(config)?.into());
    files::may_be_replaced(file)?;
    let written = Written { file: file.to_owned(), workers: config.workers.elsewhere.0.clone() };
    if !write {
        return Ok(written);
    }
    let mut secrets = BTreeMap::new();
    let named = SECRETS.iter().map(|name| data.secret(name)).filter(|path| path.exists());
    let redis = redis::has_password(config).then(|| redis::password_file(data));
    for path in named.chain(redis) {
        secrets.insert(name_of(&path), files::read(&path)?);
    }
    let mut overrides = BTreeMap::new();
    for path in synapse::own_files(data) {
        overrides.insert(name_of(&path), files::read(&path)?);
    }
    let mut believed = String::new();
    for path in &config.synapse.federation_custom_ca_list {
        believed += &files::read(path)?;
    }
    let joining = Joining {
        format: FORMAT.to_owned(),
        server_name: config.server.name.to_string(),
        synapse: exports::version(data).unwrap_or_default(),
        settings,
        secrets,
        overrides,
        believed,
    };
    let text = serde_json::to_string_pretty(&joining).unwrap_or_default();
    files::write_atomically(file, (text + "\n").as_bytes(), files::PRIVATE)?;
    Ok(written)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A list as it is typed.
fn shown_flat(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}={}", shown(value)));
            pairs.collect::<Vec<_>>().join(",")
        }
        value => shown(value),
    }
}

/// A host that means the same on another machine.
fn reachable(what: &'static str, host: String, setting: &'static str) -> Result<String, Error> {
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if host.starts_with('/') || host == "localhost" || is_loopback {
        return Err(Error::OnlyHere { what, host, setting });
    }
    Ok(host)
}

/// What belongs to the homeserver is not set where only workers of it run.
pub(crate) fn may_set(config: &Config, key: &'static str) -> Result<(), Error> {
    if config.is_joined() && !key.starts_with(OF_EACH_MACHINE) {
        return Err(Error::OfTheHomeserver(key));
    }
    Ok(())
}

/// Whether this data folder can be one for workers of the file; what its `settings.yaml` is then.
pub(crate) fn look(
    config: &Config,
    file: &Path,
    names: &[String],
) -> Result<(Joining, String), Failure> {
    let data = &config.data;
    let joining = read(file)?;
    if !config.is_joined() && (prepare::is_installed(data) || data.signing_key().exists()) {
        return Err(Error::IsHomeserver(data.root().to_owned()).into());
    }
    let old = config.server.name.to_string();
    if config.is_joined() && old != joining.server_name {
        return Err(Error::OtherServer { old, new: joining.server_name }.into());
    }
    // Those that were started here before stay, as long as the homeserver wants them to.
    let there = places(&joining);
    let mut here = config.workers.here.clone();
    here.retain(|name| there.contains_key(name));
    here.extend(chosen(&there, names)?);
    here.sort();
    here.dedup();
    preflight::data_folder(data)?;
    let settings = settings_file(config, &joining, here).and_then(|text| {
        let new = Config::of_text(data.clone(), &text, &[], &Environment::default())?;
        workers::chosen(&new)?;
        Ok(text)
    });
    let bad = |why| Failure::from(Error::BadSettings(file.to_owned())).because(why);
    Ok((joining, settings.map_err(bad)?))
}

/// Puts the files of Synapse in place, with the settings as they are after [`join`]; then it is
/// installed. True if that changed something.
pub(crate) async fn complete(config: &Config) -> Result<bool, Failure> {
    let changed = render::refresh(config).await?;
    let version = exports::version(&config.data).unwrap_or_default();
    Ok(exports::write(config, &version)? || changed)
}

/// Makes a data folder for these workers of the file, or brings it up to date: packages, settings and
/// secrets. True if something changed. Without names, all that have an address of this machine.
pub(crate) async fn join(
    config: &Config,
    file: &Path,
    names: &[String],
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<bool, Failure> {
    let data = &config.data;
    let (joining, settings) = look(config, file, names)?;
    data.create()?;
    files::private_folder(&data.environments())?;
    let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
    let _lock = lock::wait(data, "manage start --join", deadline, &mut wait).await?;
    let version = joining.other_version();
    let log = data.logs().join("install.log");
    let set = Set::synapse(version);
    let plan = python::plan(&data.environments(), &log, set, None).await?;
    let mut changed = false;
    if !plan.is_done() {
        on_step(&format!("installing Synapse {} with {}", joining.synapse, plan.tool()));
        plan.apply(false).await?;
        changed = true;
    }
    if control::status(&data.control_socket()).await?.is_none() {
        plan.sweep()?;
    }
    on_step("writing settings and secrets");
    for (name, text) in &joining.secrets {
        // A name is no path.
        if SECRETS.contains(&name.as_str()) || *name == "redis_password" {
            changed |=
                files::write_if_changed(&data.secret(name), text.as_bytes(), files::PRIVATE)?;
        }
    }
    let folder = data.overrides();
    for (name, text) in joining.overrides.iter().filter(|(name, _)| !name.contains('/')) {
        changed |= files::write_if_changed(&folder.join(name), text.as_bytes(), files::PRIVATE)?;
    }
    for gone in synapse::own_files(data) {
        if !joining.overrides.contains_key(&name_of(&gone)) {
            files::remove(&gone)?;
            changed = true;
        }
    }
    if !joining.believed.is_empty() {
        let (file, text) = (believed(config), joining.believed.as_bytes());
        changed |= files::write_if_changed(&file, text, files::PUBLIC)?;
    }
    Ok(files::write_if_changed(&data.settings(), settings.as_bytes(), files::PRIVATE)? || changed)
}

/// Where the CAs are kept that came with the file.
fn believed(config: &Config) -> PathBuf {
    config.data.tls().join("believed.pem")
}

impl Joining {
    /// The version of Synapse where it is not the one that this program installs by itself.
    fn other_version(&self) -> Option<&str> {
        let shipped = Set::synapse(None).version;
        (shipped != self.synapse).then_some(self.synapse.as_str())
    }
}

/// The whole of `settings.yaml`: what the file says, who runs here, and how processes are kept on this
/// machine.
fn settings_file(config: &Config, joining: &Joining, here: Vec<String>) -> Result<String, Failure> {
    let mut joined = joining.settings.clone();
    let mut set = |key: &str, value: Value| joined.insert(key.to_owned(), value);
    if !joining.believed.is_empty() {
        let list = vec![believed(config).display().to_string()];
        set("synapse.federation_custom_ca_list", list.into());
    }
    set("stack.profile", stack::JOINED.into());
    set("workers.here", here.into());
    if let Some(version) = joining.other_version() {
        set("synapse.version", version.into());
    }
    let mut sections: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    let own = config::settings().filter(|setting| {
        let of_machine = setting.key.starts_with(OF_EACH_MACHINE);
        of_machine && config.source(setting.key) == Source::SettingsFile
    });
    let own =
        own.filter_map(|it| Some((it.key.to_owned(), config.values.0.get(it.key)?.0.clone())));
    for (key, value) in joined.into_iter().chain(own) {
        // A file of a newer program may have settings that this one does not know.
        let setting = config::find(&key)?;
        if let Some((section, name)) = setting.key.split_once('.') {
            sections.entry(section).or_default().insert(name, value);
        }
    }
    let yaml = serde_yaml::to_string(&sections).map_err(|error| {
        Failure::environment(format!("the settings cannot be written: {error}"))
    })?;
    Ok(format!(
        "# Written by `manage start worker --join`; only `supervision` may be changed here.\n{yaml}"
    ))
}

fn read(file: &Path) -> Result<Joining, Failure> {
    let kinds = [rustix::fs::FileType::RegularFile];
    let bytes = files::read_bytes(file, LARGEST, &kinds)?;
    let joining: Option<Joining> = serde_json::from_slice(&bytes).ok();
    let ours = joining.filter(|joining| joining.format == FORMAT);
    Ok(ours.ok_or_else(|| Error::NotOurs(file.to_owned()))?)
}

/// Where the workers of the file run.
fn places(joining: &Joining) -> BTreeMap<String, IpAddr> {
    let text = joining.settings.get("workers.elsewhere").cloned().unwrap_or_default();
    Elsewhere::read(&text).unwrap_or_default().0
}

/// Those that are to run here; without names, all whose machine this is.
fn chosen(places: &BTreeMap<String, IpAddr>, names: &[String]) -> Result<Vec<String>, Error> {
    let is_here = |machine: IpAddr| TcpListener::bind((machine, 0)).is_ok();
    if names.is_empty() {
        let here = places.iter().filter(|(_, machine)| is_here(**machine));
        let here: Vec<String> = here.map(|(name, _)| name.clone()).collect();
        return if here.is_empty() { Err(Error::NobodyHere) } else { Ok(here) };
    }
    for name in names {
        match places.get(name).copied() {
            Some(machine) if is_here(machine) => {}
            Some(machine) => return Err(Error::OtherMachine { name: name.clone(), machine }),
            None => {
                let there = places.keys().cloned().collect();
                return Err(Error::NoWorker { name: name.clone(), there });
            }
        }
    }
    Ok(names.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_runs_what_has_its_address_and_nothing_else() {
        let place = |name: &str, machine: &str| (name.to_owned(), machine.parse().unwrap());
        let places = BTreeMap::from([
            place("generic-2", "127.0.0.1"),
            place("generic-3", "192.0.2.1"),
            place("pusher-1", "127.0.0.1"),
        ]);
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(&places, &names).map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&[]).unwrap(), ["generic-2", "pusher-1"]);
        assert_eq!(chosen(&["pusher-1"]).unwrap(), ["pusher-1"]);
        assert_eq!(
            chosen(&["generic-3"]).unwrap_err(),
            "`generic-3` runs on the machine 192.0.2.1, and this one does not have that address"
        );
        assert_eq!(
            chosen(&["media-1"]).unwrap_err(),
            "the file has no worker `media-1`, but generic-2, generic-3, pusher-1"
        );
    }

    #[test]
    fn a_database_that_only_this_machine_sees_is_refused() {
        for host in ["/run/postgresql", "localhost", "127.0.0.1", "::1"] {
            let error = reachable("PostgreSQL", host.to_owned(), "database.host").unwrap_err();
            assert!(error.hint().unwrap().contains("`config set database.host HOST`"), "{host}");
        }
        assert_eq!(reachable("Redis", "10.0.0.9".to_owned(), "redis.host").unwrap(), "10.0.0.9");
    }
}
