//! What a data folder is: a homeserver, workers of one elsewhere, or nothing yet. Asked before anything else.

use std::path::PathBuf;

use crate::{
    config::Config,
    data_dir::DataDir,
    error::{Explain, Failure, Kind},
    supervisor::kept::{Keeper, Kept},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the homeserver is not installed in `{}`", .0.display())]
    NotInstalled(PathBuf),
    #[error(
        "{} keeps the services of this homeserver, and this is for those that this program keeps itself",
        .0.name()
    )]
    Kept(Box<Keeper>),
    #[error("the homeserver is in a cluster of Kubernetes, and here are its settings alone")]
    InCluster { shell: String },
    #[error("this data folder is for workers of a homeserver elsewhere")]
    IsJoined,
    #[error("`{0}` is a setting of the homeserver, and this data folder is for workers of it")]
    OfTheHomeserver(&'static str),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        Kind::Request
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::InCluster { shell } => {
                    return Some(format!("put before it, it is typed there: `{shell}`"));
                }
                Self::NotInstalled(_) => "`manage install --start` installs and starts it",
                Self::Kept(keeper) if matches!(**keeper, Keeper::Kubernetes(_)) => {
                    "a change of the settings or of the image is taken there by `manage install --target kubernetes`"
                }
                Self::Kept(_) => {
                    "`manage install --target native` gives them back to this program, and nothing is lost by that"
                }
                Self::IsJoined => "type it on the machine of the homeserver",
                Self::OfTheHomeserver(_) => {
                    "set it there; `manage join-file` writes a new file, and `manage start --join FILE` takes it in. Only `supervision` is set here"
                }
            }
            .into(),
        )
    }
}

/// How processes are kept is set on each machine.
pub(super) const OF_EACH_MACHINE: &str = "supervision.";

/// Refuses a data folder in which nothing is installed.
pub(crate) fn installed(data: &DataDir) -> Result<(), Error> {
    if data.is_installed() { Ok(()) } else { Err(Error::NotInstalled(data.root().to_owned())) }
}

/// Refuses a homeserver whose services somebody else keeps.
pub(crate) fn kept_by_us(data: &DataDir) -> Result<(), Failure> {
    match Kept::read(data)? {
        Some(kept) => Err(Error::Kept(Box::new(kept.keeper)).into()),
        None => Ok(()),
    }
}

/// Refuses a homeserver that is in a cluster, where what is asked for has to be typed there.
pub(crate) fn here(data: &DataDir) -> Result<(), Failure> {
    match Kept::read(data)?.map(|kept| kept.keeper) {
        Some(Keeper::Kubernetes(cluster)) => {
            Err(Error::InCluster { shell: cluster.shell() }.into())
        }
        _ => Ok(()),
    }
}

/// Refuses one that only runs workers of a homeserver elsewhere.
pub(crate) fn not_joined(config: &Config) -> Result<(), Error> {
    if config.is_joined() { Err(Error::IsJoined) } else { Ok(()) }
}

/// Refuses all but an installed homeserver.
pub(crate) fn homeserver(config: &Config) -> Result<(), Error> {
    not_joined(config)?;
    installed(&config.data)
}

/// What belongs to the homeserver is not set where only workers of it run.
pub(crate) fn may_set(config: &Config, key: &'static str) -> Result<(), Error> {
    if config.is_joined() && !key.starts_with(OF_EACH_MACHINE) {
        return Err(Error::OfTheHomeserver(key));
    }
    Ok(())
}
