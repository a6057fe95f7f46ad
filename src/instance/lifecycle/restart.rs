//! Restarting: what would be refused afterwards is found before anything is stopped; or some services,
//! while the others go on.

use std::time::Duration;

use tokio::time::Instant;

use super::{definition, select, wait};
use crate::{
    checks::{self, Flow, folder, rendered, secrets},
    config::{Config, sections::server},
    error::{Explain, Failure, Kind},
    instance::{guard, homeserver::Homeserver, lock, prepare::applied},
    supervisor::{
        control::{self, Request, Stream},
        record::Snapshot,
    },
};

#[derive(Debug, thiserror::Error)]
#[error("the homeserver does not run")]
struct NotRunning;

impl Explain for NotRunning {
    fn kind(&self) -> Kind {
        Kind::Request
    }

    fn hint(&self) -> Option<String> {
        Some("`manage start` starts it".into())
    }
}

/// To stop it would end it for good: another program started it, and waits for its end.
#[derive(Debug, thiserror::Error)]
#[error(
    "the homeserver runs in the foreground of another program (pid {0}), which alone can start it again"
)]
struct InForeground(u32);

impl Explain for InForeground {
    fn kind(&self) -> Kind {
        Kind::Request
    }

    fn hint(&self) -> Option<String> {
        Some(
            "restart it there, such as with `systemctl --user restart matrix-synapse`; `manage restart SERVICE` restarts single services"
                .into(),
        )
    }
}

/// A supervisor that another program started cannot be started again by us.
pub(in crate::instance) fn not_in_foreground(
    config: &Config,
    now: &Snapshot,
) -> Result<(), Failure> {
    if applied::is_in_foreground(config, now) {
        return Err(InForeground(now.supervisor.pid).into());
    }
    Ok(())
}

/// Makes sure that it could start again; whether it runs. Where it does, it goes on whatever is found. Where an
/// `other` Synapse is to read the settings, the one that is installed is not asked about them.
pub(crate) async fn check(
    config: &Config,
    force: bool,
    other: bool,
    timeout: Duration,
    on_wait: &mut dyn FnMut(&str),
) -> Result<bool, Failure> {
    guard::installed(&config.data)?;
    // Another command may be about to change what runs.
    let deadline = Instant::now() + timeout;
    let _lock = lock::wait(&config.data, "manage restart", deadline, on_wait).await?;
    // A supervisor that does not answer is no reason not to look.
    let now = control::status(&config.data).await.unwrap_or(None);
    if let Some(now) = &now {
        not_in_foreground(config, now)?;
    }
    let runs = now.is_some();
    let found = could_start(config, (force, other), now.as_ref(), deadline).await;
    found.map_err(|failure| if runs { not_stopped(failure) } else { failure })?;
    Ok(runs)
}

/// What would be found by a [`check`] of what runs; changes nothing, and waits for nobody.
pub(crate) async fn would(config: &Config, force: bool) -> Result<(), Failure> {
    let now = control::status(&config.data).await.unwrap_or(None);
    could_start(config, (force, false), now.as_ref(), Instant::now()).await
}

async fn could_start(
    config: &Config,
    (force, other): (bool, bool),
    now: Option<&Snapshot>,
    deadline: Instant,
) -> Result<(), Failure> {
    let homeserver = Homeserver::of(config)?;
    let subject = homeserver.subject(Flow::Restart, deadline);
    let mut subject = subject
        .without(&folder::SPACE, force)
        .without(&rendered::BRIDGES, other)
        .without(&rendered::FILES, other);
    subject.running = now;
    // The start that follows warns.
    checks::pass(&subject, &mut |_| ()).await
}

/// What runs goes on, for it could not come back.
pub(in crate::instance) fn not_stopped(failure: Failure) -> Failure {
    let kind = failure.kind;
    let unfit = "the homeserver could not start again as things are, so it was not stopped";
    Failure { kind, ..Failure::request(unfit) }.because(failure)
}

/// Restarts these and waits until they are ready again; their names.
pub(crate) async fn some(
    config: &Config,
    words: &[String],
    timeout: Duration,
) -> Result<Vec<String>, Failure> {
    let deadline = Instant::now() + timeout;
    let socket = config.data.control_socket();
    let mut before = control::status(&config.data).await?.ok_or(NotRunning)?;
    if before.profile == config.profile.name {
        let mut homeserver = Homeserver::of(config)?;
        // The others go on, however little space there is.
        let named = select::resolve(words, &select::running(&before)).unwrap_or_default();
        let subject = homeserver.subject(Flow::Restart, deadline);
        folder::RUN.look(&subject).await.map_err(not_stopped)?;
        if named.iter().any(|name| server::Kind::is_service(name)) {
            secrets::SECRETS.look(&subject).await.map_err(not_stopped)?;
        }
        let define =
            definition::request(&mut homeserver, &before, &named, true, deadline, &mut |_| ())
                .await?;
        if let Some(define) = define {
            let after = definition::tell(&socket, &before, &define).await?;
            before = after.ok_or(NotRunning)?;
        }
    }
    let names = select::resolve(words, &select::running(&before))?;
    for name in &names {
        let request = Request::Restart { service: Some(name.clone()) };
        Stream::open(&socket, &request).await?.ok_or(NotRunning)?.next().await?;
    }
    let stream = Stream::open(&socket, &Request::Subscribe).await?;
    let stream = stream.ok_or(NotRunning)?;
    let mut judge = |now: &Snapshot| wait::all_run(now, &names);
    let ready = wait::follow(stream, deadline, timeout, &mut judge).await?;
    ready.ok_or(NotRunning)?;
    applied::read_again(config, &names)?;
    Ok(names)
}
