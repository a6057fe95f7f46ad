//! The file of each worker, `synapse/workers/NAME.yaml`.

use std::{collections::BTreeSet, fs, path::PathBuf};

use minijinja::context;
use serde::Serialize;
use serde_json::Value;

use super::{Kind, Worker, folder, preset};
use crate::{
    config::{Config, sections::stack::Part},
    data_dir::DataDir,
    files as disk,
    synapse::{Error, template},
};

/// One file, as it would be written.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) worker: Worker,
    pub(crate) text: String,
}

/// A listener of HTTP.
#[derive(Debug, Serialize)]
struct Listener {
    /// Where it listens, as Synapse writes it.
    place: Value,
    resources: Vec<&'static str>,
}

/// Renders the file of each that this machine runs.
pub(crate) fn render(config: &Config, workers: &[Worker]) -> Result<Vec<File>, Error> {
    let data = &config.data;
    let path = |path: PathBuf| path.display().to_string();
    let template = include_str!("../../../templates/worker.yaml.j2");
    let mut all = Vec::new();
    for (index, worker) in super::here(config, workers).into_iter().enumerate() {
        let values = context! {
            name => worker.name(),
            log_config => path(data.log_yaml()),
            listeners => minijinja::value::Serde(listeners(config, worker)),
            metrics_address => config.metrics_address().to_string(),
            metrics_port => config.has(Part::Metrics).then(|| metrics_port(config, index)),
            media => worker.kind == Kind::Media,
        };
        let text = template::fill("worker.yaml.j2", template, &values)?;
        template::parse("worker.yaml", &text)?;
        all.push(File { worker, text });
    }
    Ok(all)
}

/// What it offers, and where: what only it may write is handed to it at the same place where that is
/// the only one that others reach.
fn listeners(config: &Config, worker: Worker) -> Vec<Listener> {
    let mut first = resources(worker.kind, preset::federates(config)).to_vec();
    let (place, replication) = (worker.place(config), worker.replication(config));
    let mut listeners = Vec::new();
    if !worker.kind.facts().streams.is_empty() {
        if replication == place {
            first.push("replication");
        } else {
            let resources = vec!["replication"];
            listeners.push(Listener { place: replication.listener(), resources });
        }
    }
    listeners.insert(0, Listener { place: place.listener(), resources: first });
    listeners
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
        if disk::read_made(&worker.yaml(data))?.as_deref() != Some(text) {
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
