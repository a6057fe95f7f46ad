//! What can be wrong with the settings, and what to do about it.

use std::path::PathBuf;

use super::values::source::Source;
use crate::{
    error::{Explain, Kind},
    files,
};

/// What is wrong with YAML, said for whoever wrote it and not for whoever reads it in a program.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Flaw(String);

impl From<serde_yaml::Error> for Flaw {
    fn from(error: serde_yaml::Error) -> Self {
        Self(error.render_with_formatter(&serde_yaml::UserMessageFormatter))
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the setting `{key}` {reason}: it is `{shown}` ({origin})")]
    Value { key: &'static str, shown: String, reason: String, origin: Source },
    #[error("there is no setting `{key}`{}", did_you_mean(.suggestion.as_deref()))]
    Unknown { key: String, suggestion: Option<String> },
    #[error("there is no `{key}`{}", did_you_mean(.suggestion.as_deref()))]
    UnknownKey { key: String, suggestion: Option<String>, known: String },
    #[error("`{path}` {reason}")]
    Entry { path: String, reason: String },
    #[error("`{}` cannot be read as settings", path.display())]
    Yaml { path: PathBuf, source: Flaw },
    #[error("`{}` is not valid JSON", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("`{}` cannot be understood in line {number}", path.display())]
    Line { path: PathBuf, number: usize },
    #[error("`{}` cannot be understood in line {number}", path.display())]
    Assignment { path: PathBuf, number: usize },
    #[error("`{}` must contain sections with settings, such as `server:` with `name: example.org` below it", .0.display())]
    Shape(PathBuf),
    #[error("`{}` does not exist", .0.display())]
    NoEnvFile(PathBuf),
    #[error("the secret `{key}` is in `{}`", path.display())]
    SecretInFile { key: &'static str, path: PathBuf },
    #[error("`{key}` cannot be changed in `{}` without losing other content", path.display())]
    Unedited { key: &'static str, path: PathBuf },
    #[error("`--set {0}` is not KEY=VALUE")]
    Flag(String),
    #[error("`{0}` is not a valid instance name: 1 to 32 of a-z, 0-9 and `-`")]
    InstanceName(String),
    #[error("neither MATRIX_SYNAPSE_DATA_DIR nor HOME is set")]
    NoHome,
    #[error("the data folder `{}` is not an absolute path", .0.display())]
    RelativeDataDir(PathBuf),
    #[error("a settings section and its table differ")]
    Unreadable,
    #[error(transparent)]
    File(#[from] files::Error),
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default()
}

impl Error {
    /// The same, naming what was typed in the place of `--set`.
    #[must_use]
    pub(crate) fn typed(mut self, word: impl Fn(&str) -> Option<&'static str>) -> Self {
        if let Self::Value { key, origin, .. } = &mut self
            && *origin == Source::Flag
            && let Some(word) = word(key)
        {
            *origin = Source::Word(word);
        }
        self
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unreadable => Kind::Bug,
            Self::Flag(_) | Self::NoHome | Self::RelativeDataDir(_) | Self::InstanceName(_) => {
                Kind::Request
            }
            Self::File(error) => error.kind(),
            _ => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Value { key, .. } => Some(format!("`config show {key}` explains it")),
            Self::Unknown { .. } => Some("`config show` lists all settings".into()),
            Self::UnknownKey { known, .. } => Some(format!("there are {known}")),
            Self::Entry { .. } => Some("mend it in `settings.yaml` of the data folder".into()),
            Self::SecretInFile { key, .. } => Some(format!(
                "take it out there and give it with `config set {key}`, which keeps it in a private file"
            )),
            Self::NoHome | Self::RelativeDataDir(_) => {
                Some("set MATRIX_SYNAPSE_DATA_DIR to an absolute path".into())
            }
            Self::File(error) => error.hint(),
            Self::Json { path, .. } if path.ends_with("redis.json") => {
                Some("remove that file; `manage start` with VROOLI_ROOT set writes it again".into())
            }
            Self::Json { .. } | Self::Line { .. } => {
                Some("mend that file, or unset VROOLI_ROOT to do without it".into())
            }
            Self::Assignment { .. } => Some("a line of it is `NAME=value`".into()),
            _ => None,
        }
    }
}
