//! The program on disk: the files it reads, its keys, and what its installed version makes of both.

pub(crate) mod appservice;
pub(crate) mod facts;
pub(crate) mod files;
pub(crate) mod foreign;
pub(crate) mod forkserver;
pub(crate) mod keys;
mod known;
mod overrides;
mod revision;
pub(crate) mod script;
pub(crate) mod sealing;
pub(crate) mod sqlite;
pub(crate) mod template;
mod twice;
pub(crate) mod version;
pub(crate) mod workers;

use std::path::PathBuf;

pub(crate) use overrides::paths as own_files;
pub(crate) use revision::{revision, revision_of};

use crate::{
    config::Flaw,
    error::{Explain, Kind},
    files as disk, process,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the template of `{file}` is wrong")]
    Template { file: &'static str, source: minijinja::Error },
    #[error("the rendered `{0}` cannot be read back")]
    Rendered(&'static str, #[source] Box<serde_yaml::Error>),
    #[error("`{}` is not YAML", path.display())]
    Yaml { path: PathBuf, source: Flaw },
    #[error("`{}` must contain Synapse settings as `key: value`", .0.display())]
    Shape(PathBuf),
    #[error("`{key}` in `{}` is managed by this program", path.display())]
    Owned { key: &'static str, path: PathBuf, instead: &'static str },
    #[error("`{key}` in `{}` has a value that Synapse cannot read: {why}", path.display())]
    Misshapen { key: String, path: PathBuf, why: String },
    #[error("Synapse has no setting {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", nor "))]
    Unknown(Vec<known::Unknown>),
    #[error("Synapse refuses its settings: {0}")]
    Refused(String),
    #[error("Synapse cannot say what its workers answer: {0}")]
    NoEndpoints(String),
    #[error("Synapse cannot say what it reads of a bridge: {0}")]
    NoVerdict(String),
    #[error("the database of SQLite cannot be looked into: {0}")]
    Sqlite(String),
    #[error("Synapse's own tool failed: {last}")]
    Tool { last: String, log: PathBuf },
    #[error("this Synapse cannot be imported: {0}")]
    NotImported(String),
    #[error("the key in `{}` is empty or damaged", .0.display())]
    BadKey(PathBuf),
    #[error(transparent)]
    Workers(#[from] workers::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    File(#[from] disk::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Template { .. } | Self::Rendered(..) => Kind::Bug,
            Self::Yaml { .. }
            | Self::Shape(_)
            | Self::Owned { .. }
            | Self::Misshapen { .. }
            | Self::Unknown(_)
            | Self::Refused(_)
            | Self::Workers(_) => Kind::Setting,
            Self::NoEndpoints(_)
            | Self::NoVerdict(_)
            | Self::Sqlite(_)
            | Self::Tool { .. }
            | Self::NotImported(_)
            | Self::BadKey(_)
            | Self::Process(_)
            | Self::File(_) => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Owned { instead, .. } => Some((*instead).to_owned()),
            Self::Yaml { .. } | Self::Shape(_) | Self::Unknown(_) | Self::Misshapen { .. } => {
                Some("correct it there; `config check` looks again".into())
            }
            Self::Refused(_) => {
                Some("`config show` and the files in `homeserver.d` say what is set".into())
            }
            Self::NotImported(_) => {
                Some("run it again: its packages are installed anew then; one that is much older than this program may not work with today's Python and packages".into())
            }
            Self::NoEndpoints(_) | Self::NoVerdict(_) => {
                Some("`manage install --force` installs Synapse anew".into())
            }
            Self::Sqlite(_) => {
                Some("`sqlite3 FILE 'PRAGMA integrity_check'` says whether it is whole".into())
            }
            Self::Tool { log, .. } => Some(format!("`{}` has all it said", log.display())),
            Self::BadKey(_) => Some("put it back from a backup".into()),
            Self::Workers(error) => error.hint(),
            Self::Process(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Template { .. } | Self::Rendered(..) => None,
        }
    }
}
