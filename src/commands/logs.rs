//! `logs`: what the processes wrote, without secrets.

use std::{
    fmt::{self, Write as _},
    fs,
    path::Path,
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    commands::{Outcome, Result, moment::moment},
    config::{nearest, paths::DataDir},
    context::Context,
    error::Failure,
    files,
    output::{Output, Report},
    secret::MASK,
    supervisor::journal::{self, Follower, Line},
};

/// How often `--follow` looks.
const PAUSE: Duration = Duration::from_millis(250);
/// What is no service's log, and shown only where it is named.
const APART: [&str; 1] = ["postgres-setup"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this service: synapse, postgres, database or supervisor
    service: Option<String>,
    /// So many last lines; 50, or with --since all
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    /// What was written since then: 10m, 2h, or a time such as 2026-11-21T05:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Go on with what is written from now on
    #[arg(long, short)]
    follow: bool,
}

#[derive(Serialize)]
struct Logs {
    lines: Vec<Shown>,
    total: usize,
}

#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Shown(pub(super) Line);

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let data = context.data()?;
    let folder = data.logs();
    let services = chosen(args.service.as_deref(), &journal::names(&folder))?;
    if services.is_empty() && !args.follow {
        output.emit(&Logs { lines: Vec::new(), total: 0 });
        return Ok(Outcome::Moot);
    }
    let secrets = secrets(&data);
    let masked = |mut line: Line| {
        for secret in &secrets {
            if line.message.contains(secret) {
                line.message = line.message.replace(secret, MASK);
            }
        }
        Shown(line)
    };
    let count = args.tail.unwrap_or(if args.since.is_some() { usize::MAX } else { 50 });
    let mut follower = Follower::new(&folder, &services);
    let lines = journal::tail(&folder, &services, count, args.since)
        .map_err(files::Error::io("read", &folder))?;
    let lines: Vec<Shown> = lines.into_iter().map(masked).collect();
    if !args.follow {
        let outcome = if lines.is_empty() { Outcome::Moot } else { Outcome::Done };
        output.emit(&Logs { total: lines.len(), lines });
        return Ok(outcome);
    }
    let mut open = lines.iter().all(|line| output.emit_line(line));
    while open {
        tokio::time::sleep(PAUSE).await;
        open = follower.more().into_iter().map(masked).all(|line| output.emit_line(&line));
    }
    Ok(Outcome::Done)
}

/// The logs to show: the one that was named, or those of all services.
fn chosen(named: Option<&str>, there: &[String]) -> std::result::Result<Vec<String>, Failure> {
    let Some(named) = named else {
        return Ok(there.iter().filter(|name| !APART.contains(&name.as_str())).cloned().collect());
    };
    if there.is_empty() || there.iter().any(|name| name == named) {
        return Ok(there.iter().filter(|name| *name == named).cloned().collect());
    }
    let hint = match nearest(named, there.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("there are logs of {}", there.join(", ")),
    };
    Err(Failure::request(format!("there is no log of `{named}`")).hinted(hint))
}

/// Everything that must not be shown: the contents of the secret files and the tokens of sessions.
fn secrets(data: &DataDir) -> Vec<String> {
    /// Shorter ones would hide innocent words.
    const SHORTEST: usize = 8;
    let files = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut secrets: Vec<String> = Vec::new();
    for file in files(&data.secrets()).chain(files(&data.sessions())) {
        let Ok(text) = files::read(&file.path()) else { continue };
        if let Ok(session) = serde_json::from_str::<serde_json::Value>(&text) {
            let token = session.get("access_token").and_then(serde_json::Value::as_str);
            secrets.extend(token.map(str::to_owned));
            continue;
        }
        for line in text.lines().map(str::trim) {
            // `host:port:database:user:password` of a libpq password file, `ed25519 a_x <key>`.
            let words = [line].into_iter().chain(line.rsplit([':', ' ']).next());
            secrets.extend(words.map(str::to_owned));
        }
    }
    secrets.retain(|secret| secret.len() >= SHORTEST && !secret.starts_with("-----"));
    // The longest first: one may be part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

impl Report for Logs {
    fn text(&self, page: &mut String) -> fmt::Result {
        if self.lines.is_empty() {
            return writeln!(page, "no log lines");
        }
        self.lines.iter().try_for_each(|line| {
            line.text(page)?;
            page.push('\n');
            Ok(())
        })
    }
}

impl Report for Shown {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Line { time, service, message } = &self.0;
        match time {
            Some(time) => write!(page, "{time} {service:<10} {message}"),
            None => write!(page, "{service:<10} {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        files::write_atomically(path, text.as_bytes(), files::PRIVATE).unwrap();
    }

    #[test]
    fn tokens_and_passwords_are_known_as_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        write(&data.secret("pgpass"), "127.0.0.1:5432:synapse:synapse:pass:word1\n");
        write(&data.sessions().join("a.json"), r#"{"access_token":"syt_abcdef"}"#);
        write(&data.secret("form_secret"), "formsecret\n");
        let secrets = secrets(&data);
        for secret in ["syt_abcdef", "formsecret"] {
            assert!(secrets.iter().any(|found| found == secret), "{secrets:?}");
        }
    }
}
