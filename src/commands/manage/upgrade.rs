//! `manage upgrade` and `manage rollback`: another version of Synapse.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, arguments::ReadyArg},
    context::Context,
    error::Failure,
    instance::guard,
    instance::upgrade::{self, Event, Options, Way, plan::Plan},
    output::Report,
    process::Ending,
    reply::{Interrupted, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// This version of Synapse; without it the one that the settings ask for, or that this program ships
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Make no backup before: where the new version cannot go back, nothing can
    #[arg(long)]
    no_backup: bool,
    /// Install from this folder of wheels, without a network
    #[arg(long, value_name = "FOLDER")]
    offline: Option<PathBuf>,
    #[command(flatten)]
    ready: ReadyArg,
}

/// Another version of Synapse, as planned or as done.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    dry_run: bool,
    changed: bool,
    /// What a dry run would do: a clause that goes on from "would".
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<String>,
    /// The version that is installed.
    version: String,
    /// The version before, where it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// What was found before anything was changed; nothing where nothing was to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    /// The backup that was made before.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<PathBuf>,
    /// For how long nobody was answered, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    away: Option<f64>,
    running: bool,
    /// The version that a rollback came from, where it was done before.
    #[serde(skip)]
    onward: Option<String>,
    #[serde(skip)]
    is_back: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    guard::kept_by_us(&context.data()?)?;
    let Args { to, no_backup, offline, ready } = args;
    let (way, backup) = (Way::On, !no_backup);
    go(context, Wanted { way, to, backup, offline }, ready).await
}

/// What was typed.
pub(super) struct Wanted {
    pub(super) way: Way,
    pub(super) to: Option<String>,
    pub(super) backup: bool,
    pub(super) offline: Option<PathBuf>,
}

pub(super) async fn go(context: &Context, wanted: Wanted, ready: ReadyArg) -> Answered<Answer> {
    let config = context.config()?;
    let Wanted { way, to, backup, offline } = wanted;
    let options = Options {
        way,
        to,
        backup,
        offline,
        timeout: ready.or_set(config),
        patience: super::start::time(None, context, super::stop::PATIENCE),
    };
    let mut signals = Ending::new()?;
    let planned = RefCell::new(None);
    let progress = context.progress("looking at what is there");
    let mut tell = |event: Event<'_>| match event {
        Event::Step(step) => progress.now(step),
        Event::Warns(warning) => context.warn(warning),
        Event::Plan(plan) => {
            let mut page = String::new();
            if plan.text(&mut page).is_ok() {
                context.say(page.trim_end());
            }
            planned.replace(Some(plan.clone()));
        }
    };
    let unchanged = async |plan, would| {
        Ok::<_, Failure>(Answer {
            dry_run: context.dry_run,
            changed: false,
            would,
            version: installed(context)?,
            from: None,
            plan,
            backup: None,
            away: None,
            onward: None,
            is_back: way == Way::Back,
            running: context.supervisor().await?.is_some_and(|now| now.ready),
        })
    };
    if context.dry_run {
        let plan = match upgrade::plan(config, &options, &mut tell).await {
            Err(failure) => return Err(refused(failure, planned.take(), context, unchanged).await?),
            Ok(plan) => plan,
        };
        drop(progress);
        let would = match &plan {
            Some(plan) => plan.steps.join("; "),
            None => format!("do nothing: Synapse {} is installed", installed(context)?),
        };
        return Ok(Reply::done(unchanged(plan, Some(would)).await?));
    }
    let done = tokio::select! {
        done = upgrade::change(config, &options, &mut tell) => Ok(done),
        signal = signals.next() => Err(signal),
    };
    let done = match done {
        Ok(Ok(done)) => done,
        Ok(Err(failure)) => return Err(refused(failure, planned.take(), context, unchanged).await?),
        Err(signal) => {
            let undone = upgrade::undo(config, &options, &mut tell).await?;
            let hint = if undone {
                "the version of before is back"
            } else {
                "the version is the same as before; run it again"
            };
            let said = "interrupted before the version was changed".to_owned();
            return Err(Failure::from(Interrupted { signal, said }).hinted(hint).into());
        }
    };
    drop(progress);
    let changed = done.from.is_some();
    Ok(Reply::done_if(
        changed,
        Answer {
            dry_run: false,
            changed,
            would: None,
            version: done.version,
            from: done.from,
            plan: done.plan,
            backup: done.backup,
            away: done.away.map(|away| (away.as_secs_f64() * 100.0).round() / 100.0),
            running: done.running,
            onward: done.onward,
            is_back: way == Way::Back,
        },
    ))
}

/// Why it was not done; a machine gets the plan with the reason.
async fn refused(
    why: Failure,
    plan: Option<Plan>,
    context: &Context,
    unchanged: impl AsyncFn(Option<Plan>, Option<String>) -> Result<Answer, Failure>,
) -> Result<Stop, Failure> {
    if plan.is_none() || context.view().is_text() {
        return Ok(why.into());
    }
    Ok(Stop::broken(why, unchanged(plan, None).await?))
}

fn installed(context: &Context) -> Result<String, Failure> {
    Ok(crate::config::exports::version(&context.data()?).unwrap_or_default())
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Self { version, from, backup, away, running, .. } = self;
        if self.dry_run {
            if let Some(plan) = &self.plan {
                plan.text(page)?;
            }
            return writeln!(page, "would {}", self.would.as_deref().unwrap_or_default());
        }
        let Some(from) = from else {
            writeln!(page, "Synapse {version} is installed already")?;
            return match &self.onward {
                Some(later) => {
                    writeln!(page, "`manage upgrade --to {later}` goes on to {later} again")
                }
                None => Ok(()),
            };
        };
        writeln!(page, "Synapse {version} took the place of {from}")?;
        if let Some(file) = backup {
            writeln!(page, "the backup of before: {}", file.display())?;
        }
        if let Some(away) = away {
            writeln!(page, "nobody was answered for {away:.2} s")?;
        }
        if !running {
            writeln!(page, "not started: `manage start` starts it")?;
        }
        let back = self.plan.as_ref().and_then(|plan| plan.way_back);
        match (back, backup) {
            (Some(false), Some(file)) => {
                writeln!(page, "`manage restore {} --force` goes back", file.display())
            }
            (Some(false), None) => Ok(()),
            _ if self.is_back => Ok(()),
            _ => writeln!(
                page,
                "`manage rollback` goes back to {from}, when what the new one does to the database in the background has ended"
            ),
        }
    }

    fn id(&self) -> Option<&str> {
        Some(&self.version)
    }
}
