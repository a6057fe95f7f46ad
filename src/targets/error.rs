//! What can go wrong when somebody else is to keep the services.

use std::path::PathBuf;

use crate::{
    error::{Explain, Kind},
    files, process,
    supervisor::kept,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{} was changed by hand since it was written", list(.0))]
    Edited(Vec<PathBuf>),
    #[error("{} was not written by this program", list(.0))]
    Foreign(Vec<PathBuf>),
    #[error("{0} does not run on this machine")]
    NoKeeper(&'static str),
    #[error("{0} does not answer")]
    NoEngine(&'static str, #[source] process::Error),
    #[error("the cluster refuses, or is not there")]
    Cluster(#[source] process::Error),
    #[error("the homeserver is in a cluster, with its database and media")]
    StaysThere,
    #[error("the homeserver in `{}` is on this machine, with its database and media", .0.display())]
    StaysHere(PathBuf),
    #[error("`{}` is of the homeserver in `{data}`", path.display())]
    Others { path: PathBuf, data: String },
    #[error("the path `{}` has `{sign}`, which means something else where containers are described", path.display())]
    Path { path: PathBuf, sign: char },
    #[error("for `{0}` only files are written")]
    OnlyFiles(&'static str),
    #[error("the units are the system's, which only root starts and stops")]
    NotRoot,
    #[error("`{service}` has failed{}", tail(words))]
    Failed { service: String, words: String },
    #[error("`{service}` is not ready after {seconds} s{}", tail(why))]
    Slow { service: String, seconds: u64, why: String },
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Kept(#[from] kept::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

fn list(paths: &[PathBuf]) -> String {
    let words: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    words.join(", ")
}

fn tail(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Edited(_) | Self::Foreign(_) | Self::Others { .. } => Kind::Request,
            Self::NotRoot | Self::OnlyFiles(_) => Kind::Request,
            Self::StaysHere(_) | Self::StaysThere | Self::Path { .. } => Kind::Request,
            Self::Cluster(_)
            | Self::NoEngine(..)
            | Self::NoKeeper(_)
            | Self::Failed { .. }
            | Self::Slow { .. } => Kind::Environment,
            Self::Process(error) => error.kind(),
            Self::Kept(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Edited(_) => Some(
                "`--diff` shows what would change, `--force` writes over it; what is to stay different belongs into a file of your own beside it: of a unit `NAME.service.d/own.conf`, of Compose `compose.override.yaml`".into(),
            ),
            Self::Others { .. } => Some(
                "both data folders have the same name, after which all is named: rename one; where that homeserver is gone, `--force` writes over it".into(),
            ),
            Self::Path { .. } => {
                Some("move it to a path without that; `--data-dir` and `backup.to` name one".into())
            }
            Self::Foreign(_) => {
                Some("another folder with `--out`, or `--force`, which writes over it".into())
            }
            Self::NoEngine(_, late @ process::Error::Late { .. }) => late.hint(),
            Self::NoEngine(..) => {
                Some("`apt-get install docker.io docker-compose-v2` installs it, `systemctl start docker` starts it, and `DOCKER_HOST` says where it listens; this account must be in the group `docker`".into())
            }
            Self::Cluster(_) => Some(
                "`kubectl config get-contexts` lists clusters, `config set kubernetes.context NAME` takes one; `kubectl auth can-i --list` says what you may do there; a field that somebody else has set is taken back with `--force`".into(),
            ),
            Self::NoKeeper(_) => {
                Some("`manage render --target TARGET --out FOLDER` writes the files for another machine".into())
            }
            Self::StaysThere => Some(
                "another keeper would begin an empty one of the same name; `manage uninstall` takes it out of the cluster, and leaves its volumes there".into(),
            ),
            Self::StaysHere(_) => Some(
                "in a cluster an empty one of the same name would begin; `--instance NAME` makes another one there".into(),
            ),
            Self::OnlyFiles(_) => Some("`manage render` writes them".into()),
            Self::NotRoot => Some("the same as root, with `--data-dir` for this data folder".into()),
            Self::Failed { service, .. } | Self::Slow { service, .. } => {
                Some(format!("`logs {service}` shows what it wrote"))
            }
            Self::Process(error) => error.hint(),
            Self::Kept(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}
