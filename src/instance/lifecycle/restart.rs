//! Restarting: what would be refused afterwards is found before anything is stopped; or some services,
//! while the others go on.

use std::time::Duration;

use tokio::time::Instant;

use super::{definition, select, start, wait};
use crate::{
    config::Config,
    error::{Explain, Kind},
    instance::prepare,
    services,
    supervisor::{
        control::{self, Request, Stream},
        record::Snapshot,
    },
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the homeserver does not run")]
    NotRunning,
    #[error("the homeserver could not start again as things are, so it was not stopped")]
    Unfit(#[source] Box<start::Error>),
    #[error(transparent)]
    Name(#[from] select::Unknown),
    #[error(transparent)]
    Start(#[from] start::Error),
    #[error(transparent)]
    Control(#[from] control::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotRunning => Kind::Request,
            Self::Unfit(error) => error.kind(),
            Self::Name(error) => error.kind(),
            Self::Start(error) => error.kind(),
            Self::Control(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunning => Some("`manage start` starts it".into()),
            Self::Unfit(error) => error.hint(),
            Self::Name(error) => error.hint(),
            Self::Start(error) => error.hint(),
            Self::Control(error) => error.hint(),
        }
    }
}

/// Whether it could start again. Where it runs, it goes on running whatever is found.
pub(crate) async fn check(config: &Config, force: bool, timeout: Duration) -> Result<(), Error> {
    let data = &config.data;
    if !prepare::is_installed(data) {
        return Err(start::Error::NotInstalled(data.root().to_owned()).into());
    }
    // A supervisor that does not answer is no reason not to look.
    let now = control::status(&data.control_socket()).await.unwrap_or(None);
    let pids = now.iter().flat_map(|now| now.services.values().filter_map(|report| report.pid));
    let pids: Vec<u32> = pids.collect();
    let found = async {
        services::outline(config)?;
        prepare::check(config, force, &pids, Instant::now() + timeout).await?;
        Ok::<_, start::Error>(())
    };
    found.await.map_err(
        |error| {
            if now.is_some() { Error::Unfit(Box::new(error)) } else { error.into() }
        },
    )
}

/// Restarts these and waits until they are ready again; their names.
pub(crate) async fn some(
    config: &Config,
    words: &[String],
    timeout: Duration,
) -> Result<Vec<String>, Error> {
    let deadline = Instant::now() + timeout;
    let socket = config.data.control_socket();
    let mut before = control::status(&socket).await?.ok_or(Error::NotRunning)?;
    if before.profile == config.profile.name
        && let Some(define) = definition::request(config, &before).await?
    {
        let stream = Stream::open(&socket, &define).await?;
        before = stream.ok_or(Error::NotRunning)?.next().await?.ok_or(Error::NotRunning)?;
    }
    let names = select::resolve(words, &select::running(&before))?;
    for name in &names {
        let request = Request::Restart { service: Some(name.clone()) };
        Stream::open(&socket, &request).await?.ok_or(Error::NotRunning)?.next().await?;
    }
    let stream = Stream::open(&socket, &Request::Subscribe).await?;
    let stream = stream.ok_or(Error::NotRunning)?;
    let mut judge = |now: &Snapshot| wait::all_run(now, &names);
    let ready = wait::follow(stream, deadline, timeout, &mut judge).await?;
    ready.ok_or(Error::NotRunning)?;
    Ok(names)
}
