//! The script of the process that imports Synapse and forks others.

use std::path::PathBuf;

use crate::data_dir::DataDir;

/// It gets its socket and the names of modules; what it answers to says its head.
pub(crate) const SCRIPT: &str = include_str!("forkserver.py");

/// Where it is asked for a process.
pub(crate) fn socket(data: &DataDir) -> PathBuf {
    data.sockets().join("forkserver.sock")
}
