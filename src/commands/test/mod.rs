//! `test`: the contract's phases, which are scripts that drive this program as a scenario would.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::io::AsyncReadExt as _;

use super::{Answered, Reply, table::commands};
use crate::{context::Context, error::Failure, output::Report, process, reply::Outcome};

mod all;
mod integration;
mod smoke;
mod unit;

commands! {
    "Commands";
    "smoke" => smoke, "Check in seconds that the running server works";
    "integration" => integration, "Check users, rooms and messages on the running server";
    "unit" => unit, "Check settings, rendering and refusals, without a server";
    "all" => all, "Run all of them";
}

/// What a phase found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tested {
    phase: &'static str,
    passed: bool,
    /// Whether its scripts are there.
    #[serde(skip)]
    there: bool,
    /// How long it took, in seconds.
    seconds: f64,
    checks: Vec<Check>,
}

#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Check {
    name: String,
    passed: bool,
}

/// A script below `test/`, its arguments and its time limit in seconds.
async fn phase(
    name: &'static str,
    script: &[&str],
    limit: u64,
    context: &Context,
) -> Answered<Tested> {
    let Some(folder) = resource_folder(context) else {
        context.warn(
            "the scripts of the tests are not beside this program: they come with its sources",
        );
        let none =
            Tested { phase: name, passed: false, there: false, seconds: 0.0, checks: Vec::new() };
        return Ok(Reply::done_if(false, none));
    };
    // A person reads what the scripts say as they say it.
    let is_text = context.view().is_text();
    let mut command = process::command("bash");
    command
        .arg(folder.join("test").join(script[0]))
        .args(&script[1..])
        .env("RMS_RESOURCE_DIR", &folder)
        .env("MATRIX_SYNAPSE_DATA_DIR", context.data()?.root())
        .process_group(0)
        .stdout(if is_text { Stdio::inherit() } else { Stdio::piped() })
        .stderr(if is_text { Stdio::inherit() } else { Stdio::null() });
    let start = Instant::now();
    let unstartable = |error| Failure::environment(format!("the tests cannot be started: {error}"));
    let mut child = command.spawn().map_err(unstartable)?;
    let pid = child.id();
    let mut text = String::new();
    let ended = tokio::time::timeout(Duration::from_secs(limit), async {
        if let Some(mut stdout) = child.stdout.take() {
            drop(stdout.read_to_string(&mut text).await);
        }
        child.wait().await
    })
    .await;
    let passed = if let Ok(status) = ended {
        status.map_err(unstartable)?.success()
    } else {
        kill_group(pid);
        context.warn(format!("the {name} tests were not done within {limit} s"));
        false
    };
    let seconds = (start.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    let outcome = if passed { Outcome::Done } else { Outcome::Unwell };
    let answer = Tested { phase: name, passed, there: true, seconds, checks: checks(&text) };
    Ok(Reply { outcome, answer })
}

fn kill_group(pid: Option<u32>) {
    if let Some(pid) = pid.and_then(process::pid_of) {
        // A group that is gone already is what we want.
        rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).unwrap_or_default();
    }
}

/// The folder of `cli.sh`: as it said itself, or around this program.
fn resource_folder(context: &Context) -> Option<PathBuf> {
    let is_resource = |folder: &PathBuf| folder.join("test/run-tests.sh").is_file();
    if let Some(folder) = context.environment.get("RMS_RESOURCE_DIR") {
        return Some(PathBuf::from(folder)).filter(is_resource);
    }
    let program = std::env::current_exe().ok()?;
    program.ancestors().map(PathBuf::from).find(is_resource)
}

/// The lines of `lib/test.sh`.
fn checks(text: &str) -> Vec<Check> {
    let check = |line: &str| {
        let (name, passed) = match line.strip_prefix("ok ") {
            Some(name) => (name, true),
            None => (line.strip_prefix("FAILED ")?, false),
        };
        Some(Check { name: name.trim().to_owned(), passed })
    };
    text.lines().filter_map(check).collect()
}

impl Report for Tested {
    fn text(&self, page: &mut String) -> fmt::Result {
        if !self.there {
            return writeln!(page, "the {} tests were not run", self.phase);
        }
        let word = if self.passed { "passed" } else { "failed" };
        writeln!(page, "{} tests {word} in {} s", self.phase, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_phase_become_checks() {
        let text = "== smoke\nok      it answers\nFAILED  it sends\n        why\nsmoke: 1 passed, 1 failed\n";
        let check = |name: &str, passed| Check { name: name.into(), passed };
        assert_eq!(checks(text), [check("it answers", true), check("it sends", false)]);
    }
}
