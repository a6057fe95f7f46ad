//! Which layer a value of a setting came from.

use std::fmt;

use serde::Serialize;

/// Where a value came from, the strongest last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "from", content = "name")]
pub(crate) enum Source {
    Default,
    /// What Vrooli provides: the file.
    Vrooli(String),
    SettingsFile,
    /// The profile of the operator's own.
    Profile(String),
    SecretFile,
    /// `.env` or `.env.local`.
    EnvFile(&'static str),
    /// The variable.
    Environment(String),
    Flag,
    /// A word of a command's own that stands for `--set`: what was typed.
    Word(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Vrooli(file) => write!(f, "Vrooli: {file}"),
            Self::SettingsFile => f.write_str("settings.yaml"),
            Self::Profile(name) => write!(f, "profile {name} in settings.yaml"),
            Self::SecretFile => f.write_str("secrets folder"),
            Self::EnvFile(file) => f.write_str(file),
            Self::Environment(variable) => write!(f, "variable {variable}"),
            Self::Flag => f.write_str("--set"),
            Self::Word(word) => f.write_str(word),
        }
    }
}
