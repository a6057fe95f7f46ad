//! Uninstalling. What people wrote is archived, left in place, or erased, as asked; each
//! step can be killed and run again.

use std::{fs, path::PathBuf, time::Duration};

use tokio::time::Instant;

use super::archive;
use crate::{
    config::Config,
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{bridges, lifecycle::stop, lock},
    postgres,
};

/// What happens to users' data, keys, secrets and settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Aside,
    Keep,
    Purge {
        /// Erase the archives of earlier uninstalls as well.
        archives: bool,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Uninstalled {
    /// Where the data are now, if they were set aside.
    pub(crate) aside: Option<PathBuf>,
    /// What was dropped on a shared server.
    pub(crate) dropped: postgres::drop_made::Dropped,
}

/// Whether there is something that [`uninstall`] would do.
pub(crate) fn is_needed(data: &DataDir, what: Data) -> Result<bool, files::Error> {
    let program = data.environments().exists() || data.instance_file().exists();
    Ok(match what {
        Data::Keep => program,
        Data::Aside => {
            program || !archive::data_of(data)?.is_empty() || !archive::moved(data)?.is_empty()
        }
        Data::Purge { archives: true } => data.root().exists(),
        Data::Purge { archives: false } => {
            let kept = data.archives();
            files::entries(data.root())?.iter().any(|path| *path != kept)
        }
    })
}

/// Stops everything, then takes it away. `config` is needed to purge: it says which database is ours.
pub(crate) async fn uninstall(
    data: &DataDir,
    config: Option<&Config>,
    what: Data,
    within: Duration,
) -> Result<Uninstalled, Failure> {
    let deadline = Instant::now() + within;
    files::private_folder(&data.run())?;
    let _lock = lock::wait(data, "manage uninstall", deadline, &mut |_| {}).await?;
    stop::ask(data, false, within).await?;
    stop::clear(data).await?;
    let mut done = Uninstalled::default();
    match what {
        Data::Keep => archive::remove_program(data)?,
        Data::Aside => {
            let folder = archive::fill(data)?;
            archive::remove_program(data)?;
            done.aside = folder.map(|folder| archive::finish(&folder)).transpose()?;
        }
        Data::Purge { archives } => {
            if let Some(config) = config {
                bridges::drop_databases(config, deadline).await?;
                done.dropped = postgres::drop_made(config, deadline).await?;
            }
            archive::erase(data, archives)?;
        }
    }
    if data.sockets() != data.run() {
        files::remove(&data.sockets())?;
    }
    // Only where nothing was set aside or kept is the folder itself of no more use.
    drop(fs::remove_dir(data.root()));
    Ok(done)
}
