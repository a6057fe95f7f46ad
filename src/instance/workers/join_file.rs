//! The file with all that workers on another machine need: written where the homeserver is, and read there.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::{
        Config, exports,
        sections::{stack::Part, workers::Elsewhere},
        sources::whole,
        values::shape::{Host, Shape as _},
    },
    data_dir::DataDir,
    error::{Explain, Failure, Kind},
    files,
    instance::guard,
    postgres::{self, ClientSettings},
    python::{self, Set},
    redis, render,
    synapse::{self, workers},
};

/// What the file is, for those who find one, and for a program that is older or newer.
const FORMAT: &str = "resource-matrix-synapse join 1";
/// The most that a file may hold, in bytes.
const LARGEST: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no worker of this homeserver is configured to run on another machine")]
    NobodyElsewhere,
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
    OtherMachine { name: String, machine: Host },
    #[error("the settings in `{}` cannot be used", .0.display())]
    BadSettings(PathBuf),
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
            Self::OnlyHere { setting, .. } => {
                format!("`config set {setting} HOST`: a name or address that the other machines know")
            }
            Self::NotOurs(_) | Self::BadSettings(_) => {
                "`manage join-file FILE` on the homeserver's machine writes one".into()
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
    pub(super) format: String,
    pub(super) server_name: String,
    /// The version of Synapse, which has to be the same on all machines.
    pub(super) synapse: String,
    /// Values of settings that are not their defaults.
    pub(super) settings: BTreeMap<String, Value>,
    /// Files below `secrets`.
    pub(super) secrets: BTreeMap<String, String>,
    /// The operator's own files, `homeserver.d`.
    pub(super) overrides: BTreeMap<String, String>,
    /// CAs of other servers that are believed, in PEM.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) believed: String,
    /// The list that `synapse.modules` names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) modules: String,
    /// The packages of a Synapse that the program does not ship, with their hashes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) lock: String,
}

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
/// What the file has in another way.
const BROUGHT: [&str; 2] = ["synapse.version", "synapse.modules"];

/// What stands in the file, for the one who wrote it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Written {
    pub(crate) file: PathBuf,
    /// The workers that run elsewhere, each with the address of its machine.
    pub(crate) workers: BTreeMap<String, String>,
}

/// Writes the file, mode 0600; `write` is false for a dry run.
pub(crate) fn share(config: &Config, file: &Path, write: bool) -> Result<Written, Failure> {
    let data = &config.data;
    guard::homeserver(config)?;
    workers::chosen(config)?;
    if write {
        render::prepare(config)?;
    }
    let address = config
        .network_address()
        .filter(|_| config.has(Part::Workers))
        .ok_or(Error::NobodyElsewhere)?;
    let mut settings = whole::explicit(&config.values, |key| {
        let is_theirs = OF_THAT_MACHINE.iter().any(|prefix| key.starts_with(prefix));
        !is_theirs && !BROUGHT.contains(&key)
    });
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
    set("workers.list", workers::listed(config)?.into());
    files::may_be_replaced(file)?;
    let elsewhere = config.workers.elsewhere.0.iter();
    let workers = elsewhere.map(|(name, machine)| (name.clone(), machine.to_string())).collect();
    let written = Written { file: file.to_owned(), workers };
    if !write {
        return Ok(written);
    }
    let mut secrets = BTreeMap::new();
    let named = render::SECRETS.iter().map(|name| data.secret(name)).filter(|path| path.exists());
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
        modules: match &config.synapse.modules {
            Some(list) => files::read(list)?,
            None => String::new(),
        },
        lock: lock(data)?,
    };
    let text = serde_json::to_string_pretty(&joining).unwrap_or_default();
    files::write_atomically(file, (text + "\n").as_bytes(), files::PRIVATE)?;
    Ok(written)
}

/// The packages of the Synapse that is installed, where that is not the one that this program ships.
fn lock(data: &DataDir) -> Result<String, files::Error> {
    let version = exports::version(data).unwrap_or_default();
    if version == Set::synapse(None).version {
        return Ok(String::new());
    }
    Ok(files::read_if_exists(&python::place(&data.locks(), &version))?.unwrap_or_default())
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A host that means the same on another machine.
fn reachable(what: &'static str, host: String, setting: &'static str) -> Result<String, Error> {
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if host.starts_with('/') || host == "localhost" || is_loopback {
        return Err(Error::OnlyHere { what, host, setting });
    }
    Ok(host)
}

impl Joining {
    /// The version of Synapse where it is not the one that this program installs by itself.
    pub(super) fn other_version(&self) -> Option<&str> {
        let shipped = Set::synapse(None).version;
        (shipped != self.synapse).then_some(self.synapse.as_str())
    }
}

pub(super) fn read(file: &Path) -> Result<Joining, Failure> {
    let kinds = [rustix::fs::FileType::RegularFile];
    let bytes = files::read_bytes(file, LARGEST, &kinds)?;
    let joining: Option<Joining> = serde_json::from_slice(&bytes).ok();
    let ours = joining.filter(|joining| joining.format == FORMAT);
    Ok(ours.ok_or_else(|| Error::NotOurs(file.to_owned()))?)
}

/// Where the workers of the file run.
pub(super) fn places(joining: &Joining) -> BTreeMap<String, Host> {
    let text = joining.settings.get("workers.elsewhere").cloned().unwrap_or_default();
    Elsewhere::read(&text).unwrap_or_default().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_only_this_machine_sees_is_refused() {
        for host in ["/run/postgresql", "localhost", "127.0.0.1", "::1"] {
            let error = reachable("PostgreSQL", host.to_owned(), "database.host").unwrap_err();
            assert!(error.hint().unwrap().contains("`config set database.host HOST`"), "{host}");
        }
        assert_eq!(reachable("Redis", "10.0.0.9".to_owned(), "redis.host").unwrap(), "10.0.0.9");
    }
}
