//! Synapse's processes beside the main one, a service each.

use std::{collections::BTreeMap, time::Duration};

use super::{POSTGRES, REDIS};
use crate::{
    config::{
        Config,
        sections::{server::Kind, stack::Part},
        values::shape::Words as _,
    },
    redis, s3,
    supervisor::service::{Condition, Launch, Live, Need, Probe, Service, Signal},
    synapse::{self, workers},
};

/// The tag of them all; each has its kind as another one.
pub(crate) const TAG: &str = "worker";

/// Whether it is a process of the homeserver: the main one or a worker.
pub(crate) fn is_of_homeserver(service: &Service) -> bool {
    Kind::is_service(&service.name) || service.tags.iter().any(|tag| tag == TAG)
}

pub(super) fn services(config: &Config, own: bool) -> Result<Vec<Service>, workers::Error> {
    let here = workers::here(config, &workers::chosen(config)?);
    Ok(here
        .into_iter()
        .enumerate()
        .map(|(index, worker)| service(config, own, index, worker))
        .collect())
}

fn service(config: &Config, own: bool, index: usize, worker: workers::Worker) -> Service {
    let data = &config.data;
    let supervision = &config.supervision;
    let name = worker.name();
    let place = worker.place(config);
    let program = data.synapse_environment().join("bin/python");
    let mut launch = Launch::new(program, data.root())
        .args(["-m", "synapse.app.generic_worker", "-c"])
        .args([data.homeserver_yaml()])
        .args(["-c"])
        .args([worker.yaml(data)]);
    launch.environment.extend(s3::variables(config));
    launch.clears = workers::sockets(config, Some(worker));
    let (url, socket) = place.url("/health");
    let lives = Probe::Http { url, socket, bearer_file: None };
    let mut endpoints = BTreeMap::from([("http".to_owned(), place.endpoint())]);
    if config.has(Part::Metrics) {
        let port = workers::metrics_port(config, index);
        let url = format!("http://127.0.0.1:{port}/_synapse/metrics");
        endpoints.insert("metrics".to_owned(), url);
    }
    // The main process looks after the tables, so it comes first. On another machine it is there.
    let mut needs = Vec::new();
    if !config.is_joined() {
        needs.push(Need::new(super::homeserver(config), Condition::Healthy));
    }
    if redis::is_own(config) {
        needs.push(Need::new(REDIS, Condition::Healthy));
    }
    if own {
        needs.push(Need::new(POSTGRES, Condition::Healthy));
    }
    Service {
        summary: format!("Synapse: {}", worker.kind.facts().summary),
        tags: vec![TAG.to_owned(), worker.kind.word().to_owned()],
        needs,
        launch,
        revision: synapse::revision(data, Some(worker)),
        reload: None,
        ready: vec![Probe::Notify, lives.clone()],
        live: vec![Live {
            probe: lives,
            interval: supervision.probe_interval.0.max(Duration::from_secs(1)),
            restart_after: Some(supervision.hung_after.0),
        }],
        restart: super::restart(config),
        stop: vec![(Signal::TERM, supervision.stop_timeout.0)],
        endpoints,
        starter: None,
        name,
    }
}
