//! Marks which services have no process: an empty file each. Whoever is about to talk to one sees there
//! that somebody else may have its port.

use crate::{data_dir::DataDir, files};

#[derive(Clone)]
pub(crate) struct Down(DataDir);

impl Down {
    /// Nothing of an earlier supervisor stays.
    pub(crate) fn anew(data: &DataDir) -> Result<Self, files::Error> {
        let folder = data.down_marks();
        files::remove(&folder)?;
        files::private_folder(&folder)?;
        Ok(Self::of(data))
    }

    pub(crate) fn of(data: &DataDir) -> Self {
        Self(data.clone())
    }

    pub(crate) fn mark(&self, service: &str) {
        let file = self.0.down(service);
        if let Err(error) = files::append(&file) {
            tracing::warn!("`{}` cannot be written: {error}", file.display());
        }
    }

    pub(crate) fn clear(&self, service: &str) -> Result<(), files::Error> {
        files::remove(&self.0.down(service))
    }
}
