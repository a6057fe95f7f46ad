//! What can go wrong with a Python environment.

use std::path::PathBuf;

use crate::{
    error::{Explain, Kind},
    files, process,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("this machine has no Python 3.10 or newer{}", found(.0.as_deref()))]
    NoPython(Option<String>),
    #[error("`{}` cannot make private environments: its `venv` or `ensurepip` is missing", python.display())]
    NoVenv { python: PathBuf, version: String },
    #[error("`{0}` is not a version of Synapse")]
    Version(String),
    #[error("there is no Synapse {0} to be had for this machine")]
    NoSynapse(String),
    #[error("the folder of wheels `{}` does not exist", .0.display())]
    NoWheels(PathBuf),
    #[error("the packages of `{set}` cannot be installed: {last_words}")]
    Install { set: &'static str, last_words: String, log: PathBuf },
    #[error("line {line} of `{}` cannot be used: {why}", path.display())]
    Lock { path: PathBuf, line: usize, why: String },
    #[error("the packages of Synapse {0} cannot be pinned by their hashes")]
    Unlocked(String),
    #[error("`synapse.modules` brings `{name}` {theirs}, and Synapse has {ours}")]
    Clash { name: String, theirs: String, ours: String },
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

fn found(version: Option<&str>) -> String {
    version.map(|version| format!(", only {version}")).unwrap_or_default()
}

impl Error {
    /// Whether another tool would meet the same.
    pub(super) fn is_full_disk(&self) -> bool {
        match self {
            Self::Install { last_words, .. } => last_words.contains("No space left on device"),
            Self::File(error) => error.is_full_disk(),
            _ => false,
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Version(_) | Self::NoSynapse(_) | Self::NoWheels(_) => Kind::Request,
            Self::Lock { .. } | Self::Clash { .. } => Kind::Setting,
            _ => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoPython(_) => Some("`apt-get install python3 python3-venv` installs it".into()),
            Self::NoVenv { version, .. } => Some(format!(
                "`apt-get install python3-venv` (or `python{version}-venv`) installs it"
            )),
            Self::Version(_) => Some("write it as in `--synapse-version 1.163.2`".into()),
            Self::NoSynapse(_) => {
                Some("https://pypi.org/project/matrix-synapse/#history lists all versions".into())
            }
            Self::NoWheels(_) => Some("name the folder that `pip download` filled".into()),
            Self::Install { .. } if self.is_full_disk() => Some(files::FREE_SPACE.into()),
            Self::Install { log, .. } => Some(format!(
                "`{}` has the whole output; run it again once that is fixed",
                log.display()
            )),
            Self::Unlocked(_) => {
                Some("install uv, or a pip of version 22.2 or newer, then run it again".into())
            }
            Self::Lock { .. } => {
                Some("`uv pip compile --generate-hashes` writes such a list".into())
            }
            Self::Clash { name, ours, .. } => Some(format!(
                "lock the modules with `{name}=={ours}`: `uv pip compile --constraint FILE` takes what Synapse has"
            )),
            Self::Process(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}
