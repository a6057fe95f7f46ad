//! Moving in: a Synapse that somebody else installed becomes ours, and can be given back. What is theirs is
//! only read.

pub(crate) mod adopt;
pub(crate) mod error;
pub(crate) mod import;

pub(crate) use error::Error;

use crate::{data_dir::DataDir, error::Failure, files};

/// Refuses a data folder in which moving in was interrupted.
pub(crate) fn require_whole(data: &DataDir) -> Result<(), Failure> {
    if let Some(from) = adopt::unfinished(data)? {
        return Err(Error::UnfinishedAdoption(from).into());
    }
    match import::unfinished(data)? {
        Some(file) => Err(Error::UnfinishedImport(file).into()),
        None => Ok(()),
    }
}

/// Waits until what was written is on the disk, before a note says so.
fn sync(data: &DataDir) -> Result<(), files::Error> {
    if let Ok(root) = std::fs::File::open(data.root()) {
        rustix::fs::syncfs(root)
            .map_err(|error| files::Error::io("save", data.root())(error.into()))?;
    }
    Ok(())
}
