//! Docker Compose keeps the services, a container each.

use std::{collections::BTreeMap, fs, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Command;

use super::{Error, Exit, Fact, Health, Phase, Said};
use crate::process;

/// The containers of one homeserver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Compose {
    /// What all of them are named after.
    pub(crate) project: String,
    /// The folder of `compose.yaml`.
    pub(crate) folder: PathBuf,
}

/// How Compose names what belongs together.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";

impl Compose {
    /// `docker compose` for this project.
    pub(crate) fn compose(&self) -> Command {
        let mut command = process::command("docker");
        command.arg("compose").arg("--project-directory").arg(&self.folder);
        command.arg("--file").arg(self.folder.join("compose.yaml"));
        // What an operator adds is taken in as Compose itself would.
        let beside = self.folder.join("compose.override.yaml");
        if beside.exists() {
            command.arg("--file").arg(beside);
        }
        command.args(["--project-name", &self.project, "--ansi", "never", "--progress", "quiet"]);
        command
    }

    /// Whether there is the image of a service.
    pub(crate) async fn has_image(&self, service: &str) -> bool {
        let mut config = self.compose();
        config.args(["config", "--images", service]);
        let name = process::asked(&mut config).await.unwrap_or_default();
        let mut inspect = process::command("docker");
        inspect.args(["image", "inspect", "--format", "{{.Id}}"]).args(name.lines().next());
        process::asked(&mut inspect).await.is_ok()
    }

    pub(super) async fn ask(&self, facts: &[Fact]) -> Result<Vec<Said>, Error> {
        let silent = |error| Error::Silent("docker", error);
        let mut list = process::command("docker");
        list.args(["ps", "--all", "--quiet", "--no-trunc", "--filter"]);
        list.arg(format!("label={PROJECT}={}", self.project));
        let ids = process::asked(&mut list).await.map_err(silent)?;
        let mut found = BTreeMap::new();
        if !ids.trim().is_empty() {
            let mut inspect = process::command("docker");
            inspect.arg("inspect").args(ids.split_whitespace());
            let text = process::asked(&mut inspect).await.map_err(silent)?;
            let all: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
            for one in all {
                let service = one["Config"]["Labels"][SERVICE].as_str().map(str::to_owned);
                found.extend(service.map(|service| (service, one)));
            }
        }
        Ok(facts.iter().map(|fact| said(found.get(&fact.name))).collect())
    }
}

/// What `docker inspect` says of a container; none where it was not made yet.
fn said(container: Option<&Value>) -> Said {
    let nothing = Value::Null;
    let container = container.unwrap_or(&nothing);
    let state = &container["State"];
    let code = state["ExitCode"].as_i64().and_then(|code| i32::try_from(code).ok());
    let health = state["Health"]["Status"].as_str();
    let policy = container["HostConfig"]["RestartPolicy"]["Name"].as_str();
    let stays = policy == Some("unless-stopped");
    let phase = match (state["Status"].as_str(), health) {
        (Some("running"), Some("starting")) => Phase::Starting,
        (Some("running" | "paused"), _) => Phase::Running,
        (Some("restarting"), _) => Phase::Backoff,
        (Some("removing"), _) => Phase::Stopping,
        (Some("created"), _) => Phase::Waiting,
        // Compose stops what is started again as well, with the code that it ends with.
        (Some("exited"), _) if !stays && code == Some(0) => Phase::Completed,
        (Some("exited"), _) if !stays => Phase::Failed,
        (Some("dead"), _) => Phase::Failed,
        _ => Phase::Stopped,
    };
    let time = |key: &str| {
        let at = state[key].as_str()?.parse::<Timestamp>().ok()?;
        (at > Timestamp::UNIX_EPOCH).then(|| at.to_string())
    };
    let number = |value: &Value| value.as_u64().and_then(|it| u32::try_from(it).ok());
    let ended = ["exited", "dead", "restarting"].map(Some).contains(&state["Status"].as_str());
    Said {
        phase,
        pid: number(&state["Pid"]).filter(|pid| *pid > 0).map(service_of),
        started_at: time("StartedAt"),
        restarts: number(&container["RestartCount"]).unwrap_or_default(),
        exit: ended.then(|| Exit { code, ..Exit::default() }),
        health: health.map(|word| heard(word, &state["Health"]["Log"])),
    }
}

/// What the first process of a container started, which is the service.
fn service_of(first: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
    let child = children.ok().and_then(|it| it.split_whitespace().next()?.parse().ok());
    child.unwrap_or(first)
}

/// What the engine heard when it asked the container last.
fn heard(word: &str, log: &Value) -> Health {
    let last = log.as_array().and_then(|log| log.last());
    let text = |key: &str| last.and_then(|last| last[key].as_str()).unwrap_or_default();
    let healthy = word != "unhealthy";
    let message = (!healthy).then(|| text("Output").trim().to_owned());
    Health { healthy, last_check: text("End").to_owned(), endpoint: None, message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_engine_says_is_a_phase() {
        let phase = |status: &str, health: Option<&str>, code: i32, policy: &str| {
            let container = json!({
                "State": { "Status": status, "ExitCode": code, "Health": { "Status": health } },
                "HostConfig": { "RestartPolicy": { "Name": policy } },
            });
            said(Some(&container)).phase
        };
        assert_eq!(phase("running", Some("healthy"), 0, "unless-stopped"), Phase::Running);
        assert_eq!(phase("running", Some("starting"), 0, "unless-stopped"), Phase::Starting);
        assert_eq!(phase("restarting", None, 1, "unless-stopped"), Phase::Backoff);
        assert_eq!(phase("exited", None, 0, "no"), Phase::Completed);
        assert_eq!(phase("exited", None, 1, "no"), Phase::Failed);
        assert_eq!(phase("exited", None, 137, "unless-stopped"), Phase::Stopped);
        assert_eq!(said(None).phase, Phase::Stopped);
    }

    #[test]
    fn one_that_is_not_well_says_why() {
        let container = json!({ "State": {
            "Status": "running", "Pid": 7, "StartedAt": "2026-11-30T19:18:51.5Z",
            "Health": { "Status": "unhealthy", "Log": [{ "End": "x", "Output": "no answer\n" }] },
        }});
        let said = said(Some(&container));
        assert_eq!((said.pid, said.phase), (Some(7), Phase::Running));
        assert_eq!(said.health.unwrap().message.unwrap(), "no answer");
    }
}
