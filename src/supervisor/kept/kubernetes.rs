//! Kubernetes keeps the services, most of them in pods of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Error, Exit, Fact, Health, Phase, Said};
use crate::{files, process};

/// The objects of one homeserver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kubernetes {
    pub(crate) context: Option<String>,
    pub(crate) namespace: String,
    /// What all of them are named after.
    pub(crate) prefix: String,
    /// The folder of their files.
    pub(crate) folder: PathBuf,
}

/// Whose fields these are, where several change an object ([server-side apply]).
///
/// [server-side apply]: https://kubernetes.io/docs/reference/using-api/server-side-apply/
const MANAGER: &str = "--field-manager=resource-matrix-synapse";

/// The labels by which objects are found: whose they are, what part of it, and who made them.
pub(crate) const INSTANCE: &str = "app.kubernetes.io/instance";
pub(crate) const PART: &str = "app.kubernetes.io/component";
pub(crate) const MADE_BY: &str = "app.kubernetes.io/managed-by";
pub(crate) const MAKER: &str = "resource-matrix-synapse";
/// What the others need, and is ended after them.
const NEEDED: [&str; 2] = ["postgres", "redis"];
/// The kinds of what is made, but for what holds data.
const KINDS: &str = "statefulsets,deployments,services,configmaps,secrets,cronjobs,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,ingresses";

impl Kubernetes {
    /// `kubectl` for its namespace.
    pub(crate) fn kubectl(&self) -> Command {
        let mut command = process::command("kubectl");
        command.args(self.context.as_ref().map(|context| format!("--context={context}")));
        command.arg(format!("--namespace={}", self.namespace));
        command
    }

    /// What a person types before a command that is to run beside the homeserver.
    pub(crate) fn shell(&self) -> String {
        let context =
            self.context.as_ref().map(|it| format!("--context {it} ")).unwrap_or_default();
        let Self { namespace, prefix, .. } = self;
        format!(
            "kubectl {context}-n {namespace} exec -i {prefix}-synapse-0 -- resource-matrix-synapse"
        )
    }

    /// By which all objects are found.
    pub(crate) fn selector(&self) -> String {
        format!("{INSTANCE}={}", self.prefix)
    }

    /// By which the pods are found that a service is in.
    pub(super) fn pods_of(&self, service: &str) -> String {
        let apart = self.objects().is_ok_and(|all| parts(&all).contains(service));
        format!("{},{PART}={}", self.selector(), if apart { service } else { "synapse" })
    }

    /// What the files hold.
    pub(crate) fn objects(&self) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        for path in files::entries(&self.folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_manifest = path.extension().is_some_and(|it| it == "yaml");
            if !name.starts_with(&format!("{}-", self.prefix)) || !is_manifest {
                continue;
            }
            let text = files::read(&path)?;
            for document in text.split("\n---\n") {
                let object: Value = serde_yaml::from_str(document).map_err(|source| {
                    Error::Manifest { path: path.clone(), source: source.into() }
                })?;
                all.push(object);
            }
        }
        Ok(all)
    }

    /// Makes or changes these objects.
    pub(crate) async fn apply(&self, objects: &[Value], force: bool) -> Result<(), process::Error> {
        let texts = objects.iter().map(ToString::to_string);
        let text = texts.collect::<Vec<_>>().join("\n");
        let mut command = self.kubectl();
        command.args(["apply", "--server-side", MANAGER, "--filename=-"]);
        command.args(force.then_some("--force-conflicts"));
        process::fed(&mut command, text.as_bytes()).await.map(drop)
    }

    /// Makes them what the files say, but for the namespace.
    pub(crate) async fn start(&self) -> Result<(), Error> {
        let mut objects = self.objects()?;
        objects.retain(|it| it["kind"] != "Namespace");
        Ok(self.apply(&objects, false).await?)
    }

    /// Ends the pods of these parts, or all, those last that the others need; what they are made from stays.
    pub(crate) async fn stop(&self, names: &[String]) -> Result<(), Error> {
        let all = self.objects()?;
        let parts = parts(&all);
        if let Some(name) = names.iter().find(|name| !parts.contains(*name)) {
            return Err(Error::Within { service: name.clone() });
        }
        for last in [false, true] {
            let chosen = |it: &&Value| {
                let name = part(it).unwrap_or_default();
                (names.is_empty() || names.contains(&name))
                    && NEEDED.contains(&name.as_str()) == last
            };
            let none = |it: &Value| {
                let mut it = it.clone();
                it["spec"]["replicas"] = json!(0);
                it
            };
            let objects: Vec<Value> =
                all.iter().filter(|it| is_workload(it)).filter(chosen).map(none).collect();
            if objects.is_empty() {
                continue;
            }
            self.apply(&objects, false).await?;
            let parts: Vec<String> = objects.iter().filter_map(part).collect();
            let mut wait = self.kubectl();
            let selector =
                format!("--selector={},{PART} in ({})", self.selector(), parts.join(","));
            wait.args(["wait", "pods", "--for=delete", "--timeout=180s", &selector]);
            // It says so where there are none any more.
            drop(process::tool(&mut wait).await);
        }
        Ok(())
    }

    /// Removes objects that the files no longer have; with `all`, all but the volumes.
    pub(crate) async fn prune(&self, all: bool) -> Result<bool, Error> {
        let mut list = self.kubectl();
        let selector = format!("--selector={}", self.selector());
        list.args(["get", KINDS, &selector, "--output=json"]);
        let there: Value =
            serde_json::from_str(&process::tool(&mut list).await?).unwrap_or_default();
        let word = |it: &Value| {
            let kind = it["kind"].as_str()?.to_lowercase();
            Some(format!("{kind}/{}", it["metadata"]["name"].as_str()?))
        };
        let wanted: BTreeSet<String> =
            if all { BTreeSet::new() } else { self.objects()?.iter().filter_map(word).collect() };
        let is_ours = |it: &&Value| {
            // Of what controllers of the cluster made, and of secrets, which are in no file.
            let is_made = it["metadata"]["ownerReferences"].is_array();
            let by_us = it["metadata"]["labels"][MADE_BY] == MAKER;
            by_us && !is_made && (all || it["kind"] != "Secret")
        };
        let items = there["items"].as_array().cloned().unwrap_or_default();
        let gone: Vec<String> = items
            .iter()
            .filter(is_ours)
            .filter_map(word)
            .filter(|word| !wanted.contains(word))
            .collect();
        if !gone.is_empty() {
            let mut delete = self.kubectl();
            delete.args(["delete", "--wait=false", "--ignore-not-found"]).args(&gone);
            process::tool(&mut delete).await?;
        }
        Ok(!gone.is_empty())
    }

    /// What keeps a service from running, as the cluster says it, with what it wrote last.
    pub(super) async fn words_of(&self, service: &str, count: usize) -> String {
        let Ok(found) = self.found().await else { return String::new() };
        let mut words = Vec::new();
        if let Some((pod, _)) = found.containers.get(service).and_then(|it| it.first()) {
            words.extend(why(pod, service));
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            for container in [service, PREPARE] {
                let mut logs = self.kubectl();
                logs.args(["logs", name, "--container", container, &format!("--tail={count}")]);
                let said = process::tool(&mut logs).await.unwrap_or_default();
                if !said.trim().is_empty() {
                    words.push(said.trim().to_owned());
                    break;
                }
            }
        } else {
            words.extend(self.refused(service).await);
        }
        words.join("\n")
    }

    /// Why there is no pod: a quota, a policy of the cluster.
    async fn refused(&self, part: &str) -> Option<String> {
        let mut events = self.kubectl();
        let about = format!("--field-selector=involvedObject.name={}-{part}", self.prefix);
        events.args(["get", "events", &about, "--output=json"]);
        let said = process::tool(&mut events).await.ok()?;
        let said: Value = serde_json::from_str(&said).ok()?;
        let last = said["items"].as_array()?.iter().rfind(|it| it["type"] == "Warning")?;
        Some(last["message"].as_str()?.to_owned())
    }

    async fn found(&self) -> Result<Found, Error> {
        let mut list = self.kubectl();
        let selector = format!("--selector={}", self.selector());
        list.args(["get", "pods,statefulsets,deployments", &selector, "--output=json"]);
        let silent = |error| Error::Silent("kubectl", error);
        let text = process::asked(&mut list).await.map_err(silent)?;
        let all: Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(Found::of(all["items"].as_array().cloned().unwrap_or_default()))
    }

    pub(super) async fn ask(&self, facts: &[Fact]) -> Result<Vec<Said>, Error> {
        let found = self.found().await?;
        Ok(facts.iter().map(|fact| found.said(&fact.name)).collect())
    }
}

/// Whether pods are made from it and kept.
fn is_workload(object: &Value) -> bool {
    !object["spec"]["template"].is_null()
}

/// The parts that have pods of their own.
fn parts(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().filter(|it| is_workload(it)).filter_map(part).collect()
}

fn part(object: &Value) -> Option<String> {
    object["metadata"]["labels"][PART].as_str().map(str::to_owned)
}

/// The container that makes a pod ready.
const PREPARE: &str = "prepare";

/// Pods and what they are made from.
#[derive(Default)]
struct Found {
    /// By the names of the containers: the pods that have one, each with the part that it is.
    containers: BTreeMap<String, Vec<(Value, String)>>,
    /// The parts whose pods are not yet what was asked for last.
    behind: BTreeSet<String>,
}

impl Found {
    fn of(items: Vec<Value>) -> Self {
        let mut found = Self::default();
        for item in items {
            let part = part(&item).unwrap_or_default();
            if item["kind"] != "Pod" {
                if is_behind(&item) {
                    found.behind.insert(part);
                }
                continue;
            }
            let containers = item["spec"]["containers"].as_array().cloned().unwrap_or_default();
            for name in containers.iter().filter_map(|it| it["name"].as_str()) {
                found
                    .containers
                    .entry(name.to_owned())
                    .or_default()
                    .push((item.clone(), part.clone()));
            }
        }
        // The one that is least well says how they are.
        for (name, pods) in &mut found.containers {
            pods.sort_by_key(|(pod, _)| is_ready(pod, name));
        }
        found
    }

    fn said(&self, name: &str) -> Said {
        let Some((pod, part)) = self.containers.get(name).and_then(|pods| pods.first()) else {
            // A part that has no pod although it should.
            let phase = if self.behind.contains(name) { Phase::Waiting } else { Phase::Stopped };
            return Said {
                phase,
                pid: None,
                started_at: None,
                restarts: 0,
                exit: None,
                health: None,
            };
        };
        let mut said = said(pod, name);
        if said.phase == Phase::Running && self.behind.contains(part) {
            said.phase = Phase::Starting;
        }
        said
    }
}

/// Whether not all pods are those of the latest template, and ready; as `kubectl rollout status` sees it.
fn is_behind(workload: &Value) -> bool {
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let (status, wanted) = (&workload["status"], number(&workload["spec"]["replicas"]));
    if number(&status["observedGeneration"]) < number(&workload["metadata"]["generation"]) {
        return true;
    }
    let is_old = match workload["kind"].as_str() {
        Some("StatefulSet") => status["updateRevision"] != status["currentRevision"],
        _ => number(&status["updatedReplicas"]) < wanted || number(&status["replicas"]) > wanted,
    };
    is_old || number(&status["readyReplicas"]) < wanted
}

fn status<'a>(pod: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    pod["status"][list].as_array()?.iter().find(|it| it["name"] == name)
}

fn is_ready(pod: &Value, name: &str) -> bool {
    let ready = status(pod, "containerStatuses", name).is_some_and(|it| it["ready"] == true);
    ready && pod["metadata"]["deletionTimestamp"].is_null()
}

/// What a node cannot do, whatever time it is given.
const HOPELESS: [&str; 5] = [
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
];

fn said(pod: &Value, name: &str) -> Said {
    let own = status(pod, "containerStatuses", name);
    let first = status(pod, "initContainerStatuses", PREPARE);
    // Until it is ready made, what makes it ready says how it is.
    let is_made = first.is_none_or(|it| it["state"]["terminated"]["exitCode"] == 0);
    let shown = if is_made { own } else { first };
    let nothing = Value::Null;
    let state = shown.map_or(&nothing, |it| &it["state"]);
    let reason = state["waiting"]["reason"].as_str();
    let ready = own.is_some_and(|it| it["ready"] == true);
    let phase = if !pod["metadata"]["deletionTimestamp"].is_null() {
        Phase::Stopping
    } else if reason.is_some_and(|reason| HOPELESS.contains(&reason)) {
        Phase::Failed
    } else if reason == Some("CrashLoopBackOff") || !state["terminated"].is_null() {
        Phase::Backoff
    } else if !state["running"].is_null() && is_made && ready {
        Phase::Running
    } else if state["running"].is_null() {
        Phase::Waiting
    } else {
        Phase::Starting
    };
    let ended = shown.map(|it| {
        let now = &it["state"]["terminated"];
        if now.is_null() { &it["lastState"]["terminated"] } else { now }
    });
    let code = ended.and_then(|it| it["exitCode"].as_i64()).and_then(|it| i32::try_from(it).ok());
    let started_at = own.and_then(|it| it["state"]["running"]["startedAt"].as_str());
    let started_at = started_at.and_then(|at| at.parse::<Timestamp>().ok());
    let health = (phase == Phase::Running || phase == Phase::Starting).then(|| Health {
        healthy: ready,
        last_check: String::new(),
        endpoint: None,
        message: (!ready).then(|| "its probe is not answered yet".to_owned()),
    });
    Said {
        phase,
        pid: None,
        started_at: started_at.map(|at| at.to_string()),
        restarts: own
            .and_then(|it| it["restartCount"].as_u64())
            .and_then(|it| u32::try_from(it).ok())
            .unwrap_or_default(),
        exit: code.map(|code| Exit { code: Some(code), ..Exit::default() }),
        health,
    }
}

/// What the cluster says of a pod that does not run.
fn why(pod: &Value, name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    for condition in conditions.filter(|it| it["reason"] == "Unschedulable") {
        words.extend(condition["message"].as_str().map(str::to_owned));
    }
    let own = status(pod, "containerStatuses", name);
    let first = status(pod, "initContainerStatuses", PREPARE);
    for it in first.into_iter().chain(own) {
        let waiting = &it["state"]["waiting"];
        if let (Some(reason), Some(message)) =
            (waiting["reason"].as_str(), waiting["message"].as_str())
        {
            words.push(format!("{reason}: {message}"));
        }
        let ended = [&it["state"]["terminated"], &it["lastState"]["terminated"]];
        let message = ended.into_iter().find_map(|it| it["message"].as_str());
        words.extend(message.map(|it| it.trim().to_owned()));
    }
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(own: &Value, first: &Value) -> Value {
        json!({
            "kind": "Pod",
            "metadata": { "name": "m-synapse-0", "labels": { PART: "synapse" } },
            "spec": { "containers": [{ "name": "synapse" }] },
            "status": {
                "containerStatuses": [{ "name": "synapse", "ready": own["ready"], "state": own["state"], "restartCount": 2 }],
                "initContainerStatuses": [{ "name": "prepare", "state": first }],
            },
        })
    }

    fn set(current: &str, update: &str) -> Value {
        json!({
            "kind": "StatefulSet",
            "metadata": { "generation": 3, "labels": { PART: "synapse" } },
            "spec": { "replicas": 1 },
            "status": {
                "observedGeneration": 3, "readyReplicas": 1,
                "currentRevision": current, "updateRevision": update,
            },
        })
    }

    #[test]
    fn how_a_pod_is_says_how_its_service_is() {
        let done = json!({ "terminated": { "exitCode": 0 } });
        let running = json!({ "ready": true, "state": { "running": { "startedAt": "2026-11-30T19:18:51Z" } } });
        let phase = |own: &Value, first: &Value| said(&pod(own, first), "synapse");
        let well = phase(&running, &done);
        assert_eq!((well.phase, well.restarts), (Phase::Running, 2));
        assert!(well.health.unwrap().healthy);
        let starting = json!({ "ready": false, "state": { "running": {} } });
        assert_eq!(phase(&starting, &done).phase, Phase::Starting);
        let waits =
            json!({ "ready": false, "state": { "waiting": { "reason": "PodInitializing" } } });
        assert_eq!(phase(&waits, &json!({ "running": {} })).phase, Phase::Starting);
        let crashed = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        assert_eq!(phase(&waits, &crashed).phase, Phase::Backoff);
        let pull =
            json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } });
        let missing = pod(&waits, &pull);
        assert_eq!(said(&missing, "synapse").phase, Phase::Failed);
        assert_eq!(why(&missing, "synapse"), ["ImagePullBackOff: no such image"]);
    }

    #[test]
    fn a_pod_of_an_older_template_is_not_ready() {
        let done = json!({ "terminated": { "exitCode": 0 } });
        let running = json!({ "ready": true, "state": { "running": {} } });
        let pod = pod(&running, &done);
        let now = |set: Value| Found::of(vec![pod.clone(), set]).said("synapse").phase;
        assert_eq!(now(set("a", "a")), Phase::Running);
        assert_eq!(now(set("a", "b")), Phase::Starting);
        // A quota may keep a set from having any.
        let mut alone = set("a", "a");
        alone["status"]["readyReplicas"] = json!(0);
        assert_eq!(Found::of(vec![alone]).said("synapse").phase, Phase::Waiting);
        assert_eq!(Found::default().said("synapse").phase, Phase::Stopped);
    }
}
