//! `logs`: what the processes wrote, without secrets.

use std::{
    fmt::{self, Write as _},
    fs,
    path::Path,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Reply,
        arguments::ServicesArg,
        moment::moment,
        reply::{Live, Stream},
    },
    config::{self, sources::dotenv},
    context::Context,
    data_dir::DataDir,
    error::Failure,
    files,
    instance::lifecycle::select,
    output::{Report, harmless},
    reply::{Outcome, Stop},
    secret::MASK,
    services,
    supervisor::log::read::{self, Follower, Line},
};

mod journal;

/// Shorter secrets would hide innocent words.
const SHORTEST: usize = 8;
/// How often `--follow` looks.
const PAUSE: Duration = Duration::from_millis(250);
/// What is no service's log, and shown only where it is named.
const APART: [&str; 1] = ["postgres-setup"];

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: ServicesArg,
    #[command(flatten)]
    part: Part,
}

// Which part of a log is shown. No doc comment: clap would show it as the help of the command.
#[derive(clap::Args)]
pub(crate) struct Part {
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

#[derive(Serialize, JsonSchema)]
pub(crate) struct Logs {
    lines: Vec<Shown>,
    total: usize,
}

/// A line, and which colour its service has on a terminal.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Shown {
    line: Line,
    #[serde(skip)]
    colour: Option<AnsiColor>,
}

impl Shown {
    pub(super) fn plain(line: Line) -> Self {
        Self { line, colour: None }
    }
}

/// Of services that are shown together, as long as there are enough.
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Red,
];

pub(crate) async fn run(args: Args, context: &Context) -> Result<Live<Logs, Shown>, Stop> {
    show(&args.services.services, &args.part, context).await
}

/// Shows that part of the logs of these, or of all where none is named.
pub(crate) async fn show(
    names: &[String],
    part: &Part,
    context: &Context,
) -> Result<Live<Logs, Shown>, Stop> {
    let data = context.data()?;
    if let Some(kept) = context.kept()? {
        return journal::show(&kept, names, part, context).await;
    }
    let folder = data.logs();
    let there = read::names(&folder)?;
    let services = if names.is_empty() {
        there.into_iter().filter(|name| !APART.contains(&name.as_str())).collect()
    } else {
        chosen(names, &there, context)?
    };
    if services.is_empty() && !part.follow {
        let none = Logs { lines: Vec::new(), total: 0 };
        return Ok(Live::Reply(Reply::done_if(false, none)));
    }
    let count = part.tail.unwrap_or(if part.since.is_some() { usize::MAX } else { 50 });
    let mut follower = Follower::new(&folder, &services);
    let (lines, mut unread) = read::tail(&folder, &services, count, part.since);
    if lines.is_empty() && !part.follow && !unread.is_empty() {
        return Err(unread.swap_remove(0).into());
    }
    for error in unread {
        context.warn(Failure::from(error).to_string());
    }
    let masked = masked(context, services)?;
    let lines: Vec<Shown> = lines.into_iter().map(&masked).collect();
    if !part.follow {
        return Ok(Live::Reply(Reply::done_if(
            !lines.is_empty(),
            Logs { total: lines.len(), lines },
        )));
    }
    Ok(Live::Stream(Stream::new(async move |_, out| {
        let mut next = lines;
        loop {
            for line in &next {
                if !out.emit(line)? {
                    return Ok(Outcome::Done);
                }
            }
            if out.while_read(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(Outcome::Done);
            }
            next = follower.more().into_iter().map(&masked).collect();
        }
    })))
}

/// What makes of a line of these services what may be shown.
fn masked(
    context: &Context,
    services: Vec<String>,
) -> Result<impl Fn(Line) -> Shown + use<>, Failure> {
    let mut secrets = secrets(&context.data()?);
    secrets.extend(variables(context));
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    Ok(move |mut line: Line| {
        for secret in &secrets {
            if line.message.contains(secret) {
                line.message = line.message.replace(secret, MASK);
            }
        }
        let place = services.iter().position(|name| *name == line.service);
        Shown { line, colour: place.map(|place| COLOURS[place % COLOURS.len()]) }
    })
}

/// The logs of those that were named, also of one that has not written yet.
fn chosen(words: &[String], there: &[String], context: &Context) -> Result<Vec<String>, Failure> {
    // Settings that cannot be read keep nobody from reading logs.
    let outline = context.config().ok().and_then(|config| services::outline(config).ok());
    let services = outline.unwrap_or_default();
    let mut known = select::listed(&services);
    let others = there.iter().filter(|name| !services.iter().any(|it| it.name == **name));
    known.extend(others.map(|name| (name.as_str(), &[][..])));
    known.extend(
        ["supervisor"]
            .iter()
            .filter(|name| !there.iter().any(|it| it == **name))
            .map(|name| (*name, &[][..])),
    );
    select::resolve(words, &known).map_err(|unknown| {
        let hint = match unknown.suggestion {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are logs of {}", unknown.there.join(", ")),
        };
        Failure::request(format!("there is no log of `{}`", unknown.name)).hinted(hint)
    })
}

/// Everything that must not be shown: the contents of the secret files and the tokens of sessions.
fn secrets(data: &DataDir) -> Vec<String> {
    let files = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut secrets: Vec<String> = Vec::new();
    let folders = [data.secrets(), data.sessions(), data.hooks()];
    for file in folders.iter().flat_map(|folder| files(folder)) {
        let Ok(text) = files::read(&file.path()) else { continue };
        if let Ok(session) = serde_json::from_str::<serde_json::Value>(&text) {
            let tokens = ["access_token", "token"].into_iter().filter_map(|name| session.get(name));
            secrets.extend(tokens.filter_map(|token| token.as_str().map(str::to_owned)));
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

/// The values of the operator's own variables that sound like secrets, and of `.env` those that are.
fn variables(context: &Context) -> Vec<String> {
    const SOUNDS: [&str; 5] = ["SECRET", "PASSWORD", "TOKEN", "KEY", "CREDENTIAL"];
    let Ok(config) = context.config() else { return Vec::new() };
    let overrides = &config.profile.environment;
    let of_profile = overrides.groups.values().chain(overrides.services.values());
    let files = config.custom.iter().flat_map(|custom| &custom.env_files);
    let files: Vec<_> = files
        .filter_map(|file| dotenv::read(&config.data.root().join(file)).ok().flatten())
        .collect();
    let all = config.custom.iter().map(|custom| &custom.environment);
    let all = all.chain([&overrides.shared]).chain(of_profile).chain(&files).flatten();
    let sounds = |name: &str| SOUNDS.iter().any(|word| name.to_uppercase().contains(word));
    let named = all.filter(|(name, value)| sounds(name) && value.expose().len() >= SHORTEST);
    let set = config::settings().filter(|setting| setting.secret);
    let set = set.filter_map(|setting| config.values.0.get(setting.key)?.0.as_str());
    let set = set.filter(|value| value.len() >= SHORTEST).map(str::to_owned);
    named.map(|(_, value)| value.expose().to_owned()).chain(set).collect()
}

impl Report for Logs {
    fn is_painted(&self) -> bool {
        true
    }

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
        let Line { time, service, message } = &self.line;
        let style = Style::new().fg_color(self.colour.map(Into::into));
        if let Some(time) = time {
            write!(page, "{time} ")?;
        }
        // Columns are counted without what colours them.
        let rest = 10_usize.saturating_sub(service.chars().count());
        write!(page, "{style}{service}{style:#}{:rest$} {}", "", harmless::page(message))
    }

    fn is_painted(&self) -> bool {
        true
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
