//! What can be wrong with the settings, and what to do about it.

use std::path::{Path, PathBuf};

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
    /// The settings file says what no setting can be.
    #[error("{}{error}", place(error))]
    InFile { path: PathBuf, error: Box<Self> },
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

pub(crate) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default()
}

/// A value says itself where it is from.
fn place(error: &Error) -> &'static str {
    if matches!(error, Error::Unknown { .. }) { "`settings.yaml`: " } else { "" }
}

impl Error {
    /// The same as an error of the settings file, if it is one: no command that reads the settings works
    /// before that file is mended.
    #[must_use]
    pub(super) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Unknown { .. }
            | Self::Value { origin: Source::SettingsFile | Source::Profile(_), .. } => {
                Self::InFile { path: path.to_owned(), error: Box::new(self) }
            }
            other => other,
        }
    }

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
            Self::Value { key, origin, .. } => Some(match origin {
                Source::Environment(variable) => format!("correct or unset {variable}"),
                Source::EnvFile(file) => format!("correct it in `{file}` of the data folder"),
                Source::SecretFile => format!("`config set {key}` takes another one"),
                _ => format!("`config show {key}` explains it"),
            }),
            Self::InFile { path, error } => Some(match &**error {
                Self::Value { key, origin: Source::SettingsFile, .. } => {
                    format!(
                        "`config set {key} VALUE` sets another, or correct it in `{}`",
                        path.display()
                    )
                }
                Self::Value { key, .. } => format!("correct `{key}` in `{}`", path.display()),
                _ => format!("correct it in `{}`", path.display()),
            }),
            Self::Yaml { path, .. } => Some(format!(
                "correct `{}` there: a section is `server:`, and below it, two blanks further in, `port: 8008`",
                path.display()
            )),
            Self::Unknown { .. } => Some("`config show` lists all settings".into()),
            Self::UnknownKey { known, .. } => Some(format!("there are {known}")),
            Self::Entry { .. } => Some("mend it in `settings.yaml` of the data folder".into()),
            Self::SecretInFile { key, .. } => Some(format!(
                "take it out there and give it with `config set {key}`, which keeps it in a private file"
            )),
            Self::InstanceName(_) => Some("`--instance test-2` is one".into()),
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
