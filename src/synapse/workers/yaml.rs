//! The file of each worker, `synapse/workers/NAME.yaml`.

use std::{collections::BTreeSet, fs, path::PathBuf};

use minijinja::context;

use super::{Kind, Worker, folder, preset};
use crate::{
    config::{Config, paths::DataDir, stack::Part},
    files as disk,
    synapse::{Error, files},
};

/// One file, as it would be written.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) worker: Worker,
    pub(crate) text: String,
}

/// Renders the file of each.
pub(crate) fn render(config: &Config, workers: &[Worker]) -> Result<Vec<File>, Error> {
    let data = &config.data;
    let path = |path: PathBuf| path.display().to_string();
    let template = include_str!("../../../templates/worker.yaml.j2");
    let mut all = Vec::new();
    for (index, worker) in workers.iter().copied().enumerate() {
        let writes = !worker.kind.facts().streams.is_empty();
        let values = context! {
            name => worker.name(),
            log_config => path(files::log_yaml(data)),
            socket => path(worker.socket(data)),
            resources => minijinja::value::Serde(resources(worker.kind, preset::federates(config))),
            replication_socket => writes.then(|| path(worker.replication_socket(data))),
            metrics_port => config.has(Part::Metrics).then(|| metrics_port(config, index)),
            media => worker.kind == Kind::Media,
        };
        let text = files::fill("worker.yaml.j2", template, &values)?;
        files::parse("worker.yaml", &text)?;
        all.push(File { worker, text });
    }
    Ok(all)
}

/// The port of the metrics of the worker that stands there in the list.
pub(crate) fn metrics_port(config: &Config, index: usize) -> u16 {
    let index = u16::try_from(index).unwrap_or(u16::MAX);
    config.workers.metrics_port.0.saturating_add(index)
}

/// What its listener offers. `/health` is always there.
fn resources(kind: Kind, federates: bool) -> &'static [&'static str] {
    match kind {
        Kind::Generic if federates => &["client", "federation"],
        Kind::Media => &["media"],
        Kind::FederationReader | Kind::FederationInbound => &["federation"],
        kind if kind.facts().http => &["client"],
        _ => &["health"],
    }
}

/// Puts the files in place and takes away those of workers that are no more; true if that changed
/// something.
pub(crate) fn write(data: &DataDir, all: &[File]) -> Result<bool, Error> {
    let mut changed = false;
    let folder = folder(data);
    if !all.is_empty() {
        disk::private_folder(&folder)?;
    }
    for File { worker, text } in all {
        changed |= disk::write_if_changed(&worker.yaml(data), text.as_bytes(), disk::PRIVATE)?;
    }
    for path in left_over(data, all) {
        disk::remove(&path)?;
        changed = true;
    }
    Ok(changed)
}

/// Whether the installed files are these and no others.
pub(crate) fn are_current(data: &DataDir, all: &[File]) -> Result<bool, Error> {
    for File { worker, text } in all {
        if disk::read_if_exists(&worker.yaml(data))?.as_deref() != Some(text) {
            return Ok(false);
        }
    }
    Ok(left_over(data, all).is_empty())
}

fn left_over(data: &DataDir, all: &[File]) -> Vec<PathBuf> {
    let wanted: BTreeSet<PathBuf> = all.iter().map(|file| file.worker.yaml(data)).collect();
    let there = fs::read_dir(folder(data)).into_iter().flatten().flatten();
    there.map(|entry| entry.path()).filter(|path| !wanted.contains(path)).collect()
}
