//! What a process of Synapse has read, as a short text: another one, and it has to be started anew.

use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    files::Rendered,
    overrides,
    workers::{self, Worker},
};
use crate::{data_dir::DataDir, files as disk};

/// Of the files that are in place now; `worker` is none for the main process. Empty where there are
/// none yet.
pub(crate) fn revision(data: &DataDir, worker: Option<Worker>) -> String {
    let read = |path: &Path| disk::read_if_exists(path).ok().flatten();
    let Some(homeserver) = read(&data.homeserver_yaml()) else { return String::new() };
    let own = worker.and_then(|worker| read(&worker.yaml(data)));
    of(&homeserver, &read(&data.log_yaml()).unwrap_or_default(), own.as_deref(), worker)
}

/// Of files that would be written.
pub(crate) fn revision_of(rendered: &Rendered, worker: Option<Worker>) -> String {
    let own = rendered.workers.iter().find(|file| Some(file.worker) == worker);
    of(&rendered.homeserver, &rendered.log, own.map(|file| file.text.as_str()), worker)
}

fn of(homeserver: &str, log: &str, own: Option<&str>, worker: Option<Worker>) -> String {
    let document: Value = overrides::parse(homeserver).unwrap_or_default();
    let matters = workers::matters_to(&document, worker.map(Worker::name).as_deref());
    let hash = Sha256::new()
        .chain_update(matters.to_string())
        .chain_update(log)
        .chain_update(own.unwrap_or_default())
        .finalize();
    HEXLOWER.encode(&hash[..16])
}
