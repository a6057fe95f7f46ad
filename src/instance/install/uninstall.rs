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
    instance::{backup::restore, bridges, lifecycle::stop, lock, moving},
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
            files::entries(data.root())?.iter().any(|path| !archive::is_kept(data, path))
        }
    })
}

/// Stops everything, then takes it away; none where another uninstall did that meanwhile. `config` is needed
/// to purge: it says which database is ours.
pub(crate) async fn uninstall(
    data: &DataDir,
    config: Option<&Config>,
    what: Data,
    within: Duration,
    on_wait: &mut dyn FnMut(&str),
) -> Result<Option<Uninstalled>, Failure> {
    let deadline = Instant::now() + within;
    let _lock = loop {
        files::private_folder(&data.run())?;
        match lock::wait(data, "manage uninstall", deadline, on_wait).await {
            // Another uninstall took the lock's folder along.
            Err(_) if !data.run().exists() => {
                if !is_needed(data, what)? {
                    return Ok(None);
                }
            }
            lock => break lock?,
        }
    };
    let left = match what {
        Data::Purge { archives } => !archive::erasable(data, archives)?.is_empty(),
        Data::Keep | Data::Aside => is_needed(data, what)?,
    };
    if !left {
        if let Data::Purge { archives } = what {
            archive::erase(data, archives)?;
        }
        return Ok(None);
    }
    stop::ask(data, false, within).await?;
    stop::clear(data).await?;
    let mut done = Uninstalled::default();
    match what {
        Data::Keep => archive::remove_program(data, false)?,
        Data::Aside => {
            let folder = archive::fill(data)?;
            archive::remove_program(data, true)?;
            done.aside = folder.map(|folder| archive::finish(&folder)).transpose()?;
            restore::give_up(data)?;
            moving::import::give_up(data)?;
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
    Ok(Some(done))
}
