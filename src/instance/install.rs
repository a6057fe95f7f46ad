//! Installing: everything is looked at before anything is changed; what is there already stays. It can
//! be killed anywhere and run again.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rand::rng;
use serde::Serialize;
use tokio::time::Instant;

use super::{aside, held, persist, prepare, rendered};
use crate::{
    config::{Config, environment::Environment as Variables, instance, paths::DataDir},
    error::{Explain, Failure, Kind},
    files,
    postgres::{self, Contents},
    process,
    python::{self, Environment, Set},
    supervisor::control,
    synapse::{files as synapse_files, keys},
};

/// What an environment, a new cluster and their neighbours take, in bytes.
const NEEDED: u64 = 600 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the data folder `{}` {why}", path.display())]
    DataDir { path: PathBuf, why: &'static str },
    #[error("the disk of `{}` has {} MB left, and an install takes {} MB", path.display(), left >> 20, NEEDED >> 20)]
    Full { path: PathBuf, left: u64 },
    #[error("two settings are the same port {port}: `{first}` and `{second}`")]
    SamePort { port: u16, first: &'static str, second: &'static str },
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
            Self::SamePort { .. } | Self::OtherName { .. } => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::DataDir { .. } => "name another data folder with MATRIX_SYNAPSE_DATA_DIR".into(),
            Self::Full { .. } => "free some disk space, then run it again".into(),
            Self::SamePort { second, port, .. } => {
                format!("`--set {second}={}` takes another one", port.saturating_add(1))
            }
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

/// How to install.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Make everything anew that can be made anew: the environment and Synapse's files.
    pub(crate) force: bool,
    /// Do not let Synapse judge the rendered settings.
    pub(crate) skip_validation: bool,
    /// A folder of wheels to install from.
    pub(crate) offline: Option<PathBuf>,
    pub(crate) fresh_keys: bool,
    /// A folder that an uninstall set aside.
    pub(crate) restore: Option<PathBuf>,
}

/// What was found or done.
#[derive(Debug, Serialize)]
pub(crate) struct Installed {
    /// Whether anything had to be done.
    pub(crate) changed: bool,
    /// Synapse's version.
    pub(crate) version: String,
    /// In the order in which it was done, or would be.
    pub(crate) steps: Vec<String>,
    #[serde(skip)]
    pub(crate) warnings: Vec<String>,
}

/// All that must hold before anything is changed.
struct Checked {
    synapse: python::Plan,
    /// Our own PostgreSQL, where the machine has none.
    postgres: Option<python::Plan>,
}

/// What would be done; changes nothing, and waits for nobody.
pub(crate) async fn plan(config: &Config, options: &Options) -> Result<Installed, Failure> {
    let checked = check(config, options).await?;
    let mut steps = Vec::new();
    if let Some(folder) = &options.restore {
        steps.push(format!("take secrets, keys and data back from {}", folder.display()));
    }
    for key in persist::given(config) {
        steps.push(format!("keep the setting {key}"));
    }
    for plan in [Some(&checked.synapse), checked.postgres.as_ref()].into_iter().flatten() {
        if options.force || !plan.is_done() {
            steps.push(format!(
                "install {} {} with {}",
                plan.set.name,
                plan.set.version,
                plan.tool()
            ));
        }
    }
    if !config.data.signing_key().exists() && options.restore.is_none() {
        steps.push("make a signing key and the secrets".into());
    }
    match postgres::plan(config, Instant::now()).await {
        Ok(plan) => steps.extend(plan.steps.iter().map(ToString::to_string)),
        Err(error @ postgres::Error::Unreachable { .. }) => {
            steps.push(format!("make role and database where they are missing; now {error}"));
        }
        Err(error) => return Err(error.into()),
    }
    steps.push("render homeserver.yaml and let Synapse check it".into());
    let version = checked.synapse.set.version.clone();
    Ok(Installed { changed: false, version, steps, warnings: Vec::new() })
}

/// Brings back what an uninstall set aside, settings among it: so this comes before these are read.
/// Where a killed run has brought all back already there is nothing to do.
pub(crate) async fn restore(data: &DataDir, folder: &Path) -> Result<(), Failure> {
    if !folder.exists() && data.signing_key().exists() {
        return Ok(());
    }
    data_folder(data)?;
    data.create()?;
    let deadline = Instant::now() + Duration::from_mins(1);
    let _lock = held::wait(data, "manage install", deadline, &mut |_| ()).await?;
    aside::restore(data, folder)?;
    Ok(data.create()?)
}

/// Installs, or brings an installation up to date with the settings.
pub(crate) async fn install(
    config: &Config,
    variables: &Variables,
    options: &Options,
    on_step: &mut dyn FnMut(&str),
) -> Result<Installed, Failure> {
    let checked = check(config, options).await?;
    let data = &config.data;
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    if !postgres::target(config)?.is_embedded() {
        // What does not fit on somebody else's server is refused before anything is kept here.
        on_step("looking at the database");
        postgres::plan(config, deadline).await?;
    }
    let was_installed = prepare::is_installed(data);
    data.create()?;
    files::private_folder(&data.environments())?;
    let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
    let _lock = held::wait(data, "manage install", deadline, &mut wait).await?;
    let mut done = Installed {
        changed: false,
        version: checked.synapse.set.version.clone(),
        steps: Vec::new(),
        warnings: Vec::new(),
    };
    for key in persist::keep(config)? {
        done.steps.push(format!("kept the setting {key}"));
    }
    let running = control::status(&control::socket(&data.sockets())).await.ok().flatten().is_some();
    for mut plan in [Some(checked.synapse), checked.postgres].into_iter().flatten() {
        if plan.is_done() && !options.force {
            if !running {
                plan.sweep()?;
            }
            continue;
        }
        if options.force {
            plan = plan.anew();
        }
        let (set, tool) = (&plan.set, plan.tool());
        on_step(&format!("installing {} {} with {tool}", set.name, set.version));
        plan.apply().await?;
        // What runs, runs in the old one; that is removed the next time.
        if !running {
            plan.sweep()?;
        }
        done.steps.push(format!("installed {} {} with {tool}", set.name, set.version));
        if !set.locked {
            done.warnings.push(format!(
                "{} {} is not the version this program ships a locked set for: its packages were not checked by hash",
                set.name, set.version
            ));
        }
    }
    on_step("looking after the database");
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    let mut told = |step: &postgres::Step| on_step(&step.to_string());
    let database = postgres::ensure(config, deadline, &mut told).await?;
    done.steps.extend(database.steps.iter().map(ToString::to_string));
    if !data.signing_key().exists() {
        keys_may_be_made(config, options, deadline).await?;
    }
    on_step("looking after secrets and keys");
    keys::secrets(config, &mut rng())?;
    let environment = rendered::environment(config);
    if keys::signing(data, &environment).await? {
        done.steps.push("made the signing key and the secrets".into());
    }
    on_step("checking the settings");
    if write_files(config, &environment, options).await? {
        done.steps.push("wrote homeserver.yaml".into());
        if running {
            done.warnings.push("`manage restart` makes the running server use it".into());
        }
    }
    if instance::write(config, &done.version)? {
        done.steps.push("wrote instance.env".into());
    }
    done.changed = !was_installed || !done.steps.is_empty();
    if let Err(why) = register(variables).await {
        done.warnings.push(format!("it is not registered with Vrooli: {why}"));
    }
    Ok(done)
}

async fn write_files(
    config: &Config,
    environment: &Environment,
    options: &Options,
) -> Result<bool, Failure> {
    rendered::prepare(config)?;
    let new = rendered::render(config)?;
    if !options.skip_validation {
        synapse_files::check(config, &new, environment).await?;
    }
    Ok(synapse_files::write(&config.data, &new)?)
}

async fn check(config: &Config, options: &Options) -> Result<Checked, Failure> {
    let data = &config.data;
    data_folder(data)?;
    let server = &config.server;
    if server.port == server.metrics_port {
        let (first, second) = ("server.port", "server.metrics_port");
        return Err(Error::SamePort { port: server.port.0, first, second }.into());
    }
    let known = instance::read(data)?.unwrap_or_default();
    if let Some(old) = known.get("MATRIX_SYNAPSE_SERVER_NAME")
        && *old != server.name.to_string()
        && data.signing_key().exists()
    {
        let (old, new) = (old.clone(), server.name.to_string());
        return Err(Error::OtherName { old, new }.into());
    }
    let target = postgres::target(config)?;
    let log = data.logs().join("install.log");
    let wheels = options.offline.as_deref();
    let set = Set::synapse(config.synapse.version.as_deref());
    let synapse = python::plan(&data.environments(), &log, set, wheels).await?;
    let needs_own = target.is_embedded()
        && matches!(postgres::embedded::found(data).await, Err(postgres::Error::NoBinaries));
    let postgres = if needs_own {
        Some(python::plan(&data.environments(), &log, Set::postgres(), wheels).await?)
    } else {
        None
    };
    if !synapse.is_done() {
        has_room(data)?;
    }
    Ok(Checked { synapse, postgres })
}

/// Whether the data folder can be made or written, without making it.
fn data_folder(data: &DataDir) -> Result<(), Error> {
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
        _ => {}
    }
    let there = root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    if !there.is_dir() {
        return Err(refused("cannot be made: a file is in the way"));
    }
    match rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::ROFS) => Err(refused("is on a disk that can only be read")),
        Err(_) => Err(refused("cannot be written")),
    }
}

fn has_room(data: &DataDir) -> Result<(), Error> {
    let root = data.root();
    let there = root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let Ok(disk) = rustix::fs::statvfs(there) else { return Ok(()) };
    let left = disk.f_bavail.saturating_mul(disk.f_frsize);
    if left < NEEDED { Err(Error::Full { path: root.to_owned(), left }) } else { Ok(()) }
}

/// A homeserver without its key is a stranger to all others, so a new one is made only for a database
/// without users, or where that is asked for.
async fn keys_may_be_made(
    config: &Config,
    options: &Options,
    deadline: Instant,
) -> Result<(), Failure> {
    if options.fresh_keys {
        return Ok(());
    }
    let Contents::Synapse { server_name: name } = postgres::holds_synapse(config, deadline).await?
    else {
        return Ok(());
    };
    Err(Error::KeyMissing { name, aside: keys::set_aside(&config.data) }.into())
}

/// Registers this resource with the platform that called us, where there is one.
async fn register(variables: &Variables) -> Result<(), String> {
    let (Some(root), Some(folder)) = (variables.vrooli_root(), variables.resource_dir()) else {
        return Ok(());
    };
    let script = root.join("scripts/lib/resources/install-resource-cli.sh");
    if !script.exists() {
        return Ok(());
    }
    let executable = fs::metadata(&script).is_ok_and(|it| it.permissions().mode() & 0o111 != 0);
    let mut command = if executable {
        process::command(&script)
    } else {
        let mut bash = process::command("bash");
        bash.arg(&script);
        bash
    };
    let work = process::tool(command.arg(folder));
    match tokio::time::timeout(Duration::from_secs(30), work).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it takes too long".into()),
    }
}
