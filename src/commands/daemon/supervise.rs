//! `daemon supervise`: the supervisor. `manage start` runs it detached; `--foreground` calls it.

use std::{
    convert::Infallible,
    future::pending,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    sync::Notify,
    time::sleep,
};

use super::echo::Echo;
use crate::{
    commands::reply::{Nothing, Stream},
    config::Config,
    context::Context,
    data_dir::DataDir,
    error::Failure,
    instance::{self, lifecycle::start, prepare::applied},
    postgres,
    reply::{Outcome, Stop},
    services,
    supervisor::{
        self, Ahead, Settings, job,
        log::{self, Limits, LogFile},
        notify,
        record::{Report, Snapshot},
    },
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave the terminal
    #[arg(long)]
    detach: bool,
    /// Make ready what takes long, say a line, and begin with a line from stdin
    #[arg(long)]
    standby: bool,
    /// Start only these at first, with what they need
    services: Vec<String>,
}

pub(crate) async fn run(args: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    if args.detach {
        // Fails only for the leader of a group, and whoever detaches us does not make us that.
        rustix::process::setsid().ok();
    }
    let Args { detach, standby, services } = args;
    Ok(Stream::new(async move |context, _| {
        let mut ahead = None;
        if standby {
            ahead = self::ahead(context).await;
            if !begins().await {
                return Ok(Outcome::Done);
            }
        }
        supervise(context, services, ahead, !detach).await
    }))
}

/// What takes long, ready before anything else is; where it cannot be, the start after it says why.
async fn ahead(context: &Context) -> Option<Ahead> {
    let config = context.config().ok()?;
    let services = services::all(config).await.ok()?;
    Ahead::start(&services, &settings(context, config, Vec::new())).await
}

/// Says that it may begin and waits for that; false where nobody wants it any more.
async fn begins() -> bool {
    #[expect(clippy::disallowed_methods, reason = "it is said to this program, not to a person")]
    let mut parent = io::stdout();
    if writeln!(parent, "ready").is_err() {
        return false;
    }
    let mut line = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut line).await.is_ok_and(|length| length > 0)
}

fn settings(context: &Context, config: &Config, wanted: Vec<String>) -> Settings {
    let supervision = &config.supervision;
    let plain = job::PLAIN
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), context.environment.get(name)?.into())));
    Settings {
        profile: config.stack.profile.name().to_owned(),
        wanted,
        data: config.data.clone(),
        limits: Limits { size: supervision.log_size.0, files: supervision.log_files },
        plain: Arc::new(plain.collect()),
        echo: None,
        end_with_failure: None,
    }
}

/// Keeps everything until it is asked to end. In the foreground somebody above (systemd, a
/// container) restarts us, so there the failure of a service is ours.
pub(crate) async fn supervise(
    context: &Context,
    wanted: Vec<String>,
    ahead: Option<Ahead>,
    foreground: bool,
) -> Result<Outcome, Failure> {
    let config = context.config()?;
    let data = &config.data;
    data.create()?;
    let mut settings = settings(context, config, wanted);
    let echo = foreground.then(|| Echo::new(context.view().format));
    settings.echo = echo.as_ref().map(Echo::of_lines);
    settings.end_with_failure = foreground.then_some(services::CUSTOM);
    keep_own_log(data, settings.limits, settings.echo.clone());
    if postgres::target(config)?.is_embedded() {
        postgres::embedded::make_ready(config).await?;
    }
    let services = services::all(config).await?;
    applied::note(config, foreground)?;
    let above = context.environment.get(notify::VARIABLE).filter(|_| foreground);
    let tell = |message: &str| {
        if let Some(socket) = &above {
            drop(notify::tell(socket.as_ref(), message));
        }
    };
    let ready = Notify::new();
    let mut failure = None;
    let mut changed = |now: &Snapshot| {
        if now.ready || now.failed().next().is_some() && now.is_ready_but(services::CUSTOM) {
            ready.notify_one();
        }
        let custom = |report: &Report| report.tags.iter().any(|tag| tag == services::CUSTOM);
        let failed = || now.failed().find(|(_, report)| !custom(report));
        failure = failure.take().or_else(|| failed().map(|(name, r)| instance::failed(name, r)));
    };
    // `manage start` makes the account where it started us; in the foreground nobody else does.
    let beside = async {
        ready.notified().await;
        if foreground {
            account(context, config, &tell).await;
        }
        pending::<Infallible>().await
    };
    let kept = supervisor::run(services, settings, ahead, &mut changed);
    let well = tokio::select! { well = kept => well, never = beside => match never {} };
    tell("STOPPING=1");
    if let Some(echo) = echo {
        echo.finish().await;
    }
    match (well?, failure) {
        (false, Some(failure)) => Err(failure.into()),
        (false, None) => Err(Failure::environment("a service has failed")),
        (true, _) => Ok(Outcome::Done),
    }
}

/// Looks after the operator's account, again and again until that works, and says once that we are
/// ready: a server that only lacks this account serves everybody else.
async fn account(context: &Context, config: &Config, tell: &impl Fn(&str)) {
    const AGAIN: Duration = Duration::from_secs(30);
    let mut status = "everything runs";
    let mut told = false;
    loop {
        let failure = start::account(config).await.err();
        if let Some(failure) = &failure {
            tracing::warn!("{failure}");
            status = "everything runs, but the operator's account cannot be made";
        }
        if !told {
            tell(&format!("READY=1\nSTATUS={status}"));
            context.say(format!("ready: {}", config.local_url()));
            told = true;
        }
        if failure.is_none() {
            return;
        }
        sleep(AGAIN).await;
    }
}

/// What the supervisor itself has to say goes to `logs/supervisor.log`, with the same limits.
fn keep_own_log(data: &DataDir, limits: Limits, echo: Option<log::Echo>) {
    let log = log::shared(LogFile::new(&data.logs(), "supervisor", limits, echo));
    let writer = move || OwnLog(Arc::clone(&log));
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(writer)
        .finish();
    drop(tracing::subscriber::set_global_default(subscriber));
}

struct OwnLog(log::Shared);

impl Write for OwnLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The log itself may be what has something to say.
        if let Ok(mut log) = self.0.try_lock() {
            log.lines(bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
