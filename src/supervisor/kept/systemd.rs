//! systemd keeps the services, a unit each.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{Error, Exit, Fact, Phase, Said};
use crate::process;

/// Whose manager it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    System,
    User,
}

/// The units of one homeserver: `PREFIX.target`, `PREFIX-synapse.service`, …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Systemd {
    pub(crate) prefix: String,
    pub(crate) scope: Scope,
}

const PROPERTIES: &str = "ActiveState,SubState,Job,MainPID,NRestarts,ExecMainStartTimestamp,ExecMainCode,ExecMainStatus,ExecMainExitTimestamp";

impl Systemd {
    pub(crate) fn target(&self) -> String {
        format!("{}.target", self.prefix)
    }

    pub(crate) fn unit(&self, service: &str) -> String {
        format!("{}-{service}.service", self.prefix)
    }

    /// What is started of it: of one that waits for the clock its timer.
    pub(crate) fn started(&self, fact: &Fact) -> String {
        if fact.timed {
            format!("{}-{}.timer", self.prefix, fact.name)
        } else {
            self.unit(&fact.name)
        }
    }

    /// `systemctl` for this manager.
    pub(crate) fn systemctl(&self) -> Command {
        let mut command = process::command("systemctl");
        if self.scope == Scope::User {
            command.arg("--user");
        }
        command.args(["--no-pager", "--no-ask-password"]);
        command
    }

    /// Does that with these, or all where none is named.
    pub(super) async fn act(&self, verb: &str, facts: &[&Fact]) -> Result<(), process::Error> {
        let mut command = self.systemctl();
        command.arg(verb);
        if verb == "start" {
            // One that was never loaded cannot have failed.
            let mut forget = self.systemctl();
            forget.arg("reset-failed").args(facts.iter().map(|fact| self.unit(&fact.name)));
            process::tool(&mut forget).await.ok();
            command.arg("--no-block");
        }
        command.args(facts.iter().map(|fact| self.started(fact)));
        process::tool(&mut command).await.map(drop)
    }

    /// `journalctl` for the units of these services.
    pub(crate) fn journalctl(&self, services: &[String]) -> Command {
        let mut command = process::command("journalctl");
        let unit = match self.scope {
            Scope::System => "--unit",
            Scope::User => "--user-unit",
        };
        for service in services {
            command.arg(format!("{unit}={}", self.unit(service)));
        }
        command.args(["--no-pager", "--quiet", "--output=json"]);
        command
    }

    /// The same for what a service itself wrote.
    pub(crate) fn words_of(&self, service: &str) -> Command {
        let mut command = process::command("journalctl");
        let field = match self.scope {
            Scope::System => "_SYSTEMD_UNIT",
            Scope::User => "_SYSTEMD_USER_UNIT",
        };
        command.args(["--no-pager", "--quiet", &format!("{field}={}", self.unit(service))]);
        command
    }

    pub(super) async fn ask(&self, facts: &[Fact]) -> Result<Vec<Said>, Error> {
        let mut command = self.systemctl();
        command.args(["show", "--timestamp=utc", &format!("--property={PROPERTIES}")]);
        command.args(facts.iter().map(|fact| self.started(fact)));
        let text = process::asked(&mut command).await;
        let text = text.map_err(|error| Error::Silent("systemctl", error))?;
        let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
        Ok(blocks.map(said).collect())
    }
}

/// What `systemctl show` says of a unit.
fn said(block: &str) -> Said {
    let all: BTreeMap<&str, &str> = block.lines().filter_map(|it| it.split_once('=')).collect();
    let get = |key: &str| all.get(key).copied().unwrap_or_default();
    let phase = match (get("ActiveState"), get("SubState")) {
        ("active", "exited") => Phase::Completed,
        ("active" | "reloading", _) => Phase::Running,
        ("activating", "auto-restart") => Phase::Backoff,
        ("activating", _) => Phase::Starting,
        ("deactivating", _) => Phase::Stopping,
        ("failed", _) => Phase::Failed,
        // Its turn is to come.
        _ if !["", "0"].contains(&get("Job")) => Phase::Waiting,
        _ => Phase::Stopped,
    };
    let number = |key: &str| get(key).parse::<u32>().ok();
    // CLD_EXITED is 1, CLD_KILLED 2 and CLD_DUMPED 3 (sigaction(2)).
    let exit = match (number("ExecMainCode"), get("ExecMainStatus").parse::<i32>().ok()) {
        _ if get("ExecMainExitTimestamp").is_empty() => None,
        (Some(1), code) => Some(Exit { code, ..Exit::default() }),
        (Some(2 | 3), signal) => Some(Exit { signal, ..Exit::default() }),
        _ => None,
    };
    Said {
        phase,
        pid: number("MainPID").filter(|pid| *pid > 0),
        started_at: moment(get("ExecMainStartTimestamp")).map(|at| at.to_string()),
        restarts: number("NRestarts").unwrap_or_default(),
        exit,
        health: None,
    }
}

/// `Mon 2026-11-30 19:18:51 UTC`
fn moment(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once(' ')?;
    let time = civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", rest.strip_suffix(" UTC")?).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_says_is_a_phase() {
        let running = said(
            "MainPID=42\nNRestarts=1\nExecMainStartTimestamp=Mon 2026-11-30 19:18:51 UTC\nExecMainExitTimestamp=\nExecMainCode=0\nExecMainStatus=0\nActiveState=active\nSubState=running",
        );
        assert_eq!((running.phase, running.pid, running.restarts), (Phase::Running, Some(42), 1));
        assert_eq!(running.started_at.unwrap(), "2026-11-30T19:18:51Z");
        let phase = |block: &str| said(block).phase;
        assert_eq!(phase("ActiveState=active\nSubState=exited"), Phase::Completed);
        assert_eq!(phase("ActiveState=activating\nSubState=auto-restart"), Phase::Backoff);
        assert_eq!(phase("ActiveState=activating\nSubState=start-post"), Phase::Starting);
        assert_eq!(phase("ActiveState=failed\nSubState=failed"), Phase::Failed);
        assert_eq!(phase("ActiveState=inactive\nSubState=dead"), Phase::Stopped);
        assert_eq!(said("ActiveState=active\nSubState=waiting").phase, Phase::Running);
    }

    #[test]
    fn how_it_ended_is_known() {
        let ended = said(
            "ActiveState=failed\nSubState=failed\nExecMainCode=2\nExecMainStatus=9\nExecMainExitTimestamp=Mon 2026-11-30 19:18:51 UTC",
        );
        assert_eq!(ended.exit.unwrap().signal, Some(9));
    }
}
