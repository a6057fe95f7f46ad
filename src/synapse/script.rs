//! Asks the installed Synapse by a script of ours that its own Python runs.

use std::process::Stdio;

use serde::de::DeserializeOwned;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{process, python::Environment};

/// It ends soon, and a seventh of its time would go into looking for what can be thrown away.
const NO_COLLECTOR: &str = "import gc\ngc.disable()\n";

/// The script, in that environment and in no other; arguments may follow.
pub(crate) fn command(environment: &Environment, script: &str) -> Command {
    let mut command = process::command(environment.python());
    command.args(["-I", "-c"]).arg(format!("{NO_COLLECTOR}{script}"));
    command
}

/// What it answers to `input`; else its last words.
pub(crate) async fn answer<A: DeserializeOwned>(
    mut command: Command,
    input: &str,
) -> Result<Result<A, String>, process::Error> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |source| process::Error::Start { program: "python".into(), source };
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await.map_err(failed)?;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    Ok(serde_json::from_slice(&output.stdout).map_err(|_| {
        let words = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = words.trim().lines().collect();
        lines[lines.len().saturating_sub(4)..].join("\n")
    }))
}
