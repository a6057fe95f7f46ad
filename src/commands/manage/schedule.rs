//! `manage backup schedule`: when backups are made, how many are kept, and how often they are tried.

use std::{
    fmt::{self, Write as _},
    path::Path,
    time::Duration,
};

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    backup::{
        due,
        record::{Record, Since},
    },
    checks::backups,
    clock,
    commands::{Answered, Reply},
    config::{
        self,
        sections::backup::{Place, Rhythm},
        sources::edit,
        values::{shape::Words as _, source::Source},
    },
    context::{Context, Own},
    error::Failure,
    files,
    instance::{
        backup::{
            Error,
            sealing::Sealing,
            store::{self, Target},
        },
        guard,
        lifecycle::one::{self, Taken},
        lock,
    },
    services,
};

/// How long another command that changes the installation is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(super) struct Options {
    /// How many scheduled backups are kept, such as `daily=7,weekly=4,monthly=12`; '' keeps all
    #[arg(long, value_name = "LIST")]
    keep: Option<String>,
    /// How often the newest scheduled backup is tried: never, always, daily, weekly or monthly
    #[arg(long, value_name = "RHYTHM")]
    verify: Option<String>,
    /// Make no more backups by schedule
    #[arg(long, conflicts_with_all = ["keep", "verify"])]
    off: bool,
}

impl Options {
    pub(super) fn are_given(&self) -> bool {
        self.keep.is_some() || self.verify.is_some() || self.off
    }
}

/// What is set, and when the next one is.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Planned {
    /// As cron has it; nothing where backups are made by hand alone.
    schedule: Option<String>,
    /// RFC 3339, UTC.
    next: Option<String>,
    keep: Option<String>,
    verify: &'static str,
    to: String,
    /// Whether the service that makes them runs.
    running: bool,
    /// The same time where the machine is.
    #[serde(skip)]
    here: Option<String>,
}

/// What was set, and whether that changed anything.
pub(super) async fn run(
    context: &Context,
    when: Option<&Path>,
    to: Option<Target>,
    options: &Options,
) -> Answered<(Planned, bool)> {
    let old = context.config()?;
    let mut asked: Vec<Own> = Vec::new();
    let mut ask = |key, word, value: String| asked.push(Own { key, word, value });
    if let Some(when) = when {
        if options.off {
            return Err(Failure::request("`--off` and a schedule exclude each other")
                .hinted("leave one of them out")
                .into());
        }
        ask("backup.schedule", "given here", when.to_string_lossy().into_owned());
    }
    if let Some(keep) = &options.keep {
        ask("backup.keep", "--keep", keep.clone());
    }
    if let Some(verify) = &options.verify {
        ask("backup.verify", "--verify", verify.clone());
    }
    if let Some(to) = to {
        ask("backup.to", "--to", place(to)?);
    }
    if options.off {
        ask("backup.schedule", "--off", String::new());
    }
    if asked.is_empty() {
        guard::homeserver(old)?;
        return Ok(Reply::done((shown(context).await?, false)));
    }
    let new = context.with(asked.iter().cloned()).config_now()?;
    guard::homeserver(old)?;
    if new.backup.schedule.is_some() {
        Sealing::default().to(&new)?;
    }
    match &new.backup.schedule {
        None if !options.off => {
            return Err(Failure::request("no backups are made by schedule yet")
                .hinted("`manage backup schedule '0 3 * * *'` makes one every night at three")
                .into());
        }
        Some(cron) if cron.after(clock::now()).is_none() => {
            return Err(Failure::request(format!("`{cron}` never comes"))
                .hinted("`manage backup schedule '0 3 * * *'` makes one every night at three")
                .into());
        }
        _ => {}
    }
    let is_tried = new.backup.verify != Rhythm::Never && new.backup.schedule.is_some();
    if is_tried && !new.backup.recipients.is_empty() && new.backup.identity_file.is_none() {
        let why = "backups for keys of others cannot be verified here: `backup.identity_file` names no secret key";
        if options.verify.is_some() {
            return Err(Failure::setting(why)
                .hinted("`config set backup.identity_file FILE`, or `--verify never` and `manage backup verify FILE` where the key is")
                .into());
        }
        asked.push(Own { key: "backup.verify", word: "--verify", value: "never".into() });
        context.warn(format!("{why}, so none is"));
    }
    context.would(match &new.backup.schedule {
        Some(cron) => format!("make backups by `{cron}`"),
        None => "make no more backups by schedule".to_owned(),
    })?;
    for own in &asked {
        let source = old.source(own.key);
        if matches!(source, Source::Environment(_) | Source::EnvFile(_) | Source::Profile(_)) {
            context.warn(format!(
                "`{}`: the {source} counts more than what is set here, as long as it is there",
                own.key
            ));
        }
    }
    let mut changed = false;
    {
        let deadline = Instant::now() + PATIENCE;
        let mut wait = |who: &str| context.say(format!("waiting for {who}"));
        let _lock = lock::wait(&old.data, "manage backup schedule", deadline, &mut wait).await?;
        for own in &asked {
            let setting = config::find(own.key)?;
            // A setting that was never there is as empty as one that is taken away.
            let is_known = old.values.0.contains_key(own.key) || !own.value.is_empty();
            let is_other = edit::set(&old.data, setting, &edit::typed(setting, &own.value))?;
            changed |= is_other && is_known;
        }
    }
    let now = context.config_now()?;
    if let Some(cron) = now.backup.schedule.as_ref().map(ToString::to_string) {
        Record::change(&now.data, |it| {
            if it.schedule.as_ref().is_none_or(|since| since.schedule != cron) {
                it.schedule = Some(Since { schedule: cron, at: clock::now() });
            }
        })?;
        if one::take_up(&now, services::BACKUPS).await? == Taken::Later {
            context.say("the first one is made after `manage start`");
        }
        if now.backup.keep.is_none() {
            context.warn(
                "all of them are kept: `--keep daily=7,weekly=4,monthly=12` removes old ones",
            );
        }
    } else {
        one::let_go(&now).await?;
    }
    Ok(Reply::done_if(changed, (shown(context).await?, changed)))
}

/// As it is written down: it has to hold in every folder.
fn place(to: Target) -> Result<String, Failure> {
    match to {
        Target::Stdout => Err(Failure::request("backups by schedule need a place to stay")
            .hinted("name a folder with `--to`")),
        Target::Place(Place::Folder(folder)) if folder.as_os_str().is_empty() => Ok(String::new()),
        Target::Place(Place::Folder(folder)) if !folder.is_dir() => {
            Err(Error::NoFolder(folder).into())
        }
        Target::Place(Place::Folder(folder)) => {
            Ok(files::absolute(&folder)?.to_string_lossy().into_owned())
        }
        Target::Place(place) => Ok(place.to_string()),
    }
}

async fn shown(context: &Context) -> Result<Planned, Failure> {
    let config = context.config_now()?;
    let set = &config.backup;
    let now = clock::now();
    let record = Record::read(&config.data)?;
    for trouble in backups::look(&config, &record)?.troubles {
        context.warn(trouble.to_string());
    }
    let next = due::next(set, &record, now).map(|at| at.max(now));
    let supervisor = context.supervisor().await?;
    let service = supervisor.as_ref().and_then(|it| it.services.get(services::BACKUPS));
    let time = |zone| {
        move |at: jiff::Timestamp| at.to_zoned(zone).strftime("%Y-%m-%d %H:%M %Z").to_string()
    };
    Ok(Planned {
        schedule: set.schedule.as_ref().map(ToString::to_string),
        next: next.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        keep: set.keep.as_ref().map(ToString::to_string),
        verify: set.verify.word(),
        to: store::usual(&config).to_string(),
        running: service.is_some_and(|it| it.pid.is_some()),
        here: next.map(time(TimeZone::system())),
    })
}

impl Planned {
    pub(super) fn text(&self, page: &mut String) -> fmt::Result {
        let Self { schedule, keep, verify, to, running, here, .. } = self;
        let Some(schedule) = schedule else {
            return writeln!(
                page,
                "no backups are made by schedule: `manage backup schedule '0 3 * * *'` makes one every night at three"
            );
        };
        writeln!(page, "backups are made by `{schedule}`, into {to}")?;
        match here {
            Some(next) if *running => writeln!(page, "next: {next}")?,
            Some(next) => writeln!(
                page,
                "next: {next}, if the homeserver runs then; else when it is started"
            )?,
            None => {}
        }
        writeln!(page, "kept: {}", keep.as_deref().unwrap_or("all"))?;
        writeln!(page, "verified: {verify}")
    }
}
