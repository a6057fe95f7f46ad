//! Start, stop and restart where systemd or another keeper has the services.

use std::time::Duration;

use super::running::{Change, Running};
use crate::{
    commands::{Answered, Reply},
    context::{Context, profile},
    error::Failure,
    instance::lifecycle::select,
    output::Progress,
    reply::Stop,
    supervisor::{kept::Kept, record::Snapshot},
    targets::keep::{self, Settings, Step},
};

/// The settings as they are, and as they would be with another profile.
pub(super) fn settings(context: &Context) -> Result<Settings<'_>, Failure> {
    let with_profile = |name: &str| context.with(profile(Some(name))).config_now();
    Ok(Settings { config: context.config()?, with_profile: Box::new(with_profile) })
}

fn show(context: &Context, progress: &Progress, step: Step<'_>) {
    match step {
        Step::Does(what) => progress.now(what),
        Step::Waits(now) => {
            let names: Vec<&str> = now.unready().map(|(name, _)| name).collect();
            progress.now(format!("waiting for {}", names.join(", ")));
        }
        Step::Warns(warning) => context.warn(warning),
    }
}

/// The services that are meant with these words.
fn resolve(kept: &Kept, words: &[String]) -> Result<Vec<String>, Failure> {
    let named = kept.services.iter().map(|fact| (fact.name.as_str(), fact.tags.as_slice()));
    Ok(select::resolve(words, &named.collect::<Vec<_>>())?)
}

/// `other` says that something else is asked for than to start what is installed, `anew` that it has changed.
pub(super) async fn start(
    context: &Context,
    kept: &Kept,
    words: &[String],
    timeout: Duration,
    other: bool,
    anew: bool,
) -> Answered<Running> {
    if other {
        let who = kept.keeper.name();
        let failure = Failure::request(format!("{who} keeps the services of this homeserver"));
        return Err(failure
            .hinted(format!(
                "`config set stack.profile NAME` and `manage start` give it another profile; `manage install --target native` takes the services back from {who}"
            ))
            .into());
    }
    let names = resolve(kept, words)?;
    context.would(format!(
        "have {} start the services and wait until they are ready",
        kept.keeper.name()
    ))?;
    let progress = context.progress("starting");
    let mut on_step = |step: Step<'_>| show(context, &progress, step);
    let settings = settings(context)?;
    let (now, changed) = keep::start(&settings, &names, timeout, anew, &mut on_step).await?;
    drop(progress);
    let change = if changed { Change::Started } else { Change::Nothing };
    Ok(Reply::done_if(changed, Running::new(context, now, change)?))
}

/// Those that were stopped.
pub(super) async fn stop(
    context: &Context,
    kept: &Kept,
    words: &[String],
) -> Result<Vec<String>, Stop> {
    let names = resolve(kept, words)?;
    let progress = context.progress("stopping");
    let stopped = keep::stop(kept, &names).await?;
    drop(progress);
    Ok(stopped)
}

pub(super) async fn restart(
    context: &Context,
    kept: &Kept,
    words: &[String],
    timeout: Duration,
) -> Result<(Vec<String>, Snapshot), Failure> {
    let names = resolve(kept, words)?;
    let progress = context.progress("restarting");
    let mut on_step = |step: Step<'_>| show(context, &progress, step);
    let settings = settings(context)?;
    let now = keep::restart(&settings, &names, timeout, &mut on_step).await?;
    drop(progress);
    Ok((names, now))
}
