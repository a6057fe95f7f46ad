//! Synapse's main process with all that belongs beside it, its workers, and the proxy in front.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    backup,
    cluster::{Cluster, PROXY, SYNAPSE, WORKER, claim, is_with_homeserver},
    pod::{Container, LARGE, MIDDLE, Pod, SMALL, asks, runs, stateful, template},
};
use crate::{
    config::sections::{stack::Part, workers::Kind},
    services,
    supervisor::service::Service,
    synapse::workers::{self, Worker},
    targets::{ACCOUNT, PREPARE},
};

/// How long a start may take where the tables are changed for a new version: an hour.
const MIGRATES: u32 = 720;

/// What is ready as soon as it answers, and started anew when it does not for minutes.
fn answers(port: u16) -> Vec<(&'static str, Value)> {
    vec![
        ("startupProbe", asks("/health", port, 5, MIGRATES)),
        ("readinessProbe", asks("/health", port, 10, 3)),
        ("livenessProbe", asks("/health", port, 30, 6)),
    ]
}

/// The pod of the homeserver: `list` are all services, of which it has those that want its folder.
pub(super) fn synapse(cluster: &Cluster<'_>, list: &[Service]) -> Vec<Value> {
    let config = cluster.config;
    let server = &config.server;
    let mut ports = vec![("http", server.port.0), ("metrics", server.metrics_port.0)];
    if config.has(Part::Workers) {
        ports.push(("replication", config.workers.port.0));
    }
    let (volume, mount) = backup::volume(cluster).unzip();
    let main = Container {
        mounts: mount.into_iter().collect(),
        ports: ports.clone(),
        probes: answers(server.port.0),
        ..Container::unit(services::SYNAPSE, LARGE)
    };
    let mut containers = vec![main];
    for service in list.iter().filter(|it| is_beside(it)) {
        let name = service.name.as_str();
        let is_worker = service.tags.iter().any(|tag| tag == services::WORKER);
        let mut container = Container::unit(name, if is_worker { MIDDLE } else { SMALL });
        let port = match name {
            services::HOOKS => Some(("hooks", config.hooks.port.0)),
            services::RELAY => Some(("relay", config.relay.port.0)),
            _ if is_worker => Some(("media", media_port(cluster))),
            _ => None,
        };
        if let Some((name, port)) = port {
            container.ports.push((name, port));
            ports.push((name, port));
        }
        if is_worker {
            container.probes = answers(media_port(cluster));
        } else if service.live.iter().any(|live| live.probe.can_be_asked()) {
            container.probes = vec![("readinessProbe", runs(name, 10, 3))];
        }
        containers.push(container);
    }
    // Once is enough, and a container has to go on. The first process of one hears only what it asks to hear.
    let account = format!(
        "trap 'exit 0' TERM; until resource-matrix-synapse daemon unit {ACCOUNT}; do sleep 3 & wait $!; done; sleep infinity & wait"
    );
    containers.push(Container {
        words: ["sh", "-c", &account].map(str::to_owned).into(),
        ..Container::unit(ACCOUNT, SMALL)
    });
    let pod = Pod {
        part: SYNAPSE,
        role: SYNAPSE,
        prepares: services::SYNAPSE,
        prepares_with: None,
        containers,
        keeps: true,
        patience: config.supervision.stop_timeout.0.as_secs().max(30),
        volumes: volume.into_iter().collect(),
    };
    let volume = claim(cluster, config.kubernetes.storage.0);
    vec![cluster.service(SYNAPSE, &ports), stateful(cluster, &pod, Some(volume))]
}

/// Whether there is a container of it that runs on.
pub(super) fn is_shown(service: &Service) -> bool {
    let once = [PREPARE, ACCOUNT, services::BACKUPS, services::DATABASE];
    !once.contains(&service.name.as_str())
}

/// Whether it has to be where the homeserver's folder is: all that is no pod of its own.
fn is_beside(service: &Service) -> bool {
    let apart = [services::POSTGRES, services::REDIS, services::SYNAPSE, services::PROXY];
    let is_worker = service.tags.iter().any(|tag| tag == services::WORKER);
    let is_media = service.tags.iter().any(|tag| tag == "media");
    let name = service.name.as_str();
    is_shown(service) && !apart.contains(&name) && (!is_worker || is_media)
}

fn media_port(cluster: &Cluster<'_>) -> u16 {
    Worker { kind: Kind::Media, number: 1 }.named_port(cluster.config)
}

pub(super) fn workers(cluster: &Cluster<'_>, all: &[Worker]) -> Vec<Value> {
    let config = cluster.config;
    // Those that scale share what they are made from.
    let mut parts: BTreeMap<String, Worker> = BTreeMap::new();
    for worker in all.iter().filter(|it| !is_with_homeserver(**it)) {
        parts.entry(cluster.part(*worker)).or_insert(*worker);
    }
    let mut objects = Vec::new();
    for (part, worker) in parts {
        let port = worker.named_port(config);
        let mut ports = vec![("http", port)];
        if config.has(Part::Metrics) {
            ports.push(("metrics", workers::metrics_port(config, 0)));
        }
        objects.push(cluster.service(&part, &ports));
        let mut container = Container {
            ports,
            probes: answers(port),
            environment: vec![(HERE, worker.name())],
            ..Container::unit(&part, MIDDLE)
        };
        let mut prepares_with = None;
        if cluster.scales(worker) {
            // The pods are counted from 0, and workers from 1.
            let number =
                "export MATRIX_SYNAPSE_WORKERS_HERE=\"$RMS_KIND-$((${HOSTNAME##*-} + 1))\"";
            let words = |verb: &str| -> Vec<String> {
                let line = format!(
                    "{number}; exec resource-matrix-synapse daemon {verb} \"$MATRIX_SYNAPSE_WORKERS_HERE\""
                );
                ["sh", "-c", &line].map(str::to_owned).into()
            };
            container.environment = vec![("RMS_KIND", part.clone())];
            container.words = words("unit");
            prepares_with = Some(words("pod"));
        } else {
            container.words = ["daemon", "unit", &worker.name()].map(str::to_owned).into();
        }
        let name = worker.name();
        let pod = Pod {
            part: &part,
            role: WORKER,
            prepares: &name,
            prepares_with,
            containers: vec![container],
            keeps: false,
            patience: config.supervision.stop_timeout.0.as_secs().max(30),
            volumes: Vec::new(),
        };
        let mut set = stateful(cluster, &pod, None);
        if cluster.scales(worker) {
            // How many there are is said by the one that follows.
            if let Some(spec) = set["spec"].as_object_mut() {
                spec.remove("replicas");
            }
            objects.extend([set, scaler(cluster, &part), budget(cluster, &part)]);
        } else {
            objects.push(set);
        }
    }
    objects
}

const HERE: &str = "MATRIX_SYNAPSE_WORKERS_HERE";

/// More pods of readers while these are busy. No stream is written by any of them.
fn scaler(cluster: &Cluster<'_>, part: &str) -> Value {
    let workers = &cluster.config.workers;
    let seconds = workers.autoscale_window.0.as_secs().min(3600);
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": cluster.metadata(part),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "name": cluster.name(part),
            },
            "minReplicas": workers.autoscale_min.max(1),
            "maxReplicas": workers.autoscale_max.max(workers.autoscale_min).max(1),
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {
                        "type": "AverageValue",
                        // Of a core, as the setting has it.
                        "averageValue": format!("{}m", workers.autoscale_cpu_percent.0 * 10),
                    },
                },
            }],
            "behavior": {
                "scaleUp": { "stabilizationWindowSeconds": seconds },
                "scaleDown": { "stabilizationWindowSeconds": (seconds * 3).min(3600) },
            },
        },
    })
}

/// At most one of them is taken away at a time.
fn budget(cluster: &Cluster<'_>, part: &str) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": cluster.metadata(part),
        "spec": {
            "maxUnavailable": 1,
            "selector": { "matchLabels": cluster.selector(part) },
        },
    })
}

pub(super) fn proxy(cluster: &Cluster<'_>) -> Vec<Value> {
    let config = cluster.config;
    let port = config.proxy.http_port.0;
    let name = services::PROXY;
    let container = Container {
        ports: vec![("http", port)],
        probes: vec![
            ("startupProbe", asks("/health", port, 3, 100)),
            ("readinessProbe", asks("/health", port, 10, 3)),
            ("livenessProbe", asks("/health", port, 30, 5)),
        ],
        // Until nobody sends requests here any more; then those under way are ended.
        before_stop: Some("sleep 5; kill -QUIT 1; sleep 5"),
        ..Container::unit(name, SMALL)
    };
    let pod = Pod { patience: 60, ..Pod::of(PROXY, name, container) };
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": cluster.metadata(PROXY),
        "spec": {
            "replicas": config.kubernetes.proxies,
            "selector": { "matchLabels": cluster.selector(PROXY) },
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 },
            },
            "template": template(cluster, &pod),
        },
    });
    vec![cluster.service(PROXY, &[("http", port)]), deployment, budget(cluster, PROXY)]
}
