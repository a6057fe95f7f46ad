//! How requests come into the cluster: to the proxy, where there is one, else to Synapse.

use serde_json::{Map, Value, json};

use super::{
    cluster::{Cluster, PROXY, SYNAPSE},
    settings,
};
use crate::config::sections::{kubernetes::Entrance, stack::Part};

pub(super) fn objects(cluster: &Cluster<'_>) -> Vec<Value> {
    match cluster.config.kubernetes.entrance {
        Entrance::Ingress => vec![ingress(cluster)],
        Entrance::Gateway => vec![route(cluster)],
        Entrance::None => Vec::new(),
    }
}

/// The host of the public URL, and that of the server's name, where it says where the server is.
fn hosts(cluster: &Cluster<'_>) -> Vec<String> {
    let url = settings::public_url(cluster.config);
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or(rest).to_owned();
    let name = cluster.config.server.name.0.host().to_owned();
    let mut hosts = vec![host];
    if hosts[0] != name && cluster.config.has(Part::Proxy) {
        hosts.push(name);
    }
    // An address is no host of an Ingress.
    hosts.retain(|host| host.parse::<std::net::IpAddr>().is_err());
    hosts
}

/// What Synapse has for people and servers elsewhere; the proxy answers for all else itself, and shows nobody the admin API.
const PUBLIC: [&str; 3] = ["/_matrix", "/_synapse/client", "/.well-known/matrix"];

/// What is let in of the host where the server is.
fn public(cluster: &Cluster<'_>) -> &'static [&'static str] {
    if cluster.config.has(Part::Proxy) { &["/"] } else { &PUBLIC }
}

fn behind(cluster: &Cluster<'_>) -> (String, u16) {
    let config = cluster.config;
    if config.has(Part::Proxy) {
        return (cluster.name(PROXY), config.proxy.http_port.0);
    }
    (cluster.name(SYNAPSE), config.server.port.0)
}

fn ingress(cluster: &Cluster<'_>) -> Value {
    let kubernetes = &cluster.config.kubernetes;
    let (service, port) = behind(cluster);
    let hosts = hosts(cluster);
    let first = hosts.first().cloned();
    let paths = |host: &String| {
        // All of the one, and of the other only where the server is.
        let is_first = Some(host) == first.as_ref();
        let paths = if is_first { public(cluster) } else { &["/.well-known/matrix"] };
        let path = |path: &&str| {
            json!({
                "path": path,
                "pathType": "Prefix",
                "backend": { "service": { "name": service, "port": { "number": port } } },
            })
        };
        paths.iter().map(path).collect::<Vec<Value>>()
    };
    let rules: Vec<Value> = hosts
        .iter()
        .map(|host| json!({ "host": host, "http": { "paths": paths(host) } }))
        .collect();
    let mut annotations = Map::new();
    // What ingress-nginx would refuse otherwise: uploads, and clients that wait for news.
    let largest = cluster.config.synapse.max_upload_size.0.max(13_107_200);
    annotations
        .insert("nginx.ingress.kubernetes.io/proxy-body-size".into(), largest.to_string().into());
    annotations.insert("nginx.ingress.kubernetes.io/proxy-read-timeout".into(), "600".into());
    if let Some(issuer) = &kubernetes.issuer {
        annotations.insert("cert-manager.io/cluster-issuer".into(), json!(issuer));
    }
    let mut metadata = cluster.metadata("entrance");
    metadata["annotations"] = annotations.into();
    let secret =
        kubernetes.certificate.as_ref().map_or_else(|| cluster.name("tls"), |it| it.0.clone());
    let mut spec = json!({ "rules": rules, "tls": [{ "hosts": hosts, "secretName": secret }] });
    if let Some(class) = &kubernetes.entrance_class {
        spec["ingressClassName"] = json!(class);
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata,
        "spec": spec,
    })
}

/// A route of the [Gateway API](https://gateway-api.sigs.k8s.io/reference/spec/); its Gateway has the certificate.
fn route(cluster: &Cluster<'_>) -> Value {
    let (service, port) = behind(cluster);
    let class = cluster.config.kubernetes.entrance_class.clone().unwrap_or_default();
    let (namespace, name) = class.split_once('/').unwrap_or_default();
    let prefix = |path: &&str| json!({ "path": { "type": "PathPrefix", "value": path } });
    let matches: Vec<Value> = public(cluster).iter().map(prefix).collect();
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": cluster.metadata("entrance"),
        "spec": {
            "parentRefs": [{ "namespace": namespace, "name": name }],
            "hostnames": hosts(cluster),
            "rules": [{
                "matches": matches,
                "backendRefs": [{ "name": service, "port": port }],
            }],
        },
    })
}
