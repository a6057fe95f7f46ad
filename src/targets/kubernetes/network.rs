//! Who may talk to whom: nobody comes in but those that are named.

use serde_json::{Value, json};

use super::cluster::{BACKUP, Cluster, POSTGRES, PROXY, REDIS, ROLE, SYNAPSE, WORKER};
use crate::{
    config::sections::{kubernetes::Postgres, stack::Part},
    supervisor::kept::INSTANCE,
    synapse::workers::Worker,
};

pub(super) fn policies(cluster: &Cluster<'_>, workers: &[Worker]) -> Vec<Value> {
    let config = cluster.config;
    let of = |roles: &[&str]| -> Vec<Value> {
        let one = |role: &&str| {
            json!({ "podSelector": { "matchLabels": {
                INSTANCE: cluster.prefix,
                ROLE: role,
            } } })
        };
        roles.iter().map(one).collect()
    };
    let ports = |ports: &[u16]| -> Value {
        ports.iter().map(|port| json!({ "protocol": "TCP", "port": port })).collect()
    };
    let policy = |role: &str, rules: Vec<Value>| {
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": cluster.metadata(role),
            "spec": {
                "podSelector": { "matchLabels": {
                    INSTANCE: cluster.prefix,
                    ROLE: role,
                } },
                "policyTypes": ["Ingress"],
                "ingress": rules,
            },
        })
    };
    let mut main = vec![json!({ "from": of(&[SYNAPSE, WORKER, PROXY, BACKUP]) })];
    let metrics = config.server.metrics_port.0;
    if config.kubernetes.monitoring {
        // Whoever collects is in another namespace.
        main.push(json!({ "ports": ports(&[metrics]) }));
    }
    if !config.has(Part::Proxy) {
        main.push(json!({ "ports": ports(&[config.server.port.0]) }));
    }
    let mut all = vec![policy(SYNAPSE, main)];
    if cluster.postgres().is_ok_and(|it| it == Some(Postgres::Own)) {
        let port = ports(&[config.database.embedded_port.0]);
        let rule = json!({ "from": of(&[SYNAPSE, WORKER, BACKUP]), "ports": port });
        all.push(policy(POSTGRES, vec![rule]));
    }
    if crate::redis::is_own(config) {
        let port = ports(&[config.redis.port.0]);
        all.push(policy(REDIS, vec![json!({ "from": of(&[SYNAPSE, WORKER]), "ports": port })]));
    }
    if !workers.is_empty() {
        let mut rules = vec![json!({ "from": of(&[SYNAPSE, WORKER, PROXY]) })];
        if config.has(Part::Metrics) && config.kubernetes.monitoring {
            let port = crate::synapse::workers::metrics_port(config, 0);
            rules.push(json!({ "ports": ports(&[port]) }));
        }
        all.push(policy(WORKER, rules));
    }
    if config.has(Part::Proxy) {
        all.push(policy(PROXY, vec![json!({ "ports": ports(&[config.proxy.http_port.0]) })]));
    }
    if config.backup.schedule.is_some() {
        all.push(policy(BACKUP, Vec::new()));
    }
    all
}
