//! What a schema does not see: that what is named is there, and that what is said fits what a cluster takes.

use std::collections::{BTreeMap, BTreeSet};

use super::{super::contained, *};
use crate::{
    config::{
        sections::workers::Kind, sources::environment::Environment, values::shape::Words as _,
    },
    data_dir::DataDir,
    postgres,
};

fn config(flags: &[&str]) -> Config {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Config::load(DataDir::new("/srv/matrix".into()), &flags, &Environment::default()).unwrap()
}

const ALL: &[&[&str]] = &[
    &[],
    &["stack.profile=relay"],
    &["stack.profile=isms", "server.public_url=https://matrix.example.org", "kubernetes.issuer=le"],
    &[
        "stack.profile=full",
        "kubernetes.monitoring=true",
        "backup.schedule=0 3 * * * Europe/Berlin",
    ],
    &["stack.profile=full", "workers.preset=one-of-each", "kubernetes.storage_class=fast"],
    &["stack.profile=scale", "workers.autoscale=true", "workers.list=generic=2,event_persister=2"],
    &[
        "kubernetes.postgres=cloudnative",
        "kubernetes.entrance=gateway",
        "kubernetes.entrance_class=edge/main",
    ],
    &["database.host=db.example.org", "stack.profile=scale", "redis.host=cache.example.org"],
    &["backup.schedule=0 3 * * *", "backup.to=s3://backups/chat", "kubernetes.entrance=none"],
];

fn objects(config: &Config) -> Vec<Value> {
    let list = contained(config).unwrap();
    let files = render(config, &list, false).unwrap();
    assert_eq!(files, render(config, &list, false).unwrap());
    let documents = files.iter().flat_map(|file| file.text.split("\n---\n"));
    documents.map(|text| serde_yaml::from_str(text).unwrap()).collect()
}

fn all() -> impl Iterator<Item = (String, Vec<Value>)> {
    ALL.iter().map(|flags| (flags.join(" "), objects(&config(flags))))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The template of its pods, where it has some.
fn template(object: &Value) -> Option<&Value> {
    ["/spec/template", "/spec/jobTemplate/spec/template"].iter().find_map(|it| object.pointer(it))
}

fn containers(template: &Value) -> Vec<&Value> {
    let of = |key: &str| template["spec"][key].as_array().map(Vec::as_slice).unwrap_or_default();
    of("initContainers").iter().chain(of("containers")).collect()
}

/// Whether the labels have all that is selected.
fn selects(selector: &Value, labels: &Value) -> bool {
    let selector = selector.as_object().unwrap();
    !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value)
}

#[test]
fn what_is_named_is_there() {
    for (which, objects) in all() {
        let is_there = |kind: &str, name: &str| {
            objects.iter().any(|it| it["kind"] == kind && text(it, "/metadata/name") == name)
        };
        let templates: Vec<&Value> = objects.iter().filter_map(template).collect();
        let selected = |selector: &Value| {
            templates.iter().any(|it| selects(selector, &it["metadata"]["labels"]))
        };
        for object in &objects {
            let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
            let what = format!("{kind} {name} of `{which}`");
            if kind != "Namespace" {
                assert_eq!(text(object, "/metadata/namespace"), "matrix", "{what}");
            }
            match kind {
                "Service" => {
                    let selector = &object["spec"]["selector"];
                    let pods: Vec<_> = templates
                        .iter()
                        .filter(|it| selects(selector, &it["metadata"]["labels"]))
                        .collect();
                    assert_eq!(pods.len(), 1, "{what}");
                    // Each port of it is one of a container there.
                    let ports: BTreeSet<u64> = containers(pods[0])
                        .iter()
                        .flat_map(|it| it["ports"].as_array().cloned().unwrap_or_default())
                        .map(|port| port["containerPort"].as_u64().unwrap())
                        .collect();
                    for port in object["spec"]["ports"].as_array().unwrap() {
                        assert!(ports.contains(&port["targetPort"].as_u64().unwrap()), "{what}");
                    }
                }
                "StatefulSet" | "Deployment" => {
                    let selector = &object["spec"]["selector"]["matchLabels"];
                    let labels = &object["spec"]["template"]["metadata"]["labels"];
                    assert!(selects(selector, labels), "{what}");
                    if kind == "StatefulSet" {
                        assert!(is_there("Service", text(object, "/spec/serviceName")), "{what}");
                    }
                }
                "PodDisruptionBudget" => {
                    assert!(selected(&object["spec"]["selector"]["matchLabels"]), "{what}");
                }
                "NetworkPolicy" => {
                    assert!(selected(&object["spec"]["podSelector"]["matchLabels"]), "{what}");
                    for rule in object["spec"]["ingress"].as_array().unwrap() {
                        let peers = rule["from"].as_array().cloned().unwrap_or_default();
                        for peer in &peers {
                            assert!(peer["podSelector"]["matchLabels"].is_object(), "{what}");
                        }
                    }
                }
                "HorizontalPodAutoscaler" => {
                    let to = &object["spec"]["scaleTargetRef"];
                    let target = (text(to, "/kind"), text(to, "/name"));
                    assert!(is_there(target.0, target.1), "{what}");
                    let set = objects.iter().find(|it| {
                        it["kind"] == target.0 && text(it, "/metadata/name") == target.1
                    });
                    // Two would say how many there are.
                    assert!(set.unwrap()["spec"]["replicas"].is_null(), "{what}");
                }
                "Ingress" => {
                    for rule in object["spec"]["rules"].as_array().unwrap() {
                        let service = &rule["http"]["paths"][0]["backend"]["service"];
                        assert!(is_there("Service", text(service, "/name")), "{what}");
                    }
                    assert!(!object["spec"]["rules"].as_array().unwrap().is_empty(), "{what}");
                }
                _ => {}
            }
            let Some(template) = template(object) else { continue };
            let spec = &template["spec"];
            let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
            let mut volumes: BTreeMap<String, Value> = BTreeMap::new();
            for volume in list(&spec["volumes"]) {
                let name = text(&volume, "/name").to_owned();
                assert!(volumes.insert(name, volume).is_none(), "{what}");
            }
            for claim in list(&object["spec"]["volumeClaimTemplates"]) {
                let name = text(&claim, "/metadata/name").to_owned();
                assert!(volumes.insert(name, claim).is_none(), "{what}");
            }
            let mut names = BTreeSet::new();
            for container in containers(template) {
                assert!(names.insert(text(container, "/name")), "{what}");
                let mut ports = BTreeSet::new();
                for port in list(&container["ports"]) {
                    assert!(ports.insert(port["containerPort"].as_u64()), "{what}");
                    assert!(text(&port, "/name").len() <= 15, "{what}");
                }
                for mount in list(&container["volumeMounts"]) {
                    let volume = text(&mount, "/name");
                    assert!(volumes.contains_key(volume), "{what}: {volume}");
                }
                for variable in list(&container["env"]) {
                    assert!(variable["value"].is_string(), "{what}");
                }
            }
            let map = text(&volumes["settings"], "/configMap/name");
            assert!(is_there("ConfigMap", map), "{what}");
            if let Some(claim) = volumes["data"].pointer("/persistentVolumeClaim/claimName") {
                let set = claim.as_str().unwrap().strip_prefix("data-").unwrap();
                assert!(is_there("StatefulSet", set.strip_suffix("-0").unwrap()), "{what}");
            }
        }
    }
}

#[test]
fn names_and_quantities_are_those_that_a_cluster_takes() {
    for (which, objects) in all() {
        let mut seen = BTreeSet::new();
        for object in &objects {
            let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
            assert!(seen.insert((kind, name)), "{kind} {name} twice in `{which}`");
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let most = if ["StatefulSet", "CronJob"].contains(&kind) { 52 } else { 63 };
            assert!(!name.is_empty() && name.len() <= most && name.chars().all(plain), "{name}");
            for pointer in ["/metadata/labels", "/spec/template/metadata/labels"] {
                for (key, value) in
                    object.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
                {
                    assert!(value.as_str().is_some_and(|it| it.len() <= 63), "{key} of {name}");
                }
            }
            for container in template(object).map(containers).unwrap_or_default() {
                for part in ["requests", "limits"] {
                    let resources = container["resources"][part].as_object().unwrap();
                    for (what, amount) in resources {
                        let amount = amount.as_str().unwrap();
                        let unit = amount.trim_start_matches(|c: char| c.is_ascii_digit());
                        let units: &[&str] =
                            if what == "cpu" { &["", "m"] } else { &["", "Ki", "Mi", "Gi"] };
                        assert!(units.contains(&unit), "{amount} of {name}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_pod_may_do_little_and_is_not_killed_while_it_starts() {
    for (which, objects) in all() {
        for object in &objects {
            let Some(template) = template(object) else { continue };
            let what = format!("{} of `{which}`", text(object, "/metadata/name"));
            let spec = &template["spec"];
            assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{what}");
            assert_eq!(text(spec, "/securityContext/seccompProfile/type"), "RuntimeDefault");
            assert_eq!(spec["automountServiceAccountToken"], false, "{what}");
            for container in containers(template) {
                let may = &container["securityContext"];
                assert_eq!(may["allowPrivilegeEscalation"], false, "{what}");
                assert_eq!(may["readOnlyRootFilesystem"], true, "{what}");
                assert_eq!(may["capabilities"]["drop"][0], "ALL", "{what}");
                assert!(container["resources"]["limits"]["memory"].is_string(), "{what}");
                // A probe that kills has one that waits before it, for an hour where tables may be changed.
                if container["livenessProbe"].is_object() && container["name"] == "synapse" {
                    let start = &container["startupProbe"];
                    let seconds = start["periodSeconds"].as_u64().unwrap()
                        * start["failureThreshold"].as_u64().unwrap();
                    assert!(seconds >= 3600, "{what}");
                }
            }
            // PostgreSQL that reads its log back is never killed for it.
            if text(object, "/metadata/name").ends_with("-postgres") {
                assert!(containers(template).iter().all(|it| it["livenessProbe"].is_null()));
            }
        }
    }
}

#[test]
fn one_process_writes_each_stream() {
    for (which, objects) in all() {
        for object in objects.iter().filter(|it| it["kind"] == "StatefulSet") {
            let replicas = &object["spec"]["replicas"];
            let is_scaled = objects.iter().any(|it| {
                it["kind"] == "HorizontalPodAutoscaler"
                    && it["metadata"]["name"] == object["metadata"]["name"]
            });
            assert!(is_scaled || *replicas == 1, "`{which}`");
        }
        let scaled = objects.iter().filter(|it| it["kind"] == "HorizontalPodAutoscaler");
        for scaler in scaled {
            let name = text(scaler, "/metadata/name");
            let kind = name.strip_prefix("matrix-").unwrap().replace('-', "_");
            let kind = Kind::ALL.iter().find(|it| it.word() == kind).unwrap();
            assert!(kind.facts().streams.is_empty(), "{name}");
        }
    }
}

#[test]
fn all_pods_read_the_same_settings_and_find_each_other_by_name() {
    let flags = ["stack.profile=scale", "workers.list=generic=2,media=1,event_persister=1"];
    let objects = objects(&config(&flags));
    let map = objects.iter().find(|it| it["kind"] == "ConfigMap").unwrap();
    let settings = text(map, "/data/settings.yaml");
    let read = |profile: &str, here: &str| {
        let flags = [format!("stack.profile={profile}"), format!("workers.here={here}")];
        let data = DataDir::new("/data/matrix-synapse".into());
        Config::of_text(data, settings, &flags, &Environment::default()).unwrap()
    };
    let worker = read("worker", "generic-2");
    let chosen = workers::chosen(&worker).unwrap();
    let place = |name: &str| {
        let one = chosen.iter().find(|it| it.name() == name).unwrap();
        one.place(&worker).to_string()
    };
    assert_eq!(place("generic-1"), "matrix-generic-1:9301");
    assert_eq!(place("generic-2"), "matrix-generic-2:9301");
    assert_eq!(place("event-persister-1"), "matrix-event-persister-1:9305");
    // The folder of the media is there.
    assert_eq!(place("media-1"), "matrix-synapse:9314");
    assert_eq!(worker.local_url(), "http://matrix-synapse:8008");
    let main = read("scale", "");
    let here: Vec<String> =
        workers::here(&main, &chosen).iter().map(|worker| worker.name()).collect();
    assert_eq!(here, ["media-1"]);
    assert_eq!(main.local_url(), "http://127.0.0.1:8008");
    let database = postgres::client_settings(&main).unwrap();
    assert_eq!((database.host.as_str(), database.port), ("matrix-postgres", 5542));
}

#[test]
fn another_port_is_the_same_for_who_listens_and_who_asks() {
    let ports = [
        "workers.port=9400",
        "workers.metrics_port=9100",
        "proxy.http_port=8500",
        "server.port=8100",
        "redis.port=6400",
        "database.embedded_port=5600",
        "stack.profile=full",
    ];
    let here = config(&ports);
    let objects = objects(&here);
    let map = objects.iter().find(|it| it["kind"] == "ConfigMap").unwrap();
    let data = DataDir::new("/data/matrix-synapse".into());
    let flags = ["stack.profile=full".to_owned()];
    let settings = text(map, "/data/settings.yaml");
    let there = Config::of_text(data, settings, &flags, &Environment::default()).unwrap();
    assert_eq!(there.workers.port, here.workers.port);
    assert_eq!(there.workers.metrics_port, here.workers.metrics_port);
    assert_eq!(there.proxy.http_port, here.proxy.http_port);
    assert_eq!(there.server.port, here.server.port);
    assert_eq!(there.redis.port, here.redis.port);
    assert_eq!(postgres::client_settings(&there).unwrap().port, 5600);
}

#[test]
fn no_file_holds_a_secret_unless_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().join("chat"));
    let flags = ["stack.profile=scale".to_owned()];
    let config = Config::load(data.clone(), &flags, &Environment::default()).unwrap();
    make(&config).unwrap();
    let config = Config::load(data.clone(), &flags, &Environment::default()).unwrap();
    let list = contained(&config).unwrap();
    let key = files::read(&data.signing_key()).unwrap();
    let password = files::read(&data.secret("database_password")).unwrap();
    let text = |with: bool| -> String {
        let files = render(&config, &list, with).unwrap();
        files.into_iter().map(|file| file.text).collect()
    };
    let (without, with) = (text(false), text(true));
    let encoded = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    for secret in [key.trim_end(), password.trim_end()] {
        assert!(!without.contains(secret) && !without.contains(&encoded(secret)));
    }
    assert!(with.contains(&encoded(&key)));
    // Another secret makes new pods.
    files::write_atomically(&data.secret("form_secret"), b"another", 0o600).unwrap();
    assert_ne!(text(false), without);
}

#[test]
fn secrets_are_their_owners_alone_and_what_a_profile_no_longer_has_goes() {
    use std::{os::unix::fs::PermissionsExt as _, path::Path};

    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().join("chat"));
    let of = |profile: &str, with_secrets: bool| {
        let flags = [format!("stack.profile={profile}")];
        let config = Config::load(data.clone(), &flags, &Environment::default()).unwrap();
        make(&config).unwrap();
        render(&config, &contained(&config).unwrap(), with_secrets).unwrap()
    };
    let out = folder.path().join("out");
    let write = |files: &[Written]| {
        super::super::folder::write(&out, ("chat", Path::new("/a")), files, false)
    };
    write(&of("scale", true)).unwrap();
    let secret = std::fs::metadata(out.join("chat-1-secrets.yaml")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    write(&of("core", false)).unwrap();
    for gone in ["chat-1-secrets.yaml", "chat-5-workers.yaml", "chat-6-proxy.yaml"] {
        assert!(!out.join(gone).exists(), "{gone}");
    }
    assert!(out.join("chat-4-synapse.yaml").exists());
}

#[test]
fn what_a_cluster_cannot_have_is_refused_by_its_name() {
    let refused = |flags: &[&str]| {
        let config = config(flags);
        let list = contained(&config).unwrap_or_default();
        render(&config, &list, false).unwrap_err().to_string()
    };
    assert!(refused(&["turn.enabled=true"]).contains("TURN relay"));
    assert!(refused(&["web.client=hydrogen", "stack.profile=isms"]).contains("web client"));
    assert!(refused(&["synapse.version=1.100.0"]).contains("Synapse other than"));
    assert!(refused(&["kubernetes.entrance=gateway"]).contains("NAMESPACE/NAME"));
    let long = DataDir::new("/srv/a-name-that-is-longer-than-a-cluster-can-have-it".into());
    let config = Config::load(long, &[], &Environment::default()).unwrap();
    let error = render(&config, &[], false).unwrap_err().to_string();
    assert!(error.contains("too long"), "{error}");
}
