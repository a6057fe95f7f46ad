//! `manage start`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use super::running::{Change, Running};
use crate::{
    commands::{
        Reply,
        arguments::{NewProfileArg, ReadyArg, ServicesArg},
        daemon, logs,
        reply::{Live, Stream},
    },
    config::values::shape::Span,
    context::Context,
    error::Failure,
    instance::{
        lifecycle::{
            start::{self, Options, Started},
            stop,
        },
        prepare::applied,
        step::Step,
        upgrade,
        workers::join,
    },
    reply::{Planned, Stop},
    services,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: ServicesArg,
    #[command(flatten)]
    profile: NewProfileArg,
    /// Accepted for compatibility: it always waits until ready
    #[arg(long = "wait")]
    _wait: bool,
    #[command(flatten)]
    ready: ReadyArg,
    /// Run workers of a homeserver on another machine, with this file of its `manage join-file`
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    join: Option<PathBuf>,
    /// Start although little disk space is left
    #[arg(long)]
    force: bool,
    /// Stay in the foreground and keep the processes, for systemd and containers
    #[arg(long)]
    foreground: bool,
}

/// In the foreground the lines of all logs are its stream.
pub(crate) async fn run(args: Args, context: &Context) -> Result<Live<Running, logs::Shown>, Stop> {
    let ServicesArg { mut services } = args.services;
    if let Some(file) = &args.join {
        // `worker NAME`, or only the name.
        let names = services.iter().filter(|word| *word != services::WORKER);
        let names: Vec<String> = names.cloned().collect();
        if context.dry_run {
            join::look(&context.config_now()?, file, &names)?;
            context.would("start these workers and wait until they are ready")?;
        }
        take_in(context, file, &names, args.ready).await?;
        services.clear();
    }
    let context = &args.profile.within(context);
    let config = context.config()?;
    config.warnings.iter().for_each(|warning| context.warn(warning));
    let timeout = args.ready.or_set(config);
    if let Some(kept) = context.kept()? {
        let other = args.profile.is_given() || args.foreground || args.join.is_some();
        return super::kept_elsewhere::start(context, &kept, &services, timeout, other, false)
            .await
            .map(Live::Reply);
    }
    let keep_profile = args.profile.is_given();
    if keep_profile {
        // A profile that cannot be is refused before anything else is looked at.
        services::outline(config)?;
    }
    let (force, standby) = (args.force, None);
    let options = Options { services: services.clone(), timeout, force, keep_profile, standby };
    if args.foreground {
        start::prepare(config, options, &mut |_| ()).await?;
        let context = context.clone();
        return Ok(Live::Stream(Stream::new(async move |_, _| {
            daemon::supervise(&context, services, None, true).await
        })));
    }
    if context.dry_run {
        services::outline(config)?;
        if context.supervisor().await?.is_some_and(|now| now.ready) {
            return Err(Stop::Planned(Planned::nothing("do nothing: it runs already")));
        }
        let kind = config.server.kind.name();
        context.would(format!("start PostgreSQL and {kind} and wait until they are ready"))?;
    }
    let started = go(context, options).await?;
    let (now, change) = match started {
        Started::Already { now, new_session: false } => (now, Change::Nothing),
        Started::Already { now, new_session: true } => (now, Change::Session),
        Started::Now(now) => (now, Change::Started),
    };
    let waiting = applied::changed(config, &now)?;
    if !waiting.is_empty() {
        context.warn(format!(
            "the running homeserver does not use these settings yet: {}; `manage restart` applies them",
            waiting.join(", ")
        ));
    }
    let changed = change != Change::Nothing;
    let running = Running::new(context, now, change)?;
    Ok(Live::Reply(Reply::done_if(changed, running)))
}

/// Makes this machine one that has workers of a homeserver elsewhere. Those that run read their files
/// only when they start.
async fn take_in(
    context: &Context,
    file: &Path,
    names: &[String],
    ready: ReadyArg,
) -> Result<(), Failure> {
    /// Packages may have to come over the network.
    const TIME: Duration = Duration::from_mins(10);
    let config = context.config_now()?;
    let deadline = Instant::now() + ready.given().unwrap_or(TIME);
    let progress = context.progress("joining");
    let mut on_step = |step: &str| progress.now(step);
    let changed = join::join(&config, file, names, deadline, &mut on_step).await?;
    on_step("checking the settings");
    let changed = join::complete(&context.config_now()?).await? || changed;
    if changed && context.supervisor().await?.is_some() {
        on_step("stopping what runs with the old settings");
        let timeout = config.supervision.stop_timeout.0;
        stop::stop(&config.data, stop::Options { timeout, force: false }, &mut |_| ()).await?;
    }
    Ok(())
}

/// Starts it, with a line of progress.
pub(super) async fn go(context: &Context, options: Options) -> Result<Started, Failure> {
    let progress = context.progress("starting");
    let config = context.config()?;
    let mut warnings: Vec<String> = Vec::new();
    let mut on_step = |step: Step<'_>| match step {
        Step::Warns(warning) => warnings.push(warning.to_owned()),
        Step::WaitsFor(who) => {
            progress.now(format!("waiting for {who}"));
        }
        Step::Prepares(what) => progress.now(what),
        Step::Launches => progress.now("starting the processes"),
        Step::Changed(now) => {
            let names: Vec<&str> = now.unready().map(|(name, _)| name).collect();
            progress.now(match names.as_slice() {
                [] => "looking whether all is well".to_owned(),
                names => format!("waiting for {}", names.join(", ")),
            });
        }
        Step::Account => progress.now("looking after the operator's account"),
    };
    let started = start::start(config, options, &mut on_step).await;
    drop(progress);
    for warning in warnings {
        context.warn(warning);
    }
    if let Some((from, to)) = upgrade::interrupted(&config.data)? {
        context.warn(format!(
            "the change from Synapse {from} to {to} was interrupted: `manage upgrade --to {to}` ends it, `manage rollback` goes back"
        ));
    }
    started
}

/// The time that was typed, or what the settings say, even if these cannot be read.
pub(super) fn time(typed: Option<Span>, context: &Context, default: Duration) -> Duration {
    let set = || context.config().map_or(default, |config| config.supervision.stop_timeout.0);
    typed.map_or_else(set, |span| span.0)
}
