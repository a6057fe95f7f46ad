//! What a process of Synapse has read, as a short text: another one, and it has to be started anew.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{files::log_yaml, overrides, workers};
use crate::{config::paths::DataDir, files as disk};

/// Of the files that are in place now; `worker` is none for the main process. Empty where there are
/// none yet.
pub(crate) fn revision(data: &DataDir, worker: Option<workers::Worker>) -> String {
    let read = |path: &Path| disk::read_if_exists(path).ok().flatten();
    let Some(homeserver) = read(&data.homeserver_yaml()) else { return String::new() };
    let document: Value = overrides::parse(&homeserver).unwrap_or_default();
    let matters = workers::matters_to(&document, worker.map(workers::Worker::name).as_deref());
    let own = worker.and_then(|worker| read(&worker.yaml(data))).unwrap_or_default();
    let hash = Sha256::new()
        .chain_update(matters.to_string())
        .chain_update(read(&log_yaml(data)).unwrap_or_default())
        .chain_update(own)
        .finalize();
    hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
