//! Marks which services have no process: an empty file each. Whoever is about to talk to one sees there
//! that somebody else may have its port.

use std::path::{Path, PathBuf};

use crate::files;

#[derive(Clone)]
pub(super) struct Down(PathBuf);

impl Down {
    /// Below `run`, where nothing of an earlier supervisor stays.
    pub(super) fn anew(run: &Path) -> Result<Self, files::Error> {
        let folder = run.join("down");
        files::remove(&folder)?;
        files::private_folder(&folder)?;
        Ok(Self(folder))
    }

    pub(super) fn of(run: &Path) -> Self {
        Self(run.join("down"))
    }

    pub(super) fn mark(&self, service: &str) {
        let file = self.0.join(service);
        if let Err(error) = files::append(&file) {
            tracing::warn!("`{}` cannot be written: {error}", file.display());
        }
    }

    pub(super) fn clear(&self, service: &str) -> Result<(), files::Error> {
        files::remove(&self.0.join(service))
    }
}
