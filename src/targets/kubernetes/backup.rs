//! Backups by the clock: a pod on the node of the homeserver, with the same folder, does what is due and ends.

use serde_json::{Value, json};

use super::{
    cluster::{BACKUP, Cluster, SYNAPSE, claim},
    pod::{Container, KEPT, LARGE, Pod, template},
    settings::BACKUPS,
};
use crate::services;

/// Where backups are, for whoever makes them: the volume, and how it is mounted. None where they go into a bucket.
pub(super) fn volume(cluster: &Cluster<'_>) -> Option<(Value, Value)> {
    if cluster.is_backed_up_to_bucket() {
        return None;
    }
    let claim = json!({ "claimName": cluster.name("backups") });
    let volume = json!({ "name": BACKUP, "persistentVolumeClaim": claim });
    Some((volume, json!({ "name": BACKUP, "mountPath": BACKUPS })))
}

/// The volume, and what is done by the clock.
pub(super) fn objects(cluster: &Cluster<'_>) -> Vec<Value> {
    let mut objects = Vec::new();
    if !cluster.is_backed_up_to_bucket() {
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": cluster.metadata("backups"),
            "spec": claim(cluster, cluster.config.kubernetes.backup_storage.0),
        }));
    }
    let schedule = cluster.config.backup.schedule.as_ref();
    objects.extend(schedule.map(|schedule| job(cluster, &schedule.to_string())));
    objects
}

fn job(cluster: &Cluster<'_>, schedule: &str) -> Value {
    let (volume, mount) = volume(cluster).unzip();
    let mut container = Container {
        words: ["daemon", "unit", services::BACKUPS, "--once"].map(str::to_owned).into(),
        ..Container::unit(services::BACKUPS, LARGE)
    };
    container.mounts.extend(mount);
    // The claim that the pod of the homeserver has, which may be used on one node only.
    let folder = format!("{KEPT}-{}-0", cluster.name(SYNAPSE));
    let mut volumes =
        vec![json!({ "name": KEPT, "persistentVolumeClaim": { "claimName": folder } })];
    volumes.extend(volume);
    let pod =
        Pod { keeps: true, patience: 60, volumes, ..Pod::of(BACKUP, services::BACKUPS, container) };
    let mut made = template(cluster, &pod);
    let spec = &mut made["spec"];
    spec["restartPolicy"] = "Never".into();
    spec["affinity"] = json!({ "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{
        "labelSelector": { "matchLabels": cluster.selector(SYNAPSE) },
        "topologyKey": "kubernetes.io/hostname",
    }] } });
    let mut fields: Vec<&str> = schedule.split_whitespace().collect();
    let zone = (fields.len() > 5).then(|| fields.split_off(5).join(" "));
    let mut job = json!({
        "schedule": fields.join(" "),
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 3600,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": { "spec": { "backoffLimit": 2, "template": made } },
    });
    if let Some(zone) = zone {
        job["timeZone"] = zone.into();
    }
    json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": cluster.metadata(BACKUP),
        "spec": job,
    })
}
