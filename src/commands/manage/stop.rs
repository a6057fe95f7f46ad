//! `manage stop`.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        arguments::{KillArg, ProfileArg, ServicesArg},
    },
    config::values::shape::Span,
    context::Context,
    error::Failure,
    instance::lifecycle::stop::{self, Options, Step, Stopped},
    output::{Progress, Report},
    services,
    supervisor::state::Phase,
};

/// How long a stop may take where the settings cannot be read.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
#[command(mut_arg("profile", |it| it.conflicts_with("services")))]
pub(crate) struct Args {
    #[command(flatten)]
    services: ServicesArg,
    #[command(flatten)]
    profile: ProfileArg,
    #[command(flatten)]
    kill: KillArg,
    /// After this time, such as 30 or 2m, what still runs is killed
    #[arg(long, value_name = "TIME")]
    timeout: Option<Span>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Stop {
    running: bool,
    /// The services that this command stopped, where it was asked for some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    services: Vec<String>,
    /// Whether this command stopped it.
    changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Stop> {
    context.would(match args.services.services.as_slice() {
        [] => "stop Synapse and PostgreSQL".to_owned(),
        names => format!("stop {}", names.join(", ")),
    })?;
    if let Some(kept) = context.kept()? {
        let stopped = super::kept_elsewhere::stop(context, &kept, &args.services.services).await?;
        let changed = !stopped.is_empty();
        let running = context.supervisor().await?.is_some_and(|now| now.ready);
        let services = if args.services.services.is_empty() { Vec::new() } else { stopped };
        return Ok(Reply::done_if(changed, Stop { running, services, changed }));
    }
    let context = &args.profile.within(context);
    let timeout = super::start::time(args.timeout, context, PATIENCE);
    let services = if args.profile.is_given() {
        of_profile(context).await?
    } else {
        Some(args.services.services).filter(|names| !names.is_empty())
    };
    if let Some(services) = services {
        return some(&services, timeout, context).await;
    }
    let stopped = go(context, Options { timeout, force: args.kill.force }).await?;
    let changed = stopped == Stopped::Now;
    Ok(Reply::done_if(changed, Stop { running: false, services: Vec::new(), changed }))
}

/// The services of a profile that are kept; none where that is all of them, and all has to end.
async fn of_profile(context: &Context) -> Result<Option<Vec<String>>, Failure> {
    let services = services::outline(context.config()?)?;
    let Some(now) = context.supervisor().await? else { return Ok(None) };
    let mut names: Vec<String> = services.into_iter().map(|service| service.name).collect();
    names.retain(|name| now.services.contains_key(name));
    let all = now.order.iter().all(|name| names.contains(name));
    Ok((!all).then_some(names))
}

/// Stops some of its services.
async fn some(words: &[String], timeout: Duration, context: &Context) -> Answered<Stop> {
    let progress = context.progress(format!("stopping {}", words.join(", ")));
    let mut on_step = |step: Step<'_>| show(&progress, &step);
    let services = stop::some(&context.data()?, words, timeout, &mut on_step).await?;
    drop(progress);
    let changed = !services.is_empty();
    let running = context.supervisor().await?.is_some_and(|now| now.ready);
    Ok(Reply::done_if(changed, Stop { running, services, changed }))
}

/// Stops it, with a line of progress.
pub(super) async fn go(context: &Context, options: Options) -> Result<Stopped, Failure> {
    let progress = context.progress("stopping");
    let mut on_step = |step: Step<'_>| show(&progress, &step);
    Ok(stop::stop(&context.data()?, options, &mut on_step).await?)
}

fn show(progress: &Progress, step: &Step<'_>) {
    match step {
        Step::WaitsFor(who) => progress.now(format!("waiting for {who}")),
        Step::Changed(now) => {
            let up = now.services.iter().filter(|(_, report)| report.state == Phase::Stopping);
            let names: Vec<&str> = up.map(|(name, _)| name.as_str()).collect();
            progress.now(format!("stopping {}", names.join(", ")));
        }
    }
}

impl Report for Stop {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.push_str(if self.changed { "stopped" } else { "not running" });
        if !self.services.is_empty() {
            page.push_str(": ");
            page.push_str(&self.services.join(", "));
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        Some("")
    }
}
