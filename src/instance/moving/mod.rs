//! Moving in: a Synapse that somebody else installed becomes ours, and can be given back. What is theirs is
//! only read.

pub(crate) mod adopt;
pub(crate) mod error;
pub(crate) mod import;

pub(crate) use error::Error;

use crate::{data_dir::DataDir, error::Failure};

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
