//! How to install.

use std::path::PathBuf;

use crate::{config::Config, synapse::version};

#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Recreate everything that can be recreated: the environment and Synapse's files.
    pub(crate) force: bool,
    /// Do not let Synapse check the rendered settings.
    pub(crate) skip_validation: bool,
    /// A folder of wheels to install from.
    pub(crate) offline: Option<PathBuf>,
    pub(crate) fresh_keys: bool,
    /// It is started afterwards.
    pub(crate) start: bool,
    /// An archive of an uninstall.
    pub(crate) restore: Option<PathBuf>,
    /// The version of Synapse; without it the one that is installed stays, and the settings say which one comes
    /// where none is.
    pub(crate) version: Option<String>,
    /// That archive is moved, not copied.
    pub(crate) moves: bool,
}

impl Options {
    /// The version of Synapse that is there afterwards.
    pub(super) fn version(&self, config: &Config) -> String {
        self.version.clone().unwrap_or_else(|| version::kept(config))
    }
}
