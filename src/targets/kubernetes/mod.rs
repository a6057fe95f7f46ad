//! Objects for a cluster of Kubernetes: PostgreSQL, Redis, the homeserver, each worker and the proxy in pods of their
//! own, which find each other by the names of their services. All are of one image; a pod takes its settings from a
//! `ConfigMap` and its secrets from a `Secret` into a data folder of its own, and then becomes the service that is named.
//!
//! Source: the [Kubernetes API](https://kubernetes.io/docs/reference/kubernetes-api/), 1.25 and later.

use serde_json::{Value, json};

use super::Written;
use crate::{
    config::{
        Config,
        sections::{
            kubernetes::{Entrance, Postgres},
            stack::Part,
        },
    },
    error::Failure,
    files, redis, services,
    supervisor::{
        kept::{MADE_BY, MAKER},
        service::Service,
    },
    synapse::workers,
};

mod backup;
mod cluster;
mod database;
mod entrance;
mod fits;
mod homeserver;
mod monitoring;
mod network;
mod pod;
mod settings;
#[cfg(test)]
mod tests;

use cluster::Cluster;
pub(crate) use cluster::{GIVEN, OVERRIDE, SECRETS, SETTINGS};
pub(super) use settings::make;
pub(crate) use settings::public_url;

/// The file of the secrets, which only its owner may read.
const SECRET_FILE: &str = "1-secrets";

/// The files, in the order in which they are to be applied. With secrets, these are among them.
pub(super) fn render(
    config: &Config,
    list: &[Service],
    with_secrets: bool,
) -> Result<Vec<Written>, Failure> {
    fits::check(config)?;
    let mut cluster = Cluster::of(config)?;
    settings::complete(&mut cluster)?;
    let workers = workers::chosen(config)?;
    let mut parts: Vec<(&str, Vec<Value>)> = vec![
        ("0-namespace", vec![namespace(&cluster)]),
        ("1-settings", vec![settings::map(&cluster)]),
    ];
    if with_secrets {
        parts.push((SECRET_FILE, settings::secrets(&cluster)?));
    }
    parts.push(("2-network", network::policies(&cluster, &workers)));
    if cluster.postgres()?.is_some() {
        parts.push(("3-postgres", database::postgres(&cluster)));
    }
    if redis::is_own(config) {
        parts.push(("3-redis", database::redis(&cluster)));
    }
    let kept = backup::objects(&cluster);
    if !kept.is_empty() {
        parts.push(("3-backup", kept));
    }
    parts.push(("4-synapse", homeserver::synapse(&cluster, list)));
    if config.has(Part::Workers) {
        parts.push(("5-workers", homeserver::workers(&cluster, &workers)));
    }
    if config.has(Part::Proxy) {
        parts.push(("6-proxy", homeserver::proxy(&cluster)));
    }
    if config.kubernetes.entrance != Entrance::None {
        parts.push(("7-entrance", entrance::objects(&cluster)));
    }
    if config.kubernetes.monitoring {
        parts.push(("9-monitoring", monitoring::objects(&cluster)));
    }
    let written = |(name, objects): (&str, Vec<Value>)| {
        let texts: Result<Vec<String>, _> = objects.iter().map(serde_yaml::to_string).collect();
        let texts = texts.map_err(|error| Failure::setting(error.to_string()))?;
        let path = format!("{}-{name}.yaml", cluster.prefix);
        let written = Written::marked(path, &texts.join("---\n"));
        let mode = if name == SECRET_FILE { files::PRIVATE } else { written.mode };
        Ok(Written { mode, ..written })
    };
    parts.into_iter().map(written).collect()
}

fn namespace(cluster: &Cluster<'_>) -> Value {
    // Whoever may make a pod here makes one that can do little (Pod Security Standards).
    let labels = json!({
        MADE_BY: MAKER,
        "pod-security.kubernetes.io/enforce": "restricted",
    });
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": cluster.namespace(), "labels": labels },
    })
}

/// What has to be there before anything else.
pub(super) fn first(config: &Config) -> Result<Value, Failure> {
    Ok(namespace(&Cluster::of(config)?))
}

/// The secrets, which are in no file.
pub(super) fn secrets(config: &Config) -> Result<Vec<Value>, Failure> {
    settings::secrets(&Cluster::of(config)?)
}

/// What everything is named after, and the services that a cluster says something of.
pub(super) fn pods(config: &Config, list: &[Service]) -> Result<(String, Vec<Service>), Failure> {
    let cluster = Cluster::of(config)?;
    let is_ours = cluster.postgres()? == Some(Postgres::Own);
    let workers = workers::chosen(config)?;
    let mut pods: Vec<Service> = Vec::new();
    for service in list {
        let mut service = service.clone();
        if let Some(worker) = workers.iter().find(|worker| worker.name() == service.name) {
            service.name = cluster.part(*worker);
        }
        let is_pod =
            homeserver::is_shown(&service) && (is_ours || service.name != services::POSTGRES);
        if is_pod && !pods.iter().any(|it| it.name == service.name) {
            // The cluster asks them, and there they are reached.
            service.live.clear();
            service.endpoints = cluster.endpoints(&service.name);
            pods.push(service);
        }
    }
    Ok((cluster.prefix, pods))
}
