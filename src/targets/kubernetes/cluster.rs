//! What all objects of one homeserver have in common: names, labels, and the settings that hold there.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fits::Error;
use crate::{
    config::{
        Config,
        sections::{backup::Place, kubernetes::Postgres, workers::Kind},
    },
    error::Failure,
    postgres::{self, Target},
    supervisor::kept::{INSTANCE, MADE_BY, MAKER, PART},
    synapse::workers::Worker,
    targets::prefix,
};

/// Where a pod finds what the cluster gives it.
pub(crate) const GIVEN: &str = "/etc/resource-matrix-synapse";
/// The folders there.
pub(crate) const SETTINGS: &str = "settings";
pub(crate) const SECRETS: &str = "secrets";
/// What the names of the operator's own files for Synapse begin with among the secrets.
pub(crate) const OVERRIDE: &str = "homeserver.d.";
/// The image, unless another one is named.
const IMAGE: &str = concat!("localhost/resource-matrix-synapse:", env!("CARGO_PKG_VERSION"));

/// The longest name of a `StatefulSet` and of a `CronJob`: what is made of it has something behind it, and all of that
/// is a label.
const LONGEST: usize = 52;
/// The longest name that is put behind that of the homeserver.
const LONGEST_PART: usize = "-thread-subscriptions-99".len();

/// The pods, by what they do. Each is a label, and behind the name of the homeserver that of its objects.
pub(super) const POSTGRES: &str = "postgres";
pub(super) const REDIS: &str = "redis";
pub(super) const SYNAPSE: &str = "synapse";
pub(super) const PROXY: &str = "proxy";
pub(super) const BACKUP: &str = "backup";
/// What all workers have as another label.
pub(super) const WORKER: &str = "worker";
/// The label for that.
pub(super) const ROLE: &str = "resource-matrix-synapse/role";

pub(super) struct Cluster<'a> {
    pub(super) config: &'a Config,
    /// What everything is named after.
    pub(super) prefix: String,
    /// `settings.yaml` as it is in each pod.
    pub(super) settings: String,
    /// Changes with what the pods read when they start.
    pub(super) revision: String,
}

impl<'a> Cluster<'a> {
    pub(super) fn of(config: &'a Config) -> Result<Self, Failure> {
        let mut prefix = prefix(config);
        // The name of a service begins with a letter.
        if !prefix.starts_with(|c: char| c.is_ascii_lowercase()) {
            prefix = format!("matrix-{prefix}");
        }
        if prefix.len() + LONGEST_PART > LONGEST {
            return Err(Error::LongName { prefix, most: LONGEST - LONGEST_PART }.into());
        }
        Ok(Self { config, prefix, settings: String::new(), revision: String::new() })
    }

    pub(super) fn namespace(&self) -> &str {
        &self.config.kubernetes.namespace.0
    }

    pub(super) fn image(&self) -> &str {
        self.config.kubernetes.image.as_deref().unwrap_or(IMAGE)
    }

    /// The name of an object, and of the service behind which these pods are.
    pub(super) fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.prefix)
    }

    /// By which the pods of one part are found; never changed, since a `StatefulSet` cannot.
    pub(super) fn selector(&self, part: &str) -> Value {
        json!({
            INSTANCE: self.prefix,
            PART: part,
        })
    }

    pub(super) fn labels(&self, part: &str) -> Value {
        let mut labels = self.selector(part);
        labels["app.kubernetes.io/name"] = "matrix-synapse".into();
        labels[MADE_BY] = MAKER.into();
        labels
    }

    pub(super) fn metadata(&self, part: &str) -> Value {
        self.named(&self.name(part), part)
    }

    pub(super) fn named(&self, name: &str, part: &str) -> Value {
        json!({ "name": name, "namespace": self.namespace(), "labels": self.labels(part) })
    }

    /// A service in front of the pods of that part: pairs of a name and the port.
    pub(super) fn service(&self, part: &str, ports: &[(&str, u16)]) -> Value {
        let port = |(name, port): &(&str, u16)| json!({ "name": name, "port": port, "targetPort": port, "protocol": "TCP" });
        let mut metadata = self.metadata(part);
        if ports.iter().any(|(name, _)| *name == "metrics") {
            metadata["labels"][METRICS] = "true".into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "type": "ClusterIP",
                "selector": self.selector(part),
                "ports": ports.iter().map(port).collect::<Vec<_>>(),
            },
        })
    }

    pub(super) fn is_backed_up_to_bucket(&self) -> bool {
        matches!(self.config.backup.to, Some(Place::Bucket { .. }))
    }

    /// Whether it has a part of its own among several that are alike, as many as there is work for.
    pub(super) fn scales(&self, worker: Worker) -> bool {
        self.config.workers.autoscale && worker.kind.scales()
    }

    /// The part that a worker is.
    pub(super) fn part(&self, worker: Worker) -> String {
        let name = worker.name();
        if self.scales(worker) {
            return name.rsplit_once('-').map_or(name.clone(), |(kind, _)| kind.to_owned());
        }
        name
    }

    /// Where a part is reached within the cluster, and the homeserver from outside.
    pub(super) fn endpoints(&self, part: &str) -> BTreeMap<String, String> {
        let config = self.config;
        let at = |scheme: &str, port: u16| {
            format!("{scheme}://{}.{}.svc:{port}", self.name(part), self.namespace())
        };
        let found = match part {
            SYNAPSE => vec![("client", at("http", config.server.port.0))],
            PROXY => vec![("local", at("http", config.proxy.http_port.0))],
            POSTGRES => vec![("postgresql", at("postgresql", config.database.embedded_port.0))],
            REDIS => vec![("redis", at("redis", config.redis.port.0))],
            _ => Vec::new(),
        };
        found.into_iter().map(|(name, url)| (name.to_owned(), url)).collect()
    }

    /// The name by which a worker is found: that of its pods, or of the homeserver's for the one that needs its folder.
    pub(super) fn host(&self, worker: Worker) -> String {
        if is_with_homeserver(worker) { self.name(SYNAPSE) } else { self.name(&self.part(worker)) }
    }

    /// Who runs PostgreSQL in the cluster; none where it is a shared one.
    pub(super) fn postgres(&self) -> Result<Option<Postgres>, Failure> {
        let own = postgres::target(self.config)?.is_embedded();
        Ok(own.then_some(self.config.kubernetes.postgres))
    }

    /// Host and port of PostgreSQL.
    pub(super) fn database(&self) -> Result<(String, u16), Failure> {
        Ok(match postgres::target(self.config)? {
            Target::Shared { host, port, .. } => (host, port),
            Target::Embedded { port, .. } => match self.config.kubernetes.postgres {
                Postgres::Own => (self.name(POSTGRES), port),
                // The service of the one that takes writes.
                Postgres::CloudNative => (format!("{}-rw", self.name(POSTGRES)), 5432),
            },
        })
    }
}

/// Whether a worker is in the pod of the homeserver.
pub(super) fn is_with_homeserver(worker: Worker) -> bool {
    worker.kind == Kind::Media
}

/// The label of services that tell what they count.
pub(super) const METRICS: &str = "resource-matrix-synapse/metrics";

/// A volume claim.
pub(super) fn claim(cluster: &Cluster<'_>, size: u64) -> Value {
    let mut spec = Map::new();
    spec.insert("accessModes".into(), json!(["ReadWriteOnce"]));
    spec.insert("resources".into(), json!({ "requests": { "storage": size.to_string() } }));
    if let Some(class) = &cluster.config.kubernetes.storage_class {
        spec.insert("storageClassName".into(), json!(class));
    }
    spec.into()
}
