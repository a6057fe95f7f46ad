//! For the [Prometheus operator](https://prometheus-operator.dev/docs/api-reference/api/): what is collected, and what
//! somebody has to hear of.

use serde_json::{Value, json};

use super::cluster::{Cluster, METRICS, SYNAPSE};
use crate::supervisor::kept::INSTANCE;

pub(super) fn objects(cluster: &Cluster<'_>) -> Vec<Value> {
    let monitor = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": cluster.metadata("metrics"),
        "spec": {
            "selector": { "matchLabels": {
                INSTANCE: cluster.prefix,
                METRICS: "true",
            } },
            "endpoints": [{ "port": "metrics", "path": "/_synapse/metrics", "interval": "30s" }],
        },
    });
    let namespace = cluster.namespace();
    let rule = |name: &str, expression: String, patience: &str, severity: &str, summary: &str| {
        json!({
            "alert": name,
            "expr": expression,
            "for": patience,
            "labels": { "severity": severity, "instance": cluster.prefix },
            "annotations": { "summary": summary },
        })
    };
    let main = cluster.name(SYNAPSE);
    let ours = format!("namespace=\"{namespace}\"");
    let rules = [
        rule(
            "MatrixHomeserverDown",
            format!("absent(up{{{ours},service=\"{main}\"}} == 1)"),
            "5m",
            "critical",
            "Synapse's main process does not answer",
        ),
        rule(
            "MatrixWorkerDown",
            format!("up{{{ours},service=~\"{}-.*\"}} == 0", cluster.prefix),
            "10m",
            "warning",
            "a worker does not answer",
        ),
        rule(
            "MatrixVolumeFull",
            format!(
                "kubelet_volume_stats_available_bytes{{{ours}}} / kubelet_volume_stats_capacity_bytes{{{ours}}} < 0.1"
            ),
            "15m",
            "critical",
            "a volume of the homeserver has less than a tenth left",
        ),
        rule(
            "MatrixBackupFailed",
            format!(
                "kube_job_status_failed{{{ours},job_name=~\"{}-backup-.*\"}} > 0",
                cluster.prefix
            ),
            "5m",
            "warning",
            "a backup of the homeserver has failed",
        ),
    ];
    let alerts = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": cluster.metadata("alerts"),
        "spec": { "groups": [{ "name": "matrix-homeserver", "rules": rules }] },
    });
    vec![monitor, alerts]
}
