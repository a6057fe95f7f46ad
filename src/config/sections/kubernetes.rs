//! How the homeserver runs in a cluster of Kubernetes.

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::values::{
    setting::section,
    shape::{Shape, Size, is_label, words},
};

/// A name as objects of a cluster have it ([RFC 1123 label]).
///
/// [RFC 1123 label]: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Label(pub(crate) String);

impl Shape for Label {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        if is_label(&text) {
            return Ok(Self(text));
        }
        Err("must be a name of Kubernetes: small letters, digits and `-` inside, at most 63".into())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" })
    }
}

words! {
    /// Who runs PostgreSQL in the cluster, where it is not a shared one.
    Postgres {
        /// A `StatefulSet` of ours.
        Own = "own",
        /// A `Cluster` of the operator `CloudNativePG`.
        CloudNative = "cloudnative",
    }
}

words! {
    /// How requests come into the cluster.
    Entrance {
        Ingress = "ingress",
        /// The Gateway API.
        Gateway = "gateway",
        None = "none",
    }
}

section! {
    /// How the homeserver runs in a cluster of Kubernetes: `manage render --target kubernetes`.
    Kubernetes "kubernetes" {
        /// Namespace of everything that belongs to the homeserver; made where it is not there.
        namespace: Label = "matrix" ["MATRIX_SYNAPSE_KUBERNETES_NAMESPACE"];
        /// Context of `kubectl`; default: the current one.
        context: Option<String> = "" ["MATRIX_SYNAPSE_KUBERNETES_CONTEXT"];
        /// Image of this program with everything that it starts, from where the nodes can pull it; `manage render --target compose --out FOLDER` writes what it is built from. Default: `localhost/resource-matrix-synapse` with the version of this program, which has to be on the nodes.
        image: Option<String> = "" ["MATRIX_SYNAPSE_KUBERNETES_IMAGE"];
        /// Secret with what the nodes log in to the image's registry with.
        pull_secret: Option<Label> = "" ["MATRIX_SYNAPSE_KUBERNETES_PULL_SECRET"];
        /// Storage class of the volumes; default: that of the cluster.
        storage_class: Option<Label> = "" ["MATRIX_SYNAPSE_KUBERNETES_STORAGE_CLASS"];
        /// Size of the volume of the homeserver, with its media.
        storage: Size = "20G" ["MATRIX_SYNAPSE_KUBERNETES_STORAGE"];
        /// Size of the volume of PostgreSQL.
        database_storage: Size = "20G" ["MATRIX_SYNAPSE_KUBERNETES_DATABASE_STORAGE"];
        /// Size of the volume of backups, where these do not go into a bucket.
        backup_storage: Size = "50G" ["MATRIX_SYNAPSE_KUBERNETES_BACKUP_STORAGE"];
        /// Who runs PostgreSQL where `database.host` names none: `own`, or `cloudnative` for the operator `CloudNativePG`, which has to be there.
        postgres: Postgres = "own" ["MATRIX_SYNAPSE_KUBERNETES_POSTGRES"];
        /// Copies of the proxy.
        proxies: u32 = "2" ["MATRIX_SYNAPSE_KUBERNETES_PROXIES"];
        /// How requests come in: `ingress`, `gateway` (Gateway API) or `none`.
        entrance: Entrance = "ingress" ["MATRIX_SYNAPSE_KUBERNETES_ENTRANCE"];
        /// Class of the Ingress; or the Gateway, `NAMESPACE/NAME`.
        entrance_class: Option<String> = "" ["MATRIX_SYNAPSE_KUBERNETES_ENTRANCE_CLASS"];
        /// Secret with the certificate of the Ingress; default: NAME-tls, which an `issuer` makes.
        certificate: Option<Label> = "" ["MATRIX_SYNAPSE_KUBERNETES_CERTIFICATE"];
        /// `ClusterIssuer` of cert-manager that makes the certificate.
        issuer: Option<Label> = "" ["MATRIX_SYNAPSE_KUBERNETES_ISSUER"];
        /// A `ServiceMonitor` and a `PrometheusRule`, for a cluster with the Prometheus operator.
        monitoring: bool = "false" ["MATRIX_SYNAPSE_KUBERNETES_MONITORING"];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_cluster_takes() {
        for good in ["matrix", "a", "a-1"] {
            Label::read(&good.into()).unwrap();
        }
        for bad in ["", "Matrix", "-a", "a-", "a.b", &"x".repeat(64)] {
            Label::read(&bad.into()).unwrap_err();
        }
    }
}
