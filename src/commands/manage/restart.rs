//! `manage restart`: everything anew, with the settings as they are now, or some services.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use super::running::{Change, Running};
use crate::{
    commands::{
        Answered, Reply,
        arguments::{KillArg, NewProfileArg, ReadyArg, ServicesArg},
    },
    context::Context,
    instance::lifecycle::{
        launch::Standby,
        restart,
        start::{self, Started},
        stop,
    },
    output::Report,
    services,
};

#[derive(clap::Args)]
#[command(mut_arg("profile", |it| it.conflicts_with("services")))]
pub(crate) struct Args {
    #[command(flatten)]
    services: ServicesArg,
    #[command(flatten)]
    profile: NewProfileArg,
    #[command(flatten)]
    kill: KillArg,
    #[command(flatten)]
    ready: ReadyArg,
}

/// Everything was restarted, or what was named.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Answer {
    All(Running),
    Some(Restarted),
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Restarted {
    services: Vec<String>,
    restarted: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    let ServicesArg { services: named } = args.services;
    let force = args.kill.force;
    let context = &args.profile.within(context);
    let config = context.config()?;
    config.warnings.iter().for_each(|warning| context.warn(warning));
    if config.data.is_installed() {
        // Nothing is stopped that could not be started again.
        services::outline(config)?;
    }
    if context.dry_run && config.data.is_installed() && context.kept()?.is_none() {
        restart::would(config, force).await?;
    }
    context.would("stop and start it")?;
    let timeout = args.ready.or_set(config);
    if let Some(kept) = context.kept()? {
        let (named, now) = super::kept_elsewhere::restart(context, &kept, &named, timeout).await?;
        return Ok(Reply::done(if named.is_empty() {
            Answer::All(Running::new(context, now, Change::Restarted)?)
        } else {
            Answer::Some(Restarted { services: named, restarted: true })
        }));
    }
    if !named.is_empty() {
        let progress = context.progress(format!("restarting {}", named.join(", ")));
        let services = restart::some(config, &named, timeout).await?;
        drop(progress);
        return Ok(Reply::done(Answer::Some(Restarted { services, restarted: true })));
    }
    let progress = context.progress("checking the settings");
    let mut on_wait = |who: &str| progress.now(format!("waiting for {who}"));
    let standby = if restart::check(config, force, false, timeout, &mut on_wait).await? {
        // What takes long is made while the old ones still answer.
        progress.now("getting the new processes ready");
        Standby::launch(config).await
    } else {
        None
    };
    drop(progress);
    let patience = super::start::time(None, context, super::stop::PATIENCE);
    let options = stop::Options { timeout: patience, force };
    let ran = super::stop::go(context, options).await?;
    let keep_profile = args.profile.is_given();
    let options = start::Options { services: Vec::new(), timeout, force, keep_profile, standby };
    let (Started::Now(now) | Started::Already { now, .. }) =
        super::start::go(context, options).await?;
    let change = if ran == stop::Stopped::Now { Change::Restarted } else { Change::Started };
    Ok(Reply::done(Answer::All(Running::new(context, now, change)?)))
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        match self {
            Self::All(running) => running.text(page),
            Self::Some(restarted) => write!(page, "restarted: {}", restarted.services.join(", ")),
        }
    }

    fn details(&self, page: &mut String) -> fmt::Result {
        match self {
            Self::All(running) => running.details(page),
            Self::Some(_) => Ok(()),
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::All(running) => running.id(),
            Self::Some(restarted) => restarted.services.first().map(String::as_str),
        }
    }
}
