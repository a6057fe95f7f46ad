//! What is done before the processes are started, and when they run.

pub(crate) mod applied;

use std::time::Duration;

use tokio::time::Instant;

use super::{homeserver::Homeserver, step::Step};
use crate::{
    checks::{self, Flow, alerts, folder, free},
    config::{Config, exports},
    error::{Explain, Failure, Kind},
    matrix::{self, operator, sealed},
    postgres, redis, render,
    secret::Secret,
    supervisor::kept,
    synapse::keys,
};

#[derive(Debug, thiserror::Error)]
#[error("the homeserver runs, but the operator account cannot be created")]
struct Error(#[source] matrix::Error);

impl Explain for Error {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }
}

/// Looks for what would be in the way, then makes what the processes need. Nothing of ours runs.
pub(super) async fn run(
    homeserver: &Homeserver<'_>,
    force: bool,
    deadline: Instant,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<(), Failure> {
    let config = homeserver.config;
    let subject = homeserver.subject(Flow::Start, deadline).without(&folder::SPACE, force);
    // In a container the others of ours may run, each with the ports that are its own.
    let subject = subject.without(&free::FREE, kept::is_inside());
    checks::pass(&subject, &mut |warning| on_step(Step::Warns(warning))).await?;
    redis::ensure(config, deadline).await?;
    let embedded = postgres::target(config)?.is_embedded();
    write_instance_file(config, &config.local_url())?;
    let data = &config.data;
    if config.is_joined() {
        // The database is looked after where the homeserver is.
        postgres::answers_by(config, deadline).await?;
    } else if !embedded
        || !postgres::embedded::exists(data)
        || postgres::embedded::password_is_lost(data)
    {
        // A server of others may be away or not fit any more, which is better known before processes
        // are started. Our own cluster comes before its server; role and database come along, and a
        // lost password of its superuser is made anew while nothing runs. Else an existing one is
        // looked after by the service `database`.
        let mut tell = |step: &postgres::Step| on_step(Step::Prepares(&step.to_string()));
        postgres::ensure(config, deadline, &mut tell).await?;
    }
    // Settings may have changed since the last start. Synapse is asked only about what is new.
    render::refresh(config).await?;
    Ok(())
}

/// What needs the running server, which listens at `url`: the account that this program acts with, and
/// what others are told of it. True if the account's session had to be made or renewed.
pub(super) async fn finish(
    config: &Config,
    url: &str,
    deadline: Instant,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<bool, Failure> {
    /// The server is up by now; being late is no reason to leave it without its operator.
    const AT_LEAST: Duration = Duration::from_secs(10);
    on_step(Step::Account);
    write_instance_file(config, url)?;
    let registration = match Secret::read(&keys::registration(&config.data)) {
        // It is needed for the first account only, and that one may be there.
        Err(error) if error.is_not_found() => Secret::new(""),
        secret => secret?,
    };
    let left = deadline.saturating_duration_since(Instant::now()).max(AT_LEAST);
    let ensured = operator::ensure(config, url, &registration, left).await;
    let is_new = ensured.map_err(Error)?;
    if let Some(version) = exports::version(&config.data).filter(|_| config.is_dendrite()) {
        postgres::note_use(&config.data, &version)?;
    }
    if let Err(error) = sealed::replace_lost(&config.data, left).await {
        let why = format!("an account has no device for encrypted rooms: {error}");
        on_step(Step::Warns(&why));
    }
    if let Some(why) = alerts::untold(config).await {
        on_step(Step::Warns(&why));
    }
    Ok(is_new)
}

/// What others may know of this instance.
fn write_instance_file(config: &Config, url: &str) -> Result<(), Failure> {
    let known = exports::read(&config.data)?.unwrap_or_default();
    let version = known.get("MATRIX_SYNAPSE_INSTALLED_VERSION").cloned();
    // A file that is damaged does not say it.
    if let Some(version) = version.or_else(|| exports::version(&config.data)) {
        exports::write(config, url, &version)?;
    }
    Ok(())
}
