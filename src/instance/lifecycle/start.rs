//! Starting: everything ready before anything runs, then the supervisor, then patience until all its
//! services are ready. A start that fails leaves nothing of its own running.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    definition,
    launch::{Standby, answered, found, launch, own_log, own_words},
    stop,
    wait::{self, follow},
};
use crate::{
    checks::{Flow, secrets},
    config::{self, Config, sources::edit},
    data_dir::DataDir,
    error::Failure,
    instance::{
        backup,
        error::{Error, failed},
        guard,
        homeserver::Homeserver,
        lock, moving,
        prepare::{self, applied},
        step::Step,
    },
    process::Lock,
    services,
    supervisor::{
        control::{self, Request, Stream},
        log::read::Follower,
        record::Snapshot,
        state::Phase,
    },
};

/// How long a start that failed waits until what it started is gone.
const CLEAR_UP: Duration = Duration::from_secs(20);

/// How long to leave one that ends before looking again whether it is gone: it may have been about to close
/// its socket.
const UNTIL_GONE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Options {
    /// Only these, with all they need; without names, all of the profile.
    pub(crate) services: Vec<String>,
    /// For the whole start.
    pub(crate) timeout: Duration,
    /// Start although little disk space is left.
    pub(crate) force: bool,
    /// Remember the profile, once all that is looked at is right: the next start is one of it too.
    pub(crate) keep_profile: bool,
    /// The supervisor that is to begin, where one waits.
    pub(crate) standby: Option<Standby>,
}

impl Options {
    /// All of the profile that is set.
    pub(crate) fn all(timeout: Duration, force: bool) -> Self {
        Self { services: Vec::new(), timeout, force, keep_profile: false, standby: None }
    }
}

#[derive(Debug)]
pub(crate) enum Started {
    Already {
        now: Snapshot,
        /// Whether the operator's session was invalid and was renewed.
        new_session: bool,
    },
    Now(Snapshot),
}

/// Makes sure that there is something to start, and that nobody else is at it.
async fn enter<'a>(
    config: &'a Config,
    deadline: Instant,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<(Lock, Homeserver<'a>), Failure> {
    let data = &config.data;
    backup::restore::require_whole(data)?;
    moving::require_whole(data)?;
    guard::installed(data)?;
    data.create()?;
    let mut wait = |who: &str| on_step(Step::WaitsFor(who));
    let lock = lock::wait(data, "manage start", deadline, &mut wait).await?;
    Ok((lock, Homeserver::of(config)?))
}

/// Starts what is asked for and waits until it is ready.
pub(crate) async fn start(
    config: &Config,
    mut options: Options,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Started, Failure> {
    guard::kept_by_us(&config.data)?;
    let deadline = Instant::now() + options.timeout;
    let (_lock, mut homeserver) = enter(config, deadline, on_step).await?;
    let mut launched = false;
    loop {
        let said =
            started(config, &mut homeserver, &mut options, deadline, &mut launched, on_step).await;
        match said {
            // The one that was found had been told to stop: another takes its place, once it is gone.
            Err(why) if !launched && is_end(&why) && Instant::now() < deadline => {
                sleep(UNTIL_GONE).await;
            }
            said => return said,
        }
    }
}

/// Whether a supervisor has ended that was to start something.
fn is_end(why: &Failure) -> bool {
    matches!(why.error.downcast_ref(), Some(Error::Ended(_)))
}

/// The same, with what is there or with a supervisor that is `launched` for it.
async fn started(
    config: &Config,
    homeserver: &mut Homeserver<'_>,
    options: &mut Options,
    deadline: Instant,
    launched: &mut bool,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Started, Failure> {
    let data = &config.data;
    let mut names = homeserver.select(&options.services)?;
    let socket = data.control_socket();
    let mut log = own_log(data);
    let stream = if let Some(mut stream) = found(data, &socket).await? {
        let now = stream.next().await?.ok_or_else(|| Error::Ended(own_words(&mut log)))?;
        let mut warn = |warning: &str| on_step(Step::Warns(warning));
        let force = options.force;
        let define = definition::request(homeserver, &now, &[], force, deadline, &mut warn).await?;
        keep_profile(config, options)?;
        if let Some(define) = define {
            on_step(Step::Prepares("the services that have changed"));
            let after = definition::tell(&socket, &now, &define).await?;
            if after.is_some_and(|after| definition::is_taken_up(&define, &after)) {
                applied::renew(config)?;
            }
        } else if is_up(&now, &names) {
            // An earlier start may have been interrupted before its last step, and a session may
            // have been ended since: one request tells.
            let new_session = match runs_at(&now) {
                Some(url) => prepare::finish(config, &url, deadline, on_step).await?,
                None => false,
            };
            return Ok(Started::Already { now, new_session });
        } else {
            // With what helps, which a service that fails for it does not know.
            secrets::SECRETS.look(&homeserver.subject(Flow::Start, deadline)).await?;
        }
        if now.profile != config.profile.name {
            // Another profile brings its services along.
            names.clear();
        }
        let asked = Request::Start { services: names.clone() };
        let stream = Stream::open(&socket, &asked).await?;
        stream.ok_or_else(|| Error::Ended(own_words(&mut log)))?
    } else {
        prepare::run(homeserver, options.force, deadline, on_step).await?;
        keep_profile(config, options)?;
        on_step(Step::Launches);
        let mut child = launch(config, &names, options.standby.take(), on_step).await?;
        *launched = true;
        answered(config, &mut child, &mut log, deadline, options.timeout).await?
    };
    let whole = names.is_empty();
    let concerned = homeserver.with_needs(&names);
    let wait = Wait { names, concerned, deadline, timeout: options.timeout };
    match ready(stream, &wait, &mut log, on_step).await {
        Ok(snapshot) => {
            if let Some(url) = runs_at(&snapshot) {
                prepare::finish(config, &url, deadline, on_step).await?;
            }
            Ok(Started::Now(snapshot))
        }
        Err(error @ (Error::Failed { .. } | Error::Slow { .. })) if whole && runs(data).await? => {
            let now = control::status(data).await?;
            let url =
                now.as_ref().and_then(services::listens).unwrap_or_else(|| config.local_url());
            prepare::finish(config, &url, deadline, on_step).await?;
            Err(Error::Partly(Box::new(error)).into())
        }
        Err(error) => {
            if *launched {
                // What has failed says more than what happens while it is cleared away.
                drop(stop::ask(data, false, CLEAR_UP).await);
            }
            Err(error.into())
        }
    }
}

fn keep_profile(config: &Config, options: &Options) -> Result<(), config::Error> {
    if options.keep_profile {
        let setting = config::find("stack.profile")?;
        edit::set(&config.data, setting, &config.stack.profile.name().into())?;
    }
    Ok(())
}

/// Whether these run, or everything where none is named.
fn is_up(now: &Snapshot, names: &[String]) -> bool {
    let up = |name: &String| {
        now.services.get(name).is_some_and(|report| report.wanted && report.is_ready())
    };
    if names.is_empty() { now.ready && now.order.iter().all(up) } else { names.iter().all(up) }
}

/// Whether all runs but services of the operator's own.
async fn runs(data: &DataDir) -> Result<bool, control::Error> {
    let now = control::status(data).await?;
    Ok(now.is_some_and(|now| runs_homeserver(&now) && now.is_ready_but(services::CUSTOM)))
}

/// Where the homeserver listens, if it runs.
fn runs_at(now: &Snapshot) -> Option<String> {
    services::listens(now).filter(|_| runs_homeserver(now))
}

fn runs_homeserver(now: &Snapshot) -> bool {
    services::of_homeserver(now).is_some_and(|report| report.state == Phase::Running)
}

/// What a supervisor in the foreground needs before it starts.
pub(crate) async fn prepare(
    config: &Config,
    options: Options,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<(), Failure> {
    let deadline = Instant::now() + options.timeout;
    let (_lock, homeserver) = enter(config, deadline, on_step).await?;
    stop::clear(&config.data).await?;
    prepare::run(&homeserver, options.force, deadline, on_step).await?;
    Ok(keep_profile(config, &options)?)
}

/// Looks after the operator's account once a supervisor in the foreground has everything ready.
pub(crate) async fn account(config: &Config) -> Result<(), Failure> {
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    let url = config.local_url();
    wait::answers(&url, config.server.kind.health(), deadline).await?;
    prepare::finish(config, &url, deadline, &mut |_| ()).await?;
    Ok(())
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
