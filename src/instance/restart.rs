//! Restarting some services, while the others go on.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{defined, named, start};
use crate::{
    config::Config,
    error::{Explain, Kind},
    supervisor::control::{self, Request, Stream},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the homeserver does not run")]
    NotRunning,
    #[error(transparent)]
    Name(#[from] named::Unknown),
    #[error(transparent)]
    Start(#[from] start::Error),
    #[error(transparent)]
    Control(#[from] control::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotRunning => Kind::Request,
            Self::Name(error) => error.kind(),
            Self::Start(error) => error.kind(),
            Self::Control(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunning => Some("`manage start` starts it".into()),
            Self::Name(error) => error.hint(),
            Self::Start(error) => error.hint(),
            Self::Control(error) => error.hint(),
        }
    }
}

/// Restarts these and waits until they are ready again; their names.
pub(crate) async fn some(
    config: &Config,
    words: &[String],
    timeout: Duration,
) -> Result<Vec<String>, Error> {
    let deadline = Instant::now() + timeout;
    let socket = control::socket(&config.data.sockets());
    let mut before = control::status(&socket).await?.ok_or(Error::NotRunning)?;
    if before.profile == config.profile.name
        && let Some(define) = defined::request(config, &before).await?
    {
        let stream = Stream::open(&socket, &define).await?;
        before = stream.ok_or(Error::NotRunning)?.next().await?.ok_or(Error::NotRunning)?;
    }
    let names = named::resolve(words, &named::running(&before))?;
    for name in &names {
        let request = Request::Restart { service: Some(name.clone()) };
        Stream::open(&socket, &request).await?.ok_or(Error::NotRunning)?.next().await?;
    }
    let stream = Stream::open(&socket, &Request::Subscribe).await?;
    let mut stream = stream.ok_or(Error::NotRunning)?;
    let mut last = None;
    loop {
        let Ok(next) = timeout_at(deadline, stream.next()).await else {
            return Err(start::slow(last.as_ref(), timeout).into());
        };
        let now = next?.ok_or(Error::NotRunning)?;
        let mut reports = names.iter().filter_map(|name| Some((name, now.services.get(name)?)));
        if let Some((name, report)) = reports.clone().find(|(_, it)| it.state.has_failed()) {
            return Err(start::failed(name, report).into());
        }
        if reports.all(|(_, report)| report.state.is_ready()) {
            return Ok(names);
        }
        last = Some(now);
    }
}
