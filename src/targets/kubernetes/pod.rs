//! A pod: containers of our image that may do little, made ready by one that runs before them.

use serde_json::{Value, json};

use super::{
    cluster::{Cluster, GIVEN, ROLE, SECRETS, SETTINGS},
    settings,
};
use crate::supervisor::kept::{INSIDE, INSTANCE};

/// The program in the image.
const PROGRAM: &str = "resource-matrix-synapse";
/// The account in the image (`templates/Containerfile`).
const USER: u32 = 991;
/// The folder that a pod keeps, or that is gone with it.
const DATA: &str = "/data";
/// Not the folder itself: that of a volume belongs to root, and may hold what is not ours.
const ROOT: &str = "/data/matrix-synapse";
/// The volumes.
pub(super) const KEPT: &str = "data";

/// A container of one service.
pub(super) struct Container<'a> {
    pub(super) name: &'a str,
    /// Behind the program; where they begin with `sh`, in its place.
    pub(super) words: Vec<String>,
    pub(super) environment: Vec<(&'a str, String)>,
    /// CPU and memory that it is promised, and the most memory.
    pub(super) size: Size,
    pub(super) ports: Vec<(&'a str, u16)>,
    pub(super) probes: Vec<(&'static str, Value)>,
    /// What is run in it before it is told to end.
    pub(super) before_stop: Option<&'static str>,
    pub(super) mounts: Vec<Value>,
}

#[derive(Clone, Copy)]
pub(super) struct Size(pub(super) &'static str, pub(super) &'static str, pub(super) &'static str);

/// Synapse, one process.
pub(super) const LARGE: Size = Size("250m", "512Mi", "4Gi");
/// A worker.
pub(super) const MIDDLE: Size = Size("100m", "256Mi", "2Gi");
/// What is small and written for that.
pub(super) const SMALL: Size = Size("20m", "48Mi", "512Mi");

impl<'a> Container<'a> {
    /// One that becomes the service of that name.
    pub(super) fn unit(name: &'a str, size: Size) -> Self {
        Self {
            name,
            words: ["daemon", "unit", name].map(str::to_owned).into(),
            environment: Vec::new(),
            size,
            ports: Vec::new(),
            probes: Vec::new(),
            before_stop: None,
            mounts: Vec::new(),
        }
    }
}

/// What a pod is, beside its containers.
pub(super) struct Pod<'a> {
    pub(super) part: &'a str,
    /// What it is to the others: its part, or that it is one of the workers.
    pub(super) role: &'a str,
    /// The service that is made ready for; and how, where that is not by its name alone.
    pub(super) prepares: &'a str,
    pub(super) prepares_with: Option<Vec<String>>,
    pub(super) containers: Vec<Container<'a>>,
    /// The folder stays, as a claim of that name.
    pub(super) keeps: bool,
    pub(super) patience: u64,
    /// Beside the usual ones.
    pub(super) volumes: Vec<Value>,
}

impl<'a> Pod<'a> {
    /// One with this container, which keeps nothing and is made ready for the service of that name.
    pub(super) fn of(part: &'a str, prepares: &'a str, container: Container<'a>) -> Self {
        Self {
            part,
            role: part,
            prepares,
            prepares_with: None,
            containers: vec![container],
            keeps: false,
            patience: 30,
            volumes: Vec::new(),
        }
    }
}

/// Asks a path of the container.
pub(super) fn asks(path: &str, port: u16, period: u32, failures: u32) -> Value {
    json!({
        "httpGet": { "path": path, "port": port },
        "periodSeconds": period,
        "timeoutSeconds": 10,
        "failureThreshold": failures,
    })
}

/// Asks the program in the container.
pub(super) fn runs(name: &str, period: u32, failures: u32) -> Value {
    json!({
        "exec": { "command": [PROGRAM, "daemon", "unit", name, "--well"] },
        "periodSeconds": period,
        "timeoutSeconds": 15,
        "failureThreshold": failures,
    })
}

fn environment(cluster: &Cluster<'_>, role: &str, more: &[(&str, String)]) -> Value {
    let mut all = vec![
        ("HOME", ROOT.to_owned()),
        (INSIDE, "1".to_owned()),
        ("MATRIX_SYNAPSE_DATA_DIR", ROOT.to_owned()),
        ("MATRIX_SYNAPSE_PROFILE", settings::profile(cluster.config, role).to_owned()),
    ];
    all.extend(more.iter().cloned());
    all.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn container(cluster: &Cluster<'_>, role: &str, made: &Container<'_>) -> Value {
    let Size(cpu, memory, most) = made.size;
    let (command, args) = match made.words.split_first() {
        Some((first, rest)) if first == "sh" => (first.as_str(), rest.to_vec()),
        _ => (PROGRAM, made.words.clone()),
    };
    let mut mounts = vec![
        json!({ "name": KEPT, "mountPath": DATA }),
        json!({ "name": "tmp", "mountPath": "/tmp" }),
        json!({ "name": SETTINGS, "mountPath": format!("{GIVEN}/{SETTINGS}"), "readOnly": true }),
        json!({ "name": SECRETS, "mountPath": format!("{GIVEN}/{SECRETS}"), "readOnly": true }),
    ];
    mounts.extend(made.mounts.iter().cloned());
    let mut container = json!({
        "name": made.name,
        "image": cluster.image(),
        "imagePullPolicy": "IfNotPresent",
        "command": [command],
        "args": args,
        "env": environment(cluster, role, &made.environment),
        "resources": {
            "requests": { "cpu": cpu, "memory": memory },
            "limits": { "memory": most },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "readOnlyRootFilesystem": true,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    });
    if !made.ports.is_empty() {
        let port = |(name, port): &(&str, u16)| json!({ "name": name, "containerPort": port, "protocol": "TCP" });
        container["ports"] = made.ports.iter().map(port).collect();
    }
    for (name, probe) in &made.probes {
        container[*name] = probe.clone();
    }
    if let Some(words) = made.before_stop {
        let command = ["sh", "-c", words];
        container["lifecycle"] = json!({ "preStop": { "exec": { "command": command } } });
    }
    container
}

/// The template of a pod.
pub(super) fn template(cluster: &Cluster<'_>, pod: &Pod<'_>) -> Value {
    let mut labels = cluster.labels(pod.part);
    labels[ROLE] = pod.role.into();
    let first = pod.containers.first().map_or("", |it| it.name);
    let prepare = Container {
        name: "prepare",
        words: pod
            .prepares_with
            .clone()
            .unwrap_or_else(|| ["daemon", "pod", pod.prepares].map(str::to_owned).into()),
        environment: pod.containers.first().map(|it| it.environment.clone()).unwrap_or_default(),
        mounts: pod.containers.first().map(|it| it.mounts.clone()).unwrap_or_default(),
        ..Container::unit("prepare", MIDDLE)
    };
    let all = pod.containers.iter().map(|it| container(cluster, pod.role, it));
    let mut volumes = vec![
        json!({ "name": "tmp", "emptyDir": {} }),
        json!({ "name": SETTINGS, "configMap": { "name": cluster.name("settings") } }),
        json!({
            "name": SECRETS,
            "secret": { "secretName": cluster.name("secrets"), "defaultMode": 0o440 },
        }),
    ];
    if !pod.keeps {
        // In memory, since secrets are in it.
        let memory = json!({ "medium": "Memory", "sizeLimit": "128Mi" });
        volumes.push(json!({ "name": KEPT, "emptyDir": memory }));
    }
    volumes.extend(pod.volumes.iter().cloned());
    let mut spec = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "initContainers": [container(cluster, pod.role, &prepare)],
        "containers": all.collect::<Vec<_>>(),
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "terminationGracePeriodSeconds": pod.patience,
        "volumes": volumes,
        // Where there are several nodes, what does the same is on different ones.
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": {
                INSTANCE: cluster.prefix,
                ROLE: pod.role,
            } },
        }],
    });
    if let Some(secret) = &cluster.config.kubernetes.pull_secret {
        spec["imagePullSecrets"] = json!([{ "name": secret }]);
    }
    json!({
        "metadata": {
            "labels": labels,
            "annotations": {
                "kubectl.kubernetes.io/default-container": first,
                // Another one makes new pods.
                "resource-matrix-synapse/revision": cluster.revision,
            },
        },
        "spec": spec,
    })
}

/// A `StatefulSet` of one pod or several alike: an old pod is gone before its successor begins, so that nothing is
/// written by two.
pub(super) fn stateful(cluster: &Cluster<'_>, pod: &Pod<'_>, claim: Option<Value>) -> Value {
    let mut spec = json!({
        "serviceName": cluster.name(pod.part),
        "replicas": 1,
        "podManagementPolicy": "Parallel",
        "selector": { "matchLabels": cluster.selector(pod.part) },
        "template": template(cluster, pod),
        "updateStrategy": { "type": "RollingUpdate" },
    });
    if let Some(claim) = claim {
        let metadata = json!({ "name": KEPT, "labels": cluster.selector(pod.part) });
        spec["volumeClaimTemplates"] = json!([{
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata,
            "spec": claim,
        }]);
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": cluster.metadata(pod.part),
        "spec": spec,
    })
}
