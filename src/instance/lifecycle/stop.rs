//! Stopping: the supervisor is asked to end everything in order; what a killed one left behind is
//! ended too.

use std::{path::PathBuf, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, timeout};

use super::select;
use crate::{
    data_dir::DataDir,
    error::{Explain, Kind},
    files,
    instance::lock,
    postgres,
    process::{self, Lock},
    supervisor::{
        self,
        control::{self, Request, Stream},
        record::{self, Report, Snapshot},
        state::Phase,
    },
};

/// How long the kernel and the supervisor may take after the last process was killed.
const AFTERWARDS: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the supervisor has not ended after {:.1} s", .0.as_secs_f64())]
    Slow(Duration),
    #[error("{holder} holds the supervisor's lock and does not answer")]
    Hung { holder: String },
    #[error("{holder} holds the supervisor's lock, and nothing proves which process that is")]
    Unknown { holder: String, lock: PathBuf },
    #[error(transparent)]
    Name(#[from] select::Unknown),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    #[error(transparent)]
    Control(#[from] control::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Name(error) => error.kind(),
            Self::Postgres(error) => error.kind(),
            Self::Control(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Slow(_) | Self::Hung { .. } | Self::Unknown { .. } => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Slow(_) | Self::Hung { .. } => {
                Some("`manage stop --force` kills it; `manage start` brings all back".into())
            }
            Self::Unknown { lock, .. } => Some(format!(
                "`fuser {}` names the process: end it, then run it again",
                lock.display()
            )),
            Self::Name(error) => error.hint(),
            Self::Postgres(error) => error.hint(),
            Self::Control(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// After that, what still runs is killed.
    pub(crate) timeout: Duration,
    /// Kill at once.
    pub(crate) force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    NotRunning,
    Now,
}

/// What a stop does, told as it happens.
pub(crate) enum Step<'a> {
    WaitsFor(&'a str),
    Changed(&'a Snapshot),
}

/// Stops everything and waits until it is gone.
pub(crate) async fn stop(
    data: &DataDir,
    options: Options,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Stopped, Error> {
    if !files::exists(&data.run())? {
        return Ok(Stopped::NotRunning);
    }
    let deadline = Instant::now() + options.timeout;
    let mut wait = |who: &str| on_step(Step::WaitsFor(who));
    let lock = lock::wait(data, "manage stop", deadline, &mut wait);
    let _lock = lock.await?;
    let left = deadline.saturating_duration_since(Instant::now());
    let asked = tell(data, options.force, left, on_step).await;
    let stopped = match asked {
        Ok(stopped) => stopped,
        Err(Error::Slow(_) | Error::Hung { .. } | Error::Control(_)) if options.force => false,
        Err(error) => return Err(error),
    };
    let left = match clear(data).await {
        Err(Error::Hung { .. }) if options.force => {
            kill_supervisor(data).await?;
            true
        }
        left => left?,
    };
    Ok(if stopped || left { Stopped::Now } else { Stopped::NotRunning })
}

/// Stops these services, after all that need them, and waits until they are down; the rest goes on.
pub(crate) async fn some(
    data: &DataDir,
    words: &[String],
    within: Duration,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Vec<String>, Error> {
    if !files::exists(&data.run())? {
        return Ok(Vec::new());
    }
    let socket = data.control_socket();
    let Some(now) = control::status(data).await? else { return Ok(Vec::new()) };
    let names = select::resolve(words, &select::running(&now))?;
    let within_ms = Some(u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
    let request = Request::Down { services: names, within_ms };
    let Some(mut stream) = Stream::open(&socket, &request).await? else { return Ok(Vec::new()) };
    let up = |snapshot: &Snapshot| -> Vec<String> {
        let up = snapshot.services.iter().filter(|(_, it)| it.state != Phase::Stopped);
        up.map(|(name, _)| name.clone()).collect()
    };
    let before = up(&now);
    let down = timeout(within + AFTERWARDS, async {
        while let Some(now) = stream.next().await? {
            let waits = |report: &Report| !report.wanted && report.state != Phase::Stopped;
            if !now.services.values().any(waits) {
                let left = up(&now);
                return Ok(before.into_iter().filter(|name| !left.contains(name)).collect());
            }
            on_step(Step::Changed(&now));
        }
        Ok::<_, Error>(before)
    });
    down.await.map_err(|_| Error::Slow(within))?
}

/// Asks the supervisor to end, and waits for that; false if there is none. For a flow that holds the
/// instance's lock already.
pub(crate) async fn ask(data: &DataDir, force: bool, within: Duration) -> Result<bool, Error> {
    tell(data, force, within, &mut |_| {}).await
}

async fn tell(
    data: &DataDir,
    force: bool,
    within: Duration,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<bool, Error> {
    let within_ms = Some(u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
    let request = Request::Stop { force, within_ms };
    let socket = data.control_socket();
    let Some(mut stream) = Stream::open(&socket, &request).await? else { return Ok(false) };
    let began = Instant::now();
    let drained = timeout(within + AFTERWARDS, async {
        while let Some(now) = stream.next().await? {
            on_step(Step::Changed(&now));
        }
        // The socket is closed a moment before the lock.
        free(data).await.map(drop)
    });
    drained.await.map_err(|_| Error::Slow(began.elapsed()))??;
    Ok(true)
}

fn lock(data: &DataDir) -> Result<Lock, files::Error> {
    Lock::try_acquire(&data.supervisor_lock(), "manage stop")
}

/// The same as soon as a supervisor that ends has given it up.
async fn free(data: &DataDir) -> Result<Lock, Error> {
    let until = Instant::now() + AFTERWARDS;
    match Lock::acquire(&data.supervisor_lock(), "manage stop", until, &mut |_| ()).await {
        Err(files::Error::Held { holder, .. }) => Err(Error::Hung { holder }),
        lock => Ok(lock?),
    }
}

/// Ends what a supervisor that was killed left behind; true if there was something.
pub(crate) async fn clear(data: &DataDir) -> Result<bool, Error> {
    // One that was just started takes its lock before it listens.
    let _lock = match lock(data) {
        Err(files::Error::Held { holder, .. }) => return Err(Error::Hung { holder }),
        lock => lock?,
    };
    let left = supervisor::sweep(&data.state_file(), AFTERWARDS).await;
    let server = postgres::embedded::stop_stray(data, AFTERWARDS).await?;
    Ok(left > 0 || server)
}

/// Kills a supervisor that does not answer; its services end with it. Only a process is killed that is
/// proved to be the supervisor: a pid may have been given to another.
async fn kill_supervisor(data: &DataDir) -> Result<(), Error> {
    let Err(files::Error::Held { holder, .. }) = lock(data) else { return Ok(()) };
    // A full disk may have kept its name out of the lock, and an earlier version wrote no proof there.
    let path = data.supervisor_lock();
    let found = process::holder(&path).or_else(|| record::supervisor(&data.state_file()));
    let Some(supervisor) = found else { return Err(Error::Unknown { holder, lock: path }) };
    supervisor.signal(Signal::KILL);
    drop(free(data).await?);
    clear(data).await.map(drop)
}
