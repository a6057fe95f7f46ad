//! PostgreSQL and Redis in the cluster.

use serde_json::{Value, json};

use super::{
    cluster::{Cluster, POSTGRES, REDIS, claim},
    pod::{Container, LARGE, Pod, SMALL, runs, stateful},
};
use crate::{config::sections::kubernetes::Postgres, services};

pub(super) fn postgres(cluster: &Cluster<'_>) -> Vec<Value> {
    let config = cluster.config;
    let volume = claim(cluster, config.kubernetes.database_storage.0);
    if config.kubernetes.postgres == Postgres::CloudNative {
        return vec![cloud_native(cluster)];
    }
    let port = config.database.embedded_port.0;
    let name = services::POSTGRES;
    let ready = runs(name, 10, 3);
    let container = Container {
        environment: vec![("MATRIX_SYNAPSE_DATABASE", "embedded".to_owned())],
        ports: vec![("postgresql", port)],
        // Coming back after a crash may take as long as there is to read. It is never killed for being busy.
        probes: vec![("startupProbe", runs(name, 5, 720)), ("readinessProbe", ready)],
        // The signal that containers are ended with has it wait for its clients.
        before_stop: Some("kill -INT 1"),
        ..Container::unit(name, LARGE)
    };
    let pod = Pod { keeps: true, patience: 120, ..Pod::of(POSTGRES, name, container) };
    vec![cluster.service(POSTGRES, &[("postgresql", port)]), stateful(cluster, &pod, Some(volume))]
}

/// A cluster of [CloudNativePG](https://cloudnative-pg.io/documentation/current/cloudnative-pg.v1/), with the locale
/// that Synapse wants.
fn cloud_native(cluster: &Cluster<'_>) -> Value {
    let config = cluster.config;
    let mut storage = json!({ "size": config.kubernetes.database_storage.0.to_string() });
    if let Some(class) = &config.kubernetes.storage_class {
        storage["storageClass"] = json!(class);
    }
    json!({
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": cluster.metadata(POSTGRES),
        "spec": {
            "instances": 2,
            "bootstrap": { "initdb": {
                "database": config.database.name.0,
                "owner": config.database.user.0,
                "secret": { "name": cluster.name("database-login") },
                "encoding": "UTF8",
                "localeCollate": "C",
                "localeCType": "C",
            } },
            "postgresql": { "parameters": { "max_connections": "400", "jit": "off" } },
            "storage": storage,
        },
    })
}

pub(super) fn redis(cluster: &Cluster<'_>) -> Vec<Value> {
    let port = cluster.config.redis.port.0;
    let name = services::REDIS;
    let container = Container {
        environment: vec![("MATRIX_SYNAPSE_REDIS", "own".to_owned())],
        ports: vec![("redis", port)],
        probes: vec![("readinessProbe", runs(name, 10, 3)), ("livenessProbe", runs(name, 30, 5))],
        ..Container::unit(name, SMALL)
    };
    let pod = Pod::of(REDIS, name, container);
    vec![cluster.service(REDIS, &[("redis", port)]), stateful(cluster, &pod, None)]
}
