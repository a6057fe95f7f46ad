//! Our own cluster, in the data folder: made once, whole or not at all; run in the foreground by the
//! supervisor, never as root; reached through a socket in a folder of mode 0700, and on loopback with
//! SCRAM for those who cannot use sockets.

use std::path::{Path, PathBuf};

use super::Error;
use crate::{config::Config, data_dir::DataDir};

pub(crate) mod base;
mod binaries;
pub(crate) mod clusters;
mod create;
pub(crate) mod history;
pub(crate) mod major;
pub(crate) mod recover;
mod runner;
mod settings;
mod stray;
mod superuser;
mod temporary;

pub(crate) use binaries::client_programs;
pub(crate) use create::create;
pub(crate) use stray::{answers, ended, running, stop_stray};
pub(super) use superuser::renew_password;
pub(crate) use superuser::{can_be_entered, password_is_lost};
pub(super) use temporary::Temporary;

/// The superuser's name; his password is in `secrets/postgres_superuser_password`.
pub(super) const SUPERUSER: &str = "postgres";

/// The cluster itself.
pub(crate) fn cluster(data: &DataDir) -> PathBuf {
    data.postgres().join("data")
}

/// Where its socket is: a folder of its own, because another account may own it.
pub(crate) fn socket_folder(data: &DataDir) -> PathBuf {
    data.sockets().join("pg")
}

/// Whether the cluster has been made.
pub(crate) fn exists(data: &DataDir) -> bool {
    cluster(data).join("PG_VERSION").exists()
}

/// How to run the server in the foreground. SIGINT stops it without waiting for its clients, SIGQUIT
/// at once, with a recovery at the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// A command that ends with 0 as soon as the server takes connections.
    pub(crate) ready: Vec<String>,
}

/// Makes the cluster ready to be started: what a predecessor left behind is cleared away, and its
/// settings are written. Errors if it is in use ([`stop_stray`] ends a forgotten server).
pub(crate) async fn make_ready(config: &Config) -> Result<(), Error> {
    let data = &config.data;
    if !exists(data) {
        return Err(Error::NoCluster);
    }
    let runner = runner::choose(data).await?;
    stray::clear(data).await?;
    if config.backup.point_in_time {
        history::prepare(data, &runner)?;
    }
    settings::write(config, &runner)
}

/// How the server is started: who runs it, and with what. Errors if the cluster does not exist.
pub(crate) async fn launch(config: &Config) -> Result<Launch, Error> {
    let data = &config.data;
    if !exists(data) {
        return Err(Error::NoCluster);
    }
    let binaries = binaries::find(data).await?;
    let runner = runner::choose(data).await?;
    let cluster = cluster(data).display().to_string();
    let (program, args) = runner.wrap(&binaries.program("postgres"), &["-D", &cluster]);
    let ready = vec![
        binaries.program("pg_isready").display().to_string(),
        "--quiet".into(),
        "--timeout=3".into(),
        format!("--host={}", socket_folder(data).display()),
        format!("--port={}", config.database.embedded_port),
        "--dbname=postgres".into(),
    ];
    // Messages in English, whatever the caller's language: `logs` looks for words in them.
    Ok(Launch { program, args, env: vec![("LC_ALL".into(), "C".into())], ready })
}

/// Whether a new cluster can be made here, and with what; nothing is written.
pub(crate) async fn found(data: &DataDir) -> Result<(PathBuf, u32), Error> {
    let binaries = binaries::find(data).await?;
    Ok((binaries.folder, binaries.major))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
