//! Restarting one service, while the others go on.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::start;
use crate::{
    config::paths::DataDir,
    error::{Explain, Kind},
    supervisor::control::{self, Request, Stream},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the homeserver does not run")]
    NotRunning,
    #[error(transparent)]
    Start(#[from] start::Error),
    #[error(transparent)]
    Control(#[from] control::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotRunning => Kind::Request,
            Self::Start(error) => error.kind(),
            Self::Control(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunning => Some("`manage start` starts it".into()),
            Self::Start(error) => error.hint(),
            Self::Control(error) => error.hint(),
        }
    }
}

/// Restarts it and waits until it is ready again.
pub(crate) async fn one(data: &DataDir, service: &str, timeout: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + timeout;
    let socket = control::socket(&data.sockets());
    let request = Request::Restart { service: Some(service.to_owned()) };
    let stream = Stream::open(&socket, &request).await?;
    let mut stream = stream.ok_or(Error::NotRunning)?;
    let mut last = None;
    loop {
        let Ok(next) = timeout_at(deadline, stream.next()).await else {
            return Err(start::slow(last.as_ref(), timeout).into());
        };
        let now = next?.ok_or(Error::NotRunning)?;
        match now.services.get(service) {
            Some(report) if report.state.is_ready() => return Ok(()),
            Some(report) if report.state.has_failed() => {
                return Err(start::failed(service, report).into());
            }
            _ => last = Some(now),
        }
    }
}
