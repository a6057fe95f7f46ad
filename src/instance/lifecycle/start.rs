//! Starting: everything ready before anything runs, then the supervisor, then patience until all its
//! services are ready. A start that fails leaves nothing of its own running.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    process::Child,
    time::{Instant, sleep},
};

use super::{
    definition, select, stop,
    wait::{LastWords, failed, follow},
};
use crate::{
    clock::Backoff,
    config::{self, Config, sources::edit},
    data_dir::DataDir,
    error::{Explain, Kind},
    files,
    instance::{
        lock,
        prepare::{self, applied},
    },
    process, services,
    supervisor::{
        control::{self, Request, Stream},
        log::read::Follower,
        record::Snapshot,
        state::Phase,
    },
};

/// How long a start that failed waits until what it started is gone.
const CLEAR_UP: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the homeserver is not installed in `{}`", .0.display())]
    NotInstalled(PathBuf),
    #[error("the service `{service}` has failed: {tries}, the last time with {exit}")]
    Failed { service: String, tries: String, exit: String, source: Option<LastWords> },
    #[error("the homeserver runs, but not all of your own services")]
    Partly(#[source] Box<Self>),
    #[error("the homeserver was not ready within {} s", after.as_secs())]
    Slow { after: Duration, service: String, source: LastWords },
    #[error("the supervisor cannot be started")]
    Launch(#[source] io::Error),
    #[error("the supervisor has ended before everything was ready")]
    Ended(#[source] Option<LastWords>),
    #[error(transparent)]
    Name(#[from] select::Unknown),
    #[error(transparent)]
    Services(#[from] services::Error),
    #[error(transparent)]
    Prepare(#[from] prepare::Error),
    #[error(transparent)]
    Stop(#[from] stop::Error),
    #[error(transparent)]
    Control(#[from] control::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Name(error) => error.kind(),
            Self::Services(error) => error.kind(),
            Self::Prepare(error) => error.kind(),
            Self::Stop(error) => error.kind(),
            Self::Control(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Partly(error) => error.kind(),
            Self::NotInstalled(_) => Kind::Request,
            _ => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotInstalled(_) => Some("`manage install --start` installs and starts it".into()),
            Self::Failed { service, .. } => Some(format!(
                "`logs {service}` shows all it wrote; when that is mended, `manage start` tries again"
            )),
            Self::Slow { after, service, .. } => Some(format!(
                "`manage start --timeout {}` waits longer; `logs {service}` shows what it did",
                after.as_secs().saturating_mul(3)
            )),
            Self::Launch(_) => None,
            Self::Partly(error) => error.hint(),
            Self::Ended(_) => Some("`logs supervisor` shows more".into()),
            Self::Name(error) => error.hint(),
            Self::Services(error) => error.hint(),
            Self::Prepare(error) => error.hint(),
            Self::Stop(error) => error.hint(),
            Self::Control(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Only these, with all they need; without names, all of the profile.
    pub(crate) services: Vec<String>,
    /// For the whole start.
    pub(crate) timeout: Duration,
    /// Start although little disk space is left.
    pub(crate) force: bool,
}

/// What a start does, told as it happens.
pub(crate) enum Step<'a> {
    /// Another command works on this homeserver: which one.
    WaitsFor(&'a str),
    Prepares(&'a str),
    /// Something the person should know although it works.
    Warns(&'a str),
    Launches,
    Changed(&'a Snapshot),
    Account,
}

#[derive(Debug)]
pub(crate) enum Started {
    Already {
        now: Snapshot,
        /// Whether the operator's session did not work and was made again.
        new_session: bool,
    },
    Now(Snapshot),
}

/// Makes sure that there is something to start, and that nobody else is at it.
async fn enter(
    config: &Config,
    deadline: Instant,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<process::Lock, Error> {
    let data = &config.data;
    if !prepare::is_installed(data) {
        return Err(Error::NotInstalled(data.root().to_owned()));
    }
    // What is wrong with them is said before anything is changed.
    services::outline(config)?;
    data.create()?;
    let mut wait = |who: &str| on_step(Step::WaitsFor(who));
    Ok(lock::wait(data, "manage start", deadline, &mut wait).await?)
}

/// Starts what is asked for and waits until it is ready.
pub(crate) async fn start(
    config: &Config,
    options: Options,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Started, Error> {
    let deadline = Instant::now() + options.timeout;
    let data = &config.data;
    let _lock = enter(config, deadline, on_step).await?;
    let socket = data.control_socket();
    let mut log = own_log(data);
    let mut launched = false;
    let (stream, names) = if let Some(mut stream) = found(data, &socket).await? {
        let now = stream.next().await?.ok_or_else(|| Error::Ended(own_words(&mut log)))?;
        let other = now.profile != config.profile.name;
        let define = definition::request(config, &now).await?;
        let there = services::outline(config)?;
        let names = select::resolve(&options.services, &select::listed(&there))?;
        if let Some(define) = define {
            on_step(Step::Prepares("the services that have changed"));
            if let Some(mut stream) = Stream::open(&socket, &define).await? {
                stream.next().await?;
            }
            applied::renew(config)?;
        } else if is_up(&now, &names) {
            // An earlier start may have been interrupted before its last step, and a session may
            // have been ended since: one request tells.
            let new_session =
                runs_synapse(&now) && prepare::finish(config, deadline, on_step).await?;
            return Ok(Started::Already { now, new_session });
        }
        // Another profile brings its services along.
        let names = if other { Vec::new() } else { names };
        let asked = Request::Start { services: names.clone() };
        let stream = Stream::open(&socket, &asked).await?;
        (stream.ok_or_else(|| Error::Ended(own_words(&mut log)))?, names)
    } else {
        prepare::run(config, options.force, deadline, on_step).await?;
        let names = if options.services.is_empty() {
            Vec::new()
        } else {
            select::resolve(&options.services, &select::listed(&services::outline(config)?))?
        };
        on_step(Step::Launches);
        let mut child = launch(config, &names, on_step)?;
        launched = true;
        let stream = answered(config, &mut child, &mut log, deadline, options.timeout).await?;
        (stream, names)
    };
    let whole = names.is_empty();
    let concerned = definition::with_needs(config, &names)?;
    let wait = Wait { names, concerned, deadline, timeout: options.timeout };
    match ready(stream, &wait, &mut log, on_step).await {
        Ok(snapshot) => {
            if runs_synapse(&snapshot) {
                prepare::finish(config, deadline, on_step).await?;
            }
            Ok(Started::Now(snapshot))
        }
        Err(error @ (Error::Failed { .. } | Error::Slow { .. }))
            if whole && runs(&socket).await? =>
        {
            prepare::finish(config, deadline, on_step).await?;
            Err(Error::Partly(Box::new(error)))
        }
        Err(error) => {
            if launched {
                // What has failed says more than what happens while it is cleared away.
                drop(stop::ask(data, false, CLEAR_UP).await);
            }
            Err(error)
        }
    }
}

/// Remembers the profile: the next start is one of it too.
pub(crate) fn keep_profile(config: &Config) -> Result<(), config::Error> {
    let setting = config::find("stack.profile")?;
    edit::set(&config.data, setting, &config.stack.profile.name().into())?;
    Ok(())
}

/// Whether these run, or everything where none is named.
fn is_up(now: &Snapshot, names: &[String]) -> bool {
    let up = |name: &String| {
        now.services.get(name).is_some_and(|report| report.wanted && report.state.is_ready())
    };
    if names.is_empty() { now.ready && now.order.iter().all(up) } else { names.iter().all(up) }
}

/// Whether all runs but services of the operator's own.
async fn runs(socket: &Path) -> Result<bool, Error> {
    let now = control::status(socket).await?;
    Ok(now.is_some_and(|now| runs_synapse(&now) && now.is_ready_but(services::CUSTOM)))
}

fn runs_synapse(now: &Snapshot) -> bool {
    now.services.get("synapse").is_some_and(|report| report.state == Phase::Running)
}

/// The supervisor that runs; none when there is none and nothing of one is left. One that was just
/// started holds its lock for a moment before it listens.
async fn found(data: &DataDir, socket: &Path) -> Result<Option<Stream>, Error> {
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(stream) = Stream::open(socket, &Request::Subscribe).await? {
            return Ok(Some(stream));
        }
        match stop::clear(data).await {
            Ok(_) => return Ok(None),
            Err(stop::Error::Hung { .. }) if Instant::now() < patience => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a supervisor in the foreground needs before it starts.
pub(crate) async fn prepare(
    config: &Config,
    options: Options,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<(), Error> {
    let deadline = Instant::now() + options.timeout;
    let data = &config.data;
    let _lock = enter(config, deadline, on_step).await?;
    stop::clear(data).await?;
    prepare::run(config, options.force, deadline, on_step).await?;
    Ok(())
}

/// Looks after the operator's account once a supervisor in the foreground has everything ready.
pub(crate) async fn account(config: &Config) -> Result<(), Error> {
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    prepare::finish(config, deadline, &mut |_| ()).await?;
    Ok(())
}

/// Starts the supervisor; it outlives us and the terminal.
fn launch(
    config: &Config,
    names: &[String],
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Child, Error> {
    let log = config.data.logs().join("supervisor.log");
    let stderr = files::append(&log).map_or_else(
        |error| {
            let log = log.display();
            on_step(Step::Warns(&format!(
                "`{log}` cannot be written, its lines are dropped: {error}"
            )));
            Stdio::null()
        },
        Stdio::from,
    );
    let words: Vec<OsString> = services::same_settings(config);
    // Our own program, even if its file has been replaced since we started.
    let mut command = process::command("/proc/self/exe");
    command.args(["daemon", "supervise", "--detach"]).args(words).args(names);
    command.stdout(Stdio::null()).stderr(stderr).current_dir("/").kill_on_drop(false);
    command.spawn().map_err(Error::Launch)
}

/// The supervisor's first words, once it listens.
async fn answered(
    config: &Config,
    child: &mut Child,
    log: &mut Follower,
    deadline: Instant,
    timeout: Duration,
) -> Result<Stream, Error> {
    let socket = config.data.control_socket();
    let mut backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(50));
    loop {
        if let Some(stream) = Stream::open(&socket, &Request::Subscribe).await? {
            return Ok(stream);
        }
        if child.try_wait().is_ok_and(|status| status.is_some()) {
            return Err(Error::Ended(own_words(log)));
        }
        if Instant::now() > deadline {
            drop(child.start_kill());
            let source = LastWords::new("the supervisor does not listen");
            return Err(Error::Slow { after: timeout, service: "supervisor".to_owned(), source });
        }
        sleep(backoff.pause()).await;
    }
}

/// What a start waits for.
struct Wait {
    /// These have to run; without names, everything.
    names: Vec<String>,
    /// The failure of one of these is its own; of any, where none is named.
    concerned: Vec<String>,
    deadline: Instant,
    timeout: Duration,
}

/// Follows what happens until all is ready, one has failed, or the time is over.
async fn ready(
    stream: Stream,
    wait: &Wait,
    log: &mut Follower,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Snapshot, Error> {
    let concerns = |name: &str| {
        wait.concerned.is_empty() || wait.concerned.iter().any(|concerned| concerned == name)
    };
    let mut judge = |now: &Snapshot| {
        on_step(Step::Changed(now));
        if if wait.names.is_empty() { now.ready } else { is_up(now, &wait.names) } {
            return Ok(true);
        }
        // One that had failed before got another try with the request that opened this stream.
        if let Some((name, report)) = now.failed().find(|(name, _)| concerns(name)) {
            // One of the operator's own does not keep the homeserver from starting.
            let own = report.tags.iter().any(|tag| tag == services::CUSTOM);
            if !own || !wait.names.is_empty() || now.is_ready_but(services::CUSTOM) {
                return Err(failed(name, report));
            }
        }
        Ok(false)
    };
    let now = follow(stream, wait.deadline, wait.timeout, &mut judge).await?;
    now.ok_or_else(|| Error::Ended(own_words(log)))
}

/// The supervisor's own log, as it goes on from now.
fn own_log(data: &DataDir) -> Follower {
    Follower::new(&data.logs(), &["supervisor".to_owned()])
}

/// The last lines that the supervisor wrote since this command began: older ones tell of another run.
fn own_words(log: &mut Follower) -> Option<LastWords> {
    let mut lines: Vec<String> = log.more().into_iter().map(|line| line.message).collect();
    lines.retain(|line| !line.is_empty());
    lines.drain(..lines.len().saturating_sub(6));
    (!lines.is_empty()).then(|| LastWords::new(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions},
        io::Write as _,
    };

    use super::*;
    use crate::supervisor::log::rotated;

    #[test]
    fn an_earlier_run_is_not_quoted_and_a_log_put_aside_is_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        let path = data.logs().join("supervisor.log");
        let write = |line: &str| {
            let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
            writeln!(file, "2026-11-21T05:20:00.000Z {line}").unwrap();
        };
        write("ERROR of an earlier run");
        let mut log = own_log(&data);
        assert!(own_words(&mut log).is_none());
        write("ERROR before it was put aside");
        fs::rename(&path, rotated(&path, 1)).unwrap();
        write("ERROR after it");
        let words = own_words(&mut log).unwrap().to_string();
        assert_eq!(words, "ERROR before it was put aside\nERROR after it");
    }
}
